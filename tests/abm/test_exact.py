"""Exponentials and logarithms of our own: near the library's, exact where that is promised, one form for all."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.exact import exp, kernel_fires, log, power
from abm.parameters import expm1_exact


@given(st.floats(-700, 700))
def test_exp_is_near_the_librarys(x):
    assert exp(x) == pytest.approx(math.exp(x), rel=1e-15, abs=0)


@given(st.floats(1e-300, 1e300))
def test_log_is_near_the_librarys(x):
    assert log(x) == pytest.approx(math.log(x), rel=1e-15, abs=1e-16)


@given(st.floats(0.01, 100), st.floats(-5, 5))
def test_power_is_near_the_librarys(x, y):
    assert power(x, y) == pytest.approx(x**y, rel=1e-13)


def test_what_is_one_is_exactly_one():
    assert exp(0.0) == 1.0
    assert log(1.0) == 0.0
    assert power(1.0, 3.7) == power(0.2, 0.0) == 1.0
    assert power(0.0, 0.5) == 0.0


@pytest.mark.parametrize("x", [0.0, -1.0, math.inf, math.nan])
def test_a_logarithm_that_does_not_exist_is_refused(x):
    with pytest.raises(ValueError, match="above 0"):
        log(x)


def test_the_loops_form_has_the_bits_of_the_tables():
    rng = np.random.default_rng(5)
    x = np.concatenate([[0.0, 60.0, 60.1, 1e300, np.inf], 10 ** rng.uniform(-12, 2, 20_000)])
    assert [kernel_fires(value) for value in x] == (-expm1_exact(-x)).tolist()
