"""A run kept on disk at the end of a week, to go on with later.

A checkpoint is one file of columns (`abm.files`): the children, where they are, the log and the flows so far, and marks
of what the run was begun with. A run that goes on from it gives the same digest as one that was never interrupted,
whatever the weeks in between, the threads or the machine. The same run at the same week is the same file, bit for bit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import abm
from abm.errors import CareError
from abm.events import Rows, new_rows, stocks_from_flows
from abm.factors import Environment, System, checked_limits
from abm.files import read_columns, sweep, write_columns
from abm.forks import (
    AGAIN,
    CHANGING,
    Fork,
    refuse_another_system,
    refuse_broken_off,
    take_over,
    take_over_system,
)
from abm.marks import journey_mark, mark_of
from abm.pathway import N_HISTORIES, Journey
from abm.population import COLUMNS, Population, make_population
from abm.prepared import Prepared
from abm.scenario import Scenario
from abm.simulate import Engine

FORMAT = 3
_WHAT = "A run of journeys-abm, kept to go on with. Every child in it is simulated, not a real child."
_AS_BEGUN = "Give what the run was begun with"


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
    refuse_broken_off(engine)
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
    now = {name: getattr(engine.people, name) for name in CHANGING}
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
    told, columns = read_columns(path, AGAIN)
    where = str(path)
    if told.get("what") != _WHAT:
        raise CareError("This is no checkpoint of a run", where, AGAIN)
    if (told.get("format"), told.get("version")) != (FORMAT, abm.__version__):
        raise CareError(
            f"This checkpoint was made by version {told.get('version')} (form {told.get('format')}), and this is "
            f"version {abm.__version__} (form {FORMAT}): they may not simulate the same, bit for bit",
            where,
            f"Go on with that version, or {AGAIN[0].lower()}{AGAIN[1:]}",
        )
    refuse_another_system(told.get("system"), system, where)
    limits = None if system is None else checked_limits(system, prepared.journey)
    _refuse_another_run(told, scenario, _marks(scenario, prepared, limits), where)
    try:
        population = Population(**{name: columns[f"children {name}"] for name, _, _ in COLUMNS})
        rows = Rows._make(columns[f"log {name}"] for name in Rows._fields)
        now = {name: columns[f"now {name}"] for name in CHANGING}
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
        take_over(engine, week, now, flows, rows)
        if engine.families is not None:
            engine.families.go_on(_of("families", columns), engine.people)
        if engine.places is not None:
            engine.places.go_on(_of("places", columns))
    except (CareError, KeyError, TypeError, ValueError) as fault:
        raise CareError("This checkpoint lacks something, or holds what cannot be", where, AGAIN) from fault
    if isinstance(engine, Fork):
        engine.earlier = earlier
    if names is not None:
        take_over_system(engine, now_of_system, past)
    return engine


def _named(what: str, columns: dict[str, Any]) -> dict[str, NDArray[Any]]:
    return {f"{what} {name}": column for name, column in columns.items()}


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
