"""Finds and reads profiles, and follows ``extends``. What is wrong is named with file and line."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from gateway.inspection.profiles.form import PlacedLine, Profile, ProfileFile, is_file
from gateway.wire.errors import SealmatchError

_MAX_BYTES: Final = 256 * 1024
_MAX_DOTS: Final = 500
"""In one line of the file: tomllib's time and memory are quadratic in the parts of a dotted key."""
_MAX_BASES: Final = 10
_SUFFIX: Final = ".toml"
_SAID: Final = {
    "missing": "is missing",
    "extra_forbidden": "is unknown here",
    "string_pattern_mismatch": "is not of the form that it must have",
}


class BadProfile(SealmatchError):
    """A profile cannot be used; the text names the file, the line and what is wrong."""


def shipped() -> tuple[str, ...]:
    """Names of the profiles that come with the product."""
    found = (one.name for one in files(__package__).iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX)))


@dataclass(frozen=True)
class _Link:
    """One file on the way from a profile to its last base."""

    shown: str
    """Its name in error texts."""
    content: bytes
    read: ProfileFile


def load(named: str) -> Profile:
    """A profile by its name, or by its file.

    Raises:
        BadProfile: none of this name, not readable, not of the form, or it extends itself.
    """
    return _joined(_chain(named, Path(), ()))


def of_contents(contents: Sequence[bytes]) -> Profile:
    """A profile of its file's content and those of its bases, as ``Profile.files`` has them.

    Raises:
        BadProfile: as ``load``.
    """
    links = tuple(
        _Link(f"file {number}", content, parse(f"file {number}", content))
        for number, content in enumerate(contents, 1)
    )
    if not links or any((one.read.extends is None) != (one is links[-1]) for one in links):
        raise BadProfile("these files are not a profile and what it extends")
    return _joined(links)


def _chain(named: str, beside: Path, before: tuple[str, ...]) -> tuple[_Link, ...]:
    """A profile's file, and those of its bases. ``before``: the files on the way to it."""
    place = beside / named if is_file(named) else None
    shown = named if place is None else str(place)
    key = named if place is None else str(place.resolve())
    if key in before:
        raise BadProfile(f"{shown}: extends: a profile extends itself by way of this file")
    if len(before) > _MAX_BASES:
        raise BadProfile(f"{shown}: extends: more than {_MAX_BASES} profiles, one behind the other")
    content = _shipped_content(named) if place is None else _file_content(place)
    link = _Link(shown, content, parse(shown, content))
    if link.read.extends is None:
        return (link,)
    folder = Path() if place is None else place.parent
    return (link, *_chain(link.read.extends, folder, (*before, key)))


def _joined(links: Sequence[_Link]) -> Profile:
    """A profile with all lines of its chain."""
    link, *further = links
    base = _joined(further) if further else None
    shown, read = link.shown, link.read
    if base is None and read.without:
        raise BadProfile(f"{shown}: without: it extends nothing that has lines")
    kept = () if base is None else _without(shown, base.lines, read.without)
    bases = () if base is None else (base.name, *base.bases)
    if read.name in bases:
        raise BadProfile(f"{shown}: name: a profile that it extends has the same name")
    lines = (*kept, *(PlacedLine(read.name, one) for one in read.line))
    seen: set[str] = set()
    for one in lines:
        if one.line.id in seen:
            raise BadProfile(f"{shown}: line {one.line.id}: there are two of this id")
        seen.add(one.line.id)
    below = b"" if base is None else bytes.fromhex(base.digest)
    return Profile(
        name=read.name,
        title=read.title,
        jurisdiction=read.jurisdiction,
        version=read.version,
        notice=read.notice,
        bases=bases,
        lines=lines,
        digest=sha256(sha256(link.content).digest() + below).hexdigest(),
        files=tuple(one.content for one in links),
    )


def _without(
    shown: str, lines: Sequence[PlacedLine], without: Sequence[str]
) -> tuple[PlacedLine, ...]:
    known = {one.line.id for one in lines}
    for left_out in without:
        if left_out not in known:
            raise BadProfile(f"{shown}: without: nothing that it extends has the line {left_out}")
    return tuple(one for one in lines if one.line.id not in without)


def _shipped_content(name: str) -> bytes:
    if name not in shipped():
        raise BadProfile(
            f"there is no profile {ascii(name)[:80]}; there are {', '.join(shipped())}, "
            "or give a file (its name ends with .toml)"
        )
    return (files(__package__) / f"{name}{_SUFFIX}").read_bytes()


def _file_content(place: Path) -> bytes:
    try:
        with place.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise BadProfile(f"{place}: {error.strerror or type(error).__name__}") from None
    except ValueError:  # a name with a zero byte
        raise BadProfile("a profile's name: not the name of a file") from None
    return content


def parse(shown: str, content: bytes) -> ProfileFile:
    """The content of one file, without what it extends.

    Args:
        shown: the file's name for error texts.

    Raises:
        BadProfile: not TOML, or not of the form.
    """
    dots = max(line.count(b".") for line in content.split(b"\n"))
    if len(content) > _MAX_BYTES or dots > _MAX_DOTS:
        raise BadProfile(f"{shown}: too long, or too many dots, for a profile")
    try:
        values = tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadProfile(f"{shown}: not valid TOML: {error}") from None
    except (ValueError, RecursionError):  # a number too long, or nesting too deep
        raise BadProfile(f"{shown}: not valid TOML") from None
    try:
        return ProfileFile.model_validate(values)
    except ValidationError as error:
        raise BadProfile(f"{shown}: {_first(values, error)}") from None


def _first(values: dict[str, Any], error: ValidationError) -> str:
    """The first fault: which line, which field, and what is wrong with it."""
    fault = error.errors(include_url=False, include_input=False)[0]
    place = list(fault["loc"])
    words = []
    if place[:1] == ["line"] and len(place) > 1:
        number = int(place[1])
        words.append(f"line {_id_of(values['line'][number], number)}")
        place = place[2:]
    if place:
        words.append(".".join(str(part) for part in place))
    said = _SAID.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ")
    return ": ".join([*words, said])


def _id_of(line: Any, number: int) -> str:
    """The line's id; where it has none, its place in the file."""
    named = line.get("id") if isinstance(line, dict) else None
    if isinstance(named, str) and named.isprintable() and 0 < len(named) <= 60:
        return named
    return f"number {number + 1}"
