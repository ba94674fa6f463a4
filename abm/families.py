"""Brothers and sisters: children joined into families by their birth weeks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.compiled import compiled
from abm.errors import CareError
from abm.ordering import choices, count, draws

LEAST_GAP_WEEKS = 40
"""Weeks between brothers and sisters who are not twins."""
TWINS = 0.015
"""Chance that a family's next child is born with the last one (ONS, birth characteristics: 15 in 1,000 births)."""
_ROUNDS, _NEAR_ENOUGH, _MILLION = 6, 0.001, 1_000_000
_ZERO, _ONE, _MANY, _ALL = np.uint64(0), np.uint64(1), np.uint64(1024), np.uint64(1 << 32)


def families_of(
    birth_week: NDArray[np.int32], seed: int, sizes: NDArray[np.float64], spacing_weeks: float
) -> NDArray[np.int32]:
    """Return the family of each child, numbered 0, 1, ... from the family with the oldest child on.

    birth_week     int32[n]    in any order
    sizes          float64[k]  shares of families with 1, 2, ... k children
    spacing_weeks  weeks       mean gap between brothers and sisters

    Method: children are taken from the oldest to the youngest. Each goes to the family that has waited longest for
    its next child, or begins a new family with a size of its own. Families begun near the end cannot be completed,
    so the chances of sizes are corrected until the shares come out as given, to a part in 1,000 of all families; for
    few children no chances may do so, and the sixth are taken.
    """
    return families_and_sizes(birth_week, seed, sizes, spacing_weeks)[0]


def families_and_sizes(
    birth_week: NDArray[np.int32], seed: int, sizes: NDArray[np.float64], spacing_weeks: float
) -> tuple[NDArray[np.int32], NDArray[np.int16]]:
    """Return what `families_of` does, and the number of children of each family."""
    n = birth_week.size
    if n == 0:
        return np.zeros(0, np.int32), np.zeros(0, np.int16)
    if not (sizes >= 0).all() or sizes.sum() <= 0:
        raise CareError("Shares of families by size must be 0 or more, and not all 0", "family_sizes")
    oldest = int(birth_week.min())
    births = np.zeros(int(birth_week.max()) - oldest + 1, np.int64)
    count(birth_week, oldest, births)
    spread = max(0, 2 * (round(spacing_weeks) - LEAST_GAP_WEEKS))
    gap = choices(seed, n, "family: gap", spread + 1)
    gap += LEAST_GAP_WEEKS
    gap[draws(seed, n, "family: twins") < np.uint32(TWINS * 2.0**32)] = 0
    size_draw = draws(seed, n, "family: size")
    goal = sizes / sizes.sum()
    chance = goal.copy()
    size, wanted = np.empty(n, np.int16), np.empty(n, np.int16)
    queues = np.empty(n + births.size + 1, np.uint32), np.empty(births.size + 1, np.uint32)
    by_age, found = np.empty(n, np.int32), np.empty(goal.size + 1, np.int64)
    # Of very many children one in `every` tells the chances at first.
    every = max(1, n // _MILLION)
    for turn in range(_ROUNDS):
        some = np.diff(np.cumsum(births) // every, prepend=0)
        m = int(some.sum())
        cumulative = np.floor(np.cumsum(chance / chance.sum()) * 2.0**32 + 0.5).astype(np.uint64)
        cumulative[-1] = _ALL
        n_families = int(
            join_families(
                some, size_draw[:m], gap[:m], cumulative, LEAST_GAP_WEEKS, size, wanted, *queues, by_age[:m], found
            )
        )
        share = found[1:] / n_families
        near = bool(np.abs(share - goal).max() <= _NEAR_ENOUGH)
        if near and every == 1:
            break
        if near or turn == 2:
            every = 1
        chance = np.clip(chance * goal / np.maximum(share, 1e-6), 0.0, 1.0)
    del gap, size_draw, wanted, queues
    family = np.empty(n, np.int32)
    deal(birth_week, oldest, np.cumsum(births) - births, by_age, family)
    return family, size[:n_families].copy()


@compiled(nogil=True)
def deal(birth_week: Any, oldest: Any, place: Any, by_age: Any, out: Any) -> Any:
    """Give each child of `out` its own of `by_age`, where children stand by birth week, then as they stand here.

    place  int64[W]  where the children of each week from `oldest` on begin in `by_age`; changed
    """
    for i in range(birth_week.size):
        week = birth_week[i] - oldest
        out[i] = by_age[place[week]]
        place[week] += 1


@compiled(nogil=True)
def join_families(
    births: Any,
    size_draw: Any,
    gap: Any,
    cumulative: Any,
    least_gap: Any,
    size: Any,
    wanted: Any,
    following: Any,
    tail: Any,
    family: Any,
    found: Any,
) -> Any:
    """Place children, oldest first, in families; returns the number of families F.

    births      int64[W]    children born in each week
    size_draw   uint32[n]   keyed draws by family
    gap         int32[n]    weeks until the next child is wanted, by child from the oldest; 0: a twin is born
    cumulative  uint64[k]   32-bit cumulative chances that a new family will have 1, 2, ... k children
    least_gap   weeks       for a family whose twin was not born
    size        int16[n]    filled for F families: their children
    wanted      int16[n]    work space: children still to come, by family
    following   uint32[n+W+1], tail uint32[W+1]  work space: who is called after a family, and last in each week
    family      int32[n]    filled: the family of each child, from the oldest
    found       int64[k+1]  filled: families by number of children

    Families wait in the order of the week from which the next child is wanted; a child goes to the one that has
    waited longest, and begins a new family when none waits.

    Each week has a queue, from entry n + week of `following` to its tail. A family that is complete, or that wants
    its next child after the last week, goes to a queue that is never called: all are treated alike, so the processor
    need not guess which of them go on. Unsigned numbers spare it a look whether an index is negative.
    """
    n, never = np.uint64(family.size), np.uint64(births.size)
    for week in range(tail.size):
        tail[week] = n + np.uint64(week)
    n_families, n_sized, i = _ZERO, _ZERO, _ZERO
    earliest, called = _ZERO, n
    for week in range(births.size):
        now, twin_of = np.uint64(week), n
        for _ in range(births[week]):
            mine, twin_of = twin_of, n
            if mine == n:
                while earliest < now and called == np.uint64(tail[earliest]):
                    earliest += _ONE
                    called = n + earliest
                if called != np.uint64(tail[earliest]):
                    called = np.uint64(following[called])
                    mine = called
                else:
                    mine = n_families
                    n_families += _ONE
                    if n_families > n_sized:
                        stop = min(n, n_sized + _MANY)
                        draw_sizes(size_draw[n_sized:stop], cumulative, size[n_sized:stop], wanted[n_sized:stop])
                        n_sized = stop
            family[i] = mine
            wait, more = np.uint64(gap[i]), wanted[mine] - 1
            wanted[mine] = more
            i += _ONE
            if wait == _ZERO and more > 0:
                twin_of = mine
            else:
                due = min(now + wait + never * np.uint64(more == 0), never)
                following[np.uint64(tail[due])] = mine
                tail[due] = mine
        if twin_of != n:
            # No child of the same week was left: the family waits like any other.
            due = min(now + np.uint64(least_gap), never)
            following[np.uint64(tail[due])] = twin_of
            tail[due] = twin_of
    for k in range(found.size):
        found[k] = 0
    for f in range(n_families):
        size[f] -= wanted[f]
        found[size[f]] += 1
    return n_families


@compiled(nogil=True)
def draw_sizes(size_draw: Any, cumulative: Any, size: Any, wanted: Any) -> Any:
    """Fill size and wanted (int16) with the number of children that each of some new families will have."""
    for f in range(size.size):
        size[f] = 1
    for k in range(cumulative.size - 1):
        if cumulative[k] < _ALL:
            bound = np.uint32(cumulative[k])
            for f in range(size.size):
                size[f] += size_draw[f] >= bound
    for f in range(size.size):
        wanted[f] = size[f]
    return 0
