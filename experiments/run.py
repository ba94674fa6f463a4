"""Simulate a fitted area many times and keep what is asked for: one run's whole log, every run's counts and figures."""

from __future__ import annotations

import platform
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
import scipy
from numpy.typing import NDArray

import abm
from abm.careers import back_in_care, ever_referred, figures_of
from abm.compiled import HAS_NUMBA
from abm.errors import CareError
from abm.journey import JOURNEY
from abm.marks import mark_of
from abm.outputs import CARE, ON_A_PLAN, OUTPUTS, evaluate
from abm.pathway import WEEKS_PER_YEAR, Journey
from abm.run import Run
from abm.scenario import Scenario
from abm.simulate import simulate
from calibration.fit import Fitted
from calibration.fitted import SavedFit, save_fit
from calibration.levers import CARRIED_AHEAD_FROM, FITTED_FIGURES, LEVERS
from calibration.posterior.draws import AreaDraws, load_draws, save_draws
from calibration.system import SystemFit
from experiments import results
from experiments.beside import ENVIRONMENT, HOMES, beside_of, circumstances_frame, figures_beside, weekly_summary
from experiments.blocks import Blocks, Kept, divided
from experiments.mechanisms import Mechanisms, load, nothing_on
from experiments.weekly import system_frame, weekly_columns, weekly_counts, write_weekly

Array = NDArray[np.float64]
T = TypeVar("T")
OPEN_STATES = ("being_assessed", "under_enquiry", "in_need", "in_need_under_enquiry", *ON_A_PLAN, *CARE)
"""The states of the journey that count as an open episode of need."""
OPEN_AT_31_MARCH = "open_at_31_march"
EVER_REFERRED = "ever_referred"
SD_BEHAVING = "sd_with_behaviours"
"""The series of system dynamics with behaviours and shocks; the series "sd" is without."""
RETURNS_SEEN = "returns_home_seen"
CAREER_YEARS = 5
"""Ever referred by 18 is a life table over this many first years."""


@dataclass(frozen=True)
class Simulated:
    """What is kept of the runs of one scenario.

    figures  every figure by run and year, float64[runs, years], of the whole area; and OPEN_AT_31_MARCH
    careers  measures of a whole run, float64[runs]: EVER_REFERRED, RETURNS_SEEN, and "back_in_care, 3 months" and so on
    digests  of each run's log and children
    weekly   the table of experiments/weekly.py, which stays in the folder of blocks, if there is one, until it is read
    first    the run of the first seed, with its log
    drawn    of each run, the number of the draw it was made with; none if all were made with the point fit
    """

    scenario_years: tuple[int, ...]
    seeds: tuple[int, ...]
    figures: dict[str, Array]
    careers: dict[str, Array]
    digests: tuple[str, ...]
    weekly: pl.LazyFrame
    first: Run
    drawn: tuple[int, ...] = ()


def draw_of(seed: int, n_draws: int) -> int:
    """Return the number of the draw that a seed is run with: 0 for the seed 1, and so on, round and round."""
    return (seed - 1) % n_draws


def shortened(fitted: Fitted, last_year: int) -> Fitted:
    """Return the fit with a scenario that ends on 31 March of `last_year`.

    Errors
    ------
    CareError
        When the fit does not reach that far.
    """
    scenario = fitted.scenario
    reach = scenario.first_year + scenario.n_years - 1
    if last_year > reach:
        raise CareError(
            f"This fit of {fitted.area.name} reaches to 31 March {reach}, not to {last_year}",
            "--years",
            f"Choose a year up to {reach}, or leave --fit out, so that the area is fitted again",
        )
    n_weeks = (last_year - scenario.first_year + 1) * WEEKS_PER_YEAR
    return replace(fitted, scenario=replace(scenario, n_weeks=n_weeks))


def simulate_area(
    fitted: Fitted,
    seeds: Sequence[int],
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    mechanisms: Mechanisms | None = None,
    blocks: Path | None = None,
    draws: AreaDraws | None = None,
) -> Simulated:
    """Simulate a fitted area once for each seed.

    Parameters
    ----------
    workers
        Runs side by side; their number changes nothing in the result.
    progress
        Called with the runs done and the runs in all.
    mechanisms
        What is switched on; nothing if None.
    blocks
        A folder into which finished runs are written, a block at a time, and in which a call with the same fit and
        seeds finds them again; it must stay until the weekly table was read. Without it all is kept in memory.
    draws
        Draws of the area's parameters, of which each run has one (see `draw_of`); all have the point fit if None.
    """
    seeds, scenario = tuple(seeds), fitted.scenario
    if not seeds:
        raise CareError("There is no run to simulate", remedy="Ask for at least one")
    on = mechanisms or nothing_on(fitted)
    mark = on.mark if draws is None else on.mark + draws_mark(draws)
    store, parts = Blocks(blocks, scenario, on.prepared, mark), divided(seeds, scenario)

    def simulated(seed: int) -> Run:
        return one_run(scenario, on, seed, draws)

    def kept(seed: int) -> tuple[Kept, Run | None]:
        # A run's log is let go as soon as its figures are taken: it is most of the memory.
        run = simulated(seed)
        figures = run_figures(run) | figures_beside(run)
        what = Kept(seed, figures, run_careers(run), run.digest, weekly_counts(run), beside_of(run, on.behaving))
        return what, run if seed == seeds[0] else None

    done = {place: block for place, part in enumerate(parts) if (block := store.find(place, part))}
    first = simulated(seeds[0]) if 0 in done else None
    if first is not None and first.digest != done[0].digests[0]:
        done = {}  # the blocks are of another program that calls itself the same
    n_done = sum(len(block.seeds) for block in done.values())
    if progress is not None and n_done:
        progress(n_done, len(seeds))
    to_do = [seed for place, part in enumerate(parts) if place not in done for seed in part]
    with closing(side_by_side(kept, to_do, workers)) as runs:
        for place, part in enumerate(parts):
            if place in done:
                continue
            taken: list[Kept] = []
            for what, run in islice(runs, len(part)):
                taken.append(what)
                first, n_done = first or run, n_done + 1
                if progress is not None:
                    progress(n_done, len(seeds))
            done[place] = store.add(place, taken)
    assert first is not None
    ordered = [done[place] for place in range(len(parts))]
    return Simulated(
        scenario.years,
        seeds,
        {key: np.concatenate([block.figures[key] for block in ordered]) for key in ordered[0].figures},
        {key: np.concatenate([block.careers[key] for block in ordered]) for key in ordered[0].careers},
        tuple(digest for block in ordered for digest in block.digests),
        pl.concat([block.weekly for block in ordered]),
        first,
        () if draws is None else tuple(draw_of(seed, len(draws)) for seed in seeds),
    )


def one_run(scenario: Scenario, on: Mechanisms, seed: int, draws: AreaDraws | None) -> Run:
    """Simulate one seed with what is on, at the draw that it has."""
    mine = on if draws is None else on.at(draws.parameters(draw_of(seed, len(draws))))
    return simulate(scenario, mine.parameters, seed, mine.journey, prepared=mine.prepared, system=mine.system())


def draws_mark(draws: AreaDraws) -> str:
    """Return a hash of all of the draws that runs depend on."""
    return mark_of((draws.logs, draws.levels))


def side_by_side(one: Callable[[int], T], seeds: Sequence[int], workers: int) -> Generator[T]:
    """Give what `one` makes of each seed, in their order, made on `workers` threads and never far ahead."""
    if workers <= 1:
        yield from map(one, seeds)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting = iter(seeds)
        ahead = deque(pool.submit(one, seed) for seed in islice(waiting, 2 * workers))
        try:
            while ahead:
                made = ahead.popleft().result()
                ahead.extend(pool.submit(one, seed) for seed in islice(waiting, 1))
                yield made
        finally:
            for future in ahead:
                future.cancel()


def run_figures(run: Run) -> dict[str, Array]:
    """Return every figure of a run by year, and the children open at 31 March in a state of the journey."""
    counts = open_at_31_march(run.journey, run.stocks.astype(np.float64))
    return {**figures_of(run), OPEN_AT_31_MARCH: counts * run.scenario.sample}


def system_figures(system: SystemFit, journey: Journey = JOURNEY) -> dict[str, Array]:
    """Return every figure of system dynamics by year, and the children open at 31 March."""
    return {**system.figures, OPEN_AT_31_MARCH: open_at_31_march(journey, system.stocks)}


def figures_of_course(stocks: Array, flows: Array, journey: Journey = JOURNEY) -> dict[str, Array]:
    """Return every figure of a course of system dynamics by year, and the children open at 31 March."""
    figures = {output.key: evaluate(output, journey, stocks, flows) for output in OUTPUTS}
    return {**figures, OPEN_AT_31_MARCH: open_at_31_march(journey, stocks)}


def open_at_31_march(journey: Journey, stocks: Array) -> Array:
    """Return float64[years]: children in a state that counts as an open episode of need."""
    columns = [journey.state_index[state] for state in OPEN_STATES]
    ends: Array = stocks[WEEKS_PER_YEAR - 1 :: WEEKS_PER_YEAR, columns].sum(axis=1)
    return ends


def run_careers(run: Run) -> dict[str, float]:
    """Return what follows children over the whole run."""
    back = back_in_care(run)
    out = {f"back_in_care, {span}": share for span, (share, _) in back.items()}
    out[RETURNS_SEEN] = float(max(seen for _, seen in back.values()))
    weeks = min(CAREER_YEARS * WEEKS_PER_YEAR, run.scenario.n_weeks)
    return {**out, EVER_REFERRED: ever_referred(run, weeks)[0]}


# Tables --------------------------------------------------------------------------------------------------------------


def runs_table(
    simulated: Simulated, system: Mapping[str, Array], behaving: Mapping[str, Array] | None = None
) -> pl.DataFrame:
    """Return every figure of every run in the long form; what a run cannot know has no row.

    Columns: series ("abm", "sd", and SD_BEHAVING, if system dynamics was run with behaviours too), run (its seed; 0 for
    system dynamics), figure, year (0: the whole run), value.
    """
    years = simulated.scenario_years
    yearly = [values[:, : len(years)] for values in simulated.figures.values()]
    whole = [values[:, None] for values in simulated.careers.values()]
    told = [(figure, year) for figure in simulated.figures for year in years]
    told += [(measure, 0) for measure in simulated.careers]
    parts = [_rows("abm", simulated.seeds, told, np.hstack([*yearly, *whole]))]
    for series, line in (("sd", system), (SD_BEHAVING, behaving)):
        if line:
            lines = np.concatenate([values[: len(years)] for values in line.values()])
            parts.append(_rows(series, (0,), [(figure, year) for figure in line for year in years], lines))
    return pl.concat(parts).filter(pl.col("value").is_not_nan())


def _rows(series: str, runs: Sequence[int], told: list[tuple[str, int]], values: Array) -> pl.DataFrame:
    """Return the rows of some runs: `told` is (figure, year) of each value of a run."""
    place = np.tile(np.arange(len(told)), len(runs))
    columns = {
        "run": np.repeat(np.array(runs, np.uint64), len(told)),
        "figure": pl.Series([figure for figure, _ in told], dtype=pl.String)[place],
        "year": np.array([year for _, year in told], np.int32)[place],
        "value": values.ravel(),
    }
    return pl.DataFrame(columns).select(pl.lit(series).alias("series"), pl.all())


# The folder ----------------------------------------------------------------------------------------------------------


def manifest_facts(
    fit: SavedFit, simulated: Simulated, published_to: int | None = None, draws: AreaDraws | None = None
) -> dict[str, Any]:
    """Return what it takes to get these results again, and to know that they are the same.

    `published_to` is the last year for which the table has what a fit needs; that of the fit if None.
    """
    fitted, scenario = fit.fitted, simulated.first.scenario
    facts: dict[str, Any] = {
        "area": {"code": fitted.area.code, "name": fitted.area.name},
        "scenario": {
            "first_year": scenario.first_year,
            "last_year": simulated.scenario_years[-1],
            "weeks": scenario.n_weeks,
            "sample": scenario.sample,
            "children_in_the_first_run": len(simulated.first.population),
        },
        "seeds": list(simulated.seeds),
        "digests": {str(seed): digest for seed, digest in zip(simulated.seeds, simulated.digests, strict=True)},
        "fit": {
            "fitted_to": fitted.fitted_to,
            "published_to": fitted.fitted_to if published_to is None else published_to,
            "figures": list(FITTED_FIGURES),
            "factors": [lever.label for lever in LEVERS],
            "factors_ahead": factors_ahead(fitted, draws),
        },
        "statistics": fit.statistics,
        "versions": {
            "journeys-abm": abm.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "polars": pl.__version__,
            "compiled": HAS_NUMBA,
        },
    }
    if draws is not None:
        of_runs = {str(seed): draw for seed, draw in zip(simulated.seeds, simulated.drawn, strict=True)}
        facts["draws"] = {"draws": len(draws), "draw_of_each_run": of_runs, "made": dict(draws.made)}
    return facts


def factors_ahead(fitted: Fitted, draws: AreaDraws | None = None) -> str:
    """Return a sentence: what the yearly factors are after the last fitted year."""
    last = fitted.fitted_to
    if draws is not None:
        anew = (
            f"After {last} every yearly factor is drawn anew in each draw: it comes back towards what all areas have "
            "in common, and spreads with the years, as factors of all areas have done"
        )
        if "outlook" not in draws.made:
            return f"{anew}."
        return (
            f"{anew}; for three years so that five figures of the area lie where they are forecast from its published "
            "ones (see 'journeys backtest')."
        )
    first = max(fitted.scenario.first_year, last - CARRIED_AHEAD_FROM + 1)
    years = f"{first} and {last}" if first == last - 1 else f"{first} to {last}" if first < last else f"{last}"
    return f"After {last} every yearly factor stays at its mean (of logarithms) of {years}."


def same_run(fit: SavedFit, manifest: Mapping[str, Any], folder: Path | None = None) -> Run:
    """Simulate the first seed of some results again and return the run, whose digest must be the one told.

    Of results with mechanisms or draws, these are read from their `folder`.

    Errors
    ------
    CareError
        When it comes out differently: then fit, program or results are not those that belong together.
    """
    seed = int(manifest["seeds"][0])
    fitted = shortened(fit.fitted, int(manifest["scenario"]["last_year"]))
    on, draws = nothing_on(fitted), None
    if "mechanisms" in manifest and folder is not None:
        on = load(folder, fitted).made
    if "draws" in manifest and folder is not None:
        draws = load_draws(folder, fit.fitted)
    run = one_run(fitted.scenario, on, seed, draws)
    if run.digest != manifest["digests"][str(seed)]:
        raise CareError(
            f"The run of seed {seed} comes out differently from the one in these results",
            f"made by version {manifest['versions']['journeys-abm']}, this is {abm.__version__}",
            "Make the results again with 'journeys run'",
        )
    return run


def write_run(
    folder: Path, fit: SavedFit, simulated: Simulated, course: tuple[Array, Array] | None = None,
    draws: AreaDraws | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Write what a simulation gives into a folder that is not yet in its place; return the table of runs.

    `course` is that of system dynamics with behaviours, stocks and flows, if there is one.
    """
    behaving = None if course is None else figures_of_course(*course)
    runs = runs_table(simulated, system_figures(fit.system), behaving)
    with results.writing(folder):
        save_fit(fit, folder)
        if draws is not None:
            save_draws(draws, folder)
    first, weekly, n_runs = simulated.first, simulated.weekly, len(simulated.seeds)
    n_weeks = first.scenario.n_weeks
    stocks, flows = weekly_columns(first.journey)
    write_weekly(weekly.select("run", "week", *stocks, *flows), n_weeks, folder / results.STOCKS)
    for name, frame in (
        (results.EVENTS, first.events),
        (results.CHILDREN, first.children),
        (results.SYSTEM_STOCKS, system_frame(fit.system, n_weeks, first.journey)),
        (results.RUNS, runs),
        (results.ENVIRONMENT, weekly_summary(weekly, ENVIRONMENT, n_runs, "condition")),
        (results.HOMES, weekly_summary(weekly, HOMES, n_runs, "account")),
        (results.CIRCUMSTANCES, None if first.families is None else circumstances_frame(first)),
    ):
        if frame is not None:
            results.write_table(frame, folder, name)
    return runs
