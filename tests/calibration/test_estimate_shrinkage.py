"""Small cells lean on the national rates as much as the data say that they should."""

from __future__ import annotations

import numpy as np
import pytest

from abm.pathway import Journey
from calibration.estimate_hazards import rates
from calibration.estimate_shrinkage import MOST, shrink, strength
from tests.abm.toys import THREE, moves, state

FAN = Journey(
    states=(state("well"), *(state(f"to{i}", "left") for i in range(12))),
    transitions=tuple(moves(f"went{i}", "well", f"to{i}") for i in range(12)),
)


def test_the_strength_between_areas_is_found_again():
    rng = np.random.default_rng(1)
    expected = rng.gamma(1.0, 6.0, 4000)
    for true in (0.8, 3.0, 12.0):
        d = rng.poisson(expected * rng.gamma(true, 1 / true, expected.size))
        assert strength(d.astype(float), expected) == pytest.approx(true, rel=0.15)
    assert strength(rng.poisson(expected).astype(float), expected) > 50
    assert strength(np.zeros(0), np.zeros(0)) == MOST


def cells(seed: int, between: float, level: float, groups: int = 60):
    """12 edges, `groups` cells each of some 20 child-years; rates between 0.01 and 0.3 times `level` and a gamma."""
    rng = np.random.default_rng(seed)
    tables = FAN.tables
    national = np.broadcast_to(np.geomspace(0.01, 0.3, 12)[:, None, None], (12, groups, 1)).copy()
    true = national * level * rng.gamma(between, 1 / between, national.shape)
    weeks = rng.integers(200, 2000, groups).astype(float)
    events = rng.poisson(true * weeks[None, :, None] / 52).astype(float)
    exposure = np.zeros((tables.n_states, groups, 1))
    exposure[0, :, 0] = weeks
    return true, national, exposure, events


@pytest.mark.parametrize("between", [1.0, 4.0, 40.0])
def test_leaning_beats_both_what_was_counted_and_the_nation(between):
    true, national, exposure, events = cells(3, between, 1.6)
    found = rates(FAN, exposure, events)
    leant = shrink(FAN, events, found, national)

    def loss(estimate):
        """The loss that is fair to small rates and large: squared errors over the national rate."""
        return float(((estimate - true) ** 2 / national).mean())

    assert loss(leant.value) < loss(found.value)
    assert loss(leant.value) < loss(national)
    assert loss(leant.value) < loss(national * leant.level[:, None, None])
    assert leant.between_cells == pytest.approx(between, rel=0.5)
    assert leant.level == pytest.approx(np.full(12, 1.6), rel=0.5)


def test_much_data_speak_for_themselves_and_no_data_say_the_nation_at_the_level_of_the_area():
    true, national, exposure, events = cells(5, 2.0, 0.5)
    exposure[0, 0], exposure[0, 1] = 5e7, 0
    events[:, 0, 0], events[:, 1] = np.round(true[:, 0, 0] * 5e7 / 52), 0  # to half of what happens in a week
    found = rates(FAN, exposure, events)
    leant = shrink(FAN, events, found, national)
    np.testing.assert_allclose(leant.value[:, 0], true[:, 0], rtol=0.01)
    assert np.isnan(leant.value[:, 1]).all()
    exposure[0, 1] = 1e-6
    leant = shrink(FAN, events, rates(FAN, exposure, events), national)
    np.testing.assert_allclose(leant.value[:, 1, 0], national[:, 1, 0] * leant.level, rtol=1e-6)


def test_what_cannot_happen_and_what_is_certain_stays():
    _, national, exposure, events = cells(7, 2.0, 1.0)
    national[3, 5], national[4, 6] = 0.0, np.inf
    leant = shrink(FAN, events, rates(FAN, exposure, events), national)
    assert leant.value[3, 5, 0] == 0
    assert leant.value[4, 6, 0] == np.inf
    assert np.isfinite(leant.value[:, :5]).all()


def test_shares_add_up_to_one_and_lean_too():
    tables, rng = THREE.tables, np.random.default_rng(2)
    asked = THREE.state_index["asked"]
    edges = [THREE.edge("help_began", "asked"), THREE.edge("was_sent_home", "asked")]
    n, groups = rng.integers(1, 40, 50).astype(float), 50
    true = rng.beta(6, 14, groups)
    exposure, events = np.zeros((tables.n_states, groups, 2)), np.zeros((tables.n_edges, groups, 2))
    exposure[asked, :, 0], events[edges[0], :, 0] = n, rng.binomial(n.astype(int), true)
    events[edges[1], :, 0] = n - events[edges[0], :, 0]
    national = np.zeros_like(events)
    national[edges[0], :, 0], national[edges[1], :, 0] = 0.5, 0.5
    found = rates(THREE, exposure, events)
    leant = shrink(THREE, events, found, national)
    np.testing.assert_allclose(leant.value[edges, :, 0].sum(axis=0), 1.0, rtol=1e-12)
    raw, lean = (((x[edges[0], :, 0] - true) ** 2).mean() for x in (found.value, leant.value))
    assert lean < 0.6 * raw
    assert 5 < leant.between_shares < 100
