"""Neural posterior estimation: the proposal and its weights, what must be there for it, and networks taught."""

from __future__ import annotations

import logging
import os
import random
import sys
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

import matplotlib
import numpy as np
import pytest
from scipy import stats

from abm.errors import CareError
from calibration.posterior import area, beginning, neural_library, sequential
from calibration.posterior.beginning import WAYS, way_of
from calibration.posterior.emulator import Emulator
from calibration.posterior.frame import N_FORMS
from calibration.posterior.matching import match
from calibration.posterior.moves import moved
from calibration.posterior.neural import Neural, apart, effective, neural, proposal_of, taught
from calibration.posterior.neural_checks import known_found_again_by_network
from tests.calibration.areas import BLACKPOOL, fitted
from tests.calibration.posterior.small import QUICK, emulator, noise, problem, seen, two_years

needs_library = pytest.mark.skipif(
    any(find_spec(name) is None for name in neural_library.NEEDED), reason="the extra npe is not installed"
)
FEW = {"n_made": 6000, "epochs": 2}
"""Little to learn from: the network is then little more than the regression."""


@cache
def judged() -> Emulator:
    return emulator().judged(problem().expected, emulator().scattered(8, np.random.default_rng(1)))


def test_the_proposal_is_there_and_back_and_wider_than_what_figures_leave():
    proposal = proposal_of(emulator(), seen())
    u = np.random.default_rng(1).standard_normal((4000, problem().frame.x.size))
    x = proposal.x(u)
    assert proposal.u(x) == pytest.approx(u, abs=1e-8)
    wider = x.std(axis=0) / np.sqrt(np.diag(problem().frame.posterior.covariance))
    assert wider.min() > 0.95
    assert np.median(wider) > 1.3


def test_prior_over_proposal_is_the_ratio_of_their_densities():
    """From u to x is linear but for a shift by a function of the forms, so its volume is the same everywhere."""
    proposal, prior = proposal_of(emulator(), seen()), problem().frame.prior
    x = proposal.x(np.random.default_rng(2).standard_normal((5, problem().frame.x.size)))
    v, off = x[:, -N_FORMS:], x[:, :-N_FORMS] - emulator().compensated(x[:, -N_FORMS:])
    of_prior = stats.multivariate_normal(prior.mean, prior.covariance, allow_singular=True).logpdf(x)
    of_forms = stats.multivariate_normal(proposal.forms, proposal.root_forms @ proposal.root_forms.T).logpdf(v)
    covariance = proposal.root_off @ proposal.root_off.T
    of_factors = stats.multivariate_normal(proposal.off, covariance, allow_singular=True).logpdf(off)
    expected = of_prior - of_forms - of_factors
    found = proposal.beyond(x)
    assert found - found[0] == pytest.approx(expected - expected[0], abs=1e-4)
    more = proposal.beyond(x, lambda at: at[:, 0])
    assert more - found == pytest.approx(x[:, 0])


def test_how_far_draws_are_and_how_many_count():
    ended = np.array([[0.0, 0.0], [2.0, 4.0]])
    far = apart(np.array([[1.0, 4.0], [3.0, 4.0], [9.0, 9.0]]), np.array([0.5, 0.5, 0.0]), ended)
    # Means 2 and 4 for 1 and 2, standard deviations at the end 1 and 2: off by 1 and 1; spreads 1 and 0.
    assert far == {"means": 1.0, "spreads": 0.5, "least": 0.0, "largest": 1.0}
    assert effective(np.array([0.25, 0.25, 0.25, 0.25, 0.0])) == 4.0
    found = Neural(
        np.arange(3.0)[:, None], np.array([0.0, 1.0, 0.0]), np.array([0.5, 0.5, 0.0]), 2.34567, {"epochs": 1}
    )
    assert found.chosen(4, np.random.default_rng(1)).ravel().tolist() == [1.0] * 4
    assert found.told() == {
        "epochs": 1, "draws": 3, "effective": 1.0, "effective_by_likelihood": 2.0, "farthest": 2.35,
    }  # fmt: skip


@pytest.mark.parametrize(("way", "library", "extra"), [("npe", "bayesflow", "npe"), ("npe", "jax", "npe"),
                                                       ("abc", "pyabc", "fit")])  # fmt: skip
def test_a_library_that_is_missing_is_found_before_minutes_of_work(monkeypatch, way, library, extra):
    there = ModuleSpec("there", None)
    monkeypatch.setattr(neural_library, "find_spec", lambda name: None if name == library else there)
    monkeypatch.setattr(sequential, "find_spec", lambda name: None if name == library else there)
    monkeypatch.setattr(area, "posed", lambda *_, **__: pytest.fail("work was begun"))
    with pytest.raises(CareError, match="not installed") as caught:
        area.draw_area(two_years(), by=way)
    assert f"journeys-abm[{extra}]" in str(caught.value)


def test_keras_on_another_backend_is_refused(monkeypatch):
    keras = ModuleType("keras")
    keras.config = SimpleNamespace(backend=lambda: "torch")
    monkeypatch.setitem(sys.modules, "keras", keras)
    monkeypatch.setattr(neural_library, "find_spec", lambda name: ModuleSpec(name, None))
    with pytest.raises(CareError, match="'torch'") as caught:
        way_of("npe")
    assert "KERAS_BACKEND=jax" in str(caught.value)


def test_a_way_that_there_is_not_is_refused():
    with pytest.raises(CareError, match="by 'ncp'") as caught:
        way_of("ncp")
    assert all(way in str(caught.value) for way in WAYS)


def test_draws_tell_what_the_network_found_and_how_far_it_was(monkeypatch):
    """With known draws in the network's stead: what is told is of all of them, held against the end of the moves."""
    there, told = emulator().scattered(50, np.random.default_rng(4)), {"made_up": 7}
    alone = beginning.Begun(there[np.arange(100) % 50], {"abc": None, "npe": dict(told)}, (there, np.full(50, 0.02)))
    asked = []
    monkeypatch.setattr(area, "N_ENDED", 100)
    monkeypatch.setattr(area, "begun", lambda *words: asked.append(words) or alone)
    matched = match(emulator(), seen().value, np.random.default_rng(1), 200)
    x, start, made = area.drawn(emulator(), seen(), noise(), matched, 20, np.random.default_rng(5), "npe", 9)
    assert (x.shape, start.shape) == ((20, there.shape[1]), (20, there.shape[1]))
    by, *_, n, _, seed, more = asked[0]
    assert (by, n, seed, more) == ("npe", 100, 9, None)
    assert (made["by"], made["abc"], made["npe"]["made_up"]) == ("npe", None, 7)
    assert 0.0 < made["npe"]["less_moved"]["means"] < 0.6


@needs_library
def test_a_network_that_is_taught_a_little_is_near_the_end_and_leaves_the_process_as_it_was(tmp_path, monkeypatch):
    """One short teaching: near the end of the moves, and what it does to the process is undone."""
    # Else matplotlib, which the library brings, would work out its fonts again.
    monkeypatch.setenv("MPLCONFIGDIR", matplotlib.get_configdir())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    root, environment = logging.getLogger(), dict(os.environ)
    before = (list(root.handlers), root.level, logging.root.manager.disable)
    np.random.seed(5)
    random.seed(5)
    found = neural(judged(), seen(), noise(), 3, **FEW)
    assert (np.random.random(), random.random()) == (
        np.random.RandomState(5).random_sample(),
        random.Random(5).random(),
    )
    assert (list(root.handlers), root.level, logging.root.manager.disable) == before
    assert dict(os.environ) == environment
    assert list(tmp_path.iterdir()) == []
    assert found.told()["made_up"] == FEW["n_made"]
    assert len(found.told()["loss"]) == FEW["epochs"]
    ended, _ = moved(judged(), seen().value, found.chosen(400, np.random.default_rng(1)), np.random.default_rng(2))
    far = apart(found.x, found.weights, ended)
    # The mean of 400 and of some 3,000 draws is known to 0.05 of a standard deviation.
    assert far["means"] < 0.3
    assert far["spreads"] == pytest.approx(1.0, abs=0.1)
    assert effective(found.by_likelihood) > 200


@needs_library
@pytest.mark.slow
def test_a_network_finds_known_parameters_as_often_as_it_says_and_one_taught_with_too_little_noise_does_not():
    """1,000 sets of figures, all parameters pooled: 95% intervals hold 93 to 97%; ranks over 10 bins are even.

    False alarm of the ranks: 1 in 1,000 (Bonferroni over 35 parameters). Power: taught with errors of 0.7 of what they
    are, a network fails it with 200 sets.
    """
    found = known_found_again_by_network(judged(), seen(), noise(), 1000, 7, n_made=100_000, epochs=5)
    assert 0.93 <= found.coverage <= 0.97
    assert found.p_value() > 1e-3
    mutant = known_found_again_by_network(judged(), seen(), noise(), 200, 7, believed=0.7, n_made=20_000, epochs=2)
    assert mutant.p_value() < 1e-3
    assert mutant.coverage < found.coverage - 0.03


@needs_library
@pytest.mark.slow
def test_a_network_gains_on_the_regression_that_it_starts_from():
    """Held-out log density: what it learns beyond the linear is there, if little."""
    told = taught(judged(), seen(), noise(), 5).told
    assert told["loss_held_out"][-1] < told["loss_by_regression"]


@needs_library
@pytest.mark.slow
def test_the_same_seed_gives_the_same_draws_and_another_does_not():
    one, again, other = (neural(judged(), seen(), noise(), seed, **FEW) for seed in (3, 3, 4))
    assert (one.x == again.x).all()
    assert (one.weights == again.weights).all()
    assert one.told() == again.told()
    assert not (one.x == other.x).any()


@needs_library
@pytest.mark.slow
def test_draws_of_an_area_begun_by_a_network_end_where_those_of_the_other_ways_do():
    there = {by: area.draw_area(fitted(BLACKPOOL, QUICK), by=by) for by in ("npe", "none")}
    made = there["npe"].made
    assert (made["by"], made["abc"]) == ("npe", None)
    assert made["npe"]["made_up"] == 100_000
    assert made["npe"]["less_moved"]["means"] < 0.25
    assert made["npe"]["effective_by_likelihood"] > 200
    one, other = (there[by].logs[:, :5].reshape(200, -1) for by in ("npe", "none"))
    assert np.sqrt((((one.mean(axis=0) - other.mean(axis=0)) / other.std(axis=0)) ** 2).mean()) < 0.2
