"""A key authority in the attacker's hands that departs from the protocol, in one of two ways.

``python -m gateway.attack.lying_authority turn|learn DIRECTORY keys.cli serve`` runs the real
service with other keepers of session keys.

turn    signs the opposite of every third decision
learn   sends "bits" of which one is not a bit, and reads from the number of zero rows how many
        leading bits of the gateway's secret bound it has guessed right

How *learn* works. Row i of a comparison is 1 +- (m_i - y_i) + 3 (number of differing bits above i).
With the bits of a guess for y in the place of m, and a top "bit" that makes the term 3 (m_33 xor
y_33) equal -1, row i is zero exactly if the guess agrees with y from bit 32 down to i: whatever the
flip, and wherever the permutation put the row. The count of zero rows is how far they agree.
The price: the true decision is not in the answer any more, and has to be guessed.
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

from gateway.attack.spying_authority import SpyingWorkers
from gateway.attack.weakened import replace
from gateway.he.engine import Slots
from gateway.wire.policy import LanePolicy
from gateway.wire.polynomials import Ciphertext, SessionPublicKey
from gateway.wire.profile import COMPARISON, COMPARISONS_PER_LANE, T_BITS, N, T
from keys.authority import SessionSecret, lane_sums

TURNED_EVERY: Final = 3
RULE: Final = LanePolicy.for_cosine("0.419")
"""The policy is public."""

SCORES: Final = np.arange(-320_000, 560_000, 16, dtype=np.int64)
"""What a score can be, of cosines from -0.2 to 0.95."""
_GUESSES: Final = (-130_000, 370_000)
"""Scores of a stranger and of the right person, for the two comparisons."""
_TOP: Final = T_BITS - 1
_BELOW_TOP: Final = (1 << _TOP) - 1


@dataclass(frozen=True)
class Learnt:
    """What one session told the authority about its score."""

    masked: int
    agreements: tuple[int, ...]

    def candidates(self) -> NDArray[np.int64]:
        """The scores that fit."""
        fits = np.ones(SCORES.shape, dtype=bool)
        for side, length in enumerate(self.agreements):
            guess = int(_bound(np.array([_GUESSES[side]]), self.masked, side)[0])
            differing = (_bound(SCORES, self.masked, side) ^ guess) & _BELOW_TOP
            fits &= _TOP - _bit_lengths(differing) == length
        return SCORES[fits]


def _bound(scores: NDArray[np.int64], masked: int, side: int) -> NDArray[np.int64]:
    """The gateway's secret bound L or R, if the score were this."""
    edge = (RULE.lo, RULE.hi + 1)[side]
    bounds: NDArray[np.int64] = (masked - scores + edge) % T
    return bounds


def _bit_lengths(values: NDArray[np.int64]) -> NDArray[np.int64]:
    lengths: NDArray[np.int64] = np.frexp(values.astype(np.float64))[1].astype(np.int64)
    return lengths


def malformed_slots(sums: list[int]) -> Slots:
    """In the place of the bits: two guesses with a top "bit" that is none. One lane."""
    slots = np.zeros(N, dtype=np.uint64)
    for side in range(COMPARISONS_PER_LANE):
        guess = int(_bound(np.array([_GUESSES[side]]), sums[0], side)[0])
        bits = [(guess >> j) & 1 for j in range(T_BITS)]
        minus_a_third = -pow(3, -1, T) % T
        bits[_TOP] = (minus_a_third - bits[_TOP]) * pow(1 - 2 * bits[_TOP], -1, T) % T
        place = slice(side * COMPARISON.slots, (side + 1) * COMPARISON.slots)
        slots[place] = np.tile(np.array(bits, dtype=np.uint64), COMPARISON.rows)
    return slots


class TurningSecret(SessionSecret):
    """Answers the opposite, now and then, at random."""

    __slots__ = ()

    def decide(self, blinded_rows: Ciphertext, lanes: int) -> bool:
        honest = super().decide(blinded_rows, lanes)
        return not honest if secrets.randbelow(TURNED_EVERY) == 0 else honest


class LearningSecret(SessionSecret):
    """Asks its own questions; the decision it signs is a guess."""

    __slots__ = ("_sums", "directory")
    _sums: list[int]
    directory: Path

    def encrypt_bits(self, masked_product: Ciphertext, lanes: int) -> Ciphertext:
        self._sums = lane_sums(self._decrypt(masked_product), lanes)
        return super().encrypt_bits(masked_product, lanes)

    def decide(self, blinded_rows: Ciphertext, _: int) -> bool:
        used = self._decrypt(blinded_rows)[: COMPARISONS_PER_LANE * COMPARISON.slots]
        shape = (COMPARISONS_PER_LANE, COMPARISON.rows, COMPARISON.bits)
        zeros = (used.reshape(shape).sum(axis=2) % np.uint64(T) == 0).sum(axis=1)
        learnt = Learnt(self._sums[0], tuple(int(z) for z in zeros))
        path = self.directory / f".{secrets.token_hex(8)}.json"
        path.write_text(json.dumps([learnt.masked, learnt.agreements]))
        path.rename(path.with_name(path.name.removeprefix(".")))
        fitting = learnt.candidates()
        return bool(fitting.size and np.median(fitting) >= RULE.lo)


class LyingWorkers(SpyingWorkers):
    """Makes keys of the kind that the mode asks for."""

    kind: type[SessionSecret]

    def make(self) -> tuple[SessionSecret, SessionPublicKey]:  # type: ignore[override]
        secret, public = self.kind.make(self._engine)
        if isinstance(secret, LearningSecret):
            secret.directory = self.directory
        return secret, public


def take_learnt(directory: Path) -> Learnt:
    """What the one session since the last call told."""
    (path,) = directory.glob("[0-9a-f]*.json")
    masked, agreements = json.loads(path.read_text())
    path.unlink()
    return Learnt(masked, tuple(agreements))


def main(arguments: Sequence[str]) -> int:
    """Replace the keeper of keys, then run the authority's own command."""
    mode, directory, module, *rest = arguments
    LyingWorkers.directory = Path(directory)
    LyingWorkers.directory.mkdir(exist_ok=True)
    LyingWorkers.kind = {"turn": TurningSecret, "learn": LearningSecret}[mode]
    if rest == ["serve"]:
        replace(importlib.import_module("keys.app"), "SecretWorkers", LyingWorkers)
        if mode == "learn":
            replace(importlib.import_module("keys.authority"), "bit_slots", malformed_slots)
    return int(importlib.import_module(module).main(rest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
