"""Where an inspection reads the log: in the gateway's database, or in a directory of files.

A log over HTTP comes from the command, which has the network. All of them give what a log serves.
"""

from pathlib import Path

from gateway.inspection.log_reader import LogSource
from gateway.store import log as stored_log
from gateway.store.reading import ReadingDatabase
from gateway.translog.tiles import TILE_WIDTH, Tile, encode_bundle
from gateway.wire.errors import MalformedMessage, Unavailable


def database_log(database: ReadingDatabase) -> LogSource:
    """The log as the gateway's database holds it, up to its newest published checkpoint."""

    def fetch(path: str, _limit: int) -> bytes | None:
        if path == "checkpoint":
            newest = stored_log.newest_published(database.connection)
            return None if newest is None else newest.note
        tile = Tile.parse(path)
        first = tile.index * TILE_WIDTH
        found = stored_log.entries(database.connection, first, tile.width)
        return encode_bundle(found) if len(found) == tile.width else None

    return LogSource(fetch)


def directory_log(directory: Path) -> LogSource:
    """A log as files below a directory, under the names that it is served with."""

    def fetch(path: str, limit: int) -> bytes | None:
        if path != "checkpoint" and Tile.parse(path).path != path:
            raise MalformedMessage("not an address of a log")
        try:
            with (directory / path).open("rb") as file:
                content = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Unavailable(f"the log's {path}: {error.strerror}") from None
        if len(content) > limit:
            raise Unavailable(f"the log's {path} is too long")
        return content

    return LogSource(fetch)
