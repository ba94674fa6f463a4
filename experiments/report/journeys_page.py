"""The journeys page: simulated children found by pattern, one life on one time axis, why each event happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from abm.describe import in_words
from abm.errors import CareError
from abm.pathway import N_HISTORIES
from experiments.report.payload import Column, columns_of, need_columns, pack, write_page
from experiments.report.words import CLOCKS, patterns_for, words

_MOMENT = ("child", "week", "step")
EVENTS = (*_MOMENT, "transition", "from_state", "to_state", "origin", "chance", "draw")
CHILDREN = (
    "child", "family", "birth_week", "sex", "risk", "uasc", "enter_week", "leave_week", "state", "history",
    "since_week",
)  # fmt: skip
OPTIONS = (*_MOMENT, "transition", "to_state", "chance")
_BIRTHDAY, _PLAN = 2, 3
MOST_SHOWN = 25_000
"""A page of this many children is about 2.5 MB and ready in about a second."""


def write_journeys_page(
    path: Path,
    *,
    events: pl.DataFrame,
    children: pl.DataFrame,
    options: pl.DataFrame,
    legend: dict[str, Any],
    about: dict[str, Any],
) -> None:
    """Write the page on which a person reads simulated journeys: one self-contained file that makes no request.

    In it are the children who came into touch with children's social care, and their brothers and sisters; of a large
    area every k-th family, so that the page stays quick. Shares on the page are of all children of those families.

    Parameters
    ----------
    path
        The file to write; it is written wholly or not at all.
    events, children, options
        One run's log, its children, and what was open at each event, with the columns EVENTS, CHILDREN and OPTIONS.
    legend
        States and transitions in the order of their codes, from `abm.describe.legend`.
    about
        area, area_code, seed, first_day ("2020-04-01"), n_weeks, scale (children that one simulated child stands
        for), version, digest, assumed (sentences); and if mechanisms are on, also (sentences: what else chances depend
        on) and together (whether what happens to one child touches brothers and sisters).

    Errors
    ------
    CareError
        For an observed log (journeys of real children are never shown), a missing column, a code outside the legend,
        a first day that is not 1 April, a page that is not built, or a file that cannot be written.
    """
    if about.get("observed"):
        raise CareError(
            "The journeys page does not show observed journeys",
            "about['observed'] is set",
            "Journeys of real children are never shown one by one; make the page from a simulated run",
        )
    need_columns(events, "events", EVENTS)
    need_columns(children, "children", CHILDREN)
    need_columns(options, "options", OPTIONS)
    _check_codes(events, children, options, legend)
    shown, of_all, one_in = children_shown(events, children, legend)
    header = {
        "about": _about(about),
        "legend": _legend(legend),
        "patterns": patterns_for(legend),
        "words": words(),
        "n_simulated": of_all,
        "one_in": one_in,
    }
    write_page(path, "journeys.html", pack(header, _columns(events, shown, options)))


def children_shown(
    events: pl.DataFrame, children: pl.DataFrame, legend: dict[str, Any], most: int = MOST_SHOWN
) -> tuple[pl.DataFrame, int, int]:
    """Return the children a page shows, of how many children they are drawn, and one in how many families was kept.

    The children who came into touch with the system are shown, with their brothers and sisters. If they are more than
    `most`, every k-th family is kept, with k as small as will do. Whoever wants the options of these children only
    asks here first.

    A child came into touch who has an event other than being born, moving or turning 18 at home, or who was open to
    the system on the first day. Children who came alone have no brothers or sisters in the simulation.
    """
    quiet = [code for code, state in enumerate(legend["states"]) if state["stage"] in ("home", "left")]
    was_quiet = pl.col("from_state").is_in(quiet)
    met = events.filter((pl.col("origin") != _PLAN) & ~((pl.col("origin") == _BIRTHDAY) & was_quiet))
    ids = pl.concat([met["child"], children.filter(~pl.col("state").is_in(quiet))["child"]]).unique()
    seen = pl.col("child").is_in(ids.implode())
    families = children.filter(seen & ~pl.col("uasc"))["family"].unique()
    shown = children.filter(seen | (pl.col("family").is_in(families.implode()) & ~pl.col("uasc"))).sort("child")
    one_in = max(1, -(-shown.height // most))
    kept = children["family"].unique().sort().gather_every(one_in)
    in_kept = pl.col("family").is_in(kept.implode())
    return shown.filter(in_kept), children.filter(in_kept).height, one_in


def _check_codes(events: pl.DataFrame, children: pl.DataFrame, options: pl.DataFrame, legend: dict[str, Any]) -> None:
    sizes = {"state": len(legend["states"]), "transition": len(legend["transitions"])}
    checks = (
        (events, "events", "transition", "transition"),
        (events, "events", "from_state", "state"),
        (events, "events", "to_state", "state"),
        (options, "options", "transition", "transition"),
        (children, "children", "state", "state"),
    )
    for frame, name, column, what in checks:
        largest = frame[column].max() if frame.height else 0
        if not isinstance(largest, int) or largest >= sizes[what]:
            raise CareError(
                f"The {name} use the {what} number {largest!r}, the legend ends at {sizes[what] - 1}",
                f"column '{column}'",
                "Use the legend of the journey that was simulated",
            )
    for frame, name in ((events, "events"), (options, "options")):
        strangers = frame.join(children, on="child", how="anti")
        if strangers.height:
            raise CareError(
                f"The {name} tell of {strangers['child'].n_unique()} children who are not among the children",
                f"first: child {strangers['child'][0]}",
                "Hand over the frames of one and the same run",
            )


def _about(about: dict[str, Any]) -> dict[str, Any]:
    first_day = str(about["first_day"])
    if not first_day.endswith("-04-01"):
        raise CareError(
            f"The first day of the run is {first_day}",
            "about['first_day']",
            "The page needs runs that begin on 1 April",
        )
    texts = {name: str(about[name]) for name in ("area", "area_code", "version", "digest")}
    return {
        **texts,
        "first_day": first_day,
        "seed": int(about["seed"]),
        "n_weeks": int(about["n_weeks"]),
        "scale": float(about["scale"]),
        "assumed": [str(line) for line in about["assumed"]],
        "also": [str(line) for line in about.get("also", ())],
        "together": bool(about.get("together", False)),
    }


def _legend(legend: dict[str, Any]) -> dict[str, Any]:
    told = ("key", "label", "colour", "law", "stage")
    states = [
        {name: str(state[name]) for name in told} | {"clock": CLOCKS.get(state["key"], str(state["key"]))}
        for state in legend["states"]
    ]
    transitions = [
        {
            "key": str(transition["key"]),
            "label": str(transition.get("label") or in_words(str(transition["key"]))),
            "sentence": str(transition["sentence"]),
            "told_from": {str(key): str(text) for key, text in (transition.get("told_from") or {}).items()},
            "law": str(transition.get("law") or ""),
            "history": _history(transition),
        }
        for transition in legend["transitions"]
    ]
    return {"states": states, "transitions": transitions}


def _history(transition: dict[str, Any]) -> int:
    history = int(transition.get("history") or 0)
    if not 0 <= history < N_HISTORIES:
        raise CareError(
            f"The transition '{transition['key']}' leads to the history {history}",
            "legend",
            f"A history is 0 to {N_HISTORIES - 1}",
        )
    return history


def _columns(events: pl.DataFrame, shown: pl.DataFrame, options: pl.DataFrame) -> list[Column]:
    log = events.join(shown.select("child"), on="child", how="semi").sort(_MOMENT).with_row_index("row")
    places = log.select("row", *_MOMENT)
    # Possibilities keep the order in which the engine tries them.
    open_then = options.with_row_index("place").join(places, on=_MOMENT, how="inner").sort("row", "place")
    columns: list[Column] = []

    def add(name: str, series: pl.Series) -> None:
        columns.extend(columns_of(name, series.to_numpy()))

    for name, source in (
        ("id", "child"), ("family", "family"), ("birth", "birth_week"), ("sex", "sex"), ("risk", "risk"),
        ("alone", "uasc"), ("enter", "enter_week"), ("leave", "leave_week"), ("state", "state"),
        ("history", "history"), ("since", "since_week"),
    ):  # fmt: skip
        add(f"child.{name}", shown[source])
    add("child.n_events", _counts(shown.select("child"), log, "child"))
    for name, source in (
        ("week", "week"), ("step", "step"), ("transition", "transition"), ("from", "from_state"), ("to", "to_state"),
        ("origin", "origin"), ("chance", "chance"), ("draw", "draw"),
    ):  # fmt: skip
        add(f"event.{name}", log[source])
    add("event.n_options", _counts(log.select("row"), open_then, "row"))
    for name, source in (("transition", "transition"), ("to", "to_state"), ("chance", "chance")):
        add(f"option.{name}", open_then[source])
    return columns


def _counts(owners: pl.DataFrame, rows: pl.DataFrame, key: str) -> pl.Series:
    """Return how many rows each owner has, in the order of the owners."""
    counted = rows.group_by(key).len()
    return owners.join(counted, on=key, how="left", maintain_order="left")["len"].fill_null(0)
