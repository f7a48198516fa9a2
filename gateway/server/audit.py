"""The gateway's side of an audit by re-execution (protocol, section 10).

The authority demands an audit instead of sending a decision. The gateway then hands the auditor
everything that is needed to repeat the evaluation. Its operator has pinned this auditor; nobody
else gets anything. Ciphertexts, dealing and seed are sealed to the auditor for this one demand. The
auditor's report goes to the authority. Any fault ends the session without an outcome, because the
authority has made none.
"""

import logging
from dataclasses import dataclass, field

from gateway.he.evaluation import Inputs
from gateway.server.authority_client import AuditorClient
from gateway.server.evaluation import Evaluating
from gateway.wire import cose
from gateway.wire.audit import AuditDemand, AuditReport, AuditRequest, Evaluated
from gateway.wire.cose import Signed, VerifyKey
from gateway.wire.errors import MalformedMessage, Refused, Unavailable
from gateway.wire.evaluation import AttemptNonce, PerLane
from gateway.wire.sealing import SealingPublicKey

log = logging.getLogger("sealmatch.gateway")


@dataclass(frozen=True)
class Auditor:
    """The auditor that the gateway's operator has chosen: its HTTP client and its pinned keys."""

    client: AuditorClient
    key: VerifyKey
    sealing: SealingPublicKey = field(repr=False)


def have_repeated(
    demand: bytes,
    held: Evaluated,
    authority: VerifyKey,
    auditor: Auditor | None,
    evaluation: Evaluating,
    inputs: Inputs,
    nonce: Signed[AttemptNonce],
    masked: PerLane,
) -> Signed[AuditReport]:
    """Let the auditor repeat the evaluation, and return its report.

    Args:
        held: the evaluation as the gateway knows it.

    Raises:
        Refused: the authority did not sign the demand, the demand is about another evaluation, the
            auditor refuses, or its report is about something else. In the first two cases nothing
            was handed over.
        Unavailable: the auditor does not answer, or none is set.
    """
    demanded = _demand(demand, held, authority)
    if auditor is None:
        log.error("the key authority demands an audit, and no auditor is set: see auditor_url")
        raise Unavailable("the gateway cannot finish this now; its operator's log says why")
    response = auditor.client.audit(
        AuditRequest(
            demand=demand,
            grant=inputs.grant.encoded,
            public_key=inputs.public_key.half.encoded,
            policy=inputs.policy.encode(),
            template_assertion=inputs.template_assertion,
            submission_assertion=inputs.submission_assertion,
            nonce=nonce.encoded,
            masked=masked,
            sealed_secret=evaluation.sealed_for_audit(auditor.sealing, demanded.digest),
        )
    )
    return _report(response.report, demanded, auditor.key)


def _demand(encoded: bytes, held: Evaluated, key: VerifyKey) -> Signed[AuditDemand]:
    try:
        demand = cose.verify(encoded, AuditDemand, key)
    except MalformedMessage:
        raise Refused("the authority sent a malformed demand") from None
    if demand.message.evaluated != held:
        raise Refused("the authority demands an audit of another evaluation")
    return demand


def _report(encoded: bytes, demand: Signed[AuditDemand], key: VerifyKey) -> Signed[AuditReport]:
    try:
        report = cose.verify(encoded, AuditReport, key)
    except MalformedMessage:
        raise Refused("the auditor sent a malformed report") from None
    stated = report.message
    if (
        stated.auditor != key.party
        or stated.demand_digest != demand.digest
        or stated.evaluated_digest != demand.message.evaluated.digest
    ):
        raise Refused("the auditor's report is not about this demand")
    return report
