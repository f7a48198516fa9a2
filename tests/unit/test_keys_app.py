"""The key authority over HTTP: what a stranger, a peer and a broken body get."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from gateway.host.settings import BadConfiguration
from gateway.wire import cbor, cose
from gateway.wire.evaluation import Decision, DecisionResponse, ProductRequest, SharesRequest
from gateway.wire.message import SMALL, Message
from gateway.wire.profile import T
from gateway.wire.requests import sign_request
from gateway.wire.sealing import Sealed
from keys.app import create_app
from keys.custody import open_custody
from keys.service import AuthorityService
from tests.support import parties
from tests.support.parties import (
    DEVICE,
    GATEWAY,
    ISSUER,
    NOW,
    OTHER_GATEWAY,
    SESSION,
    Clock,
    LocalSecrets,
    OpenSession,
    any_product,
    session_key_request,
)
from tests.support.processes import PATIENCE
from tests.support.samples import ATTEMPTS, AUDITS, PRODUCTS, SESSION_KEYS, SHARES
from tests.support.sealed import sealed_authority
from tests.support.trusted import SignedTrust

CBOR = "application/cbor"
KEYS = SESSION_KEYS
PATHS = (SESSION_KEYS, ATTEMPTS, PRODUCTS, SHARES, AUDITS)
HOST = "authority.example"
CORRELATOR = "0f4c1d9e-7b7a-4f0e-9a55-3d2b8f6c1a70"
VOLATILE = {"x-correlator", "date"}


class Site:
    """One authority with its data directory, asked without a network."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.settings = sealed_authority(directory, "authority.example", max_sessions=3, **settings)
        own = open_custody(self.settings, 0)
        self.authority, self.sealing = own.signing.public, own.sealing[0].public
        self.directory = directory
        self.trust = SignedTrust(directory / "trust.json", own.signing)
        self.trust.add("gateway", GATEWAY).add("device", DEVICE).add("issuer", ISSUER)
        self.clock = Clock()
        self.app: FastAPI = create_app(self.settings, self.clock, LocalSecrets())

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def send(client: httpx.AsyncClient) -> httpx.Response:
            return await client.request(method, path, **given)

        return self.run(send)

    def run(self, use: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]) -> httpx.Response:
        async def with_client() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            base = f"http://{HOST}"
            async with httpx.AsyncClient(transport=transport, base_url=base) as client:
                return await use(client)

        return asyncio.run(with_client())

    def post(
        self, path: str, body: bytes, key: cose.SigningKey = GATEWAY, **headers: str
    ) -> httpx.Response:
        signed = sign_request("POST", HOST, path, body, key, self.clock.now)
        return self.ask(
            "POST", path, content=body, headers={"content-type": CBOR, **signed, **headers}
        )


def shares_of(session: bytes) -> bytes:
    """Shares that belong to no evaluation."""
    return SharesRequest(session=session, values=(11, 12), shares=(0, 1)).encode()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def shape(response: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    headers = {k: v for k, v in response.headers.items() if k not in VOLATILE}
    return response.status_code, headers, response.content


def assert_problem(response: httpx.Response, status: int, code: str) -> None:
    """The CAMARA form, and the headers of every answer."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {"status", "code", "message"}
    assert (body["status"], body["code"]) == (status, code)
    assert isinstance(body["message"], str)
    assert body["message"]
    assert response.headers["content-type"] == "application/json"
    assert_edge(response)


def assert_edge(response: httpx.Response) -> None:
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-correlator"]
    assert "server" not in response.headers


# --- the honest way ------------------------------------------------------------------------------


def test_session_key_to_decision(site: Site) -> None:
    request = session_key_request()
    answer = site.post(KEYS, request.encode())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == CBOR
    assert_edge(answer)
    opened = OpenSession(site, request, answer.content, authority_key=site.authority)
    scope = opened.key.grant.message
    dealing = site.sealing.seal(
        Sealed.DEALING, opened.dealings[1].encoded, scope.session, scope.key_id
    )
    attempt = opened.attempt(sealed_dealing=dealing)
    counted = site.post(ATTEMPTS, attempt.encode())
    assert counted.status_code == 200
    masked = site.post(PRODUCTS, opened.product(counted.content).encode())
    assert masked.status_code == 200
    shares = opened.shares(masked.content)
    decided = site.post(SHARES, shares.encode())
    assert decided.status_code == 200
    decision = DecisionResponse.decode(decided.content).decision
    assert decision is not None
    assert cose.verify(decision, Decision, site.authority).message.outcome == "MATCH"
    for path, body, answer in (
        (ATTEMPTS, attempt.encode(), counted),
        (SHARES, shares.encode(), decided),
    ):
        again = site.post(path, body)  # a new signature over the same body
        assert again.content == answer.content
    other = site.post(SHARES, shares_of(SESSION))
    assert_problem(other, 403, "PERMISSION_DENIED")


@pytest.mark.parametrize("listed", [True, False])
def test_the_settings_say_by_which_policies_it_decides(tmp_path: Path, listed: bool) -> None:
    accepted = parties.policy().digest.hex() if listed else "ab" * 32
    site = Site(tmp_path, policies=accepted)
    request = session_key_request()
    answer = site.post(KEYS, request.encode())
    opened = OpenSession(site, request, answer.content, authority_key=site.authority)
    scope = opened.key.grant.message
    dealing = site.sealing.seal(
        Sealed.DEALING, opened.dealings[1].encoded, scope.session, scope.key_id
    )
    counted = site.post(ATTEMPTS, opened.attempt(sealed_dealing=dealing).encode())
    if listed:
        assert counted.status_code == 200
    else:
        assert_problem(counted, 403, "PERMISSION_DENIED")


def test_health_needs_no_signature_and_tells_nothing(site: Site) -> None:
    response = site.ask("GET", "/v1/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok", "audits": False})
    assert_edge(response)


# --- refusals look alike -------------------------------------------------------------------------


def refusals(site: Site) -> Iterator[httpx.Response]:
    body = session_key_request().encode()
    plain = {"content-type": CBOR}
    headers = sign_request("POST", HOST, KEYS, body, GATEWAY, NOW)
    yield site.ask("POST", KEYS, content=body, headers=plain)
    yield site.ask("POST", KEYS, content=b"not cbor", headers=plain)
    yield site.ask("POST", KEYS, content=b"", headers=plain)
    yield site.post(KEYS, body, OTHER_GATEWAY)
    yield site.post(KEYS, body, DEVICE)
    yield site.post(KEYS, body, parties.stranger(GATEWAY.party))
    yield site.ask("POST", KEYS, content=body + b"\0", headers={**plain, **headers})
    yield site.ask("POST", PRODUCTS, content=body, headers={**plain, **headers})
    yield site.post(KEYS, session_key_request(gateway=OTHER_GATEWAY.party).encode())
    yield site.post(KEYS, session_key_request(device="device-18").encode())
    yield site.post(KEYS, session_key_request(issuer="reader-18").encode())
    for age in (61, -61):
        signed = sign_request("POST", HOST, KEYS, body, GATEWAY, NOW + age)
        yield site.ask("POST", KEYS, content=body, headers={**plain, **signed})
    headers = sign_request("POST", HOST, KEYS, body, GATEWAY, NOW)
    assert site.ask("POST", KEYS, content=body, headers={**plain, **headers}).status_code == 200
    yield site.ask("POST", KEYS, content=body, headers={**plain, **headers})  # replayed
    yield site.post(KEYS, session_key_request(client_nonce=bytes(32)).encode())
    yield site.post(SHARES, shares_of(SESSION))  # before the product


def test_every_refusal_is_the_same_answer(site: Site) -> None:
    answers = list(refusals(site))
    assert len(answers) >= 16
    for answer in answers:
        assert_problem(answer, 403, "PERMISSION_DENIED")
    assert len({json.dumps(shape(a)[1], sort_keys=True) for a in answers}) == 1
    assert len({a.content for a in answers}) == 1


def test_the_reason_goes_to_the_log_under_the_correlator(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sealmatch.authority")
    body = session_key_request(device="device-18").encode()
    site.post(KEYS, body, **{"x-correlator": CORRELATOR})
    assert caplog.messages == [f"{CORRELATOR} PERMISSION_DENIED: device device-18 is not enrolled"]


@pytest.mark.parametrize("sent", ["QX7391000", "0" * 32, CORRELATOR[:-1], CORRELATOR + "0"])
def test_what_is_no_uuid_is_echoed_and_not_logged(
    site: Site, caplog: pytest.LogCaptureFixture, sent: str
) -> None:
    """Somebody may put a customer's number there."""
    caplog.set_level(logging.INFO, "sealmatch.authority")
    body = session_key_request(device="device-18").encode()
    answer = site.post(KEYS, body, **{"x-correlator": sent})
    assert answer.headers["x-correlator"] == sent
    assert caplog.messages == ["- PERMISSION_DENIED: device device-18 is not enrolled"]


def test_a_request_recorded_before_a_restart_is_not_answered_after_it(site: Site) -> None:
    body = session_key_request().encode()
    headers = {
        "content-type": CBOR,
        **sign_request("POST", HOST, KEYS, body, GATEWAY, site.clock.now),
    }
    assert site.ask("POST", KEYS, content=body, headers=headers).status_code == 200
    site.clock.now += 1
    site.app = create_app(site.settings, site.clock, LocalSecrets())
    again = site.ask("POST", KEYS, content=body, headers=headers)
    assert_problem(again, 503, "UNAVAILABLE")
    assert site.post(KEYS, body).status_code == 200


def test_suspended_at_the_next_request(site: Site) -> None:
    body = session_key_request().encode()
    assert site.post(KEYS, body).status_code == 200
    site.trust.remove("gateway", GATEWAY.party)
    assert_problem(site.post(KEYS, body), 403, "PERMISSION_DENIED")


def test_a_broken_trust_list_is_our_fault_and_nobody_is_let_in(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator must find the reason in the log; the peer gets no reason to distrust its key."""
    (site.directory / "trust.json").write_text('{"hunter2": ')
    response = site.post(KEYS, session_key_request().encode())
    assert_problem(response, 500, "INTERNAL")
    assert "trust.json: not a valid trust list" in caplog.text
    assert "hunter2" not in caplog.text + response.text


# --- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "content_type", [None, "application/json", "text/plain", "", "application/cbor-seq", "cbor"]
)
def test_another_content_type(site: Site, path: str, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    response = site.ask("POST", path, content=b"x", headers=headers)
    assert_problem(response, 415, "UNSUPPORTED_MEDIA_TYPE")


def test_content_type_with_parameters_and_capitals(site: Site) -> None:
    body = session_key_request().encode()
    signed = sign_request("POST", HOST, KEYS, body, GATEWAY, NOW)
    headers = {**signed, "content-type": "Application/CBOR; charset=binary"}
    assert site.ask("POST", KEYS, content=body, headers=headers).status_code == 200


async def chunks(total: int, given: list[int]) -> AsyncIterator[bytes]:
    while total > 0:
        piece = min(total, 4096)
        given.append(piece)
        total -= piece
        yield bytes(piece)


def test_too_large_with_a_stated_length(site: Site) -> None:
    response = site.ask("POST", KEYS, content=bytes(SMALL + 1), headers={"content-type": CBOR})
    assert_problem(response, 413, "PAYLOAD_TOO_LARGE")


def test_too_large_without_a_stated_length(site: Site) -> None:
    """Of a stranger's body nothing is read at all."""
    for signed in (sign_request("POST", HOST, KEYS, b"", GATEWAY, NOW), {}):
        given: list[int] = []
        response = site.ask(
            "POST",
            KEYS,
            content=chunks(SMALL + 4096, given),
            headers={"content-type": CBOR, **signed},
        )
        assert "content-length" not in response.request.headers
        if signed:
            assert_problem(response, 413, "PAYLOAD_TOO_LARGE")
        else:
            assert_problem(response, 403, "PERMISSION_DENIED")


@pytest.mark.parametrize("path", PATHS[1:])
def test_ciphertext_routes_are_bounded_too(site: Site, path: str) -> None:
    response = site.ask("POST", path, content=bytes(600_000), headers={"content-type": CBOR})
    assert_problem(response, 413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    ("length", "status"),
    [("16385", 413), ("9" * 40, 413), ("-1", 400), ("1e3", 400), ("²", 400), ("", 400)],
)
def test_stated_lengths(site: Site, length: str, status: int) -> None:
    """The stated length decides before anything is read."""
    sent: list[dict[str, Any]] = []

    async def unread() -> dict[str, Any]:
        raise AssertionError("the body was read")

    async def keep(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": KEYS,
        "raw_path": KEYS.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("authority.example", 80),
        "client": ("192.0.2.1", 1),
        "headers": [
            (b"content-type", CBOR.encode()),
            (b"content-length", length.encode("latin-1")),
        ],
    }
    asyncio.run(site.app(scope, unread, keep))  # type: ignore[arg-type]
    assert sent[0]["status"] == status


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", [b"", b"\xa0", b"hunter2", bytes(100)], ids=repr)
def test_malformed_bodies_of_a_known_gateway(site: Site, path: str, body: bytes) -> None:
    response = site.post(path, body)
    assert_problem(response, 400, "INVALID_ARGUMENT")
    assert "hunter2" not in response.text


PRODUCT = ProductRequest(session=SESSION, padded_product=any_product(), omega=1)
SHARED = SharesRequest(session=SESSION, values=(0, T - 1), shares=(0, 1))
OUT_OF_RANGE: dict[str, tuple[str, Message, dict[str, Any]]] = {
    "omega zero": (PRODUCTS, PRODUCT, {"omega": 0}),
    "omega is t": (PRODUCTS, PRODUCT, {"omega": T}),
    "omega negative": (PRODUCTS, PRODUCT, {"omega": -1}),
    "m is t": (SHARES, SHARED, {"values": [0, T]}),
    "m negative": (SHARES, SHARED, {"values": [-1, 0]}),
    "one m": (SHARES, SHARED, {"values": [0]}),
    "three m": (SHARES, SHARED, {"values": [0, 0, 0]}),
    "a share of two": (SHARES, SHARED, {"shares": [0, 2]}),
    "a share as a boolean": (SHARES, SHARED, {"shares": [False, True]}),
    "one share": (SHARES, SHARED, {"shares": [0]}),
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_numbers_out_of_range_are_malformed(site: Site, name: str) -> None:
    """Before any session is looked for; in range, the same message finds none."""
    path, message, changes = OUT_OF_RANGE[name]
    assert_problem(site.post(path, message.encode()), 404, "NOT_FOUND")
    wrong = cbor.encode({**message.to_map(), **changes})
    assert_problem(site.post(path, wrong), 400, "INVALID_ARGUMENT")


def test_unknown_profile_has_a_code_of_its_own(site: Site) -> None:
    response = site.post(KEYS, session_key_request(profile="hunter2").encode())
    assert_problem(response, 400, "FACE_VERIFICATION.UNKNOWN_PROFILE")
    assert "hunter2" not in response.text


def test_unknown_session(site: Site) -> None:
    assert_problem(site.post(SHARES, shares_of(bytes(16))), 404, "NOT_FOUND")


def test_too_many_sessions(site: Site) -> None:
    for i in range(3):
        body = session_key_request(session=parties.fixed_bytes(f"s{i}", 16)).encode()
        assert site.post(KEYS, body).status_code == 200
    body = session_key_request(session=bytes(16)).encode()
    assert_problem(site.post(KEYS, body), 503, "UNAVAILABLE")
    site.clock.now += 300
    assert site.post(KEYS, body).status_code == 200


# --- paths, methods, headers ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/", "/hunter2", "/v1", "/v1/session-keys/", "/v1/health/", "/docs", "/redoc", "/openapi.json",
     "/v1/%2e%2e/x", "//v1/health", "/v1/session-keys/hunter2"],
)  # fmt: skip
def test_unknown_paths(site: Site, path: str) -> None:
    for method in ("GET", "POST", "PUT"):
        response = site.ask(method, path)
        assert_problem(response, 404, "NOT_FOUND")
        assert "hunter2" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [(m, p, "POST") for p in PATHS for m in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS")]
    + [("POST", "/v1/health", "GET")],
)
def test_other_methods(site: Site, method: str, path: str, allowed: str) -> None:
    assert_problem(site.ask(method, path), 405, "METHOD_NOT_ALLOWED")


def test_other_methods_are_told_which_one_is_allowed(site: Site) -> None:
    """RFC 9110, section 15.5.6: a 405 must carry ``Allow``."""
    assert site.ask("GET", KEYS).headers.get("allow") == "POST"
    assert site.ask("POST", "/v1/health").headers.get("allow") == "GET"


@pytest.mark.parametrize("correlator", ["a", "x" * 256, "01-aZ_:;./<>{}"])
def test_correlator_is_echoed(site: Site, correlator: str) -> None:
    for method, path in (("GET", "/v1/health"), ("GET", "/nothing"), ("POST", KEYS)):
        response = site.ask(method, path, headers={"x-correlator": correlator})
        assert response.headers.get_list("x-correlator") == [correlator]


@pytest.mark.parametrize("correlator", ["", "x" * 257, "with space", 'quote"', "é", "a\tb", "a,b"])
def test_correlators_of_another_form_are_replaced(site: Site, correlator: str) -> None:
    headers = [(b"x-correlator", correlator.encode("latin-1"))]
    made = {site.ask("GET", "/v1/health", headers=headers).headers["x-correlator"] for _ in "12"}
    assert len(made) == 2
    assert correlator not in made
    assert all(len(one) == 36 for one in made)


# --- requests for other servers ------------------------------------------------------------------


def for_host(site: Site, signed_for: str, header: str) -> httpx.Response:
    body = session_key_request().encode()
    signed = sign_request("POST", signed_for, KEYS, body, GATEWAY, NOW)
    headers = {**signed, "content-type": CBOR, "host": header, "x-correlator": CORRELATOR}
    return site.ask("POST", KEYS, content=body, headers=headers)


@pytest.mark.parametrize(
    ("signed_for", "header"), [("hunter2", "hunter2"), ("hunter2", HOST), (HOST, "hunter2")]
)
def test_a_request_for_another_server_is_refused(
    site: Site, caplog: pytest.LogCaptureFixture, signed_for: str, header: str
) -> None:
    """Whoever got it passes it on, with the Host header that came with it or with the right one."""
    caplog.set_level(logging.INFO, "sealmatch.authority")
    assert_problem(for_host(site, signed_for, header), 403, "PERMISSION_DENIED")
    reason = "request signature does not verify, or is for another host"
    if header != HOST:
        reason = f"request for another host than {HOST}: see public_urls"
    assert caplog.messages == [f"{CORRELATOR} PERMISSION_DENIED: {reason}"]


def test_the_settings_name_the_server_where_they_say_how_it_is_reached(tmp_path: Path) -> None:
    """And then nothing else does: addresses on loopback are the same on every machine."""
    public = "https://Keys.example:443, http://127.0.0.1:9000"
    site = Site(tmp_path, public_urls=public)
    for host in ("keys.example", "127.0.0.1:9000"):
        assert for_host(site, host, host).status_code == 200
    for host in (HOST, "localhost:9000", "keys.example:9000"):
        assert_problem(for_host(site, host, host), 403, "PERMISSION_DENIED")
    assert for_host(site, "keys.example", "KEYS.example:443").status_code == 200


def test_a_server_that_does_not_know_where_it_is_reached_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="public_urls"):
        Site(tmp_path, public_urls="keys.example")


# --- our own faults ------------------------------------------------------------------------------


def test_a_fault_of_ours_tells_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """500 in the CAMARA form with the edge headers; the value in the exception goes nowhere.

    The exception must not leave the application: uvicorn would print it with its traceback.
    """

    def broken(*_: object) -> bytes:
        raise RuntimeError("score 1234 of subject hunter2")

    monkeypatch.setattr(AuthorityService, "open_session", broken)
    app = create_app(site.settings, site.clock, LocalSecrets())
    monkeypatch.setattr(site, "app", app)
    response = site.post(KEYS, session_key_request().encode(), **{"x-correlator": CORRELATOR})
    assert_problem(response, 500, "INTERNAL")
    assert response.headers["x-correlator"] == CORRELATOR
    assert "hunter2" not in response.text
    assert "hunter2" not in caplog.text
    assert f"{CORRELATOR} INTERNAL: RuntimeError" in caplog.text


def test_the_server_goes_on_after_everything_above(site: Site) -> None:
    for _ in refusals(site):
        pass
    site.post(PRODUCTS, b"\xff" * 1000)
    body = session_key_request(session=bytes(16)).encode()
    assert site.post(KEYS, body).status_code == 200


def test_keys_are_swept_while_nobody_asks_and_destroyed_at_the_end(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keys import app as module
    from keys.authority import SessionSecret

    destroyed: list[int] = []
    real = SessionSecret.destroy

    def spy(self: SessionSecret) -> None:
        destroyed.append(1)
        real(self)

    monkeypatch.setattr(SessionSecret, "destroy", spy)
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.01)

    async def live() -> None:
        async with site.app.router.lifespan_context(site.app):
            for i in range(2):
                body = session_key_request(session=parties.fixed_bytes(f"s{i}", 16)).encode()
                assert (await asyncio.to_thread(site.post, KEYS, body)).status_code == 200
                site.clock.now += 200
            async with asyncio.timeout(PATIENCE):
                while not destroyed:
                    await asyncio.sleep(0.01)
            assert destroyed == [1]  # the first one's 300 seconds are over

    asyncio.run(live())
    assert destroyed == [1, 1]
