"""Classic system dynamics: one stock for each state, one rate for each flow, no ages, no waiting times, no history.

Its rates are the mean rates of a trajectory of the banded mean field (so it is derived from the same tables as the
simulation); its yearly factors are fitted by itself (calibration/system.py). Turning 18 is a rate like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.meanfield import competing
from abm.pathway import WEEKS_PER_YEAR, Journey
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
    """

    rate: Array
    share: Array
    inflow: Array
    start: Array
    alone: Array


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


def run_classic(journey: Journey, rates: ClassicRates, multipliers: Array, n_weeks: int) -> tuple[Array, Array]:
    """Advance the stocks week by week; return (stocks [weeks, S], flows [weeks, E]).

    multipliers  float64[years, T]  on rates and shares, the last year holding beyond
    """
    tables = journey.tables
    stock = rates.start.copy()
    stocks, flows = np.zeros((n_weeks, tables.n_states)), np.zeros((n_weeks, tables.n_edges))
    entries = set(_entries(journey))
    stays = [s for s in range(tables.n_states) if not tables.at_once[s]]
    order = _at_once_order(journey)
    for week in range(n_weeks):
        year = week // WEEKS_PER_YEAR
        if week % WEEKS_PER_YEAR == 0:
            factor = multipliers[min(year, len(multipliers) - 1), tables.transition]
            chance, share, alone = _chances(journey, rates, factor, stays, entries)
        flow = chance * stock[tables.source]
        entering = rates.inflow[min(year, len(rates.inflow) - 1)] / WEEKS_PER_YEAR
        flow += entering
        for s in order:
            edges = slice(int(tables.first[s]), int(tables.first[s + 1]))
            into = np.flatnonzero(tables.target == s)
            by_diary = entering[into].sum()
            flow[edges] += share[edges] * (flow[into].sum() - by_diary) + alone[edges] * by_diary
        change = np.bincount(tables.target, flow, tables.n_states) - np.bincount(tables.source, flow, tables.n_states)
        stock = np.where(tables.at_once, 0.0, stock + change)
        stocks[week], flows[week] = stock, flow
    return stocks, flows


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
