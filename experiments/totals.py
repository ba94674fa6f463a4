"""Several areas added up: figures of the whole, run by run, beside the sum of what was published for the same areas.

Counts are added as whole numbers, so no order of areas changes them. A share is computed from added counts, never as a
mean of shares. The sum is that of the areas that were run: it is not England, and says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abm.outputs import OUTPUTS, Output
from abm.pathway import WEEKS_PER_YEAR
from calibration.fit import FIRST_YEAR
from calibration.statistics import ENGLAND, Area, Statistics
from calibration.targets import targets
from experiments import results
from experiments.area_work import AreaWork
from experiments.beside import SIBLINGS
from experiments.compare.frames import REREFERRALS, Points, figures_frame, published_points
from experiments.many import all_left_out
from experiments.order import Order
from experiments.unfinished import WEEKLY, Unfinished
from experiments.weekly import add_weekly, write_weekly

Array = NDArray[np.float64]
ENGLANDS = "england"
"""The series of what was published for England itself."""
WHAT = "Results of several areas of journeys-abm. Every child in them is simulated, not a real child."
ADDED = (
    "Counts are added over areas, run by run; shares are computed from added counts. What follows children over years "
    "is not added: it is in the folders of the areas. The areas do not influence each other, so their runs are paired "
    "by chance alone."
)
_KEYS = ["series", "run", "figure", "year"]


def shares() -> dict[str, tuple[str, str]]:
    """Return the figures that are percentages: key -> (key of the count, key of what it is a part of)."""
    found = {output.key: (_count_of(output).key, output.percent_of) for output in OUTPUTS if output.percent_of}
    return {**found, REREFERRALS: (f"{REREFERRALS}, counted", "referrals")}


def _count_of(output: Output) -> Output:
    """Return the figure that counts what a share is a share of."""
    what = (output.events, output.less, output.states, output.distinct)
    for other in OUTPUTS:
        if not other.percent_of and (other.events, other.less, other.states, other.distinct) == what:
            return other
    raise LookupError(f"no figure counts what {output.key} is a share of")


def counts_of(runs: pl.DataFrame, sample: int) -> pl.DataFrame:
    """Return the figures of an area as what can be added: counts of every run, as in its table of runs.

    How many referrals were again within 12 months is recovered from their share: it is a whole number of the sample.
    """
    known = shares()
    yearly = runs.filter((pl.col("year") > 0) & ~pl.col("figure").is_in([*known, *SIBLINGS]))
    share = runs.filter((pl.col("year") > 0) & (pl.col("figure") == REREFERRALS))
    whole = yearly.filter(pl.col("figure") == known[REREFERRALS][1]).select("series", "run", "year", whole="value")
    exact = (pl.col("value") * pl.col("whole") / sample / 100).round() * sample
    loose = pl.col("value") * pl.col("whole") / 100
    again = share.join(whole, on=["series", "run", "year"]).select(
        "series",
        "run",
        pl.lit(known[REREFERRALS][0]).alias("figure"),
        "year",
        pl.when(pl.col("series") == "abm").then(exact).otherwise(loose).alias("value"),
    )
    return pl.concat([yearly.select(*_KEYS, "value"), again])


def added(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the sum of tables of counts, where every one has the figure; a table is let go before the next is read.

    Simulated counts are added as whole numbers, those of system dynamics (which are not whole) in the order given.
    """
    total: pl.DataFrame | None = None
    for table in tables:
        simulated = pl.col("series") == "abm"
        new = table.select(
            *_KEYS,
            pl.when(simulated).then(pl.col("value").round()).otherwise(0).cast(pl.Int64).alias("whole"),
            pl.when(simulated).then(0.0).otherwise(pl.col("value")).alias("part"),
        )
        if total is not None:
            new = total.join(new, on=_KEYS, how="inner").select(
                *_KEYS, pl.col("whole") + pl.col("whole_right"), pl.col("part") + pl.col("part_right")
            )
        total = new
    assert total is not None
    value = pl.col("whole").cast(pl.Float64) + pl.col("part")
    return total.select(*_KEYS, value.alias("value")).sort(_KEYS)


def with_shares(counts: pl.DataFrame) -> pl.DataFrame:
    """Return added counts with the shares that they give; what only helped to compute them is left out."""
    out = [counts.filter(pl.col("figure") != shares()[REREFERRALS][0])]
    for key, (part, whole) in shares().items():
        parts, wholes = (counts.filter(pl.col("figure") == name) for name in (part, whole))
        both = parts.join(wholes, on=["series", "run", "year"], suffix="_of")
        share = pl.when(pl.col("value_of") > 0).then(100 * pl.col("value") / pl.col("value_of")).otherwise(0.0)
        out.append(both.select("series", "run", pl.lit(key).alias("figure"), "year", share.alias("value")))
    return pl.concat(out).sort(_KEYS)


def added_points(points: Sequence[Points]) -> Points:
    """Return what was published, added up where it is published for every area; shares from what they are shares of."""
    known = shares()

    def everywhere(figure: str) -> set[int]:
        return set.intersection(*(set(area.get(figure, ())) for area in points))

    out: Points = {}
    for figure in sorted({figure for area in points for figure in area}):
        if figure not in known:
            years = {year: sum(area[figure][year] for area in points) for year in sorted(everywhere(figure))}
        else:
            # Of referrals again the share alone is published, rounded: it is weighed by the referrals.
            part, whole = known[figure]
            again = figure == REREFERRALS
            years = {}
            for year in sorted(everywhere(figure if again else part) & everywhere(whole)):
                of = sum(area[whole][year] for area in points)
                has = sum(
                    area[figure][year] * area[whole][year] / 100 if again else area[part][year] for area in points
                )
                if of > 0:
                    years[year] = 100 * has / of
        if years:
            out[figure] = years
    return out


def arrays(table: pl.DataFrame, seeds: Sequence[int], years: Sequence[int]) -> dict[str, Array]:
    """Return figure -> float64[seeds, years] of a table of runs; NaN where it has no row."""
    row, column = {seed: n for n, seed in enumerate(seeds)}, {year: n for n, year in enumerate(years)}
    out: dict[str, Array] = {}
    for (figure,), rows in table.partition_by("figure", as_dict=True, maintain_order=True).items():
        values = out.setdefault(str(figure), np.full((len(seeds), len(years)), np.nan))
        places = [row[run] for run in rows["run"]], [column[year] for year in rows["year"]]
        values[places] = rows["value"].to_numpy()
    return out


# The folder ----------------------------------------------------------------------------------------------------------


def write(statistics: Statistics, begun: Unfinished) -> None:
    """Write the totals and the manifest of several areas into the folder that is to take its place."""
    order, folder = begun.order, begun.whole
    works = [work for area in order.areas if (work := begun.work(area)).left_out() is None]
    manifests = {work.area.code: results.read_manifest(work.whole) for work in works}
    years = tuple(range(FIRST_YEAR, order.years + 1))
    counts = added(_counts(work, manifests[work.area.code]) for work in works)
    runs = with_shares(counts)
    points = added_points([_published(statistics, work.area, years) for work in works])
    simulated = arrays(runs.filter(pl.col("series") == "abm"), list(order.seeds), years)
    system = {key: v[0] for key, v in arrays(runs.filter(pl.col("series") == "sd"), [0], years).items()}
    england = _england(statistics, years)
    figures = figures_frame(years, points, simulated, system)
    beside = figures_frame(years, england, {}, {}).with_columns(series=pl.lit(ENGLANDS))
    n_weeks = len(years) * WEEKS_PER_YEAR
    with results.whole_folder(begun.folder / WEEKLY) as scratch:
        paths = [results.checked(work.whole, manifests[work.area.code], results.STOCKS) for work in works]
        write_weekly(add_weekly(paths, n_weeks, scratch), n_weeks, folder / results.STOCKS)
    results.write_table(runs, folder, results.RUNS)
    results.write_table(pl.concat([figures, beside]), folder, results.FIGURES)
    results.write_manifest(folder, _facts(statistics, order, begun, manifests), what=WHAT)


def _counts(work: AreaWork, manifest: Mapping[str, Any]) -> pl.DataFrame:
    runs = results.read_table(work.whole, dict(manifest), results.RUNS)
    return counts_of(runs, int(manifest["scenario"]["sample"]))


def _published(statistics: Statistics, area: Area, years: Sequence[int]) -> Points:
    return published_points(targets(statistics, area, years))


def _england(statistics: Statistics, years: Sequence[int]) -> Points:
    """Return what was published for England itself, as far as the table has it."""
    if ENGLAND not in dict(statistics.areas()):
        return {}
    return _published(statistics, statistics.area(ENGLAND), years)


def _facts(
    statistics: Statistics, order: Order, begun: Unfinished, manifests: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    first = next(iter(manifests.values()))
    return {
        "title": title(len(manifests), order.england),
        "what_is_added": ADDED,
        "asked_for": "england" if order.england else "a list of areas",
        "areas": {
            code: {
                "name": manifest["area"]["name"],
                "fitted_to": manifest["fit"]["fitted_to"],
                "sample": manifest["scenario"]["sample"],
                "digest_of_runs": digest_of(manifest["digests"].values()),
            }
            for code, manifest in manifests.items()
        },
        "left_out": [{"code": area.code, "name": area.name, "why": area.why} for area in all_left_out(begun)],
        "share_of_englands_children": share_of_children(statistics, list(manifests)),
        "scenario": {"first_year": first["scenario"]["first_year"], "last_year": order.years},
        "fit": {key: max(m["fit"][key] for m in manifests.values()) for key in ("fitted_to", "published_to")},
        "seeds": list(order.seeds),
        "digest": digest_of(digest for manifest in manifests.values() for digest in manifest["digests"].values()),
        "statistics": {key: order.statistics[key] for key in ("file", "sha256")},
        "versions": first["versions"],
        **_mechanisms(order, first),
        "totals": "stocks.parquet has weekly stocks and flows, runs.parquet has figures, both run by run; "
        f"figures.parquet has them beside what was published for the same areas and (series '{ENGLANDS}') for England "
        "itself",
    }  # fmt: skip


def _mechanisms(order: Order, first: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is switched on in all areas alike; nothing if nothing is."""
    if not order.mechanisms:
        return {}
    record = first["mechanisms"]
    return {"mechanisms": {key: record[key] for key in ("on", "assumed", "tables", "changed", "shocks")}}


def digest_of(digests: Iterable[str]) -> str:
    """Return one digest of many, in their order."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def title(n_areas: int, england: bool) -> str:
    """Return what the totals are the totals of, so that nobody takes them for England."""
    what = ("authority" if n_areas == 1 else "authorities") if england else ("area" if n_areas == 1 else "areas")
    return f"Sum of {n_areas} {what}, not of all England"


def share_of_children(statistics: Statistics, codes: Sequence[str]) -> float | None:
    """Return which percent of England's children live in some areas, in the latest year of all; None if unknown."""
    if ENGLAND not in dict(statistics.areas()) or ENGLAND in codes:
        return None
    known = [statistics.series(code, "population_0_17") for code in (ENGLAND, *codes)]
    years = set.intersection(*(set(series) for series in known))
    if not years:
        return None
    england, *areas = (series[max(years)] for series in known)
    return round(100 * sum(areas) / england, 1)
