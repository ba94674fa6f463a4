"""The fast model: expected figures as a function of forms and of the factors, told apart into directions.

Factors act nearly linearly on figures within what figures leave open; forms do not. So along the way on which factors
make up for forms (m(v): close to the likeliest factors when the forms are v), figures are a polynomial of the second
order in v, learnt from looks at the mean field, and so is the way; off it figures are linear in the factors:

    figures(v, logs) = polynomial(v) + jacobian (logs - m(v))

and, because factors multiply, the same in logarithms of ABOVE more than each figure. Where figures leave a factor wide
(WIDE), what a step along it alone adds to that is learnt too, at four more looks, and added. The linear form,
`residuals`, tells directions apart; the other, `figures`, is what draws are judged by. What is wrong in each is
measured against the mean field at draws that it was not learnt from, and enters the likelihood as a variance of each
combination of figures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from calibration.posterior.frame import N_FORMS, Directions, Frame, directions_of

Array = NDArray[np.float64]
AXIS, PAIR = 1.6, 1.2
"""How far out the polynomial is learnt, in standard deviations of the forms' posterior: on an axis, on two at once."""
ABOVE = 0.1
"""Added to figures before logarithms are taken, so that a figure of which nothing is expected can still move."""
FARTHEST = 5.0
"""No figure moves by more than this, in log units, off the way."""
WIDE, WIDEST, MOST_WIDE = 0.45, 1.2, 10
"""Factors left wider than the first (standard deviation, log units) are looked at by themselves, at most so many; steps
along them are taken in units of their standard deviation, or of the second."""
NODES = (-2.5, -1.0, 0.0, 1.0, 2.5)
SHRINK = 4.0
"""The mean of all combinations' error variances counts as much as this many held-out draws."""


@dataclass(frozen=True)
class Emulator:
    """Expected figures of an area without looking at the mean field; K figures, F forms, k directions.

    frame, directions  where it is made
    spread    float64[F, F]       root of the forms' posterior: v = frame's + spread @ t
    way       float64[1 + F + F (F + 1) / 2, n_logs]  coefficients of m(v) in t
    off_way   float64[n_logs, n_logs]  root of the covariance of the factors given forms, around the way
    terms     float64[1 + F + F (F + 1) / 2, K]  coefficients of the polynomial in t
    wide      int64[W]            places in x of the factors that are left wide
    nodes     float64[W, 5]       steps along each of them
    more      float64[W, 5, K]    what these steps add
    variance  float64[K]          of its error, of the combinations of figures in `directions.data`
    linear    float64[K]          the same of the linear form
    error     how far off it was at held-out draws: root of the mean square over figures, in units of their errors
    moved     the same of the figures themselves: how far they are from those at the highest point
    """

    frame: Frame
    directions: Directions
    spread: Array
    way: Array
    off_way: Array
    terms: Array
    wide: NDArray[np.int64]
    nodes: Array
    more: Array
    variance: Array
    linear: Array
    error: float
    moved: float

    @property
    def n_told(self) -> int:
        """Directions of which figures tell anything, k."""
        return int(self.directions.strength.size)

    def _t(self, v: Array) -> Array:
        t: Array = (v - self.frame.x[-N_FORMS:]) @ np.linalg.inv(self.spread).T
        return t

    def surface(self, v: Array) -> Array:
        """Return float64[..., K]: expected figures at forms float64[..., F] and the factors m(v)."""
        flat = v.reshape(-1, N_FORMS)
        figures: Array = (_monomials(self._t(flat)) @ self.terms).reshape(*v.shape[:-1], -1)
        return figures

    def compensated(self, v: Array) -> Array:
        """Return m(v), float64[..., n_logs]."""
        logs: Array = (_monomials(self._t(v.reshape(-1, N_FORMS))) @ self.way).reshape(*v.shape[:-1], -1)
        return logs

    def scattered(self, n: int, luck: np.random.Generator) -> Array:
        """Return float64[n, n_logs + F]: draws of Laplace's Gaussian, bent along the way."""
        v = self.frame.x[-N_FORMS:] + luck.standard_normal((n, N_FORMS)) @ self.spread.T
        off = luck.standard_normal((n, self.off_way.shape[0])) @ self.off_way.T
        return np.concatenate([self.compensated(v) + off, v], axis=1)

    def figures(self, x: Array) -> Array:
        """Return float64[..., K]: expected figures at factors and forms, float64[..., n]."""
        v = x[..., -N_FORMS:]
        off = (x[..., :-N_FORMS] - self.compensated(v)) @ self.frame.jacobian[:, :-N_FORMS].T
        more = np.maximum(self.surface(v), 0.0) + ABOVE
        figures: Array = more * np.exp(np.clip(off / more, -FARTHEST, FARTHEST)) - ABOVE
        for place, nodes, added in zip(self.wide, self.nodes, self.more, strict=True):
            step = np.clip(x[..., place] - self.frame.x[place], nodes[0], nodes[-1])
            left = np.clip(np.searchsorted(nodes, step, side="right") - 1, 0, nodes.size - 2)
            part = ((step - nodes[left]) / (nodes[left + 1] - nodes[left]))[..., None]
            figures = figures + (1.0 - part) * added[left] + part * added[left + 1]
        return figures

    def combined(self, off: Array) -> Array:
        """Return what figures are off by on the steady scale, float64[..., K], as combinations of figures.

        Their errors have the variance 1 + `variance`.
        """
        white: Array = off @ self.directions.combine
        return white

    def shifted(self, by: Array) -> Emulator:
        """Return the emulator with something, float64[K], added to every figure."""
        terms = self.terms.copy()
        terms[0] += by
        return replace(self, terms=terms)

    def judged(self, expected: Callable[[Array], Array], draws: Array, shift: float | Array = 0.0) -> Emulator:
        """Return the emulator with its error as it is at draws, float64[N, n].

        The figures are what `expected` gives, and the shift that the emulator has by now.
        """
        seen = np.stack([expected(each) for each in draws]) + shift
        v = draws[:, -N_FORMS:]
        linear = (draws[:, :-N_FORMS] - self.compensated(v)) @ self.frame.jacobian[:, :-N_FORMS].T
        steady = self.frame.steady
        there = steady.expected(seen)
        wrong, away = there - steady.expected(self.figures(draws)), there - steady.expected(self.frame.figures)
        unit = np.sqrt(np.diag(self.frame.errors))
        error, moved = (float(np.sqrt(((each / unit) ** 2).mean())) for each in (wrong, away))
        variance, of_linear = self._variance(wrong), self._variance(there - steady.expected(self.surface(v)) - linear)
        return replace(self, variance=variance, linear=of_linear, error=error, moved=moved)

    def _variance(self, wrong: Array) -> Array:
        square = (self.combined(wrong) ** 2).sum(axis=0)
        out: Array = (square + SHRINK * square.mean() / len(wrong)) / (len(wrong) + SHRINK)
        return out

    def residuals(self, v: Array, value: Array) -> tuple[Array, Array]:
        """Return what figures say under forms v: (r float64[..., k], rest float64[..., K - k]).

        r_k = s_k b_k + an error of variance 1 + linear_k; the rest is error alone.
        """
        steady = self.frame.steady
        white = self.combined(steady.number(self.frame.seen, value) - steady.expected(self.surface(v)))
        k = self.n_told
        beta = (self.compensated(v) - self.directions.mean) @ self.directions.into[:k].T
        return white[..., :k] + self.directions.strength * beta, white[..., k:]


def _monomials(t: Array) -> Array:
    """Return float64[n, 1 + F + F (F + 1) / 2]: 1, every t, every product of two."""
    products = [t[:, i] * t[:, j] for i in range(t.shape[1]) for j in range(i, t.shape[1])]
    return np.column_stack([np.ones(len(t)), t, *products])


def _design(n: int) -> Array:
    """Return float64[points, n]: the centre, both ends of every axis, and both diagonals of every two axes."""
    points = [np.zeros(n)]
    points += [sign * AXIS * np.eye(n)[i] for i in range(n) for sign in (1, -1)]
    for i, j in combinations(range(n), 2):
        points += [PAIR * (np.eye(n)[i] + sign * np.eye(n)[j]) * flip for sign, flip in ((1, 1), (-1, 1))]
    return np.array(points)


def learnt(expected: Callable[[Array], Array], frame: Frame) -> Emulator:
    """Learn the fast model from looks at the mean field.

    1 + 2 F + F (F - 1) of them for the forms, and four for each factor that is left wide.
    """
    covariance, x = frame.posterior.covariance, frame.x
    forms, factors = covariance[-N_FORMS:, -N_FORMS:], frame.jacobian[:, :-N_FORMS]
    slope = covariance[:-N_FORMS, -N_FORMS:] @ np.linalg.inv(forms)
    given = covariance[:-N_FORMS, :-N_FORMS] - slope @ covariance[-N_FORMS:, :-N_FORMS]
    off_way: Array = np.linalg.cholesky((given + given.T) / 2 + 1e-12 * np.eye(len(given))).astype(np.float64)
    spread: Array = np.linalg.cholesky(forms).astype(np.float64)
    design = _design(N_FORMS)
    straight = x[:-N_FORMS] + design @ spread.T @ slope.T
    looks = np.stack([expected(np.r_[a, x[-N_FORMS:] + spread @ t]) for a, t in zip(straight, design, strict=True)])
    # One step of Gauss-Newton from the straight way: what still moves figures is made up for, as far as the prior lets.
    gain = given @ np.linalg.solve(frame.errors, factors).T
    of_t = _monomials(design)
    way: Array = np.linalg.lstsq(of_t, straight + (frame.figures - looks) @ gain.T, rcond=None)[0].astype(np.float64)
    bent = looks + (of_t @ way - straight) @ factors.T
    terms: Array = np.linalg.lstsq(of_t, bent, rcond=None)[0].astype(np.float64)
    directions = directions_of(frame)
    nothing = np.zeros(looks.shape[1])
    plain = Emulator(
        frame, directions, spread, way, off_way, terms, np.zeros(0, np.int64), np.zeros((0, 5)),
        np.zeros((0, 5, nothing.size)), nothing, nothing, 0.0, 0.0,
    )  # fmt: skip
    sd = np.sqrt(np.diag(covariance))[:-N_FORMS]
    widest = np.argsort(-sd, kind="stable")[:MOST_WIDE]
    wide = np.sort(widest[sd[widest] > WIDE])
    nodes = np.outer(np.minimum(sd[wide], WIDEST), NODES)
    more = np.zeros((wide.size, len(NODES), nothing.size))
    for row, place in enumerate(wide):
        for column, step in enumerate(nodes[row]):
            at = x.copy()
            at[place] += step
            if step:
                more[row, column] = expected(at) - plain.figures(at)
    return replace(plain, wide=wide, nodes=nodes, more=more)
