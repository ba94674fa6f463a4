"""History matching: which forms and factors published figures do not rule out.

Implausibility of a combination of figures is its distance from what was published, in units of all that may lie between
the two: the publisher's rounding and hiding, the luck of a year, the model's own error, that of the correction, and the
emulator's. The combinations are those of `frame.Directions`, in which figures are independent of one another: each
direction b_k has a combination of its own, and some combinations answer to forms alone. What has one above CUT is ruled
out.

For given forms, what is left of b_k is an interval, so the share of the prior that is left is a product: it is worked
out over all directions, not sampled. Forms are drawn from their prior and looked at one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.posterior.emulator import Emulator
from calibration.posterior.frame import N_FORMS

Array = NDArray[np.float64]
CUT = 3.0
"""What is farther off than three standard deviations is ruled out (Pukelsheim 1994: of any distribution with one
peak, at least 95% lies within)."""
N_CANDIDATES = 4000
LEAST_KEPT = 0.02


@dataclass(frozen=True)
class Matched:
    """What history matching left.

    forms        float64[N, F]  candidates that are not ruled out, as the prior has them
    low, high    float64[N, k]  what is left of every direction for each of them
    log_share    float64[N]     logarithm of the prior's share of these intervals
    share_forms  share of the forms' prior that is not ruled out by itself
    share        share of the whole prior that is left, as a logarithm to base 10
    worst        float64[rest]  least implausibility of each combination that answers to forms alone
    cut          CUT, or more where the model cannot meet these
    """

    forms: Array
    low: Array
    high: Array
    log_share: Array
    share_forms: float
    share: float
    worst: Array
    cut: float


def match(emulator: Emulator, value: Array, luck: np.random.Generator, n: int = N_CANDIDATES) -> Matched:
    """Rule out what published figures, float64[K], rule out.

    If the combinations that answer to forms alone rule out nearly all, the cut is widened for them until LEAST_KEPT
    of the candidates are left; `worst` and `cut` show that the model cannot meet them.
    """
    from scipy.special import log_ndtr, logsumexp

    prior = emulator.frame.prior
    root = np.linalg.cholesky(prior.covariance[-N_FORMS:, -N_FORMS:])
    forms = prior.mean[-N_FORMS:] + luck.standard_normal((n, N_FORMS)) @ root.T
    told, rest = emulator.residuals(forms, value)
    k = emulator.n_told
    unit = np.sqrt(1.0 + emulator.linear)
    off = np.abs(rest) / unit[k:]
    farthest = off.max(axis=1, initial=0.0)
    cut = max(CUT, float(np.quantile(farthest, LEAST_KEPT)))
    kept = farthest <= cut
    strength = np.maximum(emulator.directions.strength, 1e-9)
    low, high = ((told + sign * CUT * unit[:k]) / strength for sign in (-1.0, 1.0))
    # log(Phi(high) - Phi(low)), on the side of the lower tail.
    flip = low > 0
    below, above = np.where(flip, -high, low), np.where(flip, -low, high)
    with np.errstate(divide="ignore"):
        part = log_ndtr(above) + np.log1p(-np.exp(np.minimum(log_ndtr(below) - log_ndtr(above), -1e-300)))
    log_share = part.sum(axis=1)
    left = float(logsumexp(log_share[kept]) - np.log(n)) / np.log(10.0)
    return Matched(
        forms[kept], low[kept], high[kept], log_share[kept], float(kept.mean()), left,
        off.min(axis=0, initial=np.inf), cut,
    )  # fmt: skip


def implausibility(emulator: Emulator, value: Array, x: Array) -> Array:
    """Return float64[..., K]: how implausible each figure itself is at factors and forms float64[..., n].

    The emulator's variance of combinations is turned back into one of figures.
    """
    back = np.linalg.inv(emulator.directions.whiten) @ emulator.directions.data
    variance = np.diag(emulator.frame.errors) + (back**2) @ emulator.variance
    steady = emulator.frame.steady
    away = steady.number(emulator.frame.seen, value) - steady.expected(emulator.figures(x))
    off: Array = np.abs(away) / np.sqrt(variance)
    return off
