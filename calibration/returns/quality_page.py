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
from calibration.returns.findings import Effect, Findings

PAGE, TABLE = "quality.html", "findings.csv"
_RANGES = 100
_SAID: dict[Effect, str] = {
    "left out": "Not used",
    "mended": "Read as something else",
    "repeated": "Told twice, used once",
    "noted": "Told, nothing changed",
}
_STYLE = """
:root { --ink: #0b0c0c; --quiet: #505a5f; --line: #b1b4b6; --pale: #f3f2f1; --plum: #801650; --focus: #ffdd00; }
body { margin: 0; color: var(--ink); background: #fff; overflow-wrap: anywhere; font-size: 1.1875rem; line-height: 1.4;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif; }
.wrap { max-width: 1360px; margin: 0 auto; padding: 0 15px; }
@media (min-width: 641px) { .wrap { padding: 0 30px; } }
.banner { background: var(--plum); color: #fff; padding: 10px 0; }
.banner p { margin: 0; }
.lead, section > p, summary { max-width: 46em; }
.quiet { color: var(--quiet); }
.scroll { overflow-x: auto; max-width: 100%; margin-bottom: 20px; }
.scroll td, .scroll th { overflow-wrap: normal; }
table { border-collapse: collapse; width: 100%; font-size: 1rem; line-height: 1.35; }
caption { text-align: left; font-weight: 700; margin-bottom: 6px; }
th, td { padding: 7px 14px 7px 0; vertical-align: top; text-align: left; border-bottom: 1px solid var(--line); }
tbody th { font-weight: 400; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.rows { min-width: 14em; }
summary { cursor: pointer; padding: 4px 0; min-height: 24px; }
a { color: #1a65a6; }
a, summary { text-underline-offset: 0.1em; }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 3px solid var(--focus);
  box-shadow: 0 0 0 6px var(--ink); }
@media (forced-colors: active) { .banner { border-bottom: 3px solid CanvasText; } }
@media print { .banner { background: none; color: #000; border: 2pt solid #000; } body { font-size: 11pt; }
  .scroll { overflow: visible; } th, td { font-size: 8pt; } tr { break-inside: avoid; } }
"""


def write_quality_page(folder: Path, findings: Findings, about: Mapping[str, str]) -> list[Path]:
    """Write `quality.html` and `findings.csv` into a folder, each whole or not at all, and return them.

    Parameters
    ----------
    about
        What is told at the top, as name -> words: the return, the years, how many children. No value of a cell.

    Raises
    ------
    CareError
        When they cannot be written.
    """
    paths = [folder / PAGE, folder / TABLE]
    try:
        with replacing(paths[0]) as part:
            part.write_text(quality_page(findings, about), encoding="utf-8", newline="\n")
        with replacing(paths[1]) as part:
            _harmless(findings.frame()).write_csv(part)
    except OSError as fault:
        raise CareError(
            f"The page on the quality of the data cannot be written: {fault.strerror or fault}",
            str(folder),
            "Free some space, or choose a folder that you can write to.",
        ) from fault
    return paths


def _harmless(frame: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before what a spreadsheet would take for a formula."""
    return frame.with_columns(pl.col(pl.String).str.replace(r"^([=+\-@\t\r])", "'$1"))


def quality_page(findings: Findings, about: Mapping[str, str]) -> str:
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
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>Quality of the data</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
        '<header class="banner"><div class="wrap"><p><strong>Made from a return about children.</strong> Keep it '
        "inside the authority: counts can be small numbers. It names files, rows and columns, and no value of a cell.",
        "</p></div></header>",
        '<main class="wrap">\n<h1>Quality of the data</h1>',
        f'<p class="lead">{len(findings):,} findings by {len(counts)} rules in {len(sources)} files and sheets. '
        f"Nothing was left out without a finding. All of them are in <code>{TABLE}</code> beside this page.</p>",
        f"<dl>{told}</dl>" if told else "",
        "<h2>What was found</h2>",
        _table("What findings did to the data", ("What they did", "Rules", "Findings"), sums, right=(1, 2)),
        _table("Rules that were broken", ("Rule", "What it did", "Findings", "Reference"), rows, right=(2,))
        if rows
        else "<p>Nothing.</p>",
    ]
    for code in order:
        parts.append(_section(findings, code, frame.filter(pl.col("rule") == code)))
    head = ("File", "Read as", "Year ending 31 March", "Rows")
    parts += ["<h2>What was read</h2>", _table("Files and sheets", head, sources, right=(3,))]
    parts.append("</main>\n</body>\n</html>\n")
    return "\n".join(part for part in parts if part)


def _section(findings: Findings, code: str, found: pl.DataFrame) -> str:
    rule = findings.rule(code)
    places = found.group_by("file", "column", "what_was_done", maintain_order=True).agg("row")
    rows = [
        (escape(file), escape(column), f"{len(at):,}", escape(action), _ranges(at))
        for file, column, action, at in places.iter_rows()
    ]
    head = ("File", "Column", "Findings", "What was done", "Rows")
    reference = f' <span class="quiet">{escape(rule.reference)}.</span>' if rule.reference else ""
    return (
        f'<section id="{escape(code)}"><h3>{escape(rule.sentence)}</h3>\n<p>{escape(rule.action)}{reference} '
        f'<span class="quiet"><code>{escape(code)}</code></span></p>\n'
        f"<details{' open' if len(rows) <= 3 else ''}><summary>{found.height:,} findings: where they stand</summary>\n"
        f"{_table(f'Where: {rule.sentence}', head, rows, right=(2,))}</details></section>"
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


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Return a table that scrolls in its own box; cells are HTML."""

    def mark(column: int) -> str:
        number = ' class="n"' if column in right else ""
        return number or (' class="rows"' if head[column] == "Rows" and column not in right else "")

    top = "".join(f'<th scope="col"{mark(i)}>{escape(name)}</th>' for i, name in enumerate(head))
    lines = [
        f'<tr><th scope="row">{cells[0]}</th>{"".join(f"<td{mark(i)}>{c}</td>" for i, c in enumerate(cells) if i)}</tr>'
        for cells in rows
    ]
    label = escape(caption)
    return (
        f'<div class="scroll" role="region" aria-label="{label}" tabindex="0"><table><caption>{label}</caption>'
        f"<thead><tr>{top}</tr></thead>\n<tbody>{''.join(lines)}</tbody></table></div>"
    )
