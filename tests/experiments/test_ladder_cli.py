"""The ladder on the command line: what is refused, in one sentence, and what is shown."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from calibration.fitted import SavedFit, save_fit
from experiments import cli, ladder_jobs


def journeys(*words: str | Path) -> Any:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


@pytest.fixture(scope="module")
def fit(quick: SavedFit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    save_fit(quick, folder)
    return folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("results", "--fit", "x"), "--fit goes with --ladder"),
        (("results", "--policy", "none"), "--policy goes with --ladder"),
        (("results", "--exact"), "--exact goes with --ladder"),
        (("Blackpol", "--ladder"), "Blackpool"),
        (("england", "--ladder"), "every authority"),
        (("Blackpool", "--ladder", "--runs", "-1"), "runs cannot be -1"),
        (("Blackpool", "--ladder", "--years", "2050"), "years cannot be 2050"),
        (("Blackpool", "--ladder", "--fit", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(words, said):
    found = journeys("compare", *words)
    assert found.exit_code == 2, found.output
    assert found.stdout == ""
    assert said in found.stderr
    # What is being done is told in lines that end with dots; what is wrong is one sentence.
    assert len([line for line in found.stderr.splitlines() if not line.endswith("...")]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("Derbyshire",), "is of Blackpool, not of Derbyshire"),
        (("Blackpool", "--years", "2040"), "reaches to 31 March 2030, not to 2040"),
        (("Blackpool", "--policy", "less"), "'less' is not a policy"),
        (("Blackpool", "--policy", "into_care=0.8@2045"), "is not a simulated year"),
    ],
)
def test_what_does_not_go_with_a_fit_is_refused_before_anything_is_worked_out(fit, words, said, monkeypatch):
    monkeypatch.setattr(ladder_jobs, "Climber", lambda *_a: pytest.fail("work was begun"))
    found = journeys("compare", *words, "--ladder", "--fit", fit)
    assert (found.exit_code, found.stdout) == (2, "")
    assert said in found.stderr


def test_options_reach_the_job_and_its_text_is_shown(monkeypatch, tmp_path, fit):
    seen = {}

    def ladder(_table, area, _say, **given):
        seen.update(given, area=area.code)
        return SimpleNamespace(text=["One line.", "Another."])

    monkeypatch.setattr(ladder_jobs, "ladder", ladder)
    monkeypatch.setattr(ladder_jobs, "write", lambda made, folder: seen.update(written=folder))
    found = journeys(
        "compare", "Blackpool", "--ladder", "--fit", fit, "--policy", "none", "--runs", "3", "--seed", "7", "--years",
        "2028", "--exact", "--to", tmp_path,
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    assert found.stdout.startswith("One line.\nAnother.\n")
    assert ladder_jobs.SIMULATED in found.stdout
    assert (seen["area"], seen["policy"], list(seen["seeds"]), seen["last_year"]) == (
        "E06000009", "none", [7, 8, 9], 2028,
    )  # fmt: skip
    assert (seen["finer"], seen["written"], seen["fit_from"]) == (True, tmp_path, fit)


def test_without_runs_none_are_simulated(monkeypatch, fit):
    seen = {}
    monkeypatch.setattr(ladder_jobs, "ladder", lambda *_a, **given: seen.update(given) or SimpleNamespace(text=[]))
    assert journeys("compare", "Blackpool", "--ladder", "--fit", fit, "--runs", "0").exit_code == 0
    assert list(seen["seeds"]) == []
