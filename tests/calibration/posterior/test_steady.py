"""The steady scale: worked out by hand, against Poisson's law, and figures that are intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from calibration.posterior.likelihood import interval, seen_of
from calibration.posterior.moves import _within
from calibration.posterior.steady import Steady, steady_of
from calibration.readings import SOLVED
from calibration.targets import Target


def one(fano=1.0, floor=0.5, centre=4.0):
    return Steady(np.array([fano]), np.array([floor]), np.eye(1), np.array([centre]))


def test_a_figure_worked_out_by_hand():
    """v(0) = 0.5, v(4) = 4.5, v(12) = 12.5: E(12) = 4 + 2 x 4.5 (5/3 - 1) = 10; 11.75 is a quarter below 12."""
    scale = one()
    assert scale.variance == pytest.approx([4.5])
    assert scale.expected(np.array([4.0, 12.0, -3.0])[:, None])[:, 0] == pytest.approx([4.0, 10.0, -2.0])
    assert scale.shown(np.array([11.75])) == pytest.approx([10.0])
    assert scale.back(np.array([10.0])) == pytest.approx([11.75])
    # Below everything that a count can be: none.
    assert scale.back(np.array([-50.0]))[0] < 0


def test_a_figure_whose_variance_does_not_move_stays_as_it_is():
    plain = one(fano=0.0)
    figures = np.array([0.0, 3.0, 900.0])[:, None]
    assert plain.expected(figures) == pytest.approx(figures)
    assert plain.back(plain.shown(figures)) == pytest.approx(figures)


@given(st.floats(0.01, 2.0), st.floats(0.3, 900.0), st.floats(0.0, 5000.0), st.floats(0.0, 5000.0))
def test_there_and_back_and_around_another_centre(fano, floor, centre, figure):
    scale, figures = one(fano, floor, centre), np.array([figure])
    assert scale.back(scale.shown(figures)) == pytest.approx(figures, rel=1e-6, abs=1e-6)
    assert scale.unrooted(scale.expected(figures)) == pytest.approx(figures, rel=1e-6, abs=1e-6)
    other = scale.centred(figures)
    assert other.expected(figures) == pytest.approx(figures)
    # The same distance in units of the error, whatever the centre.
    ways = [(s.shown(figures + 1.0) - s.expected(figures)) / np.sqrt(s.variance) for s in (scale, other)]
    assert ways[0] == pytest.approx(ways[1], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("mu", [0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 20.0])
def test_rounded_it_is_nearly_poissons_law(mu):
    """Chances of counts within 0.04, the mean too; a Gaussian of fixed variance, clipped at 0, is off by more.

    Its variance is that of a count of 3, as where figures of 0 to 3 were expected to be 3 at the highest point.
    """
    scale, counts = one(1.0, 1e-9, 3.0), np.arange(80)
    top = scale.shown(counts[:, None] + 0.5)[:, 0]
    law = stats.norm.cdf((top - scale.expected(np.array([mu]))[0]) / np.sqrt(3.0))
    true = stats.poisson(mu).cdf(counts)
    assert np.abs(law - true).max() < 0.04
    assert (1.0 - law).sum() == pytest.approx(mu, abs=0.04)
    fixed = stats.norm.cdf((counts + 0.5 - mu) / np.sqrt(3.0))
    if mu < 2:
        assert np.abs(fixed - true).max() > 0.08
        assert (1.0 - fixed).sum() > mu + 0.1


def test_luck_is_put_on_the_scale_as_it_was_measured():
    luck = np.array([[90.0, 20.0, 0.0], [20.0, 60.0, 0.0], [0.0, 0.0, 0.0]])
    scale = steady_of(np.array([100.0, 200.0, 0.0]), luck, np.array([1.0, 4.0, 0.5]))
    assert scale.covariance == pytest.approx(luck + np.diag([1.0, 4.0, 0.5]), rel=0.02)
    # Runs without a single event say that few are expected, not that none can be.
    assert scale.fano[2] == 1.0
    four = scale.centred(np.array([400.0, 200.0, 0.0])).variance
    assert four == pytest.approx([4 * 90 + 1, 64, 0.5], rel=0.02)


def target(figure, value, low, high, note="", sigma=1.0):
    return Target(figure, 2021, value, sigma, low, high, "x", note)


def four_figures():
    found = [
        target("referrals", 100.0, 100.0, 100.0, sigma=0.5),
        target("referrals_no_further_action", 0.0, 0.0, 0.0, sigma=0.5),
        target("cla_ceased_adopted", 3.0, 3.0, 3.0, sigma=0.5),
        target("cla_ceased_transferred", 3.0, 1.0, 5.0, SOLVED),
    ]
    seen = seen_of(found, 1, "E1")
    centre = np.array([100.0, 0.6, 2.5, 2.0])
    return seen, Steady(np.ones(4), np.full(4, 0.5), np.eye(4), centre)


def test_zeros_few_children_and_hidden_cells_are_intervals_and_large_figures_are_not():
    seen, scale = four_figures()
    low, high, hidden = interval(seen, seen.value)
    assert (low.tolist(), high.tolist()) == ([99.5, -0.5, 2.5, 0.5], [100.5, 0.5, 3.5, 5.5])
    assert hidden.tolist() == [False, False, False, True]
    data = scale.data(seen, seen.value)
    assert data.open.tolist() == [1, 2, 3]
    assert data.low[1] == -np.inf
    assert data.high == pytest.approx(scale.shown(high))
    assert ((data.low < data.value) & (data.value < data.high)).all()
    # A count that lies outside a hidden cell's bounds would have been shown.
    low, high, hidden = interval(seen, np.array([100.0, 0.0, 3.0, 8.0]))
    assert (low[3], high[3], hidden[3]) == (7.5, 8.5, False)


@pytest.mark.parametrize(
    ("low", "high"), [(-np.inf, 0.5), (-np.inf, -30.0), (1.0, 1.2), (6.0, 7.0), (-1.0, 2.0), (40.0, 41.0)]
)
def test_draws_between_bounds_are_those_of_the_truncated_normal(low, high):
    """Kolmogorov's test: false alarm 1 in 10,000 each; another spread by a tenth, or a bound left out, fails."""
    luck = np.random.default_rng(3)
    found = _within(np.full(20_000, 0.3), 0.8, low, high, luck)
    assert np.isfinite(found).all()
    assert ((found >= low) & (found <= high)).all()
    if max(low, -high) < 10:
        true = stats.truncnorm((low - 0.3) / 0.8, (high - 0.3) / 0.8, loc=0.3, scale=0.8)
        assert stats.kstest(found, true.cdf).pvalue > 1e-4
