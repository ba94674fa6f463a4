"""Show that the same seed gives the same bits in every setting, watched or not, and that no effect means no effect.

    python -m tests.digests                 some minutes: every setting this machine has
    python -m tests.digests --quick         seconds: few settings and ways, a made-up area
    python -m tests.digests --python PATH   also with another Python that has the requirements (may be said again)
    python -m tests.digests --cells         every cell on a line of its own

A cell is a way of doing the same runs in one setting, such as "13 weeks at a time" in "numpy without AVX-512". Every
run must have one digest in all cells; if one has not, the cell is named and the exit code is 1. What is printed for a
cell is the digest of its runs' digests, so cells that do the same runs show the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.digests.settings import (
    ROOT,
    Setting,
    environment,
    look_at_machine,
    numpy_settings,
    other_pythons,
    quick_settings,
    settings,
)
from tests.digests.work import MARK

AREA = "E06000009"
QUICK_WAYS = (
    "one run after the other", "13 weeks at a time", "areas and seeds backward", "areas side by side on 2 threads",
    "a batch on 2 threads", "no log kept", "every child traced", "tiny areas", "tiny areas, no log",
    "families", "kept half way and resumed", "tiny areas, resumed from the first setting",
)  # fmt: skip


@dataclass
class Cell:
    """One way in one setting: its digests by what they are of, and those that are not as in the first cell."""

    setting: str
    way: str
    digests: dict[str, str]
    wrong: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """All digests of the cell as one."""
        return hashlib.sha256(json.dumps(sorted(self.digests.items())).encode()).hexdigest()[:16]


class Book:
    """The cells so far, each compared with what was found first."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []
        self.broken: list[str] = []
        self._first: dict[str, str] = {}

    def add(self, setting: str, told: dict[str, Any]) -> Cell:
        cell = Cell(setting, told["way"], told["digests"], [told["failed"]] if "failed" in told else [])
        for what, digest in cell.digests.items():
            if not digest or self._first.setdefault(what, digest) != digest:
                cell.wrong.append(what)
        self.cells.append(cell)
        return cell

    @property
    def wrong(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.wrong]


class Team:
    """Starts a process for each thing to do, and reads what it says."""

    def __init__(self, folder: Path, code: Path | None) -> None:
        self.folder, self.code = folder, code
        self.root = copied(folder / "sources")
        self.path = folder / "area.npz"

    def ask(self, setting: Setting, what: str, **more: Any) -> list[dict[str, Any]]:
        """Return what the process of a setting says; RuntimeError with its last words if it fails."""
        asked = json.dumps({"what": what, "path": str(self.path), "no_numba": setting.no_numba, **more})
        variables = environment(setting, self.root, self.code)
        if setting.variables.get("PYTHONHASHSEED") is None:
            variables.pop("PYTHONHASHSEED", None)
        command = [setting.python, "-m", "tests.digests.work"]
        ended = subprocess.run(
            command, input=asked, cwd=self.root, env=variables, capture_output=True, encoding="utf-8", errors="replace",
            check=False,
        )  # fmt: skip
        if ended.returncode:
            last = (ended.stderr.strip().splitlines() or ["without a word"])[-1]
            raise RuntimeError(f"ended with code {ended.returncode}: {last}")
        return [json.loads(line.removeprefix(MARK)) for line in ended.stdout.splitlines() if line.startswith(MARK)]

    def fit(self, setting: Setting, name: str) -> Path:
        """Fit the area in a setting, as the command does."""
        to = self.folder / name
        command = [setting.python, "-m", "experiments.cli", "calibrate", AREA, "--point", "--to", str(to)]
        variables = environment(setting, self.root, self.code)
        ended = subprocess.run(command, cwd=self.root, env=variables, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise RuntimeError(f"could not be fitted: {ended.stderr.strip()}")
        return to


def line(*words: tuple[str, int]) -> None:
    print("  ".join(f"{word:<{width}}" for word, width in words).rstrip(), flush=True)


def run_settings(team: Team, chosen: list[Setting], ways: tuple[str, ...], workers: int, all_cells: bool) -> Book:
    """Go all ways in all settings, and print the cells as they come."""
    book = Book()
    line(("setting", 36), ("way", 43), ("digest", 16), ("compared", 0))

    def one(setting: Setting) -> list[dict[str, Any]] | str:
        try:
            return team.ask(setting, "cells", ways=ways, all_ways=setting.all_ways, groups=setting.groups)
        except RuntimeError as error:
            return str(error)

    for setting, told in zip(chosen, in_order(one, chosen, workers), strict=True):
        if isinstance(told, str) or not told:
            book.broken.append(f"{setting.name}: {told or 'went no way at all'}")
            line((setting.name, 36), (f"FAILED: {told}", 0))
            continue
        mine = [book.add(setting.name, each) for each in told]
        alone = all_cells or setting.all_ways
        for cell in mine if alone else [cell for cell in mine if cell.wrong]:
            equal = f"{len(cell.digests)} equal"
            if cell.wrong:
                equal = f"DIFFERS in {len(cell.wrong)} of {len(cell.digests)}" if cell.digests else "FAILED"
            line((setting.name, 36), (cell.way, 43), (cell.digest, 16), (equal, 0))
        whole = Cell(setting.name, "", {what: digest for cell in mine for what, digest in cell.digests.items()})
        wrong = sum(bool(cell.wrong) for cell in mine)
        equal = f"DIFFERS in {wrong} of {len(mine)} ways" if wrong else f"{len(mine)} ways equal"
        line((setting.name, 36), (f"all {len(mine)} ways", 43), (whole.digest, 16), (equal, 0))
    return book


def in_order(task: Any, things: list[Any], workers: int) -> Iterator[Any]:
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(task, things)


def show_effects(team: Team, workers: int) -> bool:
    """Print the comparisons of multipliers that should not matter; tell whether all hold."""
    plain = Setting("as it is")
    sums: dict[str, dict[str, Any]] = {}
    parts = [[part, workers] for part in range(workers)]
    for told in in_order(lambda part: team.ask(plain, "effects", part=part), parts, workers):
        for each in told:
            total = sums.setdefault(each["what"], dict.fromkeys(("events", "differ", "runs", "afterwards"), 0))
            for name in total:
                total[name] += each[name]
    print("\nNo effect means no effect (two runs with the same seed, event by event)")
    line(("what is changed", 74), ("pairs of runs", 13), ("events compared", 15), ("differ", 8), ("after", 0))
    for what, total in sums.items():
        after = f"{total['afterwards']:,}" if "before that year" in what else ""
        numbers = (f"{total['runs']:>13,}", 13), (f"{total['events']:>15,}", 15), (f"{total['differ']:>6,}", 8)
        line((what, 74), *numbers, (after, 0))
    # That nothing differs would prove nothing if the later change had no effect at all.
    return all(not total["differ"] for total in sums.values()) and any(total["afterwards"] for total in sums.values())


def show_fits(team: Team, fit: Path, chosen: list[Setting], workers: int) -> None:
    """Print whether the fit, too, has the same bits in other settings: for information, it is not promised."""

    def one(setting: Setting) -> tuple[str, Any]:
        try:
            folder = team.fit(setting, f"fit-{hashlib.sha256(setting.name.encode()).hexdigest()[:8]}")
            (told,) = team.ask(Setting(""), "fits", folders=[str(fit), str(folder)])
        except (RuntimeError, ValueError) as error:
            return setting.name, str(error)
        return setting.name, told

    print("\nFor information: the fit (floating point, scipy), which is not promised to have the same bits elsewhere")
    for name, told in in_order(one, chosen, workers):
        if isinstance(told, str):
            line((name, 36), (told, 0))
        elif told["same"]:
            line((name, 36), ("rates and multipliers have the same bits", 0))
        else:
            gap = f"differs by up to {told['gap']:.1g} of a number"
            line((name, 36), (f"{gap}; {told['thresholds']:,} of {told['of']:,} thresholds", 0))


def copied(to: Path) -> Path:
    """Copy the sources, so that every setting runs the same even while they are being edited."""
    left_out = shutil.ignore_patterns("__pycache__", "node_modules", "web", "web_dist")
    for package in ("abm", "calibration", "experiments"):
        shutil.copytree(ROOT / package, to / package, ignore=left_out)
    for path in (*Path(__file__).parent.glob("*.py"), ROOT / "tests" / "abm" / "toys.py"):
        (to / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to / path.relative_to(ROOT))
    return to


def main(words: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    asked = argparse.ArgumentParser(prog="python -m tests.digests", description=(__doc__ or "").split("\n")[0])
    asked.add_argument("--quick", action="store_true", help="few settings and ways, a made-up area")
    asked.add_argument("--cells", action="store_true", help="print every cell on a line of its own")
    asked.add_argument("--python", action="append", default=[], metavar="PATH", help="also with this Python")
    asked.add_argument("--fit", type=Path, metavar="FOLDER", help=f"a saved fit to use, instead of fitting {AREA}")
    asked.add_argument("--only", metavar="WORDS", help="only settings whose name has these words, beside the first")
    asked.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="settings side by side")
    options = asked.parse_args(words)
    began = time.monotonic()
    machine = look_at_machine()
    chosen = quick_settings(machine) if options.quick else settings(machine, options.python)
    if options.quick:
        chosen += other_pythons(options.python)
    if options.only:
        chosen = chosen[:1] + [setting for setting in chosen[1:] if options.only in setting.name]
    with tempfile.TemporaryDirectory(prefix="journeys-digests-") as folder:
        # The quick form takes the code that is kept already.
        team = Team(Path(folder).resolve(), None if options.quick else Path(folder).resolve() / "code")
        try:
            fit = None if options.quick else (options.fit or team.fit(chosen[0], "fit")).absolute()
            (made,) = team.ask(chosen[0], "make", fit=str(fit) if fit else None)
        except RuntimeError as error:
            print(f"The area to run {error}", file=sys.stderr)
            return 1
        print(f"{made['made']}: {made['children']:,} children, {made['weeks']} weeks, simulated, not real children")
        print(
            f"numpy can do without: {' '.join(machine.numpy_dispatch) or 'nothing'}; CPU: {machine.cpu or 'unknown'}\n"
        )
        book = run_settings(team, chosen, QUICK_WAYS if options.quick else (), options.workers, options.cells)
        holds = True
        if not options.quick and not options.only:
            try:
                holds = show_effects(team, options.workers)
            except RuntimeError as error:
                holds = False
                print(f"The comparison of multipliers {error}")
            if fit:
                show_fits(team, fit, numpy_settings(machine)[-1:], options.workers)
    return end(book, holds, time.monotonic() - began)


def end(book: Book, holds: bool, seconds: float) -> int:
    """Print what came out, and return the exit code."""
    settings_seen = len({cell.setting for cell in book.cells})
    print()
    for cell in book.wrong:
        more = f" and {len(cell.wrong) - 2} more" if len(cell.wrong) > 2 else ""
        print(f"DIFFERS: '{cell.way}' in '{cell.setting}': {'; '.join(cell.wrong[:2])}{more}")
    for broken in book.broken:
        print(f"FAILED: {broken}")
    if not holds:
        print("FAILED: a multiplier changed something it should not, or none changed anything at all")
    equal = len(book.cells) - len(book.wrong)
    print(f"{equal:,} of {len(book.cells):,} cells equal, in {settings_seen} settings, {seconds:.0f} s.")
    return 1 if book.wrong or book.broken or not holds or not book.cells else 0


if __name__ == "__main__":
    sys.exit(main())
