"""Files that are whole or not there, and their owner's alone: an operator's large new file, which
is never overwritten, and a server's small one, which is replaced.

Both are written beside their name and put in their place at the end, when all is on the disk. What
a killed run left beside the name is taken over by the next one.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gateway.host import crash
from gateway.host.keyfile import sync_directory
from gateway.wire.errors import CallerMisuse


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears at ``path`` when the block ends, with mode 0600.

    Raises:
        CallerMisuse: there is such a file already, or another process is writing it.
        OSError: no such directory, not writable, or the disk is full; nothing is left behind.
    """
    if path.exists() or path.is_symlink():
        raise CallerMisuse(f"{path} exists already; it is not overwritten")
    beside = path.with_name(f".{path.name}.part")
    try:
        with _alone(beside) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                crash.reach("new-file-written")
                _put(beside, path)
            finally:
                beside.unlink(missing_ok=True)
    except OSError as error:
        error.filename = str(path)
        raise


@contextmanager
def _alone(beside: Path) -> Iterator[BinaryIO]:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(beside, flags, 0o600), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CallerMisuse(f"another process is writing {beside.name[1:-5]}") from None
        os.fchmod(file.fileno(), 0o600)
        file.truncate(0)
        yield file


def _put(beside: Path, path: Path) -> None:
    try:
        os.link(beside, path)  # unlike a rename, fails where a file has come to be meanwhile
    except FileExistsError:
        raise CallerMisuse(f"{path} exists already; it is not overwritten") from None
    sync_directory(path.parent)


def replace_private(path: Path, content: bytes) -> None:
    """Write a small file; durable on return. Of several writers one waits for the other.

    Unlike ``keyfile.write_private`` it does not collide with an operator's command in the same
    directory, which may wait for a passphrase.

    Raises:
        OSError: the disk is full or not writable; the old file, if any, remains.
    """
    beside = path.with_name(f".{path.name}.part")
    with _in_turn(beside) as file:
        file.truncate(0)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        beside.replace(path)
    sync_directory(path.parent)


@contextmanager
def _in_turn(beside: Path) -> Iterator[BinaryIO]:
    """The file beside a name, while no other writer has it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(beside, file):  # else the writer before has put it in its place
                yield file
                return


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
