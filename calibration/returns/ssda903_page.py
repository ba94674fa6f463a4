"""The page of reference on SSDA903, read off the code list and the rules."""

from __future__ import annotations

from collections.abc import Iterable

from abm.describe import table
from calibration.returns import (
    reading,
    reading_dates,
    reading_table,
    ssda903,
    ssda903_cells,
    ssda903_checks,
    ssda903_children,
    ssda903_episodes,
    ssda903_files,
)
from calibration.returns.findings import Rule
from calibration.returns.ssda903_codes import NOT_KNOWN, Codes

_BEFORE = """# SSDA903: what is read, and what is done about what is wrong

The return on children looked after, as authorities keep it: CSV or Excel (.xlsx), one file for each table and year, or
several in one. Needed are **Episodes** and **Header**, of one year or more; **UASC** says who is unaccompanied. Dates
of birth are taken from the other tables where the Header has none; otherwise these are known and not used: {others}.

Columns may stand in any order and spelling of capitals, spaces and signs. The year of a file is told by a column YEAR,
by the name of its sheet, file or folder ("2023-24" or "2024" is the year that ends on 31 March 2024), or by the other
files of its folder. It is never read off the dates. Where it cannot be told, reading stops and asks.

Nothing is dropped silently. Every finding has file, row, column, rule and what was done, on the page on the quality of
the data and in `findings.csv`; neither has the value of any cell.

## Known traps

Each has a test that bears its number, in `tests/calibration/returns/test_ssda903_traps.py`.
"""
TRAPS = (
    (
        "Open episodes repeat in every return until they end",
        "(child, DECOM) is one episode, as the latest return tells it. Open in an older return and never told "
        "again: ended by what follows, or lost from sight on 31 March (E99).",
    ),
    (
        "Periods of care are chains of episodes",
        "A period goes on where REC is X1 and the next episode begins that day. A child is counted on DECOM, "
        "not on DEC.",
    ),
    (
        "DEC and REC are half filled",
        "DEC decides. A REC without DEC is kept as the reason where the end is known otherwise.",
    ),
    (
        "RNE L, T and U do not change carer",
        "They are kept as changes of legal status or placement, and are no move.",
    ),
    (
        "Children grow older inside an episode",
        "Episodes are not cut: the birth is kept, and age is worked out by the week.",
    ),
    (
        "Short breaks (V3, V4) stand among the episodes",
        "Kept apart and counted; they are not in the published figures.",
    ),
    (
        "Temporary placements (T0 to T4) interrupt and return",
        "The home is still the one interrupted; no move, unless the child does not return to it.",
    ),
    (
        "Codes change over the years",
        "All are known with their years; what follows one another means the same home or exit.",
    ),
    (
        "Unaccompanied is no column",
        "Whoever was ever in UASC is, in all years.",
    ),
    (
        "Children leave by their 18th birthday",
        "An episode that begins more than a month after it is left out and told.",
    ),
    (
        "Headers of several years disagree",
        "The latest that is not blank holds; each that disagrees is told.",
    ),
    (
        "Files in UTF-16, in lower case, of one byte",
        "All are read; an empty one is told.",
    ),
    (
        "Births are cut to the first of the month for privacy",
        "A full date in any year is taken. Where at least nine in ten births of 20 children or more are on "
        "the first, they are put on the 15th, or on the first day in care if earlier (assumed: right on "
        "average).",
    ),
    (
        "The latest DECOM does not tell the year",
        "Years come from names; a year that is missing between others is told.",
    ),
    (
        "Care began before the first return",
        "Told for each child whose first episode is not the start (RNE is not S).",
    ),
)
"""What goes wrong with this return, and what is done."""

_OUR_WORDS = """
## What a code means for the journey

From `calibration/returns/ssda903_codes.csv`: the one file to edit when the return gets a code. Years are those that end
on 31 March; blank where there is no bound or none was found. `interrupts`: the child goes back to the home interrupted.
`goes_on`: the next episode follows. `by_age`: left care at 18, or for another reason if younger. `not_known`: it says
nothing of why.

Sources: the public validator of Data to Insight for SSDA903 (`csc-validator-be-903`), and the public schemas of the
London data platform; which homes and exits of the journey they belong to follows the groups in which the Department for
Education publishes placements and reasons. Where those group no code, the choice is ours (assumed).
"""
_NAMES = {
    "SEX": "sex", "RNE": "reason for new episode", "LS": "legal status", "CIN": "category of need",
    "PLACE": "placement", "PLACE_PROVIDER": "provider of the placement", "REC": "reason the episode ceased",
    "REASON_PLACE_CHANGE": "reason for the change of placement",
}  # fmt: skip


def rules() -> list[Rule]:
    """Return every rule that reading SSDA903 can find broken, by code."""
    modules = (
        reading, reading_dates, reading_table, ssda903, ssda903_cells, ssda903_checks, ssda903_children,
        ssda903_episodes, ssda903_files,
    )  # fmt: skip
    found = {rule.code: rule for module in modules for rule in vars(module).values() if isinstance(rule, Rule)}
    return [found[code] for code in sorted(found)]


def reference_ssda903(codes: Codes, known: Iterable[Rule]) -> str:
    """Return the page: the traps, the rules, the codes."""
    others = ", ".join(name for name in ssda903_files.COLUMNS if name not in ssda903_files.READ)
    lines = [
        _BEFORE.format(others=others),
        *table(("", "trap", "what is done"), [(str(i), *trap) for i, trap in enumerate(TRAPS, 1)]),
        "## Rules",
        "",
        *table(
            ("rule", "what is wrong", "what is done", "effect", "reference"),
            [(f"`{r.code}`", r.sentence, r.action, r.effect, r.reference) for r in known],
        ),
        _OUR_WORDS.strip(),
        "",
    ]
    for column, name in _NAMES.items():
        rows = [
            (f"`{c.code}`", c.meaning, str(c.first or ""), str(c.last or ""), _means(c.column, c.journey), c.note)
            for c in codes.of(column)
        ]
        lines += [f"### {column}, {name}", "", *table(("code", "meaning", "first", "last", "journey", "note"), rows)]
    return "\n".join(lines).rstrip() + "\n"


def _means(column: str, journey: str) -> str:
    shown = column in ("SEX", "RNE", "LS", "PLACE", "REC") or journey == NOT_KNOWN
    return f"`{journey}`" if shown else ""
