"""Rates from returns: a simulated area written as SSDA903 and CIN Census files, read back, estimated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from abm.journey import JOURNEY
from abm.meanfield import competing
from abm.parameters import Parameters
from abm.simulate import simulate
from calibration.estimate import estimate
from calibration.estimate_curves import curves
from calibration.estimate_log import log_of, log_of_frames, log_of_observed
from calibration.rates import FIRST_RATES, read_rates
from calibration.returns import cin, ssda903
from calibration.returns.assemble import Link, assemble
from calibration.returns.findings import Findings
from calibration.returns.synthetic import Stories
from calibration.returns.synthetic903 import write_ssda903
from calibration.returns.synthetic_cin import write_cin
from tests.abm.toys import small_area
from tests.calibration.returns.busy import in_time

TABLES = JOURNEY.tables
KEYS = [JOURNEY.transitions[t].key for t in TABLES.transition]
STATES = [JOURNEY.states[s].key for s in TABLES.source]
MERGED = ("passed_to_early_help", "stepped_down_to_early_help", "needs_met_at_assessment", "child_in_need_plan_ended")
"""What ends in early help is told as a closure."""
NOT_SEEN = ("protected", "in_pre_proceedings", "receiving_early_help", "at_home")
"""Pre-proceedings are told as protection plans; at home, risk classes matter."""


def read_back(run, folder):
    for write, name in ((write_ssda903, "care"), (write_cin, "need")):
        (folder / name).mkdir(parents=True)
        write(Stories.of_run(run), folder / name)
    findings = Findings()
    care = ssda903.read_care(sorted((folder / "care").iterdir()), findings)
    return assemble(care, cin.read_cin(sorted((folder / "need").iterdir()), findings), findings, link=Link())


def first_rates():
    book = read_rates(JOURNEY, FIRST_RATES)
    return in_time(Parameters(book.rates(), np.ones((5, len(JOURNEY.transitions)))), 20)


def area(n_children: int, n_weeks: int):
    """A made-up area without children in supported accommodation on day one: of those under 16 no return tells it."""
    scenario = small_area(n_children, n_weeks)
    start = scenario.day_one
    here = start.state != JOURNEY.state_index["supported_accommodation"]
    chance, alone = (x * here / (x * here).sum(axis=-1, keepdims=True) for x in (start.chance, start.unaccompanied))
    return replace(scenario, day_one=replace(start, chance=chance, unaccompanied=alone))


def clean() -> np.ndarray:
    """Edges whose events and time returns show as they were."""
    seen = [k not in MERGED and s not in NOT_SEEN and k != "settled_at_home" for k, s in zip(KEYS, STATES, strict=True)]
    return np.array(seen) & TABLES.weekly


def test_what_returns_show_is_counted_as_in_the_run(tmp_path):
    parameters = first_rates()
    run = simulate(area(1_500, 104), parameters, 4, JOURNEY)
    told = read_back(run, tmp_path)
    log, book = log_of_observed(told), read_rates(JOURNEY)
    found, direct = estimate(log, book), estimate(
        log_of(JOURNEY, run.population, run.rows, 104, observed=True), book
    )  # fmt: skip
    for name in ("came_into_care", "child_in_need_plan_began", "child_protection_plan_began", "moved_to_foster_carers"):
        edges = [e for e in JOURNEY.edges_of(name) if clean()[e]]
        assert found.events[edges].sum() == direct.events[edges].sum() > 0, name
        mine, theirs = (x.exposure[TABLES.source[edges]].sum() for x in (found, direct))
        assert mine == pytest.approx(theirs, rel=0.15), name
    early = JOURNEY.edges_of("passed_to_early_help", "stepped_down_to_early_help", "pre_proceedings_began")
    assert np.isnan(found.rates.value[early]).all()
    # From the tables that are written it is the same log.
    again = log_of_frames(told.events, told.children, told.n_weeks, observed=True)
    np.testing.assert_array_equal(estimate(again, book).events, found.events)
    assert {"in_care", "on_need_plan", "in_assessment"} <= set(curves(log)["curve"])


@pytest.mark.slow
def test_intervals_from_returns_hold_the_rates(tmp_path):
    """Twelve areas of 20,000 children, three years; cells of five events to be expected whose rate has one value.

    Of some 1,050 intervals 93 to 97% must hold: three standard errors from 95%.
    """
    parameters = first_rates()
    true = parameters.rates
    chance = -np.expm1(-true / 52)
    taken = np.zeros_like(true)
    for s in range(TABLES.n_states):
        edges = [e for e in range(TABLES.first[s], TABLES.first[s + 1]) if TABLES.weekly[e]]
        if edges:
            taken[edges] = competing(chance[edges].reshape(len(edges), -1)).reshape(len(edges), *true.shape[1:])
    inside = cells = 0
    for seed in range(1, 13):
        run = simulate(area(20_000, 156), parameters, seed, JOURNEY)
        found = estimate(log_of_observed(read_back(run, tmp_path / str(seed))), read_rates(JOURNEY))
        groups = found.groups
        first = np.array([np.flatnonzero(groups.of == g)[0] for g in range(groups.size)])
        same = np.stack(
            [np.isclose(true[:, groups.of == g], true[:, first[g], None]).all(axis=1) for g in range(groups.size)],
            axis=1,
        )
        mine = clean()[:, None, None] & same & (found.exposure[TABLES.source] * taken[:, first] >= 5)
        good = (found.rates.low <= true[:, first]) & (true[:, first] <= found.rates.high)
        inside, cells = inside + int((good & mine).sum()), cells + int(mine.sum())
    assert cells > 900
    assert 0.93 < inside / cells < 0.97
