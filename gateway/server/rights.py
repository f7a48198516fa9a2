"""What a subject asks for and gets: a copy of what is kept, erasure, withdrawal of consent.

The steps; the numbers stand beside the code. A refusal tells neither the sender nor the operator's
log which of 5 to 7 failed:

1. The device has not asked too often.
2. It signed this request itself, for this gateway, just now.
3. Whoever changes the register, holds or records waits until this unit of work ends.
4. A hold whose end has passed holds nothing any more.
5. There is such a record, and the log has published its entry.
6. The shown secret opens the statement's erasure commitment.
7. The record has not expired, or a hold keeps it all the same.

Then, in the same transaction:

- *copy*: the rows are read. The copy is an action of the history, by a random id and the request's
  digest, which nobody can join with a record. Of a live match it covers everything under the
  handle; of any other record that record alone, without its handle. So whoever once presented
  another person's document, and failed, learns nothing of that person.
- *erase*: the record goes, and its signed erasure comes (``retention.erasure``).
- *withdraw*: the signed withdrawal comes, and the record goes. If a hold keeps it, it is due at
  once instead: it counts for nothing from now on, and goes when the hold ends.
"""

import hmac
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from gateway.host import crash
from gateway.retention import holds
from gateway.retention.adoption import in_force
from gateway.retention.erasure import erase
from gateway.retention.scrub import truncate_log
from gateway.sequencing.publication import Publication
from gateway.server.rates import HourlyRate
from gateway.store import consent_records, kept, records
from gateway.store import holds as stored_holds
from gateway.store import log as stored_log
from gateway.store.database import Database
from gateway.store.erasures import ErasureRow, find_erasure, records_of
from gateway.store.holds import HoldRow
from gateway.store.locks import hold_register
from gateway.store.parties import record_action
from gateway.store.records import RecordRow
from gateway.wire import cose
from gateway.wire.admin import Concerned
from gateway.wire.cose import Signed, SigningKey, VerifyKey
from gateway.wire.erasure import ErasureProof, Withdrawal, erasure_commitment, withdrawal_mark
from gateway.wire.errors import Refused, Unavailable
from gateway.wire.fallback import FallbackStatement
from gateway.wire.freshness import is_fresh
from gateway.wire.ids import Digest, digest_of, new_record_id
from gateway.wire.proof import Statement
from gateway.wire.rights import (
    MOST_RECORDS,
    HeldUntil,
    KeptColumn,
    KeptRow,
    SignedSubjectRequest,
    SubjectAnswer,
    SubjectCopy,
    SubjectRequest,
    WithdrawalProof,
)

_DAY: Final = 24 * 3600
_NOT_OPENED: Final = "no record for which its holder's secret was shown"
_STATEMENTS: Final[dict[str, type[Statement] | type[FallbackStatement]]] = {
    "decision": Statement,
    "fallback": FallbackStatement,
}
"""By the kind of a record."""
_NOT_TOLD: Final = frozenset({("holds", "hold"), ("holds", "hold_id")})
"""Columns that are no subject's: they name the operator who placed a hold. Its reason and its end
are told."""


@dataclass(frozen=True)
class RightsRules:
    """What the operator sets."""

    retention_days: int
    """While no schedule was adopted."""
    per_hour: int
    """Requests that one device may make in an hour."""


@dataclass(frozen=True)
class _Done:
    """What the transaction wrote, before the log has published it."""

    kept: SubjectCopy | None = field(default=None, repr=False)
    withdrawal: Signed[Withdrawal] | None = None
    erasure: ErasureRow | None = None
    held: HoldRow | None = None


class SubjectRights:
    """The gateway's part in subjects' requests, without its transport."""

    def __init__(
        self,
        key: SigningKey,
        rules: RightsRules,
        database: Database,
        publication: Publication,
        clock: Callable[[], int],
    ) -> None:
        self._key = key
        self._rules = rules
        self._database = database
        self._publication = publication
        self._clock = clock
        self._rate = HourlyRate(rules.per_hour)

    def answer(self, request: SignedSubjectRequest, sender: VerifyKey) -> SubjectAnswer:
        """Do what is asked for.

        Raises:
            MalformedMessage: what is signed is no request.
            Refused: one of the steps fails. Nothing is changed.
            Unavailable: the log is halted, or the storage does not answer. What was to be erased
                may be erased all the same: ``erasure`` knows.
        """
        self._publication.check()
        now = self._clock()
        # 1: how often
        self._rate.admit(sender.party, now)
        # 2: who asks
        asked = cose.verify(request.request, SubjectRequest, sender)
        named = asked.message
        if named.gateway != self._key.party or named.device != sender.party:
            raise Refused("a subject's request to another gateway, or in another device's name")
        if not is_fresh(named.requested_at, now):
            raise Refused("a subject's request is not fresh")
        with self._database.writing() as connection:
            # 3: nobody else acts
            hold_register(connection)
            record, held = self._opened(connection, named, now)
            done = self._do(connection, asked, record, held, now)
            crash.reach("gateway-wish-written")
        crash.reach("gateway-wish-committed")
        if done.erasure is not None:
            truncate_log(self._database)  # or its bytes would stay until the reaper's next run
        return self._answered(named, done)

    def erasure(self, tombstone: Digest) -> ErasureProof | None:
        """What is left of a record: by request, by order and by expiry alike; None: nothing.

        Raises:
            Unavailable: the storage does not answer.
        """
        with self._database.transaction() as connection:
            row = find_erasure(connection, tombstone)
        return None if row is None else self._proof(row)

    def _opened(
        self, connection: sa.Connection, named: SubjectRequest, now: int
    ) -> tuple[RecordRow, HoldRow | None]:
        """Steps 4 to 7: the record whose holder asks, kept from others, and what holds it."""
        there = stored_holds.keep_records(connection, [named.record_id])
        record = records.find_record(connection, named.record_id) if there else None
        shown = erasure_commitment(named.secret)
        # 5: a record with a published entry
        if record is None or not stored_log.is_published(connection, record.record_id):
            raise Refused(_NOT_OPENED)
        # 6: the secret
        if not hmac.compare_digest(shown, _stated(record).erasure_commitment):
            raise Refused(_NOT_OPENED)
        # 4, 7: what holds it, and whether it is there at all
        held = stored_holds.hold_of(connection, record.record_id)
        if held is not None and held.until <= now:
            held = None
        if record.expires_at <= now and held is None:
            raise Refused(_NOT_OPENED)
        holds.end_if_over(connection, record.record_id, self._key, now)
        return record, held

    def _do(
        self,
        connection: sa.Connection,
        asked: Signed[SubjectRequest],
        record: RecordRow,
        held: HoldRow | None,
        now: int,
    ) -> _Done:
        wish = asked.message.wish
        if wish == "copy":
            return _Done(kept=self._copy(connection, asked, record, now))
        withdrawal = self._withdraw(connection, record, now) if wish == "withdraw" else None
        if held is None:
            return _Done(None, withdrawal, erase(connection, record, self._key, now))
        if withdrawal is not None:
            kept.expire_now(connection, record.record_id, now)
        return _Done(None, withdrawal, None, held)

    def _copy(
        self, connection: sa.Connection, asked: Signed[SubjectRequest], record: RecordRow, now: int
    ) -> SubjectCopy:
        copy_id = new_record_id()
        concerned = Concerned.object("record-copy", copy_id.hex(), asked.digest)
        record_action(connection, "disclose", concerned, self._key, now)
        handle, covered = record.subject_handle, [record]
        lines, left_out, scope = None, 0, "record"
        if handle is not None and record.outcome == "MATCH" and record.expires_at > now:
            scope = "document"
            lines = records.count_live_matches(connection, [handle], now)
            everything = records_of(connection, [handle])
            covered = everything[:MOST_RECORDS]
            left_out = len(everything) - len(covered)
        rows = [
            _told(table, row, with_handle=scope == "document")
            for one in covered
            for table, row in kept.rows_about(connection, one)
        ]
        return SubjectCopy.model_validate(
            {
                "gateway": self._key.party,
                "copy_id": copy_id,
                "request_digest": asked.digest,
                "made_at": now,
                "scope": scope,
                "rows": rows,
                "live_lines": lines,
                "left_out": left_out,
            }
        )

    def _withdraw(
        self, connection: sa.Connection, record: RecordRow, now: int
    ) -> Signed[Withdrawal]:
        """Write a withdrawal, or return the one that there is."""
        mark = withdrawal_mark(record.statement)
        before = consent_records.find_withdrawal(connection, mark)
        if before is not None:
            return cose.verify(before.withdrawal, Withdrawal, self._key.public)
        signed = cose.sign(
            Withdrawal(
                gateway=self._key.party,
                withdrawal_id=new_record_id(),
                mark=mark,
                consent_text_version=_stated(record).consent_text_version,
                withdrawn_on=now // _DAY,
            ),
            self._key,
        )
        days = in_force(connection, self._rules.retention_days).schedule.withdrawals.days
        until = (now // _DAY + days) * _DAY
        consent_records.add_withdrawal(connection, signed.message, signed.encoded, until)
        crash.reach("gateway-withdrawal-written")
        return signed

    def _answered(self, named: SubjectRequest, done: _Done) -> SubjectAnswer:
        """Wait a limited time for the log's proofs. What is done is done all the same."""
        made, left, held = done.withdrawal, done.erasure, done.held
        return SubjectAnswer(
            wish=named.wish,
            kept=done.kept,
            withdrawal=None if made is None else self._withdrawal_proof(made),
            erasure=None if left is None else self._erasure_proof(left),
            held=None if held is None else HeldUntil(reason=held.reason, until=held.until),
        )

    def _erasure_proof(self, left: ErasureRow) -> ErasureProof:
        with suppress(Unavailable):
            self._publication.wait_for(left.erasure_id, "erasure")
            found = self.erasure(left.tombstone)
            if found is not None:
                return found
        return ErasureProof(erasure=left.erasure, log_proof=None)

    def _withdrawal_proof(self, made: Signed[Withdrawal]) -> WithdrawalProof:
        proof = None
        with suppress(Unavailable):
            self._publication.wait_for(made.message.withdrawal_id, "withdrawal")
            with self._database.transaction() as connection:
                row = consent_records.find_withdrawal(connection, made.message.mark)
            if row is not None:
                proof = self._publication.proof(row.log_index, made.digest)
        return WithdrawalProof(withdrawal=made.encoded, log_proof=proof)

    def _proof(self, row: ErasureRow) -> ErasureProof:
        proof = self._publication.proof(row.log_index, digest_of(row.erasure))
        return ErasureProof(erasure=row.erasure, log_proof=proof)


def _stated(record: RecordRow) -> Statement | FallbackStatement:
    return cose.peek(record.statement, _STATEMENTS[record.kind])


def _told(table: kept.Named, row: Mapping[str, object], *, with_handle: bool) -> KeptRow:
    """A row as its subject is told it."""
    hidden = _NOT_TOLD if with_handle else {*_NOT_TOLD, ("records", "subject_handle")}
    columns = [
        KeptColumn.model_validate({"name": name, "value": value})
        for name, value in row.items()
        if (table, name) not in hidden
    ]
    return KeptRow(table=table, columns=tuple(columns))
