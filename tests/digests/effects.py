"""No effect means no effect: multipliers that change nothing, and ones that change nothing before a later year."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from abm.events import Rows
from abm.journey import JOURNEY
from abm.parameters import STEPS_PER_UNIT, Parameters
from abm.pathway import WEEKS_PER_YEAR
from abm.run import Run
from abm.simulate import simulate
from tests.digests.subjects import Subject


@dataclass
class Compared:
    """What was compared: events of the two runs together, and those that only one of them has."""

    what: str
    events: int = 0
    differ: int = 0
    runs: int = 0
    afterwards: int = 0


def with_multiplier(parameters: Parameters, transition: int, factor: float, years: slice) -> Parameters:
    """Return parameters with one transition's multipliers times a factor in some years."""
    multipliers = parameters.multipliers.copy()
    multipliers[years, transition] *= factor
    return replace(parameters, multipliers=multipliers)


def halved_and_doubled(parameters: Parameters, transition: int) -> Parameters:
    """Return parameters with half the rate and twice the multiplier of one transition: the same, to the last bit."""
    rates = parameters.rates.copy()
    rates[JOURNEY.tables.transition == transition] /= 2
    return replace(with_multiplier(parameters, transition, 2.0, slice(None)), rates=rates)


def differing(one: Rows, other: Rows, before: int | None = None) -> tuple[int, int]:
    """Return the events of two logs before a week (in all, if None), and how many of them only one log has."""
    mine, theirs = (_table(rows, before) for rows in (one, other))
    total = len(mine) + len(theirs)
    if len(mine) == len(theirs) and np.array_equal(mine, theirs):
        return total, 0
    return total, np.setxor1d(mine, theirs).size


def _table(rows: Rows, before: int | None) -> NDArray[np.void]:
    kept = np.ones(rows.week.size, bool) if before is None else rows.week < before
    columns = [np.asarray(getattr(rows, name))[kept].astype(np.int64) for name in Rows._fields]
    table = np.ascontiguousarray(np.stack(columns, axis=1))
    return table.view([(name, np.int64) for name in Rows._fields])[:, 0]


def compare_effects(subject: Subject, part: int = 0, parts: int = 1) -> list[Compared]:
    """Compare, for every transition with a seed of its own, a run with ones whose multipliers should not matter.

    Of the transitions every `parts`-th is taken, from `part` on.
    """
    same = Compared("multiplier 1024/1024 on one transition, every year")
    shifted = Compared("half the rate, twice the multiplier, on one transition")
    later = Compared("multiplier 1.5 on one transition from a later year on: before that year")
    # A multiplier is rounded to 1/1024, and twice of one that is not yet rounded is another.
    plain = subject.parameters.checked(JOURNEY)
    n_years = plain.multipliers.shape[0]
    start = min(n_years, subject.scenario.n_years) // 2

    def run(parameters: Parameters, seed: int) -> Run:
        return simulate(subject.scenario, parameters, seed, JOURNEY)

    for transition in range(part, len(JOURNEY.transitions), parts):
        seed = 1_000 + transition
        mine = run(plain, seed).rows
        changes: list[tuple[Compared, Callable[[], Parameters], int | None]] = [
            (same, lambda t=transition: with_multiplier(
                plain, t, STEPS_PER_UNIT / STEPS_PER_UNIT, slice(None)), None),
            (shifted, lambda t=transition: halved_and_doubled(plain, t), None),
            (later, lambda t=transition: with_multiplier(
                plain, t, 1.5, slice(start, None)), start * WEEKS_PER_YEAR),
        ]  # fmt: skip
        for compared, changed, before in changes:
            theirs = run(changed(), seed).rows
            events, differ = differing(mine, theirs, before)
            compared.runs += 1
            compared.events += events
            compared.differ += differ
            if before is not None:
                compared.afterwards += differing(mine, theirs)[1] - differ
    return [same, shifted, later]
