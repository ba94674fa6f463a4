"""An event-scheduled Mesa model: no child steps; each schedules the next thing that happens to it.

Mesa 3.5 schedules by `model.schedule_event`. Mesa 3.3 has the same as a trial (`mesa.experimental.devs`), and that is
used where the other is missing. One exponential draw is spent along the weeks ahead, piece by piece with unchanging
chances (between birthdays, years and bands of time), until it is used up: then something happens. This gives the same
weeks as a draw every week.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import partial
from math import inf, log1p
from typing import Any

import mesa
import numpy as np

from abm.pathway import AGE_EDGES_WEEKS, WEEKS_PER_YEAR, WEEKS_TO_18
from abm.population import Population
from tests.bench.rivals.lookup import Lookup, Told, codes
from tests.bench.rivals.mesa_agents import Child, Tables, stock_of, told

HAS_EVENTS = hasattr(mesa.Model, "schedule_event")


def how() -> str:
    """Return what schedules events, in words."""
    return "model.schedule_event" if HAS_EVENTS else "mesa.experimental.devs.ABMSimulator (this Mesa has no other)"


class PlannedChild(Child):
    """A child who waits for what comes next."""

    next_edge = -1

    def plan(self, week: int) -> None:
        """Find what happens to the child from `week` on, and schedule it."""
        model = self.model
        tables, state, birth, leave = model.tables, self.state, self.birth, self.leave
        budget = model.random.expovariate(1.0)
        bands, until, by_age = tables.band[state], tables.band_until[state], tables.group[self.code]
        leaves = tables.departure[state] >= 0 and leave >= week
        last = len(tables.weekly) - 1
        while week < model.n_weeks:
            age = week - birth
            if age >= WEEKS_TO_18:
                return self.schedule(week, tables.birthday[state])
            if leaves and week == leave:
                return self.schedule(week, tables.departure[state])
            year = min(week // WEEKS_PER_YEAR, last)
            age_band = tables.age_band[age]
            clock = min(week - self.since - 1, tables.last_clock)
            end = min(birth + AGE_EDGES_WEEKS[age_band + 1], self.since + 1 + until[clock], model.n_weeks)
            if year < last:
                end = min(end, (year + 1) * WEEKS_PER_YEAR)
            if leaves:
                end = min(end, leave)
            group, band = by_age[age_band], bands[clock]
            hazard = model.hazards[year][state][group][band]
            spent = hazard * (end - week)
            if budget < spent:
                _, shares, edges = tables.weekly[year][state][group][band]
                edge = edges[bisect_right(shares, model.random.random())]
                return self.schedule(min(week + int(budget / hazard), end - 1), edge)
            budget -= spent
            week = end

    def schedule(self, week: int, edge: int) -> None:
        """Let an edge be taken in a week."""
        self.next_edge = edge
        self.model.at(week, self.happen)

    def happen(self) -> None:
        """Take the edge that was planned, and plan again."""
        self.follow(self.next_edge)
        if not self.model.tables.gone[self.state]:
            self.plan(self.model.week + 1)


class MesaEvents(mesa.Model):
    """All children of an area, by events; once a week the children in each state are counted."""

    def __init__(self, lookup: Lookup, population: Population, n_weeks: int, seed: int) -> None:
        super().__init__(rng=seed)
        self.tables, self.n_weeks, self.week = Tables(lookup), n_weeks, 0
        self.hazards = [
            [[[-log1p(-row[0]) if row[0] < 1 else inf for row in bands] for bands in groups] for groups in states]
            for states in self.tables.weekly
        ]
        self.outcomes = self.tables.outcomes[0]
        self.events: list[tuple[int, int, int, int]] = []
        self.stocks = np.bincount(population.state, minlength=lookup.n_states).tolist()
        reporters = {f"state {s}": partial(stock_of, state=s) for s in range(lookup.n_states)}
        self.datacollector = mesa.DataCollector(model_reporters=reporters)
        self.simulator: Any = None
        if not HAS_EVENTS:
            from mesa.experimental.devs import ABMSimulator

            self.simulator = ABMSimulator()
            self.simulator.setup(self)
        columns = (
            population.child, population.birth_week, population.leave_week, population.state, population.history,
            population.since_week, codes(population),
        )  # fmt: skip
        rows = zip(*(column.tolist() for column in columns), strict=True)
        self.coming: list[list[tuple[tuple[int, ...], int]]] = [[] for _ in range(n_weeks + 1)]
        entries = zip(population.enter_edge.tolist(), population.enter_week.tolist(), strict=True)
        self.there = []
        for row, (edge, week) in zip(rows, entries, strict=True):
            if edge < 0:
                self.there.append(PlannedChild(self, row))
            else:
                self.coming[week].append((row, edge))

    def at(self, week: int, function: Any) -> None:
        """Schedule something in a week."""
        if self.simulator is None:
            self.schedule_event(function, at=week)
        else:
            self.simulator.schedule_event_absolute(function, week)

    def step(self) -> None:
        """Count the children at the end of a week, before anything of the next, and let those of the next come."""
        self.datacollector.collect(self)
        self.week += 1
        self._come()

    def _come(self) -> None:
        year = min(self.week // WEEKS_PER_YEAR, len(self.tables.weekly) - 1)
        self.outcomes = self.tables.outcomes[year]
        for row, edge in self.coming[self.week]:
            child = PlannedChild(self, row)
            child.follow(edge)
            child.plan(self.week + 1)

    def run(self) -> Told:
        """Simulate all weeks."""
        self._come()
        for child in self.there:
            child.plan(0)
        del self.there
        (self.simulator or self).run_until(self.n_weeks)
        return told(self)
