"""Who the children of a log are: one row each, whichever returns tell of it, in an order that says nothing of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import polars as pl

from abm.errors import CareError
from abm.pathway import WEEKS_PER_YEAR
from calibration.returns.assemble_facts import CARE, NEED
from calibration.returns.assemble_rules import TWO_BIRTHS
from calibration.returns.dates import days, week_of_date, year_of
from calibration.returns.findings import Findings
from calibration.returns.tables import CareTables, NeedTables

NOT_KNOWN = 2
"""Sex of a child whose return does not tell it; 0 and 1 as in `abm.population`."""
RNE_STARTED = "S"
"""Reason for a new episode: the child started to be looked after."""
_WEEKS_FIT = 32_000


@dataclass(frozen=True)
class Link:
    """Which child of the return of care is which of the return of need.

    `pairs` has the columns care and need (keys, trimmed and in capitals, each key once); None: those with the same key.
    """

    pairs: pl.DataFrame | None = None


def window(care: CareTables | None, need: NeedTables | None) -> tuple[int, int, int]:
    """Return the first year, the first week that all returns cover, and the week after the last one.

    Returns of whole years are seen from week 0; a list that begins within a year has weeks that nobody watched.
    """
    tables = [table for table in (care, need) if table is not None]
    if not tables:
        raise CareError("There is no return to make a log of", "journeys returns", "Name its files or their folder")
    begin, end = max(t.observed_from for t in tables), min(t.observed_to for t in tables)
    if begin >= end:
        raise CareError(
            "The returns of care and of need have no day in common", "journeys returns",
            "Read them one by one, or add the files of the years that both have",
        )  # fmt: skip
    first_year = int(year_of(days(begin)))
    first_week, n_weeks = week_of_date(begin, first_year), week_of_date(end, first_year) + 1
    if n_weeks > _WEEKS_FIT:
        raise CareError(f"The returns cover {n_weeks} weeks", "journeys returns", f"At most {_WEEKS_FIT} fit a log")
    return first_year, first_week, n_weeks


def gaps_of(
    care: CareTables | None, need: NeedTables | None, first_year: int, n_weeks: int
) -> tuple[tuple[int, int, int], ...]:
    """Return (NEED or CARE, from week, to before) of years between others of which that return was not read.

    Nobody who left in such a year is told of, but all who stayed are: these weeks are not watched.
    """
    found = []
    for tables, by in ((need, NEED), (care, CARE)):
        for before, after in pairwise(tables.years if tables is not None else ()):
            begin, end = (before - first_year + 1) * WEEKS_PER_YEAR, (after - first_year) * WEEKS_PER_YEAR
            begin, end = max(begin, 0), min(end, n_weeks)
            if end > begin:
                found.append((by, begin, end))
    return tuple(found)


_BEGINS = {
    "assessments": "started", "enquiries": "started", "need_plans": "start", "protection_plans": "start",
    "pre_proceedings": "started",
}  # fmt: skip


def untold_cases(need: NeedTables, begin: date) -> pl.DataFrame:
    """Return cases that were open before the first file, and of which nothing is told that began before the log.

    Columns child (key), file, row, and bare: nothing is told of it at all.
    """
    of_case = ["child", "number"]
    begun = pl.concat(getattr(need, name).select(*of_case, pl.col(day).alias("began")) for name, day in _BEGINS.items())
    first = begun.group_by(of_case).agg(pl.col("began").min())
    open_then = pl.col("closed").is_null() | (pl.col("closed") >= begin)
    cases = need.referrals.filter(
        ~pl.col("nfa") & (pl.col("referred") < need.observed_from) & open_then
    ).join(first, on=of_case, how="left", maintain_order="left")  # fmt: skip
    cases = cases.filter(pl.col("began").is_null() | (pl.col("began") >= begin))
    return cases.select("child", "file", "row", pl.col("began").is_null().alias("bare"))


def last_told_before(need: NeedTables) -> dict[date, date]:
    """Return the last day of years between others of which the return was not read, and the last day told before it."""
    return {date(after - 1, 3, 31): date(before, 3, 31) for before, after in pairwise(need.years) if after > before + 1}


def people_of(
    care: CareTables | None, need: NeedTables | None, link: Link | None, findings: Findings
) -> pl.DataFrame:  # fmt: skip
    """Return one row a child, in the order of the log.

    Columns: care, need (keys, "" for none), birth, sex, uasc, sees (NEED, CARE or both), differ (the returns tell two
    births), clock_known, planned_before (least history).
    """
    text = pl.String
    of_care = pl.DataFrame(
        schema={"care": text, "birth": pl.Date, "sex": pl.UInt8, "uasc": pl.Boolean}
    ) if care is None else care.children.select(pl.col("child").alias("care"), "birth", "sex", "uasc")  # fmt: skip
    of_need = pl.DataFrame(
        schema={"need": text, "need_birth": pl.Date, "need_sex": pl.UInt8}
    ) if need is None else need.children.select(
        pl.col("child").alias("need"), pl.coalesce("birth", "expected_birth").alias("need_birth"),
        pl.col("sex").alias("need_sex"),
    )  # fmt: skip
    if link is None:
        pairs = pl.DataFrame(schema={"care": text, "need": text})
    elif link.pairs is None:
        pairs = of_care.join(of_need, left_on="care", right_on="need").select("care", pl.col("care").alias("need"))
    else:
        pairs = link.pairs.join(of_care, on="care", how="semi").join(of_need, on="need", how="semi")
    people = (
        of_care.join(pairs, on="care", how="left")
        .join(of_need, on="need", how="full", coalesce=True)
        .with_columns(
            differ=(pl.col("birth") != pl.col("need_birth")).fill_null(False),
            birth=pl.coalesce("birth", "need_birth"),
            sex=pl.coalesce("sex", "need_sex", pl.lit(NOT_KNOWN)).cast(pl.UInt8),
            uasc=pl.col("uasc").fill_null(False),
        )
    )
    # One link between the two returns: then each would tell of every child of the other. Where it joins no child,
    # it is none: that nobody of one return is found in the other says nothing of what happens to children.
    linked = pairs.height > 0
    sees = NEED * (pl.col("need").is_not_null() | (linked and need is not None)).cast(pl.UInt8) + CARE * (
        pl.col("care").is_not_null() | (linked and care is not None)
    ).cast(pl.UInt8)
    people = people.with_columns(sees.cast(pl.UInt8).alias("sees"), pl.col("care", "need").fill_null(""))
    people = people.select("care", "need", "birth", "sex", "uasc", "sees", "differ")
    people = people.join(_known_of_care(care, findings, people), on="care", how="left", maintain_order="left")
    people = people.join(_known_of_need(need), on="need", how="left", maintain_order="left")
    people = people.with_columns(
        pl.col("clock_known").fill_null(True), pl.col("planned_before").fill_null(0).cast(pl.UInt8)
    )
    return _in_an_order_of_its_own(people)


def _in_an_order_of_its_own(people: pl.DataFrame) -> pl.DataFrame:
    """Return children in the order of a digest of their keys, which is keyed by a digest of all that is told."""
    everything = hashlib.sha256()
    told = people.select("care", "need", "birth", "sex").sort("care", "need").cast(pl.String).fill_null("")
    for row in told.iter_rows():
        everything.update(("\x1f".join(row) + "\n").encode())
    key = everything.digest()
    names = (people["care"] + "\x1f" + people["need"]).to_list()
    place = [hashlib.blake2b(name.encode(), key=key, digest_size=16).digest() for name in names]
    return people.with_columns(pl.Series("place", place)).sort("place", "care", "need").drop("place")


def _known_of_care(care: CareTables | None, findings: Findings, people: pl.DataFrame) -> pl.DataFrame:
    """Return children whose time in care at the beginning of the log is not known; tell dates of birth that differ."""
    if care is None:
        return pl.DataFrame(schema={"care": pl.String, "clock_known": pl.Boolean})
    first = care.episodes.unique("child", keep="first", maintain_order=True)
    differ = people.filter("differ")["care"]
    findings.add_rows(TWO_BIRTHS, first.filter(pl.col("child").is_in(differ.implode())), "DOB")
    # The reader of the return tells it, as a finding.
    begun = first.filter(pl.col("rne").ne_missing(RNE_STARTED))
    return begun.select(pl.col("child").alias("care"), clock_known=pl.lit(False))


def _known_of_need(need: NeedTables | None) -> pl.DataFrame:
    """Return the least history of children who are said to have had a plan before."""
    if need is None:
        return pl.DataFrame(schema={"need": pl.String, "planned_before": pl.UInt8})
    plans = need.protection_plans.unique("child", keep="first", maintain_order=True)
    return plans.filter(pl.col("previous_plans") > 0).select(
        pl.col("child").alias("need"), planned_before=pl.lit(2, pl.UInt8)
    )
