"""The demonstration: one authority, from published figures to pages that a person can read."""

from __future__ import annotations

from pathlib import Path

from calibration.statistics import Statistics
from experiments import jobs, results
from experiments.compare.words import SIMULATED, how_far_it_goes
from experiments.plan import Plan
from experiments.screen import Progress, print_comparison
from experiments.totals import ENGLANDS

AREA, FOLDER = "E06000009", "results/demo"
_YEARS = (("scenario", "first_year"), ("fit", "fitted_to"), ("scenario", "last_year"))
_OPENS = {results.REPORT: "the figures, beside published ones", results.JOURNEYS: "simulated children's journeys"}


def demonstrate(statistics: Statistics, plan: Plan, target: Path, workers: int) -> None:
    """Run an area with everything that belongs to it, show its figures, and say which file to open."""
    with Progress() as progress:
        notes = jobs.run(statistics, plan, target, progress, workers=workers, pages=True)
    show(target, notes)


def show(target: Path, notes: list[str]) -> None:
    """Print the table of a folder of results, what could not be done, and what to open."""
    manifest = results.read_manifest(target)
    figures = results.read_table(target, manifest, results.FIGURES)
    n = len(manifest["seeds"])
    runs = f"{n} simulated run{'s' if n > 1 else ''}"
    first, fitted_to, last = (int(manifest[part][year]) for part, year in _YEARS)
    print_comparison(
        figures,
        f"{manifest['area']['name']}, fitted up to {fitted_to}: published, system dynamics (SD) and {runs} (ABM)",
        tuple(sorted({first, fitted_to, last})),
        n,
    )
    for line in how_far_it_goes(fitted_to, int(manifest["fit"]["published_to"])):
        print(line)
    print(SIMULATED)
    for note in notes:
        print(note)
    pages = [name for name in _OPENS if name in manifest["files"]]
    for name in pages:
        print(f"Open in a browser: {target / name} ({_OPENS[name]}).")
    if not pages:
        print(
            f"Everything is in {target}. 'journeys compare {target}' makes the report, "
            f"'journeys page {target}' the page of journeys."
        )


def show_several(target: Path, notes: list[str]) -> None:
    """Print the table of several areas added up, which areas were left out and why, and where everything is."""
    manifest = results.read_manifest(target, several=True)
    figures = results.read_table(target, manifest, results.FIGURES)
    n, areas, left_out = len(manifest["seeds"]), manifest["areas"], manifest["left_out"]
    first, fitted_to, last = (int(manifest[part][year]) for part, year in _YEARS)
    runs = f"{n} simulated run{'s' if n > 1 else ''}"
    england = manifest["asked_for"] == ENGLANDS and not figures.filter(series=ENGLANDS).is_empty()
    print_comparison(
        figures,
        f"{manifest['title']}: published for the same areas, system dynamics (SD) and {runs} (ABM)",
        tuple(sorted({first, fitted_to, last})),
        n,
        beside=ENGLANDS if england else "",
    )
    for line in how_far_it_goes(fitted_to, int(manifest["fit"]["published_to"])):
        print(line)
    early = [f"{area['name']} ({area['fitted_to']})" for area in areas.values() if area["fitted_to"] < fitted_to]
    if early:
        print(
            f"Fitted up to an earlier year, because the table has nothing later that a fit needs: {', '.join(early)}."
        )
    share = manifest["share_of_englands_children"]
    of_england = f", where {share:.1f}% of England's children live" if share is not None else ""
    print(f"Added up: {len(areas)} area{'s' if len(areas) > 1 else ''}{of_england}. Areas left out: {len(left_out)}.")
    for area in left_out:
        print(f"Left out: {area['name']} ({area['code']}). {area['why']}")
    print(SIMULATED)
    for note in notes:
        print(note)
    example = target / next(iter(areas))
    print(
        f"Everything is in {target}, with a folder for each area: 'journeys compare {example}' makes a report, "
        f"'journeys page {example}' a page of journeys."
    )
