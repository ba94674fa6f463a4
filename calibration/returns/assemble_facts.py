"""Clean tables as facts: what a return tells of a child on a day, in the kinds that `assemble_loop` understands.

Two things a return does not say are worked out here, the same for all children:

* *When an enquiry ended.* The CIN Census has no such date. It ended with its conference; where none was held or needed,
  when the assessment that ran beside it was authorised; or when a plan began. It goes on beside an assessment that is
  not authorised when the files end, but only if less than the ASSESSED_WITHIN working days that an assessment may take
  are over then: else nobody finished that one, and it says nothing of the enquiry. Any other is taken to end with the
  CONFERENCE_WITHIN working days after which a conference is to be held at the latest (Working Together to Safeguard
  Children 2023, for both limits), or with the closure if that is earlier; a finding says so.
* *What an assessment found.* Where the case was closed after the assessment (RC8, RC9, or in the week of its
  authorisation) and no plan was made, the child is being assessed up to the closure. Else a child in need was found on
  the day of the authorisation, and is on a child in need plan while the case is open and nothing more serious is: plans
  are returned from 2022 only, so before that they cannot be told otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from abm.pathway import Journey
from calibration.returns import assemble_loop as loop
from calibration.returns.assemble_routes import EXITS
from calibration.returns.cin_clean import UNSEEN
from calibration.returns.dates import weeks_of
from calibration.returns.ssda903_codes import BY_AGE, CODES
from calibration.returns.ssda903_homes import with_homes
from calibration.returns.working_days import after_working_days

CARE, NEED = 2, 1
"""Which return a fact is from; their sum says what is seen of a child."""
SCHEMA = {
    "child": pl.Int32, "day": pl.Int32, "kind": pl.UInt8, "code": pl.UInt8, "late": pl.UInt8, "turn": pl.UInt32,
    "file": pl.UInt16, "row": pl.UInt32,
}  # fmt: skip
"""Columns of facts. `late` is 1 for what ends on the day it began, which is taken after all that begins; `turn` keeps
the order of facts that nothing else tells apart."""
CONFERENCE_WITHIN = 15
"""Working days from the strategy discussion that begins an enquiry to the conference; we count from the enquiry."""
ASSESSED_WITHIN = 45
"""Working days from the referral to the end of the assessment; we count from the assessment."""
_RANK = ("child", "day", "late", "kind", "turn")
_DIED, _MOVED_ABROAD = "E2", "E16"
_OF_REFERRAL = ["child", "number"]


def in_order(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Return all facts by child and day, in the order in which those of a day are taken."""
    return pl.concat(parts).sort(_RANK, maintain_order=True)


def _facts(frame: pl.DataFrame | pl.LazyFrame, kind: int | pl.Expr, day: pl.Expr, code: int | pl.Expr = 0,
           late: bool | pl.Expr = False) -> pl.DataFrame:  # fmt: skip
    """Return facts of the rows of a frame in which `day` is not null."""

    def of(value: int | bool | pl.Expr, name: str) -> pl.Expr:
        return (value if isinstance(value, pl.Expr) else pl.lit(value)).cast(SCHEMA[name]).alias(name)

    made = frame.lazy().with_row_index("turn").select(
        pl.col("child"), day.cast(pl.Int32).alias("day"), of(kind, "kind"), of(code, "code"), of(late, "late"),
        pl.col("turn").cast(pl.UInt32), pl.col("file"), pl.col("row"),
    )  # fmt: skip
    return made.filter(pl.col("day").is_not_null()).collect()


def care_facts(episodes: pl.DataFrame, journey: Journey) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the facts of episodes (whose `child` is a number), and those with a home that is not known.

    Also returned beside: file and row of episodes without a known home, taken as another kind of home.
    """
    told = with_homes(episodes)
    unknown = told.filter(pl.col("home").is_null()).select("file", "row")
    state = {key: number for key, number in journey.state_index.items()}
    home = pl.col("home").fill_null("other_placement").replace_strict(state, return_dtype=pl.UInt8)
    told = told.with_columns(home.alias("home"))
    of_period = ["child", "period"]
    first = pl.int_range(pl.len()).over(of_period) == 0
    last = pl.int_range(pl.len()).over(of_period) == pl.len().over(of_period) - 1
    told = told.with_columns(
        first.alias("first"), last.alias("last"),
        (pl.col("home") != pl.col("home").shift().over(of_period)).fill_null(False).alias("changed"),
        (pl.col("period") == pl.col("period").max().over("child")).alias("latest"),
    )  # fmt: skip
    # A period whose beginning is not told began at this episode or before it.
    presumed = pl.col("rne").ne_missing("S").cast(pl.UInt8) * loop.PRESUMED
    began = _facts(told.filter("first"), loop.CARE_BEGAN, pl.col("start"), pl.col("home") + presumed)
    moves = told.filter(~pl.col("first") & (pl.col("changed") | pl.col("moved")))
    moved = _facts(moves, loop.MOVED, pl.col("start"), pl.col("home") + pl.col("moved").cast(pl.UInt8) * loop.NEW_CARER)
    exits = {name: number for number, name in enumerate(EXITS)} | {BY_AGE: loop.AT_18}
    rec = pl.col("rec")
    by_rec = {code: exits[meaning] for code, meaning in CODES.mapped("REC").items() if meaning in exits}
    by_rec |= {code: by_rec[code] + loop.GONE_TOO for code in (_DIED, _MOVED_ABROAD)}
    not_told = pl.when("latest").then(loop.LOST).otherwise(loop.UNKNOWN_EXIT)
    code = rec.replace_strict(by_rec, default=None, return_dtype=pl.UInt8).fill_null(not_told.cast(pl.UInt8))
    ended = _facts(told.filter("last"), loop.CARE_ENDED, pl.col("end"), code, pl.col("start") == pl.col("end"))
    return pl.concat([began, moved, ended]), unknown


def need_facts(
    frames: dict[str, pl.DataFrame], until: date, last_told_before: Mapping[date, date]
) -> tuple[pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """Return the facts of referrals and what followed (`frames`: the tables with `child` a number).

    `until` is the last day that the files cover. What ends on the last day of years without a census ended in these
    years: when is not told. `last_told_before` has these days, and before each the last day that was told.

    Also returned beside: file and row of referrals that say "no further action" although something followed; they are
    taken as referrals that went on.
    """
    referrals = frames["referrals"]
    parts = ("assessments", "enquiries", "need_plans", "protection_plans", "pre_proceedings")
    followed = pl.concat([frames[name].select(_OF_REFERRAL) for name in parts]).unique()
    plans = pl.concat([frames[name].select(_OF_REFERRAL) for name in ("need_plans", "protection_plans")]).unique()
    referrals = referrals.join(
        followed.with_columns(followed=pl.lit(True)), on=_OF_REFERRAL, how="left", maintain_order="left"
    ).join(plans.with_columns(planned=pl.lit(True)), on=_OF_REFERRAL, how="left", maintain_order="left")
    referrals = referrals.with_columns(pl.col("followed", "planned").fill_null(False))
    contrary = referrals.filter(pl.col("nfa") & pl.col("followed")).select("file", "row")
    referrals = referrals.with_columns((pl.col("nfa") & ~pl.col("followed")).alias("nfa"))
    reason = pl.col("closure_reason")
    closure = (
        pl.when(reason == "RC8").then(loop.CLOSED_AFTER_ASSESSMENT)
        .when(reason.is_in(["RC3", "RC4"])).then(loop.CLOSED_BY_ORDER)
        .when(reason.is_in(["RC2", "RC5"])).then(loop.CLOSED_GONE)
        .when(reason == UNSEEN).then(loop.CLOSED_UNSEEN)
        .otherwise(loop.CLOSED_OTHERWISE)
    )  # fmt: skip
    closed_today = pl.col("closed") == pl.col("referred")
    out = [
        _facts(referrals, loop.REFERRED, pl.col("referred"), pl.col("nfa")),
        _facts(
            referrals.filter(~pl.col("nfa")),
            pl.when(closed_today).then(loop.CLOSED_SAME_DAY).otherwise(loop.CLOSED),
            pl.col("closed"), closure,
        ),
    ]  # fmt: skip
    cases = referrals.select(
        *_OF_REFERRAL, "closed", "closure_reason", "planned", pl.col("conference").alias("case_conference"), "referred"
    )

    def with_case(name: str) -> pl.DataFrame:
        return frames[name].join(cases, on=_OF_REFERRAL, how="left", maintain_order="left")

    def ends(frame: pl.DataFrame, began: str, ended: str, kinds: tuple[int, int], code: int | pl.Expr = 0) -> None:
        """Add facts for what begins and ends; nothing outlasts the case, or ends before it began."""
        begin = pl.col(began)
        end = pl.max_horizontal(begin, pl.min_horizontal(pl.col(ended), pl.col("closed")))
        end = pl.when(pl.col(ended).is_null() & pl.col("closed").is_null()).then(None).otherwise(end)
        out.append(_facts(frame, kinds[0], begin))
        out.append(_facts(frame, kinds[1], end, code, end == begin))

    assessments = with_case("assessments")
    assessments = assessments.with_columns(
        soon=weeks_of(assessments["closed"], 2000) == weeks_of(assessments["authorised"], 2000)
    )
    unfounded = ~pl.col("planned") & (pl.col("closure_reason").is_in(["RC8", "RC9"]) | pl.col("soon"))
    found = pl.col("authorised").is_not_null() & ~unfounded.fill_null(False)
    ends(assessments, "started", "authorised", (loop.ASSESSMENT_BEGAN, loop.ASSESSMENT_ENDED), found)
    starts = pl.concat([frames[name].select(*_OF_REFERRAL, "start") for name in ("need_plans", "protection_plans")])
    enquiries = _ended_enquiries(with_case("enquiries"), frames["assessments"], starts, until, last_told_before)
    held = (pl.col("ended") == pl.col("met")).fill_null(False)
    how = pl.when(held).then(loop.CONFERENCE).when("capped").then(loop.CAPPED).otherwise(loop.WITHOUT_CONFERENCE)
    ends(enquiries, "started", "ended", (loop.ENQUIRY_BEGAN, loop.ENQUIRY_ENDED), how)
    unseen = pl.col("end").is_in(list(last_told_before)).fill_null(False).cast(pl.UInt8) * loop.ENDED_UNSEEN
    ends(with_case("need_plans"), "start", "end", (loop.NEED_PLAN_BEGAN, loop.NEED_PLAN_ENDED), unseen)
    ends(with_case("protection_plans"), "start", "end", (loop.PROTECTION_BEGAN, loop.PROTECTION_ENDED), unseen)
    ends(with_case("pre_proceedings"), "started", "decided", (loop.PRE_PROCEEDINGS_BEGAN, loop.PRE_PROCEEDINGS_ENDED))
    help_ = frames["early_help"].with_columns(closed=pl.lit(None, pl.Date))
    ends(help_, "start", "end", (loop.EARLY_HELP_BEGAN, loop.EARLY_HELP_ENDED))
    deaths = frames["children"].with_columns(file=pl.lit(0, pl.UInt16), row=pl.lit(0, pl.UInt32))
    out.append(_facts(deaths, loop.DIED, pl.col("death")))
    return pl.concat(out), contrary


def _ended_enquiries(
    enquiries: pl.DataFrame, assessments: pl.DataFrame, plans: pl.DataFrame, until: date,
    last_told_before: Mapping[date, date],
) -> pl.DataFrame:  # fmt: skip
    """Return enquiries with `met`, the day of their conference, `ended`, the day on which they ended, and `capped`.

    Parameters
    ----------
    plans
        Referral and start of plans of both kinds.
    until, last_told_before
        As in `need_facts`.
    """
    by = [*_OF_REFERRAL, "started"]
    # A conference that is told of the case as a whole belongs to the last enquiry before it.
    later = pl.col("started").shift(-1).over(_OF_REFERRAL)
    of_case = pl.col("case_conference")
    mine = (of_case >= pl.col("started")) & (later.is_null() | (later > of_case))
    enquiries = enquiries.sort(by, maintain_order=True).with_columns(
        pl.coalesce("conference", pl.when(mine).then(of_case)).alias("met")
    )
    authorised = (
        assessments.filter(pl.col("authorised").is_not_null())
        .select(*_OF_REFERRAL, pl.col("authorised"))
        .sort("authorised")
    )
    enquiries = (
        enquiries.with_row_index("at").sort("started")
        .join_asof(
            authorised, left_on="started", right_on="authorised", by=_OF_REFERRAL, strategy="forward",
            check_sortedness=False, coalesce=False,
        )
        .sort("at").drop("at")
    )  # fmt: skip
    waits = pl.col("conference_not_required").fill_null(True).not_()
    ended = pl.coalesce("met", pl.when(waits).then(None).otherwise(pl.col("authorised")))
    # A plan ends the enquiry when it begins. An assessment that is not finished goes on for as long as it may.
    unfinished = assessments.filter(pl.col("authorised").is_null()).group_by(_OF_REFERRAL).agg(pl.col("started").max())
    within = after_working_days(unfinished["started"], ASSESSED_WITHIN).alias("within")
    planned = plans.group_by(_OF_REFERRAL).agg(pl.col("start").max().alias("planned_at"))
    enquiries = (
        enquiries.join(unfinished.select(*_OF_REFERRAL, within), on=_OF_REFERRAL, how="left", maintain_order="left")
        .join(planned, on=_OF_REFERRAL, how="left", maintain_order="left")
    )  # fmt: skip
    # That a case was closed in a year without a census says nothing of what went on before.
    last_told = pl.col("closed").replace(last_told_before) if last_told_before else pl.col("closed")
    open_on = (
        pl.when(pl.col("closed").is_null()).then(pl.lit(until)).when(pl.col("closure_reason") == UNSEEN).then(last_told)
    )
    going_on = (pl.col("within") >= open_on).fill_null(False)
    going_on = going_on | (pl.col("planned_at") >= pl.col("started")).fill_null(False)
    cap = after_working_days(enquiries["started"], CONFERENCE_WITHIN)
    capped = ended.is_null() & ~going_on & (pl.col("closed").is_null() | (pl.col("closed") > cap))
    return enquiries.with_columns(
        pl.when(capped).then(cap).otherwise(ended).alias("ended"), capped.alias("capped")
    )  # fmt: skip
