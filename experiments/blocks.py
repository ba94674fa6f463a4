"""Finished runs in blocks of seeds: in memory, or in a folder, where a simulation that was cut off finds them again.

A block is two files: `runs-N.parquet` with weekly stocks and flows, then `runs-N.json` with figures and digests. The
second names the SHA-256 of the first, so a block is there once that file is, and whole.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

import abm
from abm.errors import CareError
from abm.files import read_signed, replacing, sha256_of, signed
from abm.marks import journey_mark, mark_of
from abm.outputs import OUTPUTS
from abm.prepared import Prepared
from abm.scenario import Scenario
from experiments import results
from experiments.weekly import Whole, weekly_frame

Array = NDArray[np.float64]
FORMAT = 1
MOST_RUNS = 20
"""The most runs in a block: so many fit into memory, and so many are done again when one is cut off."""
MOST_CHILDREN = 4_000_000
"""The most children on day one in the runs of a block: of a large area, fewer runs are done again."""
_WHAT = "A part of a simulation by journeys-abm that is under way. Every child in it is simulated, not a real child."


@dataclass(frozen=True)
class Kept:
    """What is kept of one run.

    figures  float64[years] of each figure
    careers  measures of the whole run
    weekly   int32[columns, weeks]  stocks and flows
    beside   float64[weeks] by name, of what was beside the children
    """

    seed: int
    figures: dict[str, Array]
    careers: dict[str, float]
    digest: str
    weekly: Whole
    beside: dict[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """What is kept of some runs.

    figures  float64[runs, years], careers float64[runs]
    weekly   the table of `weekly_frame`, in memory or in a file
    """

    seeds: tuple[int, ...]
    figures: dict[str, Array]
    careers: dict[str, Array]
    digests: tuple[str, ...]
    weekly: pl.LazyFrame


def divided(seeds: Sequence[int], scenario: Scenario) -> list[tuple[int, ...]]:
    """Divide seeds into blocks; the last may be shorter. The division depends on nothing else."""
    children = max(int(scenario.plan.ages.sum()) // scenario.sample, 1)
    length = min(max(MOST_CHILDREN // children, 1), MOST_RUNS)
    return [tuple(seeds[begin : begin + length]) for begin in range(0, len(seeds), length)]


class Blocks:
    """Makes blocks of finished runs, and finds those that are in a folder.

    Parameters
    ----------
    folder
        Where each block is written as soon as it is finished; None: all stay in memory.
    scenario, prepared, mark
        What is simulated, and the mark of what is switched on beside it, if anything is. Blocks of anything else, or
        damaged ones, are not found, so they are done again.
    """

    def __init__(self, folder: Path | None, scenario: Scenario, prepared: Prepared, mark: str = "") -> None:
        self.folder, self.journey = folder, prepared.journey
        # All that decides what a run of a seed is, and what is kept of it.
        # Which draws are made a year at a time changes no chance, but the luck.
        journey = journey_mark(prepared.journey), prepared.journey.tables.quiet
        what = (FORMAT, abm.__version__, journey, OUTPUTS, scenario, prepared.thresholds)
        self._mark = "" if folder is None else mark_of((*what, mark) if mark else what)

    def find(self, place: int, seeds: tuple[int, ...]) -> Block | None:
        """Return the block of these seeds that stands at this place of the folder, if it is there and whole."""
        if self.folder is None:
            return None
        try:
            told = read_signed(self._path(place, "json"), "")
            if told["mark"] != self._mark or tuple(told["seeds"]) != seeds:
                return None
            path = self._path(place, "parquet")
            if sha256_of(path) != told["weekly"]:
                return None
            figures, careers = _arrays(told["figures"]), _arrays(told["careers"])
            return Block(seeds, figures, careers, tuple(told["digests"]), pl.scan_parquet(path))
        except (CareError, OSError, KeyError, TypeError, ValueError):
            return None

    def add(self, place: int, runs: Sequence[Kept]) -> Block:
        """Return the block of these runs, which is in its place of the folder from now on."""
        seeds, digests = tuple(run.seed for run in runs), tuple(run.digest for run in runs)
        figures = {key: np.stack([run.figures[key] for run in runs]) for key in runs[0].figures}
        careers = {key: np.array([run.careers[key] for run in runs]) for key in runs[0].careers}
        weekly = weekly_frame(self.journey, seeds, [run.weekly for run in runs], [run.beside for run in runs])
        if self.folder is None:
            return Block(seeds, figures, careers, digests, weekly.lazy())
        file = io.BytesIO()
        weekly.write_parquet(file, compression="zstd", compression_level=1)
        content = file.getvalue()
        told = {
            "what": _WHAT,
            "mark": self._mark,
            "seeds": [int(seed) for seed in seeds],
            "digests": list(digests),
            "weekly": hashlib.sha256(content).hexdigest(),
            "figures": _plain(figures),
            "careers": _plain(careers),
        }
        path = self._path(place, "parquet")
        with results.writing(self.folder):
            write_whole(path, content)
            write_whole(self._path(place, "json"), signed(told).encode())
        return Block(seeds, figures, careers, digests, pl.scan_parquet(path))

    def _path(self, place: int, ending: str) -> Path:
        assert self.folder is not None
        return self.folder / f"runs-{place:05d}.{ending}"


def runs_there(folder: Path) -> int:
    """Return how many runs the blocks in a folder are of, without looking whether they are whole."""
    found = 0
    for path in folder.glob("runs-*.json"):
        with suppress(CareError, KeyError, TypeError):
            found += len(read_signed(path, "")["seeds"])
    return found


def _plain(arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Return arrays as lists, which JSON keeps to the last bit, with null for NaN."""
    lists = {}
    for key, values in arrays.items():
        plain = values.astype(object)
        plain[np.isnan(values)] = None
        lists[key] = plain.tolist()
    return lists


def _arrays(lists: Mapping[str, Any]) -> dict[str, Array]:
    """Return the arrays that `_plain` made lists of."""
    return {key: np.array(value, np.float64) for key, value in lists.items()}


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, even if the machine stops."""
    with replacing(path) as name:
        name.write_bytes(content)
