"""Files and typed texts: trust files, settings, photographs, model packs, document numbers."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import struct
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
from PIL import Image

from gateway.auditor.config import AuditorSettings
from gateway.host.in_force import InForce, in_force
from gateway.host.settings import Settings
from gateway.inspection.profiles.loading import parse as parse_profile
from gateway.proofs.trust import CounterFiles, TrustFile
from gateway.server import app as server_app
from gateway.server.config import GatewaySettings
from gateway.vision.fetch import _members
from gateway.vision.images import decode_image
from gateway.vision.manifest import (
    DEFAULT_PACK_ID,
    Manifest,
    Source,
    parse_manifest,
    shipped_manifest_bytes,
)
from gateway.wire.admin import ChainKeys
from gateway.wire.ids import DOCUMENT_TYPES
from gateway.wire.subject import Subject, activation_commitment
from keys import trust_file
from keys.config import AuthoritySettings
from tests.fuzz import trees
from tests.fuzz.making import target
from tests.fuzz.mutations import frame, framed, from_seeds, scramble, unframe, words_of
from tests.fuzz.targets_wire import promise, trust
from tests.support import parties
from tests.support.fuzzing import DOCUMENTED, Parse, Target
from tests.support.trusted import SignedTrust

_NEXT_AUTHORITY: Final = parties.fixed_key(parties.AUTHORITY.party, "authority/next")

# --- trust -----------------------------------------------------------------------------------


def _trust_seeds() -> list[bytes]:
    counter = CounterFiles(
        device="device-17",
        device_key_file="counter/device.key",
        issuer="reader-17",
        issuer_key_file="counter/issuer.key",
        site_salt_file="counter/site-salt.key",
        agent="agent-4",
        outlet="outlet-2",
    )
    full = trust().model_copy(update={"counter": counter})
    return [json.dumps(one.model_dump(by_alias=True)).encode() for one in (trust(), full)]


def _prepare_trust_file(scratch: Path) -> Parse:
    path = scratch / "trust.json"

    def parse(data: bytes) -> None:
        """Read, then use what was read as a verifier and a client do."""
        path.write_bytes(data)
        read = TrustFile.read(path)
        for server in (*read.gateways, *read.authorities):
            promise(len(server.verify_key.raw) == 32, "a verifying key of another length")
            promise(len(server.sealing.raw) == 1216, "a sealing key of another length")
        read.write(path)
        promise(TrustFile.read(path) == read, "what was written reads differently")

    return parse


def _trust_list_seeds() -> list[bytes]:
    """Empty, enrolled, one suspended again, with two keys, and handed over to another key."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "trust.json"
        trust = SignedTrust(path, parties.AUTHORITY)
        found = [json.dumps({"version": 2, "parties": [], "history": []}).encode()]
        for change in (
            lambda: trust.add("gateway", parties.GATEWAY).add("issuer", parties.ISSUER),
            lambda: trust.add("device", parties.DEVICE),
            lambda: trust.remove("device", parties.DEVICE.party),
            lambda: trust.add("issuer", parties.stranger(parties.ISSUER.party), overlap=True),
            lambda: trust.change_key(parties.AUTHORITY, _NEXT_AUTHORITY, 1_763_760_001),
        ):
            change()
            found.append(path.read_bytes())
        return found


def _prepare_trust_list(scratch: Path) -> Parse:
    path = scratch / "trust.json"
    keys = ChainKeys((parties.AUTHORITY.public,))
    *_, whole = (trust_file.parse(seed, keys) for seed in _trust_list_seeds())
    enrolled = {one for seed in _trust_list_seeds() for one in trust_file.parse(seed, keys).parties}

    def parse(data: bytes) -> None:
        """Nothing is enrolled but what the authority's operator enrolled."""
        path.write_bytes(data)
        record = trust_file.read(path, keys)
        actions = record.chain.encoded
        promise(actions == whole.chain.encoded[: len(actions)], "an action that nobody signed")
        promise(enrolled.issuperset(record.parties), "a party that nobody enrolled")
        promise(trust_file.parse(record.encode(), keys) == record, "it reads differently")

    return parse


# --- settings --------------------------------------------------------------------------------

_TOML_WORDS: Final = (
    b"data_dir", b"party", b"port", b"host", b"=", b'"', b"'", b'"""', b"'''", b"[", b"]", b"[[",
    b"]]", b"{", b"}", b",", b".", b"#", b"\n", b"\r", b"\r\n", b"\\u0000", b"\\ud800",
    b"\\U00110000", b"\\x", b"true", b"nan", b"-inf", b"0x", b"0xff", b"0b1", b"1_000", b"1__0",
    b"1e400", b"1" * 5000, b"[" * 5000, b"a = {b = " * 500, b"a." * 2000, b"1979-05-27T07:32:00Z",
    b"1979-13-01", b"24:00:00", b"2000-02-30T00:00:00", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\x1f",
    b"authority_public_key", b"lanes", b"65536", b"-1", b"0.5", b"database_url", b"prefix",
)  # fmt: skip

_TOML: Final[dict[type[Settings], bytes]] = {
    AuditorSettings: (
        b'party = "auditor"\ndata_dir = "/var/lib/sealmatch"\nport = 8472\n'
        b'verify_assertions = true\npolicies = "' + b"ab" * 32 + b'"\nworkers = 2\n'
    ),
    GatewaySettings: (
        b'# settings\nparty = "gateway"\ndata_dir = "/var/lib/sealmatch"\nport = 8470\n'
        b'authority_public_key = "' + b"ab" * 32 + b'"\nmodel_id = "faceplugin-0.0.1/fr_feature"\n'
        b'model_digest = "' + b"cd" * 32 + b'"\nthreshold_cosine = "0.419"\nhe_engine = "tenseal"\n'
        b"authority_seconds = 7.5\nretention_days = 30\n"
    ),
    AuthoritySettings: (
        b'party = "authority"\ndata_dir = "/var/lib/sealmatch"\nhost = "127.0.0.1"\n'
        b"port = 8471\nsession_seconds = 300\nmax_sessions = 50\n"
    ),
}


_TOML_BYTES: Final = 16 * 1024
"""tomllib takes time quadratic in the parts of a dotted key: 2 s at this length, 30 s at 64 KB.
Longer files are a test of their own."""

_toml_words: Final = words_of(*_TOML_WORDS)


def _toml(rng: Random, data: bytes) -> bytes:
    return _toml_words(rng, data)[:_TOML_BYTES]


def _prepare_settings(kind: type[Settings]) -> Callable[[Path], Parse]:
    def prepare(scratch: Path) -> Parse:
        path = scratch / "settings.toml"

        def parse(data: bytes) -> None:
            path.write_bytes(data)
            promise(isinstance(kind.read(path, {}), kind), "settings of another type")

        return parse

    return prepare


# --- an inspection's files ---------------------------------------------------------------------

_PROFILE: Final = (
    b'name = "own"\ntitle = "t"\njurisdiction = "j"\nversion = 2026-01-02\n'
    b'notice = "not legal advice"\nextends = "gdpr"\nwithout = ["gdpr-22-decisions"]\n'
    b'[[line]]\nid = "own-1"\nrequirement = "r"\nsource_kind = "official"\n'
    b'source = { title = "t", article = "a", address = "https://law.example/1" }\n'
    b'looked_up = 2026-01-02\nread = "r"\nchecks = ["log.entries"]\nrests_on = ["w"]\ngap = "g"\n'
)
_SETTINGS_IN_FORCE: Final = in_force(
    "sealmatch-authority", "0.1.0", AuthoritySettings(data_dir=Path("/var/lib/sealmatch"))
).encode()


def _parse_profile(data: bytes) -> None:
    read = parse_profile("own.toml", data)
    promise(all(one.checks or one.rests_on or one.gap for one in read.line), "an empty line")
    promise("not legal advice" in read.notice.lower(), "a profile without its notice")


def _parse_settings_in_force(data: bytes) -> None:
    read = InForce.decode(data)
    promise(InForce.decode(read.encode()) == read, "settings that change when written again")


# --- typed texts -----------------------------------------------------------------------------

_NUMBER_WORDS: Final = (
    b"X1234567", b"passport", b"id-card", b" ", b"-", b"<", b"/", b".", "é".encode(), "ß".encode(),
    "ＡＢ１２".encode(), "ﷺ".encode(), "ﬁ".encode(), "e\u0301".encode(), "\u200b".encode(),
    "\u202e".encode(), "Ⅷ".encode(), "①".encode(), "ı".encode(), "İ".encode(), "٣".encode(),
    b"\0", b"\n", b"\xff", b"\xed\xa0\x80", "\U0001d7d9".encode(), b"A" * 40, b"A" * 41,
)  # fmt: skip


def _text(data: bytes) -> str:
    """As the command line hands it on: bytes that are not UTF-8 become lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def _parse_subject(data: bytes) -> None:
    kind, number = (_text(part) for part in unframe(data, 2))
    subject = Subject.of(kind, number)
    plain = subject.number
    promise(plain.isascii() and plain.isalnum() and 4 <= len(plain) <= 40, "a number of other form")
    promise(Subject.of(kind, plain) == subject, "normalising twice gives another number")
    subject.commitment(bytes(32))


def _parse_activation(data: bytes) -> None:
    promise(len(activation_commitment(_text(data), bytes(32))) == 32, "no commitment")


def _parse_session_id(data: bytes) -> None:
    text = _text(data)
    promise(server_app._session(text).hex() == text, "a second spelling of a session id")


# --- photographs -----------------------------------------------------------------------------


@cache
def _images() -> tuple[bytes, ...]:
    y, x = np.mgrid[0:12, 0:16]
    picture = Image.fromarray(np.stack([x * 15, y * 20, x * y], axis=-1).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    made = []
    for kind, mode, options in (
        ("JPEG", "RGB", {"exif": exif}),
        ("JPEG", "L", {"progressive": True}),
        ("JPEG", "CMYK", {}),
        ("PNG", "RGB", {"exif": exif}),
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("PNG", "1", {}),
    ):
        out = io.BytesIO()
        picture.convert(mode).save(out, kind, **options)
        made.append(out.getvalue())
    deep = io.BytesIO()
    Image.fromarray((x * y * 300).astype(np.uint16)).save(deep, "PNG")
    made.append(deep.getvalue())
    return tuple(made)


def _image(rng: Random, data: bytes) -> bytes:
    """PNG chunks with their checksums put right again, JPEG segments with other lengths."""
    if data[:4] != b"\x89PNG" or rng.random() < 0.3:
        return scramble(rng, data)
    chunks = []
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    if not chunks:
        return scramble(rng, data)
    which = rng.randrange(len(chunks))
    kind, content = chunks[which]
    match rng.randrange(6):
        case 0:
            chunks[which] = (kind, scramble(rng, content))
        case 1 if kind == b"IDAT":
            with contextlib.suppress(zlib.error):  # damaged by an earlier mutation
                content = zlib.decompress(content)
            chunks[which] = (kind, zlib.compress(scramble(rng, content)))
        case 2:
            sizes = struct.pack(">II", *(rng.choice((0, 1, 9, 7000, 2**31 - 1)) for _ in "xy"))
            chunks[0] = (b"IHDR", sizes + chunks[0][1][8:])
        case 3:
            chunks.insert(which, rng.choice(_PNG_CHUNKS))
        case 4:
            del chunks[which]
        case _:
            chunks.append(chunks[which])
    return data[:8] + b"".join(
        len(c).to_bytes(4, "big") + k + c + zlib.crc32(k + c).to_bytes(4, "big") for k, c in chunks
    )


_PNG_CHUNKS: Final = (
    (b"zTXt", b"a\0\0" + zlib.compress(bytes(10**6))),
    (b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(10**6))),
    (b"iCCP", b"a\0\0" + zlib.compress(bytes(10**6))),
    (b"eXIf", b"II*\0" + b"\xff" * 60),
    (b"acTL", struct.pack(">II", 2**31 - 1, 0)),
    (b"fcTL", bytes(26)),
    (b"tRNS", b"\xff" * 300),
    (b"PLTE", bytes(3 * 257)),
)


def _parse_image(data: bytes) -> None:
    image = decode_image(data)
    promise(image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3, "another array")


# --- model packs -----------------------------------------------------------------------------


def _parse_manifest(data: bytes) -> None:
    manifest = parse_manifest(data)
    promise(parse_manifest(manifest.canonical) == manifest, "the canonical form reads differently")


_MODELS: Final = {"a.onnx": b"first model", "b.onnx": bytes(3000)}
_PREFIX: Final = "package/model/"


@cache
def _manifest() -> tuple[Manifest, Source]:
    shipped = parse_manifest(shipped_manifest_bytes(DEFAULT_PACK_ID))
    files = {
        name: {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
        for name, body in _MODELS.items()
    }
    source = {
        "npm": "toy@1",
        "tarball_sha256": "00" * 32,
        "tarball_bytes": 1,
        "member_prefix": _PREFIX,
    }
    values = shipped.model_dump() | {"files": files, "source": source}
    made = Manifest.model_validate(values)
    assert made.source is not None
    return made, made.source


_PAX_NAMES: Final = ("size", "path", "GNU.sparse.map", "GNU.sparse.major", "mtime", "linkpath")


def _tar(rng: Random | None = None) -> bytes:
    """An archive like npm's, with or without an odd member."""
    out = io.BytesIO()
    form = (
        rng.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT)) if rng else None
    )
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, body in _MODELS.items():
            entry = tarfile.TarInfo(_PREFIX + name)
            entry.size = len(body)
            if rng and rng.random() < 0.4:
                entry.type = rng.choice(
                    (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE)
                )
                entry.linkname = rng.choice((_PREFIX + name, _PREFIX + "a.onnx", "..", ""))
                entry.size = 0
            if rng and form == tarfile.PAX_FORMAT and rng.random() < 0.5:
                entry.pax_headers = {
                    rng.choice(_PAX_NAMES): rng.choice(("-1", "9" * 30, "0,1,2", "1", "nan", ".."))
                }
            tar.addfile(entry, io.BytesIO(body[: entry.size]))
    return out.getvalue()


@cache
def _tarballs() -> tuple[bytes, ...]:
    return (gzip.compress(_tar(), mtime=0),)


def _tarball(rng: Random, data: bytes) -> bytes:
    """The archive's own structure inside a sound gzip stream, or the stream itself."""
    draw = rng.random()
    if draw < 0.2:
        return scramble(rng, data)
    archive = _tar(rng) if draw < 0.5 else _headers_altered(rng, gzip.decompress(_tarballs()[0]))
    packed = gzip.compress(archive, 1, mtime=0)
    return packed if rng.random() < 0.8 else scramble(rng, packed)


def _headers_altered(rng: Random, archive: bytes) -> bytes:
    """A header block with one field altered and its checksum put right."""
    block = bytearray(archive[:512])
    start, end = rng.choice(((0, 100), (124, 136), (156, 157), (157, 257), (257, 265), (345, 500)))
    block[start:end] = scramble(rng, bytes(block[start:end])).ljust(end - start, b"\0")[
        : end - start
    ]
    if rng.random() < 0.5:
        block[156] = rng.choice(b"0123456789LKSVgxX\0")
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    rest = scramble(rng, archive[512:]) if rng.random() < 0.2 else archive[512:]
    return bytes(block) * rng.choice((1, 1, 2, 400)) + rest


def _parse_tarball(data: bytes) -> None:
    """What stands behind the pinned hash; it must hold even if the hash were somebody's else."""
    manifest, source = _manifest()
    promise(_members(data, manifest, source) == _MODELS, "other content than is pinned")


def targets() -> Sequence[Target]:
    """All targets of this module."""

    def plain(parse: Parse) -> Callable[[Path], Parse]:
        return lambda _scratch: parse

    numbers = words_of(*_NUMBER_WORDS)
    subjects = [frame(kind.encode(), b"X 123-4567") for kind in DOCUMENT_TYPES]
    ids = words_of(
        b"0", b"A", b"%", b"/", b"..", b"\n", "٣".encode(), b"\0", b"0" * 32, b"\xff", b" "
    )

    def settings(name: str, kind: type[Settings]) -> Target:
        return Target(
            name,
            lambda: (_TOML[kind],),
            from_seeds(_toml, bytewise=0.0),
            _prepare_settings(kind),
            DOCUMENTED[name],
            50,
            silent=False,  # the operator's own file
        )

    return (
        target("trust-file", _trust_seeds, trees.json_text, _prepare_trust_file, 60, silent=False),
        target("authority-trust-list", _trust_list_seeds, trees.json_text, _prepare_trust_list, 60),
        settings("gateway-settings", GatewaySettings),
        settings("authority-settings", AuthoritySettings),
        settings("auditor-settings", AuditorSettings),
        Target(
            "inspection-profile", lambda: (_PROFILE,), from_seeds(_toml, bytewise=0.0),
            plain(_parse_profile), DOCUMENTED["inspection-profile"], 80,
            silent=False,  # the operator's or inspector's own file
        ),
        target(
            "settings-in-force", lambda: (_SETTINGS_IN_FORCE,), trees.json_text,
            plain(_parse_settings_in_force), 60,
        ),
        target("subject", lambda: subjects, framed(numbers, numbers), plain(_parse_subject), 150),
        target(
            "activation-reference", lambda: (b"+49 151 00000000", "Zoe\u0308".encode()),
            numbers, plain(_parse_activation), 60,
        ),
        target("session-id", lambda: (b"0f" * 16,), ids, plain(_parse_session_id), 60),
        # Fifty megapixels are permitted, and take their memory.
        replace(target("image", _images, _image, plain(_parse_image), 60), megabytes=900),
        target(
            "pack-manifest", lambda: (shipped_manifest_bytes(DEFAULT_PACK_ID),), trees.json_text,
            plain(_parse_manifest), 60,
        ),
        target("npm-tarball", _tarballs, _tarball, plain(_parse_tarball), 30),
    )  # fmt: skip
