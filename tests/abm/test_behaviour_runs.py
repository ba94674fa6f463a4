"""Runs with the system's own behaviours: without strength the same bits as none; shocks, forms and checkpoints."""

from dataclasses import replace

import numpy as np
import pytest

from abm.behaviour import Demand, Incident
from abm.behaviour_course import classic_case, course_of_runs, mean_course, simulated_course
from abm.behaviour_system import care_system
from abm.checkpoint import begin
from abm.errors import CareError
from abm.factors import UNIT
from abm.forks import fork
from abm.journey import JOURNEY
from abm.loops import gains
from abm.mesa_model import CareModel
from abm.prepared import prepare
from abm.simulate import simulate, simulate_many
from calibration.behaviours import read_behaviours
from calibration.workforce import workforce_of
from tests.abm.behaviours import WORKFORCE, T
from tests.abm.toys import busy_parameters, small_area
from tests.bench.case import area_of
from tests.bench.case import parameters as bench_parameters

SHIPPED = read_behaviours()
YEARS, CHILDREN = 10, 400


@pytest.fixture(scope="module")
def area():
    scenario, parameters = small_area(CHILDREN, 52 * YEARS), busy_parameters()
    return scenario, parameters, prepare(parameters, JOURNEY), simulated_course(scenario, parameters, JOURNEY, runs=6)


def run_of(area, behaviours=None, seed=3, shocks=(), **more):
    scenario, parameters, prepared, reference = area
    system = None
    if behaviours is not None:
        system = care_system(JOURNEY, behaviours, reference, WORKFORCE, shocks, scenario.n_weeks)
    return simulate(scenario, parameters, seed, JOURNEY, prepared=prepared, system=system, **more)


@pytest.mark.parametrize("span", [1, None])
def test_without_strength_a_run_of_ten_years_is_that_without_a_system(area, span):
    plain, without = run_of(area, span=span), run_of(area, SHIPPED.none(), span=span)
    assert without.digest == plain.digest
    assert np.array_equal(without.stocks, plain.stocks)
    assert (without.environment.factors == UNIT).all()


def test_with_strength_it_is_another_and_consistent(area):
    run = run_of(area, SHIPPED)
    assert run.digest != run_of(area).digest
    assert (run.environment.factors != UNIT).any()
    run.check()


def test_its_conditions_are_kept_by_week_and_by_name(area):
    run = run_of(area, SHIPPED, shocks=[Incident(60)])
    names = run.environment.names
    anxiety = run.environment.conditions[:, names.index("anxiety")]
    assert anxiety[59] == pytest.approx(1, abs=0.15)
    assert anxiety[60] / anxiety[59] == pytest.approx(1.49, rel=0.02)
    assert {"caseload", "quality", "scarcity", "spend", "early_help_budget", "foster_carers"} <= set(names)
    workers = run.environment.conditions[:, names.index("permanent_workers")]
    assert workers[0] == WORKFORCE.permanent
    assert ((workers > 100) & (workers < 300)).all()


def test_a_change_of_demand_without_behaviours_is_that_of_the_parameters(area):
    scenario, parameters, _, _ = area
    # Halves are exact in every order of multiplication, and multipliers of whole 1/512 stay whole.
    yearly = np.round(parameters.multipliers * 512) / 512
    changed = yearly.copy()
    changed[:, T["was_referred"]] *= 0.5
    meant = simulate(scenario, replace(parameters, multipliers=changed), 3, JOURNEY)
    given = scenario, replace(parameters, multipliers=yearly), None, area[3]
    found = run_of(given, SHIPPED.none(), shocks=[Demand(("was_referred",), 0.5)])
    assert found.digest == meant.digest != run_of(area).digest


def test_forms_of_the_engine_agree(area):
    scenario, parameters, _, reference = area
    mine = run_of(area, SHIPPED, shocks=[Incident(30)])
    model = CareModel(
        scenario=scenario, parameters=parameters, journey=JOURNEY, engine="arrays", rng=3,
        system=care_system(JOURNEY, SHIPPED, reference, WORKFORCE, [Incident(30)]),
    )  # fmt: skip
    while model.running:
        model.step()
    assert model.result().digest == mine.digest


def test_a_fork_may_switch_loops_off_and_shares_the_past(area):
    scenario, _, prepared, reference = area

    def system(behaviours):
        return care_system(JOURNEY, behaviours, reference, WORKFORCE, [Incident(10)])

    engine = begin(scenario, prepared, 3, system=system(SHIPPED))
    engine.advance(100)
    other = fork(engine, prepared, system(SHIPPED.none()))
    other.advance(520)
    ended = other.run(scenario)
    whole = run_of(area, SHIPPED, shocks=[Incident(10)])
    assert np.array_equal(ended.environment.factors[:100], whole.environment.factors[:100])
    assert (ended.environment.factors[100:] == UNIT).all()
    assert np.array_equal(ended.stocks[:100], whole.stocks[:100])
    assert not np.array_equal(ended.stocks, whole.stocks)


def test_the_mean_course_of_runs_is_their_mean(area):
    scenario, parameters, _, _ = area
    runs = list(simulate_many(scenario, parameters, range(3), JOURNEY))
    found = course_of_runs(runs)
    assert found.stocks[1:] == pytest.approx(np.mean([r.stocks for r in runs], axis=0)[:-1], abs=1e-6)
    assert found.flows[1:] == pytest.approx(np.mean([r.flows for r in runs], axis=0)[:-1], abs=1e-6)
    assert (found.flows[0] == 0).all()
    start = np.mean([np.bincount(r.population.state, minlength=found.stocks.shape[1]) for r in runs], axis=0)
    assert found.stocks[0] == pytest.approx(start, abs=1e-6)
    with pytest.raises(CareError, match="no run"):
        course_of_runs([])
    with pytest.raises(CareError, match="1 run or more"):
        simulated_course(scenario, parameters, JOURNEY, runs=0)


def test_two_ways_to_the_reference_agree_but_for_chance_and_bands(area):
    scenario, parameters, _, by_runs = area
    by_field = mean_course(scenario, parameters, JOURNEY)
    home = JOURNEY.state_index["at_home"]
    assert by_field.n_weeks == by_runs.n_weeks == scenario.n_weeks
    assert by_field.stocks[:, home] == pytest.approx(by_runs.stocks[:, home], rel=0.12)
    assert by_field.digest != by_runs.digest


def test_on_average_behaviours_leave_an_area_where_it_is(area):
    """A run departs from the mean both ways, so the mean of runs with behaviours stays near the reference."""
    scenario, _, _, reference = area
    care = [JOURNEY.state_index[s] for s in JOURNEY.states_of("care")]
    ratio = []
    for seed in range(8):
        run = run_of(area, SHIPPED, seed, log=False)
        ratio.append(run.stocks[104:-1, care].sum() / reference.stocks[105:, care].sum())
    assert np.mean(ratio) == pytest.approx(1, abs=4 * max(np.std(ratio), 0.02) / np.sqrt(len(ratio)))
    assert scenario.n_weeks == 520


@pytest.mark.slow
def test_in_simulated_runs_the_gain_is_that_of_classic_system_dynamics():
    """A tenth more referrals in an area of 156,000 children: twelve runs each, of the same seeds."""
    scenario, parameters = area_of(156_000), bench_parameters()
    reference = simulated_course(scenario, parameters, JOURNEY, workers=2)
    workers = workforce_of("E10000007")
    care = [JOURNEY.state_index[s] for s in JOURNEY.states_of("care")]

    def looked_after(behaviours, *shocks):
        runs = simulate_many(
            scenario, parameters, range(12), JOURNEY, workers=2, log=False,
            system=lambda: care_system(JOURNEY, behaviours, reference, workers, shocks),
        )  # fmt: skip
        return np.mean([run.stocks[-1, care].sum() for run in runs])

    more = Demand(("was_referred",), 1.1)
    on = looked_after(SHIPPED, more) / looked_after(SHIPPED) - 1
    off = looked_after(SHIPPED.none(), more) / looked_after(SHIPPED.none()) - 1
    expected = gains(classic_case(scenario, parameters, JOURNEY), SHIPPED, workers, each=False).gain
    # Either response is known to about a hundredth of those looked after.
    assert on / off == pytest.approx(expected, abs=0.25)
    assert on > off > 0.05
