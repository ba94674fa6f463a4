"""What we refuse in a table of published figures, one function for each reason.

Every name completes the sentence "we ..."; every refusal is one sentence that says what is wrong, in which file, row
and column, and what to do. Rows are counted as a spreadsheet counts them: the header is row 1.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from abm.errors import CareError, did_you_mean

COLUMNS = ("area_code", "area_name", "year", "measure", "breakdown", "value", "unit", "source_id")
"""The columns of a table of published figures, in their usual order; others may stand beside them."""

KEY = ("area_code", "year", "measure", "breakdown", "unit")
"""The columns that name one figure."""

SUPPRESSION_MARKS = frozenset({"", "*", "-", "..", ":", "c", "k", "low", "u", "x", "z"})
"""What publishers print in place of a number: `c` small, `z` not applicable, `x` not available, and their kin."""

_COUNTS_OF_CHILDREN = (
    "^(referrals|rereferrals|children_referred|assessments|initial_child_protection_conferences|cin_|cpp_|cla_|s47)"
)
"""Measures that count children, or what happens to a child a few times a year at most."""

_GZIP_MAGIC = b"\x1f\x8b"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Table:
    """A table as it was read, all text, with the place it came from.

    Attributes
    ----------
    path
        The file, for messages.
    text
        The columns `COLUMNS` as text and `row` (the number a spreadsheet shows).
    """

    path: Path
    text: pl.DataFrame

    def place(self, row: Mapping[str, Any], column: str) -> str:
        """Return "FILE, row 12, column value" for a row of this table."""
        return f"{self.path}, row {row['row']}, column {column}"

    def first(self, mask: pl.Series) -> dict[str, Any] | None:
        """Return the first row where `mask` holds, or None."""
        # arg_max of a Boolean is its first True; `any` is the cheap way out of the usual case.
        return self.text.row(int(mask.arg_max() or 0), named=True) if mask.any() else None


def refuse_a_missing_file(path: Path) -> None:
    """Refuse a path where there is nothing."""
    if not path.exists():
        raise CareError("There is no file of published figures", str(path), "Check the path and its spelling.")


def refuse_a_folder(path: Path) -> None:
    """Refuse a folder in place of a file."""
    if path.is_dir():
        raise CareError(
            "This is a folder, not a file of published figures", str(path), "Name the .csv or .csv.gz in it."
        )


def refuse_an_empty_file(path: Path) -> None:
    """Refuse a file without a single character."""
    if path.stat().st_size == 0:
        raise CareError("The file of published figures is empty", str(path), "Save or download it again.")


def refuse_a_file_that_is_not_gzip(path: Path, beginning: bytes) -> None:
    """Refuse a .gz that does not begin as gzip does."""
    if path.suffix == ".gz" and not beginning.startswith(_GZIP_MAGIC):
        raise CareError("The name ends in .gz but the file is not gzip", str(path), "Rename it to .csv or compress it.")


def refuse_utf_16(path: Path, beginning: bytes) -> None:
    """Refuse UTF-16, which some spreadsheets write as "Unicode text"."""
    if beginning.startswith(_UTF16_MARKS):
        raise CareError("The file is UTF-16, not UTF-8", str(path), "Save it again as 'CSV UTF-8 (comma delimited)'.")


def refuse_text_that_cannot_be_read(path: Path, fault: Exception) -> None:
    """Find out why the reader gave up, and say it.

    Runs only after a failure, so it may take the time to read the whole file again.
    """
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP_MAGIC):
            content = gzip.decompress(content)
    except PermissionError:
        raise CareError("We may not read this file", str(path), "Ask its owner for the right to read it.") from fault
    except (OSError, EOFError, zlib.error):
        raise CareError("The gzip file is damaged or cut short", str(path), "Download or copy it again.") from fault
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        place = f"{path}, row {row}"
        raise CareError("The file is not UTF-8", place, "Save it again as 'CSV UTF-8 (comma delimited)'.") from fault
    if not content.strip():
        raise CareError("The file of published figures is empty", str(path), "Save or download it again.") from fault
    refuse_a_row_of_the_wrong_width(path)
    raise CareError(
        f"The file cannot be read as comma-separated values: {str(fault).splitlines()[0]}",
        str(path),
        "Check for rows with more cells than the header and for a quotation mark without its pair.",
    ) from fault


def refuse_a_row_of_the_wrong_width(path: Path) -> None:
    """Refuse a row with fewer or more cells than the header; blank lines are no rows.

    Reads the whole file slowly: call it only where something is amiss.
    """
    content = path.read_bytes()
    if content.startswith(_GZIP_MAGIC):
        content = gzip.decompress(content)
    rows = csv.reader(io.StringIO(content.decode("utf-8", errors="replace"), newline=""))
    try:
        width = len(next(rows, []))
        for number, cells in enumerate(rows, start=2):
            if len(cells) != width and any(cell.strip() for cell in cells):
                raise CareError(
                    f"This row has {len(cells)} cell{'s' if len(cells) > 1 else ''}, the header has {width}",
                    f"{path}, row {number}",
                    "Fill in the missing cells, or put text with a comma in quotation marks.",
                )
    except csv.Error:
        return  # what else is wrong with it is told by the reader that gave up


def refuse_a_header_that_is_no_text(path: Path, found: list[str]) -> None:
    """Refuse a file whose first line is no text, such as a spreadsheet or a picture under another name."""
    if any("\ufffd" in name or not name.strip("\ufeff\r\n").isprintable() for name in found):
        remedy = "Give a table as text, such as a spreadsheet saved as 'CSV UTF-8 (comma delimited)'."
        raise CareError("The file is not a table in UTF-8", f"{path}, row 1", remedy)


def refuse_a_missing_column(path: Path, found: list[str]) -> None:
    """Refuse a table without one of `COLUMNS`."""
    for column in COLUMNS:
        if column not in found:
            unused = [name for name in found if name not in COLUMNS]
            listed = ", ".join(name[:40] for name in found[:12])
            raise CareError(
                f"There is no column '{column}'",
                f"{path}, row 1",
                # The suggestion runs from what is needed to what was found.
                f"{did_you_mean(column, unused)}Found: {listed}. Needed: {', '.join(COLUMNS)}.",
            )


def refuse_a_table_without_rows(table: Table) -> None:
    """Refuse a header with nothing below it."""
    if table.text.is_empty():
        raise CareError("The table has a header but no rows", str(table.path), "Save or download it again.")


def refuse_a_blank_cell(table: Table) -> None:
    """Refuse a row that does not say which measure, breakdown or unit it is about."""
    for column in ("measure", "breakdown", "unit"):
        cells = table.text[column]
        row = table.first(cells.is_null() | (cells == "").fill_null(value=False))
        if row is not None:
            remedy = "Fill it in ('total' is the breakdown of a whole) or leave the row out."
            raise CareError(f"The {column} is blank", table.place(row, column), remedy)


def refuse_an_area_code_of_the_wrong_form(table: Table) -> None:
    """Refuse a code that is not E and eight digits."""
    codes = table.text["area_code"]
    # A few hundred different codes stand in many rows: look at each once.
    wrong = [code for code in codes.unique() if code is None or not re.fullmatch(r"E\d{8}", code)]
    if wrong:
        row = table.first(codes.is_in(wrong, nulls_equal=True))
        if row is not None:
            raise CareError(
                f"The area code '{row['area_code'] or ''}' has the wrong form",
                table.place(row, "area_code"),
                "Use the nine-character code of the Office for National Statistics, such as E06000009.",
            )


def refuse_an_unknown_year(table: Table) -> dict[str, int]:
    """Return each year text with the year it ends in; refuse one that is neither 2021 nor 2020-21."""
    years: dict[str, int] = {}
    for text in table.text["year"].unique():
        year = _year_ending(text)
        if year is None:
            row = table.first(table.text["year"].is_in([text], nulls_equal=True))
            if row is not None:
                raise CareError(
                    f"The year '{text or ''}' has an unknown form",
                    table.place(row, "year"),
                    "Write the year that ends on 31 March as 2021, or a financial year as 2020-21.",
                )
        else:
            years[text] = year
    return years


def _year_ending(text: str | None) -> int | None:
    """Return 2021 for "2021" and for "2020-21", None for anything else."""
    if text is None:
        return None
    if re.fullmatch(r"(19|20)\d\d", text):
        return int(text)
    span = re.fullmatch(r"((?:19|20)\d\d)-(\d\d)", text)
    if span and (int(span[1]) + 1) % 100 == int(span[2]):
        return int(span[1]) + 1
    return None


def refuse_a_suppression_mark(table: Table, value: pl.Series) -> None:
    """Refuse a mark such as `c` where a number should stand."""
    if not value.is_null().any():
        return
    text = table.text["value"].fill_null("").str.strip_chars().str.to_lowercase()
    row = table.first(text.is_in(list(SUPPRESSION_MARKS)))
    if row is not None:
        mark = f"'{row['value']}'" if row["value"] else "blank"
        raise CareError(
            f"The value is {mark}, a mark for a figure that is not given",
            table.place(row, "value"),
            "Leave the row out: a missing small cell is treated as suppressed.",
        )


def refuse_a_value_that_is_not_a_number(table: Table, value: pl.Series) -> None:
    """Refuse text that is no finite number: `12 (r)`, `1,234`, `NaN`, `inf`."""
    row = table.first(value.is_null() | ~value.is_finite().fill_null(value=True))
    if row is not None:
        remedy = "Write digits, with a point for decimals and without thousands separators, or leave the row out."
        raise CareError(f"The value '{row['value']}' is not a number", table.place(row, "value"), remedy)


def refuse_a_negative_count(table: Table, value: pl.Series) -> None:
    """Refuse less than none; only money and migration, which are balances, may be negative."""
    if not (value < 0).any():
        return
    balance = table.text["unit"].str.starts_with("£") | table.text["measure"].str.starts_with("migration")
    row = table.first((value < 0) & ~balance)
    if row is not None:
        raise CareError(
            f"The value {row['value']} of '{row['measure']}' is negative",
            table.place(row, "value"),
            "A count cannot be less than 0: correct it, or leave the row out.",
        )


def refuse_a_percent_above_100(table: Table, value: pl.Series) -> None:
    """Refuse more than the whole."""
    row = table.first((value > 100) & table.text["unit"].str.contains("^(%|percent)"))
    if row is not None:
        raise CareError(
            f"The value {row['value']} of '{row['measure']}' is above 100 percent",
            table.place(row, "value"),
            "Correct the value, or its unit if it is a count.",
        )


def refuse_more_than_all_children(table: Table, value: pl.Series, year: pl.Series) -> None:
    """Refuse a count of children, referrals or plans above the number of all children of the area, aged 0 to 17.

    The number of the nearest year counts, so a table without `population_0_17` of an area refuses nothing of it.
    """
    rows = table.text.select("area_code", "measure", "unit").with_columns(value=value, year=year)
    children: dict[str, dict[int, float]] = {}
    populations = rows.filter(pl.col("measure") == "population_0_17")
    for code, known, count in populations.select("area_code", "year", "value").iter_rows():
        children.setdefault(code, {})[known] = max(count, children.get(code, {}).get(known, 0.0))
    if not children:
        return
    # Few rows of a sound table come near: only those are looked at one by one.
    least = {code: min(counts.values()) for code, counts in children.items()}
    above = pl.col("value") > pl.col("area_code").replace_strict(least, default=None, return_dtype=pl.Float64)
    counted = pl.col("measure").str.contains(_COUNTS_OF_CHILDREN) & pl.col("unit").str.contains("(?i)^(number|persons)")
    suspects = rows.with_row_index("place").filter(above & counted)
    for place, code, count, of in suspects.select("place", "area_code", "value", "year").iter_rows():
        nearest = min(children[code], key=lambda known: (abs(known - of), known))
        if count > children[code][nearest]:
            row = table.text.row(place, named=True)
            raise CareError(
                f"The value {row['value']} of '{row['measure']}' is more than all children of the area "
                f"({children[code][nearest]:.0f} aged 0 to 17 in {nearest})",
                table.place(row, "value"),
                "Correct the cell.",
            )


def refuse_a_year_twice(table: Table, year: pl.Series) -> None:
    """Refuse two rows for one area, year, measure, breakdown and unit, also where the year is written in two ways."""
    key = table.text.select(KEY).with_columns(year.alias("year"))
    # Different hashes prove different rows in a fraction of the time of a comparison; equal ones are then compared.
    hashes = key.select(pl.struct(KEY).hash().alias("hash"))["hash"]
    if hashes.n_unique() == len(hashes):
        return
    found = key.is_duplicated()
    row = table.first(found)
    if row is None:
        return
    first = key.row(int(found.arg_max() or 0), named=True)
    same = key.select(pl.all_horizontal(pl.col(column) == first[column] for column in KEY)).to_series()
    rows = table.text.filter(same)
    one, two = rows["year"][0], rows["year"][1]
    raise CareError(
        f"The year {first['year']} of '{row['measure']}', '{row['breakdown']}' ({row['unit']}) of {row['area_code']} "
        "is there twice" + ("" if one == two else f", as {one} and as {two}"),
        f"{table.path}, rows {rows['row'][0]} and {rows['row'][1]}, column year",
        "Keep one of the two rows.",
    )
