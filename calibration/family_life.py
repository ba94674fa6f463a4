"""What families do to the journeys of their children, read from a table that one can edit."""

from __future__ import annotations

import csv
from pathlib import Path

from abm.errors import CareError, did_you_mean
from abm.family_life import CIRCUMSTANCES, FamilyLife
from abm.family_tables import family_tables
from abm.journey import JOURNEY
from abm.parameters import Value
from calibration.statistics import PUBLISHED

SHIPPED = PUBLISHED / "families.csv"
COLUMNS = ("kind", "key", "value", "low", "high", "unit", "status", "source", "note")
OF_TRANSITIONS = ("together", "strained", "in_crisis", "kin_weight")
OF_STATES = ("follows", "born_into", "helping")
ALONE = ("helped", "kin")
KINDS = (*OF_TRANSITIONS, *OF_STATES, "per_year", *ALONE)
_COMPARE = "Compare it with calibration/published/families.csv"


def read_family_values(path: Path | None = None) -> dict[tuple[str, str], Value]:
    """Return the numbers by kind and key, each with its range, status and source.

    Errors
    ------
    CareError
        For a file that cannot be read, or a row of an unknown kind or key, that is there twice, or whose value is no
        number in its range; with the row and the column.
    """
    path = path or SHIPPED
    found: dict[tuple[str, str], Value] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise CareError(f"There is no column '{missing[0]}'", f"{path}, row 1", _COMPARE)
            for number, row in enumerate(reader, start=2):
                key, value = _row(row, f"{path}, row {number}")
                if key in found:
                    raise CareError(f"'{key[1]}' is there twice as {key[0]}", f"{path}, row {number}", "Leave one out")
                found[key] = value
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise CareError("The table of families cannot be read", str(path), "Give a CSV file in UTF-8") from fault
    return found


def read_family_life(path: Path | None = None) -> FamilyLife:
    """Return family life as the table has it: the shipped one, or a file of the same form. A row left out does nothing.

    Errors
    ------
    CareError
        As `read_family_values`; for an empty table, one half of a pair, and numbers that cannot be together.
    """
    found = read_family_values(path)
    if not found:
        raise CareError("The table of families is empty", str(path), _COMPARE)
    for kind, key in found:
        other = {"strained": "in_crisis", "in_crisis": "strained"}.get(kind)
        if other and (other, key) not in found:
            raise CareError(
                f"'{key}' is there as {kind}, not as {other}", str(path or SHIPPED), "Give both, or neither"
            )
    for (kind, key), value in found.items():
        if kind == "helping" and value.value not in (0, 1):
            raise CareError(f"'{key}' is {value.value:g} as helping", str(path or SHIPPED), "Write 1 for yes, 0 for no")
    values = {kind: {key: v.value for (of, key), v in found.items() if of == kind} for kind in KINDS}
    strained, crisis = values["strained"], values["in_crisis"]
    life = FamilyLife(
        together=values["together"],
        follows=values["follows"],
        born_into=values["born_into"],
        hazard={key: (strained.get(key, 1.0), crisis.get(key, 1.0)) for key in {**strained, **crisis}},
        per_year=values["per_year"],
        helped=values["helped"].get("helped", 1.0),
        helping=tuple(state for state, yes in values["helping"].items() if yes),
        kin=values["kin"].get("kin", 0.0),
        kin_weight=values["kin_weight"],
    )
    try:
        family_tables(life, JOURNEY)
    except CareError as fault:
        raise CareError(fault.what, str(path or SHIPPED), fault.remedy) from fault
    return life


def _row(row: dict[str, str], where: str) -> tuple[tuple[str, str], Value]:
    kind, key = (row[name] or "" for name in ("kind", "key"))
    if kind not in KINDS:
        raise CareError(f"There is no kind '{kind}'", f"{where}, column kind", did_you_mean(kind, KINDS) + _COMPARE)
    known = {"per_year": tuple(CIRCUMSTANCES.transition_index), **{name: (name,) for name in ALONE}}
    known |= dict.fromkeys(OF_TRANSITIONS, tuple(JOURNEY.transition_index))
    known |= dict.fromkeys(OF_STATES, tuple(JOURNEY.state_index))
    if key not in known[kind]:
        raise CareError(
            f"There is no '{key}' for {kind}", f"{where}, column key", did_you_mean(key, known[kind]) + _COMPARE
        )
    numbers = {}
    for column in ("value", "low", "high"):
        try:
            numbers[column] = float(row[column] or "")
        except ValueError as fault:
            raise CareError(f"'{row[column]}' is not a number", f"{where}, column {column}", "Write digits") from fault
    name = f"family, {kind}: {key}"
    words = [row[column] or "" for column in ("unit", "status", "source")]
    try:
        return (kind, key), Value(name, numbers["value"], words[0], numbers["low"], numbers["high"], *words[1:])
    except CareError as fault:
        raise CareError(fault.what, where, fault.remedy) from fault
