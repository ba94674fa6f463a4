"""Where children are on day one: keyed choices that give every child its chances and every total what is expected."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.compiled import compiled
from abm.errors import CareError
from abm.ordering import draws, order_by_draw
from abm.pathway import N_RISKS, WEEKS_PER_YEAR, Journey
from abm.scenario import DayOne

N_AGES_YEARS = 18
_HALF = np.uint64(32)
_ONE_WHOLE = 1 << 62
"""A chance of 1 as a whole number: sums of two stay within 64 bits."""
_BITS = 16
"""Bits for the number of a station beside the place in line (see choose_cells); cells and blocks together fit."""
_FAR = 1 << 40
"""More children than there are."""


def place_on_day_one(
    day_one: DayOne, seed: int, journey: Journey, birth: NDArray[np.int32], risk: NDArray[np.uint8],
    uasc: NDArray[np.bool_],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int32]]:  # fmt: skip
    """Return state, history and since_week of the children there on day one, who are children 0 to N - 1.

    Errors
    ------
    CareError
        For chances of day one that are negative or do not add up to 1.
    """
    n = birth.size
    state, history, since = np.zeros(n, np.uint8), np.zeros(n, np.uint8), np.zeros(n, np.int32)
    if n == 0:
        return state, history, since
    stratum = np.empty(n, np.int16)
    set_strata(birth, risk, uasc, stratum)
    n_cells = day_one.state.size
    chance = np.concatenate([day_one.chance.reshape(-1, n_cells), day_one.unaccompanied.reshape(-1, n_cells)])
    order, size = order_by_draw(stratum, draws(seed, n, "population: day one"), chance.shape[0])
    del stratum
    wrong = ~(np.abs(chance.sum(axis=1) - 1.0) < 1e-6) | (chance.min(axis=1) < 0)
    for row in np.flatnonzero(wrong & (size > 0))[:1]:
        raise CareError(
            f"Day-one chances of {_stratum_in_words(int(row))} add up to {chance[row].sum():g}",
            remedy="They must be 0 or more and add up to 1",
        )
    # States from the rarest to the commonest, then their cells likewise: see choose_cells.
    expected = (size[:, None] * chance).sum(axis=0)
    in_state = np.bincount(day_one.state, expected)
    cells = np.lexsort((np.arange(n_cells), expected, day_one.state, in_state[day_one.state]))
    states, histories = day_one.state[cells], day_one.history[cells]
    cell = choose(seed, "population: day one", order, size, chance[:, cells], states)
    del order
    span = np.maximum(day_one.clock_to.astype(np.int64) - day_one.clock_from + 1, 1)[cells].astype(np.uint64)
    clock_from, drawn = day_one.clock_from[cells].astype(np.int64), draws(seed, n, "population: weeks on the clock")
    # Nothing ever happened to these children: their clock runs from birth, for as long as they have lived.
    home = (states == journey.state_index.get("at_home", -1)) & (histories == 0)
    clocks = np.stack([np.where(home, _FAR, clock_from), clock_from])
    settle(cell, birth, uasc, drawn, states, histories, clocks, span, state, history, since)
    return state, history, since


def _stratum_in_words(row: int) -> str:
    first_alone = N_AGES_YEARS * N_RISKS
    if row >= first_alone:
        return f"unaccompanied children aged {row - first_alone}"
    return f"children aged {row // N_RISKS}"


@compiled(nogil=True)
def set_strata(birth: Any, risk: Any, uasc: Any, stratum: Any) -> Any:
    """Fill `stratum` (int16) with the row of day-one chances of each child: by age and risk, then alone by age."""
    for i in range(birth.size):
        age = (-1 - birth[i]) // WEEKS_PER_YEAR
        stratum[i] = N_AGES_YEARS * N_RISKS + age if uasc[i] else age * N_RISKS + risk[i]


@compiled(nogil=True)
def settle(
    cell: Any, birth: Any, uasc: Any, drawn: Any, states: Any, histories: Any, clocks: Any, span: Any, state: Any,
    history: Any, since: Any,
) -> Any:  # fmt: skip
    """Fill state, history and since of each child from its cell and a draw of the weeks on its clock.

    states, histories and span (uint64) are by cell; clocks (int64[2, C]) are the fewest weeks on the clock of children
    with a family and of those who came alone. A clock never runs for longer than the child has lived.
    """
    for i in range(cell.size):
        c, age = cell[i], -1 - birth[i]
        state[i], history[i] = states[c], histories[c]
        fewest = clocks[1, c] if uasc[i] else clocks[0, c]
        since[i] = -1 - min(fewest + np.int64((np.uint64(drawn[i]) * span[c]) >> _HALF), age)


def choose(
    seed: int, purpose: str, order: NDArray[np.int32], size: NDArray[np.int64], chance: NDArray[np.float64],
    block: NDArray[Any],
) -> NDArray[np.int16]:  # fmt: skip
    """Return a cell for each child, as `choose_cells` does, with offsets keyed by seed and purpose.

    order, size, chance  as there
    block  [C]           cells of a block (of a state) stand together and have the same number
    """
    first = np.flatnonzero(np.diff(block.astype(np.int64), prepend=-1, append=-1)).astype(np.int64)
    # Offsets lie in [0, 1): halves of units keep them off the ends.
    drawn = draws(seed, first.size - 1 + block.size, purpose, week=-1).astype(np.int64)
    carry, cell = (2 * drawn + 1) * (_ONE_WHOLE >> 33), np.empty(order.size, np.int16)
    choose_cells(order, size, np.ascontiguousarray(chance), first, carry, *np.zeros((7, drawn.size), np.int64), cell)
    return cell


@compiled(nogil=True)
def share(chance: Any, left: Any) -> Any:
    """Return the chance given what is left of all chances, in parts of _ONE_WHOLE."""
    if chance <= 0.0:
        return 0
    return int(chance / left * _ONE_WHOLE) if chance < left else _ONE_WHOLE


@compiled(nogil=True)
def choose_cells(
    order: Any, size: Any, chance: Any, first: Any, carry: Any, part: Any, final: Any, which: Any, wait: Any, most: Any,
    rest: Any, line: Any, cell: Any,
) -> Any:  # fmt: skip
    """Choose a cell for each child so that totals are as expected to within a child or two.

    order        int32[n]      children, stratum by stratum
    size         int64[R]      children of each stratum
    chance       float64[R, C] chance of each cell; cells are sorted by block (a block is a state), rarest block first
    first        int64[K+1]    cells of block k are first[k] .. first[k+1]-1
    carry        int64[K+C]    keyed offsets of blocks, then cells, in parts of _ONE_WHOLE; changed
    part, final, which, wait, most, rest, line  int64[K+C]  work space
    cell         int16[n]      filled

    Method: systematic sampling. Chances add up from child to child; whenever a sum reaches 1 the child is chosen.
    First for the rarest block, then for the next among those left with their chance given that they are left, and
    so on; then likewise for the cells of the block. So over seeds every child has exactly its chances.

    In a stratum the children pass the same stations in a line: the blocks but the commonest, then that one's cells.
    Sums are of whole numbers, so each station knows the place in line of the next child it will choose, if none before
    is chosen earlier on; only chosen children are looked at, and whoever is chosen moves all later stations on by one.
    """
    n_blocks, begin = first.size - 1, 0
    for r in range(size.size):
        end = begin + size[r]
        if end == begin:
            continue
        left, last = 1.0, 0
        for k in range(n_blocks):
            total = 0.0
            for c in range(first[k], first[k + 1]):
                total += chance[r, c]
            part[k] = share(total, left)
            left -= total
            if total > 0.0:
                last = k
            for c in range(first[k], first[k + 1]):
                part[n_blocks + c] = share(chance[r, c], total)
                total -= chance[r, c]
                if chance[r, c] > 0.0:
                    final[k] = c
        n = 0
        for k in range(last):
            if part[k] > 0:
                which[n] = k
                n += 1
        for c in range(first[last], final[last]):
            if part[n_blocks + c] > 0:
                which[n] = n_blocks + c
                n += 1
        for s in range(n):
            mine = part[which[s]]
            most[s] = min(_ONE_WHOLE // mine, _FAR)
            rest[s] = _ONE_WHOLE - most[s] * mine
            wait[s] = min((_ONE_WHOLE - carry[which[s]] + mine - 1) // mine, _FAR)
            line[s] = ((begin + wait[s] - 1) << _BITS) + s
        for x in range(begin, end):
            cell[order[x]] = final[last]
        stations = line[:n]
        while n > 0:
            # The next child to be chosen, and of the stations that would choose it the first.
            soonest = stations[0]
            for s in range(n):
                soonest = min(soonest, stations[s])
            x, s = soonest >> _BITS, soonest & ((1 << _BITS) - 1)
            if x >= end:
                break
            later = stations[s + 1 :]
            for t in range(later.size):
                later[t] += 1 << _BITS
            chosen = which[s]
            carry[chosen] += wait[s] * part[chosen] - _ONE_WHOLE
            wait[s] = most[s] + (carry[chosen] < rest[s])
            line[s] += wait[s] << _BITS
            if chosen < n_blocks:
                c, stop = first[chosen], final[chosen]
                while c < stop:
                    carry[n_blocks + c] += part[n_blocks + c]
                    if carry[n_blocks + c] >= _ONE_WHOLE:
                        carry[n_blocks + c] -= _ONE_WHOLE
                        break
                    c += 1
                cell[order[x]] = c
            else:
                cell[order[x]] = chosen - n_blocks
        for s in range(n):
            carry[which[s]] += (wait[s] - ((line[s] >> _BITS) - end + 1)) * part[which[s]]
        begin = end
    return 0
