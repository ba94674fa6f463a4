"""THE declaration: what can happen to a child, from a referral to a home for good.

Read it from top to bottom: first the states ("the child is ..."), then the transitions ("the child ...").
Numbers are not here: how often each transition happens is in the parameters, by age, risk, history and time waited.
Weeks in `bands` are where a chance changes with the time already spent. States in which a child mostly stays for many
months are `quiet`.

Laws and guidance named here are the framework in force in 2026; rules marked "unverified" in docs/reference are from
memory. "CA 1989" is the Children Act 1989, "Working Together 2023" the guidance of that name.
"""

from abm.pathway import Journey, State, Transition

CARE_BANDS = (0, 2, 8, 26, 52, 104, 156, 260, 520)
"""Weeks in care at which chances change: the bands in which DfE publishes the duration of ended periods of care."""

NEED_BANDS = (0, 13, 26, 52, 104)
"""Weeks on a child in need plan at which chances change; an enquiry during the plan does not stop its clock."""

HOMES = (
    "kinship_foster",
    "foster",
    "childrens_home",
    "supported_accommodation",
    "with_parents",
    "placed_for_adoption",
    "secure_home",
    "other_placement",
)
"""The states in which a child is looked after."""

CARE_EXCEPT_ADOPTION = tuple(home for home in HOMES if home != "placed_for_adoption")

# fmt: off
STATES = (
    # Not in the area or not yet born; also where children go who move away.
    State("elsewhere", "Living elsewhere", "", "#d0d3d4", "left"),
    # At home. The clock runs from birth, or from the last closure.
    State(
        "at_home", "At home, not open to services", "", "#e8eef4", "home",
        bands=(0, 13, 26, 52, 104, 312), at_18="grew_up", quiet=True,
    ),
    # The front door.
    State(
        "referred", "Referred", "Working Together 2023: decision within one working day", "#f2c14e", "front_door",
        at_once=True,
    ),
    State(
        "receiving_early_help",
        "Receiving early help",
        "CA 1989 s17, WT",
        "#9bc1bc",
        "front_door",
        bands=(0, 13, 26, 52),
        at_18="grew_up", quiet=True,
    ),
    State(
        "being_assessed",
        "Being assessed",
        "CA 1989 s17: within 45 working days",
        "#f78154",
        "front_door",
        bands=(0, 2, 4, 6, 8, 9, 10, 12),
        at_18="grew_up",
    ),
    State(
        "under_enquiry",
        "Under a section 47 enquiry",
        "CA 1989 s47: conference within 15 working days",
        "#d1495b",
        "front_door",
        bands=(0, 2, 3, 4),
        at_18="grew_up",
    ),
    # Plans.
    State(
        "in_need", "On a child in need plan", "CA 1989 s17", "#6baed6", "plan", NEED_BANDS, "need_plan",
        at_18="grew_up", quiet=True,
    ),
    State(
        "in_need_under_enquiry", "On a child in need plan, under a section 47 enquiry", "CA 1989 s17, s47", "#3c8dbc",
        "plan", NEED_BANDS, "need_plan", at_18="grew_up",
    ),
    State(
        "protected",
        "On a child protection plan",
        "Working Together 2023",
        "#2171b5",
        "plan",
        bands=(0, 13, 26, 52, 104),
        at_18="grew_up", quiet=True,
    ),
    State(
        "in_pre_proceedings",
        "In pre-proceedings, on a child protection plan",
        "CA 1989 s31, Public Law Outline",
        "#12436D",
        "plan",
        bands=(0, 13, 26),
        at_18="grew_up", quiet=True,
    ),
    # Looked after: one state for each kind of home; the clock is the time in care, whatever the home.
    State(
        "entering_care", "Coming into care", "CA 1989 s20, s31, s38, s46", "#801650", "care", CARE_BANDS, "care", True,
    ),
    State(
        "kinship_foster", "Living with kinship foster carers", "CA 1989 s22C", "#5b8e7d", "care", CARE_BANDS, "care",
        at_18="left_care_at_18", quiet=True,
    ),
    State(
        "foster", "Living with foster carers", "CA 1989 s22C", "#28A197", "care", CARE_BANDS, "care",
        at_18="left_care_at_18", quiet=True,
    ),
    State(
        "childrens_home", "Living in a children's home", "CA 1989 s22C", "#801650", "care", CARE_BANDS, "care",
        at_18="left_care_at_18", quiet=True,
    ),
    State(
        "supported_accommodation", "Living in supported accommodation (16 and over)", "CA 1989 s22C", "#a05195", "care",
        CARE_BANDS, "care", at_18="left_care_at_18", quiet=True,
    ),
    State(
        "with_parents", "Looked after, living with parents", "CA 1989 s22C, s31", "#8fb339", "care", CARE_BANDS, "care",
        at_18="left_care_at_18", quiet=True,
    ),
    State(
        "placed_for_adoption", "Placed for adoption", "Adoption and Children Act 2002", "#F46A25", "care",
        (0, 10, 26, 52), at_18="left_care_at_18", quiet=True,
    ),
    State(
        "secure_home", "Living in a secure home", "CA 1989 s25", "#3d3d3d", "care", CARE_BANDS, "care",
        at_18="left_care_at_18", quiet=True,
    ),
    State(
        "other_placement", "Living in another kind of home", "CA 1989 s22C", "#767676", "care", CARE_BANDS, "care",
        at_18="left_care_at_18", quiet=True,
    ),
    # After care.
    State(
        "reunified", "Home from care, within six years", "CA 1989 s22C", "#c7e9c0", "after_care", (0, 13, 52, 312),
        at_18="grew_up", quiet=True,
    ),
    State(
        "special_guardianship", "With special guardians", "CA 1989 s14A", "#74c476", "after_care", at_18="grew_up",
        quiet=True,
    ),
    State(
        "child_arrangements", "With relatives under a child arrangements order", "CA 1989 s8", "#a1d99b", "after_care",
        at_18="grew_up", quiet=True,
    ),
    State("adopted", "Adopted", "Adoption and Children Act 2002", "#41ab5d", "after_care", at_18="grew_up", quiet=True),
    # Grown up.
    State("left_care_at_18", "Left care at 18", "CA 1989 s23A to s24D", "#BFBFBF", "left"),
    State("grown_up", "Grown up", "", "#d9d9d9", "left"),
)

TRANSITIONS = (
    # The population plan: at a planned week, not by chance.
    Transition("born", ("elsewhere",), "at_home", "{They} {were} born."),
    Transition("moved_in", ("elsewhere",), "at_home", "{They} moved into the area."),
    Transition(
        "came_alone", ("elsewhere",), "entering_care",
        "{They} came to the area as an unaccompanied child, and {were} looked after.", "CA 1989 s20", history=2,
    ),
    Transition("moved_away", ("at_home",), "elsewhere", "{They} moved away from the area."),
    # The front door.
    Transition(
        "was_referred", ("at_home", "receiving_early_help"), "referred",
        "{They} {were} referred to children's social care.", "Working Together 2023", history=1,
    ),
    Transition(
        "enquiry_began", ("referred", "being_assessed"), "under_enquiry",
        "A section 47 enquiry began, to find out whether {they} {were} safe.", "CA 1989 s47",
    ),
    Transition(
        "enquiry_began_on_plan", ("in_need",), "in_need_under_enquiry",
        "A section 47 enquiry began, to find out whether {they} {were} safe; the child in need plan went on meanwhile.",
        "CA 1989 s47",
    ),
    Transition(
        "came_into_care",
        ("referred", "being_assessed", "under_enquiry", "in_need", "in_need_under_enquiry", "protected",
         "in_pre_proceedings"),
        "entering_care", "{They} became looked after.", "CA 1989 s20, s31, s38, s46", history=2,
    ),
    Transition(
        "closed_with_no_further_action", ("referred",), "at_home", "The referral was closed with no further action."
    ),
    Transition("passed_to_early_help", ("referred",), "receiving_early_help", "The family was offered early help."),
    Transition(
        "assessment_began", ("referred",), "being_assessed", "A social worker began an assessment.", "CA 1989 s17",
    ),
    Transition("early_help_ended", ("receiving_early_help",), "at_home", "Early help came to an end."),
    Transition(
        "found_not_in_need", ("being_assessed",), "at_home",
        "The assessment found that {they} {were} not a child in need.", "CA 1989 s17",
    ),
    Transition(
        "needs_met_at_assessment", ("being_assessed",), "at_home",
        "The assessment found {them} in need; {their} needs were met without a plan.", "CA 1989 s17",
    ),
    Transition(
        "stepped_down_to_early_help", ("being_assessed", "in_need"), "receiving_early_help",
        "Support went on as early help.",
    ),
    Transition(
        "child_in_need_plan_began", ("being_assessed", "under_enquiry"), "in_need",
        "A child in need plan began.", "CA 1989 s17", history=2,
    ),
    Transition("enquiry_closed", ("under_enquiry",), "at_home", "The enquiry was closed.", "CA 1989 s47"),
    Transition(
        "conference_kept_child_in_need", ("under_enquiry",), "in_need",
        "A conference decided on a child in need plan.", "Working Together 2023", history=2,
    ),
    Transition(
        "child_protection_plan_began", ("under_enquiry", "in_need_under_enquiry"), "protected",
        "A conference decided on a child protection plan.", "Working Together 2023", history=2,
    ),
    # Plans.
    Transition(
        "child_in_need_plan_went_on", ("in_need_under_enquiry",), "in_need",
        "The enquiry ended, and the child in need plan went on.", "CA 1989 s17, s47",
    ),
    Transition("child_in_need_plan_ended", ("in_need",), "at_home", "The child in need plan ended."),
    Transition(
        "stepped_down_to_child_in_need", ("protected", "in_pre_proceedings"), "in_need",
        "The child protection plan ended; a child in need plan followed.", "Working Together 2023",
    ),
    Transition(
        "child_protection_plan_ended", ("protected",), "at_home", "The child protection plan ended.",
        "Working Together 2023",
    ),
    Transition(
        "pre_proceedings_began", ("protected",), "in_pre_proceedings",
        "A letter before proceedings went to the family.", "Public Law Outline",
    ),
    Transition(
        "went_to_live_with_kin", ("in_pre_proceedings",), "child_arrangements",
        "{They} went to live with relatives, without coming into care.", "CA 1989 s8",
    ),
    # The first home in care: shares of those who come into care.
    Transition(
        "placed_with_kinship_carers", ("entering_care",), "kinship_foster", "{They} went to live with kinship carers.",
    ),
    Transition("placed_with_foster_carers", ("entering_care",), "foster", "{They} went to live with foster carers."),
    Transition(
        "placed_in_childrens_home", ("entering_care",), "childrens_home", "{They} went to live in a children's home.",
    ),
    Transition(
        "placed_in_supported_accommodation", ("entering_care",), "supported_accommodation",
        "{They} went to live in supported accommodation.",
    ),
    Transition(
        "placed_with_parents", ("entering_care",), "with_parents", "{They} stayed with {their} parents, looked after.",
    ),
    Transition("placed_in_secure_home", ("entering_care",), "secure_home", "{They} went to live in a secure home."),
    Transition(
        "placed_elsewhere", ("entering_care",), "other_placement", "{They} went to live in another kind of home.",
    ),
    # Moves between homes; also from one foster home, or one children's home, to another.
    Transition(
        "moved_to_kinship_carers", ("foster", "childrens_home", "other_placement"), "kinship_foster",
        "{They} moved to kinship carers.",
    ),
    Transition(
        "moved_to_foster_carers",
        ("kinship_foster", "foster", "childrens_home", "with_parents", "secure_home", "other_placement"),
        "foster", "{They} moved to live with foster carers.",
        told_from=(("foster", "{They} moved to live with other foster carers."),),
    ),
    Transition(
        "moved_to_childrens_home",
        ("kinship_foster", "foster", "childrens_home", "supported_accommodation", "with_parents", "secure_home",
         "other_placement"),
        "childrens_home", "{They} moved to a children's home.",
        told_from=(("childrens_home", "{They} moved to another children's home."),),
    ),
    Transition(
        "moved_to_supported_accommodation",
        ("kinship_foster", "foster", "childrens_home", "supported_accommodation", "other_placement"),
        "supported_accommodation", "{They} moved to supported accommodation.",
        told_from=(("supported_accommodation", "{They} moved to other supported accommodation."),),
    ),
    Transition(
        "moved_to_live_with_parents", ("kinship_foster", "foster", "childrens_home"), "with_parents",
        "{They} went to live with {their} parents, still looked after.",
    ),
    Transition("moved_to_secure_home", ("childrens_home",), "secure_home", "{They} moved to a secure home."),
    Transition(
        "moved_elsewhere", ("foster", "childrens_home", "supported_accommodation"), "other_placement",
        "{They} moved to another kind of home.",
    ),
    Transition(
        "matched_with_adopters", ("foster",), "placed_for_adoption", "{They} went to live with {their} adopters.",
        "Adoption and Children Act 2002 s18, s21",
    ),
    Transition(
        "adoption_plan_ended", ("placed_for_adoption",), "foster",
        "The plan for adoption ended; {they} moved to foster carers.", clock_at=104,
    ),
    # Leaving care.
    Transition(
        "was_adopted", ("placed_for_adoption",), "adopted", "{They} {were} adopted.", "Adoption and Children Act 2002",
    ),
    Transition(
        "returned_home_planned", CARE_EXCEPT_ADOPTION, "reunified", "{They} went home to {their} family, as planned.",
        told_from=(
            ("with_parents", "{They} stayed with {their} parents and {were} no longer looked after, as planned."),
        ),
    ),
    Transition(
        "returned_home_unplanned", CARE_EXCEPT_ADOPTION, "reunified",
        "{They} went home to {their} family, outside the plan.",
        told_from=(
            ("with_parents", "{They} stayed with {their} parents and {were} no longer looked after, outside the plan."),
        ),
    ),
    Transition(
        "special_guardianship_granted", ("kinship_foster", "foster", "with_parents"), "special_guardianship",
        "A court made {their} carers special guardians.", "CA 1989 s14A",
    ),
    Transition(
        "child_arrangements_granted", ("kinship_foster", "foster", "with_parents"), "child_arrangements",
        "A court made a child arrangements order.", "CA 1989 s8",
    ),
    Transition(
        "went_to_live_with_relatives", CARE_EXCEPT_ADOPTION, "at_home",
        "{They} left care to live with relatives or other people close to {them}.",
    ),
    Transition(
        "left_care_for_another_reason", CARE_EXCEPT_ADOPTION, "at_home", "{They} left care for another reason."
    ),
    Transition(
        "transferred_to_another_authority", CARE_EXCEPT_ADOPTION, "elsewhere",
        "Another authority took over {their} care.",
    ),
    Transition(
        "found_to_be_adult", ("foster", "supported_accommodation", "other_placement"), "grown_up",
        "An age assessment found that {they} {were} 18 or over.",
    ),
    # After care.
    Transition(
        "came_back_into_care", ("reunified",), "entering_care", "{They} came back into care after a return home.",
        "CA 1989 s20, s31", history=2,
    ),
    Transition(
        "came_back_into_care_after_an_order", ("special_guardianship", "child_arrangements", "adopted"),
        "entering_care",
        "{They} came back into care.", "CA 1989 s20, s31", history=2,
    ),
    Transition(
        "settled_at_home", ("reunified",), "at_home", "Six years after coming home, {they} {were} settled there.",
    ),
    # Birthdays.
    Transition(
        "left_care_at_18", HOMES, "left_care_at_18", "{They} turned 18 and left care as a young adult.",
        "CA 1989 s23A to s24D", history=2,
    ),
    Transition(
        "grew_up",
        ("at_home", "receiving_early_help", "being_assessed", "under_enquiry", "in_need",
         "in_need_under_enquiry", "protected", "in_pre_proceedings", "reunified",
         "special_guardianship", "child_arrangements", "adopted"),
        "grown_up", "{They} turned 18.",
    ),
)

# fmt: on
JOURNEY = Journey(STATES, TRANSITIONS)
