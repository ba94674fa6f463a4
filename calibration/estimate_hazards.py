"""From child-weeks and events to hazards per year, under the simulation's own rule for what happens in a week.

In a week each edge out of a state fires with its own chance 1 - exp(-h / 52); of those that fire one is taken (decision
0002). The share of child-weeks that ended by edge i estimates the chance P_i of being *taken*. The hazards are those
under which the rule gives just these shares: the solution of `competing(p) = P`, which is the maximum of the
likelihood. To take d / N for the chance of firing would be too low, by about half the chance of the other edges.

Standard errors: the events of a cell are multinomial given its child-weeks, carried over by the derivatives of the rule
(delta method). Intervals: that of Jeffreys for a share, on the scale of hazards, widened by what the other edges add.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.meanfield import competing
from abm.pathway import WEEKS_PER_YEAR, Journey

Array = NDArray[np.float64]
LEVEL = 0.95
"""Intervals hold the true rate with this chance."""
_ROUNDS, _CLOSE = 50, 1e-13
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


@dataclass(frozen=True)
class Rates:
    """Rates with their errors, each float64[E, groups, B]; NaN where nobody was at risk.

    value  hazard per year of weekly edges, share of all outcomes of a state left at once
    se     standard error; NaN where no event was seen
    low, high  the interval
    at_risk    child-years, or children
    effective  the time that events / effective = hazard: child-years less what a week holds of those who left in it
    """

    value: Array
    se: Array
    low: Array
    high: Array
    at_risk: Array
    effective: Array


def rates(
    journey: Journey, exposure: Array, events: Array, level: float = LEVEL, unseen: NDArray[np.bool_] | None = None
) -> Rates:
    """Return rates from counts of child-weeks [S, groups, B] and of events [E, groups, B].

    `unseen` are edges of which nothing can be said, bool[E].
    """
    tables = journey.tables
    out = [np.full(events.shape, np.nan) for _ in range(6)]
    for s in range(tables.n_states):
        edges = np.arange(tables.first[s], tables.first[s + 1])
        edges = edges if unseen is None else edges[~unseen[edges]]
        for mine, of_weeks in ((edges[tables.weekly[edges]], True), (edges[tables.outcome[edges]], False)):
            cells = np.nonzero(exposure[s] > 0)
            if not mine.size or not cells[0].size:
                continue
            d, n = events[(mine[:, None], *cells)], exposure[(s, *cells)]
            found = _hazards(d, n, level) if of_weeks else _shares(d, n, level)
            for array, part in zip(out, found, strict=True):
                array[(mine[:, None], *cells)] = part
    return Rates(*out)


def fired(taken: Array) -> tuple[Array, Array]:
    """Return the chances of firing, [k, cells], under which transitions are taken with these; and d taken / d fired.

    The derivatives are [cells, k, k]. The sum of `taken` over k is below 1 in every cell. Newton's method from the
    answer for competing risks in continuous time.
    """
    total = taken.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = -np.expm1(np.where(total > 0, taken / total * np.log1p(-total), 0.0))
    for _ in range(_ROUNDS):
        gap = competing(p) - taken
        slope = _slope(p)
        p = np.clip(p - np.linalg.solve(slope, gap.T[..., None])[..., 0].T, 0.0, 1.0 - 1e-12)
        if np.abs(gap).max(initial=0.0) < _CLOSE:
            break
    return p, _slope(p)


def _slope(p: Array) -> Array:
    """Return d taken / d fired, [cells, k, k]."""
    k = p.shape[0]
    out = np.zeros((p.shape[1], k, k))
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        left = 1.0 - p * node
        product = weight * np.prod(left, axis=0)
        both = product / (left[:, None] * left[None])
        part = -node * p[:, None] * both
        part[np.arange(k), np.arange(k)] = product / left
        out += np.moveaxis(part, 2, 0)
    return out


def _hazards(d: Array, n: Array, level: float) -> tuple[Array, ...]:
    everyone = d.sum(axis=0)
    # Where everybody left within the week no rate is too high: half a child-week more keeps it finite.
    taken = d / np.where(everyone == n, n + 0.5, n)
    p, slope = fired(taken)
    value = -WEEKS_PER_YEAR * np.log1p(-p)
    back = np.linalg.inv(slope)
    spread = -taken.T[:, :, None] * taken.T[:, None, :]
    k = d.shape[0]
    spread[:, np.arange(k), np.arange(k)] += taken.T
    variance = np.einsum("cij,cjk,cik->ic", back, spread, back) / n
    per_chance = WEEKS_PER_YEAR / (1 - p)
    se = per_chance * np.sqrt(np.maximum(variance, 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        not_taken_by_others = np.where(p > 0, taken / p, np.diagonal(slope, axis1=1, axis2=2).T)
        own = per_chance * np.sqrt(taken * (1 - taken) / n) / not_taken_by_others
        wider = np.where(own > 0, np.maximum(se / own, 1.0), 1.0)
    low, high = (
        -WEEKS_PER_YEAR * np.log1p(-np.minimum(end / not_taken_by_others, 1.0 - 1e-15))
        for end in _jeffreys(d, n, level)
    )
    high = np.where(d == n, np.inf, high)
    with np.errstate(invalid="ignore", divide="ignore"):
        low = np.where(d > 0, value * (low / value) ** wider, 0.0)
        high = np.where((d > 0) & np.isfinite(high), value * (high / value) ** wider, high)
        effective = np.where(everyone > 0, everyone / (-WEEKS_PER_YEAR * np.log1p(-taken.sum(axis=0))), 0.0)
    effective = np.where(everyone > 0, effective, n / WEEKS_PER_YEAR)
    se = np.where(d > 0, se, np.nan)
    broad = np.broadcast_to
    return value, se, low, high, broad(n / WEEKS_PER_YEAR, d.shape), broad(effective, d.shape)


def _shares(d: Array, n: Array, level: float) -> tuple[Array, ...]:
    share = d / n
    se = np.where((d > 0) & (d < n), np.sqrt(share * (1 - share) / n), np.nan)
    low, high = _jeffreys(d, n, level)
    whole = np.broadcast_to(n, d.shape)
    return share, se, low, high, whole, whole


def _jeffreys(d: Array, n: Array, level: float) -> tuple[Array, Array]:
    """Return the interval of Jeffreys for a share; one-sided where none or all are events (Brown et al. 2001)."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = np.where(d > 0, betaincinv(d + 0.5, n - d + 0.5, tail), 0.0)
    high = np.where(d < n, betaincinv(d + 0.5, n - d + 0.5, 1 - tail), 1.0)
    return low, high
