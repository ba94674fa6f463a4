"""Simple methods against closed forms."""

import sys

import numpy as np
import pytest

from abm.errors import CareError
from calibration.backtest import simple
from calibration.backtest.scores import LEVELS, MEDIAN, ends_of

SERIES = np.array([100.0, 104.0, 98.0, 107.0, 112.0])


def test_last_value_is_flat_and_spreads_as_a_random_walk():
    told = simple.last_value(SERIES, 3)
    assert told[:, MEDIAN] == pytest.approx([112, 112, 112])
    sd = np.sqrt((16 + 36 + 81 + 25) / 4)
    low, high = ends_of(90)
    assert told[:, high] - 112 == pytest.approx(1.6449 * sd * np.sqrt([1, 2, 3]), rel=1e-4)
    assert 112 - told[:, low] == pytest.approx(told[:, high] - 112)


def test_drift_goes_on_from_first_to_last_and_spreads_more():
    told = simple.drift(SERIES, 3)
    assert told[:, MEDIAN] == pytest.approx([115, 118, 121])
    sd = np.std([4, -6, 9, 5], ddof=1)
    high = ends_of(80)[1]
    expected = 1.2816 * sd * np.sqrt([1 * (1 + 1 / 4), 2 * (1 + 2 / 4), 3 * (1 + 3 / 4)])
    assert told[:, high] - told[:, MEDIAN] == pytest.approx(expected, rel=1e-4)


def test_a_line_is_carried_on_by_drift_without_spread():
    told = simple.drift(np.array([3.0, 5.0, 7.0, 9.0]), 2)
    assert told == pytest.approx(np.repeat([[11.0], [13.0]], len(LEVELS), axis=1))


def test_one_figure_alone_is_carried_on():
    for method in simple.METHODS.values():
        assert method(np.array([5.0]), 2) == pytest.approx(np.full((2, len(LEVELS)), 5.0))


def test_nothing_falls_below_none():
    told = simple.drift(np.array([30.0, 18.0, 9.0, 1.0]), 3)
    assert told.min() == 0
    assert (np.diff(told, axis=1) >= 0).all()


@pytest.mark.parametrize("name", ["ETS", "ARIMA"])
def test_the_library_is_near_what_is_known(name):
    pytest.importorskip("statsforecast")
    method = simple.METHODS[name]
    # A level with even noise: the forecast is near the level, its intervals about as wide as the noise, and nested.
    noise = np.array([3, -4, 2, -1, 5, -3, -2, 4, -5, 1, 2, -2, 3, -4, 1.0])
    told = method(200 + noise, 3)
    assert told[:, MEDIAN] == pytest.approx([200, 200, 200], abs=4)
    assert (np.diff(told, axis=1) > 0).all()
    low, high = ends_of(80)
    assert 4 < told[0, high] - told[0, low] < 20
    # A steep line is carried on by both, unlike the last value.
    line = method(100 + 20 * np.arange(15) + noise, 2)
    assert line[:, MEDIAN] == pytest.approx([400, 420], abs=12)
    # What never changes stays.
    assert method(np.full(8, 40.0), 2) == pytest.approx(np.full((2, len(LEVELS)), 40.0))


def test_a_missing_library_is_told_with_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsforecast", None)
    with pytest.raises(CareError, match="statsforecast") as told:
        simple.models()
    assert "journeys-abm[backtest]" in str(told.value)
