"""Episodes of SSDA903 over several years, as one line of episodes for each child.

Every year's return repeats what is still open, so the same episode is told by several files: (child, DECOM) is its key
and the latest year's row holds. What is left is mended by what follows it, in this order:

1. rows that cannot be used: no child, no DECOM, begun after the year of the file, or by somebody long grown up;
2. exact repeats; rows that a later year tells again; an open row whose DECOM a later year corrects;
3. short breaks (V3, V4), which are kept apart from the children looked after;
4. two episodes that begin on one day: the one that lasts holds (one that ends that same day stays, before it);
5. ends: an episode without DEC ends where the next begins (REC X1), or the day before a new period of care (S); if
   nothing follows within a year, on 31 March of its own year, with REC E99: lost from sight (where years are missing,
   on the last 31 March without a return). If the year is the last that was read, it is open. An episode that runs over
   the next ends where the next begins. X1 where the next episode begins later is a gap, which is closed unless the next
   begins a new period of care.

Rules of this kind are what a London data platform publishes for its repairs ("fix episodes"), and the Department's own
rules of validation; where the two are silent we say what was done. All of it is told row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import polars as pl

from calibration.returns.findings import Findings, Rule
from calibration.returns.reading_dates import many_before, read_dates
from calibration.returns.ssda903_cells import begins, ends, spelled, with_child, without_words_for_blanks
from calibration.returns.ssda903_codes import CODES, GOES_ON, SHORT_BREAK
from calibration.returns.ssda903_files import READ, Part, last_day, refuse_another_year

LOST = "E99"
"""REC of an episode whose end nobody saw."""

NO_START = Rule("903-no-decom", "The episode has no date on which it begins.", "The row was not used.", "", "left out")
AFTER_YEAR = Rule(
    "903-begins-after-year", "The episode begins after the year of its file.", "The row was not used.", "", "left out"
)
GROWN_UP = Rule(
    "903-begins-at-18",
    "The episode begins more than a month after the 18th birthday.",
    "The row was not used: one of its dates is wrong, or it is not about a child.",
    "",
    "left out",
)
ENDS_AFTER_YEAR = Rule(
    "903-ends-after-year",
    "The episode ends after the year of its file.",
    "It was read as still open on 31 March.",
    "",
    "mended",
)
ENDS_BEFORE = Rule(
    "903-dec-before-decom", "The episode ends before it begins.", "The end was read as blank.", "", "mended"
)
MANY_BEFORE = Rule(
    "903-many-end-before",
    "Many episodes of the file end before they begin.",
    "Each was read as said of it: look whether months stand before days in one of the two columns.",
)
DUPLICATE = Rule("903-duplicate", "The row stands twice, in all its cells.", "One was used.", "", "repeated")
SUPERSEDED = Rule(
    "903-told-again",
    "A later return tells the same episode again.",
    "The row of the later return was used.",
    "An episode open on 31 March is in every return until it ends",
    "repeated",
)
SUPERSEDED_OTHERWISE = Rule(
    "903-told-otherwise",
    "A later return tells the same episode otherwise: other codes, or another end.",
    "The row of the later return was used.",
    "",
    "left out",
)
START_CORRECTED = Rule(
    "903-decom-corrected",
    "A later return has the same open episode with a DECOM up to a month away.",
    "The row of the later return was used.",
    "",
    "left out",
)
SHORT = Rule(
    "903-short-break",
    "A short break (legal status V3 or V4).",
    "It was counted and kept apart: the child is not looked after in the sense of the published figures.",
    "Short breaks are not in the published counts of children looked after",
    "left out",
)
SAME_DAY = Rule(
    "903-same-day",
    "Another episode of the child begins on the same day.",
    "The one that lasts longer was used.",
    "",
    "left out",
)
HALF = "DfE rule 148: DEC and REC are both blank or both filled"
OPEN_BEFORE_NEXT = Rule(
    "903-open-before-next",
    "The episode has no end, and another of the child follows.",
    "It was ended where the next begins, with REC X1.",
    HALF,
    "mended",
)
OPEN_BEFORE_NEW = Rule(
    "903-open-before-new-period",
    "The episode has no end, and a new period of care follows.",
    "It was ended on 31 March of its year (of the year before the next return, where years are missing) or the day "
    "before the next, whichever is earlier; why is not known.",
    HALF,
    "mended",
)
NEVER_AGAIN = Rule(
    "903-lost-from-sight",
    "The episode was open on 31 March, and no later return has it, or another of the child within a year.",
    "It was ended on that day (where years are missing, on 31 March of the last of them) as lost from sight (REC E99), "
    "or for the reason its REC gives.",
    "",
    "mended",
)
REC_WITHOUT_DEC = Rule(
    "903-rec-without-dec",
    "REC is filled and DEC is blank in the last return.",
    "It was read as still open.",
    HALF,
    "mended",
)
DEC_WITHOUT_REC = Rule(
    "903-dec-without-rec",
    "DEC is filled and REC is blank.",
    "REC was read as X1 where the next episode begins that day, else as not known.",
    HALF,
    "mended",
)
OVERLAP = Rule(
    "903-overlap",
    "The episode ends after the next one begins.",
    "It was ended where the next begins.",
    "DfE rule 501",
    "mended",
)
GAP = Rule(
    "903-x1-gap",
    "REC is X1 and the next episode begins later.",
    "It was ended where the next begins.",
    "X1: a new episode begins on the same day",
    "mended",
)
X1_BEFORE_NEW = Rule(
    "903-x1-before-new-period",
    "REC is X1 and the next episode begins later, as a new period of care.",
    "Why the child left care was read as not known.",
    "X1: a new episode begins on the same day",
    "mended",
)
X1_ALONE = Rule(
    "903-x1-without-next",
    "REC is X1 and no episode follows within a year.",
    "The child was read as lost from sight on that day (REC E99).",
    "X1: a new episode begins on the same day",
    "mended",
)
_FAR = 366
_CODES = ("RNE", "LS", "CIN", "PLACE", "PLACE_PROVIDER", "REC", "REASON_PLACE_CHANGE")


def read_episodes(parts: Sequence[Part], findings: Findings) -> pl.DataFrame:
    """Return the rows of all Episodes tables that can be used: cells read, nothing joined yet.

    Columns as in the return, with DECOM and DEC as dates, and file, row, year.
    """
    frames = [part.frame.select(*READ["Episodes"], "file", "row", "year") for part in parts if part.table == "Episodes"]
    frame = with_child(pl.concat(frames), findings)
    frame = without_words_for_blanks(frame, ("DECOM", "DEC", *_CODES), findings)
    frame = read_dates(frame, ("DECOM", "DEC"), findings, needed=("DECOM", "DEC"))
    refuse_another_year(frame, findings)
    for column in _CODES:
        frame = spelled(frame, column, findings)
    frame = _without(frame, pl.col("DECOM").is_null(), NO_START, findings)
    end = last_day(pl.col("year"))
    frame = _without(frame, pl.col("DECOM") > end, AFTER_YEAR, findings)
    before, later = pl.col("DEC") < pl.col("DECOM"), pl.col("DEC") > end
    findings.add_rows(ENDS_BEFORE, frame.filter(before), "DEC")
    for file in many_before(frame, "DECOM", "DEC"):
        findings.add(MANY_BEFORE, file, None, "DEC")
    findings.add_rows(ENDS_AFTER_YEAR, frame.filter(later), "DEC")
    open_ = later.fill_null(False)
    return frame.with_columns(
        pl.when(~(before | later)).then(pl.col("DEC")).alias("DEC"),
        # What ended it lies after the year.
        pl.when(~open_).then(pl.col("REC")).alias("REC"),
    )


def one_line(frame: pl.DataFrame, births: pl.DataFrame, years: Sequence[int], findings: Findings) -> pl.DataFrame:
    """Return each episode once, ends mended, in order of child and time.

    Parameters
    ----------
    frame
        As of `read_episodes`.
    births
        child, birth: those of which it is known.
    years
        Those of which a return was read, in order: what is open in the last is open; what is open in another ended, or
        began anew, by the end of the last year before the next of them.
    """
    last_year = years[-1]
    frame = _of_children(frame, births, findings)
    frame = _once(frame, last_year, findings)
    frame = _without(frame, CODES.in_journey("LS", pl.col("LS")) == SHORT_BREAK, SHORT, findings)
    frame = _one_a_day(frame, findings)
    return _ended(frame, years, findings)


def _without(frame: pl.DataFrame, wrong: pl.Expr, rule: Rule, findings: Findings) -> pl.DataFrame:
    wrong = wrong.fill_null(False)
    findings.add_rows(rule, frame.filter(wrong))
    return frame.filter(~wrong)


def _of_children(frame: pl.DataFrame, births: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Leave out what begins when somebody is grown up; births cut to the month are up to a month early."""
    known = births.select(pl.col("child").alias("CHILD"), pl.col("birth").dt.offset_by("18y1mo").alias("grown"))
    frame = frame.join(known, on="CHILD", how="left", maintain_order="left")
    return _without(frame, pl.col("DECOM") > pl.col("grown"), GROWN_UP, findings).drop("grown")


def _once(frame: pl.DataFrame, last_year: int, findings: Findings) -> pl.DataFrame:
    """Keep of each (child, DECOM) the rows of its latest year, each once."""
    key = ["CHILD", "DECOM"]
    frame = frame.sort(*key, "year", "file", "row")
    frame = frame.with_columns(begins(*key).cum_sum().alias("key"))
    frame = _without_repeats(frame, findings)
    frame = frame.with_columns(pl.col("year").last().over("key").alias("latest"))
    earlier, kept = frame.filter(pl.col("year") < pl.col("latest")), frame.filter(pl.col("year") == pl.col("latest"))
    if earlier.height:
        home = CODES.in_journey("PLACE", pl.col("PLACE")).fill_null("").alias("home")
        told = kept.filter(ends("key")).with_columns(home)
        both = earlier.with_columns(home).join(told, on="key", how="left", suffix="_later", maintain_order="left")
        # One code may take the place of another between two years (H5, K3): what it means is the same.
        same = pl.all_horizontal(pl.col(c).eq_missing(pl.col(f"{c}_later")) for c in ("RNE", "LS", "CIN", "home"))
        closed = pl.col("DEC").is_not_null() & pl.col("DEC").ne_missing(pl.col("DEC_later"))
        findings.add_rows(SUPERSEDED, both.filter(same & ~closed))
        findings.add_rows(SUPERSEDED_OTHERWISE, both.filter(~same | closed))
    return _corrected(kept.drop("latest", "key"), frame, last_year, findings)


def _without_repeats(frame: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Leave out rows that stand twice in one year; equal rows are near each other, though not always next."""
    year = ("key", "year")
    several = frame.filter(~(begins(*year) & ends(*year)))
    if not several.height:
        return frame
    again = several.filter(~pl.struct("key", "year", "DEC", *_CODES).is_first_distinct())
    findings.add_rows(DUPLICATE, again)
    return frame.join(again.select("file", "row"), on=["file", "row"], how="anti", maintain_order="left")


def _corrected(kept: pl.DataFrame, told: pl.DataFrame, last_year: int, findings: Findings) -> pl.DataFrame:
    """Leave out open rows that a later year has, not beside but instead, with a DECOM up to a month away."""
    alike = ["CHILD", "RNE", "LS", "CIN", "PLACE"]
    open_ = kept.filter(pl.col("DEC").is_null() & (pl.col("year") < last_year))
    if not open_.height:
        return kept
    first_told = told.group_by("CHILD", "DECOM").agg(pl.col("year").min().alias("since"))
    later = kept.join(first_told, on=["CHILD", "DECOM"], how="left", maintain_order="left")
    pairs = open_.select(*alike, "DECOM", "year", "file", "row").join(
        later.select(*alike, "DECOM", "since"), on=alike, how="inner", suffix="_later", nulls_equal=True
    )
    away = (pl.col("DECOM") - pl.col("DECOM_later")).dt.total_days().abs()
    pairs = pairs.filter((pl.col("since") > pl.col("year")) & away.is_between(1, 31))
    gone = pairs.select("file", "row").unique(maintain_order=True)
    findings.add_rows(START_CORRECTED, gone)
    return kept.join(gone, on=["file", "row"], how="anti", maintain_order="left")


def _one_a_day(frame: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Keep of those that begin on one day the one that lasts, and one that ends that same day before it."""
    frame = frame.sort("CHILD", "DECOM", "DEC", "file", "row", nulls_last=[False, False, True, False, False])
    last = ends("CHILD", "DECOM")
    at_once = (pl.col("DEC") == pl.col("DECOM")).fill_null(False)
    # Of several that end the day they begin, one is kept.
    first = begins("CHILD", "DECOM")
    return _without(frame, ~(last | (at_once & first)), SAME_DAY, findings)


def _ended(frame: pl.DataFrame, years: Sequence[int], findings: Findings) -> pl.DataFrame:
    """Mend ends by what follows; frame sorted by child, DECOM, DEC."""
    last_year = years[-1]
    same_child = (pl.col("CHILD") == pl.col("CHILD").shift(-1)).fill_null(False)
    # The last day that is not in the return of the next year: 31 March, unless years are missing between.
    unseen_to = {year: after - 1 for year, after in pairwise(years)} | {last_year: last_year}
    year_end = last_day(pl.col("year").replace_strict(unseen_to, return_dtype=pl.Int32))
    begins_next = pl.col("DECOM").shift(-1)
    new = same_child & (pl.col("RNE").shift(-1) == "S").fill_null(False)
    # What begins more than a year later and is no new period was not what followed: something is missing between.
    # In years without a return an episode may begin at any time, if it was open when the next return began.
    follows = new | (begins_next <= pl.coalesce("DEC", last_day(pl.col("year"))) + pl.duration(days=_FAR))
    follows = follows | (pl.col("DEC").is_null() & (begins_next <= year_end))
    frame = frame.with_columns(
        pl.when(same_child & follows).then(begins_next).alias("next"),
        new.alias("new"),
        year_end.alias("year_end"),
        (CODES.in_journey("REC", pl.col("REC")) == GOES_ON).fill_null(False).alias("x1"),
    )
    open_, next_, new = pl.col("DEC").is_null(), pl.col("next"), pl.col("new")
    has_next, x1, rec = next_.is_not_null(), pl.col("x1"), pl.col("REC")
    lasting = open_ & ~has_next & (pl.col("year") == last_year)
    over = (pl.col("DEC") > next_).fill_null(False)
    gap = x1 & (pl.col("DEC") < next_).fill_null(False)
    # A reason for leaving that the row itself gives is kept.
    gives_why = rec.is_not_null() & ~x1
    why = pl.when(gives_why).then(rec).otherwise(pl.lit(LOST))
    # Then it had ended by 31 March of its own year.
    year_end = pl.when(gives_why).then(last_day(pl.col("year"))).otherwise("year_end")
    day_before = pl.max_horizontal("DECOM", pl.min_horizontal(year_end, next_ - pl.duration(days=1)))
    cases: list[tuple[Rule, pl.Expr, pl.Expr, pl.Expr]] = [
        (OPEN_BEFORE_NEXT, open_ & has_next & ~new, next_, pl.lit("X1")),
        (OPEN_BEFORE_NEW, open_ & has_next & new, day_before, why),
        (NEVER_AGAIN, open_ & ~has_next & (pl.col("year") < last_year), year_end, why),
        (REC_WITHOUT_DEC, lasting & rec.is_not_null(), pl.col("DEC"), pl.lit(None, pl.String)),
        (OVERLAP, ~open_ & over, next_, pl.when(new & ~x1).then(rec).otherwise(pl.lit("X1"))),
        (GAP, ~open_ & gap & ~new, next_, pl.lit("X1")),
        (X1_BEFORE_NEW, ~open_ & gap & new, pl.col("DEC"), pl.lit(None, pl.String)),
        (X1_ALONE, ~open_ & x1 & ~has_next, pl.col("DEC"), pl.lit(LOST)),
        (
            DEC_WITHOUT_REC,
            ~open_ & rec.is_null() & ~over,
            pl.col("DEC"),
            pl.when((pl.col("DEC") == next_) & ~new).then(pl.lit("X1")),
        ),
    ]
    case = pl.lit(None, pl.UInt8)
    for i, (_, applies, _, _) in reversed(list(enumerate(cases))):
        case = pl.when(applies).then(pl.lit(i, pl.UInt8)).otherwise(case)
    frame = frame.with_columns(case.alias("case"))
    end, reason = pl.col("DEC"), rec
    for i, (rule, _, to, reads) in enumerate(cases):
        column = "REC" if rule in (X1_BEFORE_NEW, X1_ALONE, DEC_WITHOUT_REC, REC_WITHOUT_DEC) else "DEC"
        findings.add_rows(rule, frame.filter(pl.col("case") == i), column)
        here = (pl.col("case") == i).fill_null(False)
        end, reason = pl.when(here).then(to).otherwise(end), pl.when(here).then(reads).otherwise(reason)
    return frame.with_columns(end.alias("DEC"), reason.alias("REC")).drop("next", "new", "year_end", "x1", "case")
