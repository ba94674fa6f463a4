"""Calendar dates and model weeks: each date has a week, each week its dates, and a birthday falls in the same week.

A model year is exactly 52 weeks, from 1 April to 31 March. Its first week has eight days (1 to 8 April); the others
have seven; 29 February joins the week of 28 February and 1 March, which has eight days in a leap year. So weeks are cut
at the same days of every year: a child whose birthday is in week 30 of a year has every birthday in week 30, and is 18
exactly 936 weeks after the week of birth, as in the model.

Week 0 begins on 1 April before `first_year`, the year ending 31 March that the log begins with. Days are counted as
polars and numpy count them, in days since 1 January 1970.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from abm.pathway import WEEKS_PER_YEAR

DAYS_SURE = 7
"""Days that every week has at least."""
FIRST_DATE, LAST_DATE = date(1900, 4, 1), date(2200, 3, 31)
"""Dates that have a week here; readers refuse what is far outside a childhood long before."""

_YEARS = np.arange(FIRST_DATE.year + 1, LAST_DATE.year + 2)
"""The years ending 31 March, and one more."""
_STARTS: NDArray[np.int64] = np.array([f"{year - 1}-04-01" for year in _YEARS], "datetime64[D]").astype(np.int64)
_LEAP = np.diff(_STARTS) == 366
_1970 = date(1970, 1, 1).toordinal()
_29_FEBRUARY = 334
"""Days from 1 April to 29 February."""


def days(when: date) -> int:
    """Return the number of a date."""
    return when.toordinal() - _1970


def year_of(day: ArrayLike) -> NDArray[np.int64]:
    """Return the year ending 31 March that each day is in."""
    return _YEARS[_place(np.asarray(day, np.int64))]


def week_of(day: ArrayLike, first_year: int) -> NDArray[np.int32]:
    """Return the week of each day, negative before week 0."""
    number = np.asarray(day, np.int64)
    year = _place(number)
    since = number - _STARTS[year]
    since = since - (_LEAP[year] & (since >= _29_FEBRUARY))
    # The same as 52 weeks of 365/52 days each, rounded down.
    weeks: NDArray[np.int64] = (_YEARS[year] - first_year) * WEEKS_PER_YEAR + since * WEEKS_PER_YEAR // 365
    return weeks.astype(np.int32)


def weeks_of(dates: pl.Series, first_year: int) -> pl.Series:
    """Return the week of each date of a column, null where it is null."""
    day = dates.to_physical()
    weeks = week_of(day.fill_null(0).to_numpy(), first_year)
    return pl.Series(dates.name, weeks).set(day.is_null(), None)


def day_of(week: ArrayLike, first_year: int, order: ArrayLike = 0) -> NDArray[np.int64]:
    """Return a day of each week: its first, or `order` days later; from the sixth on always the seventh.

    So what happens in order within a week has days in that order, and each reads back to the same week.
    """
    whole = np.asarray(week, np.int64)
    year = whole // WEEKS_PER_YEAR + (first_year - int(_YEARS[0]))
    since = whole % WEEKS_PER_YEAR
    since = since * DAYS_SURE + (since > 0) + np.minimum(np.asarray(order, np.int64), DAYS_SURE - 1)
    made: NDArray[np.int64] = _STARTS[year] + since + (_LEAP[year] & (since >= _29_FEBRUARY))
    return made


def date_of(day: int) -> date:
    """Return the date with this number."""
    return date.fromordinal(_1970 + int(day))


def week_of_date(when: date, first_year: int) -> int:
    """Return the week of one date."""
    return int(week_of(days(when), first_year))


def _place(day: NDArray[np.int64]) -> NDArray[np.int64]:
    place = np.searchsorted(_STARTS, day, side="right") - 1
    if place.size and (place.min() < 0 or place.max() >= _LEAP.size):
        raise ValueError(f"a date is not between {FIRST_DATE} and {LAST_DATE}")
    return place
