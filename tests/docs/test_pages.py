"""The pages hold: links lead somewhere, generated pages are current, and what is named exists."""

import ast
import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
import typer

from abm.describe import slug
from experiments.cli import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())


def generator():
    """Return docs/generate.py as a module."""
    found = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def prose(page):
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def test_the_generated_pages_are_up_to_date():
    module = generator()
    stale = [
        path.name for path, text in module.pages().items() if not path.is_file() or path.read_text("utf-8") != text
    ]
    assert not stale, f"{', '.join(stale)} of docs/reference do not say what is declared: run {module.COMMAND}"


def test_every_number_in_the_code_that_is_assumed_is_listed():
    listed = (DOCS / "reference" / "assumptions.md").read_text("utf-8")
    for file in sorted([*(ROOT / "abm").rglob("*.py"), *(ROOT / "calibration").glob("*.py")]):
        body = ast.parse(file.read_text("utf-8")).body
        for statement, after in pairwise(body):
            if (
                isinstance(statement, ast.Assign)
                and isinstance(after, ast.Expr)
                and "assumed" in ast.unparse(after).lower()
            ):
                name = ast.unparse(statement.targets[0])
                assert f"`{name}`" in listed, f"{name} of {file.name}: add its file to WITH_NUMBERS of docs/generate.py"


@every_page
def test_links_lead_somewhere(page):
    for text, link in re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", prose(page)):
        assert text, f"{page.name}: the link to {link} has no words"
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{page.name}: {link} is not there"
        if anchor:
            anchors = {slug(heading) for heading in HEADING.findall(target.read_text("utf-8"))}
            assert anchor in anchors, f"{page.name}: {target.name} has no heading #{anchor}"


def test_the_pictures_are_small():
    pictures = sorted((DOCS / "images").glob("*.png"))
    assert [p.name for p in pictures] == ["journeys.png", "report.png"]
    assert all(p.stat().st_size < 300_000 for p in pictures)


@every_page
def test_files_that_are_named_exist(page):
    for name in re.findall(r"`((?:abm|calibration|docs|experiments|tests)/[\w./]+)`", page.read_text("utf-8")):
        assert (ROOT / name).exists(), f"{page.name} names {name}, which is not there"


@every_page
def test_commands_that_are_named_exist(page):
    run = subprocess.run([sys.executable, ROOT / "run.py"], capture_output=True, text=True, check=True).stdout
    jobs = set(re.findall(r"^  (\w+) ", run, re.MULTILINE))
    text = page.read_text("utf-8")
    named = re.findall(r"(?:make|run\.py) (\w+)`", text) + re.findall(
        r"^(?:make|p\S* run\.py) (\w+)", text, re.MULTILINE
    )
    assert set(named) <= jobs


@every_page
def test_the_journeys_command_takes_what_the_page_gives_it(page):
    commands = typer.main.get_command(app).commands
    for line in re.findall(r"^journeys (.+)$|`journeys ([^`]+)`", page.read_text("utf-8"), re.MULTILINE):
        name, *words = shlex.split("".join(line))
        if name == "--help":
            continue
        assert name in commands, f"{page.name}: there is no 'journeys {name}'"
        command = commands[name]
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
        assert {word for word in words if word.startswith("-")} <= known


def test_every_page_is_in_a_table_of_contents():
    listed = {DOCS / "index.md"}
    for page in DOCS.rglob("*.md"):
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            entries = [line for line in tree.splitlines() if line and not line.startswith(":")]
            listed |= {(page.parent / f"{entry}.md").resolve() for entry in entries}
    assert listed == {page for page in DOCS.rglob("*.md") if "_build" not in page.parts}


def test_the_layers_that_are_told_are_those_that_are_enforced():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    enforced = next(c["layers"] for c in contracts if c["name"].startswith("inside abm"))
    page = (DOCS / "decisions" / "0008-layers.md").read_text("utf-8")
    block = re.search(r"```text\n(.*?)```", page, re.DOTALL)[1]
    told = [re.findall(r"\w+", line.partition("  ")[0]) for line in block.splitlines()]
    assert told == [re.findall(r"\w+", layer) for layer in enforced]


@every_page
def test_pages_speak_of_children_with_care(page):
    for words in ("placement failure", "absconded", "LACs", "stock of children", "cases of children"):
        assert words not in page.read_text("utf-8")


@pytest.mark.slow
def test_the_documentation_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", DOCS, tmp_path]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    start = (tmp_path / "index.html").read_text("utf-8")
    assert "simulated, not real children" in start
    asked = re.findall(r"(?:src|href)=\"(https?:[^\"]+)\"", start)
    assert [link for link in asked if link.endswith((".js", ".css"))] == []
