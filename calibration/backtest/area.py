"""What is worked out for one area and kept: the fast model at every origin, and the simple methods' forecasts.

One file an area, with a mark of all it was made from; one made from something else is not read but made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError
from abm.files import read_columns, sha256_of, write_columns
from abm.journey import JOURNEY
from abm.marks import journey_mark
from abm.meanfield import MeanField, make_grid
from calibration.backtest import markov, simple
from calibration.backtest.fits import AHEAD, FIRST_ROUNDS, ROUNDS, SPANS, TAIL, OriginFit, fit_origins, response
from calibration.backtest.known import known_at
from calibration.backtest.panel import FIGURES, Panel, unbroken
from calibration.backtest.scores import LEVELS
from calibration.rates import NATIONAL_RATES
from calibration.statistics import Statistics
from calibration.targets import published_shape

Array = NDArray[np.float64]
MARKOV = "Markov"
OTHERS = (*simple.METHODS, MARKOV)
"""Methods that forecast an area by itself."""
FIRST_ORIGIN = min(span[0] for span in SPANS.values())
SCORED_FROM = 2019
"""The first origin at which methods are compared; those before it only teach ours."""
MOVES = "levers"
FORMAT = 1
_PARTS = ("logs", "figures", "value", "ahead")


@dataclass(frozen=True)
class AreaPast:
    """One area.

    fits    origin -> the fast model there; where a span of origins cannot be fitted, `why` says why
    others  float64[methods, origins, figures, AHEAD, quantiles] of OTHERS at origins that are scored; else NaN
    """

    fits: dict[int, OriginFit]
    others: Array
    why: str = ""


@dataclass
class Desk:
    """What all areas share: the table, also as it was at each origin, and how levers move figures.

    What is asked of it is worked out once; how levers move figures, which takes seconds, is kept in `folder` if given.
    """

    statistics: Statistics
    panel: Panel
    origins: Sequence[int]
    folder: Path | None = None
    mark: str = field(init=False)
    _shared: dict[str, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Work out the mark of all that a file of an area depends on."""
        told = (
            FORMAT, sha256_of(self.statistics.path), sha256_of(NATIONAL_RATES), journey_mark(JOURNEY),
            sorted((k, v[0]) for k, v in SPANS.items()), (FIRST_ROUNDS, ROUNDS, TAIL, AHEAD), markov.REFERENCE_YEARS,
            tuple(self.origins), FIGURES, OTHERS,
        )  # fmt: skip
        self.mark = hashlib.sha256(repr(told).encode()).hexdigest()

    @property
    def grid(self) -> MeanField:
        """The mean field."""
        found: MeanField = self._once("grid", lambda: MeanField(JOURNEY, make_grid(JOURNEY)))
        return found

    @property
    def moves(self) -> Array:
        """By how much levers move figures, see `fits.response`."""
        found: Array = self._once("moves", self._moves)
        return found

    def _moves(self) -> Array:
        path = None if self.folder is None else self.folder / MOVES
        if path is not None:
            try:
                told, columns = read_columns(path, "")
                if told.get("mark") == self.mark:
                    return columns["moves"]
            except CareError:
                pass  # not there yet, or damaged: it is made again
        made = response(self.statistics, self.grid)
        if path is not None:
            write_columns(path, {"what": "How levers move figures, for England", "mark": self.mark}, {"moves": made})
        return made

    @property
    def shape(self) -> dict[str, Any]:
        """England's shapes, of the whole table."""
        found: dict[str, Any] = self._once("shape", lambda: published_shape(self.statistics))
        return found

    def known(self, origin: int) -> Statistics:
        """Return the table as it was at an origin."""
        found: Statistics = self._once(f"known {origin}", lambda: known_at(self.statistics, origin))
        return found

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._shared:
            self._shared[name] = make()
        return self._shared[name]


def past_of_area(desk: Desk, code: str, *, others: bool = True) -> AreaPast:
    """Fit the fast model at every origin and let the other methods forecast there."""
    area = desk.statistics.area(code)
    fits: dict[int, OriginFit] = {}
    why = ""
    for span in SPANS.values():
        wanted = range(max(span[0], min(desk.origins)), min(span[-1], max(desk.origins)) + 1)
        try:
            for fit in fit_origins(desk.known, area, wanted, desk.grid, desk.moves, desk.shape):
                fits[fit.origin] = fit
        except CareError as error:
            why = why or error.what
    told = _others(desk, code) if others else np.zeros((0, len(desk.origins), len(FIGURES), AHEAD, len(LEVELS)))
    return AreaPast(fits, told, why)


def _others(desk: Desk, code: str) -> Array:
    area, row = desk.statistics.area(code), desk.panel.codes.index(code)
    out = np.full((len(OTHERS), len(desk.origins), len(FIGURES), AHEAD, len(LEVELS)), np.nan)
    for place, origin in enumerate(desk.origins):
        if not SCORED_FROM <= origin < desk.panel.last_year:
            continue
        values = desk.panel.known_at(origin).values[row]
        for column in range(len(FIGURES)):
            series = unbroken(values[column])
            if series.size:
                for method, make in enumerate(simple.METHODS.values()):
                    out[method, place, column] = make(series, AHEAD)
        told = markov.forecast(desk.known(origin), area, origin, AHEAD)
        for column, figure in enumerate(FIGURES):
            if figure in told:
                out[OTHERS.index(MARKOV), place, column] = told[figure]
    return out


def keep(path: Path, desk: Desk, code: str, past: AreaPast) -> None:
    """Write an area's file."""
    told = {
        "what": "The fast model of an area and simple methods at past origins, of a backtest of journeys-abm",
        "mark": desk.mark, "area": code, "why": past.why,
        "fits": {str(origin): fit.first_year for origin, fit in past.fits.items()},
    }  # fmt: skip
    columns = {f"{origin} {part}": getattr(fit, part) for origin, fit in past.fits.items() for part in _PARTS}
    write_columns(path, told, {**columns, "others": past.others})


def kept(path: Path, desk: Desk, code: str) -> AreaPast | None:
    """Read an area's file; None where there is none, where it is damaged, or made from something else."""
    try:
        told, columns = read_columns(path, "")
    except CareError:
        return None
    if told.get("mark") != desk.mark or told.get("area") != code:
        return None
    fits = {
        int(origin): OriginFit(int(origin), first_year, *(columns[f"{origin} {part}"] for part in _PARTS))
        for origin, first_year in told["fits"].items()
    }
    return AreaPast(fits, columns["others"], told["why"])
