"""Moves: draws walk under the fast model's likelihood until nothing is left of how they were begun.

Many draws at once, each a chain of its own, in coordinates that follow the way on which factors make up for forms:
forms, and how far factors are off the way. Two kinds of moves take turns:

* from Laplace's Gaussian in these coordinates, of which a part is kept (preconditioned Crank-Nicolson; Cotter, Roberts,
  Stuart and White 2013): always taken if the posterior were that Gaussian. Narrow and wide ones by turns.
* along a single factor that figures leave wide, or one lever's in all years together: a plain random walk, for tails
  that are longer than a Gaussian's.

Every SWEEP moves, each draw also takes new values, between its bounds and given all the others, of the figures that are
intervals (see `steady`): of a 0, of few children, of a hidden cell.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calibration.posterior.emulator import Emulator
from calibration.posterior.frame import N_FORMS, N_LEVERS

Array = NDArray[np.float64]
SWEEP = 4
FARTHEST = 9.0
"""Standard deviations below an upper bound where nothing is looked for."""
WIDTHS = (0.15, 0.4, 0.9)
STRIDES = (0.5, 1.5)
"""Steps of the random walk in units of the factor's standard deviation, by turns."""
N_MOVES = 200


def moved(
    emulator: Emulator, value: Array, x: Array, luck: np.random.Generator, *, n_moves: int = N_MOVES,
    more: Callable[[Array], Array] | None = None,
) -> tuple[Array, float]:  # fmt: skip
    """Return draws float64[D, n] after `n_moves` moves each, and the share of moves that were taken.

    `more` is what the prior has besides its Gaussian, in logarithms, float64[D] (see `priors`).
    """
    frame, n = emulator.frame, x.shape[1]
    centre, root_forms, root_off = frame.x[-N_FORMS:], emulator.spread, emulator.off_way
    into_forms, into_off = np.linalg.inv(root_forms), np.linalg.inv(root_off)
    into_prior = np.linalg.inv(np.linalg.cholesky(frame.prior.covariance + 1e-12 * np.eye(n)))
    between, strides, steady = _Between(emulator, value), _strides(emulator), frame.steady
    z = np.tile(between.data.value, (len(x), 1))

    def prior(at: Array) -> Array:
        away = (at - frame.prior.mean) @ into_prior.T
        out: Array = -(away**2).sum(axis=1) / 2
        return out if more is None else out + more(at)

    def of(at: Array) -> Array:
        return steady.expected(emulator.figures(at))

    def laplace(v: Array, off: Array) -> Array:
        near, far = (v - centre) @ into_forms.T, off @ into_off.T
        out: Array = -((near**2).sum(axis=1) + (far**2).sum(axis=1)) / 2
        return out

    there, believed, taken = of(x), prior(x), 0
    for move in range(n_moves):
        if move % SWEEP == 0:
            z = between.drawn(z, there, luck)
            now = between.likely(z - there) + believed
        v = x[:, -N_FORMS:]
        if move % 2 and len(strides):
            along = strides[luck.integers(len(strides), size=len(x))]
            size = STRIDES[move // 2 % len(STRIDES)] * luck.standard_normal((len(x), 1))
            proposed = x + size * along
            odds = np.zeros(len(x))
        else:
            keep = np.sqrt(1.0 - (width := WIDTHS[move // 2 % len(WIDTHS)]) ** 2)
            off = x[:, :-N_FORMS] - emulator.compensated(v)
            new_v = centre + keep * (v - centre) + width * luck.standard_normal(v.shape) @ root_forms.T
            new_off = keep * off + width * luck.standard_normal(off.shape) @ root_off.T
            proposed = np.concatenate([emulator.compensated(new_v) + new_off, new_v], axis=1)
            odds = laplace(v, off) - laplace(new_v, new_off)
        at, held = of(proposed), prior(proposed)
        then = between.likely(z - at) + held
        yes = np.log(luck.random(len(x))) < then - now + odds
        x, there = np.where(yes[:, None], proposed, x), np.where(yes[:, None], at, there)
        now, believed = np.where(yes, then, now), np.where(yes, held, believed)
        taken += int(yes.sum())
    return x, taken / (n_moves * len(x))


class _Between:
    """The likelihood of figures of which some are known to lie between two bounds only."""

    def __init__(self, emulator: Emulator, value: Array) -> None:
        frame = emulator.frame
        self.data = frame.steady.data(frame.seen, value)
        back = np.linalg.inv(emulator.directions.whiten) @ emulator.directions.data
        width = self.data.width.copy()
        width[self.data.open] = 0.0
        covariance = frame.steady.covariance + np.diag(width) + (back * emulator.variance) @ back.T
        self.white = np.linalg.inv(np.linalg.cholesky(covariance)).T
        self.inverse = self.white @ self.white.T

    def likely(self, off: Array) -> Array:
        """Return the logarithm of the density, float64[D], up to a constant, of errors float64[D, K]."""
        out: Array = -((off @ self.white) ** 2).sum(axis=1) / 2
        return out

    def drawn(self, z: Array, there: Array, luck: np.random.Generator) -> Array:
        """Return figures float64[D, K] with those of intervals drawn anew, one after the other, given the others.

        there   float64[D, K]  what is expected, on the steady scale
        """
        data, inverse, z = self.data, self.inverse, z.copy()
        pull = (z - there) @ inverse
        for k in data.open.tolist():
            precise = inverse[k, k]
            old = z[:, k]
            middle = old - pull[:, k] / precise
            new = _within(middle, precise**-0.5, data.low[k], data.high[k], luck)
            pull += np.outer(new - old, inverse[k])
            z[:, k] = new
        return z


def _within(middle: Array, spread: float, low: float, high: float, luck: np.random.Generator) -> Array:
    """Return a draw of each normal distribution float64[D] of this spread between two bounds; the lower may be -inf."""
    from scipy.special import ndtr, ndtri

    # On the side of the lower tail, where chances are told apart.
    flip = (low > -np.inf) & (low + high > 2 * middle)
    a = np.where(flip, middle - high, low - middle) / spread
    b = np.where(flip, middle - low, high - middle) / spread
    below = ndtr(a)
    u = ndtri(below + luck.random(middle.size) * (ndtr(b) - below))
    u = np.clip(u, np.maximum(a, np.minimum(b, 0.0) - FARTHEST), b)
    out: Array = middle + spread * np.where(flip, -u, u)
    return out


def _strides(emulator: Emulator) -> Array:
    """Return float64[k, n]: each wide factor by itself, and each lever with a wide factor in all years together."""
    n = emulator.frame.x.size
    sd = np.sqrt(np.diag(emulator.frame.posterior.covariance))
    alone = np.zeros((emulator.wide.size, n))
    alone[np.arange(emulator.wide.size), emulator.wide] = sd[emulator.wide]
    together = []
    for lever in np.unique(emulator.wide % N_LEVERS):
        row = np.zeros(n)
        places = np.arange(int(lever), n - N_FORMS, N_LEVERS)
        row[places] = sd[places]
        together.append(row)
    return np.concatenate([alone, np.array(together).reshape(-1, n)])
