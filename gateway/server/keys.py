"""The gateway's own keys: one signs statements and requests, one opens sealed templates.

They lie in a sealed keystore. A running server unseals them once, at its start, and keeps no
passphrase. Rotation of the signing key: ``gateway.wire.host.keyring``.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from gateway.server.config import GatewaySettings
from gateway.wire.admin import ChainKeys
from gateway.wire.cose import SigningKey, VerifyKey
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


class GatewayKeys(Message):
    """What the gateway's keystore holds."""

    party: PartyId
    signing: SigningRing
    sealing: Annotated[bytes, Field(min_length=PRIVATE_BYTES, max_length=PRIVATE_BYTES)] = Field(
        repr=False
    )

    @property
    def chain_keys(self) -> ChainKeys:
        """What the register's history is checked with: it was signed by each key in its time."""
        ring = self.signing
        held = (ring.current, *(() if ring.next is None else (ring.next,)))
        public = (*(key.public for key in held), *ring.old_public)
        return ChainKeys(tuple(VerifyKey(self.party, raw) for raw in public))

    @property
    def sealing_key(self) -> SealingPrivateKey:
        return SealingPrivateKey.from_raw(self.sealing)


def open_keys(settings: GatewaySettings) -> tuple[SigningKey, SealingPrivateKey]:
    """Open the gateway's keys for service.

    Raises:
        KeyFileError: missing, another party's, or they do not open; or there is no passphrase.
    """
    keys = read_keys(settings)
    return SigningKey(settings.party, keys.signing.current.signer()), keys.sealing_key


def initialise(settings: GatewaySettings, now: int) -> GatewayKeys:
    """Draw both keys into a new keystore.

    Raises:
        KeyFileError: there is one already, or no passphrase.
    """
    path = existing_directory(settings.data_dir) / KEYSTORE_FILE
    with exclusive(settings.data_dir):
        if path.exists():  # before a passphrase is asked for
            raise KeyFileError(f"{KEYSTORE_FILE} exists already; it is not overwritten")
        keys = GatewayKeys(
            party=settings.party,
            signing=SigningRing(current=HeldKey.draw(now)),
            sealing=SealingPrivateKey.generate().raw,
        )
        passphrase = _passphrase(settings, new=True)
        try:
            create_keystore(path, keys, passphrase)
        finally:
            wipe(passphrase)
        return keys


def stage_signing_key(settings: GatewaySettings, now: int) -> GatewayKeys:
    """Draw the next signing key; it signs nothing yet.

    Raises:
        CallerMisuse: one is staged already.
        KeyFileError: as ``open_keys``.
    """
    return _change(settings, lambda ring: ring.staged(HeldKey.draw(now)))


def activate_signing_key(settings: GatewaySettings) -> GatewayKeys:
    """Make the next signing key the current one; the old private key is dropped.

    Raises:
        CallerMisuse: none is staged.
        KeyFileError: as ``open_keys``.
    """
    return _change(settings, lambda ring: ring.activated())


def read_keys(settings: GatewaySettings) -> GatewayKeys:
    """What the keystore holds.

    Raises:
        KeyFileError: as ``open_keys``.
    """
    passphrase = _passphrase(settings)
    try:
        return _own(settings, passphrase)
    finally:
        wipe(passphrase)


def describe(keys: GatewayKeys) -> dict[str, Any]:
    """What everyone may know."""
    return {
        **keys.signing.describe(keys.party),
        "sealingKey": keys.sealing_key.public.raw.hex(),
    }


def _change(settings: GatewaySettings, alter: Callable[[SigningRing], SigningRing]) -> GatewayKeys:
    passphrase = _passphrase(settings)
    try:
        with exclusive(settings.data_dir):
            keys = _own(settings, passphrase)
            changed = keys.model_copy(update={"signing": alter(keys.signing)})
            replace_keystore(settings.data_dir / KEYSTORE_FILE, changed, passphrase)
            return changed
    finally:
        wipe(passphrase)


def _own(settings: GatewaySettings, passphrase: bytearray) -> GatewayKeys:
    keys = open_keystore(settings.data_dir / KEYSTORE_FILE, GatewayKeys, passphrase)
    if keys.party != settings.party:
        raise KeyFileError(f"these are the keys of {keys.party}, the settings name another party")
    return keys


def _passphrase(settings: GatewaySettings, *, new: bool = False) -> bytearray:
    what = f"passphrase of {KEYSTORE_FILE}"
    return obtain(settings.passphrase_file, PASSPHRASE_CREDENTIAL, what, new=new)
