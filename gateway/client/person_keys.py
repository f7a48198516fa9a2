"""Keys of the two people who sign a registration without a face: an agent, a supervisor.

A key lies in a sealed file of its own, under a passphrase that its owner alone knows: a person's
signature is more than the possession of the counter. A bare file (32 bytes, like a counter's
device key) is for a device that protects it, and for development.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from gateway.host.keyfile import KeyFileError, create_secret, load_signing_key
from gateway.host.keystore import create_keystore, open_keystore
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import PartyId
from gateway.wire.message import Message
from gateway.wire.secret import wipe

PersonKind = Literal["agent", "supervisor"]
KINDS: Final[tuple[PersonKind, ...]] = get_args(PersonKind)
_KEY_BYTES: Final = 32

Passphrase = Callable[[], bytearray]
"""Asks for the passphrase of a sealed file. Its reader wipes it."""


class SealedPersonKey(Message):
    """What a sealed file holds."""

    kind: PersonKind
    party: PartyId
    """The pseudonym under which its owner is enrolled."""
    private: Annotated[bytes, Field(min_length=_KEY_BYTES, max_length=_KEY_BYTES, repr=False)]


def create(
    path: Path, kind: PersonKind, party: PartyId, passphrase: Passphrase | None
) -> VerifyKey:
    """Draw a key into a new file; without a passphrase, a bare one. Returns the public half.

    Raises:
        KeyFileError: the file exists already, or the passphrase is too short.
        OSError: the disk is full or not writable; no file remains.
    """
    drawn = Ed25519PrivateKey.generate()
    if passphrase is None:
        create_secret(path, drawn.private_bytes_raw())
    else:
        content = SealedPersonKey(kind=kind, party=party, private=drawn.private_bytes_raw())
        secret = passphrase()
        try:
            create_keystore(path, content, secret)
        finally:
            wipe(secret)
    return SigningKey(party, drawn).public


def load(path: Path, kind: PersonKind, party: PartyId | None, passphrase: Passphrase) -> SigningKey:
    """Open a key file.

    Args:
        party: whose it is. A bare file does not say it; a sealed one does, and its word counts.

    Raises:
        KeyFileError: missing, damaged, open to others, or of the other kind.
        CallerMisuse: it is a bare file, and nobody says whose.
    """
    if _is_bare(path):
        if party is None:
            raise CallerMisuse(f"{path.name} does not say whose key it is: name the {kind}")
        return load_signing_key(path, party)
    secret = passphrase()
    try:
        held = open_keystore(path, SealedPersonKey, secret)
    finally:
        wipe(secret)
    if held.kind != kind:
        raise KeyFileError(f"{path.name} is the key of {held.kind} {held.party}, not of a {kind}")
    return SigningKey(held.party, Ed25519PrivateKey.from_private_bytes(held.private))


def _is_bare(path: Path) -> bool:
    try:
        return path.stat().st_size == _KEY_BYTES
    except OSError as error:
        raise KeyFileError(f"{path.name} cannot be read: {error.strerror}") from None
