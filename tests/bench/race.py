"""Engines side by side on the same children, in alternating rounds; each run is also a sample for the comparison.

What is timed is a run: from children and tables that stand ready to the whole log and weekly stocks in memory. Making
the children is left out for all. Making a rival's own objects (agents, arrays, a first plan of events) is timed apart,
and so is left out of its ratio; ours has nothing of the kind to leave out but for Mesa's own model around it.

Each engine runs on one thread and is timed in seconds of processor, not of the clock: a long run cannot choose a quiet
moment, as the best of several short ones can, and would look slower than it is on a busy machine.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import mesa
import numpy as np

from abm.journey import JOURNEY
from abm.mesa_model import CareModel
from abm.parameters import Parameters
from abm.population import Population, make_population
from abm.prepared import prepare
from abm.scenario import Scenario
from abm.simulate import simulate
from tests.bench.agreement import Agreement, check_told, compare, told_of
from tests.bench.rivals import mesa_events, starsim_dense
from tests.bench.rivals.lookup import Lookup, Told, make_lookup, without_bands
from tests.bench.rivals.mesa_agents import MesaAgents
from tests.bench.rivals.mesa_events import MesaEvents
from tests.bench.rivals.numpy_dense import NumpyDense
from tests.bench.rivals.numpy_events import NumpyEvents
from tests.bench.rivals.starsim_dense import StarsimDense

OURS, OURS_IN_MESA = "ours: simulate", "ours: CareModel, week by week"
MESA, MESA_EVENTS = "Mesa, agents", "Mesa, scheduled events"
DENSE, EVENTS, STARSIM = "numpy, dense", "numpy, event driven", "Starsim"
RIVALS: dict[str, Any] = {
    MESA: MesaAgents, MESA_EVENTS: MesaEvents, STARSIM: StarsimDense, DENSE: NumpyDense, EVENTS: NumpyEvents,
}  # fmt: skip

ENOUGH, OFTEN = 1.0, 10
"""In each round an engine runs until it has run for so many seconds, but at most so often."""


class Size(NamedTuple):
    """So many children on day one, for so many weeks, by these rivals, in so many rounds."""

    children: int
    weeks: int
    rivals: tuple[str, ...]
    rounds: int
    reference_runs: int


@dataclass
class Timed:
    """The best time of an engine at one size: seconds to make it and to run it."""

    making: float = float("inf")
    running: float = float("inf")
    told: list[Told] = field(default_factory=list)


@dataclass
class Result:
    """What came of one size: child-weeks and events of a run of ours, times, and how each rival agrees with ours."""

    size: Size
    child_weeks: float
    events: float
    times: dict[str, Timed]
    agreements: dict[str, Agreement]
    planted: Agreement

    def ratio(self, name: str) -> float:
        """Return how many times as long as ours an engine takes."""
        return self.times[name].running / self.times[OURS].running

    def nanoseconds(self, name: str) -> float:
        """Return nanoseconds per child-week."""
        return self.times[name].running / self.child_weeks * 1e9


def versions() -> dict[str, str]:
    """Return what stands behind each rival, in words."""
    starsim = "not installed, so left out"
    if starsim_dense.INSTALLED:
        import starsim

        starsim = f"Starsim {starsim.__version__}: its arrays, its loop, its draws"
    return {
        OURS: "every draw keyed, the log in order",
        OURS_IN_MESA: f"Mesa {mesa.__version__}: the same engine, a step a week, DataCollector",
        MESA: f"Mesa {mesa.__version__}: one agent per child, shuffle_do, DataCollector",
        MESA_EVENTS: f"Mesa {mesa.__version__}: {mesa_events.how()}",
        STARSIM: starsim,
        DENSE: f"numpy {np.__version__}: every child every week",
        EVENTS: f"numpy {np.__version__}: next events sampled ahead, in batches",
    }


def usable(names: Sequence[str]) -> tuple[str, ...]:
    """Return those rivals that are installed."""
    return tuple(name for name in names if name != STARSIM or starsim_dense.INSTALLED)


def race(size: Size, scenario: Scenario, parameters: Parameters, say: Callable[[str], None]) -> Result:
    """Let all engines run at one size."""
    prepared, lookup = prepare(parameters, JOURNEY), make_lookup(JOURNEY, parameters)
    population = make_population(scenario, 1, JOURNEY)
    names = (OURS, OURS_IN_MESA, *usable(size.rivals))
    times = {name: Timed() for name in names}

    def engine(name: str, seed: int) -> Callable[[], Any]:
        if name == OURS:
            return lambda: simulate(scenario, parameters, seed, JOURNEY, prepared=prepared, population=population)
        if name == OURS_IN_MESA:
            return _care_model(scenario, parameters, population, seed)
        return RIVALS[name](lookup, population, size.weeks, seed).run

    engine(OURS, 0)()
    for turn in range(size.rounds):
        for name in names:
            say(f"{size.children:,} children: round {turn + 1} of {size.rounds}, {name}")
            # What is short runs more often, so that its best is a best of more.
            spent, again = 0.0, 0
            while spent < ENOUGH and again < OFTEN:
                spent += _time(times[name], partial(engine, name, 1_000 + 10 * turn + again))
                again += 1
    ours = times[OURS].told
    for seed in range(2_000, 2_000 + size.reference_runs - len(ours)):
        ours.append(told_of(engine(OURS, seed)()))
    rivals = {name: times[name].told for name in names if name not in (OURS, OURS_IN_MESA)}
    for told in (runs[0] for runs in rivals.values()):
        check_told(JOURNEY, population, told)
    agreements = {name: compare(JOURNEY, population, runs, ours) for name, runs in rivals.items()}
    planted = _planted(lookup, population, size, ours)
    gone = lookup.gone
    child_weeks = float(np.mean([run.stocks[:, ~gone].sum() for run in ours]))
    events = float(np.mean([len(run.edge) for run in ours]))
    for timed in times.values():
        timed.told = []
    return Result(size, child_weeks, events, times, agreements, planted)


def _time(timed: Timed, make: Callable[[], Callable[[], Any]]) -> float:
    """Make an engine and let it run, and return the seconds of the run."""
    gc.collect()
    began = time.process_time()
    run = make()
    made = time.process_time()
    done = run()
    ended = time.process_time()
    timed.making = min(timed.making, made - began)
    timed.running = min(timed.running, ended - made)
    if done is not None:
        timed.told.append(done if isinstance(done, Told) else told_of(done))
    return ended - made


def _care_model(scenario: Scenario, parameters: Parameters, population: Population, seed: int) -> Callable[[], None]:
    model = CareModel(scenario=scenario, parameters=parameters, journey=JOURNEY, population=population, rng=seed)

    def run() -> None:
        for _ in range(scenario.n_weeks):
            model.step()

    return run


def _planted(lookup: Lookup, population: Population, size: Size, ours: Sequence[Told]) -> Agreement:
    """Return how a rival agrees that ignores bands of time: it must not."""
    faulty = [NumpyEvents(without_bands(lookup), population, size.weeks, seed).run() for seed in range(2)]
    return compare(JOURNEY, population, faulty, ours)
