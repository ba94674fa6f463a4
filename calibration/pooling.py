"""How yearly factors differ between areas and move from year to year: what one area may borrow from all others.

The logarithm of a factor, by year and lever (see `calibration.levers`), is a sum of four parts:

* what all areas share in a year (`national`): known up to the last year of the figures, a random walk from there on;
* an area's own level against its base years, which lasts: standard deviation `between`;
* an area's own course, which moves and comes back: standard deviation `moving`, and `persistence` is what is left of a
  deviation a year later;
* what passes within the year: standard deviation `passing`.

The last three are the area's own. The news of a year is correlated between levers (`correlation`), in each of them
alike. How much a lever moves differs from area to area: in a few, recording changed or cells are broken. So each area
and lever has a scale, whose square is TAILS / chi-squared with TAILS degrees: an area's own part has the heavy tails of
Student's t, and an area whose figures jump has wide years ahead of it without widening those of all others.

Given the scales all of it is Gaussian, so what it says of the years ahead of a fit is arithmetic: the mean comes back
towards what all areas share as far as experience says, and the spread grows with the years.

The numbers are estimated over all areas by `calibration.pooling_estimate` and stand in published/pooling.csv, for each
last year that figures were taken from, so that a test of forecasts sees nothing later than it may. Draws are keyed by
number of draw, year and lever: what all areas share is the same in every area for a draw of the same number.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abm.draws import area_seed, words
from abm.errors import CareError
from abm.pathway import purpose_of
from calibration.levers import LEVERS
from calibration.statistics import ENGLAND, PUBLISHED

Array = NDArray[np.float64]
SHIPPED = PUBLISHED / "pooling.csv"
COLUMNS = ("until", "number", "lever", "of", "value", "spread", "status", "source")
"""`of` is a year, the other lever of a correlation, or empty; `spread` is a standard error over areas; `source` is the
table of published figures that all fits were made from, with the first characters of its SHA-256."""
FIRST_YEAR = 2021
"""The first year with factors, as in `calibration.fit`, which takes long to load."""
OWN = ("between", "moving", "persistence", "passing")
TAILS = 4.0
"""Degrees of freedom of the tails of an area's own part (assumed; 2 would be wild, 30 nearly Gaussian)."""


@dataclass(frozen=True)
class Process:
    """How factors differ and move, in logarithms; L levers in the order of LEVERS.

    until          the last year whose figures it was estimated from
    between, moving, persistence, passing  float64[L]; see above
    correlation    float64[L, L]
    national       float64[years from FIRST_YEAR to until, L]  what all areas share
    national_step  float64[L]  standard deviation of its change from one year to the next
    share          the sum of the squares of the areas' shares of all children: England as one area has this part of the
                   variance that an area has of its own
    n_areas        how many areas it was estimated from
    """

    until: int
    between: Array
    moving: Array
    persistence: Array
    passing: Array
    correlation: Array
    national: Array
    national_step: Array
    share: float
    n_areas: int

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        n, years = len(self.between), self.until - FIRST_YEAR + 1
        shapes = [getattr(self, name).shape for name in (*OWN, "national_step")]
        if any(shape != (n,) for shape in shapes) or self.correlation.shape != (n, n):
            raise CareError(f"A process of {n} levers has numbers of the shapes {shapes} and {self.correlation.shape}")
        if self.national.shape != (years, n):
            raise CareError(f"What all areas share has the shape {self.national.shape}, not {(years, n)}")
        spreads = np.r_[self.between, self.moving, self.passing, self.national_step]
        if not ((spreads >= 0).all() and (self.persistence >= 0).all() and (self.persistence < 1).all()):
            raise CareError("A process has a spread below 0, or a persistence outside 0 to 1")

    @property
    def n_levers(self) -> int:
        """How many levers there are."""
        return len(self.between)

    def kernel(self, lever: int, n_years: int) -> Array:
        """Return float64[n_years, n_years]: the covariance of an area's own part of one lever over the years."""
        return kernel(n_years, self.between[lever], self.moving[lever], self.persistence[lever], self.passing[lever])

    def own_covariance(self, n_years: int) -> Array:
        """Return float64[n_years * L, n_years * L]: the covariance of an area's own part, years before levers.

        It is (roots of the kernels) x (correlation in each year) x (the same, transposed): a covariance whatever the
        numbers are, and that of fewer years is its upper left part.
        """
        return joint([self.kernel(lever, n_years) for lever in range(self.n_levers)], self.correlation)

    def own_part(self, area: str) -> float:
        """Return the part of an area's own variance that this one has: 1, or `share` of England as one area."""
        return self.share if area == ENGLAND else 1.0

    def prior(self, n_years: int, *, area: str = "", scale: Array | None = None) -> Prior:
        """Return what is known of the factors of an area's first `n_years` before its own figures are seen.

        What all areas share is taken as known up to `until`: its error over so many areas is small against the rest.

        Parameters
        ----------
        area
            Its code: for England as one area, an area's own part nearly averages out.
        scale
            float64[L]: the scale of the area's own part, if it is known; 1 if None. See `pooling_evidence.own_scales`.
        """
        n, known = self.n_levers, min(n_years, len(self.national))
        mean = np.zeros((n_years, n))
        mean[:known] = self.national[:known]
        mean[known:] = self.national[known - 1] if known else 0.0
        own = self.own_covariance(n_years) * self.own_part(area)
        if scale is not None:
            own *= np.outer(*[np.tile(scale, n_years)] * 2)
        step = np.arange(1, n_years - known + 1, dtype=np.float64)
        walk = np.zeros((n_years, n_years))
        walk[known:, known:] = np.minimum.outer(step, step)
        return Prior(mean, own, walk, self.national_step, area)


@dataclass(frozen=True)
class Prior:
    """A Gaussian on the logarithms of an area's factors.

    mean    float64[years, L]
    own     float64[years * L, years * L]  covariance of its own part, years before levers
    walk    float64[years, years]  covariance of what all areas share, of which each lever has its `step` squared
    """

    mean: Array
    own: Array
    walk: Array
    step: Array
    area: str = ""

    @cached_property
    def covariance(self) -> Array:
        """The covariance of both parts together, float64[years * L, years * L]."""
        return self.own + np.kron(self.walk, np.diag(self.step**2))

    def ahead(self, n_fitted: int) -> tuple[Array, Array, Array]:
        """Return (gain, offset, root) of the years after the first `n_fitted`, given the factors x of those.

        Their own part and what all areas share together have the mean gain @ (x - mean) + offset, float64[m * L], and
        the covariance root @ root.T, of their own part alone; what all areas share comes on top: see `draws`.
        """
        n = n_fitted * len(self.step)
        past, across, later = self.own[:n, :n], self.own[n:, :n], self.own[n:, n:]
        gain: Array = np.linalg.solve(past, across.T).T.astype(np.float64)
        left = later - gain @ across.T
        root = np.linalg.cholesky((left + left.T) / 2 + 1e-12 * np.eye(len(left)))
        return gain, self.mean[n_fitted:].ravel(), root.astype(np.float64)

    def mean_ahead(self, logs: Array) -> Array:
        """Return float64[years, L]: these logs, and after them what is expected."""
        n_fitted, n = logs.shape
        gain, offset, _ = self.ahead(n_fitted)
        more = gain @ (logs - self.mean[:n_fitted]).ravel() + offset
        return np.vstack([logs, more.reshape(-1, n)])

    def draws(self, logs: Array, seed: int) -> Array:
        """Return float64[draws, years, L]: each draw of fitted years, float64[draws, fitted years, L], and one ahead.

        Draw i depends on the seed, i and its own logs alone.
        """
        n_draws, n_fitted, n = logs.shape
        n_ahead = len(self.mean) - n_fitted
        gain, offset, root = self.ahead(n_fitted)
        own = keyed_normals(area_seed(seed, self.area), n_draws, n_ahead, n, "own news of a factor")
        all_areas = keyed_normals(seed, n_draws, n_ahead, n, "news of a factor that all areas share")
        moved = (logs - self.mean[:n_fitted]).reshape(n_draws, -1) @ gain.T + offset
        ahead = (moved + own.reshape(n_draws, -1) @ root.T).reshape(n_draws, n_ahead, n)
        # What was known of all areas ends before these years or within them: a step is taken in each year after it.
        steps = np.diff(np.r_[0.0, np.diag(self.walk)])[n_fitted:] > 0
        ahead += np.cumsum(np.where(steps[:, None], all_areas * self.step, 0.0), axis=1)
        return np.concatenate([logs, ahead], axis=1)


def kernel(n_years: int, between: float, moving: float, persistence: float, passing: float) -> Array:
    """Return float64[n_years, n_years]: between^2 + moving^2 persistence^|s-t| + passing^2 where s = t."""
    apart = np.abs(np.subtract.outer(np.arange(n_years), np.arange(n_years)))
    out: Array = between**2 + moving**2 * persistence**apart + passing**2 * (apart == 0)
    return out


def joint(kernels: Sequence[Array], correlation: Array) -> Array:
    """Return the covariance over years and levers: the levers' kernels over years, their news correlated as told."""
    n_years, n = len(kernels[0]), len(kernels)
    out = np.zeros((n_years, n, n_years, n))
    roots = np.stack([np.linalg.cholesky(each + 1e-12 * np.eye(n_years)) for each in kernels])
    for one in range(n):
        for other in range(n):
            out[:, one, :, other] = correlation[one, other] * roots[one] @ roots[other].T
    return out.reshape(n_years * n, n_years * n)


def keyed_normals(seed: int, n_draws: int, n_years: int, n: int, purpose: str) -> Array:
    """Return float64[n_draws, n_years, n] of standard normals; each is a function of seed, purpose and its place alone.

    Each is made of one 32-bit word by the inverse of the normal distribution, so none is beyond 6.3.
    """
    from scipy.special import ndtri

    draw, year, lever = np.ogrid[:n_draws, :n_years, :n]
    drawn = words(seed, draw, year * (1 << 16) + lever, purpose_of(purpose))
    out: Array = ndtri((drawn.astype(np.float64) + 0.5) / 2.0**32)
    return out


# The table -----------------------------------------------------------------------------------------------------------


def process_until(year: int, path: Path | None = None) -> Process:
    """Return the process as it was estimated from figures to the latest year of the table that is not after `year`.

    Errors
    ------
    CareError
        When the table has none so early, or cannot be read.
    """
    known = read_processes(path or SHIPPED)
    until = [last for last in known if last <= year]
    if not until:
        raise CareError(
            f"How factors move was estimated from figures to {min(known)} at the earliest, not to {year}",
            str(path or SHIPPED),
            "Estimate it: see python -m calibration.pooling_estimate --help",
        )
    return known[max(until)]


@cache
def read_processes(path: Path) -> dict[int, Process]:
    """Return the processes of a table, by the last year of their figures.

    Errors
    ------
    CareError
        For a file that cannot be read, a column or number that is missing, or a value that is no number.
    """
    again = "Make it again: see python -m calibration.pooling_estimate --help"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as fault:
        raise CareError("The table of how factors move cannot be read", str(path), again) from fault
    found: dict[int, dict[tuple[str, str, str], float]] = {}
    for number, row in enumerate(rows, start=2):
        try:
            key = row["number"], row["lever"], row["of"]
            found.setdefault(int(row["until"]), {})[key] = float(row["value"])
        except (KeyError, TypeError, ValueError) as fault:
            raise CareError("This row lacks a column or has no number", f"{path}, row {number}", again) from fault
    if not found:
        raise CareError("The table of how factors move is empty", str(path), again)
    levers = [lever.key for lever in LEVERS]
    out = {}
    for until, values in sorted(found.items()):
        try:
            years = range(FIRST_YEAR, until + 1)
            own = {name: np.array([values[name, lever, ""] for lever in levers]) for name in (*OWN, "national_step")}
            correlation = np.eye(len(levers))
            for i, one in enumerate(levers):
                for j, other in enumerate(levers[:i]):
                    correlation[i, j] = correlation[j, i] = values["correlation", other, one]
            national = np.array([[values["national", lever, str(year)] for lever in levers] for year in years])
            share, n_areas = values["share", "", ""], int(values["areas", "", ""])
        except KeyError as fault:
            raise CareError(
                f"The table has no row '{', '.join(fault.args[0]).strip(' ,')}' of {until}", str(path), again
            ) from fault
        out[until] = Process(
            until=until, **own, correlation=correlation, national=national, share=share, n_areas=n_areas
        )
    return out
