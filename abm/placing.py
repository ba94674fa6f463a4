"""Where children are on day one: keyed choices that give every child its chances and every total what is expected."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.compiled import compiled
from abm.draws import choice, words
from abm.errors import CareError
from abm.pathway import N_RISKS, WEEKS_PER_YEAR, Journey, purpose_of
from abm.scenario import DayOne

N_AGES_YEARS = 18


def place_on_day_one(
    day_one: DayOne, seed: int, journey: Journey, child: NDArray[np.int32], birth: NDArray[np.int64],
    risk: NDArray[np.uint8], uasc: NDArray[np.bool_], there: NDArray[np.bool_],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64]]:  # fmt: skip
    """Return state, history and since_week of N children; of those who are not there on day one, all 0.

    Errors
    ------
    CareError
        For chances of day one that are negative or do not add up to 1.
    """
    state, history = np.zeros(child.size, np.uint8), np.zeros(child.size, np.uint8)
    since = np.zeros(child.size, np.int64)
    who = np.flatnonzero(there)
    if who.size == 0:
        return state, history, since
    age = -1 - birth[who]
    stratum = np.where(
        uasc[who], N_AGES_YEARS * N_RISKS + age // WEEKS_PER_YEAR, age // WEEKS_PER_YEAR * N_RISKS + risk[who]
    )
    n_cells = day_one.state.size
    chance = np.concatenate([day_one.chance.reshape(-1, n_cells), day_one.unaccompanied.reshape(-1, n_cells)])
    for row in np.unique(stratum):
        if not abs(chance[row].sum() - 1.0) < 1e-6 or chance[row].min() < 0:
            raise CareError(
                f"Day-one chances of {_stratum_in_words(int(row))} add up to {chance[row].sum():g}",
                remedy="They must be 0 or more and add up to 1",
            )
    order = np.lexsort((child[who], words(seed, child[who], 0, purpose_of("population: day one")), stratum))
    # States from the rarest to the commonest, then their cells likewise: see choose_cells.
    expected = (np.bincount(stratum, minlength=chance.shape[0])[:, None] * chance).sum(axis=0)
    in_state = np.bincount(day_one.state, expected)
    cells = np.lexsort((np.arange(n_cells), expected, day_one.state, in_state[day_one.state]))
    cell = np.zeros(who.size, np.int64)
    choose(seed, "population: day one", order, stratum, chance[:, cells], day_one.state[cells], cell)
    cell = cells[cell]
    state[who], history[who] = day_one.state[cell], day_one.history[cell]
    span = day_one.clock_to[cell].astype(np.int64) - day_one.clock_from[cell] + 1
    clock = day_one.clock_from[cell] + choice(seed, child[who], "population: weeks on the clock", np.maximum(span, 1))
    clock = np.minimum(clock, age)
    # Nothing ever happened to these children: their clock runs from birth.
    home = journey.state_index.get("at_home", -1)
    clock = np.where((state[who] == home) & (history[who] == 0) & ~uasc[who], age, clock)
    since[who] = -1 - clock
    return state, history, since


def _stratum_in_words(row: int) -> str:
    first_alone = N_AGES_YEARS * N_RISKS
    if row >= first_alone:
        return f"unaccompanied children aged {row - first_alone}"
    return f"children aged {row // N_RISKS}"


def choose(
    seed: int, purpose: str, order: NDArray[np.int64], stratum: NDArray[np.int64], chance: NDArray[np.float64],
    block: NDArray[Any], cell: NDArray[np.int64],
) -> None:  # fmt: skip
    """Choose a cell for each child as `choose_cells` does, with offsets keyed by seed and purpose; `cell` is filled.

    order, stratum, chance, cell  as there
    block  [C]                    cells of a block (of a state) stand together and have the same number
    """
    first = np.flatnonzero(np.diff(block.astype(np.int64), prepend=-1, append=-1)).astype(np.int64)
    n_blocks, n_cells = first.size - 1, block.size
    # Offsets lie in [0, 1): halves of units keep them off the ends.
    offset = (words(seed, np.arange(n_blocks + n_cells), -1, purpose_of(purpose)) + 0.5) / 2.0**32
    choose_cells(
        order, stratum, np.ascontiguousarray(chance), first, offset[:n_blocks].copy(), offset[n_blocks:].copy(), cell
    )


@compiled(nogil=True)
def choose_cells(
    order: Any, stratum: Any, chance: Any, first: Any, state_carry: Any, cell_carry: Any, cell: Any
) -> Any:
    """Choose a cell for each child so that totals are as expected to within a child or two.

    order        int64[n]      children, stratum by stratum
    stratum      int64[n]      row of `chance` of each child
    chance       float64[R, C] chance of each cell; cells are sorted by block (a block is a state), rarest block first
    first        int64[K+1]    cells of block k are first[k] .. first[k+1]-1
    state_carry, cell_carry    float64[K], float64[C]: keyed offsets in [0, 1), changed
    cell         int64[n]      filled

    Method: systematic sampling. Chances add up from child to child; whenever a sum reaches 1 the child is chosen.
    First for the rarest block, then for the next among those left with their chance given that they are left, and
    so on; then likewise for the cells of the block. So over seeds every child has exactly its chances.
    """
    n_blocks, n_rows = first.size - 1, chance.shape[0]
    total = np.zeros((n_rows, n_blocks))
    for r in range(n_rows):
        for k in range(n_blocks):
            for c in range(first[k], first[k + 1]):
                total[r, k] += chance[r, c]
    for x in range(order.size):
        i = order[x]
        r = stratum[i]
        left, block, last = 1.0, -1, -1
        for k in range(n_blocks):
            here = total[r, k]
            if here > 0.0:
                last = k
                state_carry[k] += here / left if here < left else 1.0
                if state_carry[k] >= 1.0:
                    state_carry[k] -= 1.0
                    block = k
                    break
                left -= here
        if block < 0:
            block = last
        left, mine, last = total[r, block], -1, -1
        for c in range(first[block], first[block + 1]):
            here = chance[r, c]
            if here > 0.0:
                last = c
                cell_carry[c] += here / left if here < left else 1.0
                if cell_carry[c] >= 1.0:
                    cell_carry[c] -= 1.0
                    mine = c
                    break
                left -= here
        cell[i] = mine if mine >= 0 else last
    return 0
