"""What the servers of a session say to each other, behind the signatures of their requests.

Each target stands in the state in which a message arrives, so that its own checks decide and not
those before it: the authority at each of its steps, the gateway at each answer, the parent of a
worker at what the worker says. What is sealed is sealed here, with the right key: a hostile issuer
or gateway can do that too.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from gateway.auditor.repetition import RepetitionWorkers
from gateway.he.evaluation import Inputs, Opened
from gateway.he.isolation import Limits, Worker
from gateway.he.session_key import UniformHalf
from gateway.server.audit import Auditor
from gateway.server.evaluation import EvaluationWorkers
from gateway.server.liveness import CheckedLiveness
from gateway.server.verification import CheckedSubmission, check_submission, decide
from gateway.wire import cbor, cose
from gateway.wire.audit import AuditRequest, AuditResponse, AuditResult, AuditSecret, Evaluated
from gateway.wire.cose import VerifyKey
from gateway.wire.dealing import DEALING_BYTES
from gateway.wire.errors import MalformedMessage, Refused, SealmatchError
from gateway.wire.evaluation import (
    AttemptAnswer,
    AttemptRequest,
    Decision,
    DecisionResponse,
    MaskedValues,
    ProductRequest,
    SharesRequest,
)
from gateway.wire.ids import digest_of
from gateway.wire.liveness import not_performed
from gateway.wire.message import SMALL
from gateway.wire.polynomials import FRESH_BYTES, PaddedProduct, ProductTail
from gateway.wire.profile import SENT_PRIMES, N, T
from gateway.wire.requests import verified_digest
from gateway.wire.sealing import AUDIT_SECRET_BYTES, SEALED_AUDIT_BYTES, Sealed
from keys import sessions
from keys.audits import AuditPolicy
from keys.authority import SessionSecret
from keys.custody import Custody
from keys.service import AuthorityService, Settings
from keys.sessions import Answered, Attempt, Demanded, Session, SessionTable, State
from keys.workers import SecretWorkers
from tests.fuzz import trees
from tests.fuzz.making import stateless, target
from tests.fuzz.mutations import Mutator, frame, framed, scramble, unframe, words_of
from tests.fuzz.targets_he import ciphertext, dealing, inputs, polynomials
from tests.fuzz.targets_wire import expected, promise
from tests.support import parties
from tests.support.fuzzing import BrokenPromise, Parse, Target
from tests.support.parties import AUDITOR, AUTHORITY, DEVICE, GATEWAY, ISSUER, NOW
from tests.vectors import golden

_GATEWAYS, _AUTHORITYS = golden.DEALINGS
_POLICY_BYTES: Final = 2048
_BOUND: Final = (golden.SESSION, golden.KEY.key_id)


def _fit(data: bytes, length: int) -> bytes:
    """As the message around it bounds it."""
    return data[:length].ljust(length, b"\0")


def _given(mutate: Mutator) -> Mutator:
    """A part that stands for the honest one while it is empty."""
    return lambda rng, data: mutate(rng, data) if data else data


# --- the authority ---------------------------------------------------------------------------


class _Trust:
    """The golden parties, enrolled."""

    def key(self, kind: str, party: str) -> VerifyKey:
        known = {"issuer": ISSUER, "device": DEVICE, "auditor": AUDITOR}[kind].public
        if party != known.party:
            raise Refused("not enrolled")
        return known


class _Authority:
    """The service with its keys, and one session in whatever state it is put."""

    def __init__(self) -> None:
        self.falls = False
        self._table = SessionTable(1, lambda: NOW)
        self.service = AuthorityService(
            Settings(AUTHORITY.party, parties.SESSION_SECONDS, AuditPolicy(1, 60, 3)),
            Custody(AUTHORITY, parties.PEPPER, sealing=(parties.authority_sealing_key(),)),
            _Trust(),  # type: ignore[arg-type]
            self._table,
            SimpleNamespace(admit=lambda *_: 1, conclude=lambda *_, **__: None),  # type: ignore[arg-type]
            SimpleNamespace(  # type: ignore[arg-type]
                require_answering=lambda *_: None, demand=lambda *_: 1, answered=lambda *_: None
            ),
            lambda _: NotImplemented,
            lambda: NOW,
            lambda _: self.falls,
        )

    def put(self, state: State, *, falls: bool = False) -> Session:
        """The golden session, in this state."""
        self.falls = falls
        session = Session(golden.SIGNED_GRANT, SessionSecret(_secret()), digest_of(b""), b"", state)
        if state is not State.GRANTED:
            session.counted = 1  # type: ignore[assignment]
            session.attempt = Attempt(
                golden.SIGNED_TEMPLATE,
                golden.SIGNED_SUBMISSION,
                golden.POLICY,
                _AUTHORITYS,
                golden.ATTEMPT.seed_commitment,
                golden.ATTEMPT_NONCE,  # type: ignore[arg-type]
            )
        if state in (State.ANSWERED, State.DEMANDED):
            session.answered = Answered(golden.PRODUCT.digest, golden.OMEGA, golden.MASKED)
        if state is State.DEMANDED:
            opened = sessions.Opened(golden.VALUES, golden.SHARES)
            session.demanded = Demanded(golden.SIGNED_DEMAND, opened, 1)  # type: ignore[arg-type]
        self._table._sessions = {golden.SESSION: session}  # type: ignore[dict-item]
        return session


def _secret() -> np.ndarray:
    return np.stack([np.arange(1, N + 1, dtype=np.uint64) for _ in SENT_PRIMES])


def _prepare_attempt(_: object) -> Parse:
    authority = _Authority()
    public = parties.authority_sealing_key().public
    sealed = public.seal(Sealed.DEALING, _AUTHORITYS.encoded, *_BOUND)

    def parse(data: bytes) -> None:
        """Step 1 with hostile parts, or a dealing that the issuer asserts, whatever it is."""
        template, submission, policy, asserted, dealt = unframe(data, 5)
        hidden, plain = sealed, _AUTHORITYS.encoded
        if dealt:
            plain = _fit(dealt, DEALING_BYTES)
            hidden = public.seal(Sealed.DEALING, plain, *_BOUND)
            if asserted:
                template, submission = _asserted(authority_dealing_digest=digest_of(plain))
        request = golden.ATTEMPT.model_copy(
            update={
                "template_assertion": template[:SMALL],
                "submission_assertion": submission[:SMALL],
                "policy": policy[:_POLICY_BYTES],
                "sealed_dealing": hidden,
            }
        )
        session = authority.put(State.GRANTED)
        answer = AttemptAnswer.decode(authority.service.count(request, GATEWAY.public))
        promise(session.state is State.COUNTED and session.counted == 1, "not counted")
        kept = session.attempt
        promise(kept is not None, "an attempt was counted and not kept")
        assert kept is not None
        promise(kept.dealing.encoded == plain, "another dealing was kept")
        promise(len(answer.subject_handles) == 1, "another number of handles")
        stated = kept.template.message.authority_dealing_digest
        promise(digest_of(plain) == stated, "a dealing was kept that the issuer did not assert")
        _repeated(authority.service.count, request, answer.encode())

    return parse


def _repeated(step: Callable[[Any, VerifyKey], bytes], request: Any, answer: bytes) -> None:
    try:
        promise(step(request, GATEWAY.public) == answer, "a repetition got another answer")
    except SealmatchError:
        raise BrokenPromise("a repetition was refused") from None


def _asserted(probe: bytes | None = None, **stated: bytes) -> tuple[bytes, bytes]:
    """Both assertions of a hostile issuer and device about these parts."""
    template = cose.sign(golden.TEMPLATE.model_copy(update=stated), ISSUER)
    changes: dict[str, bytes] = {"template_assertion_digest": template.digest}
    if probe is not None:
        changes["probe_digest"] = digest_of(probe)
    made = golden.SUBMISSION_ASSERTION.model_copy(update=changes)
    return template.encoded, cose.sign(made, DEVICE).encoded


def _attempts() -> list[bytes]:
    parts = golden.SIGNED_TEMPLATE.encoded, golden.SIGNED_SUBMISSION.encoded, golden.POLICY.encode()
    dealt = _AUTHORITYS.encoded
    return [frame(*parts, b"", b""), frame(*parts, b"yes", dealt), frame(*parts, b"", dealt)]


def _prepare_steps(_: object) -> Parse:
    authority = _Authority()
    steps: dict[bytes, Callable[[_Authority, bytes], str]] = {
        b"product": _take_product,
        b"shares": lambda given, message: _take_shares(given, message, falls=False),
        b"demand": lambda given, message: _take_shares(given, message, falls=True),
        b"report": _take_report,
    }

    def parse(data: bytes) -> str:
        which, message = unframe(data, 2)
        return steps.get(which, _take_product)(authority, message)

    return parse


def _take_product(authority: _Authority, message: bytes) -> str:
    request = ProductRequest.decode(message)
    session = authority.put(State.COUNTED)
    answer = authority.service.answer(request, GATEWAY.public)
    promise(repr(session.secret) == "SessionSecret(destroyed)", "a key that answered is held")
    promise(MaskedValues.decode(answer).session == golden.SESSION, "another session's values")
    _repeated(authority.service.answer, request, answer)
    return "values"


def _take_shares(authority: _Authority, message: bytes, *, falls: bool) -> str:
    request = SharesRequest.decode(message)
    session = authority.put(State.ANSWERED, falls=falls)
    answer = authority.service.decide(request, GATEWAY.public)
    response = DecisionResponse.decode(answer)
    _repeated(authority.service.decide, request, answer)
    if falls:
        promise(response.demand is not None, "the coin fell, and nothing was demanded")
        return "demand"
    promise(session.attempt is None and session.spent, "a dealing that decided is held")
    promise(response.decision is not None, "no decision")
    stated = cose.verify(response.decision or b"", Decision, AUTHORITY.public).message
    honest = golden.EVALUATED.model_dump(exclude={"evaluation_digest"})
    promise(honest.items() <= stated.model_dump().items(), "a decision about other inputs")
    return "decision"


def _take_report(authority: _Authority, message: bytes) -> str:
    request = AuditResult.decode(message)
    authority.put(State.DEMANDED)
    answer = authority.service.conclude(request, GATEWAY.public)
    promise(request.report == golden.SIGNED_REPORT.encoded, "another report was accepted")
    _repeated(authority.service.conclude, request, answer)
    decision = DecisionResponse.decode(answer).decision
    stated = cose.verify(decision or b"", Decision, AUTHORITY.public).message
    promise(Evaluated.of(stated) == golden.EVALUATED, "another evaluation was decided")
    return "decision"


def _steps() -> list[bytes]:
    shares = golden.MESSAGES["shares-request"][0].encode()
    return [
        frame(b"product", golden.MESSAGES["product-request"][0].encode()),
        *[frame(b"shares", shares), frame(b"demand", shares)] * 4,
        *[frame(b"report", golden.MESSAGES["audit-result"][0].encode())] * 8,
    ]


def _message_of_step(rng: Random, data: bytes) -> bytes:
    """Mostly the message; some shares are well-formed, and nobody's."""
    which, message = unframe(data, 2)
    if which in (b"shares", b"demand") and rng.random() < 0.3:
        values = tuple(rng.choice((0, T - 1, rng.randrange(T))) for _ in range(2))
        shares = rng.randrange(2), rng.randrange(2)
        message = SharesRequest(session=golden.SESSION, values=values, shares=shares).encode()
        return frame(which, message)
    return frame(which, trees.cbor(rng, message))


# --- the gateway -----------------------------------------------------------------------------


class _Evaluation:
    """The golden evaluation, whatever nonce the authority signs."""

    seed_commitment = golden.ATTEMPT.seed_commitment

    def __init__(self, answered: bytes) -> None:
        self._answered = answered
        self.closed = False

    def padded_product(self, nonce: bytes) -> tuple[PaddedProduct, int]:
        promise(len(nonce) == len(golden.ATTEMPT_NONCE), "evaluated under something else")
        return golden.PRODUCT, golden.OMEGA

    def open(self, masked: tuple[int, int]) -> Opened:
        promise(all(0 <= value < T for value in masked), "values out of their bounds were opened")
        return Opened(golden.VALUES, golden.SHARES)

    def sealed_for_audit(self, _auditor: object, demand: bytes) -> bytes:
        asked = DecisionResponse.decode(self._answered).demand
        promise(asked is not None and demand == digest_of(asked), "sealed for another demand")
        return golden.SEALED["sealed audit"]

    def close(self) -> None:
        self.closed = True


class _Answers:
    """Authority and auditor, as their clients hand on what they say."""

    def __init__(self, *answers: bytes) -> None:
        self._nonce, self._values, self._decision, self._report, self._audited = answers

    def attempt(self, request: AttemptRequest) -> AttemptAnswer:
        promise(request == golden.ATTEMPT, "another attempt was made")
        return _read(AttemptAnswer, self._nonce)

    def masked_values(self, _request: ProductRequest) -> MaskedValues:
        return _read(MaskedValues, self._values)

    def decision(self, _request: SharesRequest) -> DecisionResponse:
        return _read(DecisionResponse, self._decision)

    def audit(self, _request: AuditRequest) -> AuditResponse:
        return _read(AuditResponse, self._report)

    def audited_decision(self, request: AuditResult) -> DecisionResponse:
        promise(request.report == golden.SIGNED_REPORT.encoded, "another report was passed on")
        return _read(DecisionResponse, self._audited)


def _read(kind: type[Any], answer: bytes) -> Any:
    """As ``gateway.server.authority_client``; the target ``authority-answer`` is about it."""
    if len(answer) > kind.max_bytes:
        raise Refused("answer too long")
    try:
        return kind.decode(answer)
    except MalformedMessage:
        raise Refused("answered something malformed") from None


@cache
def _checked() -> CheckedSubmission:
    return CheckedSubmission(
        golden.SIGNED_TEMPLATE,
        golden.SIGNED_SUBMISSION,
        golden.FRESH,
        golden.FRESH,
        _GATEWAYS,
        golden.SEALED["sealed dealing"],
        CheckedLiveness(not_performed()),
    )


def _parse_answers(data: bytes) -> str:
    """Steps 10 to 15: whatever they answer, only the golden evaluation is decided, and closed."""
    answers = unframe(data, 5)
    evaluation, peers = _Evaluation(answers[2]), _Answers(*answers)
    auditor = Auditor(peers, AUDITOR.public, parties.sealing_key().public)  # type: ignore[arg-type]
    try:
        verdict = decide(lambda _: evaluation, _checked(), expected(), peers, auditor)  # type: ignore[arg-type]
    finally:
        promise(evaluation.closed, "an evaluation was left open")
    stated = Evaluated.of(verdict.decision.message)
    promise(stated == golden.EVALUATED, "a decision about another evaluation was taken")
    return "audited" if verdict.audit else "decided"


def _answer_seeds() -> list[bytes]:
    counted, values = golden.MESSAGES["attempt-answer"][0], golden.MESSAGES["masked-values"][0]
    decided, demanded = (one.encode() for one in golden.MESSAGES["decision-response"])
    report = golden.MESSAGES["audit-response"][0].encode()
    begun = counted.encode(), values.encode()
    return [frame(*begun, decided, b"", b""), frame(*begun, demanded, report, decided)]


def _parse_parts(data: bytes) -> None:
    """Steps 1 to 9 where issuer and device assert what they sealed, whatever it is."""
    sealing, honest = parties.sealing_key(), golden.MESSAGES["submission"][0]
    template, dealt, probe = unframe(data, 3)
    template, probe = _fit(template, FRESH_BYTES), _fit(probe, FRESH_BYTES)
    dealt = _fit(dealt, DEALING_BYTES)
    issued, made = _asserted(
        probe, template_digest=digest_of(template), gateway_dealing_digest=digest_of(dealt)
    )
    submission = honest.model_copy(
        update={
            "template_assertion": issued,
            "submission_assertion": made,
            "sealed_template": sealing.public.seal(Sealed.TEMPLATE, template + dealt, *_BOUND),
            "sealed_probe": sealing.public.seal(Sealed.PROBE, probe, *_BOUND),
        }
    )
    checked = check_submission(submission, expected(), sealing, NOW)  # type: ignore[arg-type]
    taken = checked.template.encoded, checked.dealing.encoded, checked.probe.encoded
    promise(taken == (template, dealt, probe), "other parts were taken than were sealed")


def _part_seeds() -> list[bytes]:
    return [frame(golden.FRESH.encoded, _GATEWAYS.encoded, golden.PROBE.encoded)]


def _parse_digest(data: bytes) -> str:
    """Of a verified body: for any header at all there is a digest, the header's or the body's."""
    header, body = unframe(data, 2)
    given = {"content-digest": header.decode("latin-1")} if header else {}
    found = verified_digest(given, body)
    promise(len(found) == 32, "a digest of another length")
    if found == digest_of(body):
        return "accepted"
    promise(base64.b64encode(found)[:42] in header, "a digest that stands nowhere")
    return "Header"


def _digest_seeds() -> list[bytes]:
    body = b"body"
    packed = base64.b64encode(digest_of(body))
    return [frame(b"sha-256=:" + packed + b":", body), frame(b"", body)]


# --- the parent of a worker ------------------------------------------------------------------


class _Taken(Worker):
    """A worker that an input has taken over: it says what it likes."""

    def __init__(self) -> None:
        self._limits = Limits(1, 1.0)
        self.generation = 0
        self._pipe = self  # type: ignore[assignment]
        self.said: list[bytes] = []

    def send_bytes(self, _request: bytes) -> None: ...

    def poll(self, _seconds: float) -> bool:
        return True

    def recv_bytes(self, limit: int) -> bytes:
        said = self.said.pop(0) if self.said else b""
        if not said or len(said) > limit:
            raise OSError("bad message length")
        return said

    def replace(self) -> None:
        self.generation += 1


_HONEST: Final[dict[bytes, Any]] = {
    b"make": golden.HALF.encoded,
    b"answer": list(golden.MASKED),
    b"begin": golden.ATTEMPT.seed_commitment,
    b"product": [golden.PRODUCT.encoded, golden.OMEGA],
    b"open": [list(golden.VALUES), list(golden.SHARES)],
    b"seal": golden.SEALED["sealed audit"],
    b"repeat": golden.DECISION.evaluation_digest,
}


def _said(status: str, value: Any) -> bytes:
    return cbor.encode([status, value])


def _prepare_parent(_: object) -> Parse:
    worker, limits = _Taken(), Limits(1, 1.0)
    keys = SecretWorkers(1, limits, "seal-python")
    evaluations = EvaluationWorkers(1, limits)
    repetitions = RepetitionWorkers(1, limits, "seal-python")
    for one in (keys, evaluations, repetitions):
        one._pool.workers.append(worker)
    uniform = UniformHalf(bytes(32))
    request = golden.MESSAGES["audit-request"][0]
    assert isinstance(request, AuditRequest)

    def asked(which: bytes, said: bytes) -> None:
        if which in (b"make", b"answer"):
            worker.said = [said] if which == b"make" else [_said("ok", _HONEST[b"make"]), said]
            secret, half = keys.make(uniform)
            promise(type(half).__name__ == "SessionKeyHalf", "half a key of another type")
            if which == b"answer":
                values = secret.answer(golden.PRODUCT, golden.OMEGA, _AUTHORITYS)
                promise(_below(values, T), "values out of their bounds")
        elif which == b"repeat":
            worker.said = [said]
            digest = repetitions.repeat(request, bytes(AUDIT_SECRET_BYTES), golden.ATTEMPT_NONCE)  # type: ignore[arg-type]
            promise(isinstance(digest, bytes) and len(digest) == 32, "no digest")
        else:
            begun = which not in (b"product", b"open", b"seal")
            worker.said = [said] if begun else [_said("ok", _HONEST[b"begin"]), said]
            evaluation = evaluations.begin(_inputs())
            try:
                _check_evaluation(which, evaluation)
            finally:
                worker.said = []
                evaluation.close()

    def parse(data: bytes) -> str:
        which, said = unframe(data, 2)
        worker.generation = 0
        asked(which, said)
        return which.decode("latin-1")

    return parse


def _check_evaluation(which: bytes, evaluation: Any) -> None:
    if which == b"product":
        product, omega = evaluation.padded_product(golden.ATTEMPT_NONCE)
        promise(isinstance(product, PaddedProduct), "a product of another type")
        promise(isinstance(omega, int) and 0 < omega < T, "omega is no unit")
    elif which == b"open":
        opened = evaluation.open(golden.MASKED)
        promise(_below(opened.values, T), "values out of their bounds")
        promise(_below(opened.shares, 2), "shares out of their bounds")
    elif which == b"seal":
        sealed = evaluation.sealed_for_audit(parties.sealing_key().public, bytes(32))
        promise(type(sealed) is bytes and len(sealed) == SEALED_AUDIT_BYTES, "not what is sealed")
    else:
        made = evaluation.seed_commitment
        promise(type(made) is bytes and len(made) == 32, "not a commitment")


def _below(pair: Any, bound: int) -> bool:
    """Two integers that a message of the wire takes."""
    return (
        type(pair) is tuple
        and len(pair) == 2
        and all(type(value) is int and 0 <= value < bound for value in pair)
    )


@cache
def _inputs() -> Inputs:
    return inputs()


@cache
def _worker_answers() -> tuple[bytes, ...]:
    short = (b"answer", b"begin", b"open", b"repeat")
    failures = (("malformed", "not a padded product"), ("refused", "x"), ("failed", "ValueError"))
    return (
        *[frame(which, _said("ok", _HONEST[which])) for which in short] * 6,
        *[frame(which, _said(*failure)) for which in short for failure in failures],
        *(frame(which, _said("ok", _HONEST[which])) for which in (b"make", b"product", b"seal")),
    )


# --- audited secrets, and what is left of a product ------------------------------------------


def _parse_secret(data: bytes) -> None:
    parts = AuditSecret.split(data)
    promise(bytes(parts.joined()) == data, "split and joined, it is another secret")
    lengths = [len(part) for part in (parts.template, parts.probe, parts.dealing, parts.seed)]
    promise(lengths == [FRESH_BYTES, FRESH_BYTES, DEALING_BYTES, 32], "a part of another length")


def _secrets() -> list[bytes]:
    parts = golden.FRESH.encoded, golden.PROBE.encoded, _GATEWAYS.encoded
    return [bytes(AuditSecret(*parts, bytearray(golden.SEED)).joined())]


def _parse_tail(data: bytes) -> None:
    parsed = ProductTail.decode(data)
    promise(ProductTail(np.array(parsed.words)).encoded == data, "a second encoding was accepted")


def targets() -> Sequence[Target]:
    """All targets of this module."""
    header = words_of(
        b"sha-256=:", b"sha-256=", b":", b"=", b"/", b"+", b"A" * 43, b"-", b"_", b" ", b"\n",
        b", ", b"sha-512=:AA==:", b"sha-256=:" + b"A" * 43 + b"=:", b"\xff", b"\xc3\xa9",
    )  # fmt: skip
    answers = framed(*[trees.cbor] * 3, *[_given(trees.cbor)] * 2)
    return (
        target(
            "attempt-check",
            _attempts,
            framed(trees.signed, trees.signed, trees.cbor, lambda _, data: data, _given(dealing)),
            _prepare_attempt,
            60,
            bytewise=0.05,
        ),
        target("authority-steps", _steps, _message_of_step, _prepare_steps, 60, bytewise=0.05),
        target(
            "gateway-steps", _answer_seeds, answers, stateless(_parse_answers), 100, bytewise=0.05
        ),
        target(
            "sealed-parts",
            _part_seeds,
            framed(ciphertext, dealing, ciphertext),
            stateless(_parse_parts),
            4,
            bytewise=0.05,
        ),
        target(
            "verified-digest",
            _digest_seeds,
            framed(header, scramble),
            stateless(_parse_digest),
            60,
        ),
        target(
            "worker-answer",
            _worker_answers,
            _message_of_step,
            _prepare_parent,
            60,
            bytewise=0.05,
        ),
        target("audit-secret", _secrets, scramble, stateless(_parse_secret), 4),
        target(
            "product-tail",
            lambda: (golden.PRODUCT.tail.encoded,),
            polynomials,
            stateless(_parse_tail),
            6,
        ),
    )
