"""The retention schedule: how long each kind of record is kept, for which purpose, on which basis.

The operator writes it as a TOML file and adopts it; the gateway keeps every schedule that was ever
in force. ``days`` counts from the minute of the decision (records, fallbacks), or from the day on
which a row came about. Rules:

1. Every kind is there, each with a purpose and a legal basis: what nobody can justify is not kept.
2. What is about a person has ``days``. Only what names nobody may be kept for the deployment's
   life.
3. Some periods are the protocol's and not a matter of choice; the file may not say otherwise.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from gateway.wire.errors import SealmatchError
from gateway.wire.ids import Digest, digest_of

MAX_BYTES: Final = 64 * 1024
_MAX_DOTS: Final = 1000
_MAX_FAULTS: Final = 5
MAX_DAYS: Final = 3650

_TEXT: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]*\S[^\x00-\x1f\x7f-\x9f]*")


class BadSchedule(SealmatchError):
    """Not a retention schedule. The text names what is wrong, by table and key."""


Line = Annotated[str, Field(min_length=1, max_length=400, pattern=_TEXT.pattern)]


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    purpose: Line
    legal_basis: Line


class Period(_Rule):
    """Kept for a number of days."""

    days: Annotated[int, Field(ge=1, le=MAX_DAYS, strict=True)]


class Life(_Rule):
    """Kept as long as the deployment, or its log: it names nobody."""

    life: Annotated[bool, Field(strict=True)]

    @model_validator(mode="after")
    def _is_said(self) -> Self:
        if not self.life:
            raise ValueError("life is true, or the kind is not kept")
        return self


class AsLongAs(_Rule):
    """Kept as long as something else, as the protocol has it: a session's minutes, a record's
    consent, a hold's own end."""


class Guard(BaseModel):
    """How much one run may remove. More than that is a mistake until an operator says otherwise:
    a wrong clock, a wrong schedule, moved expiries."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    rows: Annotated[int, Field(ge=1, le=10**9, strict=True)] = 1000
    """So many rows of a kind are always allowed ..."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.1
    """... and so large a part of its rows."""

    gap_days: Annotated[int, Field(ge=1, le=MAX_DAYS, strict=True)] = 7
    """A run so many days after the last one removes nothing: the clock is wrong, or the gateway
    stood still."""

    def allows(self, due: int, of: int) -> bool:
        """Whether a run may remove ``due`` rows of ``of``."""
        return due <= max(self.rows, int(self.share * of))


class RetentionSchedule(BaseModel):
    """A schedule, checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: Annotated[int, Field(ge=1, le=1)]
    records: Period
    """Decisions: statement, handle, commitments."""
    fallbacks: Period
    """Registrations without a face."""
    withdrawals: Period
    """That a consent was withdrawn."""
    runs: Period
    """Reports of the reaper."""
    counters: Period
    """Daily totals."""
    backups: Period
    """Copies of the database. The operator deletes them; the inspection looks for older ones."""
    sessions: AsLongAs
    consents: AsLongAs
    holds: AsLongAs
    orders: AsLongAs
    erasures: Life
    log: Life
    parties: Life
    admin_actions: Life
    consent_texts: Life
    schedules: Life
    guard: Guard = Guard()

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Read a file's content.

        Raises:
            BadSchedule: too long, not TOML, or a rule above is broken.
        """
        if len(content) > MAX_BYTES or content.count(b".") > _MAX_DOTS:
            raise BadSchedule("it is too long for a retention schedule")
        try:
            return cls.model_validate(tomllib.loads(content.decode("utf-8-sig")))
        except ValidationError as error:
            faults = sorted({_told(one) for one in error.errors()})[:_MAX_FAULTS]
            raise BadSchedule(f"no retention schedule: {'; '.join(faults)}") from None
        except (ValueError, RecursionError):
            raise BadSchedule("it is not TOML in UTF-8") from None


@dataclass(frozen=True)
class Adopted:
    """A schedule with its bytes, as they were adopted."""

    content: bytes
    number: int | None = None
    """None: the built-in one, which nobody adopted."""

    @property
    def schedule(self) -> RetentionSchedule:
        return _decoded(self.content)

    @property
    def digest(self) -> Digest:
        """SHA-256 of the bytes."""
        return digest_of(self.content)


@lru_cache(maxsize=8)
def _decoded(content: bytes) -> RetentionSchedule:
    return RetentionSchedule.decode(content)


def _told(fault: ErrorDetails) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    missing = fault["type"] == "missing"
    return f"{where or 'the file'} {'is missing' if missing else 'is wrong'}"


def draft(record_days: int) -> bytes:
    """A schedule to begin with, in TOML: purposes and legal bases are the operator's to state."""
    return _DRAFT.format(days=record_days).encode()


_DRAFT: Final = """\
# Retention schedule. Days count from the decision, or from the day on which a row came about.
# Purposes and legal bases are a beginning: state your own.
version = 1

[records]
days = {days}
purpose = "show that a face check was made before a line was activated"
legal_basis = "legal obligation to identify subscribers; consent of the person"

[fallbacks]
days = {days}
purpose = "show that a person was identified without a face check before a line was activated"
legal_basis = "legal obligation to identify subscribers"

[withdrawals]
days = 1095
purpose = "show that a withdrawal of consent was carried out"
legal_basis = "accountability"

[runs]
days = 1095
purpose = "show that records were removed on time"
legal_basis = "accountability"

[counters]
days = 1095
purpose = "operate and improve the service; report to the regulator"
legal_basis = "no personal data: daily totals"

[backups]
days = 30
purpose = "recover from the loss of a database"
legal_basis = "security of processing"

[sessions]
purpose = "carry a registration from its first message to its receipt"
legal_basis = "as the record that comes of it"

[consents]
purpose = "show that the person, or a guardian, agreed, and to which text"
legal_basis = "accountability"

[holds]
purpose = "keep a record that the law forbids to erase for now"
legal_basis = "legal obligation; legal claims"

[orders]
purpose = "let two operators act together"
legal_basis = "accountability"

[erasures]
life = true
purpose = "let a subscriber check that a record was erased"
legal_basis = "no personal data: hashes that only the receipt's holder can join"

[log]
life = true
purpose = "let anybody check that nothing was altered or dropped"
legal_basis = "no personal data: hashes of objects with 128 random bits"

[parties]
life = true
purpose = "know whose signature counts"
legal_basis = "contract with agents, outlets and operators, by pseudonym"

[admin_actions]
life = true
purpose = "show what operators did"
legal_basis = "accountability"

[consent_texts]
life = true
purpose = "show what people were told"
legal_basis = "no personal data"

[schedules]
life = true
purpose = "show for how long records were kept, and when that changed"
legal_basis = "no personal data"

# A run that would remove more than this, or that comes so long after the last one, removes nothing
# and says so.
[guard]
rows = 1000
share = 0.1
gap_days = 7
"""
