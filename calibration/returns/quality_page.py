"""The page on the quality of the data: what was found in the files of a return, by rule, and what was done about it.

One HTML file that needs nothing else (no script, no font, no network), and a CSV of all findings. Both name file, row,
column and rule; neither has a value of any cell. Counts of rows may be small numbers about children, so the page says
that it stays inside the authority.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import islice
from pathlib import Path

import polars as pl

from abm.errors import CareError
from abm.files import replacing
from calibration.plain_page import page, table
from calibration.returns.findings import Effect, Findings
from calibration.spreadsheets import harmless_frame

PAGE, TABLE = "quality.html", "findings.csv"
_RANGES = 100
_REAL, _SIMULATED = "Made from a return about children.", "Simulated, not a real child."
_KEEP = "Keep it inside the authority: counts can be small numbers. "
_SAID: dict[Effect, str] = {
    "left out": "Not used",
    "mended": "Read as something else",
    "repeated": "Told twice, used once",
    "noted": "Told, nothing changed",
}
_STYLE = """
summary { max-width: 46em; cursor: pointer; padding: 4px 0; min-height: 24px; }
table { width: 100%; }
section td:last-child { min-width: 14em; }
a { color: #1a65a6; }
a, summary { text-underline-offset: 0.1em; }
a:focus-visible, summary:focus-visible { outline: 3px solid var(--focus); box-shadow: 0 0 0 6px var(--ink); }
"""
"""What the page has beside the look of `plain_page`."""


def write_quality_page(
    folder: Path, findings: Findings, about: Mapping[str, str], *, simulated: bool = False
) -> list[Path]:
    """Write `quality.html` and `findings.csv` into a folder, each whole or not at all, and return them.

    Parameters
    ----------
    about
        What is told at the top, as name -> words: the return, the years, how many children. No value of a cell.
    simulated
        Whether the files are a simulated run's.

    Raises
    ------
    CareError
        When they cannot be written.
    """
    paths = [folder / PAGE, folder / TABLE]
    try:
        with replacing(paths[0]) as part:
            part.write_text(quality_page(findings, about, simulated=simulated), encoding="utf-8", newline="\n")
        with replacing(paths[1]) as part:
            harmless_frame(findings.frame()).write_csv(part)
    except OSError as fault:
        raise CareError(
            f"The page on the quality of the data cannot be written: {fault.strerror or fault}",
            str(folder),
            "Free some space, or choose a folder that you can write to.",
        ) from fault
    return paths


def quality_page(findings: Findings, about: Mapping[str, str], *, simulated: bool = False) -> str:
    """Return the page as HTML."""
    counts = findings.counts()
    # What changed the data comes first, and of that what is most.
    effects = list(_SAID)
    order = sorted(counts, key=lambda code: (effects.index(findings.rule(code).effect), -counts[code], code))
    frame = findings.frame()
    by_effect = {
        effect: [n for code, n in counts.items() if findings.rule(code).effect == effect] for effect in effects
    }
    sums = [(escape(_SAID[e]), f"{len(ns):,}", f"{sum(ns):,}") for e, ns in by_effect.items()]
    rows = [
        (f'<a href="#{escape(code)}">{escape(findings.rule(code).sentence)}</a>', _SAID[findings.rule(code).effect],
         f"{counts[code]:,}", escape(findings.rule(code).reference))
        for code in order
    ]  # fmt: skip
    sources = [
        (escape(s.name), escape(s.table or "not used"), str(s.year or ""), f"{s.rows:,}") for s in findings.sources
    ]
    told = "".join(f"<dt><strong>{escape(k)}</strong></dt><dd>{escape(v)}</dd>" for k, v in about.items())
    parts = [
        f'<p class="lead">{len(findings):,} findings by {len(counts)} rules in {len(sources)} files and sheets. '
        f"Nothing was left out without a finding. All of them are in <code>{TABLE}</code> beside this page.</p>",
        f"<dl>{told}</dl>" if told else "",
        "<h2>What was found</h2>",
        table("What findings did to the data", ("What they did", "Rules", "Findings"), sums, numbers=(1, 2)),
        table("Rules that were broken", ("Rule", "What it did", "Findings", "Reference"), rows, numbers=(2,))
        if rows
        else "<p>Nothing.</p>",
    ]
    for code in order:
        parts.append(_section(findings, code, frame.filter(pl.col("rule") == code)))
    head = ("File", "Read as", "Year ending 31 March", "Rows")
    parts += ["<h2>What was read</h2>", table("Files and sheets", head, sources, numbers=(3,))]
    return page(
        "Quality of the data", _SIMULATED if simulated else _REAL, parts, _STYLE,
        more=f"{'' if simulated else _KEEP}It names files, rows and columns, and no value of a cell.",
    )  # fmt: skip


def _section(findings: Findings, code: str, found: pl.DataFrame) -> str:
    rule = findings.rule(code)
    places = found.group_by("file", "column", "what_was_done", maintain_order=True).agg("row")
    rows = [
        (escape(file), escape(column), f"{len(at):,}", escape(action), _ranges(at))
        for file, column, action, at in places.iter_rows()
    ]
    head = ("File", "Column", "Findings", "What was done", "Rows")
    reference = f' <span class="quiet">{escape(rule.reference)}.</span>' if rule.reference else ""
    n = f"{found.height:,} finding{'' if found.height == 1 else 's'}"
    return (
        f'<section id="{escape(code)}"><h3>{escape(rule.sentence)}</h3>\n<p>{escape(rule.action)}{reference} '
        f'<span class="quiet"><code>{escape(code)}</code></span></p>\n'
        f"<details{' open' if len(rows) <= 3 else ''}><summary>{n}: where they stand</summary>\n"
        f"{table(f'Where: {rule.sentence}', head, rows, numbers=(2,))}</details></section>"
    )


def _ranges(rows: Sequence[int | None]) -> str:
    """Return rows as "2, 5-9"; the whole file where there is none."""
    known = sorted({row for row in rows if row is not None})
    if not known:
        return "the whole file"
    spans: list[list[int]] = []
    for row in known:
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    shown = ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in islice(spans, _RANGES))
    if len(spans) <= _RANGES:
        return shown
    left = sum(b - a + 1 for a, b in spans[_RANGES:])
    return f"{shown} and {left:,} more rows, which are in {TABLE}"
