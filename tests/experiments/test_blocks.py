"""Finished runs on disk: found again to the last bit, done again when damaged or of anything else."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import abm
from abm.errors import CareError
from calibration.fit import Fitted
from calibration.fitted import SavedFit
from experiments import blocks, mechanisms, run
from experiments.blocks import divided
from experiments.run import Simulated, shortened, simulate_area
from experiments.run_folder import write_run

SEEDS = range(3, 8)


@pytest.fixture(scope="module")
def small(quick: SavedFit) -> Fitted:
    """A hundredth of Blackpool for two years."""
    fitted = shortened(quick.fitted, 2022)
    return replace(fitted, scenario=replace(fitted.scenario, sample=100))


@pytest.fixture(scope="module", autouse=True)
def prepared_once() -> Iterator[None]:
    """Prepare each fit once for all tests: it takes longer than these runs."""
    prepare, known = mechanisms.prepare, []

    def remembered(parameters: Any, journey: Any, *_places: Any) -> Any:
        for of, prepared in known:
            if of is parameters:
                return prepared
        known.append((parameters, prepare(parameters, journey)))
        return known[-1][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mechanisms, "prepare", remembered)
        yield


@pytest.fixture
def simulated_seeds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Blocks of two runs, and the seeds that are simulated from here on."""
    monkeypatch.setattr(blocks, "MOST_RUNS", 2)
    seeds: list[int] = []
    simulate = run.simulate

    def noted(scenario: Any, parameters: Any, seed: int, *rest: Any, **named: Any) -> Any:
        seeds.append(seed)
        return simulate(scenario, parameters, seed, *rest, **named)

    monkeypatch.setattr(run, "simulate", noted)
    return seeds


def same(one: Simulated, other: Simulated) -> bool:
    return (
        one.digests == other.digests
        and one.seeds == other.seeds
        and one.first.events.equals(other.first.events)
        and one.weekly.collect().equals(other.weekly.collect())
        and list(one.figures) == list(other.figures)
        and all(np.array_equal(one.figures[key], other.figures[key], equal_nan=True) for key in one.figures)
        and all(np.array_equal(one.careers[key], other.careers[key], equal_nan=True) for key in one.careers)
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_blocks_change_nothing(small: Fitted, tmp_path: Path, simulated_seeds: list[int], workers: int) -> None:
    plain = simulate_area(small, SEEDS, workers=3 - workers)
    folder = tmp_path / "new" / "blocks"
    assert same(simulate_area(small, SEEDS, workers=workers, blocks=folder), plain)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"runs-0000{n}.{ending}" for n in range(3) for ending in ("json", "parquet")
    )
    simulated_seeds.clear()
    told: list[tuple[int, int]] = []
    again = simulate_area(small, SEEDS, blocks=folder, progress=lambda *done: told.append(done))
    assert same(again, plain)
    # Only the first run is made once more, for its log.
    assert simulated_seeds == [3]
    assert told == [(5, 5)]


def test_what_was_cut_off_goes_on(small: Fitted, tmp_path: Path, simulated_seeds: list[int]) -> None:
    plain = simulate_area(small, SEEDS)
    simulated_seeds.clear()

    def stop(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_area(small, SEEDS, blocks=tmp_path, progress=stop)
    assert simulated_seeds == [3, 4, 5]
    # What a killed process leaves of a block that it was writing is not looked at.
    (tmp_path / ".runs-00001.parquet.99.part").write_bytes(b"half")
    (tmp_path / "runs-00001.parquet").write_bytes(b"whole, but without its figures")
    simulated_seeds.clear()
    told: list[tuple[int, int]] = []
    on = simulate_area(small, SEEDS, blocks=tmp_path, progress=lambda *done: told.append(done))
    assert same(on, plain)
    assert simulated_seeds == [3, 5, 6, 7]
    assert told == [(2, 5), (3, 5), (4, 5), (5, 5)]


def test_more_runs_use_the_blocks_that_are_whole(small: Fitted, tmp_path: Path, simulated_seeds: list[int]) -> None:
    simulate_area(small, range(5), blocks=tmp_path)
    simulated_seeds.clear()
    more = simulate_area(small, range(6), blocks=tmp_path)
    assert simulated_seeds == [0, 4, 5]
    assert same(more, simulate_area(small, range(6)))


def one_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize("harm", [one_byte, cut_short, Path.unlink])
@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_a_damaged_block_is_done_again(
    small: Fitted, tmp_path: Path, simulated_seeds: list[int], harm: Callable[[Path], None], ending: str
) -> None:
    plain = simulate_area(small, SEEDS, blocks=tmp_path)
    whole = plain.weekly.collect()
    harm(tmp_path / f"runs-00001.{ending}")
    simulated_seeds.clear()
    again = simulate_area(small, SEEDS, blocks=tmp_path)
    assert simulated_seeds == [3, 5, 6]
    assert again.digests == plain.digests
    assert again.weekly.collect().equals(whole)


def other_chances(fitted: Fitted) -> Fitted:
    return replace(fitted, parameters=replace(fitted.parameters, multipliers=fitted.parameters.multipliers * 1.01))


def other_children(fitted: Fitted) -> Fitted:
    plan = replace(fitted.scenario.plan, births=fitted.scenario.plan.births * 1.1)
    return replace(fitted, scenario=replace(fitted.scenario, plan=plan))


def other_years(fitted: Fitted) -> Fitted:
    return replace(fitted, scenario=replace(fitted.scenario, n_weeks=52))


@pytest.mark.parametrize("change", [other_chances, other_children, other_years])
def test_blocks_of_another_scenario_are_done_again(
    small: Fitted, tmp_path: Path, simulated_seeds: list[int], change: Callable[[Fitted], Fitted]
) -> None:
    simulate_area(small, SEEDS, blocks=tmp_path)
    simulated_seeds.clear()
    changed = change(small)
    other = simulate_area(changed, SEEDS, blocks=tmp_path)
    assert simulated_seeds == list(SEEDS)
    assert same(other, simulate_area(changed, SEEDS))


def test_blocks_of_another_version_or_seeds_are_done_again(
    small: Fitted, tmp_path: Path, simulated_seeds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate_area(small, SEEDS, blocks=tmp_path)
    simulated_seeds.clear()
    simulate_area(small, range(4, 9), blocks=tmp_path)
    assert simulated_seeds == [4, 5, 6, 7, 8]
    simulated_seeds.clear()
    monkeypatch.setattr(abm, "__version__", "0.0.0")
    simulate_area(small, range(4, 9), blocks=tmp_path)
    assert simulated_seeds == [4, 5, 6, 7, 8]


def test_blocks_whose_first_run_comes_out_differently_are_done_again(
    small: Fitted, tmp_path: Path, simulated_seeds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a program that was changed and calls itself the same."""
    monkeypatch.setattr(blocks, "mark_of", lambda *_: "always the same")
    simulate_area(small, SEEDS, blocks=tmp_path)
    simulated_seeds.clear()
    changed = other_chances(small)
    other = simulate_area(changed, SEEDS, blocks=tmp_path)
    assert simulated_seeds == [3, *SEEDS]
    assert same(other, simulate_area(changed, SEEDS))


def test_a_folder_that_cannot_be_written_is_told(small: Fitted, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CareError, match="cannot be written"):
        simulate_area(small, range(1), blocks=tmp_path / "file" / "blocks")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_division_depends_on_the_area_alone(small: Fitted) -> None:
    parts = divided(range(45), small.scenario)
    assert [len(part) for part in parts] == [20, 20, 5]
    assert [seed for part in parts for seed in part] == list(range(45))
    assert divided(range(50), small.scenario)[:2] == parts[:2]
    plan = small.scenario.plan
    england = replace(small.scenario, sample=1, plan=replace(plan, ages=plan.ages * 400))
    assert [len(part) for part in divided(range(3), england)] == [1, 1, 1]


def test_the_table_of_all_runs_is_the_same_from_files_and_from_memory(
    quick: SavedFit, small: Fitted, tmp_path: Path, simulated_seeds: list[int]
) -> None:
    made = []
    for name, folder in (("memory", None), ("files", tmp_path / "blocks")):
        (tmp_path / name).mkdir()
        write_run(tmp_path / name, quick, simulate_area(small, SEEDS, blocks=folder))
        made.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert made[0] == made[1]
    table = pl.read_parquet(tmp_path / "files" / "stocks.parquet")
    assert table["run"].unique(maintain_order=True).to_list() == list(SEEDS)


def test_what_is_kept_does_not_grow_with_the_runs(
    small: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen runs hold little more than four: figures, not weeks and logs."""
    monkeypatch.setattr(blocks, "MOST_RUNS", 4)
    simulate_area(small, range(1))
    held = []
    for n_runs in (4, 16):
        tracemalloc.start()
        simulated = simulate_area(small, range(n_runs), blocks=tmp_path / str(n_runs))
        held.append(tracemalloc.get_traced_memory())
        tracemalloc.stop()
        assert len(simulated.digests) == n_runs
    weeks = 4 * 12 * len(simulated.weekly.collect_schema()) * small.scenario.n_weeks
    assert held[1][0] - held[0][0] < weeks / 4
    assert held[1][1] - held[0][1] < weeks / 2
