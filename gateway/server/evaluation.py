"""Evaluates a session homomorphically, in a worker process.

Worker processes (``EvaluationWorkers``) draw seed and pads, which never enter the process that
speaks to the network. When an audit is demanded, the seed leaves its worker sealed to the auditor.
Measurements and tests evaluate in their own process (``gateway.he.evaluation.Evaluation``).
"""

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

from gateway.he.engine import DEFAULT_ENGINE, Engine, EngineName
from gateway.he.engines import make_engine
from gateway.he.evaluation import Evaluation, Inputs, Opened
from gateway.he.randomness import new_seed
from gateway.host.isolation import (
    RETRY_SECONDS,
    Read,
    WorkerLimits,
    WorkerPool,
    octets,
    pair,
)
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


HELD: Final = 8
"""Evaluations that one worker holds at most, about 3 MB each. Most of them wait for the authority
or an auditor: the worker computes for one at a time."""
HELD_SECONDS: Final = 600
"""After this an evaluation is ended, whatever became of it: longer than any peer is waited for."""
_NAME_BYTES: Final = 16


class EvaluationWorkshop:
    """Runs inside a worker. It holds evaluations under names that the parent draws, and exchanges
    bytes and integers."""

    def __init__(self, engine: Engine, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._held: dict[bytes, tuple[float, Evaluation]] = {}

    def begin(self, name: bytes, encoded: list[bytes]) -> bytes:
        now = self._monotonic()
        for old in [one for one, (begun, _) in self._held.items() if begun < now - HELD_SECONDS]:
            self.end(old)
        if name in self._held or len(self._held) >= HELD:
            raise CallerMisuse("an evaluation of this name, or too many of them")
        evaluation = Evaluation(self._engine, Inputs.decode(encoded), new_seed())
        self._held[name] = now, evaluation
        return evaluation.seed_commitment

    def padded_product(self, name: bytes, nonce: bytes) -> list[bytes | int]:
        product, omega = self._find(name).padded_product(Nonce(nonce))
        return [product.encoded, omega]

    def open(self, name: bytes, masked: list[int]) -> list[list[int]]:
        opened = self._find(name).open((masked[0], masked[1]))
        return [list(opened.values), list(opened.shares)]

    def sealed_for_audit(self, name: bytes, auditor: bytes, demand: bytes) -> bytes:
        return self._find(name).sealed_for_audit(SealingPublicKey(auditor), Digest(demand))

    def end(self, name: bytes) -> None:
        held = self._held.pop(name, None)
        if held is not None:
            held[1].close()

    def _find(self, name: bytes) -> Evaluation:
        held = self._held.get(name)
        if held is None:
            raise CallerMisuse("no evaluation of this name")
        return held[1]


def make_seal_python_workshop() -> EvaluationWorkshop:
    return EvaluationWorkshop(make_engine("seal-python"))


def make_tenseal_workshop() -> EvaluationWorkshop:
    return EvaluationWorkshop(make_engine("tenseal"))


class EvaluationWorkers:
    """Worker processes. Each holds several evaluations, and computes for one at a time. One that
    dies takes its evaluations with it."""

    def __init__(
        self, count: int, limits: WorkerLimits, engine: EngineName = DEFAULT_ENGINE
    ) -> None:
        workshop = f"gateway.server.evaluation:make_{engine.replace('-', '_')}_workshop"
        self._pool = WorkerPool(workshop, count, limits)
        self._patience = 2 * limits.seconds
        self._held = [0] * count
        """How many evaluations each worker holds."""
        self._given_back = threading.Condition()

    def start(self) -> None:
        """Start the workers. Raises ``Unavailable`` if one does not start."""
        self._pool.start()

    def begin(self, inputs: Inputs) -> Evaluating:
        """Wait for a place in a worker and begin an evaluation there.

        Raises:
            Unavailable: all workers stay full, or the worker did not survive the inputs.
        """
        index = self._take()
        try:
            return IsolatedEvaluation(self._pool, index, inputs, self._give_back)
        except BaseException:
            self._give_back(index)
            raise

    def _take(self) -> int:
        """A place in the worker that holds fewest."""
        with self._given_back:
            if not self._given_back.wait_for(lambda: min(self._held) < HELD, self._patience):
                raise Unavailable("the server is busy; try again later", retry_after=RETRY_SECONDS)
            index = self._held.index(min(self._held))
            self._held[index] += 1
            return index

    def _give_back(self, index: int) -> None:
        with self._given_back:
            self._held[index] -= 1
            self._given_back.notify()

    @property
    def pool(self) -> WorkerPool:
        """The processes, for whoever watches them."""
        return self._pool

    def stop(self) -> None:
        self._pool.stop()


class IsolatedEvaluation:
    """An evaluation in a worker, where it has a place until ``close``."""

    def __init__(
        self, pool: WorkerPool, index: int, inputs: Inputs, give_back: Callable[[int], None]
    ) -> None:
        self._pool = pool
        self._index = index
        self._give_back = give_back
        self._is_closed = False
        self._name = secrets.token_bytes(_NAME_BYTES)
        encoded = inputs.encoded()
        with pool.on(index) as worker:
            self._generation = worker.generation
            begun = worker.call("begin", self._name, encoded, read=octets(DIGEST_BYTES))
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
        with self._pool.on(self._index) as worker:
            if worker.generation != self._generation:
                raise Unavailable("the evaluation was ended; open a new session")
            return worker.call(method, self._name, *arguments, read=read)

    def close(self) -> None:
        """Let the worker overwrite the seed, and free the place for another evaluation. Once."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            with self._pool.on(self._index) as worker:
                if worker.generation == self._generation:
                    with suppress(Unavailable):  # the worker was replaced: its seed is gone
                        worker.call("end", self._name)
        finally:
            self._give_back(self._index)


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
