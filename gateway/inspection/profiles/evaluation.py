"""Holds a profile against the lines of an inspection: one judgement for each of its lines.

The rules, from the worst to the best:

- contradicted: a check that bears on the requirement found a violation.
- nothing shown: a check is missing from the inspection, examined nothing, or had no access; or the
  product has a gap here; or the line names no check and no word.
- rests on word: the checks passed, and at least one of them, or a further part of the requirement,
  rests on what the operator says.
- supported: all checks passed, and nothing rests on word.

So a judgement is never better than its worst check, and never a pass where a check examined
nothing. ``supported`` speaks of what was examined. Whether a law is kept, lawyers and courts say.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.inspection.lines import Basis, Line, Verdict
from gateway.inspection.profiles.form import PlacedLine, Profile


class Judgement(StrEnum):
    """What an inspection shows of a requirement. The first is the worst."""

    CONTRADICTED = "contradicted"
    NOTHING = "nothing shown"
    WORD = "rests on word"
    SUPPORTED = "supported by what was examined"


_ORDER = tuple(Judgement)


def worst(of: Iterable[Judgement]) -> Judgement:
    """The worst of them; of none, nothing is shown."""
    return min(of, key=_ORDER.index, default=Judgement.NOTHING)


@dataclass(frozen=True)
class JudgedCheck:
    """What one check contributes."""

    check: str
    judgement: Judgement
    why: str


@dataclass(frozen=True)
class JudgedLine:
    """One requirement with its judgement."""

    placed: PlacedLine
    judgement: Judgement
    checks: tuple[JudgedCheck, ...]

    def as_json(self) -> dict[str, object]:
        line = self.placed.line
        return {
            "profile": self.placed.profile,
            "id": line.id,
            "requirement": line.requirement,
            "judgement": self.judgement.name,
            "checks": [
                {"check": one.check, "judgement": one.judgement.name, "why": one.why}
                for one in self.checks
            ],
            "restsOn": list(line.rests_on),
            "gap": line.gap,
            "source": {
                "title": line.source.title,
                "article": line.source.article,
                "address": line.source.address,
                "kind": line.source_kind,
                "lookedUp": line.looked_up.isoformat(),
                "read": line.read,
            },
        }


@dataclass(frozen=True)
class ProfileReport:
    """A profile, held against one inspection."""

    profile: Profile
    lines: tuple[JudgedLine, ...]

    @property
    def counts(self) -> Mapping[Judgement, int]:
        """How many lines have each judgement, the worst first."""
        return {one: sum(line.judgement is one for line in self.lines) for one in Judgement}

    def as_json(self) -> dict[str, object]:
        """For reports. It needs nothing but the profile and the inspection's lines, so whoever has
        both makes the same."""
        profile = self.profile
        return {
            "name": profile.name,
            "title": profile.title,
            "jurisdiction": profile.jurisdiction,
            "version": profile.version.isoformat(),
            "notice": profile.notice,
            "extends": list(profile.bases),
            "digest": profile.digest,
            "counts": {one.name: count for one, count in self.counts.items()},
            "lines": [line.as_json() for line in self.lines],
        }


def evaluate(profile: Profile, lines: Sequence[Line]) -> ProfileReport:
    """One judgement for each line of a profile.

    Args:
        lines: all lines of one inspection.
    """
    of_check: dict[str, list[Line]] = {}
    for line in lines:
        of_check.setdefault(line.check, []).append(line)
    return ProfileReport(profile, tuple(_judged(one, of_check) for one in profile.lines))


def _judged(placed: PlacedLine, of_check: Mapping[str, Sequence[Line]]) -> JudgedLine:
    line = placed.line
    checks = tuple(_of_check(name, of_check.get(name, ())) for name in line.checks)
    parts = [one.judgement for one in checks]
    if line.gap is not None:
        parts.append(Judgement.NOTHING)
    if line.rests_on:
        parts.append(Judgement.WORD)
    return JudgedLine(placed, worst(parts), checks)


def _of_check(check: str, lines: Sequence[Line]) -> JudgedCheck:
    """A check's lines taken together: the worst of them decides."""
    if not lines:
        return JudgedCheck(check, Judgement.NOTHING, "not part of this inspection")
    judged = [(_of_line(one), one) for one in lines]
    decides = worst(judgement for judgement, _ in judged)
    titles = [_said(one) for judgement, one in judged if judgement is decides]
    more = f" (and {len(titles) - 1} more)" if len(titles) > 1 else ""
    return JudgedCheck(check, decides, f"{titles[0]}{more}")


def _of_line(line: Line) -> Judgement:
    if line.verdict is Verdict.VIOLATED:
        return Judgement.CONTRADICTED
    if line.verdict is not Verdict.PASSED or line.count < 1:
        return Judgement.NOTHING
    return Judgement.WORD if line.basis is Basis.WORD else Judgement.SUPPORTED


def _said(line: Line) -> str:
    """What became of a line, without what it found: that stands in the inspection's own report."""
    examined = f" ({line.count:,} {line.examined})" if line.count else ""
    return f"{line.verdict.value}: {line.title}{examined}"
