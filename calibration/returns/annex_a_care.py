"""List 8 of Annex A as episodes of care: what one row on a child can tell of the way since care began.

A row has the first day of care, the day from which the present legal status holds, the day from which the child lives
in the present home, and the last day if care ended. So there are up to three episodes, begun on these days. What was
before the present home or status is not told and stays blank: homes lived in before are not seen, nor are moves.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from calibration.returns.annex_a_cells import coded
from calibration.returns.annex_a_layout import CHILD, LIST
from calibration.returns.cin_cells import AHEAD, END_AHEAD, END_BEFORE_START, NO_CHILD, NO_START
from calibration.returns.findings import Findings, Rule
from calibration.returns.reading_dates import read_dates
from calibration.returns.tables import CARE_SCHEMAS, CareTables, in_order, schema_of

SPEC = "Ofsted, Annex A, list 8"
NO_BIRTH = Rule(
    "annex-no-birth",
    "The child has no date of birth, or one after care began.",
    "The row was not used.",
    SPEC,
    "left out",
)
TWICE = Rule(
    "annex-care-twice", "The child stands twice with the same first day of care.",
    "The row with the latest home was used.", SPEC, "left out",
)  # fmt: skip
OUTSIDE = Rule(
    "annex-home-outside-care", "The home or the legal status began before care or after it ended.",
    "It was read as begun with care.", SPEC, "mended",
)  # fmt: skip
UNTOLD = Rule(
    "annex-end-untold", "There is a reason for the end of care and no date.", "The reason was read as blank.", SPEC,
    "left out",
)  # fmt: skip

_CODES = {"need": "need", "legal": "LS", "place": "PLACE", "provider": "PLACE_PROVIDER", "rec": "REC", "uasc": "yes"}
_COLUMNS = LIST[8].columns
_DAYS = ("start", "legal_from", "place_from", "end")


def care_tables(
    frame: pl.DataFrame, since: date, until: date, years: tuple[int, ...], findings: Findings
) -> CareTables | None:
    """Return the tables of care of list 8; None where no row can be used.

    Parameters
    ----------
    frame
        Columns of `annex_a_layout` as text, with file and row.
    since, until, years
        First and last day that the list covers, and the years (ending 31 March) these are in.
    """
    rows = _cells(frame, findings)
    rows = _usable(rows, until, findings)
    if not rows.height:
        return None
    children = (
        rows.sort("file", "row")
        .group_by("child", maintain_order=True)
        .agg(
            pl.col("birth").last(),
            pl.col("sex").drop_nulls().last(),
            pl.col("uasc").any(ignore_nulls=True).alias("uasc"),
            pl.lit(None, pl.Date).alias("uasc_until"),
        )
    )
    schemas = {name: schema_of(columns) for name, columns in CARE_SCHEMAS.items()}
    return CareTables(
        children=in_order(children.select(pl.col(name).cast(kind) for name, kind in schemas["children"].items())),
        episodes=in_order(_episodes(rows).select(pl.col(n).cast(kind) for n, kind in schemas["episodes"].items())),
        observed_from=since,
        observed_to=until,
        years=years,
        files=tuple(Path(source.name).name for source in findings.sources),
    )


def _cells(frame: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Return the rows with dates and codes."""
    number = pl.col("child").str.strip_chars().str.to_uppercase().str.replace(r"^(\d+)\.0+$", "$1")
    frame = frame.with_columns(pl.when(number != "").then(number).alias("child"))
    findings.add_rows(NO_CHILD, frame.filter(pl.col("child").is_null()), CHILD["child"])
    days = {"birth": CHILD["birth"], **{name: _COLUMNS[name] for name in _DAYS}}
    frame = read_dates(
        frame.drop_nulls("child").rename(days),
        days.values(),
        findings,
        needed=(CHILD["birth"], _COLUMNS["start"], _COLUMNS["end"]),
    )
    frame = frame.rename({header: name for name, header in days.items()})
    frame = coded(frame, "sex", "sex", findings, CHILD["sex"])
    for name, column in _CODES.items():
        frame = coded(frame, name, column, findings, _COLUMNS[name])
    sex = pl.col("sex").replace_strict({"F": 0, "M": 1}, default=None, return_dtype=pl.UInt8)
    return frame.with_columns(sex, uasc=pl.col("uasc") == "1")


def _usable(rows: pl.DataFrame, until: date, findings: Findings) -> pl.DataFrame:
    """Leave out rows that cannot be placed in time, and mend days that lie outside the period of care."""
    findings.add_rows(NO_START, rows.filter(pl.col("start").is_null()), _COLUMNS["start"])
    rows = rows.drop_nulls("start")
    findings.add_rows(AHEAD, rows.filter(pl.col("start") > until), _COLUMNS["start"])
    rows = rows.filter(pl.col("start") <= until)
    unborn = pl.col("birth").is_null() | (pl.col("birth") > pl.col("start"))
    findings.add_rows(NO_BIRTH, rows.filter(unborn), CHILD["birth"])
    rows = rows.filter(~unborn)
    ahead, before = pl.col("end") > until, pl.col("end") < pl.col("start")
    findings.add_rows(END_AHEAD, rows.filter(ahead), _COLUMNS["end"])
    findings.add_rows(END_BEFORE_START, rows.filter(before), _COLUMNS["end"])
    rows = rows.with_columns(pl.when(pl.col("end").is_between("start", until)).then("end").alias("end"))
    untold = pl.col("end").is_null() & pl.col("rec").is_not_null()
    findings.add_rows(UNTOLD, rows.filter(untold), _COLUMNS["rec"])
    rows = rows.with_columns(pl.when(~untold).then("rec").alias("rec"))
    last = pl.col("end").fill_null(until)
    for name in ("legal_from", "place_from"):
        outside = ~pl.col(name).is_between("start", last)
        findings.add_rows(OUTSIDE, rows.filter(outside), _COLUMNS[name])
        rows = rows.with_columns(
            pl.when(pl.col(name).is_between("start", last)).then(name).otherwise("start").alias(name)
        )
    rows = rows.sort("child", "start", "place_from", "file", "row")
    again = ~pl.struct("child", "start").is_last_distinct()
    findings.add_rows(TWICE, rows.filter(again), _COLUMNS["start"])
    return rows.filter(~again)


def _episodes(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the episodes of each row: begun with care, with the legal status, with the home."""
    parts = rows.rename({"start": "care", "end": "ended"}).with_columns(
        pl.concat_list("care", "legal_from", "place_from").list.unique().list.sort().alias("start")
    )
    parts = parts.explode("start").sort("child", "care", "start")
    following = pl.col("start").shift(-1).over("child", "care")
    changes_status, changes_home = pl.col("start") == pl.col("legal_from"), pl.col("start") == pl.col("place_from")
    reason = (
        pl.when(pl.col("start") == pl.col("care")).then(pl.lit("S"))
        .when(changes_status & changes_home).then(pl.lit("B"))
        .when(changes_status).then(pl.lit("L"))
        .otherwise(pl.lit("P"))
    )  # fmt: skip
    in_home = pl.col("start") >= pl.col("place_from")
    return parts.with_columns(
        pl.coalesce(following, "ended").alias("end"),
        reason.alias("rne"),
        pl.when(pl.col("start") >= pl.col("legal_from")).then("legal").alias("legal"),
        pl.when(in_home).then("place").alias("place"),
        pl.when(in_home).then("provider").alias("provider"),
        pl.when(following.is_not_null()).then(pl.lit("X1")).otherwise("rec").alias("rec"),
        pl.lit(None, pl.String).alias("place_change"),
    )
