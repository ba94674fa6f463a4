"""Reported figures: every name they use is declared, and their values on counts made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.errors import CareError
from abm.journey import HOMES, JOURNEY
from abm.outputs import (
    AT_18,
    BY_KEY,
    CARE,
    CEASED,
    ON_A_PLAN,
    OUTPUTS,
    STARTED,
    Output,
    edges_counted,
    evaluate,
    output_named,
)

TABLES = JOURNEY.tables
S, E = TABLES.n_states, TABLES.n_edges


def value_of(key: str, stocks: np.ndarray, flows: np.ndarray) -> list[float]:
    return evaluate(output_named(key), JOURNEY, stocks, flows).tolist()


# --- the declaration --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output.key)
def test_every_name_a_figure_uses_is_declared(output):
    assert set(output.events) | set(output.less) <= set(JOURNEY.transition_index)
    assert set(output.states) <= set(JOURNEY.state_index)
    assert bool(output.events) != bool(output.states)
    assert not output.percent_of or output.percent_of in BY_KEY
    assert (output.unit == "percent") == bool(output.percent_of)
    assert output.label
    assert output.published_as
    if output.events:
        assert len(edges_counted(output, JOURNEY)) >= len(output.events)


def test_figures_have_names_of_their_own():
    assert len({output.key for output in OUTPUTS}) == len({output.label for output in OUTPUTS}) == len(OUTPUTS)


def test_care_begins_and_ends_where_the_figures_say():
    """Every edge across the border of care counts as a start or an end of being looked after."""
    inside = np.array([state.stage == "care" for state in JOURNEY.states])
    into = np.flatnonzero(~inside[TABLES.source] & inside[TABLES.target])
    out_of = np.flatnonzero(inside[TABLES.source] & ~inside[TABLES.target])
    assert sorted(JOURNEY.edges_of(*STARTED)) == into.tolist()
    assert sorted(JOURNEY.edges_of(*CEASED)) == out_of.tolist()
    assert set(AT_18) <= set(CEASED)
    assert set(CARE) == set(HOMES)


def test_the_ways_out_of_care_are_counted_once():
    ways = [output for output in OUTPUTS if output.key.startswith("cla_ceased_")]
    counted = [name for output in ways for name in output.events]
    assert sorted(counted) == sorted(CEASED)


def test_the_kinds_of_home_are_counted_once():
    shares = {output.key for output in OUTPUTS if output.percent_of}
    parts = [o for o in OUTPUTS if set(o.states) < set(CARE) and o.key not in shares]
    assert sorted(name for output in parts for name in output.states) == sorted(CARE)


def test_an_unknown_figure_is_told_with_a_near_one():
    with pytest.raises(CareError) as refusal:
        output_named("referals")
    assert str(refusal.value) == "'referals' is not a figure of abm/outputs.py. Did you mean 'referrals'?"
    with pytest.raises(CareError, match=r"not a figure of abm/outputs.py\. Declare it"):
        output_named("xyz")


# --- values -----------------------------------------------------------------------------------------------------------


def test_a_stock_is_read_at_the_end_of_each_whole_year():
    stocks = np.zeros((130, S))
    # Week 51 is the last of the first year, week 103 of the second; the third is not whole.
    for week, children in ((50, 100), (51, 7), (52, 200), (103, 9), (129, 300)):
        stocks[week, JOURNEY.state_index["protected"]] = children
        stocks[week, JOURNEY.state_index["in_pre_proceedings"]] = 1
        stocks[week, JOURNEY.state_index["in_need"]] = 1000
    assert value_of("cpp_at_31_march", stocks, np.zeros((130, E))) == [8, 10]


def test_a_flow_is_summed_over_each_whole_year():
    flows = np.zeros((130, E))
    at_home, helped = (JOURNEY.edge("was_referred", s) for s in ("at_home", "receiving_early_help"))
    flows[0, at_home], flows[51, helped], flows[52, at_home], flows[103, at_home], flows[104, at_home] = 3, 4, 5, 6, 7
    assert value_of("referrals", np.zeros((130, S)), flows) == [7, 11]


def test_episodes_of_need_are_referrals_less_those_closed_and_those_not_in_need():
    flows = np.zeros((52, E))
    flows[3, JOURNEY.edge("was_referred", "at_home")] = 50
    flows[3, JOURNEY.edge("closed_with_no_further_action", "referred")] = 20
    flows[3, JOURNEY.edge("passed_to_early_help", "referred")] = 5
    flows[9, JOURNEY.edge("found_not_in_need", "being_assessed")] = 10
    flows[9, JOURNEY.edge("needs_met_at_assessment", "being_assessed")] = 4
    assert value_of("cin_episodes_started", np.zeros((52, S)), flows) == [15]
    assert value_of("referrals_no_further_action", np.zeros((52, S)), flows) == [25]


def test_a_share_is_a_percent_of_its_whole_and_0_of_nobody():
    stocks = np.zeros((104, S))
    for state, children in (("foster", 30), ("kinship_foster", 20), ("childrens_home", 10), ("with_parents", 20)):
        stocks[51, JOURNEY.state_index[state]] = children
    flows = np.zeros((104, E))
    assert value_of("cla_foster_share", stocks, flows) == [62.5, 0.0]
    assert value_of("cla_childrens_home_share", stocks, flows) == [12.5, 0.0]
    assert value_of("cla_at_31_march", stocks, flows) == [80, 0]


def test_plans_end_by_every_way_off_a_plan_and_by_no_way_within_it():
    plan = {JOURNEY.state_index[state] for state in ON_A_PLAN}
    for edge in range(E):
        flows = np.zeros((52, E))
        flows[11, edge] = 1
        leaves = TABLES.source[edge] in plan and TABLES.target[edge] not in plan
        assert value_of("cpp_ended", np.zeros((52, S)), flows) == [float(leaves)]
    counted = {JOURNEY.transitions[TABLES.transition[e]].key for e in edges_counted(BY_KEY["cpp_ended"], JOURNEY)}
    assert counted == {
        "stepped_down_to_child_in_need", "child_protection_plan_ended", "came_into_care", "went_to_live_with_kin",
        "grew_up",
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "end"), [("cpp", "ended"), ("cla", "ceased")])
def test_starts_less_ends_are_the_change_in_the_stock(kind, end):
    """The balance of plans and of care, on made-up counts: a way in or out that a figure leaves out would show here."""
    flows = np.random.default_rng(5).integers(0, 50, (156, E)).astype(float)
    # Nobody stays in a state that is left at once, so as many leave it as enter it.
    entering = JOURNEY.state_index["entering_care"]
    leave = TABLES.source == entering
    flows[:, leave] = flows[:, TABLES.target == entering].sum(axis=1)[:, None] / leave.sum()
    change = np.zeros((156, S))
    for edge in range(E):
        change[:, TABLES.target[edge]] += flows[:, edge]
        change[:, TABLES.source[edge]] -= flows[:, edge]
    stocks = np.cumsum(change, axis=0)
    at, begun, over = (value_of(f"{kind}_{what}", stocks, flows) for what in ("at_31_march", "started", end))
    assert np.diff([0.0, *at]).tolist() == pytest.approx(np.subtract(begun, over).tolist())


@given(st.integers(1, 51))
def test_less_than_a_year_gives_no_figure(weeks):
    for output in OUTPUTS:
        assert evaluate(output, JOURNEY, np.ones((weeks, S)), np.ones((weeks, E))).size == 0


def test_whole_numbers_of_a_run_and_expected_numbers_are_read_alike():
    rng = np.random.default_rng(6)
    stocks, flows = rng.integers(0, 90, (104, S)), rng.integers(0, 9, (104, E))
    for output in OUTPUTS:
        whole = evaluate(output, JOURNEY, stocks, flows)
        assert whole.dtype == np.float64
        assert whole.tolist() == evaluate(output, JOURNEY, stocks.astype(float), flows.astype(float)).tolist()


def test_a_figure_of_ones_own_needs_nothing_but_its_declaration():
    mine = Output("moves_home", "Moves", "moves", "nobody", events=("moved_to_foster_carers",))
    flows = np.zeros((52, E))
    flows[:, JOURNEY.edges_of("moved_to_foster_carers")] = 1
    assert evaluate(mine, JOURNEY, np.zeros((52, S)), flows).tolist() == [52 * 6]
