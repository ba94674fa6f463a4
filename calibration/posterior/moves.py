"""Moves: draws walk under the fast model's likelihood until nothing is left of how they were begun.

Many draws at once, each a chain of its own, in coordinates that follow the way on which factors make up for forms:
forms, and how far factors are off the way. Two kinds of moves take turns:

* from Laplace's Gaussian in these coordinates, of which a part is kept (preconditioned Crank-Nicolson; Cotter, Roberts,
  Stuart and White 2013): always taken if the posterior were that Gaussian. Narrow and wide ones by turns.
* along a single factor that figures leave wide, or one lever's in all years together: a plain random walk, for tails
  that are longer than a Gaussian's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calibration.posterior.emulator import Emulator
from calibration.posterior.frame import N_FORMS, N_LEVERS

Array = NDArray[np.float64]
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
    white = emulator.directions.whiten.T @ emulator.directions.data / np.sqrt(1.0 + emulator.variance)
    strides = _strides(emulator)

    def target(at: Array) -> Array:
        off = (value - emulator.figures(at)) @ white
        away = (at - frame.prior.mean) @ into_prior.T
        out: Array = -((off**2).sum(axis=1) + (away**2).sum(axis=1)) / 2
        return out if more is None else out + more(at)

    def laplace(v: Array, off: Array) -> Array:
        near, far = (v - centre) @ into_forms.T, off @ into_off.T
        out: Array = -((near**2).sum(axis=1) + (far**2).sum(axis=1)) / 2
        return out

    now, taken = target(x), 0
    for move in range(n_moves):
        v = x[:, -N_FORMS:]
        if move % 2 and len(strides):
            along = strides[luck.integers(len(strides), size=len(x))]
            size = STRIDES[move // 2 % len(STRIDES)] * luck.standard_normal((len(x), 1))
            proposed = x + size * along
            then = target(proposed)
            odds = then - now
        else:
            keep = np.sqrt(1.0 - (width := WIDTHS[move // 2 % len(WIDTHS)]) ** 2)
            off = x[:, :-N_FORMS] - emulator.compensated(v)
            new_v = centre + keep * (v - centre) + width * luck.standard_normal(v.shape) @ root_forms.T
            new_off = keep * off + width * luck.standard_normal(off.shape) @ root_off.T
            proposed = np.concatenate([emulator.compensated(new_v) + new_off, new_v], axis=1)
            then = target(proposed)
            odds = then - laplace(new_v, new_off) - now + laplace(v, off)
        yes = np.log(luck.random(len(x))) < odds
        x, now = np.where(yes[:, None], proposed, x), np.where(yes, then, now)
        taken += int(yes.sum())
    return x, taken / (n_moves * len(x))


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
