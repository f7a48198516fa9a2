"""A demanded evaluation in, a signed report out. Nothing of it is kept.

Nobody gets work from the auditor without an authority's signature. Each demand is repeated a few
times at most, for requests whose answer was lost. The digest of a demand is forgotten when the
demand expires. The same request gives the same report, byte for byte: the report has no time and no
randomness of the auditor's.
"""

import threading
from collections.abc import Callable
from typing import Final

from gateway.auditor.verification import Auditing, check_demand, check_evaluation
from gateway.host import crash
from gateway.host.metrics import stage
from gateway.wire import cose
from gateway.wire.audit import AuditReport, AuditRequest, AuditResponse
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import Refused, Unavailable
from gateway.wire.freshness import CLOCK_SKEW
from gateway.wire.ids import Digest

ATTEMPTS: Final = 6
"""Repetitions of one demand: a gateway asks three times at most."""

MAX_DEMANDS: Final = 10_000
"""Demands remembered at a time; more within their lifetime are turned away."""


class DemandMemory:
    """How often each demand that has not expired was repeated. Thread-safe; bounded."""

    def __init__(self, limit: int = MAX_DEMANDS) -> None:
        self._limit = limit
        self._seen: dict[Digest, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def use(self, demand: Digest, expires_at: int, now: int) -> None:
        """Count one repetition.

        Args:
            expires_at: when the demand may be forgotten.

        Raises:
            Refused: it was repeated often enough.
            Unavailable: too many demands at a time.
        """
        with self._lock:
            self._seen = {k: v for k, v in self._seen.items() if v[0] > now}
            _, times = self._seen.get(demand, (0, 0))
            if times >= ATTEMPTS:
                raise Refused("the demand was answered often enough")
            if demand not in self._seen and len(self._seen) >= self._limit:
                raise Unavailable("too many audits; try again later")
            self._seen[demand] = (expires_at, times + 1)


class AuditorService:
    """The auditor without its transport."""

    def __init__(
        self,
        key: SigningKey,
        auditing: Auditing,
        clock: Callable[[], int],
        demands: DemandMemory | None = None,
    ) -> None:
        self._key = key
        self._auditing = auditing
        self._clock = clock
        self._demands = demands or DemandMemory()

    @stage("evaluation-repeated")
    def audit(self, request: AuditRequest, sender: VerifyKey) -> bytes:
        """Repeat a demanded evaluation and countersign it.

        Returns:
            An encoded ``AuditResponse``. There is none for an evaluation that differs.

        Raises:
            MalformedMessage: something is not a valid encoding.
            Refused: not what was demanded; the detail says in which value. Or the demand was
                repeated often enough.
            Unavailable: too many audits at a time, or the repetition did not finish.
        """
        now = self._clock()
        demand = check_demand(request, sender, self._auditing.parties, now)
        self._demands.use(demand.digest, demand.message.expires_at + CLOCK_SKEW, now)
        crash.reach("auditor-demand-counted")
        check_evaluation(request, demand, self._auditing)
        crash.reach("auditor-evaluation-repeated")
        report = AuditReport(
            auditor=self._key.party,
            demand_digest=demand.digest,
            evaluated_digest=demand.message.evaluated.digest,
            assertions_verified=self._auditing.verify_assertions,
        )
        signed = cose.sign(report, self._key)
        crash.reach("auditor-report-signed")
        return AuditResponse(report=signed.encoded).encode()
