"""The locks, the script that uses them, and what the tests say when there is no browser."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import run

LOCKS = (run.RUNTIME, run.FULL, run.NODE)


def pins(lock):
    """Map each pinned line (name, version, marker) of a lock to its set of hashes."""
    found = {}
    for line in (run.ROOT / lock).read_text(encoding="utf-8").splitlines():
        text = line.strip().removesuffix("\\").strip()
        if text and not line.startswith(" "):
            last = found.setdefault(text, set())
        elif text.startswith("--hash="):
            last.add(text)
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_and_hashes_everything_and_names_no_host(lock):
    text = (run.ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=sha256:)", text, re.MULTILINE)
    for pin, hashes in pins(lock).items():
        assert re.match(r"[a-z0-9-]+==\S+( ; .+)?$", pin), pin
        assert hashes, pin


def test_the_page_lock_names_no_registry():
    lock = run.WEB / "package-lock.json"
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert not [name for name, package in packages.items() if name and "integrity" not in package]


def test_the_demonstration_and_the_tests_run_the_same_versions():
    assert pins(run.RUNTIME).items() <= pins(run.FULL).items()


def test_every_dependency_is_locked():
    project = tomllib.loads((run.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = [
        *project["project"]["dependencies"],
        *project["dependency-groups"]["set-up"],
        *project["build-system"]["requires"],
    ]
    locked = {pin.split("==")[0] for pin in pins(run.RUNTIME)}
    assert {re.split(r"[<>=\[ ]", name)[0] for name in declared} <= locked


def test_each_python_gets_its_mesa():
    mesa = sorted(pin for pin in pins(run.RUNTIME) if pin.startswith("mesa=="))
    assert [pin.split(" ; ")[0][:9] for pin in mesa] == ["mesa==3.3", "mesa==3.5"]
    assert [pin.split(" ; ")[1] for pin in mesa] == ["python_full_version < '3.12'", "python_full_version >= '3.12'"]


@pytest.mark.parametrize("version", [(3, 10, 13), (3, 14, 0)])
def test_another_python_gets_one_sentence(monkeypatch, version):
    monkeypatch.setattr(run.sys, "version_info", version)
    with pytest.raises(run.StoppedError, match=rf"needs Python 3\.11.*this is Python 3\.{version[1]}\."):
        run.main(["demo"])


def test_an_unknown_job_ends_with_code_2_and_one_line():
    ended = subprocess.run([sys.executable, run.ROOT / "run.py", "dmeo"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("There is no job 'dmeo'. The jobs are: demo, test,")
    assert ended.stderr.count("\n") == 1


def test_line_ends_do_not_make_a_new_set_up(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    file = tmp_path / "lock"
    file.write_bytes(b"a\nb\n")
    unix = run.digest(file)
    file.write_bytes(b"a\r\nb\r\n")
    assert run.digest(file) == unix
    file.write_bytes(b"a\nc\n")
    assert run.digest(file) != unix


def test_browser_tests_say_loudly_that_they_did_not_run(monkeypatch, tmp_path):
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_page.py").write_text(
        "import pytest\n\n@pytest.mark.browser\ndef test_page(browser_path):\n    raise AssertionError\n",
        encoding="utf-8",
    )
    monkeypatch.delenv("JOURNEYS_BROWSER", raising=False)
    for name in ("PATH", "PROGRAMFILES(X86)"):
        monkeypatch.setenv(name, str(tmp_path))
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert "BROWSER TESTS LEFT OUT" in ended.stdout
    assert "1 browser tests did NOT run" in ended.stdout
