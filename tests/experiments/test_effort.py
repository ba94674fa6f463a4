"""The time left is told from what is to be done, whatever is there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from calibration import fit as fit_module
from calibration import system as system_module
from calibration.fitted import SavedFit, save_fit
from calibration.statistics import Area, Statistics
from experiments import blocks, effort, jobs, many, unfinished
from experiments.effort import effort_of, work_of
from experiments.plan import Plan
from experiments.screen import Progress, SeveralProgress
from tests.experiments.conftest import unfitted_levels, unsolved


@pytest.fixture
def round_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LEVELS", 4.0), ("DAY_ONE", 1.0), ("FACTORS", 2.0), ("CORRECTION", 0.0), ("SYSTEM", 1.0),
                        ("A_RUN", 0.0), ("A_CHILD_YEAR", 0.001), ("BEGINNING", 0.0), ("WRITING", 10.0),
                        ("WRITING_A_RUN", 0.0)):  # fmt: skip
        monkeypatch.setattr(effort, name, value)


@pytest.mark.usefixtures("round_numbers")
def test_the_work_by_hand() -> None:
    """Of 1,000 children a year is a second; a fit is corrected by 24 runs of five years, that of the test of three."""
    seconds = {step.what: step.seconds for step in work_of(1000, 10, 20, test=True).steps}
    assert seconds == {
        "levels": 4, "day one": 1, "yearly factors": 10, "correction": 120, "system dynamics": 5, "simulation": 200,
        "test: levels": 4, "test: day one": 1, "test: yearly factors": 6, "test: correction": 72,
        "test: system dynamics": 3, "test: simulation": 100, "writing": 10,
    }  # fmt: skip
    # Of a large area fewer runs correct the fit; of many runs, 20 are tested.
    large = {step.what: step.seconds for step in work_of(1_000_000, 10, 100, test=True).steps}
    assert large["correction"] == 3 * 5 * 1000
    assert large["test: simulation"] == 20 * 5 * 1000
    assert work_of(1000, 10, 20, fit=False).seconds == 210
    assert work_of(1000, 10, 20, fit=False, there=10).seconds == 10 + 110
    assert work_of(1000, 10, 20, fit=False, threads=2).seconds == 110


@pytest.mark.usefixtures("round_numbers")
def test_the_work_of_mechanisms_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effort, "MORE", {"families": (0.0, 0.002), "behaviours": (0.5, 0.0)})
    monkeypatch.setattr(effort, "GAINS", 3.0)
    work = work_of(1000, 10, 20, fit=False, on=["families", "behaviours"])
    # A run of ten years: 10 s, 20 s more with families, 5 s more with behaviours; the reference is 32 without these.
    told = {"reference": 32 * 30, "gains": 3, "simulation": 20 * 35, "writing": 10}
    assert {step.what: step.seconds for step in work.steps} == told
    there = work_of(1000, 10, 20, fit=False, on=["families", "behaviours"], switched=True)
    assert [step.what for step in there.steps] == ["simulation", "writing"]
    assert work_of(1000, 10, 20, fit=False, on=["families"]).seconds == 20 * 30 + 10


@pytest.mark.usefixtures("round_numbers")
def test_a_step_is_the_part_that_its_work_is() -> None:
    fitted = work_of(1000, 10, 20, fit=False, test=True)
    whole = 200 + 186 + 10
    assert fitted.done("simulation", 0.0) == 0
    assert fitted.done("simulation", 0.5) == 100 / whole
    assert fitted.done("test: yearly factors", 0.5) == 208 / whole
    assert fitted.done("writing", 1.0) == 1
    assert fitted.done("levels", 0.5) == 0, "what was not counted on adds nothing"
    # Fifteen of twenty runs are there: the sixteenth is a fifth of what is left of them, but for that of the log.
    later = work_of(1000, 10, 20, fit=False, there=15)
    assert later.done("simulation", 15 / 20) == 0
    assert later.done("simulation", 16 / 20) == pytest.approx(60 / 5 / 70)
    all_there = work_of(1000, 10, 20, fit=False, there=20)
    assert all_there.done("simulation", 1.0) == 10 / 20


@pytest.mark.parametrize("settings", [{}, {"fit": False}, {"test": True}, {"fit": False, "test": True, "there": 7}])
def test_parts_never_go_back(settings: dict[str, Any]) -> None:
    work = work_of(30_000, 10, 20, **settings)
    parts = [work.done(step.what, part) for step in work.steps for part in (step.there, (1 + step.there) / 2, 1.0)]
    assert parts == sorted(parts)
    assert parts[0] == 0
    assert parts[-1] == pytest.approx(1)


def test_every_step_that_is_told_was_counted_on(
    statistics: Statistics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fit (with nothing solved), a run and a test: what they say of themselves, in the order in which they do it."""
    told: list[str] = []

    def say(what: str, _part: float) -> None:
        told.extend([what] if what not in told else [])

    def solve(model: Any, start: Any, *rest: Any, progress: Any = None, **_named: Any) -> Any:
        if progress is not None:
            progress(0.0)
        return unsolved(model, start, *rest)

    monkeypatch.setattr(fit_module, "fit_levels", unfitted_levels)
    monkeypatch.setattr(fit_module, "solve", solve)
    monkeypatch.setattr(fit_module, "simulate_many", lambda *_a, **_k: iter(()))
    monkeypatch.setattr(system_module, "solve", solve)
    jobs.run(statistics, Plan(("Blackpool",), runs=1, years=2025), tmp_path / "x", say, test=True)
    assert told == [step.what for step in work_of(1000, 5, 1, test=True, draws=True).steps]


def test_what_is_there_is_no_work(
    quick: SavedFit, statistics: Statistics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run with a fit that is stopped half way: the work left is that of the runs that are missing."""
    monkeypatch.setattr(blocks, "MOST_RUNS", 2)
    monkeypatch.chdir(tmp_path)
    area = quick.fitted.area
    Path("fits", area.code).mkdir(parents=True)
    save_fit(quick, Path("fits", area.code))
    told: list[float] = []

    class Stopping(many.Watch):
        def begin(self, weights: dict[str, float], finished: Any, only_fits: bool = False) -> None:
            self.weights = weights

        def part(self, area: Area, part: float) -> None:
            told.append(part)
            if len(told) == 6:
                raise KeyboardInterrupt

    monkeypatch.setattr(Plan, "several", True)
    plan, watch = Plan(("Blackpool",), runs=8, years=2025), Stopping()
    with pytest.raises(unfinished.StoppedError):
        jobs.run(statistics, plan, Path("x"), lambda *_: None, fit_from=Path("fits"), processes=1, watch=watch)
    children = effort.children_of(statistics, area)
    assert watch.weights[area.code] == work_of(children, 5, 8, fit=False).seconds
    assert told[0] == 0
    assert told[2] > 0.1, "the first of eight runs is not a small part of what is to be done"
    with unfinished.resume(Path("x")) as begun:
        left = effort_of(statistics, begun.order, begun.work(area))
    assert left.seconds == work_of(children, 5, 8, fit=False, there=4).seconds
    before = len(told)
    jobs.resume(statistics, Path("x"), lambda *_: None, processes=1, watch=watch)
    assert told[before] == 0
    assert told[before:] == sorted(told[before:])
    assert watch.weights[area.code] == left.seconds


def test_the_time_left_after_a_resume_is_that_of_what_is_left() -> None:
    """Two hours were spent before; of what was left a twentieth took ten seconds."""
    now = [0.0]
    watch = SeveralProgress(Progress(), (), lambda: now[0])
    watch.begin({"A": 900.0, "B": 100.0}, ["A"])
    now[0] = 10.0
    watch.part(Area("B", "B"), 0.05)
    assert watch.left() == "about 3 min left"
