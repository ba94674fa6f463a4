"""A folder that one process works on: others are refused until it ends, however it ends."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from abm.errors import CareError

LOCK = "lock"


class Held:
    """Holds a folder through a file in it, which the system lets go when this process ends, even by kill -9.

    The file also tells which process it is, for people. Folders of a machine elsewhere may not know such locks; there
    two processes are not kept apart, but each still writes whole files only.

    Errors
    ------
    CareError
        When another process holds the folder.
    """

    def __init__(self, folder: Path, told_as: Path) -> None:
        self.path = folder / LOCK
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(self._file)
            if not self._is_in_its_place():
                raise BlockingIOError
        except BlockingIOError as fault:
            holder = os.pread(self._file, 20, 0).decode(errors="replace").strip() if hasattr(os, "pread") else ""
            os.close(self._file)
            who = f"Another process ({holder})" if holder.isdigit() else "Another process"
            raise CareError(
                f"{who} is working on this folder", str(told_as), "Wait until it has ended, or choose another with --to"
            ) from fault
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def _is_in_its_place(self) -> bool:
        # Whoever held it before may have removed it between our opening and locking it.
        try:
            return os.path.samestat(os.fstat(self._file), self.path.stat())
        except OSError:
            return False

    def let_go(self, *, remove: bool = False) -> None:
        """Let others have the folder; with `remove`, the file goes too."""
        if remove and os.name != "nt":
            self.path.unlink(missing_ok=True)
        os.close(self._file)
        if remove and os.name == "nt":
            with suppress(OSError):
                self.path.unlink(missing_ok=True)


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, 1000, os.SEEK_SET)  # beyond the number, which stays readable
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as fault:
            raise BlockingIOError from fault
        finally:
            os.lseek(file, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            return
