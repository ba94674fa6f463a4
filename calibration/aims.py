"""What a steady population is fitted to: published averages, and the factor that answers for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from abm.outputs import CARE, ON_A_PLAN
from abm.pathway import N_AGES, Journey
from calibration.stationary import Aim, Steady

Measure = Callable[[Steady], float]
ALONE_BY_AGE = (0.0, 0.0, 0.0, 0.14, 0.86)
"""Shares of unaccompanied children by age band, at 31 March and on arrival: 14% under 16 at 31 March 2023 (DfE)."""
AGE_KEYS = ("0", "1_4", "5_9", "10_15", "16_17")
EXITS = {
    "cla_ceased_home_planned": "returned_home_planned",
    "cla_ceased_home_unplanned": "returned_home_unplanned",
    "cla_ceased_special_guardianship": "special_guardianship_granted",
    "cla_ceased_child_arrangements": "child_arrangements_granted",
    "cla_ceased_to_relatives": "went_to_live_with_relatives",
    "cla_ceased_other_before_18": "left_care_for_another_reason",
}
"""Ways out of care before 18, other than adoption, and the transition of each."""
HOMES_TO_MEET = {
    "kinship_foster": ("cla_kinship_at_31_march", "placed_with_kinship_carers", "moved_to_kinship_carers"),
    "childrens_home": ("cla_childrens_home_at_31_march", "placed_in_childrens_home", "moved_to_childrens_home"),
    "supported_accommodation": (
        "cla_supported_at_31_march",
        "placed_in_supported_accommodation",
        "moved_to_supported_accommodation",
    ),
    "with_parents": ("cla_with_parents_at_31_march", "placed_with_parents", "moved_to_live_with_parents"),
    "other_placement": ("cla_other_at_31_march", "placed_elsewhere", "moved_elsewhere"),
}
"""Kinds of home: the figure, and the transitions that lead there. Foster carers have the rest."""
ALONE_IN_HOME = {"supported_accommodation": 0.53, "other_placement": 0.035}
"""Shares of unaccompanied children in these homes: see first_rates.csv."""
ENQUIRIES = ("enquiry_began", "enquiry_began_on_plan")
BACK = ("came_back_into_care", "came_back_into_care_after_an_order")
MOVES_PER_CHILD_YEAR = 0.60
"""Changes of home a year per looked-after child: (100,250 new placements less 33,130 starts less 16,610 changes of
status only) / 83,530 children, England 2024, DfE."""
EVER_REFERRED = 0.354
"""Share of children ever referred before 18: Jay et al. 2025."""
BACK_WITHIN_A_YEAR = 0.305
"""Referrals within a year of a closure, as a share of closures. Assumed: chosen so that the simulation gives the
published 22.6% of referrals within a year of the last referral. Research finds 32% (Goldacre et al. 2025)."""
AGAIN_IN_ENGLAND = 22.4
"""Percent of referrals within 12 months of an earlier one, England, mean of 2018 to 2020 (DfE)."""


def flow(*transitions: str, band: int | None = None) -> Measure:
    """Return the measure of events a year."""
    return lambda steady: steady.flow(*transitions, band=band)


def stock(*states: str, band: int | None = None) -> Measure:
    """Return the measure of children in these states."""
    return lambda steady: steady.stock(*states, band=band)


def share(part: Measure, whole: Measure, of: float = 1.0) -> Measure:
    """Return the measure of a part of a whole, times a constant."""
    return lambda steady: of * part(steady) / max(whole(steady), 1e-9)


def level_aims(journey: Journey, figures: dict[str, float], alone: float, pull: float) -> list[Aim]:
    """Return the aims that set levels: what every area is fitted to, as far as it is published there.

    figures  base figures
    alone    unaccompanied children among those looked after
    pull     see Aim
    """
    looked_after = figures["cla_at_31_march"] - alone
    entries = figures["cla_started"] - figures.get("uasc_started", 0.0)
    care = stock(*CARE)
    begin = ("child_in_need_plan_began", "conference_kept_child_in_need", "stepped_down_to_child_in_need")
    conferences = flow("conference_kept_child_in_need", "child_protection_plan_began")
    no_action = flow("closed_with_no_further_action", "passed_to_early_help")
    ends = ("stepped_down_to_child_in_need", "child_protection_plan_ended")
    wanted: list[tuple[str, Measure, tuple[str, ...], float]] = [
        ("referrals", flow("was_referred"), ("was_referred",), 1.0),
        ("referrals_no_further_action", no_action, ("closed_with_no_further_action",), 1.0),
        ("referrals_assessed_not_in_need", flow("found_not_in_need"), ("found_not_in_need",), 1.0),
        ("s47_enquiries", flow(*ENQUIRIES), ENQUIRIES, 1.0),
        ("initial_child_protection_conferences", conferences, ("conference_kept_child_in_need",), 1.0),
        ("cpp_started", flow("child_protection_plan_began"), ("child_protection_plan_began",), 1.0),
        ("cpp_at_31_march", stock(*ON_A_PLAN), ends, -0.7),
        ("cla_started", flow("came_into_care", *BACK), ("came_into_care",), 1.0),
        ("cla_ceased_adopted", share(flow("was_adopted"), care, looked_after), ("matched_with_adopters",), 1.0),
        ("cin_plans_at_31_march", stock("in_need", "in_need_under_enquiry"), ("child_in_need_plan_ended",), -1.0),
    ]
    wanted += [(key, share(flow(name), care, looked_after), (name,), 1.0) for key, name in EXITS.items()]
    known = figures | {"cla_started": entries}
    aims = [
        Aim(key, known[key], of, tuple(journey.edges_of(*names)), power=power, pull=pull)
        for key, of, names, power in wanted
        if key in known
    ]
    if "cin_plans_started" in figures:
        edge = journey.edge("child_in_need_plan_began", "being_assessed")
        aims.append(Aim("cin_plans_started", figures["cin_plans_started"], flow(*begin), (edge,), pull=pull))
    if "rereferrals_within_12_months" in figures:
        target = BACK_WITHIN_A_YEAR * figures["rereferrals_within_12_months"] / AGAIN_IN_ENGLAND
        again, recent = (journey.edge("was_referred", "at_home"),), slice(0, 3)
        aims.append(
            Aim("back within a year of closure", target, _back, again, "since_closure", recent, bounds=(0.1, 20.0))
        )
    return aims + _home_aims(journey, figures, alone, pull) + _age_aims(journey, figures, alone, pull)


def _back(steady: Steady) -> float:
    return steady.back_within_a_year


def _home_aims(journey: Journey, figures: dict[str, float], alone: float, pull: float) -> list[Aim]:
    """Homes: the share of looked-after children in each kind of home answers to placing and moving there."""
    looked_after = figures["cla_at_31_march"] - alone
    aims = []
    for home, (figure, *transitions) in HOMES_TO_MEET.items():
        if figure not in figures:
            continue
        states = ("childrens_home", "secure_home") if home == "childrens_home" else (home,)
        here = journey.state_index[home]
        edges = tuple(e for e in journey.edges_of(*transitions) if journey.tables.source[e] != here)
        target = max(figures[figure] - ALONE_IN_HOME.get(home, 0.0) * alone, 0.3 * figures[figure])
        aims.append(Aim(figure, target, share(stock(*states), stock(*CARE), looked_after), edges, power=0.7, pull=pull))
    return aims


def _age_aims(journey: Journey, figures: dict[str, float], alone: float, pull: float) -> list[Aim]:
    """Ages: coming into care answers for those who start, leaving it for those looked after at 31 March.

    Under-ones are left out of the second: a chance that is even over the first year cannot put babies in care as early
    as they come.
    """
    aims = []
    entries = figures["cla_started"] - figures.get("uasc_started", 0.0)
    others = figures["cla_at_31_march"] - alone - figures.get("cla_age_0_at_31_march", 0.0)
    coming = tuple(journey.edges_of("came_into_care"))
    leaving = tuple(journey.edges_of(*EXITS.values()))

    def older(steady: Steady) -> float:
        return steady.stock(*CARE) - steady.stock(*CARE, band=0)

    for band, age in enumerate(AGE_KEYS):
        key = f"cla_started_age_{age}"
        if key in figures:
            target = max(figures[key] - ALONE_BY_AGE[band] * figures.get("uasc_started", 0.0), 0.0)
            of = share(flow("came_into_care", *BACK, band=band), flow("came_into_care", *BACK), entries)
            aims.append(Aim(key, target, of, coming, "age", band, 0.8, pull, (0.01, 200.0)))
        key = f"cla_age_{age}_at_31_march"
        if band and key in figures:
            target = max(figures[key] - ALONE_BY_AGE[band] * alone, 0.0)
            of = share(stock(*CARE, band=band), older, others)
            aims.append(Aim(key, target, of, leaving, "age", band, -0.5, pull, (0.05, 10.0)))
    return aims


def _time_in_care(band: int) -> Measure:
    return lambda steady: float(steady.ceased_by_time_in_care[band] / steady.ceased_by_time_in_care[:-1].sum())


def shape_aims(journey: Journey, figures: dict[str, float], shape: dict[str, Any]) -> list[Aim]:
    """Return the aims that give England its shape by age and time, and its history."""
    front = ("being_assessed", "under_enquiry", "in_need", "in_need_under_enquiry", *ON_A_PLAN, *CARE)
    referral = tuple(journey.edges_of("was_referred"))
    in_need = {k: v for k, v in shape["cin_age_at_31_march"]["shares"].items() if k != "unborn"}
    # Those published as 16 and over hold young people after 18: of each age, as many are taken as of those aged 10 to
    # 15.
    in_need["16_17"] = min(in_need["16_17"], in_need["10_15"] / 3)
    aims = []
    for band in range(N_AGES):
        target = in_need[AGE_KEYS[band]] / sum(in_need.values())
        of = share(stock(*front, band=band), stock(*front))
        aims.append(Aim(f"age {AGE_KEYS[band]} in need", target, of, referral, "age", band, 0.5))
    # The longest band is left out of both sides: those who left after ten years came when fewer did.
    pieces = shape["care_duration_at_ceasing_days"]["bands"][:-1]
    exits = tuple(journey.edges_of(*EXITS.values()))
    for band, piece in enumerate(pieces):
        target = piece["share"] / sum(p["share"] for p in pieces)
        aims.append(Aim(f"ceased after {piece['low']} days", target, _time_in_care(band), exits, "band", band, 0.5))
    for history, most in ((1, 8.0), (2, 11.0)):
        name = f"ever referred by 18 (history {history})"
        ever = Steady.ever_referred
        aims.append(Aim(name, EVER_REFERRED, ever, referral, "history", history, -0.8, bounds=(1.0, most)))
    moves = tuple(t.key for t in journey.transitions if t.key.startswith("moved_") and t.target in CARE)
    same = tuple(
        journey.edge(f"moved_to_{name}", state)
        for name, state in (
            ("foster_carers", "foster"),
            ("childrens_home", "childrens_home"),
            ("supported_accommodation", "supported_accommodation"),
        )
    )
    often = share(flow(*moves), stock(*CARE))
    aims.append(Aim("moves per child and year", MOVES_PER_CHILD_YEAR, often, same, power=0.7))
    name = "transferred_to_another_authority"
    edges = tuple(journey.edges_of(name))
    target = figures["cla_ceased_transferred"]
    aims.append(Aim("cla_ceased_transferred", target, lambda steady: steady.all_flows(name), edges, "unaccompanied"))
    return aims
