"""Family life as the loops read it: a context for each child, and chances that brothers and sisters join in.

A context says how many brothers and sisters are in the same state, in which circumstances the family is, and whether it
has kin who would take a child in.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError, did_you_mean
from abm.factors import LARGEST, UNIT
from abm.family_life import CIRCUMSTANCES, N_CIRCUMSTANCES, FamilyLife
from abm.parameters import Parameters, threshold
from abm.pathway import N_GROUPS, Journey, purpose_of

MOST_TOGETHER = 5
"""So many brothers and sisters in the same situation, and more, are treated alike."""
N_CONTEXTS = 1 + MOST_TOGETHER * N_CIRCUMSTANCES * 2


class FamilyTables(NamedTuple):
    """Family life as the loops read it: S states, E edges, C contexts.

    context       int64[C, E]  factor of a context on an edge, in 1/1024; context 0 is of no family
    join          uint64[E]    threshold of the chance that a brother or sister joins in, or that an outcome follows
    purpose       uint64[E]    what that draw is keyed by
    born_into     uint64[S]    threshold of the chance that a baby is referred in the week of its birth
    born_purpose  uint64       what that draw is keyed by
    source        int32[E]     the state that an edge leaves
    born          bool[E]      edges by which a baby comes
    referral      int32[S]     the edge of a referral from each state, -1 for none
    helping       bool[S]
    counted       bool[S]      states in which brothers and sisters count as together
    """

    context: NDArray[np.int64]
    join: NDArray[np.uint64]
    purpose: NDArray[np.uint64]
    born_into: NDArray[np.uint64]
    born_purpose: np.uint64
    source: NDArray[np.int32]
    born: NDArray[np.bool_]
    referral: NDArray[np.int32]
    helping: NDArray[np.bool_]
    counted: NDArray[np.bool_]


def context_of(together: int, circumstances: int, kin: int) -> int:
    """Return the context of a child: brothers and sisters in the same state, itself included; circumstances; kin."""
    return 1 + ((min(together, MOST_TOGETHER) - 1) * N_CIRCUMSTANCES + circumstances) * 2 + kin


def circumstances_of(context: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the circumstances (an index of CIRCUMSTANCES.states) of contexts of children; -1 for context 0."""
    out: NDArray[np.int64] = (context.astype(np.int64) - 1) // 2 % N_CIRCUMSTANCES
    return np.where(context == 0, -1, out)


def family_tables(life: FamilyLife, journey: Journey) -> FamilyTables:
    """Return family life as the loops read it.

    Errors
    ------
    CareError
        For a transition or state that the journey does not declare.
    """
    tables = journey.tables
    for what, names, known in (
        ("transition", (*life.together, *life.hazard, *life.kin_weight), journey.transition_index),
        ("state", (*life.born_into, *life.helping, *life.follows), journey.state_index),
    ):
        for name in names:
            if name not in known:
                raise CareError(f"There is no {what} '{name}'", "family life", did_you_mean(name, list(known)))
    keys = [journey.transitions[t].key for t in tables.transition]
    drawn = tables.weekly | tables.outcome
    _refuse_what_does_nothing(life, journey)
    follows = [life.follows.get(journey.states[s].key, 0.0) for s in tables.source]
    join = np.where(
        tables.weekly, [life.together.get(key, 0.0) for key in keys], np.where(tables.outcome, follows, 0.0)
    )
    context = np.ones((N_CONTEXTS, tables.n_edges))
    for e in np.flatnonzero(drawn).tolist():
        hazard = (1.0, *life.hazard.get(keys[e], (1.0, 1.0)))
        shares = life.shares_where(journey.states[tables.source[e]].stage)
        mean = shares[0] * hazard[0] + shares[1] * hazard[1] + shares[2] * hazard[2]
        with_kin = life.kin_weight.get(keys[e], 1.0)
        mean_weight = (1.0 - life.kin) + life.kin * with_kin
        if not (mean > 0.0 and mean_weight > 0.0):
            raise CareError(f"'{keys[e]}' would never happen to anybody", "family life", "Give a number above 0")
        for n in range(1, MOST_TOGETHER + 1):
            # What happens to all of them on average stays: each has it less often by itself.
            alone = 1.0 / (1.0 + (n - 1) * join[e]) if tables.weekly[e] else 1.0
            for c in range(N_CIRCUMSTANCES):
                for kin in (0, 1):
                    weight = (with_kin if kin else 1.0) / mean_weight
                    context[context_of(n, c, kin), e] = alone * (hazard[c] / mean) * weight
    for c, e in np.argwhere(~(context < LARGEST / UNIT))[:1]:
        raise CareError(
            f"'{keys[e]}' would be {context[c, e]:g} times as likely in some families as in the mean", "family life",
            f"Give smaller numbers: at most {LARGEST // UNIT} times the mean",
        )  # fmt: skip
    referral = np.full(tables.n_states, -1, np.int32)
    if life.referral in journey.transition_index:
        for edge in journey.edges_of(life.referral):
            referral[tables.source[edge]] = edge
    of_states = np.array([life.born_into.get(state.key, 0.0) for state in journey.states])
    return FamilyTables(
        context=_whole(context),
        join=threshold(join),
        purpose=np.array([purpose_of(f"together: {key}") for key in keys], np.uint64),
        born_into=threshold(of_states),
        born_purpose=np.uint64(purpose_of("family: a baby is referred at birth")),
        source=tables.source.astype(np.int32),
        born=np.array([key == "born" for key in keys]),
        referral=referral,
        helping=np.array([state.key in life.helping for state in journey.states]),
        counted=np.array([state.stage != "left" and not state.at_once for state in journey.states]),
    )


def _refuse_what_does_nothing(life: FamilyLife, journey: Journey) -> None:
    """Refuse numbers for what happens on a planned date, and for what follows at once where a week is meant."""
    tables = journey.tables
    keys = np.array([journey.transitions[t].key for t in tables.transition])
    weekly, outcomes = set(keys[tables.weekly].tolist()), set(keys[tables.outcome].tolist())
    for name in (*life.together, *life.hazard):
        if name not in weekly:
            remedy = "Leave it out"
            if name in outcomes:
                remedy = "It follows at once: for brothers and sisters see 'follows', by the state that is left"
            raise CareError(f"'{name}' does not happen by a weekly chance", "family life", remedy)
    for name in life.kin_weight:
        if name not in weekly | outcomes:
            raise CareError(f"'{name}' happens on a planned date", "family life", "Leave it out")
    for name in life.follows:
        if not tables.at_once[journey.state_index[name]]:
            raise CareError(f"The state '{name}' is not left at once", "family life", "Leave it out")


def circumstances_parameters(life: FamilyLife) -> Parameters:
    """Return the hazards of CIRCUMSTANCES, the same for all groups."""
    tables = CIRCUMSTANCES.tables
    rates = np.broadcast_to(life.hazards()[:, None, None], (tables.n_edges, N_GROUPS, tables.max_bands))
    return Parameters(np.ascontiguousarray(rates), np.ones((1, len(CIRCUMSTANCES.transitions))))


def help_context(life: FamilyLife) -> NDArray[np.int64]:
    """Return what a family's context does to its circumstances, int64[2, E], in 1/1024: 0 not helped, 1 helped."""
    return np.stack([_whole(life.of_edges(helped)) for helped in (False, True)])


def _whole(factor: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.floor(factor * UNIT + 0.5).astype(np.int64)
