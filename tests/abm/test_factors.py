"""A run under factors: 1 is nothing, a steady factor is that of the parameters, all forms of the engine agree."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.errors import CareError
from abm.factors import LARGEST, NO_FACTOR, UNIT, kernel_under, largest_thresholds, outcome_under, strengths
from abm.journey import JOURNEY
from abm.kernels import SPARE, may_happen
from abm.mesa_model import CareModel
from abm.parameters import CERTAIN, expm1_exact, threshold
from abm.pathway import N_HISTORIES
from abm.prepared import prepare
from abm.simulate import simulate, simulate_many
from tests.abm.toys import busy_parameters, small_area

SHAPE = (len(JOURNEY.transitions), N_HISTORIES)


class Given:
    """A system that answers what it was given, and remembers what it was shown."""

    names = ("week",)

    def __init__(self, answer, limits=None):
        self.answer, self.conditions, self.shown = answer, np.zeros(1), []
        self.limits = np.full(SHAPE, 8 * UNIT, np.int64) if limits is None else limits

    def factors(self, week, stocks, flows):
        self.conditions = np.array([float(week)])
        self.shown.append((week, stocks.copy(), flows.copy()))
        return self.answer(week) if callable(self.answer) else self.answer


def ones():
    return np.full(SHAPE, UNIT, np.int64)


def wild(week):
    """Factors that change every week, differ by history, and are 0 or 1 for some."""
    rng = np.random.default_rng(week)
    return rng.choice([0, 1, 300, UNIT, UNIT, 1500, 8 * UNIT], SHAPE)


@pytest.fixture(scope="module")
def area():
    scenario, parameters = small_area(600, 156), busy_parameters()
    return scenario, parameters, prepare(parameters, JOURNEY)


def run_of(area, system=None, seed=3, **more):
    scenario, parameters, prepared = area
    return simulate(scenario, parameters, seed, JOURNEY, prepared=prepared, system=system, **more)


@pytest.mark.parametrize("span", [None, 1, 7])
def test_factors_of_one_change_nothing(area, span):
    plain, under = run_of(area), run_of(area, Given(ones()), span=span)
    assert under.digest == plain.digest
    assert np.array_equal(under.stocks, plain.stocks)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_steady_factor_is_that_of_the_parameters(area, factor):
    # Halves and doubles are exact in every order of multiplication, and multipliers of whole 1/512 stay whole.
    scenario, parameters, _ = area
    chosen = ones()
    chosen[::2] = int(factor * UNIT)
    yearly = np.round(parameters.multipliers * 512) / 512
    changed = yearly.copy()
    changed[:, ::2] *= factor
    meant = simulate(scenario, replace(parameters, multipliers=changed), 3, JOURNEY)
    under = simulate(scenario, replace(parameters, multipliers=yearly), 3, JOURNEY, system=Given(chosen))
    assert under.digest == meant.digest != run_of(area).digest


def test_factors_of_one_history_are_for_children_of_that_history(area):
    chosen = ones()
    t = JOURNEY.transition_index["was_referred"]
    chosen[t, 0] = 0
    referred = run_of(area, Given(chosen)).events.filter(transition=t)
    start = run_of(area).children.filter(~pl.col("uasc"))
    assert referred.height > 50
    assert not set(referred["child"]) & set(start.filter(history=0)["child"])


def test_every_form_of_the_engine_agrees_under_wild_factors(area):
    scenario, parameters, _ = area
    mine = run_of(area, Given(wild))
    assert mine.digest != run_of(area).digest
    for log in (True, False):
        assert np.array_equal(run_of(area, Given(wild), log=log).stocks, mine.stocks)
    for engine in ("arrays", "agents"):
        model = CareModel(
            scenario=scenario, parameters=parameters, journey=JOURNEY, engine=engine, system=Given(wild), rng=3
        )
        while model.running:
            model.step()
        assert model.result().digest == mine.digest
    mine.check()


def test_runs_side_by_side_have_systems_of_their_own(area):
    scenario, parameters, _ = area
    alone = [run_of(area, Given(wild), seed).digest for seed in range(4)]
    many = simulate_many(scenario, parameters, range(4), JOURNEY, workers=2, system=lambda: Given(wild))
    assert [run.digest for run in many] == alone


def test_the_limits_of_factors_change_no_result(area):
    def under(limit):
        return run_of(area, Given(lambda week: np.minimum(wild(week), 1500), np.full(SHAPE, limit, np.int64)))

    assert under(1500).digest == under(LARGEST).digest


def test_the_system_is_shown_the_stocks_and_flows_of_the_week_before(area):
    scenario, parameters, prepared = area
    of_many = replace(scenario, sample=4)
    system = Given(wild)
    run = simulate(of_many, parameters, 3, JOURNEY, prepared=prepared, system=system)
    for week, stocks, flows in system.shown:
        before = run.stocks[week - 1] if week else np.bincount(run.population.state, minlength=stocks.size)
        assert np.array_equal(stocks, 4.0 * before)
        assert np.array_equal(flows, 4.0 * run.flows[week - 1] if week else np.zeros_like(flows))
    assert run.environment.conditions[:, 0].tolist() == list(range(156))
    assert np.array_equal(run.environment.factors, np.stack([wild(week) for week in range(156)]))


def test_what_could_have_happened_is_told_with_the_chances_of_its_week(area):
    run = run_of(area, Given(wild))
    options = run.options()
    taken = run.events.join(options, on=["child", "week", "step", "transition", "to_state"], suffix=" as listed")
    by_chance = taken.filter(taken["chance"] < 1)
    assert by_chance.height > 1000
    assert (by_chance["chance"] == by_chance["chance as listed"]).all()
    assert taken.height == run.events.height
    assert not options.equals(run_of(area).options())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ones()[:, :1], "Give whole numbers"),
        (ones().astype(float), "float64"),
        (ones() * 9, "beyond its limit of 8.000"),
        (ones() * -1, "-1.000"),
    ],
)
def test_what_is_no_factor_is_refused(area, answer, said):
    with pytest.raises(CareError, match=said):
        run_of(area, Given(answer))


@given(st.floats(0, 50), st.integers(0, LARGEST))
def test_a_chance_under_a_factor_is_that_of_the_hazard_times_it(hazard, factor):
    expected = threshold(-expm1_exact(-np.array([hazard * (factor / UNIT)])))
    assert kernel_under(hazard, factor * UNIT) == expected[0]
    assert int(kernel_under(hazard, NO_FACTOR)) == int(threshold(-expm1_exact(-np.array([hazard])))[0])


def test_certain_stays_certain_and_never_can_come():
    assert kernel_under(np.inf, 3) == CERTAIN
    assert kernel_under(np.inf, 0) == kernel_under(0.0, LARGEST) == 0


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 4000)), min_size=1, max_size=6))
def test_outcomes_share_by_weight_times_factor(pairs):
    weights, factors = np.array([w for w, _ in pairs]), np.array([f for _, f in pairs])
    found, left = outcome_under(weights, factors), 1.0
    total = (weights * factors).sum()
    for one, weighed in zip(found, weights * factors, strict=True):
        if total > 1e-6:
            assert left * one / CERTAIN == pytest.approx(weighed / total, abs=1e-8)
        left *= 1 - one / CERTAIN


def test_strengths_at_factor_one_are_the_tables():
    parameters = busy_parameters()
    prepared, strength = prepare(parameters, JOURNEY), strengths(parameters, JOURNEY)
    tables = JOURNEY.tables
    for e in np.flatnonzero(tables.weekly)[::7]:
        found = [kernel_under(x, NO_FACTOR) for x in strength[..., e].ravel()[::11]]
        assert found == prepared.by_group[..., e].ravel()[::11].tolist()
    first = np.flatnonzero(tables.at_once)[0]
    edges = [e for e in range(tables.first[first], tables.first[first + 1]) if tables.outcome[e]]
    for group in range(0, strength.shape[1], 5):
        found = outcome_under(strength[1, group, 0, edges], np.full(len(edges), NO_FACTOR))
        assert found == prepared.by_group[1, group, 0, edges].tolist()
    most = largest_thresholds(prepared.thresholds, strength, np.full((JOURNEY.tables.n_edges, SHAPE[1]), 2.0), JOURNEY)
    assert (most >= prepared.thresholds).all()
    assert (most[:, tables.weekly] > prepared.thresholds[:, tables.weekly]).mean() > 0.9


class Changes:
    """A system whose limits, conditions and answers can be what they should not."""

    names = ("one",)

    def __init__(self, limit=8 * UNIT, later=None, conditions=1, answer=None):
        self.limits, self.conditions = np.full(SHAPE, limit, np.int64), np.zeros(conditions)
        self.later, self.answer = later, answer

    def factors(self, week, stocks, flows):
        if self.later is not None and week == 5:
            self.limits[:] = self.later
        return np.full(SHAPE, UNIT if week < 5 else self.limits[0, 0]) if self.answer is None else self.answer


def test_limits_are_those_of_the_beginning():
    """Children are due by them: a limit that is raised on the way comes too late for some."""
    area = small_area(60, 20)
    simulate(area, busy_parameters(), 1, JOURNEY, system=Changes())
    with pytest.raises(CareError, match=r"beyond its limit of 1\.000"):
        simulate(area, busy_parameters(), 1, JOURNEY, system=Changes(UNIT, later=8 * UNIT))


@pytest.mark.parametrize(
    ("system", "words"),
    [
        (Changes(conditions=2), "names for conditions"),
        (Changes(answer=[1, 2]), "Factors are"),
        (Changes(answer=np.ones(SHAPE)), "Factors are float64"),
    ],
)
def test_a_system_of_another_form_is_refused(system, words):
    with pytest.raises(CareError, match=words):
        simulate(small_area(20, 10), busy_parameters(), 1, JOURNEY, system=system)
    wrong = Changes()
    wrong.limits = wrong.limits[:, 0]
    with pytest.raises(CareError, match="Limits are"):
        simulate(small_area(20, 10), busy_parameters(), 1, JOURNEY, system=wrong)


def test_spans_of_no_week_and_weeks_that_go_back_are_refused():
    area = small_area(20, 10)
    with pytest.raises(CareError, match="span cannot be -1"):
        simulate(area, busy_parameters(), 1, JOURNEY, span=-1)
    with pytest.raises(CareError, match="advanced by -5"):
        CareModel(scenario=area, parameters=busy_parameters(), journey=JOURNEY, rng=1).run.advance(-5)


def test_a_system_that_leaves_no_outcome_is_named():
    factors = np.full(SHAPE, UNIT)
    referred = JOURNEY.state_index["referred"]
    tables = JOURNEY.tables
    for e in range(tables.first[referred], tables.first[referred + 1]):
        factors[tables.transition[e]] = 0
    system = Changes(answer=factors)
    with pytest.raises(CareError, match=r"'referred' nothing can follow .* under the factors of week .*, or behaviour"):
        simulate(small_area(60, 20), busy_parameters(), 1, JOURNEY, system=system)


@given(
    st.floats(1e-9, 40.0),
    st.floats(1 / UNIT, 64.0),
    st.integers(0, 64 * UNIT),
    st.integers(0, CERTAIN - 1),
    st.booleans(),
)
def test_whoever_can_have_an_event_under_a_limit_is_looked_for(hazard, limit, factor, draw, near):
    """A draw below the chance under any factor within a limit is never passed over; one far above it mostly is."""
    factor = min(factor, math.floor(limit * UNIT))
    plain = int(threshold(-expm1_exact(-np.array([hazard])))[0])
    under = int(kernel_under(hazard, factor * UNIT))
    if near:
        draw = max(under - 1, 0)
    if draw < under:
        assert may_happen(draw, np.uint64(plain), limit)
    # No more is looked for than the chance grows by.
    most = plain * max(limit, 1.0) + 2 * SPARE
    assert not may_happen(min(most, float(1 << 62)), np.uint64(plain), limit)


def test_far_fewer_are_looked_for_under_a_small_factor():
    plain = np.uint64(CERTAIN // 100)
    assert may_happen(CERTAIN // 1000 - 1, plain, 0.1)
    assert not may_happen(CERTAIN // 980, plain, 0.1)
