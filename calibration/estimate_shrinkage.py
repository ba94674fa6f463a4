"""Small cells lean on the national rates: empirical Bayes, gamma and Poisson; Dirichlet and multinomial for shares.

Two steps, both with a strength that the data give (maximum of the likelihood of what was counted, over all edges or
cells together). First each edge gets a level of its own: the area's events over those expected at national rates, with
`between_edges` events added to both. Then each cell leans on the national rate at that level, with `between_cells`
events added to both: (events + k) / (expected + k) is the mean of a gamma distribution given what was counted. A small
strength means that cells differ from the national pattern and speak for themselves; a large one, that they do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.pathway import Journey
from calibration.estimate_hazards import Rates

Array = NDArray[np.float64]
LEAST, MOST = 0.05, 1e6
"""Strengths are looked for between these; at MOST nothing but chance is seen between the area and the nation."""


@dataclass(frozen=True)
class Shrunk:
    """Rates that lean on the national ones.

    value  float64[E, groups, B]  hazards per year, shares; NaN where nobody was at risk
    level  float64[E]             the area's level over the nation's
    between_edges, between_cells, between_shares  strengths, in events (for shares: in children)
    """

    value: Array
    level: Array
    between_edges: float
    between_cells: float
    between_shares: float


def shrink(journey: Journey, events: Array, found: Rates, national: Array) -> Shrunk:
    """Return the estimates drawn towards `national`, all float64[E, groups, B].

    Where the national rate is 0 (it cannot happen there) or infinite (it is certain), it stays.
    """
    tables = journey.tables
    value, level = np.where(np.isnan(found.value), np.nan, national), np.ones(tables.n_edges)
    usable = np.isfinite(found.value) & np.isfinite(national) & (national > 0)
    d = np.where(usable, events, 0.0)
    expected = np.where(usable, national * found.effective, 0.0)
    total_d, total_m = d.sum(axis=(1, 2)), expected.sum(axis=(1, 2))
    weekly = np.flatnonzero(tables.weekly & (total_m > 0))
    outcome = np.flatnonzero(tables.outcome & (total_m > 0))
    edges = np.concatenate([weekly, outcome])
    between_edges = strength(total_d[edges], total_m[edges])
    level[edges] = (total_d[edges] + between_edges) / (total_m[edges] + between_edges)

    own = level[:, None, None] * expected
    cells = usable & tables.weekly[:, None, None] & (expected > 0)
    between_cells = strength(d[cells], own[cells])
    leaning = (d + between_cells) / (own + between_cells)
    value[cells] = (national * level[:, None, None] * leaning)[cells]

    blocks = []
    for s in np.flatnonzero(tables.at_once):
        mine = outcome[tables.source[outcome] == s]
        if mine.size:
            groups = np.flatnonzero(usable[mine, :, 0].any(axis=0))
            prior = np.where(usable[mine][:, groups, 0], national[mine][:, groups, 0] * level[mine, None], 0.0)
            blocks.append((mine, groups, d[mine][:, groups, 0], prior / prior.sum(axis=0)))
    between_shares = _best(lambda k: sum(_dirichlet(k, counts, prior) for _, _, counts, prior in blocks))
    for mine, groups, counts, prior in blocks:
        leant = (counts + between_shares * prior) / (counts.sum(axis=0) + between_shares)
        value[mine[:, None], groups, 0] = leant
    return Shrunk(value, level, between_edges, between_cells, between_shares)


def strength(d: Array, expected: Array) -> float:
    """Return the shape k of a gamma with mean 1 that multiplies `expected`, most likely given the counts `d`."""

    def likelihood(k: float) -> float:
        from scipy.special import gammaln

        both = np.log1p(expected / k)
        return float((gammaln(d + k) - gammaln(k) - k * both - d * (np.log(k) + both)).sum())

    return _best(likelihood) if d.size else MOST


def _dirichlet(k: float, counts: Array, prior: Array) -> float:
    from scipy.special import gammaln

    there = prior > 0
    a = np.where(there, k * prior, 1.0)
    terms = np.where(there, gammaln(counts + a) - gammaln(a), 0.0).sum(axis=0)
    return float((terms + gammaln(k) - gammaln(counts.sum(axis=0) + k)).sum())


def _best(likelihood: Callable[[float], float]) -> float:
    """Return the strength between LEAST and MOST with the greatest likelihood."""
    from scipy.optimize import minimize_scalar

    grid = np.linspace(np.log(LEAST), np.log(MOST), 33)
    height = [likelihood(float(np.exp(x))) for x in grid]
    at = int(np.argmax(height))
    low, high = grid[max(at - 1, 0)], grid[min(at + 1, grid.size - 1)]
    found = minimize_scalar(lambda x: -likelihood(float(np.exp(x))), bounds=(low, high), method="bounded")
    best = float(np.exp(found.x))
    return MOST if at == grid.size - 1 else best
