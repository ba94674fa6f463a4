"""`journeys statistics build`: what it says, what it writes, and how it refuses."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from calibration.statistics import read_statistics
from tests.calibration.downloads.files import B1, D3, RELEASED, authority, england, table, write
from tests.experiments.test_cli import journeys, refused

NUMBERS = (50, 45, 30, 29, 20, 18, 25, 5)


@pytest.fixture
def b1(tmp_path: Path) -> Path:
    rows = [england("2020", "x", *NUMBERS), authority("2020", "x", 50, "c", 30, 29, 20, 18, 25, 5)]
    return write(tmp_path / "b1.csv", table(B1, rows))


def test_it_writes_a_table_its_sources_and_a_report_and_prints_it(b1: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "mine.csv"
    found = journeys("statistics", "build", b1, "--to", target)
    assert found.exit_code == 0, found.output
    assert sorted(path.name for path in target.parent.iterdir()) == ["mine.csv", "mine_report.md", "mine_sources.csv"]
    assert read_statistics(target).series("Blackpool", "cin_at_31_march") == {2020: 25}
    for words in (
        "15 figures of 2 areas",
        "small, hidden by the publisher (c)",
        "0 authorities have all that",
        "mine.csv",
    ):
        assert words in found.stdout
    assert "### File by file" in (tmp_path / "new" / "mine_report.md").read_text(encoding="utf-8")
    assert journeys("areas", "--statistics", target).stdout == "E92000001  England\nE06000009  Blackpool\n"


def test_a_whole_release_as_an_archive_on_top_of_the_projects_table(tmp_path: Path) -> None:
    release = tmp_path / "children-in-need_2025.zip"
    with zipfile.ZipFile(release, "w") as archive:
        for path in sorted(RELEASED.glob("*_to_2025.csv")):
            archive.write(path, f"data/{path.name}")
        archive.writestr("data/meta.csv", "col_name,col_type\na,b\n")
        archive.writestr("data-guidance/data-guidance.txt", "x")
    target = tmp_path / "t.csv.gz"
    found = journeys("statistics", "build", release, "--onto", "project", "--to", target)
    assert found.exit_code == 0, found.output
    assert "* meta.csv: its columns are not declared" in found.stdout
    assert "4 authorities have all that `journeys calibrate` needs" in found.stdout
    assert read_statistics(target).areas()[0] == ("E92000001", "England")


def test_a_damaged_file_writes_nothing(b1: Path, tmp_path: Path) -> None:
    bad = write(tmp_path / "d3.csv", table(D3, [authority("2020", "x", "many", 5, 2)]))
    said = refused("statistics", "build", b1, bad, "--to", tmp_path / "t.csv")
    assert "'many' is neither a number nor a mark such as c or x" in said
    assert "d3.csv, row 2, column CPP_start" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b1.csv", "d3.csv"]


def test_an_old_table_stays_when_a_new_one_is_refused(b1: Path, tmp_path: Path) -> None:
    target = tmp_path / "t.csv"
    assert journeys("statistics", "build", b1, "--to", target).exit_code == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    write(tmp_path / "d3.csv", b"\x00")
    refused("statistics", "build", b1, tmp_path / "d3.csv", "--to", target)
    (tmp_path / "d3.csv").unlink()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("build", "{b1}", "--to", "table.parquet"), "A table ends in .csv or .csv.gz"),
        (("build", "{b1}", "--to", ".csv"), "A table ends in .csv or .csv.gz"),
        (("build", "{b1}", "--to", "{b1}"), "onto a file that it is made of"),
        (("build", "{b1}", "--to", "t.csv", "--onto", "t.csv"), "onto a file that it is made of"),
        (("build", "{b1}", "--to", "t.csv", "--onto", "none.csv"), "There is no file of published figures"),
        (("build", "nowhere.csv", "--to", "t.csv"), "There is no such file (nowhere.csv)"),
        (("build", ".", "--to", "{b1}.d/t.csv", "--declarations", "none.toml"), "declarations of files cannot be read"),
        (("build", "{empty}", "--to", "t.csv"), "There is no CSV file in this folder"),
        (("build", "{b1}"), "Missing option '--to'"),
        (("build", "--to", "t.csv"), "Missing argument 'FILES...'"),
        (("bild",), "No such command 'bild'"),
    ],
)
def test_refusals(words: tuple[str, ...], said: str, b1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    named = [word.format(b1=b1, empty=tmp_path / "empty") for word in words]
    assert said in refused("statistics", *named)


def test_help_names_the_command() -> None:
    assert "statistics" in journeys("--help").stdout
    assert "build" in journeys("statistics", "--help").stdout
    assert "--onto" in journeys("statistics", "build", "--help").stdout
