"""Hostile inputs against the real servers: a clear error, nothing stored, the servers go on.

Every test leaves the servers as they are; the fixture asserts, after each, that nothing was stored
and that an honest registration passes. At the end the logs are read.
"""

import base64
import http.client
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cbor2
import httpx
import numpy as np
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
from gateway.wire.host.clock import unix_time
from gateway.wire.ids import digest_of
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import DATA_PRIMES
from gateway.wire.requests import sign_request
from gateway.wire.session import SessionGrant, SessionKeyResponse, SessionOffer, SessionRequest
from gateway.wire.submission import Submission
from keys.authority import SessionSecret
from tests.support.counter import Counter
from tests.support.drafts import Opened, ciphertexts, draft, session_request
from tests.support.observation import (
    REFUSAL,
    assert_problem,
    gateway_signing_key,
    record_count,
    server_logs,
    session_state,
    session_states,
)
from tests.support.observed import Behaviour, Closed, Observed, honest
from tests.support.samples import (
    MASKED,
    NUMBER,
    PLAIN_NUMBER,
    REFERENCE,
    ROWS,
    SESSION_KEYS,
    SESSIONS,
    occasion,
    pair,
)

pytestmark = [pytest.mark.processes, pytest.mark.slow]

FLIPS = 240
TEMPLATE, PROBE = pair(0.7)
SECRETS = (NUMBER, PLAIN_NUMBER, REFERENCE, "canary")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    with Observed(tmp_path_factory.mktemp("hostile"), authority_seconds="3") as deployment:
        yield deployment


@pytest.fixture(scope="module")
def keys(deployment: Observed) -> Iterator[Counter]:
    counter = Counter(deployment)
    yield counter
    counter.close()


@pytest.fixture
def counter(deployment: Observed, keys: Counter) -> Iterator[Counter]:
    """The counter of a test that stores nothing; afterwards an honest registration passes."""
    before = record_count(deployment)
    yield keys
    deployment.proxy.behaviour = honest
    assert record_count(deployment) == before, "something was stored"
    assert keys.register(TEMPLATE, PROBE).outcome == "MATCH"
    assert record_count(deployment) == before + 1


def residue(encoded: bytes, prime: int = 0, value: int = DATA_PRIMES[0]) -> bytes:
    """The first residue of one of the three primes, replaced."""
    at = 2 + 7 * 8192 * prime
    return encoded[:at] + value.to_bytes(7, "little") + encoded[at + 7 :]


def zero(encoded: bytes, polynomial: int) -> bytes:
    half = (len(encoded) - 2) // 2
    start = 2 + polynomial * half
    return encoded[:start] + bytes(half) + encoded[start + half :]


# Bodies


@pytest.mark.parametrize("path", [SESSIONS, f"{SESSIONS}/{'ab' * 16}/submission"])
@pytest.mark.parametrize(
    "body", [b"\0", b"garbage", b"\xa0", b"\x80", b"\x9f" * 2000, b"\xbb" + b"\xff" * 8, b"{}" * 9]
)
def test_a_body_that_is_no_message(counter: Counter, path: str, body: bytes) -> None:
    assert_problem(counter.send("POST", path, body), 400)


def test_an_empty_body(counter: Counter) -> None:
    answer = counter.http.post(SESSIONS, headers={"content-type": "application/cbor"})
    assert_problem(answer, 400)


def test_a_truncated_submission(deployment: Observed, counter: Counter) -> None:
    opened = counter.open()
    body = counter.honest_submission(opened).encode()
    for length in (1, 100, len(body) // 2, len(body) - 1):
        assert_problem(counter.submit(opened, body[:length]), 400)
    assert session_state(deployment, opened.session) == "OPEN"
    assert_problem(counter.submit(opened, body + b"\0"), 400)
    assert session_state(deployment, opened.session) == "OPEN"


def test_unknown_missing_and_repeated_fields(counter: Counter) -> None:
    request = session_request(counter.keys).to_map()
    for changed in (
        {**request, "canary-unknown-key": 1},
        {k: v for k, v in request.items() if k != "issuer"},
        {**request, "version": 2},
        {**request, "version": True},
        {**request, "device": "Not A Name canary"},
        {**request, "clientNonce": bytes(31)},
        {**request, "clientNonce": "x" * 32},
        {**request, "consentTextVersion": 0},
        {**request, "consentTextVersion": 1.0},
    ):
        answer = counter.send("POST", SESSIONS, cbor2.dumps(changed, canonical=True))
        assert_problem(answer, 400)
        assert "canary" not in answer.text
    encoded = cbor2.dumps(request, canonical=True)
    not_canonical = cbor2.dumps(dict(reversed(request.items())))
    assert not_canonical != encoded
    assert_problem(counter.send("POST", SESSIONS, not_canonical), 400)
    doubled = bytes([encoded[0] + 1]) + encoded[1:] + cbor2.dumps("version") + b"\1"
    assert_problem(counter.send("POST", SESSIONS, doubled), 400)


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        (SESSIONS, SessionRequest.max_bytes),
        (f"{SESSIONS}/{'0' * 32}/submission", Submission.max_bytes),
    ],
)
def test_an_oversized_body_with_its_length(counter: Counter, path: str, limit: int) -> None:
    assert_problem(counter.send("POST", path, bytes(limit + 1)), 413)


def _raw(counter: Counter) -> http.client.HTTPConnection:
    parts = urlsplit(counter.url)
    return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)


def test_an_announced_length_is_refused_before_it_is_sent(counter: Counter) -> None:
    for length in (str(Submission.max_bytes + 1), "9" * 30):
        connection = _raw(counter)
        connection.putrequest("POST", f"{SESSIONS}/{'0' * 32}/submission")
        connection.putheader("content-type", "application/cbor")
        connection.putheader("content-length", length)
        connection.endheaders()
        response = connection.getresponse()
        assert response.status in (400, 413)
        connection.close()


@pytest.mark.parametrize("total", [Submission.max_bytes + 1, 40 * 2**20])
def test_an_oversized_body_in_chunks(counter: Counter, total: int) -> None:
    """The server answers, or closes, before it has taken much more than its bound."""
    connection = _raw(counter)
    connection.putrequest("POST", f"{SESSIONS}/{'0' * 32}/submission")
    connection.putheader("content-type", "application/cbor")
    connection.putheader("transfer-encoding", "chunked")
    connection.endheaders()
    piece = bytes(2**16)
    sent = 0
    try:
        while sent < total:
            size = min(len(piece), total - sent)
            connection.send(b"%x\r\n%b\r\n" % (size, piece[:size]))
            sent += size
        connection.send(b"0\r\n\r\n")
    except OSError:
        pass  # the server closed
    try:
        response = connection.getresponse()
        assert response.status == 413
        assert b"PAYLOAD_TOO_LARGE" in response.read()
    except (OSError, http.client.HTTPException):
        assert total > 2 * Submission.max_bytes, "a small excess gets its answer"
    finally:
        connection.close()


def test_a_connection_that_breaks_in_the_middle_of_a_body(counter: Counter) -> None:
    parts = urlsplit(counter.url)
    head = f"POST {SESSIONS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/cbor\r\n"
    for rest in ("content-length: 5000\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n5\r\nab"):
        with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=10) as raw:
            raw.sendall((head + rest).encode())


def test_bytes_that_are_no_http(counter: Counter) -> None:
    parts = urlsplit(counter.url)
    for sent in (b"\0" * 100, b"GET / HTTP/9.9\r\n\r\n", b"POST " + b"x" * 70_000):
        with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=10) as raw:
            raw.settimeout(10)
            try:
                raw.sendall(sent)
                raw.shutdown(socket.SHUT_WR)
                answer = raw.recv(1000)
            except OSError:
                continue
            assert not answer or answer.startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("stated", ["application/json", "text/plain", "", "multipart/form-data"])
def test_another_content_type(counter: Counter, stated: str) -> None:
    body = session_request(counter.keys).encode()
    headers = {**counter.signed("POST", SESSIONS, body), "content-type": stated}
    assert_problem(counter.send("POST", SESSIONS, body, headers=headers), 415)


def test_random_altered_bytes(deployment: Observed, counter: Counter) -> None:
    """Every field is signed or digested: no altered submission passes, signed anew or not."""
    rng = random.Random(5)
    opened = counter.open()
    body = counter.honest_submission(opened).encode()
    probe_at = body.index(Submission.decode(body).probe)
    seen: dict[int, int] = {}
    for number in range(FLIPS):
        if session_state(deployment, opened.session) != "OPEN":
            opened = counter.open()
            body = counter.honest_submission(opened).encode()
        altered = bytearray(body)
        # Half of the flips outside the ciphertexts, where the structure is.
        near = rng.choice(["any", "start", "end", "before-probe"])
        at = {
            "any": rng.randrange(len(body)),
            "start": rng.randrange(700),
            "end": len(body) - 1 - rng.randrange(2500),
            "before-probe": max(0, probe_at - rng.randrange(40)),
        }[near]
        altered[at] ^= 1 << rng.randrange(8)
        if number % 10 == 0:  # as altered on the way: the device's signature is over the original
            headers = counter.signed("POST", f"{opened.path}/submission", body)
            answer = counter.send(
                "POST", f"{opened.path}/submission", bytes(altered), headers=headers
            )
        else:
            answer = counter.submit(opened, bytes(altered))
        assert_problem(answer, 400, 403)
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
    print(f"answers to {FLIPS} altered submissions: {seen}")
    assert min(seen.get(400, 0), seen.get(403, 0)) >= 20, seen


# Ciphertexts


@pytest.mark.parametrize("prime", [0, 1, 2])
@pytest.mark.parametrize("value", ["prime", "prime + 1", "largest word"])
@pytest.mark.parametrize("where", ["probe", "template"])
def test_a_residue_at_or_above_its_prime(
    deployment: Observed, counter: Counter, prime: int, value: str, where: str
) -> None:
    residues = {
        "prime": DATA_PRIMES[prime],
        "prime + 1": DATA_PRIMES[prime] + 1,
        "largest word": 2**56 - 1,
    }
    opened = counter.open()
    template, probe = ciphertexts(opened, TEMPLATE, PROBE)
    if where == "probe":
        probe = residue(probe, prime, residues[value])
    else:
        template = residue(template, prime, residues[value])
    answer = counter.submit(opened, draft(counter.keys, opened, template, probe, unix_time()))
    assert_problem(answer, 400, 403)
    assert session_state(deployment, opened.session) == "FAILED"


@pytest.mark.parametrize("polynomial", [0, 1])
@pytest.mark.parametrize("where", ["probe", "template"])
def test_an_all_zero_polynomial(
    deployment: Observed, counter: Counter, polynomial: int, where: str
) -> None:
    opened = counter.open()
    template, probe = ciphertexts(opened, TEMPLATE, PROBE)
    if where == "probe":
        probe = zero(probe, polynomial)
    else:
        template = zero(template, polynomial)
    answer = counter.submit(opened, draft(counter.keys, opened, template, probe, unix_time()))
    assert_problem(answer, 400, 403)
    assert session_state(deployment, opened.session) == "FAILED"


@pytest.mark.parametrize("header", [b"\0\2", b"\1\0", b"\1\1", b"\1\3", b"\2\2", b"\xff\xff"])
def test_another_header(deployment: Observed, counter: Counter, header: bytes) -> None:
    opened = counter.open()
    template, probe = ciphertexts(opened, TEMPLATE, PROBE)
    submission = draft(counter.keys, opened, template, header + probe[2:], unix_time())
    assert_problem(counter.submit(opened, submission), 400, 403)


def test_ciphertexts_whose_product_vanishes(deployment: Observed, counter: Counter) -> None:
    """An issuer and a device together: nonzero inputs whose homomorphic product is zero."""
    opened = counter.open()
    lane = MatchPolicy.decode(opened.offer.policy).lanes[0]
    template, _ = ciphertexts(opened, TEMPLATE, PROBE)
    words = Ciphertext.decode(template).words
    sparse = np.zeros_like(words)
    for i, prime in enumerate(DATA_PRIMES):
        factor = lane.ks * pow(lane.kn, -1, prime) % prime
        for polynomial in range(2):
            sparse[polynomial, i, 0] = int(words[polynomial, i, 0]) * factor % prime
    probe = Ciphertext(sparse).encoded
    answer = counter.submit(opened, draft(counter.keys, opened, template, probe, unix_time()))
    assert_problem(answer, 400, 403)
    assert session_state(deployment, opened.session) == "FAILED"


def test_the_sealed_template_of_another_session(deployment: Observed, counter: Counter) -> None:
    """Replayed as it is, with the assertion of then, or with one of now."""
    earlier, opened = counter.open(), counter.open()
    old = counter.honest_submission(earlier)
    new = counter.honest_submission(opened)
    replayed = new.model_copy(update={"sealed_template": old.sealed_template})
    assert_problem(counter.submit(opened, replayed), 403)
    third = counter.open()
    wholly = counter.honest_submission(third).model_copy(
        update={
            "sealed_template": old.sealed_template,
            "template_assertion": old.template_assertion,
        }
    )
    assert_problem(counter.submit(third, wholly), 403)
    assert counter.state(opened) == counter.state(third) == "FAILED"


def test_a_template_encrypted_for_another_session(keys: Counter, deployment: Observed) -> None:
    """A dishonest issuer's affair: it decrypts to noise under this key: no match."""
    earlier, opened = keys.open(), keys.open()
    template, _ = ciphertexts(earlier, TEMPLATE, PROBE)
    _, probe = ciphertexts(opened, TEMPLATE, PROBE)
    answer = keys.submit(opened, draft(keys.keys, opened, template, probe, unix_time()))
    assert answer.status_code == 200
    assert answer.json()["outcome"] == "NO_MATCH"


def test_the_template_ciphertext_as_probe_is_no_match(keys: Counter) -> None:
    opened = keys.open()
    template, _ = ciphertexts(opened, TEMPLATE, PROBE)
    answer = keys.submit(opened, draft(keys.keys, opened, template, template, unix_time()))
    assert answer.status_code == 200
    assert answer.json()["outcome"] == "NO_MATCH"


def test_the_sealed_template_as_probe(counter: Counter) -> None:
    """The device has only the sealed form; its bytes are no ciphertext."""
    opened = counter.open()
    honest_one = counter.honest_submission(opened)
    probe = honest_one.probe[:2] + honest_one.sealed_template[1122:][: len(honest_one.probe) - 2]
    template, _ = ciphertexts(opened, TEMPLATE, PROBE)
    answer = counter.submit(opened, draft(counter.keys, opened, template, probe, unix_time()))
    assert_problem(answer, 400, 403)


def test_probe_and_template_exchanged_after_signing(counter: Counter) -> None:
    opened = counter.open()
    one, other = counter.honest_submission(opened), counter.honest_submission(opened)
    swapped = one.model_copy(update={"probe": other.probe})
    assert_problem(counter.submit(opened, swapped), 403)


# Sessions and senders


def test_a_second_submission_and_an_identical_repeat(keys: Counter, deployment: Observed) -> None:
    opened = keys.open()
    assert keys.state(opened) == "OPEN"
    body = keys.honest_submission(opened).encode()
    first = keys.submit(opened, body)
    before = record_count(deployment)
    assert first.status_code == 200
    assert keys.submit(opened, body).content == first.content
    assert_problem(keys.submit(opened, keys.honest_submission(opened, 0.1)), 409)
    status = keys.send("GET", opened.path)
    assert status.json() == first.json()
    assert status.json()["state"] == "DECIDED"
    assert record_count(deployment) == before


def test_a_failed_session_stays_failed(counter: Counter) -> None:
    opened = counter.open()
    bad = counter.honest_submission(opened, made={"captured_at": unix_time() - 3600})
    assert_problem(counter.submit(opened, bad), 403)
    assert counter.state(opened) == "FAILED"
    assert_problem(counter.submit(opened, bad), 409)
    assert_problem(counter.submit(opened, counter.honest_submission(opened)), 409)
    body = counter.send("GET", opened.path).json()
    assert set(body) == {"sessionId", "state", "expiresAt"}


def test_a_session_that_never_was(counter: Counter) -> None:
    opened = counter.open()
    body = counter.honest_submission(opened).encode()
    for path in (f"{SESSIONS}/{'0' * 32}", f"{SESSIONS}/x", f"{SESSIONS}/{'0' * 33}"):
        assert_problem(counter.send("POST", f"{path}/submission", body), 404)
        assert_problem(counter.send("GET", path), 404)
    assert counter.state(opened) == "OPEN"


def test_another_enrolled_devices_session(deployment: Observed, counter: Counter) -> None:
    """It answers as if the session did not exist."""
    other = SigningKey.generate("second-device")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "gateway.cli.serve",
            "enrol",
            "device",
            other.party,
            other.public.raw.hex(),
        ],
        env={**os.environ, **deployment._gateway_environment("")},
        check=True,
        timeout=60,
    )
    opened = counter.open()
    body = counter.honest_submission(opened).encode()
    unknown = counter.send("GET", f"{SESSIONS}/{'0' * 32}", key=other)
    theirs = counter.send("GET", opened.path, key=other)
    assert_problem(theirs, 404)
    assert theirs.content == unknown.content
    assert_problem(counter.send("POST", f"{opened.path}/submission", body, key=other), 404)
    named = session_request(counter.keys)
    assert_problem(counter.send("POST", SESSIONS, named.encode(), key=other), 403)
    assert counter.state(opened) == "OPEN"


def test_every_refusal_has_the_same_bytes(deployment: Observed, counter: Counter) -> None:
    """Unsigned, a stranger, altered, stale, replayed, other parties' names: one answer."""
    body = session_request(counter.keys).encode()
    plain = {"content-type": "application/cbor"}
    signed = counter.signed("POST", SESSIONS, body)
    other_body = counter.signed("POST", SESSIONS, body + b"x")
    other_path = counter.signed("POST", SESSIONS + "/x", body)
    opened = counter.open()
    replayed = counter.signed("GET", opened.path, b"")
    assert counter.send("GET", opened.path, headers=replayed).status_code == 200
    refused = [
        counter.send("POST", SESSIONS, body, headers=plain),
        counter.send("POST", SESSIONS, body, key=SigningKey.generate("demo-device")),
        counter.send("POST", SESSIONS, body, headers=other_body),
        counter.send("POST", SESSIONS, body, headers=other_path),
        counter.send("POST", SESSIONS, body, headers={**signed, "Signature": "sealmatch=:AAAA:"}),
        counter.send("POST", SESSIONS, body, headers={**signed, "Signature-Input": "x"}),
        counter.send(
            "POST", SESSIONS, body, headers={**signed, "Content-Digest": "sha-256=:AA==:"}
        ),
        counter.send("GET", opened.path, headers=replayed),
        counter.send("POST", SESSIONS, session_request(counter.keys, issuer="nobody").encode()),
        counter.send("POST", SESSIONS, session_request(counter.keys, device="nobody").encode()),
        counter.send(
            "POST", SESSIONS, session_request(counter.keys, consent_text_version=9).encode()
        ),
        counter.submit(opened, counter.honest_submission(opened, issued={"issuer": "another"})),
    ]
    for answer in refused:
        assert_problem(answer, 403)
        assert answer.content == REFUSAL
    assert {frozenset(a.headers) for a in refused} == {frozenset(refused[0].headers)}


def test_a_stale_request(counter: Counter) -> None:
    body = session_request(counter.keys).encode()
    for offset in (-61, -3600, 61):
        headers = sign_request("POST", SESSIONS, body, counter.keys.device, unix_time() + offset)
        headers["content-type"] = "application/cbor"
        assert_problem(counter.send("POST", SESSIONS, body, headers=headers), 403)


def test_a_replayed_submission_request(counter: Counter) -> None:
    """Not a repeat, which is signed anew: the very same request."""
    opened = counter.open()
    bad = counter.honest_submission(opened, made={"captured_at": 0}).encode()
    headers = counter.signed("POST", f"{opened.path}/submission", bad)
    assert_problem(counter.send("POST", f"{opened.path}/submission", bad, headers=headers), 403)
    again = counter.send("POST", f"{opened.path}/submission", bad, headers=headers)
    assert_problem(again, 403)


def test_another_profile(counter: Counter) -> None:
    answer = counter.send(
        "POST", SESSIONS, session_request(counter.keys, profile="bgv8192-2").encode()
    )
    assert_problem(answer, 400)
    assert answer.json()["code"] == "FACE_VERIFICATION.UNKNOWN_PROFILE"


def test_the_authority_takes_no_requests_of_strangers(
    deployment: Observed, counter: Counter
) -> None:
    """A device, or anyone, who reaches the authority itself."""
    url = f"http://127.0.0.1:{deployment.proxy.upstream}"
    with httpx.Client(base_url=url, timeout=20, trust_env=False) as direct:
        for path in (SESSION_KEYS, MASKED, ROWS):
            for key in (counter.keys.device, SigningKey.generate("demo-gateway")):
                headers = counter.signed("POST", path, b"\xa0", key)
                answer = direct.post(path, content=b"\xa0", headers=headers)
                assert_problem(answer, 403)
            plain = {"content-type": "application/cbor"}
            assert_problem(direct.post(path, content=b"\xa0", headers=plain), 403)
            assert_problem(direct.post(path, content=b"x", headers={"content-type": "a/b"}), 415)
            assert_problem(direct.post(path, content=bytes(2**20), headers=plain), 413)
        assert_problem(direct.get("/v1/nothing"), 404)


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
        headers = counter.signed("POST", path, body, gateway)
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


def test_logs_hold_reasons_but_no_input(deployment: Observed) -> None:
    """What the tests above wrote into both logs."""
    logs = server_logs(deployment)
    assert "PERMISSION_DENIED" in logs
    for secret in SECRETS:
        for form in (secret, secret.encode().hex(), base64.b64encode(secret.encode()).decode()):
            assert form not in logs


def test_no_input_makes_a_server_log_a_stack_trace(deployment: Observed) -> None:
    """A stack trace is an error of our own, and its last line may repeat a value."""
    lines = server_logs(deployment).splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("Traceback")]
    assert not starts, "\n".join(lines[starts[0] - 3 : starts[0]])


def test_nothing_of_the_inputs_is_in_the_files_of_either_server(deployment: Observed) -> None:
    """All that the tests above left behind."""
    for directory in (deployment.directories.gateway, deployment.directories.authority):
        for path in sorted(Path(directory).rglob("*")):
            if path.is_file():
                content = path.read_bytes()
                assert PLAIN_NUMBER.encode() not in content
                assert NUMBER.encode() not in content
                assert REFERENCE.encode() not in content


def test_opened_sessions_are_distinct(counter: Counter) -> None:
    opened: list[Opened] = [counter.open() for _ in range(4)]
    assert len({one.session for one in opened}) == 4
    assert len({one.key.public_key.key_id for one in opened}) == 4
