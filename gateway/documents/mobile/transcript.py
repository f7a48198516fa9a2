"""SessionTranscript: the session in which a telephone answered (ISO/IEC 18013-5, 9.1.5.1).

The telephone signs it, so an answer of another session does not count for this one. What stands in
it, the reader wrote: how the telephone was engaged, the key that the reader made for the session,
and how both met (QR code or NFC). A session over the Internet (ISO/IEC 18013-7) has neither
engagement nor key, or names another way in which both met; it is refused, because its telephone may
lie anywhere.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from gateway.documents.mobile.encoding import decode, embedded
from gateway.documents.mobile.signatures import VerifyKey, device_key

_PARTS: Final = 3


@dataclass(frozen=True)
class SessionTranscript:
    """One session. ``encoded`` as the telephone signed it."""

    encoded: bytes = field(repr=False)
    _reader_key: bytes = field(repr=False)
    """EReaderKey, a COSE_Key; looked at for a MAC alone."""

    @classmethod
    def parse(cls, file: bytes) -> "SessionTranscript":
        """A transcript, or one that is encoded once more (SessionTranscriptBytes).

        Raises ``ValueError`` with a text that can be shown.
        """
        value = decode(file)
        encoded = file
        if isinstance(value, cbor2.CBORTag):
            encoded = embedded(value)
            value = decode(encoded)
        if not isinstance(value, list) or len(value) != _PARTS:
            raise ValueError("it is no session's transcript")
        engagement, reader_key, met = value
        if engagement is None or reader_key is None or not _is_here(met):
            raise ValueError("the session was held over the Internet, not with a telephone here")
        embedded(engagement)
        return cls(encoded, embedded(reader_key))

    def reader_key(self) -> VerifyKey:
        """The public key that the reader made for this session. Raises ``ValueError``."""
        return device_key(decode(self._reader_key))


def _is_here(met: Any) -> bool:
    """Whether a session's Handover is one by QR code (null), or NFC: the message by which one of
    the two was chosen, and the one by which it was asked for, if it was."""
    if not isinstance(met, list):
        return met is None
    return list(map(type, met)) in ([bytes, bytes], [bytes, type(None)])


def reader_private_key(file: bytes) -> ec.EllipticCurvePrivateKey:
    """A reader's key, PKCS #8 or SEC 1, in PEM or DER. Raises ``ValueError``."""
    try:
        load = load_pem_private_key if file.startswith(b"-") else load_der_private_key
        key = load(file, None)
    except Exception:  # noqa: BLE001 - parsers of hostile bytes raise many kinds
        raise ValueError("the reader's key is malformed") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the reader's key is of a kind that is not accepted")
    return key
