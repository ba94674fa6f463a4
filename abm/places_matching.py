"""The compiled matching of the children who are listed in a week with homes, and the week as a whole.

Arrays in, arrays changed. Nothing depends on the order in which requests stand: those who are listed
(`abm.places_list`) are served in an order of content; see `abm.places`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.compiled import compiled
from abm.pathway import purpose_of
from abm.places_data import (
    EMERGENCY,
    IN_KIND,
    N_BANDS,
    N_CLASSES,
    N_KINDS,
    OUT_OF_KIND,
    WAITS,
)
from abm.places_list import forget, list_children, order_of, take_note, vacate
from abm.places_supply import close_homes, count_places, draw_each, draw_one, kernel_takes, open_homes

_HALF = np.uint64(32)
_TURN = np.uint64(purpose_of("home: turn"))
_CHILD = np.uint64(purpose_of("child: turn for a home"))
_TOGETHER = np.uint64(purpose_of("family: plan to live together"))
_WHOLE, _JOINED, _SPLIT = range(10, 13)


@compiled(nogil=True)
def occupy(homes: Any, who: Any, child: Any, h: Any) -> Any:
    """Give a child the first free bed of a home."""
    for b in range(homes.first[h], homes.first[h] + homes.beds[h]):
        if who.lives[b] == -1:
            who.lives[b] = child
            homes.living[h] += 1
            who.home[child] = h
            return


@compiled(nogil=True)
def first_free(following: Any, e: Any) -> Any:
    """Return the first entry from `e` on whose home is not full; what was looked through is remembered."""
    found = e
    while following[found] != found:
        found = following[found]
    while following[e] != found:
        following[e], e = found, following[e]
    return found


@compiled(inline=True)
def kernel_fits(
    beds: Any, living: Any, age_from: Any, age_to: Any, h: Any, size: Any, youngest: Any, oldest: Any
) -> Any:
    """Tell whether a home has beds for so many, and takes their ages."""
    return beds[h] - living[h] >= size and age_from[h] <= youngest and oldest < age_to[h]


@compiled(nogil=True)
def home_of_kin(
    low: Any, high: Any, week: Any, homes: Any, who: Any, kin: Any, numbers: Any, family: Any, avoid: Any,
    size: Any, youngest: Any, oldest: Any, want: Any,
) -> Any:  # fmt: skip
    """Return the home of the kind needed where a brother or sister lives and all can live too, or -1.

    Of several: the first by tier, the homes' draw of the week and number.
    """
    best, best_tier, best_drawn = -1, N_CLASSES, np.uint64(0)
    for k in range(kin.first[family], kin.first[family + 1]):
        h = who.home[kin.child[k]]
        if h < 0 or h == best or not kernel_takes(homes.opened, homes.stops, homes.closed, h, week):
            continue
        if not kernel_fits(homes.beds, homes.living, homes.age_from, homes.age_to, h, size, youngest, oldest):
            continue
        tier = 0
        while tier < numbers.n_in_kind[want] and numbers.tiers[want, tier] != homes.kind[h] * N_BANDS + homes.band[h]:
            tier += 1
        if tier == numbers.n_in_kind[want] or (avoid == h).any():
            continue
        drawn = draw_one(low, high, np.int64(homes.key[h]), week, _TURN)
        nearer = tier < best_tier or (tier == best_tier and (drawn < best_drawn or (drawn == best_drawn and h < best)))
        if best < 0 or nearer:
            best, best_tier, best_drawn = h, tier, drawn
    return best


@compiled(nogil=True)
def home_by_tier(
    homes: Any, begin: Any, home: Any, following: Any, tiers: Any, avoid: Any, size: Any, youngest: Any, oldest: Any
) -> Any:
    """Return the first home, tier by tier, that has beds for all, takes their ages and is none that they leave, or -1.

    begin, home  entries of each class; following  see `first_free`
    """
    beds, living, age_from, age_to = homes.beds, homes.living, homes.age_from, homes.age_to
    for its_class in tiers:
        e = first_free(following, begin[its_class])
        while e < begin[its_class + 1]:
            h = home[e]
            if kernel_fits(beds, living, age_from, age_to, h, size, youngest, oldest) and not (avoid == h).any():
                return h
            e = first_free(following, e + 1)
    return -1


@compiled(nogil=True)
def match(
    low: Any, high: Any, week: Any, n_homes: Any, homes: Any, who: Any, kin: Any, numbers: Any, listed: Any, tally: Any
) -> Any:
    """Find a home for the listed children; fills `to` and `outcome`, and moves the children.

    Order: need, week from which the child waits, keyed draw, number. Brothers and sisters who are listed together, need
    the same kind and are to live together are one group, which has the turn of its first. For a group, then for each
    child alone: the home of a brother or sister; homes of the kind needed, tier by tier, in the order of the homes'
    keyed draw of the week; for a child without a roof, alone, the tiers of other kinds; else an emergency home. Beds
    that children leave behind here are free from the next week on.
    """
    n_rows = listed.child.size
    # The homes that have a bed, in the order of class, draw and number.
    kinds, bands, keys, beds, living = homes.kind, homes.band, homes.key, homes.beds, homes.living
    opened, stops, closed = homes.opened, homes.stops, homes.closed
    home, n_free = np.empty(n_homes, np.int32), 0
    for h in range(n_homes):
        home[n_free] = h
        n_free += int(kernel_takes(opened, stops, closed, h, week) & (living[h] < beds[h]))
    home, begin = home[:n_free], np.zeros(N_CLASSES + 1, np.int64)
    code = draw_each(low, high, keys[home], week, _TURN)
    for e in range(n_free):
        its_class = kinds[home[e]] * N_BANDS + bands[home[e]]
        code[e] |= np.uint64(its_class) << _HALF
        begin[its_class + 1] += 1
    home, begin = home[order_of(code)], np.cumsum(begin)
    following, entry = np.arange(n_free + 1), np.full(n_homes, -1, np.int32)
    for e in range(n_free):
        entry[home[e]] = e

    # The children's turns, and who stands beside whom.
    rank, group = np.empty(n_rows, np.uint64), np.empty(n_rows, np.uint64)
    for x in range(n_rows):
        c = listed.child[x]
        drawn = draw_one(low, high, np.int64(c), np.int64(who.since[c]), _CHILD)
        urgency = np.uint64(((255 - int(kin.need[c])) << 24) | (int(who.since[c]) + (1 << 20)))
        rank[x] = (urgency << _HALF) | drawn
        group[x] = np.uint64((int(kin.family[c]) << 3) | (int(who.want[c]) << 1) | int(listed.roofless[x]))
    turn, beside = order_of(rank), order_of(group)
    place = np.empty(n_rows, np.int64)
    for y in range(n_rows):
        place[beside[y]] = y
    child, avoid = listed.child[beside], listed.avoid[beside]
    done, alone = np.zeros(n_rows, np.bool_), np.zeros(n_rows, np.bool_)

    for t in range(n_rows):
        lead = turn[t]
        if done[lead]:
            continue
        want, family = who.want[listed.child[lead]], kin.family[listed.child[lead]]
        plan = draw_one(low, high, np.int64(family), np.int64(0), _TOGETHER) < numbers.together
        y0, y1 = place[lead], place[lead] + 1
        if plan and not alone[lead]:
            while y0 > 0 and group[beside[y0 - 1]] == group[lead]:
                y0 -= 1
            while y1 < n_rows and group[beside[y1]] == group[lead]:
                y1 += 1
        found, joins = -1, False
        while True:
            size = y1 - y0
            ages = week - kin.birth[child[y0:y1]]
            youngest, oldest = ages.min(), ages.max()
            if plan:
                found = home_of_kin(
                    low, high, week, homes, who, kin, numbers, family, avoid[y0:y1], size, youngest, oldest, want,
                )  # fmt: skip
                joins = found >= 0
            if found < 0:
                everything = size == 1 and listed.roofless[lead]
                n_tiers = numbers.n_tiers[want] if everything else numbers.n_in_kind[want]
                tiers = numbers.tiers[want, :n_tiers]
                found = home_by_tier(homes, begin, home, following, tiers, avoid[y0:y1], size, youngest, oldest)
            if found >= 0 or size == 1:
                break
            # Not together: the first has its turn alone, and each of the others will.
            for y in range(y0, y1):
                alone[beside[y]] = True
            tally[_SPLIT] += size
            y0, y1 = place[lead], place[lead] + 1
        if size > 1:
            tally[_WHOLE] += size
        if joins:
            tally[_JOINED] += size
        for y in range(y0, y1):
            x = beside[y]
            done[x] = True
            listed.to[x] = found
            if found < 0:
                listed.outcome[x] = EMERGENCY if listed.roofless[x] else WAITS
                continue
            listed.outcome[x] = IN_KIND if max(int(kinds[found]) - 1, 0) == want else OUT_OF_KIND
            occupy(homes, who, child[y], found)
        if found >= 0 and living[found] == beds[found]:
            following[entry[found]] = entry[found] + 1


@compiled(nogil=True)
def advance_week(
    low: Any, high: Any, week: Any, n_homes: Any, homes: Any, who: Any, kin: Any, numbers: Any, reference: Any,
    noticed: Any, waiting: Any, left: Any, child: Any, want: Any, roof: Any, totals: Any, opened: Any, closed: Any,
    tally: Any,
) -> Any:  # fmt: skip
    """Advance the homes by a week; returns the homes there are, the Listed, and who waits.

    left   int32[L]   children who need none of these homes any more
    child  int32[R], want int8[R], roof bool[R]   requests, in the order of children
    totals int64[19], opened int64[4], closed int64[4], tally int64[15]   filled
    """
    for c in left:
        if who.home[c] >= 0:
            vacate(homes, who, c, who.home[c])
            who.home[c] = -1
        forget(who, c)
    count = np.zeros((4, N_KINDS), np.int64)
    close_homes(low, high, week, n_homes, homes, numbers, count)
    closed[:] = count[3]
    n_homes = open_homes(
        low, high, week, n_homes, homes, numbers, count, reference, who.needing, noticed, opened
    )  # fmt: skip
    listed = list_children(week, n_homes, homes, who, numbers, child, want, roof, waiting, tally)
    match(low, high, week, n_homes, homes, who, kin, numbers, listed, tally)
    now_waiting = take_note(week, homes, who, listed, tally)
    count_places(week, n_homes, homes, who, now_waiting, totals)
    return n_homes, listed, now_waiting
