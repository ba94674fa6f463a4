"""How much each view weighs and how wide the intervals are: learnt at earlier origins over all areas.

For an origin T and h years ahead only origins t with t + h <= T teach, so that nothing of a year after T is used.

* *Weights.* The change from the last value, in steps of the area (`scores.step_of`), is a weighted sum of the changes
  that the views say. Weights make the absolute error least, and are pulled towards none, which is the last value.
* *Spread.* A forecast's scale is sqrt(a f + b f^2 + c step^2) of its figure f: chance, what differs in proportion, and
  how much this area moves. The parts (a, b, c) fit the squared errors of the earlier origins; the half-widths of the
  intervals are quantiles of the errors over their scale, taken alike on both sides. Errors are those of an origin under
  weights learnt at the other origins, where there are several: what all areas share in a year then counts as error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from calibration.backtest.scores import BANDS, LEVELS, ends_of

Array = NDArray[np.float64]
PULL = 30.0
"""The last value weighs as this many further points per view would."""
NEAR = 0.15
"""An error below this many steps counts as its square: the least sum of absolute errors is found by reweighting."""
FARTHEST = 15.0
"""A view may say no larger change than this many steps."""
LEAST_POINTS = 60
ROUNDS = 30


@dataclass(frozen=True)
class Lesson:
    """What was learnt for one figure, so many years ahead.

    weights  float64[views]
    scale    float64[3]: the parts a, b, c of the squared scale
    widths   float64[bands]: half-width of each interval, in scales
    points, origins  how many errors, of how many origins, taught it
    """

    weights: Array
    scale: Array
    widths: Array
    points: int
    origins: int


@dataclass(frozen=True)
class Past:
    """One origin that teaches: last [areas], step [areas], said [areas, views], came [areas]; NaN where unknown."""

    last: Array
    step: Array
    said: Array
    came: Array

    def changes(self) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return (changes said, change that came, both in steps, and which areas have all)."""
        said = changes(self.last, self.step, self.said)
        came = (self.came - self.last) / self.step
        return said, came, np.isfinite(came) & np.isfinite(said).all(axis=1)


def changes(last: Array, step: Array, said: Array) -> Array:
    """Return float64[areas, views]: the changes that views say, in steps; none may say an absurd one."""
    return np.clip((said - last[:, None]) / step[:, None], -FARTHEST, FARTHEST)


def middle(last: Array, step: Array, said: Array, weights: Array) -> Array:
    """Return float64[areas]: the median forecast; never below 0."""
    moved = np.nan_to_num(changes(last, step, said)) @ weights
    return np.maximum(last + step * moved, 0.0)


def quantiles(middle: Array, step: Array, lesson: Lesson) -> Array:
    """Return float64[areas, LEVELS] around a median forecast."""
    scale = np.sqrt(_parts(middle, step) @ lesson.scale)
    out = np.repeat(middle[:, None], len(LEVELS), axis=1)
    for band, width in zip(BANDS, lesson.widths, strict=True):
        low, high = ends_of(band)
        out[:, low] -= width * scale
        out[:, high] += width * scale
    return np.maximum(out, 0.0)


def learn(past: Sequence[Past], fixed: Array | None = None) -> Lesson | None:
    """Return what earlier origins teach, or None where they have too few points; under `fixed` weights if given."""
    told = [(said[ok], came[ok]) for said, came, ok in (one.changes() for one in past)]
    n = sum(len(came) for _, came in told)
    if n < LEAST_POINTS:
        return None
    weights = _least_absolute(told) if fixed is None else fixed
    errors, parts = [], []
    for held, one in enumerate(past):
        others = [pair for k, pair in enumerate(told) if k != held and len(pair[1])]
        apart = weights
        if fixed is None and sum(len(c) for _, c in others) >= LEAST_POINTS:
            apart = _least_absolute(others)
        _, _, ok = one.changes()
        said = middle(one.last[ok], one.step[ok], one.said[ok], apart)
        errors.append(one.came[ok] - said)
        parts.append(_parts(said, one.step[ok]))
    error, part = np.concatenate(errors), np.concatenate(parts)
    scale = _scale(error, part)
    ratio = np.abs(error) / np.sqrt(part @ scale)
    widths = np.quantile(ratio, [band / 100 for band in BANDS])
    return Lesson(weights, scale, widths, n, sum(len(c) > 0 for _, c in told))


def _parts(middle: Array, step: Array) -> Array:
    at_least = np.maximum(middle, 1.0)
    return np.stack([at_least, at_least**2, step**2], axis=-1)


def _least_absolute(told: Sequence[tuple[Array, Array]]) -> Array:
    """Return the weights of least absolute error with a pull to 0, by iteratively reweighted least squares."""
    said, came = (np.concatenate(parts) for parts in zip(*told, strict=True))
    weights: Array = np.zeros(said.shape[1])
    for _ in range(ROUNDS):
        trust = 1 / np.maximum(np.abs(came - said @ weights), NEAR)
        weighed = said * trust[:, None]
        weights = np.asarray(
            np.linalg.solve(weighed.T @ said + PULL * np.eye(weights.size), weighed.T @ came), np.float64
        )
    return weights


def _scale(error: Array, parts: Array) -> Array:
    """Return the parts of the squared scale, none negative, that fit the squared errors in proportion."""
    guess = parts / parts.mean(axis=0)
    level = np.full(len(error), np.median(np.abs(error)) ** 2 + 1e-9)
    found = np.zeros(parts.shape[1])
    for _ in range(10):
        # The largest errors, of a few areas, must not decide how wide the intervals of all are.
        square = np.minimum(error**2, 9 * level)
        found, _rest = nnls(guess / level[:, None], square / level)
        level = np.maximum(guess @ found, 1e-9)
    return np.asarray(found / parts.mean(axis=0))


def past_of(
    last: Array, step: Array, said: Mapping[str, Array], views: Sequence[str], came: Array, figure: int, ahead: int
) -> Past:
    """Return one origin that teaches, for one figure and `ahead` years (from 1).

    last, step, came  float64[areas, figures]
    said              view -> float64[areas, figures, years ahead]
    """
    stack = np.stack([said[view][:, figure, ahead - 1] for view in views], axis=1)
    return Past(last[:, figure], step[:, figure], stack, came[:, figure])
