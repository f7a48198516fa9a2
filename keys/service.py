"""The authority's answers, and the checks before each.

    open_session    session key request -> signed grant and half of the public key
    count           attempt             -> signed nonce
    answer          padded product      -> masked values
    decide          values and shares   -> signed decision, or a signed demand for an audit
    conclude        audit result        -> signed decision

The caller has verified that the request is signed by an enrolled gateway. No I/O happens here:
clock, custody, trust list, caps and keys are passed in. Protocol, sections 3.3, 6, 8 and 10.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from gateway.he.session_key import SessionKey, UniformHalf
from gateway.host import crash
from gateway.host.metrics import stage
from gateway.wire import cose
from gateway.wire.audit import AuditDemand, AuditReport, AuditResult, Evaluated
from gateway.wire.cose import Signed, VerifyKey
from gateway.wire.dealing import AUTHORITY, Dealing
from gateway.wire.errors import Refused, SessionNotFound, UnknownProfile
from gateway.wire.evaluation import (
    AttemptAnswer,
    AttemptNonce,
    AttemptRequest,
    Decision,
    DecisionResponse,
    MaskedValues,
    Outcome,
    ProductRequest,
    SharesRequest,
    evaluation_digest,
)
from gateway.wire.freshness import is_fresh
from gateway.wire.ids import Digest, PartyId, SessionId, digest_of, new_nonce
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import PaddedProduct
from gateway.wire.profile import LANES, PROFILE
from gateway.wire.sealing import Sealed
from gateway.wire.session import SessionGrant, SessionKeyRequest, SessionKeyResponse
from gateway.wire.submission import SubmissionAssertion, TemplateAssertion
from keys.audits import AuditLedger, AuditPolicy, coin
from keys.authority import decide
from keys.caps import AttemptCaps
from keys.custody import Custody
from keys.sessions import (
    Answered,
    Attempt,
    Demanded,
    KeySession,
    Opened,
    SessionTable,
    StepTaken,
    Toss,
)
from keys.trust import TrustList
from keys.workers import MakeSecret

V = TypeVar("V")


@dataclass(frozen=True)
class AuthorityRules:
    """What the operator decides."""

    authority: PartyId
    session_seconds: int
    audits: AuditPolicy
    policies: frozenset[str] = frozenset()
    """Digests, in hexadecimal, of the match policies that it decides by; empty: any."""


class AuthorityService:
    """The key authority without its transport."""

    def __init__(
        self,
        settings: AuthorityRules,
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

    @stage("key-made")
    def open_session(self, request: SessionKeyRequest, sender: VerifyKey) -> bytes:
        """Make a key for one session.

        Returns:
            An encoded ``SessionKeyResponse``; for a repeated request the stored one.

        Raises:
            UnknownProfile: another profile.
            Refused: not the sender's session, a party is not enrolled, the id is in use, or the
                gateway has left too many audits unanswered.
            SessionNotFound: a repeat whose stored answer is no longer kept.
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
            return _kept(earlier)
        uniform = UniformHalf.of(request)
        secret, half = self._make_secret(uniform)
        crash.reach("authority-session-granted")
        grant = SessionGrant(
            profile=PROFILE,
            session=request.session,
            gateway=request.gateway,
            authority=self._settings.authority,
            device=request.device,
            issuer=request.issuer,
            client_nonce=request.client_nonce,
            gateway_nonce=request.gateway_nonce,
            key_id=SessionKey(half, uniform).key_id,
            expires_at=self._clock() + self._settings.session_seconds,
        )
        signed = cose.sign(grant, self._custody.signing)
        answer = SessionKeyResponse(grant=signed.encoded, public_key=half.encoded).encode()
        opened = KeySession.granted(grant, secret, request.digest, answer)
        try:
            kept = self._sessions.add(request.session, opened)
        except BaseException:
            secret.destroy()
            raise
        if kept is not opened:  # the same request was faster in another thread
            secret.destroy()
        crash.reach("authority-session-kept")
        return answer if kept is opened else _kept(kept)

    @stage("attempt-counted")
    def count(self, message: AttemptRequest, sender: VerifyKey) -> bytes:
        """Check what entitles the gateway to an answer, count the attempt, draw the nonce.

        Returns:
            An encoded ``AttemptAnswer``; for a repeated message the stored one.

        Raises:
            MalformedMessage: policy or assertion is not a valid encoding.
            SessionNotFound: unknown or expired.
            Refused: wrong sender, state, signature, session, key, dealing or model; a policy that
                the operator does not list; a stale assertion; a cap is reached; or the gateway has
                left too many audits unanswered.
            Unavailable: the attempt could not be counted.
        """
        request = message.digest
        with self._step(StepTaken.GRANTED, message.session, request, sender) as (session, repeated):
            if repeated is not None:
                return repeated
            grant = _present(session.grant)
            policy = self._policy(message.policy)
            template, submission = self._check_assertions(message, grant, policy)
            dealing = self._open_dealing(message, grant, template.message)
            handles = self._custody.handles(grant.gateway, template.message.subject_inner)
            crash.reach("authority-assertions-checked")
            if session.counted is None:
                session.counted = self._caps.admit(handles, grant.device)
            crash.reach("authority-attempt-counted")
            nonce = new_nonce()
            session.attempt = Attempt(
                template, submission, policy, dealing, message.seed_commitment, nonce
            )
            stated = AttemptNonce(session=message.session, request_digest=request, nonce=nonce)
            signed = cose.sign(stated, self._custody.signing)
            answer = AttemptAnswer(nonce=signed.encoded, subject_handles=handles).encode()
            session.advance(StepTaken.COUNTED, request, answer)
            crash.reach("authority-nonce-kept")
            return answer

    @stage("product-answered")
    def answer(self, message: ProductRequest, sender: VerifyKey) -> bytes:
        """Compute the masked values. The secret key is gone once it was applied, whatever happens.

        Returns:
            An encoded ``MaskedValues``; for a repeated message the stored one.

        Raises:
            MalformedMessage: the product is not a valid encoding.
            SessionNotFound: unknown or expired; the worker that held the key did not survive.
            Refused: wrong sender or state, a second product for one dealing, or the gateway has
                left too many audits unanswered.
            Unavailable: the session ended without a decision.
        """
        product = PaddedProduct.decode(message.padded_product)
        light = message.model_copy(update={"padded_product": product.digest}).digest
        with self._step(StepTaken.COUNTED, message.session, light, sender) as (session, repeated):
            if repeated is not None:
                return repeated
            attempt = _present(session.attempt)
            try:
                masked = _present(session.secret).answer(product, message.omega, attempt.dealing)
            except BaseException:
                session.close()
                raise
            crash.reach("authority-values-made")
            session.answered = Answered(product.digest, message.omega, masked)
            answer = MaskedValues(session=message.session, masked=masked).encode()
            session.advance(StepTaken.ANSWERED, light, answer)
            crash.reach("authority-values-kept")
            return answer

    @stage("decision-made")
    def decide(self, message: SharesRequest, sender: VerifyKey) -> bytes:
        """Decide, forget the dealing and sign; or, if the coin says so, demand an audit first.

        Returns:
            An encoded ``DecisionResponse``; for a repeated message the stored one.

        Raises:
            SessionNotFound: unknown or expired.
            Refused: wrong sender, wrong state, second shares for one dealing, other shares than
                those that the coin was tossed for, too many audits were left unanswered, or the
                subject was locked meanwhile.
            Unavailable: the outcome could not be counted, now or before, so it must not leave; or a
                demand could not be noted.
        """
        request = message.digest
        with self._step(StepTaken.ANSWERED, message.session, request, sender) as (
            session,
            repeated,
        ):
            if repeated is not None:
                return repeated
            opened = Opened(message.values, message.shares)
            evaluated = _evaluated(session, opened)
            if not self._fell(session, request):  # before anything is compared
                return self._decide(session, request, evaluated, opened)
            answer = self._demand(session, evaluated, opened)
            session.advance(StepTaken.DEMANDED, request, answer)
            crash.reach("authority-demand-kept")
            return answer

    def conclude(self, message: AuditResult, sender: VerifyKey) -> bytes:
        """Check the report that was demanded; then decide, forget the dealing, sign.

        Returns:
            An encoded ``DecisionResponse``; for a repeated message the stored one.

        Raises:
            MalformedMessage: not a signed report.
            SessionNotFound: unknown or expired; the demand's time has passed.
            Refused: wrong sender or state, not signed by an enrolled auditor, or about another
                demand or evaluation: no decision is ever made then. Or the subject was locked
                meanwhile.
            Unavailable: the answer could not be noted.
        """
        request = message.digest
        with self._step(StepTaken.DEMANDED, message.session, request, sender) as (
            session,
            repeated,
        ):
            if repeated is not None:
                return repeated
            demanded = _present(session.demanded)
            self._check_report(message.report, demanded.demand)
            crash.reach("authority-report-accepted")
            self._audits.answered(demanded.entry)
            crash.reach("authority-answer-noted")
            evaluated = demanded.demand.message.evaluated
            return self._decide(session, request, evaluated, demanded.opened)

    @contextmanager
    def _step(
        self, state: StepTaken, session: SessionId, request: Digest, sender: VerifyKey
    ) -> Iterator[tuple[KeySession, bytes | None]]:
        """Hold the sender's session for one step; yield it, and the stored answer to a repeated
        message.

        A message without a stored answer finds the session in the state that the step needs. Unless
        it brings a report, its gateway does not owe too many reports.
        """
        with self._sessions.locked(session) as held:
            if held.gateway != sender.party:
                raise Refused("another gateway's session")
            repeated = held.stored_answer(request)
            if repeated is None:
                held.require(state)
                if state is not StepTaken.DEMANDED:  # a message in that state brings a report
                    self._audits.require_answering(sender.party)
            yield held, repeated

    def _decide(
        self, session: KeySession, request: Digest, evaluated: Evaluated, opened: Opened
    ) -> bytes:
        """Decide, and store the answer to this request. The dealing is gone afterwards."""
        attempt, counted = _present(session.attempt), _present(session.counted)
        try:
            matched = decide(attempt.policy, attempt.dealing, opened.values, opened.shares)
        finally:
            session.close()  # nothing can be compared from here on, whatever fails
        crash.reach("authority-key-destroyed")
        self._caps.conclude(counted, matched=matched)
        crash.reach("authority-attempt-concluded")
        outcome: Outcome = "MATCH" if matched else "NO_MATCH"
        decision = Decision(outcome=outcome, **evaluated.model_dump())
        signed = cose.sign(decision, self._custody.signing)
        answer = DecisionResponse(decision=signed.encoded, demand=None).encode()
        session.advance(StepTaken.DECIDED, request, answer)
        crash.reach("authority-decision-kept")
        return answer

    def _fell(self, session: KeySession, request: Digest) -> bool:
        """Whether the coin demands an audit. It is tossed once per key, and for these shares.

        If a demand could not be noted, the gateway must not get another toss. It must not change
        its shares either, since it may now guess how the coin fell.
        """
        if session.toss is None:
            session.toss = Toss(request, self._toss(self._settings.audits.one_in))
            crash.reach("authority-coin-tossed")
        if session.toss.request != request:
            session.close()
            raise Refused("the coin was tossed for other shares")
        return session.toss.fell

    def _demand(self, session: KeySession, evaluated: Evaluated, opened: Opened) -> bytes:
        # A time of its own: otherwise a device that submits late leaves its gateway without time.
        due = self._clock() + self._settings.audits.seconds
        demand = AuditDemand(evaluated=evaluated, nonce=new_nonce(), expires_at=due)
        signed = cose.sign(demand, self._custody.signing)
        session.demanded = Demanded(signed, opened, self._audits.demand(session.gateway, due))
        crash.reach("authority-demand-noted")
        return DecisionResponse(decision=None, demand=signed.encoded).encode()

    def _check_report(self, report: bytes, demand: Signed[AuditDemand]) -> None:
        """Check that an auditor of the authority's own list signed it, about this very
        evaluation."""
        auditor = cose.peek(report, AuditReport).auditor
        signed = cose.verify(report, AuditReport, self._trust.key("auditor", auditor))
        if signed.message.demand_digest != demand.digest:
            raise Refused("the report answers another demand")
        if signed.message.evaluated_digest != demand.message.evaluated.digest:
            raise Refused("the report is about another evaluation")

    def _policy(self, encoded: bytes) -> MatchPolicy:
        """The policy to decide by. Raises ``Refused`` for one that the operator does not list."""
        policy = MatchPolicy.decode(encoded)
        accepted = self._settings.policies
        if accepted and policy.digest.hex() not in accepted:
            raise Refused("the match policy is not one that this authority decides by")
        return policy

    def _open_dealing(
        self, message: AttemptRequest, grant: SessionGrant, issued: TemplateAssertion
    ) -> Dealing:
        """This side's dealing, as the issuer asserted it. Raises ``Refused`` for any other.

        Raises ``MalformedMessage`` if the issuer asserted something that is no dealing.
        """
        opened = self._custody.open(
            Sealed.DEALING, message.sealed_dealing, grant.session, grant.key_id
        )
        if digest_of(opened) != issued.authority_dealing_digest:
            raise Refused("the dealing is not the one that the issuer asserted")
        return Dealing.decode(opened, AUTHORITY)

    def _check_assertions(
        self, message: AttemptRequest, grant: SessionGrant, policy: MatchPolicy
    ) -> tuple[Signed[TemplateAssertion], Signed[SubmissionAssertion]]:
        """Check that both assertions are signed by enrolled keys, for this session and key, fresh,
        and about each other."""
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
            "model": made.model_digest == issued.model_digest == policy.model_digest,
            "template assertion: time": is_fresh(issued.issued_at, now),
            "submission assertion: time": is_fresh(made.captured_at, now),
        }
        for what, holds in checks.items():
            if not holds:
                raise Refused(f"{what} is not the session's")
        return template, submission


def _evaluated(session: KeySession, opened: Opened) -> Evaluated:
    """What the decision will say, except the outcome."""
    grant = _present(session.grant)
    attempt, answered = _present(session.attempt), _present(session.answered)
    issued, made = attempt.template.message, attempt.submission.message
    return Evaluated(
        **grant.scope,
        key_id=grant.key_id,
        lanes=LANES,
        probe_digest=made.probe_digest,
        template_digest=issued.template_digest,
        template_assertion_digest=attempt.template.digest,
        submission_assertion_digest=attempt.submission.digest,
        policy_digest=attempt.policy.digest,
        model_digest=issued.model_digest,
        evaluation_digest=evaluation_digest(
            attempt.nonce,
            answered.product,
            answered.omega,
            answered.masked,
            opened.values,
            opened.shares,
        ),
        seed_commitment=attempt.seed_commitment,
    )


def _kept(session: KeySession) -> bytes:
    """The answer that opened a session. Raises ``SessionNotFound`` if it is no longer kept."""
    if session.opened_with is None:
        raise SessionNotFound("what opened this session is no longer kept; open another")
    return session.opened_with


def _present(value: V | None) -> V:
    """A value that is there, as the session's state says."""
    if value is None:
        raise Refused("the session is in another state than it says")
    return value
