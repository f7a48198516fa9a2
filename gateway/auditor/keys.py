"""The auditor's own keys: one signs reports, one opens what audited sessions are sealed under.

They lie in a sealed keystore, which a running server opens once, at its start. Neither opens
anything biometric: under the second lie ciphertexts, and the seeds of single sessions. Rotation of
the signing key: ``gateway.wire.host.keyring``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import Field

from gateway.auditor.config import AuditorSettings
from gateway.wire.cose import SigningKey
from gateway.wire.host.keyfile import KeyFileError, exclusive
from gateway.wire.host.keyring import HeldKey, SigningRing
from gateway.wire.host.keystore import (
    KEYSTORE_FILE,
    PASSPHRASE_CREDENTIAL,
    create_keystore,
    open_keystore,
    replace_keystore,
)
from gateway.wire.host.memory import wipe
from gateway.wire.host.passphrase import obtain
from gateway.wire.host.serving import existing_directory
from gateway.wire.ids import PartyId
from gateway.wire.message import Message
from gateway.wire.sealing import PRIVATE_BYTES, SealingPrivateKey


class AuditorKeys(Message):
    """What the auditor's keystore holds."""

    party: PartyId
    signing: SigningRing
    sealing: Annotated[bytes, Field(min_length=PRIVATE_BYTES, max_length=PRIVATE_BYTES)] = Field(
        repr=False
    )


def open_keys(settings: AuditorSettings) -> tuple[SigningKey, SealingPrivateKey]:
    """Open the keys for service.

    Raises:
        KeyFileError: missing, another party's, or they do not open; or there is no passphrase.
    """
    keys = read_keys(settings)
    signing = SigningKey(settings.party, keys.signing.current.signer())
    return signing, SealingPrivateKey.from_raw(keys.sealing)


def initialise(settings: AuditorSettings, now: int) -> AuditorKeys:
    """Draw both keys into a new keystore.

    Raises:
        KeyFileError: there is one already, or no passphrase.
    """
    path = existing_directory(settings.data_dir) / KEYSTORE_FILE
    with exclusive(settings.data_dir):
        if path.exists():  # before a passphrase is asked for
            raise KeyFileError(f"{KEYSTORE_FILE} exists already; it is not overwritten")
        keys = AuditorKeys(
            party=settings.party,
            signing=SigningRing(current=HeldKey.draw(now)),
            sealing=SealingPrivateKey.generate().raw,
        )
        with _passphrase(settings, new=True) as passphrase:
            create_keystore(path, keys, passphrase, settings.keystore_cost)
        return keys


def read_keys(settings: AuditorSettings) -> AuditorKeys:
    """What the keystore holds. Raises ``KeyFileError`` as ``open_keys``."""
    with _passphrase(settings) as passphrase:
        return _own(settings, passphrase)


def stage_signing_key(settings: AuditorSettings, now: int) -> AuditorKeys:
    """Draw the next signing key; it signs nothing yet.

    Raises:
        CallerMisuse: one is staged already.
        KeyFileError: as ``open_keys``.
    """
    return _change(settings, lambda ring: ring.staged(HeldKey.draw(now)))


def activate_signing_key(settings: AuditorSettings) -> AuditorKeys:
    """Make the next signing key the current one; the old private key is dropped.

    Raises:
        CallerMisuse: none is staged.
        KeyFileError: as ``open_keys``.
    """
    return _change(settings, lambda ring: ring.activated())


def describe(keys: AuditorKeys) -> dict[str, Any]:
    """What everyone may know."""
    sealing = SealingPrivateKey.from_raw(keys.sealing).public.raw.hex()
    return {**keys.signing.describe(keys.party), "sealingKey": sealing}


def _change(settings: AuditorSettings, alter: Callable[[SigningRing], SigningRing]) -> AuditorKeys:
    with _passphrase(settings) as passphrase, exclusive(settings.data_dir):
        keys = _own(settings, passphrase)
        changed = keys.model_copy(update={"signing": alter(keys.signing)})
        replace_keystore(
            settings.data_dir / KEYSTORE_FILE, changed, passphrase, settings.keystore_cost
        )
        return changed


def _own(settings: AuditorSettings, passphrase: bytearray) -> AuditorKeys:
    keys = open_keystore(settings.data_dir / KEYSTORE_FILE, AuditorKeys, passphrase)
    if keys.party != settings.party:
        raise KeyFileError(f"these are the keys of {keys.party}, the settings name another party")
    return keys


@contextmanager
def _passphrase(settings: AuditorSettings, *, new: bool = False) -> Iterator[bytearray]:
    what = f"passphrase of {KEYSTORE_FILE}"
    passphrase = obtain(settings.passphrase_file, PASSPHRASE_CREDENTIAL, what, new=new)
    try:
        yield passphrase
    finally:
        wipe(passphrase)
