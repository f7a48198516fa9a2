"""The settings of servers that compute on ciphertexts, in processes of their own."""

from typing import TYPE_CHECKING

from pydantic import Field

from gateway.he.names import DEFAULT_ENGINE, EngineName
from gateway.host.server_settings import ServerSettings

if TYPE_CHECKING:
    from gateway.host.isolation import WorkerLimits


class HeServerSettings(ServerSettings):
    """Which library, and what its processes may use."""

    he_engine: EngineName = Field(
        default=DEFAULT_ENGINE, description="HE library: seal-python, or tenseal; same words."
    )

    @property
    def worker_limits(self) -> "WorkerLimits":
        from gateway.host.isolation import WorkerLimits  # noqa: PLC0415  operator commands start no worker

        return WorkerLimits(self.worker_memory, self.worker_seconds)
