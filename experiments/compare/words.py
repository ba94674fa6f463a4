"""What the comparison says, in sentences for a director of children's services: also what it does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from calibration.fit import Fitted
from experiments.compare.forecast import FORECAST_YEARS, HELD_BACK_FROM, Score
from experiments.compare.frames import COMPARED, MEAN, REQUIRED, TOLERANCE, shown_figures

SIMULATED = "Every child here is simulated, not a real child; nothing here is for decisions about a real child."
CHANCE_ALONE = (
    "The intervals show chance alone, with one fitted set of chances. They do not hold how little some of those "
    "chances are known, so what happens will lie outside them more often than one time in ten."
)
NO_POLICY = (
    "The years ahead say what would follow if chances stayed as they were. They are not a forecast of policy: no new "
    "law, money, way of working, place to live or change among families is in them."
)
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


def line_of(figures: pl.DataFrame, figure: str, year: int) -> Line | None:
    """Return one figure of one year from the long form, or None where the simulation has none."""
    rows = figures.filter((pl.col("figure") == figure) & (pl.col("year") == year))
    found = {(series, stat): value for series, stat, value in rows.select("series", "statistic", "value").iter_rows()}
    if ("abm", "median") not in found:
        return None
    label, unit = rows.select("label", "unit").row(0)
    return Line(
        label, unit, found.get(("published", "value")), found.get(("sd", "value")), found["abm", "median"],
        found["abm", "p5"], found["abm", "p95"],
    )  # fmt: skip


def number(value: float | None, unit: str = "") -> str:
    """Return a figure as people read it: counts without decimals, percent with one, "" for none."""
    if value is None:
        return ""
    return f"{value:.1f}%" if unit == "percent" else f"{value:,.0f}"


def headline(
    figures: pl.DataFrame,
    residuals: pl.DataFrame,
    years: tuple[int, ...],
    fitted_to: int,
    score: Score | None,
    sample: int = 1,
) -> list[str]:
    """Return what the figures say, then what they do not."""
    lines = [how_it_fits(residuals)]
    for figure in _HEADLINE:
        now, ahead = line_of(figures, figure, fitted_to), line_of(figures, figure, years[-1])
        if now is not None:
            published = "" if now.published is None else f"{number(now.published)} were published; "
            sd = "" if now.sd is None else f" (system dynamics: {number(now.sd)})"
            lines.append(
                f"{now.label} {fitted_to}: {published}the middle one of the simulated runs has {number(now.median)}, "
                f"and 90% of runs lie between {number(now.low)} and {number(now.high)}{sd}."
            )
        if ahead is not None and years[-1] > fitted_to:
            sd = "" if ahead.sd is None else f"; system dynamics: {number(ahead.sd)}"
            lines.append(
                f"If chances stayed as they were, {ahead.label[0].lower()}{ahead.label[1:]} {years[-1]}: "
                f"{number(ahead.median)} (90% of runs: {number(ahead.low)} to {number(ahead.high)}{sd})."
            )
    if score is not None:
        lines.append(how_it_forecasts(score))
    if sample > 1:
        lines.append(
            f"One child in {sample} is simulated and counts are scaled up, so the intervals are about "
            f"{sample**0.5:.0f} times as wide as chance among all children would make them."
        )
    return [*lines, CHANCE_ALONE, NO_POLICY, SIMULATED]


def how_it_fits(residuals: pl.DataFrame) -> str:
    """Return how many of the figures that must be held are held."""
    means = residuals.filter((pl.col("year") == MEAN) & pl.col("required"))
    n, held = means.height, int(means["held"].sum())
    share = f"{100 * TOLERANCE:.0f}%"
    if n == 0:
        return "No figure that the models must hold was published for these years."
    which = "all" if held == n else str(held)
    return (
        f"Of {n} figures that must be held, {which} have a mean over {COMPARED[0]} to {COMPARED[-1]} (years that are "
        f"published) within {share} of the published mean, in system dynamics and in the simulation alike."
    )


def how_it_forecasts(score: Score) -> str:
    """Return how a fit that saw less did, beside the plainest forecast there is."""
    best = score.abm < score.carried_on
    years = " and ".join(str(year) for year in FORECAST_YEARS)
    verdict = "so the simulation was nearer" if best else "so the simulation was not nearer than that"
    enough = score.inside >= 0.9 * score.points
    return (
        f"A test: fitted to the years up to {HELD_BACK_FROM} alone, the simulation missed the {score.points} published "
        f"figures of {years} by {100 * score.abm:.1f}% on average (system dynamics by {100 * score.sd:.1f}%); taking "
        f"the figure of {HELD_BACK_FROM} again would have missed by {100 * score.carried_on:.1f}%, {verdict}. "
        f"{score.inside} of the {score.points} lay inside the interval that holds 90% of runs"
        f"{'.' if enough else ': more than chance moves them.'}"
    )


def missed(residuals: pl.DataFrame, careers: pl.DataFrame) -> list[str]:
    """Return what the models could not hold: means first, then years, then what nobody requires, then careers."""
    lines = []
    means = residuals.filter(pl.col("year") == MEAN)
    for row in means.filter(pl.col("required") & ~pl.col("held")).iter_rows(named=True):
        lines.append(f"{row['label']}: over all years, {_both(row)}. This one must be held, and is not.")
    told = set(means.filter(pl.col("required"))["figure"])
    lines += [
        f"{figure.label}: must be held, but nothing was published to hold it against (small numbers are hidden)."
        for figure in shown_figures()
        if figure.key in REQUIRED and figure.key not in told
    ]
    for row in means.filter(pl.col("required") & pl.col("held")).iter_rows(named=True):
        years = residuals.filter((pl.col("figure") == row["figure"]) & (pl.col("year") != MEAN) & ~pl.col("held"))
        if not years.is_empty():
            said = "; ".join(f"in {year['year']}, {_both(year)}" for year in years.iter_rows(named=True))
            lines.append(f"{row['label']}: held over all years, but {said}.")
    # Of a figure that is nought throughout no share can be told.
    known = pl.any_horizontal(pl.col("sd_residual", "abm_residual").is_not_null())
    for row in means.filter(~pl.col("required") & ~pl.col("held") & known).iter_rows(named=True):
        lines.append(f"{row['label']}: over all years, {_both(row)}. Shown, not required.")
    for row in careers.filter(pl.col("held") == "no").iter_rows(named=True):
        found = f"{row['simulated_percent']:.1f}% simulated, {row['research_percent']:.1f}% found in research"
        lines.append(f"{row['measure']}: {found}.")
    return lines


def _both(row: Mapping[str, object]) -> str:
    said = []
    for name, key in (("system dynamics", "sd_residual"), ("the simulation", "abm_residual")):
        share = row[key]
        if isinstance(share, float):
            said.append(f"{name} is {abs(share) * 100:.0f}% {'above' if share > 0 else 'below'}")
    return " and ".join(said) + " the published figure"


def journey_assumptions(fitted: Fitted) -> list[str]:
    """Return what the journeys page says is assumed, for a reader of one child's journey."""
    shares = [f"{100 * share:.0f}%" for share in fitted.scenario.plan.risk_shares]
    return [
        f"Families differ by four classes of risk ({', '.join(shares[:-1])} and {shares[-1]} of families, from low to "
        "high), which stand for all that figures do not show. How much they differ is assumed.",
        "How strongly an earlier referral, plan or time in care raises the next chance is set so that published and "
        "researched shares of returns come out; its form is assumed.",
        "Brothers and sisters share their family's class of risk. What happens to one does not yet change the chances "
        "of the others.",
        "There are no published figures of early help or of the time before court for this area: those chances are "
        "assumed.",
        "By kind of home and age, moves between homes and ways out of care follow national patterns and judgement.",
        "After the last fitted year, chances stay at the mean of the last two.",
    ]
