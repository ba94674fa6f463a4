"""The compiled inner loops over children: arrays in, arrays changed. No file, no table library, no opinion.

Everything that decides what happens to a child is whole numbers: a 32-bit draw is compared with a threshold. The loops
that read what happened again are in `abm.log_kernels`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.compiled import compiled
from abm.draws import FOUR_WEEKS, kernel_philox, kernel_word
from abm.factors import NO_FACTOR, UNIT, kernel_of_family, kernel_of_weights, kernel_under_again
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
from abm.quiet import (
    chances,
    kernel_counts,
    kernel_opening,
    kernel_places,
    kernel_size,
    kernel_week,
    one_of_four,
)

_AGE_EDGES = np.array(AGE_EDGES_WEEKS, np.int64)
_CERTAIN, _NO_DRAW = np.uint64(CERTAIN), np.uint64(0)
_FAR, _FOUR_WEEKS = 1 << 30, np.uint64(FOUR_WEEKS)
_PER_UNIT, _WHOLE = float(UNIT), float(CERTAIN)
SPARE = 64.0
"""A little more, in 2**-32, so that no rounding of a chance under factors is missed."""
_LOWEST, _FIRST, _MORE = chances()


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
    quiet         bool[S]       draws are made a year at a time
    band          uint8[S, C]   band of time by weeks on the clock
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
    quiet: NDArray[np.bool_]
    band: NDArray[np.uint8]


class Chances(NamedTuple):
    """What decides, by model year; the last year serves for the weeks after it.

    thresholds  uint64[Y, G, B, E]
    cells       int8[Y, E, G, B]     of quiet states: the last cell (see `abm.quiet`) that a threshold of a band can
                                     reach within a year; it decides where is looked, and changes no result
    factored    True or None         whether a factor may be other than 1, now or later; if so, the span is one week. It
                                     is None and not False so that loops without factors are compiled for themselves
    strength    float64[Y, G, B, E]  hazards of a week and weights of outcomes: what factors act on (`abm.factors`)
    factor      int64[E, H]          by edge and history, in 1/1024
    context     int64[C, E]          by the child's context, that is its family's, and edge, in 1/1024
    limit       float64[E, H]        the largest factor that a child may come under without being looked at again
    memo        uint64[2, MEMO]      chances that were worked out before, of one run (`abm.factors`)
    """

    thresholds: NDArray[np.uint64]
    cells: NDArray[np.int8]
    factored: bool | None
    strength: NDArray[np.float64]
    factor: NDArray[np.int64]
    context: NDArray[np.int64]
    limit: NDArray[np.float64]
    memo: NDArray[np.uint64]


class People(NamedTuple):
    """The children of a run, all arrays of N; state, history, since, due and context change as weeks pass.

    `enter_edge` is -1 for children who are there on day one; `since` is the week the child's clock began; `due` is the
    first week in which something may happen to the child, at most NEVER: for a child there, 0 is always right.
    `context` is 0 where families do not matter.
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
    due: NDArray[np.int16]
    context: NDArray[np.uint8]


NEVER = (1 << 15) - 1
"""A week that no run reaches."""


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
    band = tables.band.astype(np.uint8)
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
        quiet=tables.quiet,
        band=band,
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


@compiled(inline=True)
def outcome_at_once(
    low: Any, high: Any, identity: Any, week: Any, year: Any, group: Any, history: Any, context: Any, state: Any,
    edges: Any, chances: Any, by_weight: Any,
) -> Any:  # fmt: skip
    """Return (edge, threshold, draw): outcomes in turn, each given that none before it was taken; edge -1 for none.

    by_weight  uint64[E] (of length 1 unless factored)  work space
    """
    taken, threshold, draw = -1, _CERTAIN, _NO_DRAW
    first, last = edges.outcome_first[state], edges.outcome_first[state + 1]
    weighed = False
    if chances.factored:
        for x in range(first, last):
            weighed = weighed or chances.factor[int(edges.outcome[x]), history] != UNIT
    if weighed:
        left = 0.0
        for x in range(last - 1, first - 1, -1):
            trial = int(edges.outcome[x])
            weight = chances.strength[year, group, 0, trial] * (chances.factor[trial, history] / _PER_UNIT)
            left += weight
            by_weight[x - first] = kernel_of_weights(weight, left)
    for x in range(first, last):
        trial = int(edges.outcome[x])
        threshold = by_weight[x - first] if weighed else chances.thresholds[year, group, 0, trial]
        if chances.factored:
            threshold = kernel_of_family(threshold, chances.context[context, trial])
        if threshold > 0:
            draw = kernel_word(low, high, identity, np.uint64(week), edges.purpose[trial])
            if draw < threshold:
                taken = trial
                break
    return taken, threshold, draw


@compiled(inline=True)
def may_happen(draw: Any, threshold: Any, factor: Any) -> Any:
    """Tell whether a draw may lie below what a threshold becomes when its hazard is at most `factor` times as large.

    A chance grows less than its hazard, which is at most chance / (1 - chance).
    """
    chance = float(threshold)
    if factor >= 1.0:
        chance *= factor
    elif threshold < _CERTAIN:
        chance = min(chance, factor * (chance * (_WHOLE / (_WHOLE - chance))))
    return float(draw) < chance + SPARE


@compiled(inline=True)
def list_due(due: Any, stop: Any, begin: Any, out: Any) -> Any:
    """List the children from `begin` on to whom something may happen before week `stop`; returns how many they are."""
    found, block = 0, 32
    for first in range(begin, due.size, block):
        some = due[first : first + block]
        # The least of a block is found in a few steps for all of it; in most weeks nothing is due for most.
        soonest = NEVER
        for j in range(some.size):
            soonest = min(soonest, some[j])
        if soonest < stop:
            for j in range(some.size):
                if some[j] < stop:
                    out[found] = first + j
                    found += 1
    return found


@compiled(nogil=True)
def advance_span(
    start: Any, stop: Any, begin: Any, low: Any, high: Any, edges: Any, chances: Any, people: Any, whose: Any,
    rows: Any, n_rows: Any, keep: Any, flows: Any,
) -> Any:  # fmt: skip
    """Advance children `begin` and after from week `start` to before week `stop`, in place.

    low, high   uint64             halves of the seed
    chances     Chances            of this span
    whose       int32[N]           work space
    rows        Rows               the log so far, filled from row n_rows on when `keep`
    flows       int64[weeks, E]    events counted by week and edge, where no log is kept; else see `count_flows`

    Returns (child, n_rows, state, group): the child it stopped at (N: all done), who is as before the call. State is -1
    if the log was full; otherwise nothing could follow in that state for that group.
    """
    thresholds, cells, factored = chances.thresholds, chances.cells, chances.factored
    strength, factor, by_context = chances.strength, chances.factor, chances.context
    limit = chances.limit
    n = people.state.size
    n_years, n_groups, n_bands, n_edges = thresholds.shape
    n_clock, n_weeks = edges.band.shape[1], flows.shape[0]
    capacity = rows.child.size
    taken = np.zeros(WEEKS_PER_YEAR, np.int64)
    by_weight = np.zeros(edges.target.size if factored else 1, np.uint64)
    # In short spans whoever is looked at costs more than what is looked for.
    look_ahead = stop - start < WEEKS_PER_YEAR
    drawn, drawn_for = np.zeros((edges.target.size, 4), np.uint64), np.zeros(edges.target.size, np.int64)
    for k in range(list_due(people.due, stop, begin, whose)):
        i = whose[k]
        week = max(start, int(people.due[i]))
        enter_week = int(people.enter_week[i]) if people.enter_edge[i] >= 0 else -1
        birth, leave = int(people.birth_week[i]), int(people.leave_week[i])
        risk, uasc = int(people.risk[i]), people.uasc[i]
        state, history, since = int(people.state[i]), int(people.history[i]), int(people.since[i])
        identity, context = np.uint64(people.child[i]), int(people.context[i])
        first_row = n_rows
        opened, opened_for = -1, -1
        while True:
            age = week - birth
            if week >= stop:
                # Each is looked for now as far as the next week in which something may happen.
                if not look_ahead or week >= n_weeks or enter_week >= week:
                    break
                if edges.birthday[state] >= 0 and age >= WEEKS_TO_18:
                    break
                if edges.departure[state] >= 0 and week == leave:
                    break
            year = min(week // WEEKS_PER_YEAR, n_years - 1)
            group = group_at(age, risk, history, uasc)
            edge, threshold, draw = -1, _CERTAIN, _NO_DRAW
            if week == enter_week:
                edge = int(people.enter_edge[i])
            elif age >= WEEKS_TO_18 and edges.birthday[state] >= 0:
                edge = int(edges.birthday[state])
            elif week == leave and edges.departure[state] >= 0:
                edge = int(edges.departure[state])
            else:
                # Until `end` the state can only be left by chance.
                end = enter_week if enter_week > week else _FAR
                if edges.birthday[state] >= 0:
                    end = min(end, birth + WEEKS_TO_18)
                if edges.departure[state] >= 0 and leave > week:
                    end = min(end, leave)
                first, last = edges.weekly_first[state], edges.weekly_first[state + 1]
                if first == last:
                    week = end
                    continue
                calendar = week // WEEKS_PER_YEAR
                end = min(end, (calendar + 1) * WEEKS_PER_YEAR)
                band = int(edges.band[state, min(week - since - 1, n_clock - 1)])
                if edges.quiet[state]:
                    # The first event until then, from the small draws of the year.
                    stamp, found = np.uint64(calendar), end
                    last_band = int(edges.band[state, min(end - since - 2, n_clock - 1)])
                    for x in range(first, last):
                        trial = edges.weekly[x]
                        last_cell = int(cells[year, trial, group, band])
                        for then_band in range(band + 1, last_band + 1):
                            last_cell = max(last_cell, int(cells[year, trial, group, then_band]))
                        if last_cell < 0:
                            continue
                        purpose = edges.purpose[trial]
                        if opened != trial or opened_for != calendar >> 2:
                            opened, opened_for = int(trial), calendar >> 2
                            openings = kernel_opening(low, high, identity, np.uint64(calendar >> 2), purpose)
                        opening = one_of_four(openings, calendar & 3)
                        if opening >= _LOWEST[last_cell]:
                            continue
                        cell, after, n_taken = 0, 0, 0
                        while opening >= _LOWEST[cell]:
                            cell += 1
                        counts = kernel_counts(low, high, identity, stamp, purpose, 0)
                        n_here = 1
                        while counts[0] < _FIRST[cell, n_here]:
                            n_here += 1
                        while True:
                            for turn in range(n_here):
                                if turn & 1 == 0:
                                    places = kernel_places(low, high, identity, stamp, purpose, cell, turn >> 1)
                                    which, where = places[0], places[1]
                                else:
                                    which, where = places[2], places[3]
                                then = calendar * WEEKS_PER_YEAR + kernel_week(which, taken, n_taken)
                                n_taken += 1
                                if then < week or then > found or then >= end:
                                    continue
                                trial_draw = kernel_size(where, cell)
                                then_group = group_at(then - birth, risk, history, uasc)
                                then_band = int(edges.band[state, min(then - since - 1, n_clock - 1)])
                                trial_threshold = thresholds[year, then_group, then_band, trial]
                                if then >= stop:
                                    if factored:
                                        if not may_happen(trial_draw, trial_threshold, limit[trial, history]):
                                            continue
                                    elif trial_draw >= trial_threshold:
                                        continue
                                else:
                                    if factored:
                                        under = factor[trial, history] * by_context[context, trial]
                                        if under != NO_FACTOR:
                                            place = ((year * n_groups + then_group) * n_bands + then_band) * n_edges
                                            trial_threshold = kernel_under_again(
                                                strength[year, then_group, then_band, trial], under, place + trial,
                                                chances.memo,
                                            )  # fmt: skip
                                    if trial_draw >= trial_threshold or (
                                        then == found and edge >= 0 and trial_draw * threshold >= draw * trial_threshold
                                    ):
                                        continue
                                    edge, threshold, draw = int(trial), trial_threshold, trial_draw
                                found = then
                            cell += 1
                            after += 1
                            if cell > last_cell:
                                break
                            if after & 3 == 0:
                                counts = kernel_counts(low, high, identity, stamp, purpose, after >> 2)
                            count = one_of_four(counts, after & 3)
                            n_here = 0
                            while count < _MORE[cell, WEEKS_PER_YEAR - n_taken, n_here]:
                                n_here += 1
                    week = found
                    if week >= stop:
                        edge = -1
                        if found < end:
                            break
                    group = group_at(week - birth, risk, history, uasc)
                else:
                    if not look_ahead:
                        end = min(end, stop)
                    for at in range(last - first):
                        drawn_for[at] = -1
                    ahead = False
                    while week < end:
                        group = group_at(week - birth, risk, history, uasc)
                        band = int(edges.band[state, min(week - since - 1, n_clock - 1)])
                        for x in range(first, last):
                            trial = edges.weekly[x]
                            trial_threshold = thresholds[year, group, band, trial]
                            if factored and week < stop:
                                under = factor[trial, history] * by_context[context, trial]
                                if under != NO_FACTOR:
                                    place = ((year * n_groups + group) * n_bands + band) * n_edges + trial
                                    trial_threshold = kernel_under_again(
                                        strength[year, group, band, trial], under, place, chances.memo
                                    )
                            if trial_threshold > 0:
                                at = x - first
                                if drawn_for[at] != week >> 2:
                                    drawn_for[at] = week >> 2
                                    drawn[at, 0], drawn[at, 1], drawn[at, 2], drawn[at, 3] = kernel_philox(
                                        low, high, identity, np.uint64(week >> 2), edges.purpose[trial], _FOUR_WEEKS
                                    )
                                trial_draw = drawn[at, week & 3]
                                if factored and week >= stop:
                                    ahead = ahead or may_happen(trial_draw, trial_threshold, limit[trial, history])
                                elif trial_draw < trial_threshold and (
                                    edge < 0 or trial_draw * threshold < draw * trial_threshold
                                ):
                                    edge, threshold, draw = int(trial), trial_threshold, trial_draw
                        if ahead or edge >= 0:
                            break
                        week += 1
                    if week >= stop:
                        edge = -1
                        if week < end:
                            break
                if edge < 0:
                    continue
            step = 0
            after = history
            while True:
                if keep:
                    if n_rows == capacity:
                        return i, first_row, -1, -1
                    rows.child[n_rows] = people.child[i]
                    rows.week[n_rows] = week
                    rows.step[n_rows] = step
                    rows.edge[n_rows] = edge
                    rows.threshold[n_rows] = threshold
                    rows.draw[n_rows] = draw
                    rows.context[n_rows] = context
                    n_rows += 1
                else:
                    flows[week, edge] += 1
                after = max(after, int(edges.history[edge]))
                target = int(edges.target[edge])
                if edges.clock[target] != edges.clock[state]:
                    since = week - int(edges.clock_at[edge])
                state = target
                if not edges.at_once[state]:
                    break
                # What follows in the same week.
                edge, threshold, draw = outcome_at_once(
                    low, high, identity, week, year, group, history, context, state, edges, chances, by_weight
                )
                if edge < 0:
                    return i, first_row, state, group
                step += 1
            history = after
            week += 1
        people.state[i] = state
        people.history[i] = history
        people.since[i] = since
        people.due[i] = min(week, NEVER)
    return n, n_rows, -1, -1
