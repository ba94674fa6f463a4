"""The reader's tables of episodes beside a slow twin: one child, one row at a time, in the words of the module."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from calibration.returns import ssda903_episodes
from calibration.returns.findings import Findings
from calibration.returns.ssda903_homes import with_homes

FIRST, LAST = date(2019, 4, 1), 2022
YEARS = (2020, 2021, 2022)
HOME = {"U6": "foster", "K2": "childrens_home", "H5": "supported_accommodation", "K3": "supported_accommodation"}
SCHEMA = {
    "CHILD": pl.String, "DECOM": pl.Date, "RNE": pl.String, "LS": pl.String, "CIN": pl.String, "PLACE": pl.String,
    "PLACE_PROVIDER": pl.String, "DEC": pl.Date, "REC": pl.String, "REASON_PLACE_CHANGE": pl.String,
    "file": pl.UInt16, "row": pl.UInt32, "year": pl.Int32,
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    child: str
    start: date
    rne: str | None
    legal: str
    place: str | None
    end: date | None
    rec: str | None
    year: int
    number: int


def days(low: int, high: int) -> st.SearchStrategy[date]:
    # Few days, so that keys meet.
    return st.integers(low, high).map(lambda week: FIRST + timedelta(days=21 * week))


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    made = []
    for number in range(draw(st.integers(0, 9))):
        year = draw(st.integers(2020, 2022))
        last = (date(year, 3, 31) - FIRST).days // 21
        start = draw(days(0, last))
        end = draw(st.none() | days(0, last).map(lambda day, start=start: max(day, start)))
        made.append(
            Row(
                draw(st.sampled_from("AB")), start, draw(st.sampled_from(["S", "P", "L", None])),
                draw(st.sampled_from(["C2", "C2", "V3"])), draw(st.sampled_from([*HOME, None])), end,
                draw(st.sampled_from(["X1", "X1", "E4A", None])), year, number,
            )
        )  # fmt: skip
    again = draw(st.lists(st.sampled_from(made), max_size=3)) if made else []
    return made + [replace(row, number=len(made) + i) for i, row in enumerate(again)]


def cells(row: Row) -> tuple[object, ...]:
    return (row.child, row.start, row.end, row.rne, row.legal, row.place, row.rec, row.year)


def end_of(year: int) -> date:
    return date(year, 3, 31)


def twin(given_rows: list[Row]) -> list[Row]:
    """Return the episodes that hold, mended, by child and time."""
    once = [row for i, row in enumerate(given_rows) if cells(row) not in map(cells, given_rows[:i])]
    last_year = LAST
    since: dict[tuple[str, date], int] = {}
    latest: dict[tuple[str, date], int] = {}
    for row in once:
        key = row.child, row.start
        since[key] = min(row.year, since.get(key, row.year))
        latest[key] = max(row.year, latest.get(key, row.year))
    kept = [row for row in once if row.year == latest[row.child, row.start]]

    def corrected(row: Row) -> bool:
        return (row.end is None and row.year < last_year) and any(
            (o.child, o.rne, o.legal, o.place) == (row.child, row.rne, row.legal, row.place)
            and since[o.child, o.start] > row.year
            and 1 <= abs((o.start - row.start).days) <= 31
            for o in kept
        )

    care = [row for row in kept if not corrected(row) and row.legal != "V3"]
    lines: list[Row] = []
    for _, of_child in groupby(sorted(care, key=order), key=lambda row: row.child):
        a_day = []
        for _, same in groupby(of_child, key=lambda row: row.start):
            one, *rest = list(same)
            if rest and one.end == one.start:
                a_day.append(one)
            a_day.append(rest[-1] if rest else one)
        lines += [ended(row, nxt, last_year) for row, nxt in zip(a_day, [*a_day[1:], None], strict=True)]
    return lines


def order(row: Row) -> tuple[str, date, date, int]:
    return row.child, row.start, row.end or date.max, row.number


def ended(row: Row, nxt: Row | None, last_year: int) -> Row:
    why = row.rec if row.rec not in (None, "X1") else "E99"
    if nxt and nxt.rne != "S" and nxt.start > (row.end or end_of(row.year)) + timedelta(days=366):
        nxt = None
    new = nxt is not None and nxt.rne == "S"
    if row.end is None:
        if nxt is None:
            return replace(row, rec=None) if row.year == last_year else replace(row, end=end_of(row.year), rec=why)
        if new:
            before = max(row.start, min(end_of(row.year), nxt.start - timedelta(days=1)))
            return replace(row, end=before, rec=why)
        return replace(row, end=nxt.start, rec="X1")
    if nxt is None:
        return replace(row, rec="E99") if row.rec == "X1" else row
    if row.end > nxt.start:
        return replace(row, end=nxt.start, rec=row.rec if new and row.rec != "X1" else "X1")
    if row.rec == "X1" and row.end < nxt.start:
        return replace(row, rec=None) if new else replace(row, end=nxt.start)
    if row.rec is None and row.end == nxt.start and not new:
        return replace(row, rec="X1")
    return row


def frame_of(given_rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (
                r.child,
                r.start,
                r.rne,
                r.legal,
                "N1",
                r.place,
                "PR1",
                r.end,
                r.rec,
                None,
                r.year - 2020,
                r.number,
                r.year,
            )
            for r in given_rows
        ],
        schema=SCHEMA,
        orient="row",
    )


def one_line(given_rows: list[Row]) -> tuple[pl.DataFrame, Findings]:
    findings = Findings()
    for year in (2020, 2021, 2022):
        findings.file(f"episodes_{year}.csv")
    births = pl.DataFrame({"child": ["A", "B"], "birth": [date(2010, 1, 1)] * 2})
    return ssda903_episodes.one_line(frame_of(given_rows), births, YEARS, findings), findings


@given(rows())
def test_the_tables_and_the_twin_agree_and_no_row_is_dropped_silently(given_rows: list[Row]) -> None:
    """The same episodes as the twin's; each row there or told; a line that can stand; homes as walked."""
    frame, findings = one_line(given_rows)
    as_the_twin(frame, given_rows)
    none_dropped(frame, findings, given_rows)
    as_walked(frame)


def as_the_twin(frame: pl.DataFrame, given_rows: list[Row]) -> None:
    wanted = [(r.child, r.start, r.end, r.rec, r.place, r.year) for r in twin(given_rows)]
    assert frame.select("CHILD", "DECOM", "DEC", "REC", "PLACE", "year").rows() == wanted


def none_dropped(frame: pl.DataFrame, findings: Findings, given_rows: list[Row]) -> None:
    found = findings.frame()
    effects = {code: findings.rule(code).effect for code in findings.counts()}
    effect = pl.col("rule").replace_strict(effects, default="")
    out = found.filter((pl.col("column") == "") & effect.is_in(["left out", "repeated"]))
    assert sorted([*frame["row"], *out["row"]]) == [row.number for row in given_rows]
    assert out["row"].is_unique().all()
    for before, after in zip(frame.iter_rows(named=True), [*frame.iter_rows(named=True)][1:], strict=False):
        if before["CHILD"] == after["CHILD"]:
            assert before["DECOM"] <= before["DEC"] <= after["DECOM"]
            assert (before["REC"] == "X1") <= (before["DEC"] == after["DECOM"])
    assert set(frame.filter(pl.col("DEC").is_null())["year"]) <= {LAST}


def as_walked(frame: pl.DataFrame) -> None:
    """Period, home and move by walking from episode to episode."""
    names = {
        "CHILD": "child", "DECOM": "start", "DEC": "end", "RNE": "rne", "PLACE": "place", "PLACE_PROVIDER": "provider",
        "REC": "rec",
    }  # fmt: skip
    read = with_homes(frame.rename(names).with_row_index("at"))
    walked: list[tuple[int, bool]] = []
    before: dict[str, object] | None = None
    place: str | None = None
    period = 0
    for row in read.iter_rows(named=True):
        on = before is not None and before["child"] == row["child"] and before["end"] == row["start"]
        goes_on = before is not None and on and (before["rec"] == "X1" or (before["rec"] is None and row["rne"] != "S"))
        if not goes_on:
            period = period + 1 if before is not None and before["child"] == row["child"] else 0
            place = None
        other = row["place"] is not None and HOME[row["place"]] != HOME.get(place or "")
        new_carer = row["rne"] == "P" if row["rne"] else other
        walked.append((period, goes_on and place is not None and new_carer))
        place, before = row["place"] or place, row
    assert read.select("period", "moved").rows() == walked
    for (_, _), chain in read.group_by("child", "period", maintain_order=True):
        known = [HOME[place] if place else None for place in chain["place"]]
        if not any(known):
            assert chain["home"].null_count() == chain.height
            continue
        first = next(home for home in known if home)
        filled = []
        for home in known:
            filled.append(home or (filled[-1] if filled else first))
        assert chain["home"].to_list() == filled
