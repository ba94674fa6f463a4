"""Day one: published stocks are met, nobody is lost, and those who came alone are counted once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from abm.cohorts import life_course
from abm.journey import JOURNEY
from abm.meanfield import N_STRATA, UNACCOMPANIED_STRATUM
from abm.outputs import CARE, ON_A_PLAN
from abm.parameters import Parameters
from abm.pathway import WEEKS_TO_18
from abm.population import make_population
from abm.simulate import simulate_many
from calibration.aims import AGE_KEYS
from calibration.census import Ages
from calibration.day_one import HOME_FIGURES, HOMES, children_of, day_one, population_plan, unaccompanied_plan
from calibration.fit import plan_durations
from calibration.rates import read_rates
from calibration.stationary import BAND_OF_AGE
from calibration.statistics import Area
from calibration.targets import published_shape
from tests.calibration.areas import BLACKPOOL, FIVE, Begun, mean_field, on_day_one, shipped

# Setting an area's levels takes seconds: one area in every run, the others with the slow tests.
EACH = [pytest.param(code, marks=[] if code == BLACKPOOL else pytest.mark.slow) for code in FIVE]
MET = 0.005


def children(begun: Begun) -> np.ndarray:
    """Children expected on day one by age and cell, float64[18, C]; those who came alone too."""
    plan, start = begun.scenario.plan, begun.scenario.day_one
    with_families = (start.chance * (plan.ages[:, None] * plan.risk_shares)[:, :, None]).sum(axis=1)
    return with_families + start.unaccompanied * plan.unaccompanied[:, None]


def within(begun: Begun, states: tuple[str, ...], band: int | None = None) -> float:
    here = np.isin(begun.scenario.day_one.state, [JOURNEY.state_index[s] for s in states])
    return float(children(begun)[BAND_OF_AGE == band if band is not None else slice(None)][:, here].sum())


# --- the five areas ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", EACH)
def test_published_stocks_are_met(code):
    begun = on_day_one(code)
    first = begun.first
    met = {"cla_at_31_march": within(begun, CARE), "cpp_at_31_march": within(begun, ON_A_PLAN)}
    met |= {figure: within(begun, homes) for figure, homes in zip(HOME_FIGURES, HOMES, strict=True)}
    met |= {f"cla_age_{age}_at_31_march": within(begun, CARE, band) for band, age in enumerate(AGE_KEYS)}
    assert len(met) == 13
    assert set(met) <= set(first)
    assert met == pytest.approx({figure: first[figure] for figure in met}, rel=MET)


@pytest.mark.parametrize("code", EACH)
def test_plans_have_lasted_as_long_as_is_published(code):
    begun = on_day_one(code)
    published = plan_durations(shipped(), shipped().area(code))
    state, start = JOURNEY.state_index["protected"], begun.scenario.day_one
    bands = JOURNEY.states[state].bands
    here = start.state == state
    spent = np.searchsorted(bands, start.clock_from[here], side="right") - 1
    found = np.bincount(spent, children(begun).sum(axis=0)[here], len(bands))
    assert published is not None
    assert (found / found.sum()).tolist() == pytest.approx(published.tolist(), abs=MET)


@pytest.mark.parametrize("code", EACH)
def test_nobody_is_lost(code):
    begun = on_day_one(code)
    plan, start = begun.scenario.plan, begun.scenario.day_one
    assert (start.chance >= 0).all()
    assert (start.unaccompanied >= 0).all()
    np.testing.assert_allclose(start.chance.sum(axis=2), 1.0, atol=1e-9)
    alone = start.unaccompanied.sum(axis=1)
    assert alone[plan.unaccompanied > 0].tolist() == pytest.approx([1.0] * int((plan.unaccompanied > 0).sum()))
    assert plan.unaccompanied.sum() == pytest.approx(begun.first.get("uasc_at_31_march", 0.0))
    assert children(begun).sum() == pytest.approx(plan.ages.sum() + plan.unaccompanied.sum())


@pytest.mark.parametrize("code", EACH)
def test_day_one_can_be_lived(code):
    """States, clocks and histories are those that a child can have."""
    start = on_day_one(code).scenario.day_one
    assert (start.clock_from <= start.clock_to).all()
    assert (start.clock_from >= 0).all()
    there = start.chance.sum(axis=(0, 1)) > 1e-12
    stages = np.array([JOURNEY.states[s].stage for s in start.state])
    at_once = np.array([JOURNEY.states[s].at_once for s in start.state])
    assert not at_once.any()
    # Who is on a plan, in care or home from it has the history that says so; only at home has nobody any.
    assert (start.history[there & np.isin(stages, ("plan", "care", "after_care"))] == 2).all()
    assert set(stages[there & (start.history == 0)]) == {"home"}
    assert WEEKS_TO_18 > start.clock_to.max()


def test_a_population_is_drawn_as_day_one_says():
    begun = on_day_one(BLACKPOOL)
    people = make_population(begun.scenario, 5, JOURNEY)
    there = people.enter_edge < 0
    counts = np.bincount(people.state[there], minlength=len(JOURNEY.states))
    for states, published in ((CARE, "cla_at_31_march"), (ON_A_PLAN, "cpp_at_31_march")):
        seen = counts[[JOURNEY.state_index[s] for s in states]].sum()
        # Each state is right to a child or two.
        assert abs(seen - begun.first[published]) <= 2 * len(states)
    assert (people.uasc & there).sum() == begun.first["uasc_at_31_march"]


@pytest.mark.parametrize("code", EACH)
def test_no_stock_jumps_in_the_first_weeks(code):
    """Under the rates that made day one, and no yearly factors, stocks stay where they are.

    The bound is 5% for a drift in the first eight weeks (day one is scaled to one 31 March, the rates to three years),
    and three standard errors of the mean of the runs. Stocks below 50 children are left to chance.
    """
    begun = on_day_one(code)
    scenario = replace(begun.scenario, n_weeks=8)
    one = np.ones((1, len(JOURNEY.transitions)))
    parameters = Parameters(begun.book.rates(), one)
    n_runs = 12 if scenario.sample == 1 else 3
    runs = list(simulate_many(scenario, parameters, range(n_runs), JOURNEY, workers=2, log=False))
    stocks = np.mean([run.stocks for run in runs], axis=0)
    start = np.bincount(scenario.day_one.state, children(begun).sum(axis=0), len(JOURNEY.states)) / scenario.sample
    large = np.flatnonzero(start >= 50)
    assert large.size >= 8
    for s in large:
        bound = 0.05 + 3 / np.sqrt(start[s] * n_runs)
        assert np.abs(stocks[:, s] / start[s] - 1).max() < bound, JOURNEY.states[s].key


# --- hand-made --------------------------------------------------------------------------------------------------------


def test_arrivals_ahead_are_the_mean_of_the_last_two_known():
    figures = {2020: {"uasc_started": 99.0}, 2021: {"uasc_started": 4.0}, 2023: {"uasc_started": 10.0}, 2022: {}}
    assert unaccompanied_plan(figures, (2021, 2022, 2023, 2024, 2025)).tolist() == [4, 7, 10, 7, 7]


def test_no_arrivals_are_known():
    assert unaccompanied_plan({2021: {"referrals": 3.0}}, (2021, 2022)).tolist() == [0, 0]


@pytest.fixture(scope="module")
def course():
    shape = published_shape(shipped())
    child = children_of(np.full(18, 100.0), 5.0, shape)
    thresholds = Parameters(read_rates(JOURNEY).rates(), np.ones((1, len(JOURNEY.transitions)))).thresholds(JOURNEY)[0]
    return life_course(mean_field(), thresholds, child.risk_shares, child.arrivals, child.arrival_ages)


def ages(counts: np.ndarray) -> Ages:
    net = np.zeros((2, 18))
    net[:, :17] = 3.0
    return Ages(Area("E00000000", "Toyshire"), (2020, 2021, 2022), counts, counts[1:, 0].copy(), net, ("derived",) * 3)


def test_children_who_came_alone_are_taken_out_of_the_census(course):
    shape, arrivals = published_shape(shipped()), np.array([10.0, 20.0])
    counts = np.full((3, 18), 100.0)
    plan = population_plan(ages(counts), {"uasc_at_31_march": 12.0}, arrivals, shape, course)
    assert plan.unaccompanied.sum() == pytest.approx(12.0)
    # At 31 March they are older than on arrival, and nobody arrives before 14.
    assert (plan.unaccompanied[:14] == 0).all()
    assert (plan.unaccompanied * np.arange(18)).sum() / 12 > (plan.arrival_ages * np.arange(18)).sum()
    assert (plan.ages + plan.unaccompanied).tolist() == pytest.approx([100.0] * 18)
    # What arrivals will add to their cohorts is no other move; those of 17 turn 18 within the year.
    assert (plan.moves[:, :17] + arrivals[:, None] * plan.arrival_ages[:17]).ravel() == pytest.approx(np.full(34, 3.0))
    assert plan.moves[:, 17].tolist() == [0.0, 0.0]
    assert plan.births.tolist() == [100.0, 100.0]


def test_more_of_an_age_alone_than_there_are_leaves_none_with_families(course):
    plan = population_plan(
        ages(np.full((3, 18), 1.0)), {"uasc_at_31_march": 30.0}, np.zeros(2), published_shape(shipped()), course
    )
    assert plan.ages.min() == 0
    assert plan.unaccompanied.sum() == pytest.approx(30.0)


def begun_of(course, first: dict[str, float], durations: np.ndarray | None = None, alone: float = 0.0) -> Begun:
    known = {**first, "uasc_at_31_march": alone}
    plan = population_plan(ages(np.full((3, 18), 1000.0)), known, np.zeros(2), published_shape(shipped()), course)
    start = day_one(JOURNEY, mean_field(), course, plan, known, durations)
    scenario = replace(on_day_one(BLACKPOOL).scenario, plan=plan, day_one=start)
    return Begun(scenario, read_rates(JOURNEY), known)


def test_what_is_published_alone_is_met_and_the_rest_follows_the_life_course(course):
    begun = begun_of(course, {"cla_at_31_march": 130.0, "cpp_at_31_march": 70.0})
    assert within(begun, CARE) == pytest.approx(130, rel=MET)
    assert within(begun, ON_A_PLAN) == pytest.approx(70, rel=MET)
    k = mean_field().grid.n_pieces
    cells = course.cells[:, : UNACCOMPANIED_STRATUM * k].reshape(18, N_STRATA - 1, k).sum(axis=1)
    in_care = np.isin(mean_field().grid.state, [JOURNEY.state_index[s] for s in CARE])
    foster = mean_field().grid.state == JOURNEY.state_index["foster"]
    expected = cells[:, foster].sum() / cells[:, in_care].sum()
    assert within(begun, ("foster",)) / within(begun, CARE) == pytest.approx(expected, rel=0.02)
    assert children(begun).sum() == pytest.approx(18_000)


def test_children_who_came_alone_are_part_of_the_published_figures(course):
    first = {"cla_at_31_march": 130.0, "cpp_at_31_march": 70.0, "cla_supported_at_31_march": 30.0,
             "cla_foster_at_31_march": 80.0, "cla_age_16_17_at_31_march": 50.0}  # fmt: skip
    for alone in (0.0, 24.0):
        begun = begun_of(course, first, alone=alone)
        assert within(begun, CARE) == pytest.approx(130, rel=MET)
        assert within(begun, ("supported_accommodation",)) == pytest.approx(30, rel=MET)
        assert within(begun, CARE, 4) == pytest.approx(50, rel=MET)
        plan, start = begun.scenario.plan, begun.scenario.day_one
        assert plan.unaccompanied.sum() == alone
        assert children(begun).sum() == pytest.approx(18_000)
        assert start.unaccompanied[14:].sum(axis=1) == pytest.approx(np.ones(4))


def test_more_children_alone_than_the_figure_leave_no_other_in_that_home(course):
    first = {"cla_at_31_march": 130.0, "cpp_at_31_march": 70.0, "cla_supported_at_31_march": 2.0}
    begun = begun_of(course, first, alone=24.0)
    here = begun.scenario.day_one.state == JOURNEY.state_index["supported_accommodation"]
    assert begun.scenario.day_one.chance[:, :, here].sum() == 0
    assert within(begun, CARE) == pytest.approx(130, rel=MET)


def test_plan_durations_are_met(course):
    wanted = np.array([0.5, 0.2, 0.15, 0.1, 0.05])
    begun = begun_of(course, {"cla_at_31_march": 130.0, "cpp_at_31_march": 70.0}, wanted)
    start = begun.scenario.day_one
    here = start.state == JOURNEY.state_index["protected"]
    spent = np.searchsorted(JOURNEY.states[JOURNEY.state_index["protected"]].bands, start.clock_from[here], "right") - 1
    found = np.bincount(spent, children(begun).sum(axis=0)[here], 5)
    assert (found / found.sum()).tolist() == pytest.approx(wanted.tolist(), abs=MET)
    assert within(begun, ON_A_PLAN) == pytest.approx(70, rel=MET)
