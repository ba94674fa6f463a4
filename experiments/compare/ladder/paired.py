"""Mechanisms that couple children: simulated with and without them, seed by seed with the same luck."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.outputs import evaluate, output_named
from abm.prepared import prepare
from abm.run import Run
from abm.simulate import simulate
from calibration.statistics import Statistics
from experiments.compare.ladder.course import Model
from experiments.run import side_by_side

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean over runs and its standard error, both float64[figures, years]; of one run the error is nan."""

    mean: Array
    se: Array

    @classmethod
    def of(cls, values: Array) -> Estimate:
        """Return the estimate from float64[runs, figures, years]."""
        n = len(values)
        se = values.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(values.shape[1:], np.nan)
        return cls(values.mean(axis=0), se)


Given = Callable[[], Mapping[str, Any]]
"""Makes what `abm.simulate.simulate` is given besides, anew for each run."""


@dataclass(frozen=True)
class Runs:
    """Some runs of a model: one for each seed.

    figures  float64[runs, figures, years], of the whole area; distinct children are counted as events
    course   their mean: children by state on day one [S] and after each week [weeks, S], events [weeks, E]
    """

    figures: Array
    course: tuple[Array, Array, Array]


@dataclass(frozen=True)
class Setting:
    """What a mechanism is put into.

    model       without any policy
    course      mean course of runs of it, which the mechanism may need as its reference: see `Runs`
    on          rungs that are on already
    statistics  published figures; None for those that are shipped
    """

    model: Model
    course: tuple[Array, Array, Array]
    on: tuple[str, ...]
    statistics: Statistics | None


@dataclass(frozen=True)
class Pair:
    """How a mechanism is put into runs.

    words  what of it is in the runs, for a reader
    setup  called once: returns what changes a model, with or without policy, and the keywords of runs
    """

    words: str
    setup: Callable[[Setting], tuple[Callable[[Model], Model], Given]]


def nothing() -> Mapping[str, Any]:
    """Return what a run without coupling is given besides."""
    return {}


def simulated(
    model: Model,
    figures: Sequence[str],
    seeds: Sequence[int],
    given: Given = nothing,
    *,
    workers: int = 1,
    say: Callable[[float], None] = lambda _part: None,
) -> Runs:
    """Simulate a model once for each seed; `say` is told the part that is done."""
    journey, scenario = model.journey, model.scenario
    prepared = prepare(model.parameters, journey, model.homes)

    def one(seed: int) -> Run:
        return simulate(scenario, model.parameters, seed, journey, log=False, prepared=prepared, **given())

    n_states = len(journey.states)
    start = np.zeros(n_states)
    stocks, flows = np.zeros((scenario.n_weeks, n_states)), np.zeros((scenario.n_weeks, journey.tables.n_edges))
    made = []
    for run in side_by_side(one, seeds, workers):
        made.append(np.stack([evaluate(output_named(f), journey, run.stocks, run.flows) for f in figures]))
        start += np.bincount(run.population.state, minlength=n_states)
        stocks += run.stocks
        flows += run.flows
        say(len(made) / len(seeds))
    each = scenario.sample / len(made)
    return Runs(np.stack(made) * scenario.sample, (start * each, stocks * each, flows * each))
