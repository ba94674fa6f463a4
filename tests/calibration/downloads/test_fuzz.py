"""Spoilt files: one sentence with file, row, column and remedy, or every cell accounted for; never anything else."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm.errors import CareError
from calibration.downloads.building import Built, build
from calibration.downloads.reading import Source, read_sheet
from calibration.downloads.recognising import GEOGRAPHY, column_of, recognise
from calibration.downloads.rules import FileRule, folded
from tests.calibration.downloads.files import RELEASED, rules, write

SOUND = {
    "b1": "b1_children_in_need_2013_to_2025.csv",
    "c4": "c4_children_in_need_section_47s_and_icpcs_2013_to_2025.csv",
    "rate": "cla_number_and_rate_per_10k_children.csv",
    "ceased": "la_children_who_ceased_during_the_year.csv",
    "periods": "national_cla_ceased_during_year_placements_care_periods.csv",
    "population": "ons_mid-year_population_estimates_2012_to_2024.csv",
}
ROWS = 12
Rows = list[list[str]]


@cache
def sound(name: str) -> bytes:
    """Return the head of an excerpt, England and authorities in it."""
    rows = list(csv.reader(io.StringIO((RELEASED / SOUND[name]).read_text(encoding="utf-8-sig"))))
    first, rest = rows[1:4], rows[4:]
    some = [row for row in rest if row[2] == "Local authority"] or rest
    return text_of([rows[0], *first, *some[: ROWS - 4]])


def text_of(rows: Rows) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def rows_of(name: str) -> Rows:
    return list(csv.reader(io.StringIO(sound(name).decode())))


def column(rows: Rows, name: str) -> int:
    return [folded(cell) for cell in rows[0]].index(folded(name))


def refusal(content: bytes, tmp_path: Path, name: str = "spoilt.csv") -> str:
    """Return the sentence with which a file is refused: one line, the file, a remedy."""
    path = write(tmp_path / name, content)
    with pytest.raises(CareError) as caught:
        build([path], rules=rules())
    message = str(caught.value)
    assert "\n" not in message
    assert name in message
    assert caught.value.remedy
    assert len(message) < 900
    return message


def built_or_refusal(path: Path) -> Built | CareError:
    try:
        return build([path], rules=rules())
    except CareError as error:
        return error


def accounted(content: bytes, tmp_path: Path) -> None:
    """A file is refused in a sentence, or every cell of it became a figure or is counted."""
    path = write(tmp_path / "spoilt.csv", content)
    built = built_or_refusal(path)
    if isinstance(built, CareError):
        assert built.what
        assert built.remedy
        assert "spoilt.csv" in str(built)
        return
    (one,) = built.found
    assert one.n_cells == built.taken[0] + sum(built.left_out[0].values())
    assert built.figures.height == built.taken[0]


def figures_of(name: str) -> list[str]:
    """Return the columns of figures of a sound file, as it names them."""
    sheet = read_sheet(Source(name, sound(name)))
    rule = recognise(sheet, rules())
    assert isinstance(rule, FileRule)
    named = [c for figure in rule.figures for c in (figure.column, figure.percent) if c]
    found = dict.fromkeys(column_of(sheet, rule, c) for c in named)
    return [sheet.header[c] for c in found if c]


def test_the_sound_ones_are_sound(tmp_path: Path) -> None:
    for name in SOUND:
        assert build([write(tmp_path / f"{name}.csv", sound(name))], rules=rules()).figures.height > 5


# --- must be refused, and where ---------------------------------------------------------------------------------------

TEXTS = ("twelve", "1O", "12 (r)", "1.2.3", "1e400", "NaN", "inf", "-5", "22.6%", "1,23", "12 345", "\u0661", "£5")


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(("name", "figure"), [(name, figure) for name in SOUND for figure in figures_of(name)[:2]])
def test_text_in_numbers(name: str, figure: str, text: str, tmp_path: Path) -> None:
    rows = rows_of(name)
    rows[5][column(rows, figure)] = text
    said = refusal(text_of(rows), tmp_path)
    assert f"row 6, column {figure}" in said
    assert "neither a number nor a mark" in said or "negative" in said


LABELS = {
    "ceased": "characteristic", "rate": "population_type", "periods": "age_on_ceasing", "population": "age_group",
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("what", ["figure", "time_period", "geographic_level", "label", "area"])
def test_missing_columns(name: str, what: str, tmp_path: Path) -> None:
    rows = rows_of(name)
    code = "new_la_code" if "new_la_code" in rows[0] else "country_code"
    figures = figures_of(name)
    gone = {"figure": figures[0], "label": LABELS.get(name, figures[-1]), "area": code}.get(what, what)
    at = column(rows, gone)
    spoilt = text_of([[*row[:at], *row[at + 1 :]] for row in rows])
    said = refusal(spoilt, tmp_path, SOUND[name])
    assert f"no column '{gone}'" in said or f"column '{folded(gone)}'" in said
    assert "row 1" in said


SWAPS = (
    ("time_period", "geographic_level", "year|No row|level"),
    ("time_period", "country_code", "year|code of an area|No row"),
    ("time_period", "figure", "year|number"),
    ("country_code", "geographic_level", "code of an area|No row"),
    ("new_la_code", "la_name", "code of an area"),
    ("new_la_code", "old_la_code", "code of an area"),
    ("new_la_code", "figure", "code of an area|number"),
    ("la_name", "figure", "number"),
    ("country_name", "figure", "number"),
)
AUTHORITIES = tuple(name for name in SOUND if not SOUND[name].startswith("national"))


@pytest.mark.parametrize(
    ("name", "one", "other", "said"),
    [(name, *swap) for swap in SWAPS for name in (AUTHORITIES if "la_" in swap[0] else SOUND)],
)
def test_swapped_columns(name: str, one: str, other: str, said: str, tmp_path: Path) -> None:
    rows = rows_of(name)
    a, b = (column(rows, figures_of(name)[0] if c == "figure" else c) for c in (one, other))
    rows[0][a], rows[0][b] = rows[0][b], rows[0][a]
    assert re.search(said, refusal(text_of(rows), tmp_path))


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("change", [False, True])
@pytest.mark.parametrize("row", [1, 6])
def test_duplicated_rows(name: str, row: int, change: bool, tmp_path: Path) -> None:
    rows = rows_of(name)
    again = list(rows[row])
    if change:
        again[column(rows, figures_of(name)[0])] = "1"
    said = refusal(text_of([*rows, again]), tmp_path)
    assert "is there twice (" in said or "changed places" in said
    assert f"rows {row + 1} and {len(rows) + 1}, column" in said or f"row {len(rows) + 1}" in said


SPOILT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "utf-16": (lambda content: content.decode().encode("utf-16"), "UTF-16"),
    "utf-16 without mark": (lambda content: content.decode().encode("utf-16-le"), "not text .*row 1"),
    "latin-1": (lambda content: content.replace(b"Blackpool", b"Blackp\xf4\xf4l").replace(b"England", b"\xc9ngland"),
                "not UTF-8 .*row 2"),
    "a picture": (lambda _: b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)), "not text"),
    "a workbook's beginning": (lambda _: b"PK\x03\x04" + bytes(64), "archive is damaged"),
    "gzip cut short": (lambda content: __import__("gzip").compress(content)[:-9], "damaged or cut short"),
    "nothing": (lambda _: b"", "empty"),
    "blank lines": (lambda _: b"\n\n  \n", "empty"),
    "only a mark": (lambda _: b"\xef\xbb\xbf", "empty"),
    "only a header": (lambda content: content.split(b"\n")[0], "header but no rows"),
    "no header": (lambda content: content.split(b"\n", 1)[1], "Two columns|no name|columns are declared|no column"),
    "zero byte": (lambda content: content[:-40] + b"\0" + content[-40:], r"not text .*row \d+"),
    "quotation mark": (lambda content: content.replace(b"England", b'"England', 1), r"cannot be read|cells"),
    "quotation mark inside": (lambda content: content.replace(b"England", b'"Eng"land', 1), r"cannot be read.*row 2"),
    "a web page": (lambda _: b"<!DOCTYPE html><html><head></head><body>Sign in</body></html>", "no rows"),
    "header twice": (lambda content: content.split(b"\n")[0] + b"\n" + content, "repeats the header .*row 2"),
    "a column twice": (lambda content: content.replace(b"country_name", b"country_code", 1), "Two columns"),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("how", SPOILT)
def test_spoilt_as_a_whole(name: str, how: str, tmp_path: Path) -> None:
    spoil, said = SPOILT[how]
    assert re.search(said, refusal(spoil(sound(name)), tmp_path))


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("part", [0.03, 0.2, 0.45, 0.7, 0.9])
def test_truncated(name: str, part: float, tmp_path: Path) -> None:
    """Cut within a row: in the header, or in a row that is then too short or has half a cell at its end."""
    content = sound(name)
    cut = content[: int(len(content) * part)]
    # A cut within the last cell of a row could not be seen: the row before its last cell is cut there.
    cut = cut[: cut.rindex(b",")]
    row = cut.count(b"\n") + 1
    said = refusal(cut, tmp_path, SOUND[name])
    assert f"row {row}" in said or row == 1


# --- anything else ----------------------------------------------------------------------------------------------------

SETTINGS = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MANY = settings(SETTINGS, max_examples=1000)


def spoil_some_cells(name: str, data: st.DataObject) -> bytes:
    rows = rows_of(name)
    for _ in range(data.draw(st.integers(1, 3))):
        row = data.draw(st.integers(0, len(rows) - 1))
        at = data.draw(st.integers(0, len(rows[0]) - 1))
        other = data.draw(st.sampled_from([cell for line in rows for cell in line]))
        rows[row][at] = data.draw(st.one_of(st.text(max_size=12), st.just(other), st.integers().map(str)))
    return text_of(rows)


def spoil_some_bytes(name: str, data: st.DataObject) -> bytes:
    content = bytearray(sound(name))
    begin = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, 40))
    content[begin : begin + length] = data.draw(st.binary(max_size=20))
    return bytes(content)


@SETTINGS
@given(name=st.sampled_from(sorted(SOUND)), data=st.data())
def test_any_cell_may_be_anything(name: str, data: st.DataObject, tmp_path: Path) -> None:
    accounted(spoil_some_cells(name, data), tmp_path)


@SETTINGS
@given(name=st.sampled_from(sorted(SOUND)), data=st.data())
def test_any_bytes_may_be_gone_or_others(name: str, data: st.DataObject, tmp_path: Path) -> None:
    accounted(spoil_some_bytes(name, data), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [spoil_some_cells, spoil_some_bytes])
def test_a_thousand_spoilt_files(spoil: Callable[[str, st.DataObject], bytes], tmp_path: Path) -> None:
    @MANY
    @given(name=st.sampled_from(sorted(SOUND)), data=st.data())
    def spoilt(name: str, data: st.DataObject) -> None:
        accounted(spoil(name, data), tmp_path)

    spoilt()


@SETTINGS
@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_no_bytes_make_a_traceback(content: bytes, tmp_path: Path) -> None:
    accounted(content, tmp_path)


def test_geography_has_no_figures() -> None:
    figures = {
        folded(c) for rule in rules().file for figure in rule.figures for c in (figure.column, figure.percent or "")
    }
    assert not figures & GEOGRAPHY
