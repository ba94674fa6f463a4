"""Places against queueing theory: Erlang's loss and delay formulas, driven through the matching of `abm.places`.

Weeks are discrete: in each, a child leaves with the chance p, then a Poisson number of children comes. The chain of the
number in the system has an exact stationary law (`stationary`), and tends to Erlang's formulas as p becomes small. So
there are two steps, each with its own bound: the exact chain is within 1% of Erlang's formula at p = 0.002; and the
simulation agrees with the exact chain for its own p. Slow tests hold the simulation against Erlang's formulas directly.

Many areas are simulated side by side, as homes that take a range of ages of their own: children of one cannot live in
the homes of another. They are independent, so their means have a known spread: false alarms are below 1 in 10,000.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from abm.places import EMERGENCY, IN_KIND, WAITS, Places, Requests, Rules, kin_of

LIMIT = 4.5
"""Standard errors; with 100 areas or more a false alarm is below 1 in 10,000 for all figures of this page together."""


def erlang_b(homes, load):
    blocked = 1.0
    for n in range(1, homes + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked


def erlang_c(homes, load):
    blocked = erlang_b(homes, load)
    return blocked / (1.0 - load / homes * (1.0 - blocked))


@cache
def stationary(homes, load, p, loss):
    """Return the share of children who find no bed in their week, and the mean numbers who live there and who wait."""
    most, rate = (homes if loss else homes + math.ceil(60 / -math.log(load / homes))), load * p
    lives = np.minimum(np.arange(most + 1), homes)
    come = np.arange(40 + int(10 * rate))
    poisson = np.array([math.exp(k * math.log(rate) - rate - math.lgamma(k + 1)) for k in come.tolist()])
    step, without = np.zeros((most + 1, most + 1)), np.zeros(most + 1)
    for n in range(most + 1):
        for gone in range(lives[n] + 1):
            chances = poisson * math.comb(lives[n], gone) * p**gone * (1 - p) ** (lives[n] - gone)
            np.add.at(step[n], np.minimum(n - gone + come, most), chances)
            without[n] += chances @ np.minimum(come, np.maximum(n - gone + come - homes, 0))
    law = np.linalg.lstsq(
        np.vstack([step.T - np.eye(most + 1), np.ones(most + 1)]), np.r_[np.zeros(most + 1), 1.0], rcond=None
    )[0]
    return law @ without / rate, law @ lives, law @ (np.arange(most + 1) - lives)


@dataclass
class Seen:
    """By area: children who came, who found no bed in their week, and means of who lives there and who waits."""

    came: np.ndarray
    without: np.ndarray
    living: np.ndarray
    waiting: np.ndarray

    def figures(self):
        return self.without / self.came, self.living, self.waiting


def simulate(homes, load, p, loss, n_areas, weeks, seed, late=0, more_beds=0):
    """Drive `Places` and count; `late` and `more_beds` are faults: beds that are freed late, a bed too many."""
    rng, warm = np.random.default_rng(seed), weeks // 5
    width = 30_000 // n_areas
    numbers = rng.poisson(load * p, (weeks, n_areas))
    week_of = np.repeat(np.arange(weeks), numbers.sum(axis=1))
    area_of = np.repeat(np.tile(np.arange(n_areas), weeks), numbers.ravel())
    n = week_of.size
    stay = rng.geometric(p, n)
    kin = kin_of(np.arange(n, dtype=np.int32), (week_of - width * area_of).astype(np.int32), np.zeros(n, np.uint8))
    homes += more_beds
    n_homes = homes * n_areas
    places = Places(np.array([[n_homes, 0, 0]] + [[0] * 3] * 3), Rules(), kin, weeks, seed)
    of_area = np.arange(n_homes) % n_areas
    places.homes.age_from[:n_homes], places.homes.age_to[:n_homes] = width * of_area, width * (of_area + 1)
    until, child_of = np.full(n_homes, -1), np.full(n_homes, -1)
    first = np.r_[0, np.cumsum(numbers.sum(axis=1))]
    seen = Seen(*(np.zeros(n_areas) for _ in range(4)))
    lost = np.zeros(0, np.int32)
    for week in range(weeks):
        goes = (until >= 0) & (until == week - late)
        left = np.concatenate([child_of[goes].astype(np.int32), lost])
        until[goes] = -1
        come = np.arange(first[week], first[week + 1], dtype=np.int32)
        roof = np.full(come.size, not loss)
        answers = places.advance(Requests(come, np.zeros(come.size, np.int8), roof), left)
        found = answers.outcome == IN_KIND
        home, child = answers.home[found], answers.child[found]
        child_of[home], until[home] = child, week + stay[child]
        lost = answers.child[answers.outcome == EMERGENCY] if loss else lost
        if week < warm:
            continue
        without = answers.child[answers.outcome == (EMERGENCY if loss else WAITS)]
        seen.came += numbers[week]
        seen.without += np.bincount(area_of[without], minlength=n_areas)
        seen.living += np.bincount(of_area[until >= 0], minlength=n_areas) / (weeks - warm)
        if not loss:
            seen.waiting += np.bincount(area_of[places.waiting], minlength=n_areas) / (weeks - warm)
            if week % 50 == 0 and child.size and places.waiting.size:
                assert_in_turn(area_of, week_of, child, places.waiting)
    return seen


def assert_in_turn(area_of, week_of, placed, waiting):
    """Nobody who waits came before somebody of the same area who was placed."""
    last = np.full(area_of.max() + 1, -1)
    np.maximum.at(last, area_of[placed], week_of[placed])
    assert (week_of[waiting] >= last[area_of[waiting]]).all()


def scores(seen, exact):
    """Return how many standard errors the areas' means are from the exact figures."""
    out = []
    for ours, its in zip(seen.figures(), exact, strict=True):
        spread = ours.std(ddof=1) / math.sqrt(ours.size)
        out.append((ours.mean() - its) / spread if spread else 0.0)
    return np.array(out)


def test_the_formulas_are_right_where_they_can_be_worked_by_hand():
    assert erlang_b(1, 1.0) == 0.5
    assert erlang_b(2, 1.0) == pytest.approx(0.2)
    assert erlang_c(1, 0.5) == pytest.approx(0.5)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    # One home, certain to be left: every child who comes alone in its week finds it free.
    assert stationary(1, 0.5, 1.0, True)[0] == pytest.approx(1 - (1 - math.exp(-0.5)) / 0.5)


@pytest.mark.parametrize(("homes", "load"), [(1, 0.5), (5, 4.0), (10, 10.0), (20, 16.0)])
def test_with_small_weekly_chances_the_exact_chain_is_within_a_percent_of_erlangs_loss_formula(homes, load):
    blocked, living, _ = stationary(homes, load, 0.002, True)
    assert blocked == pytest.approx(erlang_b(homes, load), rel=0.01)
    assert living == pytest.approx(load * (1 - erlang_b(homes, load)), rel=0.01)


@pytest.mark.parametrize(("homes", "load"), [(1, 0.5), (5, 3.5), (10, 7.0)])
def test_with_small_weekly_chances_the_exact_chain_is_within_a_percent_of_erlangs_delay_formula(homes, load):
    waits, living, waiting = stationary(homes, load, 0.002, False)
    assert waits == pytest.approx(erlang_c(homes, load), rel=0.01)
    assert living == pytest.approx(load, rel=0.01)
    assert waiting == pytest.approx(erlang_c(homes, load) * load / (homes - load), rel=0.01)


LOSS = (5, 4.0, 0.1, True, 100, 1000, 1)
DELAY = (5, 3.5, 0.1, False, 100, 1000, 2)
FAULTS = ({"late": 1}, {"more_beds": 1})


@pytest.mark.parametrize("case", [LOSS, DELAY])
def test_simulated_places_agree_with_the_exact_chain(case):
    assert (np.abs(scores(simulate(*case), stationary(*case[:4]))) < LIMIT).all()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("case", [LOSS, DELAY])
def test_beds_that_are_freed_a_week_late_or_one_too_many_would_be_found(case, fault):
    assert np.abs(scores(simulate(*case, **fault), stationary(*case[:4]))).max() > 1.5 * LIMIT


def near(seen, exact):
    """Check that figures are within 1% of the exact ones, which is 3.5 standard errors or more.

    So one new seed in 2,000 would give a false alarm for each figure; the seeds stay as they are.
    """
    for ours, its in zip(seen.figures(), exact, strict=True):
        if its:
            assert ours.std(ddof=1) / math.sqrt(ours.size) < 0.01 / 3.5 * its
            assert ours.mean() == pytest.approx(its, rel=0.01)


@pytest.mark.slow
def test_simulated_losses_are_within_a_percent_of_the_exact_chain():
    case = (5, 4.0, 0.2, True, 200, 20_000, 3)
    near(simulate(*case), (*stationary(*case[:4])[:2], 0.0))


@pytest.mark.slow
def test_simulated_delays_are_within_a_percent_of_the_exact_chain():
    case = (2, 1.0, 0.5, False, 250, 75_000, 4)
    near(simulate(*case), stationary(*case[:4]))


@pytest.mark.slow
def test_the_children_who_are_simulated_to_live_there_are_within_a_percent_of_erlangs_loss_formula():
    """At p = 0.005, where the exact chain is 0.1% from the formula."""
    seen = simulate(5, 4.0, 0.005, True, 500, 40_000, 5)
    near(seen, (0.0, 4.0 * (1 - erlang_b(5, 4.0)), 0.0))
