"""Many keyed draws at once, and children (or families) put in the order of theirs, in a time that grows as they do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.compiled import HAS_NUMBA, compiled
from abm.draws import MASK, kernel_word, key_of, words
from abm.pathway import purpose_of

_MASK, _HALF, _WEEK_0 = np.uint64(MASK), np.uint64(32), np.uint64(0)


def draws(seed: int, n: int, purpose: str, first: int = 0) -> NDArray[np.uint32]:
    """Return the keyed 32-bit draws of identities first, first + 1, ... first + n - 1 in week 0, as `words` does."""
    return _filled(seed, n, purpose, first, 1 << 32)


def choices(seed: int, n: int, purpose: str, below: int, first: int = 0) -> NDArray[np.int32]:
    """Return keyed whole numbers from 0 to below - 1 (at most 2**31) for identities in a row, as `choice` does."""
    return _filled(seed, n, purpose, first, below).view(np.int32)


def order_by_draw(
    stratum: NDArray[np.int16], draw: NDArray[np.uint32], n_strata: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the order of N by stratum (0 to n_strata - 1), then draw, then as they stand; and the strata's sizes."""
    order, size = np.empty(stratum.size, np.int32), np.zeros(n_strata, np.int64)
    sort_by_draw(stratum, draw, size, order)
    return order, size


def _filled(seed: int, n: int, purpose: str, first: int, below: int) -> NDArray[np.uint32]:
    if not HAS_NUMBA:
        drawn = words(seed, first + np.arange(n), 0, purpose_of(purpose)).astype(np.uint64)
        return ((drawn * np.uint64(below)) >> _HALF).astype(np.uint32)
    out = np.empty(n, np.uint32)
    low, high = key_of(seed)
    fill(np.uint64(low), np.uint64(high), np.uint64(first), np.uint64(purpose_of(purpose)), np.uint64(below), out)
    return out


@compiled(nogil=True)
def fill(low: Any, high: Any, first: Any, purpose: Any, below: Any, out: Any) -> Any:
    """Fill `out` (uint32) with keyed whole numbers below `below` (at most 2**32) of identities from `first` on."""
    # Said anew, all numbers are below 2**32: so products need one instruction each, for eight draws at a time.
    low, high, purpose = low & _MASK, high & _MASK, purpose & _MASK
    for i in range(out.size):
        drawn = kernel_word(low, high, (first + np.uint64(i)) & _MASK, _WEEK_0, purpose)
        out[i] = (drawn * below) >> _HALF


@compiled(nogil=True)
def sort_by_draw(stratum: Any, draw: Any, size: Any, order: Any) -> Any:
    """Fill `order` (int32[n]) with the order by stratum, draw and place, and `size` (zeros) with strata's sizes.

    Method: a stratum of m has m drawers, and a draw tells the drawer; about one lies in each, so hardly any are left
    to be put in order one by one.
    """
    n, first = stratum.size, np.zeros(size.size, np.int64)
    for i in range(n):
        size[stratum[i]] += 1
    for s in range(1, size.size):
        first[s] = first[s - 1] + size[s - 1]
    end = np.zeros(n + 1, np.int32)
    for i in range(n):
        s = stratum[i]
        end[first[s] + np.int64((np.uint64(draw[i]) * np.uint64(size[s])) >> _HALF) + 1] += 1
    for drawer in range(n):
        end[drawer + 1] += end[drawer]
    for i in range(n):
        s = stratum[i]
        drawer = first[s] + np.int64((np.uint64(draw[i]) * np.uint64(size[s])) >> _HALF)
        order[end[drawer]] = i
        end[drawer] += 1
    begin = 0
    for drawer in range(n):
        stop = end[drawer]
        for x in range(begin + 1, stop):
            i, y = order[x], x
            mine = draw[i]
            while y > begin and draw[order[y - 1]] > mine:
                order[y] = order[y - 1]
                y -= 1
            order[y] = i
        begin = stop
    return 0
