"""What a client and a verifier pin: ``trust.json``.

It holds only public keys and addresses. It may name *files* that hold an enrolled device's and
issuer's private keys, relative to itself; a verifier needs none of them.

While a party rotates its key, it stands here twice, with the old key and the new one. Either
counts.
"""

import base64
import codecs
import json
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from gateway.proofs.approval import approval_digest
from gateway.proofs.edited import MAX_FAULTS, EditedPart
from gateway.translog.policy import TrustPolicy
from gateway.wire.cose import MAX_KEYS, VerifyKey
from gateway.wire.errors import BodyTooLarge, MalformedMessage, SealmatchError
from gateway.wire.ids import Digest, PartyId
from gateway.wire.orders import AgreedOrder
from gateway.wire.sealing import PUBLIC_BYTES, SealingPublicKey

_MAX_BYTES = 256 * 1024

HexKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ApprovalText = Annotated[str, Field(min_length=1, max_length=2 * AgreedOrder.max_bytes)]


class UnusableTrustFile(SealmatchError):
    """The trust file is missing, not valid, or does not pin a party that is needed."""


class _PinnedServer(EditedPart):
    """A party that signs, and to which messages are sealed."""

    party: PartyId
    """Its enrolment name, under which it signs."""
    url: str
    """Where it is reached, as it stands in the server's ``public_urls``."""
    public_key: HexKey
    """Ed25519, in hexadecimal: ``publicKey`` of the server's ``keys show``."""
    sealing_key: Annotated[str, Field(pattern=rf"^[0-9a-f]{{{2 * PUBLIC_BYTES}}}$")]
    """ML-KEM-768 + X25519, in hexadecimal."""

    @property
    def verify_key(self) -> VerifyKey:
        return VerifyKey(self.party, bytes.fromhex(self.public_key))

    @property
    def sealing(self) -> SealingPublicKey:
        return SealingPublicKey(bytes.fromhex(self.sealing_key))


class PinnedGateway(_PinnedServer):
    ca_file: str | None = None
    """CA of its TLS certificate (PEM), relative to this file; None: the system's CAs."""


class PinnedAuthority(_PinnedServer):
    """Clients and issuers do not connect to the authority; the gateway does."""


class PinnedAuditor(EditedPart):
    """An auditor, whose countersignatures count."""

    party: PartyId
    """Its enrolment name, under which it signs."""
    public_key: HexKey
    """Ed25519, in hexadecimal: ``publicKey`` of its ``keys show``."""


class PinnedSupervisor(EditedPart):
    """A supervisor, whose approvals of registrations without a face count."""

    party: PartyId
    """Its pseudonym, under which it signs."""
    public_key: HexKey
    """Ed25519, in hexadecimal: as ``fallback new-key`` prints it."""


class PinnedOperator(EditedPart):
    """A person who operates the gateway, whose signature under a match policy counts."""

    party: PartyId
    """The enrolment name, under which the person signs."""
    public_key: HexKey
    """Ed25519, in hexadecimal: as ``sealmatch-gateway operator new-key`` prints it. Ask the person,
    and not the gateway."""

    @property
    def verify_key(self) -> VerifyKey:
        return VerifyKey(self.party, bytes.fromhex(self.public_key))


class CounterFiles(EditedPart):
    """An enrolled registration counter: names, and files of its own, relative to this one."""

    device: PartyId
    """Enrolment name of the device, at the gateway, the authority and the auditor."""
    device_key_file: str
    """The device's private key, 32 bytes; mode 0600, like the two below."""
    issuer: PartyId
    """Enrolment name of the document reader, at the same three."""
    issuer_key_file: str
    """The reader's private key."""
    site_salt_file: str
    """The site's secret, under which document numbers become keyed hashes."""
    assertions_file: str = "assertions.sqlite3"
    """Where its issuer counts how often it reads a document; no key."""
    assertions_per_document: Annotated[int, Field(ge=1, le=1000)] = 10
    """In 24 hours."""
    documents: dict[str, Literal["chip", "mobile", "mrz", "any"]] | None = None
    """Kinds of document that are accepted: by their verified chip, as a verified mobile document,
    by their machine-readable zone, or in any way. None: every kind, in any way."""
    csca_file: str | None = None
    """Certificates (PEM) of the authorities that issue chips' signers (CSCA), whose chips count as
    verified. None: no chip does."""
    iaca_file: str | None = None
    """Certificates (PEM) of the authorities that issue mobile documents' signers (IACA), whose
    mobile driving licences count. None: none does."""
    chips_not_listed: Literal["refuse", "read"] = "refuse"
    """What becomes of a chip whose issuer is not in that file, and is in order otherwise: refused,
    or taken as ``read``, which is never ``chip-verified``."""
    pictures: Literal["photographed", "read"] = "photographed"
    """What a picture file is at this counter: taken of the document, or written by a reader on this
    machine that takes it out of the document's chip."""
    expired_grace_days: Annotated[int, Field(ge=0, le=3650)] | None = 0
    """For how long after its date of expiry a document is accepted, where the date is known (from
    a machine-readable zone). None: the counter does not look at it."""
    mismatches_file: str = "mismatches.sqlite3"
    """Where the counter remembers mismatches, to explain a lock; no key."""
    mismatches_to_lock: Annotated[int, Field(ge=0, le=1000)] = 3
    """The authority's ``failures_to_lock``, told to the counter; 0: locks are not explained."""
    lock_seconds: Annotated[int, Field(ge=0, le=86_400)] = 3600
    """The authority's setting of this name."""
    consent_file: str | None = None
    """The consent texts that are shown, as the gateway exported them. None: no person can be
    registered; registrations with known answers can."""
    consent_digest: HexKey | None = None
    """SHA-256 of the consent texts, as ``consent export`` and ``consent list`` print it."""
    guardian_below_age: Annotated[int, Field(ge=1, le=25)] | None = None
    """Below this age a guardian agrees in the person's place. It counts where a machine-readable
    zone tells the age; otherwise the agent says ``--minor``. None: nobody's age is looked at."""
    agent: PartyId
    """Pseudonym of the person who works here, enrolled at the gateway."""
    agent_key_file: str | None = None
    """The agent's private key, with which registrations without a face are signed. None: whoever
    signs one names the file."""
    supervisor: PartyId | None = None
    """Pseudonym of the other person who approves them. None: whoever asks names the supervisor."""
    outlet: PartyId
    """Pseudonym of the shop, enrolled at the gateway."""


class TrustFile(EditedPart):
    """The pinned parties of one deployment."""

    version: Literal[1] = 1
    """Of this format."""
    gateways: Annotated[list[PinnedGateway], Field(min_length=1)]
    """A counter uses the first one."""
    authorities: Annotated[list[PinnedAuthority], Field(min_length=1)]
    """A counter uses the first one."""
    policies: list[HexKey]
    """SHA-256 of the match policies that a verifier accepts."""
    log_policy: Annotated[list[str], Field(max_length=256)] | None = None
    """Lines of a C2SP ``tlog-policy``: the logs and witnesses that a receipt's log proof needs.
    None: the verifier does not ask whether a statement was logged."""
    counter: CounterFiles | None = None
    """Of a counter's own file; a verifier's has none."""
    auditors: list[PinnedAuditor] = Field(default=[])
    """Whose countersignatures a verifier checks."""
    supervisors: list[PinnedSupervisor] = Field(default=[])
    """Whose approvals count. Empty: those of everybody whom the gateway has enrolled."""
    operators: list[PinnedOperator] = Field(default=[])
    """Of whom two must have signed a match policy. Empty: who signed it is not checked."""
    policy_approvals: Annotated[list[ApprovalText], Field(max_length=64)] = Field(default=[])
    """Approvals of match policies, in base64: ``policyApproval`` of the gateway's ``keys show``.
    A statement names one by its digest."""

    @classmethod
    def schema_document(cls) -> bytes:
        """The JSON Schema of trust files, as ``docs/trust.schema.json`` publishes it."""
        schema = cls.model_json_schema(by_alias=True)
        return json.dumps(schema, indent=2, sort_keys=True).encode() + b"\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a trust file.

        Raises:
            UnusableTrustFile: unreadable or not valid; the text names the file, and of the fields
                what is wrong with each.
        """
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise UnusableTrustFile(f"{path}: {reason}") from None
        if len(content) > _MAX_BYTES:
            raise UnusableTrustFile(f"{path}: it is too large to be a trust file")
        try:
            return cls.model_validate_json(content.removeprefix(codecs.BOM_UTF8))
        except ValidationError as error:
            faults = sorted({_fault(e) for e in error.errors()})
            raise UnusableTrustFile(f"{path}: {'; '.join(faults[:MAX_FAULTS])}") from None

    def encode(self) -> bytes:
        """The file's content."""
        return json.dumps(self.model_dump(by_alias=True), indent=2).encode() + b"\n"

    def write(self, path: Path) -> None:
        path.write_bytes(self.encode())

    def gateway(self, party: PartyId) -> PinnedGateway:
        """The gateway of this name; of two entries, the first. Raises ``UnusableTrustFile``."""
        return _named(self.gateways, party, "gateway")[0]

    def authority(self, party: PartyId) -> PinnedAuthority:
        """The authority of this name; of two entries, the first. Raises ``UnusableTrustFile``."""
        return _named(self.authorities, party, "authority")[0]

    def gateway_key(self, party: PartyId) -> VerifyKey:
        """The key, or both keys, under which a gateway signs. Raises ``UnusableTrustFile``."""
        named = _named(self.gateways, party, "gateway")
        return VerifyKey.pinned(party, [one.public_key for one in named])

    def authority_key(self, party: PartyId) -> VerifyKey:
        """The key, or both keys, under which an authority signs. Raises ``UnusableTrustFile``."""
        named = _named(self.authorities, party, "authority")
        return VerifyKey.pinned(party, [one.public_key for one in named])

    def authority_sealing(self, party: PartyId) -> SealingPublicKey:
        """The key to seal to; of two entries, the first one's. Raises ``UnusableTrustFile``."""
        return self.authority(party).sealing

    def auditor_key(self, party: PartyId) -> VerifyKey:
        """The key, or both keys, under which an auditor signs. Raises ``UnusableTrustFile``."""
        named = _named(self.auditors, party, "auditor")
        return VerifyKey.pinned(party, [one.public_key for one in named])

    def supervisor_key(self, party: PartyId) -> VerifyKey:
        """The key, or both keys, under which a supervisor signs. Raises ``UnusableTrustFile``."""
        named = _named(self.supervisors, party, "supervisor")
        return VerifyKey.pinned(party, [one.public_key for one in named])

    def operator_key(self, party: PartyId) -> VerifyKey:
        """The key under which an operator signs. Raises ``UnusableTrustFile``."""
        return _named(self.operators, party, "operator")[0].verify_key

    def approval(self, digest: Digest) -> bytes | None:
        """The approval that a statement names, if it is here; of several that have its agreement,
        the first. Nothing of it is checked."""
        return next((one for name, one in self._approvals if name == digest), None)

    @property
    def approvals(self) -> tuple[bytes, ...]:
        """All of them. Nothing of them is checked. One that has the agreement of another beside
        another order does not take its place: it would hide it."""
        return tuple(one for _, one in self._approvals)

    def with_approval(self, encoded: bytes) -> Self:
        """The same with one approval more. Raises ``MalformedMessage``."""
        approval_digest(encoded)
        further = [*self.policy_approvals, base64.b64encode(encoded).decode()]
        return self.model_copy(update={"policy_approvals": further})

    @property
    def _approvals(self) -> list[tuple[Digest, bytes]]:
        try:
            given = [base64.b64decode(one, validate=True) for one in self.policy_approvals]
            return [(approval_digest(one), one) for one in given]
        except (ValueError, SealmatchError):
            raise UnusableTrustFile("policyApprovals: one is no approval in base64") from None

    @property
    def log(self) -> TrustPolicy | None:
        """The policy for log proofs. Raises ``UnusableTrustFile``."""
        if self.log_policy is None:
            return None
        try:
            return TrustPolicy.parse("".join(f"{line}\n" for line in self.log_policy).encode())
        except (MalformedMessage, BodyTooLarge) as error:
            raise UnusableTrustFile(f"logPolicy: {error}") from None

    @model_validator(mode="after")
    def _a_policy_for_logs(self) -> Self:
        try:
            self.log  # noqa: B018  parsed for its errors
        except UnusableTrustFile as error:
            raise ValueError(str(error)) from None
        return self

    @model_validator(mode="after")
    def _approvals_of_people(self) -> Self:
        """Two names with one key would be one person, and one name with two keys two."""
        for what in ({one.party for one in self.operators}, {o.public_key for o in self.operators}):
            if len(what) < len(self.operators):
                raise ValueError("operators: one of them, or a key, stands there twice")
        try:
            self._approvals  # noqa: B018  read for its errors
        except UnusableTrustFile as error:
            raise ValueError(str(error)) from None
        return self

    @model_validator(mode="after")
    def _two_entries_at_most(self) -> Self:
        for pinned in (self.gateways, self.authorities, self.auditors, self.supervisors):
            names = [one.party for one in pinned]
            if any(names.count(name) > MAX_KEYS for name in names):
                raise ValueError("a party is listed more than twice")
        return self


def _fault(error: ErrorDetails) -> str:
    """A field and what is wrong with it, or with the whole. No text repeats a value."""
    place = ".".join(map(str, error["loc"]))
    match error["type"]:
        case "value_error":
            return str(error["ctx"]["error"])
        case "json_invalid":
            return f"it is not JSON in UTF-8: {error['ctx']['error']}"
        case "missing":
            return f"{place} is missing"
        case "extra_forbidden":
            return f"{place} is no field of a trust file"
    told = error["msg"][:1].lower() + error["msg"][1:]
    return f"{place}: {told}" if place else "it is no JSON object"


P = TypeVar("P", PinnedGateway, PinnedAuthority, PinnedAuditor, PinnedSupervisor, PinnedOperator)


def _named(pinned: list[P], party: PartyId, role: str) -> list[P]:
    named = [one for one in pinned if one.party == party]
    if not named:
        raise UnusableTrustFile(f"no pinned {role} of the name that the document states")
    return named
