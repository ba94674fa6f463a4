"""Findings and their page: every finding is there, in an order of its own, and no value of a cell is."""

from __future__ import annotations

import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from abm.errors import CareError
from calibration.returns.findings import SCHEMA, Findings, Rule
from calibration.returns.quality_page import PAGE, TABLE, quality_page, write_quality_page
from calibration.returns.ssda903 import read_care
from tests.calibration.returns.files_903 import EPISODES, HEADER

MEND = Rule("t-mend", "The cell is odd & <bold>.", "It was mended.", "A specification", "mended")
LEAVE = Rule("t-leave", "The row is odd.", "It was left out.", effect="left out")


def rows(*where: tuple[int, int]) -> pl.DataFrame:
    return pl.DataFrame(where, schema=["file", "row"], orient="row")


def test_findings_are_counted_and_in_an_order_that_does_not_depend_on_when_they_were_found() -> None:
    one, other = Findings(), Findings()
    for findings, turn in ((one, 1), (other, -1)):
        for name in ("b.csv", "a.csv"):
            findings.file(name)
        for rule, where in [(MEND, rows((1, 5), (0, 9))), (LEAVE, rows((0, 3))), (MEND, rows((0, 2)))][::turn]:
            findings.add_rows(rule, where, "DEC")
    assert one.counts() == other.counts() == {"t-leave": 1, "t-mend": 3}
    assert one.frame().equals(other.frame())
    assert one.frame().select("file", "row", "rule").rows() == [
        ("b.csv", 3, "t-leave"), ("b.csv", 2, "t-mend"), ("b.csv", 9, "t-mend"), ("a.csv", 5, "t-mend"),
    ]  # fmt: skip
    assert len(one) == 4


def test_no_findings_are_a_frame_of_the_same_columns() -> None:
    assert dict(Findings().frame().schema) == SCHEMA
    assert Findings()


def test_two_rules_of_one_code_are_a_fault() -> None:
    findings = Findings()
    findings.file("a.csv")
    findings.add(MEND, 0)
    with pytest.raises(ValueError, match="t-mend"):
        findings.add(Rule("t-mend", "Another.", "Other."), 0)


class _Text(HTMLParser):
    """Collects the tags and the cells of each table."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_has_every_rule_with_its_count_and_stands_alone(tmp_path: Path) -> None:
    findings = Findings()
    findings.file("a<b>.csv", "Episodes", 2022, 1234)
    findings.add_rows(MEND, rows((0, 2), (0, 3), (0, 4), (0, 9)), "DEC")
    findings.add_rows(LEAVE, rows(*((0, 2 * i) for i in range(1, 151))))
    findings.add(LEAVE, 0)
    page = quality_page(findings, {"Years": "2022"})
    text = _Text()
    text.feed(page)
    assert "155 findings by 2 rules in 1 files and sheets" in text.words
    assert "2-4, 9" in text.words
    assert "and 50 more rows, which are in findings.csv" in text.words
    assert "The cell is odd & <bold>." in text.words
    assert "a<b>.csv" in text.words
    # What was not used comes first.
    assert text.words.index("The row is odd.") < text.words.index("The cell is odd")
    assert not {"script", "link", "img", "iframe"} & set(text.tags)
    assert not re.search(r"https?:|//|url\(|@import", page)
    write_quality_page(tmp_path, findings, {})
    assert len((tmp_path / TABLE).read_text().splitlines()) == 156


def test_a_cell_of_the_table_is_no_formula(tmp_path: Path) -> None:
    findings = Findings()
    for name in ("=1+1.csv", "+a.csv", "-a.csv", "@a.csv", "a.csv"):
        findings.add(MEND, findings.file(name))
    write_quality_page(tmp_path, findings, {})
    with (tmp_path / TABLE).open(newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["'=1+1.csv", "'+a.csv", "'-a.csv", "'@a.csv", "a.csv"]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(CareError, match="cannot be written"):
        write_quality_page(tmp_path / "taken", Findings(), {})


BROKEN = [
    "{a},10/05/2019,S,C2,N1,U6,PR1,17/10/2019,X1,CARPL,QX1 7ZZ,QX2 8ZZ,SC987654",
    "{a},10/05/2019,S,C2,N1,U6,PR1,17/10/2019,X1,CARPL,QX1 7ZZ,QX2 8ZZ,SC987654",
    "{a},13/10/2019,P,C2,N2,T4,,14/10/2019,E4A,,QX1 7ZZ,QX2 8ZZ,",
    "{b},11/06/2012,P,V2,N1,P1,PR0,,X1,,QX1 7ZZ,QX2 8ZZ,SC987654",
    "{b},11/06/2012,P,V2,N1,R5,PR0,12/06/2019,,,QX1 7ZZ,QX2 8ZZ,SC987654",
    "{b},32/13/2019,P,V2,N1,R5,PR0,12/06/2019,,,QX1 7ZZ,QX2 8ZZ,SC987654",
    "{b},22/11/2019,S,V3,N1,U6,PR0,23/11/2019,E4A,,QX1 7ZZ,QX2 8ZZ,SC987654",
    "{c},24/08/2019,Y7,Y8,Y9,Y6,YR3,11/07/2019,Y44,YWORD,QX1 7ZZ,QX2 8ZZ,SC987654",
    "{c},24/09/2029,S,C2,N1,U6,PR1,,,,QX1 7ZZ,QX2 8ZZ,SC987654",
    "{d},24/10/2019,S,C2,N1,U6,PR1,,,,QX1 7ZZ,QX2 8ZZ,SC987654,spare cell",
    ",25/10/2019,S,C2,N1,U6,PR1,,,,QX1 7ZZ,QX2 8ZZ,SC987654",
    "{e},26/10/2019,S,C2,N1,U6,PR1,NULL,,,QX1 7ZZ",
]
PEOPLE = [
    "{a},{m},19/02/2012,{w},H801200001042,{m},27/12/1999",
    "{b},{f},30/11/2008,{w},H801200001043,,",
    "{b},{m},29/11/2008,{w},H801200001043,,",
    "{c},{f},15/01/1990,{w},H801200001044,,",
    "{e},Y5,15/01/2017,{w},H801200001045,,",
]
CELLS = {
    "a": "QKEY881",
    "b": "QKEY882",
    "c": "QKEY883",
    "d": "QKEY884",
    "e": "QKEY885",
    "m": "1",
    "f": "2",
    "w": "AOTH",
}


def pages(folder: Path, cells: dict[str, str]) -> tuple[str, str]:
    folder.mkdir()
    (folder / "episodes_2020.csv").write_text("\n".join([EPISODES, *(row.format(**cells) for row in BROKEN)]))
    (folder / "episodes_2021.csv").write_text(
        "\n".join([EPISODES, BROKEN[3].format(**cells), BROKEN[9].format(**cells)])
    )
    (folder / "header_2020.csv").write_text("\n".join([HEADER, *(row.format(**cells) for row in PEOPLE)]))
    # Without a header row, cells stand where headers should.
    (folder / "other_2020.csv").write_text("QKEY886,18/03/2012,QOTHER\nQKEY887,18/03/2012,QOTHER")
    findings = Findings()
    read_care([folder], findings)
    assert len(findings.counts()) >= 20
    write_quality_page(folder / "out", findings, {"Return": "SSDA903"})
    return (folder / "out" / PAGE).read_text(), (folder / "out" / TABLE).read_text()


def test_no_value_of_any_cell_is_on_the_page_or_in_the_table(tmp_path: Path) -> None:
    told = pages(tmp_path / "a", CELLS)
    cells = {
        cell.strip()
        for path in (tmp_path / "a").glob("*.csv")
        for line in path.read_text().splitlines()
        for cell in line.split(",")
    }
    ours = {*EPISODES.split(","), *HEADER.split(",")}
    # Codes of two signs and sex in one are found in words and counts of any page; the next test is for them.
    searched = {cell for cell in cells - ours if len(cell) > 2}
    # A reason that is also a word of this page: the code stands in the sentence of a rule.
    searched -= {"E4A", "NULL"}
    assert {"QKEY881", "19/02/2012", "QX1 7ZZ", "H801200001042", "AOTH", "Y44", "QKEY886", "QOTHER"} <= searched
    for cell in sorted(searched):
        assert not any(cell.lower() in text.lower() for text in told), cell
    # Nor a date in another form.
    assert not any(re.search(r"\d{4}-\d{2}-\d{2}|\d{2}/\d{2}/\d{4}", text) for text in told)


def test_the_page_is_the_same_whatever_the_children_are_called_and_whoever_they_are(tmp_path: Path) -> None:
    other = {"a": "ZKEY1", "b": "MKEY2", "c": "AKEY3", "d": "QKEY4", "e": "BKEY5", "m": "2", "f": "1", "w": "MWBC"}
    assert pages(tmp_path / "a", CELLS) == pages(tmp_path / "b", other)


def test_what_is_told_twice_stands_apart_from_what_was_lost() -> None:
    findings = Findings()
    file = findings.file("episodes.csv")
    again = Rule("t-again", "The row is told again.", "The later row was used.", effect="repeated")
    for row in range(2, 12):
        findings.add(again, file, row)
    findings.add(LEAVE, file, 12)
    page = quality_page(findings, {})
    assert re.search(r"Not used</th><td[^>]*>1</td><td[^>]*>1<", page)
    assert re.search(r"Told twice, used once</th><td[^>]*>1</td><td[^>]*>10<", page)
    # What was lost comes first, however much is told twice.
    assert page.index('id="t-leave"') < page.index('id="t-again"')


def test_files_of_a_simulated_run_are_told_as_such():
    real, simulated = (quality_page(Findings(), {}, simulated=known) for known in (False, True))
    assert "Simulated, not a real child." in simulated
    assert "Keep it inside the authority" not in simulated
    assert "Made from a return about children." in real
    assert "Keep it inside the authority" in real
