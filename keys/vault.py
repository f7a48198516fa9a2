"""Where the authority's secrets lie: in a sealed file, or in a token.

A vault stores an ``AuthorityKeys`` record and turns its entries into signers, MAC keys and sealing
keys. ``keys.ceremony`` decides what changes; a vault only keeps it. The sealed file holds the
secrets themselves; ``keys.token_vault`` holds ids of objects that never leave the token.

No token supports the keys of HPKE's X-Wing yet. So in both vaults the sealing key is expanded, at
start, from the MAC of one label under a secret of its own. The sealing key then lies in the
server's memory, even if the secret stays in a token, and is never written anywhere.
"""

import hmac
import secrets
from pathlib import Path
from typing import Final, Protocol, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from gateway.host.keyfile import KeyFileError
from gateway.host.keyring import HeldKey, HeldPepper, HeldSealing, PepperRing, SealingRing
from gateway.host.keystore import (
    KEYSTORE_FILE,
    Cost,
    create_keystore,
    open_keystore,
    replace_keystore,
)
from gateway.host.party_keys import PartyKeys
from gateway.wire.cose import Signer
from gateway.wire.sealing import PRIVATE_BYTES, SealingPrivateKey
from gateway.wire.secret import wipe
from keys.config import AuthoritySettings

INDEX_FILE = "token.index"
_SECRET_BYTES: Final = 32
_SEALING_LABEL: Final = b"sealmatch/authority-sealing-key/1"
"""A handle's input begins with a zero byte, so no MAC of one kind is a MAC of the other."""


class AuthorityKeys(PartyKeys):
    """The authority's long-lived secrets, or where they are."""

    peppers: PepperRing
    sealing: SealingRing

    def all_held(self) -> frozenset[bytes]:
        """Every secret that the record names, or its id in the token."""
        staged = () if self.signing.next is None else (self.signing.next,)
        named = (self.signing.current, *staged, *self.peppers.all(), *self.sealing.all())
        return frozenset(one.held for one in named)


class MacKey(Protocol):
    """An HMAC-SHA-256 key, in memory or in a token."""

    def mac(self, data: bytes) -> bytes: ...


class Vault(Protocol):
    """Where the secrets lie. Use it in a ``with`` block."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def load(self) -> AuthorityKeys:
        """The record. Raises ``KeyFileError`` if it is missing, does not open, or is open to
        others."""

    def create(self, keys: AuthorityKeys) -> None:
        """Store the first record. Raises ``KeyFileError`` if there are keys already."""

    def replace(self, keys: AuthorityKeys) -> None:
        """Replace the record in one step: a crash leaves the old record or the new one."""

    def draw_key(self, now: int) -> HeldKey: ...

    def draw_pepper(self, now: int) -> HeldPepper: ...

    def draw_sealing(self, now: int) -> HeldSealing: ...

    def forget(self, held: bytes) -> None:
        """Destroy what no record refers to any more."""

    def signer(self, key: HeldKey) -> Signer: ...

    def pepper(self, held: bytes) -> MacKey: ...

    def sealing(self, key: HeldSealing) -> SealingPrivateKey:
        """The sealing key. Raises ``KeyFileError`` if the public key beside it is another's."""


class MemoryMacKey:
    """A pepper, or the sealing key's secret, in memory. It never shows in a ``repr``."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def mac(self, data: bytes) -> bytes:
        return hmac.digest(self._value, data, "sha256")


class SealedVault:
    """A keystore file, opened with a passphrase that is wiped at the end of the block."""

    def __init__(self, path: Path, passphrase: bytearray, cost: Cost | None = None) -> None:
        self._path = path
        self._passphrase = passphrase
        self._cost = cost

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        wipe(self._passphrase)

    def load(self) -> AuthorityKeys:
        return open_keystore(self._path, AuthorityKeys, self._passphrase)

    def create(self, keys: AuthorityKeys) -> None:
        create_keystore(self._path, keys, self._passphrase, self._cost)

    def replace(self, keys: AuthorityKeys) -> None:
        replace_keystore(self._path, keys, self._passphrase, self._cost)

    def draw_key(self, now: int) -> HeldKey:
        return HeldKey.draw(now)

    def draw_pepper(self, now: int) -> HeldPepper:
        return HeldPepper(held=secrets.token_bytes(_SECRET_BYTES), drawn_at=now)

    def draw_sealing(self, now: int) -> HeldSealing:
        held = secrets.token_bytes(_SECRET_BYTES)
        return held_sealing(held, MemoryMacKey(held), now)

    def forget(self, held: bytes) -> None:
        """Nothing to do: the secret went with the old file."""

    def signer(self, key: HeldKey) -> Signer:
        return key.signer()

    def pepper(self, held: bytes) -> MacKey:
        return MemoryMacKey(held)

    def sealing(self, key: HeldSealing) -> SealingPrivateKey:
        return opened_sealing(key, MemoryMacKey(key.held))


def held_sealing(held: bytes, secret: MacKey, now: int) -> HeldSealing:
    """The entry of a new sealing key: where its secret is, and the public key that follows."""
    return HeldSealing(held=held, public=_expanded(secret).public.raw, drawn_at=now)


def opened_sealing(key: HeldSealing, secret: MacKey) -> SealingPrivateKey:
    """The sealing key of an entry.

    Raises:
        KeyFileError: it does not belong to the public key beside it, which issuers pin.
    """
    found = _expanded(secret)
    if found.public.raw != key.public:
        raise KeyFileError("the sealing key is not that of the public key beside it")
    return found


def _expanded(secret: MacKey) -> SealingPrivateKey:
    """Only the second half of HKDF (RFC 5869): the MAC of the label is a uniform key already."""
    expand = HKDFExpand(SHA256(), PRIVATE_BYTES, _SEALING_LABEL)
    return SealingPrivateKey.from_raw(expand.derive(secret.mac(_SEALING_LABEL)))


def record_file(settings: AuthoritySettings) -> Path:
    """Path of the record of the keys: a sealed file, or the index of the token."""
    name = KEYSTORE_FILE if settings.pkcs11_module is None else INDEX_FILE
    return settings.data_dir / name
