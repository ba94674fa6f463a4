"""A CIN Census as XML (Message, Header, Children), streamed into one table of text for each module.

The file is read in pieces by expat, and of each element only the cells of `cin_layout` are kept, so memory holds the
tables and never the tree. Prefixes and namespaces of elements are ignored, as are capitals. A file that declares a
document type is refused before anything in it is expanded: no return needs one, and entities are how small files become
huge. UTF-8 and UTF-16 are read as XML says; text that is neither is read as Windows-1252, with a finding.

A row's place is the line its element begins on; where a whole file is one line, it is the number of the Child element.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat
from xml.parsers.expat import errors

import polars as pl

from abm.errors import CareError, did_you_mean
from calibration.returns.cin_grammar import PLACE, Node, grammar
from calibration.returns.cin_layout import HEADER, MODULE, MODULES
from calibration.returns.findings import Findings, Rule
from calibration.returns.reading import NOT_UTF8
from calibration.returns.reading_table import header_key

ONE_LINE = Rule(
    "cin-xml-one-line",
    "The whole file is written in one line.",
    "Rows of this file are numbers of its Child elements, counted from 1.",
)
ELEMENT_UNKNOWN = Rule(
    "cin-xml-element", "The file has elements that are not of the census.", "They were not used.", effect="left out"
)
ELEMENT_TWICE = Rule(
    "cin-xml-element-twice",
    "An element that may stand once stands twice.",
    "The first was used.",
    "CIN Census schema",
    effect="left out",
)

_PIECE, _DEEPEST, _LONGEST, _STRANGEST, _CELLS = 1 << 20, 40, 1 << 20, 50, 1_000_000


@dataclass
class XmlCensus:
    """One file as text.

    Attributes
    ----------
    header
        Name -> text of `cin_layout.HEADER`, where it is there.
    tables
        Table -> the fields of its module as text, with child (key as it stands, null where missing), details (number
        of the CINdetails in the file, null outside) and row u32.
    children
        Number of Child elements.
    """

    header: dict[str, str]
    tables: dict[str, pl.DataFrame]
    children: int


class _RefusedError(Exception):
    """The file holds what no return needs; said in one sentence."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


@dataclass
class _Reading:
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
                raise _RefusedError(
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


def _deep() -> _RefusedError:
    return _RefusedError(
        f"Elements stand in one another more than {_DEEPEST} deep", "A census needs 7: write the file again."
    )


def _no_census() -> _RefusedError:
    return _RefusedError(
        "The first element is not Message", "A CIN Census begins with Message, which holds Header and Children."
    )


def _no_doctype(*_: Any) -> None:
    raise _RefusedError(
        "The file declares a document type (DOCTYPE), and may hold entities",
        "No return needs one: take the DOCTYPE off, or write the file again.",
    )


# The file -------------------------------------------------------------------------------------------------------------


def read_xml(path: Path, file: int, findings: Findings) -> XmlCensus:
    """Read a CIN Census as text.

    Parameters
    ----------
    file
        Its number in the findings.

    Raises
    ------
    CareError
        When the file cannot be opened, is not well formed, declares a document type or is no census.
    """
    try:
        return _read(path, file, findings, None)
    except _FAULTS as fault:
        retry = _other_encoding(path, fault)
        if retry is None:
            raise _not_well_formed(path, fault) from fault
    if retry == "windows-1252":
        findings.add(NOT_UTF8, file)
    try:
        return _read(path, file, findings, retry)
    except _FAULTS as fault:
        raise _not_well_formed(path, fault) from fault


# Python has no decoder for the encoding that is declared, or none that expat can use: not an ExpatError.
_FAULTS = (expat.ExpatError, LookupError, ValueError)


def _read(path: Path, file: int, findings: Findings, encoding: str | None) -> XmlCensus:
    parser = expat.ParserCreate(encoding)
    parser.buffer_text, parser.buffer_size = True, 1 << 16
    reading = _Reading()
    parser.StartElementHandler, parser.EndElementHandler, pause = reading.handlers(parser)
    parser.CharacterDataHandler = reading.parts.append
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _no_doctype
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        with path.open("rb") as stream:
            while piece := stream.read(_PIECE):
                parser.Parse(piece, False)
                pause()
            parser.Parse(b"", True)
    except OSError as fault:
        raise CareError(
            f"The file '{path.name}' cannot be read: {fault.strerror or fault}", str(path.parent), "Check its rights."
        ) from fault
    except _RefusedError as refused:
        raise CareError(refused.what, f"{path}, line {parser.CurrentLineNumber}", refused.remedy) from None
    by_child = 1 < len(reading.keys) > parser.CurrentLineNumber
    _tell(reading, file, findings, by_child)
    tables = {module.table: reading.table(module.table, by_child) for module in MODULES}
    told = reading.table("header", by_child)
    header = {name: cells[0] for name in HEADER if (cells := told[name].drop_nulls()).len()}
    return XmlCensus(header, tables, len(reading.keys))


def _tell(reading: _Reading, file: int, findings: Findings, by_child: bool) -> None:
    """Tell the findings of the file's form."""
    if by_child:
        findings.add(ONE_LINE, file)
    for (element, key), (child, line) in reading.unknown.items():
        known = [told.element for module in MODULES if module.element == element for told in module.fields]
        # Its own name is not told: only ours are.
        near = did_you_mean(key, known) if key else ""
        findings.add(
            ELEMENT_UNKNOWN,
            file,
            child if by_child else line,
            element,
            f"An element in {element or 'the file'} was not used, here and wherever it stands. {near}".strip(),
        )
    for element in dict.fromkeys(element for _, _, element in reading.twice):
        places = [child if by_child else line for child, line, other in reading.twice if other == element]
        findings.add_rows(ELEMENT_TWICE, pl.DataFrame({"file": file, "row": places}), element)


def _other_encoding(path: Path, fault: Exception) -> str | None:
    """Return the encoding to try where the one that was declared is not the file's."""
    reason = _reason(fault)
    with path.open("rb") as stream:
        beginning = stream.read(4)
        if b"\x00" in beginning or beginning[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return None
        stream.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while piece := stream.read(_PIECE):
                decoder.decode(piece)
        except UnicodeDecodeError:
            return "windows-1252" if reason in (errors.XML_ERROR_INVALID_TOKEN, _UNKNOWN) else None
    return "utf-8" if reason in (errors.XML_ERROR_INCORRECT_ENCODING, _UNKNOWN) else None


_UNKNOWN = errors.XML_ERROR_UNKNOWN_ENCODING


def _reason(fault: Exception) -> str:
    return errors.messages.get(fault.code, "a fault") if isinstance(fault, expat.ExpatError) else _UNKNOWN


def _not_well_formed(path: Path, fault: Exception) -> CareError:
    reason = _reason(fault)
    cut_off = reason in (errors.XML_ERROR_NO_ELEMENTS, errors.XML_ERROR_UNCLOSED_TOKEN)
    line = f", line {fault.lineno}" if isinstance(fault, expat.ExpatError) else ""
    return CareError(
        f"The file is not well-formed XML ({reason}{': it seems to be cut off' if cut_off else ''})",
        f"{path}{line}",
        "Write it again from your system; nothing of it was used.",
    )
