"""Write the pages of docs/reference that are read off the declarations.

    python docs/generate.py

A test compares the files with what this gives, so that what is documented is what is simulated.
"""

from __future__ import annotations

import ast
import importlib
from itertools import pairwise
from pathlib import Path

import numpy as np

from abm.describe import (
    listing,
    reference_outputs,
    reference_parameters,
    reference_states,
    reference_transitions,
    table,
)
from abm.diagram import diagram
from abm.journey import JOURNEY
from abm.loop_diagram import loop_diagram
from calibration.behaviours import read_behaviours
from calibration.behaviours_page import reference_behaviours
from calibration.levers import LEVERS
from calibration.rates import read_rates
from calibration.returns import cin_codes
from calibration.returns.cin_page import reference_annex_a, reference_cin
from calibration.returns.ssda903_codes import CODES
from calibration.returns.ssda903_page import reference_ssda903, rules
from calibration.statutory import read_sources, read_statutes
from calibration.statutory_page import reference_statutes

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
COMMAND = "python docs/generate.py"
NOTICE = f"<!-- Written by docs/generate.py from the declarations. Change those, then run: {COMMAND} -->\n\n"
WITH_NUMBERS = (
    "abm/population.py",
    "abm/families.py",
    "abm/behaviour_system.py",
    "abm/loops.py",
    "calibration/day_one.py",
    "calibration/aims.py",
    "calibration/national.py",
    "calibration/fit.py",
    "calibration/least_squares.py",
    "calibration/posterior/likelihood.py",
    "calibration/posterior/matching.py",
    "calibration/posterior/steady.py",
    "calibration/levers.py",
    "calibration/outlook.py",
    "calibration/pooling.py",
    "calibration/pooling_estimate.py",
    "calibration/pooling_evidence.py",
    "calibration/readings.py",
    "abm/family_life.py",
    "abm/family_tables.py",
)
"""Modules whose documented numbers shape the results."""


def pages() -> dict[Path, str]:
    """Return every generated file with its text."""
    texts = {
        "states.md": reference_states(JOURNEY),
        "transitions.md": reference_transitions(JOURNEY),
        "figures.md": reference_outputs(),
        "parameters.md": reference_parameters(read_rates(JOURNEY).values),
        "assumptions.md": _assumptions(),
        "statutory_clocks.md": reference_statutes(read_statutes(), read_sources()),
        "behaviours.md": reference_behaviours(read_behaviours(), JOURNEY),
        "ssda903.md": reference_ssda903(CODES, rules()),
        "cin_census.md": reference_cin(cin_codes.CODES),
        "annex_a.md": reference_annex_a(),
        "journey_as_text.md": f"# The journey as text\n\n```text\n{listing(JOURNEY)}```\n",
    }
    made = {REFERENCE / name: NOTICE + text for name, text in texts.items()}
    pictures = {"journey.svg": diagram(JOURNEY), "loops.svg": loop_diagram(read_behaviours(), JOURNEY)}
    return {**made, **{REFERENCE / name: text for name, text in pictures.items()}}


def _assumptions() -> str:
    """Return the page of numbers that stand in the code, and of what a yearly factor moves."""
    rows = [row for file in WITH_NUMBERS for row in _numbers_of(file)]
    levers = [(lever.label, f"`{lever.key}`", ", ".join(f"`{name}`" for name in lever.transitions)) for lever in LEVERS]
    lines = [
        "# Numbers in the code",
        "",
        "Numbers beside the [rates](parameters.md) that shape a result, with what is known of them. **Assumed numbers "
        "are bold.**",
        "",
        *table(("Number", "Value", "What it is", "Where"), rows),
        "## What a yearly factor moves",
        "",
        "Each has one factor for every year that is fitted.",
        "",
        *table(("Lever", "Key", "Transitions"), levers),
    ]
    return "\n".join(lines)


def _numbers_of(file: str) -> list[tuple[str, str, str, str]]:
    """Return (name, value, words, file) of a module's documented constants that are numbers."""
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    found = []
    for statement, after in pairwise(body):
        if not (isinstance(statement, ast.Assign) and isinstance(after, ast.Expr)):
            continue
        target, words = statement.targets[0], after.value
        if isinstance(target, ast.Name) and isinstance(words, ast.Constant) and isinstance(words.value, str):
            value = np.asarray(getattr(module, target.id))
            if np.issubdtype(value.dtype, np.number):
                text = ", ".join(f"{number:,.10g}" for number in value.ravel())
                said = " ".join(words.value.split())
                assumed = "assumed" in said.lower()
                found.append((f"`{target.id}`", f"**{text} A**" if assumed else text, said, f"`{file}`"))
    return found


def main() -> None:
    """Write every page and say which."""
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        print(path.relative_to(ROOT).as_posix())


if __name__ == "__main__":
    main()
