"""Children and families as agents: light views of the model's rows, and a child's own step in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from mesa.agent import Agent

from abm.draws import week_word, word
from abm.errors import CareError
from abm.events import JOINED, Rows, take
from abm.factors import NO_FACTOR, UNIT, kernel_of_family, kernel_under, outcome_under
from abm.family_life import CIRCUMSTANCES
from abm.family_tables import context_of
from abm.parameters import CERTAIN
from abm.pathway import AGE_EDGES_WEEKS, WEEKS_PER_YEAR, WEEKS_TO_18, group_of, unaccompanied_group
from abm.quiet import cell_of, small_draws
from abm.simulate import Engine

if TYPE_CHECKING:
    from abm.mesa_model.model import CareModel


class AgentEngine(Engine):
    """A run whose events are told by the agents, one at a time and in any order within a week."""

    def begin_week(self) -> None:
        """Ask the system, where there is one, for the factors of this week; once, before anybody moves."""
        if self._asked != self.week:
            self._asked, self._began = self.week, self._n_rows
            self._now = self.prepared.chances
            if self.system is not None or self.families is not None or self.places is not None:
                self._now = self._chances_now()

    def find_homes(self) -> None:
        """Look for homes after all children and families had their week, where places are limited."""
        if self.places is not None:
            self.places.after(self, self._began, self.log)
            self.flows[self.week] = 0
            self.count(self._began)

    def events_of(self, child: int) -> list[int]:
        """Return the edges that a child took this week, in order."""
        mine = [r for r in range(self._began, self._n_rows) if self._rows.child[r] == child]
        return [int(self._rows.edge[r]) for r in sorted(mine, key=lambda r: int(self._rows.step[r]))]

    def thresholds_now(self, edges: list[int], group: int, band: int, history: int, context: int) -> list[int]:
        """Return this week's thresholds of all weekly edges, or of all outcomes, of a state."""
        by_year = self.prepared.thresholds
        year = min(self.week // WEEKS_PER_YEAR, len(by_year) - 1)
        plain = [int(by_year[year, edge, group, band]) for edge in edges]
        self.begin_week()
        if not edges or not self._now.factored:
            return plain
        system, family = self._now.factor[edges, history], self._now.context[context, edges]
        factors, strengths = system * family, self._now.strength[year, group, band, edges]
        if not self.prepared.journey.tables.outcome[edges[0]]:
            pairs = zip(plain, strengths, factors, strict=True)
            return [now if f == NO_FACTOR else int(kernel_under(float(s), int(f))) for now, s, f in pairs]
        weighed = plain if (system == UNIT).all() else outcome_under(strengths, system)
        return [int(kernel_of_family(np.uint64(t), int(f))) for t, f in zip(weighed, family, strict=True)]

    _asked, _began = -1, 0

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
        run = self.model.run
        if not isinstance(run, AgentEngine):
            raise CareError(
                "A child's own step needs CareModel(engine='agents')", remedy="Here, model.step() steps all children"
            )
        people, i, week = run.people, self.row, run.week
        run.begin_week()
        if people.enter_edge[i] >= 0 and week < people.enter_week[i]:
            return
        state, since = int(people.state[i]), int(people.since[i])
        event = self._planned(state) or self._by_chance(state, since, self._group())
        if event is not None:
            self.live_through(event)

    def live_through(self, event: tuple[int, int, int], step: int = 0, like: list[int] | None = None) -> None:
        """Have an event, (edge, threshold, draw), and what follows at once.

        `like` is given for a child who joins in: the edges that followed for a brother or sister.
        """
        run, tables = self.model.run, self.model.journey.tables
        assert isinstance(run, AgentEngine)
        people, i, week = run.people, self.row, run.week
        state, history, since = int(people.state[i]), int(people.history[i]), int(people.since[i])
        group, context = self._group(), int(people.context[i])
        joined, ahead = 0 if like is None else JOINED, list(like or ())
        while True:
            edge, threshold, draw = event
            run.record(self.row, step, edge, threshold, draw, context | joined)
            target = int(tables.target[edge])
            if tables.clock[target] != tables.clock[state]:
                since = week - int(tables.clock_at[edge])
            history = max(history, int(tables.history[edge]))
            state, joined = target, 0
            step += 1
            if not tables.at_once[state]:
                break
            follows = self._joins(ahead.pop(0), group, 0) if ahead and tables.source[ahead[0]] == state else None
            if follows is not None:
                event, joined = follows, JOINED
            else:
                event, ahead = self._outcome(state, group), []
        people.state[i], people.history[i], people.since[i] = state, history, since

    def joins(self, edge: int) -> tuple[int, int, int] | None:
        """Return the event of a child who joins in what happened to a brother or sister by a weekly chance, or None."""
        band = self.model.journey.tables.band
        clock = min(self.weeks_on_clock, band.shape[1] - 1)
        return self._joins(edge, self._group(), int(band[self.model.run.people.state[self.row], clock]))

    def _joins(self, edge: int, group: int, band: int) -> tuple[int, int, int] | None:
        """Return the event of a child who joins in: if it can happen to a child like it at all, the draw decides."""
        run = self.model.run
        assert run.families is not None
        by_year = run.prepared.thresholds
        if by_year[min(run.week // WEEKS_PER_YEAR, len(by_year) - 1), edge, group, band] == 0:
            return None
        chance, purpose = int(run.families.tables.join[edge]), int(run.families.tables.purpose[edge])
        draw = word(run.key, int(run.people.child[self.row]), run.week, purpose)
        return (edge, chance, draw) if draw < chance else None

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
            edges,
            run.thresholds_now(
                edges, group, band, int(run.people.history[self.row]), int(run.people.context[self.row])
            ),
            strict=True,
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
        """Let the family's children join in what a brother or sister had this week.

        The readable form of `abm.family_weeks`. Where families do not matter nothing is done.
        """
        run, journey = self.model.run, self.model.journey
        if run.families is None or not isinstance(run, AgentEngine):
            return
        tables = run.families.tables
        happened = {child.row: run.events_of(child.row) for child in self.children}
        acted = {row for row, events in happened.items() if events}
        for child in self.children:
            events = happened[child.row]
            if not events:
                continue
            if tables.born[events[0]] and len(events) == 1:
                self._greet(child)
            elif tables.join[events[0]] > 0:
                state = journey.states[journey.tables.source[events[0]]].key
                for other in self.children:
                    if other.row not in acted and other.state == state:
                        event = other.joins(events[0])
                        if event is not None:
                            acted.add(other.row)
                            other.live_through(event, like=events[1:])

    def end_week(self) -> None:
        """Set what the family is to its children, and let the week pass over its circumstances."""
        run = self.model.run
        assert isinstance(run, AgentEngine)
        if any(run.events_of(child.row) for child in self.children):
            self._set_contexts()
        if self._circumstances_move():
            self._set_contexts()

    def _greet(self, baby: ChildAgent) -> None:
        """Refer a baby in the week of its birth, perhaps, if a brother or sister is known to services."""
        run = self.model.run
        assert run.families is not None
        tables, people = run.families.tables, run.people
        chance = max(int(tables.born_into[people.state[child.row]]) for child in self.children)
        edge = int(tables.referral[people.state[baby.row]])
        draw = word(run.key, int(people.child[baby.row]), run.week, int(tables.born_purpose))
        if edge >= 0 and draw < chance:
            baby.live_through((edge, chance, draw), step=1, like=[])

    def _circumstances_move(self) -> bool:
        """Let a week pass over the family's circumstances, if it has children here; tell whether they changed."""
        run = self.model.run
        assert run.families is not None
        if not any(run.families.tables.counted[run.people.state[child.row]] for child in self.children):
            return False
        course, tables = run.families.circumstances, CIRCUMSTANCES.tables
        course.week = run.week
        year, week = divmod(run.week, WEEKS_PER_YEAR)
        taken: tuple[int, int, int] | None = None
        context, state = int(course.people.context[self.row]), int(course.people.state[self.row])
        for edge in range(tables.first[state], tables.first[state + 1]):
            threshold = run.families.threshold_of(edge, context)
            small = small_draws(run.key, self.row, year, int(tables.purpose[edge]), cell_of(threshold or 1))
            draw = small.get(week, CERTAIN)
            if draw < threshold and (taken is None or draw * taken[1] < taken[2] * threshold):
                taken = (edge, threshold, draw)
        if taken is not None:
            course.record(self.row, 0, *taken, context)
            course.people.state[self.row] = tables.target[taken[0]]
        return taken is not None

    def _set_contexts(self) -> None:
        """Set what the family is to each of its children now."""
        run = self.model.run
        assert run.families is not None
        tables, people, course = run.families.tables, run.people, run.families.circumstances
        states = [int(people.state[child.row]) for child in self.children]
        course.people.context[self.row] = any(tables.helping[state] for state in states)
        for child, state in zip(self.children, states, strict=True):
            if not child.uasc:
                together = states.count(state) if tables.counted[state] else 1
                circumstances, kin = int(course.people.state[self.row]), int(run.families.kin[self.row])
                people.context[child.row] = context_of(together, circumstances, kin)


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
