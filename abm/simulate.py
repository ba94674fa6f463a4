"""Simulate one scenario with one set of parameters and one seed: a Run; or many of them, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

import abm
from abm.compiled import HAS_NUMBA
from abm.course import Course
from abm.draws import area_seed, key_of
from abm.errors import CareError
from abm.events import Rows, check, children_frame, digest, events_frame, stocks_from_flows, take
from abm.factors import UNIT, Environment, System, checked_factors, checked_limits, environment, no_factors
from abm.family_weeks import Families, FamiliesTold
from abm.files import replacing
from abm.kernels import NEVER, Chances, People
from abm.log_kernels import list_options, order_by_child, order_by_week
from abm.marks import mark_of
from abm.parameters import CERTAIN, Parameters
from abm.pathway import (
    AGE_BANDS,
    HISTORIES,
    N_HISTORIES,
    N_RISKS,
    RISK_CLASSES,
    UNACCOMPANIED_GROUP,
    WEEKS_PER_YEAR,
    Journey,
)
from abm.places_rules import Supply
from abm.places_weeks import PlacesTold, PlacesWeeks
from abm.population import Population, make_population
from abm.prepared import Prepared, prepare
from abm.scenario import Scenario

MAX_WEEKS = 32_000
_FIRST_ROWS = 1 << 14


@dataclass(frozen=True)
class Run:
    """One simulated run: scenario and seed, the children, what happened to them, and how many were where.

    stocks  int64[weeks, S]  children in each state at the end of each week (of the sample, not scaled up)
    flows   int64[weeks, E]  events of each week by edge
    rows                     the log in whole numbers, by week, child, step; empty if it was not kept
    log                      whether the log was kept
    """

    scenario: Scenario
    seed: int
    prepared: Prepared
    population: Population
    rows: Rows
    stocks: NDArray[np.int64]
    flows: NDArray[np.int64]
    log: bool = True
    environment: Environment | None = None
    families: FamiliesTold | None = None
    places: PlacesTold | None = None

    @property
    def journey(self) -> Journey:
        """The journey that was simulated."""
        return self.prepared.journey

    @cached_property
    def digest(self) -> str:
        """SHA-256 of log and children; "" if the log was not kept."""
        return digest(self.journey, self.rows, self.population) if self.log else ""

    @cached_property
    def children(self) -> pl.DataFrame:
        """The children as they were on entry, one row each."""
        return children_frame(self.population)

    @cached_property
    def events(self) -> pl.DataFrame:
        """The event log, one row an event."""
        return events_frame(self.journey, self.rows)

    @property
    def manifest(self) -> dict[str, Any]:
        """What it takes to get this run again, and to know that it is the same."""
        return {
            "area": self.scenario.area_code,
            "first_year": self.scenario.first_year,
            "weeks": self.scenario.n_weeks,
            "sample": self.scenario.sample,
            "seed": self.seed,
            "children": len(self.population),
            "events": int(self.rows.child.size),
            "digest": self.digest,
            "system": None if self.environment is None else list(self.environment.names),
            "environment": "" if self.environment is None else mark_of(self.environment.factors),
            "families": self.prepared.families is not None,
            "places": self.prepared.places is not None,
            "versions": {"journeys-abm": abm.__version__, "numpy": np.__version__, "compiled": HAS_NUMBA},
        }

    def check(self) -> None:
        """Check that the run is consistent, or raise CareError with the child and the week."""
        check(self.journey, self.rows, self.population, self.stocks, self.flows)

    def options(self, children: Sequence[int] | None = None) -> pl.DataFrame:
        """Return every possibility open at each event of these children (all, if None), the one taken included.

        Columns: child, week, step as in `events`, transition, to_state, chance. For outcomes that follow at once the
        chance is, as in `events`, that of this outcome given that none listed before it was taken.
        """
        n = len(self.population)
        chosen = np.full(n, children is None)
        if children is not None:
            outside = [c for c in children if not 0 <= c < n]
            if outside:
                raise CareError(f"There is no child {outside[0]}", remedy=f"This run has children 0 to {n - 1}")
            chosen[list(children)] = True
        args: tuple[Any, ...] = (self.prepared.edges, self.prepared.chances, np.zeros((0, 0, 0), np.int32))
        if self.environment is not None or self.prepared.families is not None:
            none = no_factors(self.journey)
            chances = self.prepared.chances_within(none)._replace(factored=True)
            factors = np.broadcast_to(none.astype(np.int32), (self.scenario.n_weeks, *none.shape))
            if self.environment is not None:
                factors = self.environment.factors
            args = (self.prepared.edges, chances, factors[:, self.journey.tables.transition])
        empty = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint64))
        size = list_options(*args, people_of(self.population), self.rows, chosen, *empty)
        row, edge, threshold = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, np.uint64)
        if size:
            list_options(*args, people_of(self.population), self.rows, chosen, row, edge, threshold)
        tables = self.journey.tables
        return pl.DataFrame(
            {
                "child": self.rows.child[row],
                "week": self.rows.week[row],
                "step": self.rows.step[row],
                "transition": tables.transition[edge],
                "to_state": tables.target[edge],
                "chance": threshold / CERTAIN,
            }
        )

    def write_events(self, path: Path) -> None:
        """Write the log as Parquet, whole or not at all."""
        write_parquet(self.events, path)

    def write_children(self, path: Path) -> None:
        """Write the children as Parquet, whole or not at all."""
        write_parquet(self.children, path)


def check_population(journey: Journey, population: Population) -> None:
    """Check that children can be simulated under a journey, or raise CareError with the first who cannot.

    The loops do not look again: a state that is left at once would be a dead end, a clock of the future no time.
    """
    tables, there = journey.tables, population.enter_edge < 0
    source = tables.source[np.where(there, 0, population.enter_edge)]
    problems = (
        ("is in a state that is not declared", population.state >= tables.n_states),
        ("is on day one in a state that is left at once", there & tables.at_once[population.state % tables.n_states]),
        ("has a history that is not declared", population.history >= N_HISTORIES),
        ("has a risk class that is not declared", population.risk >= N_RISKS),
        ("has a clock that begins after day one", there & (population.since_week >= 0)),
        ("is on day one but enters later", there & (population.enter_week != 0)),
        ("enters before week 0", population.enter_week < 0),
        ("enters from another state than the one it is in", ~there & (source != population.state)),
    )
    for what, wrong in problems:
        for child in population.child[wrong][:1]:
            raise CareError(f"Child {child} {what}", "the population", "Correct its columns")


def people_of(population: Population) -> People:
    """Return the children as the loops read them; state, history and since are copies."""
    due = np.where(population.enter_edge < 0, 0, np.minimum(population.enter_week, NEVER)).astype(np.int16)
    return People(
        population.child, population.birth_week, population.risk, population.uasc, population.enter_week,
        population.enter_edge, population.leave_week, population.state.copy(), population.history.copy(),
        population.since_week.copy(), due, np.zeros(len(population), np.uint8),
    )  # fmt: skip


class Engine(Course):
    """A run under way: advanced a span of weeks at a time, in any division into spans, to the same result.

    The luck of its children is keyed by `seed` and, where it is named, the code of their area. With a `system` it is
    advanced a week at a time, whatever is asked, and the system is shown the area: `sample` children for each of ours.
    Where the parameters say what families do, or places are limited, it is advanced a week at a time too.
    """

    def __init__(
        self, prepared: Prepared, population: Population, n_weeks: int, seed: int, log: bool = True, area: str = "",
        system: System | None = None, sample: int = 1,
    ) -> None:  # fmt: skip
        if not 0 < n_weeks <= MAX_WEEKS:
            raise CareError(f"A run of {n_weeks} weeks is not possible", remedy=f"Use 1 to {MAX_WEEKS} weeks")
        self.key = area_seed(seed, area)
        check_population(prepared.journey, population)
        self.prepared, self.population, self.seed, self.log, self.area = prepared, population, seed, log, area
        n_rows = len(population) * 3 * n_weeks // (10 * WEEKS_PER_YEAR) if log else 0
        people = people_of(population)
        super().__init__(people, prepared.edges, n_weeks, key_of(self.key), _FIRST_ROWS + n_rows)
        self.families: Families | None = None
        if prepared.families is not None:
            self.families = Families(
                prepared.families, prepared.journey, population, people, n_weeks, self.key, log
            )  # fmt: skip
        self.places: PlacesWeeks | None = None
        if prepared.places is not None:
            self.places = PlacesWeeks(prepared.places, prepared.journey, population, n_weeks, seed, area, sample)
        self.system, self.sample = system, sample
        # As they are now: children are looked at when they are due, which was worked out under these limits.
        self.limits = None if system is None else checked_limits(system, prepared.journey)
        self.environment = None if system is None else environment(n_weeks, prepared.journey, system.names)
        # Children by state at the beginning of a week, kept up by the flows: counting them all again takes longer.
        self._counted_at, self._counted = -2, np.zeros(0, np.int64)

    def advance(self, weeks: int) -> None:
        """Advance every child by some weeks, at most to the end of the run."""
        if weeks < 0:
            raise CareError(f"A run cannot be advanced by {weeks} weeks", remedy="Use 0 weeks or more")
        stop = min(self.week + weeks, self.n_weeks)
        if self.system is None and self.families is None and self.places is None:
            self._advance(stop, self.prepared.chances)
            return
        while self.week < stop:
            self._advance(self.week + 1, self._chances_now())

    def _chances_now(self) -> Chances:
        """Ask the system, where there is one, for this week's factors, and return what decides under them."""
        system = self.system
        if system is None:
            return self.prepared.chances_within(no_factors(self.prepared.journey))
        assert self.environment is not None
        assert self.limits is not None
        journey, week = self.prepared.journey, self.week
        n_states, happened = journey.tables.n_states, self.flows[week - 1] if week else np.zeros_like(self.flows[0])
        if self._counted_at == week - 1:
            self._counted = self._counted + happened @ self.prepared.changes
        else:
            self._counted = np.bincount(self.people.state, minlength=n_states)
        self._counted_at = week
        answered = system.factors(
            week, self._counted.astype(np.float64) * self.sample, happened.astype(np.float64) * self.sample
        )  # fmt: skip
        factors = np.asarray(answered)
        checked_factors(factors, self.limits, journey, week)
        self.environment.conditions[week], self.environment.factors[week] = system.conditions, factors
        chances = self.prepared.chances_within(self.limits)
        if (factors == UNIT).all():
            return chances
        return chances._replace(factored=True, factor=factors[journey.tables.transition].astype(np.int64))

    def _advance(self, stop: int, chances: Chances) -> None:
        # Families and places read the week off its log, also where this is not kept after that.
        counted, keep = self._n_rows, self.log or self.families is not None or self.places is not None
        self.run_loops(stop, chances, keep, self.nothing_follows)
        if self.families is not None:
            self.families.join(self, counted, chances, self.nothing_follows)
        if self.places is not None:
            self.places.after(self, counted, self.log)
        if self.families is not None:
            self.families.end_week(self, counted, self.nothing_follows)
        if keep:
            self.count(counted)
        if not self.log:
            self._n_rows = 0
        self.week = stop

    def nothing_follows(self, state: int, group: int, row: int) -> CareError:
        """Return the error of a state that is left at once without any outcome."""
        words = (
            f"In the state '{self.prepared.journey.states[state].key}' nothing can follow for "
            f"{describe_group(group)} (child {self.population.child[row]})"
        )
        if self.system is not None:
            words += f" under the factors of week {self.week}"
        return CareError(
            words,
            "the rates" if self.system is None else "the rates, or behaviour",
            "Give at least one of its outcomes a share above 0",
        )

    def rows(self) -> Rows:
        """Return the log so far in its canonical order: week, child, step."""
        if self.families is None and self.places is None:
            return take(self._rows, order_by_week(self._rows, self._n_rows, self.n_weeks))
        by_child = take(self._rows, order_by_child(self._rows, self._n_rows, len(self.population)))
        return take(by_child, order_by_week(by_child, self._n_rows, self.n_weeks))

    def run(self, scenario: Scenario) -> Run:
        """Return the finished run."""
        rows = self.rows()
        journey = self.prepared.journey
        stocks = stocks_from_flows(journey, self.population.state, self.flows)
        counted = np.bincount(self.people.state, minlength=stocks.shape[1])
        if not np.array_equal(counted, stocks[-1]):
            raise CareError("Children and flows disagree at the end of the run", remedy="Please report this fault")
        return Run(
            scenario,
            self.seed,
            self.prepared,
            self.population,
            rows,
            stocks,
            self.flows,
            self.log,
            self.environment,
            None if self.families is None else self.families.told(),
            None if self.places is None else self.places.told(),
        )


def describe_group(group: int) -> str:
    """Return what a group is, in words."""
    if group >= UNACCOMPANIED_GROUP:
        return f"unaccompanied children {'under 16' if group == UNACCOMPANIED_GROUP else 'aged 16 and 17'}"
    age, rest = divmod(group, N_RISKS * N_HISTORIES)
    risk, history = divmod(rest, N_HISTORIES)
    return f"children aged {AGE_BANDS[age]} of {RISK_CLASSES[risk]} risk, history: {HISTORIES[history]}"


def simulate(
    scenario: Scenario,
    parameters: Parameters,
    seed: int,
    journey: Journey,
    *,
    span: int | None = None,
    log: bool = True,
    prepared: Prepared | None = None,
    population: Population | None = None,
    system: System | None = None,
    places: Supply | None = None,
) -> Run:
    """Simulate every child of a scenario.

    Parameters
    ----------
    span
        Weeks per compiled call; the whole run if None. It does not change the result.
    log
        Whether to keep the events; stocks and flows are counted either way.
    prepared
        What `prepare(parameters, journey, places)` returned, to spare doing it again.
    population
        Children to use instead of `make_population(scenario, seed, journey)`.
    system
        What answers to the area's stocks and flows, from its beginning; it serves one run.
    places
        The homes there are, if these are limited.

    Errors
    ------
    CareError
        For parameters that do not fit the journey, a seed that does not fit 64 bits, or a state that is left at once
        from which nothing can follow.
    """
    prepared = prepared or prepare(parameters, journey, places)
    if population is None:
        population = make_population(scenario, seed, journey)
    if span is not None and span < 1:
        raise CareError(f"A span cannot be {span} weeks", remedy="Use 1 week or more, or none")
    engine = Engine(
        prepared, population, scenario.n_weeks, seed, log, scenario.area_code, system, scenario.sample
    )  # fmt: skip
    while engine.week < engine.n_weeks:
        engine.advance(span or engine.n_weeks)
    return engine.run(scenario)


def simulate_many(
    scenario: Scenario,
    parameters: Parameters,
    seeds: Iterable[int],
    journey: Journey,
    *,
    workers: int = 1,
    log: bool = True,
    progress: Callable[[int, int], None] | None = None,
    system: Callable[[], System] | None = None,
    places: Supply | None = None,
) -> Iterator[Run]:
    """Simulate a scenario once for each seed and give the runs in the order of the seeds.

    Runs share the tables. They go side by side on `workers` threads (compiled loops release the interpreter's lock);
    the number of workers changes nothing in a run. At most `workers` + 1 finished runs wait to be taken.
    `progress` is called with the runs done and the runs in all; `system` makes the system of each run.
    """
    seeds = list(seeds)
    prepared = prepare(parameters, journey, places)

    def one(seed: int) -> Run:
        begun = system() if system else None
        return simulate(scenario, parameters, seed, journey, log=log, prepared=prepared, system=begun)

    def told(run: Run, done: int) -> Run:
        if progress is not None:
            progress(done, len(seeds))
        return run

    if workers <= 1:
        for done, seed in enumerate(seeds, 1):
            yield told(one(seed), done)
        return
    with ThreadPoolExecutor(workers) as pool:
        ahead = [pool.submit(one, seed) for seed in seeds[: workers + 1]]
        waiting = iter(seeds[workers + 1 :])
        try:
            for done in range(1, len(seeds) + 1):
                run = ahead.pop(0).result()
                ahead += [pool.submit(one, seed) for _, seed in zip(range(1), waiting, strict=False)]
                yield told(run, done)
        finally:
            for future in ahead:
                future.cancel()


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame as Parquet, whole or not at all."""
    # It can be made again from its seed: not worth waiting for the disk.
    with replacing(path, lasting=False) as name:
        frame.write_parquet(name, compression="zstd", compression_level=1, statistics=False)
