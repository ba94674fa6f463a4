"""What runs with the same parameters share: the journey as arrays, and its chances."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError
from abm.factors import UNIT, largest_thresholds, strengths
from abm.family_life import FamilyLife
from abm.family_tables import FamilyTables, family_tables
from abm.kernels import SPARE, Chances, Edges, edges_of
from abm.parameters import Parameters
from abm.pathway import N_HISTORIES, N_RISKS, UNACCOMPANIED_GROUP, Journey
from abm.places_rules import Supply
from abm.quiet import cells_of


@dataclass(frozen=True)
class Prepared:
    """What every run with the same parameters shares: the journey as arrays, and its chances as thresholds.

    thresholds  uint64[Y, E, G, B]  by model year
    parameters  what they were made of; only runs with a system need it
    places      the homes there are, if these are limited
    """

    journey: Journey
    edges: Edges
    thresholds: NDArray[np.uint64]
    parameters: Parameters | None = None
    places: Supply | None = None

    @cached_property
    def by_group(self) -> NDArray[np.uint64]:
        """The thresholds as the loops read them, uint64[Y, G, B, E]: what a child looks at together stands together."""
        return np.ascontiguousarray(self.thresholds.transpose(0, 2, 3, 1))

    @cached_property
    def cells(self) -> NDArray[np.int8]:
        """The last cell of a quiet year's draws that can matter, int8[Y, E, G, B]."""
        return cells_of(reachable(self.thresholds))

    @cached_property
    def changes(self) -> NDArray[np.int64]:
        """What an event of each edge changes in the number of children in each state, int64[E, S]."""
        tables = self.journey.tables
        out = np.zeros((tables.n_edges, tables.n_states), np.int64)
        edges = np.arange(tables.n_edges)
        np.add.at(out, (edges, tables.target), 1)
        np.subtract.at(out, (edges, tables.source), 1)
        return out

    @cached_property
    def chances(self) -> Chances:
        """What decides in runs without a system."""
        none = np.zeros((0, 0), np.int64)
        return Chances(
            self.by_group, self.cells, None, np.zeros((0, 0, 0, 0)), none, none,
            none.astype(np.float64), none.astype(np.uint64),
        )  # fmt: skip

    @property
    def families(self) -> FamilyLife | None:
        """What families do, if anything."""
        return None if self.parameters is None else self.parameters.families

    @cached_property
    def family_tables(self) -> FamilyTables:
        """Family life as the loops read it; without families one that changes nothing."""
        return family_tables(self.families or FamilyLife(), self.journey)

    def chances_within(self, limits: NDArray[np.int64]) -> Chances:
        """Return what decides where the factors of a system have these limits, int64[T, H]; all of its factors are 1.

        What families make of the chances is in it.
        """
        key = limits.tobytes()
        if key not in self._within:
            self._within[key] = self.chances_under(limits, self.family_tables.context)
        return self._within[key]

    def chances_under(self, limits: NDArray[np.int64], context: NDArray[np.int64]) -> Chances:
        """Return the same with these contexts, int64[C, E], in 1/1024.

        A child may come into any context and meet any factor without being looked at again.
        """
        if self.parameters is None:
            raise CareError("Thresholds alone cannot be put under factors", remedy="Give the parameters too")
        limit = limits[self.journey.tables.transition] / UNIT * (context.max(axis=0) / UNIT)[:, None]
        strength = strengths(self.parameters, self.journey)
        most = largest_thresholds(self.thresholds, strength, limit, self.journey)
        factor = np.full((self.journey.tables.n_edges, N_HISTORIES), UNIT, np.int64)
        cells = cells_of(reachable(most + np.where(most > 0, np.uint64(SPARE), np.uint64(0))))
        return Chances(
            self.by_group, cells, True, strength, factor, context, np.ascontiguousarray(limit),
            np.zeros((0, 0), np.uint64),
        )  # fmt: skip

    @cached_property
    def _within(self) -> dict[bytes, Chances]:
        return {}


def prepare(parameters: Parameters, journey: Journey, places: Supply | None = None) -> Prepared:
    """Return what runs share; with `places`, homes are limited."""
    return Prepared(journey, edges_of(journey), parameters.thresholds(journey), parameters, places)


def reachable(thresholds: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the largest threshold of a band of time within a year: a child may come into the next age band."""
    out = thresholds.copy()
    older = N_RISKS * N_HISTORIES
    np.maximum(thresholds[:, :, : UNACCOMPANIED_GROUP - older], thresholds[:, :, older:UNACCOMPANIED_GROUP],
               out=out[:, :, : UNACCOMPANIED_GROUP - older])  # fmt: skip
    np.maximum(thresholds[:, :, -2], thresholds[:, :, -1], out=out[:, :, -2])
    return out
