"""The compiled loops over an event log: its flows, its order, and what else could have happened."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.compiled import compiled
from abm.kernels import group_at
from abm.parameters import CERTAIN
from abm.pathway import WEEKS_PER_YEAR

_CERTAIN = np.uint64(CERTAIN)


@compiled(nogil=True)
def count_flows(rows: Any, first: Any, last: Any, flows: Any) -> None:
    """Count the log rows from `first` to before `last` by week and edge, into int64[weeks, E]."""
    for r in range(first, last):
        flows[rows.week[r], rows.edge[r]] += 1


@compiled(nogil=True)
def order_by_week(rows: Any, n_rows: Any, n_weeks: Any) -> Any:
    """Return int64[n_rows]: the order of log rows by week, else as they are (a stable counting sort).

    Spans are written child by child, so within a week the rows are in the order of children and steps already.
    """
    first = np.zeros(n_weeks + 1, np.int64)
    for r in range(n_rows):
        first[rows.week[r] + 1] += 1
    for week in range(n_weeks):
        first[week + 1] += first[week]
    order = np.empty(n_rows, np.int64)
    for r in range(n_rows):
        week = rows.week[r]
        order[first[week]] = r
        first[week] += 1
    return order


@compiled(nogil=True)
def list_options(
    edges: Any, thresholds: Any, people: Any, rows: Any, chosen: Any, row: Any, edge: Any, threshold: Any
) -> Any:
    """List what could have happened at each event of the chosen children, by reading their log again.

    people   People     as on day one; state, history and since are changed
    rows     Rows       the log in its canonical order; `child` is a position in `people`
    chosen   bool[N]    children whose options are listed
    row, edge, threshold  columns to fill: the event's row, the edge that was open, its threshold

    Returns the number of options; columns of length 0 are only counted.
    """
    n, n_years, n_clock = 0, thresholds.shape[0], edges.band.shape[1]
    fill = row.size > 0
    before = people.history.copy()
    for r in range(rows.child.size):
        i, week, taken = rows.child[r], int(rows.week[r]), int(rows.edge[r])
        if not chosen[i]:
            continue
        state, since = int(people.state[i]), int(people.since[i])
        if rows.step[r] == 0:
            before[i] = people.history[i]
        group = group_at(week - int(people.birth_week[i]), int(people.risk[i]), int(before[i]), people.uasc[i])
        year = min(week // WEEKS_PER_YEAR, n_years - 1)
        band, first, last = 0, edges.outcome_first[state], edges.outcome_first[state + 1]
        open_edges = edges.outcome
        if not edges.at_once[state]:
            band = edges.band[state, min(max(week - since - 1, 0), n_clock - 1)]
            first, last = edges.weekly_first[state], edges.weekly_first[state + 1]
            open_edges = edges.weekly
        by_chance = False
        for x in range(first, last):
            by_chance = by_chance or open_edges[x] == taken
        if by_chance:
            for x in range(first, last):
                chance = thresholds[year, open_edges[x], group, band]
                if chance > 0:
                    if fill:
                        row[n], edge[n], threshold[n] = r, open_edges[x], chance
                    n += 1
        else:
            if fill:
                row[n], edge[n], threshold[n] = r, taken, _CERTAIN
            n += 1
        people.history[i] = max(int(people.history[i]), int(edges.history[taken]))
        target = int(edges.target[taken])
        if edges.clock[target] != edges.clock[state]:
            people.since[i] = week - int(edges.clock_at[taken])
        people.state[i] = target
    return n
