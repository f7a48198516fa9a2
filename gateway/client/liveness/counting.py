"""A count: numbers light up at moments that nobody knew, and the mouth opens for each.

Whoever speaks says the number, in any language; whoever does not, opens the mouth. No word is
recognised. What is checked is timing: the mouth opens once for each number, within the time for an
answer, and always about as long after the number as this person usually takes. A word may open the
mouth several times, so what follows an answer within ``WORD_MS`` belongs to it. Every other
opening ends the attempt: a mouth that moves all the time would answer every number.

Pure. The gateway checks the same of the transcript (``gateway.server.liveness``).
"""

from bisect import bisect_right
from typing import Final, Literal

from gateway.client.liveness.limits import LIMITS
from gateway.client.liveness.measured import Action
from gateway.wire.liveness import Counting

WORD_MS: Final[int] = LIMITS["counting"]["wordMs"]
CONFIRM_MS: Final[int] = LIMITS["counting"]["confirmMs"]
"""So long after an opening began it may still be unconfirmed."""

Fault = Literal["missed", "uneven"]
"""No answer to a number; or openings at other moments."""


class Count:
    """One count, from when it was asked for."""

    def __init__(self, counting: Counting, asked_ms: int, reaction_ms: int) -> None:
        self._counting = counting
        self._moments = [asked_ms + moment for moment in counting.moments]
        self._reaction_ms = reaction_ms
        self.answers: list[Action] = []
        self.fault: Fault | None = None

    @property
    def complete(self) -> bool:
        return self.fault is None and len(self.answers) == len(self._moments)

    def lit(self, at_ms: int) -> int | None:
        """The number that is lit: 1, 2, ...; None before the first one."""
        return bisect_right(self._moments, at_ms) or None

    def take(self, opening: Action) -> None:
        """Take an opening that was found."""
        number = bisect_right(self._moments, opening.start_ms - self._reaction_ms) - 1
        if number < 0 or self.fault is not None:
            return  # before the first number lit up
        if number == len(self.answers):
            self._answer(opening, self._moments[number])
        elif number > len(self.answers):
            self.fault = "missed"
        elif opening.start_ms - self.answers[-1].start_ms > WORD_MS:
            self.fault = "uneven"

    def watch(self, at_ms: int) -> None:
        """Time goes on: a number may stay without an answer."""
        if self.fault is None and not self.complete:
            last = self._moments[len(self.answers)] + self._counting.latest_ms
            if at_ms > last + CONFIRM_MS:
                self.fault = "missed"

    def _answer(self, opening: Action, moment: int) -> None:
        if opening.start_ms - moment > self._counting.latest_ms:
            self.fault = "uneven"
            return
        self.answers.append(opening)
        if self.complete and not self._even():
            self.fault = "uneven"

    def _even(self) -> bool:
        """Whether every answer came about as late as this person's usual one."""
        pairs = zip(self.answers, self._moments, strict=True)
        delays = [answer.start_ms - moment for answer, moment in pairs]
        usual = sorted(delays)[len(delays) // 2]
        return all(abs(delay - usual) <= self._counting.tolerance_ms for delay in delays)
