"""The book of rates: every hazard and share as a product of a few declared factors, and how it becomes arrays.

A rate of an edge (a transition out of a state) for a child is

    level x age x risk x history x band of time x (time since closure for children known before, since birth for others)

and for an unaccompanied child `unaccompanied x band`. Each factor is a row of a CSV with its range, status and source;
a factor without a row is 1 (unaccompanied: 0). A row that names a state holds for that state and beats one that does
not.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError, did_you_mean
from abm.parameters import Value
from abm.pathway import (
    AGE_BANDS,
    HISTORIES,
    N_AGES,
    N_GROUPS,
    N_HISTORIES,
    N_RISKS,
    RISK_CLASSES,
    UNACCOMPANIED_GROUP,
    Journey,
)

Array = NDArray[np.float64]
COLUMNS = ("transition", "state", "factor", "key", "value", "low", "high", "status", "source")
PUBLISHED = Path(__file__).parent / "published"
ALONE_AGES = ("under 16", "16-17")
FIRST_RATES = PUBLISHED / "first_rates.csv"
NATIONAL_RATES = PUBLISHED / "national_rates.csv"


@dataclass(frozen=True)
class RateBook:
    """Factors of the rates of every edge.

    level          float64[E]     hazards per year of weekly edges, weights of outcomes
    age            float64[E, 5]
    risk           float64[E, 4]
    history        float64[E, 3]
    band           float64[E, B]
    since_closure  float64[E, B]  holds for children with a history
    since_birth    float64[E, B]  holds for children without one
    unaccompanied  float64[E, 2]  under 16, 16 and 17
    values         the declared rows
    """

    level: Array
    age: Array
    risk: Array
    history: Array
    band: Array
    since_closure: Array
    since_birth: Array
    unaccompanied: Array
    values: tuple[Value, ...] = ()

    def rates(self) -> Array:
        """Return float64[E, G, B]: the rates of every edge by group and band of time."""
        n_edges, n_bands = self.band.shape
        out = np.zeros((n_edges, N_GROUPS, n_bands))
        known = np.empty((N_HISTORIES, n_edges, n_bands))
        known[0], known[1:] = self.since_birth, self.since_closure
        main = np.einsum("e,ea,er,eh->earh", self.level, self.age, self.risk, self.history)
        with np.errstate(invalid="ignore"):
            time = self.band[None] * known
            full = main[..., None] * np.moveaxis(time, 0, 1)[:, None, None]
            out[:, :UNACCOMPANIED_GROUP] = full.reshape(n_edges, UNACCOMPANIED_GROUP, n_bands)
            out[:, UNACCOMPANIED_GROUP:] = self.unaccompanied[:, :, None] * self.band[:, None]
        return np.nan_to_num(out, nan=0.0, posinf=np.inf)

    def scaled(self, edges: list[int] | NDArray[np.int64], by: float | Array, factor: str = "level") -> RateBook:
        """Return a book in which one factor of some edges is multiplied."""
        changed = getattr(self, factor).copy()
        changed[edges] *= by
        return replace(self, **{factor: changed})


def read_rates(journey: Journey, path: Path = NATIONAL_RATES) -> RateBook:
    """Read a book of rates.

    Errors
    ------
    CareError
        For a file that cannot be read, a missing column, a row of another length, a name that the journey does not
        declare, a factor that there is not, a key that the factor does not have, a number that is not one or lies
        outside its range, an unknown status, a missing source, or a row that stands twice; each names the row.
    """
    tables = journey.tables
    n_edges, n_bands = tables.n_edges, tables.max_bands
    level = np.zeros(n_edges)
    alone = np.zeros((n_edges, len(ALONE_AGES)))
    ones: dict[str, Array] = {
        "age": np.ones((n_edges, N_AGES)),
        "risk": np.ones((n_edges, N_RISKS)),
        "history": np.ones((n_edges, N_HISTORIES)),
        "band": np.ones((n_edges, n_bands)),
        "since_closure": np.ones((n_edges, n_bands)),
        "since_birth": np.ones((n_edges, n_bands)),
    }
    keys = {"age": AGE_BANDS, "risk": RISK_CLASSES, "history": HISTORIES}
    values: dict[str, Value] = {}
    for number, row in sorted(_rows(path), key=lambda numbered: bool(numbered[1]["state"])):
        where = f"{path.name}, row {number}"
        edges, factor = _edges(journey, row, where), row["factor"]
        declared = _declared(row, where, outcome=all(tables.outcome[e] for e in edges))
        if declared.key in values:
            raise CareError(f"'{declared.key}' stands twice", where, "Remove one of the two rows")
        values[declared.key], value = declared, declared.value
        if factor == "level":
            level[edges] = value
        elif factor == "unaccompanied":
            which = _position(row["key"], ALONE_AGES, where, factor) if row["key"] else slice(None)
            alone[edges, which] = value
        elif factor in keys:
            ones[factor][edges, _position(row["key"], keys[factor], where, factor)] = value
        elif factor in ("band", "since_closure", "since_birth"):
            for e in edges:
                bands = [str(b) for b in journey.states[tables.source[e]].bands]
                ones[factor][e, _position(row["key"], tuple(bands), where, factor)] = value
        else:
            known = ["level", "unaccompanied", *ones]
            raise CareError(
                f"'{factor}' is not a factor", where, f"{did_you_mean(factor, known)}Use: {', '.join(known)}"
            )
    return RateBook(level=level, **ones, unaccompanied=alone, values=tuple(values.values()))


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restval="")
            missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise CareError(f"The column '{missing[0]}' is missing", path.name, f"Columns: {', '.join(COLUMNS)}")
            rows = list(enumerate(reader, start=2))
            for number, row in rows:
                if None in row:
                    remedy = "Put a text with a comma in it between quotation marks"
                    raise CareError("There are more cells than columns", f"{path.name}, row {number}", remedy)
            return rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CareError("The book of rates cannot be read", path.name, "Install the project again") from error


def _edges(journey: Journey, row: dict[str, str], where: str) -> list[int]:
    if row["transition"] not in journey.transition_index:
        near = did_you_mean(row["transition"], list(journey.transition_index))
        raise CareError(f"'{row['transition']}' is not a transition of {journey.file}", where, near or "Declare it")
    if not row["state"]:
        return journey.edges_of(row["transition"])
    if row["state"] not in journey.state_index:
        near = did_you_mean(row["state"], list(journey.state_index))
        raise CareError(f"'{row['state']}' is not a state of {journey.file}", where, near or "Declare it")
    sources = journey.transitions[journey.transition_index[row["transition"]]].sources
    if row["state"] not in sources:
        leaves = f"It leaves: {', '.join(sources)}"
        raise CareError(f"'{row['transition']}' does not leave the state '{row['state']}'", where, leaves)
    return [journey.edge(row["transition"], row["state"])]


def _declared(row: dict[str, str], where: str, outcome: bool) -> Value:
    """Return the row as a declared number."""
    per_child = "weight" if outcome else "per year"
    unit = per_child if row["factor"] in ("level", "unaccompanied") else "ratio"
    value, low, high = (_number(row, column, where) for column in ("value", "low", "high"))
    key = "/".join(row[column] for column in ("transition", "state", "factor", "key") if row[column])
    try:
        return Value(key, value, unit, low, high, row["status"], row["source"])
    except CareError as error:
        raise CareError(error.what, where, error.remedy) from error


def _number(row: dict[str, str], column: str, where: str) -> float:
    try:
        number = float(row[column])
    except ValueError:
        number = np.nan
    if not number >= 0:
        raise CareError(f"'{row[column]}' in the column '{column}' is not a number of 0 or more", where, "Correct it")
    return number


def _position(key: str, keys: tuple[str, ...], where: str, factor: str) -> int:
    if key not in keys:
        raise CareError(f"'{key}' is not a key of '{factor}'", where, f"Keys: {', '.join(keys)}")
    return keys.index(key)


def write_rates(journey: Journey, book: RateBook, path: Path, status: str, source: str) -> None:
    """Write a book as CSV; rows whose number differs from the declared one get the status and source given.

    Those get half and twice the number as their range. Numbers have six digits, ranges four.
    """
    declared = {v.key: v for v in book.values}
    lines = []
    tables = journey.tables
    named = {"age": AGE_BANDS, "risk": RISK_CLASSES, "history": HISTORIES}
    for e in range(tables.n_edges):
        if not (tables.weekly[e] or tables.outcome[e]):
            continue
        transition, state = journey.transitions[tables.transition[e]].key, journey.states[tables.source[e]]
        entries = [("level", "", book.level[e])]
        entries += [("unaccompanied", k, x) for k, x in zip(ALONE_AGES, book.unaccompanied[e], strict=True)]
        entries += [(f, k, x) for f, ks in named.items() for k, x in zip(ks, getattr(book, f)[e], strict=True)]
        entries += [
            (f, str(k), x)
            for f in ("band", "since_closure", "since_birth")
            for k, x in zip(state.bands, getattr(book, f)[e], strict=False)
        ]
        for factor, key, x in entries:
            tail = [p for p in (factor, key) if p]
            names = [[transition, state.key, *tail], [transition, *tail], [transition, state.key, factor]]
            old = next((declared[k] for k in map("/".join, names) if k in declared), None)
            if old is None and x == (0.0 if factor in ("level", "unaccompanied") else 1.0):
                continue
            if old is not None and np.isclose(old.value, x, rtol=1e-9):
                told = (*_digits(x, old.low, old.high), old.status, old.source)
            else:
                told = (*_digits(x, x / 2, x * 2), status, source)
            lines.append((transition, state.key, factor, key, *told))
    temporary = path.with_suffix(".part")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(lines)
    temporary.replace(path)


def _digits(value: float, low: float, high: float) -> tuple[str, str, str]:
    """Return a number and its range as text; rounding never puts the number outside its range."""
    number, least, most = f"{value:.6g}", f"{low:.4g}", f"{high:.4g}"
    return number, min(least, number, key=float), max(most, number, key=float)
