"""Strangers who hold connections: each attack against its limit, and against a server without it.

Servers run in a thread of this process, on real sockets. A control never waits for a moment: it
completes what the attack left open, and is answered.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.cli import devca
from gateway.host import application, protocol
from gateway.host.application import STRANGERS_LINES
from gateway.host.connections import Connections, Phase
from gateway.host.limits import HEAD_FIELDS, PIPELINED, Limits, networks_of
from gateway.host.tls import ClientTls, ServerTls
from gateway.wire.ids import digest_of
from tests.support.processes import PATIENCE, until
from tests.support.served import Served, cut_off, everything, get, served

LONG = 600.0
SHORT = 0.2
HALF = b"GET / HT"


def answers(connection: socket.socket) -> bytes:
    """One answer with a short body of JSON, or an interim one."""
    found = b""
    while not found.endswith((b"}", b"100 Continue\r\n\r\n")):
        piece = connection.recv(65536)
        assert piece, found
        found += piece
    return found


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def turned_away(server: Served) -> bool:
    """Whether a newcomer gets nothing."""
    try:
        return server.ask(get("/", close=True)) == b""
    except OSError:
        return True


def comes_through(attempt: Callable[[], bool]) -> None:
    """It succeeds, at some time: a slow machine may miss a short deadline of the server's."""
    until = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError):
            if attempt():
                return
        assert time.monotonic() < until


def ended(server: Served, reason: str) -> int:
    return server.server.open.ended[reason]  # type: ignore[index]


def only_one(server: Served) -> protocol.HttpProtocol:
    """The server's side of the connection that is open."""
    (edge,) = server.server.server_state.connections
    assert isinstance(edge, protocol.HttpProtocol)
    return edge


@contextlib.contextmanager
def held(server: Served, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(count)]
        for one in connections:
            with contextlib.suppress(OSError):  # turned away already
                one.sendall(sent)
        yield connections


# --- more connections than descriptors -----------------------------------------------------------

FEW_DESCRIPTORS = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 256))
from gateway.host.limits import Limits
from gateway.host.operator_log import operator_log
from tests.support.served import served
operator_log()
with served(Limits(per_address=0)) as server:
    sys.stdin.readline()
    print(sum(server.server.open.ended.values()), flush=True)
with served(Limits(connections=None, per_address=0, header_seconds=600)) as server:
    server.server.open.make_room = lambda: False  # nobody makes room: newcomers wait
    sys.stdin.readline()
"""


@pytest.mark.processes
def test_half_open_connections_beyond_the_descriptors_stop_nobody() -> None:
    """The soft limit of 64 is raised to 256, and 400 strangers hold what they can get.

    Without anybody making room a newcomer waits for as long as they hold it.
    """
    with subprocess.Popen(
        [sys.executable, "-c", FEW_DESCRIPTORS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            address = ready(process.stdout.readline())
            with half_open(address, 400):
                assert well(address, PATIENCE)
                process.stdin.write("\n")
                process.stdin.flush()
                gone = int(process.stdout.readline())
            assert gone >= 400 - 192
            address = ready(process.stdout.readline())
            with half_open(address, 400):
                assert not well(address, 2)
            assert well(address, PATIENCE)
            _, written = process.communicate("\n", PATIENCE)
            assert len(written.splitlines()) < 30, written
            assert "connections ended" in written
            assert "127.0.0.1" not in written
        finally:
            process.kill()


def ready(line: str) -> tuple[str, int]:
    said = json.loads(line)
    return said["host"], said["port"]


@contextlib.contextmanager
def half_open(address: tuple[str, int], count: int) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            one = stack.enter_context(socket.create_connection(address, PATIENCE))
            with contextlib.suppress(OSError):
                one.sendall(HALF)
        yield


def well(address: tuple[str, int], seconds: float) -> bool:
    with socket.create_connection(address, PATIENCE) as one:
        one.settimeout(seconds)
        one.sendall(get("/", close=True))
        try:
            return everything(one).startswith(b"HTTP/1.1 200")
        except TimeoutError:
            return False


def test_a_tls_handshake_that_never_begins_takes_a_place_that_a_newcomer_gets(
    tmp_path: Path,
) -> None:
    """It counts before the first byte, has the deadline of headers, and makes room."""
    devca.make(tmp_path, ["127.0.0.1"])
    tls = ServerTls(tmp_path / "gateway.pem", tmp_path / "gateway.key")
    trusting = ClientTls(tmp_path / "ca.pem").context()

    def is_well(server: Served) -> bool:
        with (
            server.connect() as plain,
            trusting.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
        ):
            secured.sendall(get("/", close=True))
            return everything(secured).startswith(b"HTTP/1.1 200")

    limits = Limits(connections=5, header_seconds=LONG)
    with served(limits, tls=tls) as server, held(server, 8, b"") as strangers:
        assert is_well(server)
        assert cut_off(strangers[0])
        assert ended(server, "in-all") >= 3
    with served(replace(limits, header_seconds=SHORT), tls=tls) as server:
        with server.connect() as stranger:
            assert cut_off(stranger)
        comes_through(lambda: is_well(server))


def test_strangers_requests_fill_no_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a known sender is refused for is always written."""
    monkeypatch.setattr(application, "STRANGERS_SECONDS", LONG)
    caplog.set_level("INFO", "sealmatch.edge")
    unsigned = anybody(0, "content-type: application/cbor").replace(b"/anybody", b"/signed")
    with served() as server:
        for _ in range(STRANGERS_LINES + 10):
            assert status(server.ask(unsigned)) == 403
        assert caplog.text.count("PERMISSION_DENIED") == STRANGERS_LINES
        for _ in range(3):
            known = server.head("/signed", b"a", connection="close")
            assert status(server.ask(known + b"b")) == 403
        assert caplog.text.count("PERMISSION_DENIED") == STRANGERS_LINES + 3


# --- late headers and bodies ---------------------------------------------------------------------


def test_dribbled_headers_have_a_deadline() -> None:
    with served(Limits(header_seconds=SHORT)) as server, server.connect() as slow:
        slow.sendall(HALF)
        assert cut_off(slow)
        assert ended(server, "headers-late") == 1
        comes_through(server.is_well)

        def second_is_late() -> bool:  # the second request has a deadline as well
            with server.connect() as later:
                later.sendall(get("/"))
                if not later.recv(1, socket.MSG_PEEK):
                    return False
                assert status(answers(later)) == 200
                later.sendall(HALF)
                return cut_off(later)

        comes_through(second_is_late)
    with served(Limits(header_seconds=LONG)) as server, server.connect() as slow:
        slow.sendall(HALF)
        time.sleep(4 * SHORT)
        slow.sendall(get("/", close=True)[len(HALF) :])
        assert status(everything(slow)) == 200


def anybody(size: int, *more: str) -> bytes:
    lines = [f"content-length: {size}", "host: x", "connection: close", *more, "", ""]
    return ("POST /anybody HTTP/1.1\r\n" + "\r\n".join(lines)).encode()


def test_a_body_one_byte_short_has_a_deadline_and_holds_its_bytes_no_longer() -> None:
    limits = Limits(body_seconds=SHORT, body_rate=10**9)
    with served(limits) as server, server.connect() as short:
        short.sendall(anybody(1000) + bytes(999))
        assert status(everything(short)) == 408
        until(lambda: server.server.traffic.bytes_held == 0)  # a moment after its last word
    with served(replace(limits, body_seconds=LONG)) as server, server.connect() as short:
        short.sendall(anybody(1000) + bytes(999))
        time.sleep(4 * SHORT)
        until(lambda: server.server.traffic.bytes_held == 1000)
        short.sendall(bytes(1))
        assert b'{"size": 1000}' in everything(short)


def test_a_slow_body_is_late_although_it_keeps_coming() -> None:
    """A byte now and then would otherwise hold 400 MB in 400 connections, for ever."""
    with served(Limits(body_seconds=SHORT, body_rate=1000)) as server, server.connect() as slow:
        slow.sendall(anybody(10**6))
        while not select.select([slow], [], [], 0.05)[0]:
            slow.sendall(b"x")
        assert status(everything(slow)) == 408
    with served(Limits(body_seconds=SHORT, body_rate=1)) as server, server.connect() as slow:
        slow.sendall(anybody(1012) + bytes(1000))  # which give it a quarter of an hour
        for _ in range(12):
            time.sleep(0.05)
            slow.sendall(b"x")
        assert b'{"size": 1012}' in everything(slow)


def test_a_receiver_that_takes_nothing_is_left() -> None:
    """Its answers would stay in memory."""
    table, ends = Connections(10, 0, 1), []
    one = table.admit("a", 0)
    assert one is not None
    one.ended_by(lambda: ends.append(1))
    one.go(Phase.IDLE)
    left = [500]
    one.untaken = lambda: left[0]
    for now in (1, 2, 3):
        left[0] -= 1
        table.close_stalled(now, 1.5)
    assert not ends
    for now in (4, 5):
        table.close_stalled(now, 1.5)
    assert ends == [1]


def test_an_answered_stranger_who_does_not_hang_up_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With TLS the end of a connection waits for the other side's word. Control: it was work."""
    devca.make(tmp_path, ["127.0.0.1"])
    tls = ServerTls(tmp_path / "gateway.pem", tmp_path / "gateway.key")
    trusting = ClientTls(tmp_path / "ca.pem").context()

    def newcomer_is_answered() -> bool:
        with served(Limits(connections=1), tls=tls) as server, contextlib.ExitStack() as stack:

            def asked() -> bytes:
                plain = stack.enter_context(server.connect())
                secured = trusting.wrap_socket(plain, server_hostname="127.0.0.1")
                stack.enter_context(secured)
                secured.sendall(get("/", close=True))
                return answers(secured)

            assert status(asked()) == 200
            (stranger,) = server.server.open
            buffer = stranger._end.__self__._ssl_protocol._ssl_buffer  # type: ignore[attr-defined]
            assert len(buffer) <= 32 * 1024
            try:
                return status(asked()) == 200
            except OSError:
                return False

    assert newcomer_is_answered()
    monkeypatch.setattr(protocol.HttpProtocol, "closes", lambda _: None)
    assert not newcomer_is_answered()


@pytest.mark.parametrize("known", [False, True])
def test_a_stranger_who_leaves_answers_untaken_makes_room(*, known: bool) -> None:
    """With a byte now and then he would hold a place for ever. Whom the server knows keeps his."""
    with served(Limits(connections=1)) as server, server.connect() as one:
        if known:
            one.sendall(server.head("/signed", b"a") + b"a")
            assert status(answers(one)) == 200
        else:
            one.sendall(get("/"))
            assert status(answers(one)) == 200
        edge = only_one(server)
        edge.loop.call_soon_threadsafe(edge.pause_writing)  # as its transport does at 64 KB
        one.sendall(get("/work"))
        assert server.routes.working.acquire(timeout=PATIENCE)
        server.routes.gate.set()
        assert turned_away(server) == known
        (left,) = server.server.open if known else [None]
        assert left is None or left.phase is Phase.BUSY
        edge.loop.call_soon_threadsafe(edge.resume_writing)
        assert not known or status(answers(one)) == 200


def test_an_untaken_answer_has_a_deadline_until_it_is_taken() -> None:
    with served() as server, server.connect() as one:
        one.sendall(get("/work"))
        assert server.routes.working.acquire(timeout=PATIENCE)
        edge = only_one(server)
        assert edge.connection.phase is Phase.BUSY
        edge.pause_writing()
        assert edge.connection.phase is Phase.UNTAKEN
        assert edge.connection.deadline is not None
        edge.loop.call_soon_threadsafe(edge.resume_writing)
        server.routes.gate.set()
        assert status(answers(one)) == 200
        assert edge.connection.phase is not Phase.UNTAKEN


# --- no body is read before its signature --------------------------------------------------------


def test_a_strangers_body_is_not_waited_for_and_he_still_gets_the_answer() -> None:
    body = bytes(700_000)
    with served(Limits(body_seconds=LONG, header_seconds=LONG)) as server:
        unsigned = anybody(len(body), "content-type: application/cbor")
        unsigned = unsigned.replace(b"/anybody", b"/signed")
        assert status(server.ask(unsigned)) == 403
        for _ in range(5):  # sent in full, into a socket that is closed: no reset
            assert status(server.ask(unsigned + body)) == 403
        honest = server.head("/signed", body, connection="close")
        assert b'{"size": 700000' in server.ask(honest + body)
        altered = server.head("/signed", body, connection="close")
        assert status(server.ask(altered + bytes(699_999) + b"x")) == 403
        until(lambda: server.server.traffic.bytes_held == 0)


def test_a_body_in_crumbs_takes_little_more_than_its_bytes() -> None:
    """As objects of their own, crumbs of two bytes would take fifty bytes each."""
    begun = b"POST /anybody HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    with served() as server, server.connect() as sender:
        sender.sendall(begun)
        while server.server.traffic.bytes_held == 0:  # the body is asked for
            time.sleep(0.01)
        edge = only_one(server)
        for crumb, pieces in ((b"ab", 1), (b"c" * 1024, 3)):
            arrived, count = edge.arrived, 2048 // len(crumb)
            sender.sendall((b"%x\r\n%b\r\n" % (len(crumb), crumb)) * count)
            while edge.arrived < arrived + 2048:
                time.sleep(0.01)
            assert len(edge._pieces) == pieces
        sender.sendall(b"0\r\n\r\n")
        assert b'{"size": 4096}' in answers(sender)


def test_the_next_request_does_not_take_the_body_of_the_one_before() -> None:
    """A body's end arrives together with what follows, before its reader has its turn."""
    body = bytes(1000)
    with served() as server, server.connect() as sender:
        sender.sendall(server.head("/signed", body) + body[:10])
        while server.server.traffic.bytes_held == 0:
            time.sleep(0.01)
        following = server.head("/signed", body, connection="close")
        sender.sendall(body[10:] + following + body)
        assert everything(sender).count(b'{"size": 1000,') == 2


def test_a_body_is_whole_however_it_arrives(edge: Served) -> None:
    """Its reader is woken at its end, wherever the network cuts it, and whenever that comes."""
    body = bytes(range(250)) * 1200
    with edge.connect() as sender:
        for pause in (0.0, 0.02):
            for cuts in ([], [0], [1], [2, len(body) - 1], [60_000, 131_072, 250_000]):
                head = edge.head("/signed", body)
                edges = [0, *(len(head) + cut for cut in cuts), len(head) + len(body)]
                for begin, end in pairwise(edges):
                    sender.sendall((head + body)[begin:end])
                    time.sleep(pause)
                assert f'"digest": "{digest_of(body).hex()}"'.encode() in answers(sender)


def test_who_waits_to_be_asked_for_the_body_is_asked_after_the_signature() -> None:
    body = bytes(5000)
    with served() as server, server.connect() as sender:
        asking = server.head("/signed", body, expect="100-continue", connection="close")
        sender.sendall(asking)
        assert answers(sender).startswith(b"HTTP/1.1 100 Continue\r\n")
        sender.sendall(body)
        assert status(everything(sender)) == 200
        assert status(server.ask(asking)) == 403  # a replay's body is not asked for


def test_who_goes_on_sending_after_the_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LINGER_SECONDS", SHORT)
    with served() as server, server.connect() as sender:
        sender.sendall(anybody(10**6).replace(b"/anybody", b"/signed"))
        with contextlib.suppress(OSError):
            while True:  # until it is left
                sender.sendall(bytes(100))
                time.sleep(0.01)
        assert len(server.server.open) == 0


# --- what a head may be --------------------------------------------------------------------------

FIELD = "a: b\r\n"
TRAILED = (
    b"POST /anybody HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (f"GET / HTTP/1.1\r\nhost: x\r\n{FIELD * HEAD_FIELDS}\r\n".encode(), 431),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"b" * 17_000, 431),
        (b"GET / HTTP/1.1\r\nhost: x\r\n" + b"b" * 17_000, 431),
        (b"GET /" + b"b" * 17_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"POST /anybody HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n"
         b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (get("/") * (PIPELINED + 3), 200),
        (b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\nPRI *", 200),
    ],
)  # fmt: skip
def test_heads_are_bounded(edge: Served, request_: bytes, expected: int) -> None:
    """Answered once and for all; the server goes on."""
    assert status(edge.ask(request_)) == expected
    assert edge.is_well()


def test_heads_within_the_bounds_are_taken(edge: Served) -> None:
    many = f"GET / HTTP/1.1\r\nconnection: close\r\nhost: x\r\n{FIELD * (HEAD_FIELDS - 2)}\r\n"
    long = b"GET / HTTP/1.1\r\nconnection: close\r\nhost: x\r\na: " + b"b" * 15_000 + b"\r\n\r\n"
    assert status(edge.ask(many.encode())) == 200
    assert status(edge.ask(long)) == 200
    with edge.connect() as one:
        one.sendall(get("/") * PIPELINED + get("/", close=True))
        assert everything(one).count(b"HTTP/1.1 200") == PIPELINED + 1
    with edge.connect() as one:
        one.sendall(TRAILED + b"x-correlator: trailed\r\n\r\n" + get("/", close=True))
        assert everything(one).count(b"HTTP/1.1 200") == 2


def test_trailers_are_bounded(edge: Served) -> None:
    before = ended(edge, "malformed")
    with edge.connect() as one:
        one.sendall(TRAILED + b"a: ")
        with contextlib.suppress(OSError):
            for _ in range(40):
                one.sendall(b"b" * 1000)
        until(lambda: ended(edge, "malformed") > before)


@pytest.fixture(scope="module")
def edge() -> Iterator[Served]:
    with served() as server:
        yield server


# --- places --------------------------------------------------------------------------------------


def test_one_address_has_so_many_places() -> None:
    """A half-open connection of the address makes room; work does not. Proxies are exempt."""
    limits = Limits(per_address=3)
    work = get("/work", close=True)
    with served(limits) as server:
        with held(server, 3, work) as working:
            for _ in working:
                assert server.routes.working.acquire(timeout=PATIENCE)
            assert turned_away(server)
            assert ended(server, "per-address") == 1
            server.routes.gate.set()
            assert [status(everything(one)) for one in working] == [200] * 3
        with held(server, 7, HALF) as strangers:
            assert server.is_well()
            assert cut_off(strangers[0])
    for free in (replace(limits, per_address=0), replace(limits, proxies=networks_of("127.0.0.1"))):
        with served(free) as server, held(server, 5, work) as working:
            for _ in working:
                assert server.routes.working.acquire(timeout=PATIENCE)
            assert ended(server, "per-address") == 0


def test_work_is_never_ended_for_a_newcomer() -> None:
    with served(Limits(connections=2)) as server:
        with held(server, 2, get("/work", close=True)) as working:
            for _ in working:
                assert server.routes.working.acquire(timeout=PATIENCE)
            assert turned_away(server)
            assert ended(server, "in-all") == 1
            server.routes.gate.set()
            assert [status(everything(one)) for one in working] == [200, 200]
        assert server.is_well()


def test_who_is_least_missed_goes_first() -> None:
    """Leaving, half-open, an unknown sender's body, idle, idle but known; the oldest of each."""
    table, gone = Connections(8, 0, 10), []
    for name, phase in (
        *(("known", Phase.KNOWN), ("idle", Phase.IDLE), ("busy", Phase.BUSY)),
        *(("head", Phase.HEAD), ("younger head", Phase.HEAD), ("body", Phase.BODY)),
        *(("leaving", Phase.LEAVING), ("busy too", Phase.BUSY)),
    ):
        one = table.admit(name, 0)
        assert one is not None
        one.ended_by(lambda name=name: gone.append(name))  # type: ignore[misc]
        one.go(phase)
    newcomers = [table.admit(str(number), 1) for number in range(8)]
    assert [one is None for one in newcomers] == [False] * 8
    order = ["leaving", "head", "younger head"]
    assert gone[:3] == order
    for one in newcomers:
        assert one is not None
        one.go(Phase.BUSY)
    assert table.admit("body goes", 2) is not None


# --- bounded work --------------------------------------------------------------------------------


def test_a_body_for_which_there_is_no_room_is_turned_away_at_once() -> None:
    with served(Limits(body_bytes=1500)) as server:
        answer = server.ask(server.head("/signed", bytes(2000)))  # and no byte of it is sent
        assert status(answer) == 503
        assert b"retry-after: 2\r\n" in answer
        small = server.head("/signed", bytes(1000), connection="close")
        assert status(server.ask(small + bytes(1000))) == 200
        until(lambda: server.server.traffic.bytes_held == 0)


def test_a_kind_of_work_has_so_many_places_and_so_long_a_queue() -> None:
    work = get("/work", close=True)
    with served(Limits(at_once=1, waiting=1)) as server, held(server, 1, work) as first:
        assert server.routes.working.acquire(timeout=PATIENCE)
        with held(server, 1, work) as second:
            while server.server.traffic.waiting < 1:
                time.sleep(0.01)
            answer = server.ask(work)
            assert status(answer) == 503
            assert b"retry-after: 2\r\n" in answer
            assert server.is_well(), "work of another kind goes on"
            server.routes.gate.set()
            assert [status(everything(one)) for one in (*first, *second)] == [200, 200]


# --- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("grace", [PATIENCE, 0])
def test_requests_end_before_the_server_does(grace: int) -> None:
    """It takes no more connections, closes idle ones, and answers what it has begun.

    Without time for it, it does not.
    """
    with (
        served(Limits(grace_seconds=grace)) as server,
        server.connect() as working,
        server.connect() as idle,
    ):
        idle.sendall(get("/"))
        assert status(answers(idle)) == 200
        working.sendall(get("/work"))
        assert server.routes.working.acquire(timeout=PATIENCE)
        server.server.should_exit = True
        assert everything(idle) == b""
        with pytest.raises(OSError, match=r"refused|reset"):
            server.ask(get("/"))
        assert grace == 0 or not server.routes.ended
        if grace:
            server.routes.gate.set()
        answer = everything(working)
        assert answer.startswith(b"HTTP/1.1 200") == (grace > 0)
    assert server.routes.ended
