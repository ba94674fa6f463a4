"""Measure the engine beside its rivals, beside what it is to reach, and beside what this machine can do at best.

    python -m tests.bench             about six minutes
    python -m tests.bench --quick     less than a minute: small sizes, to see that it works
    python -m tests.bench --full      1,000 runs instead of 40 scaled up, and more rounds
    python -m tests.bench --write     also put the figures into docs/explanation/performance.md

Nothing here is a test of speed: it ends with an error only when a rival does not do the declared journey as ours does,
or when a planted fault is not found.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from abm.compiled import HAS_NUMBA
from tests.bench import machine, page, reach
from tests.bench.case import ONE_AREA, YEARS, area_of, parameters
from tests.bench.coupled import coupled_seconds
from tests.bench.floor import measure
from tests.bench.race import DENSE, EVENTS, MESA, MESA_EVENTS, RIVALS, STARSIM, Result, Size, race, versions
from tests.bench.tables import Table, coupling_table, figures_table, floor_table, growth_table, race_table, reach_table

WEEKS = YEARS * 52
MILLION = 1_000_000
QUIET = 2.1
"""The load that the bench makes by itself at its end, at most."""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    sizes: tuple[Size, ...]
    one_area: int
    rounds: int
    runs: int
    england: int
    areas: tuple[int, ...]
    englands: tuple[int, ...]
    starts: int


def plan_of(quick: bool, full: bool) -> Plan:
    """Return the plan that the options ask for."""
    arrays = (STARSIM, DENSE, EVENTS)
    if quick:
        sizes = (Size(2_000, 104, tuple(RIVALS), 1, 12),)
        return Plan(sizes, 20_000, 3, 4, 80_000, (10_000, 40_000), (40_000,), 2)
    sizes = (
        Size(10_000, WEEKS, (MESA, MESA_EVENTS, *arrays), 3 if full else 2, 24),
        Size(ONE_AREA, WEEKS, arrays, 3 if full else 2, 8),
    )
    whole = reach.all_children()
    steps = (10_000, 100_000, MILLION, 12 * MILLION)
    return Plan(sizes, ONE_AREA, 7, 1_000 if full else 40, whole, steps, (whole // 100, whole // 10), 7)


def main(words: list[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--full", action="store_true", help="1,000 runs, and more rounds")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {page.NAME}")
    parser.add_argument("--date", help="the day of these figures, as it shall stand there (today if not said)")
    asked = parser.parse_args(words)
    if asked.write and asked.quick:
        parser.error("figures of --quick are not worth keeping: leave out --quick or --write")
    if not HAS_NUMBA:
        print("The package numba cannot be loaded here, so there is nothing to measure.", file=sys.stderr)
        return 2
    began, load = time.monotonic(), machine.load()
    day = asked.date or date.today().isoformat()
    plan = plan_of(asked.quick, asked.full)
    tables: list[Table] = []

    def show(*more: Table) -> None:
        for table in more:
            print(f"\n{table.text()}\n", flush=True)
            tables.append(table)

    print("Journeys with made-up luck: simulated children, not real ones. Other programs on this machine slow it down.")
    floor = measure()
    results = [race(size, area_of(size.children, weeks=size.weeks), parameters(), say) for size in plan.sizes]
    show(*(race_table(result, versions()) for result in results))
    one = reach.one_area(area_of(plan.one_area), parameters(), plan.rounds)
    show(floor_table(floor, one, plan.one_area))
    show(coupling_table(coupled_seconds(area_of(plan.one_area), parameters(), 3), plan.one_area))
    show(reach_table(rows(plan, results, one, show), smaller=asked.quick))
    after = machine.load()
    facts = machine.facts() | {"busy before and after (load)": f"{load:.1f} and {after:.1f}", "day": day}
    # The bench itself keeps one or two processes busy, so only what was there before it tells, or more than that.
    show(figures_table(facts, busy=load > 0.5 or after > QUIET))
    print(f"Measured in {time.monotonic() - began:.0f} s.")
    if asked.write:
        page.write(tables)
        print(f"Written to {page.NAME}.")
    return verdict(results)


def rows(plan: Plan, results: list[Result], one: reach.OneArea, show: Callable[[Table], None]) -> list[reach.Row]:
    """Measure the rest and return the rows of what is to be reached."""
    say(f"England: {plan.england:,} children in 151 areas, logs on disk")
    nation = reach.england(plan.england)
    say("the same, in processes, the full model: families, places and behaviours")
    whole = reach.england(plan.england, full=True)
    say(f"{plan.runs} runs of one area, weekly outputs only")
    many = reach.many_runs(area_of(plan.one_area), parameters(), plan.runs, 2) * reach.ALL_RUNS / plan.runs
    say("growth with the number of children")
    grown = [
        reach.growth("one area, log in memory", reach.area, plan.areas),
        reach.growth("England of 151 areas, 2 threads, logs on disk", reach.england, plan.englands, nation),
    ]
    show(growth_table(grown))
    say("start-up")
    help_, small = reach.start_up(plan.starts)
    first, last = results[0], results[-1]
    gb = nation["peak"] / reach.GB
    steepest = "; ".join("time {:.2f}, memory {:.2f}".format(*each.steepest()) for each in grown)
    exponents = [exponent for each in grown for exponent in each.exponents()]
    return [
        reach.Row(
            f"England: 151 areas, {plan.england:,} children, ten years, full log on disk, 2 threads: the journey alone",
            (nation["seconds"], gb), (20, 3), (8, 1.5), "{:.1f} s, {:.2f} GB",
            f"{nation['events']:,} events, {nation['bytes'] / 1e6:.0f} MB",
        ),
        reach.Row(
            "the same, in processes, the full model: families, limited places and behaviours",
            (whole["seconds"], whole["peak"] / reach.GB), (20, 3), (8, 1.5), "{:.1f} s, {:.2f} GB",
            f"{whole['events']:,} events, {whole['bytes'] / 1e6:.0f} MB",
        ),
        reach.Row(
            f"one area of {plan.one_area:,} children, ten years, log in memory, warm: children made too",
            (one.whole,), (0.25,), (0.08,), "{:.3f} s", f"children alone {one.children:.3f} s",
        ),
        reach.Row(
            "the same, children given", (one.run,), (0.25,), (0.08,), "{:.3f} s",
            f"without the log {one.quiet:.3f} s",
        ),
        reach.Row(
            "1,000 runs of that area, weekly outputs only, 2 threads", (many,), (90,), (40,), "{:.0f} s",
            "measured" if plan.runs == reach.ALL_RUNS else f"{plan.runs // 2} runs measured, scaled up",
        ),
        reach.Row(
            "against an idiomatic Mesa model, same work", (first.ratio(MESA),), (1_000,), (5_000,), "{:,.0f} x",
            f"{first.size.children:,} children", more=True,
        ),
        reach.Row(
            "against numpy, every child every week", (last.ratio(DENSE),), (20,), (60,), "{:.1f} x",
            f"{last.size.children:,} children", more=True,
        ),
        reach.Row(
            "against numpy, event driven", (last.ratio(EVENTS),), (20,), (60,), "{:.1f} x",
            f"{last.size.children:,} children", more=True,
        ),
        reach.Row(
            "growth of time and memory with children, exponents: as one area; as England", tuple(exponents),
            (1.05,) * 4, (), "time {:.2f}, memory {:.2f}; time {:.2f}, memory {:.2f}",
            "from the least to the most children; steepest between two sizes: " + steepest,
        ),
        reach.Row(
            "`journeys --help`", help_[1:], (0.4,), (0.2,), "{:.2f} s", f"processor {help_[0]:.2f} s",
        ),
        reach.Row(
            "a first small run, warm", small[1:], (1.5,), (0.8,), "{:.2f} s",
            f"1,000 children, one year, a new process; processor {small[0]:.2f} s",
        ),
    ]  # fmt: skip


def say(text: str) -> None:
    """Tell on stderr what is being measured."""
    print(f"... {text}", file=sys.stderr, flush=True)


def verdict(results: list[Result]) -> int:
    """Return 1 if a rival does not do the declared journey, or a planted fault was not found."""
    found = [pair for result in results for pair in result.agreements.items()]
    wrong = [f"'{name}' does other journeys than ours: {a}" for name, a in found if not a.holds]
    wrong += [f"a planted fault was not found: {r.planted}" for r in results if r.planted.holds]
    for line in wrong:
        print(f"FAILED: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
