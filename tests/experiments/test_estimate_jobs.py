"""`journeys returns estimate`: what is written, what is hidden of real children, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from abm.errors import CareError
from abm.events import children_frame, events_frame
from abm.files import read_signed, sha256_of, signed
from abm.journey import JOURNEY
from abm.simulate import simulate
from calibration.estimate import FEWEST
from calibration.estimate_curves import COLUMNS as CURVE_COLUMNS
from calibration.estimate_curves import STILL
from calibration.estimate_spells import CURVES
from calibration.fitted import load_fit
from calibration.rates import read_rates
from experiments import fitting
from experiments.cli import app
from experiments.estimate_jobs import ABOUT, BOOK, INSIDE, PAGE, RATES, SHOWN, SIMULATED, SMALL
from experiments.estimate_jobs import CURVES as CURVES_FILE
from experiments.estimate_page import curves_page
from tests.abm.toys import busy_parameters, small_area

pytest.importorskip("lifelines")
WEEKS = 156


def estimate(*words: str | Path) -> Any:
    return CliRunner().invoke(app, ["returns", "estimate", *map(str, words)])


def refused(*words: str | Path) -> str:
    found = estimate(*words)
    assert found.exit_code == 2, found.output
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1, found.stderr
    return str(found.stderr)


def write_log(folder: Path, *, observed: bool) -> Path:
    """Write a log as `journeys run` does, or as `journeys returns read` does."""
    run = simulate(small_area(1_200, WEEKS), busy_parameters(), 9, JOURNEY)
    events, children = events_frame(JOURNEY, run.rows), children_frame(run.population)
    facts: dict[str, Any] = {"area": {"code": "E06999999", "name": "Toyshire"}}
    if observed:
        events = events.drop("chance", "draw", "origin").with_columns(inferred=pl.lit(False))
        n = children.height
        children = children.with_columns(
            seen_from=pl.Series(np.zeros(n, np.int32)), seen_to=pl.Series(np.full(n, WEEKS, np.int32)),
            sees=pl.Series(np.full(n, 3, np.uint8)), clock_known=pl.lit(True), enter_edge=pl.lit(-1),
        )  # fmt: skip
        facts |= {"observed": True, "first_year": 2021, "weeks": WEEKS}
    else:
        facts["scenario"] = {"first_year": 2021, "weeks": WEEKS}
    folder.mkdir()
    events.write_parquet(folder / "events.parquet")
    children.write_parquet(folder / "children.parquet")
    files = {name: sha256_of(folder / name) for name in ("events.parquet", "children.parquet")}
    (folder / "manifest.json").write_text(signed({**facts, "files": files}), "utf-8")
    return folder


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    base = tmp_path_factory.mktemp("logs")
    return {"simulated": write_log(base / "run", observed=False), "observed": write_log(base / "read", observed=True)}


@pytest.fixture(scope="module")
def made(logs, tmp_path_factory):
    base = tmp_path_factory.mktemp("made")
    ways = {"simulated": (), "observed": (), "inside": ("--inside",)}
    said = {
        name: estimate(logs["observed" if name == "inside" else name], "--to", base / name, *more)
        for name, more in ways.items()
    }
    for found in said.values():
        assert found.exit_code == 0, found.output
    return base, {name: found.stdout for name, found in said.items()}


def test_everything_is_written_with_its_digest(made):
    base, said = made
    for name, has_book in (("simulated", True), ("observed", False), ("inside", True)):
        about = read_signed(base / name / ABOUT, "")
        assert set(about["files"]) == {RATES, CURVES_FILE, PAGE} | ({BOOK} if has_book else set())
        assert (base / name / BOOK).exists() == has_book
        for file, digest in about["files"].items():
            assert sha256_of(base / name / file) == digest
        assert about["small_numbers_hidden"] == (name == "observed")
        assert about["strengths"]["between_cells"] > 0
        assert f"Written into {base / name}" in said[name]


def test_small_numbers_of_real_children_are_hidden_unless_one_says_that_they_stay_inside(made):
    base, said = made
    hidden, inside, simulated = (pl.read_csv(base / n / RATES) for n in ("observed", "inside", "simulated"))
    assert hidden.height == inside.height
    assert hidden["events"].drop_nulls().min() >= FEWEST
    assert hidden["events"].null_count() > 100
    few = hidden.filter(pl.col("events").is_null())
    assert few.select("hazard", "shrunk", "exposure", "low").null_count().row(0) == (few.height,) * 4
    assert inside["events"].null_count() == 0
    small = inside["events"] < FEWEST
    assert (inside.filter(small)["note"] == SMALL).all()
    assert simulated.height > inside.height  # it knows risk classes, and children to whom nothing had happened
    assert (pl.read_csv(base / "observed" / CURVES_FILE).filter(pl.col("week") > 0)["events"] >= FEWEST).all()
    assert "--inside" in said["observed"]
    assert INSIDE in said["inside"]
    assert SIMULATED in said["simulated"]


def test_the_page_says_what_it_is_and_needs_nothing_else(made):
    base, _ = made
    for name, banner in (("simulated", SIMULATED), ("observed", SHOWN), ("inside", INSIDE)):
        page = (base / name / PAGE).read_text("utf-8")
        assert f"<strong>{banner}</strong>" in page
        assert page.count("<svg") == page.count("<table") == len(CURVES)
        assert not re.search(r"<script|<link|<img|src=|url\(|@import|https?://(?!www\.w3\.org/2000/svg)", page)
        assert "default-src 'none'" in page
        assert page.count("<title") == page.count("aria-labelledby") + 1
        ids = re.findall(r' id="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        for used in re.findall(r'aria-labelledby="([^"]+)"', page):
            assert set(used.split()) <= set(ids)
        for cell in re.findall(r'<div class="scroll"[^>]*>', page):
            assert 'tabindex="0"' in cell


def test_a_table_with_hidden_numbers_does_not_say_that_nobody_left():
    """Nine of twenty left within half a year and are hidden: not 'all are still there, and that is certain'."""
    rows = [("in_care", STILL, 0, 1.0, 1.0, 1.0, 20, 0), ("in_care", STILL, 38, 0.56, 0.35, 0.73, 20, 10),
            ("in_care", STILL, 72, 0.26, 0.13, 0.43, 10, 10), ("in_care", "went home", 0, 0.0, 0.0, 0.0, 20, 0),
            ("in_care", "went home", 60, 0.4, 0.2, 0.5, 10, 10)]  # fmt: skip
    frame = pl.DataFrame(rows, CURVE_COLUMNS[:8], orient="row")
    told = curves_page(frame, "Stays", SHOWN, [], nothing_yet="under 10 children", hidden=True)
    assert "(100.0%" not in told
    assert told.count("between 56.0% and 100.0%") == 5
    assert told.count("between 26.0% and 56.0%") == 2
    assert told.count("26.0% (13.0% to 43.0%)") == 1
    assert told.count("at least 40.0%") == 1
    open_ = curves_page(frame, "Stays", INSIDE, [])
    assert open_.count("100.0% (100.0% to 100.0%)") == 5
    assert "between" not in open_


def test_the_book_is_one_that_a_fit_can_read(made):
    base, _ = made
    for name in ("simulated", "inside"):
        book = read_rates(JOURNEY, base / name / BOOK)
        assert book.rates().shape == read_rates(JOURNEY).rates().shape
        assert any(v.status == "derived" and "Toyshire" in v.source for v in book.values)


def test_a_fit_starts_from_the_book_and_refuses_a_folder_without_one(made, tmp_path, monkeypatch):
    base, _ = made
    given = []

    def stop(*_a, book, **_k):
        given.append(book)
        raise CareError("Enough for this test")

    monkeypatch.setattr(fitting, "fit_area", stop)
    words = ["calibrate", "Blackpool", "--point", "--to", str(tmp_path / "fit"), "--rates"]
    assert "Enough for this test" in CliRunner().invoke(app, [*words, str(base / "inside")]).stderr
    expected = read_rates(JOURNEY, base / "inside" / BOOK)
    np.testing.assert_array_equal(given[0].rates(), expected.rates())
    for folder, told in ((base / "observed", "small numbers were hidden"), (tmp_path, "no readable 'estimate.json'")):
        found = CliRunner().invoke(app, [*words, str(folder)])
        assert found.exit_code == 2
        assert told in found.stderr
    found = CliRunner().invoke(app, ["calibrate", "Blackpool", "E06000004", "--rates", str(base / "inside")])
    assert found.exit_code == 2
    assert "one area" in found.stderr


def test_a_fit_from_own_rates_says_that_it_stays_inside(quick, statistics, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "fit", lambda *_a, **_k: quick)
    for name, book in (("plain", None), ("own", read_rates(JOURNEY))):
        fitting.calibrate(statistics, quick.fitted.area, tmp_path / name, 2025, 1, lambda *_: None, book=book)
        told = load_fit(tmp_path / name).statistics
        assert ("inside the authority" in told.get(fitting.OWN_RATES, "")) == (name == "own")
        assert told["sha256"] == quick.statistics["sha256"]


def test_the_same_log_gives_the_same_bytes_and_years_can_be_chosen(made, logs, tmp_path):
    base, _ = made
    assert estimate(logs["observed"], "--to", tmp_path / "again").exit_code == 0
    for file in (RATES, CURVES_FILE, PAGE, ABOUT):
        assert (tmp_path / "again" / file).read_bytes() == (base / "observed" / file).read_bytes()
    assert estimate(logs["simulated"], "--to", tmp_path / "year", "--years", "2022").exit_code == 0
    assert read_signed(tmp_path / "year" / ABOUT, "")["weeks"] == [52, 104]
    year, whole = (pl.read_csv(folder / RATES)["events"].sum() for folder in (tmp_path / "year", base / "simulated"))
    assert 0.2 * whole < year < 0.5 * whole
    # A book of an earlier time does not stay beside rates that hide small numbers.
    assert estimate(logs["observed"], "--to", tmp_path / "year").exit_code == 0
    assert not (tmp_path / "year" / BOOK).exists()


def test_what_cannot_be_done_is_refused_in_a_sentence(logs, tmp_path):
    log = logs["observed"]
    assert "no span" in refused(log, "--to", tmp_path / "x", "--years", "lately")
    assert "2021 to 2023" in refused(log, "--to", tmp_path / "x", "--years", "2020-2022")
    assert "among the files of the log" in refused(log, "--to", log)
    assert "manifest.json" in refused(tmp_path, "--to", tmp_path / "x")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    assert "letter.txt" in refused(log, "--to", tmp_path / "mine")
    assert "a file, not a folder" in refused(log, "--to", tmp_path / "mine" / "letter.txt")
    assert not (tmp_path / "x").exists()


def test_a_damaged_log_is_refused(tmp_path):
    log = write_log(tmp_path / "log", observed=True)
    plain = (log / "events.parquet").read_bytes()
    (log / "events.parquet").write_bytes(plain[:-9] + bytes([plain[-9] ^ 1]) + plain[-8:])
    assert "not as it was written" in refused(log, "--to", tmp_path / "x")
    children = pl.read_parquet(log / "children.parquet")
    for frame, words in (
        (children.drop("seen_from"), "'seen_from' is missing"),
        (children.head(50), "An event has no child"),
        (children.with_columns(history=pl.lit(7, pl.UInt8)), "'history' is not between 0 and 2"),
        (children.with_columns(history=pl.lit("none")), "'history' holds something else than whole numbers"),
    ):
        (log / "events.parquet").write_bytes(plain)
        frame.write_parquet(log / "children.parquet")
        told = read_signed(log / "manifest.json", "")
        told = {k: v for k, v in told.items() if k != "sha256"}
        told["files"] = {name: sha256_of(log / name) for name in told["files"]}
        (log / "manifest.json").write_text(signed(told), "utf-8")
        assert words in refused(log, "--to", tmp_path / "x")
    (log / "manifest.json").write_text("{}", "utf-8")
    assert "damaged" in refused(log, "--to", tmp_path / "x")
