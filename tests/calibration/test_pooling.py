"""How factors differ between areas and move: by hand, by dense twins, and recovered from made-up areas."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from abm.errors import CareError
from calibration.levers import LEVERS
from calibration.pooling import (
    OWN,
    SHIPPED,
    Process,
    joint,
    kernel,
    keyed_normals,
    process_until,
    read_processes,
)
from calibration.pooling_estimate import estimate_process, jackknife, numbers_of, table_of, write_table
from calibration.pooling_evidence import MOST_SCALE, Evidence, evidence_of, laplace_draws, own_scales, prior_for
from calibration.statistics import ENGLAND

Array = NDArray[np.float64]
L = len(LEVERS)


def small(n: int = 2, years: int = 3, share: float = 0.01) -> Process:
    """Return a process of two levers whose numbers are easy."""
    return Process(
        until=2020 + years, between=np.full(n, 0.1), moving=np.full(n, 0.3), persistence=np.full(n, 0.5),
        passing=np.full(n, 0.2), correlation=np.eye(n) * 0.5 + 0.5, share=share, n_areas=100,
        national=np.arange(years * n).reshape(years, n) / 10, national_step=np.full(n, 0.05),
    )  # fmt: skip


def areas(process: Process, n_areas: int, noise: float, rng: np.random.Generator, wild: int = 0) -> list[Evidence]:
    """Return evidence of made-up areas: factors drawn from a process, seen with noise; the first `wild` move 10 times
    as much."""
    n_years, n = process.until - 2020, process.n_levers
    root = np.linalg.cholesky(process.own_covariance(n_years))
    out = []
    for k in range(n_areas):
        own = root @ rng.standard_normal(n_years * n) * (10.0 if k < wild else 1.0)
        seen = process.national.ravel() + own + noise * rng.standard_normal(n_years * n)
        # A model that gives the factors themselves: information is 1 / noise^2.
        jacobian = np.eye(n_years * n) / noise
        figures = np.zeros((n_years, n))
        value, sd = seen.reshape(n_years, n), np.full((n_years, n), noise)
        out.append(evidence_of(f"E{k:03d}", figures, jacobian, figures, value, sd, 1000.0))
    return out


# The covariance ------------------------------------------------------------------------------------------------------


def test_the_kernel_by_hand() -> None:
    found = kernel(3, 0.1, 0.3, 0.5, 0.2)
    assert np.allclose(found[0], [0.01 + 0.09 + 0.04, 0.01 + 0.045, 0.01 + 0.0225])
    assert np.allclose(found, found.T)


def test_the_joint_covariance_is_that_of_each_lever_and_correlates_news() -> None:
    kernels, correlation = (
        [kernel(4, 0.1, 0.3, 0.5, 0.2), kernel(4, 0.2, 0.1, 0.9, 0.1)],
        np.array([[1, -0.6], [-0.6, 1]]),
    )
    found = joint(kernels, correlation).reshape(4, 2, 4, 2)
    for lever in range(2):
        assert np.allclose(found[:, lever, :, lever], kernels[lever])
    roots = [np.linalg.cholesky(each) for each in kernels]
    assert np.allclose(found[:, 0, :, 1], -0.6 * roots[0] @ roots[1].T)
    assert np.linalg.eigvalsh(joint(kernels, correlation)).min() > 0
    # That of fewer years is its first part: what is added later changes nothing that was.
    fewer = joint([each[:2, :2] for each in kernels], correlation)
    assert np.allclose(joint(kernels, correlation)[:4, :4], fewer)


def test_england_as_one_area_has_little_of_its_own() -> None:
    process = small()
    one, all_ = process.prior(3, area="E1"), process.prior(3, area=ENGLAND)
    assert np.allclose(all_.own, 0.01 * one.own)
    assert np.allclose(all_.mean, one.mean)


def test_years_ahead_begin_at_what_all_areas_share_and_spread_as_a_walk() -> None:
    prior = small(years=3).prior(5)
    assert np.allclose(prior.mean[3:], prior.mean[2])
    assert np.allclose(prior.walk[3:, 3:], [[1, 1], [1, 2]])
    assert not prior.walk[:3].any()


# The years ahead ------------------------------------------------------------------------------------------------------


def test_years_ahead_are_those_of_the_joint_gaussian_given_the_fitted_ones() -> None:
    """The dense twin: condition the whole covariance, own part and walk together."""
    process = small()
    prior = process.prior(6, scale=np.array([1.5, 0.7]))
    logs = np.array([[0.3, -0.1], [0.2, 0.4], [0.5, 0.1]])
    whole, n = prior.covariance, 6
    gain = whole[n:, :n] @ np.linalg.inv(whole[:n, :n])
    expected = prior.mean[3:].ravel() + gain @ (logs - prior.mean[:3]).ravel()
    assert np.allclose(prior.mean_ahead(logs)[3:].ravel(), expected)
    assert np.allclose(prior.mean_ahead(logs)[:3], logs)
    drawn = prior.draws(np.tile(logs, (20_000, 1, 1)), seed=3)[:, 3:].reshape(20_000, -1)
    spread = whole[n:, n:] - gain @ whole[:n, n:]
    # Six means and 36 covariances against their standard errors; 5.5 of them: a false alarm in 600,000.
    error = np.sqrt(np.diag(spread) / 20_000)
    assert (np.abs(drawn.mean(axis=0) - expected) < 5.5 * error).all()
    found = np.cov(drawn.T)
    error = np.sqrt((np.outer(np.diag(spread), np.diag(spread)) + spread**2) / 20_000)
    assert (np.abs(found - spread) < 5.5 * error).all()
    # Power: without the walk, which is a fifth of the variance of the last year, it would be seen.
    assert not (np.abs(found - (prior.own[n:, n:] - gain @ prior.own[:n, n:])) < 5.5 * error).all()


def test_draws_are_keyed_by_number_and_share_the_news_of_all_areas() -> None:
    process = small()
    logs = np.zeros((5, 3, 2))
    one = process.prior(8, area="E06000009")
    assert np.array_equal(one.draws(logs, 1)[:2], one.draws(logs[:2], 1))
    assert not np.array_equal(one.draws(logs, 1), one.draws(logs, 2))
    other = process.prior(8, area="E10000007").draws(logs, 1)
    assert not np.allclose(one.draws(logs, 1)[:, 3:], other[:, 3:])
    # Two areas of which nothing is their own move alike.
    none = replace(process, between=np.zeros(2), moving=np.zeros(2), passing=np.full(2, 1e-9))
    alike = [none.prior(8, area=code).draws(logs, 1)[:, 3:] for code in ("E06000009", "E10000007")]
    assert np.abs(alike[0] - alike[1]).max() < 1e-4
    assert alike[0][:, -1].std() > 0.03


def test_keyed_normals_are_normal() -> None:
    found = keyed_normals(1, 20_000, 1, 2, "a test")
    assert np.array_equal(found[:7], keyed_normals(1, 7, 1, 2, "a test"))
    assert np.abs(found.mean(axis=0)).max() < 5 / np.sqrt(20_000)
    assert np.abs(found.std(axis=0) - 1).max() < 5 / np.sqrt(40_000)


# One area -------------------------------------------------------------------------------------------------------------


def test_what_figures_and_all_areas_say_together_is_weighed_by_both() -> None:
    process = small(n=2, years=2)
    rng = np.random.default_rng(1)
    (evidence,) = areas(process, 1, 0.2, rng)
    prior = process.prior(2)
    mean, covariance = evidence.given(prior)
    precision = np.linalg.inv(prior.covariance)
    expected = np.linalg.inv(precision + np.eye(4) / 0.04)
    assert np.allclose(covariance, expected)
    assert np.allclose(mean.ravel(), expected @ (precision @ prior.mean.ravel() + evidence.direction))
    # An area whose figures say nothing is as all areas are; one whose figures say all is as they say.
    nothing = replace(evidence, information=0 * evidence.information, direction=0 * evidence.direction)
    assert np.allclose(nothing.given(prior)[0], prior.mean)
    much = replace(evidence, information=1e8 * evidence.information, direction=1e8 * evidence.direction)
    assert np.allclose(much.given(prior)[0].ravel(), 0.04 * evidence.direction, atol=1e-6)


def test_an_area_that_jumps_has_a_scale_of_its_own() -> None:
    process = small(n=2, years=5)
    process = replace(process, correlation=np.eye(2))
    value = process.national + np.array([[0.1, 2.0], [-0.2, -2.0], [0.1, 1.5], [0.0, -2.0], [0.2, 2.0]])
    nothing = np.zeros((5, 2))
    sd = np.full((5, 2), 0.01)
    evidence = evidence_of("E1", nothing, np.eye(10) / 0.01, nothing, value, sd, 1.0)
    calm, wild = own_scales(process, evidence)
    assert calm < 1.1
    assert wild > 3
    assert own_scales(process, replace(evidence, direction=30 * evidence.direction)).max() == MOST_SCALE
    # By hand, as the figures leave nothing open: (4 + movement in units of the process) / (4 + 5 years).
    own = value[:, 1] - process.national[:, 1]
    came = own @ np.linalg.solve(process.kernel(1, 5), own)
    assert wild**2 == pytest.approx((4 + came) / 9, rel=0.01)


def test_a_small_area_borrows_and_its_draws_are_wider() -> None:
    """The same figures, seen with little and with much noise."""
    process = replace(small(n=L, years=3), national=np.zeros((3, L)), correlation=np.eye(L))
    value, nothing = np.full((3, L), 0.4), np.zeros((3, L))

    def draws(noise: float) -> Array:
        sd = np.full((3, L), noise)
        evidence = evidence_of("E1", nothing, np.eye(3 * L) / noise, nothing, value, sd, 1.0)
        return laplace_draws(prior_for(process, evidence, 6), evidence, 400, 1)

    large, little = draws(0.02), draws(0.8)
    assert abs(large[:, :3].mean() - 0.4) < 0.02
    assert 0.0 < little[:, :3].mean() < 0.25
    assert little[:, :3].std(axis=0).mean() > 3 * large[:, :3].std(axis=0).mean()
    assert little.shape == (400, 6, L)


# Over areas -----------------------------------------------------------------------------------------------------------

TRUTH = Process(
    until=2025, between=np.array([0.05, 0.2]), moving=np.array([0.3, 0.15]), persistence=np.array([0.7, 0.5]),
    passing=np.array([0.05, 0.1]), correlation=np.array([[1.0, 0.5], [0.5, 1.0]]),
    national=np.array([[0.1, 0.0], [0.2, -0.1], [0.1, -0.2], [0.0, -0.2], [-0.1, -0.3]]),
    national_step=np.full(2, 0.1), share=0.01, n_areas=150,
)  # fmt: skip


def spread_of_a_step(process: Process) -> Array:
    """Return the standard deviation of a year's change of an area's own part."""
    return np.sqrt(2 * (process.moving**2 * (1 - process.persistence) + process.passing**2))


def test_a_known_process_is_found_again() -> None:
    found = estimate_process(areas(TRUTH, 150, 0.15, np.random.default_rng(4)), 2025)
    # Within 25%: with 150 areas the standard error of these is 4 to 6% (`jackknife`), so 4 of them.
    assert np.allclose(spread_of_a_step(found), spread_of_a_step(TRUTH), rtol=0.25)
    levels = [np.sqrt(p.between**2 + p.moving**2 + p.passing**2) for p in (found, TRUTH)]
    assert np.allclose(*levels, rtol=0.25)
    assert abs(found.correlation[0, 1] - 0.5) < 0.2
    # What all areas share: the error is that of a mean of 150, 0.03.
    assert np.abs(found.national - TRUTH.national).max() < 0.12
    assert found.share == pytest.approx(1 / 150)
    assert found.n_areas == 150


def test_the_noise_of_small_areas_is_not_taken_for_movement() -> None:
    """Seen with noise of 0.5, a year's change is 0.75 wide of which 0.24 is movement; the plain estimate fails."""
    seen = areas(TRUTH, 100, 0.5, np.random.default_rng(5))
    found = spread_of_a_step(estimate_process(seen, 2025))
    assert np.allclose(found, spread_of_a_step(TRUTH), rtol=0.4)
    plain = np.diff([0.25 * e.direction.reshape(5, 2) for e in seen], axis=1).std(axis=(0, 1))
    assert (plain > 2.5 * spread_of_a_step(TRUTH)).all()


def test_a_few_areas_with_broken_figures_do_not_widen_all_others() -> None:
    rng = [np.random.default_rng(6) for _ in range(2)]
    calm, wild = (estimate_process(areas(TRUTH, 80, 0.1, r, wild=w), 2025) for r, w in zip(rng, (0, 4), strict=True))
    assert np.allclose(spread_of_a_step(wild), spread_of_a_step(calm), rtol=0.25)
    # Power: the plain variance with four areas in 80 that move ten times as much is six times as large.
    plain = [np.diff([0.01 * e.direction.reshape(5, 2) for e in areas(TRUTH, 80, 0.1, np.random.default_rng(6), w)],
                     axis=1).var(axis=(0, 1)) for w in (0, 4)]  # fmt: skip
    assert (plain[1] > 3 * plain[0]).all()


def test_areas_with_fewer_years_count_for_those() -> None:
    rng = np.random.default_rng(7)
    seen = areas(TRUTH, 120, 0.1, rng)
    cut = [
        replace(e, n_years=2, information=e.information[:4, :4], direction=e.direction[:4]) if k % 3 == 0 else e
        for k, e in enumerate(seen)
    ]
    whole, some = (estimate_process(each, 2025) for each in (seen, cut))
    assert np.allclose(spread_of_a_step(some), spread_of_a_step(whole), rtol=0.15)
    assert np.abs(some.national - whole.national).max() < 0.06


def test_what_saw_later_years_and_too_few_areas_are_refused() -> None:
    seen = areas(TRUTH, 4, 0.1, np.random.default_rng(8))
    with pytest.raises(CareError, match="saw years after 2023: E000, E001"):
        estimate_process(seen, 2023)
    with pytest.raises(CareError, match="Of 2 areas nothing can be said"):
        estimate_process(seen[:2], 2025)


# The table ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wide() -> Process:
    """A process of all levers, of numbers without a pattern."""
    rng = np.random.default_rng(9)
    own = {name: rng.uniform(0.05, 0.5, L) for name in (*OWN, "national_step")}
    mixed = rng.normal(0, 1, (L, 3))
    together = mixed @ mixed.T + 3 * np.eye(L)
    size = np.sqrt(np.diag(together))
    return replace(
        small(n=L, years=2), **own, national=rng.normal(0, 0.1, (2, L)), correlation=together / np.outer(size, size)
    )


def test_the_table_is_read_as_it_was_written(wide: Process, tmp_path: Path) -> None:
    path = tmp_path / "pooling.csv"
    spread = dict.fromkeys(numbers_of(wide), 0.01)
    write_table(table_of(wide, spread, "a table"), path)
    (found,) = read_processes(path).values()
    for name in (*OWN, "national_step", "national", "correlation"):
        assert np.allclose(getattr(found, name), getattr(wide, name), rtol=1e-4), name
    assert found.until == 2022
    lines = path.read_text().splitlines()
    assert lines[0] == "until,number,lever,of,value,spread,status,source"
    path.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(CareError, match="The table has no row 'correlation, elsewhere, transfer' of 2022"):
        read_processes.__wrapped__(path)
    path.write_text(lines[0] + "\n2022,between,referral,,much,,fitted,x\n")
    with pytest.raises(CareError, match="lacks a column or has no number"):
        read_processes.__wrapped__(path)


def test_spreads_are_those_of_leaving_areas_out() -> None:
    """Known for a mean: what all areas share, of noise alone, has the standard error of a mean over areas."""
    # numbers_of names all levers.
    truth = replace(
        small(n=L, years=1), between=np.full(L, 1e-3), moving=np.full(L, 0.1), passing=np.full(L, 1e-3),
        correlation=np.eye(L), national=np.zeros((1, L)),
    )  # fmt: skip
    seen = areas(truth, 40, 0.3, np.random.default_rng(10))
    found = jackknife(seen, estimate_process(seen, 2021, rounds=1), rounds=1)
    errors = [value for (number, _, _), value in found.items() if number == "national"]
    assert np.mean(errors) == pytest.approx(np.sqrt((0.01 + 0.09) / 40), rel=0.35)


def test_the_shipped_table_covers_the_origins_of_tests_and_sees_nothing_later() -> None:
    assert sorted(read_processes(SHIPPED)) == [2022, 2023, 2024, 2025]
    assert process_until(2030).until == 2025
    assert process_until(2023).until == 2023
    assert process_until(2023).national.shape == (3, L)
    with pytest.raises(CareError, match="to 2022 at the earliest, not to 2021"):
        process_until(2021)
    for process in read_processes(SHIPPED).values():
        assert np.linalg.eigvalsh(process.prior(10).covariance).min() > 0
