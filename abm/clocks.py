"""Statutory clocks: what a review or a time limit does to when things happen. Off unless asked for.

The chances of a journey change with the time on a child's clock, smoothly between published bands. In life decisions
are made at meetings with a date. `with_clocks` moves a part of the hazard of the transitions that a rule governs, from
a window of weeks around the due week, into the due week. Nothing is added or taken away: the cumulative hazard at both
ends of every window is what it was. What comes out is an ordinary Journey and Parameters, so that every engine and
every form of the mean field takes it as it is.

A part is moved from both sides of a review where the windows of two reviews can meet: decisions that are due soon after
it are made at it, as those before it wait for it. Were all to wait, every stay would become longer by months.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from abm.errors import CareError, did_you_mean
from abm.parameters import Parameters, Value
from abm.pathway import WEEKS_PER_YEAR, Journey, State

MARKS = ("seen", "unverified", "computed")
"""Whether a rule was read in a public source that is named, stands from memory, or comes from published figures."""
MOST_BANDS = 255


@dataclass(frozen=True)
class Rule:
    """A review or a limit that makes transitions bunch, and when it was in force.

    clock           a state, or the clock that states share: what the weeks are counted on
    transitions     those it governs, out of every state of that clock
    first_week      weeks after the clock began at which it is due first; an event then is in the log that much later
    every_weeks     weeks between it and the next time; 0 for once
    last_week       the last time it is due is not after this week; later chances stay smooth
    before_weeks    how far before the due week hazard is taken from: the due week is the last one of these
    after_weeks     and how far after it
    concentration   the part of the hazard in the window that is moved into the due week, 0 to 1 (assumed)
    low, high       its plausible range
    mark            one of MARKS
    source          where the rule was read
    basis           what makes one assume the concentration
    begins, until   first and last day in force; None for no end, or none that matters to the years of the figures
    """

    key: str
    clock: str
    transitions: tuple[str, ...]
    first_week: int
    every_weeks: int
    last_week: int
    before_weeks: int
    after_weeks: int
    concentration: float
    low: float
    high: float
    mark: str
    source: str
    basis: str
    begins: date | None = None
    until: date | None = None

    def __post_init__(self) -> None:
        """Check numbers, mark and dates."""
        problems = (
            (self.mark not in MARKS, f"has the mark '{self.mark}'", f"Marks: {', '.join(MARKS)}"),
            (self.first_week < 1, f"is due first in week {self.first_week}", "A week is 1 or later"),
            (self.last_week < self.first_week, "is last due before it is first due", "Correct the last week"),
            (self.before_weeks < 1 or self.after_weeks < 0, "has a window without its due week",
             "Use 1 week or more before, which holds the due week, and 0 or more after"),
            (self.before_weeks > self.first_week, "has a window that begins before the clock does",
             f"Use at most {self.first_week} weeks before"),
            (self.every_weeks < 0 or 0 < self.every_weeks < self.before_weeks + self.after_weeks,
             "has windows that overlap", "Let them be no longer than the weeks from one time to the next"),
            (not 0 <= self.low <= self.concentration <= self.high <= 1,
             f"has the concentration {self.concentration:g}, range {self.low:g} to {self.high:g}",
             "Use a range within 0 to 1 that holds it"),
            (self.begins is not None and self.until is not None and self.until < self.begins,
             "ends before it begins", "Correct its dates"),
        )  # fmt: skip
        for wrong, what, remedy in problems:
            if wrong:
                raise CareError(f"Rule '{self.key}' {what}", remedy=remedy)

    @property
    def windows(self) -> tuple[tuple[int, int, int], ...]:
        """First week on the clock, due week, and first week after it, of each window; a child's first week is 0."""
        due = range(self.first_week, self.last_week + 1, self.every_weeks or self.last_week)
        return tuple((week - self.before_weeks, week - 1, week + self.after_weeks) for week in due)

    def holds_on(self, day: date) -> bool:
        """Return whether the rule is in force on a day."""
        return (self.begins is None or self.begins <= day) and (self.until is None or day <= self.until)


def first_day(year: int) -> date:
    """Return the first day of the year that ends on 31 March of `year`."""
    return date(year - 1, 4, 1)


def in_force(rules: Iterable[Rule], day: date) -> tuple[Rule, ...]:
    """Return the rules in force on a day."""
    return tuple(rule for rule in rules if rule.holds_on(day))


def changes(rules: Iterable[Rule], first_year: int, n_weeks: int) -> tuple[str, ...]:
    """Return a sentence for each rule that begins or ends within a run: the run keeps those of its first day."""
    years, weeks = divmod(n_weeks, WEEKS_PER_YEAR)
    first, after = first_day(first_year), first_day(first_year + years) + timedelta(weeks=weeks)
    told = []
    for rule in rules:
        if rule.begins is not None and first < rule.begins < after:
            told.append(f"The rule '{rule.key}' begins on {rule.begins:%Y-%m-%d}; the whole run is without it.")
        if rule.holds_on(first) and rule.until is not None and rule.until < after - timedelta(days=1):
            told.append(f"The rule '{rule.key}' ends on {rule.until:%Y-%m-%d}; the whole run goes by it.")
    return tuple(told)


def with_clocks(
    journey: Journey, parameters: Parameters, rules: Sequence[Rule], year: int
) -> tuple[Journey, Parameters]:
    """Return the journey with the bands that the rules in force need, and the parameters with hazard moved.

    Parameters
    ----------
    year
        The rules of its first day hold: of 1 April, for the year that ends on 31 March of `year`. A run keeps them
        to its end; `changes` tells which ones should not have been.

    Errors
    ------
    CareError
        For a rule of a clock or transition that the journey does not have, a transition that is not decided week by
        week, two rules that move the same transition in the same weeks, or more than 255 bands in a state.
    """
    rules = in_force(rules, first_day(year))
    if not rules:
        return journey, parameters
    parameters.checked(journey)
    governed = [_governed(journey, rule) for rule in rules]
    _fail_if_windows_meet(journey, rules, governed)
    finer = replace(journey, states=tuple(_with_bands(state, rules) for state in journey.states))
    rates = _spread(journey, finer, parameters.rates)
    for rule, edges in zip(rules, governed, strict=True):
        for e in edges:
            bands = finer.states[finer.tables.source[e]].bands
            for window in rule.windows:
                _gather(rates[e], bands, window, rule.concentration)
    values = tuple(
        Value(f"{r.key}/concentration", r.concentration, "share", r.low, r.high, "assumed", r.basis) for r in rules
    )
    return finer, replace(parameters, rates=rates, values=parameters.values + values)


def _clock_of(state: State) -> str:
    return state.clock or state.key


def _governed(journey: Journey, rule: Rule) -> list[int]:
    """Return the edges that a rule governs: its transitions out of the states of its clock."""
    clocks = list(dict.fromkeys(_clock_of(state) for state in journey.states))
    if rule.clock not in clocks:
        raise CareError(
            f"Rule '{rule.key}' counts on the clock '{rule.clock}', which is not declared",
            journey.file,
            f"{did_you_mean(rule.clock, clocks)}Use the name of a state or of a clock that states share",
        )
    tables, out = journey.tables, []
    for name in rule.transitions:
        if name not in journey.transition_index:
            near = did_you_mean(name, list(journey.transition_index))
            raise CareError(
                f"Rule '{rule.key}' governs '{name}', which is not declared", journey.file, near or "Declare it"
            )
        mine = [e for e in journey.edges_of(name) if _clock_of(journey.states[tables.source[e]]) == rule.clock]
        if not mine or not tables.weekly[mine].all():
            raise CareError(
                f"Rule '{rule.key}' governs '{name}', which leaves no state of the clock '{rule.clock}' week by week",
                journey.file,
                "Name transitions that happen by a weekly chance",
            )
        out += mine
    return out


def _fail_if_windows_meet(journey: Journey, rules: Sequence[Rule], governed: list[list[int]]) -> None:
    taken: dict[int, list[tuple[int, int, str]]] = {}
    for rule, edges in zip(rules, governed, strict=True):
        for e in edges:
            taken.setdefault(e, []).extend((low, high, rule.key) for low, _, high in rule.windows)
    for e, windows in taken.items():
        for (_, high, one), (low, _, other) in pairwise(sorted(windows)):
            if low < high:
                name = journey.transitions[journey.tables.transition[e]].key
                raise CareError(
                    f"Rules '{one}' and '{other}' both move '{name}' in week {low} of the clock",
                    remedy="Make their windows shorter",
                )


def _with_bands(state: State, rules: Sequence[Rule]) -> State:
    """Return a state with a band that begins wherever a window or a due week begins or ends."""
    weeks = set(state.bands)
    for rule in rules:
        if rule.clock == _clock_of(state):
            weeks |= {week for low, due, high in rule.windows for week in (low, due, due + 1, high)}
    if len(weeks) > MOST_BANDS:
        raise CareError(
            f"The rules give '{state.key}' {len(weeks)} bands of time", remedy=f"At most {MOST_BANDS} can be told apart"
        )
    return replace(state, bands=tuple(sorted(weeks)))


def _spread(journey: Journey, finer: Journey, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rates by the finer bands: each as it was in the band that it is a part of."""
    tables, out = journey.tables, np.zeros((*rates.shape[:2], finer.tables.max_bands))
    for s, (old, new) in enumerate(zip(journey.states, finer.states, strict=True)):
        part_of = np.searchsorted(old.bands, new.bands, side="right") - 1
        edges = slice(int(tables.first[s]), int(tables.first[s + 1]))
        out[edges, :, : part_of.size] = rates[edges][:, :, part_of]
        out[edges, :, part_of.size :] = rates[edges][:, :, part_of[-1:]]
    return out


def _gather(
    rates: NDArray[np.float64], bands: Sequence[int], window: tuple[int, int, int], concentration: float
) -> None:
    """Move a part of the hazard in a window into its due week, in place.

    rates  float64[G, B]  of one edge; one that is certain (infinite) is left as it is
    """
    low, due, high = window
    moved = np.zeros(rates.shape[0])
    within = range(bands.index(low), bands.index(high))
    for b in within:
        finite = np.isfinite(rates[:, b])
        goes = np.where(finite, rates[:, b], 0.0) * concentration
        moved += goes * float(bands[b + 1] - bands[b])
        rates[:, b] -= goes
    rates[:, bands.index(due)] += moved
