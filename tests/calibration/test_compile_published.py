"""Making the project's own table of figures from a larger one."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.compile_published import compile_published, main, select
from calibration.publications import AREAS, plain
from calibration.statistics import PUBLISHED, read_statistics

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "published"
OWN = PUBLISHED / "statistics.csv", PUBLISHED / "sources.csv"


@pytest.mark.parametrize(("value", "text"), [(12.0, "12"), (22.6, "22.6"), (0.0, "0"), (11762878.0, "11762878")])
def test_numbers_are_written_plainly(value: float, text: str) -> None:
    assert plain(value) == text


def test_it_gives_itself_again(tmp_path: Path) -> None:
    compile_published(*OWN, tmp_path / "new")
    for path in OWN:
        assert (tmp_path / "new" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference tables are not beside the project")
def test_it_gives_what_is_shipped(tmp_path: Path) -> None:
    table, sources = REFERENCE / "published_statistics.csv.gz", REFERENCE / "sources.csv"
    assert main([str(table), str(sources), "--to", str(tmp_path)]) == 0
    for path in OWN:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_only_the_five_areas() -> None:
    assert set(select(read_statistics())["area_code"]) == set(AREAS)


def test_a_missing_measure_is_one_sentence_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "small.csv"
    table.write_text(
        "area_code,area_name,year,measure,breakdown,value,unit,source_id\n"
        "E06000009,Blackpool,2021,referals,total,2739,number,A\n",
        encoding="utf-8",
    )
    assert main([str(table), str(OWN[1]), "--to", str(tmp_path / "new")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "'referrals' has no rows" in said
    assert "Did you mean 'referals'" in said
    assert not (tmp_path / "new").exists()


def test_a_figure_without_a_source_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = tmp_path / "sources.csv"
    lines = OWN[1].read_text(encoding="utf-8").splitlines(keepends=True)
    sources.write_text("".join(line for line in lines if not line.startswith("CIN25_B1,")), encoding="utf-8")
    assert main([str(OWN[0]), str(sources), "--to", str(tmp_path / "new")]) == 2
    assert "source 'CIN25_B1' is used but not described" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("publication,date\nx,y\n", "no column 'source_id'"),
        ("", "cannot be read"),
        ("publication,source_id\nx\n", "row 2"),
    ],
)
def test_bad_sources(content: str, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = tmp_path / "sources.csv"
    sources.write_text(content, encoding="utf-8")
    assert main([str(OWN[0]), str(sources), "--to", str(tmp_path / "new")]) == 2
    assert fault in capsys.readouterr().err
