"""Views of what is to come: each is a forecast of its own, and our forecast is a weighing of them.

A view is float64[areas, figures, years ahead], made from what was known at the origin and nothing else; where it has
nothing to say of a figure it says the last value. Two are runs of the fast model of each area, carried on from the last
published figures; the others say what the model's factors, fitted to one area alone, do not know: that one year's
figure is partly chance, and that areas far from the rest tend back.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from calibration.backtest.fits import AHEAD, OriginFit
from calibration.backtest.panel import CEASED, FIGURES, PLANS, REFERRALS, STARTED, STOCK, Panel
from calibration.levers import FITTED_FIGURES

Array = NDArray[np.float64]
SMOOTHING, MEAN_YEARS = 0.3, 6
FACTOR_YEARS, FACTOR_PART = 4, 0.5
"""Usual factors go this part of the way from the last year's to the mean of so many years: the best of means of one to
eight years and parts of 0.5 to 1 at the origins of 2016 to 2018, over 36 authorities drawn at random."""
MODEL, USUAL = "model, factors held", "model, usual factors"
SMOOTHED, MEAN, NATION, EXITS, BALANCE = "smoothed", "mean of six years", "England's rate", "England's exits", "balance"
BESIDE = "figures beside it"
OF_MODEL, PLAIN = (MODEL, USUAL), (SMOOTHED, MEAN, NATION, EXITS, BALANCE, BESIDE)
VIEWS = (*OF_MODEL, *PLAIN)
WORDS = {
    MODEL: "The fast model of the area, with the factors of the last year held, from the last published figure on.",
    USUAL: f"The same with factors {FACTOR_PART:.0%} of the way back to their mean of the last {FACTOR_YEARS} years.",
    SMOOTHED: f"Exponential smoothing: each year moves it {SMOOTHING:.0%} of the way to that year's figure.",
    MEAN: f"The mean of the last {MEAN_YEARS} years.",
    NATION: "England's last rate per child, for the area's children.",
    EXITS: "Ceased: England's last rate per looked-after child; started: as many; looked after: what follows.",
    BALANCE: "Ceased as many as started, started as many as ceased; looked after: last year's change again each year.",
    BESIDE: "Plans: as many as England has for so many looked after; the others: for so many plans.",
}
PLACES = [FITTED_FIGURES.index(figure) for figure in FIGURES]
"""Where the forecast figures stand among those that are fitted."""


def views_at(known: Panel, fits: Mapping[str, OriginFit], moves: Array) -> dict[str, Array]:
    """Return the views at the last year of `known`.

    fits   the fast model of areas at that year, by code; an area that has none is given the last value
    moves  from `fits.response`
    """
    last = known.values[:, :, -1]
    flat = np.repeat(last[:, :, None], AHEAD, axis=2)
    held, usual = flat.copy(), flat.copy()
    for row, code in enumerate(known.codes):
        if code in fits:
            held[row], usual[row] = _of_model(fits[code], last[row], moves)
    exits, balance = _exits_and_balance(flat, known)
    told = {
        MODEL: held,
        USUAL: usual,
        SMOOTHED: _constant(_smoothed(known.values)),
        MEAN: _constant(_mean(known.values[:, :, -MEAN_YEARS:])),
        NATION: _constant(known.nation[:, -1] / known.nation_children[-1] * known.children[:, -1:]),
        EXITS: exits,
        BALANCE: balance,
        BESIDE: _beside(flat, known.nation[:, -1]),
    }
    return {view: np.where(np.isfinite(said), said, flat) for view, said in told.items()}


def _of_model(fit: OriginFit, last: Array, moves: Array) -> tuple[Array, Array]:
    """Return [figures, ahead] twice: factors held, and usual factors; both begin at the last published figures.

    The model is not exactly at the last figure: its path ahead is taken in proportion to where it is. Usual factors are
    worked out from those held by the response of each figure to each lever, which is all but linear for small changes.
    """
    model = (fit.ahead + 1.0) / (fit.figures[-1] + 1.0)
    change = FACTOR_PART * (fit.logs[-FACTOR_YEARS:].mean(axis=0) - fit.logs[-1])
    response = np.cumsum(moves[:AHEAD] @ change, axis=0)
    usual = model * np.exp(np.clip(response, -0.7, 0.7))
    return last[:, None] * model[:, PLACES].T, last[:, None] * usual[:, PLACES].T


def _constant(level: Array) -> Array:
    return np.repeat(level[:, :, None], AHEAD, axis=2)


def _smoothed(values: Array) -> Array:
    level = np.full(values.shape[:2], np.nan)
    for year in range(values.shape[2]):
        now = values[:, :, year]
        level = np.where(np.isfinite(level) & np.isfinite(now), level + SMOOTHING * (now - level), level)
        level = np.where(np.isfinite(level), level, now)
    return level


def _mean(values: Array) -> Array:
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=2)
    return np.asarray(np.where(known.any(axis=2), total / np.maximum(known.sum(axis=2), 1), np.nan))


def _exits_and_balance(flat: Array, known: Panel) -> tuple[Array, Array]:
    stock, started, ceased = (flat[:, k, :] for k in (STOCK, STARTED, CEASED))
    rate = known.nation[CEASED, -1] / known.nation[STOCK, -1]
    years = np.arange(1, AHEAD + 1)
    exits, balance = flat.copy(), flat.copy()
    exits[:, STARTED] = exits[:, CEASED] = rate * stock
    exits[:, STOCK] = stock + (started - rate * stock) * years
    balance[:, STARTED], balance[:, CEASED] = ceased, started
    balance[:, STOCK] = stock + (started - ceased) * years
    return exits, balance


def _beside(flat: Array, nation: Array) -> Array:
    out = flat.copy()
    for figure, other in ((PLANS, STOCK), (STOCK, PLANS), (STARTED, PLANS), (REFERRALS, PLANS)):
        out[:, figure] = nation[figure] / nation[other] * flat[:, other]
    return out
