"""``/openapi.json`` says what the gateway answers, in the shape that CAMARA asks for."""

import asyncio
import itertools
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
import referencing
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator, ValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing.jsonschema import DRAFT202012

from gateway.host.clock import unix_time
from gateway.host.health import Health
from gateway.host.http import CBOR, json_response
from gateway.server.answers import session_answer
from gateway.server.app import application, create_app
from gateway.server.composition import compose
from gateway.server.config import GatewaySettings
from gateway.server.liveness import LivenessPolicy
from gateway.server.openapi import BASE, OPERATIONS
from gateway.server.service import SessionView
from gateway.server.sessions import SessionState
from gateway.wire import cbor, errors
from gateway.wire.cose import SigningKey
from gateway.wire.errors import SealmatchError, Unavailable
from gateway.wire.fallback import FallbackRequest
from gateway.wire.ids import RecordId, SessionId, new_session_id
from gateway.wire.liveness import Exclusion
from gateway.wire.message import Message
from gateway.wire.requests import sign_request
from gateway.wire.rights import SignedSubjectRequest
from gateway.wire.session import SessionRequest
from gateway.wire.submission import Submission
from tests.support.drafts import Opened, ciphertexts, draft, session_request
from tests.support.fallbacks import Desk
from tests.support.rights import Subscriber
from tests.support.samples import (
    ERASURES,
    FALLBACKS,
    MODEL,
    SESSIONS,
    SUBJECT_REQUESTS,
    pair,
)
from tests.support.sealed import sealed_gateway
from tests.support.world import World
from tests.vectors import golden

HOST = "gateway"
STRANGER = SigningKey.generate("stranger")
VECTORS = pair(0.7)
Json = dict[str, Any]


def settings_in(directory: Path, **changes: Any) -> GatewaySettings:
    given = {
        "authority_public_key": "ab" * 32,
        "model_id": MODEL.model_id,
        "model_digest": MODEL.digest.hex(),
    }
    return sealed_gateway(directory, **{**given, **changes})


def ask(app: Any, method: str, path: str, **given: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            return await client.request(method, path, **given)

    return asyncio.run(send())


class Site(World):
    """A gateway's application that serves its description, before services in memory."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, liveness=LivenessPolicy(mode="optional"))
        settings = settings_in(directory)
        self._full = False
        # Each look comes a minute after the one before: none is still fresh.
        health = Health(
            {"disk": self._disk}, logging.getLogger(), itertools.count(step=60).__next__
        )
        gateway = replace(
            compose(settings),
            service=self.service,
            fallbacks=self.fallbacks,
            rights=self.rights,
            health=health,
        )
        self.app = application(gateway, 0, openapi=True)

    def _disk(self) -> None:
        if self._full:
            raise Unavailable("full")

    def unwell(self, act: Callable[[], httpx.Response]) -> httpx.Response:
        self._full = True
        try:
            return act()
        finally:
            self._full = False

    @cached_property
    def document(self) -> Json:
        answer = ask(self.app, "GET", "/openapi.json")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        found: Json = answer.json()
        return found

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        key: SigningKey | None = None,
        **headers: str,
    ) -> httpx.Response:
        """A signed request with a body in CBOR."""
        signed = sign_request(method, HOST, path, body, key or self.counter.device, unix_time())
        kind = {"content-type": CBOR} if body else {}
        return ask(self.app, method, path, content=body, headers={**signed, **kind, **headers})

    def opening(self, **changes: Any) -> bytes:
        return session_request(self.counter, **changes).encode()

    def submission(self, opened: Opened) -> bytes:
        return draft(self.counter, opened, *ciphertexts(opened, *VECTORS), unix_time()).encode()

    def submitted(self, key: SigningKey | None = None, **headers: str) -> httpx.Response:
        opened = self.open()
        path = f"{opened.path}/submission"
        return self.send("POST", path, self.submission(opened), key, **headers)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as site:
        yield site


class Described:
    """What the document says of answers, and whether one is as it says."""

    def __init__(self, document: Json) -> None:
        self._document = document
        resource = DRAFT202012.create_resource(document)
        self._registry: Any = referencing.Registry().with_resource("urn:openapi", resource)

    def check_schema(self, pointer: str, value: Any) -> None:
        """Raises ``ValidationError`` unless the value is as the schema at this place says."""
        schema = {"$ref": f"urn:openapi#{pointer}"}
        Draft202012Validator(schema, registry=self._registry).validate(value)

    def check(self, name: str, answer: httpx.Response) -> None:
        """An answer of an operation: status, content type, headers, body."""
        pointer, told = self._response(name, answer.status_code)
        self.check_schema("/components/headers/x-correlator/schema", answer.headers["x-correlator"])
        assert set(told["headers"]) == {"x-correlator"}
        assert list(told["content"]) == [answer.headers["content-type"]]
        kind = answer.headers["content-type"]
        body = cbor_as_json(cbor.decode(answer.content)) if kind == CBOR else answer.json()
        self.check_schema(f"{pointer}/content/{kind.replace('/', '~1')}/schema", body)

    def _response(self, name: str, status: int) -> tuple[str, Json]:
        for path, item in self._document["paths"].items():
            for method, operation in item.items():
                if method != "servers" and operation["operationId"] == name:
                    told: Json = operation["responses"][str(status)]
                    if "$ref" not in told:
                        place = path.replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
                        return f"/paths/{place}/{method}/responses/{status}", told
                    pointer = told["$ref"].removeprefix("#")
                    return pointer, self._document["components"]["responses"][
                        pointer.rpartition("/")[2]
                    ]
        raise KeyError(name)


@pytest.fixture(scope="module")
def described(site: Site) -> Described:
    return Described(site.document)


def cbor_as_json(value: Any) -> Any:
    """Byte strings as strings of as many characters, which is how the schemas count them."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {key: cbor_as_json(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [cbor_as_json(one) for one in value]
    return value


# The document


def test_the_document_is_valid(site: Site) -> None:
    OpenAPIV31SpecValidator(site.document).validate()  # type: ignore[arg-type]


def test_an_invalid_document_is_noticed(site: Site) -> None:
    broken = json.loads(json.dumps(site.document))
    del broken["paths"]["/sessions"]["post"]["responses"]["403"]["$ref"]
    assert list(OpenAPIV31SpecValidator(broken).iter_errors())


def test_every_route_is_described_and_every_described_route_exists(site: Site) -> None:
    routes = {
        (method.lower(), route.path): route.include_in_schema
        for route in site.app.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert len(routes) == len(site.app.routes)
    told = {
        (method, (path if "servers" in item else BASE + path))
        for path, item in site.document["paths"].items()
        for method in item
        if method != "servers"
    }
    assert told == {route for route, described in routes.items() if described}
    assert {route for route, described in routes.items() if not described} == {
        ("get", "/log/checkpoint"),
        ("get", "/log/{path:path}"),
        ("get", "/openapi.json"),
    }, "C2SP describes the log"


def test_it_is_served_only_where_the_settings_say_so(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir(mode=0o700)
    (tmp_path / "other").mkdir(mode=0o700)
    silent = create_app(settings_in(tmp_path / "one"))
    assert ask(silent, "GET", "/openapi.json").status_code == 404
    open_one = create_app(settings_in(tmp_path / "other", openapi=True))
    assert ask(open_one, "GET", "/openapi.json").status_code == 200
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        assert ask(open_one, "GET", path).status_code == 404, "pages that load others' scripts"


def test_it_says_nothing_of_the_deployment(tmp_path: Path, site: Site) -> None:
    """Two gateways of other names, keys and places serve the same bytes."""
    settings = settings_in(
        tmp_path,
        openapi=True,
        party="gw-canary",
        authority_url="http://canary.example",
        public_urls="https://public-canary.example",
        liveness="off",
    )
    answer = ask(create_app(settings), "GET", "/openapi.json")
    assert answer.content == json.dumps(site.document).encode()
    assert "canary" not in answer.text


# The shape that CAMARA asks for


def schemas_in(value: Any, place: str = "") -> Iterator[tuple[str, Json]]:
    """All schemas, and what has the form of one."""
    if isinstance(value, dict):
        if isinstance(value.get("type"), str) and "in" not in value:
            yield place, value
        for key, one in value.items():
            yield from schemas_in(one, f"{place}/{key}")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from schemas_in(one, f"{place}/{index}")


def test_strings_numbers_and_lists_are_bounded_and_properties_described(site: Site) -> None:
    found = list(schemas_in(site.document))
    assert len(found) > 150
    for place, schema in found:
        match schema["type"]:
            case "string":
                assert schema.keys() & {"maxLength", "enum", "const"}, place
            case "integer":
                assert {"format", "minimum", "maximum"} <= schema.keys(), place
                assert type(schema["minimum"]) is type(schema["maximum"]) is int, place
                assert schema["format"] == ("int32" if schema["maximum"] < 2**31 else "int64"), (
                    place
                )
            case "array":
                assert "maxItems" in schema, place
            case "object":
                assert schema["description"], place
                assert set(schema["required"]) == set(schema["properties"]), place
                for name, one in schema["properties"].items():
                    assert one.get("description"), f"{place}/{name}"
                    assert re.fullmatch(r"[a-z][A-Za-z]*", name), place
            case other:
                assert other in ("null", "boolean"), place


def test_operations_have_what_camara_asks_of_them(site: Site) -> None:
    info = site.document["info"]
    assert "API" not in info["title"]
    assert info["license"]["name"] == "Apache 2.0"
    assert info["x-camara-commonalities"]
    assert not info.keys() & {"termsOfService", "contact"}
    (server,) = site.document["servers"]
    assert server["url"] == "{apiRoot}/face-verification/v0.1"
    assert info["version"].startswith("0.1.")
    tags = {tag["name"] for tag in site.document["tags"]}
    names = []
    for path, item in site.document["paths"].items():
        for method, operation in item.items():
            if method == "servers":
                continue
            names.append(operation["operationId"])
            assert operation["summary"], path
            assert operation["description"], path
            assert set(operation["tags"]) <= tags
            assert {"$ref": "#/components/parameters/x-correlator"} in operation["parameters"]
            assert ("requestBody" in operation) == (method == "post")
            assert operation["security"] == (
                [] if path.startswith("/health") else [{"signatureInput": [], "signature": []}]
            )
    assert sorted(names) == sorted(operation.name for operation in OPERATIONS)
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name) for name in names)


def kinds(base: type[SealmatchError] = SealmatchError) -> Iterator[type[SealmatchError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_errors_have_the_one_table_s_codes_and_camara_s_form(site: Site) -> None:
    own = [errors.INTERNAL, errors.METHOD_NOT_ALLOWED, errors.NOT_FOUND, errors.INVALID]
    table = {(problem.status, problem.code) for problem in own}
    table |= {errors.answered_as(kind) for kind in kinds() if kind in errors._TABLE}
    for response in site.document["components"]["responses"].values():
        (content,) = response["content"].items()
        assert content[0] == "application/json"
        general, only = content[1]["schema"]["allOf"]
        assert general == {"$ref": "#/components/schemas/ErrorInfo"}
        (status,) = only["properties"]["status"]["enum"]
        for code in only["properties"]["code"]["enum"]:
            assert (status, code) in table
            assert re.fullmatch(r"(FACE_VERIFICATION\.)?[A-Z]+(_[A-Z]+)*", code)
            assert f"`{code}`: " in response["description"]


# What is answered is what is described


def decided(site: Site) -> httpx.Response:
    opened = site.open()
    site.submit(opened, Submission.decode(site.submission(opened)))
    return site.send("GET", opened.path)


def twice(site: Site) -> httpx.Response:
    opened = site.open()
    path = f"{opened.path}/submission"
    site.send("POST", path, site.submission(opened))
    return site.send("POST", path, site.submission(opened))


def without_publication(site: Site, ask_again: bool) -> httpx.Response:
    """The log does not publish in time."""
    publication = site.service._publication
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publication, "wait_for", lambda _: None)
        patch.setattr(publication, "receipt", lambda _: None)
        opened = site.open()
        answer = site.send("POST", f"{opened.path}/submission", site.submission(opened))
        return site.send("GET", opened.path) if ask_again else answer


def broken(site: Site) -> httpx.Response:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site.service, "_own_session", lambda *_: 1 // 0)
        return site.send("GET", f"{SESSIONS}/{'0' * 32}")


def down(site: Site, ask_it: Callable[[Site], httpx.Response]) -> httpx.Response:
    def silent(*_: object) -> bytes:
        raise httpx.ConnectError("down")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.server.authority_client.PAUSE_SECONDS", 0)
        patch.setattr(site, "alter", silent)
        return ask_it(site)


def unknown() -> str:
    return f"{SESSIONS}/{new_session_id().hex()}"


EXCLUDED = (
    Exclusion(kind="blink", reason="cannot-perform"),
    Exclusion(kind="open-mouth", reason="cannot-be-seen"),
)
LONG = bytes(SessionRequest.max_bytes + 1)

ANSWERS: dict[str, tuple[str, tuple[int, str], Callable[[Site], httpx.Response]]] = {
    "health": ("getHealth", (200, ""), lambda s: ask(s.app, "GET", "/health")),
    "health, no room on the disk": (
        "getHealth",
        (503, "UNAVAILABLE"),
        lambda s: s.unwell(lambda: ask(s.app, "GET", "/health")),
    ),
    "health, another method": (
        "getHealth",
        (405, "METHOD_NOT_ALLOWED"),
        lambda s: ask(s.app, "POST", "/health"),
    ),
    "live": ("getLive", (200, ""), lambda s: s.unwell(lambda: ask(s.app, "GET", "/health/live"))),
    "live, another method": (
        "getLive",
        (405, "METHOD_NOT_ALLOWED"),
        lambda s: ask(s.app, "POST", "/health/live"),
    ),
    "ready": ("getReady", (200, ""), lambda s: ask(s.app, "GET", "/health/ready")),
    "ready, no room on the disk": (
        "getReady",
        (503, "UNAVAILABLE"),
        lambda s: s.unwell(lambda: ask(s.app, "GET", "/health/ready")),
    ),
    "ready, another method": (
        "getReady",
        (405, "METHOD_NOT_ALLOWED"),
        lambda s: ask(s.app, "POST", "/health/ready"),
    ),
    "offer": ("createSession", (200, ""), lambda s: s.send("POST", SESSIONS, s.opening())),
    "no message": (
        "createSession",
        (400, "INVALID_ARGUMENT"),
        lambda s: s.send("POST", SESSIONS, b"\xa0"),
    ),
    "another profile": (
        "createSession",
        (400, "FACE_VERIFICATION.UNKNOWN_PROFILE"),
        lambda s: s.send("POST", SESSIONS, s.opening(profile="other-1")),
    ),
    "opening by a stranger": (
        "createSession",
        (403, "PERMISSION_DENIED"),
        lambda s: s.send("POST", SESSIONS, s.opening(), STRANGER),
    ),
    "opening, unsigned": (
        "createSession",
        (403, "PERMISSION_DENIED"),
        lambda s: ask(s.app, "POST", SESSIONS, content=s.opening(), headers={"content-type": CBOR}),
    ),
    "sessions, another method": (
        "createSession",
        (405, "METHOD_NOT_ALLOWED"),
        lambda s: s.send("GET", SESSIONS),
    ),
    "opening too long": (
        "createSession",
        (413, "PAYLOAD_TOO_LARGE"),
        lambda s: s.send("POST", SESSIONS, LONG),
    ),
    "opening in JSON": (
        "createSession",
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        lambda s: s.send("POST", SESSIONS, s.opening(), **{"content-type": "application/json"}),
    ),
    "too many exclusions": (
        "createSession",
        (422, "FACE_VERIFICATION.LIVENESS_NOT_POSSIBLE"),
        lambda s: s.send("POST", SESSIONS, s.opening(exclusions=EXCLUDED)),
    ),
    "opening, no authority": (
        "createSession",
        (503, "UNAVAILABLE"),
        lambda s: down(s, lambda s: s.send("POST", SESSIONS, s.opening())),
    ),
    "decision": ("submitToSession", (200, ""), lambda s: s.submitted()),
    "recorded": ("submitToSession", (202, ""), lambda s: without_publication(s, False)),
    "no submission": (
        "submitToSession",
        (400, "INVALID_ARGUMENT"),
        lambda s: s.send("POST", f"{unknown()}/submission", b"\xa0"),
    ),
    "submission by a stranger": (
        "submitToSession",
        (403, "PERMISSION_DENIED"),
        lambda s: s.submitted(STRANGER),
    ),
    "submission to no session": (
        "submitToSession",
        (404, "NOT_FOUND"),
        lambda s: s.send("POST", f"{unknown()}/submission", s.submission(s.open())),
    ),
    "submission, another method": (
        "submitToSession",
        (405, "METHOD_NOT_ALLOWED"),
        lambda s: s.send("GET", f"{unknown()}/submission"),
    ),
    "another submission": ("submitToSession", (409, "CONFLICT"), twice),
    "submission too long": (
        "submitToSession",
        (413, "PAYLOAD_TOO_LARGE"),
        lambda s: s.send("POST", f"{unknown()}/submission", bytes(Submission.max_bytes + 1)),
    ),
    "submission in JSON": (
        "submitToSession",
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        lambda s: s.submitted(**{"content-type": "application/json"}),
    ),
    "open": ("getSession", (200, ""), lambda s: s.send("GET", s.open().path)),
    "recorded, asked again": (
        "getSession",
        (200, ""),
        lambda s: without_publication(s, True),
    ),
    "decided": ("getSession", (200, ""), decided),
    "asked by a stranger": (
        "getSession",
        (403, "PERMISSION_DENIED"),
        lambda s: s.send("GET", unknown(), b"", STRANGER),
    ),
    "no session": ("getSession", (404, "NOT_FOUND"), lambda s: s.send("GET", unknown())),
    "an id of another form": (
        "getSession",
        (404, "NOT_FOUND"),
        lambda s: s.send("GET", f"{SESSIONS}/0"),
    ),
    "state, another method": (
        "getSession",
        (405, "METHOD_NOT_ALLOWED"),
        lambda s: s.send("DELETE", unknown()),
    ),
    "own fault": ("getSession", (500, "INTERNAL"), broken),
}
"""Name -> operation, status and code, and what asks for it."""


def wished(site: Site, wish: str, **changed: Any) -> httpx.Response:
    """The request of somebody who has just been registered."""
    body = Subscriber.registered(site).request(wish, **changed).encode()
    return site.send("POST", SUBJECT_REQUESTS, body)


def proof(site: Site) -> httpx.Response:
    somebody = Subscriber.registered(site)
    site.send("POST", SUBJECT_REQUESTS, somebody.request("erase").encode())
    return site.send("GET", f"{ERASURES}/{somebody.tombstone.hex()}")


def without_storage(site: Site, ask_it: Callable[[], httpx.Response]) -> httpx.Response:
    def fail(_: object) -> None:
        raise Unavailable("the storage does not answer")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.server.rights.hold_register", fail)
        patch.setattr("gateway.server.rights.find_erasure", lambda *_: fail(None))
        return ask_it()


NOBODY = f"{ERASURES}/{'ab' * 32}"
TOO_LONG = bytes(SignedSubjectRequest.max_bytes + 1)

ANSWERS |= {
    "copy": ("answerSubject", (200, ""), lambda s: wished(s, "copy")),
    "erased": ("answerSubject", (200, ""), lambda s: wished(s, "erase")),
    "withdrawn": ("answerSubject", (200, ""), lambda s: wished(s, "withdraw")),
    "no wish": (
        "answerSubject",
        (400, "INVALID_ARGUMENT"),
        lambda s: s.send("POST", SUBJECT_REQUESTS, b"\xa0"),
    ),
    "a wish without the secret": (
        "answerSubject",
        (403, "PERMISSION_DENIED"),
        lambda s: wished(s, "copy", secret=bytes(32)),
    ),
    "wishes, another method": (
        "answerSubject",
        (405, "METHOD_NOT_ALLOWED"),
        lambda s: s.send("GET", SUBJECT_REQUESTS),
    ),
    "a wish too long": (
        "answerSubject",
        (413, "PAYLOAD_TOO_LARGE"),
        lambda s: s.send("POST", SUBJECT_REQUESTS, TOO_LONG),
    ),
    "a wish in JSON": (
        "answerSubject",
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        lambda s: s.send("POST", SUBJECT_REQUESTS, b"{}", **{"content-type": "application/json"}),
    ),
    "a wish, no storage": (
        "answerSubject",
        (503, "UNAVAILABLE"),
        lambda s: without_storage(s, lambda: wished(s, "copy")),
    ),
    "proof of erasure": ("getErasure", (200, ""), proof),
    "proof, asked by a stranger": (
        "getErasure",
        (403, "PERMISSION_DENIED"),
        lambda s: s.send("GET", NOBODY, b"", STRANGER),
    ),
    "no such erasure": ("getErasure", (404, "NOT_FOUND"), lambda s: s.send("GET", NOBODY)),
    "a tombstone of another form": (
        "getErasure",
        (404, "NOT_FOUND"),
        lambda s: s.send("GET", f"{ERASURES}/0"),
    ),
    "proof, another method": (
        "getErasure",
        (405, "METHOD_NOT_ALLOWED"),
        lambda s: s.send("DELETE", NOBODY),
    ),
    "proof, no storage": (
        "getErasure",
        (503, "UNAVAILABLE"),
        lambda s: without_storage(s, lambda: s.send("GET", NOBODY)),
    ),
}


def without_face(site: Site, **given: Any) -> httpx.Response:
    return site.send("POST", FALLBACKS, Desk(site).request().encode(), **given)


def without_face_and_log(site: Site) -> httpx.Response:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site.publication, "wait_for", lambda _: None)
        patch.setattr(site.publication, "receipt", lambda _: None)
        return without_face(site)


def halted(site: Site) -> httpx.Response:
    def check() -> None:
        raise Unavailable("halted")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site.publication, "check", check)
        return without_face(site)


ANSWERS |= {
    "without a face": ("recordFallback", (200, ""), without_face),
    "without a face, no receipt yet": ("recordFallback", (202, ""), without_face_and_log),
    "no request": (
        "recordFallback",
        (400, "INVALID_ARGUMENT"),
        lambda s: s.send("POST", FALLBACKS, b"\xa0"),
    ),
    "without a face, by a stranger": (
        "recordFallback",
        (403, "PERMISSION_DENIED"),
        lambda s: without_face(s, key=STRANGER),
    ),
    "fallbacks, another method": (
        "recordFallback",
        (405, "METHOD_NOT_ALLOWED"),
        lambda s: s.send("GET", FALLBACKS),
    ),
    "request too long": (
        "recordFallback",
        (413, "PAYLOAD_TOO_LARGE"),
        lambda s: s.send("POST", FALLBACKS, bytes(FallbackRequest.max_bytes + 1)),
    ),
    "request in JSON": (
        "recordFallback",
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        lambda s: without_face(s, **{"content-type": "application/json"}),
    ),
    "without a face, log halted": ("recordFallback", (503, "UNAVAILABLE"), halted),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_are_as_the_document_says(site: Site, described: Described, name: str) -> None:
    operation, (status, code), request = ANSWERS[name]
    answer = request(site)
    assert answer.status_code == status, answer.text
    if code:
        assert answer.json()["code"] == code
    described.check(operation, answer)


def test_every_documented_answer_is_among_those_but_two(site: Site) -> None:
    """All but those that need a broken server, and are answered in one place for all routes."""
    tried = {(operation, told[0]) for operation, told, _ in ANSWERS.values()}
    documented = {
        (operation.name, status)
        for operation in OPERATIONS
        for status in (*operation.answers, *operation.problems)
    }
    assert {left for left in documented - tried if left[1] != 500} == {
        ("submitToSession", 503),
        ("getSession", 503),
    }


def test_answers_that_differ_are_noticed(site: Site, described: Described) -> None:
    """The check finds what it is for."""
    problem = ask(site.app, "POST", "/health")
    for change in (
        {"code": "method not allowed"},
        {"code": "NOT_FOUND"},
        {"status": 404},
        {"detail": "more"},
        {"message": None},
    ):
        altered = problem.json() | change
        with pytest.raises(ValidationError):
            described.check("getHealth", json_answer(altered, 405, problem))
    state = site.send("GET", site.open().path)
    for change in ({"outcome": "MATCH"}, {"state": "DECIDED"}, {"sessionId": "0"}, {"score": 1}):
        with pytest.raises(ValidationError):
            described.check("getSession", json_answer(state.json() | change, 200, state))
    with pytest.raises(KeyError):
        described.check("getSession", json_answer({}, 418, state))


def json_answer(body: Json, status: int, like: httpx.Response) -> httpx.Response:
    return httpx.Response(status, json=body, headers={"x-correlator": like.headers["x-correlator"]})


# Messages in CBOR


MESSAGES = [message for told in golden.MESSAGES.values() for message in told]


def described_messages(site: Site) -> list[Message]:
    names = site.document["components"]["schemas"].keys()
    found = [one for one in MESSAGES if type(one).__name__ in names]
    assert {type(one).__name__ for one in found} >= {
        *("SessionRequest", "SessionOffer", "Submission", "Challenge", "LivenessTranscript"),
        *("SessionGrant", "TemplateAssertion", "SubmissionAssertion", "MatchPolicy"),
    }
    return found


def test_the_golden_messages_fit_their_schemas_and_no_altered_one_does(
    site: Site, described: Described
) -> None:
    for message in described_messages(site):
        place = f"/components/schemas/{type(message).__name__}"
        value = cbor_as_json(cbor.decode(message.encode()))
        described.check_schema(place, value)
        for altered in (
            *[{k: v for k, v in value.items() if k != left_out} for left_out in value],
            value | {"unknown": 1},
            value | {"version": 2},
            *[value | {k: v + "\0" * 2**20} for k, v in value.items() if isinstance(v, str)],
        ):
            with pytest.raises(ValidationError):
                described.check_schema(place, altered)


def test_what_is_within_a_byte_string_is_described(site: Site) -> None:
    schemas = site.document["components"]["schemas"]
    offer, submission = (schemas[name]["properties"] for name in ("SessionOffer", "Submission"))
    assert offer["grant"]["x-cose-payload"] == {"$ref": "#/components/schemas/SessionGrant"}
    assert offer["policy"]["contentSchema"] == {"$ref": "#/components/schemas/MatchPolicy"}
    evidence, nothing = submission["livenessEvidence"]["anyOf"]
    assert evidence["contentSchema"] == {"$ref": "#/components/schemas/LivenessTranscript"}
    assert nothing == {"type": "null"}


# Golden bytes


RECEIPT = b"\xfb\xff\xfe\x00"
SESSION, RECORD = SessionId(bytes(range(16))), RecordId(bytes(range(16, 32)))
HEAD = b'{"sessionId": "000102030405060708090a0b0c0d0e0f", "state": '


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (SessionView(SESSION, SessionState.OPEN, 1763760000), b'"OPEN", "expiresAt": 1763760000}'),
        (SessionView(SESSION, SessionState.EVALUATING, 0), b'"EVALUATING", "expiresAt": 0}'),
        (SessionView(SESSION, SessionState.RECORDED, 5), b'"RECORDED", "expiresAt": 5}'),
        (SessionView(SESSION, SessionState.FAILED, 5), b'"FAILED", "expiresAt": 5}'),
        (
            SessionView(SESSION, SessionState.DECIDED, 1763760000, "NO_MATCH", RECORD, RECEIPT),
            b'"DECIDED", "expiresAt": 1763760000, "outcome": "NO_MATCH", '
            b'"recordId": "101112131415161718191a1b1c1d1e1f", "receipt": "-__-AA"}',
        ),
    ],
    ids=lambda value: value.state.value if isinstance(value, SessionView) else "",
)
def test_the_json_of_a_session_has_these_bytes(view: SessionView, expected: bytes) -> None:
    assert json_response(session_answer(view).body()).body == HEAD + expected


def test_the_json_of_health_has_these_bytes(site: Site) -> None:
    assert ask(site.app, "GET", "/health").content == b'{"status": "ok"}'
