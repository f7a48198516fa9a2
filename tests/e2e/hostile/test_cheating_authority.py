"""An authority that cheats or breaks, and a gateway with a key of its own: nothing is decided."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.client.gateway_client import GatewayError
from gateway.he.engine import default_engine
from gateway.wire import cose
from gateway.wire.cose import SigningKey
from gateway.wire.errors import MalformedMessage, Refused, Unavailable
from gateway.wire.evaluation import (
    BlindedRows,
    Decision,
    DecisionResponse,
    EncryptedBits,
    MaskedProduct,
)
from gateway.wire.ids import digest_of
from gateway.wire.session import SessionGrant, SessionKeyResponse, SessionOffer
from keys.authority import SessionSecret
from tests.support.counter import Counter
from tests.support.drafts import session_request
from tests.support.leftovers import assert_nothing_kept
from tests.support.observation import (
    assert_problem,
    gateway_signing_key,
    record_count,
    session_state,
    session_states,
)
from tests.support.observed import Behaviour, Closed, Observed, honest
from tests.support.residues import residue
from tests.support.samples import (
    MASKED,
    PROBE,
    ROWS,
    SESSION_KEYS,
    SESSIONS,
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
    mallory = SigningKey.generate("demo-authority")

    def between(request: httpx.Request) -> httpx.Response:
        sent.append((request.url.path, request.read()))
        answer = counter.http.request(
            request.method, request.url.path, content=request.read(), headers=request.headers
        )
        offer = SessionOffer.decode(answer.content)
        _, public = SessionSecret.make(default_engine())
        grant = cose.peek(offer.grant, SessionGrant).model_copy(update={"key_id": public.key_id})
        forged = {"grant": cose.sign(grant, mallory).encoded, "public_key": public.encoded}
        return httpx.Response(200, content=offer.model_copy(update=forged).encode())

    client = counter.client_with(httpx.Client(transport=httpx.MockTransport(between)))
    with pytest.raises(Refused):
        client.register(TEMPLATE, PROBE, occasion())
    assert [path for path, _ in sent] == [SESSIONS]
    assert session_states(deployment)[-1] == "OPEN"


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
    ],
)
def test_session_keys_of_a_cheating_authority(
    deployment: Observed, counter: Counter, name: str, status: int | None, expected: int
) -> None:
    kept: list[bytes] = []
    deployment.proxy.behaviour = authority(SESSION_KEYS, lambda a: kept.append(a) or a)  # type: ignore[func-returns-value]
    counter.open()

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
    }
    deployment.proxy.behaviour = authority(SESSION_KEYS, changes.get(name, lambda a: a), status)
    before = len(session_states(deployment))
    answer = counter.send("POST", SESSIONS, session_request(counter.keys).encode())
    assert_problem(answer, expected)
    assert len(session_states(deployment)) == before


DECISIONS: dict[str, tuple[str, Callable[[bytes], bytes], int | None, int]] = {
    "garbage bits": (MASKED, lambda _: b"garbage", None, 403),
    "bits for another session": (MASKED, update(EncryptedBits, session=bytes(16)), None, 403),
    "bits with a residue at its prime": (
        MASKED,
        lambda a: update(
            EncryptedBits, encrypted_bits=residue(EncryptedBits.decode(a).encrypted_bits)
        )(a),
        None,
        403,
    ),
    "closed instead of bits": (MASKED, closing, None, 503),
    "an error instead of bits": (MASKED, lambda a: a, 500, 503),
    "endless bits": (MASKED, lambda a: a + bytes(2**21), None, 503),
    "garbage decision": (ROWS, lambda _: b"garbage", None, 403),
    "closed instead of a decision": (ROWS, closing, None, 503),
    "a decision without a signature": (
        ROWS,
        update(DecisionResponse, decision=b"\xd2\x80"),
        None,
        403,
    ),
    "a decision by a stranger": (
        ROWS,
        lambda a: update(
            DecisionResponse,
            decision=cose.sign(
                cose.peek(DecisionResponse.decode(a).decision, Decision),
                SigningKey.generate("demo-authority"),
            ).encoded,
        )(a),
        None,
        403,
    ),
    "a decision with another outcome": (
        ROWS,
        lambda a: a.replace(b"MATCH", b"MATCI"),
        None,
        403,
    ),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_decisions_of_a_cheating_authority(
    deployment: Observed, counter: Counter, name: str
) -> None:
    path, change, status, expected = DECISIONS[name]
    opened = counter.open()
    submission = counter.honest_submission(opened)
    deployment.proxy.behaviour = authority(path, change, status)
    assert_problem(counter.submit(opened, submission), expected)
    assert session_state(deployment, opened.session) == "FAILED"
    assert counter.state(opened) == "FAILED"


def test_a_decision_for_another_session(deployment: Observed, keys: Counter) -> None:
    """The bit of somebody who matched, for somebody who does not."""
    kept: list[bytes] = []
    deployment.proxy.behaviour = authority(ROWS, lambda a: kept.append(a) or a)  # type: ignore[func-returns-value]
    assert keys.register(TEMPLATE, PROBE).outcome == "MATCH"
    before = record_count(deployment)
    deployment.proxy.behaviour = authority(ROWS, lambda _: kept[0])
    opened = keys.open()
    try:
        assert_problem(keys.submit(opened, keys.honest_submission(opened, 0.0)), 403)
    finally:
        deployment.proxy.behaviour = honest
    assert session_state(deployment, opened.session) == "FAILED"
    assert record_count(deployment) == before


def test_the_client_tells_refusals_from_faults_worth_a_retry(
    deployment: Observed, counter: Counter
) -> None:
    deployment.proxy.behaviour = authority(ROWS, closing)
    with pytest.raises(Unavailable):
        counter.register(TEMPLATE, PROBE)
    deployment.proxy.behaviour = authority(ROWS, lambda _: b"garbage")
    with pytest.raises(Refused):
        counter.register(TEMPLATE, PROBE)


def test_the_same_masked_product_twice_the_same_bits_another_one_refused(
    deployment: Observed, counter: Counter
) -> None:
    """The authority itself: one answer for one key, whatever a gateway asks."""
    asked: list[tuple[str, bytes]] = []
    answers: list[tuple[str, bytes]] = []

    def watch(path: str, body: bytes, ask: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        status, answer = ask()
        asked.append((path, body))
        answers.append((path, answer))
        return status, b"garbage" if path == ROWS else answer

    deployment.proxy.behaviour = watch
    opened = counter.open()
    assert_problem(counter.submit(opened, counter.honest_submission(opened)), 403)
    gateway = gateway_signing_key(deployment)
    url = f"http://127.0.0.1:{deployment.proxy.upstream}"
    by_path = dict(asked)

    def ask(path: str, body: bytes) -> httpx.Response:
        headers = counter.signed("POST", path, body, gateway, deployment.proxy.host)
        with httpx.Client(base_url=url, timeout=20, trust_env=False) as direct:
            return direct.post(path, content=body, headers=headers)

    repeated = ask(ROWS, by_path[ROWS])
    assert repeated.status_code == 200
    assert repeated.content == dict(answers)[ROWS]
    # A second question under the same key: the product again, or other rows.
    assert_problem(ask(MASKED, by_path[MASKED]), 403)
    rows = BlindedRows.decode(by_path[ROWS])
    other = rows.model_copy(update={"blinded_rows": residue(rows.blinded_rows, 0, 5)})
    assert_problem(ask(ROWS, other.encode()), 403)
    product = MaskedProduct.decode(by_path[MASKED])
    fresh = product.model_copy(update={"seed_commitment": digest_of(b"another seed")})
    assert_problem(ask(MASKED, fresh.encode()), 403)


def test_errors_of_the_client_are_of_one_tree(counter: Counter) -> None:
    """What a wrong address gives: an error that is worth a retry, never a stack trace."""
    trust = counter.trust.model_copy(
        update={
            "gateways": [counter.trust.gateways[0].model_copy(update={"url": f"{counter.url}/x"})]
        }
    )
    with httpx.Client(timeout=20, trust_env=False) as transport:
        client = counter.client_with(transport, trust)
        with pytest.raises((GatewayError, MalformedMessage)):
            client.register(TEMPLATE, PROBE, occasion())


def test_nothing_of_it_was_kept(deployment: Observed) -> None:
    """Comes last: the servers have by now seen everything above."""
    assert_nothing_kept(deployment)
