"""Names of files and directories: numbers of documents, and pictures or sound by their ending."""

import re
from collections.abc import Iterable
from typing import Final

from gateway.inspection.contents.files import Opened
from gateway.inspection.contents.magic import ARRAY, MODEL, PICTURE, SOUND, VIDEO
from gateway.inspection.contents.numbers import NUMBER
from gateway.inspection.contents.scanner import Scanner
from gateway.inspection.leaks.findings import Finding

_ENDINGS: Final = {
    PICTURE: "jpg jpeg jpe jp2 j2k jxl png gif bmp tif tiff webp heic heif avif raw cr2 nef dng",
    SOUND: "wav mp3 ogg opus m4a aac flac amr wma",
    VIDEO: "mp4 m4v mov avi mkv webm 3gp mpg mpeg",
    ARRAY: "npy npz pkl pickle joblib h5 hdf5 pt pth",
    MODEL: "onnx tflite safetensors",
}
_KINDS: Final = {ending: kind for kind, listed in _ENDINGS.items() for ending in listed.split()}
_PLAIN: Final = re.compile(r"(?<![0-9A-Za-z])[A-Z]{1,2}[0-9]{6,9}(?![0-9A-Za-z])")
"""As many passports are numbered. In the middle of a text that says nothing; in a name it does."""


def look_at_names(named: Iterable[Opened]) -> list[Finding]:
    """What names say. The number in a name is not repeated."""
    found: list[Finding] = []
    scanner = Scanner()
    for one in named:
        name = one.path.name
        found += [
            Finding(hit.kind, hit.encoding, one.shown, hit.offset, hit.length)
            for hit in scanner.data(name.encode("utf-8", "surrogateescape"), one.shown).findings
        ]
        if match := _PLAIN.search(name):
            size = len(match[0])
            found.append(Finding(NUMBER, "letters and digits", one.shown, match.start(), size))
        kind = _KINDS.get(name.lower().rpartition(".")[2]) if "." in name else None
        if kind is not None:
            found.append(Finding(f"name of a {kind}", "ending", one.shown, 0, len(name)))
    return found
