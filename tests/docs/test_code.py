"""The tutorial and the how-tos run as they stand."""

import contextlib
import io
import re
import tempfile
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
HOW_TOS = [
    "how_to/another_area.md",
    "how_to/result_folder.md",
    "how_to/checkpoint_and_fork.md",
    "how_to/mesa.md",
    "how_to/add_a_figure.md",
]


def run_page(name, names):
    """Run a page's Python blocks one after the other and return what they print; an error shows the page and line."""
    page = DOCS / name
    text = page.read_text(encoding="utf-8")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in re.finditer(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, block.start()) + 1
            exec(compile("\n" * line + block[1], str(page), "exec"), names)
    return printed.getvalue()


def lives(run):
    """Return child -> all that happened to them, in order."""
    told = {}
    for child, *event in run.events.select("child", "week", "step", "transition", "from_state", "to_state").iter_rows():
        told.setdefault(child, []).append(event)
    return told


@pytest.fixture(autouse=True)
def temporary_folders(tmp_path, monkeypatch):
    """Folders that a page makes are those of its test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(scope="module")
def tutorial():
    """What the tutorial leaves behind, with what it printed."""
    names = {"__name__": "tutorial"}
    printed = run_page("tutorial.md", names)
    return {**names, "printed": printed}


def test_the_tutorial_lists_the_areas_and_meets_published_figures(tutorial):
    assert "E06000009 Blackpool" in tutorial["printed"]
    assert set(tutorial["fitted"].scenario.years) <= set(tutorial["published"])


def test_the_tutorial_tells_a_life_with_a_plan_and_then_care(tutorial):
    told = tutorial["printed"]
    plan = told.index("A conference decided on a child protection plan.")
    assert "They became looked after." in told[plan:]


def test_the_tutorials_change_has_effects_only_from_the_year_it_changes(tutorial):
    assert tutorial["same"] is True
    # Lives compared one by one, without the recorded chances and draws.
    one, two = lives(tutorial["run"]), lives(tutorial["other"])
    differ = sum(one.get(child) != two.get(child) for child in one.keys() | two.keys())
    assert 0 < tutorial["changed"] == differ < 0.02 * tutorial["run"].children.height
    assert f"Children whose lives differ: {differ} of" in tutorial["printed"]
    assert tutorial["there"]["cla_started"][0] == tutorial["here"]["cla_started"][0]
    assert tutorial["there"]["cla_started"][1:].sum() < tutorial["here"]["cla_started"][1:].sum()


@pytest.mark.parametrize("page", HOW_TOS)
def test_the_how_to_runs_after_the_tutorial(page, tutorial):
    assert run_page(page, dict(tutorial)).strip()


def test_a_kept_run_is_the_same_and_its_forks_share_a_past(tutorial):
    names = dict(tutorial)
    printed = run_page("how_to/checkpoint_and_fork.md", names)
    assert printed.count("The same, bit for bit: True\n") == 1
    assert "The same again: True" in printed
    assert "Without a change, it is the run itself: True" in printed
    assert printed.count("the same past: True") == 3
    fewer, usual, more = (
        int(re.search(f"{name}: .* since: (\\d+)", printed)[1]) for name in ("fewer", "as before", "more")
    )
    assert fewer < usual < more


def test_every_page_with_python_is_run():
    with_python = {p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md") if "```python" in p.read_text("utf-8")}
    assert with_python == {"tutorial.md", *HOW_TOS}
