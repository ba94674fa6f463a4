"""The fits and draws that come with the project: of five areas, made from the shipped table of published figures.

    python -m experiments.shipped --date YYYY-MM-DD

makes them again, in calibration/published/draws: what `journeys calibrate` makes of these areas, and MADE.json, which
says of what, by which version and on which day. A run of one of these areas from the shipped table uses them, so that
it begins at once; where anything they rest on has changed they are stale, and a run makes its own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import abm
from abm.errors import CareError
from abm.files import read_signed, replacing, sha256_of, signed
from abm.journey import JOURNEY
from abm.marks import journey_mark
from calibration.backtest.lessons import SHIPPED as LESSONS
from calibration.pooling import SHIPPED as POOLING
from calibration.rates import NATIONAL_RATES
from calibration.statistics import ENGLAND, PUBLISHED, Area, Statistics, read_statistics
from experiments.plan import DRAWS, LAST_YEAR

FOLDER = PUBLISHED / "draws"
MADE = "MADE.json"
AREAS = ("E06000004", "E06000009", "E08000022", "E10000007", ENGLAND)
COMMAND = "python -m experiments.shipped --date YYYY-MM-DD"


def rests_on(statistics: Path) -> dict[str, str]:
    """Return a mark of everything that is read to make fits and draws: tables by SHA-256, the journey."""
    tables = {"statistics": statistics, "rates": NATIONAL_RATES, "pooling": POOLING, "lessons": LESSONS}
    return {name: sha256_of(path) for name, path in tables.items()} | {"journey": journey_mark(JOURNEY)}


def shipped_fit(statistics: Statistics, area: Area, years: int) -> Path | None:
    """Return the folder of the fit that is shipped of an area, if it was made of this table and reaches these years."""
    if area.code not in AREAS or years > LAST_YEAR:
        return None
    folder = FOLDER / area.code
    return folder if folder.is_dir() and _made() == rests_on(statistics.path) else None


def why_stale() -> list[str]:
    """Return what has changed since the fits were made: names of `rests_on`; all of them where nothing can be read."""
    now = rests_on(read_statistics().path)
    return [name for name, mark in now.items() if _made().get(name) != mark]


@cache
def _made() -> dict[str, str]:
    try:
        return dict(read_signed(FOLDER / MADE, "")["made_of"])
    except (CareError, KeyError):
        return {}


def make(date: str, say: Callable[[str, float], None], folder: Path = FOLDER) -> None:
    """Make the fits and draws of all five areas."""
    from experiments import calibrating

    statistics = read_statistics()
    calibrating.calibrate(statistics, AREAS, folder, say, processes=1, england_too=True)
    told: dict[str, Any] = {
        "what": "Fits of five areas and draws of their parameters, made from published figures.",
        "command": COMMAND,
        "date": date,
        "version": abm.__version__,
        "areas": list(AREAS),
        "draws": DRAWS,
        "made_of": rests_on(statistics.path),
    }
    with replacing(folder / MADE) as part:
        part.write_text(signed(told), encoding="utf-8", newline="\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Make what is shipped again."""
    parser = argparse.ArgumentParser(description="Make the shipped fits and draws again.")
    parser.add_argument("--date", required=True, help="the day, as YYYY-MM-DD: it is written down, nothing else")
    asked = parser.parse_args(argv)
    from experiments.screen import Progress

    try:
        with Progress() as progress:
            make(asked.date, progress)
    except CareError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
