"""The year that a file of a return is of, as it stands in a name.

Years are those ending 31 March. "2023-24", "2023_2024", "202324" and "23-24" are the year that ends in 2024; "2024"
alone is that year too, unless names are said to be those of the year in which a return begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl


def year_in(words: str, *, named_by_start: bool = False) -> int | None:
    """Return the year ending 31 March that stands in a name; None where none or several do.

    "2023-24", "2023_2024", "202324", "23-24" and "2024" are 2024; so is "2024-03-31". Other dates tell nothing.

    Parameters
    ----------
    named_by_start
        "2023" alone is 2024 too.
    """
    years = set(_ends_in(words, int(named_by_start)))
    return years.pop() if len(years) == 1 else None


def years_in(cells: pl.Series) -> pl.Series:
    """Return the year that stands in each cell of a column YEAR, i32; null where it tells none."""
    known = {cell: year_in(cell.removesuffix(".0")) for cell in cells.drop_nulls().unique().to_list()}
    return cells.replace_strict(known, default=None, return_dtype=pl.Int32)


_SEP = r"(?:[-_/. ]{0,3}|\s?to\s?)"
_MONTH, _DAY = r"(0[1-9]|1[0-2])", r"(0[1-9]|[12]\d|3[01])"
_DATE = re.compile(rf"(?<!\d)(?:(20\d\d)[-_.]?{_MONTH}[-_.]?{_DAY}|{_DAY}[-_.]?{_MONTH}[-_.]?(20\d\d))(?!\d)")
_SPAN = re.compile(rf"(?<!\d)(20\d\d){_SEP}(20\d\d|\d\d)(?!\d)")
# Without a sign between, 2021 is a year (and 2020-21 ends in it).
_SHORT = re.compile(r"(?<!\d)(\d\d)[-_/](\d\d)(?!\d)|(?<!\d)(1\d|2[1-9]|[3-9]\d)(\d\d)(?!\d)")
_YEAR = re.compile(r"(?<!\d)(20\d\d)(?!\d)")


def _ends_in(words: str, on: int) -> Iterator[int]:
    def taken(pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        nonlocal words
        yield from pattern.finditer(words)
        words = pattern.sub(" ", words)

    # What one form takes, the next does not see: a date is no span (2010-11-12), and a span no two years.
    for match in taken(_DATE):
        year, month, day = (match[1], match[2], match[3]) if match[1] else (match[6], match[5], match[4])
        if (month, day) == ("03", "31"):
            yield int(year)
    for match in taken(_SPAN):
        first, second = int(match[1]), int(match[2])
        if second in (first + 1, (first + 1) % 100):
            yield first + 1
    for match in taken(_SHORT):
        first, second = int(match[1] or match[3]), int(match[2] or match[4])
        if second == first + 1 and first < 60:
            yield 2000 + second
    yield from (int(match[1]) + on for match in _YEAR.finditer(words))
