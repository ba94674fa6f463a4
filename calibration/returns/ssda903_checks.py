"""What is odd in episodes and left as it is: told, so that an authority can put it right at its source."""

from __future__ import annotations

from datetime import date

import polars as pl

from calibration.returns.findings import Findings, Rule
from calibration.returns.ssda903_cells import begins, ends
from calibration.returns.ssda903_homes import with_homes

BEGUN_BEFORE = Rule(
    "903-care-began-before",
    "The child was looked after before the first return that was read, and when that began is not in it.",
    "The child is followed from the first return on: the time in care before is not known.",
    "RNE of the first episode is not S",
)
NOT_STARTED = Rule(
    "903-period-without-s",
    "A period of care begins with an episode whose RNE is not S.",
    "It was read as the beginning of a period of care.",
    "DfE rule 357",
)
NEED_CHANGED = Rule(
    "903-need-changed", "The category of need changes within a period of care.", "It was left as it is.", "DfE rule 504"
)
TEMPORARY_FIRST = Rule(
    "903-temporary-first",
    "A period of care begins with a temporary placement.",
    "The home that follows was taken from the beginning on.",
    "DfE rule 380",
)
TEMPORARY_LAST = Rule(
    "903-temporary-last",
    "A period of care ends with a temporary placement.",
    "The home it interrupted was taken to the end.",
    "DfE rule 381",
)
NO_RETURN = Rule(
    "903-temporary-without-return",
    "A temporary placement is not followed by the placement it interrupted.",
    "It was read as a change of home where the temporary placement ends.",
    "DfE rule 383",
)
PAST_18 = Rule(
    "903-past-18",
    "The episode ends more than a month after the 18th birthday, or is open then.",
    "It was left as it is.",
    "A child is looked after until the 18th birthday at the latest",
)
PARENTS_V2 = Rule(
    "903-parents-under-v2",
    "A child accommodated under section 20 is placed with parents.",
    "It was left as it is.",
    "DfE rule 378",
)
TOO_YOUNG = Rule(
    "903-too-young-for-place",
    "The child is younger than the placement allows.",
    "It was left as it is.",
    "DfE rule 374 and the like: H5 and K3 from 16, P3 from 14, R5 from 10",
)
_LEAST_AGE = {"H5": 16, "K3": 16, "P3": 14, "R5": 10}


def check(episodes: pl.DataFrame, children: pl.DataFrame, observed_from: date, findings: Findings) -> None:
    """Tell what is odd in mended episodes.

    Parameters
    ----------
    episodes
        With the columns of the return, mended.
    children
        child, birth.
    """
    rows = episodes.select(
        pl.col("CHILD").alias("child"), pl.col("DECOM").alias("start"), pl.col("DEC").alias("end"),
        pl.col("RNE").alias("rne"), pl.col("LS").alias("legal"), pl.col("CIN").alias("need"),
        pl.col("PLACE").alias("place"), pl.col("PLACE_PROVIDER").alias("provider"), pl.col("REC").alias("rec"),
        "file", "row", pl.col("year"),
    )  # fmt: skip
    rows = with_homes(rows).join(children.select("child", "birth"), on="child", how="left", maintain_order="left")
    chain = ("child", "period")
    rows = rows.with_columns(begins(*chain).alias("first"), ends(*chain).alias("last"))
    first, last, temporary = pl.col("first"), pl.col("last"), pl.col("temporary")
    unstarted = first & (pl.col("rne") != "S")
    before = unstarted & (pl.col("period") == 0) & (pl.col("start") < observed_from)
    after_temporary = pl.col("temporary").shift(1, fill_value=False) & ~first
    end = pl.coalesce("end", pl.date(pl.col("year"), 3, 31))
    age = pl.col("place").replace_strict(_LEAST_AGE, default=None, return_dtype=pl.Int64)
    # A birth cut to the month may be a month early, so a month is allowed.
    grown_up = pl.col("birth").dt.offset_by("18y1mo")
    odd = (
        (BEGUN_BEFORE, before, "RNE"),
        (NOT_STARTED, unstarted & ~before, "RNE"),
        (NEED_CHANGED, ~first & (pl.col("need") != pl.col("need").shift(1)), "CIN"),
        (TEMPORARY_FIRST, first & temporary, "PLACE"),
        (TEMPORARY_LAST, last & temporary & pl.col("end").is_not_null(), "PLACE"),
        (NO_RETURN, after_temporary & pl.col("moved"), "PLACE"),
        (PAST_18, end > grown_up, "DEC"),
        (PARENTS_V2, (pl.col("place") == "P1") & (pl.col("legal") == "V2"), "PLACE"),
        (TOO_YOUNG, pl.col("start") < pl.col("birth").dt.offset_by(pl.format("{}y", age)), "PLACE"),
    )
    for rule, is_odd, column in odd:
        findings.add_rows(rule, rows.filter(is_odd.fill_null(False)), column)
