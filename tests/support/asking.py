"""Questions to the key authority within one process."""

from typing import Any

from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.evaluation import BlindedRows, Decision, DecisionResponse
from tests.support.parties import (
    AUTHORITY,
    GATEWAY,
    OpenSession,
    any_product,
    any_rows,
)


def ask(opened: OpenSession, sender: SigningKey = GATEWAY, **changes: Any) -> bytes:
    """Answer to a masked product that belongs to no key, with honest assertions."""
    changes.setdefault("masked_product", any_product())
    return opened.authority.service.encrypt_bits(opened.product(**changes), sender.public)


def answer(
    opened: OpenSession, rows: bytes | None = None, sender: SigningKey = GATEWAY
) -> DecisionResponse:
    message = BlindedRows(
        session=opened.request.session, blinded_rows=any_rows() if rows is None else rows
    )
    return DecisionResponse.decode(opened.authority.service.decide(message, sender.public))


def decision_of(response: DecisionResponse) -> Decision:
    return cose.verify(response.decision, Decision, AUTHORITY.public).message
