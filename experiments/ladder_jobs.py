"""The job behind `journeys compare AREA --ladder`: climb the ladder of a fitted area, and write what it tells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

import abm
from abm.classic import run_classic
from abm.files import replacing, sha256_of, signed
from abm.journey import JOURNEY
from abm.outputs import evaluate, output_named
from abm.pathway import WEEKS_PER_YEAR
from calibration.fitted import SavedFit
from calibration.levers import multipliers
from calibration.statistics import Area, Statistics
from experiments import fitting
from experiments.compare.ladder.climb import FIGURES, Climber, Ladder, climb
from experiments.compare.ladder.course import Model, Say
from experiments.compare.ladder.frames import ladder_frame
from experiments.compare.ladder.policy import ENTRIES, Policy, policy_of
from experiments.compare.ladder.refinements import Refinement, refine
from experiments.compare.ladder.text import lines
from experiments.compare.ladder.wiring import clocks_of, system_of
from experiments.results import writing
from experiments.run import shortened

NO_POLICY = "none"
FACTOR = 0.8
"""The policy if none is said: a fifth fewer entries to care from the year after the last fitted one on."""
TABLE, CSV, TEXT, ABOUT = "ladder.parquet", "ladder.csv", "ladder.txt", "ladder.json"
SIMULATED = "Every child in the runs is simulated, not a real child."


@dataclass(frozen=True)
class Made:
    """A ladder with the refinements of system dynamics, and what it took."""

    ladder: Ladder
    refinements: tuple[Refinement, ...]
    fit: SavedFit

    @property
    def frame(self) -> pl.DataFrame:
        """The ladder as a table: see `experiments.compare.ladder.frames.COLUMNS`."""
        return ladder_frame(self.ladder, self.refinements)

    @property
    def text(self) -> list[str]:
        """The ladder as plain text."""
        return list(lines(self.ladder, self.refinements))


def ladder(
    statistics: Statistics,
    area: Area,
    say: Say,
    *,
    fit_from: Path | None = None,
    policy: str | None = None,
    last_year: int,
    seeds: Sequence[int] = (),
    workers: int = 1,
    finer: bool = False,
) -> Made:
    """Climb the ladder of an area that is fitted, or is fitted for it.

    Parameters
    ----------
    policy
        As in `policy_of`; NO_POLICY for none; entries to care less a fifth after the last fitted year if None.
    seeds
        Of the paired runs; mechanisms that couple children are left out if there are none.

    Errors
    ------
    CareError
        For an area that cannot be fitted, a fit of another area or that does not reach so far, or no policy.
    """
    made = fitting.fit_of(area, fit_from) if fit_from is not None else None
    if made is not None:
        shortened(made.fitted, last_year)
    else:
        made = fitting.fit(statistics, area, say, last_year=last_year, workers=workers)
    fitted = shortened(made.fitted, last_year)
    chosen = _policy(policy, made, last_year)
    model = Model(JOURNEY, replace(fitted.parameters, families=None), fitted.scenario)
    climber = Climber(dict(zip((False, True), clocks_of(model), strict=True)), chosen, say, workers)
    climbed = climb(climber, seeds=seeds, finer=finer, statistics=statistics)
    say("Refining system dynamics", 0.0)
    plain = climber.models[False]
    refined = refine(plain, climber.courses[False], chosen, FIGURES, system_of(plain))
    return Made(climbed, (*refined, _fitted_by_itself(made, fitted.scenario.n_years, chosen)), made)


def _policy(text: str | None, made: SavedFit, last_year: int) -> Policy | None:
    if text is not None and text.strip().casefold() == NO_POLICY:
        return None
    first = made.fitted.scenario.first_year
    if text is None:
        text = f"{ENTRIES}={FACTOR}@{min(made.fitted.fitted_to + 1, last_year)}"
    return policy_of(text, JOURNEY, first, last_year)


def _fitted_by_itself(made: SavedFit, n_years: int, policy: Policy | None) -> Refinement:
    """Return classic system dynamics as `journeys run` shows it: with yearly factors that are fitted for it."""
    fitted, system = made.fitted, made.system
    base = np.log(multipliers(JOURNEY, fitted.logs, len(fitted.logs))).mean(axis=0)
    factors = multipliers(JOURNEY, system.logs, n_years) / np.exp(base)
    n_weeks = n_years * WEEKS_PER_YEAR
    courses = [run_classic(JOURNEY, system.rates, factors, n_weeks)]
    if policy is not None:
        under = factors.copy()
        for key in policy.transitions:
            under[policy.from_year - fitted.scenario.first_year :, JOURNEY.transition_index[key]] *= policy.factor
        courses.append(run_classic(JOURNEY, system.rates, under, n_weeks))
    figures = [np.stack([evaluate(output_named(f), JOURNEY, *course) for f in FIGURES]) for course in courses]
    return Refinement(
        "fitted_by_itself", "one stock for each state, fitted by itself", "as 'journeys run' shows it",
        np.stack([figures[0], *(under - figures[0] for under in figures[1:])]),
    )  # fmt: skip


def write(made: Made, folder: Path) -> None:
    """Write table, text and what they were made of into a folder, beside what else is in it."""
    frame, ladder = made.frame, made.ladder
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / TABLE) as part:
            frame.write_parquet(part, compression="zstd", compression_level=1)
        with replacing(folder / CSV) as part:
            frame.write_csv(part)
        with replacing(folder / TEXT) as part:
            part.write_text("\n".join([*made.text, "", SIMULATED, ""]), encoding="utf-8", newline="\n")
        about = {
            "what": "How much of the gap between system dynamics and the simulation each mechanism explains.",
            "area": {"code": made.fit.fitted.area.code, "name": made.fit.fitted.area.name},
            "years": list(ladder.years),
            "fitted_to": made.fit.fitted.fitted_to,
            "policy": None if ladder.policy is None else ladder.policy.__dict__ | {"words": ladder.policy.sentence},
            "seeds": list(ladder.seeds),
            "not_yet_in_the_model": [rung.key for rung in ladder.absent],
            "statistics": made.fit.statistics,
            "version": abm.__version__,
            "files": {name: sha256_of(folder / name) for name in (TABLE, CSV, TEXT)},
        }
        with replacing(folder / ABOUT) as part:
            part.write_text(signed(json.loads(json.dumps(about))), encoding="utf-8", newline="\n")
