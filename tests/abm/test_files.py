"""Files: written whole or not at all, and refused when a bit of them changed; marks of what things are made of."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from abm.errors import CareError
from abm.files import read_columns, read_signed, replacing, signed, sweep, write_columns
from abm.journey import JOURNEY
from abm.marks import journey_mark, mark_of
from abm.pathway import Journey
from tests.abm.toys import small_area

COLUMNS = {
    "yes": np.array([True, False]),
    "small": np.arange(5, dtype=np.uint8),
    "below": np.array([-1, 300], np.int16),
    "plane": np.arange(12, dtype=np.int64).reshape(3, 4),
    "none": np.zeros((0, 4), np.int64),
    "large": np.array([2**64 - 1], np.uint64),
    "share": np.array([0.1, np.nan, np.inf]),
    "other order": np.array([1, 2**30], ">i4"),
    "every second": np.arange(10, dtype=np.int32)[::2],
}


def test_columns_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x"
    write_columns(path, {"a": [1, "ä"]}, COLUMNS)
    told, columns = read_columns(path, "")
    assert told == {"a": [1, "ä"]}
    assert list(columns) == list(COLUMNS)
    for name, column in COLUMNS.items():
        assert columns[name].dtype == column.dtype.newbyteorder("=")
        assert np.array_equal(columns[name], column, equal_nan=column.dtype.kind == "f")
        assert columns[name].flags.writeable
        assert columns[name].flags.aligned
    first = path.read_bytes()
    write_columns(path, told, columns)
    assert path.read_bytes() == first, "the same columns are the same bytes, whatever the order in memory"
    assert [entry.name for entry in path.parent.iterdir()] == ["x"]


def test_a_kind_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    for column in (np.array(["a"]), np.array([None]), np.zeros(2, "f4"), np.zeros(2, "M8[s]")):
        with pytest.raises(CareError, match="Column 'x' is of the kind"):
            write_columns(tmp_path / "x", {}, {"x": column})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "listed",
    [
        [{"name": "x", "kind": "|O", "shape": [1], "sha256": ""}],
        [{"name": "x", "kind": "<i4", "shape": [-1, -1], "sha256": ""}],
        [{"name": "x", "kind": "<i4", "shape": [10**30], "sha256": ""}],
        [{"name": "x", "kind": "<i4", "shape": [0.5], "sha256": ""}],
        [{"name": "x", "kind": "<i4", "shape": ["1"], "sha256": ""}],
        [{"name": "x", "kind": ["<i4"], "shape": [1], "sha256": ""}],
        [{"name": "x", "kind": "<i4", "shape": 1, "sha256": ""}],
        [{"name": "x", "kind": "<i4", "shape": [1], "sha256": ""}],
        [{"kind": "<i4"}],
        ["x"],
        7,
        None,
    ],
)
def test_a_header_made_up_by_hand_is_refused(tmp_path: Path, listed: object) -> None:
    """Signed as it must be, so that only its content is wrong."""
    told = signed({"columns": listed} if listed is not None else {}).encode()
    path = tmp_path / "x"
    path.write_bytes(b"journeys-abm columns 1 %012d\n" % len(told) + told + b"1234")
    with pytest.raises(CareError, match=r"'x' (is|has).*Do this"):
        read_columns(path, "Do this")


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    names = ["nothing", "folder"]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        names.append("pipe")
    for name in names:
        with pytest.raises(CareError, match=f"There is no file '{name}' here"):
            read_columns(tmp_path / name, "")


def test_a_file_is_on_the_disk_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, move = os.fsync, os.replace

    def settle(handle: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        fsync(handle)

    def replace_it(one: Path, other: Path) -> None:
        done.append("takes its place")
        move(one, other)

    monkeypatch.setattr(os, "fsync", settle)
    monkeypatch.setattr(os, "replace", replace_it)
    with replacing(tmp_path / "x") as name:
        name.write_text("whole")
    if os.path.isdir("/proc/self/fd"):
        assert done == ["file", "takes its place", "folder"]
    assert (tmp_path / "x").read_text() == "whole"


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    write_columns(path, {}, {"a": np.arange(3)})
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CareError, match=r"'x' cannot be written: No space left on device .*Free some space"):
        write_columns(path, {}, {"a": np.arange(4)})
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]
    with pytest.raises(CareError, match="cannot be written"):
        write_columns(path / "below a file", {}, {})


def test_only_what_was_left_over_is_swept(tmp_path: Path) -> None:
    kept = ["x", ".x", ".x.part", ".x.y.abcdefgh.part", ".xy.abcdefgh.part", ".x.abcdefgh.part.txt", "x.abcdefgh.part"]
    for name in (*kept, ".x.abcdefgh.part", ".x.a_1b2c3d.part"):
        (tmp_path / name).touch()
    sweep(tmp_path / "x")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(kept)


def test_signed_text_is_plain_json(tmp_path: Path) -> None:
    told = {"b": 1, "a": [0.1, "ä", None, True]}
    path = tmp_path / "x.json"
    path.write_text(signed(told), encoding="utf-8", newline="\n")
    assert read_signed(path, "") == told
    assert json.loads(path.read_text(encoding="utf-8"))["sha256"]
    path.write_text(path.read_text(encoding="utf-8").replace(" 1", "  1"), encoding="utf-8", newline="\n")
    with pytest.raises(CareError, match="changed by hand"):
        read_signed(path, "")
    for text in ("", "[]", "3", "nul", "[" * 100_000):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(CareError, match="damaged"):
            read_signed(path, "")


def test_the_mark_of_a_journey_is_of_what_decides() -> None:
    words = Journey(tuple(replace(s, label="!", colour="#000000") for s in JOURNEY.states), JOURNEY.transitions)
    assert journey_mark(words) == journey_mark(JOURNEY)
    first, *others = JOURNEY.transitions
    other = Journey(JOURNEY.states, (replace(first, clock_at=1), *others))
    assert journey_mark(other) != journey_mark(JOURNEY)


def test_a_mark_is_of_every_bit_and_only_of_that() -> None:
    area = small_area()
    assert mark_of(area) == mark_of(small_area())
    births = area.plan.births.copy()
    births[1] = np.nextafter(births[1], np.inf)
    others = [
        replace(area, plan=replace(area.plan, births=births)),
        replace(area, plan=replace(area.plan, births=area.plan.births[:2])),
        replace(area, plan=replace(area.plan, births=area.plan.births.astype(np.float32))),
        replace(area, area_name="Toyshir"),
        replace(area, sample=2),
    ]
    assert len({mark_of(area), *map(mark_of, others)}) == 6
    plane = np.arange(6).reshape(2, 3)
    assert mark_of(plane) == mark_of(np.asfortranarray(plane)) == mark_of(plane.astype(">i8"))
    assert mark_of(plane) != mark_of(plane.reshape(3, 2))
    assert mark_of(np.float64(1.5)) == mark_of(1.5)
    told_apart = [1, 1.0, "1", True, None, (1,), ((1,),), (), ("a", "b"), ("ab",), ("a", ("b",))]
    assert len({mark_of(value) for value in told_apart}) == len(told_apart)
    with pytest.raises(TypeError):
        mark_of({1, 2})
