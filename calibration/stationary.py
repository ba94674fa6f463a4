"""First rates: what a steady flow of children through the journey must look like to give the published averages.

A cohort is followed from birth to 18 under unchanging chances; scaled to the area's children by age it gives stocks and
flows a year. Each aim names a published figure and the factor that answers for it; factors are moved in proportion, all
at once and a little at a time, until the aims are met. So England gets its shape, and every area its own level.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from abm.cohorts import LifeCourse, life_course
from abm.meanfield import N_STRATA, UNACCOMPANIED_STRATUM, MeanField
from abm.outputs import CARE, CEASED
from abm.parameters import Parameters
from abm.pathway import AGE_EDGES_WEEKS, N_AGES, N_HISTORIES, WEEKS_PER_YEAR, Journey
from calibration.rates import RateBook

Array = NDArray[np.float64]
BAND_OF_AGE = np.searchsorted(AGE_EDGES_WEEKS, np.arange(18) * WEEKS_PER_YEAR, side="right") - 1


@dataclass(frozen=True)
class Children:
    """Who there is: children by age, shares of risk classes, and unaccompanied arrivals a year by age."""

    ages: Array
    risk_shares: Array
    arrivals: float
    arrival_ages: Array


@dataclass(frozen=True)
class Steady:
    """Stocks and flows a year of a steady population; [18, S] and [18, E], with those who came alone apart."""

    journey: Journey
    field: MeanField
    course: LifeCourse
    stocks: Array
    flows: Array
    alone_stocks: Array
    alone_flows: Array
    thresholds: NDArray[np.uint64]
    children: Children

    def flow(self, *transitions: str, source: str = "", band: int | None = None) -> float:
        """Return events a year, of children born in the area; from one state, or in one age band."""
        edges = [self.journey.edge(t, source) for t in transitions] if source else self.journey.edges_of(*transitions)
        return float(self._ages(self.flows, band)[:, edges].sum())

    def all_flows(self, *transitions: str) -> float:
        """Return events a year, those of children who came alone too."""
        return float((self.flows + self.alone_flows)[:, self.journey.edges_of(*transitions)].sum())

    def stock(self, *states: str, band: int | None = None) -> float:
        """Return children in these states, without those who came alone."""
        return float(self._ages(self.stocks, band)[:, [self.journey.state_index[s] for s in states]].sum())

    def alone(self, *states: str) -> float:
        """Return unaccompanied children in these states."""
        return float(self.alone_stocks[:, [self.journey.state_index[s] for s in states]].sum())

    @staticmethod
    def _ages(counts: Array, band: int | None) -> Array:
        return counts if band is None else counts[band == BAND_OF_AGE]

    def ever_referred(self) -> float:
        """Return the share of children referred at least once before 18."""
        k = self.field.grid.n_pieces
        born = self.course.last[: UNACCOMPANIED_STRATUM * k]
        never = born.reshape(-1, N_HISTORIES, k)[:, 0].sum()
        return float(1 - never / born.sum())

    @cached_property
    def back_within_a_year(self) -> float:
        """Return referrals of children closed less than a year before, as a share of closures."""
        journey, field, grid = self.journey, self.field, self.field.grid
        tables, home = journey.tables, journey.state_index["at_home"]
        edge = journey.edge("was_referred", "at_home")
        chance = np.stack([field.matrices(self.thresholds, a)[1][[edge]].toarray()[0] for a in range(N_AGES)])
        state, start = np.tile(grid.state, N_STRATA), np.tile(grid.start, N_STRATA)
        known = np.arange(grid.n_cells) // grid.n_pieces % N_HISTORIES > 0
        recent = (state == home) & known & (start < WEEKS_PER_YEAR)
        again = (self.course.cells * chance[BAND_OF_AGE] * self.children.ages[:, None] * WEEKS_PER_YEAR)[
            :, recent
        ].sum()
        closing = [
            e for e in range(tables.n_edges) if tables.target[e] == home and (tables.weekly[e] or tables.outcome[e])
        ]
        return float(again / self.flows[:, closing].sum())

    @cached_property
    def ceased_by_time_in_care(self) -> Array:
        """Return float64[9]: children a year who leave care, by band of time in care; those who came alone too."""
        journey, field = self.journey, self.field
        care = [journey.state_index[s] for s in CARE if s != "placed_for_adoption"]
        exits = [e for e in journey.edges_of(*CEASED) if journey.tables.weekly[e]]
        chance = np.stack(
            [np.asarray(field.matrices(self.thresholds, a)[1][exits].sum(axis=0)).ravel() for a in range(N_AGES)]
        )
        alone = np.arange(field.grid.n_cells) >= UNACCOMPANIED_STRATUM * field.grid.n_pieces
        children = np.where(alone, WEEKS_PER_YEAR, self.children.ages[:, None])
        leaving = (self.course.cells * chance[BAND_OF_AGE] * children).sum(axis=0) * WEEKS_PER_YEAR
        leaving += self.course.last * np.where(alone, WEEKS_PER_YEAR, self.children.ages[-1])
        state, band = np.tile(field.grid.state, N_STRATA), np.tile(field.grid.band, N_STRATA)
        inside = np.isin(state, care)
        counted = np.bincount(band[inside], leaving[inside], minlength=journey.tables.max_bands)
        return np.asarray(counted, np.float64)


@dataclass(frozen=True)
class Aim:
    """A figure to meet and the factor of some edges that answers for it.

    target  the published value; `of` gives the same from a steady population
    power   how far the factor moves for a ratio of two (negative: more of it makes the figure smaller)
    pull    added to both sides, so that small counts move little (children or events a year)
    bounds  the least and the most that the factor may become
    """

    name: str
    target: float
    of: Callable[[Steady], float]
    edges: tuple[int, ...]
    factor: str = "level"
    key: int | slice | None = None
    power: float = 1.0
    pull: float = 0.0
    bounds: tuple[float, float] = (1e-5, 1e5)


def steady(journey: Journey, field: MeanField, book: RateBook, children: Children) -> Steady:
    """Return the steady stocks and flows under a book of rates."""
    thresholds = Parameters(book.rates(), np.ones((1, len(journey.transitions)))).thresholds(journey)[0]
    course = life_course(field, thresholds, children.risk_shares, children.arrivals, children.arrival_ages)
    (stocks, alone_stocks), (flows, alone_flows) = course.per_year(children.ages)
    return Steady(journey, field, course, stocks, flows, alone_stocks, alone_flows, thresholds, children)


def fit_steady(
    journey: Journey, field: MeanField, book: RateBook, children: Children, aims: list[Aim], rounds: int = 40
) -> tuple[RateBook, dict[str, tuple[float, float]]]:
    """Move the factors until the aims are met; return the book and each aim's (target, reached).

    Method: iterative proportional fitting, each factor by the ratio of target to model to the aim's power, at most
    a third a round. It stops early when every aim is within 0.2%.
    """
    reached: dict[str, tuple[float, float]] = {}
    for turn in range(rounds + 1):
        now = steady(journey, field, book, children)
        reached = {aim.name: (aim.target, aim.of(now)) for aim in aims}
        gaps = [abs(np.log((t + 1e-9) / (m + 1e-9))) for t, m in reached.values()]
        if turn == rounds or max(gaps, default=0.0) < 0.002:
            break
        for aim in aims:
            target, model = reached[aim.name]
            if target + aim.pull <= 0 or model + aim.pull <= 0:
                continue
            ratio = float(np.clip(((target + aim.pull) / (model + aim.pull)) ** aim.power, 0.75, 1.33))
            changed = getattr(book, aim.factor).copy()
            where = list(aim.edges) if aim.key is None else (list(aim.edges), aim.key)
            changed[where] = np.where(changed[where] > 0, np.clip(changed[where] * ratio, *aim.bounds), 0.0)
            book = replace(book, **{aim.factor: changed})
    return book, reached
