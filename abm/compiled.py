"""How the inner loops are compiled: by numba where it can be loaded, else not at all, with the same results.

Compiled code is kept in a private folder (`abm.code_folder`), because compiling all of it takes many seconds. What it
is kept under is a digest of all that it depends on: the sources it is made of, the versions of the compiler and what
the compiler takes this machine to be. So code of an older source, or for another machine, is never read.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import logging
import pickle
import platform
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from abm.code_folder import CodeFolder, chosen_root

try:
    import numba

    HAS_NUMBA = True
except Exception:  # a locked-down laptop can block the compiled library with an OSError, not only an ImportError
    HAS_NUMBA = False
    logging.getLogger(__name__).warning(
        "The package numba cannot be loaded here, so the simulation runs in plain Python: "
        "the results are the same, but expect it to take about a hundred times as long."
    )

_HERE = Path(__file__).parent
_IMPORT = re.compile(r"^\s*(?:from\s+abm\.(\w+)|import\s+abm\.(\w+)|from\s+abm\s+import\s+(.+))", re.MULTILINE)


def sources_digest(folder: Path = _HERE) -> str:
    """Return a digest of the sources of every module of abm that holds compiled code, and of all they import of abm.

    numba copies what a function uses of other modules, functions and constants, into the compiled function. The digest
    is "" where there are no sources to read, as in an archive; then nothing is kept.
    """
    texts = {path.stem: path.read_bytes() for path in sorted(folder.glob("*.py"))}
    needed: set[str] = set()
    ahead = [name for name, text in texts.items() if b"compiled(" in text]
    while ahead:
        name = ahead.pop()
        if name in needed or name not in texts:
            continue
        needed.add(name)
        for found in _IMPORT.findall(texts[name].decode(errors="replace")):
            # Of `from abm import a, b` any word may be a module; of one that goes on in further lines all are taken.
            ahead += texts if "(" in found[2] else re.findall(r"\w+", " ".join(found))
    sha = hashlib.sha256()
    for name in sorted(needed):
        sha.update(f"{name} {len(texts[name])}\n".encode() + texts[name])
    return sha.hexdigest() if texts else ""


# Taken before any module with compiled code is imported, so that code is never kept under newer sources than its own.
_SOURCES = sources_digest() if HAS_NUMBA else ""


def compiler_facts() -> dict[str, str]:
    """Return what compiled code depends on beside its sources: versions, the machine, and the compiler's settings."""
    import llvmlite
    import numpy
    from numba.core.registry import cpu_target

    settings = numba.core.config
    not_code = ("NUM_THREADS", "CACHE_", "DEBUG_CACHE", "COLOR")
    facts = {
        name: repr(getattr(settings, name))
        for name in dir(settings)
        if name.isupper() and not any(word in name for word in not_code)
    }
    return facts | {
        "python": sys.version,
        "implementation": f"{sys.implementation.cache_tag} {platform.machine()} {sys.platform} {sys.maxsize}",
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "numpy": numpy.__version__,
        "cpu": repr(cpu_target.target_context.codegen().magic_tuple()),
    }


@functools.cache
def code_folder() -> CodeFolder:
    """Return the folder for code compiled from these sources, by this compiler, for this machine."""
    facts = repr(sorted(compiler_facts().items()))
    return CodeFolder(chosen_root(), hashlib.sha256(f"{_SOURCES}\n{facts}".encode()).hexdigest()[:32])


def is_there(symbol: str) -> bool:
    """Tell whether machine code can call something by its name: of this process, or of what numba has loaded."""
    import llvmlite.binding

    return llvmlite.binding.address_of_symbol(symbol) is not None


class KeptCode:
    """What numba asks for the code of one function, and gives it to; a failure is the same as nothing kept.

    Stands in the place of numba's own cache, which keeps code beside the sources, notices changes only in a function's
    own file, and ends a run when the disk is full.
    """

    cache_path = None

    def __init__(self, function: Any, options: str) -> None:
        source = inspect.getsourcefile(function)
        content = Path(source).read_bytes() if source else b""
        self._name = function.__name__
        self._key = repr((function.__module__, function.__qualname__, options, hashlib.sha256(content).hexdigest()))

    def _file(self, signature: Any) -> str:
        return f"{self._name}-{hashlib.sha256(f'{self._key} {signature!r}'.encode()).hexdigest()[:24]}"

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """Return the compiled function for argument types, or None."""
        try:
            content = code_folder().read(self._file(signature))
            if content is None:
                return None
            from numba.core.compiler import CompileResult
            from numba.core.runtime.nrt import rtsys

            called, parts = pickle.loads(content)
            rtsys.initialize(target_context)
            # To fill in all that numba can compile takes half of a start, and is for compiling. Code that calls only
            # what is there already runs without.
            if not all(map(is_there, called)):
                target_context.refresh()
            return CompileResult._rebuild(target_context, *parts)  # type: ignore[no-untyped-call]
        except Exception as error:
            _tell("read", type(error).__name__)
            return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep a compiled function."""
        try:
            if result.library.has_dynamic_globals or result.lifted or sources_digest() != _SOURCES:
                return
            from numba.core.serialize import dumps

            module = result.library._final_module
            outside = [each.name for group in (module.functions, module.global_variables) for each in group
                       if each.is_declaration and not each.name.startswith("llvm.")]  # fmt: skip
            content = dumps((outside, result._reduce()))  # type: ignore[no-untyped-call]
            code_folder().write(self._file(signature), content)
        except Exception as error:
            _tell("kept", type(error).__name__)

    def enable(self) -> None:
        """Do nothing: kept code is always used."""

    disable = flush = enable


@functools.cache
def _tell(what: str, reason: str) -> None:
    logging.getLogger(__name__).warning(
        "Compiled code could not be %s (%s), so the model takes longer to start; the results are the same.",
        what,
        reason,
    )


def compiled(inline: bool = False, nogil: bool = False) -> Callable[[Any], Any]:
    """Return a decorator that compiles a function with numba, or leaves it as it is where numba cannot be loaded.

    Compiled code is kept where a private folder can be had; it is correct without, only slower to start.
    """

    def decorate(function: Any) -> Any:
        if not HAS_NUMBA:
            return function
        if inline:
            return numba.njit(inline="always")(function)
        made = numba.njit(nogil=nogil)(function)
        if _SOURCES and hasattr(made, "_cache") and function.__closure__ is None:
            # A function typed at a prompt has no file: it is not kept.
            with suppress(OSError):
                made._cache = KeptCode(function, f"nogil={nogil}")
        return made

    return decorate
