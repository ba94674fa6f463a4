"""Nothing of a year after the origin can be seen: in the table, in the panel, in what views say."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from calibration.backtest.fits import AHEAD, OriginFit
from calibration.backtest.known import known_at
from calibration.backtest.panel import FIGURES, STOCK, Panel, panel_of, unbroken
from calibration.backtest.views import BESIDE, MEAN, MODEL, NATION, SMOOTHED, USUAL, VIEWS, views_at
from calibration.census import census
from calibration.levers import FITTED_FIGURES, LEVERS
from calibration.statistics import Statistics, read_statistics

BLACKPOOL = "E06000009"


@pytest.fixture(scope="module")
def statistics() -> Statistics:
    return read_statistics()


def made_up(n_years: int = 14, areas: int = 5) -> Panel:
    rng = np.random.default_rng(4)
    level = rng.uniform(100, 900, (areas, len(FIGURES), 1))
    values = level * np.exp(np.cumsum(rng.normal(0, 0.06, (areas, len(FIGURES), n_years)), axis=2))
    children = rng.uniform(20_000, 90_000, (areas, 1)) * np.ones(n_years)
    codes = tuple(f"E0600000{k}" for k in range(areas))
    return Panel(codes, codes, 2010, values, children, values.sum(axis=0), children.sum(axis=0))


def test_the_table_at_an_origin_ends_there(statistics):
    table = known_at(statistics, 2019)
    mid_year = table.frame.filter(pl.col("measure").str.contains("^(population|births|migration)"))
    assert table.frame["year"].max() == 2019
    assert mid_year["year"].max() == 2018
    assert statistics.frame["year"].max() > 2019


def test_ages_of_the_year_before_an_origin_are_put_back_between_counts(statistics):
    table = known_at(statistics, 2019)
    told = table.series(BLACKPOOL, "population_single_year_of_age", "Persons | age 7")
    assert max(told) == 2018
    before, after = (
        statistics.value(BLACKPOOL, "population_single_year_of_age", year, f"Persons | age {age}")
        for year, age in ((2011, 0), (2022, 11))
    )
    assert told[2018] == pytest.approx(before * 4 / 11 + after * 7 / 11)
    # After the origin children are projected: those of the next year are the same, a year older.
    ages = census(table, BLACKPOOL, range(2018, 2022))
    assert ages.counts[2, 1:] == pytest.approx(ages.counts[1, :-1], rel=0.02)


def test_what_comes_after_an_origin_cannot_change_what_was_known(statistics):
    changed = statistics.frame.with_columns(
        value=pl.when(pl.col("year") > 2021).then(pl.col("value") * 3).otherwise(pl.col("value"))
    ).filter(~pl.col("measure").str.contains("^population_single"))
    same = statistics.frame.filter(~pl.col("measure").str.contains("^population_single"))
    one, other = (
        known_at(replace(statistics, frame=frame, _index={}, _breakdowns={}), 2021) for frame in (changed, same)
    )
    assert one.frame.equals(other.frame)


def test_a_panel_has_the_published_figures_and_is_cut_at_an_origin(statistics):
    panel = panel_of(statistics)
    row = panel.codes.index(BLACKPOOL)
    published = statistics.series(BLACKPOOL, "cla_at_31_march")
    assert panel.at(2020)[row, STOCK] == published[2020]
    assert np.isnan(panel.at(1990)).all()
    known = panel.known_at(2020)
    assert known.last_year == 2020
    assert known.values.shape[2] == 11
    assert known.children.shape[1] == 10
    assert panel.last_known()[row] == max(published)
    assert panel.nation[STOCK, -1] == statistics.value("E92000001", "cla_at_31_march", panel.last_year)


def test_an_unbroken_series_begins_after_the_last_gap():
    assert unbroken(np.array([1.0, np.nan, 3.0, 4.0])).tolist() == [3, 4]
    assert unbroken(np.array([1.0, 2.0])).tolist() == [1, 2]
    assert unbroken(np.array([1.0, np.nan])).size == 0


def fitted(panel: Panel, origin: int) -> OriginFit:
    rng = np.random.default_rng(2)
    figures = rng.uniform(100, 200, (5, len(FITTED_FIGURES)))
    logs = rng.normal(0, 0.1, (5, len(LEVERS)))
    return OriginFit(origin, origin - 4, logs, figures, figures, figures[-1] * np.array([[1.1], [1.2], [1.3]]))


def test_views_say_the_same_whatever_comes_later():
    panel = made_up()
    later = panel.values.copy()
    later[:, :, 10:] *= 5
    other = replace(panel, values=later, nation=later.sum(axis=0), children=panel.children * 2 ** (np.arange(14) > 9))
    moves = np.random.default_rng(1).normal(0, 0.3, (8, len(FITTED_FIGURES), len(LEVERS)))
    fits = {panel.codes[0]: fitted(panel, 2019)}
    one, two = (views_at(p.known_at(2019), fits, moves) for p in (panel, other))
    assert set(one) == set(VIEWS)
    for view in VIEWS:
        assert np.array_equal(one[view], two[view]), view


def test_views_by_hand():
    panel = made_up(areas=2)
    known = panel.known_at(2023)
    moves = np.zeros((8, len(FITTED_FIGURES), len(LEVERS)))
    place = FITTED_FIGURES.index(FIGURES[STOCK])
    moves[:, place, 0] = [0.5, 0.25, 0.0, 0, 0, 0, 0, 0]
    fit = fitted(panel, 2023)
    told = views_at(known, {panel.codes[0]: fit}, moves)
    last = known.values[:, :, -1]
    assert told[MEAN][1, 2, 0] == pytest.approx(known.values[1, 2, -6:].mean())
    assert told[NATION][1, 0] == pytest.approx(
        np.full(AHEAD, known.nation[0, -1] / known.nation_children[-1] * known.children[1, -1])
    )
    ratio = known.nation[3, -1] / known.nation[0, -1]
    assert told[BESIDE][1, 3] == pytest.approx([ratio * last[1, STOCK]] * AHEAD)
    assert told[BESIDE][1, 0] == pytest.approx([last[1, 3] / ratio] * AHEAD)
    slow = known.values[0, 3, 0]
    for value in known.values[0, 3, 1:]:
        slow += 0.3 * (value - slow)
    assert told[SMOOTHED][0, 3] == pytest.approx([slow] * AHEAD)
    # The model's path ahead starts from the last published figure, in proportion.
    path = (fit.ahead[:, place] + 1) / (fit.figures[-1, place] + 1)
    assert told[MODEL][0, STOCK] == pytest.approx(last[0, STOCK] * path)
    # An area without a fit is given the last value.
    assert told[MODEL][1, STOCK] == pytest.approx([last[1, STOCK]] * AHEAD)
    change = 0.5 * (fit.logs[-4:, 0].mean() - fit.logs[-1, 0])
    expected = last[0, STOCK] * path * np.exp(change * np.array([0.5, 0.75, 0.75]))
    assert told[USUAL][0, STOCK] == pytest.approx(expected)


def test_a_view_with_nothing_to_say_says_the_last_value():
    panel = made_up()
    blind = replace(panel, nation=np.full_like(panel.nation, np.nan))
    told = views_at(blind.known_at(2020), {}, np.zeros((8, len(FITTED_FIGURES), len(LEVERS))))
    last = np.repeat(panel.at(2020)[:, :, None], AHEAD, axis=2)
    assert np.array_equal(told[NATION], last)
    assert np.isfinite(told["England's exits"]).all()
