"""Dates and weeks correspond exactly."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.pathway import WEEKS_TO_18
from calibration.returns.dates import DAYS_SURE, date_of, day_of, days, week_of, week_of_date, year_of

dates = st.dates(date(1990, 1, 1), date(2060, 12, 31))
years = st.integers(1990, 2060)


def slow_week(when: date, first_year: int) -> int:
    """Count the weeks one day at a time, in words: the first of a year has 8 days, that of 29 February one more."""
    start = date(when.year if when >= date(when.year, 4, 1) else when.year - 1, 4, 1)
    week, left, day = 0, 8, start
    while day < when:
        day += timedelta(1)
        if (day.month, day.day) == (2, 29):
            continue
        left -= 1
        if left == 0:
            week, left = week + 1, 7
    return (start.year + 1 - first_year) * 52 + week


@given(dates, years)
def test_every_date_has_the_week_that_counting_gives(when: date, first_year: int):
    assert week_of_date(when, first_year) == slow_week(when, first_year)


def test_a_year_is_52_weeks_whatever_its_days():
    every = np.arange(days(date(1990, 4, 1)), days(date(2060, 3, 31)) + 1)
    weeks = week_of(every, 1991)
    steps = np.diff(weeks)
    assert set(steps) == {0, 1}
    assert (weeks[0], weeks[-1]) == (0, 70 * 52 - 1)
    assert set(np.unique(weeks, return_counts=True)[1]) == {7, 8}
    assert (year_of(every) == weeks // 52 + 1991).all()
    for year in (2019, 2020, 2100):
        assert week_of_date(date(year, 4, 1), year + 1) == 0
        assert week_of_date(date(year, 3, 31), year) == 51


@given(st.integers(-60 * 52, 60 * 52), st.integers(0, DAYS_SURE - 1), st.integers(0, 40), years)
def test_each_week_and_order_has_a_date_that_reads_back(week: int, order: int, more: int, first_year: int):
    day = int(day_of(week, first_year, order))
    assert week_of(day, first_year) == week
    assert days(date_of(day)) == day
    later = int(day_of(week, first_year, order + more))
    assert later >= day
    assert week_of(later, first_year) == week


@given(st.integers(-20 * 52, 20 * 52), years)
def test_days_of_a_week_come_in_order(week: int, first_year: int):
    made = day_of(np.full(DAYS_SURE, week), first_year, np.arange(DAYS_SURE))
    assert (np.diff(made) > 0).all()


@given(dates)
def test_a_birthday_is_in_the_same_week_of_every_year(born: date):
    # Who was born on 29 February comes of age on 1 March.
    day = (3, 1) if (born.month, born.day) == (2, 29) else (born.month, born.day)
    of_age = date(born.year + 18, *day)
    assert week_of_date(of_age, 2000) - week_of_date(born, 2000) == WEEKS_TO_18


@pytest.mark.parametrize("when", [date(1900, 3, 31), date(2200, 4, 1)])
def test_what_is_far_from_any_childhood_is_refused(when: date):
    with pytest.raises(ValueError, match="not between"):
        week_of_date(when, 2000)


def test_mutant_weeks_of_seven_days_from_the_first_of_april_fail():
    """The obvious rule, seven days a week, gives a 53rd week: the tests above can fail."""
    every = np.arange(days(date(2019, 4, 1)), days(date(2020, 3, 31)) + 1)
    mutant = (every - every[0]) // 7
    assert mutant.max() == 52
    assert (mutant != week_of(every, 2020)).sum() > 300 // 7
