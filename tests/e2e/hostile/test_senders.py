"""Sessions and senders: strangers, replays, other devices, other sessions."""

import httpx
import pytest

from gateway.client.answers import ClockDiffers
from gateway.client.gateway_client import GatewayClient
from gateway.host.clock import unix_time
from gateway.wire.cose import SigningKey
from gateway.wire.requests import host_of, sign_request
from tests.support.counter import Counter
from tests.support.drafts import Opened, session_request
from tests.support.leftovers import assert_nothing_kept
from tests.support.observation import (
    REFUSAL,
    assert_problem,
    record_count,
)
from tests.support.observed import Observed
from tests.support.processes import PATIENCE
from tests.support.samples import (
    ATTEMPTS,
    AUDITS,
    PRODUCTS,
    SESSION_KEYS,
    SESSIONS,
    SHARES,
)

pytestmark = [pytest.mark.processes, pytest.mark.slow]


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


def test_a_counter_whose_clock_is_wrong_is_told_so(counter: Counter) -> None:
    """By the date that the server itself puts into its answers."""
    late = GatewayClient(
        counter.http, counter.url, counter.keys.device, lambda: unix_time() - 3 * 3600
    )
    with pytest.raises(ClockDiffers) as refused:
        late.open_session(session_request(counter.keys))
    assert "about 3 hours behind the gateway's" in refused.value.detail


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
    deployment.gateway.operate("enrol", "device", other.party, other.public.raw.hex())
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
    """Unsigned, by strangers, altered, stale, replayed, for other parties or hosts: one answer."""
    body = session_request(counter.keys).encode()
    plain = {"content-type": "application/cbor"}
    signed = counter.signed("POST", SESSIONS, body)
    other_body = counter.signed("POST", SESSIONS, body + b"x")
    other_path = counter.signed("POST", SESSIONS + "/x", body)
    elsewhere = counter.signed("POST", SESSIONS, body, host="gateway.example")
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
        counter.send("POST", SESSIONS, session_request(counter.keys, gateway="another").encode()),
        counter.send("POST", SESSIONS, body, headers=elsewhere),
        counter.send("POST", SESSIONS, body, headers={**elsewhere, "host": signed["host"]}),
        counter.send(
            "POST", SESSIONS, session_request(counter.keys, consent_text_version=9).encode()
        ),
        counter.submit(opened, counter.honest_submission(opened, issued={"issuer": "another"})),
    ]
    for answer in refused:
        assert_problem(answer, 403)
        assert answer.content == REFUSAL
    assert {frozenset(a.headers) for a in refused} == {frozenset(refused[0].headers)}


def test_a_server_on_loopback_is_reached_by_its_address_and_as_localhost(counter: Counter) -> None:
    opened = counter.open()
    port = httpx.URL(counter.url).port
    for host, status in ((f"localhost:{port}", 200), ("localhost", 403), (f"[::1]:{port}", 403)):
        headers = counter.signed("GET", opened.path, b"", host=host)
        assert counter.send("GET", opened.path, headers=headers).status_code == status


def test_a_stale_request(counter: Counter) -> None:
    body = session_request(counter.keys).encode()
    host, device = host_of(counter.url), counter.keys.device
    for offset in (-61, -3600, 61 + PATIENCE):  # the server's clock goes on meanwhile
        headers = sign_request("POST", host, SESSIONS, body, device, unix_time() + offset)
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
        "POST", SESSIONS, session_request(counter.keys, profile="bgv8192-1").encode()
    )
    assert_problem(answer, 400)
    assert answer.json()["code"] == "FACE_VERIFICATION.UNKNOWN_PROFILE"


def test_the_authority_takes_no_requests_of_strangers(
    deployment: Observed, counter: Counter
) -> None:
    """A device, or anyone, who reaches the authority itself."""
    url = f"http://127.0.0.1:{deployment.proxy.upstream}"
    with httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False) as direct:
        for path in (SESSION_KEYS, ATTEMPTS, PRODUCTS, SHARES, AUDITS):
            for key in (counter.keys.device, SigningKey.generate("demo-gateway")):
                headers = counter.signed("POST", path, b"\xa0", key, deployment.proxy.host)
                answer = direct.post(path, content=b"\xa0", headers=headers)
                assert_problem(answer, 403)
            plain = {"content-type": "application/cbor"}
            assert_problem(direct.post(path, content=b"\xa0", headers=plain), 403)
            assert_problem(direct.post(path, content=b"x", headers={"content-type": "a/b"}), 415)
            assert_problem(direct.post(path, content=bytes(2**20), headers=plain), 413)
        assert_problem(direct.get("/v1/nothing"), 404)


def test_opened_sessions_are_distinct(counter: Counter) -> None:
    opened: list[Opened] = [counter.open() for _ in range(4)]
    assert len({one.session for one in opened}) == 4
    assert len({one.key.public_key.key_id for one in opened}) == 4


def test_nothing_of_it_was_kept(deployment: Observed) -> None:
    """Comes last: the servers have by now seen everything above."""
    assert_nothing_kept(deployment)
