"""The loop that follows each child through what the returns tell of it, and writes the rows of its journey.

What a return tells is a list of facts in the order of days: a referral, the start or end of an assessment, an enquiry,
a plan, an entry into care, a move, an exit. All facts of one day are taken together: what ends, then what begins, then
where the child is now. From where it was, `assemble_routes` gives the way. So a plan that ends on the day on which
another begins is one step, and a child referred and protected on one day has gone the whole way.

The loop holds, for each child: the state, the history and the clock as the simulation does; how many assessments,
enquiries and plans are open; whether a referral is open, and whether a child in need was found. Facts before week 0
move the child but write no row: they tell where it was when the log begins.

Everything about the journey is in a few arrays of whole numbers, which keeps compiling short. All constants stand in
this file: compiled code is kept under what the file holds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.compiled import compiled
from abm.pathway import WEEKS_TO_18

# Kinds of fact, in the order in which those of one day are taken. What ends is 9 before what begins.
(
    CLOSED, ASSESSMENT_ENDED, ENQUIRY_ENDED, NEED_PLAN_ENDED, PROTECTION_ENDED, PRE_PROCEEDINGS_ENDED,
    EARLY_HELP_ENDED, CARE_ENDED, DIED, REFERRED, ASSESSMENT_BEGAN, ENQUIRY_BEGAN, NEED_PLAN_BEGAN, PROTECTION_BEGAN,
    PRE_PROCEEDINGS_BEGAN, EARLY_HELP_BEGAN, CARE_BEGAN, MOVED, CLOSED_SAME_DAY,
) = range(19)  # fmt: skip

# Codes of facts. Of a closure:
CLOSED_OTHERWISE, CLOSED_AFTER_ASSESSMENT, CLOSED_BY_ORDER, CLOSED_GONE, CLOSED_UNSEEN = range(5)
# Of the end of an enquiry, and of an assessment:
WITHOUT_CONFERENCE, CONFERENCE, CAPPED = range(3)
NOT_IN_NEED, FOUND_IN_NEED = range(2)
# Of a referral:
GOES_ON, NO_FURTHER_ACTION = range(2)
# Of the end of care: a place in EXITS, or one of these.
AT_18, LOST, UNKNOWN_EXIT = 100, 101, 102
GONE_TOO = 64
"""Added to a way out of care after which the child is seen no more: died, or moved abroad."""
NEW_CARER = 128
"""Added to the state of a move where the carer changed."""
PRESUMED = 128
"""Added to the first home where it is not told that care began then."""
ENDED_UNSEEN = 1
"""Of the end of a plan in a year without a return."""
LAST_OF_18 = 2
"""Weeks before the 18th birthday in which a move to adult life counts as leaving care at 18."""

PLAIN, AFTER_ASSESSMENT, BY_CONFERENCE, INTO_CARE, INTO_CARE_ALONE, WITHIN_CARE = range(6)
"""Kinds of way, the first index of `Ways.towards`: between states of need as a case goes on or is closed; where it was
closed after an assessment without further action; where a conference decided; to the door of care, of children with a
family here and of those who came alone; between homes."""
N_WAYS = 6

# Notes on facts: what the journey could not take as it was told; 0 for none.
(
    FINE, FILLED_IN, ASSESSMENT_PRESUMED, PLAN_PRESUMED, NO_SUCH_MOVE, NEED_AFTER_CARE, NEED_IN_CARE, REFERRED_AGAIN,
    AFTER_18, EXIT_PRESUMED, LOST_FROM_SIGHT, NO_SUCH_ORDER, AFTER_DEATH, NO_SUCH_STEP, NOT_IN_CARE,
    ENQUIRY_CAPPED,
) = range(16)  # fmt: skip

# Columns of `Ways.edges` and `Ways.states`, places in `Ways.named`.
TARGET, HISTORY, CLOCK_AT, OUT_OF_CARE = range(4)
CLOCK, BIRTHDAY, AGAIN, STAGE = range(4)
NEEDS, CARE, AFTER_CARE, LEFT = range(4)
"""Kinds of state in the column STAGE: returns of need move the child; looked after; after care; not in the area."""
(
    S_HOME, S_ELSEWHERE, S_REFERRED, S_EARLY_HELP, S_ASSESSED, S_ENQUIRY, S_IN_NEED, S_IN_NEED_ENQUIRY, S_PROTECTED,
    S_LETTER, S_ENTERING, S_REUNIFIED, S_KIN, S_GROWN_UP, E_SETTLED, W_SETTLED, E_ALONE, X_OTHER,
) = range(18)  # fmt: skip

# Columns of `out` and of `entry`.
O_CHILD, O_WEEK, O_STEP, O_EDGE, O_INFERRED = range(5)
N_STATE, N_HISTORY, N_SINCE, N_WEEK, N_EDGE, N_FROM, N_TO = range(7)

# The child's own numbers. From _OPEN on: what is open, by the kind of what began less REFERRED; a case first.
(
    _STATE, _HISTORY, _SINCE, _WEEK, _STEP, _ROW, _FULL, _ADULT, _IN_NEED, _REFERRAL, _GONE, _DEAD, _ENTERED, _WAY,
    _ORDER, _ASSESSED, _INTO_CARE, _LEAVES, _LAST_TOLD, _UNSEEN, _OPEN,
) = range(21)  # fmt: skip
N_NOW = _OPEN + 7
_CASE, _ASSESSMENT, _ENQUIRY, _NEED_PLAN, _PROTECTION, _LETTER, _HELP = range(_OPEN, N_NOW)
_FAR = np.int64(1) << 40
"""No week: of a child who is not gone; below its negative nothing has happened."""


class Ways(NamedTuple):
    """The journey as the loop reads it.

    edges   int64[E, 4]          target, least history after it, weeks on a new clock, whether it leads out of care
    states  int64[S, 4]          clock, edge at 18 or -1, edge to another home of the kind or -1, kind of state
    towards int16[N_WAYS, S, S]  `Routes.next_edge`
    out     int16[EXITS, S]      `Routes.exit_edge`
    named   int64[18]            states, edges and numbers that the text names
    """

    edges: NDArray[np.int64]
    states: NDArray[np.int64]
    towards: NDArray[np.int16]
    out: NDArray[np.int16]
    named: NDArray[np.int64]


@compiled()
def take(edge: Any, week: Any, child: Any, inferred: Any, ways: Any, now: Any, out: Any) -> Any:
    """Take an edge in a week: move the child, and write a row unless it is before week 0."""
    state, target = now[_STATE], ways.edges[edge, TARGET]
    now[_STEP] = now[_STEP] + 1 if now[_WEEK] == week else 0
    now[_WEEK] = week
    if week >= 0:
        row = now[_ROW]
        if row >= out.shape[0]:
            now[_FULL] = 1
        else:
            out[row, O_CHILD], out[row, O_WEEK], out[row, O_STEP] = child, week, now[_STEP]
            out[row, O_EDGE], out[row, O_INFERRED] = edge, 1 if inferred else 0
            now[_ROW] = row + 1
    now[_HISTORY] = max(now[_HISTORY], ways.edges[edge, HISTORY])
    if ways.states[target, CLOCK] != ways.states[state, CLOCK]:
        now[_SINCE] = week - ways.edges[edge, CLOCK_AT]
    now[_STATE] = target
    return 0


@compiled()
def go(way: Any, goal: Any, week: Any, child: Any, last_inferred: Any, ways: Any, now: Any, out: Any) -> Any:
    """Go to a state by the shortest way; returns how many rows were filled in, or -1 where no way leads there.

    The last row is told by the return, unless `last_inferred`; those before it are filled in.
    """
    steps, state = 0, now[_STATE]
    while state != goal:
        edge = ways.towards[way, state, goal]
        if edge < 0:
            return -1
        state = ways.edges[edge, TARGET]
        steps += 1
    for step in range(steps):
        take(ways.towards[way, now[_STATE], goal], week, child, last_inferred or step + 1 < steps, ways, now, out)
    return max(steps - 1, 0)


@compiled()
def leave_care(code: Any, fact: Any, week: Any, child: Any, ways: Any, now: Any, out: Any, note: Any) -> Any:
    """Take a child out of care by the way that is told, or for another reason."""
    if ways.states[now[_STATE], STAGE] != CARE:
        return 0
    presumed = code == UNKNOWN_EXIT
    which = code & (GONE_TOO - 1) if code < AT_18 else ways.named[X_OTHER]
    if presumed:
        note[fact] = EXIT_PRESUMED
    while ways.states[now[_STATE], STAGE] == CARE:
        edge = ways.out[which, now[_STATE]]
        if edge < 0:
            note[fact] = NO_SUCH_STEP
            break
        ends = ways.edges[edge, OUT_OF_CARE]
        if not ends:
            note[fact] = FILLED_IN
        take(edge, week, child, presumed or not ends, ways, now, out)
    return 0


@compiled()
def settle_referral(child: Any, ways: Any, now: Any, out: Any, note: Any) -> Any:
    """Leave the state 'referred' in its own week: whoever waits for an assessment is being assessed."""
    if now[_STATE] == ways.named[S_REFERRED]:
        go(PLAIN, ways.named[S_ASSESSED], now[_WEEK], child, True, ways, now, out)
        if now[_REFERRAL] >= 0 and note[now[_REFERRAL]] == FINE:
            note[now[_REFERRAL]] = ASSESSMENT_PRESUMED
    return 0


@compiled()
def pass_time(until: Any, child: Any, ways: Any, now: Any, out: Any) -> Any:
    """Let happen what happens by the calendar up to the week `until`: six years at home after care, and birthdays."""
    adult = now[_ADULT]
    if now[_STATE] == ways.named[S_REUNIFIED]:
        settled = now[_SINCE] + ways.named[W_SETTLED]
        if settled <= until and settled < adult:
            take(ways.named[E_SETTLED], settled, child, False, ways, now, out)
    edge = ways.states[now[_STATE], BIRTHDAY]
    if adult <= until and edge >= 0:
        take(edge, adult, child, False, ways, now, out)
    return 0


@compiled()
def where(ways: Any, now: Any) -> Any:
    """Return the state of a child outside care, from what is open: the highest of all that is."""
    state, named = now[_STATE], ways.named
    letter, protected = named[S_LETTER], named[S_PROTECTED]
    on_plan = state == named[S_IN_NEED] or state == named[S_IN_NEED_ENQUIRY]
    if now[_PROTECTION] > 0:
        return letter if state == letter or now[_LETTER] > 0 else protected
    if now[_ENQUIRY] > 0:
        if on_plan or ((now[_NEED_PLAN] > 0 or now[_IN_NEED]) and state != named[S_ENQUIRY]):
            return named[S_IN_NEED_ENQUIRY]
        return named[S_ENQUIRY]
    if now[_NEED_PLAN] > 0:
        return named[S_IN_NEED]
    if now[_CASE] > 0:
        if now[_IN_NEED] or on_plan or state == protected or state == letter:
            return named[S_IN_NEED]
        if state == named[S_ENQUIRY]:
            return state
        if state == named[S_REFERRED] and now[_ASSESSMENT] == 0 and not now[_ASSESSED]:
            return state
        return named[S_ASSESSED]
    return named[S_EARLY_HELP] if now[_HELP] > 0 else named[S_HOME]


@compiled()
def refer(fact: Any, code: Any, week: Any, child: Any, ways: Any, now: Any, out: Any, note: Any) -> Any:
    """Take a referral."""
    kind, named = ways.states[now[_STATE], STAGE], ways.named
    if kind == CARE or kind == AFTER_CARE:
        note[fact] = NEED_IN_CARE if kind == CARE else NEED_AFTER_CARE
    if now[_CASE] > 0:
        note[fact] = REFERRED_AGAIN
    elif kind != CARE and kind != AFTER_CARE:
        # What ended today is behind the child before it is referred anew.
        if kind == NEEDS and now[_STATE] != named[S_EARLY_HELP]:
            go(now[_WAY], where(ways, now), week, child, False, ways, now, out)
        now[_WAY] = PLAIN
        at_home = now[_STATE] == named[S_HOME] or now[_STATE] == named[S_EARLY_HELP]
        if at_home or now[_STATE] == named[S_ELSEWHERE]:
            if go(INTO_CARE, named[S_REFERRED], week, child, False, ways, now, out) > 0:
                note[fact] = FILLED_IN
            now[_REFERRAL] = fact
            if code == NO_FURTHER_ACTION:
                go(PLAIN, named[S_HOME], week, child, False, ways, now, out)
        else:
            note[fact] = REFERRED_AGAIN
    if code != NO_FURTHER_ACTION:
        now[_IN_NEED] = now[_IN_NEED] if now[_CASE] > 0 else 0
        now[_CASE] += 1
    return 0


@compiled()
def one_fact(
    x: Any, k: Any, c: Any, week: Any, child: Any, alone: Any, ways: Any, now: Any, out: Any, note: Any
) -> Any:  # fmt: skip
    """Take one fact of a day."""
    named, kind = ways.named, ways.states[now[_STATE], STAGE]
    begins = k >= REFERRED and k != CLOSED_SAME_DAY
    if now[_DEAD] and begins:
        note[x] = AFTER_DEATH
        return 0
    if kind == LEFT and (now[_STATE] != named[S_ELSEWHERE] or week >= now[_ADULT]):
        if begins:
            note[x] = AFTER_18
        return 0
    if k == CLOSED or k == CLOSED_SAME_DAY:
        now[_CASE] = max(now[_CASE] - 1, 0)
        if c == CLOSED_AFTER_ASSESSMENT:
            now[_WAY] = AFTER_ASSESSMENT
        elif c == CLOSED_BY_ORDER:
            now[_ORDER] = 1
        elif c == CLOSED_GONE:
            now[_LEAVES] = 1
        elif c == CLOSED_UNSEEN:
            now[_UNSEEN] = 1
    elif k <= EARLY_HELP_ENDED:
        enquired = now[_STATE] == named[S_ENQUIRY] or now[_STATE] == named[S_IN_NEED_ENQUIRY]
        if k == ENQUIRY_ENDED and c == CAPPED and now[_ENQUIRY] == 1 and enquired:
            # Nothing is told of how it ended: the case goes on, so the child is in need.
            now[_IN_NEED], now[_UNSEEN], note[x] = 1, 1, ENQUIRY_CAPPED
        now[_OPEN + k] = max(now[_OPEN + k] - 1, 0)
        if k == ENQUIRY_ENDED and c == CONFERENCE:
            now[_IN_NEED] = 1
            if now[_WAY] == PLAIN:
                now[_WAY] = BY_CONFERENCE
        elif k == ASSESSMENT_ENDED and c == FOUND_IN_NEED:
            now[_IN_NEED] = 1
        elif (k == NEED_PLAN_ENDED or k == PROTECTION_ENDED) and c == ENDED_UNSEEN:
            now[_UNSEEN] = 1
    elif k == DIED:
        now[_GONE], now[_DEAD] = week + 1, 1
    elif k == REFERRED:
        refer(x, c, week, child, ways, now, out, note)
    elif k >= ASSESSMENT_BEGAN and k <= EARLY_HELP_BEGAN:
        now[_OPEN + k - REFERRED] += 1
        if k == ASSESSMENT_BEGAN:
            now[_ASSESSED] = 1
        elif k == PROTECTION_BEGAN or (k == NEED_PLAN_BEGAN and now[_STATE] == named[S_ENQUIRY]):
            now[_ENQUIRY] = 0
    elif k == CARE_BEGAN:
        if kind == CARE:
            # In care, and comes into care: in between it left, by a way that is not told.
            leave_care(UNKNOWN_EXIT, x, week, child, ways, now, out, note)
        now[_INTO_CARE], now[_ENQUIRY] = 1, 0
        way = INTO_CARE_ALONE if alone and now[_STATE] == named[S_ELSEWHERE] else INTO_CARE
        told = c < PRESUMED
        filled = go(way, named[S_ENTERING], week, child, not told, ways, now, out)
        filled += go(WITHIN_CARE, c & (PRESUMED - 1), week, child, not told, ways, now, out)
        if filled > 0 and note[x] == FINE:
            note[x] = FILLED_IN
    elif kind != CARE:
        # A move or an end of care.
        if kind != LEFT:
            note[x] = NOT_IN_CARE
    elif k == MOVED:
        home = c & (NEW_CARER - 1)
        if home != now[_STATE]:
            filled = go(WITHIN_CARE, home, week, child, False, ways, now, out)
            if filled != 0:
                note[x] = FILLED_IN if filled > 0 else NO_SUCH_STEP
        elif ways.states[home, AGAIN] >= 0:
            take(ways.states[home, AGAIN], week, child, False, ways, now, out)
        else:
            note[x] = NO_SUCH_MOVE
    elif c == LOST:
        note[x], now[_GONE], now[_LAST_TOLD] = LOST_FROM_SIGHT, week, x
    elif c != AT_18 or week < now[_ADULT] - LAST_OF_18:
        leave_care(c, x, week, child, ways, now, out, note)
        if c < AT_18 and c & GONE_TOO:
            now[_GONE] = week + 1
    return 0


@compiled()
def find_place(
    first: Any, last: Any, kind: Any, week: Any, child: Any, ways: Any, now: Any, out: Any, note: Any
) -> Any:
    """Bring a child to where it is at the end of a day, as far as need goes."""
    state, named = now[_STATE], ways.named
    stage = ways.states[state, STAGE]
    if stage == CARE or stage == AFTER_CARE:
        if not now[_INTO_CARE]:
            for x in range(first, last):
                if kind[x] >= ASSESSMENT_BEGAN and kind[x] <= EARLY_HELP_BEGAN and note[x] == FINE:
                    note[x] = NEED_AFTER_CARE if stage == AFTER_CARE else NEED_IN_CARE
    elif stage == NEEDS:
        goal, way = where(ways, now), now[_WAY]
        if now[_ORDER] and goal == named[S_HOME]:
            if state == named[S_PROTECTED] or state == named[S_LETTER]:
                goal = named[S_KIN]
            else:
                note[last - 1] = NO_SUCH_ORDER
        if state == named[S_REFERRED] and goal == named[S_HOME] and now[_ASSESSED]:
            # Assessed and closed on the day of the referral: it was assessed all the same.
            go(PLAIN, named[S_ASSESSED], week, child, False, ways, now, out)
            state = now[_STATE]
        presumed = goal == named[S_IN_NEED] and now[_NEED_PLAN] == 0 and way != BY_CONFERENCE
        presumed = presumed and (state == named[S_ASSESSED] or state == named[S_ENQUIRY])
        filled = go(way, goal, week, child, presumed or now[_UNSEEN] > 0, ways, now, out)
        if filled != 0:
            note[last - 1] = FILLED_IN if filled > 0 else NO_SUCH_STEP
        elif presumed and note[last - 1] == FINE:
            note[last - 1] = PLAN_PRESUMED
    if now[_LEAVES] and now[_GONE] == _FAR and ways.states[now[_STATE], STAGE] != CARE:
        now[_GONE] = week + 1
    return 0


@compiled()
def come_into_sight(child: Any, before: Any, week: Any, birth: Any, alone: Any, ways: Any, now: Any, entry: Any) -> Any:
    """Note how a child comes into sight: already there when the log begins, or by what happens in this week."""
    now[_ENTERED] = 1
    entry[child, N_STATE], entry[child, N_HISTORY], entry[child, N_EDGE] = now[_STATE], now[_HISTORY], -1
    entry[child, N_SINCE], entry[child, N_WEEK], entry[child, N_FROM] = now[_SINCE], 0, 0
    if not before:
        arrives = now[_STATE] == ways.named[S_ELSEWHERE]
        entry[child, N_SINCE] = week if arrives else birth
        entry[child, N_WEEK], entry[child, N_FROM] = week, week + 1
        if arrives and alone:
            entry[child, N_EDGE] = ways.named[E_ALONE]
    return 0


@compiled(nogil=True)
def follow(
    first: Any, week: Any, day: Any, kind: Any, code: Any, birth: Any, alone: Any, known_before: Any, n_weeks: Any,
    ways: Any, now: Any, out: Any, note: Any, entry: Any,
) -> Any:  # fmt: skip
    """Follow every child through its facts; returns the number of rows, or -1 where `out` was too short.

    first        int64[N+1]   the first fact of each child
    week, day    int32[F]     of each fact, in order within a child
    kind, code   uint8[F]
    birth        int32[N]     week of birth
    alone        bool[N]      came to the country alone
    known_before uint8[N]     least history the child is known to have had before
    ways         Ways
    now          int64[N_NOW]  work space
    out          int32[R, 5]  the log: child, week, step, edge, inferred; filled child by child
    note         uint8[F]     filled
    entry        int32[N, 7]  how children come into sight, and until when they are seen; filled
    """
    now[_ROW], now[_FULL] = 0, 0
    for child in range(first.size - 1):
        begin, end = first[child], first[child + 1]
        now[_OPEN:] = 0
        now[_STATE] = ways.named[S_HOME]
        if alone[child] and begin < end and kind[begin] == CARE_BEGAN:
            now[_STATE] = ways.named[S_ELSEWHERE]
        now[_HISTORY], now[_SINCE], now[_WEEK], now[_STEP] = known_before[child], birth[child], -_FAR, 0
        now[_ADULT] = birth[child] + WEEKS_TO_18
        now[_IN_NEED], now[_REFERRAL], now[_GONE], now[_DEAD], now[_ENTERED] = 0, -1, _FAR, 0, 0
        f = begin
        while f < end:
            today, this_week = day[f], week[f]
            last, begins = f, False
            while last < end and day[last] == today:
                begins = begins or (kind[last] >= REFERRED and kind[last] != CLOSED_SAME_DAY)
                last += 1
            if now[_WEEK] != this_week:
                settle_referral(child, ways, now, out, note)
            if f == begin and now[_ADULT] <= this_week:
                now[_STATE] = ways.named[S_GROWN_UP]
            if now[_GONE] < _FAR and begins and not now[_DEAD]:
                # Seen again after all: what it left care by on the day it was lost from sight is not told.
                lost = now[_GONE]
                now[_GONE] = _FAR
                leave_care(UNKNOWN_EXIT, now[_LAST_TOLD], lost, child, ways, now, out, note)
            seen = now[_GONE] == _FAR and f > begin
            if seen:
                pass_time(min(this_week, -1), child, ways, now, out)
            if this_week >= 0 and not now[_ENTERED]:
                come_into_sight(child, f > begin, this_week, birth[child], alone[child], ways, now, entry)
            if seen:
                pass_time(this_week, child, ways, now, out)
            now[_WAY], now[_ORDER], now[_ASSESSED], now[_INTO_CARE], now[_LEAVES] = PLAIN, 0, 0, 0, 0
            now[_UNSEEN] = 0
            away = now[_GONE] < _FAR
            for x in range(f, last):
                if not (away and kind[x] == CARE_ENDED):
                    one_fact(x, kind[x], code[x], this_week, child, alone[child], ways, now, out, note)
            if not away:
                find_place(f, last, kind, this_week, child, ways, now, out, note)
            f = last
        settle_referral(child, ways, now, out, note)
        seen = now[_GONE] == _FAR and begin < end
        if seen:
            pass_time(-1, child, ways, now, out)
        if not now[_ENTERED]:
            come_into_sight(child, True, 0, birth[child], alone[child], ways, now, entry)
        if seen:
            pass_time(n_weeks - 1, child, ways, now, out)
        entry[child, N_TO] = max(min(now[_GONE], n_weeks), 0)
    return -1 if now[_FULL] else now[_ROW]
