"""Fit an area: its levels, its day one, its yearly factors; corrected once by the simulation.

1. Levels: the steady life course under England's rates, scaled to the area's averages of 2018 to 2020, and of the
   fitted years for the reasons for leaving care and for referrals within 12 months of an earlier one.
2. Day one: that life course, scaled to the stocks of 31 March 2020.
3. Yearly factors, 2021 to 2025: least squares on the banded mean field.
4. Correction: a few runs of the simulation say by how much each figure differs from the mean field (whole weeks, the
   exact clock, distinct children); the factors are fitted again to figures corrected by that ratio.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.careers import figures_of
from abm.cohorts import columns_of
from abm.errors import CareError
from abm.journey import JOURNEY
from abm.meanfield import MeanField, Values, make_grid
from abm.outputs import evaluate, output_named
from abm.parameters import Parameters
from abm.pathway import WEEKS_PER_YEAR
from abm.scenario import Scenario
from abm.simulate import simulate_many
from abm.trajectory import run_columns
from calibration.aims import EXITS, level_aims
from calibration.census import census
from calibration.day_one import children_of, day_one, make_scenario, population_plan, unaccompanied_plan
from calibration.least_squares import Observed, solve
from calibration.levers import FITTED_FIGURES, LEVERS, multipliers
from calibration.national import BASE_YEARS, base_figures, national_figures
from calibration.rates import RateBook, read_rates
from calibration.readings import SOLVED
from calibration.stationary import fit_steady, steady
from calibration.statistics import ENGLAND, Area, Statistics
from calibration.targets import Target, published_shape, targets

Array = NDArray[np.float64]
Progress = Callable[[str, float], None]
FIRST_YEAR, LAST_FITTED, LAST_YEAR = 2021, 2025, 2030
PULL = 12.0
"""Events or children a year added to both sides when an area's levels are set, so that small counts move little."""
ENGLAND_SAMPLE = 20
LEVELS_OF_FITTED_YEARS = (*EXITS, "cla_ceased_adopted")
"""Figures whose levels are set by the fitted years too, and that yearly factors are fitted to, themselves or in a sum:
they count twice (see docs/explanation/draws.md, which says how much that matters)."""
DRIVING = ("referrals", "cpp_started", "cla_started", "cla_ceased")
"""Figures without which a year cannot be fitted."""
CORRECTION_CHILDREN = 1_500_000
"""The correction simulates about this many children in all, in at least 3 and at most 24 runs."""


@dataclass(frozen=True)
class Fitted:
    """An area, ready to run: scenario and parameters, and how they came about.

    logs       float64[fitted years, levers]  logarithms of the yearly factors
    correction float64[fitted years, figures] simulation over mean field
    levels     each steady aim: (published average, reached); without those that rest on cells solved, not published
    targets    every published figure of the fitted years
    fitted_to  the last year that was fitted
    """

    area: Area
    scenario: Scenario
    parameters: Parameters
    book: RateBook
    logs: Array
    correction: Array
    levels: dict[str, tuple[float, float]]
    targets: tuple[Target, ...]
    fitted_to: int


class YearlyModel:
    """The banded mean field as a model of yearly figures; a year whose factors were seen before keeps its matrices."""

    def __init__(self, field: MeanField, book: RateBook, scenario: Scenario, n_years: int) -> None:
        self.field, self.rates, self.n_years = field, book.rates(), n_years
        self.columns = columns_of(scenario, field, block=WEEKS_PER_YEAR)
        self.correction = np.ones((n_years, len(FITTED_FIGURES)))
        self.seen: dict[bytes, tuple[NDArray[np.uint64], dict[int, Values]]] = {}

    def plain(self, logs: Array) -> Array:
        """Return float64[years, figures] of the mean field itself."""
        journey = self.field.journey
        factors = multipliers(journey, logs, self.n_years)
        figures = np.zeros((self.n_years, len(FITTED_FIGURES)))
        mass, seen = self.columns.mass, self.seen
        self.seen = {}
        for year in range(self.n_years):
            key = factors[year].tobytes()
            if key not in seen:
                seen[key] = Parameters(self.rates, factors[year : year + 1]).thresholds(journey), {}
            self.seen[key] = seen[key]
            thresholds, cache = seen[key]
            columns = replace(self.columns, mass=mass)
            path = run_columns(self.field, thresholds, columns, WEEKS_PER_YEAR, year * WEEKS_PER_YEAR, cache)
            figures[year] = [evaluate(output_named(f), journey, path.stocks, path.flows)[0] for f in FITTED_FIGURES]
            mass = path.mass
        return figures

    def __call__(self, logs: Array) -> Array:
        """Return float64[years, figures], corrected as the simulation said."""
        return self.plain(logs) * self.correction


def observed_figures(found: tuple[Target, ...], n_years: int, first_year: int = FIRST_YEAR) -> Observed:
    """Return the fitted figures of the years from `first_year` as arrays, NaN where nothing is published."""
    value = np.full((n_years, len(FITTED_FIGURES)), np.nan)
    sigma = np.zeros_like(value)
    for target in found:
        year = target.year - first_year
        if target.figure in FITTED_FIGURES and 0 <= year < n_years:
            column = FITTED_FIGURES.index(target.figure)
            value[year, column], sigma[year, column] = target.value, target.sigma
    return Observed(value, sigma)


def plan_durations(statistics: Statistics, area: Area, first_year: int = FIRST_YEAR) -> Array | None:
    """Return float64[5]: shares of plans on day one by time already spent, or None if a cell is not published."""
    bands = (
        "3 months or less", "more than 3 months to 6 months", "more than 6 months, less than 1 year",
        "1 year, less than 2 years", "2 years or more",
    )  # fmt: skip
    cells = [statistics.cells(area, "cpp_at_31_march_by_duration", band).get(first_year - 1) for band in bands]
    counts = [cell.value for cell in cells if cell is not None]
    return np.array(counts) / sum(counts) if len(counts) == len(bands) and sum(counts) > 0 else None


def fit_area(
    statistics: Statistics,
    area: Area,
    *,
    fitted_to: int = LAST_FITTED,
    last_year: int = LAST_YEAR,
    correction_runs: int | None = None,
    workers: int = 2,
    progress: Progress | None = None,
    book: RateBook | None = None,
) -> Fitted:
    """Fit an area to its published figures to `fitted_to` and return it ready to run to 31 March of `last_year`.

    Parameters
    ----------
    correction_runs
        Runs of the simulation that the correction is made from; as CORRECTION_CHILDREN says if None.
    workers
        Threads that these runs share; their number changes nothing in the fit.
    book
        The shape of rates that the area starts from: England's if None, or one estimated from the area's own returns
        (`calibration.estimate.rates_from`).

    Errors
    ------
    CareError
        When the table lacks a figure that the fit cannot do without; it says which and for which years. Also for
        years that do not follow one another.
    """
    if not FIRST_YEAR <= fitted_to <= last_year:
        raise CareError(
            f"A fit to {fitted_to} that is run to {last_year} is not possible",
            remedy=f"Fit to {FIRST_YEAR} or later, and run to that year or later",
        )
    say = progress or (lambda _what, _part: None)
    journey = JOURNEY
    field = MeanField(journey, make_grid(journey))
    found = targets(statistics, area, range(FIRST_YEAR - 1, fitted_to + 1))
    fitted_to = last_published(found, fitted_to)
    n_years = fitted_to - FIRST_YEAR + 1
    found = tuple(target for target in found if target.year <= fitted_to)
    scenario, own, levels = area_on_day_one(statistics, area, field, found, fitted_to, last_year, say, book=book)

    seen = observed_figures(found, n_years)
    model = YearlyModel(field, own, scenario, n_years)
    logs = np.zeros((n_years, len(LEVERS)))
    logs, _, jacobian = solve(model, logs, seen, progress=lambda part: say("yearly factors", part))

    say("correction", 0.0)
    children = scenario.plan.ages.sum() / scenario.sample
    n_runs = correction_runs or int(np.clip(CORRECTION_CHILDREN / max(children, 1), 3, 24))
    parameters = Parameters(own.rates(), multipliers(journey, logs, n_years), own.values)
    simulated = simulated_figures(replace(scenario, n_weeks=n_years * WEEKS_PER_YEAR), parameters, n_runs, workers, say)
    model.correction = (simulated + PULL) / (model.plain(logs) + PULL)
    logs, _, _ = solve(model, logs, seen, jacobian=jacobian)
    parameters = Parameters(own.rates(), multipliers(journey, logs, scenario.n_years), own.values)
    return Fitted(area, scenario, parameters, own, logs, model.correction, levels, found, fitted_to)


def last_published(found: tuple[Target, ...], fitted_to: int) -> int:
    """Return the last year up to `fitted_to` for which the table has what drives a fit; `fitted_to` if it has none."""
    years = {target.year for target in found if target.figure in DRIVING and FIRST_YEAR <= target.year <= fitted_to}
    return max(years, default=fitted_to)


def area_on_day_one(
    statistics: Statistics,
    area: Area,
    field: MeanField,
    found: tuple[Target, ...],
    fitted_to: int,
    last_year: int,
    say: Progress = lambda _what, _part: None,
    *,
    first_year: int = FIRST_YEAR,
    shape: dict[str, Any] | None = None,
    book: RateBook | None = None,
) -> tuple[Scenario, RateBook, dict[str, tuple[float, float]]]:
    """Return an area's scenario from day one on, its rates at its own levels, and each level's (target, reached).

    first_year  day one is 31 March of the year before it; levels are set by the three years to day one
    shape       England's shapes, where not those of this table (see `published_shape`)
    book        the rates that levels are set on; England's if None
    """
    by_year: dict[int, dict[str, float]] = {}
    for target in found:
        by_year.setdefault(target.year, {})[target.figure] = target.value
    first = by_year.get(first_year - 1, {})
    fail_if_figures_missing(area, first, by_year, statistics, first_year)
    shape = published_shape(statistics) if shape is None else shape
    ages = census(statistics, area, range(first_year - 1, last_year + 1))

    say("levels", 0.0)
    book, levels, figures = fit_levels(statistics, area, field, ages.counts[0], shape, fitted_to, first_year, book)
    # The course of those who came alone has the same shape for any number of them; those there on day one need it.
    children = children_of(ages.counts[0], figures.get("uasc_started") or 1.0, shape)
    course = steady(field.journey, field, book, children).course

    say("day one", 0.0)
    model_years = tuple(range(first_year, last_year + 1))
    arrivals = unaccompanied_plan({y: f for y, f in by_year.items() if y <= fitted_to}, model_years)
    plan = population_plan(ages, first, arrivals, shape, course)
    start = day_one(field.journey, field, course, plan, first, plan_durations(statistics, area, first_year))
    sample = ENGLAND_SAMPLE if area.code == ENGLAND else 1
    scenario = make_scenario(area, plan, start, first_year, len(model_years) * WEEKS_PER_YEAR, sample)
    return scenario, book, levels


def simulated_figures(
    scenario: Scenario, parameters: Parameters, n_runs: int, workers: int, say: Progress = lambda _what, _part: None
) -> Array:
    """Return float64[years, figures]: the fitted figures as the mean of `n_runs` runs has them."""
    out = np.zeros((scenario.n_years, len(FITTED_FIGURES)))
    runs = simulate_many(scenario, parameters, range(1, n_runs + 1), JOURNEY, workers=workers)
    for done, run in enumerate(runs, start=1):
        figures = figures_of(run)
        out += np.stack([figures[f] for f in FITTED_FIGURES], axis=1) / n_runs
        say("correction", done / n_runs)
    return out


def fit_levels(
    statistics: Statistics,
    area: Area,
    field: MeanField,
    ages: Array,
    shape: dict[str, Any],
    fitted_to: int,
    first_year: int = FIRST_YEAR,
    book: RateBook | None = None,
) -> tuple[RateBook, dict[str, tuple[float, float]], dict[str, float]]:
    """Return the book (England's if None) at the area's own levels, each aim's (target, reached), its base figures."""
    journey = field.journey
    base = tuple(year + first_year - FIRST_YEAR for year in BASE_YEARS)
    figures = national_figures(statistics) if area.code == ENGLAND else base_figures(statistics, area.code, base)
    if "cla_started" not in figures:
        raise CareError(
            f"The table has no 'cla_started' of {area.name} for any year from {base[0]} to {base[-1]}, "
            "by which its levels are set",
            str(statistics.path),
            "Add rows, or choose another area",
        )
    recent = base_figures(statistics, area.code, range(first_year - 1, fitted_to + 1))
    per_child = figures["cla_at_31_march"] / recent["cla_at_31_march"]
    figures |= {f: recent[f] * per_child for f in LEVELS_OF_FITTED_YEARS if f in recent}
    if area.code != ENGLAND and "rereferrals_within_12_months" in recent:
        figures["rereferrals_within_12_months"] = recent["rereferrals_within_12_months"]
    for key in ("cin_plans_started", "cin_plans_at_31_march"):
        published = statistics.cells(area, key)
        if 2022 in published:
            figures[key] = published[2022].value
    alone = figures.get("uasc_at_31_march", 0.0)
    children = children_of(ages, figures.get("uasc_started", 0.0), shape)
    aims = level_aims(journey, figures, alone, pull=PULL)
    start = read_rates(journey) if book is None else book
    book, reached = fit_steady(journey, field, start, children, aims, rounds=30)
    used = (*base, *range(first_year - 1, fitted_to + 1))
    solved = {t.figure for t in targets(statistics, area, used) if SOLVED in t.note}
    return book, {key: pair for key, pair in reached.items() if key not in solved}, figures


def fail_if_figures_missing(
    area: Area, first: dict[str, float], by_year: dict[int, dict[str, float]], statistics: Statistics, first_year: int
) -> None:
    """Raise CareError when a figure that the fit cannot do without is not in the table."""
    for figure in ("cla_at_31_march", "cpp_at_31_march"):
        if figure not in first:
            raise CareError(
                f"The table has no '{figure}' of {area.name} for {first_year - 1}, where the simulation starts",
                str(statistics.path),
                "Add the row, or choose another area",
            )
    for figure in ("referrals", "cpp_started", "cla_started", "cla_ceased"):
        if not any(figure in f for f in by_year.values()):
            raise CareError(
                f"The table has no '{figure}' of {area.name} for any year from {first_year - 1}",
                str(statistics.path),
                "Add rows, or choose another area",
            )
