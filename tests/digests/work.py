"""What a setting's own process does: read on stdin what to do, do it, and say on stdout what came of it.

Each line it says is JSON after a mark; whatever else lands on stdout is not ours.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

MARK = "@@ "


def say(**told: Any) -> None:
    print(MARK + json.dumps(told), flush=True)


def make(asked: dict[str, Any]) -> None:
    """Write the file of scenario and parameters: of a saved fit, or made up."""
    from tests.digests.subjects import save
    from tests.digests.ways import keep_for_elsewhere

    if asked["fit"]:
        from calibration.fitted import load_fit

        fitted = load_fit(Path(asked["fit"])).fitted
        scenario, parameters = fitted.scenario, fitted.parameters
    else:
        from tests.abm.toys import busy_parameters, small_area

        scenario, parameters = small_area(3000, 156), busy_parameters(3)
    path = Path(asked["path"])
    save(scenario, parameters, path)
    # This also compiles what the settings share, before they start side by side.
    keep_for_elsewhere(path)
    say(made=scenario.area_name, children=round(float(scenario.plan.ages.sum())), weeks=scenario.n_weeks)


def cells(asked: dict[str, Any]) -> None:
    """Go every way asked for, and tell its digests."""
    from tests.digests.subjects import subjects
    from tests.digests.ways import ways

    path = Path(asked["path"])
    groups, listed = subjects(path), ways(path)
    for way in listed.values():
        wanted = way.name in asked["ways"] if asked["ways"] else (way.everywhere or asked["all_ways"])
        if not wanted or way.group not in asked["groups"]:
            continue
        try:
            say(way=way.name, digests=way.run(groups[way.group]))
        except Exception as error:
            say(way=way.name, digests={}, failed=f"{type(error).__name__}: {error}")


def effects(asked: dict[str, Any]) -> None:
    """Compare runs whose multipliers should not matter."""
    from tests.digests.effects import compare_effects
    from tests.digests.subjects import subjects

    (subject,) = subjects(Path(asked["path"]))["whole"]
    for compared in compare_effects(subject, *asked["part"]):
        say(**asdict(compared))


def fits(asked: dict[str, Any]) -> None:
    """Tell how far the numbers of saved fits are from those of the first."""
    import numpy as np

    from abm.journey import JOURNEY
    from calibration.fitted import load_fit

    first, *others = [load_fit(Path(folder)).fitted.parameters for folder in asked["folders"]]
    thresholds = first.thresholds(JOURNEY)
    for other in others:
        gap = 0.0
        for mine, theirs in ((first.rates, other.rates), (first.multipliers, other.multipliers)):
            finite = np.isfinite(mine) & np.isfinite(theirs) & (mine != 0)
            gap = max(gap, float(np.max(np.abs(theirs[finite] / mine[finite] - 1), initial=0.0)))
        say(
            same=all(np.array_equal(getattr(first, name), getattr(other, name)) for name in ("rates", "multipliers")),
            gap=gap,
            thresholds=int((thresholds != other.thresholds(JOURNEY)).sum()),
            of=int(thresholds.size),
        )


def main() -> None:
    asked = json.loads(sys.stdin.read())
    if asked.get("no_numba"):
        sys.modules["numba"] = None  # type: ignore[assignment]
    {"make": make, "cells": cells, "effects": effects, "fits": fits}[asked["what"]](asked)


if __name__ == "__main__":
    main()
