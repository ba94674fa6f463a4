"""Judgements: quantiles in, the distribution back, mixtures, files, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from abm.errors import CareError
from calibration.elicit import FAMILIES, Judgement, pooled, read_judgements

CHANCES = (0.05, 0.5, 0.95)


def judged(distribution, family, chances=CHANCES, **more):
    return Judgement("out_of_care", tuple((p, float(distribution.ppf(p))) for p in chances), family=family, **more)


@pytest.mark.parametrize(
    ("family", "true"),
    [
        ("normal", stats.norm(1.0, 0.2)),
        ("lognormal", stats.lognorm(0.3, scale=0.9)),
        ("beta", stats.beta(4.0, 9.0)),
        ("gamma", stats.gamma(6.0, scale=0.15)),
    ],
)
def test_quantiles_of_a_known_distribution_give_it_back(family, true):
    found = judged(true, family)
    assert np.abs(found.misses).max() < 1e-5
    assert found.distribution.mean() == pytest.approx(true.mean(), rel=1e-4)
    assert found.distribution.ppf(0.2) == pytest.approx(true.ppf(0.2), rel=1e-4)


def test_all_families_are_tried_above():
    assert set(FAMILIES) == {"normal", "lognormal", "beta", "gamma"}


def test_a_judgement_that_no_such_distribution_holds_says_how_far_it_misses():
    lopsided = Judgement("out_of_care", ((0.05, 0.5), (0.5, 0.55), (0.95, 3.0)))
    assert np.abs(lopsided.misses).max() > 0.2


def test_two_judgements_of_the_same_are_mixed_by_weight():
    one, other = judged(stats.norm(0.0, 0.1), "normal", weight=3.0), judged(stats.norm(1.0, 0.1), "normal", weight=1.0)
    (pool,) = pooled((one, other))
    assert pool.shares.tolist() == [0.75, 0.25]
    expected = np.log(0.75 * stats.norm(0.0, 0.1).pdf(0.1) + 0.25 * stats.norm(1.0, 0.1).pdf(0.1))
    assert pool.log_density(np.array([0.1]))[0] == pytest.approx(expected, rel=1e-6)


def test_mean_and_spread_on_the_log_scale_of_a_mixture_are_those_of_its_parts():
    parts = (judged(stats.lognorm(0.2, scale=0.8), "lognormal"), judged(stats.lognorm(0.4, scale=1.3), "lognormal"))
    (pool,) = pooled(parts)
    means, spreads = np.log([0.8, 1.3]), np.array([0.2, 0.4])
    middle = means.mean()
    spread = np.sqrt((spreads**2 + means**2).mean() - middle**2)
    assert pool.on_log_scale == pytest.approx((middle, spread), rel=2e-3)


def test_judgements_of_other_years_stay_apart():
    a, b = judged(stats.norm(1, 0.1), "normal", years=(2024,)), judged(stats.norm(1, 0.1), "normal", years=(2025,))
    assert [pool.years for pool in pooled((a, b))] == [(2024,), (2025,)]


GOOD = """[[judgement]]
about = "out_of_care"
years = [2024, 2025]
quantiles = { "0.95" = 1.3, "0.05" = 0.7, "0.5" = 0.9 }
who = "Six team managers"
"""


def written(tmp_path, text):
    path = tmp_path / "judged.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_in_any_order_of_quantiles(tmp_path):
    (found,) = read_judgements(written(tmp_path, GOOD), ("out_of_care",))
    assert found.quantiles == ((0.05, 0.7), (0.5, 0.9), (0.95, 1.3))
    assert (found.years, found.who, found.weight, found.family) == ((2024, 2025), "Six team managers", 1.0, "lognormal")


BAD = {
    "no TOML": ("[[judgement", "not TOML"),
    "nothing in it": ("", "has no judgement"),
    "a number outside": ("x = 1\n" + GOOD, "stands outside"),
    "a key it does not know": (GOOD + "wieght = 2\n", "Did you mean 'weight'"),
    "about nothing": (GOOD.replace("about", "who2"), "not known here"),
    "about what there is not": (GOOD.replace("out_of_care", "out_of_cara"), "Did you mean 'out_of_care'"),
    "one quantile": (GOOD.replace('"0.95" = 1.3, "0.05" = 0.7, ', ""), "fewer than two"),
    "percent for chances": (GOOD.replace('"0.05"', '"5"'), "outside 0 to 1"),
    "swapped": (GOOD.replace("0.7", "1.7"), "do not rise"),
    "a word for a number": (GOOD.replace("0.9 ", '"much" '), "not a number"),
    "years in words": (GOOD.replace("2024, ", '"last", '), "not a number"),
    "an unknown family": (GOOD + 'family = "lognormale"\n', "Did you mean 'lognormal'"),
    "a factor below 0": (GOOD.replace("0.7", "-0.7"), "0 or less"),
    "percent in a beta": (GOOD + 'family = "beta"\n', "outside 0 to 1"),
    "no weight": (GOOD + "weight = 0\n", "weight that is not above 0"),
    "quantiles as a list": (GOOD.replace('{ "0.95" = 1.3, "0.05" = 0.7, "0.5" = 0.9 }', "[1, 2]"), "not a number"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path, case):
    text, words = BAD[case]
    path = written(tmp_path, text)
    with pytest.raises(CareError) as caught:
        read_judgements(path, ("out_of_care", "into_care"))
    told = str(caught.value)
    assert words in told
    assert "judged.toml" in told


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CareError, match="cannot be read"):
        read_judgements(tmp_path / "none.toml")
