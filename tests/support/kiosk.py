"""The counter in a browser without a browser: the process over all parties in memory, asked as the
page asks it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from gateway.client.document_reader import ReadingRules
from gateway.client.gateway_client import GatewayClient
from gateway.client.mismatches import LockRule, Mismatches
from gateway.client.registration import CounterIdentity, RegistrationClient
from gateway.documents.chip.certificates import CscaList
from gateway.documents.policy import DocumentPolicy
from gateway.he.engine import default_engine
from gateway.host.clock import unix_time
from gateway.host.http import CBOR, JSON
from gateway.host.limits import Limits
from gateway.host.serving import bind, server_of
from gateway.issuer.issuer import IssuedTemplate, SessionToServe
from gateway.kiosk.access import TAB, TOKEN_HEADER
from gateway.kiosk.app import Kiosk, create_app
from gateway.kiosk.desk import Desk, Rules
from gateway.kiosk.forwarder import Forwarder
from gateway.kiosk.messages import TemplateIssued, TemplateOrder
from gateway.kiosk.pending import FOLDER, PendingFolder
from gateway.kiosk.reader import DocumentFolder
from gateway.kiosk.release import Page, Release
from gateway.vision.pack import ModelPack, load_pack
from gateway.wire.subject import Subject
from tests.support.packs import toy_manifest
from tests.support.processes import PATIENCE
from tests.support.samples import TEMPLATE, Vector
from tests.support.world import World

FILES = {"index.html": b"<!doctype html><title>counter</title>", "app.js": b"export {};\n"}
PAGE = Page(Release.of(FILES), FILES)
MODEL_BYTES = b"not a model"
PICTURES = ReadingRules(CscaList(), "refuse", "photographed")


@dataclass
class Sees:
    """In the place of the models: every picture shows this face."""

    vector: Vector = field(default_factory=lambda: TEMPLATE.astype(np.float32))
    error: Exception | None = None

    def embed(self, image: Any) -> Sees:
        assert image.ndim == 3
        if self.error is not None:
            raise self.error
        return self


class Counter:
    """The running process, and who asks it."""

    def __init__(self, world: World, folder: Path, kiosk: Kiosk, vision: Sees) -> None:
        self.world, self.folder, self.kiosk, self.vision = world, folder, kiosk, vision
        self._newest = 0
        self.url = f"http://127.0.0.1:{kiosk.port}"
        self.stranger = httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)
        self.page = self.tab(self.opened(kiosk.new_address()))

    def opened(self, address: str) -> str:
        """The secret of a tab that opens an address, or is loaded again with its secret."""
        answer = self.exchange(address.rpartition("#")[2])
        assert answer.status_code == 200, answer.text
        return str(answer.json()["secret"])

    def exchange(self, given: str, **headers: str) -> httpx.Response:
        return self.stranger.post(TAB, headers={TOKEN_HEADER: given, **headers})

    def tab(self, secret: str) -> httpx.Client:
        """The page in a tab with this secret."""
        return httpx.Client(
            base_url=self.url,
            timeout=PATIENCE,
            trust_env=False,
            headers={TOKEN_HEADER: secret, "origin": self.url},
        )

    @property
    def secret(self) -> str:
        return self.page.headers[TOKEN_HEADER]

    def forget(self, handle: str) -> httpx.Response:
        return self.page.request("DELETE", "/issuer/documents", json={"handle": handle})

    def scan(self, name: str = "scan.png", shade: int = 90) -> Path:
        """Put a picture at the reader."""
        picture = np.full((64, 48, 3), shade, np.uint8)
        path = self.folder / name
        path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
        self._newest = max(path.stat().st_mtime_ns, self._newest + 1)  # a tick may have several
        os.utime(path, ns=(self._newest, self._newest))
        return path

    def read(self, number: str = "KI05K0001", **more: Any) -> httpx.Response:
        """Have the document read, as the agent does."""
        asked = {"kind": "passport", "number": number, **more}
        named = {name: value for name, value in asked.items() if value is not None}
        return self.page.post("/issuer/documents", json=named, headers={"content-type": JSON})

    def order(self, order: TemplateOrder) -> httpx.Response:
        return self.page.post(
            "/issuer/templates", content=order.encode(), headers={"content-type": CBOR}
        )

    def client(self, handle: str) -> RegistrationClient:
        """A registration as the page runs it: sessions and templates through the process."""
        world = self.world
        transport = httpx.Client(transport=_Forwarded(self.page), timeout=PATIENCE)
        gateway = GatewayClient(transport, "http://gateway", world.counter.device, unix_time)
        return RegistrationClient(
            gateway,
            _IssuerBehind(self, handle),  # type: ignore[arg-type]
            CounterIdentity(world.counter.device, "agent", "outlet"),
            world.trust,
            world.counter.model,
            default_engine(),
            unix_time,
        )

    def close(self) -> None:
        self.stranger.close()
        self.page.close()


class _Forwarded(httpx.BaseTransport):
    """Requests for the gateway, asked of the process instead."""

    def __init__(self, page: httpx.Client) -> None:
        self._page = page

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        headers = {k: v for k, v in request.headers.items() if k not in ("host", "content-length")}
        path = "/gateway" + request.url.raw_path.decode()
        answer = self._page.request(
            request.method, path, content=body or None, headers={**self._page.headers, **headers}
        )
        assert answer.headers["x-sealmatch-answered-by"] in ("gateway", "kiosk")
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


class _IssuerBehind:
    """The issuer as the page has it."""

    def __init__(self, counter: Counter, handle: str) -> None:
        self._counter, self._handle = counter, handle
        self.party = counter.world.counter.issuer.party

    def issue(
        self, template: Vector, subject: Subject, session: SessionToServe, *_: object
    ) -> IssuedTemplate:
        order = TemplateOrder(
            handle=bytes.fromhex(self._handle),
            grant=session.grant,
            public_key=session.public_key,
            client_nonce=session.client_nonce,
        )
        answer = self._counter.order(order)
        assert answer.status_code == 200, answer.text
        issued = TemplateIssued.decode(answer.content)
        return IssuedTemplate(
            issued.sealed_template, issued.sealed_dealing, issued.assertion, issued.subject_salt
        )


@contextmanager
def running(
    directory: Path,
    *,
    clock: Callable[[], int] = unix_time,
    transport: httpx.BaseTransport | None = None,
    policy: DocumentPolicy | None = None,
    guardian_below: int | None = None,
    remove: bool = False,
    rules: ReadingRules | None = None,
    limits: Limits | None = None,
) -> Iterator[Counter]:
    """Within the block the process runs on a port of its own, in a thread."""
    folder = directory / "reader"
    folder.mkdir(parents=True)
    vision = Sees()
    with World(directory) as world, bind("127.0.0.1", 0) as listener:
        salt = world.counter.site_salt
        desk = Desk(
            DocumentFolder(folder, rules or PICTURES, remove=remove),
            vision,  # type: ignore[arg-type]
            world.issuer,
            Mismatches(directory / "mismatches.sqlite3", salt, LockRule()),
            Rules(policy or DocumentPolicy(), guardian_below, "device"),
            clock,
        )
        at_gateway = transport or httpx.MockTransport(world._at_gateway)
        kiosk = Kiosk(
            PAGE,
            _pack(directory / "pack"),
            {"version": 1, "device": "device"},
            desk,
            Forwarder(httpx.Client(transport=at_gateway), "http://gateway"),
            PendingFolder(directory / FOLDER, clock),
            listener.getsockname()[1],
        )
        server = server_of(create_app(kiosk), None, listener, None, limits or Limits())
        thread = threading.Thread(target=server.run)
        thread.start()
        counter = Counter(world, folder, kiosk, vision)
        try:
            yield counter
        finally:
            counter.close()
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()


def _pack(directory: Path) -> ModelPack:
    directory.mkdir()
    (directory / "net.onnx").write_bytes(MODEL_BYTES)
    manifest = toy_manifest({"net.onnx": MODEL_BYTES})
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return load_pack(directory)
