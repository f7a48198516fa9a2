"""Counts, at the counter, how many attempts liveness checks take. Only totals are kept.

They are in one small JSON file in the client's state directory. It names no person, session or
document. If an attempt fails and the next one begins within ``SAME_CUSTOMER_SECONDS``, both are
counted as the same customer's. A successful check reports the totals of its customer.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.wire.liveness import AttemptReason, AttemptTotals, ReasonCount

SAME_CUSTOMER_SECONDS = 600
_MAX_BYTES = 64 * 1024
_Count = Annotated[int, Field(ge=0, lt=2**53)]
_MOST = 100
_DAY = 24 * 3600


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Customer(_Part):
    """The customer who has not succeeded yet."""

    attempts: _Count = 0
    began_at: _Count = 0
    last_at: _Count = 0
    reasons: dict[AttemptReason, _Count] = Field(default_factory=dict)


class CounterTotals(_Part):
    """All customers of this counter, added up."""

    succeeded: _Count = 0
    """Customers who completed a check."""
    gave_up: _Count = 0
    """Customers who began a check and completed none."""
    attempts: _Count = 0
    seconds: _Count = 0
    """Time of those who succeeded, from the start of the first attempt to the end of the last."""
    attempts_to_success: dict[str, _Count] = Field(default_factory=dict)
    """Number of attempts, in decimal and at most 100 -> customers who needed so many."""
    reasons: dict[AttemptReason, _Count] = Field(default_factory=dict)
    present: Customer | None = None


class AttemptBook:
    """The file of totals. Concurrent registrations take turns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> CounterTotals:
        """The totals. A file that cannot be read counts as empty, because it holds only counts."""
        try:
            content = self._path.read_bytes()[: _MAX_BYTES + 1]
            return CounterTotals.model_validate_json(content)
        except (OSError, ValidationError):
            return CounterTotals()

    def begin(self, now: int) -> Customer:
        """Count an attempt that begins; return its customer."""
        with self._locked():
            counter = self.read()
            present = counter.present
            if present is not None and now - present.last_at > SAME_CUSTOMER_SECONDS:
                counter = counter.model_copy(update={"gave_up": counter.gave_up + 1})
                present = None
            present = present or Customer(began_at=now)
            present = present.model_copy(update={"attempts": present.attempts + 1, "last_at": now})
            self._write(
                counter.model_copy(update={"attempts": counter.attempts + 1, "present": present})
            )
            return present

    def failed(self, reason: AttemptReason, now: int) -> None:
        """Count an attempt that ended without success."""
        with self._locked():
            counter = self.read()
            present = counter.present or Customer(began_at=now)
            self._write(
                counter.model_copy(
                    update={
                        "reasons": _one_more(counter.reasons, reason),
                        "present": present.model_copy(
                            update={"last_at": now, "reasons": _one_more(present.reasons, reason)}
                        ),
                    }
                )
            )

    def succeeded(self, now: int) -> None:
        """Count a completed check. The next attempt is another customer's."""
        with self._locked():
            counter = self.read()
            present = counter.present
            if present is None:
                return
            needed = dict(counter.attempts_to_success)
            name = str(min(present.attempts, _MOST))
            needed[name] = needed.get(name, 0) + 1
            self._write(
                counter.model_copy(
                    update={
                        "succeeded": counter.succeeded + 1,
                        "seconds": counter.seconds + max(0, now - present.began_at),
                        "attempts_to_success": needed,
                        "present": None,
                    }
                )
            )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, counter: CounterTotals) -> None:
        temporary = self._path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(counter.model_dump(exclude_none=True), file)
        temporary.replace(self._path)


def totals(customer: Customer, now: int) -> AttemptTotals:
    """The totals to report for a customer whose present attempt succeeds."""
    return AttemptTotals(
        attempts=min(customer.attempts, _MOST),
        seconds=min(max(0, now - customer.began_at), _DAY),
        reasons=tuple(
            ReasonCount(reason=reason, count=min(count, _MOST))
            for reason, count in sorted(customer.reasons.items())
        ),
    )


def default_path(environment: dict[str, str] | None = None) -> Path:
    """``$XDG_STATE_HOME/sealmatch/attempts.json``."""
    values = dict(os.environ) if environment is None else environment
    base = values.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "sealmatch" / "attempts.json"


def _one_more(counts: dict[AttemptReason, int], reason: AttemptReason) -> dict[AttemptReason, int]:
    return {**counts, reason: counts.get(reason, 0) + 1}
