"""Simulate one scenario with one set of parameters and one seed: a Run; or many of them, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from abm.course import Course, people_of
from abm.draws import area_seed, key_of
from abm.errors import CareError
from abm.events import Rows, stocks_from_flows, take
from abm.factors import System, checked_factors, checked_limits, environment, no_factors
from abm.family_weeks import Families
from abm.kernels import Chances
from abm.log_kernels import order_by
from abm.parameters import Parameters
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
from abm.places_weeks import PlacesWeeks
from abm.population import Population, make_population
from abm.prepared import Prepared, prepare
from abm.run import Run
from abm.scenario import Scenario

MAX_WEEKS = 32_000
_FIRST_ROWS = 1 << 14


def check_population(journey: Journey, population: Population) -> None:
    """Check that children can be simulated under a journey, or raise CareError with the first who cannot.

    The loops do not look again: a state that is left at once would be a dead end, a clock of the future no time.
    """
    tables, there = journey.tables, population.enter_edge < 0
    source = tables.source[np.where(there, 0, population.enter_edge)]
    if len(population) and not np.bincount(np.maximum(population.family, 0)).all():
        raise CareError("Families are not numbered 0, 1, 2 and so on", "the population", "Leave no number out")
    problems = (
        ("has no family", population.family < 0),
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
        if system is None and self.families is None:
            return self.prepared.chances
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
        return chances._replace(factor=factors[journey.tables.transition].astype(np.int64))

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
            return take(self._rows, order_by(self._rows.week, self._n_rows, self.n_weeks))
        by_child = take(self._rows, order_by(self._rows.child, self._n_rows, len(self.population)))
        return take(by_child, order_by(by_child.week, self._n_rows, self.n_weeks))

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
