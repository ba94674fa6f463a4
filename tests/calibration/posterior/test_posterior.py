"""The fast model, history matching, ABC, moves, and whole draws of an area; known parameters found again."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from abm.errors import CareError
from calibration.posterior import area
from calibration.posterior.area import draw_area, drawn
from calibration.posterior.checks import Cheap, cheap_fit, check_prior, known_found_again
from calibration.posterior.frame import N_FORMS
from calibration.posterior.matching import CUT, implausibility, match
from calibration.posterior.moves import moved
from calibration.posterior.report import made_up
from calibration.posterior.sensitivity import sensitivity
from calibration.posterior.sequential import given_forms, sequential
from calibration.posterior.steady import Steady
from tests.calibration.areas import BLACKPOOL, fitted
from tests.calibration.posterior.small import QUICK, emulator, noise, problem, seen, two_years


def laplace(n, seed=1):
    return emulator().scattered(n, np.random.default_rng(seed))


def test_the_fast_model_is_the_mean_field_where_it_was_learnt_and_close_to_it_elsewhere():
    fast, found = emulator(), problem()
    assert fast.figures(found.frame.x) == pytest.approx(found.frame.figures, abs=1.0)
    draws, _ = moved(fast, found.seen.value, laplace(8), np.random.default_rng(2))
    judged = fast.judged(found.expected, draws)
    assert judged.moved > 0.5
    assert judged.error < 0.25 * judged.moved
    assert (judged.variance > 0).all()


def test_its_linear_form_tells_directions_apart_as_its_figures_do_near_by():
    fast, frame = emulator(), problem().frame
    v = frame.x[-N_FORMS:]
    told, rest = fast.residuals(v, problem().seen.value)
    b = (frame.x[:-N_FORMS] - fast.directions.mean) @ fast.directions.into.T
    steady = frame.steady
    white = fast.combined(steady.number(seen(), seen().value) - steady.expected(fast.figures(frame.x)))
    k = fast.n_told
    assert told - fast.directions.strength * b[:k] == pytest.approx(white[:k], abs=0.15)
    assert rest == pytest.approx(white[k:], abs=0.15)


def test_history_matching_keeps_the_truth_and_rules_out_most_of_the_prior():
    """Of made-up figures, a combination is off by more than 3 with chance 0.0027, or less often with emulator error."""
    fast, frame = emulator(), problem().frame
    luck = np.random.default_rng(5)
    prior = check_prior(frame)
    root = np.linalg.cholesky(prior.covariance + 1e-12 * np.eye(prior.mean.size))
    away = []
    for known in prior.mean + luck.standard_normal((20, prior.mean.size)) @ root.T:
        value = made_up(seen(), fast, noise(), known[None], luck)[0]
        off = implausibility(fast, value, known)
        away.append(np.sort(off)[-3])
    assert max(away) < CUT
    matched = match(fast, seen().value, luck, 500)
    assert matched.share < -3
    assert matched.share_forms > 0.05
    k = fast.n_told
    point = (frame.x[:-N_FORMS] - fast.directions.mean) @ fast.directions.into.T
    near = np.argmin(((matched.forms - frame.x[-N_FORMS:]) ** 2).sum(axis=1))
    inside = (matched.low[near] < point[:k]) & (point[:k] < matched.high[near])
    assert inside.mean() > 0.9


def test_figures_that_cannot_be_met_are_told():
    """All figures ten errors up: what no factor moves is far off for all forms, and the cut says so."""
    fast = emulator()
    k = fast.n_told
    impossible = seen().value + np.linalg.inv(fast.directions.whiten) @ fast.directions.data[:, -1] * 25.0
    if k < fast.directions.data.shape[1]:
        matched = match(fast, impossible, np.random.default_rng(1), 300)
        assert matched.cut > CUT
        assert matched.worst.max() > CUT
        assert 0 < matched.share_forms < 0.1


def test_given_forms_the_factors_spread_as_they_should():
    fast, frame = emulator(), problem().frame
    v = np.repeat(frame.x[None, -N_FORMS:], 4000, axis=0)
    b = given_forms(fast, seen().value, v, np.random.default_rng(3))
    s = fast.directions.strength
    assert b[:, : s.size].std(axis=0) == pytest.approx(1 / np.sqrt(1 + s**2), rel=0.06)


def test_moves_leave_a_gaussian_posterior_as_it_is_and_bring_others_to_it():
    """Begun three standard deviations off, chains end where those begun in place do (0.5 is six errors of a mean)."""
    fast, value = emulator(), seen().value
    luck = np.random.default_rng(4)
    laplaces = np.sqrt(np.diag(problem().frame.posterior.covariance))
    here, taken = moved(fast, value, laplace(300), luck)
    there, _ = moved(fast, value, laplace(300, 2) + 3 * laplaces, luck, n_moves=400)
    spread = here.std(axis=0)
    assert taken > 0.3
    assert np.abs((here.mean(axis=0) - there.mean(axis=0)) / spread).max() < 0.5
    assert np.median(spread / laplaces) == pytest.approx(1.0, abs=0.15)


def test_what_people_judged_moves_the_draws():
    fast, value, place = emulator(), seen().value, -1
    there = problem().frame.x[place] + 0.3

    def more(x):
        return -((x[..., place] - there) ** 2) / (2 * 0.03**2)

    found, _ = moved(fast, value, laplace(100), np.random.default_rng(4), n_moves=400, more=more)
    assert found[:, place].mean() == pytest.approx(there, abs=0.06)


def test_sobol_indices_name_levers_of_the_last_year():
    found = sensitivity(seen(), emulator(), laplace(100), 1)
    assert "cla_at_31_march" in found
    assert all(0 < index < 1.5 for shares in found.values() for index in shares.values())
    assert next(iter(found["cpp_at_31_march"])) in {"plan_start", "plan_end", "enquiry", "history", "referral"}


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyabc", None)
    fast = emulator()
    matched = match(fast, seen().value, np.random.default_rng(1), 200)
    with pytest.raises(CareError, match="pyABC") as caught:
        sequential(fast, seen(), noise(), matched, 1)
    assert "journeys-abm[fit]" in str(caught.value)


def test_ranks_of_a_few_cheap_fits_and_a_fit_that_repeats_itself():
    found = known_found_again(emulator(), seen(), noise(), 6, 11)
    assert found.ranks.shape == (6, problem().frame.x.size)
    assert 0.8 < found.coverage <= 1.0
    cheap, frame = Cheap(emulator(), seen()), problem().frame
    prior, value = check_prior(frame), seen().value
    one, two = (cheap_fit(cheap, prior, frame.steady, noise(), value, np.random.default_rng(1), 20) for _ in range(2))
    assert (one == two).all()


@pytest.mark.slow
def test_known_parameters_are_found_again_in_a_thousand_cheap_fits_and_ranks_are_even():
    """Coverage of 95% intervals, all parameters pooled, is 90 to 98%; chi-square of ranks over 10 bins.

    False alarm of the ranks: 1 in 1,000 (Bonferroni over the parameters). Power: a fit that believes errors to be 0.7
    of what they are fails it with a tenth of the fits.
    """
    found = known_found_again(emulator(), seen(), noise(), 1000, 7)
    assert 0.90 <= found.coverage <= 0.98
    assert found.p_value() > 1e-3
    mutant = known_found_again(emulator(), seen(), noise(), 100, 7, believed=0.7)
    assert mutant.p_value() < 1e-3
    assert mutant.coverage < found.coverage - 0.03


@pytest.mark.slow
def test_a_variance_that_does_not_follow_the_expectation_is_noticed_by_ranks(monkeypatch):
    """The planted fault: fits take errors as Gaussian with the variance of the highest point, and zeros as numbers."""
    plain = Steady.data

    def fixed(scale, times):
        return replace(scale, fano=np.zeros_like(scale.fano), floor=times**2 * scale.variance)

    def numbers(scale, seen_, value):
        data = plain(scale, seen_, value)
        return data if scale.fano.any() else replace(data, open=np.zeros(0, np.int64))

    monkeypatch.setattr(Steady, "wider", fixed)
    monkeypatch.setattr(Steady, "data", numbers)
    assert known_found_again(emulator(), seen(), noise(), 500, 7).p_value() < 1e-3


@pytest.mark.slow
def test_with_abc_the_draws_are_those_without_it():
    """pyABC is where moves begin; where they end does not depend on it (means within half a standard deviation)."""
    fast = emulator().judged(problem().expected, laplace(8))
    matched = match(fast, seen().value, np.random.default_rng(1))
    without, _, _ = drawn(fast, seen(), noise(), matched, 300, np.random.default_rng(2))
    with_it, begun, told = drawn(fast, seen(), noise(), matched, 300, np.random.default_rng(3), "abc", 5)
    again, _, _ = drawn(fast, seen(), noise(), matched, 300, np.random.default_rng(3), "abc", 5)
    assert (with_it == again).all()
    spread = without.std(axis=0)
    assert np.abs((with_it.mean(axis=0) - without.mean(axis=0)) / spread).max() < 0.5
    assert told["abc"]["effective"] > 15
    assert told["abc"]["tolerances"] == sorted(told["abc"]["tolerances"], reverse=True)
    # ABC alone is already near: its forms are within one and a half standard deviations.
    off = (begun[:, -N_FORMS:].mean(axis=0) - without[:, -N_FORMS:].mean(axis=0)) / spread[-N_FORMS:]
    assert np.abs(off).max() < 1.5


@pytest.mark.slow
def test_draws_of_an_area_are_like_its_figures_and_like_real_runs():
    draws = draw_area(fitted(BLACKPOOL, QUICK))
    assert draws.logs.shape[0] == 200
    made = draws.made
    assert made["runs"] <= 100
    assert 0.9 < made["simulation"]["inside_95"] <= 1.0
    assert made["fast_model"]["error"] < 0.25
    assert made["predictive"]["all"]["95"] >= 0.9
    assert made["identified"]["levers"]["plan_start"]["2025"] > 0.8
    assert (draws.logs == draw_area(fitted(BLACKPOOL, QUICK)).logs).all()


def test_two_years_give_draws_of_every_year_of_the_scenario(monkeypatch):
    # Posing and learning are tested above; here what comes after them.
    monkeypatch.setattr(area, "posed", lambda *_, **__: problem())
    monkeypatch.setattr(area, "learnt", lambda *_: emulator())
    draws = area.draw_area(two_years(), by="none", n_draws=20, n_runs=QUICK)
    assert draws.logs.shape[:2] == (20, two_years().scenario.n_years)
    assert (draws.made["abc"], draws.made["runs"]) == (None, 3 * QUICK)
    # What counts twice is told: ways of leaving care that levels take from the fitted years, and that figures are of.
    assert {"cla_ceased_adopted", "cla_ceased_special_guardianship"} <= set(draws.made["levels_of_fitted_years"])
    assert "cla_started" not in draws.made["levels_of_fitted_years"]
    assert set(draws.made["predictive"]["all"]) == {"50", "80", "95"}
    assert json.loads(json.dumps(draws.made)) == draws.made
