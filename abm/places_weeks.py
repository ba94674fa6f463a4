"""Limited places in a run under way: who needs a home after a week, and what comes of it for the journey.

The loop over children decides by chance who comes into care, who is to move, and to which kind of home. Then homes are
looked for (`abm.places`), and the week's events are made true: a child for whom there was none of the kind goes to
another kind, a move for which there was no home does not happen, and a child whose home closed, or whose turn on the
list came, moves.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.compiled import compiled
from abm.course import Course
from abm.errors import CareError
from abm.events import PLACED
from abm.parameters import CERTAIN
from abm.pathway import Journey
from abm.places import ACCOUNTS, EMERGENCY, NEED_OF_KIND, NEEDS, REQUEST, WAITS, Answers, Places, Requests, kin_of
from abm.places_rules import Supply
from abm.population import Population

ELSEWHERE = "other_placement"
"""The state of a child in an emergency home, which is none of the limited kinds."""
_CERTAIN = np.uint64(CERTAIN)
_NONE = -1


class PlacesTold(NamedTuple):
    """What came of the places of a run.

    accounts  int64[weeks, K]  what `names` names, of the simulated children, week by week
    names     of the columns of `accounts`
    week      int16[A]   of each answer that somebody had a home found for
    child     int32[A]
    home      int32[A]   number of the home; -1 for one outside the limited kinds
    kind      int8[A]    its kind, place in `abm.places.KINDS`; -1 likewise
    band      int8[A]    its distance, place in `abm.places.BANDS`; -1 likewise
    outcome   uint8[A]   see `abm.places.Answers`
    why       uint8[A]
    """

    accounts: NDArray[np.int64]
    names: tuple[str, ...]
    week: NDArray[np.int16]
    child: NDArray[np.int32]
    home: NDArray[np.int32]
    kind: NDArray[np.int8]
    band: NDArray[np.int8]
    outcome: NDArray[np.uint8]
    why: NDArray[np.uint8]


@compiled(nogil=True)
def who_asks(
    begin: Any, end: Any, rows: Any, source: Any, need: Any, care: Any, clock: Any, people: Any, last: Any, asks: Any,
    left: Any,
) -> Any:  # fmt: skip
    """Find who needs a home after a week, and who needs none any more, by the log's rows `begin` to before `end`.

    source  int32[E]  the state an edge leaves
    need    int8[S]   the need of a limited state, -1 for others
    care    bool[S]   states in which a child is looked after
    clock   int32[S]  as of abm.kernels.Edges
    last    int32[N]  filled: the last row of each child with events
    asks    Requests  filled: whether it can stay where it was is told of each
    left    int32[.]  filled

    Returns (number that ask, number that left).
    """
    n, m = 0, 0
    for r in range(begin, end):
        last[rows.child[r]] = r
    for r in range(begin, end):
        child = rows.child[r]
        if last[child] != r:
            continue
        state = people.state[child]
        if need[state] >= 0:
            # Who can stay has been looked after on the same clock; where a plan for adoption ended, nobody can.
            came_from = source[rows.edge[r]]
            asks.child[n], asks.need[n] = child, need[state]
            asks.roof[n] = care[came_from] and clock[came_from] == clock[state]
            n += 1
        else:
            left[m] = child
            m += 1
    return n, m


@compiled(nogil=True)
def make_true(
    week: Any, begin: Any, rows: Any, n_rows: Any, source: Any, between: Any, state_of_kind: Any, elsewhere: Any,
    people: Any, last: Any, answers: Any,
) -> Any:  # fmt: skip
    """Make the week's events true to the homes that were found; returns (number of rows, state, state).

    between        int32[S, S]  the edge by which a looked-after child goes from one home to another, -1 for none
    state_of_kind  int32[.]     the state of each kind of home
    answers        Answers      in the order of children

    A move for which there was no home is taken out. States are told when no edge leads from the first to the second.
    """
    gone = False
    for a in range(answers.child.size):
        child, outcome = answers.child[a], answers.outcome[a]
        now, mine = int(people.state[child]), last[child]
        to = elsewhere if answers.kind[a] < 0 else state_of_kind[answers.kind[a]]
        moves = answers.why[a] != REQUEST
        if not moves:
            came_from = source[rows.edge[mine]]
            edge = between[came_from, to]
            if outcome == WAITS:
                people.state[child] = came_from
                rows.child[mine] = _NONE
                gone = True
            elif to == now:
                continue
            elif edge >= 0:
                rows.edge[mine], rows.context[mine] = edge, rows.context[mine] | PLACED
                people.state[child] = to
            else:
                moves = True
        if moves:
            # A row that was taken out leaves its step to the next.
            step = int(rows.step[mine]) + 1 if mine >= 0 and rows.child[mine] == child else 0
            while moves:
                # By way of another kind of home where no transition leads straight there.
                then = to if between[now, to] >= 0 else elsewhere
                edge = between[now, then]
                if edge < 0:
                    return n_rows, now, to
                rows.child[n_rows], rows.week[n_rows], rows.step[n_rows] = child, week, step
                rows.edge[n_rows], rows.threshold[n_rows], rows.draw[n_rows] = edge, _CERTAIN, 0
                rows.context[n_rows] = people.context[child] | PLACED
                n_rows, step, now = n_rows + 1, step + 1, then
                moves = now != to
            people.state[child] = to
        people.due[child] = min(people.due[child], week + 1)
    if gone:
        to = begin
        for r in range(begin, n_rows):
            if rows.child[r] != _NONE:
                rows.child[to], rows.week[to], rows.step[to] = rows.child[r], rows.week[r], rows.step[r]
                rows.edge[to], rows.threshold[to] = rows.edge[r], rows.threshold[r]
                rows.draw[to], rows.context[to] = rows.draw[r], rows.context[r]
                to += 1
        n_rows = to
    return n_rows, _NONE, _NONE


class PlacesWeeks:
    """The places of a run under way."""

    def __init__(
        self, supply: Supply, journey: Journey, population: Population, n_weeks: int, seed: int, area: str, sample: int
    ) -> None:
        tables, states = journey.tables, journey.state_index
        missing = [name for name in (*NEEDS, ELSEWHERE) if name not in states]
        if missing:
            raise CareError(f"Limited places need the state '{missing[0]}'", journey.file, "Declare it")
        self._need = np.full(tables.n_states, -1, np.int8)
        for need, name in enumerate(NEEDS):
            self._need[states[name]] = need
        self._care = np.array([s.stage == "care" and not s.at_once for s in journey.states])
        self._source = tables.source.astype(np.int32)
        self._state_of_kind = np.array([states[NEEDS[need]] for need in NEED_OF_KIND], np.int32)
        self._elsewhere, self._journey = states[ELSEWHERE], journey
        self._between = np.full((tables.n_states, tables.n_states), -1, np.int32)
        entering = np.array([s.stage == "care" and s.at_once for s in journey.states])
        for e in range(tables.n_edges):
            s, t = int(tables.source[e]), int(tables.target[e])
            within = (tables.outcome[e] and entering[s]) or (tables.weekly[e] and self._care[s])
            if within and self._care[t] and self._between[s, t] < 0:
                self._between[s, t] = e
        there = (population.enter_edge < 0) & (self._need[population.state] >= 0)
        child, needed = population.child[there], self._need[population.state[there]]
        beds = supply.homes.beds(np.bincount(needed, minlength=len(NEEDS)).astype(np.int64), sample)
        kin = kin_of(population.family, population.birth_week, population.risk)
        self.places = Places(beds, supply.rules, kin, n_weeks, seed, area)
        self.places.settle(child, needed)
        n = len(population)
        self._last = np.full(n, -1, np.int32)
        self._answers: list[tuple[int, Answers]] = []

    def after(self, course: Course, begin: int, log: bool) -> None:
        """Look for homes after a week whose events stand in the log from row `begin` on, and make these true."""
        end = course._n_rows
        size = end - begin
        asks = Requests(np.empty(size, np.int32), np.empty(size, np.int8), np.empty(size, np.bool_))
        left = np.empty(size, np.int32)
        n, m = who_asks(
            begin,
            end,
            course._rows,
            self._source,
            self._need,
            self._care,
            course.edges.clock,
            course.people,
            self._last,
            asks,
            left,
        )
        answers = self.places.advance(Requests(asks.child[:n], asks.need[:n], asks.roof[:n]), left[:m])
        course.make_room(2 * answers.child.size)
        course._n_rows, source, target = make_true(
            course.week, begin, course._rows, end, self._source, self._between, self._state_of_kind, self._elsewhere,
            course.people, self._last, answers,
        )  # fmt: skip
        if source >= 0:
            first, then = (self._journey.states[s].key for s in (source, target))
            raise CareError(
                f"A child had to move from '{first}' to '{then}', and no transition leads there", self._journey.file,
                "Declare one",
            )  # fmt: skip
        self._last[asks.child[:n]] = self._last[left[:m]] = -1
        if log and answers.child.size:
            self._answers.append((course.week, answers))

    def told(self) -> PlacesTold:
        """Return what came of them so far; without a log, accounts only."""
        found = [(week, a) for week, a in self._answers if (a.outcome != WAITS).any()]
        columns: dict[str, Any] = {"week": np.zeros(0, np.int16)}
        for name in Answers._fields:
            parts = [getattr(a, name)[a.outcome != WAITS] for _, a in found]
            columns[name] = np.concatenate(parts) if parts else getattr(_NO_ANSWERS, name)
        if found:
            columns["week"] = np.repeat(
                np.array([week for week, _ in found], np.int16), [(a.outcome != WAITS).sum() for _, a in found]
            )
        return PlacesTold(self.places.accounts[: self.places.week], ACCOUNTS, **columns)

    def kept(self) -> dict[str, NDArray[Any]]:
        """Return what is needed to go on from here."""
        told = self.told()._asdict()
        return self.places.arrays() | {f"told {name}": told[name] for name in ("week", *Answers._fields)}

    def go_on(self, kept: dict[str, NDArray[Any]]) -> None:
        """Go on from what `kept` gave."""
        self.places.restore(kept)
        told = [kept[f"told {name}"] for name in ("week", *Answers._fields)]
        week, cut = np.unique(told[0], return_index=True)
        parts = [np.split(column, cut[1:]) for column in told[1:]] if week.size else []
        self._answers = [(int(w), Answers(*(part[k] for part in parts))) for k, w in enumerate(week)]


_NO_ANSWERS = Answers(
    np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int8), np.zeros(0, np.int8), np.zeros(0, np.uint8),
    np.zeros(0, np.uint8),
)  # fmt: skip
assert EMERGENCY < WAITS
