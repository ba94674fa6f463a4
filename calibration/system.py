"""Fit classic system dynamics by itself to the same figures that the simulation is fitted to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.classic import ClassicRates, derive, run_classic
from abm.cohorts import columns_of
from abm.journey import JOURNEY
from abm.meanfield import MeanField, make_grid
from abm.outputs import OUTPUTS, evaluate, output_named
from abm.pathway import N_AGES, WEEKS_PER_YEAR, unaccompanied_group
from abm.trajectory import run_columns
from calibration.fit import Fitted, observed_figures
from calibration.least_squares import solve
from calibration.levers import FITTED_FIGURES, multipliers

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SystemFit:
    """Classic system dynamics of an area.

    rates    what it knows, derived from the simulation's tables
    logs     float64[fitted years, levers]  logarithms of its own yearly factors
    stocks   float64[weeks, S], flows float64[weeks, E]  of the whole area
    figures  every figure of abm/outputs.py by year, float64[years]; distinct children are counted as events
    """

    rates: ClassicRates
    logs: Array
    stocks: Array
    flows: Array
    figures: dict[str, Array]


def fit_system(fitted: Fitted, *, progress: Callable[[float], None] | None = None) -> SystemFit:
    """Derive classic system dynamics from a fitted area and fit its own yearly factors."""
    journey, scenario = JOURNEY, fitted.scenario
    n_years = len(fitted.logs)
    field = MeanField(journey, make_grid(journey))
    columns = columns_of(scenario, field, block=13)
    thresholds = fitted.parameters.thresholds(journey)
    path = run_columns(field, thresholds, columns, scenario.n_weeks)
    start = np.asarray(field.summing @ columns.mass.sum(axis=1)).ravel()
    rates = derive(journey, path, start, n_years, _alone_shares(field, thresholds, scenario.plan.arrival_ages))

    # The derived rates hold the mean of the simulation's factors; its own start from them.
    base = np.log(multipliers(journey, fitted.logs, n_years)).mean(axis=0)

    def factors(logs: Array, years: int) -> Array:
        out: Array = multipliers(journey, logs, years) / np.exp(base)
        return out

    def model(logs: Array) -> Array:
        stocks, flows = run_classic(journey, rates, factors(logs, n_years), n_years * WEEKS_PER_YEAR)
        return np.stack([evaluate(output_named(f), journey, stocks, flows) for f in FITTED_FIGURES], axis=1)

    logs, _, _ = solve(
        model, fitted.logs.copy(), observed_figures(fitted.targets, n_years), rounds=8, progress=progress
    )
    stocks, flows = run_classic(journey, rates, factors(logs, scenario.n_years), scenario.n_weeks)
    figures = {output.key: evaluate(output, journey, stocks, flows) for output in OUTPUTS}
    return SystemFit(rates, logs, stocks, flows, figures)


def _alone_shares(field: MeanField, thresholds: NDArray[np.uint64], arrival_ages: Array) -> Array:
    """Return float64[E]: shares of the outcomes of children who came alone, in the first year."""
    journey = field.journey
    out = np.zeros(journey.tables.n_edges)
    edge = journey.edge("came_alone", "elsewhere")
    for band, part in ((0, arrival_ages[:16].sum()), (N_AGES - 1, arrival_ages[16:].sum())):
        for path, chance in field.entry_chains(edge, thresholds[0], unaccompanied_group(band)):
            out[list(path)] += chance * part
    return out
