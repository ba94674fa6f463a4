"""How factors go on after the last fitted year, when nobody gives a process that was estimated over all areas.

Every draw goes on from the mean of its own last two years by a random walk. The spread of a year's step is the area's
own, lever by lever, held towards the spread that the fit assumes: with few years an area says little about it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calibration.least_squares import SMOOTH
from calibration.levers import CARRIED_AHEAD_FROM

Array = NDArray[np.float64]
Ahead = Callable[[Array, int, np.random.Generator], Array]
"""(logs [draws, fitted years, levers], years ahead, generator) -> logs [draws, years ahead, levers]."""

PRIOR_STEPS = 8
"""The prior of a step's spread counts as much as this many steps seen (assumed)."""


def own_spread(logs: Array) -> Array:
    """Return float64[levers]: standard deviation of a year's step, from draws [draws, years, levers].

    The mean of squared steps over draws and years, and SMOOTH squared as if PRIOR_STEPS more had been seen. Draws of a
    factor that figures say nothing about have steps of their prior, so they change nothing.
    """
    steps = np.diff(logs, axis=1)
    total = (steps**2).mean(axis=0).sum(axis=0)
    spread: Array = np.sqrt((total + PRIOR_STEPS * SMOOTH**2) / (steps.shape[1] + PRIOR_STEPS))
    return spread


def walk_on(logs: Array, n_years: int, luck: np.random.Generator) -> Array:
    """Return float64[draws, n_years, levers]: each draw's mean of its last two years, and a random walk from there."""
    start = logs[:, -CARRIED_AHEAD_FROM:].mean(axis=1, keepdims=True)
    steps = luck.standard_normal((logs.shape[0], n_years, logs.shape[2])) * own_spread(logs)
    on: Array = start + np.cumsum(steps, axis=1)
    return on
