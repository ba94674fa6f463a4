"""Shapley values: worked by hand, and the properties that define them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.compare.ladder.shapley import one_by_one, shapley, subsets


def values(table: dict[str, float]) -> dict[frozenset[str], np.ndarray]:
    return {frozenset(key): np.array([value]) for key, value in table.items()}


def test_two_who_add_more_together_share_what_they_add_together():
    worth = values({"": 10.0, "a": 14.0, "b": 11.0, "ab": 19.0})
    # a first: 4, a second: 19 - 11 = 8; b second: 5, b first: 1.
    told = shapley(["a", "b"], worth)
    assert (told["a"][0], told["b"][0]) == (6.0, 3.0)


def test_three_by_hand_in_all_six_orders():
    worth = values({"": 0, "a": 6, "b": 12, "c": 0, "ab": 24, "ac": 6, "bc": 18, "abc": 30})
    told = shapley(["a", "b", "c"], worth)
    # a adds 6 (first, twice), 12 (after b), 6 (after c), 12 (last, twice): 54 / 6.
    assert {key: value[0] for key, value in told.items()} == {"a": 9.0, "b": 18.0, "c": 3.0}


def test_in_order_each_adds_what_comes_on_top():
    worth = values({"": 0, "a": 6, "b": 12, "ab": 24})
    assert [v[0] for v in one_by_one(["a", "b"], worth).values()] == [6.0, 18.0]
    assert [v[0] for v in one_by_one(["b", "a"], worth).values()] == [12.0, 12.0]


def test_subsets_are_all_there_from_none_to_all():
    told = subsets(["a", "b", "c"])
    assert (len(told), len(set(told)), told[0], told[-1]) == (8, 8, frozenset(), frozenset("abc"))


PLAYERS = ["a", "b", "c", "d"]
worths = st.lists(st.floats(-1e3, 1e3), min_size=16, max_size=16)


@given(worths)
def test_terms_add_up_to_the_whole_gap_in_both_ways(numbers):
    worth = {some: np.array([number]) for some, number in zip(subsets(PLAYERS), numbers, strict=True)}
    gap = worth[frozenset(PLAYERS)] - worth[frozenset()]
    for told in (shapley(PLAYERS, worth), one_by_one(PLAYERS, worth)):
        assert sum(told.values()) == pytest.approx(gap, abs=1e-9)


@given(st.lists(st.floats(-1e3, 1e3), min_size=8, max_size=8), st.floats(-50, 50))
def test_one_who_always_adds_the_same_has_that_and_no_part_of_the_others(numbers, adds):
    others = ["a", "b", "c"]
    worth = {some: np.array([number]) for some, number in zip(subsets(others), numbers, strict=True)}
    worth |= {some | {"d"}: value + adds for some, value in list(worth.items())}
    assert shapley(PLAYERS, worth)["d"] == pytest.approx([adds], abs=1e-9)


@given(worths)
def test_names_and_their_order_do_not_matter(numbers):
    worth = {some: np.array([number]) for some, number in zip(subsets(PLAYERS), numbers, strict=True)}
    told, turned = shapley(PLAYERS, worth), shapley(PLAYERS[::-1], worth)
    assert all(told[player] == pytest.approx(turned[player], abs=1e-9) for player in PLAYERS)
