"""What an inspection says: one line for each thing that was looked at.

A line never shows a value: no record id, handle, statement, number of a document, or content of a
cell. It says what was examined, how many, against which limit, with which verdict, and on what the
verdict rests. Rules that hold for every line, whoever writes the check:

- What examined nothing never passes: its verdict is ``NOTHING``.
- Where the inspector had no access, or a check broke down, the verdict is ``NO_ACCESS``.
- A violated line says what is violated.

``judged`` applies them.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from gateway.wire.errors import CallerMisuse, MalformedMessage

if TYPE_CHECKING:
    from gateway.inspection.evidence import Evidence

MAX_FOUND: Final = 20
"""Sentences of one line; the rest is counted."""
MAX_SENTENCE: Final = 1000
"""Characters."""


class Verdict(StrEnum):
    """What became of a line."""

    PASSED = "passed"
    VIOLATED = "violated"
    NOTHING = "nothing examined"
    NO_ACCESS = "no access"


class Basis(StrEnum):
    """On what a verdict rests."""

    PROVEN = "proven"
    """Follows from signatures, hashes and data in the bundle: ``inspect verify`` repeats it."""
    SEEN = "seen"
    """The inspector looked, with access of the inspector's own."""
    WORD = "word"
    """Rests on what the operator says."""


@dataclass(frozen=True)
class Line:
    """One line of the report."""

    check: str
    """Id of the check, such as ``data-map.tables``. Ids are stable; profiles refer to them."""
    title: str
    """The rule, as a sentence that is true of a clean deployment."""
    examined: str
    """What was looked at: ``columns``, ``rows of records``."""
    count: int
    """How many of them."""
    limit: str
    """Against what: ``the published data map``, ``180 days``. Empty: against nothing."""
    verdict: Verdict
    found: tuple[str, ...]
    """What is wrong, or why there was no access. Empty for a line that passed."""
    repeat: str
    """How to repeat it by hand."""
    basis: Basis
    notes: tuple[str, ...] = ()
    """What a reader should know that is no violation: totals, exceptions, what was left out."""

    def __post_init__(self) -> None:
        if self.verdict is Verdict.PASSED and (self.count < 1 or self.found):
            raise CallerMisuse(f"{self.check}: what examined nothing, or found something, passed")
        if self.verdict is Verdict.VIOLATED and not self.found:
            raise CallerMisuse(f"{self.check}: violated, and does not say what")

    def as_json(self) -> dict[str, object]:
        """The line as it stands in reports."""
        return {
            "check": self.check,
            "title": self.title,
            "examined": self.examined,
            "count": self.count,
            "limit": self.limit,
            "verdict": self.verdict.name,
            "found": list(self.found),
            "repeat": self.repeat,
            "basis": self.basis.name,
            "notes": list(self.notes),
        }

    @classmethod
    def of_json(cls, value: Any) -> Self:
        """Read a line of a report. Raises ``MalformedMessage``."""
        try:
            texts = {name: value[name] for name in ("check", "title", "examined", "limit")}
            found, notes = tuple(value["found"]), tuple(value["notes"])
            words = (*texts.values(), value["repeat"], *found, *notes)
            if not all(isinstance(one, str) for one in words) or type(value["count"]) is not int:
                raise ValueError
            return cls(
                **texts,
                count=value["count"],
                verdict=Verdict[value["verdict"]],
                found=found,
                repeat=value["repeat"],
                basis=Basis[value["basis"]],
                notes=notes,
            )
        except (KeyError, TypeError, ValueError, CallerMisuse):
            raise MalformedMessage("not a line of an inspection's report") from None


class Progress:
    """Tells whoever waits how far a check is. The default tells nobody."""

    def __init__(self, tell: Callable[[str], None] = lambda _text: None) -> None:
        self._tell = tell

    def begin(self, title: str) -> None:
        """A check begins."""
        self._tell(title)

    def at(self, done: int, of: int | None = None, what: str = "") -> None:
        """``done`` of ``of`` are examined. To be called once a batch."""
        all_of = "" if of is None else f" of {of:,}"
        self._tell(f"  ... {done:,}{all_of} {what}".rstrip())


@dataclass(frozen=True)
class Check:
    """One check. ``examine`` gives a line or several; what it raises becomes a line as well.

    Offline, with a bundle instead of access, it must give the same lines of basis ``PROVEN``. So
    these use nothing but ``Evidence.read``, ``Evidence.now`` and ``Evidence.since``.
    """

    id: str
    title: str
    examine: "Callable[[Evidence, Progress], Line | Sequence[Line]]"
    basis: Basis
    """Of the line that stands here if ``examine`` raises."""


def judged(
    check: Check,
    examined: str,
    count: int,
    wrong: Iterable[str],
    *,
    limit: str,
    repeat: str,
    basis: Basis | None = None,
    notes: Iterable[str] = (),
    title: str | None = None,
) -> Line:
    """A line with the verdict that follows: violated if anything is wrong, passed if anything was
    examined, and nothing examined otherwise. ``title``: of a check with several lines."""
    found = bounded(wrong)
    verdict = Verdict.VIOLATED if found else Verdict.PASSED if count > 0 else Verdict.NOTHING
    return Line(
        check=check.id,
        title=_sentence(check.title if title is None else title),
        examined=examined,
        count=count,
        limit=limit,
        verdict=verdict,
        found=found,
        repeat=repeat,
        basis=check.basis if basis is None else basis,
        notes=bounded(notes),
    )


def unseen(check: Check, why: str, basis: Basis | None = None) -> Line:
    """The line of a check that had no access, or broke down. It never passes."""
    return Line(
        check=check.id,
        title=_sentence(check.title),
        examined="",
        count=0,
        limit="",
        verdict=Verdict.NO_ACCESS,
        found=(why[:MAX_SENTENCE],),
        repeat="give the inspection what it lacked, and repeat it",
        basis=check.basis if basis is None else basis,
    )


def _sentence(title: str) -> str:
    return title[:1].upper() + title[1:]


def bounded(sentences: Iterable[str]) -> tuple[str, ...]:
    """At most ``MAX_FOUND`` sentences; the last one counts the rest."""
    kept: list[str] = []
    more = 0
    for one in sentences:
        if len(kept) < MAX_FOUND:
            kept.append(one[:MAX_SENTENCE])
        else:
            more += 1
    return (*kept, f"and {more:,} more") if more else tuple(kept)


_SHOWN: Final = re.compile(r"[A-Za-z]{0,2}[0-9]{4,}|[^ -~]+")


def shown_name(name: str) -> str:
    """A name of a file, table or database as a report may show it: without what may be a number of
    a document, and without writing that a terminal would not show."""
    return _SHOWN.sub("#", name)[:80]
