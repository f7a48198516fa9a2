"""The counter in a browser: who is answered, what is passed on, what the desk gives out."""

from __future__ import annotations

import datetime
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from gateway.client.document_reader import ReadingRules
from gateway.documents.chip.certificates import CscaList
from gateway.documents.policy import DocumentPolicy
from gateway.host.directories import UnusableDirectory
from gateway.host.http import CBOR, JSON
from gateway.host.limits import Limits
from gateway.kiosk import pending
from gateway.kiosk.access import TAB, TOKEN_HEADER
from gateway.kiosk.desk import HELD_SECONDS
from gateway.kiosk.messages import TemplateIssued, TemplateOrder
from gateway.kiosk.pending import FOLDER, PendingFolder
from gateway.proofs.verify import verify_receipt
from gateway.vision.errors import FaceTooSmall
from gateway.wire.errors import Unavailable
from gateway.wire.subject import Subject, guardian_salt
from tests.support.chips import NOW as CHIP_NOW
from tests.support.chips import Authority, Chip, lay, listed, utopia
from tests.support.kiosk import FILES, MODEL_BYTES, Counter, running
from tests.support.mobiles import Mobile, elements, iaca, transcript
from tests.support.mobiles import lay as lay_mobile
from tests.support.processes import PATIENCE, until
from tests.support.samples import SESSIONS, TEMPLATE, Clock, occasion, pair
from tests.unit.test_chip_reader import picture
from tests.unit.test_mrz import passport

SECRET_PATHS = (
    ("GET", "/kiosk.json"),
    ("POST", "/issuer/documents"),
    ("DELETE", "/issuer/documents"),
    ("POST", "/issuer/templates"),
    ("POST", "/issuer/outcomes"),
    ("POST", "/issuer/standing"),
    ("GET", "/pending"),
    ("POST", "/pending"),
    ("DELETE", "/pending"),
    ("POST", f"/gateway{SESSIONS}"),
    ("GET", f"/gateway{SESSIONS}/{'0' * 32}"),
)


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    with running(tmp_path_factory.mktemp("counter")) as made:
        yield made


def code(answer: httpx.Response) -> str:
    return str(answer.json()["code"])


# A registration through the process, by the Python client in the page's place


@pytest.mark.parametrize(("cosine", "outcome"), [(0.7, "MATCH"), (0.05, "NO_MATCH")])
def test_a_registration_in_two_parties(counter: Counter, cosine: float, outcome: str) -> None:
    template, probe = pair(cosine)
    counter.vision.vector = template.astype(np.float32)
    counter.scan()
    number = "KI05KA001"
    read = counter.read(" ki05k-a001")
    assert read.status_code == 200, read.text
    told = read.json()
    assert told == {
        "handle": told["handle"],
        "kind": "passport",
        "documentType": "passport",
        "number": number,
        "expires": None,
        "how": "photographed",
        "file": "scan.png",
        "notice": None,
        "minor": False,
        "guardian": False,
        "standing": None,
    }
    done = counter.client(told["handle"]).register(np.zeros(512), probe, occasion(number))
    assert done.outcome == outcome
    verify_receipt(done.receipt, counter.world.trust, done.opening, Subject.of("passport", number))
    noted = counter.page.post(
        "/issuer/outcomes", json={"handle": told["handle"], "outcome": outcome}
    )
    if outcome == "MATCH":
        assert noted.json() == {"standing": None, "locked": False}
        again = counter.page.post("/issuer/standing", json={"handle": told["handle"]})
        assert code(again) == "KIOSK.NO_DOCUMENT", "a match ends it"
    else:
        assert noted.json()["standing"].startswith("1 in a row")
        again = counter.page.post(
            "/issuer/standing", json={"handle": told["handle"], "language": "zh"}
        )
        assert again.json()["standing"].startswith("在本柜台已连续 1 次未能判定")
    counter.vision.vector = TEMPLATE.astype(np.float32)


def test_no_picture_and_no_vector_crosses(counter: Counter) -> None:
    """Whatever the process answers, the portrait and its embedding are not in it."""
    path = counter.scan("mine.png", shade=91)
    read = counter.read("KI05KB001")
    opened = counter.world.open()
    issued = counter.order(
        TemplateOrder(
            handle=bytes.fromhex(read.json()["handle"]),
            grant=opened.offer.grant,
            public_key=opened.offer.public_key,
            client_nonce=opened.nonce,
        )
    )
    assert issued.status_code == 200
    embedding = counter.vision.vector.tobytes()
    for answer in (read, issued):
        assert embedding[:16] not in answer.content
        assert path.read_bytes()[-64:] not in answer.content
    assert set(read.json()) < {
        *("handle", "kind", "documentType", "number", "expires", "how", "file", "minor", "notice"),
        *("guardian", "standing", "notice", "version"),
    }


# Who is answered


@pytest.mark.parametrize(("method", "path"), SECRET_PATHS)
def test_without_the_token_nothing_is_answered(counter: Counter, method: str, path: str) -> None:
    wrong = {TOKEN_HEADER: counter.secret[:-1] + ("A" if counter.secret[-1] != "A" else "B")}
    for headers in ({}, wrong, {"cookie": f"{TOKEN_HEADER}={counter.secret}"}):
        answer = counter.stranger.request(method, path, headers=headers)
        assert answer.status_code == 403
        assert counter.secret not in answer.text
    answer = counter.page.request(method, path)
    admitted = answer.status_code != 403 or "x-sealmatch-answered-by" in answer.headers
    assert admitted, "the control: with it"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "evil.example"},
        {"host": "evil.example:80"},
        {"host": "127.0.0.1"},
        {"host": "0.0.0.0:{port}"},
        {"host": "127.0.0.1.evil.example:{port}"},
        {"host": "kiosk.localhost:{port}"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/app.js", "/pack/net.onnx", "/kiosk.json"])
def test_another_page_gets_nothing(counter: Counter, headers: dict[str, str], path: str) -> None:
    """Not even with the token; rebinding a name to this machine does not help."""
    changed = {k: v.format(port=counter.kiosk.port) for k, v in headers.items()}
    answer = counter.page.get(path, headers={**changed})
    assert answer.status_code == 403
    assert answer.json() == {
        "status": 403, "code": "PERMISSION_DENIED", "message": "the request is refused"
    }  # fmt: skip
    assert counter.page.get(path).status_code == 200, "the control"


# The address works once


def test_a_used_address_is_worth_nothing(counter: Counter) -> None:
    address = counter.kiosk.new_address()
    token = address.rpartition("#")[2]
    assert token not in counter.stranger.get("/").text
    assert counter.stranger.get("/kiosk.json", headers={TOKEN_HEADER: token}).status_code == 403
    first = counter.opened(address)
    assert first != token
    again = counter.opened(address)  # the first answer was lost
    with counter.tab(again) as page:
        assert page.get("/kiosk.json").status_code == 200, "the control"
        for worthless in (token, first):
            refused = counter.exchange(worthless)
            assert (refused.status_code, code(refused)) == (403, "PERMISSION_DENIED")
            assert "secret" not in refused.json()
        assert page.get("/kiosk.json").status_code == 200, "and nobody is put out by the try"
    counter.page.headers[TOKEN_HEADER] = again


def test_a_tab_that_is_loaded_again_goes_on_and_its_copy_does_not(counter: Counter) -> None:
    before = counter.secret
    after = counter.opened(before)
    assert counter.page.get("/kiosk.json").status_code == 200, "until the new one is used"
    with counter.tab(after) as page:
        assert page.get("/kiosk.json").status_code == 200
    assert counter.page.get("/kiosk.json").status_code == 403, "the tab it was copied from"
    assert counter.exchange(before).status_code == 403
    counter.page.headers[TOKEN_HEADER] = after
    assert counter.page.get("/kiosk.json").status_code == 200, "the control"


def test_a_new_address_takes_the_counter_when_it_is_opened_and_not_before(
    counter: Counter,
) -> None:
    """So a thief who came first loses it, and an Enter by mistake interrupts nobody."""
    unopened, newest = counter.kiosk.new_address(), counter.kiosk.new_address()
    assert counter.exchange(unopened.rpartition("#")[2]).status_code == 403, "there is a newer one"
    counter.scan("before.png", shade=71)
    held = counter.read("KI05KM001").json()["handle"]
    asked = {"json": {"handle": held}}
    assert counter.page.post("/issuer/standing", **asked).status_code == 200, "not interrupted"
    later = counter.opened(newest)
    gone = counter.page.post("/issuer/standing", **asked)
    assert code(gone) == "KIOSK.NO_DOCUMENT", "what the other tab had read is nobody's"
    with counter.tab(later) as page:
        assert page.get("/kiosk.json").status_code == 200
    assert counter.page.get("/kiosk.json").status_code == 403
    counter.page.headers[TOKEN_HEADER] = later


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"host": "evil.example:{port}"},
    ],
)
def test_nobody_else_s_page_exchanges_a_token_or_uses_it_up(
    counter: Counter, headers: dict[str, str]
) -> None:
    token = counter.kiosk.new_address().rpartition("#")[2]
    changed = {name: value.format(port=counter.kiosk.port) for name, value in headers.items()}
    for given in (token, counter.secret):
        assert counter.exchange(given, **changed).status_code == 403
    assert counter.stranger.get(TAB, headers={TOKEN_HEADER: token}).status_code == 403
    assert counter.stranger.options(TAB, headers=changed).status_code == 403, "no preflight passes"
    counter.page.headers[TOKEN_HEADER] = counter.opened(f"#{token}")
    assert counter.page.get("/kiosk.json").status_code == 200, "the control"


def test_the_operator_s_log_tells_when_an_address_is_opened_again(
    counter: Counter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "sealmatch.kiosk")
    token = counter.kiosk.new_address().rpartition("#")[2]
    counter.page.headers[TOKEN_HEADER] = counter.opened(f"#{token}")
    counter.page.get("/kiosk.json")
    counter.exchange("x" * 43)
    assert "was opened by its address" in caplog.text
    assert "opened again" not in caplog.text, "the control: what never was an address"
    counter.exchange(token)
    assert "opened again" in caplog.text
    assert token not in caplog.text


def test_a_document_whose_tab_is_gone_before_it_was_read_is_forgotten(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter.scan("gone.png", shade=72)
    begun, go_on, embed = threading.Event(), threading.Event(), counter.vision.embed

    def slow(image: Any) -> Any:
        begun.set()
        assert go_on.wait(PATIENCE)
        return embed(image)

    monkeypatch.setattr(counter.vision, "embed", slow)
    body = b'{"kind": "passport", "number": "KI05KN001"}'
    request = (
        f"POST /issuer/documents HTTP/1.1\r\nhost: 127.0.0.1:{counter.kiosk.port}\r\n"
        f"{TOKEN_HEADER}: {counter.secret}\r\ncontent-type: {JSON}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", counter.kiosk.port)) as line:
        line.sendall(request.encode() + body)
        assert begun.wait(PATIENCE)
    # The process knows that the line was closed when it answers what came in afterwards.
    counter.stranger.get("/")
    desk = counter.kiosk.desk
    go_on.set()
    until(lambda: not desk._lock.locked() and desk._held is None)
    assert counter.read("KI05KN001").status_code == 200, "the control"
    assert desk._held is not None


# The counter changes hands: what its holder before began, or does meanwhile


def open_anew(counter: Counter) -> str:
    """The secret of a tab that opens a new address; it holds the counter."""
    secret = counter.opened(counter.kiosk.new_address())
    with counter.tab(secret) as page:
        assert page.get("/kiosk.json").status_code == 200
    return secret


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/issuer/documents", b'{"kind": "passport", "number": "KI05KW001"}'),
        ("POST", "/pending", b'{"id": "%s", "content": "00"}' % (b"9" * 32)),
        ("DELETE", "/pending", b'{"id": "%s"}' % (b"8" * 32)),
        ("POST", f"/gateway{SESSIONS}", b"\xa0"),
    ],
)
def test_a_request_that_was_begun_before_is_not_done_afterwards(
    counter: Counter, method: str, path: str, body: bytes
) -> None:
    """A body may take seconds: its sender would still read what is laid at the reader by then."""
    assert keep(counter, "8" * 32, "00").status_code == 200
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{counter.kiosk.port}\r\n"
        f"{TOKEN_HEADER}: {counter.secret}\r\ncontent-type: {JSON}\r\n"
        f"content-length: {len(body)}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", counter.kiosk.port), PATIENCE) as line:
        line.sendall(head.encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 100"), "it was admitted: the control"
        counter.page.headers[TOKEN_HEADER] = open_anew(counter)
        counter.scan("of-the-next.png", shade=76)
        line.sendall(body)
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 403")
    assert b'"PERMISSION_DENIED"' in answer, "so the tab says that it is not the counter"
    assert counter.kiosk.desk._held is None
    assert set(kept(counter)) & {"8" * 32, "9" * 32} == {"8" * 32}
    assert counter.page.request("DELETE", "/pending", json={"id": "8" * 32}).status_code == 200


def test_whoever_holds_the_counter_cannot_keep_out_a_new_address(tmp_path: Path) -> None:
    """Neither by keeping the reader busy, nor by being loaded again and again."""
    begun, go_on = threading.Event(), threading.Event()
    with running(tmp_path, limits=Limits(at_once=2, waiting=0)) as counter:
        counter.scan()
        embed = counter.vision.embed

        def slow(image: Any) -> Any:
            begun.set()
            assert go_on.wait(PATIENCE)
            return embed(image)

        counter.vision.embed = slow  # type: ignore[method-assign]
        desk, before = counter.kiosk.desk, counter.secret
        answers: list[httpx.Response] = []
        asking = [threading.Thread(target=lambda: answers.append(counter.read())) for _ in range(3)]
        try:
            for one in asking:
                one.start()
            assert begun.wait(PATIENCE)
            until(lambda: [one.status_code for one in answers] == [503])  # as busy as can be
            later = counter.opened(counter.kiosk.new_address())
            assert counter.exchange(before).status_code == 200
            with counter.tab(later) as page:
                assert page.get("/kiosk.json").status_code == 200
        finally:
            go_on.set()
            for one in asking:
                one.join(PATIENCE)
        assert counter.page.get("/kiosk.json").status_code == 403
        assert [one.status_code for one in answers] == [503, 403, 403], "too late for both"
        assert desk._held is None, "what was under way is nobody's"
        counter.page.headers[TOKEN_HEADER] = later
        assert counter.read().status_code == 200, "the control"


def test_two_hosts_are_no_host(counter: Counter) -> None:
    request = (
        f"GET / HTTP/1.1\r\nhost: 127.0.0.1:{counter.kiosk.port}\r\nhost: evil.example\r\n"
        "connection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", counter.kiosk.port)) as line:
        line.sendall(request.encode())
        assert b" 200 " not in line.recv(65536).split(b"\r\n")[0]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_page_is_there_by_number_and_by_name(counter: Counter, name: str) -> None:
    host = f"{name}:{counter.kiosk.port}"
    answer = counter.stranger.get("/", headers={"host": host, "sec-fetch-site": "none"})
    assert answer.content == FILES["index.html"]


def test_every_answer_binds_the_browser(counter: Counter) -> None:
    answers = [
        counter.stranger.get("/"),
        counter.stranger.get("/kiosk.json"),
        counter.page.get("/kiosk.json"),
        counter.page.get("/nothing"),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';")
        assert "connect-src 'self'" in policy
        assert "unsafe-inline" not in policy
        assert "http" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
        assert answer.headers["permissions-policy"].startswith("camera=(self), microphone=()")
        assert "access-control-allow-origin" not in answer.headers


# The page's files


@pytest.mark.parametrize(
    "path",
    [
        "/../release.json", "/%2e%2e/release.json", "/assets/app.js", "/app.js/", "//app.js",
        "/app.js%00", "/pack/../app.js", "/pack/manifest.json", "/pack/", "/release.json",
        "/APP.JS", "/app.js;x", "/index.html%20", "/.git/config", "/page/package.json",
    ],
)  # fmt: skip
def test_nothing_is_looked_up_by_a_path(counter: Counter, path: str) -> None:
    request = (
        f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{counter.kiosk.port}\r\n"
        f"{TOKEN_HEADER}: {counter.secret}\r\nconnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", counter.kiosk.port)) as line:
        line.sendall(request.encode())
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404 ")


def test_files_and_models_are_served_as_they_are(counter: Counter) -> None:
    page = counter.stranger.get("/index.html")
    assert page.headers["content-type"].startswith("text/html")
    script = counter.stranger.get("/app.js", headers={"sec-fetch-site": "same-origin"})
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.content == FILES["app.js"]
    assert counter.stranger.get("/pack/net.onnx").content == MODEL_BYTES


# What is passed on


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health"),
        ("GET", SESSIONS),
        ("POST", f"{SESSIONS}/{'0' * 32}"),
        ("POST", f"{SESSIONS}/{'0' * 32}/submission/x"),
        ("POST", f"{SESSIONS}/../admin"),
        ("POST", f"{SESSIONS}%2f{'0' * 32}%2fsubmission"),
        ("GET", f"{SESSIONS}/{'0' * 31}G"),
        ("GET", f"{SESSIONS}/{'0' * 32}?x=1"),
        ("POST", f"{SESSIONS}?x=1"),
        ("POST", "http://evil.example/"),
        ("POST", "@evil.example/"),
        ("GET", ""),
    ],
)
def test_only_what_a_client_needs_is_passed_on(counter: Counter, method: str, path: str) -> None:
    before = len(counter.world.received)
    answer = counter.page.request(method, f"/gateway{path}")
    assert answer.status_code == 404
    assert len(counter.world.received) == before


def test_a_body_that_no_client_sends_is_not_passed_on(counter: Counter) -> None:
    before = len(counter.world.received)
    answer = counter.page.post(f"/gateway{SESSIONS}", content=b"x" * (1 << 20))
    assert answer.status_code == 413
    state = counter.page.request("GET", f"/gateway{SESSIONS}/{'0' * 32}", content=b"x")
    assert state.status_code == 413
    assert len(counter.world.received) == before


# The desk


def test_bodies_are_bounded_and_typed(counter: Counter) -> None:
    long = counter.page.post(
        "/issuer/documents", content=b"{" * 5000, headers={"content-type": JSON}
    )
    assert long.status_code == 413
    plain = counter.page.post(
        "/issuer/documents", content=b"{}", headers={"content-type": "text/plain"}
    )
    assert plain.status_code == 415, "a form of another site has this type"
    for broken in (b"", b"[]", b'{"numbers": 1}', b"\xff", b'{"kind": "passport", "number": 7}'):
        answer = counter.page.post(
            "/issuer/documents", content=broken, headers={"content-type": JSON}
        )
        assert answer.status_code == 400 if b"kind" not in broken else 400
    for broken in (b"", b"\xa0", b"\xff" * 100):
        answer = counter.page.post(
            "/issuer/templates", content=broken, headers={"content-type": CBOR}
        )
        assert answer.status_code == 400


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"number": "1234567890123456"}, "KIOSK.NUMBER"),
        ({"number": None}, "KIOSK.NOT_NAMED"),
        ({"kind": "moon-pass"}, "KIOSK.NUMBER"),
        ({"zone": "P<UTO"}, "KIOSK.NUMBER"),
        ({"minor": True}, "KIOSK.GUARDIAN_NEEDED"),
        ({"guardian": {"kind": "passport", "number": "GU4RD14N"}}, "KIOSK.NO_GUARDIAN"),
    ],
)
def test_a_document_that_does_not_count_is_not_read(
    counter: Counter, given: dict[str, object], told: str
) -> None:
    counter.scan()
    answer = counter.read(**{"number": "KI05KC001", **given})  # type: ignore[arg-type]
    assert (answer.status_code, code(answer)) == (422, told)
    assert "KI05KC001" not in answer.text


def test_a_poor_portrait_is_refused_with_advice_in_the_agent_s_language(counter: Counter) -> None:
    counter.scan()
    counter.vision.error = FaceTooSmall()
    try:
        answer = counter.read("KI05KD001", language="zh")
    finally:
        counter.vision.error = None
    assert (answer.status_code, code(answer)) == (422, "KIOSK.PORTRAIT")
    assert answer.json()["advice"].startswith("请靠近镜头")


def test_the_last_customer_s_picture_is_not_taken_for_this_one_s(counter: Counter) -> None:
    path = counter.scan("last.png", shade=50)
    assert counter.read("KI05KE001").status_code == 200
    assert counter.read("KI05KE001").status_code == 200, "the same person may be read again"
    other = counter.read("KI05KE002")
    assert (other.status_code, code(other)) == (409, "KIOSK.READ_FOR_ANOTHER")
    path.unlink()
    counter.scan("next.png", shade=51)
    assert counter.read("KI05KE002").json()["file"] == "next.png"


def test_nor_when_the_newest_picture_goes_and_an_older_customer_s_is_left(counter: Counter) -> None:
    counter.scan("first.png", shade=52)
    assert counter.read("KI05KE003").status_code == 200
    newest = counter.scan("second.png", shade=53)
    assert counter.read("KI05KE004").json()["file"] == "second.png"
    newest.unlink()
    assert code(counter.read("KI05KE005")) == "KIOSK.READ_FOR_ANOTHER"
    assert counter.read("KI05KE003").json()["file"] == "first.png", "the control: whose it is"


def test_an_older_handle_counts_no_more(counter: Counter) -> None:
    counter.scan("one.png", shade=60)
    first = counter.read("KI05KF001").json()["handle"]
    counter.scan("two.png", shade=61)
    second = counter.read("KI05KF002").json()["handle"]
    opened = counter.world.open()

    def order(handle: str) -> TemplateOrder:
        return TemplateOrder(
            handle=bytes.fromhex(handle),
            grant=opened.offer.grant,
            public_key=opened.offer.public_key,
            client_nonce=opened.nonce,
        )

    assert code(counter.order(order(first))) == "KIOSK.NO_DOCUMENT"
    assert counter.order(order(second)).status_code == 200
    assert counter.forget(first).status_code == 200
    assert counter.order(order(second)).status_code == 200, "a late word about the one before"
    assert counter.forget(second).status_code == 200
    assert code(counter.order(order(second))) == "KIOSK.NO_DOCUMENT"


def test_the_issuer_checks_the_session_itself(counter: Counter) -> None:
    counter.scan("own.png", shade=70)
    handle = bytes.fromhex(counter.read("KI05KG001").json()["handle"])
    opened = counter.world.open()
    good = TemplateOrder(
        handle=handle,
        grant=opened.offer.grant,
        public_key=opened.offer.public_key,
        client_nonce=opened.nonce,
    )
    assert counter.order(good).status_code == 200
    swapped = good.model_copy(update={"client_nonce": bytes(32)})
    key = bytearray(opened.offer.public_key)
    key[-1] ^= 1
    for bad in (swapped, good.model_copy(update={"public_key": bytes(key)})):
        assert counter.order(bad).status_code in (400, 403)


def test_a_guardian_is_committed_to_and_not_named(tmp_path: Path) -> None:
    with running(tmp_path, guardian_below=18) as counter:
        counter.scan()
        born = (datetime.date.today() - datetime.timedelta(days=14 * 365)).strftime("%y%m%d")
        child = passport("AB700001", birth=born)
        needed = counter.read(kind=None, number=None, zone=child)
        assert code(needed) == "KIOSK.GUARDIAN_NEEDED"
        guardian = {"kind": "passport", "number": "GU4RD14N"}
        told = counter.read(kind=None, number=None, zone=child, guardian=guardian).json()
        assert (told["minor"], told["guardian"]) == (True, True)
        opened = counter.world.open()
        answer = counter.order(
            TemplateOrder(
                handle=bytes.fromhex(told["handle"]),
                grant=opened.offer.grant,
                public_key=opened.offer.public_key,
                client_nonce=opened.nonce,
            )
        )
        issued = TemplateIssued.decode(answer.content)
        expected = Subject.of("passport", "GU4RD14N").commitment(guardian_salt(issued.subject_salt))
        assert issued.guardian_commitment == expected


def test_a_counter_that_wants_the_zone_takes_no_typed_number(tmp_path: Path) -> None:
    with running(tmp_path, policy=DocumentPolicy({"passport": "mrz"})) as counter:
        counter.scan()
        assert code(counter.read("KI05KH001")) == "KIOSK.ZONE_WANTED"
        zone = passport("AB700002", birth="900101")
        assert counter.read(kind=None, number=None, zone=zone).status_code == 200
        expired = passport("AB700002", birth="900101", expiry="200101")
        assert code(counter.read(kind=None, number=None, zone=expired)) == "KIOSK.EXPIRED"
        assert code(counter.read("KI05KH001", kind="other")) == "KIOSK.NOT_ACCEPTED"


def test_a_counter_that_wants_the_chip_takes_no_picture(tmp_path: Path) -> None:
    with running(tmp_path, policy=DocumentPolicy({"passport": "chip"})) as counter:
        counter.scan()
        assert code(counter.read("KI05KH001")) == "KIOSK.CHIP_WANTED"


def test_a_document_is_forgotten_after_a_while_and_a_picture_can_go(tmp_path: Path) -> None:
    clock = Clock()
    with running(tmp_path, clock=clock, remove=True) as counter:
        path = counter.scan()
        handle = counter.read("KI05KJ001").json()["handle"]
        assert not path.exists()
        held = counter.kiosk.desk._held
        assert held is not None
        assert held.template.any()
        clock.now += HELD_SECONDS + 1
        late = counter.page.post("/issuer/standing", json={"handle": handle})
        assert code(late) == "KIOSK.NO_DOCUMENT"
        counter.kiosk.desk.expire()
        assert not held.template.any(), "overwritten"
        assert code(counter.read("KI05KJ002")) == "KIOSK.NOTHING_TO_READ"


def test_what_is_no_picture_is_passed_over_or_refused(tmp_path: Path) -> None:
    with running(tmp_path) as counter:
        assert code(counter.read()) == "KIOSK.NOTHING_TO_READ"
        (counter.folder / "notes.txt").write_text("no")
        (counter.folder / ".hidden.jpg").write_bytes(b"no")
        os.symlink("/etc/passwd", counter.folder / "link.jpg")
        (counter.folder / "folder.jpg").mkdir()
        assert code(counter.read()) == "KIOSK.NOTHING_TO_READ"
        (counter.folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
        answer = counter.read()
        assert code(answer) == "KIOSK.PORTRAIT"
        assert str(tmp_path) not in answer.text
        counter.folder.rename(tmp_path / "away")
        away = counter.read()
        assert (away.status_code, code(away)) == (503, "KIOSK.READER")
        assert str(tmp_path) not in away.text


def test_a_gateway_that_is_down_is_told_apart(tmp_path: Path) -> None:
    def nobody(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route")

    with running(tmp_path, transport=httpx.MockTransport(nobody)) as counter:
        answer = counter.page.get(f"/gateway{SESSIONS}/{'0' * 32}")
        assert (answer.status_code, code(answer)) == (502, "KIOSK.NO_ANSWER")
        assert answer.headers["x-sealmatch-answered-by"] == "kiosk"
        assert "does not answer" in answer.json()["message"]


def test_only_signed_parts_of_a_request_go_on(tmp_path: Path) -> None:
    seen: list[httpx.Request] = []

    def gateway(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        headers = {"set-cookie": "a=b", "x-own": "1", "content-type": CBOR, "date": "then"}
        return httpx.Response(200, headers=headers, content=b"answer")

    with running(tmp_path, transport=httpx.MockTransport(gateway)) as counter:
        for _ in range(2):
            answer = counter.page.post(
                f"/gateway{SESSIONS}",
                content=b"signed bytes",
                headers={
                    "content-digest": "d", "signature": "s", "signature-input": "i",
                    "x-correlator": "c", "content-type": CBOR, "cookie": "theirs=1",
                    "user-agent": "browser", "accept-language": "zh", "x-forwarded-for": "1",
                },
            )  # fmt: skip
    first, second = seen
    assert first.read() == b"signed bytes"
    carried = {"content-digest", "signature", "signature-input", "x-correlator", "content-type"}
    own = {"host", "accept", "accept-encoding", "connection", "user-agent", "content-length"}
    assert set(second.headers) == carried | own
    assert first.headers["host"] == "gateway"
    assert first.headers["user-agent"].startswith("python-httpx")
    assert answer.content == b"answer"
    assert answer.headers["x-sealmatch-date"] == "then"
    assert not {"set-cookie", "x-own"} & set(answer.headers)


# What the page keeps until it has a receipt


def kept(counter: Counter) -> dict[str, str]:
    found = counter.page.get("/pending").json()["pending"]
    return {one["id"]: one["content"] for one in found}


def keep(counter: Counter, name: str, content: str) -> httpx.Response:
    return counter.page.post("/pending", json={"id": name, "content": content})


def test_what_is_kept_outlives_the_process_and_goes_when_it_is_told_to(tmp_path: Path) -> None:
    one, other = "0a" * 16, "0b" * 16
    with running(tmp_path / "first") as counter:
        assert keep(counter, one, "c0ffee").status_code == 200
        assert keep(counter, one, "c0ffee01").status_code == 200, "sent again, a little later"
        assert keep(counter, other, "beef").status_code == 200
        assert kept(counter) == {one: "c0ffee01", other: "beef"}
        folder = tmp_path / "first" / FOLDER
        assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}
        assert folder.stat().st_mode & 0o777 == 0o700
        folder.rename(tmp_path / "moved")
        unkept = keep(counter, "0c" * 16, "00")
        assert (unkept.status_code, code(unkept)) == (503, "KIOSK.UNAVAILABLE")
        assert str(tmp_path) not in unkept.text
    (tmp_path / "second").mkdir()
    (tmp_path / "moved").rename(tmp_path / "second" / FOLDER)
    with running(tmp_path / "second") as counter:
        assert kept(counter) == {one: "c0ffee01", other: "beef"}
        for _ in range(2):
            gone = counter.page.request("DELETE", "/pending", json={"id": one})
            assert gone.status_code == 200
        assert kept(counter) == {other: "beef"}
        folder = tmp_path / "second" / FOLDER
        assert [file.name for file in folder.iterdir()] == [f"{other}.pending"]
        (folder / f"{'0d' * 16}.pending").mkdir()
        assert kept(counter) == {other: "beef", "0d" * 16: ""}, "it is told, and hides no other"


def test_what_is_kept_is_bounded_in_size_number_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    clock.now = int(time.time())
    with running(tmp_path, clock=clock) as counter:
        for name, content in (
            ("../" + "0" * 29, "00"), ("0A" * 16, "00"), ("0a" * 16, "xyz0"), ("0a" * 16, "0"),
            ("0a" * 16, ""), ("0a" * 16, "00" * 8193),
        ):  # fmt: skip
            assert keep(counter, name, content).status_code == 400, (name, content[:8])
        assert keep(counter, "0a" * 16, "00" * 8192).status_code == 200, "the control"
        monkeypatch.setattr(pending, "MOST_KEPT", 2)
        assert keep(counter, "0b" * 16, "00").status_code == 200
        assert code(keep(counter, "0c" * 16, "00")) == "KIOSK.UNAVAILABLE"
        assert keep(counter, "0b" * 16, "01").status_code == 200, "one that is there"
        clock.now += pending.KEPT_SECONDS - 60
        counter.kiosk.pending.expire()
        assert len(kept(counter)) == 2
        clock.now += 60 + PATIENCE
        counter.kiosk.pending.expire()
        assert kept(counter) == {}


def test_a_directory_that_others_may_enter_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    PendingFolder(folder, Clock())  # the control: an empty one is closed
    (folder / "x").touch()
    folder.chmod(0o755)
    with pytest.raises(UnusableDirectory, match="chmod 700"):
        PendingFolder(folder, Clock())


# A chip at the reader


def chip_counter(tmp_path: Path, *authorities: Authority, where: str = "refuse") -> Any:
    rules = ReadingRules(listed(*authorities), where, "photographed")
    return running(tmp_path, rules=rules, clock=lambda: int(CHIP_NOW.timestamp()))


def test_a_chip_is_read_with_or_without_its_number_and_nothing_beside_it(tmp_path: Path) -> None:
    with chip_counter(tmp_path, utopia()) as counter:
        files = Chip(picture=picture()).files()
        lay(counter.folder, files)
        counter.scan()
        told = counter.read(kind=None, number=None).json()
        assert (told["how"], told["notice"]) == ("chip-verified", None)
        assert told["file"] == "EF.DG1, EF.DG2, EF.SOD"
        named = counter.read(kind="passport", number=told["number"])
        assert named.json()["how"] == "chip-verified"
        other = counter.read(kind="passport", number="KI05KX001")
        assert code(other) == "KIOSK.OTHER_DOCUMENT"
        again = counter.read(kind=None, number=None)
        assert code(again) == "KIOSK.READ_FOR_ANOTHER", "whose chip lies there, nobody said"
        (counter.folder / "EF.DG2").write_bytes(files.dg2[:-1] + b"\0")
        refused = counter.read(kind="passport", number=told["number"], language="es")
        assert (refused.status_code, code(refused)) == (422, "KIOSK.CHIP")
        assert "step 10" in refused.json()["message"]
        assert refused.json()["advice"].startswith("No se usa nada de este chip")


def test_a_chip_of_nobody_listed_is_refused_or_told(tmp_path: Path) -> None:
    with chip_counter(tmp_path, where="read") as counter:
        lay(counter.folder, Chip(picture=picture()).files())
        told = counter.read(kind=None, number=None, language="zh").json()
        assert told["how"] == "read"
        assert "未经验证" in told["notice"]


def test_a_telephone_s_session_is_read_like_a_chip(tmp_path: Path) -> None:
    rules = ReadingRules(CscaList(), "refuse", "photographed", listed(iaca()))
    with running(tmp_path, rules=rules, clock=lambda: int(CHIP_NOW.timestamp())) as counter:
        files = Mobile(elements=elements(portrait=picture())).files()
        lay_mobile(counter.folder, files)
        counter.scan()
        told = counter.read(kind=None, number=None).json()
        assert (told["how"], told["notice"]) == ("mobile-verified", None)
        assert told["file"] == "device-response.cbor, session-transcript.cbor"
        again = counter.read(kind=None, number=None)
        assert code(again) == "KIOSK.READ_FOR_ANOTHER", "whose telephone it was, nobody said"
        other = transcript(b"another session")
        (counter.folder / "session-transcript.cbor").write_bytes(other)
        refused = counter.read(kind="driving-licence", number=told["number"], language="es")
        assert (refused.status_code, code(refused)) == (422, "KIOSK.MOBILE")
        assert "step 11" in refused.json()["message"]
        assert refused.json()["advice"].startswith("No se usa nada de este documento m")


def test_links_to_a_document_are_not_followed(tmp_path: Path) -> None:
    away = tmp_path / "away"
    rules = ReadingRules(CscaList(), "refuse", "photographed", listed(iaca()))
    with running(tmp_path, rules=rules, clock=lambda: int(CHIP_NOW.timestamp())) as counter:
        lay_mobile(away, Mobile(elements=elements(portrait=picture())).files())
        for path in away.iterdir():
            (counter.folder / path.name).symlink_to(path)
        counter.scan()
        assert code(counter.read(kind=None, number=None)) == "KIOSK.NOTHING_TO_READ"
        for path in away.iterdir():
            path.replace(counter.folder / path.name)
        assert counter.read(kind=None, number=None).json()["how"] == "mobile-verified"


def test_a_counter_that_wants_the_telephone_takes_no_picture(tmp_path: Path) -> None:
    with running(tmp_path, policy=DocumentPolicy({"driving-licence": "mobile"})) as counter:
        counter.scan()
        assert code(counter.read("KI05KH002", kind="driving-licence")) == "KIOSK.MOBILE_WANTED"


def test_a_picture_alone_needs_a_number(counter: Counter) -> None:
    counter.scan("unnamed.png", shade=33)
    for kind in (None, "id-card"):
        answer = counter.read(kind=kind, number=None)
        assert (answer.status_code, code(answer)) == (422, "KIOSK.NOT_NAMED")


def test_nothing_is_asserted_that_cannot_be_counted(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full: the issuer's counter of assertions cannot be written."""

    class Full:
        def admit(self, subject: Subject, now: int) -> None:
            raise Unavailable("the file of assertion counters: database or disk is full")

    counter.scan("full.png", shade=34)
    handle = bytes.fromhex(counter.read("KI05KY001").json()["handle"])
    opened = counter.world.open()
    order = TemplateOrder(
        handle=handle,
        grant=opened.offer.grant,
        public_key=opened.offer.public_key,
        client_nonce=opened.nonce,
    )
    with monkeypatch.context() as patch:
        patch.setattr(counter.world.issuer, "_caps", Full())
        answer = counter.order(order)
        assert (answer.status_code, code(answer)) == (503, "KIOSK.UNAVAILABLE")
    assert counter.order(order).status_code == 200
