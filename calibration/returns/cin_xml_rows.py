"""The elements of a CIN Census as they are met, made into one table of text for each module.

Of each element only the cells of `cin_layout` are kept, so memory holds the tables and never the tree. Prefixes and
namespaces of elements are ignored, as are capitals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

import polars as pl

from calibration.returns.cin_grammar import PLACE, Node, grammar
from calibration.returns.cin_layout import HEADER, MODULE, MODULES
from calibration.returns.reading_table import header_key

_DEEPEST, _LONGEST, _STRANGEST, _CELLS = 40, 1 << 20, 50, 1_000_000


class RefusedError(Exception):
    """The file holds what no return needs; said in one sentence."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


@dataclass
class Reading:
    """The state of one reading: rows and texts as they come in."""

    cells: dict[str, list[Any]] = field(default_factory=lambda: {"header": [], **{m.table: [] for m in MODULES}})
    frames: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    keys: list[str | None] = field(default_factory=list)
    unknown: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    twice: list[tuple[int, int, str]] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    def handlers(self, parser: expat.XMLParserType) -> tuple[Callable[..., None], ...]:
        """Return what expat calls where an element begins and ends, and what is called between two pieces of the file.

        Variables are plain, for the first two are called millions of times.
        """
        cells, parts, keys = self.cells, self.parts, self.keys
        kept: dict[str, str] = {}
        stack: list[tuple[Node, list[Any]]] = []
        node, row = grammar(), list[Any]()
        inside, leaf, skipping, details, details_of_child = node.inside, 0, 0, 0, 0

        def start(tag: str, _: Any) -> None:
            nonlocal node, inside, row, leaf, skipping, details, details_of_child
            if skipping:
                skipping += 1
                if skipping > _DEEPEST:
                    raise _deep()
                return
            if leaf:
                # A cell that holds elements is none: it is passed over with all it holds.
                self._note(node, "", parser)
                leaf, skipping = 0, 2
                return
            step: Any = inside[tag] if tag in inside else self._known(node, tag, parser)
            if step.__class__ is int:
                leaf = step
                parts.clear()
            elif step is None:
                skipping = 1
            else:
                stack.append((node, row))
                if len(stack) > _DEEPEST:
                    raise _deep()
                if step.element == "Child":
                    keys.append(None)
                elif step.element == "CINdetails":
                    details += 1
                    details_of_child = details
                if step.width and step is not node:
                    row = [len(keys), details_of_child, parser.CurrentLineNumber, *[None] * step.width]
                node, inside = step, step.inside

        def end(_: str) -> None:
            nonlocal node, inside, row, leaf, skipping, details_of_child
            if leaf:
                text = "".join(parts).strip()
                if text:
                    text = kept.setdefault(text, text)
                    if row[leaf] is None:
                        row[leaf] = text
                    elif leaf == node.joined:
                        row[leaf] = f"{row[leaf]} {text}"
                    elif node.each:
                        cells[node.table] += row
                        row = [*row[:PLACE], text]
                    else:
                        self.twice.append((row[0], row[2], node.element))
                leaf = 0
            elif skipping:
                skipping -= 1
            else:
                above, row_above = stack.pop()
                if node.width and above is not node:
                    if node.table == "children":
                        keys[-1] = keys[-1] or row[PLACE]
                        # Every child has another key: kept, they would only fill the memory.
                        kept.pop(row[PLACE], None)
                    elif node.element == "CINdetails":
                        details_of_child = 0
                    # An element without any cell (<Reviews/>) says nothing. The cells are one long list: a list of rows
                    # would keep the collector of garbage busy.
                    if row[PLACE] is not None or any(row[PLACE:]):
                        cells[node.table] += row
                    if len(cells[node.table]) >= _CELLS:
                        self.flush(node.table)
                node, inside, row = above, above.inside, row_above

        def pause() -> None:
            # Between cells, and in elements that are not read, text is of no interest.
            if not leaf:
                parts.clear()
            elif sum(map(len, parts)) > _LONGEST:
                raise RefusedError(
                    f"A cell holds more than {_LONGEST:,} signs", "No cell of a census does: write the file again."
                )

        return start, end, pause

    def _known(self, node: Node, tag: str, parser: expat.XMLParserType) -> Node | int | None:
        """Return what an element is that is met there for the first time, and keep it."""
        key = header_key(tag.rpartition(":")[2])
        if key not in node.known:
            if not node.element:
                raise _no_census()
            self._note(node, key, parser)
        return node.inside.setdefault(tag, node.known.get(key))

    def _note(self, node: Node, key: str, parser: expat.XMLParserType) -> None:
        # A header has what each supplier puts there; and a file of nothing but strange names would never end.
        if node.element == "Header" or len(self.unknown) >= _STRANGEST:
            return
        self.unknown.setdefault((node.element, key), (len(self.keys), parser.CurrentLineNumber))

    def flush(self, table: str) -> None:
        """Turn the cells that were read so far into columns, which take less room."""
        if cells := self.cells[table]:
            names = {name: pl.String for name in _columns(table)}
            schema: dict[str, Any] = {"_child": pl.UInt32, "details": pl.UInt32, "row": pl.UInt32, **names}
            columns = {name: cells[i :: len(schema)] for i, name in enumerate(schema)}
            self.frames.setdefault(table, []).append(pl.DataFrame(columns, schema=schema))
            cells.clear()

    def table(self, table: str, by_child: bool) -> pl.DataFrame:
        """Return a table with the keys of children."""
        self.flush(table)
        # The key itself is the child's.
        names = [name for name in _columns(table) if name != "_key"]
        if table not in self.frames:
            kinds = {"child": pl.String, "details": pl.String, "row": pl.UInt32}
            return pl.DataFrame(schema={**kinds, **dict.fromkeys(names, pl.String)})
        frame = pl.concat(self.frames.pop(table))
        keys = pl.Series("child", [None, *self.keys], dtype=pl.String)
        child = keys.gather(frame["_child"])
        row = pl.col("_child").alias("row") if by_child else pl.col("row")
        details = pl.when(pl.col("details") > 0).then(pl.col("details").cast(pl.String)).alias("details")
        return frame.select(child, details, row, *names)


def _columns(table: str) -> list[str]:
    if table == "header":
        return list(HEADER)
    return ["_key" if told.name == "child" else told.name for told in MODULE[table].fields]


def _deep() -> RefusedError:
    return RefusedError(
        f"Elements stand in one another more than {_DEEPEST} deep", "A census needs 7: write the file again."
    )


def _no_census() -> RefusedError:
    return RefusedError(
        "The first element is not Message", "A CIN Census begins with Message, which holds Header and Children."
    )
