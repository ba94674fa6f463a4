"""The event log: what happened to each child, week by week, exactly; its digest and its checks."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.errors import CareError
from abm.parameters import CERTAIN
from abm.pathway import DIARY, WEEKS_TO_18, Journey
from abm.population import Population

CHANCE, OUTCOME, DATE, PLAN, TOGETHER, PLACE = 0, 1, 2, 3, 4, 5
"""Origins of an event: a weekly chance; decided at once after the row before; a birthday; born, arrived, moved away;
with a brother or sister; as homes were found."""
JOINED, PLACED = 128, 64
"""Added to the context of an event: that a child had because a brother or sister had it; that is as homes were found,
because there was none of the kind that was looked for, a home closed, or the child's turn came."""
NOT_ITS_OWN = JOINED | PLACED


class Rows(NamedTuple):
    """Columns of the event log, all of the same length: one row an event.

    `context` is that of the child's family then (`abm.family_life`), 0 where families do not matter.
    """

    child: NDArray[np.int32]
    week: NDArray[np.int16]
    step: NDArray[np.uint8]
    edge: NDArray[np.uint16]
    threshold: NDArray[np.uint64]
    draw: NDArray[np.uint32]
    context: NDArray[np.uint8]


def new_rows(n: int) -> Rows:
    """Return log columns for `n` events."""
    return Rows(
        child=np.zeros(n, np.int32),
        week=np.zeros(n, np.int16),
        step=np.zeros(n, np.uint8),
        edge=np.zeros(n, np.uint16),
        threshold=np.zeros(n, np.uint64),
        draw=np.zeros(n, np.uint32),
        context=np.zeros(n, np.uint8),
    )


def take(rows: Rows, which: NDArray[Any] | slice) -> Rows:
    """Return some rows of a log, in the order given."""
    return Rows._make(column[which] for column in rows)


def origins(journey: Journey) -> NDArray[np.uint8]:
    """Return uint8[E]: the origin that every event of an edge has."""
    tables = journey.tables
    planned = np.array([journey.transitions[t].key in DIARY for t in tables.transition], bool)
    return np.select([tables.weekly, tables.outcome, planned], [CHANCE, OUTCOME, PLAN], DATE).astype(np.uint8)


def log_columns(journey: Journey, rows: Rows) -> dict[str, NDArray[Any]]:
    """Return the log's exact columns by name; `threshold` and `draw` are whole numbers, shares of 2**32.

    Where families matter, `context` is among them.
    """
    tables = journey.tables
    context = {"context": rows.context} if rows.context.any() else {}
    return {
        "child": rows.child,
        "week": rows.week,
        "step": rows.step,
        "transition": tables.transition[rows.edge],
        "from_state": tables.source[rows.edge],
        "to_state": tables.target[rows.edge],
        "origin": np.select(
            [rows.context & PLACED > 0, rows.context & JOINED > 0],
            [np.uint8(PLACE), np.uint8(TOGETHER)],
            origins(journey)[rows.edge],
        ),
        "threshold": rows.threshold,
        "draw": rows.draw,
        **context,
    }


def events_frame(journey: Journey, rows: Rows) -> pl.DataFrame:
    """Return the log as people and charts read it: chance and draw as numbers in [0, 1], both exact."""
    columns = log_columns(journey, rows)
    chance, draw = columns.pop("threshold") / CERTAIN, columns.pop("draw") / CERTAIN
    return pl.DataFrame({**columns, "chance": chance, "draw": draw})


def children_frame(population: Population) -> pl.DataFrame:
    """Return the children as they were on entry."""
    return pl.DataFrame({name: column for name, column in population.columns().items() if name != "enter_edge"})


def digest(journey: Journey, rows: Rows, population: Population) -> str:
    """Return the SHA-256 of log and children: names, kinds, lengths and little-endian whole numbers, in order."""
    sha = hashlib.sha256()
    for name, column in (*log_columns(journey, rows).items(), *population.columns().items()):
        plain = np.ascontiguousarray(column, column.dtype.newbyteorder("<"))
        sha.update(f"{name} {plain.dtype.str} {plain.size};".encode())
        sha.update(plain.tobytes())
    return sha.hexdigest()


def check(
    journey: Journey,
    rows: Rows,
    population: Population,
    stocks: NDArray[np.int64],
    flows: NDArray[np.int64],
) -> None:
    """Check everything that must hold of a run, or raise CareError with the child and the week.

    rows    in canonical order: week, child, step
    stocks  int64[weeks, S]  children in each state at the end of each week
    flows   int64[weeks, E]  events of each week
    """
    check_chain(journey, rows, population)
    check_grown_up(journey, rows, population, stocks.shape[0])
    check_counts(rows, flows)
    check_balance(journey, population, stocks, flows)
    check_ends(journey, rows, population, stocks)


def _fail(what: str, child: int, week: int) -> CareError:
    return CareError(
        f"{what}: child {child} in week {week}", "the event log", "This is a fault of the engine: please report it"
    )


def _by_child(rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the order of rows by child, and whether each is the child's first."""
    order = np.argsort(rows.child, kind="stable")
    who = rows.child[order]
    return order, np.diff(who, prepend=-1) != 0


def check_chain(journey: Journey, rows: Rows, population: Population) -> None:
    """Check that each event begins where the child's last one ended, and that chains within a week end in a stay."""
    tables = journey.tables
    order, first = _by_child(rows)
    child, week, step, edge = (column[order].astype(np.int64) for column in rows[:4])
    before = np.where(first, population.state[child], np.roll(tables.target[edge], 1))
    for r in np.flatnonzero(before != tables.source[edge])[:1]:
        raise _fail("An event does not begin in the state the child was in", int(child[r]), int(week[r]))
    same = ~first & (week == np.roll(week, 1))
    wrong = (step != np.where(same, np.roll(step, 1) + 1, 0)) | (~first & (week < np.roll(week, 1)))
    wrong |= week < population.enter_week[child]
    for r in np.flatnonzero(wrong)[:1]:
        raise _fail("Events are out of order", int(child[r]), int(week[r]))
    ends_week = np.roll(~same, -1)
    for r in np.flatnonzero(tables.at_once[tables.target[edge]] & ends_week)[:1]:
        raise _fail("A child stayed in a state that is left at once", int(child[r]), int(week[r]))


def check_grown_up(journey: Journey, rows: Rows, population: Population, n_weeks: int) -> None:
    """Check that nobody of 18 or more is in a state other than those of the stage "left"."""
    tables = journey.tables
    left = np.array([state.stage == "left" for state in journey.states])
    order, first = _by_child(rows)
    child, week = rows.child[order].astype(np.int64), rows.week[order].astype(np.int64)
    until = np.where(np.roll(first, -1), n_weeks, np.roll(week, -1))
    adult = population.birth_week.astype(np.int64) + WEEKS_TO_18
    wrong = ~left[tables.target[rows.edge[order]]] & (until > np.maximum(adult[child], week))
    for r in np.flatnonzero(wrong)[:1]:
        raise _fail(
            "A young person of 18 is still counted as a child", int(child[r]), int(max(week[r], adult[child[r]]))
        )
    # Before the first event, from entry (or day one) on.
    until = np.full(len(population), n_weeks, np.int64)
    until[child[first]] = week[first]
    wrong = ~left[population.state] & (until > np.maximum(adult, population.enter_week))
    for c in np.flatnonzero(wrong)[:1]:
        raise _fail("A young person of 18 is still counted as a child", int(c), int(adult[c]))


def check_counts(rows: Rows, flows: NDArray[np.int64]) -> None:
    """Check that flows are the counts of log rows."""
    n_weeks, n_edges = flows.shape
    counted = np.bincount(rows.week.astype(np.int64) * n_edges + rows.edge, minlength=n_weeks * n_edges)
    for week, edge in np.argwhere(counted.reshape(n_weeks, n_edges) != flows)[:1]:
        children = rows.child[(rows.week == week) & (rows.edge == edge)]
        raise _fail(
            f"Flow {edge} is {flows[week, edge]}, the log has {children.size}", int(children[:1].sum()), int(week)
        )


def check_balance(
    journey: Journey, population: Population, stocks: NDArray[np.int64], flows: NDArray[np.int64]
) -> None:
    """Check that each week's stocks are those of the week before, with what came in and without what left."""
    expected = stocks_from_flows(journey, population.state, flows)
    for week, state in np.argwhere(expected != stocks)[:1]:
        raise CareError(
            f"The stock of '{journey.states[state].key}' is {stocks[week, state]} in week {week}, "
            f"its flows give {expected[week, state]}",
            remedy="This is a fault of the engine: please report it",
        )
    for week in np.flatnonzero(stocks.sum(axis=1) != len(population))[:1]:
        raise CareError(
            f"In week {week} there are {stocks[week].sum()} children instead of {len(population)}",
            remedy="This is a fault of the engine: please report it",
        )


def check_ends(journey: Journey, rows: Rows, population: Population, stocks: NDArray[np.int64]) -> None:
    """Check that the states in which the log leaves the children are the last week's stocks."""
    last = population.state.astype(np.int64)
    last[rows.child] = journey.tables.target[rows.edge]  # rows are in order: the last one of a child stays
    counted = np.bincount(last, minlength=journey.tables.n_states)
    for state in np.flatnonzero(counted != stocks[-1])[:1]:
        child = int(np.flatnonzero(last == state)[:1].sum())
        raise _fail(f"The log leaves {counted[state]} children in state {state}", child, stocks.shape[0] - 1)


def stocks_from_flows(journey: Journey, state: NDArray[np.uint8], flows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return int64[weeks, S], children in each state at the end of each week, from their first states and the flows."""
    tables = journey.tables
    change = np.zeros((flows.shape[0], tables.n_states), np.int64)
    for edge in range(tables.n_edges):
        change[:, tables.target[edge]] += flows[:, edge]
        change[:, tables.source[edge]] -= flows[:, edge]
    first = np.bincount(state, minlength=tables.n_states)
    out: NDArray[np.int64] = first + np.cumsum(change, axis=0)
    return out
