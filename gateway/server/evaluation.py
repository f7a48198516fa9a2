"""The homomorphic evaluation of one session: deterministic given inputs and seed.

Somebody who is later given the same inputs and the seed computes the same bytes, word for word
(protocol, sections 7 and 10). The seed serves one evaluation; ``close`` overwrites it.

A server evaluates in worker processes (``EvaluationWorkers``): seed and interval bounds are drawn
there and never enter the process that speaks to the network. Measurements, tests and an auditor
evaluate where they are (``Evaluation``).
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gateway.he import transcript
from gateway.he.engine import Engine, default_engine, overwrite_pool
from gateway.he.interval import blinded_rows
from gateway.he.isolation import Limits, Worker, WorkerPool
from gateway.he.product import MaskedScore, masked_product
from gateway.he.randomness import SeedStream, new_seed, seed_commitment
from gateway.wire.errors import CallerMisuse, Unavailable
from gateway.wire.host.memory import wipe
from gateway.wire.ids import Commitment, Digest, SessionId
from gateway.wire.policy import MatchPolicy
from gateway.wire.polynomials import Ciphertext, SessionPublicKey


@dataclass(frozen=True)
class Inputs:
    """Everything that enters an evaluation besides the seed."""

    session: SessionId
    public_key: SessionPublicKey
    policy: MatchPolicy
    grant: bytes = field(repr=False)
    template_assertion: bytes = field(repr=False)
    submission_assertion: bytes = field(repr=False)
    template: Ciphertext
    probe: Ciphertext

    def encoded(self) -> list[bytes]:
        """As bytes, for a worker."""
        return [
            self.session,
            self.public_key.encoded,
            self.policy.encode(),
            self.grant,
            self.template_assertion,
            self.submission_assertion,
            self.template.encoded,
            self.probe.encoded,
        ]

    @classmethod
    def decode(cls, encoded: list[bytes]) -> "Inputs":
        """The reverse of ``encoded``."""
        session, key, policy, grant, issued, submitted, template, probe = encoded
        return cls(
            SessionId(session),
            SessionPublicKey.decode(key),
            MatchPolicy.decode(policy),
            grant,
            issued,
            submitted,
            Ciphertext.decode(template, polynomials=2),
            Ciphertext.decode(probe, polynomials=2),
        )


class Evaluating(Protocol):
    """One evaluation, wherever it runs: the product, then the rows, then closed."""

    @property
    def seed_commitment(self) -> Commitment: ...

    def masked_product(self) -> Ciphertext: ...

    def blinded_rows(self, bits: Ciphertext) -> Ciphertext: ...

    def close(self) -> None: ...


NewEvaluation = Callable[[Inputs], Evaluating]


class Evaluation:
    """An evaluation in this process."""

    def __init__(self, engine: Engine, inputs: Inputs, seed: bytearray) -> None:
        """Take over a seed of 32 bytes."""
        self._engine = engine
        self._inputs = inputs
        self._seed = seed
        self._score: MaskedScore | None = None
        self._before_product = transcript.before_product(
            inputs.grant,
            inputs.policy.digest,
            inputs.template_assertion,
            inputs.submission_assertion,
        )

    @classmethod
    def fresh(cls, inputs: Inputs) -> "Evaluation":
        """With a seed of the operating system's randomness."""
        return cls(default_engine(), inputs, new_seed())

    @property
    def seed_commitment(self) -> Commitment:
        return seed_commitment(self._inputs.session, self._seed)

    def masked_product(self) -> Ciphertext:
        """The masked score for the authority; the bounds stay here.

        Raises:
            Refused: the inputs cancel each other.
        """
        given = self._inputs
        self._score = masked_product(
            self._engine,
            given.public_key,
            given.probe,
            given.template,
            given.policy,
            SeedStream(self._seed, self._before_product),
        )
        return self._score.ciphertext

    def blinded_rows(self, bits: Ciphertext) -> Ciphertext:
        """The comparison rows over the authority's encrypted bits, after ``masked_product``."""
        if self._score is None:
            raise CallerMisuse("the rows come after the product")
        before: Digest = transcript.before_rows(
            self._before_product, self._score.ciphertext.digest, bits.digest
        )
        return blinded_rows(
            self._engine,
            self._inputs.public_key,
            bits,
            self._score.bounds,
            SeedStream(self._seed, before),
        )

    def close(self) -> None:
        """Overwrite the seed and what SEAL's pool keeps, forget the bounds."""
        wipe(self._seed)
        self._score = None
        overwrite_pool()


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
