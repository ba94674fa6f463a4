"""What people judge, from a file to the draws that runs have."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from abm.errors import CareError
from abm.files import sha256_of
from calibration.fit import Fitted
from calibration.fitted import SavedFit, save_fit
from calibration.posterior import area as area_module
from calibration.posterior.conflict import apart_from
from calibration.posterior.draws import AreaDraws, load_draws, save_draws
from experiments import calibrating, fitting, parameter_draws
from tests.experiments.conftest import BLACKPOOL, REAL_DRAWS_OF, quick_draws
from tests.experiments.test_cli import journeys, refused

FILE = """
[[judgement]]
about = "out_of_care"
years = [2024, 2025]
quantiles = { "0.05" = 0.7, "0.5" = 0.9, "0.95" = 1.3 }
who = "A. Manager"

[[judgement]]
about = "into_care"
quantiles = { "0.25" = 0.9, "0.5" = 1.0, "0.75" = 2.0 }
"""


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    path = tmp_path / "workshop.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


@pytest.fixture
def given(quick: SavedFit, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let a calibration take no time, and return the list into which the judgements that draws are given come."""
    seen: list[Any] = []

    def draw_area(fitted: Fitted, *, n_draws: int, judgements: Any, **_rest: Any) -> AreaDraws:
        seen.append(judgements)
        draws = quick_draws(fitted, n_draws, lambda *_: None)
        apart = [apart_from(each, middle=1.0, spread=0.05) | {"removed": 0.9} for each in judgements]
        return replace(draws, made=dict(draws.made) | {"judged_and_figures": apart})

    monkeypatch.setattr(fitting, "fit", lambda *_a, **_k: quick)
    monkeypatch.setattr(parameter_draws, "draws_of", REAL_DRAWS_OF)
    monkeypatch.setattr(area_module, "draw_area", draw_area)
    return seen


def test_draws_are_given_the_judgements_and_keep_their_digest(
    quick: SavedFit, given: list[Any], judged: Path, tmp_path: Path
) -> None:
    found = journeys("calibrate", "Blackpool", "--draws", "3", "--judgements", str(judged), "--to", str(tmp_path / "f"))
    assert found.exit_code == 0, found.output
    assert [(each.about, each.years) for each in given[0]] == [("out_of_care", (2024, 2025)), ("into_care", ())]
    made = load_draws(tmp_path / "f", quick.fitted).made
    assert made["judgements"] == {
        "file": "workshop.toml", "sha256": sha256_of(judged), "about": ["out_of_care", "into_care"],
    }  # fmt: skip
    assert "2 judgements of people, of 'workshop.toml'" in made["how"]
    assert "A. Manager" not in (tmp_path / "f" / "draws.json").read_text(encoding="utf-8")
    # The first is nearly lognormal; the second cannot be, and that is said.
    told = " ".join(found.output.split())
    assert "Taken in: 2 judgements of 'workshop.toml'" in told
    assert "judgement 2 ('into_care') misses" in told
    assert "judgement 1 ('out_of_care') misses" not in told
    # Figures that say e: 2.7. The first judgement ends at 1.3; the second is as wide as can be.
    assert "Leaving care before 18, 2024 and 2025: the workshop expected a factor of about 0.94" in told
    assert "please find out why they differ" in told
    assert [each["apart"] for each in made["judged_and_figures"]] == [True, False]
    assert "1 of them far from what the figures say" in made["how"]


def test_without_judgements_draws_are_as_ever(quick: SavedFit, given: list[Any], tmp_path: Path) -> None:
    found = journeys("calibrate", "Blackpool", "--draws", "3", "--to", str(tmp_path / "f"))
    assert found.exit_code == 0, found.output
    assert given == [()]
    made = json.loads((tmp_path / "f" / "draws.json").read_text(encoding="utf-8"))["made"]
    assert "judgements" not in made
    assert "judgement" not in made["how"]


def test_what_cannot_be_judged_is_refused_before_anything_is_fitted(given: list[Any], judged: Path) -> None:
    words = ("calibrate", "Blackpool", "--judgements", str(judged))
    assert "one area" in refused("calibrate", "Blackpool", "E06000004", "--judgements", str(judged))
    assert "Leave --point out" in refused(*words, "--point")
    judged.write_text(FILE.replace('"out_of_care"', '"out_of_car"'), encoding="utf-8")
    assert "Did you mean 'out_of_care'" in refused(*words)
    assert "cannot be read" in refused("calibrate", "Blackpool", "--judgements", str(judged) + ".toml")
    assert given == []


def test_draws_with_judgements_are_not_replaced_by_others_without(
    quick: SavedFit, given: list[Any], judged: Path, tmp_path: Path
) -> None:
    made = parameter_draws.draws_of(
        quick.fitted, 3, lambda *_: None, statistics=None, judged=parameter_draws.read_judged(judged)
    )
    save_fit(quick, tmp_path)
    save_draws(made, tmp_path)
    fits = {BLACKPOOL: tmp_path}
    for asked in (None, 3):
        assert calibrating.how_many(fits, asked, point=False)[1].keys() == {BLACKPOOL}
    assert calibrating.how_many(fits, 5, point=True) == (0, {})
    with pytest.raises(CareError, match="rest on judgements"):
        calibrating.how_many(fits, 5, point=False)
    save_draws(quick_draws(quick.fitted, 3, lambda *_: None), tmp_path)
    assert calibrating.how_many(fits, 5, point=False) == (5, {})
