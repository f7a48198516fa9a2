"""What a client and a verifier pin: ``trust.json``.

Public keys and addresses only. It may name *files* that hold an enrolled device's and issuer's
private keys, relative to itself; a verifier needs none of them.
"""

import json
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from gateway.wire.cose import VerifyKey
from gateway.wire.errors import SealmatchError
from gateway.wire.ids import PartyId
from gateway.wire.sealing import PUBLIC_BYTES, SealingPublicKey

_MAX_BYTES = 256 * 1024

HexKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class UnusableTrustFile(SealmatchError):
    """The trust file is missing, not valid, or does not pin a party that is needed."""


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )


class PinnedGateway(_Part):
    party: PartyId
    url: str
    ca_file: str | None = None
    """CA of its TLS certificate (PEM), relative to this file; None: the system's CAs."""
    public_key: HexKey
    sealing_key: Annotated[str, Field(pattern=rf"^[0-9a-f]{{{2 * PUBLIC_BYTES}}}$")]
    """ML-KEM-768 + X25519, in hexadecimal."""

    @property
    def verify_key(self) -> VerifyKey:
        return VerifyKey(self.party, bytes.fromhex(self.public_key))

    @property
    def sealing(self) -> SealingPublicKey:
        return SealingPublicKey(bytes.fromhex(self.sealing_key))


class PinnedAuthority(_Part):
    party: PartyId
    url: str
    public_key: HexKey

    @property
    def verify_key(self) -> VerifyKey:
        return VerifyKey(self.party, bytes.fromhex(self.public_key))


class Counter(_Part):
    """An enrolled registration counter: names, and files with its keys, relative to the file."""

    device: PartyId
    device_key_file: str
    issuer: PartyId
    issuer_key_file: str
    site_salt_file: str
    agent: PartyId
    outlet: PartyId


class TrustFile(_Part):
    """The pinned parties of one deployment."""

    version: Literal[1] = 1
    gateways: Annotated[list[PinnedGateway], Field(min_length=1)]
    authorities: Annotated[list[PinnedAuthority], Field(min_length=1)]
    policies: list[HexKey]
    """SHA-256 of the match policies that a verifier accepts."""
    counter: Counter | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a trust file.

        Raises:
            UnusableTrustFile: unreadable or not valid; the text names the fields.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UnusableTrustFile(f"{path}: {error.strerror}") from None
        if len(content) > _MAX_BYTES:
            raise UnusableTrustFile(f"{path} is too large to be a trust file")
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            fields = sorted({".".join(map(str, e["loc"])) or "JSON" for e in error.errors()})
            raise UnusableTrustFile(f"{path}: check {', '.join(fields[:5])}") from None

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.model_dump(by_alias=True), indent=2) + "\n")

    def gateway(self, party: PartyId) -> PinnedGateway:
        return _find(self.gateways, party, "gateway")

    def authority(self, party: PartyId) -> PinnedAuthority:
        return _find(self.authorities, party, "authority")


P = TypeVar("P", PinnedGateway, PinnedAuthority)


def _find(pinned: list[P], party: PartyId, role: str) -> P:
    for one in pinned:
        if one.party == party:
            return one
    raise UnusableTrustFile(f"no pinned {role} of the name that the document states")
