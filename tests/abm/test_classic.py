"""Classic system dynamics: stocks follow flows, hand-written loops, and rates derived from a trajectory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.classic import ClassicRates, derive, run_classic
from abm.cohorts import columns_of, columns_of_population
from abm.journey import JOURNEY
from abm.meanfield import MeanField, make_grid
from abm.pathway import N_GROUPS, UNACCOMPANIED_GROUP, Journey
from abm.population import population_of
from abm.trajectory import run_columns
from tests.abm.toys import THREE, TWO, busy_parameters, moves, parameters_of, rates_of, small_area, state

FORK = Journey(
    (state("at_home"), state("helped"), state("cared")),
    (
        moves("was_helped", "at_home", "helped"),
        moves("came_in", "at_home", "cared"),
        moves("went", "helped cared", "at_home"),
    ),
)  # fmt: skip
GATES = Journey(
    (
        state("elsewhere", "left"), state("at_home"), state("helped"),
        state("asked", "front_door", at_once=True), state("heard", "front_door", at_once=True),
    ),
    (
        moves("came_alone", "elsewhere", "asked"),
        moves("was_asked", "at_home", "asked"),
        moves("was_heard", "asked", "heard"),
        moves("was_sent_home", "asked heard", "at_home"),
        moves("help_began", "heard", "helped"),
    ),
)  # fmt: skip
"""Two states left at once, one after the other, and an entry by the diary into the first."""


def rates(journey: Journey, start: dict[str, float], years: int = 1, **per_year: float) -> ClassicRates:
    n_edges = journey.tables.n_edges
    rate, share, alone = np.zeros((3, n_edges))
    for key, value in per_year.items():
        edges = journey.edges_of(key)
        (share if journey.tables.outcome[edges].any() else rate)[edges] = value
    stock = np.array([start.get(s.key, 0.0) for s in journey.states])
    return ClassicRates(rate, share, np.zeros((years, n_edges)), stock, alone)


def ones(journey: Journey, years: int = 1) -> np.ndarray:
    return np.ones((years, len(journey.transitions)))


def constant(journey: Journey, **per_year: float):
    """Parameters with one hazard for everyone and at all times."""
    return parameters_of(journey, rates_of(journey, **per_year))


def balance(journey: Journey, start: np.ndarray, stocks: np.ndarray, flows: np.ndarray) -> np.ndarray:
    """What stocks should be: those of the week before, and what came in, and without what left."""
    tables = journey.tables
    change = np.zeros_like(stocks)
    for e in range(tables.n_edges):
        change[:, tables.target[e]] += flows[:, e]
        change[:, tables.source[e]] -= flows[:, e]
    return np.vstack([start, stocks[:-1]]) + change


# --- hand-written loops -----------------------------------------------------------------------------------------------


def test_two_stocks_are_as_a_hand_written_loop_has_them():
    stocks, flows = run_classic(
        TWO, rates(TWO, {"well": 900, "helped": 100}, was_helped=0.8, got_well=3.0), ones(TWO), 120
    )
    well, helped = 900.0, 100.0
    for week in range(120):
        came, went = well * (1 - np.exp(-0.8 / 52)), helped * (1 - np.exp(-3.0 / 52))
        well, helped = well - came + went, helped + came - went
        assert stocks[week].tolist() == pytest.approx([well, helped])
        assert flows[week].tolist() == pytest.approx([came, went])


def test_two_stocks_settle_where_their_flows_are_equal():
    stocks, _ = run_classic(TWO, rates(TWO, {"well": 1000}, was_helped=0.8, got_well=3.0), ones(TWO), 600)
    a, b = 1 - np.exp(-0.8 / 52), 1 - np.exp(-3.0 / 52)
    assert stocks[-1].tolist() == pytest.approx([1000 * b / (a + b), 1000 * a / (a + b)])


def test_two_ways_out_compete_as_in_the_simulation():
    start = {"at_home": 1000}
    _, flows = run_classic(FORK, rates(FORK, start, was_helped=20.0, came_in=50.0), ones(FORK), 1)
    p, q = 1 - np.exp(-20 / 52), 1 - np.exp(-50 / 52)
    # Of two that fire, the smaller draw in proportion to its chance is taken: each half the time.
    expected = [1000 * p * (1 - q / 2), 1000 * q * (1 - p / 2)]
    assert flows[0, [FORK.edges_of(k)[0] for k in ("was_helped", "came_in")]].tolist() == pytest.approx(expected)


def test_a_chain_of_outcomes_is_passed_in_the_week():
    start = {"at_home": 520}
    made = rates(GATES, start, was_asked=1.0, was_heard=0.75, help_began=0.4)
    made.share[GATES.edge("was_sent_home", "asked")] = 0.25
    made.share[GATES.edge("was_sent_home", "heard")] = 0.6
    # Those who come alone are all heard and all helped.
    made.alone[GATES.edges_of("was_heard", "help_began")] = 1.0
    made.inflow[0, GATES.edges_of("came_alone")] = 104.0
    stocks, flows = run_classic(GATES, made, ones(GATES), 1)
    asked = 520 * (1 - np.exp(-1 / 52))
    by = {GATES.transitions[GATES.tables.transition[e]].key: flows[0, e] for e in range(GATES.tables.n_edges)}
    assert by["came_alone"] == pytest.approx(2)
    assert by["was_asked"] == pytest.approx(asked)
    assert by["was_heard"] == pytest.approx(0.75 * asked + 2)
    assert by["help_began"] == pytest.approx(0.4 * (0.75 * asked + 2))
    assert stocks[0, GATES.state_index["asked"]] == stocks[0, GATES.state_index["heard"]] == 0
    assert stocks[0].sum() == pytest.approx(520)


# --- conservation -----------------------------------------------------------------------------------------------------


hazards = st.floats(0, 60)


@given(hazards, hazards, hazards, st.floats(0, 5000), st.floats(0.1, 3), st.integers(1, 120))
def test_stocks_change_by_what_comes_in_less_what_leaves(a, b, c, births, factor, weeks):
    made = rates(THREE, {"at_home": 800, "helped": 50}, 2, was_asked=a, help_ended=b, grew_up=c, help_began=0.7)
    made.share[THREE.edges_of("was_sent_home")] = 0.3
    made.inflow[:, THREE.edges_of("born")] = [[births], [births / 2]]
    multipliers = ones(THREE, 2)
    multipliers[1] = factor
    stocks, flows = run_classic(THREE, made, multipliers, weeks)
    at_once = THREE.tables.at_once
    # What enters a state that is left at once leaves it within the week.
    np.testing.assert_allclose(balance(THREE, made.start, stocks, flows)[:, at_once], 0, atol=1e-9)
    np.testing.assert_allclose(stocks, balance(THREE, made.start, stocks, flows), atol=1e-9)
    np.testing.assert_allclose(stocks.sum(axis=1), 850, rtol=1e-12)
    inside = [s for s, declared in enumerate(THREE.states) if declared.key != "elsewhere"]
    assert (stocks[:, inside] >= -1e-9).all()
    assert (flows >= 0).all()
    born = THREE.edges_of("born")[0]
    assert flows[:, born].sum() == pytest.approx(
        births / 52 * min(weeks, 52) + births / 104 * max(weeks - 52, 0)
    )  # fmt: skip


def test_without_inflow_an_area_empties():
    made = rates(THREE, {"at_home": 800, "helped": 50}, grew_up=12.0, help_ended=1.0)
    stocks, _ = run_classic(THREE, made, ones(THREE), 520)
    at_home, helped, grown = (stocks[:, THREE.state_index[s]] for s in ("at_home", "helped", "grown_up"))
    assert at_home[-1] < 1e-9
    assert helped[-1] < 1e-9
    assert grown[-1] == pytest.approx(850)
    assert (np.diff(grown) >= 0).all()


def test_the_last_year_of_factors_and_inflow_holds_beyond():
    made = rates(TWO, {"well": 1000}, was_helped=1.0)
    multipliers = np.array([[1.0, 1.0], [0.0, 1.0]])
    stocks, _ = run_classic(TWO, made, multipliers, 260)
    assert stocks[51, 1] == pytest.approx(1000 * (1 - np.exp(-1.0)))
    assert (stocks[52:] == stocks[51]).all()


def test_a_factor_on_an_outcome_moves_shares_and_keeps_their_sum():
    made = rates(THREE, {"at_home": 1000}, was_asked=1.0, help_began=0.2)
    made.share[THREE.edges_of("was_sent_home")] = 0.8
    multipliers = ones(THREE)
    multipliers[0, THREE.transition_index["help_began"]] = 3.0
    _, flows = run_classic(THREE, made, multipliers, 1)
    asked, helped, home = (flows[0, THREE.edges_of(k)[0]] for k in ("was_asked", "help_began", "was_sent_home"))
    assert helped == pytest.approx(asked * 0.6 / 1.4)
    assert helped + home == pytest.approx(asked)


# --- rates derived from a trajectory ----------------------------------------------------------------------------------


def trajectory(journey: Journey, parameters, people, weeks: int):
    field = MeanField(journey, make_grid(journey))
    columns = columns_of_population(people, field, weeks)
    start = np.asarray(field.summing @ columns.mass.sum(axis=1)).ravel()
    return run_columns(field, parameters.thresholds(journey), columns, weeks), start


def test_constant_hazards_are_found_again_and_run_to_the_same_stocks():
    """Where the hazards are the same for all and at all times, classic system dynamics is no approximation."""
    parameters = constant(THREE, was_asked=2.0, help_began=3.0, was_sent_home=1.0, help_ended=5.0)
    people = population_of(birth_week=np.full(1000, -20), state=THREE.state_index["at_home"])
    path, start = trajectory(THREE, parameters, people, 104)
    found = derive(THREE, path, start, 2, np.zeros(THREE.tables.n_edges))
    hazard = {key: found.rate[THREE.edges_of(key)[0]] for key in ("was_asked", "help_ended", "moved_away")}
    assert hazard == pytest.approx({"was_asked": 2.0, "help_ended": 5.0, "moved_away": 0.0}, rel=1e-6)
    assert found.share[THREE.edges_of("help_began", "was_sent_home")].tolist() == pytest.approx([0.75, 0.25])
    stocks, flows = run_classic(THREE, found, ones(THREE), 104)
    np.testing.assert_allclose(stocks, path.stocks, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(flows, path.flows, rtol=1e-6, atol=1e-6)


def test_children_who_come_alone_do_not_lend_their_outcomes_to_others():
    parameters = constant(GATES, was_asked=2.0, was_heard=3.0, was_sent_home=1.0, help_began=1.0)
    # Those who come alone are nearly all heard and helped, and nobody asks about them again.
    parameters.rates[GATES.edges_of("was_asked"), UNACCOMPANIED_GROUP:] = 0.0
    parameters.rates[GATES.edges_of("was_heard", "help_began"), UNACCOMPANIED_GROUP:] = 99.0
    came = GATES.edges_of("came_alone")[0]
    people = population_of(
        birth_week=np.full(60, -20), state=np.repeat([1, 0], 30), enter_edge=np.repeat([-1, came], 30),
        enter_week=np.r_[np.zeros(30), np.arange(30)], uasc=np.repeat([False, True], 30),
    )  # fmt: skip
    path, start = trajectory(GATES, parameters, people, 52)
    alone = np.zeros(GATES.tables.n_edges)
    alone[GATES.edges_of("was_heard")] = 0.99
    alone[GATES.edge("was_sent_home", "asked")] = 0.01
    found = derive(GATES, path, start, 1, alone)
    assert found.share[GATES.edges_of("was_heard")].tolist() == pytest.approx([0.75])
    assert found.share[GATES.edge("was_sent_home", "asked")] == pytest.approx(0.25)


def test_competing_hazards_are_found_again_to_the_second_order():
    """The share of two that fire at once is split by their flows, which is right but for (hazard x week) squared."""
    parameters = constant(FORK, was_helped=1.0, came_in=4.0, went=2.0)
    path, start = trajectory(FORK, parameters, population_of(birth_week=np.full(500, -20), state=0), 52)
    found = derive(FORK, path, start, 1, np.zeros(FORK.tables.n_edges))
    wanted = {"was_helped": 1.0, "came_in": 4.0}
    assert {k: found.rate[FORK.edges_of(k)[0]] for k in wanted} == pytest.approx(wanted, rel=2e-3)
    stocks, _ = run_classic(FORK, found, ones(FORK), 52)
    np.testing.assert_allclose(stocks, path.stocks, rtol=2e-3)


@pytest.fixture(scope="module")
def busy():
    """Three years of a made-up area of the declared journey: rates differ by group, band and year."""
    scenario, parameters = small_area(20_000, 156), busy_parameters(3)
    field = MeanField(JOURNEY, make_grid(JOURNEY))
    columns = columns_of(scenario, field, 52)
    thresholds = parameters.thresholds(JOURNEY)
    path = run_columns(field, thresholds, columns, 156)
    start = np.asarray(field.summing @ columns.mass.sum(axis=1)).ravel()
    alone = np.zeros(JOURNEY.tables.n_edges)
    for chain, chance in field.entry_chains(JOURNEY.edges_of("came_alone")[0], thresholds[0], UNACCOMPANIED_GROUP):
        alone[list(chain)] += chance
    return path, start, derive(JOURNEY, path, start, 3, alone)


def test_the_rates_give_back_the_mean_flows_of_the_trajectory(busy):
    """Each rate is the mean of a flow over the mean of its stock: on those stocks the flows come back exactly."""
    path, start, found = busy
    tables = JOURNEY.tables
    before = np.vstack([start, path.stocks[:-1]])
    for s in np.flatnonzero(~tables.at_once):
        edges = [e for e in range(tables.first[s], tables.first[s + 1]) if found.rate[e] > 0]
        total = found.rate[edges].sum()
        leave = 1 - np.exp(-total / 52)
        expected = path.flows[:, edges].sum(axis=0)
        assert (leave * found.rate[edges] / max(total, 1e-300) * before[:, s].sum()).tolist() == pytest.approx(
            expected.tolist(), rel=1e-6
        )


def test_run_by_itself_it_comes_near_the_trajectory(busy):
    """One stock for each state cannot wait or age, so it strays; over three years its flows and stocks stay near."""
    path, _, found = busy
    stocks, flows = run_classic(JOURNEY, found, ones(JOURNEY), 156)
    many = path.flows.sum(axis=0) > 200
    assert many.sum() > 80
    ratio = flows.sum(axis=0)[many] / path.flows.sum(axis=0)[many]
    assert np.abs(np.log(ratio)).max() < np.log(1.25)
    assert np.abs(np.log(ratio)).mean() < 0.05
    inside = [s for s in np.flatnonzero(~JOURNEY.tables.at_once) if JOURNEY.states[s].stage in ("home", "plan", "care")]
    assert stocks[-1, inside].sum() == pytest.approx(path.stocks[-1, inside].sum(), rel=0.05)


def test_the_diary_comes_in_as_planned(busy):
    path, _, found = busy
    entries = JOURNEY.edges_of("born", "moved_in", "came_alone")
    _, flows = run_classic(JOURNEY, found, ones(JOURNEY), 156)
    for year in range(3):
        weeks = slice(52 * year, 52 * year + 52)
        np.testing.assert_allclose(flows[weeks, entries].sum(axis=0), path.flows[weeks, entries].sum(axis=0), rtol=1e-9)
    assert not found.rate[entries].any()


def test_a_trajectory_of_less_than_a_year_has_no_inflow():
    parameters = constant(TWO, was_helped=1.0)
    path, start = trajectory(TWO, parameters, population_of(birth_week=np.full(10, -20), state=0), 20)
    assert derive(TWO, path, start, 0, np.zeros(2)).inflow.shape == (0, 2)


def test_what_is_certain_leaves_no_rate_that_is_not_a_number():
    certain = replace(constant(TWO, was_helped=np.inf), multipliers=np.ones((1, 2)))
    path, start = trajectory(TWO, certain, population_of(birth_week=np.full(10, -20), state=0), 52)
    found = derive(TWO, path, start, 1, np.zeros(2))
    assert np.isfinite(found.rate).all()
    stocks, _ = run_classic(TWO, found, ones(TWO), 2)
    assert stocks[0].tolist() == pytest.approx([0, 10], abs=1e-9)
    assert certain.rates.shape[1] == N_GROUPS
