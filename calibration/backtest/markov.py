"""An age-by-placement Markov model of children looked after, of the kind authorities forecast with today.

Such tools (Data to Insight's demand model for children's placements is the best known) take from an authority's own
returns, over a reference period, how many children enter care a day by age and placement, and the daily chances to
leave and to move between placements, and let them go on unchanged. Here the same is built from published figures:

* children at 31 March by age band and by kind of home; how the two go together is not published: taken as independent;
* entries by age band: the mean of the reference years; their homes as those of children of England who start;
* leaving, by age band: those who ceased over children-years at that age (`Age on ceasing`); from 16 on it includes
  turning 18. Between homes it differs as it does in England;
* growing into the next age band: 1 over the width of the band a year;
* moves between homes: as few as make the homes of the year before the origin those at the origin.

A hidden cell is given an even part of what the published cells leave of the whole; an age band of which an authority
has nothing has England's share. Source of the figures: DfE, children looked after in England.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.backtest.simple import Z
from calibration.statistics import ENGLAND, Area, Statistics

Array = NDArray[np.float64]
REFERENCE_YEARS = 3
"""Years that rates are the mean of: the best of 1, 2 and 3 at the origins of 2016 to 2018 (mean over all errors)."""
DAYS = 365
WIDTH = np.array([1.0, 4.0, 5.0, 6.0, 2.0])
"""Years of age in each band."""
STOCK, STARTED, CEASED = "cla_at_31_march_by", "cla_started_by", "cla_ceased_by"
AGES = (
    ("Under 1 year",),
    ("1 to 4 years",),
    ("5 to 9 years",),
    ("10 to 15 years",),
    ("16 years and over", "16 years", "17 years", "18 years and over"),
)
HOMES: dict[str, tuple[str, ...]] = {
    "foster": ("Foster placements",),
    "with parents": ("Placed with parents or other person with parental responsibility",),
    "placed for adoption": ("Placed for adoption",),
}
"""Kinds of home that all years have; the others are one more group."""
N_HOMES = len(HOMES) + 1
STARTS_AT_HOME = np.array([20_740, 1_980, 30, 8_260]) / 31_010
"""Homes of children who start to be looked after: England, year to 31 March 2020 (DfE, first placement; those placed
for adoption are hidden there and taken as the 30 that are left). Every origin is given the same."""
LEAVES_HOME = np.array([13_700, 3_220, 3_430, 9_360]) / 29_710 / (np.array([56_950, 5_530, 2_280, 15_240]) / 80_000)
"""How fast children leave each kind of home, over all homes: England, share of those who ceased in the year to 31 March
2020 by last placement, over the share of those looked after at its end (DfE)."""


@dataclass(frozen=True)
class Markov:
    """Rates of one area at one origin.

    stock    float64[5, homes]         children at 31 March of the origin
    entries  float64[5, homes]         a year
    leaving  float64[5, homes]         a year and child
    moves    float64[homes, homes]     a year and child, from row to column
    """

    stock: Array
    entries: Array
    leaving: Array
    moves: Array

    def matrix(self) -> Array:
        """Return the daily chances from each state (age x home) to each, float64[20, 20]; what is missing leaves."""
        n = len(AGES) * N_HOMES
        rate = np.zeros((n, n))
        for age in range(len(AGES)):
            block = slice(age * N_HOMES, (age + 1) * N_HOMES)
            rate[block, block] += self.moves - np.diag(self.moves.sum(axis=1))
            rate[block, block] -= np.diag(self.leaving[age])
            if age + 1 < len(AGES):
                older = slice((age + 1) * N_HOMES, (age + 2) * N_HOMES)
                rate[block, block] -= np.eye(N_HOMES) / WIDTH[age]
                rate[block, older] += np.eye(N_HOMES) / WIDTH[age]
        return np.asarray(np.eye(n) + rate / DAYS)

    def years(self, n_years: int) -> tuple[Array, Array, Array]:
        """Return (children at the end, started, ceased) of each year ahead; the first is [years, 5, homes]."""
        daily, leaving = self.matrix(), self.leaving.ravel() / DAYS
        entering = self.entries.ravel() / DAYS
        now = self.stock.ravel()
        stocks, ceased = [], []
        for _ in range(n_years):
            left = 0.0
            for _day in range(DAYS):
                left += float(leaving @ now)
                now = now @ daily + entering
            stocks.append(now.reshape(self.stock.shape))
            ceased.append(left)
        return np.array(stocks), np.full(n_years, self.entries.sum()), np.array(ceased)


def parts(statistics: Statistics, area: Area, measure: str, group: str, labels: tuple[str, ...], year: int) -> float:
    """Return the sum of some published cells of a group, NaN if none of them is published."""
    cells = [statistics.cells(area, measure, f"{group} | {label}").get(year) for label in labels]
    known = [cell.value for cell in cells if cell is not None]
    return float(sum(known)) if known else float("nan")


def by_age(statistics: Statistics, area: Area, measure: str, group: str, year: int) -> Array | None:
    """Return float64[5] by age band, made to add up to the published whole; None where no whole is published."""
    whole = statistics.cells(area, measure.removesuffix("_by")).get(year)
    if whole is None:
        return None
    found = np.array([parts(statistics, area, measure, group, labels, year) for labels in AGES])
    hidden = ~np.isfinite(found)
    if hidden.all():
        nation = statistics.area(ENGLAND)
        found = np.array([parts(statistics, nation, measure, group, labels, year) for labels in AGES])
        found, hidden = np.nan_to_num(found, nan=0.0), np.zeros(len(AGES), bool)
    if hidden.any():
        found[hidden] = max(whole.value - np.nansum(found), 0.0) / hidden.sum()
    return np.asarray(found * (whole.value / found.sum())) if found.sum() > 0 else None


def by_home(statistics: Statistics, area: Area, year: int, whole: float) -> Array:
    """Return float64[homes]: children at 31 March by kind of home; the last has those that are not named."""
    named = [parts(statistics, area, STOCK, "Placement", labels, year) for labels in HOMES.values()]
    known = np.nan_to_num(np.array(named), nan=2.0)
    known *= min(1.0, whole / max(known.sum(), 1e-9))
    return np.append(known, max(whole - known.sum(), 0.0))


def markov_of(statistics: Statistics, area: Area, origin: int, reference: int = REFERENCE_YEARS) -> Markov | None:
    """Return the model of an area, from figures to `origin`; None where its stock or its flows are not published."""
    years = range(origin - reference + 1, origin + 1)
    age = {year: by_age(statistics, area, STOCK, "Age group", year) for year in (years[0] - 1, *years)}
    started = [by_age(statistics, area, STARTED, "Age on starting", year) for year in years]
    ceased = [by_age(statistics, area, CEASED, "Age on ceasing", year) for year in years]
    now = age[origin]
    flows = [
        (s, c, before, after)
        for s, c, before, after in zip(started, ceased, list(age.values())[:-1], list(age.values())[1:], strict=True)
        if s is not None and c is not None and before is not None and after is not None
    ]
    if now is None or not flows:
        return None
    entering = np.mean([s for s, _, _, _ in flows], axis=0)
    exposed = np.mean([(before + after) / 2 for _, _, before, after in flows], axis=0)
    per_child = np.mean([c for _, c, _, _ in flows], axis=0) / np.maximum(exposed, 1.0)
    homes = by_home(statistics, area, origin, now.sum())
    share = _shares(homes)
    speed = LEAVES_HOME / (LEAVES_HOME * share).sum()
    stock = now[:, None] * share
    entries = entering[:, None] * STARTS_AT_HOME / STARTS_AT_HOME.sum()
    leaving = per_child[:, None] * speed
    still = np.zeros((N_HOMES, N_HOMES))
    before = age[origin - 1]
    if before is None:
        return Markov(stock, entries, leaving, still)
    then = by_home(statistics, area, origin - 1, before.sum())
    past = Markov(before[:, None] * _shares(then), entries, leaving, still)
    unmoved = past.years(1)[0][0].sum(axis=0)
    if unmoved.sum() == 0:
        return Markov(stock, entries, leaving, still)
    surplus = unmoved * homes.sum() / unmoved.sum() - homes
    gives, takes = np.maximum(surplus, 0.0), np.maximum(-surplus, 0.0)
    moves = gives[:, None] * takes / max(takes.sum(), 1e-9) / np.maximum(unmoved, 1.0)[:, None]
    return Markov(stock, entries, leaving, moves)


def _shares(homes: Array) -> Array:
    """Return the share of each kind of home; where nobody is looked after, that of England's children who start."""
    there = homes if homes.sum() > 0 else STARTS_AT_HOME
    return np.asarray(there / there.sum())


def forecast(statistics: Statistics, area: Area, origin: int, ahead: int) -> dict[str, Array]:
    """Return figure -> float64[ahead, quantiles] for children looked after, started and ceased; {} where it cannot.

    The spread is the chance of independent children alone (Poisson), as such tools show it, if they show one.
    """
    model = markov_of(statistics, area, origin)
    if model is None:
        return {}
    stocks, started, ceased = model.years(ahead)
    turned_over = np.cumsum(started + ceased)
    middle = {"cla_at_31_march": stocks.sum(axis=(1, 2)), "cla_started": started, "cla_ceased": ceased}
    variance = {"cla_at_31_march": turned_over, "cla_started": started, "cla_ceased": ceased}
    return {
        figure: np.maximum(middle[figure][:, None] + np.sqrt(variance[figure])[:, None] * Z, 0.0) for figure in middle
    }
