"""The bundle of an inspection: one file that a second person checks with the published tool alone.

It is a tar archive (ustar) with exactly one encoding, so every tool opens it, and nothing hides
between its files:

    evidence/...     the exhibits
    report.json      the lines, and what was inspected
    missing.json     which exhibits could not be collected, and why
    manifest.json    SHA-256, length and purpose of each of these
    signature.cose   an ``InspectionSeal`` over the manifest, if the inspector signed

A reader checks form and bounds before anything else. Names are taken from the manifest's rules and
never used as paths of a disk.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.inspection.evidence import Evidence
from gateway.inspection.exhibits import decoded, encoded
from gateway.inspection.inspection import sentences, tally
from gateway.inspection.lines import Line
from gateway.wire import cose
from gateway.wire.cose import SigningKey, VerifyKey
from gateway.wire.errors import MalformedMessage, Refused
from gateway.wire.ids import Digest, DigestField, UnixTime
from gateway.wire.message import Message

REPORT: Final = "report.json"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "signature.cose"
MISSING: Final = "missing.json"
EVIDENCE: Final = "evidence/"

MAX_BYTES: Final = 2**31
"""Of a bundle: a log of sixty million entries."""
MAX_FILES: Final = 1000
INSPECTOR: Final = "inspector"
"""The name under which an inspector's key is checked; keys are told apart by their ids."""
_VERSION: Final = 1
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}(/[a-z0-9][a-z0-9._-]{0,39}){0,2}", re.ASCII)
_BLOCK, _NAME_BYTES = 512, 100
_SIZE_OFFSET, _SIZE_DIGITS = 124, 11


class InspectionSeal(Message):
    """Signed by an inspector: what was found, and when."""

    manifest: DigestField
    """SHA-256 of ``manifest.json``, which names every other file by its SHA-256."""
    made_at: UnixTime


@dataclass(frozen=True)
class Bundle:
    """A bundle whose form was checked, and nothing else."""

    files: Mapping[str, bytes] = field(repr=False)
    made_at: int
    tool: str
    """Version of the product that made it."""
    manifest_digest: Digest

    def read(self, name: str) -> bytes | None:
        """An exhibit; None: there is none of this name."""
        return self.files.get(EVIDENCE + name)

    @property
    def exhibits(self) -> dict[str, bytes]:
        return {
            name.removeprefix(EVIDENCE): content
            for name, content in self.files.items()
            if name.startswith(EVIDENCE)
        }

    @property
    def missing(self) -> dict[str, str]:
        """Why exhibits are not there. Raises ``MalformedMessage``."""
        found = decoded(self.files[MISSING]) if MISSING in self.files else None
        if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
            raise MalformedMessage("the bundle does not say what it lacks")
        return found

    @property
    def lines(self) -> tuple[Line, ...]:
        """The report's lines. Raises ``MalformedMessage``."""
        report = decoded(self.files[REPORT])
        if not isinstance(report, dict) or not isinstance(report.get("lines"), list):
            raise MalformedMessage("the report has no lines")
        return tuple(map(Line.of_json, report["lines"]))

    @property
    def profiles(self) -> Any:
        """What the report says of profiles, as it stands there; None: nothing."""
        report = decoded(self.files[REPORT])
        return report.get("profiles") if isinstance(report, dict) else None

    @property
    def sums_up(self) -> bool:
        """Whether summary and sentences of the report are those of its lines."""
        report = decoded(self.files[REPORT])
        stated = {name: report.get(name) for name in ("summary", "sentences")}
        return stated == _summed(self.lines)

    @property
    def same_origin(self) -> bool:
        """Whether the report is of the time and version that the manifest names."""
        report = decoded(self.files[REPORT])
        return (report.get("madeAt"), str(report.get("tool"))[:80]) == (self.made_at, self.tool)

    @property
    def signed(self) -> bool:
        return SIGNATURE in self.files

    def require_signed_by(self, key: VerifyKey) -> None:
        """Check the inspector's signature.

        Raises:
            Refused: there is none, or it is not this key's over this manifest.
            MalformedMessage: it is no signed seal.
        """
        if not self.signed:
            raise Refused("the bundle is not signed")
        seal = cose.verify(self.files[SIGNATURE], InspectionSeal, key).message
        if (seal.manifest, seal.made_at) != (self.manifest_digest, self.made_at):
            raise Refused("the signature is over another bundle")

    @property
    def signer(self) -> str | None:
        """Id of the key that the signature names, in hexadecimal; it is not checked."""
        if not self.signed:
            return None
        return cose.named_key(self.files[SIGNATURE], InspectionSeal).hex()


def report_of(
    lines: tuple[Line, ...], made_at: int, tool: str, inspected: Mapping[str, object]
) -> dict[str, Any]:
    """The report, as ``--json`` prints it and the bundle holds it.

    Args:
        inspected: what the inspector was given access to, without addresses.
    """
    return {
        "version": _VERSION,
        "madeAt": made_at,
        "tool": tool,
        "inspected": dict(inspected),
        **_summed(lines),
        "lines": [line.as_json() for line in lines],
    }


def _summed(lines: tuple[Line, ...]) -> dict[str, object]:
    return {
        "summary": {verdict.name: count for verdict, count in tally(lines).items()},
        "sentences": list(sentences(lines)),
    }


def make_bundle(report: Mapping[str, Any], evidence: Evidence, key: SigningKey | None) -> bytes:
    """The bundle of an inspection; the same inspection gives the same bytes.

    Args:
        report: of ``report_of``.
        key: the inspector's; None: the bundle is not signed.
    """
    files = {EVIDENCE + name: content for name, content in evidence.exhibits.items()}
    files[MISSING] = encoded(evidence.missing)
    files[REPORT] = encoded(report)
    purposes = {EVIDENCE + name: what for name, what in evidence.descriptions.items()}
    purposes[REPORT] = "the lines of the report"
    purposes[MISSING] = "which exhibits could not be collected, and why"
    files[MANIFEST] = encoded(
        {
            "version": _VERSION,
            "madeAt": report["madeAt"],
            "tool": report["tool"],
            "files": {name: _entry(content, purposes[name]) for name, content in files.items()},
        }
    )
    if key is not None:
        seal = InspectionSeal(
            manifest=Digest(hashlib.sha256(files[MANIFEST]).digest()), made_at=report["madeAt"]
        )
        files[SIGNATURE] = cose.sign(seal, key).encoded
    return pack(files)


def read_bundle(content: bytes) -> Bundle:
    """Read a bundle and check its form and its manifest.

    Raises:
        MalformedMessage: it has another form; or a file is not the one that the manifest names,
            and the text says which.
    """
    files = unpack(content)
    for name in (MANIFEST, REPORT):
        if name not in files:
            raise MalformedMessage(f"the bundle has no {name}")
    manifest = decoded(files[MANIFEST])
    try:
        if type(manifest["version"]) is not int or manifest["version"] != _VERSION:
            raise MalformedMessage("the bundle is of another version of this form")
        named, made_at, tool = manifest["files"], manifest["madeAt"], manifest["tool"]
        if type(made_at) is not int or not isinstance(tool, str):
            raise MalformedMessage("the manifest is malformed")
        stated = {name: (one["sha256"], one["bytes"]) for name, one in named.items()}
    except (KeyError, TypeError, AttributeError):
        raise MalformedMessage("the manifest is malformed") from None
    _require_as_stated(files, stated)
    digest = Digest(hashlib.sha256(files[MANIFEST]).digest())
    return Bundle(files, made_at, tool[:80], digest)


def _require_as_stated(files: Mapping[str, bytes], stated: Mapping[str, tuple[str, int]]) -> None:
    present = files.keys() - {MANIFEST, SIGNATURE}
    for name in sorted(present ^ stated.keys()):
        where = "is not in the manifest" if name in present else "of the manifest is missing"
        raise MalformedMessage(f"{name[:80]} {where}")
    for name in sorted(present):
        found = _entry(files[name], "")
        if stated[name] != (found["sha256"], found["bytes"]):
            raise MalformedMessage(f"{name} is not the file that the manifest names")


def _entry(content: bytes, what: str) -> dict[str, object]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "what": what}


# The archive


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar archive with one encoding: sorted names, no times, no owners."""
    packed = bytearray()
    for name, content in sorted(files.items()):
        packed += _header(name, len(content)) + content + bytes(-len(content) % _BLOCK)
    return bytes(packed + bytes(2 * _BLOCK))


def unpack(content: bytes) -> dict[str, bytes]:
    """Read what ``pack`` wrote.

    Raises:
        MalformedMessage: anything else, however small the difference.
    """
    if len(content) > MAX_BYTES:
        raise MalformedMessage("the bundle is too long")
    files: dict[str, bytes] = {}
    at, last, view = 0, "", memoryview(content)
    while any(header := bytes(view[at : at + _BLOCK])):
        name, size = _parsed(header)
        if name <= last or len(files) >= MAX_FILES:
            raise MalformedMessage("the bundle's files are not in order, or too many")
        at, last = at + _BLOCK, name
        files[name] = bytes(view[at : at + size])
        end = at + size + -size % _BLOCK
        if end > len(content) or any(view[at + size : end]):
            raise MalformedMessage("the bundle is cut off, or holds something between its files")
        at = end
    if bytes(view[at:]) != bytes(2 * _BLOCK):
        raise MalformedMessage("the bundle is cut off, or holds something behind its end")
    return files


def _header(name: str, size: int) -> bytes:
    if not _NAME.fullmatch(name) or len(name) > _NAME_BYTES or size > MAX_BYTES:
        raise MalformedMessage("no name or length of a file in a bundle")
    header = bytearray(_BLOCK)
    header[0 : len(name)] = name.encode()
    header[100:124] = b"0000644\x00" + 2 * b"0000000\x00"
    header[124:148] = b"%011o\x00" % size + b"%011o\x00" % 0
    header[148:156] = b" " * 8
    header[156:157] = b"0"
    header[257:265] = b"ustar\x0000"
    header[148:156] = b"%06o\x00 " % sum(header)
    return bytes(header)


def _parsed(header: bytes) -> tuple[str, int]:
    """Name and size in a header that is exactly ours."""
    try:
        name = header[:100].rstrip(b"\0").decode("ascii")
        size = int(header[_SIZE_OFFSET : _SIZE_OFFSET + _SIZE_DIGITS], 8)
        if header == _header(name, size):
            return name, size
    except (ValueError, MalformedMessage):
        pass
    raise MalformedMessage("not an inspection's bundle")
