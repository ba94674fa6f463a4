"""How much each view weighs and how wide the intervals are: learnt at earlier origins over all areas.

For an origin T and h years ahead only origins t with t + h <= T teach, so that nothing of a year after T is used.

* *Weights.* The change from the last value, in steps of the area (`scores.step_of`), is a weighted sum of the changes
  that the views of figures alone say; weights make the absolute error least, and are pulled towards none, which is the
  last value. In a second step, over areas and origins with a fitted model, this is blended with what the model says.
  What all areas share in a year (its median) is taken out of both sides first: a pandemic or a policy would else teach
  that areas go where they all went in those few years. So weights rest on how areas of one year differ.
* *Spread.* A forecast's scale is sqrt(a f + b f^2 + c step^2) of its figure f: chance, what differs in proportion, and
  how much this area moves. The parts (a, b, c) fit the squared errors of the earlier origins; the half-widths of the
  intervals are quantiles of the errors over their scale, taken alike on both sides. Errors are those of an origin under
  weights learnt at the other origins, where there are several: what all areas share in a year then counts as error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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

    plain   float64[views of figures alone]  weights
    blend   float64[views of the model]      how far to go from what the plain views say together to what these say
    scale   float64[3]: the parts a, b, c of the squared scale
    widths  float64[bands]: half-width of each interval, in scales
    points, origins  how many errors, of how many origins, taught it
    """

    plain: Array
    blend: Array
    scale: Array
    widths: Array
    points: int
    origins: int


@dataclass(frozen=True)
class Scene:
    """One figure of all areas at one origin, so many years ahead.

    last, step  float64[areas]
    plain       float64[areas, views of figures alone]
    model       float64[areas, views of the model]
    fitted      bool[areas]: whether the model of the area was fitted there
    came        float64[areas]: what was published then; NaN where unknown
    """

    last: Array
    step: Array
    plain: Array
    model: Array
    fitted: NDArray[np.bool_]
    came: Array


@dataclass(frozen=True)
class _Told:
    """The areas of a scene of which all is known, in steps from the last value."""

    plain: Array
    model: Array
    fitted: NDArray[np.bool_]
    came: Array
    last: Array
    step: Array


def changes(scene: Scene, said: Array) -> Array:
    """Return float64[areas, views]: the changes that views say, in steps; none may say an absurd one."""
    return np.clip((said - scene.last[:, None]) / scene.step[:, None], -FARTHEST, FARTHEST)


def middle(scene: Scene, plain: Array, blend: Array) -> Array:
    """Return float64[areas]: the median forecast; never below 0, NaN where the last value or the step is unknown."""
    moved = _moved(changes(scene, scene.plain), changes(scene, scene.model), scene.fitted, plain, blend)
    return np.asarray(np.maximum(scene.last + scene.step * moved, 0.0))


def _moved(said: Array, model: Array, fitted: NDArray[np.bool_], plain: Array, blend: Array) -> Array:
    by_figures = said @ plain
    return np.asarray(by_figures + np.where(fitted, (model - by_figures[:, None]) @ blend, 0.0))


def quantiles(middle: Array, step: Array, lesson: Lesson) -> Array:
    """Return float64[areas, LEVELS] around a median forecast."""
    scale = np.sqrt(_parts(middle, step) @ lesson.scale)
    out = np.repeat(middle[:, None], len(LEVELS), axis=1)
    for band, width in zip(BANDS, lesson.widths, strict=True):
        low, high = ends_of(band)
        out[:, low] -= width * scale
        out[:, high] += width * scale
    return np.maximum(out, 0.0)


def learn(scenes: Sequence[Scene], plain: Array | None = None, blend: Array | None = None) -> Lesson | None:
    """Return what earlier origins teach, or None where they have too few points.

    plain, blend  weights that are given, and so not learnt
    """
    told = [_told(scene) for scene in scenes]
    n = sum(len(one.came) for one in told)
    if n < LEAST_POINTS:
        return None

    apart = [_apart(one) for one in told]

    def weights_of(some: Sequence[_Told]) -> tuple[Array, Array]:
        first = _least_absolute([(t.plain, t.came) for t in some]) if plain is None else plain
        if blend is not None:
            return first, blend
        rest = [(t.model - (t.plain @ first)[:, None], t.came - t.plain @ first, t.fitted) for t in some]
        fitted = [(x[k], y[k]) for x, y, k in rest if k.any()]
        enough = sum(len(y) for _, y in fitted) >= LEAST_POINTS
        return first, _least_absolute(fitted) if enough else np.zeros(some[0].model.shape[1])

    learnt = weights_of(apart)
    errors, parts = [], []
    for held, one in enumerate(told):
        others = [other for k, other in enumerate(apart) if k != held and len(other.came)]
        enough = sum(len(other.came) for other in others) >= LEAST_POINTS
        first, second = weights_of(others) if enough else learnt
        said = _said(one, first, second)
        errors.append(one.last + one.step * one.came - said)
        parts.append(_parts(said, one.step))
    error, part = np.concatenate(errors), np.concatenate(parts)
    scale = _scale(error, part)
    ratio = np.abs(error) / np.sqrt(part @ scale)
    widths = np.quantile(ratio, [band / 100 for band in BANDS])
    return Lesson(*learnt, scale, widths, n, sum(len(one.came) > 0 for one in told))


def _told(scene: Scene) -> _Told:
    came = (scene.came - scene.last) / scene.step
    plain, model = changes(scene, scene.plain), changes(scene, scene.model)
    ok = np.isfinite(came) & np.isfinite(plain).all(axis=1)
    return _Told(plain[ok], model[ok], scene.fitted[ok], came[ok], scene.last[ok], scene.step[ok])


def _apart(one: _Told) -> _Told:
    """Return the same without what its areas share: the median of what came and of each view."""
    if not len(one.came):
        return one
    model = one.model - np.median(one.model[one.fitted], axis=0) if one.fitted.any() else one.model
    return replace(
        one, plain=one.plain - np.median(one.plain, axis=0), model=model, came=one.came - np.median(one.came)
    )


def _said(one: _Told, plain: Array, blend: Array) -> Array:
    moved = _moved(one.plain, one.model, one.fitted, plain, blend)
    return np.asarray(np.maximum(one.last + one.step * moved, 0.0))


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
