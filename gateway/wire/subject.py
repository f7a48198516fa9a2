"""Document numbers, and what may be said about them without saying them (protocol, 8, 10, 11).

The number never leaves the issuer. What leaves is

- the *subject inner* value, HMAC-SHA-256(site salt, subject): input of the authority's handle;
- the *subject commitment*, SHA-256 over a label, a 32-byte random salt and the subject. The salt
  is an opening for the subscriber: without it a receipt lets nobody test a guess.

The activation commitment hides the activated number or order in the same way, and the guardian
commitment the document of a guardian who agreed in a minor's place.
"""

import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass, field

from gateway.wire.ids import DOCUMENT_TYPES, Commitment, DocumentType, SubjectInner
from gateway.wire.number import UnusableNumber, normal_form

_SUBJECT_LABEL = b"sealmatch/subject/1"
_SUBJECT_COMMITMENT_LABEL = b"sealmatch/subject-commitment/1"
_ACTIVATION_COMMITMENT_LABEL = b"sealmatch/activation-commitment/1"
_GUARDIAN_SALT_LABEL = b"sealmatch/guardian-salt/1"

_BY_NAME: dict[str, DocumentType] = {name: name for name in DOCUMENT_TYPES}
_REFERENCE_BYTES = 128


@dataclass(frozen=True)
class Subject:
    """A document type and number, normalised. The number never shows in a ``repr``."""

    document_type: DocumentType
    number: str = field(repr=False)

    @classmethod
    def of(cls, document_type: str, number: str) -> "Subject":
        """A type, and a number in any of its spellings.

        Raises:
            UnusableNumber: an unknown document type, or not one number (``normal_form``).
        """
        known = _BY_NAME.get(document_type)
        if known is None:
            raise UnusableNumber(f"unknown document type; use one of {', '.join(DOCUMENT_TYPES)}")
        return cls(known, normal_form(number))

    def encode(self) -> bytes:
        """Length-prefixed type and number under a domain label."""
        return _SUBJECT_LABEL + b"\0" + _prefixed(self.document_type) + _prefixed(self.number)

    def inner(self, site_salt: bytes) -> SubjectInner:
        """HMAC-SHA-256(site salt, subject)."""
        return SubjectInner(hmac.digest(site_salt, self.encode(), "sha256"))

    def commitment(self, salt: bytes) -> Commitment:
        return _commit(_SUBJECT_COMMITMENT_LABEL, salt, self.encode())


def activation_commitment(reference: str, salt: bytes) -> Commitment:
    """Commit to the number or order to be activated.

    Raises:
        UnusableNumber: empty, or longer than 128 bytes in UTF-8.
    """
    try:
        encoded = unicodedata.normalize("NFC", reference.strip()).encode()
    except UnicodeEncodeError:
        raise UnusableNumber("the activation reference must be text") from None
    if not 0 < len(encoded) <= _REFERENCE_BYTES:
        raise UnusableNumber("the activation reference must have 1 to 128 bytes")
    return _commit(_ACTIVATION_COMMITMENT_LABEL, salt, encoded)


def guardian_salt(subject_salt: bytes) -> bytes:
    """Under which a guardian's document is committed to, 32 bytes. It follows from the subject's
    salt, so the one opening opens both, and it is another salt, so neither opens the other."""
    return hashlib.sha256(_GUARDIAN_SALT_LABEL + b"\0" + subject_salt).digest()


def new_salt() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(32)


def _commit(label: bytes, salt: bytes, value: bytes) -> Commitment:
    return Commitment(hashlib.sha256(label + b"\0" + salt + value).digest())


def _prefixed(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded
