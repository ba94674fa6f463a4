"""Lists 1 to 7 of Annex A as modules of a census, which then take the same course as a CIN Census.

List 3 (referrals) and list 6 (children in need, whose start is the referral) are both CINdetails: the first knows where
a referral came from and whether nothing followed, the second why and when the case was closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from calibration.returns.annex_a_cells import coded
from calibration.returns.annex_a_layout import CHILD, LIST
from calibration.returns.cin import need_tables
from calibration.returns.cin_cells import AHEAD, END_AHEAD, END_BEFORE_START, NO_START
from calibration.returns.cin_clean import clean
from calibration.returns.cin_layout import MODULE, MODULES
from calibration.returns.cin_rules import mend
from calibration.returns.findings import Findings, Rule
from calibration.returns.reading_dates import read_dates
from calibration.returns.tables import NeedTables

_TABLES = {3: "referrals", 4: "assessments", 5: "enquiries", 6: "referrals", 7: "protection_plans"}
_CODED = {
    "source": "source", "nfa": "yes", "primary_need": "need", "closure_reason": "closure", "initial_category": "abuse",
    "latest_category": "abuse", "conference_not_required": "yes",
}  # fmt: skip
"""Columns of the lists -> code lists."""


@dataclass
class _Told(Findings):
    """Hands findings on, under the headers of Annex A instead of the elements of the census."""

    whole: Findings = field(default_factory=Findings)
    headers: Mapping[str, str] = field(default_factory=dict)

    def add_rows(self, rule: Rule, rows: pl.DataFrame, column: str = "", what_was_done: str = "") -> None:
        """Add findings under the header of the list."""
        self.whole.add_rows(rule, rows, self.headers.get(column, column), what_was_done)


def tables_of_need(
    lists: Mapping[int, pl.DataFrame], since: date, until: date, years: tuple[int, ...], findings: Findings
) -> NeedTables:
    """Return the tables of need of lists 1 to 7.

    Parameters
    ----------
    lists
        Number of the list -> columns of `annex_a_layout` as text, with file and row.
    since, until, years
        First and last day that the lists cover, and the years (ending 31 March) these are in.
    """
    told = _Told(findings.sources, whole=findings, headers=_headers())
    raw = _raw(lists, until, years[-1], findings)
    tables = mend(clean(raw, years, told, linked=False), told)
    if 2 in lists:
        tables["early_help"] = _early_help(lists[2], until, findings)
    return need_tables(tables, since, until, years, findings)


def _headers() -> dict[str, str]:
    """Return element of the census -> header of the list that tells it."""
    elements = {"LAchildID": CHILD["child"], "PersonBirthDate": CHILD["birth"], "Sex": CHILD["sex"]}
    elements["CPPreviewDate"] = LIST[7].columns["held"]
    for number, table in _TABLES.items():
        for told in MODULE[table].fields:
            if header := LIST[number].columns.get(told.name):
                before = f"{elements[told.element]} or " if told.element in elements else ""
                elements[told.element] = before + header
    return elements


def _raw(lists: Mapping[int, pl.DataFrame], until: date, year: int, findings: Findings) -> dict[str, pl.DataFrame]:
    """Return the lists as modules of a census: text, and codes for words."""
    parts: dict[str, list[pl.DataFrame]] = {module.table: [] for module in MODULES}
    for table, frame in _modules(lists, year, findings):
        parts[table].append(_as_module(table, frame))
    raw = {}
    for table, frames in parts.items():
        whole = pl.concat(frames or [_as_module(table, pl.DataFrame(schema={"child": pl.String}))])
        if table == "children":
            # A child stands in many rows of many lists: each row is a census of its own, so that none is there twice.
            whole = whole.drop("group").with_row_index("group")
        raw[table] = whole.with_columns(pl.lit(year, pl.Int32).alias("year"), pl.lit(until).alias("until"))
    return raw


def _modules(lists: Mapping[int, pl.DataFrame], year: int, findings: Findings) -> Iterator[tuple[str, pl.DataFrame]]:
    for number, frame in lists.items():
        if number == 8:
            continue
        frame = coded(frame, "sex", "sex", findings, CHILD["sex"])
        # Up to the census of 2024 the codes of sex were numbers.
        sex = pl.col("sex") if year > 2024 else pl.col("sex").replace({"M": "1", "F": "2"})
        people = frame.select("child", "birth", sex, "file", "row")
        yield "children", people.unique(["child", "birth", "sex"], keep="first", maintain_order=True)
        for name, codes in _CODED.items():
            if name in frame.columns:
                frame = coded(frame, name, codes, findings, LIST[number].columns[name])
        if number in _TABLES:
            # Two lists tell of one referral: list 6, which knows the closure, tells last.
            yield _TABLES[number], frame.with_columns(order=pl.lit(number))
        if number == 7:
            yield "reviews", frame.drop_nulls("held")


def _as_module(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of a module; those that the list lacks are blank."""
    names = ("details", *(told.name for told in MODULE[table].fields))
    kinds: dict[str, Any] = {"child": pl.String, **dict.fromkeys(names, pl.String)}
    kinds |= {"file": pl.UInt16, "row": pl.UInt32, "order": pl.Int32}
    cells = (
        pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, kind).alias(name)
        for name, kind in kinds.items()
    )
    return frame.select(cells).with_columns(pl.col("order").fill_null(0).cast(pl.UInt32).alias("group"))


def _early_help(frame: pl.DataFrame, until: date, findings: Findings) -> pl.DataFrame:
    """Return the early help assessments of list 2, each once."""
    columns = LIST[2].columns
    key = pl.col("child").str.to_uppercase().str.replace(r"^(\d+)\.0+$", "$1")
    frame = frame.with_columns(key).rename(dict(columns))
    frame = read_dates(frame, columns.values(), findings).rename({header: name for name, header in columns.items()})
    # Rows without a child were told where children were read.
    frame = frame.drop_nulls("child")
    findings.add_rows(NO_START, frame.filter(pl.col("start").is_null()), columns["start"])
    frame = frame.drop_nulls("start")
    for rule, wrong, name in (
        (AHEAD, pl.col("start") > until, "start"),
        (END_AHEAD, pl.col("end") > until, "end"),
        (END_BEFORE_START, pl.col("end") < pl.col("start"), "end"),
    ):
        findings.add_rows(rule, frame.filter(wrong), columns[name])
    frame = frame.filter(pl.col("start") <= until)
    end = pl.when(pl.col("end").is_between(pl.col("start"), until)).then("end").alias("end")
    return frame.with_columns(end).sort("file", "row").unique(["child", "start"], keep="last", maintain_order=True)
