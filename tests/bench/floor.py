"""What this machine can do at best: small compiled loops that measure what an event cannot go without.

The floor of an event is an estimate, made of what is measured here:

* two keyed draws in a loop with branches: one that says in which week something happens, one that says what;
* one random access in 4 MB, for the chances that hold then and there (tables of one year, and a child's own numbers,
  which lie next to those of the child before);
* its row in the log, written once and put in order once, at the speed of memory.

An engine that looked only at events, wasted nothing and was never held up would need that much. Children at home,
whose draws mostly say that nothing happens, come on top.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from abm.draws import kernel_word
from abm.events import new_rows

MB = 1 << 20
ROW_BYTES = sum(column.itemsize for column in new_rows(1))
_ONE, _FIVE, _MANY = np.uint64(1), np.uint64(5), np.uint64(0x9E3779B9)


@numba.njit(nogil=True)
def chase(following: Any, steps: Any) -> Any:
    """Follow a chain through memory: each place says where the next one is, so no access can begin before the last."""
    at = 0
    for _ in range(steps):
        at = following[at]
    return at


@numba.njit(nogil=True)
def straight(n: Any) -> Any:
    """Draw for `n` weeks of one child; the compiler may handle several at a time."""
    total = np.uint64(0)
    for week in range(n):
        total += kernel_word(_FIVE, _ONE, _FIVE, np.uint64(week), _MANY)
    return total


@numba.njit(nogil=True)
def branchy(threshold: Any, n: Any) -> Any:
    """Draw for one child after the other, and go on as each draw says, which cannot be foreseen."""
    child, week, low = np.uint64(0), np.uint64(0), np.uint64(0)
    for _ in range(n):
        draw = kernel_word(_FIVE, _ONE, child, week, _MANY)
        if draw < threshold:
            child += _ONE
            week = draw & np.uint64(255)
            low += draw
        else:
            week += _ONE
            low ^= draw
    return low


@numba.njit(nogil=True, fastmath=True)
def read_all(numbers: Any) -> Any:
    """Add all numbers, in whatever order is quickest: memory is what is measured."""
    total = 0.0
    for i in range(numbers.size):
        total += numbers[i]
    return total


@numba.njit(nogil=True)
def write_all(numbers: Any, value: Any) -> None:
    """Write all numbers."""
    for i in range(numbers.size):
        numbers[i] = value


@dataclass(frozen=True)
class Floor:
    """Nanoseconds of each part, and bytes a nanosecond (GB/s) of one and of two threads."""

    access_4mb: float
    access_64mb: float
    draw_straight: float
    draw_branchy: float
    read_one: float
    read_two: float
    write_one: float

    @property
    def event(self) -> float:
        """The estimated floor of an event on one thread, in nanoseconds."""
        # The row is written, read to be put in order, and written again.
        row = ROW_BYTES * (2 / self.write_one + 1 / self.read_one)
        return 2 * self.draw_branchy + self.access_4mb + row


def best_of(rounds: int, run: Callable[[], Any]) -> float:
    """Return the least seconds of some rounds, after one that does not count."""
    run()
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - began)
    return best


def _ring(size: int) -> Any:
    """Return one chain through `size` bytes in random order, one place to a line of the cache."""
    places = size // 64
    order = np.random.default_rng(1).permutation(places) * 16
    following = np.zeros(places * 16, np.int32)
    following[order] = np.roll(order, -1)
    return following


def measure(rounds: int = 5) -> Floor:
    """Measure this machine."""
    steps, draws = 400_000, 2_000_000
    numbers = np.ones(32 * MB)
    halves = np.split(numbers, 2)

    def both() -> None:
        threads = [threading.Thread(target=read_all, args=(half,)) for half in halves]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def access(size: int) -> float:
        following = _ring(size)
        return best_of(rounds, lambda: chase(following, steps)) / steps * 1e9

    half = np.uint64(1 << 31)
    return Floor(
        access_4mb=access(4 * MB),
        access_64mb=access(64 * MB),
        draw_straight=best_of(rounds, lambda: straight(draws)) / draws * 1e9,
        draw_branchy=best_of(rounds, lambda: branchy(half, draws)) / draws * 1e9,
        read_one=numbers.nbytes / best_of(rounds, lambda: read_all(numbers)) / 1e9,
        read_two=numbers.nbytes / best_of(rounds, both) / 1e9,
        write_one=numbers.nbytes / best_of(rounds, lambda: write_all(numbers, 2.0)) / 1e9,
    )
