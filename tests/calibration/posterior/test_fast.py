"""The mean field's figures and their derivatives: against the plain one, and against differences."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.fit import YearlyModel
from calibration.levers import FITTED_FIGURES, LEVERS
from calibration.posterior.forms import FORMS, formed, tilts
from tests.calibration.areas import BLACKPOOL, fitted, mean_field
from tests.calibration.posterior.small import QUICK, fast

N = 2


def logs():
    return fitted(BLACKPOOL, QUICK).logs[:N]


def rounded(values):
    """Factors as the plain model rounds them."""
    return np.log(np.round(np.exp(values) * 1024) / 1024)


def test_figures_are_those_of_the_plain_mean_field():
    fit = fitted(BLACKPOOL, QUICK)
    plain = YearlyModel(mean_field(), fit.book, fit.scenario, N)
    at = rounded(logs())
    # Two levers move guardianship, and the plain model rounds their product: none here.
    at[:, [lever.key for lever in LEVERS].index("guardianship")] = 0.0
    assert fast(N).figures(at) == pytest.approx(plain.plain(at), rel=1e-5)


def test_cells_that_nobody_reaches_are_left_out_and_many_are():
    assert 0.2 < fast(N).live.mean() < 0.6


def test_derivatives_are_those_by_differences():
    model, at = fast(N), logs()
    figures, slope = model.with_derivatives(at)
    assert slope.shape == (N, len(FITTED_FIGURES), N * len(LEVERS) + len(FORMS))
    assert figures == pytest.approx(model.figures(at), rel=1e-12)
    luck = np.random.default_rng(3)
    step = 1e-4 * luck.standard_normal(slope.shape[2])
    ahead, back = (
        model.figures(at + sign * step[: -len(FORMS)].reshape(at.shape), sign * step[-len(FORMS) :]) for sign in (1, -1)
    )
    by_differences = (ahead - back) / 2
    assert slope @ step == pytest.approx(by_differences, abs=3e-4 * np.abs(by_differences).max())


def test_a_factor_of_a_later_year_moves_nothing_before_it():
    _, slope = fast(N).with_derivatives(logs())
    assert (slope[0, :, len(LEVERS) : 2 * len(LEVERS)] == 0).all()
    assert (slope[1, :, len(LEVERS) : 2 * len(LEVERS)] != 0).any()


def test_forms_at_zero_leave_the_rates_bit_for_bit_and_tilt_only_what_they_name():
    fit = fitted(BLACKPOOL, QUICK)
    journey = mean_field().journey
    plain = fit.book.rates()
    moved = tilts(journey, fit.book, fit.scenario)
    assert (formed(plain, moved, np.zeros(len(FORMS))) == plain).all()
    for tilt, form in zip(moved, FORMS, strict=True):
        edges = np.flatnonzero(tilt.any(axis=(1, 2)))
        names = {journey.transitions[journey.tables.transition[e]].key for e in edges}
        assert names, form.key
        assert ("was_referred" in names) == (form.key in ("history", "frailty"))
    values = np.zeros(len(FORMS))
    values[[form.key for form in FORMS].index("history")] = np.log(2.0)
    told = formed(plain, moved, values)
    referral = journey.edges_of("was_referred")
    assert (np.delete(told, referral, axis=0) == np.delete(plain, referral, axis=0)).all()
    ratio = told[referral[0], :60, 0] / plain[referral[0], :60, 0]
    # Children known before are referred twice as often as others, both against the mean over all referrals.
    assert ratio[1::3] == pytest.approx(2 * ratio[0::3])
    assert ratio[2::3] == pytest.approx(2 * ratio[0::3])
    assert 0.5 < ratio[0] < 1.0
    assert (told[referral, 60:] == plain[referral, 60:]).all()


def test_a_form_that_tells_children_apart_moves_hardly_any_totals():
    figures, slope = fast(N).with_derivatives(logs())
    referrals = FITTED_FIGURES.index("referrals")
    for form in FORMS:
        if form.neutral:
            moved = slope[0, referrals, -len(FORMS) + FORMS.index(form)] / figures[0, referrals]
            assert abs(moved) < 0.1
    level = slope[0, referrals, [lever.key for lever in LEVERS].index("referral")] / figures[0, referrals]
    assert level > 0.9
