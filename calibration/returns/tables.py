"""Clean tables: what every return is first read to, whatever file it came in; `assemble` makes the log from them.

Two kinds. `CareTables` tells of homes and legal status of children who are looked after (SSDA903, or list 8 of Annex
A). `NeedTables` tells of referrals and of what followed (CIN Census as XML or flat, or lists 1 to 7 of Annex A). They
hold children's identifiers and dates, so they live in memory only: nothing that is written has them.

What "clean" means, and what a reader promises. Keys and codes are trimmed and in capitals. One row is one fact: what
several years' files repeat (an episode still open, a plan still open) is here once, as the latest file tells it, with
the file and row it was taken from. A cell that could not be read is null where null is allowed, else its row is left
out; both are findings of the reader. An end is not before its start. Rows are in the order of `in_order`. What is
odd but legible (overlaps, unknown combinations of codes, steps that are missing) is left to `assemble`, which tells it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import polars as pl

from abm.errors import CareError

TEXT, DAY, YES = pl.String, pl.Date, pl.Boolean
KEY, WHERE = {"child": TEXT}, {"file": pl.UInt16, "row": pl.UInt32}
"""Every row has the child's key; `file` is a place in the tables' `files`, `row` the row in that file, header 1."""
OF_REFERRAL = {**KEY, "number": pl.UInt16}
"""`number` says which referral of the child (one CINdetails of the CIN Census), from 0 by date."""

CARE_SCHEMAS: dict[str, dict[str, Any]] = {
    "children": {**KEY, "birth": DAY, "sex?": pl.UInt8, "uasc": YES, "uasc_until?": DAY},
    "episodes": {
        **KEY, "start": DAY, "end?": DAY, "rne?": TEXT, "legal?": TEXT, "need?": TEXT, "place?": TEXT,
        "provider?": TEXT, "rec?": TEXT, "place_change?": TEXT, **WHERE,
    },
}  # fmt: skip
"""Columns of each care table; a name with "?" may be null. Sex is 0 for a girl, 1 for a boy, as in `abm.population`."""

NEED_SCHEMAS: dict[str, dict[str, Any]] = {
    "children": {**KEY, "birth?": DAY, "expected_birth?": DAY, "sex?": pl.UInt8, "death?": DAY},
    "referrals": {
        **OF_REFERRAL, "referred": DAY, "source?": TEXT, "primary_need?": TEXT, "nfa": YES, "closed?": DAY,
        "closure_reason?": TEXT, "conference?": DAY, **WHERE,
    },
    "assessments": {**OF_REFERRAL, "started": DAY, "authorised?": DAY, "factors?": pl.List(TEXT), **WHERE},
    "enquiries": {
        **OF_REFERRAL, "started": DAY, "conference?": DAY, "conference_not_required?": YES, **WHERE,
    },
    "need_plans": {**OF_REFERRAL, "start": DAY, "end?": DAY, **WHERE},
    "protection_plans": {
        **OF_REFERRAL, "start": DAY, "end?": DAY, "initial_category?": TEXT, "latest_category?": TEXT,
        "previous_plans?": pl.UInt16, **WHERE,
    },
    "reviews": {**OF_REFERRAL, "held": DAY, **WHERE},
    "pre_proceedings": {
        **OF_REFERRAL, "started": DAY, "decided?": DAY, "outcome?": TEXT, "court?": DAY, **WHERE,
    },
    "early_help": {**KEY, "start": DAY, "end?": DAY, **WHERE},
}  # fmt: skip
"""Columns of each need table; a name with "?" may be null."""


def schema_of(columns: dict[str, Any]) -> dict[str, Any]:
    """Return a polars schema from the columns of a table, without the marks of what may be null."""
    return {name.removesuffix("?"): kind for name, kind in columns.items()}


def empty_care(table: str) -> pl.DataFrame:
    """Return a care table without rows."""
    return pl.DataFrame(schema=schema_of(CARE_SCHEMAS[table]))


def empty_need(table: str) -> pl.DataFrame:
    """Return a need table without rows."""
    return pl.DataFrame(schema=schema_of(NEED_SCHEMAS[table]))


def in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table in the order that holds whatever the order of files and rows was: child, dates, then the rest."""
    by = [name for name, kind in frame.schema.items() if kind != pl.List(TEXT) and name not in WHERE]
    return frame.sort(by=[*by, *(name for name in WHERE if name in frame.columns)], nulls_last=True)


@dataclass(frozen=True)
class CareTables:
    """Children and their episodes of care.

    `observed_from` is 1 April of the first year that was read, `observed_to` 31 March of the last; `years` are those
    of which a return was read (2023 for the year that ends on 31 March 2023), in order and perhaps with gaps. A list
    that covers another span has the first and last day it covers. `files` are names without folders.
    """

    children: pl.DataFrame
    episodes: pl.DataFrame
    observed_from: date
    observed_to: date
    years: tuple[int, ...]
    files: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check names, kinds, nulls and keys of every table."""
        _check(self, CARE_SCHEMAS)


@dataclass(frozen=True)
class NeedTables:
    """Children, their referrals and what followed; the window and the files as in `CareTables`."""

    children: pl.DataFrame
    referrals: pl.DataFrame
    assessments: pl.DataFrame
    enquiries: pl.DataFrame
    need_plans: pl.DataFrame
    protection_plans: pl.DataFrame
    reviews: pl.DataFrame
    pre_proceedings: pl.DataFrame
    early_help: pl.DataFrame
    observed_from: date
    observed_to: date
    years: tuple[int, ...]
    files: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check names, kinds, nulls and keys of every table."""
        _check(self, NEED_SCHEMAS)


def _check(tables: CareTables | NeedTables, schemas: dict[str, dict[str, Any]]) -> None:
    """Raise CareError where a reader broke its promise; no value is told."""
    frames = {f.name: getattr(tables, f.name) for f in fields(tables) if f.name in schemas}
    for name, frame in frames.items():
        expected = schema_of(schemas[name])
        if dict(frame.schema) != expected:
            raise _fault(f"has the columns {dict(frame.schema)}; it must have {expected}", name)
        for column in schemas[name]:
            if not column.endswith("?") and frame[column].null_count():
                raise _fault(f"has nulls in '{column}'", name)
        if frame.height and "file" in frame.columns and int(frame["file"].max()) >= len(tables.files):
            raise _fault("names a file that was not read", name)
    children = frames["children"]["child"]
    if children.n_unique() != children.len():
        raise _fault("has a child twice", "children")
    for name, frame in frames.items():
        if not frame["child"].is_in(children.implode()).all():
            raise _fault("has a child that is not in 'children'", name)
    if isinstance(tables, NeedTables):
        keys = tables.referrals.select("child", "number")
        if keys.is_duplicated().any():
            raise _fault("has two referrals of one number", "referrals")
        for name, frame in frames.items():
            if "number" in frame.columns and frame.join(keys, on=["child", "number"], how="anti").height:
                raise _fault("has a row of a referral that is not in 'referrals'", name)
    if tables.observed_from >= tables.observed_to or list(tables.years) != sorted(set(tables.years)):
        raise _fault("has a window that ends before it begins, or years out of order", "window")


def _fault(what: str, table: str) -> CareError:
    return CareError(f"The table '{table}' {what}", "calibration/returns", "This is a fault of ours: please report it.")
