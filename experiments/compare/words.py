"""What the comparison says, in sentences for a director of children's services: also what it does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from calibration.fit import Fitted
from calibration.levers import LEVERS
from experiments.compare.forecast import FORECAST_YEARS, HELD_BACK_FROM, Score
from experiments.compare.frames import (
    COMPARED,
    MEAN,
    REQUIRED,
    RUNS_OF_AN_INTERVAL,
    TOLERANCE,
    bounds,
    shown_figures,
)

SIMULATED = "Every child here is simulated, not a real child; nothing here is for decisions about a real child."
CHANCE_ALONE = (
    "The intervals show chance alone, with one fitted set of chances. They do not hold how little some of those "
    "chances are known, so what happens will lie outside them more often than one time in ten."
)
CHANCE_AND_PARAMETERS = (
    "The intervals hold chance, and what published figures leave open of this area's chances: each run has its own "
    "draw of them, and of how they move in the years ahead, as those of all areas have moved. They do not hold what "
    "nobody has seen: a new law, another way of counting, a shock that no area has had in these years."
)
NO_POLICY = (
    "The years ahead say what would follow if things went on as they were. They are not a forecast of policy: no new "
    "law, money, way of working, place to live or change among families is in them."
)
NOT_THE_BACKTEST = (
    "'journeys backtest' forecasts five of these figures in another way and gives other numbers for the same years. "
    "Those are the forecasts that were held against past years of all authorities; the years ahead here were tried on "
    "this area alone, in the test, if there is one."
)
AS_THE_BACKTEST = (
    "For the first three years ahead five of these figures (children looked after at 31 March, started, ceased, plans "
    "at 31 March, referrals) are made to lie where 'journeys backtest' forecasts them, nearly: those forecasts were "
    "held against past years of all authorities. What else is shown of these years, and all later ones, follow from "
    "how chances move and were not tried in that way."
)
NOT_MET = (
    "For the first three years ahead runs were to lie where 'journeys backtest' forecasts five of these figures, and "
    "they do not: one of them is {missed:.0%} off, for which there may be a reason (no factor moves children who "
    "arrive unaccompanied). Take those years from the forecasts, which were held against past years of all "
    "authorities, and not from these runs."
)
FAR_MISSED = 0.1
"""Runs that lie farther than this from a forecast are not said to agree with it."""
GOES_ON = (
    "The years ahead say what would follow if chances moved on as those of all areas have moved: an area far from the "
    "others comes back towards them. They are not a forecast of policy: no new law, money, way of working, place to "
    "live or change among families is in them."
)
AHEAD = "If chances stayed as they were"
AHEAD_DRAWN = "If chances moved as those of all areas have moved"
"""What stands before a figure of the last year."""
PARTED = 0.05
"""The two views part when they differ by more than this share of the simulated figure."""
YEARS_OFF = 0.20
"""A single year of a figure that is not required is told when a view is off by more than this share."""
_MOST_NAMED = 10
_HEADLINE = ("cla_at_31_march", "cpp_at_31_march")


@dataclass(frozen=True)
class Line:
    """One figure in one year: what was published, and both models; None where there is none."""

    label: str
    unit: str
    published: float | None
    sd: float | None
    median: float
    low: float
    high: float


def line_of(figures: pl.DataFrame, figure: str, year: int, n_runs: int = RUNS_OF_AN_INTERVAL) -> Line | None:
    """Return one figure of one year from the long form, or None where the simulation has none.

    `low` and `high` hold 90% of the runs; of fewer than 20 runs they are the lowest and the highest.
    """
    rows = figures.filter((pl.col("figure") == figure) & (pl.col("year") == year))
    found = {(series, stat): value for series, stat, value in rows.select("series", "statistic", "value").iter_rows()}
    if ("abm", "median") not in found:
        return None
    label, unit = rows.select("label", "unit").row(0)
    low, high = bounds(n_runs)
    return Line(
        label, unit, found.get(("published", "value")), found.get(("sd", "value")), found["abm", "median"],
        found["abm", low], found["abm", high],
    )  # fmt: skip


def number(value: float | None, unit: str = "") -> str:
    """Return a figure as people read it: counts without decimals, percent with one, "" for none."""
    if value is None:
        return ""
    return f"{value:.1f}%" if unit == "percent" else f"{value:,.0f}"


def how_far_apart(n_runs: int) -> str:
    """Return what stands before the lower and the upper end of what the runs gave."""
    if n_runs >= RUNS_OF_AN_INTERVAL:
        return "90% of runs"
    return f"lowest and highest of {n_runs} runs" if n_runs > 1 else "the only run"


def headline(
    figures: pl.DataFrame,
    residuals: pl.DataFrame,
    years: tuple[int, ...],
    fitted_to: int,
    score: Score | None,
    sample: int = 1,
    *,
    n_runs: int = RUNS_OF_AN_INTERVAL,
    published_to: int = COMPARED[-1],
    required: Score | None = None,
    drawn: bool = False,
    missed: float | None = None,
) -> list[str]:
    """Return what the figures say, then what they do not.

    Parameters
    ----------
    drawn
        Whether each run has a draw of the parameters of its own.
    missed
        By how much at most the draws' years ahead miss what is forecast of the area (see `calibration.outlook`); None
        where they were not made to agree with it.
    score, required
        How the test came out over all figures, and over those alone that must be held; None if there was none.
    published_to
        The last year for which the table has what a fit needs.
    """
    lines = [*how_far_it_goes(fitted_to, published_to), how_it_fits(residuals)]
    for figure in _HEADLINE:
        now, ahead = (line_of(figures, figure, year, n_runs) for year in (fitted_to, years[-1]))
        if now is not None:
            published = "" if now.published is None else f"{number(now.published)} were published; "
            sd = "" if now.sd is None else f" (system dynamics: {number(now.sd)})"
            lines.append(f"{now.label} {fitted_to}: {published}{_simulated(now, n_runs)}{sd}.")
        if ahead is not None and years[-1] > fitted_to:
            sd = "" if ahead.sd is None else f"; system dynamics: {number(ahead.sd)}"
            span = "" if n_runs == 1 else f": {number(ahead.low)} to {number(ahead.high)}"
            lines.append(
                f"{AHEAD_DRAWN if drawn else AHEAD}, {_within(ahead.label)} {years[-1]}: {number(ahead.median)} "
                f"({how_far_apart(n_runs)}{span}{sd})."
            )
    lines += how_they_part(figures, years[-1], n_runs, drawn and years[-1] > fitted_to)
    if score is not None:
        lines.append(how_it_forecasts(score, required, n_runs, drawn))
    if sample > 1:
        lines.append(
            f"One child in {sample} is simulated and counts are scaled up, so the intervals are about "
            f"{sample**0.5:.0f} times as wide as chance among all children would make them."
        )
    lines += [CHANCE_AND_PARAMETERS, GOES_ON] if drawn else [CHANCE_ALONE, NO_POLICY]
    if years[-1] > fitted_to and sample == 1:  # England as one area has no backtest
        if missed is None:
            lines.append(NOT_THE_BACKTEST)
        else:
            lines.append(AS_THE_BACKTEST if missed <= FAR_MISSED else NOT_MET.format(missed=missed))
    return [*lines, SIMULATED]


def _simulated(line: Line, n_runs: int) -> str:
    """Return what the runs gave, in words."""
    if n_runs == 1:
        return f"the one simulated run has {number(line.median)}"
    middle = f"the middle one of the simulated runs has {number(line.median)}"
    if n_runs >= RUNS_OF_AN_INTERVAL:
        return f"{middle}, and 90% of runs lie between {number(line.low)} and {number(line.high)}"
    return f"{middle}, and the lowest and highest of {n_runs} runs are {number(line.low)} and {number(line.high)}"


def _within(label: str) -> str:
    """Return a label as it stands within a sentence."""
    return label[0].lower() + label[1:]


def how_far_it_goes(fitted_to: int, published_to: int) -> list[str]:
    """Return a sentence about a fit that ends before the years compared do, or none."""
    if fitted_to >= COMPARED[-1]:
        return []
    if published_to <= fitted_to:
        return [
            f"Fitted up to {fitted_to}: nothing after that year that a fit needs is published in the table, so what "
            "comes later cannot be held against anything."
        ]
    return [f"Fitted up to {fitted_to}, as was asked; the table has figures up to {published_to}."]


def how_they_part(
    figures: pl.DataFrame, year: int, n_runs: int = RUNS_OF_AN_INTERVAL, drawn: bool = False
) -> list[str]:
    """Return a sentence that says where the two views part in the last year, or none.

    `drawn` says that runs carry their factors ahead as draws do: system dynamics does not.
    """
    parted = []
    for figure in _HEADLINE:
        line = line_of(figures, figure, year, n_runs)
        if line is not None and line.sd is not None and abs(line.sd - line.median) > PARTED * line.median:
            parted.append(
                f"{_within(line.label)} {year} (system dynamics {number(line.sd)}, simulation {number(line.median)})"
            )
    if not parted:
        return []
    if drawn:
        return [
            f"The two views part by more than {100 * PARTED:.0f}% in {' and in '.join(parted)}. That says little of "
            "the views themselves: system dynamics keeps the factors of its last years, and each run has factors that "
            "move on as those of all areas have moved. With --point both keep them: only that shows how the views part."
        ]
    return [
        f"The two views part by more than {100 * PARTED:.0f}% in {' and in '.join(parted)}: they carry the same "
        "published years ahead differently; they know different things: see 'What each view knows and leaves out'."
    ]


def how_it_fits(residuals: pl.DataFrame) -> str:
    """Return how many of the figures that must be held are held, and what that shows."""
    means = residuals.filter((pl.col("year") == MEAN) & pl.col("required"))
    n, held = means.height, int(means["held"].sum())
    share = f"{100 * TOLERANCE:.0f}%"
    if n == 0:
        return "No figure that the models must hold was published for these years."
    which = "all" if held == n else str(held)
    of_years = residuals.filter((pl.col("year") != MEAN) & pl.col("required"))["year"]
    compared = sorted(set(of_years)) or COMPARED
    return (
        f"Of {n} figures that must be held, {which} have a mean over {compared[0]} to {compared[-1]} (years that are "
        f"published) within {share} of the published mean, in system dynamics and in the simulation alike; "
        f"{len(LEVERS)} yearly factors were fitted for each year, so this shows that the model can follow what was "
        "published, not that it foresees."
    )


def how_it_forecasts(
    score: Score, required: Score | None = None, n_runs: int = RUNS_OF_AN_INTERVAL, drawn: bool = False
) -> str:
    """Return how a fit that saw less did, beside the plainest forecast there is."""
    years = " and ".join(str(year) for year in FORECAST_YEARS)
    told = (
        f"A test: fitted to the years up to {HELD_BACK_FROM} alone, the simulation missed the {score.points} published "
        f"figures of {years} by {100 * score.abm:.1f}% on average (system dynamics by {100 * score.sd:.1f}%); taking "
        f"the figure of {HELD_BACK_FROM} again would have missed by {100 * score.carried_on:.1f}%, {_nearer(score)}."
    )
    if required is not None:
        told += (
            f" On the {required.points} of them alone that must be held, the simulation missed by "
            f"{100 * required.abm:.1f}% (system dynamics by {100 * required.sd:.1f}%) and the figure of "
            f"{HELD_BACK_FROM} by {100 * required.carried_on:.1f}%, {_nearer(required)}."
        )
    where = (
        "inside the interval that holds 90% of runs"
        if n_runs >= RUNS_OF_AN_INTERVAL
        else f"between the {how_far_apart(n_runs)}"
        if n_runs > 1
        else "where the only run was"
    )
    told += f" {score.inside} of the {score.points} lay {where}"
    share = score.inside / score.points
    if share >= 0.9:
        return f"{told}."
    fewer = "far fewer" if share < 0.75 else "fewer"
    if drawn:
        return (
            f"{told}, {fewer} than 90%: either the intervals are too narrow or these years were unlike those before. "
            "The points are few and move together, so they do not tell which."
        )
    return (
        f"{told}, {fewer} than 90%: more than chance moves them, and the intervals are too narrow because they hold "
        "chance alone."
    )


def _nearer(score: Score) -> str:
    """Return whether the simulation beats carrying the last figure on."""
    if score.abm < score.carried_on:
        return f"so the simulation was nearer than carrying {HELD_BACK_FROM} on"
    return f"so the simulation was not nearer than carrying {HELD_BACK_FROM} on"


def missed(residuals: pl.DataFrame, careers: pl.DataFrame) -> list[str]:
    """Return what the models could not hold: means first, then years, then what nobody requires, then careers."""
    lines = []
    means = residuals.filter(pl.col("year") == MEAN)
    single = residuals.filter(pl.col("year") != MEAN)
    counts = dict(single.group_by("figure").len().iter_rows())

    def over(row: Mapping[str, object]) -> str:
        n = counts.get(row["figure"], len(COMPARED))
        if n == len(COMPARED):
            return f"over the {n} years"
        return f"over the {n} years that are published" if n > 1 else "in the one year that is published"

    for row in means.filter(pl.col("required") & ~pl.col("held")).iter_rows(named=True):
        lines.append(f"{row['label']}: {over(row)}, {_both(row)}. This one must be held, and is not.")
    told = set(means.filter(pl.col("required"))["figure"])
    lines += [
        f"{figure.label}: must be held, but nothing was published to hold it against (small numbers are hidden)."
        for figure in shown_figures()
        if figure.key in REQUIRED and figure.key not in told
    ]
    for row in means.filter(pl.col("required") & pl.col("held")).iter_rows(named=True):
        years = single.filter((pl.col("figure") == row["figure"]) & ~pl.col("held"))
        if not years.is_empty():
            said = "; ".join(f"in {year['year']}, {_both(year)}" for year in years.iter_rows(named=True))
            lines.append(f"{row['label']}: held {over(row)}, but {said}.")
    # Of a figure that is nought throughout no share can be told.
    known = pl.any_horizontal(pl.col("sd_residual", "abm_residual").is_not_null())
    for row in means.filter(~pl.col("required") & ~pl.col("held") & known).iter_rows(named=True):
        lines.append(f"{row['label']}: {over(row)}, {_both(row)}. Shown, not required.")
    lines += _single_years(single)
    for row in careers.filter(pl.col("held") == "no").iter_rows(named=True):
        found = f"{row['simulated_percent']:.1f}% simulated, {row['research_percent']:.1f}% found in research"
        lines.append(f"{row['measure']}: {found}.")
    return lines


def _single_years(single: pl.DataFrame) -> list[str]:
    """Return a sentence that counts the years of figures which nobody requires, and names those furthest off."""
    furthest = pl.max_horizontal(pl.col("sd_residual", "abm_residual").abs())
    off = single.filter(~pl.col("required") & (furthest > YEARS_OFF)).sort(
        furthest, descending=True, maintain_order=True
    )
    if off.is_empty():
        return []
    named = [
        f"{row['label']} in {row['year']} ({_shortly(row)})" for row in off.head(_MOST_NAMED).iter_rows(named=True)
    ]
    more = off.height - len(named)
    years = (
        "1 single year of the other figures is"
        if off.height == 1
        else f"{off.height} single years of the other figures are"
    )
    rest = f"; and {more} more" if more else ""
    return [f"{years} off by more than {100 * YEARS_OFF:.0f}%: {'; '.join(named)}{rest}."]


def _shortly(row: Mapping[str, object]) -> str:
    shares = (("SD", row["sd_residual"]), ("simulation", row["abm_residual"]))
    return ", ".join(f"{name} {_off(share)}" for name, share in shares if isinstance(share, float))


def _off(share: float) -> str:
    """Return how far a model is from what was published: "12% above", or "equal"."""
    # Where a whole percent would hide on which side of a tolerance it lies, one more digit is told.
    near = any(0.0005 < abs(abs(share) - edge) < 0.005 for edge in (TOLERANCE, YEARS_OFF))
    told = f"{abs(share) * 100:.{1 if near else 0}f}%"
    return "equal" if told == "0%" else f"{told} {'above' if share > 0 else 'below'}"


def _both(row: Mapping[str, object]) -> str:
    said = []
    for name, key in (("system dynamics", "sd_residual"), ("the simulation", "abm_residual")):
        share = row[key]
        if isinstance(share, float):
            said.append(f"{name} is {_off(share)}{' to' if _off(share) == 'equal' else ''}")
    return " and ".join(said) + " the published figure"


def journey_assumptions(fitted: Fitted, ahead: str, *, together: bool = False) -> list[str]:
    """Return what the journeys page says is assumed, for a reader of one child's journey.

    ahead     what becomes of yearly factors after the last fitted year, as the manifest tells it
    together  whether families are on, of whose numbers the page tells elsewhere
    """
    shares = [f"{100 * share:.0f}%" for share in fitted.scenario.plan.risk_shares]
    return [
        f"Families differ by four classes of risk ({', '.join(shares[:-1])} and {shares[-1]} of families, from low to "
        "high), which stand for all that figures do not show. How much they differ is assumed.",
        "How strongly an earlier referral, plan or time in care raises the next chance is set so that published and "
        "researched shares of returns come out; its form is assumed.",
        "Brothers and sisters share their family's class of risk."
        + ("" if together else " What happens to one does not change the chances of the others."),
        "There are no published figures of early help or of the time before court for this area: those chances are "
        "assumed.",
        "By kind of home and age, moves between homes and ways out of care follow national patterns and judgement.",
        f"Years without published figures rest on how chances go on. {ahead}",
    ]
