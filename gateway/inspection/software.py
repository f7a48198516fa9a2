"""The digest of the installed software: SHA-256 of every file of the product's two packages.

A published list has one line to a file, as ``sha256sum`` writes it:

    2f6c...  gateway/main.py

Files that Python makes itself are left out. What is installed and not in the list is told, as is
what is missing or another file.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import gateway
from gateway.wire.errors import MalformedMessage, Unavailable

PACKAGES: Final = ("gateway", "keys")
MAX_BYTES: Final = 4 * 2**20
_MADE: Final = "__pycache__"
_LINE: Final = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9@._/-]{1,200})")


def installed_files(directory: Path | None = None) -> dict[str, str]:
    """SHA-256 by name of the packages' files.

    Args:
        directory: where both packages lie (``site-packages``, or a checkout); None: where this
            program runs from.

    Raises:
        Unavailable: there is no such package, or a file cannot be read.
    """
    root = Path(gateway.__file__).parents[1] if directory is None else directory
    found = {}
    if not (root / PACKAGES[0]).is_dir() and not (root / PACKAGES[1]).is_dir():
        raise Unavailable("neither of the packages gateway and keys is installed there")
    try:
        for package in PACKAGES:
            for path in sorted((root / package).rglob("*")):
                if path.is_file() and _MADE not in path.parts:
                    name = path.relative_to(root).as_posix()
                    found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise Unavailable(f"a file of the software cannot be read: {error.strerror}") from None
    return found


def to_list(files: Mapping[str, str]) -> str:
    """A list to be published."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))


def parse_list(content: bytes) -> dict[str, str]:
    """Read a published list. Raises ``MalformedMessage``."""
    try:
        lines = content.decode("ascii").splitlines()
    except UnicodeDecodeError:
        lines = [""]
    found = {}
    for line in lines if len(content) <= MAX_BYTES else [""]:
        if (match := _LINE.fullmatch(line)) is None:
            raise MalformedMessage("not a list of files with their SHA-256, as sha256sum writes it")
        found[match[2]] = match[1]
    if not found:
        raise MalformedMessage("the list of the software is empty")
    return found


def differences(found: Mapping[str, str], published: Mapping[str, str]) -> Iterator[str]:
    """What is installed otherwise than published. An installation may lack one of the packages
    whole: an authority has no gateway."""
    there = {name.partition("/")[0] for name in found}
    for name in sorted(found.keys() | published.keys()):
        if name not in published:
            yield f"{name} is installed, and not published"
        elif name not in found:
            if name.partition("/")[0] in there:
                yield f"{name} is published, and not installed"
        elif found[name] != published[name]:
            yield f"{name} is another file than the published one"
