"""Which key is in use, which comes next, which were before: rotation with overlap.

A signing key is replaced in two steps, so that nobody has to change anything at the same moment:

    stage      a next key is drawn; its public half is published, and everyone pins both
    activate   the next key signs; the old private key is dropped, its public half stays known

A pepper is replaced in one: a new independent value is drawn, the present one is kept for the
overlap, so that counters under old handles still count, and the one before is dropped. Peppers
have nothing in common: handles of two periods cannot be joined without both.

Records only; nothing here reads a file or a clock. ``held`` is the secret itself in a sealed
keystore, and the object's id in a token. Protocol, section 11.
"""

from typing import Annotated, Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import PartyId, UnixTime, digest_of
from gateway.wire.message import Message

KNOWN_OLD_KEYS: Final = 8
"""Public keys before the present one that a ring remembers."""

Held = Annotated[bytes, Field(min_length=16, max_length=32)]
PublicKey = Annotated[bytes, Field(min_length=32, max_length=32)]
"""Raw Ed25519 public key."""


class HeldKey(Message):
    """A signing key of this server."""

    held: Held = Field(repr=False)
    public: PublicKey
    drawn_at: UnixTime

    @classmethod
    def draw(cls, now: int) -> "HeldKey":
        """A new key for a sealed keystore."""
        private = Ed25519PrivateKey.generate()
        return cls(
            held=private.private_bytes_raw(),
            public=private.public_key().public_bytes_raw(),
            drawn_at=now,
        )

    def signer(self) -> Ed25519PrivateKey:
        """The key of a sealed keystore."""
        return Ed25519PrivateKey.from_private_bytes(self.held)


class SigningRing(Message):
    """A server's signing keys."""

    current: HeldKey
    next: HeldKey | None = None
    old_public: Annotated[
        tuple[PublicKey, ...], Field(max_length=KNOWN_OLD_KEYS, strict=False)
    ] = ()
    """Newest first."""

    def staged(self, key: HeldKey) -> "SigningRing":
        """With a next key.

        Raises:
            CallerMisuse: one is staged already; others may have pinned it.
        """
        self.require_none_staged()
        return self.model_copy(update={"next": key})

    def require_none_staged(self) -> None:
        """Raise ``CallerMisuse`` if a next key is there: before another one is drawn."""
        if self.next is not None:
            raise CallerMisuse("a next signing key is staged already; activate it first")

    def activated(self) -> "SigningRing":
        """With the next key as the current one.

        Raises:
            CallerMisuse: none is staged.
        """
        if self.next is None:
            raise CallerMisuse("no next signing key is staged")
        old = (self.current.public, *self.old_public)[:KNOWN_OLD_KEYS]
        return SigningRing(current=self.next, next=None, old_public=old)

    def describe(self, party: PartyId) -> dict[str, Any]:
        """What everyone may know, for ``keys show``."""
        shown: dict[str, Any] = {
            "party": party,
            "publicKey": self.current.public.hex(),
            "keyId": digest_of(self.current.public).hex(),
        }
        if self.next is not None:
            shown["nextPublicKey"] = self.next.public.hex()
            shown["nextKeyId"] = digest_of(self.next.public).hex()
        if self.old_public:
            shown["oldPublicKeys"] = [public.hex() for public in self.old_public]
        return shown


class HeldPepper(Message):
    """A pepper of the authority."""

    held: Held = Field(repr=False)
    drawn_at: UnixTime


class OldPepper(Message):
    """The pepper before the present one."""

    held: Held = Field(repr=False)
    drawn_at: UnixTime
    replaced_at: UnixTime


class PepperRing(Message):
    """The authority's peppers."""

    current: HeldPepper
    previous: OldPepper | None = None

    def rotated(self, pepper: HeldPepper, now: int) -> "PepperRing":
        """With a new pepper in use, and the present one as the previous."""
        before = self.current
        previous = OldPepper(held=before.held, drawn_at=before.drawn_at, replaced_at=now)
        return PepperRing(current=pepper, previous=previous)

    def without_previous(self) -> "PepperRing":
        return PepperRing(current=self.current)

    def within(self, overlap: int, now: int) -> "PepperRing":
        """Without a previous pepper whose overlap (in seconds) has passed."""
        if self.previous is not None and self.previous.replaced_at + overlap <= now:
            return self.without_previous()
        return self

    def describe(self, now: int) -> list[dict[str, Any]]:
        """Ages in days, current first."""
        drawn = [("current", self.current.drawn_at)]
        if self.previous is not None:
            drawn.append(("previous", self.previous.drawn_at))
        return [{"use": use, "ageDays": max(0, now - at) // 86_400} for use, at in drawn]
