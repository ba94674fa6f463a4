"""A page that is text, tables and drawings alone: one file, no script, no font, no network, in the look of the report.

Cells and parts are HTML; whoever makes them escapes what came from elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

STYLE = """
:root { --ink: #0b0c0c; --quiet: #505a5f; --line: #b1b4b6; --plum: #801650; --focus: #ffdd00; }
body { margin: 0; color: var(--ink); background: #fff; overflow-wrap: anywhere; font-size: 1.1875rem; line-height: 1.4;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif; }
.wrap { max-width: 1360px; margin: 0 auto; padding: 0 15px; }
@media (min-width: 641px) { .wrap { padding: 0 30px; } }
.banner { background: var(--plum); color: #fff; padding: 10px 0; }
.banner p { margin: 0; }
.lead, section > p, main > p { max-width: 46em; }
.quiet { color: var(--quiet); }
figure { margin: 0 0 20px; }
.scroll { overflow-x: auto; max-width: 100%; margin-bottom: 20px; }
.scroll svg { display: block; width: 100%; min-width: 34rem; max-width: 60rem; height: auto; }
.scroll td, .scroll th { overflow-wrap: normal; }
table { border-collapse: collapse; font-size: 1rem; line-height: 1.35; }
caption { text-align: left; font-weight: 700; margin-bottom: 6px; }
th, td { padding: 7px 14px 7px 0; vertical-align: top; text-align: left; border-bottom: 1px solid var(--line); }
tbody th { font-weight: 400; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.scroll:focus-visible { outline: 3px solid var(--focus); box-shadow: 0 0 0 6px var(--ink); }
@media (forced-colors: active) { .banner { border-bottom: 3px solid CanvasText; } }
@media print { .banner { background: none; color: #000; border: 2pt solid #000; } body { font-size: 11pt; }
  .scroll { overflow: visible; } th, td { font-size: 8pt; } tr, figure { break-inside: avoid; } }
"""


def page(title: str, banner: str, parts: Sequence[str], style: str = "", *, more: str = "") -> str:
    """Return a page: a banner that stands above all, the title, and parts of HTML; `style` is added.

    The banner is plain text; `more` follows in it, less loud.
    """
    rest = f" {escape(more)}" if more else ""
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>",
            f'<header class="banner"><div class="wrap"><p><strong>{escape(banner)}</strong>{rest}</p></div></header>',
            f'<main class="wrap">\n<h1>{escape(title)}</h1>',
            *(part for part in parts if part),
            "</main>\n</body>\n</html>\n",
        ]
    )


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Return a table that scrolls in its own box; cells are HTML, columns `numbers` stand to the right."""

    def mark(column: int) -> str:
        return ' class="n"' if column in numbers else ""

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
