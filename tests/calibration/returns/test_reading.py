"""Any file of a return is read as text, every cell with its row; dates of any form become dates."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from abm.errors import CareError
from calibration.returns.findings import Findings
from calibration.returns.reading import read_tables
from calibration.returns.reading_dates import read_dates
from calibration.returns.reading_files import files_of
from calibration.returns.reading_table import TextTable, header_key

KNOWN = ("Child", "DECOM", "Legal Status")


def one(path: Path, data: bytes, findings: Findings | None = None) -> TextTable:
    path.write_bytes(data)
    (table,) = read_tables(path, findings or Findings(), known=KNOWN)
    return table


def cells(table: TextTable) -> list[tuple[object, ...]]:
    return table.frame.drop("file").rows()


TEXT = "Child,DECOM\nå1,01/04/2020\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.replace("Child", ' "CHILD" ').encode(),
        TEXT.rstrip().encode(),
    ],
    ids=[
        "utf-8",
        "mark",
        "utf-16",
        "16-le",
        "16-be",
        "semicolon",
        "tab",
        "windows",
        "old mac",
        "quoted",
        "no last line",
    ],
)
def test_any_encoding_and_separator_gives_the_same_table(tmp_path: Path, data: bytes) -> None:
    findings = Findings()
    table = one(tmp_path / "a.csv", data, findings)
    assert table.keys == ["CHILD", "DECOM"]
    assert cells(table) == [("å1", "01/04/2020", 2)]
    assert len(findings) == 0


def test_windows_1252_is_read_and_told(tmp_path: Path) -> None:
    findings = Findings()
    assert cells(one(tmp_path / "a.csv", TEXT.encode("cp1252"), findings)) == [("å1", "01/04/2020", 2)]
    assert findings.counts() == {"file-not-utf8": 1}


def test_rows_are_counted_as_a_spreadsheet_counts_them(tmp_path: Path) -> None:
    data = b'A title\n\nChild,DECOM\n1,a\n\n"2\nand more",b\n,\n3,c\n'
    assert [(row[0], row[2]) for row in cells(one(tmp_path / "a.csv", data))] == [
        ("1", 4),
        ("2\nand more", 6),
        ("3", 8),
    ]


@pytest.mark.parametrize("quote", ["", '"'])
def test_rows_that_are_too_long_or_too_short_are_told(tmp_path: Path, quote: str) -> None:
    findings = Findings()
    data = f"Child,DECOM,X\n{quote}1{quote},a,b\n2,a\n3,{quote}a{quote},b,c\n4,{quote}a,a{quote},b\n".encode()
    table = one(tmp_path / "a.csv", data, findings)
    found = {(rule, row) for _, row, _, rule, _ in findings.frame().rows()}
    told = {("row-too-short", 3), ("row-too-long", 4)}
    assert found == (told if quote else told | {("row-too-long", 5)})
    assert [row[0] for row in cells(table)] == ["1", "2", "3", "4"]


def test_a_quotation_mark_that_is_never_closed_swallows_no_rows(tmp_path: Path) -> None:
    findings = Findings()
    table = one(tmp_path / "a.csv", b'Child,DECOM\n"1,a\n2,"b"\n3,c\n', findings)
    assert [row[:2] for row in cells(table)] == [("1", "a"), ("2", "b"), ("3", "c")]
    assert findings.counts() == {"file-quotes": 1}


@pytest.mark.parametrize("data", [b"", b"\n", b" ", b"\n\n,,\n", b"\xff\xfe", b"\xef\xbb\xbf\n"])
def test_a_file_of_one_byte_or_of_blanks_is_no_table(tmp_path: Path, data: bytes) -> None:
    findings = Findings()
    (tmp_path / "a.csv").write_bytes(data)
    assert read_tables(tmp_path / "a.csv", findings) == []
    assert findings.counts() == {"file-no-table": 1}


def test_two_columns_of_one_name_are_told(tmp_path: Path) -> None:
    findings = Findings()
    table = one(tmp_path / "a.csv", b"Child,DECOM,decom\n1,a,b\n", findings)
    assert cells(table) == [("1", "a", 2)]
    assert findings.counts() == {"column-twice": 1}


def test_a_workbook_gives_a_table_for_each_sheet(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book = xlsxwriter.Workbook(str(path))
    day = book.add_format({"num_format": "dd/mm/yyyy"})
    sheet = book.add_worksheet("Episodes")
    sheet.write_row(1, 0, ["Child", "Decom", "Legal status"])
    sheet.write(2, 0, 1234567)
    sheet.write_datetime(2, 1, datetime(2021, 4, 5), day)
    sheet.write_row(4, 0, ["AB1", 44291, "C2"])
    book.add_worksheet("Notes").write(0, 0, "Made by hand")
    book.add_worksheet("Nothing")
    book.close()
    findings = Findings()
    first, second = read_tables(path, findings, known=KNOWN)
    assert (first.sheet, second.sheet) == ("Episodes", "Notes")
    read = read_dates(first.frame, ["DECOM"], findings).select("CHILD", "DECOM", "LEGALSTATUS", "row")
    assert read.rows() == [("1234567", date(2021, 4, 5), None, 3), ("AB1", date(2021, 4, 5), "C2", 5)]
    assert [source.name for source in findings.sources] == [
        f"a.xlsx, sheet {n}" for n in ("Episodes", "Notes", "Nothing")
    ]
    assert findings.counts() == {"file-no-table": 1}


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv"])
def test_a_damaged_workbook_stops_with_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 nothing of the kind")
    with pytest.raises(CareError, match="cannot be opened"):
        read_tables(tmp_path / name, Findings())


def test_a_workbook_of_another_kind_is_an_error_that_says_how_to_save_it(tmp_path: Path) -> None:
    (tmp_path / "a.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    ((path, _),) = files_of([tmp_path])
    with pytest.raises(CareError, match=r"Save it as \.xlsx"):
        read_tables(path, Findings())


@pytest.mark.parametrize(
    ("cell", "words"), [(b'r="ZZZZ99999999"', "99,999,999 rows"), (b"r='XFD1048576'", "16,384 columns")]
)
def test_a_workbook_with_a_cell_far_outside_is_refused_before_it_fills_the_memory(
    tmp_path: Path, cell: bytes, words: str
) -> None:
    sound = tmp_path / "sound.xlsx"
    book = xlsxwriter.Workbook(str(sound))
    book.add_worksheet().write_row(0, 0, ["Child", "DECOM"])
    book.close()
    with zipfile.ZipFile(sound) as old, zipfile.ZipFile(tmp_path / "far.xlsx", "w") as new:
        for name in old.namelist():
            part = old.read(name)
            assert (b'r="B1"' in part) == ("sheet1.xml" in name and "rels" not in name)
            new.writestr(name, part.replace(b'r="B1"', cell))
    with pytest.raises(CareError, match=f"far.xlsx.*{words}"):
        read_tables(tmp_path / "far.xlsx", Findings())


def test_headers_match_whatever_their_spelling() -> None:
    assert {header_key(h) for h in ("PLACE_PROVIDER", " place provider ", "Place-Provider", "placeProvider")} == {
        "PLACEPROVIDER"
    }


def test_a_missing_needed_column_is_an_error_without_the_headers_of_the_file(tmp_path: Path) -> None:
    # A file without a header row: its first child stands where the headers should be.
    table = one(tmp_path / "a.csv", b"9876543,DECOMM\n9876544,b\n")
    with pytest.raises(CareError, match="'CHILD' is missing") as told:
        table.take({"CHILD": (), "DECOM": ()}, Findings(), needed=("CHILD",))
    assert "9876543" not in str(told.value)
    with pytest.raises(CareError, match="Column 2 has a name like it"):
        table.take({"DECOM": ()}, Findings(), needed=("DECOM",))


def test_a_column_that_is_missing_or_unknown_is_a_finding(tmp_path: Path) -> None:
    findings = Findings()
    table = one(tmp_path / "a.csv", b"Child,Name of pet\n1,Rex\n")
    frame = table.take({"CHILD": (), "DECOM": ("START",)}, findings)
    assert frame.select("CHILD", "DECOM").rows() == [("1", None)]
    assert findings.counts() == {"column-missing": 1, "column-unknown": 1}
    assert not any("PET" in str(row).upper() for row in findings.frame().rows())


def test_folders_are_walked_and_each_file_is_given_once(tmp_path: Path) -> None:
    for name in ("b/x.csv", "a/y.xlsx", "a/~$y.xlsx", "a/.hidden.csv", "a/picture.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = files_of([tmp_path, tmp_path / "b" / "x.csv"])
    assert [name for _, name in found] == ["a/y.xlsx", "b/x.csv"]
    (tmp_path / "a" / "x.csv").touch()
    named = files_of([tmp_path / "b" / "x.csv", tmp_path / "a" / "x.csv", tmp_path / "a" / "y.xlsx"])
    assert [name for _, name in named] == ["b/x.csv", "a/x.csv", "y.xlsx"]
    with pytest.raises(CareError, match="no file or folder 'z'"):
        files_of([tmp_path / "z"])
    with pytest.raises(CareError, match="No file of a return"):
        files_of([tmp_path], {".xml"})


FORMS = ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d %m %Y", "%Y/%m/%d", "%Y%m%d", "%d-%b-%Y", "%d %B %Y",
         "%Y-%m-%dT%H:%M:%S", "%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M:%S.000", "%Y-%m-%dT%H:%M:%SZ")  # fmt: skip


def dates_of(texts: list[str | None], *, months: bool = False) -> tuple[list[date | None], Findings]:
    findings = Findings()
    findings.file("a.csv")
    n = len(texts)
    frame = pl.DataFrame(
        {"X": texts, "file": [0] * n, "row": range(2, n + 2)},
        schema={"X": pl.String, "file": pl.UInt16, "row": pl.UInt32},
    )
    return read_dates(frame, ["X"], findings, months=months)["X"].to_list(), findings


@given(
    st.lists(st.tuples(st.dates(date(1930, 1, 1), date(2099, 12, 31)), st.sampled_from((*FORMS, "excel"))), max_size=30)
)
def test_dates_of_any_form_in_any_mixture(given_dates: list[tuple[date, str]]) -> None:
    excel = date(1899, 12, 30)
    texts: list[str | None] = [str((d - excel).days) if f == "excel" else d.strftime(f) for d, f in given_dates]
    read, findings = dates_of(texts)
    assert read == [d for d, _ in given_dates]
    assert len(findings) == 0


def test_single_figures_and_two_digit_years() -> None:
    read, findings = dates_of(["1/4/2020", "1/4/20", "01/04/99", "45382.0"])
    assert read == [date(2020, 4, 1), date(2020, 4, 1), date(1999, 4, 1), date(2024, 3, 31)]
    assert findings.counts() == {"date-two-digit-year": 1}


def test_what_is_no_date_is_blank_and_told_with_its_row() -> None:
    texts = [
        "31/04/2024",
        "soon",
        "04/25/2021",
        "2024-02-30",
        "31/12/9999",
        "0001-01-01",
        None,
        "2024-03",
        "1234",
        "01/04/2020",
    ]
    read, findings = dates_of(texts)
    assert read == [None] * 9 + [date(2020, 4, 1)]
    assert findings.frame().filter(pl.col("rule") == "date-not-read")["row"].to_list() == [2, 3, 4, 5, 9, 10]
    assert findings.frame().filter(pl.col("rule") == "date-impossible")["row"].to_list() == [6, 7]


def test_a_birth_may_be_a_month() -> None:
    read, findings = dates_of(["2012-06", "2012-13"], months=True)
    assert read == [date(2012, 6, 1), None]
    assert findings.counts() == {"date-month-only": 1, "date-not-read": 1}


def _a_file_of(dates: list[str], needed: Collection[str] = ()) -> tuple[pl.DataFrame, Findings]:
    findings = Findings()
    findings.file("episodes_2023.csv")
    n = len(dates)
    frame = pl.DataFrame(
        {"DECOM": dates, "file": [0] * n, "row": range(2, n + 2)},
        schema_overrides={"file": pl.UInt16, "row": pl.UInt32},
    )
    return read_dates(frame, ["DECOM"], findings, needed=needed), findings


def test_a_file_with_the_month_first_is_refused_and_a_few_slips_are_not() -> None:
    american = [f"{month:02}/{day:02}/2023" for month in range(1, 13) for day in range(1, 29)]
    with pytest.raises(CareError) as fault:
        _a_file_of(american, needed=["DECOM"])
    assert str(fault.value).startswith("57% of the dates in the column 'DECOM' cannot be read (episodes_2023.csv)")
    assert "Month first?" in str(fault.value)
    ours = [f"{day:02}/{month:02}/2023" for month in range(1, 13) for day in range(1, 29)]
    with pytest.raises(CareError, match="6% of the dates") as fault:
        _a_file_of([*ours, *["not known"] * 20], needed=["DECOM"])
    assert "Month first?" not in str(fault.value)
    assert "not known" not in str(fault.value)
    frame, findings = _a_file_of([*ours, *["31/02/2023"] * 10], needed=["DECOM"])
    assert (frame["DECOM"].null_count(), findings.counts()) == (10, {"date-not-read": 10})
    # Five cells of a small file are slips too; of a column that is not needed any number is.
    assert _a_file_of([*ours[:10], *["?"] * 5], needed=["DECOM"])[1].counts() == {"date-not-read": 5}
    assert _a_file_of(american)[1].counts() == {"date-not-read": 12 * 16}
