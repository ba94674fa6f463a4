"""Excerpts of released files against the project's own table, which was made of the same releases by other means."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from abm.errors import CareError
from calibration.downloads.building import PROJECT, Built, build, read_older, sources_beside
from calibration.downloads.needs import readiness
from calibration.downloads.reading import read_sheet, sources
from calibration.downloads.recognising import column_of, recognise
from calibration.downloads.report import report
from calibration.downloads.rules import FileRule, folded
from calibration.downloads.writing import report_beside, write
from calibration.refusals import COLUMNS, KEY
from calibration.statistics import PUBLISHED, read_statistics
from tests.calibration.downloads.files import RELEASED, rules
from tests.calibration.downloads.files import write as write_file

FILES = sorted(RELEASED.glob("*.csv"))
KEYS = {
    "2021_cla": "rate", "a5": "a5", "a7": "a7", "b1": "b1", "b4": "b4", "b5": "b5", "b6": "b6", "b7": "b7", "c1": "c1",
    "c2": "c2", "c3": "c3", "c4": "c4", "cla_number": "rate", "csww": "workforce", "d1": "d1", "d3": "d3", "d5": "d5",
    "d7": "d7", "la_children_who_ceased": "la_ceased", "la_cla_during": "new_placements",
    "la_cla_placement_stability": "stability", "la_cla_swcount": "social_workers", "la_cla_who": "la_started",
    "national_children_who_ceased": "england_ceased", "national_cla_adopted": "england_adoption_stages",
    "national_cla_ceased": "england_periods", "national_cla_on_31_march_by": "england_31_march",
    "national_cla_on_31_march_who": "england_unaccompanied", "national_cla_started": "england_started",
    "national_duration": "england_durations", "ons": "population",
}  # fmt: skip
"""Beginning of a file's name -> key of its declaration."""


@pytest.fixture(scope="module")
def built() -> Built:
    return build([RELEASED], rules=rules())


@pytest.fixture(scope="module")
def shipped() -> pl.DataFrame:
    return read_statistics().frame


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name[:30])
def test_a_file_is_known_whatever_it_is_called(path: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "data (3).csv"
    renamed.write_bytes(path.read_bytes())
    found = recognise(read_sheet(next(sources([renamed]))), rules())
    assert isinstance(found, FileRule)
    assert found.key == next(key for begin, key in KEYS.items() if path.name.startswith(begin))


def test_every_figure_is_that_of_the_projects_own_table(built: Built, shipped: pl.DataFrame) -> None:
    both = built.figures.join(shipped, on=[*KEY, "source_id"], how="inner", suffix="_there")
    assert both.height > 900
    not_there = {"CIN21_A5", "CIN21_A7", "CIN22_B6", "CIN25_C3", "CLA21_RATE", "CLA25_SW", "CSWW25"}
    assert set(both["source_id"]) == {one.source_id for one in built.found} - not_there
    assert both.filter(pl.col("value") != pl.col("value_there")).is_empty()


def test_no_figure_of_the_projects_own_table_is_missed(built: Built, shipped: pl.DataFrame) -> None:
    """Where a release is the newest in both, area and year are in the excerpt, every figure is found."""
    ours = pl.concat(
        one.cells.select("area_code", "year").unique().with_columns(source_id=pl.lit(one.source_id))
        for one in built.found
    )
    wanted = shipped.join(ours, on=["area_code", "year", "source_id"], how="semi")
    # A count that stands among times, and which the project's table calls months.
    wanted = wanted.filter(~pl.col("breakdown").str.starts_with("Children adopted who were placed"))
    assert wanted.height > 900
    assert wanted.join(built.figures, on=[*KEY, "source_id"], how="anti").is_empty()


def test_every_cell_is_a_figure_or_counted_by_reason(built: Built) -> None:
    for one, taken, whys in zip(built.found, built.taken, built.left_out, strict=True):
        by_hand = one.sheet.text.height * len(_columns(one.sheet, one.rule))
        assert one.n_cells == by_hand == taken + sum(whys.values()), one.rule.key
    assert sum(built.taken) == built.figures.height


def _columns(sheet: object, rule: FileRule) -> set[str | None]:
    named = {name for figure in rule.figures for name in (figure.column, figure.percent) if name}
    return {column_of(sheet, rule, name) for name in named} - {None}  # type: ignore[arg-type]


def test_no_column_goes_unused_without_a_reason(built: Built) -> None:
    undeclared = [(one.rule.key, column) for one in built.found for column, why in one.unused.items() if "not d" in why]
    assert undeclared == []


def test_the_table_is_read_again_and_cites_its_sources(built: Built, tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    told = report(built, readiness(built.statistics(target)), target)
    write(built, target, told)
    again = read_statistics(target)
    assert again.frame.equals(built.figures)
    assert again.areas() == built.statistics(target).areas()
    cited = pl.read_csv(sources_beside(target), infer_schema=False)
    assert set(cited["source_id"]) == set(again.frame["source_id"])
    assert cited.columns == pl.read_csv(PUBLISHED / "sources.csv", infer_schema=False).columns
    assert not any(cell == "" for cell in cited.row(0))
    assert report_beside(target).read_text(encoding="utf-8") == told
    for words in ("rows of two authorities together", "rows of the level 'Regional'", "CLA25_RATE", "4 areas", "2020:"):
        assert words in told


def test_order_and_names_of_files_change_nothing(built: Built, tmp_path: Path) -> None:
    shuffled = build(FILES[::-1], rules=rules())
    assert shuffled.figures.equals(built.figures)
    for name in ("a.csv", "b.csv.gz"):
        write(built, tmp_path / name, "")
        first = (tmp_path / name).read_bytes()
        write(shuffled, tmp_path / name, "")
        assert (tmp_path / name).read_bytes() == first
    assert read_statistics(tmp_path / "b.csv.gz").frame.equals(built.figures)


def test_next_years_files_need_nothing_new(tmp_path: Path) -> None:
    """Files of which only name and years are other ones are read, and cited as the release they are."""
    path = RELEASED / "c1_children_in_need_referrals_and_rereferrals_2013_to_2025.csv"
    later = tmp_path / "c1_children_in_need_referrals_and_rereferrals_2013_to_2026.csv"
    later.write_text(path.read_text(encoding="utf-8-sig").replace("\n2025,", "\n2026,"), encoding="utf-8")
    found = build([later], rules=rules())
    assert set(found.figures["source_id"]) == {"CIN26_C1"}
    assert found.figures["year"].max() == 2026
    assert found.publications[0]["publication"].endswith(later.name)


def test_a_newer_release_corrects_the_projects_table(tmp_path: Path) -> None:
    path = RELEASED / "c1_children_in_need_referrals_and_rereferrals_2013_to_2025.csv"
    text = path.read_text(encoding="utf-8-sig")
    line = next(row for row in text.splitlines() if row.startswith("2025") and "Blackpool" in row)
    cells = line.split(",")
    newer = ["2026", *cells[1:]]
    revised = [*cells[:11], str(int(cells[11]) - 1), *cells[12:]]
    later = tmp_path / "c1.csv"
    later.write_text("\n".join([text.splitlines()[0], ",".join(newer), ",".join(revised)]) + "\n", encoding="utf-8")
    older = read_older(PROJECT)
    made = build([later], older, rules())
    table = made.statistics(tmp_path / "t.csv")
    assert table.series("Blackpool", "referrals")[2026] == int(cells[11])
    assert table.series("Blackpool", "referrals")[2025] == int(cells[11]) - 1
    assert table.series("Derbyshire", "referrals") == older.statistics.series("Derbyshire", "referrals")
    assert table.series("Blackpool", "referrals")[2024] == older.statistics.series("Blackpool", "referrals")[2024]
    assert [r.different for r in made.revisions if (r.newer, r.older) == ("CIN26_C1", "CIN25_C1")] == [1]
    assert {"CIN26_C1", "CLA25_RATE"} <= {row["source_id"] for row in made.publications}
    assert made.taken[-1] + sum(made.left_out[-1].values()) == older.statistics.frame.height


@pytest.mark.parametrize(
    ("begin", "whole", "part"),
    [
        (begin, whole, part)
        for begin, key in KEYS.items()
        for rule in rules().file
        if rule.key == key
        for whole, parts in rule.at_most.items()
        for part in parts
    ],
)
def test_two_columns_that_changed_places_are_found_out(begin: str, whole: str, part: str, tmp_path: Path) -> None:
    """Every declared pair bites: with their headers swapped, some row of the excerpt has more of a part than of all."""
    path = next(p for p in FILES if p.name.startswith(begin))
    header, rest = path.read_text(encoding="utf-8-sig").split("\n", 1)
    names = header.strip().split(",")
    a, b = ([folded(name) for name in names].index(folded(column)) for column in (whole, part))
    names[a], names[b] = names[b], names[a]
    swapped = write_file(tmp_path / "swapped.csv", ",".join(names) + "\n" + rest)
    with pytest.raises(CareError, match=r"more than that of column .*changed places"):
        build([swapped], rules=rules())


def test_columns_of_a_table() -> None:
    assert COLUMNS == tuple(build([FILES[0]], rules=rules()).figures.columns)
