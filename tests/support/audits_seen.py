"""What passes between gateway and authority about audits, seen by the proxy between them.

``AuditsSeen`` is the proxy's behaviour. Afterwards ``check`` holds it against the records and the
authority's ledger: however often either side was killed and asked again,

- shares got one answer: a coin that fell was not tossed again;
- a record whose audit was demanded carries the report, a record of which none was carries none;
- a demand whose report was never sent is still on file, none is on file twice, and none whose
  decision is on record is.
"""

import contextlib
import sqlite3
import threading
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.wire import cose
from gateway.wire.audit import AuditDemand, AuditReport, AuditResult
from gateway.wire.cose import Signed
from gateway.wire.evaluation import DecisionResponse, SharesRequest
from gateway.wire.proof import Statement
from tests.support.processes import PATIENCE
from tests.support.samples import AUDITS, SHARES


class AuditsSeen:
    """Demands and reports, by session. Thread-safe."""

    def __init__(self) -> None:
        self.demanded: dict[bytes, Signed[AuditDemand]] = {}
        self._answers: dict[bytes, bytes] = {}
        self._reported: set[bytes] = set()
        self._second: list[bytes] = []
        self._lock = threading.Lock()

    def __call__(
        self, path: str, body: bytes, ask: Callable[[], tuple[int, bytes]]
    ) -> tuple[int, bytes]:
        if path == AUDITS:
            with self._lock:
                self._reported.add(AuditResult.decode(body).session)
        status, answer = ask()
        if path == SHARES and status == 200:
            with self._lock:
                self._note(SharesRequest.decode(body).session, answer)
        return status, answer

    def _note(self, session: bytes, answer: bytes) -> None:
        if self._answers.setdefault(session, answer) != answer:
            self._second.append(session)
        demand = DecisionResponse.decode(answer).demand
        if demand is not None:
            self.demanded[session] = Signed(cose.peek(demand, AuditDemand), demand)

    def check(self, statements: Sequence[bytes], ledger: Path, unseen: int) -> dict[str, int]:
        """Hold everything against everything, and count.

        Args:
            statements: of all records.
            ledger: the authority's file of demands without a report.
            unseen: demands that were noted and may have left for nobody: the authority died.
        """
        assert not self._second, "shares got two answers"
        stated = [cose.peek(one, Statement) for one in statements]
        recorded = {one.session for one in stated}
        assert len(recorded) == len(stated), "a session was decided twice"
        audited = [one for one in stated if self._audited(one)]
        with contextlib.closing(sqlite3.connect(ledger, timeout=PATIENCE)) as database:
            kept = Tally(due for (due,) in database.execute("SELECT due FROM demands"))
        silent = self.demanded.keys() - self._reported
        assert self._due(silent) <= kept, "a demand went without its report"
        undecided = self._due(self.demanded.keys() - recorded)
        assert (kept - undecided).total() <= unseen, "a demand counts twice, or after its report"
        return {
            "audited": len(audited),
            "demands": len(self.demanded),
            "unanswered demands": kept.total(),
        }

    def _audited(self, statement: Statement) -> bool:
        """Whether a record was audited: if and only if that was demanded."""
        demand = self.demanded.get(statement.session)
        assert (statement.audit is None) == (demand is None), "a decision without its audit"
        if demand is None or statement.audit is None:
            return False
        report = cose.peek(statement.audit, AuditReport)
        assert report.demand_digest == demand.digest
        assert report.evaluated_digest == demand.message.evaluated.digest
        return True

    def _due(self, sessions: "set[bytes]") -> Tally[int]:
        return Tally(self.demanded[one].message.expires_at for one in sessions)
