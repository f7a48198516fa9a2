"""What a counter is told of a document: files, numbers of each kind, machine-readable zones."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from random import Random
from typing import Final

from gateway.documents import check_digits, mrz
from gateway.documents.encodings import decoded
from gateway.documents.kinds import KINDS
from gateway.documents.reading import read_number, read_zone, subject_of_zone
from tests.fuzz.making import stateless, target
from tests.fuzz.mutations import frame, framed, scramble, unframe, words_of
from tests.fuzz.targets_wire import promise
from tests.support.fuzzing import CANARY, Target

_TODAY: Final = datetime.date(2026, 11, 27)
_NUMBERS: Final = {
    "passport": "L898902C3",
    "cn-resident-id": "11010519491231002X",
    "hk-id": "A123456(3)",
    "mo-id": "1002483(3)",
    "hk-mo-travel-permit": "H10387877",
    "tw-travel-permit": "11223344",
    "hk-mo-tw-residence-permit": "81000019900101001" + check_digits.mod_11_2("81000019900101001"),
    "cn-permanent-residence": "932682198501010017",
}
_ZONES: Final = (
    b"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
    b"I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6",
    b"I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<",
    b"I<UTOD23145890<7349<<<<<<<<<<<\n3407127M9507122UTO<<<<<<<<<<<2\nSTEVENSON<<PETER<JOHN<<<<<<<<<",
)
_SOME: Final = (
    b"\n", b"\r\n", b"\t", b" ", b"-", b"(", b")", b"<", b"<<", b"0", b"9", b"X", b"H", b"MA",
    b"810000", b"19000229", b"UNKNOWN", b"\0", b"\xff", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf",
    "\u0663".encode(), "\uff21".encode(), "\u0410".encode(), "\u200e".encode(), "\u2011".encode(),
    "\u2028".encode(), "\u00df".encode(), "\u2116".encode(), "\u00ab".encode(), b"A" * 44,
    "\u4e00".encode("gb18030"), b"\xed\xa0\x80", b"<<<<<<", b"000000", b"991231", CANARY.encode(),
)  # fmt: skip
_words: Final = words_of(*_SOME)


def _read_number(data: bytes) -> None:
    name, content = unframe(data, 2)
    kind, text = name.decode(errors="replace"), decoded(content)
    document = read_number(kind, text, _TODAY)
    plain = document.subject.number
    promise(plain.isascii() and plain.isalnum() and 4 <= len(plain) <= 40, "a number of other form")
    promise(read_number(kind, plain, _TODAY) == document, "reading twice gives another number")
    promise(plain not in repr(document), "the number shows")


def _read_zone(data: bytes) -> None:
    text = decoded(data)
    document = read_zone(text, _TODAY)
    promise(document.subject == subject_of_zone(text), "two subjects of one zone")
    promise(document.expires is None or document.expires.year <= 2076, "no document lasts as long")


def _zone(rng: Random, data: bytes) -> bytes:
    """Words that a zone may hold, or other characters in some places with digits that fit."""
    if rng.random() < 0.4:
        return _words(rng, data)
    whole = bytearray(rng.choice(_ZONES).replace(b"\n", b""))
    for _ in range(rng.choice((1, 2, 6))):
        at = rng.randrange(len(whole))
        whole[at : at + 1] = rng.choice((b"<", b"0", b"1", b"9", b"A", b"Z"))
    fitting = _fitted(whole.decode())
    return fitting.encode() if rng.random() < 0.9 else scramble(rng, fitting.encode())


_DIGITS: Final[dict[int, tuple[tuple[int, int], ...]]] = {
    90: ((5, 14), (30, 36), (38, 44)),
    72: ((36, 45), (49, 55), (57, 63)),
    88: ((44, 53), (57, 63), (65, 71), (72, 86)),
}
"""Fields by the length of the zone; the check digit stands behind each."""


def _fitted(zone: str) -> str:
    """The zone with all check digits put right, the composite one last."""
    form: mrz.Form = {90: "TD1", 72: "TD2", 88: "TD3"}[len(zone)]  # type: ignore[assignment]
    for start, end in _DIGITS[len(zone)]:
        zone = zone[:end] + check_digits.icao(zone[start:end]) + zone[end + 1 :]
    covered = "".join(zone[part] for part in mrz._COVERED[form])
    at = 59 if form == "TD1" else len(zone) - 1
    return zone[:at] + check_digits.icao(covered) + zone[at + 1 :]


def targets() -> Sequence[Target]:
    """All targets of this module."""
    numbers = [frame(kind.encode(), number.encode()) for kind, number in _NUMBERS.items()]
    kinds = words_of(*(kind.encode() for kind in KINDS), b"", b"\xff")
    return (
        target(
            "document-number", lambda: numbers, framed(kinds, _words), stateless(_read_number), 100
        ),
        target("mrz", lambda: _ZONES, _zone, stateless(_read_zone), 100),
    )
