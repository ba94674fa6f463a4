"""The compiled loops over homes: which stop, which open, what they are like. Arrays in, arrays changed.

All chances are 32-bit draws against thresholds of + - x / only, keyed by home and week; see `abm.places`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from abm.compiled import compiled
from abm.draws import MASK, kernel_word
from abm.exact import kernel_fires
from abm.parameters import CERTAIN
from abm.pathway import WEEKS_PER_YEAR, purpose_of
from abm.places_data import MOST_BEDS, MOST_OPENED, N_KINDS, NEVER_CLOSES

_CERTAIN, _MASK = float(CERTAIN), np.uint64(MASK)
_CLOSES = np.uint64(purpose_of("home: stops taking children"))
_AT_ONCE = np.uint64(purpose_of("home: closes at once"))
_OPENS = np.uint64(purpose_of("homes: open"))
_BEDS = np.uint64(purpose_of("home: beds"))
_BAND = np.uint64(purpose_of("home: distance"))
_AGES = np.uint64(purpose_of("home: ages"))
_LARGEST_RATE = 50.0


@compiled(inline=True)
def kernel_choice(draw: Any, thresholds: Any) -> Any:
    """Return the first place whose running threshold is above the draw; the last one for none."""
    k = 0
    while k < thresholds.size - 1 and draw >= thresholds[k]:
        k += 1
    return k


@compiled(inline=True)
def kernel_poisson(draw: Any, mean: Any) -> Any:
    """Return a Poisson number by inversion of a 32-bit draw; means above 50 count as 50."""
    mean = min(mean, _LARGEST_RATE)
    u, n = (float(draw) + 0.5) / _CERTAIN, 0
    chance = 1.0 - kernel_fires(mean)
    total = chance
    while u >= total and n < MOST_OPENED:
        n += 1
        chance = chance * (mean / n)
        total += chance
    return n


@compiled(inline=True)
def kernel_takes(opened: Any, stops: Any, closed: Any, h: Any, week: Any) -> Any:
    """Tell whether a home takes children in a week."""
    # Without `and`: what cannot be foretold costs more to branch on than to compute.
    return (opened[h] <= week) & (stops[h] > week) & (closed[h] > week)


@compiled(nogil=True)
def draw_one(low: Any, high: Any, identity: Any, week: Any, purpose: Any) -> Any:
    """Return one draw, uint64: a call, since code with ten rounds in each place takes long to compile."""
    return kernel_word(low, high, np.uint64(int(identity) & MASK), np.uint64(int(week) & MASK), purpose)


@compiled(nogil=True)
def draw_each(low: Any, high: Any, keys: Any, week: Any, purpose: Any) -> Any:
    """Return the draws of many homes in a week, uint64[n]; a loop of nothing else is a tenth of the time."""
    low, high, now = low & _MASK, high & _MASK, np.uint64(int(week) & MASK)
    out = np.empty(keys.size, np.uint64)
    for h in range(keys.size):
        out[h] = kernel_word(low, high, np.uint64(keys[h]), now, purpose)
    return out


@compiled(nogil=True)
def add_home(
    low: Any, high: Any, n_homes: Any, homes: Any, numbers: Any, key: Any, kind: Any, band: Any, most: Any, opened: Any
) -> Any:
    """Write a home into row `n_homes`: beds (at most `most`), ages and, for a band of -1, distance by its own draws."""
    # Whole numbers of one width, so that the functions called are compiled once.
    h, luck, always = n_homes, np.int64(key), np.int64(0)
    if band < 0:
        band = kernel_choice(draw_one(low, high, luck, always, _BAND), numbers.bands[kind])
    beds = 1 + kernel_choice(draw_one(low, high, luck, always, _BEDS), numbers.beds[kind, band])
    ages = kernel_choice(draw_one(low, high, luck, always, _AGES), numbers.ages[kind])
    homes.key[h], homes.kind[h], homes.band[h], homes.beds[h] = key, kind, band, min(beds, most)
    homes.age_from[h], homes.age_to[h] = numbers.age_from[kind, ages], numbers.age_to[kind, ages]
    homes.opened[h], homes.stops[h], homes.closed[h] = opened, NEVER_CLOSES, NEVER_CLOSES
    homes.first[h], homes.living[h] = 0, 0
    if h > 0:
        homes.first[h] = homes.first[h - 1] + homes.beds[h - 1]


@compiled(nogil=True)
def found_homes(
    low: Any, high: Any, n_homes: Any, homes: Any, numbers: Any, kind: Any, band: Any, n_beds: Any, begin: Any
) -> Any:
    """Add homes of a kind and distance that are there on day one until they have `n_beds`; returns all homes.

    begin  how many homes of the kind there are already
    """
    left = n_beds
    while left > 0:
        key = (1 << 31) | (kind << 28) | begin
        add_home(low, high, n_homes, homes, numbers, key, kind, band, left, np.int64(-1))
        left -= homes.beds[n_homes]
        n_homes, begin = n_homes + 1, begin + 1
    return n_homes


@compiled(nogil=True)
def close_homes(low: Any, high: Any, week: Any, n_homes: Any, homes: Any, numbers: Any, count: Any) -> Any:
    """Decide which homes stop in a week, and close those that have stopped and are empty, or close at once.

    count  int64[4, 4], zeros: filled by kind with homes open at the week's beginning, beds (of those that take children
           or are still to open), children living, and homes closed
    """
    # Columns are named first: a column taken from `homes` anew each time costs more than all else.
    kinds, beds, living, keys = homes.kind, homes.beds, homes.living, homes.key
    opened, stops, closed = homes.opened, homes.stops, homes.closed
    loss = np.zeros(N_KINDS, np.uint64)
    children, places = np.zeros(N_KINDS), np.zeros(N_KINDS)
    for h in range(n_homes):
        takes = int(kernel_takes(opened, stops, closed, h, week))
        children[kinds[h]] += takes * living[h]
        places[kinds[h]] += takes * beds[h]
    for kind in range(N_KINDS):
        factor = 1.0
        if places[kind] > 0.0:
            factor += numbers.stress[kind] * (children[kind] / places[kind] - numbers.target[kind])
        factor = min(max(factor, 0.25), 4.0)
        chance = kernel_fires(numbers.loss[kind] * factor / WEEKS_PER_YEAR)
        loss[kind] = np.uint64(math.floor(chance * _CERTAIN + 0.5))
    drawn = draw_each(low, high, keys[:n_homes], week, _CLOSES)
    for h in range(n_homes):
        kind = kinds[h]
        there = (opened[h] <= week) & (closed[h] > week)
        if there & (stops[h] > week) & (drawn[h] < loss[kind]):
            stops[h] = week
            if draw_one(low, high, np.int64(keys[h]), week, _AT_ONCE) < numbers.at_once[kind]:
                closed[h] = week
        if there & (stops[h] <= week) & (living[h] == 0):
            closed[h] = week
        count[0, kind] += int(there)
        count[1, kind] += int((closed[h] > week) & (stops[h] > week)) * beds[h]
        count[2, kind] += int(there) * living[h]
        count[3, kind] += int(there & (closed[h] == week))


@compiled(nogil=True)
def open_homes(
    low: Any, high: Any, week: Any, n_homes: Any, homes: Any, numbers: Any, count: Any, reference: Any, needing: Any,
    noticed: Any, opened: Any,
) -> Any:  # fmt: skip
    """Add the homes that are decided on in a week; returns all homes.

    count      as `close_homes` filled it     reference  int64[4], homes on day one
    needing    int64[3], children who need each kind
    noticed    float64[4], the need as providers have noticed it; moves on by a week
    opened     int64[4], filled with homes decided on
    """
    for kind in range(N_KINDS):
        expected = numbers.recruit[kind] * reference[kind] / WEEKS_PER_YEAR
        if numbers.adjust[kind] > 0.0:
            noticed[kind] += numbers.notice[kind] * (needing[kind - 1] - noticed[kind])
            gap = noticed[kind] / numbers.target[kind] - count[1, kind]
            expected += numbers.loss[kind] * count[0, kind] / WEEKS_PER_YEAR
            expected += gap / (numbers.mean_beds[kind] * numbers.adjust[kind])
        n = 0
        if expected > 0.0:
            draw = draw_one(low, high, np.int64(kind), week, _OPENS)
            n = kernel_poisson(draw, expected)
        for k in range(n):
            begin = week + numbers.delay[kind]
            key = ((week + 1) << 14) | (kind << 12) | k
            add_home(low, high, n_homes, homes, numbers, key, np.int64(kind), np.int64(-1), np.int64(MOST_BEDS), begin)
            n_homes += 1
        opened[kind] = n
    return n_homes


@compiled(nogil=True)
def count_places(week: Any, n_homes: Any, homes: Any, who: Any, waiting: Any, out: Any) -> Any:
    """Count at a week's end: homes, places (beds that can be used), children and free beds by kind; who waits by need.

    out  int64[19], filled
    """
    kinds, beds, living, opened, stops, closed = (
        homes.kind, homes.beds, homes.living, homes.opened, homes.stops, homes.closed,
    )  # fmt: skip
    out[:] = 0
    for h in range(n_homes):
        kind, there = kinds[h], int((opened[h] <= week) & (closed[h] > week))
        usable = max(living[h], int(stops[h] > week) * beds[h])
        out[kind] += there
        out[N_KINDS + kind] += there * usable
        out[2 * N_KINDS + kind] += there * living[h]
        out[3 * N_KINDS + kind] += there * (usable - living[h])
    for c in waiting:
        out[4 * N_KINDS + who.want[c]] += 1
