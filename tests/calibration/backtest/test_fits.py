"""The fast model at past origins: near what was published, and blind to what came later."""

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest

from abm.journey import JOURNEY
from abm.meanfield import MeanField, make_grid
from calibration.backtest.fits import AHEAD, SPANS, _smoothness, fit_origins, response
from calibration.backtest.known import known_at
from calibration.backtest.panel import FIGURES
from calibration.levers import FITTED_FIGURES, LEVERS
from calibration.statistics import Statistics, read_statistics
from calibration.targets import published_shape

PLACES = [FITTED_FIGURES.index(figure) for figure in FIGURES]


def test_spans_follow_one_another_and_each_has_two_years_before_its_first_origin():
    spans = list(SPANS.items())
    for (_, one), (_, two) in itertools.pairwise(spans):
        assert one[-1] + 1 == two[0]
    assert all(span[0] - first_year >= 1 for first_year, span in spans)


def test_the_prior_holds_each_year_near_the_year_before_it():
    from calibration.least_squares import LEVEL, SMOOTH

    logs = np.array([[0.1, -0.2], [0.3, 0.0], [0.2, 0.4]])
    matrix, centre = _smoothness(3, 2, None)
    steps = np.diff(logs, axis=0)
    expected = (logs[0] ** 2).sum() / LEVEL**2 + (steps**2).sum() / SMOOTH**2
    assert ((matrix @ logs.ravel() - centre) ** 2).sum() == pytest.approx(expected)
    before = np.array([0.05, 0.1])
    matrix, centre = _smoothness(3, 2, before)
    expected = (((logs[0] - before) ** 2).sum() + (steps**2).sum()) / SMOOTH**2
    assert ((matrix @ logs.ravel() - centre) ** 2).sum() == pytest.approx(expected)


@pytest.mark.slow
def test_fits_are_near_the_figures_and_do_not_see_what_comes_later():
    statistics = read_statistics()
    field, shape = MeanField(JOURNEY, make_grid(JOURNEY)), published_shape(statistics)
    moves = response(known_at(statistics, 2022), field)
    # A chance of a referral moves referrals of its year one for one, and nobody's of the year before it.
    assert moves[0, FITTED_FIGURES.index("referrals"), 0] == pytest.approx(1.0, abs=0.25)
    assert moves.shape == (8, len(FITTED_FIGURES), len(LEVERS))

    def fits_of(table: Statistics):
        area = table.area("E06000009")
        return list(fit_origins(cache(lambda t: known_at(table, t)), area, range(2022, 2024), field, moves, shape))

    fits = fits_of(statistics)
    assert [fit.origin for fit in fits] == [2022, 2023]
    for fit in fits:
        reached, value = fit.figures[:, PLACES], fit.value[:, PLACES]
        # Within 1.5 standard deviations of a count and 3%: the factors are held together by a prior.
        assert (np.abs(reached - value) < 1.5 * np.sqrt(value) + 0.03 * value).all()
        assert fit.ahead.shape == (AHEAD, len(FITTED_FIGURES))
        assert (fit.ahead[:, PLACES] > 0.5 * fit.figures[-1, PLACES]).all()
        assert (fit.ahead[:, PLACES] < 2 * fit.figures[-1, PLACES]).all()
    later = pl.col("year") > 2023
    counts = pl.col("measure").str.contains("^(cla|cpp|cin|referrals|s47)")
    changed = statistics.frame.with_columns(
        value=pl.when(later & counts).then(pl.col("value") * 2).otherwise(pl.col("value"))
    )
    again = fits_of(replace(statistics, frame=changed, _index={}, _breakdowns={}))
    for one, two in zip(fits, again, strict=True):
        assert np.array_equal(one.logs, two.logs)
        assert np.array_equal(one.ahead, two.ahead)
