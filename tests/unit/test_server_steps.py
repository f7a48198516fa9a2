"""Each numbered step of ``gateway/server/verification.py`` violated alone: a refusal, nothing kept.

The submission is honest but for one thing, and signed after that thing was changed, so no other
step can be what refuses it. What the operator's log says tells which step it was.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from gateway.he.engine import Engine
from gateway.he.evaluation import Evaluation
from gateway.store import repositories as store
from gateway.wire import cbor, cose
from gateway.wire.cose import SigningKey
from gateway.wire.dealing import DEALING_BYTES
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError, Unavailable
from gateway.wire.evaluation import (
    AttemptAnswer,
    AttemptNonce,
    AttemptRequest,
    Decision,
    DecisionResponse,
    MaskedValues,
)
from gateway.wire.ids import digest_of
from gateway.wire.polynomials import FRESH_BYTES, Ciphertext
from gateway.wire.profile import DATA_PRIMES, T
from gateway.wire.sealing import SEALED_PROBE_BYTES, Sealed, SealingPrivateKey, SealingPublicKey
from gateway.wire.submission import Submission
from tests.support.drafts import Opened, ciphertexts, draft
from tests.support.parties import fixed_dealings
from tests.support.samples import (
    ATTEMPTS,
    PROBE,
    PRODUCTS,
    SESSION_KEYS,
    SHARES,
    TEMPLATE,
    Clock,
    occasion,
)
from tests.support.world import World
from tests.vectors import golden

OTHER = digest_of(b"something else")
HOUR = 3600


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


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it should be."""

    says: str
    """What the operator's log holds."""
    parts: dict[str, Any] = field(default_factory=dict)
    """Keywords of ``draft``."""
    template: Callable[[bytes], bytes] = lambda encoded: encoded
    probe: Callable[[bytes], bytes] = lambda encoded: encoded
    top: Callable[[World, Opened], dict[str, Any]] = lambda _world, _opened: {}
    """What replaces a field of the submission."""
    raises: type[SealmatchError] = Refused


def at(seconds: int) -> Callable[[int], int]:
    return lambda now: now + seconds


def resealed(
    name: str,
    what: Sealed,
    plain: bytes,
    to: SealingPublicKey | None = None,
    **scope: bytes,
) -> Callable[[World, Opened], dict[str, Any]]:
    """A field sealed otherwise: to another key, as something else, for another session or key."""

    def make(world: World, opened: Opened) -> dict[str, Any]:
        grant = opened.key.grant.message
        given: dict[str, Any] = {"session": grant.session, "key_id": grant.key_id, **scope}
        return {name: (to or world.sealing.public).seal(what, plain, **given)}

    return make


STRANGER = SigningKey.generate("issuer")
NOBODY = SealingPrivateKey.generate().public
OURS, THEIRS = fixed_dealings("steps")
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
    "3 issuer's name": Fault("parties is not", {"issued": {"issuer": "another"}}),
    "3 device's name": Fault("parties is not", {"made": {"device": "another"}}),
    "4 another template assertion": Fault(
        "template assertion is not", {"made": {"template_assertion_digest": OTHER}}
    ),
    "4 issuer's model": Fault("model is not", {"issued": {"model_digest": OTHER}}),
    "4 issuer's model id": Fault("model is not", {"issued": {"model_id": "test/other"}}),
    "4 device's model": Fault("model is not", {"made": {"model_digest": OTHER}}),
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


def timed(parts: dict[str, Any], now: int) -> dict[str, Any]:
    """Replace offsets by times."""
    return {
        name: {k: v(now) if callable(v) else v for k, v in value.items()}
        if isinstance(value, dict)
        else value
        for name, value in parts.items()
    }


def faulty(world: World, opened: Opened, fault: Fault) -> Submission:
    template, probe = ciphertexts(opened, TEMPLATE, PROBE)
    now = world.clock()
    made = draft(
        world.counter,
        opened,
        fault.template(template),
        fault.probe(probe),
        now,
        **timed(fault.parts, now),
    )
    return made.model_copy(update=fault.top(world, opened))


def reason(error: SealmatchError) -> str:
    return error.detail if isinstance(error, Refused) else str(error)


def assert_nothing_kept(world: World, opened: Opened) -> None:
    assert world.rows("records") == []
    assert world.state(opened) == "FAILED"
    assert world.counters() == {"FAILED": 1}
    assert world.sessions.peek(opened.session) is None


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
    world: World, kind: store.PartyKind
) -> None:
    opened = world.open()
    with world.database.transaction() as connection:
        store.suspend_party(connection, kind, kind)
    with pytest.raises(Refused, match=r"the request is refused") as caught:
        world.submit(opened, faulty(world, opened, Fault("")))
    assert "is not enrolled" in caught.value.detail
    assert [path for path, _ in world.asked] == [SESSION_KEYS]
    assert world.rows("records") == []
    assert world.state(opened) in ("OPEN", "FAILED")


def submit_expecting(
    world: World, raises: type[SealmatchError], says: str
) -> tuple[Opened, SealmatchError]:
    opened = world.open()
    with pytest.raises(raises) as caught:
        world.submit(opened, faulty(world, opened, Fault("")))
    assert says in reason(caught.value)
    assert_nothing_kept(world, opened)
    return opened, caught.value


# Steps 10 to 15: what the authority answers


def answering(path: str, change: Callable[[bytes], bytes]) -> Callable[[str, bytes], bytes]:
    return lambda asked, answer: change(answer) if asked == path else answer


def fail(error: Exception) -> Callable[[bytes], bytes]:
    def change(_: bytes) -> bytes:
        raise error

    return change


def asked(world: World) -> list[str]:
    return [path for path, _ in world.asked]


STEPS = pytest.mark.parametrize("path", [ATTEMPTS, PRODUCTS, SHARES])


@STEPS
def test_steps_10_12_and_13_the_authority_does_not_answer(
    world: World, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again with the very same bytes, and then the session is over."""
    monkeypatch.setattr("gateway.server.authority_client.PAUSE_SECONDS", 0)
    world.alter = answering(path, fail(httpx.ReadError("gone")))
    submit_expecting(world, Unavailable, "does not answer")
    sent = [body for at, body in world.asked if at == path]
    assert len(sent) == 3
    assert len(set(sent)) == 1
    assert asked(world)[-1] == path
    assert len(attempts_of(world)) == 1, "counted once"


def attempts_of(world: World) -> list[Any]:
    with world.authority_service._caps._ledger.reading() as connection:
        return connection.execute("SELECT * FROM attempts").fetchall()


@STEPS
def test_steps_10_12_and_13_an_answer_longer_than_any_message(
    world: World, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.server.authority_client.PAUSE_SECONDS", 0)
    world.alter = answering(path, lambda answer: answer + bytes(2**20))
    submit_expecting(world, Unavailable, "does not answer")


@STEPS
@pytest.mark.parametrize(
    "change",
    [lambda _: b"", lambda _: b"garbage", lambda a: a[:-1], lambda a: a + b"\0", lambda _: b"\xa0"],
    ids=["empty", "garbage", "truncated", "longer", "empty map"],
)
def test_steps_10_12_and_13_an_answer_that_is_no_message(
    world: World, path: str, change: Callable[[bytes], bytes]
) -> None:
    world.alter = answering(path, change)
    submit_expecting(world, Refused, "malformed")
    assert asked(world)[-1] == path


def test_step_10_the_authority_does_not_know_the_issuer(world: World) -> None:
    opened = world.open()
    world.authority_trust.remove("issuer", "issuer")
    with pytest.raises(Refused) as caught:
        world.submit(opened, faulty(world, opened, Fault("")))
    assert caught.value.detail == "the key authority answered 403"
    assert_nothing_kept(world, opened)


SEALED_DEALINGS: dict[str, Fault] = {
    "the gateway's": Fault("", {"dealings": (OURS, OURS)}),
    "another than asserted": Fault("", {"issued": {"authority_dealing_digest": OTHER}}),
    "sealed to the gateway": Fault(
        "", top=resealed("sealed_dealing", Sealed.DEALING, THEIRS.encoded)
    ),
    "sealed for nobody": Fault(
        "", top=resealed("sealed_dealing", Sealed.DEALING, THEIRS.encoded, NOBODY)
    ),
}


@pytest.mark.parametrize("name", SEALED_DEALINGS)
def test_step_10_a_dealing_that_the_authority_cannot_use_costs_no_attempt(
    world: World, name: str
) -> None:
    opened = world.open()
    with pytest.raises(Refused) as caught:
        world.submit(opened, faulty(world, opened, SEALED_DEALINGS[name]))
    assert caught.value.detail.startswith("the key authority answered 40")
    assert_nothing_kept(world, opened)
    assert attempts_of(world) == []
    assert asked(world) == [SESSION_KEYS, ATTEMPTS]


def test_step_10_the_attempt_says_what_the_evaluation_will_depend_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not one value of the evaluation is drawn before the nonce is there."""
    events: list[str] = []
    honest = Evaluation.padded_product

    def evaluate(self: Evaluation, nonce: Any) -> Any:
        events.append("evaluation")
        return honest(self, nonce)

    def watch(path: str, answer: bytes) -> bytes:
        events.append(path)
        return answer

    monkeypatch.setattr(Evaluation, "padded_product", evaluate)
    world.alter = watch
    opened = world.open()
    submission = faulty(world, opened, Fault(""))
    world.submit(opened, submission)
    assert events == [SESSION_KEYS, ATTEMPTS, "evaluation", PRODUCTS, SHARES]
    (request,) = [AttemptRequest.decode(body) for path, body in world.asked if path == ATTEMPTS]
    assert request.template_assertion == submission.template_assertion
    assert request.submission_assertion == submission.submission_assertion
    assert request.policy == world.policy.encode()
    assert request.sealed_dealing == submission.sealed_dealing


def renonced(key: SigningKey, **changes: Any) -> Callable[[bytes], bytes]:
    """The signed nonce with other content, under a signature of ``key``."""

    def change(answer: bytes) -> bytes:
        message = AttemptAnswer.decode(answer)
        stated = cose.peek(message.nonce, AttemptNonce).model_copy(update=changes)
        return message.model_copy(update={"nonce": cose.sign(stated, key).encoded}).encode()

    return change


def altered_nonce(answer: bytes) -> bytes:
    message = AttemptAnswer.decode(answer)
    flipped = message.nonce[:-1] + bytes([message.nonce[-1] ^ 1])
    return message.model_copy(update={"nonce": flipped}).encode()


def with_grant(world: World) -> Callable[[bytes], bytes]:
    def change(answer: bytes) -> bytes:
        grant = cose.sign(golden.GRANT, world.authority_key).encoded
        return AttemptAnswer.decode(answer).model_copy(update={"nonce": grant}).encode()

    return change


NONCES: dict[str, tuple[Callable[[World], Callable[[bytes], bytes]], str]] = {
    "a stranger's": (
        lambda _: renonced(SigningKey.generate("authority")),
        "AttemptNonce: not signed by authority",
    ),
    "the gateway's own": (
        lambda w: renonced(w.service._identity.signing),
        "AttemptNonce: not signed by authority",
    ),
    "another session's": (
        lambda w: renonced(w.authority_key, session=bytes(16)),
        "nonce's session is not",
    ),
    "another request's": (
        lambda w: renonced(w.authority_key, request_digest=OTHER),
        "nonce's request is not",
    ),
    "altered": (lambda _: altered_nonce, "does not verify"),
    "another kind of message": (with_grant, "malformed AttemptNonce"),
}


@pytest.mark.parametrize("name", NONCES)
def test_step_10_without_the_authoritys_nonce_nothing_is_evaluated(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever chooses the nonce may choose what a dishonest probe comes to."""
    change, says = NONCES[name]
    evaluated: list[Any] = []
    honest = Evaluation.padded_product
    monkeypatch.setattr(
        Evaluation, "padded_product", lambda *given: evaluated.append(given) or honest(*given)
    )
    world.alter = answering(ATTEMPTS, change(world))
    submit_expecting(world, Refused, says)
    assert evaluated == []
    assert PRODUCTS not in asked(world)


def test_step_11_a_subject_without_room_gets_no_evaluation(world: World) -> None:
    document = occasion()
    limits = world.service._limits
    world.service._limits = replace(limits, activations_per_subject=1)
    assert world.client.register(TEMPLATE, PROBE, document).outcome == "MATCH"
    world.asked.clear()
    with pytest.raises(Refused):
        world.client.register(TEMPLATE, PROBE, document)
    assert asked(world) == [SESSION_KEYS, ATTEMPTS]
    assert len(attempts_of(world)) == 2, "the attempt counts all the same"
    assert len(world.rows("records")) == 1


VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "another session": ({"session": bytes(16)}, "masked values is not"),
    "t": ({"masked": [T, 0]}, "malformed"),
    "t in the actions' lane": ({"masked": [0, T]}, "malformed"),
    "negative": ({"masked": [0, -1]}, "malformed"),
    "one lane": ({"masked": [0]}, "malformed"),
    "three lanes": ({"masked": [0, 0, 0]}, "malformed"),
    "text": ({"masked": ["0", "0"]}, "malformed"),
}


@pytest.mark.parametrize("name", VALUES)
def test_step_12_masked_values_of_another_session_or_out_of_range(world: World, name: str) -> None:
    changes, says = VALUES[name]

    def change(answer: bytes) -> bytes:
        return cbor.encode({**MaskedValues.decode(answer).to_map(), **changes})

    world.alter = answering(PRODUCTS, change)
    submit_expecting(world, Refused, says)
    assert SHARES not in asked(world)


@pytest.mark.parametrize("lane", [0, 1])
def test_step_15_masked_values_altered_on_the_way(world: World, lane: int) -> None:
    """The authority signs what it answered; this side holds what it got."""

    def change(answer: bytes) -> bytes:
        message = MaskedValues.decode(answer)
        masked = [(v + (i == lane)) % T for i, v in enumerate(message.masked)]
        return message.model_copy(update={"masked": tuple(masked)}).encode()

    world.alter = answering(PRODUCTS, change)
    submit_expecting(world, Refused, "decision is not")


def resigned(key: SigningKey, **changes: Any) -> Callable[[bytes], bytes]:
    """The decision with other content, under a signature of ``key``."""

    def change(answer: bytes) -> bytes:
        response = DecisionResponse.decode(answer)
        decision = cose.peek(response.decision, Decision).model_copy(update=changes)
        return response.model_copy(update={"decision": cose.sign(decision, key).encoded}).encode()

    return change


BOUND = {
    "profile": "bgv8192-1",
    "session": bytes(16),
    "gateway": "another",
    "authority": "another",
    "device": "another",
    "issuer": "another",
    "lanes": 1,
}


def test_step_15_every_field_of_the_decision_is_bound() -> None:
    """The parametrised test below covers all fields but the outcome, which is the answer."""
    assert set(Decision.model_fields) == {*BOUND, *DIGESTS, "version", "outcome"}


DIGESTS = (
    "key_id",
    "probe_digest",
    "template_digest",
    "template_assertion_digest",
    "submission_assertion_digest",
    "policy_digest",
    "model_digest",
    "evaluation_digest",
    "seed_commitment",
)


@pytest.mark.parametrize(("name", "value"), [*BOUND.items(), *((name, OTHER) for name in DIGESTS)])
def test_step_15_a_decision_about_something_else(world: World, name: str, value: Any) -> None:
    world.alter = answering(SHARES, resigned(world.authority_key, **{name: value}))
    submit_expecting(world, Refused, "decision is not")


def test_step_15_a_decision_by_a_stranger(world: World) -> None:
    world.alter = answering(SHARES, resigned(SigningKey.generate("authority")))
    submit_expecting(world, Refused, "Decision: not signed by authority")


def test_step_15_a_signature_of_the_authority_over_another_kind_of_message(world: World) -> None:
    opened = world.open()

    def change(answer: bytes) -> bytes:
        update = {"decision": opened.offer.grant}
        return DecisionResponse.decode(answer).model_copy(update=update).encode()

    world.alter = answering(SHARES, change)
    with pytest.raises(Refused) as caught:
        world.submit(opened, faulty(world, opened, Fault("")))
    assert "malformed Decision" in caught.value.detail
    assert_nothing_kept(world, opened)


def test_step_15_an_altered_signature(world: World) -> None:
    def change(answer: bytes) -> bytes:
        response = DecisionResponse.decode(answer)
        signed = response.decision or b""
        flipped = signed[:-1] + bytes([signed[-1] ^ 1])
        return response.model_copy(update={"decision": flipped}).encode()

    world.alter = answering(SHARES, change)
    submit_expecting(world, Refused, "does not verify")


def test_yesterdays_decision_for_the_same_person_does_not_count(world: World) -> None:
    """A replayed decision names another session; an honest one follows undisturbed."""
    kept: list[bytes] = []

    def keep(answer: bytes) -> bytes:
        kept.append(answer)
        return answer

    world.alter = answering(SHARES, keep)
    world.register(TEMPLATE, PROBE)
    world.alter = answering(SHARES, lambda _: kept[0])
    opened = world.open()
    with pytest.raises(Refused) as caught:
        world.submit(opened, faulty(world, opened, Fault("")))
    assert "decision is not" in caught.value.detail
    assert len(world.rows("records")) == 1
    world.alter = lambda _path, answer: answer
    assert world.register(TEMPLATE, PROBE).outcome == "MATCH"


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
