"""Estimate over areas how yearly factors differ and move (see `calibration.pooling`), and write published/pooling.csv.

    python -m calibration.pooling_estimate FITS --to calibration/published/pooling.csv

FITS is a folder with a fit for each area, as `journeys calibrate england --to FITS` writes it. The table has a block of
rows for each last year from 2022 on, from the figures up to that year alone: for tests of forecasts. Of what is later,
these blocks rest on two things: the derivatives are taken at the fits, which saw all years, and the level of an area's
exits from care is its mean over the fitted years. Both hardly matter for how factors differ and move over 145 areas.

What an area's figures say of its factors is taken from its fit as a likelihood: Gaussian around the fit, with the
derivatives of the figures by the factors, and without the prior of the fit. So the noise of estimating, which is large
in a small area, is not taken for movement. The numbers are those that make all areas' figures most likely (maximum
marginal likelihood by expectation and maximisation; between levers the kernels are fitted one by one, the correlation
after them). Weak priors, stated below, keep numbers that few years say nothing about within reason. Spreads are from
leaving out a tenth of the areas at a time (jackknife).
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError
from abm.files import replacing
from calibration.fit import Fitted
from calibration.fitted import FIT, load_fit
from calibration.levers import LEVERS
from calibration.pooling import COLUMNS, FIRST_YEAR, OWN, SHIPPED, TAILS, Process, joint, kernel
from calibration.pooling_evidence import Evidence, evidence_until
from calibration.statistics import ENGLAND

Array = NDArray[np.float64]
ROUNDS, STEPS, CLOSE = 80, 6, 2e-4
"""The most rounds, steps towards the best kernel in each, and the largest change of a number at which rounds end."""
SPREADS = ("between", "moving", "passing")
GUESS = ((0.15, 1.0), (0.15, 1.0), (0.08, 1.0))
"""Weak priors of the three spreads, assumed: the middle, and the standard deviation of the logarithm."""
PERSISTENCE = (0.75, 1.0)
"""Weak prior of persistence, assumed: the middle, and the standard deviation on the logit scale."""
NATIONAL_SD = 0.5
"""Prior of what all areas share in a year (assumed): so wide that it matters only for a lever without figures."""
POOLED_YEARS = 5
"""The step of what all areas share is held towards the levers' common ratio as if it had been seen in so many years
(assumed): of a handful of years one lever alone says little."""
GROUPS, ROUNDS_WITHOUT = 10, 15
"""Groups of areas that are left out, one at a time, for spreads; and the most rounds without one, from the whole."""
FIRST_UNTIL = 2022
"""Of one year alone nothing can be said about how factors move."""


def estimate_process(
    evidence: Sequence[Evidence], until: int, start: Process | None = None, rounds: int = ROUNDS
) -> Process:
    """Return the process under which these areas' figures up to `until` are most likely.

    Parameters
    ----------
    evidence
        Of fits that saw nothing after `until`; an area may have fewer years.
    start
        Where to begin; a guess if None.
    rounds
        The most rounds.

    Errors
    ------
    CareError
        For fewer than three areas, or an area with years after `until`.
    """
    n_years, n = until - FIRST_YEAR + 1, len(LEVERS)
    if len(evidence) < 3:
        raise CareError(f"Of {len(evidence)} areas nothing can be said about how areas differ", "", "Fit more areas")
    late = [one.area for one in evidence if one.n_years > n_years]
    if late:
        raise CareError(f"These fits saw years after {until}: {', '.join(late)}", "", "Fit them up to that year")
    n = len(evidence[0].direction) // evidence[0].n_years
    data = _Stacked.of(evidence, n_years, n)
    begin = (*(middle for middle, _ in GUESS), PERSISTENCE[0])
    own = {name: np.full(n, middle) for name, middle in zip((*SPREADS, "persistence"), begin, strict=True)}
    correlation, national, precision = np.eye(n), np.zeros((n_years, n)), np.ones((len(evidence), n))
    if start is not None:
        own = {name: getattr(start, name) for name in OWN}
        correlation, national = start.correlation, start.national
    for _ in range(rounds):
        kernels = [kernel(n_years, *(own[name][lever] for name in OWN)) for lever in range(n)]
        scales = np.tile(1 / np.sqrt(precision), n_years)
        sigma = joint(kernels, correlation) * scales[:, :, None] * scales[:, None, :]
        national = data.national(sigma).reshape(n_years, n)
        moments, precision = data.moments(sigma, national.ravel(), kernels, precision)
        new = _kernels(moments, own, len(evidence))
        correlation = _correlation(moments, new)
        moved = max(float(np.abs(new[name] - own[name]).max()) for name in OWN)
        own = new
        if moved < CLOSE:
            break
    step = _national_steps(national, own)
    shares = np.array([one.children for one in evidence])
    share = float(((shares / shares.sum()) ** 2).sum())
    return Process(
        until=until, **own, correlation=correlation, national=national, national_step=step, share=share,
        n_areas=len(evidence),
    )  # fmt: skip


@dataclass(frozen=True)
class _Stacked:
    """All areas' evidence, with nothing known of years that an area lacks."""

    information: Array
    direction: Array
    n_years: Array

    @staticmethod
    def of(evidence: Sequence[Evidence], n_years: int, n: int) -> _Stacked:
        size = n_years * n
        information, direction = np.zeros((len(evidence), size, size)), np.zeros((len(evidence), size))
        for place, one in enumerate(evidence):
            k = one.n_years * n
            information[place, :k, :k], direction[place, :k] = one.information, one.direction
        return _Stacked(information, direction, np.array([one.n_years for one in evidence]))

    def national(self, sigma: Array) -> Array:
        """Return what all areas share, the best estimate given the covariances of the areas' own parts."""
        # With A the information and S the covariance, an area says b of it with the weight A: (1 + A S)^-1 (A, b).
        both = np.concatenate([self.information, self.direction[:, :, None]], axis=2)
        said = np.linalg.solve(np.eye(sigma.shape[1]) + self.information @ sigma, both).sum(axis=0)
        weight = said[:, :-1] + np.eye(sigma.shape[1]) / NATIONAL_SD**2
        out: Array = np.linalg.solve(weight, said[:, -1])
        return out

    def moments(self, sigma: Array, national: Array, kernels: Sequence[Array], precision: Array) -> tuple[Array, Array]:
        """Return the mean over areas of E[u u'], u an area's own part in units of its scale, and new 1 / scale^2.

        sigma      float64[areas, years * L, years * L]  covariances of the own parts
        precision  float64[areas, L]
        """
        size, n = sigma.shape[1], len(kernels)
        left = np.eye(size) + sigma @ self.information
        toward = (self.direction - self.information @ national)[:, :, None]
        both = np.linalg.solve(left, np.concatenate([sigma, sigma @ toward], axis=2))
        squares = both[:, :, :-1] + both[:, :, -1:] * both[:, None, :, -1]
        squares = (squares + squares.transpose(0, 2, 1)) / 2
        by_lever = squares.reshape(len(squares), size // n, n, size // n, n)
        inverses = np.stack([np.linalg.inv(each) for each in kernels])
        came = np.einsum("asktk,kst->ak", by_lever, inverses)
        new = (TAILS + self.n_years[:, None]) / (TAILS + came - (size // n - self.n_years)[:, None] / precision)
        root = np.tile(np.sqrt(new), size // n)
        return (squares * root[:, :, None] * root[:, None, :]).mean(axis=0), new


def _kernels(moments: Array, own: dict[str, Array], n_areas: int) -> dict[str, Array]:
    """Return the four numbers of each lever that fit its second moments over the years best."""
    from scipy.optimize import minimize

    n = len(own["between"])
    n_years = len(moments) // n
    blocks = moments.reshape(n_years, n, n_years, n)
    out = {name: np.zeros(n) for name in OWN}
    middles = np.r_[[np.log(middle) for middle, _ in GUESS], _logit(PERSISTENCE[0])]
    spreads = np.r_[[spread for _, spread in GUESS], PERSISTENCE[1]]
    years_apart = np.abs(np.subtract.outer(np.arange(n_years), np.arange(n_years)))
    for lever in range(n):
        seen = blocks[:, lever, :, lever]

        def apart(at: Array, seen: Array = seen) -> tuple[float, Array]:
            """Return the penalised misfit and its gradient."""
            (between, moving, passing), persistence = np.exp(at[:3]), 1 / (1 + np.exp(-at[3]))
            covariance = kernel(n_years, between, moving, persistence, passing) + 1e-10 * np.eye(n_years)
            inverse = np.linalg.inv(covariance)
            off = (at - middles) / spreads
            fit = np.linalg.slogdet(covariance)[1] + np.sum(inverse * seen)
            # By each number: of the covariance, then of the misfit.
            by_persistence = moving**2 * years_apart * persistence ** np.maximum(years_apart - 1, 0)
            by = np.stack(
                [
                    np.full_like(covariance, 2 * between**2), 2 * moving**2 * persistence**years_apart,
                    2 * passing**2 * np.eye(n_years), by_persistence * persistence * (1 - persistence),
                ]
            )  # fmt: skip
            gradient = np.einsum("kst,st->k", by, inverse - inverse @ seen @ inverse)
            return float(n_areas * fit / 2 + (off**2).sum() / 2), n_areas * gradient / 2 + off / spreads

        begin = np.r_[[np.log(own[name][lever]) for name in SPREADS], _logit(own["persistence"][lever])]
        bounds = [(np.log(1e-3), np.log(3.0))] * 3 + [(_logit(0.02), _logit(0.98))]
        # A few steps a round do: the rounds go on until nothing moves.
        found = minimize(apart, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS}).x
        for name, value in zip(SPREADS, np.exp(found[:3]), strict=True):
            out[name][lever] = value
        out["persistence"][lever] = 1 / (1 + np.exp(-found[3]))
    return out


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def _correlation(moments: Array, own: dict[str, Array]) -> Array:
    """Return the correlation between levers of each year's news, the mean over the years."""
    n = len(own["between"])
    n_years = len(moments) // n
    blocks = moments.reshape(n_years, n, n_years, n)
    roots = [np.linalg.cholesky(kernel(n_years, *(own[name][lever] for name in OWN))) for lever in range(n)]
    news = np.zeros((n, n))
    for one in range(n):
        for other in range(n):
            half = np.linalg.solve(roots[one], blocks[:, one, :, other])
            news[one, other] = np.trace(np.linalg.solve(roots[other], half.T))
    size = np.sqrt(np.diag(news))
    out: Array = news / np.outer(size, size)
    return out


def _national_steps(national: Array, own: dict[str, Array]) -> Array:
    """Return the standard deviation of a year's change of what all areas share, of each lever.

    Each lever's own changes, held towards the mean ratio of such changes to those of an area's own course.
    """
    steps = np.diff(national, axis=0)
    local = 2 * (own["moving"] ** 2 * (1 - own["persistence"]) + own["passing"] ** 2)
    if len(steps) == 0:
        return np.sqrt(local)
    mean = (steps**2).mean(axis=0)
    ratio = float((mean / local).mean())
    pooled = (len(steps) * mean + POOLED_YEARS * ratio * local) / (len(steps) + POOLED_YEARS)
    out: Array = np.sqrt(pooled)
    return out


# Spreads, and the table ----------------------------------------------------------------------------------------------


def jackknife(evidence: Sequence[Evidence], whole: Process, rounds: int = ROUNDS) -> dict[tuple[str, str, str], float]:
    """Return the standard error of each number, from leaving out each of GROUPS groups of areas."""
    ordered = sorted(evidence, key=lambda one: one.area)
    parts = [
        numbers_of(
            estimate_process([e for k, e in enumerate(ordered) if k % GROUPS != left], whole.until, whole, rounds)
        )
        for left in range(GROUPS)
    ]
    scale = (GROUPS - 1) / GROUPS
    return {
        key: float(np.sqrt(scale * sum((part[key] - np.mean([p[key] for p in parts])) ** 2 for part in parts)))
        for key in parts[0]
    }


def numbers_of(process: Process) -> dict[tuple[str, str, str], float]:
    """Return the numbers of a process: (number, lever, of) -> value."""
    levers = [lever.key for lever in LEVERS]
    out = {("areas", "", ""): float(process.n_areas), ("share", "", ""): process.share}
    for name in (*OWN, "national_step"):
        out |= {(name, lever, ""): float(value) for lever, value in zip(levers, getattr(process, name), strict=True)}
    for year, row in enumerate(process.national, start=FIRST_YEAR):
        out |= {("national", lever, str(year)): float(value) for lever, value in zip(levers, row, strict=True)}
    for i, one in enumerate(levers):
        for j, other in enumerate(levers[:i]):
            out["correlation", other, one] = float(process.correlation[i, j])
    return out


def table_of(process: Process, spread: dict[tuple[str, str, str], float], source: str) -> list[dict[str, str]]:
    """Return the rows of the table for one process."""
    rows = []
    for (number, lever, of), value in numbers_of(process).items():
        counted = number in ("areas", "share")
        told = {
            "until": process.until, "number": number, "lever": lever, "of": of, "value": f"{value:.5g}",
            "spread": "" if counted else f"{spread[number, lever, of]:.2g}",
            "status": "derived" if counted else "fitted", "source": source,
        }  # fmt: skip
        rows.append({column: str(told[column]) for column in COLUMNS})
    return rows


def write_table(rows: Iterable[dict[str, str]], path: Path) -> None:
    """Write the table, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with replacing(path) as part:
        part.write_text(text.getvalue(), encoding="utf-8", newline="\n")


# Fits on disk --------------------------------------------------------------------------------------------------------


def read_fits(folder: Path) -> tuple[list[Fitted], str]:
    """Return the fits in a folder of fits, and the name and mark of their table. England as one area is left out."""
    found: list[Fitted] = []
    tables: set[tuple[str, str]] = set()
    for path in sorted(folder.glob(f"*/{FIT}")):
        made = load_fit(path.parent)
        if made.fitted.area.code != ENGLAND:
            found.append(made.fitted)
            tables.add((made.statistics["file"], made.statistics["sha256"]))
    if not found:
        raise CareError("There is no fit here", str(folder), "Make them: journeys calibrate england --to FOLDER")
    if len(tables) != 1:
        raise CareError("These fits were made from different tables", str(folder), "Make them from one table")
    ((file, mark),) = tables
    return found, f"{file} {mark[:12]}"


def table_from(fits: Sequence[Fitted], source: str, say: Callable[[str], None]) -> list[dict[str, str]]:
    """Return the rows of the table: of each last year from FIRST_UNTIL to that of the fits."""
    last = max(fitted.fitted_to for fitted in fits)
    years = range(FIRST_UNTIL, last + 1)
    seen: dict[int, list[Evidence]] = {until: [] for until in years}
    for fitted in fits:
        for until, one in zip(years, evidence_until(fitted, years), strict=True):
            seen[until].append(one)
        say(fitted.area.name)
    rows = []
    for until, evidence in seen.items():
        process = estimate_process(evidence, until)
        rows += table_of(process, jackknife(evidence, process), source)
        say(f"up to {until}")
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Estimate the process from a folder of fits and write the table."""
    parser = argparse.ArgumentParser(description="Estimate how yearly factors differ and move, over areas.")
    parser.add_argument("fits", type=Path, help="a folder of fits, as 'journeys calibrate england' writes it")
    parser.add_argument("--to", type=Path, default=SHIPPED, help="the table to write")
    asked = parser.parse_args(argv)
    try:
        fits, source = read_fits(asked.fits)
        write_table(table_from(fits, source, print), asked.to)
    except CareError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
