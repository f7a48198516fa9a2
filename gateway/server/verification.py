"""The numbered steps between a submission and a record (protocol, sections 6, 8 and 10).

Checks on what came from the client; each failure is a refusal that tells the sender nothing more:

1.  The template assertion is signed by the session's issuer, who is still enrolled.
2.  The submission assertion is signed by the session's device, which is still enrolled.
3.  Both assertions speak of this session and its key, and of the parties that signed them.
4.  The submission names this template assertion; both name the policy's model.
5.  Both are fresh.
6.  Consent and purpose are those for which the session was opened, and those signed.
7.  The liveness evidence is what was signed; it answers this session's challenge, plausibly;
    where the challenge says required, it is there.
8.  The sealed template opens, is a canonical ciphertext, and has the asserted digest.
9.  The probe is a canonical ciphertext and has the asserted digest.

The private decision:

10. Masked product to the authority, with both assertions and the seed's commitment.
11. Encrypted bits back, for this session, a canonical ciphertext.
12. The subject has room for one more live activation, under any of its handles.
13. Blinded rows to the authority, signed decision back, or a signed demand for an audit.
14. Where an audit is demanded: the pinned auditor repeats the evaluation that this side holds, its
    signed report goes to the authority, signed decision back.
15. The decision is signed by the pinned authority and names exactly what this side holds.

This module has no clock and no storage: they are passed in or left to ``service``.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from gateway.he.evaluation import Inputs
from gateway.server.audit import Auditor, have_repeated
from gateway.server.authority_client import AuthorityClient
from gateway.server.evaluation import Evaluating, NewEvaluation
from gateway.server.liveness import CheckedLiveness, assess
from gateway.server.sessions import OpenSession
from gateway.wire import cose
from gateway.wire.audit import AuditReport, AuditResult, Evaluated
from gateway.wire.cose import Signed, VerifyKey
from gateway.wire.errors import MalformedMessage, Refused
from gateway.wire.evaluation import BlindedRows, Decision, MaskedProduct
from gateway.wire.host import crash
from gateway.wire.ids import Digest, SubjectHandle, digest_of
from gateway.wire.liveness import Challenge, LivenessTranscript
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import Ciphertext
from gateway.wire.sealing import SealingPrivateKey
from gateway.wire.submission import Submission, SubmissionAssertion, TemplateAssertion

MAX_AGE = 15 * 60
CLOCK_SKEW = 60
"""Seconds."""


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
    liveness: ExpectedLiveness
    check_limit: Callable[[Sequence[SubjectHandle]], None]
    """Raises ``Refused`` when a subject has as many live activations as it may."""


@dataclass(frozen=True)
class CheckedSubmission:
    """A submission after steps 1 to 9."""

    template_assertion: Signed[TemplateAssertion]
    submission_assertion: Signed[SubmissionAssertion]
    template: Ciphertext
    probe: Ciphertext
    liveness: CheckedLiveness


@dataclass(frozen=True)
class Verdict:
    """A decision after step 15, with the subject's handle for the record."""

    decision: Signed[Decision]
    subject_handle: SubjectHandle
    audit: Signed[AuditReport] | None


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
            # 5: fresh
            "time": _fresh(issued.issued_at, now)
            and _fresh(made.captured_at, now)
            and _fresh(consent.given_at, now),
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
    # 8: the template
    template_bytes = sealing.open(submission.sealed_template, grant.session, grant.key_id)
    encrypted_template = Ciphertext.decode(template_bytes, polynomials=2)
    _require({"template": encrypted_template.digest == issued.template_digest})
    # 9: the probe
    encrypted_probe = Ciphertext.decode(submission.probe, polynomials=2)
    _require({"probe": encrypted_probe.digest == made.probe_digest})
    return CheckedSubmission(template, device, encrypted_template, encrypted_probe, liveness)


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
) -> Verdict:
    """Steps 10 to 15.

    Raises:
        Refused: the inputs cancel, the subject has no room, the authority refuses, an audit is
            demanded and does not pass, or the decision is not about the inputs.
        Unavailable: authority or auditor do not answer, or a worker did not survive.
    """
    session = expected.session
    inputs = Inputs(
        session=session.session_id,
        public_key=session.public_key,
        policy=expected.policy,
        grant=session.grant.encoded,
        template_assertion=checked.template_assertion.encoded,
        submission_assertion=checked.submission_assertion.encoded,
        template=checked.template,
        probe=checked.probe,
    )
    evaluation = begin(inputs)
    with closing(evaluation):  # the seed is overwritten when the decision arrives, or does not
        return _decide(evaluation, inputs, checked, expected, authority, auditor)


def _decide(
    evaluation: Evaluating,
    inputs: Inputs,
    checked: CheckedSubmission,
    expected: Expected,
    authority: AuthorityClient,
    auditor: Auditor | None,
) -> Verdict:
    session = expected.session
    # 10: masked product
    product = evaluation.masked_product()
    crash.reach("gateway-product-made")
    answer = authority.encrypted_bits(
        MaskedProduct(
            session=session.session_id,
            template_assertion=checked.template_assertion.encoded,
            submission_assertion=checked.submission_assertion.encoded,
            lanes=len(expected.policy.lanes),
            policy_digest=expected.policy.digest,
            seed_commitment=evaluation.seed_commitment,
            masked_product=product.encoded,
        )
    )
    # 11: encrypted bits
    crash.reach("gateway-bits-received")
    _require({"encrypted bits": answer.session == session.session_id})
    bits = _from_authority(answer.encrypted_bits)
    # 12: the subject's limit
    expected.check_limit(answer.subject_handles)
    # 13: blinded rows
    rows = evaluation.blinded_rows(bits)
    crash.reach("gateway-rows-made")
    response = authority.decision(
        BlindedRows(session=session.session_id, blinded_rows=rows.encoded)
    )
    held = _held(checked, expected, product.digest, bits.digest, rows.digest, evaluation)
    # 14: the audit
    report = None
    if response.demand is not None:
        crash.reach("gateway-demand-received")
        report = have_repeated(
            response.demand, held, expected.authority_key, auditor, evaluation, inputs, bits
        )
        crash.reach("gateway-report-received")
        response = authority.audited_decision(
            AuditResult(session=session.session_id, report=report.encoded)
        )
    # 15: the decision
    crash.reach("gateway-decision-received")
    if response.decision is None:
        raise Refused("the authority demands a second audit")
    decision = _from_authority_signed(response.decision, expected.authority_key)
    _require({"decision": Evaluated.of(decision.message) == held})
    return Verdict(decision, answer.subject_handles[0], report)


def _held(
    checked: CheckedSubmission,
    expected: Expected,
    product: Digest,
    bits: Digest,
    rows: Digest,
    evaluation: Evaluating,
) -> Evaluated:
    """The evaluation, as this side knows it."""
    grant = expected.session.grant.message
    return Evaluated(
        **grant.scope,
        key_id=grant.key_id,
        lanes=len(expected.policy.lanes),
        probe_digest=checked.probe.digest,
        template_digest=checked.template.digest,
        template_assertion_digest=checked.template_assertion.digest,
        submission_assertion_digest=checked.submission_assertion.digest,
        policy_digest=expected.policy.digest,
        model_digest=expected.policy.model_digest,
        masked_product_digest=product,
        encrypted_bits_digest=bits,
        blinded_rows_digest=rows,
        seed_commitment=evaluation.seed_commitment,
    )


def _from_authority(encoded: bytes) -> Ciphertext:
    try:
        return Ciphertext.decode(encoded, polynomials=2)
    except MalformedMessage:
        raise Refused("the authority sent a malformed ciphertext") from None


def _from_authority_signed(encoded: bytes, key: VerifyKey) -> Signed[Decision]:
    try:
        return cose.verify(encoded, Decision, key)
    except MalformedMessage:
        raise Refused("the authority sent a malformed decision") from None


def _require(checks: dict[str, bool]) -> None:
    for what, holds in checks.items():
        if not holds:
            raise Refused(f"{what} is not the expected one")


def _fresh(stated: int, now: int) -> bool:
    return now - MAX_AGE <= stated <= now + CLOCK_SKEW
