"""A CIN Census as flat tables says what it says as XML."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import polars as pl
import pytest
import xlsxwriter

from abm.errors import CareError
from calibration.returns.tables import NeedTables
from tests.calibration.returns.files_cin import (
    assessment,
    case,
    child,
    el,
    enquiry,
    flat,
    need_plan,
    protection_plan,
    read,
    rows,
    write,
    write_flat,
)

TABLES = (
    "children", "referrals", "assessments", "enquiries", "need_plans", "protection_plans", "reviews", "pre_proceedings",
)  # fmt: skip


def same(one: NeedTables, other: NeedTables) -> None:
    for name in TABLES:
        ours, theirs = (getattr(tables, name).drop("file", "row", strict=False) for tables in (one, other))
        assert ours.equals(theirs), name
    assert (one.years, one.observed_from, one.observed_to) == (other.years, other.observed_from, other.observed_to)


def many(seed: int, n: int = 30) -> list[ET.Element]:
    """Return children with all kinds of modules, on random days of the year to 31 March 2024."""
    random.seed(seed)

    def day(first: str | None, most: int) -> str | None:
        found = date.fromisoformat(first or "2023-04-01") + timedelta(days=random.randrange(most))
        return found.isoformat() if found <= date(2024, 3, 31) and random.random() < 0.9 else None

    made = []
    for i in range(n):
        cases = []
        for _ in range(random.randrange(1, 3)):
            referred = day(None, 300) or "2023-04-01"
            modules = [
                assessment(day(referred, 5), day(referred, 90), *random.sample(["1A", "4B", "16A", "20", "24A"], 2)),
                enquiry(day(referred, 30), day(referred, 50), random.choice(["0", "1", "true", None])),
                need_plan(day(referred, 60), day(referred, 300)),
                protection_plan(day(referred, 60), day(referred, 300), *filter(None, [day(referred, 200)])),
                el("PreProceedingsandFGDM", PPStartDate=day(referred, 100), CourtAppDate=day(referred, 200)),
            ]
            kept = random.sample(modules, random.randrange(6))
            cases.append(case(referred, *kept, CINclosureDate=day(referred, 300), nfa=random.choice("01")))
        made.append(child(f"C{i}", *cases, Sex=random.choice("MFU")))
    return made


@pytest.mark.parametrize("seed", [1, 2])
def test_flat_tables_say_what_the_xml_says(tmp_path: Path, seed: int) -> None:
    children = many(seed)
    (tmp_path / "x").mkdir()
    from_xml, of_xml = read(write(tmp_path / "x", {2024: children}))
    from_flat, of_flat = read(write_flat(tmp_path / "2023-24", children))
    same(from_xml, from_flat)
    assert from_flat.assessments["factors"].drop_nulls().len() > 5
    # A row of keys alone says nothing, and is told; an element without cells is not even a row.
    differs = {"cin-row-twice", "column-missing", "cin-no-start"}
    of_xml, of_flat = ({k: v for k, v in f.counts().items() if k not in differs} for f in (of_xml, of_flat))
    # Made-up days break rules all the time, the same ones in both forms.
    assert of_xml == of_flat
    assert len(of_xml) > 5


ONE = child(
    "A",
    case(
        "2023-05-01", assessment("2023-05-02", "2023-06-01", "4B", "1C"),
        protection_plan("2023-06-05", None, "2023-08-01"),
    ),
    case("2023-12-01", assessment("2023-12-02", None, "20")),
)  # fmt: skip


def test_a_workbook_with_a_sheet_for_each_module_and_real_dates(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(str(tmp_path / "cin 2024.xlsx")) as book:
        for name, told in flat([ONE]).items():
            if told:
                sheet = book.add_worksheet(name)
                columns = list(told[0])
                sheet.write_row(0, 0, columns)
                style = book.add_format({"num_format": "dd/mm/yyyy"})
                for i, row in enumerate(told, 1):
                    for j, column in enumerate(columns):
                        cell = row.get(column, "")
                        if column.casefold().endswith("date") and cell:
                            sheet.write_datetime(i, j, pl.Series([cell]).str.to_datetime("%Y-%m-%d")[0], style)
                        elif column == "CINdetailsID":
                            sheet.write_number(i, j, int(cell))
                        else:
                            sheet.write_string(i, j, cell)
    tables, _ = read(tmp_path)
    same(tables, read(write_flat(tmp_path / "cin_2024", [ONE]))[0])


def test_factors_in_a_table_of_their_own_or_in_a_row_each(tmp_path: Path) -> None:
    expected, _ = read(write_flat(tmp_path / "a" / "2024", [ONE]))
    assert expected.assessments["factors"].to_list() == [["1C", "4B"], ["20"]]
    own = write_flat(tmp_path / "b" / "2024", [ONE])
    plain = pl.read_csv(own / "Assessments.csv", infer_schema=False)
    plain.drop("AssessmentFactors").write_csv(own / "Assessments.csv")
    (own / "factors.csv").write_text(
        "LAchildID,CINdetailsID,AssessmentID,AssessmentFactor\nA,1,1,4B\nA,1,1,1C\nA,2,2,20\n", encoding="utf-8"
    )
    same(read(own)[0], expected)
    each = write_flat(tmp_path / "c" / "2024", [ONE])
    spread = plain.with_columns(pl.col("AssessmentFactors").str.extract_all(r"\d+[A-Z]?")).explode("AssessmentFactors")
    spread.drop("AssessmentID").write_csv(each / "Assessments.csv")
    tables, findings = read(each)
    same(tables, expected)
    assert "cin-row-twice" not in findings.counts()


def test_headers_in_any_capitals_and_columns_that_are_not_needed(tmp_path: Path) -> None:
    folder = write_flat(tmp_path / "2024", [ONE])
    for path in folder.iterdir():
        head, rest = path.read_text().split("\n", 1)
        path.write_text(head.upper().replace("LACHILDID", "La Child ID") + "\n" + rest)
    tables, findings = read(folder)
    same(tables, read(write_flat(tmp_path / "b" / "2024", [ONE]))[0])
    assert "column-unknown" not in findings.counts()


def test_a_column_year_tells_the_census_of_each_row(tmp_path: Path) -> None:
    (tmp_path / "CINdetails.csv").write_text(
        "LAchildID,CINdetailsID,CINreferralDate,CINclosureDate,YEAR,LA\n"
        "A,1,2022-05-01,,2023,X\nA,1,2022-05-01,2023-09-01,2024,X\nB,1,2022-06-01,,2023,X\n"
    )
    tables, findings = read(tmp_path)
    assert rows(tables.referrals, "child", "referred", "closed") == [
        ("A", "2022-05-01", "2023-09-01"),
        ("B", "2022-06-01", "2023-03-31"),
    ]
    assert tables.years == (2023, 2024)
    assert tables.children["birth"].to_list() == [None, None]
    assert findings.counts()["cin-no-identifiers"] == 2


def test_a_header_table_tells_the_census_of_its_folder(tmp_path: Path) -> None:
    folder = write_flat(tmp_path, [ONE])
    with pytest.raises(CareError, match=r"year of this table of .* cannot be told"):
        read(folder)
    (folder / "Header.csv").write_text("Collection,Year,ReferenceDate\nCIN,2023,31/03/2024\n")
    assert read(folder)[0].years == (2024,)


def test_a_table_without_its_date_is_refused_and_another_table_is_told(tmp_path: Path) -> None:
    folder = write_flat(tmp_path / "2024", [ONE])
    (folder / "other.csv").write_text("CHILD,DECOM,RNE\n1,2,3\n")
    _, findings = read(folder)
    assert findings.counts()["cin-not-a-table"] == 1
    path = folder / "CINdetails.csv"
    path.write_text(path.read_text().replace("CINreferralDate", "CINreferalDate"))
    with pytest.raises(CareError, match="column 'CINreferralDate' is missing") as refused:
        read(folder)
    assert "Column " in refused.value.remedy


def test_a_census_without_its_cases_is_refused(tmp_path: Path) -> None:
    write_flat(tmp_path / "2024", [ONE])
    (write_flat(tmp_path / "2025", [ONE]) / "CINdetails.csv").unlink()
    with pytest.raises(CareError, match="census of 2025 has no CINdetails"):
        read(tmp_path)


def test_without_numbers_of_cases_modules_find_theirs_by_date(tmp_path: Path) -> None:
    folder = write_flat(tmp_path / "2024", [ONE])
    path = folder / "Assessments.csv"
    pl.read_csv(path, infer_schema=False).drop("CINdetailsID").write_csv(path)
    tables, findings = read(folder)
    assert tables.assessments["number"].to_list() == [0, 1]
    assert findings.counts()["cin-no-such-referral"] == 2


def test_xml_of_one_year_beside_tables_of_another(tmp_path: Path) -> None:
    write(tmp_path, {2025: [child("A", case("2023-12-01", CINclosureDate="2024-06-01", ReasonForClosure="RC8"))]})
    write_flat(tmp_path / "2024", [ONE])
    tables, _ = read(tmp_path)
    assert tables.years == (2024, 2025)
    assert rows(tables.referrals, "number", "referred", "closed") == [
        (0, "2023-05-01", "2024-03-31"),
        (1, "2023-12-01", "2024-06-01"),
    ]
