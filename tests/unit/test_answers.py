"""Why no word of the gateway came back, as it is told to the person at the counter."""

import email.utils
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import create_server

import httpx
import pytest

from gateway.cli import devca
from gateway.client.answers import NoAnswer, NotTheGateway, seconds_apart
from gateway.client.gateway_client import RECOVERY_ATTEMPTS, GatewayClient, OutcomeUnknown
from gateway.host.tls import ClientTls, ServerTls
from gateway.wire.ids import SessionId
from tests.support.parties import DEVICE, NOW
from tests.support.processes import PATIENCE


@contextmanager
def showing(directory: Path) -> Iterator[str]:
    """A server that shows this directory's certificate of a gateway, and says no more."""
    context = ServerTls(directory / "gateway.pem", directory / "gateway.key", None).context()

    def serve() -> None:
        with suppress(OSError):  # the client hangs up
            connection, _ = listener.accept()
            with connection, context.wrap_socket(connection, server_side=True):
                pass

    with create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def asking(url: str, ca: Path) -> NoAnswer:
    with httpx.Client(verify=ClientTls(ca).context(), trust_env=False, timeout=PATIENCE) as client:
        gateway = GatewayClient(client, url, DEVICE, lambda: NOW)
        with pytest.raises(NoAnswer) as ended:
            gateway.status(SessionId(bytes(16)))
    return ended.value


def test_a_certificate_is_told_apart_from_a_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter's, the gateway's own after its end, and, as a control, one that is in order."""
    own, filters, ended = (tmp_path / name for name in ("own", "filter", "ended"))
    devca.make(own, ["127.0.0.1"])
    devca.make(filters, ["127.0.0.1"])
    monkeypatch.setattr(devca, "_LEAF_DAYS", -120 / 86_400)
    devca.make(ended, ["127.0.0.1"])
    with showing(filters) as url:
        found = asking(url, own / "ca.pem")
    assert isinstance(found, NotTheGateway)
    assert "something on the way answers in its place" in str(found)
    with showing(ended) as url:
        found = asking(url, ended / "ca.pem")
    assert f"at this counter's time, {email.utils.formatdate(NOW, usegmt=True)}" in str(found)
    with showing(own) as url:
        found = asking(url, own / "ca.pem")
    assert "certificate" not in str(found)


@pytest.mark.parametrize(
    ("date", "seconds"),
    [(1000, 0), (1030, 0), (1010, 0), (999, 1), (1090, -60), (0, 1000), (1030 + 86_400, -86_400)],
)
def test_how_far_a_clock_is_off(date: int, seconds: int) -> None:
    """The request left at 1000, and its answer was there at 1030."""
    assert seconds_apart(email.utils.formatdate(date, usegmt=True), 1000, 1030) == seconds


@pytest.mark.parametrize(
    "date",
    [None, "", "now", "Fri, 31 Feb 2025 10:00:00 GMT", "0", "Mon, 1 Jan 99999 00:00:00 GMT", "\0"],
)
def test_a_date_that_is_none_tells_nothing(date: str | None) -> None:
    assert seconds_apart(date, 1000, 1030) == 0


@pytest.mark.parametrize(
    ("header", "waited"),
    [("3", 3), ("0", 0.5), ("86400", 10), ("9" * 400, 10), ("", 0.5), ("-1", 0.5), ("soon", 0.5)],
)
def test_a_busy_gateway_says_when_to_come_again_and_is_believed_within_bounds(
    monkeypatch: pytest.MonkeyPatch, header: str, waited: float
) -> None:
    """A proxy may make such an answer too; nobody stands at a counter for a day."""
    pauses: list[float] = []
    monkeypatch.setattr("gateway.client.gateway_client.time.sleep", pauses.append)
    problem = {"status": 503, "code": "UNAVAILABLE", "message": "busy"}
    headers = {"retry-after": header} if header else {}
    transport = httpx.MockTransport(lambda _: httpx.Response(503, json=problem, headers=headers))
    with httpx.Client(transport=transport) as line:
        client = GatewayClient(line, "http://gateway.example", DEVICE, lambda: NOW)
        with pytest.raises(OutcomeUnknown):
            client.fetch(SessionId(bytes(16)))
    assert pauses == [waited] * RECOVERY_ATTEMPTS
