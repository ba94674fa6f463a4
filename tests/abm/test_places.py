"""Limited places: against the plain Python twin, order-free, the ledger, and each rule by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm import places_list, places_matching, places_supply
from abm.errors import CareError
from abm.places import (
    ACCOUNTS,
    BANDS,
    EMERGENCY,
    HOME_CLOSED,
    IN_KIND,
    KINDS,
    NEEDS,
    OFF_THE_LIST,
    OUT_OF_KIND,
    WAITS,
    Places,
    Requests,
    Rules,
    kin_of,
)
from tests.abm.places_twin import Twin

NEVER = 1 << 30
LIVELY = Rules(
    loss_per_year=(2.0, 1.5, 2.0, 1.0), stress=(1.0, 0.5, 0.0, 0.0), at_once=(0.4, 0.4, 0.6, 0.5),
    recruit_per_year=(2.0, 1.5, 0.0, 0.0), target=(0.9, 0.9, 0.85, 0.9), adjust_weeks=(0.0, 0.0, 10.0, 6.0),
    notice_weeks=(1.0, 1.0, 4.0, 3.0), delay_weeks=(0, 1, 5, 2),
    beds=(((0.4, 0.4, 0.2),) * 3, ((0.5, 0.3, 0.2),) * 3, ((0.2, 0.3, 0.3, 0.2), (1.0,), (1.0,)), ((0.5, 0.5),) * 3),
    bands=((0.7, 0.2, 0.1), (0.4, 0.3, 0.3), (0.4, 0.2, 0.4), (0.5, 0.3, 0.2)),
    ages=(((0, 18, 0.6), (0, 8, 0.2), (8, 18, 0.2)), ((0, 18, 0.7), (5, 18, 0.3)), ((8, 18, 1.0),), ((16, 18, 1.0),)),
    together=0.7, settled_weeks=9,
)  # fmt: skip
"""Everything happens often."""


def children(n, seed):
    rng = np.random.default_rng(seed)
    family = np.sort(rng.integers(0, max(n // 2, 1), n)).astype(np.int32)
    rng.shuffle(family)
    return kin_of(family, (-rng.integers(0, 900, n)).astype(np.int32), rng.integers(0, 4, n).astype(np.uint8))


class Story:
    """Children who come, move and leave, the same for any two models that are told of them."""

    def __init__(self, kin, seed, busy=0.08):
        self.kin, self.rng, self.busy = kin, np.random.default_rng(seed), busy

    def week(self, inside):
        """Return requests as (child, need, roof) and those who leave, for children who need a home now (bool[N])."""
        rng, n = self.rng, inside.size
        drawn, need, roof = rng.random(n), rng.integers(0, 3, n), rng.random(n) < 0.5
        leaves = inside & (drawn < 0.05)
        asks = np.where(inside, (drawn > 0.9) | (drawn < 0.01), drawn < self.busy)
        return [(int(c), int(need[c]), bool(roof[c])) for c in np.flatnonzero(asks)], np.flatnonzero(leaves)


def told(rows, shuffle=None):
    rows = list(rows)
    if shuffle is not None:
        shuffle(rows)
    child, need, roof = zip(*rows, strict=True) if rows else ((), (), ())
    return Requests(np.array(child, np.int32), np.array(need, np.int8), np.array(roof, np.bool_))


def ledger(places):
    """No home above its beds, every child in one bed at most, and the same told in every way."""
    homes, who, n = places.homes, places.who, places.n_homes
    beds = int(homes.beds[:n].sum())
    assert (who.lives[beds:] == -1).all()
    where = {}
    for h in range(n):
        here = who.lives[homes.first[h] : homes.first[h] + homes.beds[h]]
        inside = here[here >= 0].tolist()
        assert len(inside) == homes.living[h] <= homes.beds[h]
        assert not inside or homes.closed[h] >= places.week
        for child in inside:
            assert child not in where
            where[child] = h
    assert {c: int(h) for c, h in enumerate(who.home) if h >= 0} == where
    assert who.needing.tolist() == [int((who.want == want).sum()) for want in range(3)]
    assert sorted(places.waiting.tolist()) == np.flatnonzero(who.waits).tolist() == places.waiting.tolist()
    assert all(who.want[child] >= 0 for child in where)


BEDS = np.array([[9, 3, 1], [5, 4, 2], [5, 2, 3], [3, 1, 0]])


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_twin_tells_the_same_week_by_week(seed):
    kin = children(90, seed)
    places = Places(BEDS, LIVELY, kin, 60, seed, "E06000009")
    twin = Twin(BEDS, LIVELY, kin.family.tolist(), kin.birth.tolist(), kin.need.tolist(), seed, "E06000009")
    on_day_one = [(c, c % 3) for c in range(0, 90, 4)]
    answers = places.settle(
        *(np.array(x, kind) for x, kind in zip(zip(*on_day_one, strict=True), (np.int32, np.int8), strict=True))
    )
    assert {a[0]: (a[1], a[2]) for a in zip(answers.child, answers.home, answers.outcome, strict=True)} == {
        c: answer[:2] for c, answer in twin.settle(on_day_one).items()
    }
    story, seen = Story(kin, seed), set()
    for _ in range(60):
        ledger(places)
        rows, left = story.week(places.who.want >= 0)
        answers = places.advance(told(rows), left.astype(np.int32))
        ours = {a[0]: a[1:] for a in zip(answers.child, answers.home, answers.outcome, answers.why, strict=True)}
        assert ours == twin.advance(rows, left.tolist())
        assert {c: int(h) for c, h in enumerate(places.who.home) if h >= 0} == twin.home
        assert [h.closed for h in twin.homes] == places.homes.closed[: places.n_homes].tolist()
        assert [h.beds for h in twin.homes] == places.homes.beds[: places.n_homes].tolist()
        seen |= set(zip(answers.outcome.tolist(), answers.why.tolist(), strict=True))
    # The story has told of everything that can happen.
    everything = {(o, w) for o in (IN_KIND, OUT_OF_KIND, EMERGENCY) for w in (0, HOME_CLOSED, OFF_THE_LIST)}
    assert seen <= everything | {(WAITS, 0)}
    assert {(IN_KIND, 0), (OUT_OF_KIND, 0), (WAITS, 0), (IN_KIND, HOME_CLOSED), (IN_KIND, OFF_THE_LIST)} <= seen


def test_in_plain_python_the_loops_do_the_same(monkeypatch):
    for module in (places_list, places_matching, places_supply):
        for name, function in vars(module).items():
            if hasattr(function, "py_func"):
                monkeypatch.setattr(module, name, function.py_func)
    import abm.places as module

    for name in ("advance_week", "match", "take_note", "found_homes"):
        monkeypatch.setattr(module, name, getattr(getattr(module, name), "py_func", getattr(module, name)))
    slow = run(7, 12)
    monkeypatch.undo()
    assert same(slow, run(7, 12))


def run(seed, weeks, shuffle=None, area="", n=90, busy=0.08):
    """A finished story; `shuffle` puts requests, leavers and those of day one in another order, week by week."""
    kin = children(n, seed)
    places, story = Places(BEDS, LIVELY, kin, weeks, seed, area), Story(kin, seed, busy)
    first = np.arange(0, n, 4, dtype=np.int32)
    if shuffle is not None:
        shuffle(first)
    places.settle(first, (first % 3).astype(np.int8))
    for _ in range(weeks):
        rows, left = story.week(places.who.want >= 0)
        left = left.astype(np.int32)
        if shuffle is not None:
            shuffle(left)
        places.advance(told(rows, shuffle), left)
    return places


def same(a, b):
    one, other = a.arrays(), b.arrays()
    return one.keys() == other.keys() and all(
        one[k].dtype == other[k].dtype and np.array_equal(one[k], other[k]) for k in one
    )


@settings(max_examples=25)
@given(seed=st.integers(0, 2**31), order=st.integers(0, 2**31), busy=st.sampled_from([0.02, 0.1, 0.4]))
def test_any_order_of_children_gives_the_same_bits(seed, order, busy):
    assert same(run(seed, 15, busy=busy), run(seed, 15, np.random.default_rng(order).shuffle, busy=busy))


def test_ties_in_everything_are_settled_by_number_whatever_the_order():
    """Same need, same week, one family: nothing but draws and numbers is left to decide."""
    kin = kin_of(np.zeros(6, np.int32), np.full(6, -500, np.int32), np.zeros(6, np.uint8))
    rules = Rules(together=0.0)
    found = []
    for order in ([0, 1, 2, 3, 4, 5], [5, 3, 1, 4, 2, 0]):
        places = Places(np.array([[3, 0, 0]] + [[0, 0, 0]] * 3), rules, kin, 1, 1)
        places.advance(told([(c, 0, False) for c in order]))
        found.append(places.who.home.tolist())
    assert found[0] == found[1]
    assert sorted(found[0]) == [-1, -1, -1, 0, 1, 2]


def test_areas_have_luck_of_their_own_and_the_same_each_time():
    assert same(run(5, 20, area="E06000009"), run(5, 20, area="E06000009"))
    assert not same(run(5, 20, area="E06000009"), run(5, 20, area="E06000004"))


@settings(max_examples=15)
@given(seed=st.integers(0, 2**31), busy=st.sampled_from([0.02, 0.2]))
def test_the_ledger_holds_in_every_week(seed, busy):
    kin = children(80, seed)
    places, story = Places(BEDS, LIVELY, kin, 25, seed), Story(kin, seed, busy)
    for _ in range(25):
        rows, left = story.week(places.who.want >= 0)
        places.advance(told(rows), left.astype(np.int32))
        ledger(places)
        account = dict(zip(ACCOUNTS, places.accounts[places.week - 1].tolist(), strict=True))
        homes, now = places.homes, places.week - 1
        for kind, name in enumerate(KINDS):
            there = (homes.kind == kind) & (homes.opened <= now) & (homes.closed > now)
            there[places.n_homes :] = False
            assert account[f"homes_{name}"] == there.sum()
            assert account[f"children_{name}"] == homes.living[there].sum()
            assert account[f"places_{name}"] == account[f"children_{name}"] + account[f"free_{name}"]
        assert sum(account[f"waiting_{need}"] for need in NEEDS) == places.waiting.size
        assert account["placed_in_kind"] + account["placed_out_of_kind"] == sum(account[band] for band in BANDS)


def test_a_run_goes_on_from_what_was_kept():
    whole, begun = run(3, 30), run(3, 18)
    kept = begun.arrays()
    assert all(isinstance(array, np.ndarray) and array.dtype.kind in "iuf" for array in kept.values())
    again = Places(BEDS, LIVELY, begun.kin, 30, 3)
    again.restore(kept)
    story = Story(begun.kin, 3)
    for _ in range(18):
        story.week(np.zeros(90, bool))  # the story has told these weeks already
    for _ in range(12):
        rows, left = story.week(again.who.want >= 0)
        again.advance(told(rows), left.astype(np.int32))
    assert same(whole, again)
    assert same(begun, run(3, 18))


# Rules, each by hand. A home has one bed, unless said otherwise, and takes all ages.


def area(there, n=8, family=None, years=5, need=None, weeks=30, **rules):
    """there: beds as {kind: (near, up to 20 miles, farther)}; children aged `years`, of families of their own."""
    family = np.arange(n) if family is None else np.array(family)
    birth = np.full(n, -52 * years) if np.isscalar(years) else -52 * np.array(years)
    kin = kin_of(family.astype(np.int32), birth.astype(np.int32), np.zeros(n, np.uint8) + np.array(need or 0, np.uint8))
    table = np.zeros((4, 3), np.int64)
    for kind, row in there.items():
        table[KINDS.index(kind)] = row
    return Places(table, Rules(**rules), kin, weeks, 1)


def where(answers):
    return {
        int(c): (KINDS[k] if k >= 0 else None, BANDS[b] if b >= 0 else None, int(o))
        for c, k, b, o in zip(answers.child, answers.kind, answers.band, answers.outcome, strict=True)
    }


FOSTER, CHILDRENS, SUPPORTED = 0, 1, 2


def test_near_before_far_own_before_agency_then_another_kind_then_emergency():
    places = area({"own_foster": (1, 1, 0), "agency_foster": (1, 0, 1), "childrens_home": (1, 0, 1)}, n=7)
    order = []
    for child in range(7):
        order.append(where(places.advance(told([(child, FOSTER, False)])))[child])
    assert order == [
        ("own_foster", "in_the_area", IN_KIND),
        ("agency_foster", "in_the_area", IN_KIND),
        ("own_foster", "up_to_20_miles", IN_KIND),
        ("agency_foster", "farther", IN_KIND),
        ("childrens_home", "in_the_area", OUT_OF_KIND),
        ("childrens_home", "farther", OUT_OF_KIND),
        (None, None, EMERGENCY),
    ]
    assert places.waiting.tolist() == [4, 5, 6]
    assert places.account("waiting_foster").tolist()[-1] == 3
    assert places.account("dearer").tolist() == [0, 0, 0, 0, 1, 1, 0]
    assert places.account("farther").tolist() == [0, 0, 0, 1, 0, 1, 0]
    assert places.account("emergency").tolist() == [0, 0, 0, 0, 0, 0, 1]
    assert places.occupancy()[-1].tolist() == [1, 1, 1, 0]
    assert places.occupancy()[0].tolist() == [0.5, 0, 0, 0]


def test_a_child_who_waits_has_the_first_bed_of_the_kind_needed_that_is_free():
    places = area({"own_foster": (1, 0, 0), "childrens_home": (1, 0, 0)}, n=3)
    places.advance(told([(0, FOSTER, False)]))
    assert where(places.advance(told([(1, FOSTER, False)])))[1][2] == OUT_OF_KIND
    # A new child of the same need comes in the week in which a bed is free: who has waited goes first.
    answers = places.advance(told([(2, FOSTER, False)]), left=np.array([0], np.int32))
    assert where(answers) == {1: ("own_foster", "in_the_area", IN_KIND), 2: (None, None, EMERGENCY)}
    assert answers.why.tolist() == [OFF_THE_LIST, 0]
    assert places.account("weeks_waited").tolist() == [0, 0, 1]
    # The bed that was left behind is free from the next week on; a child in an emergency home takes it.
    assert where(places.advance()) == {2: ("childrens_home", "in_the_area", OUT_OF_KIND)}


def test_need_goes_before_waiting():
    places = area({"own_foster": (1, 0, 0)}, n=3, need=[0, 0, 3])
    places.advance(told([(0, FOSTER, False)]))
    places.advance(told([(1, FOSTER, False)]))
    answers = places.advance(told([(2, FOSTER, False)]), left=np.array([0], np.int32))
    assert where(answers)[2][2] == IN_KIND


def test_who_can_stay_waits_and_keeps_the_bed():
    places = area({"own_foster": (2, 0, 0)}, n=3)
    places.advance(told([(0, FOSTER, False), (1, FOSTER, False)]))
    # Another home for child 0, not at once: there is none; the own bed is no answer.
    assert where(places.advance(told([(0, FOSTER, True)])))[0][2] == WAITS
    assert places.homes.living[:2].tolist() == [1, 1]
    home = int(places.who.home[0])
    answers = places.advance(left=np.array([1], np.int32))
    assert where(answers)[0][2] == IN_KIND
    assert int(places.who.home[0]) != home
    assert places.homes.living[:2].sum() == 1
    ledger(places)


def test_who_cannot_stay_leaves_the_bed_at_once_and_not_for_itself():
    places = area({"own_foster": (1, 0, 0), "agency_foster": (0, 0, 1)}, n=2)
    places.advance(told([(0, FOSTER, False)]))
    answers = places.advance(told([(0, FOSTER, False), (1, FOSTER, False)]))
    assert where(answers) == {
        0: ("agency_foster", "farther", IN_KIND), 1: ("own_foster", "in_the_area", IN_KIND),
    }  # fmt: skip


def test_ages_are_kept():
    young = (((0, 5, 1.0),), ((0, 18, 1.0),), ((8, 18, 1.0),), ((16, 18, 1.0),))
    beds = {"own_foster": (3, 0, 0), "agency_foster": (0, 0, 1), "supported_accommodation": (2, 0, 0)}
    places = area(beds, n=4, years=[4, 5, 15, 16], ages=young)
    answers = places.advance(
        told([(0, FOSTER, False), (1, FOSTER, False), (2, SUPPORTED, False), (3, SUPPORTED, False)])
    )
    assert where(answers)[0][0] == "own_foster"
    assert where(answers)[1][0] == "agency_foster"
    assert where(answers)[2][2] == EMERGENCY
    assert where(answers)[3] == ("supported_accommodation", "in_the_area", IN_KIND)


def test_on_day_one_nobody_is_left_out_for_age():
    old = (((16, 18, 1.0),),) * 4
    places = area({"own_foster": (2, 0, 0)}, n=2, ages=old)
    assert where(places.settle(np.array([0, 1], np.int32), np.zeros(2, np.int8))) == {
        0: ("own_foster", "in_the_area", IN_KIND), 1: ("own_foster", "in_the_area", IN_KIND),
    }  # fmt: skip
    with pytest.raises(CareError, match="settle only once"):
        places.settle(np.array([0], np.int32), np.zeros(1, np.int8))


TWO_BEDS = (((0.0, 1.0),) * 3, ((1.0,),) * 3, ((0.0, 1.0),) * 3, ((1.0,),) * 3)


def test_brothers_and_sisters_live_together_farther_away_rather_than_apart():
    places = area({"own_foster": (0, 2, 0), "agency_foster": (2, 0, 0)}, n=2, family=[0, 0], beds=TWO_BEDS)
    answers = places.advance(told([(0, FOSTER, False), (1, FOSTER, False)]))
    assert set(where(answers).values()) == {("own_foster", "up_to_20_miles", IN_KIND)}
    assert places.who.home[0] == places.who.home[1]
    assert places.account("placed_together").tolist() == [2]
    apart = area({"own_foster": (0, 2, 0), "agency_foster": (2, 0, 0)}, n=2, family=[0, 0], beds=TWO_BEDS, together=0)
    assert {kind for kind, *_ in where(apart.advance(told([(0, FOSTER, False), (1, FOSTER, False)]))).values()} == {
        "agency_foster"
    }


def test_brothers_and_sisters_for_whom_no_home_has_beds_are_placed_alone_in_the_kind_needed():
    places = area({"agency_foster": (2, 0, 0), "childrens_home": (3, 0, 0)}, n=3, family=[0] * 3, beds=TWO_BEDS)
    answers = places.advance(told([(c, FOSTER, False) for c in range(3)]))
    assert sorted(outcome for *_, outcome in where(answers).values()) == [IN_KIND, IN_KIND, OUT_OF_KIND]
    assert places.account("split").tolist() == [3]


def test_a_child_joins_a_brother_or_sister_though_another_home_is_nearer():
    nearer = area({"own_foster": (0, 0, 2), "agency_foster": (2, 0, 0)}, n=2, family=[0, 0], beds=TWO_BEDS)
    # In this area child 0 lives far away, since it came before there was any nearer home.
    nearer.homes.opened[: nearer.n_homes][nearer.homes.kind[: nearer.n_homes] == 1] = 1
    nearer.advance(told([(0, FOSTER, False)]))
    assert where(nearer.advance(told([(1, FOSTER, False)])))[1] == ("own_foster", "farther", IN_KIND)
    assert nearer.who.home[0] == nearer.who.home[1]
    assert nearer.account("joined").tolist() == [0, 1]


@settings(max_examples=40)
@given(seed=st.integers(0, 2**31))
def test_a_family_is_only_parted_where_no_home_of_the_kind_had_room(seed):
    """Every family asks alone in its week, so what was free then is known."""
    rng = np.random.default_rng(seed)
    size = rng.integers(2, 4, 6)
    family = np.repeat(np.arange(6), size)
    kin = kin_of(
        family.astype(np.int32), (-rng.integers(0, 800, family.size)).astype(np.int32), np.zeros(family.size, np.uint8)
    )
    places = Places(BEDS, replace(LIVELY, together=1.0, loss_per_year=(0.0,) * 4), kin, 6, seed)
    for f in range(6):
        homes, n = places.homes, places.n_homes
        ages = f - kin.birth[family == f]
        room = (homes.kind[:n] <= 1) & (homes.opened[:n] <= f) & (homes.beds[:n] - homes.living[:n] >= ages.size)
        room &= (homes.age_from[:n] <= ages.min()) & (ages.max() < homes.age_to[:n])
        places.advance(told([(int(c), FOSTER, False) for c in np.flatnonzero(family == f)]))
        together = np.unique(places.who.home[family == f]).size == 1 and places.who.home[family == f][0] >= 0
        if room.any():
            assert together


def test_homes_stop_and_close_when_the_last_child_has_left_or_at_once():
    slow = area({"own_foster": (1, 0, 0)}, n=2, loss_per_year=(1e6, 0, 0, 0))
    slow.homes.stops[0] = 1
    slow._numbers.loss[:] = 0  # only the one stop that is written above
    slow.advance(told([(0, FOSTER, False)]))
    assert where(slow.advance(told([(1, FOSTER, False)])))[1][2] == EMERGENCY
    assert slow.homes.closed[0] == NEVER
    assert slow.account("places_own_foster").tolist() == [1, 1]
    slow.advance(left=np.array([0], np.int32))
    assert slow.homes.closed[0] == 2
    assert slow.account("closed_own_foster").tolist() == [0, 0, 1]
    at_once = area({"own_foster": (1, 0, 0), "agency_foster": (1, 0, 0)}, n=2, at_once=(1, 0, 0, 0))
    at_once.advance(told([(0, FOSTER, False)]))
    at_once.rules = replace(at_once.rules, loss_per_year=(1e6, 0, 0, 0))
    answers = at_once.advance()
    assert where(answers)[0] == ("agency_foster", "in_the_area", IN_KIND)
    assert answers.why.tolist() == [HOME_CLOSED]
    assert at_once.account("home_closed").tolist() == [0, 1]


def test_a_child_who_has_waited_long_is_settled():
    places = area({"own_foster": (1, 0, 0), "childrens_home": (1, 0, 0)}, n=2, settled_weeks=3)
    places.advance(told([(0, FOSTER, False), (1, FOSTER, False)]))
    waits = int(places.waiting[0])
    for _ in range(3):
        places.advance()
    assert places.waiting.size == 0
    assert places.account("settled").tolist() == [0, 0, 0, 1]
    assert places.who.want[waits] == CHILDRENS
    assert where(places.advance(left=np.array([1 - waits], np.int32))) == {}


def test_beds_follow_need_late_and_part_by_part():
    """Wanted 20 / 0.8 = 25 beds, 10 are there: of a gap of 15, a hundredth a week, from 12 weeks on."""
    rules = {"adjust_weeks": (0, 0, 100.0, 0), "target": (0.8,) * 4, "delay_weeks": (0, 0, 12, 0)}
    opened = np.zeros(200)
    for seed in range(200):
        kin = kin_of(np.arange(20, dtype=np.int32), np.full(20, -600, np.int32), np.zeros(20, np.uint8))
        places = Places(np.array([[0] * 3, [0] * 3, [10, 0, 0], [0] * 3]), Rules(**rules), kin, 40, seed)
        places.advance(told([(c, CHILDRENS, False) for c in range(20)]))
        for _ in range(39):
            places.advance()
        opened[seed] = places.account("opened_childrens_home").sum()
        assert (places.homes.opened[10 : places.n_homes] >= 12).all()
        assert places.account("places_childrens_home")[:12].tolist() == [10] * 12
    # The first week's need is noticed in the second. Expected in 39 weeks: 15 (1 - 0.99^39) = 4.86.
    assert abs(opened.mean() - 15 * (1 - 0.99**39)) < 4 * np.sqrt(4.86 / 200)


def test_loss_and_recruitment_have_their_rates():
    """False alarm below 1 in 10,000 each: four standard errors of a binomial and of a Poisson number."""
    rules = Rules(loss_per_year=(0.147, 0, 0, 0), recruit_per_year=(0, 0.131, 0, 0))
    kin = kin_of(np.zeros(1, np.int32), np.zeros(1, np.int32), np.zeros(1, np.uint8))
    places = Places(np.array([[4000, 0, 0], [800, 0, 0], [0] * 3, [0] * 3]), rules, kin, 52, 9)
    for _ in range(52):
        places.advance()
    left = np.exp(-0.147)
    assert abs(places.account("homes_own_foster")[-1] - 4000 * left) < 4 * np.sqrt(4000 * left * (1 - left))
    assert abs(places.account("opened_agency_foster").sum() - 800 * 0.131) < 4 * np.sqrt(800 * 0.131)


def test_fuller_homes_lose_more_carers_only_with_stress():
    """At occupancy 1 and a target of 0.5, stress 2 doubles the loss; three standard errors apart at least."""
    lost = {}
    for stress in (0.0, 2.0):
        rules = Rules(loss_per_year=(0.3, 0, 0, 0), stress=(stress, 0, 0, 0), target=(0.5,) * 4)
        kin = kin_of(np.arange(2000, dtype=np.int32), np.full(2000, -100, np.int32), np.zeros(2000, np.uint8))
        places = Places(np.array([[2000, 0, 0]] + [[0] * 3] * 3), rules, kin, 26, 4)
        places.settle(np.arange(2000, dtype=np.int32), np.zeros(2000, np.int8))
        for _ in range(26):
            places.advance()
        lost[stress] = int((places.homes.stops[:2000] < NEVER).sum())
    for stress, rate in ((0.0, 0.3), (2.0, 0.6)):
        chance = 1 - np.exp(-rate / 2)
        assert abs(lost[stress] - 2000 * chance) < 4 * np.sqrt(2000 * chance * (1 - chance))


@pytest.mark.parametrize(
    ("child", "need", "words"),
    [([1, 1], [0, 0], "two homes in one week"), ([99], [0], "children 0 to 7"), ([1], [3], "kind of home"),
     ([-1], [0], "children 0 to 7")],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_before_anything_changes(child, need, words):
    places = area({"own_foster": (1, 0, 0)})
    before = places.arrays()
    with pytest.raises(CareError, match=words):
        places.advance(Requests(np.array(child, np.int32), np.array(need, np.int8), np.zeros(len(child), np.bool_)))
    with pytest.raises(CareError, match="children 0 to 7"):
        places.advance(left=np.array([8], np.int32))
    assert all(np.array_equal(before[name], array) for name, array in places.arrays().items())


@pytest.mark.parametrize(
    ("rules", "words"),
    [({"loss_per_year": (-1, 0, 0, 0)}, "below 0"), ({"target": (0, 1, 1, 1)}, "outside 0 to 1"),
     ({"adjust_weeks": (1, 0, 0, 0)}, "foster homes is not 0"), ({"together": 2}, "outside 0 to 1"),
     ({"bands": ((0, 0, 0),) * 4}, "all 0"), ({"beds": (((1,) * 9,) * 3,) * 4}, "more than 8 beds"),
     ({"at_once": (0, 0)}, "each of 4 kinds")],
)  # fmt: skip
def test_rules_that_are_not_right_are_refused(rules, words):
    with pytest.raises(CareError, match=words):
        Rules(**rules)


def test_the_end_and_the_beginning_are_told():
    places = area({"own_foster": (1, 0, 0)}, weeks=1)
    places.advance()
    with pytest.raises(CareError, match="founded for 1 weeks"):
        places.advance()
    with pytest.raises(CareError, match="not whole numbers"):
        Places(np.full((4, 3), -1), Rules(), places.kin, 1, 1)
