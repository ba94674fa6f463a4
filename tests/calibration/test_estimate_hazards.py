"""From counts to hazards: closed forms, the rule of competing edges turned round, errors and intervals that hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abm.meanfield import competing
from calibration.estimate_hazards import fired, rates
from tests.abm.toys import THREE, TWO

CHANCE = st.floats(0.0, 0.95)


def of_two(weeks: float, events: float, journey=TWO):
    """Rates of the toy of two states, where `events` of `weeks` child-weeks in the first state ended."""
    tables = journey.tables
    exposure, counted = np.zeros((tables.n_states, 1, 1)), np.zeros((tables.n_edges, 1, 1))
    exposure[0], counted[0] = weeks, events
    return rates(journey, exposure, counted)


def test_one_edge_has_the_closed_form():
    found = of_two(5200, 130)
    assert found.value[0, 0, 0] == pytest.approx(-52 * np.log(1 - 130 / 5200), rel=1e-13)
    # The derivative of -52 log(1 - p) is 52 / (1 - p), the variance of p is p (1 - p) / n.
    assert found.se[0, 0, 0] == pytest.approx(52 / 0.975 * np.sqrt(0.025 * 0.975 / 5200), rel=1e-12)
    low, high = stats.beta(130.5, 5070.5).ppf([0.025, 0.975])
    assert found.low[0, 0, 0] == pytest.approx(-52 * np.log(1 - low), rel=1e-9)
    assert found.high[0, 0, 0] == pytest.approx(-52 * np.log(1 - high), rel=1e-9)
    assert found.at_risk[0, 0, 0] == pytest.approx(100)
    assert found.effective[0, 0, 0] * found.value[0, 0, 0] == pytest.approx(130)
    assert np.isnan(found.value[1]).all()


def test_no_event_says_how_large_the_rate_can_be_and_no_more():
    found = of_two(5200, 0)
    assert (found.value[0, 0, 0], found.low[0, 0, 0]) == (0, 0)
    assert np.isnan(found.se[0, 0, 0])
    assert 0.02 < found.high[0, 0, 0] < 0.03  # about 2.5 events in 100 years


def test_a_week_in_which_everybody_left_has_a_finite_rate_and_no_upper_end():
    found = of_two(40, 40)
    assert found.value[0, 0, 0] == pytest.approx(-52 * np.log(0.5 / 40.5))
    assert found.high[0, 0, 0] == np.inf
    assert 0 < found.low[0, 0, 0] < found.value[0, 0, 0]


def test_two_edges_have_the_closed_form():
    """P1 = p1 (1 - p2 / 2) and P2 = p2 (1 - p1 / 2): their difference is that of p, so p1 solves a quadratic."""
    taken = np.array([[0.20], [0.12]])
    gap = 0.08
    p1 = 1 + gap / 2 - np.sqrt((1 + gap / 2) ** 2 - 2 * 0.20)
    p, _ = fired(taken)
    assert p[0, 0] == pytest.approx(p1, rel=1e-12)
    assert p[1, 0] == pytest.approx(p1 - gap, rel=1e-12)


@given(st.lists(CHANCE, min_size=1, max_size=14))
def test_the_rule_of_competing_edges_is_turned_round(chances):
    p = np.array(chances)[:, None]
    found, slope = fired(competing(p))
    np.testing.assert_allclose(found, p, atol=1e-8)
    for j in range(len(chances)):
        up, down = p.copy(), p.copy()
        up[j] += 1e-6
        down[j] -= 1e-6
        np.testing.assert_allclose(slope[0, :, j], (competing(up) - competing(down))[:, 0] / 2e-6, atol=1e-6)


def test_shares_of_outcomes_have_binomial_errors():
    tables = THREE.tables
    asked = THREE.state_index["asked"]
    begun, sent = THREE.edge("help_began", "asked"), THREE.edge("was_sent_home", "asked")
    exposure, events = np.zeros((tables.n_states, 1, 2)), np.zeros((tables.n_edges, 1, 2))
    exposure[asked, 0, 0], events[begun, 0, 0], events[sent, 0, 0] = 400, 300, 100
    found = rates(THREE, exposure, events)
    assert (found.value[begun, 0, 0], found.value[sent, 0, 0]) == (0.75, 0.25)
    assert found.se[begun, 0, 0] == pytest.approx(np.sqrt(0.75 * 0.25 / 400))
    assert found.low[sent, 0, 0] < 0.25 < found.high[sent, 0, 0]


def test_an_edge_that_nobody_would_notice_is_left_out_of_its_state():
    tables = THREE.tables
    home, unseen = THREE.state_index["at_home"], np.zeros(tables.n_edges, bool)
    exposure, events = np.zeros((tables.n_states, 1, 2)), np.zeros((tables.n_edges, 1, 2))
    exposure[home], events[THREE.edge("was_asked", "at_home"), 0] = 500, 25
    unseen[THREE.edge("was_asked", "at_home")] = True
    assert np.isnan(rates(THREE, exposure, events, unseen=unseen).value).all()


def test_intervals_hold_the_rate_where_much_happens_in_a_week():
    """Four competing edges that fire with chances up to 0.35 a week; 4,000 cells of 60 child-weeks, seed fixed.

    The standard error of the pooled coverage is 0.2 points. Few events make it uneven: 3 are expected by the last edge.
    """
    p = np.array([0.35, 0.2, 0.1, 0.05])
    taken = competing(p[:, None])[:, 0]
    rng = np.random.default_rng(20261128)
    d = rng.multinomial(60, [*taken, 1 - taken.sum()], size=4000)[:, :4].T.astype(float)
    tables = _four().tables
    exposure, events = np.zeros((tables.n_states, 4000, 1)), np.zeros((tables.n_edges, 4000, 1))
    exposure[0], events[:4, :, 0] = 60, d
    found = rates(_four(), exposure, events)
    true = -52 * np.log1p(-p)[:, None]
    inside = (found.low[:4, :, 0] <= true) & (true <= found.high[:4, :, 0])
    assert 0.945 < inside.mean() < 0.96
    assert (inside.mean(axis=1) > 0.935).all()
    z = (found.value[0, :, 0] - true[0]) / found.se[0, :, 0]
    assert 0.95 < z.std() < 1.1


def _four():
    from abm.pathway import Journey
    from tests.abm.toys import moves, state

    return Journey(
        states=(state("well"), state("a"), state("b"), state("c"), state("d")),
        transitions=tuple(moves(f"to_{name}", "well", name) for name in "abcd"),
    )
