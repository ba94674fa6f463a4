"""A sequential ABC run (pyABC) on the fast model, inside what history matching left.

What is asked: the forms, and the LEAD directions of the factors that figures tell most of. The other directions have
their own datum each and are drawn given the forms afterwards (`given_forms`).

Made-up figures are the fast model's, with the other directions as their prior has them, the luck of a year, the model's
own error, later revision, and the publisher's rounding and hiding. What is compared is as many combinations of figures
as there are unknowns: those that a Gaussian posterior would rest on, whitened. The tolerance falls with the
generations; what is left of it is taken out by regression on the differences (Beaumont, Zhang and Balding 2002).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.draws import common_generator, generator
from abm.errors import CareError
from calibration.posterior.emulator import Emulator
from calibration.posterior.frame import N_FORMS
from calibration.posterior.likelihood import Seen, published
from calibration.posterior.matching import CUT, Matched

Array = NDArray[np.float64]
LEAD = 4
POPULATION, GENERATIONS, QUANTILE = 300, 3, 0.5
N_AHEAD = 4000


@dataclass(frozen=True)
class Sequence:
    """What the sequential run found.

    asked      float64[P, F + lead]  forms, then the leading directions, after regression
    weights    float64[P]
    tolerances of each generation, in standard deviations of what is compared
    n_looks    made-up sets of figures
    """

    asked: Array
    weights: Array
    tolerances: tuple[float, ...]
    n_looks: int

    @property
    def effective(self) -> float:
        """How many equally weighted particles are worth as much."""
        return float(1.0 / (self.weights**2).sum())

    def told(self) -> dict[str, Any]:
        """Return it in short, as plain data."""
        return {
            "particles": len(self.weights),
            "effective": round(self.effective, 1),
            "tolerances": [round(each, 3) for each in self.tolerances],
            "looks": self.n_looks,
        }


class _Problem:
    """What pyABC asks: draws of the prior, its density, made-up figures and how far they are."""

    def __init__(
        self, emulator: Emulator, seen: Seen, noise: Array, matched: Matched, lead: int, luck: np.random.Generator
    ) -> None:
        self.emulator, self.seen, self.matched, self.lead, self.luck = emulator, seen, matched, lead, luck
        k, directions = emulator.n_told, emulator.directions
        self.noise = np.linalg.cholesky(noise + 1e-9 * np.diag(np.diag(noise)))
        strength = directions.strength
        spread = np.ones(seen.value.size)
        spread[:k] += strength**2
        white = directions.combine
        forms = white.T @ emulator.frame.jacobian[:, -N_FORMS:]
        toward_forms = forms / spread[:, None]
        toward_forms[:lead] = 0.0
        compared = np.column_stack([white[:, :lead], white @ toward_forms])
        covariance = np.zeros((lead + N_FORMS,) * 2)
        covariance[:lead, :lead] = np.eye(lead)
        covariance[lead:, lead:] = toward_forms.T @ (forms * (np.arange(spread.size) >= lead)[:, None])
        covariance += 1e-9 * np.diag(np.diag(covariance)) + 1e-12 * np.eye(lead + N_FORMS)
        self.compare = np.linalg.solve(np.linalg.cholesky(covariance), compared.T)
        self.target = self.compare @ emulator.frame.steady.number(seen, seen.value)
        self.others = np.linalg.inv(directions.whiten) @ directions.data[:, lead:k] * strength[lead:]
        prior = emulator.frame.prior
        self.prior_mean = prior.mean[-N_FORMS:]
        self.prior_root = np.linalg.cholesky(prior.covariance[-N_FORMS:, -N_FORMS:])
        self.pool = self._ahead()

    def _ahead(self) -> Iterator[Array]:
        """Give draws of the prior that are not ruled out: forms by what their intervals hold, directions within."""
        from scipy.special import ndtr, ndtri

        matched, lead = self.matched, self.lead
        low, high = ndtr(matched.low[:, :lead]), ndtr(matched.high[:, :lead])
        held = np.prod(high - low, axis=1)
        if not held.sum() > 0:
            # So far in the tail of the prior that its share cannot be told from 0: every form counts as much.
            held = np.ones(len(held))
        while True:
            at = self.luck.choice(len(held), N_AHEAD, p=held / held.sum())
            even = self.luck.random((N_AHEAD, lead))
            b = ndtri(low[at] + even * (high[at] - low[at]))
            b = np.clip(b, matched.low[at, :lead], matched.high[at, :lead])
            yield from np.column_stack([matched.forms[at], b])

    def density(self, asked: Array) -> float:
        """Return the prior's density, up to a constant, 0 where history matching rules it out."""
        v, b = asked[:N_FORMS], asked[N_FORMS:]
        told, rest = self.emulator.residuals(v, self.seen.value)
        unit = np.sqrt(1.0 + self.emulator.linear)
        k, lead = self.emulator.n_told, self.lead
        off = np.abs(told[:lead] - self.emulator.directions.strength[:lead] * b) / unit[:lead]
        if (off > CUT).any() or (np.abs(rest) / unit[k:] > self.matched.cut).any():
            return 0.0
        away = np.linalg.solve(self.prior_root, v - self.prior_mean)
        return float(np.exp(-((away**2).sum() + (b**2).sum()) / 2))

    def made_up(self, asked: Array) -> Array:
        """Return what is compared, of made-up figures."""
        v, emulator, k = asked[:N_FORMS], self.emulator, self.emulator.n_told
        b = given_forms(emulator, self.seen.value, v[None], None)[0]
        likely = b[self.lead : k].copy()
        b[: self.lead] = asked[N_FORMS:]
        logs = emulator.directions.mean + emulator.directions.logs @ b
        steady = emulator.frame.steady
        z = steady.expected(emulator.figures(np.r_[logs, v]))
        z = z + self.others @ (self.luck.standard_normal(likely.size) - likely)
        z = z + self.noise @ self.luck.standard_normal(z.size)
        compared: Array = self.compare @ steady.number(self.seen, published(self.seen, steady.back(z)))
        return compared


def given_forms(emulator: Emulator, value: Array, v: Array, luck: np.random.Generator | None) -> Array:
    """Return float64[D, n_logs]: coordinates b of the factors given forms float64[D, F]; the likeliest without luck."""
    told, _ = emulator.residuals(v, value)
    k, n_logs = emulator.n_told, emulator.directions.mean.size
    s, error = emulator.directions.strength, 1.0 + emulator.linear[: emulator.n_told]
    b = np.zeros((len(v), n_logs))
    b[:, :k] = s * told / (s**2 + error)
    if luck is not None:
        spread = np.ones(n_logs)
        spread[:k] = np.sqrt(error / (s**2 + error))
        b += spread * luck.standard_normal(b.shape)
    return b


def sequential(
    emulator: Emulator, seen: Seen, noise: Array, matched: Matched, seed: int, *, lead: int = LEAD,
    population: int = POPULATION, generations: int = GENERATIONS,
) -> Sequence:  # fmt: skip
    """Run ABC-SMC and return what it found.

    Errors
    ------
    CareError
        When pyABC is not installed.
    """
    pyabc = _pyabc()
    lead = min(lead, emulator.n_told)
    luck = generator(seed)
    problem = _Problem(emulator, seen, noise, matched, lead, luck)
    names = [f"p{i}" for i in range(N_FORMS + lead)]

    class Prior(pyabc.DistributionBase):  # type: ignore[name-defined, misc]
        """The prior inside what history matching left."""

        def rvs(self, *_: Any, **__: Any) -> Any:
            return pyabc.Parameter(dict(zip(names, next(problem.pool).tolist(), strict=True)))

        def pdf(self, x: Any) -> float:
            return problem.density(np.array([x[name] for name in names]))

        def get_parameter_names(self) -> list[str]:
            return names

        def copy(self) -> Any:
            return self

    def model(parameters: Any) -> dict[str, Array]:
        return {"figures": problem.made_up(np.array([parameters[name] for name in names]))}

    def distance(one: dict[str, Array], other: dict[str, Array]) -> float:
        return float(np.sqrt(((one["figures"] - other["figures"]) ** 2).mean()))

    with _quiet(seed):
        abc = pyabc.ABCSMC(
            model, Prior(), distance, population_size=population, eps=pyabc.QuantileEpsilon(alpha=QUANTILE),
            sampler=pyabc.sampler.SingleCoreSampler(),
        )  # fmt: skip
        abc.new("sqlite://", {"figures": problem.target})
        history = abc.run(max_nr_populations=generations)
        told = history.get_all_populations()
        particles = history.get_population().particles
    asked = np.array([[p.parameter[name] for name in names] for p in particles])
    weights = np.array([p.weight for p in particles])
    off = np.array([p.sum_stat["figures"] for p in particles])
    weights = weights / weights.sum()
    tolerances = tuple(float(e) for e in told["epsilon"] if np.isfinite(e))
    return Sequence(
        _regressed(asked, weights, off - problem.target), weights, tolerances, int(history.total_nr_simulations)
    )


def _regressed(asked: Array, weights: Array, off: Array) -> Array:
    """Return parameters with what goes with the differences taken out, by weighted least squares."""
    root = np.sqrt(weights)[:, None]
    columns = np.column_stack([np.ones(len(off)), off])
    slope = np.linalg.lstsq(columns * root, asked * root, rcond=None)[0][1:]
    adjusted: Array = asked - off @ slope
    return adjusted


def check_pyabc() -> None:
    """Refuse a sequential run where pyABC is not installed, without importing it.

    Errors
    ------
    CareError
        When it is not.
    """
    if find_spec("pyabc") is None:
        raise _no_pyabc()


def _no_pyabc() -> CareError:
    return CareError(
        "The sequential run needs the library pyABC, which is not installed",
        remedy='Install it with: pip install "journeys-abm[fit]"',
    )


def _pyabc() -> Any:
    try:
        with warnings.catch_warnings():
            # Libraries that pyABC brings warn of one another on import.
            warnings.simplefilter("ignore")
            import pyabc
    except ImportError as fault:
        raise _no_pyabc() from fault
    return pyabc


@contextmanager
def _quiet(seed: int) -> Iterator[None]:
    """Keep pyABC from telling its progress, and key the numbers that it draws from numpy's common generator."""
    loggers = [logging.getLogger(name) for name in ("ABC", "ABC.History", "ABC.Sampler", "ABC.Distance")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with common_generator(seed), warnings.catch_warnings():
            # pandas and SQLAlchemy announce changes of their own that pyABC has not followed yet.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
