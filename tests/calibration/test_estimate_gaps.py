"""A year whose return is missing is not watched: neither its time nor its events count, and rates are not biased."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from abm.journey import JOURNEY
from abm.parameters import Parameters
from abm.pathway import N_GROUPS
from abm.population import population_of
from abm.simulate import simulate
from calibration.estimate_counts import count, grouping
from calibration.estimate_hazards import rates
from calibration.estimate_log import CARE, NEED, Columns, Log, log_of, log_of_observed
from calibration.estimate_spells import CURVES, spells
from calibration.returns import cin, ssda903
from calibration.returns.assemble import Link, Observed, assemble
from calibration.returns.findings import Findings
from calibration.returns.synthetic import Stories
from calibration.returns.synthetic903 import write_ssda903
from calibration.returns.synthetic_cin import write_cin
from tests.abm.toys import random_case, small_area
from tests.calibration.estimate_twin import slow_counts
from tests.calibration.returns.busy import in_time
from tests.calibration.test_estimate_counts import simulated
from tests.calibration.test_estimate_round_trip import taken

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
    assert number != 1 or not np.array_equal(exposure, slow_counts(log, still_at_home=True)[0])


def test_a_spell_over_a_gap_is_censored_before_it_and_enters_late_after_it():
    foster = JOURNEY.state_index["foster"]
    home = next(e for e in JOURNEY.edges_of("returned_home_planned") if TABLES.source[e] == foster)
    population = population_of(birth_week=[-400, -400, -400], state=[foster] * 3, since_week=[-10] * 3)
    rows = Columns(*(np.array(x) for x in ([0, 1], [20, 110], [0, 0], [home, home])))
    log = log_of(JOURNEY, population, rows, 156, observed=True, gaps=((CARE, 52, 104),))
    found = spells(log, CURVES[0])
    told = sorted(zip(found.entry.tolist(), found.end.tolist(), found.way.tolist(), strict=True))
    assert told == [(9, 30, 1), (9, 61, 0), (9, 61, 0), (113, 120, 1), (113, 165, 0)]


def test_who_was_home_from_care_before_a_gap_is_watched_again_when_seen_again():
    """Home since week 10; back in care in week 120, home again in week 130. Weeks 11 to 51 and 131 to 155 count."""
    reunified, foster, entering = (JOURNEY.state_index[key] for key in ("reunified", "foster", "entering_care"))
    home = next(e for e in JOURNEY.edges_of("returned_home_planned") if TABLES.source[e] == foster)
    (back,) = JOURNEY.edges_of("came_back_into_care")
    first = next(e for e in JOURNEY.edges_of("placed_with_foster_carers") if TABLES.source[e] == entering)
    population = population_of(birth_week=[-400], state=[foster], since_week=[-10])
    rows = Columns(*(np.array(x) for x in ([0] * 4, [10, 120, 120, 130], [0, 0, 1, 0], [home, back, first, home])))
    log = log_of(JOURNEY, population, rows, 156, observed=True, gaps=((CARE, 52, 104),))
    found = count(log)
    assert found.exposure[reunified].sum() == 41 + 25
    assert (found.exposure[foster].sum(), found.events[home].sum()) == (11 + 10, 2)
    assert found.events[back].sum() == 0
    assert found.left_out["of children at home since before a year of which no return was read"] == 1
    curve = next(curve for curve in CURVES if curve.key == "to_return_to_care")
    told = spells(log, curve)
    assert sorted(zip(told.entry.tolist(), told.end.tolist(), told.way.tolist(), strict=True)) == [
        (0, 25, 0), (0, 41, 0)
    ]  # fmt: skip


def flat() -> Parameters:
    """Rates by edge and band, the same for all groups: so estimates without risk classes have one true value each.

    Nothing that returns tell as something else happens: no early help, no pre-proceedings.
    """
    rng = np.random.default_rng(7)
    per_year = np.repeat(rng.uniform(0.2, 2.0, (TABLES.n_edges, 1, TABLES.max_bands)), N_GROUPS, axis=1)
    per_year[JOURNEY.edges_of("was_referred")] *= 0.4
    per_year[JOURNEY.edges_of("passed_to_early_help", "stepped_down_to_early_help", "pre_proceedings_began")] = 0
    settled, back = JOURNEY.edges_of("settled_at_home"), JOURNEY.edges_of("came_back_into_care")
    six_years = len(JOURNEY.states[JOURNEY.state_index["reunified"]].bands) - 1
    per_year[settled], per_year[back, :, six_years] = 0, 0
    per_year[settled, :, six_years] = np.inf
    return in_time(Parameters(per_year, np.ones((4, len(JOURNEY.transitions)))), 8)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Four years of a made-up area as files of both returns, in a folder for each."""
    stories = Stories.of_run(simulate(small_area(6_000, 208), flat(), 1, JOURNEY))
    folder = tmp_path_factory.mktemp("returns")
    for write, name in ((write_ssda903, "care"), (write_cin, "need")):
        (folder / name).mkdir()
        write(stories, folder / name)
    return folder, stories.years[0] + 1


def read(written, care: str = "", need: str = "") -> Observed:
    """Return the log of the returns named "whole" or "lacking", of which the files of the second year are left out."""
    (folder, missing), findings, tables = written, Findings(), []
    for name, kind, reads in (("care", care, ssda903.read_care), ("need", need, cin.read_cin)):
        files = [p for p in sorted((folder / name).iterdir()) if kind == "whole" or str(missing) not in p.name]
        tables.append(reads(files, findings) if kind else None)
    return assemble(*tables, findings, link=Link() if care and need else None)


@pytest.mark.parametrize(
    ("which", "edges", "by"), [("care", EXITS, CARE), ("need", OF_PLANS, NEED)], ids=["SSDA903", "CIN Census"]
)
def test_a_missing_year_does_not_bias_rates(written, which, edges, by):
    whole, told = (log_of_observed(read(written, **{which: kind})) for kind in ("whole", "lacking"))
    assert told.gaps == ((by, 52, 104),)
    states = np.unique(TABLES.source[edges])

    def rate(of, weeks):
        found = count(of, weeks)
        return found.events[edges].sum(), found.exposure[states].sum() / 52

    assert rate(told, (52, 104)) == (0, 0)
    # Before the gap nothing is lost and nothing added: no case is closed on its eve.
    assert rate(told, (0, 52)) == pytest.approx(rate(whole, (0, 52)), rel=0.003)
    events, years = rate(told, (104, 208))
    all_events, all_years = rate(whole, (104, 208))
    assert 0.7 * all_events < events <= all_events
    assert events / years == pytest.approx(all_events / all_years, rel=0.08)
    # Had the year counted, children would be at risk in it and few of them left: the mutant.
    events, years = rate(told, None)
    told_anyway, at_risk = rate(replace(told, gaps=()), None)
    biased = told_anyway / at_risk
    all_events, all_years = rate(whole, None)
    assert events / years == pytest.approx(all_events / all_years, rel=0.06)
    assert abs(biased / (all_events / all_years) - 1) > 0.1


def held(told: Observed) -> tuple[float, int, float, str]:
    """Return the share of 95% intervals that hold the true rate, their number, and the edge furthest from its rates.

    Cells count in which five events are expected at the true rates and the child-weeks there were. How far: events less
    those expected, over the root of these, and the name of the edge.
    """
    log, true, groups = log_of_observed(told), flat().rates, grouping(risk_known=False)
    counted = count(log)
    exposure, events = groups.pooled(counted.exposure), groups.pooled(counted.events)
    found = rates(JOURNEY, exposure, events, unseen=log.unseen_edges)
    first = np.array([np.flatnonzero(groups.of == g)[0] for g in range(groups.size)])
    expected, known = exposure[TABLES.source] * taken(JOURNEY, true)[:, first], np.isfinite(found.value)
    cells = TABLES.weekly[:, None, None] & (expected >= 5)
    inside = (found.low <= true[:, first]) & (true[:, first] <= found.high)
    seen, due = ((x * known).sum(axis=(1, 2)) for x in (events, np.nan_to_num(expected)))
    far = np.where(TABLES.weekly & (due > 20), (seen - due) / np.sqrt(np.maximum(due, 1)), 0.0)
    worst = int(np.abs(far).argmax())
    name = JOURNEY.transitions[TABLES.transition[worst]].key
    return (inside & cells).sum() / cells.sum(), int(cells.sum()), float(far[worst]), name


@pytest.mark.parametrize("care", ["lacking", "whole"])
def test_intervals_hold_where_a_year_is_missing(written, care, monkeypatch):
    """Both returns, linked, one of them without its second year; with another seed this fails once in about 200.

    More than 450 intervals (one standard error: a point) and some 97 edges, of which none is 4.4 errors away. Whoever
    takes children to have been at home throughout the year finds too few of them coming back into care: some had come
    and gone, and are home for a shorter time than it seems, or with special guardians.
    """
    told = read(written, care=care, need="whole" if care == "lacking" else "lacking")
    share, cells, far, _ = held(told)
    assert cells > 450
    assert share > 0.92
    assert abs(far) < 4.4
    if care == "lacking":
        monkeypatch.setattr(Log, "lost_in_gap", lambda *a: np.zeros(a[-1].shape, bool))
        _, _, far, name = held(told)
        assert (far < -4.4, name) == (True, "came_back_into_care")
