"""What is done of one area of a run that is under way, in its folder: its fit, its draws, blocks of runs, its test.

Each is there whole or not at all, and what is damaged counts as not there and is done again; all but a fit that was
given, which nobody could make again.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from abm.errors import CareError
from abm.files import read_signed, sha256_of, signed
from calibration.fit import Fitted
from calibration.fitted import ARRAYS, FIT, SavedFit, load_fit, save_fit
from calibration.posterior.draws import DRAWS, AreaDraws, load_draws, save_draws
from calibration.posterior.draws import TABLE as DRAWS_TABLE
from calibration.statistics import Area
from experiments import results
from experiments.blocks import write_whole
from experiments.mechanisms import Kept, load, save

LEFT_OUT, TESTED, TOOK = "left_out.json", "forecast.json", "took.json"


@dataclass(frozen=True)
class LeftOut:
    """An area that cannot be run, and the sentence that says why."""

    code: str
    name: str
    why: str


def mark_of_fit(folder: Path) -> str:
    """Return the SHA-256 of a fit: of `fit.json`, which names that of its arrays."""
    try:
        return sha256_of(folder / FIT)
    except OSError:
        return ""


def mark_of_draws(folder: Path) -> str:
    """Return the SHA-256 of draws: of `draws.json`, which names that of its table."""
    try:
        return sha256_of(folder / DRAWS)
    except OSError:
        return ""


class AreaWork:
    """What is done of one area.

    Parameters
    ----------
    folder, whole
        Where its parts are, and where its folder of results will be, whole.
    given
        The mark of its fit, if that was given and not made; else "".
    tables
        Where the tables of the mechanisms are that are switched on, if any are.
    drawn
        The mark of its draws, if these were given and not made; else "".
    """

    def __init__(
        self, folder: Path, whole: Path, area: Area, given: str = "", tables: Path | None = None, drawn: str = ""
    ) -> None:
        self.area, self.folder, self.whole, self.given, self.drawn = area, folder, whole, given, drawn
        self.tables, self._mechanisms = tables, folder / "mechanisms"
        self.blocks, self._fit, self._test = folder / "blocks", folder / "fit", folder / results.FORECAST
        self._draws = folder / "draws"

    def fit(self) -> SavedFit | None:
        """Return the fit, if it is there and whole.

        Errors
        ------
        CareError
            When it was given and is not there as it was given.
        """
        try:
            if not self.given or mark_of_fit(self._fit) == self.given:
                return load_fit(self._fit)
        except CareError:
            pass
        if not self.given:
            return None
        raise CareError(
            f"The fit of {self.area.name} this run was begun with is damaged: give it again",
            str(self._fit),
            "Say where it is: journeys resume FOLDER --fit FIT; without it, remove the folder that ends in .unfinished "
            "and begin again with 'journeys run'",
        )

    def has_fit(self) -> bool:
        """Tell whether a fit is there, without looking into it."""
        return (self._fit / FIT).is_file()

    def keep_fit(self, made: SavedFit) -> None:
        """Keep the fit."""
        with results.whole_folder(self._fit) as part, results.writing(part):
            save_fit(made, part)

    def take_fit(self, source: Path) -> None:
        """Keep a copy of the fit that is given, and of the draws beside it if they are to be used."""
        with results.whole_folder(self._fit) as part:
            for name in (FIT, ARRAYS):
                shutil.copyfile(source / name, part / name)
        if self.drawn:
            with results.whole_folder(self._draws) as part:
                for name in (DRAWS, DRAWS_TABLE):
                    shutil.copyfile(source / name, part / name)

    def draws(self, fitted: Fitted) -> AreaDraws | None:
        """Return the draws that belong to this fit, if they are there and whole.

        Errors
        ------
        CareError
            When they were given and are not there as they were given.
        """
        try:
            if not self.drawn or mark_of_draws(self._draws) == self.drawn:
                return load_draws(self._draws, fitted)
        except CareError:
            pass
        if not self.drawn:
            return None
        raise CareError(
            f"The draws of {self.area.name} this run was begun with are damaged: give them again",
            str(self._draws),
            "Say where their fit is: journeys resume FOLDER --fit FIT; without it, remove the folder that ends in "
            ".unfinished and begin again with 'journeys run'",
        )

    def has_draws(self) -> bool:
        """Tell whether draws are there, without looking into them."""
        return (self._draws / DRAWS).is_file()

    def keep_draws(self, draws: AreaDraws) -> None:
        """Keep the draws."""
        with results.whole_folder(self._draws) as part, results.writing(part):
            save_draws(draws, part)

    def took(self, seconds: float = 0.0) -> float:
        """Return the seconds that the area has taken so far, with these that are added; told to people, no result."""
        try:
            before = float(read_signed(self.folder / TOOK, "")["seconds"])
        except (CareError, KeyError):
            before = 0.0
        if seconds:
            with results.writing(self.folder):
                self.folder.mkdir(exist_ok=True)
                write_whole(self.folder / TOOK, signed({"seconds": before + seconds}).encode())
        return before + seconds

    def mechanisms(self, fitted: Fitted) -> Kept | None:
        """Return what is switched on, if it was made and is there whole."""
        try:
            return load(self._mechanisms, fitted)
        except (CareError, KeyError, TypeError):
            return None

    def has_mechanisms(self) -> bool:
        """Tell whether what is switched on was made, without looking into it."""
        return self._mechanisms.is_dir()

    def keep_mechanisms(self, kept: Kept) -> None:
        """Keep what is switched on."""
        assert self.tables is not None
        with results.whole_folder(self._mechanisms) as part, results.writing(part):
            save(kept, self.tables, part)

    def write_mechanisms(self, kept: Kept, folder: Path) -> None:
        """Write what is switched on into the folder of results."""
        assert self.tables is not None
        with results.writing(folder):
            save(kept, self.tables, folder)

    def test(self) -> bytes | None:
        """Return the table of the test, if it is there and whole."""
        try:
            content = self._test.read_bytes()
            return content if read_signed(self.folder / TESTED, "")["forecast"] == _digest(content) else None
        except (CareError, OSError, KeyError):
            return None

    def has_test(self) -> bool:
        """Tell whether a test is there, without looking into it."""
        return (self.folder / TESTED).is_file()

    def keep_test(self, forecast: pl.DataFrame) -> bytes:
        """Keep the table of the test, and return it as it is kept; it is there once its digest is."""
        file = io.BytesIO()
        forecast.write_parquet(file, compression="zstd", compression_level=1)
        content = file.getvalue()
        with results.writing(self._test):
            write_whole(self._test, content)
            write_whole(self.folder / TESTED, signed({"forecast": _digest(content)}).encode())
        return content

    def left_out(self) -> LeftOut | None:
        """Return why the area cannot be run, if that was found out."""
        try:
            told = read_signed(self.folder / LEFT_OUT, "")
        except CareError:
            return None
        return LeftOut(self.area.code, self.area.name, str(told["why"]))

    def leave_out(self, why: str) -> None:
        """Keep the sentence that says why the area cannot be run."""
        with results.writing(self.folder):
            self.folder.mkdir(exist_ok=True)
            write_whole(self.folder / LEFT_OUT, signed({"why": why}).encode())

    def is_finished(self) -> bool:
        """Tell whether its folder of results is there, with every file as it was written."""
        try:
            manifest = results.read_manifest(self.whole)
            for name in manifest["files"]:
                results.checked(self.whole, manifest, name)
        except CareError:
            return False
        return True


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
