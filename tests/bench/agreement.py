"""Whether a rival tells the same journeys as ours: the same distribution, not the same luck.

All engines are given the same children. Two kinds of numbers are compared, each a count of children to whom something
holds, summed over some runs of either engine:

* children in each state at the end of every 13th week;
* children for whom a transition (out of a state) happened at least once in a year.

Given the children, each is in the state or not by a chance of its own, so a count is a sum of independent yes and no.
Were the chances of all children alike, the count of one engine given the count of both would be hypergeometric
(Fisher's exact test); as they are not, counts vary less, and the test is on the careful side. The smallest p-value is
multiplied by the number of comparisons. A rival is refused below FALSE_ALARM, so a faultless one is refused in fewer
than one bench of a million.

Each log is also read by itself: it must chain, and give the stocks that the rival counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom, norm

from abm.errors import CareError
from abm.events import Rows, check_chain, check_grown_up
from abm.pathway import WEEKS_PER_YEAR, Journey
from abm.population import Population
from abm.run import Run
from tests.bench.rivals.lookup import Told

FALSE_ALARM = 1e-7
"""For each comparison of two engines; a bench makes fewer than ten."""
EVERY = 13


@dataclass(frozen=True)
class Agreement:
    """How far two engines agree.

    runs     runs of the rival and of ours
    cells    numbers compared
    z        the least likely difference as standard errors of a normal distribution, at most 38
    p        the chance of a difference as unlikely as the least likely one anywhere, at most
    where    what that number is
    """

    runs: tuple[int, int]
    cells: int
    z: float
    p: float
    where: str

    @property
    def holds(self) -> bool:
        return self.p >= FALSE_ALARM


def told_of(run: Run) -> Told:
    """Return one of our runs as a rival's is told."""
    return Told(run.rows.child, run.rows.week, run.rows.step, run.rows.edge, run.stocks)


def compare(journey: Journey, population: Population, theirs: Sequence[Told], ours: Sequence[Told]) -> Agreement:
    """Compare runs of a rival with runs of ours, of the same children and weeks but other seeds."""
    n = len(population)
    counts, names = zip(*(_counted(journey, n, runs) for runs in (theirs, ours)), strict=True)
    mine, other = counts
    of_n = n * np.array([len(theirs), len(ours)])
    seen = (mine + other > 0) & (mine + other < of_n.sum())
    mine, other = mine[seen], other[seen]
    p = np.minimum(hypergeom.cdf(mine, of_n.sum(), mine + other, of_n[0]),
                   hypergeom.sf(mine - 1, of_n.sum(), mine + other, of_n[0]))  # fmt: skip
    least = int(np.argmin(p))
    z = min(float(norm.isf(p[least])), 38.0)
    adjusted = min(1.0, 2 * float(p[least]) * p.size)
    return Agreement((len(theirs), len(ours)), p.size, z, adjusted, str(np.array(names[0])[seen][least]))


def _counted(journey: Journey, n: int, runs: Sequence[Told]) -> tuple[NDArray[np.int64], list[str]]:
    tables = journey.tables
    n_weeks = runs[0].stocks.shape[0]
    years = -(-n_weeks // WEEKS_PER_YEAR)
    stocks = sum(run.stocks[EVERY - 1 :: EVERY] for run in runs)
    happened = np.zeros((years, tables.n_edges), np.int64)
    for run in runs:
        year = run.week.astype(np.int64) // WEEKS_PER_YEAR
        cell = np.unique((year * tables.n_edges + run.edge) * n + run.child) // n
        happened += np.bincount(cell, minlength=happened.size).reshape(happened.shape)
    states = [state.key for state in journey.states]
    names = [f"in '{s}' after week {EVERY * (k + 1)}" for k in range(len(stocks)) for s in states]
    edges = [
        f"'{journey.transitions[t].key}' out of '{states[s]}'"
        for t, s in zip(tables.transition, tables.source, strict=True)
    ]
    names += [f"{edge} in year {year + 1}" for year in range(years) for edge in edges]
    return np.concatenate([stocks.ravel(), happened.ravel()]), names


def check_told(journey: Journey, population: Population, told: Told) -> None:
    """Check that a log chains and gives the stocks that were counted, or raise CareError."""
    tables, n_weeks = journey.tables, told.stocks.shape[0]
    order = np.lexsort((told.step, told.child, told.week))
    child, week, step, edge = (np.asarray(column)[order].astype(np.int64) for column in told[:4])
    nothing = np.zeros(child.size, np.int64)
    rows = Rows(child, week, step, edge, nothing, nothing, np.zeros(len(child), np.uint8))
    check_chain(journey, rows, population)
    check_grown_up(journey, rows, population, n_weeks)
    change = np.zeros((n_weeks, tables.n_states), np.int64)
    np.add.at(change, (week, tables.target[edge]), 1)
    np.add.at(change, (week, tables.source[edge]), -1)
    start = np.bincount(population.state, minlength=tables.n_states)
    if not np.array_equal(start + change.cumsum(axis=0), told.stocks):
        raise CareError("The log of a rival does not give the stocks it counted", remedy="Correct the rival")
