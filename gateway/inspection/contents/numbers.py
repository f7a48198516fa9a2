"""Numbers of identity documents in text.

A format is looked for only where something makes it unlikely by chance: check digits, a date within
the number, lines of a machine-readable zone. A form that anything may have (nine digits, two
letters and seven digits) counts where a word before it says that it is a number of a document, as
in a dump of a request. Hashes in hexadecimal, UUIDs, decimals and times do none of this.

The formats with check digits are those of ``gateway.documents`` and of its neighbours that carriers
meet: China, Hong Kong, Mexico (CURP), Spain (DNI, NIE), ICAO Doc 9303.
"""

import datetime
import re
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.documents import check_digits
from gateway.inspection.contents.blocks import ZONE, Block, Found, pieces, runs

NUMBER: Final = "number of a document"

_ZONE_NAME: Final = "machine-readable zone"
_BEFORE, _AFTER = 8, 12
"""Bytes around digits that are read along with them."""

_CHINA: Final = re.compile(
    rb"(?<![0-9A-Fa-f.])((?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]|9\d)\d{4}"
    rb"((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{3})([\dXx])(?![0-9A-Fa-f])"
)
"""GB 11643: two digits of the province (GB/T 2260), four of the county, date of birth. Other
letters may stand beside it than hexadecimal has."""
_CHINA_APART: Final = re.compile(
    rb"(?<![0-9A-Za-z.])(?=\d{6}([ -])\d{4}\1?\d{4}\1\d{3}[\dXx](?![0-9A-Za-z]))[\dXx -]{20,21}"
)
"""The same in groups, as people write it."""
_ELECTOR: Final = re.compile(
    rb"(?<![0-9A-Za-z])[B-DF-HJ-NP-TV-Z]{6}\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    rb"(?:0[1-9]|[12]\d|3[0-2]|8[78])[HM]\d{3}(?![0-9A-Za-z])"
)
"""Mexico's clave de elector: consonants of the names, date and place of birth, sex."""
_HONG_KONG: Final = re.compile(rb"(?<![0-9A-Za-z])([A-Z]{1,2}\d{6})\(([0-9A])\)")
"""As it is printed: with the check digit in brackets."""
_CURP: Final = re.compile(
    rb"(?<![0-9A-Za-z])([A-Z][AEIOUX][A-Z]{2}\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[HMX]"
    rb"(?:A[SG]|B[CS]|C[CSHLM]|D[FG]|GT|GR|HG|JC|M[CNS]|N[TLE]|OC|PL|Q[TR]|S[PLR]|T[CSL]|VZ|YN|ZS)"
    rb"[B-DF-HJ-NP-TV-Z]{3}[0-9A-Z])(\d)(?![0-9A-Za-z])"
)
_DNI: Final = re.compile(rb"(?<![0-9A-Za-z.])(\d{8}|[XYZ]\d{7})-?([A-HJ-NP-TV-Z])(?![0-9A-Za-z])")
_DATE: Final = re.compile(rb"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")

_ZONE_2: Final = re.compile(
    rb"([A-Z0-9<]{9})([0-9<])[A-Z<]{3}([0-9<]{6})(\d)[MFX<](\d{6})(\d)[A-Z0-9<]{7}"
)
"""Second line of two (TD2, TD3)."""
_ZONE_1: Final = re.compile(
    rb"(?<![A-Z0-9<])[ACI][A-Z<][A-Z<]{3}([A-Z0-9<]{9})([0-9])(?=[A-Z0-9<]*<<)[A-Z0-9<]{15}"
    rb"(?![A-Z0-9<])"
)
"""First line of three (TD1): kind, state, number."""
_ZONE_3: Final = re.compile(rb"([0-9<]{6})(\d)[MFX<](\d{6})(\d)[A-Z<]{3}[A-Z0-9<]{11}\d")
"""Second line of three (TD1)."""
_WORDS_OF_NAME: Final = rb"[A-Z]{1,30}+(?:<[A-Z]{1,30}+){0,6}+"
_NAMES: Final = re.compile(
    rb"[PACI][A-Z<][A-Z<]{3}" + _WORDS_OF_NAME + rb"<<" + _WORDS_OF_NAME + rb"<{3,}"
)
"""First line of two: names."""

_WORDS: Final = b"|".join(
    b"passport id identity document card licen[cs]e permit curp dni nie cccd cmnd nric hkid".split()
)
_LABELLED: Final = re.compile(
    rb"(?i:(?<![a-z0-9+/])(?:" + _WORDS + rb")[ _-]?(?:card|document)?[ _-]?"
    rb"(?:n(?:umber|um|o|r|\xc2\xba)|#|\xe5\x8f\xb7(?:\xe7\xa0\x81)?))\.?"
    rb"[\"']?\s{0,2}[:=>]?>?\s{0,2}[\"'(\[]{0,2}"
    rb"([A-Za-z]{0,4}[ -]?\d(?:[ -]?[A-Za-z0-9]){4,20})(?![0-9A-Za-z])"
)
"""A word that says so, then letters and at least five digits."""
_BARE: Final = re.compile(
    rb"(?i:(?<![a-z0-9+/])(?:passport|curp|dni|hkid|nric|cccd|"
    rb"\xe8\xba\xab\xe4\xbb\xbd\xe8\xaf\x81|\xe6\x8a\xa4\xe7\x85\xa7))"
    rb"[\"']?\s{0,2}[:= ]\s{0,2}[\"'(\[]{0,2}([A-Za-z]{0,4}\d[A-Za-z0-9-]{4,20})(?![0-9A-Za-z])"
)
_ELSEWHERE: Final = re.compile(
    rb"(?:(?:\xe8\xaf\x81\xe4\xbb\xb6|\xe8\xba\xab\xe4\xbb\xbd\xe8\xaf\x81|\xe6\x8a\xa4\xe7\x85\xa7)"
    rb"(?:\xe5\x8f\xb7(?:\xe7\xa0\x81)?)?|(?i:n(?:u|\xc3\xba)mero[_ ]?(?:de[_ ]?)?"
    rb"(?:documento|pasaporte|identidad|c(?:e|\xc3\xa9)dula)|(?<![a-z])doc[_ -]?n(?:umber|um|o)))"
    rb"[\"']?\s{0,2}(?:[:=]|\xef\xbc\x9a)?\s{0,2}[\"'(\[]{0,2}"
    rb"([A-Za-z]{0,4}\d[A-Za-z0-9-]{4,20})(?![0-9A-Za-z])"
)
"""The same in Chinese and Spanish, and in short."""
_STEMS: Final = tuple(
    word.encode()
    for word in (
        *("passport", "curp", "dni", "hkid", "nric", "cccd", "cmnd", "licen", "permit", "document"),
        *(
            "identity",
            "card",
            "idnum",
            "id_num",
            "id num",
            "id-num",
            "id_no",
            "id no",
            "idno",
            "nie",
        ),
        *("docn", "doc_n", "doc n", "doc-n", "numero", "número"),
        *("身份证", "护照", "证件"),
    )
)
_REACH: Final = 80
_LEAST_DIGITS: Final = 5


def numbers(block: Block) -> Iterator[Found]:
    """Numbers with check digits, zones, and numbers that a word before them names."""
    for pattern, check, near in _CHECKED:
        for begin, end in pieces(near(block), 0):
            for one in pattern.finditer(block.data, max(0, begin), end):
                name = check(one)
                if name:
                    yield Found(NUMBER, name, one.start(), len(one[0]))
    for begin, end in runs(block.of(ZONE), 30).tolist():
        for one in _NAMES.finditer(block.data, begin, end):
            yield Found(NUMBER, _ZONE_NAME, one.start(), len(one[0]))
    yield from _named(block)


def _named(block: Block) -> Iterator[Found]:
    """Numbers behind a word, wherever one of the words stands."""
    lower = block.data.lower()
    places = []
    for stem in _STEMS:
        at = lower.find(stem)
        while at >= 0:
            places.append((at - 8, at + _REACH))
            at = lower.find(stem, at + len(stem))
    for begin, end in pieces(np.array(sorted(places), np.int64).reshape(-1, 2), 0):
        start = max(0, begin)
        text = block.data[start:end]
        for pattern in (_LABELLED, _BARE, _ELSEWHERE):
            for one in pattern.finditer(text):
                digits = sum(48 <= byte < 58 for byte in one[1])
                if digits >= _LEAST_DIGITS and not _harmless(one[1]):
                    yield Found(NUMBER, "named by a word", start + one.start(1), len(one[1]))


def _harmless(value: bytes) -> bool:
    """A time, or a digest: not a number of a document."""
    packed = value.replace(b"-", b"").replace(b" ", b"")
    return bool(re.fullmatch(rb"(?:19|20)\d\d-\d\d-\d\d.*", value)) or (
        len(packed) >= 16 and re.fullmatch(rb"[0-9a-f]*[a-f][0-9a-f]*|\d{19,}", packed) is not None
    )


def _china(one: "re.Match[bytes]") -> str:
    if check_digits.mod_11_2(one[1].decode()) != one[5].decode().upper():
        return ""
    return "resident identity number" if _is_date(int(one[2]), int(one[3]), int(one[4])) else ""


def _china_apart(one: "re.Match[bytes]") -> str:
    whole = _CHINA.fullmatch(one[0].replace(one[1], b""))
    return "" if whole is None else _china(whole)


def _elector(_: "re.Match[bytes]") -> str:
    return "clave de elector"


def _hong_kong(one: "re.Match[bytes]") -> str:
    fits = check_digits.hong_kong(one[1].decode()) == one[2].decode()
    return "Hong Kong identity card" if fits else ""


def _curp(one: "re.Match[bytes]") -> str:
    return "CURP" if check_digits.curp(one[1].decode()) == one[2].decode() else ""


def _dni(one: "re.Match[bytes]") -> str:
    if _DATE.fullmatch(one[1]) or check_digits.dni(one[1].decode()) != one[2].decode():
        return ""
    return "DNI or NIE"


def _two_lines(one: "re.Match[bytes]") -> str:
    number = one[2] == b"<" or _icao(one[1], one[2])
    fits = number and _icao(one[3], one[4]) and _icao(one[5], one[6])
    return _ZONE_NAME if fits else ""


def _first_line(one: "re.Match[bytes]") -> str:
    return _ZONE_NAME if _icao(one[1], one[2]) else ""


def _three_lines(one: "re.Match[bytes]") -> str:
    fits = _icao(one[1], one[2]) and _icao(one[3], one[4])
    return _ZONE_NAME if fits else ""


def _icao(field: bytes, digit: bytes) -> bool:
    return check_digits.icao(field.decode()) == digit.decode()


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        datetime.date(year, month, day)
    except ValueError:
        return False
    return year < 2100


Spans = NDArray[np.int64]
_UPPER: Final = (ord("A"), ord("Z"))


def _long(block: Block) -> Spans:
    """At least 17 digits in a row."""
    spans = block.numbers
    return _around(spans[spans[:, 1] - spans[:, 0] >= 17])


def _grouped(block: Block) -> Spans:
    """Six digits, a space or a hyphen, and a digit."""
    spans = block.numbers
    spans = spans[spans[:, 1] - spans[:, 0] == 6]
    apart = np.isin(_byte(block, spans[:, 1]), tuple(b" -"))
    beyond = _byte(block, spans[:, 1] + 1)
    return np.asarray(spans[apart & (beyond >= 48) & (beyond < 58)] + np.array((-1, 18)))


def _eight(block: Block) -> Spans:
    """Eight digits between a capital letter and H or M."""
    spans = block.numbers
    spans = spans[spans[:, 1] - spans[:, 0] == 8]
    return _around(spans[np.isin(_byte(block, spans[:, 1]), tuple(b"HM"))])


def _lettered(block: Block) -> Spans:
    """Seven or eight digits, and a letter after them or after a hyphen."""
    spans = block.numbers
    spans = spans[np.isin(spans[:, 1] - spans[:, 0], (7, 8))]
    after = _byte(block, spans[:, 1])
    beyond = np.where(after == ord("-"), _byte(block, spans[:, 1] + 1), after)
    return _around(spans[(beyond >= _UPPER[0]) & (beyond <= _UPPER[1])])


def _six(block: Block) -> Spans:
    """Six digits between a capital letter and a bracket, H, M or X."""
    spans = block.numbers
    spans = spans[spans[:, 1] - spans[:, 0] == 6]
    before, after = _byte(block, spans[:, 0] - 1), _byte(block, spans[:, 1])
    fits = (before >= _UPPER[0]) & (before <= _UPPER[1]) & np.isin(after, tuple(b"(HMX"))
    return _around(spans[fits])


def _zone(block: Block) -> Spans:
    return runs(block.of(ZONE), 30)


def _byte(block: Block, at: "NDArray[np.int64]") -> "NDArray[np.uint8]":
    """The bytes at these places; 0 outside."""
    inside = (at >= 0) & (at < block.array.size)
    values = np.zeros(at.size, np.uint8)
    values[inside] = block.array[at[inside]]
    return values


def _around(spans: Spans) -> Spans:
    return np.asarray(spans + np.array((-_BEFORE, _AFTER)))


_CHECKED: Final[
    tuple[
        tuple["re.Pattern[bytes]", Callable[["re.Match[bytes]"], str], Callable[[Block], Spans]],
        ...,
    ]
] = (
    (_CHINA, _china, _long),
    (_CHINA_APART, _china_apart, _grouped),
    (_ELECTOR, _elector, _eight),
    (_HONG_KONG, _hong_kong, _six),
    (_CURP, _curp, _six),
    (_DNI, _dni, _lettered),
    (_ZONE_1, _first_line, _zone),
    (_ZONE_2, _two_lines, _zone),
    (_ZONE_3, _three_lines, _zone),
)
