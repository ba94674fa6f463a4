"""Clean tables -> the event log: what happened to real children, in the terms of the declared journey.

The same log as a simulated run's, so that whatever reads the one reads the other: children, and rows in the edges of
the journey, ordered by week, child and step. Three things are said beside it, which a simulated run need not say:

* *When a child is watched.* A return knows a child only from the first thing it tells of it. `seen_from` is the first
  week of which it would have told (left truncation): 0 for a child with an open case or in care when the log begins;
  the week after the first event for one who came into sight by it, since who is never in a return is not in the log.
  `seen_to` is the week before which the watching ends (right censoring). Rows before `seen_from` are how the child came
  into sight, and no events to count against time at risk.
* *What was filled in.* `inferred` marks rows that no return tells, but the journey needs to come to the next one.
* *Whether time in care is known* at the beginning (`clock_known`): not where the return begins within a period of care.

Children are numbered in the order of a digest of their keys that is keyed by all the data: the number says nothing of
the child and does not depend on the order of files. Keys and dates stay in memory. Returns of need and of care share
no key that their specifications promise: children are the same where the user says so (`Link`), else each return has
children of its own. A return of care alone gives a log of care alone, with the way into it filled in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.errors import CareError
from abm.events import Rows, digest, log_columns, new_rows
from abm.journey import CARE_EXCEPT_ADOPTION, JOURNEY
from abm.log_kernels import order_by
from abm.parameters import CERTAIN
from abm.pathway import WEEKS_PER_YEAR, Journey
from abm.population import Population
from calibration.returns import assemble_loop as loop
from calibration.returns.assemble_facts import CARE, NEED, care_facts, in_order, need_facts
from calibration.returns.assemble_people import Link, gaps_of, last_told_before, people_of, untold_cases, window
from calibration.returns.assemble_routes import EXITS, routes
from calibration.returns.assemble_rules import (
    BEFORE_BIRTH,
    CARE_ALONE,
    CASE_UNTOLD,
    NFA_WITH_ACTIVITY,
    NO_BIRTH,
    NO_HOME,
    NOTES,
    OUTSIDE,
    STATE_PRESUMED,
)
from calibration.returns.dates import date_of, day_of, week_of
from calibration.returns.findings import Findings
from calibration.returns.tables import NEED_SCHEMAS, CareTables, NeedTables

__all__ = ["CARE", "NEED", "SEEN", "Link", "Observed", "assemble"]

SEEN = {CARE: "care", NEED: "need", CARE + NEED: "need and care"}
"""What `Observed.sees` means."""


@dataclass(frozen=True)
class Observed:
    """What returns tell of the children of an area.

    Attributes
    ----------
    population, rows
        As of a simulated run. `state`, `history` and `since_week` are those of a child before its first row; each child
        is a family of its own, of risk 0, since returns do not tell; `sex` may be 2, not known.
    inferred
        bool[rows]: filled in, because the journey needs the step and no return tells it.
    first_year, n_weeks
        The year ending 31 March that week 0 begins, and the weeks that all returns cover.
    seen_from, seen_to
        int32[N]: a child is watched in the weeks from the one to before the other.
    sees
        uint8[N]: NEED, CARE or both: which returns would tell of the child.
    clock_known
        bool[N]: whether it is known since when the child is where the log finds it: in care, being assessed.
    gaps
        (NEED or CARE, from week, to before): weeks of years between others of which that return was not read.
    keys
        Keys of each child in the return of care and in that of need ("" for none): in memory only.
    told
        Counts of what was read and made, for the manifest.
    """

    journey: Journey
    population: Population
    rows: Rows
    inferred: NDArray[np.bool_]
    first_year: int
    n_weeks: int
    seen_from: NDArray[np.int32]
    seen_to: NDArray[np.int32]
    sees: NDArray[np.uint8]
    clock_known: NDArray[np.bool_]
    keys: pl.DataFrame = field(repr=False)
    told: dict[str, int] = field(default_factory=dict)
    gaps: tuple[tuple[int, int, int], ...] = ()

    @property
    def last_year(self) -> int:
        """The year ending 31 March in which the log ends."""
        return self.first_year + -(-self.n_weeks // WEEKS_PER_YEAR) - 1

    @cached_property
    def events(self) -> pl.DataFrame:
        """The log as it is written: no chance and no draw, which an observed event has not; `inferred` instead."""
        columns = log_columns(self.journey, self.rows)
        kept = {name: columns[name] for name in ("child", "week", "step", "transition", "from_state", "to_state")}
        return pl.DataFrame({**kept, "inferred": self.inferred})

    @cached_property
    def children(self) -> pl.DataFrame:
        """The children as they are written: weeks of the model, no key and no date."""
        return pl.DataFrame(self.population.columns()).with_columns(
            pl.Series("seen_from", self.seen_from), pl.Series("seen_to", self.seen_to), pl.Series("sees", self.sees),
            pl.Series("clock_known", self.clock_known),
        )  # fmt: skip

    @cached_property
    def digest(self) -> str:
        """SHA-256 of log and children."""
        return digest(self.journey, self.rows, self.population)


def assemble(
    care: CareTables | None,
    need: NeedTables | None,
    findings: Findings,
    *,
    link: Link | None = None,
    journey: Journey = JOURNEY,
) -> Observed:
    """Make the log of what one or two returns tell.

    Parameters
    ----------
    findings
        Those of the readers; what is found here is added.
    link
        Which children are the same; None: none are.

    Raises
    ------
    CareError
        When there is no table, when two returns have no day in common, or when nothing is left to make a log of.
    """
    first_year, first_week, n_weeks = window(care, need)
    people = people_of(care, need, link, findings)
    week, facts = _in_weeks(_facts(care, need, people, journey, findings), people, first_year, n_weeks, findings)
    there = np.zeros(people.height, bool)
    there[facts["child"].to_numpy()] = True
    renumber = np.cumsum(there) - 1
    n_untold = int((~there).sum())
    people = people.filter(pl.Series(there))
    if not people.height:
        raise CareError(
            "These returns tell of no child in the years they cover", "journeys returns",
            "Look at the findings: what was left out, and why",
        )  # fmt: skip
    child = renumber[facts["child"].to_numpy()].astype(np.int32)
    birth = week_of(people["birth"].to_physical().to_numpy(), first_year)
    alone = people["uasc"].to_numpy()
    out, note, entry = _follow(child, week, facts, people, birth, n_weeks, journey)
    sees = people["sees"].to_numpy()
    _tell(note, week, facts, sees[child], findings)

    out = out[order_by(out[:, loop.O_WEEK], len(out), n_weeks)]
    rows = new_rows(len(out))._replace(
        child=out[:, loop.O_CHILD].astype(np.int32), week=out[:, loop.O_WEEK].astype(np.int16),
        step=out[:, loop.O_STEP].astype(np.uint8), edge=out[:, loop.O_EDGE].astype(np.uint16),
        threshold=np.full(len(out), CERTAIN, np.uint64),
    )  # fmt: skip
    inferred = out[:, loop.O_INFERRED].astype(bool)
    state, history, since, enter, edge, seen_from, seen_to = entry.T
    seen_from = np.maximum(seen_from, first_week)
    n = people.height
    number = np.arange(n, dtype=np.int32)
    population = Population(
        child=number, family=number.copy(), birth_week=birth, sex=people["sex"].to_numpy(), risk=np.zeros(n, np.uint8),
        uasc=alone, enter_week=enter.copy(), enter_edge=edge.astype(np.int16), leave_week=np.full(n, 1 << 30, np.int32),
        state=state.astype(np.uint8), history=history.astype(np.uint8), since_week=since.copy(),
    )  # fmt: skip
    # A placement for adoption has a clock of its own, which began with the placement.
    in_care = np.isin(state, [journey.state_index[home] for home in CARE_EXCEPT_ADOPTION])
    known = ~in_care | people["clock_known"].to_numpy()
    if need is not None:
        known &= ~_presumed(
            need, people, state == journey.state_index["being_assessed"], first_year, first_week, findings
        )
    of_care = np.array([s.stage == "care" for s in journey.states])[state]
    told = {
        "children": n, "events": len(out), "inferred": int(inferred.sum()), "facts": facts.height,
        "left_out": n_untold, "in_care_at_first": int(of_care.sum()),
        "in_care_since_unknown": int((of_care & ~known).sum()),
        "need_only": int((sees == NEED).sum()), "care_only": int((sees == CARE).sum()),
    }  # fmt: skip
    return Observed(
        journey, population, rows, inferred, first_year, n_weeks, seen_from, np.maximum(seen_to, seen_from),
        sees, known, people.select("care", "need"), told,
        gaps_of(care, need, first_year, n_weeks),
    )  # fmt: skip


def _presumed(
    need: NeedTables, people: pl.DataFrame, assessed: NDArray[np.bool_], first_year: int, first_week: int,
    findings: Findings,
) -> NDArray[np.bool_]:  # fmt: skip
    """Tell which children only count as being assessed when the log begins because nothing else is told; say so."""
    begin = max(need.observed_from, date_of(int(day_of(first_week, first_year))))
    cases = untold_cases(need, begin).filter(pl.col("child").is_in(people["need"].filter(assessed).implode()))
    findings.add_rows(CASE_UNTOLD, cases.filter("bare"), "CINreferralDate")
    findings.add_rows(STATE_PRESUMED, cases.filter(~pl.col("bare")), "CINreferralDate")
    out: NDArray[np.bool_] = assessed & people["need"].is_in(cases["child"].implode()).to_numpy()
    return out


def _facts(
    care: CareTables | None, need: NeedTables | None, people: pl.DataFrame, journey: Journey, findings: Findings
) -> pl.DataFrame:  # fmt: skip
    """Return all facts, with a number for each child."""
    numbered = people.with_row_index("who").with_columns(pl.col("who").cast(pl.Int32))
    parts = []
    if care is not None:
        episodes = _with_number(care.episodes, numbered, "care")
        made, homeless = care_facts(episodes, journey)
        findings.add_rows(NO_HOME, homeless, "PLACE")
        parts.append(made)
    if need is not None:
        frames = {name: _with_number(getattr(need, name), numbered, "need") for name in NEED_SCHEMAS}
        made, contrary = need_facts(frames, need.observed_to, last_told_before(need))
        findings.add_rows(NFA_WITH_ACTIVITY, contrary, "ReferralNFA")
        parts.append(made)
    return in_order(parts)


def _with_number(frame: pl.DataFrame, numbered: pl.DataFrame, which: str) -> pl.DataFrame:
    """Return a table with the child's number in place of its key."""
    keys = numbered.filter(pl.col(which) != "").select(pl.col(which).alias("child"), pl.col("who"))
    return frame.join(keys, on="child", how="inner", maintain_order="left").drop("child").rename({"who": "child"})


def _in_weeks(
    facts: pl.DataFrame, people: pl.DataFrame, first_year: int, n_weeks: int, findings: Findings
) -> tuple[NDArray[np.int32], pl.DataFrame]:
    """Return the week of each fact that the log can hold, and these facts; what it cannot hold becomes findings."""
    born = people["birth"].to_physical()
    birth = born.gather(facts["child"])
    findings.add_rows(NO_BIRTH, facts.filter(birth.is_null()).unique("child", keep="first", maintain_order=True))
    facts, birth = facts.filter(birth.is_not_null()), birth.drop_nulls()
    early = facts["day"] < birth
    findings.add_rows(BEFORE_BIRTH, facts.filter(early & _begins(facts)))
    if early.any():
        # What began and ended before birth, did so on one day now: what ends is taken last.
        ended = early & ~_begins(facts)
        last = pl.when(ended).then(1).otherwise("late").cast(pl.UInt8).alias("late")
        facts = in_order([facts.with_columns(pl.max_horizontal(facts["day"], birth).alias("day"), last)])
    week = week_of(facts["day"].to_numpy(), first_year)
    late = pl.Series(week >= n_weeks)
    findings.add_rows(OUTSIDE, facts.filter(late & _begins(facts)))
    return week[~late.to_numpy()], facts.filter(~late)


def _begins(facts: pl.DataFrame) -> pl.Series:
    return (facts["kind"] >= loop.REFERRED) & (facts["kind"] != loop.CLOSED_SAME_DAY)


def _ways(journey: Journey) -> loop.Ways:
    """Return the journey as the loop reads it."""
    tables, at, found = journey.tables, journey.state_index, routes(journey)
    stages = {"care": loop.CARE, "after_care": loop.AFTER_CARE, "left": loop.LEFT}
    kinds = [stages.get(state.stage, loop.NEEDS) for state in journey.states]
    named = [
        *(at[key] for key in (
            "at_home", "elsewhere", "referred", "receiving_early_help", "being_assessed", "under_enquiry", "in_need",
            "in_need_under_enquiry", "protected", "in_pre_proceedings", "entering_care", "reunified",
            "child_arrangements", "grown_up",
        )),
        journey.edge("settled_at_home", "reunified"), journey.states[at["reunified"]].bands[-1] + 1,
        journey.edge("came_alone", "elsewhere"), EXITS.index("left_care_for_another_reason"),
    ]  # fmt: skip
    return loop.Ways(
        np.stack([tables.target, tables.history, tables.clock_at, found.exits], axis=1).astype(np.int64),
        np.stack([tables.clock, tables.birthday, found.again, kinds], axis=1).astype(np.int64),
        found.next_edge, found.exit_edge, np.array(named, np.int64),
    )  # fmt: skip


def _follow(
    child: NDArray[np.int32], week: NDArray[np.int32], facts: pl.DataFrame, people: pl.DataFrame,
    birth: NDArray[np.int32], n_weeks: int, journey: Journey,
) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int32]]:  # fmt: skip
    """Follow all children; return the rows by child, the note on each fact, and how each child came into sight."""
    n, ways = people.height, _ways(journey)
    note, entry = np.zeros(facts.height, np.uint8), np.zeros((n, 7), np.int32)
    first = np.searchsorted(child, np.arange(n + 1)).astype(np.int64)
    day, kind, code = (facts[name].to_numpy() for name in ("day", "kind", "code"))
    room = 2 * facts.height + 2 * n + 64
    while True:
        out = np.empty((room, 5), np.int32)
        note[:] = 0
        n_rows = loop.follow(
            first, week, day, kind, code, birth, people["uasc"].to_numpy(), people["planned_before"].to_numpy(),
            n_weeks, ways, np.zeros(loop.N_NOW, np.int64), out, note, entry,
        )  # fmt: skip
        if n_rows >= 0:
            return out[:n_rows], note, entry
        room *= 2


def _tell(
    note: NDArray[np.uint8], week: NDArray[np.int32], facts: pl.DataFrame, sees: NDArray[np.uint8], findings: Findings
) -> None:  # fmt: skip
    """Turn the notes on facts into findings."""
    # Where no return tells of need, the way into care is filled in for everybody: that is one finding, not one each.
    expected = (sees == CARE) & (facts["kind"].to_numpy() == loop.CARE_BEGAN) & (note == loop.FILLED_IN)
    if expected.any():
        findings.add(CARE_ALONE, int(facts["file"].to_numpy()[expected].min()))
    # What is filled in before week 0 has no row in the log.
    before = (week < 0) & np.isin(
        note, (loop.FILLED_IN, loop.ASSESSMENT_PRESUMED, loop.PLAN_PRESUMED, loop.ENQUIRY_CAPPED)
    )
    told = np.where(expected | before, loop.FINE, note)
    for number, rule in NOTES.items():
        which = told == number
        if which.any():
            findings.add_rows(rule, facts.filter(pl.Series(which)))
