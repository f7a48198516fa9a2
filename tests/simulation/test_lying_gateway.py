"""Gateways and issuers that sign what nobody said to them, and what the client notices.

What they sign verifies, also for a stranger: that is the control beside each lie. The client alone
knows what was asked for, read and sent, and names the field that says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from gateway.client import registration
from gateway.client.agreement import (
    IN_DECISION,
    IN_STATEMENT,
    LONGEST_DECISION,
    ChallengeDiffers,
    DecisionDiffers,
    ExpectedStatement,
    IssuerDiffers,
    SaysOtherwise,
    StatementDiffers,
    require_expected,
)
from gateway.client.fallback import require_own
from gateway.client.gateway_client import Verification
from gateway.client.liveness.capture import Captured
from gateway.client.liveness.measured import Inconclusive
from gateway.client.pending import PendingReceipt
from gateway.client.registration import Registration
from gateway.client.rights import AnswerDiffers, check
from gateway.issuer.issuer import IssuedTemplate
from gateway.proofs.fallback import verify_fallback
from gateway.proofs.statement import Circumstances, make_statement
from gateway.proofs.verify import ReceiptInvalid, verify_receipt
from gateway.server import recording
from gateway.server.liveness import LivenessPolicy
from gateway.wire import cose
from gateway.wire.cose import Signed, SigningKey
from gateway.wire.erasure import Erasure, ErasureProof, Withdrawal, tombstone, withdrawal_mark
from gateway.wire.evaluation import Decision
from gateway.wire.fallback import FallbackApproval, FallbackStatement
from gateway.wire.freshness import CLOCK_SKEW
from gateway.wire.ids import MINUTE, Digest, new_record_id
from gateway.wire.liveness import Challenge, Exclusion, not_performed
from gateway.wire.message import Message
from gateway.wire.proof import Receipt, Statement
from gateway.wire.rights import HeldUntil, SubjectAnswer, WithdrawalProof
from gateway.wire.session import SessionOffer
from gateway.wire.subject import Subject
from gateway.wire.submission import TemplateAssertion
from tests.support.expected import OFFER
from tests.support.fallbacks import Desk
from tests.support.parties import DEVICE
from tests.support.rights import DAY, Subscriber
from tests.support.samples import SESSIONS, Clock, occasion, pair
from tests.support.world import World
from tests.vectors import golden

GENUINE = pair(0.7)
BLINK = Exclusion(kind="blink", reason="cannot-perform")
GUARDIAN = Subject.of("passport", "GU4RD14N")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    asks = LivenessPolicy(mode="optional")
    with World(tmp_path_factory.mktemp("liar"), clock=Clock(), liveness=asks) as world:
        yield world


@pytest.fixture(autouse=True)
def honest(world: World) -> Iterator[None]:
    world.received.clear()
    yield
    world.alter_gateway = lambda _path, answer: answer


@dataclass(frozen=True)
class Kept:
    """A registration, and what the counter kept of it."""

    done: Registration
    pending: PendingReceipt

    @property
    def answer(self) -> Verification:
        return Verification(self.done.outcome, self.done.record_id, self.done.receipt)


@pytest.fixture(scope="module")
def kept(world: World) -> Kept:
    left: list[PendingReceipt] = []
    done = world.client.register(*GENUINE, occasion(), before_sending=left.append)
    return Kept(done, left[0])


# --- the statement, and the decision in it -------------------------------------------------------


def test_whatever_a_receipt_says_is_compared_or_somebody_elses_to_check() -> None:
    checked_with_pins = {"policy_approval", "audit", "lanes"}
    of_the_answer = {"record_id", "outcome"}
    auditors = {"evaluation_digest", "seed_commitment"}
    form = {"version", "kind", "decision", "decided_at_minute"}
    elsewhere = checked_with_pins | of_the_answer | auditors | form
    said = Statement.model_fields.keys() | Decision.model_fields.keys()
    compared = {*IN_STATEMENT, *IN_DECISION}
    assert compared | elsewhere == said
    assert not compared & elsewhere
    assert compared == ExpectedStatement.model_fields.keys() - {"version", "captured_at"}


def test_what_is_kept_will_all_stand_in_the_receipt(kept: Kept) -> None:
    """So keeping it tells no more than the receipt: a digest here is a digest there."""
    stated, decided = kept.done.verified.statement.message, kept.done.verified.decision.message
    there = (*stated.model_dump().values(), *decided.model_dump().values())
    for field in ExpectedStatement.model_fields.keys() - {"version", "captured_at"}:
        assert kept.pending.expected.model_dump()[field] in there, field


def other(value: Any) -> Any:
    match value:
        case bytes():
            return bytes([value[0] ^ 1]) + value[1:]
        case str():
            return f"{value}-other"
        case int():
            return value + 1
        case Message():
            last = [*type(value).model_fields][-1]
            return value.model_copy(update={last: Digest(bytes(32))})
    raise AssertionError(value)


@pytest.mark.parametrize("field", IN_STATEMENT)
def test_a_statement_that_says_otherwise_is_refused_by_its_field(
    world: World, kept: Kept, field: str
) -> None:
    verified, now = kept.done.verified, world.clock()
    require_expected(kept.pending.expected, verified, now)
    stated = verified.statement.message
    lie = stated.model_copy(update={field: other(getattr(stated, field))})
    told = replace(verified, statement=Signed(lie, b""))
    with pytest.raises(StatementDiffers) as refused:
        require_expected(kept.pending.expected, told, now)
    assert refused.value.field.startswith(field)


@pytest.mark.parametrize("field", IN_DECISION)
def test_a_decision_about_something_else_is_refused_by_its_field(
    world: World, kept: Kept, field: str
) -> None:
    verified, now = kept.done.verified, world.clock()
    decided = verified.decision.message
    lie = decided.model_copy(update={field: other(getattr(decided, field))})
    told = replace(verified, decision=Signed(lie, b""))
    with pytest.raises(DecisionDiffers) as refused:
        require_expected(kept.pending.expected, told, now)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("seconds", "later", "holds"),
    [
        (0, 0, True),
        (-CLOCK_SKEW, 0, True),
        (CLOCK_SKEW, 0, True),
        (-CLOCK_SKEW - MINUTE, 0, False),
        (CLOCK_SKEW + MINUTE, 0, False),
        (DAY, 0, False),
        (LONGEST_DECISION, DAY, True),
        (LONGEST_DECISION + CLOCK_SKEW + MINUTE, DAY, False),
        (DAY, DAY, False),
    ],
)
def test_a_time_that_cannot_be_is_refused(
    world: World, kept: Kept, seconds: int, later: int, holds: bool
) -> None:
    """Nor may a receipt that is withheld until later be of any time until then: a record would be
    kept for longer, or its policy signed in the meantime."""
    verified, since = kept.done.verified, kept.pending.expected.captured_at
    minute = (since + seconds) // MINUTE * MINUTE
    stated = verified.statement.message.model_copy(update={"decided_at_minute": minute})
    told = replace(verified, statement=Signed(stated, b""))
    if holds:
        require_expected(kept.pending.expected, told, since + later)
        return
    with pytest.raises(StatementDiffers, match="refused") as refused:
        require_expected(kept.pending.expected, told, since + later)
    assert refused.value.detail == "the gateway's statement says otherwise than this counter: time"


Lie = Callable[[Statement], dict[str, Any]]

LIES: dict[str, tuple[str, Lie]] = {
    "a check that nobody made": (
        "liveness outcome",
        lambda stated: {
            "liveness": stated.liveness.model_copy(
                update={"outcome": "passed", "evidence_digest": Digest(bytes(32))}
            )
        },
    ),
    "a movement that nobody left out": (
        "liveness excluded",
        lambda stated: {"liveness": stated.liveness.model_copy(update={"excluded": (BLINK,)})},
    ),
    "another agent": ("agent", lambda _: {"agent": "agent-other"}),
    "another purpose": ("purpose", lambda _: {"purpose": "credit-check"}),
    "a chip that nobody read": ("portrait_source", lambda _: {"portrait_source": "chip-verified"}),
    "another text of consent": ("consent_text_version", lambda _: {"consent_text_version": 2}),
    "another day": ("time", lambda stated: {"decided_at_minute": stated.decided_at_minute - DAY}),
}


def lying(lie: Lie) -> Callable[..., Signed[Statement]]:
    """A gateway that signs a lie around an honest decision."""

    def made(
        decision: Signed[Decision], given: Circumstances, record: Any, now: int, key: SigningKey
    ) -> Signed[Statement]:
        stated = make_statement(decision, given, record, now, key).message
        return cose.sign(stated.model_copy(update=lie(stated)), key)

    return made


@pytest.mark.parametrize("name", LIES)
def test_a_lie_around_an_honest_decision_is_noticed_at_once_and_later(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Every stranger believes it: the gateway and the authority that are pinned signed it."""
    field, lie = LIES[name]
    left: list[PendingReceipt] = []
    with monkeypatch.context() as patch:
        patch.setattr(recording, "make_statement", lying(lie))
        with pytest.raises(StatementDiffers) as refused:
            world.client.register(*GENUINE, occasion(), before_sending=left.append)
    assert refused.value.field == field
    pending = PendingReceipt.decode(left[-1].encode())
    answer = world.gateway_client.fetch(pending.session, pending.sent_at)
    believed = verify_receipt(answer.receipt, world.trust)
    with pytest.raises(StatementDiffers) as refused:
        pending.require_own(answer, believed, world.clock())
    assert refused.value.field == field


def test_an_honest_receipt_that_comes_later_is_believed(world: World, kept: Kept) -> None:
    pending = PendingReceipt.decode(kept.pending.encode())
    answer = world.gateway_client.fetch(pending.session, pending.sent_at)
    pending.require_own(answer, verify_receipt(answer.receipt, world.trust), world.clock())


@pytest.mark.parametrize("evidence", [None, Digest(bytes(range(32)))])
@pytest.mark.parametrize("challenge", [None, golden.CHALLENGE, golden.IMPOSSIBLE])
def test_what_a_statement_will_say_of_the_check_follows_from_challenge_and_evidence(
    challenge: Challenge | None, evidence: Digest | None
) -> None:
    made = golden.SUBMISSION_ASSERTION.model_copy(update={"liveness_evidence_digest": evidence})
    signed = cose.sign(made, DEVICE)
    given = (golden.GRANT, OFFER, challenge, golden.TEMPLATE, signed, golden.CONSENT)
    said = ExpectedStatement.of(*given).liveness
    if challenge is None:
        assert said == not_performed()
        return
    assert said.excluded == challenge.excluded
    if evidence is not None:
        assert (said.outcome, said.asked) == ("passed", challenge.actions)
        assert (said.passive, said.evidence_digest) == (challenge.passive, evidence)
        return
    assert said.outcome == ("not-performed" if challenge.actions else "not-possible")
    assert (said.asked, said.passive, said.evidence_digest) == ((), "off", None)


# --- what the person asked to be spared ----------------------------------------------------------


CHALLENGES: dict[str, Callable[[Challenge], tuple[Exclusion, ...]]] = {
    "ignored": lambda _: (),
    "another": lambda _: (Exclusion(kind="open-mouth", reason="cannot-perform"),),
    "another reason": lambda _: (Exclusion(kind="blink", reason="not-recognised"),),
    "one more": lambda given: (
        *given.excluded,
        Exclusion(kind="count", reason="cannot-perform"),
    ),
}


def excluding(change: Callable[[Challenge], tuple[Exclusion, ...]]) -> Callable[..., Any]:
    def alter(path: str, answer: httpx.Response) -> httpx.Response:
        if path != SESSIONS:
            return answer
        offer = SessionOffer.decode(answer.content)
        assert offer.challenge is not None
        given = Challenge.decode(offer.challenge)
        kinds = {"actions": ("turn-left", "turn-right"), "excluded": change(given)}
        other = given.model_copy(update=kinds).encode()
        altered = offer.model_copy(update={"challenge": other})
        return httpx.Response(200, content=altered.encode())

    return alter


@pytest.mark.parametrize("name", ["honest", *CHALLENGES])
def test_a_challenge_that_leaves_out_something_else_opens_no_camera(
    world: World, name: str
) -> None:
    world.alter_gateway = excluding(CHALLENGES.get(name, lambda given: given.excluded))
    seen: list[Challenge | None] = []

    def live(challenge: Challenge | None) -> Captured:
        seen.append(challenge)
        raise Inconclusive("the camera is open", "")

    asked = replace(occasion(), exclusions=(BLINK,))
    with pytest.raises(Inconclusive if name == "honest" else ChallengeDiffers):
        world.client.register(GENUINE[0], live, asked)
    assert len(seen) == (name == "honest")
    assert [path for path, _ in world.received] == [SESSIONS]


# --- what was read -------------------------------------------------------------------------------


@dataclass
class LyingIssuer:
    """Issues honestly, and signs other words."""

    world: World
    lie: Callable[[Subject], dict[str, Any]]

    @property
    def party(self) -> str:
        return self.world.issuer.party

    def issue(self, template: Any, subject: Subject, *given: Any) -> IssuedTemplate:
        issued = self.world.issuer.issue(template, subject, *given)
        stated = cose.peek(issued.assertion, TemplateAssertion)
        lie = stated.model_copy(update=self.lie(subject))
        signed = cose.sign(lie, self.world.counter.issuer)
        return replace(issued, assertion=signed.encoded)


ISSUED: dict[str, Callable[[Subject], dict[str, Any]]] = {
    "session": lambda _: {"session": bytes(16)},
    "key_id": lambda _: {"key_id": bytes(32)},
    "issuer": lambda _: {"issuer": "issuer-other"},
    "model_digest": lambda _: {"model_digest": bytes(32)},
    "portrait_source": lambda _: {"portrait_source": "chip-verified"},
    "document_type": lambda _: {"document_type": "id-card"},
    "subject_commitment": lambda _: {"subject_commitment": GUARDIAN.commitment(bytes(32))},
}


@pytest.mark.parametrize("field", ["honest", *ISSUED])
def test_an_issuer_that_signs_for_something_else_gets_nothing_encrypted(
    world: World, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    issuer = LyingIssuer(world, ISSUED.get(field, lambda _: {}))
    monkeypatch.setattr(world.client, "_issuer", issuer)
    if field == "honest":
        assert world.client.register(*GENUINE, occasion()).outcome == "MATCH"
        return
    encrypted: list[object] = []
    monkeypatch.setattr(registration, "encrypt_probe", lambda *given: encrypted.append(given))
    with pytest.raises(IssuerDiffers) as refused:
        world.client.register(*GENUINE, occasion())
    assert refused.value.field == field
    assert encrypted == []
    assert [path for path, _ in world.received] == [SESSIONS]


def test_a_guardian_whom_nobody_could_show_afterwards_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(occasion(), guardian=GUARDIAN)
    assert world.client.register(*GENUINE, asked).outcome == "MATCH"
    monkeypatch.setattr(registration, "guardian_salt", lambda _: bytes(32))
    with pytest.raises(ReceiptInvalid, match="not the guardian"):
        world.client.register(*GENUINE, replace(occasion(), guardian=GUARDIAN))


# --- without a face ------------------------------------------------------------------------------


def stated_otherwise(world: World, receipt: bytes, **changes: Any) -> bytes:
    """The receipt of a registration without a face, with other words signed by its gateway."""
    encoded = Receipt.decode(receipt)
    stated = cose.peek(encoded.statement, FallbackStatement).model_copy(update=changes)
    signed = cose.sign(stated, world.gateway_key)
    return encoded.model_copy(update={"statement": signed.encoded}).encode()


def test_a_supervisor_of_the_gateways_own_is_noticed(world: World) -> None:
    """Where nobody pins supervisors, the gateway may say whose key it is, and strangers believe."""
    desk = Desk(world)
    asserted = desk.asserted()
    request = desk.request(asserted)
    receipt, now = desk.record(request), world.clock()
    require_own(receipt, request, world.trust, now)
    again = desk.request(asserted)
    require_own(receipt, again, world.trust, now)
    invented = SigningKey.generate("supervisor")
    forged = desk.request(asserted, invented)
    approval = cose.peek(forged.approval, FallbackApproval)
    lie = stated_otherwise(
        world,
        receipt,
        supervisor_key=invented.public.raw,
        approval=cose.sign(approval, invented).encoded,
    )
    verify_fallback(lie, world.trust)
    with pytest.raises(StatementDiffers) as refused:
        require_own(lie, request, world.trust, now)
    assert refused.value.field == "supervisor_key"


@pytest.mark.parametrize("days", [-1, 1])
def test_a_day_on_which_nobody_was_registered_is_noticed(world: World, days: int) -> None:
    desk = Desk(world)
    request = desk.request()
    receipt, now = desk.record(request), world.clock()
    stated = verify_fallback(receipt, world.trust).statement.message
    minute = stated.recorded_at_minute + days * DAY
    lie = stated_otherwise(world, receipt, recorded_at_minute=minute)
    verify_fallback(lie, world.trust)
    with pytest.raises(StatementDiffers) as refused:
        require_own(lie, request, world.trust, now)
    assert refused.value.field == "time"


# --- what a subscriber asked for -----------------------------------------------------------------


def answer_of(wish: Any, **given: Any) -> SubjectAnswer:
    empty: dict[str, Any] = dict.fromkeys(("kept", "withdrawal", "erasure", "held"))
    return SubjectAnswer(**{"wish": wish, **empty, **given})


def erased(world: World, statement: bytes, day: int) -> ErasureProof:
    made = Erasure(
        gateway="gateway",
        erasure_id=new_record_id(),
        tombstone=tombstone(statement),
        erased_on=day,
    )
    return ErasureProof(erasure=cose.sign(made, world.gateway_key).encoded, log_proof=None)


def withdrawn(world: World, statement: bytes, day: int, text: int = 1) -> WithdrawalProof:
    made = Withdrawal(
        gateway="gateway",
        withdrawal_id=new_record_id(),
        mark=withdrawal_mark(statement),
        consent_text_version=text,
        withdrawn_on=day,
    )
    return WithdrawalProof(withdrawal=cose.sign(made, world.gateway_key).encoded, log_proof=None)


def test_an_answer_to_a_subscriber_that_cannot_be_true_is_noticed(world: World) -> None:
    somebody = Subscriber.registered(world)
    receipt, statement = somebody.done.receipt, somebody.statement
    now = world.clock()
    today = now // DAY
    copy = somebody.asks("copy").kept
    assert copy is not None
    others = Subscriber.registered(world).asks("copy").kept
    assert others is not None
    true = (
        answer_of("copy", kept=copy),
        answer_of("erase", erasure=erased(world, statement, today)),
        answer_of("erase", held=HeldUntil(reason="court-order", until=now + DAY)),
        answer_of(
            "withdraw",
            withdrawal=withdrawn(world, statement, today),
            erasure=erased(world, statement, today),
        ),
    )
    for answer in true:
        check(answer, receipt, world.trust, now)
    untrue = {
        "gateway": answer_of("copy", kept=copy.model_copy(update={"gateway": "gateway-2"})),
        "made_at": answer_of("copy", kept=copy.model_copy(update={"made_at": now - DAY})),
        "rows": answer_of("copy", kept=copy.model_copy(update={"rows": others.rows})),
        "day": answer_of("erase", erasure=erased(world, statement, today + 2)),
        "held": answer_of("erase", held=HeldUntil(reason="court-order", until=now - DAY)),
        "consent_text_version": answer_of(
            "withdraw",
            withdrawal=withdrawn(world, statement, today, text=2),
            erasure=erased(world, statement, today),
        ),
    }
    for field, answer in untrue.items():
        with pytest.raises(AnswerDiffers) as refused:
            check(answer, receipt, world.trust, now)
        assert refused.value.field == field
    late = answer_of(
        "withdraw",
        withdrawal=withdrawn(world, statement, today + 2),
        erasure=erased(world, statement, today),
    )
    with pytest.raises(AnswerDiffers):
        check(late, receipt, world.trust, now)


def test_no_error_says_more_than_the_name_of_a_field(kept: Kept) -> None:
    for kind in (ChallengeDiffers, IssuerDiffers, StatementDiffers, DecisionDiffers, AnswerDiffers):
        error: SaysOtherwise = kind("subject_commitment")
        assert error.detail.endswith("says otherwise than this counter: subject commitment")
        assert str(error) == "the request is refused"
    assert kept.done.opening.subject_salt.hex() not in repr(kept.pending)
