"""Make the project's own table of figures about places from a larger table of published figures.

    python -m calibration.places_table SOURCE_TABLE SOURCES --to calibration/published

Written are `places_figures.csv` and `places_sources.csv`, of the form of `statistics.csv` and `sources.csv`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from abm.errors import CareError
from calibration.publications import AREAS, chosen, write_cut
from calibration.statistics import Statistics, read_statistics

APPROVED = "lait: Number of approved foster places (from 2022)"
FILLED = "lait: Number of places that were filled (number of children placed) (from 2022)"
REGISTERED = "ofsted_registered_places"
PROVIDERS = "ofsted_providers_active"
FOSTERING_COST = "lait: Fostering - S251/Outturn weekly unit costs"
RESIDENTIAL_COST = "lait: Residential Care - S251/Outturn weekly unit costs"
BY_STOCK = "cla_at_31_march_by"
DISTANCE = "Distance between home and placement and locality of placement"
HOMES = "children's home | all sectors"

_KEPT = (
    (APPROVED, ".*", ".*"),
    (FILLED, ".*", ".*"),
    (REGISTERED, HOMES.replace("|", r"\|"), ".*"),
    (PROVIDERS, HOMES.replace("|", r"\|"), ".*"),
    (FOSTERING_COST, ".*", ".*"),
    (RESIDENTIAL_COST, ".*", ".*"),
    (BY_STOCK, rf"{DISTANCE} \| .*", "^number$"),
)


def select(statistics: Statistics, areas: Sequence[str] = AREAS) -> pl.DataFrame:
    """Return the rows about places of these areas, sorted, or raise CareError when a measure is not in the table."""
    return chosen(statistics, areas, [(*kept, 0) for kept in _KEPT])


def compile_places(table: Path, sources: Path, folder: Path) -> None:
    """Write the two files into `folder`."""
    rows = select(read_statistics(table))
    write_cut(rows, sources, folder / "places_figures.csv", folder / "places_sources.csv")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from a command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Make the table of figures about places.")
    parser.add_argument("table", type=Path)
    parser.add_argument("sources", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    given = parser.parse_args(arguments)
    try:
        compile_places(given.table, given.sources, given.to)
    except CareError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
