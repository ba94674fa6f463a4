"""The files of a return: found in folders, told from others by their columns, and of which year each is.

The year is that of a name, the most telling first: of the sheet, of the file, of its folders; or else of the tables
beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from abm.errors import CareError
from calibration.returns.findings import Findings, Rule
from calibration.returns.reading import read_tables
from calibration.returns.reading_books import OTHER_BOOKS, WORKBOOKS
from calibration.returns.reading_table import TextTable
from calibration.returns.reading_text import TEXTS
from calibration.returns.reading_years import year_in

TableOf = Callable[[TextTable], str | None]
"""Tells which table of a return a table is; None for another one."""


@dataclass(frozen=True)
class Found:
    """A table of a return: which one it is, and the names in which its year may stand, the most telling first."""

    text: TextTable
    table: str
    names: tuple[str, ...]


def files_of(paths: Iterable[Path], kinds: Collection[str] = TEXTS | WORKBOOKS | OTHER_BOOKS) -> list[tuple[Path, str]]:
    """Return (file, name to show) of all files given and in folders given, each once.

    Folders are walked in the order of names. The name is relative to the folder that was given, or that of the file; a
    file whose name another has is shown with its folder. Hidden files and those that Office keeps while a workbook is
    open are left alone.

    Raises
    ------
    CareError
        When a path is not there, or none of these kinds is found.
    """
    paths = list(paths)
    found: dict[Path, str] = {}
    for path in paths:
        if path.is_dir():
            for file in sorted(p for p in path.rglob("*") if p.suffix.lower() in kinds and p.is_file()):
                if not file.name.startswith((".", "~$")):
                    found.setdefault(file.resolve(), file.relative_to(path).as_posix())
        elif path.is_file():
            found.setdefault(path.resolve(), path.name)
        else:
            raise CareError(f"There is no file or folder '{path.name}' here", str(path.parent), "Check its name.")
    if not found:
        listed = ", ".join(sorted(kinds))
        raise CareError("No file of a return was found", ", ".join(map(str, paths)), f"We read {listed}.")
    several = {name for name, n in Counter(found.values()).items() if n > 1}
    shown = {path: f"{path.parent.name}/{name}" if name in several else name for path, name in found.items()}
    return list(shown.items())


def names_of(path: Path, name: str) -> tuple[str, ...]:
    """Return the names in which the year of a file may stand: its own, and those of its folders from the inner one."""
    return (path.stem, *Path(name).parts[-2::-1], path.resolve().parent.name)


def tables_in(
    path: Path, name: str, table_of: TableOf, known: Collection[str], not_ours: Rule, findings: Findings
) -> Iterator[Found]:
    """Give the tables of a return that a file holds; one that is none is a finding.

    Parameters
    ----------
    name
        What the file is called in findings.
    known
        Headers that may be met.
    not_ours
        The rule of a table that is none of the return.

    Raises
    ------
    CareError
        When the file cannot be opened or is damaged.
    """
    for text in read_tables(path, findings, name=name, known=known):
        if table := table_of(text):
            yield Found(text, table, (text.sheet, *names_of(path, name)))
        else:
            findings.add(not_ours, text.file)


def holds(path: Path, table_of: TableOf, known: Collection[str]) -> bool:
    """Tell whether a file holds a table of a return; a file that cannot be read does not.

    Only the beginning of a file of text is read.
    """
    try:
        texts = read_tables(path, Findings(), known=known, beginning=True)
    except CareError:
        return False
    return any(table_of(text) for text in texts)


def year_told(names: Iterable[str], *, named_by_start: bool = False) -> int | None:
    """Return the year ending 31 March that the first of some names tells; None where none does."""
    years = (year_in(name, named_by_start=named_by_start) for name in names)
    return next((year for year in years if year), None)


def years_of(
    found: Sequence[Found], place: Callable[[TextTable], str], *, named_by_start: bool = False
) -> list[int | None]:
    """Return the year of each table, by its names; else the only one that tables of the same `place` tell, or None."""
    own = [year_told(one.names, named_by_start=named_by_start) for one in found]
    beside: dict[str, set[int]] = {}
    for one, year in zip(found, own, strict=True):
        if year:
            beside.setdefault(place(one.text), set()).add(year)
    alone = {where: next(iter(years)) for where, years in beside.items() if len(years) == 1}
    return [year or alone.get(place(one.text)) for one, year in zip(found, own, strict=True)]
