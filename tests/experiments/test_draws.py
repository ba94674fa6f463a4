"""Runs on draws: which draw a run has, what stays the same, and the fits of several areas in one command."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import calibration.outlook as outlook_module
import calibration.posterior.area as area_module
from abm.journey import JOURNEY
from abm.simulate import simulate
from calibration.fit import Fitted
from calibration.fitted import SavedFit, load_fit, save_fit
from calibration.levers import CARRIED_AHEAD_FROM
from calibration.posterior.draws import AreaDraws, load_draws, save_draws
from calibration.posterior.forms import FORMS
from calibration.statistics import Area, Statistics
from experiments import calibrating, fitting, jobs, mechanisms, parameter_draws, results, shipped, unfinished
from experiments.area_work import mark_of_draws
from experiments.asked import Asked
from experiments.compare import words
from experiments.run import draw_of, shortened, simulate_area
from experiments.run_folder import same_run
from tests.experiments.conftest import REAL_DRAWS_OF, quick_draws
from tests.experiments.test_cli import BUILT, journeys, refused
from tests.experiments.test_resume import content, stopped
from tests.report.unpack import unpack_page

CODE, NAME = "E06000009", "Blackpool"
SEEDS = range(1, 5)


def nothing(*_: Any) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def small(quick: SavedFit) -> Fitted:
    """A hundredth of Blackpool for three years."""
    fitted = shortened(quick.fitted, 2023)
    return replace(fitted, scenario=replace(fitted.scenario, sample=100))


@pytest.fixture(scope="module")
def three(small: Fitted) -> AreaDraws:
    return quick_draws(small, 3, nothing)


@pytest.fixture(scope="module")
def digests(small: Fitted, three: AreaDraws) -> tuple[str, ...]:
    return simulate_area(small, SEEDS, draws=three).digests


# Runs -----------------------------------------------------------------------------------------------------------------


def test_draws_are_taken_in_turn_by_seed() -> None:
    assert [draw_of(seed, 3) for seed in (0, 1, 2, 3, 4, 2**63)] == [2, 0, 1, 2, 0, (2**63 - 1) % 3]


def test_a_run_is_that_of_its_seed_and_its_draw(small: Fitted, three: AreaDraws, digests: tuple[str, ...]) -> None:
    for seed, digest in zip(SEEDS, digests, strict=True):
        alone = simulate(small.scenario, three.parameters((seed - 1) % 3), seed, JOURNEY)
        assert alone.digest == digest
    assert digests != simulate_area(small, SEEDS).digests


def test_workers_blocks_and_other_runs_change_nobody(
    small: Fitted, three: AreaDraws, digests: tuple[str, ...], tmp_path: Path
) -> None:
    assert simulate_area(small, SEEDS, draws=three, workers=2, blocks=tmp_path).digests == digests
    again = simulate_area(small, SEEDS, draws=three, blocks=tmp_path)
    assert again.digests == digests
    assert again.drawn == (0, 1, 2, 0)
    assert simulate_area(small, range(2, 4), draws=three).digests == digests[1:3]
    # Blocks of other draws, or of the point fit, are not taken for these.
    other = replace(three, logs=three.logs + 0.01)
    assert simulate_area(small, SEEDS, draws=other, blocks=tmp_path).digests != digests
    assert simulate_area(small, SEEDS, blocks=tmp_path).digests == simulate_area(small, SEEDS).digests


def at_the_point(fitted: Fitted) -> AreaDraws:
    """Return two draws that are both the point fit, to the last bit."""
    logs = fitted.logs
    ahead = np.tile(logs[-CARRIED_AHEAD_FROM:].mean(axis=0), (fitted.scenario.n_years - len(logs), 1))
    both = np.stack([np.vstack([logs, ahead])] * 2)
    return AreaDraws(fitted, both, np.zeros((2, len(FORMS))), np.full(2, 0.5), 1)


def test_draws_at_the_point_are_the_point_fit_bit_for_bit(quick: SavedFit) -> None:
    """Also with families and clocks, which make their own parameters and journey of the area's."""
    fitted = replace(quick.fitted, scenario=replace(quick.fitted.scenario, sample=20))
    short = shortened(fitted, 2027)
    assert simulate_area(short, [1, 2], draws=at_the_point(fitted)).digests == simulate_area(short, [1, 2]).digests
    asked = Asked({"families": None, "clocks": None})
    facts = mechanisms.order_facts(asked)
    tables = {name: mechanisms._read(name, mechanisms._sources(name, None)) for name in asked.tables}
    on = replace(mechanisms.put_together(short, facts, tables, None, JOURNEY), record={"on": list(tables)})
    with_them = simulate_area(short, [1, 2], mechanisms=on).digests
    assert with_them != simulate_area(short, [1, 2]).digests
    assert simulate_area(short, [1, 2], mechanisms=on, draws=at_the_point(fitted)).digests == with_them


# In a folder of results -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(quick: SavedFit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a fit that has draws beside it, and the results of a run with it."""
    folder = tmp_path_factory.mktemp("drawn")
    fitted = replace(quick.fitted, scenario=replace(quick.fitted.scenario, sample=50))
    made = replace(quick, fitted=fitted)
    (folder / "fit").mkdir()
    save_fit(made, folder / "fit")
    logs = quick_draws(fitted, 4, nothing).logs
    spread = replace(quick_draws(fitted, 4, nothing), logs=3 * logs)
    save_draws(spread, folder / "fit")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for more, to in (((), "on"), (("--point",), "point")):
            found = journeys("run", NAME, "--fit", "fit", "--runs", "8", "--no-test", *more, "--to", to)
            assert found.exit_code == 0, found.output
    return folder


def test_results_hold_the_draws_and_say_which_run_had_which(drawn: Path) -> None:
    manifest = results.read_manifest(drawn / "on")
    assert manifest["draws"]["draws"] == 4
    assert manifest["draws"]["draw_of_each_run"] == {str(seed): (seed - 1) % 4 for seed in range(1, 9)}
    assert {"draws.json", "draws.parquet"} <= set(manifest["files"])
    assert mark_of_draws(drawn / "on") == mark_of_draws(drawn / "fit")
    point = results.read_manifest(drawn / "point")
    assert "draws" not in point
    assert "draws.json" not in point["files"]


def test_intervals_hold_what_is_not_known_of_the_parameters(drawn: Path) -> None:
    """With factors that differ by a third from draw to draw, the spread of runs grows many times."""

    def spread(name: str) -> float:
        runs = pl.read_parquet(drawn / name / results.RUNS)
        found = runs.filter(series="abm", figure="referrals", year=2030)["value"].std()
        assert isinstance(found, float)
        return found

    assert spread("on") > 2 * spread("point")


def test_the_first_run_comes_out_again_with_its_draw(drawn: Path) -> None:
    made, manifest = load_fit(drawn / "on"), results.read_manifest(drawn / "on")
    assert same_run(made, manifest, drawn / "on").digest == manifest["digests"]["1"]
    if BUILT:
        assert journeys("page", drawn / "on").exit_code == 0


@pytest.mark.skipif(not BUILT, reason="the pages are not built")
def test_the_report_says_what_the_intervals_hold(drawn: Path) -> None:
    for name, said in (("on", words.CHANCE_AND_PARAMETERS), ("point", words.CHANCE_ALONE)):
        assert journeys("compare", drawn / name).exit_code == 0
        told, _ = unpack_page(drawn / name / results.REPORT)
        assert said in json.dumps(told, ensure_ascii=False)


def test_a_damaged_draw_is_refused(drawn: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn / "fit", tmp_path / "fit")
    path = tmp_path / "fit" / "draws.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    said = refused("run", NAME, "--fit", tmp_path / "fit", "--to", tmp_path / "x")
    assert "'draws.parquet' is damaged or of other draws" in said


def test_how_many_draws_a_run_has(drawn: Path, tmp_path: Path) -> None:
    fit, plain = drawn / "fit", tmp_path / "plain"
    plain.mkdir()
    for name in ("fit.json", "fit.parquet"):
        shutil.copyfile(fit / name, plain / name)
    mark = mark_of_draws(fit)
    found = [
        calibrating.how_many({CODE: fit}, None, point=False),  # those beside the fit
        calibrating.how_many({CODE: fit}, 4, point=False),  # as many
        calibrating.how_many({CODE: fit}, 7, point=False),  # others are made
        calibrating.how_many({CODE: fit}, None, point=True),
        calibrating.how_many({CODE: plain}, None, point=False),  # a fit without draws is run at its point
        calibrating.how_many({CODE: plain}, 5, point=False),
        calibrating.how_many({}, None, point=False),
    ]
    assert found == [(100, {CODE: mark}), (4, {CODE: mark}), (7, {}), (0, {}), (0, {}), (5, {}), (100, {})]


# Several areas --------------------------------------------------------------------------------------------------------

TWO = ("Blackpool", "Stockton-on-Tees")


@pytest.fixture
def fitted(quick: SavedFit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Fit in no time, and note of which area; North Tyneside cannot be fitted."""
    asked: list[str] = []

    def fit(_statistics: Statistics, area: Area, say: Any, **named: Any) -> SavedFit:
        asked.append(area.code)
        if area.name == "North Tyneside":
            raise jobs.CareError("There is nothing of it", "here", "Choose another")
        assert named["fitted_to"] == 2024
        scenario = replace(quick.fitted.scenario, area_code=area.code, area_name=area.name)
        return replace(quick, fitted=replace(quick.fitted, area=area, scenario=scenario))

    monkeypatch.setattr(fitting, "fit", fit)
    monkeypatch.chdir(tmp_path)
    return asked


def test_several_areas_are_fitted_each_into_its_folder(fitted: list[str]) -> None:
    words = ("calibrate", *TWO, "North Tyneside", "--until", "2024", "--draws", "3", "--processes", "1")
    found = journeys(*words, "--to", "fits")
    assert found.exit_code == 0, found.output
    assert "Fitted: 2 areas, each with 3 draws. Left out: 1." in found.stdout
    assert "Left out: North Tyneside (E08000022). There is nothing of it. Choose another" in found.stdout
    assert "Seconds an area took: " in found.stdout
    assert sorted(entry.name for entry in Path("fits").iterdir()) == ["E06000004", "E06000009", "manifest.json"]
    manifest = results.read_manifest(Path("fits"), several=True)
    assert manifest["areas"]["E06000009"]["name"] == NAME
    assert [area["code"] for area in manifest["left_out"]] == ["E08000022"]
    for code in manifest["areas"]:
        made = load_fit(Path("fits", code))
        assert len(load_draws(Path("fits", code), made.fitted)) == 3
    assert not Path("fits.unfinished").exists()
    # They are what runs take, of several areas and of one.
    assert journeys("run", NAME, "--fit", "fits", "--runs", "1", "--years", "2025", "--no-test").exit_code == 0
    assert results.read_manifest(Path("results", CODE))["draws"]["draws"] == 3


def test_stopped_and_resumed_nothing_is_fitted_twice(fitted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("calibrate", *TWO, "--until", "2024", "--draws", "2", "--processes", "1", "--to")
    assert journeys(*words, "whole").exit_code == 0
    before = len(fitted)
    made = 0

    def stopping(*rest: Any, **named: Any) -> AreaDraws:
        nonlocal made
        made += 1
        if made == 2:
            raise KeyboardInterrupt
        return quick_draws(*rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(parameter_draws, "draws_of", stopping)
        assert journeys(*words, "x").exit_code == 130
    assert len(fitted) == before + 2
    found = journeys("resume", "x", "--processes", "1")
    assert found.exit_code == 0, found.output
    assert "Fitted: 2 areas" in found.stdout
    assert len(fitted) == before + 2, "the fit that was there is used"
    assert content(Path("x")) == content(Path("whole"))


def test_a_folder_with_something_else_is_not_touched(fitted: list[str], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.docx").write_text("years of work")
    assert "holds other files" in refused("calibrate", *TWO, "--to", "mine")
    assert fitted == []


def test_years_ahead_agree_with_what_is_forecast_where_the_table_is_at_hand(
    quick: SavedFit, statistics: Statistics, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    moved = [0.5]

    def draw_area(fitted: Fitted, *, n_draws: int, ahead: Any, **_rest: Any) -> AreaDraws:
        given.append(ahead)
        drawn = quick_draws(fitted, n_draws, nothing)
        return drawn if ahead is None else ahead(drawn, "the prior")

    def with_outlook(draws: AreaDraws, prior: Any, table: Statistics) -> AreaDraws:
        assert (prior, table) == ("the prior", statistics)
        return replace(draws, made={"outlook": {"moved": moved[0], "missed": 0.04}})

    monkeypatch.setattr(area_module, "draw_area", draw_area)
    monkeypatch.setattr(outlook_module, "with_outlook", with_outlook)
    assert "lie where they are forecast" in REAL_DRAWS_OF(quick.fitted, 3, nothing, statistics=statistics).made["ahead"]
    assert "by themselves" not in REAL_DRAWS_OF(quick.fitted, 3, nothing, statistics=statistics).made["ahead"]
    moved[0] = 3.46
    far = REAL_DRAWS_OF(quick.fitted, 3, nothing, statistics=statistics).made["ahead"]
    assert "by themselves they would lead 3.5 standard deviations away" in far
    assert "4% off at most" in far
    assert "forecast" not in REAL_DRAWS_OF(quick.fitted, 3, nothing, statistics=None).made["ahead"]
    assert given[-1] is None
    assert parameter_draws.table_behind(statistics, quick) is statistics
    other = replace(quick, statistics=dict(quick.statistics) | {"sha256": "0" * 64})
    assert parameter_draws.table_behind(statistics, other) is None


# What is shipped ------------------------------------------------------------------------------------------------------


def test_what_is_shipped_is_whole_and_made_of_what_is_here() -> None:
    stale = shipped.why_stale()
    assert not stale, f"{', '.join(stale)} changed since the shipped draws were made: {shipped.COMMAND}"
    told = json.loads((shipped.FOLDER / shipped.MADE).read_text(encoding="utf-8"))
    assert told["command"] == shipped.COMMAND
    assert {"date", "version", "made_of", "draws"} <= told.keys()
    manifest = results.read_manifest(shipped.FOLDER, several=True)
    assert tuple(manifest["areas"]) == shipped.AREAS
    for code in shipped.AREAS:
        alone = results.read_manifest(shipped.FOLDER / code)
        for name in alone["files"]:
            results.checked(shipped.FOLDER / code, alone, name)
        made = load_fit(shipped.FOLDER / code)
        draws = load_draws(shipped.FOLDER / code, made.fitted)
        assert len(draws) == told["draws"]
        assert np.allclose(draws.weights, 1 / len(draws))
        assert made.fitted.fitted_to == 2025
        # What figures leave open is less than what is open ahead of them.
        referral = draws.logs[:, :, 0].std(axis=0)
        assert referral[:5].max() < referral[5:].min()


def test_it_is_used_for_the_shipped_table_and_nothing_else(
    statistics: Statistics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = statistics.area(NAME)
    assert shipped.shipped_fit(statistics, area, 2030) == shipped.FOLDER / CODE
    assert shipped.shipped_fit(statistics, area, 2031) is None
    changed = tmp_path / "statistics.csv"
    changed.write_bytes(statistics.path.read_bytes() + b"\n")
    assert shipped.shipped_fit(replace(statistics, path=changed), area, 2030) is None
    assert shipped.shipped_fit(statistics, Area("E06000001", "Hartlepool"), 2030) is None
    monkeypatch.setattr(shipped, "POOLING", changed)
    assert shipped.why_stale() == ["pooling"]
    assert shipped.shipped_fit(statistics, area, 2030) is None


def test_a_run_of_a_shipped_area_begins_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "shipped_fit", shipped.shipped_fit)
    monkeypatch.setattr(fitting, "fit", lambda *_a, **_k: pytest.fail("it is fitted"))
    monkeypatch.setattr(parameter_draws, "draws_of", lambda *_a, **_k: pytest.fail("draws are made"))
    monkeypatch.chdir(tmp_path)
    found = journeys("run", NAME, "--runs", "1", "--years", "2025", "--no-test", "--to", "x")
    assert found.exit_code == 0, found.output
    assert mark_of_draws(Path("x")) == mark_of_draws(shipped.FOLDER / CODE)
    # Stopped and damaged, it is taken again from where it is shipped.
    stopped("write_run", "run", NAME, "--runs", "2", "--years", "2025", "--no-test", "--to", "y")
    kept = unfinished.unfinished_of(Path("y")) / "areas" / CODE / "draws" / "draws.json"
    kept.write_text("{}")
    found = journeys("resume", "y")
    assert found.exit_code == 0, found.output
    assert mark_of_draws(Path("y")) == mark_of_draws(shipped.FOLDER / CODE)


@pytest.mark.slow
def test_what_is_shipped_comes_out_again(statistics: Statistics) -> None:
    """The fit of Blackpool to a millionth; its draws, which other processors may take another way, in their means."""
    made = fitting.fit(statistics, statistics.area(NAME), nothing)
    there = load_fit(shipped.FOLDER / CODE)
    assert np.allclose(made.fitted.logs, there.fitted.logs, atol=1e-6)
    assert np.allclose(made.fitted.correction, there.fitted.correction, atol=1e-6)
    kept = load_draws(shipped.FOLDER / CODE, there.fitted)
    table = parameter_draws.table_behind(statistics, made)
    again = REAL_DRAWS_OF(made.fitted, len(kept), nothing, statistics=table)
    # 75 means, each of two samples of 100: 5 standard errors of their difference, a false alarm in 20,000.
    error = np.sqrt((kept.logs.var(axis=0) + again.logs.var(axis=0)) / len(kept))[:5]
    assert (np.abs(kept.logs.mean(axis=0) - again.logs.mean(axis=0))[:5] < 5 * error).all()
    for told in ("how", "ahead"):
        assert again.made[told] == kept.made[told]
    assert "so that five figures lie where they are forecast" in again.made["ahead"]
