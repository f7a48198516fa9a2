"""From a file's bytes to its text, or the name of the encoding that it seems to have.

Read are UTF-8 and, by their mark or their zero bytes, UTF-16 and UTF-32: what editors and readers
write. Other encodings cannot be told apart for sure, and a wrong guess would be another person's
number. They are named, so that the file can be saved again.
"""

import codecs
from typing import Final

from gateway.wire.number import UnusableNumber, normal_form

MAX_BYTES: Final = 4096
"""Of a file that holds a number, a machine-readable zone or an order."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OTHERS: Final = {
    "gb18030": "GB 18030",
    "big5": "Big5",
    "shift_jis": "Shift JIS",
    "euc_jp": "EUC-JP",
    "euc_kr": "EUC-KR",
    "utf-16-le": "UTF-16 without a mark",
    "utf-16-be": "UTF-16 without a mark",
    "cp1252": "Windows-1252",
}


def decoded(content: bytes) -> str:
    """The text of a file, without its mark.

    Raises:
        UnusableNumber: more than 4 KiB, or in another encoding; the text says in which it reads as
            a number.
    """
    if len(content) > MAX_BYTES:
        raise UnusableNumber(f"there are more than {MAX_BYTES} bytes")
    mark, encoding = next(
        ((mark, name) for mark, name in _MARKS if content.startswith(mark)),
        (b"", _unmarked(content)),
    )
    try:
        return content[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        others = dict.fromkeys(name for one, name in _OTHERS.items() if _reads(content, one))
        found = f"; it reads as {' or '.join(others)}" if others else ""
        expected = encoding.upper().removesuffix("-LE").removesuffix("-BE")
        raise UnusableNumber(f"this is not text in {expected}{found}; save it as UTF-8") from None


def _unmarked(content: bytes) -> str:
    """UTF-16 if every other byte of some Latin text is zero, and UTF-8 otherwise."""
    even, odd = content[0::2], content[1::2]
    if content and len(content) % 2 == 0:
        if not any(odd) and all(even):
            return "utf-16-le"
        if not any(even) and all(odd):
            return "utf-16-be"
    return "utf-8"


def _reads(content: bytes, encoding: str) -> bool:
    try:
        normal_form(content.decode(encoding))
    except (UnicodeDecodeError, UnusableNumber):
        return False
    return True
