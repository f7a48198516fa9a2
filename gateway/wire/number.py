"""The normal form of a document number: what all spellings of one number have in common.

People write a number with spaces, dashes and brackets, in lower case, in the digits of their own
script, and copy it with invisible marks. All of that is one number. Refused, with the reason: more
than one number; a line of a machine-readable zone; a word or a row of one character that stands
for no number; a character that is neither a Latin letter nor a digit, by its Unicode name and its
place. No error repeats the number. What a number must look like on a certain kind of document is
not known here, but in ``gateway.documents``.

A number that was accepted once keeps its normal form for ever: old subjects are hashes of it.
"""

import re
import unicodedata
from typing import Final

from gateway.wire.errors import SealmatchError

MIN_CHARACTERS: Final = 4
MAX_CHARACTERS: Final = 40
_WRITTEN: Final = 512
"""Characters of the text that is looked at."""

_NUMBER = re.compile(rf"[0-9A-Z]{{{MIN_CHARACTERS},{MAX_CHARACTERS}}}")
_SEPARATORS = re.compile(r"[\s\-./<]+")
_LINE_BREAKS = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_FIELDS = re.compile(r"[\t\x1f]")
_ZONE = re.compile(r"(?=[^<]*<)[0-9A-Z<]{30,}")
"""The shortest line of an ICAO 9303 machine-readable zone has 30 characters."""

_MARKS: Final = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
"""Direction marks, and the mark that starts a file. They show nothing and stand for nothing."""
_ENDS = re.compile(rf"^[\s{_MARKS}]+|[\s{_MARKS}]+$")

_DASHES: Final = "\u2212\u30fc\u00ad"
"""Dashes that Unicode files elsewhere: minus sign, Japanese long vowel mark, soft hyphen."""

_ONE_OF_TWO: Final = 8
"""Characters of a group. Nobody groups the characters of one number by as many to read it."""

_WORDS: Final = {
    "NA", "NAN", "NIL", "NIX", "NONE", "NULL", "NOID", "NONUMBER", "NOTAVAILABLE",
    "NOTAPPLICABLE", "NOTGIVEN", "NOTKNOWN", "UNKNOWN", "UNKNOW", "UNDEFINED", "EMPTY", "BLANK",
    "MISSING", "PENDING", "PLACEHOLDER", "DUMMY", "SAMPLE", "SPECIMEN", "EXAMPLE", "TEST",
    "TESTTEST", "TBA", "TBD", "UNBEKANNT", "KEINE", "KEINER", "OHNE", "INCONNU", "AUCUN", "SANS",
    "DESCONOCIDO", "NINGUNO", "DESCONHECIDO", "NENHUM", "SCONOSCIUTO", "NESSUNO", "MEIYOU",
    "WEIZHI",
}  # fmt: skip


class UnusableNumber(SealmatchError):
    """A document number or activation reference outside the accepted form; never repeated back."""


def normal_form(text: str) -> str:
    """Read one number as people write it: 4 to 40 letters A to Z and digits 0 to 9.

    Raises:
        UnusableNumber: not one number; the text says why, and where.
    """
    if len(text) > _WRITTEN:
        raise UnusableNumber("this is too long to be one document number")
    written = _ENDS.sub("", text)
    _require_one(written)
    plain = _plain(written)
    if plain in _WORDS:
        raise UnusableNumber("a word stands in the place of the document number")
    if not _NUMBER.fullmatch(plain):
        raise UnusableNumber(
            f"the document number must be {MIN_CHARACTERS} to {MAX_CHARACTERS} "
            "letters A-Z and digits"
        )
    if len(set(plain)) == 1:
        raise UnusableNumber("one repeated character stands in the place of the document number")
    return plain


def _require_one(written: str) -> None:
    lines = [line.strip() for line in _LINE_BREAKS.split(written)]
    if any(_ZONE.fullmatch(line.upper()) for line in lines):
        raise UnusableNumber(
            "this is a line of a machine-readable zone (MRZ); give the whole zone as an MRZ, "
            "or the document number alone"
        )
    if len(lines) > 1:
        raise UnusableNumber("there is more than one line; give one document number")
    if _FIELDS.search(written):
        raise UnusableNumber("there are fields separated by tabs; give one document number")
    groups = [_alphanumerics(group) for group in re.split(r"[\s/]+", written)]
    if len(groups) > 1 and all(
        len(group) >= _ONE_OF_TWO and any(c.isdecimal() for c in group) for group in groups
    ):
        raise UnusableNumber(
            "this looks like several document numbers; if it is one, write it without spaces"
        )


def _alphanumerics(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def _plain(written: str) -> str:
    found, place = [], 0
    for character in written:
        if character in _MARKS:
            continue
        place += 1
        read = _read(character)
        if read is None:
            raise UnusableNumber(f"character {place} of the document number {_fault(character)}")
        found.append(read)
    return "".join(found)


def _read(character: str) -> str | None:
    """What a character stands for: letters or digits, nothing (a separator), or None: refused."""
    folded = unicodedata.normalize("NFKC", character)
    if len(folded) > 1 and unicodedata.category(character) == "So":
        return None  # "numero" and other signs, which would become letters of the number
    if len(folded) == 1:
        if unicodedata.category(folded) in {"Pd", "Ps", "Pe"} or folded in _DASHES:
            return ""
        value = unicodedata.decimal(folded, None)
        if value is not None:
            return str(value)
    plain = _SEPARATORS.sub("", folded.upper())
    return plain if re.fullmatch(r"[0-9A-Z]*", plain) else None


def _fault(character: str) -> str:
    name = unicodedata.name(character, "")
    if not name:
        return f"is a control character or no character at all (U+{ord(character):04X})"
    if name.startswith(("CYRILLIC", "GREEK")):
        return f"is {name}, which is no Latin letter though it may look like one"
    return f"is {name}, which is neither a Latin letter nor a digit"
