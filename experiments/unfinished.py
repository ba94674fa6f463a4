"""A run that is under way: what was asked for, and what is done of it, in a folder beside the one to come.

`FOLDER.unfinished` holds `plan.json`, written first, and for each area its fit, its blocks of runs, its test and, in
`whole`, its finished folder. Each stands there whole or not at all: it is written under another name and renamed when
it is on the disk, and nothing it could be made of again is removed before. What is missing is done when the run is
resumed, to the same results.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import abm
from abm.errors import CareError
from abm.files import read_signed, settle, sha256_of, signed
from abm.journey import JOURNEY
from calibration.fitted import journey_mark
from calibration.statistics import Area
from experiments import results
from experiments.area_work import LEFT_OUT, TOOK, AreaWork
from experiments.blocks import write_whole
from experiments.held import LOCK, Held
from experiments.order import Order

PLAN, READY = "plan.json", "ready.json"
WHOLE, AREAS, WEEKLY, OLD, MECHANISMS = "whole", "areas", "weekly", "old", "mechanisms"
OURS = frozenset((PLAN, READY, WHOLE, AREAS, WEEKLY, OLD, MECHANISMS, LOCK))
"""Every file and folder in a folder of a run that is under way, but for parts, which are named with a dot."""
FORMAT = 3
_WHAT = "A run of journeys-abm that is under way; 'journeys resume' goes on with it."


def unfinished_of(target: Path) -> Path:
    """Return the folder in which a run to `target` is under way."""
    target = target.resolve()
    return target.with_name(f"{target.name}.unfinished")


def target_of(folder: Path) -> Path:
    """Return the folder that results will stand in; the unfinished one may be named as well."""
    name = folder.resolve().name
    return folder.resolve().with_name(name.removesuffix(".unfinished")) if name.endswith(".unfinished") else folder


def reason(error: CareError) -> str:
    """Return why an area is left out, without a place on this machine."""
    return " ".join(f"{error.what}. {error.remedy}".split())


class StoppedError(CareError):
    """Stopped by Ctrl-C or by the system: what is done is kept."""

    code = 130


class Unfinished:
    """The folder of a run that is under way; see `begin` and `resume`.

    Attributes
    ----------
    folder, target, told_as
        Where it is under way, where the results will stand, and how that was named.
    whole
        What will take the place of `target`.
    """

    def __init__(self, folder: Path, target: Path, order: Order, told_as: Path | None = None) -> None:
        self.folder, self.target, self.order = folder, target, order
        self.told_as = told_as or target
        self.whole = folder / WHOLE

    def work(self, area: Area) -> AreaWork:
        """Return what is done of an area."""
        whole = self.whole / area.code if self.order.several else self.whole
        tables = self.folder / MECHANISMS if self.order.mechanisms else None
        fit, draws = (marks.get(area.code, "") for marks in (self.order.fits, self.order.drawn))
        return AreaWork(self.folder / AREAS / area.code, whole, area, fit, tables, draws)

    def has_something(self) -> bool:
        """Tell whether anything is done that would be a pity to do again."""
        done = (self.folder / AREAS).glob("*/*")
        return any(self.whole.glob("*")) or any(entry.name not in (LEFT_OUT, TOOK) for entry in done)

    def finish(self) -> None:
        """Put what is whole in its place, also when that was cut off before, and remove what was under way."""
        with results.writing(self.target):
            if self.whole.exists():
                mark = sha256_of(self.whole / results.MANIFEST)
                write_whole(self.folder / READY, signed({"manifest": mark}).encode())
                results.swap(self.whole, self.target, self.folder / OLD)
        self.clear()

    def is_in_its_place(self) -> bool:
        """Tell whether all was done but for removing what was under way."""
        try:
            told = read_signed(self.folder / READY, "")
            return not self.whole.exists() and sha256_of(self.target / results.MANIFEST) == told["manifest"]
        except (CareError, OSError):
            return False

    def clear(self) -> None:
        """Remove everything of ours in the folder but the lock.

        The plan goes last but one, and what tells that all was done goes last: a plan left alone would be done again.
        """
        last = (PLAN, READY)
        for entry in sorted(self.folder.iterdir(), key=lambda entry: (entry.name in last, entry.name)):
            if entry.name == LOCK or not _is_ours(entry):
                continue
            if entry.name in last:
                settle(self.folder)  # what went before it stays away
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def _is_ours(entry: Path) -> bool:
    return entry.name in OURS or (entry.name.startswith(".") and entry.name.endswith(".part"))


@contextmanager
def begin(
    target: Path, order: Order, fits: Mapping[str, Path], tables: Mapping[str, Path] | None = None
) -> Iterator[Unfinished]:
    """Begin a run: write down what was asked for, with the fits (area code -> folder) that are used.

    `tables` of mechanisms (name -> file) are copied, and only the copies are used from then on.

    Errors
    ------
    CareError
        When a run to this folder is unfinished, when another process works on it, or when it cannot be written.
    """
    results.refuse_what_is_not_ours(target)
    told_as, target = target, target.resolve()
    folder = unfinished_of(target)
    with results.writing(told_as):
        made = [parent for parent in folder.parents if not parent.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    run = Unfinished(folder, target, order, told_as)
    try:
        with _held(run, told_as):
            if (folder / PLAN).exists():
                raise CareError(
                    "A run to this folder is unfinished",
                    str(told_as),
                    f"Go on with it: journeys resume {told_as}; or remove the folder {folder.name} and begin again",
                )
            for entry in sorted(folder.iterdir()):
                if not _is_ours(entry):
                    raise CareError(
                        f"The folder {folder.name}, in which this run would be under way, holds other files, such as "
                        f"'{entry.name}'",
                        str(told_as),
                        "Move them, or choose another folder with --to",
                    )
            with results.writing(told_as):
                run.clear()
                (folder / AREAS).mkdir()
                if order.several:
                    run.whole.mkdir()
                if tables:
                    with results.whole_folder(folder / MECHANISMS) as part:
                        for name, source in tables.items():
                            shutil.copyfile(source, part / name)
                for area in order.areas:
                    if area.code in fits:
                        run.work(area).take_fit(fits[area.code])
                marks = {"version": abm.__version__, "journey": journey_mark(JOURNEY)}
                told = {"what": _WHAT, "format": FORMAT, **marks, "order": order.facts()}
                write_whole(folder / PLAN, signed(told).encode())
                for path in (folder, *made):
                    settle(path.parent)
            yield run
    finally:
        if not folder.exists():
            for parent in made:
                with suppress(OSError):  # one that is not empty stays
                    parent.rmdir()


@contextmanager
def resume(target: Path) -> Iterator[Unfinished]:
    """Go on with a run that was begun; `order.check_table` must be called with the table it uses.

    Errors
    ------
    CareError
        When nothing is unfinished there, when another process works on it, or when program or journey are others.
    """
    told_as, target = target, target_of(target)
    folder = unfinished_of(target)
    if not (folder / PLAN).is_file():
        is_done = (target / results.MANIFEST).is_file()
        what = "These results are finished: there is nothing to resume" if is_done else "There is no unfinished run"
        raise CareError(what, str(told_as), "'journeys run' or 'journeys calibrate' begins a new one")
    told = read_signed(folder / PLAN, f"Remove the folder {folder.name} and begin again with 'journeys run'")
    again = f"Go on with that version, or remove the folder {folder.name} and begin again with 'journeys run'"
    if told.get("version") != abm.__version__ or told.get("format") != FORMAT:
        version = f"version {told.get('version')}, and this is {abm.__version__}"
        state = f"an earlier state of version {abm.__version__}"
        by = state if told.get("version") == abm.__version__ else version
        raise CareError(f"This run was begun by {by}", str(told_as), again)
    if told.get("journey") != journey_mark(JOURNEY):
        raise CareError("This run was begun with another declared journey", str(told_as), again)
    run = Unfinished(folder, target.resolve(), Order.of(told["order"]), told_as)
    with _held(run, told_as):
        for part in (*folder.glob(".*.part"), *folder.glob("*/.*.part"), *folder.glob("*/*/.*.part")):
            shutil.rmtree(part, ignore_errors=True) if part.is_dir() else part.unlink(missing_ok=True)
        yield run


def read_order(target: Path) -> Order | None:
    """Return what was asked for in an unfinished run, or None where there is none that can be read."""
    try:
        return Order.of(read_signed(unfinished_of(target_of(target)) / PLAN, "")["order"])
    except (CareError, KeyError, TypeError):
        return None


@contextmanager
def _held(run: Unfinished, told_as: Path) -> Iterator[None]:
    """Hold the folder; when something stops us keep what is done, and leave nothing where nothing is done."""
    with results.writing(told_as):
        held = Held(run.folder, told_as)
    plan = run.folder / PLAN
    keep = begun_before = plan.exists()
    try:
        yield
        keep = plan.exists()
    except KeyboardInterrupt as fault:
        keep = plan.exists()
        if not keep:
            raise
        remedy = f"Go on with it: journeys resume {told_as}"
        raise StoppedError("Stopped. What is done is kept", run.folder.name, remedy) from fault
    except BaseException:
        keep = plan.exists() and (begun_before or run.has_something())
        raise
    finally:
        if keep:
            held.let_go()
        else:
            run.clear()
            held.let_go(remove=True)
            with suppress(OSError):
                run.folder.rmdir()
