"""A folder of results: which files it holds, written whole or not at all, and held against its manifest when read.

Whole or not at all, even when the power fails: before a folder takes a place, its files and names are on the disk, and
so is its new name before anything goes that it could be made of again.

Everything is Parquet, JSON or a page of HTML. `manifest.json` names every file with the SHA-256 of its bytes, and what
it takes to make them again. No time of day is in any of them, so the same run gives the same bytes.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl

from abm.errors import CareError
from abm.files import read_signed, replacing, settle, sha256_of, signed
from calibration.fitted import ARRAYS, FIT
from calibration.posterior.draws import DRAWS
from calibration.posterior.draws import TABLE as DRAWS_TABLE

EVENTS, CHILDREN, STOCKS, RUNS = "events.parquet", "children.parquet", "stocks.parquet", "runs.parquet"
FIGURES, RESIDUALS, METRICS = "figures.parquet", "residuals.parquet", "metrics.parquet"
FORECAST, FORECAST_RUNS = "forecast.parquet", "forecast_runs.parquet"
SYSTEM_STOCKS = "stocks_system.parquet"
MANIFEST, REPORT, JOURNEYS = "manifest.json", "report.html", "journeys.html"
ENVIRONMENT, HOMES, CIRCUMSTANCES = "environment.parquet", "places.parquet", "circumstances.parquet"
"""Only where mechanisms are on, as all of SWITCHED_ON."""
SWITCHED_ON = (
    "mechanisms.json", "families.csv", "behaviours.csv", "places.csv", "statutory_rules.csv", "statutory_sources.csv",
    "reference.parquet", "stocks_system_behaviours.parquet", ENVIRONMENT, HOMES, CIRCUMSTANCES,
)  # fmt: skip
"""What `experiments.mechanisms` keeps, and what came of it."""
TABLES = (EVENTS, CHILDREN, STOCKS, SYSTEM_STOCKS, RUNS, FIGURES, RESIDUALS, METRICS, FORECAST, FORECAST_RUNS)
OF_RETURNS = ("quality.html", "findings.csv")
"""Beside the event log of an authority's returns: see `experiments.returns_jobs`."""
OURS = frozenset((*TABLES, *SWITCHED_ON, *OF_RETURNS, FIT, ARRAYS, DRAWS, DRAWS_TABLE, REPORT, JOURNEYS, MANIFEST))
"""Every file that we write into a folder of results."""

FORMAT = 3
WHAT = "Results of journeys-abm. Every child in them is simulated, not a real child."
_AGAIN = "Make the results again with 'journeys run'"
_CHOOSE = "Choose a new or an empty folder with --to"


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a folder to write into, which takes the place of `target` if all goes well and is removed if not.

    Until then a folder of results that stands at `target` stays as it was. Files in it that are not ours move along.

    Errors
    ------
    CareError
        When `target` cannot be made, is a file, or is a folder that holds something else than results.
    """
    refuse_what_is_not_ours(target)
    with writing(target):
        # Of a link to a folder, the folder is replaced, not the link.
        target = target.resolve()
        made = [parent for parent in target.parents if not parent.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        part = _beside(target, "part")
        part.mkdir()
    try:
        yield part
        with writing(target):
            swap(part, target, _beside(target, "old"))
    finally:
        shutil.rmtree(part, ignore_errors=True)
        for parent in made:
            with suppress(OSError):  # one that is not empty stays: all went well, or others use it too
                parent.rmdir()


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Tell in plain words why something could not be written."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
        if isinstance(fault, FileExistsError | NotADirectoryError):
            reason = "a part of the path is a file, not a folder"
        full = any(words in reason.lower() for words in ("no space", "quota", "too large"))
        remedy = "Free some space, or choose another disk" if full else "Choose a folder that you can write to"
        raise CareError(f"The results cannot be written: {reason}", str(target), remedy) from fault


def refuse_what_is_not_ours(target: Path) -> None:
    """Refuse a target that is a file, or a folder that holds something else than results."""
    try:
        if target.is_dir():
            names = {entry.name for entry in target.iterdir()}
            if names and not names & {MANIFEST, FIT}:
                example = min(names)
                raise CareError(f"This folder holds other files, such as '{example}'", str(target), _CHOOSE)
        elif target.exists():
            raise CareError("This is a file, not a folder", str(target), _CHOOSE)
    except OSError as fault:
        raise CareError(f"The folder cannot be looked into: {fault.strerror}", str(target), _CHOOSE) from fault


def _beside(target: Path, what: str) -> Path:
    names = (target.parent / f".{target.name}.{os.getpid()}-{n}.{what}" for n in itertools.count())
    return next(path for path in names if not path.exists())


@contextmanager
def whole_folder(place: Path) -> Iterator[Path]:
    """Give a folder to write into, which takes `place` if all goes well and is removed if not."""
    with writing(place):
        place.parent.mkdir(exist_ok=True)
        part = _beside(place, "part")
        part.mkdir()
    try:
        yield part
        with writing(place):
            settle_ours(part)
            if place.exists():  # a damaged one
                shutil.rmtree(place)
            part.rename(place)
            settle(place.parent)
            settle(place.parent.parent)  # which may be new as well
    finally:
        shutil.rmtree(part, ignore_errors=True)


def settle_ours(folder: Path) -> None:
    """Wait until our files in a folder are on the disk, with their names; not those in the folders of areas."""
    for path in sorted(folder.iterdir()):
        if path.name in OURS and path.is_file():
            settle(path)
    settle(folder)


def swap(part: Path, target: Path, old: Path) -> None:
    """Put `part` in the place of `target`; whatever fails, one of the two stands there, or `old`, which was `target`.

    It can be called again after it was cut off. Folders of areas in `part` must be on the disk: see `whole_folder`.
    """
    settle_ours(part)
    if old.exists():
        _move_others(old, part, areas_in(old))
    if target.exists():
        if old.exists():
            shutil.rmtree(old)
        areas = areas_in(target)
        target.rename(old)
        try:
            _move_others(old, part, areas)
            part.rename(target)
        except BaseException:
            # Also for Ctrl-C at the wrong moment: the old results go back unless the new ones are there already.
            if part.exists():
                _move_others(part, old, areas)
                old.rename(target)
            raise
    else:
        part.rename(target)
    for place in (target.parent, part.parent):
        settle(place)
    shutil.rmtree(old, ignore_errors=True)


def areas_in(folder: Path) -> frozenset[str]:
    """Return the codes of the areas that have a folder in results of several; none in results of one."""
    try:
        told = json.loads((folder / MANIFEST).read_bytes())
        return frozenset(map(str, told.get("areas", ())))
    except (OSError, ValueError, AttributeError):
        return frozenset()


def _move_others(source: Path, target: Path, areas: frozenset[str]) -> None:
    """Move the files that are not ours, also those in the folders of areas, and wait until their new names last."""
    for entry in source.iterdir():
        if entry.name in areas and entry.is_dir():
            others = [other for other in entry.iterdir() if other.name not in OURS]
            for other in others:
                (target / entry.name).mkdir(exist_ok=True)
                other.rename(target / entry.name / other.name)
            if others:
                settle(target / entry.name)
        elif entry.name not in OURS:
            entry.rename(target / entry.name)
    settle(target)


def write_table(frame: pl.DataFrame, folder: Path, name: str) -> None:
    """Write a frame as Parquet into a folder that is not yet in its place."""
    with writing(folder / name):
        frame.write_parquet(folder / name, compression="zstd", compression_level=1)


# The manifest --------------------------------------------------------------------------------------------------------


def write_manifest(folder: Path, facts: Mapping[str, Any], what: str = WHAT) -> None:
    """Write the manifest of a folder: the facts, and the SHA-256 of every file of ours in it."""
    names = sorted(entry.name for entry in folder.iterdir() if entry.name in OURS - {MANIFEST})
    files = {name: sha256_of(folder / name) for name in names}
    told = {"what": what, "format": FORMAT, **facts, "files": files}
    with writing(folder / MANIFEST), replacing(folder / MANIFEST) as part:
        part.write_text(signed(told), encoding="utf-8", newline="\n")


def read_manifest(folder: Path, *, several: bool = False) -> dict[str, Any]:
    """Read the manifest of a folder of results: of one area, or of `several`.

    Errors
    ------
    CareError
        When the folder is none, the manifest is damaged, of another version or of the other kind, or the log is of
        real children: those are never shown or written out one by one.
    """
    if not folder.is_dir():
        raise CareError("There is no such folder of results", str(folder), "Check its spelling, or run the area first")
    manifest = read_signed(folder / MANIFEST, _AGAIN)
    if manifest.get("format") != FORMAT:
        raise CareError("These results are of another version", str(folder / MANIFEST), _AGAIN)
    if manifest.get("observed"):
        raise CareError(
            "This log was put together from an authority's returns: its children are real",
            str(folder),
            "Real children are never shown one by one. 'journeys returns estimate' makes rates of it",
        )
    areas = list(manifest.get("areas", ()))
    if areas and not several:
        raise CareError("These are results of several areas", str(folder), f"Name one of them: {folder / areas[0]}")
    return manifest


def add_to_manifest(folder: Path) -> None:
    """Write the manifest again after a page was added."""
    facts = {key: value for key, value in read_manifest(folder).items() if key not in ("what", "format", "files")}
    write_manifest(folder, facts)


def checked(folder: Path, manifest: dict[str, Any], name: str) -> Path:
    """Return the path of a file of the results, or raise CareError when it is missing or not as it was written."""
    path = folder / name
    if name not in manifest["files"] or not path.is_file():
        raise CareError(f"The results have no '{name}'", str(folder), _AGAIN)
    if sha256_of(path) != manifest["files"][name]:
        raise CareError(f"The file '{name}' is not as it was written", str(path), _AGAIN)
    return path


def read_table(folder: Path, manifest: dict[str, Any], name: str) -> pl.DataFrame:
    """Read a table of the results, after holding it against the manifest."""
    return pl.read_parquet(checked(folder, manifest, name))
