"""What the modules of a child must be to one another, told where they are not: rules of the census that matter here.

Numbers are those of the Department for Education's validation rules, as the public validator of Data to Insight for the
CIN Census has them. Two things are mended: plans of one kind that overlap, a conference that is told twice. The rest is
left as it is and told: the log is made of what the return says.

Limits of working days (45 for an assessment, 15 to a conference) are practice, not faults of the data: how many are
late is one finding for each file.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import polars as pl

from calibration.returns.cin_cells import SPEC
from calibration.returns.cin_clean import PARTS
from calibration.returns.cin_layout import MODULE
from calibration.returns.findings import Effect, Findings, Rule
from calibration.returns.working_days import working_days

Tables = dict[str, pl.DataFrame]


def _rule(number: str, sentence: str, action: str = "It was kept.", effect: Effect = "noted") -> Rule:
    return Rule(f"cin-{number.lower()}", sentence, action, f"CIN Census, rule {number}", effect)


NEED_PLANS_OVERLAP = _rule(
    "4004",
    "A child in need plan begins while another of the child is open.",
    "They were read as one plan, from the first day to the last.",
    "mended",
)
PROTECTION_PLANS_OVERLAP = _rule(
    "8940",
    "A child protection plan begins while another of the child is open (also rule 8935).",
    "They were read as one plan, from the first day to the last.",
    "mended",
)
CONFERENCE_TWICE = _rule(
    "2884",
    "The date of the initial conference stands in CINdetails and in Section47.",
    "It was read as the conference of the enquiry.",
    "mended",
)
TOGETHER = _rule(
    "4016",
    "A child in need plan and a child protection plan are open together.",
    "Both were kept; while both are open the child is on a child protection plan.",
)
BEFORE_REFERRAL = _rule("4015", "The child in need plan begins before the referral.")
BEGINS_BEFORE = Rule(
    "cin-begins-before-referral",
    "The assessment, enquiry or child protection plan begins before its referral.",
    "It was kept.",
    f"{SPEC}: modules of a case lie on or after its referral",
)
EPISODES_OVERLAP = _rule(
    "8820",
    "The referral comes while an earlier one of the child is open.",
    "Both were kept; the case is open while either is.",
)
ASSESSMENTS_OPEN = _rule("8896", "The referral has more than one assessment that is not finished.")
ENQUIRIES_OPEN = _rule("8890", "The section 47 enquiry begins while another of the referral goes on.")
NOT_ON_CONFERENCE = _rule("2885", "The child protection plan does not begin on the day of an initial conference.")
FEW_CONFERENCES = _rule("2883", "The referral has more child protection plans than initial conferences.")
UNFINISHED_ASSESSMENT = _rule("8867", "The referral was closed, and an assessment is not finished.")
UNFINISHED_ENQUIRY = _rule(
    "8868", "The referral was closed, and a section 47 enquiry has no conference and does not say that none is needed."
)
LONG_BEFORE_BIRTH = _rule("8606", "The referral is more than 40 weeks before the (expected) birth.")
OVER_25 = _rule("8775Q", "The child is older than 25 on the last day of the census.")
UNBORN_SEX = _rule("8750", "The sex of a child who is not born is told.")
AFTER_CLOSURE = _rule("8565", "Something began after the referral was closed.")
NONE_AND_SOME = Rule(
    "cin-factor-none-and-some",
    "The assessment found no factors (21), and has others.",
    "All were kept.",
    f"{SPEC}: 21 stands alone",
)
LETTER_BEFORE = _rule("9006", "The letter before proceedings is earlier than the beginning of pre-proceedings.")
COURT_BEFORE = _rule("9012", "The application to the court is earlier than the decision.")
LATE_ASSESSMENTS = _rule("8670Q", "Assessments took longer than 45 working days.", "They were kept: that is practice.")
LATE_CONFERENCES = _rule(
    "8675Q", "Conferences came later than 15 working days after the enquiry began.", "They were kept: that is practice."
)

_OPEN = date(9999, 12, 31)
_FAR = 10_000_000
"""More days than there are from 1970 to any date, either way."""
_OF_REFERRAL = ["child", "number"]


def mend(tables: Tables, findings: Findings) -> Tables:
    """Return the tables with what can stand in one way only; every change is a finding.

    Parameters
    ----------
    tables
        As `cin_clean.clean` gives them.
    """
    held = tables["enquiries"].select(*_OF_REFERRAL, "conference").drop_nulls().unique().with_columns(_held=True)
    referrals = tables["referrals"].join(held, on=[*_OF_REFERRAL, "conference"], how="left", maintain_order="left")
    findings.add_rows(CONFERENCE_TWICE, referrals.filter("_held"), "DateOfInitialCPC")
    once = pl.when(pl.col("_held").is_null()).then("conference").alias("conference")
    mended = dict(tables)
    mended["referrals"] = referrals.with_columns(once).drop("_held")
    mended["need_plans"] = _one_plan(tables["need_plans"], NEED_PLANS_OVERLAP, "CINPlanStartDate", findings)
    mended["protection_plans"] = _one_plan(
        tables["protection_plans"], PROTECTION_PLANS_OVERLAP, "CPPstartDate", findings
    )
    return mended


def _one_plan(plans: pl.DataFrame, rule: Rule, column: str, findings: Findings) -> pl.DataFrame:
    """Join plans of a child that overlap: referral and place of the first, last day of all, what was told last."""
    if plans.height < 2:
        return plans
    plans = plans.sort("child", "start", "end", nulls_last=True)
    end = pl.col("end").fill_null(_OPEN)
    again = (pl.struct("child", "start") == pl.struct("child", "start").shift(1)).fill_null(False)
    follows = (pl.col("start") < _end_before(["child"], end)).fill_null(False) | again
    plans = plans.with_columns(follows.alias("_follows"))
    findings.add_rows(rule, plans.filter("_follows"), column)
    run = (~pl.col("_follows")).cum_sum().alias("_run")
    last = pl.when(end.max() < _OPEN).then(end.max()).alias("end")
    others = [name for name in plans.columns if name not in ("end", "latest_category", "_follows")]
    latest = [pl.col("latest_category").last()] if "latest_category" in plans.columns else []
    joined = plans.with_columns(run).group_by("_run", maintain_order=True)
    return joined.agg(*(pl.col(name).first() for name in others), last, *latest).drop("_run")


def _end_before(keys: list[str], end: pl.Expr) -> pl.Expr:
    """Return the latest end of the rows before, of the same child or referral; null for its first.

    Parameters
    ----------
    keys
        Columns by which the frame is sorted first.
    """
    # One running maximum over all rows, in which each group starts above all that of the groups before: a window for
    # each of many children is slow.
    floor = pl.struct(keys).rle_id().cast(pl.Int64) * 2 * _FAR
    highest = (floor + _FAR + end.to_physical().cast(pl.Int64)).cum_max().forward_fill().shift(1)
    days = pl.when(highest > floor).then(highest - floor - _FAR)
    return days.cast(pl.Int32).cast(pl.Date)


def tell(tables: Tables, findings: Findings) -> None:
    """Tell what is odd and was left as it is.

    Parameters
    ----------
    tables
        As `mend` gives them.
    """
    for told in (_of_referrals, _of_children, _of_assessments, _of_enquiries, _of_plans, _of_pre_proceedings):
        for rule, rows, column in told(tables):
            findings.add_rows(rule, rows, column)
    held = tables["enquiries"].rename({"conference": "ended"})
    _tell_late(tables["assessments"].rename({"authorised": "ended"}), 45, LATE_ASSESSMENTS, findings)
    _tell_late(held, 15, LATE_CONFERENCES, findings)


_Told = Iterator[tuple[Rule, pl.DataFrame, str]]


def _of_referrals(tables: Tables) -> _Told:
    referrals = tables["referrals"]
    starts = pl.concat(
        tables[name].select(*_OF_REFERRAL, pl.col(MODULE[name].first.name).alias("_start"))
        for name in PARTS
        if name != "reviews"
    )
    latest = starts.group_by(_OF_REFERRAL).agg(pl.col("_start").max())
    after = referrals.join(latest, on=_OF_REFERRAL, how="left", maintain_order="left")
    yield AFTER_CLOSURE, after.filter(pl.col("_start") > pl.col("closure_told")), "CINclosureDate"
    for name in ("assessments", "enquiries", "protection_plans"):
        first = MODULE[name].first
        yield BEGINS_BEFORE, tables[name].filter(pl.col(first.name) < pl.col("referred")), first.element
    cases = referrals.filter(~pl.col("nfa")).sort("child", "referred")
    until_now = _end_before(["child"], pl.col("closed").fill_null(_OPEN))
    yield EPISODES_OVERLAP, cases.filter(pl.col("referred") < until_now), "CINreferralDate"
    births = tables["children"].select("child", pl.coalesce("birth", "expected_birth").alias("_birth"))
    known = referrals.join(births, on="child", how="left", maintain_order="left")
    early = pl.col("referred") < pl.col("_birth") - timedelta(weeks=40)
    yield LONG_BEFORE_BIRTH, known.filter(early), "CINreferralDate"


def _of_children(tables: Tables) -> _Told:
    children = tables["children"]
    unborn = pl.col("birth").is_null() & pl.col("expected_birth").is_not_null()
    yield UNBORN_SEX, children.filter(unborn & pl.col("sex").is_not_null()), "Sex"
    yield (
        OVER_25,
        children.filter(pl.col("birth").dt.offset_by("26y") <= pl.date(pl.col("year"), 3, 31)),
        "PersonBirthDate",
    )


def _of_assessments(tables: Tables) -> _Told:
    if not tables["assessments"].height:
        return
    assessments = _with_closure(tables, "assessments")
    open_ones = assessments.filter(pl.col("authorised").is_null()).sort("child", "number", "started")
    yield (
        ASSESSMENTS_OPEN,
        open_ones.filter(~pl.struct(_OF_REFERRAL).is_first_distinct()),
        "AssessmentAuthorisationDate",
    )
    yield UNFINISHED_ASSESSMENT, open_ones.filter(pl.col("closed").is_not_null()), "AssessmentAuthorisationDate"
    some = pl.col("factors").list.contains("21") & (pl.col("factors").list.len() > 1)
    yield NONE_AND_SOME, assessments.filter(some), "AssessmentFactors"


def _of_enquiries(tables: Tables) -> _Told:
    if not tables["enquiries"].height:
        return
    enquiries = _with_closure(tables, "enquiries").sort("child", "number", "started")
    needed = ~pl.col("conference_not_required").fill_null(False)
    open_one = pl.col("conference").is_null() & needed
    yield UNFINISHED_ENQUIRY, enquiries.filter(open_one & pl.col("closed").is_not_null()), "DateOfInitialCPC"
    goes_on = pl.when(open_one).then(_OPEN).when(needed).then("conference")
    until_now = _end_before(_OF_REFERRAL, goes_on)
    yield ENQUIRIES_OPEN, enquiries.filter(pl.col("started") < until_now), "S47ActualStartDate"


def _of_plans(tables: Tables) -> _Told:
    needs, plans = _with_closure(tables, "need_plans"), tables["protection_plans"]
    yield BEFORE_REFERRAL, needs.filter(pl.col("start") < pl.col("referred")), "CINPlanStartDate"
    if not plans.height:
        return
    both = needs.join(plans.select("child", pl.col("start").alias("_from"), pl.col("end").alias("_to")), on="child")
    overlap = (pl.col("start") < pl.col("_to").fill_null(_OPEN)) & (pl.col("_from") < pl.col("end").fill_null(_OPEN))
    yield TOGETHER, both.filter(overlap).unique(["file", "row"], maintain_order=True), "CINPlanStartDate"
    of_cases = tables["referrals"].select(*_OF_REFERRAL, "conference")
    held = pl.concat([of_cases, tables["enquiries"].select(*_OF_REFERRAL, "conference")]).drop_nulls().unique()
    on_the_day = held.rename({"conference": "start"})
    yield NOT_ON_CONFERENCE, plans.join(on_the_day, on=[*_OF_REFERRAL, "start"], how="anti"), "CPPstartDate"
    counts = (
        plans.group_by(_OF_REFERRAL)
        .len("_plans")
        .join(held.group_by(_OF_REFERRAL).len("_held"), on=_OF_REFERRAL, how="left")
    )
    few = counts.filter(pl.col("_plans") > pl.col("_held").fill_null(0))
    yield FEW_CONFERENCES, tables["referrals"].join(few, on=_OF_REFERRAL, how="semi"), "DateOfInitialCPC"


def _of_pre_proceedings(tables: Tables) -> _Told:
    rows = tables["pre_proceedings"]
    if not rows.height:
        return
    yield LETTER_BEFORE, rows.filter(pl.col("letter") < pl.col("started")), "LBPSentDate"
    yield COURT_BEFORE, rows.filter(pl.col("court") < pl.col("decided")), "CourtAppDate"


def _with_closure(tables: Tables, name: str) -> pl.DataFrame:
    referrals = tables["referrals"].select(*_OF_REFERRAL, "referred", pl.col("closure_told").alias("closed"))
    frame = tables[name].drop("referred", "closed", strict=False)
    return frame.join(referrals, on=_OF_REFERRAL, how="left", maintain_order="left")


def _tell_late(rows: pl.DataFrame, limit: int, rule: Rule, findings: Findings) -> None:
    rows = rows.drop_nulls("ended").filter(pl.col("ended") >= pl.col("started"))
    late = working_days(rows["started"], rows["ended"]) > limit
    for (file,), of_file in rows.filter(late).group_by("file", maintain_order=True):
        findings.add(rule, int(str(file)), None, "", f"{rule.action} So in {of_file.height} rows.")
