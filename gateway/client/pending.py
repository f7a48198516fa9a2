"""What a counter keeps of a submission until it knows the outcome.

It is written before the submission leaves. From then on there may be an outcome, and the same
submission is never decided again. The answer may be lost, the witnesses of the log may be away, or
somebody may press Ctrl-C.
"""

from pydantic import Field

from gateway.client.agreement import ExpectedStatement, require_about, require_expected
from gateway.client.gateway_client import Verification
from gateway.proofs.verify import VerifiedReceipt
from gateway.wire.errors import Refused
from gateway.wire.ids import SessionId, UnixTime, digest_of
from gateway.wire.message import Message, SignedBytes
from gateway.wire.proof import Opening
from gateway.wire.subject import activation_commitment


class PendingReceipt(Message):
    """Kept by the counter alone, never sent."""

    expected: ExpectedStatement
    """What the receipt will say, as far as the counter knew when it submitted."""
    opening: SignedBytes = Field(repr=False)
    """The subscriber's encoded ``Opening``, to be handed over with the receipt."""
    sent_at: UnixTime
    """When the submission was last sent."""

    @property
    def session(self) -> SessionId:
        return self.expected.session

    def require_own(self, answer: Verification, verified: VerifiedReceipt, now: int) -> None:
        """Raise ``Refused`` unless a verified receipt is about this very submission, and says of it
        what was sent. ``now`` is in seconds since 1970."""
        require_about(self.expected.submission_assertion_digest, answer, verified)
        require_expected(self.expected, verified, now)
        opening, stated = Opening.decode(self.opening), verified.statement.message
        claimed = activation_commitment(opening.activation_reference, opening.activation_salt)
        consent = None if opening.consent is None else digest_of(opening.consent)
        if (stated.activation_commitment, stated.consent_digest) != (claimed, consent):
            raise Refused("the receipt is about another activation or consent")
