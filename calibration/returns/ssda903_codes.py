"""Codes of SSDA903, read off `ssda903_codes.csv`: the one file to edit when the return gets a code.

A row is a code of a column: its meaning, the first and last return it is valid in (year ending 31 March; blank where
there is no bound or it is not known), and what it means for the journey. Source of codes and years: the public
validator of Data to Insight for SSDA903 and the public schemas of the London data platform; a note says where a
meaning or year was not found in them.

What stands under `journey`, by column:

    PLACE   a state in which a child is looked after, or `interrupts`: the child goes back to the home interrupted
    REC     a transition, or `goes_on` (the next episode follows), `by_age` (left care at 18, or for another reason if
            younger), `not_known`
    RNE     `started`, `new_carer`, `same_carer`
    LS      `care`, or `short_break`: kept apart from the children looked after
    SEX     `girl`, `boy`, `not_known`

Where a code takes the place of another between two returns (H5 becomes K3), both have the same entry: so an episode
that is open through the change does not move.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from abm.errors import CareError, did_you_mean
from abm.journey import HOMES, JOURNEY

PATH = Path(__file__).with_name("ssda903_codes.csv")
INTERRUPTS, GOES_ON, BY_AGE, NOT_KNOWN, SHORT_BREAK = "interrupts", "goes_on", "by_age", "not_known", "short_break"
NEW_CARER, STARTED = "new_carer", "started"
_ALLOWED = {
    "SEX": frozenset({"girl", "boy", NOT_KNOWN}),
    "RNE": frozenset({STARTED, NEW_CARER, "same_carer"}),
    "LS": frozenset({"care", SHORT_BREAK}),
    "CIN": frozenset({"need"}),
    "PLACE": frozenset({*HOMES, INTERRUPTS}),
    "PLACE_PROVIDER": frozenset({"provider"}),
    "REC": frozenset({*(t.key for t in JOURNEY.transitions), GOES_ON, BY_AGE, NOT_KNOWN}),
    "REASON_PLACE_CHANGE": frozenset({"reason", NOT_KNOWN}),
}


@dataclass(frozen=True)
class Code:
    """A code of a column.

    Attributes
    ----------
    first, last
        First and last return it is valid in (year ending 31 March); None without a known bound.
    journey
        What it means for the journey: see the module.
    """

    column: str
    code: str
    meaning: str
    first: int | None
    last: int | None
    journey: str
    note: str

    def valid_in(self, year: int) -> bool:
        """Tell whether the return of this year has the code."""
        return (self.first is None or self.first <= year) and (self.last is None or year <= self.last)


@dataclass(frozen=True)
class Codes:
    """All codes of the return."""

    rows: tuple[Code, ...]
    _by_name: dict[tuple[str, str], Code] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the codes."""
        object.__setattr__(self, "_by_name", {(row.column, row.code): row for row in self.rows})

    def of(self, column: str, year: int | None = None) -> list[Code]:
        """Return the codes of a column, of all returns or of one."""
        return [r for r in self.rows if r.column == column and (year is None or r.valid_in(year))]

    def codes(self, column: str, year: int | None = None) -> list[str]:
        """Return the codes of a column as text."""
        return [row.code for row in self.of(column, year)]

    def journey(self, column: str, code: str) -> str:
        """Return what a code means for the journey.

        Raises
        ------
        KeyError
            For a code that the list lacks.
        """
        return self._by_name[column, code].journey

    def mapped(self, column: str) -> dict[str, str]:
        """Return code -> what it means for the journey."""
        return {row.code: row.journey for row in self.of(column)}

    def meaning(self, column: str, code: str) -> str:
        """Return the words for a code."""
        return self._by_name[column, code].meaning

    def in_journey(self, column: str, values: pl.Expr) -> pl.Expr:
        """Return what codes mean for the journey; null for a blank."""
        return values.replace_strict(self.mapped(column), default=None, return_dtype=pl.String)


def read_codes(path: Path = PATH) -> Codes:
    """Read and check the list of codes.

    Raises
    ------
    CareError
        For a row that means nothing to the journey, a year that is none, a code twice.
    """
    remedy = f"Edit {path.name}."
    with path.open(encoding="utf-8", newline="") as file:
        told = list(csv.DictReader(file))
    rows: list[Code] = []
    for line, cells in enumerate(told, 2):
        where = f"{path.name}, row {line}"
        if cells.get("column") not in _ALLOWED or not cells.get("code") or not cells.get("meaning"):
            raise CareError(f"A code needs a column of {', '.join(_ALLOWED)}, a code and a meaning", where, remedy)
        first, last = (_year(cells.get(name) or "", f"{where}, column {name}", remedy) for name in ("first", "last"))
        journey = cells.get("journey") or ""
        if journey not in _ALLOWED[cells["column"]]:
            near = did_you_mean(journey, _ALLOWED[cells["column"]])
            raise CareError(
                f"'{journey}' means nothing to the journey for {cells['column']}",
                f"{where}, column journey",
                near + remedy,
            )
        row = Code(cells["column"], cells["code"], cells["meaning"], first, last, journey, cells.get("note") or "")
        if (row.column, row.code) in {(other.column, other.code) for other in rows}:
            raise CareError(f"The code '{row.code}' of {row.column} stands twice", where, remedy)
        rows.append(row)
    return Codes(tuple(rows))


def _year(text: str, where: str, remedy: str) -> int | None:
    if text and not (text.isascii() and text.isdigit() and len(text) == 4):
        raise CareError(f"'{text}' is no year", where, remedy)
    return int(text) if text else None


CODES = read_codes()
"""The codes that come with the project."""
