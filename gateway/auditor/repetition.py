"""The evaluation, repeated: ``gateway.he.evaluation`` on the inputs that were handed over.

The inputs come from a gateway that may be the attacker, so a server repeats in worker processes
that may die. The seed enters a worker within one large buffer and is overwritten there; no copy of
it is as small as the objects whose memory Python keeps for itself.
"""

from gateway.auditor.verification import Repeated
from gateway.he.engine import Engine, default_engine
from gateway.he.evaluation import Evaluation, Inputs
from gateway.he.isolation import Limits, WorkerPool
from gateway.wire.audit import AuditRequest, Evaluated
from gateway.wire.ids import Digest
from gateway.wire.polynomials import FRESH_BYTES, Ciphertext


class RepetitionBench:
    """Inside a worker: over bytes, holding nothing between calls."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def repeat(self, inputs: list[bytes], secret: bytes, bits: bytes) -> list[bytes]:
        """Evaluate product and rows again.

        Args:
            inputs: ``Inputs`` as bytes, without the template.
            secret: template ciphertext, then the seed.
        """
        view = memoryview(secret)
        seed = bytearray(view[FRESH_BYTES:])
        *known, probe = inputs
        given = Inputs.decode([*known, bytes(view[:FRESH_BYTES]), probe])
        evaluation = Evaluation(self._engine, given, seed)
        try:
            product = evaluation.masked_product()
            rows = evaluation.blinded_rows(Ciphertext.decode(bits, polynomials=2))
            return [product.digest, rows.digest]
        finally:
            evaluation.close()


def make_bench() -> RepetitionBench:
    return RepetitionBench(default_engine())


def inputs_of(request: AuditRequest, wanted: Evaluated) -> list[bytes]:
    """What ``RepetitionBench.repeat`` takes first."""
    return [
        wanted.session,
        request.public_key,
        request.policy,
        request.grant,
        request.template_assertion,
        request.submission_assertion,
        request.probe,
    ]


def repeat_here(request: AuditRequest, wanted: Evaluated, secret: bytes) -> Repeated:
    """In this process (for measurements and tests)."""
    product, rows = make_bench().repeat(inputs_of(request, wanted), secret, request.encrypted_bits)
    return Repeated(Digest(product), Digest(rows))


class RepetitionWorkers:
    """Worker processes; each repeats one evaluation at a time."""

    def __init__(self, count: int, limits: Limits) -> None:
        self._pool = WorkerPool("gateway.auditor.repetition:make_bench", count, limits)

    def start(self) -> None:
        """Start the workers. Raises ``Unavailable`` if one does not start."""
        self._pool.start()

    def repeat(self, request: AuditRequest, wanted: Evaluated, secret: bytes) -> Repeated:
        """Wait for a free worker and evaluate in it.

        Raises:
            MalformedMessage, Refused: what was handed over cannot be evaluated.
            Unavailable: all are busy, or the worker did not survive the inputs.
        """
        index = self._pool.take()
        try:
            product, rows = self._pool.workers[index].call(
                "repeat", inputs_of(request, wanted), secret, request.encrypted_bits
            )
            return Repeated(Digest(product), Digest(rows))
        finally:
            self._pool.give_back(index)

    def stop(self) -> None:
        self._pool.stop()
