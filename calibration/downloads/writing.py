"""What is written: a table, the publications it cites and the report on it; and where each of them stands."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterable
from pathlib import Path

from abm.errors import CareError
from abm.files import replacing
from calibration.downloads.building import SOURCE_COLUMNS, Built, one_line, sources_beside, stem_of_table
from calibration.publications import plain
from calibration.refusals import COLUMNS


def report_beside(table: Path) -> Path:
    """Return where the report on a table is written."""
    return table.with_name(f"{stem_of_table(table)}_report.md")


def refuse_a_target(target: Path, paths: Iterable[Path]) -> None:
    """Refuse to write where a table cannot be, or onto a file that is to be read."""
    if not re.search(r".\.csv(\.gz)?$", target.name, re.IGNORECASE):
        raise CareError("A table ends in .csv or .csv.gz", str(target), "Choose another name with --to")
    if target.is_dir():
        raise CareError("This is a folder", str(target), "Name the table in it with --to")
    ours = {file.resolve() for file in (target, sources_beside(target), report_beside(target))}
    for path in paths:
        if path.resolve() in ours:
            raise CareError(
                "The table would be written onto a file that it is made of", str(path), "Choose another --to"
            )


def write(built: Built, target: Path, report: str) -> None:
    """Write the table, its publications and the report, each whole or not at all, the table last.

    The same files give the same bytes.

    Raises
    ------
    CareError
        When a file cannot be written.
    """
    figures = io.StringIO(newline="")
    writer = csv.writer(figures, lineterminator="\n")
    writer.writerow(COLUMNS)
    value = COLUMNS.index("value")
    for row in built.figures.iter_rows():
        writer.writerow([plain(cell) if n == value else cell for n, cell in enumerate(row)])
    cited = io.StringIO(newline="")
    listed = csv.DictWriter(cited, SOURCE_COLUMNS, lineterminator="\n")
    listed.writeheader()
    listed.writerows({key: one_line(cell) for key, cell in row.items()} for row in built.publications)
    table = figures.getvalue().encode()
    if target.suffix.lower() == ".gz":
        table = gzip.compress(table, mtime=0)
    try:
        for path, content in (
            (sources_beside(target), cited.getvalue().encode()),
            (report_beside(target), report.encode()),
            (target, table),
        ):
            with replacing(path) as part:
                part.write_bytes(content)
    except OSError as fault:
        raise CareError(
            f"The table cannot be written: {fault.strerror or fault}", str(target), "Choose another place with --to"
        ) from fault
