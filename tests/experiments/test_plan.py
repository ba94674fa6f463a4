"""What to run is checked, and refused in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from abm.errors import CareError
from calibration.statistics import Statistics
from experiments.plan import Plan, area_of, areas_of, plan_of, read_plan


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    return tmp_path / "plan.toml"


def test_a_plan_is_read_and_options_beat_it(plan: Path) -> None:
    plan.write_text('area = "Blackpool"\nruns = 3\nseed = 9\nyears = 2027\n')
    assert plan_of([str(plan)], None, None, None) == Plan(("Blackpool",), 3, 9, 2027)
    assert plan_of([str(plan)], 5, None, 2026) == Plan(("Blackpool",), 5, 9, 2026)
    assert list(Plan(("Blackpool",), 3, 9).seeds) == [9, 10, 11]


def test_only_an_area_is_needed(plan: Path) -> None:
    plan.write_text('area = "E06000009"')
    assert read_plan(plan) == Plan(("E06000009",), 20, 1, 2030)
    assert plan_of(["E06000009"], None, None, None) == Plan(("E06000009",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("area = E06", "not TOML: .*line 1"),
        ("", "no 'area'"),
        ("runs = 2", "no 'area'"),
        ("area = 6", "6 for 'area', which must be text"),
        ('area = "x"\nruns = "many"', "'many' for 'runs', which must be a whole number"),
        ('area = "x"\nruns = 2.5', "2.5 for 'runs'"),
        ('area = "x"\nruns = true', "True for 'runs'"),
        ('area = "x"\nrun = 2', r"'run', which means nothing \(did you mean 'runs'\?\)"),
        ('area = "x"\nruns = 0', "runs cannot be 0 .*, runs"),
        ('area = "x"\nseed = -1', "seed cannot be -1"),
        ('area = "x"\nyears = 2024', "years cannot be 2024.*from 2025 to 2040"),
    ],
)
def test_a_wrong_plan_is_told(plan: Path, text: str, said: str) -> None:
    plan.write_text(text)
    with pytest.raises(CareError, match=said) as caught:
        plan_of([str(plan)], None, None, None)
    assert str(plan) in str(caught.value)
    assert caught.value.remedy


def test_all_that_is_wrong_is_told_at_once(plan: Path) -> None:
    plan.write_text("runs = 'a'\nyear = 1")
    with pytest.raises(CareError) as caught:
        read_plan(plan)
    assert all(word in str(caught.value) for word in ("'area'", "'runs'", "'year'"))


def test_a_plan_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(CareError, match="no such plan"):
        plan_of([str(tmp_path / "nowhere.toml")], None, None, None)
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(CareError, match="no such plan"):
        plan_of([str(tmp_path / "folder.toml")], None, None, None)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CareError, match="not text in UTF-8"):
        plan_of([str(tmp_path / "bytes.toml")], None, None, None)
    with pytest.raises(CareError, match="Parquet come with a later version"):
        plan_of(["plan.parquet"], None, None, None)


@pytest.mark.parametrize(("runs", "seed", "years"), [(0, None, None), (10_001, None, None), (None, -1, None),
                                                     (None, 2**63, None), (None, None, 2041)])  # fmt: skip
def test_numbers_out_of_range_are_told(runs: int | None, seed: int | None, years: int | None) -> None:
    with pytest.raises(CareError, match=r"cannot be .* \(--(runs|seed|years)\)\. Use a whole number from"):
        plan_of(["E06000009"], runs, seed, years)


@pytest.mark.parametrize("spelling", ["england", "England", " ENGLAND "])
def test_england_is_not_one_area(spelling: str, statistics: Statistics) -> None:
    with pytest.raises(CareError, match=r"every authority.*E92000001"):
        area_of(statistics, spelling)


def test_areas_by_code_and_name(statistics: Statistics) -> None:
    assert area_of(statistics, "blackpool") == area_of(statistics, "E06000009")
    assert area_of(statistics, "E92000001").name == "England"
    with pytest.raises(CareError, match="Did you mean 'Blackpool'"):
        area_of(statistics, "Blackpol")


def test_several_areas_in_a_plan(plan: Path, statistics: Statistics) -> None:
    plan.write_text('areas = ["Blackpool", "E10000007"]\nseed = 4')
    found = plan_of([str(plan)], None, None, None)
    assert found == Plan(("Blackpool", "E10000007"), 10, 4, 2030)
    assert found.several
    assert not found.england
    assert [area.name for area in areas_of(statistics, found)] == ["Blackpool", "Derbyshire"]
    assert plan_of(["Blackpool", "Derbyshire"], 3, None, None).runs == 3
    for text, said in (
        ('area = "a"\nareas = ["b"]', "both 'area' and 'areas'"),
        ("areas = []", "no area in 'areas'"),
        ("areas = [6]", "must be a list such as"),
        ('areas = "x"', "must be a list such as"),
    ):
        plan.write_text(text)
        with pytest.raises(CareError, match=said):
            plan_of([str(plan)], None, None, None)


def test_england_is_every_authority(statistics: Statistics) -> None:
    found = plan_of([" England"], None, None, None)
    assert found.england
    assert found.several
    assert found.runs == 10
    codes = [area.code for area in areas_of(statistics, found)]
    assert codes == sorted(code for code, _ in statistics.authorities())
    assert "E92000001" not in codes
