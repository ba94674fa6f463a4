"""Classic system dynamics of an area: what it meets, that stocks follow flows, and how it starts and goes on."""

from __future__ import annotations

import numpy as np
import pytest

from abm.journey import JOURNEY
from abm.outputs import OUTPUTS, evaluate
from abm.pathway import N_AGES, unaccompanied_group
from calibration.levers import LEVERS
from calibration.system import _alone_shares
from tests.calibration.areas import (
    BLACKPOOL,
    FIVE,
    REQUIRED,
    fitted,
    fitted_system,
    five_year_means,
    mean_field,
)

QUICK = 3
"""As in test_fit.py, so that the fit is made once."""
EACH = [
    pytest.param(BLACKPOOL, QUICK, id="Blackpool, quick correction"),
    *[pytest.param(code, None, marks=pytest.mark.slow, id=code) for code in FIVE],
]
TABLES = JOURNEY.tables


@pytest.mark.parametrize(("code", "correction_runs"), EACH)
def test_it_meets_the_five_year_means_within_ten_percent(code, correction_runs):
    found = five_year_means(fitted(code, correction_runs), fitted_system(code, correction_runs).figures)
    assert set(found) == set(REQUIRED)
    assert found == pytest.approx(dict.fromkeys(REQUIRED, 1.0), abs=0.10)


@pytest.fixture(scope="module")
def system():
    return fitted_system(BLACKPOOL, QUICK)


def test_stocks_change_by_what_comes_in_less_what_leaves(system):
    change = np.zeros_like(system.stocks)
    for edge in range(TABLES.n_edges):
        change[:, TABLES.target[edge]] += system.flows[:, edge]
        change[:, TABLES.source[edge]] -= system.flows[:, edge]
    before = np.vstack([system.rates.start, system.stocks[:-1]])
    np.testing.assert_allclose(system.stocks, before + change, atol=1e-6)
    np.testing.assert_allclose(system.stocks.sum(axis=1), system.rates.start.sum(), rtol=1e-9)


def test_no_stock_and_no_flow_is_ever_below_nothing(system):
    # Those who are not yet born or have not come count below nothing elsewhere: they come from there.
    inside = [s for s, state in enumerate(JOURNEY.states) if state.key != "elsewhere"]
    assert (system.stocks[:, inside] >= -1e-9).all()
    assert (system.flows >= 0).all()
    assert (system.stocks[:, TABLES.at_once] == 0).all()


def test_it_starts_with_the_children_of_day_one(system):
    fit = fitted(BLACKPOOL, QUICK)
    published = {t.figure: t.value for t in fit.targets if t.year == 2020}
    for figure, states in (
        ("cla_at_31_march", [s for s, state in enumerate(JOURNEY.states) if state.stage == "care"]),
        ("cpp_at_31_march", [JOURNEY.state_index[s] for s in ("protected", "in_pre_proceedings")]),
    ):
        assert system.rates.start[states].sum() == pytest.approx(published[figure], rel=0.005)
    plan = fit.scenario.plan
    assert system.rates.start.sum() == pytest.approx(plan.ages.sum() + plan.unaccompanied.sum())


def test_births_and_arrivals_are_the_plans(system):
    plan = fitted(BLACKPOOL, QUICK).scenario.plan
    yearly = system.flows.reshape(10, 52, -1).sum(axis=1)
    for name, planned in (("born", plan.births), ("came_alone", plan.arrivals)):
        assert yearly[:, JOURNEY.edges_of(name)[0]].tolist() == pytest.approx(planned.tolist(), rel=1e-6)


def test_figures_are_read_from_its_stocks_and_flows(system):
    assert set(system.figures) == {output.key for output in OUTPUTS}
    for output in OUTPUTS:
        assert (system.figures[output.key] == evaluate(output, JOURNEY, system.stocks, system.flows)).all()
        assert system.figures[output.key].shape == (10,)


def test_its_factors_are_its_own(system):
    fit = fitted(BLACKPOOL, QUICK)
    assert system.logs.shape == fit.logs.shape == (5, len(LEVERS))
    assert np.abs(system.logs - fit.logs).max() > 0.01
    # They correct the same data, so they are near: what one stock for each state cannot do, they make up for.
    assert np.abs(system.logs - fit.logs).mean() < 0.3


def test_ahead_it_goes_on_without_a_break(system):
    """Factors ahead are the mean of the last two years', so a stock turns a little after 2025, but does not leap."""
    for s in np.flatnonzero(system.rates.start > 50):
        steps = np.diff(system.stocks[:, s]) / system.stocks[:-1, s]
        assert np.abs(steps[260:]).max() <= max(np.abs(steps[:260]).max(), 0.01), JOURNEY.states[s].key


def test_children_who_came_alone_have_the_homes_of_their_age():
    """Outcomes for all arrivals are those of under 16 and of 16 and 17, by their shares of arrivals."""
    fit = fitted(BLACKPOOL, QUICK)
    thresholds = fit.parameters.thresholds(JOURNEY)
    edge = JOURNEY.edge("came_alone", "elsewhere")

    def by_home(arrival_ages: np.ndarray) -> np.ndarray:
        return _alone_shares(mean_field(), thresholds, arrival_ages)

    for band, age in ((0, 15), (N_AGES - 1, 17)):
        one_age = by_home(np.eye(18)[age])
        chains = mean_field().entry_chains(edge, thresholds[0], unaccompanied_group(band))
        assert one_age[[path[0] for path, _ in chains]].tolist() == pytest.approx([chance for _, chance in chains])
        assert one_age.sum() == pytest.approx(1.0)
    mixed = by_home(0.25 * np.eye(18)[14] + 0.75 * np.eye(18)[16])
    assert mixed == pytest.approx(0.25 * by_home(np.eye(18)[15]) + 0.75 * by_home(np.eye(18)[17]))
