"""The Markov model: conservation, closed forms, and how it is made from published cells."""

import numpy as np
import pytest

from calibration.backtest import markov
from calibration.backtest.markov import AGES, N_HOMES, Markov
from calibration.statistics import read_statistics

N = len(AGES)
RNG = np.random.default_rng(1)


def toy(leaving=0.0, entries=0.0):
    stock = np.zeros((N, N_HOMES))
    stock[3] = 25.0
    return Markov(stock, np.full((N, N_HOMES), entries), np.full((N, N_HOMES), leaving), np.zeros((N_HOMES, N_HOMES)))


def test_children_who_neither_leave_nor_come_only_grow_older():
    stocks, started, ceased = toy().years(3)
    assert stocks.sum(axis=(1, 2)) == pytest.approx([100, 100, 100])
    assert started == pytest.approx(0)
    assert ceased == pytest.approx(0)
    # Those of 10 to 15 become 16 at 1/6 a year, compounded by the day.
    assert stocks[0, 3].sum() == pytest.approx(100 * (1 - 1 / 6 / 365) ** 365)


def test_an_even_chance_to_leave_is_exponential():
    stocks, _, ceased = toy(leaving=0.4).years(2)
    assert stocks.sum(axis=(1, 2)) == pytest.approx(100 * np.exp([-0.4, -0.8]), rel=1e-3)
    assert ceased.sum() == pytest.approx(100 - stocks[-1].sum())


def test_what_comes_less_what_leaves_is_the_change_and_moves_change_homes_only():
    size = (N, N_HOMES)
    stock, entries, leaving = RNG.uniform(5, 50, size), RNG.uniform(1, 9, size), RNG.uniform(0.1, 0.9, size)
    still = Markov(stock, entries, leaving, np.zeros((N_HOMES, N_HOMES)))
    stocks, started, ceased = still.years(3)
    before = np.r_[still.stock.sum(), stocks.sum(axis=(1, 2))[:-1]]
    assert stocks.sum(axis=(1, 2)) == pytest.approx(before + started - ceased)
    even = np.repeat(np.full((N, 1), 0.3), N_HOMES, axis=1)
    moving = Markov(still.stock, still.entries, even, RNG.uniform(0, 0.5, (N_HOMES, N_HOMES)) * (1 - np.eye(N_HOMES)))
    unmoved = Markov(still.stock, still.entries, even, still.moves)
    with_moves, without = moving.years(2)[0], unmoved.years(2)[0]
    assert with_moves.sum(axis=2) == pytest.approx(without.sum(axis=2))
    assert abs(with_moves.sum(axis=1) - without.sum(axis=1)).max() > 1


def test_every_row_of_the_daily_matrix_is_a_chance():
    matrix = Markov(toy().stock, toy().entries, np.full((N, N_HOMES), 0.5), np.full((N_HOMES, N_HOMES), 0.2)).matrix()
    assert (matrix >= 0).all()
    assert (matrix.sum(axis=1) <= 1 + 1e-12).all()


def test_the_model_of_a_published_authority_begins_at_its_figures():
    statistics = read_statistics()
    area = statistics.area("E06000009")
    model = markov.markov_of(statistics, area, 2022)
    assert model is not None
    assert model.stock.sum() == pytest.approx(statistics.value(area, "cla_at_31_march", 2022))
    mean = np.mean([statistics.value(area, "cla_started", year) for year in (2020, 2021, 2022)])
    assert model.entries.sum() == pytest.approx(mean)
    told = markov.forecast(statistics, area, 2022, 3)
    assert set(told) == {"cla_at_31_march", "cla_started", "cla_ceased"}
    for quantiles in told.values():
        assert quantiles.shape == (3, 7)
        assert (np.diff(quantiles, axis=1) > 0).all()


def test_homes_follow_the_year_before_by_the_fewest_moves():
    statistics = read_statistics()
    model = markov.markov_of(statistics, statistics.area("E06000009"), 2022)
    assert model is not None
    # No pair of homes exchanges children in both directions.
    assert not ((model.moves > 0) & (model.moves.T > 0)).any()


@pytest.mark.parametrize("empty", [2023, 2024])
def test_an_authority_where_nobody_was_looked_after_is_forecast_too(monkeypatch, empty):
    """As in the City of London now and then: at the origin, or the year before it."""
    real = markov.by_age

    def none_then(statistics, area, measure, group, year):
        found = real(statistics, area, measure, group, year)
        return found * 0 if (measure, year) == (markov.STOCK, empty) else found

    monkeypatch.setattr(markov, "by_age", none_then)
    statistics = read_statistics()
    told = markov.forecast(statistics, statistics.area("Blackpool"), 2024, 3)
    assert set(told) == {"cla_at_31_march", "cla_started", "cla_ceased"}
    for quantiles in told.values():
        assert np.isfinite(quantiles).all()
        assert (quantiles >= 0).all()


def test_a_hidden_age_gets_what_is_left_of_the_whole(tmp_path):
    rows = [("cla_at_31_march", "total", 50), *((markov.STOCK, f"Age group | {label}", n) for label, n in (
        ("1 to 4 years", 10), ("5 to 9 years", 10), ("10 to 15 years", 20), ("16 years and over", 7)))]  # fmt: skip
    table = tmp_path / "table.csv"
    head = "area_code,area_name,year,measure,breakdown,value,unit,source_id\n"
    table.write_text(head + "".join(f"E06000001,Here,2020,{m},{b},{v},number,s\n" for m, b, v in rows))
    statistics = read_statistics(table)
    found = markov.by_age(statistics, statistics.area("Here"), markov.STOCK, "Age group", 2020)
    assert found == pytest.approx([3, 10, 10, 20, 7])
    assert markov.by_age(statistics, statistics.area("Here"), markov.STOCK, "Age group", 2021) is None
