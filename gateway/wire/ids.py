"""Identifiers and digests as types, so that one cannot stand where another is meant.

Parties are known by the name under which they are enrolled; keys by SHA-256 of the public key.
"""

import hashlib
import secrets
from typing import Annotated, Final, Literal, NewType, get_args

from pydantic import Field, StringConstraints

SessionId = NewType("SessionId", bytes)
RecordId = NewType("RecordId", bytes)
Nonce = NewType("Nonce", bytes)
Digest = NewType("Digest", bytes)
KeyId = NewType("KeyId", bytes)
Commitment = NewType("Commitment", bytes)
SubjectHandle = NewType("SubjectHandle", bytes)
SubjectInner = NewType("SubjectInner", bytes)

DIGEST_BYTES: Final = 32
"""Of SHA-256, which makes all digests and commitments."""

_16 = Field(min_length=16, max_length=16)
_32 = Field(min_length=32, max_length=32)

MOST_VERSIONS: Final = 2**31
"""Versions of consent texts, as databases keep them in 32 bits."""
ConsentTextVersion = Annotated[int, Field(ge=1, lt=MOST_VERSIONS)]
SessionIdField = Annotated[SessionId, _16]
RecordIdField = Annotated[RecordId, _16]
NonceField = Annotated[Nonce, _32]
DigestField = Annotated[Digest, _32]
KeyIdField = Annotated[KeyId, _32]
CommitmentField = Annotated[Commitment, _32]
SubjectHandleField = Annotated[SubjectHandle, _32]
SubjectInnerField = Annotated[SubjectInner, _32]
Salt = Annotated[bytes, _32]

PARTY_PATTERN: Final = r"^[a-z0-9][a-z0-9.-]{0,62}$"
PartyId = Annotated[str, StringConstraints(pattern=PARTY_PATTERN, max_length=63)]
"""An enrolment name or a pseudonym: lower-case letters, digits, dots, hyphens."""

ModelId = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9./_-]*$", min_length=1, max_length=64)
]
Purpose = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]*$", min_length=1, max_length=40)]
ProfileName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9-]+$", min_length=1, max_length=32)
]
MINUTE: Final = 60
"""Seconds. Times that stay are cut to the minute."""
UnixTime = Annotated[int, Field(ge=0, lt=2**40)]
"""Whole seconds since 1970-01-01T00:00:00Z."""

DocumentType = Literal[
    "passport", "id-card", "residence-permit", "driving-licence", "travel-permit", "other"
]
"""Coarse on purpose: the servers see it, and it stands in the subject that is hashed. Which
country's document it is, and what its number must look like, stays at the counter
(``gateway.documents.kinds``)."""
DOCUMENT_TYPES: Final[tuple[DocumentType, ...]] = get_args(DocumentType)


def digest_of(data: bytes) -> Digest:
    """SHA-256."""
    return Digest(hashlib.sha256(data).digest())


def new_session_id(shard: int | None = None) -> SessionId:
    """Random bits, 128 of them; 120 behind a first byte that names the gateway's process."""
    drawn = secrets.token_bytes(16)
    return SessionId(drawn if shard is None else bytes((shard,)) + drawn[1:])


def new_record_id() -> RecordId:
    """128 random bits: what makes the hash of an erased statement unguessable."""
    return RecordId(secrets.token_bytes(16))


def new_nonce() -> Nonce:
    return Nonce(secrets.token_bytes(32))
