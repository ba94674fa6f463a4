"""An event log as estimation reads it: who was where from when, what happened, and which weeks were watched.

A simulated run and a log that was put together from returns are the same thing here. They differ in what was seen: of a
run everything; of an authority's returns the weeks between the first and the last day that the files cover, for a child
who moved in later from then on (left truncation) and for one who moved away until then (right censoring).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.errors import CareError, did_you_mean
from abm.files import read_signed, sha256_of
from abm.journey import JOURNEY
from abm.pathway import N_HISTORIES, N_RISKS, Journey
from abm.population import Population, population_of
from abm.run import Run

EVENTS, CHILDREN, MANIFEST = "events.parquet", "children.parquet", "manifest.json"
EVENT_COLUMNS = ("child", "week", "step", "transition", "from_state", "to_state")
CHILD_COLUMNS = ("child", "birth_week", "risk", "uasc", "state", "history", "since_week")
SEEN_COLUMNS = ("seen_from", "seen_to", "sees", "clock_known")
FAR = 1 << 30
"""A week that no log reaches."""
MAY_NOT_BE_TOLD = (
    "passed_to_early_help",
    "stepped_down_to_early_help",
    "pre_proceedings_began",
    "went_to_live_with_kin",
)
"""Transitions that stand in lists which not every return has: none of them does not mean that they do not happen."""
NEED, CARE = 1, 2
"""What is watched of a child: by returns of children in need, by returns of children looked after."""


@dataclass(frozen=True)
class Log:
    """Children, what happened to them, and what of it was watched. N children, R events.

    birth_week, risk, uasc, state, history, since_week  as in `abm.population`, arrays of N
    child, week, step, edge  int[R]  events in the order of week, child, step; `child` is a place in the arrays of N
    inferred     bool[R]   rows that a return does not tell: filled in, because the journey has no shorter way
    n_weeks      weeks of the log, from week 0
    seen_from    int32[N]  first week in which an event of the child would have been noticed
    seen_to      int32[N]  the week after the last one
    sees         uint8[N]  what was watched of the child: NEED, CARE or both
    watched_by   uint8[S]  what must be watched to notice an event out of a state; 0: never noticed
    since_known  bool[N]   whether it is known when the child's first clock began
    risk_known   whether the risk class of families is known: in a run only
    everyone     whether children to whom nothing has happened yet are there too: in a run only
    observed     whether real children stand behind the log
    gaps         (NEED or CARE, from week, to before): weeks of years of which that return was not read
    """

    journey: Journey
    birth_week: NDArray[np.int32]
    risk: NDArray[np.uint8]
    uasc: NDArray[np.bool_]
    state: NDArray[np.uint8]
    history: NDArray[np.uint8]
    since_week: NDArray[np.int32]
    child: NDArray[np.int32]
    week: NDArray[np.int32]
    step: NDArray[np.uint8]
    edge: NDArray[np.uint16]
    inferred: NDArray[np.bool_]
    n_weeks: int
    seen_from: NDArray[np.int32]
    seen_to: NDArray[np.int32]
    sees: NDArray[np.uint8]
    watched_by: NDArray[np.uint8]
    since_known: NDArray[np.bool_]
    risk_known: bool = True
    everyone: bool = True
    observed: bool = False
    gaps: tuple[tuple[int, int, int], ...] = ()

    def __len__(self) -> int:
        """Return the number of children."""
        return int(self.birth_week.size)

    def within(self, weeks: tuple[int, int]) -> Log:
        """Return the log as if only these weeks had been watched, from, to before."""
        return replace(
            self, seen_from=np.maximum(self.seen_from, weeks[0]), seen_to=np.minimum(self.seen_to, weeks[1])
        )  # fmt: skip

    def needs(self, child: NDArray[Any], state: NDArray[Any]) -> NDArray[np.uint8]:
        """Return which returns must be there for a week of these children in these states to be watched.

        Out of a state of need a child may come into care: where returns of care would tell it, they must be there too.
        """
        needed = self.watched_by[state]
        out: NDArray[np.uint8] = np.where(needed == NEED, needed | (self.sees[child] & CARE), needed).astype(np.uint8)
        return out

    def spans(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return the spans of weeks between the gaps, from and to before, each int64[4] by what is needed."""
        found = [_between([(a, b) for by, a, b in self.gaps if by & needed]) for needed in range(4)]
        most = max(map(len, found))
        padded = [[*spans, *[(0, 0)] * (most - len(spans))] for spans in found]
        return [
            (np.array([p[i][0] for p in padded], np.int64), np.array([p[i][1] for p in padded], np.int64))
            for i in range(most)
        ]

    def in_gap(self, needed: NDArray[Any], week: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which weeks are of a year of which a return that is needed was not read."""
        out = np.zeros(week.shape, bool)
        for by, begin, end in self.gaps:
            out |= ((needed & by) > 0) & (week >= begin) & (week < end)
        return out

    def lost_in_gap(self, state: NDArray[Any], needed: NDArray[Any], since: NDArray[Any], week: NDArray[Any]) -> Any:
        """Tell (bool[...]) which stays that began in `since` are not known to have gone on until `week`.

        After a year without a return the next one names who is in care or has an open case: the child is still there,
        or has come there. It names nobody at home, or home from care: a child may have come in and out of sight in that
        year, and its time at home, and perhaps what it is in law, are others. It is not watched again until it is seen.
        """
        out = np.zeros(week.shape, bool)
        for by, _, end in self.gaps:
            out |= ((needed & by) > 0) & (since < end) & (week >= end)
        return out & self.unnamed[state]

    @property
    def unnamed(self) -> NDArray[np.bool_]:
        """bool[S]: states in which no return names a child."""
        return np.array([s.stage in ("home", "after_care") for s in self.journey.states])

    @property
    def in_care_at_first(self) -> tuple[int, int]:
        """How many children are in care when the log begins, and of how many of them it is not known since when."""
        care = np.array([s.stage == "care" for s in self.journey.states])[self.state]
        return int(care.sum()), int((care & ~self.since_known).sum())

    @property
    def unseen_edges(self) -> NDArray[np.bool_]:
        """bool[E]: edges of which an observed log says nothing, though they leave a state that is watched.

        Into care, where no return of children looked after was read; and MAY_NOT_BE_TOLD, where the log has none of
        them but those that were filled in.
        """
        tables, journey = self.journey.tables, self.journey
        care = np.array([s.stage == "care" for s in journey.states])
        out: NDArray[np.bool_] = (self.watched_by[tables.source] == NEED) & care[tables.target]
        out &= bool(self.sees.size) and not (self.sees & CARE).all()
        if self.observed:
            named = [key in MAY_NOT_BE_TOLD for key in journey.transition_index]
            told = np.bincount(self.edge[~self.inferred], minlength=tables.n_edges)
            of_transition = np.bincount(tables.transition, told, len(named))
            out |= (np.array(named) & (of_transition == 0))[tables.transition]
        return out


def log_of(
    journey: Journey, population: Population, rows: Any, n_weeks: int, *,
    seen_from: NDArray[Any] | None = None, seen_to: NDArray[Any] | None = None,
    since_known: NDArray[Any] | None = None, sees: NDArray[Any] | None = None, inferred: NDArray[Any] | None = None,
    observed: bool = False, gaps: tuple[tuple[int, int, int], ...] = (),
) -> Log:  # fmt: skip
    """Return the log of a population and its events; what is left out is: everything was seen.

    Parameters
    ----------
    rows
        Columns child, week, step, edge (`abm.events.Rows` has them) in the order of week, child, step.
    seen_from, seen_to
        Child-weeks with seen_from <= week < seen_to were watched. Events outside tell where a child was; they are not
        counted.
    observed
        Whether the log was put together from returns: then risk classes are not known, children are in it only from
        their first contact on, and states are watched by the returns that see them.

    Errors
    ------
    CareError
        For columns of another length, events out of order, of a child or an edge that there is not, or that do not
        begin where the child was.
    """
    n, n_rows = len(population), int(np.size(rows.child))

    def column(given: NDArray[Any] | None, usual: Any, kind: Any, size: int, name: str) -> NDArray[Any]:
        array = np.full(size, usual, kind) if given is None else np.asarray(given).astype(kind)
        if array.shape != (size,):
            raise CareError(f"'{name}' of the log has {array.shape[0]} numbers", "the event log", f"It needs {size}")
        return array

    log = Log(
        journey=journey, birth_week=population.birth_week, risk=population.risk, uasc=population.uasc,
        state=population.state, history=population.history, since_week=population.since_week,
        child=column(rows.child, 0, np.int32, n_rows, "child"), week=column(rows.week, 0, np.int32, n_rows, "week"),
        step=column(rows.step, 0, np.uint8, n_rows, "step"), edge=column(rows.edge, 0, np.uint16, n_rows, "edge"),
        n_weeks=n_weeks, seen_from=column(seen_from, 0, np.int32, n, "seen_from"),
        seen_to=np.minimum(column(seen_to, n_weeks, np.int32, n, "seen_to"), n_weeks),
        since_known=column(since_known, True, np.bool_, n, "since_known"),
        sees=column(sees, NEED | CARE, np.uint8, n, "sees"), watched_by=_watched_by(journey, observed),
        inferred=column(inferred, False, np.bool_, n_rows, "inferred"),
        risk_known=not observed, everyone=not observed, observed=observed, gaps=tuple(gaps),
    )  # fmt: skip
    _check(log)
    return log


def log_of_run(run: Run) -> Log:
    """Return the log of a simulated run, of which everything was seen."""
    if not run.log:
        raise CareError("The log of this run was not kept", remedy="Simulate it with log=True")
    return log_of(run.journey, run.population, run.rows, run.scenario.n_weeks)


def log_of_observed(told: Any) -> Log:
    """Return the log that was put together from returns: `calibration.returns.assemble.Observed`."""
    return log_of(
        told.journey, told.population, told.rows, told.n_weeks, seen_from=told.seen_from, seen_to=told.seen_to,
        since_known=told.clock_known, sees=told.sees, inferred=told.inferred, observed=True, gaps=told.gaps,
    )  # fmt: skip


def _between(gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what lies between spans of weeks that are taken out."""
    out, begin = [], -FAR
    for a, b in sorted(gaps):
        if a > begin:
            out.append((begin, a))
        begin = max(begin, b)
    return [*out, (begin, FAR)]


def _watched_by(journey: Journey, observed: bool) -> NDArray[np.uint8]:
    """Return what must be watched of a child to notice an event out of a state.

    Children home from care are followed in the returns of children looked after: what those would show is a return to
    care. Returns of need hold early help by its assessments, not by its length: time in it is not watched.
    """
    if not observed:
        return np.full(len(journey.states), NEED | CARE, np.uint8)
    of_stage = {"care": CARE, "after_care": CARE, "home": NEED, "front_door": NEED, "plan": NEED}
    return np.array(
        [0 if s.key == "receiving_early_help" else of_stage.get(s.stage, 0) for s in journey.states], np.uint8
    )


def _check(log: Log) -> None:
    tables, where = log.journey.tables, "the event log"
    for name, values, below in (
        ("child", log.child, len(log)), ("edge", log.edge, tables.n_edges), ("state", log.state, tables.n_states),
        ("history", log.history, N_HISTORIES), ("risk", log.risk, N_RISKS),
    ):  # fmt: skip
        if values.size and not 0 <= int(values.min()) <= int(values.max()) < below:
            raise CareError(f"A '{name}' is not between 0 and {below - 1}", where, "Read the returns again")
    if log.week.size and not 0 <= int(log.week.min()) <= int(log.week.max()) < log.n_weeks:
        raise CareError(f"An event is not in the weeks 0 to {log.n_weeks - 1}", where, "Read the returns again")
    order = (log.week.astype(np.int64) << 40) + (log.child.astype(np.int64) << 8) + log.step
    if (np.diff(order) <= 0).any():
        raise CareError("Events are not in the order of week, child and step", where, "Sort them so")


# From a folder --------------------------------------------------------------------------------------------------------


def read_log(folder: Path, journey: Journey = JOURNEY) -> tuple[Log, dict[str, Any]]:
    """Read the log that `journeys returns read` or `journeys run` wrote, and its manifest.

    Errors
    ------
    CareError
        When the folder has no log, a file is not as it was written, or a column is missing or holds what it cannot.
    """
    again = "Make it again with 'journeys returns read' or 'journeys run'"
    manifest = read_signed(folder / MANIFEST, again)
    observed = bool(manifest.get("observed", False))
    frames = []
    for name, columns, also in ((EVENTS, EVENT_COLUMNS, ("inferred",)), (CHILDREN, CHILD_COLUMNS, SEEN_COLUMNS)):
        path, listed = folder / name, manifest.get("files", {})
        if name not in listed or not path.is_file():
            raise CareError(f"There is no event log here: '{name}' is missing", str(folder), again)
        if sha256_of(path) != listed[name]:
            raise CareError(f"The file '{name}' is not as it was written", str(path), again)
        frames.append(pl.read_parquet(path))
        for column in (*columns, *(also if observed else ())):
            if column not in frames[-1].columns:
                near = did_you_mean(column, frames[-1].columns)
                raise CareError(f"The column '{column}' is missing", str(path), near or again)
            values = frames[-1][column]
            if not (values.dtype.is_integer() or values.dtype == pl.Boolean) or values.null_count():
                raise CareError(f"The column '{column}' holds something else than whole numbers", str(path), again)
    events, children = frames
    n_weeks = manifest.get("weeks", manifest.get("scenario", {}).get("weeks"))
    if not isinstance(n_weeks, int):
        raise CareError("The manifest does not tell how many weeks the log has", str(folder / MANIFEST), again)
    gaps = manifest.get("not_watched", [])
    if not all(isinstance(g, list) and len(g) == 3 and all(isinstance(n, int) for n in g) for g in gaps):
        raise CareError("The manifest does not tell which weeks were watched", str(folder / MANIFEST), again)
    told = tuple((int(by), int(begin), int(end)) for by, begin, end in gaps)
    return log_of_frames(events, children, n_weeks, observed, journey, told), manifest


def log_of_frames(
    events: pl.DataFrame, children: pl.DataFrame, n_weeks: int, observed: bool, journey: Journey = JOURNEY,
    gaps: tuple[tuple[int, int, int], ...] = (),
) -> Log:  # fmt: skip
    """Return the log of the two tables of a folder.

    Of an observed log `children` has the columns `seen_from`, `seen_to`, `sees` and `clock_known`, `events` has
    `inferred`.
    """
    tables = journey.tables
    edge_of = np.full((len(journey.transitions), tables.n_states), -1)
    edge_of[tables.transition, tables.source] = np.arange(tables.n_edges)
    transition, source = (events[name].to_numpy().astype(np.int64) for name in ("transition", "from_state"))
    known = (transition < len(journey.transitions)) & (source < tables.n_states)
    edge = np.where(known, edge_of[np.where(known, transition, 0), np.where(known, source, 0)], -1)
    for row in np.flatnonzero(edge < 0)[:1]:
        raise CareError("An event has no place in the journey", f"{EVENTS}, row {row + 1}", "Read the returns again")
    numbers, of = (frame["child"].to_numpy().astype(np.int64) for frame in (children, events))
    by_number = np.argsort(numbers, kind="stable")
    place = np.searchsorted(numbers, of, sorter=by_number)
    child = by_number[np.minimum(place, max(numbers.size - 1, 0))] if numbers.size else np.zeros(0, np.int64)
    for row in np.flatnonzero(numbers[child] != of)[:1] if numbers.size else range(min(of.size, 1)):
        raise CareError("An event has no child", f"{EVENTS}, row {row + 1}", "Read the returns again")
    week, step = (events[name].to_numpy().astype(np.int64) for name in ("week", "step"))
    order = np.lexsort((step, child, week))
    rows = Columns(child[order], week[order], step[order], edge[order])
    population = population_of(**{name: children[name].to_numpy() for name in CHILD_COLUMNS if name != "child"})
    if not observed:
        return log_of(journey, population, rows, n_weeks)
    seen = {name: children[name].to_numpy() for name in ("seen_from", "seen_to", "sees")}
    return log_of(
        journey, population, rows, n_weeks, **seen, since_known=children["clock_known"].to_numpy(),
        inferred=events["inferred"].to_numpy()[order], observed=True, gaps=gaps,
    )  # fmt: skip


class Columns(NamedTuple):
    """Columns of events, as `log_of` takes them."""

    child: NDArray[Any]
    week: NDArray[Any]
    step: NDArray[Any]
    edge: NDArray[Any]
