"""The authority's own long-lived secrets: signing key and pepper (protocol, sections 2 and 11).

They are the only secrets it keeps. Neither opens anything biometric: the signing key vouches for
session keys and decisions, the pepper turns an issuer's value into a subject handle.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from gateway.wire.cose import SigningKey
from gateway.wire.ids import PartyId, SubjectHandle, SubjectInner
from gateway.wire.keyfile import create_secret, create_signing_key, load_signing_key, read_secret

SIGNING_KEY_FILE = "signing.key"
PEPPER_FILE = "pepper.key"
_PEPPER_BYTES = 32


@dataclass(frozen=True)
class Custody:
    """The authority's secrets in memory. Neither shows in a ``repr``."""

    signing: SigningKey = field(repr=False)
    pepper: bytes = field(repr=False)

    def handles(self, gateway: PartyId, inner: SubjectInner) -> tuple[SubjectHandle, ...]:
        name = gateway.encode()
        value = len(name).to_bytes(2, "big") + name + inner
        return (SubjectHandle(hmac.digest(self.pepper, value, "sha256")),)

    def handle(self, inner: SubjectInner) -> SubjectHandle:
        """HMAC-SHA-256(pepper, HMAC(site salt, subject)): same subject, same handle; nobody
        without the pepper can compute one to test a guess."""
        return SubjectHandle(hmac.digest(self.pepper, inner, "sha256"))


def create(directory: Path, party: PartyId) -> Custody:
    """Draw signing key and pepper into a new data directory.

    Raises:
        KeyFileError: the directory holds such keys already.
    """
    signing = create_signing_key(directory / SIGNING_KEY_FILE, party)
    pepper = secrets.token_bytes(_PEPPER_BYTES)
    create_secret(directory / PEPPER_FILE, pepper)
    return Custody(signing, pepper)


def load(directory: Path, party: PartyId) -> Custody:
    """Load both secrets.

    Raises:
        KeyFileError: missing, damaged, or open to others.
    """
    return Custody(
        load_signing_key(directory / SIGNING_KEY_FILE, party),
        read_secret(directory / PEPPER_FILE, _PEPPER_BYTES),
    )
