"""Draws of a fitted area's parameters, as runs have them in turn: the one place that says how they are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from calibration.elicit import Judgement
from calibration.fit import FIRST_YEAR, Fitted
from calibration.fitted import SavedFit
from calibration.posterior.draws import AreaDraws
from calibration.statistics import Statistics
from calibration.targets import Target, targets

STEP = "draws"
"""What making draws says of itself."""
FIRST_UNTIL = 2022
"""The first year up to which it was estimated how factors move; areas whose figures end before take that."""
SEED = 1
"""Of the draws; that of the runs has nothing to do with it."""
WITH_ABC = "history matching, a sequential ABC run (pyABC) and moves, held against runs of the simulation"
WITHOUT_ABC = "moves from a Gaussian around the fit, held against runs of the simulation (pyABC is not installed)"
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
    fitted: Fitted, n: int, say: Callable[[str, float], None], *, workers: int = 1,
    found: Sequence[Target] | None = None, judged: Judged | None = None,
) -> AreaDraws:  # fmt: skip
    """Return `n` draws of equal weight of the parameters of a fitted area, its years ahead among them.

    Parameters
    ----------
    found
        The published figures of the fitted years, also those that must not be shown; those of the fit if None.
    judged
        What people judge of the area's factors and forms, if anything.
    """
    from calibration.pooling import process_until
    from calibration.posterior.area import draw_area

    say(STEP, 0.0)
    process, with_abc = process_until(max(fitted.fitted_to, FIRST_UNTIL)), find_spec("pyabc") is not None
    draws = draw_area(
        fitted, found=found, judgements=judged.judgements if judged else (), process=process, n_draws=n, seed=SEED,
        workers=workers, with_abc=with_abc, progress=lambda _what, part: say(STEP, part),
    )  # fmt: skip
    told = {
        "how": WITH_ABC if with_abc else WITHOUT_ABC,
        "ahead": f"factors move as those of {process.n_areas} areas did up to {process.until}",
    }
    made = told | dict(draws.made)
    if judged is not None:
        n_judged = len(judged.judgements)
        made["how"] += f"; with {n_judged} judgement{'s' if n_judged > 1 else ''} of people, of '{judged.file}'"
        made["judgements"] = judged.told()
    return replace(draws, made=made)


def quick_draws_of(fitted: Fitted, n: int, say: Callable[[str, float], None]) -> AreaDraws:
    """Return draws of the same kind in a second or two: Gaussian around the fit, and not held against the simulation.

    That is enough for most factors, and for a test of a fit that is thrown away after it.
    """
    import numpy as np

    from calibration.pooling import process_until
    from calibration.pooling_evidence import evidence_at, laplace_draws
    from calibration.posterior.forms import FORMS

    say(STEP, 0.0)
    process = process_until(max(fitted.fitted_to, FIRST_UNTIL))
    logs = laplace_draws(process, evidence_at(fitted), fitted.scenario.n_years, n, SEED)
    return AreaDraws(fitted, logs, np.zeros((n, len(FORMS))), np.full(n, 1 / n), SEED, {"how": "Gaussian"})


def figures_behind(statistics: Statistics, made: SavedFit) -> list[Target] | None:
    """Return all published figures of the fitted years, if this is the table that a fit was made from.

    A fit that is kept lacks those that must not be shown; with the table, draws know as much as the fit did.
    """
    from abm.files import sha256_of

    if sha256_of(statistics.path) != made.statistics["sha256"]:
        return None
    fitted = made.fitted
    return list(targets(statistics, fitted.area, range(FIRST_YEAR - 1, fitted.fitted_to + 1)))
