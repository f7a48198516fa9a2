"""The evaluation, repeated: ``gateway.he.evaluation`` on the inputs that were handed over.

The inputs come from a gateway that may be the attacker. So a server repeats the evaluation in
worker processes that may die. The seed enters a worker within one large buffer and is overwritten
there. No other copy of it is small enough for the memory blocks that Python keeps for reuse.
"""

from typing import Any

from gateway.he.engine import Engine, EngineName, default_engine
from gateway.he.engines import make_engine
from gateway.he.evaluation import Evaluation, Inputs
from gateway.host.isolation import WorkerLimits, WorkerPool, octets
from gateway.wire.audit import AuditRequest, AuditSecret
from gateway.wire.evaluation import evaluation_digest
from gateway.wire.ids import DIGEST_BYTES, Digest, Nonce


class RepetitionWorkshop:
    """Runs inside a worker, over bytes. It holds nothing between calls."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def repeat(self, inputs: list[bytes], secret: bytes, nonce: bytes, masked: list[int]) -> bytes:
        """Evaluate product and shares again.

        Args:
            inputs: ``Inputs`` as bytes, without ciphertexts and dealing.
            secret: as ``gateway.wire.audit.AuditSecret`` splits it.

        Returns:
            The evaluation's digest.
        """
        parts = AuditSecret.split(secret)
        given = Inputs.decode([*inputs, parts.template, parts.probe, parts.dealing])
        evaluation = Evaluation(self._engine, given, parts.seed)
        try:
            product, omega = evaluation.padded_product(Nonce(nonce))
            answered = (masked[0], masked[1])
            opened = evaluation.open(answered)
            return evaluation_digest(
                Nonce(nonce), product.digest, omega, answered, opened.values, opened.shares
            )
        finally:
            evaluation.close()


def make_seal_python_workshop() -> RepetitionWorkshop:
    return RepetitionWorkshop(make_engine("seal-python"))


def make_tenseal_workshop() -> RepetitionWorkshop:
    return RepetitionWorkshop(make_engine("tenseal"))


def arguments_of(request: AuditRequest, secret: bytes, nonce: Nonce) -> tuple[Any, ...]:
    """The arguments of ``RepetitionWorkshop.repeat``."""
    inputs = [
        request.grant,
        request.public_key,
        request.policy,
        request.template_assertion,
        request.submission_assertion,
    ]
    return inputs, secret, nonce, list(request.masked)


def repeat_here(request: AuditRequest, secret: bytes, nonce: Nonce) -> Digest:
    """Repeat the evaluation in this process (for measurements and tests)."""
    bench = RepetitionWorkshop(default_engine())
    return Digest(bench.repeat(*arguments_of(request, secret, nonce)))


class RepetitionWorkers:
    """Worker processes; each repeats one evaluation at a time."""

    def __init__(self, count: int, limits: WorkerLimits, engine: EngineName) -> None:
        workshop = f"gateway.auditor.repetition:make_{engine.replace('-', '_')}_workshop"
        self._pool = WorkerPool(workshop, count, limits)

    def start(self) -> None:
        """Start the workers. Raises ``Unavailable`` if one does not start."""
        self._pool.start()

    def repeat(self, request: AuditRequest, secret: bytes, nonce: Nonce) -> Digest:
        """Wait for a free worker and evaluate in it.

        Raises:
            MalformedMessage, Refused: the inputs cannot be evaluated.
            Unavailable: all workers stay busy, or the worker did not survive the inputs.
        """
        index = self._pool.take()
        try:
            given = arguments_of(request, secret, nonce)
            with self._pool.on(index) as worker:
                return Digest(worker.call("repeat", *given, read=octets(DIGEST_BYTES)))
        finally:
            self._pool.give_back(index)

    @property
    def pool(self) -> WorkerPool:
        """The processes, for whoever watches them."""
        return self._pool

    def stop(self) -> None:
        self._pool.stop()
