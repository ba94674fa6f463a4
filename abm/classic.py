"""Classic system dynamics: one stock for each state, one rate for each flow, no ages, no waiting times, no history.

Its rates are the mean rates of a trajectory of the banded mean field (so it is derived from the same tables as the
simulation); its yearly factors are fitted by itself (calibration/system.py). Turning 18 is a rate like any other.

It can be given the system that a simulation is given (`abm.factors.System`): it is shown the stocks and flows of each
week, and its factors are taken as their mean over the histories of the children who flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError
from abm.factors import UNIT, System, checked_factors
from abm.meanfield import UNACCOMPANIED_STRATUM, MeanField, competing
from abm.pathway import AGE_EDGES_WEEKS, N_AGES, N_HISTORIES, WEEKS_PER_YEAR, Journey
from abm.trajectory import Trajectory

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ClassicRates:
    """What classic system dynamics knows.

    rate    float64[E]         per year, of every edge out of a state where children stay (birthdays and moves away too)
    share   float64[E]         of the children who enter a state that is left at once, those who take the edge (but for
                               those who come alone)
    inflow  float64[years, E]  children a year who enter by the diary: born, moved in, came alone
    start   float64[S]         stocks on day one
    alone   float64[E]         share of outcomes of those who came alone
    history float64[E, 3]      of those who take the edge, the shares by history; needed under a system alone
    """

    rate: Array
    share: Array
    inflow: Array
    start: Array
    alone: Array
    history: Array | None = None


def derive(journey: Journey, path: Trajectory, start: Array, n_years: int, alone: Array) -> ClassicRates:
    """Return the mean rates of a trajectory.

    start    float64[S]  stocks on day one
    n_years  whole years over which rates are averaged; inflows are given for every whole year of the trajectory
    alone    float64[E]  outcome shares of children who came alone
    """
    tables = journey.tables
    weeks = n_years * WEEKS_PER_YEAR
    before = np.vstack([start, path.stocks[: weeks - 1]]).sum(axis=0)
    flows = path.flows[:weeks].sum(axis=0)
    diary = _entries(journey)
    rate = np.zeros(tables.n_edges)
    share = np.zeros(tables.n_edges)
    for s in range(tables.n_states):
        edges = [e for e in range(tables.first[s], tables.first[s + 1]) if e not in diary]
        if tables.at_once[s]:
            by_diary = sum(flows[e] for e in diary if tables.target[e] == s)
            others = np.maximum(flows[edges] - alone[edges] * by_diary, 0.0)
            share[edges] = others / max(others.sum(), 1e-300)
        elif edges and before[s] > 0:
            chance = flows[edges] / before[s]
            # The hazards whose competing weekly chances are these: leave in proportion to the flows.
            leave = min(chance.sum(), 1 - 1e-12)
            if leave > 0:
                rate[edges] = -np.log1p(-leave) * WEEKS_PER_YEAR * chance / leave
    whole = path.flows.shape[0] // WEEKS_PER_YEAR
    yearly = path.flows[: whole * WEEKS_PER_YEAR].reshape(whole, WEEKS_PER_YEAR, tables.n_edges).sum(axis=1)
    inflow = np.where(np.isin(np.arange(tables.n_edges), diary), yearly, 0.0)
    return ClassicRates(rate, share, inflow, start, alone)


def _entries(journey: Journey) -> list[int]:
    names = [name for name in ("born", "moved_in", "came_alone") if name in journey.transition_index]
    return journey.edges_of(*names)


def history_shares(
    field: MeanField, thresholds: NDArray[np.uint64], mass: Sequence[Array], age_weeks: Sequence[NDArray[np.int64]]
) -> Array:
    """Return float64[E, 3]: of the children who take an edge, the shares by history, under one year's thresholds.

    thresholds  uint64[E, G, B]
    mass        of some days, float64[cells, columns]  children in the cells of the mean field
    age_weeks   of the same days, int64[columns]       ages

    Where nobody flows the histories have equal shares. Children who came alone count to the last history.
    """
    n_pieces, out = field.grid.n_pieces, np.zeros((field.journey.tables.n_edges, N_HISTORIES))
    stratum = np.arange(field.grid.n_cells) // n_pieces
    history = np.where(stratum == UNACCOMPANIED_STRATUM, N_HISTORIES - 1, stratum % N_HISTORIES)
    band = [np.searchsorted(AGE_EDGES_WEEKS, np.maximum(a, 0), side="right") - 1 for a in age_weeks]
    for age in range(N_AGES):
        children = np.sum([m[:, b == age].sum(axis=1) for m, b in zip(mass, band, strict=True)], axis=0)
        _, flow = field.matrices(thresholds, age)
        for h in range(N_HISTORIES):
            out[:, h] += flow @ np.where(history == h, children, 0.0)
    total = out.sum(axis=1, keepdims=True)
    shares: Array = np.where(total > 0, out / np.maximum(total, 1e-300), 1.0 / N_HISTORIES)
    return shares


def run_classic(
    journey: Journey, rates: ClassicRates, multipliers: Array, n_weeks: int, system: System | None = None
) -> tuple[Array, Array]:
    """Advance the stocks week by week; return (stocks [weeks, S], flows [weeks, E]).

    multipliers  float64[years, T]  on rates and shares, the last year holding beyond
    system       what answers to the stocks and flows of every week, from its beginning; it serves one run

    Errors
    ------
    CareError
        Under a system: for rates that do not know the histories of those who flow, or factors beyond their limits.
    """
    tables = journey.tables
    stock = rates.start.copy()
    stocks, flows = np.zeros((n_weeks, tables.n_states)), np.zeros((n_weeks, tables.n_edges))
    entries = set(_entries(journey))
    stays = [s for s in range(tables.n_states) if not tables.at_once[s]]
    passed = [
        (slice(int(tables.first[s]), int(tables.first[s + 1])), np.flatnonzero(tables.target == s))
        for s in _at_once_order(journey)
    ]
    if system is not None and rates.history is None:
        raise CareError(
            "Under a system the rates need the histories of those who flow", "classic", "Set them by `history_shares`"
        )
    for week in range(n_weeks):
        year = week // WEEKS_PER_YEAR
        if week % WEEKS_PER_YEAR == 0:
            factor = multipliers[min(year, len(multipliers) - 1), tables.transition]
            chance, share, alone = _chances(journey, rates, factor, stays, entries)
            plain = chance, share, alone
        if system is not None:
            before = flows[week - 1] if week else np.zeros(tables.n_edges)
            answer = system.factors(week, stock, before)
            checked_factors(answer, system.limits, journey, week)
            chance, share, alone = plain if (answer == UNIT).all() else _under(journey, rates, factor, answer)
        flow = chance * stock[tables.source]
        entering = rates.inflow[min(year, len(rates.inflow) - 1)] / WEEKS_PER_YEAR
        flow += entering
        for edges, into in passed:
            by_diary = entering[into].sum()
            flow[edges] += share[edges] * (flow[into].sum() - by_diary) + alone[edges] * by_diary
        change = np.bincount(tables.target, flow, tables.n_states) - np.bincount(tables.source, flow, tables.n_states)
        stock = np.where(tables.at_once, 0.0, stock + change)
        stocks[week], flows[week] = stock, flow
    return stocks, flows


def _under(
    journey: Journey, rates: ClassicRates, factor: Array, answer: NDArray[np.int64]
) -> tuple[Array, Array, Array]:
    """Return what `_chances` does, under the factors int64[T, 3] of a week: all states side by side, for speed."""
    assert rates.history is not None
    tables = journey.tables
    by_chance = tables.weekly | tables.outcome
    given = answer[tables.transition] / UNIT
    # Shares by history add up to 1 but for a rounding, so what is over 1 is averaged: no factor, no change.
    mean = np.where(by_chance, 1.0 + ((given - 1.0) * rates.history).sum(axis=1), 1.0)
    # Children who come alone have no history yet in the week in which they come.
    newcomer = np.where(by_chance, given[:, 0], 1.0)
    fire = -np.expm1(-rates.rate * factor * mean / WEEKS_PER_YEAR)
    n_most = int(np.diff(tables.first).max())
    place = np.arange(tables.n_edges) - tables.first[tables.source]
    beside = np.zeros((n_most, tables.n_states))
    beside[place, tables.source] = fire
    chance = competing(beside)[place, tables.source]
    out = []
    for base, by in ((rates.share, mean), (rates.alone, newcomer)):
        weight = np.where(tables.outcome, base * factor * by, 0.0)
        whole = np.bincount(tables.source, weight, tables.n_states)[tables.source]
        out.append(weight / np.maximum(whole, 1e-300))
    return np.where(tables.at_once[tables.source], 0.0, chance), out[0], out[1]


def _at_once_order(journey: Journey) -> list[int]:
    """States left at once, those that lead to others first."""
    tables = journey.tables
    waiting, order = list(np.flatnonzero(tables.at_once)), []
    while waiting:
        for s in waiting:
            if not any(tables.target[e] == s and tables.source[e] in waiting for e in range(tables.n_edges)):
                order.append(int(s))
                waiting.remove(s)
                break
    return order


def _chances(
    journey: Journey, rates: ClassicRates, factor: Array, stays: list[int], entries: set[int]
) -> tuple[Array, Array, Array]:
    """Weekly chances of every edge, and outcome shares, under the year's factors."""
    tables = journey.tables
    fire = -np.expm1(-rates.rate * factor / WEEKS_PER_YEAR)
    chance, share, alone = np.zeros(tables.n_edges), np.zeros(tables.n_edges), np.zeros(tables.n_edges)
    for s in range(tables.n_states):
        edges = [e for e in range(tables.first[s], tables.first[s + 1]) if e not in entries]
        if not edges:
            continue
        if s in stays:
            chance[edges] = competing(fire[edges])
        else:
            for out, base in ((share, rates.share), (alone, rates.alone)):
                weight = base[edges] * factor[edges]
                out[edges] = weight / max(weight.sum(), 1e-300)
    return chance, share, alone
