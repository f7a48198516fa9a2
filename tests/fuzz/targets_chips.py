"""What a counter is told by a chip: its files, the certificates in them, and lists of issuers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from random import Random
from typing import Any, Final

from asn1crypto import pem
from cryptography import x509

from gateway.documents.chip.certificates import CscaList
from gateway.documents.chip.passive import ChipFiles, authenticate
from gateway.wire.subject import Subject
from tests.fuzz.making import stateless, target
from tests.fuzz.mutations import frame, scramble, unframe
from tests.fuzz.targets_wire import promise
from tests.support.chips import (
    CARD,
    NOW,
    TODAY,
    ZONE,
    Authority,
    Chip,
    authority,
    document_types,
    key,
    listed,
    name,
    revocation_list,
    signed_on,
    signer_certificate,
    utopia,
    with_explicit_curve,
)
from tests.support.fuzzing import CANARY, Target
from tests.support.portraits import tlv

_GENUINE: Final = frozenset({Subject("passport", "L898902C3"), Subject("id-card", "D23145890")})
_STRANGER: Final = "CSCA Elsewhere"


@cache
def _issuers() -> CscaList:
    return listed(utopia())


@cache
def _forger() -> Chip:
    """Signs what it likes; no list has its issuer."""
    by = authority(key("secp384r1", 5), name("UT", _STRANGER))
    return Chip(by=by, certificate=_in_use, attributes=signed_on(NOW))


def _framed(files: ChipFiles) -> bytes:
    return frame(files.sod, files.dg1, files.dg2)


def _in_use(by: Authority, public: Any) -> x509.Certificate:
    types = document_types("P", "ID")
    return signer_certificate(by, public, types=types, in_use=(-1, 1))


def _chinese(by: Authority, public: Any) -> x509.Certificate:
    return signer_certificate(by, public, country="CN")


@cache
def _chips() -> tuple[bytes, ...]:
    made = (
        Chip(),
        Chip(zone=CARD, content_type="1.3.27.1.1.1"),
        Chip(certificate=with_explicit_curve, hashed="sha384"),
        Chip(key=key("rsa2048"), pss=True),
        Chip(key=key("rsa2048"), open_hash=True),
        Chip(certificate=_in_use, attributes=signed_on(NOW)),
        Chip(content_type="1.2.840.113549.1.7.1", certificate=_chinese),
        _forger(),
    )
    return tuple(_framed(one.files()) for one in made)


def _mutated(rng: Random, data: bytes) -> bytes:
    parts = unframe(data, 3)
    if rng.random() < 0.1:
        return _forged(rng)
    at = rng.choice((0, 0, 0, 0, 1, 2))
    parts[at] = _inside(rng, parts[at])
    return frame(*parts)


def _forged(rng: Random) -> bytes:
    """Signed in order, by nobody who is listed: what is behind the signature is hostile too."""
    match rng.randrange(4):
        case 0:
            made = _forger().with_(content=lambda lds: _inside(rng, lds))
        case 1:
            made = _forger().with_(zone=_text(rng))
        case 2:
            types = _inside(rng, document_types("P", "ID"))
            made = _forger().with_(
                certificate=lambda by, public: signer_certificate(by, public, types=types)
            )
        case _:
            digest = rng.randbytes(rng.choice((0, 20, 32, 33)))
            made = _forger().with_(groups={rng.choice((1, 2, 3, 16, 300)): digest})
    return _framed(made.files())


def _text(rng: Random) -> str:
    zone = list(rng.choice((ZONE, CARD, CANARY * 4)))
    for _ in range(rng.choice((0, 1, 3))):
        zone[rng.randrange(len(zone))] = rng.choice("<0A\u00e4\u0661 \n\u4e00")
    return "".join(zone)


def _inside(rng: Random, data: bytes) -> bytes:
    """An element somewhere inside is altered, and the lengths around it put right; or any bytes."""
    spans = _spans(data, 0, len(data), 0)
    if not spans or rng.random() < 0.2:
        return scramble(rng, data)
    path = rng.choice(spans)
    start, inner, end = path[-1]
    content = data[inner:end]
    match rng.randrange(6):
        case 0:
            made = b""
        case 1:
            made = data[start:end] * 2
        case 2:
            made = tlv(rng.choice((0x02, 0x04, 0x05, 0x06, 0x30, 0x31, 0xA0, 0x80, 0x24)), content)
        case 3:
            made = tlv(data[start], scramble(rng, content))
        case 4:
            other = rng.choice(spans)[-1]
            made = data[other[0] : other[2]]
        case _:
            made = bytes([data[start], 0x80]) + content + b"\0\0"
    return _put(data, path[:-1], start, end, made)


Span = tuple[int, int, int]


def _spans(data: bytes, at: int, end: int, depth: int) -> list[tuple[Span, ...]]:
    """Where elements lie, each with those around it: start, content, end."""
    found: list[tuple[Span, ...]] = []
    while at + 2 <= end and depth < 12:
        size, inner = data[at + 1], at + 2
        if data[at] & 0x1F == 0x1F:
            break
        if size >= 0x80:
            octets = size & 0x7F
            size, inner = int.from_bytes(data[inner : inner + octets], "big"), inner + octets
        if inner + size > end:
            break
        span = (at, inner, inner + size)
        found.append((span,))
        if data[at] & 0x20 or data[at] == 0x04:
            found += [(span, *rest) for rest in _spans(data, inner, inner + size, depth + 1)]
        at = inner + size
    return found


def _put(data: bytes, around: Sequence[Span], start: int, end: int, made: bytes) -> bytes:
    for outer, inner, last in reversed(around):
        made = tlv(data[outer], data[inner:start] + made + data[end:last])
        start, end = outer, last
    return data[:start] + made + data[end:]


def _read(data: bytes) -> None:
    found = authenticate(ChipFiles(*unframe(data, 3)), _issuers(), NOW, TODAY, "read")
    if found.verified:
        promise(found.document.subject in _GENUINE, "a number that nobody signed")
        promise(found.portrait == Chip().dg2(), "a portrait that nobody signed")
    promise(found.document.subject.number not in repr(found), "the number shows")


@cache
def _lists() -> tuple[bytes, ...]:
    other = authority(key("brainpoolP384r1"), name("UT", _STRANGER))
    revoked = pem.armor("X509 CRL", revocation_list(utopia(), 7, 8))
    rsa = authority(key("rsa2048"))
    link = authority(key("secp384r1", 8), name("UT", "CSCA Utopia 2"), after=utopia())
    linked = utopia().pem + link.pem + revoked
    return utopia().pem + other.pem, utopia().der, rsa.pem, utopia().pem + revoked, linked


def _list(rng: Random, data: bytes) -> bytes:
    """Text, or what is behind it."""
    if not data.startswith(b"-"):
        return _inside(rng, data)
    try:
        blocks = [list(one) for one in pem.unarmor(data, multiple=True)]
    except ValueError:  # altered before
        blocks = []
    if not blocks or rng.random() < 0.3:
        return scramble(rng, data)
    one = rng.choice(blocks)
    one[2] = _inside(rng, one[2])
    return b"".join(pem.armor(kind, encoded) for kind, _, encoded in blocks)


def _read_list(data: bytes) -> None:
    listed_ones = CscaList.read(data)
    for one in listed_ones.certificates:
        promise(one.may_issue and not one.may_sign, "no authority's")
        listed_ones.is_covered(one)
        listed_ones.is_revoked(one)
        with suppress(ValueError):  # asked when a chip names this one
            _ = one.document_types, one.key_period


def targets() -> Sequence[Target]:
    """All targets of this module."""
    return (
        target("chip", _chips, _mutated, stateless(_read), 60),
        target("csca-list", _lists, _list, stateless(_read_list), 20),
    )
