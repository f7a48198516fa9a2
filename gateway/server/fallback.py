"""Records registrations without a face: what an agent asserted and a supervisor approved.

The steps; the numbers stand beside the code. A refusal does not tell the sender which of them
failed:

1.  Assertion and approval are for this gateway, and the device that sends them is the asserted one.
2.  An assertion that was recorded already is not recorded again: its record is the answer.
3.  The asserted agent is enrolled with a key, and signed the assertion.
4.  The asserted supervisor is enrolled with a key, and signed the approval.
5.  The approval covers exactly this assertion.
6.  Agent and supervisor are two people: two names and two keys, and neither key is the device's.
7.  The approval is fresh, and the assertion is not older than a day. A supervisor may be elsewhere.

In the transaction that writes:

8.  Device, agent, supervisor and outlet are enrolled, and stay so until it ends. So in the log no
    record of a party comes after its suspension.
9.  The consent text that told the person of this way is not retired.
10. The activation has no record, of either kind.
11. This approval was not used before: it is fresh for some minutes, in which its record may have
    been erased, and the same signatures would bring it back.
12. Each of device, agent and supervisor has room in this hour.

Then the record, the log's entry and the counter are written, or nothing. No handle is stored, since
there is no session with the authority. So the limit of activations per document does not see these
records; the caps of step 12 and the counter FALLBACK stand in its place (ADR 40).
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

import sqlalchemy as sa

from gateway.host import crash
from gateway.retention.adoption import expires_at
from gateway.sequencing.publication import Publication
from gateway.store import consents, fallbacks, parties, records, totals
from gateway.store import log as stored_log
from gateway.store.database import Database
from gateway.store.fallbacks import NoRoom
from gateway.store.records import RecordRow
from gateway.wire import cose
from gateway.wire.admin import PartyKind
from gateway.wire.cose import Signed, SigningKey, VerifyKey
from gateway.wire.errors import Refused, Unavailable
from gateway.wire.fallback import (
    FallbackApproval,
    FallbackAssertion,
    FallbackRequest,
    FallbackStatement,
)
from gateway.wire.freshness import CLOCK_SKEW, is_fresh
from gateway.wire.ids import MINUTE, Digest, RecordId, digest_of, new_record_id

log = logging.getLogger("sealmatch.gateway")

ASSERTION_SECONDS: Final = 24 * 3600
"""By how much an assertion may be older than its approval."""
OUTCOME: Final = "FALLBACK"
"""How these records are counted: never as a match."""
CAPPED: Final = "FALLBACK_CAPPED"
"""Counted like an outcome: refused because a party had no room in this hour."""
NO_POLICY: Final = Digest(bytes(32))
"""Nothing was compared, so no match policy was in force."""


@dataclass(frozen=True)
class FallbackRules:
    """What the operator sets."""

    retention_days: int
    """While no retention schedule was adopted."""
    per_hour: Mapping[PartyKind, int]
    """How many one agent, supervisor or device may record in an hour."""


@dataclass(frozen=True)
class FallbackView:
    """A record as its counter may see it; without a receipt while the log has not published it."""

    record_id: RecordId
    receipt: bytes | None = field(repr=False)


@dataclass(frozen=True)
class _Checked:
    """A request after steps 3 to 7."""

    assertion: Signed[FallbackAssertion]
    approval: Signed[FallbackApproval]
    agent: VerifyKey
    supervisor: VerifyKey


class FallbackService:
    """The gateway's part in registrations without a face, without its transport."""

    def __init__(
        self,
        key: SigningKey,
        rules: FallbackRules,
        database: Database,
        publication: Publication,
        clock: Callable[[], int],
    ) -> None:
        self._key = key
        self._rules = rules
        self._database = database
        self._publication = publication
        self._clock = clock

    def record(self, request: FallbackRequest, sender: VerifyKey) -> FallbackView:
        """Check and record. The same assertion again gets the same answer.

        Raises:
            MalformedMessage: what is signed is no assertion or approval.
            Refused: one of the steps fails. Nothing is recorded.
            Unavailable: the log is halted, or the storage does not answer. The same request may be
                repeated.
        """
        self._publication.check()
        asserted = cose.peek(request.assertion, FallbackAssertion)
        approved = cose.peek(request.approval, FallbackApproval)
        # 1: here, and from this device
        here = asserted.gateway == approved.gateway == self._key.party
        if not here or asserted.device != sender.party:
            raise Refused("a registration without a face for another gateway, or of another device")
        # 2: a repeat
        row = self._recorded(request, asserted)
        if row is None:
            row = self._checked_and_written(request, sender)
        view = self._published(row.record_id)
        crash.reach("gateway-fallback-ready")
        return view

    def sweep(self) -> None:
        """Forget who recorded how many in hours that have passed."""
        with self._database.transaction() as connection:
            fallbacks.forget_hours(connection, self._clock())

    def _recorded(self, request: FallbackRequest, asserted: FallbackAssertion) -> RecordRow | None:
        """The record of this very assertion, if there is one."""
        with self._database.transaction() as connection:
            row = records.find_by_activation(connection, asserted.activation_commitment)
        if row is None or row.kind != "fallback":
            return None
        stated = cose.peek(row.statement, FallbackStatement)
        return row if stated.assertion == request.assertion else None

    def _checked_and_written(self, request: FallbackRequest, sender: VerifyKey) -> RecordRow:
        now = self._clock()
        with self._database.transaction() as connection:
            checked = _check(connection, request, sender, now)
        crash.reach("gateway-fallback-checked")
        row = self._row(checked, now)
        try:
            self._write(row, checked, now)
        except NoRoom as error:
            self._count_capped(error, now)
            raise Refused(error.detail) from None
        except Refused:
            # Perhaps the same request arrived twice at once, and the other one was faster.
            recorded = self._recorded(request, checked.assertion.message)
            if recorded is None:
                raise
            return recorded
        crash.reach("gateway-fallback-committed")
        return row

    def _row(self, checked: _Checked, now: int) -> RecordRow:
        asserted = checked.assertion.message
        statement = FallbackStatement.model_validate(
            {
                **asserted.terms,
                "record_id": new_record_id(),
                "kind": "fallback",
                "recorded_at_minute": now - now % MINUTE,
                "agent_key": checked.agent.raw,
                "supervisor_key": checked.supervisor.raw,
                "assertion": checked.assertion.encoded,
                "approval": checked.approval.encoded,
            }
        )
        return RecordRow(
            record_id=statement.record_id,
            kind="fallback",
            outcome=OUTCOME,
            policy_digest=NO_POLICY,
            subject_handle=None,
            activation_commitment=statement.activation_commitment,
            statement=cose.sign(statement, self._key).encoded,
            decided_at=statement.recorded_at_minute,
            expires_at=0,  # known in the transaction that writes it
        )

    def _write(self, row: RecordRow, checked: _Checked, now: int) -> None:
        """Steps 8 to 12, the record, its entry and the counter: all of it or nothing."""
        asserted, approval = checked.assertion.message, checked.approval
        named: tuple[tuple[PartyKind, str], ...] = (
            ("device", asserted.device),
            ("agent", asserted.agent),
            ("supervisor", asserted.supervisor),
        )
        with self._database.writing() as connection:
            # 8: enrolled until the end
            parties.hold_parties(connection, (*named, ("outlet", asserted.outlet)))
            # 9: what the person was told
            consents.hold_active(connection, asserted.consent_text_version)
            # 10: one record for an activation
            due = expires_at(connection, "fallback", row.decided_at, self._rules.retention_days)
            records.add_record(connection, replace(row, expires_at=due))
            crash.reach("gateway-fallback-half-written")
            # 11: once
            fallbacks.use_approval(connection, approval.digest, approval.message.approved_at_minute)
            # 12: room
            limits = {one: self._rules.per_hour[one[0]] for one in named}
            fallbacks.take_room(connection, limits, now)
            stored_log.append(connection, "fallback", digest_of(row.statement), row.record_id)
            totals.count_outcome(connection, OUTCOME, now)
            crash.reach("gateway-fallback-written")

    def _count_capped(self, error: NoRoom, now: int) -> None:
        log.warning("registrations without a face: %s", error.detail)
        with self._database.transaction() as connection:
            totals.count_outcome(connection, CAPPED, now)

    def _published(self, record_id: RecordId) -> FallbackView:
        """Wait a limited time for the receipt. The record stands all the same."""
        with suppress(Unavailable):
            self._publication.wait_for(record_id)
            with self._database.transaction() as connection:
                row = records.find_record(connection, record_id)
            if row is not None:
                return FallbackView(record_id, self._publication.receipt(row))
        return FallbackView(record_id, None)


def _check(
    connection: sa.Connection, request: FallbackRequest, sender: VerifyKey, now: int
) -> _Checked:
    """Steps 3 to 7. Raises ``Refused``."""
    stated = cose.peek(request.assertion, FallbackAssertion)
    # 3: the agent
    agent = parties.party_key(connection, "agent", stated.agent)
    assertion = cose.verify(request.assertion, FallbackAssertion, agent)
    # 4: the supervisor
    supervisor = parties.party_key(connection, "supervisor", stated.supervisor)
    approval = cose.verify(request.approval, FallbackApproval, supervisor)
    asserted, approved = assertion.message, approval.message
    # 5: exactly this
    covered = approved.assertion_digest == assertion.digest
    if not covered or approved.supervisor != asserted.supervisor:
        raise Refused("the approval is of another assertion")
    # 6: two people, and not the device
    if agent.party == supervisor.party or len({agent.raw, supervisor.raw, sender.raw}) < 3:
        raise Refused("agent and supervisor are not two people, or one of them is the device")
    # 7: fresh
    latest = approved.approved_at_minute + CLOCK_SKEW
    earliest = approved.approved_at_minute - ASSERTION_SECONDS
    if not is_fresh(approved.approved_at_minute, now):
        raise Refused("the approval is not fresh")
    if not earliest <= asserted.asserted_at_minute <= latest:
        raise Refused("the assertion is not of the day before its approval")
    return _Checked(assertion, approval, agent, supervisor)
