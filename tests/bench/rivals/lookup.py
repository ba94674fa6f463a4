"""What every rival is given: children, and the declared chances as tables to look things up in.

A week of a child's life, as decisions 0001, 0002 and 0004 have it: entry, the 18th birthday and a planned move come
first; else one of the transitions that are open may be taken; what it leads to may have outcomes that follow at once.
Several transitions may fire in the same week, each with its own chance, and one of them is taken. A rival draws once
whether anything happens, and once which: the same distribution with fewer draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from abm.meanfield import competing
from abm.parameters import CERTAIN, Parameters
from abm.pathway import AGE_EDGES_WEEKS, N_AGES, N_HISTORIES, N_RISKS, UNACCOMPANIED_GROUP, WEEKS_TO_18, Journey
from abm.population import Population

FAR = 1 << 30


@dataclass(frozen=True)
class Lookup:
    """The journey as tables: Y years, S states, G groups, B bands of time, C weeks of clock, K edges of a state.

    chance        float64[Y, S, G, B]     that any weekly transition is taken
    shares        float64[Y, S, G, B, K]  running shares of the weekly edges among them, the last one 1
    edges         int16[S, K]             those edges, padded with the last one
    at_once       bool[S]                 states that are left in the week they are entered
    outcomes      float64[Y, S, G, K]     running shares of the outcomes of such a state
    outcome_edges int16[S, K]
    birthday, departure  int16[S]         the edge of the 18th birthday and of a planned move, -1 for none
    source, target, history, clock_at  int64[E]  as in Tables
    clock         int64[S]                states with equal numbers share a clock
    band          int64[S, C]             band by completed weeks on the clock
    band_until    int64[S, C]             weeks on the clock at which the next band begins
    gone          bool[S]                 states of the stage "left"
    age_band      int64[A]                by age in weeks, up to 18
    group         int64[13, 5]            group by code (risk and history, or came alone; see `codes`) and age band
    """

    chance: NDArray[np.float64]
    shares: NDArray[np.float64]
    edges: NDArray[np.int16]
    at_once: NDArray[np.bool_]
    outcomes: NDArray[np.float64]
    outcome_edges: NDArray[np.int16]
    birthday: NDArray[np.int16]
    departure: NDArray[np.int16]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    history: NDArray[np.int64]
    clock_at: NDArray[np.int64]
    clock: NDArray[np.int64]
    band: NDArray[np.int64]
    band_until: NDArray[np.int64]
    gone: NDArray[np.bool_]
    age_band: NDArray[np.int64]
    group: NDArray[np.int64]

    @property
    def n_years(self) -> int:
        return int(self.chance.shape[0])

    @property
    def n_states(self) -> int:
        return int(self.chance.shape[1])

    @property
    def n_clock(self) -> int:
        return int(self.band.shape[1])


def make_lookup(journey: Journey, parameters: Parameters) -> Lookup:
    """Return the tables of a journey with its chances."""
    tables = journey.tables
    chances = parameters.thresholds(journey) / CERTAIN
    years, _, groups, bands = chances.shape
    widest = int(max(np.bincount(tables.source[which]).max(initial=1) for which in (tables.weekly, tables.outcome)))
    shape = (tables.n_states, widest)
    chance = np.zeros((years, tables.n_states, groups, bands))
    shares = np.ones((*chance.shape, widest))
    outcomes = np.ones((years, tables.n_states, groups, widest))
    edges, outcome_edges = np.zeros(shape, np.int16), np.zeros(shape, np.int16)
    for s in range(tables.n_states):
        mine = np.arange(tables.first[s], tables.first[s + 1])
        weekly, after = mine[tables.weekly[mine]], mine[tables.outcome[mine]]
        if weekly.size:
            taken = competing(np.moveaxis(chances[:, weekly], 1, 0))
            chance[:, s] = 1 - np.prod(1 - chances[:, weekly], axis=1)
            shares[:, s, :, :, : weekly.size] = np.moveaxis(_running(taken), 0, -1)
            edges[s] = np.pad(weekly, (0, widest - weekly.size), mode="edge")
        if after.size:
            fires = np.moveaxis(chances[..., 0][:, after], 1, 0)
            none_before = np.cumprod(np.concatenate([np.ones_like(fires[:1]), 1 - fires[:-1]]), axis=0)
            outcomes[:, s, :, : after.size] = np.moveaxis(_running(fires * none_before), 0, -1)
            outcome_edges[s] = np.pad(after, (0, widest - after.size), mode="edge")
    departure = np.full(tables.n_states, -1, np.int16)
    for e in journey.edges_of("moved_away") if "moved_away" in journey.transition_index else ():
        departure[tables.source[e]] = e
    band = tables.band.astype(np.int64)
    until = np.full(band.shape, FAR)
    for k in range(band.shape[1] - 2, -1, -1):
        until[:, k] = np.where(band[:, k + 1] != band[:, k], k + 1, until[:, k + 1])
    return Lookup(
        chance, shares, edges, tables.at_once, outcomes, outcome_edges, tables.birthday, departure,
        *(getattr(tables, name).astype(np.int64) for name in ("source", "target", "history", "clock_at", "clock")),
        band, until, np.array([state.stage == "left" for state in journey.states]),
        np.minimum(np.searchsorted(AGE_EDGES_WEEKS, np.arange(WEEKS_TO_18 + 1), side="right") - 1, N_AGES - 1),
        _groups(),
    )  # fmt: skip


def _groups() -> NDArray[np.int64]:
    age = np.arange(N_AGES)
    known = age * N_RISKS * N_HISTORIES + np.arange(ALONE)[:, None]
    return np.vstack([known, UNACCOMPANIED_GROUP + (age == N_AGES - 1)])


def _running(chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return running shares along the first axis; those of the last with any chance, and after it, are exactly 1."""
    total = np.cumsum(chance, axis=0)
    with np.errstate(invalid="ignore"):
        share = np.where(total[-1] > 0, total / total[-1], 1.0)
    return np.where(total >= total[-1], 1.0, share)


ALONE = N_RISKS * N_HISTORIES
"""The code of children who came alone; that of others is risk and history, see `codes`."""


def codes(population: Population) -> NDArray[np.int64]:
    """Return int64[N]: with the age band, the code on entry says the group; of those who did not come alone it is
    risk x 3 + history, so that a longer history is added to it."""
    known = population.risk.astype(np.int64) * N_HISTORIES + population.history
    return np.where(population.uasc, ALONE, known)


class Told(NamedTuple):
    """What a rival tells: its log, by week at least, and int64[weeks, S] children in each state after each week."""

    child: NDArray[Any]
    week: NDArray[Any]
    step: NDArray[Any]
    edge: NDArray[Any]
    stocks: NDArray[np.int64]


class Rival(Protocol):
    """An engine with children in it: made once, run once."""

    def run(self) -> Told:
        """Simulate all weeks."""


# Faults to plant, so that the comparison can be seen to fail --------------------------------------------------------


def without_bands(lookup: Lookup) -> Lookup:
    """Return tables in which time already spent does not matter: each state has the chances of its first band."""
    first = np.zeros(1, np.int64)
    return replace(lookup, chance=_spread(lookup.chance, first, 3), shares=_spread(lookup.shares, first, 3))


def without_years(lookup: Lookup) -> Lookup:
    """Return tables in which every year has the chances of the first."""
    first = np.zeros(1, np.int64)
    return replace(
        lookup, chance=_spread(lookup.chance, first, 0), shares=_spread(lookup.shares, first, 0),
        outcomes=_spread(lookup.outcomes, first, 0),
    )  # fmt: skip


def without_histories(lookup: Lookup) -> Lookup:
    """Return tables in which nobody's past matters: each group has the chances of those without a history."""
    group = np.arange(lookup.chance.shape[2])
    plain = np.where(group < UNACCOMPANIED_GROUP, group - group % N_HISTORIES, group)
    chance, shares, outcomes = (np.take(a, plain, axis=2) for a in (lookup.chance, lookup.shares, lookup.outcomes))
    return replace(lookup, chance=chance, shares=shares, outcomes=outcomes)


def with_separate_clocks(lookup: Lookup) -> Lookup:
    """Return tables in which a move to another home begins the time in care anew."""
    return replace(lookup, clock=np.arange(lookup.n_states))


FAULTS = {
    "ignores bands of time": without_bands,
    "ignores the year": without_years,
    "ignores the child's history": without_histories,
    "begins the time in care anew at each move": with_separate_clocks,
}


def _spread(array: NDArray[np.float64], which: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
    return np.broadcast_to(np.take(array, which, axis=axis), array.shape)
