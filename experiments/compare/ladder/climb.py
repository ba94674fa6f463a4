"""Climb the ladder: expected values of every combination of mechanisms, and what each of them adds."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.meanfield import MeanField, make_grid
from abm.outputs import evaluate, output_named
from calibration.statistics import Statistics
from experiments.compare.ladder.averages import journey_of, leave_out
from experiments.compare.ladder.course import Course, Kept, Model, Say, Walk, follow, ladder_grid
from experiments.compare.ladder.paired import Estimate, Given, Runs, Setting, simulated
from experiments.compare.ladder.policy import Policy
from experiments.compare.ladder.rungs import AGE, CLOCKS, FRAILTY, HISTORY, RUNGS, TIME, Rung
from experiments.compare.ladder.shapley import Subset, one_by_one, shapley, subsets

Array = NDArray[np.float64]
FIGURES = ("cla_at_31_march", "cla_childrens_home_at_31_march", "cla_started", "cla_ceased", "cpp_at_31_march")
"""What the ladder is told of: looked after, of these in children's homes, started, ceased, and on a plan."""
BASELINE, POLICY = "baseline", "policy"


@dataclass(frozen=True)
class Gap:
    """The gap of the baseline, or of the effect of a policy, and what it is made of; all float64[figures, years].

    system    classic system dynamics
    full      the simulation's expected value, with every mechanism that couples nobody
    terms     by switch, what it adds on average over all orders (Shapley): together full less system
    in_order  by switch, what it adds when they are added in the order of the ladder
    coupled   by rung, what runs with it, and with those before it, differ by from runs without it
    runs      of the runs without coupling, how far their mean is from `full`; None without runs
    finer     how far the expected value with every week on the clock is from `full`; None if not asked for
    """

    system: Array
    full: Array
    terms: dict[str, Array]
    in_order: dict[str, Array]
    coupled: dict[str, Estimate]
    runs: Estimate | None
    finer: Array | None

    @property
    def total(self) -> Array:
        """What all terms add up to: the simulation less system dynamics."""
        coupled = sum((term.mean for term in self.coupled.values()), start=np.zeros_like(self.full))
        return np.asarray(self.full - self.system + coupled)


@dataclass(frozen=True)
class Ladder:
    """Everything the ladder of an area tells.

    gaps    by part: BASELINE, and POLICY if there is one
    absent  rungs that are not yet in the model
    """

    area: str
    years: tuple[int, ...]
    policy: Policy | None
    seeds: tuple[int, ...]
    rungs: tuple[Rung, ...]
    gaps: dict[str, Gap]

    @property
    def absent(self) -> tuple[Rung, ...]:
        """Rungs that are not yet in the model."""
        return tuple(rung for rung in self.rungs if not rung.is_there)


class Climber:
    """Gives the figures of an area under any combination of switches, with and without a policy.

    `models` are the full model by whether clocks are on; without a rung of clocks there is one, for False.
    """

    def __init__(self, models: dict[bool, Model], policy: Policy | None, say: Say, workers: int = 1) -> None:
        self.models, self.policy, self.say, self.workers = models, policy, say, workers
        self.fields: dict[tuple[bool, ...], MeanField] = {}
        say("Following the full model", 0.0)
        fields = [self.field(clocks, True, True, True) for clocks in models]
        with ThreadPoolExecutor(max(workers, 1)) as pool:
            self.courses: dict[bool, Course] = dict(zip(models, pool.map(follow, models.values(), fields), strict=True))

    def field(self, clocks: bool, time: bool, age: bool, history: bool) -> MeanField:
        """Return the cells of a kind of model, laid out once."""
        key = (clocks, time, age, history)
        if key not in self.fields:
            journey = journey_of(self.models[clocks].journey, Kept(time, age, True, history))
            self.fields[key] = MeanField(journey, ladder_grid(journey))
        return self.fields[key]

    def model(self, switches: Subset) -> Model:
        """Return the model with these switches on."""
        clocks = CLOCKS in switches
        kept = Kept(TIME in switches, AGE in switches, FRAILTY in switches, HISTORY in switches)
        return leave_out(self.models[clocks], self.courses[clocks], kept)

    def value(self, switches: Subset) -> Array:
        """Return float64[parts, figures, years]: of the baseline and, if there is a policy, its effect."""
        field = self.field(CLOCKS in switches, TIME in switches, AGE in switches, HISTORY in switches)
        return self.walked(self.model(switches), field)

    def walked(self, model: Model, field: MeanField) -> Array:
        """Return the same of a model on some grid."""
        policy, scenario = self.policy, model.scenario
        walk = Walk(model, field, 0 if policy is None else policy.from_year - scenario.first_year)
        base = figures_of(model, walk.stocks, walk.flows)
        if policy is None:
            return base[None]
        under = policy.on(model.parameters, model.journey, scenario.first_year, scenario.n_years)
        return np.stack([base, figures_of(model, *walk.under(under)) - base])

    def values(self, switches: Sequence[str]) -> dict[Subset, Array]:
        """Return the values of all combinations, side by side on threads."""
        wanted = subsets(switches)
        # The longest first, so that no thread waits for one at the end.
        order = sorted(wanted, key=lambda s: -len(s & {TIME, AGE}) - 0.1 * len(s))
        for some in order:
            self.field(CLOCKS in some, TIME in some, AGE in some, HISTORY in some)
        out: dict[Subset, Array] = {}
        with ThreadPoolExecutor(max(self.workers, 1)) as pool:
            for some, value in zip(order, pool.map(self.value, order), strict=True):
                out[some] = value
                self.say("Taking every combination of mechanisms", len(out) / len(order))
        return out

    def finer(self) -> Array:
        """Return float64[parts, figures, years] of the full model with every week on the clock."""
        self.say("Following every week on the clock", 0.0)
        model = self.models[max(self.models)]
        return self.walked(model, MeanField(model.journey, make_grid(model.journey, 1)))


def figures_of(model: Model, stocks: Array, flows: Array) -> Array:
    """Return float64[figures, years] of expected stocks and flows."""
    return np.stack([evaluate(output_named(f), model.journey, stocks, flows) for f in FIGURES])


def climb(
    climber: Climber,
    *,
    seeds: Sequence[int] = (),
    finer: bool = False,
    rungs: tuple[Rung, ...] = RUNGS,
    statistics: Statistics | None = None,
) -> Ladder:
    """Return what each mechanism explains of the gap between system dynamics and the simulation.

    Parameters
    ----------
    seeds
        One set of runs, with and without every coupling mechanism, for each; none are simulated if there are none.
    finer
        Whether to give the expected value with every week on the clock too, which takes about a minute.
    """
    policy = climber.policy
    rungs = rungs if True in climber.models else tuple(_without_clocks(rung) for rung in rungs)
    switches = [key for rung in rungs for key, _ in rung.switches]
    values = climber.values(switches)
    terms, in_order = shapley(switches, values), one_by_one(switches, values)
    parts = (BASELINE,) if policy is None else (BASELINE, POLICY)
    every_week = climber.finer() if finer else None
    runs, coupled = _runs(climber, values[frozenset(switches)], seeds, rungs, statistics)
    gaps = {
        part: Gap(
            values[frozenset()][x],
            values[frozenset(switches)][x],
            {key: term[x] for key, term in terms.items()},
            {key: term[x] for key, term in in_order.items()},
            {key: estimates[x] for key, estimates in coupled.items()},
            runs[x] if runs else None,
            None if every_week is None else every_week[x] - values[frozenset(switches)][x],
        )
        for x, part in enumerate(parts)
    }
    scenario = climber.models[False].scenario
    return Ladder(scenario.area_name, scenario.years, policy, tuple(seeds), rungs, gaps)


def _without_clocks(rung: Rung) -> Rung:
    return replace(rung, switches=tuple(part for part in rung.switches if part[0] != CLOCKS))


def _runs(
    climber: Climber,
    full: Array,
    seeds: Sequence[int],
    rungs: tuple[Rung, ...],
    statistics: Statistics | None,
) -> tuple[list[Estimate], dict[str, list[Estimate]]]:
    """Return, by part, how far runs without coupling are from `full`, and what each coupling mechanism adds.

    They are added one after the other, in the order of the ladder, so that all of them together add up.
    """
    if not seeds:
        return [], {}
    model = climber.models[max(climber.models)]
    under = [model]
    if climber.policy is not None:
        scenario = model.scenario
        parameters = climber.policy.on(model.parameters, model.journey, scenario.first_year, scenario.n_years)
        under.append(replace(model, parameters=parameters))
    n_sets = len(under) * (1 + sum(rung.pair is not None for rung in rungs))
    done: list[Runs] = []

    def told(part: float) -> None:
        climber.say("Simulating with and without what couples children", (len(done) + part) / n_sets)

    def run(models: list[Model], makers: Sequence[Given]) -> list[Runs]:
        def given() -> dict[str, Any]:
            return {key: value for make in makers for key, value in make().items()}

        for one in models:
            done.append(simulated(one, FIGURES, seeds, given, workers=climber.workers, say=told))
        return done[-len(models) :]

    def parts(made: list[Runs]) -> list[Array]:
        return [made[0].figures, *(with_policy.figures - made[0].figures for with_policy in made[1:])]

    before, makers = run(under, []), list[Given]()
    off = [Estimate.of(values - full[x]) for x, values in enumerate(parts(before))]
    coupled: dict[str, list[Estimate]] = {}
    for rung in (rung for rung in rungs if rung.pair is not None):
        assert rung.pair is not None
        change, given = rung.pair.setup(Setting(under[0], before[0].course, tuple(coupled), statistics))
        under, makers = [change(one) for one in under], [*makers, given]
        after = run(under, makers)
        coupled[rung.key] = [Estimate.of(a - b) for a, b in zip(parts(after), parts(before), strict=True)]
        before = after
    return off, coupled
