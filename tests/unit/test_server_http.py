"""The gateway's HTTP edge in process: answers of its own making, never a framework's.

Everything that crosses real sockets is tested in ``tests/e2e``.
"""

import asyncio
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.host.serving import CannotListen, bind
from gateway.host.signed import SignedRequests
from gateway.server import app as server_app
from gateway.server.config import GatewaySettings
from gateway.server.service import GatewayService
from gateway.wire.errors import CallerMisuse
from tests.support.observation import assert_problem
from tests.support.processes import PATIENCE
from tests.support.samples import MODEL, SESSIONS
from tests.support.sealed import sealed_gateway


@pytest.fixture
def settings(tmp_path: Path) -> GatewaySettings:
    return sealed_gateway(
        tmp_path,
        authority_url="http://127.0.0.1:9",
        authority_public_key="ab" * 32,
        model_id=MODEL.model_id,
        model_digest=MODEL.digest.hex(),
    )


class TestClient:
    """Requests to an application, one at a time."""

    __test__ = False

    def __init__(self, app: Any) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def request(self, method: str, path: str, headers: Any = None) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self._transport, base_url="http://gateway"
            ) as client:
                return await client.request(method, path, headers=headers)

        return asyncio.run(send())

    def get(self, path: str, headers: Any = None) -> httpx.Response:
        return self.request("GET", path, headers)


@pytest.fixture
def client(settings: GatewaySettings) -> TestClient:
    return TestClient(server_app.create_app(settings))


def test_health(client: TestClient) -> None:
    answer = client.get("/health")
    assert answer.json() == {"status": "ok"}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/docs", 404),
        ("GET", "/openapi.json/..", 404),
        ("GET", "/face-verification/v0.2/sessions", 404),
        ("GET", SESSIONS, 405),
        ("DELETE", SESSIONS, 405),
        ("POST", "/health", 405),
        ("POST", f"{SESSIONS}/", 404),
        ("GET", f"{SESSIONS}/{'0' * 32}/submission", 405),
        ("GET", f"{SESSIONS}/not-a-session", 404),
        ("GET", f"{SESSIONS}/{'0' * 31}", 404),
        ("GET", f"{SESSIONS}/{'A' * 32}", 404),
        ("GET", f"{SESSIONS}/{'0' * 32}", 403),
    ],
)
def test_errors_have_the_documented_form(
    client: TestClient, method: str, path: str, status: int
) -> None:
    assert_problem(client.request(method, path), status)


CORRELATOR = "0f4c1d9e-7b7a-4f0e-9a55-3d2b8f6c1a70"


@pytest.mark.parametrize("given", ["abc-123", "x" * 256, "<a>/{b};c:d_e.f", CORRELATOR])
def test_a_correlator_is_echoed(client: TestClient, given: str) -> None:
    assert client.get("/health", headers={"x-correlator": given}).headers["x-correlator"] == given


@pytest.mark.parametrize("given", ["", "x" * 257, "a b", 'a"b', "\x7f", "ä"])
def test_a_correlator_of_another_form_is_replaced(client: TestClient, given: str) -> None:
    answer = client.get("/health", headers={"x-correlator": given.encode("latin-1")})
    assert len(answer.headers["x-correlator"]) == 36


@pytest.mark.parametrize("error", [ZeroDivisionError("canary"), CallerMisuse("canary")])
def test_a_fault_of_our_own_is_500_without_detail(
    client: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(GatewayService, "status", broken)
    monkeypatch.setattr(SignedRequests, "sender", lambda *_: None)
    answer = client.get(f"{SESSIONS}/{'0' * 32}", headers={"x-correlator": CORRELATOR})
    assert answer.status_code == 500
    assert set(answer.json()) == {"status", "code", "message"}
    assert answer.json()["code"] == "INTERNAL"
    assert "canary" not in answer.text
    assert answer.headers["x-correlator"] == CORRELATOR
    assert answer.headers["cache-control"] == "no-store"
    assert f"{CORRELATOR} INTERNAL" in caplog.text


def test_a_bound_socket_takes_connections() -> None:
    """The server says that it is ready right after ``bind``: who connects then is served later."""
    with bind("127.0.0.1", 0) as listener:
        with socket.create_connection(listener.getsockname(), timeout=PATIENCE) as client:
            client.sendall(b"early")
            listener.settimeout(PATIENCE)
            accepted, sender = listener.accept()
            with accepted:
                assert sender == client.getsockname()
                assert accepted.recv(16) == b"early"
        with pytest.raises(CannotListen, match="cannot listen on 127"):
            bind(*listener.getsockname())


def test_a_socket_that_does_not_listen_takes_none() -> None:
    """The control: an address that is only taken refuses."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(taken.getsockname(), timeout=PATIENCE)
