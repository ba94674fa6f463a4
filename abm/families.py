"""Brothers and sisters: children joined into families by their birth weeks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.compiled import compiled
from abm.draws import words
from abm.errors import CareError
from abm.pathway import purpose_of

LEAST_GAP_WEEKS = 40
"""Weeks between brothers and sisters who are not twins."""
TWINS = 0.015
"""Chance that a family's next child is born with the last one (ONS, birth characteristics: 15 in 1,000 births)."""
_ROUNDS = 6


def families_of(
    birth_week: NDArray[np.int32], seed: int, sizes: NDArray[np.float64], spacing_weeks: float
) -> NDArray[np.int32]:
    """Return the family of each child, numbered 0, 1, ... from the family with the oldest child on.

    birth_week     int32[n]    in any order
    sizes          float64[k]  shares of families with 1, 2, ... k children
    spacing_weeks  weeks       mean gap between brothers and sisters

    Method: children are taken from the oldest to the youngest. Each goes to the family that has waited longest for
    its next child, or begins a new family with a size of its own. Families begun near the end cannot be completed,
    so the chances of sizes are corrected a few times until the shares come out as given.
    """
    n = birth_week.size
    if n == 0:
        return np.zeros(0, np.int32)
    if not (sizes >= 0).all() or sizes.sum() <= 0:
        raise CareError("Shares of families by size must be 0 or more, and not all 0", "family_sizes")
    order = np.lexsort((np.arange(n), birth_week))
    place = np.arange(n)
    size_words, gap_words, twin_words = (
        words(seed, place, 0, purpose_of(f"family: {what}")).astype(np.uint64) for what in ("size", "gap", "twins")
    )
    goal = sizes / sizes.sum()
    chance = goal.copy()
    spread = max(0, 2 * (round(spacing_weeks) - LEAST_GAP_WEEKS))
    family, wanted = np.empty(n, np.int32), np.empty(n, np.int32)
    for _ in range(_ROUNDS):
        cumulative = np.floor(np.cumsum(chance / chance.sum()) * 2.0**32 + 0.5).astype(np.uint64)
        cumulative[-1] = 1 << 32
        n_families = join_families(
            birth_week[order], size_words, gap_words, twin_words, cumulative, LEAST_GAP_WEEKS, spread,
            np.uint64(TWINS * 2.0**32), family, wanted,
        )  # fmt: skip
        found = np.bincount(np.bincount(family, minlength=n_families), minlength=goal.size + 1)[1:] / n_families
        chance = np.clip(chance * goal / np.maximum(found, 1e-6), 0.0, 1.0)
    out = np.empty(n, np.int32)
    out[order] = family
    return out


@compiled(nogil=True)
def join_families(
    birth_week: Any,
    size_words: Any,
    gap_words: Any,
    twin_words: Any,
    cumulative: Any,
    least_gap: Any,
    spread: Any,
    twins: Any,
    family: Any,
    wanted: Any,
) -> Any:
    """Place children, oldest first, in families; returns the number of families.

    birth_week  int32[n]   rising
    *_words     uint64[n]  keyed draws by place in this order
    cumulative  uint64[k]  32-bit cumulative chances that a new family will have 1, 2, ... k children
    least_gap, spread      weeks: the next child is wanted least_gap + 0..spread weeks after the last
    twins       uint64     32-bit chance that the next child is born in the same week
    family      int32[n]   filled: the family of each child
    wanted      int32[n]   work space: children still to come, by family

    Families wait in the order of the week from which the next child is wanted; a child goes to the one that has
    waited longest, and begins a new family when none waits.
    """
    n = birth_week.size
    base = birth_week[0]
    horizon = int(birth_week[n - 1] - base) + least_gap + spread + 2
    head, tail = np.full(horizon, -1, np.int32), np.full(horizon, -1, np.int32)
    following = np.full(n, -1, np.int32)
    n_families, earliest, twin_family, twin_week = 0, 0, -1, 0
    for i in range(n):
        week = int(birth_week[i] - base)
        mine = -1
        if twin_family >= 0:
            if twin_week == week:
                mine = twin_family
            else:
                # No child of the same week was left: the family waits like any other.
                due = twin_week + least_gap
                following[twin_family] = -1
                if head[due] < 0:
                    head[due] = twin_family
                else:
                    following[tail[due]] = twin_family
                tail[due] = twin_family
            twin_family = -1
        if mine < 0:
            while earliest < week and head[earliest] < 0:
                earliest += 1
            if head[earliest] >= 0 and earliest <= week:
                mine = head[earliest]
                head[earliest] = following[mine]
        if mine < 0:
            mine = n_families
            n_families += 1
            size = 1
            while size < cumulative.size and size_words[mine] >= cumulative[size - 1]:
                size += 1
            wanted[mine] = size
        family[i] = mine
        wanted[mine] -= 1
        if wanted[mine] > 0:
            if twin_words[i] < twins:
                twin_family, twin_week = mine, week
            else:
                due = week + least_gap + int((gap_words[i] * np.uint64(spread + 1)) >> np.uint64(32))
                following[mine] = -1
                if head[due] < 0:
                    head[due] = mine
                else:
                    following[tail[due]] = mine
                tail[due] = mine
    return n_families
