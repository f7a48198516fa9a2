"""The gateway's reaper, as its settings and keys describe it: the server's and the command's."""

from collections.abc import Callable

from gateway.retention.reaper import Reaper
from gateway.server.config import GatewaySettings
from gateway.server.custody import GatewayKeys
from gateway.store.database import Database
from gateway.store.election import Task, election_of


def reaper_of(
    settings: GatewaySettings, database: Database, held: GatewayKeys, clock: Callable[[], int]
) -> Reaper:
    """A reaper that believes what the gateway signed, and is elected with those of others."""
    election = election_of(database, settings.data_dir, Task.REAPING)
    key, days = held.signing_key, settings.retention_days
    return Reaper(database, election, key, days, clock, keys=held.chain_keys)
