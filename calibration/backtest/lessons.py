"""Lessons of every origin, figure and year ahead: learnt over areas, kept as a table, used to forecast one area.

The table that comes with the project, `calibration/published/backtest_lessons.csv`, was learnt by `journeys backtest
england` on all authorities; a row of origin T rests on figures of years to T alone. So one authority can be forecast,
and scored at past origins, without fitting all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.errors import CareError
from calibration.backtest.fits import AHEAD, OriginFit
from calibration.backtest.learning import Lesson, Scene, learn, middle, quantiles
from calibration.backtest.panel import FIGURES, Panel
from calibration.backtest.scores import BANDS, LEVELS, step_of
from calibration.backtest.views import OF_MODEL, PLAIN, VIEWS, views_at
from calibration.statistics import PUBLISHED

Array = NDArray[np.float64]
SHIPPED = PUBLISHED / "backtest_lessons.csv"
LEARN_FROM = 2013
"""The first origin that teaches. Before the first fits only the views of figures alone are taught."""
Lessons = dict[tuple[int, int, int], Lesson]
"""(origin, figure, years ahead) -> lesson."""
_SCALE, _WIDTH = ("chance", "in_proportion", "own_steps"), tuple(f"width_{band}" for band in BANDS)


@dataclass(frozen=True)
class Seen:
    """All areas at one origin.

    last, step  float64[areas, figures]
    said        view -> float64[areas, figures, AHEAD]
    fitted      bool[areas]: whether the area's model was fitted there
    """

    last: Array
    step: Array
    said: dict[str, Array]
    fitted: NDArray[np.bool_]

    def scene(self, figure: int, ahead: int, came: Array) -> Scene:
        """Return one figure, so many years ahead, with what came: float64[areas, figures]."""
        plain, model = (
            np.stack([self.said[view][:, figure, ahead - 1] for view in views], axis=1) for views in (PLAIN, OF_MODEL)
        )
        return Scene(self.last[:, figure], self.step[:, figure], plain, model, self.fitted, came[:, figure])


def seen_at(panel: Panel, origin: int, fits: Mapping[str, OriginFit], moves: Array) -> Seen:
    """Return what each view says at an origin, from what was known there."""
    known = panel.known_at(origin)
    fitted = np.array([code in fits for code in known.codes], bool)
    return Seen(known.values[:, :, -1], step_of(known.values), views_at(known, fits, moves), fitted)


def learn_all(
    panel: Panel,
    seen: Mapping[int, Seen],
    origins: Sequence[int],
    plain: Array | None = None,
    blend: Array | None = None,
) -> Lessons:
    """Return the lessons of these origins; where too little was known there is none.

    plain, blend  weights that are given, see `learning.learn`
    """
    out: Lessons = {}
    for origin in origins:
        for figure in range(len(FIGURES)):
            for ahead in range(1, AHEAD + 1):
                before = [t for t in sorted(seen) if LEARN_FROM <= t <= origin - ahead]
                lesson = learn([seen[t].scene(figure, ahead, panel.at(t + ahead)) for t in before], plain, blend)
                if lesson is not None:
                    out[origin, figure, ahead] = lesson
    return out


def forecast_all(now: Seen, lessons: Lessons, origin: int) -> Array:
    """Return float64[areas, figures, AHEAD, LEVELS]; NaN where there is no lesson or no last figure."""
    out = np.full((*now.last.shape, AHEAD, len(LEVELS)), np.nan)
    for (year, figure, ahead), lesson in lessons.items():
        if year == origin:
            scene = now.scene(figure, ahead, now.last)
            out[:, figure, ahead - 1] = quantiles(middle(scene, lesson.plain, lesson.blend), scene.step, lesson)
    return out


def lessons_frame(lessons: Lessons) -> pl.DataFrame:
    """Return lessons as a table, a row each."""
    rows = []
    for (origin, figure, ahead), lesson in sorted(lessons.items()):
        row: dict[str, object] = {"origin": origin, "figure": FIGURES[figure], "years_ahead": ahead}
        row |= {view: float(w) for view, w in zip(VIEWS, (*lesson.blend, *lesson.plain), strict=True)}
        row |= {name: float(x) for name, x in zip(_SCALE, lesson.scale, strict=True)}
        row |= {name: float(x) for name, x in zip(_WIDTH, lesson.widths, strict=True)}
        rows.append(row | {"points": lesson.points, "origins": lesson.origins})
    return pl.DataFrame(rows)


def read_lessons(path: Path = SHIPPED) -> Lessons:
    """Read what `lessons_frame` made.

    Errors
    ------
    CareError
        When it cannot be read or is of other views or figures.
    """
    try:
        frame = pl.read_csv(path)
        return {
            (int(row["origin"]), FIGURES.index(row["figure"]), int(row["years_ahead"])): Lesson(
                np.array([row[view] for view in PLAIN]),
                np.array([row[view] for view in OF_MODEL]),
                np.array([row[name] for name in _SCALE]),
                np.array([row[name] for name in _WIDTH]),
                int(row["points"]),
                int(row["origins"]),
            )
            for row in frame.iter_rows(named=True)
        }
    except (OSError, pl.exceptions.PolarsError, KeyError, ValueError, TypeError) as fault:
        again = "Make it again: journeys backtest england --statistics TABLE"
        raise CareError("The lessons of earlier forecasts cannot be read", str(path), again) from fault
