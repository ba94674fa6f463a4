"""How long children stay in care by the tables: closed forms, a slow loop, and a clock that counts babies rightly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from abm.cohorts import columns_of
from abm.journey import JOURNEY
from abm.meanfield import N_STRATA, MeanField, make_grid
from abm.pathway import Journey
from abm.prepared import prepare
from abm.simulate import simulate
from abm.trajectory import run_columns
from calibration.fitted import SavedFit
from experiments.stays import ENTRY, expected_stays, fine_grid
from tests.abm.toys import moves, parameters_of, rates_of, state

EDGES = JOURNEY.edges_of(ENTRY)
TOY = Journey(
    (
        state("at_home"),
        state("foster", "care", bands=(0, 10, 40), clock="care", at_18="left_care_at_18"),
        state("childrens_home", "care", bands=(0, 10, 40), clock="care", at_18="left_care_at_18"),
        state("left_care_at_18", "left"),
    ),
    (
        moves("came_into_care", "at_home", "foster", history=2),
        moves("moved_to_childrens_home", "foster", "childrens_home"),
        moves("returned_home_planned", "foster childrens_home", "at_home"),
        moves("left_care_at_18", "foster childrens_home", "left_care_at_18"),
    ),
)
"""A child comes in to foster carers, may move to a children's home, and goes home from either."""


def test_under_one_hazard_a_stay_is_a_geometric_sum_cut_off_at_18():
    parameters = parameters_of(TOY, rates_of(TOY, came_into_care=1.0, returned_home_planned=0.5))
    field = MeanField(TOY, make_grid(TOY))
    stays = expected_stays(field, parameters.thresholds(TOY)[0])
    assert stays.shape == (936, N_STRATA)
    leave = 1 - np.exp(-0.5 / 52)
    for age in (0, 100, 831, 832, 934, 935):
        # In care at the end of the week of the entry, and of each week after it up to the one before the birthday.
        assert stays[age] == pytest.approx(np.full(N_STRATA, (1 - (1 - leave) ** (936 - age)) / leave), rel=1e-6)


def test_expected_stays_are_those_of_a_slow_obvious_loop():
    rates = rates_of(TOY, came_into_care=1.0, moved_to_childrens_home=0.7)
    home = {"foster": (4.0, 1.0, 0.2), "childrens_home": (0.5, 3.0, 1.1)}
    for place, by_band in home.items():
        rates[TOY.edge("returned_home_planned", place)] = by_band
    rates[:, 9 * 12 // 3 :] *= 0.5  # from the fourth age band (10 to 15) on all is slower
    thresholds = parameters_of(TOY, rates).thresholds(TOY)[0]
    stays = expected_stays(MeanField(TOY, make_grid(TOY, 1)), thresholds)

    def slow(age: int) -> float:
        foster, childrens, weeks = 1.0, 0.0, 0.0
        for clock in range(936 - age):
            weeks += foster + childrens
            group = next(b for b, edge in enumerate((52, 260, 520, 832, 936)) if age + clock + 1 < edge or b == 4) * 12
            band = 0 if clock < 10 else 1 if clock < 40 else 2
            fire = {e: float(thresholds[e, group, band]) / 2**32 for e in range(TOY.tables.n_edges)}
            go, move = (fire[TOY.edge(k, "foster")] for k in ("returned_home_planned", "moved_to_childrens_home"))
            out = fire[TOY.edge("returned_home_planned", "childrens_home")]
            # Of two that fire each is taken as its chance says: half of what both share.
            moved = foster * move * (1 - go / 2)
            foster, childrens = foster * (1 - go) * (1 - move), childrens * (1 - out) + moved
        return weeks

    for age in (0, 30, 490, 519, 520, 800, 930):
        assert stays[age, 0] == pytest.approx(slow(age), rel=1e-9)


def test_the_state_a_child_comes_from_tells_nothing_of_the_stay():
    # Chances in care depend on age, risk, history and the time in care; on coming in all have the same history.
    assert {int(JOURNEY.tables.history[e]) for e in EDGES} == {2}
    assert {JOURNEY.states[JOURNEY.tables.target[e]].key for e in EDGES} == {"entering_care"}


def test_a_clock_that_is_finer_in_the_first_weeks_counts_babies_as_the_simulation_does(quick: SavedFit):
    scenario = replace(quick.fitted.scenario, sample=1, n_weeks=104)
    fine, banded = (MeanField(JOURNEY, grid) for grid in (fine_grid(JOURNEY), make_grid(JOURNEY)))
    thresholds, counts = prepare(quick.fitted.parameters, JOURNEY).thresholds, []
    for field in (fine, banded):
        path = run_columns(field, thresholds, columns_of(scenario, field, block=52), 104)
        counts.append(path.flows_by_age[:, :, EDGES].sum(axis=(0, 2)))
    runs = []
    for seed in range(24):
        run = simulate(scenario, quick.fitted.parameters, seed, JOURNEY)
        mine = np.isin(run.rows.edge, EDGES)
        age = run.rows.week[mine] - run.population.birth_week[run.rows.child[mine]]
        runs.append([(age < 52).sum(), (age >= 52).sum()])
    babies, others = np.mean(runs, axis=0)
    error = np.std(runs, axis=0, ddof=1) / np.sqrt(len(runs))
    assert abs(counts[0][0] - babies) < 3.5 * error[0]
    assert abs(counts[0][1:].sum() - others) < 3.5 * error[1]
    assert counts[1][0] < 0.97 * counts[0][0]
