"""The scale on which figures are compared: their variance follows the expectation, and on this scale it stays.

A figure y that is expected to be mu has the variance v(mu) = f mu + c: luck goes with the expectation (of events f is
about 1, of stocks less), rounding, revision and the model's own error do not. With s = sqrt(v),

    E(mu) = m + 2 v(m)/f (s(mu) / s(m) - 1)      of an expectation
    Y(y)  = E(y + f/4)                           of a figure

have Y(y) = E(mu) + an error of the variance v(m), whatever mu is, and the mean of y is mu (the root with a quarter
added: Brown, Cai, Zhang, Zhao and Zhou 2010; with c, Anscombe's generalised transform: Murtagh, Starck and Bijaoui
1995). At the centre m both have the slope 1: near it, figures are as they were, and so are all covariances. Between
figures, the correlations are those of `noise`, on this scale. Rounded, it is Poisson's law within 0.03 in all its
chances (f = 1, c = 0, any mu from 0.3).

What is published is an interval of y: half a unit to both sides, all of a hidden cell, and a 0 is open below. A figure
whose interval is wide beside its error is not a number but what it is known to lie between (`Data`); `moves` draws it
along with the parameters, so the likelihood of such figures is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from calibration.posterior.likelihood import Seen, interval

Array = NDArray[np.float64]
NARROW = 0.5
"""An interval no wider than this share of the figure's standard deviation counts as a number (assumed)."""


@dataclass(frozen=True)
class Data:
    """Published figures on the steady scale, K of them.

    value      float64[K]  the figure, or the middle of a hidden cell
    low, high  float64[K]  what it lies between; -inf below a 0
    width      float64[K]  the variance that the interval stands for where it is taken as Gaussian
    open       int64[L]    places of figures that are intervals
    """

    value: Array
    low: Array
    high: Array
    width: Array
    open: NDArray[np.int64]


@dataclass(frozen=True)
class Steady:
    """The scale and the errors on it: see the module.

    fano      float64[K]     f
    floor     float64[K]     c
    likeness  float64[K, K]  correlation of the errors
    centre    float64[K]     m
    """

    fano: Array
    floor: Array
    likeness: Array
    centre: Array

    @cached_property
    def variance(self) -> Array:
        """v(m), float64[K]: the variance of errors on this scale."""
        out: Array = self.fano * self.centre + self.floor
        return out

    @cached_property
    def covariance(self) -> Array:
        """The covariance of errors on this scale, float64[K, K]; of figures themselves where they are at the centre."""
        sd = np.sqrt(self.variance)
        out: Array = sd[:, None] * self.likeness * sd
        return out

    def centred(self, figures: Array) -> Steady:
        """Return the same scale around other expected figures, float64[K]."""
        return replace(self, centre=np.maximum(figures, 0.0))

    def wider(self, times: float) -> Steady:
        """Return it with standard deviations of errors that are so many times what they are."""
        return replace(self, fano=self.fano * times**2, floor=self.floor * times**2)

    def expected(self, figures: Array) -> Array:
        """Return E of expected figures, float64[..., K]; none is below 0."""
        return self._root(np.maximum(figures, 0.0))

    def shown(self, figures: Array) -> Array:
        """Return Y of figures as they were or might be counted, float64[..., K]."""
        return self._root(np.maximum(figures + self.fano / 4, 0.0))

    def _root(self, figures: Array) -> Array:
        # The same as in the module, also where f is 0.
        ratio = np.sqrt((self.fano * figures + self.floor) / self.variance)
        out: Array = self.centre + 2.0 * (figures - self.centre) / (1.0 + ratio)
        return out

    def unrooted(self, z: Array) -> Array:
        """Return expected figures whose E is z; of a z that no figure has, something below 0."""
        slope = self.fano / (2.0 * self.variance)
        step = np.maximum((z - self.centre) * slope, -1.0)
        step = np.where(slope > 0, step / np.where(slope > 0, slope, 1.0), z - self.centre)
        out: Array = self.centre + step * (1.0 + step * slope / 2.0)
        return out

    def back(self, z: Array) -> Array:
        """Return figures whose Y is z, not rounded, float64[..., K]."""
        return self.unrooted(z) - self.fano / 4

    def data(self, seen: Seen, value: Array) -> Data:
        """Return published figures, float64[K], on this scale."""
        low, high, hidden = interval(seen, value)
        bottom, top = self.shown(low), self.shown(high)
        middle = np.where(hidden, (bottom + top) / 2, self.shown(value))
        unknown = (top - bottom > NARROW * np.sqrt(self.variance)) | (low < 0)
        return Data(
            middle, np.where(low < 0, -np.inf, bottom), top, (top - bottom) ** 2 / 12, np.flatnonzero(unknown)
        )  # fmt: skip

    def number(self, seen: Seen, value: Array) -> Array:
        """Return published figures, float64[..., K], on this scale as numbers."""
        low, high, hidden = interval(seen, value)
        return np.where(hidden, (self.shown(low) + self.shown(high)) / 2, self.shown(value))


def steady_of(mean: Array, luck: Array, floor: Array) -> Steady:
    """Return the scale for figures, K of them.

    mean   float64[K]     of the runs that luck was measured by; the centre
    luck   float64[K, K]  covariance of all that goes with the expectation
    floor  float64[K]     variance of all that does not
    """
    own = np.maximum(np.diag(luck), 0.0)
    # One event of which the variance is 1: where runs had hardly any, a count is Poisson's.
    fano = (own + 1.0) / (np.maximum(mean, 0.0) + 1.0)
    sd = np.sqrt(own + floor)
    likeness = luck / (sd[:, None] * sd)
    np.fill_diagonal(likeness, 1.0)
    return Steady(fano, floor, likeness, np.maximum(mean, 0.0))
