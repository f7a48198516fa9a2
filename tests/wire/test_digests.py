"""What a digest tells somebody who guesses (protocol, section 10).

Signed fields outlive the session, and receipts are shown to anyone. A digest of 27 bits alone is
enumerated in minutes; so each signed digest covers at least 128 bits that a holder of the receipt
does not know, or nothing that is a secret. The table says which, for every field; a test attacks
each: it takes away what the table names, and the guess must become right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.wire import cbor
from gateway.wire.audit import AuditDemand, AuditReport, Evaluated
from gateway.wire.dealing import Dealing
from gateway.wire.erasure import Erasure, Withdrawal
from gateway.wire.evaluation import AttemptNonce, AttemptRequest, Decision, evaluation_digest
from gateway.wire.fallback import FallbackApproval, FallbackAssertion, FallbackStatement
from gateway.wire.ids import digest_of
from gateway.wire.liveness import LivenessResult
from gateway.wire.message import Message
from gateway.wire.orders import Agreement, ErasureOrder, Hold, PolicyOrder, ReleaseOrder
from gateway.wire.proof import Statement
from gateway.wire.retention import RetentionRun
from gateway.wire.rights import SubjectRequest
from gateway.wire.session import SessionGrant
from gateway.wire.subject import activation_commitment
from gateway.wire.submission import ConsentRecord, SubmissionAssertion, TemplateAssertion
from tests.support import parties
from tests.vectors import golden
from tests.vectors.golden import SIGNED

DIGEST_BYTES = 32
ENOUGH = 128


@dataclass(frozen=True)
class Covered:
    """What stands behind a digest."""

    bits: int
    """At least so many that no holder of the signed object knows; 0 where nothing is secret."""
    why: str


DRAWN = Covered(256, "is itself 32 drawn bytes")
PUBLIC = Covered(0, "of a published document, or of what stands beside it")
FRESH = Covered(2 * 8192 * 168, "of a ciphertext: its second polynomial alone is a ring-LWE sample")
ASSERTED = Covered(256, "of a signed object with 32 bytes that stay with the authority")

BEHIND: dict[str, Covered] = {
    "key_id": Covered(256, "of a's seed, from both nonces, and b"),
    "client_nonce": DRAWN,
    "gateway_nonce": DRAWN,
    "nonce": DRAWN,
    "request_digest": Covered(256, "of a request with a sealed dealing in it"),
    "probe_digest": FRESH,
    "template_digest": FRESH,
    "template_assertion_digest": ASSERTED,
    "submission_assertion_digest": Covered(256, "of a signed object: the device's signature"),
    "policy_digest": PUBLIC,
    "policy_approval": PUBLIC,
    "previous": PUBLIC,
    "evidence": PUBLIC,
    "model_digest": PUBLIC,
    "evaluation_digest": Covered(256, "of the authority's nonce and all that was exchanged"),
    "seed_commitment": Covered(256, "of the seed"),
    "gateway_dealing_digest": Covered(256, "of a dealing: its first root seed"),
    "authority_dealing_digest": Covered(256, "of a dealing: its first root seed"),
    "subject_inner": Covered(256, "under the site salt; reaches no statement"),
    "subject_commitment": Covered(256, "of a salt, which the subscriber alone has"),
    "activation_commitment": Covered(256, "of a salt, which the subscriber alone has"),
    "erasure_commitment": Covered(256, "of a secret that follows from two salts"),
    "tombstone": Covered(128, "of a signed statement: its record id, and more"),
    "mark": Covered(128, "of a signed statement: its record id, and more"),
    "consent_digest": Covered(256, "of a salt"),
    "liveness_evidence_digest": Covered(256, "of a transcript that names the challenge's nonce"),
    "evidence_digest": Covered(256, "of a transcript that names the challenge's nonce"),
    "demand_digest": Covered(256, "of a demand with a nonce"),
    "evaluated_digest": PUBLIC,
    "schedule_digest": PUBLIC,
    "assertion_digest": Covered(128, "of a signed assertion: its id, and two salted commitments"),
    "salt": DRAWN,
    "order": Covered(256, "of a signed order: its salt"),
    "secret": Covered(256, "of two salts, one of which the subscriber alone has"),
    "agent_key": PUBLIC,
    "supervisor_key": PUBLIC,
}

SIGNED_KINDS: tuple[type[Message], ...] = (
    SessionGrant,
    TemplateAssertion,
    SubmissionAssertion,
    AttemptNonce,
    Decision,
    Evaluated,
    AuditDemand,
    AuditReport,
    LivenessResult,
    Statement,
    Erasure,
    Withdrawal,
    RetentionRun,
    FallbackAssertion,
    FallbackApproval,
    FallbackStatement,
    ErasureOrder,
    ReleaseOrder,
    PolicyOrder,
    Agreement,
    Hold,
    SubjectRequest,
)
"""What is signed, and what stands inside of it."""


def digests_of(kind: type[Message]) -> set[str]:
    """Fields of exactly 32 bytes, by the messages of the vectors."""
    found = set()
    for messages in golden.MESSAGES.values():
        for message in messages:
            if type(message) is kind:
                found |= {
                    name
                    for name in kind.model_fields
                    if isinstance(value := getattr(message, name), bytes)
                    and len(value) == DIGEST_BYTES
                }
    return found


def test_every_signed_kind_is_among_these() -> None:
    assert {type(signed.message) for _, signed in SIGNED.values()} <= set(SIGNED_KINDS)
    assert all(digests_of(kind) for kind in SIGNED_KINDS)


@pytest.mark.parametrize("kind", SIGNED_KINDS, ids=lambda kind: kind.__name__)
def test_every_digest_covers_enough_or_nothing_secret(kind: type[Message]) -> None:
    for name in digests_of(kind):
        covered = BEHIND[name]  # a new field belongs into the table
        assert covered is PUBLIC or covered.bits >= ENOUGH, name


def test_no_other_signed_field_is_as_long_as_a_short_digest() -> None:
    """No byte string of another length could be a digest cut short: ids are 16 drawn bytes."""
    for kind in SIGNED_KINDS:
        for messages in golden.MESSAGES.values():
            for message in messages:
                if type(message) is not kind:
                    continue
                for name, value in message:
                    if isinstance(value, bytes) and len(value) not in {16, DIGEST_BYTES}:
                        whole = {"decision", "audit", "assertion", "approval"}
                        assert name in whole, name  # signed objects


# --- the guess -----------------------------------------------------------------------------------

Make = Callable[..., bytes]
Guess = tuple[str, Make, dict[str, Any], str, list[Any]]
"""Field, its maker, the true arguments, the secret to be guessed, all that it can be."""


def _evaluation(**given: Any) -> bytes:
    return evaluation_digest(**given)


def _consent(**given: Any) -> bytes:
    return ConsentRecord(**given).digest


def _dealing(root: bytes, share: int) -> bytes:
    """The gateway's dealing with another share of r, its first root seed as given."""
    encoded = bytearray(parties.fixed_dealings("digest")[0].encoded)
    encoded[2:34] = root
    encoded[930 - 4 : 930] = share.to_bytes(4, "little")
    return Dealing.decode(bytes(encoded), 0).digest


ROOT = parties.fixed_dealings("digest")[0].lanes[0].key[:32]
SALT = parties.fixed_bytes("salt")
EXCHANGED = {
    "nonce": golden.ATTEMPT_NONCE,
    "product": golden.PRODUCT.digest,
    "omega": 5,
    "masked": (77, 3),
    "values": (2000, 4),
    "shares": (1, 0),
}
CONSENT = {
    "text_version": 1,
    "language": "de",
    "purpose": "sim-activation",
    "given_at": parties.NOW + 17,
    "salt": SALT,
}

GUESSES: dict[str, Guess] = {
    "m of a lane": (
        "nonce",
        _evaluation,
        EXCHANGED,
        "values",
        [(m, 4) for m in range(4096)],
    ),
    "share bits": (
        "nonce",
        _evaluation,
        EXCHANGED,
        "shares",
        [(a, b) for a in (0, 1) for b in (0, 1)],
    ),
    "second of consent": (
        "salt",
        _consent,
        CONSENT,
        "given_at",
        [*range(parties.NOW, parties.NOW + 120)],
    ),
    "language": ("salt", _consent, CONSENT, "language", ["de", "en", "fr", "tr", "ar"]),
    "activation number": (
        "salt",
        lambda salt, reference: activation_commitment(reference, salt),
        {"salt": SALT, "reference": "order 731"},
        "reference",
        [f"order {n}" for n in range(1000)],
    ),
    "half of r": ("root", _dealing, {"root": ROOT, "share": 1234}, "share", [*range(4096)]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", GUESSES)
def test_a_guess_needs_what_the_digest_covers(name: str) -> None:
    """All that it can be is tried: without the covering value in vain, with it found at once."""
    covering, make, true, secret, candidates = GUESSES[name]
    stated = make(**true)
    assert true[secret] in candidates

    def found(given: dict[str, Any]) -> list[Any]:
        return [one for one in candidates if make(**(given | {secret: one})) == stated]

    assert found(true) == [true[secret]]
    unknown = bytes(len(true[covering]))
    assert found(true | {covering: unknown}) == []


def test_a_digest_of_one_number_would_be_found() -> None:
    """The control for the whole table: 12 of the 27 bits, tried one after the other."""
    stated = digest_of(cbor.encode([2019, 4]))
    assert [m for m in range(4096) if digest_of(cbor.encode([m, 4])) == stated] == [2019]


def test_the_request_that_the_nonce_answers_cannot_be_rebuilt() -> None:
    """It holds a sealed dealing: the same attempt sealed again is another request."""
    request = golden.ATTEMPT
    again = parties.fixed_bytes("sealed again", len(request.sealed_dealing))
    other = AttemptRequest.model_validate(
        request.model_dump() | {"sealed_dealing": again}, by_name=True, by_alias=False
    )
    assert other.digest != request.digest
