"""Least squares: known factors are found again, closed forms, priors, and figures that were not published."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.least_squares import CHANCE, DISCREPANCY, LEVEL, SMOOTH, Observed, solve, weights

BASE = np.array([8_000.0, 20_000.0, 5_000.0])
TRUE = np.array([[0.3, -0.2], [0.35, -0.1], [0.2, 0.0], [0.25, 0.15]])
"""Logarithms of two levers in four years."""


def toy(logs: np.ndarray) -> np.ndarray:
    """Three figures: a flow of each lever, and a stock that the first fills and the second empties, with a memory."""
    first, second = np.exp(logs).T
    stock, stocks = BASE[2], []
    for enter, leave in zip(first, second, strict=True):
        stock = stock + 1_000 * enter - 0.2 * leave * stock
        stocks.append(stock)
    return np.stack([BASE[0] * first, BASE[1] * second, stocks], axis=1)


def observed(logs: np.ndarray = TRUE, sigma: float = 0.0) -> Observed:
    value = toy(logs)
    return Observed(value, np.full(value.shape, sigma))


def test_known_factors_are_found_again():
    logs, figures, _ = solve(toy, np.zeros((4, 2)), observed())
    # The priors pull a little: an error of 1% against a prior of 25% a year.
    assert logs == pytest.approx(TRUE, abs=0.01)
    assert figures == pytest.approx(toy(TRUE), rel=0.01)
    assert (figures == toy(logs)).all()


def test_factors_far_away_are_reached_in_more_rounds():
    far = TRUE + np.array([1.6, -1.2])
    few, _, _ = solve(toy, np.zeros((4, 2)), observed(far), rounds=1)
    many, _, _ = solve(toy, np.zeros((4, 2)), observed(far), rounds=12)
    # No factor moves more than 0.7 a round.
    assert np.abs(few).max() <= 0.7
    assert many == pytest.approx(far, abs=0.06)


@given(st.floats(-0.4, 0.4), st.floats(100, 1e5), st.floats(0, 100))
def test_one_factor_of_a_straight_line_is_the_weighted_mean_of_data_and_prior(truth, slope, sigma):
    def line(logs):
        return 1e5 + slope * logs

    seen = Observed(np.array([[1e5 + slope * truth]]), np.array([[sigma]]))
    logs, _, _ = solve(line, np.zeros((1, 1)), seen, rounds=8)
    precision = (slope / weights(seen)[0, 0]) ** 2
    assert logs[0, 0] == pytest.approx(truth * precision / (precision + 1 / LEVEL**2), abs=2e-3)


def test_two_years_of_a_straight_line_worked_by_hand():
    """A lever seen in the second year alone: the first year's prior and the step between share what the data say."""

    def line(logs):
        return 1e5 + 1e5 * logs

    seen = Observed(np.array([[np.nan], [1.2e5]]), np.zeros((2, 1)))
    logs, _, _ = solve(line, np.zeros((2, 1)), seen, rounds=10)
    sd = weights(seen)[1, 0] / 1e5
    total = LEVEL**2 + SMOOTH**2
    second = 0.2 * total / (total + sd**2)
    assert logs[:, 0].tolist() == pytest.approx([second * LEVEL**2 / total, second], abs=1e-3)


def test_a_lever_that_no_figure_answers_to_stays_at_none():
    def deaf(logs):
        return toy(np.stack([logs[:, 0], TRUE[:, 1]], axis=1))

    logs, _, _ = solve(deaf, np.zeros((4, 2)), observed())
    assert logs[:, 0] == pytest.approx(TRUE[:, 0], abs=0.01)
    assert logs[:, 1] == pytest.approx(np.zeros(4), abs=1e-9)


def test_a_year_without_figures_lies_between_its_neighbours():
    seen = observed()
    value = seen.value.copy()
    value[1] = value[3] = np.nan
    value[:, 2] = np.nan  # the stock remembers
    logs, _, _ = solve(toy, np.zeros((4, 2)), Observed(value, seen.sigma), rounds=10)
    # To the third digit, where a further round would gain next to nothing and the fit ends.
    assert logs[1] == pytest.approx((logs[0] + logs[2]) / 2, abs=5e-3)
    assert logs[3] == pytest.approx(logs[2], abs=5e-3)
    assert logs[[0, 2]] == pytest.approx(TRUE[[0, 2]], abs=0.01)


def test_a_figure_that_is_not_published_is_not_looked_at():
    seen = observed()
    value = seen.value.copy()
    value[2, 0] = np.nan

    def wild(logs):
        figures = toy(logs)
        figures[2, 0] *= 1000
        return figures

    plain, _, _ = solve(toy, np.zeros((4, 2)), Observed(value, seen.sigma))
    same, _, _ = solve(wild, np.zeros((4, 2)), Observed(value, np.where(np.isnan(value), np.nan, seen.sigma)))
    assert (plain == same).all()


def test_weights_worked_by_hand():
    assert (CHANCE, DISCREPANCY) == (0.5, 0.01)
    seen = Observed(np.array([[100.0, 0.0, np.nan]]), np.array([[3.0, 0.5, 0.0]]))
    sd = weights(seen)
    # 3**2 + 100 / 2 + 1**2; a count of 0 has the chance of a count of 1.
    assert sd[0, :2].tolist() == pytest.approx([60**0.5, 0.75**0.5])
    assert np.isnan(sd[0, 2])
    assert seen.known.tolist() == [[True, True, False]]


def test_a_figure_with_a_larger_error_says_less():
    value = toy(TRUE)
    value[:, 0] *= 1.2
    near, far = (
        solve(toy, np.zeros((4, 2)), Observed(value, np.tile([error, 0.0, 0.0], (4, 1))))[0][:, 0]
        for error in (0.0, 2_000.0)
    )
    assert (np.abs(far - TRUE[:, 0]) < np.abs(near - TRUE[:, 0])).all()


def test_a_jacobian_once_made_is_used_again():
    calls = []

    def counted(logs):
        calls.append(1)
        return toy(logs)

    told = []
    logs, _, jacobian = solve(counted, np.zeros((4, 2)), observed(), progress=told.append)
    first = len(calls)
    assert told == [0.5, 1.0]
    assert jacobian.shape == (12, 8)
    calls.clear()
    again, _, _ = solve(counted, logs, observed(TRUE + 0.05), jacobian=jacobian)
    assert len(calls) <= first - 2
    assert again == pytest.approx(TRUE + 0.05, abs=0.01)


def test_the_fit_is_never_worse_than_its_start():
    def trapped(logs):
        """Every move of more than one factor makes all worse, whatever the slopes say."""
        return toy(logs) + (1e6 if np.count_nonzero(logs) > 1 else 0.0)

    start = np.zeros((4, 2))
    logs, figures, _ = solve(trapped, start, observed())
    assert (logs == start).all()
    assert (figures == toy(start)).all()


def test_the_start_is_left_as_it_was():
    start = np.zeros((4, 2))
    solve(toy, start, observed())
    assert not start.any()
