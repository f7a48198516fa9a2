"""Connections to peers: kept, bounded, and no help to a peer that wants to hold or confuse."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import count
from types import SimpleNamespace

import httpx
import pytest

from gateway.server import peer_transport
from gateway.server.peer_transport import peer_client
from tests.support.processes import PATIENCE

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nwh\r\n"


class HostilePeer:
    """Accepts connections, reads a request, and sends what a test wants."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.heard: list[bytes] = []
        self.connections: list[socket.socket] = []
        self.ends = False
        self.reads = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/base/path?no"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for one in (self._listener, *self.connections):
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, IndexError):
            while True:
                if self.reads:
                    self.heard.append(self._request(connection))
                connection.sendall(self.answers.pop(0))
                if self.ends:
                    connection.close()

    def _request(self, connection: socket.socket) -> bytes:
        came = b""
        while b"\r\n\r\n" not in came:
            piece = connection.recv(65536)
            if not piece:
                raise OSError
            came += piece
        head, _, body = came.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body


@pytest.fixture
def peer() -> Iterator[HostilePeer]:
    with closing(HostilePeer()) as one:
        yield one


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with peer_client(PATIENCE) as one:
        yield one


def ask(client: httpx.Client, peer: HostilePeer, body: bytes = b"body") -> bytes:
    with client.stream("POST", peer.url, content=body) as response:
        return b"".join(response.iter_raw())


@pytest.mark.parametrize("size", [0, 5, 300_000])
def test_requests_follow_one_another_on_a_connection(
    peer: HostilePeer, client: httpx.Client, size: int
) -> None:
    peer.answers = [
        OK,
        CHUNKED + b"0\r\nx: y\r\n\r\n",
        OK,
    ]
    assert [ask(client, peer, bytes(size)) for _ in range(3)] == [b"whole", b"wh", b"whole"]
    assert len(peer.connections) == 1
    head, _, body = peer.heard[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /base/path?no HTTP/1.1\r\nHost: 127.0.0.1:")
    assert body == bytes(size)


@pytest.mark.parametrize(
    "answer",
    [
        OK + OK,
        OK + b"more than was said",
        OK.replace(b"content", b"connection: close\r\ncontent"),
        OK.replace(b"1.1", b"1.0"),
    ],
    ids=["two answers", "a tail", "close", "old"],
)
def test_a_connection_that_may_be_out_of_step_is_not_used_again(
    peer: HostilePeer, client: httpx.Client, answer: bytes
) -> None:
    """The second answer to one request must not become the first answer to the next."""
    peer.answers = [answer, OK.replace(b"whole", b"other")]
    with suppress(httpx.RemoteProtocolError):
        assert ask(client, peer) == b"whole"
    assert ask(client, peer) == b"other"
    assert len(peer.connections) == 2


def test_what_comes_before_it_was_asked_for_is_thrown_away(
    peer: HostilePeer, client: httpx.Client
) -> None:
    peer.answers = [OK]
    ask(client, peer)
    peer.connections[0].sendall(OK.replace(b"whole", b"false"))
    peer.answers = [OK]
    while peer_transport._Connection.alive(client._transport._idle[0]):  # type: ignore[attr-defined]
        pass  # it is on its way through the loopback
    assert ask(client, peer) == b"whole"
    assert len(peer.connections) == 2


def test_a_connection_that_the_peer_has_closed_is_replaced(
    peer: HostilePeer, client: httpx.Client
) -> None:
    peer.answers, peer.ends = [OK, OK], True
    assert ask(client, peer) == b"whole"
    while peer_transport._Connection.alive(client._transport._idle[0]):  # type: ignore[attr-defined]
        pass
    assert ask(client, peer) == b"whole"


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-le", httpx.ReadTimeout),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhol", httpx.ReadTimeout),
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000, httpx.RemoteProtocolError),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 3, httpx.RemoteProtocolError),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, httpx.RemoteProtocolError),
        (CHUNKED + b"0\r\n" + b"x: y\r\n" * 40_000, httpx.RemoteProtocolError),
        (CHUNKED + b"0\r\nx: " + b"y" * 300_000, httpx.RemoteProtocolError),
        (CHUNKED + b"2;x=" + b"y" * 300_000, httpx.RemoteProtocolError),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
            httpx.RemoteProtocolError,
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nwhole!",
            httpx.RemoteProtocolError,
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            httpx.RemoteProtocolError,
        ),
        (b"SSH-2.0-OpenSSH\r\n", httpx.RemoteProtocolError),
    ],
    ids=[
        *("half a header", "half a body", "long", "interim", "interim and answer", "trailers"),
        *("trailer", "extension", "upgrade", "lengths", "both", "ssh"),
    ],
)
def test_what_is_no_answer_ends_in_time(
    peer: HostilePeer, answer: bytes, fault: type[Exception]
) -> None:
    peer.answers = [answer]
    with peer_client(0.3 if fault is httpx.ReadTimeout else PATIENCE) as client:
        with pytest.raises(fault):
            ask(client, peer)
        peer.answers = [OK]
        with suppress(httpx.ReadTimeout):  # on a slow machine
            assert ask(client, peer) == b"whole"


def test_a_byte_now_and_then_does_not_hold_a_thread(
    peer: HostilePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes well within the time; the answer does not."""
    peer.answers = [b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n"]
    ticks = count(0, 0.1)
    clock = SimpleNamespace(monotonic=lambda: next(ticks))
    monkeypatch.setattr(peer_transport, "time", clock)
    with peer_client(2.0) as client:
        with client.stream("POST", peer.url, content=b"body") as response:
            pieces = response.iter_raw()
            sent = 0

            def dribble() -> None:
                nonlocal sent
                while True:
                    peer.connections[0].sendall(b"x")
                    sent += 1
                    next(pieces)

            with pytest.raises(httpx.ReadTimeout):
                dribble()
        assert 0 < sent < 20


def test_a_refusal_before_the_whole_request_was_read_is_heard(
    peer: HostilePeer, client: httpx.Client
) -> None:
    peer.reads = False
    peer.answers = [OK.replace(b"200 OK", b"403 Forbidden")]
    with client.stream("POST", peer.url, content=bytes(100)) as response:
        assert response.status_code == httpx.codes.FORBIDDEN


def test_redirections_lead_nowhere(peer: HostilePeer, client: httpx.Client) -> None:
    peer.answers = [OK.replace(b"200 OK", b"307 X\r\nlocation: http://127.0.0.1:1/")]
    with client.stream("POST", peer.url, content=b"") as response:
        assert response.status_code == httpx.codes.TEMPORARY_REDIRECT


def test_a_look_may_take_less_time_than_the_others(peer: HostilePeer) -> None:
    """A peer that hangs must not hold back what is told of the others."""
    with closing(peer_client(PATIENCE)) as patient, pytest.raises(httpx.ReadTimeout):
        patient.post(peer.url, content=b"", timeout=0.05)


def test_nobody_there_is_an_error_of_the_network(client: httpx.Client) -> None:
    for url in ("http://127.0.0.1:1/", "http://" + "a" * 70 + ".example/"):
        with pytest.raises((httpx.TransportError, httpx.InvalidURL)):
            client.post(url)


def test_idle_connections_are_bounded(
    peer: HostilePeer, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_transport, "KEPT_CONNECTIONS", 3)
    peer.answers = [OK] * 5
    opened: list[Callable[[], object]] = []
    for _ in range(5):
        context = client.stream("POST", peer.url, content=b"")
        response = context.__enter__()
        assert response.read() == b"whole"
        opened.append(lambda context=context: context.__exit__(None, None, None))
    for close in opened:
        close()
    assert len(client._transport._idle) <= 3  # type: ignore[attr-defined]
