"""Where the authority's secrets lie: in a sealed file, or in a token.

A vault stores an ``AuthorityKeys`` record and turns its entries into things that sign and mac.
``keys.custody`` decides what changes; a vault only keeps it. The sealed file holds the secrets
themselves; ``keys.token_vault`` holds ids of objects that never leave the token.
"""

import hmac
import secrets
from pathlib import Path
from typing import Protocol, Self

from gateway.wire.cose import Signer
from gateway.wire.host.keyring import HeldKey, HeldPepper, PepperRing
from gateway.wire.host.keystore import Cost, create_keystore, open_keystore, replace_keystore
from gateway.wire.host.memory import wipe
from gateway.wire.host.party_keys import PartyKeys

_PEPPER_BYTES = 32


class AuthorityKeys(PartyKeys):
    """The authority's long-lived secrets, or where they are."""

    peppers: PepperRing

    def all_held(self) -> frozenset[bytes]:
        """Every secret, or id of one, that the record names."""
        named = (
            self.signing.current,
            self.signing.next,
            self.peppers.current,
            self.peppers.previous,
        )
        return frozenset(one.held for one in named if one is not None)


class Pepper(Protocol):
    """A key of HMAC-SHA-256, in memory or in a token."""

    def mac(self, data: bytes) -> bytes: ...


class Vault(Protocol):
    """Where the secrets lie. To be used in a ``with`` block."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def load(self) -> AuthorityKeys:
        """Raises ``KeyFileError``: missing, closed, or open to others."""

    def create(self, keys: AuthorityKeys) -> None:
        """Raises ``KeyFileError``: there are keys already."""

    def replace(self, keys: AuthorityKeys) -> None:
        """In one step: after a crash the old record holds, or the new one."""

    def draw_key(self, now: int) -> HeldKey: ...

    def draw_pepper(self, now: int) -> HeldPepper: ...

    def forget(self, held: bytes) -> None:
        """Destroy what no record refers to any more."""

    def signer(self, key: HeldKey) -> Signer: ...

    def pepper(self, held: bytes) -> Pepper: ...


class MemoryPepper:
    """A pepper in memory. It never shows in a ``repr``."""

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
        return HeldPepper(held=secrets.token_bytes(_PEPPER_BYTES), drawn_at=now)

    def forget(self, held: bytes) -> None:
        """It went with the old file."""

    def signer(self, key: HeldKey) -> Signer:
        return key.signer()

    def pepper(self, held: bytes) -> Pepper:
        return MemoryPepper(held)
