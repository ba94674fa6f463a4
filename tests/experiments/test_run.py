"""Many runs of one area: the same for any number of workers, whole in the tables, and repeatable from the fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from abm.errors import CareError
from abm.journey import JOURNEY
from abm.outputs import evaluate, output_named
from abm.pathway import WEEKS_PER_YEAR
from calibration.fitted import SavedFit
from experiments.compare.report import _arrays
from experiments.run import EVER_REFERRED, OPEN_AT_31_MARCH, OPEN_STATES, Simulated, shortened, simulate_area
from experiments.run_folder import factors_ahead, manifest_facts, runs_table, same_run
from experiments.weekly import ELSEWHERE, system_frame, weekly_columns
from tests.experiments.conftest import SAMPLE


def test_workers_change_nothing(quick: SavedFit, simulated: Simulated, system_lines: dict[str, Any]) -> None:
    alone = simulate_area(quick.fitted, range(5, 8), workers=1)
    assert alone.digests == simulated.digests
    assert len(set(alone.digests)) == 3
    assert runs_table(alone, system_lines).equals(runs_table(simulated, system_lines))
    assert alone.weekly.collect().equals(simulated.weekly.collect())
    assert alone.first.events.equals(simulated.first.events)
    assert manifest_facts(quick, alone) == manifest_facts(quick, simulated)


def test_the_first_run_is_that_of_the_first_seed(simulated: Simulated) -> None:
    assert simulated.seeds == (5, 6, 7)
    assert simulated.first.seed == 5
    assert simulated.first.digest == simulated.digests[0]
    simulated.first.check()


def test_progress_is_told(quick: SavedFit) -> None:
    told: list[tuple[int, int]] = []
    simulate_area(shortened(quick.fitted, 2021), range(2), progress=lambda done, n: told.append((done, n)))
    assert told == [(1, 2), (2, 2)]


def test_no_seeds_no_runs(quick: SavedFit) -> None:
    with pytest.raises(CareError, match="no run to simulate"):
        simulate_area(quick.fitted, range(0))


def test_every_figure_of_every_run_is_in_the_table(simulated: Simulated, system_lines: dict[str, Any]) -> None:
    table = runs_table(simulated, system_lines)
    assert table.columns == ["series", "run", "figure", "year", "value"]
    assert table["value"].is_finite().all()
    runs, careers = _arrays(table.filter(pl.col("series") == "abm"), list(simulated.seeds), simulated.scenario_years)
    for figure, values in simulated.figures.items():
        assert np.array_equal(runs[figure], values, equal_nan=True), figure
    for measure, values in simulated.careers.items():
        assert np.array_equal(careers[measure], values), measure
    system, _ = _arrays(table.filter(pl.col("series") == "sd"), [0], simulated.scenario_years)
    assert np.array_equal(system["referrals"][0], system_lines["referrals"])


def test_stocks_follow_from_flows(quick: SavedFit, simulated: Simulated) -> None:
    n_weeks = simulated.first.scenario.n_weeks
    system = system_frame(quick.system, n_weeks, JOURNEY)
    table = simulated.weekly.collect()
    assert table.columns == ["run", *system.columns]
    for mine in (table.filter(pl.col("run") == 6), system):
        assert mine["week"].to_list() == list(range(n_weeks))
        change = np.zeros(n_weeks)
        tables = JOURNEY.tables
        for edge in range(tables.n_edges):
            source = JOURNEY.states[tables.source[edge]].key
            target = JOURNEY.states[tables.target[edge]].key
            if "foster" in (source, target) and source != target:
                flow = mine[f"{JOURNEY.transitions[tables.transition[edge]].key}/{source}"].to_numpy()
                change += flow if target == "foster" else -1.0 * flow
        assert np.allclose(np.diff(mine["foster"].to_numpy()), change[1:], atol=1e-6)


def test_stocks_are_of_the_whole_area_and_of_children_in_it(simulated: Simulated) -> None:
    table = simulated.weekly.collect()
    stocks, flows = weekly_columns(JOURNEY)
    assert ELSEWHERE not in stocks
    assert {"foster", "protected"} < set(stocks)
    assert "was_referred/at_home" in flows
    assert len({"run", "week", *stocks, *flows}) == 2 + JOURNEY.tables.n_states - 1 + JOURNEY.tables.n_edges
    assert table.height == 3 * simulated.first.scenario.n_weeks
    assert table["foster"].dtype == pl.Int32
    home = table.filter((pl.col("run") == 5) & (pl.col("week") == 0))["at_home"].item()
    assert home == simulated.first.stocks[0, JOURNEY.state_index["at_home"]] * SAMPLE
    assert 20_000 < home < 30_000


def test_children_open_at_31_march(simulated: Simulated) -> None:
    run = simulated.first
    states = [JOURNEY.state_index[state] for state in OPEN_STATES]
    ends = run.stocks[WEEKS_PER_YEAR - 1 :: WEEKS_PER_YEAR][:, states].sum(axis=1)
    assert simulated.figures[OPEN_AT_31_MARCH][0].tolist() == (ends * SAMPLE).tolist()
    care = evaluate(output_named("cla_at_31_march"), JOURNEY, run.stocks.astype(float), run.flows.astype(float))
    assert (ends > care).all()


def test_a_shorter_run(quick: SavedFit) -> None:
    short = simulate_area(shortened(quick.fitted, 2026), [5])
    assert short.scenario_years == tuple(range(2021, 2027))
    assert short.weekly.collect().height == 6 * WEEKS_PER_YEAR
    assert np.isfinite(short.careers[EVER_REFERRED]).all()
    with pytest.raises(CareError, match="reaches to 31 March 2030, not to 2031"):
        shortened(quick.fitted, 2031)


def test_the_run_of_the_results_comes_out_again(quick: SavedFit, simulated: Simulated) -> None:
    manifest = manifest_facts(quick, simulated)
    assert same_run(quick, manifest).digest == simulated.digests[0]
    manifest["digests"]["5"] = "0" * 64
    with pytest.raises(CareError, match="seed 5 comes out differently"):
        same_run(quick, manifest)


def test_another_fit_is_noticed(quick: SavedFit, simulated: Simulated) -> None:
    multipliers = quick.fitted.parameters.multipliers * 1.01
    parameters = replace(quick.fitted.parameters, multipliers=multipliers)
    other = replace(quick, fitted=replace(quick.fitted, parameters=parameters))
    with pytest.raises(CareError, match="comes out differently"):
        same_run(other, manifest_facts(quick, simulated))


@pytest.mark.parametrize(("fitted_to", "said"), [(2025, "of 2024 and 2025"), (2022, "of 2021 and 2022")])
def test_how_factors_are_carried_ahead_is_told(quick: SavedFit, fitted_to: int, said: str) -> None:
    assert said in factors_ahead(replace(quick.fitted, fitted_to=fitted_to))
