"""The job behind `journeys returns estimate`: rates and curves of a log, written so that they may be shown, or not.

Of real children small numbers are hidden unless one asks for them, for use inside the authority; that is the first step
of disclosure control, not all of it. What is written for use inside also has a book of rates that a fit can start from.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

import abm
from abm.errors import CareError
from abm.files import read_signed, replacing, sha256_of, signed
from abm.journey import JOURNEY
from calibration.estimate import COLUMNS, FEWEST, Estimates, estimate, rates_from
from calibration.estimate_curves import curves
from calibration.estimate_log import Log, read_log
from calibration.estimate_shrinkage import MOST
from calibration.rates import NATIONAL_RATES, RateBook, read_rates, write_rates
from calibration.spreadsheets import harmless_frame
from experiments.estimate_page import curves_page
from experiments.estimate_words import FEW_LINKED, gap_words, in_care_words
from experiments.results import writing

RATES, CURVES, PAGE, BOOK, ABOUT = "rates.csv", "curves.csv", "curves.html", "book.csv", "estimate.json"
SIMULATED = "Simulated, not a real child."
SHOWN = "Made from returns about children. Numbers of fewer than 10 events are hidden."
INSIDE = "For use inside the authority only. Made from returns about children, and small numbers are not hidden."
SMALL = "small number: inside the authority only"
_NOT_OURS = "Choose a new or an empty folder with --to"


@dataclass(frozen=True)
class Made:
    """What was estimated, and what was written of it."""

    estimates: Estimates
    rates: pl.DataFrame
    curves: pl.DataFrame
    area: str
    hidden: bool
    simulated: bool
    files: tuple[str, ...]
    notes: tuple[str, ...] = ()


def estimate_folder(
    folder: Path, to: Path, *, inside: bool = False, years: tuple[int, int] | None = None,
    say: Callable[[str], None] = lambda _what: None,
) -> Made:  # fmt: skip
    """Estimate rates and curves from the log in a folder, and write them into another.

    Parameters
    ----------
    inside
        Write small numbers too, and the book of rates: what is written must not leave the authority.
    years
        Only these years (ending 31 March), from, to.

    Errors
    ------
    CareError
        When the folder has no log, lifelines is missing, or the target holds something else or cannot be written.
    """
    _refuse(to, folder)
    say("Reading the log")
    log, manifest = read_log(folder)
    first_year = manifest.get("first_year", manifest.get("scenario", {}).get("first_year"))
    weeks = None if years is None else _weeks_of(years, first_year, log.n_weeks, folder)
    hide = log.observed and not inside
    say("Counting and estimating")
    book = read_rates(JOURNEY)
    found = estimate(log, book, weeks=weeks)
    frame = found.frame(hide=hide)
    if log.observed and inside:
        small = pl.col("events") < FEWEST
        frame = frame.with_columns(pl.when(small).then(pl.lit(SMALL)).otherwise("note").alias("note")).select(COLUMNS)
    say("Drawing the curves")
    drawn = curves(log if weeks is None else log.within(weeks), hide=hide)
    area = _area(manifest)
    simulated = not log.observed or manifest.get("simulated", False)
    banner = SIMULATED if simulated else SHOWN if hide else INSIDE
    source = f"Estimated from {'returns' if log.observed else 'a simulated log'}{area and f' of {area}'}"
    notes = _notes(log, first_year if isinstance(first_year, int) else None, hide)
    few_linked = manifest.get("about", {}).get(FEW_LINKED)
    notes += [str(few_linked)] if few_linked else []
    files = [RATES, CURVES, PAGE, *([] if hide else [BOOK])]
    with writing(to):
        to.mkdir(parents=True, exist_ok=True)
        for name in (BOOK, ABOUT):  # so that no book of an earlier time stands beside these rates
            (to / name).unlink(missing_ok=True)
        for name, table in ((RATES, frame), (CURVES, drawn)):
            with replacing(to / name) as part:
                harmless_frame(table).with_columns(cs.float().round_sig_figs(6)).write_csv(part)
        with replacing(to / PAGE) as part:
            title = "How long children stay, and how they leave" + (f": {area}" if area else "")
            few = f"under {FEWEST} children" if hide else "none"
            text = curves_page(drawn, title, banner, [*_told(found, hide), *notes], nothing_yet=few, hidden=hide)
            part.write_text(text, encoding="utf-8", newline="\n")
        if not hide:
            write_rates(JOURNEY, rates_from(found, book), to / BOOK, "derived", source)
        with replacing(to / ABOUT) as part:
            told = {**_about(found, manifest, to, files, banner, first_year, hide), "notes": notes}
            part.write_text(signed(json.loads(json.dumps(told))), encoding="utf-8", newline="\n")
    return Made(found, frame, drawn, area, hide, simulated, (*files, ABOUT), tuple(notes))


def read_book(folder: Path) -> RateBook:
    """Return the book of rates that was written for use inside the authority, for a fit to start from.

    Errors
    ------
    CareError
        When the folder has none, or a file is not as it was written.
    """
    again = "Make it again with 'journeys returns estimate FOLDER --to FOLDER --inside'"
    files = read_signed(folder / ABOUT, again)["files"]
    path = folder / BOOK
    if BOOK not in files or not path.is_file():
        raise CareError("There is no book of rates here, because small numbers were hidden", str(folder), again)
    if sha256_of(path) != files[BOOK]:
        raise CareError(f"The file '{BOOK}' is not as it was written", str(path), again)
    return read_rates(JOURNEY, path)


def _refuse(to: Path, folder: Path) -> None:
    if to.exists() and not to.is_dir():
        raise CareError("This is a file, not a folder", str(to), _NOT_OURS)
    if to.is_dir() and folder.is_dir() and to.resolve() == folder.resolve():
        raise CareError("The rates would stand among the files of the log", str(to), _NOT_OURS)
    if to.is_dir():
        names = {entry.name for entry in to.iterdir()}
        if names and ABOUT not in names:
            raise CareError(f"This folder holds other files, such as '{min(names)}'", str(to), _NOT_OURS)


def _weeks_of(years: tuple[int, int], first_year: Any, n_weeks: int, folder: Path) -> tuple[int, int]:
    if not isinstance(first_year, int):
        raise CareError("The manifest does not tell the first year of the log", str(folder), "Leave --years out")
    last_year = first_year + n_weeks // 52 - 1
    begin, end = years
    if not first_year <= begin <= end <= last_year:
        raise CareError(
            f"The log has the years ending 31 March {first_year} to {last_year}, not {begin} to {end}", "--years",
            "Choose years among them, such as 2023-2025, or leave --years out",
        )  # fmt: skip
    return (begin - first_year) * 52, (end - first_year + 1) * 52


def _area(manifest: dict[str, Any]) -> str:
    area = manifest.get("area", "")
    name = area.get("name", area.get("code", "")) if isinstance(area, dict) else str(area)
    return str(name)


def _told(found: Estimates, hide: bool) -> list[str]:
    lines = [
        "Each chart shows the share of children who are still there after so much time, and the share who left in each "
        "way. A child counts from the first week in which its events would have been noticed, "
        "whenever its stay began.",
        f"A line ends where fewer than {FEWEST} children are left at risk.",
    ]
    if hide:
        lines.append(
            f"A line has a point only after {FEWEST} more events, so that no smaller number can be read off, and is "
            "straight between two points. The share in between is not told but lies between theirs, and after the last "
            f"point up to {FEWEST - 1} more may have left: so shares need not add up to 100%."
        )
    return lines


def _notes(log: Log, first_year: int | None, hide: bool) -> list[str]:
    """Return what a log of returns does not tell: years without a file, and since when children are in care."""
    notes = gap_words(log.gaps, first_year)
    here, unknown = log.in_care_at_first
    if log.observed and here:
        few = f"fewer than {FEWEST}"
        nobody = hide and here < FEWEST
        of = few if hide and unknown < FEWEST else f"{unknown:,}"
        of = f"all but {few}" if hide and not nobody and 0 < here - unknown < FEWEST else of
        notes.append(f"In care when the log begins: {in_care_words(few if nobody else f'{here:,}', of)}.")
    return notes


def _about(
    found: Estimates, manifest: dict[str, Any], to: Path, files: list[str], banner: str, first_year: Any, hide: bool
) -> dict[str, Any]:  # fmt: skip
    left_out = {why: None if hide and n < FEWEST else n for why, n in found.left_out.items()}
    return {
        "what": f"Rates of a child's journey, estimated from an event log by journeys-abm. {banner}",
        "area": manifest.get("area", ""),
        "observed": found.observed,
        "small_numbers_hidden": hide,
        "log": {name: manifest.get("files", {}).get(name) for name in ("events.parquet", "children.parquet")},
        "weeks": list(found.weeks),
        "first_year": first_year,
        "leaning_on": {"file": NATIONAL_RATES.name, "sha256": sha256_of(NATIONAL_RATES)},
        "strengths": {
            "between_edges": found.shrunk.between_edges,
            "between_cells": found.shrunk.between_cells,
            "between_shares": found.shrunk.between_shares,
        },
        "events_not_used": left_out,
        "version": abm.__version__,
        "files": {name: sha256_of(to / name) for name in files},
    }


# What is told ---------------------------------------------------------------------------------------------------------


def run(
    folder: Path, to: Path, *, inside: bool, years: str | None, say: Callable[[str], None] = lambda _what: None
) -> list[str]:
    """Do the job of `journeys returns estimate` and return what to tell; `years` is "2023-2025" or "2024"."""
    made = estimate_folder(folder, to, inside=inside, years=_years(years), say=say)
    found = made.estimates
    weekly = JOURNEY.tables.weekly
    child_years = found.exposure[sorted(set(JOURNEY.tables.source[weekly].tolist()))].sum() / 52
    lines = [f"{int(found.events.sum()):,} events and {child_years:,.0f} child-years in {made.rates.height:,} cells."]
    strength = found.shrunk.between_cells
    lines.append(
        f"A cell leans on the national rate as if {strength:.3g} events of it had been seen."
        if strength < MOST
        else "Between the cells and the national rates at the area's levels there is no more than chance."
    )
    lines += made.notes
    for why, number in found.left_out.items():
        told = f"fewer than {FEWEST}" if made.hidden and number < FEWEST else f"{number:,}"
        lines.append(f"Not used, {why}: {told} events.")
    if made.hidden:
        hidden = int((made.rates["note"] != "").sum())
        lines.append(f"Hidden are {hidden:,} cells. {SIMULATED if made.simulated else SHOWN}")
        lines.append("With small numbers, and a book of rates that a fit can start from, for use inside the authority: "
                     "add --inside")  # fmt: skip
    else:
        lines.append(SIMULATED if made.simulated else INSIDE)
    return [*lines, f"Written into {to}: {', '.join(made.files)}"]


def _years(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    begin, _, end = text.partition("-")
    if not (begin.isdecimal() and (end or begin).isdecimal()):
        raise CareError(f"'{text}' is no span of years", "--years", "Write it as 2023-2025, or 2024")
    return int(begin), int(end or begin)
