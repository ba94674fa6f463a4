"""Limited places: against the plain Python twin, order-free, the ledger, and each rule by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.errors import CareError
from abm.places import (
    EMERGENCY,
    HOME_CLOSED,
    IN_KIND,
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
