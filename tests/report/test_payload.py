from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.errors import CareError
from experiments.report import payload
from tests.report.unpack import unpack


def back(values: np.ndarray) -> np.ndarray:
    return unpack(payload.pack({}, payload.columns_of("x", values)))[1]["x"]


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=40))
@settings(deadline=None)
def test_whole_numbers_come_back(numbers: list[int]) -> None:
    assert back(np.array(numbers, np.int64)).tolist() == numbers


@given(st.lists(st.floats(0, 1), max_size=40))
@settings(deadline=None)
def test_any_shares_come_back_exactly(numbers: list[float]) -> None:
    assert back(np.array(numbers, np.float64)).tolist() == numbers


def test_draws_of_32_bits_come_back_exactly_and_are_kept_in_four_bytes() -> None:
    draws = np.random.default_rng(1).integers(0, 2**32, 5000) / 2.0**32
    (column,) = payload.columns_of("draw", draws)
    assert (column.kind, column.codec) == ("u32", "share")
    assert np.array_equal(back(draws), draws)


def test_few_different_chances_become_codes() -> None:
    chances = np.repeat([0.1, 1 / 3, 1.0], 1000)
    assert [column.codec for column in payload.columns_of("chance", chances)] == ["lookup", "plain"]
    assert np.array_equal(back(chances), chances)


def test_a_whole_number_too_large_for_the_page_is_not_cut_silently() -> None:
    with pytest.raises(CareError, match="does not fit"):
        payload.columns_of("x", np.array([2**40]))


def test_the_same_data_give_the_same_text() -> None:
    columns = payload.columns_of("x", np.arange(100))
    assert payload.pack({"a": "é"}, columns) == payload.pack({"a": "é"}, columns)


def test_a_page_that_is_not_built_says_how_to_build_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "TEMPLATES", tmp_path)
    with pytest.raises(CareError, match=r"not built yet.*npm run build"):
        payload.write_page(tmp_path / "out.html", "journeys.html", "AAAA")


def test_a_template_without_its_place_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "TEMPLATES", tmp_path)
    (tmp_path / "journeys.html").write_text("<html></html>")
    with pytest.raises(CareError, match="no place for its data"):
        payload.write_page(tmp_path / "out.html", "journeys.html", "AAAA")


def test_a_failed_write_leaves_the_old_page_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(CareError, match="cannot be written: No space left"):
        payload.write_whole(path, "new")
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
    assert path.read_text() == "old"
