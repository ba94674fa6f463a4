"""Expected stocks and flows week by week: columns of children, by birth week, advanced through a mean field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.compiled import HAS_NUMBA
from abm.mass import advance_mass
from abm.meanfield import N_STRATA, UNACCOMPANIED_STRATUM, MeanField, Values
from abm.pathway import (
    AGE_EDGES_WEEKS,
    N_AGES,
    N_HISTORIES,
    WEEKS_PER_YEAR,
    WEEKS_TO_18,
    unaccompanied_group,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Trajectory:
    """Expected stocks and flows by week, in children of the whole area.

    stocks        float64[weeks, S]        after each week; of states never left, those who entered since the start
    flows         float64[weeks, E]        during each week
    by_age        float64[years, 5, S]     stocks at the end of each model year by age band
    flows_by_age  float64[years, 5, E]     flows of each model year by age band at the time
    mass          float64[cells, columns]  where children are at the end
    """

    stocks: Array
    flows: Array
    by_age: Array
    flows_by_age: Array
    mass: Array


@dataclass(frozen=True)
class Columns:
    """Children by birth week, what enters them and what leaves them.

    birth_week  int64[J]           ascending
    mass        float64[cells, J]  on day one
    risk        float64[4]         shares of risk classes among those who are born or move in
    born, moved_in, came_alone, moved_away  float64[weeks, J]  children, by week; of those meant to move away only
                                   those at home do
    """

    birth_week: NDArray[np.int64]
    mass: Array
    risk: Array
    born: Array
    moved_in: Array
    came_alone: Array
    moved_away: Array


class Diary:
    """Where those land who enter by the population plan, and what flows that makes."""

    def __init__(self, field: MeanField, columns: Columns) -> None:
        self.field, self.columns = field, columns
        journey = field.journey
        names = ("born", "moved_in", "came_alone", "moved_away")
        self.edge = {name: journey.edges_of(name)[0] for name in names if name in journey.transition_index}

    def landing(self, name: str, thresholds: NDArray[np.uint64], age: int) -> tuple[Array, Array]:
        """Return (cells, edges): where one child of an age band who enters by `name` lands, and the flows it makes."""
        field, edge = self.field, self.edge[name]
        cells, flows = np.zeros(field.grid.n_cells), np.zeros(field.journey.tables.n_edges)
        flows[edge] = 1.0
        alone = name == "came_alone"
        for path, chance in field.entry_chains(edge, thresholds, unaccompanied_group(age) if alone else 0):
            flows[list(path)] += chance
            for history, piece, share in field.landing(edge, path, 0, -1):
                for risk, part in [(-1, 1.0)] if alone else enumerate(self.columns.risk):
                    stratum = UNACCOMPANIED_STRATUM if risk < 0 else risk * N_HISTORIES + history
                    cells[stratum * field.grid.n_pieces + piece] += chance * share * part
        return cells, flows


def run_columns(
    field: MeanField,
    thresholds: NDArray[np.uint64],
    columns: Columns,
    n_weeks: int,
    first_week: int = 0,
    cache: dict[int, Values] | None = None,
    watch: Callable[[int, Array], None] | None = None,
) -> Trajectory:
    """Advance the columns from `first_week` for `n_weeks` and return the expected stocks and flows.

    thresholds  uint64[Y, E, G, B]  by model year; the last year holds for what lies beyond
    cache       values of the matrices by model year, of earlier calls with the same thresholds; added to
    watch       told each week and the mass at its beginning, float64[cells, columns], which it must not change
    """
    grid, tables = field.grid, field.journey.tables
    n_years = -(-n_weeks // WEEKS_PER_YEAR)
    mass = columns.mass.copy()
    spare = np.empty_like(mass)
    stocks = np.zeros((n_weeks, tables.n_states))
    flows = np.zeros((n_weeks, tables.n_edges))
    by_age = np.zeros((n_years, N_AGES, tables.n_states))
    flows_by_age = np.zeros((n_years, N_AGES, tables.n_edges))
    diary = Diary(field, columns)
    state_of = np.tile(grid.state, N_STRATA)
    young = np.ones(columns.birth_week.size, bool)
    cache = {} if cache is None else cache
    arrivals: dict[tuple[int, str, int], tuple[Array, Array]] = {}
    for t in range(n_weeks):
        week, model_year = first_week + t, t // WEEKS_PER_YEAR
        if watch is not None:
            watch(week, mass)
        year = min(week // WEEKS_PER_YEAR, thresholds.shape[0] - 1)
        age = week - columns.birth_week
        band = np.minimum(np.searchsorted(AGE_EDGES_WEEKS, np.maximum(age, 0), side="right") - 1, N_AGES - 1)
        for j in np.flatnonzero((age >= WEEKS_TO_18) & young):
            young[j] = False
            gone = np.bincount(state_of, mass[:, j], tables.n_states)
            for s in np.flatnonzero((gone != 0) & (tables.birthday >= 0)):
                flows[t, tables.birthday[s]] += gone[s]
                flows_by_age[model_year, -1, tables.birthday[s]] += gone[s]
                mass[state_of == s, j] = 0.0
        leaving = np.flatnonzero(columns.moved_away[week])
        if leaving.size:
            edge = diary.edge["moved_away"]
            share = columns.moved_away[week, leaving] / np.maximum(mass[:, leaving].sum(axis=0), 1e-300)
            home = np.ix_(field.home_cells, leaving)
            moving = mass[home] * np.minimum(share, 1.0)
            mass[home] -= moving
            flows[t, edge] += moving.sum()
            np.add.at(flows_by_age[model_year, :, edge], band[leaving], moving.sum(axis=0))
        if year not in cache:
            by_band = [field.values(thresholds[year], a) for a in range(N_AGES)]
            cache[year] = tuple(np.stack(part, axis=1) for part in zip(*by_band, strict=True))  # type: ignore[assignment]
        happened = np.zeros((N_AGES, tables.n_edges))
        mass, spare = _one_week(field, cache[year], band, mass, spare, happened), mass
        flows[t] += happened.sum(axis=0)
        flows_by_age[model_year] += happened
        for name, entering in (
            ("born", columns.born),
            ("moved_in", columns.moved_in),
            ("came_alone", columns.came_alone),
        ):
            coming = np.flatnonzero(entering[week])
            for a in np.unique(band[coming]):
                here = coming[band[coming] == a]
                if (year, name, int(a)) not in arrivals:
                    arrivals[year, name, int(a)] = diary.landing(name, thresholds[year], int(a))
                cells, made = arrivals[year, name, int(a)]
                into = np.flatnonzero(cells)
                mass[np.ix_(into, here)] += cells[into, None] * entering[week, here]
                flows[t] += made * entering[week, here].sum()
                flows_by_age[model_year, a] += made * entering[week, here].sum()
        stocks[t] = field.summing @ mass.sum(axis=1)
        if (t + 1) % WEEKS_PER_YEAR == 0 or t == n_weeks - 1:
            then = np.searchsorted(AGE_EDGES_WEEKS, np.maximum(age + 1, 0), side="right") - 1
            for a in range(N_AGES):
                by_age[model_year, a] = field.summing @ mass[:, np.minimum(then, N_AGES - 1) == a].sum(axis=1)
    ends = np.setdiff1d(np.flatnonzero(~tables.at_once), np.unique(grid.state))
    for s in ends:
        stocks[:, s] = np.cumsum(
            flows[:, (tables.target == s)].sum(axis=1) - flows[:, (tables.source == s)].sum(axis=1)
        )
    return Trajectory(stocks, flows, by_age, flows_by_age, mass)


def _one_week(
    field: MeanField, values: Values, band: NDArray[np.int64], mass: Array, spare: Array, happened: Array
) -> Array:
    """Return the mass a week later (in `spare`, or new) and add the week's events to `happened` [ages, E]."""
    step, flow = field.step, field.flow
    if HAS_NUMBA:
        patterns = (step.indptr, step.indices, values[0], flow.indptr, flow.indices, values[1])
        advance_mass(*patterns, band, mass, spare, happened)
        return spare
    for a in np.unique(band):
        mine = band == a
        happened[a] += flow.matrix(values[1][:, a]) @ mass[:, mine].sum(axis=1)
        spare[:, mine] = step.matrix(values[0][:, a]) @ mass[:, mine]
    return spare
