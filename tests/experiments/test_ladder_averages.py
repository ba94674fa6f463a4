"""What is left out of a model is averaged along its course: flows stay, nothing else does; rung 0 is classic SD."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abm.classic import ClassicRates, run_classic
from abm.cohorts import columns_of_population
from abm.journey import JOURNEY
from abm.meanfield import N_STRATA, MeanField, competing
from abm.parameters import CERTAIN, Parameters
from abm.pathway import N_GROUPS, WEEKS_PER_YEAR, Journey, group_of
from abm.population import make_population
from abm.prepared import Prepared, prepare
from abm.scenario import DayOne
from abm.simulate import simulate
from abm.trajectory import run_columns
from experiments.compare.ladder import course as course_module
from experiments.compare.ladder.averages import fires_of, leave_out
from experiments.compare.ladder.compartments import run_compartments
from experiments.compare.ladder.course import MARKOV, Course, Kept, Model, Walk, follow, ladder_grid
from experiments.compare.ladder.refinements import stocks_of
from tests.abm.toys import empty_scenario, moves, small_area, state
from tests.bench.case import area_of, parameters

FALSE_ALARM = 1e-6
WEEKS = (4, 26, 60, 103)


@pytest.fixture(scope="module")
def coarse():
    """A coarse clock: what is tested here does not depend on how fine it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(course_module, "FINENESS", 1)
        patch.setattr(course_module, "FINENESS_OF_STAYS", 2)
        yield


@pytest.fixture(scope="module")
def full(coarse) -> tuple[Model, Course]:
    """Two years of an area of England's rates and proportions."""
    model = Model(JOURNEY, parameters(), area_of(60_000, weeks=104))
    return model, follow(model)


def walk_of(model: Model, field: MeanField | None = None) -> Walk:
    return Walk(model, field or MeanField(model.journey, ladder_grid(model.journey)))


# --- chances ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 0.99), min_size=1, max_size=6))
def test_chances_of_firing_are_found_from_those_of_being_taken(chances):
    p = np.array(chances)[:, None]
    assert fires_of(competing(p)) == pytest.approx(p, abs=1e-9)


def test_what_is_certain_stays_certain():
    assert fires_of(np.array([[1.0]])) == pytest.approx(np.array([[1.0]]), abs=1e-9)
    both = np.array([[1.0], [1.0]])
    assert fires_of(competing(both)) == pytest.approx(both, abs=1e-5)


# --- averages ---------------------------------------------------------------------------------------------------------


def test_a_model_from_which_nothing_is_left_out_is_itself(full):
    model, course = full
    assert leave_out(model, course, Kept()) is model


@pytest.mark.parametrize("kept", [MARKOV, Kept(time=False), Kept(frailty=False), Kept(age=False, history=False)])
def test_at_the_full_course_every_flow_is_what_it_was(full, kept):
    model, course = full
    plain = replace(model, parameters=replace(model.parameters, multipliers=np.ones((1, len(JOURNEY.transitions)))))
    course = follow(plain, course.field)
    less = leave_out(plain, course, kept)
    tables = less.journey.tables
    weeks = (course.there if kept.by_date else course.weeks).sum(axis=0)
    fire = less.parameters.thresholds(less.journey)[0].astype(float) / CERTAIN
    happened = course.flows.sum(axis=(0, 1, 2)) + _dated(course)
    for s in np.flatnonzero(~tables.at_once):
        edges = [e for e in range(tables.first[s], tables.first[s + 1]) if tables.weekly[e]]
        flow = np.zeros(len(edges))
        for a, stratum in product(range(5), range(N_STRATA)):
            group = group_of(a, *divmod(stratum, 3)) if stratum < 12 else 60 + (a == 4)
            here = weeks[a, stratum, s] if kept.time else weeks[a, stratum, s].sum(keepdims=True)
            flow += competing(fire[edges][:, group, : here.size]) @ here
        expected_flow = happened[edges]
        # Where risk is left out, unaccompanied children under 16 are taken as aged 10 to 15: a few are younger.
        assert flow == pytest.approx(expected_flow, rel=1e-3, abs=1e-2)


def _dated(course: Course) -> np.ndarray:
    out = np.zeros(JOURNEY.tables.n_edges)
    for e, children in course.dated.items():
        out[e] = children.sum()
    return out


def test_the_course_notes_every_event_that_happens(full):
    _, course = full
    noted = course.flows.sum(axis=(0, 1, 2)) + _dated(course)
    by_plan = JOURNEY.edges_of("born", "moved_in")
    others = np.setdiff1d(np.arange(noted.size), by_plan)
    assert noted[others] == pytest.approx(course.path.flows.sum(axis=0)[others], abs=1e-6)


def test_rates_that_are_the_same_for_all_stay_so(coarse):
    same = np.where(JOURNEY.tables.outcome, 1.0, 0.7)[:, None, None] * np.ones((1, N_GROUPS, JOURNEY.tables.max_bands))
    model = Model(JOURNEY, Parameters(same, np.ones((1, len(JOURNEY.transitions)))), small_area(600, 52))
    less = leave_out(model, follow(model), Kept(time=False, frailty=False, history=False))
    weekly = np.flatnonzero(JOURNEY.tables.weekly)
    assert less.parameters.rates[weekly] == pytest.approx(np.full((weekly.size, N_GROUPS, 1), 0.7), abs=1e-7)


def test_children_who_are_not_told_apart_may_stand_together(full):
    model, course = full
    less = leave_out(model, course, Kept(frailty=False, history=False))
    together = walk_of(less)
    apart = walk_of(replace(less, kept=replace(less.kept, frailty=True, history=True)))
    assert together.stocks == pytest.approx(apart.stocks, abs=1e-6)


def test_a_policy_forks_from_the_course_without_it(full):
    model, course = full
    more = model.parameters.multipliers.copy()
    more[1:, JOURNEY.transition_index["came_into_care"]] *= 0.5
    under = replace(model.parameters, multipliers=more)
    forked = Walk(model, course.field, 1).under(under)
    whole = walk_of(replace(model, parameters=under), course.field)
    ends = ~np.isin(np.arange(len(JOURNEY.states)), course.field.grid.state)
    assert forked[0][:, ~ends] == pytest.approx(whole.stocks[:, ~ends], abs=1e-8)
    assert forked[1] == pytest.approx(whole.flows, abs=1e-8)


# --- rung 0 -----------------------------------------------------------------------------------------------------------


def test_rung_0_is_classic_system_dynamics(full):
    model, course = full
    markov, stocks = leave_out(model, course, MARKOV), stocks_of(model, course, by_age=False)
    factors = model.parameters.checked(JOURNEY).multipliers
    rates = ClassicRates(stocks.rate[0], stocks.share[0], stocks.inflow[:, 0], stocks.start[0], stocks.share[0])
    classic = run_classic(markov.journey, rates, factors, 104)
    path, compartments = walk_of(markov), run_compartments(markov.journey, stocks, factors, 104)
    inside = np.isin(np.arange(len(JOURNEY.states)), course.field.grid.state)
    # Thresholds are whole numbers of 2**-32; classic system dynamics has none.
    assert classic[0][:, inside] == pytest.approx(path.stocks[:, inside], abs=1e-3)
    assert classic[1] == pytest.approx(path.flows, abs=1e-4)
    assert compartments[0] == pytest.approx(classic[0], abs=1e-6)
    assert compartments[1] == pytest.approx(classic[1], abs=1e-9)


@pytest.fixture(scope="module")
def docked(full):
    """Rung 0 as a model, its children drawn once, and what is expected of these children."""
    model, course = full
    markov = leave_out(model, course, MARKOV)
    population = make_population(markov.scenario, 3, markov.journey)
    field = MeanField(markov.journey, ladder_grid(markov.journey))
    thresholds = markov.parameters.thresholds(markov.journey)
    return markov, population, run_columns(field, thresholds, columns_of_population(population, field, 104), 104)


def p_values(run, path):
    """Chi-square of children by state at the stated weeks against the expected; small cells together.

    Given who is there, children are independent, so counts vary no more than multinomial ones: the chance of a false
    alarm is at most the one stated, over all weeks together.
    """
    out, inside = [], np.array([s.key != "elsewhere" for s in JOURNEY.states])
    for week in WEEKS:
        seen, told = run.stocks[week][inside].astype(float), path.stocks[week][inside]
        seen, told = (np.r_[x[told >= 10], x[told < 10].sum()] for x in (seen, told))
        used = told > 0
        out.append(float(stats.chi2.sf(((seen - told)[used] ** 2 / told[used]).sum(), used.sum() - 1)))
    return out


def test_the_simulation_with_constant_hazards_has_the_mean_of_system_dynamics(docked):
    markov, population, path = docked
    run = simulate(markov.scenario, markov.parameters, 5, markov.journey, population=population, log=False)
    assert min(p_values(run, path)) > FALSE_ALARM / len(WEEKS)


def with_faults(docked, edges, part: float):
    """The run of an engine that takes some edges with a part of their chance."""
    markov, population, _ = docked
    right = prepare(markov.parameters, markov.journey)
    thresholds = right.thresholds.copy()
    thresholds[:, edges] = (thresholds[:, edges] * part).astype(np.uint64)
    wrong = Prepared(markov.journey, right.edges, thresholds)
    return simulate(
        markov.scenario, markov.parameters, 5, markov.journey, population=population, prepared=wrong, log=False
    )


def test_an_engine_that_is_late_to_end_assessments_would_be_caught(docked):
    tables = JOURNEY.tables
    assessed = np.flatnonzero(tables.weekly & (tables.source == JOURNEY.state_index["being_assessed"]))
    assert min(p_values(with_faults(docked, assessed, 2 / 3), docked[2])) < FALSE_ALARM / len(WEEKS)


def test_an_engine_in_which_nobody_grows_up_in_care_would_be_caught(docked):
    in_care = JOURNEY.edges_of("left_care_at_18")
    assert min(p_values(with_faults(docked, in_care, 0.0), docked[2])) < FALSE_ALARM / len(WEEKS)


# --- a policy for which the ladder matters ----------------------------------------------------------------------------

CARE = Journey(
    states=(
        state("elsewhere", "left"), state("at_home"), state("cared", "care"), state("gone", "left"),
    ),
    transitions=(
        moves("born", "elsewhere", "at_home"),
        moves("came_in", "at_home", "cared"),
        moves("left", "cared", "gone"),
    ),
)  # fmt: skip
SHORT, LONG, PART_SHORT, PER_YEAR = 0.4, 5.0, 0.54, 1e-5


def test_a_fifth_fewer_entries_do_less_where_some_stay_long_than_system_dynamics_says(coarse):
    """54% stay 0.4 years, 46% five years. In two years: -11% of the children in care if all were alike, but -7.7%."""
    rates = np.zeros((CARE.tables.n_edges, N_GROUPS, 1))
    rates[CARE.edges_of("came_in")] = PER_YEAR
    for group in range(60):
        rates[CARE.edges_of("left"), group] = 1 / (SHORT if (group // 3) % 4 == 0 else LONG)
    shares = np.array([PART_SHORT, 1 - PART_SHORT, 0, 0])
    cared = PER_YEAR * np.array([SHORT, LONG, LONG, LONG])
    chance = np.broadcast_to(np.stack([1 - cared, cared], axis=1), (18, 4, 2))
    there = DayOne(
        np.array([1, 2], np.uint8), np.zeros(2, np.uint8), *(np.zeros(2, np.int32),) * 2, chance, np.zeros((18, 2))
    )
    scenario = empty_scenario(104)
    plan = replace(scenario.plan, ages=np.where(np.arange(18) == 5, 1e9, 0.0), risk_shares=shares)
    model = Model(CARE, Parameters(rates, np.ones((2, 3))), replace(scenario, plan=plan, day_one=there))
    course = follow(model)

    def effect(one: Model) -> float:
        fewer = np.array([[1.0, 0.8, 1.0]] * 2)
        walk = Walk(one, MeanField(one.journey, ladder_grid(one.journey)))
        under, _ = walk.under(replace(one.parameters, multipliers=fewer))
        return float(under[-1, 2] / walk.stocks[-1, 2] - 1)

    mean = PART_SHORT * SHORT + (1 - PART_SHORT) * LONG
    alike = -0.2 * (1 - np.exp(-2 / mean))
    parts = [(PART_SHORT * SHORT, SHORT), ((1 - PART_SHORT) * LONG, LONG)]
    mixed = -0.2 * sum(part * (1 - np.exp(-2 / stay)) for part, stay in parts) / mean
    assert (round(100 * alike, 1), round(100 * mixed, 1)) == (-11.0, -7.7)
    assert effect(leave_out(model, course, Kept(frailty=False))) == pytest.approx(alike, abs=1e-3)
    assert effect(model) == pytest.approx(mixed, abs=1e-3)
    assert effect(leave_out(model, course, Kept(time=False, history=False))) == pytest.approx(mixed, abs=1e-3)


def test_weeks_are_counted_where_they_are_spent(full):
    _, course = full
    after = np.vstack([course.path.stocks[WEEKS_PER_YEAR - 1 : 2 * WEEKS_PER_YEAR - 1]])
    for key in ("foster", "protected", "at_home"):
        s = JOURNEY.state_index[key]
        assert course.weeks[1][:, :, s].sum() == pytest.approx(after[:, s].sum(), rel=1e-9)
