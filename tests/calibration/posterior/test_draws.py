"""Draws and their files: parameters, thinning, whole on disk, refused when changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from abm.errors import CareError
from abm.journey import JOURNEY
from calibration.levers import LEVERS
from calibration.posterior.draws import DRAWS, TABLE, AreaDraws, load_draws, save_draws
from calibration.posterior.forms import FORMS
from tests.calibration.areas import BLACKPOOL, fitted
from tests.calibration.posterior.small import QUICK


def some(n=4, **more):
    fit, luck = fitted(BLACKPOOL, QUICK), np.random.default_rng(1)
    logs = 0.1 * luck.standard_normal((n, fit.scenario.n_years, len(LEVERS)))
    levels = 0.1 * luck.standard_normal((n, len(FORMS)))
    weights = np.arange(1.0, n + 1)
    return AreaDraws(fit, logs, levels, weights / weights.sum(), 7, {"made": 1.5}, **more)


def test_parameters_of_a_draw_are_its_factors_and_forms():
    draws = some()
    found = draws.parameters(2)
    edge = JOURNEY.transition_index["came_into_care"]
    column = [lever.key for lever in LEVERS].index("into_care")
    assert found.multipliers[:, edge] == pytest.approx(np.exp(draws.logs[2, :, column]))
    assert (found.rates != draws.fitted.book.rates()).any()
    plain = replace(draws, levels=np.zeros_like(draws.levels)).parameters(2)
    assert (plain.rates == draws.fitted.book.rates()).all()


def test_taking_some_follows_the_weights():
    draws = some()
    taken = draws.taken(10)
    assert taken.weights == pytest.approx(np.full(10, 0.1))
    which = [int(np.flatnonzero((draws.logs == log).all(axis=(1, 2)))[0]) for log in taken.logs]
    assert np.bincount(which).tolist() == [1, 2, 3, 4]


def test_years_ahead_can_be_replaced_and_fitted_years_stay():
    draws = some()
    n = draws.n_fitted
    ahead = np.ones((len(draws), draws.logs.shape[1] - n, len(LEVERS)))
    other = draws.going_on(ahead)
    assert (other.logs[:, :n] == draws.logs[:, :n]).all()
    assert (other.logs[:, n:] == 1).all()
    assert draws.mean_logs.shape == draws.logs.shape[1:]


def test_they_come_back_from_disk_to_the_last_bit(tmp_path):
    draws = some()
    save_draws(draws, tmp_path)
    again = load_draws(tmp_path, draws.fitted)
    for name in ("logs", "levels", "weights"):
        assert (getattr(again, name) == getattr(draws, name)).all()
    assert (again.seed, dict(again.made)) == (7, {"made": 1.5})
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("name", [DRAWS, TABLE])
@pytest.mark.parametrize("how", ["flip", "cut", "gone"])
def test_a_changed_file_is_refused(tmp_path, name, how):
    draws = some()
    save_draws(draws, tmp_path)
    path = tmp_path / name
    whole = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        whole[len(whole) // 2] ^= 1
        path.write_bytes(whole)
    with pytest.raises(CareError):
        load_draws(tmp_path, draws.fitted)


def test_draws_of_another_fit_are_refused(tmp_path):
    draws = some()
    save_draws(draws, tmp_path)
    other = replace(draws.fitted, correction=draws.fitted.correction * 1.01)
    with pytest.raises(CareError, match="another fit"):
        load_draws(tmp_path, other)


def test_the_table_can_be_read_by_others(tmp_path):
    draws = some()
    save_draws(draws, tmp_path)
    table = pl.read_parquet(tmp_path / TABLE)
    assert table.columns[:3] == ["draw", "year", "weight"]
    assert {lever.key for lever in LEVERS} | {f"form_{form.key}" for form in FORMS} <= set(table.columns)
    row = table.filter((pl.col("draw") == 3) & (pl.col("year") == draws.first_year + 1))
    assert row["referral"].item() == draws.logs[3, 1, 0]


@pytest.mark.parametrize("change", ["shape", "nan", "weights"])
def test_draws_that_are_none_are_refused(change):
    draws = some()
    changes = {
        "shape": {"logs": draws.logs[:, :-1]},
        "nan": {"levels": draws.levels * np.nan},
        "weights": {"weights": draws.weights * 2},
    }
    with pytest.raises(CareError, match="E06000009"):
        replace(draws, **changes[change])
