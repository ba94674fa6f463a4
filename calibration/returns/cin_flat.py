"""A CIN Census as flat tables: one CSV file or one sheet for each module, with LAchildID and CINdetailsID.

Which module a table is, is told by its columns, whatever it is called. Factors of assessments may be a column of
Assessments (codes in any list form, or one row for each) or a table of their own, tied by AssessmentID.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from calibration.returns.cin_layout import ASSESSMENT, CHILD, DETAILS, HEADER, MODULE, MODULES, NOT_READ, PLAN, Field
from calibration.returns.findings import Findings
from calibration.returns.reading_table import TextTable, header_key

FACTORS = "factors"
"""A table of factors alone."""
_FACTOR = Field("factors", "AssessmentFactors", "factors", others=("AssessmentFactor", "Factor", "Factors"))
_FIELDS = (CHILD, DETAILS, ASSESSMENT, PLAN, _FACTOR, *(told for m in MODULES for told in m.fields))
_NUMBERED = {"assessments": ASSESSMENT, FACTORS: ASSESSMENT, "protection_plans": PLAN, "reviews": PLAN}
_MISSED = {"birth", "source", "primary_need", "nfa", "closed", "closure_reason", "authorised", "conference", "end"}
"""Fields whose column a flat table is not without; those of some years, and keys, may be missing."""


def _keys(fields: Iterable[Field]) -> set[str]:
    return {header_key(name) for told in fields for name in (told.element, *told.others)}


_NOT_OURS = (
    "LA",
    "YEAR",
    "CPPreviewID",
    "CINplanID",
    "S47ID",
    *(name for m in MODULES for name in m.ignored),
    *NOT_READ,
)
_OTHERS = _keys(_FIELDS) | set(map(header_key, _NOT_OURS))
KNOWN = (*dict.fromkeys(name for told in _FIELDS for name in (told.element, *told.others)), *HEADER)
"""Every header that a flat table may have."""


def table_of(text: TextTable) -> str | None:
    """Return which module has its headers: a table of `NeedTables`, "factors" or "header"; None for another table."""
    found = set(text.keys)
    if not found & _keys([CHILD]):
        return "header" if {"REFERENCEDATE", "COLLECTION"} <= found else None
    # Children last: a date of birth may be carried along in any table.
    for module in MODULES[1:]:
        hits = sum(bool(found & _keys([told])) for told in module.fields)
        # A first column by another name is told by the others, and then said to be missing.
        if found & _keys([module.first]) or hits >= 2:
            return module.table
    if found & _keys(MODULE["children"].fields[1:3]):
        return "children"
    return FACTORS if found & _keys([_FACTOR]) and found & _keys([ASSESSMENT]) else None


def take(text: TextTable, table: str, findings: Findings) -> pl.DataFrame:
    """Return a module's rows as text: child, details, part (number of the assessment or plan), fields, file, row.

    Raises
    ------
    CareError
        When the table lacks LAchildID or the date that its rows are about.
    """
    module = MODULE["assessments" if table == FACTORS else table]
    fields = (_FACTOR,) if table == FACTORS else tuple(told for told in module.fields if told.name != "child")
    wanted = [CHILD, DETAILS, *([_NUMBERED[table]] if table in _NUMBERED else []), *fields]
    needed = [CHILD, *([] if table in ("children", "pre_proceedings", FACTORS) else [module.first])]
    has = set(text.keys)
    taken = [told for told in wanted if told in needed or told.name in _MISSED or has & _keys([told])]
    # A column of another module says nothing here, and is no riddle.
    frame = text.without(_OTHERS - _keys(taken)).take(
        {told.element: told.others for told in taken}, findings, needed=[told.element for told in needed]
    )
    frame = frame.rename({told.element: told.name for told in taken})
    names = dict.fromkeys(("child", "details", "part", *(told.name for told in fields)))
    blank = [pl.lit(None, pl.String).alias(name) for name in names if name not in frame.columns]
    return frame.with_columns(blank).select(*names, "file", "row")


def with_factors(assessments: pl.DataFrame, factors: pl.DataFrame) -> pl.DataFrame:
    """Return assessments once each, with all their factors in one cell, codes parted by spaces.

    Parameters
    ----------
    assessments
        child, details, part, started, authorised, factors, file, row, year, until, group; a row for each factor
        perhaps.
    factors
        child, details, part, factors, group: tables of factors of their own.
    """
    tie = ["group", "child", "details", "part"]
    told = factors.drop_nulls("factors").group_by(tie).agg(pl.col("factors").sort().str.join(" ").alias("_more"))
    assessments = assessments.join(told, on=tie, how="left", nulls_equal=True, maintain_order="left")
    # Without a number of its own, a row for each factor is told by its dates.
    same = [*tie, "started", "authorised"]
    both = pl.concat_str("factors", "_more", separator=" ", ignore_nulls=True)
    once = assessments.group_by(same, maintain_order=True).agg(
        both.str.join(" ").str.strip_chars().alias("factors"),
        pl.exclude("factors", "_more", *same).first(),
    )
    return once.with_columns(pl.when(pl.col("factors") != "").then("factors").alias("factors"))
