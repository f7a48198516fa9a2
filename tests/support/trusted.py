"""Trust lists for tests: signed by a key that the test holds."""

from __future__ import annotations

from pathlib import Path

from gateway.wire.admin import ChainKeys, PartyKind
from gateway.wire.cose import SigningKey
from keys.trust import TrustList
from keys.trust_file import Enrolled

AT = 1_763_760_000
"""When everything here was enrolled."""


def entry(kind: PartyKind, key: SigningKey) -> Enrolled:
    """A party of this key's name."""
    return Enrolled(kind=kind, party=key.party, public_key=key.public.raw.hex())


class SignedTrust(TrustList):
    """A trust list together with the key that signs its history."""

    def __init__(self, path: Path, authority: SigningKey) -> None:
        super().__init__(path, ChainKeys((authority.public,)))
        self.authority = authority

    def add(self, kind: PartyKind, *keys: SigningKey, overlap: bool = False) -> SignedTrust:
        """Enrol each key under its own name."""
        parties = [entry(kind, key) for key in keys]
        self.enrol(parties, self.authority, AT, overlap=overlap)
        return self

    def remove(self, kind: PartyKind, party: str, public_key: str | None = None) -> None:
        self.suspend(kind, party, self.authority, AT, public_key)
