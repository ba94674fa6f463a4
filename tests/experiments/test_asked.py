"""Mechanisms and shocks as a plan says them: weeks, words, and every mistake in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from abm.behaviour import Demand, Incident, StaffTime
from abm.errors import CareError
from experiments.asked import FIRST_YEAR, MECHANISMS, Asked, in_words, names_in, shock_facts, shock_of
from experiments.plan import Plan, plan_of, read_plan

INCIDENT = '[[shock]]\nkind = "incident"\n'
DEMAND = '[[shock]]\nkind = "demand"\n'


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    return tmp_path / "plan.toml"


def asked(plan: Path, text: str) -> Asked:
    plan.write_text(f'area = "x"\n{text}')
    return plan_of([str(plan)], None, None, None).asked


def test_the_first_year_is_that_of_the_fit() -> None:
    from calibration import fit

    assert fit.FIRST_YEAR == FIRST_YEAR


def test_nothing_is_on_unless_asked_for(plan: Path) -> None:
    assert not asked(plan, "")
    assert not asked(plan, "families = false\nplaces = false\nshock = []")
    assert plan_of(["x"], None, None, None) == Plan(("x",))


def test_tables_are_shipped_ones_or_paths_from_the_plan(plan: Path) -> None:
    (plan.parent / "tables").mkdir()
    (plan.parent / "tables" / "ours.csv").write_text("key\n")
    found = asked(plan, 'clocks = true\nplaces = true\nfamilies = true\nbehaviours = "tables/ours.csv"')
    assert found.tables == {
        "families": None, "behaviours": plan.parent / "tables" / "ours.csv", "places": None, "clocks": None
    }  # fmt: skip
    assert list(found.tables) == list(MECHANISMS)


def test_with_adds_to_the_plan_and_keeps_its_tables(plan: Path) -> None:
    (plan.parent / "ours.csv").write_text("key\n")
    plan.write_text('area = "x"\nfamilies = "ours.csv"')
    found = plan_of([str(plan)], None, None, None, ["clocks,families", "places"]).asked
    assert found.tables == {"families": plan.parent / "ours.csv", "places": None, "clocks": None}
    assert plan_of(["x"], None, None, None, ["Families"]).asked.tables == {"families": None}
    assert names_in(["families, clocks", "places"]) == ("families", "clocks", "places")


@pytest.mark.parametrize("words", [["familes"], ["families,"], [""], ["families,clock"]])
def test_an_unknown_mechanism_is_told(words: list[str]) -> None:
    with pytest.raises(CareError, match=r"There is no mechanism .* \(--with\)") as caught:
        names_in(words)
    assert "families, behaviours, places, clocks" in caught.value.remedy


def test_shocks_have_their_weeks(plan: Path) -> None:
    on = "behaviours = true\n"
    assert asked(plan, f"{on}{INCIDENT}year = 2021").shocks == (Incident(0),)
    assert asked(plan, f"{on}{INCIDENT}year = 2026\nweek = 52\nsize = 0.3").shocks == (Incident(5 * 52 + 51, 0.3),)
    # The year that ends on 31 March 2026 has its October in 2025, six months after its first week.
    assert asked(plan, f'{on}{INCIDENT}year = 2026\nmonth = "October"').shocks == (Incident(5 * 52 + 26),)
    assert asked(plan, f'{on}{INCIDENT}year = 2026\nmonth = "mar"').shocks == (Incident(5 * 52 + 47),)
    assert asked(plan, f"{DEMAND}from = 2026\nfactor = 2").shocks == (Demand(("was_referred",), 2.0, 260),)
    assert asked(plan, f'{DEMAND}from = 2026\nto = 2027\nfactor = 0.5\ntransition = ["came_into_care"]').shocks == (
        Demand(("came_into_care",), 0.5, 260, 364),
    )
    found = asked(
        plan, f'{on}[[shock]]\nkind = "staff_time"\nfrom = 2022\nto = 2022\nfactor = 0.8\n{INCIDENT}year = 2022'
    )
    assert found.shocks == (StaffTime(0.8, 52, 104), Incident(52))


@pytest.mark.parametrize("shock", [Incident(3, 0.2), Demand(("was_referred",), 1.1, 52, 104), StaffTime(0.9, 5)])
def test_a_shock_as_plain_data(shock: Incident | Demand | StaffTime) -> None:
    assert shock_of(shock_facts(shock)) == shock


def test_shocks_in_words() -> None:
    assert in_words(Incident(5 * 52 + 26)).startswith("Week 27 of the year to 31 March 2026: a child has died")
    until = in_words(Demand(("was_referred",), 1.1, 260, 364))
    assert until == "From the year to 31 March 2026, to the year to 31 March 2027: 'was_referred' 1.1 times as often."
    assert in_words(StaffTime(0.8)) == "From the year to 31 March 2021: workers have 0.8 times the time for families."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("familys = true", r"'familys', which means nothing \(did you mean 'families'\?\)"),
        ("families = 1", "1 for 'families', which must be true, false or the path"),
        ('families = "no.csv"', "no file 'no.csv' for 'families' .*the plan's own folder"),
        ("shock = true", r"'shock' as something else than tables, which begin with \[\[shock\]\]"),
        ("[[shock]]", "in shock 1, no 'kind'; kinds are incident, demand, staff_time"),
        ('[[shock]]\nkind = "incidnt"', r"the kind 'incidnt' \(did you mean 'incident'\?\)"),
        (f"{INCIDENT}", "in shock 1, no 'year', which incident needs"),
        (f"{INCIDENT}year = 2019", "2019 for 'year', which must be a year from 2021 to 2040"),
        (f"{INCIDENT}year = 2024\nweeks = 3", r"'weeks', which means nothing there \(did you mean 'week'\?\)"),
        (f"{INCIDENT}year = 2024\nweek = 53", "53 for 'week', which must be a week of the year from 1"),
        (f'{INCIDENT}year = 2024\nmonth = "Octobre"', r"'Octobre' for 'month'.*did you mean 'october'"),
        (f'{INCIDENT}year = 2024\nmonth = "May"\nweek = 3', "both 'week' and 'month'"),
        (f'{INCIDENT}year = 2024\nsize = "big"', "'big' for 'size', which must be a number"),
        (f"{DEMAND}from = 2024", "no 'factor', which demand needs"),
        (f"{DEMAND}from = 2024\nto = 2023\nfactor = 2", "an end before its beginning"),
        (f'{DEMAND}from = 2024\nfactor = 2\ntransition = "was_refered"', r"was_refered.*did you mean 'was_referred'"),
        (f"{DEMAND}from = 2024\nfactor = 2\ntransition = []", "for 'transition', which must be the name"),
        (f"{DEMAND}from = 2024\nfactor = 99", "A shock of 99.0 in week 156 is not possible"),
        (f"{DEMAND}from = 2034\nfactor = 2", "comes after the end of the run, 31 March 2030 .*shock 1"),
        (f"{INCIDENT}year = 2024", "of the kind incident acts through behaviours alone, which are off .*shock 1"),
        ('[[shock]]\nkind = "staff_time"\nfrom = 2024\nfactor = 0.8', "of the kind staff_time acts through behaviours"),
    ],
)  # fmt: skip
def test_a_mistake_is_told(plan: Path, text: str, said: str) -> None:
    with pytest.raises(CareError, match=said) as caught:
        asked(plan, text)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_all_that_is_wrong_is_told_at_once(plan: Path) -> None:
    plan.write_text(f"families = 3\nyear = 1\n{INCIDENT}size = true")
    with pytest.raises(CareError) as caught:
        read_plan(plan)
    words = ("'area'", "'year', which means", "'families'", "in shock 1, no 'year'", "'size'", str(plan))
    assert all(word in str(caught.value) for word in words)
