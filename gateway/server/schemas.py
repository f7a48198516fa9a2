"""JSON schemas of the messages in CBOR, for the gateway's OpenAPI document.

The schemas come from the message types, and their descriptions from the types' own docstrings, so a
field is described once. A CBOR byte string becomes a string of format ``binary``, whose lengths
count bytes. A map becomes an object. A byte string that holds an encoded message names the schema
of that message.

CAMARA asks for more than Pydantic writes: every string and array has an upper bound, every integer
a format with its range, every property a description.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.wire.erasure import Erasure, ErasureProof, Withdrawal
from gateway.wire.fallback import FallbackApproval, FallbackAssertion, FallbackRequest
from gateway.wire.liveness import Challenge, LivenessTranscript
from gateway.wire.message import Message
from gateway.wire.policy import MatchPolicy
from gateway.wire.rights import (
    SignedSubjectRequest,
    SubjectAnswer,
    SubjectRequest,
    WithdrawalProof,
)
from gateway.wire.session import SessionGrant, SessionOffer, SessionRequest
from gateway.wire.submission import Submission, SubmissionAssertion, TemplateAssertion

Schema = dict[str, Any]

COMPONENTS: Final = "#/components/schemas/"

BODIES: Final[tuple[type[Message], ...]] = (
    SessionRequest,
    SessionOffer,
    Submission,
    FallbackRequest,
    SignedSubjectRequest,
    SubjectAnswer,
    ErasureProof,
)

_ENCODED: Final[dict[tuple[type[Message], str], type[Message]]] = {
    (SessionOffer, "policy"): MatchPolicy,
    (SessionOffer, "challenge"): Challenge,
    (Submission, "livenessEvidence"): LivenessTranscript,
}
"""Fields whose byte string is an encoded message."""

_SIGNED: Final[dict[tuple[type[Message], str], type[Message]]] = {
    (SessionOffer, "grant"): SessionGrant,
    (Submission, "templateAssertion"): TemplateAssertion,
    (Submission, "submissionAssertion"): SubmissionAssertion,
    (FallbackRequest, "assertion"): FallbackAssertion,
    (FallbackRequest, "approval"): FallbackApproval,
    (SignedSubjectRequest, "request"): SubjectRequest,
    (ErasureProof, "erasure"): Erasure,
    (WithdrawalProof, "withdrawal"): Withdrawal,
}
"""Fields whose byte string is a COSE_Sign1 over an encoded message."""

_COSE: Final = 'application/cose; cose-type="cose-sign1"'
_INT32: Final = 2**31


def reference(model: type[BaseModel]) -> Schema:
    """A schema that refers to the model's."""
    return {"$ref": COMPONENTS + model.__name__}


def message_schemas() -> dict[str, Schema]:
    """Schemas of all messages in the gateway's bodies, and of the messages within them."""
    messages = (*BODIES, *_ENCODED.values(), *_SIGNED.values())
    _, found = models_json_schema(
        [(message, "serialization") for message in messages],
        by_alias=True,
        ref_template=COMPONENTS + "{model}",
    )
    schemas: dict[str, Schema] = found["$defs"]
    for message in _all_of(messages):
        _describe(schemas[message.__name__], message)
    for (outer, name), inner in (*_ENCODED.items(), *_SIGNED.items()):
        field = _bytes_of(schemas[outer.__name__]["properties"][name])
        if (outer, name) in _SIGNED:
            field |= {"contentMediaType": _COSE, "x-cose-payload": reference(inner)}
        else:
            field |= {"contentMediaType": "application/cbor", "contentSchema": reference(inner)}
    return {name: camara(schema) for name, schema in schemas.items()}


def camara(schema: Any) -> Any:
    """The schema with the bounds and formats that CAMARA asks for, and without titles."""
    if isinstance(schema, list):
        return [camara(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made: Schema = {
        # Below "properties" a key is a field's name, which may be "title" as well.
        key: {name: camara(one) for name, one in value.items()}
        if key == "properties"
        else camara(value)
        for key, value in schema.items()
        if key not in ("title", "default")
    }
    if made.get("type") == "integer":
        if "exclusiveMaximum" in made:
            made["maximum"] = made.pop("exclusiveMaximum") - 1
        made |= {bound: int(made[bound]) for bound in ("minimum", "maximum")}  # FastAPI has floats
        made["format"] = "int32" if made["maximum"] < _INT32 else "int64"
    return made


def _describe(schema: Schema, message: type[Message]) -> None:
    schema["description"] = _plain(inspect.getdoc(message) or "")
    schema["required"] = list(schema["properties"])  # also fields with a default in our code
    told = _docstrings(message)
    for name, field in message.model_fields.items():
        text = field.description or told.get(name)
        if text is not None:
            schema["properties"][field.alias]["description"] = _plain(text)


def _docstrings(message: type[BaseModel]) -> dict[str, str]:
    """The strings below the fields of a message and of its base classes."""
    told: dict[str, str] = {}
    for base in reversed(message.__mro__):
        if not (issubclass(base, Message) and base is not Message):
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        if not isinstance(definition, ast.ClassDef):
            continue
        for one, following in zip(definition.body, definition.body[1:], strict=False):
            match one, following:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    told[name] = text
    return told


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("``", "`")).strip()


def _bytes_of(field: Schema) -> Schema:
    """The byte string in a field that may also be null."""
    found: Schema
    (found,) = (one for one in field.get("anyOf", [field]) if one.get("type") == "string")
    return found


def _all_of(messages: tuple[type[Message], ...]) -> Iterator[type[Message]]:
    """The messages, and the messages that occur in their fields."""
    seen: set[type[Message]] = set()
    waiting: list[Any] = list(messages)
    while waiting:
        one = waiting.pop()
        if isinstance(one, type) and issubclass(one, Message):
            if one in seen:
                continue
            seen.add(one)
            yield one
            waiting += [field.annotation for field in one.model_fields.values()]
        else:
            waiting += getattr(one, "__args__", ())
