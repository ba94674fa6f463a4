"""SSDA903, the return on children looked after: several years of files to the clean tables.

    parts     = which table a file holds and of which year        (ssda903_files)
    children  = one row for each child                            (ssda903_children)
    episodes  = each episode once, with an end that can stand     (ssda903_episodes)
    checks    = what is odd and left as it is                     (ssda903_checks)

Codes and what they mean for the journey are in `ssda903_codes.csv`. Whatever is wrong with a cell or a row is a
finding, and reading goes on. It stops with a CareError where a table or a year cannot be told, or a file cannot be
opened. A row of Episodes is in the tables, or there is a finding, without a column and of the effect "left out" or
"repeated", that says why not.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import pairwise
from pathlib import Path

import polars as pl

from abm.errors import CareError
from calibration.returns.findings import Findings, Rule
from calibration.returns.ssda903_checks import check
from calibration.returns.ssda903_children import children_in_care, read_children
from calibration.returns.ssda903_episodes import one_line, read_episodes
from calibration.returns.ssda903_files import Part, end_of, read_parts, recognises
from calibration.returns.tables import CARE_SCHEMAS, CareTables, in_order, schema_of

__all__ = ["read_care", "recognises"]

EMPTY = Rule("903-empty", "The Episodes table has no row.", "Its year was not counted as read.")
MISSING_YEARS = Rule(
    "903-year-missing",
    "The return of the year before this one was not read, and that of an earlier year was.",
    "Nothing is counted in the weeks between: who left care in them is in no return, and who stayed is in the next.",
)


def read_care(
    paths: Iterable[Path], findings: Findings, *, year: int | None = None, named_by_start: bool = False
) -> CareTables:
    """Read returns of one authority, of one year or of several.

    Parameters
    ----------
    paths
        Files and folders, in any order.
    findings
        Where all that is wrong is told; files are numbered there, as in the tables.
    year
        The year ending 31 March of files that do not tell theirs.
    named_by_start
        A file or folder named by one year ("2023") is of the year that begins on 1 April of it.

    Raises
    ------
    CareError
        When no Episodes or no Header is found, a needed column is missing, the year of a file cannot be told or is
        plainly another than it says, no episode can be used, or a file cannot be opened.
    """
    parts = read_parts([Path(path) for path in paths], findings, year, named_by_start=named_by_start)
    years = _years(parts, findings)
    children = read_children(parts, findings)
    rows = read_episodes(parts, findings)
    episodes = one_line(rows, children.select("child", "birth"), years, findings)
    children, episodes = children_in_care(children, episodes, findings)
    if not episodes.height:
        raise CareError(
            "No episode of a child looked after can be read",
            ", ".join(source.name for source in findings.sources if source.table == "Episodes"),
            "The page on the quality of the data says why each row was left out.",
        )
    observed_from = date(years[0] - 1, 4, 1)
    check(episodes, children, observed_from, findings)
    names = {
        "CHILD": "child", "DECOM": "start", "DEC": "end", "RNE": "rne", "LS": "legal", "CIN": "need", "PLACE": "place",
        "PLACE_PROVIDER": "provider", "REC": "rec", "REASON_PLACE_CHANGE": "place_change",
    }  # fmt: skip
    schema = schema_of(CARE_SCHEMAS["episodes"])
    return CareTables(
        children=in_order(children.select(list(schema_of(CARE_SCHEMAS["children"])))),
        episodes=in_order(episodes.rename(names).select(pl.col(name).cast(kind) for name, kind in schema.items())),
        observed_from=observed_from,
        observed_to=end_of(years[-1]),
        years=years,
        files=tuple(Path(source.name).name for source in findings.sources),
    )


def _years(parts: Iterable[Part], findings: Findings) -> tuple[int, ...]:
    """Return the years of which episodes were read; tell tables without a row, and years that are missing between."""
    found: dict[int, int] = {}
    for part in parts:
        if part.table == "Episodes":
            if not part.frame.height:
                findings.add(EMPTY, part.text.file)
            for year in part.frame["year"].unique().to_list():
                found.setdefault(year, part.text.file)
    if not found:
        raise CareError("The Episodes tables hold no row", "", "Give the files that hold the episodes.")
    years = sorted(found)
    for before, after in pairwise(years):
        if after > before + 1:
            findings.add(MISSING_YEARS, found[after])
    return tuple(years)
