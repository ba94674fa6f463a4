"""What one area's figures say of its factors, and what they are with what all areas say: in closed form.

The figures enter as a likelihood around a fit: Gaussian, by the derivatives of the figures by the factors, and without
the prior of the fit. With a `Prior` of `calibration.pooling` it gives the factors' mean and covariance (Laplace's
approximation). In a small area the figures say little and the prior much: so it borrows strength.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.draws import area_seed
from abm.journey import JOURNEY
from abm.meanfield import MeanField, make_grid
from calibration.fit import Fitted, observed_figures
from calibration.least_squares import weights
from calibration.pooling import TAILS, Prior, Process, keyed_normals

Array = NDArray[np.float64]
ROUNDS = 30
MOST_SCALE = 6.0
"""The largest scale of an area's own movement (assumed). Of 145 areas, 4 levers would have more: where figures say that
a factor has all but gone, the Gaussian around the fit knows no end."""


@dataclass(frozen=True)
class Evidence:
    """What an area's figures say of its factors x: a likelihood in proportion to exp(-x'Ax/2 + b'x).

    n_years      years from the first on that there are figures of
    information  A, float64[n_years * L, n_years * L], years before levers
    direction    b, float64[n_years * L]
    children     who live there
    """

    area: str
    n_years: int
    information: Array
    direction: Array
    children: float

    def given(self, prior: Prior) -> tuple[Array, Array]:
        """Return mean, float64[n_years, L], and covariance, float64[n_years * L, n_years * L], of the factors."""
        size = len(self.direction)
        covariance, mean = prior.covariance[:size, :size], prior.mean[: self.n_years].ravel()
        left = np.eye(size) + covariance @ self.information
        out = np.linalg.solve(left, covariance)
        toward = self.direction - self.information @ mean
        return (mean + out @ toward).reshape(self.n_years, -1), (out + out.T) / 2


def evidence_of(
    area: str, logs: Array, jacobian: Array, figures: Array, value: Array, sd: Array, children: float
) -> Evidence:
    """Return what figures say, from a fit.

    logs      float64[years, L]  where the fit is
    jacobian  float64[known figures, years * L]  derivatives of the figures divided by their errors
    figures, value, sd  float64[years, figures]  the model there, what was published (NaN: nothing), and errors
    """
    known = np.isfinite(value)
    residual = ((figures - value) / sd)[known]
    return Evidence(area, len(logs), jacobian.T @ jacobian, jacobian.T @ (jacobian @ logs.ravel() - residual), children)


def evidence_at(fitted: Fitted) -> Evidence:
    """Return what the figures of a fit say around it; the derivatives are made anew, at the fit (a second or two)."""
    return evidence_until(fitted, [fitted.fitted_to])[0]


def evidence_until(fitted: Fitted, years: Sequence[int]) -> list[Evidence]:
    """Return what the figures of a fit up to each of these years say around it."""
    from calibration.posterior.fast import FastYears

    n_years, n = fitted.logs.shape
    model = FastYears(MeanField(JOURNEY, make_grid(JOURNEY)), fitted.book, fitted.scenario, n_years)
    figures, derivatives = model.with_derivatives(fitted.logs)
    figures = figures * fitted.correction
    seen = observed_figures(fitted.targets, n_years)
    sd = weights(seen)
    # What the forms of `calibration.posterior` would change comes after the factors.
    by_factor = derivatives[:, :, : n_years * n] * fitted.correction[:, :, None] / np.where(sd > 0, sd, 1.0)[:, :, None]
    children = float(fitted.scenario.plan.ages.sum())
    out = []
    for until in years:
        # Figures of a year depend on factors up to that year alone.
        k = min(n_years, until - fitted.scenario.first_year + 1)
        early = by_factor[:k, :, : k * n][seen.known[:k]]
        out.append(evidence_of(fitted.area.code, fitted.logs[:k], early, figures[:k], seen.value[:k], sd[:k], children))
    return out


def own_scales(process: Process, evidence: Evidence) -> Array:
    """Return float64[L]: the scale of each lever's own movement in this area, as its figures and all areas have it.

    What is expected of 1 / scale^2, given the factors, is (TAILS + years) / (TAILS + what the movement comes to in
    units of the process); factors and scales are worked out in turn until they stay.
    """
    n_years, n = evidence.n_years, process.n_levers
    inverses = np.stack([np.linalg.inv(process.kernel(lever, n_years)) for lever in range(n)])
    scale = np.ones(n)
    for _ in range(ROUNDS):
        prior = process.prior(n_years, area=evidence.area, scale=scale)
        mean, covariance = evidence.given(prior)
        own = mean - prior.mean
        squares = covariance.reshape(n_years, n, n_years, n)
        part = process.own_part(evidence.area)
        came = np.array(
            [np.sum(inverses[k] * (np.outer(own[:, k], own[:, k]) + squares[:, k, :, k])) / part for k in range(n)]
        )
        new = np.minimum(np.sqrt((TAILS + came) / (TAILS + n_years)), MOST_SCALE)
        if np.abs(new - scale).max() < 1e-6:
            break
        scale = new
    return scale


def prior_for(process: Process, evidence: Evidence, n_years: int) -> Prior:
    """Return the prior of an area's factors over `n_years`, with the scales of its own movement."""
    return process.prior(n_years, area=evidence.area, scale=own_scales(process, evidence))


def laplace_draws(prior: Prior, evidence: Evidence, n_draws: int, seed: int) -> Array:
    """Return float64[n_draws, years of the prior, L]: draws of the factors of all its years, keyed by number."""
    mean, covariance = evidence.given(prior)
    root = np.linalg.cholesky(covariance + 1e-12 * np.eye(len(covariance)))
    k, n = mean.shape
    own = keyed_normals(area_seed(seed, evidence.area), n_draws, k, n, "what figures leave open of a factor")
    fitted = mean + (own.reshape(n_draws, -1) @ root.T).reshape(n_draws, k, n)
    return prior.draws(fitted, seed)
