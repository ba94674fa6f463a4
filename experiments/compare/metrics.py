"""Measures of how near a model comes to published figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]
OF_RUNS: Literal["weibull"] = "weibull"
"""How numpy takes quantiles over runs: so that one more run lies between the 5% and the 95% quantile nine times in ten.
Its default would have it there eight times in ten with 20 runs, and runs with draws stand for what is not known."""
BANDS = (50, 80, 90)
"""Central bands over runs of which the coverage is told, in percent."""
SCORED = 90
"""The band that the interval score is of."""

_COLUMNS = (
    "bias", "rmse", "nrmse", "mase", "theil_bias", "theil_variance", "theil_covariance", "correlation",
    *(f"coverage{band}" for band in BANDS), f"interval_score{SCORED}", "monte_carlo_error",
)  # fmt: skip


class Named(Protocol):
    """A figure with a key and a label."""

    @property
    def key(self) -> str:
        """Its name."""

    @property
    def label(self) -> str:
        """What people read."""


def metrics_frame(
    figures: Iterable[Named],
    years: tuple[int, ...],
    points: Mapping[str, Mapping[int, float]],
    runs: Mapping[str, Array],
    system: Mapping[str, Array],
    compared: tuple[int, ...],
) -> pl.DataFrame:
    """Return the measures of each figure for sd and for abm (its median), over the years that are published.

    Columns: figure, label, series, years (how many), and those of `measures`; for abm also coverage50, 80 and 90 (share
    of published points inside the band), interval_score90, and monte_carlo_error (standard error of the mean over runs
    of the mean over years). What cannot be told is null.
    """
    rows: list[dict[str, object]] = []
    for figure in figures:
        known = points.get(figure.key, {})
        there = [(place, year) for place, year in enumerate(years) if year in known and year in compared]
        if figure.key in runs:
            there = [(place, year) for place, year in there if np.isfinite(runs[figure.key][:, place]).all()]
        if not there:
            continue
        places = [place for place, _ in there]
        published = np.array([known[year] for _, year in there])
        scale = naive_error(known, [year for _, year in there])
        told = {"figure": figure.key, "label": figure.label, "years": len(there)}
        if figure.key in system:
            rows.append({**told, "series": "sd", **measures(published, system[figure.key][places], scale)})
        if figure.key in runs:
            mine = runs[figure.key][:, places]
            measured = measures(published, np.median(mine, axis=0), scale)
            rows.append({**told, "series": "abm", **measured, **band_measures(published, mine)})
    kinds = {"figure": pl.String, "label": pl.String, "series": pl.String, "years": pl.Int32}
    return pl.DataFrame(rows, schema=kinds | dict.fromkeys(_COLUMNS, pl.Float64), orient="row")


def naive_error(known: Mapping[int, float], years: list[int]) -> float:
    """Return the mean absolute error of carrying the figure of the year before on, over these years; 0 if unknown."""
    steps = [abs(known[year] - known[year - 1]) for year in years if year - 1 in known]
    return float(np.mean(steps)) if steps else 0.0


def measures(published: Array, model: Array, naive: float) -> dict[str, float | None]:
    """Return bias, rmse, nrmse, mase, Theil's three shares of the squared error, and the correlation.

    published, model  float64[years]
    naive             what mase divides by: the mean absolute error of carrying last year's figure on

    nrmse is rmse over the published mean. Theil's shares say how much of the squared error comes from a wrong mean
    (bias), a wrong spread (variance) and moving at the wrong times (covariance); they add up to 1. With a constant
    series the correlation is null and counts as 0.
    Source: Theil (1966), Applied Economic Forecasting; Hyndman and Koehler (2006), Int J Forecasting 22, for mase.
    """
    error = model - published
    square = float((error**2).mean())
    sd_model, sd_published = float(model.std()), float(published.std())
    both = sd_model * sd_published
    covariance = float(((model - model.mean()) * (published - published.mean())).mean())
    theil: tuple[float | None, ...] = (None, None, None)
    if square > 0:
        theil = (
            float(error.mean()) ** 2 / square,
            (sd_model - sd_published) ** 2 / square,
            2 * (both - covariance) / square,
        )
    mean = float(published.mean())
    return {
        "bias": float(error.mean()),
        "rmse": square**0.5,
        "nrmse": square**0.5 / mean if mean > 0 else None,
        "mase": float(np.abs(error).mean()) / naive if naive > 0 else None,
        "theil_bias": theil[0],
        "theil_variance": theil[1],
        "theil_covariance": theil[2],
        "correlation": covariance / both if both > 0 else None,
    }


def band_measures(published: Array, runs: Array) -> dict[str, float | None]:
    """Return the coverage of the bands, the interval score and the Monte Carlo error.

    published  float64[years]
    runs       float64[runs, years]

    The interval score is the width of the band plus, for a point outside, 2/alpha times its distance; less is better.
    Source: Gneiting and Raftery (2007), J Am Stat Assoc 102.
    """
    out: dict[str, float | None] = {}
    for band in BANDS:
        alpha = 1 - band / 100
        low, high = np.quantile(runs, [alpha / 2, 1 - alpha / 2], axis=0, method=OF_RUNS)
        out[f"coverage{band}"] = float(((published >= low) & (published <= high)).mean())
        if band == SCORED:
            outside = np.maximum(low - published, 0) + np.maximum(published - high, 0)
            out[f"interval_score{band}"] = float((high - low + 2 / alpha * outside).mean())
    means = runs.mean(axis=1)
    out["monte_carlo_error"] = float(means.std(ddof=1) / len(means) ** 0.5) if len(means) > 1 else None
    return out
