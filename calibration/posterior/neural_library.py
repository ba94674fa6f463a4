"""The library that learns (BayesFlow on Keras and JAX), brought in quietly and only where it is asked for.

It is heavy (some 390 MB, seconds to import), so nothing imports it but `library`. What importing it would do to the
process besides is undone: Keras writes a file into the user's home and takes its backend from the environment;
BayesFlow sets up logging of everything.
"""

from __future__ import annotations

import logging
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any

from abm.draws import common_generator
from abm.errors import CareError

BACKEND = "jax"
NEEDED = ("bayesflow", "keras", BACKEND)


def check_library() -> None:
    """Refuse neural posterior estimation where it cannot be done, before anything is imported.

    Errors
    ------
    CareError
        When BayesFlow, Keras or JAX is not installed, or when Keras was loaded with another backend before.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise CareError(
            f"Neural posterior estimation needs libraries that are not installed: {', '.join(missing)}",
            remedy='Install them with: pip install "journeys-abm[npe]"',
        )
    keras = sys.modules.get("keras")
    if keras is not None and (backend := keras.config.backend()) != BACKEND:
        raise CareError(
            f"Keras was already loaded with the backend '{backend}' in this process, and neural posterior estimation "
            f"needs '{BACKEND}'",
            remedy="Run it in a process of its own, or set KERAS_BACKEND=jax before Keras is imported",
        )


def library() -> Any:
    """Return BayesFlow, with Keras on JAX, on the processor.

    Errors
    ------
    CareError
        See `check_library`.
    """
    check_library()
    if "bayesflow" not in sys.modules:
        wanted = {"KERAS_BACKEND": BACKEND, "JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu")}
        with TemporaryDirectory() as home, _generators(0), _quiet(), _environment(KERAS_HOME=home, **wanted):
            import_module("bayesflow")
        logging.getLogger("bayesflow").setLevel(logging.WARNING)
    return sys.modules["bayesflow"]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed all that the library draws from while it lasts; the common generators of Python and numpy are given back."""
    with _generators(seed):
        sys.modules["keras"].utils.set_random_seed(seed)
        yield


@contextmanager
def _generators(seed: int) -> Iterator[None]:
    before = random.getstate()
    try:
        with common_generator(seed):
            yield
    finally:
        random.setstate(before)


@contextmanager
def _environment(**wanted: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let nothing be logged that is no warning, and give the root logger back as it was."""
    root, least = logging.getLogger(), logging.root.manager.disable
    handlers, level = list(root.handlers), root.level
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(least)
        root.handlers[:] = handlers
        root.setLevel(level)
