"""A document number as readers, keyboards and editors write it, and what each kind prescribes."""

import datetime
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents import check_digits
from gateway.documents.encodings import decoded
from gateway.documents.kinds import KINDS
from gateway.documents.reading import read_number
from gateway.wire.ids import DOCUMENT_TYPES
from gateway.wire.number import UnusableNumber, normal_form
from gateway.wire.subject import Subject

TODAY = datetime.date(2026, 11, 27)
RESIDENT, RESIDENT_X = "440524188001010014", "11010519491231002X"
"""The examples of GB 11643-1999."""

DIGITS = [chr(code) for code in range(0x110000) if chr(code).isdecimal()]
MARKS = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def refusal(kind: str, text: str) -> str:
    with pytest.raises(UnusableNumber) as caught:
        read_number(kind, text, TODAY)
    return str(caught.value)


# --- one spelling of many ------------------------------------------------------------------


def test_every_decimal_digit_of_unicode_is_read() -> None:
    assert len(DIGITS) > 600
    for digit in DIGITS:
        value = unicodedata.decimal(digit)
        assert normal_form(f"AB1{digit}") == f"AB1{value}"


@pytest.mark.parametrize(
    "text",
    ["A123456(3)", "A123456（3）", "a123456 [3]", "A123456【3】", "A123456〔3〕", "A 123456-3",
     "A123456\u20103", "A\u2011123456\u20133", "A123456\u20143", "A123456\u22123", "A123456ー3",
     "A123456－3", "A123456\u00ad3", "A123456/3", "A123456.3", "A123456\u3000(3)", "A123456\u00a03",
     "\ufeffA1234563\r\n", *(f"{mark}A123{mark}456(3){mark}" for mark in MARKS), "A123456<3<<<"],
)  # fmt: skip
def test_brackets_dashes_and_marks_are_no_part_of_a_number(text: str) -> None:
    assert read_number("hk-id", text, TODAY).subject.number == "A1234563"


def as_before(text: str) -> str | None:
    """The normal form of the first releases, whose subjects are in records and receipts."""
    folded = unicodedata.normalize("NFKC", text).upper()
    plain = re.sub(r"[\s\-./<]+", "", folded)
    return plain if re.fullmatch(r"[0-9A-Z]{4,40}", plain) else None


NOT_ONE_NUMBER = re.compile(
    r"more than one line|tabs|several|zone \(MRZ\)|a word|repeated|which is neither"
)


@given(st.text(st.sampled_from(" \t\n-./<AZaz09ßſıⅧ①ﬁ№Ｘ１\u3000\u00a0…٣Д()"), max_size=45))
def test_a_number_that_was_accepted_keeps_its_bytes(text: str) -> None:
    before, (now, why) = as_before(text), outcome(text)
    if now is None:
        assert before is None or NOT_ONE_NUMBER.search(why)
    else:
        assert before in (None, now)
        assert normal_form(now) == now


def outcome(text: str) -> tuple[str | None, str]:
    try:
        return normal_form(text), ""
    except UnusableNumber as error:
        return None, str(error)


@pytest.mark.parametrize(
    "text", ["x-123 4567<", "straße12", "Ｘ１２３４５６７", "Ⅷ12①4", "AB…1234"]
)
def test_odd_spellings_that_were_accepted_still_are(text: str) -> None:
    assert normal_form(text) == as_before(text)


# --- more than one, or none ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [("AB700003\nAB700004\n", "more than one line"), ("AB700003\rAB700004", "more than one line"),
     ("AB7000\u202803", "more than one line"), ("AB700003\x85X", "more than one line"),
     ("AB700003\tAB700004", "tabs"), ("AB700003\tMUELLER", "tabs"), ("AB700003\x1fX1", "tabs"),
     ("AB700003 AB700004", "several"), ("AB700003/AB700004", "several"),
     ("AB700003 AB700004 AB700005", "several"), ("12345678 12345679", "several"),
     ("L898902C36UTO7408122F1204159ZE184226B<<<<<10", r"zone \(MRZ\)"),
     ("i<utod231458907<<<<<<<<<<<<<<<", r"zone \(MRZ\)"),
     ("I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6", r"zone \(MRZ\)")],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["passport", "id-card", "other"])
def test_one_number_an_input(kind: str, text: str, why: str) -> None:
    assert re.search(why, refusal(kind, text))


@pytest.mark.parametrize("text", ["AB 700 003", "4509 123456", "592-1234567-89", "AB700003 \n\n"])
def test_the_control_one_number_in_groups_passes(text: str) -> None:
    assert read_number("id-card", text, TODAY).subject.number.isalnum()


@pytest.mark.parametrize(
    "text",
    ["UNKNOWN", "none", "n/a", "N.A.", "null", "Not Available", "-unknown-", "unbekannt", "aucun",
     "0000000000", "000-000-000", "XXXXXXXX", "１１１１１１"],
)  # fmt: skip
@pytest.mark.parametrize("kind", KINDS)
def test_placeholders_are_no_number_of_any_kind(kind: str, text: str) -> None:
    assert "in the place of the document number" in refusal(kind, text)


COUNTED = {
    "passport": "123456789", "id-card": "1234567890", "residence-permit": "9876543210",
    "driving-licence": "0123456789", "mo-id": "1234567(8)", "hk-mo-travel-permit": "H12345678",
    "tw-travel-permit": "87654321", "other": "3210",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_digits_that_only_count_are_refused_where_no_check_digit_stands(kind: str) -> None:
    if kind in COUNTED:
        assert "only count" in refusal(kind, COUNTED[kind])
    else:
        assert kind in {"cn-resident-id", "hk-id", "hk-mo-tw-residence-permit",
                        "cn-permanent-residence"}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "place", "name"),
    [("АВ123456", 1, "CYRILLIC CAPITAL LETTER A"), ("AΒ123456", 2, "GREEK CAPITAL LETTER BETA"),
     ("AB12345б", 8, "CYRILLIC SMALL LETTER BE"), ("AB 12345О", 9, "CYRILLIC CAPITAL LETTER O"),
     ("\u200eAB1234\u200e5é", 8, "LATIN SMALL LETTER E WITH ACUTE"), ("AB123,456", 6, "COMMA"),
     ("AB1234;5", 7, "SEMICOLON"), ("№ 123456", 1, "NUMERO SIGN"), ("AB123_4", 6, "LOW LINE"),
     ("X12\u200b345", 4, "ZERO WIDTH SPACE"), ("无123456", 1, "CJK UNIFIED IDEOGRAPH-65E0"),
     ("AB123\0", 6, "U+0000"), ("AB123\udce9", 6, "U+DCE9"), ("AB123\ufffd", 6, "REPLACEMENT")],
)  # fmt: skip
def test_a_refused_character_is_named_with_its_place_and_nothing_else(
    text: str, place: int, name: str
) -> None:
    said = refusal("passport", text)
    assert f"character {place} " in said
    assert name in said
    assert ("may look like" in said) == name.startswith(("CYRILLIC", "GREEK"))
    for start in range(len(text) - 2):
        assert text[start : start + 3] not in said


# --- files ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_what_editors_write_is_read(encoding: str) -> None:
    assert normal_form(decoded("AB700002\r\n".encode(encoding))) == "AB700002"


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_digits_of_any_script_in_utf_16(mark: bytes) -> None:
    text = "１１٣".encode("utf-16-le" if mark[0] == 0xFF else "utf-16-be")
    assert decoded(mark + text) == "１１٣"


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("gb18030", "GB 18030"), ("big5", "Big5"), ("shift_jis", "Shift JIS"), ("euc_jp", "EUC-JP"),
     ("euc_kr", "EUC-KR"), ("utf-16-le", "UTF-16 without a mark")],
)  # fmt: skip
def test_another_encoding_is_named(encoding: str, name: str) -> None:
    content = "１１０１０５１９４９１２３１００２".encode(encoding)
    with pytest.raises(UnusableNumber, match=f"not text in UTF-8; it reads as .*{name}") as caught:
        decoded(content)
    assert "11010" not in str(caught.value)


def test_bytes_that_are_no_number_in_any_encoding_say_so() -> None:
    for content in (b"\xff\xff\xff", b"\x89PNG\r\n\x1a\n\xff", b"\xff\xfe1"):
        with pytest.raises(UnusableNumber, match=r"not text in UTF-[0-9]+; save it as"):
            decoded(content)


# --- kinds ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "number", "document_type"),
    [("passport", "L898902C3", "L898902C3", "passport"),
     ("id-card", "D23145890734", "D23145890734", "id-card"),
     ("residence-permit", "zr-1234567", "ZR1234567", "residence-permit"),
     ("driving-licence", "MORGA657054SM9IJ 35", "MORGA657054SM9IJ35", "driving-licence"),
     ("cn-resident-id", RESIDENT, RESIDENT, "id-card"),
     ("cn-resident-id", RESIDENT_X.lower(), RESIDENT_X, "id-card"),
     ("cn-resident-id", "１１０１０５　１９４９１２３１　００２Ｘ", RESIDENT_X, "id-card"),
     ("hk-id", "CA182361(1)", "CA1823611", "id-card"),
     ("mo-id", "1002483(3)", "10024833", "id-card"),
     ("mo-id", "1/002483/3", "10024833", "id-card"),
     ("hk-mo-travel-permit", "h10387877", "H10387877", "travel-permit"),
     ("hk-mo-travel-permit", "MA0000017", "MA0000017", "travel-permit"),
     ("tw-travel-permit", "1122 3344", "11223344", "travel-permit"),
     ("hk-mo-tw-residence-permit", "810000199001010018", None, "residence-permit"),
     ("cn-permanent-residence", "932682198501010017", "932682198501010017", "residence-permit"),
     ("cn-permanent-residence", "KAZ110090123105", "KAZ110090123105", "residence-permit"),
     ("other", "A1B2-C3D4-E5F6", "A1B2C3D4E5F6", "other")],
)  # fmt: skip
def test_kinds_take_the_numbers_of_their_documents(
    kind: str, text: str, number: str | None, document_type: str
) -> None:
    if number is None:
        text = number = text[:17] + check_digits.mod_11_2(text[:17])
    assert read_number(kind, text, TODAY).subject == Subject.of(document_type, number)


def gb(digits: str) -> str:
    return digits + check_digits.mod_11_2(digits)


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [("passport", "AB70000312", "at most 9"), ("id-card", "A1" * 11 + "9", "at most 22"),
     ("cn-resident-id", "110105491231002", "first generation"),
     ("cn-resident-id", "11010519491231002", "17 digits and a last"),
     ("cn-resident-id", "1101051949123X0021", "17 digits and a last"),
     ("cn-resident-id", gb("91010519491231002"), "begins with 1 to 8"),
     ("cn-resident-id", gb("81000019900101001"), "hk-mo-tw-residence-permit"),
     ("cn-resident-id", gb("11010519491331002"), "date of birth"),
     ("cn-resident-id", gb("11010519490229002"), "date of birth"),
     ("cn-resident-id", gb("11010520261128002"), "date of birth"),
     ("hk-mo-tw-residence-permit", RESIDENT, "begins with 810000"),
     ("hk-mo-tw-residence-permit", gb("84000019900101001"), "begins with 810000"),
     ("cn-permanent-residence", RESIDENT, "begins with 9"),
     ("cn-permanent-residence", "KAZ11009012310", "begins with 9"),
     ("cn-permanent-residence", gb("93268219851301001"), "date of birth"),
     ("hk-id", "A12345(3)", "one or two letters"), ("hk-id", "ABC123456(3)", "one or two letters"),
     ("hk-id", "A123456(B)", "one or two letters"), ("hk-id", "A123456", "one or two letters"),
     ("mo-id", "1002483", "eight digits"), ("mo-id", "A0024833", "eight digits"),
     ("hk-mo-travel-permit", "H1038787701", "count renewals"),
     ("hk-mo-travel-permit", "C10387877", "H or M"), ("hk-mo-travel-permit", "H1038787", "H or M"),
     ("tw-travel-permit", "1122334401", "count issues"),
     ("tw-travel-permit", "T1223344", "eight digits")],
)  # fmt: skip
def test_kinds_refuse_what_is_none_of_theirs(kind: str, text: str, why: str) -> None:
    said = refusal(kind, text)
    assert why in said
    assert normal_form(text) not in said


def test_a_person_is_born_today_at_the_latest() -> None:
    number = gb("11010520261127002")
    assert read_number("cn-resident-id", number, TODAY).subject.number == number


def test_a_kind_makes_the_subject_of_the_type_that_was_there_before_it() -> None:
    """So a document that was registered as an id-card keeps its handle."""
    assert {kind.document_type for kind in KINDS.values()} == set(DOCUMENT_TYPES)
    assert read_number("cn-resident-id", RESIDENT, TODAY).subject == Subject.of("id-card", RESIDENT)


def test_an_unknown_kind_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UnusableNumber, match="passport, id-card"):
        read_number("library-card", "X1234567", TODAY)


# --- check digits --------------------------------------------------------------------------


@pytest.mark.parametrize("number", [RESIDENT, RESIDENT_X])
def test_mod_11_2_finds_every_wrong_character_and_every_swap(number: str) -> None:
    assert check_digits.mod_11_2(number[:17]) == number[17]
    wrong = {number[:at] + c + number[at + 1 :] for at in range(18) for c in "0123456789X"} | {
        swapped(number, at) for at in range(17)
    }
    for one in wrong - {number}:
        refusal("cn-resident-id", one)
        if "X" not in one[:17]:
            assert check_digits.mod_11_2(one[:17]) != one[17]


def swapped(number: str, at: int) -> str:
    return number[:at] + number[at + 1] + number[at] + number[at + 2 :]


def test_a_hong_kong_number_finds_every_wrong_digit_letter_and_swap() -> None:
    """But for letters eleven places apart, which is what modulo 11 cannot tell."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for number in ("A1234563", "CA1823611"):
        digits = range(len(number) - 7, len(number))
        changed = [number[:at] + c + number[at + 1 :] for at in digits for c in "0123456789A"]
        changed += [swapped(number, at) for at in digits[:-1]]
        for one in {*changed} - {number}:
            refusal("hk-id", one)
        for at in range(len(number) - 7):
            for c in letters:
                apart = abs(letters.index(c) - letters.index(number[at]))
                one = number[:at] + c + number[at + 1 :]
                if apart % 11:
                    refusal("hk-id", one)
                else:
                    read_number("hk-id", one, TODAY)


@given(st.sampled_from(sorted(KINDS)), st.text(max_size=30))
def test_any_text_is_a_document_or_refused(kind: str, text: str) -> None:
    try:
        document = read_number(kind, text, TODAY)
    except UnusableNumber:
        return
    again = read_number(kind, document.subject.number, TODAY)
    assert again == document
    assert document.subject.number not in repr(document)


@pytest.mark.parametrize("text", [" " * 513, f"AB700001{' ' * 505}", "9" * 100_000])
def test_a_text_that_is_too_long_is_not_looked_at(text: str) -> None:
    assert "too long" in refusal("other", text)
