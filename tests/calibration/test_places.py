"""The homes of an area on day one, from what is published; the numbers of places and their sources."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from abm.errors import CareError
from abm.parameters import STATUSES
from abm.places import KINDS, Places, kin_of
from calibration.places import place_rules, plan_places, read_values, shipped_figures, unit_costs
from calibration.places_table import main
from calibration.statistics import PUBLISHED, read_statistics

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "published"
FIVE = ("England", "Stockton-on-Tees", "Blackpool", "North Tyneside", "Derbyshire")


@pytest.fixture(scope="module")
def statistics():
    return read_statistics()


def test_blackpool_2022_worked_by_hand(statistics):
    """401 foster children, 22% of them with kin (England: 12,610 of 57,190); 150 own places are filled of 285."""
    plan = plan_places(statistics, "Blackpool", 2022)
    with_others = 401 * (1 - 12_610 / 57_190)
    assert plan.children == pytest.approx([with_others, 70, 39])
    assert plan.own_share == pytest.approx(150 / with_others)
    places = plan.places()
    assert places.sum(axis=1) == pytest.approx([150 / 0.92, (with_others - 150) / 0.92, 70 / 0.92, 39 / 0.92])
    # Of own places England's 0.85 are inside, moved by the odds of Blackpool's children.
    here, there = distances(statistics, "Blackpool", 2022), distances(statistics, "England", 2022)
    odds = here[0] / (here[1] + here[2]) / (there[0] / (there[1] + there[2]))
    assert places[0, 0] / places[0].sum() == pytest.approx(odds * 0.85 / (0.15 + odds * 0.85))
    assert places[0, 1] / places[0, 2] == pytest.approx(here[1] / here[2])
    assert places[2, 2] / places[2, 1:].sum() == pytest.approx(0.49 / 0.67)
    assert plan.marks["own share of foster children"][0] == "derived"
    assert plan.marks["own approved foster places"] == ("published", "2022, LAIT_2026_04")
    assert (plan.approved, plan.located) == (285, 82)


def distances(statistics, area, year):
    """Children inside the area (a small cell left out counts none), outside within 20 miles, and farther."""
    figures, by = shipped_figures(), "Distance between home and placement and locality of placement | "
    inside, near, far_inside, far = (
        figures.series(area, "cla_at_31_march_by", by + label).get(year, 0.0)
        for label in (
            "1. Placed inside the LA boundary, 20 miles or less from home",
            "2. Placed outside the LA boundary, 20 miles or less from home",
            "3. Placed inside the LA boundary, more than 20 miles from home",
            "4. Placed outside the LA boundary, more than 20 miles from home",
        )
    )
    return inside + far_inside, near, far


@pytest.mark.parametrize("area", FIVE)
@pytest.mark.parametrize("year", [2020, 2022, 2025])
def test_published_places_bound_what_is_assumed_and_are_never_the_whole(statistics, area, year):
    plan = plan_places(statistics, area, year)
    places = plan.places()
    assert places[0].sum() <= plan.approved < places[:2].sum()
    assert places[2, 0] <= plan.located
    assert places[1].sum() > 0
    assert places.sum() >= plan.children.sum() / plan.occupancy - 1e-9
    assert plan.bands.sum(axis=1) == pytest.approx(1)


def test_places_in_the_area_are_no_more_than_the_beds_located_there(statistics):
    """North Tyneside has 46 beds: of 300 children in children's homes no more than 46 can live in the area."""
    plan = plan_places(statistics, "North Tyneside", 2020)
    many = plan.places(np.array([100.0, 300.0, 10.0]))
    assert many[2, 0] == plan.located == 46
    assert many[2].sum() == pytest.approx(300 / plan.occupancy)
    # A sample of one in two has half the beds.
    assert plan.places(np.array([50.0, 150.0, 5.0]), sample=2)[2, 0] == 23
    # Approved places are a floor: with few children there are as many places as are approved.
    assert plan.places(np.array([10.0, 1.0, 1.0]))[:2].sum() == plan.approved == 165


def test_whole_beds_are_right_to_half_a_bed_and_never_fewer_than_children(statistics):
    plan = plan_places(statistics, "Blackpool", 2020)
    for children in ([370, 70, 32], [0, 0, 0], [1, 1, 1], [5000, 3, 900]):
        beds = plan.beds(np.array(children))
        assert beds.dtype == np.int64
        assert (beds >= 0).all()
        assert (np.array([beds[:2].sum(), beds[2].sum(), beds[3].sum()]) >= children).all()
        assert abs(beds.sum() - plan.places(np.array(children, np.float64)).sum()) <= 3


def test_an_area_without_figures_of_its_own_has_englands_marked_assumed(statistics):
    """The table of places is asked for an area that it does not hold."""
    only = read_statistics(PUBLISHED / "statistics.csv")
    plan = plan_places(only, "Blackpool", 2020, figures=only)
    assert plan.own_share == read_values().number("own_share.england")
    assert (plan.approved, plan.located) == (None, None)
    for name in ("own share of foster children", "own approved foster places", "distance", "beds located in the area"):
        assert plan.marks[name][0] == "assumed"


def test_every_number_has_a_status_a_source_and_a_range():
    values = read_values()
    assert len(values) > 50
    for key, value in values.items():
        assert value.key == key
        assert value.status in STATUSES
        assert len(value.source) > 5
        assert value.low < value.high or value.status == "literature"
    assert (values["occupancy"].value, values["occupancy"].low, values["occupancy"].high) == (0.92, 0.85, 0.98)
    with pytest.raises(CareError, match="There is no value 'ocupancy'"):
        values.number("ocupancy")
    for kind in KINDS:
        assert sum(values.shares(f"beds.{kind}").values()) == pytest.approx(1)
        assert sum(values.shares(f"ages.{kind}").values()) == pytest.approx(1)


def test_the_mean_of_beds_is_the_published_one():
    foster = place_rules().numbers().mean_beds[:2]
    assert foster == pytest.approx(74_660 / 36_050, abs=0.005)


def test_numbers_that_cannot_be_read_are_told_with_their_row(tmp_path):
    text = (PUBLISHED / "places.csv").read_text(encoding="utf-8").replace("0.92,", "most,", 1)
    (tmp_path / "places.csv").write_text(text, encoding="utf-8")
    with pytest.raises(CareError, match="cannot be read") as told:
        read_values(tmp_path / "places.csv")
    assert "row 2" in str(told.value)
    with pytest.raises(CareError, match="numbers of places cannot be read"):
        read_values(tmp_path / "none.csv")


def test_figures_have_sources():
    with (PUBLISHED / "places_sources.csv").open(encoding="utf-8", newline="") as file:
        known = {row["source_id"]: row for row in csv.DictReader(file)}
    assert set(shipped_figures().frame["source_id"]) == set(known)
    assert all("Open Government Licence" in row["licence"] for row in known.values())


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference tables are not beside the project")
def test_the_figures_are_those_of_the_larger_table(tmp_path):
    table, sources = REFERENCE / "published_statistics.csv.gz", REFERENCE / "sources.csv"
    assert main([str(table), str(sources), "--to", str(tmp_path)]) == 0
    for name in ("places_figures.csv", "places_sources.csv"):
        assert (tmp_path / name).read_bytes() == (PUBLISHED / name).read_bytes()


def test_unit_costs_are_published_ones_in_prices_of_their_year(statistics):
    costs = unit_costs("E06000009", 2025)
    own, agency, home, supported = costs.by_kind
    assert (own.value, agency.value, home.value, supported) == (740, 740, 6390, None)
    assert "2024-25" in own.source
    assert own.status == "published"
    weeks, left_out = costs.of(np.array([[100, 50, 10, 7], [0, 0, 0, 7]]))
    assert weeks.tolist() == [150 * 740 + 10 * 6390, 0]
    assert left_out == ("supported_accommodation",)
    assert "England" in unit_costs("E06000001", 2025).by_kind[0].source
    with pytest.raises(CareError, match="of 1999 is not published"):
        unit_costs("E06000009", 1999)


def test_an_area_settles_into_its_homes_and_its_occupancy_is_the_assumed_one(statistics):
    plan = plan_places(statistics, "Blackpool", 2020)
    n = np.round(plan.children).astype(np.int64)
    rng, total = np.random.default_rng(1), int(n.sum())
    ages = np.concatenate([rng.integers(0, 936, n[0]), rng.integers(520, 936, n[1]), rng.integers(832, 936, n[2])])
    kin = kin_of(np.arange(total, dtype=np.int32) // 2, -ages.astype(np.int32), np.zeros(total, np.uint8))
    places = Places(plan.beds(n), place_rules(bands=plan.bands), kin, 1, 1, plan.area)
    answers = places.settle(np.arange(total, dtype=np.int32), np.repeat(np.arange(3), n).astype(np.int8))
    assert (answers.outcome == 0).all()
    there = places.homes.beds[: places.n_homes].sum()
    assert total / there == pytest.approx(plan.occupancy, abs=0.005)


def test_the_page_shows_the_numbers_as_they_are():
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "places.md").read_text(encoding="utf-8")
    values = read_values()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) > 10
    for key, value, between, status in rows:
        known = values[key.strip("|` ")]
        assert [float(value), *map(float, between.split(" to "))] == [known.value, known.low, known.high]
        assert status.strip("| ") == ("**assumed**" if known.status == "assumed" else known.status)
