"""Children, or families, advanced by the compiled loops: their arrays, their log and their flows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError
from abm.events import Rows, new_rows
from abm.factors import MEMO
from abm.kernels import NEVER, Chances, Edges, People, advance_span
from abm.log_kernels import count_flows
from abm.population import Population


class Course:
    """Some who live through a journey, from week 0 on; their luck is keyed by the two halves of a key."""

    def __init__(self, people: People, edges: Edges, n_weeks: int, halves: tuple[int, int], n_rows: int) -> None:
        self.people, self._turn = people, np.empty(people.child.size, np.int32)
        self.edges, self.n_weeks, self.week = edges, n_weeks, 0
        self.flows = np.zeros((n_weeks, edges.target.size), np.int64)
        self._halves = np.uint64(halves[0]), np.uint64(halves[1])
        self._rows, self._n_rows = new_rows(n_rows), 0
        self._memo = np.zeros((2, 0), np.uint64)

    def run_loops(
        self, stop: int, chances: Chances, keep: bool, nothing_follows: Callable[[int, int, int], CareError]
    ) -> None:
        """Advance everybody to before week `stop`; events go to the log if it is kept, or else into the flows."""
        begin, n = 0, self.people.child.size
        if chances.factored:
            if not self._memo.size:
                self._memo = np.zeros((2, MEMO), np.uint64)
            chances = chances._replace(memo=self._memo)
        while begin < n:
            begin, self._n_rows, state, group = advance_span(
                self.week, stop, begin, *self._halves, self.edges, chances, self.people, self._turn, self._rows,
                self._n_rows, keep, self.flows,
            )  # fmt: skip
            if state >= 0:
                raise nothing_follows(state, group, begin)
            if begin < n:
                self._grow()

    def count(self, begin: int) -> None:
        """Count the log from row `begin` on into the flows."""
        count_flows(self._rows, begin, self._n_rows, self.flows)

    def record(self, who: int, step: int, edge: int, threshold: int, draw: int, context: int) -> None:
        """Add one event of this week to the log and the flows: for engines of plain Python."""
        if self._n_rows == self._rows.child.size:
            self._grow()
        rows, at = self._rows, self._n_rows
        rows.child[at], rows.week[at], rows.step[at], rows.edge[at] = who, self.week, step, edge
        rows.threshold[at], rows.draw[at], rows.context[at] = threshold, draw, context
        self._n_rows += 1
        self.flows[self.week, edge] += 1

    def put_log(self, rows: Rows) -> None:
        """Begin the log with these rows."""
        n = rows.child.size
        self._n_rows = 0
        self.make_room(n)
        for name in Rows._fields:
            getattr(self._rows, name)[:n] = getattr(rows, name)
        self._n_rows = n

    def make_room(self, n: int) -> None:
        """Make room for n rows more in the log."""
        while self._rows.child.size < self._n_rows + n:
            self._grow()

    def _grow(self) -> None:
        larger = new_rows(2 * max(self._rows.child.size, 1))
        for column in Rows._fields:
            getattr(larger, column)[: self._n_rows] = getattr(self._rows, column)[: self._n_rows]
        self._rows = larger


def people_of(population: Population) -> People:
    """Return the children as the loops read them; state, history and since are copies."""
    due = np.where(population.enter_edge < 0, 0, np.minimum(population.enter_week, NEVER)).astype(np.int16)
    return People(
        population.child, population.birth_week, population.risk, population.uasc, population.enter_week,
        population.enter_edge, population.leave_week, population.state.copy(), population.history.copy(),
        population.since_week.copy(), due, np.zeros(len(population), np.uint8),
    )  # fmt: skip


def standing(children: NDArray[np.int32], state: NDArray[np.uint8]) -> People:
    """Return people who are there from week 0 to the end, whatever their age: families, which grow no older."""
    n = children.size
    none = np.zeros(n, np.uint8)
    return People(
        children, np.full(n, -(1 << 20), np.int32), none, np.zeros(n, np.bool_), np.zeros(n, np.int32),
        np.full(n, -1, np.int16), np.full(n, 1 << 30, np.int32), state, none.copy(), np.full(n, -1, np.int32),
        np.zeros(n, np.int16), none.copy(),
    )  # fmt: skip
