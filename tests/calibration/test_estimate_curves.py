"""Curves: against lifelines as it stands, against closed forms, and against spells found child by child."""

from __future__ import annotations

import builtins
import random

import numpy as np
import polars as pl
import pytest

from abm.errors import CareError
from abm.journey import JOURNEY
from abm.population import population_of
from abm.simulate import simulate
from calibration.estimate_curves import (
    COLUMNS,
    FEWEST_AT_RISK,
    FEWEST_EVENTS,
    STILL,
    _incidence,
    curve_frame,
    curves,
)
from calibration.estimate_log import Columns, log_of, log_of_run
from calibration.estimate_spells import CURVES, Curve, Spells, spells
from tests.abm.toys import busy_parameters, empty_scenario, parameters_of, small_area
from tests.calibration.estimate_twin import COMPETING, by_child

lifelines = pytest.importorskip("lifelines")
WAYS = Curve("toy", "A toy", ("helped",), ("helped",), (("one", ("help_ended",)), ("two", ("left",))))


def some_spells(seed: int, n: int = 400, late: float = 0.4) -> Spells:
    """Spells of random lengths; some came into sight late, some were censored."""
    rng = np.random.default_rng(seed)
    length, way = rng.geometric(0.08, n), rng.choice([1, 2], n, p=[0.7, 0.3])
    entry = np.where(rng.random(n) < late, rng.integers(1, 15, n), 0)
    last = rng.integers(5, 60, n)
    end, way = np.minimum(length, last), np.where(length <= last, way, 0)
    seen = end > entry
    return Spells(entry[seen], end[seen], way[seen])


def test_the_share_still_there_is_that_of_lifelines_child_by_child():
    found = some_spells(1)
    frame = curve_frame(WAYS, found).filter(series=STILL)
    fitter = lifelines.KaplanMeierFitter()
    fitter.fit(found.end, found.way > 0, entry=np.where(found.entry > 0, found.entry + 0.5, 0))
    at = frame["week"].to_numpy()
    np.testing.assert_allclose(frame["share"], fitter.survival_function_at_times(at), rtol=1e-12)
    bounds = fitter.confidence_interval_.loc[at[1:]].to_numpy()
    np.testing.assert_allclose(frame["low"][1:], bounds[:, 0], rtol=1e-9)
    np.testing.assert_allclose(frame["high"][1:], bounds[:, 1], rtol=1e-9)
    # And both are the product by hand: at risk are those who came into sight in an earlier week and are still there.
    share = 1.0
    for week in range(1, int(at.max()) + 1):
        at_risk = ((found.entry < week) & (found.end >= week)).sum()
        share *= 1 - ((found.end == week) & (found.way > 0)).sum() / at_risk
        if week in at:
            assert frame.filter(week=week)["share"][0] == pytest.approx(share, rel=1e-12)
            assert frame.filter(week=week)["at_risk"][0] == at_risk


def test_the_share_that_left_in_each_way_is_that_of_lifelines():
    """lifelines needs events of several ways at different times: within a week they are put apart, in any order."""
    found = some_spells(2)
    frame = curve_frame(WAYS, found)
    apart = found.end - np.where(found.way > 0, found.way / 8, 0.0)
    for number, name in ((1, "one"), (2, "two")):
        fitter = lifelines.AalenJohansenFitter(calculate_variance=False)
        fitter.fit(apart, found.way, event_of_interest=number, entry=np.where(found.entry > 0, found.entry + 0.5, 0))
        theirs = fitter.cumulative_density_.iloc[:, 0]
        mine = frame.filter(series=name)
        for week, share in mine.select("week", "share").iter_rows():
            assert share == pytest.approx(float(theirs[theirs.index <= week].iloc[-1]), rel=1e-9, abs=1e-15)
    by_20 = frame.filter(frame["week"] <= 20)
    last = [by_20.filter(series=name)["share"][-1] for name in (STILL, "one", "two")]
    assert sum(last) == pytest.approx(1.0, rel=1e-12)


def test_errors_of_each_way_are_those_of_lifelines():
    """Where no two children leave in one week nothing is put apart, and lifelines works out its errors as it stands."""
    rng = np.random.default_rng(3)
    end = rng.permutation(np.arange(1, 121))
    way = rng.choice([0, 1, 2], 120, p=[0.2, 0.5, 0.3])
    fitter = lifelines.AalenJohansenFitter()
    fitter.fit(end, way, event_of_interest=1)
    at = np.arange(1.0, 121.0)
    n = np.array([(end >= week).sum() for week in at], float)
    d = np.array([((end == week) & (way > 0)).sum() for week in at], float)
    c = np.array([((end == week) & (way == 1)).sum() for week in at], float)
    with np.errstate(divide="ignore"):
        still = np.cumprod(1 - d / n)
    share, low, high = _incidence(n, d, c, still, 0.95)
    theirs = fitter.cumulative_density_.loc[at].to_numpy()[:, 0]
    np.testing.assert_allclose(share, theirs, rtol=1e-12, atol=1e-15)
    bounds = np.sort(fitter.confidence_interval_.loc[at].to_numpy(), axis=1)
    there = (share > 0) & (n > d)
    np.testing.assert_allclose(low[there], bounds[there, 0], rtol=1e-9)
    np.testing.assert_allclose(high[there], bounds[there, 1], rtol=1e-9)


# Closed forms, and what ignoring left truncation does -----------------------------------------------------------------

HELP, LEFT = 13.0, 5.0
"""Hazards per year of leaving the state `helped` in two ways; stays are geometric."""


@pytest.fixture(scope="module")
def watched():
    """Children in one state; half of them had been there for 5 to 40 weeks when the watch began, as survivors have."""
    rates = np.zeros((COMPETING.tables.n_edges, 62, COMPETING.tables.max_bands))
    rates[COMPETING.edge("help_ended", "helped")] = HELP
    rates[COMPETING.edge("left", "helped")] = LEFT
    n = 6000
    people = population_of(
        birth_week=np.full(n, -300), state=1, since_week=-1 - np.where(np.arange(n) % 2, np.arange(n) % 36 + 5, 0)
    )
    return log_of_run(
        simulate(empty_scenario(30), parameters_of(COMPETING, rates), 4, COMPETING, population=people)
    )  # fmt: skip


def test_constant_hazards_give_geometric_curves(watched):
    from abm.meanfield import competing

    found = spells(watched, WAYS)
    assert (found.entry > 0).sum() == 3000
    frame = curve_frame(WAYS, found)
    one, two = competing(-np.expm1(-np.array([HELP, LEFT]) / 52)[:, None])[:, 0]
    stay = 1 - one - two
    for week in (1, 4, 12, 25):
        row = frame.filter(series=STILL).filter(frame.filter(series=STILL)["week"] == week)
        assert row["low"][0] < stay**week < row["high"][0]
        for name, chance in (("one", one), ("two", two)):
            row = frame.filter(series=name).filter(frame.filter(series=name)["week"] == week)
            expected = chance * (1 - stay**week) / (1 - stay)
            assert row["share"][0] == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(3000))
            assert row["low"][0] < row["share"][0] < row["high"][0]


def test_ignoring_what_was_not_watched_makes_stays_look_far_too_long(watched):
    found = spells(watched, WAYS)
    stay = float(np.exp(-(HELP + LEFT) / 52)) ** 12
    right = curve_frame(WAYS, found).filter(series=STILL, week=12)["share"][0]
    wrong = curve_frame(WAYS, Spells(np.zeros_like(found.entry), found.end, found.way)).filter(series=STILL, week=12)
    assert right == pytest.approx(stay, abs=0.03)
    assert wrong["share"][0] > stay + 0.2
    # To leave out all who were there already is right, but spends half of the children.
    few = Spells(*(a[found.entry == 0] for a in (found.entry, found.end, found.way)))
    assert (
        curve_frame(WAYS, few).filter(series=STILL, week=12)["at_risk"][0]
        < (curve_frame(WAYS, found).filter(series=STILL, week=12)["at_risk"][0])
    )


def test_intervals_hold_the_share_as_often_as_they_say():
    """50 samples of 150 children, a third of them seen late: the interval at week 10 holds 95%, within 3 errors."""
    true = 0.92**10
    inside = 0
    for seed in range(50):
        frame = curve_frame(WAYS, some_spells(seed + 100, 150, 0.33)).filter(series=STILL)
        row = frame.filter(frame["week"] <= 10)
        inside += row["low"][-1] <= true <= row["high"][-1]
    assert inside >= 43


# Spells ---------------------------------------------------------------------------------------------------------------


def obvious_spells(log, curve):
    """Spells of a log, child by child and week by week: (entry, end, way), sorted."""
    tables, journey, out = log.journey.tables, log.journey, []
    names = [journey.transitions[t].key for t in tables.transition]
    for i, steps in enumerate(by_child(log)):
        rows = [(week, edge) for week, edge, _ in steps]
        at, history = int(log.state[i]), int(log.history[i])
        of_curve = journey.states[at].key in curve.states and history >= curve.history
        told = log.since_known[i] and journey.states[at].key in curve.told_by
        begin = int(log.since_week[i]) if told else None
        for week, edge in [*rows, (log.n_weeks, -1)]:
            way, planned = 0, False
            if edge >= 0:
                at, history = int(tables.target[edge]), max(history, int(tables.history[edge]))
                way = next((k for k, (_, keys) in enumerate(curve.ways, 1) if names[edge] in keys), 0)
                planned = way == 0 and not tables.weekly[edge]
            still = edge >= 0 and journey.states[at].key in curve.states and history >= curve.history
            if of_curve and not still and begin is not None:
                weeks = range(begin + 1, max(week, begin + 1) + (0 if planned else 1))
                seen = [w for w in weeks if log.seen_from[i] <= w < log.seen_to[i] and w < log.n_weeks]
                if seen and log.sees[i] & log.watched_by[journey.state_index[curve.told_by[0]]]:
                    ended = way if edge >= 0 and seen[-1] == max(week, begin + 1) else 0
                    out.append((max(seen[0] - 1 - begin, 0), seen[-1] - begin, ended))
            if not of_curve and still:
                begin = week
            of_curve = still
    return sorted(out)


def test_spells_are_those_of_every_child():
    rng = random.Random(8)
    run = simulate(small_area(500, 156), busy_parameters(), 6, JOURNEY)
    n = len(run.population)
    logs = [log_of_run(run)]
    logs.append(log_of(
        JOURNEY, run.population, run.rows, 156, seen_from=np.array([rng.choice([0, 30, 80]) for _ in range(n)]),
        seen_to=np.array([rng.choice([60, 156]) for _ in range(n)]),
        since_known=np.array([rng.random() < 0.5 for _ in range(n)]),
        sees=np.array([rng.choice([1, 2, 3]) for _ in range(n)]), observed=True,
    ))  # fmt: skip
    for log in logs:
        for curve in CURVES:
            found = spells(log, curve)
            mine = sorted(zip(found.entry.tolist(), found.end.tolist(), found.way.tolist(), strict=True))
            assert mine == obvious_spells(log, curve), curve.key
            assert len(mine) > 5


def test_time_in_care_goes_on_through_moves_and_ends_once():
    """Foster carers in week 2, a match in week 10, adopted in week 40: one spell of 38 weeks."""
    e = JOURNEY.edge
    steps = [
        (2, e("came_into_care", "protected")), (2, e("placed_with_foster_carers", "entering_care")),
        (10, e("matched_with_adopters", "foster")), (40, e("was_adopted", "placed_for_adoption")),
    ]  # fmt: skip
    rows = Columns(
        np.zeros(4, int), np.array([w for w, _ in steps]), np.array([0, 1, 0, 0]), np.array([x for _, x in steps])
    )
    log = log_of(
        JOURNEY, population_of(birth_week=[-50], state=[JOURNEY.state_index["protected"]], since_week=-9), rows, 60
    )
    care, plan = (next(c for c in CURVES if c.key == key) for key in ("in_care", "on_protection_plan"))
    found = spells(log, care)
    assert (found.entry.tolist(), found.end.tolist(), found.way.tolist()) == ([0], [38], [2])
    found = spells(log, plan)
    assert (found.entry.tolist(), found.end.tolist(), found.way.tolist()) == ([8], [11], [3])


def test_a_curve_ends_where_nobody_is_left_though_others_come_into_sight_later():
    """A small area: all who came left soon, and the rest are found much later in their stay."""
    early = [(0, week, 1) for week in range(1, 16)]
    for late in ([(30, 40 + week, 1) for week in range(12)], [(30, 40, 0)], [(15, 40, 1)] * 20, []):
        entry, end, way = (np.array(column) for column in zip(*early, *late, strict=True))
        frame = curve_frame(WAYS, Spells(entry, end, way)).filter(series=STILL)
        # 15 at risk in week 1, 10 in week 6, 9 in week 7.
        assert frame["week"].to_list() == [0, 1, 2, 3, 4, 5, 6]
        np.testing.assert_allclose(frame["share"], [1 - week / 15 for week in range(7)], rtol=1e-12)
    at_once = Spells(np.array([0] * 12 + [30] * 12), np.array([3] * 12 + [40] * 12), np.array([1] * 24))
    frame = curve_frame(WAYS, at_once).filter(series=STILL)
    assert frame.select("week", "share").rows() == [(0, 1.0), (3, 0.0)]


def test_every_way_out_is_a_transition_out_of_the_states():
    for curve in CURVES:
        for _, transitions in curve.ways:
            for key in transitions:
                if key not in ("grew_up", "left_care_at_18"):
                    sources = JOURNEY.transitions[JOURNEY.transition_index[key]].sources
                    assert set(sources) & set(curve.states), (curve.key, key)


# The table ------------------------------------------------------------------------------------------------------------


def test_curves_of_a_run_are_one_table_and_hide_small_numbers():
    log = log_of_run(simulate(small_area(3_000, 260), busy_parameters(), 6, JOURNEY))
    full, shown = curves(log), curves(log, hide=True)
    assert tuple(full.columns) == COLUMNS
    assert set(full["curve"]) == {c.key for c in CURVES}
    assert (full["at_risk"] >= FEWEST_AT_RISK).all()
    assert (full["low"] <= full["share"] + 1e-12).all()
    assert (full["share"] <= full["high"] + 1e-12).all()
    later = shown.filter(shown["week"] > 0)
    assert 50 < later.height < full.height
    assert (later["events"] >= FEWEST_EVENTS).all()
    assert (shown["at_risk"] % 10 == 0).all()
    assert (full.filter(full["week"] > 0)["events"] < FEWEST_EVENTS).any()
    # What is shown is what is there.
    both = later.join(full, on=["curve", "series", "week"], how="left", suffix="_full")
    np.testing.assert_allclose(both["share"], both["share_full"], atol=0.0005)


def test_a_log_that_watches_no_care_has_no_curves_of_care():
    run = simulate(small_area(900, 104), busy_parameters(), 6, JOURNEY)
    n = len(run.population)
    found = curves(log_of(JOURNEY, run.population, run.rows, 104, sees=np.ones(n), observed=True))
    assert set(found["curve"]) == {"on_protection_plan", "on_need_plan", "in_assessment", "to_referral_again"}
    nothing = curves(log_of(JOURNEY, run.population, run.rows, 104, sees=np.zeros(n), observed=True))
    assert (nothing.height, tuple(nothing.columns)) == (0, COLUMNS)


def test_without_lifelines_the_extra_is_named(monkeypatch):
    plain = builtins.__import__

    def refuse(name, *args, **more):
        if name == "lifelines":
            raise ImportError(name)
        return plain(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(CareError, match="lifelines") as told:
        curve_frame(WAYS, some_spells(1))
    assert "journeys-abm[fit]" in told.value.remedy


def test_rows_say_between_what_the_share_lies_up_to_the_next_one():
    """With hidden steps the true share of every week lies between `least` and `most`; to read `share` on is wrong."""
    found = some_spells(6, n=600)
    full, hidden = curve_frame(WAYS, found), curve_frame(WAYS, found, hide=True)
    assert full["least"].equals(full["share"], check_names=False)
    assert full["most"].equals(full["share"], check_names=False)
    differs = weeks = 0
    for name in hidden["series"].unique(maintain_order=True):
        true, rows = full.filter(series=name), hidden.filter(series=name)
        for row, until in zip(rows.rows(named=True), [*rows["week"][1:], None], strict=True):
            if until is None:
                assert None in (row["least"], row["most"])
                continue
            for week in range(row["week"], until):
                share = true.filter(pl.col("week") <= week)["share"][-1]
                assert row["least"] - 0.0005 <= share <= row["most"] + 0.0005, (name, week)
                differs += abs(share - row["share"]) > 0.01
                weeks += 1
    assert weeks > 30
    assert differs > 5
