"""Offline verification of a receipt. Verification raises; it never returns a boolean.

The steps, in order; the numbers stand beside the code:

1. The receipt is a valid encoding.
2. The verifier pins the gateway that the statement names, and that gateway signed the statement.
3. The verifier pins the authority, and that authority signed the decision inside.
4. Statement and decision speak of the same session, parties, profile and policy.
5. The policy is one that the verifier accepts.
6. The receipt carries a well-formed log proof, if the verifier pins a log.
7. A log that the verifier pins signed the proof's checkpoint.
8. As many of the pinned witnesses cosigned it as the verifier's policy wants.
9. The statement's digest stands in that log.
10. With the subscriber's opening: the subject commitment opens to the given document, and the
    consent in the opening is the one whose digest the statement has.
11. With an opening: the activation commitment opens to the activated number or order; to the
    verifier's own one, where the verifier names it.
12. The audit: an auditor that the verifier pins repeated this decision's evaluation. If no audit
    was demanded, or no auditor is pinned, the step passes and reports that.
13. Two operators whom the verifier pins signed the policy, before the decision. If nobody signed
    it, or the approval that the statement names is not at hand, the step passes and reports that.
    It fails where a later approval is at hand that had long replaced the named one.

A verifier who pins no log skips 7 to 9; step 6 reports that nothing was checked.

A step that passes may have found nothing to check. Its finding says so by a state of its own:
nobody may take "no witness", "no audit" or "no liveness check" for a check that was passed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import ClassVar, Protocol

from gateway.proofs.approval import Approval, verify_approval
from gateway.proofs.findings import Finding, State
from gateway.proofs.openings import AnyActivationOpening, OwnActivation
from gateway.proofs.trust import TrustFile
from gateway.translog.policy import TrustPolicy
from gateway.translog.proof import LogProof
from gateway.translog.verification import LoggedEntry, LogProofInvalid, verify_log_proof
from gateway.wire import cose
from gateway.wire.audit import AuditReport, Evaluated
from gateway.wire.cose import Signed
from gateway.wire.erasure import erasure_commitment
from gateway.wire.errors import Refused, SealmatchError
from gateway.wire.evaluation import Decision
from gateway.wire.fallback import FallbackStatement
from gateway.wire.ids import MINUTE, PartyId, digest_of
from gateway.wire.profile import LANES
from gateway.wire.proof import ActivationOpening, Opening, Receipt, Statement
from gateway.wire.subject import Subject, activation_commitment, guardian_salt
from gateway.wire.submission import ConsentRecord

STEPS = {
    1: "receipt is well-formed",
    2: "statement is signed by the pinned gateway",
    3: "decision is signed by the pinned authority",
    4: "statement and decision agree",
    5: "match policy is accepted",
    6: "log proof is there",
    7: "checkpoint is signed by a pinned log",
    8: "enough pinned witnesses cosigned",
    9: "statement is in the log",
    10: "subject opens",
    11: "activation opens",
    12: "audit",
    13: "match policy is signed by two operators",
}

AnyStatement = Statement | FallbackStatement

_LOG_STEPS = {1: 6, 2: 7, 3: 8, 4: 8, 5: 9}
"""Where a step of ``gateway.translog.verification`` stands among the steps of a receipt."""


class ReceiptInvalid(SealmatchError):
    """A step failed. ``step`` is its number in ``STEPS``."""

    steps: ClassVar[dict[int, str]] = STEPS

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(f"step {step} ({self.steps[step]}): {reason}")
        self.step = step
        self.reason = reason

    @property
    def name(self) -> str:
        """What the step is about."""
        return self.steps[self.step]


@dataclass(frozen=True)
class VerifiedReceipt:
    """A receipt whose steps all passed, with what was reported along the way."""

    statement: Signed[Statement]
    decision: Signed[Decision]
    logged: LoggedEntry | None
    """Where the log holds it; None if the verifier pins no log."""
    notes: dict[int, Finding]
    """Steps that passed, by number, with what each found."""
    consent: ConsentRecord | None = None
    """What was agreed to and by whom; None without the subscriber's opening."""

    @property
    def audited(self) -> bool:
        """Whether a pinned auditor repeated the evaluation."""
        return self.notes[12].state is State.DONE

    @property
    def liveness(self) -> State:
        """Whether a liveness check was passed; a check that fails leaves no statement."""
        passed = self.statement.message.liveness.outcome == "passed"
        return State.DONE if passed else State.NOT_PERFORMED

    @property
    def log(self) -> State:
        """Whether the statement stands in a pinned log."""
        return State.NOT_CHECKED if self.logged is None else State.DONE

    @property
    def witnesses(self) -> State:
        """Whether a pinned witness cosigned the log."""
        return State.NOT_CHECKED if self.logged is None else self.notes[8].state

    @property
    def audit(self) -> State:
        return self.notes[12].state

    @property
    def policy(self) -> State:
        """Whether two pinned operators signed the match policy."""
        return self.notes[13].state


def verify_receipt(
    encoded: bytes,
    trust: TrustFile,
    opening: Opening | None = None,
    subject: Subject | None = None,
    progress: Callable[[int, Finding], None] = lambda _step, _found: None,
    *,
    activation: OwnActivation | None = None,
    guardian: Subject | None = None,
) -> VerifiedReceipt:
    """Check a receipt against what the verifier pins.

    Args:
        opening: the subscriber's, which opens both commitments; ``subject`` is then required.
        progress: called with each step that passed and what it found.
        activation: what the receipt must be about; of the number or order in ``opening`` nothing
            is asked then.
        guardian: who must have agreed in the subject's place; with an opening alone.

    Raises:
        ReceiptInvalid: names the first step that fails.
    """
    notes: dict[int, Finding] = {}

    def done(step: int, found: str, state: State = State.DONE) -> None:
        notes[step] = Finding(found, state)
        progress(step, notes[step])

    with step_named(1):
        receipt = Receipt.decode(encoded)
        stated = cose.peek(receipt.statement, Statement)
    done(1, f"record {stated.record_id.hex()}")
    with step_named(2):
        gateway_key = trust.gateway_key(stated.gateway)
        statement = cose.verify(receipt.statement, Statement, gateway_key)
    done(2, stated.gateway)
    with step_named(3):
        authority_key = trust.authority_key(stated.authority)
        decision = cose.verify(stated.decision, Decision, authority_key)
    done(3, stated.authority)
    _agree(stated, decision.message)
    done(4, decision.message.outcome)
    if stated.policy_digest.hex() not in trust.policies:
        raise ReceiptInvalid(5, "the policy is not among those the trust file lists")
    if decision.message.lanes != LANES:
        raise ReceiptInvalid(5, "the decision is not about all lanes of the policy")
    done(5, stated.policy_assurance)
    logged = check_log(receipt, trust.log, done)
    consent = None
    if opening is not None:
        check_subject(stated, opening, subject)
        consent = _open_consent(stated, opening, guardian)
        done(10, "the receipt is about this document")
        activation = activation or OwnActivation(opening.activation_reference, opening)
    if activation is not None:
        check_activation(stated, activation, opening)
        done(11, "the receipt is about this activation")
    done(12, *_audited(stated, decision.message, trust))
    done(13, *_approved(stated, trust))
    return VerifiedReceipt(statement, decision, logged, notes, consent)


def _agree(statement: Statement, decision: Decision) -> None:
    shared = ("profile", "session", "gateway", "authority", "device", "issuer", "policy_digest")
    for name in shared:
        if getattr(statement, name) != getattr(decision, name):
            raise ReceiptInvalid(4, f"they name another {name.replace('_', ' ')}")


class Done(Protocol):
    """Notes a step that passed."""

    def __call__(self, step: int, found: str, state: State = State.DONE) -> None: ...


def check_log(receipt: Receipt, policy: TrustPolicy | None, done: Done) -> LoggedEntry | None:
    """Steps 6 to 9. Raises ``ReceiptInvalid``."""
    if policy is None:
        with step_named(6):
            found = "none" if receipt.log_proof is None else _size_of(receipt.log_proof)
        done(6, f"{found}; not checked, the trust file pins no log", State.NOT_CHECKED)
        return None
    if receipt.log_proof is None:
        raise ReceiptInvalid(6, "the receipt has none, and the trust file pins a log")
    with step_named(6):
        done(6, _size_of(receipt.log_proof))
    try:
        logged = verify_log_proof(receipt.log_proof, digest_of(receipt.statement), policy)
    except LogProofInvalid as error:
        failed = _LOG_STEPS[error.step]
        for step in range(7, failed):
            done(step, "yes")
        raise ReceiptInvalid(failed, error.reason) from None
    witnessed = logged.witnessed
    done(7, witnessed.checkpoint.origin)
    if witnessed.cosigned:
        done(8, ", ".join(witnessed.cosigned))
    else:
        done(8, "none cosigned, and the policy asks for none", State.NOT_PERFORMED)
    done(9, f"entry {logged.index} of {witnessed.checkpoint.size}")
    return logged


def _size_of(log_proof: bytes) -> str:
    """How large a proof is. Raises ``MalformedMessage`` if it is none."""
    return f"{len(bytes(LogProof.parse(log_proof)))} bytes"


def check_subject(statement: AnyStatement, opening: Opening, subject: Subject | None) -> None:
    """Step 10. Raises ``ReceiptInvalid``."""
    if subject is None or subject.commitment(opening.subject_salt) != statement.subject_commitment:
        raise ReceiptInvalid(
            10, "the receipt is not about this document, or the opening is another"
        )


def _open_consent(
    statement: Statement, opening: Opening, guardian: Subject | None
) -> ConsentRecord | None:
    with step_named(10):
        consent = opening.consented
    if consent is not None and consent.digest != statement.consent_digest:
        raise ReceiptInvalid(10, "the opening has another consent than the one that was given")
    if guardian is not None:
        claimed = guardian.commitment(guardian_salt(opening.subject_salt))
        if consent is None or consent.guardian_commitment != claimed:
            raise ReceiptInvalid(10, "this is not the guardian who agreed")
    return consent


def _require_erasable(statement: AnyStatement, opening: Opening) -> None:
    if erasure_commitment(opening.erasure_secret) != statement.erasure_commitment:
        raise ReceiptInvalid(11, "with this opening the record could never be erased")


def check_activation(
    statement: AnyStatement, own: OwnActivation, subscribers: Opening | None
) -> None:
    """Step 11. With the subscriber's opening the record can be erased, too. Raises
    ``ReceiptInvalid``."""
    _open_activation(statement, own)
    if subscribers is not None:
        _require_erasable(statement, subscribers)


def _open_activation(statement: AnyStatement, own: OwnActivation) -> None:
    opening = own.opening
    if isinstance(opening, ActivationOpening) and opening.record_id != statement.record_id:
        raise ReceiptInvalid(11, "the opening is that of another receipt")
    with step_named(11):
        if _commits(statement, own.reference, opening):
            return
        opens = _commits(statement, opening.activation_reference, opening)
    if opens:
        raise ReceiptInvalid(11, "the receipt is about another number or order")
    raise ReceiptInvalid(11, "the opening is that of another receipt, or altered")


def _commits(statement: AnyStatement, reference: str, opening: AnyActivationOpening) -> bool:
    claimed = activation_commitment(reference, opening.activation_salt)
    return claimed == statement.activation_commitment


def _audited(statement: Statement, decision: Decision, trust: TrustFile) -> tuple[str, State]:
    if statement.audit is None:
        return "none: this evaluation was not audited", State.NOT_PERFORMED
    with step_named(12):
        stated = cose.peek(statement.audit, AuditReport)
        if not trust.auditors:
            told = f"not checked: {stated.auditor} countersigned, and no auditor is pinned"
            return told, State.NOT_CHECKED
        report = cose.verify(statement.audit, AuditReport, trust.auditor_key(stated.auditor))
    if report.message.evaluated_digest != Evaluated.of(decision).digest:
        raise ReceiptInvalid(12, "the auditor repeated another evaluation")
    also = " and verified what issuer and device signed" if stated.assertions_verified else ""
    return f"{stated.auditor} repeated the evaluation{also}", State.DONE


def _approved(statement: Statement, trust: TrustFile) -> tuple[str, State]:
    if statement.policy_approval is None:
        return "nobody signed the thresholds: they are the default ones", State.NOT_PERFORMED
    named = f"the statement names approval {statement.policy_approval.hex()[:16]}..."
    if not trust.operators:
        return f"not checked: {named}, and no operator is pinned", State.NOT_CHECKED
    encoded = trust.approval(statement.policy_approval)
    if encoded is None:
        return f"not checked: {named}, which is not among those given", State.NOT_CHECKED
    with step_named(13):
        approval = verify_approval(encoded, statement.gateway, trust.operator_key)
    if approval.policy.digest != statement.policy_digest:
        raise ReceiptInvalid(13, "the operators signed another policy")
    if approval.policy.model_id != statement.model_id:
        raise ReceiptInvalid(13, "the operators signed it for another face model")
    if approval.agreed_at >= statement.decided_at_minute + MINUTE:
        raise ReceiptInvalid(13, "the operators signed it after the decision")
    for other in _other_approvals(statement.gateway, trust):
        if approval.replaced(other, statement.decided_at_minute):
            raise ReceiptInvalid(13, "the operators had put another policy in force by then")
    return ", ".join(approval.operators), State.DONE


def _other_approvals(gateway: PartyId, trust: TrustFile) -> Iterator[Approval]:
    """Every approval at hand that pinned operators signed for this gateway."""
    for encoded in trust.approvals:
        with suppress(SealmatchError):
            yield verify_approval(encoded, gateway, trust.operator_key)


@contextmanager
def step_named(number: int) -> Iterator[None]:
    """Errors inside are failures of this step. Raises ``ReceiptInvalid``."""
    try:
        yield
    except ReceiptInvalid:
        raise
    except Refused as error:
        raise ReceiptInvalid(number, error.detail) from None
    except SealmatchError as error:
        raise ReceiptInvalid(number, str(error)) from None
