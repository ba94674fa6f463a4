"""A simulated run as SSDA903: for each year a file of each table, in the codes of that year.

An episode is written in the return of every year in which it was open, with its end from the year on in which it ended.
Tables: Header, Episodes, UASC. What the return asks and the model does not say:

* legal status: one for a period of care, V2 or C2 by a keyed draw; C2 where the child lives with parents, since V2 may
  not; E1 while placed for adoption; V2 for children who came alone;
* provider: by the kind of home; foster homes PR1 or PR4 by a keyed draw;
* category of need N1, and N8 for children who came alone; ethnicity NOBT; UPN UN2; postcodes and URN blank;
* the reason for a change of placement CARPL; other kinds of home R1;
* at 18: E17 from foster homes, E7 from other kinds of home, E5 from the rest.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from abm.journey import HOMES
from calibration.returns.dates import date_of
from calibration.returns.ssda903_codes import CODES
from calibration.returns.ssda903_files import COLUMNS
from calibration.returns.synthetic import (
    SIMULATED,
    Stories,
    Story,
    end_of_year,
    start_of_year,
)

RETURN = "SSDA903"
PLACES = {
    "kinship_foster": ("U3",),
    "foster": ("U6",),
    "childrens_home": ("K2",),
    "supported_accommodation": ("K3", "H5"),
    "with_parents": ("P1",),
    "placed_for_adoption": ("A6",),
    "secure_home": ("K1",),
    "other_placement": ("R1",),
}
"""Code of each kind of home: the first that is valid in the year."""
PROVIDERS = {"with_parents": "PR0", "kinship_foster": "PR1", "secure_home": "PR1", "placed_for_adoption": "PR1"}
"""Provider by kind of home; foster homes by a draw, all others PR4."""
ENDS = {
    "returned_home_planned": ("E4A",),
    "returned_home_unplanned": ("E4B",),
    "special_guardianship_granted": ("E46", "E43"),
    "child_arrangements_granted": ("E41",),
    "was_adopted": ("E12",),
    "went_to_live_with_relatives": ("E13",),
    "left_care_for_another_reason": ("E8",),
    "transferred_to_another_authority": ("E3",),
    "found_to_be_adult": ("E15",),
}
"""Reason an episode ceased, by transition: the first that is valid in the year."""
AT_18 = {"foster": "E17", "kinship_foster": "E17", "other_placement": "E7"}
_FOR_ADOPTION = 26
"""Weeks in a foster home before a placement for adoption that was there on day one: a child is matched from one."""


@dataclass
class Episode:
    """One episode; days, and the kind of home, which becomes the code of each year's return."""

    start: int
    home: str
    rne: str
    legal: str
    provider: str
    end: int | None = None
    rec: tuple[str, ...] = ()
    change: str = ""


def episodes_of(story: Story) -> list[Episode]:
    """Return the episodes of a child, all years together, in order."""
    spells: list[list[tuple[int, str]]] = []
    ends: list[tuple[int, tuple[str, ...]] | None] = []

    def enter(day: int, home: str) -> None:
        spells.append([(day, home)])
        ends.append(None)

    if story.in_care_on_day_one:
        day = story.day_in(story.since)
        sixteen = story.birthday(16)
        if story.state == "placed_for_adoption":
            enter(story.day_in(max(story.since - _FOR_ADOPTION, story.birth_week)), "foster")
            spells[-1].append((day, story.state))
        elif story.state == "supported_accommodation" and day < sixteen:
            # There from 16 on at the earliest, and somewhere else before.
            enter(day, "foster")
            spells[-1].append((sixteen, story.state))
        else:
            enter(day, story.state)
    entered = 0
    for event in story.events:
        day = story.day(event)
        if event.target == "entering_care":
            entered = day
        elif event.source == "entering_care":
            enter(entered, event.target)
        elif event.source in HOMES and event.target in HOMES:
            spells[-1].append((day, event.target))
        elif event.source in HOMES:
            code = ENDS.get(event.transition, (AT_18.get(event.source, "E5"),))
            ends[-1] = (day, code)
    made: list[Episode] = []
    for spell, end in zip(spells, ends, strict=True):
        made += _episodes(story, spell, end)
    return made


def _episodes(
    story: Story, spell: list[tuple[int, str]], end: tuple[int, tuple[str, ...]] | None
) -> Iterator[Episode]:  # fmt: skip
    """Give the episodes of one period of care."""
    with_parents = any(home == "with_parents" for _, home in spell)
    begun = spell[0][0]
    order = "C2" if with_parents or (not story.alone and story.of.draw(story.child, "order", 2, begun)) else "V2"
    legal_before = ""
    for at, (day, home) in enumerate(spell):
        legal = "E1" if home == "placed_for_adoption" else order
        rne = "S" if at == 0 else "P" if legal == legal_before else "B"
        legal_before = legal
        provider = PROVIDERS.get(home, "PR4")
        if home == "foster":
            provider = ("PR1", "PR4")[story.of.draw(story.child, "provider", 2, day)]
        episode = Episode(day, home, rne, legal, provider)
        if at + 1 < len(spell):
            episode.end, episode.rec, episode.change = spell[at + 1][0], ("X1",), "CARPL"
        elif end is not None:
            episode.end, episode.rec = end
        yield episode


def write_ssda903(stories: Stories, folder: Path) -> list[Path]:
    """Write the files of all years; returns their paths."""
    written: list[Path] = []
    rows: dict[int, dict[str, list[list[str]]]] = {
        year: {"Header": [], "Episodes": [], "UASC": []} for year in stories.years
    }
    for story in stories:
        episodes = episodes_of(story)
        for year in stories.years if episodes else ():
            begin, end = start_of_year(year), end_of_year(year)
            open_ = [e for e in episodes if e.start <= end and (e.end is None or e.end >= begin)]
            if not open_:
                continue
            tables = rows[year]
            sex = CODES.codes("SEX", year)[0 if story.sex else 1]
            born = _date(story.born)
            tables["Header"].append([story.key, sex, born, "NOBT", "UN2", "", ""])
            if story.alone:
                ceased = _date(story.of_age) if story.of_age <= end else ""
                tables["UASC"].append([story.key, sex, born, ceased])
            tables["Episodes"] += [_row(story, episode, year, end) for episode in open_]
    for year, tables in rows.items():
        for table, lines in tables.items():
            path = folder / f"{SIMULATED}_ssda903_{year}_{table}.csv"
            _write(path, COLUMNS[table], lines)
            written.append(path)
    return written


def _row(story: Story, episode: Episode, year: int, end: int) -> list[str]:
    ended = episode.end is not None and episode.end <= end
    return [
        story.key, _date(episode.start), episode.rne, episode.legal, "N8" if story.alone else "N1",
        _valid("PLACE", PLACES[episode.home], year), episode.provider, _date(episode.end) if ended else "",
        _valid("REC", episode.rec, year) if ended else "", episode.change if ended else "", "", "", "",
    ]  # fmt: skip


def _valid(column: str, codes: tuple[str, ...], year: int) -> str:
    """Return the first of some codes that the return of a year has."""
    valid = set(CODES.codes(column, year))
    return next(code for code in codes if code in valid)


def _date(day: int | None) -> str:
    return "" if day is None else date_of(day).strftime("%d/%m/%Y")


def _write(path: Path, header: Iterable[str], rows: Iterable[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(header)
        writer.writerows(rows)
