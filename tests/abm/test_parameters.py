"""Numbers of a run: the exponential against 50 digits, thresholds against exact fractions, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from abm.errors import CareError
from abm.journey import JOURNEY
from abm.parameters import CERTAIN, STEPS_PER_UNIT, Parameters, Value, expm1_exact, threshold
from abm.pathway import N_GROUPS, Journey
from tests.abm.toys import THREE, TWO, busy_parameters, moves, parameters_of, rates_of, state

FOUR_WAYS = Journey(
    (state("at_home"), state("asked", "front_door", at_once=True), state("helped"), state("cared")),
    (
        moves("was_asked", "at_home", "asked"),
        moves("first", "asked", "helped"),
        moves("second", "asked", "cared"),
        moves("third", "asked", "at_home"),
        moves("fourth", "asked", "helped"),
    ),
)
WAYS = ("first", "second", "third", "fourth")


# --- the exponential --------------------------------------------------------------------------------------------------


def error_of(x: float) -> float:
    """The distance from exp(x) - 1 worked out with 60 digits."""
    with localcontext() as context:
        context.prec = 60
        return float(abs(Decimal(float(expm1_exact(np.array([x]))[0])) - (Decimal(x).exp() - 1)))


@given(st.floats(-60, 0))
@example(0.0)
@example(-5e-324)
@example(-0.34657359027997264)  # half of ln 2, where the power of two changes
@example(-0.3465735902799727)
@example(-59.999999999999993)
def test_the_exponential_is_right_to_the_last_digits_of_a_double(x):
    assert error_of(x) <= 2e-16 * np.exp(x) + 1e-16


@given(st.floats(-0.3, -1e-30))
def test_small_chances_keep_all_their_digits(x):
    assert error_of(x) <= 5e-16 * abs(x)


def test_the_exponential_never_rises_or_leaves_its_range():
    x = -np.sort(np.r_[np.geomspace(1e-300, 1e3, 200_000), 0.0])
    y = expm1_exact(x)
    assert y[0] == 0.0
    assert y[-1] == -1.0
    assert ((-1 <= y) & (y <= 0)).all()
    assert np.diff(y).max() <= 2e-16


def test_what_is_certain_is_certain():
    assert expm1_exact(np.array([-np.inf, -1e300, -60.1])).tolist() == [-1.0] * 3


@pytest.mark.parametrize(
    ("x", "bits"),
    [
        # Frozen: other bits would be other chances on some machine, and another run for the same seed.
        (-1e-9, "-0x1.12e0be801f1d9p-30"),
        (-0.0003, "-0x1.3a868ef41c987p-12"),
        (-0.023, "-0x1.74880e2581bfep-6"),
        (-0.34, "-0x1.2725ae35e2895p-2"),
        (-0.75, "-0x1.0e25f8a081941p-1"),
        (-1.0, "-0x1.43a54e4e98864p-1"),
        (-7.3, "-0x1.ffa774ae1b525p-1"),
        (-41.0, "-0x1.0000000000000p+0"),
    ],
)
def test_the_bits_of_the_exponential_never_change(x, bits):
    assert float(expm1_exact(np.array([x]))[0]).hex() == bits


@given(st.floats(0, 1))
def test_a_threshold_is_the_nearest_32_bit_number(chance):
    assert abs(Fraction(int(threshold(np.array([chance]))[0]), CERTAIN) - Fraction(chance)) <= Fraction(1, 2**33)


def test_thresholds_reach_from_never_to_always():
    assert threshold(np.array([0.0, 0.5, 1.0])).tolist() == [0, 1 << 31, CERTAIN]


# --- multipliers ------------------------------------------------------------------------------------------------------


def test_a_multiplier_of_one_gives_the_unmultiplied_table_bit_for_bit():
    parameters = replace(busy_parameters(2), multipliers=np.ones((2, len(JOURNEY.transitions))))
    tables, thresholds = JOURNEY.tables, parameters.thresholds(JOURNEY)
    assert (thresholds[0] == thresholds[1]).all()
    rates = parameters.rates[tables.weekly]
    assert (thresholds[0, tables.weekly] == threshold(-expm1_exact(-rates / 52))).all()


@pytest.mark.parametrize("near", [1 + 0.49 / 1024, 1 - 0.49 / 1024])
def test_a_multiplier_that_rounds_to_one_is_none(near):
    base = replace(busy_parameters(1), multipliers=np.ones((1, len(JOURNEY.transitions))))
    close = replace(base, multipliers=base.multipliers * near)
    assert (close.thresholds(JOURNEY) == base.thresholds(JOURNEY)).all()


@given(st.floats(0, 50))
def test_multipliers_are_rounded_to_the_nearest_of_1024_steps(multiplier):
    mine = Parameters(rates_of(TWO), np.full((1, 2), multiplier)).checked(TWO).multipliers[0, 0]
    assert mine * 1024 == int(mine * 1024)
    assert abs(Fraction(mine) - Fraction(multiplier)) <= Fraction(1, 2 * 1024)


def test_a_multiplier_moves_its_transition_in_its_year_and_nothing_else():
    rates = rates_of(TWO, was_helped=1.0, got_well=2.0)
    multipliers = np.ones((3, 2))
    multipliers[1, TWO.transition_index["was_helped"]] = 0.5
    thresholds = Parameters(rates, multipliers).thresholds(TWO)
    halved = parameters_of(TWO, rates_of(TWO, was_helped=0.5, got_well=2.0)).thresholds(TWO)[0]
    assert (thresholds[1] == halved).all()
    assert (thresholds[0] == thresholds[2]).all()
    assert (thresholds[0] == parameters_of(TWO, rates).thresholds(TWO)[0]).all()
    assert (thresholds[1] != thresholds[0]).any()


def test_a_multiplier_of_zero_stops_even_what_is_certain():
    stopped = Parameters(rates_of(TWO, was_helped=np.inf, got_well=1.0), np.array([[0.0, 1.0], [1.0, 1.0]]))
    thresholds = stopped.thresholds(TWO)[:, TWO.edges_of("was_helped")]
    assert (thresholds[0] == 0).all()
    assert (thresholds[1] == CERTAIN).all()


def test_a_weekly_chance_is_that_of_the_hazard():
    thresholds = parameters_of(TWO, rates_of(TWO, was_helped=2.6)).thresholds(TWO)
    # 1 - exp(-2.6 / 52) = 1 - exp(-0.05) = 0.048770575499286
    assert thresholds[0, 0, 0, 0] / CERTAIN == pytest.approx(0.048770575499286, abs=2**-33)


# --- outcomes ---------------------------------------------------------------------------------------------------------


def shares_of(thresholds: np.ndarray) -> list[Fraction]:
    """The exact chance of each outcome: it fires, and none before it did."""
    left, out = Fraction(1), []
    for number in thresholds.tolist():
        fire = Fraction(int(number), CERTAIN)
        out.append(left * fire)
        left *= 1 - fire
    return out


weights = st.lists(st.one_of(st.just(0.0), st.floats(1e-3, 1e3)), min_size=4, max_size=4).filter(any)


@given(weights, st.lists(st.integers(0, 3000), min_size=4, max_size=4))
def test_outcomes_have_the_shares_of_their_weights(weight, steps):
    multiplied = [w * m / STEPS_PER_UNIT for w, m in zip(weight, steps, strict=True)]
    factor = np.ones((1, 5))
    factor[0, [FOUR_WAYS.transition_index[way] for way in WAYS]] = np.array(steps) / STEPS_PER_UNIT
    rates = rates_of(FOUR_WAYS, **dict(zip(WAYS, weight, strict=True)))
    thresholds = Parameters(rates, factor).thresholds(FOUR_WAYS)[0, FOUR_WAYS.edges_of(*WAYS), 7, 0]
    if not any(multiplied):
        assert not thresholds.any()
        return
    shares = shares_of(thresholds)
    assert sum(shares) == 1
    whole = sum(Fraction(m) for m in multiplied)
    for share, part, number in zip(shares, multiplied, thresholds.tolist(), strict=True):
        assert abs(share - Fraction(part) / whole) < Fraction(1, 2**31)
        assert (number == 0) == (part == 0) or part / float(whole) < 2**-32
    last = max(n for n, part in enumerate(multiplied) if part)
    assert thresholds[last] == CERTAIN


def test_outcomes_worked_by_hand():
    rates = rates_of(FOUR_WAYS, first=1.0, second=2.0, third=1.0)
    thresholds = parameters_of(FOUR_WAYS, rates).thresholds(FOUR_WAYS)[0, FOUR_WAYS.edges_of(*WAYS), 0, 0]
    # A quarter; of the three quarters left two thirds; the last with any weight is certain; no weight, never.
    assert thresholds.tolist() == [1 << 30, round(CERTAIN * 2 / 3), CERTAIN, 0]


def test_birthdays_and_the_diary_have_no_chance():
    tables = JOURNEY.tables
    planned = ~(tables.weekly | tables.outcome)
    assert planned.any()
    assert not busy_parameters(1).thresholds(JOURNEY)[:, planned].any()


# --- refusals ---------------------------------------------------------------------------------------------------------


def refused(rates, multipliers, journey=TWO):
    with pytest.raises(CareError) as refusal:
        Parameters(rates, multipliers).checked(journey)
    return str(refusal.value)


def test_rates_of_another_journey():
    assert (
        refused(rates_of(THREE), np.ones((1, 2)))
        == (f"Rates have the shape (8, {N_GROUPS}, 2), the journey needs (2, {N_GROUPS}, 1). ").strip()
    )


@pytest.mark.parametrize("shape", [(1, 3), (2,)])
def test_multipliers_of_another_journey(shape):
    assert refused(rates_of(TWO), np.ones(shape)).startswith(
        f"Multipliers have the shape {shape}, the journey needs (years, 2)"
    )


@pytest.mark.parametrize("wrong", [-1e-9, np.nan, -np.inf])
def test_a_rate_below_0_is_told_by_its_transition(wrong):
    rates = rates_of(TWO, was_helped=1.0, got_well=1.0)
    rates[1, 5, 0] = wrong
    assert refused(rates, np.ones((1, 2))) == (
        "A rate of 'got_well' is negative or not a number. Rates are 0 or more"
    )  # fmt: skip


def test_an_outcome_of_infinite_weight():
    rates = rates_of(THREE, was_asked=np.inf, help_began=np.inf, was_sent_home=1.0)
    assert refused(rates, np.ones((1, 7)), THREE) == (
        "A weight of 'help_began' is infinite. Give the other outcomes the weight 0 instead"
    )


@pytest.mark.parametrize("wrong", [-0.01, np.nan, np.inf])
def test_a_multiplier_below_0(wrong):
    assert refused(rates_of(TWO), np.array([[1.0, wrong]])) == (
        "A multiplier is negative or not a number. Multipliers are 0 or more"
    )


# --- declared numbers -------------------------------------------------------------------------------------------------


def test_a_declared_number():
    assert Value("stay", 2.0, "years", 2.0, 2.0, "assumed", "Nobody counts it").value == 2.0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"status": "publishd"},
            "Value 'stay' has the status 'publishd'. Did you mean 'published'? "
            "Use one of: published, literature, derived, fitted, assumed",
        ),
        (
            {"value": 5.0},
            "Value 'stay' is 5, outside its plausible range 1 to 3. Correct the value or the range",
        ),
        ({"value": 0.5}, "Value 'stay' is 0.5, outside its plausible range 1 to 3. Correct the value or the range"),
        ({"value": np.nan}, "Value 'stay' is nan, outside its plausible range 1 to 3. Correct the value or the range"),
        ({"source": ""}, "Value 'stay' has no source. Name one, or say what makes you assume it"),
    ],
)
def test_a_declared_number_that_is_refused(change, sentence):
    right = {"value": 2.0, "unit": "years", "low": 1.0, "high": 3.0, "status": "assumed", "source": "Nobody counts it"}
    with pytest.raises(CareError) as refusal:
        Value("stay", **right | change)
    assert str(refusal.value) == sentence
