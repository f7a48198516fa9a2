"""Which key is in use, which comes next, which came before: rotation with overlap.

A signing key is replaced in two steps, so that nobody has to change anything at the same moment:

    stage      a next key is drawn; its public half is published, and everyone pins both
    activate   the next key signs; the old private key is dropped, its public half stays known

A pepper is replaced in one: a new independent value is drawn, the present one is kept for the
overlap, so that counters under old handles still count, and the one before is dropped. Peppers
have nothing in common: handles of two periods cannot be joined without both.

The authority's sealing key is replaced in the same way: the present one still opens for an
overlap, in which issuers pin the new one. Once it is dropped, what was sealed to it stays closed.

Records only; nothing here reads a file or a clock. ``held`` is the secret itself in a sealed
keystore, and the object's id in a token. Protocol, sections 6 and 11.
"""

from typing import Annotated, Any, Final, Generic, Self, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from gateway.wire.errors import CallerMisuse
from gateway.wire.ids import PartyId, UnixTime, digest_of
from gateway.wire.message import Message
from gateway.wire.sealing import PUBLIC_BYTES

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


class HeldSecret(Message):
    """A secret of the authority that is replaced in one step."""

    held: Held = Field(repr=False)
    drawn_at: UnixTime


class HeldPepper(HeldSecret):
    """A pepper."""


class HeldSealing(HeldSecret):
    """The secret that a sealing key is expanded from, and the public half, which issuers pin."""

    public: Annotated[bytes, Field(min_length=PUBLIC_BYTES, max_length=PUBLIC_BYTES)]


H = TypeVar("H", bound=HeldSecret)


class OverlapRing(Message, Generic[H]):
    """A secret in use, and the one before it while both serve."""

    current: H
    previous: H | None = None

    def rotated(self, drawn: H) -> Self:
        """With a new secret in use, and the present one as the previous."""
        return self.model_copy(update={"current": drawn, "previous": self.current})

    def without_previous(self) -> Self:
        return self.model_copy(update={"previous": None})

    def within(self, overlap: int, now: int) -> Self:
        """Without a previous one whose overlap (in seconds) has passed.

        It was replaced when the current one was drawn.
        """
        if self.previous is not None and self.current.drawn_at + overlap <= now:
            return self.without_previous()
        return self

    def all(self) -> tuple[H, ...]:
        """The current one, then the previous one if there is any."""
        return (self.current,) if self.previous is None else (self.current, self.previous)

    def describe(self, now: int) -> list[dict[str, Any]]:
        """Ages in days, current first."""
        named = zip(("current", "previous"), self.all(), strict=False)
        return [{"use": use, "ageDays": max(0, now - one.drawn_at) // 86_400} for use, one in named]


PepperRing = OverlapRing[HeldPepper]
SealingRing = OverlapRing[HeldSealing]
