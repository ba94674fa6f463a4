"""Known parameters found again: coverage and ranks over many cheap fits.

A cheap fit is the same algorithm (frame, fast model, history matching, draws) with an area's fast model in place of the
mean field, and made-up figures in place of published ones: parameters are drawn from a prior, the fast model says what
is expected, luck, discrepancy, rounding and hiding are added. Intervals of the draws should hold the known parameters
as often as they say; among the draws, the known one should have every rank equally often (simulation-based calibration;
Talts, Betancourt, Simpson, Vehtari and Gelman 2018).

The prior of the checks is what the area's figures would leave if their errors were LOOSE times as large: as wide as
that, because far away from the area the fast model is no model of anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from abm.draws import generator
from calibration.posterior.area import N_JUDGED, drawn
from calibration.posterior.beginning import By
from calibration.posterior.emulator import Emulator, learnt
from calibration.posterior.frame import Belief, Frame, climbed, conditioned, framed
from calibration.posterior.likelihood import Seen
from calibration.posterior.matching import match
from calibration.posterior.moves import moved
from calibration.posterior.report import made_up
from calibration.posterior.steady import Steady

Array = NDArray[np.float64]
LOOSE = 3.0
STEP = 1e-4
N_RANKED = 199
"""Draws of a cheap fit: the known parameter has a rank from 0 to this."""
CENTRAL = (5, 194)
"""Ranks of the central 95%: 190 of 200."""


class Cheap:
    """A fast model that is asked as the mean field is."""

    def __init__(self, emulator: Emulator, seen: Seen) -> None:
        self.emulator, self.seen = emulator, seen

    def __call__(self, x: Array) -> Array:
        """Return float64[K]."""
        return self.emulator.figures(x)

    def with_derivatives(self, x: Array) -> tuple[Array, Array]:
        """Return float64[K] and float64[K, n], by central differences."""
        steps = STEP * np.eye(x.size)
        slope: Array = (self.emulator.figures(x + steps) - self.emulator.figures(x - steps)).T / (2 * STEP)
        return self(x), slope


@dataclass(frozen=True)
class Found:
    """What cheap fits found: for every fit and parameter (N fits, n parameters).

    ranks    int64[N, n]  how many of N_RANKED draws are below the known parameter
    spread   float64[N, n]  standard deviation of the draws over that of the prior
    """

    ranks: NDArray[np.int64]
    spread: Array

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Whether the central 95% of the draws hold the known parameter, bool[N, n]."""
        held: NDArray[np.bool_] = (self.ranks >= CENTRAL[0]) & (self.ranks <= CENTRAL[1])
        return held

    @property
    def coverage(self) -> float:
        """Share of intervals that hold the known parameter, all pooled."""
        return float(self.inside.mean())

    def chi_squares(self, bins: int = 10) -> Array:
        """Return float64[n]: chi-square of the ranks of each parameter over `bins` bins of equal size."""
        n = len(self.ranks)
        which = self.ranks * bins // (N_RANKED + 1)
        counts = np.stack([np.bincount(column, minlength=bins) for column in which.T])
        out: Array = ((counts - n / bins) ** 2 / (n / bins)).sum(axis=1, dtype=np.float64)
        return out

    def p_value(self, bins: int = 10) -> float:
        """Return the chance of a chi-square as large as the largest (Bonferroni: at most n times that of one)."""
        from scipy import stats

        worst = float(self.chi_squares(bins).max())
        return float(min(1.0, self.ranks.shape[1] * stats.chi2(bins - 1).sf(worst)))


def check_prior(frame: Frame) -> Belief:
    """Return the prior that known parameters are drawn from: see the module."""
    nothing = np.zeros(frame.figures.size)
    loose = conditioned(frame.prior, frame.jacobian, LOOSE**2 * frame.errors, nothing, frame.x)
    return Belief(frame.x, loose.covariance)


def cheap_fit(
    cheap: Cheap, prior: Belief, steady: Steady, noise: Array, value: Array, luck: np.random.Generator,
    n_draws: int = N_RANKED, by: By = "none", seed: int = 0,
) -> Array:  # fmt: skip
    """Return draws float64[n_draws, n] of an area that published `value`: the algorithm of `area`, without its runs."""
    seen = replace(cheap.seen, value=value)
    expected = Cheap(cheap.emulator, seen)
    x, steady, *_ = climbed(expected, *expected.with_derivatives(prior.mean), prior, steady, prior.mean)
    frame = framed(expected, prior, steady, x)
    emulator = learnt(expected, frame)
    first, _ = moved(emulator, value, emulator.scattered(N_JUDGED, luck), luck)
    emulator = emulator.judged(expected, first)
    matched = match(emulator, value, luck)
    draws, _, _ = drawn(emulator, seen, noise, matched, n_draws, luck, by, seed)
    return draws


def known_found_again(
    emulator: Emulator, seen: Seen, noise: Array, n_fits: int, seed: int, *, believed: float = 1.0,
    by: By = "none",
) -> Found:  # fmt: skip
    """Fit made-up figures of known parameters `n_fits` times.

    noise     float64[K, K]  covariance of what made-up figures get besides rounding and hiding
    believed  the standard deviation of all errors as the fit believes them, as a share of what they are: other than 1
              is a fault that ranks must show
    """
    cheap, prior = Cheap(emulator, seen), check_prior(emulator.frame)
    steady = emulator.frame.steady.wider(believed)
    root = np.linalg.cholesky(prior.covariance + 1e-12 * np.eye(prior.mean.size))
    ranks, spread = [], []
    for fit in range(n_fits):
        luck = generator(seed, fit)
        known = prior.mean + root @ luck.standard_normal(prior.mean.size)
        value = made_up(seen, emulator, noise, known[None], luck)[0]
        draws = cheap_fit(cheap, prior, steady, noise, value, luck, by=by, seed=seed + fit)
        ranks.append((draws < known).sum(axis=0))
        spread.append(draws.std(axis=0) / np.sqrt(np.diag(prior.covariance)))
    return Found(np.array(ranks), np.array(spread))
