"""Annex A: which list a table is, what its words mean, and what the tables hold of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from abm.errors import CareError
from calibration.returns.annex_a import recognises
from calibration.returns.annex_a_cells import code_in, words
from calibration.returns.annex_a_layout import LISTS as LAYOUT
from calibration.returns.annex_a_layout import list_of
from calibration.returns.cin_codes import CODES as CIN
from calibration.returns.reading_table import header_key
from calibration.returns.ssda903_codes import CODES as SSDA903
from tests.calibration.returns.files_annex_a import LISTS, NOT_NEEDED, S47, csvs, in_care, person, read, workbook
from tests.calibration.returns.files_cin import rows, told

TABLES = ("referrals", "assessments", "enquiries", "protection_plans", "reviews", "early_help")


def test_the_lists_become_tables_of_need_and_of_care(tmp_path: Path) -> None:
    care, need, findings = read(workbook(tmp_path / "Annex A.xlsx", LISTS))
    assert rows(need.children, "child", "birth", "sex") == [
        (key, "2015-05-01", 1 if key == "E" else 0) for key in "ABDE"
    ]
    assert rows(
        need.referrals, "child", "number", "referred", "source", "primary_need", "nfa", "closed", "closure_reason"
    ) == [
        ("A", 0, "2024-07-02", "6", "N1", False, None, None),
        ("B", 0, "2023-01-10", None, "N5", False, "2024-09-15", "RC9"),
        ("D", 0, "2024-07-03", "1D", None, True, None, None),
    ]
    assert rows(need.assessments, "child", "number", "started", "authorised", "factors") == [
        ("A", 0, "2024-07-03", "2024-08-01", None)
    ]
    assert rows(need.enquiries, "started", "conference", "conference_not_required") == [
        ("2024-07-20", "2024-08-05", False)
    ]
    assert rows(need.protection_plans, "start", "end", "initial_category", "latest_category", "previous_plans") == [
        ("2024-08-05", None, "NEG", "EMO", 1)
    ]
    assert rows(need.reviews, "held") == [("2024-12-20",)]
    assert rows(need.early_help, "child", "start", "end") == [("E", "2024-07-05", "2024-08-01")]
    assert need.need_plans.height == need.pre_proceedings.height == 0
    # The latest date is the review's; six months before it, and the year ending 31 March both are in.
    assert (str(need.observed_from), str(need.observed_to), need.years) == ("2024-06-21", "2024-12-20", (2025,))
    assert (care.observed_from, care.observed_to) == (need.observed_from, need.observed_to)
    assert rows(care.episodes, "child", "start", "end", "rne", "legal", "need", "place", "provider", "rec") == [
        ("B", "2024-03-01", "2024-09-15", "S", "C2", "N1", "U4", "PR1", "E4A"),
        ("C", "2022-02-01", "2022-06-10", "S", None, "N1", None, None, "X1"),
        ("C", "2022-06-10", "2024-09-03", "L", "C2", "N1", None, None, "X1"),
        ("C", "2024-09-03", None, "P", "C2", "N1", "K2", "PR1", None),
    ]
    assert rows(care.children, "child", "sex", "uasc") == [("B", 0, False), ("C", 0, False)]
    assert set(findings.counts()) == {"annex-contacts"}
    assert care.files[care.episodes["file"][0]] == "Annex A.xlsx, sheet List_8"


@pytest.mark.parametrize("name", ["List_{}", "List {}", "Ofsted list {} 2024", "sheet{}"])
def test_sheets_and_files_of_any_name_with_or_without_titles(tmp_path: Path, name: str) -> None:
    # What a list is, is told by its columns.
    expected_care, expected_need, _ = read(workbook(tmp_path / "a.xlsx", LISTS))
    named = {name.format(i): rows for i, rows in enumerate(LISTS.values(), 1)}
    for care, need, _ in (
        read(workbook(tmp_path / "b.xlsx", named, title="Annex A, child-level data")),
        read(csvs(tmp_path / "c", named)),
    ):
        for table in ("children", *TABLES):
            ours, theirs = (getattr(t, table).drop("file", "row", strict=False) for t in (need, expected_need))
            assert ours.equals(theirs), table
        assert care.episodes.drop("file", "row").equals(expected_care.episodes.drop("file", "row"))


def test_headers_are_matched_loosely_and_that_is_told(tmp_path: Path) -> None:
    drifted = {
        "1": [
            {"CHILD  unique id": "A", "sex": "F", "Date of birth:": "01/05/2015", "Date of Referal": "02/07/2024",
             "Referal source": "6", "Referral NFA": "N"}
        ],
        "2": [
            {"Child's ID": "A", "Date of Birth": "01/05/2015", "Child Protection Plans Start Date": "05/08/2024",
             "Initial Category Abuse": "Neglect", "Child Protection Plan End Dates": "01/10/2024"}
        ],
    }  # fmt: skip
    _, need, findings = read(csvs(tmp_path / "x", drifted))
    assert rows(need.referrals, "child", "referred", "source", "nfa") == [("A", "2024-07-02", "6", False)]
    assert rows(need.protection_plans, "start", "end", "initial_category") == [("2024-08-05", "2024-10-01", "NEG")]
    assert [column for _, _, column in told(findings, "annex-header-near")] == [
        "Date of referral", "Referral Source", "Child Protection Plan End Date", "Child Protection Plan Start Date",
        "Initial Category of Abuse",
    ]  # fmt: skip
    assert rows(need.children, "sex") == [(0,)]


def test_two_numbers_of_a_child_or_a_thousand_columns_do_no_harm(tmp_path: Path) -> None:
    row = {
        "Person ID": "P1",
        "Child ID": "A",
        "Sex": "F",
        "Date of Birth": "01/05/2015",
        "Date of referral": "02/07/2024",
    }
    strange = {f"Date of referrals {i} and {'x' * (i % 40)}": "" for i in range(3000)}
    _, need, findings = read(csvs(tmp_path / "x", {"3": [row | strange]}))
    # The first of two columns that could be the child's.
    assert rows(need.referrals, "child", "referred") == [("P1", "2024-07-02")]
    assert "annex-header-near" not in findings.counts()


def test_the_end_of_a_plan_is_never_taken_for_its_start(tmp_path: Path) -> None:
    lacking = {"7": [{k: v for k, v in LISTS["List_7"][0].items() if "Start" not in k}]}
    lacking["7"][0]["Child Protection Plan End Date"] = "01/10/2024"
    with pytest.raises(CareError, match="'Child Protection Plan Start Date' is missing") as refused:
        read(csvs(tmp_path / "x", lacking))
    assert "row" in refused.value.remedy


def test_a_list_whose_columns_tell_nothing_is_told_by_its_name_and_refused(tmp_path: Path) -> None:
    lists = {"List 3": [{"Child Unique ID": "A", "When": "01/07/2024"}], "List_4": LISTS["List_4"]}
    with pytest.raises(CareError, match="column 'Date of referral' is missing"):
        read(workbook(tmp_path / "a.xlsx", lists))


def test_every_first_column_tells_its_own_list() -> None:
    for one in LAYOUT:
        keys = [header_key(header) for header in ("Child Unique ID", "Date of Birth", *one.columns.values())]
        assert list_of(keys) == one.number
        # Without its first column the others tell it, if it has two.
        rest = [key for key in keys if key != header_key(one.first)]
        assert list_of(rest) in ({one.number} if len(one.columns) > 2 else {one.number, None})
    assert list_of(["CHILD", "DECOM", "RNE"]) is None
    assert list_of(["LACHILDID", "CINREFERRALDATE"]) is None
    assert list_of(["CHILDUNIQUEID", "DATETHECHILDENTEREDCARE"]) == 10


def test_a_list_that_is_not_needed_and_a_table_of_something_else_are_told(tmp_path: Path) -> None:
    extra = {
        "List_3": LISTS["List_3"],
        "List_10": [{"Child Unique ID": "Z", "Date the Child Entered Care": "01/01/2024"}],
        "Notes": [{"Who": "me", "What": "nothing"}],
    }
    _, need, findings = read(workbook(tmp_path / "a.xlsx", extra))
    assert need.referrals.height == 2
    assert (findings.counts()["annex-list-not-needed"], findings.counts()["annex-not-a-list"]) == (1, 1)
    with pytest.raises(CareError, match="No list of Annex A that the journey is made of"):
        read(workbook(tmp_path / "b.xlsx", {"Notes": [{"Who": "me", "What": "nothing"}]}))


def test_files_are_recognised_by_their_columns(tmp_path: Path) -> None:
    csvs(tmp_path, LISTS)
    assert all(recognises(path) for path in tmp_path.iterdir())
    (tmp_path / "x.csv").write_text("CHILD,DECOM,RNE,LS\n1,2,3,4\n")
    (tmp_path / "y.csv").write_text("LAchildID,CINreferralDate\n1,2\n")
    (tmp_path / "z.xlsx").write_text("no workbook")
    assert not any(recognises(tmp_path / name) for name in ("x.csv", "y.csv", "z.xlsx", "none.csv"))


CELLS = """
sex | a) Male | M
sex | b) Female | F
sex | 2 - Female | F
sex | 1 | M
sex | f | F
sex | c) Not stated/recorded (or unborn) |
sex | d) Neither |
sex | Transgender Male |
sex | other | -
source | 6: Police | 6
source | m) 4: Housing | 4
source | POLICE | 6
source | 10 | 10
source | Health Visitor [3B] | 3B
source | Health services - A&E (emergency department) | 3E
source | GP | 3A
source | Schools | 2A
source | 24 hour helpline | -
need | N4.HOME25 | N4
need | a) Abuse or neglect | N1
need | Parental disability or illness | N3
need | Child's disability | N2
need | Family in acute stress | N4
closure | RC7 - Services ceased for any other reason | RC7
closure | Case closed, no further action | RC8
abuse | a) Neglect | NEG
abuse | Neglect, Emotional | MUL
abuse | EMO | EMO
abuse | Sexual abuse; Physical abuse | MUL
abuse | e) Multiple/not recommended | MUL
yes | a) Yes | 1
yes | b) No | 0
yes | 1 - Yes | 1
yes | N | 0
yes | FALSE | 0
yes | N/A |
yes | perhaps | -
LS | C1:Care Orders:- Interim care order | C1
LS | Full care order | C2
LS | C1: ICO | C1
LS | CLA - E1 - Placement order granted AND C2 - Full Care Order | E1
LS | C2 - Full Care Order and E1 - Placement order | E1
LS | INTERIM CARE ORDER S38 | C1
LS | Single period of accommodation under section 20 | V2
LS | e) Accommodated under S20 | V2
LS | V4 - Accommodation under a series of short term breaks | V4
PLACE | K2a | K2
PLACE | p) K2: Children's Homes | K2
PLACE | h) Children's Homes | K2
PLACE | Foster placement with relative or friend - long term fostering (IN) [U1a] | U1
PLACE | Foster placement with relative or friend | U3
PLACE | Foster placement with other carer | U6
PLACE | Residential accommodation not subject to Children's Homes Regulations | H5
PLACE | g) Secure Children\u2019s Homes | K1
PLACE | Residential care home | R1
PLACE | zz) T4: Temporary placement - seven days or less | T4
PLACE | Q2 IN - foster | Q2
PLACE | U6OUT - foster | U6
PLACE | somewhere | -
PLACE_PROVIDER | e) PR4: Private provision | PR4
PLACE_PROVIDER | a) Own LA | PR1
PLACE_PROVIDER | Other LA Provision | PR2
PLACE_PROVIDER | Not Recorded |
REC | r) E15: Age assessment determined child was 18 or over | E15
REC | Adopted - consent dispensed with | E12
REC | E45 - Special guardianship made to former foster carer(s) | E45
REC | Died | E2
REC | Returned home to live with parents - not part of planning | E4B
REC | E4B - Return home | E4B
REC | Returned home to live with parents or relatives - part of planning | E4A
REC | d) Returned home to live with parents or relatives | E4
REC | m) Child moved abroad | E16
REC | X1 | X1
"""


@pytest.mark.parametrize("line", CELLS.strip().splitlines())
def test_what_cells_mean(line: str) -> None:
    column, cell, code = (part.strip() for part in line.split("|"))
    assert code_in(column, cell) == (None if code == "-" else code)


def test_every_word_leads_to_a_code_that_exists() -> None:
    for column, listed in words().items():
        ours = {"1", "0"} if column == "yes" else set((SSDA903 if column.isupper() else CIN).codes(column))
        assert {code for _, code in listed} - ours <= {"E4"}, column


def test_a_cell_that_nobody_knows_is_told_and_not_shown(tmp_path: Path) -> None:
    lists = {"8": [in_care("C", "01/02/2024", place="Castle Ruritania", rec="Vanished"), in_care("D", "01/02/2024")]}
    care, _, findings = read(csvs(tmp_path / "x", lists))
    assert rows(care.episodes, "child", "place") == [("C", None), ("D", "U4")]
    assert [column for _, _, column in told(findings, "annex-words")] == [
        "Placement Type",
        "Reason Ceased to be Looked After",
    ]
    assert "Ruritania" not in str(findings.frame().rows())


def test_dates_of_list_8_that_cannot_be(tmp_path: Path) -> None:
    lists = {
        "8": [
            in_care("A", "01/02/2024", place_from="01/01/2024", legal_from="01/02/2024"),
            in_care("B", "01/02/2024", end="01/01/2024", rec="E3"),
            in_care("C", "", birth="01/05/2015"),
            in_care("D", "01/02/2024", birth="01/03/2024"),
            in_care("E", "01/02/2024", place_from="10/02/2024", place="K2"),
            in_care("E", "01/02/2024", place_from="05/02/2024"),
            in_care("F", "01/02/2023", end="20/04/2024", rec="d) Returned home to live with parents or relatives"),
        ]
    }
    care, _, findings = read(csvs(tmp_path / "x", lists), date(2024, 5, 31))
    assert rows(care.episodes, "child", "start", "end", "rne", "place", "rec") == [
        ("A", "2024-02-01", None, "S", "U4", None),
        ("B", "2024-02-01", None, "S", "U4", None),
        ("E", "2024-02-01", "2024-02-10", "S", None, "X1"),
        ("E", "2024-02-10", None, "P", "K2", None),
        ("F", "2023-02-01", "2024-04-20", "S", "U4", "E4A"),
    ]
    assert findings.counts() == {
        "annex-care-twice": 1, "annex-end-untold": 1, "annex-home-outside-care": 1, "annex-no-birth": 1,
        "annex-return-untold": 1, "cin-ends-before-start": 1, "cin-no-start": 1,
    }  # fmt: skip
    assert care.years == (2024, 2025)


def test_findings_of_need_go_by_the_headers_of_the_lists(tmp_path: Path) -> None:
    lists = {
        "3": [person("A") | {"Date of referral": "31/02/2024", "Referral Source": "6", "Referral NFA?": "No"}],
        "5": [person("A") | {S47: "20/07/2024", NOT_NEEDED: "No"}, person("") | {S47: "20/07/2024", NOT_NEEDED: "Yes"}],
    }
    _, need, findings = read(csvs(tmp_path / "x", lists))
    assert rows(need.referrals, "child", "referred") == [("A", "2024-07-20")]
    assert told(findings, "date-not-read") == [("3.csv", 2, "Date of referral or CIN Start Date")]
    assert told(findings, "cin-no-child") == [("5.csv", 3, "Child Unique ID")] * 2
    assert told(findings, "cin-referral-made") == [("5.csv", 2, "")]


def test_of_two_lists_on_one_referral_that_of_children_in_need_knows_the_closure(tmp_path: Path) -> None:
    closed = {"CIN Start Date": "02/07/2024", "Primary Need Code": "N2", "CIN Closure Date": "01/09/2024",
              "Reason for Closure": "RC8"}  # fmt: skip
    lists = {"a": [person("A") | closed], "b": LISTS["List_3"]}
    for order in (lists, {"b": LISTS["List_3"], "c": lists["a"]}):
        _, need, findings = read(csvs(tmp_path / "".join(order), order))
        wanted = [("A", "6", "N2", "2024-09-01", "RC8"), ("D", "1D", None, None, None)]
        assert rows(need.referrals, "child", "source", "primary_need", "closed", "closure_reason") == wanted
        assert findings.counts() == {}


def test_the_window_is_told_by_the_latest_date_or_by_whoever_asks(tmp_path: Path) -> None:
    many = [person(f"C{i}") | {"Date of referral": f"{i % 28 + 1:02}/{i % 5 + 1:02}/2024"} for i in range(120)]
    slip = person("X") | {"Date of referral": "01/01/2042"}
    _, need, findings = read(csvs(tmp_path / "x", {"3": [*many, slip]}))
    assert (str(need.observed_from), str(need.observed_to)) == ("2023-11-28", "2024-05-27")
    assert findings.counts()["cin-begins-after-census"] == 1
    _, need, _ = read(tmp_path / "x", date(2024, 6, 30), 12)
    assert (str(need.observed_from), need.years) == ("2023-07-01", (2024, 2025))
    with pytest.raises(CareError, match="cannot cover 0 months"):
        read(tmp_path / "x", months=0)
    with pytest.raises(CareError, match="no date"):
        read(csvs(tmp_path / "y", {"3": [person("A") | {"Date of referral": "", "Referral Source": "6"}]}))
