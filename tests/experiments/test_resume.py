"""A run that was stopped goes on with what it was begun with, or says what is damaged; a power cut costs nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from abm.files import sha256_of
from calibration.fitted import ARRAYS, FIT, SavedFit, save_fit
from calibration.statistics import PUBLISHED, Area
from experiments import fitting, jobs, results, unfinished
from experiments.area_work import TESTED, AreaWork
from tests.experiments.test_cli import journeys, refused

CODE = "E06000009"
WORDS = ("run", "Blackpool", "--runs", "2", "--years", "2025")


def write_fit(made: SavedFit, folder: Path) -> None:
    folder.mkdir(parents=True)
    save_fit(made, folder)


@pytest.fixture
def here(quick: SavedFit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a fit, and with another of the same area."""
    monkeypatch.chdir(tmp_path)
    write_fit(quick, tmp_path / "fit")
    write_fit(replace(quick, fitted=replace(quick.fitted, fitted_to=2023)), tmp_path / "other")
    # Nothing may be fitted here: it would be another fit than the one that was given.
    monkeypatch.setattr(fitting, "fit", lambda *_a, **_k: pytest.fail("the area was fitted"))
    return tmp_path


def stopped(name: str, *words: str) -> None:
    """Run something that is stopped when it comes to one of its jobs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, name, lambda *_a, **_k: (_ for _ in ()).throw(KeyboardInterrupt))
        found = journeys(*words)
    assert found.exit_code == 130, found.output


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# The fit that was given ----------------------------------------------------------------------------------------------


def cut_short(fit: Path) -> None:
    (fit / ARRAYS).write_bytes((fit / ARRAYS).read_bytes()[:-9])


def another(fit: Path) -> None:
    """A fit that is whole, but another."""
    for name in (FIT, ARRAYS):
        shutil.copyfile(fit.parents[3] / "other" / name, fit / name)


@pytest.mark.parametrize("harm", [cut_short, another, shutil.rmtree])
def test_a_fit_that_was_given_is_never_replaced_by_another(here: Path, harm: Callable[[Path], None]) -> None:
    assert journeys(*WORDS, "--fit", "fit", "--no-test", "--to", "whole").exit_code == 0
    stopped("simulate_area", *WORDS, "--fit", "fit", "--no-test", "--to", "x")
    order = unfinished.read_order(Path("x"))
    assert order is not None
    assert order.fits == {CODE: sha256_of(here / "fit" / FIT)}
    harm(here / "x.unfinished" / "areas" / CODE / "fit")
    said = refused("resume", "x")
    assert "The fit of Blackpool this run was begun with is damaged: give it again" in said
    assert "journeys resume FOLDER --fit FIT" in said
    assert "This is not the fit of Blackpool that the run was begun with (other)" in refused(
        "resume", "x", "--fit", "other"
    )
    assert not (here / "x").exists()
    found = journeys("resume", "x", "--fit", "fit")
    assert found.exit_code == 0, found.output
    assert content(here / "x") == content(here / "whole")


def test_of_several_areas_none_is_left_out_for_a_damaged_fit(quick: SavedFit, here: Path) -> None:
    for code, name in ((CODE, "Blackpool"), ("E06000004", "Stockton-on-Tees")):
        scenario = replace(quick.fitted.scenario, area_code=code, area_name=name)
        write_fit(replace(quick, fitted=replace(quick.fitted, area=Area(code, name), scenario=scenario)),
                  here / "fits" / code)  # fmt: skip
    words = ("run", "Blackpool", "Stockton-on-Tees", "--runs", "1", "--years", "2025", "--fit", "fits")
    stopped("simulate_area", *words, "--processes", "1", "--to", "x")
    fit = here / "x.unfinished" / "areas" / CODE / "fit"
    cut_short(fit)
    assert "The fit of Blackpool this run was begun with is damaged" in refused("resume", "x", "--processes", "1")
    # Also when it is damaged after the run went on.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "check_fits", lambda *_: None)
        for processes in ("1", "2"):
            found = journeys("resume", "x", "--processes", processes)
            assert found.exit_code == 2, found.output
            assert "this run was begun with is damaged" in found.stderr
    assert journeys("resume", "x", "--processes", "1", "--fit", "fits").exit_code == 0
    assert set(results.read_manifest(here / "x", several=True)["areas"]) == {CODE, "E06000004"}


def test_a_fit_is_not_given_to_a_run_without(here: Path, quick: SavedFit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "fit", lambda *_a, **_k: quick)
    stopped("simulate_area", *WORDS, "--no-test", "--to", "x")
    assert "This run was begun without fits (--fit)" in refused("resume", "x", "--fit", "fit")
    # A fit that was made is made again.
    cut_short(here / "x.unfinished" / "areas" / CODE / "fit")
    assert journeys("resume", "x").exit_code == 0
    assert (here / "x" / ARRAYS).read_bytes() == (here / "fit" / ARRAYS).read_bytes()


# The test, and the table ---------------------------------------------------------------------------------------------


def test_a_test_is_there_when_it_is_whole(tmp_path: Path) -> None:
    work = AreaWork(tmp_path / "area", tmp_path / "whole", Area(CODE, "Blackpool"))
    assert work.test() is None
    kept = work.keep_test(pl.DataFrame({"figure": ["referrals"], "value": [0.1]}))
    assert work.test() == kept
    table, mark = tmp_path / "area" / results.FORECAST, tmp_path / "area" / TESTED
    told = mark.read_bytes()
    for path, harmed in (
        (table, kept[:-7]), (table, kept[:40] + bytes([kept[40] ^ 1]) + kept[41:]), (table, b""), (table, None),
        (mark, told[:-7]), (mark, b"{}"), (mark, None),
    ):  # fmt: skip
        path.unlink() if harmed is None else path.write_bytes(harmed)
        assert work.test() is None
        table.write_bytes(kept)
        mark.write_bytes(told)
        assert work.test() == kept


def test_a_damaged_test_is_done_again(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tested: list[int] = []

    def forecast(*_: Any, **__: Any) -> pl.DataFrame:
        tested.append(1)
        return pl.DataFrame({"figure": ["referrals"], "value": [0.1]})

    monkeypatch.setattr(jobs, "forecast_frame", forecast)
    stopped("write_run", *WORDS, "--fit", "fit", "--test", "--to", "x")
    stopped("write_run", "resume", "x")
    assert len(tested) == 1, "what is whole is not done again"
    kept = here / "x.unfinished" / "areas" / CODE / results.FORECAST
    kept.write_bytes(kept.read_bytes()[:-7])
    assert journeys("resume", "x").exit_code == 0
    assert len(tested) == 2
    table = results.read_table(here / "x", results.read_manifest(here / "x"), results.FORECAST)
    assert table["value"].to_list() == [0.1]


def test_a_table_that_was_moved_is_asked_for(here: Path) -> None:
    shutil.copyfile(PUBLISHED / "statistics.csv", "table.csv")
    stopped("simulate_area", *WORDS, "--fit", "fit", "--no-test", "--statistics", "table.csv", "--to", "x")
    (here / "table.csv").rename(here / "moved.csv")
    said = refused("resume", "x")
    assert said.startswith("The table this run was begun with was moved (")
    assert said.endswith("Say where it is with --statistics.\n")
    found = journeys("resume", "x", "--statistics", "moved.csv")
    assert found.exit_code == 0, found.output


# A power cut ---------------------------------------------------------------------------------------------------------


class Disk:
    """Watches what is on the disk for sure, and that nothing is removed or takes a place too early.

    A file is on the disk as it was when it was last settled; a new name is, when its folder was settled afterwards.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.settled: dict[tuple[int, int], tuple[int, int]] = {}
        self.new_names: set[Path] = set()
        self.placed: list[str] = []
        self.removed: list[str] = []
        fsync, rename, replace_it, rmtree, unlink = os.fsync, Path.rename, os.replace, shutil.rmtree, Path.unlink

        def settle(handle: int) -> None:
            fsync(handle)
            there = os.fstat(handle)
            self.settled[there.st_dev, there.st_ino] = there.st_size, there.st_mtime_ns
            self.new_names = {
                path for path in self.new_names
                if not (path.parent.exists() and os.path.samestat(path.parent.stat(), there))
            }  # fmt: skip

        def takes(source: Path, place: Path) -> None:
            files = [path for path in source.rglob("*") if path.name in results.OURS] if source.is_dir() else [source]
            for path in files:
                assert self.lasts(path), f"{path} takes its place before it is on the disk"
            if source.is_dir():
                assert self.lasts(source), f"the names in {source} are not on the disk"
            self.placed.append(place.name)
            self.new_names.add(Path(place))

        def renamed(source: Path, place: Path) -> Path:
            if source.name != "notes.txt" and Path(place).name != unfinished.OLD:
                takes(source, Path(place))
            return rename(source, place)

        def replaced(source: Path, place: Path) -> None:
            takes(Path(source), Path(place))
            replace_it(source, place)

        def gone(path: Path) -> None:
            # A part of its own, or scratch, is made of what is still there.
            if path.exists() and not path.name.endswith(".part") and path.name != unfinished.WEEKLY:
                assert not self.new_names, f"{path.name} is removed before {self.new_names} are on the disk"
                self.removed.append(path.name)

        def removed(path: Path, ignore_errors: bool = False) -> None:
            gone(Path(path))
            rmtree(path, ignore_errors)

        def unlinked(path: Path, missing_ok: bool = False) -> None:
            gone(path)
            unlink(path, missing_ok)

        patch.setattr(os, "fsync", settle)
        patch.setattr(os, "replace", replaced)
        patch.setattr(Path, "rename", renamed)
        patch.setattr(Path, "unlink", unlinked)
        patch.setattr(shutil, "rmtree", removed)

    def lasts(self, path: Path) -> bool:
        there = path.stat()
        known = self.settled.get((there.st_dev, there.st_ino))
        return known is not None and (path.is_dir() or known == (there.st_size, there.st_mtime_ns))


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let a folder be opened")
@pytest.mark.parametrize("several", [False, True])
def test_nothing_is_removed_before_what_is_made_of_it_is_on_the_disk(
    several: bool, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = here / "fits"
    shutil.copytree(here / "fit", fits / CODE)
    words = ["run", "Blackpool", "--runs", "1", "--years", "2025", "--to", "x"]
    if several:
        monkeypatch.setattr("experiments.plan.Plan.several", True)
    words += ["--fit", "fits" if several else "fits/" + CODE, "--no-test", "--processes", "1"]
    first = journeys(*words)
    assert first.exit_code == 0, first.output
    (here / "x" / "notes.txt").write_text("mine")
    before = content(here / "x")
    disk = Disk(monkeypatch)
    # Over the results of the first run, which are made of nothing that is left.
    again = journeys(*words)
    assert again.exit_code == 0, again.output
    assert content(here / "x") == before
    assert {"fit", "runs-00000.json", "plan.json", "ready.json", "x"} <= set(disk.placed)
    assert disk.removed.index("blocks") < disk.removed.index("old") < disk.removed.index("plan.json")
    assert disk.removed[-3:] == ["plan.json", "ready.json", "lock"]
