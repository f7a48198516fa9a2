"""From what was typed or read to a document: its kind, its subject, its date of expiry, and how old
its holder is."""

import datetime
from dataclasses import dataclass, field, replace

from gateway.documents import mrz
from gateway.documents.kinds import KINDS, Kind, require_form
from gateway.wire.number import UnusableNumber
from gateway.wire.subject import Subject


@dataclass(frozen=True)
class Document:
    """An identity document as far as a registration needs it."""

    kind: str
    subject: Subject
    expires: datetime.date | None = field(repr=False)
    """Its last valid day; None: not known, or the document states none."""
    from_zone: bool
    """Whether its machine-readable zone was read; otherwise its number was typed."""
    age: int | None = field(default=None, repr=False)
    """Of its holder, in whole years, at least; None: not known. It stays at the counter."""
    chip_verified: bool = False
    """Whether it was read out of its chip, with the signature of a listed issuer."""
    mobile_verified: bool = False
    """Whether a telephone showed it, with the signature of a listed issuer and its own."""


def kind_named(name: str) -> Kind:
    """Raises ``UnusableNumber`` for a kind that is not known."""
    if name not in KINDS:
        raise UnusableNumber(f"unknown kind of document; use one of {', '.join(KINDS)}")
    return KINDS[name]


def read_number(kind: str, text: str, today: datetime.date) -> Document:
    """Read a number as people write it, and check it as its kind of document prescribes.

    Raises:
        UnusableNumber: not one number, or not one of this kind.
    """
    known = kind_named(kind)
    subject = Subject.of(known.document_type, text)
    require_form(known, subject.number, today)
    return Document(known.name, subject, None, from_zone=False)


def read_zone(text: str, today: datetime.date, kind: str | None = None) -> Document:
    """Read a machine-readable zone.

    The zone tells a passport from a card. What sort of card it is, its second letter does not
    tell: that is each State's choice (Doc 9303 Part 5, 4.2.2). So a card is an ``id-card`` unless
    its kind is given, and then its number must have that kind's form.

    Raises:
        UnusableZone: not a zone, or misread.
        UnusableNumber: its number is none, or not one of the kind that is given.
    """
    named, zone = _zone_of(text, kind)
    document = read_number(named.name, zone.number, today)
    return replace(document, expires=zone.expires(today), from_zone=True, age=zone.age(today))


def subject_of_zone(text: str, kind: str | None = None) -> Subject:
    """The subject that a zone names, whatever its number looks like. Raises as ``read_zone``."""
    named, zone = _zone_of(text, kind)
    return Subject.of(named.document_type, zone.number)


def _zone_of(text: str, kind: str | None) -> tuple[Kind, mrz.Zone]:
    zone = mrz.parse(text)
    passport = zone.form == "TD3"
    named = kind_named(kind or ("passport" if passport else "id-card"))
    if passport != (named.document_type == "passport"):
        raise UnusableNumber(
            "the machine-readable zone is "
            + ("that of a passport" if passport else "not that of a passport")
            + ", unlike the kind of document that is given"
        )
    return named, zone
