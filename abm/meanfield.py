"""The expected stocks and flows of a scenario: the system dynamics view, from the same tables as the simulation.

Children are carried as a mass over cells (stratum, state, piece of the clock) in columns by birth week. Two of the
three forms are here and differ in their grid alone:

exact   one piece for each week on the clock, a column for each birth week: without coupling this is the mean of the
        simulation, to the last digit of the chances (they are the same integers);
banded  one piece for each band of time, left at a rate of one over its width; columns for a year or a quarter.

The third form, classic system dynamics, has one stock for each state: abm/classic.py.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from abm.parameters import CERTAIN
from abm.pathway import (
    N_HISTORIES,
    N_RISKS,
    Journey,
    group_of,
    unaccompanied_group,
)

if TYPE_CHECKING:
    from scipy import sparse

N_STRATA = N_RISKS * N_HISTORIES + 1
UNACCOMPANIED_STRATUM = N_STRATA - 1
Array = NDArray[np.float64]
Values = tuple[Array, Array]
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
        for b, (low, high) in enumerate(itertools.pairwise(edges)):
            last = b == len(declared.bands) - 1
            step = 1 if last else min(widest or high - low, high - low)
            for first in range(low, high, step):
                state.append(s)
                start.append(first)
                width.append(0 if last else min(step, high - first))
                band.append(b)
                piece_at[s, first:] = len(state) - 1
    return Grid(np.array(state), np.array(start), np.array(width), np.array(band), piece_at)


class MeanField:
    """Expected stocks and flows under some parameters, on a grid."""

    def __init__(self, journey: Journey, grid: Grid) -> None:
        """Lay out the pattern of moves between cells; chances come with `matrices`."""
        self.journey, self.grid = journey, grid
        states, first = np.unique(grid.state, return_index=True)
        self._first_piece = dict(zip(states.tolist(), first.tolist(), strict=True))
        self._chains = {int(s): self._paths(int(s)) for s in np.flatnonzero(journey.tables.at_once)}
        self._paths_list = sorted(
            {()} | {path[:n] for paths in self._chains.values() for path in paths for n in range(1, len(path) + 1)}
        )
        self._path_index = {path: i for i, path in enumerate(self._paths_list)}
        self._lay_out()
        tables = journey.tables
        # Imported here: a run imports this module for a fit's sake, and importing scipy takes longer than a small run.
        from scipy import sparse

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
        if here not in self._first_piece:
            return []
        if running and piece >= 0:
            offset = self._first_piece[here] - self._first_piece[int(grid.state[piece])]
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
        tables, grid, k = self.journey.tables, self.grid, self.grid.n_pieces
        moves: list[list[tuple[int, int, int, int, int, float]]] = [[] for _ in range(N_HISTORIES)]
        counts: list[tuple[int, int, int, int]] = []
        for piece in range(k):
            s = int(grid.state[piece])
            edges = [e for e in range(tables.first[s], tables.first[s + 1]) if tables.weekly[e]]
            stay = self._one_week_on(piece)
            for history in range(N_HISTORIES):
                moves[history] += [(history, p, piece, -1, 0, share) for p, share in stay]
            for e in edges:
                ways = self.ways(e)
                for path in ways:
                    way = self._path_index[path]
                    for history in range(N_HISTORIES):
                        moves[history] += [
                            (h, p, piece, e, way, share) for h, p, share in self.landing(e, path, history, piece)
                        ]
                counts.append((e, piece, e, self._path_index[()]))
                prefixes = {path[:n] for path in ways for n in range(1, len(path) + 1)}
                counts += [(prefix[-1], piece, e, self._path_index[prefix]) for prefix in sorted(prefixes)]
        steps, shares, counted = [], [], []
        for stratum in range(N_STRATA):
            alone = stratum == UNACCOMPANIED_STRATUM
            history = N_HISTORIES - 1 if alone else stratum % N_HISTORIES
            to_history, to_piece, piece_, edge, way_ = np.array([m[:5] for m in moves[history]]).T
            to = stratum if alone else stratum - history + to_history
            steps.append(np.stack([to * k + to_piece, stratum * k + piece_, edge, way_], axis=1))
            shares.append(np.array([m[5] for m in moves[history]]))
            counted.append(np.array(counts) + np.array([0, stratum * k, 0, 0]))
        shape = (grid.n_cells, grid.n_cells)
        self.step = Pattern(np.concatenate(steps), np.concatenate(shares), k, shape)
        rows = np.concatenate(counted)
        self.flow = Pattern(rows, np.ones(len(rows)), k, (tables.n_edges, grid.n_cells))

    def matrices(self, thresholds: NDArray[np.uint64], age: int) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        """Return the matrix that moves the mass on by a week, and the one that gives the week's flows.

        thresholds  uint64[E, G, B]  of one model year
        age         the age band of the columns they are for
        """
        step, flow = self.values(thresholds, age)
        return self.step.matrix(step), self.flow.matrix(flow)

    def values(self, thresholds: NDArray[np.uint64], age: int) -> Values:
        """Return the values of the patterns `step` and `flow` for an age band: see `matrices`."""
        tables, grid = self.journey.tables, self.grid
        groups = np.array(
            [group_of(age, s // N_HISTORIES, s % N_HISTORIES) for s in range(N_STRATA - 1)] + [unaccompanied_group(age)]
        )
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
        return self.step.fill(taken, ways), self.flow.fill(taken, ways)

    def entry_chains(
        self, edge: int, thresholds: NDArray[np.uint64], group: int
    ) -> list[tuple[tuple[int, ...], float]]:
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


class Pattern:
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

    def fill(self, taken: Array, ways: Array) -> Array:
        """Return the values of the pattern under these chances."""
        values = taken[self.edge, self.stratum, self.piece] * ways[self.way, self.stratum] * self.share
        filled: Array = np.add.reduceat(values[self.order], self.first)
        return filled

    def matrix(self, values: Array) -> sparse.csr_matrix:
        """Return the pattern with these values as a matrix."""
        from scipy import sparse

        return sparse.csr_matrix((values, self.indices, self.indptr), shape=self.shape)
