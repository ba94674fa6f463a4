"""Brothers and sisters in a run: who was referred, came into care and lives with whom. Shares by year, in percent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.outputs import CARE
from abm.pathway import WEEKS_PER_YEAR
from abm.run import Run

Array = NDArray[np.float64]
REFERRED_TOGETHER = "referrals_with_a_brother_or_sister"
INTO_CARE_TOGETHER = "into_care_with_a_brother_or_sister"
BOTH_LOOKED_AFTER = "looked_after_with_a_brother_or_sister"
SAME_KIND_OF_HOME = "in_the_same_kind_of_home_as_a_brother_or_sister"
LARGEST_GROUP = "children_of_the_largest_group_into_care"


def sibling_figures(run: Run) -> dict[str, Array]:
    """Return figures of brothers and sisters, each float64[years]; nan where there is nobody to count.

    REFERRED_TOGETHER, INTO_CARE_TOGETHER   percent of events of the year that a brother or sister had in the same week
    BOTH_LOOKED_AFTER                       percent of children looked after at 31 March with one who is, too
    SAME_KIND_OF_HOME                       percent of those with one in the same kind of home
    LARGEST_GROUP                           children of one family who came into care in the same week, at most
    """
    years = run.scenario.n_weeks // WEEKS_PER_YEAR
    referred, _ = _together(run, ("was_referred",), years)
    into_care, largest = _together(run, ("came_into_care",), years)
    both, same = np.full(years, np.nan), np.full(years, np.nan)
    family, state = run.population.family, run.population.state.copy()
    care = np.array([s.key in CARE for s in run.journey.states])
    begin = 0
    for year in range(years):
        end = int(np.searchsorted(run.rows.week, (year + 1) * WEEKS_PER_YEAR))
        # Rows are in order, so the last one of a child stays.
        state[run.rows.child[begin:end]] = run.journey.tables.target[run.rows.edge[begin:end]]
        begin = end
        mine = np.flatnonzero(care[state] & ~run.population.uasc)
        if mine.size:
            of_family = np.bincount(family[mine])[family[mine]]
            pair = family[mine].astype(np.int64) * run.journey.tables.n_states + state[mine]
            _, where, counts = np.unique(pair, return_inverse=True, return_counts=True)
            others = of_family > 1
            both[year] = 100 * others.mean()
            if others.any():
                same[year] = 100 * (counts[where] > 1)[others].mean()
    return {
        REFERRED_TOGETHER: referred, INTO_CARE_TOGETHER: into_care, BOTH_LOOKED_AFTER: both, SAME_KIND_OF_HOME: same,
        LARGEST_GROUP: largest,
    }  # fmt: skip


def _together(run: Run, transitions: tuple[str, ...], years: int) -> tuple[Array, Array]:
    """Return by year the percent of such events that a brother or sister had in the same week, and the most at once."""
    mine = np.isin(run.rows.edge, run.journey.edges_of(*transitions)) & ~run.population.uasc[run.rows.child]
    week = run.rows.week[mine].astype(np.int64)
    both = week * (int(run.population.family.max(initial=0)) + 1) + run.population.family[run.rows.child[mine]]
    _, where, counts = np.unique(both, return_inverse=True, return_counts=True)
    size, year = counts[where], week // WEEKS_PER_YEAR
    events = np.bincount(year, minlength=years)[:years]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = 100 * np.bincount(year, size > 1, minlength=years)[:years] / events
    largest = np.zeros(years)
    inside = year < years
    np.maximum.at(largest, year[inside], size[inside])
    return share, np.where(events > 0, largest, np.nan)
