"""A finished run: what was simulated, what happened to the children, and what else could have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

import abm
from abm.compiled import HAS_NUMBA
from abm.course import people_of
from abm.errors import CareError
from abm.events import Rows, check, children_frame, digest, events_frame
from abm.factors import Environment, no_factors
from abm.family_weeks import FamiliesTold
from abm.files import replacing
from abm.log_kernels import list_options
from abm.marks import mark_of
from abm.parameters import CERTAIN
from abm.pathway import Journey
from abm.places_weeks import PlacesTold
from abm.population import Population
from abm.prepared import Prepared
from abm.scenario import Scenario


@dataclass(frozen=True)
class Run:
    """One simulated run: scenario and seed, the children, what happened to them, and how many were where.

    stocks  int64[weeks, S]  children in each state at the end of each week (of the sample, not scaled up)
    flows   int64[weeks, E]  events of each week by edge
    rows                     the log in whole numbers, by week, child, step; empty if it was not kept
    log                      whether the log was kept
    """

    scenario: Scenario
    seed: int
    prepared: Prepared
    population: Population
    rows: Rows
    stocks: NDArray[np.int64]
    flows: NDArray[np.int64]
    log: bool = True
    environment: Environment | None = None
    families: FamiliesTold | None = None
    places: PlacesTold | None = None

    @property
    def journey(self) -> Journey:
        """The journey that was simulated."""
        return self.prepared.journey

    @cached_property
    def digest(self) -> str:
        """SHA-256 of log and children; "" if the log was not kept."""
        return digest(self.journey, self.rows, self.population) if self.log else ""

    @cached_property
    def children(self) -> pl.DataFrame:
        """The children as they were on entry, one row each."""
        return children_frame(self.population)

    @cached_property
    def events(self) -> pl.DataFrame:
        """The event log, one row an event."""
        return events_frame(self.journey, self.rows)

    @property
    def manifest(self) -> dict[str, Any]:
        """What it takes to get this run again, and to know that it is the same."""
        return {
            "area": self.scenario.area_code,
            "first_year": self.scenario.first_year,
            "weeks": self.scenario.n_weeks,
            "sample": self.scenario.sample,
            "seed": self.seed,
            "children": len(self.population),
            "events": int(self.rows.child.size),
            "digest": self.digest,
            "system": None if self.environment is None else list(self.environment.names),
            "environment": "" if self.environment is None else mark_of(self.environment.factors),
            "families": self.prepared.families is not None,
            "places": self.prepared.places is not None,
            "versions": {"journeys-abm": abm.__version__, "numpy": np.__version__, "compiled": HAS_NUMBA},
        }

    def check(self) -> None:
        """Check that the run is consistent, or raise CareError with the child and the week."""
        check(self.journey, self.rows, self.population, self.stocks, self.flows)

    def options(self, children: Sequence[int] | None = None) -> pl.DataFrame:
        """Return every possibility open at each event of these children (all, if None), the one taken included.

        Columns: child, week, step as in `events`, transition, to_state, chance. For outcomes that follow at once the
        chance is, as in `events`, that of this outcome given that none listed before it was taken.
        """
        n = len(self.population)
        chosen = np.full(n, children is None)
        if children is not None:
            outside = [c for c in children if not 0 <= c < n]
            if outside:
                raise CareError(f"There is no child {outside[0]}", remedy=f"This run has children 0 to {n - 1}")
            chosen[list(children)] = True
        args: tuple[Any, ...] = (self.prepared.edges, self.prepared.chances, np.zeros((0, 0, 0), np.int32))
        if self.environment is not None or self.prepared.families is not None:
            none = no_factors(self.journey)
            chances = self.prepared.chances_within(none)
            factors = np.broadcast_to(none.astype(np.int32), (self.scenario.n_weeks, *none.shape))
            if self.environment is not None:
                factors = self.environment.factors
            args = (self.prepared.edges, chances, factors[:, self.journey.tables.transition])
        empty = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint64))
        size = list_options(*args, people_of(self.population), self.rows, chosen, *empty)
        row, edge, threshold = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, np.uint64)
        if size:
            list_options(*args, people_of(self.population), self.rows, chosen, row, edge, threshold)
        tables = self.journey.tables
        return pl.DataFrame(
            {
                "child": self.rows.child[row],
                "week": self.rows.week[row],
                "step": self.rows.step[row],
                "transition": tables.transition[edge],
                "to_state": tables.target[edge],
                "chance": threshold / CERTAIN,
            }
        )

    def write_events(self, path: Path) -> None:
        """Write the log as Parquet, whole or not at all."""
        write_parquet(self.events, path)

    def write_children(self, path: Path) -> None:
        """Write the children as Parquet, whole or not at all."""
        write_parquet(self.children, path)


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame as Parquet, whole or not at all."""
    # It can be made again from its seed: not worth waiting for the disk.
    with replacing(path, lasting=False) as name:
        frame.write_parquet(name, compression="zstd", compression_level=1, statistics=False)
