"""Secrets at rest: one file each, readable by its owner alone.

A file is created whole or not at all, and never overwritten by accident: replacing is an
operation of its own, in one step. Loading refuses a file that others can read.

The servers keep their keys in a sealed file (``keystore`` beside this) or a token. Bare keys in
files are for counters, whose device protects them, and for development.
"""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.host import crash
from gateway.wire.cose import SigningKey
from gateway.wire.errors import SealmatchError
from gateway.wire.ids import PartyId
from gateway.wire.secret import wipe

_HALF_WRITTEN: Final = ".new-"
_HEX: Final = b"0123456789abcdefABCDEF"
_LONGEST_KEY: Final = 4096
"""Bytes that are read of a file that should hold a bare key: enough to say what it is instead."""


class KeyFileError(SealmatchError):
    """A key file is missing, has the wrong length, or is open to others."""


def create_secret(path: Path, secret: bytes) -> None:
    """Write secret bytes to a new file with mode 0600.

    Raises:
        KeyFileError: the file exists already.
        OSError: the disk is full or not writable; no file remains.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _written(path, secret) as temporary:
        try:
            os.link(temporary, path)  # unlike a rename, fails where a key exists already
        except FileExistsError:
            raise _exists(path) from None
        try:
            sync_directory(path.parent)
        except OSError:
            path.unlink()
            raise


def require_absent(path: Path) -> None:
    """Raise ``KeyFileError`` if the file exists, before anybody is asked for a passphrase."""
    if path.exists():
        raise _exists(path)


def replace_secret(path: Path, secret: bytes) -> None:
    """Replace a secret file: a crash at any point leaves the old file or the new one.

    Raises:
        KeyFileError: there is no file to replace.
        OSError: the disk is full or not writable; the old file remains.
    """
    if not path.is_file():
        raise KeyFileError(f"{path.name} does not exist")
    with _written(path, secret) as temporary:
        temporary.replace(path)
        sync_directory(path.parent)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all; an old one is replaced.

    Raises:
        OSError: the disk is full or not writable; the old file, if any, remains.
    """
    (replace_secret if path.exists() else create_secret)(path, content)


def read_private(path: Path, limit: int, *, check_mode: bool = True) -> bytearray:
    """Read a file of at most ``limit`` bytes that only its owner can read.

    Raises:
        KeyFileError: missing, longer, or open to group or others.
    """
    content = bytearray(limit + 1)
    try:
        with path.open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            length = file.readinto(content)
    except OSError as error:
        raise KeyFileError(f"{path.name} cannot be read: {error.strerror}") from None
    if check_mode and stat.S_IMODE(status.st_mode) & 0o077:
        wipe(content)
        raise KeyFileError(f"{path.name} is open to others; set its mode to 0600")
    if length is None or length > limit:
        wipe(content)
        raise KeyFileError(f"{path.name} is too long for what it should hold")
    del content[length:]
    return content


def read_secret(path: Path, length: int) -> bytes:
    """Read a secret of exactly ``length`` bytes.

    Raises:
        KeyFileError: missing, of another length, or readable by group or others.
    """
    try:
        status = path.stat()
        with path.open("rb") as file:
            secret = file.read(_LONGEST_KEY)
    except OSError as error:
        raise KeyFileError(f"{path.name} cannot be read: {error.strerror}") from None
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise KeyFileError(f"{path.name} is open to others; set its mode to 0600")
    if len(secret) != length:
        raise KeyFileError(f"{path.name} {_no_key(secret, length)}")
    return secret


def _no_key(content: bytes, length: int) -> str:
    """What is wrong with a file that should hold a key of ``length`` bytes. It says nothing of what
    the bytes are."""
    own = f"the {length} bytes of a key and nothing else"
    if not content:
        return f"is empty; it should hold {own}"
    if content.startswith(b"-----BEGIN"):
        return f"is in PEM; it should hold {own}"
    if len(content.strip()) == 2 * length and not content.strip().strip(_HEX):
        return f"holds hexadecimal digits; it should hold {own}"
    more = " or more" if len(content) == _LONGEST_KEY else ""
    return f"holds {len(content)} bytes{more}; it should hold {own}"


def create_signing_key(path: Path, party: PartyId) -> SigningKey:
    """Draw an Ed25519 key and keep its 32 bytes in a new file."""
    private = Ed25519PrivateKey.generate()
    create_secret(path, private.private_bytes_raw())
    return SigningKey(party, private)


def load_signing_key(path: Path, party: PartyId) -> SigningKey:
    """Load an Ed25519 key.

    Raises:
        KeyFileError: as ``read_secret``.
    """
    return SigningKey(party, Ed25519PrivateKey.from_private_bytes(read_secret(path, 32)))


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold a directory's lock: of two operators who change its content at once, one waits.

    If a process was killed under this lock, the half-written files that it left are removed.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for left in directory.glob(f"{_HALF_WRITTEN}*"):
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(descriptor)


def _exists(path: Path) -> KeyFileError:
    return KeyFileError(f"{path.name} exists already; it is not overwritten")


@contextmanager
def _written(path: Path, secret: bytes) -> Iterator[Path]:
    """A temporary file beside ``path``, with mode 0600 and its content on the disk."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=_HALF_WRITTEN)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        crash.reach("secret-file-written")
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Make a new directory entry last through a power failure."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
