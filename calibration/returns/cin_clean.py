"""Modules of one census or of several become clean tables: each fact once, as the latest census tells it.

    children    one row for each child; a later census corrects an earlier one
    referrals   one for each child and day; numbered by date
    modules     each beside its referral, once for each child, referral and date

What the years do to one another. A census holds what was open at some time of its year, so whatever is open on 31 March
stands in the next one too, which knows better: the row of the latest census is taken. What an earlier census tells and
a later one no longer does (an assessment that was finished before) is kept. What was open at the end of one census and
is missing in a later one ended somewhere between: it is ended on 31 March, with a finding, and of a closure the reason
is UNSEEN. Where censuses are missing between, that is the 31 March before the next one, or the day before the child's
next case or plan of the kind began, since one ends before the other begins: so it falls into weeks that are not
watched, and is not counted.

A module that does not say which referral it belongs to gets the latest one on or before its day; where a child has
none, one is read on that day, because the census holds no referral that was closed before its year.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import polars as pl

from calibration.returns.cin_cells import ENDS, SPEC, key_of_child, typed
from calibration.returns.cin_layout import MODULE, MODULES
from calibration.returns.findings import Findings, Rule

CHILD_TWICE = Rule(
    "cin-child-twice", "The same LAchildID stands in two children of one census.", "They were read as one child.",
    f"{SPEC}: LAchildID is unique", "mended",
)  # fmt: skip
BIRTH_CHANGED = Rule(
    "cin-birth-changed", "The date of birth differs from that of a later row.", "The latest was used.", SPEC, "mended"
)
BIRTH_AHEAD = Rule(
    "cin-birth-after-census", "The date of birth is after the last day that the file covers.",
    "It was read as the date on which the birth is expected.", f"{SPEC}: ExpectedPersonBirthDate", "mended",
)  # fmt: skip
NO_BIRTH = Rule("cin-no-birth", "The child has neither a date of birth nor an expected one.", "It was kept.", SPEC)
BIRTHS_CUT = Rule(
    "cin-births-cut", "Births are cut to the first of the month, as is done for privacy.",
    "Births on the first were put on the 15th, or on the child's first referral where that is earlier.",
    effect="mended",
)  # fmt: skip
NOT_A_CHILD_ROW = Rule(
    "cin-no-identifiers", "The child is not in ChildIdentifiers.", "It was kept, without birth and sex.", SPEC
)
NO_DETAILS = Rule(
    "cin-no-details", "The child has no CINdetails in this census.",
    "Nothing of this census is known of the child: it is in the log only if another tells of it.",
    f"{SPEC}: every child has a CINdetails",
)  # fmt: skip
REFERRAL_TWICE = Rule(
    "cin-referral-twice", "The child has two referrals on one day.",
    "They were read as one, accepted if either was.", f"{SPEC}: episodes of a child do not overlap (rule 8820)",
    "mended",
)  # fmt: skip
ROW_TWICE = Rule(
    "cin-row-twice", "The same child, referral and date stand twice in one census.", "The last was used.", SPEC,
    "left out",
)  # fmt: skip
NO_REFERRAL = Rule(
    "cin-no-such-referral", "The row names a referral that the census does not hold, or none.",
    "It was put to the latest referral on or before its day.", f"{SPEC}: modules stand in CINdetails", "mended",
)  # fmt: skip
REFERRAL_MADE = Rule(
    "cin-referral-made", "The child has no referral on or before the day of this row.",
    "A referral was read on that day.", f"{SPEC}: modules stand in CINdetails", "mended",
)  # fmt: skip
VANISHED = Rule(
    "cin-not-repeated", "It is open at the end of its census and a later census does not hold it.",
    "It was ended on 31 March before the next census that was read, or on the day before the child's next one began "
    "where that is in a year without a census.",
    f"{SPEC}: cases open at any time of the year are in the census", "mended",
)  # fmt: skip
OPEN_PAST_CLOSURE = Rule(
    "cin-open-past-closure", "It is still open though the referral was closed.", "It was ended with the closure.",
    f"{SPEC}: a closed case has no open plan", "mended",
)  # fmt: skip
NO_REASON = Rule(
    "cin-closure-without-reason", "The referral was closed, and no reason is told.", "It was kept.",
    f"{SPEC}: both or neither",
)  # fmt: skip
ACTED_UPON = Rule(
    "cin-8831", "The referral is marked as without further action, and there was further action.",
    "The referral was read as accepted.", "CIN Census, rule 8831", "mended",
)  # fmt: skip
NO_CLOSURE = Rule(
    "cin-reason-without-closure", "There is a reason for closure and no date.", "The reason was read as blank.",
    f"{SPEC}: both or neither", "left out",
)  # fmt: skip

PARTS = tuple(module.table for module in MODULES if module.table not in ("children", "referrals"))
"""Modules that belong to a referral."""
UNSEEN = "RC99"
"""Reason for a closure that nobody saw: no census has it."""
_ORDER = ("year", "file", "row")
_MANY, _NEARLY_ALL = 20, 0.9


def clean(
    raw: Mapping[str, pl.DataFrame], years: Sequence[int], findings: Findings, *, linked: bool = True
) -> dict[str, pl.DataFrame]:
    """Return the tables of `NeedTables`, early help left out, each with `year`, the latest census that tells of it.

    Referrals also have `closure_told`, the closure as the return tells it.

    Parameters
    ----------
    raw
        Table -> child, details (key of the referral within its census) and the fields of `cin_layout`, all str, file
        u16, row u32, year i32, until date, group u32 (which census). Of referrals of one year and day, those of the
        highest `order` (if it is there) tell last.
    years
        The censuses that were read, in order.
    linked
        Whether modules say which referral they belong to; where they do not, that is no finding.
    """
    parts = {module.table: typed(module, raw[module.table], findings) for module in MODULES}
    if linked:
        _tell_without_details(parts["children"], raw["referrals"], findings)
    referrals = _referrals(parts["referrals"], findings)
    keys = parts["referrals"].select("group", "child", "details", "referred").drop_nulls("details")
    keys = keys.unique(["group", "child", "details"], keep="last", maintain_order=True)
    modules = {name: _with_referral(name, parts[name], keys, referrals, findings, linked) for name in PARTS}
    referrals, modules = _with_made_referrals(referrals, modules, findings)
    number = pl.int_range(pl.len()).over("child").cast(pl.UInt16).alias("number")
    referrals = _accepted(referrals, modules, findings).sort("child", "referred").with_columns(number)
    numbers = referrals.select("child", "referred", "number", "closed")
    referrals = _vanished(referrals, "referrals", years, findings)
    done = {name: _once(name, frame, numbers, years, findings) for name, frame in modules.items()}
    named = [frame.select("child", "file", "row", "year") for frame in (referrals, *done.values())]
    children = _children(parts["children"], pl.concat(named), findings)
    return {"children": _uncut(children, referrals, findings), "referrals": referrals, **done}


# Children -------------------------------------------------------------------------------------------------------------


def _children(rows: pl.DataFrame, named: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Return one row for each child: the latest cell of each kind that is not blank."""
    ahead = pl.col("birth") > pl.col("until")
    findings.add_rows(BIRTH_AHEAD, rows.filter(ahead), "PersonBirthDate")
    rows = rows.with_columns(
        pl.when(ahead).then(pl.coalesce("expected_birth", "birth")).otherwise("expected_birth").alias("expected_birth"),
        pl.when(~ahead).then("birth").alias("birth"),
    ).sort(_ORDER)
    findings.add_rows(CHILD_TWICE, rows.filter(~pl.struct("group", "child").is_first_distinct()), "LAchildID")
    latest = pl.col("birth").drop_nulls().last().over("child")
    findings.add_rows(BIRTH_CHANGED, rows.filter(pl.col("birth") != latest), "PersonBirthDate")
    cells = ("birth", "expected_birth", "sex", "death")
    children = rows.group_by("child", maintain_order=True).agg(
        *(pl.col(name).drop_nulls().last() for name in cells), *(pl.col(name).last() for name in _ORDER)
    )
    unborn = pl.col("birth").is_null() & pl.col("expected_birth").is_null()
    findings.add_rows(NO_BIRTH, children.filter(unborn), "PersonBirthDate")
    others = (
        named.join(children, on="child", how="anti").sort(_ORDER).unique("child", keep="first", maintain_order=True)
    )
    findings.add_rows(NOT_A_CHILD_ROW, others, "LAchildID")
    return pl.concat([children, others], how="diagonal_relaxed").sort("child")


def _tell_without_details(children: pl.DataFrame, details: pl.DataFrame, findings: Findings) -> None:
    """Tell children of a census without a referral, legible or not."""
    keys = details.select("group", key_of_child().alias("child")).unique()
    findings.add_rows(NO_DETAILS, children.join(keys, on=["group", "child"], how="anti"), "CINdetails")


def _uncut(children: pl.DataFrame, referrals: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Put births in the middle of their month where nearly all are on its first day."""
    births = children.drop_nulls("birth")
    on_first = pl.col("birth").dt.day() == 1
    if births.height < _MANY or births.select(on_first.mean()).item() < _NEARLY_ALL:
        return children
    for (file,), rows in births.filter(on_first).group_by("file", maintain_order=True):
        done = f"{BIRTHS_CUT.action} So for {rows.height} children."
        findings.add(BIRTHS_CUT, int(str(file)), None, "PersonBirthDate", done)
    first = referrals.group_by("child").agg(pl.col("referred").min().alias("_first"))
    children = children.join(first, on="child", how="left", maintain_order="left")
    middle = pl.min_horizontal(pl.col("birth") + pl.duration(days=14), pl.max_horizontal("birth", "_first"))
    return children.with_columns(pl.when(on_first).then(middle).otherwise("birth").alias("birth")).drop("_first")


# Referrals ------------------------------------------------------------------------------------------------------------


def _referrals(rows: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Return each child's referrals once: two of one day in one census are one; of several censuses the latest."""
    unfounded = pl.col("closure_reason").is_not_null() & pl.col("closed").is_null()
    findings.add_rows(NO_CLOSURE, rows.filter(unfounded), "ReasonForClosure")
    unexplained = pl.col("closed").is_not_null() & pl.col("closure_reason").is_null()
    findings.add_rows(NO_REASON, rows.filter(unexplained), "ReasonForClosure")
    rows = rows.with_columns(
        pl.when(~unfounded).then("closure_reason").alias("closure_reason"), pl.col("nfa").fill_null(False)
    )
    # Of two on one day the accepted one stands last.
    if "order" not in rows.columns:
        rows = rows.with_columns(order=pl.lit(0))
    rows = rows.sort("year", "order", "nfa", "file", "row", descending=[False, False, True, False, False])
    same = ("group", "child", "referred")
    findings.add_rows(REFERRAL_TWICE, rows.filter(~pl.struct(same).is_first_distinct()), "CINreferralDate")
    # Within a census any source or need is better than none; over the years a later blank does not take back a fact.
    kept = ("source", "primary_need", "conference")
    taken = ("nfa", "closed", "closure_reason", "file", "row", "year", "until")
    return rows.group_by("child", "referred", maintain_order=True).agg(
        *(pl.col(name).drop_nulls().last() for name in kept),
        *(pl.col(name).last() for name in taken),
        pl.col("closed").last().alias("closure_told"),
    )


def _accepted(referrals: pl.DataFrame, modules: Mapping[str, pl.DataFrame], findings: Findings) -> pl.DataFrame:
    """Read referrals without further action as accepted where there was some: a module, or a conference."""
    acted = pl.concat(frame.select("child", "referred") for frame in modules.values()).unique()
    referrals = referrals.join(acted.with_columns(_acted=True), on=["child", "referred"], how="left")
    wrong = pl.col("nfa") & (pl.col("_acted").fill_null(False) | pl.col("conference").is_not_null())
    findings.add_rows(ACTED_UPON, referrals.filter(wrong), "ReferralNFA")
    return referrals.with_columns(pl.col("nfa") & ~wrong).drop("_acted")


def _with_referral(
    name: str, rows: pl.DataFrame, keys: pl.DataFrame, referrals: pl.DataFrame, findings: Findings, linked: bool
) -> pl.DataFrame:
    """Add `referred`, the day of the referral a row belongs to; null where there is none on or before its day."""
    start = MODULE[name].first.name
    if not rows.height:
        return rows.with_columns(pl.lit(None, pl.Date).alias("referred"))
    rows = rows.join(keys, on=["group", "child", "details"], how="left", maintain_order="left")
    lost = rows.filter(pl.col("referred").is_null()).drop("referred").sort(start)
    days = referrals.select("child", "referred").sort("referred")
    found = lost.join_asof(
        days, left_on=start, right_on="referred", by="child", strategy="backward", check_sortedness=False
    )
    if linked:
        findings.add_rows(NO_REFERRAL, found.filter(pl.col("referred").is_not_null()), MODULE[name].first.element)
    return pl.concat([rows.drop_nulls("referred"), found.select(rows.columns)])


def _with_made_referrals(
    referrals: pl.DataFrame, modules: dict[str, pl.DataFrame], findings: Findings
) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """Read a referral on the first day of a child whose modules have none before them."""
    lost = pl.concat(
        frame.filter(pl.col("referred").is_null()).select(
            "child", pl.col(MODULE[name].first.name).alias("referred"), *_ORDER, "until"
        )
        for name, frame in modules.items()
    )
    if not lost.height:
        return referrals, modules
    made = lost.sort("referred", *_ORDER).unique("child", keep="first", maintain_order=True)
    findings.add_rows(REFERRAL_MADE, made)
    # What follows is another referral: the one that was made ends there at the latest.
    later = referrals.group_by("child").agg(pl.col("referred").min().alias("closed"))
    made = made.join(later, on="child", how="left", maintain_order="left").with_columns(nfa=pl.lit(False))
    whole = pl.concat([referrals, made], how="diagonal")
    days = made.select("child", pl.col("referred").alias("_made"))
    return whole, {
        name: frame.join(days, on="child", how="left", maintain_order="left")
        .with_columns(pl.coalesce("referred", "_made").alias("referred"))
        .drop("_made")
        for name, frame in modules.items()
    }


# Modules --------------------------------------------------------------------------------------------------------------


def _once(
    name: str, rows: pl.DataFrame, numbers: pl.DataFrame, years: Sequence[int], findings: Findings
) -> pl.DataFrame:  # fmt: skip
    """Return a module's rows once, numbered, with ends that the other years and the referral's closure give them."""
    module = MODULE[name]
    start = module.first.name
    rows = rows.join(numbers, on=["child", "referred"], how="left", maintain_order="left")
    if not rows.height:
        return rows
    rows = rows.sort(_ORDER)
    key = ("child", "number", start)
    again = ~pl.struct("group", *key).is_last_distinct()
    findings.add_rows(ROW_TWICE, rows.filter(again), module.first.element)
    if module.table == "assessments":
        rows = rows.with_columns(pl.col("factors").forward_fill().over(key))
    rows = rows.unique(key, keep="last", maintain_order=True)
    if name not in ("need_plans", "protection_plans"):
        return rows
    rows = _vanished(rows, name, years, findings)
    end = ENDS[name][1]
    past = pl.col(end).is_null() & pl.col("closed").is_not_null()
    element = next(told.element for told in module.fields if told.name == end)
    findings.add_rows(OPEN_PAST_CLOSURE, rows.filter(past), element)
    closure = pl.max_horizontal("closed", start)
    return rows.with_columns(pl.when(past).then(closure).otherwise(end).alias(end))


def _vanished(rows: pl.DataFrame, name: str, years: Sequence[int], findings: Findings) -> pl.DataFrame:
    """End what was open at the end of its census and is missing in a later one."""
    last = years[-1]
    before_next = {year: after - 1 for year, after in pairwise(years)} | {last: last}
    until = pl.date(pl.col("year").replace_strict(before_next, return_dtype=pl.Int32), 3, 31)
    start, end = ENDS[name]
    gone = pl.col(end).is_null() & (pl.col("year") < last)
    if name == "referrals":
        gone = gone & ~pl.col("nfa")
    else:
        # Where the referral was closed in that census, the closure tells more.
        gone = gone & (pl.col("closed").is_null() | (pl.col("closed") > pl.col("until")))
    element = next(told.element for told in MODULE[name].fields if told.name == end)
    findings.add_rows(VANISHED, rows.filter(gone), element)
    rows = rows.with_columns(gone.alias("_gone"))
    if name == "referrals":
        reason = pl.when("_gone").then(pl.lit(UNSEEN)).otherwise("closure_reason")
        rows = rows.with_columns(reason.alias("closure_reason"))
    rows = rows.join(_begun_later(rows, start), on=["child", "until"], how="left", maintain_order="left")
    then = pl.min_horizontal(until, pl.col("_later") - pl.duration(days=1))
    ended = pl.when("_gone").then(pl.max_horizontal(then, start)).otherwise(end)
    return rows.with_columns(ended.alias(end)).drop("_gone", "_later")


def _begun_later(rows: pl.DataFrame, start: str) -> pl.DataFrame:
    """Return child, until and, of those that are gone, when the child's first one after their census began (_later)."""
    gone = rows.filter("_gone").select("child", "until").unique()
    later = gone.join(rows.select("child", pl.col(start).alias("_later")), on="child")
    return later.filter(pl.col("_later") > pl.col("until")).group_by("child", "until").agg(pl.col("_later").min())
