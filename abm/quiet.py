"""The draws of a quiet year: 52 even, independent 32-bit numbers, of which the small ones are found at once.

In most weeks nothing happens to most children. To hold a draw of each week against a chance of one in ten thousand
would be work for nothing; here one number tells whether any draw of the year is small enough. Every week has its draw
all the same, whatever it is held against: another chance, another scenario or another division into spans finds the
same ones.

Method: the numbers below 2**32 are cut into cells at 2**20, 2**21, ... 2**31. The opening word of a year (four years
have the words of one call) tells the lowest cell that holds a draw, a second word how many it holds; in each further
cell a binomial number of the weeks left have theirs. For each draw in a cell one word tells which of the weeks left it
is of, and one where in the cell it lies. All words are keyed by (seed, identity, year, purpose, kind), so they can be
had in any order. Chances are rounded to
2**-32, weeks chosen with an error below 2**-26.
Source: binomial cells and order statistics of even numbers, as in Devroye (1986), "Non-uniform random variate
generation", chapters V and XI; the keyed form is ours.
"""

from __future__ import annotations

from functools import cache, lru_cache
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.compiled import compiled
from abm.draws import kernel_philox, key_of, philox
from abm.pathway import WEEKS_PER_YEAR

FIRST_CUT = 20
"""The lowest cell holds the draws below 2**FIRST_CUT, one in 4,096; each further one those up to twice as large."""
N_CELLS = 33 - FIRST_CUT
OPENING, COUNTS, PLACES = 1, 2, 1 << 16
"""Kinds of words: lowest cells of four years; counts of the lowest cell and three after it, then of four more each; the
weeks and sizes of two draws of a cell, at 32 cell + half their turn."""


def cells_of(thresholds: NDArray[np.uint64]) -> NDArray[np.int8]:
    """Return the last cell that holds draws below a threshold of 0 to 2**32; -1 for 0, below which there is none."""
    cuts = np.array([0, *(1 << FIRST_CUT + cell for cell in range(N_CELLS - 1))], np.uint64)
    return (np.searchsorted(cuts, thresholds, side="left") - 1).astype(np.int8)


def cell_of(threshold: int) -> int:
    """Return `cells_of` of one threshold above 0."""
    return max((threshold - 1).bit_length() - FIRST_CUT, 0)


def _whole(part: int, of: int) -> int:
    """Return a chance as a whole number of 2**-32, rounded to the nearest."""
    return ((part << 33) + of) // (2 * of)


@cache
def chances() -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]:
    """Return three tables of 32-bit chances, worked out in whole numbers, so that the bits are the same everywhere.

    lowest  uint64[N_CELLS]          that a draw of the year lies in this cell or a lower one
    first   uint64[N_CELLS, 53]      that the lowest cell that holds a draw holds more than k
    more    uint64[N_CELLS, 53, 53]  that, of n weeks with none in a lower cell, more than k have theirs in this one
    """
    weeks = WEEKS_PER_YEAR
    lowest = np.zeros(N_CELLS, np.uint64)
    first = np.zeros((N_CELLS, weeks + 1), np.uint64)
    more = np.zeros((N_CELLS, weeks + 1, weeks + 1), np.uint64)
    for cell in range(N_CELLS):
        size = 1 << N_CELLS - 1 - cell  # draws up to this cell are one in `size`
        lowest[cell] = _whole(size**weeks - (size - 1) ** weeks, size**weeks)
        one_in = 2 * size - 1 if cell else size
        for n in range(1, weeks + 1):
            above = 0
            tail = [0] * (n + 1)
            for k in range(n, 0, -1):
                above += comb(n, k) * (one_in - 1) ** (n - k)
                tail[k] = above
            more[cell, n, :n] = [_whole(part, one_in**n) for part in tail[1:]]
        first[cell, :weeks] = [_whole(part, tail[1]) for part in tail[1:]]
    return lowest, first, more


@cache
def _plain_chances() -> tuple[Any, ...]:
    return tuple(table.tolist() for table in chances())


@lru_cache(maxsize=1 << 16)
def small_draws(seed: int, identity: int, year: int, purpose: int, last_cell: int = N_CELLS - 1) -> dict[int, int]:
    """Return the draws of a quiet year that lie in the cells up to `last_cell`, by week of the year; with the last all.

    The readable form of what `abm.kernels.advance_span` does.
    """
    key = key_of(seed)
    lowest, first, more = _plain_chances()
    opening = philox((identity, year >> 2, purpose, OPENING), key)[year & 3]
    start = sum(opening >= chance for chance in lowest)
    free, out = list(range(WEEKS_PER_YEAR)), {}
    for cell in range(start, last_cell + 1):
        after = cell - start
        count = philox((identity, year, purpose, COUNTS + after // 4), key)[after % 4]
        n = sum(count < chance for chance in (more[cell][len(free)] if after else first[cell]))
        low, width = (1 << FIRST_CUT + cell - 1, FIRST_CUT + cell - 1) if cell else (0, FIRST_CUT)
        for turn in range(n):
            words = philox((identity, year, purpose, PLACES + 32 * cell + turn // 2), key)
            which, where = words[2:] if turn % 2 else words[:2]
            out[free.pop(which * len(free) >> 32)] = low + (where >> 32 - width)
    return out


# The forms for compiled loops: all numbers are uint64, as in `abm.draws`.
_ZERO, _ONE, _HALF = np.uint64(0), np.uint64(1), np.uint64(32)
_OPENING, _COUNTS, _PLACES, _PER_CELL = np.uint64(OPENING), np.uint64(COUNTS), np.uint64(PLACES), np.uint64(32)
_FIRST_CUT, _CUT_BEFORE = np.uint64(FIRST_CUT), np.uint64(FIRST_CUT - 1)


@compiled(inline=True)
def kernel_opening(low: Any, high: Any, identity: Any, four_years: Any, purpose: Any) -> Any:
    """Return the opening words of four years, of which the first is year 4 `four_years`."""
    return kernel_philox(low, high, identity, four_years, purpose, _OPENING)


@compiled(inline=True)
def kernel_counts(low: Any, high: Any, identity: Any, year: Any, purpose: Any, fours: Any) -> Any:
    """Return the words for the counts of four cells, the `fours`-th four from the lowest that holds a draw on."""
    return kernel_philox(low, high, identity, year, purpose, _COUNTS + np.uint64(fours))


@compiled(inline=True)
def kernel_places(low: Any, high: Any, identity: Any, year: Any, purpose: Any, cell: Any, twos: Any) -> Any:
    """Return the words for two draws of a cell, the `twos`-th two: which week and where, which week and where."""
    kind = _PLACES + _PER_CELL * np.uint64(cell) + np.uint64(twos)
    return kernel_philox(low, high, identity, year, purpose, kind)


@compiled(inline=True)
def kernel_week(which: Any, taken: Any, n_taken: Any) -> Any:
    """Return the week of the year that a word chooses among those left.

    taken  int64[52]  the weeks that have their draw already, `n_taken` of them, rising; the new one is put in
    """
    week = np.int64((which * np.uint64(WEEKS_PER_YEAR - n_taken)) >> _HALF)
    at = 0
    while at < n_taken and taken[at] <= week:
        week += 1
        at += 1
    for later in range(n_taken, at, -1):
        taken[later] = taken[later - 1]
    taken[at] = week
    return week


@compiled(inline=True)
def kernel_size(where: Any, cell: Any) -> Any:
    """Return the draw that a word chooses in a cell."""
    width = _CUT_BEFORE + np.uint64(cell) if cell > 0 else _FIRST_CUT
    floor = _ONE << width if cell > 0 else _ZERO
    return floor + (where >> (_HALF - width))


@compiled(inline=True)
def one_of_four(words: Any, place: Any) -> Any:
    """Return the word at a place from 0 to 3."""
    if place < 2:
        return words[1] if place == 1 else words[0]
    return words[3] if place == 3 else words[2]
