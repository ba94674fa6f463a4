"""Working days in England: limits of assessments and conferences are told in them.

Source of bank holidays: gov.uk/bank-holidays, England and Wales. Eight a year follow from Easter and from Mondays, and
move to the next weekday where they fall on a weekend; others were added or moved since 2020, and are listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import polars as pl

_ADDED = ("2020-05-08", "2022-06-02", "2022-06-03", "2022-09-19", "2023-05-08")
_MOVED = {"2020-05-04", "2022-05-30"}


def working_days(start: pl.Series, end: pl.Series) -> pl.Series:
    """Return the number of working days from each start (counted) to its end (not counted)."""
    if not start.len():
        return pl.Series(dtype=pl.Int64)
    begins, ends = (days.to_numpy().astype("datetime64[D]") for days in (start, end))
    first, last = (int(str(day)[:4]) for day in (min(begins.min(), ends.min()), max(begins.max(), ends.max())))
    return pl.Series(np.busday_count(begins, ends, holidays=bank_holidays(first, last)))


def after_working_days(start: pl.Series, days: int) -> pl.Series:
    """Return the day that comes so many working days after each start (counted, if it is one); null where it is."""
    known = start.drop_nulls()
    if not known.len():
        return pl.Series(start.name, [None] * start.len(), dtype=pl.Date)
    first, last = known.min(), known.max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    # A date that is null stands for any other here, and is null again below.
    begins = start.fill_null(first).to_numpy().astype("datetime64[D]")
    ends = np.busday_offset(begins, days, roll="forward", holidays=bank_holidays(first.year, last.year + 1))
    return pl.Series(start.name, ends.astype("datetime64[D]")).cast(pl.Date).set(start.is_null(), None)


def bank_holidays(first: int, last: int) -> list[str]:
    """Return the bank holidays of these calendar years, as ISO dates in order."""
    days = {day for year in range(first, last + 1) for day in _bank_holidays(year)}
    added = {day for day in _ADDED if first <= int(day[:4]) <= last}
    return sorted((days - _MOVED) | added)


def _bank_holidays(year: int) -> Iterator[str]:
    easter = _easter(year)
    whole = [easter - timedelta(days=2), easter + timedelta(days=1), _monday(date(year, 5, 1))]
    whole += [_monday(date(year, 5, 25)), _monday(date(year, 8, 25))]
    taken: set[date] = set()
    for day in (date(year, 1, 1), date(year, 12, 25), date(year, 12, 26)):
        while day.weekday() > 4 or day in taken:
            day += timedelta(days=1)
        taken.add(day)
    yield from (day.isoformat() for day in (*whole, *taken))


def _monday(day: date) -> date:
    return day + timedelta(days=-day.weekday() % 7)


def _easter(year: int) -> date:
    """Return Easter Sunday, by the method published anonymously in Nature, 1876."""
    a, (b, c) = year % 19, divmod(year, 100)
    (d, e), f = divmod(b, 4), (b + 8) // 25
    h = (19 * a + b - d - (b - f + 1) // 3 + 15) % 30
    i, k = divmod(c, 4)
    n = (32 + 2 * e + 2 * i - h - k) % 7
    month, day = divmod(h + n - 7 * ((a + 11 * h + 22 * n) // 451) + 114, 31)
    return date(year, month, day + 1)
