"""Lists of Annex A: which columns each has, and which element of the CIN Census or of SSDA903 they are.

Annex A is the child-level data that an authority hands to Ofsted's inspectors: eleven lists in one workbook, of those
who were open at some time of the six months before. Lists 1 to 8 are read; 9 to 11 (care leavers, adoption, adopters)
are known. Headers are those of Ofsted's guidance; they drift, so a near spelling counts, with a finding.

Source of headers: Ofsted, Inspecting local authority children's services, Annex A; the public schema in which Data to
Insight's regional platforms keep it. `Gender` became `Sex` in 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

from calibration.returns.findings import Findings, Rule
from calibration.returns.reading_table import TextTable, header_key

NEAR_HEADER = Rule(
    "annex-header-near",
    "A header is spelt in another way than in the guidance.",
    "The column was read as the one whose header it is like.",
    "Ofsted, Annex A",
    "mended",
)
_NEAR = 0.86
"""Likeness from which a header is taken for another spelling. Start and end of a plan are 0.92 alike: see `headers`."""
_MOST = 500
"""Columns that are looked at; the longest list has 34."""


@dataclass(frozen=True)
class AnnexList:
    """One list.

    Attributes
    ----------
    number, name
        As in the guidance.
    columns
        What is read: name we give it -> header. The first tells the list.
    others
        Headers that are known and not read.
    """

    number: int
    name: str
    columns: Mapping[str, str]
    others: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """The column that tells the list."""
        return next(iter(self.columns.values()))


CHILD = {"child": "Child Unique ID", "sex": "Gender", "birth": "Date of Birth"}
"""Columns that every list has."""
ALSO = {"child": ("Child ID", "Child Unique Identifier", "Unique Child ID", "Person ID"), "sex": ("Sex",)}
_COMMON = (
    "Ethnicity", "Age of Child (Years)", "Does the Child have a Disability", "Disability", "Allocated Team",
    "Allocated Worker", "LA", "Year",
)  # fmt: skip

LISTS = (
    AnnexList(1, "Contacts", {"contact": "Date of Contact"}, ("Contact Source",)),
    AnnexList(
        2, "Early help", {"start": "Assessment start date", "end": "Assessment completion date"},
        ("Organisation completing assessment",),
    ),
    AnnexList(
        3, "Referrals", {"referred": "Date of referral", "source": "Referral Source", "nfa": "Referral NFA?"},
        ("Number of Referrals in Last 12 Months",),
    ),
    AnnexList(
        4, "Assessments",
        {"started": "Continuous Assessment Start Date", "authorised": "Continuous Assessment Date of Authorisation"},
        ("Child Seen During Continuous Assessment",
         "Was the child assessed as requiring LA children's social care support?"),
    ),
    AnnexList(
        5, "Section 47 enquiries and conferences",
        {"started": "Strategy discussion initiating Section 47 Enquiry Start Date",
         "conference_not_required": "Was an Initial Child Protection Conference deemed unnecessary?",
         "conference": "Date of Initial Child Protection Conference"},
        ("Did the Initial Child Protection Conference Result in a Child Protection Plan",
         "Number of Section 47 Enquiries in the last 12 months", "Number of ICPCs in the last 12 months"),
    ),
    AnnexList(
        6, "Children in need",
        {"referred": "CIN Start Date", "primary_need": "Primary Need Code", "closed": "CIN Closure Date",
         "closure_reason": "Reason for Closure"},
        ("Case Status", "Date Child Was Last Seen"),
    ),
    AnnexList(
        7, "Child protection",
        {"start": "Child Protection Plan Start Date", "end": "Child Protection Plan End Date",
         "initial_category": "Initial Category of Abuse", "latest_category": "Latest Category of Abuse",
         "previous_plans": "Number of Previous Child Protection Plans", "held": "Date of latest review conference"},
        ("Date of the Last Statutory Visit", "Was the Child Seen Alone?",
         "Subject to Emergency Protection Order or Protected Under Police Powers in Last Six Months (Y/N)"),
    ),
    AnnexList(
        8, "Children in care",
        {"start": "Date Started to be Looked After", "need": "Child's Category of Need",
         "legal_from": "Start date of current legal status", "legal": "Child's Legal Status",
         "end": "Date Ceased to be Looked After", "rec": "Reason Ceased to be Looked After",
         "place_from": "Start Date of Most Recent Placement", "place": "Placement Type",
         "provider": "Placement Provider",
         "uasc": "Unaccompanied Asylum Seeking Child (UASC) within the Last 12 Months (Y/N)"},
        ("Is this a second or subsequent period of being a Looked After Child within the last 12 months (Y/N)",
         "Date of Latest Statutory Review", "Date of Last Social Work Visit",
         "What is the permanence plan for this child?", "Date of Last IRO Visit / Contact to the Child",
         "Date of Last Health Assessment", "Date of Last Dental Check", "Number of Placements in the Last 12 months",
         "Placement postcode", "URN of Placement", "Placement Location", "LA of Placement",
         "Number of Episodes the Child has been 'Missing' from their Placement in the last 12 months",
         "Number of Episodes the Child has been 'Absent' from their Placement in the last 12 months",
         "Was the child offered a Return Interview after their last missing episode (Y/N)?",
         "Did the child accept a Return Interview after their last missing episode (Y/N)?"),
    ),
)  # fmt: skip
LIST = {one.number: one for one in LISTS}

NOT_READ = {9: "Activity Status", 10: "Date the Child Entered Care", 11: "Individual adopter identifier"}
"""Lists that are known and not read -> a header of theirs."""

KNOWN = tuple(
    dict.fromkeys(
        [*CHILD.values(), *_COMMON, *(h for headers in ALSO.values() for h in headers), *NOT_READ.values()]
        + [header for one in LISTS for header in (*one.columns.values(), *one.others)]
    )
)
"""Every header of the lists."""


def list_of(keys: list[str], name: str = "") -> int | None:
    """Return the number of the list that has these headers (by `header_key`): None for another table.

    A list is told by its first column. Where that is spelt in another way, two other columns of its own tell it; where
    these are too, the name of the sheet or file does: "List_3", "List 3".
    """
    keys = keys[:_MOST]
    found = set(keys)
    if not found & set(map(header_key, (CHILD["child"], *ALSO["child"]))) and not any(map(_is_child, keys)):
        return None
    for number, header in NOT_READ.items():
        if header_key(header) in found:
            return number
    for one in reversed(LISTS):
        if header_key(one.first) in found:
            return one.number
    # Dates of birth and the like are in every list: they tell none.
    own = {one.number: {header_key(h) for h in (*one.columns.values(), *one.others)} & found for one in LISTS}
    best = max(own, key=lambda number: len(own[number]))
    if len(own[best]) >= 2:
        return best
    likeness = {one.number: max(_likeness(header_key(one.first), key) for key in keys) for one in LISTS}
    best = max(likeness, key=lambda number: likeness[number])
    if likeness[best] >= _NEAR:
        return best
    named = re.search(r"(?i)list[ _-]*0?(\d{1,2})(?!\d)", name)
    return int(named[1]) if named and int(named[1]) in {*LIST, *NOT_READ} else None


def _is_child(key: str) -> bool:
    return "CHILD" in key and (key.endswith("ID") or "IDENTIF" in key)


def _likeness(one: str, other: str) -> float:
    # Very different lengths cannot be alike, and cells of a file without header may be long.
    if 2 * min(len(one), len(other)) < _NEAR * (len(one) + len(other)):
        return 0.0
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def headers(text: TextTable, one: AnnexList, findings: Findings) -> TextTable:
    """Return the table with columns that are spelt nearly right under the name of the guidance.

    Columns whose header is exact are theirs first, those we do not read too; of what is left, the likest pair first. So
    the end of a plan is never taken for its start because that is missing.
    """
    wanted = {header_key(header): header for header in (*CHILD.values(), *one.columns.values())}
    also = {header_key(other): header_key(CHILD[name]) for name, others in ALSO.items() for other in others}
    known = {header_key(header) for header in (*_COMMON, *one.others)}
    exact = {also.get(key, key) for key in text.keys}
    missing = [key for key in wanted if key not in exact]
    free = [key for key in text.keys[:_MOST] if key not in wanted and key not in known and key not in also]
    # What is known and not there could also be what a free column means.
    absent = [*missing, *(key for key in known if key not in text.keys)]
    pairs = sorted(((_likeness(ours, key), ours, key) for ours in absent for key in free), reverse=True)
    renamed: dict[str, str] = {}
    for likeness, ours, key in pairs:
        if likeness >= _NEAR and key not in renamed and ours not in renamed.values():
            renamed[key] = ours
            if ours in wanted:
                at = text.keys.index(key) + 1
                findings.add(NEAR_HEADER, text.file, None, wanted[ours], f"Column {at} was read as '{wanted[ours]}'.")
    child = header_key(CHILD["child"])
    others = [(key, child) for key in free if child in missing and _is_child(key) and key not in renamed]
    for key, ours in [*((key, also[key]) for key in text.keys if key in also), *others]:
        if ours not in text.keys and ours not in renamed.values():
            renamed[key] = ours
    frame = text.frame.rename(renamed).drop(known, strict=False)
    return TextTable(text.path, text.file, text.sheet, frame)
