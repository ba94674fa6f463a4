"""The course that behaviours answer to departures from, and an area as classic system dynamics, worked out quickly.

Both are of the same area under the same parameters, without behaviours. The course is the mean of simulated runs, or
that of the banded mean field; classic system dynamics is derived from the banded mean field.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.behaviour import Reference
from abm.classic import ClassicRates, derive, history_shares, run_classic
from abm.cohorts import columns_of
from abm.errors import CareError
from abm.factors import System
from abm.meanfield import MeanField, make_grid
from abm.parameters import Parameters
from abm.pathway import N_AGES, WEEKS_PER_YEAR, Journey, unaccompanied_group
from abm.places_rules import Supply
from abm.run import Run
from abm.scenario import Scenario
from abm.simulate import simulate_many
from abm.trajectory import run_columns

Array = NDArray[np.float64]
_BLOCK = 13
"""Birth weeks in a column: as in a fit."""
_ENOUGH = 2_000_000
"""Children on day one, over all runs whose mean is a reference."""


@dataclass(frozen=True)
class ClassicCase:
    """An area as classic system dynamics: rates with histories, yearly factors, and its own course without behaviours.

    multipliers  float64[years, T]
    stocks       float64[weeks, S], flows float64[weeks, E]  without behaviours
    reference    the same course, as behaviours are given it
    """

    journey: Journey
    rates: ClassicRates
    multipliers: Array
    stocks: Array
    flows: Array
    reference: Reference

    def run(self, system: System | None, n_weeks: int | None = None) -> tuple[Array, Array]:
        """Return stocks and flows under a system, of the first weeks or of all."""
        weeks = self.reference.n_weeks if n_weeks is None else n_weeks
        return run_classic(self.journey, self.rates, self.multipliers, weeks, system)


def mean_course(
    scenario: Scenario, parameters: Parameters, journey: Journey, *, field: MeanField | None = None
) -> Reference:
    """Return the mean course of a scenario without behaviours, by the banded mean field: quick, and without chance.

    It strays from the mean of runs by some percent in states of wide bands, such as those of care. As the reference
    of simulated runs prefer `simulated_course`: what strays would be taken for a departure.
    """
    field = field or MeanField(journey, make_grid(journey))
    columns = columns_of(scenario, field, _BLOCK)
    path = run_columns(field, parameters.thresholds(journey), columns, scenario.n_weeks)
    return Reference.of_course(_stocks(field, columns.mass), path.stocks, path.flows)


def simulated_course(
    scenario: Scenario,
    parameters: Parameters,
    journey: Journey,
    *,
    runs: int | None = None,
    first_seed: int = 4_000_000_000,
    workers: int = 1,
    places: Supply | None = None,
) -> Reference:
    """Return the mean of simulated runs without behaviours: the reference of a scenario's runs with them.

    All else must be as in those runs: families are in the parameters, `places` are the homes, if these are limited.
    With n runs it strays from the true mean by a part of 1 over the square root of n of what one run does; if None,
    there are as many runs as have two million children together, 4 to 64. Seeds are `first_seed` and those after it:
    keep them apart from those of the runs that answer to it.
    """
    if runs is None:
        there = (scenario.plan.ages.sum() + scenario.plan.unaccompanied.sum()) / scenario.sample
        runs = min(max(int(_ENOUGH / max(there, 1.0)), 4), 64)
    if runs < 1:
        raise CareError(f"The mean of {runs} runs is not possible", "reference", "Use 1 run or more")
    seeds = range(first_seed, first_seed + runs)
    return course_of_runs(
        simulate_many(scenario, parameters, seeds, journey, workers=workers, log=False, places=places)
    )


def course_of_runs(runs: Iterable[Run]) -> Reference:
    """Return the mean course of runs of one scenario, which are made without behaviours."""
    start, stocks, flows, n = np.zeros(1), np.zeros(1), np.zeros(1), 0
    for run in runs:
        sample, n = run.scenario.sample, n + 1
        start = start + sample * np.bincount(run.population.state, minlength=run.stocks.shape[1])
        stocks, flows = stocks + sample * run.stocks, flows + sample * run.flows
    if n == 0:
        raise CareError("There is no run", "reference", "Give one run or more")
    return Reference.of_course(start / n, stocks / n, flows / n)


def classic_case(
    scenario: Scenario,
    parameters: Parameters,
    journey: Journey,
    *,
    n_weeks: int | None = None,
    field: MeanField | None = None,
) -> ClassicCase:
    """Return a scenario as classic system dynamics, for its own weeks or for more, with the last year's inflow then."""
    field = field or MeanField(journey, make_grid(journey))
    columns = columns_of(scenario, field, 4 * _BLOCK)
    thresholds = parameters.thresholds(journey)
    path = run_columns(field, thresholds, columns, scenario.n_weeks)
    n_years = scenario.n_weeks // WEEKS_PER_YEAR
    arrivals = scenario.plan.arrival_ages
    alone = np.zeros(journey.tables.n_edges)
    edge = journey.edge("came_alone", "elsewhere")
    for band, part in ((0, arrivals[:16].sum()), (N_AGES - 1, arrivals[16:].sum())):
        for chain, chance in field.entry_chains(edge, thresholds[0], unaccompanied_group(band)):
            alone[list(chain)] += chance * part
    ages = -columns.birth_week, scenario.n_weeks - columns.birth_week
    made = derive(journey, path, _stocks(field, columns.mass), n_years, alone)
    rates = ClassicRates(
        made.rate, made.share, made.inflow, made.start, made.alone,
        history_shares(field, thresholds[0], (columns.mass, path.mass), ages),
    )  # fmt: skip
    yearly = parameters.multipliers[:n_years]
    # The derived rates hold the mean of the yearly factors.
    multipliers = np.where(yearly > 0, yearly, 1.0) / np.exp(np.log(np.where(yearly > 0, yearly, 1.0)).mean(axis=0))
    return case_of(journey, rates, multipliers, n_weeks or scenario.n_weeks)


def case_of(journey: Journey, rates: ClassicRates, multipliers: Array, n_weeks: int) -> ClassicCase:
    """Return an area whose classic system dynamics is known already, such as one that was fitted by itself.

    For a system the rates need `ClassicRates.history`; that of `classic_case` of the same area will do.
    """
    stocks, flows = run_classic(journey, rates, multipliers, n_weeks)
    return ClassicCase(journey, rates, multipliers, stocks, flows, Reference.of_course(rates.start, stocks, flows))


def _stocks(field: MeanField, mass: Array) -> Array:
    return np.asarray(field.summing @ mass.sum(axis=1)).ravel()
