"""Configuration of the auditor."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from gateway.he.settings import HeServerSettings
from gateway.host.server_settings import PolicySettings, Port
from gateway.wire.ids import PartyId


class AuditorSettings(HeServerSettings, PolicySettings):
    """``sealmatch-auditor serve --config FILE``; variables ``SEALMATCH_AUDITOR_...``."""

    prefix: ClassVar[str] = "sealmatch_auditor"

    party: PartyId = Field(
        default="auditor", description="The auditor's enrolment name; it signs under it."
    )
    data_dir: Path = Field(
        description="Directory of the auditor's own keys and its list of parties, mode 0700. "
        "Nothing that it audits is ever in it."
    )
    port: Port = 8472
    verify_assertions: bool = Field(
        default=True,
        description="Verify what issuers and devices signed, by the auditor's own list. Without "
        "it the authority's check counts, and every report says so.",
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="Processes that repeat evaluations; one each."
    )

    @property
    def register_file(self) -> Path:
        return self.data_dir / "parties.json"
