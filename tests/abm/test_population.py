"""Children and families on day one and to come: counts, ages, families, risks, day-one states."""

from dataclasses import replace

import numpy as np
import pytest

from abm.errors import CareError
from abm.families import LEAST_GAP_WEEKS, families_of
from abm.journey import JOURNEY
from abm.pathway import WEEKS_TO_18
from abm.population import COLUMNS, make_population, population_of
from tests.abm.toys import CELLS, small_area

AREA = small_area(n_children=18_000, n_weeks=156)


@pytest.fixture(scope="module")
def people():
    return make_population(AREA, 3, JOURNEY)


def edges(name):
    return JOURNEY.edges_of(name)[0]


def test_the_columns_are_those_declared(people):
    columns = people.columns()
    assert list(columns) == [name for name, _, _ in COLUMNS]
    assert all(columns[name].dtype == kind for name, kind, _ in COLUMNS)
    assert columns["child"].tolist() == list(range(len(people)))


def test_the_same_seed_gives_the_same_children(people):
    again, other = make_population(AREA, 3, JOURNEY), make_population(AREA, 4, JOURNEY)
    assert all(np.array_equal(a, b) for a, b in zip(people.columns().values(), again.columns().values(), strict=True))
    assert not np.array_equal(people.birth_week, other.birth_week)


@pytest.mark.parametrize("sample", [1, 7])
def test_numbers_are_the_plans_over_the_sample(sample):
    area = replace(AREA, sample=sample)
    people = make_population(area, 3, JOURNEY)
    there = people.enter_edge < 0
    age = (-1 - people.birth_week) // 52
    for alone, plan in ((False, area.plan.ages), (True, area.plan.unaccompanied)):
        counts = np.bincount(age[there & (people.uasc == alone)], minlength=18)
        assert np.abs(np.cumsum(counts) - np.cumsum(plan) / sample).max() <= 0.5 + 1e-6
    born = people.enter_week[people.enter_edge == edges("born")]
    weekly = np.bincount(born, minlength=156)
    assert np.abs(np.cumsum(weekly) - np.cumsum(np.repeat(area.plan.births, 52) / 52 / sample)).max() <= 0.5 + 1e-6
    came = (people.enter_edge == edges("came_alone")).sum()
    assert abs(came - area.plan.arrivals.sum() / sample) <= 0.5 + 1e-6


def test_arrivals_and_departures_have_the_age_given(people):
    year = people.enter_week // 52
    moved = people.enter_edge == edges("moved_in")
    age = (year * 52 - 1 - people.birth_week)[moved] // 52
    expected = np.maximum(AREA.plan.moves, 0)
    counted = np.zeros_like(expected)
    np.add.at(counted, (year[moved], age), 1)
    assert np.abs(counted - expected).max() <= 1
    assert (people.enter_week[moved] >= people.birth_week[moved]).all()

    leaves = people.leave_week < 156
    year = people.leave_week[leaves] // 52
    age = (year * 52 - 1 - people.birth_week[leaves]) // 52
    expected = np.maximum(-AREA.plan.moves, 0)
    counted = np.zeros_like(expected)
    np.add.at(counted, (year, age), 1)
    assert np.abs(counted - expected).max() <= 1
    assert (people.leave_week[leaves] > people.enter_week[leaves]).sum() >= leaves.sum() - (people.enter_edge < 0).sum()
    assert not people.uasc[leaves].any()


def test_nobody_enters_before_birth_or_after_childhood(people):
    entering = people.enter_edge >= 0
    age = people.enter_week - people.birth_week
    assert age[~entering].min() == 1
    assert age[~entering].max() == WEEKS_TO_18
    assert age[entering].min() >= 0
    assert age[entering].max() < WEEKS_TO_18
    born = people.enter_edge == edges("born")
    assert (age[born] == 0).all()


def test_children_who_came_alone_are_their_own_families(people):
    alone = people.family[people.uasc]
    assert np.unique(alone).size == alone.size
    assert not np.isin(alone, people.family[~people.uasc]).any()
    ages = (people.enter_week - people.birth_week)[people.enter_edge == edges("came_alone")] // 52
    assert set(ages.tolist()) <= {14, 15, 16, 17}


def test_families_have_the_sizes_and_gaps_given(people):
    own = ~people.uasc
    sizes = np.bincount(np.bincount(people.family[own]), minlength=6)[1:]
    goal = AREA.plan.family_sizes
    assert np.abs(sizes / sizes.sum() - goal).max() < 0.01
    order = np.lexsort((people.birth_week[own], people.family[own]))
    family, birth = people.family[own][order], people.birth_week[own][order]
    gap = np.diff(birth)[np.diff(family) == 0]
    assert ((gap == 0) | (gap >= LEAST_GAP_WEEKS)).all()
    assert 0.005 < (gap == 0).mean() < 0.03
    assert gap[gap > 0].mean() == pytest.approx(AREA.plan.spacing_weeks, rel=0.05)


def test_few_children_make_families_too():
    one = families_of(np.array([5], np.int32), 1, np.array([0.0, 1.0]), 150.0)
    assert one.tolist() == [0]
    assert families_of(np.zeros(0, np.int32), 1, np.ones(2), 150.0).size == 0
    pair = families_of(np.array([0, 200, 400, 90], np.int32), 1, np.array([0.0, 1.0]), 40.0)
    assert np.bincount(pair).max() == 2


def test_risk_belongs_to_the_family_and_has_the_shares_given(people):
    order = np.argsort(people.family, kind="stable")
    family, risk = people.family[order], people.risk[order]
    assert (np.diff(risk)[np.diff(family) == 0] == 0).all()
    first = np.flatnonzero(np.diff(family, prepend=-1))
    shares = np.bincount(risk[first], minlength=4) / first.size
    assert np.abs(shares - AREA.plan.risk_shares).max() < 2 / first.size + 1e-9


def test_day_one_states_are_those_expected():
    """Over seeds, each cell's mean number is as expected; in every seed each state is right to two children."""
    totals = np.zeros(len(JOURNEY.states))
    chance = AREA.day_one.chance[0, 0]
    expected = np.bincount(AREA.day_one.state, chance, minlength=totals.size)
    area = replace(AREA, plan=replace(AREA.plan, unaccompanied=np.zeros(18)))
    for seed in range(20):
        people = make_population(area, seed, JOURNEY)
        there = people.enter_edge < 0
        found = np.bincount(people.state[there], minlength=totals.size)
        assert np.abs(found - expected * there.sum()).max() <= 2
        totals += found / there.sum()
    assert np.abs(totals / 20 - expected).max() < 1e-4


def test_day_one_clocks_fit_their_cells_and_ages(people):
    there = np.flatnonzero((people.enter_edge < 0) & ~people.uasc)
    clock = -1 - people.since_week[there]
    age = -1 - people.birth_week[there]
    assert (clock >= 0).all()
    assert (clock <= age).all()
    longest = {(JOURNEY.state_index[name], history): to for name, history, _, to, _ in CELLS}
    never = (people.state[there] == JOURNEY.state_index["at_home"]) & (people.history[there] == 0)
    assert (clock[never] == age[never]).all()
    for (state, history), to in longest.items():
        here = (people.state[there] == state) & (people.history[there] == history) & ~never
        assert (clock[here] <= to).all()
    foster = (people.state[there] == JOURNEY.state_index["foster"]) & (age > 300)
    assert clock[foster].mean() == pytest.approx(150, abs=25)


def test_girls_and_boys(people):
    assert people.sex[~people.uasc].mean() == pytest.approx(0.512, abs=0.02)
    assert set(np.unique(people.sex)) == {0, 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"births": np.ones(2)}, "births"),
        ({"moves": np.ones((3, 17))}, "moves"),
        ({"ages": -np.ones(18)}, "negative number in 'ages'"),
        ({"risk_shares": np.zeros(4)}, "risk class"),
        ({"family_sizes": np.zeros(4)}, "family"),
        ({"arrival_ages": np.zeros(18)}, "arrival_ages"),
    ],
)
def test_a_wrong_plan_is_told(change, message):
    area = small_area()
    with pytest.raises(CareError, match=message):
        make_population(replace(area, plan=replace(area.plan, **change)), 1, JOURNEY)


def test_day_one_chances_must_add_up():
    area = small_area()
    wrong = replace(area.day_one, chance=area.day_one.chance * 0.5)
    with pytest.raises(CareError, match=r"children aged 0 add up to 0\.5"):
        make_population(replace(area, day_one=wrong), 1, JOURNEY)


def test_wrong_columns_are_told():
    with pytest.raises(CareError, match="Did you mean 'birth_week'"):
        population_of(birth_weeks=[1])
    people = population_of(birth_week=[1, 2])
    with pytest.raises(CareError, match="'risk' of the population is uint8"):
        replace(people, risk=people.risk[:1])
