"""The mean field: closed forms, conservation, and the exact form as the oracle of the simulation."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abm.cohorts import columns_of, columns_of_population
from abm.journey import JOURNEY
from abm.meanfield import N_STRATA, MeanField, competing, make_grid
from abm.parameters import CERTAIN, Parameters
from abm.pathway import N_GROUPS, WEEKS_PER_YEAR
from abm.population import population_of
from abm.prepared import Prepared, prepare
from abm.simulate import simulate
from abm.trajectory import run_columns
from tests.abm.toys import THREE, busy_parameters, empty_scenario, parameters_of, rates_of, small_area

FALSE_ALARM = 1e-6
"""A correct engine fails the comparison with the exact form less than once in a million runs of the suite."""
WEEKS = (2, 6, 30, 155)
SOON = 31
"""Weeks in which a mutant is to be found out: three of WEEKS, under the same false alarm."""


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_the_chance_to_be_taken_is_that_of_every_way_the_others_can_fire(chances):
    p = np.array(chances)
    expected = np.zeros_like(p)
    for fired in product((0, 1), repeat=p.size):
        chance = np.prod(np.where(fired, p, 1 - p))
        for i in np.flatnonzero(fired):
            # With draws in proportion to their chances, uniform and independent, each that fired is first alike often.
            expected[i] += chance / sum(fired)
    assert competing(p) == pytest.approx(expected, abs=1e-12)


def test_competing_chances_and_staying_add_up_to_one_for_fifteen_transitions():
    p = np.linspace(0.0, 0.9, 15)
    assert competing(p).sum() + np.prod(1 - p) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("widest", [None, 4, 1])
def test_no_child_is_lost_or_made_on_any_grid(widest):
    field = MeanField(JOURNEY, make_grid(JOURNEY, widest)) if widest != 1 else MeanField(THREE, make_grid(THREE, 1))
    journey = field.journey
    parameters = (
        busy_parameters(1) if widest != 1 else parameters_of(THREE, rates_of(THREE, was_asked=3.0, help_began=1.0))
    )
    step, count = field.matrices(parameters.thresholds(journey)[0], age=2)
    kept = np.asarray(step.sum(axis=0)).ravel()
    ends = [
        e
        for e in range(journey.tables.n_edges)
        if not np.isin(journey.tables.target[e], field.grid.state)
        and not journey.tables.at_once[journey.tables.target[e]]
    ]
    gone = np.asarray(count[ends].sum(axis=0)).ravel()
    assert kept + gone == pytest.approx(np.ones(field.grid.n_cells), abs=1e-12)


def test_a_single_hazard_empties_a_state_as_the_exponential_says():
    population = population_of(birth_week=np.full(1000, -100), state=THREE.state_index["helped"], leave_week=999)
    field = MeanField(THREE, make_grid(THREE, 1))
    thresholds = parameters_of(THREE, rates_of(THREE, help_ended=2.0)).thresholds(THREE)
    path = run_columns(field, thresholds, columns_of_population(population, field, 52), 52)
    left = path.stocks[:, THREE.state_index["helped"]]
    assert left == pytest.approx(1000 * np.exp(-2.0 * np.arange(1, 53) / 52), rel=1e-6)


def test_a_birthday_comes_in_its_week_and_stocks_follow_flows():
    population = population_of(
        birth_week=np.array([-930, -930, -900]), state=THREE.state_index["at_home"], leave_week=999
    )
    field = MeanField(THREE, make_grid(THREE, 1))
    path = run_columns(
        field, parameters_of(THREE, rates_of(THREE)).thresholds(THREE), columns_of_population(population, field, 52), 52
    )
    grown = path.stocks[:, THREE.state_index["grown_up"]]
    assert grown[5] == 0
    assert grown[6] == 2
    assert grown[36] == 3
    assert path.stocks.sum(axis=1) == pytest.approx(np.full(52, 3.0))


@pytest.fixture(scope="module")
def finest():
    """The declared journey with every week in a state and of age carried."""
    return MeanField(JOURNEY, make_grid(JOURNEY, 1))


@pytest.fixture(scope="module")
def exact(finest):
    """The declared journey under rates ten times life's, children of a few birth weeks, and its exact mean field."""
    base = busy_parameters(3)
    parameters = Parameters(
        np.where(JOURNEY.tables.outcome[:, None, None], base.rates, 10 * base.rates), base.multipliers
    )
    n, rng = 40_000, np.random.default_rng(4)
    births = rng.choice([-30, -240, -700, -860, 20], n)
    state = rng.choice([JOURNEY.state_index[s] for s in ("at_home", "in_need", "foster", "reunified")], n)
    later, alone = births == 20, rng.random(n) < 0.05
    edge = np.where(later, JOURNEY.edges_of("born")[0], -1)
    edge[alone] = JOURNEY.edges_of("came_alone")[0]
    births[alone] = -820
    enter = np.where(alone, 3, np.where(later, 20, 0))
    population = population_of(
        birth_week=births, state=np.where(edge < 0, state, 0), uasc=alone, risk=rng.integers(0, 2, n) * ~later,
        history=np.where(edge < 0, rng.integers(0, 3, n), 0), enter_week=enter, enter_edge=edge, leave_week=156,
        since_week=np.where(edge < 0, -1 - rng.choice([0, 9, 40], n), enter),
    )  # fmt: skip
    columns = columns_of_population(population, finest, 156)
    return parameters, population, run_columns(finest, parameters.thresholds(JOURNEY), columns, 156)


def p_values(run, path):
    """Chi-square of children by state against the exact mean in WEEKS of the run; small cells together.

    The children start in fixed numbers of different cells, so counts vary a little less than multinomial ones and the
    chance of a false alarm is below the one stated.
    """
    out = []
    for week in (week for week in WEEKS if week < run.scenario.n_weeks):
        seen, expected = run.stocks[week].astype(float), path.stocks[week]
        inside = np.flatnonzero(np.array([s.key != "elsewhere" for s in JOURNEY.states]))
        seen, expected = seen[inside], expected[inside]
        large = expected >= 10
        seen, expected = (np.r_[x[large], x[~large].sum()] for x in (seen, expected))
        used = expected > 0
        out.append(float(stats.chi2.sf(((seen - expected)[used] ** 2 / expected[used]).sum(), used.sum() - 1)))
    return out


def run_of(parameters, population, prepared, n_weeks=156):
    return simulate(empty_scenario(n_weeks), parameters, 20260401, JOURNEY, prepared=prepared, population=population)


@pytest.fixture(scope="module")
def seen(exact):
    """One run of the same children."""
    parameters, population, _ = exact
    return run_of(parameters, population, prepare(parameters, JOURNEY))


def test_the_simulation_has_the_exact_mean(exact, seen):
    assert min(p_values(seen, exact[2])) > FALSE_ALARM / len(WEEKS)


def test_flows_have_the_exact_mean_too(exact, seen):
    happened, expected = seen.flows.sum(axis=0), exact[2].flows.sum(axis=0)
    many = expected > 300
    z = (happened - expected)[many] / np.sqrt(expected[many])
    # Repeated events of one child are not independent, so the bound is wide: 8 standard deviations of a Poisson count.
    assert np.abs(z).max() < 8
    assert many.sum() > 60


def test_an_engine_with_the_linear_chance_would_be_caught(exact):
    parameters, population, path = exact
    right = prepare(parameters, JOURNEY)
    weekly = JOURNEY.tables.weekly
    factor = parameters.checked(JOURNEY).multipliers[:, JOURNEY.tables.transition][:, :, None, None]
    linear = np.minimum(parameters.rates[None] * factor / WEEKS_PER_YEAR, 1.0)
    thresholds = right.thresholds.copy()
    thresholds[:, weekly] = np.floor(linear[:, weekly] * CERTAIN).astype(np.uint64)
    run = run_of(parameters, population, Prepared(JOURNEY, right.edges, thresholds), SOON)
    assert min(p_values(run, path)) < FALSE_ALARM / len(WEEKS)


def test_an_engine_that_forgets_history_would_be_caught(exact):
    parameters, population, path = exact
    forgetful = replace(population, history=np.zeros_like(population.history))
    run = run_of(parameters, forgetful, prepare(parameters, JOURNEY), SOON)
    assert min(p_values(run, path)) < FALSE_ALARM / len(WEEKS)


def test_the_banded_form_is_near_the_exact_one_and_nearer_on_a_finer_grid(finest):
    scenario, parameters = small_area(5_000, 40), busy_parameters(1)
    thresholds = parameters.thresholds(JOURNEY)
    stocks = {}
    for widest in (None, 4, 1):
        field = finest if widest == 1 else MeanField(JOURNEY, make_grid(JOURNEY, widest))
        path = run_columns(field, thresholds, columns_of(scenario, field, 52), 40)
        stocks[widest] = path.stocks[-1]
    inside = [JOURNEY.state_index[s] for s in ("at_home", "in_need", "protected", "foster", "childrens_home")]
    far, near = (np.abs(stocks[w][inside] / stocks[1][inside] - 1).max() for w in (None, 4))
    assert near < far < 0.1


def test_columns_hold_the_children_of_the_plan():
    scenario = small_area(900, 104)
    field = MeanField(JOURNEY, make_grid(JOURNEY))
    columns = columns_of(scenario, field)
    plan = scenario.plan
    assert columns.mass.sum() == pytest.approx(plan.ages.sum() + plan.unaccompanied.sum())
    assert columns.born.sum() == pytest.approx(plan.births[:2].sum())
    assert columns.came_alone.sum() == pytest.approx(plan.arrivals[:2].sum())
    assert (columns.moved_in - columns.moved_away).sum() == pytest.approx(plan.moves[:2].sum())
    first = columns.mass[:, columns.birth_week < -17 * WEEKS_PER_YEAR].sum()
    assert first == pytest.approx(plan.ages[17] + plan.unaccompanied[17])
    assert N_STRATA * field.grid.n_pieces == field.grid.n_cells
    assert parameters_of(THREE, rates_of(THREE)).rates.shape[1] == N_GROUPS
