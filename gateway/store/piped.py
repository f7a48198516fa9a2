"""PostgreSQL's driver with one round trip for each statement, and the first one begins.

pg8000 is well kept and small, and all Python. It prepares, describes and runs a statement in three
round trips, asks for a transaction in a fourth one, and reads each statement letter by letter to
number its parameters. A registration has some thirty statements, so this cost more than all else
that the gateway does with its database. PostgreSQL's protocol lets the messages of one statement go
out together; it answers in their order, and after an error skips to the end of them. Numbered
statements are remembered.

Nothing else changes: types, results, errors and transactions are the driver's own.
"""

import select
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from pg8000 import core, legacy
from pg8000.exceptions import DatabaseError, InterfaceError

_FRESH_SECONDS: Final = 10
"""Longer unused, a connection is asked whether it lives: what lies between may have dropped it."""


@lru_cache(maxsize=512)
def _numbered(operation: str) -> str:
    """A statement with ``$1`` for its first ``%s``, and so on."""
    statement: str = legacy.convert_paramstyle("format", operation, ())[0]
    return statement


class PipedConnection(legacy.Connection):  # type: ignore[misc]  # the driver has no types
    """One connection."""

    _used_at = 0.0

    def cursor(self) -> "PipedCursor":
        return PipedCursor(self)

    def note_use(self) -> None:
        self._used_at = time.monotonic()

    def is_fresh(self) -> bool:
        """Whether it was used a moment ago, and the server has said nothing since: not even that
        it closed the connection."""
        if self._sock is None or time.monotonic() > self._used_at + _FRESH_SECONDS:
            return False
        look = select.poll()  # not ``select``, which knows no descriptor above 1023
        look.register(self._usock, select.POLLIN)
        return not look.poll(0)

    def run_piped(self, statement: str, values: Sequence[Any]) -> Any:
        """Run one statement with its values; begin a transaction before it, if none runs."""
        begins = not self._in_transaction and not self.autocommit
        context = core.Context(statement)
        text = statement.encode(self._client_encoding)
        messages = [
            _message(core.PARSE, b"\0" + text + b"\0\0\0"),
            _message(core.BIND, _bound(core.make_params(self.py_types, values))),
            _message(core.DESCRIBE, core.PORTAL + b"\0"),
            core.EXECUTE_MSG,
            core.SYNC_MSG,
        ]
        if begins:
            messages.insert(0, _message(core.QUERY, b"begin transaction\0"))
        core._write(self._sock, b"".join(messages))
        core._flush(self._sock)
        if begins:
            self._hear_begun()
        self.handle_messages(context)
        return context

    def _hear_begun(self) -> None:
        try:
            self.handle_messages(core.Context("begin transaction"))
        except DatabaseError:
            self.close()  # the next answer would be taken for another statement's
            raise


def _message(code: bytes, data: bytes) -> bytes:
    return bytes(code + core.i_pack(len(data) + 4) + data)


def _bound(parameters: Sequence[str | None]) -> bytes:
    """Values in text form, for a nameless portal of a nameless statement."""
    encoded = [None if one is None else one.encode("utf-8") for one in parameters]
    parts = [b"\0\0" + core.H_pack(0) + core.H_pack(len(encoded))]
    for one in encoded:
        parts.append(core.i_pack(-1) if one is None else core.i_pack(len(one)) + one)
    return b"".join([*parts, core.H_pack(0)])


class PipedCursor(legacy.Cursor):  # type: ignore[misc]  # likewise
    """One cursor."""

    def execute(self, operation: str, args: Sequence[Any] = (), stream: Any = None) -> Any:
        """As the driver's. Raises the same errors."""
        connection = self._c
        if connection is not None:
            connection.note_use()
        if not args or stream is not None or connection is None:
            return super().execute(operation, args, stream)
        if connection._sock is None:
            raise InterfaceError("connection is closed")
        try:
            self._context = connection.run_piped(_numbered(operation), args)
        except DatabaseError as error:
            raise _as_the_driver(error) from None
        self._row_iter = iter(self._context.rows or [])
        self._input_oids = ()
        self.input_types: list[Any] = []
        return self


def _as_the_driver(error: DatabaseError) -> Exception:
    """The class that the driver gives to an error of the server."""
    told = error.args[0]
    code = str(told.get("C")) if isinstance(told, dict) else ""
    kinds: dict[str, type[Exception]] = {
        "28000": InterfaceError,
        "23505": legacy.IntegrityError,
    }
    kind: type[Exception] = kinds.get(code, legacy.ProgrammingError)
    return kind(told)
