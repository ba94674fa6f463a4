"""Periods of care and homes, read off a line of episodes: what changed when one episode followed another.

An episode is the same placement, provider, legal status and need; a *period of care* is a chain of episodes, each
beginning on the day on which the one before ended (REC X1). Not every episode is a move: RNE L, T and U change legal
status or the placement with the same carer. A temporary placement (T0 to T4) interrupts a placement and returns to it:
the child's home is still the one interrupted. A code that another replaces (H5 becomes K3) is the same home.
"""

from __future__ import annotations

import polars as pl

from calibration.returns.ssda903_codes import CODES, GOES_ON, INTERRUPTS, NEW_CARER


def with_homes(episodes: pl.DataFrame) -> pl.DataFrame:
    """Return episodes with the period of care, the home and whether the child changed carer.

    Parameters
    ----------
    episodes
        As in `CareTables`.

    Returns
    -------
    pl.DataFrame
        In order of child, start, end; further columns:

        period u32: of the child, from 0.
        home str: a state of the journey; null where no episode of the period tells one. A temporary placement has the
        home it interrupts, or, at the beginning of a period, the one that follows.
        temporary bool: the episode is a temporary placement.
        moved bool: the child changed carer at the beginning of the episode; never at the beginning of a period, into a
        temporary placement, or from it back to the same placement.
    """
    rows = episodes.sort("child", "start", "end", "file", "row", nulls_last=[False, False, True, False, False])
    same_child = (pl.col("child") == pl.col("child").shift(1)).fill_null(False)
    on_from = (pl.col("start") == pl.col("end").shift(1)).fill_null(False)
    x1 = CODES.in_journey("REC", pl.col("rec").shift(1)) == GOES_ON
    # Without a reason, an episode that follows on the same day goes on unless it says that it starts.
    goes_on = same_child & on_from & pl.coalesce(x1, pl.col("rne").ne_missing("S"))
    means = CODES.in_journey("PLACE", pl.col("place"))
    rows = rows.with_columns((~goes_on).alias("first"), (means == INTERRUPTS).fill_null(False).alias("temporary"))
    rows = rows.with_columns(
        (pl.col("first").cast(pl.UInt32).cum_sum()).alias("chain"),
        pl.when(~pl.col("temporary")).then(means).alias("told"),
    )
    rows = rows.with_columns(
        pl.col("told").forward_fill().backward_fill().over("chain").alias("home"),
        (pl.col("chain") - pl.when(~same_child).then(pl.col("chain")).forward_fill()).alias("period"),
        # The placement before, temporary ones left out.
        *(
            pl.when(~pl.col("temporary"))
            .then(pl.col(name))
            .forward_fill()
            .shift(1)
            .over("chain")
            .alias(f"{name}_before")
            for name in ("place", "provider")
        ),
        pl.col("temporary").shift(1, fill_value=False).alias("after_temporary"),
    )
    other_home = means.ne_missing(CODES.in_journey("PLACE", pl.col("place_before"))) & means.is_not_null()
    other_place = other_home | pl.col("provider").ne_missing(pl.col("provider_before"))
    rne = CODES.in_journey("RNE", pl.col("rne"))
    new_carer = (
        pl.when(pl.col("after_temporary"))
        .then(other_place)
        .when(rne.is_null())
        .then(other_place)
        .otherwise(rne == NEW_CARER)
    )
    known_before = pl.col("place_before").is_not_null()
    moved = ~pl.col("first") & ~pl.col("temporary") & known_before & new_carer
    return rows.with_columns(moved.fill_null(False).alias("moved")).select(
        *episodes.columns, "period", "home", "temporary", "moved"
    )
