"""What the operator states about what nobody can see from outside: a TOML file.

    stated_on = 2026-11-20

    [peppers]                   # as `sealmatch-authority keys show` prints them
    current_age_days = 40
    previous_age_days = 200     # left out: there is none

    [backups]
    copies = 7
    oldest_age_days = 28
    removed_after_days = 30

    [staff]
    accounts = 4                # that can read a database, a data directory or a backup
    reviewed_days_ago = 20

Lines that follow from it rest on the operator's word, and say so. It names nobody.
"""

import datetime
import tomllib
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.inspection.evidence import Evidence, Exhibit, NoAccess
from gateway.inspection.exhibits import schedules
from gateway.wire.errors import MalformedMessage, SealmatchError

MAX_BYTES: Final = 16 * 1024

Days = Annotated[int, Field(ge=0, le=100_000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Peppers(_Part):
    current_age_days: Days
    previous_age_days: Days | None = None


class Backups(_Part):
    copies: Annotated[int, Field(ge=0)]
    oldest_age_days: Days
    removed_after_days: Days


class Staff(_Part):
    accounts: Annotated[int, Field(ge=0)]
    reviewed_days_ago: Days


class Word(_Part):
    """The operator's statement. A part that is missing was not stated."""

    stated_on: datetime.date
    peppers: Peppers | None = None
    backups: Backups | None = None
    staff: Staff | None = None


def parse(content: bytes) -> Word:
    """Read a statement. Raises ``MalformedMessage``, which names the fields and no value."""
    try:
        if len(content) > MAX_BYTES:
            raise ValueError
        return Word.model_validate(tomllib.loads(content.decode()))
    except ValidationError as error:
        named = ", ".join(sorted({".".join(map(str, one["loc"])) for one in error.errors()}))
        raise MalformedMessage(f"the operator's statement: {named}") from None
    except (ValueError, RecursionError):
        raise MalformedMessage("the operator's statement is not TOML in UTF-8") from None


def _collect(evidence: Evidence) -> bytes:
    if evidence.word_given is None:
        raise NoAccess("not given: the operator's statement (--word)")
    parse(evidence.word_given)
    return evidence.word_given


WORD: Final = Exhibit("word.toml", _collect, "what the operator stated")


def word(evidence: Evidence) -> Word:
    """The operator's statement. Raises ``NoAccess``, ``MalformedMessage``."""
    return parse(evidence.read(WORD))


def days_in_schedule(evidence: Evidence, kind: str) -> int | None:
    """For how long the schedule in force lets this kind of thing be kept; None: it does not say."""
    try:
        adopted = schedules(evidence)
        if not adopted:
            return None
        said: Any = tomllib.loads(adopted[-1]["content"].decode()).get(kind, {})
        days = said.get("days")
    except (SealmatchError, ValueError, AttributeError):
        return None
    return days if type(days) is int else None
