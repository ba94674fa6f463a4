"""The whole, with nothing replaced: Blackpool from its published figures to both pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from abm.journey import JOURNEY
from calibration.fitted import load_fit
from experiments import results
from experiments.compare.frames import MEAN, REQUIRED
from experiments.compare.report import read_comparison
from experiments.report.payload import TEMPLATES
from experiments.run_folder import same_run

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder and the screen of a demonstration with two runs."""
    folder = tmp_path_factory.mktemp("demo") / "results"
    command = [sys.executable, "-m", "experiments.cli", "demo", "--runs", "2", "--to", str(folder)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert ended.returncode == 0, ended.stderr
    return folder, ended.stdout


def test_the_files_and_the_screen(demo: tuple[Path, str]) -> None:
    folder, screen = demo
    manifest = results.read_manifest(folder)
    built = {page for page in (results.REPORT, results.JOURNEYS) if (TEMPLATES / page).is_file()}
    wanted = {results.EVENTS, results.CHILDREN, results.STOCKS} | built
    assert wanted <= set(manifest["files"])
    for name in manifest["files"]:
        results.checked(folder, manifest, name)
    assert all(str(folder / page) in screen for page in built)
    for words in ("Looked after at 31 March", "Lowest and highest", "2021", "2025", "2030", "not a real child"):
        assert words in screen


def test_what_must_be_held_is_held(demo: tuple[Path, str]) -> None:
    residuals = read_comparison(demo[0]).residuals
    means = residuals.filter((pl.col("year") == MEAN) & pl.col("required"))
    assert set(means["figure"]) == set(REQUIRED)
    missed = means.filter(~pl.col("held")).select("label", "sd_residual", "abm_residual")
    assert missed.height == 0, missed


def test_the_run_is_consistent_and_comes_out_again(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    manifest = results.read_manifest(folder)
    run = same_run(load_fit(folder), manifest)
    run.check()
    assert pl.read_parquet(folder / results.EVENTS).equals(run.events)
    assert pl.read_parquet(folder / results.CHILDREN).equals(run.children)


def test_the_stocks_are_those_of_the_log(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    stocks = pl.read_parquet(folder / results.STOCKS)
    events = pl.read_parquet(folder / results.EVENTS)
    foster = JOURNEY.state_index["foster"]
    first = pl.read_parquet(folder / results.CHILDREN).filter(pl.col("state") == foster).height
    change = events.select(
        pl.col("week"),
        step=(pl.col("to_state") == foster).cast(pl.Int64) - (pl.col("from_state") == foster).cast(pl.Int64),
    )
    byweek = change.group_by("week").agg(pl.col("step").sum()).sort("week")
    counted = np.zeros(520)
    counted[byweek["week"].to_numpy()] = byweek["step"].to_numpy()
    mine = stocks.filter(pl.col("run") == 1).sort("week")["foster"]
    assert np.array_equal(mine.to_numpy(), first + np.cumsum(counted))


def test_day_one_makes_no_jump(demo: tuple[Path, str]) -> None:
    """The stocks of the first year lie between those published before and after it, or near them."""
    comparison = read_comparison(demo[0])
    published = {(t.figure, t.year): t.value for t in comparison.fit.fitted.targets}
    for figure in ("cla_at_31_march", "cpp_at_31_march"):
        first = float(np.median(comparison.runs[figure][:, 0]))
        around = [published[figure, 2020], published[figure, 2021]]
        assert min(around) * 0.9 <= first <= max(around) * 1.1, figure
