"""The gateway at each answer of the authority and the auditor, and at what issuer and device seal.

The evaluation stands in the state in which an answer arrives, so that the step's own checks decide
and not those before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from gateway.he.evaluation import Opened
from gateway.server.audit import Auditor
from gateway.server.liveness import CheckedLiveness
from gateway.server.verification import CheckedSubmission, check_submission, decide
from gateway.wire.audit import AuditRequest, AuditResponse, AuditResult, Evaluated
from gateway.wire.dealing import DEALING_BYTES
from gateway.wire.errors import MalformedMessage, Refused
from gateway.wire.evaluation import (
    AttemptAnswer,
    AttemptRequest,
    DecisionResponse,
    MaskedValues,
    ProductRequest,
    SharesRequest,
)
from gateway.wire.ids import digest_of
from gateway.wire.liveness import not_performed
from gateway.wire.polynomials import FRESH_BYTES, PaddedProduct
from gateway.wire.profile import T
from gateway.wire.sealing import Sealed
from tests.fuzz import trees
from tests.fuzz.making import stateless, target
from tests.fuzz.mutations import frame, framed, unframe
from tests.fuzz.targets_authority import BOUND, both_assertions, fit, while_given
from tests.fuzz.targets_he import ciphertext, dealing
from tests.fuzz.targets_wire import expected, promise
from tests.support import parties
from tests.support.fuzzing import Target
from tests.support.parties import AUDITOR, NOW
from tests.vectors import golden

_GATEWAYS = golden.DEALINGS[0]


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
    template, probe = fit(template, FRESH_BYTES), fit(probe, FRESH_BYTES)
    dealt = fit(dealt, DEALING_BYTES)
    issued, made = both_assertions(
        probe, template_digest=digest_of(template), gateway_dealing_digest=digest_of(dealt)
    )
    submission = honest.model_copy(
        update={
            "template_assertion": issued,
            "submission_assertion": made,
            "sealed_template": sealing.public.seal(Sealed.TEMPLATE, template + dealt, *BOUND),
            "sealed_probe": sealing.public.seal(Sealed.PROBE, probe, *BOUND),
        }
    )
    checked = check_submission(submission, expected(), sealing, NOW)  # type: ignore[arg-type]
    taken = checked.template.encoded, checked.dealing.encoded, checked.probe.encoded
    promise(taken == (template, dealt, probe), "other parts were taken than were sealed")


def _part_seeds() -> list[bytes]:
    return [frame(golden.FRESH.encoded, _GATEWAYS.encoded, golden.PROBE.encoded)]


def targets() -> Sequence[Target]:
    """All targets of this module."""
    answers = framed(*[trees.cbor] * 3, *[while_given(trees.cbor)] * 2)
    parts = framed(ciphertext, dealing, ciphertext)
    return (
        target(
            "gateway-steps", _answer_seeds, answers, stateless(_parse_answers), 100, bytewise=0.05
        ),
        target("sealed-parts", _part_seeds, parts, stateless(_parse_parts), 4, bytewise=0.05),
    )
