"""Whose signatures the authority accepts: gateways, issuers and devices that its operator enrolled.

The authority trusts no list of the gateway's: the gateway may be the attacker. The list is a JSON
file in the data directory; ``sealmatch-authority enrol`` and ``suspend`` write it, the running
service notices a change at the next request.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.wire.cose import VerifyKey
from gateway.wire.errors import CallerMisuse, Refused
from gateway.wire.ids import PartyId

Kind = Literal["gateway", "issuer", "device"]
KINDS: Final[tuple[Kind, ...]] = ("gateway", "issuer", "device")


class Enrolled(BaseModel):
    """One enrolled party."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    party: PartyId
    public_key: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Ed25519 public key in hexadecimal."""

    @property
    def verify_key(self) -> VerifyKey:
        return VerifyKey(self.party, bytes.fromhex(self.public_key))


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    parties: list[Enrolled] = []


class TrustList:
    """Enrolled parties, read from a file and re-read when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._parties: dict[tuple[Kind, str], Enrolled] = {}

    def key(self, kind: Kind, party: PartyId) -> VerifyKey:
        """The key of an enrolled party.

        Raises:
            Refused: not enrolled in this role.
        """
        self._refresh()
        found = self._parties.get((kind, party))
        if found is None:
            raise Refused(f"{kind} {party} is not enrolled")
        return found.verify_key

    def gateway_by_key_id(self, key_id: bytes) -> VerifyKey | None:
        """The gateway that signs with this key, or None."""
        self._refresh()
        gateways = (p.verify_key for p in self._parties.values() if p.kind == "gateway")
        return next((key for key in gateways if key.key_id == key_id), None)

    def parties(self) -> list[Enrolled]:
        """All enrolled parties."""
        self._refresh()
        return list(self._parties.values())

    def enrol(self, party: Enrolled) -> None:
        """Enrol a party.

        Raises:
            CallerMisuse: the name is taken in that role by another key.
        """
        self._refresh()
        held = self._parties.get((party.kind, party.party))
        if held is not None and held != party:
            raise CallerMisuse(f"{party.kind} {party.party} is enrolled with another key")
        self._write({**self._parties, (party.kind, party.party): party})

    def suspend(self, kind: Kind, party: PartyId) -> None:
        """Remove a party.

        Raises:
            CallerMisuse: it is not enrolled.
        """
        self._refresh()
        if (kind, party) not in self._parties:
            raise CallerMisuse(f"{kind} {party} is not enrolled")
        self._write({k: v for k, v in self._parties.items() if k != (kind, party)})

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._parties, self._stamp = {}, None
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp == self._stamp:
            return
        try:
            parsed = _File.model_validate_json(self._path.read_bytes())
        except ValidationError:
            raise CallerMisuse(f"{self._path.name} is not a valid trust list") from None
        self._parties = {(p.kind, p.party): p for p in parsed.parties}
        if len(self._parties) != len(parsed.parties):
            raise CallerMisuse(f"{self._path.name} names a party twice")
        self._stamp = stamp

    def _write(self, parties: dict[tuple[Kind, str], Enrolled]) -> None:
        """Replace the file in one step: a crash leaves the old list or the new one."""
        content = {"version": 1, "parties": [p.model_dump() for p in parties.values()]}
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=".trust-")
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump(content, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        self._refresh()
