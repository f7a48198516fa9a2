"""How often a recording made for one challenge passes another one.

A recording shows its actions in one order. The client's runner lets an unasked blink pass, because
people blink, and ends at any other action that was not asked for. So a recording passes a challenge
whose actions other than blinks are the recording's first ones, in its order, with blinks wherever
the recording happens to have one. Time is on the gateway's side and not counted here: each action
must begin after its own prompt, whose moment a recording cannot know.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise, product

from gateway.wire.liveness import ACTION_KINDS, ActionKind

_BLINK: ActionKind = "blink"


def challenges(kinds: Sequence[ActionKind], length: int) -> list[tuple[ActionKind, ...]]:
    """Every sequence that the gateway may draw, each as likely as the others."""
    every = product(kinds, repeat=length)
    return [one for one in every if all(first != second for first, second in pairwise(one))]


def passes(recorded: Sequence[ActionKind], asked: Sequence[ActionKind]) -> bool:
    """Whether actions seen in the recorded order complete a challenge, were they all in time."""
    done = 0
    for action in recorded:
        if action == asked[done]:
            done += 1
            if done == len(asked):
                return True
        elif action != _BLINK:
            return False
    return False


def guess_rate(
    length: int = 3, kinds: Sequence[ActionKind] = ACTION_KINDS, *, blinking: bool
) -> Fraction:
    """Share of all challenges that the best recording passes.

    Args:
        blinking: whether the recorded person blinks between all actions, as people may.
    """
    drawn = challenges(kinds, length)
    return max(
        Fraction(sum(passes(recording, asked) for asked in drawn), len(drawn))
        for recording in _recordings(drawn, blinking=blinking)
    )


def _recordings(
    drawn: Sequence[tuple[ActionKind, ...]], *, blinking: bool
) -> Iterator[tuple[ActionKind, ...]]:
    for actions in drawn:
        if blinking:
            yield (_BLINK, *(one for action in actions for one in (action, _BLINK)))
        else:
            yield actions
