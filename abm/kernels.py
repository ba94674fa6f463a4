"""The compiled inner loops over children: arrays in, arrays changed. No file, no table library, no opinion.

Everything that decides what happens to a child is whole numbers: a 32-bit draw is compared with a threshold. The loops
stand in one file with what they share, because numba compiles a function again only when its own file has changed: were
`list_options` elsewhere, a change of `group_at` would not reach the copy of it that is kept.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.compiled import compiled
from abm.draws import BLOCK, any_below, kernel_word
from abm.parameters import CERTAIN
from abm.pathway import (
    AGE_EDGES_WEEKS,
    N_AGES,
    N_HISTORIES,
    N_RISKS,
    UNACCOMPANIED_GROUP,
    WEEKS_PER_YEAR,
    WEEKS_TO_18,
    Journey,
)

_AGE_EDGES = np.array(AGE_EDGES_WEEKS, np.int64)
_CERTAIN, _NO_DRAW = np.uint64(CERTAIN), np.uint64(0)
_FAR = 1 << 30


class Edges(NamedTuple):
    """A Journey as the loops read it: S states, E edges, C weeks of clock.

    weekly_first  int32[S+1]    weekly edges of state s: weekly[weekly_first[s] : weekly_first[s+1]]
    weekly        int32[.]      edges that happen by a weekly chance
    outcome_first int32[S+1]    likewise for the outcomes of states left at once
    outcome       int32[.]
    birthday      int32[S]      edge taken at 18, -1 for none
    departure     int32[S]      edge taken in the child's planned leave week, -1 for none
    target        int32[E]      state after the edge
    history       int32[E]      least history after the edge
    clock_at      int32[E]      weeks on a new clock on arrival
    purpose       uint64[E]     what the edge's draws are keyed by
    clock         int32[S]      states with equal numbers share a clock
    at_once       bool[S]
    band          int32[S, C]   band of time by weeks on the clock
    band_until    int32[S, C]   weeks on the clock at which the next band begins
    """

    weekly_first: NDArray[np.int32]
    weekly: NDArray[np.int32]
    outcome_first: NDArray[np.int32]
    outcome: NDArray[np.int32]
    birthday: NDArray[np.int32]
    departure: NDArray[np.int32]
    target: NDArray[np.int32]
    history: NDArray[np.int32]
    clock_at: NDArray[np.int32]
    purpose: NDArray[np.uint64]
    clock: NDArray[np.int32]
    at_once: NDArray[np.bool_]
    band: NDArray[np.int32]
    band_until: NDArray[np.int32]


class People(NamedTuple):
    """The children of a run, all arrays of N; state, history and since change as weeks pass.

    `enter_edge` is -1 for children who are there on day one; `since` is the week the child's clock began.
    """

    child: NDArray[np.int32]
    birth_week: NDArray[np.int32]
    risk: NDArray[np.uint8]
    uasc: NDArray[np.bool_]
    enter_week: NDArray[np.int32]
    enter_edge: NDArray[np.int16]
    leave_week: NDArray[np.int32]
    state: NDArray[np.uint8]
    history: NDArray[np.uint8]
    since: NDArray[np.int32]


def edges_of(journey: Journey) -> Edges:
    """Return a journey as the loops read it."""
    tables = journey.tables
    n_states = tables.n_states

    def listed(which: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        edges = np.flatnonzero(which)
        return np.searchsorted(tables.source[edges], np.arange(n_states + 1)).astype(np.int32), edges.astype(np.int32)

    departure = np.full(n_states, -1, np.int32)
    if "moved_away" in journey.transition_index:
        for e in journey.edges_of("moved_away"):
            departure[tables.source[e]] = e
    band = tables.band.astype(np.int32)
    until = np.full(band.shape, _FAR, np.int32)
    for k in range(band.shape[1] - 2, -1, -1):
        until[:, k] = np.where(band[:, k + 1] != band[:, k], k + 1, until[:, k + 1])
    return Edges(
        *listed(tables.weekly),
        *listed(tables.outcome),
        birthday=tables.birthday.astype(np.int32),
        departure=departure,
        target=tables.target.astype(np.int32),
        history=tables.history.astype(np.int32),
        clock_at=tables.clock_at.astype(np.int32),
        purpose=tables.purpose.astype(np.uint64),
        clock=tables.clock.astype(np.int32),
        at_once=tables.at_once,
        band=band,
        band_until=until,
    )


@compiled(inline=True)
def age_band(age: Any) -> Any:
    """Return the age band of an age in weeks; ages beyond 18 stay in the last one."""
    band = 0
    for a in range(1, N_AGES):
        if age >= _AGE_EDGES[a]:
            band = a
    return band


@compiled(inline=True)
def group_at(age: Any, risk: Any, history: Any, uasc: Any) -> Any:
    """Return the group whose rates a child has at an age in weeks."""
    if uasc:
        return UNACCOMPANIED_GROUP + (1 if age >= _AGE_EDGES[N_AGES - 1] else 0)
    return (age_band(age) * N_RISKS + risk) * N_HISTORIES + history


@compiled()
def chosen_edge(
    low: Any, high: Any, child: Any, week: Any, edges: Any, chances: Any, state: Any, group: Any, band: Any
) -> Any:
    """Return the weekly edge a child takes this week (-1 for none), its threshold and its draw.

    Each edge has its own draw. If several fire, the one with the smallest draw / threshold is taken: given that two
    fire, each draw is uniform below its threshold, so the order is fair and no edge's luck depends on another's rate.
    The ratios are compared as whole numbers: draw < 2**32 and threshold <= 2**32, so the products stay below 2**64.

    chances  uint64[E, G, B]  thresholds of this year
    """
    best, best_threshold, best_draw = -1, _CERTAIN, _NO_DRAW
    stamp = np.uint64(week)
    for x in range(edges.weekly_first[state], edges.weekly_first[state + 1]):
        edge = edges.weekly[x]
        threshold = chances[edge, group, band]
        if threshold > 0:
            draw = kernel_word(low, high, child, stamp, edges.purpose[edge])
            if draw < threshold and (best < 0 or draw * best_threshold < best_draw * threshold):
                best, best_threshold, best_draw = int(edge), threshold, draw
    return best, best_threshold, best_draw


@compiled()
def quiet_until(
    low: Any, high: Any, child: Any, week: Any, end: Any, edges: Any, chances: Any, state: Any, group: Any, band: Any
) -> Any:
    """Return the first week from `week` on that may hold an event, looking a block of weeks at a time.

    Every threshold is the same in [week, end). Draws beyond `end` may be looked at too: they can only end the wait
    early, never hide an event.
    """
    first, last = edges.weekly_first[state], edges.weekly_first[state + 1]
    while week < end:
        for x in range(first, last):
            edge = edges.weekly[x]
            threshold = chances[edge, group, band]
            if threshold > 0 and any_below(low, high, child, np.uint64(week), edges.purpose[edge], threshold):
                return week
        week += BLOCK
    return end


@compiled(nogil=True)
def advance_span(
    start: Any,
    stop: Any,
    begin: Any,
    low: Any,
    high: Any,
    edges: Any,
    thresholds: Any,
    people: Any,
    rows: Any,
    n_rows: Any,
    keep: Any,
    flows: Any,
) -> Any:
    """Advance children `begin` and after from week `start` to before week `stop`, in place.

    low, high   uint64             halves of the seed
    thresholds  uint64[Y, E, G, B] by model year; the last year serves for the weeks after it
    rows        Rows               the log so far, filled from row n_rows on when `keep`
    flows       int64[weeks, E]    events counted by week and edge

    Returns (child, n_rows, state, group): the child it stopped at (N: all done). That child and its counts are as
    before the call. State is -1 if the log was full; otherwise nothing could follow in that state for that group.
    """
    n, n_years = people.state.size, thresholds.shape[0]
    n_clock = edges.band.shape[1]
    capacity = rows.child.size
    for i in range(begin, n):
        enter_edge, enter_week = int(people.enter_edge[i]), int(people.enter_week[i])
        week = start
        if enter_edge >= 0:
            if enter_week >= stop:
                continue
            week = max(start, enter_week)
        birth, leave = int(people.birth_week[i]), int(people.leave_week[i])
        risk, uasc = int(people.risk[i]), people.uasc[i]
        state, history, since = int(people.state[i]), int(people.history[i]), int(people.since[i])
        identity = np.uint64(people.child[i])
        first_row = n_rows
        while week < stop:
            year = min(week // WEEKS_PER_YEAR, n_years - 1)
            age = week - birth
            group = group_at(age, risk, history, uasc)
            edge, threshold, draw = -1, _CERTAIN, _NO_DRAW
            if enter_edge >= 0 and week == enter_week:
                edge = enter_edge
            elif age >= WEEKS_TO_18 and edges.birthday[state] >= 0:
                edge = int(edges.birthday[state])
            elif week == leave and edges.departure[state] >= 0:
                edge = int(edges.departure[state])
            else:
                # Until `end` nothing changes but the draws.
                end = stop
                if edges.birthday[state] >= 0:
                    end = min(end, birth + WEEKS_TO_18)
                if edges.departure[state] >= 0 and leave > week:
                    end = min(end, leave)
                if edges.weekly_first[state] == edges.weekly_first[state + 1]:
                    week = end
                    continue
                if year < n_years - 1:
                    end = min(end, (year + 1) * WEEKS_PER_YEAR)
                for a in range(1, N_AGES):
                    if age < _AGE_EDGES[a]:
                        end = min(end, birth + _AGE_EDGES[a])
                clock = min(week - since - 1, n_clock - 1)
                band = edges.band[state, clock]
                end = min(end, since + 1 + edges.band_until[state, clock])
                chances = thresholds[year]
                while week < end and edge < 0:
                    upto = end
                    if end - week >= BLOCK // 2:
                        week = quiet_until(low, high, identity, week, end, edges, chances, state, group, band)
                        upto = min(week + BLOCK, end)
                    while week < upto:
                        edge, threshold, draw = chosen_edge(
                            low, high, identity, week, edges, chances, state, group, band
                        )
                        if edge >= 0:
                            break
                        week += 1
                if edge < 0:
                    continue
            step = 0
            after = history
            while True:
                if keep:
                    if n_rows == capacity:
                        for r in range(first_row, n_rows):
                            flows[rows.week[r], rows.edge[r]] -= 1
                        return i, first_row, -1, -1
                    rows.child[n_rows] = people.child[i]
                    rows.week[n_rows] = week
                    rows.step[n_rows] = step
                    rows.edge[n_rows] = edge
                    rows.threshold[n_rows] = threshold
                    rows.draw[n_rows] = draw
                    n_rows += 1
                flows[week, edge] += 1
                after = max(after, int(edges.history[edge]))
                target = int(edges.target[edge])
                if edges.clock[target] != edges.clock[state]:
                    since = week - int(edges.clock_at[edge])
                state = target
                if not edges.at_once[state]:
                    break
                # What follows in the same week: outcomes in turn, each given that none before it was taken.
                edge = -1
                for x in range(edges.outcome_first[state], edges.outcome_first[state + 1]):
                    trial = int(edges.outcome[x])
                    threshold = thresholds[year, trial, group, 0]
                    if threshold > 0:
                        draw = kernel_word(low, high, identity, np.uint64(week), edges.purpose[trial])
                        if draw < threshold:
                            edge = trial
                            break
                if edge < 0:
                    if keep:
                        for r in range(first_row, n_rows):
                            flows[rows.week[r], rows.edge[r]] -= 1
                    return i, first_row, state, group
                step += 1
            history = after
            week += 1
        people.state[i] = state
        people.history[i] = history
        people.since[i] = since
    return n, n_rows, -1, -1


@compiled(nogil=True)
def order_by_week(rows: Any, n_rows: Any, n_weeks: Any) -> Any:
    """Return int64[n_rows]: the order of log rows by week, else as they are (a stable counting sort).

    Spans are written child by child, so within a week the rows are in the order of children and steps already.
    """
    first = np.zeros(n_weeks + 1, np.int64)
    for r in range(n_rows):
        first[rows.week[r] + 1] += 1
    for week in range(n_weeks):
        first[week + 1] += first[week]
    order = np.empty(n_rows, np.int64)
    for r in range(n_rows):
        week = rows.week[r]
        order[first[week]] = r
        first[week] += 1
    return order


@compiled(nogil=True)
def list_options(
    edges: Any, thresholds: Any, people: Any, rows: Any, chosen: Any, row: Any, edge: Any, threshold: Any
) -> Any:
    """List what could have happened at each event of the chosen children, by reading their log again.

    people   People     as on day one; state, history and since are changed
    rows     Rows       the log in its canonical order; `child` is a position in `people`
    chosen   bool[N]    children whose options are listed
    row, edge, threshold  columns to fill: the event's row, the edge that was open, its threshold

    Returns the number of options; columns of length 0 are only counted.
    """
    n, n_years, n_clock = 0, thresholds.shape[0], edges.band.shape[1]
    fill = row.size > 0
    before = people.history.copy()
    for r in range(rows.child.size):
        i, week, taken = rows.child[r], int(rows.week[r]), int(rows.edge[r])
        if not chosen[i]:
            continue
        state, since = int(people.state[i]), int(people.since[i])
        if rows.step[r] == 0:
            before[i] = people.history[i]
        group = group_at(week - int(people.birth_week[i]), int(people.risk[i]), int(before[i]), people.uasc[i])
        year = min(week // WEEKS_PER_YEAR, n_years - 1)
        band, first, last = 0, edges.outcome_first[state], edges.outcome_first[state + 1]
        open_edges = edges.outcome
        if not edges.at_once[state]:
            band = edges.band[state, min(max(week - since - 1, 0), n_clock - 1)]
            first, last = edges.weekly_first[state], edges.weekly_first[state + 1]
            open_edges = edges.weekly
        by_chance = False
        for x in range(first, last):
            by_chance = by_chance or open_edges[x] == taken
        if by_chance:
            for x in range(first, last):
                chance = thresholds[year, open_edges[x], group, band]
                if chance > 0:
                    if fill:
                        row[n], edge[n], threshold[n] = r, open_edges[x], chance
                    n += 1
        else:
            if fill:
                row[n], edge[n], threshold[n] = r, taken, _CERTAIN
            n += 1
        people.history[i] = max(int(people.history[i]), int(edges.history[taken]))
        target = int(edges.target[taken])
        if edges.clock[target] != edges.clock[state]:
            people.since[i] = week - int(edges.clock_at[taken])
        people.state[i] = target
    return n
