"""HTTP: the applications behind their real routes.

Requests reach the applications as ASGI messages, in the form in which the server hands them on:
header values without NUL, CR and LF, targets of visible ASCII. Answers must have the documented
form; no exception may escape the application, because each would be a 500.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Final
from unittest import mock
from urllib.parse import unquote

from gateway.auditor import composition as auditor_parts
from gateway.auditor import custody as auditor_keys
from gateway.auditor import service as auditor_service
from gateway.auditor.app import create_app as create_auditor
from gateway.auditor.config import AuditorSettings
from gateway.auditor.register import Enrolled as _Party
from gateway.auditor.register import Register
from gateway.host import keystore
from gateway.server import composition as gateway_parts
from gateway.server.app import create_app as create_gateway
from gateway.store import sessions
from gateway.store.database import Database
from gateway.store.parties import enrol_party
from gateway.wire.cose import SigningKey
from gateway.wire.requests import NonceMemory, sign_request
from keys import composition as authority_parts
from keys.app import create_app as create_authority
from keys.custody import open_custody
from tests.fuzz import trees
from tests.fuzz.making import target
from tests.fuzz.mutations import Mutator, frame, framed, unframe, words_of
from tests.fuzz.targets_wire import header_words, promise
from tests.support import parties
from tests.support.fuzzing import CANARY, BrokenPromise, Parse, Target
from tests.support.parties import AUDITOR, AUTHORITY, DEVICE, GATEWAY, ISSUER, NOW, LocalSecrets
from tests.support.sealed import CHEAP, passphrase_file, sealed_authority, sealed_gateway
from tests.support.trusted import SignedTrust
from tests.vectors import golden

SESSIONS: Final = b"/face-verification/v0.1/sessions"
_SESSION: Final = golden.SESSION.hex().encode()
_STATUSES: Final = frozenset({200, 400, 403, 404, 405, 409, 413, 415, 503})
_HOST: Final = "127.0.0.1"
_SIGNED, _CHUNKED = 1, 2

# --- requests to the applications ------------------------------------------------------------

_REQUEST_WORDS: Final = (
    *header_words(), b"\r\n", b": ", b"content-type: application/cbor", b"content-type: text/plain",
    b"content-length: ", b"content-length: -1", b"content-length: +5", b"content-length: \xb2",
    b"content-length: " + b"9" * 5000, b"transfer-encoding: chunked", b"host: [",
    b"host: a@b:99999", b"host: LOCALHOST:80",
    b"host: \xff", b"host: x/y?z#", b"x-correlator: ", b"x-correlator: a\xe9",
    b"x-correlator: " + b"a" * 257,
    b"x-correlator: " + CANARY.encode(), b"x-forwarded-for: ::1", b"range: bytes=0-",
    b"expect: 100-continue",
    b"signature: ", b"signature-input: ", b"content-digest: ", b"content-encoding: gzip",
    b"cookie: a=b",
)  # fmt: skip
_PATH_WORDS: Final = (
    b"/", b"//", b"..", b"%2e", b"%2F", b"%00", b"%0a", b"%ff", b"%c3%a9", b"%", b"?", b"?a=b",
    b"#",
    b"%3F", b"\\", b"@", b":", b"[", b"*", b"http://a/", _SESSION, b"/submission", SESSIONS,
    b"a" * 9000,
    b"/v1/audits",
    b"/v1/session-keys", b"/v1/attempts", b"/v1/padded-products", b"/v1/shares", b"/v1/health",
    b"/health",
    b"{", b";",
)  # fmt: skip
_METHODS: Final = (
    b"GET",
    b"POST",
    b"PUT",
    b"HEAD",
    b"OPTIONS",
    b"DELETE",
    b"post",
    b"CONNECT",
    b"!",
)


def one_of(*choices: bytes) -> Mutator:
    return lambda rng, _data: rng.choice(choices)


def _flags(rng: Random, _data: bytes) -> bytes:
    return bytes((rng.choice((_SIGNED, _SIGNED, _SIGNED | _CHUNKED, _CHUNKED, 0)),))


REQUEST: Final = framed(
    one_of(*_METHODS), words_of(*_PATH_WORDS), words_of(*_REQUEST_WORDS), _flags, trees.cbor
)


def _request(rng: Random, data: bytes) -> bytes:
    """Mostly the body: it is what lies behind the signature."""
    parts = unframe(data, 5)
    if rng.random() < 0.6:
        parts[4] = trees.cbor(rng, parts[4])
        return frame(*parts)
    return REQUEST(rng, data)


def _post(path: bytes, body: bytes, flags: int = _SIGNED) -> bytes:
    return frame(b"POST", path, b"content-type: application/cbor", bytes((flags,)), body)


def _get(path: bytes) -> bytes:
    return frame(b"GET", path, b"x-correlator: abc-1", bytes((_SIGNED,)), b"")


def headers_of(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """What a server's own parser would let through of these lines."""
    for line in block.replace(b"\0", b"").split(b"\r\n"):
        name, colon, value = line.partition(b":")
        name = bytes(c for c in name.lower() if c in b"abcdefghijklmnopqrstuvwxyz0123456789-_")
        if colon and name:
            yield name, value.strip(b" \t").replace(b"\r", b"").replace(b"\n", b"")


class Edge:
    """An application and one event loop to ask it in."""

    statuses: ClassVar[frozenset[int]] = _STATUSES

    def __init__(self, app: Any, signer: SigningKey) -> None:
        self._app = app
        self._signer = signer
        self._loop = asyncio.new_event_loop()

    def parse(self, data: bytes) -> str:
        """Send one request and check the answer's form; returns status and code."""
        method, target, block, flags, body = unframe(data, 5)
        target = bytes(c for c in target if 0x21 <= c <= 0x7E)[:60_000] or b"/"
        mode = flags[0] if flags else 0
        path, _, query = target.partition(b"?")
        text = unquote(path.decode("ascii"))
        headers = list(headers_of(block))
        if mode & _SIGNED:
            headers += self._signature(method, text, body)
        if not any(name == b"host" for name, _ in headers):
            headers.append((b"host", _HOST.encode()))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method.decode("latin-1"),
            "scheme": "http",
            "path": text,
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": (_HOST, 80),
        }
        size = 1 + len(body) // 3 if mode & _CHUNKED else max(1, len(body))
        chunks = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
        return self._checked(self._loop.run_until_complete(self._ask(scope, chunks)), method)

    async def _ask(self, scope: dict[str, Any], chunks: list[bytes]) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        left = list(chunks)

        async def receive() -> dict[str, Any]:
            if not left:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        return sent

    def _signature(self, method: bytes, path: str, body: bytes) -> list[tuple[bytes, bytes]]:
        try:
            made = sign_request(method.decode("latin-1"), _HOST, path, body, self._signer, NOW)
        except Exception:  # noqa: BLE001 - a path that nobody can sign goes unsigned
            return []
        return [(name.lower().encode(), value.encode()) for name, value in made.items()]

    def _checked(self, sent: list[dict[str, Any]], method: bytes) -> str:
        kinds = [message["type"] for message in sent]
        promise(kinds[:1] == ["http.response.start"], "no answer")
        promise(kinds.count("http.response.start") == 1, "two answers")
        status, headers = sent[0]["status"], dict(sent[0]["headers"])
        body = b"".join(message.get("body", b"") for message in sent[1:])
        promise(status in self.statuses, f"status {status}")
        promise(headers.get(b"cache-control") == b"no-store", "an answer that may be cached")
        promise(b"x-correlator" in headers, "an answer without correlator")
        promise(CANARY.encode() not in body, "the answer repeats the request")
        if status == 200:
            return "200"
        problem = json.loads(body)
        promise(set(problem) == {"status", "code", "message"}, "a problem of another form")
        promise(problem["status"] == status, "a problem with another status")
        return f"{status} {problem['code']}"


def quiet() -> None:
    """Refusals are logged for operators, here by the hundred thousand."""
    logging.getLogger("sealmatch").setLevel(logging.CRITICAL + 1)


class _Forgetful(NonceMemory):
    """Remembers nothing: nonces of a run are as many as its inputs, and all are random."""

    def use(self, nonce: str, now: int) -> None:
        self._seen.clear()
        super().use(nonce, now)


def _prepare_gateway(scratch: Path) -> Parse:
    """The issuer is not enrolled: a valid request ends before the authority is asked."""
    quiet()
    settings = sealed_gateway(
        scratch,
        authority_url="http://127.0.0.1:9",
        authority_public_key=AUTHORITY.public.raw.hex(),
        model_id="buffalo/w600k",
        model_digest=parties.MODEL_DIGEST.hex(),
    )
    with mock.patch.object(gateway_parts, "NonceMemory", _Forgetful):
        app = create_gateway(settings, lambda: NOW)
    database = Database(settings.database)
    with database.transaction() as connection:
        enrol_party(connection, "device", DEVICE.party, DEVICE.public.raw)
        sessions.add_session(
            connection,
            sessions.SessionRow(
                session_id=golden.SESSION,
                state="OPEN",
                device=DEVICE.party,
                issuer=ISSUER.party,
                purpose="sim-activation",
                consent_text_version=1,
                policy_digest=golden.POLICY.digest,
                created_at=NOW,
                expires_at=NOW + 300,
            ),
        )
    database.close()
    return Edge(app, DEVICE).parse


def _gateway_seeds() -> list[bytes]:
    opening = golden.MESSAGES["session-request"][0].encode()
    submission = golden.MESSAGES["submission"][0].encode()
    one = SESSIONS + b"/" + _SESSION
    return [
        *[_post(SESSIONS, opening)] * 6,
        *[_get(one)] * 3,
        _get(b"/health"),
        _post(one + b"/submission", submission),
        _post(one + b"/submission", opening, _SIGNED | _CHUNKED),
    ]


def _prepare_authority(scratch: Path) -> Parse:
    """With few sessions, all taken: a key made later would look like memory that stays."""
    quiet()
    settings = sealed_authority(scratch, AUTHORITY.party, max_sessions=_SESSIONS)
    trust = SignedTrust(settings.trust_file, open_custody(settings, NOW).signing)
    trust.add("gateway", GATEWAY).add("device", DEVICE).add("issuer", ISSUER)
    with mock.patch.object(authority_parts, "NonceMemory", _Forgetful):
        app = create_authority(settings, lambda: NOW, LocalSecrets())
    edge = Edge(app, GATEWAY)
    for number in range(_SESSIONS):
        session = golden.SESSION if number == 0 else bytes([number]) * 16
        body = parties.session_key_request(session=session).encode()
        if not edge.parse(_post(b"/v1/session-keys", body)).startswith("200"):
            raise AssertionError("the authority refuses an honest request")
    return edge.parse


_SESSIONS: Final = 4


def _authority_seeds() -> list[bytes]:
    opening = golden.MESSAGES["session-key-request"][0].encode()
    return [
        *[_post(b"/v1/session-keys", opening)] * 8,
        *[_post(b"/v1/attempts", golden.MESSAGES["attempt-request"][0].encode())] * 4,
        _post(b"/v1/padded-products", golden.MESSAGES["product-request"][0].encode()),
        *[_post(b"/v1/shares", golden.MESSAGES["shares-request"][0].encode())] * 2,
        *[_post(b"/v1/audits", golden.MESSAGES["audit-result"][0].encode())] * 2,
        _get(b"/v1/health"),
    ]


def _prepare_auditor(scratch: Path) -> Parse:
    """The golden demand stands for no evaluation that was ever made: none is countersigned."""
    quiet()
    settings = AuditorSettings(
        data_dir=scratch, party=AUDITOR.party, passphrase_file=passphrase_file(scratch)
    )
    with mock.patch.object(keystore, "DEFAULT_COST", CHEAP):
        auditor_keys.initialise(settings, 0)
    register = Register(settings.register_file)
    for kind, key in (("authority", AUTHORITY), ("gateway", GATEWAY), ("issuer", ISSUER)):
        register.enrol(_Party(kind=kind, party=key.party, public_key=key.public.raw.hex()))  # type: ignore[arg-type]
    register.enrol(_Party(kind="device", party=DEVICE.party, public_key=DEVICE.public.raw.hex()))

    def never(*_: object) -> Any:
        raise BrokenPromise("an evaluation was repeated whose inputs do not fit the demand")

    with mock.patch.object(auditor_parts, "NonceMemory", _Forgetful):
        edge = Edge(create_auditor(settings, lambda: NOW, never), GATEWAY)

    def parse(data: bytes) -> str:
        with mock.patch.object(auditor_service, "ATTEMPTS", 10**9):
            return edge.parse(data)

    return parse


def _auditor_seeds() -> list[bytes]:
    request = golden.MESSAGES["audit-request"][0]
    return [
        *[_post(b"/v1/audits", request.encode())] * 3,
        _get(b"/v1/health"),
        _get(b"/v1/audits"),
    ]


def targets() -> Sequence[Target]:
    """All targets of this module."""
    on_the_wire = partial(target, bytewise=0.05)
    return (
        on_the_wire("gateway-http", _gateway_seeds, _request, _prepare_gateway, 60),
        on_the_wire("authority-http", _authority_seeds, _request, _prepare_authority, 60),
        on_the_wire("auditor-http", _auditor_seeds, _request, _prepare_auditor, 20),
    )
