"""Steps 1 to 9 of ``gateway/server/verification.py``, each violated alone: a refusal, nothing kept.

The submission is honest but for one thing, and signed after that thing was changed, so no other
step can be what refuses it. What the operator's log says tells which step it was.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.he.engine import Engine
from gateway.store import parties
from gateway.wire import cose
from gateway.wire.admin import PartyKind
from gateway.wire.cose import SigningKey
from gateway.wire.dealing import DEALING_BYTES
from gateway.wire.errors import MalformedMessage, Refused
from gateway.wire.ids import digest_of
from gateway.wire.polynomials import FRESH_BYTES, Ciphertext
from gateway.wire.profile import DATA_PRIMES
from gateway.wire.proof import Receipt, Statement
from gateway.wire.quality import QualityRule
from gateway.wire.sealing import SEALED_PROBE_BYTES, Sealed
from tests.support.drafts import ciphertexts, draft
from tests.support.faults import (
    NOBODY,
    OTHER,
    OURS,
    THEIRS,
    Fault,
    assert_nothing_kept,
    at,
    faulty,
    reason,
    resealed,
)
from tests.support.samples import PROBE, QUALITY, SESSION_KEYS, TEMPLATE, Clock
from tests.support.world import NO_LIMITS, World
from tests.vectors import golden


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, clock=Clock()) as world:
        yield world


def residue_at_prime(encoded: bytes) -> bytes:
    """The first residue of an encoding, replaced by its prime."""
    return encoded[:2] + DATA_PRIMES[0].to_bytes(7, "little") + encoded[9:]


def zero_polynomial(encoded: bytes) -> bytes:
    """An encoding whose second polynomial is zero."""
    half = (len(encoded) - 2) // 2
    return encoded[: 2 + half] + bytes(half)


UNCALIBRATED = QUALITY.model_copy(update={"outcome": "uncalibrated"})
STRANGER = SigningKey.generate("issuer")
ANY_TEMPLATE, ANY_PROBE = bytes(FRESH_BYTES + DEALING_BYTES), bytes(FRESH_BYTES)
STRANGE_DEVICE = SigningKey.generate("device")
LATE, EARLY = at(61), at(-15 * 60 - 1)

FAULTS: dict[str, Fault] = {
    "1 template assertion by a stranger": Fault(
        "TemplateAssertion: not signed by issuer", {"issuer_key": STRANGER}
    ),
    "2 submission assertion by a stranger": Fault(
        "SubmissionAssertion: not signed by device", {"device_key": STRANGE_DEVICE}
    ),
    "3 session of the submission": Fault("session is not", {"top": {"session": bytes(16)}}),
    "3 session of the template assertion": Fault("session is", {"issued": {"session": bytes(16)}}),
    "3 session of the submission assertion": Fault("session is", {"made": {"session": bytes(16)}}),
    "3 key of the template assertion": Fault("key is not", {"issued": {"key_id": OTHER}}),
    "3 key of the submission assertion": Fault("key is not", {"made": {"key_id": OTHER}}),
    "3 key of both assertions": Fault(
        "key is not", {"issued": {"key_id": OTHER}, "made": {"key_id": OTHER}}
    ),
    "3 issuer's name": Fault("parties is not", {"issued": {"issuer": "another"}}),
    "3 device's name": Fault("parties is not", {"made": {"device": "another"}}),
    "4 another template assertion": Fault(
        "template assertion is not", {"made": {"template_assertion_digest": OTHER}}
    ),
    "4 issuer's model": Fault("model is not", {"issued": {"model_digest": OTHER}}),
    "4 issuer's model id": Fault("model is not", {"issued": {"model_id": "test/other"}}),
    "4 device's model": Fault("model is not", {"made": {"model_digest": OTHER}}),
    "4 portrait through no calibrated gate": Fault(
        "quality is not", {"issued": {"quality": UNCALIBRATED}}
    ),
    "4 live pictures through no calibrated gate": Fault(
        "quality is not", {"made": {"quality": UNCALIBRATED}}
    ),
    "5 template issued long ago": Fault("time is not", {"issued": {"issued_at": EARLY}}),
    "5 template issued in the future": Fault("time is not", {"issued": {"issued_at": LATE}}),
    "5 captured long ago": Fault("time is not", {"made": {"captured_at": EARLY}}),
    "5 captured in the future": Fault("time is not", {"made": {"captured_at": LATE}}),
    "5 consent given long ago": Fault("time is not", {"consented": {"given_at": EARLY}}),
    "5 consent given in the future": Fault("time is not", {"consented": {"given_at": LATE}}),
    "6 signed for another purpose": Fault("purpose is not", {"made": {"purpose": "credit"}}),
    "6 consent to another purpose": Fault("purpose is not", {"consented": {"purpose": "credit"}}),
    "6 both to another purpose": Fault(
        "purpose is not", {"made": {"purpose": "credit"}, "consented": {"purpose": "credit"}}
    ),
    "6 another text": Fault("consent text is not", {"consented": {"text_version": 2}}),
    "6 another consent than signed": Fault("consent is not", {"made": {"consent_digest": OTHER}}),
    "7 unsigned evidence": Fault(
        "liveness evidence is not", {"top": {"liveness_evidence": b"frames"}}
    ),
    "7 evidence signed but absent": Fault(
        "liveness evidence is not", {"made": {"liveness_evidence_digest": OTHER}}
    ),
    "7 evidence that nobody asked for": Fault(
        "liveness evidence was not asked for",
        {
            "top": {"liveness_evidence": golden.TRANSCRIPT.encode()},
            "made": {"liveness_evidence_digest": golden.TRANSCRIPT.digest},
        },
    ),
    "7 evidence that is none": Fault(
        "not deterministic CBOR",
        {
            "top": {"liveness_evidence": b"frames"},
            "made": {"liveness_evidence_digest": digest_of(b"frames")},
        },
        raises=MalformedMessage,
    ),
    "8 sealed to another key": Fault("sealed template does not open", {"sealing": NOBODY}),
    "8 sealed for another session": Fault(
        "sealed template does not open", {"sealed_for": bytes(16)}
    ),
    "8 sealed for another key": Fault(
        "sealed template does not open",
        top=resealed("sealed_template", Sealed.TEMPLATE, ANY_TEMPLATE, key_id=OTHER),
    ),
    "8 sealed as something else": Fault(
        "sealed template does not open",
        top=resealed("sealed_template", Sealed.PROBE, ANY_TEMPLATE),
    ),
    "8 another template": Fault("template is not", {"issued": {"template_digest": OTHER}}),
    "8 residue at its prime": Fault(
        "not below its prime", template=residue_at_prime, raises=MalformedMessage
    ),
    "8 zero polynomial": Fault("all-zero", template=zero_polynomial, raises=MalformedMessage),
    "8 another format": Fault(
        "unknown header", template=lambda e: b"\2" + e[1:], raises=MalformedMessage
    ),
    "8 three polynomials": Fault(
        "unknown header", template=lambda e: e[:1] + b"\3" + e[2:], raises=MalformedMessage
    ),
    "8 another dealing": Fault("dealing is not", {"issued": {"gateway_dealing_digest": OTHER}}),
    "8 the authority's dealing, sealed and asserted": Fault(
        "not this party's dealing", {"dealings": (THEIRS, OURS)}, raises=MalformedMessage
    ),
    "8 dealings asserted the wrong way round": Fault(
        "dealing is not",
        {
            "dealings": (OURS, THEIRS),
            "issued": {
                "gateway_dealing_digest": THEIRS.digest,
                "authority_dealing_digest": OURS.digest,
            },
        },
    ),
    "9 sealed to another key": Fault(
        "sealed probe does not open",
        top=resealed("sealed_probe", Sealed.PROBE, ANY_PROBE, NOBODY),
    ),
    "9 sealed for another session": Fault(
        "sealed probe does not open",
        top=resealed("sealed_probe", Sealed.PROBE, ANY_PROBE, session=bytes(16)),
    ),
    "9 sealed for another key": Fault(
        "sealed probe does not open",
        top=resealed("sealed_probe", Sealed.PROBE, ANY_PROBE, key_id=OTHER),
    ),
    "9 sealed as a template": Fault(
        "sealed probe does not open",
        top=resealed("sealed_probe", Sealed.TEMPLATE, ANY_PROBE),
    ),
    "9 not sealed": Fault(
        "sealed probe does not open",
        top=lambda _world, _opened: {"sealed_probe": bytes(SEALED_PROBE_BYTES)},
    ),
    "9 another probe": Fault("probe is not", {"made": {"probe_digest": OTHER}}),
    "9 residue at its prime": Fault(
        "not below its prime", probe=residue_at_prime, raises=MalformedMessage
    ),
    "9 zero polynomial": Fault("all-zero", probe=zero_polynomial, raises=MalformedMessage),
    "9 another format": Fault(
        "unknown header", probe=lambda e: b"\2" + e[1:], raises=MalformedMessage
    ),
}


def test_without_a_fault_the_same_submission_matches(world: World) -> None:
    opened = world.open()
    view = world.submit(opened, faulty(world, opened, Fault("")))
    assert view.outcome == "MATCH"
    assert world.counters() == {"MATCH": 1}
    assert len(world.rows("records")) == 1


@pytest.mark.parametrize(
    "offset", [{"issued": {"issued_at": at(60)}}, {"made": {"captured_at": at(-15 * 60)}}]
)
def test_times_at_the_edge_are_fresh(world: World, offset: dict[str, Any]) -> None:
    opened = world.open()
    assert world.submit(opened, faulty(world, opened, Fault("", offset))).outcome == "MATCH"


@pytest.mark.parametrize(("rule", "goes_on"), [("required", False), ("optional", True)])
def test_step_4_the_quality_that_each_signed_stands_in_the_statement(
    tmp_path: Path, rule: QualityRule, goes_on: bool
) -> None:
    """Where the operator goes on without a calibrated gate, the statement says whose it was."""
    limits = replace(NO_LIMITS, quality=rule)
    with World(tmp_path, clock=Clock(), limits=limits) as world:
        opened = world.open()
        submission = faulty(world, opened, Fault("", {"made": {"quality": UNCALIBRATED}}))
        if not goes_on:
            with pytest.raises(Refused):
                world.submit(opened, submission)
            return
        receipt = Receipt.decode(world.submit(opened, submission).receipt or b"")
    stated = cose.peek(receipt.statement, Statement)
    assert stated.portrait_quality == QUALITY
    assert stated.live_quality == UNCALIBRATED


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_submission_is_refused_before_the_authority_hears_of_it(
    world: World, name: str
) -> None:
    fault, opened = FAULTS[name], world.open()
    submission = faulty(world, opened, fault)
    with pytest.raises(fault.raises) as caught:
        world.submit(opened, submission)
    assert fault.says in reason(caught.value)
    assert [path for path, _ in world.asked] == [SESSION_KEYS]
    assert_nothing_kept(world, opened)


@pytest.mark.parametrize("kind", ["issuer", "device"])
def test_steps_1_and_2_a_party_suspended_since_the_session_was_opened(
    world: World, kind: PartyKind
) -> None:
    opened = world.open()
    with world.database.transaction() as connection:
        parties.suspend_party(connection, kind, kind)
    with pytest.raises(Refused, match=r"the request is refused") as caught:
        world.submit(opened, faulty(world, opened, Fault("")))
    assert "not enrolled" in caught.value.detail
    assert [path for path, _ in world.asked] == [SESSION_KEYS]
    assert world.rows("records") == []
    assert world.state(opened) in ("OPEN", "FAILED")


# Ciphertexts that are no encryptions: only an issuer and a device together can make both


def test_inputs_that_cancel_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By chance alone, and never in practice; SEAL has an exception of its own for it."""
    opened = world.open()
    submission = faulty(world, opened, Fault(""))

    def transparent(*_: object) -> Any:
        raise RuntimeError("result ciphertext is transparent")

    monkeypatch.setattr(Engine, "folded_square", transparent)
    with pytest.raises(Refused) as caught:
        world.submit(opened, submission)
    assert "cancel" in caught.value.detail
    assert_nothing_kept(world, opened)


@pytest.mark.parametrize("polynomials", [1, 2])
def test_inputs_that_are_nearly_zero_are_evaluated_like_any(world: World, polynomials: int) -> None:
    """One word of a polynomial is not zero: a score of noise, and no fault of the server's."""
    opened = world.open()
    template, probe = (Ciphertext.decode(c).words for c in ciphertexts(opened, TEMPLATE, PROBE))
    sparse = []
    for words in (template, probe):
        made = np.zeros_like(words)
        made[0] = words[0]
        for polynomial in range(2 - polynomials, 2):
            made[polynomial] = 0
            made[polynomial, :, 0] = words[polynomial, :, 0]
        sparse.append(Ciphertext(made).encoded)
    view = world.submit(opened, draft(world.counter, opened, *sparse, world.clock()))
    assert view.outcome in ("MATCH", "NO_MATCH")  # noise is accepted once in 2^14
    assert len(world.rows("records")) == 1
