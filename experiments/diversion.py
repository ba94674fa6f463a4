"""Fewer children come into care: what that changes depends on how long those children would have stayed.

A diversion says: from a year on, so many fewer children come into care as before, and they are those whose stay would
have been shortest, longest, or anyone. Who would stay how long is known only as far as the groups of the tables tell:
age, risk, history (experiments/stays.py). The state a child comes from tells nothing more, because chances in care do
not depend on it.

Each group keeps a share of its rates of coming into care, year by year, found by the mean field so that in every year
the expected entries are those of the course without the diversion, less the share. Nothing else changes: a child who
does not come in stays in the state they are in (at a referral: has another of its outcomes), and may come in later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.cohorts import columns_of
from abm.errors import CareError, did_you_mean
from abm.journey import JOURNEY
from abm.meanfield import MeanField
from abm.outputs import evaluate, output_named
from abm.parameters import Parameters
from abm.pathway import AGE_BANDS, N_GROUPS, WEEKS_PER_YEAR, Journey, group_of
from abm.prepared import Prepared, prepare
from abm.scenario import Scenario
from abm.trajectory import Trajectory, run_columns
from experiments.stays import ENTRY, entries_of, fine_grid, mean_stays, sum_by_group

Array = NDArray[np.float64]
T = TypeVar("T")
SHORT, ANYONE, LONG = "short", "anyone", "long"
WHO = (SHORT, ANYONE, LONG)
LOOKED_AFTER = "cla_at_31_march"
_STEPS = 1 << 20
"""Shares are rounded to this part of 1: the last bits of a sum in the mean field then decide nothing."""
_NEAR = 1e-5
"""How near the expected entries come to what is asked, as a share of it (and then rounded)."""
_SAME_STAY = 1e-9
"""Groups whose expected stays differ by less, as a share, are cut together."""


@dataclass(frozen=True)
class Diversion:
    """Who comes into care no more, from `first_year` (the year ending 31 March) on.

    kept          float64[Y, G]  share of a group's rates of coming into care that is left, by model year
    expected      float64[Y]     expected entries as a share of those without the diversion, 1 before it begins
    usually       float64[Y]     expected children looked after at 31 March without the diversion
    looked_after  float64[Y]     and with it
    stays         float64[G]     expected years in care from an entry to first leaving care or turning 18
    entries       float64[G]     expected entries in its first year, without it
    prepared      the chances with the diversion: those of earlier years are as they were
    """

    who: str
    share: float
    first_year: int
    start_week: int
    kept: Array
    expected: Array
    usually: Array
    looked_after: Array
    stays: Array
    entries: Array
    prepared: Prepared

    @cached_property
    def by_age(self) -> pl.DataFrame:
        """Who it is, by age as it begins: entries a year as before and with it, and expected years in care."""
        year = self.start_week // WEEKS_PER_YEAR
        rows = []
        for age, name in enumerate(AGE_BANDS):
            mine = slice(group_of(age, 0, 0), group_of(age + 1, 0, 0))
            before, left = self.entries[mine].sum(), (self.entries[mine] * self.kept[year, mine]).sum()
            stay = (self.entries[mine] * self.stays[mine]).sum() / max(before, 1e-300)
            rows.append((name, float(before), float(left), float(stay)))
        return pl.DataFrame(rows, ["age", "entries", "entries_left", "years_in_care"], orient="row")


def divert(
    scenario: Scenario,
    parameters: Parameters,
    first_year: int,
    *,
    share: float = 0.2,
    who: Iterable[str] = WHO,
    journey: Journey = JOURNEY,
) -> dict[str, Diversion]:
    """Return a diversion for each of `who`: in every year from `first_year` on, entries are down by `share`.

    Groups whose expected stay is shortest (or longest) are cut first, each wholly before the next; of the last one, as
    of `anyone`, a part. Expected stays are those of the year in which it begins.

    Errors
    ------
    CareError
        For a share that is not between 0 and 1, a year outside the scenario, an unknown name in `who`, or a year in
        which nobody is expected to come into care.
    """
    who = tuple(who)
    _fail_if_not_possible(scenario, parameters, first_year, share, who)
    start, n_years = first_year - scenario.first_year, scenario.n_years
    field = MeanField(journey, fine_grid(journey))
    base = prepare(parameters, journey)
    year_of = np.minimum(np.arange(n_years), len(base.thresholds) - 1)
    columns = columns_of(scenario, field, block=WEEKS_PER_YEAR)
    edges = journey.edges_of(ENTRY)

    def follow(year: int, thresholds: NDArray[np.uint64], mass: Array) -> Trajectory:
        return run_columns(field, thresholds[None], replace(columns, mass=mass), WEEKS_PER_YEAR, year * WEEKS_PER_YEAR)

    mass, began, stays = columns.mass, columns.mass, np.zeros(N_GROUPS)
    usual, usually, weights = np.zeros(n_years), np.zeros(n_years), np.zeros((n_years, N_GROUPS))
    for year in range(n_years):
        path = follow(year, base.thresholds[year_of[year]], mass)
        usual[year] = path.flows[:, edges].sum()
        if year >= start:
            if usual[year] <= 0:
                raise CareError(f"Nobody is expected to come into care in {scenario.years[year]}", scenario.area_code)
            here = replace(columns, mass=mass), year * WEEKS_PER_YEAR
            by_age = path.flows_by_age[0][:, edges].sum(axis=1)
            coming = entries_of(field, base.thresholds[year_of[year]], *here, by_age)
            weights[year] = sum_by_group(coming, *here)
            if year == start:
                began, stays = mass, mean_stays(field, base.thresholds[year_of[year]], coming, *here)
        mass, usually[year] = path.mass, _at_end(path, journey)

    def one(kind: str) -> Diversion:
        tiers, mass, cut, slope = _tiers(kind, stays), began, share, 1 / (1 - share)
        kept, expected, looked_after = np.ones((n_years, N_GROUPS)), np.ones(n_years), usually.copy()
        thresholds = base.thresholds[year_of].copy()
        for year in range(start, n_years):

            def entries_with(cut: float, year: int = year, mass: Array = mass) -> tuple[float, Trajectory]:
                kept[year] = _kept(cut, tiers, weights[year])
                thresholds[year] = _thresholds(parameters, kept[year], year_of[year], journey)
                path = follow(year, thresholds[year], mass)
                expected[year] = path.flows[:, edges].sum() / usual[year]
                return float(expected[year]) / (1 - share) - 1, path

            cut, slope, path = find_share(entries_with, cut, slope)
            mass, looked_after[year] = path.mass, _at_end(path, journey)
        prepared = replace(base, thresholds=thresholds, parameters=None)
        in_years = stays / WEEKS_PER_YEAR
        return Diversion(
            kind, share, first_year, start * WEEKS_PER_YEAR, kept, expected, usually, looked_after, in_years,
            weights[start], prepared,
        )  # fmt: skip

    return {kind: one(kind) for kind in who}


def _at_end(path: Trajectory, journey: Journey) -> float:
    return float(evaluate(output_named(LOOKED_AFTER), journey, path.stocks, path.flows)[-1])


def _fail_if_not_possible(
    scenario: Scenario, parameters: Parameters, first_year: int, share: float, who: Sequence[str]
) -> None:
    if parameters.families is not None:
        raise CareError(
            "A diversion is worked out without families", scenario.area_code, "Give parameters without them"
        )
    if not 0 < share < 1:
        raise CareError(f"{share:g} is not a share of children who come into care", remedy="Use one between 0 and 1")
    if first_year not in scenario.years:
        first, last = scenario.years[0], scenario.years[-1]
        raise CareError(
            f"A diversion cannot begin in the year ending 31 March {first_year}",
            scenario.area_code,
            f"The scenario has the years {first} to {last}",
        )
    for name in who:
        if name not in WHO:
            raise CareError(f"'{name}' does not say who", remedy=did_you_mean(name, list(WHO)) or f"Use: {WHO}")


def _tiers(kind: str, stays: Array) -> list[NDArray[np.int64]]:
    """Return groups in the order in which they are cut; those of equal stay together."""
    if kind == ANYONE:
        return [np.arange(N_GROUPS)]
    order = np.argsort(stays if kind == SHORT else -stays, kind="stable")
    steps = np.abs(np.diff(stays[order])) > _SAME_STAY * stays[order][1:]
    return np.split(order, np.flatnonzero(steps) + 1)


def _kept(cut: float, tiers: list[NDArray[np.int64]], weight: Array) -> Array:
    """Return float64[G]: the share of each group that is left when `cut` of all entries is taken, tier by tier."""
    kept, to_cut = np.ones(N_GROUPS), cut * weight.sum()
    for tier in tiers:
        mine = weight[tier].sum()
        kept[tier] = 1 - min(1.0, max(0.0, to_cut / max(mine, 1e-300)))
        to_cut -= mine
    return np.round(kept * _STEPS) / _STEPS


def _thresholds(parameters: Parameters, kept: Array, year: int, journey: Journey) -> NDArray[np.uint64]:
    """Return uint64[E, G, B]: the chances of a year with what is left of the rates of coming into care."""
    rates = parameters.rates.copy()
    rates[journey.edges_of(ENTRY)] *= kept[None, :, None]
    now: NDArray[np.uint64] = Parameters(rates, parameters.multipliers[year : year + 1]).thresholds(journey)[0]
    return now


def find_share(
    gap: Callable[[float], tuple[float, T]], at: float, slope: float, near: float = _NEAR
) -> tuple[float, float, T]:
    """Return a share at which a falling function is 0, how fast it falls there, and what came with its value.

    gap   returns its value at a share, and anything else
    at    a first guess of the share; `slope` of how fast the function falls
    near  how near to 0 is near enough

    Method: secants, kept between a share that is too small and one that is too large.
    """
    value, found = gap(at)
    left, right = (at, 1.0) if value > 0 else (0.0, at)
    while abs(value) > near and right - left > 1 / _STEPS:
        then = at + value / slope
        then = then if left < then < right else (left + right) / 2
        before, (at, value, found) = (at, value), (then, *gap(then))
        left, right = (at, right) if value > 0 else (left, at)
        if value != before[1]:
            slope = max((before[1] - value) / (at - before[0]), 1e-3)
    return at, slope, found
