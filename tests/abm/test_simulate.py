"""Whole runs of the declared journey: conservation, equal digests, options, files, the way without numba."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from abm.errors import CareError
from abm.events import check, check_chain, check_counts, check_grown_up
from abm.files import replacing
from abm.journey import JOURNEY
from abm.population import population_of
from abm.prepared import prepare
from abm.simulate import simulate, simulate_many
from tests.abm.toys import THREE, busy_parameters, empty_scenario, parameters_of, rates_of, small_area

AREA, BUSY = small_area(2_000), busy_parameters()


@pytest.fixture(scope="module")
def run():
    return simulate(AREA, BUSY, 20260401, JOURNEY)


def test_everything_that_must_hold_of_a_run_holds(run):
    run.check()
    assert run.events.height > 3000
    assert (run.stocks.sum(axis=1) == len(run.population)).all()
    never = {"elsewhere", "at_home", "entering_care", "referred"}
    visited = {JOURNEY.states[s].key for s in run.events["to_state"].unique()}
    assert visited | never == {state.key for state in JOURNEY.states}


def test_frames_have_the_agreed_columns(run):
    assert dict(run.events.schema) == {
        "child": pl.Int32, "week": pl.Int16, "step": pl.UInt8, "transition": pl.UInt8, "from_state": pl.UInt8,
        "to_state": pl.UInt8, "origin": pl.UInt8, "chance": pl.Float64, "draw": pl.Float64,
    }  # fmt: skip
    assert dict(run.children.schema) == {
        "child": pl.Int32, "family": pl.Int32, "birth_week": pl.Int32, "sex": pl.UInt8, "risk": pl.UInt8,
        "uasc": pl.Boolean, "enter_week": pl.Int32, "leave_week": pl.Int32, "state": pl.UInt8, "history": pl.UInt8,
        "since_week": pl.Int32,
    }  # fmt: skip
    assert run.events.select("week", "child", "step").rows() == sorted(
        run.events.select("week", "child", "step").rows()
    )
    assert (run.events["draw"] < run.events["chance"]).all()
    decided = run.events.filter(pl.col("origin") >= 2)
    assert decided["chance"].unique().to_list() == [1.0]
    assert decided["draw"].unique().to_list() == [0.0]


def test_one_seed_one_digest_in_any_division_into_spans(run):
    prepared = prepare(BUSY, JOURNEY)
    for span in (1, 13, 52):
        assert simulate(AREA, BUSY, 20260401, JOURNEY, span=span, prepared=prepared).digest == run.digest
    assert simulate(AREA, BUSY, 20260402, JOURNEY, prepared=prepared).digest != run.digest


def test_the_number_of_workers_changes_nothing(run):
    told = []
    one = [r.digest for r in simulate_many(AREA, BUSY, range(5), JOURNEY)]
    two = [
        r.digest
        for r in simulate_many(
            AREA, BUSY, range(5), JOURNEY, workers=2, progress=lambda done, n: told.append((done, n))
        )
    ]
    assert one == two
    assert len(set(one)) == 5
    assert told == [(n, 5) for n in range(1, 6)]


def test_a_run_can_be_left_before_its_end():
    runs = simulate_many(AREA, BUSY, range(8), JOURNEY, workers=2, log=False)
    assert next(runs).digest == ""
    runs.close()


def test_options_hold_what_happened_with_the_same_chance(run):
    options = run.options()
    taken = run.events.join(
        options, on=["child", "week", "step", "transition", "to_state"], how="inner", suffix="_open"
    )
    assert taken.height == run.events.height
    assert (taken["chance"] == taken["chance_open"]).all()
    assert (options["chance"] > 0).all()
    moment = options.group_by("child", "week", "step").len()
    assert moment.height == run.events.height
    decided = run.events.filter(pl.col("origin") >= 2).join(moment, on=["child", "week", "step"])
    assert decided["len"].unique().to_list() == [1]


def test_options_can_be_had_for_some_children(run):
    child = int(run.events["child"][50])
    mine = run.options([child])
    assert mine.equals(run.options().filter(pl.col("child") == child))
    assert run.options([]).height == 0
    with pytest.raises(CareError, match="no child 999999"):
        run.options([999_999])


def test_the_manifest_says_how_to_get_the_run_again(run):
    manifest = run.manifest
    assert manifest["digest"] == run.digest
    assert manifest["seed"] == 20260401
    assert manifest["children"] == len(run.population)


def test_a_sample_has_fewer_children():
    few = simulate(replace(AREA, sample=10), BUSY, 1, JOURNEY)
    assert len(few.population) == pytest.approx(len(simulate(AREA, BUSY, 1, JOURNEY).population) / 10, rel=0.02)


def test_wrong_runs_are_told():
    with pytest.raises(CareError, match="seed -1"):
        simulate(AREA, BUSY, -1, JOURNEY)
    with pytest.raises(CareError, match="40000 weeks"):
        simulate(small_area(10, 40_000), BUSY, 1, JOURNEY)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"state": [1, 99]}, "Child 1 is in a state that is not declared"),
        ({"state": [1, 2]}, "Child 1 is on day one in a state that is left at once"),
        ({"since_week": [-1, 0]}, "Child 1 has a clock that begins after day one"),
        ({"history": [0, 3]}, "Child 1 has a history"),
        ({"risk": [0, 4]}, "Child 1 has a risk class"),
        ({"enter_week": [0, 3]}, "Child 1 is on day one but enters later"),
        ({"enter_edge": [-1, 0], "state": [1, 1]}, "Child 1 enters from another state"),
    ],
)
def test_children_who_cannot_be_simulated_are_told(columns, message):
    people = population_of(**{"state": 1, "birth_week": -9, **columns})
    with pytest.raises(CareError, match=message):
        simulate(empty_scenario(3), parameters_of(THREE, rates_of(THREE, help_began=1.0)), 1, THREE, population=people)


def tampered(run, row, **changes):
    rows = run.rows
    for name, value in changes.items():
        column = getattr(rows, name).copy()
        column[row] = value
        rows = rows._replace(**{name: column})
    return rows


def test_checks_find_what_is_wrong_and_say_where(run):
    row = int(np.flatnonzero(run.rows.step == 1)[7])
    child, week = int(run.rows.child[row]), int(run.rows.week[row])
    where = rf"child {child} in week {week}\b"
    other = (int(run.rows.edge[row]) + 40) % len(JOURNEY.tables.transition)
    with pytest.raises(CareError, match=f"does not begin in the state.*{where}"):
        check_chain(JOURNEY, tampered(run, row, edge=other), run.population)
    with pytest.raises(CareError, match=f"out of order.*{where}"):
        check_chain(JOURNEY, tampered(run, row, step=3), run.population)
    with pytest.raises(CareError, match=rf"Flow .*week {week}\b"):
        check_counts(tampered(run, row, edge=other), run.flows)
    short = type(run.rows)(*(np.delete(column, row) for column in run.rows))
    with pytest.raises(CareError):
        check_chain(JOURNEY, short, run.population)
    birthdays = np.flatnonzero(run.events["origin"].to_numpy() == 2)
    child, week = int(run.rows.child[birthdays[0]]), int(run.rows.week[birthdays[0]])
    short = type(run.rows)(*(np.delete(column, birthdays[0]) for column in run.rows))
    with pytest.raises(CareError, match=rf"still counted as a child: child {child} in week {week}\b"):
        check_grown_up(JOURNEY, short, run.population, AREA.n_weeks)
    stocks = run.stocks.copy()
    stocks[9, 1] += 1
    with pytest.raises(CareError, match=r"stock of 'at_home' .* week 9\b"):
        check(JOURNEY, run.rows, run.population, stocks, run.flows)


def test_files_are_written_whole_or_not_at_all(run, tmp_path):
    path = tmp_path / "deep" / "events.parquet"
    run.write_events(path)
    run.write_children(path.with_name("children.parquet"))
    assert pl.read_parquet(path).equals(run.events)
    assert pl.read_parquet(path.with_name("children.parquet")).equals(run.children)

    def half() -> None:
        with replacing(path) as name:
            name.write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        half()
    assert pl.read_parquet(path).equals(run.events)
    assert sorted(p.name for p in path.parent.iterdir()) == ["children.parquet", "events.parquet"]


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None
import abm.draws
from abm.journey import JOURNEY
from abm.simulate import simulate
from tests.abm.toys import busy_parameters, small_area
assert not abm.compiled.HAS_NUMBA
run = simulate(small_area(60, 60), busy_parameters(), 5, JOURNEY)
run.check()
print(run.digest, run.options().height)
"""


def test_without_numba_the_result_is_the_same_and_it_is_said(run):
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_NUMBA],
        capture_output=True, text=True, check=False, cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    compiled = simulate(small_area(60, 60), BUSY, 5, JOURNEY)
    assert done.stdout.split() == [compiled.digest, str(compiled.options().height)]
    assert done.stderr.count("numba cannot be loaded") == 1
