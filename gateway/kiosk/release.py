"""The page's files, pinned by their hashes: what a browser is given is what the release published.

Whoever can alter the page can take faces. So ``release.json`` has the SHA-256 of every file of the
page, nothing else is served, and a page that differs in one byte is not served at all. That shows
damage, and a change by somebody who did not think of ``release.json``. Whoever altered that as well
is found by comparing its own SHA-256 with the one that the publisher names (``kiosk --check``).
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.wire.errors import SealmatchError
from gateway.wire.ids import Digest, digest_of

RELEASE: Final = "release.json"
ASSETS: Final = "assets"
INDEX: Final = "index.html"
_MAX_RELEASE_BYTES: Final = 64 * 1024
_MAX_FILE_BYTES: Final = 64 * 2**20
_NAME: Final = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$"
_Name = Annotated[str, Field(pattern=_NAME)]

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".txt": "text/plain; charset=utf-8",
    ".onnx": "application/octet-stream",
}
"""By a name's end. A page with a file of another kind is not served."""


class PageNotBuilt(SealmatchError):
    """There is no page here, nothing of it."""


class UnusableRelease(SealmatchError):
    """A ``release.json`` that is not there, cannot be read, or lists no page."""


class PageAltered(SealmatchError):
    """The page is not the one that was released. ``faults`` says which files."""

    def __init__(self, faults: list[str]) -> None:
        shown = "; ".join(faults[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")
        super().__init__(
            f"the counter's page is not the one that was released: {shown}. Do not use it: install "
            "the package again, from its publisher"
        )
        self.faults = faults


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PinnedFile(_Part):
    """One file of the page."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0, le=_MAX_FILE_BYTES)]


def _pin(content: bytes) -> PinnedFile:
    return PinnedFile(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


class Release(_Part):
    """The content of ``release.json``."""

    format: Literal["sealmatch-kiosk-page/1"]
    files: Annotated[dict[_Name, PinnedFile], Field(min_length=1, max_length=200)]

    @classmethod
    def of(cls, contents: dict[str, bytes]) -> "Release":
        """What pins these files, as ``built_files`` gives them."""
        pins = {name: _pin(content) for name, content in sorted(contents.items())}
        return cls(format="sealmatch-kiosk-page/1", files=pins)

    @classmethod
    def decode(cls, content: bytes) -> "Release":
        """Raises ``UnusableRelease``: it is no list of the page's files."""
        if len(content) > _MAX_RELEASE_BYTES:
            raise UnusableRelease(f"{RELEASE} is too long")
        try:
            return cls.model_validate_json(content)
        except ValidationError:
            raise UnusableRelease(f"{RELEASE} is no list of a page's files") from None

    def encode(self) -> bytes:
        """JSON with sorted members, a line for each: for people, who compare it."""
        return json.dumps(self.model_dump(), indent=1, sort_keys=True).encode() + b"\n"

    @property
    def digest(self) -> Digest:
        """SHA-256 of ``encode``: one number for the whole page."""
        return digest_of(self.encode())


@dataclass(frozen=True)
class Page:
    """The page's files, read once and checked: a file that is swapped later changes nothing."""

    release: Release
    contents: dict[str, bytes] = field(repr=False)


@dataclass(frozen=True)
class Found:
    """What lies where the page's files should lie."""

    contents: dict[str, bytes] = field(repr=False)
    faults: dict[str, str]
    """What is no file of a page, or cannot be read: by its name, what is wrong with it."""


def read_page(place: Traversable | None = None) -> Page:
    """The installed page.

    Args:
        place: directory with ``release.json`` and ``assets``; None: this package's own.

    Raises:
        PageNotBuilt: it is not there.
        PageAltered: it is not the one that was released.
    """
    place = place or resources.files("gateway.kiosk")
    found = found_files(place)
    try:
        release = read_release(place)
    except UnusableRelease as error:
        raise PageAltered([str(error)]) from None
    if faults := differences(release, found):
        raise PageAltered(faults)
    return Page(release, found.contents)


def read_release(place: Traversable) -> Release:
    """Raises ``UnusableRelease``."""
    try:
        with (place / RELEASE).open("rb") as file:
            return Release.decode(file.read(_MAX_RELEASE_BYTES + 1))
    except OSError as error:
        raise UnusableRelease(f"{RELEASE}: {error.strerror}") from None


def built_files(place: Traversable) -> dict[str, bytes]:
    """Every file of the built page, by its name.

    Raises:
        PageNotBuilt: there are none.
        PageAltered: something else lies among them.
    """
    found = found_files(place)
    if found.faults:
        raise PageAltered(sorted(found.faults.values()))
    return found.contents


def found_files(place: Traversable) -> Found:
    """Look at everything that lies there. Links are not followed, and nothing is skipped.

    Raises ``PageNotBuilt``: nothing lies there.
    """
    assets = place / ASSETS
    contents: dict[str, bytes] = {}
    faults: dict[str, str] = {}
    try:
        if _is_link(assets):
            return Found({}, {ASSETS: f"{ASSETS} is a symbolic link"})
        for one in assets.iterdir():
            content = _read(one)
            if isinstance(content, bytes):
                contents[one.name] = content
            else:
                faults[one.name] = f"{_shown(one.name)} {content}"
    except FileNotFoundError:
        pass
    except OSError as error:
        faults[ASSETS] = f"{ASSETS} cannot be read: {error.strerror}"
    if not contents and not faults:
        raise PageNotBuilt("the counter's page is not built; in a checkout: make page")
    return Found(contents, faults)


def _read(one: Traversable) -> bytes | str:
    """A file's content, or what is wrong with it."""
    if _is_link(one):
        return "is a symbolic link"
    if one.is_dir():
        return "is a directory, and does not belong there"
    if not one.is_file() or not re.fullmatch(_NAME, one.name) or _ending(one.name) not in TYPES:
        return "does not belong there"
    try:
        with one.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return content if len(content) <= _MAX_FILE_BYTES else "is too long"


def _is_link(one: Traversable) -> bool:
    """Whoever can point it elsewhere later need not be whoever installed the page."""
    return isinstance(one, Path) and one.is_symlink()


def differences(release: Release, found: Found) -> list[str]:
    """In which files a page differs from its release, and how."""
    pinned = release.files
    actual = {name: _pin(content) for name, content in found.contents.items()}
    faults = list(found.faults.values())
    if ASSETS not in found.faults:
        missing = pinned.keys() - actual.keys() - found.faults.keys()
        faults += [f"{name} is missing" for name in missing]
    faults += [f"{name} does not belong there" for name in actual.keys() - pinned.keys()]
    same = pinned.keys() & actual.keys()
    faults += [f"{name} was altered" for name in same if pinned[name] != actual[name]]
    return sorted(faults)


def content_type(name: str) -> str:
    return TYPES[_ending(name)]


def _ending(name: str) -> str:
    return name[name.rfind(".") :] if "." in name else ""


def _shown(name: str) -> str:
    """A name that anybody may have chosen, for a terminal."""
    return name if re.fullmatch(_NAME, name) else f"{name[:60]!a}"
