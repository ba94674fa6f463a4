"""How many children of each age live in an area, year by year, and who was born, came and went.

Published are: children by single year of age in the middle of a few years (2011 and 2022; 2023 for most areas), and all
children aged 0 to 17 in the middle of every year. From these:

1. *By age in every mid-year.* A cohort is followed through the years in which it was counted. Between two counts it
   changes evenly; one that was counted only later had as many before; one that was counted only earlier changes as the
   cohorts counted in both years did together. Ages are then scaled to the published total of 0 to 17. After the last
   count by age, cohorts grow a year older, as many children are aged 0 as the year before, and the others are scaled to
   the total.
2. *After the last total*, which is a projection and assumed: as many children aged 0 as in the last year; nobody moves.
3. *31 March* lies three quarters of the way from one mid-year (30 June) to the next: a quarter of the one and three
   quarters of the other, age by age.
4. *Births and net moves are what is left*: children aged 0 at the end of a model year count as its births, so births
   are less those newborn who died or left in it and more those who came; everyone else's change is a net move, deaths
   included. Those aged 17 at the start leave by turning 18, so no move of theirs can be seen and none is given.

Unaccompanied children are among the published children and so among counts and net moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError
from calibration.statistics import Area, Statistics

N_AGES = 18
DERIVED, ASSUMED = "derived", "assumed"

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ages:
    """Children of an area by single year of age.

    Attributes
    ----------
    area
        Whose children.
    years
        Years ending 31 March; row i of `counts` is 31 March of years[i].
    counts
        float64[n_years, 18], children aged 0 to 17.
    births
        float64[n_years - 1], children a model year; row i is from 1 April of years[i] to 31 March of years[i + 1].
    net_moves
        float64[n_years - 1, 18], children a model year by age at its start, arrivals less departures and deaths:
        counts[i + 1, a + 1] = counts[i, a] + net_moves[i, a] for a in 0 to 16; net_moves[i, 17] is 0;
        counts[i + 1, 0] = births[i].
    statuses
        "derived" (from published figures) or "assumed" (needs the projection) for each year; births and net moves of
        row i have the status of years[i + 1].
    """

    area: Area
    years: tuple[int, ...]
    counts: Array
    births: Array
    net_moves: Array
    statuses: tuple[str, ...]


def census(statistics: Statistics, area: str | Area, years: Sequence[int] = range(2020, 2031)) -> Ages:
    """Return the children of an area by age at 31 March, with births and net moves between.

    Parameters
    ----------
    statistics
        A table from `read_statistics`.
    area
        Code, name or `Area`.
    years
        Consecutive years ending 31 March.

    Raises
    ------
    CareError
        When the table has no population by age, or no total, of the area.
    """
    area = statistics.area(area)
    counted = counted_by_age(statistics, area)
    totals = {year: cell.value for year, cell in statistics.cells(area, "population_0_17").items()}
    if not counted or not totals:
        missing = "population by single year of age" if not counted else "population aged 0 to 17"
        where = f"{statistics.path}, column measure"
        remedy = "Choose an area that exists today, or add its figures to the table."
        raise CareError(f"There is no {missing} of {area.name} ({area.code})", where, remedy)
    mid_years = _mid_years(counted, totals, years[0] - 1, years[-1])
    counts = np.array([0.25 * mid_years[year - 1] + 0.75 * mid_years[year] for year in years])
    net_moves = np.zeros((len(years) - 1, N_AGES))
    net_moves[:, :-1] = counts[1:, 1:] - counts[:-1, :-1]
    statuses = tuple(DERIVED if year <= max(totals) else ASSUMED for year in years)
    return Ages(area, tuple(years), counts, counts[1:, 0].copy(), net_moves, statuses)


def counted_by_age(statistics: Statistics, area: Area) -> dict[int, Array]:
    """Return year -> children aged 0 to 17, of the years in which every age was published."""
    by_age = [statistics.cells(area, "population_single_year_of_age", f"Persons | age {age}") for age in range(N_AGES)]
    complete = sorted(set.intersection(*(set(series) for series in by_age)))
    return {year: np.array([series[year].value for series in by_age]) for year in complete}


def _mid_years(counted: dict[int, Array], totals: dict[int, float], first: int, last: int) -> dict[int, Array]:
    """Return children by age in the middle of every year from first to last."""
    last_counted = max(counted)
    scale = {year: totals[year] / cohorts(counted, year).sum() for year in totals if year <= last_counted}
    # Years without a total of their own are scaled as the nearest that has one; with none, they stand as counted.
    mid_years = {
        year: cohorts(counted, year) * (scale[min(scale, key=lambda known: (abs(known - year), known))] if scale else 1)
        for year in range(min(first, last_counted), last_counted + 1)
    }
    for year in range(last_counted + 1, last + 1):
        mid_years[year] = _a_year_older(mid_years[year - 1], totals.get(year))
    return mid_years


def cohorts(counted: dict[int, Array], year: int) -> Array:
    """Return children by age in a year up to the last count, before scaling."""
    if year in counted:
        return counted[year]
    return np.array([_cohort(counted, year, age) for age in range(N_AGES)])


def _cohort(counted: dict[int, Array], year: int, age: int) -> float:
    """Return how many were aged `age` in `year`, from the counts of their cohort before and after."""
    ages = {count: age + count - year for count in counted}
    before = max((count for count in counted if count < year and ages[count] >= 0), default=None)
    after = min((count for count in counted if count > year and ages[count] < N_AGES), default=None)
    if before is not None and after is not None:
        passed = (year - before) / (after - before)
        return float((1 - passed) * counted[before][ages[before]] + passed * counted[after][ages[after]])
    if after is not None:
        return float(counted[after][ages[after]])
    if before is not None:
        return float(counted[before][ages[before]]) * _growth(counted, before, year)
    # Neither born at the count before nor a child at the one after: the nearest count of the same age.
    return float(counted[min(counted, key=lambda count: (abs(count - year), count))][age])


def _growth(counted: dict[int, Array], before: int, year: int) -> float:
    """Return by what factor cohorts grew from a count to `year`, judged by those that the next count also has."""
    after = min(count for count in counted if count > year)
    n = N_AGES - (after - before)
    if n <= 0:
        return 1.0
    ratio = float(counted[after][-n:].sum() / counted[before][:n].sum())
    return 1 + (ratio - 1) * (year - before) / (after - before)


def _a_year_older(children: Array, total: float | None) -> Array:
    """Return the next mid-year: as many aged 0, the others a year older and, where it is known, scaled to the total."""
    older = np.concatenate([children[:1], children[:-1]])
    if total is None:
        return older
    scaled = older.copy()
    scaled[1:] *= (total - older[0]) / older[1:].sum()
    # Only a total below one year of births could do this.
    return scaled if total > older[0] else older * (total / older.sum())
