"""What a subject may ask a gateway for: a copy of what is kept, erasure, withdrawal of consent.

The subscriber asks at any counter, which makes the request in its own name. What shows that the
subscriber is there is the *secret* of the opening (``gateway.wire.erasure``). The opening itself
stays at the counter. The gateway learns from the secret that the sender holds the opening of this
one record, and nothing else.

The secret of a record authorises its erasure and the withdrawal of its consent. If that record is a
live match, its holder has shown the face of the document's holder. Then, and only then, a copy
covers all records of the document at this gateway, and tells how many live lines it has.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from gateway.wire.erasure import ErasureProof, ErasureSecret
from gateway.wire.ids import DigestField, PartyId, RecordIdField, UnixTime
from gateway.wire.message import SMALL, Message, SignedBytes

Wish = Literal["copy", "erase", "withdraw"]
MOST_RECORDS: Final = 500
"""Records in one copy."""
MOST_ROWS: Final = 5 * MOST_RECORDS
_COPY_BYTES: Final = (MOST_RECORDS + 1) * SMALL

ColumnName = Annotated[str, Field(pattern=r"^[a-z][a-z_]*$", max_length=63)]
KeptTable = Literal["records", "consents", "holds", "withdrawals", "sessions"]
Value = (
    Annotated[bytes, Field(max_length=SMALL)]
    | Annotated[str, Field(max_length=63)]
    | Annotated[int, Field(ge=0, lt=2**53)]
    | None
)


class SubjectRequest(Message):
    """Signed by the device of a counter, in the name of the subscriber who is there."""

    gateway: PartyId
    """Who keeps the record."""
    device: PartyId
    """Who signs."""
    record_id: RecordIdField
    """Of the receipt."""
    wish: Wish
    """What the subscriber wants."""
    secret: ErasureSecret
    """What only the holder of the subscriber's opening can show."""
    requested_at: UnixTime
    """When it was signed."""


class SignedSubjectRequest(Message):
    """Device to gateway: the request, signed so that its digest can stand for it."""

    request: SignedBytes
    """What the device signed."""


class KeptColumn(Message):
    """One column of a row."""

    name: ColumnName
    """As in the data map."""
    value: Value = Field(repr=False)
    """What stands there: bytes, a text, a number, or nothing."""


class KeptRow(Message):
    """One row that is kept."""

    table: KeptTable
    """As in the data map."""
    columns: Annotated[tuple[KeptColumn, ...], Field(min_length=1, max_length=32, strict=False)]
    """Every column of it."""


class SubjectCopy(Message):
    """What a gateway keeps of a subject, at one moment."""

    max_bytes = _COPY_BYTES

    gateway: PartyId
    """Who keeps it."""
    copy_id: RecordIdField
    """128 random bits: under them the operators' history notes that a copy was handed out."""
    request_digest: DigestField
    """SHA-256 of the signed request. The history has it beside the copy's id."""
    made_at: UnixTime
    """When."""
    scope: Literal["document", "record"]
    """`document`: all records of the document at this gateway in this period. `record`: the one."""
    rows: Annotated[tuple[KeptRow, ...], Field(min_length=1, max_length=MOST_ROWS, strict=False)]
    """The rows, record by record."""
    live_lines: Annotated[int, Field(ge=0, lt=2**31)] | None
    """How many live activations the document has. Null: it is not told on this record."""
    left_out: Annotated[int, Field(ge=0, lt=2**31)]
    """How many records did not fit in; the gateway's operator has them."""

    @model_validator(mode="after")
    def _of_the_document(self) -> Self:
        if (self.scope == "document") != (self.live_lines is not None):
            raise ValueError("lines are told of a document")
        return self


class HeldUntil(Message):
    """The law forbids to erase a record for now."""

    reason: Annotated[str, Field(pattern=r"^[a-z][a-z-]*$", max_length=40)]
    """A code."""
    until: UnixTime
    """When it ends, unless it is extended."""


class WithdrawalProof(Message):
    """What a subscriber keeps of a withdrawal."""

    max_bytes = 4 * SMALL

    withdrawal: SignedBytes
    """A signed Withdrawal."""
    log_proof: Annotated[bytes, Field(max_length=2 * SMALL)] | None = Field(repr=False)
    """A C2SP `tlog-proof` of it; null until the log has published it."""


class SubjectAnswer(Message):
    """Gateway to device: what was done."""

    max_bytes = _COPY_BYTES + 4 * SMALL + ErasureProof.max_bytes

    wish: Wish
    """As in the request."""
    kept: SubjectCopy | None = Field(repr=False)
    """The copy, if one was asked for."""
    withdrawal: WithdrawalProof | None
    """That consent was withdrawn, if that was asked for."""
    erasure: ErasureProof | None
    """That the record was erased."""
    held: HeldUntil | None
    """Why it was not, though it was to be."""

    @model_validator(mode="after")
    def _as_wished(self) -> Self:
        copied, withdrawn = self.kept is not None, self.withdrawal is not None
        ended = (self.erasure is not None) + (self.held is not None)
        expected = {"copy": (True, False, 0), "erase": (False, False, 1)}
        if (copied, withdrawn, ended) != expected.get(self.wish, (False, True, 1)):
            raise ValueError("not an answer to this wish")
        return self
