"""Where counters of attempts lie, and how they are made, read and removed.

They are a file of their own, or tables of a database that several instances share. They are made
with the authority's keys and never again by themselves (``caps_mark``).
"""

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from gateway.host import crash
from gateway.host.keyfile import sync_directory
from gateway.host.ledger import FileUnit, Storage, Unit, connect
from gateway.host.shared_ledger import SharedLedger
from gateway.wire.errors import Unavailable
from keys.caps_mark import ID_BYTES, CapsMark, mark_of
from keys.places import Place, SharedPlace, file_of, open_storage

NAME: Final = "the ledger of attempts"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS attempts (
    id {id},
    handle {octets} NOT NULL,
    device TEXT NOT NULL,
    at {number} NOT NULL,
    matched {number}
);
CREATE INDEX IF NOT EXISTS attempts_handle ON attempts (handle, at);
CREATE INDEX IF NOT EXISTS attempts_device ON attempts (device, at);
CREATE INDEX IF NOT EXISTS attempts_at ON attempts (at);
CREATE TABLE IF NOT EXISTS standing (
    one {number} PRIMARY KEY CHECK (one = 1),
    counters {octets} NOT NULL,
    counted_until {number} NOT NULL,
    closed_until {number} NOT NULL
);
"""


class Standing(NamedTuple):
    """Which counters these are, and how far they go."""

    counters: bytes
    """Their id, as in the mark."""
    counted_until: int
    """No attempt was counted after this time."""
    closed_until: int
    """Every attempt is refused before this time; 0: they were never closed."""


class StoredAttempt(NamedTuple):
    """An attempt as a backup has it."""

    handle: bytes
    device: str
    at: int
    matched: int | None


def mark_beside(place: Place) -> Path:
    """Where the mark of counters lies: in the instance's own directory."""
    return mark_of(file_of(place))


def open_caps(place: Place) -> Storage:
    """Raises as ``open_storage``."""
    return open_storage(place, _SCHEMA, NAME)


def are_there(place: Place) -> bool:
    """Whether there are counters, whatever their state. Raises ``Unavailable``."""
    if isinstance(place, Path):
        return place.exists()
    with closing(SharedLedger(place.url, NAME)) as storage, storage.looking() as unit:
        return _has_tables(unit)


def _has_tables(unit: Unit) -> bool:
    [(there,)] = unit.run("SELECT to_regclass('standing') IS NOT NULL")
    return bool(there)


def create_caps(
    place: Place,
    now: int,
    closed_until: int = 0,
    attempts: Iterable[StoredAttempt] = (),
) -> None:
    """Make counters, with their mark. Old ones that are there are replaced, in one step.

    Args:
        now: no attempt that is not among ``attempts`` was counted after this time.
        closed_until: every attempt is refused before this time.

    Raises:
        Unavailable: they cannot be made; old ones stay.
    """
    own = Standing(secrets.token_bytes(ID_BYTES), now, closed_until)
    make_current = (
        _made_in_database(place, own, attempts)
        if isinstance(place, SharedPlace)
        else _made_beside(place, own, attempts)
    )
    # If the rest fails, counters and mark do not belong together: nobody starts on them.
    CapsMark(own.counters, own.counted_until).write(mark_beside(place))
    crash.reach("caps-made")
    make_current()


def _made_beside(
    path: Path, own: Standing, attempts: Iterable[StoredAttempt]
) -> Callable[[], None]:
    """Counters in a new file beside; returns what puts it in its place."""
    beside = path.with_name(f".{path.name}.part")
    for left in (beside, Path(f"{beside}-journal")):
        left.unlink(missing_ok=True)
    with closing(open_caps(beside)) as storage, storage.writing() as unit:
        _fill(unit, own, attempts)

    def put() -> None:
        try:
            Path(f"{beside}-journal").unlink(missing_ok=True)
            beside.replace(path)
            sync_directory(path.parent)
        except OSError as error:
            raise Unavailable(f"{NAME} cannot be made: {error.strerror}") from None

    return put


def _made_in_database(
    place: SharedPlace, own: Standing, attempts: Iterable[StoredAttempt]
) -> Callable[[], None]:
    """The tables, if they are missing; returns what fills them, in one transaction."""
    open_caps(place).close()

    def fill() -> None:
        with closing(open_caps(place)) as storage, storage.writing() as unit:
            unit.run("LOCK TABLE attempts, standing IN ACCESS EXCLUSIVE MODE")
            unit.run("DELETE FROM attempts")
            _fill(unit, own, attempts)

    return fill


def _fill(unit: Unit, own: Standing, attempts: Iterable[StoredAttempt]) -> None:
    set_standing(unit, own)
    adding = (
        "INSERT INTO attempts (handle, device, at, matched) "
        "VALUES (:handle, :device, :at, :matched)"
    )
    for one in attempts:
        unit.run(adding, **one._asdict())


def forget_caps(place: Place) -> None:
    """Remove counters that were just made, whole or in part, before they counted anything."""
    if isinstance(place, SharedPlace):
        with closing(SharedLedger(place.url, NAME)) as storage, storage.writing() as unit:
            unit.run("DROP TABLE IF EXISTS attempts, standing")
    path = file_of(place)
    for made in (path, mark_of(path)):
        beside = made.with_name(f".{made.name}.part")
        for one in (made, Path(f"{made}-journal"), beside, Path(f"{beside}-journal")):
            one.unlink(missing_ok=True)


def still_closed(place: Place, now: int) -> bool:
    """Whether counters are there and refuse every attempt, so that others may take their place.
    Raises ``Unavailable``."""
    own = stored_standing(place) if are_there(place) else None
    return own is not None and now < own.closed_until


def stored_attempts(place: Place) -> list[StoredAttempt]:
    """All attempts, oldest first, of counters that may be in use. Raises ``Unavailable``."""
    with _reading(place) as unit:
        rows = unit.run("SELECT handle, device, at, matched FROM attempts ORDER BY id")
        return [StoredAttempt(*row) for row in rows]


def stored_standing(place: Place) -> Standing | None:
    """What counters say of themselves; None: they are of an older version. Raises
    ``Unavailable``."""
    with _reading(place) as unit:
        try:
            return standing_of(unit)
        except sqlite3.OperationalError:
            return None


def of_older_version(place: Place) -> bool:
    """Whether a file has attempts, and no place for what counters say of themselves. One that was
    emptied has neither: it counted nothing, and is no counter. Raises ``Unavailable``."""
    if isinstance(place, SharedPlace):
        return False
    with _reading(place) as unit:
        tables = unit.run("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name for (name,) in tables} & {"attempts", "standing"} == {"attempts"}


@contextmanager
def _reading(place: Place) -> Iterator[Unit]:
    """Counters for reading. Raises ``Unavailable``."""
    if isinstance(place, SharedPlace):
        with closing(SharedLedger(place.url, NAME)) as storage, storage.looking() as unit:
            yield unit
        return
    try:
        with closing(connect(place, "rw")) as connection:
            yield FileUnit(connection)
    except (sqlite3.Error, OSError):
        raise Unavailable(f"{NAME} cannot be read") from None


def standing_of(unit: Unit) -> Standing | None:
    """What the counters say of themselves, if anything."""
    rows = unit.run("SELECT counters, counted_until, closed_until FROM standing")
    return Standing(*rows[0]) if rows else None


def set_standing(unit: Unit, own: Standing) -> None:
    """Let the counters say this of themselves."""
    unit.run(
        "INSERT INTO standing (one, counters, counted_until, closed_until) "
        "VALUES (1, :counters, :counted_until, :closed_until) ON CONFLICT (one) DO UPDATE SET "
        "counters = excluded.counters, counted_until = excluded.counted_until, "
        "closed_until = excluded.closed_until",
        **own._asdict(),
    )
