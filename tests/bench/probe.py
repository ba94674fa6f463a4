"""One measurement in a process of its own, told as a line of JSON: so peak memory is that of this work alone.

python -m tests.bench.probe area 10000
python -m tests.bench.probe england 12181850 --workers 2 --folder FOLDER
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from abm.journey import JOURNEY
from abm.prepared import prepare
from abm.simulate import simulate
from tests.bench.case import area_of, areas, parameters
from tests.bench.coupled import Coupling, full
from tests.bench.machine import ROOT, forget_peak, held_bytes, peak_bytes


def one_area(children: int) -> dict[str, Any]:
    """Simulate one area for ten years, its children made and its log in memory."""
    _warm()
    scenario, prepared = area_of(children), prepare(parameters(), JOURNEY)
    before = _ready()
    began = time.perf_counter()
    run = simulate(scenario, parameters(), 1, JOURNEY, prepared=prepared)
    seconds = time.perf_counter() - began
    return {"children": children, "seconds": seconds, "events": int(run.rows.child.size), "before": before}


def england(children: int, workers: int, folder: Path | None, whole: bool = False) -> dict[str, Any]:
    """Simulate the 151 authorities for ten years, on some threads; each log is written when its area is done.

    With `whole` it is the full model: families, limited places and behaviours; in processes, as `journeys run` has
    them, for what is not compiled would hold threads up.
    """
    if whole:
        return _in_processes(children, workers, folder)
    _warm()
    model, known = Coupling("", prepare(parameters(), JOURNEY)), areas()
    before = _ready()
    began = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        counted = list(pool.map(lambda number: _authority(model, number, children, folder), range(len(known))))
    return {
        "children": children, "seconds": time.perf_counter() - began, "before": before, "workers": workers,
        **_told(counted, folder),
    }  # fmt: skip


def _authority(model: Coupling, number: int, children: int, folder: Path | None) -> tuple[int, int]:
    """Simulate one authority and write its log; returns events and children."""
    known = areas()
    area, part = known[number], children / sum(area.children for area in known)
    scenario = area_of(round(area.children * part), code=area.code, name=area.name)
    system = model.system(scenario) if model.system else None
    run = simulate(scenario, parameters(), 1, JOURNEY, prepared=model.prepared, system=system)
    if folder is not None:
        run.write_events(folder / f"{area.code}-events.parquet")
        run.write_children(folder / f"{area.code}-children.parquet")
    return int(run.rows.child.size), len(run.population)


def _told(counted: Sequence[tuple[int, int]], folder: Path | None) -> dict[str, int]:
    events, lives = (sum(column) for column in zip(*counted, strict=True))
    written = sum(path.stat().st_size for path in folder.iterdir()) if folder else 0
    return {"events": events, "lives": lives, "bytes": written}


def _in_processes(children: int, workers: int, folder: Path | None) -> dict[str, Any]:
    """Simulate all authorities in processes that take one after the other, from when all of them are ready."""
    spawn = multiprocessing.get_context("spawn")
    turn, told = spawn.Value("i", 0), spawn.Queue()
    go = spawn.Event()
    team = [spawn.Process(target=_member, args=(turn, go, told, children, folder)) for _ in range(workers)]
    for process in team:
        process.start()
    for _ in team:
        told.get(timeout=600)
    began = time.perf_counter()
    go.set()
    counted, peak, before = [], 0, 0
    for _ in team:
        mine, held, first = told.get(timeout=3600)
        counted, peak, before = counted + mine, peak + held, before + first
    seconds = time.perf_counter() - began
    for process in team:
        process.join()
    return {
        "children": children, "seconds": seconds, "before": before, "workers": workers, "peak": peak,
        **_told(counted, folder),
    }  # fmt: skip


def _member(turn: Any, go: Any, told: Any, children: int, folder: Path | None) -> None:
    _warm(True)
    model, before, counted = full(parameters()), _ready(), []
    told.put("ready")
    go.wait()
    while True:
        with turn.get_lock():
            number, turn.value = turn.value, turn.value + 1
        if number >= len(areas()):
            break
        counted.append(_authority(model, number, children, folder))
    told.put((counted, peak_bytes(), before))


def _warm(whole: bool = False) -> None:
    """Compile what is not compiled yet and read the tables, so that neither is part of the measurement."""
    scenario = area_of(2_000, weeks=60)
    simulate(scenario, parameters(), 1, JOURNEY).check()
    if whole:
        model = full(parameters())
        assert model.system is not None
        simulate(scenario, parameters(), 1, JOURNEY, prepared=model.prepared, system=model.system(scenario)).check()


def _ready() -> int:
    """Let the peak count from here on, and return the memory held now."""
    gc.collect()
    forget_peak()
    return held_bytes()


def measured(*words: str | int | Path) -> dict[str, Any]:
    """Return what a probe measured in a new process, with its peak memory."""
    command = [sys.executable, "-m", "tests.bench.probe", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure what the words name."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.probe")
    parser.add_argument("what", choices=("area", "england"))
    parser.add_argument("children", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--full", action="store_true")
    words = parser.parse_args()
    if words.what == "area":
        found = one_area(words.children)
    else:
        found = england(words.children, words.workers, words.folder, words.full)
    print(json.dumps({"peak": peak_bytes(), **found}))


if __name__ == "__main__":
    main()
