"""Who comes into care no more: entries fall as asked, the past is shared, and what it changes depends on who it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest

from abm.cohorts import columns_of
from abm.errors import CareError
from abm.family_life import FamilyLife
from abm.journey import JOURNEY
from abm.meanfield import MeanField
from abm.outputs import CARE, evaluate, output_named
from abm.parameters import Parameters
from abm.pathway import N_GROUPS
from abm.prepared import prepare
from abm.run import Run
from abm.scenario import Scenario
from abm.simulate import simulate
from abm.trajectory import run_columns
from calibration.fitted import SavedFit
from calibration.statistics import Statistics
from experiments import diversion as module
from experiments.diversion import ANYONE, LONG, SHORT, WHO, Diversion, divert, find_share
from experiments.diverted import (
    AS_BEFORE,
    HINDSIGHT,
    SYSTEM_DYNAMICS,
    Effects,
    classic_effect,
    compared,
    effects,
    futures,
    in_hindsight,
    stays_of,
)
from experiments.stays import ENTRY, fine_grid
from tests.experiments.conftest import quick_fit

FIRST_YEAR, START = 2023, 104
EDGES = JOURNEY.edges_of(ENTRY)


@dataclass(frozen=True)
class Case:
    """Blackpool's children under England's rates: every one of them, from April 2020 to March 2032."""

    fit: SavedFit
    scenario: Scenario
    parameters: Parameters
    diversions: dict[str, Diversion]


@pytest.fixture(scope="module")
def case(statistics: Statistics) -> Case:
    fit = quick_fit(statistics, fitted_to=2022, last_year=2032)
    scenario, parameters = replace(fit.fitted.scenario, sample=1), fit.fitted.parameters
    return Case(fit, scenario, parameters, divert(scenario, parameters, FIRST_YEAR))


@pytest.fixture(scope="module")
def simulated(case: Case) -> Effects:
    return effects(case.scenario, case.parameters, case.diversions, range(1, 9), workers=2)


@pytest.fixture(scope="module")
def one_seed(case: Case) -> dict[str, Run]:
    return futures(case.scenario, case.parameters, case.diversions, 5)


# --- what must hold, and what mutants must break ----------------------------------------------------------------------


def entries_fall_as_asked(diversions: Mapping[str, Diversion], scenario: Scenario, parameters: Parameters) -> None:
    """In one go over all years, not year by year as they were found."""
    field = MeanField(JOURNEY, fine_grid(JOURNEY))
    columns = columns_of(scenario, field, block=52)
    counted = {}
    for name, prepared in {"": prepare(parameters, JOURNEY), **{n: d.prepared for n, d in diversions.items()}}.items():
        flows = run_columns(field, prepared.thresholds, columns, scenario.n_weeks).flows
        counted[name] = flows[:, EDGES].sum(axis=1).reshape(-1, 52).sum(axis=1)
    for name, diversion in diversions.items():
        left = counted[name] / counted[""]
        begin = diversion.first_year - scenario.first_year
        assert (left[:begin] == 1).all()
        assert left[begin:] == pytest.approx(np.full(left[begin:].size, 1 - diversion.share), rel=0.001)


def shorter_stays_are_worth_less(change: Mapping[str, np.ndarray], years: tuple[int, ...]) -> None:
    for after in (5, 10):
        year = years.index(FIRST_YEAR + after - 1)
        short, anyone, long = (-change[who][year] for who in WHO)
        assert 0 < 1.15 * short < anyone
        assert 1.15 * anyone < long


def the_past_is_shared(runs: Mapping[str, Run]) -> None:
    usual = runs[AS_BEFORE].events.filter(pl.col("week") < START)
    assert usual.height > 10_000
    for run in runs.values():
        assert run.events.filter(pl.col("week") < START).equals(usual)


# --- who goes first ---------------------------------------------------------------------------------------------------


def test_groups_of_equal_stay_are_cut_together_and_the_last_one_in_part():
    stays = np.full(N_GROUPS, 5.0)
    stays[[3, 8]], stays[20] = 1.0, 9.0
    short, long = (module._tiers(kind, stays) for kind in (SHORT, LONG))
    assert [t.tolist() for t in (short[0], short[-1])] == [[3, 8], [20]]
    assert [t.tolist() for t in (long[0], long[-1])] == [[20], [3, 8]]
    assert len(short) == len(long) == 3
    weight = np.zeros(N_GROUPS)
    weight[[3, 8, 10, 20]] = 10.0, 30.0, 50.0, 10.0
    kept = module._kept(0.2, short, weight)
    assert kept[[3, 8]] == pytest.approx([0.5, 0.5])
    assert (np.delete(kept, [3, 8]) == 1).all()
    kept = module._kept(0.6, short, weight)
    assert kept[[3, 8, 10, 20]] == pytest.approx([0.0, 0.0, 0.6, 1.0], abs=1e-6)
    assert module._kept(0.2, module._tiers(ANYONE, stays), weight) == pytest.approx(np.full(N_GROUPS, 0.8), abs=1e-6)


@pytest.mark.parametrize("zero", [0.05, 0.2, 0.73])
def test_a_share_is_found(zero: float):
    asked = []

    def gap(x: float) -> tuple[float, float]:
        asked.append(x)
        return (zero - x) * (1 + 0.5 * (x > 0.4)) * 2 ** (zero - x), x

    at, slope, found = find_share(gap, 0.2, 1.25)
    assert found == at == asked[-1] == pytest.approx(zero, abs=1e-4)
    assert slope > 0
    assert len(asked) < 10


# --- the diversions ---------------------------------------------------------------------------------------------------


def test_every_year_a_fifth_fewer_are_expected_whoever_they_are(case: Case):
    assert list(case.diversions) == list(WHO)
    entries_fall_as_asked(case.diversions, case.scenario, case.parameters)
    for diversion in case.diversions.values():
        assert diversion.start_week == START
        assert diversion.expected[:2].tolist() == [1, 1]
        assert diversion.expected[2:] == pytest.approx(np.full(10, 0.8), rel=1e-4)


def test_unsolved_cuts_do_not_pass(case: Case, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "find_share", lambda gap, at, slope: (at, slope, gap(at)[1]))
    mutant = divert(replace(case.scenario, n_weeks=208), case.parameters, FIRST_YEAR, who=[ANYONE])
    with pytest.raises(AssertionError):
        entries_fall_as_asked(mutant, replace(case.scenario, n_weeks=208), case.parameters)


def test_nothing_but_coming_into_care_changes_and_nothing_before(case: Case):
    usual = prepare(case.parameters, JOURNEY).thresholds
    tables = JOURNEY.tables
    # The outcomes of a referral share what is left, so they move with it.
    referral = tables.source == JOURNEY.state_index["referred"]
    same = np.setdiff1d(np.flatnonzero(~referral), EDGES)
    for diversion in case.diversions.values():
        now = diversion.prepared.thresholds
        assert np.array_equal(now[:2], usual[:2])
        assert np.array_equal(now[:, same], usual[:, same])
        assert (now[:, EDGES] <= usual[:, EDGES]).all()
        assert (diversion.kept[:2] == 1).all()
        assert ((diversion.kept >= 0) & (diversion.kept <= 1)).all()


def test_those_who_would_stay_shortest_or_longest_go_first(case: Case):
    for who, sign in ((SHORT, 1), (LONG, -1)):
        diversion = case.diversions[who]
        for kept in diversion.kept[2:]:
            stays = sign * diversion.stays
            gone, part, left = kept == 0, (kept > 0) & (kept < 1), kept == 1
            assert gone.sum() > 10
            assert left.sum() > 10
            assert np.ptp(stays[part]) < 1e-6
            assert stays[gone].max() < stays[part].min()
            assert stays[part].max() < stays[left].min()
    ages = {who: case.diversions[who].by_age for who in WHO}
    assert ages[SHORT].filter(pl.col("entries_left") == 0)["age"].to_list() == ["16-17"]
    assert ages[LONG].filter(pl.col("entries_left") == 0)["age"].to_list() == ["5-9"]
    for table in ages.values():
        assert table["entries"].sum() == pytest.approx(case.diversions[SHORT].entries.sum(), rel=1e-6)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"share": 0.0}, "is not a share"),
        ({"share": 1.0}, "is not a share"),
        ({"share": float("nan")}, "is not a share"),
        ({"first_year": 2019}, "cannot begin in the year ending 31 March 2019"),
        ({"who": ["shrot"]}, "'shrot' does not say who"),
    ],
)
def test_what_cannot_be_is_refused(case: Case, asked: dict, message: str):
    with pytest.raises(CareError, match=message):
        divert(case.scenario, case.parameters, **{"first_year": FIRST_YEAR, **asked})


def test_with_families_it_is_refused(case: Case):
    with pytest.raises(CareError, match="without families"):
        divert(case.scenario, replace(case.parameters, families=FamilyLife()), FIRST_YEAR)


def test_where_nobody_comes_into_care_nobody_can_be_diverted(case: Case):
    rates = case.parameters.rates.copy()
    rates[EDGES] = 0
    short = replace(case.scenario, n_weeks=52)
    with pytest.raises(CareError, match="Nobody is expected to come into care in 2021"):
        divert(short, replace(case.parameters, rates=rates), 2021)


# --- what they change -------------------------------------------------------------------------------------------------


def test_futures_share_a_past_and_are_what_simulate_gives(case: Case, one_seed: dict[str, Run]):
    assert list(one_seed) == [AS_BEFORE, *WHO]
    the_past_is_shared(one_seed)
    usual = simulate(case.scenario, case.parameters, 5, JOURNEY)
    assert one_seed[AS_BEFORE].digest == usual.digest
    other = simulate(case.scenario, case.parameters, 5, JOURNEY, prepared=case.diversions[LONG].prepared)
    assert one_seed[LONG].digest == other.digest
    assert len({run.digest for run in one_seed.values()}) == 4


def test_a_diversion_that_begins_too_early_does_not_pass(case: Case):
    late = case.diversions[SHORT]
    thresholds = late.prepared.thresholds.copy()
    thresholds[1] = thresholds[2]
    early = replace(late, start_week=52, prepared=replace(late.prepared, thresholds=thresholds))
    runs = futures(case.scenario, case.parameters, {SHORT: early}, 5)
    with pytest.raises(AssertionError):
        the_past_is_shared(runs)


def test_nobody_comes_into_care_earlier_for_it(one_seed: dict[str, Run]):
    """The same luck, and a chance that is never larger: the first difference in a life is an entry that is not made.

    Or another outcome of a referral: what is left is shared by the others.
    """
    happened = ["child", "week", "step", "transition", "from_state", "to_state"]
    usual = one_seed[AS_BEFORE].events
    entry = JOURNEY.transition_index[ENTRY]
    for who in WHO:
        gone = usual.join(one_seed[who].events, on=happened, how="anti")
        came = one_seed[who].events.join(usual, on=happened, how="anti")
        first = gone.sort("child", "week", "step").group_by("child", maintain_order=True).first()
        assert first.height > 50
        referred = first["from_state"] == JOURNEY.state_index["referred"]
        assert ((first["transition"] == entry) | referred).all()
        assert (first["transition"] == entry).mean() > 0.9
        later = came.join(first.select("child", pl.col("week").alias("since")), on="child")
        assert later.height == came.height
        assert (later["week"] >= later["since"]).all()


def test_a_fifth_fewer_come_into_care_in_the_simulation_too(simulated: Effects):
    usual = simulated.entries[AS_BEFORE]
    for who in WHO:
        assert np.array_equal(simulated.entries[who][:, :2], usual[:, :2])
        off = (simulated.entries[who] - 0.8 * usual)[:, 2:].sum(axis=1)
        error = off.std(ddof=1) / np.sqrt(off.size)
        assert error < 0.02 * usual[:, 2:].sum(axis=1).mean()
        assert abs(off.mean()) < 4 * error


def test_the_longer_they_would_have_stayed_the_more_it_is_worth(case: Case, simulated: Effects):
    expected = {who: d.looked_after - d.usually for who, d in case.diversions.items()}
    shorter_stays_are_worth_less(expected, case.scenario.years)
    mean = {who: simulated.looked_after[who] - simulated.looked_after[AS_BEFORE] for who in WHO}
    shorter_stays_are_worth_less({who: m.mean(axis=0) for who, m in mean.items()}, case.scenario.years)
    for who in WHO:
        for after in (1, 2, 5, 10):
            year = FIRST_YEAR + after - 1
            change, error = simulated.change(who, year)
            assert abs(change - expected[who][case.scenario.years.index(year)]) < 4 * error + 1


def test_the_wrong_way_round_does_not_pass(case: Case):
    expected = {who: d.looked_after - d.usually for who, d in case.diversions.items()}
    expected[SHORT], expected[LONG] = expected[LONG], expected[SHORT]
    with pytest.raises(AssertionError):
        shorter_stays_are_worth_less(expected, case.scenario.years)
    with pytest.raises(AssertionError):
        shorter_stays_are_worth_less(dict.fromkeys(WHO, expected[ANYONE]), case.scenario.years)


def test_the_error_is_that_of_paired_differences(simulated: Effects):
    one, two = simulated.looked_after[LONG][:, -1], simulated.looked_after[AS_BEFORE][:, -1]
    change, error = simulated.change(LONG, 2032)
    assert change == pytest.approx(one.mean() - two.mean())
    assert error == pytest.approx(np.std(one - two, ddof=1) / 8**0.5)
    assert error < np.sqrt((one.var(ddof=1) + two.var(ddof=1)) / 8)


def test_runs_are_scaled_up_and_workers_change_nothing(case: Case):
    small = replace(case.scenario, sample=10, n_weeks=156)
    both = [effects(small, case.parameters, case.diversions, (3, 4), workers=w) for w in (1, 2)]
    for name in both[0].looked_after:
        assert np.array_equal(both[0].looked_after[name], both[1].looked_after[name])
        assert not (both[0].looked_after[name] % 10).any()
    runs = futures(small, case.parameters, case.diversions, 4)
    care = evaluate(output_named("cla_at_31_march"), JOURNEY, runs[LONG].stocks, runs[LONG].flows)
    assert both[0].looked_after[LONG][1].tolist() == (10 * care).tolist()


# --- system dynamics --------------------------------------------------------------------------------------------------


def test_system_dynamics_cannot_tell_who_it_is(case: Case):
    fit = replace(case.fit, fitted=replace(case.fit.fitted, scenario=case.scenario))
    by_who = [classic_effect(fit.fitted, fit.system, case.diversions[who].expected) for who in WHO]
    for found in by_who:
        assert found.usually == pytest.approx(fit.system.figures["cla_at_31_march"])
        assert found.entries[:2] == pytest.approx(found.usual_entries[:2])
        assert found.entries[2:] == pytest.approx(0.8 * found.usual_entries[2:], rel=1e-4)
        assert (found.looked_after[2:] < found.usually[2:] - 5).all()
        assert np.abs(found.looked_after - by_who[0].looked_after).max() < 0.02
    # Told of more children, it does give another answer.
    more = classic_effect(fit.fitted, fit.system, np.where(np.arange(12) < 2, 1, 0.7))
    assert more.looked_after[-1] < by_who[0].looked_after[-1] - 5


# --- in hindsight -----------------------------------------------------------------------------------------------------


def test_stays_are_read_from_the_log(one_seed: dict[str, Run]):
    run = one_seed[AS_BEFORE]
    states = [s.key for s in JOURNEY.states]
    entry = JOURNEY.transition_index[ENTRY]
    slow, since = [], {}
    for child, week, transition, before, after in run.events.select(
        "child", "week", "transition", "from_state", "to_state"
    ).iter_rows():
        if transition == entry:
            since[child] = len(slow)
            slow.append([week, 65_535])
        elif states[before] in CARE and states[after] not in CARE and child in since:
            slow[since.pop(child)][1] = week
    came, left = stays_of(run)
    assert np.stack([came, left], axis=1).tolist() == slow
    assert 0 < (left == 65_535).sum() < came.size


def test_without_the_stays_that_proved_shortest_or_longest(case: Case, one_seed: dict[str, Run]):
    run = one_seed[AS_BEFORE]
    came, left = stays_of(run)
    usual = evaluate(output_named("cla_at_31_march"), JOURNEY, run.stocks, run.flows)
    for who in (SHORT, LONG):
        gone = []
        for year in range(2, 12):
            mine = [
                (c, e) for c, e in zip(came.tolist(), left.tolist(), strict=True) if year * 52 <= c < year * 52 + 52
            ]
            mine.sort(key=lambda stay: stay[1] - stay[0] if stay[1] < 65_535 else 65_535)
            n = round(0.2 * len(mine))
            gone += mine[:n] if who == SHORT else mine[::-1][:n]
        ends = [52 * (year + 1) - 1 for year in range(12)]
        slow = [sum(c <= end < e for c, e in gone) for end in ends]
        found = in_hindsight(run, case.diversions[who])
        # Stays still open are all as long: which of them go may differ.
        near = 0 if who == SHORT else 4
        assert np.abs(usual - found - slow).max() <= near
        assert (usual - found)[:2].tolist() == [0, 0]


def test_knowing_each_child_would_show_more_than_groups_do(simulated: Effects):
    for after in (5, 10):
        year = FIRST_YEAR + after - 1
        change = {name: simulated.change(name, year)[0] for name in simulated.looked_after}
        assert change[HINDSIGHT[LONG]] < change[LONG] < change[SHORT] < change[HINDSIGHT[SHORT]] <= 0


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_table_has_what_it_says(case: Case, simulated: Effects):
    classic = classic_effect(case.fit.fitted, case.fit.system, case.diversions[ANYONE].expected)
    table = compared(simulated, classic)
    assert table["future"].unique(maintain_order=True).to_list() == [SYSTEM_DYNAMICS, *WHO, *HINDSIGHT.values()]
    row = table.row(by_predicate=(pl.col("future") == LONG) & (pl.col("after") == 5), named=True)
    assert row["year"] == 2027
    assert (row["change"], row["error"]) == simulated.change(LONG, 2027)
    assert row["percent"] == pytest.approx(100 * row["change"] / simulated.usual(2027))
    system = table.filter(pl.col("future") == SYSTEM_DYNAMICS)
    assert system["error"].null_count() == 4
    change = classic.looked_after - classic.usually
    assert system["change"].to_list() == pytest.approx([change[year] for year in (2, 3, 6, 11)])
    with pytest.raises(CareError, match="end 10 years after"):
        compared(simulated, classic, after=(11,))


def test_errors_need_runs_and_a_common_start(case: Case):
    with pytest.raises(CareError, match="needs several runs"):
        effects(case.scenario, case.parameters, case.diversions, [1])
    other = {**case.diversions, "later": replace(case.diversions[SHORT], first_year=2024, start_week=156)}
    for diversions in ({}, other):
        with pytest.raises(CareError, match="begin in the same year"):
            effects(case.scenario, case.parameters, diversions, [1, 2])
