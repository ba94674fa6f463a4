"""Draws of many at once and their order: the same as one by one, compiled and in plain Python."""

import numpy as np
import pytest

from abm import ordering
from abm.draws import choice, word, words
from abm.errors import CareError
from abm.ordering import choices, draws, order_by_draw
from abm.pathway import purpose_of

SEED = (7 << 40) + 5


def test_draws_of_many_are_those_of_each():
    drawn = draws(SEED, 1000, "a purpose", 30, week=-1)
    assert drawn.dtype == np.uint32
    assert drawn[[0, 7, 999]].tolist() == [word(SEED, 30 + i, -1, purpose_of("a purpose")) for i in (0, 7, 999)]
    assert np.array_equal(draws(SEED, 1000, "a purpose"), words(SEED, np.arange(1000), 0, purpose_of("a purpose")))
    assert np.array_equal(choices(SEED, 1000, "weeks", 52, 9), choice(SEED, 9 + np.arange(1000), "weeks", 52))
    assert draws(SEED, 0, "a purpose").size == 0


def test_a_seed_that_does_not_fit_is_told():
    with pytest.raises(CareError, match="The seed -1 does not fit"):
        draws(-1, 3, "a purpose")


def expected_order(stratum, drawn):
    return np.lexsort((np.arange(drawn.size), drawn, stratum))


@pytest.mark.parametrize("n", [0, 1, 2, 300, 5_000, 60_000])
def test_the_order_is_by_stratum_draw_and_place(n):
    """With 60,000 the large stratum takes several boxes."""
    stratum = words(1, np.arange(n), 0, 1) % 5
    stratum = np.where(stratum > 2, 2, stratum).astype(np.int16)
    drawn = draws(SEED, n, "turn")
    order, size = order_by_draw(stratum, drawn, 7)
    assert np.array_equal(order, expected_order(stratum, drawn))
    assert np.array_equal(size, np.bincount(stratum, minlength=7))


@pytest.mark.parametrize("shift", [12, 24, 31])
def test_equal_draws_stay_as_they_stand(shift):
    stratum, drawn = (np.arange(3000) % 2).astype(np.int16), draws(SEED, 3000, "turn") >> np.uint32(shift)
    assert np.array_equal(order_by_draw(stratum, drawn, 2)[0], expected_order(stratum, drawn))


def test_the_ends_of_the_draws_have_drawers_too():
    drawn = np.array([0xFFFFFFFF, 0, 0x80000000, 0xFFFFFFFF, 0], np.uint32)
    assert order_by_draw(np.zeros(5, np.int16), drawn, 1)[0].tolist() == [1, 4, 2, 0, 3]


def test_in_plain_python_the_order_is_the_same(monkeypatch):
    monkeypatch.setattr(ordering, "HAS_NUMBA", False)
    for name in ("count", "sort_by_draw"):
        function = getattr(ordering, name)
        monkeypatch.setattr(ordering, name, getattr(function, "py_func", function))
    monkeypatch.setattr(ordering, "_BOX", 64)
    stratum, drawn = (np.arange(400) % 3).astype(np.int16), draws(SEED, 400, "turn", 2)
    assert np.array_equal(drawn, words(SEED, 2 + np.arange(400), 0, purpose_of("turn")))
    assert np.array_equal(order_by_draw(stratum, drawn, 3)[0], expected_order(stratum, drawn))
