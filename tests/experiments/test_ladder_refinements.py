"""System dynamics with more stocks: stages and ages by hand, and what they are made of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.factors import UNIT
from abm.pathway import Journey
from experiments.compare.ladder.compartments import Stocks, erlang, run_compartments, two_kinds
from experiments.compare.ladder.refinements import variance_from_hazards
from tests.abm.toys import moves, state

PLAN = Journey(
    states=(state("at_home"), state("planned", "plan"), state("kept", "care"), state("other", "care")),
    transitions=(
        moves("plan_began", "at_home", "planned"),
        moves("plan_ended", "planned", "at_home"),
        moves("came_in", "at_home", "kept"),
        moves("moved", "kept", "other"),
        moves("went", "kept other", "at_home"),
    ),
)


def stocks(start: dict[str, float], stages=(), n_ages: int = 1, **per_year: float) -> Stocks:
    tables = PLAN.tables
    rate = np.zeros((n_ages, tables.n_edges))
    for key, value in per_year.items():
        rate[:, PLAN.edges_of(key)] = value
    at = np.zeros((n_ages, tables.n_states))
    at[0] = [start.get(s.key, 0.0) for s in PLAN.states]
    no = np.zeros((1, n_ages, tables.n_edges))
    return Stocks(
        rate,
        np.zeros_like(rate),
        no,
        at,
        np.zeros(tables.n_edges, bool),
        tuple(stages),
        np.ones((tables.n_edges, 3)) / 3,
    )


def ones() -> np.ndarray:
    return np.ones((1, len(PLAN.transitions)))


def test_a_chain_of_two_stages_is_as_a_hand_written_loop_has_it():
    made = stocks({"planned": 100}, [erlang(["planned"], 2, "plans")], plan_ended=1.5)
    told, flows = run_compartments(PLAN, made, ones(), 80)
    first, second, chance = 50.0, 50.0, 1 - np.exp(-2 * 1.5 / 52)
    for week in range(80):
        ended, onward = second * chance, first * chance
        first, second = first - onward, second - ended + onward
        assert told[week, 1] == pytest.approx(first + second)
        assert flows[week, PLAN.edges_of("plan_ended")[0]] == pytest.approx(ended)


def test_short_and_long_stays_leave_each_at_their_rate_and_keep_their_kind_on_a_move():
    kinds = two_kinds(["kept", "other"], 4.0, "care")
    made = stocks({"kept": 100}, [kinds], moved=2.0, went=0.5)
    told, _ = run_compartments(PLAN, made, ones(), 60)
    p = (1 + np.sqrt(3 / 5)) / 2
    here, gone = np.array([[50.0, 0.0], [50.0, 0.0]]), 1 - np.exp(-0.5 * 2 * np.array([p, 1 - p]) / 52)
    fires = 1 - np.exp(-2 / 52)
    for week in range(60):
        kept, other = here[:, 0], here[:, 1]
        moved, left = kept * fires * (1 - gone / 2), kept * gone * (1 - fires / 2)
        here = np.stack([kept - moved - left, other * (1 - gone) + moved], axis=1)
        assert told[week, 2:] == pytest.approx(here.sum(axis=0))


def test_those_who_enter_begin_as_the_mixture_says():
    kinds = two_kinds(["kept", "other"], 4.0, "care")
    made = stocks({"at_home": 1e6}, [kinds], came_in=1e-3, went=0.5)
    told, _ = run_compartments(PLAN, made, ones(), 52 * 80)
    # In the long run the stock is inflow x mean stay, whatever the mixture.
    came = told[-1, 0] * (1 - np.exp(-1e-3 / 52))
    stay = sum(share / (1 - np.exp(-0.5 * rate / 52)) for share, rate in zip(kinds.entry, kinds.leaving, strict=True))
    assert told[-1, 2] == pytest.approx(came * stay, rel=1e-3)
    assert np.dot(kinds.entry, 1 / np.array(kinds.leaving)) == pytest.approx(1.0)


def test_children_grow_through_the_age_bands_and_take_the_rates_of_each():
    made = stocks({"kept": 100}, n_ages=5)
    made.rate[0, PLAN.edges_of("went")] = 1.0
    told, _ = run_compartments(PLAN, made, ones(), 3)
    young, old = 100.0, 0.0
    for week in range(3):
        left = young * (1 - np.exp(-1 / 52))
        young, old = (young - left) * (1 - 1 / 52), old + (young - left) / 52
        assert told[week, 2] == pytest.approx(young + old)


class Halving:
    """A system under which half as many come in once somebody is there."""

    limits = np.full((len(PLAN.transitions), 3), UNIT)
    conditions, names = np.zeros(0), ()

    def factors(self, week, at, flows):
        out = np.full((len(PLAN.transitions), 3), UNIT, np.int64)
        if at[2] > 0:
            out[PLAN.transition_index["came_in"]] //= 2
        return out


def test_a_system_is_asked_and_its_factors_hold():
    made = stocks({"at_home": 1000}, came_in=1.0, went=1e-9)
    _, flows = run_compartments(PLAN, made, ones(), 2, Halving())
    came = flows[:, PLAN.edges_of("came_in")[0]]
    assert came[0] == pytest.approx(1000 * (1 - np.exp(-1 / 52)))
    assert came[1] == pytest.approx((1000 - came[0]) * (1 - np.exp(-0.5 / 52)))


rates = st.floats(0.05, 30)


@given(rates)
def test_a_constant_chance_of_leaving_has_variance_over_mean_squared_of_one(hazard):
    assert variance_from_hazards((0, 5, 30), np.full(3, hazard)) == pytest.approx(1.0, abs=1e-6)


@given(rates, rates, st.floats(0.3, 5))
def test_variance_of_stays_is_that_of_a_sum_over_small_steps(first, second, last):
    hazard = np.array([first, second, last])
    t = np.linspace(0, 52 * 60, 400_001)
    cumulative = np.concatenate(
        [[0.0], np.cumsum(np.diff(t) * hazard[np.searchsorted([20, 90], t[:-1], "right")] / 52)]
    )
    survival = np.exp(-cumulative)
    mean, square = np.trapezoid(survival, t), np.trapezoid(2 * t * survival, t)
    told = variance_from_hazards((0, 20, 90), hazard)
    assert told == pytest.approx(square / mean**2 - 1, rel=2e-2, abs=2e-3)


@given(st.integers(2, 4))
def test_an_erlang_chain_has_one_over_its_stages(n):
    chain = erlang(["planned"], n, "plans")
    assert sum(chain.entry) == sum(chain.first) == pytest.approx(1.0)
    assert chain.leaving[-1] == chain.onward[0] == n
    assert np.dot(chain.first, chain.leaving) == pytest.approx(1.0)


@given(st.floats(1.3, 20))
def test_two_kinds_have_the_variance_asked_for(cv2):
    kinds = two_kinds(["kept"], cv2, "care")
    stay = 1 / np.array(kinds.leaving)
    mean, square = np.dot(kinds.entry, stay), 2 * np.dot(kinds.entry, stay**2)
    assert mean == pytest.approx(1.0)
    assert square / mean**2 - 1 == pytest.approx(cv2)
    assert np.dot(kinds.first, kinds.leaving) == pytest.approx(1.0)
