"""Pieces of the backtest's page: its look, tables, bars and fans. Every chart goes with a table of its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import polars as pl

from calibration import plain_page
from calibration.backtest.compare import OURS

STYLE = """
li { max-width: 46em; }
.pair { display: flex; flex-wrap: wrap; gap: 20px 40px; align-items: flex-start; margin-bottom: 20px; }
.pair > * { flex: 1 1 340px; min-width: 0; }
.pair > .scroll { flex: 1 1 620px; }
.pair svg { width: 100%; height: auto; max-width: 560px; }
tbody th { min-width: 9em; }
svg text { font-size: 13px; fill: var(--ink); }
.bar { fill: #7a8790; } .bar.ours { fill: var(--plum); } .axis { stroke: var(--ink); } .rule { stroke: var(--line); }
.band { fill: #801650; fill-opacity: .22; } .mid { stroke: var(--plum); stroke-width: 2; fill: none; }
summary { cursor: pointer; padding: 4px 0; min-height: 24px; }
summary:focus-visible { outline: 3px solid var(--focus); box-shadow: 0 0 0 6px var(--ink); }
@media (forced-colors: active) { .bar, .band { fill: CanvasText; } }
"""
"""What the page has beside the look of `plain_page`."""


def itemised(lines: Iterable[str]) -> str:
    """Return a list."""
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def pair(chart: str, table: str) -> str:
    """Return a chart and its table side by side, where there is room."""
    return f'<div class="pair">{chart}{table}</div>'


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], names: Sequence[str]) -> str:
    """Return a table, all columns but the first numbers; a row named OURS is set in bold."""
    told = [
        [f"<strong>{cell}</strong>" for cell in row] if name == OURS else row
        for row, name in zip(rows, names, strict=True)
    ]
    return plain_page.table(caption, head, told, numbers=range(1, len(head)))


def bars(
    title: str, names: Sequence[str], values: Sequence[float], *, signed: bool = False, all_ours: bool = False
) -> str:
    """Return a bar chart as SVG; the table beside it has its numbers."""
    left, width, row = 200, 250, 24
    most = max((abs(v) for v in values), default=1.0) or 1.0
    zero = left + (width / 2 if signed and min(values, default=0) < 0 else 0)
    unit = (left + width - zero) / most
    lines = []
    for k, (name, value) in enumerate(zip(names, values, strict=True)):
        y, x = 8 + k * row, min(zero, zero + unit * value)
        kind = "bar ours" if name == OURS or signed or all_ours else "bar"
        end = zero + unit * value
        anchor, at = ("start", end + 5) if value >= 0 else ("end", end - 5)
        lines.append(
            f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="{abs(unit * value):.1f}" height="{row - 7}"/>'
            f'<text x="{at:.1f}" y="{y + 13}" text-anchor="{anchor}">{value:.{1 if signed or all_ours else 2}f}</text>'
        )
    height = 16 + row * len(names)
    axis = f'<line class="axis" x1="{zero}" x2="{zero}" y1="4" y2="{height - 4}"/>'
    return (
        f'<figure><svg viewBox="0 0 520 {height}" role="img" aria-label="{escape(title)}: see the table">'
        f"{''.join(lines)}{axis}</svg><figcaption>{escape(title)}</figcaption></figure>"
    )


def fan(title: str, frame: pl.DataFrame) -> str:
    """Return the middle and the 50 and 80% intervals ahead as SVG."""
    told = frame.select("year", "q10", "q25", "q50", "q75", "q90").drop_nulls().rows()
    if not told:
        return ""
    low, high = float(min(r[1] for r in told)), float(max(r[5] for r in told))
    span = max(high - low, 1.0)
    x = {r[0]: 80 + 360 * k / max(len(told) - 1, 1) for k, r in enumerate(told)}

    def y(value: float) -> float:
        return 190 - 170 * (value - low) / span

    def area(a: int, b: int) -> str:
        points = [(x[r[0]], y(r[b])) for r in told] + [(x[r[0]], y(r[a])) for r in reversed(told)]
        return " ".join(f"{px:.1f},{py:.1f}" for px, py in points)

    line = " ".join(f"{x[r[0]]:.1f},{y(r[3]):.1f}" for r in told)
    words = "".join(f'<text x="{x[r[0]]:.1f}" y="215" text-anchor="middle">{r[0]}</text>' for r in told)
    ticks = "".join(
        f'<text x="66" y="{y(v) + 4:.1f}" text-anchor="end">{v:,.0f}</text>'
        f'<line class="rule" x1="72" x2="450" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
        for v in (low, (low + high) / 2, high)
    )
    return (
        f'<figure><svg viewBox="0 0 520 225" role="img" aria-label="{escape(title)}: see the table">{ticks}'
        f'<polygon class="band" points="{area(1, 5)}"/><polygon class="band" points="{area(2, 4)}"/>'
        f'<polyline class="mid" points="{line}"/>{words}</svg><figcaption>{escape(title)}: middle, 50% and 80% '
        "intervals</figcaption></figure>"
    )
