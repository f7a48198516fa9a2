"""Signed objects: COSE_Sign1 (RFC 9052, section 4.2) with Ed25519 over a message.

The protected header holds the algorithm (1), the key id (4: SHA-256 of the raw public key) and
the type (16, RFC 9596), so that a signature over one kind of message never counts for another. It
also holds the message's CWT claims (15, RFC 9597), if it has any. The unprotected header is empty
and the payload attached; nothing else is accepted. A verifier always says whose signature of which
type it expects: there is no "is this signed by anyone".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Final, Generic, Protocol, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.wire import cbor
from gateway.wire.errors import CallerMisuse, MalformedMessage, Refused
from gateway.wire.ids import Digest, KeyId, PartyId, digest_of
from gateway.wire.message import SMALL, Message

ALG_EDDSA: Final = -8
HEADER_ALG: Final = 1
HEADER_KID: Final = 4
HEADER_CWT_CLAIMS: Final = 15
HEADER_TYP: Final = 16
TAG_SIGN1: Final = b"\xd2"
"""CBOR tag 18."""

MAX_KEYS: Final = 2
"""Keys of one party that a verifier accepts at a time: the old and the new of a rotation."""

M = TypeVar("M", bound=Message)

_PARTS = 4
_SIGNATURE_BYTES = 64
_NO_KEY = bytes(32)


@dataclass(frozen=True)
class VerifyKey:
    """A party's public signing key, as pinned or enrolled."""

    party: PartyId
    raw: bytes
    """Ed25519 public key, 32 bytes."""
    alternate: VerifyKey | None = None
    """The party's other key while it rotates its key; ``verify`` accepts it as well."""

    @cached_property
    def key_id(self) -> KeyId:
        return KeyId(digest_of(self.raw))

    @classmethod
    def pinned(cls, party: PartyId, keys: Sequence[str]) -> VerifyKey:
        """A party's pinned keys in hexadecimal: one, or two during a rotation.

        Raises:
            CallerMisuse: none, or more than two.
        """
        distinct = [cls(party, bytes.fromhex(key)) for key in dict.fromkeys(keys)]
        if not 0 < len(distinct) <= MAX_KEYS:
            raise CallerMisuse("a party has one pinned key, or two")
        return replace(distinct[0], alternate=distinct[1] if distinct[1:] else None)

    @property
    def candidates(self) -> tuple[VerifyKey, ...]:
        """The keys under which this party's signature counts, one or two."""
        return (self,) if self.alternate is None else (self, self.alternate)

    def check(self, signature: bytes, data: bytes) -> None:
        """Raise ``Refused`` unless ``signature`` is this key's over ``data``."""
        try:
            self._public.verify(signature, data)
        except (InvalidSignature, ValueError):
            raise Refused(f"signature of {self.party} does not verify") from None

    @cached_property
    def _public(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.raw)


class Signer(Protocol):
    """An Ed25519 private key, in memory (``Ed25519PrivateKey``) or in a token."""

    def sign(self, data: bytes, /) -> bytes: ...

    def public_key(self) -> Ed25519PublicKey: ...


@dataclass(frozen=True)
class SigningKey:
    """A party's private signing key. The key never shows in a ``repr``."""

    party: PartyId
    private: Signer = field(repr=False)

    @classmethod
    def generate(cls, party: PartyId) -> SigningKey:
        return cls(party, Ed25519PrivateKey.generate())

    @cached_property
    def public(self) -> VerifyKey:
        return VerifyKey(self.party, self.private.public_key().public_bytes_raw())


@dataclass(frozen=True)
class Signed(Generic[M]):
    """A message together with the signed bytes that carried it."""

    message: M
    encoded: bytes = field(repr=False)

    @property
    def digest(self) -> Digest:
        """SHA-256 of the signed object, signature included."""
        return digest_of(self.encoded)


@cache
def media_type(kind: type[Message]) -> str:
    """The ``typ`` of a message: ``application/vnd.sealmatch.session-grant+cbor``."""
    name = "".join(f"-{c.lower()}" if c.isupper() else c for c in kind.__name__).strip("-")
    return f"application/vnd.sealmatch.{name}+cbor"


def sign(message: M, key: SigningKey) -> Signed[M]:
    """Sign a message."""
    payload = message.encode()
    protected = _protected(type(message), key.public.key_id, message.claims())
    signature = key.private.sign(_to_be_signed(protected, payload))
    return Signed(message, TAG_SIGN1 + cbor.encode([protected, {}, payload, signature]))


def verify(encoded: bytes, kind: type[M], key: VerifyKey) -> Signed[M]:
    """Check that ``key``, or its alternate, signed a message of ``kind`` and return it.

    The protected header names the key; only keys of this one party are considered.

    Raises:
        MalformedMessage: not a COSE_Sign1 of our form, or the payload is not a ``kind``.
        Refused: another type, another key, or a signature that does not verify.
    """
    protected, payload, signature = _split(encoded)
    message = kind.decode(payload)
    for candidate in key.candidates:
        if protected == _protected(kind, candidate.key_id, message.claims()):
            candidate.check(signature, _to_be_signed(protected, payload))
            return Signed(message, encoded)
    raise Refused(f"{kind.__name__}: not signed by {key.party}'s key, or of another type")


def peek(encoded: bytes, kind: type[M]) -> M:
    """Read the payload without checking the signature, to learn which key to check it with.

    Raises:
        MalformedMessage: not a COSE_Sign1 of our form, or the payload is not a ``kind``.
    """
    return kind.decode(_split(encoded)[1])


def claims_to_be(encoded: bytes, kind: type[Message]) -> bool:
    """Whether a signed object names this type in its header. No signature is checked.

    Raises:
        MalformedMessage: not a COSE_Sign1 of our form.
    """
    header = cbor.decode(_split(encoded)[0])
    return isinstance(header, dict) and header.get(HEADER_TYP) == media_type(kind)


def named_key(encoded: bytes, kind: type[Message]) -> KeyId:
    """Id of the key that a message without claims names as its signer. No signature is checked.

    Raises:
        MalformedMessage: not a COSE_Sign1 of our form and of this type.
    """
    protected = _split(encoded)[0]
    blank = _protected(kind, KeyId(_NO_KEY), {})
    at = blank.index(_NO_KEY)
    named = KeyId(protected[at : at + len(_NO_KEY)])
    if len(protected) != len(blank) or protected != _protected(kind, named, {}):
        raise MalformedMessage(f"not a signed {kind.__name__}")
    return named


def _protected(kind: type[Message], key_id: KeyId, claims: dict[int, str]) -> bytes:
    header = {HEADER_ALG: ALG_EDDSA, HEADER_KID: key_id, HEADER_TYP: media_type(kind)}
    return cbor.encode(header | ({HEADER_CWT_CLAIMS: claims} if claims else {}))


def _to_be_signed(protected: bytes, payload: bytes) -> bytes:
    return cbor.encode(["Signature1", protected, b"", payload])


def _split(encoded: bytes) -> tuple[bytes, bytes, bytes]:
    if len(encoded) > SMALL or encoded[:1] != TAG_SIGN1:
        raise MalformedMessage("not a COSE_Sign1 object")
    parts = cbor.decode(encoded[1:])
    if not isinstance(parts, list) or len(parts) != _PARTS or parts[1] != {}:
        raise MalformedMessage("not a COSE_Sign1 object")
    protected, _, payload, signature = parts
    if not all(isinstance(part, bytes) for part in (protected, payload, signature)):
        raise MalformedMessage("not a COSE_Sign1 object")
    if len(signature) != _SIGNATURE_BYTES:
        raise MalformedMessage("not a COSE_Sign1 object")
    return protected, payload, signature
