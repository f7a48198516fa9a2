"""What a draft consists of: sentences with their source, tables with theirs, and blanks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

NOTICE: Final = (
    "This is a draft, made by a program of what a deployment is configured to do, and it is not "
    "legal advice. Whether an assessment is needed, what it must contain and whether the "
    "processing may go on, the controller decides, with people who know the law. What the program "
    "cannot know is marked TO BE WRITTEN. A sentence without that mark names what it follows from; "
    "it is as true as that."
)
TO_BE_WRITTEN: Final = "TO BE WRITTEN"
TO_LOOK_AT: Final = "LOOK AT THIS"


@dataclass(frozen=True)
class Said:
    """A sentence that follows from something."""

    text: str
    source: str
    """What it follows from: ``gateway's setting log_read (default)``."""
    look: bool = False
    """It weakens the deployment, or does not fit something else: the operator should look."""


@dataclass(frozen=True)
class Blank:
    """What the operator has to write."""

    what: str


@dataclass(frozen=True)
class Table:
    """Rows that follow from something."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    source: str


@dataclass(frozen=True)
class Heading:
    """Of a part of a section."""

    text: str


Part = Said | Blank | Table | Heading


@dataclass(frozen=True)
class Section:
    """One numbered section."""

    title: str
    answers: str
    """Which provisions ask for it."""
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Document:
    """A draft."""

    title: str
    made_on: str
    """A date."""
    sections: tuple[Section, ...]

    @property
    def parts(self) -> Iterator[Part]:
        return (part for section in self.sections for part in section.parts)

    @property
    def blanks(self) -> tuple[Blank, ...]:
        """What is left to write."""
        return tuple(part for part in self.parts if isinstance(part, Blank))

    @property
    def looks(self) -> tuple[Said, ...]:
        """What the operator should look at."""
        return tuple(part for part in self.parts if isinstance(part, Said) and part.look)

    @property
    def summary(self) -> str:
        """How much is left."""
        return f"{len(self.blanks)} blanks to be written, {len(self.looks)} points to look at"
