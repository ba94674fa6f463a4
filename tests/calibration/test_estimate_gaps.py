"""A year whose return is missing is not watched: neither its time nor its events count, and rates are not biased."""

from __future__ import annotations

import random

import numpy as np
import pytest

from abm.journey import JOURNEY
from abm.population import population_of
from abm.simulate import simulate
from calibration.estimate import estimate
from calibration.estimate_counts import count
from calibration.estimate_curves import CURVES, spells
from calibration.estimate_log import CARE, NEED, Columns, log_of, log_of_observed
from calibration.rates import read_rates
from calibration.returns import cin, ssda903
from calibration.returns.assemble import assemble
from calibration.returns.findings import Findings
from calibration.returns.synthetic import Stories
from calibration.returns.synthetic903 import write_ssda903
from calibration.returns.synthetic_cin import write_cin
from tests.abm.toys import busy_parameters, random_case, small_area
from tests.calibration.estimate_twin import slow_counts
from tests.calibration.returns.busy import in_time
from tests.calibration.test_estimate_counts import simulated

TABLES = JOURNEY.tables
IN_CARE = np.array([s.stage == "care" for s in JOURNEY.states])
EXITS = TABLES.weekly & IN_CARE[TABLES.source] & ~IN_CARE[TABLES.target]
PLANS = np.array([s.key in ("in_need", "protected") for s in JOURNEY.states])
OF_PLANS = TABLES.weekly & PLANS[TABLES.source]


@pytest.mark.parametrize("number", range(20))
def test_counts_with_gaps_are_those_of_every_child_and_week(number):
    rng = random.Random(1_000 + number)
    case = random_case(rng)
    run = simulated(case)
    n, gaps = len(case.population), []
    for by in (NEED, CARE):
        begin = rng.randrange(case.n_weeks)
        gaps.append((by, begin, begin + rng.randint(1, 1 + case.n_weeks // 3)))
    log = log_of(
        case.journey, case.population, run.rows, case.n_weeks, observed=True, gaps=tuple(gaps),
        sees=np.array([rng.choice([1, 2, 3]) for _ in range(n)]),
        inferred=np.array([rng.random() < 0.3 for _ in range(run.rows.child.size)], bool),
    )  # fmt: skip
    found, (exposure, events) = count(log), slow_counts(log)
    np.testing.assert_array_equal(found.exposure, exposure)
    np.testing.assert_array_equal(found.events, events)
    # Whoever counts what is told of these weeks counts something else.
    assert number or not np.array_equal(events, slow_counts(log, gaps_ignored=True)[1])


def test_a_spell_over_a_gap_is_censored_before_it_and_enters_late_after_it():
    foster = JOURNEY.state_index["foster"]
    home = next(e for e in JOURNEY.edges_of("returned_home_planned") if TABLES.source[e] == foster)
    population = population_of(birth_week=[-400, -400, -400], state=[foster] * 3, since_week=[-10] * 3)
    rows = Columns(*(np.array(x) for x in ([0, 1], [20, 110], [0, 0], [home, home])))
    log = log_of(JOURNEY, population, rows, 156, observed=True, gaps=((CARE, 52, 104),))
    found = spells(log, CURVES[0])
    told = sorted(zip(found.entry.tolist(), found.end.tolist(), found.way.tolist(), strict=True))
    assert told == [(9, 30, 1), (9, 61, 0), (9, 61, 0), (113, 120, 1), (113, 165, 0)]


def read(write, reads, folder, without=()):
    """Return the log of the files of one return, without those of some years."""
    kept = [p for p in sorted(folder.iterdir()) if not any(str(year) in p.name for year in without)]
    findings = Findings()
    tables = reads(kept, findings)
    told = assemble(*((tables, None) if write is write_ssda903 else (None, tables)), findings)
    return log_of_observed(told), told


@pytest.mark.parametrize(
    ("write", "reads", "edges", "by"),
    [(write_ssda903, ssda903.read_care, EXITS, CARE), (write_cin, cin.read_cin, OF_PLANS, NEED)],
    ids=["SSDA903", "CIN Census"],
)
def test_a_missing_year_does_not_bias_rates(write, reads, edges, by, tmp_path):
    run = simulate(small_area(6_000, 208), in_time(busy_parameters(), 8), 3, JOURNEY)
    write(Stories.of_run(run), tmp_path)
    first = Stories.of_run(run).years[0]
    whole, _ = read(write, reads, tmp_path)
    log, told = read(write, reads, tmp_path, without=[first + 1])
    assert log.gaps == ((by, 52, 104),)
    book, states = read_rates(JOURNEY), np.unique(TABLES.source[edges])

    def rate(of, weeks):
        found = estimate(of, book, weeks=weeks)
        return found.events[edges].sum(), found.exposure[states].sum() / 52

    assert rate(log, (52, 104)) == (0, 0)
    # Before the gap nothing is lost and nothing added: no case is closed on its eve.
    assert rate(log, (0, 52)) == pytest.approx(rate(whole, (0, 52)), rel=0.003)
    events, years = rate(log, (104, 208))
    all_events, all_years = rate(whole, (104, 208))
    assert 0.7 * all_events < events <= all_events
    assert events / years == pytest.approx(all_events / all_years, rel=0.08)
    # Had the year counted, children would be at risk in it and few of them left: the mutant.
    events, years = rate(log, None)
    told_anyway = estimate(log_of(
        JOURNEY, told.population, told.rows, told.n_weeks, seen_from=told.seen_from, seen_to=told.seen_to,
        since_known=told.clock_known, sees=told.sees, inferred=told.inferred, observed=True,
    ), book)  # fmt: skip
    biased = told_anyway.events[edges].sum() / (told_anyway.exposure[states].sum() / 52)
    all_events, all_years = rate(whole, None)
    assert events / years == pytest.approx(all_events / all_years, rel=0.06)
    assert abs(biased / (all_events / all_years) - 1) > 0.1
