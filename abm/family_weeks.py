"""What passes within families between two weeks: who joins in, and the context that each child then has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.compiled import compiled
from abm.course import Course, standing
from abm.draws import kernel_word, key_of
from abm.errors import CareError
from abm.events import JOINED, Rows, take
from abm.factors import NO_FACTOR, UNIT, kernel_under, no_factors
from abm.family_life import CIRCUMSTANCES, N_CIRCUMSTANCES, FamilyLife
from abm.family_tables import MOST_TOGETHER, circumstances_parameters, family_tables, help_context
from abm.kernels import NEVER, Chances, People, group_at, outcome_at_once
from abm.ordering import draws
from abm.parameters import threshold
from abm.pathway import WEEKS_PER_YEAR, Journey
from abm.population import Population
from abm.prepared import prepare

_ROOM = 16
"""Rows that the events of one child in one week have room in."""

NothingFollows = Callable[[int, int, int], CareError]


def members_of(family: NDArray[np.int32], n_families: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return (first int64[F+1], member int32[N]): the children of family f are member[first[f] : first[f+1]]."""
    first = np.searchsorted(np.sort(family), np.arange(n_families + 1)).astype(np.int64)
    return first, np.argsort(family, kind="stable").astype(np.int32)


@compiled(nogil=True)
def join_in(
    week: Any, low: Any, high: Any, begin: Any, end: Any, edges: Any, chances: Any, tables: Any, people: Any,
    family: Any, first: Any, member: Any, acted: Any, rows: Any, n_rows: Any,
) -> Any:  # fmt: skip
    """Let brothers and sisters join in the events of this week: rows `begin` to before `end`, by child.

    low, high      uint64       halves of the seed
    tables         FamilyTables
    family         int32[N]     family of each child; first, member as `members_of` gives them
    acted          int16[N]     the last week in which something happened to a child
    rows, n_rows   the log so far, to be gone on with

    Who has an event of its own in a week joins in none, and nobody joins in what can never happen to a child like
    it. Of several events it joins in the first that it may.
    Returns (row, n_rows, state, group): the row that it stopped at because the log was full, to be called with again
    (`end`: none). If a state is told, nothing could follow there for a child of that group, whose row is told then.
    """
    n_years, capacity = chances.thresholds.shape[0], rows.child.size
    year = min(week // WEEKS_PER_YEAR, n_years - 1)
    by_weight = np.zeros(edges.target.size, np.uint64)
    for r in range(begin, end):
        acted[rows.child[r]] = week
    for r in range(begin, end):
        edge = int(rows.edge[r])
        if rows.step[r] != 0:
            continue
        child = int(rows.child[r])
        mine = family[child]
        if tables.born[edge]:
            # A baby of a family that is known may be referred in the week of its birth.
            chance = np.uint64(0)
            for x in range(first[mine], first[mine + 1]):
                chance = max(chance, tables.born_into[people.state[member[x]]])
            then = tables.referral[people.state[child]]
            if chance == 0 or then < 0 or (r + 1 < end and rows.child[r + 1] == child):
                continue
            draw = kernel_word(low, high, np.uint64(people.child[child]), np.uint64(week), tables.born_purpose)
            if draw >= chance:
                continue
            if n_rows + _ROOM > capacity:
                return r, n_rows, -1, -1
            n_rows, state, group = _live_through(
                week, year, low, high, child, int(then), chance, draw, 1, 0, 0, edges, chances, tables, people, rows,
                n_rows, by_weight,
            )  # fmt: skip
            if state >= 0:
                return child, n_rows, state, group
            continue
        if tables.join[edge] == 0:
            continue
        source = tables.source[edge]
        for x in range(first[mine], first[mine + 1]):
            other = int(member[x])
            if acted[other] == week or people.state[other] != source:
                continue
            if _chance_of(week, year, other, edge, edges, chances, people) == 0:
                continue
            draw = kernel_word(low, high, np.uint64(people.child[other]), np.uint64(week), tables.purpose[edge])
            if draw >= tables.join[edge]:
                continue
            if n_rows + _ROOM > capacity:
                return r, n_rows, -1, -1
            acted[other] = week
            n_rows, state, group = _live_through(
                week, year, low, high, other, edge, tables.join[edge], draw, 0, r + 1, end, edges, chances, tables,
                people, rows, n_rows, by_weight,
            )  # fmt: skip
            if state >= 0:
                return other, n_rows, state, group
    return end, n_rows, -1, -1


@compiled(inline=True)
def _chance_of(week: Any, year: Any, i: Any, edge: Any, edges: Any, chances: Any, people: Any) -> Any:
    """Return the threshold that a weekly edge has for a child this week: who never has an event joins in none."""
    band = int(edges.band[people.state[i], min(week - int(people.since[i]) - 1, edges.band.shape[1] - 1)])
    age = week - int(people.birth_week[i])
    group = group_at(age, int(people.risk[i]), int(people.history[i]), people.uasc[i])
    return chances.thresholds[year, group, band, edge]


@compiled(inline=True)
def _live_through(
    week: Any, year: Any, low: Any, high: Any, i: Any, edge: Any, threshold: Any, draw: Any, step: Any, ahead: Any,
    end: Any, edges: Any, chances: Any, tables: Any, people: Any, rows: Any, n_rows: Any, by_weight: Any,
) -> Any:  # fmt: skip
    """Give child `i` an event and what follows at once: perhaps as in the rows from `ahead` on, of whom it follows.

    Returns (n_rows, state, group); a state from which nothing could follow, or -1.
    """
    identity, context = np.uint64(people.child[i]), int(people.context[i])
    state, history, since = int(people.state[i]), int(people.history[i]), int(people.since[i])
    group = group_at(week - int(people.birth_week[i]), int(people.risk[i]), history, people.uasc[i])
    after, joined = history, JOINED
    while edge >= 0:
        rows.child[n_rows] = people.child[i]
        rows.week[n_rows] = week
        rows.step[n_rows] = step
        rows.edge[n_rows] = edge
        rows.threshold[n_rows] = threshold
        rows.draw[n_rows] = draw
        rows.context[n_rows] = context | joined
        n_rows += 1
        step += 1
        after = max(after, int(edges.history[edge]))
        target = int(edges.target[edge])
        if edges.clock[target] != edges.clock[state]:
            since = week - int(edges.clock_at[edge])
        state = target
        edge, joined = -1, 0
        if edges.at_once[state]:
            if ahead < end and rows.step[ahead] > 0 and tables.source[rows.edge[ahead]] == state:
                same = int(rows.edge[ahead])
                ahead += 1
                # Nobody follows to where a child like it never goes: to supported accommodation under 16, say.
                if tables.join[same] > 0 and chances.thresholds[year, group, 0, same] > 0:
                    draw = kernel_word(low, high, identity, np.uint64(week), tables.purpose[same])
                    if draw < tables.join[same]:
                        edge, threshold, joined = same, tables.join[same], JOINED
            if edge < 0:
                ahead = end
                edge, threshold, draw = outcome_at_once(
                    low, high, identity, week, year, group, history, context, state, edges, chances, by_weight
                )
                if edge < 0:
                    return n_rows, state, group
    people.state[i], people.history[i], people.since[i] = state, after, since
    people.due[i] = min(week + 1, people.due[i])
    return n_rows, -1, -1


@compiled(nogil=True)
def set_contexts(
    turn: Any, then: Any, begin: Any, end: Any, of: Any, family: Any, tables: Any, people: Any, first: Any,
    member: Any, families: Any, kin: Any, touched: Any,
) -> None:  # fmt: skip
    """Set the contexts of families, and of their children, to which those of rows `begin` to before `end` belong.

    then      the next week, in which families are looked at again whose children came back
    of        int32[.]  who a row of a log is of
    family    int32[.]  the family of each of them
    families  People    their state is in which circumstances they are; their context is filled
    kin       uint8[F]
    touched   int32[F]  the last turn in which a family's contexts were set
    """
    for r in range(begin, end):
        mine = family[of[r]]
        if touched[mine] == turn:
            continue
        touched[mine] = turn
        helping, there = False, False
        for x in range(first[mine], first[mine + 1]):
            helping = helping or tables.helping[people.state[member[x]]]
            there = there or tables.counted[people.state[member[x]]]
        # Circumstances of a family without children here rest; its own week is still to come, that of children is over.
        if not there:
            families.due[mine] = NEVER
        elif families.due[mine] == NEVER:
            families.due[mine] = then - 1
        families.context[mine] = 1 if helping else 0
        for x in range(first[mine], first[mine + 1]):
            i = int(member[x])
            if people.uasc[i]:
                continue
            together = 1
            if tables.counted[people.state[i]]:
                for y in range(first[mine], first[mine + 1]):
                    together += 1 if y != x and people.state[member[y]] == people.state[i] else 0
            place = (min(together, MOST_TOGETHER) - 1) * N_CIRCUMSTANCES + families.state[mine]
            people.context[i] = 1 + place * 2 + kin[mine]


class FamiliesTold(NamedTuple):
    """What came of the families of a run.

    began  uint8[F]         their circumstances on day one
    kin    uint8[F]         whether they have kin who would take a child in
    rows   Rows             how circumstances moved: `child` is the number of the family; empty without a log
    flows  int64[weeks, E]  the same, counted by edges of CIRCUMSTANCES
    """

    began: NDArray[np.uint8]
    kin: NDArray[np.uint8]
    rows: Rows
    flows: NDArray[np.int64]


class Families:
    """The families of a run under way: their circumstances, and what their children do together.

    circumstances  Course    of the families, who live through CIRCUMSTANCES
    kin            uint8[F]  whether they have kin who would take a child in
    """

    def __init__(
        self, life: FamilyLife, journey: Journey, population: Population, people: People, n_weeks: int, key: int,
        log: bool,
    ) -> None:  # fmt: skip
        self.tables, self._log = family_tables(life, journey), log
        n = int(population.family.max(initial=-1)) + 1
        self._family, self._all = population.family, np.arange(n, dtype=np.int32)
        self._first, self._member = members_of(population.family, n)
        self._acted, self._touched = np.full(len(population), -1, np.int16), np.full(n, -1, np.int32)
        self.kin = (draws(key, n, "family: kin") < threshold(np.array(life.kin))).astype(np.uint8)
        prepared = prepare(circumstances_parameters(life), CIRCUMSTANCES)
        self._chances = prepared.chances_under(no_factors(CIRCUMSTANCES), help_context(life))
        state = self._on_day_one(life, journey, population, key)
        rows = n // 4 + 1024 if log else 1024
        self.circumstances = Course(standing(self._all, state), prepared.edges, n_weeks, key_of(key), rows)
        self.began = state.copy()
        self.set_all(people)

    def join(self, course: Course, begin: int, chances: Chances, nothing_follows: NothingFollows) -> None:
        """Let brothers and sisters join in what happened in a week, which stands in the log from row `begin` on."""
        week, at, end = course.week, begin, course._n_rows
        while at < end:
            at, course._n_rows, state, group = join_in(
                week, *course._halves, at, end, course.edges, chances, self.tables, course.people, self._family,
                self._first, self._member, self._acted, course._rows, course._n_rows,
            )  # fmt: skip
            if state >= 0:
                raise nothing_follows(state, group, at)
            if at < end:
                course._grow()

    def end_week(self, course: Course, begin: int, nothing_follows: NothingFollows) -> None:
        """Set the contexts of all to whom something happened, and let the week pass over circumstances."""
        week = course.week
        self._set(course.people, 2 * week, week + 1, (begin, course._n_rows), course._rows.child, self._family)
        mine = self.circumstances
        begin = mine._n_rows
        mine.run_loops(week + 1, self._chances, True, nothing_follows)
        mine.count(begin)
        mine.week = week + 1
        self._set(course.people, 2 * week + 1, week + 1, (begin, mine._n_rows), mine._rows.child, self._all)
        if not self._log:
            mine._n_rows = 0

    def threshold_of(self, edge: int, context: int) -> int:
        """Return the threshold of an edge of CIRCUMSTANCES for a family that is helped (context 1) or not (0)."""
        plain = int(self._chances.thresholds[0, 0, 0, edge])
        under = int(self._chances.context[context, edge]) * UNIT
        strength = float(self._chances.strength[0, 0, 0, edge])
        return plain if under == NO_FACTOR else int(kernel_under(strength, under))

    def told(self) -> FamiliesTold:
        """Return what came of them so far."""
        mine = self.circumstances
        return FamiliesTold(self.began, self.kin, take(mine._rows, slice(mine._n_rows)), mine.flows)

    def kept(self) -> dict[str, NDArray[Any]]:
        """Return what is needed to go on from here."""
        mine = self.circumstances
        rows = take(mine._rows, slice(mine._n_rows))._asdict()
        return {"state": mine.people.state, "began": self.began, "flows": mine.flows[: mine.week], **rows}

    def go_on(self, kept: Mapping[str, NDArray[Any]], people: People) -> None:
        """Go on from what `kept` gave, with these people as they were then.

        Errors
        ------
        ValueError
            For numbers that cannot be.
        """
        mine, n, tables = self.circumstances, self._all.size, CIRCUMSTANCES.tables
        state, flows, rows = kept["state"], kept["flows"], Rows._make(kept[name] for name in Rows._fields)
        shaped = all(kept[name].shape == (n,) and kept[name].dtype == np.uint8 for name in ("state", "began"))
        if not shaped or flows.shape[1:] != mine.flows.shape[1:] or flows.shape[0] > mine.n_weeks:
            raise ValueError("families of another form")
        moved = flows.sum(axis=0)
        counted = np.bincount(kept["began"], minlength=tables.n_states)
        counted += np.bincount(tables.target, moved, tables.n_states).astype(np.int64)
        counted -= np.bincount(tables.source, moved, tables.n_states).astype(np.int64)
        if not np.array_equal(np.bincount(state, minlength=tables.n_states), counted):
            raise ValueError("families are not where their events left them")
        mine.people.state[:], self.began[:], mine.week = state, kept["began"], flows.shape[0]
        mine.flows[: mine.week] = flows
        mine.put_log(rows)
        self.set_all(people)

    def set_all(self, people: People) -> None:
        """Set the contexts of all families and children from where they are."""
        self._touched[:] = -1
        self._set(people, 0, 0, (0, self._all.size), self._all, self._all)
        self._touched[:] = -1

    def _set(
        self, people: People, turn: int, then: int, rows: tuple[int, int], of: NDArray[np.int32],
        family: NDArray[np.int32],
    ) -> None:  # fmt: skip
        set_contexts(
            turn, then, *rows, of, family, self.tables, people, self._first, self._member, self.circumstances.people,
            self.kin, self._touched,
        )  # fmt: skip

    def _on_day_one(self, life: FamilyLife, journey: Journey, population: Population, key: int) -> NDArray[np.uint8]:
        """Return the circumstances of each family; where a child is in the system, those that led there are likelier.

        By Bayes: see `FamilyLife.shares_where`.
        """
        stages = ("home", "plan", "care")
        of_state = np.array([2 if s.stage in ("care", "after_care") else s.stage in ("front_door", "plan")
                             for s in journey.states], np.int64)  # fmt: skip
        there = population.enter_edge < 0
        of_family = np.zeros(self._all.size, np.int64)
        np.maximum.at(of_family, population.family[there], of_state[population.state[there]])
        bounds = threshold(np.cumsum([life.shares_where(stage) for stage in stages], axis=1))[:, :-1]
        drawn = draws(key, self._all.size, "family: circumstances on day one")
        out: NDArray[np.uint8] = (drawn[:, None] >= bounds[of_family]).sum(axis=1).astype(np.uint8)
        return out
