"""Whose signatures the auditor accepts: authorities, gateways, issuers and devices it enrolled.

The auditor takes nobody else's list, since that would be the list of those whom it audits. The list
is a JSON file in its data directory. ``sealmatch-auditor enrol`` and ``suspend`` write it, and the
running service notices a change at the next request. A party that rotates its key is listed twice.
"""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.host.keyfile import exclusive, write_private
from gateway.host.watched import WatchedFile
from gateway.wire.admin import PartyKind, held_by, no_entry
from gateway.wire.cose import MAX_KEYS, VerifyKey
from gateway.wire.errors import CallerMisuse, Refused
from gateway.wire.ids import PartyId

KINDS: Final[tuple[PartyKind, ...]] = ("authority", "gateway", "issuer", "device")


class Enrolled(BaseModel):
    """One key of one enrolled party."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: Annotated[PartyKind, held_by(KINDS)]
    party: PartyId
    public_key: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Ed25519 public key in hexadecimal."""

    @classmethod
    def of(cls, kind: str, party: str, public_key: str) -> Self:
        """Check and build an entry. Raises ``CallerMisuse``, which names what is wrong."""
        values = {"kind": kind, "party": party, "public_key": public_key}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise no_entry(error) from None


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: Literal[1] = 1
    parties: tuple[Enrolled, ...] = ()

    @model_validator(mode="after")
    def _keys(self) -> Self:
        names = [(one.kind, one.party) for one in self.parties]
        if len(set(self.parties)) != len(names) or any(names.count(n) > MAX_KEYS for n in names):
            raise ValueError("a key twice, or a party more than twice")
        return self


class Register:
    """Enrolled parties, read from a file and re-read when it changes."""

    def __init__(self, path: Path) -> None:
        self._file: WatchedFile[tuple[Enrolled, ...]] = WatchedFile(path, _read, ())

    def authority(self, party: PartyId) -> VerifyKey:
        """The key, or both keys, of an enrolled authority. Raises ``Refused``."""
        return self._key("authority", party)

    def issuer(self, party: PartyId) -> VerifyKey:
        """The key, or both keys, of an enrolled issuer. Raises ``Refused``."""
        return self._key("issuer", party)

    def device(self, party: PartyId) -> VerifyKey:
        """The key, or both keys, of an enrolled device. Raises ``Refused``."""
        return self._key("device", party)

    def gateway_by_key_id(self, key_id: bytes) -> VerifyKey | None:
        """The gateway that signs with this key, or None."""
        gateways = (
            VerifyKey(one.party, bytes.fromhex(one.public_key))
            for one in self.parties()
            if one.kind == "gateway"
        )
        return next((key for key in gateways if key.key_id == key_id), None)

    def parties(self) -> tuple[Enrolled, ...]:
        """All enrolled keys."""
        return self._file.value()

    def enrol(self, party: Enrolled) -> None:
        """Enrol a party, or its second key.

        Raises:
            CallerMisuse: it has two keys already.
        """
        with exclusive(self._file.path.parent):
            held = self.parties()
            if party not in held:
                self._write((*held, party))

    def suspend(self, kind: PartyKind, party: PartyId, public_key: str | None = None) -> None:
        """Remove a party, or one of its keys.

        Raises:
            CallerMisuse: it is not enrolled.
        """
        with exclusive(self._file.path.parent):
            held = self.parties()
            kept = tuple(
                one
                for one in held
                if (one.kind, one.party) != (kind, party)
                or public_key not in (None, one.public_key)
            )
            if len(kept) == len(held):
                raise CallerMisuse(f"{kind} {party} is not enrolled")
            self._write(kept)

    def _key(self, kind: PartyKind, party: PartyId) -> VerifyKey:
        keys = [p.public_key for p in self.parties() if (p.kind, p.party) == (kind, party)]
        if not keys:
            raise Refused(f"{kind} {party} is not enrolled")
        return VerifyKey.pinned(party, keys)

    def _write(self, parties: tuple[Enrolled, ...]) -> None:
        """Replace the file in one step: a crash leaves the old list or the new one on the disk."""
        try:
            content = _File(parties=parties).model_dump_json(indent=1)
        except ValidationError:
            raise CallerMisuse("a party has one key, or two while it rotates") from None
        write_private(self._file.path, content.encode())


def _read(path: Path, _: tuple[Enrolled, ...]) -> tuple[Enrolled, ...]:
    """A missing file enrols nobody."""
    try:
        return _File.model_validate_json(path.read_bytes()).parties
    except FileNotFoundError:
        return ()
    except ValidationError:
        raise CallerMisuse(f"{path.name} is not a valid list of parties") from None
