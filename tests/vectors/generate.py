"""Writes the test vectors: ``.venv/bin/python -m tests.vectors.generate``.

Everything is fixed, so a second run changes nothing; a test compares these files with what the
code makes now. A changed byte is a changed protocol: it needs a version, not a new vector.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final
from unittest import mock

import numpy as np

from gateway.he import transcript
from gateway.he.randomness import seed_commitment
from gateway.wire import cose, requests
from gateway.wire.audit import (
    AuditDemand,
    AuditReport,
    AuditRequest,
    AuditResponse,
    AuditResult,
    Evaluated,
)
from gateway.wire.cose import Signed, SigningKey
from gateway.wire.evaluation import (
    BlindedRows,
    Decision,
    DecisionResponse,
    EncryptedBits,
    MaskedProduct,
)
from gateway.wire.liveness import (
    ActionTrace,
    AttemptTotals,
    Challenge,
    Exclusion,
    LivenessResult,
    LivenessTranscript,
    ReasonCount,
    encode_intervals,
    not_performed,
)
from gateway.wire.message import Message
from gateway.wire.policy import LanePolicy, MatchPolicy
from gateway.wire.polynomials import Ciphertext, SessionPublicKey
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, PROFILE
from gateway.wire.proof import Opening, Receipt, Statement
from gateway.wire.sealing import SEALED_AUDIT_BYTES, SEALED_BYTES
from gateway.wire.session import (
    SessionGrant,
    SessionKeyRequest,
    SessionKeyResponse,
    SessionOffer,
    SessionRequest,
)
from gateway.wire.subject import Subject, activation_commitment
from gateway.wire.submission import (
    ConsentRecord,
    Submission,
    SubmissionAssertion,
    TemplateAssertion,
)
from keys.custody import Custody
from tests.support import parties
from tests.support.parties import AUDITOR, AUTHORITY, DEVICE, GATEWAY, ISSUER, NOW, fixed_bytes
from tests.vectors import faults, log
from tests.wire import notation

HERE: Final = Path(__file__).parent
CONSTANTS: Final = {"A": 6364136223846793005, "B": 1442695040888963407, "C": 3037000499976049}

Document = dict[str, Any]


# --- long byte strings, by rule ------------------------------------------------------------------


def _words(polynomials: int, primes: tuple[int, ...]) -> np.ndarray:
    """The rule of ``notation`` in numpy, with the product's shapes."""
    i = np.arange(notation.DEGREE).astype(object)
    words = np.empty((polynomials, len(primes), notation.DEGREE), dtype=np.uint64)
    for p in range(polynomials):
        for k, prime in enumerate(primes):
            values = i * CONSTANTS["A"] + p * CONSTANTS["B"] + k * CONSTANTS["C"]
            words[p, k] = (values % prime).astype(np.uint64)
    return words


FRESH: Final = Ciphertext(_words(2, DATA_PRIMES))
PRODUCT: Final = Ciphertext(_words(3, DATA_PRIMES))
PUBLIC_KEY: Final = SessionPublicKey(_words(2, KEY_PRIMES))
SEALED: Final = notation.shake256("sealed template", SEALED_BYTES)
SEALED_AUDIT: Final = notation.shake256("sealed audit", SEALED_AUDIT_BYTES)


def _polynomial_rule(count: int, primes: tuple[int, ...], encoded: bytes) -> Document:
    rule = {"$polynomials": count, "primes": list(primes), **CONSTANTS}
    return rule | notation.summary(encoded)


RULES: Final[dict[bytes, Document]] = {
    FRESH.encoded: _polynomial_rule(2, DATA_PRIMES, FRESH.encoded),
    PRODUCT.encoded: _polynomial_rule(3, DATA_PRIMES, PRODUCT.encoded),
    PUBLIC_KEY.encoded: _polynomial_rule(2, KEY_PRIMES, PUBLIC_KEY.encoded),
    SEALED: {"$shake256": "sealed template", "length": SEALED_BYTES} | notation.summary(SEALED),
    SEALED_AUDIT: {"$shake256": "sealed audit", "length": SEALED_AUDIT_BYTES}
    | notation.summary(SEALED_AUDIT),
}


def describe(value: Any) -> Any:
    """A message's map in the notation."""
    if isinstance(value, dict):
        return {key: describe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, bytes):
        return RULES.get(value) or {"$hex": value.hex()}
    return value


# --- one honest session --------------------------------------------------------------------------

SESSION = parties.SESSION
SEED = fixed_bytes("seed")
SUBJECT_SALT = fixed_bytes("subject-salt")
ACTIVATION_SALT = fixed_bytes("activation-salt")
ACTIVATION = "+49 151 00000000"
RECORD_ID = fixed_bytes("record", 16)
POLICY = MatchPolicy(
    policy_id="cosine-0.419-lanes-2",
    assurance="unsigned-default",
    model_id="buffalo/w600k",
    model_digest=parties.MODEL_DIGEST,
    lanes=(LanePolicy.for_cosine("0.419"), LanePolicy(ks=76, kn=16, lo=150_000, hi=600_000)),
)
CONSENT = ConsentRecord(text_version=1, language="de", purpose="sim-activation", given_at=NOW - 120)

_PARTIES = {
    "gateway": GATEWAY.party,
    "authority": AUTHORITY.party,
    "device": DEVICE.party,
    "issuer": ISSUER.party,
}
_SESSION_KEY = {"session": SESSION, "key_id": PUBLIC_KEY.key_id}

GRANT = SessionGrant(
    profile=PROFILE,
    **_SESSION_KEY,
    **_PARTIES,
    client_nonce=parties.NONCE,
    expires_at=NOW + 300,
)
SIGNED_GRANT = cose.sign(GRANT, AUTHORITY)

TEMPLATE = TemplateAssertion(
    **_SESSION_KEY,
    issuer=ISSUER.party,
    template_digest=FRESH.digest,
    model_id="buffalo/w600k",
    model_digest=parties.MODEL_DIGEST,
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
    "consent_digest": CONSENT.digest,
    "activation_commitment": activation_commitment(ACTIVATION, ACTIVATION_SALT),
    "purpose": "sim-activation",
    "agent": "agent-4",
    "outlet": "outlet-2",
    "captured_at": NOW + 20,
}
SUBMISSION_ASSERTION = SubmissionAssertion(**_SUBMISSION, liveness_evidence_digest=None)
SIGNED_SUBMISSION = cose.sign(SUBMISSION_ASSERTION, DEVICE)

DECISION = Decision(
    profile=PROFILE,
    **_SESSION_KEY,
    **_PARTIES,
    outcome="MATCH",
    lanes=2,
    probe_digest=FRESH.digest,
    template_digest=FRESH.digest,
    template_assertion_digest=SIGNED_TEMPLATE.digest,
    submission_assertion_digest=SIGNED_SUBMISSION.digest,
    policy_digest=POLICY.digest,
    model_digest=parties.MODEL_DIGEST,
    masked_product_digest=PRODUCT.digest,
    encrypted_bits_digest=FRESH.digest,
    blinded_rows_digest=FRESH.digest,
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
    liveness=not_performed(),
    consent_digest=CONSENT.digest,
    consent_text_version=1,
    subject_commitment=TEMPLATE.subject_commitment,
    activation_commitment=SUBMISSION_ASSERTION.activation_commitment,
    decision=SIGNED_DECISION.encoded,
    audit=None,
)
AUDITED_STATEMENT = STATEMENT.model_copy(update={"audit": SIGNED_REPORT.encoded})
SIGNED_STATEMENT = cose.sign(STATEMENT, GATEWAY)

_OFFER = {
    "grant": SIGNED_GRANT.encoded,
    "public_key": PUBLIC_KEY.encoded,
    "policy": POLICY.encode(),
}
_SUBMIT = {
    "session": SESSION,
    "sealed_template": SEALED,
    "template_assertion": SIGNED_TEMPLATE.encoded,
    "probe": FRESH.encoded,
    "submission_assertion": SIGNED_SUBMISSION.encoded,
    "consent": CONSENT,
}

HANDLES: Final = (
    *Custody(AUTHORITY, parties.PEPPER).handles(GATEWAY.party, TEMPLATE.subject_inner),
    fixed_bytes("handle of the former period"),
)

MESSAGES: Final[dict[str, tuple[Message, ...]]] = {
    "session-request": tuple(
        SessionRequest(
            profile=PROFILE,
            device=DEVICE.party,
            issuer=ISSUER.party,
            client_nonce=parties.NONCE,
            purpose="sim-activation",
            consent_text_version=1,
            exclusions=exclusions,
        )
        for exclusions in ((), (EXCLUDED,))
    ),
    "session-key-request": (
        SessionKeyRequest(
            profile=PROFILE,
            session=SESSION,
            gateway=GATEWAY.party,
            device=DEVICE.party,
            issuer=ISSUER.party,
            client_nonce=parties.NONCE,
        ),
    ),
    "session-grant": (GRANT,),
    "session-key-response": (
        SessionKeyResponse(grant=SIGNED_GRANT.encoded, public_key=PUBLIC_KEY.encoded),
    ),
    "session-offer": (
        SessionOffer(**_OFFER, challenge=None),
        SessionOffer(**_OFFER, challenge=CHALLENGE.encode()),
    ),
    "template-assertion": (TEMPLATE,),
    "consent-record": (CONSENT,),
    "submission-assertion": (
        SUBMISSION_ASSERTION,
        SubmissionAssertion(**_SUBMISSION, liveness_evidence_digest=TRANSCRIPT.digest),
    ),
    "submission": (
        Submission(**_SUBMIT, liveness_evidence=None),
        Submission(**_SUBMIT, liveness_evidence=TRANSCRIPT.encode()),
    ),
    "masked-product": (
        MaskedProduct(
            session=SESSION,
            template_assertion=SIGNED_TEMPLATE.encoded,
            submission_assertion=SIGNED_SUBMISSION.encoded,
            lanes=2,
            policy_digest=POLICY.digest,
            seed_commitment=seed_commitment(SESSION, SEED),
            masked_product=PRODUCT.encoded,
        ),
    ),
    "encrypted-bits": (
        EncryptedBits(session=SESSION, encrypted_bits=FRESH.encoded, subject_handles=(HANDLES[0],)),
        EncryptedBits(session=SESSION, encrypted_bits=FRESH.encoded, subject_handles=HANDLES),
    ),
    "blinded-rows": (BlindedRows(session=SESSION, blinded_rows=FRESH.encoded),),
    "decision": (DECISION, DECISION.model_copy(update={"outcome": "NO_MATCH", "lanes": 1})),
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
            public_key=PUBLIC_KEY.encoded,
            policy=POLICY.encode(),
            template_assertion=SIGNED_TEMPLATE.encoded,
            submission_assertion=SIGNED_SUBMISSION.encoded,
            probe=FRESH.encoded,
            encrypted_bits=FRESH.encoded,
            sealed_secret=SEALED_AUDIT,
        ),
    ),
    "audit-report": (REPORT,),
    "audit-response": (AuditResponse(report=SIGNED_REPORT.encoded),),
    "audit-result": (AuditResult(session=SESSION, report=SIGNED_REPORT.encoded),),
    "lane-policy": (LanePolicy.for_cosine("0.419"), LanePolicy.for_cosine("0.341")),
    "match-policy": (POLICY, parties.policy()),
    "exclusion": (EXCLUDED,),
    "challenge": (CHALLENGE, IMPOSSIBLE),
    "action-trace": (TRACE,),
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
    ),
    "receipt": (
        Receipt(statement=SIGNED_STATEMENT.encoded, log_proof=None),
        Receipt(statement=SIGNED_STATEMENT.encoded, log_proof=b"c2sp.org/tlog-proof@v1\n"),
    ),
    "opening": (
        Opening(
            subject_salt=SUBJECT_SALT,
            activation_salt=ACTIVATION_SALT,
            activation_reference=ACTIVATION,
        ),
    ),
}

SIGNED: Final[dict[str, tuple[SigningKey, Signed[Any]]]] = {
    "session-grant": (AUTHORITY, SIGNED_GRANT),
    "template-assertion": (ISSUER, SIGNED_TEMPLATE),
    "submission-assertion": (DEVICE, SIGNED_SUBMISSION),
    "decision": (AUTHORITY, SIGNED_DECISION),
    "audit-demand": (AUTHORITY, SIGNED_DEMAND),
    "audit-report": (AUDITOR, SIGNED_REPORT),
    "statement": (GATEWAY, SIGNED_STATEMENT),
}


# --- documents -----------------------------------------------------------------------------------


def message_document(messages: tuple[Message, ...]) -> Document:
    return {
        "message": type(messages[0]).__name__,
        "cases": [
            {"value": describe(one.to_map()), "encoded": notation.encoding(one.encode())}
            for one in messages
        ],
    }


def signed_document(key: SigningKey, signed: Signed[Any]) -> Document:
    kind = type(signed.message)
    return {
        "message": kind.__name__,
        "type": cose.media_type(kind),
        "key": _key_document(key),
        "payload": signed.message.encode().hex(),
        "protected": cose._protected(kind, key.public.key_id, signed.message.claims()).hex(),
        "signature": signed.encoded[-64:].hex(),
        "encoded": signed.encoded.hex(),
        "sha256": signed.digest.hex(),
    }


def _key_document(key: SigningKey) -> Document:
    return {
        "party": key.party,
        "seed": key.private.private_bytes_raw().hex(),  # type: ignore[attr-defined]
        "publicKey": key.public.raw.hex(),
        "keyId": key.public.key_id.hex(),
    }


def subject_document() -> Document:
    given = (
        ("passport", "X1234567"),
        ("passport", " x-123 4567< "),
        ("id-card", "l01x00t47"),
        ("residence-permit", "ＡＢ１２"),
        ("driving-licence", "straße12"),
    )
    custody = Custody(AUTHORITY, parties.PEPPER)
    cases = []
    for document_type, number in given:
        subject = Subject.of(document_type, number)
        inner = subject.inner(parties.SITE_SALT)
        cases.append(
            {
                "documentType": document_type,
                "number": number,
                "normalised": subject.number,
                "encoded": subject.encode().hex(),
                "inner": inner.hex(),
                "commitment": subject.commitment(SUBJECT_SALT).hex(),
                "handle": custody.handles(GATEWAY.party, inner)[0].hex(),
            }
        )
    references = (ACTIVATION, "  order 17  ", "Zoe\u0308")
    return {
        "siteSalt": parties.SITE_SALT.hex(),
        "pepper": parties.PEPPER.hex(),
        "gateway": GATEWAY.party,
        "subjectSalt": SUBJECT_SALT.hex(),
        "subjects": cases,
        "activationSalt": ACTIVATION_SALT.hex(),
        "activations": [
            {
                "reference": reference,
                "commitment": activation_commitment(reference, ACTIVATION_SALT).hex(),
            }
            for reference in references
        ],
    }


def session_document() -> Document:
    """Commitment and transcripts that enter the randomness and the decision."""
    before = transcript.before_product(
        SIGNED_GRANT.encoded, POLICY.digest, SIGNED_TEMPLATE.encoded, SIGNED_SUBMISSION.encoded
    )
    return {
        "session": SESSION.hex(),
        "seed": SEED.hex(),
        "seedCommitment": seed_commitment(SESSION, SEED).hex(),
        "grant": SIGNED_GRANT.encoded.hex(),
        "policyDigest": POLICY.digest.hex(),
        "templateAssertion": SIGNED_TEMPLATE.encoded.hex(),
        "submissionAssertion": SIGNED_SUBMISSION.encoded.hex(),
        "transcriptBeforeProduct": before.hex(),
        "maskedProductDigest": PRODUCT.digest.hex(),
        "encryptedBitsDigest": FRESH.digest.hex(),
        "transcriptBeforeRows": transcript.before_rows(before, PRODUCT.digest, FRESH.digest).hex(),
    }


def polynomials_document() -> Document:
    return {
        "freshCiphertext": RULES[FRESH.encoded] | {"digest": FRESH.digest.hex()},
        "product": RULES[PRODUCT.encoded] | {"digest": PRODUCT.digest.hex()},
        "publicKey": RULES[PUBLIC_KEY.encoded] | {"keyId": PUBLIC_KEY.key_id.hex()},
    }


def request_document() -> Document:
    cases = []
    for method, path, body in (
        ("POST", "/v1/session-keys", MESSAGES["session-key-request"][0].encode()),
        ("GET", "/face-verification/v0.1/sessions/00ff", b""),
    ):
        nonce = fixed_bytes(f"nonce{path}")
        with mock.patch.object(requests, "new_nonce", lambda made=nonce: made):
            headers = requests.sign_request(method, path, body, GATEWAY, NOW)
        cases.append(
            {
                "method": method,
                "path": path,
                "body": body.hex(),
                "created": NOW,
                "nonce": nonce.hex(),
                "headers": headers,
            }
        )
    return {"key": _key_document(GATEWAY), "cases": cases}


def sealing_document() -> Document:
    """Known answer for opening. Sealing is random, so what was sealed once is kept."""
    key = parties.sealing_key()
    path = HERE / "sealing.json"
    if path.exists():
        sealed = bytes.fromhex(json.loads(path.read_text())["sealed"])
    else:
        sealed = key.public.seal(b"canonical template", SESSION, PUBLIC_KEY.key_id)
    return {
        "suite": "MLKEM768-X25519 (X-Wing), HKDF-SHA256, AES-256-GCM, base mode",
        "privateKey": key.raw.hex(),
        "publicKey": key.public.raw.hex(),
        "session": SESSION.hex(),
        "keyId": PUBLIC_KEY.key_id.hex(),
        "info": (b"sealmatch/sealed-template/1\0" + SESSION + PUBLIC_KEY.key_id).hex(),
        "aad": "",
        "sealed": sealed.hex(),
        "opened": b"canonical template".hex(),
    }


def documents() -> dict[str, Document]:
    """Every vector by its path below this directory."""
    made = {f"messages/{name}.json": message_document(m) for name, m in MESSAGES.items()}
    made |= {f"signed/{name}.json": signed_document(*s) for name, s in SIGNED.items()}
    maps = {name: messages[0].to_map() for name, messages in MESSAGES.items()}
    malformed = faults.documents(maps, SIGNED_GRANT.encoded)
    made |= {f"malformed/{name}.json": fault for name, fault in malformed.items()}
    return made | {
        "subject.json": subject_document(),
        "session.json": session_document(),
        "polynomials.json": polynomials_document(),
        "requests.json": request_document(),
        "sealing.json": sealing_document(),
        log.FILE: log.document(HERE / log.FILE),
    }


def as_text(document: Document) -> str:
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def main() -> None:
    wanted = {HERE / name: as_text(document) for name, document in documents().items()}
    for old in set(HERE.rglob("*.json")) - wanted.keys():
        old.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
