"""The gateway's three operations: open a session, take a submission, report an outcome.

One transaction writes everything that a submission leaves behind, or nothing (``recording``).
Outcome and receipt are reported when the entry stands under a published checkpoint; until then the
session is RECORDED. A fault after the evaluation began ends the session, because the authority
answers a key only once. The client then opens another session.
"""

import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from gateway.he.session_key import ExpectedSession, VerifiedSessionKey, verify_session_key
from gateway.host import crash
from gateway.host.metrics import count, stage
from gateway.proofs.statement import Circumstances
from gateway.sequencing.publication import Publication
from gateway.server.audit import Auditor
from gateway.server.authorities import new_key
from gateway.server.authority_client import AuthorityClient
from gateway.server.evaluation import NewEvaluation
from gateway.server.liveness import NO_LIVENESS, LivenessPolicy
from gateway.server.policy import FindPolicy
from gateway.server.recording import Recorder
from gateway.server.sessions import (
    SECONDS_OF_A_STEP,
    OpenSession,
    OpenSessions,
    SessionState,
    Terms,
    move_session,
    sweep_expired,
)
from gateway.server.verification import (
    CheckedSubmission,
    Expected,
    ExpectedLiveness,
    check_submission,
    decide,
)
from gateway.store import consents, parties, records, sessions, totals
from gateway.store.database import Database
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import (
    MalformedMessage,
    Refused,
    SealmatchError,
    SessionConflict,
    SessionNotFound,
    Unavailable,
    UnknownProfile,
)
from gateway.wire.evaluation import Outcome
from gateway.wire.ids import (
    Digest,
    RecordId,
    SessionId,
    new_nonce,
    new_session_id,
)
from gateway.wire.profile import PROFILE
from gateway.wire.quality import QualityRule
from gateway.wire.sealing import SealingPrivateKey
from gateway.wire.session import SessionKeyRequest, SessionOffer, SessionRequest
from gateway.wire.submission import Submission

log = logging.getLogger("sealmatch.gateway")

_DAY = 24 * 3600
RECEIPT_SECONDS = _DAY
"""How long a late receipt can be fetched after it was last asked for. The stored time may be up to
``SECONDS_BETWEEN_WRITES`` behind, so frequent questions cause one write a minute."""
SECONDS_BETWEEN_WRITES = 60


@dataclass(frozen=True)
class Identity:
    """The gateway's keys and the authority it pins."""

    signing: SigningKey
    sealing: SealingPrivateKey
    authority: VerifyKey


@dataclass(frozen=True)
class GatewayRules:
    """Limits and rules that the operator sets."""

    retention_days: int
    activations_per_subject: int
    liveness: LivenessPolicy = NO_LIVENESS
    quality: QualityRule = "required"
    shard: int | None = None
    """First byte of this process's session ids, by which a proxy finds it; None: any."""


@dataclass(frozen=True)
class SessionView:
    """A session as its client may see it. Only a decided one has outcome, record and receipt."""

    session: SessionId
    state: SessionState
    expires_at: int
    outcome: Outcome | None = None
    record_id: RecordId | None = None
    receipt: bytes | None = None


class GatewayService:
    """The gateway without its transport."""

    def __init__(
        self,
        identity: Identity,
        policy_in_force: FindPolicy,
        limits: GatewayRules,
        database: Database,
        authority: AuthorityClient,
        sessions: OpenSessions,
        begin_evaluation: NewEvaluation,
        publication: Publication,
        clock: Callable[[], int],
        auditor: Auditor | None = None,
    ) -> None:
        self._identity = identity
        self._policy_in_force = policy_in_force
        self._limits = limits
        self._database = database
        self._authority = authority
        self._sessions = sessions
        self._begin_evaluation = begin_evaluation
        self._publication = publication
        self._clock = clock
        self._auditor = auditor
        self._recorder = Recorder(
            database, identity.signing, limits.retention_days, limits.activations_per_subject
        )

    def open_session(self, request: SessionRequest, sender: VerifyKey) -> SessionOffer:
        """Ask the authority for a key and offer it to the client.

        Raises:
            UnknownProfile: another profile.
            LivenessNotPossible: too few kinds of action are left to ask this person for.
            Refused: the request is in another device's name, for another gateway, or names an
                unknown party or consent text; or the authority refuses or sends a bad grant.
            Unavailable: too many sessions are open, the log is halted, or authority or storage do
                not answer.
        """
        if request.profile != PROFILE:
            raise UnknownProfile(f"this gateway speaks {PROFILE}")
        if request.device != sender.party:
            raise Refused("session requested in another device's name")
        if request.gateway != self._identity.signing.party:
            raise Refused("session requested of another gateway")
        self._publication.check()
        with self._sessions.opening() as keep:
            opened, public_key = self._open(request)
            keep(opened)
        crash.reach("gateway-session-kept")
        count("verifications_total", event="opened")
        challenge = opened.terms.challenge
        return SessionOffer(
            grant=opened.grant.encoded,
            public_key=public_key,
            policy=opened.policy.policy.encode(),
            challenge=None if challenge is None else challenge.encode(),
        )

    def submit(
        self, session: SessionId, submission: Submission, digest: Digest, sender: VerifyKey
    ) -> SessionView:
        """Verify a submission. A repeat of a decided submission gets the same answer.

        Args:
            digest: SHA-256 of the request's body. It tells a repeat from another submission.

        Raises:
            SessionNotFound: unknown, expired, or another device's.
            SessionConflict: the session has taken another submission, is evaluating this one, or
                has failed.
            MalformedMessage, Refused, Unavailable: as ``verification``, or as ``Recorder.record``.
                The session is over.
        """
        opened = self._sessions.take(session, sender.party)
        if opened is None:
            return self._repeated(session, digest, sender)
        row, expected, checked = self._taken(opened, submission, digest, sender)
        crash.reach("gateway-submission-taken")
        try:
            verdict = decide(
                self._begin_evaluation, checked, expected, self._authority, self._auditor
            )
            given = Circumstances(
                policy=expected.policy,
                approval=opened.policy.approval,
                template=checked.template_assertion.message,
                submission=checked.submission_assertion.message,
                consent=submission.consent,
                liveness=checked.liveness.result,
                audit=verdict.audit,
            )
            decided = self._recorder.record(
                row, verdict, given, checked.liveness.counts, self._clock()
            )
        except BaseException as error:
            self._fail(session, error)
            raise
        count("verifications_total", event="decided")
        view = self._published(
            session, decided.expires_at, decided.record.record_id, decided.record
        )
        crash.reach("gateway-receipt-ready")
        return view

    def status(self, session: SessionId, sender: VerifyKey) -> SessionView:
        """State of a session, with outcome and receipt once decided.

        Raises:
            SessionNotFound: unknown, expired and forgotten, or another device's.
        """
        held = self._sessions.find(session, sender.party)
        if held is not None:
            opened, state = held
            return SessionView(session, state, opened.expires_at)
        return self._view(self._own_session(session, sender))

    def _open(self, request: SessionRequest) -> tuple[OpenSession, bytes]:
        """Open a session. Returns its encoded key as well."""
        with self._database.transaction() as connection:
            issuer = parties.party_key(connection, "issuer", request.issuer)
            if not consents.is_active(connection, request.consent_text_version):
                raise Refused("unknown or retired consent text")
            policy = self._policy_in_force(connection)
        crash.reach("gateway-session-allowed")
        key, public_key = self._obtain_key(request)
        crash.reach("gateway-key-received")
        challenge = self._limits.liveness.challenge(
            key.grant.message.session, new_nonce(), request.exclusions, secrets.randbelow
        )
        terms = Terms(
            issuer, request.purpose, request.consent_text_version, challenge, self._clock()
        )
        return OpenSession(key.grant, key.public_key, policy, terms), public_key

    @stage("session-key")
    def _obtain_key(self, request: SessionRequest) -> tuple[VerifiedSessionKey, bytes]:
        def ask(session: SessionId) -> SessionKeyRequest:
            return SessionKeyRequest(
                profile=request.profile,
                session=session,
                gateway=self._identity.signing.party,
                device=request.device,
                issuer=request.issuer,
                client_nonce=request.client_nonce,
                gateway_nonce=new_nonce(),
            )

        asked, answer = new_key(self._authority, partial(new_session_id, self._limits.shard), ask)
        expected = ExpectedSession(
            authority_key=self._identity.authority,
            gateway=self._identity.signing.party,
            device=request.device,
            issuer=request.issuer,
            client_nonce=request.client_nonce,
        )
        try:
            key = verify_session_key(answer.grant, answer.public_key, expected, self._clock())
        except MalformedMessage:
            raise Refused("the authority sent a malformed session key") from None
        granted = key.grant.message
        if (granted.session, granted.gateway_nonce) != (asked.session, asked.gateway_nonce):
            raise Refused("the authority granted another session")
        return key, answer.public_key

    def _own_session(self, session: SessionId, sender: VerifyKey) -> sessions.SessionRow:
        with self._database.transaction() as connection:
            row = sessions.find_session(connection, session)
        if row is None or row.device != sender.party or row.expires_at <= self._clock():
            raise SessionNotFound("no session of this id")
        return row

    def _repeated(self, session: SessionId, digest: Digest, sender: VerifyKey) -> SessionView:
        """The answer to a submission for a session that is not open any more."""
        row, own = self._own_session(session, sender), self._limits.shard
        if own is not None and session[0] != own:  # it may be a request that another one answered
            raise SessionConflict("another process took this session's submission: ask its state")
        if row.submission_digest is not None and row.submission_digest != digest:
            raise SessionConflict("this session has taken another submission")
        if row.state != SessionState.DECIDED or row.record_id is None:
            raise SessionConflict("the session takes no submission now")
        return self._published(session, row.expires_at, row.record_id)

    def _taken(
        self, opened: OpenSession, submission: Submission, digest: Digest, sender: VerifyKey
    ) -> tuple[sessions.SessionRow, Expected, CheckedSubmission]:
        """Check a submission, and write that the session has taken it.

        Raises:
            Unavailable: the storage failed. The session is as it was.
            MalformedMessage, Refused, SessionConflict: the session is over.
        """
        session, row = opened.session_id, self._row(opened, digest)
        try:
            expected = self._expected(opened, sender)
            checked = check_submission(submission, expected, self._identity.sealing, self._clock())
            crash.reach("gateway-submission-checked")
            self._begin(row, expected, checked)
        except Unavailable:
            self._sessions.put_back(session)
            raise
        except BaseException as error:
            self._end_unbegun(row, error)
            raise
        self._sessions.forget(session)
        return row, expected, checked

    def _row(self, opened: OpenSession, digest: Digest) -> sessions.SessionRow:
        grant, terms = opened.grant.message, opened.terms
        return sessions.SessionRow(
            session_id=grant.session,
            state=SessionState.EVALUATING,
            device=grant.device,
            issuer=grant.issuer,
            purpose=terms.purpose,
            consent_text_version=terms.consent_text_version,
            policy_digest=opened.policy.policy.digest,
            submission_digest=digest,
            created_at=terms.opened_at,
            expires_at=max(grant.expires_at, self._clock() + SECONDS_OF_A_STEP),
        )

    def _expected(self, opened: OpenSession, sender: VerifyKey) -> Expected:
        terms = opened.terms
        return Expected(
            session=opened,
            authority_key=self._identity.authority,
            device_key=sender,
            issuer_key=terms.issuer_key,
            purpose=terms.purpose,
            consent_text_version=terms.consent_text_version,
            policy=opened.policy.policy,
            quality=self._limits.quality,
            liveness=ExpectedLiveness(terms.challenge, terms.opened_at),
            check_limit=lambda handles: self._recorder.require_room(handles, self._clock()),
        )

    def _begin(
        self, row: sessions.SessionRow, expected: Expected, checked: CheckedSubmission
    ) -> None:
        """Enter EVALUATING, durably. From now on no submission is taken."""
        try:
            self._write_begun(row, expected, checked)
        except Unavailable:
            if not self._is_begun(row):  # it may stand although its answer was lost
                raise

    def _write_begun(
        self, row: sessions.SessionRow, expected: Expected, checked: CheckedSubmission
    ) -> None:
        """The row, if all that the session names is still in force, and its activation unused."""
        made = checked.submission_assertion.message
        with self._database.writing() as connection:
            parties.hold_keys(
                connection,
                {
                    ("device", row.device): expected.device_key,
                    ("issuer", row.issuer): expected.issuer_key,
                },
                (("agent", made.agent), ("outlet", made.outlet)),
            )
            consents.hold_active(connection, row.consent_text_version)
            if records.has_activation(connection, made.activation_commitment):
                raise Refused("this activation commitment was used before")
            sessions.add_session(connection, row)
            crash.reach("gateway-submission-written")

    def _is_begun(self, row: sessions.SessionRow) -> bool:
        with self._database.transaction() as connection:
            return sessions.find_session(connection, row.session_id) == row

    def _end_unbegun(self, row: sessions.SessionRow, error: BaseException) -> None:
        """End a session whose submission is not evaluated. If the storage fails as well, it ends in
        memory alone."""
        _log_fault(error)
        try:
            with self._database.writing() as connection:
                sessions.add_session(connection, replace(row, state=SessionState.FAILED))
                totals.count_outcome(connection, SessionState.FAILED, self._clock())
        except Unavailable:
            log.warning("a failed session could not be marked; it is forgotten")
            self._sessions.forget(row.session_id, uncounted=True)
        except SessionConflict:
            self._sessions.forget(row.session_id)  # its row is there: it is counted with it
        else:
            self._sessions.forget(row.session_id)

    def _fail(self, session: SessionId, error: BaseException) -> None:
        """End a session after a fault. If the storage itself failed, the session ends by expiry."""
        _log_fault(error)
        count("verifications_total", event="failed")
        try:
            with self._database.transaction() as connection:
                move_session(connection, session, SessionState.EVALUATING, SessionState.FAILED)
                totals.count_outcome(connection, SessionState.FAILED, self._clock())
        except SessionConflict:
            return  # ended already: with the decision that was not recorded, or by its expiry
        except Unavailable:
            log.warning("a failed session could not be marked; it will expire")

    def sweep(self) -> None:
        """Remove expired sessions, here and in the database, and count them."""
        self._sessions.count_ended(self._count_expired)
        sweep_expired(self._database, self._clock())

    def end(self) -> None:
        """Forget the open sessions and count them: the process ends."""
        self._sessions.end()
        with suppress(Unavailable):
            self._sessions.count_ended(self._count_expired)

    def _count_expired(self, sessions: int) -> None:
        with self._database.transaction() as connection:
            totals.count_outcome(connection, SessionState.EXPIRED, self._clock(), sessions)

    def _published(
        self,
        session: SessionId,
        expires_at: int,
        record_id: RecordId,
        fresh: records.RecordRow | None = None,
    ) -> SessionView:
        """Wait a limited time for the receipt, then return the view of the session."""
        with suppress(Unavailable):  # the decision is recorded all the same
            self._publication.wait_for(record_id)
            receipt = None if fresh is None else self._publication.receipt(fresh)
            if fresh is not None and receipt is not None:  # this process has published it
                return _told(session, expires_at, fresh, receipt)
            return self._decided(session, expires_at, record_id)
        return SessionView(session, SessionState.RECORDED, expires_at)

    def _view(self, row: sessions.SessionRow) -> SessionView:
        if row.record_id is None:
            return SessionView(row.session_id, SessionState(row.state), row.expires_at)
        return self._decided(row.session_id, row.expires_at, row.record_id)

    def _decided(self, session: SessionId, expires_at: int, record_id: RecordId) -> SessionView:
        with self._database.transaction() as connection:
            record = records.find_record(connection, record_id)
        if record is None:
            raise SessionNotFound("no session of this id")
        receipt = self._publication.receipt(record)
        if receipt is None:
            return SessionView(session, SessionState.RECORDED, self._prolonged(session, expires_at))
        return _told(session, expires_at, record, receipt)

    def _prolonged(self, session: SessionId, expires_at: int) -> int:
        """Prolong a session that waits for the log, so that its receipt is not lost. Returns its
        expiry."""
        until = self._clock() + RECEIPT_SECONDS
        if expires_at > until - SECONDS_BETWEEN_WRITES:
            return expires_at
        with self._database.transaction() as connection:
            sessions.prolong_session(connection, session, until)
        return until


def _told(
    session: SessionId, expires_at: int, record: records.RecordRow, receipt: bytes
) -> SessionView:
    outcome: Outcome = "MATCH" if record.outcome == "MATCH" else "NO_MATCH"
    state = SessionState.DECIDED
    return SessionView(session, state, expires_at, outcome, record.record_id, receipt)


def _log_fault(error: BaseException) -> None:
    """A fault of our own; refusals are logged where they are answered."""
    if not isinstance(error, SealmatchError):
        log.error("submission ended by %s", type(error).__name__)
