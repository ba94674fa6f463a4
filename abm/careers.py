"""Figures that follow children through the log: distinct children, referrals again, ways home and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.events import CHANCE, Rows, origins
from abm.outputs import OUTPUTS, Output, evaluate
from abm.pathway import WEEKS_PER_YEAR, WEEKS_TO_18, Journey
from abm.run import Run

Array = NDArray[np.float64]
RETURN_WEEKS = {"3 months": 13, "1 year": 52, "6 years": 312}
"""After going home from care: when the share of children back in care is read."""
_WEEK_BITS, _WEEK = 16, 0xFFFF


def figures_of(run: Run) -> dict[str, Array]:
    """Return every figure of abm/outputs.py by year ending 31 March, float64[years], of the whole area."""
    journey, sample = run.journey, run.scenario.sample
    distinct = [output for output in OUTPUTS if output.distinct]
    events = {event for output in distinct for event in output.events}
    found = _found(run.rows, journey, journey.edges_of(*sorted(events)))
    out = {}
    for output in OUTPUTS:
        if output.distinct:
            value = distinct_children(run, output, found)
        else:
            value = evaluate(output, journey, run.stocks, run.flows)
        out[output.key] = value if output.percent_of else value * sample
    out["rereferrals_within_12_months"] = referrals_again(run)
    return out


class _Found(NamedTuple):
    """Some events of a log, in its order: who, when, and by which edge."""

    child: NDArray[np.int32]
    week: NDArray[np.int16]
    edge: NDArray[np.uint16]


def _found(log: Rows | _Found, journey: Journey, edges: Iterable[int]) -> _Found:
    """Return the events of these edges."""
    # A look into a short table is many times faster than a search for each row.
    wanted = np.zeros(journey.tables.n_edges, bool)
    wanted[list(edges)] = True
    which = np.flatnonzero(wanted[log.edge])
    return _Found(log.child[which], log.week[which], log.edge[which])


def _child_and_week(found: _Found) -> NDArray[np.int64]:
    """Return one number for each event: a plain sort brings those of a child together, in order of weeks."""
    return found.child.astype(np.int64) << _WEEK_BITS | found.week


def distinct_children(run: Run, output: Output, within: _Found | None = None) -> Array:
    """Return float64[years]: children with at least one of the figure's events in the year (of the sample).

    `within` spares a search through the whole log: events among which are all of the figure's.
    """
    n_years = run.scenario.n_weeks // WEEKS_PER_YEAR
    found = _found(within or run.rows, run.journey, run.journey.edges_of(*output.events))
    pairs = np.unique(found.week.astype(np.int64) // WEEKS_PER_YEAR * (1 << 40) + found.child)
    return np.bincount(pairs >> 40, minlength=n_years)[:n_years].astype(float)


def referrals_again(run: Run) -> Array:
    """Return float64[years]: percent of referrals of a child who was referred within the 52 weeks before.

    The first year is NaN: referrals before day one are not known.
    """
    n_years = run.scenario.n_weeks // WEEKS_PER_YEAR
    found = _found(run.rows, run.journey, run.journey.edges_of("was_referred"))
    both = np.sort(_child_and_week(found))
    child, week = both >> _WEEK_BITS, both & _WEEK
    again = np.zeros(both.size)
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
    weeks, back = _spells(run)
    came_back = np.bincount(weeks[back], minlength=max(RETURN_WEEKS.values()) + 1)
    ended = np.bincount(weeks, minlength=came_back.size)
    at_risk = np.cumsum(ended[::-1])[::-1]
    out = {}
    for name, last in RETURN_WEEKS.items():
        kept = 1.0
        for week in np.flatnonzero(came_back[: last + 1]):
            kept *= 1 - int(came_back[week]) / int(at_risk[week])
        out[name] = (100 * (1 - kept), weeks.size)
    return out


def _spells(run: Run) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Every stay at home after care that began in the log: weeks at risk, and whether it ended back in care."""
    tables = run.journey.tables
    home = run.journey.state_index["reunified"]
    log = _found(run.rows, run.journey, np.flatnonzero((tables.source == home) | (tables.target == home)))
    both = _child_and_week(log)
    begun = np.sort(both[tables.target[log.edge] == home])
    leaving = np.flatnonzero(tables.source[log.edge] == home)
    leaving = leaving[np.argsort(both[leaving], kind="stable")]
    # A child goes home and leaves that state by turns, so a stay ends with the first way out in a later week.
    place = np.searchsorted(both[leaving], begun, side="right")
    seen = place < leaving.size
    end = leaving[place[seen]]
    seen[seen] = log.child[end] == begun[seen] >> _WEEK_BITS
    end = leaving[place[seen]]
    # In the week of the birthday there is no chance to come back, nor in the week after the run.
    last = np.full(begun.size, run.scenario.n_weeks - 1)
    last[seen] = log.week[end] - (origins(run.journey)[log.edge[end]] != CHANCE)
    back = np.zeros(begun.size, bool)
    back[seen] = tables.transition[log.edge[end]] == run.journey.transition_index["came_back_into_care"]
    return last - (begun & _WEEK), back


def ever_referred(run: Run, n_weeks: int = 5 * WEEKS_PER_YEAR) -> tuple[float, Array]:
    """Return (percent ever referred by 18, chances of a first referral by year of age, float64[18]).

    Method: a period life table over the first `n_weeks`: first referrals by age over the weeks lived, at that age and
    never referred before, in the area; children who came alone are left out.
    """
    people, until = run.population, min(n_weeks, run.scenario.n_weeks)
    first, gone = _first_week(run, "was_referred"), _first_week(run, "moved_away")
    birth = people.birth_week
    # The week of a birth or an arrival holds no chance of a referral.
    start = np.maximum(np.where(people.enter_edge < 0, 0, people.enter_week + 1), birth)
    stop = np.minimum(np.minimum(first, gone), np.minimum(until, birth + WEEKS_TO_18))
    never = (people.history == 0) & ~people.uasc
    # Weeks lived at each week of age: by those who came in up to it, less those who left up to it.
    lived = np.flatnonzero(never & (stop > start))
    came, left = (_by_age(week[lived] - birth[lived]) for week in (start, stop))
    exposure = np.cumsum(came - left).reshape(18, WEEKS_PER_YEAR).sum(axis=1)
    seen = np.flatnonzero(never & (first < until) & (first == stop))
    events = _by_age(first[seen] - birth[seen]).reshape(18, WEEKS_PER_YEAR).sum(axis=1)
    chance = 1 - np.exp(-events / np.maximum(exposure, 1) * WEEKS_PER_YEAR)
    return float(100 * (1 - np.prod(1 - chance))), chance


def _first_week(run: Run, transition: str) -> NDArray[np.int32]:
    """Return each child's first week with such an event, or a week after any run."""
    first = np.full(len(run.population), np.iinfo(np.int32).max, np.int32)
    found = _found(run.rows, run.journey, run.journey.edges_of(transition))
    # The log is in order of weeks: written backwards, the first one stays.
    first[found.child[::-1]] = found.week[::-1]
    return first


def _by_age(age_weeks: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return int64[18 years of weeks]: how many are of each week of age; those before birth or from 18 on are not."""
    inside = age_weeks[(age_weeks >= 0) & (age_weeks < WEEKS_TO_18)]
    return np.bincount(inside, minlength=WEEKS_TO_18)
