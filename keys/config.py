"""Configuration of the key authority."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from gateway.wire import settings
from gateway.wire.ids import PartyId
from gateway.wire.tls import ServerTls, server_tls


class AuthoritySettings(settings.Settings):
    """``sealmatch-authority serve --config FILE``; variables ``SEALMATCH_AUTHORITY_...``."""

    prefix: ClassVar[str] = "sealmatch_authority"

    party: PartyId = Field(
        default="authority", description="The authority's enrolment name; it signs under it."
    )
    data_dir: Path = Field(
        description="Directory of the authority's own keys and trust list, mode 0700. "
        "No homomorphic key is ever in it."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8471, ge=0, le=65535, description="Port to listen on; 0 picks one.")
    tls_certificate: Path | None = Field(
        default=None, description="TLS certificate chain (PEM). Required off loopback."
    )
    tls_key: Path | None = Field(default=None, description="Key of the TLS certificate (PEM).")
    tls_client_ca: Path | None = Field(
        default=None, description="Answer only clients with a certificate of this CA (PEM)."
    )
    session_seconds: int = Field(
        default=300, ge=30, le=900, description="Seconds until an unanswered session key expires."
    )
    max_sessions: int = Field(
        default=2000,
        ge=1,
        le=100_000,
        description="Open sessions held in memory (about 1 MB each); more are turned away.",
    )

    @property
    def trust_file(self) -> Path:
        return self.data_dir / "trust.json"

    @property
    def tls(self) -> ServerTls | None:
        """Raises ``TlsMisconfigured``, also for plain HTTP off loopback."""
        return server_tls(self.host, self.tls_certificate, self.tls_key, self.tls_client_ca)
