"""Behaviours on their own: at the reference they do nothing, each link does what its row says, and a twin agrees."""

import hashlib
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.behaviour import LOOPS, Behaviours, Demand, Incident, Reference, StaffTime, Workforce
from abm.behaviour_checks import in_order, problems
from abm.behaviour_system import LARGEST_ANSWER, care_system
from abm.errors import CareError
from abm.factors import UNIT, checked_factors
from abm.journey import JOURNEY
from calibration.behaviours import read_behaviours
from tests.abm.behaviours import (
    N_EDGES,
    N_STATES,
    WORKFORCE,
    T,
    course,
    link,
    linked,
    steady_reference,
    stocks_with,
    twin,
)

SHIPPED = read_behaviours()
NONE = np.zeros(N_EDGES)


def system_of(behaviours, reference=None, shocks=(), workforce=WORKFORCE):
    return care_system(JOURNEY, behaviours, reference or steady_reference(), workforce, shocks)


def asked(system, stocks, flows):
    """Factors of every week of a course, int64[weeks, T, 3]."""
    return np.array([system.factors(week, s, f) for week, (s, f) in enumerate(zip(stocks, flows, strict=True))])


def asked_again(system, stocks, weeks, flows=None):
    """Factors of weeks that all show the same stocks, and the reference's flows."""
    shown = system.reference.flows if flows is None else flows
    return np.array([system.factors(week, stocks, shown[week]) for week in range(weeks)])


def shown(system, name):
    return float(system.conditions[system.names.index(name)])


any_strengths = st.lists(st.floats(0, 1), min_size=len(SHIPPED.links), max_size=len(SHIPPED.links)).map(
    lambda parts: SHIPPED.with_strengths(
        **{
            k.key: k.strength if k.form in ("definition", "fading") else k.low + p * (k.high - k.low)
            for k, p in zip(SHIPPED.links, parts, strict=True)
        }
    )
)


# --- at the reference, and switched off ------------------------------------------------------------------------------


@settings(max_examples=20)
@given(any_strengths, st.integers(0, 1000))
def test_at_the_reference_every_factor_is_one(behaviours, seed):
    stocks, flows = course(seed, 30, steady_reference())
    flows[0] = 0
    reference = Reference(stocks + 0.25, flows)
    system = system_of(behaviours, reference)
    assert (asked(system, stocks + 0.25, flows) == UNIT).all()
    n = len(system.variables)
    assert (system.conditions[n:] == 0)[[not m.endswith(("counted", "expected")) for m in system.names[n:]]].all()


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_without_strength_nothing_answers_to_anything(seed):
    reference = steady_reference()
    system = system_of(SHIPPED.none(), reference, [Incident(3, 2.0)])
    assert (asked(system, *course(seed, 40, reference)) == UNIT).all()
    assert (system.limits == UNIT).all()


# --- one link at a time ----------------------------------------------------------------------------------------------


def test_an_elasticity_acts_on_its_transition_and_no_other():
    behaviours = linked(
        link("in_need", "workload", 1, form="weight"), link("workload", "came_into_care enquiry_closed", 0.5, sign=-1)
    )
    reference = steady_reference(stock=999.0)
    factors = system_of(behaviours, reference).factors(0, stocks_with(reference, in_need=1249 / 999), NONE)
    # One child beside both: 1250 over 1000. A quarter more, to the power -1/2.
    expected = round(1.25**-0.5 * UNIT)
    for t, transition in enumerate(JOURNEY.transitions):
        wanted = expected if transition.key in ("came_into_care", "enquiry_closed") else UNIT
        assert factors[t].tolist() == [wanted] * 3, transition.key


def test_a_link_of_known_children_leaves_others_alone():
    behaviours = linked(
        link("in_need", "workload", 1, form="weight"), link("workload", "was_referred", 1, known=(1, 2))
    )
    factors = system_of(behaviours).factors(0, stocks_with(steady_reference(), in_need=1.5), NONE)
    assert factors[T["was_referred"], 0] == UNIT
    assert factors[T["was_referred"], 1] == factors[T["was_referred"], 2] == pytest.approx(1.5 * UNIT, rel=1e-3)


def test_weights_weigh():
    behaviours = linked(
        link("in_need", "workload", 1, form="weight"), link("protected", "workload", 3, form="weight"),
        link("workload", "came_into_care", 1),
    )  # fmt: skip
    reference = steady_reference(stock=1e6)
    one = system_of(behaviours, reference).factors(0, stocks_with(reference, in_need=1.4), NONE)
    three = system_of(behaviours, reference).factors(0, stocks_with(reference, protected=1.4), NONE)
    assert one[T["came_into_care"], 0] == pytest.approx(1.1 * UNIT, rel=1e-3)
    assert three[T["came_into_care"], 0] == pytest.approx(1.3 * UNIT, rel=1e-3)


@pytest.mark.parametrize("delay", [1, 4, 26])
def test_a_delay_is_felt_little_by_little(delay):
    behaviours = linked(
        link("in_need", "workload", 1, form="weight"), link("workload", "came_into_care", 1, delay=delay)
    )
    reference = steady_reference(stock=1e7)
    found = asked_again(system_of(behaviours, reference), stocks_with(reference, in_need=1.2), 50)
    logs = math.log(1.2) * (1 - (1 - 1 / delay) ** np.arange(50))
    assert np.abs(found[:, T["came_into_care"], 0] - np.exp(logs) * UNIT).max() <= 0.51
    # The mean of what is still missing, over all weeks, is the delay.
    missing = 1 - logs / math.log(1.2)
    assert missing.sum() == pytest.approx(delay, rel=0.2)


def test_children_may_be_counted_over_some_weeks():
    behaviours = linked(link("in_need", "workload", 1, form="weight", delay=10), link("workload", "came_into_care", 1))
    reference = steady_reference(stock=1e7)
    found = asked_again(system_of(behaviours, reference), stocks_with(reference, in_need=1.5), 5)
    assert set(found[:, T["came_into_care"], 0]) == {round(1.5 * UNIT)}  # there on day one, so seen from day one
    system = system_of(behaviours, reference)
    system.factors(0, reference.stocks[0], NONE)
    later = system.factors(1, stocks_with(reference, in_need=1.5), NONE)
    assert later[T["came_into_care"], 0] == round(1.05 * UNIT)


def test_events_are_counted_over_some_weeks():
    behaviours = linked(
        link("returned_home_planned", "going_home", 1, form="weight", delay=10), link("going_home", "came_into_care", 1)
    )
    reference = steady_reference(flow=2000.0)
    flows = reference.flows.copy()
    flows[1:, JOURNEY.edges_of("returned_home_planned")] *= 1.5
    found = asked_again(system_of(behaviours, reference), reference.stocks[0], 50, flows)[:, T["came_into_care"], 0]
    assert found[0] == UNIT
    # Both sides are smoothed alike, so a ratio that lasts is seen at once, and one odd week hardly.
    assert found[1:] == pytest.approx(1.5 * UNIT, rel=1e-2)
    flows = reference.flows.copy()
    flows[30, JOURNEY.edges_of("returned_home_planned")] *= 2
    odd = asked_again(system_of(behaviours, reference), reference.stocks[0], 50, flows)[:, T["came_into_care"], 0]
    assert odd[30] == pytest.approx(1.1 * UNIT, rel=1e-2)
    assert odd[29] == UNIT
    assert odd[45] < 1.03 * UNIT


# --- workers ---------------------------------------------------------------------------------------------------------


def leaving(hiring=1.0, **more):
    return linked(
        link("in_need", "workload", 1, form="weight"), link("workload", "leavers", 1),
        link("leavers", "permanent_workers", 1, sign=-1, form="definition"),
        link("permanent_workers", "vacancies", 1, sign=-1, form="definition"),
        link("vacancies", "permanent_workers", hiring, form="per year"),
        link("vacancies", "agency_workers", more.get("cover", 0.7), form="share"),
        link("permanent_workers", "workers", 1, form="definition"),
        link("agency_workers", "workers", 1, form="definition"),
        link("workers", "came_into_care", 1),
    )  # fmt: skip


def test_more_who_leave_settle_where_as_many_are_found():
    reference = steady_reference(1500, stock=1e8)
    system = system_of(leaving(), reference)
    factors = asked_again(system, stocks_with(reference, in_need=1.4), 1500)
    # q0 (1 - 1.4 (1 + p)) - p = 0: those who leave beyond the usual are those who fill what is vacant.
    p = -0.4 * 0.15 / (1.4 * 0.15 + 1)
    assert shown(system, "permanent_workers") == pytest.approx(200 * (1 + p))
    assert shown(system, "vacancies") == pytest.approx(40 - 200 * p)
    assert shown(system, "agency_workers") == pytest.approx(30 - 200 * 0.7 * p)
    assert shown(system, "workers") == pytest.approx((230 + 200 * p * 0.3) / 230)
    assert (np.diff(factors[:, T["came_into_care"], 0]) <= 0).all()


def test_without_agency_workers_there_are_fewer():
    reference = steady_reference(520, stock=1e8)
    stocks = stocks_with(reference, in_need=1.4)
    without, with_cover = (system_of(leaving(cover=cover), reference) for cover in (0.0, 0.7))
    for system in (without, with_cover):
        asked_again(system, stocks, 520)
    assert shown(without, "workers") < shown(with_cover, "workers") < 1
    assert shown(without, "agency_workers") == 30


def test_agency_workers_cannot_be_fewer_than_none():
    reference = steady_reference(520, stock=1e8)
    bare = Workforce(200, 2, 40, 0.15, 16)
    system = system_of(leaving(0.3), reference, workforce=bare)
    asked_again(system, stocks_with(reference, in_need=0.4), 520)
    assert shown(system, "permanent_workers") > 210
    assert shown(system, "agency_workers") == 0


def test_vacancies_cannot_be_fewer_than_none():
    reference = steady_reference(520, stock=1e8)
    system = system_of(leaving(2.0), reference, workforce=Workforce(200, 30, 2, 0.3, 16))
    asked_again(system, stocks_with(reference, in_need=0.4), 520)
    assert shown(system, "vacancies") == 0
    # Were there fewer vacancies than none, so many fewer would be hired that permanent workers stayed below 220.
    assert shown(system, "permanent_workers") > 250


# --- shocks ----------------------------------------------------------------------------------------------------------

ANXIOUS = linked(link("anxiety", "anxiety", 1, sign=-1, delay=100, form="fading"), link("anxiety", "came_into_care", 1))


def test_an_incident_makes_anxious_and_fades():
    reference = steady_reference(200)
    found = asked_again(system_of(ANXIOUS, reference, [Incident(20)]), reference.stocks[0], 200)
    above = found[:, T["came_into_care"], 0] / UNIT - 1
    assert (above[:20] == 0).all()
    assert above[20:] == pytest.approx(0.49 * 0.99 ** np.arange(180), abs=1e-3)


def test_anxiety_that_does_not_fade_stays():
    reference = steady_reference(200)
    system = system_of(ANXIOUS.with_strengths(anxiety_to_anxiety=0), reference, [Incident(20)])
    found = asked_again(system, reference.stocks[0], 200)[:, T["came_into_care"], 0]
    assert set(found[20:]) == {round(1.49 * UNIT)}


def test_demand_changes_from_its_week_on_and_its_limits_know():
    reference = steady_reference()
    system = system_of(
        SHIPPED.none(), reference, [Demand(("was_referred",), 1.1, 10), Demand(("came_into_care",), 0.5)]
    )
    found = asked_again(system, reference.stocks[0], 20)
    assert (found[:10, T["was_referred"]] == UNIT).all()
    assert (found[10:, T["was_referred"]] == round(1.1 * UNIT)).all()
    assert (found[:, T["came_into_care"]] == UNIT // 2).all()
    assert system.limits[T["was_referred"]].min() >= round(1.1 * UNIT)
    assert (system.limits[T["came_into_care"]] == UNIT).all()


def test_less_time_is_as_fewer_workers():
    behaviours = linked(link("workers", "came_into_care", 1, sign=-1))
    reference = steady_reference()
    found = asked_again(system_of(behaviours, reference, [StaffTime(0.8, 5)]), reference.stocks[0], 10)
    assert (found[:5] == UNIT).all()
    assert (found[5:, T["came_into_care"]] == round(UNIT / 0.8)).all()


def test_a_shock_may_end():
    reference, start = steady_reference(), steady_reference().stocks[0]
    system = system_of(SHIPPED.none(), reference, [Demand(("was_referred",), 1.5, 3, 6)])
    found = asked_again(system, start, 10)[:, T["was_referred"], 0]
    assert found.tolist() == [UNIT] * 3 + [UNIT * 3 // 2] * 3 + [UNIT] * 4
    behaviours = linked(link("workers", "came_into_care", 1, sign=-1))
    found = asked_again(system_of(behaviours, reference, [StaffTime(0.8, 3, 6)]), start, 10)[:, T["came_into_care"], 0]
    assert found.tolist() == [UNIT] * 3 + [UNIT * 5 // 4] * 3 + [UNIT] * 4
    with pytest.raises(CareError, match="cannot end before week 3"):
        system_of(SHIPPED, reference, [Demand(("was_referred",), 1.5, 3, 3)])


@pytest.mark.parametrize(
    ("shock", "said"),
    [
        (Incident(-1), "not possible"),
        (Incident(0, 100.0), "not possible"),
        (Incident(0, float("nan")), "not possible"),
        (StaffTime(0.0), "not possible"),
        (Demand(("was_refered",), 1.1), "Did you mean 'was_referred'"),
    ],
)
def test_a_shock_that_cannot_be_is_refused(shock, said):
    with pytest.raises(CareError, match=said):
        system_of(SHIPPED, shocks=[shock])


# --- all together ----------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(any_strengths, st.integers(0, 10_000))
def test_the_twin_agrees(behaviours, seed):
    reference = steady_reference(stock=300.0)
    stocks, flows = course(seed, 40, reference)
    shocks = [Incident(5), Incident(9, 0.2), Demand(("was_referred",), 1.3, 7), StaffTime(0.9, 11)]
    found = asked(system_of(behaviours, reference, shocks), stocks, flows)
    expected = twin(behaviours, reference, WORKFORCE, stocks, flows, shocks)
    assert np.abs(found - expected * UNIT).max() < 1.2


@settings(max_examples=15, deadline=None)
@given(any_strengths, st.integers(0, 10_000), st.floats(1e-3, 1e3))
def test_no_factor_goes_beyond_its_limits_whatever_happens(behaviours, seed, scale):
    reference = steady_reference(stock=50.0)
    system = system_of(behaviours, reference, [Incident(2, 16.0), Demand(("came_into_care",), 3.0)])
    stocks, flows = course(seed, 30, reference)
    found = asked(system, np.round(stocks * scale), np.round(flows * scale))
    for week, factors in enumerate(found):
        checked_factors(factors, system.limits, JOURNEY, week)
    assert (found >= UNIT // LARGEST_ANSWER).all()


def test_it_goes_on_from_its_conditions():
    reference = steady_reference()
    stocks, flows = course(4, 50, reference)
    whole = system_of(SHIPPED, reference, [Incident(3)])
    found = asked(whole, stocks, flows)
    first, second = system_of(SHIPPED, reference, [Incident(3)]), system_of(SHIPPED, reference, [Incident(3)])
    for week in range(21):
        first.factors(week, stocks[week], flows[week])
    second.conditions = first.conditions.copy()
    for week in range(21, 50):
        assert np.array_equal(second.factors(week, stocks[week], flows[week]), found[week])
    assert np.array_equal(second.conditions, whole.conditions)


def test_it_begins_anew_with_week_0():
    reference = steady_reference()
    stocks, flows = course(4, 30, reference)
    system = system_of(SHIPPED, reference)
    assert np.array_equal(asked(system, stocks, flows), asked(system, stocks, flows))


def test_it_gives_the_same_bits_on_every_machine():
    """What was found on one machine, under links of every form."""
    behaviours = linked(
        *leaving().links, *ANXIOUS.links,
        link("workload", "enquiry_began", 0.37, sign=-1, delay=13), link("leavers", "enquiry_closed", 0.61, delay=7),
    )  # fmt: skip
    weeks = 60
    table = (np.arange(weeks)[:, None] * 7919 + np.arange(N_STATES)[None] * 104729) % 997
    reference = steady_reference(weeks, stock=1000.0)
    system = system_of(behaviours, reference, [Incident(7)])
    found = [system.factors(w, 500.0 + table[w], reference.flows[w]) for w in range(weeks)]
    whole = hashlib.sha256(np.array(found).astype("<i8").tobytes() + system.conditions.astype("<f8").tobytes())
    assert whole.hexdigest()[:16] == "4e9dfe58a9579a79"


def test_its_manifest_tells_it_apart():
    reference, shock = steady_reference(), Incident(3)
    one = system_of(SHIPPED, reference, [shock]).manifest
    assert json.loads(json.dumps(one))["shocks"] == [{"Incident": {"week": 3, "size": 0.49}}]
    assert one == system_of(read_behaviours(), steady_reference(), [Incident(3)]).manifest
    others = [
        system_of(SHIPPED.without("R5"), reference, [shock]).manifest,
        system_of(SHIPPED.with_strengths(caseload_to_quality=0.3), reference, [shock]).manifest,
        system_of(SHIPPED, steady_reference(flow=21.0), [shock]).manifest,
        system_of(SHIPPED, reference, [Incident(4)]).manifest,
        system_of(SHIPPED, reference, [shock], Workforce(1, 1, 1, 0.1, 16)).manifest,
    ]
    assert all(one != other for other in others)
    assert "R5" not in others[0]["loops"]


# --- loops -----------------------------------------------------------------------------------------------------------


def test_a_link_is_on_while_any_of_its_loops_is():
    shared, own = link("in_need", "workload", 1, form="weight", loops="R1 R2"), link("workload", "spend", loops="R2")
    outside = link("spend", "came_into_care", loops="")
    behaviours = linked(shared, own, outside)
    strengths = {k.key: [b[k.key].strength for b in (
        behaviours.without("R2"), behaviours.only("R1"), behaviours.without("R1", "R2"), behaviours.none(),
    )] for k in behaviours.links}  # fmt: skip
    assert strengths == {shared.key: [1, 1, 0, 0], own.key: [0, 0, 0, 0], outside.key: [0.5, 0.5, 0.5, 0]}
    assert behaviours.loops() == ("R1", "R2")
    assert behaviours.without("R2").loops() == ("R1",)
    assert behaviours.none().loops() == ()


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda b: b.without("R11"), "Did you mean 'R1'"),
        (lambda b: b.only("workload"), "There is no loop"),
        (lambda b: b["quality_to_rereferal"], "Did you mean 'quality_to_rereferral'"),
        (lambda b: b.with_strengths(quality_to_rereferral=-1), "not possible"),
        (lambda b: b.with_strengths(qualty=1), "There is no link 'qualty'"),
        (lambda b: Behaviours((*b.links, b.links[0])), "there twice"),
        (lambda b: Workforce(0, 1, 1, 0.1, 16), "permanent"),
        (lambda b: Workforce(10, 1, 1, float("nan"), 16), "turnover"),
        (lambda b: Reference(np.ones((3, 2)), np.ones((4, 2))), "other weeks"),
        (lambda b: Reference(np.full((3, 2), np.inf), np.ones((3, 2))), "no numbers"),
        (lambda b: care_system(JOURNEY, b, steady_reference(10), WORKFORCE, n_weeks=11), "10 weeks, the run 11"),
        (lambda b: care_system(JOURNEY, b, Reference(np.ones((9, 2)), np.ones((9, 2))), WORKFORCE), "another journey"),
        (lambda b: system_of(b, steady_reference(10)).factors(10, np.ones(N_STATES), NONE), "ends after 10 weeks"),
    ],
)
def test_what_is_asked_for_wrongly_is_refused(act, said):
    with pytest.raises(CareError, match=said):
        act(SHIPPED)


GOOD = (link("in_need", "workload", 1, form="weight"), link("workload", "came_into_care"))


@pytest.mark.parametrize(
    ("bad", "column", "said"),
    [
        (link("workload", "came_into_cares"), "to", "leads nowhere"),
        (link("workload", "came_into_care born"), "to", "planned date"),
        (link("workload", "grew_up"), "to", "planned date"),
        (link("workload", "came_into_care spend"), "to", "not a transition"),
        (link("worklod", "came_into_care"), "from", "Nothing sets"),
        (link("in_need", "came_into_care"), "from", "Nothing sets"),
        (link("workload in_need", "came_into_care"), "from", "Nothing sets"),
        (link("in_need was_referred", "workload", 1, form="weight"), "from", "beside the others"),
        (link("was_referred", "workload", 1, form="weight"), "delay_weeks", "too few"),
        (link("in_need", "workers", 1, form="weight"), "to", "not counted in children"),
        (link("in_need", "workload", 1, form="weight", sign=-1), "polarity", "below nothing"),
        (link("in_need", "workload", 1, form="weight", known=(1, 2)), "history", "some children"),
        (link("workload", "came_into_care", form="weight"), "form", "cannot be of the form"),
        (link("workload", "came_into_care", form="elastic"), "form", "Did you mean|no form"),
        (link("workload", "came_into_care", loops="R99"), "loops", "no loop"),
        (link("workload", "came_into_care", delay=-1), "delay_weeks", "below 0"),
        (link("workload", "came_into_care", 2e6), "strength", "outside its range"),
        (link("workload", "workload", form="definition"), "strength", "on .1. or off"),
        (link("workload", "workload"), "delay_weeks", "closes within a week"),
        (link("workload", "workload", 1, form="fading", delay=9), "form", "Only anxiety fades"),
        (link("workload", "workers"), "from", "is made of workers"),
        (link("workload", "workload", form="per year"), "form", "Only permanent workers"),
    ],
)  # fmt: skip
def test_what_no_link_can_be_is_told_with_its_column(bad, column, said):
    bad = replace(bad, key="bad")
    found = [p for p in problems(linked(*GOOD, bad, link("workers", "came_into_care", key="w")), JOURNEY)]
    assert (bad.key, column) in {(p.key, p.column) for p in found}
    with pytest.raises(CareError, match=said):
        system_of(linked(*GOOD, bad, link("workers", "came_into_care", key="w")))


def test_those_who_wait_for_one_another_are_told():
    assert in_order("abcd", [("a", "b"), ("b", "c"), ("d", "a")]) == (["d", "a", "b", "c"], [])
    assert in_order("abc", [("a", "b"), ("b", "a")]) == (["c"], ["a", "b"])


def test_the_names_of_loops_are_told_apart():
    assert len(set(LOOPS.values())) == len(LOOPS)
    assert set(SHIPPED.loops()) == set(LOOPS)
