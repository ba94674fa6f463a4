"""Mechanisms that couple children: simulated with and without them, seed by seed with the same luck."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.outputs import evaluate, output_named
from abm.prepared import prepare
from abm.simulate import Run, simulate
from experiments.compare.ladder.course import Course, Model, Say

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
class Pair:
    """How a mechanism is put into runs.

    words  what of it is in the runs, for a reader
    setup  called once, with the model without any policy and its course, which a mechanism may need as its reference:
           returns what changes a model, with or without policy, and what makes the keywords of each run
    """

    words: str
    setup: Callable[[Model, Course], tuple[Callable[[Model], Model], Given]]


def nothing() -> Mapping[str, Any]:
    """Return what a run without coupling is given besides."""
    return {}


def run_figures(model: Model, figures: Sequence[str], run: Run) -> Array:
    """Return float64[figures, years] of a run, of the whole area; distinct children are counted as events."""
    made = [evaluate(output_named(f), model.journey, run.stocks, run.flows) for f in figures]
    return np.stack(made) * run.scenario.sample


def simulated(
    model: Model,
    figures: Sequence[str],
    seeds: Sequence[int],
    given: Given = nothing,
    *,
    workers: int = 1,
    say: Say | None = None,
) -> Array:
    """Return float64[runs, figures, years]: the figures of one run for each seed."""
    prepared = prepare(model.parameters, model.journey)

    def one(seed: int) -> Array:
        run = simulate(
            model.scenario, model.parameters, seed, model.journey, log=False, prepared=prepared, **given()
        )  # fmt: skip
        return run_figures(model, figures, run)

    out = []
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        for made in pool.map(one, seeds):
            out.append(made)
            if say is not None:
                say("Simulating with and without what couples children", len(out) / len(seeds))
    return np.stack(out)
