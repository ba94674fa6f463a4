"""Shapley values: what each of several mechanisms adds, on average over every order in which they can be added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, combinations
from math import factorial

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Subset = frozenset[str]


def subsets(players: Sequence[str]) -> list[Subset]:
    """Return all subsets, the empty one first and the full one last."""
    sizes = range(len(players) + 1)
    return [frozenset(some) for some in chain.from_iterable(combinations(players, n) for n in sizes)]


def shapley(players: Sequence[str], value: Mapping[Subset, Array]) -> dict[str, Array]:
    """Return what each player adds: the mean of value(S and the player) less value(S) over all orders.

    The terms add up to value(all) less value(none), exactly. A player who never adds anything has 0; two who add the
    same to every subset have the same.

    Source: Shapley (1953), "A value for n-person games".
    """
    n = len(players)
    out = {}
    for player in players:
        others = [p for p in players if p != player]
        out[player] = sum(
            (
                (value[some | {player}] - value[some]) * (factorial(len(some)) * factorial(n - 1 - len(some)))
                for some in subsets(others)
            ),
            start=np.zeros_like(value[frozenset()]),
        ) / factorial(n)
    return out


def one_by_one(order: Sequence[str], value: Mapping[Subset, Array]) -> dict[str, Array]:
    """Return what each adds when they are added in this order."""
    return {
        player: value[frozenset(order[: place + 1])] - value[frozenset(order[:place])]
        for place, player in enumerate(order)
    }
