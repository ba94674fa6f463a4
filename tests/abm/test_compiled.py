"""Compiled code is kept where only we can write, never outlives its sources, and never stands in the way of a run."""

import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import abm
from abm import code_folder
from abm.code_folder import CodeFolder, chosen_root
from abm.compiled import HAS_NUMBA, compiler_facts, sources_digest

ABM = Path(abm.__file__).parent
NAME = "0123456789abcdef" * 2
posix = pytest.mark.skipif(os.name != "posix", reason="modes and owners of POSIX")
needs_numba = pytest.mark.skipif(not HAS_NUMBA, reason="needs numba")

ONE = """
from abm.compiled import compiled

STEP = 1

@compiled(inline=True)
def more(x):
    return x + STEP
"""
TWO = """
from abm.compiled import compiled
from abm.one import more

@compiled(nogil=True)
def count(n):
    total = 0
    for _ in range(n):
        total = more(total)
    return total
"""
ASK = """
import numba
numba.config.CACHE_DIR = "as it was"
from abm.two import count
print(count(5), sum(count.stats.cache_hits.values()), numba.config.CACHE_DIR)
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small package abm with one function, compiled with what it uses of another module."""
    inside = tmp_path / "package" / "abm"
    inside.mkdir(parents=True)
    for name in ("compiled.py", "code_folder.py"):
        shutil.copy(ABM / name, inside)
    for name, text in {"__init__": "", "one": ONE, "two": TWO, "three": "UNUSED = 1\n"}.items():
        (inside / f"{name}.py").write_text(text)
    return inside


def start(package: Path, cache: Path | str, code: str = ASK, **settings: str) -> "subprocess.Popen[str]":
    # No bytecode: an edit within the same second would go unnoticed by Python itself.
    environment = {**os.environ, "JOURNEYS_CACHE": str(cache), "PYTHONDONTWRITEBYTECODE": "1", **settings}
    command, pipe = [sys.executable, "-c", code], subprocess.PIPE
    return subprocess.Popen(command, cwd=package.parent, env=environment, stdout=pipe, stderr=pipe, text=True)


def ask(package: Path, cache: Path | str, code: str = ASK, **settings: str) -> tuple[str, str]:
    process = start(package, cache, code, **settings)
    said, complained = process.communicate()
    assert process.returncode == 0, complained
    return said.strip(), complained


def folders(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir()}


@needs_numba
def test_code_is_kept_until_a_source_it_is_made_of_changes(package: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert ask(package, cache) == ("5 0 as it was", "")
    assert ask(package, cache) == ("5 1 as it was", "")
    (package / "three.py").write_text("UNUSED = 2\n")
    assert ask(package, cache) == ("5 1 as it was", "")
    # What numba's own cache does not notice: the function's own file is as it was.
    (package / "one.py").write_text(ONE.replace("STEP = 1", "STEP = 2"))
    before = folders(cache)
    assert ask(package, cache) == ("10 0 as it was", "")
    assert len(folders(cache)) == 2
    assert before < folders(cache)


@needs_numba
@pytest.mark.slow
def test_code_for_another_machine_is_kept_apart(package: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    name = "from abm.compiled import code_folder; print(code_folder().name)"
    settings = ({}, {}, {"NUMBA_OPT": "1"}, {"NUMBA_CPU_NAME": "generic"}, {"NUMBA_NUM_THREADS": "1"})
    running = [start(package, cache, name, **setting) for setting in settings]
    plain, again, slower, older, fewer = (process.communicate()[0] for process in running)
    assert plain == again == fewer != ""
    assert len({plain, slower, older}) == 3


@needs_numba
@pytest.mark.slow
def test_code_of_sources_that_changed_meanwhile_is_not_kept(package: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    edited = f"from abm import one; open(one.__file__, 'a').write('\\n# edited')\n{ASK}"
    assert ask(package, cache, edited) == ("5 0 as it was", "")
    assert not cache.exists()


@needs_numba
@pytest.mark.slow
def test_two_processes_may_compile_at_once(package: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    both = [start(package, cache) for _ in range(2)]
    ended = [(*process.communicate(), process.returncode) for process in both]
    assert [(said.split()[:1], complained, code) for said, complained, code in ended] == [(["5"], "", 0)] * 2
    assert ask(package, cache) == ("5 1 as it was", "")
    assert len(list(cache.glob("*/*"))) == 1


@needs_numba
@posix
def test_where_nothing_can_be_kept_it_is_said_once_and_the_run_goes_on(package: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said, complained = ask(package, tmp_path / "file" / "below")
    assert said.startswith("5 0 ")
    assert complained.count("Compiled code is not kept in") == complained.count("\n") == 1
    # None wanted: nothing to say.
    assert ask(package, "") == ("5 0 as it was", "")
    # A disk that is full after some bytes.
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
    said, complained = ask(package, tmp_path / "full", full + ASK)
    assert said.startswith("5 0 ")
    assert complained.count("\n") == 1
    assert not list((tmp_path / "full").glob("*/*"))


@needs_numba
@pytest.mark.slow
def test_kept_code_runs_without_loading_all_that_numba_can_compile(package: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    loaded = f"{ASK}\nimport sys; print('numba.np.arraymath' in sys.modules)"
    assert ask(package, cache, loaded)[0] == "5 0 as it was\nTrue"
    assert ask(package, cache, loaded)[0] == "5 1 as it was\nFalse"
    # Code that calls something which is not there yet goes numba's own way, which loads it first.
    missing = f"import abm.compiled; abm.compiled.is_there = lambda symbol: False\n{loaded}"
    assert ask(package, cache, missing)[0] == "5 1 as it was\nTrue"


@needs_numba
@pytest.mark.slow
def test_kept_code_that_cannot_be_used_is_compiled_again(package: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    ask(package, cache)
    (kept,) = cache.glob("*/*")
    CodeFolder(cache, kept.parent.name).write(kept.name, b"not what numba wrote")
    said, complained = ask(package, cache)
    assert said.startswith("5 0 ")
    assert complained.count("Compiled code could not be read") == 1
    assert ask(package, cache) == ("5 1 as it was", "")


def test_the_digest_of_sources_covers_what_compiled_functions_use_and_no_more(tmp_path: Path) -> None:
    copy = tmp_path / "abm"
    copy.mkdir()
    for path in ABM.glob("*.py"):
        shutil.copy(path, copy)
    before = sources_digest(copy)
    assert before == sources_digest()
    noticed = set()
    for path in sorted(copy.glob("*.py")):
        text = path.read_bytes()
        path.write_bytes(text + b"\n# edited\n")
        if sources_digest(copy) != before:
            noticed.add(path.stem)
        path.write_bytes(text)
    assert noticed >= {"compiled", "kernels", "draws", "families", "placing", "mass", "pathway", "parameters"}
    # The declaration is data to the loops: a new state needs no new code.
    assert not noticed & {"journey", "simulate", "describe", "outputs"}
    assert sources_digest(tmp_path) == ""


@needs_numba
def test_the_facts_name_versions_and_machine() -> None:
    facts = compiler_facts()
    assert {"python", "numba", "llvmlite", "numpy", "cpu", "OPT", "CPU_NAME", "LOOP_VECTORIZE"} <= facts.keys()
    assert not {"CACHE_DIR", "NUMBA_NUM_THREADS"} & facts.keys()


def test_what_is_written_is_read_and_damage_counts_as_not_there(tmp_path: Path) -> None:
    folder = CodeFolder(tmp_path / "a" / "cache", NAME)
    assert folder.read("code") is None
    folder.write("code", b"content")
    folder.write("code", b"new content")
    assert folder.read("code") == b"new content"
    file = tmp_path / "a" / "cache" / NAME / "code"
    assert [path.name for path in file.parent.iterdir()] == ["code"]
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert folder.read("code") is None
    for at in range(len(whole)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert folder.read("code") is None
    if os.name == "posix":
        assert stat.S_IMODE(file.parent.stat().st_mode) == stat.S_IMODE(file.parent.parent.stat().st_mode) == 0o700
        folder.write("other", b"")
        assert stat.S_IMODE((file.parent / "other").stat().st_mode) == 0o600


def refused(folder: CodeFolder, caplog: pytest.LogCaptureFixture, why: str) -> None:
    caplog.clear()
    assert folder.read("code") is None
    folder.write("code", b"content")
    assert folder.read("code") is None
    (record,) = caplog.records
    assert why in record.getMessage()


@posix
@pytest.mark.parametrize("inner", [False, True])
def test_a_folder_that_is_not_ours_alone_is_not_used(
    inner: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(name: str) -> tuple[CodeFolder, Path]:
        folder = CodeFolder(tmp_path / name, NAME)
        folder.write("code", b"planted")
        return folder, tmp_path / name / (NAME if inner else "")

    for mode in (0o770, 0o702, 0o777):
        folder, place = made(f"open{mode}")
        place.chmod(mode)
        refused(folder, caplog, "others can write to it")
    folder, place = made("linked")
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    refused(folder, caplog, str(tmp_path / "linked"))
    folder, place = made("theirs")
    with monkeypatch.context() as patch:
        other = os.geteuid() + 1
        patch.setattr(os, "geteuid", lambda: other)
        refused(folder, caplog, "it belongs to another user")
    assert folder.read("code") == b"planted"
    folder, place = made("file")
    shutil.rmtree(place)
    place.write_text("")
    refused(folder, caplog, str(tmp_path / "file"))


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="the administrator may write anywhere")
def test_a_home_that_cannot_be_written_is_no_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tmp_path.chmod(0o500)
    refused(CodeFolder(tmp_path / "cache", NAME), caplog, "Permission denied")
    tmp_path.chmod(0o700)


def test_a_disk_that_fills_leaves_what_was_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = CodeFolder(tmp_path / "cache", NAME)
    folder.write("code", b"content")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    folder.write("code", b"more")
    folder.write("code", b"more")
    assert folder.read("code") == b"content"
    assert [path.name for path in (tmp_path / "cache" / NAME).iterdir()] == ["code"]
    assert [("No space left" in record.getMessage()) for record in caplog.records] == [True]


def test_no_folder_at_all_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    folder = CodeFolder(None, NAME)
    folder.write("code", b"content")
    assert folder.read("code") is None
    assert not caplog.records


def test_old_folders_are_removed_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_folder, "MOST_FOLDERS", 5)
    now = time.time()

    def used(name: str, days: float) -> Path:
        CodeFolder(tmp_path, name).write("code", b"content")
        os.utime(tmp_path / name, (now - days * 86_400,) * 2)
        return tmp_path / name

    names = [f"{number:032x}" for number in range(9)]
    kept = [used(names[0], 80), used(names[1], 3)]
    gone = [used(names[2], 91)]
    outside = tmp_path / "somebody"
    outside.mkdir()
    os.utime(outside, (0, 0))
    if os.name == "posix":
        (tmp_path / names[8]).symlink_to(outside, target_is_directory=True)
    CodeFolder(tmp_path, NAME).write("code", b"content")
    assert all(path.exists() for path in (*kept, outside))
    assert not any(path.exists() for path in gone)
    # Reading counts as use.
    assert CodeFolder(tmp_path, names[0]).read("code") == b"content"
    more = [used(name, 2) for name in names[3:6]]
    assert [path.exists() for path in kept] == [True, False]
    assert [path.exists() for path in more] == [True, True, True]
    assert outside.exists()
    assert os.path.lexists(tmp_path / names[8]) == (os.name == "posix")


def test_a_folder_removed_while_in_use_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = CodeFolder(tmp_path / "cache", NAME)
    folder.write("code", b"content")
    shutil.rmtree(tmp_path / "cache")
    assert folder.read("code") is None
    folder.write("code", b"content")
    assert folder.read("code") == b"content"
    assert not caplog.records


def test_many_may_write_and_read_one_file_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    contents = [bytes([letter]) * 50_000 for letter in b"abcd"]
    found: list[bytes | None] = []

    def work(content: bytes) -> None:
        folder = CodeFolder(tmp_path / "cache", NAME)
        for _ in range(20):
            folder.write("code", content)
            found.append(folder.read("code"))

    threads = [threading.Thread(target=work, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    assert set(found) <= set(contents)
    assert not caplog.records


def test_where_the_folder_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert chosen_root({}, "linux") == tmp_path / ".cache" / "journeys-abm"
    assert chosen_root({"XDG_CACHE_HOME": str(tmp_path / "x")}, "linux") == tmp_path / "x" / "journeys-abm"
    assert chosen_root({"XDG_CACHE_HOME": "not/absolute"}, "linux") == tmp_path / ".cache" / "journeys-abm"
    assert chosen_root({"XDG_CACHE_HOME": str(tmp_path)}, "darwin") == tmp_path / "Library" / "Caches" / "journeys-abm"
    assert chosen_root({"LOCALAPPDATA": str(tmp_path)}, "win32") == tmp_path / "journeys-abm" / "Cache"
    assert chosen_root({}, "win32") is None
    assert chosen_root({"JOURNEYS_CACHE": str(tmp_path / "own")}, "linux") == tmp_path / "own"
    assert chosen_root({"JOURNEYS_CACHE": ""}, "linux") is None

    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    assert chosen_root({}, "linux") is None
