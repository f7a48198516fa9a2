"""What an attacker tried, how often, and with what result: as text and as JSON."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.lab.intervals import Interval, share
from gateway.wire.errors import SealmatchError

NOTHING = "nothing"

Progress = Callable[[str], None]
"""Tells the user what is being done."""


class AttackBroken(SealmatchError):
    """An honest step that an attack needs went wrong, so the attack shows nothing."""


@dataclass(frozen=True)
class Attempt:
    """One way of attacking, and its result."""

    what: str
    tries: int
    successes: int
    recovered: str
    """What was recovered, in words; ``NOTHING`` if nothing was."""
    instead: str
    """How the other tries ended."""

    @property
    def interval(self) -> Interval:
        """Exact 95 % confidence interval of the probability that one try succeeds."""
        return share(self.successes, self.tries)


@dataclass
class AttackReport:
    """One attacker's attempts."""

    attacker: str
    holds: str
    disabled: str | None
    seconds: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """What the attacker gets in spite of the defences, and measurements."""

    def add(
        self, what: str, tries: int, successes: int, recovered: str, instead: str = "refused"
    ) -> None:
        """Add a way of attacking and its result. ``recovered`` counts only with a success."""
        came_out = recovered if successes else NOTHING
        failed = instead if successes < tries else ""
        self.attempts.append(Attempt(what, tries, successes, came_out, failed))

    def remark(self, text: str) -> None:
        self.remarks.append(text)

    @property
    def succeeded(self) -> bool:
        return any(attempt.successes for attempt in self.attempts)

    @property
    def closing(self) -> str:
        """What this attacker recovered, in one line."""
        found = [a.recovered for a in self.attempts if a.successes]
        return f"recovered: {'; '.join(found) or NOTHING}"

    def lines(self) -> list[str]:
        """As a table for a person."""
        state = f"without {self.disabled}" if self.disabled else "all defences on"
        width = max((len(a.what) for a in self.attempts), default=0)
        lines = [f"{self.attacker} ({state}, {self.seconds:.0f} s)", f"  {self.holds}"]
        lines.append(
            f"  {'attempt':<{width}}  {'tries':>9}  {'succeeded':>9}  {'95 %':>21}  otherwise"
        )
        lines += [
            f"  {a.what:<{width}}  {a.tries:>9,}  {a.successes:>9,}  {_percent(a.interval):>21}"
            f"  {a.instead}".rstrip()
            for a in self.attempts
        ]
        lines += [f"  note: {remark}" for remark in self.remarks]
        return [*lines, f"  {self.closing}"]

    def as_json(self) -> dict[str, object]:
        return {
            "attacker": self.attacker,
            "disabled": self.disabled,
            "attempts": [
                {**vars(a), "interval": [a.interval.low, a.interval.high]} for a in self.attempts
            ],
            "remarks": self.remarks,
            "recovered": self.closing.removeprefix("recovered: "),
            "succeeded": self.succeeded,
            "seconds": round(self.seconds, 1),
        }


def _percent(interval: Interval) -> str:
    return f"{100 * interval.low:.3g} to {100 * interval.high:.3g} %"
