"""Simple methods that every forecast must beat: last value, drift, ETS and ARIMA.

Each takes one series of yearly figures, in years that follow one another, and gives quantiles at `scores.LEVELS` for
the years ahead. The first two are closed forms; ETS and ARIMA choose their model by AICc (statsforecast, the extra
`backtest`). None of them knows that a figure cannot be below 0, so all are cut there.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError
from calibration.backtest.scores import BANDS, LEVELS, MEDIAN, ends_of

Array = NDArray[np.float64]
Method = Callable[[Array, int], Array]
LEAST_YEARS = 5
"""ETS and ARIMA need at least this many years; below, they carry the last value on."""
Z = np.array([NormalDist().inv_cdf(level) for level in LEVELS])


def last_value(series: Array, ahead: int) -> Array:
    """Return float64[ahead, quantiles]: the last figure; spread as of a random walk with the changes seen so far."""
    steps = np.diff(series)
    sd = float(np.sqrt((steps**2).mean())) if steps.size else 0.0
    spread = sd * np.sqrt(np.arange(1, ahead + 1))
    return _cut(series[-1] + spread[:, None] * Z)


def drift(series: Array, ahead: int) -> Array:
    """Return float64[ahead, quantiles]: the line from the first to the last figure, carried on.

    The spread is that of a random walk with a drift that is itself estimated: sd * sqrt(h (1 + h / (T - 1))).
    Source: Hyndman and Athanasopoulos (2021), Forecasting: Principles and Practice, 3rd edition, table 5.2.
    """
    n, h = len(series) - 1, np.arange(1, ahead + 1)
    if n < 1:
        return last_value(series, ahead)
    slope = (series[-1] - series[0]) / n
    sd = float(np.diff(series).std(ddof=1)) if n > 1 else 0.0
    spread = sd * np.sqrt(h * (1 + h / n))
    return _cut((series[-1] + slope * h)[:, None] + spread[:, None] * Z)


def ets(series: Array, ahead: int) -> Array:
    """Return float64[ahead, quantiles] of exponential smoothing, its form chosen by AICc."""
    return _of_library("AutoETS", series, ahead)


def arima(series: Array, ahead: int) -> Array:
    """Return float64[ahead, quantiles] of an ARIMA model, its orders chosen by AICc."""
    return _of_library("AutoARIMA", series, ahead)


METHODS: dict[str, Method] = {"last value": last_value, "drift": drift, "ETS": ets, "ARIMA": arima}
"""The simple methods by name."""


def models() -> Any:
    """Return statsforecast's models.

    Errors
    ------
    CareError
        When the extra `backtest` is not installed.
    """
    try:
        with warnings.catch_warnings():
            # pandas and others tell of what will change in them while they are loaded.
            warnings.simplefilter("ignore")
            from statsforecast import models as found
    except ImportError as fault:
        remedy = 'pip install "journeys-abm[backtest]"'
        if sys.version_info >= (3, 13):
            remedy = (
                f"It has no release that goes with our other libraries on this Python: use 3.11 or 3.12, and {remedy}"
            )
        raise CareError("The simple methods ETS and ARIMA need the library statsforecast", "", remedy) from fault
    return found


def _of_library(name: str, series: Array, ahead: int) -> Array:
    if len(series) < LEAST_YEARS or not np.diff(series).any():
        return last_value(series, ahead)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # On ten figures candidates may fail to converge; the library says so and goes on to the next one.
        warnings.simplefilter("ignore")
        made = getattr(models(), name)(season_length=1)
        try:
            told = made.forecast(np.asarray(series, np.float64), ahead, level=list(BANDS))
        except (NotImplementedError, ValueError, ArithmeticError, np.linalg.LinAlgError):
            return last_value(series, ahead)  # too few figures, or too even ones, for any of its models
    out = np.empty((ahead, len(LEVELS)))
    out[:, MEDIAN] = told["mean"]
    for band in BANDS:
        low, high = ends_of(band)
        out[:, low], out[:, high] = told[f"lo-{band}"], told[f"hi-{band}"]
    return _cut(out) if np.isfinite(out).all() else last_value(series, ahead)


def _cut(quantiles: Array) -> Array:
    return np.asarray(np.maximum(np.sort(quantiles, axis=-1), 0.0))
