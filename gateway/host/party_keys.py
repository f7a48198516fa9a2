"""The keys of a party that signs, and how its signing key is replaced (``keyring``)."""

from typing import Annotated, Any, Self, TypeVar

from pydantic import Field

from gateway.host.keyfile import KeyFileError
from gateway.host.keyring import HeldKey, SigningRing
from gateway.host.sealed_keys import SealedKeys
from gateway.wire.cose import SigningKey
from gateway.wire.ids import PartyId
from gateway.wire.message import Message
from gateway.wire.sealing import PRIVATE_BYTES, SealingPrivateKey


class PartyKeys(Message):
    """What every keystore of a party that signs holds."""

    party: PartyId
    signing: SigningRing

    def owned_by(self, party: PartyId) -> Self:
        """These keys. Raises ``KeyFileError`` unless they belong to the party in the settings."""
        if self.party != party:
            raise KeyFileError(
                f"these are the keys of {self.party}, the settings name another party"
            )
        return self

    def staged(self, key: HeldKey) -> Self:
        """As ``SigningRing.staged``."""
        return self.model_copy(update={"signing": self.signing.staged(key)})

    def activated(self) -> Self:
        """As ``SigningRing.activated``."""
        return self.model_copy(update={"signing": self.signing.activated()})


class RecipientKeys(PartyKeys):
    """What the keystore of a party holds that signs messages and opens messages sealed to it."""

    sealing: Annotated[bytes, Field(min_length=PRIVATE_BYTES, max_length=PRIVATE_BYTES)] = Field(
        repr=False
    )

    @property
    def signing_key(self) -> SigningKey:
        return SigningKey(self.party, self.signing.current.signer())

    @property
    def sealing_key(self) -> SealingPrivateKey:
        return SealingPrivateKey.from_raw(self.sealing)

    def describe(self) -> dict[str, Any]:
        """What everyone may know, for ``keys show``."""
        sealing = self.sealing_key.public.raw.hex()
        return {**self.signing.describe(self.party), "sealingKey": sealing}


P = TypeVar("P", bound=PartyKeys)


class PartyKeystore(SealedKeys[P]):
    """Sealed keys whose signing key rotates."""

    def stage_signing_key(self, now: int) -> P:
        """Draw the next signing key; it signs nothing yet.

        Raises:
            CallerMisuse: one is staged already.
            KeyFileError: as ``read``.
        """
        return self.change(lambda keys: keys.staged(HeldKey.draw(now)))

    def activate_signing_key(self) -> P:
        """Make the next signing key the current one; the old private key is dropped.

        Raises:
            CallerMisuse: none is staged.
            KeyFileError: as ``read``.
        """
        return self.change(lambda keys: keys.activated())
