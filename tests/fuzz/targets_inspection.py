"""An inspection's bundle: its form, and what stands in its files behind a manifest that fits."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random

from gateway.inspection.bundle import (
    MANIFEST,
    SIGNATURE,
    make_bundle,
    pack,
    read_bundle,
    report_of,
    unpack,
)
from gateway.inspection.checks import ALL
from gateway.inspection.exhibits import encoded
from gateway.inspection.inspection import inspect
from gateway.inspection.lines import Progress
from gateway.inspection.verification import verify_bundle
from tests.fuzz import trees
from tests.fuzz.making import stateless, target
from tests.support.fuzzing import BrokenPromise, Target
from tests.support.inspected import Inspected
from tests.support.parties import fixed_key


@cache
def _bundle() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        deployment = Inspected(Path(directory))
        deployment.register(2)
        deployment.publish()
        with deployment.evidence() as evidence:
            lines = inspect(evidence, ALL, Progress())
            report = report_of(lines, evidence.now, "1", {})
            return make_bundle(report, evidence, fixed_key("inspector"))


def _parse_bundle(data: bytes) -> None:
    files = read_bundle(data).files
    if pack(files) != data:
        raise BrokenPromise("two bundles have the same files")


def _bundles() -> Sequence[bytes]:
    files = unpack(_bundle())
    return (_bundle(), pack({name: files[name] for name in (MANIFEST, SIGNATURE)}))


def _headers(rng: Random, data: bytes) -> bytes:
    """Bytes of headers are altered, or whole blocks moved."""
    altered = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        block = 512 * rng.randrange(max(1, len(data) // 512))
        if rng.random() < 0.5 and block + 512 <= len(altered):
            altered[block + rng.randrange(512)] = rng.randrange(256)
        else:
            altered[block:block] = data[512 * rng.randrange(3) :][:512]
    return bytes(altered)


# One file of a bundle is another one: its name, a newline, its content


def _contents() -> Sequence[bytes]:
    files = unpack(_bundle())
    return [
        name.encode() + b"\n" + content
        for name, content in files.items()
        if name not in (MANIFEST, SIGNATURE)
    ]


def _content(rng: Random, data: bytes) -> bytes:
    name, newline, content = data.partition(b"\n")
    altered = trees.json_text(rng, content) if name.endswith(b".json") else content
    if altered == content and content:
        at = rng.randrange(len(content))
        altered = content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
    return name + newline + altered


def _parse_content(data: bytes) -> None:
    """The manifest is made anew, as whoever has no key can do. Whatever stands in the file, the
    bundle is refused or verified, and what differs is told."""
    name, _, content = data.partition(b"\n")
    files = unpack(_bundle())
    shown = name.decode("ascii", "replace")
    same = files.get(shown) == content
    if shown in files:
        files[shown] = content
    manifest = json.loads(files[MANIFEST])
    manifest["files"] = {
        one: {"sha256": hashlib.sha256(held).hexdigest(), "bytes": len(held), "what": ""}
        for one, held in files.items()
        if one not in (MANIFEST, SIGNATURE)
    }
    files[MANIFEST] = encoded(manifest)
    found = verify_bundle(read_bundle(pack(files)), ALL, None, Progress())
    if same and not found.agrees:
        raise BrokenPromise("an honest bundle differs")


def targets() -> Sequence[Target]:
    """All targets of this module."""
    return (
        target("inspection-bundle", _bundles, _headers, stateless(_parse_bundle), 30),
        target("inspection-evidence", _contents, _content, stateless(_parse_content), 10),
    )
