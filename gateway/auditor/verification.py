"""The numbered steps between an audit request and a report (protocol, section 10).

The auditor repeats what the authority demanded, and nothing else. Every value is compared with the
signed demand, so a gateway cannot have another evaluation countersigned.

1.  The demand is signed by an enrolled authority, for the gateway that asks, and has not expired.
2.  The grant is that authority's, for the demanded session, key and parties.
3.  The public key is the demanded one.
4.  The policy is the demanded one, with its lanes and model, and one that the auditor accepts.
5.  Both assertions are the demanded ones. Issuer and device are enrolled here and signed them. An
    auditor without a list of issuers and devices takes the authority's word for that, and its
    report says so.
6.  Both assertions name this session and key, these parties and this model, and fit each other.
7.  The nonce is that authority's, for the session: it was drawn after everything else was fixed.
8.  The sealed secret opens for this demand. Template, probe and the gateway's dealing in it are
    those demanded and asserted.
9.  The seed in it opens the demanded commitment.
10. The evaluation is repeated from these inputs, nonce, seed and masked values. It has the demanded
    digest, so product, values and shares are those that follow from them.

This module has no clock, storage or network: they are passed in.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.he.randomness import seed_commitment
from gateway.he.session_key import SessionKey
from gateway.wire import cose
from gateway.wire.audit import AuditDemand, AuditRequest, AuditSecret, Evaluated
from gateway.wire.cose import Signed, VerifyKey
from gateway.wire.errors import Refused
from gateway.wire.evaluation import AttemptNonce
from gateway.wire.freshness import is_coming_expiry
from gateway.wire.ids import Digest, Nonce, PartyId, digest_of
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import SessionKeyHalf
from gateway.wire.profile import LANES, PROFILE
from gateway.wire.sealing import SealingPrivateKey
from gateway.wire.secret import wipe
from gateway.wire.session import SessionGrant
from gateway.wire.submission import SubmissionAssertion, TemplateAssertion


class Parties(Protocol):
    """The auditor's own list."""

    def authority(self, party: PartyId) -> VerifyKey: ...

    def issuer(self, party: PartyId) -> VerifyKey: ...

    def device(self, party: PartyId) -> VerifyKey: ...


Repeat = Callable[[AuditRequest, bytes, Nonce], Digest]
"""Evaluates again: request, opened secret, nonce -> digest of the evaluation."""


@dataclass(frozen=True)
class Auditing:
    """What the auditor checks with."""

    parties: Parties
    sealing: SealingPrivateKey = field(repr=False)
    repeat: Repeat
    verify_assertions: bool
    policies: frozenset[str]
    """Digests, in hexadecimal, of the match policies it accepts; empty: any."""


def check_demand(
    request: AuditRequest, sender: VerifyKey, parties: Parties, now: int
) -> Signed[AuditDemand]:
    """Step 1.

    Raises:
        MalformedMessage: not a signed demand.
        Refused: any other fault.
    """
    stated = cose.peek(request.demand, AuditDemand).evaluated
    demand = cose.verify(request.demand, AuditDemand, parties.authority(stated.authority))
    _require(
        {
            "gateway": stated.gateway == sender.party,
            "profile": stated.profile == PROFILE,
            "expiry": is_coming_expiry(demand.message.expires_at, now),
        }
    )
    return demand


def check_evaluation(request: AuditRequest, demand: Signed[AuditDemand], given: Auditing) -> None:
    """Steps 2 to 10.

    Raises:
        MalformedMessage: something is not a valid encoding.
        Refused: any other fault; the evaluation is not the one that was demanded.
        Unavailable: the repetition did not finish.
    """
    wanted = demand.message.evaluated
    _check_session(request, wanted, given)
    template, submission = _assertions(request, wanted, given)
    _check_assertions(template.message, submission.message, template.digest, wanted)
    # 7: the nonce
    authority = given.parties.authority(wanted.authority)
    nonce = cose.verify(request.nonce, AttemptNonce, authority).message
    _require({"nonce": nonce.session == wanted.session})
    # 8, 9: what was sealed
    secret = given.sealing.open_for_audit(request.sealed_secret, demand.digest)
    parts = AuditSecret.split(secret)
    try:
        _require(
            {
                "template": digest_of(parts.template) == wanted.template_digest,
                "probe": digest_of(parts.probe) == wanted.probe_digest,
                "dealing": digest_of(parts.dealing) == template.message.gateway_dealing_digest,
                "seed": seed_commitment(wanted.session, parts.seed) == wanted.seed_commitment,
            }
        )
    finally:
        wipe(parts.seed)
    # 10: the evaluation
    repeated = given.repeat(request, secret, nonce.nonce)
    _require({"evaluation": repeated == wanted.evaluation_digest})


def _check_session(request: AuditRequest, wanted: Evaluated, given: Auditing) -> None:
    # 2: grant
    grant = cose.verify(request.grant, SessionGrant, given.parties.authority(wanted.authority))
    names = ("profile", "session", "gateway", "authority", "device", "issuer", "key_id")
    for name in names:
        _require({f"grant: {name}": getattr(grant.message, name) == getattr(wanted, name)})
    # 3: public key
    key = SessionKey.of(grant.message, SessionKeyHalf.decode(request.public_key))
    _require({"public key": key.key_id == wanted.key_id})
    # 4: policy
    policy = MatchPolicy.decode(request.policy)
    _require(
        {
            "policy": policy.digest == wanted.policy_digest,
            "lanes": wanted.lanes == LANES,
            "policy's model": policy.model_digest == wanted.model_digest,
            "accepted policy": not given.policies or policy.digest.hex() in given.policies,
        }
    )


def _assertions(
    request: AuditRequest, wanted: Evaluated, given: Auditing
) -> tuple[Signed[TemplateAssertion], Signed[SubmissionAssertion]]:
    # 5: both assertions
    template, submission = request.template_assertion, request.submission_assertion
    _require(
        {
            "template assertion": digest_of(template) == wanted.template_assertion_digest,
            "submission assertion": digest_of(submission) == wanted.submission_assertion_digest,
        }
    )
    if given.verify_assertions:
        issuer, device = given.parties.issuer(wanted.issuer), given.parties.device(wanted.device)
        return (
            cose.verify(template, TemplateAssertion, issuer),
            cose.verify(submission, SubmissionAssertion, device),
        )
    return (
        Signed(cose.peek(template, TemplateAssertion), template),
        Signed(cose.peek(submission, SubmissionAssertion), submission),
    )


def _check_assertions(
    issued: TemplateAssertion, made: SubmissionAssertion, issued_digest: Digest, wanted: Evaluated
) -> None:
    # 6: about this session and each other
    _require(
        {
            "assertions: session": issued.session == made.session == wanted.session,
            "assertions: key": issued.key_id == made.key_id == wanted.key_id,
            "assertions: parties": (issued.issuer, made.device) == (wanted.issuer, wanted.device),
            "assertions: model": issued.model_digest == made.model_digest == wanted.model_digest,
            "assertions: template": made.template_assertion_digest == issued_digest,
            "asserted probe": made.probe_digest == wanted.probe_digest,
            "asserted template": issued.template_digest == wanted.template_digest,
        }
    )


def _require(checks: dict[str, bool]) -> None:
    for what, holds in checks.items():
        if not holds:
            raise Refused(f"{what} is not the demanded one")
