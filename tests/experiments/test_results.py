"""Results appear whole or not at all, and nobody else's files are touched."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from abm.errors import CareError
from experiments import results
from experiments.results import MANIFEST, RUNS, checked, new_folder, read_manifest, write_manifest, write_table

FRAME = pl.DataFrame({"a": [1, 2]})


def write(target: Path, number: int = 1) -> None:
    with new_folder(target) as folder:
        write_table(FRAME.with_columns(n=number), folder, RUNS)
        write_manifest(folder, {"number": number})


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_a_folder_appears_when_all_is_written(tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep"
    with new_folder(target) as folder:
        assert not target.exists()
        write_table(FRAME, folder, RUNS)
    assert names(target) == {RUNS}
    assert names(target.parent) == {"deep"}


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    write(tmp_path / "x")
    assert names(tmp_path / "x") == {RUNS, MANIFEST}


@pytest.mark.parametrize("fault", [CareError("stopped"), KeyboardInterrupt(), ZeroDivisionError()])
def test_nothing_is_left_when_something_fails(tmp_path: Path, fault: BaseException) -> None:
    write(tmp_path / "old", number=1)
    before = (tmp_path / "old" / RUNS).read_bytes()

    def fail(target: Path) -> None:
        with new_folder(target) as folder:
            write_table(FRAME, folder, RUNS)
            raise fault

    for target in (tmp_path / "new", tmp_path / "old"):
        with pytest.raises(type(fault)):
            fail(target)
    with pytest.raises(type(fault)):
        fail(tmp_path / "made" / "on the way" / "new")
    assert names(tmp_path) == {"old"}
    assert (tmp_path / "old" / RUNS).read_bytes() == before


def test_old_results_give_way_and_other_files_move_along(tmp_path: Path) -> None:
    target = tmp_path / "x"
    write(target, number=1)
    (target / "notes.txt").write_text("mine")
    (target / results.REPORT).write_text("of the old run")
    write(target, number=2)
    assert names(target) == {RUNS, MANIFEST, "notes.txt"}
    assert (target / "notes.txt").read_text() == "mine"
    assert read_manifest(target)["number"] == 2
    assert names(tmp_path) == {"x"}


def test_a_folder_with_other_files_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(CareError, match=r"holds other files, such as 'thesis.docx'.*Choose a new or an empty folder"):
        write(tmp_path)
    assert names(tmp_path) == {"thesis.docx"}


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(CareError, match="This is a file, not a folder"):
        write(file)
    with pytest.raises(CareError, match="a part of the path is a file"):
        write(file / "below")
    assert file.read_text() == "x"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(
        CareError, match=r"cannot be written: Permission denied .*Choose a folder that you can write to"
    ):
        write(tmp_path / "x")


@pytest.mark.parametrize(
    "fault",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("No space left on device (os error 28)"),
        pl.exceptions.ComputeError("No space left on device"),
    ],
)
def test_a_full_disk_is_told_and_old_results_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    write(tmp_path / "x", number=1)

    def full(*_: Any, **__: Any) -> None:
        raise fault

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(CareError, match=r"No space left on device.*Free some space"):
        write(tmp_path / "x", number=2)
    assert read_manifest(tmp_path / "x")["number"] == 1
    assert names(tmp_path) == {"x"}


def test_a_swap_that_fails_half_way_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "x"
    write(target, number=1)
    (target / "notes.txt").write_text("mine")
    rename = Path.rename

    def locked(self: Path, other: Path) -> Path:
        if Path(other) == target and "part" in self.name:
            raise PermissionError(errno.EACCES, "The file is open in another program")
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", locked)
    with pytest.raises(CareError, match="open in another program"):
        write(target, number=2)
    assert names(target) == {RUNS, MANIFEST, "notes.txt"}
    assert read_manifest(target)["number"] == 1
    assert names(tmp_path) == {"x"}


def test_ctrl_c_in_the_middle_of_a_swap_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "x"
    write(target, number=1)
    rename = Path.rename

    def stop(self: Path, other: Path) -> Path:
        if Path(other) == target and "part" in self.name:
            raise KeyboardInterrupt
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", stop)
    with pytest.raises(KeyboardInterrupt):
        write(target, number=2)
    assert read_manifest(target)["number"] == 1
    assert names(tmp_path) == {"x"}


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "link"
    try:
        link.symlink_to(tmp_path / "disk")
    except OSError:
        pytest.skip("this system does not let us make links")
    write(link)
    assert link.is_symlink()
    assert names(tmp_path / "disk") == {RUNS, MANIFEST}


def test_whoever_may_read_the_place_may_read_the_results(tmp_path: Path) -> None:
    write(tmp_path / "x")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "file").touch()
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode
    for name in names(tmp_path / "x"):
        assert (tmp_path / "x" / name).stat().st_mode == (tmp_path / "plain" / "file").stat().st_mode


def test_files_are_held_against_the_manifest(tmp_path: Path) -> None:
    write(tmp_path / "x")
    manifest = read_manifest(tmp_path / "x")
    assert checked(tmp_path / "x", manifest, RUNS).is_file()
    with pytest.raises(CareError, match=r"no 'events.parquet'"):
        checked(tmp_path / "x", manifest, results.EVENTS)
    whole = (tmp_path / "x" / RUNS).read_bytes()
    (tmp_path / "x" / RUNS).write_bytes(whole[:-1])
    with pytest.raises(CareError, match="not as it was written"):
        results.read_table(tmp_path / "x", manifest, RUNS)
    (tmp_path / "x" / RUNS).unlink()
    with pytest.raises(CareError, match="have no"):
        checked(tmp_path / "x", manifest, RUNS)


def test_a_changed_manifest_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "x", number=7)
    manifest = tmp_path / "x" / MANIFEST
    text = manifest.read_text(encoding="utf-8")
    assert '"number": 7' in text
    manifest.write_text(text.replace('"number": 7', '"number": 8'), encoding="utf-8", newline="\n")
    with pytest.raises(CareError, match="damaged or was changed by hand"):
        read_manifest(tmp_path / "x")


def test_results_of_another_version_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "x")
    monkeypatch.setattr(results, "FORMAT", results.FORMAT + 1)
    with pytest.raises(CareError, match="another version"):
        read_manifest(tmp_path / "x")


def test_a_page_is_added_to_the_manifest(tmp_path: Path) -> None:
    write(tmp_path / "x", number=3)
    (tmp_path / "x" / results.REPORT).write_text("page")
    (tmp_path / "x" / "notes.txt").write_text("mine")
    results.add_to_manifest(tmp_path / "x")
    manifest = read_manifest(tmp_path / "x")
    assert set(manifest["files"]) == {RUNS, results.REPORT}
    assert manifest["number"] == 3


def test_no_folder_no_results(tmp_path: Path) -> None:
    with pytest.raises(CareError, match="no such folder of results"):
        read_manifest(tmp_path / "nowhere")
    with pytest.raises(CareError, match=r"no readable 'manifest.json' here"):
        read_manifest(tmp_path)


# Several areas -------------------------------------------------------------------------------------------------------


def several(folder: Path, number: int, *codes: str) -> Path:
    """Write results of several areas into a folder that is not yet in its place."""
    for code in codes:
        (folder / code).mkdir(parents=True)
        write_table(FRAME.with_columns(n=number), folder / code, RUNS)
        write_manifest(folder / code, {"number": number})
    write_manifest(folder, {"number": number, "areas": {code: {} for code in codes}})
    return folder


def test_old_results_of_several_areas_give_way_and_other_files_move_along(tmp_path: Path) -> None:
    old = several(tmp_path / "x", 1, "E01", "E02")
    for place in (old, old / "E01", old / "E02"):
        (place / "notes.txt").write_text("mine")
    (old / "E03").mkdir()
    (old / "E03" / RUNS).write_text("results of another run, put here by hand")
    results.swap(several(tmp_path / "new", 2, "E01"), old, tmp_path / "old")
    assert names(old) == {MANIFEST, "notes.txt", "E01", "E02", "E03"}
    assert names(old / "E01") == {RUNS, MANIFEST, "notes.txt"}
    assert names(old / "E02") == {"notes.txt"}
    assert names(old / "E03") == {RUNS}
    assert read_manifest(old / "E01")["number"] == 2
    assert names(tmp_path) == {"x"}


@pytest.mark.parametrize("moved", [False, True])
def test_a_swap_that_was_cut_off_is_ended(tmp_path: Path, moved: bool) -> None:
    """After kill -9 between two renames the old results are at `old`, and nothing is in their place."""
    old, new = several(tmp_path / "old", 1, "E01"), several(tmp_path / "new", 2, "E01")
    (old / "notes.txt").write_text("mine")
    if moved:
        (old / "notes.txt").rename(new / "notes.txt")
    results.swap(new, tmp_path / "x", old)
    assert names(tmp_path) == {"x"}
    assert names(tmp_path / "x") == {MANIFEST, "notes.txt", "E01"}
    assert read_manifest(tmp_path / "x" / "E01")["number"] == 2


def test_a_swap_that_fails_puts_the_old_results_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = several(tmp_path / "x", 1, "E01"), several(tmp_path / "new", 2, "E01")
    (old / "E01" / "notes.txt").write_text("mine")
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path == new:
            raise OSError("no")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="no"):
        results.swap(new, old, tmp_path / "old")
    assert read_manifest(old / "E01")["number"] == 1
    assert (old / "E01" / "notes.txt").read_text() == "mine"
    assert names(tmp_path) == {"x", "new"}


def test_results_of_several_areas_are_not_those_of_one(tmp_path: Path) -> None:
    several(tmp_path / "x", 1, "E01")
    assert read_manifest(tmp_path / "x", several=True)["number"] == 1
    with pytest.raises(CareError, match=r"results of several areas.*Name one of them: .*E01"):
        read_manifest(tmp_path / "x")
