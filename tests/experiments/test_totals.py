"""Adding up: whole numbers in any order, shares from counts, published figures where every area has them."""

from __future__ import annotations

import itertools

import polars as pl
import pytest

from abm.outputs import BY_KEY, OUTPUTS
from experiments.totals import added, added_points, counts_of, shares, title, with_shares

KEYS = {"series": pl.String, "run": pl.UInt64, "figure": pl.String, "year": pl.Int32, "value": pl.Float64}


def table(*rows: tuple[str, int, str, int, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=KEYS, orient="row")


def area(referrals: int, again: int, foster: int, looked_after: int) -> pl.DataFrame:
    return table(
        ("abm", 1, "referrals", 2022, referrals),
        ("abm", 1, "rereferrals_within_12_months", 2022, 100 * (again / referrals)),
        ("abm", 1, "cla_foster_at_31_march", 2022, foster),
        ("abm", 1, "cla_at_31_march", 2022, looked_after),
        ("abm", 1, "cla_foster_share", 2022, 100 * foster / looked_after),
        ("abm", 1, "back_in_care, 1 year", 0, 12.5),
        ("sd", 0, "referrals", 2022, referrals + 0.25),
    )


def value(found: pl.DataFrame, figure: str, series: str = "abm") -> float:
    return float(found.filter(figure=figure, series=series)["value"].item())


def test_every_share_has_its_count() -> None:
    known = shares()
    assert {output.key for output in OUTPUTS if output.unit == "percent"} <= set(known)
    for key, (part, whole) in known.items():
        if key in BY_KEY:
            assert BY_KEY[part].states == BY_KEY[key].states
            assert BY_KEY[key].percent_of == whole


def test_shares_are_computed_from_counts_not_averaged() -> None:
    found = with_shares(added(counts_of(one, 1) for one in (area(300, 7, 10, 20), area(7, 3, 90, 100))))
    assert value(found, "referrals") == 307
    assert value(found, "referrals", "sd") == 307.5
    assert value(found, "cla_foster_share") == pytest.approx(100 * 100 / 120)
    assert value(found, "rereferrals_within_12_months") == pytest.approx(100 * 10 / 307)
    assert set(found["year"]) == {2022}, "what follows children over years is not added"


def test_the_order_of_areas_changes_nothing() -> None:
    areas = [area(311, 10, 20, 30), area(7, 3, 2, 3), area(977, 400, 100, 333)]
    first, *others = (with_shares(added(counts_of(one, 1) for one in order)) for order in itertools.permutations(areas))
    simulated = first.filter(series="abm")
    assert all(simulated.equals(other.filter(series="abm")) for other in others)


def test_a_sample_counts_for_all() -> None:
    found = with_shares(added([counts_of(area(300, 70, 10, 20), 10)]))
    assert value(found, "rereferrals_within_12_months") == pytest.approx(100 * 70 / 300)


def test_a_figure_that_an_area_lacks_is_not_added() -> None:
    less = area(7, 3, 2, 3).filter(pl.col("figure") != "cla_foster_at_31_march")
    found = with_shares(added(counts_of(one, 1) for one in (area(300, 7, 10, 20), less)))
    assert "cla_foster_at_31_march" not in set(found["figure"])
    assert "cla_foster_share" not in set(found["figure"])


def test_published_figures_are_added_where_every_area_has_them() -> None:
    one = {
        "referrals": {2021: 300.0, 2022: 100.0},
        "rereferrals_within_12_months": {2021: 10.0},
        "cla_at_31_march": {2021: 20.0},
        "cla_foster_at_31_march": {2021: 10.0},
        "cla_foster_share": {2021: 50.0},
    }
    two = {
        "referrals": {2021: 100.0},
        "rereferrals_within_12_months": {2021: 30.0},
        "cla_at_31_march": {2021: 80.0},
        "cla_foster_at_31_march": {2021: 70.0},
        "cla_foster_share": {2021: 88.0},
    }
    assert added_points([one, two]) == {
        "referrals": {2021: 400.0},
        "rereferrals_within_12_months": {2021: 15.0},
        "cla_at_31_march": {2021: 100.0},
        "cla_foster_at_31_march": {2021: 80.0},
        "cla_foster_share": {2021: 80.0},
    }
    del two["cla_foster_at_31_march"]
    assert "cla_foster_share" not in added_points([one, two])


def test_the_sum_is_not_taken_for_england() -> None:
    assert title(139, True) == "Sum of 139 authorities, not of all England"
    assert title(1, False) == "Sum of 1 area, not of all England"
