"""A simulated run as returns would tell it: who it is about, on which days, and under which names.

Nothing here is of a real child. Numbers of children begin with SIM, files with "simulated", and a README in the folder
says so. What the model says is written as it says it: week by week, with days in the order of what happened. What the
model does not say has one stated value, or a keyed draw where one value would be odd: see `Stories.draw`. So the same
run gives the same files, to the last byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from abm.draws import choice, word
from abm.journey import HOMES
from abm.pathway import WEEKS_PER_YEAR, WEEKS_TO_18, Journey, purpose_of
from abm.run import Run
from calibration.returns.dates import DAYS_SURE, date_of, day_of, days

README = "README.txt"
SIMULATED = "simulated"
"""What every file's name begins with."""
SIMULATED_CHILD = "SIM"
"""What every child's number begins with."""
WORDS = """\
SIMULATED, NOT REAL CHILDREN

The files in this folder were written by journeys-abm from a simulated run. They have the form of {returns}, so that
tools for these returns can be tried without personal data. Every child in them is simulated; no number, date, code or
sequence is that of a real child.

What the model does not say has a stated value: ethnicity is not obtained (NOBT), the category of need is N1 (N8 for
unaccompanied children), the category of abuse is neglect, days within a week are drawn. No figure of ethnicity,
disability, need, abuse or of days of the week can be taken from them.

Area of the run: {area}. Years ending 31 March: {first} to {last}.
"""


class Event(NamedTuple):
    """Something that happened to a child: the keys of transition and states, and the day it is put on."""

    week: int
    day: int
    transition: str
    source: str
    target: str


@dataclass(frozen=True)
class Stories:
    """A simulated run, child by child.

    events    child, week, step, transition, from_state, to_state (numbers of the journey), as `Run.events`
    children  as `Run.children`
    """

    journey: Journey
    events: pl.DataFrame
    children: pl.DataFrame
    first_year: int
    n_weeks: int
    area: str = ""
    seed: int = 0

    @classmethod
    def of_run(cls, run: Run) -> Stories:
        """Return the stories of a run in memory."""
        scenario = run.scenario
        return cls(
            run.journey, run.events, run.children, scenario.first_year, scenario.n_weeks,
            scenario.area_name or scenario.area_code, run.seed,
        )  # fmt: skip

    @property
    def years(self) -> range:
        """The years ending 31 March that the run covers whole."""
        return range(self.first_year, self.first_year + self.n_weeks // WEEKS_PER_YEAR)

    def draw(self, child: int, purpose: str, n: int, week: int = 0) -> int:
        """Return a keyed number from 0 to n - 1 for what the model does not say of a child."""
        return word(self.seed, child, week, purpose_of(f"synthetic returns: {purpose}")) * n >> 32

    def __iter__(self) -> Iterator[Story]:
        """Give the story of every child, in the order of their numbers."""
        journey = self.journey
        states = [state.key for state in journey.states]
        transitions = [transition.key for transition in journey.transitions]
        events = self.events.sort("child", "week", "step", maintain_order=True)
        of = events["child"].to_numpy()
        names = ("week", "step", "transition", "from_state", "to_state")
        week, step, transition, source, target = (events[name].to_numpy() for name in names)
        columns = ("child", "birth_week", "sex", "uasc", "state", "since_week")
        people = self.children.select(columns).sort("child")
        number = people["child"].to_numpy()
        begin, end = np.searchsorted(of, number), np.searchsorted(of, number, side="right")
        # Days: the first thing in a week comes on one of its first three days, what follows at once on the next ones.
        first_day = choice(self.seed, of, "synthetic returns: day", 3, week)
        day = day_of(week, self.first_year, first_day + step).tolist()
        born = people["birth_week"].to_numpy()
        birthday = day_of(born, self.first_year, choice(self.seed, number, "synthetic returns: birth", DAYS_SURE))
        weeks, keys, sources, targets = (column.tolist() for column in (week, transition, source, target))
        for i, (child, birth, sex, alone, state, since) in enumerate(people.iter_rows()):
            mine = [
                Event(weeks[r], day[r], transitions[keys[r]], states[sources[r]], states[targets[r]])
                for r in range(begin[i], end[i])
            ]
            yield Story(child, birth, int(birthday[i]), sex, alone, states[state], since, mine, self)


@dataclass(frozen=True)
class Story:
    """What happened to one simulated child.

    `born` is the day of birth; `state` and `since` are those on day one or on arrival; `events` are in order.
    """

    child: int
    birth_week: int
    born: int
    sex: int
    alone: bool
    state: str
    since: int
    events: list[Event]
    of: Stories

    @property
    def key(self) -> str:
        """The number that the child has in returns: none that an authority would give."""
        return f"{SIMULATED_CHILD}{self.child:09d}"

    @property
    def of_age(self) -> int:
        """The day of the 18th birthday."""
        return self.birthday(18)

    def birthday(self, age: int) -> int:
        """Return the day of a birthday; nobody is born on 29 February here."""
        born = date_of(self.born)
        return days(born.replace(year=born.year + age))

    def day(self, event: Event) -> int:
        """Return the day of an event: in the week of a birthday not before it, and on the 18th the birthday itself."""
        lived = event.week - self.birth_week
        if lived == WEEKS_TO_18:
            return self.of_age
        return max(event.day, self.birthday(lived // WEEKS_PER_YEAR)) if lived % WEEKS_PER_YEAR == 0 else event.day

    def day_in(self, week: int, order: int = 0) -> int:
        """Return a day of a week before the log, not before the child's birth."""
        return max(int(day_of(week, self.of.first_year, order)), self.born)

    @property
    def in_care_on_day_one(self) -> bool:
        """Whether the child was looked after when the run began."""
        return self.state in HOMES


def end_of_year(year: int) -> int:
    """Return the day of 31 March of a year."""
    return days(date(year, 3, 31))


def start_of_year(year: int) -> int:
    """Return the day of 1 April that begins a year ending 31 March."""
    return days(date(year - 1, 4, 1))


def write_readme(folder: Path, stories: Stories, returns: str) -> None:
    """Say in the folder that everything in it is simulated."""
    years = stories.years
    text = WORDS.format(returns=returns, area=stories.area or "not told", first=years[0], last=years[-1])
    (folder / README).write_text(text, encoding="utf-8", newline="\n")
