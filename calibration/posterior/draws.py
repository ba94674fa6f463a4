"""Draws of an area's parameters, and their files: `draws.json` and `draws.parquet`, beside the fit they belong to.

Every row of the table is a draw and a year: its weight, the values of its forms (the same in every year), and the
logarithm of each lever's factor. Years after the last fitted one are in it too, as they were drawn. Nothing in the
files is code; each tells when a single bit of it was changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

import abm
from abm.errors import CareError
from abm.files import read_signed, replacing, sha256_of, signed
from abm.journey import JOURNEY
from abm.marks import journey_mark, mark_of
from abm.parameters import Parameters
from calibration.fit import Fitted
from calibration.levers import LEVERS, multipliers
from calibration.posterior.forms import FORMS, formed, tilts

Array = NDArray[np.float64]
DRAWS, TABLE = "draws.json", "draws.parquet"
_FORMAT = 1
_WHAT = "Draws of an area's parameters: the factors of every year, as published figures leave them open."
_AGAIN = "Make them again with 'journeys calibrate'"


@dataclass(frozen=True)
class AreaDraws:
    """An area's parameters as draws.

    fitted   the point fit that the draws belong to: scenario, day one, rates, correction
    logs     float64[draws, years, levers]  logarithms of factors, every year of the scenario, fitted and ahead
    levels   float64[draws, forms]          values of FORMS
    weights  float64[draws]                 sum to 1
    seed     what the draws were keyed by
    made     how they were made and what was found on the way: plain data for reports
    """

    fitted: Fitted
    logs: Array
    levels: Array
    weights: Array
    seed: int
    made: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes and numbers."""
        n, years = self.weights.size, self.fitted.scenario.n_years
        wanted = {"logs": (n, years, len(LEVERS)), "levels": (n, len(FORMS)), "weights": (n,)}
        for name, shape in wanted.items():
            array = getattr(self, name)
            if array.shape != shape or not np.isfinite(array).all():
                raise CareError(
                    f"Draws of {self.area} have {name} of the shape {array.shape}, not {shape}, or no number"
                )
        if n == 0 or (self.weights < 0).any() or not np.isclose(self.weights.sum(), 1.0):
            raise CareError(f"The weights of the draws of {self.area} are not shares that make 1")

    @property
    def area(self) -> str:
        """Code of the area."""
        return self.fitted.area.code

    @property
    def fitted_to(self) -> int:
        """The last year that figures were used of."""
        return self.fitted.fitted_to

    @property
    def first_year(self) -> int:
        """The year ending 31 March that `logs` begin with."""
        return self.fitted.scenario.first_year

    @property
    def n_fitted(self) -> int:
        """Years up to `fitted_to`."""
        return self.fitted_to - self.first_year + 1

    def __len__(self) -> int:
        """Return the number of draws."""
        return int(self.weights.size)

    @cached_property
    def mean_logs(self) -> Array:
        """Return float64[years, levers]: the weighted mean."""
        mean: Array = np.tensordot(self.weights, self.logs, axes=1)
        return mean

    @cached_property
    def _rates_and_tilts(self) -> tuple[Array, Array]:
        book = self.fitted.book
        return book.rates(), tilts(JOURNEY, book, self.fitted.scenario)

    def parameters(self, draw: int) -> Parameters:
        """Return what a run needs to know of numbers, for one draw."""
        factors = multipliers(JOURNEY, self.logs[draw], self.fitted.scenario.n_years)
        return Parameters(formed(*self._rates_and_tilts, self.levels[draw]), factors, self.fitted.book.values)

    def taken(self, n: int) -> AreaDraws:
        """Return `n` of the draws with equal weights: those at even steps of the running total of weights."""
        at = np.searchsorted(np.cumsum(self.weights), (np.arange(n) + 0.5) / n * self.weights.sum())
        at = np.minimum(at, len(self) - 1)
        return replace(self, logs=self.logs[at], levels=self.levels[at], weights=np.full(n, 1 / n))

    def going_on(self, ahead: Array) -> AreaDraws:
        """Return the same draws with other factors after the last fitted year, float64[draws, years ahead, levers]."""
        return replace(self, logs=np.concatenate([self.logs[:, : self.n_fitted], ahead], axis=1))


def fit_mark(fitted: Fitted) -> str:
    """Return a hash of all of a fit that its draws rest on."""
    return mark_of((fitted.area.code, fitted.scenario, fitted.book.rates(), fitted.correction, fitted.fitted_to))


def save_draws(draws: AreaDraws, folder: Path) -> None:
    """Write `draws.parquet`, then `draws.json`, into a folder; each appears whole."""
    n, years = draws.logs.shape[:2]
    first = draws.first_year
    columns: dict[str, NDArray[Any]] = {
        "draw": np.repeat(np.arange(n, dtype=np.uint32), years),
        "year": np.tile(np.arange(first, first + years, dtype=np.int16), n),
        "weight": np.repeat(draws.weights, years),
    }
    columns |= {f"form_{f.key}": np.repeat(draws.levels[:, k], years) for k, f in enumerate(FORMS)}
    columns |= {lever.key: draws.logs[:, :, k].ravel() for k, lever in enumerate(LEVERS)}
    with replacing(folder / TABLE) as name:
        pl.DataFrame(columns).write_parquet(name, compression="zstd")
    told = {
        "what": _WHAT,
        "format": _FORMAT,
        "version": abm.__version__,
        "journey": journey_mark(JOURNEY),
        "area": draws.area,
        "fitted_to": draws.fitted_to,
        "draws": n,
        "years": [first, first + years - 1],
        "levers": [lever.key for lever in LEVERS],
        "forms": [form.key for form in FORMS],
        "seed": draws.seed,
        "fit": fit_mark(draws.fitted),
        "made": dict(draws.made),
        "table": {"file": TABLE, "sha256": sha256_of(folder / TABLE)},
    }
    with replacing(folder / DRAWS) as name:
        name.write_text(signed(told), encoding="utf-8", newline="\n")


def load_draws(folder: Path, fitted: Fitted) -> AreaDraws:
    """Read the draws that belong to a fit.

    Errors
    ------
    CareError
        When there are none, when a file was changed or cut short, or when they belong to another fit, another declared
        journey, or other levers and forms than this version has.
    """
    told = read_signed(folder / DRAWS, _AGAIN)
    where = str(folder / DRAWS)
    if told.get("format") != _FORMAT or told.get("journey") != journey_mark(JOURNEY):
        raise CareError(
            f"These draws were made by version {told.get('version')}, for another journey than that of version "
            f"{abm.__version__}", where, _AGAIN,
        )  # fmt: skip
    if told["levers"] != [lever.key for lever in LEVERS] or told["forms"] != [form.key for form in FORMS]:
        raise CareError("These draws are of other levers or forms than this version has", where, _AGAIN)
    if told["fit"] != fit_mark(fitted):
        raise CareError(f"These draws belong to another fit of {told['area']} than the one beside them", where, _AGAIN)
    path = folder / TABLE
    try:
        whole = sha256_of(path) == told["table"]["sha256"]
    except OSError as fault:
        raise CareError(f"There is no readable '{TABLE}' here", str(folder), _AGAIN) from fault
    if not whole:
        raise CareError(f"The file '{TABLE}' is damaged or of other draws", str(path), _AGAIN)
    table = pl.read_parquet(path)
    n, years = int(told["draws"]), fitted.scenario.n_years
    once = table[::years]
    logs = np.stack([table[lever.key].to_numpy().reshape(n, years) for lever in LEVERS], axis=2)
    levels = np.stack([once[f"form_{form.key}"].to_numpy() for form in FORMS], axis=1)
    return AreaDraws(fitted, logs, levels, once["weight"].to_numpy().copy(), int(told["seed"]), told["made"])
