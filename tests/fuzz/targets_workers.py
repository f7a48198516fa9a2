"""The parent of a worker, whatever is said by a worker that an input has taken over."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any, Final

from gateway.auditor.repetition import RepetitionWorkers
from gateway.he.evaluation import Inputs
from gateway.he.session_key import UniformHalf
from gateway.host.isolation import _ANSWER_BYTES, Worker, WorkerLimits
from gateway.server.evaluation import EvaluationWorkers
from gateway.wire import cbor
from gateway.wire.audit import AuditRequest
from gateway.wire.polynomials import PaddedProduct
from gateway.wire.profile import T
from gateway.wire.sealing import AUDIT_SECRET_BYTES, SEALED_AUDIT_BYTES
from keys.workers import SecretWorkers
from tests.fuzz import trees
from tests.fuzz.making import target
from tests.fuzz.mutations import frame, unframe
from tests.fuzz.targets_he import inputs
from tests.fuzz.targets_wire import promise
from tests.support import parties
from tests.support.fuzzing import Parse, Target
from tests.vectors import golden

_AUTHORITYS = golden.DEALINGS[1]


class _Taken(Worker):
    """A worker that an input has taken over: it says what it likes."""

    def __init__(self) -> None:
        self._limits = WorkerLimits(1, 1.0)
        self.generation = 0
        self._line = self  # type: ignore[assignment]
        self.said: list[bytes] = []

    def send(self, _request: bytes, _until: float) -> None: ...

    def receive(self, _until: float) -> bytes:
        said = self.said.pop(0) if self.said else b""
        if not said or len(said) > _ANSWER_BYTES:
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
    worker, limits = _Taken(), WorkerLimits(1, 1.0)
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


def _message(rng: Random, data: bytes) -> bytes:
    which, said = unframe(data, 2)
    return frame(which, trees.cbor(rng, said))


def targets() -> Sequence[Target]:
    """All targets of this module."""
    return (target("worker-answer", _worker_answers, _message, _prepare_parent, 60, bytewise=0.05),)
