"""The gateway's database, for the operator's commands."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from gateway.server.config import GatewaySettings
from gateway.store.database import Database
from gateway.wire.errors import CallerMisuse


@contextmanager
def opened_database(settings: GatewaySettings) -> Iterator[Database]:
    """The database of the settings, brought up to date.

    Raises:
        CallerMisuse: there is no gateway yet.
        Unavailable: it does not answer, or cannot be written.
    """
    if settings.database_url is None and not settings.data_dir.is_dir():
        raise CallerMisuse(f"{settings.data_dir} does not exist: keys init makes it")
    with closing(Database(settings.database)) as database:
        database.migrate()
        yield database
