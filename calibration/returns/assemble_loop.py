"""The loop that follows each child through what the returns tell of it, and writes the rows of its journey.

What a return tells is a list of facts in the order of days: a referral, the start or end of an assessment, an enquiry,
a plan, an entry into care, a move, an exit. All facts of one day are taken together: what ends, then what begins, then
where the child is now. From where it was, `assemble_routes` gives the way. So a plan that ends on the day on which
another begins is one step, and a child referred and protected on one day has gone the whole way.

The loop holds, for each child: the state, the history and the clock as the simulation does; how many assessments,
enquiries and plans are open; whether a referral is open, and whether its assessment found a child in need. Facts before
week 0 move the child but write no row: they tell where it was when the log begins.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.compiled import compiled
from abm.pathway import WEEKS_TO_18
from calibration.returns.assemble_routes import (
    AFTER_ASSESSMENT,
    BY_CONFERENCE,
    INTO_CARE,
    INTO_CARE_ALONE,
    PLAIN,
    WITHIN_CARE,
)

# Kinds of fact, in the order in which those of one day are taken.
(
    CLOSED, PROTECTION_ENDED, NEED_PLAN_ENDED, ENQUIRY_ENDED, ASSESSMENT_ENDED, PRE_PROCEEDINGS_ENDED,
    EARLY_HELP_ENDED, CARE_ENDED, DIED, REFERRED, ASSESSMENT_BEGAN, ENQUIRY_BEGAN, NEED_PLAN_BEGAN, PROTECTION_BEGAN,
    PRE_PROCEEDINGS_BEGAN, EARLY_HELP_BEGAN, CARE_BEGAN, MOVED, CLOSED_SAME_DAY,
) = range(19)  # fmt: skip

# Codes of facts. Of a closure:
CLOSED_OTHERWISE, CLOSED_AFTER_ASSESSMENT, CLOSED_BY_ORDER, CLOSED_GONE = range(4)
# Of the end of an enquiry, and of an assessment:
WITHOUT_CONFERENCE, CONFERENCE = range(2)
NOT_IN_NEED, IN_NEED = range(2)
# Of a referral:
GOES_ON, NO_FURTHER_ACTION = range(2)
# Of the end of care: a place in EXITS, or one of these.
AT_18, LOST, UNKNOWN_EXIT = 100, 101, 102
GONE_TOO = 64
"""Added to a way out of care after which the child is seen no more: died, or moved abroad."""
NEW_CARER = 128
"""Added to the state of a move where the carer changed."""
LAST_OF_18 = 2
"""Weeks before the 18th birthday in which a move to adult life counts as leaving care at 18."""

# Notes on facts: what the journey could not take as it was told; 0 for none.
(
    FINE, FILLED_IN, ASSESSMENT_PRESUMED, PLAN_PRESUMED, NO_SUCH_MOVE, NEED_AFTER_CARE, NEED_IN_CARE, REFERRED_AGAIN,
    AFTER_18, EXIT_PRESUMED, LOST_FROM_SIGHT, NO_SUCH_ORDER, AFTER_GONE, NO_SUCH_STEP, NOT_IN_CARE,
) = range(15)  # fmt: skip

# Places of the child's own numbers in `now`.
_STATE, _HISTORY, _SINCE, _WEEK, _STEP, _ROW, _FULL = range(7)
N_NOW = 7
_NEVER = np.int64(1) << 40


@compiled()
def take(edge: Any, week: Any, child: Any, inferred: Any, edges: Any, now: Any, out: Any) -> Any:
    """Take an edge in a week: move the child, and write a row unless it is before week 0."""
    state = now[_STATE]
    if now[_WEEK] == week:
        now[_STEP] += 1
    else:
        now[_WEEK], now[_STEP] = week, 0
    if week >= 0:
        row = now[_ROW]
        if row >= out.child.size:
            now[_FULL] = 1
        else:
            out.child[row] = child
            out.week[row] = week
            out.step[row] = now[_STEP]
            out.edge[row] = edge
            out.inferred[row] = inferred
            now[_ROW] = row + 1
    target = edges.target[edge]
    now[_HISTORY] = max(now[_HISTORY], edges.history[edge])
    if edges.clock[target] != edges.clock[state]:
        now[_SINCE] = week - edges.clock_at[edge]
    now[_STATE] = target
    return 0


@compiled()
def go(
    way: Any, goal: Any, week: Any, child: Any, told: Any, last_inferred: Any, edges: Any, ways: Any, now: Any, out: Any
) -> Any:  # fmt: skip
    """Go to a state by the shortest way; returns how many rows were filled in, or -1 where no way leads there.

    The last `told` rows are told by the return, unless `last_inferred`; those before are filled in.
    """
    steps, state = 0, now[_STATE]
    while state != goal:
        edge = ways.next_edge[way, state, goal]
        if edge < 0:
            return -1
        state = edges.target[edge]
        steps += 1
    for step in range(steps):
        edge = ways.next_edge[way, now[_STATE], goal]
        take(edge, week, child, last_inferred or step < steps - told, edges, now, out)
    return max(steps - told, 0)


@compiled()
def pass_time(until: Any, child: Any, adult: Any, states: Any, edges: Any, now: Any, out: Any) -> Any:
    """Let happen what happens by the calendar up to the week `until`: six years at home after care, and birthdays."""
    if now[_STATE] == states.reunified:
        settled = now[_SINCE] + states.settled_weeks
        if settled <= until and settled < adult:
            take(states.settled_edge, settled, child, False, edges, now, out)
    if adult <= until and edges.birthday[now[_STATE]] >= 0:
        take(edges.birthday[now[_STATE]], adult, child, False, edges, now, out)
    return 0


@compiled(nogil=True)
def follow(
    first: Any, week: Any, day: Any, kind: Any, code: Any, birth: Any, alone: Any, known_before: Any, n_weeks: Any,
    edges: Any, states: Any, ways: Any, now: Any, out: Any, note: Any, entry: Any,
) -> Any:  # fmt: skip
    """Follow every child through its facts; returns the number of rows, or -1 where `out` was too short.

    first        int64[N+1]   the first fact of each child
    week, day    int32[F]     of each fact, in order within a child
    kind, code   uint8[F]
    birth        int32[N]     week of birth
    alone        bool[N]      came to the country alone
    known_before uint8[N]     least history the child is known to have had before
    edges        Edges        columns of the journey's tables
    states       States       numbers of the states and edges named in the text
    ways         Routes
    out          columns of the log, filled
    note         uint8[F]     filled
    entry        columns for each child, filled
    """
    now[_ROW] = 0
    for child in range(first.size - 1):
        begin, end = first[child], first[child + 1]
        adult = birth[child] + WEEKS_TO_18
        now[_STATE] = states.at_home
        if alone[child] and begin < end and kind[begin] == CARE_BEGAN:
            now[_STATE] = states.elsewhere
        now[_HISTORY], now[_SINCE], now[_WEEK], now[_STEP] = known_before[child], birth[child], -_NEVER, 0
        n_open, n_assessment, n_enquiry, n_plan, n_protection, n_pre, n_help = 0, 0, 0, 0, 0, 0, 0
        in_need, referral, gone, dead = False, -1, -1, False
        entered = False
        f = begin
        while f < end:
            this_day, this_week = day[f], week[f]
            # The state 'referred' is left in its own week: whoever waits for an assessment is being assessed.
            if now[_STATE] == states.referred and now[_WEEK] != this_week:
                go(PLAIN, states.being_assessed, now[_WEEK], child, 1, True, edges, ways, now, out)
                if referral >= 0 and note[referral] == FINE:
                    note[referral] = ASSESSMENT_PRESUMED
            last, begins = f, False
            while last < end and day[last] == this_day:
                begins = begins or (kind[last] >= REFERRED and kind[last] != CLOSED_SAME_DAY)
                last += 1
            if f == begin and adult <= this_week:
                now[_STATE] = states.grown_up
            if gone >= 0 and begins and not dead:
                # Seen again after all.
                gone = -1
                if edges.care[now[_STATE]] and kind[f] != CARE_BEGAN and adult > this_week:
                    leave_care(UNKNOWN_EXIT, f, this_week, child, True, edges, states, ways, now, out, note)
            if gone < 0 and f > begin:
                pass_time(min(this_week, -1), child, adult, states, edges, now, out)
            if this_week >= 0 and not entered:
                entered = True
                write_entry(entry, child, f > begin, this_week, now, birth[child], alone[child], states)
            if gone < 0 and f > begin:
                pass_time(this_week, child, adult, states, edges, now, out)
            way, order, into_care, closed_same_day, leaves = PLAIN, False, False, False, False
            for x in range(f, last):
                k, c = kind[x], code[x]
                left = edges.left[now[_STATE]]
                if dead and k >= REFERRED and k != CLOSED_SAME_DAY:
                    note[x] = AFTER_GONE
                    continue
                if left and now[_STATE] != states.elsewhere:
                    if k >= REFERRED and k != CLOSED_SAME_DAY:
                        note[x] = AFTER_18
                    continue
                if k == CLOSED or k == CLOSED_SAME_DAY:
                    if n_open > 0:
                        n_open -= 1
                    if k == CLOSED_SAME_DAY:
                        closed_same_day = True
                    if c == CLOSED_AFTER_ASSESSMENT:
                        way = AFTER_ASSESSMENT
                    elif c == CLOSED_BY_ORDER:
                        order = True
                    leaves = leaves or c == CLOSED_GONE
                elif k == PROTECTION_ENDED:
                    n_protection = max(n_protection - 1, 0)
                elif k == NEED_PLAN_ENDED:
                    n_plan = max(n_plan - 1, 0)
                elif k == ENQUIRY_ENDED:
                    n_enquiry = max(n_enquiry - 1, 0)
                    if c == CONFERENCE and way == PLAIN:
                        way = BY_CONFERENCE
                elif k == ASSESSMENT_ENDED:
                    n_assessment = max(n_assessment - 1, 0)
                    in_need = in_need or c == IN_NEED
                elif k == PRE_PROCEEDINGS_ENDED:
                    n_pre = max(n_pre - 1, 0)
                elif k == EARLY_HELP_ENDED:
                    n_help = max(n_help - 1, 0)
                elif k == DIED:
                    gone, dead = this_week + 1, True
                elif k == CARE_ENDED:
                    if not edges.care[now[_STATE]]:
                        if not left:
                            note[x] = NOT_IN_CARE
                        continue
                    if c == LOST:
                        note[x], gone = LOST_FROM_SIGHT, this_week
                        continue
                    if c == AT_18 and this_week >= adult - LAST_OF_18:
                        continue
                    leave_care(c, x, this_week, child, False, edges, states, ways, now, out, note)
                    if c < AT_18 and c & GONE_TOO:
                        gone = this_week + 1
                elif k == REFERRED:
                    if edges.care[now[_STATE]]:
                        note[x] = NEED_IN_CARE
                    elif edges.after_care[now[_STATE]]:
                        note[x] = NEED_AFTER_CARE
                    if n_open > 0:
                        note[x] = REFERRED_AGAIN
                    elif not edges.care[now[_STATE]] and not edges.after_care[now[_STATE]]:
                        # What ended today is behind the child before it is referred anew.
                        goal = where(
                            n_open, n_assessment, n_enquiry, n_plan, n_protection, n_pre, n_help, in_need, False,
                            edges, states, now,
                        )  # fmt: skip
                        go(way, goal, this_week, child, 1, False, edges, ways, now, out)
                        way = PLAIN
                        if now[_STATE] == states.at_home or now[_STATE] == states.early_help:
                            go(PLAIN, states.referred, this_week, child, 1, False, edges, ways, now, out)
                            referral = x
                            if c == NO_FURTHER_ACTION:
                                go(PLAIN, states.at_home, this_week, child, 1, False, edges, ways, now, out)
                        elif now[_STATE] == states.elsewhere:
                            go(INTO_CARE, states.referred, this_week, child, 1, False, edges, ways, now, out)
                            note[x] = FILLED_IN
                            referral = x
                        else:
                            note[x] = REFERRED_AGAIN
                    if c != NO_FURTHER_ACTION:
                        in_need = in_need and n_open > 0
                        n_open += 1
                elif k == ASSESSMENT_BEGAN:
                    n_assessment += 1
                elif k == ENQUIRY_BEGAN:
                    n_enquiry += 1
                elif k == NEED_PLAN_BEGAN:
                    n_plan += 1
                    if now[_STATE] == states.under_enquiry:
                        n_enquiry = 0
                elif k == PROTECTION_BEGAN:
                    n_protection += 1
                    n_enquiry = 0
                elif k == PRE_PROCEEDINGS_BEGAN:
                    n_pre += 1
                elif k == EARLY_HELP_BEGAN:
                    n_help += 1
                elif k == CARE_BEGAN:
                    if edges.care[now[_STATE]]:
                        # In care, and comes into care: in between it left, by a way that is not told.
                        leave_care(UNKNOWN_EXIT, x, this_week, child, True, edges, states, ways, now, out, note)
                    into_care = True
                    n_enquiry = 0
                    enter_way = INTO_CARE
                    if alone[child] and now[_STATE] == states.elsewhere:
                        enter_way = INTO_CARE_ALONE
                    filled = go(enter_way, states.entering, this_week, child, 1, False, edges, ways, now, out)
                    filled += max(go(WITHIN_CARE, c, this_week, child, 1, False, edges, ways, now, out), 0)
                    if filled > 0 and note[x] == FINE:
                        note[x] = FILLED_IN
                elif k == MOVED:
                    if not edges.care[now[_STATE]]:
                        note[x] = NOT_IN_CARE
                        continue
                    home = c & (NEW_CARER - 1)
                    if home != now[_STATE]:
                        filled = go(WITHIN_CARE, home, this_week, child, 1, False, edges, ways, now, out)
                        if filled != 0:
                            note[x] = FILLED_IN if filled > 0 else NO_SUCH_STEP
                    elif c & NEW_CARER:
                        if ways.again[home] >= 0:
                            take(ways.again[home], this_week, child, False, edges, now, out)
                        else:
                            note[x] = NO_SUCH_MOVE
            # Where the child is now, as far as need goes.
            state = now[_STATE]
            if not edges.care[state] and not edges.after_care[state] and not edges.left[state]:
                goal = where(
                    n_open, n_assessment, n_enquiry, n_plan, n_protection, n_pre, n_help, in_need,
                    closed_same_day, edges, states, now,
                )  # fmt: skip
                if order and goal == states.at_home:
                    if state == states.protected or state == states.pre_proceedings:
                        goal = states.kin
                    else:
                        note[last - 1] = NO_SUCH_ORDER
                # Assessed and closed on the day of the referral: it was assessed all the same.
                if state == states.referred and goal == states.at_home:
                    for x in range(f, last):
                        if kind[x] == ASSESSMENT_BEGAN:
                            go(PLAIN, states.being_assessed, this_week, child, 1, False, edges, ways, now, out)
                            break
                    state = now[_STATE]
                if goal != state:
                    presumed = goal == states.in_need and n_plan == 0 and (
                        state == states.being_assessed or state == states.under_enquiry
                    ) and way != BY_CONFERENCE  # fmt: skip
                    filled = go(way, goal, this_week, child, 1, presumed, edges, ways, now, out)
                    which = last - 1
                    if filled < 0:
                        note[which] = NO_SUCH_STEP
                    elif filled > 0:
                        note[which] = FILLED_IN
                    elif presumed and note[which] == FINE:
                        note[which] = PLAN_PRESUMED
            elif (edges.after_care[state] or edges.care[state]) and not into_care:
                for x in range(f, last):
                    if kind[x] >= ASSESSMENT_BEGAN and kind[x] <= EARLY_HELP_BEGAN and note[x] == FINE:
                        note[x] = NEED_AFTER_CARE if edges.after_care[state] else NEED_IN_CARE
            if leaves and gone < 0 and not edges.care[now[_STATE]]:
                gone = this_week + 1
            f = last
        if now[_STATE] == states.referred:
            go(PLAIN, states.being_assessed, now[_WEEK], child, 1, True, edges, ways, now, out)
            if referral >= 0 and note[referral] == FINE:
                note[referral] = ASSESSMENT_PRESUMED
        if gone < 0 and begin < end:
            pass_time(-1, child, adult, states, edges, now, out)
        if not entered:
            write_entry(entry, child, True, 0, now, birth[child], alone[child], states)
        if gone < 0 and begin < end:
            pass_time(n_weeks - 1, child, adult, states, edges, now, out)
        entry.seen_to[child] = n_weeks if gone < 0 else min(gone, n_weeks)
    return -1 if now[_FULL] else now[_ROW]


@compiled()
def write_entry(
    entry: Any, child: Any, before: Any, week: Any, now: Any, birth: Any, alone: Any, states: Any
) -> Any:  # fmt: skip
    """Note how a child comes into sight: already there when the log begins, or by what happens in this week."""
    entry.state[child] = now[_STATE]
    entry.history[child] = now[_HISTORY]
    if before:
        entry.since_week[child], entry.enter_week[child], entry.seen_from[child] = now[_SINCE], 0, 0
    else:
        arrives = now[_STATE] == states.elsewhere
        entry.since_week[child] = week if arrives else birth
        entry.enter_week[child], entry.seen_from[child] = week, week + 1
        if arrives and alone:
            entry.enter_edge[child] = states.came_alone_edge
    return 0


@compiled()
def leave_care(
    code: Any, fact: Any, week: Any, child: Any, presumed: Any, edges: Any, states: Any, ways: Any, now: Any, out: Any,
    note: Any,
) -> Any:  # fmt: skip
    """Take a child out of care by the way that is told."""
    which = states.other_exit
    if code == UNKNOWN_EXIT:
        presumed = True
    elif code < AT_18:
        which = code & (GONE_TOO - 1)
    if presumed:
        note[fact] = EXIT_PRESUMED
    while True:
        edge = ways.exit_edge[which, now[_STATE]]
        if edge < 0:
            note[fact] = NO_SUCH_STEP
            break
        out_of_care = ways.exits[edge]
        take(edge, week, child, presumed or not out_of_care, edges, now, out)
        if out_of_care:
            break
        note[fact] = FILLED_IN
    return 0


@compiled()
def where(
    n_open: Any, n_assessment: Any, n_enquiry: Any, n_plan: Any, n_protection: Any, n_pre: Any, n_help: Any,
    in_need: Any, same_day: Any, edges: Any, states: Any, now: Any,
) -> Any:  # fmt: skip
    """Return the state of a child outside care, from what is open: the highest of all that is."""
    state = now[_STATE]
    on_plan = state == states.in_need or state == states.in_need_under_enquiry
    if state == states.pre_proceedings and n_protection > 0:
        return state
    if n_protection > 0:
        return states.pre_proceedings if n_pre > 0 else states.protected
    if n_enquiry > 0:
        if on_plan or ((n_plan > 0 or in_need) and state != states.under_enquiry):
            return states.in_need_under_enquiry
        return states.under_enquiry
    if n_plan > 0:
        return states.in_need
    if n_open > 0:
        if in_need or on_plan or state == states.protected or state == states.pre_proceedings:
            return states.in_need
        if state == states.under_enquiry:
            return state
        if state == states.referred and n_assessment == 0 and not same_day:
            return state
        return states.being_assessed
    if state == states.referred and same_day:
        return states.at_home
    return states.early_help if n_help > 0 else states.at_home
