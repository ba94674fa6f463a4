"""Each rule on a case made for it, and on its neighbour that keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.returns.working_days import bank_holidays
from tests.calibration.returns.files_cin import (
    assessment,
    case,
    child,
    el,
    enquiry,
    need_plan,
    protection_plan,
    read_children,
    told,
)

BEGIN = "2023-05-01"
CLOSED = {"CINclosureDate": "2023-12-01", "ReasonForClosure": "RC7"}
GOOD = case(
    BEGIN, assessment("2023-05-02", "2023-06-20", "4B", "16A"), enquiry("2023-05-10", "2023-05-26"),
    protection_plan("2023-05-26", "2023-10-01", "2023-08-01"), need_plan("2023-10-01", "2023-12-01"), **CLOSED,
)  # fmt: skip


def test_a_child_that_keeps_every_rule_has_no_finding(tmp_path: Path) -> None:
    _, findings = read_children(tmp_path, child("A", GOOD, GenderCurrent="2"))
    assert findings.counts() == {}


def pre(**cells: str):
    return case("2023-05-01", el("PreProceedingsandFGDM", PPStartDate="2023-06-01", **cells))


A, S, N, P = assessment, enquiry, need_plan, protection_plan
TWO, SECOND = (P("2023-05-20", "2023-06-01"), P("2023-07-01")), {"DateOfInitialCPC": "2023-07-01"}
CASES = {
    "cin-4015": (case(BEGIN, N("2023-04-30")), case(BEGIN, N(BEGIN))),
    "cin-begins-before-referral": (case(BEGIN, A("2023-04-30")), case(BEGIN, A(BEGIN))),
    "cin-8820": ([case(BEGIN, **CLOSED), case("2023-11-30")], [case(BEGIN, **CLOSED), case("2023-12-01")]),
    "cin-8896": (case(BEGIN, A(BEGIN), A("2023-06-01")),
                 case(BEGIN, A(BEGIN, "2023-06-01"), A("2023-06-01"))),
    "cin-8890": (case(BEGIN, S(BEGIN, "2023-06-01"), S("2023-05-20", "2023-06-02")),
                 case(BEGIN, S(BEGIN, "2023-05-20"), S("2023-05-20", "2023-06-02"), S("2023-09-01", None, "1"))),
    "cin-2885": (case(BEGIN, S(BEGIN, "2023-05-20"), P("2023-05-21")),
                 case(BEGIN, S(BEGIN, "2023-05-20"), P("2023-05-20"))),
    "cin-2883": (case(BEGIN, S(BEGIN, "2023-05-20"), *TWO), case(BEGIN, S(BEGIN, "2023-05-20"), *TWO, **SECOND)),
    "cin-8867": (case(BEGIN, A(BEGIN), **CLOSED), case(BEGIN, A(BEGIN, "2023-05-20"), **CLOSED)),
    "cin-8868": (case(BEGIN, S(BEGIN), **CLOSED), case(BEGIN, S(BEGIN, None, "1"), **CLOSED)),
    "cin-8565": (case(BEGIN, S("2023-12-02", None, "1"), **CLOSED), case(BEGIN, S("2023-12-01", None, "1"), **CLOSED)),
    "cin-closure-without-reason": (case(BEGIN, CINclosureDate="2023-12-01"), case(BEGIN, **CLOSED)),
    "cin-factor-none-and-some": (case(BEGIN, A(BEGIN, None, "21", "20")), case(BEGIN, A(BEGIN, None, "21"))),
    "cin-9006": (pre(LBPSentDate="2023-05-31"), pre(LBPSentDate="2023-06-01")),
    "cin-9012": (pre(StepDecisionDate="2023-07-02", CourtAppDate="2023-07-01"),
                 pre(StepDecisionDate="2023-07-01", CourtAppDate="2023-07-01")),
    # Without the bank holidays of 8 and 29 May, 45 working days from Tuesday 2 May 2023 are over on 6 July.
    "cin-8670q": (case(BEGIN, A(BEGIN, "2023-07-07")), case(BEGIN, A(BEGIN, "2023-07-06"))),
    "cin-8675q": (case(BEGIN, S("2023-06-01", "2023-06-23")), case(BEGIN, S("2023-06-01", "2023-06-22"))),
}  # fmt: skip


@pytest.mark.parametrize("code", CASES)
def test_a_rule_is_told_where_it_is_broken_and_not_where_it_is_kept(tmp_path: Path, code: str) -> None:
    broken, kept = (cases if isinstance(cases, list) else [cases] for cases in CASES[code])
    _, findings = read_children(tmp_path, child("A", *broken), child("B", *kept), child("C", GOOD))
    assert len(told(findings, code)) == 1
    if row := told(findings, code)[0][1]:
        before_second = "<Child>".join((tmp_path / "cin_2024.xml").read_text().split("<Child>")[:2])
        assert row <= before_second.count("\n")


@pytest.mark.parametrize(
    ("code", "broken", "kept"),
    [
        ("cin-8606", {"birth": None, "ExpectedPersonBirthDate": "2024-02-06"}, {"birth": "2024-02-05"}),
        ("cin-8775q", {"birth": "1998-03-31"}, {"birth": "1998-04-01"}),
        ("cin-8750", {"birth": None, "ExpectedPersonBirthDate": "2023-09-01", "GenderCurrent": "1"},
         {"birth": None, "ExpectedPersonBirthDate": "2023-09-01", "GenderCurrent": "0"}),
        ("cin-no-birth", {"birth": None}, {"birth": None, "ExpectedPersonBirthDate": "2023-09-01"}),
    ],
)  # fmt: skip
def test_rules_of_birth(tmp_path: Path, code: str, broken: dict[str, str], kept: dict[str, str]) -> None:
    _, findings = read_children(tmp_path, child("A", case(BEGIN), **broken), child("B", case(BEGIN), **kept))
    assert len(told(findings, code)) == 1


def test_bank_holidays_are_those_of_the_list_of_the_government() -> None:
    # gov.uk/bank-holidays, England and Wales.
    assert bank_holidays(2020, 2023) == [
        "2020-01-01", "2020-04-10", "2020-04-13", "2020-05-08", "2020-05-25", "2020-08-31", "2020-12-25", "2020-12-28",
        "2021-01-01", "2021-04-02", "2021-04-05", "2021-05-03", "2021-05-31", "2021-08-30", "2021-12-27", "2021-12-28",
        "2022-01-03", "2022-04-15", "2022-04-18", "2022-05-02", "2022-06-02", "2022-06-03", "2022-08-29", "2022-09-19",
        "2022-12-26", "2022-12-27",
        "2023-01-02", "2023-04-07", "2023-04-10", "2023-05-01", "2023-05-08", "2023-05-29", "2023-08-28", "2023-12-25",
        "2023-12-26",
    ]  # fmt: skip
    assert bank_holidays(2026, 2026) == [
        "2026-01-01", "2026-04-03", "2026-04-06", "2026-05-04", "2026-05-25", "2026-08-31", "2026-12-25", "2026-12-28",
    ]  # fmt: skip
