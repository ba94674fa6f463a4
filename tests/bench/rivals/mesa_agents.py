"""An idiomatic Mesa model: one agent per child, who steps every week; a data collector; events appended to a list.

Written as somebody who knows Mesa well would: chances are looked up in tables of plain Python, nothing is worked out
twice, one draw says whether anything happens, agents come when children are born and go when they leave. It works on
Mesa 3.3 and 3.5.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import partial
from typing import Any

import mesa
import numpy as np

from abm.pathway import WEEKS_PER_YEAR, WEEKS_TO_18
from abm.population import Population
from tests.bench.rivals.lookup import ALONE, Lookup, Told, codes

Row = tuple[float, list[float], list[int]]
"""The chance that anything happens, running shares, and edges."""


class Tables:
    """The lookup in plain Python lists, which are quicker to read one number at a time than arrays."""

    def __init__(self, lookup: Lookup) -> None:
        self.target, self.history = lookup.target.tolist(), lookup.history.tolist()
        self.clock, self.clock_at = lookup.clock.tolist(), lookup.clock_at.tolist()
        self.band, self.band_until = lookup.band.tolist(), lookup.band_until.tolist()
        self.birthday, self.departure = lookup.birthday.tolist(), lookup.departure.tolist()
        self.at_once, self.gone = lookup.at_once.tolist(), lookup.gone.tolist()
        self.age_band, self.group = lookup.age_band.tolist(), lookup.group.tolist()
        self.last_clock = lookup.n_clock - 1
        self.edges = lookup.edges.tolist()
        self.outcome_edges = lookup.outcome_edges.tolist()
        self.weekly = [self._rows(lookup, year) for year in range(lookup.n_years)]
        self.outcomes = lookup.outcomes.tolist()

    def _rows(self, lookup: Lookup, year: int) -> list[list[list[Row]]]:
        chances, shares = lookup.chance[year].tolist(), lookup.shares[year].tolist()
        return [
            [list(zip(*bands, [edges] * len(bands[0]), strict=True)) for bands in zip(chance, share, strict=True)]
            for chance, share, edges in zip(chances, shares, self.edges, strict=True)
        ]


class Child(mesa.Agent):
    """A child who is in the area."""

    def __init__(self, model: Any, row: tuple[int, ...]) -> None:
        super().__init__(model)
        self.number, self.birth, self.leave, self.state, self.history, self.since, self.code = row

    def step(self) -> None:
        """Live through this week."""
        model = self.model
        tables, week, state = model.tables, model.week, self.state
        age = week - self.birth
        if age >= WEEKS_TO_18:
            self.follow(tables.birthday[state])
            return
        if week == self.leave and tables.departure[state] >= 0:
            self.follow(tables.departure[state])
            return
        group = tables.group[self.code][tables.age_band[age]]
        clock = week - self.since - 1
        chance, shares, edges = model.rows[state][group][tables.band[state][min(clock, tables.last_clock)]]
        if model.random.random() < chance:
            self.follow(edges[bisect_right(shares, model.random.random())])

    def follow(self, edge: int) -> None:
        """Take an edge, and what follows at once."""
        model = self.model
        tables, week, history, step = model.tables, model.week, self.history, 0
        group = tables.group[self.code][tables.age_band[min(week - self.birth, WEEKS_TO_18)]]
        while True:
            model.events.append((self.number, week, step, edge))
            state, target = self.state, tables.target[edge]
            model.stocks[state] -= 1
            model.stocks[target] += 1
            history = max(history, tables.history[edge])
            if tables.clock[target] != tables.clock[state]:
                self.since = week - tables.clock_at[edge]
            self.state = target
            if not tables.at_once[target]:
                break
            shares = model.outcomes[target][group]
            edge = tables.outcome_edges[target][bisect_right(shares, model.random.random())]
            step += 1
        if self.code != ALONE:
            self.code += history - self.history
        self.history = history
        if tables.gone[self.state]:
            self.remove()


class MesaAgents(mesa.Model):
    """All children of an area, a week a step."""

    def __init__(self, lookup: Lookup, population: Population, n_weeks: int, seed: int) -> None:
        super().__init__(rng=seed)
        self.tables, self.n_weeks, self.week = Tables(lookup), n_weeks, 0
        self.events: list[tuple[int, int, int, int]] = []
        self.stocks = np.bincount(population.state, minlength=lookup.n_states).tolist()
        self.coming: list[list[tuple[tuple[int, ...], int]]] = [[] for _ in range(n_weeks)]
        columns = (
            population.child, population.birth_week, population.leave_week, population.state, population.history,
            population.since_week, codes(population),
        )  # fmt: skip
        rows = zip(*(column.tolist() for column in columns), strict=True)
        entries = zip(population.enter_edge.tolist(), population.enter_week.tolist(), strict=True)
        for row, (edge, week) in zip(rows, entries, strict=True):
            if edge < 0:
                Child(self, row)
            else:
                self.coming[week].append((row, edge))
        reporters = {f"state {s}": partial(stock_of, state=s) for s in range(lookup.n_states)}
        self.datacollector = mesa.DataCollector(model_reporters=reporters)

    def step(self) -> None:
        """Let every child live through a week, and those of this week come."""
        year = min(self.week // WEEKS_PER_YEAR, len(self.tables.weekly) - 1)
        self.rows, self.outcomes = self.tables.weekly[year], self.tables.outcomes[year]
        self.agents.shuffle_do("step")
        for row, edge in self.coming[self.week]:
            Child(self, row).follow(edge)
        self.datacollector.collect(self)
        self.week += 1

    def run(self) -> Told:
        """Simulate all weeks."""
        for _ in range(self.n_weeks):
            self.step()
        return told(self)


def stock_of(model: Any, state: int) -> int:
    """Return the children in a state."""
    return int(model.stocks[state])


def told(model: Any) -> Told:
    """Return what a Mesa model collected."""
    rows = np.array(model.events, np.int64).reshape(-1, 4)
    return Told(*rows.T, model.datacollector.get_model_vars_dataframe().to_numpy())
