"""Files of commands: those they write, those they read, and standard output.

A decision cannot be asked for twice, so its receipt must not be lost to a full disk or a missing
folder. A place is reserved beside the final file, with room on the disk, before the registration
begins; it becomes the file in one step when the content is there, or vanishes.

A process that is killed outright cannot clear its places away. Each is locked while its process
lives, and whoever next reserves one for the same file removes those that nobody holds.

A file that cannot be used is named, with what is wrong with it. A reader who has seen enough
(``| head``) is no error.
"""

import argparse
import errno
import fcntl
import os
import re
import secrets
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from gateway.wire.errors import Refused, SealmatchError

ROOM_BYTES = 64 * 1024
"""Room to reserve: the longest receipt or opening fits."""

PRIVATE, PUBLIC = 0o600, 0o644


class NotAFile(OSError):
    """Only regular files are replaced."""


@dataclass
class ReservedFile:
    """A reserved place for one file."""

    path: Path
    _temporary: Path
    _descriptor: int

    def write(self, content: bytes) -> None:
        """Put the content in place. The file appears whole.

        Raises:
            OSError: the disk fails all the same.
        """
        self._fill(content)
        self._temporary.replace(self.path)

    def write_new(self, content: bytes) -> None:
        """The same, and nothing is replaced.

        Raises:
            FileExistsError: there is such a file.
            OSError: the disk fails all the same.
        """
        self._fill(content)
        os.link(self._temporary, self.path)

    def _fill(self, content: bytes) -> None:
        os.posix_fallocate(self._descriptor, 0, max(1, len(content)))
        done = 0
        while done < len(content):
            done += os.pwrite(self._descriptor, content[done:], done)
        os.ftruncate(self._descriptor, len(content))
        os.fsync(self._descriptor)


@contextmanager
def reserve(path: Path, mode: int) -> Iterator[ReservedFile]:
    """Reserve a place for ``path``; an existing file stays until it is replaced.

    Raises:
        NotAFile: the place is taken by a folder, device, pipe or link.
        OSError: no such folder, not writable, or no room.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise NotAFile(errno.EINVAL, "exists and is not a regular file", str(path))
    with suppress(OSError):
        _clear_stale(path)
    temporary, descriptor = _locked_place(path, mode)
    try:
        os.posix_fallocate(descriptor, 0, ROOM_BYTES)
        yield ReservedFile(path, temporary, descriptor)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


@contextmanager
def cleared_when_ended() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP end the command in order: nothing stays reserved."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(one, _end) for one in signals]
    try:
        yield
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _locked_place(path: Path, mode: int) -> tuple[Path, int]:
    """A new file beside ``path``, open and locked."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with suppress(OSError):  # a file system without locks: there nobody clears it away either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return temporary, descriptor
        os.close(descriptor)  # somebody took it for a stale one before it was locked


def _clear_stale(path: Path) -> None:
    """Remove the places that killed processes of this user reserved for ``path``."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.part")
    with os.scandir(path.parent) as found:
        names = [entry.name for entry in found if ours.fullmatch(entry.name)]
    for name in names:
        with suppress(OSError):
            _remove_unless_held(path.with_name(name))


def _remove_unless_held(place: Path) -> None:
    descriptor = os.open(place, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            place.unlink()
    finally:
        os.close(descriptor)


class UnusableFile(SealmatchError):
    """A file that was given is not what it should be; the text names it and says why."""


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Whatever is wrong inside is wrong with this file.

    Raises:
        UnusableFile: in the place of every other error of ours.
    """
    try:
        yield
    except UnusableFile:
        raise
    except Refused as error:
        raise UnusableFile(f"{path}: {error.detail}") from None
    except SealmatchError as error:
        raise UnusableFile(f"{path}: {error}") from None


def read_bounded(path: Path, limit: int) -> bytes:
    """At most one byte more than the longest valid file: the decoder refuses the excess."""
    with path.open("rb") as file:
        try:
            return file.read(limit + 1)
        except OSError as error:  # a folder, for example: only ``open`` names what it was given
            error.filename = error.filename or str(path)
            raise


def reason_of(error: OSError) -> str:
    """The file, and what the system said of it."""
    return f"{error.filename or 'system'}: {error.strerror or type(error).__name__}"


@contextmanager
def to_a_reader() -> Iterator[None]:
    """What is printed inside may find nobody who reads it any more; that is no failure.

    Afterwards nothing more is printed, and the command ends with the status that it would have.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        nobody = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nobody, sys.stdout.fileno())
        os.close(nobody)


def activation_path(options: argparse.Namespace) -> Path:
    given: Path | None = options.activation_opening
    return given or Path(f"{options.receipt}.activation")


def opening_path(options: argparse.Namespace) -> Path:
    given: Path | None = options.opening
    return given or Path(f"{options.receipt}.opening")


def pending_path(receipt: Path) -> Path:
    return Path(f"{receipt}.pending")
