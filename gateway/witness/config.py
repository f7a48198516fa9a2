"""Configuration of a witness."""

from pathlib import Path
from typing import ClassVar, Final

from pydantic import Field

from gateway.host.server_settings import ObservedSettings, Port

LOGS_FILE: Final = "logs.policy"
MEMORY_FILE: Final = "witness.sqlite3"


class WitnessSettings(ObservedSettings):
    """``sealmatch witness serve --config FILE``; variables ``SEALMATCH_WITNESS_...``."""

    prefix: ClassVar[str] = "sealmatch_witness"

    data_dir: Path = Field(description="Directory of keys, known logs and what was cosigned.")
    port: Port = 8473
    requests_per_second: float = Field(
        default=5, gt=0, le=1000, description="Requests that one address may make on average."
    )
    burst: int = Field(
        default=50, ge=1, le=10_000, description="Requests that one address may make at once."
    )

    @property
    def logs_file(self) -> Path:
        return self.data_dir / LOGS_FILE

    @property
    def memory_file(self) -> Path:
        return self.data_dir / MEMORY_FILE
