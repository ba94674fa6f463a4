"""How long children stay in care, as far as the groups of the tables tell: expected stays, and who comes in.

All of it is read off the mean field, so it holds for the rates of one year as if they stayed as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.meanfield import N_STRATA, UNACCOMPANIED_STRATUM, Grid, MeanField, make_grid
from abm.outputs import CARE
from abm.pathway import (
    AGE_EDGES_WEEKS,
    N_AGES,
    N_GROUPS,
    N_HISTORIES,
    WEEKS_TO_18,
    Journey,
    group_of,
    unaccompanied_group,
)
from abm.trajectory import Columns

Array = NDArray[np.float64]
ENTRY = "came_into_care"
"""Children who come into care, but for those who come back after leaving it and those who come alone."""
_FINEST, _EARLY = 2, 13
"""Weeks: see `fine_grid`."""


def expected_stays(field: MeanField, thresholds: NDArray[np.uint64]) -> Array:
    """Return float64[936, strata]: expected weeks in care of an entry, by age in weeks, if rates stay as they are.

    thresholds  uint64[E, G, B]

    A stay lasts from the entry to leaving care for the first time, or to the 18th birthday; it is counted at the ends
    of weeks. Method: backwards from the birthday, what is left is one week more than what is left after the next step.
    """
    journey, k = field.journey, field.grid.n_pieces
    homes = [journey.state_index[s] for s in CARE if s in journey.state_index]
    care = np.flatnonzero(np.isin(np.tile(field.grid.state, N_STRATA), homes))
    edge = journey.edges_of(ENTRY)[0]
    steps, landings = [], []
    for age in range(N_AGES):
        steps.append(field.matrices(thresholds, age)[0].T.tocsr()[care][:, care])
        landing = np.zeros((N_STRATA, field.grid.n_cells))
        for stratum, group in enumerate(_groups()[age]):
            alone = stratum == UNACCOMPANIED_STRATUM
            history = N_HISTORIES - 1 if alone else stratum % N_HISTORIES
            for path, chance in field.entry_chains(edge, thresholds, int(group)):
                for then, piece, part in field.landing(edge, path, history, -1):
                    landing[stratum, (stratum if alone else stratum - history + then) * k + piece] += chance * part
        landings.append(landing[:, care])
    out, left = np.zeros((WEEKS_TO_18, N_STRATA)), np.ones(care.size)
    for week in range(WEEKS_TO_18 - 1, -1, -1):
        age = _band(np.array([week]))[0]
        out[week] = landings[age] @ left
        left = 1.0 + steps[age] @ left
    return out


def fine_grid(journey: Journey) -> Grid:
    """Return the banded grid with pieces of at most _FINEST weeks in bands that begin in the first _EARLY weeks.

    That is outside care, where banded clocks lose some entries of babies, whose chances change within weeks.
    """
    banded, fine = make_grid(journey), make_grid(journey, _FINEST)
    homes = [s for s, state in enumerate(journey.states) if state.key in CARE]

    def is_early(grid: Grid) -> NDArray[np.bool_]:
        first = np.array([journey.states[s].bands[b] for s, b in zip(grid.state, grid.band, strict=True)])
        return (first < _EARLY) & ~np.isin(grid.state, homes)

    parts = [(banded, np.flatnonzero(~is_early(banded))), (fine, np.flatnonzero(is_early(fine)))]
    state, start, width, band = (
        np.concatenate([getattr(grid, name)[rows] for grid, rows in parts])
        for name in ("state", "start", "width", "band")
    )
    order = np.lexsort((start, state))
    piece_at = np.full_like(banded.piece_at, -1)
    for piece, row in enumerate(order):
        piece_at[state[row], start[row] :] = piece
    return Grid(state[order], start[order], width[order], band[order], piece_at)


def _groups() -> NDArray[np.int64]:
    """Return int64[ages, strata]: the group of each."""
    return np.array(
        [
            [group_of(age, s // N_HISTORIES, s % N_HISTORIES) for s in range(N_STRATA - 1)] + [unaccompanied_group(age)]
            for age in range(N_AGES)
        ]
    )


def _band(age_weeks: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.clip(np.searchsorted(AGE_EDGES_WEEKS, age_weeks, side="right") - 1, 0, N_AGES - 1)


def entries_of(
    field: MeanField, thresholds: NDArray[np.uint64], columns: Columns, week: int, by_age: Array
) -> Array:  # fmt: skip
    """Return float64[columns, strata]: the entries of a year, shared out as children stand when it begins.

    by_age  float64[5]  the expected entries of the year by age band
    """
    edges = field.journey.edges_of(ENTRY)
    age = week - columns.birth_week
    coming = np.zeros((age.size, N_STRATA))
    for band in range(N_AGES):
        here = np.flatnonzero((age >= 0) & (age < WEEKS_TO_18) & (_band(age) == band))
        chance = np.asarray(field.matrices(thresholds, band)[1][edges].sum(axis=0)).ravel()
        cells = (columns.mass[:, here] * chance[:, None]).reshape(N_STRATA, field.grid.n_pieces, here.size)
        mine = cells.sum(axis=1).T
        coming[here] = mine * (by_age[band] / max(mine.sum(), 1e-300))
    return coming


def sum_by_group(values: Array, columns: Columns, week: int) -> Array:
    """Return float64[G]: the sum of float64[columns, strata] over the columns and strata of each group."""
    out = np.zeros(N_GROUPS)
    np.add.at(out, _groups()[_band(week - columns.birth_week)], values)
    return out


def mean_stays(
    field: MeanField, thresholds: NDArray[np.uint64], coming: Array, columns: Columns, week: int
) -> Array:  # fmt: skip
    """Return float64[G]: expected weeks in care by group; a group from which nobody comes has the mean of its ages."""
    stays, every = expected_stays(field, thresholds), np.arange(WEEKS_TO_18)
    age = np.clip(week - columns.birth_week, 0, WEEKS_TO_18 - 1)
    weight, total = sum_by_group(coming, columns, week), sum_by_group(coming * stays[age], columns, week)
    number, summed = np.zeros(N_GROUPS), np.zeros(N_GROUPS)
    np.add.at(number, _groups()[_band(every)], 1.0)
    np.add.at(summed, _groups()[_band(every)], stays)
    return np.where(weight > 0, total / np.maximum(weight, 1e-300), summed / number)
