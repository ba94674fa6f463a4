"""The fast model fitted at every origin, each time to what was known there, and carried on for three years.

The fit is that of `calibration.fit` (levels, day one, yearly factors of the levers by least squares on the banded mean
field) without its correction by simulation: a forecast starts from the last published figure, so a constant ratio
between simulation and mean field drops out. Three things make some thousand fits affordable:

* One day one serves several origins (`SPANS`), and with it the levels, which are set by the first of these origins.
* How a year's factor moves the figures of that year and of those after it is worked out once, for England
  (`Response`), and used for every area; the figures themselves are always the area's own model's.
* At the second and later origins of a span only the factors of the last `TAIL` years are fitted again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.cohorts import columns_of
from abm.journey import JOURNEY
from abm.meanfield import MeanField
from abm.outputs import evaluate, output_named
from abm.parameters import Parameters
from abm.pathway import WEEKS_PER_YEAR
from abm.scenario import Scenario
from abm.trajectory import run_columns
from calibration.census import census
from calibration.day_one import children_of, population_plan, unaccompanied_plan
from calibration.fit import DRIVING, YearlyModel, area_on_day_one, observed_figures
from calibration.least_squares import LEVEL, SMOOTH, STEP, Observed, weights
from calibration.levers import FITTED_FIGURES, LEVERS, multipliers
from calibration.national import base_figures
from calibration.rates import RateBook
from calibration.stationary import steady
from calibration.statistics import ENGLAND, Area, Statistics
from calibration.targets import published_shape, targets

Array = NDArray[np.float64]
AHEAD = 3
"""Years that are forecast."""
TAIL = 3
"""Years whose factors are fitted again when another year is known."""
SPANS = {2014: range(2016, 2022), 2021: range(2022, 2100)}
"""First year of the model (day one is the 31 March before it) and the origins it serves; the last is that of every fit
of `calibration.fit`."""
FIRST_ROUNDS, ROUNDS = 6, 3
"""Steps of a fit, at most: at the first origin of a span, and at later ones."""


@dataclass(frozen=True)
class OriginFit:
    """The fast model of an area at one origin.

    origin, first_year
    logs     float64[years, levers]     logarithms of the yearly factors, first_year to origin
    figures  float64[years, figures]    the model's
    value    float64[years, figures]    published, NaN where not
    ahead    float64[AHEAD, figures]    the model's, with the factors of the last year held
    """

    origin: int
    first_year: int
    logs: Array
    figures: Array
    value: Array
    ahead: Array


def response(statistics: Statistics, field: MeanField, n_years: int = 8) -> Array:
    """Return float64[lag, figures, levers]: by how much (log) a figure moves `lag` years after a lever's year moves.

    It is worked out for England as one area at its own levels.
    """
    area, first_year = statistics.area(ENGLAND), max(SPANS)
    fitted_to = first_year + 1
    found = targets(statistics, area, range(first_year - 1, fitted_to + 1))
    last = first_year + n_years - 1
    scenario, book, _ = area_on_day_one(statistics, area, field, found, fitted_to, last)
    model = YearlyModel(field, book, scenario, n_years)
    logs = np.zeros((n_years, len(LEVERS)))
    base = model(logs)
    out = np.zeros((n_years, len(FITTED_FIGURES), len(LEVERS)))
    for lever in range(len(LEVERS)):
        moved = logs.copy()
        moved[0, lever] += STEP
        out[:, :, lever] = np.log((model(moved) + 1.0) / (base + 1.0)) / STEP
    return out


def fit_origins(
    known: Callable[[int], Statistics],
    area: Area,
    origins: range,
    field: MeanField,
    moves: Array,
    shape: dict[str, Any] | None = None,
) -> Iterator[OriginFit]:
    """Yield the fits of an area, origin by origin; an origin whose figures are not in the table ends its span.

    known   the table as it was at an origin
    moves   from `response`
    shape   England's shapes, where not those of the table at the origin

    Errors
    ------
    CareError
        When the table lacks what a fit cannot do without (see `calibration.fit`); later spans are then not tried.
    """
    for first_year, span in SPANS.items():
        wanted = [origin for origin in origins if origin in span]
        if wanted:
            yield from _fit_span(known, area, first_year, wanted, field, moves, shape)


def _fit_span(
    known: Callable[[int], Statistics],
    area: Area,
    first_year: int,
    origins: list[int],
    field: MeanField,
    moves: Array,
    shape: dict[str, Any] | None,
) -> Iterator[OriginFit]:
    chain: _Chain | None = None
    for origin in origins:
        table = known(origin)
        found = targets(table, area, range(first_year - 1, origin + 1))
        if not any(target.year == origin and target.figure in DRIVING for target in found):
            return
        shapes = published_shape(table) if shape is None else shape
        if chain is None:
            last = origin + AHEAD
            scenario, book, _ = area_on_day_one(
                table, area, field, found, origin, last, first_year=first_year, shape=shapes
            )
            base = base_figures(table, area.code, range(first_year - 3, first_year))
            chain = _Chain(field, book, scenario, base.get("uasc_started") or 1.0, moves)
        else:
            by_year: dict[int, dict[str, float]] = {}
            for target in found:
                by_year.setdefault(target.year, {})[target.figure] = target.value
            years = range(first_year - 1, origin + AHEAD + 1)
            chain.plan_again(table, area, by_year, years, shapes)
        yield chain.fit(origin, observed_figures(found, origin - first_year + 1, first_year))


class _Chain:
    """One span: the model's state at the end of every year whose factors are settled."""

    def __init__(self, field: MeanField, book: RateBook, scenario: Scenario, arrivals: float, moves: Array) -> None:
        self.field, self.book, self.scenario, self.arrivals, self.moves = field, book, scenario, arrivals, moves
        self.columns = columns_of(scenario, field, block=WEEKS_PER_YEAR)
        self.logs = np.zeros((0, len(LEVERS)))
        self.settled = 0
        self.mass, self.done = self.columns.mass, np.zeros((0, len(FITTED_FIGURES)))
        self.ahead = self.done
        self.seen: dict[bytes, Any] = {}

    def plan_again(
        self, table: Statistics, area: Area, figures: dict[int, dict[str, float]], years: range, shape: dict[str, Any]
    ) -> None:
        """Plan births, moves and arrivals again, as they are known now."""
        ages = census(table, area, years)
        course = steady(JOURNEY, self.field, self.book, children_of(ages.counts[0], self.arrivals, shape)).course
        arrivals = unaccompanied_plan(figures, tuple(years)[1:])
        plan = population_plan(ages, figures[years[0]], arrivals, shape, course)
        self.scenario = replace(self.scenario, plan=plan, n_weeks=(len(years) - 1) * WEEKS_PER_YEAR)
        before, born = self.mass, self.columns.birth_week
        self.columns = columns_of(self.scenario, self.field, block=WEEKS_PER_YEAR)
        # Children born in years ahead have columns of their own, of which settled years know nothing.
        assert np.array_equal(self.columns.birth_week[: born.size], born)
        self.mass = np.zeros_like(self.columns.mass)
        self.mass[:, : born.size] = before

    def run(self, logs: Array, masses: list[Array], first: int) -> Array:
        """Return the figures of the years from `first` on under these factors; add the mass after each to `masses`."""
        factors = multipliers(JOURNEY, logs, len(logs))
        figures = np.zeros((len(logs), len(FITTED_FIGURES)))
        seen, self.seen = self.seen, {}
        for n in range(len(logs)):
            key = factors[n].tobytes()
            if key not in seen:
                seen[key] = Parameters(self.book.rates(), factors[n : n + 1]).thresholds(JOURNEY), {}
            self.seen[key] = seen[key]
            thresholds, cache = seen[key]
            columns = replace(self.columns, mass=masses[-1])
            path = run_columns(self.field, thresholds, columns, WEEKS_PER_YEAR, (first + n) * WEEKS_PER_YEAR, cache)
            figures[n] = [evaluate(output_named(f), JOURNEY, path.stocks, path.flows)[0] for f in FITTED_FIGURES]
            masses.append(path.mass)
        return figures

    def fit(self, origin: int, observed: Observed) -> OriginFit:
        """Fit the years that are not settled, carry the last on, and settle all but the last TAIL - 1 of them."""
        n, first = len(observed.value), self.settled
        last = self.logs[-1] if len(self.logs) else np.zeros(len(LEVERS))
        start = np.vstack([self.logs, np.tile(last, (n - len(self.logs), 1))])[first:]
        tail = Observed(observed.value[first:], observed.sigma[first:])
        logs, figures, masses = self._solve(start, tail, self.logs[first - 1] if first else None)
        self.ahead = self.run(np.tile(logs[-1:], (AHEAD, 1)), [masses[-1]], n)
        self.logs = np.vstack([self.logs[:first], logs])
        self.done = np.vstack([self.done[:first], figures])
        settle = max(len(logs) - (TAIL - 1), 0)
        self.mass, self.settled = masses[settle], first + settle
        return OriginFit(origin, self.scenario.first_year, self.logs, self.done, observed.value, self.ahead)

    def _solve(self, logs: Array, observed: Observed, before: Array | None) -> tuple[Array, Array, list[Array]]:
        """Return the factors that fit best, their figures, and the mass before the first year and after each.

        By Gauss-Newton on the residuals and the prior of smooth factors. At a later origin it begins from what the one
        before had forecast.
        """
        n_years, n_levers = logs.shape
        known, sd = observed.known, weights(observed)
        prior, centre = _smoothness(n_years, n_levers, before)

        def cost_of(figures: Array, at: Array) -> float:
            residual = ((figures - observed.value) / sd)[known]
            return float((residual**2).sum() + ((prior @ at.ravel() - centre) ** 2).sum())

        first = self.settled
        guess = np.vstack([self.done, self.ahead])[first : first + n_years]
        found: tuple[Array, list[Array]] | None = None
        if len(guess) < n_years:
            masses = [self.mass]
            guess = self.run(logs, masses, first)
            found = guess, masses
        figures, cost = guess, cost_of(guess, logs)
        for _ in range(ROUNDS if first or len(self.ahead) else FIRST_ROUNDS):
            jacobian = np.zeros((n_years, figures.shape[1], n_years, n_levers))
            for year in range(n_years):
                jacobian[year:, :, year] = self.moves[: n_years - year] * (figures[year:, :, None] + 1.0)
            jacobian = jacobian.reshape(n_years, figures.shape[1], -1)[known] / sd[known][:, None]
            residual = ((figures - observed.value) / sd)[known]
            both, rest = np.vstack([jacobian, prior]), np.r_[residual, prior @ logs.ravel() - centre]
            step = np.clip(-np.linalg.lstsq(both, rest, rcond=None)[0].reshape(logs.shape), -0.7, 0.7)
            for _half in range(2):
                masses = [self.mass]
                tried = self.run(logs + step, masses, first)
                new = cost_of(tried, logs + step)
                if new <= cost:
                    break
                step = step / 2
            else:
                break
            gained = cost - new
            logs, figures, cost, found = logs + step, tried, new, (tried, masses)
            if gained < 0.05 * cost + 0.5:
                break
        if found is None:
            masses = [self.mass]
            found = self.run(logs, masses, first), masses
        return logs, *found


def _smoothness(n_years: int, n_levers: int, before: Array | None) -> tuple[Array, Array]:
    """Return (matrix, centre) of the prior: each year near the year before it, the first near `before` or near 0."""
    steps = np.eye(n_years) - np.eye(n_years, k=-1)
    steps[0] /= SMOOTH if before is not None else LEVEL
    steps[1:] /= SMOOTH
    centre: Array = np.zeros((n_years, n_levers))
    if before is not None:
        centre[0] = before / SMOOTH
    return np.asarray(np.kron(steps, np.eye(n_levers)), np.float64), centre.reshape(-1)
