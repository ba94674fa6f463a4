"""Cells of SSDA903: children's numbers and codes, in one spelling; what is no code is a finding and read as blank."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from calibration.returns.findings import Findings, Rule
from calibration.returns.ssda903_codes import CODES, Codes

BLANK_CHILD = Rule(
    "903-no-child", "The row has no number of a child.", "The row was not used.", "CHILD must be filled", "left out"
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
_BLANKS = ("NULL", "(NULL)", "N/A", "#N/A", "NA", "NAN", "NAT", "NONE", "<NA>", "-", "--")


def with_child(frame: pl.DataFrame, findings: Findings | None) -> pl.DataFrame:
    """Return the rows that have a child, its number in capitals and without what Excel adds to a whole number.

    Parameters
    ----------
    findings
        Where rows without a child are told; None where they do not matter.
    """
    number = pl.col("CHILD").str.to_uppercase().str.replace(r"^(\d+)\.0+$", "$1")
    frame = frame.with_columns(pl.when(~number.is_in(_BLANKS)).then(number).alias("CHILD"))
    if findings is not None:
        findings.add_rows(BLANK_CHILD, frame.filter(pl.col("CHILD").is_null()))
    return frame.drop_nulls("CHILD")


def without_words_for_blanks(frame: pl.DataFrame, columns: Iterable[str], findings: Findings) -> pl.DataFrame:
    """Return the frame with words like "null" in these columns as blanks; told once for each file and column."""
    for column in columns:
        word = pl.col(column).str.to_uppercase().is_in(_BLANKS)
        for (file,), rows in frame.filter(word).group_by("file", maintain_order=True):
            told = f"{WORD_FOR_BLANK.action} So in {rows.height} rows."
            findings.add(WORD_FOR_BLANK, int(str(file)), None, column, told)
        frame = frame.with_columns(pl.when(~word.fill_null(False)).then(pl.col(column)).alias(column))
    return frame


def spelled(frame: pl.DataFrame, column: str, findings: Findings, codes: Codes = CODES) -> pl.DataFrame:
    """Return the frame with the codes of a column in capitals, and null where there is no such code."""
    text = pl.col(column).str.to_uppercase().str.replace_all(r"\s", "").str.replace(r"^(\d+)\.0+$", "$1")
    frame = frame.with_columns(text.alias(column))
    known = pl.col(column).is_in(codes.codes(column))
    findings.add_rows(UNKNOWN_CODE, frame.filter(~known), column)
    bounded = [code for code in codes.of(column) if code.first is not None or code.last is not None]
    for code in bounded:
        outside = pl.lit(False)
        if code.first is not None:
            outside = outside | (pl.col("year") < code.first)
        if code.last is not None:
            outside = outside | (pl.col("year") > code.last)
        findings.add_rows(OTHER_YEARS, frame.filter((pl.col(column) == code.code) & outside), column)
    return frame.with_columns(pl.when(known).then(pl.col(column)).alias(column))


def read_codes_of(frame: pl.DataFrame, column: str, findings: Findings, codes: Codes = CODES) -> pl.DataFrame:
    """Return the frame with a column of codes as what they mean for the journey."""
    frame = spelled(frame, column, findings, codes)
    return frame.with_columns(codes.in_journey(column, pl.col(column)).alias(column))
