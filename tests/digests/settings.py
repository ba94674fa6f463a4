"""Settings of the machine that must not matter: environments, compilers, Pythons. No import of ours or of numpy."""

from __future__ import annotations

import locale
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Setting:
    """Where runs are done: variables of the environment, the Python, and what is taken away.

    ways      names of the only ways to go here (all that go everywhere, if empty; all there are, if `all_ways`)
    groups    the only groups of subjects
    no_numba  whether numba is hidden
    """

    name: str
    variables: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable
    all_ways: bool = False
    groups: tuple[str, ...] = ("small", "tiny", "coupled", "living", "whole")
    no_numba: bool = False


@dataclass(frozen=True)
class Machine:
    """What this machine has that can be switched off."""

    numpy_dispatch: tuple[str, ...]
    numba_features: tuple[str, ...]
    cpu: str


def look_at_machine(python: str = sys.executable) -> Machine:
    """Ask numpy and llvmlite, in a process of its own."""
    ask = (
        "import numpy._core._multiarray_umath as m\n"
        "print(*[f for f in m.__cpu_dispatch__ if m.__cpu_features__.get(f)])\n"
        "try:\n"
        "    import llvmlite.binding as ll\n"
        "    print(*[f for f, on in ll.get_host_cpu_features().items() if on])\n"
        "    print(ll.get_host_cpu_name())\n"
        "except Exception:\n"
        "    print('\\n')\n"
    )
    told = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.split("\n")
    return Machine(tuple(told[0].split()), tuple(told[1].split()), told[2].strip())


def without(features: tuple[str, ...], *starts: str) -> str:
    """Return the machine's features for numba, those that begin so taken away."""
    return ",".join(f"-{name}" if name.startswith(starts) else f"+{name}" for name in features)


def numpy_settings(machine: Machine) -> list[Setting]:
    """Return settings in which numpy does without the widest instructions, then without more."""
    wide = [name for name in machine.numpy_dispatch if name.startswith(("AVX512", "X86_V4"))]
    fused = [name for name in machine.numpy_dispatch if name.startswith(("AVX2", "FMA3", "X86_V3"))]
    found = []
    if wide:
        found.append(Setting("numpy without AVX-512", {"NPY_DISABLE_CPU_FEATURES": " ".join(wide)}))
    if fused:
        found.append(Setting("numpy without AVX2 and FMA", {"NPY_DISABLE_CPU_FEATURES": " ".join(fused + wide)}))
    if machine.numpy_dispatch:
        every = " ".join(machine.numpy_dispatch)
        found.append(Setting("numpy with its baseline only", {"NPY_DISABLE_CPU_FEATURES": every}))
    return found


def numba_settings(machine: Machine) -> list[Setting]:
    """Return settings in which numba compiles for another machine, or with more or less care."""
    found = [Setting(f"numba, optimisation {level}", {"NUMBA_OPT": str(level)}) for level in (0, 1)]
    found += [
        Setting("numba, no vector loops", {"NUMBA_LOOP_VECTORIZE": "0"}),
        Setting("numba, bounds checked", {"NUMBA_BOUNDSCHECK": "1"}),
        Setting("numba without AVX", {"NUMBA_ENABLE_AVX": "0"}),
    ]
    if machine.cpu:
        found.append(Setting("numba for any CPU", {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}))
    names = machine.numba_features
    if any(name.startswith("avx512") for name in names):
        found.append(Setting("numba without AVX-512", {"NUMBA_CPU_FEATURES": without(names, "avx512")}))
    if "fma" in names:
        found.append(Setting("numba without AVX-512 and FMA", {"NUMBA_CPU_FEATURES": without(names, "avx512", "fma")}))
    return found


def installed(language: str) -> str:
    """Return a remark if the machine does not know a language: then only its name is set."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, language)
    except locale.Error:
        return " (name only)"
    finally:
        locale.setlocale(locale.LC_ALL, before)
    return ""


def environments() -> list[Setting]:
    """Return settings of hash order, language, place and threads of libraries."""
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS")
    found = [Setting(f"hash seed {seed}", {"PYTHONHASHSEED": seed}) for seed in ("0", "1", "random")]
    found += [
        Setting(f"language {name}{installed(name)}", {"LANG": name, "LC_ALL": name, "LANGUAGE": name})
        for name in ("de_DE.UTF-8", "tr_TR.UTF-8", "C")
    ]
    found += [Setting(f"time zone {zone}", {"TZ": zone}) for zone in ("Pacific/Kiritimati", "America/St_Johns")]
    found += [Setting(f"libraries on {n} thread{'s' * (n > 1)}", dict.fromkeys(threads, str(n))) for n in (1, 2)]
    found += [
        Setting("Python optimised", {"PYTHONOPTIMIZE": "2"}),
        Setting("Python's development mode", {"PYTHONDEVMODE": "1"}),
        Setting("memory from malloc, filled", {"PYTHONMALLOC": "malloc", "MALLOC_PERTURB_": "165"}),
        Setting("no code kept", {"JOURNEYS_CACHE": ""}),
    ]
    return found


def other_pythons(given: list[str]) -> list[Setting]:
    """Return settings for other Pythons that have what a run needs: those given, and .venv-3.NN in the checkout."""
    folders = sorted(ROOT.glob(".venv-3.*"))
    beside = [str(path) for folder in folders for path in (folder / "bin/python", folder / "Scripts/python.exe")]
    found = []
    for python in [*given, *(path for path in beside if Path(path).is_file())]:
        ask = "import sys, numpy, polars; print('{}.{}.{}'.format(*sys.version_info), numpy.__version__)"
        try:
            told = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
        except OSError as error:
            raise SystemExit(f"{python} cannot be started ({error.strerror}).") from error
        if told.returncode:
            raise SystemExit(f"{python} lacks what a run needs: {told.stderr.strip().splitlines()[-1]}")
        version, numpy = told.stdout.split()
        found.append(Setting(f"Python {version}, numpy {numpy}", python=python))
        off = " ".join(look_at_machine(python).numpy_dispatch)
        if off:
            found.append(
                Setting(f"Python {version}, numpy's baseline", {"NPY_DISABLE_CPU_FEATURES": off}, python=python)
            )
    return found


def settings(machine: Machine, pythons: list[str]) -> list[Setting]:
    """Return every setting; the first is the one that all are compared with."""
    everything_off = {
        "NPY_DISABLE_CPU_FEATURES": " ".join(machine.numpy_dispatch), "NUMBA_ENABLE_AVX": "0", "NUMBA_OPT": "1",
        "PYTHONHASHSEED": "77", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    return [
        Setting("as it is", all_ways=True),
        Setting("as it is, once more"),
        *environments(),
        *numpy_settings(machine),
        *numba_settings(machine),
        Setting("all of these at once", everything_off),
        Setting("without numba", groups=("tiny", "living"), no_numba=True),
        *other_pythons(pythons),
    ]


def quick_settings(machine: Machine) -> list[Setting]:
    """Return few settings, of every kind one."""
    few = {"PYTHONHASHSEED": "1", "LC_ALL": "de_DE.UTF-8", "TZ": "Pacific/Kiritimati"}
    off = {"NPY_DISABLE_CPU_FEATURES": " ".join(machine.numpy_dispatch)} if machine.numpy_dispatch else {}
    return [
        Setting("as it is"),
        Setting("another hash seed, language, place", few | off),
        Setting("without numba", groups=("tiny", "living"), no_numba=True),
    ]


def environment(setting: Setting, root: Path, code: Path | None) -> dict[str, str]:
    """Return the environment of a setting's process: the sources, and where to keep compiled code (None: as usual)."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "NPY_"))}
    path = os.pathsep.join(filter(None, [str(root), plain.get("PYTHONPATH", "")]))
    kept = {"JOURNEYS_CACHE": str(code)} if code else {}
    return plain | kept | {"PYTHONPATH": path, "PYTHONWARNINGS": "ignore"} | setting.variables
