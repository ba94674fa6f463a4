"""The rivals of the bench do the declared journey, and the comparison that says so can fail."""

from dataclasses import replace

import numpy as np
import pytest

from abm.journey import JOURNEY
from abm.pathway import N_GROUPS, N_HISTORIES, UNACCOMPANIED_GROUP
from abm.population import make_population
from abm.prepared import prepare
from abm.simulate import simulate
from tests.abm.toys import busy_parameters, small_area
from tests.bench.agreement import check_told, compare, told_of
from tests.bench.rivals.lookup import FAULTS, make_lookup
from tests.bench.rivals.mesa_agents import MesaAgents
from tests.bench.rivals.mesa_events import MesaEvents
from tests.bench.rivals.numpy_dense import NumpyDense
from tests.bench.rivals.numpy_events import NumpyEvents

N_CHILDREN, N_WEEKS = 2_000, 130
IN_CARE_OR_ON_A_PLAN = 0.8


def telling_parameters():
    """Made-up rates that rise with time already spent and with history, so that overlooking either shows."""
    busy = busy_parameters()
    bands = np.linspace(0.2, 2.0, busy.rates.shape[2])
    group = np.arange(N_GROUPS)
    histories = np.where(group < UNACCOMPANIED_GROUP, 0.5 + group % N_HISTORIES, 1.0)
    return replace(busy, rates=busy.rates * histories[:, None] * bands)


@pytest.fixture(scope="module")
def toy():
    """A made-up area with most children in the system: those children, the look-up tables, 24 runs of ours."""
    scenario, parameters = small_area(N_CHILDREN, N_WEEKS), telling_parameters()
    start = scenario.day_one
    home = start.state == JOURNEY.state_index["at_home"]
    weight = np.where(home, 1 - IN_CARE_OR_ON_A_PLAN, IN_CARE_OR_ON_A_PLAN) / np.where(home, home.sum(), (~home).sum())
    scenario = replace(scenario, day_one=replace(start, chance=np.broadcast_to(weight, start.chance.shape)))
    population, prepared = make_population(scenario, 1, JOURNEY), prepare(parameters, JOURNEY)
    ours = [
        told_of(simulate(scenario, parameters, seed, JOURNEY, prepared=prepared, population=population))
        for seed in range(100, 124)
    ]
    return population, make_lookup(JOURNEY, parameters), ours


@pytest.mark.parametrize(("engine", "n_runs"), [(NumpyDense, 6), (NumpyEvents, 6), (MesaAgents, 1), (MesaEvents, 1)])
def test_a_rival_does_the_declared_journey(toy, engine, n_runs):
    population, lookup, ours = toy
    runs = [engine(lookup, population, N_WEEKS, seed).run() for seed in range(n_runs)]
    for run in runs:
        check_told(JOURNEY, population, run)
    found = compare(JOURNEY, population, runs, ours)
    assert found.holds, f"{engine.__name__}: {found}"
    assert found.cells > 400


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(toy, fault):
    population, lookup, ours = toy
    runs = [NumpyEvents(FAULTS[fault](lookup), population, N_WEEKS, seed).run() for seed in range(20)]
    found = compare(JOURNEY, population, runs, ours)
    assert not found.holds, f"a rival that {fault} was not found: {found}"


def test_a_log_that_does_not_chain_is_found(toy):
    population, _, ours = toy
    edge, source = np.asarray(ours[0].edge).copy(), JOURNEY.tables.source
    middle = len(edge) // 2
    edge[middle] = np.flatnonzero(source != source[edge[middle]])[0]
    with pytest.raises(Exception, match="does not begin in the state"):
        check_told(JOURNEY, population, ours[0]._replace(edge=edge))


def test_stocks_that_are_not_those_of_the_log_are_found(toy):
    population, _, ours = toy
    stocks = ours[0].stocks.copy()
    stocks[5, :2] += (1, -1)
    with pytest.raises(Exception, match="does not give the stocks"):
        check_told(JOURNEY, population, ours[0]._replace(stocks=stocks))
