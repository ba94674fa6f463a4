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
    "how_to/mechanisms.md",
    "how_to/mesa.md",
    "how_to/add_a_figure.md",
    "explanation/behaviours.md",
    "explanation/clocks.md",
    "explanation/families.md",
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


FUTURES = {
    "system dynamics, whoever it is": "system dynamics",
    "the shortest expected stays": "short",
    "anyone": "anyone",
    "the longest expected stays": "long",
    "the shortest stays, in hindsight": "short, in hindsight",
    "the longest stays, in hindsight": "long, in hindsight",
}


def told_in_the_table():
    """Return (future, years) -> (fewer children, standard error or None), as the tutorial's table tells them."""
    text = (DOCS / "tutorial.md").read_text("utf-8")
    head, _, *rows = re.search(r"^\| \| after 1 year .*?\n\n", text, re.DOTALL | re.MULTILINE)[0].strip().splitlines()
    years = [int(number) for number in re.findall(r"after (\d+) year", head)]
    told = {}
    for row in rows:
        name, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        for after, cell in zip(years, cells, strict=True):
            fewer, _, error = cell.partition(" ± ")
            told[FUTURES[name], after] = int(fewer), int(error) if error else None
    return told


def agrees(told, table):
    """Check a table of the page against what the page computed: to rounding, and to two standard errors.

    Another machine may fit a little differently, and then meets other luck.
    """
    assert set(told) == set(zip(table["future"], table["after"], strict=True))
    for row in table.iter_rows(named=True):
        fewer, error = told[row["future"], row["after"]]
        assert (error is None) == (row["error"] is None)
        assert abs(fewer + row["change"]) <= 1 + 2 * (row["error"] or 0)
        assert error is None or abs(error - row["error"]) <= 1 + 0.5 * row["error"]


def test_the_tutorials_table_of_who_no_longer_comes_into_care_is_what_it_computes(tutorial):
    told = told_in_the_table()
    agrees(told, tutorial["table"])
    swapped = {"short": "long", "long": "short"}
    with pytest.raises(AssertionError):
        agrees({(swapped.get(who, who), after): cell for (who, after), cell in told.items()}, tutorial["table"])


def test_what_the_tutorial_says_of_the_three_plans_holds(tutorial):
    fewer = {(row["future"], row["after"]): -row["change"] for row in tutorial["table"].iter_rows(named=True)}
    futures, plans = tutorial["futures"], tutorial["diversions"]
    for after in (5, 10):
        assert fewer["short", after] < fewer["anyone", after] < fewer["long", after]
        assert fewer["short, in hindsight", after] < fewer["short", after]
        assert fewer["long", after] < fewer["long, in hindsight", after]
        assert 1.6 < fewer["system dynamics", after] / fewer["short", after] < 2.4
    assert fewer["long", 1] < 1.6 * fewer["short", 1]
    assert 2.4 < fewer["long", 10] / fewer["short", 10] < 3.6
    assert 0.55 < fewer["system dynamics", 10] / fewer["long", 10] < 0.8
    for after in (1, 2, 5, 10):
        gaps = {who: abs(fewer["system dynamics", after] - fewer[who, after]) for who in plans}
        assert fewer["system dynamics", after] > fewer["anyone", after]
        assert after < 5 or min(gaps, key=gaps.get) == "anyone"
    # Each spares a fifth of the entries, and none before it begins.
    usual = futures.entries["as before"]
    for who, plan in plans.items():
        spared = usual - futures.entries[who]
        assert not spared[:, :2].any()
        off = spared[:, 2:].sum(axis=1) - 0.2 * usual[:, 2:].sum(axis=1)
        assert abs(off.mean()) < 4 * off.std(ddof=1) / off.size**0.5
        assert plan.expected[2:] == pytest.approx([0.8] * 10, rel=1e-4)
        course = tutorial["classic"][who]
        assert course.looked_after == pytest.approx(tutorial["classic"]["anyone"].looked_after, abs=0.05)
    assert 100 * (1 - plans["anyone"].kept[-1, 0]) == pytest.approx(26, abs=1)
    stay = dict(plans["anyone"].by_age.select("age", "years_in_care").iter_rows())
    assert stay["16-17"] < stay["0"] < min(stay["1-4"], stay["10-15"])
    assert max(stay, key=stay.get) == "5-9"


LONG = ("how_to/mechanisms.md", "explanation/behaviours.md")
"""What these do with mechanisms, tests of the commands and of the engine do too, in smaller areas."""


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.slow) if page in LONG else page for page in HOW_TOS]
)
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
