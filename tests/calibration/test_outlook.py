"""Years ahead that agree with what is forecast: in a made-up world by closed form, and for areas that are shipped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.backtest.fits import AHEAD
from calibration.backtest.lessons import read_lessons
from calibration.backtest.panel import CEASED, FIGURES, STARTED, STOCK
from calibration.fitted import load_fit
from calibration.levers import LEVERS
from calibration.outlook import LUCK, PLAY, Outlook, Response, agreeing, outlook_of, with_outlook
from calibration.pooling import Prior, process_until
from calibration.posterior.draws import AreaDraws, load_draws
from calibration.posterior.forms import FORMS
from calibration.statistics import ENGLAND, PUBLISHED, Statistics, read_statistics
from experiments.compare.forecast import held_back

Array = NDArray[np.float64]
N, L, FITTED, YEARS = 400, len(LEVERS), 5, 10
NORTH_TYNESIDE = "E08000022"


@pytest.fixture(scope="module")
def statistics() -> Statistics:
    return read_statistics()


@pytest.fixture(scope="module")
def shipped() -> AreaDraws:
    folder = PUBLISHED / "draws" / NORTH_TYNESIDE
    return load_draws(folder, load_fit(folder).fitted)


# A world in which figures are linear --------------------------------------------------------------------------------


@dataclass(frozen=True)
class World(Response):
    """Figures that follow factors exactly as the derivatives say, but for `off` and `bend`, which they do not know."""

    off: float = 0.0
    bend: float = 0.0

    def linear(self, draws: AreaDraws) -> Array:
        out: Array = self.base + np.einsum("di,hfi->dhf", self._at(draws) - self.mean, self.slope)
        return out

    def exact(self, draws: AreaDraws, which: NDArray[np.int64]) -> Array:
        out: Array = self.linear(draws)[which]
        return out + self.off + self.bend * (out - self.base) ** 2

    def _at(self, draws: AreaDraws) -> Array:
        years = FITTED + AHEAD
        return np.concatenate([draws.logs[:, :years].reshape(len(draws), -1), draws.levels], axis=1)


@pytest.fixture(scope="module")
def prior() -> Prior:
    return process_until(2025).prior(YEARS, area=NORTH_TYNESIDE)


@pytest.fixture(scope="module")
def draws(shipped: AreaDraws, prior: Prior) -> AreaDraws:
    """Draws whose fitted years are all alike, so that the years ahead alone differ."""
    logs = prior.draws(np.zeros((N, FITTED, L)), 1)
    return AreaDraws(shipped.fitted, logs, np.zeros((N, len(FORMS))), np.full(N, 1 / N), 1, {})


def world(draws: AreaDraws, **more: float) -> World:
    """Return a world where each figure of a year follows levers of its own in that year."""
    n, n_figures = (FITTED + AHEAD) * L + len(FORMS), len(FIGURES)
    slope = np.zeros((AHEAD, n_figures, n))
    for year in range(AHEAD):
        for figure in range(n_figures):
            slope[year, figure, (FITTED + year) * L + 2 * figure : (FITTED + year) * L + 2 * figure + 2] = 1.0, 0.5
    mean = np.r_[draws.mean_logs[: FITTED + AHEAD].ravel(), np.zeros(len(FORMS))]
    base = np.log(np.full((AHEAD, n_figures), 1e5))
    return World(None, mean, base, slope, np.zeros((AHEAD, n_figures, L)), **more)  # type: ignore[arg-type]


def outlook(spread: float = 0.1) -> Outlook:
    middle = 1e5 * (1 + 0.02 * np.arange(AHEAD * len(FIGURES)).reshape(AHEAD, -1) / 15)
    return Outlook(2025, middle, np.full(middle.shape, spread))


def figures_of(draws: AreaDraws, there: Response) -> Array:
    return there.exact(draws, np.arange(len(draws)))


def test_figures_lie_where_they_are_forecast_and_vary_as_much(draws: AreaDraws, prior: Prior) -> None:
    there, told = world(draws), outlook()
    before = figures_of(draws, there)
    moved, how = agreeing(draws, prior, told, there)
    after = figures_of(moved, there)
    # Of play, a hundredth of the spread is left in a figure: the prior is wide beside it.
    assert np.abs(after.mean(axis=0) - np.log(told.middle)).max() < 0.05 * 0.1
    assert np.allclose(after.std(axis=0), np.sqrt(0.1**2 - LUCK / told.middle), rtol=0.05)
    assert np.abs(before.mean(axis=0) - np.log(told.middle)).max() > 0.01
    assert how["figures"] == AHEAD * len(FIGURES)
    missed = np.expm1(np.abs(after.mean(axis=0) - np.log(told.middle)).max())
    assert how["missed"] == pytest.approx(missed, abs=6e-4)
    assert np.array_equal(moved.logs[:, :FITTED], draws.logs[:, :FITTED])


def test_the_step_is_the_smallest_in_terms_of_how_factors_move(draws: AreaDraws, prior: Prior) -> None:
    """The twin solves the whole least-squares problem of the mean: prior and figures stacked, nothing clever."""
    there, told = world(draws), outlook()
    moved, _ = agreeing(draws, prior, told, there)
    step = (moved.mean_logs - draws.mean_logs)[FITTED:].ravel()
    _, _, root = prior.ahead(FITTED)
    walk = np.kron(prior.walk[FITTED:, FITTED:], np.diag(prior.step**2))
    half = np.linalg.cholesky(root @ root.T + walk + 1e-12 * np.eye(step.size))
    own = np.sqrt(0.1**2 - LUCK / told.middle).ravel()
    slope = np.zeros((own.size, step.size))
    slope[:, : AHEAD * L] = there.slope.reshape(own.size, -1)[:, FITTED * L : (FITTED + AHEAD) * L]
    need = (np.log(told.middle) - figures_of(draws, there).mean(axis=0)).ravel()
    stacked = np.vstack([np.eye(step.size), (slope @ half) / (PLAY * own)[:, None]])
    once = half @ np.linalg.lstsq(stacked, np.r_[np.zeros(step.size), need / (PLAY * own)], rcond=None)[0]
    # What the first step leaves is taken by a second one, so the twin does it twice.
    left = need - slope @ once
    twice = half @ np.linalg.lstsq(stacked, np.r_[np.zeros(step.size), left / (PLAY * own)], rcond=None)[0]
    assert np.allclose(step, once + twice, atol=1e-9)
    assert np.abs(step).max() > 0.01


def test_what_the_derivatives_do_not_know_is_set_right(draws: AreaDraws, prior: Prior) -> None:
    there, told = world(draws, off=0.05, bend=0.3), outlook()
    moved, _ = agreeing(draws, prior, told, there)
    # 16 looks say the mean to 0.1 x 0.3 / 4 of a bend: within a tenth of the spread.
    assert np.abs(figures_of(moved, there).mean(axis=0) - np.log(told.middle)).max() < 0.01


def test_a_figure_that_no_factor_moves_is_told_as_missed(draws: AreaDraws, prior: Prior) -> None:
    there, told = world(draws), outlook()
    there.slope[2, 0] = 0.0
    told.middle[2, 0] = 1e5 * 1.25
    moved, how = agreeing(draws, prior, told, there)
    assert figures_of(moved, there)[:, 2, 0] == pytest.approx(np.full(N, np.log(1e5)))
    assert how["missed"] == pytest.approx(0.25, abs=1e-3)


def test_figures_without_a_forecast_are_left_to_themselves(draws: AreaDraws, prior: Prior) -> None:
    there, told = world(draws), outlook()
    told.middle[:, 1:] = np.nan
    moved, how = agreeing(draws, prior, told, there)
    assert how["figures"] == AHEAD
    # The news of levers is correlated, so the others follow a little; they are not taken anywhere.
    before, after = (figures_of(each, there).mean(axis=0) for each in (draws, moved))
    assert np.abs(after[:, 0] - np.log(told.middle[:, 0])).max() < 0.005
    assert np.abs((after - before)[:, 1:]).max() < 0.5 * np.abs((after - before)[:, 0]).max()


def test_forecasts_that_do_not_add_up_give_way_as_they_are_uncertain(draws: AreaDraws, prior: Prior) -> None:
    """Two figures of one lever: the surer keeps nearly all of what it says, in proportion to the variances."""
    there = world(draws)
    there.slope[:, 1] = there.slope[:, 0]
    told = outlook()
    told.middle[:] = 1e9
    there.base[:] = np.log(1e9)
    told.middle[:, 1:] = np.nan
    told.middle[0, :2] = 1e9 * np.exp([0.2, -0.2])
    told.middle[1:] = np.nan
    told.spread[0, 0] = 0.05
    moved, _ = agreeing(draws, prior, told, there)
    at = float(figures_of(moved, there)[:, 0, 0].mean()) - np.log(1e9)
    # (0.2 / 0.05^2 - 0.2 / 0.1^2) / (1 / 0.05^2 + 1 / 0.1^2) = 0.12, but for the prior's little weight.
    assert at == pytest.approx(0.12, abs=0.02)


# Areas that are shipped ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seen(shipped: AreaDraws, statistics: Statistics) -> tuple[Response, Outlook]:
    there = Response.of(shipped, AHEAD)
    found = outlook_of(statistics, shipped.fitted, there.model, there.moves)
    assert found is not None
    return there, found


def test_the_outlook_is_what_the_backtest_forecasts(seen: tuple[Response, Outlook]) -> None:
    """`journeys backtest` printed these for North Tyneside on 28 November 2026, with its own quick fit."""
    _, found = seen
    assert found.origin == 2025
    assert np.allclose(found.middle[:, STOCK], [382, 380, 375], rtol=0.01)
    # Its intervals of 80%: 347 to 417, 326 to 435, 304 to 445.
    half = 1.2816 * found.middle[:, STOCK] * found.spread[:, STOCK]
    assert np.allclose(half, [35, 55, 71], rtol=0.03)


def test_shipped_draws_lead_to_the_outlook(shipped: AreaDraws, seen: tuple[Response, Outlook]) -> None:
    there, found = seen
    which = np.arange(0, len(shipped), 12)
    figures = there.exact(shipped, which)
    spread = np.sqrt(found.spread**2 - LUCK / found.middle)
    # 9 draws: 4 standard errors of a mean, 15 figures: a false alarm in 1,000. Figures give way a little (PLAY).
    off = np.abs(figures.mean(axis=0) - np.log(found.middle))
    assert (off < 4 * spread / np.sqrt(which.size) + PLAY * spread).all()
    assert 0.7 < np.median(figures.std(axis=0) / spread) < 1.4


def test_without_it_looked_after_children_drift_away(shipped: AreaDraws, seen: tuple[Response, Outlook]) -> None:
    """The mutant: years ahead as factors alone go on. This area's number would fall by 6% in the first year."""
    there, found = seen
    prior = process_until(2025).prior(shipped.logs.shape[1], area=NORTH_TYNESIDE)
    plain = replace(shipped, logs=prior.draws(shipped.logs[:, : shipped.n_fitted], 1))
    off = there.exact(plain, np.arange(0, 100, 12)).mean(axis=0) - np.log(found.middle)
    assert (off[:, STOCK] < -0.03).all()


def test_a_forecast_sees_nothing_later(shipped: AreaDraws, statistics: Statistics) -> None:
    early = replace(shipped.fitted, fitted_to=2023, logs=shipped.fitted.logs[:3])
    there = Response.of(replace(shipped, fitted=early), 2)
    known = outlook_of(statistics, early, there.model, there.moves)
    cut = outlook_of(held_back(statistics), early, there.model, there.moves)
    assert known is not None
    assert cut is not None
    assert np.array_equal(known.middle, cut.middle)
    assert np.array_equal(known.spread, cut.spread)
    assert known.origin == 2023


def test_a_later_year_takes_the_last_lessons_there_are(
    shipped: AreaDraws, statistics: Statistics, seen: tuple[Response, Outlook]
) -> None:
    there, found = seen
    early = {key: lesson for key, lesson in read_lessons().items() if key[0] <= 2023}
    told = outlook_of(statistics, shipped.fitted, there.model, there.moves, early)
    assert told is not None
    assert not np.array_equal(told.middle, found.middle)
    assert np.allclose(told.middle, found.middle, rtol=0.15)
    assert outlook_of(statistics, shipped.fitted, there.model, there.moves, {}) is None


def test_england_and_draws_without_years_ahead_stay_as_they_are(
    shipped: AreaDraws, statistics: Statistics, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior: Any = None
    scenario = replace(shipped.fitted.scenario, n_weeks=shipped.fitted.scenario.n_weeks // 2)
    short = replace(shipped, fitted=replace(shipped.fitted, scenario=scenario), logs=shipped.logs[:, :FITTED])
    assert with_outlook(short, prior, statistics) is short
    area = replace(shipped.fitted.area, code=ENGLAND)
    england = replace(shipped, fitted=replace(shipped.fitted, area=area))
    assert with_outlook(england, prior, statistics) is england


def test_flows_and_stock_add_up_in_what_draws_lead_to(shipped: AreaDraws, seen: tuple[Response, Outlook]) -> None:
    """Started less ceased is the change of children looked after, in each draw: not in the forecasts."""
    there, _ = seen
    figures = np.exp(there.exact(shipped, np.arange(3)))
    change = figures[:, 1:, STOCK] - figures[:, :-1, STOCK]
    assert np.allclose(figures[:, 1:, STARTED] - figures[:, 1:, CEASED], change, atol=12)
