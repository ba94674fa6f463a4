"""A CIN Census as XML (Message, Header, Children), streamed into one table of text for each module.

The file is read in pieces by expat; what is kept of its elements is in `cin_xml_rows`. A file that declares a document
type is refused before anything in it is expanded: no return needs one, and entities are how small files become huge.
UTF-8 and UTF-16 are read as XML says; text that is neither is read as Windows-1252, with a finding.

A row's place is the line its element begins on; where a whole file is one line, it is the number of the Child element.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers import expat
from xml.parsers.expat import errors

import polars as pl

from abm.errors import CareError, did_you_mean
from calibration.returns.cin_layout import HEADER, MODULES
from calibration.returns.cin_xml_rows import Reading, RefusedError
from calibration.returns.findings import Findings, Rule
from calibration.returns.reading import NOT_UTF8

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

_PIECE = 1 << 20


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
    reading = Reading()
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
    except RefusedError as refused:
        raise CareError(refused.what, f"{path}, line {parser.CurrentLineNumber}", refused.remedy) from None
    by_child = 1 < len(reading.keys) > parser.CurrentLineNumber
    _tell(reading, file, findings, by_child)
    tables = {module.table: reading.table(module.table, by_child) for module in MODULES}
    told = reading.table("header", by_child)
    header = {name: cells[0] for name in HEADER if (cells := told[name].drop_nulls()).len()}
    return XmlCensus(header, tables, len(reading.keys))


def _no_doctype(*_: Any) -> None:
    raise RefusedError(
        "The file declares a document type (DOCTYPE), and may hold entities",
        "No return needs one: take the DOCTYPE off, or write the file again.",
    )


def _tell(reading: Reading, file: int, findings: Findings, by_child: bool) -> None:
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
