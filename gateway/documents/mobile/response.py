"""DeviceResponse: what a telephone returned (ISO/IEC 18013-5, 8.3.2.1.2.2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.documents.mobile.encoding import decode, embedded, encode, member, wrapped
from gateway.documents.mobile.signatures import CoseObject

VERSION: Final = "1.0"
DOC_TYPE: Final = "org.iso.18013.5.1.mDL"
"""The driving licence, the one kind that is read."""
_MAX_ELEMENTS: Final = 256
"""Of all name spaces. A licence has some 40, and the half of them are not asked for."""
_ITEM: Final = frozenset({"digestID", "random", "elementIdentifier", "elementValue"})


@dataclass(frozen=True)
class IssuerSignedItem:
    """One element as the issuer made it."""

    encoded: bytes = field(repr=False)
    """What its digest is over."""
    number: int
    name: str
    value: Any = field(repr=False)


@dataclass(frozen=True)
class ReturnedDocument:
    """The document in a response. Nothing of it is verified yet."""

    doc_type: str
    issuer_auth: Any = field(repr=False)
    """COSE_Sign1, not parsed."""
    _name_spaces: Any = field(repr=False)
    _device_signed: Mapping[Any, Any] = field(repr=False)

    @classmethod
    def parse(cls, response: Any) -> "ReturnedDocument":
        """From a decoded response. Raises ``ValueError`` with a text that can be shown."""
        if member(response, "version", str) != VERSION:
            raise ValueError("the response is of a version that is not known here")
        if member(response, "status", int) != 0:
            raise ValueError("the telephone reported an error")
        documents = response.get("documents")
        if not isinstance(documents, list) or len(documents) != 1:
            raise ValueError("it returned none, or several")
        doc_type = member(documents[0], "docType", str)
        if doc_type != DOC_TYPE:
            raise ValueError(f"it is of another kind; {DOC_TYPE} is read")
        issuer_signed = member(documents[0], "issuerSigned", dict)
        return cls(
            doc_type,
            issuer_signed.get("issuerAuth"),
            issuer_signed.get("nameSpaces"),
            member(documents[0], "deviceSigned", dict),
        )

    def items(self, was_signed: Callable[[str, bytes], bool]) -> dict[str, list[IssuerSignedItem]]:
        """The elements, by name space. Raises ``ValueError``.

        Args:
            was_signed: whether the issuer signed a digest of these bytes in a name space. What it
                did not sign is not decoded: 256 elements of a forger's take many seconds.
        """
        told = self._name_spaces
        if not isinstance(told, dict):
            raise ValueError("no elements were returned")
        if not all(type(one) is str and isinstance(told[one], list) for one in told):
            raise ValueError("the elements are malformed")
        if sum(map(len, told.values())) > _MAX_ELEMENTS:
            raise ValueError(f"there are more than {_MAX_ELEMENTS}")
        found = {name: [embedded(one) for one in told[name]] for name in told}
        if not all(was_signed(name, wrapped(one)) for name in found for one in found[name]):
            raise ValueError("one of them was changed")
        return {name: [_item(one) for one in found[name]] for name in found}

    def device_auth(self) -> tuple[CoseObject, bool]:
        """The telephone's answer for the session, and whether it is a MAC.

        Raises ``ValueError``.
        """
        told = member(self._device_signed, "deviceAuth", dict)
        if len(told) != 1:
            raise ValueError("it is not one signature or one MAC")
        is_mac = "deviceMac" in told
        answer = CoseObject.parse(told.get("deviceMac" if is_mac else "deviceSignature"))
        if answer.payload is not None:
            raise ValueError("it is over something else than the session")
        return answer, is_mac

    def device_authentication(self, transcript: bytes) -> bytes:
        """What the telephone signs (9.1.3.4): the session, the kind, and what it says of its own.

        Raises ``ValueError``.
        """
        own = embedded(self._device_signed.get("nameSpaces"))
        if not isinstance(decode(own), dict):
            raise ValueError("what the telephone says of its own is malformed")
        parts = (encode("DeviceAuthentication"), transcript, encode(self.doc_type), wrapped(own))
        return wrapped(b"\x84" + b"".join(parts))


def _item(encoded: bytes) -> IssuerSignedItem:
    told = decode(encoded)
    number, _ = member(told, "digestID", int), member(told, "random", bytes)
    name = member(told, "elementIdentifier", str)
    if told.keys() != _ITEM:
        raise ValueError("an element is malformed")
    return IssuerSignedItem(wrapped(encoded), number, name, told["elementValue"])
