"""`journeys calibrate AREA --by WAY`: what is refused before anything is fitted, and what is kept of the way."""

from __future__ import annotations

from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from calibration.fit import Fitted
from calibration.fitted import SavedFit
from calibration.posterior import area as area_module
from calibration.posterior import neural_library
from calibration.posterior.draws import AreaDraws, load_draws
from experiments import fitting, parameter_draws
from tests.experiments.conftest import REAL_DRAWS_OF, quick_draws
from tests.experiments.test_cli import journeys, refused


@pytest.fixture
def ways(quick: SavedFit, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let a calibration take no time, and return the list into which the ways come."""
    seen: list[Any] = []

    def draw_area(fitted: Fitted, *, n_draws: int, by: str, **_rest: Any) -> AreaDraws:
        seen.append(by)
        return replace(quick_draws(fitted, n_draws, lambda *_: None), made={})

    monkeypatch.setattr(fitting, "fit", lambda *_a, **_k: quick)
    monkeypatch.setattr(parameter_draws, "draws_of", REAL_DRAWS_OF)
    monkeypatch.setattr(area_module, "draw_area", draw_area)
    monkeypatch.setattr(neural_library, "find_spec", lambda name: ModuleSpec(name, None))
    return seen


@pytest.mark.parametrize(("asked", "taken", "how"), [
    ((), "abc", "pyABC"), (("--by", "npe"), "npe", "BayesFlow"), (("--by", "none"), "none", "a Gaussian"),
])  # fmt: skip
def test_the_way_is_taken_and_told(
    quick: SavedFit, ways: list[Any], tmp_path: Path, asked: tuple[str, ...], taken: str, how: str
) -> None:
    found = journeys("calibrate", "Blackpool", "--draws", "3", *asked, "--to", str(tmp_path / "f"))
    assert found.exit_code == 0, found.output
    assert ways == [taken]
    assert how in load_draws(tmp_path / "f", quick.fitted).made["how"]


def test_what_cannot_be_is_refused_before_anything_is_fitted(ways: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("calibrate", "Blackpool", "--by")
    assert "Did you mean 'npe'" in refused(*words, "nep")
    assert "one area" in refused("calibrate", "Blackpool", "E06000004", "--by", "npe")
    assert "Leave --point or --by out" in refused(*words, "npe", "--point")
    monkeypatch.setattr(neural_library, "find_spec", lambda name: None if name == "jax" else ModuleSpec(name, None))
    said = refused(*words, "npe")
    assert "not installed: jax" in said
    assert "journeys-abm[npe]" in said
    assert ways == []
