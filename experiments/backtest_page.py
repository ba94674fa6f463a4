"""The page of a backtest: one HTML file that needs nothing else, with a table beside every chart."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import polars as pl

from calibration import plain_page
from calibration.backtest.area import MARKOV
from calibration.backtest.compare import ALL, MODEL_ALONE, OURS, SIMPLE, WITHOUT_MODEL, best_simple, label_of
from calibration.backtest.fits import AHEAD
from calibration.backtest.panel import FIGURES, LABELS
from calibration.backtest.scores import BANDS
from calibration.backtest.views import VIEWS, WORDS
from experiments.backtest_pieces import STYLE, bars, fan, itemised, pair, table

if TYPE_CHECKING:
    from experiments.backtesting import Backtest

TITLE = "Forecasts held against what happened"
BANNER = (
    "Forecasts, not facts. Each was made from figures of years before it, and is held against what was published after "
    "it."
)
AIM, HOLDS = 0.10, (0.75, 0.85)
"""What was aimed at: nearer than the best simple method by this share; 80% intervals that hold so often."""
_SHOWN_AREAS = 12
OTHER_FORECAST = (
    "<p>Runs (<code>journeys run</code>) with draws of the area are made to lie where these figures are forecast, "
    "nearly: flows and stocks of a run add up, and the forecasts here need not. The forecasts here are the ones that "
    "were held against what happened in all authorities; a run is there to see what follows from a change.</p>"
)
FEW = 20
"""With fewer authorities nothing is said of an interval over authorities, nor of what was aimed at over all."""


def backtest_page(made: Backtest, table: str) -> str:
    """Return the page as HTML; `table` is the name of the file of published figures."""
    origins = made.points["origin"].unique().sort().to_list()
    parts = [
        f"<p>{made.areas} {'authority' if made.areas == 1 else 'authorities'}, forecast from 31 March of each year "
        f"from {origins[0]} to {origins[-1]} for one to {AHEAD} years; published figures of <code>{escape(table)}"
        f"</code>. {made.points.filter(pl.col('method') == OURS).height:,} forecasts of ours could be scored.</p>",
        "<h2>In short</h2>",
        itemised(_headline(made)),
        _errors(made),
        _by_figure(made),
        _coverage(made),
        _care(made),
        _late(made),
        _areas(made),
        _how(made),
    ]
    return plain_page.page(TITLE, BANNER, parts, STYLE)


def _headline(made: Backtest) -> list[str]:
    lines = []
    for ahead in range(1, AHEAD + 1):
        row = _row(made.margins["all"], ALL, ahead)
        if row is None:
            continue
        share, low, high = (100 * float(row[name]) for name in ("margin", "low", "high"))  # type: ignore[arg-type]
        best, aimed = escape(str(row["best"])), ahead > 1
        if share > 0:
            told = f"ours is nearer than the best simple method ({best}) by {share:.1f}%"
        else:
            told = (
                f"<strong>a simple method wins: {best} is nearer than ours by {-share:.1f}% of its own error</strong>"
            )
        if made.areas < FEW:
            lines.append(f"{_ahead(ahead)}: {told}.")
            continue
        reached = "" if not aimed else f" The aim of {AIM:.0%} is {'' if share >= 100 * AIM else 'not '}reached."
        lines.append(f"{_ahead(ahead)}: {told} (90% interval over areas: {low:.1f} to {high:.1f}%).{reached}")
    if made.areas < FEW:
        few = "one authority" if made.areas == 1 else f"{made.areas} authorities"
        lines.append(
            f"These are the few forecasts of {few}: much of such a margin is chance, and the best simple method was "
            "chosen after the event. How good the forecasts are is told by all authorities together "
            "('journeys backtest england'; measured in the documentation, 'How good the forecasts are')."
        )
    held = made.points.filter(pl.col("method") == OURS)["inside_80"].mean()
    if isinstance(held, float) and made.areas < FEW:
        lines.append(f"Our 80% intervals held {held:.0%} of what came.")
    elif isinstance(held, float):
        inside = HOLDS[0] <= held <= HOLDS[1]
        lines.append(
            f"Our 80% intervals held {held:.1%} of what came; the aim, {HOLDS[0]:.0%} to {HOLDS[1]:.0%}, is "
            f"{'' if inside else 'not '}reached."
        )
    wins = [
        f"{label_of(f)}, {_ahead(h).lower()} ({r['best']})"
        for f in FIGURES
        for h in range(1, AHEAD + 1)
        if (r := _row(made.margins["all"], f, h)) is not None and float(r["margin"]) <= 0  # type: ignore[arg-type]
    ]
    lines.append(
        "A simple method wins for: " + escape("; ".join(wins)) + "."
        if wins
        else "No simple method wins for any figure."
    )
    if made.areas >= FEW and (even := [told for told, low, high in _margins_of(made) if low < 0 < high]):
        lines.append(
            "Which is nearer may be chance (the interval over areas holds both) for: " + escape("; ".join(even)) + "."
        )
    return lines


def _margins_of(made: Backtest) -> list[tuple[str, float, float]]:
    """Return (figure and years ahead, low, high) of the margins of single figures."""
    rows = ((f, h, _row(made.margins["all"], f, h)) for f in FIGURES for h in range(1, AHEAD + 1))
    return [
        (f"{label_of(f)}, {_ahead(h).lower()}", float(row["low"]), float(row["high"]))  # type: ignore[arg-type]
        for f, h, row in rows
        if row is not None
    ]


def _errors(made: Backtest) -> str:
    frame = made.scores["all"].filter(pl.col("figure") == ALL)
    out = [
        "<h2>How far the middle of a forecast was off</h2>",
        "<p>Mean absolute error in steps: 1 is what the last value is off after one year, on average over the years "
        "before the forecast (MASE). All five figures together; every method has the same points.</p>",
    ]
    for ahead in range(1, AHEAD + 1):
        rows = frame.filter(pl.col("years_ahead") == ahead)
        if rows.is_empty():
            continue
        names, values = rows["method"].to_list(), rows["mase"].to_list()
        best = best_simple(made.scores["all"], ahead)
        told = [
            (escape(m) + (" (best simple)" if m == best else ""), _number(v, 3), _number(w, 3), f"{n:,}")
            for m, v, w, n in rows.select("method", "mase", "wis", "points").iter_rows()
        ]
        head = ("Method", "Error (MASE)", "Weighted interval score", "Points")
        out.append(
            pair(
                bars(f"Error by method, {_ahead(ahead).lower()}", names, values),
                table(f"{_ahead(ahead)}: error and score, in steps; less is better", head, told, names),
            )
        )
    return "\n".join(out)


def _by_figure(made: Backtest) -> str:
    rows, names = [], []
    for figure in FIGURES:
        for ahead in range(1, AHEAD + 1):
            row = _row(made.margins["all"], figure, ahead)
            if row is None:
                continue
            share, low, high = (float(row[k]) for k in ("margin", "low", "high"))  # type: ignore[arg-type]
            rows.append(
                (escape(label_of(figure)), str(ahead), _number(row["ours"], 2), escape(str(row["best"])),
                 _number(row["theirs"], 2), f"{100 * share:+.1f}%", _over(made, low, high),
                 "ours" if share > 0 else "a simple method")
            )  # fmt: skip
            names.append(OURS if share > 0 else "")
    head = (
        "Figure",
        "Years ahead",
        "Our error",
        "Best simple method",
        "Its error",
        "Margin",
        "90% over areas",
        "Nearer",
    )
    margin = [_row(made.margins["all"], f, 2) for f in FIGURES]
    shown = [(label, float(r["margin"])) for label, r in zip(LABELS, margin, strict=True) if r is not None]  # type: ignore[arg-type]
    return (
        "<h2>Figure by figure</h2><p>By how much of its error ours is nearer than the simple method that is best for "
        "that figure and that many years, chosen after the event: a harder test than one method chosen before.</p>"
        + pair(
            bars("Margin two years ahead, in percent", [n for n, _ in shown], [100 * v for _, v in shown], signed=True),
            table("Ours beside the best simple method of each figure", head, rows, names),
        )
    )


def _coverage(made: Backtest) -> str:
    frame = made.scores["all"].filter(pl.col("figure") == ALL)
    rows, names = [], []
    for method in frame["method"].unique(maintain_order=True):
        mine = frame.filter(pl.col("method") == method)
        n = mine["points"].to_numpy()
        cells = [
            f"{100 * float((mine[f'inside_{band}'].to_numpy() * n).sum() / n.sum()):.0f}%" for band in BANDS
        ]  # over the years ahead
        by_year = [f"{100 * v:.0f}%" for v in mine["inside_80"].to_list()]
        rows.append((escape(method), *cells, " / ".join(by_year)))
        names.append(method)
    ours = frame.filter(pl.col("method") == OURS)
    label = [f"{band}%, {h} ahead" for band in BANDS for h in ours["years_ahead"].to_list()]
    value = [100 * v for band in BANDS for v in ours[f"inside_{band}"].to_list()]
    head = ("Method", *(f"{band}% intervals held" for band in BANDS), "80%: one / two / three years")
    return "<h2>Whether intervals held</h2>" + pair(
        bars("How often our intervals held, in percent", label, value, all_ours=True),
        table("Share of what came that lay in the interval", head, rows, names),
    )


def _care(made: Backtest) -> str:
    frame = made.scores["care"].filter(pl.col("figure") == ALL)
    if frame.is_empty():
        return ""
    names = frame["method"].unique(maintain_order=True).to_list()
    cells = {
        (m, h): (e, w, c)
        for m, h, e, w, c in frame.select("method", "years_ahead", "mase", "wis", "inside_80").iter_rows()
    }
    years = sorted({h for _, h in cells})
    rows = [
        (escape(m), *(_number(cells[m, h][0], 2) for h in years), *(f"{100 * cells[m, h][2]:.0f}%" for h in years))
        for m in names
    ]
    head = ("Method", *(f"Error, {h} ahead" for h in years), *(f"80% held, {h} ahead" for h in years))
    middle = [cells[m, 2][0] for m in names if (m, 2) in cells]
    return (
        "<h2>Beside a Markov model of children looked after</h2><p>Authorities forecast with models of age by "
        f"placement and constant daily chances. One was built from published figures ({MARKOV}); it has no plans and "
        "no referrals, so these are the three figures of care. Its intervals are of chance alone.</p>"
        + pair(
            bars("Error two years ahead, three figures of care", names, middle),
            table("Three figures of care: error in steps, and 80% intervals", head, rows, names),
        )
    )


def _late(made: Backtest) -> str:
    frame = made.margins["late"]
    if frame.is_empty():
        return ""
    rows = [
        (
            _ahead(int(h)),
            _number(a, 3),
            escape(str(best)),
            _number(b, 3),
            f"{100 * m:+.1f}%",
            _over(made, lo, hi),
        )
        for h, best, a, b, m, lo, hi in frame.filter(pl.col("figure") == ALL)
        .select("years_ahead", "best", "ours", "theirs", "margin", "low", "high")
        .iter_rows()
    ]
    head = ("Years ahead", "Our error", "Best simple method", "Its error", "Margin", "90% over areas")
    return (
        "<h2>Origins from 2022 alone</h2><p>There the fits begin on 31 March 2020, as all fits of the project do.</p>"
        + table("All five figures, origins from 2022", head, rows, [""] * len(rows))
    )


def _areas(made: Backtest) -> str:
    """Return a chart of what is ahead for each area, if they are few; else where to find it."""
    codes = made.ahead["code"].unique(maintain_order=True).to_list()
    if not codes:
        return ""
    if len(codes) > _SHOWN_AREAS:
        return (
            "<h2>What is ahead</h2><p>Forecasts of every area from its own last year on, with 50, 80 and 90% "
            "intervals, are in <code>forecasts.csv</code> beside this page.</p>" + OTHER_FORECAST
        )
    out = ["<h2>What is ahead</h2>", OTHER_FORECAST]
    for code in codes:
        mine = made.ahead.filter(pl.col("code") == code)
        rows = [
            (escape(label_of(f)), str(y), *(_number(q, 0) for q in (mid, a, b, c, d)))
            for f, y, mid, a, b, c, d in mine.select("figure", "year", "q50", "q25", "q75", "q10", "q90").iter_rows()
        ]
        head = ("Figure", "Year to 31 March", "Middle", "50% from", "to", "80% from", "to")
        stock = mine.filter(pl.col("figure") == FIGURES[0])
        out.append(
            pair(
                fan(f"{mine['area'][0]}: {LABELS[0][0].lower()}{LABELS[0][1:]}", stock),
                table(f"{mine['area'][0]}, from 31 March {mine['origin'][0]} on", head, rows, [""] * len(rows)),
            )
        )
    return "\n".join(out)


def _how(made: Backtest) -> str:
    told = ""
    if made.lessons:
        origin = max(made.lessons)[0]
        rows = [
            (escape(LABELS[figure]), *(f"{w:+.2f}" for w in (*one.blend, *one.plain)), f"{1 - one.plain.sum():+.2f}")
            for (t, figure, ahead), one in sorted(made.lessons.items())
            if t == origin and ahead == min(2, AHEAD)
        ]
        head = ("Figure", *VIEWS, "last value (before blending)")
        told = table(f"Weights at 31 March {origin}, two years ahead", head, rows, [""] * len(rows))
    left = itemised(f"{escape(n)} ({c}): {escape(why)}" for c, n, why in made.left_out)
    source = (
        "from the areas of this run" if made.learnt else "on all authorities, in the table that comes with the project"
    )
    views = itemised(f"<strong>{escape(v)}</strong>: {escape(WORDS[v])}" for v in VIEWS)
    return (
        "<h2>How it was done</h2><p>At each origin every method saw only figures of years to then. Our forecast weighs "
        f"these views; the weights and the spread were learnt {source}, at origins early enough for their outcome to "
        f"be known.</p>{views}<p><em>{escape(OURS)}</em> is all of them, <em>{escape(MODEL_ALONE)}</em> the fast model "
        f"with usual factors, <em>{escape(WITHOUT_MODEL)}</em> the same learning without the model's views. Simple "
        f"methods: {escape(', '.join(SIMPLE))}.</p>{told}"
        + (
            f"<details><summary>Areas whose model could not be fitted at every origin</summary>{left}</details>"
            if made.left_out
            else ""
        )
    )


def _row(frame: pl.DataFrame, figure: str, ahead: int) -> dict[str, object] | None:
    rows = frame.filter((pl.col("figure") == figure) & (pl.col("years_ahead") == ahead))
    return rows.row(0, named=True) if rows.height else None


def _over(made: Backtest, low: float, high: float) -> str:
    return "too few" if made.areas < FEW else f"{100 * low:+.1f} to {100 * high:+.1f}%"


def _ahead(years: int) -> str:
    return ("One year ahead", "Two years ahead", "Three years ahead")[years - 1]


def _number(value: object, digits: int) -> str:
    return f"{float(value):,.{digits}f}" if isinstance(value, int | float) else "not known"
