"""A server's keys in one sealed file: AES-256-GCM under a key from Argon2id and a passphrase.

The file is deterministic CBOR: a list of the encoded ``KeystoreHeader`` and the sealed content.
The header is authenticated, so version, costs, salt and nonce cannot be changed unnoticed. Salt
and nonce are drawn afresh at every write: a key never seals twice. A wrong passphrase and an
altered file give the same error, because nobody can tell them apart.

Costs are bounded when reading, before any work: a planted file cannot ask for 100 GB.
"""

from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes
from typing import Annotated, Final, Literal, TypeVar, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from pydantic import Field

from gateway.host.keyfile import KeyFileError, create_secret, read_private, replace_secret
from gateway.wire import cbor
from gateway.wire.errors import BodyTooLarge, MalformedMessage
from gateway.wire.message import SMALL, Message
from gateway.wire.secret import wipe

KEYSTORE_FILE: Final = "keystore.sealed"
PASSPHRASE_CREDENTIAL: Final = "sealmatch-passphrase"  # noqa: S105  a name
"""Name of the systemd credential."""

MIN_MEMORY_KIB, MAX_MEMORY_KIB = 8 * 1024, 1024 * 1024
MAX_ITERATIONS, MAX_LANES = 10, 16
"""What a file may ask for: at most 1 GiB, and some ten seconds."""

_MAX_FILE: Final = SMALL + 1024
_KEY_BYTES, _SALT_BYTES, _NONCE_BYTES, _TAG_BYTES = 32, 16, 12, 16

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Cost:
    """What one guess at the passphrase costs, with Argon2id (RFC 9106).

    Between the two options that the RFC recommends (2 GiB once, for machines with memory to spare;
    64 MiB three times, for those without): 256 MiB three times. A server pays it once, at start:
    about 0.4 s on two shared cores.
    """

    memory_kib: int = 256 * 1024
    iterations: int = 3
    lanes: int = 4


DEFAULT_COST = Cost()


class KeystoreHeader(Message):
    """What a reader needs besides the passphrase."""

    format: Literal["sealmatch-keystore"] = "sealmatch-keystore"
    kdf: Literal["argon2id"] = "argon2id"
    memory_kib: Annotated[int, Field(ge=MIN_MEMORY_KIB, le=MAX_MEMORY_KIB)]
    iterations: Annotated[int, Field(ge=1, le=MAX_ITERATIONS)]
    lanes: Annotated[int, Field(ge=1, le=MAX_LANES)]
    salt: Annotated[bytes, Field(min_length=_SALT_BYTES, max_length=_SALT_BYTES)]
    nonce: Annotated[bytes, Field(min_length=_NONCE_BYTES, max_length=_NONCE_BYTES)]


class KeystoreClosed(KeyFileError):
    """The keystore does not open. Which of the two reasons it is cannot be known."""


def seal(content: Message, passphrase: bytearray, cost: Cost | None = None) -> bytes:
    """The bytes of a keystore file with this content; ``cost`` is ``DEFAULT_COST`` if not given."""
    cost = cost or DEFAULT_COST
    header = KeystoreHeader(
        memory_kib=cost.memory_kib,
        iterations=cost.iterations,
        lanes=cost.lanes,
        salt=token_bytes(_SALT_BYTES),
        nonce=token_bytes(_NONCE_BYTES),
    )
    encoded = header.encode()
    key = _key(header, passphrase)
    try:
        sealed = AESGCM(key).encrypt(header.nonce, content.encode(), encoded)
    finally:
        wipe(key)
    return cbor.encode([encoded, sealed])


def unseal(data: bytes, kind: type[M], passphrase: bytearray) -> M:
    """Open a keystore file.

    Raises:
        KeystoreClosed: wrong passphrase, altered, truncated, or not a keystore of this kind.
    """
    try:
        header, encoded, sealed = _split(data)
        key = _key(header, passphrase)
        content = bytearray(len(sealed) - _TAG_BYTES)
        try:
            AESGCM(key).decrypt_into(header.nonce, sealed, encoded, content)
            return kind.decode(cast("bytes", content))  # without an immutable copy of it all
        finally:
            wipe(key)
            wipe(content)
    except (InvalidTag, MalformedMessage, BodyTooLarge):
        raise KeystoreClosed(
            "the keystore does not open: wrong passphrase, or the file was altered"
        ) from None


def create_keystore(
    path: Path, content: Message, passphrase: bytearray, cost: Cost | None = None
) -> None:
    """Seal into a new file, mode 0600.

    Raises:
        KeyFileError: the file exists already.
        OSError: the disk is full or not writable; no file remains.
    """
    create_secret(path, seal(content, passphrase, cost))


def open_keystore(path: Path, kind: type[M], passphrase: bytearray) -> M:
    """Read and open a file.

    Raises:
        KeystoreClosed: as ``unseal``.
        KeyFileError: missing, too long, or open to others.
    """
    return unseal(bytes(read_private(path, _MAX_FILE)), kind, passphrase)


def replace_keystore(
    path: Path, content: Message, passphrase: bytearray, cost: Cost | None = None
) -> None:
    """Seal into the place of an existing file, in one step.

    Raises:
        KeyFileError: there is none.
        OSError: the disk is full or not writable; the old file remains.
    """
    replace_secret(path, seal(content, passphrase, cost))


def _split(data: bytes) -> tuple[KeystoreHeader, bytes, bytes]:
    parts = cbor.decode(data)
    if not isinstance(parts, list) or len(parts) != 2:
        raise MalformedMessage("not a keystore")
    encoded, sealed = parts
    if not isinstance(encoded, bytes) or not isinstance(sealed, bytes):
        raise MalformedMessage("not a keystore")
    if len(sealed) < _TAG_BYTES:
        raise MalformedMessage("not a keystore")
    return KeystoreHeader.decode(encoded), encoded, sealed


def _key(header: KeystoreHeader, passphrase: bytearray) -> bytearray:
    key = bytearray(_KEY_BYTES)
    Argon2id(
        salt=header.salt,
        length=_KEY_BYTES,
        iterations=header.iterations,
        lanes=header.lanes,
        memory_cost=header.memory_kib,
    ).derive_into(cast("bytes", passphrase), key)  # any buffer will do
    return key
