"""The model of one area, a week a step, for Mesa."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mesa
import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.errors import CareError, did_you_mean
from abm.events import events_frame
from abm.factors import System
from abm.mesa_model.agents import AgentEngine, ChildAgent, FamilyAgent
from abm.mesa_model.sets import ArrayAgentSet
from abm.parameters import Parameters
from abm.pathway import Journey
from abm.places_rules import Supply
from abm.population import Population, make_population
from abm.prepared import prepare
from abm.run import Run
from abm.scenario import Scenario
from abm.simulate import Engine

ENGINES = ("arrays", "agents")


class _TimedModel(mesa.Model):
    """What Mesa 3.5 offers and Mesa 3.3 does not: `time`, `run_for` and `run_until`."""

    @property
    def time(self) -> float:
        """Weeks stepped so far."""
        return float(self.steps)

    def run_for(self, duration: float) -> None:
        """Step for some weeks."""
        self.run_until(self.time + duration)

    def run_until(self, end_time: float) -> None:
        """Step until a week."""
        while self.time + 1 <= end_time:
            self.step()


_Model: Any = mesa.Model if hasattr(mesa.Model, "run_until") else _TimedModel


def seed_from(rng: Any) -> int:
    """Return the seed of our keyed draws: a whole number as it is; from anything else that Mesa takes, one number.

    numpy's generator is used for this one number alone, as Mesa's users bring it: a generator of theirs, a sequence of
    numbers, or nothing for a seed of its own.
    """
    if isinstance(rng, (int, np.integer)):
        return int(rng)
    try:
        return int(np.random.default_rng(rng).integers(1 << 62))
    except (TypeError, ValueError) as error:
        raise CareError(f"No seed can be made of the rng {rng!r}", remedy="Give a whole number") from error


class CareModel(_Model):
    """Children's journeys in one area, a week a step.

    Parameters
    ----------
    scenario, parameters, journey
        What `abm.simulate.simulate` is given; `calibration` makes the first two for an area.
    engine
        "arrays": compiled loops, agents are views. "agents": each child's plain Python step.
    population
        Children to use instead of those of the scenario's plan.
    system
        What answers to the area's stocks and flows once a week, from its beginning.
    places
        The homes there are, if these are limited.
    model_reporters, agent_reporters
        Reporters for the data collector beside the children in each state, as Mesa takes them. Report single numbers:
        Mesa copies every value.
    rng
        The seed of all luck, a whole number of at most 64 bits; what else Mesa takes is turned into one. The same
        number gives the same events as `simulate`.

    Errors
    ------
    CareError
        For an unknown engine, or what `simulate` refuses.
    """

    def __init__(
        self,
        *,
        scenario: Scenario,
        parameters: Parameters,
        journey: Journey,
        engine: str = "arrays",
        population: Population | None = None,
        system: System | None = None,
        places: Supply | None = None,
        model_reporters: Mapping[str, Any] | None = None,
        agent_reporters: Mapping[str, Any] | None = None,
        rng: Any = None,
    ) -> None:
        if engine not in ENGINES:
            raise CareError(
                f"There is no engine '{engine}'", remedy=f"{did_you_mean(engine, ENGINES)}Use {' or '.join(ENGINES)}"
            )
        self.key = seed_from(rng)
        self.engine = engine
        prepared = prepare(parameters, journey, places)
        if population is None:
            population = make_population(scenario, self.key, journey)
        kind = Engine if engine == "arrays" else AgentEngine
        self.run: Engine = kind(
            prepared, population, scenario.n_weeks, self.key, area=scenario.area_code, system=system,
            sample=scenario.sample,
        )  # fmt: skip
        self.journey = journey
        self.area = scenario
        self.state_keys: NDArray[np.str_] = np.array([state.key for state in journey.states])
        families = np.argsort(population.family, kind="stable")
        first = np.flatnonzero(np.diff(population.family[families], prepend=-1))
        self.members = np.split(families, first[1:])
        self._counted_at, self._counted = (-1, -1), np.zeros(0, np.int64)
        super().__init__(rng=self.key)
        counts = {f"children: {key}": _count(code) for code, key in enumerate(self.state_keys)}
        self.datacollector = mesa.DataCollector(
            model_reporters={**counts, **(model_reporters or {})}, agent_reporters=dict(agent_reporters or {})
        )

    @property
    def week(self) -> int:
        """The week that the next step simulates; before it, that many weeks have passed."""
        return self.run.week

    @property
    def agents(self) -> ArrayAgentSet:
        """The children; families are in `agents_by_type`."""
        return ArrayAgentSet(self, ChildAgent, np.arange(len(self.run.population)))

    @property
    def agents_by_type(self) -> dict[type, ArrayAgentSet]:
        """Children and families, each as a set."""
        return {ChildAgent: self.agents, FamilyAgent: ArrayAgentSet(self, FamilyAgent, np.arange(len(self.members)))}

    @property
    def agent_types(self) -> list[type]:
        """The kinds of agents."""
        return [ChildAgent, FamilyAgent]

    @property
    def stocks(self) -> NDArray[np.int64]:
        """Children in each state now, int64[S]."""
        # Nobody changes state without a row in the log, so children are counted once a week, not once a reporter.
        now = self.run.week, self.run._n_rows
        if self._counted_at != now:
            self._counted_at = now
            self._counted = np.bincount(self.run.people.state, minlength=self.state_keys.size)
        return self._counted.copy()

    @property
    def events(self) -> pl.DataFrame:
        """The events so far, as in `Run.events`."""
        return events_frame(self.journey, self.run.rows())

    def step(self) -> None:
        """Simulate one week; after the scenario's last week nothing more happens and `running` is False."""
        if self.run.week < self.run.n_weeks:
            if self.engine == "arrays":
                self.run.advance(1)
            else:
                assert isinstance(self.run, AgentEngine)
                self.run.begin_week()
                self.agents.do("step")
                if self.run.families is not None:
                    self.agents_by_type[FamilyAgent].do("step")
                self.run.find_homes()
                if self.run.families is not None:
                    self.agents_by_type[FamilyAgent].do("end_week")
                self.run.week += 1
            self.datacollector.collect(self)
        self.running = self.run.week < self.run.n_weeks

    def result(self) -> Run:
        """Return the finished run, as `simulate` gives it."""
        if self.run.week < self.run.n_weeks:
            raise CareError(
                f"The model is at week {self.run.week} of {self.run.n_weeks}",
                remedy="Step to the end (run_model) first",
            )
        return self.run.run(self.area)


def _count(code: int) -> Callable[[CareModel], int]:
    return lambda model: int(model.stocks[code])
