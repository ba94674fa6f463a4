"""Codes of the CIN Census, read off `cin_codes.csv`: the one file to edit when the census gets a code.

A row is a code of a list: its meaning, the first and last census it is valid in (year ending 31 March; blank where
there is no bound), and what it means for the journey. Source: DfE, Children in need census, code sets of the
specifications 2020 to 2021 to 2025 to 2026. No public source was found that tells what the three outcomes of
pre-proceedings mean.

What stands under `journey`, by list:

    sex        `girl`, `boy`, `not_known`
    closure    a transition, or `by_last_state` (the state the child was in tells which), `not_seen_after`
    others     `told`: kept beside the event, no rate depends on it
"""

from __future__ import annotations

import csv
from pathlib import Path

from abm.errors import CareError
from abm.journey import JOURNEY
from calibration.returns.ssda903_codes import Code, Codes

PATH = Path(__file__).with_name("cin_codes.csv")
_ALLOWED = {
    "sex": frozenset({"girl", "boy", "not_known"}),
    "closure": frozenset({*(t.key for t in JOURNEY.transitions), "by_last_state", "not_seen_after"}),
    **dict.fromkeys(("source", "need", "abuse", "factor", "outcome"), frozenset({"told"})),
}


def read_codes(path: Path = PATH) -> Codes:
    """Read and check the lists of codes.

    Raises
    ------
    CareError
        For a list we do not have, a row without meaning or with one that the journey lacks, a code twice.
    """
    rows: list[Code] = []
    with path.open(encoding="utf-8", newline="") as file:
        for line, cells in enumerate(csv.DictReader(file), 2):
            column, journey = cells["column"], cells["journey"]
            first, last = (int(cells[name]) if cells[name] else None for name in ("first", "last"))
            row = Code(column, cells["code"], cells["meaning"], first, last, journey, cells["note"])
            twice = any((row.column, row.code) == (other.column, other.code) for other in rows)
            if twice or not row.meaning or journey not in _ALLOWED.get(column, ()):
                raise CareError(
                    "A code needs a list, a meaning and what it means for the journey, and stands once",
                    f"{path.name}, row {line}",
                    f"Lists are {', '.join(_ALLOWED)}; edit {path.name}.",
                )
            rows.append(row)
    return Codes(tuple(rows))


CODES = read_codes()
"""The codes that come with the project."""
