"""What people in a workshop judge, as distributions: quantiles in, a distribution out, and a file that can be read.

A judgement says of one number what its author would bet on: "one in twenty that it is below 0.7, even odds for 0.9, one
in twenty that it is above 1.3". A distribution of a named family is fitted to these quantiles (least squares on the
quantiles, on the scale of the family); how far it misses them is told, so that a judgement that no such distribution
holds is seen. Judgements of the same number by several people are mixed, each with its weight (a linear pool).

The file is TOML, one `[[judgement]]` each:

    [[judgement]]
    about = "out_of_care"          # a lever, or a form (see docs/explanation/draws.md)
    years = [2024, 2025]           # of a lever: the years whose mean factor is meant; left out: all fitted years
    quantiles = { "0.05" = 0.7, "0.5" = 0.9, "0.95" = 1.3 }
    who = "Six team managers, workshop of 3 March"
    weight = 1.0

Numbers of levers and forms are factors: 1 leaves what the fit starts from, 0.9 is a tenth less.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError, did_you_mean

Array = NDArray[np.float64]
FAMILIES = ("lognormal", "normal", "beta", "gamma")
NUMERICAL = 2001
"""Points at which a mixture's mean and spread on the log scale are worked out."""
_KEYS = ("about", "years", "quantiles", "who", "weight", "family")


@dataclass(frozen=True)
class Judgement:
    """One person's, or one group's, judgement of one number.

    about      what it is about, as the reader of the file knows it
    quantiles  (probability, value) in ascending order, two or more
    who        who judged, and when
    years      years ending 31 March that are meant; () if it has none
    weight     among several judgements of the same number
    family     one of FAMILIES
    """

    about: str
    quantiles: tuple[tuple[float, float], ...]
    who: str = ""
    years: tuple[int, ...] = ()
    weight: float = 1.0
    family: str = "lognormal"
    where: str = ""

    def __post_init__(self) -> None:
        """Check what cannot be a distribution, or raise CareError."""
        chances, values = zip(*self.quantiles, strict=True) if self.quantiles else ((), ())
        if len(chances) < 2:
            raise self._wrong("has fewer than two quantiles", "Give two or more, such as 0.05, 0.5 and 0.95")
        if not all(0 < p < 1 for p in chances):
            raise self._wrong("has a quantile outside 0 to 1", 'Write "0.05", not "5"')
        if any(np.diff(chances) <= 0) or any(np.diff(values) <= 0) or not np.isfinite(values).all():
            raise self._wrong("has quantiles that do not rise with their chances", "Look for swapped numbers")
        if self.family not in FAMILIES:
            near = did_you_mean(self.family, list(FAMILIES))
            raise self._wrong(f"names the family '{self.family}'", f"{near}Use one of: {', '.join(FAMILIES)}")
        if self.family in ("lognormal", "gamma") and min(values) <= 0:
            raise self._wrong(f"has a value of 0 or less in the family '{self.family}'", "Use the family 'normal'")
        if self.family == "beta" and not 0 < min(values) <= max(values) < 1:
            raise self._wrong("has a value outside 0 to 1 in the family 'beta'", "Give shares, not percent")
        if not 0 < self.weight < np.inf:
            raise self._wrong("has a weight that is not above 0", "Leave it out, or give 1")

    def _wrong(self, what: str, remedy: str) -> CareError:
        return CareError(f"The judgement of '{self.about}' {what}", self.where, remedy)

    @cached_property
    def distribution(self) -> Any:
        """The frozen scipy distribution that is closest to the quantiles."""
        from scipy import optimize, stats

        chances, values = (np.array(column) for column in zip(*self.quantiles, strict=True))
        if self.family in ("normal", "lognormal"):
            scale = values if self.family == "normal" else np.log(values)
            # A straight line of quantiles on those of the standard normal distribution.
            slope, middle = np.polyfit(stats.norm.ppf(chances), scale, 1)
            if self.family == "normal":
                return stats.norm(middle, slope)
            return stats.lognorm(slope, scale=np.exp(middle))

        def make(one: float, other: float) -> Any:
            return stats.beta(one, other) if self.family == "beta" else stats.gamma(one, scale=other)

        def missed(at: Array) -> Array:
            out: Array = make(*np.exp(at)).ppf(chances) - values
            return out

        mean = float(np.mean(values))
        spread = float((values[-1] - values[0]) / (stats.norm.ppf(chances[-1]) - stats.norm.ppf(chances[0])))
        if self.family == "beta":
            size = max(mean * (1 - mean) / spread**2 - 1, 0.5)
            start = np.log([mean * size, (1 - mean) * size])
        else:
            start = np.log([(mean / spread) ** 2, spread**2 / mean])
        found = optimize.least_squares(missed, start)
        return make(*np.exp(found.x))

    @property
    def misses(self) -> Array:
        """The distribution's quantiles as shares of those that were judged, less 1."""
        chances, values = (np.array(column) for column in zip(*self.quantiles, strict=True))
        out: Array = self.distribution.ppf(chances) / values - 1.0
        return out


@dataclass(frozen=True)
class Pool:
    """Judgements of the same number, mixed by their weights."""

    about: str
    years: tuple[int, ...]
    judgements: tuple[Judgement, ...]

    @cached_property
    def shares(self) -> Array:
        """The weights, made to sum to 1."""
        weights = np.array([each.weight for each in self.judgements])
        out: Array = weights / weights.sum()
        return out

    def log_density(self, value: Array) -> Array:
        """Return the logarithm of the density at values."""
        from scipy.special import logsumexp

        parts = np.stack([each.distribution.logpdf(value) for each in self.judgements])
        out: Array = logsumexp(parts, axis=0, b=self.shares.reshape(-1, *[1] * np.ndim(value)))
        return out

    @cached_property
    def on_log_scale(self) -> tuple[float, float]:
        """Mean and standard deviation of the number's logarithm (values of 0 or less left out)."""
        chances = (np.arange(NUMERICAL) + 0.5) / NUMERICAL
        means, squares = [], []
        for each in self.judgements:
            values = each.distribution.ppf(chances)
            logs = np.log(values[values > 0])
            means.append(logs.mean())
            squares.append((logs**2).mean())
        mean = float(self.shares @ np.array(means))
        return mean, float(np.sqrt(self.shares @ np.array(squares) - mean**2))


def pooled(judgements: Sequence[Judgement]) -> tuple[Pool, ...]:
    """Return judgements of the same number together, in the order in which each number is first named."""
    found: dict[tuple[str, tuple[int, ...]], list[Judgement]] = {}
    for each in judgements:
        found.setdefault((each.about, each.years), []).append(each)
    return tuple(Pool(about, years, tuple(group)) for (about, years), group in found.items())


def read_judgements(path: Path, known: Sequence[str] = ()) -> tuple[Judgement, ...]:
    """Read a file of judgements; `known` are the names that they may be about, if that is to be checked.

    Errors
    ------
    CareError
        For a file that cannot be read or is not TOML, an unknown key or name, a number that is none, and what
        `Judgement` refuses; each names the file and the judgement's place in it.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as fault:
        raise CareError("The judgements cannot be read", str(path), "Give a TOML file") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise CareError("The judgements are not TOML in UTF-8", str(path), str(fault)) from fault
    rows = told.get("judgement")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise CareError("The file has no judgement", str(path), "Begin each with [[judgement]]")
    extra = [key for key in told if key != "judgement"]
    if extra:
        raise CareError(f"'{extra[0]}' stands outside a judgement", str(path), "Begin each with [[judgement]]")
    return tuple(_read(row, known, f"{path.name}, judgement {number}") for number, row in enumerate(rows, start=1))


def _read(row: Mapping[str, Any], known: Sequence[str], where: str) -> Judgement:
    for key in row:
        if key not in _KEYS:
            raise CareError(
                f"'{key}' is not known here", where, f"{did_you_mean(key, list(_KEYS))}Use: {', '.join(_KEYS)}"
            )
    about = row.get("about")
    if not isinstance(about, str) or not about:
        raise CareError("It is not said what the judgement is about", where, 'Write about = "..."')
    if known and about not in known:
        raise CareError(
            f"'{about}' cannot be judged", where, f"{did_you_mean(about, list(known))}Use: {', '.join(known)}"
        )
    quantiles, years = row.get("quantiles", {}), row.get("years", [])
    try:
        pairs = sorted((float(chance), float(value)) for chance, value in quantiles.items())
        weight = float(row.get("weight", 1.0))
        if not isinstance(years, list) or not all(isinstance(year, int) for year in years):
            raise TypeError
    except (AttributeError, TypeError, ValueError) as fault:
        remedy = 'Write quantiles = { "0.05" = 0.7, "0.5" = 0.9, "0.95" = 1.3 } and years = [2024, 2025]'
        raise CareError(f"The judgement of '{about}' has something that is not a number", where, remedy) from fault
    who, family = str(row.get("who", "")), str(row.get("family", "lognormal"))
    return Judgement(about, tuple(pairs), who, tuple(years), weight, family, where)
