"""Clean tables become the log that a person would write down: worked by hand, one case each."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.errors import CareError
from abm.events import check_chain, check_grown_up
from calibration.returns.assemble import CARE, NEED, Link
from calibration.returns.dates import week_of_date
from calibration.returns.ssda903_codes import CODES
from calibration.returns.working_days import after_working_days
from tests.calibration.returns.clean import TO, D, care, entry, log, need, words

BORN = D(2010, 5, 1)
MAY, JUNE, JULY = D(2021, 5, 10), D(2021, 6, 10), D(2021, 7, 10)
W_MAY, W_JUNE, W_JULY = (week_of_date(day, 2022) for day in (MAY, JUNE, JULY))


# Care ----------------------------------------------------------------------------------------------------------------


def test_an_entry_a_move_and_a_return_home():
    observed, findings = log(care({"A": BORN}, ("A", MAY, JUNE, "S", "U6", "X1"), ("A", JUNE, JULY, "P", "K2", "E4A")))
    assert words(observed, "A") == [
        f"{W_MAY} was_referred*", f"{W_MAY} came_into_care", f"{W_MAY} placed_with_foster_carers",
        f"{W_JUNE} moved_to_childrens_home", f"{W_JULY} returned_home_planned",
    ]  # fmt: skip
    assert entry(observed, "A") == ("at_home", week_of_date(BORN, 2022), W_MAY + 1, 156)
    assert findings.counts() == {"log-care-alone": 1}
    assert observed.first_year == 2022
    assert observed.n_weeks == 156


@pytest.mark.parametrize(
    ("rec", "transition"),
    [
        ("E4A", "returned_home_planned"), ("E4B", "returned_home_unplanned"), ("E45", "special_guardianship_granted"),
        ("E41", "child_arrangements_granted"), ("E13", "went_to_live_with_relatives"),
        ("E8", "left_care_for_another_reason"), ("E9", "left_care_for_another_reason"), ("E15", "found_to_be_adult"),
        ("E3", "transferred_to_another_authority"), ("E5", "left_care_for_another_reason"),
        ("E2", "left_care_for_another_reason"), ("E16", "left_care_for_another_reason"),
    ],
)  # fmt: skip
def test_ways_out_of_care(rec: str, transition: str):
    observed, _ = log(care({"A": BORN}, ("A", MAY, JULY, "S", "U6", rec)))
    assert words(observed, "A")[-1] == f"{W_JULY} {transition}"
    # Who died or moved abroad is not watched after that week.
    assert entry(observed, "A")[3] == (W_JULY + 1 if rec in ("E2", "E16") else 156)


def test_every_code_of_a_way_out_leads_somewhere():
    for code in CODES.codes("REC"):
        observed, _ = log(care({"A": BORN}, ("A", MAY, JULY, "S", "U6", code)))
        out = words(observed, "A")[3:]
        assert len(out) >= (code not in ("X1", "E99")), code


def test_adoption_without_the_placement_before_it_has_the_placement_filled_in():
    observed, findings = log(care({"A": D(2019, 1, 1)}, ("A", MAY, JULY, "S", "U6", "E12")))
    assert words(observed, "A")[-2:] == [f"{W_JULY} matched_with_adopters*", f"{W_JULY} was_adopted"]
    assert findings.counts()["log-step-filled-in"] == 1


def test_changes_that_are_no_moves():
    """Legal status (L), the same carer (T, U), a holiday (T3) are none; P within foster care is one, kin to kin not."""
    days = [D(2021, 5, 10) + timedelta(30 * n) for n in range(8)]
    steps = [("S", "U6"), ("L", "U6"), ("T", "U4"), ("P", "T3"), ("P", "U4"), ("P", "U4"), ("T", "U1"), ("P", "U3")]
    episodes = [
        ("A", day, days[n + 1] if n < 7 else None, rne, place, "X1" if n < 7 else None)
        for n, (day, (rne, place)) in enumerate(zip(days, steps, strict=True))
    ]
    observed, findings = log(care({"A": BORN}, *episodes))
    weeks = [week_of_date(day, 2022) for day in days]
    assert words(observed, "A")[3:] == [f"{weeks[5]} moved_to_foster_carers", f"{weeks[6]} moved_to_kinship_carers"]
    assert findings.counts()["log-no-such-move"] == 1


def test_a_move_that_the_journey_does_not_have_goes_round():
    observed, findings = log(care({"A": BORN}, ("A", MAY, JUNE, "S", "U3", "X1"), ("A", JUNE, None, "P", "K1", None)))
    assert words(observed, "A")[3:] == [f"{W_JUNE} moved_to_childrens_home*", f"{W_JUNE} moved_to_secure_home"]
    assert findings.counts()["log-step-filled-in"] == 1


def test_care_that_began_before_the_first_return():
    observed, _ = log(
        care({"A": BORN, "B": BORN}, ("A", D(2020, 1, 1), JULY, "S", "U6", "E4A"),
             ("B", D(2020, 1, 1), JULY, "P", "K2", "E4A"))
    )  # fmt: skip
    since = week_of_date(D(2020, 1, 1), 2022)
    assert entry(observed, "A") == ("foster", since, 0, 156)
    assert entry(observed, "B") == ("childrens_home", since, 0, 156)
    known = dict(zip(observed.keys["care"], observed.clock_known, strict=True))
    assert known == {"A": True, "B": False}
    assert words(observed, "A") == [f"{W_JULY} returned_home_planned"]


def test_home_after_care_back_into_it_and_settled_after_six_years():
    born, begin = D(2008, 5, 1), D(2013, 4, 1)
    observed, _ = log(
        care({"A": born, "B": born}, ("A", D(2013, 5, 1), D(2013, 6, 1), "S", "U6", "E4A"),
             ("A", D(2013, 8, 1), None, "S", "U6", None), ("B", D(2013, 5, 1), D(2013, 6, 1), "S", "U6", "E4A"),
             begin=begin)
    )  # fmt: skip
    again = week_of_date(D(2013, 8, 1), 2014)
    assert words(observed, "A")[-2:] == [f"{again} came_back_into_care", f"{again} placed_with_foster_carers"]
    home = week_of_date(D(2013, 6, 1), 2014)
    assert words(observed, "B")[-1] == f"{home + 313} settled_at_home"


def test_a_birthday_ends_care_in_its_week_whatever_day_is_told():
    born = D(2004, 6, 15)
    week = week_of_date(born, 2022) + 936
    for end, rec in ((D(2022, 6, 14), "E17"), (D(2022, 6, 15), "E5"), (D(2022, 9, 1), "E4A"), (None, None)):
        observed, _ = log(care({"A": born}, ("A", MAY, end, "S", "U6", rec)))
        assert words(observed, "A")[-1] == f"{week} left_care_at_18"
    # Long before, independent living is another way out.
    observed, _ = log(care({"A": born}, ("A", MAY, JULY, "S", "U6", "E5")))
    assert words(observed, "A")[3:] == [f"{W_JULY} left_care_for_another_reason", f"{week} grew_up"]


def test_children_who_came_alone():
    observed, _ = log(care({"A": (D(2005, 9, 1), True)}, ("A", MAY, None, "S", "K3", None)))
    assert words(observed, "A")[:2] == [f"{W_MAY} came_alone", f"{W_MAY} placed_in_supported_accommodation"]
    assert entry(observed, "A")[:3] == ("elsewhere", W_MAY, W_MAY + 1)
    assert observed.population.uasc.tolist() == [True]


def test_an_end_that_is_not_told():
    """With more to come it is a way out for another reason; else the child is lost from sight on that day."""
    later = ("A", D(2022, 5, 1), None, "S", "K2", None)
    observed, findings = log(care({"A": BORN}, ("A", MAY, JULY, "S", "U6", None), later))
    assert words(observed, "A")[3] == f"{W_JULY} left_care_for_another_reason*"
    assert findings.counts()["log-exit-presumed"] == 1
    for rec in (None, "E99", "X1"):
        observed, findings = log(care({"A": BORN}, ("A", MAY, JULY, "S", "U6", rec)))
        assert words(observed, "A")[3:] == []
        assert entry(observed, "A")[3] == W_JULY
        assert findings.counts()["log-lost-from-sight"] == 1


def test_who_is_lost_from_sight_and_seen_again_left_care_when_lost():
    lost = ("A", D(2018, 5, 1), D(2019, 6, 1), "S", "U6", "E99")
    observed, findings = log(
        care({"A": BORN}, lost, begin=D(2018, 4, 1)), need({"A": BORN}, referrals=[referral(nfa=True)]), Link()
    )
    home = week_of_date(D(2019, 6, 1), 2022)
    assert entry(observed, "A") == ("at_home", home, 0, 156)
    assert words(observed, "A") == [f"{W_MAY} was_referred", f"{W_MAY} closed_with_no_further_action"]
    assert findings.counts()["log-exit-presumed"] == 1


def test_who_was_gone_before_the_log_begins_is_not_watched_in_it():
    ends = [("A", D(2018, 5, 1), D(2019, 6, 1), "S", "U6", rec) for rec in ("E2", "E16", "E99")]
    for episode in ends:
        observed, _ = log(care({"A": BORN}, episode, begin=D(2018, 4, 1)), need({"B": BORN}), Link())
        assert words(observed, "A") == []
        assert entry(observed, "A")[2:] == (0, 0)
    # But who moved abroad and is looked after again has come back.
    again = ("A", MAY, None, "S", "U6", None)
    observed, _ = log(care({"A": BORN}, ends[1], again, begin=D(2018, 4, 1)), need({"B": BORN}), Link())
    assert words(observed, "A")[-1] == f"{W_MAY} placed_with_foster_carers"
    assert entry(observed, "A")[2:] == (0, 156)


def test_an_unknown_home_is_another_kind_of_home():
    observed, findings = log(care({"A": BORN}, ("A", MAY, None, "S", None, None)))
    assert words(observed, "A")[-1] == f"{W_MAY} placed_elsewhere"
    assert findings.counts()["log-home-unknown"] == 1


# Need ----------------------------------------------------------------------------------------------------------------


def referral(when=MAY, child="A", **more):
    return {"child": child, "referred": when, **more}


def of(child="A", **more):
    return {"child": child, **more}


def test_no_further_action():
    observed, findings = log(None, need({"A": BORN}, referrals=[referral(nfa=True)]))
    assert words(observed, "A") == [f"{W_MAY} was_referred", f"{W_MAY} closed_with_no_further_action"]
    assert entry(observed, "A") == ("at_home", week_of_date(BORN, 2022), W_MAY + 1, 156)
    assert not len(findings)


@pytest.mark.parametrize(
    ("reason", "authorised", "transitions"),
    [
        ("RC8", JUNE, ["found_not_in_need"]), ("RC7", JUNE, ["needs_met_at_assessment"]),
        ("RC9", JUNE, ["needs_met_at_assessment"]), ("RC8", MAY, ["found_not_in_need"]),
    ],
)  # fmt: skip
def test_closed_after_an_assessment(reason: str, authorised, transitions: list[str]):
    observed, _ = log(None, need(
        {"A": BORN}, referrals=[referral(closed=JUNE, closure_reason=reason)],
        assessments=[of(started=MAY, authorised=authorised)],
    ))  # fmt: skip
    assert words(observed, "A")[1:] == [f"{W_MAY} assessment_began", *(f"{W_JUNE} {name}" for name in transitions)]


def test_a_plan_that_no_census_asked_for_is_presumed():
    tables = {
        "referrals": [referral(closed=JULY, closure_reason="RC7")],
        "assessments": [of(started=MAY, authorised=JUNE)],
    }
    observed, findings = log(None, need({"A": BORN}, **tables))
    assert words(observed, "A")[2:] == [
        f"{W_JUNE} child_in_need_plan_began*", f"{W_JULY} child_in_need_plan_ended"
    ]  # fmt: skip
    assert findings.counts() == {"log-plan-presumed": 1}
    told, findings = log(None, need({"A": BORN}, **tables, need_plans=[of(start=JUNE, end=JULY)]))
    assert words(told, "A") == [row.rstrip("*") for row in words(observed, "A")]
    assert not len(findings)


def test_an_enquiry_ends_by_its_conference_or_with_the_assessment_beside_it():
    later = D(2021, 8, 10)
    w_later = week_of_date(later, 2022)
    common = {"referrals": [referral()], "assessments": [of(started=MAY, authorised=later)]}
    kept, _ = log(None, need({"A": BORN}, **common, enquiries=[of(started=JUNE, conference=JULY)]))
    assert words(kept, "A")[2:] == [f"{W_JUNE} enquiry_began", f"{W_JULY} conference_kept_child_in_need"]
    unneeded, _ = log(None, need({"A": BORN}, **common, enquiries=[of(started=JUNE, conference_not_required=True)]))
    assert words(unneeded, "A")[3:] == [f"{w_later} child_in_need_plan_began*"]
    # Where a conference is needed and none is told, it is not waited for longer than it may take.
    waiting = [of(started=JUNE, conference_not_required=False)]
    waits, findings = log(None, need({"A": BORN}, **common, enquiries=waiting))
    assert words(waits, "A")[3:] == [f"{week_of_date(D(2021, 7, 1), 2022)} child_in_need_plan_began*"]
    assert findings.counts() == {"log-enquiry-end-presumed": 1}


def test_an_enquiry_of_which_nothing_more_is_told_lasts_fifteen_working_days():
    """From Thursday 10 June 2021 to Thursday 1 July; over the holidays of Easter 2022 longer."""
    cap = week_of_date(D(2021, 7, 1), 2022)
    late = D(2021, 12, 10)

    def told(closed, *enquiries, **more):
        tables = {"referrals": [referral(closed=closed)], "enquiries": [of(**one) for one in enquiries], **more}
        observed, findings = log(None, need({"A": BORN}, **tables))
        return words(observed, "A")[2:], findings.counts().get("log-enquiry-end-presumed", 0)

    began, w_late = f"{W_JUNE} enquiry_began", week_of_date(late, 2022)
    in_need = f"{cap} child_in_need_plan_began*"
    assert told(late, {"started": JUNE}) == ([began, in_need, f"{w_late} child_in_need_plan_ended"], 1)
    assert told(None, {"started": JUNE}) == ([began, in_need], 1)
    # Closed before: with the closure. A plan tells that it went on.
    assert told(D(2021, 6, 30), {"started": JUNE})[1] == 0
    assert told(None, {"started": JUNE}, protection_plans=[of(start=late)]) == (
        [began, f"{w_late} child_protection_plan_began"], 0,
    )  # fmt: skip
    # An assessment that is never authorised says nothing of how long the enquiry beside it lasted: not until it is
    # closed in December, nor until the files end. One of whose 45 working days some are left when they end (those from
    # 26 January 2024 on end after Good Friday and Easter) goes on, and an enquiry beside it; one of the last 15 does so
    # beside any.
    beside = [of(started=MAY)]
    assert told(late, {"started": JUNE}, assessments=beside) == (
        [began, in_need, f"{w_late} child_in_need_plan_ended"], 1
    )  # fmt: skip
    assert told(None, {"started": JUNE}, assessments=beside) == ([began, in_need], 1)
    last = D(2024, 3, 11)
    assert told(None, {"started": last}, assessments=beside) == ([f"{week_of_date(last, 2022)} enquiry_began"], 0)
    for begun, n_presumed in ((D(2024, 1, 25), 1), (D(2024, 1, 26), 0)):
        rows, presumed = told(None, {"started": begun}, assessments=[of(started=begun)])
        assert (len(rows), presumed) == (1 + n_presumed, n_presumed)
    # The conference, where it is told, ends it however late.
    assert told(None, {"started": JUNE, "conference": late}, assessments=beside) == (
        [began, f"{w_late} conference_kept_child_in_need"], 0
    )  # fmt: skip
    # Six days of April to the 8th, four to the 14th, four to the 22nd, the 25th; from a Saturday on, May Day too.
    easter = after_working_days(pl.Series([D(2022, 4, 1), None, D(2022, 4, 9)]), 15).to_list()
    assert easter == [D(2022, 4, 26), None, D(2022, 5, 5)]


def test_protection_and_steps_down():
    later, last = D(2021, 9, 10), D(2021, 12, 10)
    observed, findings = log(None, need(
        {"A": BORN}, referrals=[referral(closed=last, closure_reason="RC7")],
        assessments=[of(started=MAY, authorised=JUNE)], enquiries=[of(started=MAY, conference=JUNE)],
        protection_plans=[of(start=JUNE, end=later)], need_plans=[of(start=later, end=last)],
        pre_proceedings=[of(started=JULY, decided=later)],
    ))  # fmt: skip
    w_later, w_last = week_of_date(later, 2022), week_of_date(last, 2022)
    assert words(observed, "A") == [
        f"{W_MAY} was_referred", f"{W_MAY} enquiry_began", f"{W_JUNE} child_protection_plan_began",
        f"{W_JULY} pre_proceedings_began", f"{w_later} stepped_down_to_child_in_need",
        f"{w_last} child_in_need_plan_ended",
    ]  # fmt: skip
    assert not len(findings)


def test_all_on_one_day_goes_the_whole_way():
    observed, _ = log(None, need(
        {"A": BORN}, referrals=[referral()], assessments=[of(started=MAY)], enquiries=[of(started=MAY, conference=MAY)],
        protection_plans=[of(start=MAY)],
    ))  # fmt: skip
    assert words(observed, "A") == [
        f"{W_MAY} was_referred", f"{W_MAY} enquiry_began*", f"{W_MAY} child_protection_plan_began"
    ]  # fmt: skip


def test_kin_after_a_child_protection_plan():
    observed, _ = log(None, need(
        {"A": BORN}, referrals=[referral(closed=JULY, closure_reason="RC3")], enquiries=[of(started=MAY)],
        protection_plans=[of(start=JUNE, end=JULY)],
    ))  # fmt: skip
    assert words(observed, "A")[-2:] == [f"{W_JULY} pre_proceedings_began*", f"{W_JULY} went_to_live_with_kin"]


def test_a_referral_that_waits_is_being_assessed():
    observed, findings = log(None, need({"A": BORN}, referrals=[referral()], assessments=[of(started=JUNE)]))
    assert words(observed, "A") == [f"{W_MAY} was_referred", f"{W_MAY} assessment_began*"]
    assert findings.counts() == {"log-assessment-presumed": 1}


def test_early_help_is_seen_where_a_return_tells_it():
    observed, _ = log(None, need(
        {"A": BORN}, referrals=[referral(closed=JUNE, closure_reason="RC9"), referral(D(2021, 9, 1), number=1)],
        assessments=[of(started=MAY, authorised=JUNE), of(started=D(2021, 9, 1), number=1)],
        early_help=[of(start=JUNE, end=D(2021, 9, 1))],
    ))  # fmt: skip
    assert [row.split()[1] for row in words(observed, "A")] == [
        "was_referred", "assessment_began", "stepped_down_to_early_help", "was_referred", "assessment_began",
    ]  # fmt: skip
    tables = observed.journey.tables
    sources = [observed.journey.states[s].key for s in tables.source[observed.rows.edge]]
    assert sources[2:4] == ["being_assessed", "receiving_early_help"]


def test_odd_things_are_told_and_change_nothing():
    observed, findings = log(None, need(
        {"A": BORN, "B": D(2021, 6, 1), "C": {}, "E": D(2003, 1, 1)},
        referrals=[
            referral(), referral(JUNE, number=1), referral(MAY, "B", nfa=True), referral(MAY, "C"), referral(MAY, "E"),
        ],
        assessments=[of(started=MAY)],
    ))  # fmt: skip
    assert words(observed, "A") == [f"{W_MAY} was_referred", f"{W_MAY} assessment_began"]
    # Before birth: on the day of birth.
    assert words(observed, "B")[0] == f"{week_of_date(D(2021, 6, 1), 2022)} was_referred"
    assert "C" not in observed.keys["need"].to_list()
    assert words(observed, "E") == []
    assert findings.counts() == {
        "log-after-18": 1, "log-before-birth": 1, "log-no-birth-date": 1, "log-referred-again": 1,
    }  # fmt: skip


def test_what_came_before_birth_stands_on_the_day_of_birth():
    born = D(2021, 9, 1)
    week = week_of_date(born, 2022)
    observed, findings = log(None, need(
        {"A": born, "B": {"expected_birth": born}},
        referrals=[referral(closed=JUNE, closure_reason="RC8"), referral(child="B")],
        assessments=[of(started=MAY, authorised=JUNE), of("B", started=MAY)], enquiries=[of("B", started=MAY)],
        protection_plans=[of("B", start=JUNE)],
    ))  # fmt: skip
    assert words(observed, "A") == [
        f"{week} was_referred", f"{week} assessment_began", f"{week} found_not_in_need"
    ]  # fmt: skip
    assert words(observed, "B")[-1] == f"{week} child_protection_plan_began"
    assert findings.counts()["log-before-birth"] == 6


def test_no_further_action_with_activity_went_on():
    observed, findings = log(
        None, need({"A": BORN}, referrals=[referral(nfa=True)], assessments=[of(started=MAY)])
    )  # fmt: skip
    assert words(observed, "A") == [f"{W_MAY} was_referred", f"{W_MAY} assessment_began"]
    assert findings.counts() == {"log-nfa-with-activity": 1}


# Both ----------------------------------------------------------------------------------------------------------------


def both(link: Link | None):
    of_need = need(
        {"N1": BORN, "A": BORN}, referrals=[referral(child="N1"), referral(JULY, "N1", number=1)],
        assessments=[of("N1", started=MAY)],
    )  # fmt: skip
    return log(care({"A": BORN, "Z": BORN}, ("A", JUNE, None, "S", "U6", None)), of_need, link)


def test_linked_children_have_one_journey():
    observed, findings = both(Link(pl.DataFrame({"care": ["A"], "need": ["N1"]})))
    assert words(observed, "A") == [
        f"{W_MAY} was_referred", f"{W_MAY} assessment_began", f"{W_JUNE} came_into_care",
        f"{W_JUNE} placed_with_foster_carers",
    ]  # fmt: skip
    assert set(observed.sees) == {CARE + NEED}
    assert findings.counts() == {"log-referred-again": 1}


def test_without_a_link_they_stand_apart():
    observed, _ = both(None)
    assert words(observed, "A")[0] == f"{W_JUNE} was_referred*"
    assert sorted(observed.sees) == [NEED, CARE]
    # A link that joins nobody is none: else children in need would count as never coming into care.
    observed, _ = both(Link(pl.DataFrame({"care": ["A"], "need": ["another"]})))
    assert sorted(observed.sees) == [NEED, CARE]
    # The same key means nothing unless it is said to.
    observed, _ = both(Link())
    assert words(observed, "A")[0] == f"{W_JUNE} was_referred*"
    assert words(observed, "N1")[0] == f"{W_MAY} was_referred"


def test_need_while_in_care_and_after_it():
    observed, findings = log(
        care({"A": BORN}, ("A", MAY, JULY, "S", "U6", "E4A")),
        need({"A": BORN}, referrals=[referral(JUNE), referral(D(2021, 9, 1), number=1)]), Link(),
    )  # fmt: skip
    assert [row.split()[1] for row in words(observed, "A")][-1] == "returned_home_planned"
    assert findings.counts()["log-need-in-care"] == 1
    assert findings.counts()["log-referred-again"] == 1


def test_the_log_covers_what_both_cover_and_knows_what_came_before():
    observed, _ = log(
        care({"A": BORN}, ("A", D(2018, 5, 1), None, "S", "U6", None), begin=D(2017, 4, 1), end=D(2023, 3, 31)),
        need({"B": BORN}, referrals=[referral(D(2024, 2, 1), "B"), referral(MAY, "B", number=1)]), Link(),
    )  # fmt: skip
    assert (observed.first_year, observed.n_weeks) == (2022, 104)
    assert entry(observed, "A") == ("foster", week_of_date(D(2018, 5, 1), 2022), 0, 104)
    with pytest.raises(CareError, match="no day in common"):
        log(care({"A": BORN}, begin=D(2015, 4, 1), end=D(2016, 3, 31)), need({"B": BORN}))


def test_a_list_that_begins_within_a_year_is_watched_from_there_on():
    observed, _ = log(
        care({"A": BORN, "B": BORN}, ("A", MAY, None, "S", "U6", None), ("B", D(2021, 11, 1), None, "S", "U6", None),
             begin=D(2021, 10, 1), end=D(2022, 3, 31))
    )  # fmt: skip
    assert (observed.first_year, observed.n_weeks) == (2022, 52)
    assert entry(observed, "A")[2] == week_of_date(D(2021, 10, 1), 2022)
    assert entry(observed, "B")[2] == week_of_date(D(2021, 11, 1), 2022) + 1


# What the log never holds --------------------------------------------------------------------------------------------


def test_numbers_say_nothing_of_keys_or_the_order_of_rows():
    people = {f"KEY{n:03d}": D(2010, 1, 1) + timedelta(n) for n in range(40)}
    episodes = [(key, MAY + timedelta(n), None, "S", "U6", None) for n, key in enumerate(people)]
    one, _ = log(care(people, *episodes))
    shuffled = random.Random(3).sample(episodes, len(episodes))
    two, _ = log(care(dict(reversed(people.items())), *shuffled))
    assert one.digest == two.digest
    keys = one.keys["care"].to_list()
    assert keys != sorted(keys)
    # Another year of data, another order: who knows the keys cannot tell the numbers.
    other, _ = log(care({**people, "KEY999": BORN}, *episodes, ("KEY999", MAY, None, "S", "U6", None)))
    assert [key for key in other.keys["care"] if key != "KEY999"] != keys
    for frame in (one.events, one.children):
        assert not any(kind in (pl.String, pl.Date, pl.Binary) for kind in frame.dtypes)


# Anything at all -----------------------------------------------------------------------------------------------------


def anything(seed: int):
    """Tables with every kind of disorder: what assembling makes of them must still be a log."""
    rng = random.Random(seed)
    day = lambda: D(2019, 1, 1) + timedelta(rng.randrange(0, 2300))  # noqa: E731
    maybe = lambda value, share=0.5: value if rng.random() < share else None  # noqa: E731
    keys = [f"K{n}" for n in range(rng.randint(1, 6))]
    born = {key: D(2001, 1, 1) + timedelta(rng.randrange(0, 8000)) for key in keys}
    rows = {name: [] for name in ("referrals", "assessments", "enquiries", "need_plans", "protection_plans",
                                  "pre_proceedings", "early_help", "reviews")}  # fmt: skip
    for key in keys:
        for number in range(rng.randint(0, 4)):
            rows["referrals"].append(
                referral(day(), key, number=number, nfa=rng.random() < 0.3, closed=maybe(day()),
                         closure_reason=maybe(f"RC{rng.randint(1, 9)}"), conference=maybe(day(), 0.2))
            )  # fmt: skip
            base = {"child": key, "number": number}
            for _ in range(rng.randint(0, 2)):
                rows["assessments"].append({**base, "started": day(), "authorised": maybe(day())})
                rows["enquiries"].append({**base, "started": day(), "conference": maybe(day()),
                                          "conference_not_required": maybe(rng.random() < 0.5)})  # fmt: skip
                rows["need_plans"].append({**base, "start": day(), "end": maybe(day())})
                rows["protection_plans"].append({**base, "start": day(), "end": maybe(day()), "previous_plans": 1})
                rows["pre_proceedings"].append({**base, "started": day(), "decided": maybe(day())})
                rows["early_help"].append({"child": key, "start": day(), "end": maybe(day())})
    episodes = []
    for key in keys:
        for _ in range(rng.randint(0, 6)):
            start = day()
            end = maybe(start + timedelta(rng.choice([0, 1, 7, 30, 400])), 0.8)
            episodes.append((key, start, end, maybe(rng.choice("SLPTBU"), 0.9), maybe(rng.choice(CODES.codes("PLACE"))),
                             None if end is None else maybe(rng.choice(CODES.codes("REC")), 0.9)))  # fmt: skip
    deaths = {key: {"birth": born[key], "death": maybe(day(), 0.1)} for key in keys}
    return care({key: (when, rng.random() < 0.3) for key, when in born.items()}, *episodes), need(deaths, **rows)


@settings(max_examples=60)
@given(st.integers(0, 10**9), st.sampled_from(["both", "apart", "care", "need"]))
def test_whatever_is_told_the_log_is_one(seed: int, which: str):
    of_care, of_need = anything(seed)
    link = Link() if which == "both" else None
    refused = ""
    try:
        observed, findings = log(None if which == "need" else of_care, None if which == "care" else of_need, link)
    except CareError as error:
        refused = str(error)
    if refused:
        assert "tell of no child" in refused
        return
    check_chain(observed.journey, observed.rows, observed.population)
    n_weeks = observed.n_weeks
    # Nobody is watched as a child after 18; who is lost from sight is not counted as grown up.
    watched = np.flatnonzero(observed.seen_to == n_weeks)
    mask = np.isin(observed.rows.child, watched)
    renumber = np.zeros(len(observed.population), np.int32)
    renumber[watched] = np.arange(watched.size)
    rows = observed.rows._replace(
        child=renumber[observed.rows.child[mask]], week=observed.rows.week[mask], step=observed.rows.step[mask],
        edge=observed.rows.edge[mask],
    )  # fmt: skip
    people = type(observed.population)(**{k: v[watched] for k, v in observed.population.columns().items()})
    check_grown_up(observed.journey, rows, people, n_weeks)
    assert ((observed.rows.week >= 0) & (observed.rows.week < n_weeks)).all()
    assert ((observed.seen_from >= 0) & (observed.seen_to <= n_weeks)).all()
    assert findings.frame().height == len(findings)
    assert TO.year == 2024


# Cases of before the first file ---------------------------------------------------------------------------------------


def test_a_case_open_before_the_first_file_is_known_only_by_what_began_before_it():
    """A: nothing is told; B: an assessment began later; C: one began before; D: closed before; E: in the log."""
    old, earlier = D(2020, 5, 1), D(2021, 1, 10)
    children = dict.fromkeys("ABCDE", BORN)
    refs = [
        {"child": "A", "referred": old, "closed": JULY}, {"child": "B", "referred": old, "closed": JULY},
        {"child": "C", "referred": earlier, "closed": JULY},
        {"child": "D", "referred": old, "closed": earlier}, {"child": "E", "referred": MAY, "closed": JULY},
    ]  # fmt: skip
    assessments = [{"child": "B", "started": MAY}, {"child": "C", "started": earlier}]
    observed, findings = log(None, need(children, referrals=refs, assessments=assessments))
    assert findings.counts() == {"log-assessment-presumed": 1, "log-case-untold": 1, "log-state-presumed": 1}
    told = {rule: row for _, row, _, rule, _ in findings.frame().rows()}
    assert (told["log-case-untold"], told["log-state-presumed"]) == (2, 3)
    known = dict(zip(observed.keys["need"], observed.clock_known.tolist(), strict=True))
    assert {key: known[key] for key in "ABCE"} == {"A": False, "B": False, "C": True, "E": True}
    for key in "ABC":
        assert entry(observed, key)[0] == "being_assessed"


def test_years_without_a_file_are_told_as_weeks_within_the_log():
    """Care of 2020, 2022 and 2024 with need of 2022, 2023 and 2026: the log has the years 2022 to 2024."""
    of_care = replace(
        care({"A": BORN}, ("A", MAY, JULY, "S", "U6", "E4A"), begin=D(2019, 4, 1)), years=(2020, 2022, 2024)
    )
    of_need = replace(need({"B": BORN}, referrals=[referral(child="B")], end=D(2026, 3, 31)), years=(2022, 2023, 2026))
    observed, _ = log(of_care, of_need)
    assert (observed.first_year, observed.n_weeks) == (2022, 156)
    assert observed.gaps == ((NEED, 104, 156), (CARE, 52, 104))


def test_care_that_began_in_a_year_without_a_file_is_known_from_its_first_episode_on():
    """The first that is told is a move: care began then or before, which is marked as filled in."""
    observed, _ = log(care({"A": BORN}, ("A", JUNE, JULY, "P", "U6", "E4A")))
    assert words(observed, "A") == [
        f"{W_JUNE} was_referred*", f"{W_JUNE} came_into_care*", f"{W_JUNE} placed_with_foster_carers*",
        f"{W_JULY} returned_home_planned",
    ]  # fmt: skip
