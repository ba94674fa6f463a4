"""The compiled loops over the list of a week: who asks for a home or waits for one, and what came of it.

The list is made before the matching (`abm.places_matching`), and noted after it. It is in the order of the children's
numbers, whatever order the requests stand in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.compiled import compiled
from abm.places_data import (
    EMERGENCY,
    HOME_CLOSED,
    IN_EMERGENCY,
    IN_KIND,
    OFF_THE_LIST,
    OUT_OF_KIND,
    REQUEST,
    STAYS,
    WAITS,
    Listed,
)

_REQUESTS, _PLACED, _OUT, _DEARER, _EMERGENCY, _WAITS, _OFF, _WAITED, _CLOSED, _SETTLED = range(10)
_NEAR = 13
_CHILDRENS_HOME = 2


@compiled(nogil=True)
def forget(who: Any, child: Any) -> Any:
    """Take a child off the list and out of the need; where it lives is not touched."""
    if who.want[child] >= 0:
        who.needing[who.want[child]] -= 1
    who.want[child], who.waits[child] = -1, 0


@compiled(nogil=True)
def vacate(homes: Any, who: Any, child: Any, h: Any) -> Any:
    """Free the bed of a child in a home."""
    for b in range(homes.first[h], homes.first[h] + homes.beds[h]):
        if who.lives[b] == child:
            who.lives[b] = -1
            homes.living[h] -= 1
            return


@compiled(nogil=True)
def list_children(
    week: Any, n_homes: Any, homes: Any, who: Any, numbers: Any, child: Any, want: Any, roof: Any, waiting: Any,
    tally: Any,
) -> Any:  # fmt: skip
    """Return the Listed of a week: new requests (in the order of children), those whose home closes, and the list."""
    n_closing, closed, living = 0, homes.closed, homes.living
    for h in range(n_homes):
        if closed[h] == week:
            n_closing += living[h]
    most = child.size + n_closing + waiting.size
    who_is, from_where = np.empty(most, np.int32), np.empty(most, np.int32)
    roofless, why = np.empty(most, np.bool_), np.empty(most, np.uint8)
    n = 0
    for x in range(child.size):
        c = child[x]
        if not (who.want[c] == want[x] and who.waits[c] > 0):
            who.since[c] = week
        if who.want[c] != want[x]:
            forget(who, c)
            who.want[c] = want[x]
            who.needing[want[x]] += 1
        who_is[n], from_where[n], roofless[n], why[n] = c, who.home[c], not roof[x], REQUEST
        if not roof[x] and who.home[c] >= 0:
            vacate(homes, who, c, who.home[c])
            who.home[c] = -1
        who.waits[c] = 0
        n += 1
    tally[_REQUESTS] += n
    for h in range(n_homes):
        if closed[h] == week and living[h] > 0:
            for b in range(homes.first[h], homes.first[h] + homes.beds[h]):
                c = who.lives[b]
                if c < 0:
                    continue
                who.lives[b], who.home[c] = -1, -1
                homes.living[h] -= 1
                tally[_CLOSED] += 1
                x = np.searchsorted(child, c)
                if x < child.size and child[x] == c:
                    roofless[x] = True
                    continue
                if who.waits[c] == 0:
                    who.since[c] = week
                who_is[n], from_where[n], roofless[n], why[n] = c, h, True, HOME_CLOSED
                who.waits[c] = 0
                n += 1
    for x in range(waiting.size):
        c = waiting[x]
        # Those of the list who asked again, left, or had to leave, have been dealt with: they wait no more.
        if who.waits[c] == 0:
            continue
        if who.waits[c] == STAYS and week - who.since[c] >= numbers.settles:
            tally[_SETTLED] += 1
            h = who.home[c]
            forget(who, c)
            if h >= 0:
                lived_in = max(int(homes.kind[h]) - 1, 0)
                who.want[c] = lived_in
                who.needing[lived_in] += 1
            continue
        who_is[n], from_where[n], why[n] = c, who.home[c], OFF_THE_LIST
        roofless[n] = who.waits[c] == IN_EMERGENCY
        n += 1
    order = order_of(who_is[:n].astype(np.uint64))
    return Listed(
        who_is[:n][order], from_where[:n][order], roofless[:n][order], why[:n][order], np.full(n, -1, np.int32),
        np.full(n, WAITS, np.uint8),
    )  # fmt: skip


@compiled(nogil=True)
def take_note(week: Any, homes: Any, who: Any, listed: Any, tally: Any) -> Any:
    """Free the beds of those who moved, count what came of the list, and return who waits now, by number."""
    waiting, n = np.empty(listed.child.size, np.int32), 0
    for x in range(listed.child.size):
        c, outcome, off = listed.child[x], listed.outcome[x], listed.why[x] == OFF_THE_LIST
        if outcome <= OUT_OF_KIND:
            if listed.avoid[x] >= 0:
                vacate(homes, who, c, listed.avoid[x])
            tally[_NEAR + homes.band[listed.to[x]]] += 1
        if outcome == IN_KIND:
            tally[_PLACED] += 1
            if off:
                tally[_OFF] += 1
            tally[_WAITED] += week - who.since[c]
            who.waits[c] = 0
            continue
        if outcome == OUT_OF_KIND:
            tally[_OUT] += 1
            tally[_DEARER] += int(homes.kind[listed.to[x]] == _CHILDRENS_HOME)
        if outcome == EMERGENCY and not off:
            tally[_EMERGENCY] += 1
        if outcome == WAITS and not off:
            tally[_WAITS] += 1
        who.waits[c] = IN_EMERGENCY if outcome == EMERGENCY else STAYS
        waiting[n] = c
        n += 1
    return waiting[:n].copy()


@compiled(nogil=True)
def order_of(keys: Any) -> Any:
    """Return the order of keys, equal ones as they stand: sorted runs of 16, merged. numpy's takes long to compile."""
    n, run = keys.size, 16
    order, other = np.arange(n), np.empty(n, np.int64)
    for begin in range(0, n, run):
        for x in range(begin + 1, min(begin + run, n)):
            mine, y = order[x], x
            while y > begin and keys[order[y - 1]] > keys[mine]:
                order[y] = order[y - 1]
                y -= 1
            order[y] = mine
    while run < n:
        for begin in range(0, n, 2 * run):
            x, middle, end = begin, min(begin + run, n), min(begin + 2 * run, n)
            y = middle
            for z in range(begin, end):
                if y == end or (x < middle and keys[order[x]] <= keys[order[y]]):
                    other[z] = order[x]
                    x += 1
                else:
                    other[z] = order[y]
                    y += 1
        order, other, run = other, order, 2 * run
    return order
