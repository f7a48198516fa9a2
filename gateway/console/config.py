"""Configuration of the console."""

from pathlib import Path
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from gateway.host.server_settings import HostSettings, Port

Role = Literal["operator", "regulator"]
PEOPLE: Final = "people"


class ConsoleSettings(HostSettings):
    """``sealmatch console serve --config FILE``; variables ``SEALMATCH_CONSOLE_...``."""

    prefix: ClassVar[str] = "sealmatch_console"
    private: ClassVar[frozenset[str]] = frozenset({"database_url"})  # may name an account

    data_dir: Path = Field(description="Directory of the credentials of those who may look.")
    database_url: str = Field(
        description="URL of the gateway's database, SQLite or PostgreSQL; it is only read. Give "
        "the console a PostgreSQL role that may read and nothing else."
    )
    port: Port = 8474
    access: Literal["credential", "certificate"] = Field(
        default="credential",
        description="Who may look: who has a credential and signs in, or who has a TLS "
        "certificate of tls_client_ca (a wall's screen, which nobody signs in at).",
    )
    certificate_role: Role = Field(
        default="regulator", description="Role of whoever has such a certificate."
    )
    idle_minutes: int = Field(
        default=15, ge=1, le=240, description="Minutes without a request that end a session."
    )
    session_hours: int = Field(
        default=10, ge=1, le=24, description="Hours after which a session ends in any case."
    )
    fresh_seconds: int = Field(
        default=60,
        ge=1,
        le=3600,
        description="Seconds for which one look into the database serves everybody.",
    )
    retention_days: int = Field(
        default=180,
        ge=1,
        le=3650,
        description="The gateway's setting of this name; counts while no schedule was adopted.",
    )
    scrub_hour: int | None = Field(
        default=2, ge=0, le=23, description="The gateway's setting of this name."
    )
    trust_file: Path | None = Field(
        default=None,
        description="The published trust file. With it signatures of the gateway, its log and "
        "witnesses are checked; without it the pages say that they were not.",
    )
    inspection_bundle: Path | None = Field(
        default=None, description="The bundle of the last inspection (sealmatch inspect --out)."
    )
    inspector_key: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="The inspector's Ed25519 public key in hexadecimal; checks the bundle.",
    )

    @model_validator(mode="after")
    def _certificates_are_asked_for(self) -> Self:
        if self.access == "certificate" and self.tls_client_ca is None:
            raise ValueError("access by certificate needs tls_client_ca")
        return self

    @property
    def people_dir(self) -> Path:
        return self.data_dir / PEOPLE
