"""A trust file made from what the servers' operators hand over: the output of ``keys show``."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from gateway.proofs.trust import (
    CounterFiles,
    HexKey,
    PinnedAuditor,
    PinnedAuthority,
    PinnedGateway,
    PinnedOperator,
    TrustFile,
    UnusableTrustFile,
)
from gateway.wire.errors import MalformedMessage
from gateway.wire.ids import PartyId


class Shown(BaseModel):
    """What ``keys show`` prints, as far as others pin it."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, validate_by_name=True, hide_input_in_errors=True
    )

    party: PartyId
    public_key: HexKey
    next_public_key: HexKey | None = None
    """During a rotation, the key that will sign next."""
    sealing_key: str | None = None
    policy_digest: HexKey | None = None
    """Of a gateway: its match policy."""
    policy_approval: str | None = None
    """Of a gateway: two operators' approval of it, in base64; None: nobody signed it."""
    operators: tuple[PinnedOperator, ...] = ()
    """Of a gateway: who these two are, by its word."""
    log_policy: Annotated[list[str], Field(max_length=256)] | None = None
    """Of a gateway: its log and the log's witnesses."""

    @classmethod
    def decode(cls, content: bytes) -> "Shown":
        """Read it. Raises ``MalformedMessage``, naming the fields that are wrong."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            places = {".".join(map(str, one["loc"])) for one in error.errors()}
            named = ", ".join(sorted(filter(None, places))) or "it is not JSON"
            raise MalformedMessage(f"it is not what keys show prints: {named}") from None

    @property
    def keys(self) -> list[str]:
        return [key for key in (self.public_key, self.next_public_key) if key is not None]


@dataclass(frozen=True)
class Pinned:
    """A server as it is pinned: its keys, and where it is reached."""

    shown: Shown
    url: str
    ca_file: str | None = None


def trust_file(
    gateway: Pinned, authority: Pinned, auditor: Shown | None, counter: CounterFiles | None
) -> TrustFile:
    """The trust file that pins these parties.

    Raises:
        UnusableTrustFile: something that must be pinned is missing, or has another form.
    """
    if gateway.shown.policy_digest is None:
        raise UnusableTrustFile("the gateway's keys have no policyDigest: is this its keys show?")
    try:
        return TrustFile(
            gateways=[
                PinnedGateway(**_server(gateway, key), ca_file=gateway.ca_file)
                for key in gateway.shown.keys
            ],
            authorities=[
                PinnedAuthority(**_server(authority, key)) for key in authority.shown.keys
            ],
            auditors=[]
            if auditor is None
            else [PinnedAuditor(party=auditor.party, public_key=key) for key in auditor.keys],
            policies=[gateway.shown.policy_digest],
            operators=list(gateway.shown.operators),
            policy_approvals=[one for one in (gateway.shown.policy_approval,) if one is not None],
            log_policy=gateway.shown.log_policy,
            counter=counter,
        )
    except ValidationError as error:
        places = {f"{error.title} {'.'.join(map(str, one['loc']))}" for one in error.errors()}
        raise UnusableTrustFile(f"this cannot be pinned: {', '.join(sorted(places))}") from None


def _server(pinned: Pinned, key: str) -> dict[str, str]:
    return {
        "party": pinned.shown.party,
        "url": pinned.url,
        "public_key": key,
        "sealing_key": pinned.shown.sealing_key or "",
    }
