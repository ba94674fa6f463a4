"""Areas that tests share: on day one, and fitted; each is made once for all tests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from abm.journey import JOURNEY
from abm.meanfield import MeanField, make_grid
from abm.scenario import Scenario
from calibration.fit import FIRST_YEAR, LAST_FITTED, LAST_YEAR, Fitted, area_on_day_one, fit_area
from calibration.rates import RateBook
from calibration.statistics import ENGLAND, Statistics, read_statistics
from calibration.system import SystemFit, fit_system
from calibration.targets import targets

BLACKPOOL = "E06000009"
FIVE = (ENGLAND, "E10000007", "E06000004", "E08000022", BLACKPOOL)
REQUIRED = (
    "referrals",
    "cin_episodes_started",
    "cpp_at_31_march",
    "cla_at_31_march",
    "cla_started",
    "cla_ceased",
    "cla_foster_share",
    "cla_childrens_home_share",
)
"""Figures whose five-year mean must be met within 10%."""


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


@cache
def fitted(code: str, correction_runs: int | None = None) -> Fitted:
    return fit_area(shipped(), shipped().area(code), correction_runs=correction_runs)


@cache
def fitted_system(code: str, correction_runs: int | None = None) -> SystemFit:
    return fit_system(fitted(code, correction_runs))


def five_year_means(fit: Fitted, values: dict[str, np.ndarray]) -> dict[str, float]:
    """The mean of each required figure over the fitted years as a share of the published mean, over the same years."""
    out = {}
    for figure in REQUIRED:
        published = {t.year: t.value for t in fit.targets if t.figure == figure and FIRST_YEAR <= t.year <= LAST_FITTED}
        own = [values[figure][year - FIRST_YEAR] for year in published]
        out[figure] = float(np.mean(own) / np.mean(list(published.values())))
    return out
