"""The numbered steps between a submission and a record (protocol, sections 6, 8 and 10).

Checks of the client's submission. A refusal does not tell the sender which of them failed:

1.  The template assertion is signed by the session's issuer, who is still enrolled.
2.  The submission assertion is signed by the session's device, which is still enrolled.
3.  Both assertions name this session and its key, and the parties that signed them.
4.  The submission assertion names this template assertion. Both name the policy's model. The
    quality of their pictures is what the operator asks for.
5.  Both assertions and the consent are fresh.
6.  Consent and purpose are those for which the session was opened, and those that the device
    signed.
7.  The liveness evidence is what the device signed. It is a plausible answer to this session's
    challenge. It is there if the challenge requires it.
8.  The sealed template opens to a canonical ciphertext and the gateway's dealing. Both have the
    asserted digests.
9.  The sealed probe opens to a canonical ciphertext with the asserted digest.

The private decision:

10. The authority gets the assertions, the policy, the commitment to the seed and its own dealing.
    It counts the attempt and signs a nonce for it. The evaluation draws everything from seed and
    nonce.
11. The subject has room for one more live activation, counted under all of its handles. When the
    decision is there, ``recording`` checks this again.
12. The authority gets the padded product and answers with masked values for this session.
13. The authority gets values and shares. It answers with a signed decision, or with a signed demand
    for an audit.
14. If an audit is demanded, the pinned auditor repeats the evaluation that the gateway holds. The
    authority gets the auditor's signed report and answers with a signed decision.
15. The pinned authority signed the decision. It names exactly what the gateway holds.

This module has no clock and no storage: they are passed in or left to ``service``.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.he.evaluation import Inputs
from gateway.host import crash
from gateway.host.metrics import stage
from gateway.server.audit import Auditor, have_repeated
from gateway.server.authority_client import AuthorityClient
from gateway.server.evaluation import Evaluating, NewEvaluation
from gateway.server.liveness import CheckedLiveness, assess
from gateway.server.sessions import OpenSession
from gateway.wire import cose
from gateway.wire.audit import AuditReport, AuditResult, Evaluated
from gateway.wire.cose import Signed, VerifyKey
from gateway.wire.dealing import GATEWAY, Dealing
from gateway.wire.errors import MalformedMessage, Refused
from gateway.wire.evaluation import (
    AttemptNonce,
    AttemptRequest,
    Decision,
    ProductRequest,
    SharesRequest,
    evaluation_digest,
)
from gateway.wire.freshness import is_fresh
from gateway.wire.ids import Commitment, Digest, SubjectHandle, digest_of
from gateway.wire.liveness import Challenge, LivenessTranscript
from gateway.wire.message import Message
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import FRESH_BYTES, Ciphertext
from gateway.wire.profile import LANES
from gateway.wire.quality import QualityRule
from gateway.wire.sealing import Sealed, SealingPrivateKey
from gateway.wire.submission import Submission, SubmissionAssertion, TemplateAssertion

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class ExpectedLiveness:
    """The challenge of the session, if any, and when it was offered."""

    challenge: Challenge | None
    offered_at: int


@dataclass(frozen=True)
class Expected:
    """What the gateway knows of the session before the submission arrives."""

    session: OpenSession
    authority_key: VerifyKey
    device_key: VerifyKey
    issuer_key: VerifyKey
    purpose: str
    consent_text_version: int
    policy: MatchPolicy
    quality: QualityRule
    liveness: ExpectedLiveness
    check_limit: Callable[[Sequence[SubjectHandle]], None]
    """Raises ``Refused`` if a subject has as many live activations as it may."""


@dataclass(frozen=True)
class CheckedSubmission:
    """A submission after steps 1 to 9."""

    template_assertion: Signed[TemplateAssertion]
    submission_assertion: Signed[SubmissionAssertion]
    template: Ciphertext
    probe: Ciphertext
    dealing: Dealing
    """The gateway's."""
    sealed_dealing: bytes = field(repr=False)
    """The authority's, sealed to it."""
    liveness: CheckedLiveness


@dataclass(frozen=True)
class DecidedSubmission:
    """A decision after step 15, with the subject's handles, the present one first."""

    decision: Signed[Decision]
    subject_handles: tuple[SubjectHandle, ...]
    audit: Signed[AuditReport] | None


@stage("submission-checks")
def check_submission(
    submission: Submission, expected: Expected, sealing: SealingPrivateKey, now: int
) -> CheckedSubmission:
    """Steps 1 to 9.

    Raises:
        MalformedMessage: an assertion, transcript or ciphertext is not a valid encoding.
        Refused: any other fault.
    """
    grant = expected.session.grant.message
    # 1, 2: whose signatures
    template = cose.verify(submission.template_assertion, TemplateAssertion, expected.issuer_key)
    device = cose.verify(submission.submission_assertion, SubmissionAssertion, expected.device_key)
    issued, made = template.message, device.message
    consent = submission.consent
    _require(
        {
            # 3: this session, this key, these parties
            "session": submission.session == issued.session == made.session == grant.session,
            "key": issued.key_id == made.key_id == grant.key_id,
            "parties": issued.issuer == grant.issuer and made.device == grant.device,
            # 4: about each other, in one model
            "template assertion": made.template_assertion_digest == template.digest,
            "model": issued.model_digest == made.model_digest == expected.policy.model_digest
            and issued.model_id == expected.policy.model_id,
            "quality": issued.quality.satisfies(expected.quality)
            and made.quality.satisfies(expected.quality),
            # 5: fresh
            "time": is_fresh(issued.issued_at, now)
            and is_fresh(made.captured_at, now)
            and is_fresh(consent.given_at, now),
            # 6: consent and purpose
            "purpose": made.purpose == consent.purpose == expected.purpose,
            "consent text": consent.text_version == expected.consent_text_version,
            "consent": made.consent_digest == consent.digest,
            # 7: liveness evidence
            "liveness evidence": made.liveness_evidence_digest
            == _digest_or_none(submission.liveness_evidence),
        }
    )
    liveness = _check_liveness(submission.liveness_evidence, expected, now)
    # 8: template and dealing
    opened = sealing.open(Sealed.TEMPLATE, submission.sealed_template, grant.session, grant.key_id)
    encrypted_template = Ciphertext.decode(opened[:FRESH_BYTES])
    dealing = Dealing.decode(opened[FRESH_BYTES:], GATEWAY)
    _require(
        {
            "template": encrypted_template.digest == issued.template_digest,
            "dealing": dealing.digest == issued.gateway_dealing_digest,
        }
    )
    # 9: the probe
    encrypted_probe = Ciphertext.decode(
        sealing.open(Sealed.PROBE, submission.sealed_probe, grant.session, grant.key_id)
    )
    _require({"probe": encrypted_probe.digest == made.probe_digest})
    return CheckedSubmission(
        template,
        device,
        encrypted_template,
        encrypted_probe,
        dealing,
        submission.sealed_dealing,
        liveness,
    )


def _check_liveness(evidence: bytes | None, expected: Expected, now: int) -> CheckedLiveness:
    asked = expected.liveness
    return assess(
        asked.challenge,
        None if evidence is None else LivenessTranscript.decode(evidence),
        expected.policy.model_digest,
        (now - asked.offered_at) * 1000,
    )


def _digest_or_none(evidence: bytes | None) -> Digest | None:
    return None if evidence is None else digest_of(evidence)


def decide(
    begin: NewEvaluation,
    checked: CheckedSubmission,
    expected: Expected,
    authority: AuthorityClient,
    auditor: Auditor | None = None,
) -> DecidedSubmission:
    """Steps 10 to 15.

    Raises:
        Refused: the inputs cancel each other, the subject has no room, the authority refuses, an
            audit is demanded and does not pass, or the decision is not about the inputs.
        Unavailable: authority or auditor do not answer, no worker is free, or a worker did not
            survive.
    """
    session = expected.session
    inputs = Inputs(
        grant=session.grant,
        public_key=session.public_key,
        policy=expected.policy,
        template_assertion=checked.template_assertion.encoded,
        submission_assertion=checked.submission_assertion.encoded,
        template=checked.template,
        probe=checked.probe,
        dealing=checked.dealing,
    )
    with stage("evaluation-begin"):
        evaluation = begin(inputs)
    with closing(evaluation):  # overwrites the seed, whether or not there is a decision
        return _decide(evaluation, inputs, checked, expected, authority, auditor)


def _decide(
    evaluation: Evaluating,
    inputs: Inputs,
    checked: CheckedSubmission,
    expected: Expected,
    authority: AuthorityClient,
    auditor: Auditor | None,
) -> DecidedSubmission:
    session = expected.session
    # 10: the attempt
    request = AttemptRequest(
        session=session.session_id,
        template_assertion=checked.template_assertion.encoded,
        submission_assertion=checked.submission_assertion.encoded,
        policy=expected.policy.encode(),
        seed_commitment=evaluation.seed_commitment,
        sealed_dealing=checked.sealed_dealing,
    )
    with stage("authority-attempt"):
        answer = authority.attempt(request)
    crash.reach("gateway-nonce-received")
    nonce = _from_authority(answer.nonce, AttemptNonce, expected.authority_key)
    _require(
        {
            "nonce's session": nonce.message.session == session.session_id,
            "nonce's request": nonce.message.request_digest == request.digest,
        }
    )
    # 11: the subject's limit
    expected.check_limit(answer.subject_handles)
    # 12: the padded product
    with stage("evaluation-product"):
        product, omega = evaluation.padded_product(nonce.message.nonce)
    crash.reach("gateway-product-made")
    with stage("authority-product"):
        values = authority.masked_values(
            ProductRequest(session=session.session_id, padded_product=product.encoded, omega=omega)
        )
    _require({"masked values": values.session == session.session_id})
    crash.reach("gateway-values-received")
    # 13: values and shares
    with stage("evaluation-open"):
        opened = evaluation.open(values.masked)
    crash.reach("gateway-shares-made")
    with stage("authority-shares"):
        response = authority.decision(
            SharesRequest(session=session.session_id, values=opened.values, shares=opened.shares)
        )
    digest = evaluation_digest(
        nonce.message.nonce, product.digest, omega, values.masked, opened.values, opened.shares
    )
    held = _held(checked, expected, digest, evaluation.seed_commitment)
    # 14: the audit
    report = None
    if response.demand is not None:
        crash.reach("gateway-demand-received")
        with stage("audit"):
            report = have_repeated(
                response.demand,
                held,
                expected.authority_key,
                auditor,
                evaluation,
                inputs,
                nonce,
                values.masked,
            )
        crash.reach("gateway-report-received")
        response = authority.audited_decision(
            AuditResult(session=session.session_id, report=report.encoded)
        )
    # 15: the decision
    crash.reach("gateway-decision-received")
    if response.decision is None:
        raise Refused("the authority demands a second audit")
    decision = _from_authority(response.decision, Decision, expected.authority_key)
    _require({"decision": Evaluated.of(decision.message) == held})
    return DecidedSubmission(decision, answer.subject_handles, report)


def _held(
    checked: CheckedSubmission,
    expected: Expected,
    evaluation: Digest,
    commitment: Commitment,
) -> Evaluated:
    """The evaluation as the gateway knows it."""
    grant = expected.session.grant.message
    return Evaluated(
        **grant.scope,
        key_id=grant.key_id,
        lanes=LANES,
        probe_digest=checked.probe.digest,
        template_digest=checked.template.digest,
        template_assertion_digest=checked.template_assertion.digest,
        submission_assertion_digest=checked.submission_assertion.digest,
        policy_digest=expected.policy.digest,
        model_digest=expected.policy.model_digest,
        evaluation_digest=evaluation,
        seed_commitment=commitment,
    )


def _from_authority(encoded: bytes, kind: type[M], key: VerifyKey) -> Signed[M]:
    try:
        return cose.verify(encoded, kind, key)
    except MalformedMessage:
        raise Refused(f"the authority sent a malformed {kind.__name__}") from None


def _require(checks: dict[str, bool]) -> None:
    for what, holds in checks.items():
        if not holds:
            raise Refused(f"{what} is not the expected one")
