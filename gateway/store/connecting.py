"""Connects to SQLite and PostgreSQL, and sets up every connection.

SQLite is a file. PostgreSQL is a URL that holds no secret itself but names the files that do:

    postgresql://sealmatch@db.example/sealmatch?password_file=/run/sealmatch/db&ca=/etc/sealmatch/db.pem
    postgresql://sealmatch@/sealmatch?unix_sock=/run/postgresql/.s.PGSQL.5432

A server that hangs must not hang the gateway. So connecting, waiting for a lock and each statement
have limits. TLS with a pinned CA is required off loopback, as everywhere.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.host.directories import private_file
from gateway.host.installed import NotInstalled
from gateway.host.passphrase import obtain
from gateway.host.settings import BadConfiguration
from gateway.host.tls import ClientTls, is_loopback

LOCK_SECONDS, STATEMENT_SECONDS, SILENCE_SECONDS = 5, 6, 8
"""Longest waits: for a lock or a connection, for a statement with its lock, for a silent server.
Each is far below the patience of any client."""

_POOL: Final[dict[str, Any]] = {
    "pool_size": 10,
    "max_overflow": 5,
    "pool_timeout": LOCK_SECONDS,
}
"""Connections of one process: those that stay, and those beyond, which are closed after use. Most
requests need one for a few milliseconds."""

_RETRY_SECONDS = 0.02

_SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "secure_delete=ON",
    "foreign_keys=ON",
    f"busy_timeout={LOCK_SECONDS * 1000}",
)
"""Durable commits; deleted content is overwritten, not merely unlinked."""

_BESIDE = ("-wal", "-shm", "-journal")
"""SQLite's own files beside a database."""

_POSTGRESQL_SETTINGS = (
    f"SET lock_timeout = '{LOCK_SECONDS}s'",
    f"SET statement_timeout = '{STATEMENT_SECONDS}s'",
    f"SET idle_in_transaction_session_timeout = '{4 * STATEMENT_SECONDS}s'",
    # A commit of which a client is told must survive. Stricter settings of the server stay.
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'",
)
_OPTIONS = frozenset({"password_file", "ca", "unix_sock"})


def make_engine(url: str) -> sa.Engine:
    """An engine for a database's URL; connects when first used.

    Raises:
        BadConfiguration: not a URL of SQLite or PostgreSQL; a URL with a password or unknown
            options; no CA off loopback; or the driver is not installed.
        KeyFileError: the password's file is missing or open to others.
        TlsMisconfigured: the CA's file cannot be read.
    """
    try:
        parsed = sa.make_url(url)
        kind = parsed.get_backend_name()
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise BadConfiguration("the database's URL cannot be read") from None
    if kind == "sqlite":
        return _sqlite(parsed)
    if kind == "postgresql":
        return _postgresql(parsed)
    raise BadConfiguration("the database is sqlite or postgresql")


def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, hide_parameters=True, **_POOL)
    event.listen(engine, "do_connect", _keep_private)
    event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _keep_private(
    _dialect: Any, _record: Any, arguments: list[Any], _options: dict[str, Any]
) -> None:
    """The database's file is its owner's alone before SQLite opens it; what SQLite puts beside it
    gets the same mode."""
    name = str(arguments[0])
    if name not in ("", ":memory:") and not name.startswith("file:"):
        for path in (Path(name), *filter(Path.exists, (Path(f"{name}{end}") for end in _BESIDE))):
            private_file(path)


def _set_up_sqlite(
    connection: sa.engine.interfaces.DBAPIConnection, _: ConnectionPoolEntry
) -> None:
    # If processes switch a new file to WAL at once, SQLite answers BUSY, whatever the timeout.
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return _execute(connection, [f"PRAGMA {pragma}" for pragma in _SQLITE_PRAGMAS])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(_RETRY_SECONDS)


def _postgresql(url: sa.URL) -> sa.Engine:
    arguments = _connect_arguments(url)
    try:
        engine = sa.create_engine(
            url.set(drivername="postgresql+pg8000", query={}),
            hide_parameters=True,
            connect_args=arguments,
            # Each query sees what is committed. Constraints and conditions find conflicts.
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,  # the server may have been restarted since
            **_POOL,
        )
    except ModuleNotFoundError as error:
        raise NotInstalled.of(error, "this database", "postgresql") from None
    event.listen(engine, "do_connect", _connect_piped)
    event.listen(engine, "connect", _set_up_postgresql)
    _notice_resets(engine.dialect)
    return engine


def _connect_piped(
    _dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]
) -> DBAPIConnection:
    from gateway.store.piped import PipedConnection  # noqa: PLC0415  the driver is an extra

    return PipedConnection(*arguments, **options)


def _notice_resets(dialect: sa.Dialect) -> None:
    """A connection that the server closed or reset is replaced before it is used.

    pg8000 lets the ``OSError`` of a reset through, and SQLAlchemy takes only the driver's own
    errors for the end of a connection: a request would fail after a restart of the server. One that
    was looked at a moment ago is not asked: its socket tells whether the server has closed it.
    """
    ping = dialect.do_ping

    def do_ping(connection: DBAPIConnection) -> bool:
        try:
            if connection.is_fresh():
                return True
            return ping(connection)
        except OSError:
            return False

    dialect.do_ping = do_ping  # type: ignore[method-assign, assignment]


def _connect_arguments(url: sa.URL) -> dict[str, Any]:
    query = {name: value for name, value in url.query.items() if isinstance(value, str)}
    if url.password is not None:
        raise BadConfiguration("the database's URL names a password_file; it holds no password")
    if len(query) != len(url.query) or query.keys() - _OPTIONS:
        raise BadConfiguration(f"options of the database's URL: {', '.join(sorted(_OPTIONS))}")
    arguments: dict[str, Any] = {"timeout": SILENCE_SECONDS, "application_name": "sealmatch"}
    if "password_file" in query:
        file = Path(query["password_file"])
        arguments["password"] = obtain(file, "", "database's password").decode()
    if "unix_sock" in query:
        return {**arguments, "unix_sock": query["unix_sock"], "ssl_context": False}
    return {**arguments, "ssl_context": _tls(url, query.get("ca"))}


def _tls(url: sa.URL, ca: str | None) -> Any:
    if ca is not None:
        return ClientTls(Path(ca)).context()
    if not is_loopback(url.host or "localhost"):
        raise BadConfiguration("a database on another host needs TLS: name its CA, ?ca=FILE")
    return False


def _set_up_postgresql(
    connection: sa.engine.interfaces.DBAPIConnection, _: ConnectionPoolEntry
) -> None:
    _execute(connection, _POSTGRESQL_SETTINGS)
    connection.commit()


def _execute(
    connection: sa.engine.interfaces.DBAPIConnection, statements: list[str] | tuple[str, ...]
) -> None:
    with closing(connection.cursor()) as cursor:
        for statement in statements:
            cursor.execute(statement)
