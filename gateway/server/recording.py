"""What a decision leaves behind, in one transaction: record, consent, log entry, session's end and
counters.

While the authority decides, other sessions are recorded and parties suspended. So three conditions
that held before the authority was asked are checked once more here. Locks and a constraint keep
them true until the end (``store.locks``):

- The activation has no record. This holds for matches and mismatches.
- The parties are enrolled. So in the log no record of a party comes after its suspension.
- A match finds room under the document's limit, counted under all of the subject's handles.

If one of these no longer holds, **the decision is not recorded**. No statement leaves this process,
nothing enters the log, and no activation can come of it. In the same transaction the session ends,
and is counted as ``UNRECORDED`` instead of an outcome. To the client this is a refusal like any
other. The authority has counted the attempt, and a match as a match: what it says about two faces
is true, whatever happens here. ADR 28.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import sqlalchemy as sa

from gateway.host import crash
from gateway.host.metrics import stage
from gateway.proofs.statement import Circumstances, make_statement
from gateway.retention.adoption import expires_at
from gateway.server.sessions import SECONDS_OF_A_STEP, SessionState, move_session
from gateway.server.verification import DecidedSubmission
from gateway.store import log as stored_log
from gateway.store import parties, records, sessions, totals
from gateway.store.consent_records import ConsentRow, add_consent
from gateway.store.database import Database
from gateway.store.locks import hold_subject
from gateway.wire.admin import PartyKind
from gateway.wire.cose import SigningKey
from gateway.wire.errors import Refused, Unavailable
from gateway.wire.ids import PartyId, SubjectHandle, digest_of, new_record_id
from gateway.wire.submission import ConsentRecord

UNRECORDED: Final = "UNRECORDED"
"""Counted like an outcome: decided, but not recorded because a condition no longer held."""


@dataclass(frozen=True)
class Decided:
    """A session's end and its record, to be written together."""

    session: sessions.SessionRow
    record: records.RecordRow
    consent: ConsentRecord
    handles: tuple[SubjectHandle, ...] = field(repr=False)
    """All of the subject's handles."""
    parties: tuple[tuple[PartyKind, PartyId], ...]
    liveness: dict[str, int]
    now: int

    @property
    def expires_at(self) -> int:
        """When the session may be forgotten."""
        return max(self.session.expires_at, self.now + SECONDS_OF_A_STEP)


class Recorder:
    """Signs statements and keeps them."""

    def __init__(
        self, database: Database, key: SigningKey, retention_days: int, activations: int
    ) -> None:
        """``activations``: live activations that one document may have."""
        self._database = database
        self._key = key
        self._retention_days = retention_days
        self._activations = activations

    def require_room(self, handles: Sequence[SubjectHandle], now: int) -> None:
        """Refuse a subject without room for a match, before the authority works for nothing.

        Raises:
            Refused: it has as many live activations as it may.
        """
        with self._database.transaction() as connection:
            records.require_room(connection, handles, self._activations, now)

    @stage("record")
    def record(
        self,
        session: sessions.SessionRow,
        verdict: DecidedSubmission,
        given: Circumstances,
        liveness: dict[str, int],
        now: int,
    ) -> Decided:
        """Sign the statement; write record, entry, session and counters in one transaction.

        Raises:
            Refused: a condition that held when the authority was asked no longer holds. Nothing is
                recorded.
            SessionConflict: the session is not being evaluated any more. Nothing is recorded.
            Unavailable: the storage failed. Nothing is recorded.
        """
        decided = self._decided(session, verdict, given, liveness, now)
        try:
            refused = self._write(decided)
        except Unavailable:
            if not self._is_recorded(decided):
                raise
        else:
            if refused is not None:
                raise Refused(f"decided, and not recorded: {refused.detail}")
        crash.reach("gateway-record-committed")
        return decided

    def _decided(
        self,
        session: sessions.SessionRow,
        verdict: DecidedSubmission,
        given: Circumstances,
        liveness: dict[str, int],
        now: int,
    ) -> Decided:
        record_id, made = new_record_id(), given.submission
        statement = make_statement(verdict.decision, given, record_id, now, self._key)
        row = records.RecordRow(
            record_id=record_id,
            kind="decision",
            outcome=verdict.decision.message.outcome,
            policy_digest=given.policy.digest,
            subject_handle=verdict.subject_handles[0],
            activation_commitment=made.activation_commitment,
            statement=statement.encoded,
            decided_at=statement.message.decided_at_minute,
            expires_at=0,  # known in the transaction that writes it
        )
        named: tuple[tuple[PartyKind, PartyId], ...] = (
            ("device", session.device),
            ("issuer", session.issuer),
            ("agent", made.agent),
            ("outlet", made.outlet),
        )
        return Decided(session, row, given.consent, verdict.subject_handles, named, liveness, now)

    def _write(self, decided: Decided) -> Refused | None:
        """Write everything and return None; or write only the session's end and return the
        reason."""
        with self._database.writing() as connection:
            try:
                self._require_still(connection, decided)
                decided = self._dated(connection, decided)
                records.add_record(connection, decided.record)
                add_consent(connection, ConsentRow.beside(decided.record, decided.consent))
            except Refused as error:
                _end_unrecorded(connection, decided)
                return error
            crash.reach("gateway-record-half-written")
            _end_recorded(connection, decided)
            crash.reach("gateway-record-written")
        return None

    def _require_still(self, connection: sa.Connection, decided: Decided) -> None:
        """Raise ``Refused`` if a party was suspended, or a match finds no room."""
        hold_subject(connection, decided.handles)
        parties.hold_parties(connection, decided.parties)
        if decided.record.outcome == "MATCH":
            records.require_room(connection, decided.handles, self._activations, decided.now)

    def _dated(self, connection: sa.Connection, decided: Decided) -> Decided:
        """The same with the time at which the record is due, by the schedule in force."""
        row = decided.record
        due = expires_at(connection, "decision", row.decided_at, self._retention_days)
        return replace(decided, record=replace(row, expires_at=due))

    def _is_recorded(self, decided: Decided) -> bool:
        """Whether a commit took place although its answer was lost. Raises ``Unavailable``."""
        with self._database.transaction() as connection:
            row = sessions.find_session(connection, decided.session.session_id)
        return row is not None and row.record_id == decided.record.record_id


def _end_recorded(connection: sa.Connection, decided: Decided) -> None:
    record, session = decided.record, decided.session.session_id
    move_session(
        connection,
        session,
        SessionState.EVALUATING,
        SessionState.DECIDED,
        record_id=record.record_id,
        expires_at=decided.expires_at,
    )
    stored_log.append(connection, "decision", digest_of(record.statement), record.record_id)
    totals.count_outcome(connection, record.outcome, decided.now)
    totals.count_liveness(connection, decided.liveness, decided.now)


def _end_unrecorded(connection: sa.Connection, decided: Decided) -> None:
    session = decided.session.session_id
    move_session(connection, session, SessionState.EVALUATING, SessionState.FAILED)
    totals.count_outcome(connection, UNRECORDED, decided.now)
