"""The figures that the engine is to reach, each measured, beside what to reach and what would be beyond that."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from abm.journey import JOURNEY
from abm.parameters import Parameters
from abm.population import make_population
from abm.prepared import prepare
from abm.scenario import Scenario
from abm.simulate import simulate, simulate_many
from tests.bench.case import areas
from tests.bench.floor import best_of
from tests.bench.machine import seconds_of
from tests.bench.probe import measured

GB = 1e9
ALL_RUNS = 1_000
_COMMAND = Path(sys.executable).with_name("journeys.exe" if sys.platform == "win32" else "journeys")
JOURNEYS = [str(_COMMAND)] if _COMMAND.exists() else [sys.executable, "-c", "from experiments.cli import main; main()"]
"""What starts `journeys`, also where this Python has not got the project installed."""
SMALL_RUN = (
    "from tests.abm.toys import busy_parameters, small_area; from abm.journey import JOURNEY; "
    "from abm.simulate import simulate; print(simulate(small_area(1_000, 52), busy_parameters(), 1, JOURNEY).digest)"
)
"""A first small run: 1,000 made-up children for a year, the log and its digest, in a fresh process."""


@dataclass(frozen=True)
class Row:
    """One row: what was measured as numbers in `values`, each to be at most (or, if `more`, at least) its bounds."""

    work: str
    values: tuple[float, ...]
    reach: tuple[float, ...]
    beyond: tuple[float, ...]
    form: str
    note: str = ""
    more: bool = False

    @property
    def verdict(self) -> str:
        def meets(bounds: tuple[float, ...]) -> bool:
            sign = -1 if self.more else 1
            return bool(bounds) and all(sign * v <= sign * b for v, b in zip(self.values, bounds, strict=True))

        return "beyond" if meets(self.beyond) else "reached" if meets(self.reach) else "short"

    def told(self, values: tuple[float, ...]) -> str:
        return self.form.format(*values) if values else ""


@dataclass(frozen=True)
class OneArea:
    """Seconds of one area: children made, children given, and children alone; with its events and child-weeks."""

    whole: float
    run: float
    children: float
    quiet: float
    events: int
    child_weeks: int


def one_area(scenario: Scenario, parameters: Parameters, rounds: int) -> OneArea:
    """Measure one area, warm."""
    prepared = prepare(parameters, JOURNEY)
    population = make_population(scenario, 1, JOURNEY)

    def run(given: bool, log: bool = True) -> Any:
        children = population if given else None
        return simulate(scenario, parameters, 1, JOURNEY, prepared=prepared, population=children, log=log)

    done = run(True)
    gone = np.array([state.stage == "left" for state in JOURNEY.states])
    return OneArea(
        whole=best_of(rounds, lambda: run(False)),
        run=best_of(rounds, lambda: run(True)),
        children=best_of(rounds, lambda: make_population(scenario, 1, JOURNEY)),
        quiet=best_of(rounds, lambda: run(True, log=False)),
        events=int(done.rows.child.size),
        child_weeks=int(done.stocks[:, ~gone].sum()),
    )


def many_runs(scenario: Scenario, parameters: Parameters, runs: int, workers: int) -> float:
    """Return the seconds of some runs with weekly outputs only, children made for each; of few, the better half."""
    batch = runs if runs >= ALL_RUNS else runs // 2
    best = float("inf")
    for first in range(1, runs + 1, batch):
        began = time.perf_counter()
        for run in simulate_many(
            scenario, parameters, range(first, first + batch), JOURNEY, workers=workers, log=False
        ):
            assert run.stocks.size
        best = min(best, time.perf_counter() - began)
    return best * runs / batch


def area(children: int) -> dict[str, Any]:
    """Measure one area with its log in memory, in a process of its own."""
    return measured("area", children)


def england(children: int, workers: int = 2, full: bool = False) -> dict[str, Any]:
    """Measure England as 151 areas with the whole log on disk, in a process of its own; `full`: the full model."""
    with tempfile.TemporaryDirectory() as folder:
        words = ("--workers", workers, "--folder", folder, *(["--full"] if full else []))
        return measured("england", children, *words)


def start_up(times: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return (processor, clock) seconds of `journeys --help` and of a first small run."""
    small, help_ = [sys.executable, "-c", SMALL_RUN], [*JOURNEYS, "--help"]
    for command in (small, help_):
        seconds_of(command, 1)
    return seconds_of(help_, times), seconds_of(small, times)


@dataclass(frozen=True)
class Growth:
    """Seconds and bytes (beyond what the process held before) by number of children, of one way to simulate them."""

    name: str
    children: tuple[int, ...]
    seconds: tuple[float, ...]
    bytes: tuple[float, ...]

    @staticmethod
    def exponent(children: Sequence[int], amounts: Sequence[float]) -> float:
        """Return b of amount = a x children^b, by least squares of the logarithms."""
        return float(np.polyfit(np.log(children), np.log(amounts), 1)[0])

    def exponents(self) -> tuple[float, float]:
        """Return the exponents of time and memory over all sizes."""
        return self.exponent(self.children, self.seconds), self.exponent(self.children, self.bytes)

    def steepest(self) -> tuple[float, float]:
        """Return the largest exponents between one size and the next."""
        pairs = [slice(k, k + 2) for k in range(len(self.children) - 1)]
        return (
            max(self.exponent(self.children[p], self.seconds[p]) for p in pairs),
            max(self.exponent(self.children[p], self.bytes[p]) for p in pairs),
        )


SMALL = 150_000
"""Children up to which a size is measured three times: what takes little time is disturbed easily."""


def growth(name: str, probe: Callable[[int], dict[str, Any]], sizes: Sequence[int], *known: dict[str, Any]) -> Growth:
    """Measure each size in processes of its own, and add what is known already; the least time and memory count."""
    found = [[probe(size) for _ in range(3 if size <= SMALL else 1)] for size in sizes]
    found += [[one] for one in known]
    return Growth(
        name,
        tuple(int(each[0]["children"]) for each in found),
        tuple(min(float(one["seconds"]) for one in each) for each in found),
        tuple(min(float(one["peak"] - one["before"]) for one in each) for each in found),
    )


def all_children() -> int:
    """Return the children of the 151 areas."""
    return sum(area.children for area in areas())
