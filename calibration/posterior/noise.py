"""The luck of a run: how far yearly figures of one simulation are from their expectation, and together with which.

Without mechanisms between them, children live independently of one another, given where they start. So one run of many
children says as much about luck as many runs would: the covariance of the figures is the sum over children of the
covariance of what each adds to them. Children who start alike (state, age in years, risk, history; or the year and
the way of entering) share an expectation, which is taken out; what is left within such a group is luck.

In the simulation day one has the same number of children in each state in every run, as a real 31 March has; so this is
luck from then on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.outputs import edges_counted, output_named
from abm.pathway import N_HISTORIES, N_RISKS, WEEKS_PER_YEAR
from abm.run import Run
from calibration.levers import FITTED_FIGURES

Array = NDArray[np.float64]


class Luck:
    """Takes in runs of a scenario one after the other; then gives mean figures and the covariance of one run."""

    def __init__(self, n_years: int) -> None:
        self.n_years, self.n_runs = n_years, 0
        size = n_years * len(FITTED_FIGURES)
        self.total = np.zeros(size)
        self.squares = np.zeros((size, size))
        self.sums: dict[int, Array] = {}
        self.counts: dict[int, int] = {}
        self.sample = 1

    def add(self, run: Run) -> Array:
        """Take in a run and return its figures, float64[years, figures], of the whole area."""
        self.n_runs += 1
        self.sample = run.scenario.sample
        active, added = self._added(run)
        groups = _groups(run)
        names, inverse = np.unique(groups, return_inverse=True)
        sums = np.zeros((names.size, added.shape[1]))
        np.add.at(sums, inverse[active], added)
        for name, sum_, count in zip(names.tolist(), sums, np.bincount(inverse).tolist(), strict=True):
            self.sums[name] = self.sums.get(name, 0.0) + sum_
            self.counts[name] = self.counts.get(name, 0) + count
        self.squares += added.T @ added
        started = np.zeros(len(FITTED_FIGURES))
        for column, key in enumerate(FITTED_FIGURES):
            states = output_named(key).states
            if states:
                here = [run.journey.state_index[s] for s in states]
                started[column] = np.isin(run.population.state[run.population.enter_edge < 0], here).sum()
        figures = (added.sum(axis=0).reshape(self.n_years, -1) + started) * run.scenario.sample
        self.total += figures.ravel()
        told: Array = figures
        return told

    @property
    def mean(self) -> Array:
        """Mean figures of the runs, float64[years, figures]."""
        mean: Array = self.total.reshape(self.n_years, -1) / self.n_runs
        return mean

    def covariance(self) -> Array:
        """Return the covariance of the figures of one run of all the area's children, float64[years x figures, same].

        Over all runs together, the scatter within groups; a group of n children has n / (n - 1) times its scatter.
        """
        out = self.squares.copy()
        for name, sum_ in self.sums.items():
            out -= np.outer(sum_, sum_) / self.counts[name]
        covariance: Array = out * (self.sample / self.n_runs)
        return covariance

    def _added(self, run: Run) -> tuple[NDArray[np.int64], Array]:
        """Return (children to whom anything happened, what each adds to every year's figures)."""
        journey, tables, n_years = run.journey, run.journey.tables, self.n_years
        rows = run.rows
        kept = rows.week < n_years * WEEKS_PER_YEAR
        active, who = np.unique(rows.child[kept].astype(np.int64), return_inverse=True)
        year, edge = rows.week[kept].astype(np.int64) // WEEKS_PER_YEAR, rows.edge[kept].astype(np.int64)
        out = np.zeros((active.size, n_years, len(FITTED_FIGURES)))
        place = who * n_years + year
        for column, key in enumerate(FITTED_FIGURES):
            output = output_named(key)
            by_edge = np.zeros(tables.n_edges)
            if output.states:
                here = np.zeros(tables.n_states)
                here[[journey.state_index[s] for s in output.states]] = 1.0
                by_edge = here[tables.target] - here[tables.source]
            else:
                by_edge[edges_counted(output, journey)] += 1.0
                if output.less:
                    by_edge[journey.edges_of(*output.less)] -= 1.0
            change = by_edge[edge]
            seen = np.flatnonzero(change)
            made = np.bincount(place[seen], change[seen], active.size * n_years).reshape(-1, n_years)
            if output.states:
                made = np.cumsum(made, axis=1)
            out[:, :, column] = np.minimum(made, 1.0) if output.distinct else made
        return active, out.reshape(active.size, -1)


def _groups(run: Run) -> NDArray[np.int64]:
    """Return a number for each child: children with the same number start alike."""
    people = run.population
    there = people.enter_edge < 0
    age = np.clip((people.enter_week - people.birth_week) // WEEKS_PER_YEAR, 0, 17).astype(np.int64)
    year = np.where(there, 0, 1 + people.enter_week // WEEKS_PER_YEAR).astype(np.int64)
    alike = people.risk.astype(np.int64) * N_HISTORIES + people.history
    alike = np.where(people.uasc, N_RISKS * N_HISTORIES, alike)
    number: NDArray[np.int64] = ((year * 256 + people.state) * 18 + age) * (N_RISKS * N_HISTORIES + 1) + alike
    return number
