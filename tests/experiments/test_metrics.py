"""Measures of fit, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.compare.frames import Shown
from experiments.compare.metrics import band_measures, measures, metrics_frame, naive_error

FIGURE = Shown("toys", "Toys", "toys")
SERIES = st.lists(st.floats(0, 1000), min_size=2, max_size=8)


def test_a_perfect_model() -> None:
    series = np.array([3.0, 5.0, 4.0])
    found = measures(series, series, naive=1.0)
    assert found == {
        "bias": 0.0, "rmse": 0.0, "nrmse": 0.0, "mase": 0.0, "theil_bias": None, "theil_variance": None,
        "theil_covariance": None, "correlation": pytest.approx(1.0),
    }  # fmt: skip


def test_a_model_that_is_too_high_throughout() -> None:
    found = measures(np.array([10.0, 20.0, 30.0]), np.array([12.0, 22.0, 32.0]), naive=10.0)
    assert found["bias"] == 2
    assert found["rmse"] == 2
    assert found["nrmse"] == pytest.approx(0.1)
    assert found["mase"] == pytest.approx(0.2)
    assert [found[f"theil_{part}"] for part in ("bias", "variance", "covariance")] == pytest.approx([1, 0, 0])


def test_a_model_that_moves_too_much() -> None:
    # Published -1, 1 around 10; the model -3, 3: same mean, spread three times as wide, in step.
    found = measures(np.array([9.0, 11.0]), np.array([7.0, 13.0]), naive=2.0)
    assert [found[f"theil_{part}"] for part in ("bias", "variance", "covariance")] == pytest.approx([0, 1, 0])


def test_a_model_that_moves_the_other_way() -> None:
    found = measures(np.array([9.0, 11.0]), np.array([11.0, 9.0]), naive=2.0)
    assert [found[f"theil_{part}"] for part in ("bias", "variance", "covariance")] == pytest.approx([0, 0, 1])
    assert found["correlation"] == pytest.approx(-1)


@given(SERIES, st.integers(0, 1000))
def test_theils_shares_add_up(values: list[float], seed: int) -> None:
    published = np.array(values)
    model = published + np.random.default_rng(seed).normal(0, 5, published.size)
    found = measures(published, model, naive=1.0)
    shares = [found[f"theil_{part}"] for part in ("bias", "variance", "covariance")]
    assert sum(share for share in shares if share is not None) == pytest.approx(1)
    assert all(share is not None and share >= -1e-9 for share in shares)


def test_what_cannot_be_told_is_none() -> None:
    found = measures(np.zeros(2), np.zeros(2), naive=0.0)
    assert found["nrmse"] is found["mase"] is found["correlation"] is None


def test_the_naive_error_is_of_the_years_that_have_one_before() -> None:
    known = {2020: 10.0, 2021: 13.0, 2023: 20.0, 2024: 18.0}
    assert naive_error(known, [2021, 2023, 2024]) == pytest.approx((3 + 2) / 2)
    assert naive_error({2021: 1.0}, [2021]) == 0


def test_bands_over_runs() -> None:
    runs = np.tile(np.arange(1.0, 100.0)[:, None], (1, 2))
    found = band_measures(np.array([50.0, 97.0]), runs)
    assert found["coverage50"] == found["coverage80"] == found["coverage90"] == 0.5
    # 5 to 95 is 90 wide; the point at 97 lies 2 outside, which costs 2 / 0.1 times as much.
    assert found["interval_score90"] == pytest.approx(90 + 0.5 * 20 * 2)
    assert found["monte_carlo_error"] == pytest.approx(np.arange(99).std(ddof=1) / 99**0.5)


def test_one_run_has_no_monte_carlo_error() -> None:
    assert band_measures(np.ones(3), np.ones((1, 3)))["monte_carlo_error"] is None


def test_the_table() -> None:
    years = (2021, 2022, 2023)
    points = {"toys": {2020: 8.0, 2021: 10.0, 2023: 14.0}}
    runs = {"toys": np.array([[9.0, 0.0, 15.0], [11.0, 0.0, 17.0]])}
    system = {"toys": np.array([10.0, 99.0, 13.0])}
    table = metrics_frame([FIGURE], years, points, runs, system, compared=(2021, 2022, 2023))
    assert table["series"].to_list() == ["sd", "abm"]
    sd, abm = table.rows(named=True)
    assert sd["years"] == 2
    assert sd["bias"] == pytest.approx(-0.5)
    assert sd["mase"] == pytest.approx(0.5 / 2)
    assert sd["coverage90"] is None
    assert abm["bias"] == pytest.approx(1.0)
    assert abm["monte_carlo_error"] == pytest.approx(1.0)
    nothing = metrics_frame([FIGURE], years, {}, runs, system, compared=years)
    assert nothing.height == 0
    assert nothing.columns == table.columns


def test_years_that_a_run_cannot_know_are_left_out() -> None:
    runs = {"toys": np.array([[np.nan, 2.0], [np.nan, 4.0]])}
    table = metrics_frame([FIGURE], (2021, 2022), {"toys": {2021: 3.0, 2022: 3.0}}, runs, {}, compared=(2021, 2022))
    assert table["series"].to_list() == ["abm"]
    assert table["years"].to_list() == [1]
    assert table["bias"].to_list() == [0.0]
