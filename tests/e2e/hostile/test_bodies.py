"""Bodies that are no message, too long, broken off or altered: a clear error, nothing stored."""

import http.client
import random
import socket
from urllib.parse import urlsplit

import cbor2
import pytest

from gateway.wire.session import SessionRequest
from gateway.wire.submission import Submission
from tests.support.counter import Counter
from tests.support.drafts import session_request
from tests.support.leftovers import assert_nothing_kept
from tests.support.observation import assert_problem
from tests.support.observed import Observed
from tests.support.processes import PATIENCE
from tests.support.samples import (
    SESSIONS,
)

pytestmark = [pytest.mark.processes, pytest.mark.slow]


FLIPS = 240


@pytest.mark.parametrize("path", [SESSIONS, f"{SESSIONS}/{'ab' * 16}/submission"])
@pytest.mark.parametrize(
    "body", [b"\0", b"garbage", b"\xa0", b"\x80", b"\x9f" * 2000, b"\xbb" + b"\xff" * 8, b"{}" * 9]
)
def test_a_body_that_is_no_message(counter: Counter, path: str, body: bytes) -> None:
    assert_problem(counter.send("POST", path, body), 400)


def test_an_empty_body(counter: Counter) -> None:
    """Signed, it is malformed. A stranger's is not looked at."""
    typed = {"content-type": "application/cbor"}
    signed = counter.signed("POST", SESSIONS, b"")
    assert_problem(counter.send("POST", SESSIONS, b"", headers={**signed, **typed}), 400)
    answer = counter.http.post(SESSIONS, headers=typed)
    assert_problem(answer, 403)


def test_a_truncated_submission(counter: Counter) -> None:
    opened = counter.open()
    body = counter.honest_submission(opened).encode()
    for length in (1, 100, len(body) // 2, len(body) - 1):
        assert_problem(counter.submit(opened, body[:length]), 400)
    assert counter.state(opened) == "OPEN"
    assert_problem(counter.submit(opened, body + b"\0"), 400)
    assert counter.state(opened) == "OPEN"


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
    return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE)


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
    path = f"{SESSIONS}/{'0' * 32}/submission"
    connection.putrequest("POST", path, skip_host=True)
    for name, value in counter.signed("POST", path, b"").items():
        connection.putheader(name, value)
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
        with socket.create_connection(
            (str(parts.hostname), parts.port or 0), timeout=PATIENCE
        ) as raw:
            raw.sendall((head + rest).encode())


def test_bytes_that_are_no_http(counter: Counter) -> None:
    parts = urlsplit(counter.url)
    for sent in (b"\0" * 100, b"GET / HTTP/9.9\r\n\r\n", b"POST " + b"x" * 70_000):
        with socket.create_connection(
            (str(parts.hostname), parts.port or 0), timeout=PATIENCE
        ) as raw:
            raw.settimeout(PATIENCE)
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


def test_random_altered_bytes(counter: Counter) -> None:
    """Every field is signed or digested: no altered submission passes, signed anew or not."""
    rng = random.Random(5)
    opened = counter.open()
    body = counter.honest_submission(opened).encode()
    probe_at = body.index(Submission.decode(body).sealed_probe)
    seen: dict[int, int] = {}
    for number in range(FLIPS):
        if counter.state(opened) != "OPEN":
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


def test_nothing_of_it_was_kept(deployment: Observed) -> None:
    """Comes last: the servers have by now seen everything above."""
    assert_nothing_kept(deployment)
