"""The bench runs from end to end. How long anything takes is shown by it and judged by nobody."""

import subprocess
import sys

import pytest

from tests.bench import page
from tests.bench.case import areas, parameters
from tests.bench.machine import ROOT
from tests.bench.reach import Growth, Row
from tests.bench.tables import Table


@pytest.mark.slow
def test_a_quick_bench_compares_measures_and_ends_well():
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for heading in ("The declared journey", "This machine's floor", "Growth", "What is to be reached", "The machine"):
        assert f"\n{heading}" in done.stdout
    assert "NO: z" not in done.stdout
    assert "bands of time: found" in done.stdout


def test_the_areas_are_those_of_england():
    known = areas()
    assert len(known) == len({area.code for area in known}) == 151
    assert sum(area.children for area in known) == 12_181_850
    assert parameters().multipliers.min() > 0


def test_a_row_is_reached_only_when_all_its_figures_are():
    def row(*values, **more):
        return Row("work", values, (20, 3), (8, 1.5), "{} s, {} GB", **more)

    assert [row(*v).verdict for v in ((7, 1), (7, 2), (21, 1), (20, 3))] == ["beyond", "reached", "short", "reached"]
    ratios = [Row("work", (v,), (20,), (60,), "{}", more=True).verdict for v in (10, 20, 60)]
    assert ratios == ["short", "reached", "beyond"]


def test_exponents_are_those_of_the_powers_that_made_them():
    sizes = (10, 100, 1_000)
    grown = Growth("toy", sizes, tuple(2 * n**1.5 for n in sizes), (1.0, 10.0, 1_000.0))
    assert grown.exponents() == pytest.approx((1.5, 1.5))
    assert grown.steepest() == pytest.approx((1.5, 2.0))


def test_figures_are_written_between_the_marks_and_nowhere_else(tmp_path, monkeypatch):
    file = tmp_path / page.NAME
    file.parent.mkdir(parents=True)
    file.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(page, "ROOT", tmp_path)
    page.write([Table("Heading", ("a", "b"), (("1", "x|y"),), ("Below.",))])
    text = file.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "### Heading\n\n| a | b |\n| --- | --- |\n| 1 | x\\|y |\n\nBelow." in text
    file.write_text("no marks", encoding="utf-8")
    with pytest.raises(SystemExit, match="has not both"):
        page.write([])
    assert file.read_text(encoding="utf-8") == "no marks"
