"""Openings as files: what each of them opens, and what another file is that stands in its place.

A commitment in a receipt says nothing without its opening. There are two kinds, for two readers:

- the *subscriber's*, which opens the document, and the activation as well;
- the *activation's*, which opens the number or order alone. It is the carrier's.

A carrier that was given the subscriber's opening, before there was another, may use its second
half.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from gateway.wire import cbor
from gateway.wire.errors import BodyTooLarge, MalformedMessage
from gateway.wire.proof import ActivationOpening, Opening, Receipt

MAX_BYTES: Final = Receipt.max_bytes
"""Of any of our files: who reads so much can say which of them was given by mistake."""

M = TypeVar("M", Opening, ActivationOpening)
AnyActivationOpening = ActivationOpening | Opening

RECEIPT: Final = "a receipt"
_SUBSCRIBERS: Final = "the subscriber's opening"
_ACTIVATIONS: Final = "an activation opening"
_KINDS: Final[dict[str, str]] = {
    "statement": RECEIPT,
    "expected": "what a registration without an answer left (see receipt fetch)",
    "subjectSalt": _SUBSCRIBERS,
    "activationSalt": _ACTIVATIONS,
    "erasure": "a proof of erasure",
}
"""By a key that the others do not have; the order counts."""


@dataclass(frozen=True)
class OwnActivation:
    """The number or order that a verifier is about to activate, and what opens the commitment."""

    reference: str = field(repr=False)
    opening: AnyActivationOpening


def subscribers_opening(encoded: bytes) -> Opening:
    """Read the opening that belongs to the subscriber. Raises ``MalformedMessage``."""
    return _decoded(Opening.decode, encoded, _SUBSCRIBERS)


def activation_opening(encoded: bytes) -> AnyActivationOpening:
    """Read whatever opens an activation. Raises ``MalformedMessage``."""
    if kind_of(encoded) == _SUBSCRIBERS:
        return subscribers_opening(encoded)
    return _decoded(ActivationOpening.decode, encoded, _ACTIVATIONS)


def kind_of(encoded: bytes) -> str | None:
    """What a file of ours is, as a person says it; None for anything else."""
    try:
        found = cbor.decode(encoded)
    except MalformedMessage:
        return None
    keys = found.keys() if isinstance(found, dict) else ()
    return next((kind for key, kind in _KINDS.items() if key in keys), None)


def _decoded(decode: Callable[[bytes], M], encoded: bytes, expected: str) -> M:
    found = kind_of(encoded)
    if not encoded:
        raise MalformedMessage("it is empty")
    if found not in (None, expected):
        raise MalformedMessage(f"it is {found}, and not {expected}")
    try:
        return decode(encoded)
    except (MalformedMessage, BodyTooLarge):
        raise MalformedMessage(f"it is not {expected}, or it is damaged") from None
