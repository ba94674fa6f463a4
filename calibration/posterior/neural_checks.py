"""Known parameters found again by a network: taught once, asked about many made-up sets of figures.

Parameters are drawn from the proposal, figures are made up of them as for teaching, and the network's draws of each set
should hold them as often as they say, with every rank equally often (see `checks`). This holds over all figures like
the area's; how near the network is at the published ones, `Neural` tells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abm.draws import generator
from calibration.posterior.checks import N_RANKED, Found
from calibration.posterior.emulator import Emulator
from calibration.posterior.likelihood import Seen
from calibration.posterior.neural import Taught, taught, with_error_of
from calibration.posterior.report import made_up

Array = NDArray[np.float64]


def ranked(network: Taught, seen: Seen, noise: Array, n_sets: int, seed: int) -> Found:
    """Ask a network about `n_sets` made-up sets of figures of known parameters.

    noise   float64[K, K]  covariance of what these get besides rounding and hiding
    """
    luck, proposal = generator(seed), network.proposal
    u = luck.standard_normal((n_sets, proposal.emulator.frame.x.size))
    known = proposal.x(u)
    value = made_up(seen, proposal.emulator, with_error_of(proposal.emulator, noise), known, luck)
    draws, _ = network.drawn(value, N_RANKED, seed)
    spread = proposal.x(luck.standard_normal((2000, u.shape[1]))).std(axis=0)
    return Found((draws < known[:, None]).sum(axis=1), draws.std(axis=1) / spread)


def known_found_again_by_network(
    emulator: Emulator, seen: Seen, noise: Array, n_sets: int, seed: int, *, believed: float = 1.0, n_made: int,
    epochs: int,
) -> Found:  # fmt: skip
    """Teach a network, then see `ranked`.

    believed  the standard deviation of all errors as they are when it is taught, as a share of what they are: other
              than 1 is a fault that must show
    """
    network = taught(emulator, seen, believed**2 * noise, seed, n_made=n_made, epochs=epochs)
    return ranked(network, seen, noise, n_sets, seed + 1)
