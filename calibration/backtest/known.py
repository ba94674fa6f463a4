"""What was known at an origin: the table of published figures without anything of later years.

Figures of a year ending 31 March are known from that year on; those of the middle of a year (population, births) from
the next. Two things of a later date remain, and `docs/explanation/backtest.md` tells what they do:

* *Population by single year of age.* The table has counts of 2011 and of 2022 on. They were estimated and published
  every year; for origins before 2023 the estimate of the year before the origin is put back by following each cohort
  between the two counts (`census.cohorts`). What comes after the origin is never seen: it is projected from there.
* *England's shapes by age and time* (`national_rates.csv`, `published_shape`) are of 2018 to 2024, for every origin.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from calibration.census import N_AGES, cohorts, counted_by_age
from calibration.statistics import Statistics

_MID_YEAR = "^(population|births|migration)"
_BY_AGE, _BETWEEN = "population_single_year_of_age", "between counts"


def known_at(statistics: Statistics, origin: int) -> Statistics:
    """Return the table as it was when the figures of the year to 31 March of `origin` had come out."""
    mid_year = pl.col("measure").str.contains(_MID_YEAR)
    frame = statistics.frame.filter((pl.col("year") < origin) | ((pl.col("year") == origin) & ~mid_year))
    rows = []
    for code, name in statistics.areas():
        counted = counted_by_age(statistics, statistics.area(code))
        if counted and origin - 1 not in counted and min(counted) < origin - 1 < max(counted):
            ages = cohorts(counted, origin - 1)
            rows += [(code, name, origin - 1, _BY_AGE, f"Persons | age {age}", ages[age]) for age in range(N_AGES)]
    if rows:
        added = pl.DataFrame(rows, schema=frame.columns[:6], orient="row").with_columns(
            pl.col("year").cast(pl.Int32), unit=pl.lit("persons (mid-year)"), source_id=pl.lit(_BETWEEN)
        )
        frame = pl.concat([frame, added.select(frame.columns)])
    return replace(statistics, frame=frame, _index={}, _breakdowns={})
