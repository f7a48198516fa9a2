"""The messages that the vectors hold: one honest session, every field fixed."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from gateway.he.randomness import seed_commitment
from gateway.he.session_key import SessionKey, UniformHalf
from gateway.wire import cose
from gateway.wire.admin import NO_PREVIOUS, AdminAction
from gateway.wire.audit import (
    AuditDemand,
    AuditReport,
    AuditRequest,
    AuditResponse,
    AuditResult,
    Evaluated,
)
from gateway.wire.cose import Signed, SigningKey
from gateway.wire.erasure import (
    Erasure,
    ErasureProof,
    Withdrawal,
    erasure_commitment,
    erasure_secret,
    tombstone,
    withdrawal_mark,
)
from gateway.wire.evaluation import (
    AttemptAnswer,
    AttemptNonce,
    AttemptRequest,
    Decision,
    DecisionResponse,
    MaskedValues,
    ProductRequest,
    SharesRequest,
    evaluation_digest,
)
from gateway.wire.fallback import (
    FallbackApproval,
    FallbackAssertion,
    FallbackRequest,
    FallbackStatement,
)
from gateway.wire.ids import KeyId
from gateway.wire.liveness import (
    ActionTrace,
    AttemptTotals,
    Challenge,
    Counting,
    Exclusion,
    LivenessResult,
    LivenessTranscript,
    ReasonCount,
    encode_intervals,
    not_performed,
)
from gateway.wire.message import Message
from gateway.wire.policy import LanePolicy, MatchPolicy
from gateway.wire.polynomials import Ciphertext, PaddedProduct, ProductTail, SessionKeyHalf
from gateway.wire.profile import (
    DATA_PRIMES,
    KEY_PRIMES,
    LANES,
    PROFILE,
    SENT_MODULUS,
    SENT_PRIMES,
    T,
)
from gateway.wire.proof import ActivationOpening, Opening, Receipt, Statement
from gateway.wire.retention import RUN_KINDS, RetentionRun, RunLine
from gateway.wire.rights import (
    HeldUntil,
    KeptColumn,
    KeptRow,
    SignedSubjectRequest,
    SubjectAnswer,
    SubjectCopy,
    SubjectRequest,
    WithdrawalProof,
)
from gateway.wire.sealing import (
    SEALED_AUDIT_BYTES,
    SEALED_DEALING_BYTES,
    SEALED_PROBE_BYTES,
    SEALED_TEMPLATE_BYTES,
)
from gateway.wire.session import (
    SessionGrant,
    SessionKeyRequest,
    SessionKeyResponse,
    SessionOffer,
    SessionRequest,
)
from gateway.wire.subject import activation_commitment
from gateway.wire.submission import (
    ConsentRecord,
    Submission,
    SubmissionAssertion,
    TemplateAssertion,
)
from keys.custody import Custody
from keys.vault import MemoryMacKey
from tests.support import parties
from tests.support.parties import (
    AGENT,
    AUDITOR,
    AUTHORITY,
    DEVICE,
    GATEWAY,
    ISSUER,
    NOW,
    SUPERVISOR,
    fixed_bytes,
)
from tests.vectors import ordered
from tests.wire import notation

CONSTANTS: Final = {"A": 6364136223846793005, "B": 1442695040888963407, "C": 3037000499976049}


# --- long byte strings, by rule ------------------------------------------------------------------


def _words(polynomials: int, primes: tuple[int, ...], start: int = 0) -> np.ndarray:
    """The rule of ``notation`` in numpy, with the product's shapes; ``start`` is the first i."""
    i = np.arange(start, start + notation.DEGREE).astype(object)
    words = np.empty((polynomials, len(primes), notation.DEGREE), dtype=np.uint64)
    for p in range(polynomials):
        for k, prime in enumerate(primes):
            values = i * CONSTANTS["A"] + p * CONSTANTS["B"] + k * CONSTANTS["C"]
            words[p, k] = (values % prime).astype(np.uint64)
    return words


FRESH: Final = Ciphertext(_words(2, DATA_PRIMES))
PROBE: Final = Ciphertext(_words(2, DATA_PRIMES, notation.DEGREE))
"""Of the golden evaluation, whose template is ``FRESH``."""
HEAD: Final = (SENT_MODULUS - 1, 0x0123456789ABCDEF0123456789)
"""The largest number modulo Q', and one that uses 13 of the 14 bytes."""
PRODUCT: Final = PaddedProduct(HEAD, ProductTail(_words(2, SENT_PRIMES)))
HALF: Final = SessionKeyHalf(_words(1, KEY_PRIMES))
SEALED_LENGTHS: Final = {
    "sealed template": SEALED_TEMPLATE_BYTES,
    "sealed probe": SEALED_PROBE_BYTES,
    "sealed dealing": SEALED_DEALING_BYTES,
    "sealed audit": SEALED_AUDIT_BYTES,
}
SEALED: Final = {label: notation.shake256(label, n) for label, n in SEALED_LENGTHS.items()}
DEALINGS: Final = parties.fixed_dealings("golden")
"""The gateway's, and the authority's."""


# --- one honest session --------------------------------------------------------------------------

SESSION = parties.SESSION
SEED = fixed_bytes("seed")
SUBJECT_SALT = fixed_bytes("subject-salt")
ACTIVATION_SALT = fixed_bytes("activation-salt")
ACTIVATION = "+49 151 00000000"
ATTEMPT_NONCE = fixed_bytes("attempt-nonce")
OMEGA: Final = T - 1
MASKED: Final = (0, T - 1)
VALUES: Final = (T - 1, 12_345_678)
SHARES: Final = (0, 1)
RECORD_ID = fixed_bytes("record", 16)
POLICY = MatchPolicy(
    policy_id="cosine-0.419-0.341",
    assurance="unsigned-default",
    model_id="buffalo/w600k",
    model_digest=parties.MODEL_DIGEST,
    lanes=(LanePolicy.for_cosine("0.419"), LanePolicy.for_cosine("0.341")),
)
CONSENT = ConsentRecord(
    text_version=1,
    language="de",
    purpose="sim-activation",
    given_at=NOW - 120,
    salt=fixed_bytes("consent-salt"),
)
CONSENT_OF_GUARDIAN = CONSENT.model_copy(
    update={"given_by": "guardian", "guardian_commitment": fixed_bytes("guardian")}
)

_PARTIES = {
    "gateway": GATEWAY.party,
    "authority": AUTHORITY.party,
    "device": DEVICE.party,
    "issuer": ISSUER.party,
}
KEY_REQUEST = SessionKeyRequest(
    profile=PROFILE,
    session=SESSION,
    gateway=GATEWAY.party,
    device=DEVICE.party,
    issuer=ISSUER.party,
    client_nonce=parties.NONCE,
    gateway_nonce=parties.GATEWAY_NONCE,
)
KEY: Final = SessionKey(HALF, UniformHalf.of(KEY_REQUEST))
_SESSION_KEY = {"session": SESSION, "key_id": KEY.key_id}

GRANT = SessionGrant(
    profile=PROFILE,
    **_SESSION_KEY,
    **_PARTIES,
    client_nonce=parties.NONCE,
    gateway_nonce=parties.GATEWAY_NONCE,
    expires_at=NOW + 300,
)
SIGNED_GRANT = cose.sign(GRANT, AUTHORITY)

TEMPLATE = TemplateAssertion(
    **_SESSION_KEY,
    issuer=ISSUER.party,
    template_digest=FRESH.digest,
    gateway_dealing_digest=DEALINGS[0].digest,
    authority_dealing_digest=DEALINGS[1].digest,
    model_id="buffalo/w600k",
    model_digest=parties.MODEL_DIGEST,
    quality=parties.QUALITY,
    portrait_source="chip-verified",
    subject_inner=parties.SUBJECT.inner(parties.SITE_SALT),
    subject_commitment=parties.SUBJECT.commitment(SUBJECT_SALT),
    document_type="passport",
    issued_at=NOW + 10,
)
SIGNED_TEMPLATE = cose.sign(TEMPLATE, ISSUER)

EXCLUDED = Exclusion(kind="open-mouth", reason="cannot-perform")
CHALLENGE = Challenge(
    session=SESSION,
    nonce=fixed_bytes("challenge-nonce"),
    actions=("blink", "turn-left", "blink"),
    excluded=(EXCLUDED,),
    start_ms=1234,
    limit_ms=20_000,
    passive="warn",
    passive_threshold=50,
    required=True,
)
IMPOSSIBLE = CHALLENGE.model_copy(
    update={
        "actions": (),
        "excluded": (EXCLUDED, Exclusion(kind="blink", reason="cannot-be-seen")),
        "passive": "off",
        "required": False,
    }
)
COUNTING = Counting(moments=(1100, 2950, 4500, 7100, 8420), latest_ms=1200, tolerance_ms=280)
COUNT = CHALLENGE.model_copy(
    update={"actions": ("turn-left", "count"), "counting": COUNTING},
)
TRACE = ActionTrace(
    kind="turn-left", asked_ms=2160, start_ms=2760, peak_ms=3240, end_ms=3640, rest=-2, reach=31
)
TRACES = (
    ActionTrace(
        kind="blink", asked_ms=1240, start_ms=1920, peak_ms=1960, end_ms=2080, rest=3, reach=97
    ),
    TRACE,
    ActionTrace(
        kind="blink", asked_ms=3720, start_ms=4400, peak_ms=4480, end_ms=4560, rest=5, reach=92
    ),
)
TRACE_OF_COUNT = ActionTrace(
    kind="count",
    asked_ms=3640,
    start_ms=5240,
    peak_ms=8600,
    end_ms=12_640,
    rest=4,
    reach=15,
    openings=(5240, 7080, 8520, 11_200, 12_560),
)
TOTALS = AttemptTotals(
    attempts=2, seconds=31, reasons=(ReasonCount(reason="wrong-action", count=1),)
)
TRANSCRIPT = LivenessTranscript(
    session=SESSION,
    challenge_digest=CHALLENGE.digest,
    model_digest=parties.MODEL_DIGEST,
    intervals=encode_intervals(range(0, 4601, 40)),
    actions=TRACES,
    longest_gap_ms=80,
    face_changes=0,
    passive=88,
    totals=TOTALS,
)
LIVENESS = LivenessResult(
    outcome="passed",
    asked=CHALLENGE.actions,
    excluded=CHALLENGE.excluded,
    passive=CHALLENGE.passive,
    evidence_digest=TRANSCRIPT.digest,
)

_SUBMISSION = {
    **_SESSION_KEY,
    "device": DEVICE.party,
    "probe_digest": FRESH.digest,
    "template_assertion_digest": SIGNED_TEMPLATE.digest,
    "model_digest": parties.MODEL_DIGEST,
    "quality": parties.QUALITY,
    "consent_digest": CONSENT.digest,
    "activation_commitment": activation_commitment(ACTIVATION, ACTIVATION_SALT),
    "erasure_commitment": erasure_commitment(erasure_secret(SUBJECT_SALT, ACTIVATION_SALT)),
    "purpose": "sim-activation",
    "agent": "agent-4",
    "outlet": "outlet-2",
    "captured_at": NOW + 20,
}
SUBMISSION_ASSERTION = SubmissionAssertion(**_SUBMISSION, liveness_evidence_digest=None)
SIGNED_SUBMISSION = cose.sign(SUBMISSION_ASSERTION, DEVICE)

ATTEMPT = AttemptRequest(
    session=SESSION,
    template_assertion=SIGNED_TEMPLATE.encoded,
    submission_assertion=SIGNED_SUBMISSION.encoded,
    policy=POLICY.encode(),
    seed_commitment=seed_commitment(SESSION, SEED),
    sealed_dealing=SEALED["sealed dealing"],
)
NONCE_STATED = AttemptNonce(session=SESSION, request_digest=ATTEMPT.digest, nonce=ATTEMPT_NONCE)
SIGNED_NONCE = cose.sign(NONCE_STATED, AUTHORITY)

DECISION = Decision(
    profile=PROFILE,
    **_SESSION_KEY,
    **_PARTIES,
    outcome="MATCH",
    lanes=LANES,
    probe_digest=FRESH.digest,
    template_digest=FRESH.digest,
    template_assertion_digest=SIGNED_TEMPLATE.digest,
    submission_assertion_digest=SIGNED_SUBMISSION.digest,
    policy_digest=POLICY.digest,
    model_digest=parties.MODEL_DIGEST,
    evaluation_digest=evaluation_digest(
        ATTEMPT_NONCE, PRODUCT.digest, OMEGA, MASKED, VALUES, SHARES
    ),
    seed_commitment=seed_commitment(SESSION, SEED),
)
SIGNED_DECISION = cose.sign(DECISION, AUTHORITY)

EVALUATED = Evaluated.of(DECISION)
DEMAND = AuditDemand(
    evaluated=EVALUATED, nonce=fixed_bytes("audit-nonce"), expires_at=NOW + 25 + 60
)
SIGNED_DEMAND = cose.sign(DEMAND, AUTHORITY)
REPORT = AuditReport(
    auditor=AUDITOR.party,
    demand_digest=SIGNED_DEMAND.digest,
    evaluated_digest=EVALUATED.digest,
    assertions_verified=True,
)
SIGNED_REPORT = cose.sign(REPORT, AUDITOR)

STATEMENT = Statement(
    record_id=RECORD_ID,
    kind="decision",
    profile=PROFILE,
    session=SESSION,
    **_PARTIES,
    agent="agent-4",
    outlet="outlet-2",
    decided_at_minute=NOW + 30 - (NOW + 30) % 60,
    purpose="sim-activation",
    policy_digest=POLICY.digest,
    policy_assurance="unsigned-default",
    model_id="buffalo/w600k",
    portrait_quality=TEMPLATE.quality,
    portrait_source=TEMPLATE.portrait_source,
    live_quality=SUBMISSION_ASSERTION.quality,
    liveness=not_performed(),
    consent_digest=CONSENT.digest,
    consent_text_version=1,
    subject_commitment=TEMPLATE.subject_commitment,
    activation_commitment=SUBMISSION_ASSERTION.activation_commitment,
    erasure_commitment=SUBMISSION_ASSERTION.erasure_commitment,
    decision=SIGNED_DECISION.encoded,
    audit=None,
)
AUDITED_STATEMENT = STATEMENT.model_copy(update={"audit": SIGNED_REPORT.encoded})
SIGNED_STATEMENT = cose.sign(STATEMENT, GATEWAY)

_OFFER = {
    "grant": SIGNED_GRANT.encoded,
    "public_key": HALF.encoded,
    "policy": POLICY.encode(),
}
_SUBMIT = {
    "session": SESSION,
    "sealed_template": SEALED["sealed template"],
    "sealed_dealing": SEALED["sealed dealing"],
    "template_assertion": SIGNED_TEMPLATE.encoded,
    "sealed_probe": SEALED["sealed probe"],
    "submission_assertion": SIGNED_SUBMISSION.encoded,
    "consent": CONSENT,
}

HANDLES: Final = (
    *Custody(AUTHORITY, MemoryMacKey(parties.PEPPER)).handles(
        GATEWAY.party, TEMPLATE.subject_inner
    ),
    fixed_bytes("handle of the former period"),
)

ADDED = AdminAction(
    server=GATEWAY.party,
    verb="add",
    kind="consent-text",
    party="2",
    key_id=KeyId(fixed_bytes("digest of the consent texts")),
    at=NOW,
    previous=NO_PREVIOUS,
)

ERASURE = Erasure(
    gateway=GATEWAY.party,
    erasure_id=fixed_bytes("erasure")[:16],
    tombstone=tombstone(SIGNED_STATEMENT.encoded),
    erased_on=NOW // 86400,
)
SIGNED_ERASURE = cose.sign(ERASURE, GATEWAY)
WITHDRAWAL = Withdrawal(
    gateway=GATEWAY.party,
    withdrawal_id=fixed_bytes("withdrawal")[:16],
    mark=withdrawal_mark(SIGNED_STATEMENT.encoded),
    consent_text_version=1,
    withdrawn_on=NOW // 86400,
)
SIGNED_WITHDRAWAL = cose.sign(WITHDRAWAL, GATEWAY)
RUN = RetentionRun(
    gateway=GATEWAY.party,
    number=12,
    schedule_digest=fixed_bytes("retention schedule"),
    began_at=NOW,
    ended_at=NOW + 2,
    guard="kept",
    lines=tuple(
        RunLine(
            kind=kind,
            removed=place,
            removed_in_all=place * 1000,
            held=0,
            overdue=0,
            kept=place * 5000,
            oldest=None if kind == "holds" else NOW + place,
        )
        for place, kind in enumerate(RUN_KINDS)
    ),
)
SIGNED_RUN = cose.sign(RUN, GATEWAY)

_FALLBACK = {
    "gateway": GATEWAY.party,
    "device": DEVICE.party,
    "agent": AGENT.party,
    "supervisor": SUPERVISOR.party,
    "outlet": "outlet-2",
    "purpose": "sim-activation",
    "reason": "declined",
    "means": ("document-in-person", "existing-account"),
    "consent_text_version": 1,
    "subject_commitment": TEMPLATE.subject_commitment,
    "activation_commitment": activation_commitment(ACTIVATION, ACTIVATION_SALT),
    "erasure_commitment": erasure_commitment(erasure_secret(SUBJECT_SALT, ACTIVATION_SALT)),
}
FALLBACK_ASSERTION = FallbackAssertion(
    **_FALLBACK,
    assertion_id=fixed_bytes("fallback assertion")[:16],
    asserted_at_minute=NOW - NOW % 60,
)
SIGNED_FALLBACK_ASSERTION = cose.sign(FALLBACK_ASSERTION, AGENT)
FALLBACK_APPROVAL = FallbackApproval(
    gateway=GATEWAY.party,
    supervisor=SUPERVISOR.party,
    assertion_digest=SIGNED_FALLBACK_ASSERTION.digest,
    approved_at_minute=NOW - NOW % 60,
)
SIGNED_FALLBACK_APPROVAL = cose.sign(FALLBACK_APPROVAL, SUPERVISOR)
FALLBACK_STATEMENT = FallbackStatement(
    **_FALLBACK,
    record_id=RECORD_ID,
    kind="fallback",
    recorded_at_minute=NOW - NOW % 60,
    agent_key=AGENT.public.raw,
    supervisor_key=SUPERVISOR.public.raw,
    assertion=SIGNED_FALLBACK_ASSERTION.encoded,
    approval=SIGNED_FALLBACK_APPROVAL.encoded,
)
SIGNED_FALLBACK_STATEMENT = cose.sign(FALLBACK_STATEMENT, GATEWAY)

OPENING = Opening(
    subject_salt=SUBJECT_SALT,
    activation_salt=ACTIVATION_SALT,
    activation_reference=ACTIVATION,
    consent=CONSENT.encode(),
)

SUBJECT_REQUEST = SubjectRequest(
    gateway=GATEWAY.party,
    device=DEVICE.party,
    record_id=RECORD_ID,
    wish="copy",
    secret=OPENING.erasure_secret,
    requested_at=NOW + 3600,
)
SIGNED_SUBJECT_REQUEST = cose.sign(SUBJECT_REQUEST, DEVICE)
COLUMNS = (
    KeptColumn(name="record_id", value=RECORD_ID),
    KeptColumn(name="outcome", value="MATCH"),
    KeptColumn(name="log_index", value=None),
    KeptColumn(name="expires_at", value=NOW + 180 * 86400),
)
COPY = SubjectCopy(
    gateway=GATEWAY.party,
    copy_id=fixed_bytes("copy", 16),
    request_digest=SIGNED_SUBJECT_REQUEST.digest,
    made_at=NOW + 3601,
    scope="document",
    rows=(KeptRow(table="records", columns=COLUMNS),),
    live_lines=2,
    left_out=0,
)
HELD = HeldUntil(reason="court-order", until=NOW + 365 * 86400)
ERASURE_PROOF = ErasureProof(erasure=SIGNED_ERASURE.encoded, log_proof=None)
WITHDRAWAL_PROOF = WithdrawalProof(withdrawal=SIGNED_WITHDRAWAL.encoded, log_proof=None)


def answered(wish: str, **done: Any) -> SubjectAnswer:
    """An answer to a wish, with what was done."""
    nothing = dict.fromkeys(("kept", "withdrawal", "erasure", "held"))
    return SubjectAnswer(wish=wish, **{**nothing, **done})  # type: ignore[arg-type]


MESSAGES: Final[dict[str, tuple[Message, ...]]] = {
    "admin-action": (
        ADDED.model_copy(
            update={
                "verb": "enrol",
                "kind": "device",
                "party": DEVICE.party,
                "key_id": DEVICE.public.key_id,
            }
        ),
        ADDED,
        ADDED.model_copy(update={"verb": "retire", "party": "1", "key_id": None}),
        ADDED.model_copy(update={"verb": "reap", "kind": "retention", "party": "12"}),
    ),
    "run-line": RUN.lines,
    "retention-run": (RUN,),
    "erasure": (ERASURE,),
    "withdrawal": (WITHDRAWAL,),
    "erasure-proof": (
        ErasureProof(erasure=SIGNED_ERASURE.encoded, log_proof=None),
        ErasureProof(erasure=SIGNED_ERASURE.encoded, log_proof=fixed_bytes("proof")),
    ),
    "fallback-assertion": (
        FALLBACK_ASSERTION,
        FALLBACK_ASSERTION.model_copy(
            update={"reason": "not-possible", "means": ("document-in-person",)}
        ),
    ),
    "fallback-approval": (FALLBACK_APPROVAL,),
    "fallback-request": (
        FallbackRequest(
            assertion=SIGNED_FALLBACK_ASSERTION.encoded,
            approval=SIGNED_FALLBACK_APPROVAL.encoded,
        ),
    ),
    "fallback-statement": (FALLBACK_STATEMENT,),
    "session-request": tuple(
        SessionRequest(
            profile=PROFILE,
            gateway=GATEWAY.party,
            device=DEVICE.party,
            issuer=ISSUER.party,
            client_nonce=parties.NONCE,
            purpose="sim-activation",
            consent_text_version=1,
            exclusions=exclusions,
        )
        for exclusions in ((), (EXCLUDED,))
    ),
    "session-key-request": (KEY_REQUEST,),
    "session-grant": (GRANT,),
    "session-key-response": (
        SessionKeyResponse(grant=SIGNED_GRANT.encoded, public_key=HALF.encoded),
    ),
    "session-offer": (
        SessionOffer(**_OFFER, challenge=None),
        SessionOffer(**_OFFER, challenge=CHALLENGE.encode()),
    ),
    "face-quality": (
        parties.QUALITY,
        parties.QUALITY.model_copy(update={"outcome": "uncalibrated"}),
    ),
    "template-assertion": (
        TEMPLATE,
        TEMPLATE.model_copy(update={"portrait_source": "mobile-verified"}),
    ),
    "consent-record": (CONSENT, CONSENT_OF_GUARDIAN),
    "submission-assertion": (
        SUBMISSION_ASSERTION,
        SubmissionAssertion(**_SUBMISSION, liveness_evidence_digest=TRANSCRIPT.digest),
    ),
    "submission": (
        Submission(**_SUBMIT, liveness_evidence=None),
        Submission(**_SUBMIT, liveness_evidence=TRANSCRIPT.encode()),
    ),
    "attempt-request": (ATTEMPT,),
    "attempt-nonce": (NONCE_STATED,),
    "attempt-answer": (
        AttemptAnswer(nonce=SIGNED_NONCE.encoded, subject_handles=(HANDLES[0],)),
        AttemptAnswer(nonce=SIGNED_NONCE.encoded, subject_handles=HANDLES),
    ),
    "product-request": (
        ProductRequest(session=SESSION, padded_product=PRODUCT.encoded, omega=OMEGA),
    ),
    "masked-values": (MaskedValues(session=SESSION, masked=MASKED),),
    "shares-request": (SharesRequest(session=SESSION, values=VALUES, shares=SHARES),),
    "decision": (DECISION, DECISION.model_copy(update={"outcome": "NO_MATCH"})),
    "decision-response": (
        DecisionResponse(decision=SIGNED_DECISION.encoded, demand=None),
        DecisionResponse(decision=None, demand=SIGNED_DEMAND.encoded),
    ),
    "evaluated": (EVALUATED,),
    "audit-demand": (DEMAND,),
    "audit-request": (
        AuditRequest(
            demand=SIGNED_DEMAND.encoded,
            grant=SIGNED_GRANT.encoded,
            public_key=HALF.encoded,
            policy=POLICY.encode(),
            template_assertion=SIGNED_TEMPLATE.encoded,
            submission_assertion=SIGNED_SUBMISSION.encoded,
            nonce=SIGNED_NONCE.encoded,
            masked=MASKED,
            sealed_secret=SEALED["sealed audit"],
        ),
    ),
    "audit-report": (REPORT,),
    "audit-response": (AuditResponse(report=SIGNED_REPORT.encoded),),
    "audit-result": (AuditResult(session=SESSION, report=SIGNED_REPORT.encoded),),
    "lane-policy": (LanePolicy.for_cosine("0.419"), LanePolicy.for_cosine("0.341")),
    "match-policy": (POLICY, parties.policy()),
    "exclusion": (EXCLUDED,),
    "counting": (COUNTING,),
    "challenge": (CHALLENGE, IMPOSSIBLE, COUNT),
    "action-trace": (TRACE, TRACE_OF_COUNT),
    "reason-count": TOTALS.reasons,
    "attempt-totals": (TOTALS,),
    "liveness-transcript": (
        TRANSCRIPT,
        TRANSCRIPT.model_copy(update={"passive": None, "intervals": b""}),
    ),
    "liveness-result": (LIVENESS, not_performed()),
    "statement": (
        STATEMENT,
        STATEMENT.model_copy(update={"liveness": LIVENESS}),
        AUDITED_STATEMENT,
        STATEMENT.model_copy(
            update={
                "policy_digest": ordered.SIGNED_POLICY.digest,
                "policy_assurance": "signed",
                "policy_approval": ordered.SIGNED_POLICY_AGREEMENT.digest,
            }
        ),
    ),
    "receipt": (
        Receipt(statement=SIGNED_STATEMENT.encoded, log_proof=None),
        Receipt(statement=SIGNED_STATEMENT.encoded, log_proof=b"c2sp.org/tlog-proof@v1\n"),
    ),
    "activation-opening": (
        ActivationOpening(
            record_id=RECORD_ID,
            activation_salt=ACTIVATION_SALT,
            activation_reference=ACTIVATION,
        ),
    ),
    "opening": (
        OPENING,
        OPENING.model_copy(update={"consent": CONSENT_OF_GUARDIAN.encode()}),
        OPENING.model_copy(update={"consent": None}),
    ),
    "subject-request": (
        SUBJECT_REQUEST,
        SUBJECT_REQUEST.model_copy(update={"wish": "erase"}),
        SUBJECT_REQUEST.model_copy(update={"wish": "withdraw"}),
    ),
    "signed-subject-request": (SignedSubjectRequest(request=SIGNED_SUBJECT_REQUEST.encoded),),
    "kept-column": COLUMNS,
    "kept-row": COPY.rows,
    "subject-copy": (COPY, COPY.model_copy(update={"scope": "record", "live_lines": None})),
    "held-until": (HELD,),
    "withdrawal-proof": (
        WITHDRAWAL_PROOF,
        WITHDRAWAL_PROOF.model_copy(update={"log_proof": fixed_bytes("proof")}),
    ),
    "subject-answer": (
        answered("copy", kept=COPY),
        answered("erase", erasure=ERASURE_PROOF),
        answered("erase", held=HELD),
        answered("withdraw", withdrawal=WITHDRAWAL_PROOF, erasure=ERASURE_PROOF),
        answered("withdraw", withdrawal=WITHDRAWAL_PROOF, held=HELD),
    ),
} | ordered.MESSAGES

SIGNED: Final[dict[str, tuple[SigningKey, Signed[Any]]]] = {
    "session-grant": (AUTHORITY, SIGNED_GRANT),
    "template-assertion": (ISSUER, SIGNED_TEMPLATE),
    "submission-assertion": (DEVICE, SIGNED_SUBMISSION),
    "attempt-nonce": (AUTHORITY, SIGNED_NONCE),
    "decision": (AUTHORITY, SIGNED_DECISION),
    "audit-demand": (AUTHORITY, SIGNED_DEMAND),
    "audit-report": (AUDITOR, SIGNED_REPORT),
    "statement": (GATEWAY, SIGNED_STATEMENT),
    "erasure": (GATEWAY, SIGNED_ERASURE),
    "retention-run": (GATEWAY, SIGNED_RUN),
    "withdrawal": (GATEWAY, SIGNED_WITHDRAWAL),
    "subject-request": (DEVICE, SIGNED_SUBJECT_REQUEST),
    "fallback-assertion": (AGENT, SIGNED_FALLBACK_ASSERTION),
    "fallback-approval": (SUPERVISOR, SIGNED_FALLBACK_APPROVAL),
    "fallback-statement": (GATEWAY, SIGNED_FALLBACK_STATEMENT),
} | ordered.SIGNED
