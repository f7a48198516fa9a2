"""Questions to the key authority within one process, and what it counted.

``ask_*`` send messages that are valid and belong to no evaluation: cheap, where a test is about who
may ask and when. ``OpenSession`` makes the honest ones.
"""

from typing import Any

from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.evaluation import (
    AttemptAnswer,
    AttemptNonce,
    Decision,
    DecisionResponse,
    ProductRequest,
    SharesRequest,
)
from tests.support.parties import AUTHORITY, GATEWAY, OpenSession, any_product


def any_product_request(opened: OpenSession, **changes: Any) -> ProductRequest:
    given = {"session": opened.request.session, "padded_product": any_product(), "omega": 7}
    return ProductRequest(**{**given, **changes})


def any_shares(opened: OpenSession, **changes: Any) -> SharesRequest:
    given = {"session": opened.request.session, "values": (11, 12), "shares": (0, 1)}
    return SharesRequest(**{**given, **changes})


def ask_attempt(opened: OpenSession, sender: SigningKey = GATEWAY, **changes: Any) -> bytes:
    """A new attempt each time: what is sealed is sealed afresh."""
    return bytes(opened.authority.service.count(opened.attempt(**changes), sender.public))


def ask_values(opened: OpenSession, sender: SigningKey = GATEWAY, **changes: Any) -> bytes:
    request = any_product_request(opened, **changes)
    return bytes(opened.authority.service.answer(request, sender.public))


def ask_decision(
    opened: OpenSession, sender: SigningKey = GATEWAY, **changes: Any
) -> DecisionResponse:
    request = any_shares(opened, **changes)
    return DecisionResponse.decode(opened.authority.service.decide(request, sender.public))


def nonce_of(answer: bytes) -> AttemptNonce:
    """What the authority signed for a counted attempt."""
    signed = AttemptAnswer.decode(answer).nonce
    return cose.verify(signed, AttemptNonce, AUTHORITY.public).message


def decision_of(response: DecisionResponse) -> Decision:
    assert response.decision is not None
    return cose.verify(response.decision, Decision, AUTHORITY.public).message


def counted(authority: Any) -> list[bool | None]:
    """The outcome of every attempt on the authority's disk, None where there is none yet."""
    with authority.service._caps._ledger.looking() as unit:
        rows = unit.run("SELECT matched FROM attempts ORDER BY id")
    return [None if matched is None else bool(matched) for (matched,) in rows]
