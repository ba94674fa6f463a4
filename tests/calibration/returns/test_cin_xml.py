"""A CIN Census as XML: what its form may be, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from abm.errors import CareError
from calibration.returns.cin import recognises
from calibration.returns.findings import Findings
from tests.calibration.returns.files_cin import assessment, case, census, child, read, rows, told

ONE = (
    child("a1 ", case("2023-05-01", assessment("2023-05-02", "2023-06-01", "4B", "1C")), Sex="1"),
    child("B2", case("2023-07-01")),
)
TEXT = census(2024, *ONE)


def read_text(folder: Path, text: str | bytes, name: str = "c.xml"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path)


def same(folder: Path, data: bytes, *codes: str) -> None:
    """Assert that a file says what TEXT says, with findings of these rules more."""
    tables, findings = read_text(folder, data)
    plain, of_plain = read_text(folder, TEXT)
    for name in ("children", "referrals", "assessments"):
        ours, theirs = (getattr(t, name).drop("row", strict=False) for t in (tables, plain))
        assert ours.equals(theirs), name
    assert set(findings.counts()) - set(of_plain.counts()) == set(codes)


def test_a_census_is_read(tmp_path: Path) -> None:
    tables, findings = read_text(tmp_path, TEXT)
    assert rows(tables.children, "child", "birth", "sex") == [("A1", "2015-05-01", 1), ("B2", "2015-05-01", None)]
    assert rows(tables.referrals, "child", "number", "referred", "source", "primary_need", "nfa", "closed") == [
        ("A1", 0, "2023-05-01", "1A", "N1", False, None),
        ("B2", 0, "2023-07-01", "1A", "N1", False, None),
    ]
    assert rows(tables.assessments, "child", "number", "started", "authorised", "factors") == [
        ("A1", 0, "2023-05-02", "2023-06-01", ["1C", "4B"])
    ]
    assert (str(tables.observed_from), str(tables.observed_to), tables.years) == ("2023-04-01", "2024-03-31", (2024,))
    # 1 is a code for sex up to 2024 only under its old name, yet of the right year: nothing is told.
    assert findings.counts() == {}


def test_a_row_is_the_line_its_element_begins_on(tmp_path: Path) -> None:
    tables, _ = read_text(tmp_path, TEXT)
    lines = TEXT.splitlines()
    assert [lines[row - 1].strip() for row in tables.referrals["row"]] == ["<CINdetails>"] * 2
    assert lines[tables.assessments["row"][0] - 1].strip() == "<Assessments>"


def test_in_a_file_of_one_line_a_row_is_the_number_of_the_child(tmp_path: Path) -> None:
    tables, findings = read_text(tmp_path, "".join(line.strip() for line in TEXT.splitlines()))
    assert tables.referrals["row"].to_list() == [1, 2]
    assert told(findings, "cin-xml-one-line") == [("c.xml", None, "")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "ascii"])
def test_every_encoding_that_says_what_it_is(tmp_path: Path, encoding: str) -> None:
    name = {"utf-8-sig": "utf-8"}.get(encoding, encoding[:6] if "16" in encoding else encoding)
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    same(tmp_path, (mark + f'<?xml version="1.0" encoding="{name}"?>\n' + TEXT).encode(encoding))


def test_an_encoding_declared_wrongly_is_seen_through(tmp_path: Path) -> None:
    same(tmp_path, ('<?xml version="1.0" encoding="UTF-16"?>\n' + TEXT).encode("utf-8"))
    same(tmp_path, ('<?xml version="1.0" encoding="UTF-95"?>\n' + TEXT).encode("utf-8"))


def test_windows_1252_in_a_file_said_to_be_utf_8(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="UTF-8"?>\n<!-- caf\u00e9 \u2019 -->\n' + TEXT
    same(tmp_path, text.encode("cp1252"), "file-not-utf8")


@pytest.mark.parametrize("prefix", ["", "cin", "a-b.c"])
def test_namespaces_and_prefixes_do_not_matter(tmp_path: Path, prefix: str) -> None:
    text = census(2024, *ONE, prefix=prefix) if prefix else TEXT.replace("<Message>", '<Message xmlns="urn:x">')
    same(tmp_path, text.encode())


def test_capitals_of_elements_do_not_matter(tmp_path: Path) -> None:
    same(tmp_path, TEXT.replace("CINdetails", "CINDETAILS").replace("LAchildID", "laChildId").encode())


def test_attributes_comments_and_cdata_do_no_harm(tmp_path: Path) -> None:
    text = TEXT.replace("<Child>", '<Child id="7"><?go on?><!-- <Child> -->').replace(">a1 <", "><![CDATA[a1]]> <")
    same(tmp_path, text.encode())


def test_an_element_that_is_not_of_the_census_is_told_with_the_name_it_is_like(tmp_path: Path) -> None:
    text = TEXT.replace("PrimaryNeedCode", "PrimaryNeedsCode").replace("<UPNunknown>", "<Secret>x</Secret><UPNunknown>")
    tables, findings = read_text(tmp_path, text)
    assert tables.referrals["primary_need"].to_list() == [None, None]
    frame = findings.frame()
    assert frame["rule"].to_list() == ["cin-xml-element"] * 2
    assert any("Did you mean 'PrimaryNeedCode'?" in done for done in frame["what_was_done"])
    assert not any("Secret" in str(cell) for row in frame.rows() for cell in row)


def test_a_cell_that_holds_elements_is_no_cell(tmp_path: Path) -> None:
    text = TEXT.replace("<ReferralSource>1A<", "<ReferralSource><b><c>1A</c></b>1A<")
    tables, findings = read_text(tmp_path, text)
    assert tables.referrals["source"].to_list() == [None, None]
    assert findings.counts() == {"cin-xml-element": 1}
    assert tables.referrals["primary_need"].to_list() == ["N1", "N1"]


def test_an_element_that_stands_twice_is_read_once(tmp_path: Path) -> None:
    text = TEXT.replace("<ReferralSource>1A</ReferralSource>", "<ReferralSource>1A</ReferralSource>" * 2, 1)
    text = text.replace("</CINreferralDate>", "</CINreferralDate><CINreferralDate>2023-09-09</CINreferralDate>", 1)
    tables, findings = read_text(tmp_path, text)
    assert rows(tables.referrals, "child", "referred")[0] == ("A1", "2023-05-01")
    assert findings.counts() == {"cin-xml-element-twice": 2}


def test_an_element_without_any_cell_says_nothing(tmp_path: Path) -> None:
    empty = "<Assessments/><Section47></Section47><CINPlanDates><CINPlanEndDate/></CINPlanDates><ChildProtectionPlans/>"
    text = TEXT.replace("<ReferralNFA>", empty + "<ReferralNFA>").replace("<Header>", "<Header><Content><x/></Content>")
    same(tmp_path, text.encode())


def test_what_is_not_read_may_be_long(tmp_path: Path) -> None:
    long = f"<Ethnicity>{'x' * 3_000_000}</Ethnicity>" + " " * 3_000_000
    same(tmp_path, TEXT.replace("<Ethnicity>WBRI</Ethnicity>", long).encode())


def test_thousands_of_strange_names_and_cells_that_stand_twice_end_soon(tmp_path: Path) -> None:
    strange = "".join(f"<x{i}/>" for i in range(20_000)) + "<ReferralSource>1A</ReferralSource>" * 20_000
    tables, findings = read_text(tmp_path, TEXT.replace("<ReferralNFA>", strange + "<ReferralNFA>"))
    assert tables.referrals["source"].to_list() == ["1A", "1A"]
    assert findings.counts() == {"cin-xml-element": 50, "cin-xml-element-twice": 40_000}


# Refused --------------------------------------------------------------------------------------------------------------

LAUGHS = (
    '<!DOCTYPE m [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True))
    + "]>"
)


@pytest.mark.parametrize(
    "doctype",
    [
        LAUGHS,
        '<!DOCTYPE m SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE m [<!ENTITY % x SYSTEM "http://x.test/x"> %x;]>',
        "<!DOCTYPE m>",
    ],
)
def test_a_document_type_is_refused_before_anything_of_it_is_read(tmp_path: Path, doctype: str) -> None:
    with pytest.raises(CareError, match="DOCTYPE") as refused:
        read_text(tmp_path, doctype + TEXT.replace("N1", "&j;" if "ENTITY a" in doctype else "N1"))
    assert "line 1" in refused.value.where


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "not well-formed XML .*cut off"),
        ("<Message><Children>", "not well-formed XML .*cut off|not well-formed"),
        (TEXT[: len(TEXT) // 2], "not well-formed XML"),
        (TEXT.replace("</ReferralNFA>", "</ReferralNfa>"), "not well-formed XML"),
        (TEXT + TEXT, "not well-formed XML"),
        ("<Children/>", "first element is not Message"),
        ("<html><body>x</body></html>", "first element is not Message"),
        ("<Message>" + "<a>" * 60, "40 deep"),
        ("<Message>" + "<Header>" * 60, "40 deep"),
        (f"<Message><Header><CollectionDetails><Year>{'9' * 3_000_000}</Year>", "more than 1,048,576 signs"),
        ("<Message><Children></Children></Message>", "year of this census cannot be told"),
        (census(2024), "No referral of a CIN Census|holds no Child"),
    ],
)
def test_what_is_no_census_is_refused_in_one_sentence(tmp_path: Path, text: str, what: str) -> None:
    if what.startswith("No referral"):
        tables, findings = read_text(tmp_path, text)
        assert tables.referrals.height == 0
        assert findings.counts() == {"cin-no-children": 1}
        return
    with pytest.raises(CareError, match=what) as refused:
        read_text(tmp_path, text)
    assert refused.value.remedy.endswith(".")
    assert "2015-05-01" not in str(refused.value)


def test_a_census_is_recognised_by_its_beginning(tmp_path: Path) -> None:
    for name, text, expected in (
        ("a.xml", TEXT.encode(), True),
        ("b.xml", ("\ufeff" + TEXT).encode("utf-16-le"), True),
        ("c.xml", census(2024, *ONE, prefix="x").encode(), True),
        ("d.xml", b"<Message><Header/><Workers/></Message>", False),
        ("e.xml", b"<html/>", False),
        ("f.csv", b"LAchildID,CINreferralDate\n", True),
        ("g.csv", b"CHILD,DECOM,RNE,LS,CIN,PLACE\n", False),
        ("h.csv", b"", False),
    ):
        (tmp_path / name).write_bytes(text)
        assert recognises(tmp_path / name) is expected, name
    assert recognises(tmp_path / "not there.xml") is False


def test_the_year_is_told_by_the_header_then_by_names_then_by_whoever_asks(tmp_path: Path) -> None:
    for year in (2021, 2026):
        tables, findings = read_text(tmp_path, census(year, child("A", case(f"{year - 1}-05-01"))))
        assert tables.years == (year,)
    bare = census(None, child("A", case("2022-05-01")))
    assert read_text(tmp_path, bare, "cin 2022-23.xml")[0].years == (2023,)
    (tmp_path / "2022_23").mkdir()
    assert read_text(tmp_path / "2022_23", bare)[0].years == (2023,)
    path = tmp_path / "d.xml"
    path.write_text(bare)
    with pytest.raises(CareError, match="year of this census cannot be told"):
        read(path)
    assert read(path, year=2023)[0].years == (2023,)
    wrong = TEXT.replace("<Year>2024<", "<Year>2020<")
    tables, findings = read_text(tmp_path, wrong)
    assert (tables.years, findings.counts()) == ((2024,), {"cin-header-years": 1})
    assert isinstance(findings, Findings)
