"""The luck of a run: worked out by hand, and against many runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from abm.careers import figures_of
from abm.journey import JOURNEY
from abm.pathway import WEEKS_PER_YEAR
from abm.simulate import simulate_many
from calibration.levers import FITTED_FIGURES
from calibration.posterior.noise import Luck
from tests.calibration.areas import BLACKPOOL, fitted
from tests.calibration.posterior.small import QUICK


def runs(n, n_years=2):
    fit = fitted(BLACKPOOL, QUICK)
    scenario = replace(fit.scenario, n_weeks=n_years * WEEKS_PER_YEAR)
    return simulate_many(scenario, fit.parameters, range(1, n + 1), JOURNEY)


def test_the_figures_that_children_add_up_to_are_those_of_the_run():
    luck = Luck(2)
    for run in runs(1):
        figures = figures_of(run)
        assert (luck.add(run) == np.stack([figures[name] for name in FITTED_FIGURES], axis=1)).all()


def test_it_is_a_covariance_and_keeps_what_the_figures_have_in_common():
    luck = Luck(2)
    for run in runs(3):
        luck.add(run)
    covariance = luck.covariance()
    assert covariance == pytest.approx(covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > -1e-8 * np.abs(covariance).max()
    # Episodes started are referrals less two outcomes, in every run: so the luck of this sum is none.
    names = ["referrals", "referrals_no_further_action", "referrals_assessed_not_in_need", "cin_episodes_started"]
    combination = np.zeros(2 * len(FITTED_FIGURES))
    combination[[FITTED_FIGURES.index(name) for name in names]] = [1, -1, -1, -1]
    assert combination @ covariance @ combination == pytest.approx(0.0, abs=1e-6)


def test_events_are_about_poisson_and_stocks_are_less():
    luck = Luck(2)
    for run in runs(3):
        luck.add(run)
    share = np.diag(luck.covariance()).reshape(2, -1) / luck.mean
    assert 0.85 < share[1, FITTED_FIGURES.index("referrals")] < 1.1
    assert share[0, FITTED_FIGURES.index("cla_at_31_march")] < 0.45


@pytest.mark.slow
def test_six_runs_say_as_much_of_luck_as_two_hundred_do():
    """The mean ratio of variances has a standard error of at most 0.1 (figures go together); a factor of 2 is far."""
    few = Luck(2)
    for run in runs(6):
        few.add(run)
    many = np.array([[figures_of(run)[name] for name in FITTED_FIGURES] for run in runs(200)])
    ratio = many.transpose(0, 2, 1).var(axis=0, ddof=1) / np.diag(few.covariance()).reshape(2, -1)
    assert 0.9 < float(np.median(ratio)) < 1.15
    assert (ratio > 0.6).all()
    assert (ratio < 1.7).all()
