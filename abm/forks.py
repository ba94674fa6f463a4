"""Forks: runs that share a past. A fork goes on from the week it was made, under parameters of its own.

From equal parameters comes the same run, bit for bit. What a run is made of between two weeks, and how another one
takes it over, is here too: `abm.checkpoint` writes it to disk.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.errors import CareError
from abm.events import Rows, stocks_from_flows, take
from abm.factors import Environment, System
from abm.marks import journey_mark, mark_of
from abm.pathway import Journey
from abm.prepared import Prepared
from abm.run import Run
from abm.scenario import Scenario
from abm.simulate import Engine

AGAIN = "Begin the run again, or go on from an older checkpoint"
CHANGING = ("state", "history", "since")
"""The columns of `People` that change as weeks pass."""

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
    refuse_broken_off(engine)
    _refuse_another_journey(engine, prepared.journey)
    refuse_another_system(None if engine.system is None else list(engine.system.names), system, engine.area)
    other = Fork(
        prepared, engine.population, engine.n_weeks, engine.seed, engine.log, engine.area, system, engine.sample
    )  # fmt: skip
    past = engine.earlier if isinstance(engine, Fork) else ()
    held = _beside(engine.prepared, engine.system is not None)
    other.earlier = (*past, (engine.week, engine.prepared.thresholds, held))
    rows = take(engine._rows, slice(engine._n_rows))
    take_over(other, engine.week, engine.people._asdict(), engine.flows[: engine.week], rows)
    if engine.system is not None and engine.environment is not None:
        take_over_system(other, engine.system.conditions, engine.environment)
    for what in ("families", "places"):
        if (getattr(engine, what) is None) != (getattr(other, what) is None):
            has = "no" if getattr(engine, what) is None else "its"
            raise CareError(f"The run has {has} {what}, unlike its fork", engine.area, "Give what it was begun with")
    if other.families is not None and engine.families is not None:
        other.families.go_on(engine.families.kept(), other.people)
    if other.places is not None and engine.places is not None:
        other.places.go_on(engine.places.kept())
    return other


def _beside(prepared: Prepared, system: bool) -> str:
    """Return a mark of what decides beside the thresholds, "" where nothing does."""
    under, families = prepared.parameters, prepared.families
    if under is None or (families is None and not system):
        return ""
    return mark_of((under.rates, under.multipliers, () if families is None else families))


def take_over(engine: Engine, week: int, now: dict[str, NDArray[Any]], flows: NDArray[np.int64], rows: Rows) -> None:
    """Put a new run at the end of a week."""
    engine.week = week
    for name in CHANGING:
        getattr(engine.people, name)[:] = now[name]
    engine.flows[:week] = flows
    engine.put_log(rows)


def take_over_system(engine: Engine, now: NDArray[np.float64], past: Environment) -> None:
    """Put the conditions of a run's system back, and what they were in the weeks before."""
    week, system, mine = engine.week, engine.system, engine.environment
    assert system is not None
    assert mine is not None
    system.conditions = now.copy()
    mine.conditions[:week], mine.factors[:week] = past.conditions[:week], past.factors[:week]


def refuse_broken_off(engine: Engine) -> None:
    """Refuse a run that an error or a key stopped within `advance`: some of its children are ahead of its week."""
    week, journey = engine.week, engine.prepared.journey
    counted = np.bincount(engine.people.state, minlength=journey.tables.n_states)
    # At week 0 nothing has been counted: the first row is 0.
    stocks = stocks_from_flows(journey, engine.population.state, engine.flows[: max(week, 1)])[-1]
    ahead = engine.flows[week:].any() or (engine._rows.week[: engine._n_rows] >= week).any()
    if ahead or not np.array_equal(counted, stocks):
        raise CareError(f"The run was broken off on the way from week {week}", engine.area, AGAIN)


def _refuse_another_journey(engine: Engine, journey: Journey) -> None:
    if journey is not engine.prepared.journey and journey_mark(journey) != journey_mark(engine.prepared.journey):
        raise CareError("A run cannot be forked into another journey", journey.file, "Begin a new run")


def refuse_another_system(names: Any, system: System | None, where: str) -> None:
    """Refuse a system where the run has none, or conditions of other names."""
    if names is None and system is not None:
        raise CareError("The run has no system to go on with", where, "Leave it out, or begin a new run")
    if isinstance(names, list) and (system is None or list(system.names) != names):
        has = ", ".join(str(name) for name in names)
        raise CareError(f"The run has a system with the conditions {has}", where, "Give one with the same")
