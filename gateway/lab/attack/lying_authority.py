"""A key authority in the attacker's hands that departs from the protocol, in one of three ways.

``python -m gateway.lab.attack.lying_authority turn|ask|ask-aside DIRECTORY keys.cli serve`` runs
the real service with other keepers of session keys.

turn        signs the opposite of one decision in three
ask         answers wrong values m', in both lanes
ask-aside   answers a wrong m' in the first lane only, and still gets the second lane's true bit

How asking works: given m' + d, the gateway makes m = v + r + d, and its shares are about that. So
the authority learns whether v + d lies in the policy's interval: it moves the interval where it
likes. It gets one bit per lane and no more, because m is uniform by the gateway's half of r, and
the shares follow from m, the authority's own key and this bit. The price: the answer no longer
contains that lane's true bit, so the authority has to guess it.
"""

import importlib
import json
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.lab.attack.spying_authority import SpyingWorkers, View, serve
from gateway.wire.dealing import Dealing
from gateway.wire.evaluation import PerLane
from gateway.wire.policy import LanePolicy
from gateway.wire.profile import LANES, T

TURNED_EVERY: Final = 3
RULES: Final = (LanePolicy.for_cosine("0.419"), LanePolicy.for_cosine("0.341"))
"""The policy is public."""

SCORES: Final = np.arange(-1_300, 6_500, dtype=np.int64)
"""All scores that are possible, for cosines from -0.2 to 0.99."""

TURN, ASK, ASK_ASIDE = "turn", "ask", "ask-aside"
_STEP: Final = 1_500
MOVED: Final[dict[str, PerLane]] = {TURN: (0, 0), ASK: (-_STEP, -_STEP), ASK_ASIDE: (-_STEP, 0)}
"""d of each lane. It splits the accepted scores in two, and the others as well."""


@dataclass(frozen=True)
class Learnt:
    """What one session told the authority."""

    moved: PerLane
    bits: tuple[bool, bool]

    def candidates(self, lane: int) -> NDArray[np.int64]:
        """The scores that fit what was learnt of a lane."""
        rule, moved = RULES[lane], SCORES + self.moved[lane]
        fits = (moved >= rule.lo) & (moved <= rule.hi)
        found: NDArray[np.int64] = SCORES[fits == self.bits[lane]]
        return found

    def guess(self) -> bool:
        """The true decision, as far as it can tell."""
        medians = (int(np.median(self.candidates(lane))) for lane in range(LANES))
        return all(rule.accepts(value % T) for rule, value in zip(RULES, medians, strict=True))


class TurningWorkers(SpyingWorkers):
    """Signs the opposite of one decision in three. Which one is drawn at random."""

    _number = _turned = 0

    def decided(self, honest: bool, _: View) -> bool:
        place = self._number % TURNED_EVERY
        if place == 0:
            self._turned = secrets.randbelow(TURNED_EVERY)
        self._number += 1
        return honest != (place == self._turned)


class AskingWorkers(SpyingWorkers):
    """Asks its own questions; the decision it signs is a guess."""

    moved: PerLane

    def altered(self, masked: PerLane, _: Dealing) -> PerLane:
        first, second = ((own + moved) % T for own, moved in zip(masked, self.moved, strict=True))
        return first, second

    def decided(self, _: bool, view: View) -> bool:
        learnt = Learnt(self.moved, view.bits)
        self.leave(f"learnt-{secrets.token_hex(8)}", json.dumps(learnt.bits).encode())
        return learnt.guess()


def take_learnt(directory: Path, mode: str) -> Learnt:
    """What the authority learnt from the one session since the last call."""
    (path,) = directory.glob("learnt-*")
    first, second = json.loads(path.read_text())
    path.unlink()
    return Learnt(MOVED[mode], (first, second))


def main(arguments: Sequence[str]) -> int:
    """Serve in one of the modes."""
    mode, *rest = arguments
    AskingWorkers.moved = MOVED[mode]
    return serve(TurningWorkers if mode == TURN else AskingWorkers, rest)


if __name__ == "__main__":
    sys.exit(importlib.import_module("gateway.lab.attack.lying_authority").main(sys.argv[1:]))
