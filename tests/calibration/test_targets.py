"""Targets: errors worked by hand, hidden cells, and what the shipped figures give."""

from __future__ import annotations

import csv
from math import sqrt
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from abm.errors import CareError
from calibration.literature import read_literature
from calibration.readings import Reading, between, part_of, percent_of, published, total_of
from calibration.refusals import COLUMNS
from calibration.statistics import ENGLAND, Area, Cell, Statistics, read_statistics
from calibration.targets import FIGURES, Target, published_shape, targets
from tests.calibration.areas import REQUIRED

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference"
BLACKPOOL, ALL = Area("E06000009", "Blackpool"), Area(ENGLAND, "England")
FIVE = ("E92000001", "E06000004", "E06000009", "E08000022", "E10000007")


def exact(value: float) -> Reading:
    return Reading(value, value, value, 0.0, "A")


def table(folder: Path, *rows: tuple[object, ...], code: str = "E06000009", name: str = "Blackpool") -> Statistics:
    """Return a table of (year, measure, breakdown, value, unit) of one area."""
    path = folder / "figures.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([code, name, *row, "A"] for row in rows)
    return read_statistics(path)


def one(statistics: Statistics, figure: str, year: int = 2021, area: str = "Blackpool") -> Target | None:
    found = [target for target in targets(statistics, area, [year]) if target.figure == figure]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.fixture(scope="module")
def shipped() -> Statistics:
    return read_statistics()


# --- rounding and revision -----------------------------------------------------------------------


def test_england_is_rounded_to_ten() -> None:
    reading = published(ALL, 2021, Cell(400.0, "A"))
    assert (reading.low, reading.high) == (395, 405)
    # 10 / sqrt(12) = 2.887 from rounding, 2 from revision.
    assert reading.sigma == pytest.approx(sqrt(2.8868**2 + 2**2), abs=1e-3)


def test_england_was_rounded_to_a_hundred_in_2010() -> None:
    reading = published(ALL, 2010, Cell(400.0, "A"))
    assert (reading.low, reading.high) == (350, 450)


def test_an_authority_is_exact_but_revised() -> None:
    reading = published(BLACKPOOL, 2021, Cell(1000.0, "A"))
    assert (reading.low, reading.high) == (1000, 1000)
    assert reading.sigma == pytest.approx(5.0)
    assert published(BLACKPOOL, 2021, Cell(0.0, "A")).sigma == 0.5


def test_sums_and_differences_carry_their_errors() -> None:
    first, second = published(ALL, 2021, Cell(100.0, "A")), published(ALL, 2021, Cell(30.0, "A"))
    total, difference = first.plus(second), first.less(second)
    assert (total.value, total.low, total.high) == (130, 120, 140)
    assert (difference.value, difference.low, difference.high) == (70, 60, 80)
    assert total.variance == difference.variance == pytest.approx(2 * 100 / 12)
    assert second.less(first).value == 0


def test_a_share_is_of_the_counts() -> None:
    share = percent_of(exact(25), exact(200))
    assert share is not None
    assert (share.value, share.low, share.high) == (12.5, 12.5, 12.5)
    assert share.sigma == pytest.approx(0.25)  # Half a child of 200.
    assert percent_of(exact(0), exact(0)) is None


# --- hidden cells --------------------------------------------------------------------------------


def test_published_parts_are_taken_as_they_are() -> None:
    parts = {"a": exact(5), "b": exact(7), "c": exact(8)}
    assert part_of(exact(20), parts, ["a"]) == exact(5)
    assert part_of(exact(20), parts, ["a", "b"]) == exact(12)
    assert part_of(None, parts, ["a"]) == exact(5)
    assert part_of(exact(20), parts, ["not there"]) is None


def test_one_hidden_part_is_what_is_left() -> None:
    found = part_of(exact(40), {"a": None, "b": exact(20)}, ["a"])
    assert found is not None
    assert (found.value, found.low, found.high, found.note) == (20, 20, 20, "solved, not published")


def test_a_small_hidden_part_stays_as_wide_as_it_was_left() -> None:
    found = part_of(exact(24), {"a": None, "b": exact(20)}, ["a"])
    assert found is not None
    assert (found.value, found.low, found.high) == (3, 1, 5)
    assert found.sigma == pytest.approx(sqrt(2), abs=0.01)


def test_several_hidden_parts_share_what_is_left() -> None:
    parts = {"a": None, "b": None, "c": exact(20)}
    found = part_of(exact(58), parts, ["a"])
    assert found is not None
    assert (found.value, found.low, found.high) == (19, 1, 37)
    both = part_of(exact(58), parts, ["a", "b"])
    assert both is not None
    assert (both.value, both.low, both.high) == (38, 38, 38)


def test_a_hidden_part_beside_a_published_one() -> None:
    found = part_of(exact(60), {"a": None, "b": exact(9), "c": None, "d": exact(31)}, ["a", "b"])
    assert found is not None
    assert (found.value, found.low, found.high) == (19, 10, 28)


@pytest.mark.parametrize("whole", [None, exact(20)])
def test_without_anything_left_there_is_no_target(whole: Reading | None) -> None:
    assert part_of(whole, {"a": None, "b": exact(20)}, ["a"]) is None


@given(
    counts=st.lists(st.integers(0, 60), min_size=2, max_size=9),
    hide=st.sets(st.integers(0, 8)),
    take=st.sets(st.integers(0, 8), min_size=1),
)
@settings(deadline=None)
def test_the_truth_is_never_outside_the_interval(counts: list[int], hide: set[int], take: set[int]) -> None:
    # An authority publishes its zeros, so only what is there can be hidden.
    parts = {str(i): None if i in hide and n > 0 else exact(n) for i, n in enumerate(counts)}
    wanted = [str(i) for i in take if i < len(counts)]
    assume(wanted)
    found = part_of(exact(sum(counts)), parts, wanted)
    truth = sum(counts[int(label)] for label in wanted)
    assert found is not None
    assert found.low <= truth <= found.high
    assert found.low <= found.value <= found.high
    assert found.sigma >= 0.5


def test_nothing_summed_is_nothing() -> None:
    assert total_of([]) is None
    assert between(1, 5, "A", "").value == 3


# --- rules, worked by hand -----------------------------------------------------------------------


def test_no_further_action_is_solved_from_the_identity(tmp_path: Path) -> None:
    rows = [
        (2021, "referrals", "total", 1000, "number"),
        (2021, "referrals_assessed_not_in_need", "total", 300, "number"),
        (2021, "cin_episodes_started", "total", 620, "number"),
    ]
    found = one(table(tmp_path, *rows), "referrals_no_further_action")
    assert found is not None
    assert (found.value, found.low, found.high, found.note) == (80, 60, 100, "solved, not published")


def test_a_small_no_further_action_is_not_given_away(tmp_path: Path) -> None:
    rows = [
        (2021, "referrals", "total", 1000, "number"),
        (2021, "referrals_assessed_not_in_need", "total", 300, "number"),
        (2021, "cin_episodes_started", "total", 698, "number"),
    ]
    found = one(table(tmp_path, *rows), "referrals_no_further_action")
    assert found is not None
    assert (found.value, found.low, found.high) == (3, 1, 5)


def test_plans_ended_go_on_as_a_rate(tmp_path: Path) -> None:
    rows = [
        (2022, "cpp_ended", "total", 441, "number"),
        (2022, "lait: Ceased to be subject to Child Protection Plan", "DeRegCPR", 158.5, "Rate per 10,000"),
        (2023, "lait: Ceased to be subject to Child Protection Plan", "DeRegCPR", 110.6, "Rate per 10,000"),
        (2022, "population_0_17", "mid-year", 28300, "persons"),
    ]
    statistics = table(tmp_path, *rows)
    counted, worked_out = one(statistics, "cpp_ended", 2022), one(statistics, "cpp_ended", 2023)
    assert counted is not None
    assert worked_out is not None
    assert counted.value == 441
    assert worked_out.value == pytest.approx(313.0, abs=0.1)  # 110.6 x 28,300 / 10,000
    assert (worked_out.low, worked_out.high) == pytest.approx((312.86, 313.14), abs=0.01)
    assert "mid-2022" in worked_out.note


def test_population_lies_between_two_mid_years(tmp_path: Path) -> None:
    rows = [(year, "population_0_17", "mid-year", value, "persons") for year, value in ((2020, 1000), (2021, 1400))]
    statistics = table(tmp_path, *rows)
    found = one(statistics, "population_0_17")
    assert found is not None
    assert found.value == 1300  # A quarter of 1,000 and three quarters of 1,400.
    assert one(statistics, "population_0_17", 2022) is None


def test_rereferrals_are_a_percent_of_referrals(tmp_path: Path) -> None:
    rows = [
        (2021, "referrals", "total", 400, "number"),
        (2021, "rereferrals_within_12_months", "total", 90, "number"),
        (2021, "rereferrals_within_12_months", "total", 22.5, "percent of referrals"),
    ]
    found = one(table(tmp_path, *rows), "rereferrals_within_12_months")
    assert found is not None
    assert found.value == pytest.approx(22.5)


UASC = "Unaccompanied asylum-seeking children"


def test_few_unaccompanied_children_are_one_to_five(tmp_path: Path) -> None:
    rows = [
        (2020, "cla_started_by", f"{UASC} | Total", 100, "number"),
        (2020, "cla_started_by", f"{UASC} | UASC", 12, "number"),
        (2021, "cla_started_by", f"{UASC} | Total", 100, "number"),
    ]
    statistics = table(tmp_path, *rows)
    counted = one(statistics, "uasc_started", 2020)
    assert counted is not None
    assert counted.value == 12
    # No area of this small table has the cell in 2021, so the table does not show that it exists.
    assert one(statistics, "uasc_started", 2021) is None
    path = statistics.path
    path.write_text(
        path.read_text(encoding="utf-8") + f"E92000001,England,2021,cla_started_by,{UASC} | UASC,2800,number,A\n",
        encoding="utf-8",
    )
    few = one(read_statistics(path), "uasc_started", 2021)
    assert few is not None
    assert (few.value, few.low, few.high, few.note) == (3, 1, 5, "solved, not published")


def test_unaccompanied_children_are_solved_from_the_percent(tmp_path: Path) -> None:
    share = "lait: % CLA starting to be looked after during the year who are unaccompanied Asylum Seeking Children"
    rows = [(2020, "cla_started", "total", 200, "number"), (2020, share, "p", 5, "% of CLA")]
    found = one(table(tmp_path, *rows), "uasc_started", 2020)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((10, 9, 11))
    assert "solved" in found.note


def test_guardianship_and_adoption_in_pieces(tmp_path: Path) -> None:
    reason = "Reason episode ceased"
    piece = "Special guardianship order made to"
    rows = [
        (2016, "cla_ceased", "total", 100, "number"),
        (2016, "cla_ceased_by", f"{reason} | {piece} former foster carers", 8, "number"),
        (2016, "cla_ceased_by", f"{reason} | {piece} carers other than former foster carers", 9, "number"),
        (2019, "cla_ceased_by", f"{reason} | Special guardianship order", 20, "number"),
        (2019, "cla_ceased_by", f"{reason} | {piece} former foster carers", 8, "number"),
    ]
    statistics = table(tmp_path, *rows)
    pieces = one(statistics, "cla_ceased_special_guardianship", 2016)
    whole = one(statistics, "cla_ceased_special_guardianship", 2019)
    assert pieces is not None
    assert whole is not None
    assert (pieces.value, whole.value) == (17, 20)


def test_an_unknown_area_is_refused(shipped: Statistics) -> None:
    with pytest.raises(CareError, match="Did you mean 'Derbyshire'"):
        targets(shipped, "Darbyshire", [2021])


# --- what the shipped figures give ---------------------------------------------------------------


@pytest.mark.parametrize("code", FIVE)
def test_every_area_has_the_required_figures(code: str, shipped: Statistics) -> None:
    found = {(target.figure, target.year): target for target in targets(shipped, code, range(2021, 2026))}
    for figure in REQUIRED:
        for year in range(2021, 2026):
            target = found[figure, year]
            assert target.low <= target.value <= target.high
            assert 0 < target.sigma < 0.05 * target.value + 1
    assert {target.figure for target in found.values()} <= set(FIGURES)


def test_known_figures_of_blackpool_and_england(shipped: Statistics) -> None:
    blackpool = {(t.figure, t.year): t for t in targets(shipped, "Blackpool", range(2021, 2026))}
    assert blackpool["referrals", 2025].value == 2707
    assert blackpool["referrals_no_further_action", 2021].value == 0
    assert blackpool["cla_at_31_march", 2021].value == 609
    assert blackpool["cla_foster_share", 2021].value == pytest.approx(100 * 438 / 609)
    # 609 less 438 + 24 + 10 + 57 + 75 leaves 5 in two hidden cells.
    assert (blackpool["cla_other_at_31_march", 2021].low, blackpool["cla_other_at_31_march", 2021].high) == (2, 5)
    england = {(t.figure, t.year): t for t in targets(shipped, "England", range(2021, 2026))}
    assert england["cla_at_31_march", 2025].value == 81770
    assert england["cla_ceased_at_18", 2025].value == 13740
    assert england["uasc_started", 2022].value == 5400
    assert "other placements" in england["cla_supported_at_31_march", 2024].note
    assert england["cla_supported_at_31_march", 2022].note == ""


@pytest.mark.parametrize("code", FIVE)
@pytest.mark.parametrize("year", range(2021, 2026))
def test_the_parts_make_the_whole(code: str, year: int, shipped: Statistics) -> None:
    found = {target.figure: target for target in targets(shipped, code, [year])}

    def within(total: str, parts: list[str]) -> None:
        some = [found[part] for part in parts]
        # Twenty figures rounded to 10 may be 100 apart. An authority's are exact, but a child or two aged 18 may have
        # left for a named reason and so count twice.
        slack = 100 if code == ENGLAND else 2
        assert sum(part.low for part in some) - slack <= found[total].value <= sum(p.high for p in some) + slack

    ages = ("0", "1_4", "5_9", "10_15", "16_17")
    within("cla_at_31_march", [f"cla_age_{age}_at_31_march" for age in ages])
    within("cla_started", [f"cla_started_age_{age}" for age in ages])
    homes = [
        f"cla_{home}_at_31_march"
        for home in ("foster", "childrens_home", "supported", "with_parents", "placed_for_adoption", "other")
    ]
    # North Tyneside's published parts of 2024 are more than its whole, so nothing can be said about its hidden part.
    assert found.keys() >= set(homes) or (code, year) == ("E08000022", 2024)
    if found.keys() >= set(homes):
        within("cla_at_31_march", homes)
    named = [figure for figure in found if figure.startswith("cla_ceased_") and "other" not in figure]
    within("cla_ceased", [*named, "cla_ceased_other_before_18"])


@pytest.mark.parametrize("code", FIVE)
def test_referrals_are_their_outcomes_and_episodes(code: str, shipped: Statistics) -> None:
    for year in range(2021, 2026):
        found = {target.figure: target for target in targets(shipped, code, [year])}
        outcomes = [found[f"referrals_{outcome}"] for outcome in ("no_further_action", "assessed_not_in_need")]
        rest = found["referrals"].value - found["cin_episodes_started"].value
        # England's holds less well: it is made of all authorities, some of whose figures do not agree.
        slack = 0.001 * found["referrals"].value if code == ENGLAND else 20
        assert sum(o.low for o in outcomes) - slack <= rest <= sum(o.high for o in outcomes) + slack


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_targets_of_other_authorities(every: int, reference: Statistics) -> None:
    for code, _ in reference.areas()[::every]:
        for target in targets(reference, code, (2021, 2022, 2025)):
            assert 0 <= target.low <= target.value <= target.high, target
            assert target.sigma > 0, target
            assert target.source_id, target


# --- shapes --------------------------------------------------------------------------------------


def test_every_shape_names_its_year_and_sums_to_one(shipped: Statistics) -> None:
    shapes = published_shape(shipped)
    assert len(shapes) == 22
    for name, shape in shapes.items():
        assert 2022 <= shape["year"] <= 2025, name
        assert shape["source_id"], name
        for bands in [shape.get("bands"), *(group["bands"] for group in shape.get("groups", {}).values())]:
            if bands is not None:
                assert sum(band["share"] for band in bands) == pytest.approx(1), name
                assert bands[-1]["high"] is None
                assert all(band["low"] <= (band["high"] or band["low"]) for band in bands)
        if "shares" in shape:
            assert sum(shape["shares"].values()) == pytest.approx(1), name


def test_known_shapes(shipped: Statistics) -> None:
    shapes = published_shape(shipped)
    # 2024: 9,310 + 4,360 of 83,650 children in all groups.
    assert shapes["placement_at_31_march"]["shares"]["kinship"] == pytest.approx(0.1634, abs=1e-4)
    assert shapes["age_at_ceasing"]["shares"]["18"] == pytest.approx(0.389, abs=1e-3)
    assert shapes["care_duration_at_ceasing_days"]["bands"][0] == {
        "low": 0,
        "high": 14,
        "share": pytest.approx(2520 / 33620, abs=1e-4),
    }
    assert shapes["adoption_stage_months"]["means"]["entry_to_adopted"] == 27
    assert shapes["placement_duration_days"]["groups"]["foster_or_kinship"]["median"] == 174
    assert "supported accommodation" in shapes["placement_at_31_march"]["note"]


def test_a_fuller_table_gives_the_same(shipped: Statistics, reference: Statistics) -> None:
    assert published_shape(reference) == published_shape(shipped)
    for code in FIVE:
        assert targets(reference, code, range(2016, 2026)) == targets(shipped, code, range(2016, 2026))


def test_shapes_need_england(tmp_path: Path) -> None:
    statistics = table(tmp_path, (2021, "referrals", "total", 5, "number"), code=ENGLAND, name="England")
    with pytest.raises(CareError, match=r"England's figures of 'national_cla_ceased_by' are not in the table"):
        published_shape(statistics)


# --- research ------------------------------------------------------------------------------------


def test_findings_by_key() -> None:
    findings = read_literature()
    assert findings["ever_referred_by_18"].value == 35.4
    assert [findings[f"reentered_within_{t}_of_return"].value for t in ("3_months", "1_year", "6_years")] == [
        12,
        20,
        35,
    ]
    assert findings["guardianship_ended_in_5_years"].unit == "per 1,000"
    assert findings["ever_looked_after_by_1"].ci_high == 0.9
    with pytest.raises(CareError, match="Did you mean 'ever_referred_by_18'"):
        findings["ever_refered_by_18"]


def test_a_bad_finding_names_its_place(tmp_path: Path) -> None:
    path = tmp_path / "literature.csv"
    header = "key,value,ci_low,ci_high,unit,population,period,parameter,source"
    path.write_text(f"{header}\nk,many,,,percent,p,p,p,s\n", encoding="utf-8")
    with pytest.raises(CareError, match=r"'many' is not a number \(.*literature.csv, row 2, column value\)"):
        read_literature(path)
    with pytest.raises(CareError, match="cannot be read"):
        read_literature(tmp_path / "gone.csv")
    path.write_text("key,value\nk,1\n", encoding="utf-8")
    with pytest.raises(CareError, match="no column 'ci_low'"):
        read_literature(path)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference tables are not beside the project")
def test_findings_are_those_of_the_reference() -> None:
    with (REFERENCE / "literature_parameters.csv").open(encoding="utf-8", newline="") as file:
        known = {(row["parameter"], row["value"], row["source"]) for row in csv.DictReader(file)}
    for finding in read_literature().values():
        if not finding.key.endswith("_in_5_years"):
            assert (finding.parameter, f"{finding.value:g}", finding.source) in known
