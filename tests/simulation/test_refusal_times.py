"""How long a refusal takes tells nothing of its reason, at either server.

In memory, through the whole application, on a clock of the test's own: every refusal is answered a
whole number of periods after its request came, however long its work took. What a real clock sees
of that, ``python -m tests.measure_refusal_times`` measures.
"""

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from gateway.host.clock import unix_time
from gateway.host.http import CBOR
from gateway.server.app import application
from gateway.server.composition import compose
from gateway.wire.cose import SigningKey
from gateway.wire.evaluation import ProductRequest
from gateway.wire.ids import new_nonce, new_session_id
from gateway.wire.requests import sign_request
from gateway.wire.submission import Submission
from keys.app import create_app as authority_app
from keys.caps import CapLimits
from keys.custody import open_custody
from tests.support import timing
from tests.support.drafts import Opened, ciphertexts, draft
from tests.support.parties import (
    DEVICE,
    GATEWAY,
    ISSUER,
    LocalSecrets,
    OpenSession,
    any_product,
    fixed_dealings,
    session_key_request,
)
from tests.support.samples import ATTEMPTS, PRODUCTS, SESSION_KEYS, pair
from tests.support.sealed import sealed_authority, sealed_gateway
from tests.support.timing import Signed
from tests.support.trusted import SignedTrust
from tests.support.world import World

pytestmark = pytest.mark.slow

AUTHORITY_MS, GATEWAY_MS = 80, 350
STRANGER = SigningKey.generate("stranger")


def signed(path: str, body: bytes, key: SigningKey) -> Signed:
    headers = sign_request("POST", timing.HOST, path, body, key, unix_time())
    return Signed(path, body, {**headers, "content-type": CBOR})


def assert_whole_periods(found: dict[str, float], causes: dict[str, Any]) -> None:
    """Each cause waited, to the end of a period; some work took more than one."""
    assert found.keys() == causes.keys()
    assert {cause: round(n, 6) % 1 for cause, n in found.items()} == dict.fromkeys(causes, 0)
    assert min(found.values()) >= 1 - 1e-6
    assert max(found.values()) > 1.5


def altered(request: Signed) -> Signed:
    """One bit of a signature at the end: parsed as before, signed as before."""
    body = bytearray(request.body)
    body[-40] ^= 1
    return Signed(request.path, bytes(body), request.headers)


# The authority


class AuthoritySite:
    """The authority's application, its parties, and one reason to refuse after the other."""

    def __init__(self, directory: Path, refusal_ms: int) -> None:
        settings = sealed_authority(
            directory,
            "authority.example",
            refusal_ms=refusal_ms,
            subject_decisions=1,
            device_decisions=100_000,
            max_sessions=10_000,
        )
        own = open_custody(settings, 0)
        self.key = own.signing.public
        trust = SignedTrust(settings.trust_file, own.signing)
        trust.add("gateway", GATEWAY).add("device", DEVICE).add("issuer", ISSUER)
        self.clock = unix_time
        self.app: FastAPI = authority_app(settings, self.clock, LocalSecrets())

    async def open(self, client: httpx.AsyncClient) -> OpenSession:
        request = session_key_request(session=new_session_id(), client_nonce=new_nonce())
        sent = signed(SESSION_KEYS, request.encode(), GATEWAY)
        answer = await client.post(sent.path, content=sent.body, headers=dict(sent.headers))
        assert answer.status_code == 200
        return OpenSession(self, request, answer.content, authority_key=self.key)

    def attempt(self, opened: OpenSession, key: SigningKey = GATEWAY, **changes: Any) -> Signed:
        """An attempt about a document that was never seen; ``issued``: what the issuer says."""
        given = {"subject_inner": secrets.token_bytes(32), **changes.pop("issued", {})}
        body = opened.attempt(template_assertion=opened.template_assertion(**given), **changes)
        return signed(ATTEMPTS, body.encode(), key)

    def product(self, opened: OpenSession, value: int = 5) -> Signed:
        body = ProductRequest(
            session=opened.request.session, padded_product=any_product(value), omega=1
        )
        return signed(PRODUCTS, body.encode(), GATEWAY)

    def causes(self) -> dict[str, Any]:
        spent = {"subject_inner": bytes(32)}

        async def before(client: httpx.AsyncClient, *requests: Signed) -> None:
            for request in requests:
                await client.post(request.path, content=request.body, headers=dict(request.headers))

        def with_attempt(**changes: Any) -> Any:
            async def prepare(client: httpx.AsyncClient) -> Signed:
                return self.attempt(await self.open(client), **changes)

            return prepare

        async def altered_body(client: httpx.AsyncClient) -> Signed:
            return altered(self.attempt(await self.open(client)))

        async def replayed(client: httpx.AsyncClient) -> Signed:
            request = self.attempt(await self.open(client))
            await before(client, request)
            return request

        async def foreign_dealing(client: httpx.AsyncClient) -> Signed:
            opened = await self.open(client)
            other = opened.sealed_dealing(fixed_dealings("other")[1])
            return self.attempt(opened, sealed_dealing=other)

        async def dealing_of_another_session(client: httpx.AsyncClient) -> Signed:
            other = (await self.open(client)).sealed_dealing()
            return self.attempt(await self.open(client), sealed_dealing=other)

        async def capped(client: httpx.AsyncClient) -> Signed:
            await before(client, self.attempt(await self.open(client), issued=spent))
            return self.attempt(await self.open(client), issued=spent)

        async def second_attempt(client: httpx.AsyncClient) -> Signed:
            opened = await self.open(client)
            await before(client, self.attempt(opened))
            return self.attempt(opened)

        async def product_first(client: httpx.AsyncClient) -> Signed:
            return self.product(await self.open(client))

        async def second_product(client: httpx.AsyncClient) -> Signed:
            opened = await self.open(client)
            await before(client, self.attempt(opened), self.product(opened))
            return self.product(opened, 6)

        return {
            "unknown gateway": with_attempt(key=STRANGER),
            "altered body": altered_body,
            "replay": replayed,
            "forged assertion": with_attempt(issued={"signed_by": STRANGER}),
            "stale assertion": with_attempt(issued={"issued_at": unix_time() - 3600}),
            "foreign dealing": foreign_dealing,
            "dealing of another session": dealing_of_another_session,
            "capped subject": capped,
            "second attempt": second_attempt,
            "product without attempt": product_first,
            "second product": second_product,
        }


def test_the_authority_s_refusals_take_the_same_time(tmp_path: Path) -> None:
    site = AuthoritySite(tmp_path, AUTHORITY_MS)
    causes = site.causes()
    assert_whole_periods(timing.moments(site.app, causes, AUTHORITY_MS / 1000), causes)


def test_without_waiting_the_authority_s_refusals_are_told_apart(tmp_path: Path) -> None:
    site = AuthoritySite(tmp_path, 0)
    assert timing.moments(site.app, site.causes(), AUTHORITY_MS / 1000) == {}


# The gateway


class GatewaySite(World):
    """The gateway's application before services in memory."""

    def __init__(self, directory: Path, refusal_ms: int) -> None:
        from gateway.server.service import GatewayRules

        caps = CapLimits(50, 10**6, 10**6, 0)
        super().__init__(directory, limits=GatewayRules(180, 1), caps=caps)
        settings = sealed_gateway(
            directory,
            refusal_ms=refusal_ms,
            authority_public_key=self.authority_key.public.raw.hex(),
            model_id=self.counter.model.model_id,
            model_digest=self.counter.model.digest.hex(),
        )
        gateway = replace(compose(settings), service=self.service)
        self.app: FastAPI = application(gateway, refusal_ms)
        self.vectors = pair(0.7)
        self.full, self.capped = secrets.token_bytes(32), secrets.token_bytes(32)
        self.used = secrets.token_bytes(32)
        self._fill(directory)

    def _fill(self, directory: Path) -> None:
        """One subject with as many activations as it may have, one with too many attempts."""
        opened = self.open()
        made = {"activation_commitment": self.used}
        self.submit(opened, self.drafted(opened, issued={"subject_inner": self.full}, made=made))
        opened = self.open()
        self.submit(opened, self.drafted(opened, issued={"subject_inner": self.capped}))
        with closing(sqlite3.connect(directory / "caps.sqlite3")) as caps:
            columns = "select handle, device, at, matched from attempts where id = 2"
            for _ in range(60):
                caps.execute(f"insert into attempts (handle, device, at, matched) {columns}")
            caps.commit()

    def drafted(self, opened: Opened, **changes: Any) -> Submission:
        return draft(
            self.counter, opened, *ciphertexts(opened, *self.vectors), unix_time(), **changes
        )

    def causes(self) -> dict[str, Any]:
        device = self.counter.device

        def request(key: SigningKey = device, **changes: Any) -> Signed:
            opened = self.open()
            body = self.drafted(opened, **changes).encode()
            return signed(f"{opened.path}/submission", body, key)

        def of(prepare: Callable[[], Signed]) -> Any:
            async def prepared(_: httpx.AsyncClient) -> Signed:
                return prepare()

            return prepared

        async def replay(client: httpx.AsyncClient) -> Signed:
            first = request()
            await client.post(first.path, content=first.body, headers=dict(first.headers))
            return first

        return {
            "stranger": of(lambda: request(STRANGER)),
            "altered body": of(lambda: altered(request())),
            "replay": replay,
            "forged assertion": of(lambda: request(issuer_key=STRANGER)),
            "template of another session": of(lambda: request(sealed_for=new_session_id())),
            "another dealing than asserted": of(
                lambda: request(issued={"gateway_dealing_digest": bytes(32)})
            ),
            "used activation": of(lambda: request(made={"activation_commitment": self.used})),
            "subject at its limit": of(lambda: request(issued={"subject_inner": self.full})),
            "capped subject": of(lambda: request(issued={"subject_inner": self.capped})),
        }


def test_the_gateway_s_refusals_take_the_same_time(tmp_path: Path) -> None:
    with GatewaySite(tmp_path, GATEWAY_MS) as site:
        causes = site.causes()
        assert_whole_periods(timing.moments(site.app, causes, GATEWAY_MS / 1000), causes)


def test_without_waiting_the_gateway_s_refusals_are_told_apart(tmp_path: Path) -> None:
    with GatewaySite(tmp_path, 0) as site:
        assert timing.moments(site.app, site.causes(), GATEWAY_MS / 1000) == {}
