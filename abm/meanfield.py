"""The expected stocks and flows of a scenario: the system dynamics view, from the same tables as the simulation.

Children are carried as a mass over cells (stratum, state, piece of the clock) in columns by birth week. Two of the three
forms are here and differ in their grid alone:

exact   one piece for each week on the clock, columns for each birth week given: without coupling this is the mean of the
        simulation, to the last digit of the chances (they are the same integers);
banded  one piece for each band of time, left at a rate of one over its width; columns for a year or a quarter of births.

The third form, classic system dynamics, has one stock for each state: abm/classic.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from abm.parameters import CERTAIN, Parameters
from abm.pathway import (
    AGE_EDGES_WEEKS,
    N_AGES,
    N_HISTORIES,
    N_RISKS,
    UNACCOMPANIED_GROUP,
    WEEKS_PER_YEAR,
    WEEKS_TO_18,
    Journey,
    group_of,
)

N_STRATA = N_RISKS * N_HISTORIES + 1
UNACCOMPANIED_STRATUM = N_STRATA - 1
Array = NDArray[np.float64]
Matrices = tuple[sparse.csr_matrix, sparse.csr_matrix]
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


def competing(p: Array) -> Array:
    """Return the chance that each of k transitions is the one taken, given that each fires with its own chance.

    p  float64[k, ...]  chances of firing, independent of one another

    Of those that fire the one with the smallest draw in proportion to its chance is taken, so the chance is
    p_i times the integral over s in (0, 1) of the product over j != i of (1 - p_j s). Gauss-Legendre with 10 nodes is
    exact for k <= 20.
    """
    out = np.zeros_like(p)
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        factors = 1.0 - p * node
        out += weight * np.prod(factors, axis=0) / factors
    return p * out


@dataclass(frozen=True)
class Grid:
    """The cells of a mean field: pieces of the clock in every state where children stay, for each stratum.

    state, start, width  int[K]  state of a piece, its first week on the clock, its weeks (0: open-ended)
    band                 int[K]  the band of time whose chances hold in the piece
    piece_at             int[S, C]  piece of a state by weeks on the clock (-1 where no child stays)
    """

    state: NDArray[np.int64]
    start: NDArray[np.int64]
    width: NDArray[np.int64]
    band: NDArray[np.int64]
    piece_at: NDArray[np.int64]

    @property
    def n_pieces(self) -> int:
        """Pieces of the clock over all states, K."""
        return int(self.state.size)

    @property
    def n_cells(self) -> int:
        """Cells, strata x pieces."""
        return N_STRATA * self.n_pieces


def make_grid(journey: Journey, widest: int | None = None) -> Grid:
    """Return the grid with pieces of at most `widest` weeks: 1 is exact; None gives one piece for each band."""
    tables = journey.tables
    state, start, width, band = [], [], [], []
    piece_at = np.full(tables.band.shape, -1)
    for s, declared in enumerate(journey.states):
        if tables.at_once[s] or not (tables.weekly[tables.first[s] : tables.first[s + 1]].any() or declared.at_18):
            continue
        edges = [*declared.bands, declared.bands[-1] + 1]
        for b, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
            last = b == len(declared.bands) - 1
            step = 1 if last else min(widest or high - low, high - low)
            for first in range(low, high, step):
                state.append(s)
                start.append(first)
                width.append(0 if last else min(step, high - first))
                band.append(b)
                piece_at[s, first:] = len(state) - 1
    return Grid(np.array(state), np.array(start), np.array(width), np.array(band), piece_at)


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


class MeanField:
    """Expected stocks and flows under some parameters, on a grid."""

    def __init__(self, journey: Journey, grid: Grid) -> None:
        """Lay out the pattern of moves between cells; chances come with `matrices`."""
        self.journey, self.grid = journey, grid
        self._chains = {s: self._paths(int(s)) for s in np.flatnonzero(journey.tables.at_once)}
        self._paths_list = sorted({path[:n] for paths in self._chains.values() for path in paths
                                   for n in range(len(path) + 1)})
        self._path_index = {path: i for i, path in enumerate(self._paths_list)}
        self._lay_out()
        tables = journey.tables
        self.summing = sparse.csr_matrix(
            (np.ones(grid.n_cells), (np.tile(grid.state, N_STRATA), np.arange(grid.n_cells))),
            shape=(tables.n_states, grid.n_cells),
        )
        home = journey.state_index.get("at_home", 0)
        self.home_cells = np.flatnonzero(np.tile(grid.state, N_STRATA) == home)

    def _paths(self, state: int) -> list[tuple[int, ...]]:
        """Every way out of a state that is left at once, as outcome edges, to a state where a child stays."""
        tables = self.journey.tables
        paths: list[tuple[int, ...]] = []
        for e in range(tables.first[state], tables.first[state + 1]):
            if tables.outcome[e]:
                target = int(tables.target[e])
                paths += [(e, *rest) for rest in self._paths(target)] if tables.at_once[target] else [(e,)]
        return paths

    def ways(self, edge: int) -> list[tuple[int, ...]]:
        """Return the chains of outcomes that can follow an edge in the same week; one empty chain if none does."""
        return self._chains.get(int(self.journey.tables.target[edge]), [()])

    def landing(self, edge: int, path: tuple[int, ...], history: int, piece: int) -> list[tuple[int, int, float]]:
        """Return where a child lands: (history, piece of the grid, share), from a piece, by an edge and its chain."""
        tables, grid = self.journey.tables, self.grid
        here, running, at = int(tables.source[edge]), True, 0
        for e in (edge, *path):
            to = int(tables.target[e])
            if tables.clock[to] != tables.clock[here]:
                running, at = False, int(tables.clock_at[e])
            here = to
            history = max(history, int(tables.history[e]))
        if (grid.state == here).sum() == 0:
            return []
        if running and piece >= 0:
            offset = np.flatnonzero(grid.state == here)[0] - np.flatnonzero(grid.state == grid.state[piece])[0]
            return [(history, int(p + offset), share) for p, share in self._one_week_on(piece)]
        return [(history, int(grid.piece_at[here, min(at, grid.piece_at.shape[1] - 1)]), 1.0)]

    def _one_week_on(self, piece: int) -> list[tuple[int, float]]:
        """Where the clock of a child who stays is a week later: the same piece, or the next."""
        width = int(self.grid.width[piece])
        if width == 0:
            return [(piece, 1.0)]
        if width == 1:
            return [(piece + 1, 1.0)]
        return [(piece, 1.0 - 1.0 / width), (piece + 1, 1.0 / width)]

    def _lay_out(self) -> None:
        """List every possible move as (to cell, from cell, edge, chain, share), and what flows it counts in."""
        tables, grid = self.journey.tables, self.grid
        k = grid.n_pieces
        moves: list[tuple[int, int, int, int, float]] = []
        counts: list[tuple[int, int, int, int]] = []
        for piece in range(k):
            s = int(grid.state[piece])
            edges = [e for e in range(tables.first[s], tables.first[s + 1]) if tables.weekly[e]]
            for stratum in range(N_STRATA):
                history = stratum % N_HISTORIES
                cell = stratum * k + piece
                moves += [(stratum * k + p, cell, -1, 0, share) for p, share in self._one_week_on(piece)]
                base = stratum - history if stratum != UNACCOMPANIED_STRATUM else stratum
                for e in edges:
                    counts.append((e, cell, e, self._path_index[()]))
                    for path in self.ways(e):
                        for to_history, p, share in self.landing(e, path, history, piece):
                            to = base + to_history if stratum != UNACCOMPANIED_STRATUM else stratum
                            moves.append((to * k + p, cell, e, self._path_index[path], share))
                    prefixes = {path[:n] for path in self.ways(e) for n in range(1, len(path) + 1)}
                    counts += [(prefix[-1], cell, e, self._path_index[prefix]) for prefix in sorted(prefixes)]
        self._step = _Pattern(np.array([m[:4] for m in moves]), np.array([m[4] for m in moves]), k,
                              (grid.n_cells, grid.n_cells))
        self._count = _Pattern(np.array(counts), np.ones(len(counts)), k, (tables.n_edges, grid.n_cells))

    def matrices(self, thresholds: NDArray[np.uint64], age: int) -> Matrices:
        """Return the matrix that moves the mass on by a week, and the one that gives the week's flows.

        thresholds  uint64[E, G, B]  of one model year
        age         the age band of the columns they are for
        """
        tables, grid = self.journey.tables, self.grid
        groups = np.array([group_of(age, s // N_HISTORIES, s % N_HISTORIES) for s in range(N_STRATA - 1)]
                          + [UNACCOMPANIED_GROUP])
        fire = thresholds[:, groups, :].astype(np.float64) / CERTAIN
        taken = np.zeros((tables.n_edges + 1, N_STRATA, grid.n_pieces))
        taken[-1] = 1.0
        for s in np.unique(grid.state):
            pieces = np.flatnonzero(grid.state == s)
            edges = np.array([e for e in range(tables.first[s], tables.first[s + 1]) if tables.weekly[e]], int)
            if edges.size:
                chance = fire[edges][:, :, : int(tables.n_bands[s])]
                taken[np.ix_(edges, np.arange(N_STRATA), pieces)] = competing(chance)[:, :, grid.band[pieces]]
                taken[-1][:, pieces] = np.prod(1.0 - chance, axis=0)[:, grid.band[pieces]]
        ways = np.ones((len(self._paths_list), N_STRATA))
        for i, path in enumerate(self._paths_list):
            for e in path:
                before = [b for b in range(tables.first[tables.source[e]], e) if tables.outcome[b]]
                ways[i] *= fire[e, :, 0] * np.prod(1.0 - fire[before, :, 0], axis=0)
        return self._step.fill(taken, ways), self._count.fill(taken, ways)

    def entry_chains(self, edge: int, thresholds: NDArray[np.uint64], group: int) -> list[tuple[tuple[int, ...], float]]:
        """Return the chains that follow an entry by the diary, with their chances, for a group."""
        tables = self.journey.tables
        out = []
        for path in self.ways(edge):
            chance = 1.0
            for e in path:
                before = [b for b in range(tables.first[tables.source[e]], e) if tables.outcome[b]]
                fire = thresholds[:, group, 0].astype(np.float64) / CERTAIN
                chance *= float(fire[e] * np.prod(1.0 - fire[before]))
            out.append((path, chance))
        return out


class _Pattern:
    """A sparse matrix whose pattern is fixed and whose values come from chances: built once, filled often."""

    def __init__(self, moves: NDArray[np.int64], share: Array, n_pieces: int, shape: tuple[int, int]) -> None:
        rows, columns, self.edge, self.way = moves.T
        self.share, self.shape = share, shape
        self.stratum, self.piece = columns // n_pieces, columns % n_pieces
        order = np.lexsort((columns, rows))
        key = rows[order] * shape[1] + columns[order]
        first = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
        self.order, self.first = order, first
        self.indices = columns[order][first].astype(np.int32)
        self.indptr = np.searchsorted(rows[order][first], np.arange(shape[0] + 1)).astype(np.int32)

    def fill(self, taken: Array, ways: Array) -> sparse.csr_matrix:
        values = taken[self.edge, self.stratum, self.piece] * ways[self.way, self.stratum] * self.share
        data = np.add.reduceat(values[self.order], self.first)
        return sparse.csr_matrix((data, self.indices, self.indptr), shape=self.shape)


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

    def landing(self, name: str, thresholds: NDArray[np.uint64]) -> tuple[Array, Array]:
        """Return (cells, edges): where one child who enters by `name` lands, and the flows it makes."""
        field, edge = self.field, self.edge[name]
        cells, flows = np.zeros(field.grid.n_cells), np.zeros(field.journey.tables.n_edges)
        flows[edge] = 1.0
        alone = name == "came_alone"
        for path, chance in field.entry_chains(edge, thresholds, UNACCOMPANIED_GROUP if alone else 0):
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
    cache: dict[tuple[int, int], Matrices] | None = None,
) -> Trajectory:
    """Advance the columns from `first_week` for `n_weeks` and return the expected stocks and flows.

    thresholds  uint64[Y, E, G, B]  by model year; the last year holds for what lies beyond
    cache       matrices by (model year, age band) of earlier calls with the same thresholds, added to
    """
    journey, grid, tables = field.journey, field.grid, field.journey.tables
    n_years = -(-n_weeks // WEEKS_PER_YEAR)
    mass = columns.mass.copy()
    stocks = np.zeros((n_weeks, tables.n_states))
    flows = np.zeros((n_weeks, tables.n_edges))
    by_age = np.zeros((n_years, N_AGES, tables.n_states))
    flows_by_age = np.zeros((n_years, N_AGES, tables.n_edges))
    diary = Diary(field, columns)
    state_of = np.tile(grid.state, N_STRATA)
    cache = {} if cache is None else cache
    arrivals: dict[tuple[int, str], tuple[Array, Array]] = {}
    for t in range(n_weeks):
        week, model_year = first_week + t, t // WEEKS_PER_YEAR
        year = min(week // WEEKS_PER_YEAR, thresholds.shape[0] - 1)
        age = week - columns.birth_week
        band = np.minimum(np.searchsorted(AGE_EDGES_WEEKS, np.maximum(age, 0), side="right") - 1, N_AGES - 1)
        for j in np.flatnonzero(age >= WEEKS_TO_18):
            gone = np.bincount(state_of, mass[:, j], tables.n_states)
            for s in np.flatnonzero((gone != 0) & (tables.birthday >= 0)):
                flows[t, tables.birthday[s]] += gone[s]
                flows_by_age[model_year, -1, tables.birthday[s]] += gone[s]
                mass[state_of == s, j] = 0.0
        for j in np.flatnonzero(columns.moved_away[week]):
            share = min(1.0, columns.moved_away[week, j] / max(mass[:, j].sum(), 1e-300))
            moving = mass[field.home_cells, j] * share
            mass[field.home_cells, j] -= moving
            flows[t, diary.edge["moved_away"]] += moving.sum()
            flows_by_age[model_year, band[j], diary.edge["moved_away"]] += moving.sum()
        edges = np.searchsorted(-band, np.arange(1 - N_AGES, 2))
        for a in range(N_AGES):
            low, high = edges[N_AGES - 1 - a], edges[N_AGES - a]
            if low == high:
                continue
            if (year, a) not in cache:
                cache[year, a] = field.matrices(thresholds[year], a)
            step, count = cache[year, a]
            happened = count @ mass[:, low:high].sum(axis=1)
            flows[t] += happened
            flows_by_age[model_year, a] += happened
            mass[:, low:high] = step @ mass[:, low:high]
        for name, entering in (("born", columns.born), ("moved_in", columns.moved_in), ("came_alone", columns.came_alone)):
            here = np.flatnonzero(entering[week])
            if here.size:
                if (year, name) not in arrivals:
                    arrivals[year, name] = diary.landing(name, thresholds[year])
                cells, made = arrivals[year, name]
                mass[:, here] += cells[:, None] * entering[week, here]
                flows[t] += made * entering[week, here].sum()
                np.add.at(flows_by_age[model_year], band[here], made * entering[week, here][:, None])
        stocks[t] = field.summing @ mass.sum(axis=1)
        if (t + 1) % WEEKS_PER_YEAR == 0 or t == n_weeks - 1:
            then = np.searchsorted(AGE_EDGES_WEEKS, np.maximum(age + 1, 0), side="right") - 1
            for a in range(N_AGES):
                by_age[model_year, a] = field.summing @ mass[:, np.minimum(then, N_AGES - 1) == a].sum(axis=1)
    ends = np.setdiff1d(np.flatnonzero(~tables.at_once), np.unique(grid.state))
    for s in ends:
        stocks[:, s] = np.cumsum(flows[:, (tables.target == s)].sum(axis=1) - flows[:, (tables.source == s)].sum(axis=1))
    return Trajectory(stocks, flows, by_age, flows_by_age, mass)
