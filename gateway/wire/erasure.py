"""Erasure of a record: who may ask for it, and what is left afterwards (protocol, 10 and 12).

A statement carries an *erasure commitment*, the hash of a secret that follows from the subscriber's
opening. Whoever shows the secret holds the opening. The gateway learns nothing else from it: no
document, no number, no salt.

What an erased or expired record leaves is an ``Erasure`` with a *tombstone*: a hash of the signed
statement under a label of its own. The log's entry is another hash of the same statement. So the
subscriber, who has the statement in the receipt, can say that both belong together. Nobody else
can: the statement holds 128 random bits. The same object is left when the retention period ends and
when the subject asked.
"""

import hashlib
from typing import Annotated, Final

from pydantic import Field

from gateway.wire.ids import (
    Commitment,
    ConsentTextVersion,
    Digest,
    DigestField,
    PartyId,
    RecordIdField,
)
from gateway.wire.message import SMALL, Message, SignedBytes

_SECRET_LABEL: Final = b"sealmatch/erasure-secret/1"
_LOCK_LABEL: Final = b"sealmatch/erasure-lock/1"
_ERASED_LABEL: Final = b"sealmatch/erased/1"
_WITHDRAWN_LABEL: Final = b"sealmatch/withdrawn/1"

SECRET_BYTES: Final = 32
MAX_DAY: Final = 10**6
"""Days since 1970-01-01: until the year 4707."""

Day = Annotated[int, Field(ge=0, lt=MAX_DAY)]
"""Whole days since 1970-01-01."""
ErasureSecret = Annotated[
    bytes, Field(min_length=SECRET_BYTES, max_length=SECRET_BYTES, repr=False)
]


def erasure_secret(subject_salt: bytes, activation_salt: bytes) -> bytes:
    """The secret of an opening's holder, 32 bytes, from both salts of 32 bytes."""
    return hashlib.sha256(_SECRET_LABEL + b"\0" + subject_salt + activation_salt).digest()


def erasure_commitment(secret: bytes) -> Commitment:
    """What the statement says about the secret."""
    return Commitment(hashlib.sha256(_LOCK_LABEL + b"\0" + secret).digest())


def tombstone(statement: bytes) -> Digest:
    """What stays of a signed statement that was erased."""
    return Digest(hashlib.sha256(_ERASED_LABEL + b"\0" + statement).digest())


def withdrawal_mark(statement: bytes) -> Digest:
    """What stays of a signed statement whose consent was withdrawn. Neither the mark nor the
    tombstone tells the other. (That both were logged together does: THREAT_MODEL.)"""
    return Digest(hashlib.sha256(_WITHDRAWN_LABEL + b"\0" + statement).digest())


class Erasure(Message):
    """Signed by the gateway: a record is gone. Its digest is an entry of the log."""

    gateway: PartyId
    """Who signs."""
    erasure_id: RecordIdField
    """128 random bits, so that the entry tells nothing."""
    tombstone: DigestField
    """Of the signed statement that was erased."""
    erased_on: Day
    """Cut to the day: a time would tell a request from a run of the reaper."""


class Withdrawal(Message):
    """Signed by the gateway: a consent was withdrawn. Its digest is an entry of the log."""

    gateway: PartyId
    """Who signs."""
    withdrawal_id: RecordIdField
    """128 random bits."""
    mark: DigestField
    """Of the signed statement whose consent it was."""
    consent_text_version: ConsentTextVersion
    """To which of the texts it had been given."""
    withdrawn_on: Day
    """Cut to the day."""


class ErasureProof(Message):
    """What a subscriber keeps beside the receipt of an erased record."""

    max_bytes = 4 * SMALL

    erasure: SignedBytes
    """A signed ``Erasure``."""
    log_proof: Annotated[bytes, Field(max_length=2 * SMALL)] | None = Field(repr=False)
    """A C2SP ``tlog-proof`` of it; null until the log has published it."""
