"""One pass over all records: what their statements say, added up. No statement leaves it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, get_args

import sqlalchemy as sa

from gateway.inspection.evidence import Evidence
from gateway.inspection.exhibits import table_rows
from gateway.inspection.lines import Progress
from gateway.store import schema
from gateway.store.reading import BATCH
from gateway.wire import cbor
from gateway.wire.errors import SealmatchError
from gateway.wire.submission import PortraitSource

_PARTS = 4
_PAYLOAD = 2
_SOURCES = get_args(PortraitSource)


@dataclass
class Statements:
    """What the pass gave."""

    records: int = 0
    by_outlet: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Outlet and outcome; a registration without a face has the outcome ``FALLBACK``."""
    by_reason: Counter[str] = field(default_factory=Counter)
    """Why no face was checked, of registrations without one."""
    by_portrait: Counter[str] = field(default_factory=Counter)
    """How the portrait was authenticated, of decisions."""
    audited: int = 0
    """Decisions with an auditor's report."""
    unreadable: int = 0

    @property
    def outlets(self) -> list[str]:
        return sorted({outlet for outlet, _ in self.by_outlet})

    def outcomes(self) -> Counter[str]:
        """Over all outlets."""
        total: Counter[str] = Counter()
        for (_, outcome), count in self.by_outlet.items():
            total[outcome] += count
        return total


FALLBACK = "FALLBACK"


def statements(evidence: Evidence, progress: Progress) -> Statements:
    """The totals; the pass is made once.

    Raises:
        NoAccess, Unavailable: the database was not given, or does not answer.
    """
    return evidence.remember("statements", lambda: _passed(evidence, progress))


def _passed(evidence: Evidence, progress: Progress) -> Statements:
    held, found = schema.records.c, Statements()
    for row in table_rows(evidence, sa.select(held.kind, held.outcome, held.statement)):
        found.records += 1
        if found.records % BATCH == 0:
            progress.at(found.records, what="records")
        said = stated(bytes(row.statement))
        if said is None or not isinstance(said.get("outlet"), str):
            found.unreadable += 1
            continue
        outcome = FALLBACK if row.kind == "fallback" else row.outcome
        found.by_outlet[said["outlet"], outcome] += 1
        if isinstance(reason := said.get("reason"), str):
            found.by_reason[reason] += 1
        source = said.get("portraitSource")
        if isinstance(source, str) and source in _SOURCES:
            found.by_portrait[source] += 1
        found.audited += said.get("audit") is not None
    return found


def stated(statement: bytes) -> dict[str, Any] | None:
    """A signed statement's members, or None. Whether it verifies is another line's question."""
    try:
        parts = cbor.decode(statement[1:])
        said = cbor.decode(parts[_PAYLOAD]) if len(parts) == _PARTS else None
    except (SealmatchError, TypeError, IndexError, KeyError):
        return None
    return said if isinstance(said, dict) else None
