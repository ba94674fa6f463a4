"""Clocks: hazard is moved and none is made; without concentration nothing changes; exits bunch where rules say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abm.clocks import Rule, changes, first_day, in_force, with_clocks
from abm.cohorts import columns_of_population
from abm.errors import CareError
from abm.factors import UNIT
from abm.journey import JOURNEY
from abm.meanfield import MeanField, make_grid
from abm.mesa_model import CareModel
from abm.parameters import Parameters
from abm.pathway import N_GROUPS, N_HISTORIES, WEEKS_PER_YEAR, Journey
from abm.population import population_of
from abm.simulate import simulate
from abm.trajectory import run_columns
from tests.abm.test_factors import Given
from tests.abm.toys import busy_parameters, empty_scenario, moves, parameters_of, rates_of, small_area, state

FALSE_ALARM = 1e-6
"""A correct transform and engine fail the comparison of a cohort with its expectation less than once in a million."""

PLAN = Journey(
    states=(
        state("at_home"),
        state("on_plan", "plan", bands=(0, 13, 26, 52), clock="plans", quiet=True),
        state("near_court", "plan", bands=(0, 13, 26, 52), clock="plans"),
        state("in_care", "care", quiet=True),
    ),
    transitions=(
        moves("plan_began", "at_home", "on_plan"),
        moves("plan_ended", "on_plan near_court", "at_home"),
        moves("letter_went", "on_plan", "near_court"),
        moves("came_into_care", "on_plan near_court", "in_care"),
    ),
)
"""Plans with reviews, whose clock goes on when a letter went."""
RATES = {"plan_ended": 2.0, "letter_went": 0.5, "came_into_care": 0.3}


def rule(key="reviews", **more):
    given = {
        "clock": "plans", "transitions": ("plan_ended",), "first_week": 13, "every_weeks": 26, "last_week": 65,
        "before_weeks": 10, "after_weeks": 6, "concentration": 0.6, "low": 0.0, "high": 1.0, "mark": "seen",
        "source": "a toy", "basis": "made up", **more,
    }  # fmt: skip
    return Rule(key, **given)


def by_week(journey, rates, edge, n_weeks=140):
    """float64[G, weeks]: the rates of an edge in each week of its clock."""
    bands = journey.tables.band[journey.tables.source[edge]]
    return rates[edge][:, bands[np.minimum(np.arange(n_weeks), bands.size - 1)]]


def varied(journey, seed=3):
    """Rates that differ by transition, group and band; some are 0 and one in fifty is certain."""
    rng = np.random.default_rng(seed)
    rates = rng.uniform(0, 5, (journey.tables.n_edges, N_GROUPS, journey.tables.max_bands))
    rates[rng.random(rates.shape) < 0.1] = 0.0
    rates[rng.random(rates.shape) < 0.02] = np.inf
    rates[journey.tables.outcome] = 1.0
    return rates


def slowly(rates, windows, concentration):
    """The obvious twin: one group, one week after the other."""
    out = list(rates)
    for low, due, high in windows:
        for week in range(low, high):
            if np.isfinite(rates[week]):
                out[week] -= concentration * rates[week]
                out[due] += concentration * rates[week]
    return out


def test_a_window_by_hand():
    one = rule(first_week=3, every_weeks=0, last_week=3, before_weeks=2, after_weeks=2, concentration=0.5)
    assert one.windows == ((1, 2, 5),)
    journey, parameters = with_clocks(PLAN, parameters_of(PLAN, rates_of(PLAN, **RATES)), [one], 2021)
    assert journey.states[journey.state_index["on_plan"]].bands == (0, 1, 2, 3, 5, 13, 26, 52)
    assert journey.states[journey.state_index["near_court"]].bands == (0, 1, 2, 3, 5, 13, 26, 52)
    assert journey.states[journey.state_index["in_care"]].bands == (0,)
    ended = by_week(journey, parameters.rates, journey.edge("plan_ended", "on_plan"), 7)[0]
    # Half of four weeks at a rate of 2 goes to the third week, which keeps half of its own.
    assert list(ended) == [2.0, 1.0, 5.0, 1.0, 1.0, 2.0, 2.0]
    care = by_week(journey, parameters.rates, journey.edge("came_into_care", "on_plan"), 7)[0]
    assert list(care) == [0.3] * 7
    told = parameters.values[-1]
    assert (told.key, told.value, told.status) == ("reviews/concentration", 0.5, "assumed")


def test_reviews_come_back_until_the_last():
    assert rule().windows == ((3, 12, 19), (29, 38, 45), (55, 64, 71))


RULES = st.builds(
    lambda first, before, after, more, count, part: rule(
        first_week=first, before_weeks=min(before, first), after_weeks=after, every_weeks=before + after + more,
        last_week=first + count * (before + after + more), concentration=part,
    ),
    st.integers(1, 20), st.integers(1, 13), st.integers(0, 13), st.integers(0, 20), st.integers(0, 3),
    st.floats(0, 1),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(RULES, st.integers(0, 5))
def test_no_hazard_is_made_or_lost_and_the_rest_is_as_the_obvious_twin_has_it(one, seed):
    rates = varied(PLAN, seed)
    journey, parameters = with_clocks(PLAN, parameters_of(PLAN, rates), [one], 2021)
    ends = [week for low, _, high in one.windows for week in (low, high)]
    for e in range(PLAN.tables.n_edges):
        before, after = by_week(PLAN, rates, e), by_week(journey, parameters.rates, e)
        if PLAN.transitions[PLAN.tables.transition[e]].key != "plan_ended":
            assert np.array_equal(before, after)
            continue
        finite = np.where(np.isfinite(before) & np.isfinite(after), 1.0, 0.0)
        assert np.array_equal(np.isfinite(before), np.isfinite(after))
        for group in (0, 17, 61):
            twin = slowly(before[group], one.windows, one.concentration)
            assert after[group] == pytest.approx(twin, rel=1e-12, abs=1e-12)
            if finite[group].all():
                total = [np.cumsum(np.r_[0.0, side[group]])[ends] for side in (before, after)]
                assert total[1] == pytest.approx(total[0], rel=1e-12, abs=1e-12)
        assert (after >= 0).all()


def test_without_concentration_every_week_has_the_thresholds_it_had():
    rules = [
        replace(r, concentration=0.0)
        for r in (
            rule("plans", clock="protected", transitions=("child_protection_plan_ended",)),
            rule("homes", clock="care", transitions=("returned_home_planned", "moved_to_foster_carers")),
        )
    ]
    parameters = Parameters(varied(JOURNEY), busy_parameters(2).multipliers)
    journey, same = with_clocks(JOURNEY, parameters, rules, 2021)
    assert journey.tables.max_bands > JOURNEY.tables.max_bands + 5
    before, after = parameters.thresholds(JOURNEY), same.thresholds(journey)
    weeks = np.arange(600)
    for e in range(JOURNEY.tables.n_edges):
        s = JOURNEY.tables.source[e]
        was, now = (j.tables.band[s, np.minimum(weeks, j.tables.band.shape[1] - 1)] for j in (JOURNEY, journey))
        assert np.array_equal(before[:, e][:, :, was], after[:, e][:, :, now])


def test_without_concentration_a_run_is_the_same_bit_for_bit():
    rules = [
        rule("plans", clock="protected", transitions=("child_protection_plan_ended",), concentration=0.0),
        rule("homes", clock="care", transitions=("returned_home_planned",), concentration=0.0),
    ]
    scenario, parameters = small_area(1_000, 104), busy_parameters(2)
    plain = simulate(scenario, parameters, 5, JOURNEY)
    journey, same = with_clocks(JOURNEY, parameters, rules, scenario.first_year)
    run = simulate(scenario, same, 5, journey)
    assert run.digest == plain.digest
    assert (run.rows.threshold == plain.rows.threshold).all()
    rules = [replace(r, concentration=0.6) for r in rules]
    other = simulate(scenario, with_clocks(JOURNEY, parameters, rules, 2021)[1], 5, with_clocks(
        JOURNEY, parameters, rules, 2021)[0])  # fmt: skip
    assert other.digest != plain.digest


def test_every_form_of_the_engine_gives_the_same_run_with_clocks_on():
    rules = [
        rule("plans", clock="protected", transitions=("child_protection_plan_ended",)),
        rule("homes", clock="care", transitions=("returned_home_planned", "moved_to_foster_carers")),
    ]
    scenario = small_area(300, 104)
    journey, parameters = with_clocks(JOURNEY, busy_parameters(2), rules, scenario.first_year)
    run = simulate(scenario, parameters, 3, journey)
    run.check()
    assert simulate(scenario, parameters, 3, journey, span=1).digest == run.digest
    nothing = Given(np.full((len(JOURNEY.transitions), N_HISTORIES), UNIT, np.int64))
    assert simulate(scenario, parameters, 3, journey, system=nothing).digest == run.digest
    agents = CareModel(scenario=scenario, parameters=parameters, journey=journey, engine="agents", rng=3)
    agents.run_model()
    assert agents.result().digest == run.digest


N_WEEKS, N_CHILDREN = 78, 20_000


@pytest.fixture(scope="module")
def cohort():
    """Children whose plan began the week before, their rules, and what is expected of them by the exact mean field."""
    population = population_of(
        birth_week=np.full(N_CHILDREN, -300), state=PLAN.state_index["on_plan"], since_week=-1, leave_week=N_WEEKS
    )
    parameters = parameters_of(PLAN, rates_of(PLAN, **RATES), 2)
    journey, clocked = with_clocks(PLAN, parameters, [rule()], 2021)
    field = MeanField(journey, make_grid(journey, 1))
    path = run_columns(field, clocked.thresholds(journey), columns_of_population(population, field, N_WEEKS), N_WEEKS)
    return population, parameters, path


def ended(flows, journey=PLAN):
    return flows[:, journey.edges_of("plan_ended")].sum(axis=1)


def p_value(cohort, rules):
    """How likely ends by week this far from the expected ones are, where the rules of the run are these."""
    population, parameters, path = cohort
    journey, clocked = with_clocks(PLAN, parameters, rules, 2021)
    run = simulate(empty_scenario(N_WEEKS), clocked, 11, journey, population=population)
    expected, seen = ended(path.flows), ended(run.flows)
    # A child ends a plan at most once, for no plan begins again: the weeks are a multinomial, the rest the last class.
    expected, seen = (np.r_[x, N_CHILDREN - x.sum()] for x in (expected, seen))
    assert expected.min() > 5
    return stats.chi2.sf(((seen - expected) ** 2 / expected).sum(), expected.size - 1)


def test_a_simulated_cohort_ends_its_plans_when_the_exact_mean_field_says(cohort):
    assert p_value(cohort, [rule()]) > FALSE_ALARM


@pytest.mark.parametrize(
    "mutant",
    [
        [],
        [rule(first_week=14, last_week=66)],
        [rule(after_weeks=9)],
        [rule(concentration=0.55)],
    ],
    ids=["no clock", "a week late", "a wider window", "a smaller part"],
)
def test_another_clock_would_be_caught(cohort, mutant):
    assert p_value(cohort, mutant) < FALSE_ALARM


def test_ends_bunch_at_the_reviews_and_as_many_have_ended_after_each_window(cohort):
    population, parameters, path = cohort
    field = MeanField(PLAN, make_grid(PLAN, 1))
    smooth = run_columns(field, parameters.thresholds(PLAN), columns_of_population(population, field, N_WEEKS), N_WEEKS)
    with_them, without = ended(path.flows), ended(smooth.flows)
    due = [window[1] for window in rule().windows]
    assert all(with_them[week] > 5 * without[week] for week in due)
    # Only other ways out keep the two from being equal: more children are there for them while ends wait.
    for _, _, high in rule().windows:
        assert with_them[:high].sum() == pytest.approx(without[:high].sum(), rel=0.03)


def test_with_nothing_else_to_happen_the_ends_after_each_window_are_the_same():
    parameters = parameters_of(PLAN, rates_of(PLAN, plan_ended=2.0), 2)
    population = population_of(
        birth_week=np.full(1000, -300), state=PLAN.state_index["on_plan"], since_week=-1, leave_week=99
    )
    left = []
    for rules in ([], [rule(concentration=0.9)]):
        journey, clocked = with_clocks(PLAN, parameters, rules, 2021)
        field = MeanField(journey, make_grid(journey, 1))
        path = run_columns(field, clocked.thresholds(journey), columns_of_population(population, field, 78), 78)
        left.append(path.stocks[:, PLAN.state_index["on_plan"]])
    ends = [week - 1 for _, _, high in rule().windows for week in (high,)]
    assert left[1][ends] == pytest.approx(left[0][ends], rel=1e-8)
    assert np.abs(left[1] - left[0]).max() > 50
    assert left[0][51] == pytest.approx(1000 * np.exp(-2.0), rel=1e-6)


def test_rules_hold_by_their_dates():
    old = rule("old", until=date(2014, 4, 21))
    new = rule("new", begins=date(2014, 4, 22), concentration=0.3)
    assert in_force([old, new], date(2014, 4, 21)) == (old,)
    assert in_force([old, new], date(2014, 4, 22)) == (new,)
    assert first_day(2015) == date(2014, 4, 1)
    parameters = parameters_of(PLAN, rates_of(PLAN, **RATES))
    for year, concentration in ((2015, 0.6), (2016, 0.3)):
        values = with_clocks(PLAN, parameters, [old, new], year)[1].values
        assert [value.value for value in values] == [concentration]
    assert with_clocks(PLAN, parameters, [new], 2014) == (PLAN, parameters)
    assert with_clocks(PLAN, parameters, [], 2021) == (PLAN, parameters)


def test_rules_that_change_within_a_run_are_told():
    old = rule("old", until=date(2014, 4, 21))
    new = rule("new", begins=date(2014, 4, 22))
    told = changes([old, new], 2015, WEEKS_PER_YEAR)
    assert len(told) == 2
    assert "'old' ends on 2014-04-21; the whole run goes by it" in told[0]
    assert "'new' begins on 2014-04-22; the whole run is without it" in told[1]
    assert changes([old, new], 2016, 520) == ()
    assert changes([old, new], 2014, WEEKS_PER_YEAR) == ()
    assert changes([rule(until=date(2015, 3, 31))], 2015, WEEKS_PER_YEAR) == ()
    assert changes([rule(begins=date(2015, 4, 1))], 2015, WEEKS_PER_YEAR) == ()
    assert changes([rule(begins=date(2014, 4, 1))], 2015, WEEKS_PER_YEAR) == ()
    assert len(changes([rule(begins=date(2014, 4, 8))], 2015, 2)) == 1
    assert changes([rule(begins=date(2014, 4, 22))], 2015, 2) == ()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"mark": "sure"}, "the mark 'sure'"),
        ({"first_week": 0}, "due first in week 0"),
        ({"last_week": 5}, "before it is first due"),
        ({"before_weeks": 0}, "without its due week"),
        ({"before_weeks": 14}, "before the clock does"),
        ({"every_weeks": 15}, "windows that overlap"),
        ({"concentration": 1.2}, "the concentration 1.2"),
        ({"low": 0.7}, "range 0.7 to 1"),
        ({"begins": date(2015, 1, 1), "until": date(2014, 1, 1)}, "ends before it begins"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(wrong, words):
    with pytest.raises(CareError, match=words):
        rule(**wrong)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([rule(clock="plan")], "Did you mean 'plans'"),
        ([rule(transitions=("plan_endet",))], "Did you mean 'plan_ended'"),
        ([rule(transitions=("plan_began",))], "leaves no state of the clock 'plans'"),
        ([rule(), rule("again", first_week=20, before_weeks=2)], "both move 'plan_ended' in week 18"),
        ([rule(every_weeks=16, last_week=2000)], "At most 255"),
    ],
)  # fmt: skip
def test_rules_that_do_not_fit_the_journey_are_refused(rules, words):
    with pytest.raises(CareError, match=words):
        with_clocks(PLAN, parameters_of(PLAN, rates_of(PLAN, **RATES)), rules, 2021)


def test_two_rules_on_one_clock_may_move_different_transitions_in_the_same_weeks():
    rules = [rule(), rule("letters", transitions=("letter_went",), first_week=15, last_week=15)]
    journey, parameters = with_clocks(PLAN, parameters_of(PLAN, rates_of(PLAN, **RATES)), rules, 2021)
    for name, week in (("plan_ended", 12), ("letter_went", 14)):
        rates = by_week(journey, parameters.rates, journey.edge(name, "on_plan"))[0]
        assert rates.argmax() == week
    assert len(parameters.values) == 2
