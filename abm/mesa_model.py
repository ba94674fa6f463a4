"""The same model for people who know Mesa: CareModel, its children and families as agents, batch runs.

With engine "arrays" (the usual one) the compiled loops step all children at once and the agents are light views of
their rows. With engine "agents" each child's own plain Python step does it: the readable form of the compiled loop,
with the same events, row for row. Works on Mesa 3.3 (Python 3.11) and 3.5 (Python 3.12 and later).
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import mesa
import numpy as np
import polars as pl
from mesa.agent import Agent, AgentSet
from mesa.batchrunner import batch_run as mesa_batch_run
from numpy.typing import NDArray

from abm.draws import word
from abm.errors import CareError, did_you_mean
from abm.events import Rows, events_frame, take
from abm.parameters import CERTAIN, Parameters
from abm.pathway import AGE_EDGES_WEEKS, WEEKS_PER_YEAR, WEEKS_TO_18, Journey, group_of, unaccompanied_group
from abm.population import Population, make_population
from abm.scenario import Scenario
from abm.simulate import Engine, Run, prepare

try:
    from mesa.agentset import GroupBy
except ImportError:  # Mesa 3.3
    from mesa.agent import GroupBy

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
        model_reporters: Mapping[str, Any] | None = None,
        agent_reporters: Mapping[str, Any] | None = None,
        rng: Any = None,
    ) -> None:
        if engine not in ENGINES:
            raise CareError(
                f"There is no engine '{engine}'", remedy=f"{did_you_mean(engine, ENGINES)}Use {' or '.join(ENGINES)}"
            )
        if isinstance(rng, (int, np.integer)):
            self.key = int(rng)
        else:
            self.key = int(np.random.default_rng(rng).integers(1 << 62))
        self.engine = engine
        prepared = prepare(parameters, journey)
        if population is None:
            population = make_population(scenario, self.key, journey)
        kind = Engine if engine == "arrays" else AgentEngine
        self.run = kind(prepared, population, scenario.n_weeks, self.key)
        self.journey = journey
        self.area = scenario
        self.state_keys = np.array([state.key for state in journey.states])
        families = np.argsort(population.family, kind="stable")
        first = np.flatnonzero(np.diff(population.family[families], prepend=-1))
        self._members = np.split(families, first[1:])
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
        return {ChildAgent: self.agents, FamilyAgent: ArrayAgentSet(self, FamilyAgent, np.arange(len(self._members)))}

    @property
    def agent_types(self) -> list[type]:
        """The kinds of agents."""
        return [ChildAgent, FamilyAgent]

    @property
    def stocks(self) -> NDArray[np.int64]:
        """Children in each state now, int64[S]."""
        return np.bincount(self.run.people.state, minlength=self.state_keys.size)

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
                self.agents.do("step")
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


class AgentEngine(Engine):
    """A run whose events are told by the agents, one at a time and in any order within a week."""

    def record(self, child: int, step: int, edge: int, threshold: int, draw: int) -> None:
        """Add one event of this week to the log and the flows."""
        if self._n_rows == self._rows.child.size:
            self._grow()
        rows, at = self._rows, self._n_rows
        rows.child[at], rows.week[at], rows.step[at] = child, self.week, step
        rows.edge[at], rows.threshold[at], rows.draw[at] = edge, threshold, draw
        self._n_rows += 1
        self.flows[self.week, edge] += 1

    def rows(self) -> Rows:
        """Return the log so far in its canonical order: week, child, step."""
        rows = take(self._rows, slice(self._n_rows))
        return take(rows, np.lexsort((rows.step, rows.child, rows.week)))


class _View(Agent):
    """An agent that is a view of a row: made when asked for, equal to any other view of the same row."""

    model: CareModel
    row: int

    def __init__(self, model: CareModel, row: int) -> None:
        # Not registered with Mesa, which would keep an object for every child.
        self.__dict__.update(model=model, row=int(row), unique_id=int(row), pos=None)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _View) or type(other) is not type(self):
            return False
        return other.model is self.model and other.row == self.row

    def __hash__(self) -> int:
        return hash((type(self), self.row))

    def __setattr__(self, name: str, value: object) -> None:
        raise CareError(
            f"'{name}' of an agent cannot be set: agents are views of the model's arrays",
            remedy="Keep numbers of your own in a dict by `unique_id`",
        )

    def remove(self) -> None:
        """Refuse: children leave by the events of their journey."""
        raise CareError("An agent cannot be removed", remedy="Children leave by the events of their journey")


class ChildAgent(_View):
    """A child: a view of one row. `unique_id` is the child's number in the event log."""

    @property
    def state(self) -> str:
        """The state the child is in, by its key."""
        return str(_CHILD["state"](self.model, self.row))

    @property
    def history(self) -> int:
        """0 none, 1 referred before, 2 planned for or looked after before."""
        return int(_CHILD["history"](self.model, self.row))

    @property
    def age_weeks(self) -> int:
        """Age in weeks at the next step; negative before birth."""
        return int(_CHILD["age_weeks"](self.model, self.row))

    @property
    def weeks_on_clock(self) -> int:
        """Completed weeks on the clock of the child's state at the next step."""
        return int(_CHILD["weeks_on_clock"](self.model, self.row))

    @property
    def risk(self) -> int:
        """Risk class of the family, from 0 (low) to 3 (high)."""
        return int(_CHILD["risk"](self.model, self.row))

    @property
    def sex(self) -> int:
        """0 female, 1 male."""
        return int(_CHILD["sex"](self.model, self.row))

    @property
    def uasc(self) -> bool:
        """Whether the child came to the country alone."""
        return bool(_CHILD["uasc"](self.model, self.row))

    @property
    def family(self) -> FamilyAgent:
        """The child's family."""
        return FamilyAgent(self.model, self.model.run.population.family[self.row])

    def step(self) -> None:
        """Live through this week: at most one event by plan, birthday or chance, then what follows at once.

        The readable form of `abm.kernels.advance_span`, in plain whole numbers.
        """
        run, tables = self.model.run, self.model.journey.tables
        if not isinstance(run, AgentEngine):
            raise CareError(
                "A child's own step needs CareModel(engine='agents')", remedy="Here, model.step() steps all children"
            )
        people, i, week = run.people, self.row, run.week
        if people.enter_edge[i] >= 0 and week < people.enter_week[i]:
            return
        state, history, since = int(people.state[i]), int(people.history[i]), int(people.since[i])
        group = self._group()
        event = self._planned(state) or self._by_chance(state, since, group)
        step = 0
        while event is not None:
            edge, threshold, draw = event
            run.record(self.row, step, edge, threshold, draw)
            target = int(tables.target[edge])
            if tables.clock[target] != tables.clock[state]:
                since = week - int(tables.clock_at[edge])
            history = max(history, int(tables.history[edge]))
            state = target
            step += 1
            event = self._outcome(state, group) if tables.at_once[state] else None
        people.state[i], people.history[i], people.since[i] = state, history, since

    def _group(self) -> int:
        """Return the group whose chances the child has this week."""
        band = sum(self.age_weeks >= first for first in AGE_EDGES_WEEKS[1:-1])
        return unaccompanied_group(band) if self.uasc else group_of(band, self.risk, self.history)

    def _planned(self, state: int) -> tuple[int, int, int] | None:
        """Return the event that this week's date decides: entry, then the 18th birthday, then a planned move away."""
        run = self.model.run
        people, edges, i = run.people, run.prepared.edges, self.row
        if people.enter_edge[i] >= 0 and run.week == people.enter_week[i]:
            return int(people.enter_edge[i]), CERTAIN, 0
        if self.age_weeks >= WEEKS_TO_18 and edges.birthday[state] >= 0:
            return int(edges.birthday[state]), CERTAIN, 0
        if run.week == people.leave_week[i] and edges.departure[state] >= 0:
            return int(edges.departure[state]), CERTAIN, 0
        return None

    def _chance(self, edge: int, group: int, band: int) -> tuple[int, int]:
        """Return an edge's threshold this week and its draw."""
        run = self.model.run
        by_year = run.prepared.thresholds
        threshold = by_year[min(run.week // WEEKS_PER_YEAR, len(by_year) - 1), edge, group, band]
        purpose = int(self.model.journey.tables.purpose[edge])
        return int(threshold), word(run.seed, int(run.people.child[self.row]), run.week, purpose)

    def _by_chance(self, state: int, since: int, group: int) -> tuple[int, int, int] | None:
        """Return the weekly event that fires; of several, that with the smallest draw in proportion to its chance."""
        tables = self.model.journey.tables
        clock = self.model.run.week - since - 1
        band = int(tables.band[state, min(clock, tables.band.shape[1] - 1)])
        taken = None
        for edge in range(tables.first[state], tables.first[state + 1]):
            if tables.weekly[edge]:
                threshold, draw = self._chance(edge, group, band)
                if draw < threshold and (taken is None or draw * taken[1] < taken[2] * threshold):
                    taken = (edge, threshold, draw)
        return taken

    def _outcome(self, state: int, group: int) -> tuple[int, int, int]:
        """Return what follows at once: the first outcome that fires, each given that none before it did."""
        tables = self.model.journey.tables
        for edge in range(tables.first[state], tables.first[state + 1]):
            if tables.outcome[edge]:
                threshold, draw = self._chance(edge, group, 0)
                if draw < threshold:
                    return edge, threshold, draw
        raise self.model.run.nothing_follows(state, group, self.row)


class FamilyAgent(_View):
    """A family: brothers and sisters who share a home and its risk. `unique_id` is the family's number."""

    @property
    def children(self) -> list[ChildAgent]:
        """The family's children, also those not born yet, in the order of their numbers."""
        return [ChildAgent(self.model, row) for row in self.model._members[self.row]]

    @property
    def size(self) -> int:
        """Number of children."""
        return len(self.model._members[self.row])

    @property
    def risk(self) -> int:
        """Risk class, from 0 (low) to 3 (high)."""
        return int(self.model.run.people.risk[self.model._members[self.row][0]])

    def step(self) -> None:
        """Do nothing: what happens to a family happens to its children."""


_CHILD: dict[str, Callable[[CareModel, Any], Any]] = {
    "unique_id": lambda model, rows: model.run.people.child[rows],
    "state": lambda model, rows: model.state_keys[model.run.people.state[rows]],
    "history": lambda model, rows: model.run.people.history[rows],
    "age_weeks": lambda model, rows: model.run.week - model.run.people.birth_week[rows],
    "weeks_on_clock": lambda model, rows: model.run.week - model.run.people.since[rows] - 1,
    "risk": lambda model, rows: model.run.people.risk[rows],
    "sex": lambda model, rows: model.run.population.sex[rows],
    "uasc": lambda model, rows: model.run.people.uasc[rows],
}
"""What can be read of a child (row a number) or of many at once (rows an array)."""


class ArrayAgentSet(AgentSet):
    """An AgentSet over rows of arrays: views are made as they are asked for, columns are read whole.

    Mesa's own keeps weak references to its agents, under which views would vanish.
    """

    def __init__(self, model: CareModel, kind: type[_View], rows: NDArray[np.int64]) -> None:
        self.model, self.kind, self.rows, self.random = model, kind, rows, model.random

    def _with(self, rows: NDArray[np.int64], inplace: bool = False) -> ArrayAgentSet:
        if not inplace:
            return ArrayAgentSet(self.model, self.kind, rows)
        self.rows = rows
        return self

    def __len__(self) -> int:
        """Return the number of agents."""
        return int(self.rows.size)

    def __iter__(self) -> Iterator[_View]:
        """Go through the agents in order."""
        return (self.kind(self.model, row) for row in self.rows)

    def __contains__(self, agent: object) -> bool:
        """Tell whether an agent is in the set."""
        if not isinstance(agent, self.kind) or agent.model is not self.model:
            return False
        return bool((self.rows == agent.row).any())

    def __getitem__(self, item: Any) -> Any:
        """Return an agent, or a list of them for a slice."""
        return self.to_list()[item] if isinstance(item, slice) else self.kind(self.model, self.rows[item])

    def __copy__(self) -> ArrayAgentSet:
        """Return a set of the same agents."""
        return self._with(self.rows)

    def to_list(self) -> list[_View]:
        """Return the agents as a list."""
        return list(self)

    def get(self, attr_names: str | list[str], handle_missing: str = "error", default_value: Any = None) -> list[Any]:
        """Return an attribute of each agent, or a list of attributes of each."""
        if isinstance(attr_names, str):
            if self.kind is ChildAgent and attr_names in _CHILD:
                values: list[Any] = _CHILD[attr_names](self.model, self.rows).tolist()
                return values
            if handle_missing == "error":
                return [getattr(agent, attr_names) for agent in self]
            if handle_missing == "default":
                return [getattr(agent, attr_names, default_value) for agent in self]
            raise ValueError(f"Unknown handle_missing option: {handle_missing}, should be 'error' or 'default'")
        columns = [self.get(name, handle_missing, default_value) for name in attr_names]
        return [list(row) for row in zip(*columns, strict=True)]

    def set(self, attr_name: str, value: Any) -> ArrayAgentSet:
        """Set an attribute of each agent: refused, as agents are views."""
        return self.do(setattr, attr_name, value)

    def agg(self, attribute: str, func: Callable[..., Any] | Iterable[Callable[..., Any]]) -> Any:
        """Return a function, or a list of functions, of an attribute of all agents."""
        values = self.get(attribute)
        return func(values) if callable(func) else [f(values) for f in func]

    def map(self, method: str | Callable[..., Any], *args: Any, **kwargs: Any) -> list[Any]:
        """Call a method of each agent, or a function on it, and return the results."""
        if isinstance(method, str):
            return [getattr(agent, method)(*args, **kwargs) for agent in self]
        return [method(agent, *args, **kwargs) for agent in self]

    def do(self, method: str | Callable[..., Any], *args: Any, **kwargs: Any) -> ArrayAgentSet:
        """Call a method of each agent, or a function on it."""
        self.map(method, *args, **kwargs)
        return self

    def shuffle(self, inplace: bool = False) -> ArrayAgentSet:
        """Return the agents in a random order, drawn from the model's `random`."""
        rows = self.rows.tolist()
        self.random.shuffle(rows)
        return self._with(np.array(rows, np.int64), inplace)

    def shuffle_do(self, method: str | Callable[..., Any], *args: Any, **kwargs: Any) -> ArrayAgentSet:
        """Call a method of each agent in a random order; it changes no result, as all luck is keyed."""
        self.shuffle().do(method, *args, **kwargs)
        return self

    def sort(self, key: Callable[[Any], Any] | str, ascending: bool = False, inplace: bool = False) -> ArrayAgentSet:
        """Return the agents in the order of an attribute or a function."""
        values = self.get(key) if isinstance(key, str) else [key(agent) for agent in self]
        order = sorted(range(len(values)), key=values.__getitem__, reverse=not ascending)
        return self._with(self.rows[order], inplace)

    def select(
        self,
        filter_func: Callable[[Any], bool] | None = None,
        at_most: Any = float("inf"),
        inplace: bool = False,
        agent_type: type | None = None,
    ) -> ArrayAgentSet:
        """Return the agents for whom a function is true; at most so many, or at most that share of them (a float)."""
        if isinstance(at_most, float) and at_most <= 1.0:
            at_most = int(len(self) * at_most)
        if agent_type is not None and not issubclass(self.kind, agent_type):
            at_most = 0
        rows: list[int] = []
        for agent in self:
            if len(rows) >= at_most:
                break
            if filter_func is None or filter_func(agent):
                rows.append(agent.row)
        return self._with(np.array(rows, np.int64), inplace)

    def groupby(self, by: Callable[[Any], Any] | str, result_type: str = "agentset") -> Any:
        """Return the agents in groups by an attribute or a function, as Mesa's GroupBy."""
        groups: dict[Any, list[int]] = defaultdict(list)
        values = self.get(by) if isinstance(by, str) else [by(agent) for agent in self]
        for value, row in zip(values, self.rows.tolist(), strict=True):
            groups[value].append(row)
        sets = {value: self._with(np.array(rows, np.int64)) for value, rows in groups.items()}
        return GroupBy(sets if result_type == "agentset" else {value: found.to_list() for value, found in sets.items()})

    def add(self, agent: object) -> None:
        """Refuse: the plan of the population says who is there."""
        raise CareError("Agents cannot be added or removed here", remedy="Change the scenario's population plan")

    discard = remove = add


def batch_run(
    model_class: type[CareModel],
    parameters: Mapping[str, Any],
    *,
    rng: Iterable[int],
    max_steps: int | None = None,
    number_processes: int | None = 1,
    data_collection_period: int = -1,
    display_progress: bool = False,
) -> list[dict[str, Any]]:
    """Run Mesa's batch_run with a seed for each run, alike on every Mesa.

    Mesa 3.3 takes seeds among the parameters and 3.5 beside them (among the parameters it overwrites them with none);
    3.3 counts one step more. Rows are as Mesa gives them, with "Step" the number of weeks simulated.

    Parameters
    ----------
    parameters
        Keyword arguments of the model; a list or tuple is gone through, value by value.
    rng
        The seeds: each combination of parameters is run with each of them.
    max_steps
        Weeks at most; to the end of the scenario if None.
    """
    seeds = [int(seed) for seed in rng]
    given = {name: value if isinstance(value, (list, tuple)) else [value] for name, value in parameters.items()}
    common = {
        "number_processes": number_processes,
        "data_collection_period": data_collection_period,
        "display_progress": display_progress,
    }
    if max_steps is None:
        max_steps = max(scenario.n_weeks for scenario in given["scenario"])
    if "rng" in inspect.signature(mesa_batch_run).parameters:
        rows = mesa_batch_run(model_class, given, rng=seeds, max_steps=max_steps, **common)
        return [{**row, "Step": int(row["Step"])} for row in rows]
    rows = mesa_batch_run(model_class, {"rng": seeds, **given}, max_steps=max_steps - 1, **common)
    return [{**row, "Step": row["Step"] + 1} for row in rows]
