"""Several areas side by side: the same whatever the processes, added up, stopped and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from abm.errors import CareError
from calibration.fitted import SavedFit, save_fit, signed
from calibration.statistics import Area, Statistics
from experiments import fitting, jobs, results, unfinished
from experiments.held import Held
from experiments.screen import Progress, SeveralProgress, about
from tests.experiments.test_cli import ROOT, journeys, refused

AREAS = {"E06000009": "Blackpool", "E06000004": "Stockton-on-Tees"}
WORDS = ("run", *AREAS.values(), "--runs", "2", "--years", "2025", "--fit", "fits")


@pytest.fixture(scope="module")
def place(quick: SavedFit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with fits of two areas, the second with the children of the first."""
    folder = tmp_path_factory.mktemp("several")
    for code, name in AREAS.items():
        scenario = replace(quick.fitted.scenario, area_code=code, area_name=name)
        into = folder / "fits" / (code if code == "E06000009" else f"{code}-fit")
        into.mkdir(parents=True)
        save_fit(replace(quick, fitted=replace(quick.fitted, area=Area(code, name), scenario=scenario)), into)
    return folder


@pytest.fixture(scope="module")
def done(place: Path) -> Path:
    """Return the results of both, done in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        found = journeys(*WORDS, "--processes", "1", "--to", "done")
    assert found.exit_code == 0, found.output
    assert "Sum of 2 areas, not of all England" in found.stdout
    assert "Areas left out: 0." in found.stdout
    assert "Looked after at 31 March" in found.stdout
    assert found.stderr.splitlines()[0] == "The test against 2024 and 2025 is left out (--test adds it)."
    assert "2 of 2: " in found.stderr
    return place / "done"


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def statistics_of(target: Path) -> Path:
    order = unfinished.read_order(target)
    assert order is not None
    return Path(order.statistics["path"])


def test_each_area_has_results_of_its_own(done: Path, here: Path) -> None:
    manifest = results.read_manifest(done, several=True)
    assert list(manifest["areas"]) == sorted(AREAS)
    for code in AREAS:
        alone = results.read_manifest(done / code)
        assert alone["area"]["code"] == code
        for name in alone["files"]:
            results.checked(done / code, alone, name)
    assert not (here / "done.unfinished").exists()
    said = refused("compare", "done")
    assert f"These are results of several areas (done). Name one of them: {Path('done', 'E06000004')}" in said
    assert "results of several areas" in refused("page", "done")


def test_the_sum_is_that_of_the_areas(done: Path) -> None:
    whole = pl.read_parquet(done / results.RUNS)
    parts = pl.concat(pl.read_parquet(done / code / results.RUNS) for code in AREAS).filter(pl.col("year") > 0)
    keys = ["series", "run", "year"]

    def of(table: pl.DataFrame, figure: str) -> pl.DataFrame:
        return table.filter(figure=figure).group_by(keys).agg(pl.col("value").sum()).sort(keys)

    for figure in ("referrals", "cla_at_31_march", "cla_ceased_adopted", "open_at_31_march"):
        assert of(whole, figure).height == 3 * 5
        assert (of(whole, figure)["value"] - of(parts, figure)["value"]).abs().max() < 1e-9
    share = 100 * of(parts, "cla_foster_at_31_march")["value"] / of(parts, "cla_at_31_march")["value"]
    assert (of(whole, "cla_foster_share")["value"] - share).abs().max() < 1e-9
    # Referrals again are whole numbers of children in ten, in each area, so also of the sum.
    again = of(whole, "rereferrals_within_12_months")
    times = again.join(of(whole, "referrals"), on=keys).select(pl.col("value") * pl.col("value_right") / 1000)
    assert again.height == 2 * 4
    assert (times.to_series() - times.to_series().round()).abs().max() < 1e-6
    assert "rereferrals_within_12_months, counted" not in set(whole["figure"])


def test_what_was_published_is_added_up(done: Path, statistics: Statistics) -> None:
    figures = pl.read_parquet(done / results.FIGURES).filter(figure="cla_at_31_march", year=2021)
    published = {series: value for series, value in figures.filter(statistic="value").select("series", "value").rows()}
    each = [statistics.value(code, "cla_at_31_march", 2021) for code in AREAS]
    assert published["published"] == sum(each)
    assert published["england"] == statistics.value("E92000001", "cla_at_31_march", 2021)
    manifest = results.read_manifest(done, several=True)
    assert manifest["title"] == "Sum of 2 areas, not of all England"
    assert 0 < manifest["share_of_englands_children"] < 2


def test_processes_and_the_order_of_areas_change_no_byte(done: Path, here: Path) -> None:
    words = ("run", *reversed(AREAS), *WORDS[3:], "--processes", "2", "--to", "two")
    found = journeys(*words)
    assert found.exit_code == 0, found.output
    assert content(here / "two") == content(done)


def test_an_area_is_the_same_alone(done: Path, here: Path) -> None:
    found = journeys("run", "E06000009", *WORDS[3:-1], "fits/E06000009", "--no-test", "--to", "alone")
    assert found.exit_code == 0, found.output
    assert content(here / "alone") == content(done / "E06000009")


def test_stopped_and_resumed(done: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped within the second area: the first is not done again, and all comes out the same."""
    real, asked = jobs.simulate_area, []

    def stopping(fitted: Any, *rest: Any, **named: Any) -> Any:
        asked.append(fitted.area.code)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(fitted, *rest, **named)

    monkeypatch.setattr(jobs, "simulate_area", stopping)
    words = (*WORDS, "--processes", "1", "--to", "again")
    found = journeys(*words)
    assert found.exit_code == 130
    assert found.stderr.splitlines()[-1] == (
        "Stopped. What is done is kept (again.unfinished). Go on with it: journeys resume again."
    )
    assert not (here / "again").exists()
    said = refused(*words)
    assert "A run to this folder is unfinished (again). Go on with it: journeys resume again" in said
    held = Held(here / "again.unfinished", Path("again"))
    assert f"Another process ({os.getpid()}) is working on this folder" in refused("resume", "again")
    held.let_go()
    (here / "table.csv").write_bytes(statistics_of(here / "again").read_bytes() + b"\n")
    assert "begun with another table" in refused("resume", "again", "--statistics", "table.csv")
    with monkeypatch.context() as patch:
        patch.setattr("abm.__version__", "9.9")
        assert "and this is 9.9" in refused("resume", "again")
    with monkeypatch.context() as patch:
        patch.setattr(unfinished, "journey_mark", lambda _journey: "other")
        assert "with another declared journey" in refused("resume", "again")
    # What a process left half written is neither used nor kept.
    (here / "again.unfinished" / "whole" / ".E06000004.1-0.part").mkdir()
    found = journeys("resume", "again", "--processes", "1")
    assert found.exit_code == 0, found.output
    assert len(asked) == 3
    assert content(here / "again") == content(done)
    assert not (here / "again.unfinished").exists()
    assert "These results are finished: there is nothing to resume" in refused("resume", "again")


@pytest.mark.slow
def test_a_damaged_unit_is_done_again(done: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = jobs.totals.write
    monkeypatch.setattr(jobs.totals, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert journeys(*WORDS, "--processes", "1", "--to", "hurt").exit_code == 130
    monkeypatch.setattr(jobs.totals, "write", real)
    (here / "hurt.unfinished" / "whole" / "E06000009" / results.RUNS).write_bytes(b"half")
    assert journeys("resume", "hurt.unfinished", "--processes", "1").exit_code == 0
    assert content(here / "hurt") == content(done)


def test_an_area_that_cannot_be_run_is_left_out(
    here: Path, statistics: Statistics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known before or found out while fitting: the others go on."""
    monkeypatch.setattr(fitting, "refuse_an_area_without_a_start", no_start)
    monkeypatch.setattr(
        fitting, "fit", lambda *_a, **_k: (_ for _ in ()).throw(CareError("It is too cold", "", "Wait"))
    )
    found = journeys("run", "Derbyshire", "North Tyneside", "--to", "none", "--processes", "1")
    assert found.exit_code == 2
    said = found.stderr.splitlines()[-1]
    assert said == "None of these 2 areas can be run; of Derbyshire the reason is: It was made later. Choose another."
    assert not (here / "none").exists()
    assert not (here / "none.unfinished").exists()


def no_start(_statistics: Statistics, area: Area) -> None:
    if area.name == "Derbyshire":
        raise CareError("It was made later", "", "Choose another")


def test_the_others_are_run(here: Path, done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = journeys("run", "Derbyshire", *WORDS[1:], "--processes", "1", "--to", "others")
    assert found.exit_code == 0, found.output
    assert "Areas left out: 1." in found.stdout
    assert "Left out: Derbyshire (E10000007). There is no fit of Derbyshire in this folder" in found.stdout
    left_out = results.read_manifest(here / "others", several=True)["left_out"]
    assert [area["code"] for area in left_out] == ["E10000007"]
    assert (here / "others" / results.RUNS).read_bytes() == (done / results.RUNS).read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_killed_and_resumed(done: Path, here: Path) -> None:
    command = [sys.executable, "-m", "experiments.cli", *WORDS[:-1], str(here / "fits"), "--to", str(here / "killed")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as job:
        until = time.monotonic() + 60
        while time.monotonic() < until and not list((here / "killed.unfinished").glob("areas/*/blocks/*.json")):
            time.sleep(0.01)
        workers = children_of(job.pid)
        job.send_signal(signal.SIGKILL)
    assert job.returncode == -signal.SIGKILL
    assert workers
    until = time.monotonic() + 10
    while time.monotonic() < until and any(Path("/proc", str(pid), "exe").exists() for pid in workers):
        time.sleep(0.05)
    assert not [pid for pid in workers if Path("/proc", str(pid), "exe").exists()], "a process goes on without us"
    assert not (here / "killed").exists()
    found = journeys("resume", here / "killed")
    assert found.exit_code == 0, found.output
    assert content(here / "killed") == content(done)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started, where the system tells."""
    told = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in told.read_text().split()] if told.exists() else []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_a_process_that_ends_by_itself_is_told(here: Path) -> None:
    command = [sys.executable, "-m", "experiments.cli", *WORDS[:-1], str(here / "fits"), "--to", str(here / "died")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as job:
        until = time.monotonic() + 60
        while time.monotonic() < until and not (here / "died.unfinished" / "plan.json").exists():
            time.sleep(0.01)
        while time.monotonic() < until and len(children_of(job.pid)) < 2:
            time.sleep(0.01)
        os.kill(children_of(job.pid)[-1], signal.SIGKILL)
        _, told = job.communicate(timeout=60)
    assert job.returncode == 2
    assert "ended by itself (exit code -9)" in told.splitlines()[-1]
    assert "journeys resume" in told.splitlines()[-1]


# Small things --------------------------------------------------------------------------------------------------------


def test_the_time_left_counts_the_work_done() -> None:
    now = [0.0]
    watch = SeveralProgress(Progress(), (), lambda: now[0])
    small, large = Area("S", "Small"), Area("L", "Large")
    watch.begin({"S": 1.0, "L": 3.0}, [])
    assert watch.left() == "time left not known yet"
    now[0] = 10.0
    watch.end(small)
    assert watch.left() == "about 30 s left"
    watch.part(large, 0.5)
    now[0] = 200.0
    assert watch.left() == "about 2 min left"
    watch.part(large, 0.2)
    assert watch.done() == 0.625, "what is done is never undone"
    watch.end(large, "too cold")
    assert watch.left() == "nothing left"
    assert about(3 * 3600) == "about 3.0 h left"


def test_a_plan_of_another_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.unfinished").mkdir()
    (tmp_path / "x.unfinished" / "plan.json").write_text(signed({"version": "0", "format": 0}))
    assert "begun by version 0" in refused("resume", tmp_path / "x")
    (tmp_path / "x.unfinished" / "plan.json").write_text(json.dumps({}))
    assert "damaged" in refused("resume", tmp_path / "x")
