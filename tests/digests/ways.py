"""Ways of doing the same runs: by spans, on threads, in other orders, watched or not. Each must give the same bits.

A way is given subjects and returns {what: digest}, with two entries a run: "... log" is the run's own digest, of its
log and its children, "... counts" is taken of its stocks and flows. A way that keeps no log has the second only.
"""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import random
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from abm.checkpoint import begin, load_checkpoint, save_checkpoint
from abm.forks import fork
from abm.journey import JOURNEY
from abm.prepared import prepare
from abm.run import Run
from abm.simulate import simulate, simulate_many
from tests.digests.subjects import Subject, subjects

Digests = dict[str, str]
Pair = tuple[Subject, int]


def counts(run: Run) -> str:
    sha = hashlib.sha256()
    families = [] if run.families is None else [run.families.began, run.families.kin, run.families.flows]
    for array in (run.stocks, run.flows, *families):
        sha.update(f"{array.shape}".encode() + np.ascontiguousarray(array, "<i8").tobytes())
    return sha.hexdigest()


def digests_of(subject: Subject, seed: int, run: Run, log: bool = True) -> Digests:
    name = f"{subject.name} seed {seed}"
    return ({f"{name} log": run.digest} if log else {}) | {f"{name} counts": counts(run)}


def pairs(who: Iterable[Subject]) -> list[Pair]:
    return [(subject, seed) for subject in who for seed in subject.seeds]


def alone(subject: Subject, seed: int, span: int | None = None, log: bool = True) -> Run:
    return simulate(
        subject.scenario, subject.parameters, seed, JOURNEY, span=span, log=log, prepared=subject.prepared,
        system=subject.system(),
    )  # fmt: skip


def each(todo: Iterable[Pair], run: Callable[[Subject, int], Run] = alone) -> Digests:
    done: Digests = {}
    for subject, seed in todo:
        done |= digests_of(subject, seed, run(subject, seed))
    return done


# The ways ------------------------------------------------------------------------------------------------------------


def one_by_one(who: tuple[Subject, ...]) -> Digests:
    return each(pairs(who))


def by_spans(span: int) -> Callable[[tuple[Subject, ...]], Digests]:
    return lambda who: each(pairs(who), lambda subject, seed: alone(subject, seed, span))


def backward(who: tuple[Subject, ...]) -> Digests:
    return each(pairs(who)[::-1])


def shuffled(who: tuple[Subject, ...]) -> Digests:
    todo = pairs(who)
    random.Random(4).shuffle(todo)
    return each(todo)


def batch(workers: int, bar: bool = False) -> Callable[[tuple[Subject, ...]], Digests]:
    """Each area's seeds by `simulate_many`; with a progress bar on a screen of its own, if so wanted."""

    def way(who: tuple[Subject, ...]) -> Digests:
        done: Digests = {}
        for subject in who:
            with Bar() as shown:
                runs = simulate_many(
                    subject.scenario, subject.parameters, subject.seeds, JOURNEY, workers=workers,
                    progress=shown if bar else None, system=subject.system if subject.coupled else None,
                )  # fmt: skip
                for seed, run in zip(subject.seeds, runs, strict=True):
                    done |= digests_of(subject, seed, run)
        return done

    return way


class Bar:
    """A progress bar of the kind the command shows."""

    def __enter__(self) -> Bar:
        from rich.console import Console
        from rich.progress import Progress

        self.bar = Progress(console=Console(file=io.StringIO(), force_terminal=True))
        self.bar.start()
        self.task = self.bar.add_task("runs")
        return self

    def __call__(self, done: int, total: int) -> None:
        self.bar.update(self.task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        self.bar.stop()


def areas_on_threads(threads: int) -> Callable[[tuple[Subject, ...]], Digests]:
    """All areas and seeds side by side, in whatever order they end."""

    def way(who: tuple[Subject, ...]) -> Digests:
        done: Digests = {}
        with ThreadPoolExecutor(threads) as pool:
            for part in pool.map(lambda pair: digests_of(*pair, alone(*pair, span=17)), pairs(who)):
                done |= part
        return done

    return way


def without_log(span: int | None) -> Callable[[tuple[Subject, ...]], Digests]:
    def way(who: tuple[Subject, ...]) -> Digests:
        done: Digests = {}
        for subject, seed in pairs(who):
            done |= digests_of(subject, seed, alone(subject, seed, span, log=False), log=False)
        return done

    return way


def traced(every: int) -> Callable[[tuple[Subject, ...]], Digests]:
    """What could have happened instead is listed, of every so manieth child, before the digest is taken."""

    def run(subject: Subject, seed: int) -> Run:
        run = alone(subject, seed, span=52)
        n = len(run.population)
        assert run.options(None if every == 1 else list(range(0, n, every))).height > 0
        return run

    return lambda who: each(pairs(who), run)


def read_before(who: tuple[Subject, ...]) -> Digests:
    """Events, children and manifest are read, and the run is checked, before the digest is taken."""

    def run(subject: Subject, seed: int) -> Run:
        run = alone(subject, seed)
        run.check()
        assert run.events.height == run.manifest["events"]
        assert run.children.height == run.manifest["children"]
        return run

    return each(pairs(who), run)


def tables_anew(who: tuple[Subject, ...]) -> Digests:
    def run(subject: Subject, seed: int) -> Run:
        prepared = prepare(subject.parameters, JOURNEY)
        return simulate(subject.scenario, subject.parameters, seed, JOURNEY, prepared=prepared)

    return each(pairs(who), run)


def luck_of_others(who: tuple[Subject, ...]) -> Digests:
    """Everybody else's streams of random numbers are seeded and used between the runs."""

    def run(subject: Subject, seed: int) -> Run:
        np.random.seed(seed % 1000)
        random.seed(seed)
        np.random.random(7)
        return alone(subject, seed)

    return each(pairs(who), run)


def processes(workers: int, path: Path) -> Callable[[tuple[Subject, ...]], Digests]:
    """Each run in one of some processes that were started anew."""

    def way(who: tuple[Subject, ...]) -> Digests:
        todo = [(path, subject.name, seed) for subject, seed in pairs(who)]
        done: Digests = {}
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            for part in pool.map(in_a_process, *zip(*todo, strict=True)):
                done |= part
        return done

    return way


def in_a_process(path: Path, name: str, seed: int) -> Digests:
    (subject,) = (one for group in subjects(path).values() for one in group if one.name == name)
    return digests_of(subject, seed, alone(subject, seed))


def kept_and_resumed(who: tuple[Subject, ...], times: int = 1) -> Digests:
    """Each run is written to a file after some weeks and read from there again, to go on."""

    def run(subject: Subject, seed: int) -> Run:
        engine = begin(subject.scenario, subject.prepared, seed, system=subject.system())
        with TemporaryDirectory() as folder:
            for _ in range(times):
                engine.advance(engine.n_weeks // (times + 1) + 1)
                save_checkpoint(engine, subject.scenario, Path(folder, "run"))
                engine = load_checkpoint(Path(folder, "run"), subject.scenario, subject.prepared, subject.system())
            engine.advance(engine.n_weeks)
        return engine.run(subject.scenario)

    return each(pairs(who), run)


def forked(who: tuple[Subject, ...]) -> Digests:
    """Each run goes on from half way as a fork with the same numbers, and its own way beside it."""

    def run(subject: Subject, seed: int) -> Run:
        engine = begin(subject.scenario, subject.prepared, seed, system=subject.system())
        engine.advance(engine.n_weeks // 2)
        other = fork(engine, subject.prepared, subject.system())
        engine.advance(engine.n_weeks)
        other.advance(other.n_weeks)
        assert other.run(subject.scenario).digest == engine.run(subject.scenario).digest
        return other.run(subject.scenario)

    return each(pairs(who), run)


def kept_for_elsewhere(path: Path, subject: Subject, seed: int) -> Path:
    return path.with_name(f"{subject.name}-{seed}.half")


def keep_for_elsewhere(path: Path) -> None:
    """Keep runs half way, for every setting to go on with."""
    groups = subjects(path)
    for subject, seed in pairs(groups["tiny"] + groups["coupled"] + groups["living"] + groups["whole"]):
        engine = begin(subject.scenario, subject.prepared, seed, system=subject.system())
        engine.advance(engine.n_weeks // 2)
        save_checkpoint(engine, subject.scenario, kept_for_elsewhere(path, subject, seed))


def resumed_from_elsewhere(path: Path) -> Callable[[tuple[Subject, ...]], Digests]:
    """The first half of each run was done in the first setting, the second is done here."""

    def run(subject: Subject, seed: int) -> Run:
        kept = kept_for_elsewhere(path, subject, seed)
        engine = load_checkpoint(kept, subject.scenario, subject.prepared, subject.system())
        engine.advance(engine.n_weeks)
        return engine.run(subject.scenario)

    return lambda who: each(pairs(who), run)


def mesa_model(engine: str) -> Callable[[tuple[Subject, ...]], Digests]:
    def way(who: tuple[Subject, ...]) -> Digests:
        from abm.mesa_model import CareModel

        def run(subject: Subject, seed: int) -> Run:
            model = CareModel(
                scenario=subject.scenario, parameters=subject.parameters, journey=JOURNEY, engine=engine, rng=seed,
                system=subject.system(),
            )  # fmt: skip
            model.run_model()
            return model.result()

        return each(pairs(who), run)

    return way


@dataclass(frozen=True)
class Way:
    """One way, which subjects it runs, and whether every setting goes it (else only the plain one)."""

    name: str
    group: str
    run: Callable[[tuple[Subject, ...]], Digests]
    everywhere: bool = True


def ways(path: Path) -> dict[str, Way]:
    """Return the ways by name, the one that all are compared with first."""
    listed = [
        Way("one run after the other", "small", one_by_one),
        *(Way(f"{span} weeks at a time", "small", by_spans(span)) for span in (4, 13, 52)),
        Way("1 week at a time", "small", by_spans(1)),
        Way("7 weeks at a time", "small", by_spans(7), everywhere=False),
        Way("520 weeks at a time", "small", by_spans(520), everywhere=False),
        Way("areas and seeds backward", "small", backward),
        Way("areas and seeds shuffled", "small", shuffled),
        *(Way(f"a batch on {n} thread{'s' * (n > 1)}", "small", batch(n)) for n in (1, 2, 4)),
        *(Way(f"areas side by side on {n} threads", "small", areas_on_threads(n)) for n in (2, 4)),
        Way("a batch with a progress bar", "small", batch(2, bar=True)),
        Way("no log kept", "small", without_log(None)),
        Way("no log kept, 13 weeks at a time", "small", without_log(13)),
        Way("one child in ten traced", "small", traced(10)),
        Way("every child traced", "small", traced(1)),
        Way("read and checked before", "small", read_before),
        Way("tables made anew for each run", "small", tables_anew, everywhere=False),
        Way("others' luck used in between", "small", luck_of_others),
        *(Way(f"{n} process{'es' * (n > 1)}", "small", processes(n, path), everywhere=False) for n in (1, 2)),
        Way("Mesa, arrays", "tiny", mesa_model("arrays"), everywhere=False),
        Way("Mesa, agents", "tiny", mesa_model("agents"), everywhere=False),
        Way("kept half way and resumed", "small", kept_and_resumed),
        Way("kept four times, resumed each time", "small", lambda who: kept_and_resumed(who, 4), everywhere=False),
        Way("forked half way, nothing changed", "small", forked),
        Way("tiny areas", "tiny", one_by_one),
        Way("tiny areas backward", "tiny", backward),
        Way("tiny areas, no log", "tiny", without_log(None)),
        Way("tiny areas, traced", "tiny", traced(1)),
        Way("tiny areas, 1 week at a time", "tiny", by_spans(1)),
        Way("tiny areas, 4 threads", "tiny", areas_on_threads(4)),
        Way("families and a system", "coupled", one_by_one),
        Way("families and a system, 1 week at a time", "coupled", by_spans(1)),
        Way("families and a system, 13 weeks at a time", "coupled", by_spans(13)),
        Way("families and a system, a batch on 2 threads", "coupled", batch(2)),
        Way("families and a system, 4 threads", "coupled", areas_on_threads(4)),
        Way("families and a system, no log", "coupled", without_log(None)),
        Way("families and a system, every child traced", "coupled", traced(1)),
        Way("families and a system, read and checked before", "coupled", read_before),
        Way("families and a system, kept four times", "coupled", lambda who: kept_and_resumed(who, 4)),
        Way("families and a system, forked half way", "coupled", forked),
        Way("families and a system, resumed from the first", "coupled", resumed_from_elsewhere(path)),
        Way("families", "living", one_by_one),
        Way("families, resumed from the first", "living", resumed_from_elsewhere(path)),
        Way("families, Mesa, agents", "living", mesa_model("agents"), everywhere=False),
        Way("families, no log, 4 weeks at a time", "living", without_log(4)),
        Way("the whole area", "whole", one_by_one),
        Way("the whole area, 13 weeks at a time", "whole", by_spans(13)),
        Way("tiny areas, resumed from the first setting", "tiny", resumed_from_elsewhere(path)),
        Way("the whole area, resumed from the first", "whole", resumed_from_elsewhere(path)),
        Way("the whole area, 2 threads", "whole", batch(2), everywhere=False),
        Way("the whole area, every child traced", "whole", traced(1), everywhere=False),
    ]
    return {way.name: way for way in listed}
