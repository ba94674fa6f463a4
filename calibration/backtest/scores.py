"""Scores of forecasts: how far a median was off, whether intervals held, and both at once.

A forecast here is a median and central intervals of 50, 80 and 90%, as quantiles at `LEVELS`. Every score is in the
unit of its figure; divided by `step_of` it can be added up over areas and figures of any size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
BANDS = (50, 80, 90)
"""Central intervals, in percent."""
LEVELS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
"""Quantiles of a forecast: the median and the ends of the three intervals."""
MEDIAN = LEVELS.index(0.50)
LEAST_CHANGES = 4
"""An authority of fewer years has no scale to measure errors by, so it is neither forecast nor scored."""


def ends_of(band: int) -> tuple[int, int]:
    """Return where in `LEVELS` an interval begins and ends."""
    tail = (100 - band) / 200
    low = min(range(len(LEVELS)), key=lambda k: abs(LEVELS[k] - tail))
    return low, len(LEVELS) - 1 - low


def step_of(series: Array, least: int = LEAST_CHANGES) -> Array:
    """Return the mean absolute change from year to year over the last axis; NaN where fewer than `least` are known.

    It is what MASE divides by: the mean error, over the years the forecast may see, of carrying the last figure on one
    year. A step below half a child (or referral) is taken as half: no figure is known better.
    Source: Hyndman and Koehler (2006), International Journal of Forecasting 22.
    """
    change = np.abs(np.diff(series, axis=-1))
    known = np.isfinite(change)
    total, n = np.where(known, change, 0.0).sum(axis=-1), known.sum(axis=-1)
    return np.where(n >= max(least, 1), np.maximum(total / np.maximum(n, 1), 0.5), np.nan)


def absolute_error(quantiles: Array, truth: Array) -> Array:
    """Return how far the median was off; quantiles [..., 7], truth [...]."""
    return np.asarray(np.abs(quantiles[..., MEDIAN] - truth))


def inside(quantiles: Array, truth: Array, band: int) -> NDArray[np.bool_]:
    """Tell whether the truth lay in an interval, ends included."""
    low, high = ends_of(band)
    return np.asarray((truth >= quantiles[..., low]) & (truth <= quantiles[..., high]))


def interval_score(quantiles: Array, truth: Array, band: int) -> Array:
    """Return the width of an interval plus, for a truth outside it, 2/alpha times its distance; less is better.

    alpha is the chance to be outside: 0.2 for the interval of 80%.
    Source: Winkler (1972); Gneiting and Raftery (2007), Journal of the American Statistical Association 102.
    """
    low, high = (quantiles[..., k] for k in ends_of(band))
    outside = np.maximum(low - truth, 0.0) + np.maximum(truth - high, 0.0)
    return np.asarray(high - low + 2 / (1 - band / 100) * outside)


def weighted_interval_score(quantiles: Array, truth: Array) -> Array:
    """Return the weighted interval score: half the median's error and alpha/2 of each interval score, over K + 1/2.

    It nears the CRPS as intervals are added. Source: Bracher, Ray, Gneiting and Reich (2021), PLOS Computational
    Biology 17.
    """
    total = absolute_error(quantiles, truth) / 2
    for band in BANDS:
        total = total + (1 - band / 100) / 2 * interval_score(quantiles, truth, band)
    return np.asarray(total / (len(BANDS) + 0.5))


def crps(draws: Array, truth: Array) -> Array:
    """Return the continuous ranked probability score of draws [..., n]: E|X - y| - E|X - X'| / 2; less is better.

    Source: Gneiting and Raftery (2007), equation 21.
    """
    n = draws.shape[-1]
    ordered = np.sort(draws, axis=-1)
    apart = (ordered * (2 * np.arange(1, n + 1) - n - 1)).sum(axis=-1) / n**2
    return np.asarray(np.abs(draws - truth[..., None]).mean(axis=-1) - apart)


def margin(ours: Array, theirs: Array, areas: NDArray[np.int64], picks: NDArray[np.int64]) -> tuple[float, Array]:
    """Return by what share our mean is below theirs, and the same in every bootstrap sample of areas.

    ours, theirs  float64[points]  scaled errors of the same points
    areas         int64[points]    area of each point, from 0
    picks         int64[samples, n]  the areas of each sample, drawn with replacement: all points of an area go together
    """
    mine, other = (np.bincount(areas, values, picks.shape[1]) for values in (ours, theirs))
    return 1 - float(mine.sum() / other.sum()), 1 - mine[picks].sum(axis=1) / other[picks].sum(axis=1)
