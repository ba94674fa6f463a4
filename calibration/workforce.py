"""Social workers of an area as published: workforce.csv, and what a run begins with.

    python -m calibration.workforce SOURCE --to calibration/published

makes workforce.csv again from DfE's table of indicators (csww_indicators_2017_to_2025.csv). Years are those of the
census, 30 September. A figure that DfE does not give (codes c, k, u, x, z, low) is an empty cell.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from abm.behaviour import Workforce
from abm.errors import CareError, did_you_mean
from calibration.refusals import SUPPRESSION_MARKS
from calibration.statistics import ENGLAND, PUBLISHED

SHIPPED = PUBLISHED / "workforce.csv"
SOURCE_ID = "CSWW25"
FIGURES = {
    "permanent_fte": "inpost_fte",
    "agency_fte": "agency_fte",
    "vacancy_fte": "vacancy_fte",
    "turnover_percent": "turnover_rate_fte",
    "agency_percent": "agency_rate_fte",
    "vacancy_percent": "vacancy_rate_fte",
    "vacancies_covered_percent": "vacancy_agency_cover_rate_fte",
    "case_holders_fte": "case_holders_fte",
    "cases": "cases",
    "caseload": "caseload_fte",
}
"""Our columns, and DfE's."""
COLUMNS = ("area_code", "area_name", "year", *FIGURES, "source_id")
NAMES = {
    ENGLAND: "England", "E06000004": "Stockton-on-Tees", "E06000009": "Blackpool", "E08000022": "North Tyneside",
    "E10000007": "Derbyshire",
}  # fmt: skip
"""The areas that are shipped."""
UNKNOWN_POSTS = 100.0
"""Permanent workers of an area whose number is not published: what follows is then for each hundred of them."""
_STARTS = ("permanent_fte", "agency_fte", "vacancy_fte", "turnover_percent", "caseload")


@dataclass(frozen=True)
class WorkforceTable:
    """Published figures by area and year; a figure that is not given is not there.

    figures  (area code, year) -> column -> value
    """

    names: dict[str, str]
    figures: dict[tuple[str, int], dict[str, float]]
    path: str

    def years(self, code: str) -> list[int]:
        """Return the years there are of an area."""
        return sorted(year for area, year in self.figures if area == code)


def read_workforce(path: Path | str | None = None) -> WorkforceTable:
    """Read the published workforce: that which is shipped, or a file of the same form.

    Errors
    ------
    CareError
        For a file that cannot be read, a missing column, a row twice or a value that is no number of 0 or more.
    """
    path = Path(path or SHIPPED)
    names: dict[str, str] = {}
    figures: dict[tuple[str, int], dict[str, float]] = {}
    for number, row in _rows(path, COLUMNS):
        where = f"{path}, row {number}"
        try:
            key = row["area_code"], int(row["year"])
        except ValueError as fault:
            raise CareError(f"The year '{row['year']}' is no year", f"{where}, column year", "Write digits") from fault
        if key in figures:
            raise CareError(f"{row['area_name']} has the year {key[1]} twice", where, "Leave one of them out")
        names[key[0]] = row["area_name"]
        figures[key] = {c: v for c in FIGURES if (v := _value(row[c], f"{where}, column {c}")) is not None}
    return WorkforceTable(names, figures, str(path))


def workforce_of(code: str, year: int | None = None, table: WorkforceTable | None = None) -> Workforce:
    """Return what a run of an area begins with: its figures of a year, or of the last year before that has them.

    A figure that the area lacks is taken from England's ratio to permanent workers, or England's rate, and told in
    `Workforce.told`. `year` is that of the census (30 September); the last there is if None.
    """
    table = table or read_workforce()
    national = _latest(table, ENGLAND, year)
    told: list[str] = []
    for column in _STARTS:
        if column not in national:
            remedy = "Give England's figures: they stand in for those that an area lacks"
            raise CareError(f"England has no '{column}' up to {year or 'any year'}", table.path, remedy)
    own = _latest(table, code, year)
    name, posts = table.names.get(code, code), national["permanent_fte"][0]
    values = {}
    for column in _STARTS:
        if column in own:
            values[column], found = own[column]
            told.append(f"{column}: {name}, 30 September {found}")
            continue
        value, found = national[column]
        if column == "permanent_fte":
            values[column] = UNKNOWN_POSTS
            told.append(f"{column}: none in the table for {name}; told for each {UNKNOWN_POSTS:g} permanent workers")
            continue
        values[column] = value / posts * values["permanent_fte"] if column.endswith("_fte") else value
        told.append(f"{column}: none in the table for {name}; England's, 30 September {found}")
    return Workforce(
        values["permanent_fte"], values["agency_fte"], values["vacancy_fte"], values["turnover_percent"] / 100,
        values["caseload"], tuple(told),
    )  # fmt: skip


def _latest(table: WorkforceTable, code: str, year: int | None) -> dict[str, tuple[float, int]]:
    """Return for each figure of an area the last one up to a year, with its year."""
    found = {}
    for known in table.years(code):
        if year is None or known <= year:
            found.update({column: (value, known) for column, value in table.figures[code, known].items()})
    return found


def compile_workforce(source: Path, folder: Path) -> None:
    """Write workforce.csv from DfE's table of indicators: the areas that are shipped, all years."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    needed = ("time_period", "geographic_level", "new_la_code", *FIGURES.values())
    lines: list[list[str]] = []
    for number, row in _rows(source, needed):
        code = ENGLAND if row["geographic_level"] == "National" else row["new_la_code"]
        if code in NAMES:
            for column in FIGURES.values():
                _value(row[column], f"{source}, row {number}, column {column}")
            cells = ["" if _missing(row[c]) else row[c] for c in FIGURES.values()]
            lines.append([code, NAMES[code], row["time_period"], *cells, SOURCE_ID])
    lines.sort(key=lambda cells: (cells[0] != ENGLAND, cells[0], cells[2]))
    writer.writerows(lines)
    (folder / "workforce.csv").write_bytes(text.getvalue().encode())


def _rows(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise CareError("The workforce cannot be read", str(path), "Give a CSV file in UTF-8") from fault
    reader = csv.DictReader(io.StringIO(text, newline=""))
    found = list(reader.fieldnames or [])
    for column in columns:
        if column not in found:
            raise CareError(f"There is no column '{column}'", f"{path}, row 1", did_you_mean(column, found))
    out = []
    for row in reader:
        if None in row or None in row.values():
            where = f"{path}, row {reader.line_num}"
            raise CareError("This row has more or fewer cells than the header", where, "Compare it with the header")
        out.append((reader.line_num, {column: (row[column] or "").strip() for column in columns}))
    return out


def _missing(text: str) -> bool:
    return text.strip().casefold() in SUPPRESSION_MARKS


def _value(text: str, where: str) -> float | None:
    if _missing(text):
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value < float("inf"):
        raise CareError(f"'{text}' is no number of 0 or more", where, "Write digits, or leave the cell empty")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, or 2 with one sentence when something has to be put right."""
    parser = argparse.ArgumentParser(prog="python -m calibration.workforce", description="Make workforce.csv again.")
    parser.add_argument("source", type=Path, help="DfE's table of indicators, .csv")
    parser.add_argument("--to", dest="folder", type=Path, required=True, help="folder to write into")
    options = parser.parse_args(arguments)
    try:
        compile_workforce(options.source, options.folder)
    except CareError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
