"""Output files that are certain before anything is sent.

A decision cannot be asked for twice, so its receipt must not be lost to a full disk or a missing
folder. A place is reserved beside the final file, with room on the disk, before the registration
begins; it becomes the file in one step when the content is there, or vanishes.
"""

import argparse
import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
        os.posix_fallocate(self._descriptor, 0, max(1, len(content)))
        done = 0
        while done < len(content):
            done += os.pwrite(self._descriptor, content[done:], done)
        os.ftruncate(self._descriptor, len(content))
        os.fsync(self._descriptor)
        self._temporary.replace(self.path)


@contextmanager
def reserve(path: Path, mode: int) -> Iterator[ReservedFile]:
    """Reserve a place for ``path``; an existing file stays until it is replaced.

    Raises:
        NotAFile: the place is taken by a folder, device, pipe or link.
        OSError: no such folder, not writable, or no room.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise NotAFile(errno.EINVAL, "exists and is not a regular file", str(path))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.posix_fallocate(descriptor, 0, ROOM_BYTES)
        yield ReservedFile(path, temporary, descriptor)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


def opening_path(options: argparse.Namespace) -> Path:
    given: Path | None = options.opening
    return given or Path(f"{options.receipt}.opening")


def pending_path(receipt: Path) -> Path:
    return Path(f"{receipt}.pending")
