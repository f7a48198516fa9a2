"""An authority that cheats or breaks, and a gateway with a key of its own: nothing is decided."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.client.answers import GatewayError
from gateway.he.engine import default_engine
from gateway.he.session_key import SessionKey, UniformHalf
from gateway.wire import cbor, cose
from gateway.wire.cose import SigningKey
from gateway.wire.errors import MalformedMessage, Refused, Unavailable
from gateway.wire.evaluation import (
    AttemptAnswer,
    AttemptNonce,
    AttemptRequest,
    Decision,
    DecisionResponse,
    MaskedValues,
)
from gateway.wire.ids import SessionId, digest_of
from gateway.wire.profile import T
from gateway.wire.session import (
    SessionGrant,
    SessionKeyRequest,
    SessionKeyResponse,
    SessionOffer,
)
from keys.authority import SessionSecret
from tests.support.attempts import Replayed
from tests.support.counter import Counter
from tests.support.drafts import session_request
from tests.support.leftovers import assert_nothing_kept
from tests.support.observation import (
    assert_problem,
    record_count,
    session_state,
)
from tests.support.observed import Behaviour, Closed, Observed, honest
from tests.support.processes import PATIENCE
from tests.support.residues import residue
from tests.support.samples import (
    ATTEMPTS,
    PROBE,
    PRODUCTS,
    SESSION_KEYS,
    SESSIONS,
    SHARES,
    TEMPLATE,
    occasion,
)

pytestmark = [pytest.mark.processes, pytest.mark.slow]


# A gateway with a key of its own


def test_a_session_key_signed_by_a_stranger_and_nothing_further_is_sent(
    deployment: Observed, counter: Counter
) -> None:
    """A gateway of the test's own stands in the middle and offers its own key."""
    sent: list[tuple[str, bytes]] = []
    opened: list[SessionOffer] = []
    mallory = SigningKey.generate("demo-authority")

    def between(request: httpx.Request) -> httpx.Response:
        sent.append((request.url.path, request.read()))
        answer = counter.http.request(
            request.method, request.url.path, content=request.read(), headers=request.headers
        )
        offer = SessionOffer.decode(answer.content)
        opened.append(offer)
        honest_one = cose.peek(offer.grant, SessionGrant)
        uniform = UniformHalf.of(honest_one)
        _, half = SessionSecret.make(default_engine(), uniform)
        grant = honest_one.model_copy(update={"key_id": SessionKey(half, uniform).key_id})
        forged = {"grant": cose.sign(grant, mallory).encoded, "public_key": half.encoded}
        return httpx.Response(200, content=offer.model_copy(update=forged).encode())

    client = counter.client_with(httpx.Client(transport=httpx.MockTransport(between)))
    with pytest.raises(Refused):
        client.register(TEMPLATE, PROBE, occasion())
    assert [path for path, _ in sent] == [SESSIONS]
    (offer,) = opened
    session = cose.peek(offer.grant, SessionGrant).session
    answer = counter.send("GET", f"{SESSIONS}/{session.hex()}")
    assert answer.json()["state"] == "OPEN"
    assert session_state(deployment, session) is None, "nothing was submitted"


# An authority that cheats or breaks


def authority(path: str, change: Callable[[bytes], bytes], status: int | None = None) -> Behaviour:
    """The honest authority, but for its answers on one path."""

    def behave(asked: str, body: bytes, ask: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        code, answer = ask()
        if asked != path:
            return code, answer
        return status or code, change(answer)

    return behave


def closing(answer: bytes) -> bytes:
    raise Closed


def with_half(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """A key whose b is changed, with a grant that the authority signed for the honest one."""
    return lambda answer: cbor.encode(
        {**cbor.decode(answer), "publicKey": change(cbor.decode(answer)["publicKey"])}
    )


def without_handles(answer: bytes) -> bytes:
    return cbor.encode({**cbor.decode(answer), "subjectHandles": []})


def update(kind: Any, **changes: Any) -> Callable[[bytes], bytes]:
    return lambda answer: kind.decode(answer).model_copy(update=changes).encode()


@pytest.mark.parametrize(
    ("name", "status", "expected"),
    [
        ("garbage", None, 403),
        ("empty", None, 403),
        ("truncated", None, 403),
        ("closed", None, 503),
        ("broken", 500, 503),
        ("conflict", 409, 403),
        ("redirect", 302, 403),
        ("another session's key", None, 403),
        ("altered key", None, 403),
        ("altered grant", None, 403),
        ("an all-zero b", None, 403),
        ("a residue at its prime", None, 403),
        ("b of an encoding with both halves", None, 403),
    ],
)
def test_session_keys_of_a_cheating_authority(
    deployment: Observed, counter: Counter, name: str, status: int | None, expected: int
) -> None:
    kept: list[bytes] = []
    deployment.proxy.behaviour = authority(SESSION_KEYS, lambda a: kept.append(a) or a)  # type: ignore[func-returns-value]
    assert counter.state(counter.open()) == "OPEN"

    def altered(answer: bytes) -> bytes:
        response = SessionKeyResponse.decode(answer)
        return update(SessionKeyResponse, public_key=residue(response.public_key, 0, 1))(answer)

    changes: dict[str, Callable[[bytes], bytes]] = {
        "garbage": lambda _: b"garbage",
        "empty": lambda _: b"",
        "truncated": lambda a: a[:-1],
        "closed": closing,
        "another session's key": lambda _: kept[0],
        "altered key": altered,
        "altered grant": lambda a: a.replace(b"demo-device", b"demo-devicf"),
        "an all-zero b": with_half(lambda half: half[:2] + bytes(len(half) - 2)),
        "a residue at its prime": with_half(residue),
        "b of an encoding with both halves": with_half(lambda half: b"\1\2" + half[2:]),
    }
    cheating = authority(SESSION_KEYS, changes.get(name, lambda a: a), status)
    asked: list[SessionId] = []

    def noting(path: str, body: bytes, ask: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        if path == SESSION_KEYS:
            asked.append(SessionKeyRequest.decode(body).session)
        return cheating(path, body, ask)

    deployment.proxy.behaviour = noting
    answer = counter.send("POST", SESSIONS, session_request(counter.keys).encode())
    assert_problem(answer, expected)
    assert asked
    for session in asked:
        assert_problem(counter.send("GET", f"{SESSIONS}/{session.hex()}"), 404)
        assert session_state(deployment, session) is None


def signed_anew(kind: Any, **changes: Any) -> Callable[[bytes], bytes]:
    """What was signed, changed and signed by a stranger in the authority's name."""
    stranger = SigningKey.generate("demo-authority")
    return lambda signed: (
        cose.sign(cose.peek(signed, kind).model_copy(update=changes), stranger).encoded
    )


def with_nonce(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """An attempt's answer whose signed nonce is changed."""

    def changed(answer: bytes) -> bytes:
        honest_one = AttemptAnswer.decode(answer)
        return honest_one.model_copy(update={"nonce": change(honest_one.nonce)}).encode()

    return changed


def with_masked(change: Callable[[list[int]], object]) -> Callable[[bytes], bytes]:
    """Masked values that are changed below the message's own bounds."""

    def changed(answer: bytes) -> bytes:
        fields = cbor.decode(answer)
        fields["masked"] = change(fields["masked"])
        return cbor.encode(fields)

    return changed


FAULTS: dict[str, tuple[str, Callable[[bytes], bytes], int | None, int]] = {
    "garbage for a nonce": (ATTEMPTS, lambda _: b"garbage", None, 403),
    "closed instead of a nonce": (ATTEMPTS, closing, None, 503),
    "an error instead of a nonce": (ATTEMPTS, lambda a: a, 500, 503),
    "a nonce that is not signed": (ATTEMPTS, with_nonce(lambda _: b"\xd2\x80"), None, 403),
    "a nonce by a stranger": (ATTEMPTS, with_nonce(signed_anew(AttemptNonce)), None, 403),
    "another nonce": (
        ATTEMPTS,
        with_nonce(signed_anew(AttemptNonce, nonce=bytes(32))),
        None,
        403,
    ),
    "a nonce with an altered byte": (
        ATTEMPTS,
        with_nonce(lambda n: n[:-80] + bytes((n[-80] ^ 1,)) + n[-79:]),
        None,
        403,
    ),
    "no handle of the subject": (ATTEMPTS, without_handles, None, 403),
    "garbage values": (PRODUCTS, lambda _: b"garbage", None, 403),
    "values for another session": (PRODUCTS, update(MaskedValues, session=bytes(16)), None, 403),
    "a value of t": (PRODUCTS, with_masked(lambda m: [T, m[1]]), None, 403),
    "a value of t in the second lane": (PRODUCTS, with_masked(lambda m: [m[0], T]), None, 403),
    "a negative value": (PRODUCTS, with_masked(lambda m: [-1, m[1]]), None, 403),
    "a value of 2^64": (PRODUCTS, with_masked(lambda m: [2**64 - 1, m[1]]), None, 403),
    "a value that is no number": (PRODUCTS, with_masked(lambda m: [True, m[1]]), None, 403),
    "the value of one lane": (PRODUCTS, with_masked(lambda m: m[:1]), None, 403),
    "values of three lanes": (PRODUCTS, with_masked(lambda m: [*m, m[0]]), None, 403),
    "another value, and a decision by the true one": (
        PRODUCTS,
        with_masked(lambda m: [(m[0] + T // 2) % T, m[1]]),
        None,
        403,
    ),
    "the lanes' values exchanged, and a decision by the true ones": (
        PRODUCTS,
        with_masked(lambda m: m[::-1]),
        None,
        403,
    ),
    "closed instead of values": (PRODUCTS, closing, None, 503),
    "an error instead of values": (PRODUCTS, lambda a: a, 500, 503),
    "endless values": (PRODUCTS, lambda a: a + bytes(2**21), None, 503),
    "garbage decision": (SHARES, lambda _: b"garbage", None, 403),
    "closed instead of a decision": (SHARES, closing, None, 503),
    "a decision without a signature": (
        SHARES,
        update(DecisionResponse, decision=b"\xd2\x80"),
        None,
        403,
    ),
    "a decision by a stranger": (
        SHARES,
        lambda a: update(
            DecisionResponse, decision=signed_anew(Decision)(DecisionResponse.decode(a).decision)
        )(a),
        None,
        403,
    ),
    "a decision with another outcome": (
        SHARES,
        lambda a: a.replace(b"MATCH", b"MATCI"),
        None,
        403,
    ),
    "neither decision nor demand": (
        SHARES,
        lambda a: cbor.encode({**cbor.decode(a), "decision": None}),
        None,
        403,
    ),
    "a demand that is none": (
        SHARES,
        lambda a: cbor.encode({**cbor.decode(a), "decision": None, "demand": b"\xd2\x80"}),
        None,
        403,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_answers_of_a_cheating_authority(deployment: Observed, counter: Counter, name: str) -> None:
    path, change, status, expected = FAULTS[name]
    opened = counter.open()
    submission = counter.honest_submission(opened)
    deployment.proxy.behaviour = authority(path, change, status)
    assert_problem(counter.submit(opened, submission), expected)
    assert session_state(deployment, opened.session) == "FAILED"
    assert counter.state(opened) == "FAILED"


@pytest.mark.parametrize("path", [ATTEMPTS, PRODUCTS, SHARES])
def test_an_answer_that_was_given_in_another_session(
    deployment: Observed, keys: Counter, path: str
) -> None:
    """The nonce, the values or the decision of somebody who matched, for somebody who does not."""
    kept: list[bytes] = []
    deployment.proxy.behaviour = authority(path, lambda a: kept.append(a) or a)  # type: ignore[func-returns-value]
    assert keys.register(TEMPLATE, PROBE).outcome == "MATCH"
    before = record_count(deployment)
    deployment.proxy.behaviour = authority(path, lambda _: kept[0])
    opened = keys.open()
    try:
        assert_problem(keys.submit(opened, keys.honest_submission(opened, 0.0)), 403)
    finally:
        deployment.proxy.behaviour = honest
    assert session_state(deployment, opened.session) == "FAILED"
    assert record_count(deployment) == before


def test_a_nonce_for_another_request_of_the_session(deployment: Observed, counter: Counter) -> None:
    """The authority counted something else than this gateway asked, and says so, well signed."""
    replayed = Replayed(deployment)

    def behave(path: str, body: bytes, ask: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        if path != ATTEMPTS:
            return ask()
        asked = AttemptRequest.decode(body)
        other = asked.model_copy(update={"seed_commitment": digest_of(b"another seed")})
        return replayed.send(path, other.encode())

    deployment.proxy.behaviour = behave
    opened = counter.open()
    deployment.proxy.seen.clear()
    assert_problem(counter.submit(opened, counter.honest_submission(opened)), 403)
    assert session_state(deployment, opened.session) == "FAILED"
    assert deployment.proxy.seen == [ATTEMPTS], "nothing was evaluated under it"


def test_the_client_tells_refusals_from_faults_worth_a_retry(
    deployment: Observed, counter: Counter
) -> None:
    deployment.proxy.behaviour = authority(SHARES, closing)
    with pytest.raises(Unavailable):
        counter.register(TEMPLATE, PROBE)
    deployment.proxy.behaviour = authority(SHARES, lambda _: b"garbage")
    with pytest.raises(Refused):
        counter.register(TEMPLATE, PROBE)


def test_errors_of_the_client_are_of_one_tree(counter: Counter) -> None:
    """What a wrong address gives: an error that is worth a retry, never a stack trace."""
    trust = counter.trust.model_copy(
        update={
            "gateways": [counter.trust.gateways[0].model_copy(update={"url": f"{counter.url}/x"})]
        }
    )
    with httpx.Client(timeout=PATIENCE, trust_env=False) as transport:
        client = counter.client_with(transport, trust)
        with pytest.raises((GatewayError, MalformedMessage)):
            client.register(TEMPLATE, PROBE, occasion())


def test_nothing_of_it_was_kept(deployment: Observed) -> None:
    """Comes last: the servers have by now seen everything above."""
    assert_nothing_kept(deployment)
