"""What a person reads about a table made of published files: what was found, what was left out, and why.

Markdown whose tables are aligned, so that it reads as well as plain text, on the screen and in a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from abm.errors import did_you_mean
from calibration.downloads.building import Built
from calibration.downloads.needs import Readiness
from calibration.statistics import ENGLAND, read_statistics

_MANY = 8
_MOST_LABELS = 20


def report(built: Built, ready: Readiness, target: Path, *, whole: bool = True) -> str:
    """Return the report on a table.

    Parameters
    ----------
    built, ready
        The table, and what it lacks for fits.
    target
        Where it is written.
    whole
        With what was left out file by file, and every column that is not used; without for a screen.
    """
    parts = [
        _head(built, target),
        _found(built),
        _left_out(built),
        *([_by_file(built)] if whole else []),
        _not_read(built),
        _columns(built, whole),
        _releases(built),
        _labels(built),
        _series(built),
        _areas(built, whole),
        _fit(ready),
    ]
    told = "\n\n".join(part for part in parts if part)
    # Names and labels of a file stand in it, and must not steer a terminal.
    return "".join(c if c.isprintable() or c == "\n" else " " for c in told) + "\n"


def _head(built: Built, target: Path) -> str:
    figures = built.figures
    codes = set(figures["area_code"])
    first, last = (int(year) for year in (figures["year"].min() or 0, figures["year"].max() or 0))  # type: ignore[arg-type]
    areas = f"{len(codes)} areas" + (", England among them" if ENGLAND in codes else "; England is not among them")
    lines = [
        f"# {target.name}: a table of published figures",
        "",
        f"{figures.height:,} figures of {areas}, {_years(first, last)}, "
        f"{figures['measure'].n_unique()} measures, from {_counted(len(built.found), 'file')}"
        + (f", on top of {built.older.statistics.path.name}." if built.older else "."),
        "",
        "A figure is an area, year, measure, breakdown and unit with a number. A year ends on 31 March; population is "
        "of 30 June, workforce of 30 September.",
    ]
    return "\n".join(lines)


def _found(built: Built) -> str:
    told = built.figures.group_by("measure", maintain_order=True).agg(
        pl.col("year").min().alias("first"), pl.col("year").max().alias("last"), pl.col("area_code").n_unique(),
        pl.col("breakdown").n_unique(), pl.len(), pl.col("source_id").unique().sort(),
    )  # fmt: skip
    rows = [
        (name, _years(first, last), areas, breakdowns, f"{n:,}", _few(ids, 3))
        for name, first, last, areas, breakdowns, n, ids in told.sort("measure").iter_rows()
    ]
    return "## What was found\n\n" + _table(
        ("measure", "years", "areas", "breakdowns", "figures", "sources"), rows, right=(2, 3, 4)
    )


def _left_out(built: Built) -> str:
    totals: dict[str, list[int]] = {}
    for whys in built.left_out:
        for why, n in whys.items():
            totals.setdefault(why, []).append(n)
    rows = [
        (why, f"{sum(ns):,}", len(ns)) for why, ns in sorted(totals.items(), key=lambda item: (-sum(item[1]), item[0]))
    ]
    n_cells = sum(one.n_cells for one in built.found) + (built.older.statistics.frame.height if built.older else 0)
    head = (
        f"## What was left out\n\nOf {n_cells:,} cells, {sum(built.taken):,} became figures and "
        f"{n_cells - sum(built.taken):,} did not:\n\n"
    )
    return head + (_table(("why", "cells", "files"), rows, right=(1, 2)) if rows else "none was left out.")


def _by_file(built: Built) -> str:
    rows = []
    for one, taken, whys in zip(built.found, built.taken, built.left_out, strict=False):
        rows.append((_base(one.sheet.source.name), one.source_id, f"{one.n_cells:,}", "taken", f"{taken:,}"))
        rows += [("", "", "", why, f"{n:,}") for why, n in sorted(whys.items())]
    if built.older:
        name, n = built.older.statistics.path.name, built.older.statistics.frame.height
        rows.append((name, "older table", f"{n:,}", "taken", f"{built.taken[-1]:,}"))
        rows += [("", "", "", why, f"{n:,}") for why, n in sorted(built.left_out[-1].items())]
    return "### File by file\n\n" + _table(
        ("file", "source", "cells", "what became of them", "cells"), rows, right=(2, 4)
    )


def _not_read(built: Built) -> str:
    lines = [f"* {_base(one.name)}: {one.why}" for one in built.unknown]
    lines += [f"* {_base(name)}: the same content as another file" for name in built.twice]
    if not lines:
        return ""
    return "## Files that were not read\n\n" + "\n".join(lines)


def _columns(built: Built, whole: bool) -> str:
    lines = []
    for one in built.found:
        by_why: dict[str, list[str]] = {}
        for column, why in one.unused.items():
            if why != "says what the file is" and (whole or why == "not declared"):
                by_why.setdefault(why, []).append(column)
        lines += [
            f"* {_base(one.sheet.source.name)}: {_few(columns, 99 if whole else _MANY)} ({why})"
            for why, columns in by_why.items()
        ]
    lines += [
        f"* {_base(one.sheet.source.name)}: read by the publisher's description of it, never tried on a file. "
        "Hold some figures against it"
        for one in built.found
        if not one.rule.seen
    ]
    return "## Columns that are not used\n\n" + "\n".join(lines) if lines else ""


def _releases(built: Built) -> str:
    if not built.revisions:
        return ""
    rows = [
        (one.newer, one.older, f"{one.both:,}", f"{one.different:,}", f"{one.largest:.1f}%" if one.different else "")
        for one in built.revisions
        if one.different or one.newer != one.older
    ]
    if not rows:
        return ""
    return (
        "## Where releases or files overlap\n\nThe newest release that holds a figure is taken; what it hides stays "
        "hidden.\n\n" + _table(("taken", "other", "both have", "differ", "by at most"), rows, right=(2, 3, 4))
    )


def _labels(built: Built) -> str:
    """Return the labels that the project's own table has and the files have not, in the last year of both."""
    used = read_statistics().frame.select("measure", "breakdown", "year").unique()
    cells = pl.concat([one.cells.select("measure", "breakdown", "year") for one in built.found]).unique()
    lines: list[str] = []
    for measure in sorted(cells["measure"].unique()):
        ours, known = (table.filter(pl.col("measure") == measure) for table in (cells, used))
        years = set(ours["year"]) & set(known["year"])
        if not years:
            continue
        names, wanted = (set(table.filter(pl.col("year") == max(years))["breakdown"]) for table in (ours, known))
        new = sorted(names - wanted)
        lines += [
            f"* {measure} of {max(years)}, '{name}'. {did_you_mean(name, new)}".rstrip()
            for name in sorted(wanted - names)
        ]
    if not lines:
        return ""
    more = [f"* and {len(lines) - _MOST_LABELS} more"] if len(lines) > _MOST_LABELS else []
    return (
        "## Labels that the project's table has and the files have not\n\nIf the publisher renamed one, add it under "
        "`rename` in the declarations. Other releases may have the others.\n\n" + "\n".join(lines[:_MOST_LABELS] + more)
    )


def _series(built: Built) -> str:
    """Return where series break, and what is rounded."""
    series = built.figures.group_by("measure", "breakdown").agg(
        pl.col("year").min().alias("first"), pl.col("year").max().alias("last")
    )
    lines = []
    for one in built.rules.breaks:
        concerned = [
            measure
            for measure, breakdown, first, last in series.sort("measure", "breakdown").iter_rows()
            if re.fullmatch(one.measure, measure) and re.fullmatch(one.breakdown, breakdown)
            and first <= one.year <= last
        ]  # fmt: skip
        if concerned:
            lines.append(f"* {one.year}: {one.note} ({_few(dict.fromkeys(concerned), 4)})")
    counts = built.figures.filter((pl.col("area_code") == ENGLAND) & (pl.col("unit") == "number"))
    counts = counts.filter(~pl.col("breakdown").str.contains("duration"))
    odd = counts.filter(pl.col("value") % 10 != 0)
    if not counts.is_empty():
        exact = f"{counts.height - odd.height:,} of {counts.height:,}"
        lines.append(
            f"* England: {exact} counts are multiples of 10, to which England is rounded; authorities are exact"
        )
    return "## Where series break, and rounding\n\n" + "\n".join(lines) if lines else ""


def _areas(built: Built, whole: bool) -> str:
    """Return which areas end before the others; if `whole`, every area with what it has."""
    there = built.figures.filter(~pl.col("measure").str.starts_with("population"))
    ends = (
        there.filter(pl.col("area_code") != ENGLAND)
        .group_by("area_code")
        .agg(pl.col("area_name").first(), pl.col("year").max().alias("last"))
    )
    lines: list[str] = []
    for last, names in ends.group_by("last").agg(pl.col("area_name").sort()).sort("last", descending=True).iter_rows():
        lines.append(f"* to {last}: {_counted(len(names), 'area')}" + (f" ({_few(names)})" if lines else ""))
    parts = ["## The last year of each area, population aside\n\n" + "\n".join(lines)] if lines else []
    if whole:
        told = built.figures.group_by("area_code", "area_name").agg(
            pl.col("year").min().alias("first"), pl.col("year").max().alias("last"), pl.col("measure").n_unique(),
            pl.len(),
        )  # fmt: skip
        rows = [
            (code, name, _years(first, last), measures, f"{n:,}")
            for code, name, first, last, measures, n in told.sort("area_code").iter_rows()
        ]
        header = ("area", "name", "years", "measures", "figures")
        parts.append("### Area by area\n\n" + _table(header, rows, right=(3, 4)))
    return "\n\n".join(parts)


def _fit(ready: Readiness) -> str:
    lines = [
        f"{_counted(len(ready.ready), 'authority', 'authorities')} have all that `journeys calibrate` needs"
        + (f": {_few([area.name for area in ready.ready])}." if ready.ready else "."),
    ]
    needed = [(need, areas) for need, areas in ready.lacking if not need.without]
    wanted = [(need, areas) for need, areas in ready.lacking if need.without]
    if ready.shapes:
        lines += [
            "",
            "No area can be fitted without these figures of England, which give the form of distributions:",
            "",
        ]
        lines += [f"* {measure}" for measure in ready.shapes]
    if needed:
        lines += ["", "Without these there is no fit of an area:", ""]
        lines += [f"* {need.what}: {_lack(areas)}" for need, areas in needed]
    if wanted:
        lines += ["", "Without these the fit goes on:", ""]
        lines += [f"* {need.what}: {_lack(areas)}; {need.without}" for need, areas in wanted]
    return "## What a fit needs\n\n" + "\n".join(lines)


def _lack(areas: Sequence[object]) -> str:
    names = [str(getattr(area, "name", area)) for area in areas]
    return f"{_counted(len(names), 'authority lacks', 'authorities lack')} it ({_few(names)})"


# Words ----------------------------------------------------------------------------------------------------------------


def _base(name: str) -> str:
    return re.split(r"[/\\]", name)[-1].strip()


def _years(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _counted(n: int, one: str, several: str = "") -> str:
    return f"{n:,} {one if n == 1 else several or f'{one}s'}"


def _few(names: Iterable[str], most: int = _MANY) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


def _table(header: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> str:
    """Return an aligned table of Markdown."""
    lines = [[str(cell).replace("|", "/") for cell in row] for row in (header, *rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(header))]

    def aligned(line: Sequence[str]) -> str:
        cells = enumerate(zip(line, widths, strict=True))
        return f"| {' | '.join(cell.rjust(w) if n in right else cell.ljust(w) for n, (cell, w) in cells)} |"

    padded = [aligned(line) for line in lines]
    rule = "|" + "|".join("-" * (w + 1) + (":" if n in right else "-") for n, w in enumerate(widths)) + "|"
    return "\n".join([padded[0], rule, *padded[1:]])
