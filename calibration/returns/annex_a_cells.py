"""Cells of Annex A as codes of the CIN Census and of SSDA903.

Ofsted asks for words ("b) Female", "h) Children's Homes"); systems write codes, words or both ("U4 - Foster placement",
"[K2a]", "p) K2: Children's Homes"). A code that stands in the cell counts; else the words do, by `annex_a_words.csv`:
the first row of a column all of whose words are in the cell. What is neither is a finding and read as blank.
"""

from __future__ import annotations

import csv
import re
from functools import cache
from pathlib import Path

import polars as pl

from calibration.returns import cin_codes, ssda903_codes
from calibration.returns.findings import Findings, Rule

PATH = Path(__file__).with_name("annex_a_words.csv")
NOT_READ = Rule(
    "annex-words",
    "The cell holds neither a code nor words that we know.",
    "It was read as blank.",
    "Ofsted, Annex A; add the words to annex_a_words.csv",
    "left out",
)
RETURN_UNTOLD = Rule(
    "annex-return-untold",
    "The child returned home, and whether that was planned is not told.",
    "It was read as planned.",
    "SSDA903, E4A and E4B",
    "mended",
)
_NOTHING = frozenset({"", "NAN", "NULL", "NONE", "N A", "NOT RECORDED", "NOT APPLICABLE"})
_SEX_BLANK = ("NOT", "NEITHER", "UNKNOWN", "UNBORN", "INDETERMINATE", "TRANSGENDER", "NON BINARY", "UNSPECIFIED")


@cache
def words() -> dict[str, list[tuple[tuple[str, ...], str]]]:
    """Return column -> (words, code) in the order of the file."""
    found: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    with PATH.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["column"], []).append((tuple(row["words"].split()), row["code"]))
    return found


@cache
def codes(column: str) -> tuple[str, ...]:
    """Return the codes that a column may have, the longest first."""
    if column == "yes":
        return ("1", "0", "Y", "N")
    ours = ssda903_codes.CODES if column.isupper() else cin_codes.CODES
    return tuple(sorted(ours.codes(column), key=lambda code: (-len(code), code)))


@cache
def code_in(column: str, cell: str) -> str | None:
    """Return the code that a cell holds or means; "" for nothing, None where it cannot be told."""
    # "h) " is the letter of Ofsted's list, of which there is another one for every column.
    text = re.sub(r"^\s*[A-Za-z]{1,2}\)\s*", "", cell).upper()
    plain = " ".join(re.sub(r"[^A-Z0-9]+", " ", text).split())
    if plain in _NOTHING:
        return ""
    if code := _code(column, text):
        return code
    if column == "sex" and any(word in plain for word in _SEX_BLANK):
        return ""
    # "A" and "E" of "A & E", "NO" and "GP" are words; of others the beginning is enough.
    whole = f" {plain} "
    for needed, code in words().get(column, ()):
        if all((f" {word} " if len(word) <= 3 else f" {word}" if len(word) < 5 else word) in whole for word in needed):
            return code
    return None


def _code(column: str, text: str) -> str | None:
    if column == "sex":
        match = re.match(r"^([MF12])(?:\s*[-:]|\s*$)", text)
        return {"1": "M", "2": "F"}.get(match[1], match[1]) if match else None
    listed = "|".join(codes(column))
    if column in ("yes", "source"):
        # Short codes: only at the beginning, or in brackets; "4" is also in "24 hours".
        match = re.match(rf"^\W*({listed})(?![A-Z0-9])", text) or re.search(rf"[\[(]({listed})[\])]", text)
        return {"Y": "1", "N": "0"}.get(match[1], match[1]) if match else None
    # In or outside the area was once told by a letter after the code: "K2a", "U1b".
    found = re.findall(rf"(?<![A-Z0-9])({listed})(?:[AB]|IN|OUT)?(?![A-Z0-9])", text)
    # Where a care order was made with a placement order, SSDA903 has the placement order.
    return "E1" if column == "LS" and "E1" in found else (found[0] if found else None)


def coded(frame: pl.DataFrame, name: str, column: str, findings: Findings, header: str) -> pl.DataFrame:
    """Return the frame with a column as codes; what cannot be told is a finding.

    Parameters
    ----------
    name
        Column of the frame, which also has file and row.
    column
        List of codes: of the CIN Census in small letters, of SSDA903 in capitals.
    header
        The header of the column, for findings.
    """
    told = frame[name].drop_nulls().unique().to_list()
    known = {cell: code_in(column, cell) for cell in told}
    strange = [cell for cell, code in known.items() if code is None]
    findings.add_rows(NOT_READ, frame.filter(pl.col(name).is_in(strange)), header)
    value = pl.col(name).replace_strict(known, default=None, return_dtype=pl.String)
    frame = frame.with_columns(pl.when(value != "").then(value).alias(name))
    if column == "REC":
        findings.add_rows(RETURN_UNTOLD, frame.filter(pl.col(name) == "E4"), header)
        frame = frame.with_columns(pl.col(name).replace({"E4": "E4A"}))
    return frame
