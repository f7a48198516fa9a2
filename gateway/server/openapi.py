"""The gateway's OpenAPI document, for a carrier's developers, in the form of CAMARA's guide.

An ``Operation`` says what a route takes and answers. The route is registered with it, so FastAPI
and this document agree. Models give the schemas, and the one table of errors gives statuses and
codes. Nothing here depends on a deployment: no name, no key, no address.

CAMARA's guide ("CAMARA API Design Guide") is written for JSON behind OpenID Connect. Where the
protocol needs something else, the document says so (``_DESCRIPTION``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from gateway.host.application import HealthAnswer
from gateway.host.http import CBOR, CORRELATOR, JSON
from gateway.server.answers import (
    FallbackPublished,
    FallbackRecorded,
    SessionDecided,
    SessionPending,
    SessionStatus,
)
from gateway.server.schemas import camara, message_schemas, reference
from gateway.wire import errors
from gateway.wire.erasure import ErasureProof
from gateway.wire.errors import INTERNAL, METHOD_NOT_ALLOWED, SealmatchError
from gateway.wire.fallback import FallbackRequest
from gateway.wire.message import Message
from gateway.wire.rights import SignedSubjectRequest, SubjectAnswer
from gateway.wire.session import SessionOffer, SessionRequest
from gateway.wire.submission import Submission

BASE: Final = "/face-verification/v0.1"
VERSION: Final = "0.1.0"

_API_ROOT: Final = {
    "apiRoot": {
        "default": "http://localhost:8470",
        "description": "Where the gateway is reached, as in the `Host` of a signed request.",
    }
}

_DESCRIPTION: Final = """\
Compares a live face with the portrait of an identity document, one to one and encrypted: no server
sees a face. A client opens a session, submits what issuer and device have encrypted and signed, and
gets an outcome with a receipt that anybody can verify.

# Bodies
Requests, and the offer of a session, are deterministic CBOR (RFC 8949, section 4.2) of the content
type `application/cbor`. The schemas are those of the CBOR data model: an object is a map with text
keys, a string of format `binary` is a byte string whose lengths count bytes. No key may be left out
or added, and each message has exactly one valid encoding; anything else is `400 INVALID_ARGUMENT`.
`contentSchema` is the message encoded within a byte string, `x-cose-payload` the message that a
COSE_Sign1 (RFC 9052) in it carries. Outcomes and errors are JSON.

# Authentication
Every request but `getHealth` is signed by an enrolled device (RFC 9421, HTTP message signatures),
with one signature: label and tag `sealmatch`, algorithm `ed25519`, components `@method`,
`@authority`, `@path` and `content-digest`, parameters `created`, `nonce` (32 random bytes in
hexadecimal), `keyid` (SHA-256 of the raw public key, in hexadecimal) and `tag`. `Content-Digest`
(RFC 9530) is the body's SHA-256, also where there is no body. `created` differs from the server's
time by 60 seconds at most, and a nonce counts once.

# Errors
The codes of each response are all there are. Every fault of trust, cap, freshness or replay is the
same `403 PERMISSION_DENIED`, with the same bytes and at the same time: why, only the operator's log
says. An `x-correlator` of another form than documented is replaced by a new one.

# Where this differs from CAMARA's guide
- Requests are signed by devices. There is no access token, so neither `openId` nor
  `401 UNAUTHENTICATED`: a request without a valid signature is refused like any other (403).
- Bodies that carry ciphertexts or signed objects are CBOR.
- `409` has the code `CONFLICT`; `413 PAYLOAD_TOO_LARGE` is not in CAMARA's list.
- `expiresAt` is a number of seconds, as in what the authority signs.
- OpenAPI 3.1 instead of 3.0.3: its schemas can say what a byte string contains.
"""

_WHEN: Final[Mapping[str, str]] = {
    "INVALID_ARGUMENT": "Not the one valid encoding of the message, or of what is in it.",
    "FACE_VERIFICATION.UNKNOWN_PROFILE": "An encryption profile that this gateway does not speak.",
    "PERMISSION_DENIED": "A fault of trust, cap, freshness or replay; always the same bytes.",
    "NOT_FOUND": "No such session, expired, or another device's; no such erasure.",
    "METHOD_NOT_ALLOWED": "The path does not take this method.",
    "CONFLICT": "The session has taken another submission, or is evaluating one.",
    "PAYLOAD_TOO_LARGE": "More bytes than the message can have; the rest is not read.",
    "UNSUPPORTED_MEDIA_TYPE": "The body is not of the content type `application/cbor`.",
    "FACE_VERIFICATION.LIVENESS_NOT_POSSIBLE": "So many kinds of action were excluded that fewer "
    "than three are left, and this gateway does not go on without a liveness check.",
    "INTERNAL": "A fault of the server's own; nothing was stored.",
    "UNAVAILABLE": "Authority or storage do not answer, there is no room on the disk, the "
    "session's key is gone, the server has just started, or there are too many sessions. Try again "
    "later; after a submission ask for the session's state first.",
}

_CORRELATOR_SCHEMA: Final = {
    "type": "string",
    "pattern": r"^[a-zA-Z0-9\-_:;.\/<>{}]{0,256}$",
    "maxLength": 256,
    "description": "Joins a request, its answer and the operator's log. A UUID is best: of others "
    "the log keeps nothing.",
    "examples": ["b4333c46-49c0-4f62-80d7-f0ef930f1c46"],
}
_ERROR_INFO: Final = {
    "type": "object",
    "description": "What went wrong.",
    "required": ["status", "code", "message"],
    "additionalProperties": False,
    "properties": {
        "status": {
            "type": "integer",
            "format": "int32",
            "minimum": 400,
            "maximum": 599,
            "description": "The answer's HTTP status.",
        },
        "code": {
            "type": "string",
            "maxLength": 96,
            "pattern": r"^[A-Z0-9_]+(\.[A-Z0-9_]+)?$",
            "description": "The kind of fault.",
        },
        "message": {
            "type": "string",
            "maxLength": 512,
            "description": "For people. It repeats nothing of the request.",
        },
    },
}
_SECURITY: Final = {
    "signatureInput": {
        "type": "apiKey",
        "in": "header",
        "name": "Signature-Input",
        "description": "RFC 9421: what the device's signature covers. See Authentication.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Signature",
        "description": "RFC 9421: the device's signature. Both headers are needed.",
    },
}
_CORRELATED: Final = {CORRELATOR: {"$ref": "#/components/headers/x-correlator"}}
_SIGNED_HEADERS: Final = [{"$ref": "#/components/parameters/contentDigest"}]


@dataclass(frozen=True)
class Operation:
    """What one route takes and answers."""

    name: str
    tag: str
    summary: str
    description: str
    answers: Mapping[int, tuple[str, Any]]
    """Status -> description and model. A ``Message`` is sent as CBOR, any other model as JSON."""
    errors: tuple[type[SealmatchError], ...] = ()
    body: type[Message] | None = None
    signed: bool = True

    @property
    def route(self) -> dict[str, Any]:
        """The arguments with which FastAPI registers the route."""
        return {
            "operation_id": self.name,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description,
            "response_class": Response,
            "response_model": None,
            "responses": {status: _answer(*told) for status, told in self.answers.items()},
            "openapi_extra": self._extra(),
        }

    @property
    def problems(self) -> dict[int, list[str]]:
        """Error codes by HTTP status, from the one table of errors."""
        found = {problem.status: [problem.code] for problem in (METHOD_NOT_ALLOWED, INTERNAL)}
        for kind in self.errors:
            status, code = errors.answered_as(kind)
            found.setdefault(status, []).append(code)
        return found

    def _extra(self) -> dict[str, Any]:
        correlator = {"$ref": "#/components/parameters/x-correlator"}
        extra: dict[str, Any] = {
            "parameters": [correlator, *(_SIGNED_HEADERS if self.signed else [])],
            "security": [{key: [] for key in _SECURITY}] if self.signed else [],
            "responses": {
                str(status): {"$ref": f"#/components/responses/{_problem_name(status, codes)}"}
                for status, codes in self.problems.items()
            },
        }
        if self.body is not None:
            extra["requestBody"] = {
                "description": f"An encoded `{self.body.__name__}` of at most "
                f"{self.body.max_bytes} bytes.",
                "required": True,
                "content": {CBOR: {"schema": reference(self.body)}},
            }
        return extra


CREATE_SESSION: Final = Operation(
    "createSession",
    "Sessions",
    "Open a session",
    "The key authority makes a key for this session alone. A session takes one submission and "
    "expires with its key, by default after 300 seconds.",
    {200: ("Grant, half of the key, match policy and liveness challenge.", SessionOffer)},
    (
        errors.MalformedMessage,
        errors.UnknownProfile,
        errors.Refused,
        errors.BodyTooLarge,
        errors.UnsupportedMedia,
        errors.LivenessNotPossible,
        errors.Unavailable,
    ),
    SessionRequest,
)
SUBMIT: Final = Operation(
    "submitToSession",
    "Sessions",
    "Submit a template and a live face, both encrypted",
    "They are compared under encryption. Repeating the identical body gives the identical answer.",
    {
        200: ("There is a decision, and its receipt.", SessionDecided),
        202: ("There is a decision; the log has not published its entry yet.", SessionPending),
    },
    (
        errors.MalformedMessage,
        errors.Refused,
        errors.SessionNotFound,
        errors.SessionConflict,
        errors.BodyTooLarge,
        errors.UnsupportedMedia,
        errors.Unavailable,
    ),
    Submission,
)
GET_SESSION: Final = Operation(
    "getSession",
    "Sessions",
    "Ask for a session's state",
    "With outcome and receipt once there is a decision whose entry the log has published.",
    {200: ("The session's state.", SessionStatus)},
    (errors.Refused, errors.SessionNotFound, errors.Unavailable),
)
RECORD_FALLBACK: Final = Operation(
    "recordFallback",
    "Fallbacks",
    "Record a registration without a face",
    "An agent asserts that the person was identified by other means, and a supervisor, who is "
    "another person with another key, approves this assertion. No face is compared: the outcome is "
    "never `MATCH`. The same assertion again gets the same record, so a request whose answer was "
    "lost, or whose receipt was late, is sent again.",
    {
        200: ("It is recorded, and this is its receipt.", FallbackPublished),
        202: ("It is recorded; the log has not published its entry yet.", FallbackRecorded),
    },
    (
        errors.MalformedMessage,
        errors.Refused,
        errors.BodyTooLarge,
        errors.UnsupportedMedia,
        errors.Unavailable,
    ),
    FallbackRequest,
)
SUBJECT_REQUEST: Final = Operation(
    "answerSubject",
    "Subjects",
    "Copy, erase or withdraw, at the subscriber's request",
    "The subscriber's opening authorises it, by a secret that follows from the opening and says "
    "nothing else. There is one refusal: for a record that is unknown, erased or expired, for "
    "one whose receipt does not exist yet, and for a wrong secret. If the answer to an erasure is "
    "lost, ask for its proof.",
    {200: ("What was done, with its proofs; or until when the law keeps it.", SubjectAnswer)},
    (
        errors.MalformedMessage,
        errors.Refused,
        errors.BodyTooLarge,
        errors.UnsupportedMedia,
        errors.Unavailable,
    ),
    SignedSubjectRequest,
)
GET_ERASURE: Final = Operation(
    "getErasure",
    "Subjects",
    "Ask for the proof that a record was erased",
    "Only who holds the receipt can say the tombstone. Expired and erased records have left the "
    "same object. Devices sign this request, and readers of the log.",
    {200: ("The signed erasure, with the log's proof once it is published.", ErasureProof)},
    (errors.Refused, errors.SessionNotFound, errors.Unavailable),
)
GET_HEALTH: Final = Operation(
    "getHealth",
    "Health",
    "Ask whether the gateway's own part works",
    "For a load balancer: its storage takes a write, there is room on its disk, its log goes on, a "
    "worker lives. Why not, only the operator's log says. The answer is some seconds old at most. "
    "It says nothing of the authority.",
    {200: ("It does.", HealthAnswer)},
    (errors.Unavailable,),
    signed=False,
)
GET_LIVE: Final = Operation(
    "getLive",
    "Health",
    "Ask whether the process answers",
    "For whoever ends processes that hang. Nothing is looked at.",
    {200: ("It does.", HealthAnswer)},
    (),
    signed=False,
)
GET_READY: Final = Operation(
    "getReady",
    "Health",
    "Ask whether anybody can be verified now",
    "For an alarm: the gateway's own part works, and so do the authority, the auditor where audits "
    "are demanded, and enough witnesses. Do not route by it: all gateways share an authority, and "
    "can still be asked for outcomes.",
    {200: ("It can.", HealthAnswer)},
    (errors.Unavailable,),
    signed=False,
)
OPERATIONS: Final = (
    CREATE_SESSION,
    SUBMIT,
    GET_SESSION,
    RECORD_FALLBACK,
    SUBJECT_REQUEST,
    GET_ERASURE,
    GET_HEALTH,
    GET_LIVE,
    GET_READY,
)


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an application's routes."""
    made = get_openapi(
        title="Face Verification",
        version=VERSION,
        description=_DESCRIPTION,
        routes=app.routes,
        license_info={
            "name": "Apache 2.0",
            "url": "https://www.apache.org/licenses/LICENSE-2.0.html",
        },
        tags=[
            {"name": "Sessions", "description": "One verification each."},
            {"name": "Fallbacks", "description": "Registrations without a face."},
            {"name": "Subjects", "description": "What a subscriber may have of what is kept."},
            {"name": "Health", "description": "Of the gateway."},
        ],
        external_docs={
            "description": "CAMARA API Design Guide, whose shape this API has",
            "url": "https://github.com/camaraproject/Commonalities",
        },
        servers=[{"url": "{apiRoot}" + BASE, "variables": _API_ROOT}],
    )
    made["info"]["x-camara-commonalities"] = "0.8.0-rc.2"
    made["paths"] = dict(map(_path, made["paths"].items()))
    made["components"] = _components(made["components"]["schemas"])
    return made


def _path(given: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Make a path relative to the server's URL, as CAMARA asks. Other paths name their own
    server."""
    path, item = given[0], camara(given[1])
    for operation in item.values():
        # No route lets FastAPI validate a parameter, so its own form of error never occurs.
        if "HTTPValidationError" in str(operation["responses"].get("422")):
            del operation["responses"]["422"]
        operation["responses"] = dict(sorted(operation["responses"].items()))
    if path.startswith(BASE):
        return path.removeprefix(BASE), item
    return path, {"servers": [{"url": "{apiRoot}", "variables": _API_ROOT}], **item}


def _components(answered: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: schema for name, schema in answered.items() if "ValidationError" not in name}
    return {
        "schemas": {
            "XCorrelator": _CORRELATOR_SCHEMA,
            "ErrorInfo": _ERROR_INFO,
            **camara(own),
            **message_schemas(),
        },
        "responses": {
            _problem_name(status, codes): _problem(status, codes)
            for operation in OPERATIONS
            for status, codes in operation.problems.items()
        },
        "parameters": {
            "x-correlator": {
                "name": CORRELATOR,
                "in": "header",
                "description": "Echoed in the answer.",
                "schema": {"$ref": "#/components/schemas/XCorrelator"},
            },
            "contentDigest": {
                "name": "Content-Digest",
                "in": "header",
                "required": True,
                "description": "RFC 9530: SHA-256 of the body, also of an empty one.",
                "schema": {
                    "type": "string",
                    "pattern": r"^sha-256=:[A-Za-z0-9+\/]{43}=:$",
                    "maxLength": 54,
                },
            },
        },
        "headers": {
            "x-correlator": {
                "description": "The request's, or a new one.",
                "schema": {"$ref": "#/components/schemas/XCorrelator"},
            }
        },
        "securitySchemes": _SECURITY,
    }


def _answer(description: str, model: Any) -> dict[str, Any]:
    """A response in the form that FastAPI takes."""
    told: dict[str, Any] = {"description": description, "headers": _CORRELATED}
    if isinstance(model, type) and issubclass(model, Message):
        return told | {"content": {CBOR: {"schema": reference(model)}}}
    return told | {"model": model}


def _problem_name(status: int, codes: list[str]) -> str:
    """The name of an error response, such as ``NotFound404``."""
    words = [word for code in codes for word in code.rpartition(".")[2].split("_")]
    return "".join(word.capitalize() for word in words) + str(status)


def _problem(status: int, codes: list[str]) -> dict[str, Any]:
    """An error response: CAMARA's ``ErrorInfo``, limited to this status and these codes."""
    only = {"status": {"enum": [status]}, "code": {"enum": codes}}
    schema = {"allOf": [{"$ref": "#/components/schemas/ErrorInfo"}, {"properties": only}]}
    return {
        "description": "\n".join(f"- `{code}`: {_WHEN[code]}" for code in codes),
        "headers": _CORRELATED,
        "content": {JSON: {"schema": schema}},
    }
