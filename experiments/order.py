"""What was asked for, checked: all that decides the results of a run, so that it can be begun, stopped and resumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from abm.errors import CareError
from abm.files import sha256_of
from calibration.statistics import Area, Statistics
from experiments.area_work import LeftOut


@dataclass(frozen=True)
class Order:
    """What was asked for, checked: all that decides the results, and where the table of figures is.

    areas       those to be run, in the order of their codes
    several     whether the results are a folder of folders
    england     whether all authorities of the table were asked for
    statistics  {"path", "file", "sha256"} of the table
    fits        of each fit that was given, by the code of its area, the mark: see `area_work.mark_of_fit`
    mechanisms  what is switched on: see `mechanisms.order_facts`
    runs        how many of each area; 0: nothing is simulated, fits and draws are the results
    draws       how many draws of an area's parameters there are, if they are made; 0: runs have the point fit
    drawn       of each area whose draws were given, the mark: see `area_work.mark_of_draws`
    until       the last year that a fit sees
    """

    areas: tuple[Area, ...]
    left_out: tuple[LeftOut, ...]
    several: bool
    england: bool
    runs: int
    seed: int
    years: int
    test: bool
    pages: bool
    statistics: dict[str, str]
    fits: dict[str, str]
    mechanisms: dict[str, Any] = field(default_factory=dict)
    draws: int = 0
    drawn: dict[str, str] = field(default_factory=dict)
    until: int = 2025

    @property
    def only_fits(self) -> bool:
        """Whether nothing is simulated."""
        return self.runs == 0

    @property
    def seeds(self) -> range:
        """The seeds of the runs, the same in every area."""
        return range(self.seed, self.seed + self.runs)

    def facts(self) -> dict[str, Any]:
        """Return it as plain data; without mechanisms as it was before there were any."""
        told = asdict(self)
        return told if self.mechanisms else {key: value for key, value in told.items() if key != "mechanisms"}

    @staticmethod
    def of(told: Mapping[str, Any]) -> Order:
        """Return what `facts` gave."""
        areas = tuple(Area(**area) for area in told["areas"])
        left_out = tuple(LeftOut(**area) for area in told["left_out"])
        return Order(**{**told, "areas": areas, "left_out": left_out})


def table_facts(statistics: Statistics) -> dict[str, str]:
    """Return where a table of published figures is, and what is in it."""
    path = statistics.path.resolve()
    return {"path": str(path), "file": path.name, "sha256": sha256_of(path)}


def check_table(order: Order, statistics: Statistics) -> None:
    """Refuse a table of published figures that is not the one that a run was begun with."""
    if sha256_of(statistics.path) != order.statistics["sha256"]:
        raise CareError(
            "This run was begun with another table of published figures, or the table was changed",
            str(statistics.path),
            f"Name the one it was begun with ('{order.statistics['file']}') with --statistics, or begin a new run",
        )
