"""A server's ledger in PostgreSQL, for a server that runs in several instances.

It does what a ``Ledger`` does in a file: one unit of work at a time for those it concerns, durable
when its block ends, or it did not happen. Where a unit writes what a count allows, its caller says
whom it concerns, and units about the same one wait for each other, in whichever instance they are.

The URL holds no secret itself, but names the files that do, as the gateway's ``database_url``:

    postgresql://sealmatch@db.example/authority?password_file=/run/sealmatch/db&ca=/etc/sealmatch/db.pem

Statements are prepared once a connection. A database that hangs must not hang the server, so
connecting, waiting and each statement have limits.
"""

import hashlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from gateway.host.installed import NotInstalled
from gateway.host.passphrase import obtain
from gateway.host.settings import BadConfiguration
from gateway.host.tls import ClientTls, is_loopback
from gateway.wire.errors import Unavailable

log = logging.getLogger("sealmatch.ledger")

CONNECTIONS: Final = 8
"""Open at most; further units wait."""
LOCK_SECONDS, STATEMENT_SECONDS, SILENCE_SECONDS = 5, 6, 8
"""Longest waits: for a lock or a connection, for a statement with its lock, for a silent server."""

_OPTIONS: Final = frozenset({"password_file", "ca", "unix_sock"})
_SETTINGS: Final = (
    f"SET lock_timeout = '{LOCK_SECONDS}s'; SET statement_timeout = '{STATEMENT_SECONDS}s'; "
    f"SET idle_in_transaction_session_timeout = '{4 * STATEMENT_SECONDS}s'; "
    "SET default_transaction_isolation = 'read committed'; "
    # An answer that follows a commit must survive. Stricter settings of the server stay.
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'"
)
_WAITED: Final = frozenset({"55P03", "57014"})
"""Codes of PostgreSQL: somebody else has the lock, or the statement took too long."""
_SCHEMA_LOCK: Final = b"the tables themselves"


class SharedUnit:
    """One connection. Its statements are prepared once."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._prepared: dict[str, Any] = {}

    def run(self, statement: str, /, **values: object) -> list[tuple[Any, ...]]:
        """Run a statement with its ``:named`` values; returns its rows."""
        prepared = self._prepared.get(statement)
        if prepared is None:
            prepared = self._prepared[statement] = self.connection.prepare(statement)
        return [tuple(row) for row in prepared.run(**values) or ()]

    def script(self, statements: str) -> None:
        """Run statements of our own text, in one message."""
        self.connection.execute_simple(statements)

    def close(self) -> None:
        with suppress(Exception):  # it may have ended before
            self.connection.close()


class SharedLedger:
    """Units of work in a database that other instances use as well. Thread-safe."""

    def __init__(self, url: str, name: str, schema: str = "") -> None:
        """Connect; make the tables that are missing.

        Args:
            name: what it is, for messages.

        Raises:
            BadConfiguration: not a URL of PostgreSQL, or one with a password or unknown options, or
                no CA off loopback, or the driver is not installed.
            KeyFileError, TlsMisconfigured: a file that the URL names cannot be used.
            Unavailable: the database does not answer.
        """
        self._arguments = arguments_of(url)
        self._errors = _errors()
        self._name = name
        self._idle: list[SharedUnit] = []
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        if schema:
            with self.writing(_SCHEMA_LOCK) as unit:
                unit.script(schema)

    @contextmanager
    def writing(self, *alone: bytes, durable: bool = True) -> Iterator[SharedUnit]:
        """One unit of work.

        Args:
            alone: whom it concerns. No other unit about one of them runs meanwhile.
            durable: whether it must be on disk when the block ends. If not, a crash of the database
                within the next second may lose it, and nothing else.

        Raises:
            Unavailable: the storage failed; nothing may be answered.
        """
        begin = ["BEGIN", *(() if durable else ("SET LOCAL synchronous_commit = off",))]
        # In one order, so that two units never wait for each other.
        numbers = sorted({_number(one) for one in alone})
        begin += [f"SELECT pg_advisory_xact_lock({number})" for number in numbers]
        with self._unit("; ".join(begin)) as unit:
            try:
                yield unit
            except BaseException as error:
                if not isinstance(error, self._errors):
                    unit.script("ROLLBACK")
                raise
            unit.script("COMMIT")

    @contextmanager
    def looking(self) -> Iterator[SharedUnit]:
        """Queries alone, each of which sees what is committed. Raises ``Unavailable``."""
        with self._unit("") as unit:
            yield unit

    def check(self) -> None:
        """Raise ``Unavailable`` if nothing could be written now."""
        with self.writing() as unit:
            [(reading_alone,)] = unit.run("SELECT pg_is_in_recovery()")
            if reading_alone:
                raise Unavailable(f"{self._name} is in a database that only reads")

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for unit in idle:
            unit.close()

    @contextmanager
    def _unit(self, begin: str) -> Iterator[SharedUnit]:
        """A connection that has begun. One whose unit failed in the database is not used again."""
        if not self._free.acquire(timeout=LOCK_SECONDS):
            raise Unavailable(f"{self._name} is busy; try again later")
        unit: SharedUnit | None = None
        try:
            unit = self._begun(begin)
            yield unit
        except self._errors as error:
            if unit is not None:
                unit.close()
                unit = None
            log.error("%s: %s", self._name, _reason(error))
            raise Unavailable(f"{self._name} does not answer") from None
        finally:
            if unit is not None:
                with self._lock:
                    self._idle.append(unit)
            self._free.release()

    def _begun(self, begin: str) -> SharedUnit:
        """An idle connection, unless it has ended since; else a new one."""
        while True:
            with self._lock:
                unit = self._idle.pop() if self._idle else None
            if unit is None:
                break
            try:
                unit.script(begin or "SELECT 1")
            except self._errors as error:
                unit.close()
                if _code(error) in _WAITED:  # a new one would wait as long again
                    raise
            else:
                return unit
        unit = self._connect()
        if begin:
            unit.script(begin)
        return unit

    def _connect(self) -> SharedUnit:
        unit = SharedUnit(import_module("pg8000.native").Connection(**self._arguments))
        unit.script(_SETTINGS)
        return unit


def arguments_of(url: str) -> dict[str, Any]:
    """The driver's arguments for a URL. Raises as ``SharedLedger``."""
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
        query = {
            name: value
            for name, [value] in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()
        }
    except ValueError:  # a port that is no number, an option that is given twice
        raise BadConfiguration("the database's URL cannot be read") from None
    if parts.scheme != "postgresql" or not parts.username or not parts.path.strip("/"):
        raise BadConfiguration("the database's URL is postgresql://USER@HOST/DATABASE")
    if parts.password is not None:
        raise BadConfiguration("the database's URL names a password_file; it holds no password")
    if query.keys() - _OPTIONS:
        raise BadConfiguration(f"options of the database's URL: {', '.join(sorted(_OPTIONS))}")
    arguments: dict[str, Any] = {
        "user": unquote(parts.username),
        "database": unquote(parts.path.strip("/")),
        "timeout": SILENCE_SECONDS,
        "application_name": "sealmatch",
    }
    if "password_file" in query:
        file = Path(query["password_file"])
        arguments["password"] = obtain(file, "", "database's password").decode()
    if "unix_sock" in query:
        return {**arguments, "unix_sock": query["unix_sock"], "ssl_context": False}
    host = parts.hostname or "localhost"
    return {**arguments, "host": host, "port": port, "ssl_context": _tls(parts, query.get("ca"))}


def _tls(parts: SplitResult, ca: str | None) -> Any:
    if ca is not None:
        return ClientTls(Path(ca)).context()
    if not is_loopback(parts.hostname or "localhost"):
        raise BadConfiguration("a database on another host needs TLS: name its CA, ?ca=FILE")
    return False


def _errors() -> tuple[type[Exception], ...]:
    """What the driver raises; a reset of the connection comes through as it is."""
    try:
        return (import_module("pg8000.exceptions").Error, OSError)  # an optional extra
    except ModuleNotFoundError as error:
        raise NotInstalled.of(error, "this database", "postgresql") from None


def _reason(error: Exception) -> str:
    """The driver's error and code. Its texts are left out: they repeat values."""
    return f"{type(error).__name__} {_code(error)}".strip()


def _code(error: Exception) -> str:
    """PostgreSQL's; empty: it is none of its errors."""
    told = error.args[0] if error.args else None
    return str(told.get("C", "")) if isinstance(told, dict) else ""


def _number(alone: bytes) -> int:
    """PostgreSQL's locks have numbers of 64 bits. If two have the same, they wait, no more."""
    return int.from_bytes(
        hashlib.sha256(b"sealmatch/alone/" + alone).digest()[:8], "big", signed=True
    )
