"""The page's own checks and tests, run where Node.js and its packages are there, and what its lock may hold."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import experiments.report

WEB = Path(experiments.report.__file__).parent / "web"


@pytest.mark.parametrize("job", ["test", "check"])
def test_the_page_passes_its_own(job: str) -> None:
    npm = shutil.which("npm")
    if npm is None or not (WEB / "node_modules").is_dir():
        pytest.skip("NOT RUN: no Node.js, or `npm ci` was not run in experiments/report/web")
    done = subprocess.run([npm, "run", "--silent", job], cwd=WEB, capture_output=True, text=True, check=False)
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
