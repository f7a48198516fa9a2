"""What a counter keeps of a submission until it knows the outcome.

It is written before the submission leaves. From then on there may be an outcome, and the same
submission is never decided again. The answer may be lost, the witnesses of the log may be away, or
somebody may press Ctrl-C.
"""

from pydantic import Field

from gateway.client.gateway_client import Verification
from gateway.proofs.verify import VerifiedReceipt
from gateway.wire.errors import Refused
from gateway.wire.ids import Digest, DigestField, SessionIdField, UnixTime
from gateway.wire.message import Message, SignedBytes
from gateway.wire.proof import Opening
from gateway.wire.subject import activation_commitment


class PendingReceipt(Message):
    """Kept by the counter alone, never sent."""

    session: SessionIdField
    submission_assertion_digest: DigestField
    opening: SignedBytes = Field(repr=False)
    """The subscriber's encoded ``Opening``, to be handed over with the receipt."""
    sent_at: UnixTime
    """When the submission was last sent."""

    def require_own(self, answer: Verification, verified: VerifiedReceipt) -> None:
        """Raise ``Refused`` unless a verified receipt is about this very submission."""
        require_about(self.submission_assertion_digest, answer, verified)
        opening, stated = Opening.decode(self.opening), verified.statement.message
        claimed = activation_commitment(opening.activation_reference, opening.activation_salt)
        if stated.session != self.session or stated.activation_commitment != claimed:
            raise Refused("the receipt is about another session or activation")


def require_about(assertion: Digest, answer: Verification, verified: VerifiedReceipt) -> None:
    """Raise ``Refused`` unless a verified receipt agrees with the gateway's answer and is about the
    submission that the device signed in this assertion."""
    decision, statement = verified.decision.message, verified.statement.message
    about_this = (
        decision.submission_assertion_digest == assertion
        and decision.outcome == answer.outcome
        and statement.record_id == answer.record_id
    )
    if not about_this:
        raise Refused("the receipt is about another submission or outcome")
