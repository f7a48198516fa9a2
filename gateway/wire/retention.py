"""What a run of the reaper did, as the gateway signs it (protocol, sections 10 and 12).

A report is about numbers and names nobody. Its digest stands in the operators' history (``reap``),
and so in the log.
"""

from typing import Annotated, Final, Literal, get_args

from pydantic import Field

from gateway.wire.ids import DigestField, PartyId, UnixTime
from gateway.wire.message import Message

RunKind = Literal["holds", "orders", "records", "fallbacks", "withdrawals", "runs", "counters"]
"""What a run looks at, in this order: a hold that ended holds nothing any more. Consents go with
their records, sessions when their minutes are over."""
RUN_KINDS: Final[tuple[RunKind, ...]] = get_args(RunKind)

Rows = Annotated[int, Field(ge=0, lt=2**48)]


class RunLine(Message):
    """One kind of row in one run."""

    kind: RunKind
    removed: Rows
    """Rows that this run removed."""
    removed_in_all: Rows
    """Rows that all runs so far removed."""
    held: Rows
    """Rows that are due and that a legal hold keeps."""
    overdue: Rows
    """Rows that are due, not held, and were left: the guard stopped the run."""
    kept: Rows
    """Rows that stay, held and overdue ones among them."""
    oldest: UnixTime | None
    """When the oldest row that stays is due, or was; null if there is none."""


class RetentionRun(Message):
    """Signed by the gateway."""

    gateway: PartyId
    number: Annotated[int, Field(ge=1, lt=2**31)]
    schedule_digest: DigestField
    """SHA-256 of the schedule in force."""
    began_at: UnixTime
    ended_at: UnixTime
    guard: Literal["kept", "broken", "lifted"]
    """``broken``: more was due than a run may remove, and it removed nothing of that kind.
    ``lifted``: an operator allowed it."""
    lines: Annotated[
        tuple[RunLine, ...],
        Field(min_length=len(RUN_KINDS), max_length=len(RUN_KINDS), strict=False),
    ]
    """One for each kind, in this order."""
