"""A party's directory: its owner's alone, and one process's at a time.

What is made here is private from the first moment, whatever the umask. What is there already and
open to others is refused, with the command that mends it: nobody knows here who should still read
it, and a mode is never changed behind an operator's back. An empty directory has nothing to tell,
so it is made private.

A lock (``flock``) holds as long as the process that took it, and goes with it, however it ends. The
file of the lock stays. It says whose the lock is.
"""

import fcntl
import logging
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from gateway.wire.errors import SealmatchError

LOCK_FILE: Final = "process.lock"
_OTHERS: Final = 0o077
_OWN_FILE: Final = 0o600
_LONGEST_NOTE: Final = 100
_RETRY_SECONDS: Final = 0.1

log = logging.getLogger("sealmatch.host")


class UnusableDirectory(SealmatchError):
    """A directory of secrets is not there, or other accounts may enter it."""


class InUse(SealmatchError):
    """Another process works in a directory; the text names it and says how to stop it."""


def existing_directory(path: Path) -> Path:
    """Make a private directory, or take the one that is there.

    Raises:
        UnusableDirectory: it has content, and group or others may enter it.
        OSError: it cannot be made, or is no directory.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if _is_open(path) and not _is_shared(path) and not any(path.iterdir()):
        path.chmod(0o700)
    require_private(path)
    return path


def require_private(path: Path) -> None:
    """Raise ``UnusableDirectory`` if group or others may list, enter or change a directory."""
    try:
        is_open = _is_open(path)
    except OSError as error:
        raise UnusableDirectory(f"{path} cannot be read: {error.strerror}") from None
    if is_open:
        raise UnusableDirectory(f"{path} is open to other accounts; mend it by: chmod 700 {path}")


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """A private directory for what the block makes in it.

    If the block fails, the directories that had to be made are removed again, if they are empty.

    Raises:
        UnusableDirectory: as ``existing_directory``.
    """
    missing = [one for one in (path, *path.parents) if not one.exists()]
    try:
        yield existing_directory(path)
    except BaseException:
        with suppress(OSError):
            for one in missing:
                one.rmdir()
        raise


def private_file(path: Path) -> None:
    """Make an empty file with mode 0600, or take a mode away that is open to others, with a word.

    For files that a library would make as the umask says. A file that is there is not opened:
    closing it would drop SQLite's locks on it (POSIX). Raises ``OSError``.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        with suppress(FileExistsError):  # somebody else was faster, in the same way
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWN_FILE))
        return
    if mode & _OTHERS:
        try:
            path.chmod(_OWN_FILE)
        except PermissionError:
            log.warning("%s is open to other accounts; its owner should mend that", path.name)
        else:
            log.warning("%s was open to other accounts; its mode is 0600 now", path.name)


@contextmanager
def occupied(directory: Path, name: str) -> Iterator[None]:
    """Within the block no other process that asks for it works in this directory.

    Args:
        name: what this process is, for the message that the other one gives.

    Raises:
        InUse: another one does.
    """
    descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWN_FILE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(_whose(directory, descriptor)) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {name}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def await_unoccupied(directory: Path, seconds: float) -> None:
    """Wait until no process works in a directory that may not exist; it may be about to end.

    Raises:
        InUse: after so many seconds one still does.
    """
    until = time.monotonic() + seconds
    while (directory / LOCK_FILE).exists():
        try:
            with occupied(directory, "nobody"):
                return
        except InUse:
            if time.monotonic() >= until:
                raise
            time.sleep(_RETRY_SECONDS)


def _whose(directory: Path, descriptor: int) -> str:
    pid, _, name = os.pread(descriptor, _LONGEST_NOTE, 0).decode("ascii", "replace").partition(" ")
    if not pid.isdigit() or not name.strip().isprintable():
        return f"{directory} is in use by another process; stop that one first"
    return f"{directory} is in use by process {pid} ({name.strip()}); to stop that one: kill {pid}"


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & _OTHERS)


def _is_shared(path: Path) -> bool:
    """Whether it is meant for many accounts, as a system's directory of temporary files."""
    return bool(path.stat().st_mode & stat.S_ISVTX)
