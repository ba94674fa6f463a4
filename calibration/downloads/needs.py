"""What a fit needs, and what of it a table lacks: for each area, and of England's shapes.

A fit refuses an area without what is NEEDED; what is WANTED it goes without, as its entry tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from calibration.statistics import ENGLAND, Area, Statistics, read_statistics


@dataclass(frozen=True)
class Need:
    """A series that a fit looks for.

    Attributes
    ----------
    what
        In words.
    measure
        As in the table.
    breakdowns
        Every one of them must be there in one of the years; one that ends in " | " stands for any that begins so.
    years
        One of them is enough; none for any year.
    without
        What happens without it; empty where there is no fit without it.
    found_in
        Key of the declared file that has it, for the report.
    """

    what: str
    measure: str
    breakdowns: tuple[str, ...] = ("total",)
    years: tuple[int, ...] = ()
    without: str = ""
    found_in: str = ""


@dataclass(frozen=True)
class Readiness:
    """What a table lacks for fits.

    Attributes
    ----------
    ready
        Areas that have all that is needed, England's shapes aside.
    lacking
        For each need of which an area lacks it: those areas.
    shapes
        Measures of England that a shape needs and the table lacks.
    """

    ready: tuple[Area, ...]
    lacking: tuple[tuple[Need, tuple[Area, ...]], ...]
    shapes: tuple[str, ...]


def needs() -> tuple[Need, ...]:
    """Return what is needed or wanted, what is needed first; see `calibration.fit.fail_if_figures_missing`."""
    from calibration.fit import DRIVING, FIRST_YEAR, LAST_FITTED
    from calibration.national import BASE_YEARS
    from calibration.targets import AGES, BY_END, BY_START, BY_STOCK

    start = FIRST_YEAR - 1
    since = tuple(range(start, LAST_FITTED + 1))
    ages = tuple(f"Persons | age {age}" for age in range(18))
    found = {
        "referrals": "c1", "cpp_started": "d3", "cla_started": "rate", "cla_ceased": "rate",
    }  # fmt: skip
    never = (
        "homes begin as the area's life course has them, which is England's, and are not fitted; adoptions may be far "
        "off (of Kent: twice as many as published, 2021 to 2025)"
    )
    return (
        Need("children by single year of age, of any year", "population_single_year_of_age", ages,
             found_in="population_by_age"),
        Need("children aged 0 to 17, of any year", "population_0_17", found_in="population"),
        Need(f"looked after at 31 March {start}", "cla_at_31_march", years=(start,), found_in="rate"),
        Need(f"plans at 31 March {start}", "cpp_at_31_march", years=(start,), found_in="d5"),
        Need(f"started to be looked after, of one of {BASE_YEARS[0]} to {BASE_YEARS[-1]}", "cla_started",
             years=BASE_YEARS, found_in="rate"),
        *(Need(f"'{name}' of any year from {start}", name, years=since, found_in=found[name]) for name in DRIVING),
        Need("homes at 31 March", BY_STOCK, ("Placement | ",), since, never, "la_31_march"),
        Need("ages at 31 March", BY_STOCK, tuple(f"Age group | {age}" for age in AGES.values()), since,
             "ages of those looked after begin as England's and are not fitted", "la_31_march"),
        Need("ages of those who started", BY_START, tuple(f"Age on starting | {age}" for age in AGES.values()), since,
             "children come into care at England's ages", "la_started"),
        Need("reasons for leaving care", BY_END, ("Reason episode ceased | ",), since,
             "ways out of care are not told apart in the fit", "la_ceased"),
        Need(f"plans at 31 March {start} by duration", "cpp_at_31_march_by_duration",
             ("3 months or less", "2 years or more"), (start,), "plans begin with England's time already spent", "d5"),
        Need("child in need plans of 2022", "cin_plans_at_31_march", years=(2022,),
             without="time on a child in need plan is England's", found_in="b7"),
    )  # fmt: skip


def readiness(statistics: Statistics) -> Readiness:
    """Return what a table lacks for fits of its areas as they are today, England apart."""
    areas = [Area(code, name) for code, name in statistics.authorities()]
    lacking = []
    for need in needs():
        there = _with(statistics, need)
        without = tuple(area for area in areas if area.code not in there)
        if without:
            lacking.append((need, without))
    unfit = {area for need, without in lacking if not need.without for area in without}
    return Readiness(tuple(area for area in areas if area not in unfit), tuple(lacking), shapes_lacking(statistics))


def shapes_lacking(statistics: Statistics) -> tuple[str, ...]:
    """Return the measures of England that the project's own shapes are made of and this table has not."""
    from calibration.shapes import published_shape

    used = {str(shape["measure"]) for shape in published_shape(read_statistics()).values()}
    there = statistics.frame.filter(statistics.frame["area_code"] == ENGLAND)["measure"].unique().to_list()
    return tuple(sorted(measure for measure in used if not _among(measure, there)))


def _among(measure: str, there: Iterable[str]) -> bool:
    """Tell whether a measure is there; "..." in its name stands for anything."""
    begin, _, end = measure.partition("...")
    if begin == measure:
        return measure in there
    return any(name.startswith(begin) and name.endswith(end) for name in there)


def _with(statistics: Statistics, need: Need) -> set[str]:
    """Return the codes of the areas that have what is needed."""
    rows = statistics.frame.filter(pl.col("measure") == need.measure)
    if need.years:
        rows = rows.filter(pl.col("year").is_in(need.years))
    n_wanted = len(need.breakdowns)
    if need.breakdowns[0].endswith(" | "):
        rows = rows.filter(pl.col("breakdown").str.starts_with(need.breakdowns[0]))
        rows = rows.filter(~pl.col("breakdown").str.ends_with("| Total"))
    elif need.breakdowns != ("total",) or rows["breakdown"].n_unique() > 1:
        rows = rows.filter(pl.col("breakdown").is_in(need.breakdowns))
    counted = rows.group_by("area_code", "year").agg(n=pl.col("breakdown").n_unique())
    return set(counted.filter(pl.col("n") >= n_wanted)["area_code"])
