"""The page's registration client, run in node, against the parties of one ``World``.

The local process is stood in for by a small server on loopback: it passes signed requests on to the
world's gateway, and has the world's issuer make templates.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np

import gateway.kiosk
from gateway.issuer.issuer import SessionToServe
from gateway.kiosk.messages import TemplateIssued, TemplateOrder
from gateway.proofs.checker import pins
from gateway.proofs.verify import STEPS
from gateway.wire.subject import Subject
from tests.support.samples import REFERENCE, Vector, new_number
from tests.support.world import World

PAGE = Path(gateway.kiosk.__file__).parent / "page"
HANDLE = bytes(16)


@dataclass
class Page:
    """A counter's page in node, and what stands between it and a world's parties."""

    world: World
    node: subprocess.Popen[str]
    base: str
    template: Vector = field(default_factory=lambda: np.zeros(512))
    subject: Subject | None = None
    before_issuing: Callable[[], None] = lambda: None
    alter_issued: Callable[[TemplateIssued], TemplateIssued] = lambda issued: issued

    def register(
        self,
        template: Vector,
        probe: Vector,
        number: str | None = None,
        alter: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> dict[str, Any]:
        """One registration: its result, or its fault, as the page tells it.

        Args:
            alter: changes what the page is given; a pin, for example.
        """
        self.template = template
        self.subject = Subject.of("passport", number or new_number())
        order = self._order(probe)
        alter(order)
        assert self.node.stdin is not None
        assert self.node.stdout is not None
        self.node.stdin.write(json.dumps(order) + "\n")
        self.node.stdin.flush()
        answer = self.node.stdout.readline()
        assert answer, "node ended"
        told: dict[str, Any] = json.loads(answer)
        return told

    def _order(self, probe: Vector) -> dict[str, Any]:
        world, trust, model = self.world, self.world.trust, self.world.counter.model
        gateway, authority = trust.gateways[0], trust.authorities[0]
        device = world.counter.device
        quality = model.quality.to_map()
        assert self.subject is not None
        return {
            "base": self.base,
            "device": {
                "party": device.party,
                "seed": device.private.private_bytes_raw().hex(),  # type: ignore[attr-defined]
            },
            "issuer": world.counter.issuer.party,
            "agent": "agent",
            "outlet": "outlet",
            "gateway": {
                "party": gateway.party,
                "host": "gateway",
                "sealingKey": gateway.sealing_key,
            },
            "authority": {"party": authority.party, "publicKeys": [authority.public_key]},
            "pins": pins(trust),
            "steps": STEPS,
            "model": {
                "digest": model.digest.hex(),
                "quality": quality | {"profileDigest": quality["profileDigest"].hex()},
            },
            "document": {
                "handle": HANDLE.hex(),
                "documentType": self.subject.document_type,
                "number": self.subject.number,
                "how": "photographed",
            },
            "guardianNumber": None,
            "exclusions": [],
            "activationReference": REFERENCE,
            "probe": [float(value) for value in probe],
            "leaveAt": "",
        }

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> httpx.Response:
        """What the local process does with a request of the page."""
        if path == "/issuer/templates":
            return httpx.Response(200, content=self._issued(body))
        url = "http://gateway" + path.removeprefix("/gateway")
        passed = {name: value for name, value in headers.items() if name.lower() != "host"}
        request = httpx.Request(method, url, headers=passed | {"host": "gateway"}, content=body)
        return self.world._at_gateway(request)

    def _issued(self, body: bytes) -> bytes:
        self.before_issuing()
        order = TemplateOrder.decode(body)
        assert self.subject is not None
        session = SessionToServe(
            order.grant, order.public_key, self.world.counter.device.party, order.client_nonce
        )
        issued = self.world.issuer.issue(self.template, self.subject, session, self.world.clock())
        made = TemplateIssued(
            sealed_template=issued.sealed_template,
            sealed_dealing=issued.sealed_dealing,
            assertion=issued.assertion,
            subject_salt=issued.subject_salt,
            guardian_commitment=None,
        )
        return self.alter_issued(made).encode()


@contextmanager
def page_of(world: World) -> Iterator[Page]:
    """The page in node, until the block ends."""
    assert (PAGE / "node_modules").is_dir(), f"run npm ci --ignore-scripts in {PAGE.name}"
    held: list[Page] = []

    class Local(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            answer = held[0].answer(self.command, self.path, self.headers, body)
            self.send_response(answer.status_code)
            for name in ("content-type", "retry-after"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = _pass_on  # noqa: N815  names of http.server

        def log_message(self, *_: Any) -> None:
            """Nothing: pytest's own output is enough."""

    command = ["node", "test/drive/run.mjs", "registration"]
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Local) as server,
        subprocess.Popen(
            command, cwd=PAGE, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as node,
    ):
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            held.append(Page(world, node, f"http://127.0.0.1:{server.server_port}"))
            yield held[0]
        finally:
            assert node.stdin is not None
            node.stdin.close()
            server.shutdown()
            serving.join()
