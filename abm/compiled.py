"""How the inner loops are compiled: by numba where it can be loaded, else not at all, with the same results."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

try:
    import numba

    HAS_NUMBA = True
except Exception:  # a locked-down laptop can block the compiled library with an OSError, not only an ImportError
    HAS_NUMBA = False
    logging.getLogger(__name__).warning(
        "The package numba cannot be loaded here, so the simulation runs in plain Python: "
        "the results are the same, but expect it to take about a hundred times as long."
    )


def compiled(inline: bool = False, nogil: bool = False) -> Callable[[Any], Any]:
    """Return a decorator that compiles a function with numba, or leaves it as it is where numba cannot be loaded.

    Compiled code is cached where a folder can be written; it is correct without a cache, only slower to start.
    """

    def decorate(function: Any) -> Any:
        if not HAS_NUMBA:
            return function
        if inline:
            return numba.njit(inline="always")(function)
        try:
            return numba.njit(nogil=nogil, cache=True)(function)
        except RuntimeError:
            return numba.njit(nogil=nogil)(function)

    return decorate
