"""How the `journeys` command ends: whatever a person can put right is told in one sentence on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from typer.core import TyperGroup

from abm.errors import CareError

WRONG, FAULT, STOPPED = 2, 1, 130
"""Exit codes: something a person can put right; a fault of ours; stopped by Ctrl-C."""
NOTHING_BEGUN = "Stopped. Nothing was left half written."


class Plain(TyperGroup):
    """Commands whose errors are sentences."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **settings: Any) -> NoReturn:
        """Run the command that the words name, and end: with a sentence and an exit code if something is wrong."""
        words = list(sys.argv[1:] if args is None else args)
        settings["standalone_mode"] = False
        try:
            code = super().main(words or ["--help"], *rest, **settings)
            sys.stdout.flush()
        except CareError as error:
            _end(str(error), getattr(error, "code", WRONG), error)
        except BrokenPipeError:
            # Whoever read our output has seen enough, as in `journeys areas | head`.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except MemoryError as error:
            _end(
                "There is not enough memory. Close other programs, or ask for fewer --workers or --processes.",
                WRONG,
                error,
            )
        except Exception as error:
            if _was_stopped(error):
                _end(NOTHING_BEGUN, STOPPED, error)
            if hasattr(error, "format_message"):
                _end(f"{error.format_message().rstrip('.')}. {_help_for(error)}", WRONG, error)
            told = " ".join(f"{type(error).__name__}: {error}".split())
            words_of_ours = f"This is a fault of ours, not yours ({told}). Please report it with what --debug shows"
            _end(f"{words_of_ours}: journeys --debug {' '.join(words)}", FAULT, error)
        if code == STOPPED:
            _end(NOTHING_BEGUN, STOPPED, None)
        sys.exit(code if isinstance(code, int) else 0)


def _was_stopped(error: BaseException | None) -> bool:
    """Tell whether an error is what a library made of Ctrl-C, as Python does while a class is being made."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _help_for(error: Any) -> str:
    """Return where help is for words that the command line does not understand."""
    path = error.ctx.command_path if getattr(error, "ctx", None) else "journeys"
    return f"See: {path} --help"


def _end(words: str, code: int, error: BaseException | None) -> NoReturn:
    """Print one sentence and end; with --debug, what a programmer wants to see goes before it."""
    if error is not None and "--debug" in sys.argv:
        import traceback

        traceback.print_exception(error)
    # A file that is no text may be quoted, and must not steer a terminal.
    line = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    print(line if line.endswith((".", "?")) else f"{line}.", file=sys.stderr)
    sys.exit(code)
