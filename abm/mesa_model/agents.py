"""Children and families as agents: light views of the model's rows, and a child's own step in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from mesa.agent import Agent

from abm.draws import week_word, word
from abm.errors import CareError
from abm.events import Rows, take
from abm.factors import UNIT, kernel_under, outcome_under
from abm.parameters import CERTAIN
from abm.pathway import AGE_EDGES_WEEKS, WEEKS_PER_YEAR, WEEKS_TO_18, group_of, unaccompanied_group
from abm.quiet import cell_of, small_draws
from abm.simulate import Engine

if TYPE_CHECKING:
    from abm.mesa_model.model import CareModel


class AgentEngine(Engine):
    """A run whose events are told by the agents, one at a time and in any order within a week."""

    def record(self, child: int, step: int, edge: int, threshold: int, draw: int) -> None:
        """Add one event of this week to the log and the flows."""
        if self._n_rows == self._rows.child.size:
            self._grow()
        rows, at = self._rows, self._n_rows
        rows.child[at], rows.week[at], rows.step[at] = child, self.week, step
        rows.edge[at], rows.threshold[at], rows.draw[at] = edge, threshold, draw
        self._n_rows += 1
        self.flows[self.week, edge] += 1

    def begin_week(self) -> None:
        """Ask the system, where there is one, for the factors of this week; once, before anybody moves."""
        if self.system is not None and self._asked != self.week:
            self._asked, self._now = self.week, self._chances_now(self.system)

    def thresholds_now(self, edges: list[int], group: int, band: int, history: int) -> list[int]:
        """Return this week's thresholds of all weekly edges, or of all outcomes, of a state."""
        by_year = self.prepared.thresholds
        year = min(self.week // WEEKS_PER_YEAR, len(by_year) - 1)
        plain = [int(by_year[year, edge, group, band]) for edge in edges]
        self.begin_week()
        if self.system is None or not edges or not self._now.factored:
            return plain
        factors = self._now.factor[edges, history]
        strengths = self._now.strength[year, group, band, edges]
        if not self.prepared.journey.tables.outcome[edges[0]]:
            pairs = zip(plain, strengths, factors, strict=True)
            return [now if f == UNIT else int(kernel_under(float(s), int(f))) for now, s, f in pairs]
        return plain if (factors == UNIT).all() else outcome_under(strengths, factors)

    _asked = -1

    def rows(self) -> Rows:
        """Return the log so far in its canonical order: week, child, step."""
        rows = take(self._rows, slice(self._n_rows))
        return take(rows, np.lexsort((rows.step, rows.child, rows.week)))


class View(Agent):
    """An agent that is a view of a row: made when asked for, equal to any other view of the same row."""

    model: CareModel
    row: int

    def __init__(self, model: CareModel, row: int) -> None:
        # Not registered with Mesa, which would keep an object for every child.
        self.__dict__.update(model=model, row=int(row), unique_id=int(row), pos=None)

    def __eq__(self, other: object) -> bool:
        """Tell whether both are views of the same row of the same model."""
        if not isinstance(other, View) or type(other) is not type(self):
            return False
        return other.model is self.model and other.row == self.row

    def __hash__(self) -> int:
        """Return a hash by kind and row."""
        return hash((type(self), self.row))

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: what is set on a view would be lost with it."""
        raise CareError(
            f"'{name}' of an agent cannot be set: agents are views of the model's arrays",
            remedy="Keep numbers of your own in a dict by `unique_id`",
        )

    def remove(self) -> None:
        """Refuse: children leave by the events of their journey."""
        raise CareError("An agent cannot be removed", remedy="Children leave by the events of their journey")


class ChildAgent(View):
    """A child: a view of one row. `unique_id` is the child's number in the event log."""

    @property
    def state(self) -> str:
        """The state the child is in, by its key."""
        return str(CHILD_READERS["state"](self.model, self.row))

    @property
    def history(self) -> int:
        """0 none, 1 referred before, 2 planned for or looked after before."""
        return int(CHILD_READERS["history"](self.model, self.row))

    @property
    def age_weeks(self) -> int:
        """Age in weeks at the next step; negative before birth."""
        return int(CHILD_READERS["age_weeks"](self.model, self.row))

    @property
    def weeks_on_clock(self) -> int:
        """Completed weeks on the clock of the child's state at the next step."""
        return int(CHILD_READERS["weeks_on_clock"](self.model, self.row))

    @property
    def risk(self) -> int:
        """Risk class of the family, from 0 (low) to 3 (high)."""
        return int(CHILD_READERS["risk"](self.model, self.row))

    @property
    def sex(self) -> int:
        """0 female, 1 male."""
        return int(CHILD_READERS["sex"](self.model, self.row))

    @property
    def uasc(self) -> bool:
        """Whether the child came to the country alone."""
        return bool(CHILD_READERS["uasc"](self.model, self.row))

    @property
    def family(self) -> FamilyAgent:
        """The child's family."""
        return FamilyAgent(self.model, self.model.run.population.family[self.row])

    def step(self) -> None:
        """Live through this week: at most one event by plan, birthday or chance, then what follows at once.

        The readable form of `abm.kernels.advance_span`, in plain whole numbers.
        """
        run, tables = self.model.run, self.model.journey.tables
        if not isinstance(run, AgentEngine):
            raise CareError(
                "A child's own step needs CareModel(engine='agents')", remedy="Here, model.step() steps all children"
            )
        people, i, week = run.people, self.row, run.week
        if people.enter_edge[i] >= 0 and week < people.enter_week[i]:
            return
        state, history, since = int(people.state[i]), int(people.history[i]), int(people.since[i])
        group = self._group()
        event = self._planned(state) or self._by_chance(state, since, group)
        step = 0
        while event is not None:
            edge, threshold, draw = event
            run.record(self.row, step, edge, threshold, draw)
            target = int(tables.target[edge])
            if tables.clock[target] != tables.clock[state]:
                since = week - int(tables.clock_at[edge])
            history = max(history, int(tables.history[edge]))
            state = target
            step += 1
            event = self._outcome(state, group) if tables.at_once[state] else None
        people.state[i], people.history[i], people.since[i] = state, history, since

    def _group(self) -> int:
        """Return the group whose chances the child has this week."""
        band = sum(self.age_weeks >= first for first in AGE_EDGES_WEEKS[1:-1])
        return unaccompanied_group(band) if self.uasc else group_of(band, self.risk, self.history)

    def _planned(self, state: int) -> tuple[int, int, int] | None:
        """Return the event that this week's date decides: entry, then the 18th birthday, then a planned move away."""
        run = self.model.run
        people, edges, i = run.people, run.prepared.edges, self.row
        if people.enter_edge[i] >= 0 and run.week == people.enter_week[i]:
            return int(people.enter_edge[i]), CERTAIN, 0
        if self.age_weeks >= WEEKS_TO_18 and edges.birthday[state] >= 0:
            return int(edges.birthday[state]), CERTAIN, 0
        if run.week == people.leave_week[i] and edges.departure[state] >= 0:
            return int(edges.departure[state]), CERTAIN, 0
        return None

    def _draw(self, edge: int, threshold: int) -> int:
        """Return an edge's draw of this week; of a quiet state's year only the small draws are made."""
        run, tables = self.model.run, self.model.journey.tables
        child, purpose = int(run.people.child[self.row]), int(tables.purpose[edge])
        if tables.outcome[edge]:
            return word(run.key, child, run.week, purpose)
        if not tables.quiet[tables.source[edge]]:
            return week_word(run.key, child, run.week, purpose)
        year, week = divmod(run.week, WEEKS_PER_YEAR)
        small = small_draws(run.key, child, year, purpose, cell_of(threshold)) if threshold else {}
        return small.get(week, CERTAIN)

    def _chances(self, state: int, which: Any, group: int, band: int) -> Iterator[tuple[int, int, int]]:
        """Give (edge, threshold, draw) of those edges out of a state that `which` marks."""
        run, tables = self.model.run, self.model.journey.tables
        assert isinstance(run, AgentEngine)
        edges = [e for e in range(tables.first[state], tables.first[state + 1]) if which[e]]
        for edge, threshold in zip(
            edges, run.thresholds_now(edges, group, band, int(run.people.history[self.row])), strict=True
        ):
            yield edge, threshold, self._draw(edge, threshold)

    def _by_chance(self, state: int, since: int, group: int) -> tuple[int, int, int] | None:
        """Return the weekly event that fires; of several, that with the smallest draw in proportion to its chance."""
        tables = self.model.journey.tables
        clock = self.model.run.week - since - 1
        band = int(tables.band[state, min(clock, tables.band.shape[1] - 1)])
        taken = None
        for edge, threshold, draw in self._chances(state, tables.weekly, group, band):
            if draw < threshold and (taken is None or draw * taken[1] < taken[2] * threshold):
                taken = (edge, threshold, draw)
        return taken

    def _outcome(self, state: int, group: int) -> tuple[int, int, int]:
        """Return what follows at once: the first outcome that fires, each given that none before it did."""
        for edge, threshold, draw in self._chances(state, self.model.journey.tables.outcome, group, 0):
            if draw < threshold:
                return edge, threshold, draw
        raise self.model.run.nothing_follows(state, group, self.row)


class FamilyAgent(View):
    """A family: brothers and sisters who share a home and its risk. `unique_id` is the family's number."""

    @property
    def children(self) -> list[ChildAgent]:
        """The family's children, also those not born yet, in the order of their numbers."""
        return [ChildAgent(self.model, row) for row in self.model.members[self.row]]

    @property
    def size(self) -> int:
        """Number of children."""
        return len(self.model.members[self.row])

    @property
    def risk(self) -> int:
        """Risk class, from 0 (low) to 3 (high)."""
        return int(self.model.run.people.risk[self.model.members[self.row][0]])

    def step(self) -> None:
        """Do nothing: what happens to a family happens to its children."""


CHILD_READERS: dict[str, Callable[[CareModel, Any], Any]] = {
    "unique_id": lambda model, rows: model.run.people.child[rows],
    "state": lambda model, rows: model.state_keys[model.run.people.state[rows]],
    "history": lambda model, rows: model.run.people.history[rows],
    "age_weeks": lambda model, rows: model.run.week - model.run.people.birth_week[rows],
    "weeks_on_clock": lambda model, rows: model.run.week - model.run.people.since[rows] - 1,
    "risk": lambda model, rows: model.run.people.risk[rows],
    "sex": lambda model, rows: model.run.population.sex[rows],
    "uasc": lambda model, rows: model.run.people.uasc[rows],
}
"""What can be read of a child (row a number) or of many at once (rows an array)."""
