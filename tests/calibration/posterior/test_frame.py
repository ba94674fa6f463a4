"""The frame, priors and likelihood: closed forms, and what rounding and hiding do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from abm.errors import CareError
from calibration.elicit import Judgement
from calibration.levers import FITTED_FIGURES, LEVERS
from calibration.pooling import process_until
from calibration.posterior.forms import FORMS
from calibration.posterior.frame import N_FORMS, Belief, conditioned, directions_of, highest
from calibration.posterior.likelihood import published, seen_of
from calibration.posterior.priors import JUDGED, belief_of
from calibration.readings import SOLVED
from calibration.targets import Target
from tests.calibration.posterior.small import problem


def test_one_number_with_one_datum_is_the_weighted_mean():
    prior = Belief(np.array([1.0]), np.array([[4.0]]))
    found = conditioned(prior, np.array([[1.0]]), np.array([[1.0]]), np.array([3.0 - 0.0]), np.array([0.0]))
    assert found.mean[0] == pytest.approx((1.0 / 4 + 3.0) / (1 / 4 + 1))
    assert found.covariance[0, 0] == pytest.approx(1 / (1 / 4 + 1))


def test_the_highest_point_of_a_curved_model_is_found():
    """exp(x) = 5 with a small error: x is close to log 5, from a start far away."""
    prior, errors = Belief(np.zeros(1), np.eye(1) * 9.0), np.eye(1) * 1e-4
    x = np.array([0.5])
    for _ in range(4):
        x, figures, _ = highest(lambda at: np.exp(at), np.exp(x)[None], prior, np.array([5.0]), errors, x)
    assert x[0] == pytest.approx(np.log(5.0), abs=1e-3)
    assert figures[0] == pytest.approx(5.0, abs=5e-3)


def test_the_highest_point_is_no_worse_than_the_point_fit_and_derivatives_vanish_there():
    found = problem()
    frame, value = found.frame, found.seen.value
    inverse, prior = np.linalg.inv(frame.errors), np.linalg.inv(frame.prior.covariance)
    scale = frame.steady
    off = scale.number(found.seen, value) - scale.expected(frame.figures)
    slope = frame.jacobian.T @ inverse @ off - prior @ (frame.x - frame.prior.mean)
    # In units of the posterior: a step of Newton from here is short.
    step = frame.posterior.covariance @ slope / np.sqrt(np.diag(frame.posterior.covariance))
    assert np.abs(step).max() < 0.1
    start = np.r_[found.fitted.logs.ravel(), np.zeros(N_FORMS)]
    off = scale.number(found.seen, value) - scale.expected(found.expected(start))
    away = start - frame.prior.mean
    assert sum(frame.left) <= off @ inverse @ off + away @ prior @ away


def test_factors_make_up_for_forms_as_far_as_they_can():
    """Along them, figures move by less than a fifth of what a form alone does to them, in units of their errors."""
    found = problem()
    model, at = found.expected.model, found.expected.split(found.frame.x)
    _, plain = model.with_derivatives(*at)
    alone = (plain.reshape(-1, plain.shape[2])[found.seen.where] * found.expected.correction[:, None])[:, -N_FORMS:]
    unit = np.sqrt(np.diag(found.frame.errors))[:, None]
    left = (found.frame.jacobian[:, -N_FORMS:] / unit) ** 2
    assert (left.sum(axis=0) < 0.2 * ((alone / unit) ** 2).sum(axis=0) + 0.02).all()


def test_directions_tell_figures_apart():
    frame = problem().frame
    found = directions_of(frame)
    n, k = len(found.mean), len(found.strength)
    # A step of one in a coordinate moves its own combination by its strength, and no other.
    moved = (found.whiten @ frame.jacobian[:, :n] @ found.logs).T @ found.data
    assert moved[:k, :k] == pytest.approx(np.diag(found.strength), abs=1e-6 * found.strength[0])
    assert np.abs(moved[:, k:]).max(initial=0.0) < 1e-6 * found.strength[0]
    assert found.into @ found.logs == pytest.approx(np.eye(n), abs=1e-8)
    white = found.data.T @ found.whiten @ frame.errors @ found.whiten.T @ found.data
    assert white == pytest.approx(np.eye(len(white)), abs=1e-8)


def test_given_forms_the_directions_leave_what_laplace_leaves():
    frame = problem().frame
    found = directions_of(frame)
    left = np.ones(len(found.mean))
    left[: len(found.strength)] = 1 / (1 + found.strength**2)
    mine = found.logs @ np.diag(left) @ found.logs.T
    whole = frame.posterior.covariance
    n = len(found.mean)
    given = whole[:n, :n] - whole[:n, n:] @ np.linalg.inv(whole[n:, n:]) @ whole[n:, :n]
    assert mine == pytest.approx(given, abs=1e-6)


def target(figure, value, low, high, note="", year=2021):
    return Target(figure, year, value, 1.0, low, high, "x", note)


def test_what_is_shown_of_made_up_figures():
    few = target("cla_ceased_transferred", 3.0, 1.0, 5.0, SOLVED)
    seen = seen_of([few, target("referrals", 100.0, 100.0, 100.0), target("population_0_17", 9.0, 9.0, 9.0)], 1, "E1")
    assert [name for _, name in seen.names] == ["referrals", "cla_ceased_transferred"]
    made = published(seen, np.array([[101.4, 4.2], [101.6, 0.2], [-3.0, 7.6]]))
    assert made.tolist() == [[101.0, 3.0], [102.0, 0.0], [0.0, 8.0]]
    england = seen_of([target("referrals", 640_000.0, 639_995.0, 640_005.0)], 1, "E92000001")
    assert published(england, np.array([[640_004.9], [640_005.1]])).tolist() == [[640_000.0], [640_010.0]]


def test_hidden_and_rounded_figures_say_less_than_shown_ones():
    wide = target("cla_ceased_transferred", 3.0, 1.0, 5.0, SOLVED)
    seen = seen_of([replace(wide, sigma=1.41), target("cla_ceased_adopted", 3.0, 3.0, 3.0)], 1, "E1")
    assert seen.hidden.tolist() == [False, True]
    assert seen.sigma[1] > seen.sigma[0]
    # What hiding leaves open is taken as an interval; other doubt of a figure stays.
    assert seen.sigma_shown.tolist() == [1.0, 0.5]


def test_the_prior_is_what_all_areas_say_and_forms_by_their_own():
    process = process_until(2025)
    belief, more = belief_of(process, 3, "E06000009", None)
    assert more is None
    assert belief.mean[: 3 * len(LEVERS)] == pytest.approx(process.national[:3].ravel())
    assert np.sqrt(np.diag(belief.covariance)[-N_FORMS:]) == pytest.approx([form.sd for form in FORMS])
    assert np.linalg.eigvalsh(belief.covariance).min() > 0


def quantiles(distribution, about="out_of_care", **more):
    pairs = tuple((p, float(distribution.ppf(p))) for p in (0.05, 0.25, 0.5, 0.75, 0.95))
    return Judgement(about, pairs, **more)


def test_a_sharp_judgement_moves_its_lever_in_its_years_and_a_vague_one_nothing():
    process = process_until(2025)
    plain, _ = belief_of(process, 3, "E06000009", None)
    place = 2 * len(LEVERS) + [lever.key for lever in LEVERS].index("out_of_care")
    sharp = quantiles(stats.lognorm(0.01, scale=1.5), years=(2023,))
    belief, _ = belief_of(process, 3, "E06000009", None, [sharp])
    assert np.exp(belief.mean[place]) == pytest.approx(1.5, rel=0.01)
    assert belief.covariance[place, place] == pytest.approx(1e-4, rel=0.05)
    vague = quantiles(stats.lognorm(30.0, scale=1.5), years=(2023,))
    belief, _ = belief_of(process, 3, "E06000009", None, [vague])
    assert belief.mean == pytest.approx(plain.mean, abs=1e-3)


def test_what_a_lognormal_judgement_has_besides_its_gaussian_is_a_constant_and_of_another_family_not():
    process = process_until(2025)
    x = np.random.default_rng(1).normal(0, 0.2, (50, 3 * len(LEVERS) + len(FORMS)))
    _, more = belief_of(process, 3, "E1", None, [quantiles(stats.lognorm(0.2, scale=0.9), "history")])
    assert np.ptp(more(x)) < 0.01
    gamma = quantiles(stats.gamma(2.0, scale=0.5), "history", family="gamma")
    _, more = belief_of(process, 3, "E1", None, [gamma])
    assert np.ptp(more(x)) > 0.05


def test_two_opinions_have_two_peaks():
    process = process_until(2025)
    pair = [quantiles(stats.lognorm(0.05, scale=s), "need_ended") for s in (0.6, 1.6)]
    _, more = belief_of(process, 1, "E1", None, pair)
    place = len(LEVERS) + [form.key for form in FORMS].index("need_ended")
    x = np.zeros((3, len(LEVERS) + len(FORMS)))
    x[:, place] = np.log([0.6, 1.0, 1.6])
    low, middle, high = more(x)
    assert min(low, high) > middle + 5


@pytest.mark.parametrize(
    ("about", "years", "words"),
    [
        ("history", (2021,), "Leave out the years"),
        ("out_of_care", (2024,), "not a fitted year"),
        ("luck", (), "judged"),
    ],
)
def test_a_judgement_of_what_there_is_not_is_refused(about, years, words):
    with pytest.raises(CareError, match=words):
        belief_of(process_until(2025), 3, "E1", None, [quantiles(stats.lognorm(0.2), about, years=years)])


def test_levers_and_forms_may_be_judged():
    assert set(JUDGED) == {lever.key for lever in LEVERS} | {form.key for form in FORMS}
    assert len(FITTED_FIGURES) == 18
