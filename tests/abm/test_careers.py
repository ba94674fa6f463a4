"""Figures that follow children: logs made by hand, life tables worked by hand, and a slow twin on a simulated area."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from abm.careers import RETURN_WEEKS, back_in_care, distinct_children, ever_referred, figures_of, referrals_again
from abm.events import Rows, stocks_from_flows
from abm.journey import JOURNEY
from abm.kernels import edges_of
from abm.outputs import OUTPUTS, evaluate, output_named
from abm.parameters import CERTAIN
from abm.pathway import WEEKS_TO_18
from abm.population import Population, population_of
from abm.prepared import Prepared
from abm.run import Run
from abm.simulate import simulate
from tests.abm.toys import busy_parameters, empty_scenario, small_area

REFERRED = ("was_referred", "closed_with_no_further_action")
BACK = ("came_back_into_care", "placed_with_foster_carers")
HOME = ("returned_home_planned",)
IN_CARE = JOURNEY.state_index["foster"]
AT_HOME = JOURNEY.state_index["at_home"]


def run_of(people: Population, stories: dict[int, dict[int, tuple[str, ...]]], n_weeks: int, sample: int = 1) -> Run:
    """A run made by hand: for each child, what happened in which week, in order. It is checked as any other."""
    log = []
    for child, story in stories.items():
        at = int(people.state[child])
        for week, transitions in story.items():
            for step, transition in enumerate(transitions):
                edge = JOURNEY.edge(transition, JOURNEY.states[at].key)
                at = int(JOURNEY.tables.target[edge])
                log.append((week, child, step, edge))
    week, child, step, edge = np.array(sorted(log), int).reshape(-1, 4).T
    rows = Rows(
        child.astype(np.int32), week.astype(np.int16), step.astype(np.uint8), edge.astype(np.uint16),
        np.full(child.size, CERTAIN, np.uint64), np.zeros(child.size, np.uint32), np.zeros(child.size, np.uint8),
    )  # fmt: skip
    flows = np.zeros((n_weeks, JOURNEY.tables.n_edges), np.int64)
    np.add.at(flows, (week, edge), 1)
    prepared = Prepared(JOURNEY, edges_of(JOURNEY), np.zeros((1, 1, 1, 1), np.uint64))
    scenario = replace(empty_scenario(n_weeks), sample=sample)
    run = Run(scenario, 0, prepared, people, rows, stocks_from_flows(JOURNEY, people.state, flows), flows, "")
    run.check()
    return run


def children(n: int, state: int = AT_HOME, birth_week: int = -260, **more: object) -> Population:
    return population_of(birth_week=np.full(n, birth_week), state=state, **more)


# --- distinct children ------------------------------------------------------------------------------------------------


def test_a_child_counts_once_a_year_however_often_it_comes_and_goes():
    stories = {
        0: {3: HOME, 10: BACK, 20: HOME, 51: BACK, 52: HOME},  # twice in the first year, once in the second
        1: {51: HOME},
        2: {104: HOME},  # after the last whole year
    }
    run = run_of(children(3, IN_CARE), stories, 110)
    ceased, started = output_named("cla_ceased"), output_named("cla_started")
    assert distinct_children(run, ceased).tolist() == [2, 1]
    assert distinct_children(run, started).tolist() == [1, 0]
    assert evaluate(ceased, JOURNEY, run.stocks, run.flows).tolist() == [3, 1]
    figures = figures_of(run)
    assert figures["cla_ceased"].tolist() == [2, 1]
    assert figures["cla_ceased_home_planned"].tolist() == [2, 1]


def test_a_sample_is_scaled_up_but_its_percents_are_not():
    story = {0: {3: HOME, 60: BACK}, 1: {70: ("moved_to_childrens_home",)}}
    one, ten = (figures_of(run_of(children(2, IN_CARE), story, 104, sample)) for sample in (1, 10))
    assert one["cla_at_31_march"].tolist() == [1, 2]
    assert one["cla_foster_share"].tolist() == [100, 50]
    assert set(one) == {output.key for output in OUTPUTS} | {"rereferrals_within_12_months"}
    for key, value in one.items():
        percent = key.endswith("_share") or key == "rereferrals_within_12_months"
        np.testing.assert_array_equal(ten[key], value if percent else 10 * value)


def test_a_run_in_which_nothing_happens_has_every_figure():
    figures = figures_of(run_of(children(2), {}, 104))
    assert all(value.shape == (2,) for value in figures.values())
    assert figures["referrals"].tolist() == [0, 0]
    assert figures["rereferrals_within_12_months"].tolist()[1:] == [0]


# --- referrals again --------------------------------------------------------------------------------------------------


def test_a_referral_is_again_within_52_weeks_of_the_last_one_and_no_later():
    stories = {
        0: {60: REFERRED, 112: REFERRED},  # 52 weeks after: again
        1: {60: REFERRED, 113: REFERRED},  # 53 weeks after: not
        2: {104: REFERRED, 105: REFERRED, 107: REFERRED},  # the second and the third are
        3: {40: REFERRED, 60: REFERRED},  # the first lies in the year before
    }
    percent = referrals_again(run_of(children(4), stories, 156))
    assert np.isnan(percent[0])
    # The second year has 3 referrals, one of them again; the third has 5, three of them again.
    assert percent[1:].tolist() == pytest.approx([100 / 3, 60])


def test_a_referral_of_another_child_is_not_again():
    percent = referrals_again(run_of(children(2), {0: {60: REFERRED}, 1: {61: REFERRED}}, 104))
    assert percent[1] == 0


def test_a_year_that_is_not_whole_has_no_share():
    assert referrals_again(run_of(children(1), {0: {1: REFERRED, 80: REFERRED}}, 90)).shape == (1,)


# --- ways home and back -----------------------------------------------------------------------------------------------


def test_children_back_in_care_worked_by_hand():
    birth = np.full(6, -260)
    birth[2] = 30 - WEEKS_TO_18
    people = population_of(birth_week=birth, state=IN_CARE)
    stories = {
        0: {0: HOME, 10: BACK, 20: HOME, 50: BACK},  # two returns: back after 10 and after 30 weeks
        1: {0: HOME},  # still at home at the end: 103 weeks
        2: {0: HOME, 30: ("grew_up",)},  # 18 in the 30th week: 29 weeks in which a return to care could be seen
        3: {0: HOME, 40: BACK},
        4: {74: HOME},  # 29 weeks to the last week of the run
        5: {0: HOME, 15: ("settled_at_home",)},
    }
    found = back_in_care(run_of(people, stories, 104))
    # Of 7 returns one is over after 10 weeks; of the 3 that go on for 30 weeks one; of the 2 that go on for 40 one.
    assert found["3 months"] == (pytest.approx(100 * (1 - 6 / 7)), 7)
    assert found["1 year"] == (pytest.approx(100 * (1 - 6 / 7 * 2 / 3 * 1 / 2)), 7)
    assert found["6 years"] == found["1 year"]


def test_a_return_on_the_last_week_that_is_read_counts():
    stories = {0: {0: HOME, 13: BACK}, 1: {0: HOME, 52: BACK}, 2: {0: HOME, 53: BACK}}
    found = back_in_care(run_of(children(3, IN_CARE), stories, 104))
    assert [round(found[name][0], 6) for name in RETURN_WEEKS] == [
        round(100 / 3, 6), round(100 * 2 / 3, 6), 100.0
    ]  # fmt: skip


def test_nobody_went_home():
    assert back_in_care(run_of(children(1, IN_CARE), {}, 52)) == dict.fromkeys(RETURN_WEEKS, (0.0, 0))


def test_a_child_already_home_on_day_one_is_not_followed():
    people = children(1, JOURNEY.state_index["reunified"])
    assert back_in_care(run_of(people, {0: {5: BACK}}, 52))["1 year"] == (0.0, 0)


# --- ever referred ----------------------------------------------------------------------------------------------------


def test_the_life_table_worked_by_hand():
    # All are 5 years old on day one but the last two, one born in week 20, one who moves in at 17.
    edge = [-1] * 6 + [JOURNEY.edge("born", "elsewhere"), JOURNEY.edge("moved_in", "elsewhere")]
    people = population_of(
        birth_week=[-260] * 6 + [20, 30 - WEEKS_TO_18 + 10],
        state=[AT_HOME] * 6 + [0, 0],
        history=[0, 0, 1, 0, 0, 0, 0, 0],
        uasc=[0, 0, 0, 1, 0, 0, 0, 0],
        enter_week=[0] * 6 + [20, 25],
        enter_edge=edge,
        leave_week=[999] * 4 + [10] + [999] * 3,
    )
    stories = {
        0: {26: REFERRED, 40: REFERRED},  # 26 weeks, then a first referral; the second is no first
        1: {},  # 52 weeks at 5; from week 52 on at 6
        2: {5: REFERRED},  # known before
        3: {5: REFERRED},  # came alone
        4: {10: ("moved_away",)},  # 10 weeks
        5: {60: REFERRED},  # after the year that is read
        6: {20: ("born",)},  # weeks 21 to 51, at 0
        7: {25: ("moved_in",), 40: ("grew_up",)},  # weeks 26 to 39, at 17
    }
    run = run_of(people, stories, 104)
    percent, chance = ever_referred(run, n_weeks=52)
    expected = 1 - np.exp(-52 * 1 / (26 + 52 + 10 + 52))
    assert chance[5] == pytest.approx(expected)
    assert np.delete(chance, 5).tolist() == [0.0] * 17
    assert percent == pytest.approx(100 * expected)
    # Two years: the child of week 60 is 6 by then.
    percent, chance = ever_referred(run, n_weeks=104)
    assert chance[5] == pytest.approx(expected)
    at_6 = 1 - np.exp(-52 * 1 / (52 + 8))
    assert chance[6] == pytest.approx(at_6)
    assert percent == pytest.approx(100 * (1 - (1 - expected) * (1 - at_6)))
    # The two at the ends of childhood were followed for as long as they were there.
    stories[6][51], stories[7][39] = REFERRED, REFERRED
    _, chance = ever_referred(
        run_of(people, {**stories, 7: {25: ("moved_in",), 39: REFERRED, 40: ("grew_up",)}}, 104), 52
    )
    assert chance[0] == pytest.approx(1 - np.exp(-52 / (51 - 21)))
    assert chance[17] == pytest.approx(1 - np.exp(-52 / (39 - 26)))


# --- a slow twin ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def area():
    return simulate(small_area(1_500, 156), busy_parameters(), 11, JOURNEY)


def lives(run: Run) -> dict[int, list[tuple[int, str, str, str]]]:
    """Each child's life as (week, transition, from, to), in order."""
    names, states = [t.key for t in JOURNEY.transitions], [s.key for s in JOURNEY.states]
    out = defaultdict(list)
    rows = run.events.select("child", "week", "step", "transition", "from_state", "to_state").rows()
    for child, week, _, transition, before, after in sorted(rows):
        out[child].append((week, names[transition], states[before], states[after]))
    return out


def test_the_slow_twin_counts_the_same_children(area):
    for output in (o for o in OUTPUTS if o.distinct):
        years = [set(), set(), set()]
        for child, life in lives(area).items():
            for week, transition, _, _ in life:
                if transition in output.events:
                    years[week // 52].add(child)
        assert distinct_children(area, output).tolist() == [len(year) for year in years]
        assert figures_of(area)[output.key].tolist() == [len(year) for year in years]


def test_the_slow_twin_counts_the_same_referrals_again(area):
    all_of, again = [0] * 3, [0] * 3
    for life in lives(area).values():
        last = None
        for week, transition, _, _ in life:
            if transition == "was_referred":
                all_of[week // 52] += 1
                again[week // 52] += last is not None and week - last <= 52
                last = week
    assert min(again[1:]) > 20
    assert referrals_again(area)[1:].tolist() == pytest.approx([100 * again[y] / all_of[y] for y in (1, 2)])


def test_the_slow_twin_follows_the_same_returns(area):
    """Week by week: of the children who could come back in the t-th week at home, the share who did."""
    could, did, returns = [0] * 400, [0] * 400, 0
    for life in lives(area).values():
        for n, (week, _, _, after) in enumerate(life):
            if after != "reunified":
                continue
            returns += 1
            ended = next(((w, t) for w, t, before, _ in life[n + 1 :] if before == "reunified"), None)
            for t in range(1, 156 - week):
                if ended and week + t == ended[0] and ended[1] == "grew_up":
                    break
                could[t] += 1
                if ended and week + t == ended[0]:
                    did[t] += ended[1] == "came_back_into_care"
                    break
    for name, weeks in RETURN_WEEKS.items():
        kept = 1.0
        for t in range(1, weeks + 1):
            kept *= 1 - did[t] / max(could[t], 1)
        assert back_in_care(area)[name] == (pytest.approx(100 * (1 - kept)), returns)
    assert sum(did) > 50


def test_the_slow_twin_has_the_same_life_table(area):
    who, weeks_at, firsts = area.population, [0] * 18, [0] * 18
    told = lives(area)
    for child in range(len(who)):
        if who.history[child] or who.uasc[child]:
            continue
        here = who.enter_edge[child] < 0
        events = {week: transition for week, transition, _, _ in reversed(told[child])}  # the first of each week
        for week in range(156):
            if not here:
                here = events.get(week) in ("born", "moved_in")
                continue
            age = (week - int(who.birth_week[child])) // 52
            if events.get(week) in ("moved_away", "grew_up"):
                break
            if events.get(week) == "was_referred":
                firsts[age] += 1
                break
            weeks_at[age] += 1
    expected = [1 - np.exp(-52 * first / weeks) for first, weeks in zip(firsts, weeks_at, strict=True)]
    percent, chance = ever_referred(area, n_weeks=156)
    assert chance.tolist() == pytest.approx(expected)
    assert percent == pytest.approx(100 * (1 - np.prod(1 - np.array(expected))))
    assert sum(firsts) > 300
