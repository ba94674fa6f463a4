"""Every method's forecasts at every origin as one table, and how they did.

Only points that all compared methods have are compared: an area, a figure, an origin and a year that was published.
The age-by-placement Markov model has no plans and no referrals, so it is compared over the three figures of care.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.draws import choice
from calibration.backtest import scores
from calibration.backtest.area import MARKOV, OTHERS
from calibration.backtest.fits import AHEAD
from calibration.backtest.panel import FIGURES, LABELS, Panel
from calibration.backtest.scores import BANDS, LEVELS
from calibration.backtest.simple import METHODS

Array = NDArray[np.float64]
OURS, MODEL_ALONE, WITHOUT_MODEL = "journeys", "fast model alone", "without the model"
SIMPLE = tuple(METHODS)
CARE = FIGURES[:3]
SAMPLES, SEED = 2000, 1
COLUMNS = tuple(f"q{round(100 * level):02d}" for level in LEVELS)
ALL = "all"


def points_of(panel: Panel, origin: int, forecasts: Mapping[str, Array]) -> pl.DataFrame:
    """Return the forecasts of one origin as rows: area, figure, year, method, quantiles, what was published, the step.

    forecasts  method -> float64[areas, figures, AHEAD, LEVELS]; NaN where a method has none
    """
    step = scores.step_of(panel.known_at(origin).values)
    n, figures = len(panel.codes), len(FIGURES)
    area, figure, ahead = (x.ravel() for x in np.meshgrid(*map(np.arange, (n, figures, AHEAD)), indexing="ij"))
    truth = np.stack([panel.at(origin + h) for h in range(1, AHEAD + 1)], axis=2).ravel()
    base = pl.DataFrame(
        {
            "code": np.array(panel.codes)[area],
            "area": np.array(panel.names)[area],
            "origin": np.full(area.size, origin),
            "figure": np.array(FIGURES)[figure],
            "years_ahead": ahead + 1,
            "year": origin + ahead + 1,
            "published": truth,
            "step": step[area, figure],
        }
    )
    parts = []
    for method, told in forecasts.items():
        flat = told.reshape(-1, len(LEVELS))
        columns = {name: flat[:, k] for k, name in enumerate(COLUMNS)}
        parts.append(base.with_columns(pl.lit(method).alias("method"), **{k: pl.Series(v) for k, v in columns.items()}))
    frame = pl.concat(parts).with_columns(pl.col(pl.Float64).fill_nan(None))
    return frame.filter(pl.col("q50").is_not_null())


def scored(points: pl.DataFrame) -> pl.DataFrame:
    """Return the points that were published since, with each score in steps of the area, and whether intervals held."""
    points = points.filter(pl.col("published").is_not_null() & pl.col("step").is_not_null())
    quantiles = points.select(COLUMNS).to_numpy()
    truth, step = points["published"].to_numpy(), points["step"].to_numpy()
    held = {f"inside_{b}": scores.inside(quantiles, truth, b) for b in BANDS}
    return points.with_columns(
        error=pl.Series(scores.absolute_error(quantiles, truth) / step),
        wis=pl.Series(scores.weighted_interval_score(quantiles, truth) / step),
        interval_score_80=pl.Series(scores.interval_score(quantiles, truth, 80) / step),
        **{name: pl.Series(values) for name, values in held.items()},
    )


def common(points: pl.DataFrame, methods: Sequence[str]) -> pl.DataFrame:
    """Return the points of these methods that all of them have."""
    key = ["code", "origin", "figure", "years_ahead"]
    mine = points.filter(pl.col("method").is_in(methods))
    whole = mine.group_by(key).agg(pl.len().alias("n")).filter(pl.col("n") == len(methods)).select(key)
    return mine.join(whole, on=key, how="semi", maintain_order="left")


def scores_frame(points: pl.DataFrame, methods: Sequence[str]) -> pl.DataFrame:
    """Return mean scores by method, years ahead and figure; the figure "all" is the mean over all points.

    Columns: figure, years_ahead, method, points, mase, wis, interval_score_80, inside_50, inside_80, inside_90.
    """
    shown = common(points, methods)
    both = pl.concat([shown, shown.with_columns(figure=pl.lit(ALL))])
    means = both.group_by("figure", "years_ahead", "method").agg(
        pl.len().cast(pl.Int32).alias("points"),
        pl.col("error").mean().alias("mase"),
        pl.col("wis", "interval_score_80", *(f"inside_{b}" for b in BANDS)).mean(),
    )
    order = pl.DataFrame({"method": list(methods), "place": range(len(methods))})
    figures = pl.DataFrame({"figure": [ALL, *FIGURES], "row": range(len(FIGURES) + 1)})
    return (
        means.join(order, on="method")
        .join(figures, on="figure")
        .sort("row", "years_ahead", "place")
        .drop("row", "place")
    )


def best_simple(frame: pl.DataFrame, ahead: int, figure: str = ALL) -> str:
    """Return the simple method with the lowest mean error."""
    rows = frame.filter(
        (pl.col("figure") == figure) & (pl.col("years_ahead") == ahead) & pl.col("method").is_in(SIMPLE)
    )
    return str(rows.sort("mase", maintain_order=True)["method"][0])


def margins(points: pl.DataFrame, frame: pl.DataFrame, methods: Sequence[str], ours: str = OURS) -> pl.DataFrame:
    """Return by what share the mean error of `ours` lies below that of the best simple method, with 90% from areas.

    Columns: figure, years_ahead, best, ours, theirs, margin, low, high. The interval is of a bootstrap over areas: all
    points of an area go together; what all areas share in a year is not in it.
    """
    shown = common(points, methods)
    codes = sorted(shown["code"].unique())
    place = pl.DataFrame({"code": codes, "n": range(len(codes))})
    picks = choice(SEED, np.arange(SAMPLES)[:, None], "backtest margin", len(codes), np.arange(len(codes)))
    rows = []
    for figure in (ALL, *FIGURES):
        mine = shown if figure == ALL else shown.filter(pl.col("figure") == figure)
        for ahead in range(1, AHEAD + 1):
            at = mine.filter(pl.col("years_ahead") == ahead)
            if at.is_empty():
                continue
            best = best_simple(frame, ahead, figure)
            wide = at.filter(pl.col("method") == ours).join(
                at.filter(pl.col("method") == best), on=["code", "origin", "figure"], suffix="_best"
            ).join(place, on="code")  # fmt: skip
            a, b = wide["error"].to_numpy(), wide["error_best"].to_numpy()
            share, sampled = scores.margin(a, b, wide["n"].to_numpy(), picks)
            low, high = np.nanquantile(sampled, [0.05, 0.95])
            rows.append((figure, ahead, best, a.mean(), b.mean(), share, float(low), float(high)))
    names = ("figure", "years_ahead", "best", "ours", "theirs", "margin", "low", "high")
    return pl.DataFrame(rows, schema=names, orient="row")


def label_of(figure: str) -> str:
    """Return the label of a figure, or "All five figures"."""
    return LABELS[FIGURES.index(figure)] if figure in FIGURES else "All five figures"


__all__ = ["ALL", "CARE", "MARKOV", "MODEL_ALONE", "OTHERS", "OURS", "SIMPLE", "WITHOUT_MODEL", "label_of"]
