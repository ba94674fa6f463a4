"""A run kept on disk at the end of a week, to go on with later; and forks: runs that share a past.

A checkpoint is one file of columns (`abm.files`): the children, where they are, the log and the flows so far, and marks
of what the run was begun with. A run that goes on from it gives the same digest as one that was never interrupted,
whatever the weeks in between, the threads or the machine. The same run at the same week is the same file, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

import abm
from abm.errors import CareError
from abm.events import Rows, new_rows, stocks_from_flows, take
from abm.factors import Environment, System, checked_limits
from abm.files import read_columns, sweep, write_columns
from abm.marks import journey_mark, mark_of
from abm.pathway import N_HISTORIES, Journey
from abm.population import COLUMNS, Population, make_population
from abm.prepared import Prepared
from abm.run import Run
from abm.scenario import Scenario
from abm.simulate import Engine

FORMAT = 3
_WHAT = "A run of journeys-abm, kept to go on with. Every child in it is simulated, not a real child."
_AGAIN = "Begin the run again, or go on from an older checkpoint"
_AS_BEGUN = "Give what the run was begun with"

Earlier = tuple[tuple[int, NDArray[np.uint64], str], ...]
"""What held before each fork: (week of the fork, thresholds before it, mark of what else decided), by weeks."""


@dataclass(frozen=True)
class ForkedRun(Run):
    """A finished run whose chances changed at the weeks of its forks; its log holds the shared past too."""

    earlier: Earlier = ()

    @property
    def manifest(self) -> dict[str, Any]:
        """What it takes to get this run again, with the weeks of its forks."""
        return {**super().manifest, "forked_at": [week for week, _, _ in self.earlier]}

    def options(self, children: Any = None) -> pl.DataFrame:
        """Return every possibility as `Run.options` does, each with the chance that held in its week."""
        parts, begin = [], 0
        mine = _beside(self.prepared, self.environment is not None)
        for end, thresholds, mark in (*self.earlier, (self.scenario.n_weeks, self.prepared.thresholds, mine)):
            until = take(self.rows, slice(int(np.searchsorted(self.rows.week, end))))
            other = thresholds is not self.prepared.thresholds and not np.array_equal(
                thresholds, self.prepared.thresholds
            )
            if mark != mine or (other and mine):
                raise CareError(
                    f"What else could have happened before week {end} is not known: the run had a system or families, "
                    "and was forked into other parameters",
                    self.scenario.area_code,
                    "Ask the run that it was forked from",
                )
            prepared = replace(self.prepared, thresholds=thresholds) if other else self.prepared
            then = replace(self, rows=until, prepared=prepared)
            parts.append(Run.options(then, children).filter(pl.col("week") >= begin))
            begin = end
        return pl.concat(parts)


class Fork(Engine):
    """A run under way that has its past from another, or from several, one after the other."""

    earlier: Earlier = ()

    def run(self, scenario: Scenario) -> ForkedRun:
        """Return the finished run, its past included."""
        run = super().run(scenario)
        return ForkedRun(**{field.name: getattr(run, field.name) for field in fields(run)}, earlier=self.earlier)


def begin(
    scenario: Scenario, prepared: Prepared, seed: int, *, log: bool = True, population: Population | None = None,
    system: System | None = None,
) -> Engine:  # fmt: skip
    """Return a run at week 0; advanced to its end, it is the run that `abm.simulate.simulate` gives."""
    if population is None:
        population = make_population(scenario, seed, prepared.journey)
    return Engine(
        prepared, population, scenario.n_weeks, seed, log, scenario.area_code, system, scenario.sample
    )  # fmt: skip


def fork(engine: Engine, prepared: Prepared, system: System | None = None) -> Fork:
    """Return a run that has the past of this one and goes on under other parameters; this one is not changed.

    From the week of the fork on, the chances are those of `prepared` for that week, also in the middle of a model year.
    With equal parameters the fork is the same as the run it comes from, bit for bit. The children are shared; only
    where they are, the flows and the log so far are copied. A run of `log=False` has forks without a log.

    Errors
    ------
    CareError
        For parameters of another journey, for a run that was broken off within `advance`, and when only one of the two
        has a system, or one of other conditions.
    """
    _refuse_broken_off(engine)
    _refuse_another_journey(engine, prepared.journey)
    _refuse_another_system(None if engine.system is None else list(engine.system.names), system, engine.area)
    other = Fork(
        prepared, engine.population, engine.n_weeks, engine.seed, engine.log, engine.area, system, engine.sample
    )  # fmt: skip
    past = engine.earlier if isinstance(engine, Fork) else ()
    held = _beside(engine.prepared, engine.system is not None)
    other.earlier = (*past, (engine.week, engine.prepared.thresholds, held))
    rows = take(engine._rows, slice(engine._n_rows))
    _take_over(other, engine.week, engine.people._asdict(), engine.flows[: engine.week], rows)
    if engine.system is not None and engine.environment is not None:
        _take_over_system(other, engine.system.conditions, engine.environment)
    for what in ("families", "places"):
        if (getattr(engine, what) is None) != (getattr(other, what) is None):
            has = "no" if getattr(engine, what) is None else "its"
            raise CareError(f"The run has {has} {what}, unlike its fork", engine.area, "Give what it was begun with")
    if other.families is not None and engine.families is not None:
        other.families.go_on(engine.families.kept(), other.people)
    if other.places is not None and engine.places is not None:
        other.places.go_on(engine.places.kept())
    return other


def save_checkpoint(engine: Engine, scenario: Scenario, path: Path) -> None:
    """Write all that a run needs to go on, whole or not at all; one that stood at `path` stays until then.

    Only one program may keep its checkpoints at a path.

    Parameters
    ----------
    engine
        A run between two calls of `advance`.
    scenario
        What it simulates.

    Errors
    ------
    CareError
        For a scenario of another length, for a run that was broken off within `advance` (the checkpoint before stays),
        and when the file cannot be written.
    """
    _refuse_broken_off(engine)
    if engine.n_weeks != scenario.n_weeks:
        raise CareError(
            f"The run has {engine.n_weeks} weeks, the scenario {scenario.n_weeks}", scenario.area_code, _AS_BEGUN
        )
    earlier = engine.earlier if isinstance(engine, Fork) else ()
    told = {
        "what": _WHAT,
        "format": FORMAT,
        "version": abm.__version__,
        "area": scenario.area_code,
        "first_year": scenario.first_year,
        "weeks": scenario.n_weeks,
        "sample": scenario.sample,
        "seed": engine.seed,
        "luck_of": engine.area,
        "week": engine.week,
        "log": engine.log,
        "forked_at": [week for week, _, _ in earlier],
        "forked_from": [mark for _, _, mark in earlier],
        "system": None if engine.system is None else list(engine.system.names),
        "marks": _marks(scenario, engine.prepared, engine.limits),
    }
    now = {name: getattr(engine.people, name) for name in _CHANGING}
    columns = {
        **_named("children", engine.population.columns()),
        **_named("now", now),
        **_named("log", engine.rows()._asdict()),
        "flows": engine.flows[: engine.week],
        **_named("thresholds", {str(k): thresholds for k, (_, thresholds, _) in enumerate(earlier)}),
    }
    if engine.system is not None and engine.environment is not None:
        past = engine.environment
        columns |= {"conditions now": engine.system.conditions}
        columns |= {"conditions": past.conditions[: engine.week], "factors": past.factors[: engine.week]}
    if engine.families is not None:
        columns |= _named("families", engine.families.kept())
    if engine.places is not None:
        columns |= _named("places", engine.places.kept())
    write_columns(path, told, columns)
    sweep(path)


def load_checkpoint(path: Path, scenario: Scenario, prepared: Prepared, system: System | None = None) -> Engine:
    """Return the run as it was kept, ready to `advance`; to go on under other parameters, `fork` it then.

    Parameters
    ----------
    scenario, prepared
        What the run was begun with, or forked with last: they are held against the marks in the file.
    system
        One like the run's own, as it began; its conditions are put back.

    Errors
    ------
    CareError
        When there is no such file, when it was cut short or a single bit of it changed, and when it is of another
        version, journey, scenario or parameters.
    """
    told, columns = read_columns(path, _AGAIN)
    where = str(path)
    if told.get("what") != _WHAT:
        raise CareError("This is no checkpoint of a run", where, _AGAIN)
    if (told.get("format"), told.get("version")) != (FORMAT, abm.__version__):
        raise CareError(
            f"This checkpoint was made by version {told.get('version')} (form {told.get('format')}), and this is "
            f"version {abm.__version__} (form {FORMAT}): they may not simulate the same, bit for bit",
            where,
            f"Go on with that version, or {_AGAIN[0].lower()}{_AGAIN[1:]}",
        )
    _refuse_another_system(told.get("system"), system, where)
    limits = None if system is None else checked_limits(system, prepared.journey)
    _refuse_another_run(told, scenario, _marks(scenario, prepared, limits), where)
    try:
        population = Population(**{name: columns[f"children {name}"] for name, _, _ in COLUMNS})
        rows = Rows._make(columns[f"log {name}"] for name in Rows._fields)
        now = {name: columns[f"now {name}"] for name in _CHANGING}
        forks = zip(told["forked_at"], told["forked_from"], strict=True)
        earlier = tuple((week, columns[f"thresholds {k}"], mark) for k, (week, mark) in enumerate(forks))
        week, flows = told["week"], columns["flows"]
        _refuse_what_cannot_be(prepared.journey, population, week, scenario.n_weeks, now, rows, flows)
        kind = Fork if earlier else Engine
        engine = kind(
            prepared, population, scenario.n_weeks, told["seed"], told["log"], told["luck_of"], system, scenario.sample
        )
        names = told["system"]
        if names is not None:
            past = Environment(tuple(names), columns["conditions"], columns["factors"])
            now_of_system = columns["conditions now"]
        _take_over(engine, week, now, flows, rows)
        if engine.families is not None:
            engine.families.go_on(_of("families", columns), engine.people)
        if engine.places is not None:
            engine.places.go_on(_of("places", columns))
    except (CareError, KeyError, TypeError, ValueError) as fault:
        raise CareError("This checkpoint lacks something, or holds what cannot be", where, _AGAIN) from fault
    if isinstance(engine, Fork):
        engine.earlier = earlier
    if names is not None:
        _take_over_system(engine, now_of_system, past)
    return engine


_CHANGING = ("state", "history", "since")
"""The columns of `People` that change as weeks pass."""


def _named(what: str, columns: dict[str, Any]) -> dict[str, NDArray[Any]]:
    return {f"{what} {name}": column for name, column in columns.items()}


def _beside(prepared: Prepared, system: bool) -> str:
    """Return a mark of what decides beside the thresholds, "" where nothing does."""
    under, families = prepared.parameters, prepared.families
    if under is None or (families is None and not system):
        return ""
    return mark_of((under.rates, under.multipliers, () if families is None else families))


def _of(what: str, columns: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    begins = f"{what} "
    return {name.removeprefix(begins): column for name, column in columns.items() if name.startswith(begins)}


def _marks(scenario: Scenario, prepared: Prepared, limits: NDArray[np.int64] | None) -> dict[str, str]:
    # Where factors act, what they act on decides too, and equal thresholds may come of rates that differ.
    under, families = prepared.parameters, prepared.families
    factored = under is not None and (limits is not None or families is not None)
    return {
        # Which draws are made a year at a time changes no chance, but the luck.
        "journey": mark_of((journey_mark(prepared.journey), prepared.journey.tables.quiet)),
        "scenario": mark_of(scenario),
        "thresholds": mark_of(prepared.thresholds),
        "rates": mark_of((under.rates, under.multipliers)) if factored and under is not None else "",
        "families": "" if families is None else mark_of(families),
        "places": "" if prepared.places is None else mark_of(prepared.places),
        "limits": "" if limits is None else mark_of(limits),
    }


def _take_over(engine: Engine, week: int, now: dict[str, NDArray[Any]], flows: NDArray[np.int64], rows: Rows) -> None:
    """Put a new run at the end of a week."""
    engine.week = week
    for name in _CHANGING:
        getattr(engine.people, name)[:] = now[name]
    engine.flows[:week] = flows
    engine.put_log(rows)


def _take_over_system(engine: Engine, now: NDArray[np.float64], past: Environment) -> None:
    """Put the conditions of a run's system back, and what they were in the weeks before."""
    week, system, mine = engine.week, engine.system, engine.environment
    assert system is not None
    assert mine is not None
    system.conditions = now.copy()
    mine.conditions[:week], mine.factors[:week] = past.conditions[:week], past.factors[:week]


def _refuse_broken_off(engine: Engine) -> None:
    """Refuse a run that an error or a key stopped within `advance`: some of its children are ahead of its week."""
    week, journey = engine.week, engine.prepared.journey
    counted = np.bincount(engine.people.state, minlength=journey.tables.n_states)
    # At week 0 nothing has been counted: the first row is 0.
    stocks = stocks_from_flows(journey, engine.population.state, engine.flows[: max(week, 1)])[-1]
    ahead = engine.flows[week:].any() or (engine._rows.week[: engine._n_rows] >= week).any()
    if ahead or not np.array_equal(counted, stocks):
        raise CareError(f"The run was broken off on the way from week {week}", engine.area, _AGAIN)


def _refuse_another_journey(engine: Engine, journey: Journey) -> None:
    if journey is not engine.prepared.journey and journey_mark(journey) != journey_mark(engine.prepared.journey):
        raise CareError("A run cannot be forked into another journey", journey.file, "Begin a new run")


def _refuse_another_system(names: Any, system: System | None, where: str) -> None:
    """Refuse a system where the run has none, or conditions of other names."""
    if names is None and system is not None:
        raise CareError("The run has no system to go on with", where, "Leave it out, or begin a new run")
    if isinstance(names, list) and (system is None or list(system.names) != names):
        has = ", ".join(str(name) for name in names)
        raise CareError(f"The run has a system with the conditions {has}", where, "Give one with the same")


def _refuse_another_run(told: dict[str, Any], scenario: Scenario, mine: dict[str, str], where: str) -> None:
    """Hold what is given against the marks of the run."""
    given = {
        "area": scenario.area_code,
        "first_year": scenario.first_year,
        "weeks": scenario.n_weeks,
        "sample": scenario.sample,
    }
    for name, value in given.items():
        if told.get(name) != value:
            words = name.replace("_", " ")
            raise CareError(f"This checkpoint has the {words} {told.get(name)}, the scenario {value}", where, _AS_BEGUN)
    words_for = {
        "journey": "another declared journey",
        "scenario": "another population plan or day one",
        "thresholds": "other parameters",
        "rates": "other parameters",
        "families": "other families",
        "places": "other places",
        "limits": "a system of other limits",
    }
    marks = told.get("marks")
    marks = marks if isinstance(marks, dict) else {}
    for name, mark in mine.items():
        if marks.get(name) != mark:
            fork_it = "; to go on under other parameters, fork it then" if name in ("thresholds", "rates") else ""
            raise CareError(f"This checkpoint is of a run with {words_for[name]}", where, _AS_BEGUN + fork_it)


def _refuse_what_cannot_be(
    journey: Journey, population: Population, week: int, n_weeks: int, now: dict[str, NDArray[Any]], rows: Rows,
    flows: NDArray[np.int64],
) -> None:  # fmt: skip
    """Refuse numbers that the compiled loops, which do not look again, would stumble over."""
    tables, n = journey.tables, len(population)
    kinds = {"state": np.uint8, "history": np.uint8, "since": np.int32}
    log, empty = rows._asdict(), new_rows(0)._asdict()
    fits = (
        0 <= week <= n_weeks
        and flows.dtype == np.int64 and flows.shape == (week, tables.n_edges)
        and all(now[name].dtype == kind and now[name].shape == (n,) for name, kind in kinds.items())
        and all(log[name].dtype == empty[name].dtype and log[name].shape == log["child"].shape for name in empty)
        and bool((now["state"] < tables.n_states).all() and (now["history"] < N_HISTORIES).all())
        and bool((now["since"] < np.maximum(week, population.enter_week.astype(np.int64) + 1)).all())
        and bool((rows.child >= 0).all() and (rows.child < n).all() and (rows.edge < tables.n_edges).all())
        and bool((rows.week >= 0).all() and (rows.week < week).all())
    )  # fmt: skip
    if fits and week:
        counted = np.bincount(now["state"], minlength=tables.n_states)
        fits = np.array_equal(counted, stocks_from_flows(journey, population.state, flows)[-1])
    if not fits:
        raise ValueError("numbers that cannot be")
