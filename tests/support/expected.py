"""What a counter expects of a receipt, of a submission that nobody made."""

from __future__ import annotations

from typing import Any

from gateway.client.agreement import ExpectedStatement
from gateway.client.pending import PendingReceipt
from gateway.wire.session import SessionOffer
from tests.support.parties import NOW
from tests.vectors import golden

OFFER = SessionOffer.decode(golden.MESSAGES["session-offer"][0].encode())
EXPECTED = ExpectedStatement.of(
    golden.GRANT,
    OFFER,
    None,
    golden.TEMPLATE,
    golden.SIGNED_SUBMISSION,
    golden.CONSENT,
)


def pending(sent_at: int = NOW, opening: bytes = b"an opening", **changes: Any) -> PendingReceipt:
    """What a counter keeps; ``changes`` are of what it expects."""
    expected = EXPECTED.model_copy(update=changes)
    return PendingReceipt(expected=expected, opening=opening, sent_at=sent_at)
