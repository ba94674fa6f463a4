"""Several areas side by side, each in a process of its own that works on one at a time.

A process is told by JSON over a pipe which area is next, and tells what it does. It ends as soon as the pipe breaks, so
none goes on when the one that started it is gone, however that ended. What it writes appears by renaming.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abm.errors import CareError
from calibration.statistics import Area, Statistics, read_statistics
from experiments.area_work import AreaWork, LeftOut
from experiments.effort import Effort, effort_of
from experiments.order import Order
from experiments.unfinished import Unfinished, reason

if TYPE_CHECKING:
    from collections import deque

Say = Callable[[str, float], None]
_EVERY = 0.2
"""Seconds between two words about the same step."""


class Watch:
    """Is told what is done of several areas; shows nothing."""

    def begin(self, weights: dict[str, float], finished: Sequence[str], only_fits: bool = False) -> None:
        """Learn how much work each area is, and which are finished; nothing is simulated if these are `only_fits`."""

    def part(self, area: Area, part: float) -> None:
        """Learn that this part of an area is done."""

    def end(self, area: Area, why: str = "") -> None:
        """Learn that an area is finished, or why it was left out."""

    def close(self) -> None:
        """Learn that no more is to come."""


def _shown(watch: Watch, area: Area, effort: Effort) -> Say:
    return lambda what, part: watch.part(area, effort.done(what, part))


def processes_for(n_areas: int, asked: int | None) -> int:
    """Return how many processes work on areas: one for each processor, if nothing is said."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(asked or there, n_areas))


def finish_areas(
    statistics: Statistics, begun: Unfinished, *, processes: int | None, workers: int, watch: Watch
) -> None:
    """Do what is missing of every area. An area that turns out not to be one that can be run is left out.

    Errors
    ------
    CareError
        When a process ended by itself, or when no area can be run.
    """
    from experiments import jobs

    order = begun.order
    works = {area.code: begun.work(area) for area in order.areas}
    done = [code for code, work in works.items() if work.left_out() or work.is_finished()]
    n = processes_for(len(works) - len(done), processes)
    threads = workers if n == 1 else 1
    efforts = {code: effort_of(statistics, order, work, threads) for code, work in works.items()}
    weights = {code: effort.seconds for code, effort in efforts.items()}
    with closing(watch):
        watch.begin(weights, done, order.only_fits)
        # The largest first, so that no process is left with one at the end; the results do not depend on it.
        to_do = sorted(set(works) - set(done), key=lambda code: (-weights[code], code))
        if n == 1:
            for code in to_do:
                work, say = works[code], _shown(watch, works[code].area, efforts[code])
                watch.end(work.area, _finish_or_leave_out(statistics, order, work, say, workers))
        else:
            _Team(begun, statistics.path, n, watch).work_on([works[code].area for code in to_do])
    left_out = [found for work in works.values() if (found := work.left_out())]
    if len(left_out) == len(works):
        jobs.refuse_that_all_are_left_out([*order.left_out, *left_out])


def _finish_or_leave_out(statistics: Statistics, order: Order, work: AreaWork, say: Say, workers: int) -> str:
    """Finish an area and return "", or return why it was left out."""
    from experiments import jobs

    begun = time.monotonic()
    try:
        jobs.finish_area(statistics, order, work, say, workers=workers)
        if order.only_fits:
            work.took(time.monotonic() - begun)
    except CareError as error:
        # What cannot be fitted is left out. After the fit nothing can be wrong with an area's figures.
        if "cannot be written" in error.what or work.given or work.has_fit():
            raise
        work.leave_out(reason(error))
        return reason(error)
    return ""


# The processes -------------------------------------------------------------------------------------------------------


class _Team:
    """Processes that work on areas until none is left."""

    def __init__(self, begun: Unfinished, table: Path, n: int, watch: Watch) -> None:
        self.begun, self.table, self.n, self.watch = begun, table, n, watch
        self.at_work: dict[Connection, tuple[BaseProcess, Area | None]] = {}

    def work_on(self, areas: Sequence[Area]) -> None:
        from collections import deque

        waiting = deque(areas)
        try:
            for _ in range(self.n):
                self._start()
            while self.at_work:
                for line in wait(list(self.at_work)):
                    assert isinstance(line, Connection)
                    self._hear(line, waiting)
        finally:
            for process, _ in self.at_work.values():
                process.kill()
            for line, (process, _) in self.at_work.items():
                process.join(10)
                line.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=serve, args=(theirs, str(self.begun.folder), str(self.begun.target), str(self.table)), daemon=True
        )
        # Ctrl-C reaches every process of a terminal; only this one is to hear it.
        masks = hasattr(signal, "pthread_sigmask")
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else None
        try:
            process.start()
        finally:
            if before is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self.at_work[ours] = (process, None)

    def _hear(self, line: Connection, waiting: deque[Area]) -> None:
        process, area = self.at_work[line]
        try:
            told = json.loads(line.recv_bytes())
        except (EOFError, OSError) as fault:
            process.join(10)
            of = f" on {area.name} ({area.code})" if area else ""
            raise CareError(
                f"A process that worked{of} ended by itself (exit code {process.exitcode}); the likely reason is too "
                "little memory",
                self.begun.folder.name,
                f"What is done is kept: go on with fewer --processes: journeys resume {self.begun.told_as}",
            ) from fault
        if told["is"] == "part":
            assert area is not None
            self.watch.part(area, told["part"])
            return
        if told["is"] == "wrong":
            raise CareError(told["what"], told["where"], told["remedy"])
        if told["is"] == "fault":
            raise RuntimeError(f"{told['what']} (in {area.name if area else 'no area'})")
        if area is not None:
            self.watch.end(area, told["why"])
        if waiting:
            area = waiting.popleft()
            self.at_work[line] = (process, area)
            line.send_bytes(json.dumps({"area": area.code}).encode())
            return
        del self.at_work[line]
        line.close()  # which ends the process
        process.join(10)


def serve(line: Connection, folder: str, target: str, table: str) -> None:
    """Work on the areas that are named over the line until it breaks; the main function of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        try:
            while True:
                asked.put(json.loads(line.recv_bytes())["area"])
        except (EOFError, OSError):
            os._exit(0)

    def tell(**words: Any) -> None:
        try:
            line.send_bytes(json.dumps(words).encode())
        except OSError:
            os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    try:
        from calibration.fitted import read_signed
        from experiments.unfinished import PLAN

        begun = Unfinished(Path(folder), Path(target), Order.of(read_signed(Path(folder) / PLAN, "")["order"]))
        areas = {area.code: area for area in begun.order.areas}
        statistics = read_statistics(Path(table))
        tell(**{"is": "ready", "why": ""})
        while True:
            work = begun.work(areas[asked.get()])
            say = _seldom(tell, effort_of(statistics, begun.order, work))
            why = _finish_or_leave_out(statistics, begun.order, work, say, 1)
            tell(**{"is": "done", "why": why})
    except CareError as error:
        tell(**{"is": "wrong", "what": error.what, "where": error.where, "remedy": error.remedy})
    except MemoryError:
        os._exit(1)
    except Exception as error:
        tell(**{"is": "fault", "what": " ".join(f"{type(error).__name__}: {error}".split())})


def _seldom(tell: Callable[..., None], effort: Effort) -> Say:
    """Return what passes on the part that is done, not too often."""
    last = 0.0

    def say(what: str, part: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _EVERY:
            last = now
            tell(**{"is": "part", "part": effort.done(what, part)})

    return say


def all_left_out(begun: Unfinished) -> list[LeftOut]:
    """Return every area that was left out, by code."""
    found = [found for area in begun.order.areas if (found := begun.work(area).left_out())]
    return sorted([*begun.order.left_out, *found], key=lambda area: area.code)
