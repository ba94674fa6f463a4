"""Random numbers keyed by what they decide: a draw is a pure function of seed, child or family, week and purpose.

Nothing is streamed, so adding a child, a draw or an observer changes nobody else's luck. There are three kinds, all
32 bits, even and independent from week to week:

* a single draw: `word` in plain Python integers, `words` for arrays, `kernel_word` for compiled loops;
* the draw of a week in a state that is looked at every week, of which four weeks have the words of one call:
  `week_word`, and `kernel_philox` with the kind FOUR_WEEKS in compiled loops;
* the 52 draws of a quiet year, of which the small ones are found without making the others: see `abm.quiet`.

A library that insists on a generator of its own gets one that is seeded with a keyed word (`generator`).

Method: Philox4x32-10, counter (identity, week or year as unsigned 32 bits, purpose, kind), key (low and high half of
the seed). A single draw is the first of the four words, of the kind 0.
Source: Salmon, Moraes, Dror and Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3", SC11.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abm.compiled import HAS_NUMBA, compiled
from abm.errors import CareError
from abm.pathway import purpose_of

MASK = 0xFFFFFFFF
_M0, _M1 = 0xD2511F53, 0xCD9E8D57
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10
FOUR_WEEKS = 1 << 8
"""The kind of words of which each belongs to one of four weeks."""


def key_of(seed: int) -> tuple[int, int]:
    """Return the low and the high 32 bits of a seed, or raise CareError if it does not fit 64 bits."""
    if not 0 <= seed < 1 << 64:
        raise CareError(f"The seed {seed} does not fit", remedy="Use a whole number from 0 to 18446744073709551615")
    return seed & MASK, seed >> 32


def area_seed(seed: int, area_code: str) -> int:
    """Return the seed of an area's run: children with the same number in two areas have luck of their own.

    The 64-bit seed, with the hash of the area's code laid over its upper half; the seed itself for no code.
    """
    key_of(seed)
    return seed ^ (purpose_of(area_code) << 32) if area_code else seed


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the four 32-bit words of Philox4x32-10 for a counter and a key, in plain Python integers."""
    a, b, c, d = counter
    low, high = key
    for _ in range(_ROUNDS):
        left, right = _M0 * a, _M1 * c
        a, b, c, d = (right >> 32) ^ b ^ low, right & MASK, (left >> 32) ^ d ^ high, left & MASK
        low, high = (low + _W0) & MASK, (high + _W1) & MASK
    return a, b, c, d


def word(seed: int, identity: int, week: int, purpose: int) -> int:
    """Return the 32-bit draw of one child (or family) in one week for one purpose."""
    return philox((int(identity), int(week) & MASK, int(purpose), 0), key_of(seed))[0]


def week_word(seed: int, identity: int, week: int, purpose: int) -> int:
    """Return the 32-bit draw of one child in one week (0 or later) of a state that is looked at every week."""
    return philox((int(identity), int(week) >> 2, int(purpose), FOUR_WEEKS), key_of(seed))[int(week) & 3]


def words(seed: int, identity: ArrayLike, week: ArrayLike, purpose: ArrayLike) -> NDArray[np.uint32]:
    """Return `word` for arrays of identities, weeks and purposes, which are broadcast against each other."""
    low, high = key_of(seed)
    return _words(low, high, identity, week, purpose).astype(np.uint32)


def _words(low: int, high: int, identity: ArrayLike, week: ArrayLike, purpose: ArrayLike) -> NDArray[np.uint64]:
    columns = np.broadcast_arrays(*(np.asarray(x).astype(np.int64) & MASK for x in (identity, week, purpose)))
    a, b, c = (column.astype(np.uint64) for column in columns)
    d = np.zeros_like(a)
    mask, half = np.uint64(MASK), np.uint64(32)
    for _ in range(_ROUNDS):
        left, right = np.uint64(_M0) * a, np.uint64(_M1) * c
        a, b = (right >> half) ^ b ^ np.uint64(low), right & mask
        c, d = (left >> half) ^ d ^ np.uint64(high), left & mask
        low, high = (low + _W0) & MASK, (high + _W1) & MASK
    return a


def choice(seed: int, identity: ArrayLike, purpose: str, n: ArrayLike, week: ArrayLike = 0) -> NDArray[np.int64]:
    """Return a keyed whole number from 0 to n - 1 for each identity (n at most 2**31, may differ by identity)."""
    drawn = words(seed, identity, week, purpose_of(purpose)).astype(np.uint64)
    return ((drawn * np.asarray(n).astype(np.uint64)) >> np.uint64(32)).astype(np.int64)


# The forms for compiled loops. numba turns an unsigned 64-bit number with a signed one into a signed number, so every
# constant is unsigned.
_C_M0, _C_M1, _C_MASK, _C_HALF = np.uint64(_M0), np.uint64(_M1), np.uint64(MASK), np.uint64(32)
_C_W0, _C_W1, _C_ZERO = np.uint64(_W0), np.uint64(_W1), np.uint64(0)

if HAS_NUMBA:

    @compiled(inline=True)
    def kernel_philox(low: Any, high: Any, identity: Any, week: Any, purpose: Any, kind: Any) -> Any:
        """Return `philox` as four uint64; all arguments are uint64 below 2**32."""
        a, b, c, d = identity, week, purpose, kind
        for _ in range(_ROUNDS):
            left, right = _C_M0 * a, _C_M1 * c
            a, b = (right >> _C_HALF) ^ b ^ low, right & _C_MASK
            c, d = (left >> _C_HALF) ^ d ^ high, left & _C_MASK
            low, high = (low + _C_W0) & _C_MASK, (high + _C_W1) & _C_MASK
        return a, b, c, d

else:

    def kernel_philox(low: Any, high: Any, identity: Any, week: Any, purpose: Any, kind: Any) -> Any:
        """Return `philox` for the halves of the seed."""
        counter = (int(identity), int(week), int(purpose), int(kind))
        return tuple(np.uint64(word) for word in philox(counter, (int(low), int(high))))


def generator(*numbers: int) -> np.random.Generator:
    """Return numpy's generator seeded with keyed numbers: for what a library or an algorithm draws by the thousand."""
    return np.random.default_rng(list(numbers))


@contextmanager
def common_generator(number: int) -> Iterator[None]:
    """Seed numpy's common generator with a keyed number while it lasts: for a library that draws from that one."""
    before = np.random.get_state()
    np.random.seed(number & MASK)
    try:
        yield
    finally:
        np.random.set_state(before)


@compiled(inline=True)
def kernel_word(low: Any, high: Any, identity: Any, week: Any, purpose: Any) -> Any:
    """Return `word` as uint64; all arguments are uint64 below 2**32."""
    return kernel_philox(low, high, identity, week, purpose, _C_ZERO)[0]
