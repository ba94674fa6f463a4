"""The levers of a fit: which transitions a yearly factor moves together, and which figures answer to it.

Each lever has one factor for each year ending 31 March. The factors of neighbouring years are held together by a prior,
so that they move smoothly; ahead of the last fitted year they stay at the mean of the last two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abm.pathway import Journey
from calibration.aims import EXITS

Array = NDArray[np.float64]
CARRIED_AHEAD_FROM = 2
"""Factors ahead are the mean of this many last fitted years."""


@dataclass(frozen=True)
class Lever:
    """A yearly factor on some transitions; `label` is read by people."""

    key: str
    label: str
    transitions: tuple[str, ...]


LEVERS = (
    Lever("referral", "Chance of a referral", ("was_referred",)),
    Lever("no_further_action", "Referrals closed at once", ("closed_with_no_further_action", "passed_to_early_help")),
    Lever("not_in_need", "Assessments that find no need", ("found_not_in_need",)),
    Lever("enquiry", "Section 47 enquiries begun", ("enquiry_began", "enquiry_began_on_plan")),
    Lever("plan_start", "Enquiries that end in a protection plan", ("child_protection_plan_began",)),
    Lever("plan_end", "Protection plans ended", ("stepped_down_to_child_in_need", "child_protection_plan_ended")),
    Lever("into_care", "Coming into care", ("came_into_care",)),
    Lever("out_of_care", "Leaving care before 18", tuple(EXITS.values())),
    Lever("guardianship", "Special guardianship, over and above leaving care", ("special_guardianship_granted",)),
    Lever("adoption", "Matching with adopters", ("matched_with_adopters",)),
    Lever("childrens_home", "Children's homes", ("placed_in_childrens_home", "moved_to_childrens_home")),
    Lever(
        "supported",
        "Supported accommodation",
        ("placed_in_supported_accommodation", "moved_to_supported_accommodation"),
    ),
    Lever(
        "with_parents", "Living with parents while looked after", ("placed_with_parents", "moved_to_live_with_parents")
    ),
    Lever("elsewhere", "Other kinds of home", ("placed_elsewhere", "moved_elsewhere")),
    Lever("transfer", "Care taken over by another authority", ("transferred_to_another_authority",)),
)
"""What every area is fitted by."""

FITTED_FIGURES = (
    "referrals",
    "referrals_no_further_action",
    "referrals_assessed_not_in_need",
    "cin_episodes_started",
    "s47_enquiries",
    "cpp_started",
    "cpp_at_31_march",
    "cla_started",
    "cla_ceased",
    "cla_at_31_march",
    "cla_foster_at_31_march",
    "cla_childrens_home_at_31_march",
    "cla_supported_at_31_march",
    "cla_with_parents_at_31_march",
    "cla_other_at_31_march",
    "cla_ceased_special_guardianship",
    "cla_ceased_adopted",
    "cla_ceased_transferred",
)
"""The figures that the factors are fitted to."""


def multipliers(journey: Journey, logs: Array, n_years: int) -> Array:
    """Return float64[n_years, T]: the factors of every transition, from float64[fitted years, levers] of logarithms."""
    ahead = logs[-CARRIED_AHEAD_FROM:].mean(axis=0)
    full = np.vstack([logs[:n_years], np.tile(ahead, (max(0, n_years - len(logs)), 1))])
    out = np.zeros((n_years, len(journey.transitions)))
    for column, lever in enumerate(LEVERS):
        for name in lever.transitions:
            out[:, journey.transition_index[name]] += full[:, column]
    return np.exp(out)
