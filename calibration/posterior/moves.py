"""Moves: draws walk under the fast model's likelihood until nothing is left of how they were begun.

Many draws at once, each a chain of its own. A move is proposed from Laplace's Gaussian, of which it keeps a part
(preconditioned Crank-Nicolson; Cotter, Roberts, Stuart and White 2013), so it would always be taken if the posterior
were that Gaussian; it is taken or not by how far the posterior is from it. Proposals are wide and narrow by turns.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calibration.posterior.emulator import Emulator

Array = NDArray[np.float64]
WIDTHS = (0.15, 0.4, 0.9)
N_MOVES = 90


def moved(
    emulator: Emulator, value: Array, x: Array, luck: np.random.Generator, *, n_moves: int = N_MOVES,
    more: Callable[[Array], Array] | None = None,
) -> tuple[Array, float]:  # fmt: skip
    """Return draws float64[D, n] after `n_moves` moves each, and the share of moves that were taken.

    `more` is what the prior has besides its Gaussian, in logarithms, float64[D] (see `priors`).
    """
    centre, covariance = emulator.frame.posterior.mean, emulator.frame.posterior.covariance
    n = x.shape[1]
    root = np.linalg.cholesky(covariance + 1e-12 * np.eye(n))
    inverse = np.linalg.inv(root)
    inverse_prior = np.linalg.inv(np.linalg.cholesky(emulator.frame.prior.covariance + 1e-12 * np.eye(n)))
    white = emulator.directions.whiten.T @ emulator.directions.data / np.sqrt(1.0 + emulator.variance)

    def gain(at: Array) -> Array:
        """How much likelier than Laplace's Gaussian has it, in logarithms."""
        off = (value - emulator.figures(at)) @ white
        away = (at - emulator.frame.prior.mean) @ inverse_prior.T
        laplace = (at - centre) @ inverse.T
        out: Array = ((laplace**2).sum(axis=1) - (off**2).sum(axis=1) - (away**2).sum(axis=1)) / 2
        return out if more is None else out + more(at)

    now, taken = gain(x), 0
    for move in range(n_moves):
        width = WIDTHS[move % len(WIDTHS)]
        news = luck.standard_normal(x.shape) @ root.T
        proposed = centre + np.sqrt(1.0 - width**2) * (x - centre) + width * news
        then = gain(proposed)
        yes = np.log(luck.random(len(x))) < then - now
        x, now = np.where(yes[:, None], proposed, x), np.where(yes, then, now)
        taken += int(yes.sum())
    return x, taken / (n_moves * len(x))
