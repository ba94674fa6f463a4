"""England's rates: the shape by age, history and time that every area starts from.

`python -m calibration.national` fits the first rates (calibration/published/first_rates.csv) to England's published
averages and writes calibration/published/national_rates.csv; a slow test repeats it and compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.journey import JOURNEY
from abm.meanfield import MeanField, make_grid
from abm.outputs import CARE, ON_A_PLAN
from abm.pathway import N_AGES, Journey
from calibration.rates import FIRST_RATES, NATIONAL_RATES, RateBook, read_rates, write_rates
from calibration.stationary import Aim, Children, Steady, fit_steady
from calibration.statistics import ENGLAND, Statistics, read_statistics
from calibration.targets import published_shape, targets

Array = NDArray[np.float64]
BASE_YEARS = (2018, 2019, 2020)
RISK_SHARES = np.array([0.50, 0.30, 0.15, 0.05])
"""Shares of families by risk class. Assumed: frailty is not identified by published figures; its form is fixed here."""
ALONE_BY_AGE = (0.0, 0.0, 0.0, 0.14, 0.86)
"""Shares of unaccompanied children by age band at 31 March and on arrival: DfE 2023, 14% under 16."""
AGE_KEYS = ("0", "1_4", "5_9", "10_15", "16_17")
EXITS = {
    "cla_ceased_home_planned": "returned_home_planned",
    "cla_ceased_home_unplanned": "returned_home_unplanned",
    "cla_ceased_special_guardianship": "special_guardianship_granted",
    "cla_ceased_child_arrangements": "child_arrangements_granted",
    "cla_ceased_to_relatives": "went_to_live_with_relatives",
    "cla_ceased_other_before_18": "left_care_for_another_reason",
}
HOMES_TO_MEET = {
    "kinship_foster": ("placed_with_kinship_carers", "moved_to_kinship_carers"),
    "childrens_home": ("placed_in_childrens_home", "moved_to_childrens_home"),
    "supported_accommodation": ("placed_in_supported_accommodation", "moved_to_supported_accommodation"),
    "with_parents": ("placed_with_parents", "moved_to_live_with_parents"),
    "other_placement": ("placed_elsewhere", "moved_elsewhere"),
}
MOVES_PER_CHILD_YEAR = 0.60
"""Changes of home a year per looked-after child: (100,250 new placements less 33,130 starts less 16,610 changes of
status only) / 83,530 children, England 2024, DfE."""
EVER_REFERRED = 0.354
"""Share of children ever referred before 18: Jay et al. 2025."""
BACK_WITHIN_A_YEAR = 0.305
"""Referrals within a year of a closure, as a share of closures: chosen so that the simulation gives the published 22.6% of
referrals within a year of the last referral; research finds 32% of closures (Goldacre et al. 2025), of other years."""


def base_figures(statistics: Statistics, area: str, years: Iterable[int] = BASE_YEARS) -> dict[str, float]:
    """Return the mean of every figure over the base years, as published."""
    found: dict[str, list[float]] = {}
    for target in targets(statistics, area, years):
        found.setdefault(target.figure, []).append(target.value)
    return {figure: float(np.mean(values)) for figure, values in found.items()}


def hazards_by_band(bands: list[dict[str, Any]], per_year: float, last: float) -> Array:
    """Return hazards a year in each band from the share of ends in each: -log(left after / left before) / width.

    bands     `low`, `high`, `share` with low and high in units of which a year has `per_year`
    last      the hazard a year of the open band at the end (assumed)
    """
    shares = np.array([b["share"] for b in bands])
    left = 1 - np.cumsum(np.r_[0.0, shares])
    width = np.array([(b["high"] - b["low"]) / per_year for b in bands[:-1]])
    return np.r_[-np.log(left[1:-1] / left[:-2]) / width, last]


def with_published_durations(journey: Journey, book: RateBook, shape: dict[str, Any]) -> RateBook:
    """Return the book with the hazards of leaving an assessment, an enquiry and a plan as their durations say.

    In these states the declared levels are shares of what follows; the band factor becomes the total hazard.
    """
    assessment = shape["assessment_working_days"]["bands"]
    joined = [{"low": 0, "high": 10, "share": assessment[0]["share"] + assessment[1]["share"]}]
    joined += [{"low": b["low"] - 1, "high": b["high"], "share": b["share"]} for b in assessment[2:]]
    conference = [{**b, "low": max(0, b["low"] - 1)} for b in shape["conference_working_days"]["bands"]]
    plans = shape["cpp_duration_at_ending_days"]["bands"]
    working = 52 * 5
    for state, hazards in (
        ("being_assessed", hazards_by_band(joined, working, last=9.0)),
        ("under_enquiry", hazards_by_band(conference, working, last=26.0)),
        ("protected", hazards_by_band(plans, 365.0, last=1.1)),
    ):
        tables, s = journey.tables, journey.state_index[state]
        edges = [e for e in range(tables.first[s], tables.first[s + 1]) if tables.weekly[e]]
        own = np.where(np.arange(tables.max_bands) < hazards.size, 1.0, 1.0)
        padded = np.r_[hazards, np.full(tables.max_bands - hazards.size, hazards[-1])]
        book = book.scaled(edges, (padded * own)[None, :], "band")
        book = book.scaled(edges, 1 / book.level[edges].sum())
    return book


def _rate(figure: float, stock: float) -> float:
    return figure / max(stock, 1e-9)


def level_aims(journey: Journey, figures: dict[str, float], alone: float, pull: float) -> list[Aim]:
    """Return the aims that set levels: what every area is fitted to, as far as it is published there.

    figures  base figures; `alone` unaccompanied children among those looked after; `pull` see Aim
    """
    e = lambda *names: tuple(journey.edges_of(*names))  # noqa: E731
    stock = figures["cla_at_31_march"] - alone
    entries = figures["cla_started"] - figures.get("uasc_started", 0.0)
    wanted: list[tuple[str, float | None, Any, tuple[int, ...], float]] = [
        ("referrals", figures["referrals"], lambda s: s.flow("was_referred"), e("was_referred"), 1.0),
        (
            "referrals_no_further_action",
            figures.get("referrals_no_further_action"),
            lambda s: s.flow("closed_with_no_further_action", "passed_to_early_help"),
            e("closed_with_no_further_action"),
            1.0,
        ),
        (
            "referrals_assessed_not_in_need",
            figures.get("referrals_assessed_not_in_need"),
            lambda s: s.flow("found_not_in_need"),
            e("found_not_in_need"),
            1.0,
        ),
        ("s47_enquiries", figures.get("s47_enquiries"), lambda s: s.flow("enquiry_began"), e("enquiry_began"), 1.0),
        (
            "initial_child_protection_conferences",
            figures.get("initial_child_protection_conferences"),
            lambda s: s.flow("conference_kept_child_in_need", "child_protection_plan_began"),
            e("conference_kept_child_in_need"),
            1.0,
        ),
        ("cpp_started", figures["cpp_started"], lambda s: s.flow("child_protection_plan_began"),
         e("child_protection_plan_began"), 1.0),
        ("cpp_at_31_march", figures["cpp_at_31_march"], lambda s: s.stock(*ON_A_PLAN),
         e("stepped_down_to_child_in_need", "child_protection_plan_ended"), -0.7),
        ("cla_started", entries,
         lambda s: s.flow("came_into_care", "came_back_into_care", "came_back_into_care_after_an_order"),
         e("came_into_care"), 1.0),
    ]  # fmt: skip
    for figure, transition in EXITS.items():
        if figure in figures:
            target = _rate(figures[figure], stock)
            wanted.append(
                (figure, target * stock, lambda s, t=transition: _rate(s.flow(t), s.stock(*CARE)) * stock, e(transition), 1.0)
            )
    if "cla_ceased_adopted" in figures:
        wanted.append(
            ("cla_ceased_adopted", figures["cla_ceased_adopted"],
             lambda s: _rate(s.flow("was_adopted"), s.stock(*CARE)) * stock, e("matched_with_adopters"), 1.0)
        )  # fmt: skip
    aims = [Aim(n, t, of, edges, power=p, pull=pull) for n, t, of, edges, p in wanted if t is not None]
    if "cin_plans_started" in figures:
        begin = ("child_in_need_plan_began", "conference_kept_child_in_need", "stepped_down_to_child_in_need")
        aims += [
            Aim("cin_plans_started", figures["cin_plans_started"], lambda s: s.flow(*begin),
                (journey.edge("child_in_need_plan_began", "being_assessed"),), pull=pull),
            Aim("cin_plans_at_31_march", figures["cin_plans_at_31_march"], lambda s: s.stock("in_need"),
                e("child_in_need_plan_ended"), power=-1.0, pull=pull),
        ]  # fmt: skip
    return aims + _home_aims(journey, figures, alone, stock, pull) + _age_aims(journey, figures, alone, pull)


def _age_aims(journey: Journey, figures: dict[str, float], alone: float, pull: float) -> list[Aim]:
    """Ages: coming into care answers for those who start, leaving it for those looked after at 31 March.

    Under-ones are left out of the second: a chance that is even over the first year cannot put babies in care as early as
    they come.
    """
    aims = []
    back = ("came_back_into_care", "came_back_into_care_after_an_order")
    started = figures["cla_started"] - figures.get("uasc_started", 0.0)
    others = figures["cla_at_31_march"] - alone - figures.get("cla_age_0_at_31_march", 0.0)
    for band, age in enumerate(AGE_KEYS):
        if f"cla_started_age_{age}" in figures:
            target = figures[f"cla_started_age_{age}"] - ALONE_BY_AGE[band] * figures.get("uasc_started", 0.0)
            aims.append(
                Aim(f"cla_started_age_{age}", max(target, 0.0),
                    lambda s, b=band: s.flow("came_into_care", *back, band=b) / s.flow("came_into_care", *back) * started,  # type: ignore[misc]
                    tuple(journey.edges_of("came_into_care")), "age", band, 0.8, pull, (0.01, 200.0))
            )  # fmt: skip
        if band and f"cla_age_{age}_at_31_march" in figures:
            target = figures[f"cla_age_{age}_at_31_march"] - ALONE_BY_AGE[band] * alone
            aims.append(
                Aim(f"cla_age_{age}_at_31_march", max(target, 0.0),
                    lambda s, b=band: s.stock(*CARE, band=b) / (s.stock(*CARE) - s.stock(*CARE, band=0)) * others,  # type: ignore[misc]
                    tuple(journey.edges_of(*EXITS.values(), "matched_with_adopters")), "age", band, -0.5, pull, (0.05, 10.0))
            )  # fmt: skip
    return aims


def _home_aims(
    journey: Journey, figures: dict[str, float], alone: float, stock: float, pull: float
) -> list[Aim]:
    """Homes: the share of looked-after children in each kind of home answers to placing and moving there."""
    names = {
        "childrens_home": "cla_childrens_home_at_31_march",
        "supported_accommodation": "cla_supported_at_31_march",
        "with_parents": "cla_with_parents_at_31_march",
        "other_placement": "cla_other_at_31_march",
    }
    apart = {"supported_accommodation": 0.53 * alone, "other_placement": 0.035 * alone}
    aims = []
    for home, transitions in HOMES_TO_MEET.items():
        key = names.get(home, "cla_kinship_at_31_march")
        if key not in figures:
            continue
        states = ("childrens_home", "secure_home") if home == "childrens_home" else (home,)
        edges = [x for x in journey.edges_of(*transitions) if journey.tables.source[x] != journey.state_index[home]]
        aims.append(
            Aim(
                key, max(figures[key] - apart.get(home, 0.0), 0.3 * figures[key]),
                lambda s, states=states: s.stock(*states) / s.stock(*CARE) * stock,  # type: ignore[misc]
                tuple(edges), power=0.7, pull=pull,
            )
        )  # fmt: skip
    return aims


def shape_aims(journey: Journey, figures: dict[str, float], shape: dict[str, Any], alone: float) -> list[Aim]:
    """Return the aims that give England its shape by age and time, and its history."""
    e = lambda *names: tuple(journey.edges_of(*names))  # noqa: E731
    front = ("being_assessed", "under_enquiry", "in_need", *ON_A_PLAN, *CARE)
    aims = []
    born = {k: v for k, v in shape["cin_age_at_31_march"]["shares"].items() if k != "unborn"}
    # Those published as 16 and over hold young people after 18: as many a year of age as from 10 to 15 are taken (assumed).
    born["16_17"] = min(born["16_17"], born["10_15"] / 3)
    for band in range(N_AGES):
        share = born[AGE_KEYS[band]] / sum(born.values())
        aims.append(
            Aim(f"age {AGE_KEYS[band]} in need", share, lambda s, b=band: s.stock(*front, band=b) / s.stock(*front),  # type: ignore[misc]
                e("was_referred"), "age", band, 0.5)
        )  # fmt: skip
    # The longest band is left out of both sides: those who left after ten years came when fewer did.
    pieces = shape["care_duration_at_ceasing_days"]["bands"][:-1]
    for band, piece in enumerate(pieces):
        aims.append(
            Aim(f"ceased after {piece['low']} days", piece["share"] / sum(p["share"] for p in pieces),
                lambda s, b=band: s.ceased_by_time_in_care[b] / s.ceased_by_time_in_care[:-1].sum(),  # type: ignore[misc]
                e(*EXITS.values()), "band", band, 0.5)
        )  # fmt: skip
    known = Aim("ever referred by 18", EVER_REFERRED, Steady.ever_referred, e("was_referred"), "history", 1, -0.8, bounds=(1.0, 8.0))
    planned = Aim("ever referred by 18 (planned for)", EVER_REFERRED, Steady.ever_referred, e("was_referred"), "history", 2, -0.8, bounds=(1.0, 11.0))
    same = [(f"moved_to_{x}", y) for x, y in (("foster_carers", "foster"), ("childrens_home", "childrens_home"),
                                             ("supported_accommodation", "supported_accommodation"))]  # fmt: skip
    moves = tuple(t.key for t in journey.transitions if t.key.startswith("moved_") and t.target in CARE)
    aims += [known, planned]
    aims.append(
        Aim("moves per child and year", MOVES_PER_CHILD_YEAR, lambda s: s.flow(*moves) / s.stock(*CARE),
            tuple(journey.edge(t, s) for t, s in same), power=0.7)
    )  # fmt: skip
    aims.append(
        Aim("back within a year of closure", BACK_WITHIN_A_YEAR, lambda s: s.back_within_a_year,
            (journey.edge("was_referred", "at_home"),), "since_closure", slice(0, 3), 1.0)
    )  # fmt: skip
    aims.append(
        Aim("cla_ceased_transferred", figures["cla_ceased_transferred"], lambda s: s.all_flows("transferred_to_another_authority"),
            tuple(e("transferred_to_another_authority")), "unaccompanied", power=1.0)
    )  # fmt: skip
    return aims


def national_figures(statistics: Statistics) -> dict[str, float]:
    """Return England's base figures, with the child in need plans of 2022 and the share of kinship carers."""
    figures = base_figures(statistics, ENGLAND)
    for key in ("cin_plans_started", "cin_plans_at_31_march"):
        figures[key] = statistics.series(ENGLAND, key)[2022]
    kinship = published_shape(statistics)["placement_at_31_march"]["shares"]["kinship"]
    figures["cla_kinship_at_31_march"] = kinship * figures["cla_at_31_march"]
    return figures


def arrival_ages(shape: dict[str, Any]) -> Array:
    """Return the shares of unaccompanied arrivals by age (assumed).

    They are such that a stay until 18 gives the published share under 16 at 31 March: with a share of arrivals of x at 14
    and 4x at 15, those under 16 wait 1.5 and 0.5 years for their 16th birthday.
    """
    young = shape["uasc_age_at_31_march"]["shares"]["under_16"]
    out = np.zeros(18)
    x = young * 1.5 / 3.5
    out[14:] = x, 4 * x, 0.6 * (1 - 5 * x), 0.4 * (1 - 5 * x)
    return out


def fit_nation(journey: Journey, statistics: Statistics, ages: Array, rounds: int = 60) -> tuple[RateBook, dict[str, Any]]:
    """Fit England's shape and levels; return the book and each aim's (target, reached)."""
    shape, figures = published_shape(statistics), national_figures(statistics)
    alone = figures["uasc_at_31_march"]
    children = Children(ages, RISK_SHARES, figures["uasc_started"], arrival_ages(shape))
    book = with_published_durations(journey, read_rates(journey, FIRST_RATES), shape)
    field = MeanField(journey, make_grid(journey))
    aims = level_aims(journey, figures, alone, 0.0) + shape_aims(journey, figures, shape, alone)
    return fit_steady(journey, field, book, children, aims, rounds)


def main() -> None:
    """Fit England and write national_rates.csv."""
    from calibration.census import census

    statistics = read_statistics()
    ages = census(statistics, ENGLAND).counts[0]
    book, reached = fit_nation(JOURNEY, statistics, ages)
    for name, (target, model) in reached.items():
        print(f"{name:45s} {target:14.4f} {model:14.4f} {100 * (model / target - 1):7.1f}%")
    write_rates(
        JOURNEY, book, NATIONAL_RATES, "fitted",
        "Fitted to England's published averages of 2018 to 2020 by calibration/national.py, from first_rates.csv",
    )  # fmt: skip


if __name__ == "__main__":
    main()
