"""System dynamics with more stocks: ages as a chain, and stays as chains or mixtures of stages.

One stock for each age band, state and stage. With one age and one stage for each state it is classic system dynamics
(`abm.classic`), to the last digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from abm.factors import UNIT, System, checked_factors
from abm.meanfield import competing
from abm.pathway import AGE_EDGES_WEEKS, WEEKS_PER_YEAR, Journey

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Stages:
    """How a stay in some states is divided into stages; moves between these states keep the stage.

    entry    share of those who enter that begin in each stage
    leaving  by stage, the hazard of leaving these states (by chance, before 18), relative to the mean
    onward   by stage, the hazard of going on to the next, relative to the mean hazard of leaving
    first    share of those there on day one in each stage
    words    what they are, for a reader
    """

    states: tuple[str, ...]
    entry: tuple[float, ...]
    leaving: tuple[float, ...]
    onward: tuple[float, ...]
    first: tuple[float, ...]
    words: str


@dataclass(frozen=True)
class Stocks:
    """What a system with ages and stages knows.

    rate      float64[A, E]         per year, of every edge out of a state where children stay
    share     float64[A, E]         of those who enter a state that is left at once
    inflow    float64[years, A, E]  children a year who enter by the diary
    start     float64[A, S]         on day one
    dated     bool[E]               birthdays and moves away, which no stage changes
    stages    how some stays are divided
    history   float64[E, 3]         shares by history of those who flow, which a system asks for
    """

    rate: Array
    share: Array
    inflow: Array
    start: Array
    dated: NDArray[np.bool_]
    stages: tuple[Stages, ...] = ()
    history: Array = field(default_factory=lambda: np.zeros((0, 3)))


def erlang(states: Sequence[str], n: int, name: str) -> Stages:
    """Return a chain of n equal stages: everybody passes all of them, and leaves from the last."""
    return Stages(
        tuple(states), (1.0, *[0.0] * (n - 1)), (*[0.0] * (n - 1), float(n)), (*[float(n)] * (n - 1), 0.0),
        (1 / n,) * n, f"{name}: a chain of {n} stages",
    )  # fmt: skip


def two_kinds(states: Sequence[str], cv2: float, name: str) -> Stages:
    """Return a mixture of short and long stays (hyper-exponential, balanced means) with this variance over mean^2."""
    p = float(1 + np.sqrt((cv2 - 1) / (cv2 + 1))) / 2
    words = f"{name}: {100 * p:.0f}% short and {100 * (1 - p):.0f}% long stays"
    return Stages(tuple(states), (p, 1 - p), (2 * p, 2 * (1 - p)), (0.0, 0.0), (0.5, 0.5), words)


def run_compartments(
    journey: Journey, stocks: Stocks, multipliers: Array, n_weeks: int, system: System | None = None
) -> tuple[Array, Array]:
    """Advance the stocks week by week; return (stocks [weeks, S], flows [weeks, E]) over all ages and stages.

    multipliers  float64[years, T]  on rates and shares, the last year holding beyond
    system       what answers to the stocks and flows of every week; it serves one run
    """
    tables = journey.tables
    laid = _Layout(journey, stocks)
    x = stocks.start[:, :, None] * laid.first
    n_ages = len(x)
    out_stocks, out_flows = np.zeros((n_weeks, tables.n_states)), np.zeros((n_weeks, tables.n_edges))
    ageing = _ageing(n_ages)
    for week in range(n_weeks):
        year = week // WEEKS_PER_YEAR
        given = np.ones(tables.n_edges)
        if system is not None:
            before = out_flows[week - 1] if week else np.zeros(tables.n_edges)
            answer = system.factors(week, x.sum(axis=(0, 2)), before)
            checked_factors(answer, system.limits, journey, week)
            by_history = answer[tables.transition] / UNIT
            given = np.where(laid.by_chance, 1 + ((by_history - 1) * stocks.history).sum(axis=1), 1.0)
        if system is not None or week % WEEKS_PER_YEAR == 0:
            factor = multipliers[min(year, len(multipliers) - 1), tables.transition] * given
            chance, onward, share = laid.chances(stocks, factor)
        flow = chance * x[:, tables.source].transpose(0, 2, 1)
        entering = stocks.inflow[min(year, len(stocks.inflow) - 1)] / WEEKS_PER_YEAR
        x = x - laid.by_source(flow)
        moving = x * onward
        x = x - moving
        x[:, :, 1:] += moving[:, :, :-1]
        x = x + laid.by_target(flow * laid.keeps)
        passed = (flow * ~laid.keeps).sum(axis=1) + entering
        for s in laid.order:
            edges = slice(int(tables.first[s]), int(tables.first[s + 1]))
            passed[:, edges] += share[:, edges] * passed[:, tables.target == s].sum(axis=1, keepdims=True)
        landed = laid.by_target(passed[:, None])[:, :, :1] * laid.entry
        x = x + landed * ~tables.at_once[:, None]
        x[:-1] -= (going := x[:-1] * ageing[:, None, None])
        x[1:] += going
        out_flows[week] = (passed + (flow * laid.keeps).sum(axis=1)).sum(axis=0)
        x[:, laid.ends] = 0.0
        out_stocks[week] = x.sum(axis=(0, 2))
    net = np.stack([out_flows[:, tables.target == s].sum(axis=1) for s in range(tables.n_states)], axis=1)
    net -= np.stack([out_flows[:, tables.source == s].sum(axis=1) for s in range(tables.n_states)], axis=1)
    # States never left hold those who came since the start.
    out_stocks[:, laid.ends] = np.cumsum(net, axis=0)[:, laid.ends]
    return out_stocks, out_flows


def _ageing(n_ages: int) -> Array:
    """Return the weekly chance of growing out of each age band but the last."""
    if n_ages == 1:
        return np.zeros(0)
    return 1.0 / np.diff(AGE_EDGES_WEEKS)[: n_ages - 1]


class _Layout:
    """Where edges and stages stand in the arrays of a system."""

    def __init__(self, journey: Journey, stocks: Stocks) -> None:
        tables = journey.tables
        self.tables = tables
        n = max([1, *(len(s.entry) for s in stocks.stages)])
        self.entry, self.first = np.zeros((tables.n_states, n)), np.zeros((tables.n_states, n))
        self.entry[:, 0] = self.first[:, 0] = 1.0
        self.leaving, self.onward = np.ones((n, tables.n_edges)), np.zeros((tables.n_states, n))
        self.keeps = np.zeros(tables.n_edges, bool)
        for stage in stocks.stages:
            states = [journey.state_index[s] for s in stage.states]
            here = np.isin(tables.source, states)
            inside = here & np.isin(tables.target, states)
            for s in states:
                self.entry[s, : len(stage.entry)] = stage.entry
                self.first[s, : len(stage.entry)] = stage.first
                self.onward[s, : len(stage.entry)] = stage.onward
            self.keeps |= inside
            for phase, relative in enumerate(stage.leaving):
                self.leaving[phase, here & ~inside & ~stocks.dated] = relative
        self.by_chance = tables.weekly | tables.outcome
        self.leaves = ~self.keeps & ~stocks.dated
        self.moving = ~tables.at_once[tables.source] & (stocks.rate > 0).any(axis=0)
        self.ends = ~np.isin(np.arange(tables.n_states), tables.source[self.moving]) & ~tables.at_once
        self.order = _outcomes_in_order(journey)
        self.out_of, self.into = (np.eye(tables.n_states)[ends] for ends in (tables.source, tables.target))
        self.place = np.arange(tables.n_edges) - tables.first[tables.source]
        self.most = int(np.diff(tables.first).max())

    def by_source(self, values: Array) -> Array:
        """Return [A, S, stages] of [A, stages, E]: sums over the edges out of a state."""
        return np.asarray((values @ self.out_of).transpose(0, 2, 1))

    def by_target(self, values: Array) -> Array:
        """Return the same over the edges into a state."""
        return np.asarray((values @ self.into).transpose(0, 2, 1))

    def chances(self, stocks: Stocks, factor: Array) -> tuple[Array, Array, Array]:
        """Return the weekly chances [A, stages, E] of edges, of going on [A, S, stages], and shares [A, E]."""
        tables = self.tables
        rate = np.where(self.moving, stocks.rate * factor, 0.0)
        fire = -np.expm1(-rate[:, None] * self.leaving / WEEKS_PER_YEAR)
        beside = np.zeros((self.most, *fire.shape[:2], tables.n_states))
        beside[self.place, :, :, tables.source] = fire.transpose(2, 0, 1)
        chance = competing(beside)[self.place, :, :, tables.source].transpose(1, 2, 0)
        mean = self.by_source((rate * self.leaves)[:, None])
        onward = -np.expm1(-mean * self.onward / WEEKS_PER_YEAR)
        weight = np.where(tables.outcome, stocks.share * factor, 0.0)
        whole = self.by_source(weight[:, None])[:, :, 0][:, tables.source]
        return chance, onward, weight / np.maximum(whole, 1e-300)


def _outcomes_in_order(journey: Journey) -> list[int]:
    """Return the states left at once, those that lead to others first."""
    tables = journey.tables
    waiting, order = [int(s) for s in np.flatnonzero(tables.at_once)], []
    while waiting:
        led_to = {int(t) for e, t in enumerate(tables.target) if int(tables.source[e]) in waiting}
        ready = [s for s in waiting if s not in led_to]
        order += ready
        waiting = [s for s in waiting if s not in ready]
    return order
