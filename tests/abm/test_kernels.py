"""The compiled loops: against a table worked by hand, a slow obvious twin, and closed forms."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abm.draws import week_word, word
from abm.errors import CareError
from abm.events import new_rows
from abm.kernels import AGE_EDGES_WEEKS, age_band, group_at
from abm.log_kernels import order_by
from abm.parameters import CERTAIN
from abm.pathway import N_GROUPS, UNACCOMPANIED_GROUP, Journey, group_of
from abm.population import population_of
from abm.prepared import prepare
from abm.quiet import N_CELLS, small_draws
from abm.simulate import Engine, simulate
from tests.abm.toys import (
    THREE,
    TWO,
    Case,
    empty_scenario,
    moves,
    obvious,
    parameters_of,
    random_case,
    rates_of,
    state,
)


def as_tuples(rows):
    return list(zip(*(rows[k].tolist() for k in (1, 0, 2, 3, 4, 5)), strict=True))


def run_of(case: Case, **more):
    return simulate(
        empty_scenario(case.n_weeks), case.parameters, case.seed, case.journey, population=case.population, **more
    )


def hand_worked() -> Case:
    """Everyone who was never asked about is asked about at once; help lasts two full weeks. No chance is open."""
    rates = rates_of(THREE, help_began=1.0)
    never = [group_of(age, risk, 0) for age in range(5) for risk in range(4)]
    rates[np.ix_(THREE.edges_of("was_asked"), never)] = np.inf
    rates[THREE.edges_of("help_ended"), :, 1] = np.inf
    at = THREE.state_index
    children = population_of(
        birth_week=[-300, 1, 3 - 936],
        enter_week=[0, 1, 0],
        enter_edge=[-1, THREE.edge("born", "elsewhere"), -1],
        leave_week=[2, 99, 99],  # in week 2 child 0 is not at home, so it does not move away
        state=[at["at_home"], at["elsewhere"], at["helped"]],
        history=[0, 0, 1],
        since_week=[-301, 1, -2],
    )
    return Case(THREE, parameters_of(THREE, rates), children, n_weeks=5, seed=1)


def test_three_children_over_five_weeks_as_worked_by_hand():
    run = run_of(hand_worked())
    keys = [t.key for t in THREE.transitions]
    columns = run.events.select("week", "child", "step", "transition")
    happened = [(week, child, step, keys[t]) for week, child, step, t in columns.rows()]
    assert happened == [
        (0, 0, 0, "was_asked"),
        (0, 0, 1, "help_began"),
        (1, 1, 0, "born"),
        (1, 2, 0, "help_ended"),  # one week spent before day one, one in week 0: two full weeks
        (2, 1, 0, "was_asked"),
        (2, 1, 1, "help_began"),
        (3, 0, 0, "help_ended"),
        (3, 2, 0, "grew_up"),
    ]
    # elsewhere, at_home, asked, helped, grown_up
    assert run.stocks.tolist() == [
        [1, 0, 0, 2, 0],
        [0, 2, 0, 1, 0],
        [0, 1, 0, 2, 0],
        [0, 1, 0, 1, 1],
        [0, 1, 0, 1, 1],
    ]
    assert run.events["origin"].to_list() == [0, 1, 3, 0, 0, 1, 0, 2]
    assert run.events["chance"].to_list() == [1.0] * 8
    assert run.events["draw"][[2, 7]].to_list() == [0.0, 0.0]
    run.check()


@pytest.mark.parametrize(
    ("leave", "birthday", "expected"),
    [(3, 9, "moved_away"), (3, 3, "grew_up"), (3, 2, "grew_up"), (9, 9, None)],
)
def test_a_birthday_comes_before_a_move_and_both_before_chance(leave, birthday, expected):
    children = population_of(birth_week=[birthday - 936], leave_week=leave, state=[THREE.state_index["at_home"]])
    case = Case(THREE, parameters_of(THREE, rates_of(THREE, was_asked=0.0, help_began=1.0)), children, 6, 1)
    keys = [THREE.transitions[t].key for t in run_of(case).events["transition"]]
    assert keys == ([expected] if expected else [])
    certain = parameters_of(THREE, rates_of(THREE, was_asked=np.inf, was_sent_home=1.0))
    first = [r for r in as_tuples(run_of(replace(case, parameters=certain)).rows) if r[0] == min(leave, birthday)]
    assert [THREE.transitions[THREE.tables.transition[r[3]]].key for r in first] == ([expected] if expected else [])


def test_the_last_year_serves_beyond_the_years_given():
    """The second year of multipliers stops all referrals; there is no third."""
    rates = rates_of(THREE, was_asked=40.0, was_sent_home=1.0)
    multipliers = np.ones((2, len(THREE.transitions)))
    multipliers[1, THREE.transition_index["was_asked"]] = 0.0
    children = population_of(birth_week=np.full(5, -60), state=np.ones(5))
    parameters = replace(parameters_of(THREE, rates), multipliers=multipliers)
    run = run_of(Case(THREE, parameters, children, 200, 4))
    assert run.flows[:52].sum() > 100
    assert run.flows[52:].sum() == 0


@settings(deadline=None, max_examples=150)
@given(st.randoms(use_true_random=False))
def test_kernel_equals_the_obvious_twin(rng):
    case = random_case(rng)
    expected = obvious(case)
    run = run_of(case)
    assert as_tuples(run.rows) == expected
    run.check()
    assert run_of(case, span=rng.randint(1, 30)).digest == run.digest


def looked_up_to(case: Case, change):
    """The run of a case in which quiet years are searched up to other cells."""
    prepared = prepare(case.parameters, case.journey)
    prepared.__dict__["cells"] = change(prepared.cells)
    return run_of(case, prepared=prepared)


@settings(deadline=None, max_examples=25)
@given(st.randoms(use_true_random=False))
def test_searching_further_finds_the_same(rng):
    """So behaviours that raise chances later on need only room, and the room changes nothing."""
    case = random_case(rng)
    whole = run_of(case).digest
    assert looked_up_to(case, lambda cells: np.full_like(cells, N_CELLS - 1)).digest == whole
    assert looked_up_to(case, lambda cells: np.minimum(cells + 1, N_CELLS - 1)).digest == whole


QUIET = Journey(tuple(replace(s, quiet=s.key == "at_home") for s in THREE.states), THREE.transitions)
"""The same three, with quiet years at home."""


def test_searching_not_far_enough_is_seen():
    """The mutant of the test above."""
    rates = rates_of(QUIET, was_asked=4.0, was_sent_home=1.0)
    children = population_of(birth_week=np.full(50, -60), state=np.ones(50))
    case = Case(QUIET, parameters_of(QUIET, rates), children, 104, 4)
    asked = run_of(case).flows.sum()
    assert asked > 500
    assert looked_up_to(case, lambda cells: cells + 1).flows.sum() == asked
    assert looked_up_to(case, lambda cells: cells - 2).flows.sum() < 0.6 * asked


def test_a_child_is_due_when_something_may_happen_and_not_before():
    """With nothing but dates ahead, spans of a week look at a child again on its dates and at the turn of the year."""
    children = population_of(birth_week=[-300, 5 - 936, 9], leave_week=[40, 99, 199], state=[1, 1, 0],
                             enter_week=[0, 0, 9], enter_edge=[-1, -1, QUIET.edge("born", "elsewhere")])  # fmt: skip
    rates = rates_of(QUIET, was_asked=1e-9, was_sent_home=1.0)
    engine = Engine(prepare(parameters_of(QUIET, rates), QUIET), children, 200, 1)
    engine.advance(1)
    assert engine.people.due.tolist() == [40, 5, 9]
    engine.advance(99)
    assert [QUIET.states[s].key for s in engine.people.state] == ["elsewhere", "grown_up", "at_home"]
    assert engine.people.due.tolist()[2] == 104
    assert engine.people.due.min() >= 104


def test_the_log_grows_and_is_never_cut(monkeypatch):
    case = random_case(random.Random(3))
    whole = run_of(case)
    assert whole.rows.child.size > 10
    monkeypatch.setattr("abm.simulate._FIRST_ROWS", 1)
    for span in (None, 7, 1):
        again = run_of(case, span=span)
        assert again.digest == whole.digest
        assert np.array_equal(again.flows, whole.flows)
    quiet = run_of(case, log=False)
    assert quiet.digest == ""
    assert np.array_equal(quiet.stocks, whole.stocks)


def test_a_state_from_which_nothing_follows_stops_the_run():
    children = population_of(birth_week=[-300], state=[1], risk=[2])
    case = Case(THREE, parameters_of(THREE, rates_of(THREE, was_asked=np.inf)), children, 3, 1)
    with pytest.raises(CareError, match=r"'asked' nothing can follow for children aged 5-9 of raised risk, .*child 0"):
        run_of(case)


def test_adding_a_child_at_the_end_changes_nobody_else():
    case = next(c for c in map(random_case, map(random.Random, range(99))) if len(c.population) > 4)
    columns = {name: column[:-1] for name, column in case.population.columns().items()}
    fewer = replace(case, population=population_of(**columns))
    last = len(case.population) - 1
    assert as_tuples(run_of(fewer).rows) == [r for r in as_tuples(run_of(case).rows) if r[1] != last]


def test_another_rate_leaves_the_luck_of_other_transitions_alone():
    """Every logged draw is the keyed one, whatever the rates; so two scenarios share all luck."""
    case = random_case(random.Random(12))
    seen = {}
    for factor in (1.0, 0.5, 1.5):
        multipliers = case.parameters.multipliers.copy()
        multipliers[:, -1] *= factor
        run = run_of(replace(case, parameters=replace(case.parameters, multipliers=multipliers)))
        tables = case.journey.tables
        for week, child, _, e, _, draw in as_tuples(run.rows):
            purpose = int(tables.purpose[e])
            if tables.weekly[e] and tables.quiet[tables.source[e]]:
                assert draw == small_draws(case.seed, child, week // 52, purpose)[week % 52]
            elif tables.weekly[e]:
                assert draw == week_word(case.seed, child, week, purpose)
            elif tables.outcome[e]:
                assert draw == word(case.seed, child, week, purpose)
        for week, child, step, e, _, draw in as_tuples(run.rows):
            assert seen.setdefault((week, child, step, e), draw) == draw


def test_groups_in_the_loop_are_those_of_the_grammar():
    for age in (0, 51, 52, 259, 260, 519, 520, 831, 832, 935, 2000):
        band = sum(age >= first for first in AGE_EDGES_WEEKS[1:-1])
        assert age_band(age) == band
        for risk in range(4):
            for history in range(3):
                assert group_at(age, risk, history, False) == group_of(band, risk, history)
    assert group_at(831, 0, 0, True) == UNACCOMPANIED_GROUP
    assert group_at(832, 3, 2, True) == UNACCOMPANIED_GROUP + 1 == N_GROUPS - 1


def test_rows_are_put_in_the_order_of_weeks():
    rows = new_rows(6)
    rows.week[:] = [3, 0, 3, 1, 0, 3]
    assert order_by(rows.week, 6, 4).tolist() == [1, 4, 3, 0, 2, 5]
    assert order_by(rows.week, 0, 4).tolist() == []


THREE_WAYS = Journey(
    states=tuple(state(name) for name in "abcd"),
    transitions=tuple(moves(f"to_{name}", "a", name) for name in "bcd"),
)


def one_week(journey, rates, n, seed, linear=False):
    """Where n children of the first state are after a week; `linear` is the mutant with chance = rate x time."""
    parameters = parameters_of(journey, rates)
    prepared = prepare(parameters, journey)
    if linear:
        wrong = np.floor(np.minimum(rates / 52, 1.0) * CERTAIN).astype(np.uint64)[None]
        prepared = replace(prepared, thresholds=wrong)
    children = population_of(birth_week=np.full(n, -300))
    engine = Engine(prepared, children, 1, seed)
    engine.advance(1)
    return np.bincount(engine.people.state, minlength=len(journey.states))


def test_chance_of_a_single_hazard():
    """Fails for a correct kernel once in 10**6 seeds. At 40 a year rate x time is far off, and must fail."""
    n, rates = 50_000, rates_of(TWO, was_helped=40.0)
    chance = 1 - np.exp(-40 / 52)

    def p_value(linear):
        return stats.binomtest(int(one_week(TWO, rates, n, 20260401, linear)[1]), n, chance).pvalue

    assert p_value(linear=False) > 1e-6
    assert p_value(linear=True) < 1e-6


def test_chances_of_competing_risks():
    """Fails for a correct kernel once in 10**6 seeds; the mutant with rate x time must fail.

    The one with the smallest draw in proportion to its chance is taken, so transition i is taken with the chance
    p_i times the integral over s in [0, 1] of the product over the others of (1 - p_j s).
    """
    n, per_year = 50_000, {"to_b": 40.0, "to_c": 10.0, "to_d": 25.0}
    p = 1 - np.exp(-np.array(list(per_year.values())) / 52)
    s = (np.arange(10_000) + 0.5) / 10_000
    taken = [p[i] * np.prod([1 - p[j] * s for j in range(3) if j != i], axis=0).mean() for i in range(3)]
    expected = n * np.array([np.prod(1 - p), *taken])
    assert expected.sum() == pytest.approx(n)

    def p_value(linear):
        return stats.chisquare(
            one_week(THREE_WAYS, rates_of(THREE_WAYS, **per_year), n, 20260401, linear), expected
        ).pvalue

    assert p_value(linear=False) > 1e-6
    assert p_value(linear=True) < 1e-6


def test_waiting_times_of_a_single_hazard():
    """Weeks until help comes are geometric. Fails for a correct kernel once in 10**6 seeds; the mutant must fail."""
    n, weeks = 50_000, 12
    rates = rates_of(TWO, was_helped=40.0)
    chance = 1 - np.exp(-40 / 52)
    expected = n * np.array([*(chance * (1 - chance) ** k for k in range(weeks)), (1 - chance) ** weeks])
    for linear, passes in ((False, True), (True, False)):
        prepared = prepare(parameters_of(TWO, rates), TWO)
        if linear:
            wrong = np.floor(np.minimum(rates / 52, 1.0) * CERTAIN).astype(np.uint64)[None]
            prepared = replace(prepared, thresholds=wrong)
        engine = Engine(prepared, population_of(birth_week=np.full(n, -300)), weeks, 7)
        engine.advance(weeks)
        seen = np.append(engine.flows[:, TWO.edge("was_helped", "well")], (engine.people.state == 0).sum())
        assert (stats.chisquare(seen, expected).pvalue > 1e-6) == passes


def test_outcomes_follow_in_the_shares_of_their_weights():
    """Fails for a correct kernel once in 10**6 seeds."""
    n = 30_000
    rates = rates_of(THREE, was_asked=np.inf, help_began=3.0, was_sent_home=1.0)
    assert rates.shape[1] == N_GROUPS
    engine = Engine(
        prepare(parameters_of(THREE, rates), THREE), population_of(birth_week=np.full(n, -300), state=np.ones(n)), 1, 5
    )
    engine.advance(1)
    helped = int(engine.flows[0, THREE.edge("help_began", "asked")])
    assert stats.binomtest(helped, n, 0.75).pvalue > 1e-6


def test_nobody_is_looked_for_beyond_the_year_in_which_a_run_ends():
    prepared = prepare(parameters_of(TWO, rates_of(TWO, was_helped=1e-9)), TWO)
    engine = Engine(prepared, population_of(birth_week=np.full(9, -300)), 60, 7)
    engine.advance(1)
    assert set(engine.people.due.tolist()) == {2 * 52}
