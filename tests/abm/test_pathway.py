"""The grammar of a journey: each refusal with its sentence, and the tables of a small one worked by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm import pathway
from abm.errors import CareError
from abm.journey import CARE_BANDS, HOMES, JOURNEY
from abm.pathway import (
    AGE_EDGES_WEEKS,
    DIARY,
    N_GROUPS,
    STAGES,
    UNACCOMPANIED_GROUP,
    WEEKS_TO_18,
    Journey,
    group_of,
    purpose_of,
)
from tests.abm.toys import THREE, TWO, moves, state

HOME, HELPED = state("at_home"), state("helped")
ASKED = state("asked", "front_door", at_once=True)
THERE, BACK = moves("went", "at_home", "helped"), moves("came_back", "helped", "at_home")


def refused(*transitions, states=(HOME, HELPED)):
    with pytest.raises(CareError) as refusal:
        Journey(tuple(states), transitions)
    assert refusal.value.where == "abm/journey.py"
    return str(refusal.value)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sources", "target"), [("at_hmoe", "helped"), ("at_home", "at_hmoe")])
def test_an_unknown_state_is_named_with_a_near_one(sources, target):
    assert refused(THERE, BACK, moves("fell", sources, target)) == (
        "Transition 'fell' uses the state 'at_hmoe', which is not declared (abm/journey.py). "
        "Did you mean 'at_home'? Declared: at_home, helped"
    )


def test_an_unknown_state_like_no_other_is_named_with_all_there_are():
    assert refused(THERE, BACK, moves("fell", "at_home", "zzz")) == (
        "Transition 'fell' uses the state 'zzz', which is not declared (abm/journey.py). Declared: at_home, helped"
    )


def test_a_state_declared_twice():
    assert refused(THERE, BACK, states=(HOME, state("helped"), state("helped"))) == (
        "The state 'helped' is declared twice (abm/journey.py). Give each one a name of its own"
    )


def test_a_transition_declared_twice():
    assert refused(THERE, BACK, moves("went", "helped", "at_home")) == (
        "The transition 'went' is declared twice (abm/journey.py). Give each one a name of its own"
    )


def test_a_transition_from_nowhere():
    assert refused(THERE, BACK, moves("fell", "", "helped")) == (
        "Transition 'fell' starts from no state (abm/journey.py). Name its sources, or remove it"
    )


@pytest.mark.parametrize("history", [-1, 3])
def test_a_history_that_there_is_not(history):
    assert refused(THERE, replace(BACK, history=history)) == (
        f"Transition 'came_back' has the history {history} (abm/journey.py). Use 0 to 2"
    )


def test_a_clock_before_its_beginning():
    assert refused(THERE, replace(BACK, clock_at=-1)) == (
        "Transition 'came_back' sets the clock to -1 weeks (abm/journey.py). Use 0 or more"
    )


def test_a_state_that_nothing_enters():
    assert refused(THERE, BACK, states=(HOME, state("helped"), state("alone"))) == (
        "Nothing enters the state 'alone' (abm/journey.py). Add a transition or remove it"
    )


def test_the_first_state_needs_no_way_in():
    assert Journey((HOME, state("helped")), (THERE,)).states[0].key == "at_home"


@pytest.mark.parametrize("bands", [(), (1,), (1, 5), (0, 5, 5), (0, 9, 5)])
def test_bands_that_do_not_rise_from_0(bands):
    assert refused(THERE, BACK, states=(HOME, state("helped", bands=bands))) == (
        f"Bands of state 'helped' must rise from 0 (abm/journey.py). Now: {bands}"
    )


def test_an_unknown_stage():
    assert refused(THERE, BACK, states=(HOME, state("helped", "plann"))) == (
        "State 'helped' has the stage 'plann' (abm/journey.py). Did you mean 'plan'? "
        f"Stages: {', '.join(STAGES)}"
    )  # fmt: skip


def test_states_of_one_clock_with_other_bands():
    states = (HOME, state("helped", clock="care"), state("cared", clock="care", bands=(0, 9)))
    assert refused(THERE, BACK, moves("moved", "helped", "cared"), states=states) == (
        "States of the clock 'care' differ in their bands (abm/journey.py). Use the same bands"
    )


def test_a_state_left_at_once_that_nothing_leaves():
    assert refused(moves("was_asked", "at_home", "asked"), states=(HOME, ASKED)) == (
        "State 'asked' is left at once but has no outcome (abm/journey.py). Declare one"
    )


@pytest.mark.parametrize("through", [("asked",), ("heard", "asked"), ("heard", "seen", "asked")])
def test_a_loop_of_states_left_at_once(through):
    gates = [state(key, "front_door", at_once=True) for key in ("heard", "seen") if key in through]
    chain = ("asked", *through)
    loop = [moves(f"step{n}", a, b) for n, (a, b) in enumerate(pairwise(chain))]
    away = [moves(f"left_{key}", key, "at_home") for key in ("asked", *through[:-1])]
    assert refused(moves("was_asked", "at_home", "asked"), *loop, *away, states=(HOME, ASKED, *gates)) == (
        "State 'asked' is left at once and can come back to itself in the same week (abm/journey.py). "
        "Let the chain end in a state where a child stays"
    )


def test_a_chain_of_states_left_at_once_that_ends_is_no_loop():
    seen = state("seen", "front_door", at_once=True)
    Journey(
        (HOME, ASKED, seen),
        (
            moves("was_asked", "at_home", "asked"),
            moves("was_seen", "asked", "seen"),
            moves("went", "asked seen", "at_home"),
        ),
    )


def test_an_unknown_birthday_transition():
    assert refused(THERE, BACK, states=(state("at_home", at_18="cmae_back"), state("helped"))) == (
        "State 'at_home' names the birthday transition 'cmae_back', which is not declared (abm/journey.py). "
        "Did you mean 'came_back'?"
    )
    assert refused(THERE, BACK, states=(state("at_home", at_18="zzz"), state("helped"))).endswith(". Declare it")


def test_a_birthday_transition_that_starts_elsewhere():
    assert refused(THERE, BACK, states=(state("at_home", at_18="came_back"), state("helped"))) == (
        "Transition 'came_back' does not start from 'at_home', which names it for the birthday (abm/journey.py). "
        "Add 'at_home' to its sources"
    )


def test_two_keys_with_the_same_draws(monkeypatch):
    monkeypatch.setattr(pathway, "purpose_of", lambda key: len(key))
    assert refused(moves("went", "at_home", "helped"), moves("came", "helped", "at_home")) == (
        "The keys 'went' and 'came' hash to the same draws (abm/journey.py). Rename one"
    )


def test_an_edge_that_is_not_there():
    with pytest.raises(CareError, match="No transition 'was_asked' leaves the state 'helped'"):
        THREE.edge("was_asked", "helped")


# --- draws are keyed by the key ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "number"),
    [
        # The first five are the published test vectors of the 32-bit FNV-1a hash.
        ("", 0x811C9DC5),
        ("a", 0xE40C292C),
        ("b", 0xE70C2DE5),
        ("foo", 0xA9F37ED7),
        ("foobar", 0xBF9CF968),
        # Frozen: another number would give every child another life.
        ("was_referred", 0xE2B7A066),
        ("came_into_care", 0xB7C54DF2),
        ("family: risk", 0xE4941A9C),
    ],
)
def test_what_draws_are_keyed_by_never_changes(key, number):
    assert purpose_of(key) == number


def test_a_new_transition_changes_nobody_elses_draws():
    more = Journey(THREE.states, (moves("was_born_at_home", "elsewhere", "at_home"), *THREE.transitions))
    for transition in THREE.transitions:
        old, new = THREE.edges_of(transition.key), more.edges_of(transition.key)
        assert THREE.tables.purpose[old].tolist() == more.tables.purpose[new].tolist()


# --- tables -----------------------------------------------------------------------------------------------------------


def test_the_tables_of_a_small_journey_are_those_worked_out_by_hand():
    tables = THREE.tables
    # States: elsewhere 0, at_home 1, asked 2, helped 3, grown_up 4. Transitions: born 0, moved_away 1, was_asked 2,
    # help_began 3, was_sent_home 4, help_ended 5, grew_up 6.
    edges = [
        (0, 0, 1),  # born: elsewhere to at_home
        (1, 1, 0),  # moved_away
        (1, 2, 2),  # was_asked
        (1, 6, 4),  # grew_up
        (2, 3, 3),  # help_began
        (2, 4, 1),  # was_sent_home
        (3, 5, 1),  # help_ended
        (3, 6, 4),  # grew_up
    ]
    assert list(zip(tables.source.tolist(), tables.transition.tolist(), tables.target.tolist(), strict=True)) == edges
    assert tables.first.tolist() == [0, 1, 4, 6, 8, 8]
    assert tables.history.tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
    assert tables.clock.tolist() == [0, 1, 2, 3, 4]
    assert tables.at_once.tolist() == [False, False, True, False, False]
    assert tables.birthday.tolist() == [-1, 3, -1, 7, -1]
    assert tables.band.tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert tables.n_bands.tolist() == [1, 1, 1, 2, 1]
    assert np.flatnonzero(tables.weekly).tolist() == [2, 6]
    assert np.flatnonzero(tables.outcome).tolist() == [4, 5]
    assert (tables.n_states, tables.n_edges, tables.max_bands) == (5, 8, 2)
    assert tables.purpose.tolist() == [purpose_of(THREE.transitions[t].key) for _, t, _ in edges]
    assert tables.clock_at.tolist() == [0] * 8


def test_states_of_one_clock_have_one_number_and_a_clock_may_be_set():
    journey = Journey(
        (HOME, state("helped", clock="care"), state("cared", clock="care")),
        (THERE, replace(BACK, clock_at=104), moves("moved", "helped", "cared")),
    )
    assert journey.tables.clock.tolist() == [0, 1, 1]
    assert journey.tables.clock_at.tolist() == [0, 104, 0]


def test_edges_are_found_by_name():
    assert THREE.edges_of("grew_up") == [3, 7]
    assert THREE.edges_of("help_ended", "born") == [0, 6]
    assert THREE.edge("grew_up", "helped") == 7
    assert THREE.states_of("left") == ("elsewhere", "grown_up")
    assert TWO.states_of("care") == ()


@given(st.integers(0, WEEKS_TO_18 - 1), st.integers(0, 3), st.integers(0, 2))
def test_every_child_has_a_group_of_its_own_kind(week, risk, history):
    band = sum(week >= edge for edge in AGE_EDGES_WEEKS[1:-1])
    group = group_of(band, risk, history)
    assert (group // 12, group // 3 % 4, group % 3) == (band, risk, history)
    assert 0 <= group < UNACCOMPANIED_GROUP == N_GROUPS - 2


# --- the declared journey ---------------------------------------------------------------------------------------------


def test_every_home_is_left_at_18_and_shares_the_time_in_care():
    care = {state.key for state in JOURNEY.states if state.stage == "care" and not state.at_once}
    assert care == set(HOMES)
    for key in HOMES:
        home = JOURNEY.states[JOURNEY.state_index[key]]
        assert home.at_18 == "left_care_at_18"
        # Being placed for adoption has a clock of its own.
        assert (home.clock, home.bands) == ("care", CARE_BANDS) or key == "placed_for_adoption"


def test_every_edge_is_of_one_kind():
    tables = JOURNEY.tables
    birthday = np.zeros(tables.n_edges, bool)
    birthday[tables.birthday[tables.birthday >= 0]] = True
    diary = np.isin(np.arange(tables.n_edges), JOURNEY.edges_of(*DIARY))
    assert (tables.weekly.astype(int) + tables.outcome + birthday + diary == 1).all()


def test_a_child_can_leave_every_state_but_those_of_the_stage_left():
    for s, declared in enumerate(JOURNEY.states):
        leaves = JOURNEY.tables.first[s] < JOURNEY.tables.first[s + 1]
        assert leaves or declared.stage == "left"
        assert declared.at_18 or declared.at_once or declared.stage == "left"


def test_histories_never_shrink_the_way_to_care():
    """All who are planned for or looked after have the history that says so: else their rates would be a newcomer's."""
    tables = JOURNEY.tables
    plans = [JOURNEY.state_index[s] for s in (*JOURNEY.states_of("plan"), *JOURNEY.states_of("care"))]
    into = [
        e
        for e in range(tables.n_edges)
        if tables.target[e] in plans and tables.source[e] not in plans
    ]  # fmt: skip
    assert into
    assert all(tables.history[e] == 2 for e in into)
