"""A run with mechanisms: what is on is kept, a run comes out again, and resuming changes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from abm.behaviour import Demand, Incident
from abm.behaviour_course import classic_case
from abm.errors import CareError
from abm.family_life import CIRCUMSTANCES
from abm.files import sha256_of
from abm.journey import JOURNEY
from calibration.behaviours import read_behaviours, write_behaviours
from calibration.fitted import SavedFit
from calibration.places import plan_places
from calibration.statistics import Area, Statistics
from experiments import fitting, jobs, mechanisms, results, switching, unfinished
from experiments.asked import Asked
from experiments.beside import SIBLINGS
from experiments.compare.report import about, read_comparison, report_tables
from experiments.order import Order
from experiments.run import SD_BEHAVING, run_figures, shortened, simulate_area
from experiments.run_folder import same_run
from tests.experiments.test_cli import BUILT, journeys, refused
from tests.experiments.test_resume import content, stopped, write_fit
from tests.report.unpack import unpack_page

CODE = "E06000009"
PLAN = """
area = "Blackpool"
runs = 2
years = 2025
families = true
behaviours = "ours.csv"
places = true
clocks = true

[[shock]]
kind = "incident"
year = 2023

[[shock]]
kind = "demand"
from = 2024
factor = 1.2
"""
WORDS = ("run", "plan.toml", "--fit", "fit", "--no-test")


@pytest.fixture(scope="module")
def quickly() -> Iterator[None]:
    """A reference of two runs, and gains of loops that are not worked out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(switching, "MOST", 2)
        patch.setattr(switching, "FEWEST", 2)
        real = switching.gains
        patch.setattr(switching, "gains", lambda *words: real(*words, each=False))
        yield


@pytest.fixture(scope="module")
def whole(quick: SavedFit, tmp_path_factory: pytest.TempPathFactory, quickly: None) -> Path:
    """Return a folder with a plan, a fit, an edited table, and in `whole` the results."""
    here = tmp_path_factory.mktemp("mechanisms")
    write_fit(quick, here / "fit")
    write_behaviours(read_behaviours().with_strengths(caseload_to_quality=0.3), here / "ours.csv")
    (here / "plan.toml").write_text(PLAN)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setattr(fitting, "fit", lambda *_a, **_k: pytest.fail("the area was fitted"))
        found = journeys(*WORDS, "--to", "whole")
        assert found.exit_code == 0, found.output
        (here / "screen.txt").write_text(found.stdout)
    return here


@pytest.fixture
def here(whole: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(whole)
    return whole


# What is kept --------------------------------------------------------------------------------------------------------


def test_the_files_are_those_that_are_ours(whole: Path) -> None:
    assert set(mechanisms.NAMES) <= set(results.SWITCHED_ON)
    manifest = results.read_manifest(whole / "whole")
    there = set(manifest["files"])
    assert set(results.SWITCHED_ON) <= there
    assert there == {path.name for path in (whole / "whole").iterdir()} - {results.MANIFEST}


def test_the_manifest_says_what_is_on(whole: Path) -> None:
    record = results.read_manifest(whole / "whole")["mechanisms"]
    assert record["on"] == ["families", "behaviours", "places", "clocks"]
    assert record["tables"]["families"]["shipped"]
    ours = record["tables"]["behaviours"]
    assert (ours["of"], ours["shipped"]) == ("ours.csv", False)
    assert ours["sha256"]["behaviours.csv"] == sha256_of(whole / "ours.csv")
    shipped = read_behaviours()["caseload_to_quality"].effect
    changed = {"what": "caseload_to_quality", "shipped": shipped, "here": -0.3}
    assert record["changed"] == {"behaviours": [changed]}
    assert record["behaviours"]["reference"]["runs"] == 2
    assert record["behaviours"]["off_because_homes_tell"] == ["R6", "R7"]
    assert record["places"]["marks"]["occupancy"][0] == "assumed"
    assert record["behaviours"]["gain"] > 1
    assert [shock["week"] for shock in record["shocks"] if shock["kind"] == "incident"] == [2 * 52]
    assert "assumed" in record["assumed"]
    assert record["assumed"] == record["told"][-1]
    screen = (whole / "screen.txt").read_text()
    assert all(line in screen for line in record["told"])


def test_the_first_run_comes_out_again(whole: Path, quick: SavedFit) -> None:
    folder = whole / "whole"
    manifest = results.read_manifest(folder)
    run = same_run(quick, manifest, folder)
    run.check()
    assert pl.read_parquet(folder / results.EVENTS).equals(run.events)
    assert "context" in run.events.columns
    with pytest.raises(CareError, match="comes out differently"):
        same_run(quick, manifest)


def test_the_environment_is_that_of_the_runs(whole: Path, quick: SavedFit) -> None:
    folder = whole / "whole"
    table = pl.read_parquet(folder / results.ENVIRONMENT)
    run = same_run(quick, results.read_manifest(folder), folder)
    assert run.environment is not None
    shown = [name for name in run.environment.names if not name.startswith("memory: ")]
    assert table["condition"].unique(maintain_order=True).to_list() == shown
    for name in ("anxiety", "caseload", "workers"):
        rows = table.filter(condition=name)
        assert rows["week"].to_list() == list(range(260))
        expected = run.environment.conditions[:, run.environment.names.index(name)]
        assert np.array_equal(rows["first"].to_numpy(), expected)
        assert (rows["lowest"] <= rows["mean"]).all()
        assert (rows["mean"] <= rows["highest"]).all()
        # Of two runs the mean is half of the sum of lowest and highest.
        assert rows["mean"].to_numpy() == pytest.approx((rows["lowest"] + rows["highest"]).to_numpy() / 2)
    anxiety = table.filter(condition="anxiety")["first"].to_numpy()
    assert anxiety[104] - anxiety[103] == pytest.approx(0.49, abs=0.02)


def test_the_accounts_of_homes_are_those_of_the_runs(whole: Path, quick: SavedFit) -> None:
    folder = whole / "whole"
    table = pl.read_parquet(folder / results.HOMES)
    run = same_run(quick, results.read_manifest(folder), folder)
    assert run.places is not None
    assert table["account"].unique(maintain_order=True).to_list() == list(run.places.names)
    for column, name in enumerate(run.places.names):
        first = table.filter(account=name)["first"].to_numpy()
        assert np.array_equal(first, run.places.accounts[:, column] * run.scenario.sample)
    stocks = pl.read_parquet(folder / results.STOCKS)
    assert not [name for name in stocks.columns if ":" in name]
    lived = stocks.filter(run=1)["childrens_home"].to_numpy()
    counted = table.filter(account="children_childrens_home")["first"].to_numpy()
    assert np.array_equal(lived, counted)


def test_circumstances_lead_from_one_to_the_next(whole: Path) -> None:
    table = pl.read_parquet(whole / "whole" / results.CIRCUMSTANCES)
    names = {state.key for state in CIRCUMSTANCES.states}
    assert set(table["to_circumstances"]) <= names
    ordered = table.sort("family", "week", maintain_order=True)
    before = ordered.select(pl.col("to_circumstances").shift(1).over("family"))["to_circumstances"]
    later = ordered.with_columns(before=before).filter(pl.col("week") >= 0)
    assert later.height > 100
    assert (later["before"] == later["from_circumstances"]).all()


def test_figures_of_brothers_and_sisters_and_of_system_dynamics_with_behaviours(whole: Path, quick: SavedFit) -> None:
    table = pl.read_parquet(whole / "whole" / results.RUNS)
    mine = table.filter(pl.col("series") == "abm", pl.col("figure") == SIBLINGS[0])
    assert mine.group_by("run").len()["len"].to_list() == [5, 5]
    assert mine["value"].min() > 20
    lines = {
        series: table.filter(series=series, figure="referrals").sort("year")["value"].to_numpy()
        for series in ("sd", SD_BEHAVING)
    }
    # Nothing answers before the incident, so before the first shock the two are the same.
    assert lines[SD_BEHAVING][:2] == pytest.approx(lines["sd"][:2], rel=1e-9)
    assert (lines[SD_BEHAVING][3:] > 1.15 * lines["sd"][3:]).all()


def test_system_dynamics_without_behaviours_is_that_of_the_fit(quick: SavedFit) -> None:
    fitted = shortened(quick.fitted, 2026)
    case = classic_case(fitted.scenario, fitted.parameters, JOURNEY)
    own = switching.system_case(quick, fitted, case)
    assert np.array_equal(own.stocks, quick.system.stocks[: 6 * 52])
    assert np.array_equal(own.flows, quick.system.flows[: 6 * 52])


# The pages -----------------------------------------------------------------------------------------------------------


def test_the_report_shows_how_the_system_behaved(whole: Path) -> None:
    comparison = read_comparison(whole / "whole")
    section = comparison.system_section
    assert section is not None
    json.dumps(section, allow_nan=False)
    charts = {group["key"]: {c["key"]: c for c in group["charts"]} for group in section["groups"]}
    assert list(charts) == ["conditions", "system-dynamics", "homes", "siblings"]
    anxiety = charts["conditions"]["anxiety"]
    table = pl.read_parquet(whole / "whole" / results.ENVIRONMENT).filter(condition="anxiety")
    line = anxiety["lines"][0]
    assert anxiety["x"][-1] == 2025
    assert len(anxiety["x"]) == len(line["middle"]) == 65
    assert line["middle"][-1] == pytest.approx(table["median"][-1], rel=1e-4)
    assert line["high"][-1] == pytest.approx(table["highest"][-1], rel=1e-4)  # of two runs, not p95
    assert [row[0] for row in anxiety["frame"]["rows"]] == [2021, 2022, 2023, 2024, 2025]
    assert anxiety["frame"]["rows"][-1][1] == line["middle"][-1]
    assert [line["name"] for line in charts["homes"]["own_foster"]["lines"]] == ["Places", "Children"]
    with_, without = (charts["system-dynamics"]["referrals"]["lines"][k]["middle"][-1] for k in (2, 1))
    assert with_ > 1.1 * without
    assert section["changed"]["rows"] == [["Behaviours", "caseload_to_quality", -0.25, -0.3]]
    assert section["diagram"]["tag"] == "svg"
    homes = pl.read_parquet(whole / "whole" / results.HOMES).filter(account="requests")
    frame = section["tables"][0]["frame"]
    assert frame["rows"][0][frame["columns"].index("needed a home")] == pytest.approx(
        homes["mean"][:52].sum(), abs=0.06
    )


def test_the_report_says_what_is_assumed_and_that_levels_move(whole: Path) -> None:
    comparison = read_comparison(whole / "whole")
    told = about(comparison, report_tables(comparison)["careers"])
    assert any(
        "Switched on in these runs: families, behaviours, places, clocks, shocks." in s for s in told["headline"]
    )
    assert any("levels move by a few percent" in line for line in told["headline"])
    names = [row["name"] for row in told["assumed"]]
    for name in ("Behaviour: caseload to quality", "Occupancy", "Family, helped: helped"):
        assert name in names
    mine = next(row for row in told["assumed"] if row["name"] == "Behaviour: caseload to quality")
    assert (mine["value"], mine["low"], mine["high"], mine["status"]) == (0.3, 0.1, 0.6, "assumed")


@pytest.mark.skipif(not BUILT, reason="the pages are not built")
def test_both_pages_are_made_of_the_folder_alone(here: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    shutil.copytree(here / "whole", folder)
    for command in ("compare", "page"):
        found = journeys(command, folder)
        assert found.exit_code == 0, found.output
    header, columns = unpack_page(folder / results.JOURNEYS)
    assert {4, 5} <= set(columns["event.origin"].tolist())
    assert len(header["about"]["also"]) == 3
    assert header["about"]["together"] is True
    assert unpack_page(folder / results.REPORT)[0]["system"]["told"]


def test_without_mechanisms_nothing_is_new(here: Path) -> None:
    words = ("run", "Blackpool", "--fit", "fit", "--runs", "1", "--years", "2025", "--no-test")
    stopped("write_run", *words, "--to", "plain")
    order = unfinished.read_order(Path("plain"))
    assert order is not None
    assert "mechanisms" not in order.facts()
    assert not (here / "plain.unfinished" / unfinished.MECHANISMS).exists()
    found = journeys("resume", "plain")
    assert found.exit_code == 0, found.output
    manifest = results.read_manifest(here / "plain")
    assert "mechanisms" not in manifest
    assert not set(results.SWITCHED_ON) & {path.name for path in (here / "plain").iterdir()}
    assert set(pl.read_parquet(here / "plain" / results.RUNS)["series"]) == {"abm", "sd"}
    assert "context" not in pl.read_parquet(here / "plain" / results.EVENTS).columns
    assert read_comparison(here / "plain").system_section is None


# Stopped and resumed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "job",
    ["simulate_area", *(pytest.param(job, marks=pytest.mark.slow) for job in ("switch_on", "write_run"))],
)
def test_a_run_that_was_stopped_goes_on_with_what_was_asked_for(here: Path, job: str) -> None:
    stopped(job, *WORDS, "--to", job)
    order = unfinished.read_order(Path(job))
    assert order is not None
    assert order == Order.of(json.loads(json.dumps(order.facts())))
    assert list(order.mechanisms["tables"]) == ["families", "behaviours", "places", "clocks"]
    # Whatever happens to the table meanwhile: the copy is what counts.
    (here / "ours.csv").rename(here / "away.csv")
    try:
        with pytest.MonkeyPatch.context() as patch:
            if job != "switch_on":
                # What was switched on is not made again.
                patch.setattr(jobs, "switch_on", lambda *_a, **_k: pytest.fail("made again"))
            found = journeys("resume", job)
    finally:
        (here / "away.csv").rename(here / "ours.csv")
    assert found.exit_code == 0, found.output
    assert content(here / job) == content(here / "whole")
    assert not (here / f"{job}.unfinished").exists()


def test_a_damaged_copy_of_a_table_is_told(here: Path) -> None:
    stopped("switch_on", *WORDS, "--to", "harmed")
    copy = here / "harmed.unfinished" / unfinished.MECHANISMS / "families.csv"
    copy.write_bytes(copy.read_bytes()[:-9])
    assert "The table 'families.csv' is damaged or missing" in refused("resume", "harmed")


@pytest.mark.parametrize("name", ["families.csv", "reference.parquet", "mechanisms.json", "behaviours.csv"])
def test_results_with_a_damaged_table_are_refused(here: Path, tmp_path: Path, quick: SavedFit, name: str) -> None:
    folder = tmp_path / "harmed"
    shutil.copytree(here / "whole", folder)
    (folder / name).write_bytes((folder / name).read_bytes()[:-9])
    with pytest.raises(CareError, match=f"'{name}'"):
        mechanisms.load(folder, quick.fitted)


# Mistakes ------------------------------------------------------------------------------------------------------------


def test_a_mistake_in_a_table_is_told_before_anything_is_done(here: Path, tmp_path: Path) -> None:
    text = mechanisms.FILES["families"][0][1].read_text(encoding="utf-8").replace("was_referred", "was_refered", 1)
    (tmp_path / "families.csv").write_text(text, encoding="utf-8")
    (tmp_path / "p.toml").write_text('area = "Blackpool"\nfamilies = "families.csv"')
    said = refused("run", tmp_path / "p.toml", "--fit", "fit", "--to", "x")
    assert "families.csv, row" in said
    assert "Did you mean 'was_referred'" in said
    assert "no mechanism 'famlies'" in refused("run", "Blackpool", "--with", "famlies", "--fit", "fit", "--to", "x")
    assert not (here / "x").exists()
    assert not (here / "x.unfinished").exists()


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("families", ",0.5,", ",5,", "families.csv, row"),
        ("behaviours", ",+,0,0.3,", ",+,0,strang,", "Did you mean 'strong'"),
        ("places", "\noccupancy,0.92,", "\noccupancies,0.92,", "There is no value 'occupancy' .*edited.csv"),
        ("places", "\noccupancy,0.92,", "\noccupancy,x,", "A number cannot be read .*edited.csv, row"),
        ("clocks", "protection_plan_ended", "protection_plan_endet", "Did you mean 'child_protection_plan_ended'"),
    ],
)
def test_mistakes_in_edited_tables_name_the_table(tmp_path: Path, name: str, old: str, new: str, said: str) -> None:
    text = mechanisms.FILES[name][0][1].read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "edited.csv"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CareError, match=said.replace(f"{name}.csv", "edited.csv")) as caught:
        mechanisms.order_facts(Asked({name: path}))
    assert "edited.csv" in caught.value.where


# Parts ---------------------------------------------------------------------------------------------------------------


def test_a_plan_of_homes_as_plain_data(statistics: Statistics) -> None:
    plan = plan_places(statistics, CODE, 2020)
    again = mechanisms.plan_of(json.loads(json.dumps(mechanisms.plan_facts(plan))))
    assert np.array_equal(again.bands, plan.bands)
    assert np.array_equal(again.children, plan.children)
    assert (again.marks, again.approved, again.located) == (plan.marks, plan.approved, plan.located)
    assert np.array_equal(again.beds(np.array([50, 9, 4])), plan.beds(np.array([50, 9, 4])))


def test_with_homes_their_own_loops_are_off() -> None:
    facts = mechanisms.order_facts(Asked({"behaviours": None, "places": None}))
    tables = {"behaviours": mechanisms._read("behaviours", [mechanisms.FILES["behaviours"][0][1]])}
    alone, both = mechanisms.acting(facts, tables), mechanisms.acting(facts, {**tables, "places": None})
    assert alone is not None
    assert both is not None
    assert set(alone.loops()) - set(both.loops()) == {"R6", "R7"}


def test_the_mark_tells_what_is_on(quick: SavedFit) -> None:
    off = mechanisms.nothing_on(quick.fitted)
    assert off.mark == ""
    assert not off
    marks = {replace(off, record={"on": on}).mark for on in (["families"], ["clocks"])}
    assert len(marks) == 2


def test_a_demand_without_behaviours_acts_alone(quick: SavedFit, statistics: Statistics, tmp_path: Path) -> None:
    fitted = shortened(quick.fitted, 2025)
    facts = mechanisms.order_facts(Asked({}, (Demand(("was_referred",), 1.5, 52),)))
    kept = switching.switch_on(statistics, quick, fitted, facts, tmp_path, lambda *_: None)
    assert kept.made.record is not None
    assert "behaviours" not in kept.made.record
    more, usual = (simulate_area(fitted, [1], mechanisms=on).first for on in (kept.made, None))
    assert np.array_equal(more.flows[:52], usual.flows[:52])
    assert run_figures(more)["referrals"][2] > 1.3 * run_figures(usual)["referrals"][2]
    kept_weekly = simulate_area(fitted, [1], mechanisms=kept.made).weekly.collect_schema().names()
    assert not [name for name in kept_weekly if name.startswith("environment: ")]
    mechanisms.save(kept, tmp_path, tmp_path)
    again = mechanisms.load(tmp_path, fitted).made
    assert simulate_area(fitted, [1], mechanisms=again).digests == (more.digest,)
    assert again.mark == kept.made.mark


def test_blocks_of_runs_without_are_not_taken_for_those_with(
    quick: SavedFit, statistics: Statistics, tmp_path: Path
) -> None:
    """Families leave the table of chances as it is, so that alone would not tell."""
    fitted = shortened(quick.fitted, 2022)
    for name, source in mechanisms.tables_of(Asked({"families": None})).items():
        shutil.copyfile(source, tmp_path / name)
    facts = mechanisms.order_facts(Asked({"families": None}))
    made = switching.switch_on(statistics, quick, fitted, facts, tmp_path, lambda *_: None).made
    without = simulate_area(fitted, [1, 2], blocks=tmp_path / "blocks")
    within = simulate_area(fitted, [1, 2], mechanisms=made, blocks=tmp_path / "blocks")
    assert within.digests == simulate_area(fitted, [1, 2], mechanisms=made).digests
    assert not set(within.digests) & set(without.digests)
    told: list[tuple[int, int]] = []
    again = simulate_area(
        fitted, [1, 2], mechanisms=made, blocks=tmp_path / "blocks", progress=lambda *done: told.append(done)
    )
    assert told == [(2, 2)]
    assert again.weekly.collect().equals(within.weekly.collect())


def test_several_areas_have_the_same_mechanisms_each(quick: SavedFit, here: Path) -> None:
    for code, name in ((CODE, "Blackpool"), ("E06000004", "Stockton-on-Tees")):
        scenario = replace(quick.fitted.scenario, area_code=code, area_name=name)
        write_fit(replace(quick, fitted=replace(quick.fitted, area=Area(code, name), scenario=scenario)),
                  here / "fits" / code)  # fmt: skip
    words = ("run", "Blackpool", "Stockton-on-Tees", "--with", "families,clocks", "--runs", "1", "--years", "2025")
    for processes in ("1", "2"):
        found = journeys(*words, "--fit", "fits", "--processes", processes, "--to", f"several{processes}")
        assert found.exit_code == 0, found.output
    assert "Switched on in every area: families, clocks." in found.stdout
    assert content(here / "several1") == content(here / "several2")
    manifest = results.read_manifest(here / "several1", several=True)
    assert manifest["mechanisms"]["on"] == ["families", "clocks"]
    totals = pl.read_parquet(here / "several1" / results.RUNS)
    assert not set(totals["figure"]) & set(SIBLINGS)
    for code in manifest["areas"]:
        folder = here / "several1" / code
        assert SIBLINGS[0] in set(pl.read_parquet(folder / results.RUNS)["figure"])
        assert results.read_manifest(folder)["mechanisms"]["on"] == ["families", "clocks"]


def test_an_incident_without_behaviours_is_refused() -> None:
    with pytest.raises(CareError, match="acts through behaviours alone"):
        Asked({}, (Incident(3),)).checked(2030)
