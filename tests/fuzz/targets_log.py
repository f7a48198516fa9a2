"""What others write of a transparency log: notes, proofs, policies, tiles, witnesses' talk."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

from gateway.translog.checkpoint import Checkpoint, SignedCheckpoint
from gateway.translog.cosignature import sign_checkpoint
from gateway.translog.note import Kind, NoteKey, SignedNote
from gateway.translog.policy import TrustedLog, TrustedWitness, TrustPolicy
from gateway.translog.proof import LogProof
from gateway.translog.text import to_base64
from gateway.translog.tiles import Tile, encode_bundle, parse_bundle
from gateway.translog.verification import verify_log_proof
from gateway.translog.witnessing import (
    AddCheckpoint,
    Remembered,
    check_growth,
    check_origin,
    cosignatures,
    encode_answer,
)
from gateway.wire.errors import BodyTooLarge, MalformedMessage
from gateway.witness.app import SIZE, create_app
from gateway.witness.config import WitnessSettings
from tests.fuzz.making import stateless, target
from tests.fuzz.mutations import frame, framed, scramble, unframe, words_of
from tests.fuzz.targets_http import REQUEST, Edge, quiet
from tests.fuzz.targets_wire import promise
from tests.support.fuzzing import CANARY, Parse, Target
from tests.support.parties import DEVICE, NOW
from tests.support.tampering import INDEX, LOG, honest, tampered
from tests.support.translog import MemoryLog, signer, witness
from tests.support.witnesses import sealed_witness

OLD, NEW = 20, 50
_ED, _ML = Kind.COSIGNATURE_ED25519, Kind.COSIGNATURE_ML_DSA_44
_WITNESSES: Final = [witness(0, _ED), witness(1, _ML), witness(2, _ED)]
_POLICY: Final = TrustPolicy.simple(
    [TrustedLog(signer().key)],
    [TrustedWitness(f"w{n}", one.key) for n, one in enumerate(_WITNESSES)],
    2,
)

_HASH: Final = to_base64(bytes(32)).encode()
_LINES: Final = words_of(
    b"\n", b"\n\n", b"\n\n\n", b"\r\n", b" ", b"\t", b"\0", b"+", b"=", b"==", b"\xff",
    "\u2014 ".encode(), "\u2014".encode(), "\u00a0".encode(), "\u2028".encode(), b"- ", b"AAAA",
    _HASH, _HASH + b"\n", b"old 0\n", b"old 20\n", b"index 0\n", b"index 137\n", b"extra AA==\n",
    b"extra \n", b"0", b"00", b"-1", b"+1", b"9223372036854775807", b"9223372036854775808",
    "٣".encode(), b"1" * 5000, b"c2sp.org/tlog-proof@v1", LOG.origin.encode(), CANARY.encode(),
    b"\n50\n", b"\n20\n", b"\n0\n" + _HASH, b"300",
    str(sign_checkpoint(LOG.checkpoint(), signer(), NOW)).encode(),
)  # fmt: skip
_POLICY_WORDS: Final = words_of(
    b"\n", b" ", b"\t", b"#", b"log ", b"witness ", b"group ", b"quorum ", b"none", b"any", b"all",
    b"0", b"1", b"2", b"64", b"9999", b"w0", b"w1", b"w2", b"witnesses", b"\r", b"\x7f", b"\0",
    b"\xff\xfe", "\u212a".encode(), str(signer().key).encode(), str(_WITNESSES[0].key).encode(),
    str(_WITNESSES[1].key).encode(), b"https://x.example/", b"quorum none\n", CANARY.encode(),
    b"witness x " + str(witness(5).key).encode() + b"\n", b"group g all w0\n",
)  # fmt: skip
_PATHS: Final = words_of(
    b"tile/", b"entries/", b"/", b"x", b"000", b"001", b"x999/", b".p/", b"1", b"255", b"256",
    b"63", b"64", b"..", b"%2f", b"\n", b"\0", "٣".encode(), b"-1", b"00", b"0", CANARY.encode(),
)  # fmt: skip


def _offered() -> list[LogProof]:
    return [one.proof for kind in (_ED, _ML) for one in (honest(kind), *tampered(kind).values())]


@cache
def _proofs() -> tuple[bytes, ...]:
    mixed = LOG.prove(INDEX, witnesses=_WITNESSES)
    extra = replace(mixed, extra=b"extra data")
    refused = _offered()
    # As many that are accepted as not, or an altered one would hardly ever be accepted.
    return tuple(map(bytes, [*refused, *[mixed, extra] * (len(refused) // 2)]))


@cache
def _checkpoints() -> tuple[bytes, ...]:
    extended = Checkpoint(LOG.origin, 5, bytes(32), ("of", "others"))
    line = sign_checkpoint(extended, signer(), NOW)
    made = [LOG.signed(witnesses=_WITNESSES), SignedCheckpoint.make(extended, line)]
    return tuple(map(bytes, made))


@cache
def _requests() -> tuple[bytes, ...]:
    fork = MemoryLog()
    fork.append(b"another history", *LOG.entries[1:NEW])
    return tuple(
        bytes(AddCheckpoint(old, log.consistency(old, size), log.signed(size)))
        for log in (LOG, fork)
        for old, size in ((OLD, NEW), (OLD, OLD), (OLD, OLD + 1), (0, NEW))
    )


def _parse_note(data: bytes) -> None:
    promise(bytes(SignedNote.parse(data)) == data, "another encoding")


def _parse_checkpoint(data: bytes) -> None:
    promise(bytes(SignedCheckpoint.parse(data)) == data, "another encoding")


def _parse_proof(data: bytes) -> None:
    promise(bytes(LogProof.parse(data)) == data, "another encoding")


def _parse_key(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    promise(str(NoteKey.parse(text)) == text, "a second spelling of a key")


def _parse_policy(data: bytes) -> None:
    policy = TrustPolicy.parse(data)
    promise(TrustPolicy.parse(bytes(policy)) == policy, "what was written reads differently")


def _parse_tile_path(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    promise(Tile.parse(text).path == text, "a second spelling of a tile")


def _parse_bundle(data: bytes) -> None:
    width, bundle = unframe(data, 2)
    if len(width) != 1 or not width[0] > 0:
        raise MalformedMessage("no width")
    entries = parse_bundle(bundle, width[0])
    promise(encode_bundle(entries) == bundle, "another encoding")


def _verify(data: bytes) -> None:
    """A proof and an entry against a policy; what passes must be true."""
    proof, entry = unframe(data, 2)
    found = verify_log_proof(proof, entry, _POLICY)
    promise(LOG.entries[found.index] == entry, "an entry that is not there")
    checkpoint = found.witnessed.checkpoint
    promise(checkpoint == LOG.checkpoint(checkpoint.size), "a checkpoint of another log")
    promise(len(found.witnessed.cosigned) >= 2, "too few witnesses")


def _witness(data: bytes) -> None:
    """What a witness that has seen 20 entries cosigns is a tree of the same log."""
    request = AddCheckpoint.parse(data)
    promise(bytes(request) == data, "another encoding")
    check_origin(request, [signer().key])
    check_growth(request, Remembered(OLD, LOG.checkpoint(OLD).root, NOW))
    checkpoint = request.signed.checkpoint
    promise(checkpoint == LOG.checkpoint(checkpoint.size), "another history")


def _answer(data: bytes) -> None:
    keys = [one.key for one in _WITNESSES]
    for line, time in cosignatures(data, LOG.checkpoint(), keys):
        promise(time == NOW and line.name in {key.name for key in keys}, "a forged cosignature")


def _resigned(rng: Random, data: bytes) -> bytes:
    """The checkpoint altered first and signed then, so that what comes after is reached."""
    head, separator, checkpoint = data.partition(b"\n\n")
    if rng.random() < 0.5 or not separator:
        return _LINES(rng, data)
    try:
        signed = SignedCheckpoint.parse(checkpoint)
    except (MalformedMessage, BodyTooLarge):
        return _LINES(rng, data)
    size = rng.choice((0, 1, OLD - 1, OLD, OLD + 1, NEW, signed.checkpoint.size, 2**63 - 1))
    root = rng.choice((signed.checkpoint.root, LOG.checkpoint(min(size, 300)).root, bytes(32)))
    altered = Checkpoint(signed.checkpoint.origin, size, root)
    line = sign_checkpoint(altered, signer(), NOW)
    if rng.random() < 0.5:
        head = _LINES(rng, head)
    return head + separator + bytes(SignedCheckpoint.make(altered, line))


class WitnessEdge(Edge):
    """A witness that has cosigned 20 entries, before every request."""

    statuses = Edge.statuses | {422}

    def __init__(self, settings: WitnessSettings) -> None:
        super().__init__(create_app(settings, lambda: NOW), DEVICE)
        first = AddCheckpoint(0, (), LOG.signed(OLD))
        promise(super().parse(_http(bytes(first))) == "200", "an honest log is refused")
        self._memory = sqlite3.connect(settings.memory_file, isolation_level=None)
        [self._row] = self._memory.execute("SELECT * FROM cosigned")

    def parse(self, data: bytes) -> str:
        self._memory.execute("DELETE FROM cosigned")
        self._memory.execute("INSERT INTO cosigned VALUES (?, ?, ?, ?, ?)", self._row)
        answer = super().parse(data)
        [(size, root)] = self._memory.execute("SELECT size, root FROM cosigned")
        promise(root == LOG.checkpoint(size).root, "another history is remembered")
        return answer

    def _checked(self, sent: list[dict[str, Any]], method: bytes) -> str:
        head = sent[0]
        if dict(head["headers"]).get(b"content-type") != SIZE.encode():
            return super()._checked(sent, method)
        promise(head["status"] == 409 and sent[1]["body"] == b"%d\n" % OLD, "another conflict")
        return "409 size"


def _http(body: bytes, method: bytes = b"POST", path: bytes = b"/add-checkpoint") -> bytes:
    return frame(method, path, b"content-type: text/plain", b"\0", body)


def _http_seeds() -> Sequence[bytes]:
    origin = hashlib.sha256(LOG.origin.encode()).hexdigest().encode()
    read = _http(b"", b"GET", b"/" + origin + b"/checkpoint")
    return [*map(_http, _requests()), read, _http(b"", b"GET", b"/health")]


def _http_request(rng: Random, data: bytes) -> bytes:
    parts = unframe(data, 5)
    if rng.random() < 0.7:
        return frame(*parts[:4], _resigned(rng, parts[4]))
    return REQUEST(rng, data)


def _prepare_witness(scratch: Path) -> Parse:
    quiet()
    return WitnessEdge(sealed_witness(scratch)).parse


def targets() -> Sequence[Target]:
    """All targets of this module."""

    def vkeys() -> Sequence[bytes]:
        return [str(key).encode() for key in (signer().key, *(one.key for one in _WITNESSES))]

    def policies() -> Sequence[bytes]:
        group = b"group x 2 w0 w1\ngroup y any x w2\nquorum y\n"
        nested = bytes(_POLICY).partition(b"group")[0] + group
        return [bytes(_POLICY), nested, b"# none\nquorum none\n"]

    def bundles() -> Sequence[bytes]:
        some = [b"", b"entry", base64.b64encode(bytes(400))]
        return [frame(b"\x03", encode_bundle(some)), frame(b"\xff", encode_bundle([b"e"] * 255))]

    def judged() -> Sequence[bytes]:
        return [frame(proof, LOG.entries[INDEX]) for proof in _proofs()]

    def answers() -> Sequence[bytes]:
        keys = [*_WITNESSES, witness(9)]
        return [encode_answer([sign_checkpoint(LOG.checkpoint(), one, NOW) for one in keys])]

    def paths() -> Sequence[bytes]:
        places = (Tile(0, 1_234_067), Tile(2, 5, 17), Tile(0, 3, 9, entries=True))
        return [tile.path.encode() for tile in places]

    return (
        target("signed-note", _checkpoints, _LINES, stateless(_parse_note), 80),
        target("checkpoint", _checkpoints, _LINES, stateless(_parse_checkpoint), 80),
        target("log-proof", _proofs, _LINES, stateless(_parse_proof), 80),
        target("verifier-key", vkeys, _LINES, stateless(_parse_key), 60),
        target("log-policy", policies, _POLICY_WORDS, stateless(_parse_policy), 100),
        target("tile-path", paths, _PATHS, stateless(_parse_tile_path), 60),
        target("entry-bundle", bundles, framed(scramble, scramble), stateless(_parse_bundle), 60),
        target("log-verification", judged, framed(_LINES, _LINES), stateless(_verify), 60),
        target("witness-request", _requests, _resigned, stateless(_witness), 100),
        target("witness-answer", answers, _LINES, stateless(_answer), 60),
        target("witness-http", _http_seeds, _http_request, _prepare_witness, 30),
    )
