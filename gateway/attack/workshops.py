"""Evaluation workers of a gateway that lacks one defence; ``gateway.attack.weakened`` names them.

Each function runs inside a worker process, replaces one thing there and makes the bench.
"""

import numpy as np
from numpy.typing import NDArray

from gateway.attack.weakened import replace
from gateway.he import blinding, evaluation, product
from gateway.he.engine import Engine, Handle
from gateway.he.randomness import SeedStream
from gateway.server.evaluation import EvaluationBench, make_tenseal_bench
from gateway.wire.policy import LanePolicy
from gateway.wire.polynomials import Words
from gateway.wire.profile import DATA_PRIMES, N


class UnmaskedStream(SeedStream):
    """Draws zeros for the mask."""

    def residues(self, label: str, count: int) -> NDArray[np.uint64]:
        values = super().residues(label, count)
        return np.zeros_like(values) if label == "product/mask" else values


class UnfloodedStream(SeedStream):
    """Draws zeros for the flood."""

    def flood(self, label: str, count: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        low, high = super().flood(label, count)
        return np.zeros_like(low), np.zeros_like(high)


class UnrandomisedStream(SeedStream):
    """Draws zeros for the error of the re-randomisation."""

    def centred_binomial(self, label: str, count: int) -> NDArray[np.int64]:
        return np.zeros_like(super().centred_binomial(label, count))


def without_masking() -> EvaluationBench:
    replace(evaluation, "SeedStream", UnmaskedStream)
    return make_tenseal_bench()


def without_flooding() -> EvaluationBench:
    replace(evaluation, "SeedStream", UnfloodedStream)
    return make_tenseal_bench()


def without_rerandomisation() -> EvaluationBench:
    def nothing(engine: Engine, *_: object) -> Handle:
        return engine.load(np.zeros((2, len(DATA_PRIMES), N), dtype=np.uint64))

    replace(blinding, "rerandomiser", nothing)
    replace(evaluation, "SeedStream", UnrandomisedStream)
    return make_tenseal_bench()


def without_scale_proof() -> EvaluationBench:
    """v = Ks <p, b>: the plain inner product."""

    def plain(_: Words, template: Words, lanes: tuple[LanePolicy, ...]) -> Words:
        primes = np.array(DATA_PRIMES, dtype=np.uint64)[:, None]
        weighed: Words = np.uint64(lanes[0].ks) * template % primes
        return weighed

    replace(product, "_weigh", plain)
    return make_tenseal_bench()
