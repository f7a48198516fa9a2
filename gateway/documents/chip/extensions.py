"""What a State's certificate says of its key: which documents it signs, and when.

ICAO 9303-12, section 7.1.

A key is used for months, and its certificate is valid for as long as the last document that was
signed with it. The private key usage period (RFC 3280, 4.2.1.4) tells the months. When a document
was signed is the signer's word (``signingTime``), which many States leave out.
"""

import datetime
from dataclasses import dataclass
from typing import Final

from asn1crypto import core, x509

_DOCUMENT_TYPES: Final = "2.23.136.1.1.6.2"
_SLACK: Final = datetime.timedelta(days=1)
"""States write midnights of their own time zones, and of the day before."""


class _Types(core.SetOf):  # type: ignore[misc]
    _child_spec = core.PrintableString


class _TypeList(core.Sequence):  # type: ignore[misc]
    _fields = [("version", core.Integer), ("types", _Types)]  # noqa: RUF012


class _BareTypes(core.SequenceOf):  # type: ignore[misc]
    """As Philippine certificates have it."""

    _child_spec = core.PrintableString


@dataclass(frozen=True)
class KeyPeriod:
    """From when until when a key signs, each of them told or not."""

    start: datetime.datetime | None
    end: datetime.datetime | None

    def holds(self, at: datetime.datetime) -> bool:
        """Whether the key was in use then, or a day before or after."""
        return self.begun(at) and (self.end is None or at - self.end <= _SLACK)

    def begun(self, at: datetime.datetime) -> bool:
        """Whether it was in use then, or had been before."""
        return self.start is None or self.start - at <= _SLACK


def key_period(certificate: x509.Certificate) -> KeyPeriod:
    """Of a certificate's key. Raises ``ValueError``: it is malformed."""
    try:
        stated = certificate.private_key_usage_period_value
        if stated is None:
            return KeyPeriod(None, None)
        start, end = (stated[one].native for one in ("not_before", "not_after"))
    except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
        raise ValueError("the period of use of a key is malformed") from None
    for one in (start, end):
        if one is not None and not (isinstance(one, datetime.datetime) and one.tzinfo):
            raise ValueError("the period of use of a key is malformed")
    return KeyPeriod(start, end)


def document_types(certificate: x509.Certificate) -> frozenset[str] | None:
    """Document codes that a signer's certificate is for; None: it does not say.

    Raises ``ValueError``: it is malformed.
    """
    try:
        stated = certificate["tbs_certificate"]["extensions"]
        found = [one["extn_value"] for one in stated if one["extn_id"].dotted == _DOCUMENT_TYPES]
        if not found:
            return None
        return frozenset.intersection(*(_types(bytes(one)) for one in found))
    except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
        raise ValueError("the list of document types is malformed") from None


def _types(encoded: bytes) -> frozenset[str]:
    try:
        return frozenset(_TypeList.load(encoded, strict=True)["types"].native)
    except (TypeError, ValueError):
        return frozenset(_BareTypes.load(encoded, strict=True).native)


def are_for(types: frozenset[str] | None, code: str) -> bool:
    """Whether documents with this code are among the types.

    A type of one letter stands for all codes that begin with it.
    """
    return types is None or code in types or code[:1] in types
