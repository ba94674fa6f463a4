"""The page's own tests, run where Node.js and its packages are there, and what its sources and its lock may hold.

`run.py test` runs the type checks of the page besides.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import experiments.report

WEB = Path(experiments.report.__file__).parent / "web"


def test_the_pure_functions_of_the_page_pass_their_tests() -> None:
    npm = shutil.which("npm")
    if npm is None or not (WEB / "node_modules").is_dir():
        pytest.skip("no Node.js, or `npm ci` was not run in experiments/report/web; `run.py test` runs these by itself")
    done = subprocess.run([npm, "test", "--silent"], cwd=WEB, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_the_lock_names_no_registry_and_checks_every_package() -> None:
    packages = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert not [name for name, package in packages.items() if name and "integrity" not in package]
    assert "omit-lockfile-registry-resolved=true" in (WEB / ".npmrc").read_text(encoding="utf-8")


def test_no_source_of_the_page_puts_markup_in_unescaped() -> None:
    sources = [*WEB.glob("src/**/*.svelte"), *WEB.glob("src/**/*.ts")]
    assert sources
    guilty = [
        f"{path.name}: {word}"
        for path in sources
        for word in ("{@html", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(")
        if word in path.read_text(encoding="utf-8")
    ]
    assert guilty == []
