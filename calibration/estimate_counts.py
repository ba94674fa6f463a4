"""Child-weeks and events of a log, by edge, group and band of time: what every rate is estimated from.

A stay is a child in one state from one week to another, under one history and one clock. In week w a child of whom
nothing is planned is open to every chance of its state, as a child of its age in week w, with w - since - 1 weeks on
its clock: these are the terms in which the simulation looks its chances up, so child-weeks and events are counted in
the same. The week in which something happened by chance is a week at risk; that of a birthday or of a planned move is
not.

Left truncation: a child adds weeks from the week on in which its events would be noticed, in the band of time in which
it then is; what came before is not counted, and neither is the fact that it stayed so long. Right censoring: weeks end
with the window, and nothing is said of what came after. Weeks of a year of which the return was not read are not
watched either: nobody who left in them would be in the files, but all who stayed are.
Children at home, whom no return names, are not watched after them until they are seen again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError
from abm.pathway import (
    AGE_BANDS,
    AGE_EDGES_WEEKS,
    HISTORIES,
    N_AGES,
    N_GROUPS,
    N_HISTORIES,
    N_RISKS,
    RISK_CLASSES,
    UNACCOMPANIED_GROUP,
    WEEKS_TO_18,
    Journey,
)
from calibration.estimate_log import FAR, Log

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """What was counted.

    exposure  int64[S, G, B]  child-weeks in states where children stay; arrivals in states left at once (band 0)
    events    int64[E, G, B]  events by weekly edge; outcomes of states left at once (band 0)
    left_out  events of weekly edges and outcomes that were not counted, by reason
    """

    journey: Journey
    exposure: Int
    events: Int
    left_out: dict[str, int]


@dataclass(frozen=True)
class Stays:
    """The stays of a log in the order of children and weeks. M is children plus events.

    A row is the child as the log finds it or an event; after the last event of a week the child stays.
    A stay within one week whose beginning or end was filled in is none.

    child, week, source, edge, state  int64[M]  week -1 and edge -1 for how the log finds the child; state after it
    history, since  int64[M]  after the row
    known           bool[M]   whether it is known when the clock began
    opens           bool[M]   the first row of its child
    inferred        bool[M]   filled in
    unseen          bool[M]   filled in, within a year of which no return was read: when it came is not known
    ends            int64[M]  the row that ends the stay, -1 for none
    """

    child: Int
    week: Int
    source: Int
    edge: Int
    state: Int
    history: Int
    since: Int
    known: NDArray[np.bool_]
    opens: NDArray[np.bool_]
    inferred: NDArray[np.bool_]
    unseen: NDArray[np.bool_]
    ends: Int


def stays(log: Log) -> Stays:
    """Return the stays of a log.

    Errors
    ------
    CareError
        For an event that does not begin where the child was.
    """
    tables = log.journey.tables
    n, order = len(log), np.argsort(log.child, kind="stable")
    child = log.child[order].astype(np.int64)
    at = child + 1 + np.arange(child.size)  # each child's first row stands before its events
    size = n + child.size
    of, edge, week = np.empty(size, np.int64), np.full(size, -1), np.full(size, -1)
    opens = np.ones(size, bool)
    opens[at] = False
    first = np.flatnonzero(opens)
    of[first], of[at] = np.arange(n), child
    edge[at], week[at] = log.edge[order], log.week[order]
    event = ~opens
    state, source, least, since = (np.empty(size, np.int64) for _ in range(4))
    state[first], state[event] = log.state, tables.target[edge[event]]
    source[first], source[event] = log.state, tables.source[edge[event]]
    least[first], least[event] = log.history, tables.history[edge[event]]
    if (event & (source != np.roll(state, 1))).any():
        words = "An event does not begin in the state the child was in"
        raise CareError(words, "the event log", "Read the returns again")
    # Each child's numbers are greater than those of the children before it: so nothing runs over from one to the next.
    history = np.maximum.accumulate(of * N_HISTORIES + least) - of * N_HISTORIES
    restarts = opens | (tables.clock[state] != tables.clock[source])
    since[first] = log.since_week
    since[event] = week[event] - tables.clock_at[edge[event]]
    began = np.maximum.accumulate(np.where(restarts, np.arange(size), 0))
    known = ~opens
    known[first] = log.since_known
    inferred = np.zeros(size, bool)
    inferred[at] = log.inferred[order]
    # What was filled in within a year of which no return was read, came at some time of that year.
    unseen = inferred & log.in_gap(log.watched_by[source] | log.watched_by[state], week)
    known &= ~unseen
    ends = np.where(np.roll(opens, -1), -1, np.arange(1, size + 1))
    return Stays(of, week, source, edge, state, history, since[began], known[began], opens, inferred, unseen, ends)


def count(log: Log, weeks: tuple[int, int] | None = None) -> Counts:
    """Count child-weeks and events; only in the weeks from, to before, if they are given.

    A stay that begins and ends in one week counts as a stay of one week: the simulation has none that is shorter.
    """
    tables, begin, end = log.journey.tables, 0, log.n_weeks
    if weeks is not None:
        begin, end = max(begin, weeks[0]), min(end, weeks[1])
    told = stays(log)
    left_out: dict[str, int] = {}
    seen_from = np.maximum(log.seen_from, begin)[told.child]
    seen_to = np.minimum(log.seen_to, end)[told.child]
    by_chance = np.append(tables.weekly, False)[told.edge]  # edge -1 is none
    outcome = np.append(tables.outcome, False)[told.edge]
    open_states = np.zeros(tables.n_states, bool)
    open_states[tables.source[tables.weekly]] = True
    at_home = np.array([s.stage == "home" for s in log.journey.states])
    watched = (log.sees[told.child] & log.watched_by[told.state]) > 0
    usable = told.known & watched & open_states[told.state]
    if not log.everyone:
        usable &= ~(at_home[told.state] & (told.history == 0))

    # Stays: from the week after they began to the week of what ended them, which counts if chance ended them.
    ended = told.ends >= 0
    next_row = np.where(ended, told.ends, 0)
    same_week = ended & (told.week[next_row] == told.week) & ~told.opens
    usable &= ~(same_week & (told.inferred | told.inferred[next_row]))
    start = np.where(same_week, told.week, np.maximum(told.week + 1, 0))
    stop = np.where(ended, told.week[next_row] + by_chance[next_row], log.n_weeks)
    adult = log.birth_week[told.child].astype(np.int64) + WEEKS_TO_18
    stop = np.where(tables.birthday[told.state] >= 0, np.minimum(stop, np.maximum(adult, start)), stop)
    began = start
    start, stop = np.maximum(start, seen_from), np.minimum(stop, seen_to)
    needed = log.needs(told.child, told.state)
    exposure = np.zeros(tables.n_states * N_GROUPS * tables.max_bands, np.int64)
    for from_week, to_week in log.spans():
        begins, ends = np.maximum(start, from_week[needed]), np.minimum(stop, to_week[needed])
        lost = log.lost_in_gap(told.state, needed, began, begins)
        mine = np.flatnonzero(usable & (ends > begins) & ~lost)
        exposure += _spread(log, told, mine, begins[mine], ends[mine])

    # Events, in the group and band in which the child was just before.
    inside = (told.week >= seen_from) & (told.week < seen_to)
    before = np.maximum(np.arange(told.week.size) - 1, 0)
    hidden = log.in_gap(needed[before], told.week)
    left_out["in years of which no return was read"] = int((by_chance & inside & hidden).sum())
    rows = np.flatnonzero(by_chance & inside & ~hidden)
    was = before[rows]
    lost = log.lost_in_gap(told.state[was], needed[was], began[was], told.week[rows])
    left_out["of children at home since before a year of which no return was read"] = int((usable[was] & lost).sum())
    rows = rows[~(usable[was] & lost)]
    fit = usable[before[rows]] & ~log.unseen_edges[told.edge[rows]]
    left, known = before[rows[~fit]], told.known[before[rows[~fit]]]
    left_out["out of states that these returns do not watch"] = int((~watched[left]).sum())
    left_out["before it is known when the child's clock began"] = int((watched[left] & ~known).sum())
    left_out["filled in, or of children of whom nothing was known before"] = int((watched[left] & known).sum())
    rows = rows[fit]
    s, was = told.source[rows], before[rows]
    clock = np.clip(told.week[rows] - told.since[was] - 1, 0, tables.band.shape[1] - 1)
    group = _group(log, told.child[rows], told.week[rows], told.history[was])
    n_bands = tables.max_bands
    cell = (told.edge[rows] * N_GROUPS + group) * n_bands + tables.band[s, clock].astype(np.int64)

    # Outcomes: the group is that of the week's beginning, whatever came before in the week.
    row = np.arange(told.week.size)
    opens_week = told.opens | (np.roll(told.week, 1) != told.week)
    first = np.maximum.accumulate(np.where(opens_week, row, 0))
    # What came of the event by which a child came into sight counts: nobody is in sight because of what came of it.
    inside = (told.week >= np.maximum(seen_from - 1, begin)) & (told.week < seen_to) & ~told.inferred & ~hidden
    rows = np.flatnonzero(outcome & inside & ((log.sees[told.child] & log.watched_by[told.source]) > 0))
    was = np.maximum(first[rows] - 1, 0)
    group = _group(log, told.child[rows], told.week[rows], told.history[was])
    outcomes = (told.edge[rows] * N_GROUPS + group) * n_bands
    events = np.bincount(np.concatenate([cell, outcomes]), minlength=tables.n_edges * N_GROUPS * n_bands)
    arrived = (told.source[rows] * N_GROUPS + group) * n_bands
    exposure += np.bincount(arrived, minlength=exposure.size)
    return Counts(
        log.journey,
        exposure.reshape(tables.n_states, N_GROUPS, n_bands),
        events.reshape(tables.n_edges, N_GROUPS, n_bands).astype(np.int64),
        {why: number for why, number in left_out.items() if number},
    )


def _spread(log: Log, told: Stays, mine: Int, start: Int, stop: Int) -> Int:
    """Return int64[S x G x B]: the weeks of stays, cut where the age band or the band of time changes."""
    tables, n_bands = log.journey.tables, log.journey.tables.max_bands
    edges = np.full((tables.n_states, n_bands + 1), FAR)
    for s, state in enumerate(log.journey.states):
        edges[s, : len(state.bands)] = state.bands
    ages = np.array([*AGE_EDGES_WEEKS[:-1], FAR])
    out = np.zeros(tables.n_states * N_GROUPS * n_bands, np.int64)
    birth = log.birth_week[told.child].astype(np.int64)
    week = start.copy()
    while mine.size:
        where, zero = told.state[mine], told.since[mine] + 1
        band = tables.band[where, np.clip(week - zero, 0, tables.band.shape[1] - 1)].astype(np.int64)
        age = np.searchsorted(ages, np.maximum(week - birth[mine], 0), side="right") - 1
        until = np.minimum(stop, np.minimum(zero + edges[where, band + 1], birth[mine] + ages[age + 1]))
        until = np.maximum(until, week + 1)  # of those not yet born
        group = _group_at(age, log.risk[told.child[mine]], told.history[mine], log.uasc[told.child[mine]])
        cell = (where * N_GROUPS + group) * n_bands + band
        # Sums of whole numbers far below 2**53: exact.
        out += np.bincount(cell, weights=until - week, minlength=out.size).astype(np.int64)
        more = until < stop
        mine, week, stop = mine[more], until[more], stop[more]
    return out


def _group(log: Log, child: Int, week: Int, history: Int) -> Int:
    age = np.maximum(week - log.birth_week[child], 0)
    band = np.searchsorted(np.array(AGE_EDGES_WEEKS[1:-1]), age, side="right")
    return _group_at(band, log.risk[child], history, log.uasc[child])


def _group_at(age: NDArray[np.int64], risk: NDArray[np.uint8], history: Int, uasc: NDArray[np.bool_]) -> Int:
    own = (age * N_RISKS + risk) * N_HISTORIES + history
    return np.where(uasc, UNACCOMPANIED_GROUP + (age == N_AGES - 1), own)


# Groups that are told apart -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grouping:
    """Which groups of the model are counted as one: `of` int[G] names one of `labels` for each."""

    labels: tuple[str, ...]
    of: Int

    @property
    def size(self) -> int:
        """The number of groups that are told apart."""
        return len(self.labels)

    def pooled(self, counts: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Return [X, groups, B] from [X, G, B]: sums."""
        out = np.zeros((counts.shape[0], self.size, counts.shape[2]))
        for group, into in enumerate(self.of.tolist()):
            out[:, into] += counts[:, group]
        return out


def grouping(risk_known: bool) -> Grouping:
    """Return age band by history, and by risk class where that is known; unaccompanied children by age."""
    age, risk, history = np.unravel_index(np.arange(UNACCOMPANIED_GROUP), (N_AGES, N_RISKS, N_HISTORIES))
    alone = ("unaccompanied, under 16", "unaccompanied, 16-17")
    if risk_known:
        labels = [
            f"{AGE_BANDS[a]}, {HISTORIES[h]}, {RISK_CLASSES[r]} risk"
            for a, r, h in zip(age, risk, history, strict=True)
        ]
        return Grouping((*labels, *alone), np.arange(N_GROUPS))
    own = age * N_HISTORIES + history
    labels = [f"{a}, {h}" for a in AGE_BANDS for h in HISTORIES]
    return Grouping((*labels, *alone), np.append(own, [len(labels), len(labels) + 1]))
