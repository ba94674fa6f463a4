"""The two pages of a folder of results: made from it, and added to its manifest."""

from __future__ import annotations

from pathlib import Path

import abm
from abm.describe import legend
from abm.journey import JOURNEY
from calibration.fitted import load_fit
from experiments import results
from experiments.asked import BEHAVIOURS, CLOCKS, FAMILIES
from experiments.compare.report import read_comparison, write_report
from experiments.compare.words import journey_assumptions
from experiments.many import Say
from experiments.report.journeys_page import children_shown, write_journeys_page
from experiments.report.payload import TEMPLATES
from experiments.run_folder import same_run

ALSO = {
    FAMILIES: "They also depend on the family: on how it is doing that week (coping, under strain, in crisis), on "
    "brothers and sisters in the same situation, and on whether there are kin who would take the child in.",
    BEHAVIOURS: "They also depend on how the system is doing that week: on caseloads, on fear after an incident, on "
    "homes.",
    CLOCKS: "They are higher in the weeks of reviews and time limits, and lower around them.",
}
"""What chances depend on where a mechanism is on."""


def is_built(page: str) -> bool:
    """Tell whether the template of a page was built."""
    return (TEMPLATES / page).is_file()


def that_are_missing() -> list[str]:
    """Return a sentence if the pages are not built on this machine."""
    missing = [page for page in (results.REPORT, results.JOURNEYS) if not is_built(page)]
    if not missing:
        return []
    return [
        f"The pages were not written, because {' and '.join(missing)} are not built on this machine (building "
        "needs Node.js: run 'python run.py setup'); all else is there, and 'journeys compare' and 'journeys page' "
        "can make them later."
    ]


def write(folder: Path, say: Say) -> None:
    """Write both pages into a folder of results."""
    report(folder)
    say("pages", 0.3)
    journeys(folder)


def report(folder: Path) -> None:
    """Write the report page of a folder of results."""
    write_report(folder / results.REPORT, read_comparison(folder))
    results.add_to_manifest(folder)


def journeys(folder: Path) -> None:
    """Write the journeys page of a folder of results.

    The first seed is simulated again from the fit, and its digest held against the manifest: so the page shows the run
    that the results are of, and the run is shown to be repeatable.
    """
    manifest = results.read_manifest(folder)
    for name in (results.EVENTS, results.CHILDREN):
        results.checked(folder, manifest, name)
    made = load_fit(folder)
    run = same_run(made, manifest, folder)
    told = legend(JOURNEY)
    shown, _, _ = children_shown(run.events, run.children, told)
    scenario = run.scenario
    mechanisms = manifest.get("mechanisms", {})
    together = FAMILIES in mechanisms.get("on", ())
    assumed = journey_assumptions(made.fitted, manifest["fit"]["factors_ahead"], together=together)
    write_journeys_page(
        folder / results.JOURNEYS,
        events=run.events,
        children=run.children,
        options=run.options(shown["child"].to_list()),
        legend=told,
        about={
            "area": scenario.area_name,
            "area_code": scenario.area_code,
            "seed": run.seed,
            "first_day": f"{scenario.first_year - 1}-04-01",
            "n_weeks": scenario.n_weeks,
            "scale": float(scenario.sample),
            "version": abm.__version__,
            "digest": run.digest,
            "assumed": [*assumed, *mechanisms.get("told", ())],
            "also": [ALSO[name] for name in mechanisms.get("on", ()) if name in ALSO],
            "together": together,
        },
    )
    results.add_to_manifest(folder)
