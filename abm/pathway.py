"""The grammar of a journey: states, transitions, and the tables that the engines read.

A Journey is data. Its checks run when it is made, so a mistake in a declaration is told before anything is simulated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError, did_you_mean

WEEKS_PER_YEAR = 52
WEEKS_TO_18 = 18 * WEEKS_PER_YEAR
AGE_EDGES_WEEKS = (0, 52, 260, 520, 832, WEEKS_TO_18)
AGE_BANDS = ("0", "1-4", "5-9", "10-15", "16-17")
RISK_CLASSES = ("low", "moderate", "raised", "high")
HISTORIES = ("none", "referred before", "planned for or looked after before")
N_AGES, N_RISKS, N_HISTORIES = len(AGE_BANDS), len(RISK_CLASSES), len(HISTORIES)
UNACCOMPANIED_GROUP = N_AGES * N_RISKS * N_HISTORIES
"""Unaccompanied children under 16; those aged 16 and 17 are the group after it."""
N_GROUPS = UNACCOMPANIED_GROUP + 2
STAGES = ("home", "front_door", "plan", "care", "after_care", "left")

DIARY = ("born", "moved_in", "came_alone", "moved_away")
"""Transitions of the population plan: they happen at a planned week, not by a weekly chance."""


@dataclass(frozen=True)
class State:
    """One state a child can be in; `key` completes "the child is ...".

    `bands` are the first weeks of each band of time on the child's clock; states that name the same `clock` keep it
    running when a child moves between them (a move between homes does not restart the time in care). A state that is
    `at_once` is left in the week it is entered: its transitions are outcomes with shares, not chances per week. In a
    state that is `quiet` nothing happens in most weeks: its draws are made a year at a time, which changes no chance.
    `at_18` names the transition taken on the 18th birthday; a state without one is never left.
    """

    key: str
    label: str
    law: str
    colour: str
    stage: str
    bands: tuple[int, ...] = (0,)
    clock: str = ""
    at_once: bool = False
    at_18: str = ""
    quiet: bool = False


@dataclass(frozen=True)
class Transition:
    """One event that can happen to a child; `key` completes "the child ...".

    It leads from each of `sources` to `target`. `history` is the least history a child has from the next week on;
    `clock_at` is the time in weeks that the clock of the new state shows on arrival, for a child who comes from
    another clock. `sentence` tells the event with {they}, {their} for the child; `told_from` has other words for a
    child who comes from a certain state, as (state, sentence).
    """

    key: str
    sources: tuple[str, ...]
    target: str
    sentence: str
    law: str = ""
    history: int = 0
    clock_at: int = 0
    told_from: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Tables:
    """A Journey as arrays. An edge is one transition out of one state; edges are sorted by their state.

    first           int32[S+1]     edges of state s are first[s] .. first[s+1]-1
    transition      uint8[E]       the transition of each edge
    source, target  uint8[E]       states
    history         uint8[E]       least history after the edge
    clock_at        int32[E]       weeks on the new clock on arrival
    purpose         uint32[E]      what the edge's draws are keyed by: a hash of the transition's key
    clock           uint8[S]       states with equal numbers share a clock
    at_once         bool[S]
    quiet           bool[S]        draws are made a year at a time
    birthday        int16[S]       the edge taken at 18, -1 for none
    band            uint8[S, C]    band of time by weeks on the clock, C-1 and more together
    n_bands         int32[S]
    weekly          bool[E]        true for chances per week, false for outcomes, birthdays and the diary
    outcome         bool[E]        true for the outcomes of a state that is left at once
    """

    first: NDArray[np.int32]
    transition: NDArray[np.uint8]
    source: NDArray[np.uint8]
    target: NDArray[np.uint8]
    history: NDArray[np.uint8]
    clock_at: NDArray[np.int32]
    purpose: NDArray[np.uint32]
    clock: NDArray[np.uint8]
    at_once: NDArray[np.bool_]
    quiet: NDArray[np.bool_]
    birthday: NDArray[np.int16]
    band: NDArray[np.uint8]
    n_bands: NDArray[np.int32]
    weekly: NDArray[np.bool_]
    outcome: NDArray[np.bool_]

    @property
    def n_states(self) -> int:
        """Number of states, S."""
        return int(self.clock.size)

    @property
    def n_edges(self) -> int:
        """Number of edges, E."""
        return int(self.transition.size)

    @property
    def max_bands(self) -> int:
        """The largest number of bands of any state."""
        return int(self.n_bands.max())


def purpose_of(key: str) -> int:
    """Return the 32-bit FNV-1a hash of a transition's key: what its draws are keyed by.

    A hash, not a position in a list: a newcomer's transition changes nobody else's luck.
    """
    number = 0x811C9DC5
    for byte in key.encode():
        number = ((number ^ byte) * 0x01000193) & 0xFFFFFFFF
    return number


def group_of(age_band: int, risk: int, history: int) -> int:
    """Return the group whose rates a child has; for unaccompanied children see `unaccompanied_group`."""
    return (age_band * N_RISKS + risk) * N_HISTORIES + history


def unaccompanied_group(age_band: int) -> int:
    """Return the group of an unaccompanied child: under 16, or 16 and 17."""
    return UNACCOMPANIED_GROUP + int(age_band == N_AGES - 1)


@dataclass(frozen=True)
class Journey:
    """The states a child can be in and the transitions between them, checked.

    Errors
    ------
    CareError
        For a name used but not declared, declared twice, a transition that starts nowhere, a state that nothing
        enters, a loop of states left at once, an unknown stage, bands that do not rise from 0, or a clock set to less
        than 0 weeks. It names the file to edit.
    """

    states: tuple[State, ...]
    transitions: tuple[Transition, ...]
    file: str = "abm/journey.py"
    state_index: dict[str, int] = field(init=False, repr=False, compare=False)
    transition_index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the declaration."""
        object.__setattr__(self, "state_index", self._index("state", [s.key for s in self.states]))
        object.__setattr__(self, "transition_index", self._index("transition", [t.key for t in self.transitions]))
        self._fail_if_names_unknown()
        self._fail_if_states_are_malformed()
        self._fail_if_outcomes_loop()
        self._fail_if_purposes_clash()

    def _index(self, what: str, keys: list[str]) -> dict[str, int]:
        for key in keys:
            if keys.count(key) > 1:
                raise CareError(f"The {what} '{key}' is declared twice", self.file, "Give each one a name of its own")
        return {key: i for i, key in enumerate(keys)}

    def _fail_if_names_unknown(self) -> None:
        for transition in self.transitions:
            if not transition.sources:
                raise CareError(
                    f"Transition '{transition.key}' starts from no state", self.file, "Name its sources, or remove it"
                )
            for name in (*transition.sources, transition.target):
                if name not in self.state_index:
                    raise CareError(
                        f"Transition '{transition.key}' uses the state '{name}', which is not declared",
                        self.file,
                        f"{did_you_mean(name, list(self.state_index))}Declared: {', '.join(self.state_index)}",
                    )
            for name, _ in transition.told_from:
                if name not in transition.sources:
                    raise CareError(
                        f"Transition '{transition.key}' has words for the state '{name}', not one of its sources",
                        self.file,
                        did_you_mean(name, list(transition.sources)) or "Use one of its sources",
                    )
            if not 0 <= transition.history < N_HISTORIES:
                raise CareError(
                    f"Transition '{transition.key}' has the history {transition.history}",
                    self.file,
                    f"Use 0 to {N_HISTORIES - 1}",
                )
            if transition.clock_at < 0:
                raise CareError(
                    f"Transition '{transition.key}' sets the clock to {transition.clock_at} weeks",
                    self.file,
                    "Use 0 or more",
                )
        for state in self.states:
            if state.at_18 and state.at_18 not in self.transition_index:
                raise CareError(
                    f"State '{state.key}' names the birthday transition '{state.at_18}', which is not declared",
                    self.file,
                    did_you_mean(state.at_18, list(self.transition_index)) or "Declare it",
                )
            if state.at_18 and state.key not in self.transitions[self.transition_index[state.at_18]].sources:
                raise CareError(
                    f"Transition '{state.at_18}' does not start from '{state.key}', which names it for the birthday",
                    self.file,
                    f"Add '{state.key}' to its sources",
                )

    def _fail_if_states_are_malformed(self) -> None:
        entered = {t.target for t in self.transitions} | {self.states[0].key}
        for state in self.states:
            rising = all(a < b for a, b in zip(state.bands, state.bands[1:], strict=False))
            if not state.bands or state.bands[0] != 0 or not rising:
                raise CareError(f"Bands of state '{state.key}' must rise from 0", self.file, f"Now: {state.bands}")
            if state.stage not in STAGES:
                raise CareError(
                    f"State '{state.key}' has the stage '{state.stage}'",
                    self.file,
                    f"{did_you_mean(state.stage, list(STAGES))}Stages: {', '.join(STAGES)}",
                )
            if state.at_once and state.quiet:
                raise CareError(
                    f"State '{state.key}' is quiet and left at once",
                    self.file,
                    "A state that is left at once has no weeks",
                )
            if state.key not in entered:
                raise CareError(f"Nothing enters the state '{state.key}'", self.file, "Add a transition or remove it")
            clock = [s.bands for s in self.states if s.clock and s.clock == state.clock]
            if any(bands != state.bands for bands in clock):
                raise CareError(
                    f"States of the clock '{state.clock}' differ in their bands", self.file, "Use the same bands"
                )

    def _fail_if_outcomes_loop(self) -> None:
        for state in (s for s in self.states if s.at_once):
            if not any(state.key in t.sources for t in self.transitions):
                raise CareError(f"State '{state.key}' is left at once but has no outcome", self.file, "Declare one")
            seen, waiting = set(), [state.key]
            while waiting:
                here = waiting.pop()
                for target in (t.target for t in self.transitions if here in t.sources):
                    if target == state.key:
                        raise CareError(
                            f"State '{state.key}' is left at once and can come back to itself in the same week",
                            self.file,
                            "Let the chain end in a state where a child stays",
                        )
                    if target not in seen and self.states[self.state_index[target]].at_once:
                        seen.add(target)
                        waiting.append(target)

    def _fail_if_purposes_clash(self) -> None:
        owner: dict[int, str] = {}
        for transition in self.transitions:
            other = owner.setdefault(purpose_of(transition.key), transition.key)
            if other != transition.key:
                raise CareError(
                    f"The keys '{other}' and '{transition.key}' hash to the same draws", self.file, "Rename one"
                )

    def states_of(self, stage: str) -> tuple[str, ...]:
        """Return the keys of the states of a stage."""
        return tuple(s.key for s in self.states if s.stage == stage)

    @cached_property
    def tables(self) -> Tables:
        """The same declaration as arrays."""
        return _tables(self)

    def edges_of(self, *transitions: str) -> list[int]:
        """Return the edges of the transitions with these keys."""
        wanted = {self.transition_index[key] for key in transitions}
        return [e for e, t in enumerate(self.tables.transition) if int(t) in wanted]

    def edge(self, transition: str, source: str) -> int:
        """Return the edge of one transition out of one state."""
        t, s = self.transition_index[transition], self.state_index[source]
        for e in range(self.tables.first[s], self.tables.first[s + 1]):
            if self.tables.transition[e] == t:
                return int(e)
        raise CareError(f"No transition '{transition}' leaves the state '{source}'", self.file, "Declare it")


def _tables(journey: Journey) -> Tables:
    birthdays = {s.at_18 for s in journey.states if s.at_18}
    edges = [
        (s, t)
        for s, state in enumerate(journey.states)
        for t, transition in enumerate(journey.transitions)
        if state.key in transition.sources
    ]
    source = np.array([s for s, _ in edges], np.uint8)
    transition = np.array([t for _, t in edges], np.uint8)
    moves = [journey.transitions[t] for _, t in edges]
    states = journey.states
    clocks = list(dict.fromkeys(s.clock or s.key for s in states))
    weeks = max(s.bands[-1] for s in states) + 1
    at_once = np.array([s.at_once for s in states])
    planned = np.array([m.key in DIARY or m.key in birthdays for m in moves])
    outcome = at_once[source] & ~planned
    return Tables(
        first=np.searchsorted(source, np.arange(len(states) + 1)).astype(np.int32),
        transition=transition,
        source=source,
        target=np.array([journey.state_index[m.target] for m in moves], np.uint8),
        history=np.array([m.history for m in moves], np.uint8),
        clock_at=np.array([m.clock_at for m in moves], np.int32),
        purpose=np.array([purpose_of(m.key) for m in moves], np.uint32),
        clock=np.array([clocks.index(s.clock or s.key) for s in states], np.uint8),
        at_once=at_once,
        quiet=np.array([s.quiet for s in states]),
        birthday=np.array(
            [
                next((e for e, (f, t) in enumerate(edges) if f == s and journey.transitions[t].key == state.at_18), -1)
                for s, state in enumerate(states)
            ],
            np.int16,
        ),
        band=np.array([np.searchsorted(s.bands, np.arange(weeks), side="right") - 1 for s in states], np.uint8),
        n_bands=np.array([len(s.bands) for s in states], np.int32),
        weekly=~planned & ~outcome,
        outcome=outcome,
    )
