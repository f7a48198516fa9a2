"""What a counter is told by a telephone: a response, the session's transcript, a reader's key."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any, Final

import cbor2

from gateway.documents.mobile.authentication import MobileFiles, authenticate
from gateway.documents.mobile.encoding import decode
from gateway.wire.subject import Subject
from tests.fuzz.making import stateless, target
from tests.fuzz.mutations import frame, scramble, unframe
from tests.fuzz.targets_wire import promise
from tests.support.chips import NOW, PICTURE, TODAY, authority, key, listed, name
from tests.support.fuzzing import CANARY, Target
from tests.support.mobiles import NUMBER, Mobile, edwards, elements, iaca, mobile_signer

_GENUINE: Final = Subject.of("driving-licence", NUMBER)
_DEEPEST: Final = 12
_ODD: Final[tuple[Any, ...]] = (
    *(None, True, 0, 1, -1, 7, 2**64 - 1, 1.5, float("nan"), "", "portrait", "1.0", CANARY, b""),
    *([], {}, [[]], {1: 2}, {"a": {}}, b"\xd8\x18\x41\x00", b"\xff" * 32, cbor2.undefined),
    *(cbor2.CBORTag(24, b"\x80"), cbor2.CBORTag(24, 7), cbor2.CBORTag(1004, "2026-11-27")),
    *(cbor2.CBORTag(0, "2026-11-27T00:00:00Z"), cbor2.CBORTag(0, "x"), cbor2.CBORTag(18, [])),
    *(cbor2.CBORTag(2, b"\1" * 40), cbor2.CBORTag(35, "("), cbor2.CBORTag(0, "2026-11-27")),
)  # fmt: skip


@cache
def _hostile() -> Mobile:
    """Of a listed State that signs anything."""
    by = authority(key("secp384r1", 40), name("ZZ", "IACA Elsewhere"))
    return Mobile(
        by=by,
        elements=elements(issuing_country=None),
        certificate=lambda by, public: mobile_signer(by, public, subject=name("ZZ", "Signer")),
    )


@cache
def _trusted() -> Any:
    return listed(iaca(), _hostile().by)


def _framed(files: MobileFiles) -> bytes:
    return frame(files.response, files.transcript, files.reader_key or b"")


@cache
def _seeds() -> tuple[bytes, ...]:
    made = (
        Mobile(),
        Mobile(mac=True),
        Mobile(key=edwards(), algorithm=-8, device=edwards(1), device_algorithm=-8),
        Mobile(others={"org.iso.18013.5.1.UT": {"donor": [True, {"since": 1.5}]}}),
        _hostile(),
    )
    return tuple(_framed(one.files()) for one in made)


def _mutated(rng: Random, data: bytes) -> bytes:
    if rng.random() < 0.15:
        return _signed_anything(rng)
    parts = unframe(data, 3)
    at = rng.choice((0, 0, 0, 0, 1, 2))
    parts[at] = scramble(rng, parts[at]) if at == 2 else _inside(rng, parts[at])
    return frame(*parts)


def _signed_anything(rng: Random) -> bytes:
    """Signed in order by a listed State: what is behind its signature is hostile too."""
    made = _hostile()
    match rng.randrange(3):
        case 0:
            told = dict(made.elements) | {rng.choice(_NAMES): _value(rng)}
            return _framed(made.with_(elements=told).files())
        case 1:
            return _framed(made.files(before=lambda mso: _vary(rng, mso)))
        case _:
            return _framed(made.with_(others={"x": {CANARY: _value(rng)}}).files())


_NAMES: Final = (
    *("portrait", "document_number", "expiry_date", "birth_date", "issuing_country"),
    *("issuing_jurisdiction", "age_over_18", "age_over_99"),
)


def _vary(rng: Random, mso: dict[str, Any]) -> None:
    varied = _varied(rng, dict(mso))
    mso.clear()
    mso.update(varied)


def _value(rng: Random) -> Any:
    value = rng.choice((*_ODD, "UT1234", PICTURE + rng.randbytes(9), "9" * 50))
    return None if value is cbor2.undefined else value


def _inside(rng: Random, data: bytes) -> bytes:
    """Something in the tree is altered, in what is encoded inside it too; or any bytes."""
    try:
        tree = decode(data)
    except ValueError:
        return scramble(rng, data)
    if rng.random() < 0.15:
        return scramble(rng, data)
    try:
        return cbor2.dumps(_varied(rng, tree))
    except (cbor2.CBOREncodeError, RecursionError):
        return scramble(rng, data)


def _varied(rng: Random, value: Any, depth: int = 0) -> Any:
    """One place of the tree; a map or a list stays one at its top."""
    if depth > _DEEPEST or (depth and rng.random() < 0.06):
        return rng.choice(_ODD)
    match value:
        case dict() if value:
            chosen = rng.choice(list(value))
            rest = {one: held for one, held in value.items() if one != chosen}
            return rest | _changed(rng, {chosen: value[chosen]}, depth)
        case list() if value:
            at = rng.randrange(len(value))
            changed = _changed(rng, {0: value[at]}, depth)
            return [*value[:at], *changed.values(), *value[at + 1 :] * rng.choice((1, 1, 1, 2))]
        case cbor2.CBORTag(value=bytes() as held):
            return cbor2.CBORTag(value.tag, _inside(rng, held))
    return scramble(rng, value) if isinstance(value, bytes) else rng.choice(_ODD)


def _changed(rng: Random, one: dict[Any, Any], depth: int) -> dict[Any, Any]:
    """A single member, changed, or gone."""
    if rng.random() < 0.1:
        return {}
    return {called: _varied(rng, held, depth + 1) for called, held in one.items()}


def _read(data: bytes) -> None:
    response, transcript, reader_key = unframe(data, 3)
    files = MobileFiles(response, transcript, reader_key or None)
    found = authenticate(files, _trusted(), NOW, TODAY)
    promise(found.document.mobile_verified, "not verified, and read")
    if found.country == "UT":
        promise(found.document.subject == _GENUINE, "a number that nobody signed")
        promise(found.portrait == PICTURE, "a portrait that nobody signed")
    promise(found.document.subject.number not in repr(found), "the number shows")


def targets() -> Sequence[Target]:
    """All targets of this module."""
    return (target("mobile", _seeds, _mutated, stateless(_read), 40),)
