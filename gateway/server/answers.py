"""The gateway's answers in JSON: what a client learns about its session.

Only the answer about a decided session has outcome, record and receipt. So there are two models,
told apart by ``state``. Their schemas are served in ``/openapi.json``.
"""

import base64
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from gateway.server.fallback import FallbackView
from gateway.server.service import SessionView
from gateway.wire.evaluation import Outcome
from gateway.wire.proof import Receipt

_ID: Final = r"^[0-9a-f]{32}$"
_RECEIPT_CHARACTERS: Final = -(-Receipt.max_bytes * 4 // 3)
"""Characters of the longest receipt, in base64 without padding."""

SessionIdText = Annotated[str, Field(pattern=_ID, max_length=32)]


class Answer(BaseModel):
    """A JSON object with camelCase names."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        hide_input_in_errors=True,
    )

    def body(self) -> dict[str, Any]:
        """The JSON object, with its fields in the order of the model."""
        return self.model_dump(by_alias=True)


class _Session(Answer):
    session_id: SessionIdText = Field(description="The session's id, as in the grant.")


class SessionPending(_Session):
    """A session without an outcome, for now or for good."""

    state: Literal["OPEN", "EVALUATING", "RECORDED", "FAILED"] = Field(
        description="OPEN: no submission yet. EVALUATING: one is being evaluated. RECORDED: there "
        "is a decision, and its entry is not yet under a published checkpoint of the log; ask "
        "again. FAILED: the session ended without a decision; open another."
    )
    expires_at: int = Field(
        ge=0, lt=2**40, description="When the session is forgotten: seconds since 1970, UTC."
    )


class SessionDecided(_Session):
    """A session with its outcome. `NO_MATCH` is an outcome like `MATCH` and not an error."""

    state: Literal["DECIDED"] = Field(description="There is a decision, and its receipt.")
    expires_at: int = Field(
        ge=0, lt=2**40, description="When the session is forgotten: seconds since 1970, UTC."
    )
    outcome: Outcome = Field(description="The decision.")
    record_id: Annotated[str, Field(pattern=_ID, max_length=32)] = Field(
        description="The gateway's record of it."
    )
    receipt: str = Field(
        pattern=r"^[A-Za-z0-9_-]*$",
        max_length=_RECEIPT_CHARACTERS,
        description="The encoded receipt, in base64url without padding: signed statement and "
        "inclusion proof of the log, which anybody can verify.",
    )


class _Fallback(Answer):
    record_id: Annotated[str, Field(pattern=_ID, max_length=32)] = Field(
        description="The gateway's record of it."
    )


class FallbackRecorded(_Fallback):
    """A registration without a face that is recorded, and has no receipt yet."""

    state: Literal["RECORDED"] = Field(
        description="The log has not published its entry yet; send the same request again."
    )


class FallbackPublished(_Fallback):
    """A registration without a face with its receipt. It is no match: no face was compared."""

    state: Literal["PUBLISHED"] = Field(description="Its entry is in the published log.")
    outcome: Literal["FALLBACK"] = Field(description="Recorded by other means than a face.")
    receipt: str = Field(
        pattern=r"^[A-Za-z0-9_-]*$",
        max_length=_RECEIPT_CHARACTERS,
        description="The encoded receipt, in base64url without padding: the signed statement, with "
        "what agent and supervisor signed, and the log's inclusion proof.",
    )


SessionStatus = Annotated[SessionPending | SessionDecided, Field(discriminator="state")]


def session_answer(view: SessionView) -> SessionPending | SessionDecided:
    """The answer that describes a view of a session."""
    told = {
        "session_id": view.session.hex(),
        "state": view.state.value,
        "expires_at": view.expires_at,
    }
    if not (view.outcome and view.record_id and view.receipt):
        return SessionPending.model_validate(told)
    return SessionDecided.model_validate(
        told
        | {
            "outcome": view.outcome,
            "record_id": view.record_id.hex(),
            "receipt": _base64(view.receipt),
        }
    )


def fallback_answer(view: FallbackView) -> FallbackRecorded | FallbackPublished:
    """The answer about a registration without a face."""
    record = view.record_id.hex()
    if view.receipt is None:
        return FallbackRecorded(record_id=record, state="RECORDED")
    return FallbackPublished(
        record_id=record, state="PUBLISHED", outcome="FALLBACK", receipt=_base64(view.receipt)
    )


def _base64(receipt: bytes) -> str:
    return base64.urlsafe_b64encode(receipt).rstrip(b"=").decode()
