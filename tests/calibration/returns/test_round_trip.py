"""A simulated run, written as returns and read back, is the same log: row for row, for all that returns can hold."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from abm.events import check_chain, check_grown_up
from abm.pathway import WEEKS_TO_18
from calibration.returns.assemble import Link, Observed, assemble
from calibration.returns.cin import read_cin
from calibration.returns.findings import Findings
from calibration.returns.ssda903 import read_care
from calibration.returns.ssda903_codes import CODES
from calibration.returns.synthetic import Stories
from calibration.returns.synthetic903 import write_ssda903
from calibration.returns.synthetic_cin import write_cin
from calibration.returns.synthetic_seen import seen
from tests.calibration.returns.busy import busy_run, numbers_of, read_back, rows_of

FAST, SLOW = ((1, 2021), (4, 2018)), ((2, 2021), (3, 2023), (5, 2026), (6, 2015), (7, 2020))
AREAS = [*FAST, *(pytest.param(area, marks=pytest.mark.slow) for area in SLOW)]


@pytest.fixture(scope="module", params=AREAS, ids=lambda area: f"seed {area[0]} from {area[1]}")
def back(request, tmp_path_factory) -> tuple[Stories, Observed, Findings]:
    seed, first_year = request.param
    stories = Stories.of_run(busy_run(seed, first_year=first_year))
    return stories, *read_back(stories, tmp_path_factory.mktemp("returns"))


def test_the_log_is_the_same_row_for_row(back):
    stories, observed, _ = back
    want, _ = seen(stories)
    got = rows_of(observed)
    assert want.height > 500
    assert got.equals(want), (want.join(got, on=want.columns, how="anti"), got.join(want, on=want.columns, how="anti"))
    # Rare things are among them.
    assert want["transition"].n_unique() > 40


def test_children_are_the_same(back):
    stories, observed, _ = back
    _, want = seen(stories)
    people = observed.population
    got = pl.DataFrame({
        "child": numbers_of(observed), "state": [observed.journey.states[s].key for s in people.state],
        "seen_from": observed.seen_from, "birth_week": people.birth_week, "sex": people.sex,
        "since_week": people.since_week, "clock_known": observed.clock_known, "uasc": people.uasc,
    }).sort("child")  # fmt: skip
    want = want.sort("child")
    assert got["child"].equals(want["child"])
    told = (
        stories.children.select("child", "birth_week", "sex", "since_week", "uasc").join(want, on="child").sort("child")
    )
    for column in ("state", "seen_from", "birth_week", "sex"):
        assert got[column].cast(told[column].dtype).equals(told[column]), column
    # The clock, where a return tells it: at home it runs from birth for whoever was never seen before.
    at_start = (told["seen_from"] == 0) & got["clock_known"] & ~told["state"].is_in(["protected"])
    assert got["since_week"].filter(at_start).equals(told["since_week"].filter(at_start))
    in_care = told["state"].is_in(["foster", "supported_accommodation", "elsewhere"])
    assert got["uasc"].filter(in_care).equals(told["uasc"].filter(in_care))


def test_the_log_is_one_that_the_engine_would_accept(back):
    _, observed, _ = back
    check_chain(observed.journey, observed.rows, observed.population)
    check_grown_up(observed.journey, observed.rows, observed.population, observed.n_weeks)
    assert (observed.seen_to <= observed.n_weeks).all()
    assert observed.rows.week.max() < observed.n_weeks


def test_what_was_filled_in_is_what_returns_lack(back):
    stories, observed, _ = back
    rows = rows_of(observed).with_columns(pl.Series("inferred", _by_child(observed)))
    ends = (pl.col("from") == "under_enquiry") & (pl.col("transition") == "child_in_need_plan_began")
    ends |= pl.col("transition") == "child_in_need_plan_went_on"
    filled = set(rows.filter(pl.col("inferred") & ~ends)["transition"])
    # Ends of enquiries that go on when the run ends. Entries of children who were home from care before the run; plans
    # that the census of those years did not ask for;
    # kin after pre-proceedings that it did not ask for; homes before an adoption on day one.
    assert filled <= {
        "was_referred", "child_in_need_plan_began", "pre_proceedings_began", "placed_with_foster_carers",
    }  # fmt: skip
    if stories.first_year >= 2022:
        assert "child_in_need_plan_began" not in filled


def _by_child(observed: Observed) -> np.ndarray:
    number = numbers_of(observed).to_numpy()[observed.rows.child]
    return observed.inferred[np.lexsort((observed.rows.step, observed.rows.week, number))]


def test_only_expected_findings(back):
    _, _, findings = back
    assert {rule for rule in findings.counts() if rule.startswith("log-")} <= {
        "log-enquiry-end-presumed",
        "log-plan-presumed",
        "log-step-filled-in",
    }


def test_care_alone_gives_a_log_of_care(back, tmp_path: Path):
    stories, both, _ = back
    findings = Findings()
    observed = assemble(read_care(write_ssda903(stories, tmp_path), findings), None, findings)
    in_care = ["entering_care", *(s.key for s in observed.journey.states if s.stage == "care")]
    alone, whole = (rows_of(o).filter(pl.col("from").is_in(in_care)) for o in (observed, both))
    # Its rows stand further along in their week, after the referral that was filled in.
    assert alone.drop("step").equals(whole.drop("step"))
    assert set(observed.sees) == {2}
    assert "log-care-alone" in findings.counts()


def test_need_alone_gives_a_log_of_need(back, tmp_path: Path):
    stories, both, _ = back
    findings = Findings()
    observed = assemble(None, read_cin(write_cin(stories, tmp_path), findings), findings)
    assert set(observed.sees) == {1}
    # Up to the first entry into care of each child, both tell the same.
    homes = [s.key for s in observed.journey.states if s.stage == "care"]
    in_care = pl.col("from").is_in(homes) | pl.col("transition").str.contains("into_care")
    until = rows_of(both).filter(in_care).group_by("child").agg(until=pl.min("week"))
    mine, told = (
        rows.join(until, on="child", how="left").filter(pl.col("until").is_null() | (pl.col("week") < pl.col("until")))
        for rows in (rows_of(observed), rows_of(both))
    )
    assert mine.height > 300
    assert mine.equals(told)


def test_without_a_link_each_return_has_children_of_its_own(tmp_path: Path):
    stories = Stories.of_run(busy_run(2))
    apart, _ = read_back(stories, tmp_path, link=None)
    together, _ = read_back(stories, tmp_path)
    assert set(apart.sees) == {1, 2}
    assert set(together.sees) == {3}
    assert len(apart.population) > len(together.population)


def test_files_are_the_same_to_the_last_byte_and_marked_as_simulated(tmp_path: Path):
    stories = Stories.of_run(busy_run(6, n_weeks=104))
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        write_ssda903(stories, folder)
        write_cin(stories, folder)
    names = sorted(path.name for path in folders[0].iterdir())
    assert all(name.startswith("simulated_") for name in names)
    assert len(names) == 2 * 4
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
        assert "SIM0000" in (folders[0] / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("first_year", [2018, 2024])
def test_codes_are_valid_in_the_year_of_the_return(tmp_path: Path, first_year: int):
    stories = Stories.of_run(busy_run(3, n_weeks=156, first_year=first_year))
    columns = ("RNE", "LS", "CIN", "PLACE", "PLACE_PROVIDER", "REC", "REASON_PLACE_CHANGE")
    used = set()
    for path in write_ssda903(stories, tmp_path):
        year = int(path.name.split("_")[2])
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for column in columns if "Episodes" in path.name else ("SEX",):
                    code = row[column]
                    assert not code or code in CODES.codes(column, year), (column, code, year)
                    used.add((column, code))
                if "Episodes" in path.name:
                    assert bool(row["DEC"]) == bool(row["REC"])
                    assert (row["PLACE"] == "P1") <= (row["PLACE_PROVIDER"] == "PR0")
                    assert (row["PLACE"] == "P1") <= (row["LS"] != "V2")
    assert len(used) > 35


# Mutants: what the round trip must notice ----------------------------------------------------------------------------


def _mutant(stories: Stories, folder: Path, change) -> bool:
    """Whether reading back files that were changed still gives the log."""
    care, need = write_ssda903(stories, folder), write_cin(stories, folder)
    for path in (*care, *need):
        text = path.read_text(encoding="utf-8")
        path.write_text(change(path.name, text), encoding="utf-8")
    findings = Findings()
    observed = assemble(read_care(care, findings), read_cin(need, findings), findings, link=Link())
    return rows_of(observed).equals(seen(stories)[0])


CHANGES = {
    "nothing": lambda name, text: text,
    "a return home planned": lambda name, text: text.replace(",E4B,", ",E4A,"),
    "another home": lambda name, text: text.replace(",K2,", ",R1,"),
    "no change of carer": lambda name, text: text.replace(",P,", ",T,"),
    "closed after assessment": lambda name, text: text.replace(">RC8<", ">RC7<"),
    "a week later": lambda name, text: text.replace("-06-1", "-06-2") if "cin" in name else text,
    "no conference": lambda name, text: text.replace("DateOfInitialCPC>", "InitialCPCtarget>"),
    "no further action forgotten": lambda name, text: text.replace("FA>true<", "FA>false<"),
    "one year lost": lambda name, text: text if "2021_Episodes" not in name else text.split("\n")[0] + "\n",
}


@pytest.fixture(scope="module")
def small() -> Stories:
    return Stories.of_run(busy_run(1, n_children=60, n_weeks=208))


@pytest.mark.parametrize("change", CHANGES)
def test_mutants_are_noticed(small: Stories, tmp_path: Path, change: str):
    assert _mutant(small, tmp_path, CHANGES[change]) == (change == "nothing")


def test_mutant_weeks_of_the_log_are_noticed(small: Stories, tmp_path: Path, monkeypatch):
    """A calendar of seven days a week from 1 April, the obvious rule, is not the one that the log has."""
    import calibration.returns.assemble as module

    monkeypatch.setattr(module, "week_of", lambda day, first: (np.asarray(day) - 18353).astype(np.int32) // 7)
    observed, _ = read_back(small, tmp_path)
    assert not rows_of(observed).equals(seen(small)[0])


def test_birthdays_are_kept(small: Stories, tmp_path: Path):
    observed, _ = read_back(small, tmp_path)
    key = {t.key: i for i, t in enumerate(observed.journey.transitions)}
    at_18 = np.isin(observed.journey.tables.transition[observed.rows.edge], [key["grew_up"], key["left_care_at_18"]])
    who = observed.rows.child[at_18]
    assert at_18.sum() > 5
    assert (observed.rows.week[at_18] == observed.population.birth_week[who] + WEEKS_TO_18).all()
