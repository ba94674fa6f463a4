"""The job of `journeys returns write`: a simulated run as files of both returns, so that reading them can be tried."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from abm.errors import CareError
from abm.journey import JOURNEY
from abm.run import Run
from calibration.fitted import load_fit
from calibration.returns.synthetic import README, SIMULATED, Stories, write_readme
from calibration.returns.synthetic903 import RETURN as OF_CARE
from calibration.returns.synthetic903 import write_ssda903
from calibration.returns.synthetic_cin import RETURN as OF_NEED
from calibration.returns.synthetic_cin import write_cin
from experiments import results


def write(folder: Path, target: Path, run: int) -> list[str]:
    """Write one run of a folder of results as returns, and return what to tell.

    Raises
    ------
    CareError
        For a folder without results, a run that there is not, or a target that cannot be written.
    """
    stories = _stories(folder, run)
    if not len(stories.years):
        raise CareError(
            "This run does not last a year", str(folder), "Returns are of whole years: simulate more of them"
        )
    _refuse_what_is_not_simulated(target)
    with results.writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with results.whole_folder(target.resolve()) as part, results.writing(target):
        write_readme(part, stories, f"{OF_CARE} and {OF_NEED}")
        written = [*write_ssda903(stories, part), *write_cin(stories, part)]
    years = stories.years
    return [
        f"{len(written)} files of the years ending 31 March {years[0]} to {years[-1]} are in {target}.",
        "Every child in them is simulated, not a real child.",
        f"Read them back with: journeys returns read {target} --same-ids --to FOLDER",
    ]


def _refuse_what_is_not_simulated(target: Path) -> None:
    """Refuse a target that is a file, or a folder that holds something else than simulated returns."""
    if not target.exists():
        return
    names = sorted(entry.name for entry in target.iterdir()) if target.is_dir() else [target.name]
    for name in names:
        if not target.is_dir() or not (name == README or name.startswith(f"{SIMULATED}_")):
            raise CareError(
                f"Something else is here, such as '{name}'", str(target), "Choose a new or an empty folder with --to"
            )


def _stories(folder: Path, run: int) -> Stories:
    """Return the children of one run: of the first as it was written, of another simulated again."""
    manifest = results.read_manifest(folder)
    seeds = [int(seed) for seed in manifest["seeds"]]
    if not 1 <= run <= len(seeds):
        raise CareError(f"There is no run {run}", str(folder), f"These results have the runs 1 to {len(seeds)}")
    scenario, area = manifest["scenario"], manifest["area"]
    if run > 1:
        return replace(Stories.of_run(_again(folder, manifest, seeds[run - 1])), area=area["name"])
    events = results.read_table(folder, manifest, results.EVENTS)
    children = results.read_table(folder, manifest, results.CHILDREN)
    return Stories(JOURNEY, events, children, scenario["first_year"], scenario["weeks"], area["name"], seeds[0])


def _again(folder: Path, manifest: dict[str, Any], seed: int) -> Run:
    """Simulate one of the runs again; its digest must be the one told."""
    from experiments.run_folder import same_run

    return same_run(load_fit(folder), {**manifest, "seeds": [seed]}, folder)
