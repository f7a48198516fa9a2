"""A person's signing key, such as an operator's: one sealed file, under a passphrase of one's own.

The file is a keystore (``keystore``), so a copy of it is worth a guess at the passphrase and no
more. Whoever signs proves to have the file and to know the passphrase. Nobody else should have it,
least of all the server's account.
"""

from pathlib import Path
from typing import Annotated, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from gateway.host.keyfile import KeyFileError, require_absent
from gateway.host.keystore import KeystoreClosed, create_keystore, open_keystore
from gateway.host.passphrase import obtain
from gateway.wire.cose import SigningKey
from gateway.wire.ids import PartyId, UnixTime
from gateway.wire.message import Message
from gateway.wire.secret import wipe

PASSPHRASE_CREDENTIAL: Final = "sealmatch-person-passphrase"  # noqa: S105  a name
"""Name of the systemd credential."""


class PersonalKey(Message):
    """What the file holds. Whose it is, the register says."""

    private: Annotated[bytes, Field(min_length=32, max_length=32)] = Field(repr=False)
    drawn_at: UnixTime


def new_personal_key(path: Path, passphrase_file: Path | None, now: int) -> bytes:
    """Draw a key into a new file; return the public half, 32 bytes.

    Raises:
        KeyFileError: the file exists already, or there is no passphrase of enough bytes.
    """
    require_absent(path)  # before a passphrase is asked for
    passphrase = obtain(passphrase_file, PASSPHRASE_CREDENTIAL, _named(path), new=True)
    try:
        private = Ed25519PrivateKey.generate()
        held = PersonalKey(private=private.private_bytes_raw(), drawn_at=now)
        create_keystore(path, held, passphrase)
    finally:
        wipe(passphrase)
    return private.public_key().public_bytes_raw()


def open_personal_key(path: Path, party: PartyId, passphrase_file: Path | None) -> SigningKey:
    """The key of ``party`` in a file.

    Raises:
        KeyFileError: missing, open to others, or it does not open; or there is no passphrase.
    """
    if not path.is_file():
        raise KeyFileError(f"{path.name} does not exist")
    passphrase = obtain(passphrase_file, PASSPHRASE_CREDENTIAL, _named(path))
    try:
        held = open_keystore(path, PersonalKey, passphrase)
    except KeystoreClosed:
        raise KeyFileError(
            f"{path.name} does not open: wrong passphrase, or no key of a person"
        ) from None
    finally:
        wipe(passphrase)
    return SigningKey(party, Ed25519PrivateKey.from_private_bytes(held.private))


def _named(path: Path) -> str:
    return f"passphrase of {path.name}"
