"""Workers of a server that lacks one defence; ``gateway.lab.attack.weakened`` names them.

Each function runs inside a worker process, replaces one thing there and makes the workshop.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.he import evaluation
from gateway.he.engines import make_engine
from gateway.he.randomness import FLOOD_BITS, FLOOD_LOW_BITS, SeedStream
from gateway.lab.attack import trapdoor
from gateway.lab.attack.weakened import replace
from gateway.server.evaluation import EvaluationWorkshop, make_seal_python_workshop


class UnpaddedStream(SeedStream):
    """Draws zeros for the pads of the two numbers."""

    def numbers(self, label: str, count: int) -> list[int]:
        return [0 for _ in super().numbers(label, count)]


class UnmaskedStream(SeedStream):
    """Draws zeros for the encryption of zero that is added to the second polynomial."""

    def ternary(self, label: str, count: int) -> NDArray[np.int64]:
        return np.zeros_like(super().ternary(label, count))

    def centred_binomial(self, label: str, count: int) -> NDArray[np.int64]:
        return np.zeros_like(super().centred_binomial(label, count))


class UnmixedStream(SeedStream):
    """Draws zeros for rho. One slot keeps a 1, because SEAL refuses to multiply by zero."""

    def residues(self, label: str, count: int) -> NDArray[np.uint64]:
        values = np.zeros_like(super().residues(label, count))
        values[0] = 1
        return values


class UnfloodedStream(SeedStream):
    """Draws zeros for beta."""

    def flood(self, label: str, count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        low, high = super().flood(label, count)
        return np.zeros_like(low), np.full_like(high, 1 << FLOOD_BITS - FLOOD_LOW_BITS)


class UndividedStream(SeedStream):
    """Draws 1 for omega."""

    def unit(self, label: str) -> int:
        super().unit(label)
        return 1


def drawing(stream: type[SeedStream]) -> Callable[[], EvaluationWorkshop]:
    """Makes a workshop whose evaluations draw from this stream."""

    def workshop() -> EvaluationWorkshop:
        replace(evaluation, "SeedStream", stream)
        return make_seal_python_workshop()

    return workshop


without_rho = drawing(UnmixedStream)
without_beta = drawing(UnfloodedStream)
without_omega = drawing(UndividedStream)
without_pad = drawing(UnpaddedStream)
without_rerandomisation = drawing(UnmaskedStream)


def with_a_trapdoor() -> EvaluationWorkshop:
    trapdoor.install()
    return make_seal_python_workshop()


def keeping_keys() -> Any:
    """An authority's workshop whose keys answer as often as they are asked."""
    # ``keys`` is deployed apart; a gateway under attack runs without it.
    from keys import authority, workers  # noqa: PLC0415

    class Keeping(dict[bytes, Any]):
        def pop(self, name: bytes, *_: object) -> Any:
            return self[name]

    replace(authority.SessionSecret, "destroy", lambda _: None)
    bench = workers.KeyWorkshop(make_engine("seal-python"))
    bench._held = Keeping()
    return bench
