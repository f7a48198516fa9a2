"""One registration: an embedding and a live capture in, one bit and a checked receipt out.

1. Ask the gateway for a session.
2. Check the offer: the pinned authority signed this key for this session; the policy is for the
   model in use and one that this client accepts; the liveness challenge is for this session, and
   leaves out what the person asked for.
3. Capture the live face, in answer to the challenge. If that fails, nothing was submitted.
4. The issuer checks the offer itself and hands over a sealed template. What it signed is about
   this session and the document that was read.
5. Encrypt probe and action vector, seal them to the gateway, sign the submission assertion, and
   submit everything.
6. Verify the receipt as any stranger could. Compare it with what was asked for, read and sent: it
   is about this very submission, and says of it nothing else (``agreement``).

Before step 2 has passed, only the session request is sent. Nothing that shows a face is ever sent.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.client.agreement import (
    ExpectedStatement,
    require_about,
    require_excluded,
    require_expected,
    require_issued,
)
from gateway.client.exchange import Exchange
from gateway.client.gateway_client import (
    GatewayClient,
    SubmissionRefused,
    Verification,
)
from gateway.client.liveness.capture import Captured
from gateway.client.liveness.frames import PassedOver
from gateway.client.liveness.measured import Inconclusive
from gateway.client.liveness.prompts import Language, text
from gateway.client.mismatches import Mismatches, Standing, SubjectLocked
from gateway.client.pending import PendingReceipt
from gateway.he.encryption import encrypt_probe
from gateway.he.engine import Engine
from gateway.he.session_key import ExpectedSession, VerifiedSessionKey, verify_session_key
from gateway.issuer.issuer import IssuedTemplate, Model, SessionToServe, TemplateIssuer
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import VerifiedReceipt, verify_receipt
from gateway.wire import cose
from gateway.wire.cose import Signed, SigningKey
from gateway.wire.erasure import erasure_commitment, erasure_secret
from gateway.wire.errors import Refused, Unavailable
from gateway.wire.evaluation import Outcome
from gateway.wire.ids import Nonce, PartyId, RecordId, SessionId, digest_of, new_nonce
from gateway.wire.liveness import Challenge, Exclusion, LivenessResult
from gateway.wire.policy import MatchPolicy
from gateway.wire.profile import PROFILE
from gateway.wire.proof import Opening
from gateway.wire.sealing import Sealed
from gateway.wire.session import SessionOffer, SessionRequest
from gateway.wire.subject import Subject, activation_commitment, guardian_salt, new_salt
from gateway.wire.submission import (
    ConsentRecord,
    PortraitSource,
    Submission,
    SubmissionAssertion,
)

SIM_ACTIVATION = "sim-activation"
CONSENT_TEXT_VERSION = 1


@dataclass(frozen=True)
class Occasion:
    """What the registration is for."""

    subject: Subject = field(repr=False)
    activation_reference: str = field(repr=False)
    purpose: str = SIM_ACTIVATION
    consent_text_version: int = CONSENT_TEXT_VERSION
    language: str = "en"
    """Of the consent text."""
    exclusions: tuple[Exclusion, ...] = ()
    """Kinds of action that this person is not asked for."""
    guardian: Subject | None = field(default=None, repr=False)
    """The document of the guardian who agreed in a minor's place."""
    portrait: PortraitSource = "photographed"
    """How the document's portrait was authenticated."""


Live = Callable[[Challenge | None], Captured]
"""Captures the live face, in answer to a challenge if there is one. Raises ``Inconclusive``."""


def still(probe: NDArray[np.floating], language: Language = "en") -> Live:
    """Use a photograph in the place of a live capture. It answers no challenge.

    Args:
        probe: unit embedding of the photograph, shape (d,), d <= 512.
    """

    def capture(challenge: Challenge | None) -> Captured:
        if challenge is not None and challenge.required:
            raise Inconclusive(
                "the gateway asks for a liveness check, which a photograph cannot answer",
                text("advice-use-camera", language),
            )
        return Captured(np.asarray(probe))

    return capture


@dataclass(frozen=True)
class CounterIdentity:
    """The device, the agent who uses it, and the outlet where it is."""

    device: SigningKey
    agent: PartyId
    outlet: PartyId


@dataclass
class Measurements:
    """Milliseconds per stage and bytes per message, as measured."""

    timings_ms: dict[str, float] = field(default_factory=dict)
    bytes_sent: dict[str, int] = field(default_factory=dict)
    passed_over: PassedOver = field(default_factory=PassedOver)
    """What the live source left out in the last attempt. It goes to no server."""
    reference: str | None = None
    """Under which gateway and authority log a refusal; None: nothing was asked of them yet."""

    def keep_passed_over(self, passed: PassedOver) -> None:
        self.passed_over = passed

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.timings_ms[name] = round((time.perf_counter() - start) * 1000, 2)


@dataclass(frozen=True)
class Registration:
    """A finished registration. ``receipt`` and ``opening`` belong to the subscriber."""

    outcome: Outcome
    record_id: RecordId
    receipt: bytes = field(repr=False)
    opening: Opening = field(repr=False)
    verified: VerifiedReceipt = field(repr=False)
    submission: Submission = field(repr=False)
    offer: SessionOffer = field(repr=False)
    measured: Measurements
    liveness: LivenessResult
    standing: Standing | None = None
    """The document's mismatches in a row at this counter, if the counter remembers them."""


class RegistrationClient:
    """Runs registrations at one counter."""

    def __init__(
        self,
        gateway: GatewayClient,
        issuer: TemplateIssuer,
        counter: CounterIdentity,
        trust: TrustFile,
        model: Model,
        engine: Engine,
        clock: Callable[[], int],
        mismatches: Mismatches | None = None,
    ) -> None:
        self._gateway = gateway
        self._issuer = issuer
        self._counter = counter
        self._trust = trust
        self._model = model
        self._engine = engine
        self._clock = clock
        self._mismatches = mismatches

    def register(
        self,
        template: NDArray[np.floating],
        live: NDArray[np.floating] | Live,
        occasion: Occasion,
        measured: Measurements | None = None,
        before_sending: Callable[[PendingReceipt], None] = lambda _: None,
    ) -> Registration:
        """Run one registration.

        Args:
            template: unit embedding of the portrait, shape (d,), d <= 512.
            live: the capture, or the unit embedding of a photograph in its place.
            before_sending: keeps what is needed to fetch the receipt if no answer comes. It is
                called each time before the submission leaves.

        Raises:
            Inconclusive: the live capture has no usable result; nothing was submitted.
            LivenessNotPossible: too many kinds of action are excluded for this gateway.
            Refused: session key, policy or challenge is not the expected one, the gateway refuses a
                session, or the issuer refuses the document; nothing was submitted. Or the receipt
                is about another submission. ``SaysOtherwise`` names what differs.
            ReceiptInvalid: the receipt does not verify.
            NoDecision: the gateway says that it decided nothing. ``SubjectLocked`` is one of these.
            ReceiptPending, OutcomeUnknown: an outcome exists or may exist; fetch it later.
            Unavailable, GatewayError, MalformedMessage: as ``GatewayClient.open_session``.
        """
        measured = measured or Measurements()
        measured.reference = self._gateway.new_reference()
        nonce = new_nonce()
        with measured.stage("session"):
            offer = self._open(nonce, occasion, measured)
        with measured.stage("verifySessionKey"):
            key = self._check(offer, nonce)
            challenge = _challenge_of(offer, key)
            require_excluded(challenge, occasion.exclusions)
        with measured.stage("liveCapture"):
            captured = (still(live) if isinstance(live, np.ndarray) else live)(challenge)
        with measured.stage("issueTemplate"):
            issued = self._issuer.issue(
                template,
                occasion.subject,
                SessionToServe(offer.grant, offer.public_key, self._counter.device.party, nonce),
                self._clock(),
                occasion.portrait,
            )
            stated = require_issued(
                issued.assertion,
                issued.subject_salt,
                key.grant.message,
                self._model.digest,
                occasion.subject,
                occasion.portrait,
            )
        with measured.stage("encryptProbe"):
            salt = new_salt()
            submission, assertion = self._submission(key, issued, captured, occasion, salt)
        expected = ExpectedStatement.of(
            key.grant.message, offer, challenge, stated, assertion, submission.consent
        )
        opening = Opening(
            subject_salt=issued.subject_salt,
            activation_salt=salt,
            activation_reference=occasion.activation_reference,
            consent=submission.consent.encode(),
        )
        with measured.stage("verification"):
            body, session = submission.encode(), key.grant.message.session

            def keep() -> None:
                before_sending(
                    PendingReceipt(
                        expected=expected,
                        opening=opening.encode(),
                        sent_at=self._clock(),
                    )
                )

            answer, exchange = self._submit(session, body, keep, occasion.subject)
        measured.bytes_sent |= {"submission": exchange.sent, "verification": exchange.received}
        with measured.stage("verifyReceipt"):
            verified = self._verify(answer, opening, occasion, expected)
        measured.bytes_sent["receipt"] = len(answer.receipt)
        return Registration(
            outcome=answer.outcome,
            record_id=answer.record_id,
            receipt=answer.receipt,
            opening=opening,
            verified=verified,
            submission=submission,
            offer=offer,
            measured=measured,
            liveness=verified.statement.message.liveness,
            standing=self._remember(occasion.subject, answer.outcome),
        )

    def _open(self, nonce: Nonce, occasion: Occasion, measured: Measurements) -> SessionOffer:
        request = SessionRequest(
            profile=PROFILE,
            gateway=self._trust.gateways[0].party,
            device=self._counter.device.party,
            issuer=self._issuer.party,
            client_nonce=nonce,
            purpose=occasion.purpose,
            consent_text_version=occasion.consent_text_version,
            exclusions=occasion.exclusions,
        )
        offer, exchange = self._gateway.open_session(request)
        measured.bytes_sent |= {"sessionRequest": exchange.sent, "sessionOffer": exchange.received}
        return offer

    def _check(self, offer: SessionOffer, nonce: Nonce) -> VerifiedSessionKey:
        """Step 2. Raises ``Refused`` or ``MalformedMessage``: then nothing may be submitted."""
        key = verify_session_key(
            offer.grant,
            offer.public_key,
            ExpectedSession(
                authority_key=self._trust.authority_key(self._trust.authorities[0].party),
                gateway=self._trust.gateways[0].party,
                device=self._counter.device.party,
                issuer=self._issuer.party,
                client_nonce=nonce,
            ),
            self._clock(),
        )
        if digest_of(offer.policy).hex() not in self._trust.policies:
            raise Refused("the match policy is not one that the trust file lists")
        policy = MatchPolicy.decode(offer.policy)
        if policy.model_digest != self._model.digest:
            raise Refused("the match policy is for another face model than this client's")
        return key

    def _submission(
        self,
        key: VerifiedSessionKey,
        issued: IssuedTemplate,
        captured: Captured,
        occasion: Occasion,
        activation_salt: bytes,
    ) -> tuple[Submission, Signed[SubmissionAssertion]]:
        now, guardian = self._clock(), occasion.guardian
        grant = key.grant.message
        ciphertext = encrypt_probe(self._engine, key, captured.probe, captured.action)
        evidence = None if captured.transcript is None else captured.transcript.encode()
        consent = ConsentRecord(
            text_version=occasion.consent_text_version,
            language=occasion.language,
            purpose=occasion.purpose,
            given_at=now,
            salt=new_salt(),
            given_by="subject" if guardian is None else "guardian",
            guardian_commitment=None
            if guardian is None
            else guardian.commitment(guardian_salt(issued.subject_salt)),
        )
        assertion = SubmissionAssertion(
            session=grant.session,
            key_id=grant.key_id,
            device=self._counter.device.party,
            probe_digest=ciphertext.digest,
            template_assertion_digest=digest_of(issued.assertion),
            model_digest=self._model.digest,
            quality=self._model.quality,
            liveness_evidence_digest=None if evidence is None else digest_of(evidence),
            consent_digest=consent.digest,
            activation_commitment=activation_commitment(
                occasion.activation_reference, activation_salt
            ),
            erasure_commitment=erasure_commitment(
                erasure_secret(issued.subject_salt, activation_salt)
            ),
            purpose=occasion.purpose,
            agent=self._counter.agent,
            outlet=self._counter.outlet,
            captured_at=now,
        )
        signed = cose.sign(assertion, self._counter.device)
        submission = Submission(
            session=grant.session,
            sealed_template=issued.sealed_template,
            template_assertion=issued.assertion,
            sealed_dealing=issued.sealed_dealing,
            sealed_probe=self._trust.gateways[0].sealing.seal(
                Sealed.PROBE, ciphertext.encoded, grant.session, grant.key_id
            ),
            submission_assertion=signed.encoded,
            liveness_evidence=evidence,
            consent=consent,
        )
        return submission, signed

    def _submit(
        self, session: SessionId, body: bytes, keep: Callable[[], None], subject: Subject
    ) -> tuple[Verification, Exchange]:
        """Submit through the gateway's client. Explain a refusal if this counter knows the
        reason."""
        try:
            return self._gateway.submit(session, body, keep)
        except SubmissionRefused:
            with suppress(Unavailable):
                now = self._clock()
                standing = self._mismatches and self._mismatches.standing(subject, now)
                if standing and standing.until:
                    raise SubjectLocked(standing) from None
            raise

    def _remember(self, subject: Subject, outcome: Outcome) -> Standing | None:
        """Note a checked outcome. If the file fails, only explanations are missing; nothing
        stops."""
        with suppress(Unavailable):
            if self._mismatches is not None:
                matched = outcome == "MATCH"
                return self._mismatches.note(subject, self._clock(), matched=matched)
        return None

    def _verify(
        self,
        answer: Verification,
        opening: Opening,
        occasion: Occasion,
        expected: ExpectedStatement,
    ) -> VerifiedReceipt:
        """Step 6. Raises ``ReceiptInvalid`` or ``Refused``."""
        subject, guardian = occasion.subject, occasion.guardian
        verified = verify_receipt(answer.receipt, self._trust, opening, subject, guardian=guardian)
        require_about(expected.submission_assertion_digest, answer, verified)
        require_expected(expected, verified, self._clock())
        return verified


def _challenge_of(offer: SessionOffer, key: VerifiedSessionKey) -> Challenge | None:
    """The offer's challenge. Raises ``Refused`` for one that was drawn for another session."""
    if offer.challenge is None:
        return None
    challenge = Challenge.decode(offer.challenge)
    if challenge.session != key.grant.message.session:
        raise Refused("the liveness challenge is for another session")
    return challenge
