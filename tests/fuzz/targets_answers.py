"""Answers of hostile servers to the clients."""

from __future__ import annotations

import gzip
import json
import logging
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest import mock

import httpx
import zstandard

from gateway.client import gateway_client
from gateway.client.gateway_client import GatewayClient
from gateway.server import authority_client
from gateway.server.authority_client import AuditorClient, AuthorityClient
from gateway.wire.audit import AuditRequest, AuditResult
from gateway.wire.errors import INTERNAL
from gateway.wire.evaluation import AttemptRequest, ProductRequest, SharesRequest
from gateway.wire.session import SessionKeyRequest, SessionRequest
from tests.fuzz import trees
from tests.fuzz.making import target
from tests.fuzz.mutations import Mutator, frame, framed, scramble, unframe, words_of
from tests.fuzz.targets_http import headers_of, one_of
from tests.fuzz.targets_wire import promise
from tests.support.fuzzing import Parse, Target
from tests.support.parties import DEVICE, GATEWAY, NOW
from tests.vectors import golden

_ANSWER_WORDS: Final = (
    b"\r\n", b"content-type: application/json", b"content-length: 5", b"content-length: x",
    b"content-encoding: gzip", b"content-encoding: deflate", b"content-encoding: zstd",
    b"content-encoding: br", b"content-encoding: gzip, gzip, gzip", b"content-encoding: x",
    b"set-cookie: a=b", b"set-cookie: " + b"a" * 4000 + b"=b; max-age=99999999", b"location: /",
    b"location: http://[", b"location: a:b", b"location: //", b"location: ",
    b"location: file:///etc/passwd", b"transfer-encoding: chunked",
    b"retry-after: 99999999", b"content-type: text/html; charset=utf-7", b"www-authenticate: Basic",
    b"date: Thu, 01 Jan 1970 00:00:00 GMT", b"date: Fri, 31 Feb 99999 25:61:00 -9999", b"date: ",
)  # fmt: skip
_STATUS_WORDS: Final = (
    b"200",
    b"201",
    b"204",
    b"301",
    b"302",
    b"400",
    b"403",
    b"404",
    b"409",
    b"500",
    b"503",
    b"999",
)


class _Stream(httpx.SyncByteStream):
    """A body as it comes off the wire, in chunks."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self._body), 65_536):
            yield self._body[at : at + 65_536]


class Peer:
    """A hostile server behind a client's transport."""

    def __init__(self) -> None:
        self._answer = (200, [], b"")
        self.client = httpx.Client(transport=httpx.MockTransport(self._serve), trust_env=False)

    def will_answer(self, status: bytes, block: bytes, body: bytes) -> None:
        digits = bytes(c for c in status if c in b"0123456789")[:3]
        self._answer = (int(digits or b"200"), list(headers_of(block)), body)

    def _serve(self, _request: httpx.Request) -> httpx.Response:
        status, headers, body = self._answer
        return httpx.Response(status, headers=headers, stream=_Stream(body))


def _prepare_gateway_answer(_scratch: Path) -> Parse:
    peer = Peer()
    client = GatewayClient(peer.client, "http://gateway.example", DEVICE, lambda: NOW)
    opening = golden.MESSAGES["session-request"][0]
    assert isinstance(opening, SessionRequest)

    def parse(data: bytes) -> str:
        which, status, block, body = unframe(data, 4)
        peer.will_answer(status, block, body)
        with mock.patch.object(gateway_client, "RECOVERY_PAUSE_SECONDS", 0):
            if which == b"open":
                client.open_session(opening)
                return "offer"
            if which == b"status":
                promise(isinstance(client.status(golden.SESSION), dict), "a state of another type")
                return "state"
            answer, _ = client.submit(golden.SESSION, b"submission")
            promise(answer.outcome in ("MATCH", "NO_MATCH"), "a third outcome")
            promise(isinstance(answer.receipt, bytes), "a receipt of another type")
            return "verification"

    return parse


def _gateway_answers() -> list[bytes]:
    verification = {
        "sessionId": golden.SESSION.hex(),
        "state": "DECIDED",
        "expiresAt": NOW + 300,
        "outcome": "MATCH",
        "recordId": golden.RECORD_ID.hex(),
        "receipt": "3q2-7w",
    }
    body = json.dumps(verification).encode()
    problem = json.dumps(
        {"status": 403, "code": "PERMISSION_DENIED", "message": "refused"}
    ).encode()
    seeds = [
        *[frame(b"submit", b"200", b"content-type: application/json", body)] * 4,
        *[frame(b"status", b"200", b"", body)] * 2,
        *[frame(b"submit", status, b"", problem) for status in (b"403", b"409", b"503", b"500")],
        *[_packed(b"submit", coding, body) for coding in (b"gzip", b"deflate", b"zstd")],
    ]
    return [*seeds * 2, frame(b"open", b"200", b"", golden.MESSAGES["session-offer"][0].encode())]


def _packed(which: bytes, coding: bytes, body: bytes) -> bytes:
    """An answer in a content coding that the client's library undoes by itself."""
    pack: dict[bytes, Callable[[bytes], bytes]] = {
        b"gzip": lambda plain: gzip.compress(plain, mtime=0),
        b"deflate": zlib.compress,
        b"zstd": lambda plain: zstandard.ZstdCompressor().compress(plain),
    }
    return frame(which, b"200", b"content-encoding: " + coding, pack[coding](body))


def _bomb(rng: Random, data: bytes) -> bytes:
    """A short body that becomes 128 MB where somebody unpacks it."""
    coding = rng.choice((b"gzip", b"deflate", b"zstd"))
    plain = bytes(1 << 20)
    parts = unframe(data, 4)
    if coding == b"zstd":
        packer = zstandard.ZstdCompressor().compressobj()
        body = b"".join(packer.compress(plain) for _ in range(128)) + packer.flush()
    else:
        deflate = zlib.compressobj(wbits=31 if coding == b"gzip" else 15)
        body = b"".join(deflate.compress(plain) for _ in range(128)) + deflate.flush()
    return frame(parts[0], b"200", b"content-encoding: " + coding, body)


def _cookie(rng: Random, data: bytes) -> bytes:
    parts = unframe(data, 4)
    name = rng.randbytes(6).hex().encode()
    return frame(parts[0], parts[1], b"set-cookie: " + name + b"=1; max-age=9999999", parts[3])


def _answer(body: Mutator, *asked: bytes) -> Mutator:
    parts = framed(
        one_of(*asked),
        one_of(*_STATUS_WORDS),
        words_of(*_ANSWER_WORDS),
        body,
    )

    def mutate(rng: Random, data: bytes) -> bytes:
        draw = rng.random()
        if draw < 0.0005:
            return _bomb(rng, data)
        if draw < 0.05:
            return _cookie(rng, data)
        return parts(rng, data)

    return mutate


def _prepare_auditor_answer(_scratch: Path) -> Parse:
    peer = Peer()
    client = AuditorClient(peer.client, "http://auditor.example", GATEWAY, lambda: NOW)
    request = golden.MESSAGES["audit-request"][0]
    assert isinstance(request, AuditRequest)

    def parse(data: bytes) -> str:
        _, status, block, body = unframe(data, 4)
        peer.will_answer(status, block, body)
        with (
            mock.patch.object(authority_client, "PAUSE_SECONDS", 0),
            mock.patch.object(type(request), "encode", return_value=b"request"),
        ):
            client.audit(request)
        return "report"

    logging.getLogger("sealmatch").setLevel(logging.CRITICAL + 1)
    return parse


def _auditor_answers() -> list[bytes]:
    report = golden.MESSAGES["audit-response"][0].encode()
    return [
        *[frame(b"audit", b"200", b"content-type: application/cbor", report)] * 6,
        frame(b"audit", b"403", b"", json.dumps(INTERNAL.body()).encode()),
        _packed(b"audit", b"gzip", report),
    ]


def _prepare_authority_answer(_scratch: Path) -> Parse:
    peer = Peer()
    client = AuthorityClient(peer.client, "http://authority.example", GATEWAY, lambda: NOW)
    requests: dict[bytes, tuple[Callable[[Any], Any], Any]] = {
        b"key": (client.session_key, golden.MESSAGES["session-key-request"][0]),
        b"nonce": (client.attempt, golden.MESSAGES["attempt-request"][0]),
        b"values": (client.masked_values, golden.MESSAGES["product-request"][0]),
        b"decision": (client.decision, golden.MESSAGES["shares-request"][0]),
        b"audited": (client.audited_decision, golden.MESSAGES["audit-result"][0]),
    }
    # The requests are valid and long; here the answers matter.
    small = b"request"
    kinds = (SessionKeyRequest, AttemptRequest, ProductRequest, SharesRequest, AuditResult)

    def parse(data: bytes) -> str:
        which, status, block, body = unframe(data, 4)
        ask, request = requests.get(which, requests[b"decision"])
        peer.will_answer(status, block, body)
        with (
            mock.patch.object(authority_client, "PAUSE_SECONDS", 0),
            mock.patch.object(type(request), "encode", return_value=small),
        ):
            ask(request)
        return which.decode("latin-1")[:9]

    assert all(isinstance(request, kinds) for _, request in requests.values())
    logging.getLogger("sealmatch").setLevel(logging.CRITICAL + 1)
    return parse


def _authority_answers() -> list[bytes]:
    problem = json.dumps(INTERNAL.body()).encode()
    decision = golden.MESSAGES["decision-response"][0].encode()
    return [
        *[frame(b"decision", b"200", b"content-type: application/cbor", decision)] * 10,
        *[frame(b"audited", b"200", b"content-type: application/cbor", decision)] * 2,
        *[frame(b"nonce", b"200", b"", golden.MESSAGES["attempt-answer"][0].encode())] * 4,
        *[frame(b"values", b"200", b"", golden.MESSAGES["masked-values"][0].encode())] * 4,
        frame(b"key", b"200", b"", golden.MESSAGES["session-key-response"][0].encode()),
        frame(b"decision", b"403", b"", problem),
        _packed(b"decision", b"gzip", decision),
    ]


def _json_or_cbor(rng: Random, data: bytes) -> bytes:
    if data[:1] == b"{":
        return trees.json_text(rng, data)
    return trees.cbor(rng, data) if rng.random() < 0.8 else scramble(rng, data)


def targets() -> Sequence[Target]:
    """All targets of this module."""
    on_the_wire = partial(target, bytewise=0.05)
    gateway = _answer(_json_or_cbor, b"submit", b"open", b"status")
    authority = _answer(_json_or_cbor, b"key", b"nonce", b"values", b"decision", b"audited")
    auditor = _answer(_json_or_cbor, b"audit")
    return (
        # A gateway's problem text is shown to the person at the counter.
        on_the_wire(
            "gateway-answer", _gateway_answers, gateway, _prepare_gateway_answer, 60, silent=False
        ),
        on_the_wire(
            "authority-answer", _authority_answers, authority, _prepare_authority_answer, 60
        ),
        on_the_wire("auditor-answer", _auditor_answers, auditor, _prepare_auditor_answer, 40),
    )
