"""An area's draws, from its point fit: what this package is for.

1. Runs of the simulation at the point fit: correction of the mean field, and the luck of a run (`noise`).
2. Prior (`priors`) and figures (`likelihood`): the frame of the posterior (`frame`), by derivatives of the mean field.
3. The fast model (`emulator`), and first draws under it (`moves`).
4. Runs of the simulation at first draws, one each: the correction again, now over all of what is likely; and whether
   simulation and fast model differ by luck alone.
5. History matching (`matching`); a sequential ABC run inside what it left (`sequential`) and the other directions given
   the forms, or what a network learnt (`neural`); moves until nothing is left of where they began.
6. Runs of the simulation at the draws, one each: are the published figures like theirs?
7. Years ahead, by what all areas' years say of how factors go on (`calibration.pooling`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.draws import area_seed, generator, word
from abm.journey import JOURNEY
from abm.meanfield import MeanField, make_grid
from abm.parameters import Parameters
from abm.pathway import WEEKS_PER_YEAR, purpose_of
from abm.simulate import simulate, simulate_many
from calibration.elicit import Judgement
from calibration.fit import CORRECTION_CHILDREN, LEVELS_OF_FITTED_YEARS, PULL, Fitted, Progress
from calibration.levers import LEVERS, multipliers
from calibration.pooling import Prior, Process, process_until
from calibration.pooling_evidence import Evidence, own_scales
from calibration.posterior.beginning import By, begun, way_of
from calibration.posterior.conflict import held_against, unjudged
from calibration.posterior.draws import AreaDraws
from calibration.posterior.emulator import Emulator, learnt
from calibration.posterior.fast import FastYears
from calibration.posterior.forms import FORMS, formed
from calibration.posterior.frame import N_FORMS, Belief, Expected, Frame, climbed, framed, gaussian, making_up
from calibration.posterior.likelihood import Seen, floor_of, seen_of
from calibration.posterior.matching import Matched, match
from calibration.posterior.moves import moved
from calibration.posterior.neural import apart
from calibration.posterior.noise import Luck
from calibration.posterior.priors import belief_of
from calibration.posterior.report import identified, predicted, told_of
from calibration.posterior.sensitivity import sensitivity
from calibration.posterior.steady import Steady, steady_of
from calibration.targets import Target

Array = NDArray[np.float64]
N_DRAWS = 200
LEAST_RUNS, MOST_RUNS = 3, 24
N_JUDGED = 12
"""Draws at which the fast model is held against the mean field."""
N_ENDED = 500
"""Moved draws that what a network learnt is held against, at least."""
LUCK_OF: dict[By, str] = {"abc": "sequential", "npe": "neural", "none": "begun"}


@dataclass
class Problem:
    """An area on the way to its draws."""

    fitted: Fitted
    seen: Seen
    expected: Expected
    luck: Luck
    process: Process
    scale: Array
    prior: Belief
    more: Any
    frame: Frame
    apart: list[dict[str, Any]]


def runs_for(fitted: Fitted) -> int:
    """Return how many runs one step of the correction takes: about CORRECTION_CHILDREN children in all."""
    children = fitted.scenario.plan.ages.sum() / fitted.scenario.sample
    return int(np.clip(CORRECTION_CHILDREN / max(children, 1.0), LEAST_RUNS, MOST_RUNS))


def keyed(seed: int, area: str, purpose: str) -> np.random.Generator:
    """Return a generator that is a function of seed, area and purpose."""
    return generator(number_of(seed, area, purpose))


def number_of(seed: int, area: str, purpose: str) -> int:
    """Return a keyed 32-bit number, for libraries that ask for a seed."""
    return word(area_seed(seed, area), 0, 0, purpose_of(purpose))


def posed(
    fitted: Fitted, *, found: Sequence[Target] | None = None, judgements: Sequence[Judgement] = (),
    process: Process | None = None, workers: int = 1, n_runs: int | None = None,
) -> Problem:  # fmt: skip
    """Return an area's posterior around its highest point: steps 1 and 2."""
    n_years = fitted.fitted_to - fitted.scenario.first_year + 1
    area, scenario = fitted.area.code, replace(fitted.scenario, n_weeks=n_years * WEEKS_PER_YEAR)
    process = process or process_until(fitted.fitted_to)
    luck = Luck(n_years)
    n_runs = n_runs or runs_for(fitted)
    parameters = Parameters(fitted.book.rates(), multipliers(JOURNEY, fitted.logs, n_years), fitted.book.values)
    for run in simulate_many(scenario, parameters, range(1, n_runs + 1), JOURNEY, workers=workers):
        luck.add(run)
    seen = seen_of(fitted.targets if found is None else found, n_years, area)
    model = FastYears(MeanField(JOURNEY, make_grid(JOURNEY)), fitted.book, scenario, n_years)
    plain, derivatives = model.with_derivatives(fitted.logs)
    correction = (luck.mean + PULL) / (plain + PULL)
    x = np.r_[fitted.logs.ravel(), np.zeros(N_FORMS)]
    figures = seen.of(plain * correction)
    steady = errors_on_top(seen, luck, n_runs).centred(figures)
    data = steady.data(seen, seen.value)
    errors = gaussian(steady, data)
    jacobian = derivatives.reshape(-1, x.size)[seen.where] * seen.of(correction)[:, None]
    makes_up = making_up(jacobian, errors, n_years)
    jacobian[:, -N_FORMS:] += jacobian[:, :-N_FORMS] @ makes_up
    expected = Expected(model, seen, correction, makes_up)
    inverse, factors = np.linalg.inv(errors), jacobian[:, :-N_FORMS]
    toward = factors.T @ inverse @ (data.value - steady.expected(figures) + factors @ fitted.logs.ravel())
    children = float(scenario.plan.ages.sum())
    scale = own_scales(process, Evidence(area, n_years, factors.T @ inverse @ factors, toward, children))
    prior, more = belief_of(process, n_years, area, scale, judgements, makes_up)
    x, steady, *_ = climbed(expected, figures, jacobian, prior, steady, x)
    frame = framed(expected, prior, steady, x)
    apart = []
    if judgements:
        before, _ = belief_of(process, n_years, area, scale, (), makes_up)
        apart = held_against(judgements, before, unjudged(expected, frame, before), n_years, makes_up)
    return Problem(fitted, seen, expected, luck, process, scale, prior, more, frame, apart)


def errors_on_top(seen: Seen, luck: Luck, n_runs: float) -> Steady:
    """Return the scale and the errors of published figures, around a correction that `n_runs` runs were made for.

    The luck of these runs, of one child in `sample`, comes on top of that of a year.
    """
    mine = luck.covariance()[np.ix_(seen.where, seen.where)]
    return steady_of(seen.of(luck.mean), mine * (1.0 + luck.sample / n_runs), floor_of(seen))


def simulated_at(problem: Problem, x: Array, first_seed: int) -> Array:
    """Return float64[N, K]: the figures of one run of the simulation at each of x float64[N, n]."""
    fitted, n_years = problem.fitted, problem.seen.n_years
    scenario = replace(fitted.scenario, n_weeks=n_years * WEEKS_PER_YEAR)
    luck, model, out = Luck(n_years), problem.expected.model, []
    for seed, each in enumerate(x, start=first_seed):
        logs, levels = problem.expected.split(each)
        parameters = Parameters(
            formed(model.rates, model.tilts, levels), multipliers(JOURNEY, logs, n_years), fitted.book.values
        )
        out.append(problem.seen.of(luck.add(simulate(scenario, parameters, seed, JOURNEY))))
    return np.array(out)


def differences(problem: Problem, emulator: Emulator, x: Array, figures: Array) -> Array:
    """Return float64[N, K]: simulated less expected figures in units of what may lie between them.

    That is the luck of the run and of those that the correction is made from, the fast model's error, half a unit.
    """
    luck, steady = problem.luck, emulator.frame.steady
    share = luck.sample * (1.0 + 1.0 / (2 * luck.n_runs)) / (1.0 + luck.sample / luck.n_runs)
    back = np.linalg.inv(emulator.directions.whiten) @ emulator.directions.data
    spread = np.sqrt((steady.variance - steady.floor) * share + (back**2) @ emulator.variance + 0.25)
    off: Array = (steady.shown(figures) - steady.expected(emulator.figures(x))) / spread
    return off


def drawn(
    emulator: Emulator, seen: Seen, noise: Array, matched: Matched, n_draws: int, luck: np.random.Generator,
    by: By = "none", seed: int = 0, more: Callable[[Array], Array] | None = None,
) -> tuple[Array, Array, dict[str, Any]]:  # fmt: skip
    """Return draws of x float64[n_draws, n], where they were begun, and how it went: step 5.

    `by` says how moves are begun, `seed` is that of the library that does it (see `beginning`).
    """
    n_moved = max(n_draws, N_ENDED) if by == "npe" else n_draws
    start = begun(by, emulator, seen, noise, matched, n_moved, luck, seed, more)
    x, taken = moved(emulator, seen.value, start.x, luck, more=more)
    told = {"by": by} | start.told | {"moves_taken": round(taken, 3)}
    if start.alone is not None:
        told[by] |= {"less_moved": apart(*start.alone, x)}
    return x[:n_draws], start.x[:n_draws], told


def draw_area(
    fitted: Fitted,
    *,
    found: Sequence[Target] | None = None,
    judgements: Sequence[Judgement] = (),
    process: Process | None = None,
    n_draws: int = N_DRAWS,
    seed: int = 1,
    workers: int = 1,
    n_runs: int | None = None,
    by: By = "abc",
    ahead: Callable[[AreaDraws, Prior], AreaDraws] | None = None,
    progress: Progress | None = None,
) -> AreaDraws:
    """Return draws of an area's parameters, as its published figures, the prior and judgements leave them.

    Parameters
    ----------
    fitted
        The point fit, as `fit_area` returns it or as it was loaded.
    found
        The published figures of the fitted years; those of the fit if None. A fit that was loaded lacks the cells that
        were solved from others, so draws made from it know a little less.
    process
        How factors differ and move, for the prior and the years ahead; as shipped for the last fitted year if None.
    n_draws, seed
        How many draws, and what they are keyed by.
    workers
        Threads for the runs at the point fit.
    n_runs
        Runs of each of the three steps that simulate; as `runs_for` says if None.
    by
        Where moves begin: at a sequential ABC run (`abc`), at what a network learnt (`npe`), or at Laplace's Gaussian
        (`none`). They end in the same place; see `beginning`.
    ahead
        What else is known of the years ahead: given the draws and the prior that these years are drawn from, it
        returns the draws that agree with it (see `calibration.outlook`).

    Errors
    ------
    CareError
        When the library that `by` needs is not installed, when a judgement is about what there is not, or when no
        process was estimated from figures as early as the fit's.
    """
    by = way_of(by)
    say = progress or (lambda _what, _part: None)
    area = fitted.area.code
    say("draws: luck and frame", 0.0)
    problem = posed(fitted, found=found, judgements=judgements, process=process, workers=workers, n_runs=n_runs)
    frame, seen, n_runs = problem.frame, problem.seen, problem.luck.n_runs

    say("draws: fast model", 0.3)
    emulator = learnt(problem.expected, frame)
    luck = keyed(seed, area, "first draws")
    first, _ = moved(emulator, seen.value, emulator.scattered(n_draws, luck), luck, more=problem.more)
    emulator = emulator.judged(problem.expected, first[:N_JUDGED])

    say("draws: simulation", 0.5)
    at = first[-n_runs:]
    runs = simulated_at(problem, at, 1001)
    # Both sets of runs say how far the mean field is off: at the point fit, and over what is likely around it.
    shift = (runs - emulator.figures(at)).mean(axis=0) / 2
    emulator = emulator.shifted(shift)

    say("draws: history matching and moves", 0.6)
    matched = match(emulator, seen.value, keyed(seed, area, "history matching"))
    noise = errors_on_top(seen, problem.luck, 2 * n_runs).centred(frame.steady.centre).covariance
    x, begun, told = drawn(
        emulator, seen, noise, matched, n_draws, keyed(seed, area, "draws"),
        by, number_of(seed, area, LUCK_OF[by]), problem.more,
    )  # fmt: skip

    say("draws: simulation", 0.8)
    emulator = emulator.judged(problem.expected, x[:N_JUDGED], shift)
    at = x[-n_runs:]
    runs = simulated_at(problem, at, 2001)
    off = differences(problem, emulator, at, runs)
    made = told | told_of(problem.seen, emulator, matched, frame, begun, x)
    made |= {
        "runs": n_runs + 2 * len(at),
        "simulation": {
            "rms": round(float(np.sqrt((off**2).mean())), 3),
            "inside_95": round(float((np.abs(off) < 1.96).mean()), 3),
        },
        "identified": identified(frame, x),
        "sensitivity": sensitivity(seen, emulator, x, number_of(seed, area, "sensitivity")),
        "predictive": predicted(seen, emulator, noise, x, keyed(seed, area, "predictive")),
        "scales": {lever.key: round(float(s), 3) for lever, s in zip(LEVERS, problem.scale, strict=True)},
        "judgements": [each.about for each in judgements],
        "judged_and_figures": problem.apart,
        "levels_of_fitted_years": [key for key in LEVELS_OF_FITTED_YEARS if key in {t.figure for t in fitted.targets}],
    }  # fmt: skip
    say("draws: years ahead", 0.95)
    logs, levels = problem.expected.split(x)
    onward = problem.process.prior(fitted.scenario.n_years, area=area, scale=problem.scale)
    if fitted.scenario.n_years > logs.shape[1]:
        logs = onward.draws(logs, seed)
    assert levels.shape[1] == len(FORMS)
    draws = AreaDraws(fitted, logs, levels, np.full(n_draws, 1.0 / n_draws), seed, made)
    return draws if ahead is None else ahead(draws, onward)
