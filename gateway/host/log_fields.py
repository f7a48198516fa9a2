"""The kinds of value that the operator's log takes. Everything else is left out, and counted.

The last net, not the first: no code of ours logs a number of a document, a vector, a score or a
key. But texts of errors travel far, and peers choose names. So no text passes with a long run of
digits, a long word that may be encoded bytes, or a measured fraction in it.
"""

import re
from collections.abc import Callable
from typing import Final

from gateway.host.measures import CODES

LEFT_OUT: Final = "…"

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|-")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}( [A-Z0-9_]{1,40})?")
"""A type's name, and a code of the database's driver behind it."""
_ERROR: Final = re.compile(rf"{_WORD.pattern}|-")
_NAME: Final = re.compile(r"[A-Za-z0-9._/+-]{1,128}")
_PLACE: Final = re.compile(r"[A-Za-z0-9_.]{1,80}:\d{1,5}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_TELLING: Final = re.compile(
    r"\d(?:[ -]?\d){5,}"  # six digits: the number of a document or a person, or a time
    r"|[A-Za-z0-9+/_=]{28,}"  # encoded bytes; no word of a text is so long
    r"|\d+\.\d{3,}"  # a measure
)
_TEXT_CHARACTERS: Final = 400
_MOST: Final = 2**53

Read = Callable[[object], object]
"""A value -> what is written. Raises ``ValueError`` for what the log does not take."""


def _matching(form: re.Pattern[str], *, masked: bool = False) -> Read:
    def read(value: object) -> str:
        if not isinstance(value, str) or not form.fullmatch(value):
            raise ValueError("another form")
        if masked and _TELLING.search(value):
            raise ValueError("it may tell something")
        return value

    return read


def _number(value: object) -> int:
    if type(value) is not int or not -_MOST < value < _MOST:
        raise ValueError("not a number")
    return value


def _code(value: object) -> str:
    if value not in CODES:
        raise ValueError("not a code")
    return str(value)


def _text(value: object) -> str:
    """A sentence of ours; what in it may tell something is left out."""
    text = str(value)
    if not text.isprintable():
        raise ValueError("not a line")
    return _TELLING.sub(LEFT_OUT, text[:_TEXT_CHARACTERS])


def _checkpoint(value: object) -> str:
    """Origin, size and root: what a witness has to show as evidence."""
    if not isinstance(value, str) or len(value) > _TEXT_CHARACTERS:
        raise ValueError("not a checkpoint")
    origin, size, root, *_ = [*value.splitlines(), "", "", ""]
    if not (_NAME.fullmatch(origin) and size.isdigit() and re.fullmatch(r"[\w+/]{43}=", root)):
        raise ValueError("not a checkpoint")
    return f"{origin}\n{size}\n{root}\n"


FIELDS: Final[dict[str, Read]] = {
    "correlator": _matching(_UUID),
    "code": _code,
    "detail": _text,
    "error": _matching(_ERROR, masked=True),
    "missing": _matching(_WORD, masked=True),
    "peer": _text,
    "witness": _matching(_NAME, masked=True),
    "file": _matching(_NAME, masked=True),
    "place": _matching(_PLACE),
    "digest": _matching(_DIGEST),
    "checkpoint": _checkpoint,
    "what": _text,
    "person": _text,
    "role": _matching(_WORD),
    "count": _number,
    "number": _number,
    "status": _number,
    "port": _number,
    "until": _number,
}
