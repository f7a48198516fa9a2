"""The page's files, pinned by their hashes: what a browser is given is what the release published.

Whoever can alter the page can take faces. So ``release.json`` has the SHA-256 of every file of the
page, nothing else is served, and a page that differs in one byte is not served at all. That shows
damage, and a change by somebody who did not think of ``release.json``. Whoever altered that as well
is found by comparing its own SHA-256 with the one that the publisher names (``kiosk --check``).
"""

import hashlib
import json
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
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
    """The page's files, or their list, are not there."""


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


class Release(_Part):
    """The content of ``release.json``."""

    format: Literal["sealmatch-kiosk-page/1"]
    files: Annotated[dict[_Name, PinnedFile], Field(min_length=1, max_length=200)]

    @classmethod
    def of(cls, contents: dict[str, bytes]) -> "Release":
        """What pins these files. Raises ``PageNotBuilt`` for a name that cannot stand there."""
        pins = {
            name: PinnedFile(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
            for name, content in sorted(contents.items())
        }
        try:
            return cls(format="sealmatch-kiosk-page/1", files=pins)
        except ValidationError:
            raise PageNotBuilt("a file of the page has a name that cannot be served") from None

    @classmethod
    def decode(cls, content: bytes) -> "Release":
        """Raises ``PageNotBuilt``: it is no list of the page's files."""
        try:
            if len(content) > _MAX_RELEASE_BYTES:
                raise PageNotBuilt(f"{RELEASE} is too long")
            return cls.model_validate_json(content)
        except ValidationError:
            raise PageNotBuilt(f"{RELEASE} is no list of the page's files") from None

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


def read_page(place: Traversable | None = None) -> Page:
    """The installed page.

    Args:
        place: directory with ``release.json`` and ``assets``; None: this package's own.

    Raises:
        PageNotBuilt: it is not there.
        PageAltered: it is not the one that was released.
    """
    place = place or resources.files("gateway.kiosk")
    release = read_release(place)
    contents = built_files(place)
    if faults := differences(release, contents):
        raise PageAltered(faults)
    return Page(release, contents)


def read_release(place: Traversable) -> Release:
    """Raises ``PageNotBuilt``."""
    try:
        with (place / RELEASE).open("rb") as file:
            return Release.decode(file.read(_MAX_RELEASE_BYTES + 1))
    except OSError as error:
        raise PageNotBuilt(f"{RELEASE}: {error.strerror}") from None


def built_files(place: Traversable) -> dict[str, bytes]:
    """Every file of the built page, by its name.

    Raises:
        PageNotBuilt: there are none, or one of a kind that is not served.
    """
    try:
        found = sorted((place / ASSETS).iterdir(), key=lambda one: one.name)
        contents = {one.name: one.read_bytes() for one in found}
    except OSError as error:
        raise PageNotBuilt(
            f"the counter's page is not built ({error.strerror}); in a checkout: make page"
        ) from None
    for name in contents:
        if _ending(name) not in TYPES:
            raise PageNotBuilt(f"{name[:60]!a} is no file of a page")
    if INDEX not in contents:
        raise PageNotBuilt("the counter's page is not built; in a checkout: make page")
    return contents


def differences(release: Release, contents: dict[str, bytes]) -> list[str]:
    """In which files a page differs from its release, and how."""
    pinned, actual = release.files, Release.of(contents).files
    faults = [f"{name} is missing" for name in pinned.keys() - actual.keys()]
    faults += [f"{name} does not belong there" for name in actual.keys() - pinned.keys()]
    same = pinned.keys() & actual.keys()
    faults += [f"{name} was altered" for name in same if pinned[name] != actual[name]]
    return sorted(faults)


def content_type(name: str) -> str:
    return TYPES[_ending(name)]


def _ending(name: str) -> str:
    return name[name.rfind(".") :] if "." in name else ""
