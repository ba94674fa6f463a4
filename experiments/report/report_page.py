"""The report page: published figures beside the system dynamics line and the agent-based bands, and what misses."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl

from experiments.report.payload import need_columns, pack, write_page

FIGURES = ("figure", "label", "unit", "year", "series", "statistic", "value")
RESIDUALS = (
    "figure", "label", "unit", "year", "published", "sd", "abm", "sd_residual", "abm_residual", "required", "held",
)  # fmt: skip
FORECAST = "forecast_figures"
FIT_END, FORECAST_FIT_END, TOLERANCE = 2025, 2023, 0.10
_ASSUMED = ("name", "value", "unit", "low", "high", "status", "source")
_OWN_PLACE = {"area", "headline", "missed", "assumed", "tables", "fit_end", "forecast_fit_end", "tolerance", "few_runs"}


def write_report_page(
    path: Path,
    *,
    figures: pl.DataFrame,
    residuals: pl.DataFrame,
    metrics: pl.DataFrame,
    tables: dict[str, pl.DataFrame],
    about: dict[str, Any],
    system: dict[str, Any] | None = None,
) -> None:
    """Write the report: a chart and a table for each figure, residuals, measures of fit, tables, assumed numbers.

    Parameters
    ----------
    path
        The file to write; it is written wholly or not at all.
    figures, residuals
        The comparison, with the columns FIGURES and RESIDUALS; year 0 of the residuals is the five-year mean.
    metrics
        figure, series and any numbers, shown as a table.
    tables
        Further tables to show; one named "forecast_figures" has the columns FIGURES and becomes charts.
    about
        area, headline, missed (sentences), assumed (name, value, unit, low, high, status, source), tables (title and
        caption by name); optional fit_end, forecast_fit_end (years) and tolerance (a share). Any other text or number
        is listed as a fact about the run.
    system
        What is shown of the mechanisms that are on, from `experiments.compare.switched`; None if none are.

    Errors
    ------
    CareError
        For a missing column, a page that is not built, or a file that cannot be written.
    """
    need_columns(figures, "figures", FIGURES)
    need_columns(residuals, "residuals", RESIDUALS)
    forecast = tables.get(FORECAST)
    if forecast is not None:
        need_columns(forecast, "forecast figures", FIGURES)
    labels = dict(figures.select("figure", "label").unique(maintain_order=True).iter_rows())
    told = about.get("tables", {})
    header = {
        "about": _about(about, residuals),
        "figures": frame_of(figures.select(FIGURES)),
        "forecast": None if forecast is None else frame_of(forecast.select(FIGURES)),
        "residuals": frame_of(residuals.select(RESIDUALS)),
        "metrics": frame_of(_labelled(metrics, labels)),
        "system": system,
        "tables": [
            {
                "key": name,
                "title": str(told.get(name, {}).get("title", _title(name))),
                "caption": str(told.get(name, {}).get("caption", _title(name))),
                "frame": frame_of(_labelled(frame, labels)),
            }
            for name, frame in tables.items()
            if name != FORECAST
        ],
    }
    write_page(path, "report.html", pack(header))


def frame_of(frame: pl.DataFrame) -> dict[str, Any]:
    """Return a frame as column names and rows that JSON can hold; what is not a number or text becomes text."""
    return {"columns": frame.columns, "rows": [[_cell(value) for value in row] for row in frame.iter_rows()]}


def _cell(value: object) -> str | float | bool | None:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def _labelled(frame: pl.DataFrame, labels: dict[str, str]) -> pl.DataFrame:
    """Return the frame with figures by their label instead of their key."""
    if "figure" not in frame.columns:
        return frame
    named = frame.with_columns(pl.col("figure").cast(pl.String).replace(labels))
    return named.drop("label") if "label" in frame.columns else named


def _missed(residuals: pl.DataFrame) -> list[str]:
    """Return a sentence for each required figure whose mean over the published years is not held."""
    rows = residuals.filter((pl.col("year") == 0) & pl.col("required") & ~pl.col("held"))
    return [
        f"{label}: the mean of the SD is {_apart(sd)} and of the ABM {_apart(abm)} the published one."
        for label, sd, abm in rows.select("label", "sd_residual", "abm_residual").iter_rows()
    ]


def _apart(share: float | None) -> str:
    if share is None or not math.isfinite(share):
        return "at an unknown distance from"
    if abs(share) < 0.0005:
        return "equal to"
    return f"{abs(share) * 100:.1f}% {'above' if share > 0 else 'below'}"


def _title(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _about(about: dict[str, Any], residuals: pl.DataFrame) -> dict[str, Any]:
    facts = [
        (_title(name), str(value))
        for name, value in about.items()
        if name not in _OWN_PLACE and isinstance(value, str | int | float)
    ]
    return {
        "area": str(about["area"]),
        "fit_end": int(about.get("fit_end", FIT_END)),
        "forecast_fit_end": int(about.get("forecast_fit_end", FORECAST_FIT_END)),
        "tolerance": float(about.get("tolerance", TOLERANCE)),
        "few_runs": int(about.get("few_runs", 0)),
        "headline": [str(line) for line in about.get("headline", [])],
        "missed": [str(line) for line in about.get("missed") or _missed(residuals)],
        "assumed": [{name: _cell(row.get(name)) for name in _ASSUMED} for row in about.get("assumed", [])],
        "facts": facts,
    }
