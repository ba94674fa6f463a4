"""How much work an area is and how much of it is done: for the time left, which is told of several areas.

Nothing else depends on it. An area's work is a row of steps, in the order in which they are done. What is there
already, of a run that was stopped or by `--fit`, is no work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from calibration.fit import CORRECTION_CHILDREN, FIRST_YEAR, LAST_FITTED
from calibration.statistics import Area, Statistics
from experiments.area_work import AreaWork
from experiments.asked import BEHAVIOURS, CLOCKS, FAMILIES, PLACES
from experiments.blocks import runs_there
from experiments.compare.forecast import FORECAST_YEARS, HELD_BACK_FROM, RUNS
from experiments.order import Order
from experiments.switching import runs_of_reference

TEST = "test: "
"""Stands before the steps of a test."""
LEVELS, DAY_ONE, FACTORS, CORRECTION, SYSTEM = 1.5, 0.4, 0.74, 0.41, 0.25
"""Seconds for an area's levels and for its day one; and for each fitted year, those of the factors, of the correction
without its runs, and of system dynamics.

These and those below were measured on 28 November 2026 on two areas, Blackpool (28,352 children on day one) and
Derbyshire (151,165): fits to 2025 and to 2023, and 1 to 100 runs of ten years; as processor time of one thread (AMD
EPYC), with compiled code at hand. Fits of North Tyneside and Stockton-on-Tees took within 15% of what they say. Only
how they compare matters.
"""
DRAWS, QUICK_DRAWS = 4.4, 0.4
"""Seconds for draws of the parameters, for each fitted year (22 and 2 for five years of Blackpool)."""
A_RUN, A_CHILD_YEAR = 0.014, 1.27e-7
"""Seconds of a run, and of each child and year in it."""
BEGINNING, WRITING, WRITING_A_RUN = 0.08, 0.14, 0.0011
"""Seconds before the first run, to write the results, and to write those of each run."""
MORE = {FAMILIES: (0.0025, 7.1e-7), PLACES: (0.0038, 2.9e-7), BEHAVIOURS: (0.0045, 3.9e-7), CLOCKS: (0.0, 2e-8)}
"""Seconds of each year of a run, and of each child and year in it, that a mechanism adds; Blackpool, as above, and an
eighth of it."""
GAINS = 3.5
"""Seconds to work out gains, and system dynamics with behaviours."""


@dataclass(frozen=True)
class Step:
    """A step: what it says of itself, its seconds of one thread, and the part that it tells of as there already."""

    what: str
    seconds: float
    there: float = 0.0


class Effort:
    """The work of an area that is to be done."""

    def __init__(self, steps: Iterator[Step]) -> None:
        self.steps = tuple(steps)
        self.seconds = sum(step.seconds for step in self.steps)

    def done(self, what: str, part: float) -> float:
        """Return the part of the work that is done at a part of a step; 0 for a step that was not counted on."""
        before = 0.0
        for step in self.steps:
            if step.what == what:
                mine = 1.0 if step.there >= 1 else max(part - step.there, 0) / (1 - step.there)
                return (before + step.seconds * mine) / self.seconds
            before += step.seconds
        return 0.0


def work_of(
    children: float, years: int, runs: int, *, fit: bool = True, test: bool = False, there: int = 0, threads: int = 1,
    on: Collection[str] = (), switched: bool = False, draws: bool = False,
) -> Effort:  # fmt: skip
    """Return the work of an area.

    Parameters
    ----------
    children
        Who live in it.
    years, runs
        How long it is simulated, and how often.
    fit, test
        Whether it is to be fitted, and to be tested.
    there
        How many of its runs are there.
    threads
        Runs that are made side by side.
    on, switched
        The mechanisms that are on, and whether what they need is there.
    draws
        Whether draws are to be made.
    """
    return Effort(_steps(children, years, runs, fit, test, there, threads, on, switched, draws))


def _steps(
    children: float, years: int, runs: int, fit: bool, test: bool, there: int, threads: int, on: Collection[str],
    switched: bool, draws: bool,
) -> Iterator[Step]:  # fmt: skip
    def a_run(n_years: int, on: Collection[str] = ()) -> float:
        more = sum(n_years * (MORE[name][0] + MORE[name][1] * children) for name in on)
        return (A_RUN + A_CHILD_YEAR * children * n_years + more) / threads

    def fitting(n_years: int, before: str) -> Iterator[Step]:
        correcting = min(24, max(3, CORRECTION_CHILDREN // max(children, 1)))
        yield Step(f"{before}levels", LEVELS)
        yield Step(f"{before}day one", DAY_ONE)
        yield Step(f"{before}yearly factors", FACTORS * n_years)
        yield Step(f"{before}correction", CORRECTION * n_years + correcting * a_run(n_years))
        yield Step(f"{before}system dynamics", SYSTEM * n_years)

    if fit:
        yield from fitting(LAST_FITTED - FIRST_YEAR + 1, "")
    if draws:
        yield Step("draws", DRAWS * (LAST_FITTED - FIRST_YEAR + 1))
    if runs == 0:
        return
    if BEHAVIOURS in on and not switched:
        others = [name for name in on if name != BEHAVIOURS]
        yield Step("reference", runs_of_reference(children, others) * a_run(years, others))
        yield Step("gains", GAINS)
    # Of runs that are there, the first is made once more, for its log.
    to_do = runs - there + (there > 0)
    yield Step("simulation", BEGINNING + to_do * a_run(years, on), there / runs)
    if test:
        yield from fitting(HELD_BACK_FROM - FIRST_YEAR + 1, TEST)
        if draws:
            yield Step(f"{TEST}draws", QUICK_DRAWS * (HELD_BACK_FROM - FIRST_YEAR + 1))
        yield Step(f"{TEST}simulation", BEGINNING + min(runs, RUNS) * a_run(FORECAST_YEARS[-1] - FIRST_YEAR + 1))
    yield Step("writing", WRITING + WRITING_A_RUN * runs)


def children_of(statistics: Statistics, area: Area) -> float:
    """Return how many children live in an area, in the latest year of the table; 0 if it has none."""
    known = statistics.series(area, "population_0_17")
    return known[max(known)] if known else 0.0


def effort_of(statistics: Statistics, order: Order, work: AreaWork, threads: int = 1) -> Effort:
    """Return the work of an area that is still to be done."""
    return work_of(
        children_of(statistics, work.area),
        order.years - FIRST_YEAR + 1,
        order.runs,
        fit=not work.has_fit(),
        test=order.test and not work.has_test(),
        there=min(runs_there(work.blocks), order.runs),
        threads=threads,
        on=tuple(order.mechanisms.get("tables", ())),
        switched=work.has_mechanisms(),
        draws=order.draws > 0 and not work.has_draws(),
    )
