"""Population by age: small cases by hand, conservation, and every area of the reference."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm.errors import CareError
from calibration.census import ASSUMED, DERIVED, N_AGES, Ages, census
from calibration.refusals import COLUMNS
from calibration.statistics import ENGLAND, Statistics, read_statistics

FIVE = ("E92000001", "E06000004", "E06000009", "E08000022", "E10000007")


def table(folder: Path, counted: dict[int, list[float]], totals: dict[int, float]) -> Statistics:
    """Return a table of one area: children by age of some mid-years, and totals."""
    path = folder / "figures.csv"
    rows: list[tuple[object, ...]] = [(year, "population_0_17", "mid-year", n, "persons") for year, n in totals.items()]
    rows += [
        (year, "population_single_year_of_age", f"Persons | age {age}", n, "persons (mid-year)")
        for year, by_age in counted.items()
        for age, n in enumerate(by_age)
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([("E06000009", "Blackpool", *row, "A") for row in rows])
    return read_statistics(path)


def check(ages: Ages, totals: dict[int, float]) -> None:
    """Hold what holds for any area."""
    n = len(ages.years)
    assert ages.counts.shape == (n, N_AGES)
    assert ages.births.shape == (n - 1,)
    assert ages.net_moves.shape == (n - 1, N_AGES)
    assert np.isfinite(ages.counts).all()
    assert (ages.counts >= 0).all()
    # Everyone is accounted for: a year older, come or gone, or born.
    np.testing.assert_allclose(ages.counts[1:, 1:], (ages.counts[:-1] + ages.net_moves)[:, :-1], atol=1e-6)
    np.testing.assert_allclose(ages.counts[1:, 0], ages.births)
    assert (ages.net_moves[:, 17] == 0).all()
    for i, year in enumerate(ages.years):
        if year - 1 in totals and year in totals:
            assert ages.counts[i].sum() == pytest.approx(0.25 * totals[year - 1] + 0.75 * totals[year], abs=1)
    assert ages.statuses == tuple(DERIVED if year <= max(totals) else ASSUMED for year in ages.years)


# --- by hand -------------------------------------------------------------------------------------


def test_without_change_nothing_moves(tmp_path: Path) -> None:
    same = [100.0] * N_AGES
    ages = census(table(tmp_path, {2011: same, 2022: same}, dict.fromkeys(range(2012, 2025), 1800)), "Blackpool")
    np.testing.assert_allclose(ages.counts, 100)
    np.testing.assert_allclose(ages.births, 100)
    np.testing.assert_allclose(ages.net_moves, 0, atol=1e-9)
    assert ages.years == tuple(range(2020, 2031))


def test_31_march_is_three_quarters_of_the_way(tmp_path: Path) -> None:
    before, after = [100.0] * N_AGES, [140.0] * N_AGES
    statistics = table(tmp_path, {2022: before, 2023: after}, {2022: 1800, 2023: 2520})
    ages = census(statistics, "Blackpool", range(2023, 2025))
    np.testing.assert_allclose(ages.counts[0], 0.25 * 100 + 0.75 * 140)
    # After the last total nobody moves: 31 March 2024 has a quarter of mid-2023, three quarters of it a year older.
    np.testing.assert_allclose(ages.counts[1], 140)
    np.testing.assert_allclose(ages.net_moves[0, :-1], 140 - 130)
    assert ages.births[0] == pytest.approx(140)
    assert ages.statuses == (DERIVED, ASSUMED)


def test_a_cohort_counted_twice_changes_evenly(tmp_path: Path) -> None:
    # Aged 0 in 2011 and 11 in 2022: 100, then 210, so 200 in 2021 at age 10.
    first, second = [100.0] * N_AGES, [210.0] * N_AGES
    statistics = table(tmp_path, {2011: first, 2022: second}, {2022: 210 * 18})
    ages = census(statistics, "Blackpool", range(2022, 2024))
    # Without a total of 2021 it is scaled as 2022: not at all.
    mid_2021 = 4 * (ages.counts[0] - 0.75 * 210)
    assert mid_2021[10] == pytest.approx(200)
    # Born after 2011: as many before as when counted.
    assert mid_2021[5] == pytest.approx(210)
    # Aged 7 in 2011, too old in 2022: changes as the cohorts aged 0 to 6 in 2011 did.
    assert mid_2021[17] == pytest.approx(200)


def test_after_the_last_count_by_age_the_total_rules(tmp_path: Path) -> None:
    by_age = [100.0] * N_AGES
    statistics = table(tmp_path, {2022: by_age}, {2022: 1800, 2023: 2480})
    ages = census(statistics, "Blackpool", range(2023, 2025))
    mid_2023 = (ages.counts[0] - 25) / 0.75
    # 100 are born, so the other 17 ages have 2,480 less 100, 140 each.
    assert mid_2023[0] == pytest.approx(100)
    np.testing.assert_allclose(mid_2023[1:], 140)


def test_the_projection_only_ages(tmp_path: Path) -> None:
    by_age = [float(100 + age) for age in range(N_AGES)]
    statistics = table(tmp_path, {2022: by_age}, {2022: sum(by_age)})
    ages = census(statistics, "Blackpool", range(2024, 2031))
    np.testing.assert_allclose(ages.net_moves, 0, atol=1e-9)
    np.testing.assert_allclose(ages.births, 100)
    assert set(ages.statuses) == {ASSUMED}


def test_an_area_without_ages_is_refused(tmp_path: Path) -> None:
    statistics = table(tmp_path, {}, {2022: 1800})
    with pytest.raises(CareError, match=r"no population by single year of age of Blackpool \(E06000009\)"):
        census(statistics, "Blackpool")
    with pytest.raises(CareError, match="no population aged 0 to 17"):
        census(table(tmp_path, {2022: [1.0] * N_AGES}, {}), "Blackpool")
    # One age missing is as good as none.
    with pytest.raises(CareError, match="no population by single year of age"):
        census(table(tmp_path, {2022: [1.0] * 17}, {2022: 17}), "Blackpool")


# --- any area ------------------------------------------------------------------------------------


@given(
    by_age=st.lists(st.integers(1, 5000), min_size=N_AGES, max_size=N_AGES),
    earlier=st.none() | st.lists(st.integers(1, 5000), min_size=N_AGES, max_size=N_AGES),
    growth=st.lists(st.floats(0.9, 1.1), min_size=6, max_size=6),
    last=st.sampled_from([2022, 2023]),
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_children_are_conserved(by_age: list, earlier: list | None, growth: list, last: int, tmp_path: Path) -> None:
    counted = {2022: by_age} | ({2011: earlier} if earlier else {}) | ({last: by_age} if last > 2022 else {})
    totals = {year: round(sum(by_age) * factor) for year, factor in zip(range(2019, 2025), growth, strict=True)}
    check(census(table(tmp_path, counted, totals), "Blackpool"), totals)


@pytest.mark.parametrize("code", FIVE)
def test_the_five_areas(code: str) -> None:
    statistics = read_statistics()
    ages = census(statistics, code)
    check(ages, statistics.series(code, "population_0_17"))
    # Births that were left over are near those that were registered, mid-2022 to mid-2023.
    registered = statistics.value(code, "births", 2023)
    assert ages.births[list(ages.years).index(2023)] == pytest.approx(registered, rel=0.04)
    assert np.abs(ages.net_moves / ages.counts[:-1]).max() < 0.06


def test_england_by_hand() -> None:
    ages = census(read_statistics(), ENGLAND)
    # 0.25 x 11,901,267 (mid-2022) + 0.75 x 12,059,476 (mid-2023).
    assert ages.counts[ages.years.index(2023)].sum() == pytest.approx(12_019_923.75, abs=0.1)


@pytest.mark.slow
def test_every_area_of_the_reference(reference: Statistics) -> None:
    assert len(reference.areas()) == 154
    for code, _ in reference.areas():
        check(census(reference, code), reference.series(code, "population_0_17"))
    with pytest.raises(CareError, match="no population by single year of age of Cumbria"):
        census(reference, "Cumbria")
