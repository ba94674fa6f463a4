"""Areas that tests share: on day one, and fitted; each is made once for all tests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from abm.journey import JOURNEY
from abm.meanfield import MeanField, make_grid
from abm.scenario import Scenario
from calibration.fit import FIRST_YEAR, LAST_FITTED, LAST_YEAR, area_on_day_one
from calibration.rates import RateBook
from calibration.statistics import ENGLAND, Statistics, read_statistics
from calibration.targets import targets

BLACKPOOL = "E06000009"
FIVE = (ENGLAND, "E10000007", "E06000004", "E08000022", BLACKPOOL)


@cache
def shipped() -> Statistics:
    return read_statistics()


@cache
def mean_field() -> MeanField:
    return MeanField(JOURNEY, make_grid(JOURNEY))


@dataclass(frozen=True)
class Begun:
    """An area on day one, its rates before any yearly factor, and the published figures of that 31 March."""

    scenario: Scenario
    book: RateBook
    first: dict[str, float]


@cache
def on_day_one(code: str) -> Begun:
    statistics, area = shipped(), shipped().area(code)
    found = targets(statistics, area, range(FIRST_YEAR - 1, LAST_FITTED + 1))
    scenario, book, _ = area_on_day_one(statistics, area, mean_field(), found, LAST_FITTED, LAST_YEAR)
    return Begun(scenario, book, {t.figure: t.value for t in found if t.year == FIRST_YEAR - 1})
