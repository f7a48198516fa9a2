"""From a driving licence's elements to a document (ISO/IEC 18013-5, 7.2.1).

Three are needed: ``document_number``, ``expiry_date`` and ``portrait``. ``issuing_country`` and
``issuing_jurisdiction`` are held against the certificates if they were asked for. Of the holder's
age, ``age_over_NN`` says enough; ``birth_date`` says more. Names are asked for by nobody here.
"""

import datetime
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from gateway.documents.mobile.encoding import member
from gateway.documents.reading import Document, read_number

NAME_SPACE: Final = "org.iso.18013.5.1"
KIND: Final = "driving-licence"
MAX_PORTRAIT_BYTES: Final = 2 * 2**20
"""Telephones hold 5 to 100 KiB."""
_PICTURES: Final = (b"\xff\xd8\xff", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
"""JPEG; JPEG 2000 in a file of boxes, and its bare codestream."""


def portrait_of(elements: Mapping[str, Any]) -> bytes:
    """The portrait, encoded. Raises ``ValueError``: none, or no JPEG or JPEG 2000 by its bytes."""
    portrait: bytes = member(elements, "portrait", bytes)
    if not portrait.startswith(_PICTURES) or len(portrait) > MAX_PORTRAIT_BYTES:
        raise ValueError("the portrait is no JPEG or JPEG 2000, or too large")
    return portrait


def document_of(elements: Mapping[str, Any], today: datetime.date) -> Document:
    """The document. Raises ``ValueError``, and ``UnusableNumber`` for its number."""
    document = read_number(KIND, member(elements, "document_number", str), today)
    return replace(
        document,
        expires=_day(elements, "expiry_date"),
        age=_age(elements, today),
        mobile_verified=True,
    )


def _day(elements: Mapping[str, Any], name: str) -> datetime.date:
    """A full-date, or a point in time."""
    told = elements.get(name)
    if isinstance(told, datetime.datetime):
        return told.date()
    if not isinstance(told, datetime.date):
        raise ValueError(f"{name} is missing, or of another type")
    return told


def _age(elements: Mapping[str, Any], today: datetime.date) -> int | None:
    """In whole years, at least. Of ``age_over_18`` alone, somebody who is not is 0."""
    if "birth_date" in elements:
        born = _day(elements, "birth_date")
        return max(0, today.year - born.year - ((today.month, today.day) < (born.month, born.day)))
    over = {
        int(name[-2:]): told
        for name, told in elements.items()
        if re.fullmatch(r"age_over_[0-9]{2}", name)
    }
    return max((years for years, told in over.items() if told is True), default=0) if over else None
