"""The ways through the journey that an observed child is taken: from the state it is in to the one a return tells of.

A return tells where a child is; the journey says by which transitions one comes there. Where there is no single
transition, the shortest permitted chain is taken, and its rows count as filled in. Ways are worked out once, from the
declared journey, as tables that the loop over children reads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError
from abm.journey import HOMES
from abm.pathway import Journey
from calibration.returns.assemble_loop import (
    AFTER_ASSESSMENT,
    BY_CONFERENCE,
    INTO_CARE,
    INTO_CARE_ALONE,
    N_WAYS,
    PLAIN,
    WITHIN_CARE,
)

NEED = (
    "at_home", "referred", "receiving_early_help", "being_assessed", "under_enquiry", "in_need",
    "in_need_under_enquiry", "protected", "in_pre_proceedings",
)  # fmt: skip
"""States in which returns of need move a child; in all others they change nothing."""

EXITS = (
    "returned_home_planned", "returned_home_unplanned", "special_guardianship_granted", "child_arrangements_granted",
    "was_adopted", "went_to_live_with_relatives", "left_care_for_another_reason", "transferred_to_another_authority",
    "found_to_be_adult",
)  # fmt: skip
"""Ways out of care by a decision; `Routes.exit_edge` has a row for each, in this order."""

_KIN = ("went_to_live_with_kin",)
_NOT_BY_A_RETURN = ("born", "moved_away", "settled_at_home", "grew_up", "left_care_at_18")
_HOMEWARD = frozenset({"needs_met_at_assessment", "found_not_in_need"})


class Routes(NamedTuple):
    """Ways through a journey, as tables over its S states.

    next_edge  int16[N_WAYS, S, S]   the edge to take from a state towards another; -1 for none
    exit_edge  int16[EXITS, S]       the edge to take from a state towards a way out of care; -1 for none
    exits      bool[E]               edges that are a way out of care
    again      int16[S]              the edge from a home to another of its kind; -1 where the journey has none
    """

    next_edge: NDArray[np.int16]
    exit_edge: NDArray[np.int16]
    exits: NDArray[np.bool_]
    again: NDArray[np.int16]


def routes(journey: Journey) -> Routes:
    """Work out all ways; the first declared edge wins among ways of one length."""
    _fail_if_states_missing(journey)
    edges = range(journey.tables.n_edges)
    target = journey.tables.target
    key = [journey.transitions[t].key for t in journey.tables.transition]
    from_key = [journey.states[s].key for s in journey.tables.source]
    to_key = [journey.states[s].key for s in target]

    def between_need(avoid: Iterable[str]) -> Callable[[int], bool]:
        left_out = {*avoid, *_NOT_BY_A_RETURN}
        inside = {*NEED, "child_arrangements"}
        return lambda e: from_key[e] in NEED and to_key[e] in inside and key[e] not in left_out

    def into_care(alone: bool) -> Callable[[int], bool]:
        never = {*_NOT_BY_A_RETURN, *_KIN, "moved_in" if alone else "came_alone"}
        return lambda e: from_key[e] not in HOMES and from_key[e] != "entering_care" and key[e] not in never

    closed = {"closed_with_no_further_action"}
    of_case, of_conference = "child_in_need_plan_began", "conference_kept_child_in_need"
    allowed: dict[int, Callable[[int], bool]] = {
        PLAIN: between_need({"found_not_in_need", of_conference}),
        AFTER_ASSESSMENT: between_need({"needs_met_at_assessment", of_conference}),
        BY_CONFERENCE: between_need({"found_not_in_need"}),
        INTO_CARE: into_care(alone=False),
        INTO_CARE_ALONE: into_care(alone=True),
        WITHIN_CARE: lambda e: from_key[e] in ("entering_care", *HOMES) and to_key[e] in HOMES
        and key[e] not in _NOT_BY_A_RETURN,
    }  # fmt: skip
    n_states = journey.tables.n_states
    next_edge = np.full((N_WAYS, n_states, n_states), -1, np.int16)
    for way, may in allowed.items():
        graph = [e for e in edges if may(e) and from_key[e] != to_key[e]]
        if way == BY_CONFERENCE:
            # From an enquiry the conference decides; before one, an assessment leads to a plan.
            graph = [e for e in graph if not (from_key[e] == "under_enquiry" and key[e] == of_case)]
        for goal in range(n_states):
            through = graph if journey.states[goal].key in ("at_home", "receiving_early_help") else [
                e for e in graph if key[e] not in closed or to_key[e] != "at_home"
            ]  # fmt: skip
            next_edge[way, :, goal] = _towards(journey, through, {e for e in through if target[e] == goal})
    moves = [
        e for e in edges if allowed[WITHIN_CARE](e) and from_key[e] != to_key[e] and from_key[e] != "entering_care"
    ]
    exit_edge = np.stack(
        [_towards(journey, [*moves, *of_exit], set(of_exit)) for of_exit in (journey.edges_of(name) for name in EXITS)]
    )
    again = np.full(n_states, -1, np.int16)
    for e in edges:
        if from_key[e] == to_key[e]:
            again[journey.tables.source[e]] = e
    exits = np.array([key[e] in EXITS for e in edges])
    return Routes(next_edge, exit_edge.astype(np.int16), exits, again)


def _towards(journey: Journey, graph: list[int], goals: set[int]) -> NDArray[np.int16]:
    """Return int16[S]: the first edge of the shortest way from each state that ends with one of the edges `goals`."""
    tables = journey.tables
    out = np.full(tables.n_states, -1, np.int16)
    waiting: deque[int] = deque()
    for e in sorted(goals):
        if out[tables.source[e]] < 0:
            out[tables.source[e]] = e
            waiting.append(int(tables.source[e]))
    while waiting:
        here = waiting.popleft()
        for e in graph:
            before = int(tables.source[e])
            if tables.target[e] == here and out[before] < 0 and e not in goals:
                out[before] = e
                waiting.append(before)
    return out


def _fail_if_states_missing(journey: Journey) -> None:
    needed = {*NEED, *HOMES, "entering_care", "elsewhere", "reunified", "child_arrangements"}
    missing = sorted(needed - set(journey.state_index)) + sorted(set(EXITS) - set(journey.transition_index))
    if missing:
        raise CareError(
            f"Returns tell of '{missing[0]}', which the journey does not declare", journey.file,
            "Declare it, or change calibration/returns/assemble_routes.py",
        )  # fmt: skip
