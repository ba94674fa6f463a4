"""The pages of reference on the CIN Census and on Annex A, read off the layouts, the code lists and the rules."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from abm.describe import table
from calibration.returns import (
    annex_a,
    annex_a_care,
    annex_a_cells,
    annex_a_layout,
    cin_cells,
    cin_clean,
    cin_files,
    cin_rules,
    cin_xml,
)
from calibration.returns.annex_a_cells import words
from calibration.returns.annex_a_layout import CHILD, LISTS, NOT_READ
from calibration.returns.cin_layout import MODULES
from calibration.returns.findings import Rule
from calibration.returns.ssda903_codes import Codes

_CIN = """# CIN Census: what is read, and what is done about what is wrong

The census of children in need, as authorities keep it: XML (Message, Header, Children), with or without namespaces, in
UTF-8 or UTF-16; or flat tables, CSV or Excel, one for each module, with LAchildID and CINdetailsID. One year or more;
the two forms may stand side by side. XML is streamed: memory holds the tables, not the file. A file that declares a
document type (DOCTYPE) is refused before anything of it is expanded.

The census a file is of is the year that ends on 31 March. It is told by ReferenceDate of the header, by a column YEAR,
by the name of the sheet, the file or its folder ("2023-24" or "2024"), or by the other tables of its folder; never by
the dates in it. Where it cannot be told, reading stops and asks.

Nothing is dropped silently. Every finding has file, row, element, rule and what was done, on the page on the quality of
the data and in `findings.csv`; neither has the value of any cell. A row of XML is the line on which its element begins;
where a whole file is one line, it is the number of the Child element.
"""
TRAPS = (
    (
        "Unborn children have an expected date of birth",
        "It is kept beside the birth, which a later census may tell. A birth after the census is read as expected.",
    ),
    (
        "GenderCurrent became Sex in 2025, and its codes changed",
        "Both names and both sets of codes are read; U, 0 and 9 are not known.",
    ),
    (
        "Yes and no come as true, TRUE, 1, false, FALSE, 0",
        "All are read; what is neither is told. A ReferralNFA that is blank is read as no.",
    ),
    (
        "DateOfInitialCPC stands in Section47 or in CINdetails",
        "Each is kept where it stands; the same date in both is the enquiry's (rule 2884).",
    ),
    (
        "A case that is open stands in every census until it is closed",
        "A child and a day of referral are one case, as the latest census tells it. What an earlier census tells and "
        "a later one no longer does (an assessment long finished) is kept.",
    ),
    (
        "A case or plan is open at the end of a census and in no later one",
        "It ended somewhere between: on 31 March of its census, with a finding.",
    ),
    (
        "A census holds only what was open at some time of its year",
        "The window of the tables is that of the censuses read: what began and ended before is not seen, and the log "
        "is followed from there on (left truncation).",
    ),
    (
        "Two referrals on one day; activity under a referral without further action",
        "Two of one day are one case, accepted if either is. A case that was acted upon was accepted (rules 8831, "
        "8832).",
    ),
    (
        "Plans of one kind overlap, or two are open",
        "They are one plan, from the first day to the last (rules 4004, 8935, 8940). Plans of both kinds may be open "
        "together (4016): both are kept, and the child is on a child protection plan while both are.",
    ),
    (
        "Something names a case that is not in the census, or none",
        "It belongs to the latest referral on or before its day. Where a child has none, one is read on that day.",
    ),
    (
        "A child on a child protection plan or looked after is a child in need too",
        "One child, one case: nothing is counted twice. LAchildID and the CHILD of SSDA903 need not be the same.",
    ),
    (
        "Dates of child in need plans came in 2022, the block of pre-proceedings in 2026",
        "Missing modules are empty tables. The block is read inside CINdetails or beside it. What its outcomes A, B "
        "and C mean was not found; the date of the application to the court is read.",
    ),
    (
        "Births are cut to the first of the month for privacy",
        "Where at least nine in ten births of 20 children or more are on the first, they are put on the 15th, or on "
        "the first referral if that is earlier (assumed: right on average).",
    ),
    (
        "An encoding is declared that is not the file's",
        "UTF-8 is tried, then Windows-1252, with a finding.",
    ),
)
"""What goes wrong with this return, and what is done."""

_CODES = """
## Codes

From `calibration/returns/cin_codes.csv`: the one file to edit when the census gets a code. Years are those that end on
31 March; blank where there is no bound. `told`: kept beside the event, no rate depends on it. `by_last_state`: the
state the child was in tells which transition it is.

Source: DfE, Children in need census, business and technical specifications 2020 to 2021 to 2025 to 2026, as the public
schemas of the London data platform and the public validator of Data to Insight (`csc-validator-be-cin`) have them.
"""
_NAMES = {
    "closure": "ReasonForClosure", "source": "ReferralSource", "need": "PrimaryNeedCode", "abuse": "Category of abuse",
    "factor": "AssessmentFactors", "sex": "Sex, GenderCurrent", "outcome": "PPOutcome",
}  # fmt: skip

_ANNEX = """# Annex A: what is read, and what is done about what is wrong

The lists that an authority hands to Ofsted's inspectors: one workbook with a sheet for each, or a file for each list.
Lists 2 to 7 become the tables of a CIN Census, list 8 those of SSDA903; list 1 tells birth and sex alone, lists 9 to 11
are known and not read. What a list is, is told by its columns, whatever the sheet is called, and titles above the
header do no harm. A header that is spelt nearly right is taken, and told; where a column that is needed is missing,
reading stops and says which.

Cells may be codes ("U4"), words ("h) Children's Homes"), or both ("p) K2: Children's Homes", "[K2a]"). A code counts;
else the words do, as below. What is neither is told and read as blank.

## What the lists can tell, and what not

* They hold who was open at some time of the six months before the last day: the window is the latest date in them (or
  the day that is given), and six months back (or as many as are given). What began before is seen only where it was
  still open.
* List 2 has dates of early help assessments, not how long early help went on.
* List 6 is CINdetails: its start is the referral. There are no dates of child in need plans.
* Nothing says which referral an assessment, an enquiry or a plan belongs to: it is the latest one on or before it.
* List 8 has the first day of care, of the present legal status and of the present home. So a row is up to three
  episodes; homes and status before these are blank, and moves between earlier homes are not seen.
"""


def _rules(*modules: ModuleType) -> list[Rule]:
    found = {rule.code: rule for module in modules for rule in vars(module).values() if isinstance(rule, Rule)}
    return [found[code] for code in sorted(found)]


def rules_of_cin() -> list[Rule]:
    """Return every rule of the CIN Census that reading can find broken, by code; those of any file are elsewhere."""
    known = _rules(cin_cells, cin_clean, cin_files, cin_rules, cin_xml)
    return [rule for rule in known if rule.code.startswith("cin-")]


def rules_of_annex_a() -> list[Rule]:
    """Return every rule of Annex A alone, by code; those of the CIN Census hold too."""
    return _rules(annex_a, annex_a_care, annex_a_cells, annex_a_layout)


def _table_of_rules(known: Iterable[Rule]) -> list[str]:
    rows = [(f"`{r.code}`", r.sentence, r.action, r.effect, r.reference) for r in known]
    return ["## Rules", "", *table(("rule", "what is wrong", "what is done", "effect", "reference"), rows)]


def reference_cin(codes: Codes) -> str:
    """Return the page on the CIN Census: traps, modules, rules, codes."""
    traps = [(str(i), *trap) for i, trap in enumerate(TRAPS, 1)]
    modules = [
        (module.element, ", ".join(told.element for told in module.fields), ", ".join(module.ignored))
        for module in MODULES
    ]
    lines = [
        _CIN,
        "## Known traps",
        "",
        "They have tests in `tests/calibration/returns/test_cin_traps.py`, and the years a slow twin beside it.",
        "",
        *table(("", "trap", "what is done"), traps),
        "## Modules",
        "",
        "Spelling of capitals does not matter. UPN, ethnicity and disability are never read.",
        "",
        *table(("module", "read", "known and not read"), modules),
        *_table_of_rules(rules_of_cin()),
        "Rules of reading any file (file, row, column, date) are on the [page on SSDA903](ssda903.md).",
        "",
        _CODES.strip(),
        "",
    ]
    for column, name in _NAMES.items():
        rows = [
            (f"`{c.code}`", c.meaning, str(c.first or ""), str(c.last or ""), f"`{c.journey}`", c.note)
            for c in codes.of(column)
        ]
        lines += [f"### {name}", "", *table(("code", "meaning", "first", "last", "journey", "note"), rows)]
    return "\n".join(lines).rstrip() + "\n"


def reference_annex_a() -> str:
    """Return the page on Annex A: lists, rules, words."""
    lists = [(f"{one.number}, {one.name}", ", ".join(one.columns.values()), ", ".join(one.others)) for one in LISTS]
    lists += [(str(number), "", f"{header}, and all others") for number, header in NOT_READ.items()]
    spoken = [
        (f"{column}", " + ".join(needed), f"`{code}`") for column, listed in words().items() for needed, code in listed
    ]
    lines = [
        _ANNEX,
        "## Lists",
        "",
        f"Every list has {', '.join(CHILD.values())} (since 2026: Sex).",
        "",
        *table(("list", "read", "known and not read"), lists),
        *_table_of_rules(rules_of_annex_a()),
        "Beside these, the [rules of the CIN Census](cin_census.md) hold for lists 2 to 7; their findings go by the "
        "headers of the lists.",
        "",
        "## Words",
        "",
        "From `calibration/returns/annex_a_words.csv`: the first row of a column all of whose words are in the cell.",
        "",
        *table(("column", "words", "code"), spoken),
        "Source of headers and words: Ofsted, Inspecting local authority children's services, Annex A; the public "
        "schema in which Data to Insight's regional platforms keep it.",
    ]
    return "\n".join(lines).rstrip() + "\n"
