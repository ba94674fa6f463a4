"""Simulate a fitted area many times and keep what is asked for: one run's whole log, every run's counts and figures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.careers import back_in_care, ever_referred, figures_of
from abm.errors import CareError
from abm.journey import JOURNEY
from abm.marks import mark_of
from abm.outputs import CARE, ON_A_PLAN, OUTPUTS, evaluate
from abm.pathway import WEEKS_PER_YEAR, Journey
from abm.run import Run
from abm.scenario import Scenario
from abm.simulate import simulate
from calibration.fit import Fitted
from calibration.posterior.draws import AreaDraws
from calibration.system import SystemFit
from experiments.beside import beside_of, figures_beside
from experiments.blocks import Blocks, Kept, divided
from experiments.mechanisms import Mechanisms, nothing_on
from experiments.weekly import weekly_counts

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
