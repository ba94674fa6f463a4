"""What a week of places costs: `python tests/abm/test_places_speed.py` prints it; the test only bounds it."""

from __future__ import annotations

import time

import numpy as np
import pytest

from abm.places import KINDS, Places, Requests, kin_of
from calibration.places import place_rules, plan_places
from calibration.statistics import read_statistics

SHARES = np.array([0.70, 0.20, 0.10])
"""Of 2,000 children in limited homes: with foster carers, in children's homes, in supported accommodation."""


def an_area(n_children=2000, n_people=200_000, weeks=520, seed=1):
    """An area in a steady state: children leave after 2.5 years on average, move after two, and others come."""
    rng = np.random.default_rng(seed)
    plan = plan_places(read_statistics(), "Derbyshire", 2020)
    family = np.sort(rng.integers(0, n_people // 2, n_people)).astype(np.int32)
    birth = rng.integers(-935, weeks - 52, n_people).astype(np.int32)
    kin = kin_of(family, birth, rng.integers(0, 4, n_people).astype(np.uint8))
    n = np.round(n_children * SHARES).astype(np.int64)
    places = Places(plan.beds(n), place_rules(bands=plan.bands), kin, weeks, seed, "E10000007")
    ages, free = -birth, rng.permutation(n_people)
    free = free[(ages[free] >= 0) & (ages[free] < 900)]
    need = needs(rng, ages[free])
    first = np.concatenate([free[need == k][: n[k]] for k in range(3)])
    places.settle(first.astype(np.int32), np.repeat(np.arange(3), n).astype(np.int8))
    return places, rng, n_children


def needs(rng, ages):
    old = np.where(rng.random(ages.size) < 0.45, 2, np.where(rng.random(ages.size) < 0.4, 1, 0))
    return np.where(ages >= 832, old, np.where(ages >= 416, rng.random(ages.size) < 0.3, 0)).astype(np.int8)


def drive(places, rng, n_children, weeks):
    """Return seconds of processor time of each week, of `advance` alone."""
    took = np.zeros(weeks)
    birth, everyone = places.kin.birth, np.arange(places.kin.family.size)
    for w in range(weeks):
        ages = w - birth
        inside = np.flatnonzero(places.who.want >= 0)
        drawn = rng.random(inside.size)
        leaves = (drawn < 0.4 / 52) | (ages[inside] >= 936)
        left = inside[leaves].astype(np.int32)
        movers = inside[~leaves & (drawn > 1 - 0.5 / 52)]
        come = rng.choice(everyone, 400)
        come = np.unique(come[(places.who.want[come] < 0) & (ages[come] >= 0) & (ages[come] < 920)])
        come = rng.permutation(come)[: max(n_children - inside.size + left.size, 0)]
        child = np.concatenate([movers, come]).astype(np.int32)
        roof = np.concatenate([rng.random(movers.size) < 0.5, np.zeros(come.size, np.bool_)])
        requests = Requests(child, needs(rng, ages[child]), roof)
        began = time.thread_time()
        places.advance(requests, left)
        took[w] = time.thread_time() - began
    return took


@pytest.mark.bench
def test_a_week_of_an_area_with_2000_children_is_well_under_a_third_of_a_millisecond():
    places, rng, n = an_area(weeks=160)
    took = drive(places, rng, n, 160)
    assert np.median(took[50:]) < 0.3e-3


if __name__ == "__main__":
    places, rng, n = an_area()
    took = 1e3 * drive(places, rng, n, 520)
    middle, last = np.median(took), np.median(took[-52:])
    print(f"{places.n_homes} homes ever; ms a week: median {middle:.3f}, of the last year {last:.3f}")
    for name in ("requests", "placed_in_kind", "placed_out_of_kind", "emergency", "placed_off_the_list", "home_closed"):
        print(f"{name}: {places.account(name)[-260:].mean():.2f} a week")
    for kind in KINDS:
        there, full = places.account(f"places_{kind}"), places.account(f"children_{kind}")
        print(kind, "places", there[[0, 259, 519]], "occupancy", np.round((full / there)[[0, 259, 519]], 3))
