"""Machine-readable zones of ICAO Doc 9303 (eighth edition): TD1, TD2, TD3.

    TD3  2 lines of 44   passports                     Part 4, section 4.2.2
    TD2  2 lines of 36   cards and other papers        Part 6, section 4.2.2
    TD1  3 lines of 30   cards                         Part 5, section 4.2.2

A zone is accepted when every check digit fits: of document number, date of birth, date of expiry,
on a TD3 of the optional data, and the composite one. So a misread digit never becomes a subject.
Nothing is put right: where O and 0 are mixed up, the zone is to be read again.

A document number of more than nine characters (TD1 and TD2 only) goes on in the optional data: a
filler stands in the place of its check digit, then come the other characters, the check digit over
all of them, and a filler.

What people and readers make of a zone is taken: lower case, full-width characters, other angle
marks for the filler, blank lines, all lines in one. A space within a line is refused: nobody knows
how many fillers it stands for. Errors name the field, or line and place; never what stands there
but for the one refused character.
"""

import datetime
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.documents.check_digits import FILLER, icao
from gateway.wire.number import UnusableNumber

MAX_CHARACTERS: Final = 1024
"""Of the text that is looked at; the longest zone has 90."""

Form = Literal["TD1", "TD2", "TD3"]
_FORMS: Final[dict[tuple[int, int], Form]] = {(3, 30): "TD1", (2, 36): "TD2", (2, 44): "TD3"}
_LINE: Final = {lines * length: length for lines, length in _FORMS}
"""Length of a line, by that of the whole zone: readers may send it without line breaks."""

_FILLERS: Final = str.maketrans(dict.fromkeys("«‹〈《≪", FILLER))
_YEARS_AHEAD: Final = 50
"""A date of expiry has two digits of its year. No document is valid for as long as this."""

_LETTERS: Final = "[A-Z<]+"
_ANY: Final = "[0-9A-Z<]+"
_DIGIT: Final = "[0-9]"
_DIGIT_OR_FILLER: Final = "[0-9<]"
_DATE: Final = "(?:[0-9]{2}|<<){3}"

_HEAD: Final = (("document code", 2, _LETTERS), ("issuing State", 3, _LETTERS))
_NUMBER: Final = (
    ("document number", 9, _ANY),
    ("check digit of the document number", 1, _DIGIT_OR_FILLER),
)
_DATES: Final = (
    ("date of birth", 6, _DATE),
    ("check digit of the date of birth", 1, _DIGIT),
    ("sex", 1, _LETTERS),
    ("date of expiry", 6, _DATE),
    ("check digit of the date of expiry", 1, _DIGIT_OR_FILLER),
)
_NATIONALITY: Final = (("nationality", 3, _LETTERS),)
_COMPOSITE: Final = (("check digit of the whole zone", 1, _DIGIT),)

_LAYOUTS: Final[dict[Form, tuple[tuple[str, int, str], ...]]] = {
    "TD1": (
        *(*_HEAD, *_NUMBER, ("optional data", 15, _ANY)),
        *(*_DATES, *_NATIONALITY, ("more optional data", 11, _ANY), *_COMPOSITE),
        ("name", 30, _LETTERS),
    ),
    "TD2": (
        *(*_HEAD, ("name", 31, _LETTERS)),
        *(*_NUMBER, *_NATIONALITY, *_DATES, ("optional data", 7, _ANY), *_COMPOSITE),
    ),
    "TD3": (
        *(*_HEAD, ("name", 39, _LETTERS)),
        *(*_NUMBER, *_NATIONALITY, *_DATES, ("optional data", 14, _ANY)),
        *(("check digit of the optional data", 1, _DIGIT_OR_FILLER), *_COMPOSITE),
    ),
}
"""Field, length and characters, in the order of the lines put together."""

_COVERED: Final[dict[Form, tuple[slice, ...]]] = {
    "TD1": (slice(5, 30), slice(30, 37), slice(38, 45), slice(48, 59)),
    "TD2": (slice(36, 46), slice(49, 56), slice(57, 71)),
    "TD3": (slice(44, 54), slice(57, 64), slice(65, 87)),
}
"""What the composite check digit covers, in the lines put together."""


class UnusableZone(UnusableNumber):
    """Not a machine-readable zone, one that was misread, or one of no identity document."""


@dataclass(frozen=True)
class Zone:
    """What a zone says of its document. Names are checked and not kept."""

    form: Form
    code: str
    """Document code: P, A, C or I, often with a second letter of the issuing State's choice."""
    state: str
    """The issuing State: one to three letters."""
    number: str = field(repr=False)
    """As it stands there: a filler within it is a space or a dash on the page."""
    expiry: str = field(repr=False)
    """Two digits each of year, month and day; or fillers."""
    birth: str = field(repr=False)
    """The same; parts may be unknown. It is read for an age, and then dropped."""

    def age(self, today: datetime.date) -> int | None:
        """How old the holder is at least, in whole years; None: the zone does not tell the year.

        Two digits of a year fit two people, a hundred years apart: it is the younger one. An
        unknown month or day is taken for the last one. So nobody is taken for older than they are.
        """
        year, month, day = _parts(self.birth)
        if FILLER in year:
            return None
        born = (
            today.year - (today.year - int(year)) % 100,
            int(month) if FILLER not in month else 12,
            int(day) if FILLER not in day else 31,
        )
        years = today.year - born[0] - ((today.month, today.day) < born[1:])
        if years < 0 and FILLER in self.birth:
            return 0  # perhaps born this year
        return years if years >= 0 else years + 100

    def expires(self, today: datetime.date) -> datetime.date | None:
        """The last day on which the document is valid; None: the zone states none.

        Of the years that the two digits allow, it is the last one that is at most 50 years ahead.

        Raises:
            UnusableZone: there is no such day in that year.
        """
        if self.expiry == FILLER * 6:
            return None
        year, month, day = map(int, _parts(self.expiry))
        last = today.year + _YEARS_AHEAD
        return _existing(last - (last - year) % 100, month, day)


def parse(text: str) -> Zone:
    """Read a zone: two or three lines, or these in one.

    Raises:
        UnusableZone: which check digit does not fit, or what else is wrong, and where.
    """
    lines = _lines(text)  # 1. lines of the alphabet
    form = _form(lines)  # 2. their number and length
    _require_document(form, lines)  # 3. a document that identifies somebody
    fields = _fields(form, "".join(lines))  # 4. letters and digits in their places
    number = _number(form, fields)  # 5. check digits
    _require_digits(form, "".join(lines), fields)
    _require_dates(fields)  # 6. dates that can be
    code, state = (fields[one].rstrip(FILLER) for one in ("document code", "issuing State"))
    return Zone(form, code, state, number, fields["date of expiry"], fields["date of birth"])


def is_whole(lines: Sequence[str]) -> bool:
    """Whether lines that somebody types are a whole zone by their number and length."""
    return len({len(line) for line in lines}) == 1 and (len(lines), len(lines[0])) in _FORMS


def _lines(text: str) -> list[str]:
    if len(text) > MAX_CHARACTERS:
        raise UnusableZone("this is too long to be a machine-readable zone")
    folded = unicodedata.normalize("NFKC", text.removeprefix("\ufeff")).upper().translate(_FILLERS)
    lines = [line for line in map(str.strip, folded.splitlines()) if line]
    for number, line in enumerate(lines, 1):
        for place, character in enumerate(line, 1):
            if not re.fullmatch(_ANY, character):
                name = unicodedata.name(character, f"U+{ord(character):04X}")
                raise UnusableZone(
                    f"line {number}, character {place} of the machine-readable zone is {name}; "
                    "there are only letters A-Z, digits and <"
                )
    if len(lines) == 1 and (length := _LINE.get(len(lines[0]))):
        (whole,) = lines
        return [whole[n : n + length] for n in range(0, len(whole), length)]
    return lines


def _form(lines: list[str]) -> Form:
    lengths = [len(line) for line in lines]
    form = _FORMS.get((len(lines), lengths[0])) if len(set(lengths)) == 1 else None
    if form is None:
        raise UnusableZone(
            "a machine-readable zone has 2 lines of 44, 2 of 36 or 3 of 30 characters; these have "
            + (", ".join(map(str, lengths[:8])) or "none")
        )
    return form


def _require_document(form: Form, lines: list[str]) -> None:
    if lines[0][0] == "V":
        raise UnusableZone("this is the zone of a visa, which is no identity document")
    if form == "TD2" and lines[0].startswith("IDFRA"):
        raise UnusableZone(
            "a French identity card of the form before 2021 has a zone of its own, which is not "
            "that of ICAO Doc 9303; give its number instead"
        )
    if lines[0][0] not in ("P" if form == "TD3" else "ACI"):
        raise UnusableZone(
            "the document code is none of a passport (P) or a card (A, C or I), or the lines are "
            "not in their order"
        )


def _fields(form: Form, zone: str) -> dict[str, str]:
    fields, start = {}, 0
    for name, length, characters in _LAYOUTS[form]:
        fields[name] = zone[start : start + length]
        start += length
        if not re.fullmatch(characters, fields[name]):
            raise UnusableZone(
                f"in the {name} a letter, digit or filler stands where it cannot be; read it again"
            )
    return fields


def _number(form: Form, fields: Mapping[str, str]) -> str:
    """The whole document number. A long one goes on in the optional data of a card."""
    number, digit = fields["document number"], fields["check digit of the document number"]
    if number == FILLER * len(number):
        raise UnusableZone("the zone states no document number")
    if digit != FILLER:
        return _checked("document number", number, digit).rstrip(FILLER)
    rest, end, _ = fields["optional data"].partition(FILLER)
    if form == "TD3" or number.endswith(FILLER) or not end or not re.fullmatch(r".+[0-9]", rest):
        raise UnusableZone("the check digit of the document number is missing")
    return _checked("document number", number + rest[:-1], rest[-1])


def _require_digits(form: Form, zone: str, fields: Mapping[str, str]) -> None:
    for name in ("date of birth", "date of expiry", *(["optional data"] * (form == "TD3"))):
        digit = fields[f"check digit of the {name}"]
        if fields[name].strip(FILLER) or digit != FILLER:  # of fillers, a filler may be the digit
            _checked(name, fields[name], digit)
    covered = "".join(zone[part] for part in _COVERED[form])
    _checked("whole zone", covered, fields["check digit of the whole zone"])


def _checked(name: str, value: str, digit: str) -> str:
    if icao(value) != digit:
        raise UnusableZone(
            f"the check digit of the {name} does not fit: a character is misread; read it again"
        )
    return value


def _require_dates(fields: Mapping[str, str]) -> None:
    """Of a date of birth, parts may be unknown: fillers. A date of expiry is whole or absent."""
    year, month, day = _parts(fields["date of birth"])
    leap = 2000 + int(year if year != FILLER * 2 else "00")
    _existing(leap, int(month.replace(FILLER, "") or 1), int(day.replace(FILLER, "") or 1))
    if (expiry := fields["date of expiry"]) != FILLER * 6:
        if FILLER in expiry:
            raise UnusableZone("the date of expiry is not complete")
        year, month, day = _parts(expiry)
        _existing(2000 + int(year), int(month), int(day))


def _parts(written: str) -> tuple[str, str, str]:
    return written[:2], written[2:4], written[4:]


def _existing(year: int, month: int, day: int) -> datetime.date:
    try:
        return datetime.date(year, month, day)
    except ValueError:
        raise UnusableZone("a date in the zone does not exist; read it again") from None
