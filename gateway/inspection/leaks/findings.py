"""What a leak search found: kind, encoding, place and length, but never the value."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Self

from gateway.wire.errors import SealmatchError


class LeakFound(SealmatchError):
    """Findings that no rule allows. The text lists kinds, encodings and places, no values."""


@dataclass(frozen=True, order=True)
class Finding:
    """A canary found in a place. ``length``: bytes of the encoding in one run."""

    kind: str
    encoding: str
    place: str
    offset: int
    length: int

    def __str__(self) -> str:
        return (
            f"{self.kind} ({self.encoding}), {self.length} bytes at {self.offset} of {self.place}"
        )


@dataclass(frozen=True)
class Allowed:
    """Allows a kind of canary in a place, and says why. Both are patterns as in a shell."""

    kind: str
    place: str
    because: str

    def covers(self, finding: Finding) -> bool:
        return fnmatchcase(finding.kind, self.kind) and fnmatchcase(finding.place, self.place)


@dataclass(frozen=True)
class LeakReport:
    """What was found, what was searched (place and bytes), and what could not be searched."""

    findings: tuple[Finding, ...] = ()
    searched: tuple[tuple[str, int], ...] = ()
    skipped: tuple[str, ...] = ()

    def __add__(self, other: Self) -> "LeakReport":
        return LeakReport(
            self.findings + other.findings,
            self.searched + other.searched,
            self.skipped + other.skipped,
        )

    @property
    def kinds(self) -> set[str]:
        return {finding.kind for finding in self.findings}

    @property
    def bytes_searched(self) -> int:
        return sum(size for _, size in self.searched)

    def beyond(self, allowed: Iterable[Allowed]) -> list[Finding]:
        """Findings that none of the rules allows."""
        rules = list(allowed)
        return [f for f in self.findings if not any(rule.covers(f) for rule in rules)]

    def require_nothing(self, but: Iterable[Allowed] = ()) -> None:
        """Raise ``LeakFound`` if anything was found that is not allowed."""
        found = self.beyond(but)
        if found:
            shown = "; ".join(str(finding) for finding in found[:20])
            raise LeakFound(f"{len(found)} finding(s): {shown}")


def without_repetition(findings: list[Finding]) -> list[Finding]:
    """Drop findings inside a longer one of the same kind, and join runs cut by the end of a block.

    The same bytes may be found in two encodings.
    """
    kept: dict[str, Finding] = {}
    result: list[Finding] = []
    for found in sorted(findings, key=lambda f: (f.kind, f.offset, -f.length)):
        before = kept.get(found.kind)
        if before is not None and found.offset < before.offset + before.length:
            end = max(before.offset + before.length, found.offset + found.length)
            joined = Finding(
                before.kind, before.encoding, before.place, before.offset, end - before.offset
            )
            result[-1] = kept[found.kind] = joined
            continue
        kept[found.kind] = found
        result.append(found)
    return result
