"""Cells of SSDA903: children's numbers and codes, in one spelling; what is no code is a finding and read as blank."""

from __future__ import annotations

import re
from collections.abc import Iterable

import polars as pl

from calibration.returns.findings import Findings, Rule
from calibration.returns.ssda903_codes import CODES, Codes

BLANK_CHILD = Rule(
    "903-no-child", "The row has no number of a child.", "The row was not used.", "CHILD must be filled", "left out"
)
ROUNDED_CHILD = Rule(
    "903-child-rounded",
    "A spreadsheet has rounded the number of the child (it looks like 1.2E+11), so that children cannot be told apart.",
    "The row was not used: save the table again with CHILD as text.",
    "",
    "left out",
)
UNKNOWN_CODE = Rule(
    "903-unknown-code", "The code is none of the return.", "It was read as blank.", "SSDA903, code lists", "left out"
)
OTHER_YEARS = Rule(
    "903-code-of-other-years",
    "The code is valid in other years than that of the file.",
    "It was read as what it means there.",
    "SSDA903, code lists",
)
WORD_FOR_BLANK = Rule(
    "903-word-for-blank",
    "A word stands for a blank cell, as some exports write it (null, n/a, none).",
    "It was read as blank.",
    effect="mended",
)
_PLAIN = re.compile(r"\s|(?<=^\d)\.0+$")
_BLANKS = ("NULL", "(NULL)", "N/A", "#N/A", "NA", "NAN", "NAT", "NONE", "<NA>", "-", "--")


def with_child(frame: pl.DataFrame, findings: Findings | None) -> pl.DataFrame:
    """Return the rows that have a child, its number in capitals and without what Excel adds to a whole number.

    Parameters
    ----------
    findings
        Where rows without a child are told; None where they do not matter.
    """
    number = pl.col("CHILD").str.to_uppercase()
    if frame["CHILD"].str.ends_with(".0").any():
        number = number.str.replace(r"^(\d+)\.0$", "$1")
    frame = frame.with_columns(pl.when(~number.is_in(_BLANKS)).then(number).alias("CHILD"))
    rounded = pl.col("CHILD").str.contains(r"^\d(\.\d+)?E\+\d+$").fill_null(False)
    if findings is not None:
        findings.add_rows(BLANK_CHILD, frame.filter(pl.col("CHILD").is_null()))
        findings.add_rows(ROUNDED_CHILD, frame.filter(rounded))
    return frame.filter(pl.col("CHILD").is_not_null() & ~rounded)


def without_words_for_blanks(frame: pl.DataFrame, columns: Iterable[str], findings: Findings) -> pl.DataFrame:
    """Return the frame with words like "null" in these columns as blanks; told once for each file and column."""
    for column in columns:
        words = [cell for cell in _cells(frame, column) if cell.upper() in _BLANKS]
        if words:
            word = pl.col(column).is_in(words)
            for (file,), rows in frame.filter(word).group_by("file", maintain_order=True):
                told = f"{WORD_FOR_BLANK.action} So in {rows.height} rows."
                findings.add(WORD_FOR_BLANK, int(str(file)), None, column, told)
            frame = frame.with_columns(pl.when(~word).then(pl.col(column)).alias(column))
    return frame


def spelled(frame: pl.DataFrame, column: str, findings: Findings, codes: Codes = CODES) -> pl.DataFrame:
    """Return the frame with the codes of a column in capitals, and null where there is no such code."""
    known = set(codes.codes(column))
    # Few cells are different, and each is looked at once.
    plain = {cell: _PLAIN.sub("", cell.upper()) for cell in _cells(frame, column)}
    unknown = [cell for cell, code in plain.items() if code not in known]
    if unknown:
        findings.add_rows(UNKNOWN_CODE, frame.filter(pl.col(column).is_in(unknown)), column)
    known_cells = {cell: code for cell, code in plain.items() if code in known}
    frame = frame.with_columns(pl.col(column).replace_strict(known_cells, default=None, return_dtype=pl.String))
    met = set(known_cells.values())
    for code in codes.of(column):
        if code.code in met and (code.first is not None or code.last is not None):
            first, last = code.first or 0, code.last or 9999
            outside = (pl.col(column) == code.code) & ~pl.col("year").is_between(first, last)
            findings.add_rows(OTHER_YEARS, frame.filter(outside), column)
    return frame


def read_codes_of(frame: pl.DataFrame, column: str, findings: Findings, codes: Codes = CODES) -> pl.DataFrame:
    """Return the frame with a column of codes as what they mean for the journey."""
    frame = spelled(frame, column, findings, codes)
    return frame.with_columns(codes.in_journey(column, pl.col(column)).alias(column))


def _cells(frame: pl.DataFrame, column: str) -> list[str]:
    return frame[column].drop_nulls().unique(maintain_order=True).to_list()


def begins(*columns: str) -> pl.Expr:
    """Tell where a row of a sorted frame is the first with its cells in these columns."""
    return pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in columns)


def ends(*columns: str) -> pl.Expr:
    """Tell where a row of a sorted frame is the last with its cells in these columns."""
    return begins(*columns).shift(-1, fill_value=True)
