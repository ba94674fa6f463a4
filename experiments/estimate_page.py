"""The page of survival curves: for each kind of stay a chart and, beside it, the same as a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import polars as pl

from calibration.estimate_curves import STILL
from calibration.estimate_spells import CURVES
from calibration.plain_page import page, table
from experiments.report.drawing import drawing

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 340, 56, 250, 14, 40
LOOK = (
    ("#801650", ""), ("#12436D", "9 4"), ("#1d7d75", "2 3"), ("#c2440e", "12 4 2 4"), ("#3d3d3d", "5 5"),
    ("#7a5bb0", "1 4"), ("#505a5f", "14 6"),
)  # fmt: skip
"""Colour and dashes of the lines, the share that is still there first: told apart without colour too."""
BAND = "#efe1e8"
TOLD_AT = (2, 4, 8, 13, 26, 39, 52, 78, 104, 156, 208, 260, 312, 416, 520, 728)
"""Weeks at which the tables tell the curves."""
LONGEST = {"in_assessment": 26, "on_need_plan": 156, "on_protection_plan": 208, "to_referral_again": 312,
           "to_return_to_care": 312, "to_return_after_order": 520, "in_care": 728}  # fmt: skip
"""Weeks to which a chart is drawn; the CSV has all."""
CLOSE = 0.02
"""Where two steps are no further apart, the earlier one tells the share between them."""
LABELS = {curve.key: curve.label for curve in CURVES}


def curves_page(
    curves: pl.DataFrame, title: str, banner: str, about: Sequence[str], *, nothing_yet: str = "none",
    hidden: bool = False,
) -> str:  # fmt: skip
    """Return the page of the curves of `calibration.estimate_curves.curves`.

    Parameters
    ----------
    about
        Sentences that stand first.
    nothing_yet
        What a cell says of a way in which nobody is shown to have left so far.
    hidden
        Whether lines have a step only after several events: then the share at a week lies between two steps.
    """
    parts = [f'<p class="lead">{escape(line)}</p>' for line in about]
    for key in curves["curve"].unique(maintain_order=True):
        parts.append(_section(key, curves.filter(pl.col("curve") == key), nothing_yet, hidden))
    if not curves.height:
        parts.append("<p>There is no curve: too few children were watched in any of these states.</p>")
    return page(title, banner, parts)


def _section(key: str, frame: pl.DataFrame, nothing_yet: str, hidden: bool) -> str:
    label = LABELS.get(key, key.replace("_", " "))
    shown = frame.filter(pl.col("week") <= LONGEST.get(key, frame["week"].max()))
    names = [STILL, *(s for s in shown["series"].unique(maintain_order=True) if s != STILL)]
    words = _words(label, shown, names)
    chart = chart_of(key, label, shown, names, words, hidden=hidden)
    drawing(chart)  # nothing that runs, loads or links
    figure = f'<div class="scroll" role="region" aria-label="{escape(label)}: chart" tabindex="0">{chart}</div>'
    told = _table(label, shown, names, nothing_yet, hidden)
    return f"<section><h2>{escape(label)}</h2>\n<figure>{figure}</figure>\n{told}</section>"


def _words(label: str, frame: pl.DataFrame, names: Sequence[str]) -> str:
    last = int(frame["week"].max() or 0)  # type: ignore[arg-type]
    there = ((name, _at(frame, name, last)) for name in names)
    parts = [f"{_percent(row[0])} {name}" for name, row in there if row is not None]
    return f"{label}: after {_time(last)}, " + ", ".join(parts) + ". The table below has the same."


def chart_of(
    key: str, label: str, frame: pl.DataFrame, names: Sequence[str], words: str, *, hidden: bool = False
) -> str:  # fmt: skip
    """Return the curves as an SVG with no more in it than `experiments.report.drawing` lets into a page.

    Where small numbers are hidden lines are straight between two steps: that nobody left in between is not so.
    """
    joined = _straight if hidden else _steps
    last = max(int(frame["week"].max() or 1), 1)  # type: ignore[arg-type]

    def x(week: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * week / last

    def y(share: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="{key}-title {key}-words" font-family="system-ui, sans-serif" font-size="14">',
        f'<title id="{key}-title">{escape(label)}</title><desc id="{key}-words">{escape(words)}</desc>',
        f'<rect x="0" y="0" width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    still = frame.filter(pl.col("series") == STILL)
    if still.height > 1:
        upper = [(x(w), y(h)) for w, h in still.select("week", "high").iter_rows()]
        lower = [(x(w), y(low)) for w, low in still.select("week", "low").iter_rows()]
        back = f"L{lower[-1][0]:.1f} {lower[-1][1]:.1f}" + "".join(
            f"L{after[0]:.1f} {after[1]:.1f}" if hidden else f"V{after[1]:.1f}H{after[0]:.1f}"
            for after in reversed(lower[:-1])
        )
        out.append(f'<path d="{joined(upper)}{back}Z" fill="{BAND}"/>')
    for share in (0, 0.25, 0.5, 0.75, 1):
        out.append(f'<path d="M{LEFT} {y(share):.1f}H{x(last):.1f}" stroke="#dcdfe1" fill="none"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(share) + 5:.1f}" text-anchor="end" fill="#0b0c0c">{share:.0%}</text>')
    for week in _ticks(last):
        out.append(f'<path d="M{x(week):.1f} {y(0):.1f}v5" stroke="#505a5f" fill="none"/>')
        time = escape(_time(week))
        out.append(f'<text x="{x(week):.1f}" y="{HEIGHT - 14}" text-anchor="middle" fill="#0b0c0c">{time}</text>')
    ends = []
    for place, name in enumerate(names):
        points = [(x(w), y(s)) for w, s in frame.filter(series=name).select("week", "share").iter_rows()]
        if not points:
            continue
        colour, dashes = LOOK[place % len(LOOK)]
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        path = f"{joined(points)}H{x(last):.1f}"
        out.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2.5"{dashed}/>')
        ends.append((points[-1][1], name, colour, dashed))
    for (end, name, colour, dashed), at in zip(sorted(ends), _apart(sorted(e[0] for e in ends)), strict=True):
        from_x = x(last) + 4
        out.append(f'<path d="M{from_x:.1f} {end:.1f}L{from_x + 14:.1f} {at:.1f}" stroke="#505a5f" fill="none"/>')
        line = f"M{from_x + 18:.1f} {at:.1f}h26"
        out.append(f'<path d="{line}" fill="none" stroke="{colour}" stroke-width="2.5"{dashed}/>')
        out.append(f'<text x="{from_x + 50:.1f}" y="{at + 5:.1f}" fill="#0b0c0c">{escape(name)}</text>')
    return "\n".join([*out, "</svg>"])


def _steps(points: Sequence[tuple[float, float]]) -> str:
    first, *rest = points
    return f"M{first[0]:.1f} {first[1]:.1f}" + "".join(f"H{px:.1f}V{py:.1f}" for px, py in rest)


def _straight(points: Sequence[tuple[float, float]]) -> str:
    first, *rest = points
    return f"M{first[0]:.1f} {first[1]:.1f}" + "".join(f"L{px:.1f} {py:.1f}" for px, py in rest)


def _apart(at: Sequence[float], least: float = 18.0) -> list[float]:
    """Return places in the same order that are `least` apart and inside the chart, near those given."""
    out: list[float] = []
    for place in at:
        out.append(max(place, out[-1] + least) if out else place)
    room = float(HEIGHT - BOTTOM)
    for i in range(len(out) - 1, -1, -1):
        out[i] = min(out[i], room)
        room = out[i] - least
    return out


def _ticks(last: int) -> list[int]:
    step = next(s for s in (2, 4, 13, 26, 52, 104, 208, 10_000) if last / s <= 8)
    return list(range(0, last + 1, step))


def _time(week: int) -> str:
    """Return a number of weeks in words: weeks, months or years."""
    if week == 0:
        return "0"
    if week % 52 == 0:
        years = week // 52
        return f"{years} year{'s' if years > 1 else ''}"
    if week % 13 == 0 and week < 104:
        return f"{week // 13 * 3} months"
    if week % 26 == 0:
        return f"{week / 52:g} years"
    return f"{week} week{'s' if week > 1 else ''}"


def _at(frame: pl.DataFrame, name: str, week: int) -> tuple[float, float, float, int] | None:
    """Return (share, low, high, at risk) of a series at a week, or None before its first row."""
    rows = frame.filter((pl.col("series") == name) & (pl.col("week") <= week))
    return rows.select("share", "low", "high", "at_risk").row(-1) if rows.height else None


def _table(label: str, frame: pl.DataFrame, names: Sequence[str], nothing_yet: str, hidden: bool) -> str:
    last = int(frame["week"].max() or 0)  # type: ignore[arg-type]
    rows = []
    told = [w for w in TOLD_AT if w <= last]
    for week in told if told and last < 1.2 * told[-1] else [*told, last]:
        now = _at(frame, STILL, week)
        if now is None:
            continue
        cells = [_time(week).replace(" ", "&nbsp;"), _cell(frame, STILL, week, now, hidden)]
        for name in names[1:]:
            there = _at(frame, name, week)
            if there is None or there[0] == 0:
                cells.append(escape(nothing_yet))
            else:
                cells.append(_cell(frame, name, week, there, hidden))
        rows.append([*cells, f"{now[3]:,}"])
    head = ["After", *names, "Children at risk"]
    return table(f"{label}: share of children, with 95% intervals", head, rows, numbers=range(1, len(head)))


def _cell(frame: pl.DataFrame, name: str, week: int, row: tuple[float, float, float, int], hidden: bool) -> str:
    """Return what is known of a share at a week: where small numbers are hidden, that it lies between two steps."""
    told = frame.filter(pl.col("series") == name)
    weeks, shares = told["week"].to_list(), told["share"].to_list()
    last = sum(w <= week for w in weeks) - 1
    if not hidden or weeks[last] == week:
        return _interval(row)
    if last + 1 < len(weeks):
        low, high = sorted((row[0], shares[last + 1]))
        return _interval(row) if high - low <= CLOSE else f"between {_percent(low)} and {_percent(high)}"
    if last and abs(shares[last] - shares[last - 1]) <= CLOSE:
        return _interval(row)
    return f"{'at most' if name == STILL else 'at least'} {_percent(row[0])}"


def _interval(row: tuple[float, float, float, int]) -> str:
    return f"{_percent(row[0])} ({_percent(row[1])} to {_percent(row[2])})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"
