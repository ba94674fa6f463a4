"""Levers: what they move, how factors go on after the last fitted year, and that names agree."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from abm.journey import JOURNEY
from abm.outputs import BY_KEY, OUTPUTS, edges_counted
from calibration.levers import FITTED_FIGURES, LEVERS, multipliers
from calibration.targets import FIGURES

logs_of = arrays.arrays(float, st.tuples(st.integers(1, 6), st.just(len(LEVERS))), elements=st.floats(-2, 2))
COLUMN = {lever.key: n for n, lever in enumerate(LEVERS)}


@pytest.mark.parametrize("lever", LEVERS, ids=lambda lever: lever.key)
def test_a_lever_moves_transitions_that_there_are(lever):
    assert lever.transitions
    assert set(lever.transitions) <= set(JOURNEY.transition_index)
    assert len(set(lever.transitions)) == len(lever.transitions)
    assert lever.label


def test_levers_have_names_of_their_own():
    assert len(COLUMN) == len({lever.label for lever in LEVERS}) == len(LEVERS)


def test_what_is_fitted_is_counted_and_published():
    assert set(FITTED_FIGURES) <= set(BY_KEY) & set(FIGURES)
    assert len(set(FITTED_FIGURES)) == len(FITTED_FIGURES)


def test_every_figure_but_two_has_a_published_twin():
    # Child in need plans were published once, for 2022: calibration.fit reads them as they stand.
    assert {output.key for output in OUTPUTS} - set(FIGURES) == {"cin_plans_started", "cin_plans_at_31_march"}


def test_some_fitted_figure_answers_to_every_lever():
    """By its events, or by what comes in or goes out of its states."""
    tables = JOURNEY.tables
    answering = set()
    for key in FITTED_FIGURES:
        output = BY_KEY[key]
        states = [JOURNEY.state_index[s] for s in output.states]
        edges = edges_counted(output, JOURNEY) if output.events else np.flatnonzero(
            np.isin(tables.source, states) ^ np.isin(tables.target, states)
        )  # fmt: skip
        answering |= {JOURNEY.transitions[tables.transition[e]].key for e in edges}
    for lever in LEVERS:
        assert answering & set(lever.transitions), lever.key


# --- factors ----------------------------------------------------------------------------------------------------------


@given(logs_of, st.integers(1, 12))
def test_a_factor_is_the_product_of_its_levers_and_goes_on_as_the_mean_of_the_last_two(logs, n_years):
    out = multipliers(JOURNEY, logs, n_years)
    assert out.shape == (n_years, len(JOURNEY.transitions))
    for year in range(n_years):
        row = logs[year] if year < len(logs) else logs[-2:].mean(axis=0)
        for name, t in JOURNEY.transition_index.items():
            factors = [np.exp(x) for x, lever in zip(row, LEVERS, strict=True) if name in lever.transitions]
            assert out[year, t] == pytest.approx(np.prod(factors) if factors else 1.0)


def test_factors_ahead_worked_by_hand():
    logs = np.zeros((5, len(LEVERS)))
    logs[:, COLUMN["into_care"]] = np.log([9.0, 9.0, 9.0, 2.0, 8.0])
    ahead = multipliers(JOURNEY, logs, 10)[:, JOURNEY.transition_index["came_into_care"]]
    # The mean of logarithms: 4 is the geometric mean of 2 and 8.
    assert ahead.tolist() == pytest.approx([9, 9, 9, 2, 8, 4, 4, 4, 4, 4])


def test_two_levers_on_one_transition_multiply():
    moved = Counter(name for lever in LEVERS for name in lever.transitions)
    twice = {name for name, times in moved.items() if times > 1}
    assert twice == {"special_guardianship_granted"}
    logs = np.zeros((1, len(LEVERS)))
    logs[0, COLUMN["out_of_care"]], logs[0, COLUMN["guardianship"]] = np.log(2), np.log(5)
    out = multipliers(JOURNEY, logs, 1)[0]
    assert out[JOURNEY.transition_index["special_guardianship_granted"]] == pytest.approx(10)
    assert out[JOURNEY.transition_index["returned_home_planned"]] == pytest.approx(2)


def test_no_logarithms_are_no_change():
    assert (multipliers(JOURNEY, np.zeros((3, len(LEVERS))), 7) == 1).all()
