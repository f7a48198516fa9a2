"""Where a gateway evaluates: in worker processes, or where it is.

A server evaluates in worker processes (``EvaluationWorkers``): seed and interval bounds are drawn
there and never enter the process that speaks to the network. When an audit is demanded, the seed
leaves its worker sealed to the auditor. Measurements and tests evaluate where they are
(``gateway.he.evaluation.Evaluation``).
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Literal, Protocol

from gateway.he.engine import Engine, default_engine
from gateway.he.evaluation import Evaluation, Inputs
from gateway.he.isolation import Limits, Worker, WorkerPool
from gateway.he.randomness import new_seed
from gateway.wire.errors import CallerMisuse, Unavailable
from gateway.wire.ids import Commitment, Digest
from gateway.wire.polynomials import Ciphertext
from gateway.wire.sealing import SealingPublicKey


class Evaluating(Protocol):
    """One evaluation, wherever it runs: the product, then the rows, then closed."""

    @property
    def seed_commitment(self) -> Commitment: ...

    def masked_product(self) -> Ciphertext: ...

    def blinded_rows(self, bits: Ciphertext) -> Ciphertext: ...

    def sealed_for_audit(self, auditor: SealingPublicKey, demand: Digest) -> bytes: ...

    def close(self) -> None: ...


NewEvaluation = Callable[[Inputs], Evaluating]


class EvaluationBench:
    """Inside a worker: the one evaluation that it holds, over bytes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held: Evaluation | None = None

    def begin(self, encoded: list[bytes]) -> list[bytes]:
        self.end()
        self._held = Evaluation(self._engine, Inputs.decode(encoded), new_seed())
        return [self._held.seed_commitment, self._held.masked_product().encoded]

    def blinded_rows(self, bits: bytes) -> bytes:
        if self._held is None:
            raise CallerMisuse("no evaluation was begun")
        return self._held.blinded_rows(Ciphertext.decode(bits, polynomials=2)).encoded

    def sealed_for_audit(self, auditor: bytes, demand: bytes) -> bytes:
        if self._held is None:
            raise CallerMisuse("no evaluation was begun")
        return self._held.sealed_for_audit(SealingPublicKey(auditor), Digest(demand))

    def end(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None


EngineName = Literal["tenseal", "seal-python"]


def make_tenseal_bench() -> EvaluationBench:
    return EvaluationBench(default_engine())


def make_seal_python_bench() -> EvaluationBench:
    from gateway.he.engine_seal_python import SealPythonEngine  # noqa: PLC0415  optional extra

    return EvaluationBench(SealPythonEngine())


class EvaluationWorkers:
    """Worker processes; each holds one evaluation at a time."""

    def __init__(self, count: int, limits: Limits, engine: EngineName = "tenseal") -> None:
        workshop = f"gateway.server.evaluation:make_{engine.replace('-', '_')}_bench"
        self._pool = WorkerPool(workshop, count, limits)

    def start(self) -> None:
        """Start the workers. Raises ``Unavailable`` if one does not start."""
        self._pool.start()

    def begin(self, inputs: Inputs) -> Evaluating:
        """Wait for a free worker and evaluate the product in it.

        Raises:
            Refused: the inputs cancel each other.
            Unavailable: the worker did not survive the inputs.
        """
        index = self._pool.take()
        try:
            return IsolatedEvaluation(self._pool, index, inputs)
        except BaseException:
            self._pool.give_back(index)
            raise

    def stop(self) -> None:
        self._pool.stop()


class IsolatedEvaluation:
    """An evaluation in a worker, which is this one's alone until ``close``."""

    def __init__(self, pool: WorkerPool, index: int, inputs: Inputs) -> None:
        self._pool = pool
        self._index = index
        self._generation = self._worker.generation
        commitment, product = self._worker.call("begin", inputs.encoded())
        self._commitment = Commitment(commitment)
        self._product = Ciphertext.decode(product, polynomials=3)

    @property
    def seed_commitment(self) -> Commitment:
        return self._commitment

    def masked_product(self) -> Ciphertext:
        return self._product

    def blinded_rows(self, bits: Ciphertext) -> Ciphertext:
        """Raises ``Unavailable`` when the worker did not survive."""
        if self._worker.generation != self._generation:
            raise Unavailable("the evaluation was ended; open a new session")
        rows = self._worker.call("blinded_rows", bits.encoded)
        return Ciphertext.decode(rows, polynomials=2)

    def sealed_for_audit(self, auditor: SealingPublicKey, demand: Digest) -> bytes:
        """Raises ``Unavailable`` when the worker did not survive."""
        if self._worker.generation != self._generation:
            raise Unavailable("the evaluation was ended; open a new session")
        return bytes(self._worker.call("sealed_for_audit", auditor.raw, demand))

    def close(self) -> None:
        """Let the worker overwrite the seed, and serve another."""
        try:
            if self._worker.generation == self._generation:
                with suppress(Unavailable):  # then it was replaced, and its seed is gone
                    self._worker.call("end")
        finally:
            self._pool.give_back(self._index)

    @property
    def _worker(self) -> Worker:
        return self._pool.workers[self._index]
