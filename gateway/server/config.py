"""Configuration of the gateway."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from gateway.he.settings import HeServerSettings
from gateway.host.server_settings import Port
from gateway.host.settings import BadConfiguration
from gateway.host.tls import ClientTls
from gateway.server.liveness import (
    NUMBERS,
    LivenessMode,
    LivenessPolicy,
    may_ask,
)
from gateway.wire.admin import PartyKind
from gateway.wire.cose import VerifyKey
from gateway.wire.ids import Digest, ModelId, PartyId
from gateway.wire.liveness import (
    ACTION_KINDS,
    MAX_ACTIONS,
    MAX_LIMIT_MS,
    MAX_NUMBERS,
    MOVEMENTS,
    PassiveRule,
)
from gateway.wire.quality import QualityRule
from gateway.wire.sealing import PUBLIC_BYTES, SealingPublicKey

LogRead = Literal["enrolled", "public"]


class GatewaySettings(HeServerSettings):
    """``sealmatch-gateway serve --config FILE``; variables ``SEALMATCH_GATEWAY_...``."""

    prefix: ClassVar[str] = "sealmatch_gateway"
    private: ClassVar[frozenset[str]] = frozenset({"database_url"})  # may name an account

    party: PartyId = Field(default="gateway", description="The gateway's enrolment name.")
    data_dir: Path = Field(description="Directory of the gateway's keys and SQLite database.")
    database_url: str | None = Field(
        default=None,
        description="URL of a PostgreSQL database, see DEPLOYMENT; without it, SQLite in data_dir.",
    )
    port: Port = 8470
    authority_url: str = Field(
        default="http://127.0.0.1:8471",
        description="Base URL of the key authority; several with commas where it runs in several "
        "instances, in one order at all processes of the gateway.",
    )
    authority_party: PartyId = Field(
        default="authority", description="The key authority's enrolment name."
    )
    authority_public_key: str = Field(
        pattern=r"^[0-9a-f]{64}(,[0-9a-f]{64})?$",
        description="The key authority's Ed25519 public key in hexadecimal, pinned; two of them, "
        "with a comma, while it rotates its key.",
    )
    authority_ca: Path | None = Field(
        default=None, description="CA that the key authority's TLS certificate is of (PEM)."
    )
    authority_client_certificate: Path | None = Field(
        default=None, description="The gateway's own certificate for mutual TLS (PEM)."
    )
    authority_client_key: Path | None = Field(
        default=None, description="Key of the gateway's own certificate (PEM)."
    )
    authority_seconds: float = Field(
        default=10, gt=0, le=60, description="Seconds to wait for one answer of the authority."
    )
    auditor_url: str | None = Field(
        default=None,
        description="Base URL of the auditor. Without one, sessions of which the key authority "
        "demands an audit fail.",
    )
    auditor_party: PartyId = Field(default="auditor", description="The auditor's enrolment name.")
    auditor_public_key: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}(,[0-9a-f]{64})?$",
        description="The auditor's Ed25519 public key in hexadecimal, pinned; two of them, with a "
        "comma, while it rotates its key.",
    )
    auditor_sealing_key: str | None = Field(
        default=None,
        pattern=rf"^[0-9a-f]{{{2 * PUBLIC_BYTES}}}$",
        description="The auditor's public sealing key in hexadecimal, pinned: what opens an "
        "audited session travels under it.",
    )
    auditor_ca: Path | None = Field(
        default=None, description="CA that the auditor's TLS certificate is of (PEM)."
    )
    auditor_seconds: float = Field(
        default=20, gt=0, le=60, description="Seconds to wait for one answer of the auditor."
    )
    model_id: ModelId = Field(description="Face model for which the threshold was calibrated.")
    model_digest: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the model pack's manifest."
    )
    threshold_cosine: str = Field(
        default="0.419",
        pattern=r"^0\.[0-9]{1,6}$",
        description="Accepted from this cosine, while no signed match policy is in force; 0.419 is "
        "a false match rate of 1e-4 for the default model, measured on LFW.",
    )
    action_cosine: str = Field(
        default="0.341",
        pattern=r"^0\.[0-9]{1,6}$",
        description="The same in the lane of the liveness actions, whose frames are less like a "
        "portrait (ADR 11).",
    )
    require_signed_policy: bool = Field(
        default=False,
        description="Start, and open sessions, only under a match policy that two operators "
        "signed (sealmatch-gateway policy).",
    )
    face_quality: QualityRule = Field(
        default="required",
        description="What issuer and device must have signed of their pictures: required (every "
        "one passed the quality gate that is calibrated for the face model) or optional (a model "
        "pack without such a gate will do, and the statement says so).",
    )
    liveness: LivenessMode = Field(
        default="required",
        description="Liveness check: off, optional (a still photograph will do, and the statement "
        "says so) or required.",
    )
    liveness_kinds: str = Field(
        default=",".join(MOVEMENTS),
        pattern=r"^[a-z-]+(,[a-z-]+)*$",
        description="Actions to ask for, at least three, or count with or without others: blink, "
        "open-mouth, turn-left, turn-right, count (numbers that are said aloud, or mouthed).",
    )
    liveness_numbers: int = Field(
        default=NUMBERS, ge=4, le=MAX_NUMBERS, description="Numbers in a count."
    )
    liveness_actions: int = Field(
        default=3, ge=1, le=MAX_ACTIONS, description="Actions in one challenge."
    )
    liveness_seconds: int = Field(
        default=20,
        ge=3,
        le=MAX_LIMIT_MS // 1000,
        description="Time limit of a challenge; a count adds the time of its numbers.",
    )
    liveness_if_impossible: Literal["refuse", "go-on"] = Field(
        default="refuse",
        description="When so many actions were excluded for a person that fewer than three are "
        "left, and no count: refuse, or go on without (the statement says so).",
    )
    liveness_passive: PassiveRule = Field(
        default="warn",
        description="Passive check of single frames (weak, see MODELS): off, warn or require.",
    )
    liveness_passive_threshold: int = Field(
        default=50, ge=0, le=100, description="Passive score in hundredths, below which it fails."
    )
    workers: int = Field(
        default=2, ge=1, le=64, description="Processes that evaluate; as many as it has cores."
    )
    shard: int | None = Field(
        default=None,
        ge=0,
        le=255,
        description="Number of this process where several serve one database: the first byte of "
        "its session ids, by which a proxy finds it. Without it, it must be the only one.",
    )
    activations_per_subject: int = Field(
        default=5, ge=1, le=1000, description="Live activations that one document may have."
    )
    fallbacks_per_agent: int = Field(
        default=10,
        ge=1,
        le=10_000,
        description="Registrations without a face that one agent may record in an hour.",
    )
    fallbacks_per_supervisor: int = Field(
        default=30, ge=1, le=10_000, description="The same of one supervisor, who approves them."
    )
    fallbacks_per_device: int = Field(
        default=20, ge=1, le=10_000, description="The same of one counter's device."
    )
    subject_requests_per_device: int = Field(
        default=30,
        ge=1,
        le=10_000,
        description="Subjects' requests (copy, erasure, withdrawal) that one counter's device may "
        "send in an hour.",
    )
    retention_days: int = Field(
        default=180,
        ge=1,
        le=3650,
        description="Days until a record expires, while no retention schedule was adopted.",
    )
    reap_seconds: int = Field(
        default=3600,
        ge=1,
        le=86400,
        description="Seconds from one removal of what is due to the next.",
    )
    scrub_hour: int | None = Field(
        default=2,
        ge=0,
        le=23,
        description="Hour (UTC) from which, once a day, the bytes of deleted rows are removed from "
        "the database's files; registrations wait for seconds. Without it, an operator does it "
        "(retention scrub).",
    )
    log_origin: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        pattern=r"^[!-*,-~]+$",
        description="The log's name, by custom its URL without scheme; default PARTY/log. It is "
        "part of every proof and stays.",
    )
    log_batch_seconds: float = Field(
        default=0.1,
        ge=0.01,
        le=60,
        description="Seconds from one batch of log entries to the next.",
    )
    log_wait_seconds: float = Field(
        default=10,
        ge=0,
        le=60,
        description="Seconds that an answer waits for its receipt; later it can be asked for.",
    )
    log_witnesses: Path | None = Field(
        default=None,
        description="File with the witnesses, their URLs and the quorum (C2SP tlog-policy) that a "
        "checkpoint needs before it is published; without it, none.",
    )
    witness_seconds: float = Field(
        default=5, gt=0, le=60, description="Seconds to wait for the witnesses of one checkpoint."
    )
    log_read: LogRead = Field(
        default="enrolled",
        description="Who may read the log over HTTP: enrolled witnesses and auditors, or public.",
    )
    openapi: bool = Field(
        default=False,
        description="Serve /openapi.json, which describes the requests of devices, to anybody.",
    )

    @property
    def origin(self) -> str:
        """The log's origin."""
        return self.log_origin or f"{self.party}/log"

    @property
    def liveness_policy(self) -> LivenessPolicy:
        """The liveness policy. Raises ``BadConfiguration`` for unknown, repeated or too few
        kinds."""
        named = self.liveness_kinds.split(",")
        kinds = tuple(kind for kind in ACTION_KINDS if kind in named)
        if len(kinds) != len(named) or not may_ask(kinds):
            raise BadConfiguration("check the settings: liveness_kinds")
        return LivenessPolicy(
            self.liveness,
            kinds,
            self.liveness_actions,
            self.liveness_seconds * 1000,
            self.liveness_if_impossible == "go-on",
            self.liveness_passive,
            self.liveness_passive_threshold,
            self.liveness_numbers,
        )

    @property
    def fallbacks_per_hour(self) -> dict[PartyKind, int]:
        """How many registrations without a face each kind of party may record in an hour."""
        return {
            "agent": self.fallbacks_per_agent,
            "supervisor": self.fallbacks_per_supervisor,
            "device": self.fallbacks_per_device,
        }

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'gateway.sqlite3'}"

    @property
    def authority_urls(self) -> list[str]:
        """One URL per instance. Raises ``BadConfiguration`` for an empty or repeated one."""
        urls = [url.strip().rstrip("/") for url in self.authority_url.split(",")]
        if not all(urls) or len(set(urls)) < len(urls):
            raise BadConfiguration("check the settings: authority_url")
        return urls

    @property
    def authority_key(self) -> VerifyKey:
        return VerifyKey.pinned(self.authority_party, self.authority_public_key.split(","))

    @property
    def auditor(self) -> tuple[str, VerifyKey, SealingPublicKey] | None:
        """URL and pinned keys of the auditor, if any. Raises ``BadConfiguration`` if some are
        missing."""
        given = (self.auditor_url, self.auditor_public_key, self.auditor_sealing_key)
        if given == (None, None, None):
            return None
        if self.auditor_url and self.auditor_public_key and self.auditor_sealing_key:
            key = VerifyKey.pinned(self.auditor_party, self.auditor_public_key.split(","))
            sealing = SealingPublicKey(bytes.fromhex(self.auditor_sealing_key))
            return self.auditor_url, key, sealing
        raise BadConfiguration(
            "auditor_url, auditor_public_key and auditor_sealing_key go together"
        )

    @property
    def model(self) -> Digest:
        return Digest(bytes.fromhex(self.model_digest))

    @property
    def authority_tls(self) -> ClientTls | None:
        """How the gateway checks the authority's certificate, and shows its own."""
        if self.authority_ca is None:
            return None
        return ClientTls(
            self.authority_ca, self.authority_client_certificate, self.authority_client_key
        )

    @property
    def auditor_tls(self) -> ClientTls | None:
        """How the gateway checks the auditor's certificate."""
        return None if self.auditor_ca is None else ClientTls(self.auditor_ca)
