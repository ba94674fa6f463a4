"""A private folder for compiled code: read by nobody else, written by nobody else, and never in the way of a run.

What numba keeps of a compiled function is a pickle around machine code, and to read it is to run it. So it is read only
from a folder that is ours alone; each file carries its digest, and what is cut short or damaged counts as not there.
Which code belongs together is a name (a digest, see `abm.compiled`): another name is another folder inside, and those
not used for long are removed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import stat
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypedDict, TypeVar

CHOSEN_BY = "JOURNEYS_CACHE"
MOST_FOLDERS, MOST_DAYS = 16, 90
_DAY = 86_400
_OURS = re.compile(r"[0-9a-f]{32}")
_POSIX = os.name == "posix"
_DIGEST = hashlib.sha256().digest_size


T = TypeVar("T")


class NotPrivateError(Exception):
    """Why a folder is not used."""


class At(TypedDict, total=False):
    """What tells a call of `os` in which opened folder a name is."""

    dir_fd: int


class Opened:
    """A folder that was found to be ours: opened, so that no other can be put in its place; on Windows its path."""

    def __init__(self, path: Path, number: int | None) -> None:
        self.path = path
        self.at: At = {} if number is None else {"dir_fd": number}

    def named(self, name: str) -> str | Path:
        """Return what to call something in this folder, beside `at`."""
        return name if self.at else self.path / name

    def open(self, file: str, flags: int) -> int:
        """Open a file of this folder, for ourselves alone."""
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        return os.open(self.named(file), flags, 0o600, **self.at)


def chosen_root(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path | None:
    """Return the folder to keep compiled code in; None if JOURNEYS_CACHE is empty or there is no home.

    JOURNEYS_CACHE, else `journeys-abm` in the user's folder for caches: XDG_CACHE_HOME or ~/.cache on Linux,
    ~/Library/Caches on macOS, LOCALAPPDATA on Windows.
    """
    if CHOSEN_BY in environment:
        chosen = environment[CHOSEN_BY]
        return Path(chosen).absolute() if chosen else None
    if platform == "win32":
        local = environment.get("LOCALAPPDATA", "")
        return Path(local, "journeys-abm", "Cache") if local else None
    given = environment.get("XDG_CACHE_HOME", "")
    if platform != "darwin" and given and Path(given).is_absolute():
        return Path(given, "journeys-abm")
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ("Library/Caches" if platform == "darwin" else ".cache") / "journeys-abm"


class CodeFolder:
    """The files of one name in the root folder. What fails is told once; then nothing is read and nothing kept."""

    def __init__(self, root: Path | None, name: str) -> None:
        self.root, self.name = root, name
        self._used = self._told = False

    def read(self, file: str) -> bytes | None:
        """Return what was written to a file, or None if it is not there or not as it was written."""

        def whole(folder: Opened) -> bytes | None:
            if not self._used:
                self._used = True
                # Which folders were used last is told by their times.
                os.utime(folder.named("."), **folder.at)
            try:
                with os.fdopen(folder.open(file, os.O_RDONLY), "rb") as data:
                    mark, content = data.read(_DIGEST), data.read()
            except FileNotFoundError:
                return None
            return content if hashlib.sha256(content).digest() == mark else None

        return self._inside(whole, make=False)

    def write(self, file: str, content: bytes) -> None:
        """Write a file, whole or not at all."""

        def replace(folder: Opened) -> None:
            new = f"{file}.{uuid.uuid4().hex}"
            both = {"src_dir_fd": folder.at["dir_fd"], "dst_dir_fd": folder.at["dir_fd"]} if folder.at else {}
            try:
                with os.fdopen(folder.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as data:
                    data.write(hashlib.sha256(content).digest() + content)
                os.replace(folder.named(new), folder.named(file), **both)
            except BaseException:
                with suppress(OSError):
                    os.unlink(folder.named(new), **folder.at)
                raise

        self._inside(replace, make=True)

    def _inside(self, action: Callable[[Opened], T], make: bool) -> T | None:
        """Do something in the folder, made if need be; None if it is not there or cannot be used."""
        if self.root is None:
            return None
        try:
            if make:
                self.root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with suppress(FileExistsError):
                    os.mkdir(self.root, 0o700)
            with ExitStack() as opened:
                root = opened.enter_context(private(self.root))
                if make and make_inside(root, self.name):
                    remove_old(root, self.name)
                return action(opened.enter_context(private(Path(self.name), root)))
        except FileNotFoundError:
            return None
        except (OSError, NotPrivateError) as error:
            if not self._told:
                self._told = True
                reason = error if isinstance(error, NotPrivateError) else error.strerror or type(error).__name__
                logging.getLogger(__name__).warning(
                    "Compiled code is not kept in %s (%s), so the model takes longer to start; the results are the "
                    "same. Name a folder of your own in %s to keep it there, or set that to nothing to go without.",
                    self.root, reason, CHOSEN_BY,
                )  # fmt: skip
            return None


@contextmanager
def private(path: Path, above: Opened | None = None) -> Iterator[Opened]:
    """Open a folder, or raise NotPrivateError if it is not ours alone (a link counts as another's)."""
    whole = above.path / path if above else path
    if not _POSIX:
        # A folder inside the user's own profile, which others cannot write to.
        if not whole.resolve(strict=True).is_relative_to(Path.home().resolve()):
            raise NotPrivateError("it is outside your own user folder")
        yield Opened(whole, None)
        return
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, **(above.at if above else At()))
    try:
        found = os.fstat(number)
        if found.st_uid != os.geteuid():
            raise NotPrivateError("it belongs to another user")
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise NotPrivateError("others can write to it")
        yield Opened(whole, number)
    finally:
        os.close(number)


def make_inside(root: Opened, name: str) -> bool:
    """Make a folder in the root folder; tell whether it is new."""
    try:
        os.mkdir(root.named(name), 0o700, **root.at)
    except FileExistsError:
        return False
    return True


def remove_old(root: Opened, keep: str) -> None:
    """Remove the folders not used for MOST_DAYS and those beyond the MOST_FOLDERS used last; other files stay.

    Another process may be using one: it reads files whole, and one that is gone is compiled again.
    """
    found = []
    for name in os.listdir(root.at.get("dir_fd", root.path)):
        if name != keep and _OURS.fullmatch(name):
            with suppress(OSError):
                seen = os.stat(root.named(name), follow_symlinks=False, **root.at)
                if stat.S_ISDIR(seen.st_mode):
                    found.append((seen.st_mtime, name))
    oldest = time.time() - MOST_DAYS * _DAY
    for place, (used, name) in enumerate(sorted(found, reverse=True), 2):
        if place > MOST_FOLDERS or used < oldest:
            shutil.rmtree(root.named(name), ignore_errors=True, **root.at)
