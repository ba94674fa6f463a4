"""Children who come to live in an area and children who move away from it, as the plan tells for each year and age."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.compiled import compiled
from abm.draws import kernel_word, key_of
from abm.errors import CareError
from abm.ordering import choices, draws, order_by_draw
from abm.pathway import WEEKS_PER_YEAR, WEEKS_TO_18, purpose_of

WITHIN_AGE = "population: week within the year of age"
_MOVE = "population: week of a move"
_CERTAIN = 1 << 32
_HALF, _YEAR = np.uint64(32), np.uint64(WEEKS_PER_YEAR)


def move_in(
    seed: int, first: int, counts: NDArray[np.int64], n_weeks: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return birth week and week of arrival of the children who move in.

    first   what the first of them is keyed by; the others follow
    counts  int64[Y, 18] by model year and age at its start
    """
    n_years, n_ages = counts.shape
    n = int(counts.sum())
    year = np.repeat(np.arange(n_years, dtype=np.int32) * WEEKS_PER_YEAR, counts.sum(axis=1))
    age = np.repeat(np.tile(np.arange(n_ages, dtype=np.int32), n_years), counts.ravel())
    birth = year - WEEKS_PER_YEAR * age - choices(seed, n, WITHIN_AGE, WEEKS_PER_YEAR, first) - 1
    return _those_who_come(birth, year + choices(seed, n, _MOVE, WEEKS_PER_YEAR, first), n_weeks)


def come_alone(
    seed: int, first: int, counts: NDArray[np.int64], ages: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return birth week and week of arrival of unaccompanied children: `counts` by week, ages by their shares."""
    enter = np.repeat(np.arange(counts.size, dtype=np.int32), counts)
    if enter.size == 0:
        return enter, enter
    if ages.sum() <= 0:
        raise CareError("Unaccompanied children arrive but 'arrival_ages' has no shares")
    bounds = np.floor(np.cumsum(ages / ages.sum()) * 2.0**32)
    drawn = draws(seed, enter.size, "population: age on arrival", first)
    age = np.minimum(np.searchsorted(bounds, drawn, side="right"), np.flatnonzero(ages)[-1]).astype(np.int32)
    birth = enter - WEEKS_PER_YEAR * age - choices(seed, enter.size, WITHIN_AGE, WEEKS_PER_YEAR, first)
    return _those_who_come(birth, enter, counts.size)


def _those_who_come(
    birth: NDArray[np.int32], enter: NDArray[np.int32], n_weeks: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Leave out moves that are planned for after the end of the run, or for after the 18th birthday."""
    comes = (enter < n_weeks) & (enter - birth < WEEKS_TO_18)
    return birth[comes], enter[comes]


def leave_weeks(
    seed: int, n_there: int, family: NDArray[np.int32], birth: NDArray[np.int32], enter: NDArray[np.int32],
    uasc: NDArray[np.bool_], counts: NDArray[np.int64], n_weeks: int,
) -> NDArray[np.int32]:  # fmt: skip
    """Return the leave week of each child: of each cohort, those of families with the smallest draws move first.

    So brothers and sisters mostly move together, in the same week, as far as the net moves of their ages allow it.
    The first `n_there` children are there on day one; `counts` are departures by model year and age at its start.
    """
    leave = np.full(family.size, n_weeks, np.int32)
    year, age = np.nonzero(counts)
    if year.size == 0:
        return leave
    # The cohort is the model year before which the child was aged 0: 52y - birth lies in [1, 52] for it.
    # Numbers begin with those aged 17 on day one; the last one is of children who came alone: they do not move.
    eldest = counts.shape[1] - 1
    going, n_cohorts = year - age + eldest, counts.shape[0] + eldest + 1
    cohort, size = np.empty(family.size, np.int16), np.zeros(n_cohorts, np.int64)
    number_cohorts(birth, uasc, eldest, cohort, size)
    turn = draws(seed, int(family.max()) + 1, "population: turn to move away")
    leavers = np.zeros(n_cohorts, np.int64)
    np.add.at(leavers, going, counts[year, age])
    low, high = key_of(seed)
    key = np.uint64(low), np.uint64(high), np.uint64(purpose_of(_MOVE))
    # Children with small draws will do, unless too many of them arrive late: then all are put in order.
    few = np.minimum((4 * leavers + 256) * _CERTAIN // np.maximum(size, 1), _CERTAIN)
    for bound in (few, np.full(n_cohorts, _CERTAIN)):
        who, drawn = np.empty(family.size, np.int32), np.empty(family.size, np.uint32)
        n = list_by_turn(family, cohort, turn, np.where(leavers > 0, bound, 0).astype(np.uint64), who, drawn)
        order, size = order_by_draw(cohort[who[:n]], drawn[:n], n_cohorts)
        end = np.cumsum(size)
        leave[:] = n_weeks
        missing = send_away(
            *key, year * WEEKS_PER_YEAR, counts[year, age], (end - size)[going], end[going], who, order, n_there, enter,
            family, leave,
        )  # fmt: skip
        if missing == 0:
            break
    return np.minimum(leave, n_weeks, out=leave)


@compiled(nogil=True)
def number_cohorts(birth: Any, uasc: Any, eldest: Any, cohort: Any, size: Any) -> Any:
    """Fill `cohort` (int16[n]) with the year of birth, and `size` (int64, zeros) with the children of each."""
    for i in range(birth.size):
        mine = size.size - 1 if uasc[i] else birth[i] // WEEKS_PER_YEAR + 1 + eldest
        cohort[i] = mine
        size[mine] += 1


@compiled(nogil=True)
def list_by_turn(family: Any, cohort: Any, turn: Any, bound: Any, who: Any, drawn: Any) -> Any:
    """List the children whose family's draw is below the bound (uint64) of their cohort; returns their number."""
    n = 0
    for i in range(family.size):
        mine = turn[family[i]]
        if mine < bound[cohort[i]]:
            who[n], drawn[n] = i, mine
            n += 1
    return n


@compiled(nogil=True)
def send_away(
    low: Any, high: Any, purpose: Any, starts: Any, counts: Any, begins: Any, ends: Any, who: Any, order: Any,
    n_there: Any, enter: Any, family: Any, leave: Any,
) -> Any:  # fmt: skip
    """Give as many children as are counted a week to leave in, family by family; returns how many were missing.

    starts, counts, begins, ends  int64: first week of a year, departures in it, and the cohort's part of `order`
    """
    stays, missing = leave[0], 0
    for x in range(starts.size):
        start, left = starts[x], counts[x]
        for y in range(begins[x], ends[x]):
            if left == 0:
                break
            i = who[order[y]]
            if leave[i] == stays and (i < n_there or enter[i] < start):
                drawn = kernel_word(low, high, np.uint64(family[i]), np.uint64(start), purpose)
                leave[i] = start + np.int64((drawn * _YEAR) >> _HALF)
                left -= 1
        missing += left
    return missing
