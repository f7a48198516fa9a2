"""Offline verification of a receipt. Verification raises; it never returns a boolean.

The steps, in order; the numbers stand beside the code:

1. The receipt is a valid encoding.
2. The verifier pins the gateway that the statement names, and that gateway signed the statement.
3. The verifier pins the authority, and that authority signed the decision inside.
4. Statement and decision speak of the same session, parties, profile and policy.
5. The policy is one that the verifier accepts.
6. The log proof: a deployment without a log leaves its place empty, which is reported.
7. With an opening: the subject commitment opens to the given document.
8. With an opening: the activation commitment opens to the activated number or order.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.proofs.trust import TrustFile
from gateway.wire import cose
from gateway.wire.cose import Signed
from gateway.wire.errors import Refused, SealmatchError
from gateway.wire.evaluation import Decision
from gateway.wire.proof import Opening, Receipt, Statement
from gateway.wire.subject import Subject, activation_commitment

STEPS = {
    1: "receipt is well-formed",
    2: "statement is signed by the pinned gateway",
    3: "decision is signed by the pinned authority",
    4: "statement and decision agree",
    5: "match policy is accepted",
    6: "log proof",
    7: "subject opens",
    8: "activation opens",
}


class ReceiptInvalid(SealmatchError):
    """A step failed. ``step`` is its number in ``STEPS``."""

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(f"step {step} ({STEPS[step]}): {reason}")
        self.step = step
        self.reason = reason


@dataclass(frozen=True)
class VerifiedReceipt:
    """A receipt whose steps all passed, with what was reported along the way."""

    statement: Signed[Statement]
    decision: Signed[Decision]
    notes: dict[int, str]
    """Steps done, by number, with what each found."""


def verify_receipt(
    encoded: bytes,
    trust: TrustFile,
    opening: Opening | None = None,
    subject: Subject | None = None,
    progress: Callable[[int, str], None] = lambda _step, _found: None,
) -> VerifiedReceipt:
    """Check a receipt against what the verifier pins.

    Args:
        opening: opens the commitments; ``subject`` is then required.
        progress: called with each step that passed and what it found.

    Raises:
        ReceiptInvalid: names the first step that fails.
    """
    notes: dict[int, str] = {}

    def done(step: int, found: str) -> None:
        notes[step] = found
        progress(step, found)

    with _step(1):
        receipt = Receipt.decode(encoded)
        stated = cose.peek(receipt.statement, Statement)
    done(1, f"record {stated.record_id.hex()}")
    with _step(2):
        gateway_key = trust.gateway_key(stated.gateway)
        statement = cose.verify(receipt.statement, Statement, gateway_key)
    done(2, stated.gateway)
    with _step(3):
        authority_key = trust.authority_key(stated.authority)
        decision = cose.verify(stated.decision, Decision, authority_key)
    done(3, stated.authority)
    _agree(stated, decision.message)
    done(4, decision.message.outcome)
    if stated.policy_digest.hex() not in trust.policies:
        raise ReceiptInvalid(5, "the policy is not among those the trust file lists")
    done(5, stated.policy_assurance)
    if receipt.log_proof is not None:
        raise ReceiptInvalid(6, "this version cannot check log proofs")
    done(6, "none: this deployment has no log yet")
    if opening is not None:
        _open(stated, opening, subject)
        done(7, "the receipt is about this document")
        done(8, "the receipt is about this activation")
    return VerifiedReceipt(statement, decision, notes)


def _agree(statement: Statement, decision: Decision) -> None:
    shared = ("profile", "session", "gateway", "authority", "device", "issuer", "policy_digest")
    for name in shared:
        if getattr(statement, name) != getattr(decision, name):
            raise ReceiptInvalid(4, f"they name another {name.replace('_', ' ')}")


def _open(statement: Statement, opening: Opening, subject: Subject | None) -> None:
    if subject is None or subject.commitment(opening.subject_salt) != statement.subject_commitment:
        raise ReceiptInvalid(7, "the receipt is not about this document, or the opening is another")
    with _step(8):
        reference = activation_commitment(opening.activation_reference, opening.activation_salt)
    if reference != statement.activation_commitment:
        raise ReceiptInvalid(8, "the receipt is not about this activation")


@contextmanager
def _step(number: int) -> Iterator[None]:
    try:
        yield
    except Refused as error:
        raise ReceiptInvalid(number, error.detail) from None
    except SealmatchError as error:
        raise ReceiptInvalid(number, str(error)) from None
