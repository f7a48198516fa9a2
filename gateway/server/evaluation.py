"""Evaluates a session homomorphically, in a worker process.

Worker processes (``EvaluationWorkers``) draw seed and pads, which never enter the process that
speaks to the network. When an audit is demanded, the seed leaves its worker sealed to the auditor.
Measurements and tests evaluate in their own process (``gateway.he.evaluation.Evaluation``).
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from gateway.he.engine import DEFAULT_ENGINE, Engine, EngineName
from gateway.he.engines import make_engine
from gateway.he.evaluation import Evaluation, Inputs, Opened
from gateway.he.randomness import new_seed
from gateway.host.isolation import Read, Worker, WorkerLimits, WorkerPool, octets, pair
from gateway.wire.errors import CallerMisuse, Unavailable
from gateway.wire.evaluation import PerLane
from gateway.wire.ids import DIGEST_BYTES, Commitment, Digest, Nonce
from gateway.wire.polynomials import PADDED_BYTES, PaddedProduct
from gateway.wire.profile import T
from gateway.wire.sealing import SEALED_AUDIT_BYTES, SealingPublicKey


class Evaluating(Protocol):
    """One evaluation, here or in a worker: first the product, then the shares, then close."""

    @property
    def seed_commitment(self) -> Commitment: ...

    def padded_product(self, nonce: Nonce) -> tuple[PaddedProduct, int]: ...

    def open(self, masked: PerLane) -> Opened: ...

    def sealed_for_audit(self, auditor: SealingPublicKey, demand: Digest) -> bytes: ...

    def close(self) -> None: ...


NewEvaluation = Callable[[Inputs], Evaluating]


class EvaluationWorkshop:
    """Runs inside a worker. It holds one evaluation, and exchanges bytes and integers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._evaluation: Evaluation | None = None

    def begin(self, encoded: list[bytes]) -> bytes:
        self.end()
        self._evaluation = Evaluation(self._engine, Inputs.decode(encoded), new_seed())
        return self._evaluation.seed_commitment

    def padded_product(self, nonce: bytes) -> list[bytes | int]:
        product, omega = self._held.padded_product(Nonce(nonce))
        return [product.encoded, omega]

    def open(self, masked: list[int]) -> list[list[int]]:
        opened = self._held.open((masked[0], masked[1]))
        return [list(opened.values), list(opened.shares)]

    def sealed_for_audit(self, auditor: bytes, demand: bytes) -> bytes:
        return self._held.sealed_for_audit(SealingPublicKey(auditor), Digest(demand))

    def end(self) -> None:
        if self._evaluation is not None:
            self._evaluation.close()
            self._evaluation = None

    @property
    def _held(self) -> Evaluation:
        if self._evaluation is None:
            raise CallerMisuse("no evaluation was begun")
        return self._evaluation


def make_seal_python_workshop() -> EvaluationWorkshop:
    return EvaluationWorkshop(make_engine("seal-python"))


def make_tenseal_workshop() -> EvaluationWorkshop:
    return EvaluationWorkshop(make_engine("tenseal"))


class EvaluationWorkers:
    """Worker processes; each holds one evaluation at a time."""

    def __init__(
        self, count: int, limits: WorkerLimits, engine: EngineName = DEFAULT_ENGINE
    ) -> None:
        workshop = f"gateway.server.evaluation:make_{engine.replace('-', '_')}_workshop"
        self._pool = WorkerPool(workshop, count, limits)

    def start(self) -> None:
        """Start the workers. Raises ``Unavailable`` if one does not start."""
        self._pool.start()

    def begin(self, inputs: Inputs) -> Evaluating:
        """Wait for a free worker and begin an evaluation in it.

        Raises:
            Unavailable: all workers stay busy, or the worker did not survive the inputs.
        """
        index = self._pool.take()
        try:
            return IsolatedEvaluation(self._pool, index, inputs)
        except BaseException:
            self._pool.give_back(index)
            raise

    @property
    def pool(self) -> WorkerPool:
        """The processes, for whoever watches them."""
        return self._pool

    def stop(self) -> None:
        self._pool.stop()


class IsolatedEvaluation:
    """An evaluation in a worker, which serves no other one until ``close``."""

    def __init__(self, pool: WorkerPool, index: int, inputs: Inputs) -> None:
        self._pool = pool
        self._index = index
        self._generation = self._worker.generation
        begun = self._worker.call("begin", inputs.encoded(), read=octets(DIGEST_BYTES))
        self._commitment = Commitment(begun)

    @property
    def seed_commitment(self) -> Commitment:
        return self._commitment

    def padded_product(self, nonce: Nonce) -> tuple[PaddedProduct, int]:
        """Raises ``Refused`` if the inputs cancel each other, ``Unavailable`` as ``_call``."""
        made: tuple[PaddedProduct, int] = self._call("padded_product", nonce, read=_product)
        return made

    def open(self, masked: PerLane) -> Opened:
        """Raises ``Unavailable`` as ``_call``."""
        opened: Opened = self._call("open", list(masked), read=_opened)
        return opened

    def sealed_for_audit(self, auditor: SealingPublicKey, demand: Digest) -> bytes:
        """Raises ``Unavailable`` as ``_call``."""
        read = octets(SEALED_AUDIT_BYTES)
        sealed: bytes = self._call("sealed_for_audit", auditor.raw, demand, read=read)
        return sealed

    def _call(self, method: str, *arguments: Any, read: Read[Any]) -> Any:
        """Call the worker. Raises ``Unavailable`` if it did not survive."""
        if self._worker.generation != self._generation:
            raise Unavailable("the evaluation was ended; open a new session")
        return self._worker.call(method, *arguments, read=read)

    def close(self) -> None:
        """Let the worker overwrite the seed, and free it for another evaluation."""
        try:
            if self._worker.generation == self._generation:
                with suppress(Unavailable):  # the worker was replaced: its seed is gone
                    self._worker.call("end")
        finally:
            self._pool.give_back(self._index)

    @property
    def _worker(self) -> Worker:
        return self._pool.workers[self._index]


def _product(value: Any) -> tuple[PaddedProduct, int]:
    product, omega = _two(value)
    if type(omega) is not int or not 0 < omega < T:
        raise ValueError("not a unit")
    return PaddedProduct.decode(octets(PADDED_BYTES)(product)), omega


def _opened(value: Any) -> Opened:
    values, shares = _two(value)
    return Opened(pair(T)(values), pair(2)(shares))


def _two(value: Any) -> tuple[Any, Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("not two values")
    return value[0], value[1]
