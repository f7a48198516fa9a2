"""Configuration of the key authority."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from gateway.he.settings import HeServerSettings
from gateway.host.server_settings import PolicySettings, Port
from gateway.wire.ids import PartyId
from keys.audits import AuditPolicy
from keys.caps import CapLimits
from keys.places import Place, SharedPlace


class AuthoritySettings(HeServerSettings, PolicySettings):
    """``sealmatch-authority serve --config FILE``; variables ``SEALMATCH_AUTHORITY_...``."""

    prefix: ClassVar[str] = "sealmatch_authority"
    private: ClassVar[frozenset[str]] = frozenset({"database_url"})  # may name an account

    party: PartyId = Field(
        default="authority", description="The authority's enrolment name; it signs under it."
    )
    data_dir: Path = Field(
        description="Directory of the authority's own keys and trust list, mode 0700. "
        "No homomorphic key is ever in it."
    )
    database_url: str | None = Field(
        default=None,
        description="URL of a PostgreSQL database for counters and audits, see DEPLOYMENT: several "
        "instances share them. Without it, SQLite in data_dir.",
    )
    port: Port = 8471
    session_seconds: int = Field(
        default=300, ge=30, le=900, description="Seconds until an unanswered session key expires."
    )
    refusal_ms: int = Field(
        default=150,
        ge=0,
        le=10_000,
        description="Milliseconds after which a refusal (403) is answered, or a multiple of them: "
        "its time must not tell its reason. Far below the gateway's.",
    )
    subject_decisions: int = Field(
        default=5, ge=1, le=1000, description="Decisions per subject handle in 24 hours."
    )
    device_decisions: int = Field(
        default=60, ge=1, le=100_000, description="Decisions per device in an hour."
    )
    failures_to_lock: int = Field(
        default=3, ge=1, le=1000, description="Mismatches in a row that lock a subject."
    )
    lock_seconds: int = Field(
        default=3600, ge=0, le=86_400, description="Seconds that a subject stays locked."
    )
    audit_one_in: int = Field(
        default=64,
        ge=0,
        le=1_000_000,
        description="An audit is demanded of one evaluation in this many, by a coin; 0: never.",
    )
    audit_seconds: int = Field(
        default=60, ge=5, le=900, description="Seconds in which a demanded report must come."
    )
    audit_unanswered: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="Demands left unanswered after which a gateway gets no decision, until the "
        "operator clears them (audits clear).",
    )
    workers: int = Field(
        default=2, ge=1, le=64, description="Processes that hold session keys and decrypt."
    )

    pepper_overlap_days: int = Field(
        default=180,
        ge=1,
        le=3650,
        description="Days for which the previous pepper is used beside a new one; the gateways' "
        "retention period.",
    )
    sealing_overlap_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="Days for which the previous sealing key still opens beside a new one; the "
        "time that issuers have to pin the new one.",
    )
    pkcs11_module: Path | None = Field(
        default=None,
        description="PKCS#11 library of a token that holds signing key, peppers and the sealing "
        "key's secret; without it, they are in the sealed keystore.",
    )
    pkcs11_token_label: str | None = Field(default=None, description="Label of the token.")
    pkcs11_pin_file: Path | None = Field(
        default=None,
        description="File with the token's PIN, mode 0600. Without it, the systemd credential "
        "sealmatch-pin, then a prompt.",
    )

    @property
    def pepper_overlap(self) -> int:
        """Seconds."""
        return self.pepper_overlap_days * 86_400

    @property
    def sealing_overlap(self) -> int:
        """Seconds."""
        return self.sealing_overlap_days * 86_400

    @property
    def caps(self) -> CapLimits:
        return CapLimits(
            self.subject_decisions, self.device_decisions, self.failures_to_lock, self.lock_seconds
        )

    @property
    def audits(self) -> AuditPolicy:
        return AuditPolicy(self.audit_one_in, self.audit_seconds, self.audit_unanswered)

    @property
    def caps_place(self) -> Place:
        """Where the counters of attempts are."""
        return self._place(self.caps_file)

    @property
    def audits_place(self) -> Place:
        """Where the demands for audits are."""
        return self._place(self.audits_file)

    def _place(self, file: Path) -> Place:
        return file if self.database_url is None else SharedPlace(self.database_url, file)

    @property
    def audits_file(self) -> Path:
        return self.data_dir / "audits.sqlite3"

    @property
    def caps_file(self) -> Path:
        return self.data_dir / "caps.sqlite3"

    @property
    def trust_file(self) -> Path:
        return self.data_dir / "trust.json"
