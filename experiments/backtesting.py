"""The job of `journeys backtest`: work areas out, learn, forecast, score, write.

What is worked out of an area is kept in the folder `areas` beside the results, one file each, so that a run that was
stopped goes on, and a second one with the same table is quick.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.errors import CareError
from abm.files import replacing
from calibration.backtest import compare, lessons
from calibration.backtest.area import (
    FIRST_ORIGIN,
    MARKOV,
    OTHERS,
    SCORED_FROM,
    AreaPast,
    Desk,
    keep,
    kept,
    past_of_area,
)
from calibration.backtest.lessons import LEARN_FROM, Lessons, Seen
from calibration.backtest.panel import Panel, panel_of
from calibration.backtest.simple import models
from calibration.backtest.views import OF_MODEL, PLAIN, USUAL
from calibration.spreadsheets import harmless_frame
from calibration.statistics import Area, Statistics, read_statistics
from experiments.many import processes_for
from experiments.plan import ALL, area_of

Array = NDArray[np.float64]
Say = Callable[[str, float], None]
AREAS, PAGE = "areas", "backtest.html"
SCORES, MARGINS, POINTS, AHEAD_TABLE, LESSONS = (
    "scores.csv", "margins.csv", "points.parquet", "forecasts.csv", "lessons.csv"
)  # fmt: skip
ENOUGH = 60
"""With at least this many areas fitted, lessons are learnt from them; with fewer, those that come with the project."""
_EVERY = 0.5


@dataclass(frozen=True)
class Backtest:
    """What came of it.

    points    every forecast of every method at every scored origin, see `compare.points_of`
    scores    all methods over the five figures, and with the Markov model over three: name -> frame
    margins   by how much ours is nearer than the best simple method: name of the origins -> frame
    ahead     forecasts from each area's own last year on
    lessons   what was learnt, or read
    learnt    whether the lessons were learnt here
    left_out  areas whose fast model could not be fitted: (code, name, why)
    areas     how many areas are scored
    """

    points: pl.DataFrame
    scores: dict[str, pl.DataFrame]
    margins: dict[str, pl.DataFrame]
    ahead: pl.DataFrame
    lessons: Lessons
    learnt: bool
    left_out: list[tuple[str, str, str]]
    areas: int


def backtest(
    statistics: Statistics, areas: Sequence[Area], folder: Path, say: Say, *, processes: int | None = None
) -> Backtest:
    """Work everything out and write it into a folder.

    Errors
    ------
    CareError
        When the extra `backtest` is missing, when nothing can be scored, or when a file cannot be written.
    """
    models()
    panel = panel_of(statistics)
    last = panel.last_year
    desk = Desk(statistics, panel, tuple(range(FIRST_ORIGIN, last + 1)), folder / AREAS)
    work_out(desk, areas, folder / AREAS, say, processes)
    say("backtest learning", 0.0)
    past = {area.code: found for area in areas if (found := kept(folder / AREAS / area.code, desk, area.code))}
    made = score(desk, past, say)
    write(made, desk, folder)
    return made


def areas_named(statistics: Statistics, what: Sequence[str]) -> list[Area]:
    """Return the areas of these names or codes; of "england", every authority.

    Errors
    ------
    CareError
        For an area that is not in the table, is named twice, or is England as one area.
    """
    if [word.casefold() for word in what] == [ALL]:
        return [Area(code, name) for code, name in statistics.authorities()]
    areas = [area_of(statistics, word) for word in what]
    there = {code for code, _ in statistics.authorities()}
    for area in areas:
        if area.code not in there:
            raise CareError(
                f"{area.name} ({area.code}) is not an authority of today, so it cannot be forecast",
                str(statistics.path),
                "Name an authority; 'journeys areas' lists them; 'england' is all of them side by side",
            )
        if areas.count(area) > 1:
            raise CareError(f"{area.name} ({area.code}) is named twice", "", "Name each area once")
    return areas


def work_out(desk: Desk, areas: Sequence[Area], folder: Path, say: Say, processes: int | None) -> None:
    """Make the file of every area that has none, in several processes if there are several areas to do."""
    say("backtest areas", 0.0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        remedy = "Choose a folder that you can write to"
        raise CareError(f"The results cannot be written: {fault.strerror}", str(folder), remedy) from fault
    to_do = [area.code for area in areas if kept(folder / area.code, desk, area.code) is None]
    if to_do:
        _ = desk.moves  # before others need it
    n = processes_for(max(len(to_do), 1), processes)
    if n == 1:
        for k, code in enumerate(to_do):
            keep(folder / code, desk, code, past_of_area(desk, code))
            say("backtest areas", (k + 1) / len(to_do))
        return
    context = multiprocessing.get_context("spawn")
    team = [
        context.Process(target=_worker, args=(str(desk.statistics.path), to_do[k::n], str(folder)), daemon=True)
        for k in range(n)
    ]
    for process in team:
        process.start()
    while any(process.is_alive() for process in team):
        time.sleep(_EVERY)
        say("backtest areas", sum((folder / code).is_file() for code in to_do) / len(to_do))
    if any(process.exitcode for process in team):
        remedy = "Run it again: what is done is kept; with --processes 1 it tells more"
        raise CareError("A process that worked areas out ended by itself", str(folder), remedy)


def _worker(table: str, codes: list[str], folder: str) -> None:
    statistics = read_statistics(table)
    panel = panel_of(statistics)
    desk = Desk(statistics, panel, tuple(range(FIRST_ORIGIN, panel.last_year + 1)), Path(folder))
    for code in codes:
        keep(Path(folder, code), desk, code, past_of_area(desk, code))


def score(desk: Desk, past: dict[str, AreaPast], say: Say) -> Backtest:
    """Learn, forecast and score, from what was worked out of the areas."""
    panel, last = desk.panel, desk.panel.last_year
    asked = np.array([code in past for code in panel.codes])
    if not asked.any():
        raise CareError(
            "None of these areas is an authority of today", str(desk.statistics.path), "See 'journeys areas'"
        )
    origins = range(LEARN_FROM, last + 1)
    seen: dict[int, Seen] = {}
    for origin in origins:
        fits = {code: one.fits[origin] for code, one in past.items() if origin in one.fits}
        seen[origin] = lessons.seen_at(panel, origin, fits, desk.moves)
    learnt = sum(bool(one.fits) for one in past.values()) >= ENOUGH
    found: dict[str, Lessons] = {}
    scored_origins = range(SCORED_FROM, last)
    if learnt:
        found[compare.OURS] = lessons.learn_all(panel, seen, range(SCORED_FROM, last + 1))
        say("backtest learning", 0.4)
        found[compare.WITHOUT_MODEL] = lessons.learn_all(panel, seen, scored_origins, blend=np.zeros(len(OF_MODEL)))
        say("backtest learning", 0.6)
        usual = np.array([float(view == USUAL) for view in OF_MODEL])
        found[compare.MODEL_ALONE] = lessons.learn_all(panel, seen, scored_origins, np.zeros(len(PLAIN)), usual)
        say("backtest learning", 0.8)
    else:
        found[compare.OURS] = lessons.read_lessons()
    mine, here = asked_only(panel, seen, asked)
    if not scored_origins:
        refuse_too_short_a_table(desk)
    frames = []
    for origin in scored_origins:
        told = {name: lessons.forecast_all(here[origin], one, origin) for name, one in found.items()}
        place = desk.origins.index(origin)
        for k, method in enumerate(OTHERS):
            told[method] = np.array([past[code].others[k, place] for code in mine.codes])
        frames.append(compare.points_of(mine, origin, told))
    points = compare.scored(pl.concat(frames))
    if points.is_empty():
        refuse_too_short_a_table(desk)
    own = tuple(name for name in (compare.OURS, compare.WITHOUT_MODEL, compare.MODEL_ALONE) if name in found)
    methods = (*own, *compare.SIMPLE)
    late = points.filter(pl.col("origin") >= LATE)
    care = points.filter(pl.col("figure").is_in(compare.CARE))
    scores_of = {
        "all": compare.scores_frame(points, methods),
        "late": compare.scores_frame(late, methods),
        "care": compare.scores_frame(care, (*methods, MARKOV)),
    }
    margins = {
        name: compare.margins(some, scores_of[name], methods) for name, some in (("all", points), ("late", late))
    }
    left = [(c, n, past[c].why) for c, n in zip(mine.codes, mine.names, strict=True) if past[c].why]
    ahead = ahead_frame(mine, here, found[compare.OURS])
    return Backtest(points, scores_of, margins, ahead, found[compare.OURS], learnt, left, len(mine.codes))


def refuse_too_short_a_table(desk: Desk) -> NoReturn:
    """Refuse a table in which nothing was published after the first origin that is scored."""
    raise CareError(
        "Nothing was published after the origins, so no forecast can be scored",
        str(desk.statistics.path),
        f"Give a table that has years after {SCORED_FROM}",
    )


LATE = 2022
"""From this origin on the fits begin on the day one of every other fit of the project (31 March 2020)."""


def asked_only(panel: Panel, seen: dict[int, Seen], asked: NDArray[np.bool_]) -> tuple[Panel, dict[int, Seen]]:
    """Return the panel and what was seen of some areas; England's figures stay."""
    return panel.of(asked), {
        origin: Seen(s.last[asked], s.step[asked], {v: x[asked] for v, x in s.said.items()}, s.fitted[asked])
        for origin, s in seen.items()
    }


def ahead_frame(panel: Panel, seen: dict[int, Seen], found: Lessons) -> pl.DataFrame:
    """Return forecasts of every area from its own last year on, for AHEAD years."""
    last = panel.last_known()
    frames = []
    for origin in sorted(set(last.tolist()) & set(seen)):
        told = lessons.forecast_all(seen[origin], found, origin)
        told[last != origin] = np.nan
        frames.append(compare.points_of(panel, origin, {compare.OURS: told}))
    frame = pl.concat(frames) if frames else compare.points_of(panel, panel.last_year, {})
    return frame.drop("published", "step", "method")


def write(made: Backtest, desk: Desk, folder: Path) -> None:
    """Write tables and the page, each whole or not at all."""
    from experiments.backtest_page import backtest_page

    tables = {
        SCORES: pl.concat([f.with_columns(over=pl.lit(name)) for name, f in made.scores.items()]),
        MARGINS: pl.concat([f.with_columns(origins=pl.lit(name)) for name, f in made.margins.items()]),
        AHEAD_TABLE: made.ahead,
        LESSONS: lessons.lessons_frame(made.lessons),
    }
    try:
        for name, frame in tables.items():
            with replacing(folder / name) as part:
                harmless_frame(frame).write_csv(part, float_precision=6)
        with replacing(folder / POINTS) as part:
            made.points.write_parquet(part, compression="zstd")
        with replacing(folder / PAGE) as part:
            part.write_text(backtest_page(made, desk.statistics.path.name), encoding="utf-8", newline="\n")
    except (OSError, pl.exceptions.PolarsError) as fault:
        remedy = "Free some space, or choose a folder that you can write to"
        raise CareError(f"The results cannot be written: {fault}", str(folder), remedy) from fault
