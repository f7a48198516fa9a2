"""Mobile security object (MSO): what the issuer signed (ISO/IEC 18013-5, 9.1.2.4).

Digests of all elements, by name space and number; the telephone's public key; the kind of document;
and from when until when it holds.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives import hashes

from gateway.documents.mobile.encoding import decode, embedded, member
from gateway.documents.mobile.signatures import VerifyKey, device_key

VERSION: Final = "1.0"
_HASHES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "SHA-256": hashes.SHA256,
    "SHA-384": hashes.SHA384,
    "SHA-512": hashes.SHA512,
}


@dataclass(frozen=True)
class SecurityObject:
    """An MSO, parsed."""

    doc_type: str
    device_key: VerifyKey
    signed: datetime.datetime
    valid_from: datetime.datetime
    valid_until: datetime.datetime
    _hash: type[hashes.HashAlgorithm]
    _digests: Mapping[str, Mapping[int, bytes]] = field(repr=False)

    @classmethod
    def parse(cls, payload: bytes) -> "SecurityObject":
        """From what the issuer's signature is over. Raises ``ValueError``."""
        told = decode(embedded(decode(payload)))
        if member(told, "version", str) != VERSION:
            raise ValueError("it is of a version that is not known here")
        hash_name = member(told, "digestAlgorithm", str)
        if hash_name not in _HASHES:
            raise ValueError("its digests are of a kind that is not accepted")
        device = member(told, "deviceKeyInfo", dict).get("deviceKey")
        signed, start, end = _times(member(told, "validityInfo", dict))
        digests = _digests(member(told, "valueDigests", dict))
        doc_type = member(told, "docType", str)
        hashed = _HASHES[hash_name]
        return cls(doc_type, device_key(device), signed, start, end, hashed, digests)

    def digest(self, name_space: str, number: int) -> bytes | None:
        """What was signed for one element; None: nothing."""
        return self._digests.get(name_space, {}).get(number)

    def was_signed(self, name_space: str, data: bytes) -> bool:
        """Whether it has a digest of ``data`` in a name space, under whatever number."""
        return self.digest_of(data) in self._digests.get(name_space, {}).values()

    def digest_of(self, data: bytes) -> bytes:
        """By the algorithm that the issuer names."""
        running = hashes.Hash(self._hash())
        running.update(data)
        return running.finalize()


def _digests(told: Mapping[Any, Any]) -> dict[str, Mapping[int, bytes]]:
    for name_space, numbered in told.items():
        if type(name_space) is not str or not isinstance(numbered, dict):
            raise ValueError("its digests are malformed")
        for number, digest in numbered.items():
            if type(number) is not int or type(digest) is not bytes:
                raise ValueError("its digests are malformed")
    return dict(told)


def _times(told: Mapping[Any, Any]) -> tuple[datetime.datetime, ...]:
    found = tuple(
        member(told, name, datetime.datetime) for name in ("signed", "validFrom", "validUntil")
    )
    if not all(one.tzinfo for one in found):
        raise ValueError("its validity is not told in points of time")
    return found
