"""Private keys at rest: one file per key, readable by its owner alone.

A key file is created whole or not at all, and never overwritten. Loading refuses a file that
others can read. Sealing keys under a passphrase or in a token builds on this module.
"""

import os
import stat
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.wire.cose import SigningKey
from gateway.wire.errors import SealmatchError
from gateway.wire.ids import PartyId


class KeyFileError(SealmatchError):
    """A key file is missing, has the wrong length, or is open to others."""


def create_secret(path: Path, secret: bytes) -> None:
    """Write secret bytes to a new file with mode 0600.

    Raises:
        KeyFileError: the file exists already.
        OSError: the disk is full or not writable; no file remains.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # unlike a rename, fails where a key exists already
    except FileExistsError:
        raise KeyFileError(f"{path.name} exists already; it is not overwritten") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def read_secret(path: Path, length: int) -> bytes:
    """Read a secret of exactly ``length`` bytes.

    Raises:
        KeyFileError: missing, of another length, or readable by group or others.
    """
    try:
        status = path.stat()
        secret = path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path.name} cannot be read: {error.strerror}") from None
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise KeyFileError(f"{path.name} is open to others; set its mode to 0600")
    if len(secret) != length:
        raise KeyFileError(f"{path.name} does not hold a key of this kind")
    return secret


def create_signing_key(path: Path, party: PartyId) -> SigningKey:
    """Draw an Ed25519 key and keep its 32 bytes in a new file."""
    key = SigningKey.generate(party)
    create_secret(path, key.private.private_bytes_raw())
    return key


def load_signing_key(path: Path, party: PartyId) -> SigningKey:
    """Load an Ed25519 key.

    Raises:
        KeyFileError: as ``read_secret``.
    """
    return SigningKey(party, Ed25519PrivateKey.from_private_bytes(read_secret(path, 32)))
