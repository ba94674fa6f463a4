"""Scores against hand-worked cases and slow twins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from calibration.backtest import scores
from calibration.backtest.scores import BANDS, LEVELS, MEDIAN

# Median 100; 50% 90 to 110, 80% 80 to 120, 90% 70 to 130.
FORECAST = np.array([70.0, 80.0, 90.0, 100.0, 110.0, 120.0, 130.0])


def test_the_ends_of_an_interval_are_the_quantiles_that_leave_half_the_rest_on_either_side():
    for band in BANDS:
        low, high = scores.ends_of(band)
        assert LEVELS[high] - LEVELS[low] == pytest.approx(band / 100)
        assert LEVELS[low] == pytest.approx(1 - LEVELS[high])
    assert LEVELS[MEDIAN] == 0.5


def test_a_step_is_the_mean_absolute_change_of_years_that_follow_one_another():
    # Changes of 2, 4 and, after a year that is missing, 3 and 0.
    series = np.array([10.0, 12.0, 8.0, np.nan, 5.0, 8.0, 8.0])
    assert scores.step_of(series) == pytest.approx((2 + 4 + 3 + 0) / 4)
    assert scores.step_of(np.array([7.0, 7.0, 7.0, 7.0, 7.0])) == 0.5
    assert scores.step_of(np.array([[1.0, 3.0], [5.0, 6.0]]), least=1) == pytest.approx([2.0, 1.0])


def test_too_few_changes_give_no_step():
    assert np.isnan(scores.step_of(np.array([10.0, 12.0, 8.0, 9.0])))
    assert np.isnan(scores.step_of(np.array([7.0, np.nan, 7.0]), least=1))


def test_interval_scores_by_hand():
    # 80%: width 40; a truth of 125 lies 5 outside, which costs 2 / 0.2 times 5.
    assert scores.interval_score(FORECAST, np.array(125.0), 80) == pytest.approx(40 + 10 * 5)
    assert scores.interval_score(FORECAST, np.array(66.0), 90) == pytest.approx(60 + 20 * 4)
    assert scores.interval_score(FORECAST, np.array(100.0), 50) == pytest.approx(20)
    assert scores.absolute_error(FORECAST, np.array(125.0)) == 25


def test_weighted_interval_score_by_hand():
    # Truth 125: median off by 25; 50%: 20 + 4 * 15 = 80; 80%: 90; 90%: 60. Weights 1/2, 1/4, 1/10, 1/20; over 3.5.
    expected = (0.5 * 25 + 0.25 * 80 + 0.1 * 90 + 0.05 * 60) / 3.5
    assert scores.weighted_interval_score(FORECAST, np.array(125.0)) == pytest.approx(expected)


def test_an_end_of_an_interval_is_inside():
    for band, low, high in ((50, 90.0, 110.0), (80, 80.0, 120.0), (90, 70.0, 130.0)):
        assert scores.inside(FORECAST, np.array([low, high]), band).all()
        assert not scores.inside(FORECAST, np.array([low - 0.01, high + 0.01]), band).any()


@given(some.lists(some.floats(-50, 50), min_size=1, max_size=12), some.floats(-60, 60))
def test_crps_of_draws_is_its_definition(draws, truth):
    values = np.array(draws)
    slow = np.mean([abs(x - truth) for x in draws]) - np.mean([abs(x - y) for x in draws for y in draws]) / 2
    assert scores.crps(values, np.array(truth)) == pytest.approx(slow, abs=1e-9)


def test_a_fine_weighted_interval_score_and_the_crps_agree_about_which_forecast_is_better():
    draws = np.linspace(-2, 2, 4001)[None, :] + np.array([[0.0], [1.5]])
    quantiles = np.quantile(draws, LEVELS, axis=1).T
    truth = np.zeros(2)
    by_crps, by_wis = scores.crps(draws, truth), scores.weighted_interval_score(quantiles, truth)
    assert by_crps[0] < by_crps[1]
    assert by_wis[0] < by_wis[1]


def test_the_true_distribution_scores_best_on_average():
    truth = np.random.default_rng(3).normal(0, 10, 4000)
    at = np.array([-1.645, -1.2816, -0.6745, 0, 0.6745, 1.2816, 1.645])

    def mean_score(middle, sd):
        return scores.weighted_interval_score(np.broadcast_to(middle + sd * at, (4000, 7)), truth).mean()

    honest = mean_score(0, 10)
    assert honest < mean_score(0, 6)
    assert honest < mean_score(0, 16)
    assert honest < mean_score(4, 10)


def test_the_margin_is_over_all_points_and_samples_take_whole_areas():
    ours, theirs = np.array([1.0, 1.0, 4.0]), np.array([2.0, 2.0, 4.0])
    areas = np.array([0, 0, 1])
    share, sampled = scores.margin(ours, theirs, areas, np.array([[0, 0], [1, 1], [0, 1]]))
    assert share == pytest.approx(1 - 6 / 8)
    assert sampled == pytest.approx([0.5, 0.0, 0.25])
