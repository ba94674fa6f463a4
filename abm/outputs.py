"""Figures that come out of a run, each with its unit and its published twin.

A figure is declared once and evaluated on counts: stocks after each week and flows in each week. The simulation, the
expected values and classic system dynamics all give these two arrays, so all are read the same way. Figures that count
distinct children, or follow children over time, need the log: abm/careers.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError, did_you_mean
from abm.pathway import WEEKS_PER_YEAR, Journey

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Output:
    """One reported figure.

    `events` counts rows of these transitions in a year ending 31 March, less those of `less`; with `distinct` it counts
    children instead of rows. `states` counts children in these states at 31 March. `percent_of` names the figure that
    this one is a percentage of.
    """

    key: str
    label: str
    unit: str
    published_as: str
    events: tuple[str, ...] = ()
    less: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    distinct: bool = False
    percent_of: str = ""
    shown: bool = True
    note: str = ""


STARTED = ("came_into_care", "came_back_into_care", "came_back_into_care_after_an_order", "came_alone")
AT_18 = ("left_care_at_18",)
CEASED = (
    "returned_home_planned",
    "returned_home_unplanned",
    "special_guardianship_granted",
    "child_arrangements_granted",
    "was_adopted",
    "went_to_live_with_relatives",
    "left_care_for_another_reason",
    "transferred_to_another_authority",
    "found_to_be_adult",
    "left_care_at_18",
)
FOSTER = ("kinship_foster", "foster")
CHILDRENS_HOMES = ("secure_home", "childrens_home")
CARE = (*FOSTER, *CHILDRENS_HOMES, "supported_accommodation", "with_parents", "placed_for_adoption", "other_placement")
ON_A_PLAN = ("protected", "in_pre_proceedings")
CLOSED_AT_REFERRAL = ("closed_with_no_further_action", "passed_to_early_help")

OUTPUTS = (
    Output("referrals", "Referrals", "referrals", "DfE children in need: referrals", ("was_referred",)),
    Output(
        "referrals_no_further_action",
        "Referrals with no further action",
        "referrals",
        "DfE children in need: referrals with no further action",
        CLOSED_AT_REFERRAL,
        shown=False,
        note="The model counts referrals passed to early help here.",
    ),
    Output(
        "referrals_assessed_not_in_need",
        "Referrals assessed, not in need",
        "referrals",
        "DfE children in need: assessed not to be in need",
        ("found_not_in_need",),
        note="Counted when the assessment ends, published by the year of the referral.",
    ),
    Output(
        "cin_episodes_started",
        "Episodes of need started",
        "episodes",
        "DfE children in need: episodes started",
        ("was_referred",),
        (*CLOSED_AT_REFERRAL, "found_not_in_need"),
    ),
    Output(
        "s47_enquiries",
        "Section 47 enquiries",
        "enquiries",
        "DfE children in need: section 47 enquiries",
        ("enquiry_began", "enquiry_began_on_plan"),
    ),
    Output(
        "initial_child_protection_conferences",
        "Initial child protection conferences",
        "conferences",
        "DfE children in need: initial child protection conferences",
        ("conference_kept_child_in_need", "child_protection_plan_began"),
        shown=False,
    ),
    Output(
        "cin_plans_started",
        "Child in need plans started",
        "plans",
        "DfE children in need 2022: child in need plans started",
        ("child_in_need_plan_began", "conference_kept_child_in_need", "stepped_down_to_child_in_need"),
        shown=False,
    ),
    Output(
        "cin_plans_at_31_march",
        "Child in need plans at 31 March",
        "plans",
        "DfE children in need 2022: child in need plans",
        states=("in_need", "in_need_under_enquiry"),
        shown=False,
    ),
    Output(
        "cpp_started",
        "Child protection plans started",
        "plans",
        "DfE children in need: plans started",
        ("child_protection_plan_began",),
    ),
    Output(
        "cpp_ended",
        "Child protection plans ended",
        "plans",
        "DfE children in need: plans ended",
        ("stepped_down_to_child_in_need", "child_protection_plan_ended"),
        shown=False,
        note="Also counts plans that end because a child comes into care, goes to live with kin or turns 18.",
    ),
    Output(
        "cpp_at_31_march",
        "Child protection plans at 31 March",
        "children",
        "DfE children in need: plans at 31 March",
        states=ON_A_PLAN,
    ),
    Output(
        "cla_started",
        "Started to be looked after",
        "children",
        "DfE children looked after: started during the year",
        STARTED,
        distinct=True,
    ),
    Output(
        "cla_ceased",
        "Ceased to be looked after",
        "children",
        "DfE children looked after: ceased during the year",
        CEASED,
        distinct=True,
    ),
    Output(
        "cla_at_31_march", "Looked after at 31 March", "children", "DfE children looked after: at 31 March", states=CARE
    ),
    Output(
        "cla_foster_at_31_march",
        "Living with foster carers at 31 March",
        "children",
        "DfE children looked after: foster placements",
        states=FOSTER,
    ),
    Output(
        "cla_childrens_home_at_31_march",
        "Living in secure or children's homes at 31 March",
        "children",
        "DfE children looked after: secure homes and children's homes",
        states=CHILDRENS_HOMES,
    ),
    Output(
        "cla_supported_at_31_march",
        "Living in supported accommodation at 31 March",
        "children",
        "DfE children looked after: independent and semi-independent living, supported accommodation",
        states=("supported_accommodation",),
    ),
    Output(
        "cla_with_parents_at_31_march",
        "Looked after, living with parents at 31 March",
        "children",
        "DfE children looked after: placed with parents",
        states=("with_parents",),
    ),
    Output(
        "cla_placed_for_adoption_at_31_march",
        "Placed for adoption at 31 March",
        "children",
        "DfE children looked after: placed for adoption",
        states=("placed_for_adoption",),
        shown=False,
    ),
    Output(
        "cla_other_at_31_march",
        "Living in other kinds of home at 31 March",
        "children",
        "DfE children looked after: other placements, other residential settings, residential schools",
        states=("other_placement",),
        shown=False,
    ),
    Output(
        "cla_foster_share",
        "Share of looked after children with foster carers",
        "percent",
        "DfE children looked after: foster placements, percent",
        states=FOSTER,
        percent_of="cla_at_31_march",
    ),
    Output(
        "cla_childrens_home_share",
        "Share of looked after children in secure or children's homes",
        "percent",
        "DfE children looked after: secure homes and children's homes, percent",
        states=CHILDRENS_HOMES,
        percent_of="cla_at_31_march",
    ),
    Output(
        "cla_ceased_home_planned",
        "Went home from care, planned",
        "children",
        "DfE children looked after: ceased, returned home as part of the care plan",
        ("returned_home_planned",),
        distinct=True,
        shown=False,
    ),
    Output(
        "cla_ceased_home_unplanned",
        "Went home from care, unplanned",
        "children",
        "DfE children looked after: ceased, returned home not part of the care plan",
        ("returned_home_unplanned",),
        distinct=True,
        shown=False,
    ),
    Output(
        "cla_ceased_special_guardianship",
        "Left care by special guardianship",
        "children",
        "DfE children looked after: ceased by special guardianship order",
        ("special_guardianship_granted",),
        distinct=True,
    ),
    Output(
        "cla_ceased_child_arrangements",
        "Left care by a child arrangements order",
        "children",
        "DfE children looked after: ceased by residence or child arrangements order",
        ("child_arrangements_granted",),
        distinct=True,
        shown=False,
    ),
    Output(
        "cla_ceased_adopted",
        "Adopted",
        "children",
        "DfE children looked after: ceased, adopted",
        ("was_adopted",),
        distinct=True,
    ),
    Output(
        "cla_ceased_to_relatives",
        "Left care to live with relatives",
        "children",
        "DfE children looked after: ceased, to relatives with no parental responsibility",
        ("went_to_live_with_relatives",),
        distinct=True,
        shown=False,
    ),
    Output(
        "cla_ceased_transferred",
        "Care taken over by another authority",
        "children",
        "DfE children looked after: ceased, care taken by another authority",
        ("transferred_to_another_authority",),
        distinct=True,
        shown=False,
    ),
    Output(
        "cla_ceased_other_before_18",
        "Left care for other reasons, before 18",
        "children",
        "DfE children looked after: ceased, remaining reasons, under 18",
        ("left_care_for_another_reason", "found_to_be_adult"),
        distinct=True,
        shown=False,
    ),
    Output(
        "cla_ceased_at_18",
        "Left care at 18",
        "children",
        "DfE children looked after: ceased aged 18 and over",
        AT_18,
        distinct=True,
    ),
)
BY_KEY = {output.key: output for output in OUTPUTS}


def output_named(key: str) -> Output:
    """Return the figure with this key, or raise CareError with a near one."""
    if key not in BY_KEY:
        raise CareError(
            f"'{key}' is not a figure of abm/outputs.py", remedy=did_you_mean(key, list(BY_KEY)) or "Declare it"
        )
    return BY_KEY[key]


def evaluate(output: Output, journey: Journey, stocks: NDArray[Any], flows: NDArray[Any]) -> Array:
    """Return float64[years]: one figure from weekly counts, for every whole year.

    stocks  [weeks, S], flows [weeks, E]; distinct children are counted as rows here.
    """
    n_years = stocks.shape[0] // WEEKS_PER_YEAR
    ends = np.arange(1, n_years + 1) * WEEKS_PER_YEAR - 1
    if output.states:
        value: Array = stocks[ends][:, [journey.state_index[s] for s in output.states]].sum(axis=1).astype(float)
    else:
        yearly = flows[: n_years * WEEKS_PER_YEAR].reshape(n_years, WEEKS_PER_YEAR, flows.shape[1]).sum(axis=1)
        value = yearly[:, edges_counted(output, journey)].sum(axis=1).astype(float)
        if output.less:
            value = value - yearly[:, journey.edges_of(*output.less)].sum(axis=1)
    if output.percent_of:
        whole = evaluate(output_named(output.percent_of), journey, stocks, flows)
        value = np.divide(100 * value, whole, out=np.zeros_like(value), where=whole > 0)
    return value


def edges_counted(output: Output, journey: Journey) -> list[int]:
    """Return the edges whose rows a figure counts; plans ended are all edges that leave a plan."""
    if output.key == "cpp_ended":
        tables = journey.tables
        plan = [journey.state_index[s] for s in ON_A_PLAN]
        return [e for e in range(tables.n_edges) if tables.source[e] in plan and tables.target[e] not in plan]
    return journey.edges_of(*output.events)
