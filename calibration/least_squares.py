"""Least squares on a model of yearly figures, with a Jacobian by differences once and Broyden's updates after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SMOOTH = 0.25
"""Standard deviation, in log units, of the change of a factor from one year to the next (prior, assumed)."""
LEVEL = 0.6
"""Standard deviation, in log units, of a factor in the first year (prior, assumed)."""
CHANCE = 0.5
"""Part of the variance of a count that is taken as its chance: published counts are less than Poisson from year to year
(assumed)."""
STEP = 0.05
DISCREPANCY = 0.01
"""Relative model discrepancy added to every target's error (assumed)."""


@dataclass(frozen=True)
class Observed:
    """Figures to meet: float64[years, figures] with NaN where nothing is published, and their errors."""

    value: Array
    sigma: Array

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where a figure is published."""
        return np.isfinite(self.value)


def weights(observed: Observed) -> Array:
    """Return the standard deviation of each residual: its error, the chance of a count, and the model's own."""
    return np.sqrt(observed.sigma**2 + CHANCE * np.maximum(observed.value, 1.0) + (DISCREPANCY * observed.value) ** 2)


def solve(
    model: Callable[[Array], Array],
    start: Array,
    observed: Observed,
    rounds: int = 5,
    jacobian: Array | None = None,
    progress: Callable[[float], None] | None = None,
) -> tuple[Array, Array, Array]:
    """Return (logs of factors, the model's figures there, the Jacobian) that fit best.

    model     logs [years, levers] -> figures [years, figures]
    start     float64[years, levers]
    Method: Gauss-Newton on the residuals and the priors; the Jacobian is by differences at the start unless given, and
    follows the steps by Broyden's rank-one updates. A step that makes the sum larger is halved up to twice.
    """
    n_years, n_levers = start.shape
    sd = weights(observed)
    known = observed.known
    logs = start.copy()
    figures = model(logs)
    if jacobian is None:
        jacobian = _jacobian(model, logs, figures, known, progress) / sd[known][:, None]
    prior, prior_of = _prior(n_years, n_levers)
    cost = _cost(figures, observed, sd, prior, logs)
    for _ in range(rounds):
        residual = ((figures - observed.value) / sd)[known]
        both = np.vstack([jacobian, prior])
        step = -np.linalg.lstsq(both, np.r_[residual, prior_of(logs)], rcond=None)[0].reshape(logs.shape)
        step = np.clip(step, -0.7, 0.7)
        for _half in range(3):
            tried = model(logs + step)
            new = _cost(tried, observed, sd, prior, logs + step)
            change = ((tried - figures) / sd)[known] - jacobian @ step.ravel()
            jacobian = jacobian + np.outer(change, step.ravel()) / max(float((step**2).sum()), 1e-12)
            if new <= cost:
                break
            step = step / 2
        else:
            break
        better = cost - new
        logs, figures, cost = logs + step, tried, new
        if better < 1e-3 * max(cost, 1.0):
            break
    return logs, model(logs), jacobian


def _jacobian(
    model: Callable[[Array], Array],
    logs: Array,
    figures: Array,
    known: NDArray[np.bool_],
    progress: Callable[[float], None] | None,
) -> Array:
    """Return the derivatives of the known figures: by differences for the first year's factors, then moved on in time.

    A factor of a later year acts on the years after it as the first year's does on those after the first, in proportion
    to the figures; what is wrong in this the updates put right.
    """
    n_years, n_levers = logs.shape
    out = np.zeros((n_years, figures.shape[1], n_years, n_levers))
    for lever in range(n_levers):
        moved = logs.copy()
        moved[0, lever] += STEP
        relative = np.log((model(moved) + 1.0) / (figures + 1.0)) / STEP
        for year in range(n_years):
            out[year:, :, year, lever] = relative[: n_years - year] * (figures[year:] + 1.0)
        if progress:
            progress((lever + 1) / n_levers)
    return out.reshape(n_years, figures.shape[1], -1)[known]


def _prior(n_years: int, n_levers: int) -> tuple[Array, Callable[[Array], Array]]:
    size = n_years * n_levers
    rows = []
    for year in range(n_years):
        for lever in range(n_levers):
            row = np.zeros(size)
            row[year * n_levers + lever] = 1 / (SMOOTH if year else LEVEL)
            if year:
                row[(year - 1) * n_levers + lever] = -1 / SMOOTH
            rows.append(row)
    matrix = np.array(rows)
    return matrix, lambda logs: matrix @ logs.ravel()


def _cost(figures: Array, observed: Observed, sd: Array, prior: Array, logs: Array) -> float:
    residual = ((figures - observed.value) / sd)[observed.known]
    return float((residual**2).sum() + ((prior @ logs.ravel()) ** 2).sum())
