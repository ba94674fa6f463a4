"""Neural posterior estimation on the fast model: the posterior learnt from made-up figures (BayesFlow).

Parameters are drawn from a proposal, the fast model says what is expected, luck, the model's own error and the fast
model's are added, and the publisher rounds and hides: 100,000 pairs of parameters and figures. A network learns what
parameters are like given figures, and is asked about the published ones. It never sees a likelihood.

* **Proposal**: what figures would leave if their errors were LOOSE times as large, Gaussian along the bent way
  (`emulator.compensated`). As wide as that, because far from the area the fast model is no model of anything. What is
  learnt is proposal x likelihood, so draws are weighted by prior over proposal, which is known (`Proposal.beyond`).
* **What is left to the network**: parameters are standard normal coordinates of the proposal. Linear regression on
  figures takes out what is linear; what remains, whitened, is close to standard normal, and a coupling flow learns how
  it is not, and how that depends on figures. So a small network does for 35 to 80 parameters; untaught, it is the
  regression.
* **What it sees of figures**: the combinations that are independent of one another (`frame.Directions`), of the figures
  on the scale on which they are compared and of their logarithms.

Under the fast model's likelihood, draws of a density that is known can be weighted: how many of them count then is the
measure of how good they are (`Neural.effective`). Intervals of figures are taken as Gaussian for that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.draws import generator
from calibration.posterior.emulator import Emulator
from calibration.posterior.frame import N_FORMS, conditioned
from calibration.posterior.likelihood import Seen
from calibration.posterior.neural_library import library, seeded
from calibration.posterior.report import made_up

Array = NDArray[np.float64]
LOOSE = 3.0
N_MADE, N_HELD, N_DRAWN = 100_000, 5_000, 4_000
"""Made-up sets of figures to learn from, others to judge by, and draws that the network gives of one area."""
PIECE = 20_000
EPOCHS, BATCH, RATE = 5, 512, 1e-3
DEPTH, WIDTH = 2, 32
CLIP = 4.0
"""What the network sees of figures is cut off at so many of its own standard deviations."""
RIDGE = 1e-8


@dataclass(frozen=True)
class Proposal:
    """Where parameters are drawn from to learn: standard normal u float64[D, n] (factors, then forms) to x and back.

    forms, root_forms  float64[F], float64[F, F]
    off, root_off      float64[n_logs], float64[n_logs, n_logs]  of the factors, off the way
    """

    emulator: Emulator
    forms: Array
    root_forms: Array
    off: Array
    root_off: Array

    def x(self, u: Array) -> Array:
        """Return parameters float64[D, n]."""
        v = self.forms + u[:, -N_FORMS:] @ self.root_forms.T
        return np.concatenate([self.emulator.compensated(v) + self.off + u[:, :-N_FORMS] @ self.root_off.T, v], axis=1)

    def u(self, x: Array) -> Array:
        """Return what parameters are drawn by."""
        v = x[:, -N_FORMS:]
        off = x[:, :-N_FORMS] - self.emulator.compensated(v) - self.off
        return np.concatenate(
            [np.linalg.solve(self.root_off, off.T).T, np.linalg.solve(self.root_forms, (v - self.forms).T).T], axis=1
        )

    @cached_property
    def _into_prior(self) -> Array:
        covariance = self.emulator.frame.prior.covariance
        into: Array = np.linalg.inv(np.linalg.cholesky(covariance + 1e-12 * np.eye(len(covariance))))
        return into

    def prior(self, x: Array, more: Callable[[Array], Array] | None = None) -> Array:
        """Return the logarithm of the prior's density, up to a constant, float64[D]; `more` as in `moves`."""
        away = (x - self.emulator.frame.prior.mean) @ self._into_prior.T
        out: Array = -(away**2).sum(axis=1) / 2
        return out if more is None else out + more(x)

    def beyond(self, x: Array, more: Callable[[Array], Array] | None = None) -> Array:
        """Return the logarithm of prior over proposal, up to a constant, float64[D]."""
        out: Array = self.prior(x, more) + (self.u(x) ** 2).sum(axis=1) / 2
        return out


def proposal_of(emulator: Emulator, seen: Seen) -> Proposal:
    """Return the proposal around what was published; see the module."""
    frame = emulator.frame
    off = frame.steady.number(seen, seen.value) - frame.steady.expected(frame.figures)
    loose = conditioned(frame.prior, frame.jacobian, LOOSE**2 * frame.errors, off, frame.x)
    c, forms = loose.covariance, loose.mean[-N_FORMS:]
    slope = c[:-N_FORMS, -N_FORMS:] @ np.linalg.inv(c[-N_FORMS:, -N_FORMS:])
    given = c[:-N_FORMS, :-N_FORMS] - slope @ c[-N_FORMS:, :-N_FORMS]
    root_forms: Array = np.linalg.cholesky(c[-N_FORMS:, -N_FORMS:]).astype(np.float64)
    root_off: Array = np.linalg.cholesky((given + given.T) / 2 + 1e-12 * np.eye(len(given))).astype(np.float64)
    return Proposal(emulator, forms, root_forms, loose.mean[:-N_FORMS] - emulator.compensated(forms), root_off)


@dataclass(frozen=True)
class Taught:
    """A network that was taught, and what stands around it.

    centre, spread  float64[2 K]         of what is seen of made-up figures
    slope           float64[1 + 2 K, n]  linear regression of u on that
    root            float64[n, n]        root of the covariance of what it leaves
    told            how teaching went, as plain data
    """

    proposal: Proposal
    seen: Seen
    centre: Array
    spread: Array
    slope: Array
    root: Array
    network: Any
    told: dict[str, Any]

    def standing(self, value: Array) -> Array:
        """Return what is seen of figures float64[D, K], in standard deviations from that of made-up ones."""
        return (_looked_at(self.proposal.emulator, self.seen, value) - self.centre) / self.spread

    def drawn(self, value: Array, n: int, seed: int) -> tuple[Array, Array]:
        """Return draws float64[D, n, parameters] for figures float64[D, K], and their log density float64[D, n].

        They are of proposal x likelihood, not yet weighted; the density is up to a constant.
        """
        looked = np.repeat(np.clip(self.standing(value), -CLIP, CLIP), n, axis=0)
        conditions = looked.astype(np.float32)
        with seeded(seed):
            z = np.asarray(self.network.sample((len(conditions),), conditions=conditions, seed=seed))
            density = np.asarray(self.network.log_prob(z, conditions=conditions), dtype=np.float64)
        u = _regressed(self.slope, looked) + z.astype(np.float64) @ self.root.T
        return self.proposal.x(u).reshape(len(value), n, -1), density.reshape(len(value), n)


def taught(
    emulator: Emulator, seen: Seen, noise: Array, seed: int, *, n_made: int = N_MADE, epochs: int = EPOCHS
) -> Taught:
    """Teach a network what parameters are like given figures.

    noise   float64[K, K]  covariance of what made-up figures get besides rounding and hiding

    Errors
    ------
    CareError
        When the libraries are missing, or Keras runs on another backend.
    """
    bayesflow = library()
    proposal, luck = proposal_of(emulator, seen), generator(seed)
    noise = with_error_of(emulator, noise)
    n_held = min(N_HELD, n_made)
    pieces = [_made(proposal, seen, noise, min(PIECE, n_made + n_held - at), luck)
              for at in range(0, n_made + n_held, PIECE)]  # fmt: skip
    u, looked = (np.concatenate(each) for each in zip(*pieces, strict=True))
    centre, spread = looked[:n_made].mean(axis=0), np.maximum(looked[:n_made].std(axis=0), 1e-6)
    looked = np.clip((looked - centre) / spread, -CLIP, CLIP)
    design = np.column_stack([np.ones(n_made), looked[:n_made]])
    square = design.T @ design
    slope: Array = np.linalg.solve(square + RIDGE * n_made * np.eye(len(square)), design.T @ u[:n_made])
    left = u - _regressed(slope, looked)
    root: Array = np.linalg.cholesky(np.cov(left[:n_made].T)).astype(np.float64)
    z = np.linalg.solve(root, left.T).T
    sets = {"z": z.astype(np.float32), "looked": looked.astype(np.float32)}
    to_learn, to_judge = ({name: each[part] for name, each in sets.items()}
                          for part in (slice(n_made), slice(n_made, None)))  # fmt: skip
    with seeded(seed):
        work = bayesflow.BasicWorkflow(
            inference_network=bayesflow.networks.CouplingFlow(
                depth=DEPTH, subnet_kwargs={"widths": (WIDTH, WIDTH), "dropout": 0.0}
            ),
            inference_variables=["z"], inference_conditions=["looked"], initial_learning_rate=RATE, standardize=None,
        )  # fmt: skip
        course = work.fit_offline(
            to_learn, epochs=epochs, batch_size=BATCH, validation_data=to_judge, verbose=0
        ).history  # fmt: skip
    untaught = float((z[n_made:] ** 2).sum(axis=1).mean() / 2 + z.shape[1] * np.log(2 * np.pi) / 2)
    told = {
        "library": f"bayesflow {bayesflow.__version__}",
        "made_up": n_made,
        "epochs": epochs,
        "loss_by_regression": round(untaught, 2),
        "loss": [round(float(each), 2) for each in course["loss"]],
        "loss_held_out": [round(float(each), 2) for each in course["val_loss"]],
    }
    return Taught(proposal, seen, centre, spread, slope, root, work.inference_network, told)


def with_error_of(emulator: Emulator, noise: Array) -> Array:
    """Return a covariance of figures, float64[K, K], with the fast model's own error on top."""
    back = np.linalg.inv(emulator.directions.whiten) @ emulator.directions.data
    return noise + (back * emulator.variance) @ back.T


@dataclass(frozen=True)
class Neural:
    """What the network gives of an area.

    x            float64[D, n]  draws of proposal x likelihood
    weights      float64[D]     prior over proposal: draws with these are of the posterior, as far as it was learnt
    by_likelihood  float64[D]   prior x the fast model's likelihood over the network's density
    farthest     how far what is seen of the published figures is from that of made-up ones, in standard deviations
    """

    x: Array
    weights: Array
    by_likelihood: Array
    farthest: float
    course: dict[str, Any]

    def chosen(self, n: int, luck: np.random.Generator) -> Array:
        """Return `n` draws float64[n, parameters] of equal weight."""
        return self.x[luck.choice(len(self.x), n, p=self.weights)]

    def told(self) -> dict[str, Any]:
        """Return it in short, as plain data."""
        return self.course | {
            "draws": len(self.x),
            "effective": round(effective(self.weights), 1),
            "effective_by_likelihood": round(effective(self.by_likelihood), 1),
            "farthest": round(self.farthest, 2),
        }


def effective(weights: Array) -> float:
    """Return how many equally weighted draws are worth as much."""
    return float(1.0 / (weights**2).sum())


def neural(
    emulator: Emulator, seen: Seen, noise: Array, seed: int, *, more: Callable[[Array], Array] | None = None,
    n_made: int = N_MADE, epochs: int = EPOCHS,
) -> Neural:  # fmt: skip
    """Learn from made-up figures, and ask about those that were published; see `taught`."""
    learnt = taught(emulator, seen, noise, seed, n_made=n_made, epochs=epochs)
    drawn, density = learnt.drawn(seen.value[None], N_DRAWN, seed)
    x, steady = drawn[0], emulator.frame.steady
    off = emulator.combined(steady.number(seen, seen.value) - steady.expected(emulator.figures(x)))
    likelihood = -(off**2 / (1.0 + emulator.variance)).sum(axis=1) / 2
    farthest = float(np.abs(learnt.standing(seen.value[None])).max())
    return Neural(
        x, _weights(learnt.proposal.beyond(x, more)),
        _weights(learnt.proposal.prior(x, more) + likelihood - density[0]), farthest, learnt.told,
    )  # fmt: skip


def apart(x: Array, weights: Array, ended: Array) -> dict[str, float]:
    """Return how far draws float64[D, n] with weights float64[D] are from the end of the moves, float64[E, n].

    Means: root of the mean square over parameters, in standard deviations at the end. Spreads: as a share of those at
    the end, the median, least and largest over parameters.
    """
    mean, spread = weights @ x, ended.std(axis=0)
    own = np.sqrt(weights @ (x - mean) ** 2) / spread
    off = (mean - ended.mean(axis=0)) / spread
    named = {"means": np.sqrt((off**2).mean()), "spreads": np.median(own), "least": own.min(), "largest": own.max()}
    return {name: round(float(each), 3) for name, each in named.items()}


def _made(
    proposal: Proposal, seen: Seen, noise: Array, n: int, luck: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    u = luck.standard_normal((n, proposal.emulator.frame.x.size))
    value = made_up(seen, proposal.emulator, noise, proposal.x(u), luck)
    return u.astype(np.float32), _looked_at(proposal.emulator, seen, value).astype(np.float32)


def _looked_at(emulator: Emulator, seen: Seen, value: Array) -> Array:
    """Return combinations of figures float64[D, K], and how those of their logarithms differ from them."""
    frame = emulator.frame
    there = frame.figures + 1.0
    plain = emulator.combined(frame.steady.number(seen, value) - frame.steady.expected(frame.figures))
    logs = emulator.combined(np.log((np.maximum(value, 0.0) + 1.0) / there) * there)
    return np.concatenate([plain, logs - plain], axis=1)


def _regressed(slope: Array, looked: Array) -> Array:
    middle: Array = slope[0] + looked @ slope[1:]
    return middle


def _weights(log: Array) -> Array:
    weights = np.exp(log - log.max())
    out: Array = weights / weights.sum()
    return out
