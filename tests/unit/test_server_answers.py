"""Steps 10 to 15 of ``gateway/server/verification.py``: an answer of the authority that is wrong.

The submission is honest, or sealed so that the authority alone notices. Whatever the authority
answers, or does not, the session is over, and nothing is kept.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.he.evaluation import Evaluation
from gateway.wire import cbor, cose
from gateway.wire.cose import SigningKey
from gateway.wire.errors import Refused, SealmatchError, Unavailable
from gateway.wire.evaluation import (
    AttemptAnswer,
    AttemptNonce,
    AttemptRequest,
    Decision,
    DecisionResponse,
    MaskedValues,
)
from gateway.wire.profile import T
from gateway.wire.sealing import Sealed
from tests.support.drafts import Opened
from tests.support.faults import (
    NOBODY,
    OTHER,
    OURS,
    THEIRS,
    Fault,
    assert_nothing_kept,
    faulty,
    reason,
    resealed,
)
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


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, clock=Clock()) as world:
        yield world


def submit_expecting(
    world: World, raises: type[SealmatchError], says: str
) -> tuple[Opened, SealmatchError]:
    opened = world.open()
    with pytest.raises(raises) as caught:
        world.submit(opened, faulty(world, opened, Fault("")))
    assert says in reason(caught.value)
    assert_nothing_kept(world, opened)
    return opened, caught.value


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
    with world.authority_service._caps._ledger.looking() as unit:
        return unit.run("SELECT * FROM attempts")


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


def test_step_11_a_subject_without_room_gets_no_evaluation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = occasion()
    monkeypatch.setattr(world.service._recorder, "_activations", 1)
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
