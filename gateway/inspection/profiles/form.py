"""What a profile is: a TOML file of lines, each of which says where it comes from.

A line states one requirement in plain words, and which checks of the inspection bear on it. What no
inspection can show stands there too: ``rests_on`` says on whose word or which document it rests,
``gap`` says what the product does not do. A line says how its source was read, so that nobody takes
a newspaper for the law.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

NOT_ADVICE: Final = "not legal advice"
"""Words of every notice."""

KNOWN_CHECKS: Final = frozenset(
    f"{group}.{name}"
    for group, names in {
        "data-map": ("tables", "columns", "databases"),
        "retention": (*("schedule", "oldest", "expiries", "reaper", "guard", "holds", "bytes"),),
        "contents": ("database", "files", "logs", "names", "leftovers"),
        "counts": ("entries", "outcomes", "erasures"),
        "log": ("checkpoint", "visit", "entries", "cosignatures", "actions"),
        "keys": ("gateway", "authority", "peppers"),
        "parties": ("enrolled", "trust-lists"),
        "audits": ("done",),
        "activations": ("reconciled",),
        "outcomes": ("totals", "attempts", "fallbacks"),
        "consent": ("texts", "records"),
        "software": ("digest",),
        "backups": ("kept",),
        "access": ("staff",),
        "canary": ("absent",),
        "policy": ("signed",),
    }.items()
    for name in names
)
"""Ids of the inspection's checks. They are stable, because others' profiles name them."""

SourceKind = Literal["official", "secondary", "press", "not-found"]
"""How far one can rely on the line's reading of its source:

official   the text itself was read, as published or in a copy of it
secondary  an abstract, a summary, a translation or quotations were read
press      newspapers alone were read
not-found  the text could not be read: the line is from its writer's knowledge
"""
READ_AS: Final[Mapping[SourceKind, str]] = {
    "official": "official text read",
    "secondary": "summary or quotations read, not the text",
    "press": "press alone read",
    "not-found": "text not read: from the writer's knowledge",
}


def _printable(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("a sentence without line breaks and control characters is needed")
    return text


def _known(check: str) -> str:
    if check not in KNOWN_CHECKS:
        raise ValueError(f"{ascii(check)[:80]} is no check of the inspection")
    return check


def _says_so(notice: str) -> str:
    if NOT_ADVICE not in notice.lower():
        raise ValueError(f'the words "{NOT_ADVICE}" are missing')
    return notice


Text = Annotated[str, Field(min_length=1, max_length=1200), AfterValidator(_printable)]
Texts = Annotated[tuple[Text, ...], Field(max_length=20, strict=False)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=30)]
LineId = Annotated[str, Field(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$", max_length=60)]
Address = Annotated[Text, Field(pattern=r"^https?://[^\s<>\"]+$")]
CheckId = Annotated[str, AfterValidator(_known)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)


class Source(_Strict):
    """Where a requirement stands."""

    title: Text
    article: Text
    address: Address
    """Where the official text is published, also if that was not what could be read."""


class ProfileLine(_Strict):
    """One requirement."""

    id: LineId
    requirement: Text
    """In the writer's own plain words."""
    source: Source
    source_kind: SourceKind
    looked_up: date
    """When the source was looked up, also where that found nothing."""
    read: Text
    """What was read, and where."""
    checks: Annotated[tuple[CheckId, ...], Field(max_length=40, strict=False)] = ()
    """All of them bear on the requirement."""
    rests_on: Texts = ()
    """What only the operator's word, or a document, can show."""
    gap: Text | None = None
    """What the product does not do, or does not show."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.checks or self.rests_on or self.gap):
            raise ValueError("without checks, rests_on and gap the line says nothing")
        if len(set(self.checks)) < len(self.checks):
            raise ValueError("a check is named twice")
        return self


class ProfileFile(_Strict):
    """The content of one file."""

    name: Name
    title: Text
    jurisdiction: Text
    version: date
    notice: Annotated[Text, AfterValidator(_says_so)]
    extends: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    """A profile that comes with the product, or a file relative to this one."""
    without: Annotated[tuple[LineId, ...], Field(max_length=1000, strict=False)] = ()
    """Lines of the extended profile that do not hold here."""
    line: Annotated[tuple[ProfileLine, ...], Field(min_length=1, max_length=1000, strict=False)]


@dataclass(frozen=True)
class PlacedLine:
    """A line, and the profile in whose file it stands."""

    profile: str
    line: ProfileLine


@dataclass(frozen=True)
class Profile:
    """A profile with the lines of all that it extends, these first."""

    name: str
    title: str
    jurisdiction: str
    version: date
    notice: str
    bases: tuple[str, ...]
    """What it extends, the nearest first."""
    lines: tuple[PlacedLine, ...]
    digest: str
    """SHA-256 over its file and those of its bases, in hexadecimal: which text was held against the
    inspection."""
    files: tuple[bytes, ...] = field(repr=False)
    """Its file, and those of its bases."""


def is_file(named: str) -> bool:
    """Whether ``--profile`` and ``extends`` mean a file by this, and no profile that comes with the
    product."""
    return bool(re.search(r"/|\.toml$", named))
