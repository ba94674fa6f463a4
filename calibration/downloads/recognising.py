"""Which of the declared files a table is: by its columns, and by labels where several have the same columns."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from abm.errors import CareError, did_you_mean
from calibration.downloads.reading import AGAIN, Sheet
from calibration.downloads.rules import FileRule, Rules, folded

NEAR = 0.75
"""Share of the needed columns from which a table is taken as one of a declared kind with something amiss."""


@dataclass(frozen=True)
class Layout:
    """Columns that say what a row is about, by folded name.

    `codes` is not in files of England only; `period` and `names` may be absent.
    """

    years: tuple[str, ...]
    levels: tuple[str, ...]
    codes: str
    names: str
    period: str = ""


LAYOUTS = {
    "ees": Layout(("time_period",), ("geographic_level", "country_code"), "new_la_code", "la_name", "time_identifier"),
    "nomis": Layout(("date_name", "date"), (), "geography_code", "geography_name"),
}
GEOGRAPHY = frozenset(
    "time_period time_identifier geographic_level country_code country_name region_code region_name old_la_code "
    "new_la_code la_name date date_name date_code geography geography_code geography_name geography_type "
    "geography_typecode".split()
)
"""Columns that are no figures, in either layout."""


@dataclass(frozen=True)
class Unknown:
    """A table that is none of the declared ones, with what may be meant."""

    name: str
    why: str


def column_of(sheet: Sheet, rule: FileRule, column: str) -> str | None:
    """Return the folded name under which the file has a declared column, or None."""
    names = (folded(name) for name in rule.names_of(column))
    return next((name for name in names if name in sheet.header), None)


def recognise(sheet: Sheet, rules: Rules) -> FileRule | Unknown:
    """Return the declaration that a table follows, or Unknown.

    Raises
    ------
    CareError
        When it is plainly meant to be one of them but a column is missing, or when it could be two.
    """
    fitting = [rule for rule in rules.file if _fits(sheet, rule)]
    if len(fitting) > 1:
        named = " or ".join(f"'{rule.key}'" for rule in fitting)
        raise CareError(f"The table could be {named}", sheet.source.name, "Tell them apart in the declarations")
    if fitting:
        _refuse_a_missing_column(sheet, fitting[0])
        return fitting[0]
    stem = stem_of(sheet.source.name)
    meant = next((rule for rule in rules.file if folded(rule.name) == stem), None)
    near = max(rules.file, key=lambda rule: _share(sheet, rule))
    if meant is None and _share(sheet, near) >= NEAR and _places(sheet, near):
        meant = near
    if meant is not None:
        _refuse_a_missing_column(sheet, meant)
        if not _held(sheet, meant):
            column, labels = next(iter(meant.held_in.items()))
            some = ", ".join(f"'{label}'" for label in labels)
            if folded(meant.name) == stem:
                where = sheet.place(1, column_of(sheet, meant, column) or column)
                raise CareError(f"No row has one of the labels {some}", where, f"Is it '{meant.title}'? {AGAIN}")
            return Unknown(sheet.source.name, f"it has the columns of '{meant.name}', but none of its labels ({some})")
        _refuse_a_missing_column(sheet, meant)
    names = [rule.name for rule in rules.file]
    suggestion = did_you_mean(stem, names).strip() or "its columns are not declared"
    return Unknown(sheet.source.name, suggestion)


def stem_of(name: str) -> str:
    """Return a file's name without folder, ending and years: `d3_cpps_subsequent_plan` of `..._2013_to_2025.csv`."""
    last = re.split(r"[/\\:]", name)[-1].strip()
    stem = folded(re.sub(r"(\.csv|\.gz|\.zip)+$", "", last, flags=re.IGNORECASE))
    return re.sub(r"(_(19|20)\d\d(\d\d)?)?(_to)?_(19|20)\d\d(\d\d)?$", "", stem)


def _fits(sheet: Sheet, rule: FileRule) -> bool:
    known = all(column_of(sheet, rule, column) for column in rule.known_by)
    return known and _places(sheet, rule) and _held(sheet, rule)


def _places(sheet: Sheet, rule: FileRule) -> bool:
    """Tell whether the file says what its rows are about in the way of the rule."""
    layout = LAYOUTS[rule.layout]
    there = any(name in sheet.header for name in layout.years) and all(name in sheet.header for name in layout.levels)
    return there and (layout.codes in sheet.header) == (rule.areas == "authorities")


def _held(sheet: Sheet, rule: FileRule) -> bool:
    for column, labels in rule.held_in.items():
        name = column_of(sheet, rule, column)
        if name is None:
            return False
        found = {folded(label) for label in sheet.text[name].unique() if label}
        if not found & {folded(label) for label in labels}:
            return False
    return True


def _share(sheet: Sheet, rule: FileRule) -> float:
    needed = rule.needed()
    return sum(column_of(sheet, rule, column) is not None for column in needed) / len(needed)


def _refuse_a_missing_column(sheet: Sheet, rule: FileRule) -> None:
    layout = LAYOUTS[rule.layout]
    geography = (layout.years[0], *layout.levels, *((layout.codes,) if rule.areas == "authorities" else ()))
    for column in geography:
        if column not in sheet.header and not (column in layout.years and set(layout.years) & set(sheet.header)):
            _refuse_column(sheet, rule, column)
    for column in rule.needed():
        if column_of(sheet, rule, column) is None:
            _refuse_column(sheet, rule, column)


def _refuse_column(sheet: Sheet, rule: FileRule, column: str) -> NoReturn:
    used = {folded(name) for known in rule.needed() for name in rule.names_of(known)} | GEOGRAPHY
    unused = [name for key, name in sheet.header.items() if key not in used]
    raise CareError(
        f"There is no column '{column}', which '{rule.title}' has",
        sheet.place(1),
        f"{did_you_mean(column, unused)}{AGAIN}; if the publisher renamed it, add the name to the declarations. "
        f"Other columns found: {_few(unused)}",
    )


def _few(names: Iterable[str]) -> str:
    listed = [name[:40] for name in names]
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return ", ".join(listed[:8]) + more if listed else "none"
