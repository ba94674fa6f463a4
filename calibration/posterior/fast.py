"""The banded mean field's yearly figures and their derivatives, all at once.

The same children, chances and columns as `calibration.fit.YearlyModel`, with three differences that make it fast:

* a year is cut where a birthday changes a column's age band; between the cuts one matrix an age band moves all columns
  of that band on by a week, and with them the derivatives of the mass by every parameter;
* a parameter's derivative of a matrix is by differences (the chances are smooth here: factors are not rounded to
  1/1024), and only of the year in which the parameter acts. It drives the derivative of the mass: dm' = M dm + dM m;
* events are counted once a span, from the sum of the mass over its weeks;
* cells that nobody can reach (children in care without a history, say) are left out.

Derivatives are carried in single precision: they hold to about one in 10,000.

What the derivative leaves out: of those who move away, how many are at home (the share that leaves stays as it is).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.cohorts import columns_of
from abm.meanfield import N_STRATA, MeanField, Pattern, competing
from abm.outputs import edges_counted, output_named
from abm.parameters import threshold
from abm.pathway import (
    AGE_EDGES_WEEKS,
    N_AGES,
    N_HISTORIES,
    WEEKS_PER_YEAR,
    WEEKS_TO_18,
    group_of,
    unaccompanied_group,
)
from abm.scenario import Scenario
from abm.trajectory import Diary
from calibration.levers import FITTED_FIGURES, LEVERS
from calibration.posterior.forms import FORMS, formed, tilts
from calibration.rates import RateBook

Array = NDArray[np.float64]
NUDGE = 1e-5
"""Difference in log units by which the chances are differentiated."""


@dataclass(frozen=True)
class _Span:
    """Weeks of a year in which nothing changes but the mass: band of every column, what enters and leaves a week."""

    weeks: int
    band: NDArray[np.int64]
    born: Array
    moved_in: Array
    came_alone: Array
    moved_away: Array
    grown_up: NDArray[np.int64]


@dataclass(frozen=True)
class _Chances:
    """A year's chances: values of the patterns by age band, [nonzeros, ages], and the chance that each edge fires."""

    step: Array
    flow: Array
    fire: Array


class _Live:
    """A pattern of a mean field, with only the columns of some cells (and only their rows, if it is square)."""

    def __init__(self, pattern: Pattern, live: NDArray[np.bool_], square: bool) -> None:
        rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
        keep = live[pattern.indices] & (live[rows] if square else True)
        sizes = np.diff(np.r_[pattern.first, pattern.order.size])
        moves = pattern.order[np.repeat(keep, sizes)]
        self.first = np.r_[0, np.cumsum(sizes[keep])[:-1]]
        self.edge, self.way = pattern.edge[moves], pattern.way[moves]
        self.stratum, self.piece = pattern.stratum[moves], pattern.piece[moves]
        self.share = pattern.share[moves][:, None]
        number = np.cumsum(live) - 1
        self.indices = number[pattern.indices[keep]].astype(np.int32)
        self.rows = number[rows[keep]] if square else rows[keep]
        self.shape = (int(live.sum()) if square else pattern.shape[0], int(live.sum()))
        self.indptr = np.searchsorted(self.rows, np.arange(self.shape[0] + 1)).astype(np.int32)

    def fill(self, taken: Array, ways: Array) -> Array:
        """Return the values under these chances for all age bands, float64[nonzeros, ages]."""
        values = taken[self.edge, self.stratum, self.piece] * ways[self.way, self.stratum] * self.share
        filled: Array = np.add.reduceat(values, self.first, axis=0)
        return filled

    def matrix(self, values: Array) -> Any:
        """Return the pattern with the values of one age band as a sparse matrix."""
        from scipy import sparse

        return sparse.csr_matrix((np.ascontiguousarray(values), self.indices, self.indptr), shape=self.shape)


class FastYears:
    """Yearly figures of an area and their derivatives by the logarithms of factors and by the forms."""

    def __init__(self, field: MeanField, book: RateBook, scenario: Scenario, n_years: int) -> None:
        self.field, self.n_years, journey = field, n_years, field.journey
        self.rates, self.tilts = book.rates(), tilts(journey, book, scenario)
        self.columns = columns_of(scenario, field, block=WEEKS_PER_YEAR)
        self.diary = Diary(field, self.columns)
        self.lever_edges = [np.concatenate([journey.edges_of(n) for n in lever.transitions]) for lever in LEVERS]
        self.spans = [self._spans(year) for year in range(n_years)]
        self._prepare_chances()
        self._prepare_cells()
        self._prepare_counting()

    # What it is made of -----------------------------------------------------------------------------------------------

    def _spans(self, year: int) -> list[_Span]:
        columns, first = self.columns, year * WEEKS_PER_YEAR
        weeks = np.arange(first, first + WEEKS_PER_YEAR)
        age = weeks[:, None] - columns.birth_week
        band = np.minimum(np.searchsorted(AGE_EDGES_WEEKS, np.maximum(age, 0), side="right") - 1, N_AGES - 1)
        old = age >= WEEKS_TO_18
        plans = (columns.born, columns.moved_in, columns.came_alone, columns.moved_away)
        told = np.concatenate([band, old, *[plan[weeks] for plan in plans]], axis=1)
        starts = np.flatnonzero(np.r_[True, (told[1:] != told[:-1]).any(axis=1)])
        spans = []
        for begin, end in zip(starts, [*starts[1:], WEEKS_PER_YEAR], strict=True):
            before = old[begin - 1] if begin else weeks[0] - 1 - columns.birth_week >= WEEKS_TO_18
            grown_up = np.flatnonzero(old[begin] & ~before)
            born, moved_in, came_alone, moved_away = (plan[weeks[begin]] for plan in plans)
            spans.append(_Span(int(end - begin), band[begin], born, moved_in, came_alone, moved_away, grown_up))
        return spans

    def _prepare_chances(self) -> None:
        tables, grid = self.field.journey.tables, self.field.grid
        self.group = np.array(
            [
                [group_of(age, s // N_HISTORIES, s % N_HISTORIES) for s in range(N_STRATA - 1)]
                + [unaccompanied_group(age)]
                for age in range(N_AGES)
            ]
        )
        self.states = []
        for s in np.unique(grid.state):
            edges = np.array([e for e in range(tables.first[s], tables.first[s + 1]) if tables.weekly[e]], int)
            if edges.size:
                pieces = np.flatnonzero(grid.state == s)
                self.states.append((edges, int(tables.n_bands[s]), pieces, grid.band[pieces]))
        self.outcomes = [
            np.array([e for e in range(tables.first[s], tables.first[s + 1]) if tables.outcome[e]], int)
            for s in np.flatnonzero(tables.at_once)
        ]
        everywhere = np.ones(grid.n_cells, bool)
        self.step, self.flow = _Live(self.field.step, everywhere, True), _Live(self.field.flow, everywhere, False)

    def _prepare_cells(self) -> None:
        """Find the cells that anybody can reach: a factor never makes a chance of a chance of 0."""
        now = self._chances(self.rates)
        possible = self.step.matrix((now.step.max(axis=1) > 0).astype(float))
        self.live = np.ones(self.field.grid.n_cells, bool)
        live = np.asarray(self.columns.mass.any(axis=1))
        for span in (span for spans in self.spans for span in spans):
            live |= self._entering(span, now.fire)[0].any(axis=1)
        while ((possible @ live > 0) & ~live).any():
            live |= possible @ live > 0
        self.live = live
        self.step, self.flow = _Live(self.field.step, live, True), _Live(self.field.flow, live, False)
        self.home = np.flatnonzero(np.isin(np.flatnonzero(live), self.field.home_cells))

    def _prepare_counting(self) -> None:
        """Lay out which events and states each fitted figure counts."""
        journey, tables = self.field.journey, self.field.journey.tables
        self.of_events = np.zeros((len(FITTED_FIGURES), tables.n_edges))
        of_states = np.zeros((len(FITTED_FIGURES), tables.n_states))
        for row, key in enumerate(FITTED_FIGURES):
            output = output_named(key)
            if output.states:
                of_states[row, [journey.state_index[s] for s in output.states]] = 1.0
            else:
                np.add.at(self.of_events[row], edges_counted(output, journey), 1.0)
                if output.less:
                    np.add.at(self.of_events[row], journey.edges_of(*output.less), -1.0)
        state_of = np.tile(self.field.grid.state, N_STRATA)[self.live]
        self.of_stock = of_states[:, state_of]
        birthday = tables.birthday[state_of]
        self.of_birthdays = np.where(birthday >= 0, self.of_events[:, np.maximum(birthday, 0)], 0.0)

    # Chances ----------------------------------------------------------------------------------------------------------

    def _rates(self, logs: Array, levels: Array) -> Array:
        """Return float64[E, G, B] under one year's logs [levers] and the forms' values."""
        out = formed(self.rates, self.tilts, levels).copy()
        for edges, log in zip(self.lever_edges, logs, strict=True):
            out[edges] *= np.exp(log)
        return out

    def _fire(self, rates: Array) -> Array:
        """Return float64[E, G, B]: the chance that an edge fires in a week; of outcomes given none before it did."""
        tables = self.field.journey.tables
        out = np.zeros_like(rates)
        out[tables.weekly] = -np.expm1(-rates[tables.weekly] / WEEKS_PER_YEAR)
        for edges in self.outcomes:
            weight = rates[edges]
            left = np.cumsum(weight[::-1], axis=0)[::-1]
            out[edges] = np.divide(weight, left, out=np.zeros_like(weight), where=left > 0)
        return out

    def _chances(self, rates: Array) -> _Chances:
        """Return what `MeanField.values` gives, for all age bands at once and without rounding to 32 bits."""
        field, tables, grid = self.field, self.field.journey.tables, self.field.grid
        fire = self._fire(rates)
        by_group = fire[:, self.group, :]  # [E, ages, strata, bands]
        taken = np.zeros((tables.n_edges + 1, N_STRATA, grid.n_pieces, N_AGES))
        taken[-1] = 1.0
        for edges, n_bands, pieces, band in self.states:
            chance = by_group[edges][..., :n_bands]
            took = np.moveaxis(competing(chance), 1, -1)[:, :, band]  # [edges, strata, pieces, ages]
            taken[np.ix_(edges, np.arange(N_STRATA), pieces)] = took
            taken[-1][:, pieces] = np.moveaxis(np.prod(1.0 - chance, axis=0), 0, -1)[:, band]
        ways = np.ones((len(field._paths_list), N_STRATA, N_AGES))
        first = np.moveaxis(by_group[..., 0], 1, -1)  # [E, strata, ages]
        for i, path in enumerate(field._paths_list):
            for e in path:
                before = [b for b in range(tables.first[tables.source[e]], e) if tables.outcome[b]]
                ways[i] *= first[e] * np.prod(1.0 - first[before], axis=0)
        return _Chances(self.step.fill(taken, ways), self.flow.fill(taken, ways), fire)

    def _nudged(self, rates: Array, which: int, now: _Chances) -> _Chances:
        """Return the derivative of a year's chances by a lever, or by a form after the levers."""
        if which >= len(LEVERS):
            near = rates * np.exp(NUDGE * self.tilts[which - len(LEVERS)])
        else:
            near = rates.copy()
            near[self.lever_edges[which]] *= np.exp(NUDGE)
        then = self._chances(near)
        return _Chances((then.step - now.step) / NUDGE, (then.flow - now.flow) / NUDGE, then.fire)

    def _entering(self, span: _Span, fire: Array) -> tuple[Array, Array]:
        """Return (float64[live cells, J] that enter in a week, float64[E] events that they make)."""
        thresholds = threshold(fire)
        coming = np.zeros((int(self.live.sum()), span.band.size))
        made = np.zeros(fire.shape[0])
        for name in ("born", "moved_in", "came_alone"):
            entering = getattr(span, name)
            for a in np.unique(span.band[entering > 0]):
                here = np.flatnonzero((span.band == a) & (entering > 0))
                cells, events = self.diary.landing(name, thresholds, int(a))
                coming[:, here] += cells[self.live, None] * entering[here]
                made += events * entering[here].sum()
        return coming, made

    # Years ------------------------------------------------------------------------------------------------------------

    def figures(self, logs: Array, levels: Array | None = None) -> Array:
        """Return float64[years, figures] for logs float64[years, levers] and the forms' values."""
        return self._run(logs, np.zeros(len(FORMS)) if levels is None else levels, derive=False)[0]

    def with_derivatives(self, logs: Array, levels: Array | None = None) -> tuple[Array, Array]:
        """Return the figures, and float64[years, figures, years x levers + forms]: their derivatives."""
        return self._run(logs, np.zeros(len(FORMS)) if levels is None else levels, derive=True)

    def _run(self, logs: Array, levels: Array, derive: bool) -> tuple[Array, Array]:
        n_levers, n_forms, n_years = len(LEVERS), len(FORMS), self.n_years
        figures = np.zeros((n_years, len(FITTED_FIGURES)))
        derivatives = np.zeros((n_years, len(FITTED_FIGURES), n_years * n_levers + n_forms))
        mass = self.columns.mass[self.live]
        # In this order: the levers of this year and the forms, which act, then the levers of earlier years.
        acting = n_levers + n_forms if derive else 0
        moved = np.zeros((mass.shape[0], acting, mass.shape[1]), np.float32)
        places = np.arange(acting) + n_years * n_levers - n_levers
        for year in range(n_years):
            rates = self._rates(logs[year], levels)
            now = self._chances(rates)
            nudged = [self._nudged(rates, k, now) for k in range(acting)]
            figures[year], counted, mass, moved = self._year(self.spans[year], now, nudged, mass, moved)
            if derive:
                places[:n_levers] = np.arange(n_levers) + year * n_levers
                derivatives[year][:, places] = counted
                places = np.r_[places, places[:n_levers]]
                older = moved[:, :n_levers]
                moved = np.concatenate([np.zeros_like(older), moved[:, n_levers:], older], axis=1)
        return figures, derivatives

    def _year(
        self, spans: list[_Span], now: _Chances, nudged: list[_Chances], mass: Array, moved: NDArray[np.float32]
    ) -> tuple[Array, Array, Array, NDArray[np.float32]]:
        """Move mass and derivatives on by a year; return (figures, their derivatives [figures, n], mass, moved)."""
        from scipy import sparse

        n_cells, acting, n = mass.shape[0], len(nudged), moved.shape[1]
        step = [self.step.matrix(now.step[:, a]) for a in range(N_AGES)]
        count = [self.of_events @ self.flow.matrix(now.flow[:, a]) for a in range(N_AGES)]
        step_on, drive, recount = [], [], []
        for a in range(N_AGES if acting else 0):
            step_on.append(step[a].astype(np.float32))
            parts = [self.step.matrix(other.step[:, a]).copy() for other in nudged]
            for part in parts:
                part.eliminate_zeros()
            drive.append(sparse.vstack(parts, format="csr"))
            recount.append(np.stack([self.of_events @ self.flow.matrix(other.flow[:, a]) for other in nudged]))
        figures, counted = np.zeros(len(FITTED_FIGURES)), np.zeros((len(FITTED_FIGURES), n))
        for span in spans:
            for j in span.grown_up:
                figures += self.of_birthdays @ mass[:, j]
                counted += self.of_birthdays @ moved[:, :, j]
                mass[:, j], moved[:, :, j] = 0.0, 0.0
            coming, made = self._entering(span, now.fire)
            figures += self.of_events @ made * span.weeks
            driven = np.zeros((n_cells, acting, mass.shape[1]))
            for k in range(acting if span.came_alone.any() else 0):
                # A threshold has 32 bits, so this difference is as fine as the nudge allows.
                there, more = self._entering(span, nudged[k].fire)
                driven[:, k] = (there - coming) / NUDGE
                counted[:, k] += self.of_events @ (more - made) / NUDGE * span.weeks
            for a in np.unique(span.band):
                mine = np.flatnonzero(span.band == a)
                if not (mass[:, mine].any() or coming[:, mine].any()):
                    continue
                here, there = mass[:, mine], np.ascontiguousarray(moved[:, :, mine])
                seen, seen_there = np.zeros_like(here), np.zeros_like(there)
                leaving = span.moved_away[mine]
                for _ in range(span.weeks):
                    if leaving.any():
                        left = 1.0 - np.minimum(leaving / np.maximum(here.sum(axis=0), 1e-300), 1.0)
                        here[self.home] *= left
                        there[self.home] *= left.astype(np.float32)
                    seen += here
                    if acting:
                        seen_there += there
                        there = (step_on[a] @ there.reshape(n_cells, -1)).reshape(there.shape)
                        pushed = (drive[a] @ here).reshape(acting, n_cells, -1).transpose(1, 0, 2)
                        there[:, :acting] += pushed + driven[:, :, mine]
                    here = step[a] @ here + coming[:, mine]
                figures += count[a] @ seen.sum(axis=1)
                counted += count[a] @ seen_there.sum(axis=2)
                if acting:
                    counted[:, :acting] += (recount[a] @ seen.sum(axis=1)).T
                mass[:, mine], moved[:, :, mine] = here, there
        figures += self.of_stock @ mass.sum(axis=1)
        counted += self.of_stock @ moved.sum(axis=2)
        return figures, counted, mass, moved
