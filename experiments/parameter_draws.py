"""Draws of a fitted area's parameters, as runs have them in turn: the one place that says how they are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.elicit import Judgement
from calibration.fit import FIRST_YEAR, Fitted
from calibration.fitted import SavedFit
from calibration.posterior.beginning import By
from calibration.posterior.draws import AreaDraws
from calibration.statistics import Statistics
from calibration.targets import targets

if TYPE_CHECKING:
    from calibration.pooling import Prior, Process


STEP = "draws"
"""What making draws says of itself."""
FIRST_UNTIL = 2022
"""The first year up to which it was estimated how factors move; areas whose figures end before take that."""
SEED = 1
"""Of the draws; that of the runs has nothing to do with it."""
HOW: dict[By, str] = {
    "abc": "history matching, a sequential ABC run (pyABC) and moves, held against runs of the simulation",
    "npe": "history matching, a network taught on made-up figures (BayesFlow) and moves, held against runs of the "
    "simulation",
    "none": "moves from a Gaussian around the fit, held against runs of the simulation",
}
FAR_AHEAD = 2.0
"""A forecast that is farther than this from what factors alone lead to, in standard deviations of that, is told."""
FAR_OFF = 0.1
"""A judged quantile that its distribution misses by more than this share is told."""


@dataclass(frozen=True)
class Judged:
    """A file of judgements: its name and digest are kept with the draws, who judged is not."""

    judgements: tuple[Judgement, ...]
    file: str
    sha256: str

    def told(self) -> dict[str, Any]:
        """Return what is kept with the draws."""
        return {"file": self.file, "sha256": self.sha256, "about": [each.about for each in self.judgements]}

    def in_words(self) -> list[str]:
        """Return in sentences what is taken in, and which judged quantiles no such distribution holds."""
        n = len(self.judgements)
        lines = [f"Taken in: {n} judgement{'s' if n > 1 else ''} of '{self.file}'."]
        for each in self.judgements:
            most = float(abs(each.misses).max())
            if most > FAR_OFF:
                lines.append(
                    f"The {each.family} distribution that stands for {each.where} ('{each.about}') misses what was "
                    f"judged by up to {most:.0%}: look at its quantiles, or name another family."
                )
        return lines


def read_judged(path: Path) -> Judged:
    """Read a file of judgements about levers and forms; see `calibration.elicit.read_judgements`."""
    from abm.files import sha256_of
    from calibration.elicit import read_judgements
    from calibration.posterior.priors import JUDGED

    return Judged(read_judgements(path, JUDGED), path.name, sha256_of(path))


def draws_of(
    fitted: Fitted, n: int, say: Callable[[str, float], None], *, statistics: Statistics | None, workers: int = 1,
    judged: Judged | None = None, by: By | None = None,
) -> AreaDraws:  # fmt: skip
    """Return `n` draws of equal weight of the parameters of a fitted area, its years ahead among them.

    Parameters
    ----------
    statistics
        The table that the fit was made from (see `table_behind`): draws then know also the figures that must not be
        shown, and what is forecast of the area. None if it is not at hand.
    judged
        What people judge of the area's factors and forms, if anything.
    by
        Where moves begin (see `calibration.posterior.beginning`); if None, by ABC, or without it where pyABC is not
        installed.
    """
    from calibration.pooling import process_until
    from calibration.posterior.area import draw_area

    say(STEP, 0.0)
    found = None
    if statistics is not None:
        found = list(targets(statistics, fitted.area, range(FIRST_YEAR - 1, fitted.fitted_to + 1)))
    process = process_until(max(fitted.fitted_to, FIRST_UNTIL))
    by = by or ("none" if find_spec("pyabc") is None else "abc")
    draws = draw_area(
        fitted, found=found, judgements=judged.judgements if judged else (), process=process, n_draws=n, seed=SEED,
        workers=workers, by=by, ahead=_outlook_from(statistics),
        progress=lambda _what, part: say(STEP, part),
    )  # fmt: skip
    how = {"how": HOW[by], "ahead": _ahead_in_words(draws, process)}
    made = how | dict(draws.made)
    if judged is not None:
        n_judged = len(judged.judgements)
        made["how"] += f"; with {n_judged} judgement{'s' if n_judged > 1 else ''} of people, of '{judged.file}'"
        if n_apart := sum(each["apart"] for each in made.get("judged_and_figures", ())):
            made["how"] += f", {n_apart} of them far from what the figures say"
        made["judgements"] = judged.told()
    return replace(draws, made=made)


def quick_draws_of(fitted: Fitted, n: int, say: Callable[[str, float], None], *, statistics: Statistics) -> AreaDraws:
    """Return draws of the same kind in seconds: Gaussian around the fit, and not held against the simulation.

    That is enough for most factors, and for a test of a fit that is thrown away after it. `statistics` is the table
    that the area was fitted to, and nothing else.
    """
    from calibration.outlook import with_outlook
    from calibration.pooling import process_until
    from calibration.pooling_evidence import evidence_at, laplace_draws, prior_for
    from calibration.posterior.forms import FORMS

    say(STEP, 0.0)
    process, evidence = process_until(max(fitted.fitted_to, FIRST_UNTIL)), evidence_at(fitted)
    prior = prior_for(process, evidence, fitted.scenario.n_years)
    logs = laplace_draws(prior, evidence, n, SEED)
    draws = AreaDraws(fitted, logs, np.zeros((n, len(FORMS))), np.full(n, 1 / n), SEED, {"how": "Gaussian"})
    return with_outlook(draws, prior, statistics)


def _outlook_from(statistics: Statistics | None) -> Callable[[AreaDraws, Prior], AreaDraws] | None:
    """Return what makes draws agree with what is forecast of the area's figures, if the table is at hand."""
    from calibration.outlook import with_outlook

    return None if statistics is None else lambda draws, prior: with_outlook(draws, prior, statistics)


def _ahead_in_words(draws: AreaDraws, process: Process) -> str:
    moving = f"factors move as those of {process.n_areas} areas did up to {process.until}"
    if "outlook" not in draws.made:
        return moving
    outlook = draws.made["outlook"]
    moved, missed = float(outlook["moved"]), float(outlook["missed"])
    far = f"; by themselves they would lead {moved:.1f} standard deviations away" if moved > FAR_AHEAD else ""
    there = f"so that five figures lie where they are forecast for three years, {missed:.0%} off at most"
    return f"{moving}, {there} (see 'journeys backtest'){far}"


def table_behind(statistics: Statistics, made: SavedFit) -> Statistics | None:
    """Return the table if it is the one that a fit was made from, or else None.

    A fit that is kept lacks the figures that must not be shown; with the table, draws know as much as the fit did.
    """
    from abm.files import sha256_of

    return statistics if sha256_of(statistics.path) == made.statistics["sha256"] else None
