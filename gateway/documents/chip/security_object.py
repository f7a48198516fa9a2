"""The document security object, EF.SOD: hashes of the data groups, signed (ICAO 9303-10, 4.6.2).

77 > ContentInfo > SignedData > LDSSecurityObject. Nothing here is the document's identity: the same
document may have a security object in another encoding.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from asn1crypto import algos, core

from gateway.documents.chip.signed_data import SignedData

_PLAIN_DATA: Final = "1.2.840.113549.1.7.1"
CONTENT_TYPES: Final = frozenset({"2.23.136.1.1.1", "1.3.27.1.1.1", _PLAIN_DATA})
"""LDS security object, as ICAO 9303-10 names it, and as Belgian and French documents do (of the
technical report that came before). Chinese passports say that it is data, and theirs alone may."""


class _DataGroupHash(core.Sequence):  # type: ignore[misc]
    _fields = [("number", core.Integer), ("hash", core.OctetString)]  # noqa: RUF012


class _DataGroupHashes(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _DataGroupHash


class _LdsVersion(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("lds_version", core.PrintableString), ("unicode_version", core.PrintableString)
    ]  # fmt: skip


class _LdsSecurityObject(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("hash_algorithm", algos.DigestAlgorithm),
        ("hashes", _DataGroupHashes),
        ("lds_version", _LdsVersion, {"optional": True}),
    ]


@dataclass(frozen=True)
class SecurityObject:
    """What an EF.SOD states. Nothing of it is verified yet."""

    signed: SignedData
    hash_name: str
    """Of the data groups' hashes."""
    hashes: Mapping[int, bytes]
    """By the number of the data group."""

    @classmethod
    def parse(cls, content: bytes) -> "SecurityObject":
        """Parse the content of EF.SOD.

        Raises ``ValueError`` with a text that can be shown.
        """
        other = "it holds something else than the hashes of data groups"
        signed = SignedData.parse(content, CONTENT_TYPES, other)
        countries = {one.country for one in signed.certificates}
        if signed.content_type == _PLAIN_DATA and countries != {"CN"}:
            raise ValueError(other)
        try:
            lds = _LdsSecurityObject.load(signed.content, strict=True)
            hash_name = lds["hash_algorithm"]["algorithm"].native
            stated = [(one["number"].native, one["hash"].native) for one in lds["hashes"]]
        except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
            raise ValueError("it is malformed") from None
        hashes = dict(stated)
        if len(hashes) != len(stated):
            raise ValueError("it states two hashes of one data group")
        return cls(signed, hash_name, hashes)
