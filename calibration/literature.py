"""Figures from research that the model is held against or starts from."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from abm.errors import CareError, did_you_mean
from calibration.statistics import PUBLISHED


@dataclass(frozen=True)
class Finding:
    """One published result.

    Attributes
    ----------
    key
        Short name, unique.
    value, ci_low, ci_high
        In `unit`; the 95% interval is None where none was published.
    unit
        "percent", "per 1,000" or "weeks".
    population, period, parameter, source
        Whom, when, what, and where it was read, in words.
    """

    key: str
    value: float
    ci_low: float | None
    ci_high: float | None
    unit: str
    population: str
    period: str
    parameter: str
    source: str


class Findings(dict[str, Finding]):
    """Findings by key; an unknown key says which one may be meant."""

    def __missing__(self, key: str) -> Finding:
        """Raise the sentence a person needs."""
        remedy = did_you_mean(key, self) + "Its keys are in the first column."
        raise CareError(f"There is no finding '{key}'", str(PUBLISHED / "literature.csv"), remedy)


def read_literature(path: Path | None = None) -> Findings:
    """Read the findings: those that come with the project, or another file of the same form.

    Raises
    ------
    CareError
        When the file cannot be read or a value is not a number.
    """
    path = path or PUBLISHED / "literature.csv"
    findings = Findings()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                findings[row["key"]] = _finding(path, number, row)
    except (OSError, UnicodeDecodeError) as fault:
        raise CareError("The findings cannot be read", str(path), "Give a CSV file in UTF-8.") from fault
    except KeyError as fault:
        raise CareError(f"There is no column {fault}", f"{path}, row 1", "Compare it with literature.csv.") from fault
    return findings


def _finding(path: Path, number: int, row: dict[str, str]) -> Finding:
    numbers: dict[str, float | None] = {}
    for column in ("value", "ci_low", "ci_high"):
        try:
            numbers[column] = float(row[column]) if row[column] or column == "value" else None
        except ValueError as fault:
            where = f"{path}, row {number}, column {column}"
            raise CareError(f"The value '{row[column]}' is not a number", where, "Write digits.") from fault
    value = numbers["value"]
    assert value is not None  # `float` has either given a number or raised.
    words = {column: row[column] for column in ("key", "unit", "population", "period", "parameter", "source")}
    return Finding(value=value, ci_low=numbers["ci_low"], ci_high=numbers["ci_high"], **words)
