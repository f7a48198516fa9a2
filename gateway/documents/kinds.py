"""Kinds of document: what a number looks like on each, and who says so.

A rule is here only if its publisher is certain. Each kind has a rule for placeholders too: where
a check digit stands, that one decides. Elsewhere a row of digits that only counts up or down
(1234567890) is refused, after the kind's own prefix if it has one. A repeated character and a word
are refused for every kind (``gateway.wire.number``).

Sources
    passport                   ICAO Doc 9303 Part 4, 4.2.2: the field has nine positions
    id-card, residence-permit  ICAO Doc 9303 Part 5, 4.2.2: nine positions, and at most thirteen
                               more in the optional data. Part 6 (TD2) permits fewer
    driving-licence, other     no claim
    cn-resident-id             GB 11643-1999: 17 digits and an ISO 7064 MOD 11-2 character. Address
                               code by GB/T 2260, not looked up (codes are withdrawn, numbers stay);
                               its first digit is 1 to 8
    hk-id                      Hong Kong identity card: see ``check_digits``
    mo-id                      Macao resident identity card (BIR): eight digits, the last one in
                               brackets, in older print 1/234567/8. No rule for it is published
    hk-mo-travel-permit        Mainland travel permit for Hong Kong and Macao residents: H or M and
                               eight digits for life, since 2013 without the count of renewals (Exit
                               and Entry Administration, notice of 2010-03-10, and the card of
                               2013). For permanent residents without Chinese nationality: HA or MA,
                               nine characters (National Immigration Administration, 2024-07)
    tw-travel-permit           Mainland travel permit for Taiwan residents: eight digits for life,
                               since 2008-09-25 (Exit and Entry Administration)
    hk-mo-tw-residence-permit  GB 11643 with address code 810000, 820000 or 830000 (General
                               Office of the State Council, notice [2018] 81)
    cn-permanent-residence     Foreigner's permanent residence card: from 2023-12-01 18 characters
                               that begin with 9, date of birth and check character as GB 11643;
                               before, three letters and twelve digits (National Immigration
                               Administration, rules for machine reading, 2023)
"""

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.documents import check_digits
from gateway.wire.ids import DocumentType
from gateway.wire.number import MAX_CHARACTERS, UnusableNumber

PASSPORT_CHARACTERS: Final = 9
CARD_CHARACTERS: Final = 22
"""Nine, and thirteen of TD1's fifteen positions of optional data, before check digit and filler."""

_UP: Final = "01234567890123456789012345678901234567890"
_DOWN: Final = _UP[::-1]
_MISREAD: Final = "the check digit does not fit the document number: a character is wrong"


@dataclass(frozen=True)
class Kind:
    """A kind of document. ``check`` takes a number's normal form and today's date."""

    name: str
    document_type: DocumentType
    """What the servers see of it, and what stands in the subject."""
    check: Callable[[str, datetime.date], None]


def require_form(kind: Kind, number: str, today: datetime.date) -> None:
    """Check a number, in its normal form, against what its kind of document prescribes.

    Raises:
        UnusableNumber: another form, a check digit that does not fit, an impossible date of birth,
            or digits that only count.
    """
    kind.check(number, today)


def _up_to(characters: int, what: str) -> Callable[[str, datetime.date], None]:
    def check(number: str, _today: datetime.date) -> None:
        if len(number) > characters:
            raise UnusableNumber(f"{what} has at most {characters} letters and digits")
        _require_not_counting(number)

    return check


def _require_not_counting(digits: str) -> None:
    if digits.isdecimal() and (digits in _UP or digits in _DOWN):
        raise UnusableNumber("digits that only count stand in the place of the document number")


def _resident(number: str, today: datetime.date) -> None:
    if re.fullmatch(r"[0-9]{15}", number):
        raise UnusableNumber(
            "a number of 15 digits is of the first generation of cards, which ended with 2012; "
            "the resident identity card has 18 characters"
        )
    if re.match(r"8[123]0000", number):
        raise UnusableNumber(
            "this is the number of a residence permit for Hong Kong, Macao or Taiwan residents; "
            "use hk-mo-tw-residence-permit"
        )
    _gb_11643(number, "[1-8]", "begins with 1 to 8", today)


def _gb_11643(number: str, pattern: str, begins: str, today: datetime.date) -> None:
    """17 digits and a check character; digits 7 to 14 are a date of birth (GB/T 7408)."""
    if not re.fullmatch(rf"(?={pattern})[0-9]{{17}}[0-9X]", number):
        raise UnusableNumber(
            f"the number on this kind of document has 17 digits and a last digit or X, and {begins}"
        )
    if check_digits.mod_11_2(number[:17]) != number[17]:
        raise UnusableNumber(_MISREAD)
    try:
        born = datetime.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        born = datetime.date.max
    if born > today:
        raise UnusableNumber("the date of birth in the document number is no possible one")


def _hong_kong_id(number: str, _today: datetime.date) -> None:
    if not re.fullmatch(r"[A-Z]{1,2}[0-9]{6}[0-9A]", number):
        raise UnusableNumber(
            "a Hong Kong identity card number has one or two letters, six digits and, in brackets, "
            "a digit or A"
        )
    if check_digits.hong_kong(number[:-1]) != number[-1]:
        raise UnusableNumber(_MISREAD)


def _macao_id(number: str, _today: datetime.date) -> None:
    if not re.fullmatch(r"[0-9]{8}", number):
        raise UnusableNumber(
            "a Macao resident identity card number has eight digits, the last one in brackets"
        )
    _require_not_counting(number)


def _hong_kong_macao_permit(number: str, _today: datetime.date) -> None:
    if re.fullmatch(r"[HM][0-9]{10}", number):
        raise UnusableNumber(
            "leave the last two digits out: they count renewals and are no part of the number"
        )
    if not re.fullmatch(r"[HM](A[0-9A-Z]{7}|[0-9]{8})", number):
        raise UnusableNumber(
            "the number of this travel permit is H or M with eight digits, or begins with HA or MA "
            "and has nine characters"
        )
    _require_not_counting(number[1:])


def _taiwan_permit(number: str, _today: datetime.date) -> None:
    if re.fullmatch(r"[0-9]{10}", number):
        raise UnusableNumber(
            "leave the last two digits out: they count issues and are no part of the number"
        )
    if not re.fullmatch(r"[0-9]{8}", number):
        raise UnusableNumber("the number of this travel permit has eight digits")
    _require_not_counting(number)


def _residence_permit(number: str, today: datetime.date) -> None:
    _gb_11643(number, "8[123]0000", "begins with 810000, 820000 or 830000", today)


def _permanent_residence(number: str, today: datetime.date) -> None:
    if not re.fullmatch(r"[A-Z]{3}[0-9]{12}", number):
        begins = "begins with 9 (before December 2023: three letters and twelve digits)"
        _gb_11643(number, "9", begins, today)


_KINDS: Final = (
    Kind("passport", "passport", _up_to(PASSPORT_CHARACTERS, "a passport number (ICAO Doc 9303)")),
    Kind("id-card", "id-card", _up_to(CARD_CHARACTERS, "a card's number (ICAO Doc 9303)")),
    Kind(
        "residence-permit",
        "residence-permit",
        _up_to(CARD_CHARACTERS, "a card's number (ICAO Doc 9303)"),
    ),
    Kind("driving-licence", "driving-licence", _up_to(MAX_CHARACTERS, "a number")),
    Kind("cn-resident-id", "id-card", _resident),
    Kind("hk-id", "id-card", _hong_kong_id),
    Kind("mo-id", "id-card", _macao_id),
    Kind("hk-mo-travel-permit", "travel-permit", _hong_kong_macao_permit),
    Kind("tw-travel-permit", "travel-permit", _taiwan_permit),
    Kind("hk-mo-tw-residence-permit", "residence-permit", _residence_permit),
    Kind("cn-permanent-residence", "residence-permit", _permanent_residence),
    Kind("other", "other", _up_to(MAX_CHARACTERS, "a number")),
)

KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in _KINDS}
"""By name, as commands take it."""
