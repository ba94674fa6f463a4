"""Every known trap of the CIN Census has a test here, in the order of docs/reference/cin_census.md."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from abm.errors import CareError
from calibration.returns.assemble import assemble
from calibration.returns.cin_codes import CODES
from calibration.returns.dates import week_of_date
from calibration.returns.findings import Findings
from tests.calibration.returns.clean import words
from tests.calibration.returns.files_cin import (
    assessment,
    case,
    child,
    el,
    enquiry,
    need_plan,
    protection_plan,
    read,
    read_children,
    rows,
    told,
    write,
)

# 1. Children ----------------------------------------------------------------------------------------------------------


def test_an_unborn_child_has_an_expected_birth_and_no_birth(tmp_path: Path) -> None:
    unborn = child("U", case("2024-01-10"), birth=None, ExpectedPersonBirthDate="2024-05-20", Sex="U")
    later = child("U", case("2024-01-10"), birth="2024-05-14", Sex="F")
    tables, findings = read_children(tmp_path, unborn)
    assert rows(tables.children, "birth", "expected_birth", "sex") == [(None, "2024-05-20", None)]
    # U is a code of the censuses since 2025.
    assert set(findings.counts()) == {"cin-code-of-other-years"}
    tables, findings = read(write(tmp_path, {2025: [later]}))
    assert rows(tables.children, "birth", "expected_birth", "sex") == [("2024-05-14", "2024-05-20", 0)]


def test_a_birth_after_the_census_is_one_that_is_expected(tmp_path: Path) -> None:
    tables, findings = read_children(tmp_path, child("U", case("2024-01-10"), birth="2024-05-20"))
    assert rows(tables.children, "birth", "expected_birth") == [(None, "2024-05-20")]
    assert told(findings, "cin-birth-after-census") == [("cin_2024.xml", 11, "PersonBirthDate")]


@pytest.mark.parametrize(
    ("year", "cells", "sex", "found"),
    [
        (2024, {"GenderCurrent": "1"}, 1, set()),
        (2024, {"GenderCurrent": "2"}, 0, set()),
        (2024, {"GenderCurrent": "0"}, None, set()),
        (2024, {"GenderCurrent": "9"}, None, set()),
        (2025, {"Sex": "M"}, 1, set()),
        (2025, {"Sex": " f "}, 0, set()),
        (2025, {"Sex": "U"}, None, set()),
        (2025, {"Sex": "2"}, 0, {"cin-code-of-other-years"}),
        (2024, {"Sex": "M"}, 1, {"cin-code-of-other-years"}),
        (2025, {"Sex": "Q"}, None, {"cin-unknown-code"}),
    ],
)
def test_gender_became_sex_in_2025(tmp_path: Path, year: int, cells: dict[str, str], sex: int | None, found) -> None:
    tables, findings = read_children(tmp_path, child("A", case(f"{year - 1}-06-01"), **cells), year=year)
    assert tables.children["sex"].to_list() == [sex]
    assert set(findings.counts()) == found


def test_a_child_without_a_key_is_left_out_with_all_of_it(tmp_path: Path) -> None:
    nobody = child(None, case("2023-05-01", assessment("2023-05-02")))
    tables, findings = read_children(tmp_path, nobody, child("A", case("2023-06-01")))
    assert tables.children["child"].to_list() == ["A"]
    assert tables.referrals.height == 1
    assert tables.assessments.height == 0
    assert findings.counts() == {"cin-no-child": 3}


def test_a_child_that_stands_twice_is_one(tmp_path: Path) -> None:
    tables, findings = read_children(tmp_path, child("a", case("2023-05-01")), child("A ", case("2023-09-01")))
    assert rows(tables.referrals, "child", "number", "referred") == [("A", 0, "2023-05-01"), ("A", 1, "2023-09-01")]
    assert len(told(findings, "cin-child-twice")) == 1


def test_a_date_of_birth_that_changes_is_the_latest(tmp_path: Path) -> None:
    folder = write(
        tmp_path, {2023: [child("A", case("2022-06-01"))], 2024: [child("A", case("2022-06-01"), birth="2015-05-02")]}
    )
    tables, findings = read(folder)
    assert rows(tables.children, "birth") == [("2015-05-02",)]
    assert told(findings, "cin-birth-changed") == [("cin_2023.xml", 11, "PersonBirthDate")]


def test_births_cut_to_the_month_are_put_in_its_middle(tmp_path: Path) -> None:
    cut = [child(f"C{i:02}", case("2023-05-08"), birth=f"2015-{i % 12 + 1:02}-01") for i in range(29)]
    cut += [child("N", case("2023-05-08"), birth="2023-05-01"), child("X", case("2023-05-08"), birth="2015-05-23")]
    tables, findings = read_children(tmp_path, *cut)
    births = dict(rows(tables.children, "child", "birth"))
    assert (births["C00"], births["N"], births["X"]) == ("2015-01-15", "2023-05-08", "2015-05-23")
    assert told(findings, "cin-births-cut") == [("cin_2024.xml", None, "PersonBirthDate")]
    # A few births on the first are what they are.
    (tmp_path / "few").mkdir()
    tables, findings = read_children(tmp_path / "few", *cut[:12])
    assert ("C00", "2015-01-01") in rows(tables.children, "child", "birth")
    assert findings.counts() == {}


def test_a_birth_that_is_a_month(tmp_path: Path) -> None:
    tables, findings = read_children(tmp_path, child("A", case("2023-05-08"), birth="2015-05"))
    assert rows(tables.children, "birth") == [("2015-05-01",)]
    assert findings.counts() == {"date-month-only": 1}


# 2. Yes and no --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "is_nfa"),
    [("true", True), ("TRUE", True), ("1", True), ("false", False), ("FALSE", False), ("0", False), (None, False)],
)
def test_yes_and_no_come_in_many_forms(tmp_path: Path, text: str | None, is_nfa: bool) -> None:
    tables, findings = read_children(
        tmp_path,
        child("A", case("2023-05-01", nfa=text)),
        child("B", case("2023-05-01", enquiry("2023-05-03", None, text))),
    )
    assert tables.referrals["nfa"].to_list() == [is_nfa, False]
    assert tables.enquiries["conference_not_required"].to_list() == [is_nfa if text else None]
    assert "cin-not-yes-or-no" not in findings.counts()


def test_what_is_neither_is_told(tmp_path: Path) -> None:
    tables, findings = read_children(tmp_path, child("A", case("2023-05-01", nfa="perhaps")))
    assert tables.referrals["nfa"].to_list() == [False]
    assert findings.counts() == {"cin-not-yes-or-no": 1}


# 3. Conferences -------------------------------------------------------------------------------------------------------


def test_a_conference_stands_in_section_47_or_in_the_case(tmp_path: Path) -> None:
    moved_in = child("A", case("2023-05-01", DateOfInitialCPC="2023-05-20"))
    found = child("B", case("2023-05-01", enquiry("2023-05-02", "2023-05-20")))
    both = child("C", case("2023-05-01", enquiry("2023-05-02", "2023-05-20"), DateOfInitialCPC="2023-05-20"))
    two = child("D", case("2023-05-01", enquiry("2023-05-02", "2023-05-20"), DateOfInitialCPC="2023-08-01"))
    tables, findings = read_children(tmp_path, moved_in, found, both, two)
    assert rows(tables.referrals, "child", "conference") == [
        ("A", "2023-05-20"), ("B", None), ("C", None), ("D", "2023-08-01"),
    ]  # fmt: skip
    assert rows(tables.enquiries, "child", "conference") == [(key, "2023-05-20") for key in "BCD"]
    assert findings.counts() == {"cin-2884": 1}


# 4. Closures ----------------------------------------------------------------------------------------------------------


def test_reasons_for_closure_by_year(tmp_path: Path) -> None:
    assert CODES.codes("closure") == [f"RC{i}" for i in range(1, 10)]
    assert CODES.codes("closure", 2022) == [f"RC{i}" for i in range(1, 9)]
    early = child("A", case("2021-06-01", CINclosureDate="2021-08-01", ReasonForClosure="rc9"))
    strange = child("B", case("2021-06-01", CINclosureDate="2021-08-01", ReasonForClosure="RC0"))
    bare = child("C", case("2021-06-01", CINclosureDate="2021-08-01"))
    undated = child("D", case("2021-06-01", ReasonForClosure="RC1"))
    tables, findings = read_children(tmp_path, early, strange, bare, undated, year=2022)
    assert tables.referrals["closure_reason"].to_list() == ["RC9", None, None, None]
    assert findings.counts() == {
        "cin-code-of-other-years": 1,
        "cin-unknown-code": 1,
        "cin-closure-without-reason": 2,
        "cin-reason-without-closure": 1,
    }


# 5. Dates -------------------------------------------------------------------------------------------------------------


def test_dates_that_are_none_are_told_and_never_shown(tmp_path: Path) -> None:
    bad = child("A", case("2023-02-30"), case("2023-05-01", assessment("yesterday"), CINclosureDate="31/06/2023"))
    tables, findings = read_children(tmp_path, bad)
    assert rows(tables.referrals, "referred", "closed") == [("2023-05-01", None)]
    assert findings.counts() == {"cin-no-start": 2, "date-not-read": 3}
    shown = str(findings.frame().rows())
    assert "2023-02-30" not in shown
    assert "31/06" not in shown


def test_what_is_after_the_census_is_not_used(tmp_path: Path) -> None:
    closed = {"CINclosureDate": "2024-04-02", "ReasonForClosure": "RC7"}
    late = case("2023-05-01", assessment("2028-04-28"), need_plan("2023-06-01", "2024-05-01"), **closed)
    tables, findings = read_children(tmp_path, child("A", late))
    assert tables.assessments.height == 0
    assert rows(tables.need_plans, "start", "end") == [("2023-06-01", None)]
    assert rows(tables.referrals, "closed", "closure_reason") == [(None, None)]
    assert findings.counts()["cin-begins-after-census"] == 1
    assert findings.counts()["cin-ends-after-census"] == 2


def test_a_file_of_another_year_than_it_says_is_refused(tmp_path: Path) -> None:
    children = [child(f"C{i}", case(f"2023-0{i % 8 + 1}-11"), birth="2015-05-04") for i in range(40)]
    with pytest.raises(
        CareError, match="100% of the referrals are after the last day of the file's census, 2022-03-31"
    ):
        read_children(tmp_path, *children, year=2022)
    _, findings = read(
        write(tmp_path / "later", {2026: children}) if (tmp_path / "later").mkdir() is None else tmp_path
    )
    assert findings.counts() == {"cin-nothing-in-year": 1}


def test_an_end_before_its_start_is_read_as_none(tmp_path: Path) -> None:
    ends = assessment("2023-05-02", "2023-05-01"), enquiry("2023-05-03", "2023-05-02")
    wrong = case("2023-05-01", *ends, protection_plan("2023-06-01", "2023-05-01"))
    tables, findings = read_children(tmp_path, child("A", wrong))
    assert tables.enquiries["conference"].to_list() == [None]
    assert tables.assessments["authorised"].to_list() == [None]
    assert tables.protection_plans["end"].to_list() == [None]
    assert len(told(findings, "cin-ends-before-start")) == 3


# 6. Years -------------------------------------------------------------------------------------------------------------


def test_a_case_open_over_years_is_one_case_as_the_latest_census_tells_it(tmp_path: Path) -> None:
    plan_1, plan_2 = protection_plan("2022-06-01"), protection_plan("2022-06-01", "2023-12-01")
    folder = write(
        tmp_path,
        {
            2023: [child("A", case("2022-05-01", assessment("2022-05-02", None, "4B"), plan_1))],
            2024: [child("A", case("2022-05-01", plan_2, CINclosureDate="2024-01-15", ReasonForClosure="RC7"))],
        },
    )
    tables, findings = read(folder)
    assert rows(tables.referrals, "referred", "closed", "closure_reason") == [("2022-05-01", "2024-01-15", "RC7")]
    assert tables.files[tables.referrals["file"][0]] == "cin_2024.xml"
    assert rows(tables.protection_plans, "start", "end") == [("2022-06-01", "2023-12-01")]
    # What an earlier census tells and a later one no longer does is kept.
    assert rows(tables.assessments, "started", "factors") == [("2022-05-02", ["4B"])]
    assert (tables.years, str(tables.observed_from)) == ((2023, 2024), "2022-04-01")
    assert "cin-not-repeated" not in findings.counts()


def test_a_case_that_no_later_census_holds_ended_before_the_next_one(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        {
            2023: [child("A", case("2022-05-01", need_plan("2022-07-01"))), child("N", case("2022-05-01", nfa="1"))],
            2025: [child("B", case("2024-05-01"), birth="2012-01-01")],
        },
    )
    tables, findings = read(folder)
    assert rows(tables.referrals, "child", "closed", "closure_reason") == [
        ("A", "2024-03-31", "RC99"), ("B", None, None), ("N", None, None),
    ]  # fmt: skip
    assert rows(tables.need_plans, "end") == [("2024-03-31",)]
    assert [column for _, _, column in told(findings, "cin-not-repeated")] == ["CINclosureDate", "CINPlanEndDate"]


def test_what_vanished_ended_before_the_next_one_began_in_a_year_without_a_census(tmp_path: Path) -> None:
    """Of 2024 there is no census. One who is referred again in it, or has another plan, has not two at a time."""
    plans = [protection_plan("2022-07-01"), protection_plan("2023-10-02")]
    folder = write(
        tmp_path,
        {
            2023: [
                child("A", case("2022-05-01", need_plan("2022-07-01"))), child("B", case("2022-05-01", plans[0])),
                child("C", case("2022-05-01"), case("2022-12-01")),
            ],
            2025: [child("A", case("2023-09-04")), child("B", case("2022-05-01", plans[1]))],
        },
    )  # fmt: skip
    tables, _ = read(folder)
    assert rows(tables.referrals, "child", "referred", "closed", "closure_reason") == [
        ("A", "2022-05-01", "2023-09-03", "RC99"), ("A", "2023-09-04", None, None), ("B", "2022-05-01", None, None),
        # Two at a time in one census are told as they stand there.
        ("C", "2022-05-01", "2024-03-31", "RC99"), ("C", "2022-12-01", "2024-03-31", "RC99"),
    ]  # fmt: skip
    assert rows(tables.protection_plans, "start", "end") == [("2022-07-01", "2023-10-01"), ("2023-10-02", None)]
    observed = assemble(None, tables, Findings())
    # The case of before the missing year does not hide the referral in it.
    assert f"{week_of_date(date(2023, 9, 4), 2023)} was_referred" in words(observed, "A")


def test_a_plan_of_a_closed_case_ended_with_the_case(tmp_path: Path) -> None:
    closed = case("2023-05-01", need_plan("2023-06-01"), CINclosureDate="2023-09-01", ReasonForClosure="RC7")
    tables, findings = read_children(tmp_path, child("A", closed))
    assert rows(tables.need_plans, "end") == [("2023-09-01",)]
    assert findings.counts() == {"cin-open-past-closure": 1}


def test_the_same_file_twice_changes_nothing(tmp_path: Path) -> None:
    one = child(
        "A", case("2023-05-01", assessment("2023-05-02", "2023-06-01", "4B"), enquiry("2023-05-10", "2023-05-20"))
    )
    folder = write(tmp_path, {2024: [one]})
    first, _ = read(folder)
    (folder / "again.xml").write_bytes((folder / "cin_2024.xml").read_bytes())
    second, findings = read(folder)
    assert first.referrals.drop("file").equals(second.referrals.drop("file"))
    assert first.assessments.drop("file").equals(second.assessments.drop("file"))
    assert findings.counts() == {}


# 7. Referrals ---------------------------------------------------------------------------------------------------------


def test_two_referrals_of_one_day_are_one_and_accepted_if_either_is(tmp_path: Path) -> None:
    two = child("A", case("2023-05-01", assessment("2023-05-02")), case("2023-05-01", nfa="1", ReferralSource="6"))
    tables, findings = read_children(tmp_path, two)
    assert rows(tables.referrals, "number", "referred", "nfa", "source") == [(0, "2023-05-01", False, "1A")]
    assert tables.assessments["number"].to_list() == [0]
    assert findings.counts() == {"cin-referral-twice": 1}


def test_activity_under_a_referral_without_further_action_means_it_was_accepted(tmp_path: Path) -> None:
    acted = child("A", case("2023-05-01", assessment("2023-05-02"), nfa="1"), case("2023-09-01", nfa="1"))
    tables, findings = read_children(tmp_path, acted)
    assert tables.referrals["nfa"].to_list() == [False, True]
    assert told(findings, "cin-8831") == [("cin_2024.xml", 19, "ReferralNFA")]
    held = child("B", case("2023-05-01", nfa="1", DateOfInitialCPC="2023-05-20"))
    assert read_children(tmp_path, held)[0].referrals["nfa"].to_list() == [False]


def test_a_referral_that_was_acted_upon_and_is_not_repeated_ends_with_its_census(tmp_path: Path) -> None:
    acted = child("A", case("2022-05-01", assessment("2022-05-02"), nfa="1"))
    tables, findings = read(write(tmp_path, {2023: [acted], 2024: [child("B", case("2023-05-01"))]}))
    assert rows(tables.referrals, "child", "nfa", "closed") == [("A", False, "2023-03-31"), ("B", False, None)]
    # What a return does not tell is not said to lack a reason, nor an end.
    assert findings.counts() == {"cin-8831": 1, "cin-not-repeated": 1}


def test_what_has_no_referral_gets_one(tmp_path: Path) -> None:
    lost = case(None, assessment("2023-05-02"), need_plan("2023-06-01"))
    tables, findings = read_children(tmp_path, child("A", lost, case("2023-09-01", enquiry("2023-09-02"))))
    assert rows(tables.referrals, "number", "referred", "closed", "source") == [
        (0, "2023-05-02", "2023-09-01", None),
        (1, "2023-09-01", None, "1A"),
    ]
    assert (tables.assessments["number"].to_list(), tables.need_plans["number"].to_list()) == ([0], [0])
    assert tables.enquiries["number"].to_list() == [1]
    assert findings.counts()["cin-referral-made"] == 1
    later = case(None, assessment("2023-11-02"))
    tables, findings = read_children(tmp_path, child("A", case("2023-09-01"), later))
    assert tables.assessments["number"].to_list() == [0]
    assert findings.counts() == {"cin-no-start": 1, "cin-no-such-referral": 1}


# 8. Plans -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [need_plan, protection_plan])
def test_plans_of_one_kind_that_overlap_are_one(tmp_path: Path, plan) -> None:
    overlapping = case("2023-04-05", plan("2023-05-01", "2023-08-01"), plan("2023-07-01", "2023-10-01"))
    apart = case("2023-04-05", plan("2023-05-01", "2023-07-01"), plan("2023-07-01", "2023-10-01"))
    inside = case(
        "2023-04-05",
        plan("2023-05-01", "2023-10-01"),
        plan("2023-06-01", "2023-07-01"),
        plan("2023-09-01", "2023-09-09"),
    )
    two_open = case("2023-04-05", plan("2023-05-01"), plan("2023-07-01"))
    tables, findings = read_children(
        tmp_path, child("A", overlapping), child("B", apart), child("C", inside), child("D", two_open)
    )
    frame = tables.need_plans if plan is need_plan else tables.protection_plans
    assert rows(frame, "child", "start", "end") == [
        ("A", "2023-05-01", "2023-10-01"),
        ("B", "2023-05-01", "2023-07-01"),
        ("B", "2023-07-01", "2023-10-01"),
        ("C", "2023-05-01", "2023-10-01"),
        ("D", "2023-05-01", None),
    ]
    assert findings.counts()["cin-4004" if plan is need_plan else "cin-8940"] == 4


def test_categories_of_joined_plans_are_the_first_and_the_last(tmp_path: Path) -> None:
    plans = (
        protection_plan("2023-05-01", NumberOfPreviousCPP="2"),
        protection_plan("2023-07-01", InitialCategoryOfAbuse="EMO", LatestCategoryOfAbuse="MUL"),
    )
    tables, _ = read_children(tmp_path, child("A", case("2023-04-05", *plans)))
    assert rows(tables.protection_plans, "initial_category", "latest_category", "previous_plans") == [("NEG", "MUL", 2)]


def test_a_child_on_both_plans_keeps_both(tmp_path: Path) -> None:
    both = case("2023-04-05", need_plan("2023-05-01"), protection_plan("2023-07-01"), DateOfInitialCPC="2023-07-01")
    tables, findings = read_children(tmp_path, child("A", both))
    assert (tables.need_plans.height, tables.protection_plans.height) == (1, 1)
    assert findings.counts() == {"cin-4016": 1}


def test_reviews_are_one_row_each(tmp_path: Path) -> None:
    plan = protection_plan("2023-05-01", None, "2023-07-20", "2024-01-10")
    tables, findings = read_children(tmp_path, child("A", case("2023-04-05", plan, DateOfInitialCPC="2023-05-01")))
    assert rows(tables.reviews, "number", "held") == [(0, "2023-07-20"), (0, "2024-01-10")]
    assert findings.counts() == {}


# 9. Modules of some years ---------------------------------------------------------------------------------------------


def test_the_block_of_2026_inside_the_case_or_beside_it(tmp_path: Path) -> None:
    cells = {
        "PPStartDate": "2025-09-09", "LBPSentDate": "2025-09-20", "FGDMMeetingOffer": "1",
        "StepDecisionDate": "2025-12-01", "PPOutcome": "A", "CourtAppDate": "2025-12-18",
        "LetterInitCPDate": "2026-02-05",
    }  # fmt: skip
    inside = child("A", case("2025-06-01", el("PreProceedingsandFGDM", **cells)))
    beside = child("B", case("2025-06-01"), el("PreProceedings", **cells))
    letter = child("C", case("2025-06-01", el("PreProceedingsandFGDM", LBPSentDate="2025-09-20", PPOutcome="D")))
    tables, findings = read_children(tmp_path, inside, beside, letter, year=2026)
    whole = ("2025-09-09", "2025-12-01", "A", "2025-12-18")
    assert rows(tables.pre_proceedings, "child", "started", "decided", "outcome", "court") == [
        ("A", *whole), ("B", *whole), ("C", "2025-09-20", None, None, None),
    ]  # fmt: skip
    assert findings.counts() == {"cin-unknown-code": 1, "cin-no-such-referral": 1}


def test_factors_are_of_their_years_and_in_order(tmp_path: Path) -> None:
    old = assessment("2023-05-02", "2023-06-01", "18A", "1a", "RB", "1A")
    tables, findings = read_children(tmp_path, child("A", case("2023-05-01", old)))
    assert tables.assessments["factors"].to_list() == [["1A", "18A"]]
    assert findings.counts() == {"cin-code-of-other-years": 1, "cin-unknown-code": 1}


# 10. All at once ------------------------------------------------------------------------------------------------------


def test_one_census_with_every_trap_is_read_and_every_trap_is_told(tmp_path: Path) -> None:
    everything = [
        child("A", case("2023-05-01", assessment("2023-05-02"), nfa="TRUE"), GenderCurrent="1"),
        child("A", case("2023-05-01", enquiry("2023-05-03", "2023-05-20"), DateOfInitialCPC="2023-05-20")),
        child("U", case("2022-04-10"), birth=None, ExpectedPersonBirthDate="2024-05-20", Sex="F"),
        child(None, case("2023-05-01")),
        child("B", case("2023-05-01", need_plan("2023-04-20"), need_plan("2023-06-01"), protection_plan("2023-06-05"))),
        child("C", case(None, assessment("2023-05-02", "2023-05-01", "21", "4B"), assessment("2023-05-02"))),
        child("D", case("2023-05-01", CINclosureDate="2023-05-02"), case("2023-05-01", ReasonForClosure="RC77")),
        child("E", case("the first of May"), case("2029-01-01"), birth="1990-01-01"),
    ]
    tables, findings = read_children(tmp_path, *everything)
    assert tables.children["child"].to_list() == ["A", "B", "C", "D", "E", "U"]
    assert rows(tables.referrals, "child", "number", "referred") == [
        ("A", 0, "2023-05-01"), ("B", 0, "2023-05-01"), ("C", 0, "2023-05-02"), ("D", 0, "2023-05-01"),
        ("U", 0, "2022-04-10"),
    ]  # fmt: skip
    assert set(findings.counts()) == {
        "cin-2883", "cin-2884", "cin-2885", "cin-4004", "cin-4015", "cin-4016", "cin-8606", "cin-8750", "cin-8775q",
        "cin-begins-after-census", "cin-child-twice", "cin-closure-without-reason", "cin-code-of-other-years",
        "cin-ends-before-start", "cin-factor-none-and-some", "cin-no-child", "cin-no-start", "cin-referral-made",
        "cin-referral-twice", "cin-row-twice", "cin-unknown-code", "date-not-read",
    }  # fmt: skip


def test_a_child_without_a_case_is_told_once_for_each_census(tmp_path: Path) -> None:
    both = child("A", case("2022-05-01"))
    folder = write(tmp_path, {2023: [both, child("E")], 2024: [child("A"), child("E"), child("B", case("2023-05-01"))]})
    tables, findings = read(folder)
    assert [(file, column) for file, _, column in told(findings, "cin-no-details")] == [
        ("cin_2023.xml", "CINdetails"), ("cin_2024.xml", "CINdetails"), ("cin_2024.xml", "CINdetails"),
    ]  # fmt: skip
    assert tables.referrals["child"].to_list() == ["A", "B"]
    # A referral that cannot be read is told as such, and not as none.
    _, findings = read(write(tmp_path, {2023: [child("A", case("not a day"))], 2024: [child("B", case("2023-05-01"))]}))
    assert "cin-no-details" not in findings.counts()
