"""England's rates: the shape by age, history and time that every area starts from.

`python -m calibration.national` fits the first rates (calibration/published/first_rates.csv) to England's published
averages and writes calibration/published/national_rates.csv; a slow test repeats it and compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError
from abm.journey import JOURNEY
from abm.meanfield import MeanField, make_grid
from abm.pathway import Journey
from calibration.aims import level_aims, shape_aims
from calibration.rates import FIRST_RATES, NATIONAL_RATES, RateBook, read_rates, write_rates
from calibration.stationary import Children, fit_steady
from calibration.statistics import ENGLAND, Statistics, read_statistics
from calibration.targets import published_shape, targets

Array = NDArray[np.float64]
BASE_YEARS = (2018, 2019, 2020)
RISK_SHARES = np.array([0.50, 0.30, 0.15, 0.05])
"""Shares of families by risk class. Assumed: frailty is not identified by published figures; its form is fixed here."""


def base_figures(statistics: Statistics, area: str, years: Iterable[int] = BASE_YEARS) -> dict[str, float]:
    """Return the mean of every figure over the base years, as published."""
    found: dict[str, list[float]] = {}
    for target in targets(statistics, area, years):
        found.setdefault(target.figure, []).append(target.value)
    return {figure: float(np.mean(values)) for figure, values in found.items()}


def hazards_by_band(bands: list[dict[str, Any]], per_year: float, last: float) -> Array:
    """Return hazards a year in each band from the share of ends in each: -log(left after / left before) / width.

    Where nobody is left after a band its hazard is infinite; beyond, nobody is left to whom a hazard would matter.

    bands     `low`, `high`, `share` with low and high in units of which a year has `per_year`
    last      the hazard a year of the open band at the end (assumed)
    """
    shares = np.array([b["share"] for b in bands])
    left = 1 - np.cumsum(np.r_[0.0, shares])
    left[left < 1e-12] = 0.0
    width = np.array([(b["high"] - b["low"]) / per_year for b in bands[:-1]])
    before, after = left[:-2], left[1:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        inner: Array = -np.log(after / before) / width
    return np.append(np.where(before > 0, inner, last), last)


def with_published_durations(journey: Journey, book: RateBook, shape: dict[str, Any]) -> RateBook:
    """Return the book with the hazards of leaving an assessment, an enquiry and a plan as their durations say.

    In these states the declared levels are shares of what follows; the band factor becomes the total hazard.
    """
    assessment = shape["assessment_working_days"]["bands"]
    joined = [{"low": 0, "high": 10, "share": assessment[0]["share"] + assessment[1]["share"]}]
    joined += [{"low": b["low"] - 1, "high": b["high"], "share": b["share"]} for b in assessment[2:]]
    conference = [{**b, "low": max(0, b["low"] - 1)} for b in shape["conference_working_days"]["bands"]]
    plans = shape["cpp_duration_at_ending_days"]["bands"]
    working = 52 * 5
    for state, hazards in (
        ("being_assessed", hazards_by_band(joined, working, last=9.0)),
        ("under_enquiry", hazards_by_band(conference, working, last=26.0)),
        ("protected", hazards_by_band(plans, 365.0, last=1.1)),
    ):
        tables, s = journey.tables, journey.state_index[state]
        edges = [e for e in range(tables.first[s], tables.first[s + 1]) if tables.weekly[e]]
        padded = np.r_[hazards, np.full(tables.max_bands - hazards.size, hazards[-1])]
        book = book.scaled(edges, padded[None, :], "band")
        book = book.scaled(edges, 1 / book.level[edges].sum())
    return book


def national_figures(statistics: Statistics) -> dict[str, float]:
    """Return England's base figures, with the child in need plans of 2022 and the share of kinship carers.

    Errors
    ------
    CareError
        When the table does not have the plans of 2022.
    """
    figures = base_figures(statistics, ENGLAND)
    for key in ("cin_plans_started", "cin_plans_at_31_march"):
        published = statistics.cells(ENGLAND, key)
        if 2022 not in published:
            raise CareError(f"The table has no '{key}' of England for 2022", str(statistics.path), "Add the row")
        figures[key] = published[2022].value
    kinship = published_shape(statistics)["placement_at_31_march"]["shares"]["kinship"]
    figures["cla_kinship_at_31_march"] = kinship * figures["cla_at_31_march"]
    return figures


def arrival_ages(shape: dict[str, Any]) -> Array:
    """Return the shares of unaccompanied arrivals by age (assumed).

    They are such that a stay until 18 gives the published share under 16 at 31 March: with a share of arrivals of x at
    14 and 4x at 15, those under 16 wait 1.5 and 0.5 years for their 16th birthday.
    """
    young = shape["uasc_age_at_31_march"]["shares"]["under_16"]
    out = np.zeros(18)
    x = young * 1.5 / 3.5
    out[14:] = x, 4 * x, 0.6 * (1 - 5 * x), 0.4 * (1 - 5 * x)
    return out


def fit_nation(
    journey: Journey, statistics: Statistics, ages: Array, rounds: int = 60
) -> tuple[RateBook, dict[str, Any]]:
    """Fit England's shape and levels; return the book and each aim's (target, reached)."""
    shape, figures = published_shape(statistics), national_figures(statistics)
    alone = figures["uasc_at_31_march"]
    children = Children(ages, RISK_SHARES, figures["uasc_started"], arrival_ages(shape))
    book = with_published_durations(journey, read_rates(journey, FIRST_RATES), shape)
    field = MeanField(journey, make_grid(journey))
    aims = level_aims(journey, figures, alone, 0.0) + shape_aims(journey, figures, shape)
    return fit_steady(journey, field, book, children, aims, rounds)


def main() -> None:
    """Fit England and write national_rates.csv."""
    from calibration.census import census

    statistics = read_statistics()
    ages = census(statistics, ENGLAND).counts[0]
    book, reached = fit_nation(JOURNEY, statistics, ages)
    for name, (target, model) in reached.items():
        print(f"{name:45s} {target:14.4f} {model:14.4f} {100 * (model / target - 1):7.1f}%")
    write_rates(
        JOURNEY, book, NATIONAL_RATES, "fitted",
        "Fitted to England's published averages of 2018 to 2020 by calibration/national.py, from first_rates.csv",
    )  # fmt: skip


if __name__ == "__main__":
    main()
