"""Judgements held against figures: by hand, in closed form, and on an area."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from calibration.elicit import Judgement
from calibration.levers import LEVERS
from calibration.posterior.conflict import ADVICE, APART, all_in_words, held_against, in_words, unjudged
from calibration.posterior.forms import FORMS
from calibration.posterior.frame import Belief
from tests.calibration.posterior.small import problem

N = len(LEVERS) + len(FORMS)
NOTHING = np.zeros((len(LEVERS), len(FORMS)))
OUT = [lever.key for lever in LEVERS].index("out_of_care")


def believed(middle, spread):
    mean, variance = np.zeros(N), np.ones(N)
    mean[OUT], variance[OUT] = middle, spread**2
    return Belief(mean, np.diag(variance))


def judged(distribution, chances=(0.05, 0.5, 0.95), **more):
    return Judgement("out_of_care", tuple((p, float(distribution.ppf(p))) for p in chances), **more)


def against(judgement, middle, spread, before=1.0):
    return held_against([judgement], believed(0.0, before), believed(middle, spread), 1, NOTHING)[0]


def test_worked_out_by_hand():
    """Judged: half to double in 90%, so 0.421 in logarithms; figures: log 3, give or take 0.1.

    log 3 / root(0.421^2 + 0.1^2) = 2.54: tail 0.0111. Inside half to double: below (log 2 - log 3) / 0.1 = -4.05.
    """
    found = against(judged(stats.lognorm(np.log(2) / 1.6449)), np.log(3), 0.1)
    assert found["tail"] == pytest.approx(0.0111, rel=0.02)
    assert found["inside"] == pytest.approx(2.5e-5, rel=0.05)
    assert found["apart"]
    assert found["judged"] == pytest.approx([0.5, 1.0, 2.0], rel=1e-3)
    assert found["figures"] == pytest.approx([2.545, 3.0, 3.536], rel=1e-3)
    assert found["removed"] == 0.99
    words = in_words(found)
    assert words.startswith(
        "Leaving care before 18: the workshop expected a factor of about 1.00 (90% of its bets: 0.50"
    )
    assert "say about 3.00 (2.54 to 3.54)" in words
    assert "Hardly any of what the figures leave open" in words
    assert "in 1 in 90 cases" in words
    assert "Only 1 in 22 of what" in in_words(against(judged(stats.lognorm(0.1)), 0.5, 0.2))


@pytest.mark.parametrize("spread", [0.05, 0.4, 2.0])
@pytest.mark.parametrize("middle", [0.0, 0.3, -1.0])
def test_two_gaussians_have_the_tail_of_their_distance(middle, spread):
    found = against(judged(stats.lognorm(0.3, scale=1.2)), middle, spread)
    away = abs(middle - np.log(1.2)) / np.hypot(0.3, spread)
    assert found["tail"] == pytest.approx(2 * stats.norm.sf(away), rel=0.02, abs=2e-4)


def test_one_in_twenty_that_agree_is_told_and_most_that_are_far_off_are():
    """400 pairs that agree: 20 are told, give or take 4.4; the bounds are four of these. At 2.8 units off, 80%."""
    luck = np.random.default_rng(2)
    truth, half = luck.normal(0, 1, 400), np.array([[-0.2983], [0.2983]])
    workshop, figures = truth + 0.3 * luck.standard_normal(400), truth + 0.2 * luck.standard_normal(400)

    def share(shift):
        told = [
            against(Judgement("out_of_care", ((0.16, low), (0.84, high))), f, 0.2)
            for low, high, f in zip(*np.exp(workshop + shift + half), figures, strict=True)
        ]
        return np.mean([each["apart"] for each in told])

    assert share(0.0) == pytest.approx(APART, abs=0.044)
    assert share(2.8 * np.hypot(0.3, 0.2)) == pytest.approx(0.8, abs=0.08)


def test_other_families_and_opinions_one_by_one():
    low, high = judged(stats.norm(0.6, 0.03), family="normal"), judged(stats.gamma(40.0, scale=0.05), family="gamma")
    both = held_against([low, high], believed(0, 1), believed(np.log(2.0), 0.05), 1, NOTHING)
    assert [each["apart"] for each in both] == [True, False]
    assert "agree as well as can be expected" in in_words(both[1])
    assert all_in_words(both) == [in_words(both[0]), in_words(both[1]), ADVICE]
    assert all_in_words(both[1:]) == [in_words(both[1])]


def test_figures_that_say_nothing_are_not_said_to():
    vague = against(judged(stats.lognorm(0.1, scale=9.0)), 0.0, 0.99)
    assert vague["apart"]
    assert "hardly tell this number" in in_words(vague)
    assert "hardly" not in in_words(against(judged(stats.lognorm(0.1)), 0.0, 0.3))


def test_figures_without_the_judgement_come_from_the_frame_with_it():
    """An area's own frame: with the prior that it has they are its own, and a judgement far off is told as such."""
    found = problem()
    same = unjudged(found.expected, found.frame, found.prior)
    spread = np.sqrt(np.diag(found.frame.posterior.covariance))
    assert np.abs((same.mean - found.frame.x) / spread).max() < 0.15
    place = len(LEVERS) + OUT
    said = judged(stats.lognorm(0.05, scale=float(np.exp(found.frame.x[place])) * 3), years=(2022,))
    told = held_against([said], found.prior, same, 2, found.expected.makes_up)[0]
    assert told["apart"]
    assert ", 2022:" in in_words(told)
    near = replace(said, quantiles=tuple((p, v / 3) for p, v in said.quantiles))
    assert not held_against([near], found.prior, same, 2, found.expected.makes_up)[0]["apart"]
