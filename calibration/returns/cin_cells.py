"""Cells of the CIN Census: keys, codes, dates, yes and no; what is none of them is a finding and read as blank.

Findings name the element of the specification, whatever the column was called, and never the cell.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from abm.errors import CareError
from calibration.returns.cin_codes import CODES
from calibration.returns.cin_layout import Field, Module
from calibration.returns.findings import Findings, Rule
from calibration.returns.reading_dates import many_before, read_dates
from calibration.returns.ssda903_cells import without_words_for_blanks

SPEC = "CIN Census specification"
NO_CHILD = Rule(
    "cin-no-child",
    "The row has no LAchildID.",
    "The row was not used.",
    f"{SPEC}: LAchildID must be filled",
    "left out",
)
UNKNOWN_CODE = Rule(
    "cin-unknown-code", "The code is none of the census.", "It was read as blank.", f"{SPEC}, code sets", "left out"
)
OTHER_YEARS = Rule(
    "cin-code-of-other-years",
    "The code is valid in censuses of other years than that of the file.",
    "It was read as what it means there.",
    f"{SPEC}, code sets",
)
NOT_YES_OR_NO = Rule(
    "cin-not-yes-or-no",
    "The cell is neither yes nor no (true, false, 1, 0).",
    "It was read as blank.",
    f"{SPEC}, code sets",
    "left out",
)
NOT_A_COUNT = Rule("cin-not-a-count", "The cell is no whole number.", "It was read as blank.", SPEC, "left out")
NO_START = Rule(
    "cin-no-start",
    "The row lacks the date that it is about, or it cannot be read.",
    "The row was not used.",
    SPEC,
    "left out",
)
AHEAD = Rule(
    "cin-begins-after-census",
    "The date is after the last day that the file covers.",
    "The row was not used.",
    f"{SPEC}: dates lie on or before the reference date",
    "left out",
)
END_AHEAD = Rule(
    "cin-ends-after-census",
    "The end is after the last day that the file covers.",
    "It was read as still open on that day.",
    f"{SPEC}: dates lie on or before the reference date",
    "mended",
)
END_BEFORE_START = Rule(
    "cin-ends-before-start", "It ends before it begins.", "The end was read as blank.", SPEC, "left out"
)

MANY_BEFORE = Rule(
    "cin-many-end-before",
    "Many rows of the file end before they begin.",
    "Each was read as said of it: look whether months stand before days in one of the two columns.",
    SPEC,
)
NOTHING_IN_YEAR = Rule(
    "cin-nothing-in-year",
    "No referral of the file was made or closed in the year of its census.",
    "It was read as of that year: check its header or its name.",
    SPEC,
)

_YES, _NO = ("TRUE", "1", "T", "Y", "YES"), ("FALSE", "0", "F", "N", "NO")
_KINDS: dict[str, Any] = {
    "date": pl.Date, "code": pl.String, "sex": pl.UInt8, "yes": pl.Boolean, "count": pl.UInt16,
    "factors": pl.List(pl.String),
}  # fmt: skip
_KNOWN_SEX = {"girl": 0, "boy": 1}
ENDS = {
    "referrals": ("referred", "closed"),
    "assessments": ("started", "authorised"),
    "enquiries": ("started", "conference"),
    "need_plans": ("start", "end"),
    "protection_plans": ("start", "end"),
}
"""Table -> the dates with which what it tells begins and ends."""


def typed(module: Module, frame: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Return a module with cells of their kinds: str in capitals, date, bool, u16, u8 (sex), list of str.

    Rows without a child or without the date they are about are left out, and what lies after the census is not used.

    Parameters
    ----------
    frame
        child, fields of the module (all str), file u16, row u32, year i32, until date (last day of the census).
    """
    number = key_of_child()
    frame = frame.with_columns(pl.when(number != "").then(number).alias("child"))
    findings.add_rows(NO_CHILD, frame.filter(pl.col("child").is_null()), "LAchildID")
    frame = frame.drop_nulls("child")
    names = {told.name: told.element for told in module.fields if told.name != "child"}
    frame = frame.rename(names)
    needed = (module.first.name, *ENDS.get(module.table, ()), "birth")
    filled = [name for name in names.values() if frame[name].null_count() < frame.height]
    frame = without_words_for_blanks(frame, filled, findings)
    for told in module.fields:
        if told.kind != "key" and told.element not in filled:
            frame = frame.with_columns(pl.lit(None, _KINDS.get(told.codes) or _KINDS[told.kind]).alias(told.element))
        elif told.kind == "date":
            # A birth may have been cut to its month for privacy.
            frame = read_dates(
                frame, [told.element], findings, months="birth" in told.name,
                needed=[told.element] if told.name in needed else [],
            )  # fmt: skip
        elif told.kind == "code":
            frame = _codes(frame, told, findings)
        elif told.kind == "yes":
            frame = _yes(frame, told.element, findings)
        elif told.kind == "count":
            frame = _count(frame, told.element, findings)
        elif told.kind == "factors":
            frame = _factors(frame, told, findings)
    frame = frame.rename({element: name for name, element in names.items()})
    return _inside_census(module, frame, findings)


def key_of_child() -> pl.Expr:
    """Return the child's number in one spelling: capitals, without what Excel adds to a whole number."""
    return pl.col("child").str.strip_chars().str.to_uppercase().str.replace(r"^(\d+)\.0+$", "$1")


def spelled(column: str) -> pl.Expr:
    """Return a code in capitals, without spaces and without what Excel adds to a whole number."""
    return pl.col(column).str.to_uppercase().str.replace_all(r"\s", "").str.replace(r"^(\d+)\.0+$", "$1")


def _codes(frame: pl.DataFrame, told: Field, findings: Findings) -> pl.DataFrame:
    name = told.element
    frame = frame.with_columns(spelled(name).alias(name))
    known = pl.col(name).is_in(CODES.codes(told.codes))
    findings.add_rows(UNKNOWN_CODE, frame.filter(~known), name)
    _tell_years(frame, told, pl.col(name), findings)
    frame = frame.with_columns(pl.when(known).then(pl.col(name)).alias(name))
    if told.codes == "sex":
        meaning = CODES.in_journey("sex", pl.col(name))
        frame = frame.with_columns(meaning.replace_strict(_KNOWN_SEX, default=None, return_dtype=pl.UInt8).alias(name))
    return frame


def _tell_years(frame: pl.DataFrame, told: Field, codes: pl.Expr, findings: Findings) -> None:
    for code in CODES.of(told.codes):
        if code.first is None and code.last is None:
            continue
        outside = (pl.col("year") < (code.first or 0)) | (pl.col("year") > (code.last or 9999))
        has = codes.list.contains(code.code) if told.kind == "factors" else codes == code.code
        findings.add_rows(OTHER_YEARS, frame.filter(has & outside), told.element)


def _yes(frame: pl.DataFrame, name: str, findings: Findings) -> pl.DataFrame:
    text = spelled(name)
    value = pl.when(text.is_in(_YES)).then(True).when(text.is_in(_NO)).then(False)
    findings.add_rows(NOT_YES_OR_NO, frame.filter(pl.col(name).is_not_null() & value.is_null()), name)
    return frame.with_columns(value.alias(name))


def _count(frame: pl.DataFrame, name: str, findings: Findings) -> pl.DataFrame:
    value = spelled(name).cast(pl.UInt16, strict=False)
    findings.add_rows(NOT_A_COUNT, frame.filter(pl.col(name).is_not_null() & value.is_null()), name)
    return frame.with_columns(value.alias(name))


def _factors(frame: pl.DataFrame, told: Field, findings: Findings) -> pl.DataFrame:
    """Read all codes of a cell, whatever stands between them; each once, in the order of the list."""
    name = told.element
    order = CODES.codes(told.codes)
    # Few combinations are different from one another.
    words = pl.col(name).str.to_uppercase().str.extract_all(r"[A-Z0-9]+")
    combinations = frame.select(name).drop_nulls().unique().with_columns(words.alias("_words"))
    known = [[code for code in order if code in set(words)] for words in combinations["_words"]]
    strange = [bool(set(words) - set(order)) for words in combinations["_words"]]
    combinations = combinations.select(
        name,
        pl.Series("_known", known, dtype=pl.List(pl.String)),
        pl.Series("_strange", strange, dtype=pl.Boolean),
    )
    frame = frame.join(combinations, on=name, how="left", maintain_order="left")
    findings.add_rows(UNKNOWN_CODE, frame.filter("_strange"), name)
    _tell_years(frame, told, pl.col("_known"), findings)
    return frame.with_columns(pl.when(pl.col("_known").list.len() > 0).then(pl.col("_known")).alias(name)).drop(
        "_known", "_strange"
    )


def _inside_census(module: Module, frame: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Leave out rows without their date and those after the census; read ends after it as open."""
    if module.table == "children":
        return frame
    first = module.first
    if module.table == "pre_proceedings":
        # The letter is what begins them for the family; it may be all that is told.
        frame = frame.with_columns(pl.coalesce(first.name, "letter").alias(first.name))
    findings.add_rows(NO_START, frame.filter(pl.col(first.name).is_null()), first.element)
    frame = frame.drop_nulls(first.name)
    if module.table == "referrals":
        _refuse_another_year(frame, findings)
    ahead = pl.col(first.name) > pl.col("until")
    findings.add_rows(AHEAD, frame.filter(ahead), first.element)
    frame = frame.filter(~ahead)
    for told in module.fields[1:]:
        if told.kind == "date" and told.name != "conference":
            ahead = pl.col(told.name) > pl.col("until")
            findings.add_rows(END_AHEAD, frame.filter(ahead), told.element)
            frame = frame.with_columns(pl.when(~ahead).then(pl.col(told.name)).alias(told.name))
    if module.table in ENDS:
        start, end = ENDS[module.table]
        before = pl.col(end) < pl.col(start)
        element = next(told.element for told in module.fields if told.name == end)
        findings.add_rows(END_BEFORE_START, frame.filter(before), element)
        for file in many_before(frame, start, end):
            findings.add(MANY_BEFORE, file, None, element)
        frame = frame.with_columns(pl.when(~before).then(pl.col(end)).alias(end))
    return frame


def _refuse_another_year(referrals: pl.DataFrame, findings: Findings) -> None:
    """Raise CareError for a file many of whose referrals are after its census; tell one with none in its year."""
    after = pl.col("referred") > pl.col("until")
    in_year = pl.col("referred", "closed").is_between(pl.col("until").dt.offset_by("-1y"), pl.col("until"))
    inside = pl.any_horizontal(in_year.fill_null(False))
    by_file = referrals.group_by("file", "until", maintain_order=True).agg(
        pl.len().alias("rows"), after.sum().alias("after"), inside.sum().alias("inside")
    )
    for file, until, rows, late, within in by_file.iter_rows():
        if late > 5 and late > 0.05 * rows:
            raise CareError(
                f"{100 * late / rows:.0f}% of the referrals are after the last day of the file's census, {until}",
                findings.sources[file].name,
                "Say which census it is, in its header or by its name: '2023-24' is the one that ends in 2024.",
            )
        if not within and rows >= 20:
            findings.add(NOTHING_IN_YEAR, file)
