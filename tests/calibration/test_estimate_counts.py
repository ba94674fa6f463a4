"""Child-weeks and events are those that one counts child by child and week by week; their sums are those of the run."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from abm.errors import CareError
from abm.events import Rows
from abm.journey import JOURNEY
from abm.pathway import N_GROUPS
from abm.population import population_of
from abm.simulate import simulate
from calibration.estimate_counts import count, grouping, stays
from calibration.estimate_log import Columns, log_of, log_of_run
from tests.abm.toys import THREE, busy_parameters, empty_scenario, parameters_of, random_case, rates_of, small_area
from tests.calibration.estimate_twin import slow_counts


def simulated(case):
    return simulate(
        empty_scenario(case.n_weeks), case.parameters, case.seed, case.journey, population=case.population
    )  # fmt: skip


def columns(rows: list[tuple[int, int, int, int]]) -> Columns:
    """Rows of (child, week, step, edge)."""
    child, week, step, edge = (
        (np.array(column) for column in zip(*rows, strict=True)) if rows else [np.zeros(0, int)] * 4
    )
    return Columns(child, week, step, edge)


def same(found, expected):
    np.testing.assert_array_equal(found.exposure, expected[0])
    np.testing.assert_array_equal(found.events, expected[1])


@pytest.mark.parametrize("number", range(40))
def test_counts_are_those_of_every_child_and_week(number):
    rng = random.Random(number)
    case = random_case(rng)
    run = simulated(case)
    full = log_of_run(run)
    same(count(full), slow_counts(full))
    n = len(full)
    seen_from = np.array([rng.choice([0, 0, rng.randrange(case.n_weeks)]) for _ in range(n)])
    log = log_of(
        case.journey, case.population, run.rows, case.n_weeks, seen_from=seen_from,
        seen_to=np.array([rng.randint(0, case.n_weeks) for _ in range(n)]),
        since_known=np.array([rng.random() < 0.7 for _ in range(n)]),
        sees=np.array([rng.choice([1, 2, 3]) for _ in range(n)]),
        inferred=np.array([rng.random() < 0.2 for _ in range(run.rows.child.size)], bool), observed=rng.random() < 0.7,
    )  # fmt: skip
    same(count(log), slow_counts(log))


def test_counts_of_the_declared_journey_with_stays_within_a_week():
    """Events of random weeks, several in one week as returns have them: they chain, but no simulation made them."""
    rng = random.Random(5)
    tables, rows = JOURNEY.tables, []
    states = rng.choices([s for s in range(tables.n_states) if not tables.at_once[s] and s != 0], k=60)
    for child, state in enumerate(states):
        at, week = state, 0
        for _ in range(rng.randint(0, 12)):
            edges = [e for e in range(tables.first[at], tables.first[at + 1]) if tables.weekly[e] or tables.outcome[e]]
            if not edges:
                break
            week += 0 if tables.at_once[at] else rng.choice([0, 0, 1, 2, 9, 30])
            edge = rng.choice(edges)
            rows.append((child, week, edge))
            at = int(tables.target[edge])
    step: dict[tuple[int, int], int] = {}
    full = []
    for child, week, edge in rows:
        full.append((child, week, step.get((child, week), 0), edge))
        step[child, week] = step.get((child, week), 0) + 1
    full.sort(key=lambda row: (row[1], row[0], row[2]))
    population = population_of(
        birth_week=[rng.randint(-900, 5) for _ in states], state=states,
        since_week=[-rng.randint(1, 60) for _ in states],
        history=[rng.randint(0, 2) for _ in states], uasc=[rng.random() < 0.2 for _ in states],
    )  # fmt: skip
    for observed in (False, True):
        log = log_of(
            JOURNEY, population, columns(full), 200, observed=observed,
            sees=np.array([rng.choice([1, 2, 3]) for _ in states]),
            inferred=np.array([rng.random() < 0.3 for _ in full]),
        )  # fmt: skip
        assert (log.step > 0).sum() > 30
        same(count(log), slow_counts(log))
        parts = [count(log, weeks=(a, b)) for a, b in ((0, 52), (52, 104), (104, 200))]
        whole = count(log)
        assert sum(p.exposure[tables.source[tables.weekly]].sum() for p in parts) == (
            whole.exposure[tables.source[tables.weekly]].sum()
        )
        assert sum(p.events[tables.weekly].sum() for p in parts) == whole.events[tables.weekly].sum()


def test_a_childs_weeks_by_hand():
    """At home from week 0 to the referral in week 3, helped from week 4 to week 9, at home again, moves away in 12."""
    edge = THREE.edge
    rows = [
        (0, 3, 0, edge("was_asked", "at_home")), (0, 3, 1, edge("help_began", "asked")),
        (0, 9, 0, edge("help_ended", "helped")), (0, 12, 0, edge("moved_away", "at_home")),
    ]  # fmt: skip
    population = population_of(birth_week=[-60], state=[THREE.state_index["at_home"]], since_week=[-60])
    found = count(log_of(THREE, population, columns(rows), 20))
    home, asked, helped = (THREE.state_index[key] for key in ("at_home", "asked", "helped"))
    groups = found.exposure.sum(axis=2)
    # Weeks 0 to 3 with no history, the fourth is the week of the referral; then weeks 10 and 11, after it.
    assert [int(groups[home, 12 * 1 + h].sum()) for h in (0, 1)] == [4, 2]
    # Weeks 4 and 5 are the first two on a plan, 6 to 9 those of two weeks and more.
    assert found.exposure[helped].sum(axis=0).tolist() == [2, 4]
    assert found.events[edge("help_ended", "helped")].sum(axis=0).tolist() == [0, 1]
    # The outcome is of a child without history: the week began so.
    assert int(found.exposure[asked, 12, 0]) == int(found.events[edge("help_began", "asked"), 12, 0]) == 1
    assert found.left_out == {}

    seen_later = log_of(THREE, population, columns(rows), 20, seen_from=np.array([5]), seen_to=np.array([9]))
    late = count(seen_later)
    assert late.exposure[helped].sum(axis=0).tolist() == [1, 3]
    assert late.events.sum() == 0

    unknown = log_of(THREE, population, columns(rows), 20, since_known=np.array([False]))
    assert count(unknown).left_out == {"before it is known when the child's clock began": 1}
    assert count(unknown).exposure[home].sum() == 2


def test_weeks_at_risk_are_the_stocks_of_the_week_before_less_planned_events():
    run = simulate(small_area(2_000, 260), busy_parameters(), 3, JOURNEY)
    tables, found = JOURNEY.tables, count(log_of_run(run))
    planned = np.zeros_like(run.stocks)
    for e in np.flatnonzero(~tables.weekly & ~tables.outcome):
        planned[:, tables.source[e]] += run.flows[:, e]
    started = np.bincount(run.population.state, minlength=tables.n_states)
    before = np.vstack([started, run.stocks[:-1]])
    for s in range(tables.n_states):
        if tables.weekly[tables.first[s] : tables.first[s + 1]].any():
            assert found.exposure[s].sum() == (before - planned)[:, s].sum(), JOURNEY.states[s].key
    counted = tables.weekly | tables.outcome
    np.testing.assert_array_equal(found.events.sum(axis=(1, 2))[counted], run.flows.sum(axis=0)[counted])


def test_pooled_groups_add_up_and_are_named():
    run = simulate(small_area(500, 52), busy_parameters(), 3, JOURNEY)
    found, groups = count(log_of_run(run)), grouping(risk_known=False)
    pooled = groups.pooled(found.exposure)
    assert groups.labels[1 + 3 * 4] == "16-17, referred before"
    assert groups.labels[-1] == "unaccompanied, 16-17"
    np.testing.assert_array_equal(pooled.sum(axis=1), found.exposure.sum(axis=1))
    young = found.exposure[:, [2, 5, 8, 11]].sum(axis=1)
    np.testing.assert_array_equal(pooled[:, 2], young)
    assert grouping(risk_known=True).size == N_GROUPS
    assert len(set(grouping(risk_known=True).labels)) == N_GROUPS


def test_what_is_no_log_is_refused():
    population = population_of(state=[1, 1])
    asked, begun = THREE.edge("was_asked", "at_home"), THREE.edge("help_began", "asked")
    for rows, words in (
        ([(0, 1, 0, begun)], "does not begin in the state"),
        ([(0, 5, 0, asked), (0, 4, 0, begun)], "order"),
        ([(2, 1, 0, asked)], "'child'"),
        ([(0, 1, 0, 99)], "'edge'"),
        ([(0, 40, 0, asked)], "weeks 0 to 9"),
    ):
        with pytest.raises(CareError, match=words):
            stays(log_of(THREE, population, columns(rows), 10))
    with pytest.raises(CareError, match="seen_from"):
        log_of(THREE, population, columns([]), 10, seen_from=np.zeros(3))
    run = simulate(
        empty_scenario(5), parameters_of(THREE, rates_of(THREE)), 1, THREE, population=population, log=False
    )  # fmt: skip
    with pytest.raises(CareError, match="not kept"):
        log_of_run(run)


def test_children_of_whom_nothing_was_known_add_no_time_at_home():
    """In a log of returns a child at home without history is there because it was referred: its time is no measure."""
    population = population_of(state=[THREE.state_index["at_home"]] * 2, history=[0, 1], since_week=[-9, -9])
    log = log_of(THREE, population, columns([]), 10, observed=True)
    home = THREE.state_index["at_home"]
    assert count(log).exposure[home].sum() == 10
    assert count(replace(log, everyone=True)).exposure[home].sum() == 20


def test_a_log_without_events_or_children():
    nobody = population_of(child=np.zeros(0, np.int32))
    empty = Rows(*(np.zeros(0, kind) for kind in ("i4", "i2", "u1", "u2", "u8", "u4", "u1")))
    found = count(log_of(THREE, nobody, empty, 10))
    assert found.exposure.sum() == found.events.sum() == 0
