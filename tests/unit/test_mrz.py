"""Machine-readable zones: the specimens of ICAO Doc 9303, every misreading that its digits find."""

import datetime
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents import mrz
from gateway.documents.mrz import UnusableZone
from gateway.documents.policy import DocumentNotAccepted, DocumentPolicy
from gateway.documents.reading import read_number, read_zone
from gateway.documents.reading import subject_of_zone as subject_of
from gateway.wire.number import UnusableNumber
from gateway.wire.subject import Subject

TODAY = datetime.date(2026, 11, 27)
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<"

PASSPORT = """\
P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<
L898902C36UTO7408122F1204159ZE184226B<<<<<10"""
CARD = """\
I<UTOD231458907<<<<<<<<<<<<<<<
7408122F1204159UTO<<<<<<<<<<<6
ERIKSSON<<ANNA<MARIA<<<<<<<<<<"""
PAPER = """\
I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<
D231458907UTO7408122F1204159<<<<<<<6"""
LONG_CARD = """\
I<UTOD23145890<7349<<<<<<<<<<<
3407127M9507122UTO<<<<<<<<<<<2
STEVENSON<<PETER<JOHN<<<<<<<<<"""
LONG_PAPER = """\
I<UTOSTEVENSON<<PETER<JOHN<<<<<<<<<<
D23145890<UTO3407127M95071227349<<<8"""

SPECIMENS: list[tuple[str, Any, str, str, tuple[int, int, int]]] = [
    (PASSPORT, "TD3", "P", "L898902C3", (2012, 4, 15)),  # Part 4, appendix B
    (CARD, "TD1", "I", "D23145890", (2012, 4, 15)),  # Part 5, appendix B
    (PAPER, "TD2", "I", "D23145890", (2012, 4, 15)),  # Part 6, appendix B
    (LONG_CARD, "TD1", "I", "D23145890734", (1995, 7, 12)),  # Part 11, appendix D.2
    (LONG_PAPER, "TD2", "I", "D23145890734", (1995, 7, 12)),  # Part 11, appendix D.2
]
ZONES = [zone for zone, *_ in SPECIMENS]


def refusal(zone: str) -> str:
    with pytest.raises(UnusableZone) as caught:
        mrz.parse(zone)
    return str(caught.value)


# --- what is read --------------------------------------------------------------------------


@pytest.mark.parametrize(("zone", "form", "code", "number", "expires"), SPECIMENS)
def test_the_specimens_of_the_standard(
    zone: str, form: str, code: str, number: str, expires: tuple[int, int, int]
) -> None:
    read = mrz.parse(zone)
    assert (read.form, read.code, read.number) == (form, code, number)
    assert read.expires(TODAY) == datetime.date(*expires)
    assert number not in repr(read)
    document = read_zone(zone, TODAY)
    assert document.subject == Subject.of("passport" if form == "TD3" else "id-card", number)
    assert subject_of(zone) == document.subject
    assert str(expires[0]) not in repr(document)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "written",
    [str.lower, lambda z: z.replace("\n", "\r\n") + "\r\n", lambda z: z.replace("\n", "\r"),
     lambda z: z.replace("\n", ""), lambda z: f"\ufeff\n\n{z}\n\n",
     lambda z: z.replace("\n", "  \n "),
     lambda z: z.replace("<", "‹"), lambda z: z.replace("<", "«"),
     lambda z: "".join(chr(ord(c) + 0xFEE0) if c > " " else c for c in z)],
)  # fmt: skip
def test_ways_to_type_a_zone(zone: str, written: Callable[[str], str]) -> None:
    assert mrz.parse(written(zone)) == mrz.parse(zone)


def test_a_typed_number_is_the_subject_of_its_zone() -> None:
    assert read_number("passport", "l898902c3", TODAY).subject == read_zone(PASSPORT, TODAY).subject
    dashed = paper("AB<123456")
    assert read_zone(dashed, TODAY).subject == read_number("id-card", "AB-123456", TODAY).subject


def digit(field: str) -> str:
    """Written out anew: weights 7, 3, 1; letters from 10; fillers 0; modulo 10."""
    values = [0 if c == "<" else int(c, 36) for c in field]
    return str(sum(v * (7, 3, 1)[n % 3] for n, v in enumerate(values)) % 10)


def numbered(number: str, optional: str, length: int) -> tuple[str, str]:
    """The number's ten positions, and the optional data behind it."""
    if len(number) <= 9:
        number = number.ljust(9, "<")
        return number + digit(number), optional.ljust(length, "<")[:length]
    return f"{number[:9]}<", f"{number[9:]}{digit(number)}<{optional}".ljust(length, "<")[:length]


def dates(birth: str, expiry: str) -> tuple[str, str]:
    return birth + digit(birth), expiry + digit(expiry)


def card(number: str, birth: str = "900101", expiry: str = "301231", optional: str = "") -> str:
    head, rest = numbered(number, optional, 15)
    born, ends = dates(birth, expiry)
    covered = head + rest + born + ends + "<" * 11
    return (f"I<UTO{head}{rest}\n{born}F{ends}UTO{'<' * 11}{digit(covered)}\n"
            f"{'SPECIMEN<<JANE'.ljust(30, '<')}")  # fmt: skip


def paper(number: str, birth: str = "900101", expiry: str = "301231", optional: str = "") -> str:
    head, rest = numbered(number, optional, 7)
    born, ends = dates(birth, expiry)
    last = digit(head + born + ends + rest)
    return f"A<UTO{'SPECIMEN<<JANE'.ljust(31, '<')}\n{head}UTO{born}<{ends}{rest}{last}"


def passport(number: str, birth: str = "900101", expiry: str = "301231", optional: str = "") -> str:
    head, _ = numbered(number, "", 0)
    born, ends = dates(birth, expiry)
    rest = optional.ljust(14, "<") + (digit(optional) if optional else "<")
    last = digit(head + born + ends + rest)
    return f"PEUTO{'SPECIMEN<<JANE'.ljust(39, '<')}\n{head}UTO{born}M{ends}{rest}{last}"


NUMBERS = st.from_regex(r"[A-Z0-9]{3,8}[A-Z0-9]", fullmatch=True)
EXPIRIES = st.dates(datetime.date(2000, 1, 1), datetime.date(2076, 12, 31))


@given(st.sampled_from([card, paper, passport]), NUMBERS, EXPIRIES, st.text("ABZ019", max_size=7))
def test_what_is_written_is_read(
    made: Callable[..., str], number: str, ends: datetime.date, more: str
) -> None:
    zone = mrz.parse(made(number, expiry=ends.strftime("%y%m%d"), optional=more))
    assert zone.number == number
    assert zone.expires(TODAY) == ends


@given(st.from_regex(r"[A-Z0-9]{10,22}", fullmatch=True))
def test_long_numbers_go_on_in_the_optional_data_of_cards(number: str) -> None:
    assert mrz.parse(card(number)).number == number
    if len(number) <= 14:
        assert mrz.parse(paper(number)).number == number
    else:
        refusal(paper(number))


@pytest.mark.parametrize("number", ["1234567890", "AB1234567890"])
def test_a_passport_s_number_does_not_go_on(number: str) -> None:
    head, rest = numbered(number, "", 14)
    born, ends = dates("900101", "301231")
    last = digit(head + born + ends + rest + "0")
    assert "is missing" in refusal(f"P<UTO{'A' * 39}\n{head}UTO{born}M{ends}{rest}0{last}")


@pytest.mark.parametrize("birth", ["<<<<<<", "90<<<<", "9001<<", "<<0101", "000229"])
def test_a_date_of_birth_may_be_unknown_in_part(birth: str) -> None:
    assert mrz.parse(card("X1234567", birth=birth)).number == "X1234567"


# --- what is found -------------------------------------------------------------------------

CHECKED = {
    zone: [at for part in mrz._COVERED[form] for at in range(part.start, part.stop)]
    for zone, form, *_ in SPECIMENS
}
"""Positions under some check digit, in the lines put together."""


def value(character: str) -> int:
    return 0 if character == "<" else int(character, 36)


@pytest.mark.parametrize("zone", ZONES, ids=["TD3", "TD1", "TD2", "long TD1", "long TD2"])
def test_every_wrong_character_whose_value_differs_modulo_ten_is_found(zone: str) -> None:
    flat, missed = zone.replace("\n", ""), []
    for at in CHECKED[zone]:
        for c in ALPHABET:
            wrong = flat[:at] + c + flat[at + 1 :]
            if (value(c) - value(flat[at])) % 10:
                refusal(wrong)
            elif c != flat[at]:
                missed.append(wrong)
    assert any(_passes(wrong) for wrong in missed)  # the control: 0 for A no digit finds


def _passes(zone: str) -> bool:
    try:
        mrz.parse(zone)
    except UnusableZone:
        return False
    return True


@pytest.mark.parametrize("zone", ZONES, ids=["TD3", "TD1", "TD2", "long TD1", "long TD2"])
def test_every_swap_of_neighbours_whose_values_differ_modulo_five_is_found(zone: str) -> None:
    flat, tried = zone.replace("\n", ""), 0
    for at, after in zip(CHECKED[zone], CHECKED[zone][1:], strict=False):
        if after == at + 1 and (value(flat[at]) - value(flat[after])) % 5:
            refusal(flat[:at] + flat[after] + flat[at] + flat[after + 1 :])
            tried += 1
    assert tried > 15


@pytest.mark.parametrize(
    ("line", "place", "name"),
    [(1, 10, "document number"), (1, 14, "date of birth"), (1, 22, "date of expiry"),
     (1, 30, "optional data"), (1, 43, "whole zone")],
)  # fmt: skip
def test_the_check_digit_that_does_not_fit_is_named(line: int, place: int, name: str) -> None:
    lines = PASSPORT.split("\n")
    place = {"document number": 9, "whole zone": 43}.get(name, place)
    other = str((int(lines[line][place], 36) + 1) % 10)
    lines[line] = lines[line][:place] + other + lines[line][place + 1 :]
    said = refusal("\n".join(lines))
    assert f"the check digit of the {name} does not fit" in said
    assert "L898902C3" not in said


# --- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "why"),
    [("", "these have none"), (PASSPORT.split("\n")[1], "these have 44"),
     (PASSPORT[:-1], "these have 44, 43"), (CARD.rpartition("\n")[0], "these have 30, 30"),
     (f"{PASSPORT}\n{PASSPORT}", "these have 44, 44, 44, 44"), ("A" * 2000, "too long"),
     (PASSPORT.replace("UTOE", "UTO E"), "line 1, character 6 of .* is SPACE"),
     (PASSPORT.replace("ERIK", "ЕRIK"), "line 1, character 6 of .* CYRILLIC CAPITAL LETTER IE"),
     (PASSPORT.replace("L898", "L\0898"), r"line 2, character 2 of .* U\+0000"),
     ("\n".join(reversed(PASSPORT.split("\n"))), "not in their order"),
     (PASSPORT.replace("P<", "V<"), "visa"), (PAPER.replace("I<", "VA"), "visa"),
     (PASSPORT.replace("P<", "I<"), "document code"),
     (CARD.replace("I<", "P<"), "document code"),
     (f"IDFRA{'MARTIN':<<31}\n1405001000006{'CLAIRE':<<14}9001012F0", "before 2021"),
     (PASSPORT.replace("ERIK", "ER1K"), "in the name a letter, digit"),
     (PASSPORT.replace("UTO7", "U1O7"), "in the nationality a letter, digit"),
     (PASSPORT.replace("P<UTO", "P<U0O"), "in the issuing State a letter, digit"),
     (PASSPORT.replace("UTO740812", "UTO74O812"), "in the date of birth a letter, digit"),
     (PASSPORT.replace("F120415", "F12O415"), "in the date of expiry a letter, digit"),
     (PASSPORT[:-1] + "O", "in the check digit of the whole zone a letter, digit"),
     (passport("X1234567", birth="901301"), "does not exist"),
     (passport("X1234567", birth="900230"), "does not exist"),
     (passport("X1234567", birth="900100"), "does not exist"),
     (passport("X1234567", expiry="300229"), "does not exist"),
     (passport("X1234567", expiry="3012<<"), "not complete"), (passport("<"), "no document number"),
     (CARD.replace("D231458907", "D23145890<"), "is missing")],
)  # fmt: skip
def test_what_is_no_zone_is_refused_with_the_reason(zone: str, why: str) -> None:
    assert re.search(why, refusal(zone))


@pytest.mark.parametrize("number", ["000000000", "NONE", "123456789"])
def test_a_zone_does_not_make_a_placeholder_a_number(number: str) -> None:
    with pytest.raises(UnusableNumber, match="in the place of"):
        read_zone(passport(number), TODAY)


# --- kinds of cards ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["residence-permit", "other", "driving-licence"])
def test_a_card_is_of_the_kind_that_is_given(kind: str) -> None:
    assert read_zone(CARD, TODAY, kind).subject == Subject.of(kind, "D23145890")
    assert subject_of(CARD, kind) == Subject.of(kind, "D23145890")


@pytest.mark.parametrize(("zone", "kind"), [(PASSPORT, "id-card"), (CARD, "passport")])
def test_a_passport_is_no_card_and_a_card_no_passport(zone: str, kind: str) -> None:
    for read in (lambda: read_zone(zone, TODAY, kind), lambda: subject_of(zone, kind)):
        with pytest.raises(UnusableNumber, match="that of a passport"):
            read()


def test_the_zone_s_number_must_have_the_form_of_the_kind() -> None:
    assert read_zone(card("H10387877"), TODAY, "hk-mo-travel-permit").kind == "hk-mo-travel-permit"
    with pytest.raises(UnusableNumber, match="H or M"):
        read_zone(CARD, TODAY, "hk-mo-travel-permit")


# --- expiry --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expiry", "today", "grace", "accepted"),
    [("261127", TODAY, 0, True), ("261126", TODAY, 0, False), ("261126", TODAY, 1, True),
     ("261028", TODAY, 30, True), ("261027", TODAY, 30, False), ("120415", TODAY, None, True),
     ("120415", TODAY, 3650, False), ("761127", TODAY, 0, True), ("770101", TODAY, 0, False),
     ("000229", datetime.date(2000, 2, 29), 0, True),
     ("000229", datetime.date(2000, 3, 1), 0, False),
     ("991231", datetime.date(1999, 12, 31), 0, True), ("<<<<<<", TODAY, 0, True)],
)  # fmt: skip
def test_an_expired_document_is_refused_after_the_days_of_grace(
    expiry: str, today: datetime.date, grace: int | None, accepted: bool
) -> None:
    document = read_zone(passport("X1234567", expiry=expiry), today)
    if accepted:
        DocumentPolicy(expired_grace_days=grace).require(document, today)
    else:
        with pytest.raises(DocumentNotAccepted) as caught:
            DocumentPolicy(expired_grace_days=grace).require(document, today)
        assert caught.value.detail == "the document has expired"


def test_a_day_that_the_century_does_not_have_is_refused() -> None:
    zone = mrz.parse(passport("X1234567", expiry="000229"))
    with pytest.raises(UnusableZone, match="does not exist"):
        zone.expires(datetime.date(2060, 1, 1))


def test_a_number_that_is_typed_tells_no_date() -> None:
    DocumentPolicy().require(read_number("passport", "X1234567", TODAY), TODAY)


@given(st.text(ALPHABET + "\n <é\u2028", max_size=100))
def test_any_text_is_a_zone_or_refused(text: str) -> None:
    if _passes(text):
        assert mrz.parse(text).number
