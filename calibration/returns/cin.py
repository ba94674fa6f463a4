"""CIN Census: censuses of several years, as XML or as flat tables, to the clean tables.

    text       = every module as text, with file, row and year    (cin_files, cin_xml, cin_flat)
    cells      = dates, codes, yes and no                         (cin_cells, cin_codes)
    facts      = each fact once over the years, beside a referral (cin_clean)
    rules      = what modules must be to one another              (cin_rules)

Whatever is wrong with a cell or a row is a finding, and reading goes on; it stops with a CareError where the year of a
file cannot be told, a needed column is missing, or a file cannot be opened.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import polars as pl

from abm.errors import CareError
from calibration.returns.cin_clean import clean
from calibration.returns.cin_files import read_parts, recognises
from calibration.returns.cin_rules import mend, tell
from calibration.returns.findings import Findings
from calibration.returns.tables import NEED_SCHEMAS, NeedTables, empty_need, in_order, schema_of

__all__ = ["need_tables", "read_cin", "recognises"]


def read_cin(paths: Iterable[Path], findings: Findings, *, year: int | None = None) -> NeedTables:
    """Read censuses of one authority, of one year or of several.

    Parameters
    ----------
    paths
        Files and folders, in any order.
    findings
        Where all that is wrong is told; files are numbered there, as in the tables.
    year
        The year ending 31 March of files that do not tell theirs.

    Raises
    ------
    CareError
        When no referral is found, a needed column is missing, the year of a file cannot be told or is plainly another
        than it says, a file cannot be opened, or an XML file is damaged or declares a document type.
    """
    raw, years = read_parts([Path(path) for path in paths], findings, year)
    if not years:
        raise CareError(
            "No referral of a CIN Census was found",
            ", ".join(source.name for source in findings.sources[:5]),
            "It is an XML file (Message, Header, Children) or a table with LAchildID and CINreferralDate.",
        )
    tables = mend(clean(raw, years, findings), findings)
    tell(tables, findings)
    return need_tables(tables, date(years[0] - 1, 4, 1), date(years[-1], 3, 31), years, findings)


def need_tables(
    tables: dict[str, pl.DataFrame], observed_from: date, observed_to: date, years: tuple[int, ...], findings: Findings
) -> NeedTables:
    """Return the tables in their order, with the columns that `NeedTables` has; a table that is missing is empty."""
    schemas = {name: schema_of(columns) for name, columns in NEED_SCHEMAS.items()}
    frames = {
        name: in_order(tables[name].select(pl.col(column).cast(kind) for column, kind in schema.items()))
        if name in tables and tables[name].height
        else empty_need(name)
        for name, schema in schemas.items()
    }
    files = tuple(Path(source.name).name for source in findings.sources)
    return NeedTables(**frames, observed_from=observed_from, observed_to=observed_to, years=years, files=files)
