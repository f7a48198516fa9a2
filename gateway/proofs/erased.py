"""Offline verification that a receipt's record was erased, or expired (both leave the same), and
that its consent was withdrawn.

The steps, in order; a receipt that verifies is the condition of all of them:

1. The proof is a valid encoding.
2. The gateway that signed the receipt's statement signed the erasure, or the withdrawal.
3. Its tombstone, or its mark, is that of this very statement, and its day is not before the
   decision's.
4. It stands in the log that the verifier pins, with the cosignatures asked for. A verifier who pins
   no log skips this, and is told so.

The receipt goes on to verify: what was decided is as true as before, and the gateway has forgotten
it.
"""

import datetime
from dataclasses import dataclass
from typing import Final, TypeVar

from gateway.proofs.trust import TrustFile
from gateway.translog.verification import LoggedEntry, LogProofInvalid, verify_log_proof
from gateway.wire import cose
from gateway.wire.erasure import (
    Erasure,
    ErasureProof,
    Withdrawal,
    tombstone,
    withdrawal_mark,
)
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError
from gateway.wire.fallback import FallbackStatement
from gateway.wire.ids import PartyId, digest_of
from gateway.wire.proof import Receipt, Statement
from gateway.wire.rights import WithdrawalProof

_DAY: Final = 24 * 3600
M = TypeVar("M", Erasure, Withdrawal)


class ErasureInvalid(SealmatchError):
    """The proof shows no erasure, or no withdrawal, of this record."""


class NotPublished(ErasureInvalid):
    """It is signed, and the log has not published it yet: ask for the proof again."""


@dataclass(frozen=True)
class Dated:
    """An erasure or a withdrawal that is proven."""

    days: int
    """When: whole days since 1970-01-01."""
    logged: LoggedEntry | None
    """Where the log holds it; None if the verifier pins no log."""

    @property
    def day(self) -> datetime.date:
        return datetime.date(1970, 1, 1) + datetime.timedelta(days=self.days)


def verify_erasure(proof: ErasureProof, receipt: bytes, trust: TrustFile) -> Dated:
    """Check a proof of erasure beside the receipt that it belongs to, which verifies.

    Raises:
        ErasureInvalid: a step fails; the text says which. ``NotPublished`` is one of these.
        UnusableTrustFile: the gateway is not pinned.
    """
    statement = Receipt.decode(receipt).statement
    made = _signed(proof.erasure, Erasure, statement, trust)
    if made.tombstone != tombstone(statement):
        raise ErasureInvalid("this is the erasure of another record")
    return _logged(proof.erasure, proof.log_proof, made.erased_on, statement, trust)


def verify_withdrawal(proof: WithdrawalProof, receipt: bytes, trust: TrustFile) -> Dated:
    """Check that the consent of a receipt was withdrawn. Raises as ``verify_erasure``."""
    statement = Receipt.decode(receipt).statement
    made = _signed(proof.withdrawal, Withdrawal, statement, trust)
    if made.mark != withdrawal_mark(statement):
        raise ErasureInvalid("this is the withdrawal of another consent")
    return _logged(proof.withdrawal, proof.log_proof, made.withdrawn_on, statement, trust)


def _signed(encoded: bytes, kind: type[M], statement: bytes, trust: TrustFile) -> M:
    """Step 2."""
    gateway, _ = _stated(statement)
    try:
        made = cose.verify(encoded, kind, trust.gateway_key(gateway)).message
    except (Refused, MalformedMessage):
        raise ErasureInvalid("the pinned gateway did not sign this") from None
    if made.gateway != gateway:
        raise ErasureInvalid("another gateway signed this")
    return made


def _logged(
    encoded: bytes, log_proof: bytes | None, days: int, statement: bytes, trust: TrustFile
) -> Dated:
    """The day in step 3, and step 4."""
    _, minute = _stated(statement)
    if days < minute // _DAY:
        raise ErasureInvalid("it would have been before the decision")
    if trust.log is None:
        return Dated(days, None)
    if log_proof is None:
        raise NotPublished("the log has not published it yet: fetch it again later")
    try:
        return Dated(days, verify_log_proof(log_proof, digest_of(encoded), trust.log))
    except LogProofInvalid as error:
        raise ErasureInvalid(f"the log does not show it: {error.reason}") from None


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
