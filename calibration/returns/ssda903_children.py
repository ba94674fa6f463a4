"""Children of SSDA903: born when, girl or boy, unaccompanied or not.

A child stands in the Header of every year, and the years can disagree. The birth of the latest Header holds, but a full
date is taken rather than one cut to the first of its month. Where nearly all births of the files are on the first of a
month they were cut for privacy: the middle of the month is taken then, which is right on average, and never after the
child's first episode. Sex is that of the latest year that tells it, in the codes of either time (1 and 2, or M and F).
Whether a child is unaccompanied is no column: a child who was ever in the table UASC is, in all years.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from calibration.returns.findings import Findings, Rule
from calibration.returns.reading_dates import read_dates
from calibration.returns.ssda903_cells import read_codes_of, with_child
from calibration.returns.ssda903_files import Part

REPEATED = Rule(
    "903-header-repeated", "The child stands twice in the table of one year, with the same cells.", "One was used.",
    effect="repeated",
)  # fmt: skip
BIRTH_DISAGREES = Rule(
    "903-birth-disagrees",
    "Another row has another date of birth for the child.",
    "That of the latest Header was used, or the one that has a day where the others are cut to the month.",
    "DfE rule 203",
    "left out",
)
SEX_DISAGREES = Rule(
    "903-sex-disagrees",
    "Another row has another sex for the child.",
    "That of the latest year was used.",
    "DfE rule 202",
    "left out",
)
NO_BIRTH = Rule("903-no-birth", "No date of birth can be read for the child.", "The row was not used.", "", "left out")
BIRTH_ELSEWHERE = Rule(
    "903-birth-elsewhere",
    "The Header has no date of birth for the child, and another table has.",
    "That of the other table was used.",
    effect="mended",
)
BIRTHS_CUT = Rule(
    "903-births-cut",
    "Births are cut to the first of the month, as is done for privacy.",
    "Births on the first were put on the 15th, or on the child's first day in care where that is earlier.",
    effect="mended",
)
BEFORE_BIRTH = Rule(
    "903-before-birth",
    "The child's first episode begins before the date of birth.",
    "The child was taken to be born on the day on which the episode begins.",
    effect="mended",
)
NO_EPISODE = Rule(
    "903-no-episode",
    "Children have no episode of being looked after: care leavers, children on short breaks, or rows left out.",
    "They are not among the children looked after.",
)
_MANY, _NEARLY_ALL = 20, 0.9


def read_children(parts: Sequence[Part], findings: Findings) -> pl.DataFrame:
    """Return one row for each child that the tables know.

    Columns child str, birth Date or null, sex u8 or null (0 girl, 1 boy), uasc bool, uasc_until Date or null, file,
    row (where its birth stands).
    """
    rows = []
    for part in parts:
        if "DOB" not in part.frame.columns and part.table != "UASC":
            continue
        columns = [name for name in ("DOB", "DUC") if name in part.frame.columns]
        # A child that is blank is told where it matters: in the tables that are used.
        frame = with_child(part.frame, findings if part.table in ("Header", "UASC") else None)
        frame = read_dates(frame, columns, findings, months=True, needed=("DOB",))
        if "SEX" in frame.columns:
            frame = read_codes_of(frame, "SEX", findings)
        lacking = [
            pl.lit(None, kind).alias(name)
            for name, kind in (("DOB", pl.Date), ("DUC", pl.Date), ("SEX", pl.String))
            if name not in frame.columns
        ]
        rank = {"Header": 0, "UASC": 1}.get(part.table, 2)
        frame = frame.with_columns(*lacking, pl.lit(rank, pl.UInt8).alias("rank"))
        rows.append(frame.select("CHILD", "DOB", "SEX", "DUC", "file", "row", "year", "rank"))
    told = pl.concat(rows).sort("rank", "year", "file", "row", descending=[False, True, True, True], nulls_last=True)
    told = _once(told, findings)
    births = _births(told, findings)
    sexes = _sexes(told, findings)
    alone = (
        told.filter(pl.col("rank") == 1).group_by("CHILD").agg(pl.col("DUC").drop_nulls().first().alias("uasc_until"))
    )
    children = births.join(sexes, on="CHILD", how="left").join(alone.with_columns(uasc=True), on="CHILD", how="left")
    return children.select(
        pl.col("CHILD").alias("child"), "birth", "sex", pl.col("uasc").fill_null(False), "uasc_until", "file", "row"
    ).sort("child")


def _once(told: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    again = ~pl.struct("CHILD", "DOB", "SEX", "DUC", "year", "rank").is_first_distinct()
    repeated = told.filter(again & (pl.col("rank") < 2))
    findings.add_rows(REPEATED, repeated)
    return told.filter(~again)


def _births(told: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Return CHILD, birth, file, row: the first birth in order of worth, with its day if any row has one."""
    known = told.drop_nulls("DOB")
    first = known.unique("CHILD", keep="first", maintain_order=True).select(
        "CHILD", pl.col("DOB").alias("birth"), pl.col("rank").alias("of")
    )
    known = known.join(first, on="CHILD", how="left", maintain_order="left")
    month = pl.col("DOB").dt.truncate("1mo")
    fuller = known.filter(
        (pl.col("birth").dt.day() == 1) & (month == pl.col("birth")) & (pl.col("DOB").dt.day() > 1)
    ).unique("CHILD", keep="first", maintain_order=True)
    first = first.join(
        fuller.select("CHILD", pl.col("DOB").alias("full")), on="CHILD", how="left", maintain_order="left"
    )
    first = first.select("CHILD", pl.coalesce("full", "birth").alias("birth"), "of")
    other = told.join(first, on="CHILD", how="left", maintain_order="left").filter(
        (pl.col("DOB") != pl.col("birth")) & (pl.col("rank") < 2)
    )
    findings.add_rows(BIRTH_DISAGREES, other, "DOB")
    places = told.unique("CHILD", keep="first", maintain_order=True).select("CHILD", "file", "row", "rank")
    births = places.join(first, on="CHILD", how="left", maintain_order="left")
    findings.add_rows(BIRTH_ELSEWHERE, births.filter(pl.col("of") > 0), "DOB")
    return births.select("CHILD", "birth", "file", "row")


def _sexes(told: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    sex = pl.col("SEX").replace_strict({"girl": 0, "boy": 1}, default=None, return_dtype=pl.UInt8).alias("sex")
    known = told.filter(pl.col("rank") < 2).with_columns(sex).drop_nulls("sex")
    latest = known.sort("year", "rank", descending=[True, False], nulls_last=True, maintain_order=True)
    latest = latest.unique("CHILD", keep="first", maintain_order=True).select("CHILD", pl.col("sex").alias("latest"))
    known = known.join(latest, on="CHILD", how="left", maintain_order="left")
    findings.add_rows(SEX_DISAGREES, known.filter(pl.col("sex") != pl.col("latest")), "SEX")
    return latest.rename({"latest": "sex"})


def children_in_care(
    children: pl.DataFrame, episodes: pl.DataFrame, findings: Findings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the children who have episodes, born by their first; and the episodes of children whose birth is known.

    Parameters
    ----------
    children
        As of `read_children`.
    episodes
        CHILD, DECOM, file, row and others.
    """
    known = children.drop_nulls("birth")
    episodes_known = episodes.join(
        known.select(pl.col("child").alias("CHILD")), on="CHILD", how="semi", maintain_order="left"
    )
    findings.add_rows(NO_BIRTH, episodes.join(known, left_on="CHILD", right_on="child", how="anti"))
    first = episodes_known.group_by("CHILD").agg(pl.col("DECOM").min().alias("first_day"))
    without = known.join(first, left_on="child", right_on="CHILD", how="anti", maintain_order="left")
    for (file,), rows in without.group_by("file", maintain_order=True):
        findings.add(NO_EPISODE, int(str(file)), None, "CHILD", f"{NO_EPISODE.action} So {rows.height} of this file.")
    known = known.join(first, left_on="child", right_on="CHILD", how="inner").sort("child")
    known = _uncut(known, findings)
    late = pl.col("birth") > pl.col("first_day")
    findings.add_rows(BEFORE_BIRTH, known.filter(late), "DOB")
    known = known.with_columns(pl.min_horizontal("birth", "first_day").alias("birth"))
    return known.select("child", "birth", "sex", "uasc", "uasc_until"), episodes_known


def _uncut(known: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    on_first = pl.col("birth").dt.day() == 1
    share = known.select(on_first.mean()).item() if known.height >= _MANY else 0.0
    if share < _NEARLY_ALL:
        return known
    for (file,), rows in known.filter(on_first).group_by("file", maintain_order=True):
        findings.add(BIRTHS_CUT, int(str(file)), None, "DOB", f"{BIRTHS_CUT.action} So for {rows.height} children.")
    middle = pl.min_horizontal(pl.col("birth") + pl.duration(days=14), pl.max_horizontal("birth", "first_day"))
    return known.with_columns(pl.when(on_first).then(middle).otherwise("birth").alias("birth"))
