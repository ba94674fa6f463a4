"""The compiled loops over an event log: its flows, its order, and what else could have happened."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.compiled import compiled
from abm.events import NOT_ITS_OWN
from abm.factors import NO_FACTOR, UNIT, kernel_of_family, kernel_of_weights, kernel_under
from abm.kernels import group_at
from abm.parameters import CERTAIN
from abm.pathway import WEEKS_PER_YEAR

_CERTAIN, _PER_UNIT = np.uint64(CERTAIN), float(UNIT)


@compiled(nogil=True)
def count_flows(rows: Any, first: Any, last: Any, flows: Any) -> None:
    """Count the log rows from `first` to before `last` by week and edge, into int64[weeks, E]."""
    for r in range(first, last):
        flows[rows.week[r], rows.edge[r]] += 1


@compiled(nogil=True)
def order_by(column: Any, n_rows: Any, n_values: Any) -> Any:
    """Return int64[n_rows]: the order of log rows by a column, else as they are (a stable counting sort).

    Spans without families and places are written child by child, so by week they are in order already.
    """
    first = np.zeros(n_values + 1, np.int64)
    for r in range(n_rows):
        first[column[r] + 1] += 1
    for value in range(n_values):
        first[value + 1] += first[value]
    order = np.empty(n_rows, np.int64)
    for r in range(n_rows):
        value = column[r]
        order[first[value]] = r
        first[value] += 1
    return order


@compiled(nogil=True)
def list_options(
    edges: Any, chances: Any, factors: Any, people: Any, rows: Any, chosen: Any, row: Any, edge: Any, threshold: Any
) -> Any:
    """List what could have happened at each event of the chosen children, by reading their log again.

    factors  int32[weeks, E, H]  of each week where `chances` are factored, else of no weeks
    people   People     as on day one; state, history and since are changed
    rows     Rows       the log in its canonical order; `child` is a position in `people`
    chosen   bool[N]    children whose options are listed
    row, edge, threshold  columns to fill: the event's row, the edge that was open, its threshold

    Returns the number of options; columns of length 0 are only counted.
    """
    thresholds, strength, factored = chances.thresholds, chances.strength, chances.factored
    n, n_years, n_clock = 0, thresholds.shape[0], edges.band.shape[1]
    by_weight = np.zeros(edges.target.size, np.uint64)
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
        told = int(rows.context[r])
        context, joined = told & ~NOT_ITS_OWN, told & NOT_ITS_OWN != 0
        by_chance = False
        for x in range(first, last):
            by_chance = by_chance or open_edges[x] == taken
        if joined:
            if fill:
                row[n], edge[n], threshold[n] = r, taken, rows.threshold[r]
            n += 1
        elif by_chance:
            known, weighed, left = before[i], False, 0.0
            if factored and edges.at_once[state]:
                for x in range(last - 1, first - 1, -1):
                    weighed = weighed or factors[week, open_edges[x], known] != UNIT
                    weight = strength[year, group, band, open_edges[x]] * (
                        factors[week, open_edges[x], known] / _PER_UNIT
                    )
                    left += weight
                    by_weight[x - first] = kernel_of_weights(weight, left)
            for x in range(first, last):
                chance = thresholds[year, group, band, open_edges[x]]
                if factored and edges.at_once[state]:
                    chance = by_weight[x - first] if weighed else chance
                    chance = kernel_of_family(chance, chances.context[context, open_edges[x]])
                elif factored:
                    under = factors[week, open_edges[x], known] * chances.context[context, open_edges[x]]
                    if under != NO_FACTOR:
                        chance = kernel_under(strength[year, group, band, open_edges[x]], under)
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
