"""The authority's four answers, and the checks that stand before each.

    open_session    session key request -> signed grant and public key
    encrypt_bits    masked product      -> encrypted bits
    decide          blinded rows        -> signed decision, or a signed demand for an audit
    conclude        audit result        -> signed decision

The caller has verified that the request is signed by an enrolled gateway. No I/O happens here:
clock, custody, trust list, caps and keys are passed in. Protocol, sections 3.3, 6, 8 and 10.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.wire import cose
from gateway.wire.audit import AuditDemand, AuditReport, AuditResult, Evaluated
from gateway.wire.cose import Signed, VerifyKey
from gateway.wire.errors import Refused, UnknownProfile
from gateway.wire.evaluation import (
    BlindedRows,
    Decision,
    DecisionResponse,
    EncryptedBits,
    MaskedProduct,
    Outcome,
)
from gateway.wire.host import crash
from gateway.wire.ids import Digest, PartyId, new_nonce
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import PROFILE
from gateway.wire.session import SessionGrant, SessionKeyRequest, SessionKeyResponse
from gateway.wire.submission import SubmissionAssertion, TemplateAssertion
from keys.audits import AuditLedger, AuditPolicy, coin
from keys.caps import AttemptCaps
from keys.custody import Custody
from keys.sessions import Asked, Demanded, Session, SessionTable, State, Toss
from keys.trust import TrustList
from keys.workers import MakeSecret

MAX_ASSERTION_AGE = 15 * 60
CLOCK_SKEW = 60
"""Seconds."""


@dataclass(frozen=True)
class Settings:
    """What the operator decides."""

    authority: PartyId
    session_seconds: int
    audits: AuditPolicy


class AuthorityService:
    """The key authority without its transport."""

    def __init__(
        self,
        settings: Settings,
        custody: Custody,
        trust: TrustList,
        sessions: SessionTable,
        caps: AttemptCaps,
        audits: AuditLedger,
        make_secret: MakeSecret,
        clock: Callable[[], int],
        toss: Callable[[int], bool] = coin,
    ) -> None:
        """``toss``: whether an evaluation is audited; nobody outside can foresee it."""
        self._settings = settings
        self._custody = custody
        self._trust = trust
        self._sessions = sessions
        self._caps = caps
        self._audits = audits
        self._make_secret = make_secret
        self._clock = clock
        self._toss = toss

    def open_session(self, request: SessionKeyRequest, sender: VerifyKey) -> bytes:
        """Make a key for one session.

        Returns:
            An encoded ``SessionKeyResponse``; for a repeated request the stored one.

        Raises:
            UnknownProfile: another profile.
            Refused: not the sender's session, a party is not enrolled, the id is in use, or the
                gateway has left too many audits unanswered.
            Unavailable: too many sessions are open.
        """
        if request.profile != PROFILE:
            raise UnknownProfile(f"this authority speaks {PROFILE}")
        if request.gateway != sender.party:
            raise Refused("session requested in another gateway's name")
        self._trust.key("issuer", request.issuer)
        self._trust.key("device", request.device)
        self._audits.require_answering(request.gateway)
        earlier = self._sessions.find(request.session)
        if earlier is not None and earlier.opened_by == request.digest:
            return earlier.opened_with
        secret, public = self._make_secret()
        crash.reach("authority-session-granted")
        grant = SessionGrant(
            profile=PROFILE,
            session=request.session,
            gateway=request.gateway,
            authority=self._settings.authority,
            device=request.device,
            issuer=request.issuer,
            client_nonce=request.client_nonce,
            key_id=public.key_id,
            expires_at=self._clock() + self._settings.session_seconds,
        )
        signed = cose.sign(grant, self._custody.signing)
        answer = SessionKeyResponse(grant=signed.encoded, public_key=public.encoded).encode()
        opened = Session(signed, secret, request.digest, answer)
        try:
            kept = self._sessions.add(opened)
        except BaseException:
            secret.destroy()
            raise
        if kept is not opened:  # the same request was faster in another thread
            secret.destroy()
        crash.reach("authority-session-kept")
        return kept.opened_with

    def encrypt_bits(self, message: MaskedProduct, sender: VerifyKey) -> bytes:
        """Check what entitles the gateway to an answer, then encrypt the masked value's bits.

        Returns:
            An encoded ``EncryptedBits``; for a repeated message the stored one.

        Raises:
            MalformedMessage: a ciphertext or assertion is not a valid encoding.
            SessionNotFound: unknown or expired.
            Refused: wrong sender, state, signature, session, key, stale, a cap is reached, or the
                gateway has left too many audits unanswered.
            Unavailable: the attempt could not be counted.
        """
        with self._sessions.locked(message.session) as session:
            self._require_owner(session, sender)
            product = Ciphertext.decode(message.masked_product, polynomials=3)
            light = message.model_copy(update={"masked_product": product.digest})
            repeated = session.stored_answer(light.digest)
            if repeated is not None:
                return repeated
            session.require(State.GRANTED)
            self._audits.require_answering(sender.party)
            grant = session.grant.message
            template, submission = self._check_assertions(message, grant)
            handles = self._custody.handles(grant.gateway, template.message.subject_inner)
            crash.reach("authority-assertions-checked")
            if session.attempt is None:
                session.attempt = self._caps.admit(handles, grant.device)
            crash.reach("authority-attempt-counted")
            bits = session.secret.encrypt_bits(product, message.lanes)
            crash.reach("authority-bits-made")
            answer = EncryptedBits(
                session=message.session, encrypted_bits=bits.encoded, subject_handles=handles
            ).encode()
            session.asked = Asked(
                template=template,
                submission=submission,
                product=light,
                bits_digest=bits.digest,
            )
            session.advance(State.ASKED, light.digest, answer)
            crash.reach("authority-bits-kept")
            return answer

    def decide(self, message: BlindedRows, sender: VerifyKey) -> bytes:
        """Decide, destroy the key, sign; or, where the coin falls so, demand an audit first.

        Returns:
            An encoded ``DecisionResponse``; for a repeated message the stored one.

        Raises:
            MalformedMessage: the rows are not a valid encoding.
            SessionNotFound: unknown or expired.
            Refused: wrong sender, wrong state, a second answer for one key, other rows than those
                that the coin was tossed for, or the gateway has left too many audits unanswered.
            Unavailable: the outcome could not be counted, now or before: it must not leave; or a
                demand could not be noted.
        """
        with self._sessions.locked(message.session) as session:
            self._require_owner(session, sender)
            rows = Ciphertext.decode(message.blinded_rows, polynomials=2)
            repeated = session.stored_answer(rows.digest)
            if repeated is not None:
                return repeated
            session.require(State.ASKED)
            session.require_key()
            self._audits.require_answering(sender.party)
            if session.asked is None:
                raise Refused("no masked product was answered")
            evaluated = _evaluated(session.grant.message, session.asked, rows.digest)
            if not self._fell(session, rows.digest):  # before anything is decrypted
                return self._decide(session, rows.digest, evaluated, rows)
            answer = self._demand(session, evaluated, rows)
            session.advance(State.DEMANDED, rows.digest, answer)
            crash.reach("authority-demand-kept")
            return answer

    def conclude(self, message: AuditResult, sender: VerifyKey) -> bytes:
        """Check the report that was demanded; then decide, destroy the key, sign.

        Returns:
            An encoded ``DecisionResponse``; for a repeated message the stored one.

        Raises:
            MalformedMessage: not a signed report.
            SessionNotFound: unknown or expired; the demand's time has passed.
            Refused: wrong sender or state, not signed by an enrolled auditor, or about another
                demand or evaluation. No decision is ever made then.
            Unavailable: the answer could not be noted.
        """
        with self._sessions.locked(message.session) as session:
            self._require_owner(session, sender)
            repeated = session.stored_answer(message.digest)
            if repeated is not None:
                return repeated
            session.require(State.DEMANDED)
            session.require_key()
            demanded = session.demanded
            if demanded is None:
                raise Refused("no audit was demanded")
            self._check_report(message.report, demanded.demand)
            crash.reach("authority-report-accepted")
            self._audits.answered(demanded.entry)
            crash.reach("authority-answer-noted")
            evaluated = demanded.demand.message.evaluated
            return self._decide(session, message.digest, evaluated, demanded.rows)

    def _decide(
        self, session: Session, request: Digest, evaluated: Evaluated, rows: Ciphertext
    ) -> bytes:
        """The decision, by the request that asked for it; the key is gone afterwards."""
        if session.attempt is None:
            raise Refused("no masked product was answered")
        try:
            matched = session.secret.decide(rows, evaluated.lanes)
        finally:
            session.close()  # nothing can be decrypted from here on, whatever fails
        crash.reach("authority-key-destroyed")
        self._caps.conclude(session.attempt, matched=matched)
        crash.reach("authority-attempt-concluded")
        outcome: Outcome = "MATCH" if matched else "NO_MATCH"
        decision = Decision(outcome=outcome, **evaluated.model_dump())
        signed = cose.sign(decision, self._custody.signing)
        answer = DecisionResponse(decision=signed.encoded, demand=None).encode()
        session.advance(State.DECIDED, request, answer)
        crash.reach("authority-decision-kept")
        return answer

    def _fell(self, session: Session, rows: Digest) -> bool:
        """The coin, tossed once per key and for these rows.

        A demand that could not be noted must not give the gateway another throw, nor other rows
        now that it may guess how the first one fell.
        """
        if session.toss is None:
            session.toss = Toss(rows, self._toss(self._settings.audits.one_in))
            crash.reach("authority-coin-tossed")
        if session.toss.request != rows:
            raise Refused("the coin was tossed for other rows")
        return session.toss.fell

    def _demand(self, session: Session, evaluated: Evaluated, rows: Ciphertext) -> bytes:
        grant = session.grant.message
        # Time of its own: a device that submits late must not leave its gateway without any.
        due = self._clock() + self._settings.audits.seconds
        demand = AuditDemand(evaluated=evaluated, nonce=new_nonce(), expires_at=due)
        signed = cose.sign(demand, self._custody.signing)
        session.demanded = Demanded(signed, rows, self._audits.demand(grant.gateway, due))
        crash.reach("authority-demand-noted")
        return DecisionResponse(decision=None, demand=signed.encoded).encode()

    def _check_report(self, report: bytes, demand: Signed[AuditDemand]) -> None:
        """Signed by an auditor of the authority's own list, about this demand and evaluation."""
        auditor = cose.peek(report, AuditReport).auditor
        signed = cose.verify(report, AuditReport, self._trust.key("auditor", auditor))
        if signed.message.demand_digest != demand.digest:
            raise Refused("the report answers another demand")
        if signed.message.evaluated_digest != demand.message.evaluated.digest:
            raise Refused("the report is about another evaluation")

    def _require_owner(self, session: Session, sender: VerifyKey) -> None:
        if session.grant.message.gateway != sender.party:
            raise Refused("another gateway's session")

    def _check_assertions(
        self, message: MaskedProduct, grant: SessionGrant
    ) -> tuple[Signed[TemplateAssertion], Signed[SubmissionAssertion]]:
        """Both assertions, by enrolled keys, for this session and key, fresh, about each other."""
        template = cose.verify(
            message.template_assertion, TemplateAssertion, self._trust.key("issuer", grant.issuer)
        )
        submission = cose.verify(
            message.submission_assertion,
            SubmissionAssertion,
            self._trust.key("device", grant.device),
        )
        issued, made = template.message, submission.message
        now = self._clock()
        checks = {
            "template assertion: issuer": issued.issuer == grant.issuer,
            "template assertion: session": issued.session == grant.session,
            "template assertion: key": issued.key_id == grant.key_id,
            "submission assertion: device": made.device == grant.device,
            "submission assertion: session": made.session == grant.session,
            "submission assertion: key": made.key_id == grant.key_id,
            "submission assertion: template": made.template_assertion_digest == template.digest,
            "model": made.model_digest == issued.model_digest,
            "template assertion: time": _fresh(issued.issued_at, now),
            "submission assertion: time": _fresh(made.captured_at, now),
        }
        for what, holds in checks.items():
            if not holds:
                raise Refused(f"{what} is not the session's")
        return template, submission


def _evaluated(grant: SessionGrant, asked: Asked, rows_digest: Digest) -> Evaluated:
    return Evaluated(
        **grant.scope,
        key_id=grant.key_id,
        lanes=asked.product.lanes,
        probe_digest=asked.submission.message.probe_digest,
        template_digest=asked.template.message.template_digest,
        template_assertion_digest=asked.template.digest,
        submission_assertion_digest=asked.submission.digest,
        policy_digest=asked.product.policy_digest,
        model_digest=asked.template.message.model_digest,
        masked_product_digest=Digest(asked.product.masked_product),
        encrypted_bits_digest=asked.bits_digest,
        blinded_rows_digest=rows_digest,
        seed_commitment=asked.product.seed_commitment,
    )


def _fresh(stated: int, now: int) -> bool:
    return now - MAX_ASSERTION_AGE <= stated <= now + CLOCK_SKEW
