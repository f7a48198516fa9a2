"""Each numbered step of ``gateway/server/verification.py`` violated alone: a refusal, nothing kept.

The submission is honest but for one thing, and signed after that thing was changed, so no other
step can be what refuses it. What the operator's log says tells which step it was.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from gateway.store import repositories as store
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError, Unavailable
from gateway.wire.evaluation import Decision, DecisionResponse, EncryptedBits
from gateway.wire.ids import digest_of
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import DATA_PRIMES
from gateway.wire.sealing import SealingPrivateKey
from tests.support.drafts import Opened, ciphertexts, draft
from tests.support.samples import MASKED, PROBE, ROWS, SESSION_KEYS, TEMPLATE, Clock
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
    raises: type[SealmatchError] = Refused


def at(seconds: int) -> Callable[[int], int]:
    return lambda now: now + seconds


STRANGER = SigningKey.generate("issuer")
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
    "8 sealed to another key": Fault(
        "sealed template does not open", {"sealing": SealingPrivateKey.generate().public}
    ),
    "8 sealed for another session": Fault(
        "sealed template does not open", {"sealed_for": bytes(16)}
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


def faulty(world: World, opened: Opened, fault: Fault) -> Any:
    template, probe = ciphertexts(opened, TEMPLATE, PROBE)
    now = world.clock()
    return draft(
        world.counter,
        opened,
        fault.template(template),
        fault.probe(probe),
        now,
        **timed(fault.parts, now),
    )


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


# Steps 10 to 13: what the authority answers


def answering(path: str, change: Callable[[bytes], bytes]) -> Callable[[str, bytes], bytes]:
    return lambda asked, answer: change(answer) if asked == path else answer


def fail(error: Exception) -> Callable[[bytes], bytes]:
    def change(_: bytes) -> bytes:
        raise error

    return change


@pytest.mark.parametrize("path", [MASKED, ROWS])
def test_steps_10_and_12_the_authority_does_not_answer(
    world: World, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.server.authority_client.PAUSE_SECONDS", 0)
    world.alter = answering(path, fail(httpx.ReadError("gone")))
    submit_expecting(world, Unavailable, "does not answer")
    assert [asked for asked, _ in world.asked].count(path) == 3


@pytest.mark.parametrize("path", [MASKED, ROWS])
def test_steps_10_and_12_an_answer_longer_than_any_message(
    world: World, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.server.authority_client.PAUSE_SECONDS", 0)
    world.alter = answering(path, lambda answer: answer + bytes(2**20))
    submit_expecting(world, Unavailable, "does not answer")


def test_step_10_the_authority_does_not_know_the_issuer(world: World) -> None:
    opened = world.open()
    world.authority_trust.remove("issuer", "issuer")
    with pytest.raises(Refused) as caught:
        world.submit(opened, faulty(world, opened, Fault("")))
    assert caught.value.detail == "the key authority answered 403"
    assert_nothing_kept(world, opened)


@pytest.mark.parametrize("path", [MASKED, ROWS])
@pytest.mark.parametrize(
    "change",
    [lambda _: b"", lambda _: b"garbage", lambda a: a[:-1], lambda a: a + b"\0", lambda _: b"\xa0"],
    ids=["empty", "garbage", "truncated", "longer", "empty map"],
)
def test_steps_11_and_12_an_answer_that_is_no_message(
    world: World, path: str, change: Callable[[bytes], bytes]
) -> None:
    world.alter = answering(path, change)
    submit_expecting(world, Refused, "malformed")


@pytest.mark.parametrize(
    ("update", "says"),
    [
        (lambda m: {"session": bytes(16)}, "encrypted bits is not"),
        (lambda m: {"encrypted_bits": residue_at_prime(m.encrypted_bits)}, "malformed ciphertext"),
        (lambda m: {"encrypted_bits": zero_polynomial(m.encrypted_bits)}, "malformed ciphertext"),
        (lambda m: {"encrypted_bits": b"\2" + m.encrypted_bits[1:]}, "malformed ciphertext"),
    ],
    ids=["another session", "residue at its prime", "zero polynomial", "another format"],
)
def test_step_11_bits_that_are_not_for_this_session_or_not_canonical(
    world: World, update: Callable[[EncryptedBits], dict[str, Any]], says: str
) -> None:
    def change(answer: bytes) -> bytes:
        message = EncryptedBits.decode(answer)
        return message.model_copy(update=update(message)).encode()

    world.alter = answering(MASKED, change)
    submit_expecting(world, Refused, says)
    assert ROWS not in [path for path, _ in world.asked]


def resigned(key: SigningKey, **changes: Any) -> Callable[[bytes], bytes]:
    """The decision with other content, under a signature of ``key``."""

    def change(answer: bytes) -> bytes:
        response = DecisionResponse.decode(answer)
        decision = cose.peek(response.decision, Decision).model_copy(update=changes)
        return response.model_copy(update={"decision": cose.sign(decision, key).encoded}).encode()

    return change


BOUND = {
    "profile": "bgv8192-2",
    "session": bytes(16),
    "gateway": "another",
    "authority": "another",
    "device": "another",
    "issuer": "another",
    "lanes": 1,
}


def test_step_13_every_field_of_the_decision_is_bound() -> None:
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
    "masked_product_digest",
    "encrypted_bits_digest",
    "blinded_rows_digest",
    "seed_commitment",
)


@pytest.mark.parametrize(("name", "value"), [*BOUND.items(), *((name, OTHER) for name in DIGESTS)])
def test_step_13_a_decision_about_something_else(world: World, name: str, value: Any) -> None:
    world.alter = answering(ROWS, resigned(world.authority_key, **{name: value}))
    submit_expecting(world, Refused, "decision is not")


def test_step_13_a_decision_by_a_stranger(world: World) -> None:
    world.alter = answering(ROWS, resigned(SigningKey.generate("authority")))
    submit_expecting(world, Refused, "Decision: not signed by authority")


def test_step_13_a_signature_of_the_authority_over_another_kind_of_message(world: World) -> None:
    opened = world.open()

    def change(answer: bytes) -> bytes:
        update = {"decision": opened.offer.grant}
        return DecisionResponse.decode(answer).model_copy(update=update).encode()

    world.alter = answering(ROWS, change)
    with pytest.raises(Refused) as caught:
        world.submit(opened, faulty(world, opened, Fault("")))
    assert "malformed decision" in caught.value.detail
    assert_nothing_kept(world, opened)


def test_step_13_an_altered_signature(world: World) -> None:
    def change(answer: bytes) -> bytes:
        response = DecisionResponse.decode(answer)
        signed = response.decision or b""
        flipped = signed[:-1] + bytes([signed[-1] ^ 1])
        return response.model_copy(update={"decision": flipped}).encode()

    world.alter = answering(ROWS, change)
    submit_expecting(world, Refused, "does not verify")


def test_yesterdays_decision_for_the_same_person_does_not_count(world: World) -> None:
    """A replayed decision names another session; an honest one follows undisturbed."""
    kept: list[bytes] = []

    def keep(answer: bytes) -> bytes:
        kept.append(answer)
        return answer

    world.alter = answering(ROWS, keep)
    world.register(TEMPLATE, PROBE)
    world.alter = answering(ROWS, lambda _: kept[0])
    opened = world.open()
    with pytest.raises(Refused) as caught:
        world.submit(opened, faulty(world, opened, Fault("")))
    assert "decision is not" in caught.value.detail
    assert len(world.rows("records")) == 1
    world.alter = lambda _path, answer: answer
    assert world.register(TEMPLATE, PROBE).outcome == "MATCH"


# Ciphertexts that cancel: only an issuer and a device together can make them


def scaled(encoded: bytes, ks: int, kn: int) -> bytes:
    """P with Ks T = Kn P on every residue."""
    words = Ciphertext.decode(encoded).words
    result = np.empty_like(words)
    for i, prime in enumerate(DATA_PRIMES):
        factor = ks * pow(kn, -1, prime) % prime
        values = [word * factor % prime for word in words[:, i].reshape(-1).tolist()]
        result[:, i] = np.array(values, dtype=np.uint64).reshape(words[:, i].shape)
    return Ciphertext(result).encoded


def test_inputs_that_cancel_are_refused(world: World) -> None:
    opened = world.open()
    template, _ = ciphertexts(opened, TEMPLATE, PROBE)
    lane = world.policy.lanes[0]
    submission = draft(
        world.counter, opened, template, scaled(template, lane.ks, lane.kn), world.clock()
    )
    with pytest.raises(Refused) as caught:
        world.submit(opened, submission)
    assert "cancel" in caught.value.detail
    assert_nothing_kept(world, opened)


@pytest.mark.parametrize("polynomials", [1, 2], ids=["one polynomial", "transparent product"])
def test_inputs_whose_product_vanishes_are_refused(world: World, polynomials: int) -> None:
    """P and Ks T - Kn P nonzero each, but at different places: parts of the product are zero."""
    opened = world.open()
    template, probe = ciphertexts(opened, TEMPLATE, PROBE)
    lane = world.policy.lanes[0]
    words = Ciphertext.decode(template).words
    sparse = np.zeros_like(words)
    for i, prime in enumerate(DATA_PRIMES):
        factor = lane.ks * pow(lane.kn, -1, prime) % prime
        for polynomial in range(2):
            sparse[polynomial, i, 0] = int(words[polynomial, i, 0]) * factor % prime
    if polynomials == 1:
        sparse[0] = Ciphertext.decode(probe).words[0]
    submission = draft(world.counter, opened, template, Ciphertext(sparse).encoded, world.clock())
    with pytest.raises(Refused):
        world.submit(opened, submission)
    assert_nothing_kept(world, opened)
