"""The further tables of the report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abm.careers import RETURN_WEEKS
from abm.outputs import OUTPUTS
from calibration.fitted import SavedFit
from calibration.levers import LEVERS
from calibration.statistics import ENGLAND
from experiments.compare.tables import (
    beside_table,
    careers_table,
    children_in_need_table,
    counts_table,
    factors_table,
    left_out_table,
    told_apart,
)
from experiments.run import EVER_REFERRED, OPEN_AT_31_MARCH, RETURNS_SEEN, Simulated


def careers(**changes: Any) -> dict[str, Any]:
    return {
        "back_in_care, 3 months": np.array([10.0, 16.0]),
        "back_in_care, 1 year": np.array([20.0, 20.0]),
        "back_in_care, 6 years": np.array([30.0, 30.0]),
        RETURNS_SEEN: np.array([30.0, 10.0]),
        EVER_REFERRED: np.array([36.0, 36.8]),
    } | changes


def test_careers_beside_research() -> None:
    rows = careers_table(careers(), ENGLAND).rows(named=True)
    # Runs count by the returns they saw: (30 x 10 + 10 x 16) / 40.
    assert [row["simulated_percent"] for row in rows] == [11.5, 20, 30, 36.4]
    assert [row["research_percent"] for row in rows] == [12, 20, 35, 35.4]
    assert [row["held"] for row in rows] == ["yes", "yes", "no", "yes"]
    assert [row["source"] for row in rows] == ["Goldacre et al. 2022", "Goldacre, Hood et al. 2022",
                                               "Goldacre, Hood et al. 2022", "Jay et al. 2025"]  # fmt: skip
    assert rows[0]["low"] < rows[0]["simulated_percent"] < rows[0]["high"]


def test_careers_are_not_required_of_an_authority() -> None:
    table = careers_table(careers(), "E06000009")
    assert set(table["held"]) == {"not required"}


def test_a_run_that_saw_nobody_come_home_does_not_count() -> None:
    table = careers_table(careers(**{RETURNS_SEEN: np.array([5.0, 0.0])}), ENGLAND)
    assert table["simulated_percent"][0] == pytest.approx(10)


def test_every_span_of_return_is_told(simulated: Simulated) -> None:
    assert {f"back_in_care, {span}" for span in RETURN_WEEKS} < set(simulated.careers)
    assert careers_table(simulated.careers, "E06000009").height == len(RETURN_WEEKS) + 1


def test_the_remainder_of_children_in_need_is_a_line_of_its_own() -> None:
    points = {"cin_at_31_march": {2021: 2000.0, 2026: 9.0}}
    runs = {OPEN_AT_31_MARCH: np.array([[1500.0] * 6, [1600.0] * 6, [1700.0] * 6])}
    table = children_in_need_table(tuple(range(2021, 2027)), points, runs, {OPEN_AT_31_MARCH: np.full(6, 1590.0)})
    (row,) = table.rows(named=True)
    assert row == {
        "year": 2021, "published": 2000.0, "abm_in_states": 1600.0, "sd_in_states": 1590.0, "remainder": 400.0,
        "remainder_percent": 20.0,
    }  # fmt: skip


def test_factors_and_what_is_carried_ahead(quick: SavedFit) -> None:
    logs = np.zeros((5, len(LEVERS)))
    logs[-2:, 0] = np.log(2), np.log(8)
    table = factors_table(logs, logs * 0, 2, 2021)
    assert table.height == 2 * len(LEVERS)
    first = table.row(0, named=True)
    assert first["series"] == "abm"
    assert (first["2021"], first["2024"], first["2025"], first["after 2025"]) == pytest.approx((1, 2, 8, 4))
    # The factor that is told is the one that is simulated.
    journey_years = quick.fitted.parameters.multipliers
    assert journey_years.shape[0] == 10
    assert np.allclose(journey_years[5:], journey_years[5])


@pytest.mark.parametrize(
    ("sd", "mean", "error", "said"),
    [
        (130.0, 100.0, 5.0, "they differ, by 30%"),
        (101.0, 100.0, 0.5, "at most 2% apart"),
        (100.0, 100.0, 4.0, "too few runs to tell"),
        (100.0, 100.0, float("nan"), "one run cannot tell"),
        (1.0, 0.0, 0.0, "nothing to compare"),
    ],
)
def test_no_difference_is_told_from_too_few_runs(sd: float, mean: float, error: float, said: str) -> None:
    assert told_apart(sd, mean, error) == said


def test_system_dynamics_beside_the_simulation(simulated: Simulated, system_lines: dict[str, Any]) -> None:
    table = beside_table(simulated.scenario_years, simulated.figures, system_lines, (2021, 2030, 2040))
    row = table.filter(table["figure"] == "referrals").row(0, named=True)
    values = simulated.figures["referrals"][:, 0]
    assert row["year"] == 2021
    assert row["abm_mean"] == pytest.approx(values.mean())
    assert row["monte_carlo_error"] == pytest.approx(values.std(ddof=1) / 3**0.5)
    assert row["sd_less_abm"] == pytest.approx(system_lines["referrals"][0] - values.mean())
    assert set(table["year"]) == {2021, 2030}
    one = {key: values[:1] for key, values in simulated.figures.items()}
    alone = beside_table(simulated.scenario_years, one, system_lines, (2021,))
    assert alone["monte_carlo_error"].null_count() == alone.height
    assert set(alone["what_it_says"]) == {"one run cannot tell"}


def test_what_is_counted_and_left_out() -> None:
    assert counts_table()["figure"].to_list() == [output.label for output in OUTPUTS if output.shown]
    assert left_out_table().columns == ["what", "system_dynamics", "agent-based_model"]
    assert left_out_table().null_count().sum_horizontal().item() == 0
    plain, all_on = left_out_table(), left_out_table(("families", "behaviours", "places", "clocks"))
    assert plain["what"].to_list() == all_on["what"].to_list()
    changed = (plain["agent-based_model"] != all_on["agent-based_model"]).sum()
    assert changed == 5
    assert not any("left out in this run" in cell for cell in all_on["agent-based_model"])
