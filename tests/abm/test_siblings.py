"""Figures of brothers and sisters, worked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from abm.events import Rows, stocks_from_flows
from abm.journey import JOURNEY
from abm.kernels import edges_of
from abm.population import population_of
from abm.prepared import Prepared
from abm.run import Run
from abm.siblings import (
    BOTH_LOOKED_AFTER,
    INTO_CARE_TOGETHER,
    LARGEST_GROUP,
    REFERRED_TOGETHER,
    SAME_KIND_OF_HOME,
    sibling_figures,
)
from tests.abm.toys import empty_scenario


def run_of(events, family, uasc=None, n_weeks=104):
    """events: (week, child, step, transition, from state)."""
    n = len(family)
    people = population_of(
        family=family, birth_week=np.full(n, -300), since_week=np.full(n, -300), uasc=uasc or [False] * n,
        state=np.full(n, JOURNEY.state_index["being_assessed"]),
    )  # fmt: skip
    log = sorted((week, child, step, JOURNEY.edge(key, source)) for week, child, step, key, source in events)
    week, child, step, edge = np.array(log, int).reshape(-1, 4).T
    nothing = np.zeros(week.size)
    rows = Rows(
        child.astype(np.int32), week.astype(np.int16), step.astype(np.uint8), edge.astype(np.uint16),
        nothing.astype(np.uint64), nothing.astype(np.uint32), nothing.astype(np.uint8),
    )  # fmt: skip
    flows = np.zeros((n_weeks, JOURNEY.tables.n_edges), np.int64)
    np.add.at(flows, (week, edge), 1)
    prepared = Prepared(JOURNEY, edges_of(JOURNEY), np.zeros((1, 1, 1, 1), np.uint64))
    stocks = stocks_from_flows(JOURNEY, people.state, flows)
    run = Run(replace(empty_scenario(n_weeks)), 0, prepared, people, rows, stocks, flows)
    run.check()
    return run


def into_care(week, child, home):
    placed = {"foster": "placed_with_foster_carers", "kinship_foster": "placed_with_kinship_carers"}[home]
    return [(week, child, 0, "came_into_care", "being_assessed"), (week, child, 1, placed, "entering_care")]


def test_three_families_worked_by_hand():
    """Family 0: three children, two into care in week 3, the third in week 60 to kin. Family 1: one child.

    Those of family 2 came alone and share nothing but a number: they do not count.
    """
    events = [
        *into_care(3, 0, "foster"), *into_care(3, 1, "foster"), *into_care(60, 2, "kinship_foster"),
        *into_care(3, 3, "foster"), *into_care(9, 4, "foster"), *into_care(9, 5, "foster"),
    ]  # fmt: skip
    found = sibling_figures(run_of(events, [0, 0, 0, 1, 2, 2], [False] * 4 + [True] * 2))
    assert found[INTO_CARE_TOGETHER].tolist() == pytest.approx([100 * 2 / 3, 0.0])
    assert found[LARGEST_GROUP].tolist() == [2, 1]
    assert found[BOTH_LOOKED_AFTER].tolist() == pytest.approx([100 * 2 / 3, 75.0])
    assert found[SAME_KIND_OF_HOME].tolist() == pytest.approx([100.0, 100 * 2 / 3])
    assert np.isnan(found[REFERRED_TOGETHER]).all()


def test_weeks_apart_and_families_apart_are_not_together():
    found = sibling_figures(run_of([*into_care(3, 0, "foster"), *into_care(4, 1, "foster")], [0, 0]))
    assert found[INTO_CARE_TOGETHER][0] == 0
    found = sibling_figures(run_of([*into_care(3, 0, "foster"), *into_care(3, 1, "foster")], [0, 1]))
    assert found[INTO_CARE_TOGETHER][0] == found[BOTH_LOOKED_AFTER][0] == 0
    assert np.isnan(found[SAME_KIND_OF_HOME]).all()
    assert np.isnan(sibling_figures(run_of([], [0, 1]))[BOTH_LOOKED_AFTER]).all()
