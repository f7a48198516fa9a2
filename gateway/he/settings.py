"""The settings of servers that compute on ciphertexts, in processes of their own."""

from pydantic import Field

from gateway.he.engine import DEFAULT_ENGINE, EngineName
from gateway.he.isolation import Limits
from gateway.wire.host.server_settings import ServerSettings


class HeServerSettings(ServerSettings):
    """Which library, and what its processes may use."""

    he_engine: EngineName = Field(
        default=DEFAULT_ENGINE, description="HE library: seal-python, or tenseal; same words."
    )

    @property
    def worker_limits(self) -> Limits:
        return Limits(self.worker_memory, self.worker_seconds)
