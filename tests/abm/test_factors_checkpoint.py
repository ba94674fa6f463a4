"""Checkpoints and forks of runs that have a system."""

from dataclasses import replace

import numpy as np
import pytest

from abm.checkpoint import begin, load_checkpoint, save_checkpoint
from abm.errors import CareError
from abm.factors import UNIT
from abm.forks import fork
from abm.journey import JOURNEY
from abm.pathway import N_HISTORIES
from abm.prepared import prepare
from tests.abm.toys import busy_parameters, small_area

SHAPE = (len(JOURNEY.transitions), N_HISTORIES)


class Remembers:
    """A system whose factors rest on all it has seen: referrals add to a load that fades."""

    names = ("load", "weeks")
    limits = np.full(SHAPE, 4 * UNIT, np.int64)

    def __init__(self, strength=1.0):
        self.strength, self.conditions = strength, np.zeros(2)

    def factors(self, week, stocks, flows):
        load = 0.9 * self.conditions[0] + flows.sum()
        self.conditions = np.array([load, self.conditions[1] + 1])
        answer = np.full(SHAPE, UNIT, np.int64)
        answer[::3] = min(4 * UNIT, int(UNIT * (1 + self.strength * load / 40)))
        return answer


@pytest.fixture(scope="module")
def area():
    return small_area(400, 120), prepare(busy_parameters(), JOURNEY)


def finished(engine, scenario, weeks=9):
    while engine.week < engine.n_weeks:
        engine.advance(weeks)
    return engine.run(scenario)


@pytest.mark.parametrize("week", [0, 1, 37, 119])
def test_a_run_goes_on_with_its_system_as_if_nothing_had_been(area, tmp_path, week):
    scenario, prepared = area
    whole = finished(begin(scenario, prepared, 5, system=Remembers()), scenario)
    engine = begin(scenario, prepared, 5, system=Remembers())
    engine.advance(week)
    save_checkpoint(engine, scenario, tmp_path / "kept")
    again = load_checkpoint(tmp_path / "kept", scenario, prepared, Remembers())
    forked = finished(fork(engine, prepared, Remembers()), scenario)
    for run in (finished(again, scenario), forked):
        assert run.digest == whole.digest
        assert np.array_equal(run.environment.factors, whole.environment.factors)
        assert np.array_equal(run.environment.conditions, whole.environment.conditions)
        assert run.options().equals(whole.options())


def test_a_fork_into_another_system_shares_the_past(area):
    scenario, prepared = area
    engine = begin(scenario, prepared, 5, system=Remembers())
    engine.advance(60)
    other = finished(fork(engine, prepared, Remembers(strength=0.0)), scenario)
    same = finished(engine, scenario)
    assert np.array_equal(other.environment.factors[:60], same.environment.factors[:60])
    assert (other.environment.factors[60:] == UNIT).all()
    assert other.digest != same.digest
    assert np.array_equal(other.flows[:60], same.flows[:60])


def test_a_system_that_does_not_belong_is_refused(area, tmp_path):
    scenario, prepared = area
    coupled, plain = begin(scenario, prepared, 5, system=Remembers()), begin(scenario, prepared, 5)
    stranger = Remembers()
    stranger.names = ("load",)
    for path, engine in ((tmp_path / "coupled", coupled), (tmp_path / "plain", plain)):
        engine.advance(3)
        save_checkpoint(engine, scenario, path)
    for system in (None, stranger):
        with pytest.raises(CareError, match="a system with the conditions load, weeks"):
            load_checkpoint(tmp_path / "coupled", scenario, prepared, system)
        with pytest.raises(CareError, match="a system with the conditions load, weeks"):
            fork(coupled, prepared, system)
    with pytest.raises(CareError, match="has no system"):
        load_checkpoint(tmp_path / "plain", scenario, prepared, Remembers())
    with pytest.raises(CareError, match="has no system"):
        fork(plain, prepared, Remembers())


def test_what_else_could_have_happened_is_not_made_up_after_a_fork_into_other_parameters(area):
    scenario, prepared = area
    engine = begin(scenario, prepared, 5, system=Remembers())
    engine.advance(30)
    slower = busy_parameters()
    there = prepare(replace(slower, multipliers=slower.multipliers / 2), JOURNEY)
    run = finished(fork(engine, there, Remembers()), scenario)
    with pytest.raises(CareError, match="before week 30 is not known"):
        run.options()


def test_rates_that_give_the_same_thresholds_are_told_apart(area, tmp_path):
    """Under factors the rates decide too: two that are certain by themselves are not alike at a hundredth."""
    scenario, _ = area
    some = busy_parameters()
    rates = [some.rates.copy(), some.rates.copy()]
    for k, rate in enumerate((3_000.0, 9_000.0)):
        rates[k][JOURNEY.edges_of("early_help_ended")] = rate
    one, other = (prepare(replace(some, rates=each), JOURNEY) for each in rates)
    assert np.array_equal(one.thresholds, other.thresholds)
    save_checkpoint(begin(scenario, one, 5, system=Remembers()), scenario, tmp_path / "kept")
    load_checkpoint(tmp_path / "kept", scenario, one, Remembers())
    with pytest.raises(CareError, match="other parameters"):
        load_checkpoint(tmp_path / "kept", scenario, other, Remembers())
    wider = Remembers()
    wider.limits = np.full(SHAPE, 5 * UNIT, np.int64)
    with pytest.raises(CareError, match="other limits"):
        load_checkpoint(tmp_path / "kept", scenario, one, wider)
    save_checkpoint(begin(scenario, one, 5), scenario, tmp_path / "plain")
    load_checkpoint(tmp_path / "plain", scenario, other)  # without a system they are the same
