"""Offline verification that the record of a receipt was erased, or expired: both leave the same.

The steps, in order; a receipt that verifies is the condition of all of them:

1. The proof is a valid encoding.
2. The gateway that signed the receipt's statement signed the erasure.
3. Its tombstone is that of this very statement, and its day is not before the decision's.
4. The erasure stands in the log that the verifier pins, with the cosignatures asked for. A verifier
   who pins no log skips this, and is told so.

The receipt goes on to verify: what was decided is as true as before, and the gateway has forgotten
it.
"""

import datetime
from dataclasses import dataclass
from typing import Final

from gateway.proofs.trust import TrustFile
from gateway.translog.verification import LoggedEntry, LogProofInvalid, verify_log_proof
from gateway.wire import cose
from gateway.wire.erasure import Erasure, ErasureProof, tombstone
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError
from gateway.wire.fallback import FallbackStatement
from gateway.wire.ids import PartyId, digest_of
from gateway.wire.proof import Receipt, Statement

_DAY: Final = 24 * 3600


class ErasureInvalid(SealmatchError):
    """The proof shows no erasure of this record."""


class NotPublished(ErasureInvalid):
    """The erasure is signed, and the log has not published it yet: ask for the proof again."""


@dataclass(frozen=True)
class VerifiedErasure:
    """An erasure that is proven."""

    erased_on: int
    """Whole days since 1970-01-01."""
    logged: LoggedEntry | None
    """Where the log holds it; None if the verifier pins no log."""

    @property
    def day(self) -> datetime.date:
        return datetime.date(1970, 1, 1) + datetime.timedelta(days=self.erased_on)


def verify_erasure(proof: ErasureProof, receipt: bytes, trust: TrustFile) -> VerifiedErasure:
    """Check a proof of erasure beside the receipt that it belongs to, which verifies.

    Raises:
        ErasureInvalid: a step fails; the text says which. ``NotPublished`` is one of these.
        UnusableTrustFile: the gateway is not pinned.
    """
    statement = Receipt.decode(receipt).statement
    gateway, minute = _stated(statement)
    # 2: by the same gateway
    try:
        made = cose.verify(proof.erasure, Erasure, trust.gateway_key(gateway))
    except (Refused, MalformedMessage):
        raise ErasureInvalid("the pinned gateway did not sign this erasure") from None
    # 3: of this very record
    if made.message.gateway != gateway:
        raise ErasureInvalid("another gateway signed this erasure")
    if made.message.tombstone != tombstone(statement):
        raise ErasureInvalid("this is the erasure of another record")
    if made.message.erased_on < minute // _DAY:
        raise ErasureInvalid("the record would have been erased before it was decided")
    # 4: in the log
    if trust.log is None:
        return VerifiedErasure(made.message.erased_on, None)
    if proof.log_proof is None:
        raise NotPublished("the log has not published the erasure yet: fetch it again later")
    try:
        logged = verify_log_proof(proof.log_proof, digest_of(proof.erasure), trust.log)
    except LogProofInvalid as error:
        raise ErasureInvalid(f"the log does not show the erasure: {error.reason}") from None
    return VerifiedErasure(made.message.erased_on, logged)


def _stated(statement: bytes) -> tuple[PartyId, int]:
    """Which gateway signed a statement of either kind, and of which minute it is."""
    try:
        decided = cose.peek(statement, Statement)
    except MalformedMessage:
        fallback = cose.peek(statement, FallbackStatement)
        return fallback.gateway, fallback.recorded_at_minute
    return decided.gateway, decided.decided_at_minute


def read_erasure(encoded: bytes) -> ErasureProof:
    """Step 1. Raises ``ErasureInvalid``."""
    try:
        return ErasureProof.decode(encoded)
    except SealmatchError:
        raise ErasureInvalid("this is no proof of an erasure, or it is damaged") from None
