"""Years ahead of an area's draws, made to agree with what is forecast of its published figures.

How factors go on (`calibration.pooling`) is known of chances, not of children: by it alone an area's looked-after
children drift back towards what all areas' chances would make of them, and a year in which more stayed by luck is
forgotten at once. Over past years of all authorities the last published number is the better guess. The forecasts of
`journeys backtest` know that: they are learnt from figures, and tried. So of all ways in which the factors may go on,
those are taken that lead to these forecasts:

    middle   five figures of three years lie where they are forecast
    spread   they vary as much as the forecast's interval says, less the luck that a run adds by itself

and nothing else is asked. Each draw's factors ahead are moved by the smallest step, in terms of how factors do move
(their covariance given the past), that takes its figures there; what is not forecast, and the years after the third,
follow as far as they go with it. The five forecasts were learnt one by one and need not add up; the model's figures do,
so each gives way as far as it is uncertain (PLAY).

How figures follow factors is taken as linear in logarithms around the mean draw, by derivatives of the mean field, and
set right twice by the mean field itself at some of the draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.journey import JOURNEY
from abm.meanfield import MeanField, make_grid
from calibration.backtest.fits import AHEAD, OriginFit
from calibration.backtest.lessons import Lessons, forecast_all, read_lessons, seen_at
from calibration.backtest.panel import FIGURES, PLANS, STOCK, panel_of
from calibration.backtest.scores import BANDS, MEDIAN, ends_of
from calibration.backtest.views import PLACES
from calibration.fit import Fitted
from calibration.levers import LEVERS
from calibration.pooling import Prior
from calibration.posterior.draws import AreaDraws
from calibration.posterior.fast import FastYears
from calibration.statistics import ENGLAND, Statistics

Array = NDArray[np.float64]
LUCK = np.array([0.5 if figure in (STOCK, PLANS) else 1.0 for figure in range(len(FIGURES))])
"""Variance of a run's figure around its expectation, in units of the figure, as runs show it."""
MOST_LUCK = 0.75
"""Luck is never taken for more than this share of a forecast's variance (assumed)."""
PLAY = 0.15
"""By what share of its own spread a figure may differ from its forecast before moving factors is as dear (assumed)."""
LOOKS = 16
"""Draws at which the mean field itself is asked."""
_Z80 = NormalDist().inv_cdf(0.9)


@dataclass(frozen=True)
class Outlook:
    """What is forecast of an area's figures; NaN where nothing is.

    origin  the last year that was known
    middle  float64[AHEAD, figures]  medians of FIGURES
    spread  float64[AHEAD, figures]  standard deviation as a share of the median: of the 80% interval
    """

    origin: int
    middle: Array
    spread: Array


def outlook_of(
    statistics: Statistics, fitted: Fitted, model: FastYears, moves: Array, lessons: Lessons | None = None
) -> Outlook | None:
    """Return the outlook of an area from its last fitted year, or None where there is none.

    There is none for England as one area, for an authority that is no more, or for a last year before all lessons.

    Parameters
    ----------
    statistics
        The table that the area was fitted to.
    model
        The mean field of the area over its fitted years and up to AHEAD more.
    moves
        float64[those years, fitted figures, levers]: by how much (log) a figure moves so many years after a lever.
    lessons
        What was learnt at earlier origins; as shipped if None.
    """
    code, origin, k = fitted.area.code, fitted.fitted_to, len(fitted.logs)
    known = read_lessons() if lessons is None else lessons
    learnt = max((year for year, _, _ in known if year <= origin), default=None)
    if learnt is None or code == ENGLAND or code not in dict(statistics.authorities()):
        return None
    held = np.vstack([fitted.logs, np.tile(fitted.logs[-1:], (model.n_years - k, 1))])
    figures = model.figures(held)
    # Where fewer years than AHEAD are asked of the model, nobody reads what is forecast of the rest.
    ahead, moves = (np.concatenate([x, np.repeat(x[-1:], AHEAD - len(x), axis=0)]) for x in (figures[k:], moves))
    nothing = np.full_like(figures[:k], np.nan)
    fit = OriginFit(origin, fitted.scenario.first_year, fitted.logs, figures[:k], nothing, ahead)
    now = seen_at(panel_of(statistics, [code]), origin, {code: fit}, moves)
    here = {(origin, figure, ahead): one for (year, figure, ahead), one in known.items() if year == learnt}
    told = forecast_all(now, here, origin)[0].transpose(1, 0, 2)
    _low, high = ends_of(BANDS[1])
    middle = np.where(told[..., MEDIAN] > 0, told[..., MEDIAN], np.nan)
    # Intervals are cut at 0, so the upper half tells how wide they are.
    return Outlook(origin, middle, (told[..., high] - told[..., MEDIAN]) / _Z80 / middle)


@dataclass(frozen=True)
class Response:
    """How an area's expected figures of the years ahead follow from a draw, in logarithms.

    model  the mean field over fitted years and those ahead
    mean   float64[n]  the mean draw: logs of all years of the model, then forms
    base   float64[AHEAD, figures]  FIGURES there, corrected as in the last fitted year
    slope  float64[AHEAD, figures, n]  their derivatives
    moves  float64[AHEAD, fitted figures, levers]  what the first year ahead does to itself and to later ones
    """

    model: FastYears
    mean: Array
    base: Array
    slope: Array
    moves: Array

    @staticmethod
    def of(draws: AreaDraws, ahead: int) -> Response:
        """Work it out around the mean draw."""
        fitted, k, n_levers = draws.fitted, draws.n_fitted, len(LEVERS)
        n = k + ahead
        model = FastYears(MeanField(JOURNEY, make_grid(JOURNEY)), fitted.book, fitted.scenario, n)
        logs, levels = draws.mean_logs[:n], draws.weights @ draws.levels
        figures, derivatives = model.with_derivatives(logs, levels)
        by_share = derivatives / (figures + 1.0)[:, :, None]
        base = np.log(figures[k:, PLACES] * fitted.correction[-1, PLACES])
        moves = by_share[k:, :, k * n_levers : (k + 1) * n_levers]
        return Response(model, np.r_[logs.ravel(), levels], base, by_share[k:, PLACES], moves)

    def linear(self, draws: AreaDraws) -> Array:
        """Return float64[draws, AHEAD, figures]: expected figures, by the derivatives."""
        n = self.model.n_years
        at = np.concatenate([draws.logs[:, :n].reshape(len(draws), -1), draws.levels], axis=1)
        out: Array = self.base + np.einsum("di,hfi->dhf", at - self.mean, self.slope)
        return out

    def exact(self, draws: AreaDraws, which: NDArray[np.int64]) -> Array:
        """Return the same of some draws, by the mean field itself."""
        n, k, correction = self.model.n_years, draws.n_fitted, draws.fitted.correction[-1, PLACES]
        asked = [self.model.figures(draws.logs[d, :n], draws.levels[d])[k:, PLACES] for d in which]
        return np.log(np.array(asked) * correction)


def agreeing(draws: AreaDraws, prior: Prior, outlook: Outlook, response: Response) -> tuple[AreaDraws, dict[str, Any]]:
    """Return the draws with years ahead that lead to the outlook, and how far they had to be moved.

    What is told: `moved`, the root mean square of how far the middles of the forecast figures were moved, in standard
    deviations of what the draws said before; `missed`, the largest share by which the middle of one still lies beside
    its forecast (no factor moves children who arrive unaccompanied); `looks`, how often the mean field was asked.
    """
    k, ahead = draws.n_fitted, len(response.base)
    middle, spread = outlook.middle[:ahead], outlook.spread[:ahead]
    there = np.isfinite(middle) & np.isfinite(spread)
    luck = LUCK * draws.fitted.scenario.sample / np.where(there, middle, 1.0)
    own = np.sqrt(np.maximum(spread**2 - luck, (1 - MOST_LUCK) * spread**2))[there]
    aim = np.log(np.where(there, middle, 1.0))[there]

    # How factors ahead vary given the past, and how these figures follow them.
    _, _, root = prior.ahead(k)
    n_levers, n_ahead = len(LEVERS), draws.logs.shape[1] - k
    walk = np.kron(prior.walk[k : k + n_ahead, k : k + n_ahead], np.diag(prior.step**2))
    vary = root @ root.T + walk
    slope = np.zeros((int(there.sum()), n_ahead * n_levers))
    slope[:, : ahead * n_levers] = response.slope[there][:, k * n_levers : (k + ahead) * n_levers]
    across = vary @ slope.T
    gain = np.linalg.solve(slope @ across + np.diag((PLAY * own) ** 2), across.T).T

    looked = np.unique(np.linspace(0, len(draws) - 1, LOOKS).astype(np.int64))

    def expected(at: AreaDraws) -> Array:
        """Return the figures of all draws by the derivatives, with the mean of what the mean field says otherwise."""
        plain = response.linear(at)[:, there]
        out: Array = plain + (response.exact(at, looked)[:, there] - plain[looked]).mean(axis=0)
        return out

    before = expected(draws)
    wide = np.maximum(before.std(axis=0), 1e-9)
    wanted = aim + (before - before.mean(axis=0)) * (own / wide)
    moved = _moved(draws, (wanted - before) @ gain.T)
    left = aim - expected(moved).mean(axis=0)
    moved = _moved(moved, np.tile(left @ gain.T, (len(draws), 1)))
    told = {
        "figures": len(aim),
        "moved": round(float(np.sqrt((((aim - before.mean(axis=0)) / wide) ** 2).mean())), 3),
        "missed": round(float(np.expm1(np.abs(left - slope @ (gain @ left))).max()), 3),
        "looks": 2 * looked.size,
    }
    return moved, told


def _moved(draws: AreaDraws, steps: Array) -> AreaDraws:
    k = draws.n_fitted
    return draws.going_on(draws.logs[:, k:] + steps.reshape(len(draws), -1, len(LEVERS)))


def with_outlook(draws: AreaDraws, prior: Prior, statistics: Statistics) -> AreaDraws:
    """Return draws whose years ahead agree with what is forecast of the area, or as they are where nothing is.

    Parameters
    ----------
    prior
        Of the factors of all years, as the draws' years ahead were drawn from it.
    statistics
        The table that the area was fitted to.
    """
    ahead = min(AHEAD, draws.logs.shape[1] - draws.n_fitted)
    if ahead < 1 or draws.area == ENGLAND:
        return draws
    response = Response.of(draws, ahead)
    found = outlook_of(statistics, draws.fitted, response.model, response.moves)
    if found is None or not np.isfinite(found.middle[:ahead]).any():
        return draws
    moved, told = agreeing(draws, prior, found, response)
    return replace(moved, made=dict(draws.made) | {"outlook": told | {"origin": found.origin}})
