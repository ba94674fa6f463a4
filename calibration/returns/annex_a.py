"""Annex A, the lists an authority hands to Ofsted: lists 1 to 7 to the tables of need, list 8 to those of care.

    lists     = which list a sheet or a file is, whatever it is called   (annex_a_layout)
    cells     = words as codes of the CIN Census and of SSDA903          (annex_a_cells)
    need      = the same course as a census: cells, facts, rules         (annex_a_need)
    care      = up to three episodes for each row of list 8              (annex_a_care)

What the lists can tell, and what not. They hold who was open at some time of the six months before the inspection: what
began before is seen only where it was still open. List 2 has dates of early help assessments, not how long help went
on. List 6 (children in need) is the same as CINdetails: its start is the referral. There are no dates of child in need
plans. Nothing says which referral an assessment, an enquiry or a plan belongs to: it is the latest one on or before it.
List 1 (contacts) comes before a referral and is read for birth and sex alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from abm.errors import CareError
from calibration.returns.annex_a_care import care_tables
from calibration.returns.annex_a_layout import ALSO, CHILD, KNOWN, LIST, NOT_READ, headers, list_of
from calibration.returns.annex_a_need import tables_of_need
from calibration.returns.findings import Findings, Rule
from calibration.returns.reading import read_tables
from calibration.returns.reading_dates import read_dates
from calibration.returns.reading_files import files_of, holds
from calibration.returns.reading_table import TextTable
from calibration.returns.tables import CareTables, NeedTables

SPEC = "Ofsted, Annex A"
NOT_OURS = Rule("annex-not-a-list", "The table is none of the lists 1 to 11.", "It was not used.", SPEC, "left out")
NOT_NEEDED = Rule(
    "annex-list-not-needed", "The list says nothing that the journey is made of.", "It was not used.", SPEC
)
CONTACTS = Rule(
    "annex-contacts", "Contacts come before a referral and are not in the journey.",
    "Birth and sex of children were taken from the list, and no event.", SPEC,
)  # fmt: skip

_MONTHS = 6


def recognises(path: Path) -> bool:
    """Tell whether a file holds a list of Annex A, by its columns."""
    return holds(path, lambda text: str(list_of(text.keys) or ""), KNOWN)


def read_annex_a(
    paths: Iterable[Path], findings: Findings, *, observed_to: date | None = None, months: int = _MONTHS
) -> tuple[CareTables | None, NeedTables | None]:
    """Read the lists of one authority and one inspection: a workbook, or a file for each list.

    Parameters
    ----------
    paths
        Files and folders, in any order.
    findings
        Where all that is wrong is told; files are numbered there, as in the tables.
    observed_to
        The last day that the lists cover; the latest date in them where left out.
    months
        How many months before that day the lists cover: Ofsted asks for six.

    Returns
    -------
    Tables of care, from list 8, and of need, from lists 2 to 7; None where there is none of these lists.

    Raises
    ------
    CareError
        When no list is found, a list lacks a needed column, the last day cannot be told, or a file cannot be opened.
    """
    lists = _lists([Path(path) for path in paths], findings)
    if not set(lists) - {1}:
        raise CareError(
            "No list of Annex A that the journey is made of was found",
            ", ".join(source.name for source in findings.sources[:5]),
            f"Lists 2 to 8 have the columns '{CHILD['child']}' and, for example, '{LIST[3].first}'.",
        )
    until = observed_to or _last_day(lists)
    since = _months_before(until, months)
    years = tuple(range(_year_of(since), _year_of(until) + 1))
    care = care_tables(lists[8], since, until, years, findings) if 8 in lists else None
    need = tables_of_need(lists, since, until, years, findings) if set(lists) & {2, 3, 4, 5, 6, 7} else None
    return care, need


# Lists ----------------------------------------------------------------------------------------------------------------


def _lists(paths: list[Path], findings: Findings) -> dict[int, pl.DataFrame]:
    """Return number of the list -> its columns by our names as text, with file and row."""
    found: dict[int, list[pl.DataFrame]] = {}
    for path, name in files_of(paths):
        for text in read_tables(path, findings, name=name, known=KNOWN):
            number = list_of(text.keys, text.sheet or path.stem)
            if number is None or number in NOT_READ:
                findings.add(NOT_OURS if number is None else NOT_NEEDED, text.file)
                continue
            one = LIST[number]
            findings.know(text.file, f"List {number}, {one.name}")
            frame = _taken(headers(text, one, findings), number, findings)
            if number == 1:
                findings.add(CONTACTS, text.file)
            found.setdefault(number, []).append(frame)
    return {number: pl.concat(frames, how="vertical_relaxed") for number, frames in sorted(found.items())}


def _taken(text: TextTable, number: int, findings: Findings) -> pl.DataFrame:
    columns = {**CHILD, **LIST[number].columns}
    needed = {CHILD["child"], *([LIST[number].first] if number != 1 else [])}
    taken = text.take({header: ALSO.get(name, ()) for name, header in columns.items()}, findings, needed=needed)
    return taken.rename({header: name for name, header in columns.items()})


def _last_day(lists: Mapping[int, pl.DataFrame]) -> date:
    """Return the latest date of an event; among many, dates that stand far alone at the end are slips."""
    days: set[date] = set()
    count = 0
    for number, frame in lists.items():
        names = [name for name, header in LIST[number].columns.items() if "date" in header.casefold()]
        for cells in read_dates(frame, names, Findings()).select(names):
            days.update(cells.drop_nulls())
            count += cells.count()
    ordered = sorted(days)
    while count >= 100 and len(ordered) > 1 and ordered[-1] - ordered[-2] > timedelta(days=92):
        ordered.pop()
    if not ordered:
        raise CareError("The lists hold no date", "", "Give the last day that they cover.")
    return ordered[-1]


def _months_before(day: date, months: int) -> date:
    """Return the day after the one that lies some months before."""
    if months < 1:
        raise CareError(f"The lists cannot cover {months} months", "", "Give a whole number of months, at least 1.")
    start = pl.select(pl.lit(day).dt.offset_by(f"-{months}mo")).item()
    return date.fromisoformat(str(start)) + timedelta(days=1)


def _year_of(day: date) -> int:
    """Return the year ending 31 March a day is in."""
    return day.year + ((day.month, day.day) > (3, 31))
