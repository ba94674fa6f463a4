"""The causal loop diagram as a table: the one that is shipped, and those that people edit.

A row is a link (`abm.behaviour.Link`). In a file of a workshop the strength may be a word: none (0), weak (the low end
of the row's range), medium (as shipped), strong (the high end); off and on are none and medium.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from abm.behaviour import HISTORY_WORDS, Behaviours, Link
from abm.behaviour_checks import problems
from abm.errors import CareError, did_you_mean
from abm.journey import JOURNEY
from abm.pathway import Journey
from calibration.statistics import PUBLISHED

SHIPPED = PUBLISHED / "behaviours.csv"
COLUMNS = (
    "key", "from", "to", "history", "polarity", "delay_weeks", "strength", "low", "high", "form", "unit", "loops",
    "evidence", "source", "note",
)  # fmt: skip
WORDS = ("none", "off", "weak", "medium", "on", "strong")
"""Strengths in words."""
_SIGNS = {"+": 1, "-": -1, "\u2212": -1}
_COMPARE = "Compare it with calibration/published/behaviours.csv"


def read_behaviours(path: Path | str | None = None, journey: Journey = JOURNEY) -> Behaviours:
    """Read behaviours: those that are shipped, or a file of the same form.

    A file may add links of its own, and must have every link that is shipped: one that is to be left out has the
    strength none.

    Errors
    ------
    CareError
        For a file that cannot be read, a row that is no link, with its row and column, or a shipped link that is
        missing.
    """
    shipped = _links(SHIPPED, {})
    if path is None:
        links = shipped
        path = SHIPPED
    else:
        path = Path(path)
        links = _links(path, {link.key: link for _, link in shipped})
        there = {link.key for _, link in links}
        for _, link in shipped:
            if link.key not in there:
                remedy = "Put the row back; to leave the link out, write the strength none"
                raise CareError(f"The link '{link.key}' is missing", str(path), remedy)
    rows = {}
    for row, link in links:
        if link.key in rows:
            raise CareError(
                f"The link '{link.key}' is there twice", f"{path}, row {row}", "Give each link a name of its own"
            )
        rows[link.key] = row
    behaviours = Behaviours(tuple(link for _, link in links))
    for problem in problems(behaviours, journey):
        raise CareError(problem.what, f"{path}, row {rows[problem.key]}, column {problem.column}", problem.remedy)
    return behaviours


def write_behaviours(behaviours: Behaviours, path: Path | str) -> None:
    """Write behaviours as a table that `read_behaviours` reads, to be edited."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    words = {histories: word for word, histories in HISTORY_WORDS.items()}
    for k in behaviours.links:
        writer.writerow(
            [
                k.key, " ".join(k.source), " ".join(k.target), words[k.histories], "+" if k.sign > 0 else "-",
                k.delay_weeks, f"{k.strength:.12g}", f"{k.low:.12g}", f"{k.high:.12g}", k.form, k.unit,
                " ".join(k.loops), k.evidence, k.reference, k.note,
            ]
        )  # fmt: skip
    Path(path).write_bytes(text.getvalue().encode())


def _links(path: Path, shipped: dict[str, Link]) -> list[tuple[int, Link]]:
    """Return the links with the rows of the file they stand in."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise CareError("The behaviours cannot be read", str(path), "Give a CSV file in UTF-8") from fault
    reader = csv.DictReader(io.StringIO(text, newline=""))
    found = reader.fieldnames or []
    for column in COLUMNS:
        if column not in found:
            remedy = did_you_mean(column, found) or _COMPARE
            raise CareError(f"There is no column '{column}'", f"{path}, row 1", remedy)
    links = []
    for row in reader:
        if None in row or None in row.values():
            raise CareError(
                "This row has more or fewer cells than the header", f"{path}, row {reader.line_num}",
                "Put text with a comma in quotation marks",
            )  # fmt: skip
        cells = {column: (row[column] or "").strip() for column in COLUMNS}
        if any(cells.values()):
            links.append((reader.line_num, _link(cells, f"{path}, row {reader.line_num}", shipped)))
    return links


def _link(cells: dict[str, str], where: str, shipped: dict[str, Link]) -> Link:
    for column in ("key", "from", "to"):
        if not cells[column]:
            raise CareError(f"The cell '{column}' is empty", f"{where}, column {column}", _COMPARE)
    if cells["history"] not in HISTORY_WORDS:
        known = [word for word in HISTORY_WORDS if word]
        remedy = did_you_mean(cells["history"], known) or f"Leave it empty, or write: {', '.join(known)}"
        raise CareError(f"There is no history '{cells['history']}'", f"{where}, column history", remedy)
    if cells["polarity"] not in _SIGNS:
        raise CareError(
            f"The polarity is '{cells['polarity']}'", f"{where}, column polarity", "Write + (more makes more) or -"
        )
    delay = _number(cells, "delay_weeks", where)
    if delay != int(delay):
        raise CareError(f"The delay {delay:g} is no whole number", f"{where}, column delay_weeks", "Give whole weeks")
    low, high = _number(cells, "low", where), _number(cells, "high", where)
    return Link(
        key=cells["key"], source=tuple(cells["from"].split()), target=tuple(cells["to"].split()),
        histories=HISTORY_WORDS[cells["history"]], sign=_SIGNS[cells["polarity"]], delay_weeks=int(delay),
        strength=_strength(cells, low, high, where, shipped.get(cells["key"])), low=low, high=high,
        form=cells["form"], unit=cells["unit"], loops=tuple(cells["loops"].split()), evidence=cells["evidence"],
        reference=cells["source"], note=cells["note"],
    )  # fmt: skip


def _strength(cells: dict[str, str], low: float, high: float, where: str, shipped: Link | None) -> float:
    word = cells["strength"].casefold()
    if word in ("none", "off"):
        return 0.0
    if word in ("medium", "on"):
        if shipped is None:
            raise CareError(
                f"What is {word} for '{cells['key']}' is not known: it is not among the links that are shipped",
                f"{where}, column strength", "Write a number",
            )  # fmt: skip
        return shipped.strength
    if word in ("weak", "strong"):
        return low if word == "weak" else high
    return _number(cells, "strength", where)


def _number(cells: dict[str, str], column: str, where: str) -> float:
    text = cells[column]
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        remedy = "Write digits"
        if column == "strength":
            remedy = f"{did_you_mean(text, WORDS)}Write a number, or one of: {', '.join(WORDS)}"
        raise CareError(f"'{text}' is not a number", f"{where}, column {column}", remedy)
    return value
