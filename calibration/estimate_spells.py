"""Spells: a child's time in some states, one after the other, as far as it was watched, and what ended it.

A spell is counted in weeks from the week it began: the first week in which it can end is week 1. A spell that began
before the log was watched is at risk from the first watched week on, not from its beginning (left truncation); one that
goes on when the watch ends is censored there. If the time before were counted as watched, long spells would count too
often, because short ones that began as early had ended unseen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.outputs import CARE, ON_A_PLAN
from abm.pathway import Journey
from calibration.estimate_counts import Stays, stays
from calibration.estimate_log import Log

_AT_18 = ("grew_up", "left_care_at_18")


@dataclass(frozen=True)
class Curve:
    """One kind of spell: the time in some `states`, and the ways out of them.

    `told_by` are those of the states whose clock shows the whole spell: where a child is found in another one, it is
    not known when its spell began. `ways` are (label, transitions); leaving by another transition ends the watch only.
    """

    key: str
    label: str
    states: tuple[str, ...]
    told_by: tuple[str, ...]
    ways: tuple[tuple[str, tuple[str, ...]], ...]
    history: int = 0


CURVES = (
    Curve(
        "in_care", "Time in care", CARE, tuple(s for s in CARE if s != "placed_for_adoption"),
        (
            ("went home", ("returned_home_planned", "returned_home_unplanned")),
            ("adopted", ("was_adopted",)),
            ("guardianship or other order", ("special_guardianship_granted", "child_arrangements_granted")),
            ("another way", ("went_to_live_with_relatives", "left_care_for_another_reason",
                             "transferred_to_another_authority", "found_to_be_adult")),
            ("turned 18", _AT_18),
        ),
    ),
    Curve(
        "on_protection_plan", "Time on a child protection plan", ON_A_PLAN, ("protected",),
        (
            ("plan ended", ("child_protection_plan_ended",)),
            ("child in need plan", ("stepped_down_to_child_in_need",)),
            ("came into care", ("came_into_care",)),
            ("with relatives", ("went_to_live_with_kin",)),
            ("turned 18", _AT_18),
        ),
    ),
    Curve(
        "on_need_plan", "Time on a child in need plan", ("in_need", "in_need_under_enquiry"),
        ("in_need", "in_need_under_enquiry"),
        (
            ("plan ended", ("child_in_need_plan_ended",)),
            ("early help", ("stepped_down_to_early_help",)),
            ("protection plan", ("child_protection_plan_began",)),
            ("came into care", ("came_into_care",)),
            ("turned 18", _AT_18),
        ),
    ),
    Curve(
        "in_assessment", "Time in assessment", ("being_assessed",), ("being_assessed",),
        (
            ("not in need", ("found_not_in_need",)),
            ("needs met, or early help", ("needs_met_at_assessment", "stepped_down_to_early_help")),
            ("child in need plan", ("child_in_need_plan_began",)),
            ("section 47 enquiry", ("enquiry_began",)),
            ("came into care", ("came_into_care",)),
            ("turned 18", _AT_18),
        ),
    ),
    Curve(
        "to_referral_again", "From closure to the next referral", ("at_home",), ("at_home",),
        (("referred again", ("was_referred",)), ("turned 18", _AT_18)), history=1,
    ),
    Curve(
        "to_return_to_care", "From going home to coming back into care", ("reunified",), ("reunified",),
        (("came back into care", ("came_back_into_care",)), ("turned 18", _AT_18)),
    ),
    Curve(
        "to_return_after_order", "From an order or adoption to coming back into care",
        ("special_guardianship", "child_arrangements", "adopted"),
        ("special_guardianship", "child_arrangements", "adopted"),
        (("came back into care", ("came_back_into_care_after_an_order",)), ("turned 18", _AT_18)),
    ),
)  # fmt: skip
"""What is drawn of every log that watches these states."""


@dataclass(frozen=True)
class Spells:
    """Spells of one kind, arrays of n: weeks at which the watch began and ended, and what ended it.

    entry  int64[n]  at risk in the weeks after this one of the spell; 0 for who was watched from the beginning
    end    int64[n]  the week of the spell in which it ended, or the last one watched
    way    int64[n]  1, 2, ... for the curve's ways out, 0 for censored
    """

    entry: NDArray[np.int64]
    end: NDArray[np.int64]
    way: NDArray[np.int64]


def spells(log: Log, curve: Curve, told: Stays | None = None) -> Spells:
    """Return the spells of a log that were watched for at least a week. `told` is `stays(log)`, if it was made."""
    journey, told = log.journey, told or stays(log)
    mine = _states(journey, curve.states)
    inside = mine[told.state] & (told.history >= curve.history)
    before = np.roll(inside, 1) & ~told.opens
    begins = np.flatnonzero(inside & ~before)
    # The first row after it in which the child is elsewhere, or none before the child's rows end.
    row = np.arange(inside.size)
    leaves = np.where(told.opens | ~inside, row, inside.size)
    nearest = np.minimum.accumulate(leaves[::-1])[::-1]
    after = np.append(nearest, inside.size)[begins + 1]
    last = np.minimum(after, inside.size - 1)
    ended = (after < inside.size) & ~told.opens[last]
    found = told.opens[begins]
    start = np.where(found, told.since[begins], told.week[begins])
    known = np.where(
        found, told.known[begins] & _states(journey, curve.told_by)[told.state[begins]], ~told.unseen[begins]
    )  # fmt: skip

    way_of = np.zeros(journey.tables.n_edges + 1, np.int64)
    for number, (_, transitions) in enumerate(curve.ways, 1):
        way_of[journey.edges_of(*(t for t in transitions if t in journey.transition_index))] = number
    child = told.child[begins]
    seen_from, seen_to = log.seen_from[child].astype(np.int64), log.seen_to[child].astype(np.int64)
    edge = np.where(ended, told.edge[last], -1)
    way = np.where(ended, way_of[edge], 0)
    planned = ended & (way == 0) & ~np.append(journey.tables.weekly, True)[edge]
    until = np.where(ended, np.maximum(told.week[last], start + 1) - planned, log.n_weeks)
    way = np.where(until < seen_to, way, 0)
    watched = (log.sees[child] & log.watched_by[told.state[begins]]) > 0
    needed = log.needs(child, told.state[begins])
    parts = []
    # A spell that goes on over a year of which no return was read is censored before it and enters late after it.
    for from_week, to_week in log.spans():
        first, stop = np.maximum(seen_from, from_week[needed]), np.minimum(seen_to, to_week[needed])
        end = np.minimum(until, stop - 1) - start
        entry = np.maximum(first - 1 - start, 0)
        lost = log.lost_in_gap(told.state[begins], needed, start + 1, first)
        use = known & watched & (end > entry) & (until >= first) & ~lost
        parts.append(np.stack([entry[use], end[use], np.where(until[use] < stop[use], way[use], 0)]))
    return Spells(*np.concatenate(parts, axis=1))


def _states(journey: Journey, keys: tuple[str, ...]) -> NDArray[np.bool_]:
    return np.array([s.key in keys for s in journey.states])
