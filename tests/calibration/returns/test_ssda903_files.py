"""Which table a file holds, and of which year, is told by columns and names; where it cannot be, an error asks."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import xlsxwriter

from abm.errors import CareError
from calibration.returns.findings import Findings
from calibration.returns.reading_years import year_in
from calibration.returns.ssda903 import read_care, recognises
from calibration.returns.ssda903_files import COLUMNS
from tests.calibration.returns.files_903 import EPISODES, HEADER, OF_A, line, read, told, write

ROW = "A,10/05/2021,S,V2,N8,U6,PR4,,,,,,"


@pytest.mark.parametrize(
    ("name", "year"),
    [
        ("2023-24", 2024), ("2023_24", 2024), ("2023/24", 2024), ("202324", 2024), ("23-24", 2024), ("2324", 2024),
        ("2023-2024", 2024), ("2023 to 2024", 2024), ("2024", 2024), ("SSDA903_2024_v2", 2024), ("2024-03-31", 2024),
        ("31032024", 2024), ("1999-2000", 2000), ("99-00", None), ("98-99", None), ("2021", 2021), ("2011-12", 2012),
        ("2024-05-12", None), ("20240512", None), ("2022-24", None), ("2022 and 2023", None), ("903", None), ("", None),
        ("2019_2020_2021", None), ("episodes (2)", None),
    ],
)  # fmt: skip
def test_the_year_in_a_name(name: str, year: int | None) -> None:
    assert year_in(name) == year


def test_names_may_be_those_of_the_year_in_which_returns_begin(tmp_path: Path) -> None:
    assert [year_in(name, named_by_start=True) for name in ("2023", "2023-24", "23-24", "2024-03-31")] == [2024] * 4
    write(tmp_path, {2021: ["A 10/05/2021 S V2 N8 U6 PR4 - -"]})
    assert read_care([tmp_path], Findings(), named_by_start=True).years == (2022,)


@pytest.mark.parametrize("name", ["episodes.csv", "x.csv", "header 1.csv"])
def test_the_table_is_told_by_its_columns_and_not_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "2021-22").mkdir()
    (tmp_path / "2021-22" / name).write_text(f"{EPISODES}\n{ROW}\n")
    (tmp_path / "2021-22" / "b.csv").write_text(f"{HEADER}\n{OF_A}\n")
    tables, findings = read(tmp_path)
    assert (len(line(tables)), tables.years) == (1, (2022,))
    assert {(source.table, source.year) for source in findings.sources} == {("Episodes", 2022), ("Header", 2022)}


@pytest.mark.parametrize("table", [name for name in COLUMNS if name not in ("Episodes", "Header")])
def test_every_table_is_known_by_its_columns(tmp_path: Path, table: str) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 S V2 N8 U6 PR4 - -"]})
    (tmp_path / "one_2022.csv").write_text(
        ",".join(COLUMNS[table]).lower() + "\n" + "," * (len(COLUMNS[table]) - 1) + "\n"
    )
    _, findings = read(tmp_path)
    assert [source.table for source in findings.sources] == ["Episodes", "Header", table]


def test_headers_in_words_and_in_another_order_are_read(tmp_path: Path) -> None:
    (tmp_path / "e_2022.csv").write_text(
        "Reason for new episode;Child ID;Date Episode Commenced;Legal status;Category of need;Placement type;extra\n"
        "S;A;10/05/2021;V2;N8;U6;1\n"
    )
    (tmp_path / "h_2022.csv").write_text("Child id,Gender,Date of Birth,ethnic\nA,1,05/06/2012,WBRI\n")
    tables, findings = read(tmp_path)
    assert tables.episodes.select("child", "rne", "legal", "need", "place").rows() == [("A", "S", "V2", "N8", "U6")]
    assert {column for _, _, column in told(findings, "column-missing")} == {
        "PLACE_PROVIDER", "DEC", "REC", "REASON_PLACE_CHANGE",
    }  # fmt: skip
    assert told(findings, "column-unknown") == [("e_2022.csv", None, "")]


def test_yearly_folders_and_one_set_of_files_with_a_year_in_one_of_them(tmp_path: Path) -> None:
    for folder, names in (("2021-22", ("e.csv", "h.csv")), ("last", ("e_2023.csv", "h.csv"))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / names[0]).write_text(f"{EPISODES}\n{ROW}\n")
        (tmp_path / folder / names[1]).write_text(f"{HEADER}\n{OF_A}\n")
    tables, findings = read(tmp_path)
    assert tables.years == (2022, 2023)
    assert [source.year for source in findings.sources] == [2022, 2022, 2023, 2023]


@pytest.mark.parametrize("years", [("2022", "2023"), ("2021/22", "2022-23"), ("2022.0", "2023.0")])
def test_a_column_of_years_tells_the_year_of_each_row(tmp_path: Path, years: tuple[str, str]) -> None:
    rows = [
        f"{ROW},Town,{years[0]}",
        f"{ROW.replace(',,,,,,', ',10/05/2022,E4A,,,,')},Town,{years[1]}",
        f"{ROW},Town,soon",
    ]
    (tmp_path / "all.csv").write_text("\n".join([f"{EPISODES},LA,Year", *rows]))
    (tmp_path / "h.csv").write_text(f"{HEADER},LA,YEAR\n{OF_A},Town,{years[1]}\n")
    tables, findings = read(tmp_path)
    assert line(tables) == [("A", "2021-05-10", "2022-05-10", "E4A")]
    assert tables.years == (2022, 2023)
    assert findings.counts() == {"903-told-again": 1, "903-year-column": 1}


def test_a_year_that_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(f"{EPISODES}\n{ROW}\n")
    (tmp_path / "h.csv").write_text(f"{HEADER}\n{OF_A}\n")
    with pytest.raises(CareError, match="The year of this Episodes table cannot be told") as asked:
        read_care([tmp_path], Findings())
    assert "2023-24" in asked.value.remedy
    assert read_care([tmp_path], Findings(), year=2022).years == (2022,)


def test_a_file_of_a_later_year_than_its_name_says_is_refused(tmp_path: Path) -> None:
    late = [f"A {day:02}/05/2022 P V2 N8 U6 PR4 {day + 1:02}/05/2022 X1" for day in range(1, 9)]
    write(tmp_path, {2022: ["A 10/05/2021 S V2 N8 U6 PR4 - -", *late]})
    with pytest.raises(CareError, match="89% of the episodes begin after 31 March 2022"):
        read(tmp_path)


def test_a_row_of_a_later_year_is_left_out_and_told(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 S V2 N8 U6 PR4 - -", "A 10/05/2022 P V2 N8 U6 PR4 - -"]})
    tables, findings = read(tmp_path)
    assert line(tables) == [("A", "2021-05-10", "-", "-")]
    assert told(findings, "903-begins-after-year") == [("episodes_2022.csv", 3, "")]


def test_a_file_with_nothing_in_its_year_is_told(tmp_path: Path) -> None:
    write(tmp_path, {2022: [f"A {day:02}/05/2019 P V2 N8 U6 PR4 {day + 1:02}/05/2019 X1" for day in range(1, 25)]})
    _, findings = read(tmp_path)
    assert told(findings, "903-nothing-in-year") == [("episodes_2022.csv", None, "")]


def test_files_that_are_all_named_a_year_too_late_are_refused(tmp_path: Path) -> None:
    """Read as told, a year more of every child's stay would count in which nobody could have left."""
    told_of = [f"A {day:02}/06/2020 S V2 N1 U4 PR1 {day:02}/07/2020 E4A" for day in range(1, 22)]
    later = [row.replace("2020", "2021") for row in told_of]
    write(tmp_path / "right", {2021: told_of, 2022: later})
    assert read(tmp_path / "right")[0].years == (2021, 2022)
    with pytest.raises(CareError, match="In no file does an episode begin or end"):
        read_care([tmp_path / "right"], Findings(), named_by_start=True)
    # One of two that has something in its year is not that.
    write(tmp_path / "one", {2021: told_of, 2023: later})
    assert told(read(tmp_path / "one")[1], "903-nothing-in-year") == [("episodes_2023.csv", None, "")]


def test_a_file_of_part_of_a_year_is_told(tmp_path: Path) -> None:
    days = [(day, month) for month in range(5, 8) for day in range(1, 25)]
    early = [f"A {day:02}/{month:02}/2021 P V2 N8 U6 PR4 {day + 1:02}/{month:02}/2021 X1" for day, month in days]
    write(tmp_path / "part", {2022: early})
    assert told(read(tmp_path / "part")[1], "903-part-of-year") == [("episodes_2022.csv", None, "")]
    write(tmp_path / "whole", {2022: [*early, "A 20/02/2022 P V2 N8 U6 PR4 - -"]})
    assert told(read(tmp_path / "whole")[1], "903-part-of-year") == []


def test_two_files_of_one_table_and_year_are_told(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 S V2 N8 U6 PR4 - -"]})
    (tmp_path / "episodes_2022 (2).csv").write_text(f"{EPISODES}\n{ROW}\nA,10/06/2021,P,V2,N8,K2,PR4,,,,,,\n")
    tables, findings = read(tmp_path)
    assert [start for _, start, _, _ in line(tables)] == ["2021-05-10", "2021-06-10"]
    assert told(findings, "903-two-files") == [("episodes_2022.csv", None, "")]


def test_a_table_that_is_of_no_year_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "u.csv").write_text("CHILD,SEX,DOB,DUC\nA,2,05/06/2012,\n")
    write(tmp_path / "b", {2021: ["A 10/05/2020 S V2 N8 U6 PR4 - -"], 2022: ["A 10/05/2020 S V2 N8 U6 PR4 - -"]})
    tables, findings = read(tmp_path)
    # Of sex, the Header of the latest year holds.
    assert tables.children.select("uasc", "birth", "sex").rows() == [(True, date(2012, 6, 5), 1)]
    assert findings.counts() == {"903-sex-disagrees": 1, "903-told-again": 1}


@pytest.mark.parametrize(("left_out", "words"), [("e", "No Episodes table"), ("h", "No Header table")])
def test_without_episodes_or_header_nothing_can_be_read(tmp_path: Path, left_out: str, words: str) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 S V2 N8 U6 PR4 - -"]})
    for path in tmp_path.glob(f"{left_out}*"):
        path.unlink()
    with pytest.raises(CareError, match=words):
        read(tmp_path)


def test_episodes_without_a_row_that_can_be_used_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, {2022: []})
    with pytest.raises(CareError, match="hold no row"):
        read(tmp_path)
    write(tmp_path, {2022: ["A soon S V2 N8 U6 PR4 - -"]})
    with pytest.raises(CareError, match="No episode of a child looked after"):
        read(tmp_path)


def test_an_empty_year_is_told_and_not_counted(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 S V2 N8 U6 PR4 - -"], 2023: []})
    tables, findings = read(tmp_path)
    assert tables.years == (2022,)
    assert told(findings, "903-empty") == [("episodes_2023.csv", None, "")]


def test_two_authorities_in_one_table_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {2022: []})
    (tmp_path / "episodes_2022.csv").write_text(f"{EPISODES},LA\n{ROW},Town\n{ROW},City\n")
    with pytest.raises(CareError, match="several authorities"):
        read(tmp_path)


def test_a_missing_column_is_an_error_that_names_it(tmp_path: Path) -> None:
    write(tmp_path, {2022: ["A 10/05/2021 S V2 N8 U6 PR4 - -"]})
    path = tmp_path / "episodes_2022.csv"
    path.write_text(path.read_text().replace("DECOM", "DECOMM"))
    with pytest.raises(CareError, match=r"'DECOM' is missing.*Column 2 has a name like it"):
        read(tmp_path)


def test_a_workbook_with_a_sheet_for_each_table_and_year(tmp_path: Path) -> None:
    book = xlsxwriter.Workbook(str(tmp_path / "all.xlsx"))
    for year, end in ((2022, ""), (2023, "10/05/2022")):
        sheet = book.add_worksheet(f"Episodes {year}")
        sheet.write_row(0, 0, EPISODES.split(","))
        sheet.write_row(1, 0, ["A", "10/05/2021", "S", "V2", "N8", "U6", "PR4", end, "E4A" if end else ""])
        sheet = book.add_worksheet(f"Header {year}")
        sheet.write_row(0, 0, HEADER.split(","))
        sheet.write_row(1, 0, OF_A.split(","))
    book.add_worksheet("Read me").write(0, 0, "Sent on Monday")
    book.close()
    tables, findings = read(tmp_path)
    assert line(tables) == [("A", "2021-05-10", "2022-05-10", "E4A")]
    assert told(findings, "903-not-a-table") == [("all.xlsx, sheet Read me", None, "")]


def test_other_returns_are_not_taken_for_ssda903(tmp_path: Path) -> None:
    others = {
        "cin.csv": "LAchildID,CINdetailsID,CINreferralDate,PrimaryNeedCode,ReferralNFA",
        "list_8.csv": "Child Unique ID,Legal Status,Placement Type,Placement Provider,Category of Need,Gender",
        "other.csv": "a,b,c",
        "broken.xlsx": "PK",
    }
    for name, header in others.items():
        (tmp_path / name).write_text(header + "\n1,2,3\n")
        assert not recognises(tmp_path / name)
    write(tmp_path, {2022: ["A 10/05/2021 S V2 N8 U6 PR4 - -"]})
    assert recognises(tmp_path / "episodes_2022.csv")
    assert recognises(tmp_path / "header_2022.csv")


def test_months_before_days_in_a_file_are_refused_or_told(tmp_path: Path) -> None:
    """Starts with the day first and ends with the month first, where both can be read: many end before they begin."""
    days = [(month, day) for month in range(5, 11) for day in range(1, 9)]
    mixed = [f"C{i} {d:02}/{m:02}/2022 S C2 N1 U6 PR1 {m:02}/{d:02}/2022 E4A" for i, (m, d) in enumerate(days)]
    header = [f"C{i},1,05/06/2012,WBRI,,," for i in range(len(days))]
    _, findings = read(write(tmp_path / "ends", {2023: mixed}, {2023: header}))
    assert told(findings, "903-many-end-before") == [("episodes_2023.csv", None, "DEC")]
    right = [f"C{i} {d:02}/{m:02}/2022 S C2 N1 U6 PR1 {d + 1:02}/{m:02}/2022 E4A" for i, (m, d) in enumerate(days)]
    _, findings = read(write(tmp_path / "right", {2023: right}, {2023: header}))
    assert "903-many-end-before" not in findings.counts()
    all_of_it = [f"C{i} {m:02}/{d + 12:02}/2022 S C2 N1 U6 PR1 - -" for i, (m, d) in enumerate(days)]
    with pytest.raises(CareError, match=r"'DECOM' cannot be read .*Month first"):
        read(write(tmp_path / "all", {2023: all_of_it}, {2023: header}))
