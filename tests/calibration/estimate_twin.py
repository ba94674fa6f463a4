"""A slow, obvious twin of the counting: every child, every week, in plain Python. Its mutants must fail."""

from __future__ import annotations

import numpy as np

from abm.pathway import (
    AGE_EDGES_WEEKS,
    N_GROUPS,
    WEEKS_TO_18,
    Journey,
    State,
    Transition,
    group_of,
    unaccompanied_group,
)
from calibration.estimate_log import CARE, NEED, Log
from tests.abm.toys import moves, state


def by_child(log: Log) -> list[list[tuple[int, int, bool]]]:
    """Return (week, edge, inferred) of each child, in order."""
    out: list[list[tuple[int, int, bool]]] = [[] for _ in range(len(log))]
    for row in range(log.child.size):
        out[log.child[row]].append((int(log.week[row]), int(log.edge[row]), bool(log.inferred[row])))
    return out


def slow_counts(
    log: Log,
    *,
    before_the_watch: bool = False,
    week_too_few: bool = False,
    week_too_many: bool = False,
    gaps_ignored: bool = False,
    still_at_home: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return exposure [S, G, B] and events [E, G, B].

    Mutants: `before_the_watch` also counts the weeks between the beginning of a child's clock and the watch (left
    truncation ignored); `week_too_few` leaves out the week of the event, `week_too_many` adds one after it;
    `gaps_ignored` counts events in weeks that are not watched; `still_at_home` takes children who were at home before
    such weeks to have been there throughout.
    """
    tables = log.journey.tables
    exposure = np.zeros((tables.n_states, N_GROUPS, tables.max_bands), np.int64)
    events = np.zeros((tables.n_edges, N_GROUPS, tables.max_bands), np.int64)
    rows = by_child(log)
    for i in range(len(log)):
        at, history, since, known = (
            int(log.state[i]), int(log.history[i]), int(log.since_week[i]), bool(log.since_known[i])
        )  # fmt: skip
        uasc, birth = bool(log.uasc[i]), int(log.birth_week[i])
        of_week: dict[int, list[tuple[int, bool]]] = {}
        for week, edge, inferred in rows[i]:
            of_week.setdefault(week, []).append((edge, inferred))

        def group(week: int, history: int, i: int = i, uasc: bool = uasc, birth: int = birth) -> int:
            age = sum(week - birth >= first for first in AGE_EDGES_WEEKS[1:-1])
            return unaccompanied_group(age) if uasc else group_of(age, int(log.risk[i]), history)

        def watched(state: int, i: int = i) -> bool:
            return bool(log.sees[i] & log.watched_by[state])

        def hidden(state: int, week: int, entered: int, i: int = i) -> bool:
            needed = int(log.watched_by[state])
            if needed == NEED and log.sees[i] & CARE:
                needed = NEED | CARE
            gaps = [(begin, end) for by, begin, end in log.gaps if by & needed]
            unnamed = log.journey.states[state].stage in ("home", "after_care") and not still_at_home
            lost = unnamed and any(entered < end <= week for _, end in gaps)
            return lost or any(begin <= week < end for begin, end in gaps)

        def at_risk(state: int, week: int, history: int, known: bool, birth: int = birth) -> bool:
            nobody_yet = not log.everyone and log.journey.states[state].stage == "home" and history == 0
            grown = tables.birthday[state] >= 0 and week - birth >= WEEKS_TO_18
            return open_to_chance(log.journey, state) and known and watched(state) and not nobody_yet and not grown

        def place(state: int, week: int, since: int) -> int:
            return int(tables.band[state, min(max(week - since - 1, 0), tables.band.shape[1] - 1)])

        entered = 0
        first = since + 1 if before_the_watch and log.seen_from[i] == 0 else 0
        for week in range(min(first, 0), log.n_weeks):
            seen = (log.seen_from[i] <= week or (before_the_watch and week < 0)) and week < log.seen_to[i]
            happened = of_week.get(week, []) if week >= 0 else []
            planned = bool(happened) and not tables.weekly[happened[0][0]]
            if seen and not planned and at_risk(at, week, history, known) and not hidden(at, week, entered):
                weeks = 1
                if happened:
                    weeks += int(week_too_many) - int(week_too_few)
                exposure[at, group(week, history), place(at, week, since)] += weeks
            before, last_inferred = history, False
            for step, (edge, inferred) in enumerate(happened):
                to = int(tables.target[edge])
                if hidden(at, week, entered) and not gaps_ignored:
                    pass
                elif tables.weekly[edge]:
                    filled = step > 0 and (inferred or last_inferred)
                    if seen and not filled and at_risk(at, week, history, known) and not log.unseen_edges[edge]:
                        events[edge, group(week, history), place(at, week, since)] += 1
                    if step > 0 and seen and not filled and at_risk(at, week, history, known):
                        exposure[at, group(week, history), place(at, week, since)] += 1
                elif tables.outcome[edge]:
                    near = log.seen_from[i] - 1 <= week < log.seen_to[i]
                    if near and watched(at) and not inferred:
                        events[edge, group(week, before), 0] += 1
                        exposure[at, group(week, before), 0] += 1
                history = max(history, int(tables.history[edge]))
                if tables.clock[to] != tables.clock[at]:
                    of_both = int(log.watched_by[at] | log.watched_by[to])
                    unseen = any(by & of_both and begin <= week < end for by, begin, end in log.gaps)
                    since, known = week - int(tables.clock_at[edge]), not (inferred and unseen)
                at, last_inferred, entered = to, inferred, week + 1
    return exposure, events


def open_to_chance(journey: Journey, state: int) -> bool:
    """Tell whether a state can be left by chance."""
    tables = journey.tables
    return any(tables.weekly[e] for e in range(tables.first[state], tables.first[state + 1]))


COMPETING = Journey(
    states=(
        state("well", bands=(0, 4, 12)),
        state("helped", "plan", bands=(0, 3)),
        state("looked_after", "care", bands=(0, 6)),
        state("gone", "left"),
    ),
    transitions=(
        moves("was_helped", "well", "helped"),
        moves("was_looked_after", "well helped", "looked_after"),
        moves("help_ended", "helped", "well"),
        moves("came_home", "looked_after", "well"),
        moves("left", "looked_after helped", "gone"),
    ),
)
"""States in which several things compete, with chances up to a third a week."""

COMPETING_RATES = {
    "was_helped": (9.0, 5.0, 3.0), "was_looked_after": (6.0, 4.0, 2.0), "help_ended": (14.0, 7.0, 7.0),
    "came_home": (10.0, 5.0, 5.0), "left": (0.2, 0.2, 0.2),
}  # fmt: skip
"""By band of time."""

__all__ = ["CARE", "COMPETING", "COMPETING_RATES", "NEED", "State", "Transition", "by_child", "slow_counts"]
