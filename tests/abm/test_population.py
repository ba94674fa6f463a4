"""Children and families on day one and to come: counts, ages, families, risks, day-one states."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from abm.draws import choice, words
from abm.errors import CareError
from abm.families import LEAST_GAP_WEEKS, TWINS, families_and_sizes, families_of, join_families
from abm.journey import JOURNEY
from abm.moving import leave_weeks
from abm.pathway import WEEKS_TO_18, purpose_of
from abm.placing import choose_cells
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


def left_one_by_one(seed, n_there, family, birth, enter, uasc, counts, n_weeks):
    """Return the leave weeks that `leave_weeks` gives, from a sort of all children of each year of birth."""
    leave = np.full(family.size, n_weeks)
    turn = words(seed, family, 0, purpose_of("population: turn to move away"))
    week = choice(seed, family[:, None], "population: week of a move", 52, 52 * np.arange(len(counts)))
    order = np.lexsort((np.arange(family.size), turn))
    there = np.arange(family.size) < n_there
    for year, age in zip(*np.nonzero(counts), strict=True):
        here = (birth // 52 + 1 == year - age) & ~uasc & (leave == n_weeks) & (there | (enter < 52 * year))
        goes = order[here[order]][: counts[year, age]]
        leave[goes] = 52 * year + week[goes, year]
    return np.minimum(leave, n_weeks)


@pytest.mark.parametrize("n_there", [20, 10_000, 30_000])
@pytest.mark.parametrize("most", [0, 3, 70, 900])
def test_those_who_leave_are_the_first_by_the_draw_of_their_family(n_there, most):
    """However many leave, and however many of a year of birth arrive only later."""
    rng, n = np.random.default_rng(5), 30_000
    enter = np.where(np.arange(n) < n_there, 0, rng.integers(0, 300, n)).astype(np.int32)
    birth = (enter - rng.integers(1, 900, n)).astype(np.int32)
    family, uasc = rng.integers(0, 15_000, n).astype(np.int32), rng.random(n) < 0.05
    counts = rng.integers(0, most + 1, (6, 18)) * (rng.random((6, 18)) < 0.5)
    case = (8, n_there, family, birth, enter, uasc, counts, 300)
    leave = leave_weeks(*case)
    assert leave.dtype == np.int32
    assert np.array_equal(leave, left_one_by_one(*case))
    assert (leave < 300).any() == (most > 0)


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


def joined_one_by_one(birth_week, seed, cumulative, spread):
    """Return families as `join_families` makes them, from a list of those who wait."""
    place = np.arange(birth_week.size)
    drawn, gap, twin = (
        words(seed, place, 0, purpose_of(f"family: {what}")).tolist() for what in ("size", "gap", "twins")
    )
    waiting, family, wanted, twin_of = [], [], [], None
    for i, week in enumerate(birth_week.tolist()):
        if twin_of is not None and birth_week[i - 1] != week:
            waiting.append((int(birth_week[i - 1]) + LEAST_GAP_WEEKS, twin_of))
            twin_of = None
        ready = [entry for entry in sorted(waiting, key=lambda entry: entry[0]) if entry[0] <= week]
        if twin_of is not None:
            mine, twin_of = twin_of, None
        elif ready:
            mine = ready[0][1]
            waiting.remove(ready[0])
        else:
            mine = len(wanted)
            wanted.append(1 + sum(drawn[mine] >= bound for bound in cumulative[:-1]))
        family.append(mine)
        wanted[mine] -= 1
        if wanted[mine] and twin[i] < int(TWINS * 2**32):
            twin_of = mine
        elif wanted[mine]:
            waiting.append((week + LEAST_GAP_WEEKS + (gap[i] * (spread + 1) >> 32), mine))
    return family


@pytest.mark.parametrize("plain", [False, True])
def test_families_are_joined_as_one_by_one(plain):
    """Compiled and in plain Python, families are those of a simple list of families who wait."""
    join = getattr(join_families, "py_func", join_families) if plain else join_families
    cumulative = [int(share * 2**32) for share in (0.2, 0.5, 0.8, 1.0)]
    twins = 0
    for seed, n in ((1, 1), (2, 40), (3, 300), (5, 600)):
        birth_week = np.sort(choice(seed, np.arange(n), "birth", 150))
        gap, family, found = (
            LEAST_GAP_WEEKS + choice(seed, np.arange(n), "family: gap", 61),
            np.zeros(n, np.int32),
            np.ones(5, np.int64),
        )
        gap[words(seed, np.arange(n), 0, purpose_of("family: twins")) < int(TWINS * 2**32)] = 0
        births, size = np.bincount(birth_week - birth_week[0]), np.zeros(n, np.int16)
        n_families = join(
            births, words(seed, np.arange(n), 0, purpose_of("family: size")), gap.astype(np.int32),
            np.array(cumulative, np.uint64), LEAST_GAP_WEEKS, size, np.zeros(n, np.int16),
            np.zeros(n + births.size + 1, np.uint32), np.zeros(births.size + 1, np.uint32), family, found,
        )  # fmt: skip
        expected = joined_one_by_one(birth_week, seed, cumulative, 60)
        assert family.tolist() == expected
        assert np.array_equal(size[:n_families], np.bincount(expected))
        assert np.array_equal(found, np.bincount(np.bincount(expected), minlength=5))
        twins += n - np.unique(np.stack([family, birth_week]), axis=1).shape[1]
    assert twins >= 3


@pytest.mark.parametrize(("n", "furthest"), [(40_000, 0.004), (250_000, 0.0015), (2_200_000, 0.0015)])
def test_shares_of_families_by_size_come_out_as_given(n, furthest):
    """Corrected until they are right to a part in 1,000; of millions of children some tell the chances at first."""
    goal = AREA.plan.family_sizes
    birth_week = choice(n, np.arange(n), "birth", 1400).astype(np.int32) - 936
    for seed in range(1 if n > 1_000_000 else 4):
        family, size = families_and_sizes(birth_week, seed, goal, 150.0)
        assert np.array_equal(size, np.bincount(family))
        assert np.abs(np.bincount(size, minlength=goal.size + 1)[1:] / size.size - goal).max() < furthest


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


@pytest.mark.parametrize("plain", [False, True])
def test_cells_are_chosen_as_child_by_child(plain):
    """Whole numbers add up, so children may be skipped: the choice is that of adding each child's chance in turn."""
    choose = getattr(choose_cells, "py_func", choose_cells) if plain else choose_cells
    one, first = 1 << 62, np.array([0, 1, 3, 4, 8])
    rng = np.random.default_rng(2)
    for _ in range(20):
        chance = rng.choice([0.0, 1e-13, 0.01, 0.3, 1.0], (5, 8)) + np.array([[0, 0, 0, 0, 0, 0, 0, 1e-3]])
        chance[0], chance[3] = [0.25, 0.25, 0.25, 0.25, 0, 0, 0, 0], [0.1, 0.2, 0.3, 0.4, 0, 0, 0, 0]
        chance /= chance.sum(axis=1, keepdims=True)
        size = rng.integers(0, 60, 5)
        n = int(size.sum())
        order, cell = rng.permutation(n).astype(np.int32), np.full(n, -1, np.int16)
        carry = rng.integers(0, one, 12) * (rng.random(12) < 0.8)
        before = [int(c) for c in carry]
        choose(order, size, chance, first, carry, *np.zeros((7, 12), np.int64), cell)
        expected = np.full(n, -1)
        for i, r in zip(order, np.repeat(np.arange(5), size), strict=True):
            expected[i] = passed(chance[r], first.tolist(), before, one)
        assert np.array_equal(cell, expected)


def passed(chance, first, carry, one):
    """Return the cell of a child: its chances are added to those carried over, and it is taken where 1 is reached."""

    def taken(chances, at):
        left = 1.0 if at == 0 else sum_in_turn(chances)
        last = max(k for k, here in enumerate(chances) if here > 0)
        for k, here in enumerate(chances[:last]):
            if here > 0:
                carry[at + k] += int(here / left * one) if here < left else one
                if carry[at + k] >= one:
                    carry[at + k] -= one
                    return k
            left -= here
        return last

    blocks = [chance[a:b].tolist() for a, b in pairwise(first)]
    block = taken([sum_in_turn(cells) for cells in blocks], 0)
    return first[block] + taken(blocks[block], len(blocks) + first[block])


def sum_in_turn(numbers):
    total = 0.0
    for number in numbers:
        total += number
    return total


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
