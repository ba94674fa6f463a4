"""Weekly stocks and flows as tables: a row for each run and week, a column for each state and for each way out of one.

Of the simulation they are whole numbers of the whole area, of system dynamics they are means. Those who are elsewhere,
born or not, are no stock of the area.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.errors import CareError
from abm.pathway import Journey
from abm.run import Run
from calibration.system import SystemFit
from experiments import results

ELSEWHERE = "elsewhere"
_RUNS_AT_ONCE = 16
_AGAIN = "Make the results again with 'journeys run'"
Whole = NDArray[np.int32]


def weekly_columns(journey: Journey) -> tuple[list[str], list[str]]:
    """Return the names of stocks (a state) and of flows ("transition/state it leaves")."""
    names, tables = [state.key for state in journey.states], journey.tables
    flows = [f"{journey.transitions[t].key}/{names[s]}" for t, s in zip(tables.transition, tables.source, strict=True)]
    return [names[place] for place in _here(journey)], flows


def _here(journey: Journey) -> list[int]:
    return [place for place, state in enumerate(journey.states) if state.key != ELSEWHERE]


def weekly_counts(run: Run) -> Whole:
    """Return int32[columns, weeks]: the stocks and flows of a run, scaled up to the whole area."""
    stocks = run.stocks[:, _here(run.journey)]
    counts: Whole = (np.hstack([stocks, run.flows]).T * run.scenario.sample).astype(np.int32)
    return counts


def weekly_frame(
    journey: Journey,
    seeds: Sequence[int],
    counts: Sequence[Whole],
    beside: Sequence[Mapping[str, NDArray[np.float64]]] = (),
) -> pl.DataFrame:
    """Return the table of some runs: run (its seed), week (stocks are after it), and the columns.

    What was `beside` the children of each run, float64[weeks] by name, comes after them.
    """
    n_weeks = counts[0].shape[1]
    stocks, flows = weekly_columns(journey)
    told = {
        "run": np.repeat(np.array(seeds, np.uint64), n_weeks),
        "week": np.tile(np.arange(n_weeks, dtype=np.int16), len(seeds)),
    }
    columns = {name: np.concatenate([run[c] for run in counts]) for c, name in enumerate((*stocks, *flows))}
    further = {name: np.concatenate([run[name] for run in beside]) for name in (beside[0] if beside else ())}
    return pl.DataFrame(told | columns | further)


def system_frame(system: SystemFit, n_weeks: int, journey: Journey) -> pl.DataFrame:
    """Return the table of system dynamics: week, and the columns in float64."""
    stocks, flows = weekly_columns(journey)
    values = np.hstack([system.stocks[:n_weeks, _here(journey)], system.flows[:n_weeks]])
    week = pl.Series("week", np.arange(n_weeks, dtype=np.int16))
    return pl.DataFrame(values, schema=[*stocks, *flows]).insert_column(0, week)


def add_weekly(paths: Sequence[Path], n_weeks: int, folder: Path) -> pl.LazyFrame:
    """Return the tables of all runs of several areas added up, row by row: the same runs and weeks in each.

    They are added a few runs at a time, and kept in `folder`, so neither areas nor runs matter for the memory. Sums are
    of whole numbers, whatever the order.

    Errors
    ------
    CareError
        When the areas' tables are not of the same runs and weeks.
    """
    tables = [pl.scan_parquet(path) for path in paths]
    n_rows = tables[0].select(pl.len()).collect().item()
    parts = []
    for begin in range(0, n_rows, _RUNS_AT_ONCE * n_weeks):
        rows = [table.slice(begin, _RUNS_AT_ONCE * n_weeks) for table in tables]
        first = rows[0].collect()
        keys = first.select("run", "week")
        total = np.zeros((first.height, first.width - keys.width), np.int64)
        for path, row in zip(paths, rows, strict=True):
            area = row.collect()
            if area.columns != first.columns or not area.select("run", "week").equals(keys):
                raise CareError("The weekly tables of the areas are of other runs or weeks", str(path), _AGAIN)
            total += area.drop("run", "week").to_numpy()
        parts.append(folder / f"{begin:09d}.parquet")
        with results.writing(folder):
            keys.hstack(pl.DataFrame(total, schema=first.columns[2:])).write_parquet(parts[-1])
    return pl.scan_parquet(parts)


def write_weekly(weekly: pl.LazyFrame, n_weeks: int, path: Path) -> None:
    """Write the table of all runs, a few runs at a time: neither all nor their number matters for the memory."""
    with results.writing(path):
        weekly.sink_parquet(path, compression="zstd", compression_level=1, row_group_size=_RUNS_AT_ONCE * n_weeks)
