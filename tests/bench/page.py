"""The figures of one machine in docs/explanation/performance.md, between two marks; the words around them stay."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.machine import ROOT
from tests.bench.tables import Table

NAME = "docs/explanation/performance.md"
BEGIN = "<!-- measured: written by `make bench ARGS=--write`, not by hand -->"
END = "<!-- end of measured -->"


def write(tables: Sequence[Table]) -> None:
    """Put the tables between the marks."""
    path = ROOT / NAME
    text = path.read_text(encoding="utf-8")
    head, found, rest = text.partition(BEGIN)
    _, found_end, tail = rest.partition(END)
    if not found or not found_end:
        raise SystemExit(f"{NAME} has not both of the lines '{BEGIN}' and '{END}'.")
    shown = "\n\n".join(table.markdown() for table in tables)
    path.write_text(f"{head}{BEGIN}\n\n{shown}\n\n{END}{tail}", encoding="utf-8", newline="\n")
