"""Exponentials and logarithms of + - x / only: the same bits on every machine, which a library does not promise.

Doubles are cut into a power of two and the rest, which is exact; the rest goes through a series in Horner's form.
"""

from __future__ import annotations

import math
from typing import Any

from abm.compiled import compiled

LOG2_E = 1.4426950408889634
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
"""High and low part of the logarithm of 2: whole multiples of the high part lose nothing."""
TERMS = 14
FARTHEST = 60.0
"""Beyond so many multiples exp(-x) is nothing beside 1."""
_LOG_TERMS = 13
_LARGEST = 700.0


@compiled()
def exp(x: float) -> float:
    """Return e to the power x, x at most 700 (above, as 700); the relative error is below 1e-15."""
    x = min(x, _LARGEST)
    if x < -_LARGEST:
        return 0.0
    k = math.floor(x * LOG2_E + 0.5)
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    series = 0.0
    for term in range(TERMS, 0, -1):
        series = (series + 1.0) * (r / term)
    return math.ldexp(series + 1.0, int(k))


@compiled()
def log(x: float) -> float:
    """Return the natural logarithm of x > 0; the error is below 1e-15 of the result or 1e-16."""
    if not 0.0 < x < math.inf:
        raise ValueError("the logarithm is taken of finite numbers above 0")
    part, k = math.frexp(x)
    if part < 0.7071067811865476:
        part, k = 2.0 * part, k - 1
    s = (part - 1.0) / (part + 1.0)
    square, series = s * s, 0.0
    for term in range(_LOG_TERMS, 0, -1):
        series = (series + 1.0 / (2 * term + 1)) * square
    return k * LN2_HIGH + (2.0 * s * (series + 1.0) + k * LN2_LOW)


@compiled()
def power(x: float, y: float) -> float:
    """Return x to the power y, x above 0 (0 for y above 0 gives 0); exactly 1 where x is 1 or y is 0."""
    if x == 0.0 and y > 0.0:
        return 0.0
    return exp(y * log(x)) if y else 1.0


@compiled(inline=True)
def kernel_fires(x: Any) -> Any:
    """Return 1 - exp(-x) for x >= 0 (inf gives 1), as `abm.parameters.expm1_exact` has it, to the bit."""
    if x > FARTHEST:
        return 1.0
    k = math.floor(-x * LOG2_E + 0.5)
    r = (-x - k * LN2_HIGH) - k * LN2_LOW
    series = 0.0
    for term in range(TERMS, 0, -1):
        series = (series + 1.0) * (r / term)
    scale = math.ldexp(1.0, int(k))
    return -(series * scale + (scale - 1.0))
