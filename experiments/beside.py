"""What was beside the children, week by week: the conditions of the system, homes, and families' circumstances.

Of every run the weekly numbers are kept with its stocks, under names that begin with ENVIRONMENT or HOMES.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.family_life import CIRCUMSTANCES
from abm.run import Run
from abm.siblings import (
    BOTH_LOOKED_AFTER,
    INTO_CARE_TOGETHER,
    LARGEST_GROUP,
    REFERRED_TOGETHER,
    SAME_KIND_OF_HOME,
    sibling_figures,
)
from experiments.compare.metrics import OF_RUNS

Array = NDArray[np.float64]
ENVIRONMENT, HOMES = "environment: ", "places: "
SIBLINGS = (REFERRED_TOGETHER, INTO_CARE_TOGETHER, BOTH_LOOKED_AFTER, SAME_KIND_OF_HOME, LARGEST_GROUP)
"""Figures of brothers and sisters: shares of a run, which cannot be added up over areas."""
_MEMORY = "memory: "


def beside_of(run: Run, conditions: bool = True) -> dict[str, Array]:
    """Return what was beside the children, float64[weeks] by name, of the whole area; nothing if nothing was.

    Without `conditions` those of a system are left out: of one without behaviours they never move.
    """
    out: dict[str, Array] = {}
    if run.environment is not None and conditions:
        for column, name in enumerate(run.environment.names):
            if not name.startswith(_MEMORY):
                out[ENVIRONMENT + name] = run.environment.conditions[:, column]
    if run.places is not None:
        for column, name in enumerate(run.places.names):
            out[HOMES + name] = run.places.accounts[:, column].astype(np.float64) * run.scenario.sample
    return out


def figures_beside(run: Run) -> dict[str, Array]:
    """Return the figures by year that only a run with families has, float64[years]."""
    return {} if run.families is None else sibling_figures(run)


def weekly_summary(weekly: pl.LazyFrame, beside: str, n_runs: int, what: str) -> pl.DataFrame | None:
    """Return a table of what was beside the children; None if there was nothing.

    Columns: `what`, week, first (the first run), and over all runs mean, lowest, p5, median, p95, highest.
    """
    names = [name for name in weekly.collect_schema().names() if name.startswith(beside)]
    parts = []
    for name in names:
        # One at a time: neither their number nor that of the runs matters for the memory.
        values = weekly.select(name).collect()[name].to_numpy().reshape(n_runs, -1)
        low, p5, median, p95, high = np.quantile(values, (0.0, 0.05, 0.5, 0.95, 1.0), axis=0, method=OF_RUNS)
        parts.append(
            pl.DataFrame(
                {
                    what: pl.Series([name.removeprefix(beside)] * values.shape[1], dtype=pl.String),
                    "week": np.arange(values.shape[1], dtype=np.int16),
                    "first": values[0], "mean": values.mean(axis=0), "lowest": low, "p5": p5, "median": median,
                    "p95": p95, "highest": high,
                }
            )
        )  # fmt: skip
    return pl.concat(parts) if parts else None


def circumstances_frame(run: Run) -> pl.DataFrame:
    """Return how families' circumstances moved: family, week, from_circumstances, to_circumstances.

    Week -1, with no circumstances before, is how a family stood on day one.
    """
    assert run.families is not None
    states, tables = [state.key for state in CIRCUMSTANCES.states], CIRCUMSTANCES.tables
    began, rows = run.families.began, run.families.rows
    first, later = began.astype(np.int64), rows.edge.astype(np.int64)
    start = pl.DataFrame(
        {
            "family": np.arange(len(first), dtype=np.int32),
            "week": np.full(len(first), -1, np.int16),
            "from_circumstances": pl.Series([None] * len(first), dtype=pl.String),
            "to_circumstances": _named(states, first),
        }
    )
    moved = pl.DataFrame(
        {
            "family": rows.child.astype(np.int32),
            "week": rows.week.astype(np.int16),
            "from_circumstances": _named(states, tables.source[later]),
            "to_circumstances": _named(states, tables.target[later]),
        }
    )
    return pl.concat([start, moved])


def _named(names: Sequence[str], places: NDArray[np.integer]) -> pl.Series:
    return pl.Series(list(names), dtype=pl.String)[places.astype(np.int64)]
