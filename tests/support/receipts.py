"""Receipts with really signed parts, honest or not, and trust files that pin their parties."""

import base64
from typing import Any

import pytest

from gateway.proofs.approval import approval_digest
from gateway.proofs.trust import (
    PinnedAuditor,
    PinnedAuthority,
    PinnedGateway,
    PinnedOperator,
    PinnedSupervisor,
    TrustFile,
)
from gateway.proofs.verify import STEPS, ReceiptInvalid, verify_receipt
from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.cosignature import sign_checkpoint
from gateway.translog.note import Kind, NoteSigner
from gateway.translog.policy import TrustedLog, TrustedWitness, TrustPolicy
from gateway.translog.proof import LogProof
from gateway.translog.tree import Frontier, leaf_hash, prove_inclusion
from gateway.wire import cose
from gateway.wire.audit import Evaluated
from gateway.wire.cose import SigningKey
from gateway.wire.ids import digest_of
from gateway.wire.orders import AgreedOrder
from gateway.wire.policy import MatchPolicy
from gateway.wire.proof import Opening, Receipt
from tests.support import parties
from tests.support.parties import (
    AGENT,
    AUDITOR,
    AUTHORITY,
    GATEWAY,
    NOW,
    SUPERVISOR,
    fixed_bytes,
)
from tests.vectors import golden
from tests.vectors.ordered import (
    DAY,
    FIRST,
    POLICY_AGREEMENT,
    POLICY_ORDER,
    PROPOSAL,
    SECOND,
    SIGNED_POLICY,
)

POLICY: MatchPolicy = golden.POLICY
OTHER_POLICY = parties.policy()
HONEST: bytes = golden.MESSAGES["receipt"][0].encode()
OPENING: Opening = golden.MESSAGES["opening"][0]  # type: ignore[assignment]


def trust(**changes: Any) -> TrustFile:
    given: dict[str, Any] = {
        "gateways": [pin_gateway()],
        "authorities": [pin_authority()],
        "policies": [one.digest.hex() for one in (OTHER_POLICY, POLICY, SIGNED_POLICY)],
    }
    return TrustFile(**(given | changes))


def pin_gateway(key: SigningKey = GATEWAY) -> PinnedGateway:
    return PinnedGateway(
        party=key.party,
        url="https://gateway.example",
        public_key=key.public.raw.hex(),
        sealing_key=parties.sealing_key().public.raw.hex(),
    )


def pin_authority(key: SigningKey = AUTHORITY) -> PinnedAuthority:
    return PinnedAuthority(
        party=key.party,
        url="https://authority.example",
        public_key=key.public.raw.hex(),
        sealing_key=parties.authority_sealing_key().public.raw.hex(),
    )


def receipt(
    statement: dict[str, Any] | None = None,
    decision: dict[str, Any] | None = None,
    *,
    gateway: SigningKey = GATEWAY,
    authority: SigningKey = AUTHORITY,
    log_proof: bytes | None = None,
) -> bytes:
    """A receipt with really signed parts, some of their fields changed before signing."""
    decided = golden.DECISION.model_copy(update=decision or {})
    stated = golden.STATEMENT.model_copy(
        update={"decision": cose.sign(decided, authority).encoded, **(statement or {})}
    )
    signed = cose.sign(stated, gateway).encoded
    return Receipt(statement=signed, log_proof=log_proof).encode()


def fails(step: int, encoded: bytes, pinned: TrustFile | None = None, **given: Any) -> str:
    """The receipt fails at this step and no earlier; returns the reason."""
    passed: list[int] = []
    with pytest.raises(ReceiptInvalid) as caught:
        verify_receipt(
            encoded, pinned or trust(), progress=lambda done, _: passed.append(done), **given
        )
    assert caught.value.step == step
    assert str(caught.value).startswith(f"step {step} ({STEPS[step]}): ")
    logged = (pinned or trust()).log is not None
    assert passed == [n for n in range(1, step) if n < 7 or (n < 10 and logged) or n == 12]
    return caught.value.reason


# Steps 6 to 9: the log


class Log:
    """A log of seven entries and two witnesses; the receipt's statement is entry 3."""

    def __init__(self, origin: str = "gateway.example/log") -> None:
        self.key = NoteSigner.from_seed(origin, Kind.ED25519, fixed_bytes(f"log/{origin}"))
        self.witnesses = [
            NoteSigner.from_seed(name, Kind.COSIGNATURE_ED25519, fixed_bytes(name))
            for name in ("one.example", "two.example")
        ]

    def policy(self, quorum: int = 0) -> list[str]:
        known = [TrustedWitness(w.key.name, w.key) for w in self.witnesses]
        policy = TrustPolicy.simple([TrustedLog(self.key.key)], known, quorum)
        return bytes(policy).decode().splitlines()

    def trusted(self, quorum: int = 0) -> TrustFile:
        return trust(log_policy=self.policy(quorum))

    def proof(
        self, statement: bytes, *, index: int = 3, witnesses: int = 0, size: int = 7
    ) -> LogProof:
        leaves = [leaf_hash(fixed_bytes(f"entry/{n}")) for n in range(size)]
        leaves[3] = leaf_hash(digest_of(statement))
        tree, complete = Frontier().extend(leaves)
        held = dict(complete)
        path = prove_inclusion(index, size, lambda nodes: [held[node] for node in nodes])
        checkpoint = Checkpoint(self.key.key.name, size, tree.root)
        signers = [self.key, *self.witnesses[:witnesses]]
        lines = [sign_checkpoint(checkpoint, signer, NOW) for signer in signers]
        return LogProof(index, path, SignedCheckpoint.make(checkpoint, *lines))

    def receipt(self, **given: Any) -> bytes:
        statement = Receipt.decode(HONEST).statement
        return logged(self.proof(statement, **given))


def logged(proof: LogProof) -> bytes:
    return receipt(log_proof=bytes(proof))


LOG = Log()


def pin_auditor(key: SigningKey = AUDITOR) -> PinnedAuditor:
    return PinnedAuditor(party=key.party, public_key=key.public.raw.hex())


def audited(
    changes: dict[str, Any] | None = None, *, auditor: SigningKey = AUDITOR, **given: Any
) -> bytes:
    """A receipt with a report that is really signed, some of its fields changed before."""
    report = cose.sign(golden.REPORT.model_copy(update=changes or {}), auditor)
    return receipt({"audit": report.encoded, **given.pop("statement", {})}, **given)


# Step 13: a match policy that two operators signed


def pin_operator(key: SigningKey) -> PinnedOperator:
    return PinnedOperator(party=key.party, public_key=key.public.raw.hex())


def approval(
    order: dict[str, Any] | None = None,
    agreement: dict[str, Any] | None = None,
    *,
    first: SigningKey = FIRST,
    second: SigningKey = SECOND,
) -> bytes:
    """An approval of the day before, really signed, some of its fields changed before."""
    day = {"operator": first.party, "ordered_at": NOW - 2 * DAY}
    ordered = cose.sign(POLICY_ORDER.model_copy(update=day | (order or {})), first)
    given = {"order": ordered.digest, "operator": second.party, "agreed_at": NOW - DAY}
    agreed = cose.sign(POLICY_AGREEMENT.model_copy(update=given | (agreement or {})), second)
    return AgreedOrder(order=ordered.encoded, agreement=agreed.encoded).encode()


APPROVAL = approval()


MALLORY = parties.fixed_key("mallory")
_LAXER = PROPOSAL.model_copy(
    update={"policy": SIGNED_POLICY.model_copy(update={"policy_id": "laxer"})}
)
_ANOTHER = {"gateway": "another"}
BAD_APPROVALS: dict[str, tuple[bytes, str]] = {
    "another policy": (approval({"proposal": _LAXER}), "another policy"),
    "another gateway": (approval(_ANOTHER, _ANOTHER), "for another gateway"),
    "agreement for another gateway": (approval(agreement=_ANOTHER), "is for another gateway"),
    "agreement to another order": (approval(agreement={"order": bytes(32)}), "another order"),
    "after the decision": (approval(agreement={"agreed_at": NOW + DAY}), "after the decision"),
    "order expired": (approval({"ordered_at": NOW - 9 * DAY}), "expired"),
    "one operator": (approval(second=FIRST), "another operator must agree"),
    "a stranger agrees": (approval(second=MALLORY), "no pinned operator"),
    "a stranger proposes": (approval(first=MALLORY), "no pinned operator"),
    "a stranger in the second one's name": (
        approval(second=SigningKey(SECOND.party, MALLORY.private)),
        "not signed by operator-2's key",
    ),
}
"""What is wrong, the approval, and the reason."""


def approving(*approved: bytes) -> TrustFile:
    """Pins both operators, and has these approvals."""
    given = [base64.b64encode(one).decode() for one in approved]
    operators = [pin_operator(FIRST), pin_operator(SECOND)]
    return trust(operators=operators, policy_approvals=given)


def under(policy: MatchPolicy, approved: bytes | None) -> dict[str, Any]:
    """What a statement says of its policy."""
    return {
        "policy_digest": policy.digest,
        "policy_assurance": "unsigned-default" if approved is None else "signed",
        "policy_approval": None if approved is None else approval_digest(approved),
    }


def signed_policy(approved: bytes = APPROVAL, **given: Any) -> bytes:
    """A receipt of a decision under the signed policy."""
    stated = under(SIGNED_POLICY, approved) | given.pop("statement", {})
    return receipt(stated, {"policy_digest": SIGNED_POLICY.digest}, **given)


def fallback_receipt(
    changes: dict[str, Any] | None = None,
    asserted: dict[str, Any] | None = None,
    approved: dict[str, Any] | None = None,
    *,
    gateway: SigningKey = GATEWAY,
    agent: SigningKey = AGENT,
    supervisor: SigningKey = SUPERVISOR,
    log: "Log | None" = None,
) -> bytes:
    """The receipt of a registration without a face; fields are changed before they are signed.

    ``changes`` and ``asserted`` are of statement and assertion. The approval covers the assertion.
    """
    assertion = cose.sign(golden.FALLBACK_ASSERTION.model_copy(update=asserted or {}), agent)
    given = {"assertion_digest": assertion.digest, **(approved or {})}
    approval = cose.sign(golden.FALLBACK_APPROVAL.model_copy(update=given), supervisor)
    stated = golden.FALLBACK_STATEMENT.model_copy(
        update={
            "assertion": assertion.encoded,
            "approval": approval.encoded,
            "agent_key": agent.public.raw,
            "supervisor_key": supervisor.public.raw,
            **(changes or {}),
        }
    )
    signed = cose.sign(stated, gateway).encoded
    proof = None if log is None else bytes(log.proof(signed, witnesses=2))
    return Receipt(statement=signed, log_proof=proof).encode()


def pin_supervisor(key: SigningKey = SUPERVISOR) -> PinnedSupervisor:
    return PinnedSupervisor(party=key.party, public_key=key.public.raw.hex())


FALLBACK = fallback_receipt()
_OTHER = parties.fixed_key("somebody else")

CHANGED_ASSERTION = cose.sign(
    golden.FALLBACK_ASSERTION.model_copy(update={"reason": "no-match"}), AGENT
).encoded
BAD_FALLBACKS: dict[str, tuple[int, bytes]] = {
    "gateway's key": (2, fallback_receipt(gateway=parties.OTHER_GATEWAY)),
    "gateway alone, no assertion": (3, fallback_receipt({"assertion": b"none"})),
    "gateway alone, signs for the agent": (
        3,
        fallback_receipt({"assertion": cose.sign(golden.FALLBACK_ASSERTION, GATEWAY).encoded}),
    ),
    "gateway alone, no approval": (4, fallback_receipt({"approval": b"none"})),
    "gateway alone, signs for the supervisor": (
        4,
        fallback_receipt({"approval": cose.sign(golden.FALLBACK_APPROVAL, GATEWAY).encoded}),
    ),
    "agent's key is another": (3, fallback_receipt({"agent_key": _OTHER.public.raw})),
    "supervisor's key is another": (4, fallback_receipt({"supervisor_key": _OTHER.public.raw})),
    "one key for both": (4, fallback_receipt(supervisor=AGENT)),
    "one name for both": (
        4,
        fallback_receipt({"supervisor": AGENT.party}, {"supervisor": AGENT.party}),
    ),
    "approval of another assertion": (
        4,
        fallback_receipt(approved={"assertion_digest": bytes(32)}),
    ),
    "approval swapped for the assertion": (4, fallback_receipt({"approval": CHANGED_ASSERTION})),
    "approval of another supervisor": (4, fallback_receipt(approved={"supervisor": "another"})),
    "approval for another gateway": (4, fallback_receipt(approved={"gateway": "another"})),
    "statement says another reason": (5, fallback_receipt({"reason": "no-match"})),
    "statement says other means": (5, fallback_receipt({"means": ("notary",)})),
    "statement is of another activation": (
        5,
        fallback_receipt({"activation_commitment": bytes(32)}),
    ),
    "statement is of another device": (5, fallback_receipt({"device": "another"})),
}
"""What is wrong, the step that must fail, and the receipt."""

# A receipt that shows everything that one can show, and who pins all of its parties.


def full() -> bytes:
    """A liveness check, an audit, a log and two witnesses, a policy of two operators."""
    decided = {"policy_digest": SIGNED_POLICY.digest}
    evaluated = Evaluated.of(golden.DECISION.model_copy(update=decided)).digest
    stated = {"liveness": golden.LIVENESS, **under(SIGNED_POLICY, APPROVAL)}
    whole = audited({"evaluated_digest": evaluated}, statement=stated, decision=decided)
    alone = Receipt.decode(whole).statement
    return Receipt(statement=alone, log_proof=bytes(LOG.proof(alone, witnesses=2))).encode()


FULL = full()
FULL_TRUST = trust(
    auditors=[pin_auditor()],
    log_policy=LOG.policy(2),
    operators=[pin_operator(FIRST), pin_operator(SECOND)],
    policy_approvals=[base64.b64encode(APPROVAL).decode()],
)
