"""Targets: what was observed, figure by figure, with its error.

A target is a published figure in the model's own terms: its name is the name of an output. What each published measure
counts, and where its series breaks, is told in `calibration/published/README.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from calibration.readings import SMALL, SOLVED, Reading, between, part_of, percent_of, published, total_of
from calibration.shapes import published_shape
from calibration.statistics import Area, Statistics

__all__ = ["FIGURES", "Target", "published_shape", "targets"]


@dataclass(frozen=True)
class Target:
    """One observed figure.

    Attributes
    ----------
    figure
        Name of the output it is the twin of, one of `FIGURES`.
    year
        Year ending 31 March.
    value
        Children, referrals, assessments, plans, enquiries or conferences; percent for `..._share` and
        `rereferrals_within_12_months`.
    sigma
        Standard error from rounding, hidden cells and revision (0.5% of the value, assumed); at least half a unit of a
        count. The chance that belongs to a small count is not in it.
    low, high
        The least and the most that agrees with what is published.
    source_id
        Key of `published/sources.csv`.
    note
        What a reader should know. "solved, not published" marks a suppressed cell, which must not be printed.
    """

    figure: str
    year: int
    value: float
    sigma: float
    low: float
    high: float
    source_id: str
    note: str


@dataclass(frozen=True)
class _Desk:
    """The figures of one area, as the rules below ask for them."""

    statistics: Statistics
    area: Area

    def count(self, measure: str, year: int, breakdown: str = "total", step: float | None = None) -> Reading | None:
        """Return a figure as it was published, or None; `step` where it is not rounded as counts are."""
        cell = self.statistics.cells(self.area, measure, breakdown).get(year)
        return None if cell is None else published(self.area, year, cell, step)

    def parts(self, measure: str, year: int, group: str) -> dict[str, Reading | None]:
        """Return every part of `group` that is published for any area that year, by label; None where it is hidden."""
        prefix = f"{group} | "
        found = sorted(name for name in self.statistics.breakdowns(measure).get(year, set()) if name.startswith(prefix))
        parts = {name.removeprefix(prefix): self.count(measure, year, name) for name in found}
        parts.pop("Total", None)
        for name, pieces in PIECES.items():
            if name in parts:
                for piece in pieces:
                    parts.pop(piece, None)
        return parts

    def whole(self, measure: str, year: int, group: str) -> Reading | None:
        """Return the total beside the parts, or the measure without "_by" in years that have none."""
        return self.count(measure, year, f"{group} | Total") or self.count(measure.removesuffix("_by"), year)


Rule = Callable[[_Desk, int], Reading | None]

BY_STOCK, BY_START, BY_END = "cla_at_31_march_by", "cla_started_by", "cla_ceased_by"
PLACEMENT, REASON, UASC = "Placement", "Reason episode ceased", "Unaccompanied asylum-seeking children"

FOSTER = "Foster placements"
CHILDRENS_HOME = "Secure homes and children's homes"
SUPPORTED = "Independent and semi-independent living arrangements/supported accommodation"
WITH_PARENTS = "Placed with parents or other person with parental responsibility"
OTHER_PLACEMENTS = ("Other placements", "Other residential settings", "Residential schools")

_HOME = "Returned home to live with parents or other person with parental responsibility which was"
HOME_PLANNED = f"{_HOME} part of the care planning process"
HOME_UNPLANNED = f"{_HOME} not part of the care planning process"
# Published in two pieces to 2017, both ways in 2018 or 2019, then whole.
PIECES = {
    "Special guardianship order": (
        "Special guardianship order made to former foster carers",
        "Special guardianship order made to carers other than former foster carers",
    ),
    "Adopted": ("Adopted - application unopposed", "Adopted - consent dispensed with"),
}
GUARDIANSHIP, ADOPTED = ((name, *pieces) for name, pieces in PIECES.items())
CHILD_ARRANGEMENTS = "Residence order or child arrangement order granted"
TO_RELATIVES = "Left care to live with parents, relatives or other person with no parental responsibility"
TRANSFERRED = "Care taken by another local authority"
NAMED = (HOME_PLANNED, HOME_UNPLANNED, *GUARDIANSHIP, *ADOPTED, CHILD_ARRANGEMENTS, TO_RELATIVES, TRANSFERRED)
# Codes E5, E6, E7 and E17.
AT_18 = (
    "Moved into independent living (with supportive accommodation)",
    "Moved into independent living (with no formalised support)",
    "Transferred to residential care funded by adult social services",
    "Aged 18 (or over) and remained with current carers",
)
AGES = {
    "0": "Under 1 year",
    "1_4": "1 to 4 years",
    "5_9": "5 to 9 years",
    "10_15": "10 to 15 years",
    "16_17": "16 years and over",
}

FIRST_PLACEMENT_YEAR = 2020
"""Before it, children's homes, hostels and semi-independent homes are one group."""

FIRST_STAYED_YEAR = 2021
"""Before it, staying with the carers at 18 is among the other reasons."""

_REGISTERED = "supported accommodation was being registered: part of it is counted as other placements"
_LAIT = "lait: "


def _measure(name: str) -> Rule:
    return lambda desk, year: desk.count(name, year)


def _part(measure: str, group: str, *wanted: str) -> Rule:
    """Return a rule for some parts of a whole, solved from it where they are hidden."""

    def rule(desk: _Desk, year: int) -> Reading | None:
        # The older placement groups stand under another name, so the parts do not make the whole.
        complete = group != PLACEMENT or year >= FIRST_PLACEMENT_YEAR
        whole = desk.whole(measure, year, group) if complete else None
        reading = part_of(whole, desk.parts(measure, year, group), wanted)
        moved = group == PLACEMENT and year >= 2023 and {SUPPORTED, *OTHER_PLACEMENTS} & set(wanted)
        return reading.noted(_REGISTERED) if reading and moved else reading

    return rule


def _other_placements(desk: _Desk, year: int) -> Reading | None:
    """Return other placements; not before the groups were separated."""
    return _part(BY_STOCK, PLACEMENT, *OTHER_PLACEMENTS)(desk, year) if year >= FIRST_PLACEMENT_YEAR else None


def _placement_share(label: str) -> Rule:
    """Return a rule for a percent of those looked after at 31 March."""

    def rule(desk: _Desk, year: int) -> Reading | None:
        return percent_of(_part(BY_STOCK, PLACEMENT, label)(desk, year), desk.whole(BY_STOCK, year, PLACEMENT))

    return rule


def _no_further_action(desk: _Desk, year: int) -> Reading | None:
    return _referral_outcome(desk, year, "referrals_no_further_action", "referrals_assessed_not_in_need")


def _not_in_need(desk: _Desk, year: int) -> Reading | None:
    return _referral_outcome(desk, year, "referrals_assessed_not_in_need", "referrals_no_further_action")


def _referral_outcome(desk: _Desk, year: int, wanted: str, other: str) -> Reading | None:
    """Return an outcome; where it is suppressed, referrals less the other outcome less episodes started.

    That identity holds within 20 in 1,687 of the 1,712 years of an area where all four are published.
    """
    shown = desk.count(wanted, year)
    known = [desk.count(name, year) for name in ("referrals", other, "cin_episodes_started")]
    referrals, rest = known[0], total_of(reading for reading in known[1:] if reading)
    if shown or referrals is None or rest is None or None in known:
        return shown
    left = referrals.less(rest)
    if left.value <= SMALL[1]:
        return between(*SMALL, left.source_id, SOLVED)
    return between(max(SMALL[0], left.low - 20), left.high + 20, left.source_id, SOLVED, left.value)


def _rereferrals(desk: _Desk, year: int) -> Reading | None:
    return percent_of(desk.count("rereferrals_within_12_months", year), desk.count("referrals", year))


def _plans_ended(desk: _Desk, year: int) -> Reading | None:
    """Return plans ended: the count to 2022, then the rate times the population that it was made with."""
    shown = desk.count("cpp_ended", year)
    rate = desk.count(f"{_LAIT}Ceased to be subject to Child Protection Plan", year, step=0.1)
    population = desk.count("population_0_17", year - 1, step=0)
    if shown or not rate or not population:
        return shown
    note = f"rate per 10,000 children times the population of mid-{year - 1}; the count is not published"
    return rate.times(population.value / 10_000).noted(note)


def _ceased_otherwise(desk: _Desk, year: int) -> Reading | None:
    """Return the reasons that are neither named nor those for leaving at 18."""
    parts = desk.parts(BY_END, year, REASON)
    rest = [label for label in parts if label not in {*NAMED, *AT_18}]
    reading = part_of(desk.whole(BY_END, year, REASON), parts, rest)
    if reading and year < FIRST_STAYED_YEAR:
        return reading.noted("with those who stayed with their carers at 18")
    return reading


def _ceased_otherwise_before_18(desk: _Desk, year: int) -> Reading | None:
    """Return all who left less those aged 18 and those who left for a named reason."""
    whole = desk.whole(BY_END, year, REASON)
    named = part_of(whole, desk.parts(BY_END, year, REASON), NAMED)
    at_18 = _part(BY_END, "Age on ceasing", "18 years and over")(desk, year)
    if whole is None or named is None or at_18 is None:
        return None
    return whole.less(named).less(at_18).noted("all less those aged 18 and those who left for a named reason")


def _unaccompanied(measure: str, count: str = "", percent: str = "") -> Rule:
    """Return a rule for unaccompanied children; where the count is missing, the percent of the whole, else 1 to 5."""

    def rule(desk: _Desk, year: int) -> Reading | None:
        shown = desk.count(measure, year, f"{UASC} | UASC") or (desk.count(count, year) if count else None)
        share = desk.count(percent, year, step=1) if percent else None
        whole = desk.whole(measure, year, UASC)
        if shown or not whole:
            return shown
        if share:
            return share.times(whole.value / 100).noted(f"{SOLVED}: the published percent times the whole")
        # Where the table exists, one of its two cells can only be hidden because the children are few.
        few = "UASC" in desk.parts(measure, year, UASC)
        return between(*SMALL, whole.source_id, SOLVED) if few else None

    return rule


def _population(desk: _Desk, year: int) -> Reading | None:
    """Return the population at 31 March, three quarters of the way from one mid-year to the next."""
    before, after = (desk.count("population_0_17", y, step=0) for y in (year - 1, year))
    if not before or not after:
        return None
    return before.times(0.25).plus(after.times(0.75)).noted("between the mid-years before and after 31 March")


_RULES: dict[str, Rule] = {
    "referrals": _measure("referrals"),
    "children_referred": _measure("children_referred"),
    "rereferrals_within_12_months": _rereferrals,
    "referrals_no_further_action": _no_further_action,
    "referrals_assessed_not_in_need": _not_in_need,
    "cin_episodes_started": _measure("cin_episodes_started"),
    "cin_episodes_ended": _measure("cin_episodes_ended"),
    "cin_at_31_march": _measure("cin_at_31_march"),
    "assessments_completed": _measure("assessments_completed"),
    "s47_enquiries": _measure("s47_enquiries"),
    "initial_child_protection_conferences": _measure("initial_child_protection_conferences"),
    "cpp_started": _measure("cpp_started"),
    "cpp_started_second_or_subsequent": _measure("cpp_started_second_or_subsequent"),
    "cpp_ended": _plans_ended,
    "cpp_at_31_march": _measure("cpp_at_31_march"),
    "cla_started": _measure("cla_started"),
    "cla_ceased": _measure("cla_ceased"),
    "cla_at_31_march": _measure("cla_at_31_march"),
    "cla_foster_at_31_march": _part(BY_STOCK, PLACEMENT, FOSTER),
    "cla_childrens_home_at_31_march": _part(BY_STOCK, PLACEMENT, CHILDRENS_HOME),
    "cla_supported_at_31_march": _part(BY_STOCK, PLACEMENT, SUPPORTED),
    "cla_with_parents_at_31_march": _part(BY_STOCK, PLACEMENT, WITH_PARENTS),
    "cla_placed_for_adoption_at_31_march": _part(BY_STOCK, PLACEMENT, "Placed for adoption"),
    "cla_other_at_31_march": _other_placements,
    "cla_foster_share": _placement_share(FOSTER),
    "cla_childrens_home_share": _placement_share(CHILDRENS_HOME),
    **{f"cla_age_{age}_at_31_march": _part(BY_STOCK, "Age group", label) for age, label in AGES.items()},
    **{f"cla_started_age_{age}": _part(BY_START, "Age on starting", label) for age, label in AGES.items()},
    "cla_ceased_at_18": _part(BY_END, "Age on ceasing", "18 years and over"),
    "cla_ceased_home_planned": _part(BY_END, REASON, HOME_PLANNED),
    "cla_ceased_home_unplanned": _part(BY_END, REASON, HOME_UNPLANNED),
    "cla_ceased_special_guardianship": _part(BY_END, REASON, *GUARDIANSHIP),
    "cla_ceased_child_arrangements": _part(BY_END, REASON, CHILD_ARRANGEMENTS),
    "cla_ceased_adopted": _part(BY_END, REASON, *ADOPTED),
    "cla_ceased_to_relatives": _part(BY_END, REASON, TO_RELATIVES),
    "cla_ceased_transferred": _part(BY_END, REASON, TRANSFERRED),
    "cla_ceased_other": _ceased_otherwise,
    "cla_ceased_other_before_18": _ceased_otherwise_before_18,
    "uasc_at_31_march": _unaccompanied(
        BY_STOCK,
        f"{_LAIT}Number of unaccompanied Asylum Seeking Children looked after",
        f"{_LAIT}% Children looked after who are unaccompanied Asylum Seeking Children",
    ),
    "uasc_started": _unaccompanied(
        BY_START,
        percent=f"{_LAIT}% CLA starting to be looked after during the year "
        "who are unaccompanied Asylum Seeking Children",
    ),
    "uasc_ceased": _unaccompanied(BY_END),
    "population_0_17": _population,
}

FIGURES = tuple(_RULES)
"""Names of the figures that have a published twin, in the order in which they are shown."""


def targets(statistics: Statistics, area: str | Area, years: Iterable[int]) -> tuple[Target, ...]:
    """Return what was observed in an area, by figure and year; figures that are not published are left out.

    Parameters
    ----------
    statistics
        A table from `read_statistics`.
    area
        Code, name or `Area`.
    years
        Years ending 31 March.

    Raises
    ------
    CareError
        When the table has no such area.
    """
    desk = _Desk(statistics, statistics.area(area))
    wanted = sorted(set(years))
    readings = ((name, year, rule(desk, year)) for name, rule in _RULES.items() for year in wanted)
    return tuple(
        Target(name, year, found.value, found.sigma, found.low, found.high, found.source_id, found.note)
        for name, year, found in readings
        if found
    )
