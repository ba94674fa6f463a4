"""Figures that follow children through the log: distinct children, referrals again, ways home and back."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.events import CHANCE
from abm.outputs import OUTPUTS, Output, evaluate
from abm.pathway import WEEKS_PER_YEAR, WEEKS_TO_18
from abm.simulate import Run

Array = NDArray[np.float64]
RETURN_WEEKS = {"3 months": 13, "1 year": 52, "6 years": 312}
"""After going home from care: when the share of children back in care is read."""


def figures_of(run: Run) -> dict[str, Array]:
    """Return every figure of abm/outputs.py by year ending 31 March, float64[years], of the whole area."""
    journey, sample = run.journey, run.scenario.sample
    out = {}
    for output in OUTPUTS:
        value = evaluate(output, journey, run.stocks, run.flows)
        if output.distinct:
            value = distinct_children(run, output)
        out[output.key] = value if output.percent_of else value * sample
    out["rereferrals_within_12_months"] = referrals_again(run)
    return out


def distinct_children(run: Run, output: Output) -> Array:
    """Return float64[years]: children with at least one of the figure's events in the year (of the sample)."""
    n_years = run.scenario.n_weeks // WEEKS_PER_YEAR
    wanted = np.isin(run.rows.edge, run.journey.edges_of(*output.events))
    year = run.rows.week[wanted].astype(np.int64) // WEEKS_PER_YEAR
    pairs = np.unique(year * (1 << 40) + run.rows.child[wanted])
    return np.bincount(pairs >> 40, minlength=n_years)[:n_years].astype(float)


def referrals_again(run: Run) -> Array:
    """Return float64[years]: percent of referrals of a child who was referred within the 52 weeks before.

    The first year is NaN: referrals before day one are not known.
    """
    n_years = run.scenario.n_weeks // WEEKS_PER_YEAR
    mine = np.isin(run.rows.edge, run.journey.edges_of("was_referred"))
    child, week = run.rows.child[mine].astype(np.int64), run.rows.week[mine].astype(np.int64)
    order = np.lexsort((week, child))
    child, week = child[order], week[order]
    again = np.zeros(child.size)
    again[1:] = (child[1:] == child[:-1]) & (week[1:] - week[:-1] <= WEEKS_PER_YEAR)
    year = week // WEEKS_PER_YEAR
    share = np.bincount(year, again, n_years) / np.maximum(np.bincount(year, minlength=n_years), 1)
    share[:1] = np.nan
    return 100 * share[:n_years]


def back_in_care(run: Run) -> dict[str, tuple[float, int]]:
    """Return, for each RETURN_WEEKS, (percent of children back in care, returns seen), leaving at 18 censored.

    Method: Kaplan-Meier over the returns home seen in the log. A return still open at the end of the run, or ended by
    the 18th birthday, is censored: the week before is the last in which the child could have come back.
    """
    spells = _spells(run)
    out = {}
    for name, weeks in RETURN_WEEKS.items():
        at = spells.filter(pl.col("back") & (pl.col("weeks") <= weeks)).group_by("weeks").len().sort("weeks")
        kept = 1.0
        for t, back in at.rows():
            kept *= 1 - back / int((spells["weeks"] >= t).sum())
        out[name] = (100 * (1 - kept), spells.height)
    return out


def _spells(run: Run) -> pl.DataFrame:
    """Every stay at home after care that began in the log: weeks at risk, and whether it ended back in care."""
    journey = run.journey
    home = journey.state_index["reunified"]
    back = journey.transition_index["came_back_into_care"]
    rows = run.events.select("child", "week", "from_state", "to_state", "transition", "origin")
    begun = rows.filter(pl.col("to_state") == home).select("child", pl.col("week").alias("begun"))
    ended = rows.filter(pl.col("from_state") == home).select("child", "week", "transition", "origin")
    # A child goes home and leaves that state by turns, so the k-th beginning belongs to the k-th end after it.
    spells = begun.sort("child", "begun").join_asof(
        ended.sort("child", "week"), left_on="begun", right_on="week", by="child", strategy="forward",
        allow_exact_matches=False, check_sortedness=False,
    )  # fmt: skip
    # In the week of the birthday there is no chance to come back, nor in the week after the run.
    last = pl.col("week").cast(pl.Int32) - (pl.col("origin") != CHANCE).cast(pl.Int32)
    return spells.select(
        weeks=last.fill_null(run.scenario.n_weeks - 1) - pl.col("begun").cast(pl.Int32),
        back=(pl.col("transition") == back).fill_null(False),
    )


def ever_referred(run: Run, n_weeks: int = 5 * WEEKS_PER_YEAR) -> tuple[float, Array]:
    """Return (percent ever referred by 18, chances of a first referral by year of age, float64[18]).

    Method: a period life table over the first `n_weeks`: first referrals by age over the weeks lived, at that age and
    never referred before, in the area; children who came alone are left out.
    """
    journey, people = run.journey, run.population
    first = np.full(len(people), np.iinfo(np.int32).max, np.int64)
    mine = np.isin(run.rows.edge, journey.edges_of("was_referred"))
    np.minimum.at(first, run.rows.child[mine], run.rows.week[mine].astype(np.int64))
    gone = np.full(len(people), run.scenario.n_weeks, np.int64)
    away = np.isin(run.rows.edge, journey.edges_of("moved_away")) & (n_weeks > run.rows.week)
    np.minimum.at(gone, run.rows.child[away], run.rows.week[away].astype(np.int64))
    never = (people.history == 0) & ~people.uasc
    # The week of a birth or an arrival holds no chance of a referral.
    start = np.where(people.enter_edge < 0, 0, people.enter_week.astype(np.int64) + 1)
    stop = np.minimum.reduce([first, gone, np.full(len(people), n_weeks), people.birth_week + WEEKS_TO_18])
    exposure, events = np.zeros(18), np.zeros(18)
    for age in range(18):
        low, high = people.birth_week + age * WEEKS_PER_YEAR, people.birth_week + (age + 1) * WEEKS_PER_YEAR
        weeks = np.clip(np.minimum(stop, high) - np.maximum(start, low), 0, None)
        exposure[age] = weeks[never].sum()
        events[age] = (never & (first < n_weeks) & (first == stop) & (first >= low) & (first < high)).sum()
    chance = 1 - np.exp(-events / np.maximum(exposure, 1) * WEEKS_PER_YEAR)
    return float(100 * (1 - np.prod(1 - chance))), chance
