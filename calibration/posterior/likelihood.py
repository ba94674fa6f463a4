"""What was published of an area, as a likelihood: rounding, hidden cells, luck, and the model's own error.

A published figure is the figure of a run, plus what the model gets wrong, as its publisher shows it:

    figure = expectation + luck (the covariance of a run's figures, `noise`) + discrepancy, then rounded or hidden

`published` does to made-up figures what a publisher does: rounds, shows nothing below 0, and no more of a small cell
than the interval it is in. `interval` is the way back: what a figure that was shown can have been. The scale on which
errors are Gaussian is that of `steady`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.fit import FIRST_YEAR
from calibration.least_squares import DISCREPANCY
from calibration.levers import FITTED_FIGURES
from calibration.readings import REVISION, SOLVED
from calibration.statistics import ENGLAND
from calibration.targets import Target

Array = NDArray[np.float64]
LEAST_DISCREPANCY = 0.5
"""Least standard deviation of the model's own error in a figure, in children or events: an expected value is never
taken as better than half a one (assumed)."""


@dataclass(frozen=True)
class Seen:
    """The fitted figures that were published, K of them, in the order of years, then figures.

    where            int64[K]    place in [years, figures], raveled
    value, sigma     float64[K]  see `Target`
    low, high        float64[K]
    hidden           bool[K]     the cell itself was not shown
    step             rounding of counts (0: none)
    """

    n_years: int
    where: NDArray[np.int64]
    value: Array
    sigma: Array
    low: Array
    high: Array
    hidden: NDArray[np.bool_]
    step: float

    @property
    def names(self) -> list[tuple[int, str]]:
        """Year and figure of each."""
        n = len(FITTED_FIGURES)
        return [(FIRST_YEAR + int(k) // n, FITTED_FIGURES[int(k) % n]) for k in self.where]

    def of(self, figures: Array) -> Array:
        """Return float64[..., K] of figures float64[..., years, figures]."""
        taken: Array = figures.reshape(*figures.shape[:-2], -1)[..., self.where]
        return taken

    @property
    def sigma_shown(self) -> Array:
        """Standard error without what rounding and hiding leave open: later revision, half a unit at least."""
        least = np.maximum(0.5, REVISION * self.value)
        rest = np.sqrt(np.maximum(self.sigma**2 - self.step**2 / 12, 0.0))
        return np.where(self.hidden, least, np.maximum(least, rest))


def seen_of(found: Iterable[Target], n_years: int, area_code: str) -> Seen:
    """Return what was published of the fitted figures in the first `n_years`."""
    rows = []
    for target in found:
        year = target.year - FIRST_YEAR
        if target.figure in FITTED_FIGURES and 0 <= year < n_years:
            where = year * len(FITTED_FIGURES) + FITTED_FIGURES.index(target.figure)
            rows.append((where, target.value, target.sigma, target.low, target.high, SOLVED in target.note))
    rows.sort()
    table = np.array(rows, float).reshape(-1, 6).T
    step = 10.0 if area_code == ENGLAND else 0.0
    return Seen(n_years, table[0].astype(np.int64), table[1], table[2], table[3], table[4], table[5] > 0, step)


def discrepancy(value: Array) -> Array:
    """Return the standard deviation of the model's own error of figures of this size."""
    return np.maximum(LEAST_DISCREPANCY, DISCREPANCY * value)


def floor_of(seen: Seen) -> Array:
    """Return float64[K]: the variance of published less expected figures that does not go with the expectation.

    Later revision and the model's own error; not what rounding and hiding leave open.
    """
    out: Array = seen.sigma_shown**2 + discrepancy(seen.value) ** 2
    return out


def published(seen: Seen, figures: Array) -> Array:
    """Return made-up figures float64[..., K] as a publisher would show them.

    Counts are rounded to whole numbers or to the publisher's step. A cell that is hidden shows its interval alone: a
    count inside of it is given the value that a hidden cell is taken for; one outside would have been another cell, and
    stays as it is.
    """
    counts = np.maximum(figures, 0.0)
    step = seen.step or 1.0
    shown: Array = np.round(counts / step) * step
    inside = seen.hidden & (counts >= seen.low - 0.5) & (counts <= seen.high + 0.5)
    return np.where(inside, seen.value, shown)


def interval(seen: Seen, value: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return what published figures, float64[..., K], can have been before rounding: (least, most, hidden or not).

    The least is below 0 where anything is possible down to it.
    """
    half = (seen.step or 1.0) / 2
    hidden = seen.hidden & (value >= seen.low - 0.5) & (value <= seen.high + 0.5)
    return np.where(hidden, seen.low - 0.5, value - half), np.where(hidden, seen.high + 0.5, value + half), hidden
