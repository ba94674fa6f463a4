"""Many keyed draws at once, and children (or families) put in the order of theirs, in a time that grows as they do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.compiled import HAS_NUMBA, compiled
from abm.draws import MASK, kernel_word, key_of, words
from abm.pathway import purpose_of

_MASK, _HALF, _ZERO, _ONE = np.uint64(MASK), np.uint64(32), np.uint64(0), np.uint64(1)
_BOX = 1 << 13


def draws(seed: int, n: int, purpose: str, first: int = 0, week: int = 0) -> NDArray[np.uint32]:
    """Return the keyed 32-bit draws of identities first, first + 1, ... first + n - 1, as `words` does."""
    return _filled(seed, n, purpose, first, week, 1 << 32)


def choices(seed: int, n: int, purpose: str, below: int, first: int = 0) -> NDArray[np.int32]:
    """Return keyed whole numbers from 0 to below - 1 (at most 2**31) for identities in a row, as `choice` does."""
    return _filled(seed, n, purpose, first, 0, below).view(np.int32)


def order_by_draw(
    stratum: NDArray[np.int16], draw: NDArray[np.uint32], n_strata: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the order of N by stratum (0 to n_strata - 1), then draw, then as they stand; and the strata's sizes."""
    n, size = stratum.size, np.zeros(n_strata, np.int64)
    count(stratum, 0, size)
    boxes = -(-size // _BOX)
    first = np.cumsum(boxes) - boxes
    order, end = np.empty(n, np.int32), np.zeros(int(boxes.sum()) + 1, np.uint64)
    # Of `drawer` and `laid` only as much is ever touched as the largest box has.
    work = np.empty(n, np.uint64), np.empty(n + 1, np.uint64), np.empty(n, np.uint64)
    sort_by_draw(stratum, draw, boxes.astype(np.uint64), first.astype(np.uint64), end, *work, order)
    return order, size


def _filled(seed: int, n: int, purpose: str, first: int, week: int, below: int) -> NDArray[np.uint32]:
    if not HAS_NUMBA:
        drawn = words(seed, first + np.arange(n), week, purpose_of(purpose)).astype(np.uint64)
        return ((drawn * np.uint64(below)) >> _HALF).astype(np.uint32)
    out = np.empty(n, np.uint32)
    fill(*(np.uint64(number) for number in (*key_of(seed), first, week & MASK, purpose_of(purpose), below)), out)
    return out


@compiled(nogil=True)
def fill(low: Any, high: Any, first: Any, week: Any, purpose: Any, below: Any, out: Any) -> Any:
    """Fill `out` (uint32) with keyed whole numbers below `below` (at most 2**32) of identities from `first` on."""
    # Said anew, all numbers are below 2**32: so products need one instruction each, for eight draws at a time.
    low, high, week, purpose = low & _MASK, high & _MASK, week & _MASK, purpose & _MASK
    for i in range(out.size):
        drawn = kernel_word(low, high, (first + np.uint64(i)) & _MASK, week, purpose)
        out[i] = (drawn * below) >> _HALF


@compiled(nogil=True)
def count(number: Any, least: Any, counts: Any) -> Any:
    """Add to `counts` (int64) how many have the number `least`, `least` + 1 and so on."""
    for i in range(number.size):
        counts[number[i] - least] += 1


@compiled(nogil=True)
def sort_by_draw(
    stratum: Any, draw: Any, boxes: Any, first: Any, end: Any, dealt: Any, drawer: Any, laid: Any, order: Any
) -> Any:
    """Fill `order` (int32[n]) with the order by stratum, draw and place.

    boxes, first  uint64[S]    boxes of each stratum, and the number of its first; `end` is uint64[B + 1], all 0
    dealt, laid   uint64[n], drawer uint64[n+1]  work space

    Method: each stratum is dealt into boxes by draw, so that a box fits the processor's own memory. A box of m has m
    drawers, and a draw tells the drawer; about one lies in each, so few are left to be put in order one by one.
    Draws are even, so the time grows as n does. Unsigned numbers spare a look whether an index is negative.
    """
    for i in range(stratum.size):
        s = np.uint16(stratum[i])
        end[first[s] + ((np.uint64(draw[i]) * boxes[s]) >> _HALF) + _ONE] += _ONE
    for box in range(end.size - 1):
        end[box + 1] += end[box]
    for i in range(stratum.size):
        s = np.uint16(stratum[i])
        box = first[s] + ((np.uint64(draw[i]) * boxes[s]) >> _HALF)
        # Draw and place in one number: by it all are ordered.
        dealt[end[box]] = (np.uint64(draw[i]) << _HALF) | np.uint64(i)
        end[box] += _ONE
    begin = _ZERO
    for stratum_now in range(boxes.size):
        parts = boxes[stratum_now]
        for box in range(first[stratum_now], first[stratum_now] + parts):
            here, out = dealt[begin : end[box]], order[begin : end[box]]
            begin = end[box]
            m = np.uint64(here.size)
            for x in range(here.size + 1):
                drawer[x] = _ZERO
            for x in range(here.size):
                drawer[((((here[x] >> _HALF) * parts & _MASK) * m) >> _HALF) + _ONE] += _ONE
            for x in range(here.size):
                drawer[x + 1] += drawer[x]
            for x in range(here.size):
                mine = (((here[x] >> _HALF) * parts & _MASK) * m) >> _HALF
                laid[drawer[mine]] = here[x]
                drawer[mine] += _ONE
            for x in range(1, here.size):
                last, y = laid[x], x
                while y > 0 and laid[y - 1] > last:
                    laid[y] = laid[y - 1]
                    y -= 1
                laid[y] = last
            for x in range(here.size):
                out[x] = laid[x] & _MASK
    return 0
