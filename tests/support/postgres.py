"""A throw-away PostgreSQL server (Debian's package ``postgresql``), one per test session.

It keeps everything in a directory of its own and listens on a free port of the loopback. Tests ask
it for empty databases, and may kill and start it again: they leave it running. A run that is killed
takes it along (``guardian``).
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import sqlalchemy as sa

from gateway.host.keyfile import create_secret
from gateway.store.connecting import make_engine
from tests.support.guardian import temporary_directory
from tests.support.processes import PATIENCE, children_of, free_port_pair


class PostgresServer:
    """One server with its own directory."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self._root = Path(tempfile.mkdtemp(prefix="postgresql-", dir=temporary_directory()))
        self._account = _account()
        self._names = 0
        self.port = free_port_pair()
        self.process: subprocess.Popen[bytes] | None = None
        self.password_file = self._root / "password"
        create_secret(self.password_file, secrets.token_hex(16).encode())

    def __enter__(self) -> Self:
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)

    @property
    def directory(self) -> Path:
        """Where the server keeps its files."""
        return self._root / "data"

    def url(self, database: str) -> str:
        """As an operator writes it into the gateway's settings."""
        at = f"postgresql://sealmatch@127.0.0.1:{self.port}/{database}"
        return f"{at}?password_file={self.password_file}"

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        self._names += 1
        name = f"test{self._names}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str) -> None:
        """Run a statement as the database's operator, outside of any transaction."""
        engine = make_engine(self.url("postgres"))
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql(statement)
        finally:
            engine.dispose()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self._root / "server.log").open("ab") as log:
            self.process = self._popen(
                "postgres",
                *("-D", str(self.directory), "-p", str(self.port)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                *("-c", "fsync=off", "-c", "max_connections=50"),
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.execute("SELECT 1")
            except (sa.exc.SQLAlchemyError, OSError):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    said = (self._root / "server.log").read_text()[-2000:]
                    raise AssertionError(f"PostgreSQL does not start: {said}") from None
                time.sleep(0.05)

    def stop(self) -> None:
        """End it as an operator does, whoever is connected."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a power failure does; the next start recovers."""
        self._end(signal.SIGQUIT)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It goes on to exist and does nothing."""
        assert self.process is not None
        pids = [self.process.pid, *children_of(self.process.pid)]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def _end(self, sent: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(sent)
            process.wait(PATIENCE)

    def _initialise(self) -> None:
        if self._account:
            for path in (self._root, self.password_file):
                shutil.chown(path, self._account)
        with (self._root / "initdb.log").open("wb") as log:
            process = self._popen(
                "initdb",
                *("-D", str(self.directory), "-U", "sealmatch", "--auth=scram-sha-256"),
                *("--pwfile", str(self.password_file), "--no-sync", "-E", "UTF8", "--locale=C"),
                stdout=log,
                stderr=log,
            )
            assert process.wait(PATIENCE) == 0, (self._root / "initdb.log").read_text()

    def _popen(self, program: str, *arguments: str, **more: Any) -> "subprocess.Popen[bytes]":
        """Start one of PostgreSQL's programs, which refuse to run as root."""
        account: dict[str, Any] = {}
        if self._account:
            group = pwd.getpwnam(self._account).pw_gid
            account = {"user": self._account, "group": group, "extra_groups": []}
        return subprocess.Popen(
            [self.programs / program, *arguments],
            cwd=self._root,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **account,
            **more,
        )


def _account() -> str | None:
    """Under which the server runs; None is this one."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise AssertionError("no account to run PostgreSQL under")


def _programs() -> Path | None:
    """The newest installed version's programs."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3])
    )
    on_path = shutil.which("initdb")
    return found[-1].parent if found else on_path and Path(on_path).resolve().parent


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """The running server; skips where PostgreSQL is not installed, fails under CI."""
    programs = _programs()
    if programs is None:
        reason = "PostgreSQL is not installed (apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with PostgresServer(programs) as server:
        yield server
