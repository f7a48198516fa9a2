"""The statement: what the gateway signs around the authority's decision."""

from dataclasses import dataclass

from gateway.wire import cose
from gateway.wire.audit import AuditReport
from gateway.wire.cose import Signed, SigningKey
from gateway.wire.evaluation import Decision
from gateway.wire.ids import MINUTE, Digest, RecordId
from gateway.wire.liveness import LivenessResult
from gateway.wire.policy import MatchPolicy
from gateway.wire.proof import Receipt, Statement
from gateway.wire.submission import (
    ConsentRecord,
    SubmissionAssertion,
    TemplateAssertion,
)


@dataclass(frozen=True)
class Circumstances:
    """What a statement says beyond the decision."""

    policy: MatchPolicy
    template: TemplateAssertion
    submission: SubmissionAssertion
    consent: ConsentRecord
    liveness: LivenessResult
    audit: Signed[AuditReport] | None = None
    approval: Digest | None = None
    """Of the policy, where two operators signed it."""


def make_statement(
    decision: Signed[Decision], given: Circumstances, record_id: RecordId, now: int, key: SigningKey
) -> Signed[Statement]:
    """Sign a statement; ``now`` is cut to the minute."""
    decided = decision.message
    return cose.sign(
        Statement(
            record_id=record_id,
            kind="decision",
            **decided.scope,
            agent=given.submission.agent,
            outlet=given.submission.outlet,
            decided_at_minute=now - now % MINUTE,
            purpose=given.submission.purpose,
            policy_digest=decided.policy_digest,
            policy_assurance=given.policy.assurance,
            policy_approval=given.approval,
            model_id=given.template.model_id,
            portrait_quality=given.template.quality,
            portrait_source=given.template.portrait_source,
            live_quality=given.submission.quality,
            liveness=given.liveness,
            consent_digest=given.submission.consent_digest,
            consent_text_version=given.consent.text_version,
            subject_commitment=given.template.subject_commitment,
            activation_commitment=given.submission.activation_commitment,
            erasure_commitment=given.submission.erasure_commitment,
            decision=decision.encoded,
            audit=None if given.audit is None else given.audit.encoded,
        ),
        key,
    )


def make_receipt(statement: bytes) -> Receipt:
    """A receipt without a log proof: what a statement alone is worth."""
    return Receipt(statement=statement, log_proof=None)


def entry_digest(statement: Signed[Statement]) -> Digest:
    """SHA-256 of the signed statement: the entry that a transparency log holds."""
    return statement.digest
