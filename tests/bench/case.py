"""What is measured: children of one area or of England, with England's shipped rates. No area is fitted for it.

Day one is the steady flow of children under the shipped rates, scaled to England's published stocks, as a fit begins;
the area is England made smaller. So children in the system, plans and care are there in their published proportion,
and what happens in ten years is near what happens in a fitted area: three to four events for each child there on day
one. Yearly factors are made up, and differ from year to year as those of a fit do.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from abm.journey import JOURNEY
from abm.meanfield import MeanField, make_grid
from abm.parameters import Parameters
from abm.pathway import WEEKS_PER_YEAR
from abm.scenario import PopulationPlan, Scenario
from calibration.census import census
from calibration.day_one import children_of, day_one, population_plan
from calibration.national import base_figures
from calibration.rates import read_rates
from calibration.shapes import published_shape
from calibration.stationary import steady
from calibration.statistics import ENGLAND, read_statistics

AREAS = Path(__file__).with_name("areas.csv")
YEARS = 10
ONE_AREA = 156_000
"""Children on day one of the one area."""
FIRST_YEAR = 2021
_BY_CHILD = ("ages", "births", "moves", "unaccompanied", "arrivals")


@dataclass(frozen=True)
class Area:
    code: str
    name: str
    children: int


def areas(path: Path = AREAS) -> list[Area]:
    """Return the 151 authorities with their children, the largest first."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    found = [Area(row["area_code"], row["area_name"], int(row["children"])) for row in rows]
    return sorted(found, key=lambda area: (-area.children, area.code))


@cache
def england() -> tuple[Scenario, Parameters]:
    """Return all children of England as one area for ten years, and the shipped rates with made-up yearly factors."""
    statistics, journey = read_statistics(), JOURNEY
    years = range(FIRST_YEAR - 1, FIRST_YEAR + YEARS)
    ages, first = census(statistics, ENGLAND, years), base_figures(statistics, ENGLAND)
    shape, book, field = published_shape(statistics), read_rates(journey), MeanField(journey, make_grid(journey))
    course = steady(journey, field, book, children_of(ages.counts[0], first["uasc_started"], shape)).course
    plan = population_plan(ages, first, np.full(YEARS, first["uasc_started"]), shape, course)
    start = day_one(journey, field, course, plan, first, None)
    scenario = Scenario("E92000001", "England", FIRST_YEAR, YEARS * WEEKS_PER_YEAR, 1, plan, start)
    year, transition = np.arange(YEARS)[:, None], np.arange(len(journey.transitions))[None]
    factors = 1 + 0.1 * np.sin(0.9 * year + 2.4 * transition)
    return scenario, Parameters(book.rates(), factors, book.values)


def area_of(children: int, *, weeks: int | None = None, code: str = "E06999999", name: str = "Benchshire") -> Scenario:
    """Return England made smaller: an area with so many children on day one."""
    whole = england()[0]
    plan = whole.plan
    part = children / (plan.ages.sum() + plan.unaccompanied.sum())
    smaller: PopulationPlan = replace(plan, **{name: getattr(plan, name) * part for name in _BY_CHILD})
    return replace(whole, area_code=code, area_name=name, plan=smaller, n_weeks=weeks or whole.n_weeks)


def parameters() -> Parameters:
    """Return the rates of every area."""
    return england()[1]
