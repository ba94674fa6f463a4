"""Made-up data in the forms that the pages take: children who walk through the declared journey by toy chances."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from abm.describe import legend
from abm.journey import JOURNEY
from abm.loop_diagram import loop_diagram
from abm.pathway import WEEKS_TO_18
from calibration.behaviours import read_behaviours
from experiments.report.drawing import drawing

N_WEEKS = 520
CHANCE, OUTCOME, BIRTHDAY, PLAN = range(4)

EVENT_TYPES = {
    "child": pl.Int32, "week": pl.Int16, "step": pl.UInt8, "transition": pl.UInt8, "from_state": pl.UInt8,
    "to_state": pl.UInt8, "origin": pl.UInt8, "chance": pl.Float64, "draw": pl.Float64,
}  # fmt: skip
OPTION_TYPES = {
    "child": pl.Int32, "week": pl.Int16, "step": pl.UInt8, "transition": pl.UInt8, "to_state": pl.UInt8,
    "chance": pl.Float64,
}  # fmt: skip


def toy_legend() -> dict[str, Any]:
    """The legend of the declared journey, the reader's own to change."""
    return legend(JOURNEY)


def toy_about(**changes: Any) -> dict[str, Any]:
    return {
        "area": "Toytown", "area_code": "E06000000", "seed": 7, "first_day": "2020-04-01", "n_weeks": N_WEEKS,
        "scale": 1.0, "version": "0.1.0", "digest": "0123456789abcdef",
        "assumed": ["How strongly a referral raises the chance of the next one (a prior)."],
    } | changes  # fmt: skip


class _Walk:
    """One toy run: chances are drawn once for each edge, then children walk."""

    def __init__(self, seed: int, pace: float) -> None:
        self.rng = np.random.default_rng(seed)
        self.tables = JOURNEY.tables
        speed = {"home": 0.004, "front_door": 0.12, "plan": 0.02, "care": 0.006, "after_care": 0.003, "left": 0.0}
        stage = [speed[s.stage] for s in JOURNEY.states]
        t = self.tables
        self.chance = np.array([stage[s] * pace for s in t.source]) * self.rng.uniform(0.3, 1.7, t.n_edges)
        for edge in np.flatnonzero(t.outcome):
            others = [e for e in np.flatnonzero(t.outcome) if t.source[e] == t.source[edge]]
            self.chance[edge] = 1.0 if edge == others[-1] else self.rng.uniform(0.15, 0.5)
        # As the engine keeps them: whole numbers over 2**32.
        self.chance = np.floor(self.chance * 2**32) / 2**32
        self.events: list[tuple[Any, ...]] = []
        self.options: list[tuple[Any, ...]] = []

    def below(self, chance: float) -> float:
        return float(np.floor(self.rng.uniform(0, chance) * 2**32) / 2**32)

    def put(self, child: int, week: int, step: int, edge: int, origin: int, chance: float, draw: float) -> int:
        t = self.tables
        self.events.append(
            (child, week, step, t.transition[edge], t.source[edge], t.target[edge], origin, chance, draw)
        )
        return int(t.target[edge])

    def offer(self, child: int, week: int, step: int, edges: list[int], year_factor: float) -> None:
        t = self.tables
        for e in edges:
            chance = self.chance[e] if t.outcome[e] else np.floor(self.chance[e] * year_factor * 2**32) / 2**32
            self.options.append((child, week, step, t.transition[e], t.target[e], float(chance)))

    def edges(self, state: int, which: np.ndarray) -> list[int]:
        t = self.tables
        return [e for e in range(t.first[state], t.first[state + 1]) if which[e]]

    def outcomes(self, child: int, week: int, state: int, step: int) -> int:
        """Outcomes are tried in turn, each with a draw of its own."""
        while self.tables.at_once[state]:
            tried = self.edges(state, self.tables.outcome)
            self.offer(child, week, step, tried, 1.0)
            taken = next(e for e in tried if self.chance[e] == 1.0 or self.rng.uniform() < self.chance[e])
            state = self.put(child, week, step, taken, OUTCOME, self.chance[taken], self.below(self.chance[taken]))
            step += 1
        return state

    def child(self, child: int, birth: int, state: int, enter: int) -> None:
        week = enter
        if state == JOURNEY.state_index["elsewhere"]:
            key = "born" if birth == enter else "came_alone"
            edge = JOURNEY.edge(key, "elsewhere")
            state = self.outcomes(child, week, self.put(child, week, 0, edge, PLAN, 1.0, 0.0), 1)
            week += 1
        while week < N_WEEKS:
            weekly = self.edges(state, self.tables.weekly)
            # Chances move from year to year, as fitted ones do.
            factor = 1.0 + 0.07 * (week // 52)
            total = float(sum(self.chance[e] for e in weekly)) * factor
            if total <= 0:
                return
            happens = week + int(self.rng.geometric(min(total, 1.0))) - 1
            birthday = birth + WEEKS_TO_18
            if birthday <= min(happens, N_WEEKS - 1):
                edge = int(self.tables.birthday[state])
                if edge >= 0:
                    self.put(child, max(birthday, week), 0, edge, BIRTHDAY, 1.0, 0.0)
                return
            if happens >= N_WEEKS:
                return
            factor = 1.0 + 0.07 * (happens // 52)
            weights = np.array([self.chance[e] for e in weekly])
            edge = int(self.rng.choice(weekly, p=weights / weights.sum()))
            self.offer(child, happens, 0, weekly, factor)
            chance = float(np.floor(self.chance[edge] * factor * 2**32) / 2**32)
            state = self.put(child, happens, 0, edge, CHANCE, chance, self.below(chance))
            state = self.outcomes(child, happens, state, 1)
            week = happens + 1


def toy_run(n: int, seed: int = 7, pace: float = 1.0) -> dict[str, pl.DataFrame]:
    """Events, children and options of `n` toy children, in families of one to four."""
    walk = _Walk(seed, pace)
    rng = np.random.default_rng(seed + 1)
    keys = JOURNEY.state_index
    starts = [keys[k] for k in ("at_home", "at_home", "at_home", "in_need", "protected", "foster", "kinship_foster")]
    rows: list[dict[str, Any]] = []
    family = 0
    while len(rows) < n:
        family += 1
        size, alone = int(rng.integers(1, 5)), rng.uniform() < 0.02
        first = int(rng.integers(-17 * 52, 300))
        risk = int(rng.integers(0, 4))
        for k in range(1 if alone else min(size, n - len(rows))):
            birth = first + k * int(rng.integers(50, 220))
            enter = int(rng.integers(10, 400)) if alone else max(birth, 0)
            if alone:
                birth = enter - int(rng.integers(14 * 52, 17 * 52))
            if enter >= N_WEEKS:
                continue
            state = int(rng.choice(starts)) if enter == 0 else keys["elsewhere"]
            rows.append(
                {
                    "child": len(rows), "family": family, "birth_week": birth, "sex": int(rng.integers(0, 2)),
                    "risk": risk, "uasc": alone, "enter_week": enter, "leave_week": N_WEEKS, "state": state,
                    "history": 0, "since_week": enter if enter else -int(rng.integers(1, max(2, min(90, -birth)))),
                }
            )  # fmt: skip
    for row in rows:
        walk.child(row["child"], row["birth_week"], row["state"], row["enter_week"])
    children = pl.DataFrame(rows).cast(
        {
            "child": pl.Int32, "family": pl.Int32, "birth_week": pl.Int32, "sex": pl.UInt8, "risk": pl.UInt8,
            "enter_week": pl.Int32, "leave_week": pl.Int32, "state": pl.UInt8, "history": pl.UInt8,
            "since_week": pl.Int32,
        }
    )  # fmt: skip
    events = pl.DataFrame(walk.events, schema=EVENT_TYPES, orient="row")
    options = pl.DataFrame(walk.options, schema=OPTION_TYPES, orient="row")
    return {"events": events.sort("week", "child", "step"), "children": children, "options": options}


# The report ----------------------------------------------------------------------------------------------------------

TOY_FIGURES = (
    ("referrals", "Referrals", "referrals", 3100.0),
    ("cin_episodes_started", "Episodes of need started", "children", 2100.0),
    ("cpp_at_31_march", "Child protection plans at 31 March", "plans", 300.0),
    ("cpp_started", "Child protection plans started", "plans", 380.0),
    ("cla_at_31_march", "Looked after at 31 March", "children", 600.0),
    ("cla_started", "Started to be looked after", "children", 190.0),
    ("cla_ceased", "Ceased to be looked after", "children", 185.0),
    ("foster_share", "Looked after in foster homes", "percent", 66.0),
    ("homes_share", "Looked after in children's homes and secure homes", "percent", 13.0),
    ("s47_enquiries", "Section 47 enquiries", "children", 900.0),
    ("rereferrals", "Referred again within 12 months", "percent", 22.6),
    ("adopted", "Adopted", "children", 14.0),
)
QUANTILES = {
    "p2_5": -1.96, "p5": -1.64, "p10": -1.28, "p25": -0.67, "median": 0.0, "p75": 0.67, "p90": 1.28, "p95": 1.64,
    "p97_5": 1.96,
}  # fmt: skip


def toy_figures(last_published: int = 2025, seed: int = 3) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str, str, int, str, str, float]] = []
    for key, label, unit, level in TOY_FIGURES:
        spread = 0.7 if unit == "percent" else level**0.5
        for year in range(2021, 2031):
            trend = level * (1 + 0.015 * (year - 2023))
            if year <= last_published:
                rows.append((key, label, unit, year, "published", "value", round(trend + rng.normal(0, spread))))
            rows.append((key, label, unit, year, "sd", "value", trend * 1.02))
            for name, z in QUANTILES.items():
                rows.append((key, label, unit, year, "abm", name, trend + z * spread * (1 + 0.2 * (year - 2021))))
    columns = ["figure", "label", "unit", "year", "series", "statistic", "value"]
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(pl.col("year").cast(pl.Int32))


def toy_residuals() -> pl.DataFrame:
    rows = []
    for k, (key, label, unit, level) in enumerate(TOY_FIGURES):
        for year in (0, *range(2021, 2026)):
            sd, abm = 0.02, -0.13 if k == 3 else 0.011 * (year - 2023 if year else 1)
            rows.append(
                (key, label, unit, year, level, level * (1 + sd), level * (1 + abm), sd, abm, k < 9, abs(abm) <= 0.1)
            )
    columns = [
        "figure", "label", "unit", "year", "published", "sd", "abm", "sd_residual", "abm_residual", "required", "held",
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(pl.col("year").cast(pl.Int32))


def toy_metrics() -> pl.DataFrame:
    rows = [
        (key, series, level * 0.01, level * 0.03, 0.031, 0.8, 0.8 if series == "abm" else None, 1.0)
        for key, _, _, level in TOY_FIGURES
        for series in ("sd", "abm")
    ]
    columns = ["figure", "series", "bias", "rmse", "nrmse", "mase", "coverage80", "coverage95"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def toy_report() -> dict[str, Any]:
    """Everything that write_report_page takes beside the path."""
    reentry = pl.DataFrame({"months": [3, 12, 72], "published": [0.12, 0.20, 0.35], "abm": [0.118, 0.205, 0.341]})
    return {
        "figures": toy_figures(),
        "residuals": toy_residuals(),
        "metrics": toy_metrics(),
        "tables": {"forecast_figures": toy_figures(seed=4), "reentry": reentry},
        "about": {
            "area": "Toytown", "area_code": "E06000000", "seed": 7, "runs": 20, "version": "0.1.0",
            "headline": ["Ten of twelve figures lie within 10% of the published ones."],
            "missed": [],
            "assumed": [
                {"name": "history_multiplier", "value": 1.6, "unit": "times", "low": 1.2, "high": 2.2,
                 "status": "assumed", "source": "judgement"},
            ],
            "tables": {"reentry": {"title": "Return to care", "caption": "Share who came back into care, by months"}},
        },
    }  # fmt: skip


def toy_system(words: str = "Anxiety") -> dict[str, Any]:
    """What a report shows where mechanisms are on, with some words in every place that has some."""
    x = [2020 + (week + 1) / 52 for week in range(3, 520, 4)]
    up = [1 + 0.002 * k for k in range(len(x))]
    frame = {"columns": ["year", words], "rows": [[year, 1.5] for year in range(2021, 2031)]}

    def chart(key: str, n: int) -> dict[str, Any]:
        lines = [
            {
                "name": f"{words} {k}", "middle": [u + 0.1 * k for u in up],
                "low": None if k else [u - 0.1 for u in up], "high": None if k else [u + 0.1 for u in up],
                "first": None if n > 1 else [u - 0.02 for u in up],
            }
            for k in range(n)
        ]  # fmt: skip
        return {
            "key": key, "title": f"{words} {key}", "unit": words, "x": x, "lines": lines,
            "description": f"{words}: up.", "frame": frame,
        }  # fmt: skip

    return {
        "told": [words, "Reviews have their weeks."],
        "assumed": f"{words}: most numbers are assumed.",
        "warnings": [words],
        "loops": {"columns": ["loop", "what_happens", "among_all_loops", "alone"], "rows": [["R1", words, 1.1, 1.0]]},
        "changed": {"columns": ["table", "what", "shipped", "here"], "rows": [[words, words, None, 0.3]]},
        "groups": [
            {"key": "one", "title": words, "note": words, "charts": [chart("a", 1), chart("b", 2)]},
            {"key": "two", "title": "Homes", "note": words, "charts": [chart("c", 3)]},
        ],
        "tables": [{"caption": f"{words}, by year", "frame": frame}],
        "diagram": drawing(loop_diagram(read_behaviours(), JOURNEY)),
    }
