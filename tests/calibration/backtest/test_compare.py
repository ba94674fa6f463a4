"""Tables of scores and margins, on forecasts whose scores are worked out by hand."""

import numpy as np
import polars as pl
import pytest

from calibration.backtest import compare
from calibration.backtest.fits import AHEAD
from calibration.backtest.panel import FIGURES, Panel

N, YEARS = 3, 8


@pytest.fixture
def panel() -> Panel:
    # Every figure rises by 10 a year, so a step is 10.
    values = 100 + 10 * np.arange(YEARS) + np.zeros((N, len(FIGURES), YEARS))
    codes = ("E06000001", "E06000002", "E06000003")
    return Panel(codes, ("A", "B", "C"), 2010, values, np.ones((N, YEARS)), values[0], np.ones(YEARS))


def told(panel: Panel, off: float, origin: int = 2014) -> np.ndarray:
    """Return forecasts that are `off` above what came, with intervals of 4, 6 and 8 steps."""
    came = np.stack([panel.at(origin + h) for h in range(1, AHEAD + 1)], axis=2)
    return came[..., None] + off + np.array([-40, -30, -20, 0, 20, 30, 40.0])


def test_errors_are_in_steps_and_the_whole_is_the_mean_of_points(panel):
    forecasts = {compare.OURS: told(panel, 5), "last value": told(panel, -35)}
    points = compare.scored(compare.points_of(panel, 2014, forecasts))
    assert points.height == 2 * N * len(FIGURES) * AHEAD
    frame = compare.scores_frame(points, (compare.OURS, "last value"))
    ours = frame.filter((pl.col("method") == compare.OURS) & (pl.col("figure") == compare.ALL))
    assert ours["mase"].to_list() == pytest.approx([0.5] * AHEAD)
    assert ours["points"].to_list() == [N * len(FIGURES)] * AHEAD
    assert ours["inside_50"].to_list() == [1.0] * AHEAD
    theirs = frame.filter((pl.col("method") == "last value") & (pl.col("figure") == FIGURES[2]))
    assert theirs["mase"].to_list() == pytest.approx([3.5] * AHEAD)
    assert theirs["inside_80"].to_list() == [0.0] * AHEAD
    assert theirs["inside_90"].to_list() == [1.0] * AHEAD


def test_only_points_that_all_methods_have_are_compared(panel):
    part = told(panel, 0)
    part[0, 3:] = np.nan
    points = compare.scored(compare.points_of(panel, 2014, {compare.OURS: told(panel, 5), "drift": part}))
    shown = compare.common(points, (compare.OURS, "drift"))
    assert shown.height == 2 * (N * len(FIGURES) - 2) * AHEAD
    assert set(shown.filter(pl.col("code") == "E06000001")["figure"]) == set(FIGURES[:3])


def test_what_has_not_been_published_is_not_scored(panel):
    points = compare.points_of(panel, 2015, {compare.OURS: told(panel, 5, 2015)})
    assert set(points["year"]) == {2016, 2017}
    ahead = compare.points_of(panel, 2017, {compare.OURS: np.zeros((N, len(FIGURES), AHEAD, 7))})
    assert set(ahead["year"]) == {2018, 2019, 2020}
    assert compare.scored(ahead).is_empty()


def test_the_margin_is_over_the_best_simple_method_and_areas_are_drawn_whole(panel):
    worse = told(panel, 20)
    worse[0] = told(panel, 4)[0]
    forecasts = {compare.OURS: told(panel, 10), "last value": told(panel, 20), "drift": worse}
    points = compare.scored(compare.points_of(panel, 2014, forecasts))
    methods = tuple(forecasts)
    frame = compare.scores_frame(points, methods)
    assert compare.best_simple(frame, 2) == "drift"
    margins = compare.margins(points, frame, methods)
    row = margins.filter((pl.col("figure") == compare.ALL) & (pl.col("years_ahead") == 2)).row(0, named=True)
    assert row["best"] == "drift"
    assert row["ours"] == pytest.approx(1.0)
    assert row["theirs"] == pytest.approx((0.4 + 2 + 2) / 3)
    assert row["margin"] == pytest.approx(1 - 3 / 4.4)
    # Samples of only the first area: ours is farther by 1.5 times; of only the others: half as far.
    assert row["low"] < 0 < row["high"] <= 0.5
