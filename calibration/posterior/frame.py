"""The frame of the posterior: where it is highest, how wide it is, and along which directions figures tell anything.

x is the logarithms of all yearly factors (years before levers) as they would be with the forms at 0, then the forms.
What the prior says of factors was learnt from fits with the forms at 0. So where forms are not, factors are taken to
be what makes up for them, and the prior is of the rest: logs = first part of x + makes_up @ forms. With a Gaussian
prior and Gaussian errors, Gauss-Newton steps lead to the highest point; the derivatives there give Laplace's
covariance. Figures and their errors are those of the `steady` scale, which has its centre at that point.

For given forms v, the factors are told apart by whitening both sides: logs = prior mean + root of the prior x V b with
b ~ N(0, 1), and data / root of their error = ... + U S b. Each b_k is then told by one datum of its own with the
strength s_k: figures leave 1 / (1 + s_k^2) of its prior variance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calibration.least_squares import LEVEL, SMOOTH
from calibration.levers import LEVERS
from calibration.posterior.fast import FastYears
from calibration.posterior.forms import FORMS
from calibration.posterior.likelihood import Seen
from calibration.posterior.steady import Data, Steady

Array = NDArray[np.float64]
N_FORMS, N_LEVERS = len(FORMS), len(LEVERS)
STEPS, HALVES = 4, 3
JITTER = 1e-10


@dataclass(frozen=True)
class Belief:
    """A Gaussian on x: mean float64[n], covariance float64[n, n]."""

    mean: Array
    covariance: Array


@dataclass(frozen=True)
class Frame:
    """The posterior around its highest point.

    x           float64[n]     the highest point
    figures     float64[K]     expected figures there, corrected
    jacobian    float64[K, n]  their derivatives
    prior       what was believed before figures were seen
    seen        what was published
    steady      the scale on which errors are Gaussian, its centre close to `figures`
    errors      float64[K, K]  their covariance, with the intervals of figures taken as Gaussian too
    posterior   Laplace's: mean x
    left        the cost at x: squares of errors and of distance from the prior, in their units
    """

    x: Array
    figures: Array
    jacobian: Array
    prior: Belief
    seen: Seen
    steady: Steady
    errors: Array
    posterior: Belief
    left: tuple[float, float]

    @property
    def n_years(self) -> int:
        """Fitted years."""
        return (self.x.size - N_FORMS) // N_LEVERS

    @property
    def removed(self) -> Array:
        """Share of the prior variance that the figures removed, float64[n]; 0 where they tell nothing."""
        share: Array = 1.0 - np.diag(self.posterior.covariance) / np.diag(self.prior.covariance)
        return np.maximum(share, 0.0)


class Asked(Protocol):
    """Expected figures float64[K] as a function of x float64[n], and their derivatives float64[K, n]."""

    seen: Seen

    def __call__(self, x: Array) -> Array:
        """Return the figures."""
        ...

    def with_derivatives(self, x: Array) -> tuple[Array, Array]:
        """Return the figures and their derivatives."""
        ...


class Expected:
    """Expected figures of an area, corrected: a function of x.

    makes_up  float64[n_logs, forms]  by how much factors make up for one unit of each form
    """

    def __init__(self, model: FastYears, seen: Seen, correction: Array, makes_up: Array) -> None:
        self.model, self.seen, self.correction, self.makes_up = model, seen, seen.of(correction), makes_up

    def split(self, x: Array) -> tuple[Array, Array]:
        """Return (logs [..., years, levers], forms [..., F]) of x [..., n]."""
        forms = x[..., -N_FORMS:]
        logs = x[..., :-N_FORMS] + forms @ self.makes_up.T
        return logs.reshape(*x.shape[:-1], -1, N_LEVERS), forms

    def __call__(self, x: Array) -> Array:
        """Return float64[K]."""
        figures: Array = self.seen.of(self.model.figures(*self.split(x))) * self.correction
        return figures

    def with_derivatives(self, x: Array) -> tuple[Array, Array]:
        """Return float64[K] and float64[K, n]."""
        figures, derivatives = self.model.with_derivatives(*self.split(x))
        rows = derivatives.reshape(-1, derivatives.shape[-1])[self.seen.where] * self.correction[:, None]
        rows[:, -N_FORMS:] += rows[:, :-N_FORMS] @ self.makes_up
        return self.seen.of(figures) * self.correction, rows


def making_up(jacobian: Array, errors: Array, n_years: int) -> Array:
    """Return float64[n_logs, forms]: the factors that bring figures back when forms move, as smooth as a fit's are.

    Least squares with the prior of the point fit, by derivatives float64[K, n] of logs themselves and forms.
    """
    years = np.arange(n_years)
    smooth = LEVEL**2 + SMOOTH**2 * np.minimum.outer(years, years)
    prior = np.kron(np.linalg.inv(smooth), np.eye(N_LEVERS))
    logs, forms = jacobian[:, :-N_FORMS], jacobian[:, -N_FORMS:]
    white = np.linalg.solve(errors, logs).T
    found: Array = -np.linalg.solve(white @ logs + prior, white @ forms).astype(np.float64)
    return found


def conditioned(prior: Belief, jacobian: Array, errors: Array, residual: Array, x: Array) -> Belief:
    """Return the Gaussian posterior of a linear model: figures = those at x + jacobian (x' - x), residual at x."""
    across = prior.covariance @ jacobian.T
    gain = np.linalg.solve(jacobian @ across + errors, across.T).T
    mean = prior.mean + gain @ (residual + jacobian @ (x - prior.mean))
    covariance = prior.covariance - gain @ across.T
    return Belief(mean, (covariance + covariance.T) / 2)


def highest(
    expected: Callable[[Array], Array], jacobian: Array, prior: Belief, value: Array, errors: Array, x: Array
) -> tuple[Array, Array, tuple[float, float]]:
    """Return (x, expected figures there, cost) after Gauss-Newton steps with fixed derivatives.

    A step that makes the cost larger is halved, up to HALVES times; if that does not help, x stays.
    """
    inverse, inverse_prior = np.linalg.inv(errors), np.linalg.pinv(prior.covariance, hermitian=True)

    def cost(figures: Array, at: Array) -> tuple[float, float]:
        off, away = value - figures, at - prior.mean
        return float(off @ inverse @ off), float(away @ inverse_prior @ away)

    figures = expected(x)
    now = cost(figures, x)
    for _ in range(STEPS):
        step = conditioned(prior, jacobian, errors, value - figures, x).mean - x
        for _half in range(HALVES + 1):
            tried = expected(x + step)
            new = cost(tried, x + step)
            if sum(new) <= sum(now) + 1e-9:
                break
            step = step / 2
        else:
            break
        better = sum(now) - sum(new)
        x, figures, now = x + step, tried, new
        if better < 1e-3 * max(sum(now), 1.0):
            break
    return x, figures, now


def gaussian(steady: Steady, data: Data) -> Array:
    """Return float64[K, K]: the covariance of errors where what figures lie between is taken as Gaussian."""
    return steady.covariance + np.diag(data.width)


def climbed(
    expected: Asked, figures: Array, jacobian: Array, prior: Belief, steady: Steady, x: Array
) -> tuple[Array, Steady, Array, Belief, tuple[float, float]]:  # fmt: skip
    """Return (the highest point, the scale, E of the figures there, Laplace's Gaussian, cost).

    From the figures and derivatives at x, where the scale is given its centre.
    """
    steady = steady.centred(figures)
    data = steady.data(expected.seen, expected.seen.value)
    errors = gaussian(steady, data)
    x, there, left = highest(lambda at: steady.expected(expected(at)), jacobian, prior, data.value, errors, x)
    return x, steady, there, conditioned(prior, jacobian, errors, data.value - there, x), left


def framed(expected: Asked, prior: Belief, steady: Steady, x: Array) -> Frame:
    """Return the frame around a point that is the highest or close to it: one more look at the derivatives."""
    seen = expected.seen
    figures, jacobian = expected.with_derivatives(x)
    x, steady, there, posterior, left = climbed(expected, figures, jacobian, prior, steady, x)
    errors = gaussian(steady, steady.data(seen, seen.value))
    figures = steady.unrooted(there)
    return Frame(x, figures, jacobian, prior, seen, steady, errors, Belief(x, posterior.covariance), left)


@dataclass(frozen=True)
class Directions:
    """Factors and figures told apart, for given forms: see the module.

    strength   float64[k]            s, largest first
    data       float64[K, K]         U, then combinations of figures that no factor moves
    whiten     float64[K, K]         (lower root of the errors' covariance)^-1
    mean       float64[n_logs]       the prior mean of the factors
    logs       float64[n_logs, n_logs]  root of the prior x V: logs = mean + logs @ b; figures tell the first k of b
    into       float64[n_logs, n_logs]  its inverse
    """

    strength: Array
    data: Array
    whiten: Array
    mean: Array
    logs: Array
    into: Array

    @cached_property
    def combine(self) -> Array:
        """What makes of figures combinations of them whose errors are independent, float64[K, K]: off @ this."""
        return np.asarray(self.whiten.T @ self.data)

    @property
    def information(self) -> Array:
        """What each direction's datum tells, in nats: log(1 + s^2) / 2."""
        told: Array = np.log1p(self.strength**2) / 2
        return told


def directions_of(frame: Frame) -> Directions:
    """Return the directions of a frame's factors for given forms."""
    n_logs = frame.x.size - N_FORMS
    covariance = frame.prior.covariance[:n_logs, :n_logs]
    root_prior = np.linalg.cholesky(covariance + JITTER * np.eye(n_logs))
    whiten = np.linalg.inv(np.linalg.cholesky(frame.errors))
    data, strength, across = np.linalg.svd(whiten @ frame.jacobian[:, :n_logs] @ root_prior)
    into = across @ np.linalg.inv(root_prior)
    return Directions(strength, data, whiten, frame.prior.mean[:n_logs], root_prior @ across.T, into)
