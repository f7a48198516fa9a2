"""A throw-away PostgreSQL server on this machine (Debian's package ``postgresql``).

It keeps everything in a directory of its own and listens on the loopback. Whoever starts it may
kill it, stop it and start it again, and make a standby of it that takes over.
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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import sqlalchemy as sa

from gateway.host.keyfile import create_secret
from gateway.lab.deployment.processes import descendants
from gateway.store.connecting import make_engine
from gateway.wire.errors import SealmatchError

PATIENCE_SECONDS: Final = 300
"""For what takes no time on an idle machine."""
_ACCOUNT: Final = "sealmatch"


class PostgresFailed(SealmatchError):
    """PostgreSQL is not installed, or does not start; the text says why."""


def installed_programs() -> Path | None:
    """Where the newest installed version's programs are; None: there is none."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3])
    )
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return None if on_path is None else Path(on_path).resolve().parent


class PostgresServer:
    """One server with its own directory. It runs within the ``with`` block.

    Attributes:
        port: where it listens.
        process: its first process, while it runs.
    """

    def __init__(
        self,
        programs: Path,
        port: int,
        *,
        below: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """
        Args:
            below: the directory in which its own is made; None: the system's for temporary files.
            settings: of the server, besides those that place it here.
        """
        self.programs, self.port = programs, port
        self._settings = dict(settings or {})
        self._root = Path(tempfile.mkdtemp(prefix="postgresql-", dir=below))
        self._owner = _owner()
        self._names = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.password_file = self._root / "password"
        create_secret(self.password_file, secrets.token_hex(16).encode())

    def __enter__(self) -> Self:
        try:
            self._prepare()
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
        at = f"postgresql://{_ACCOUNT}@127.0.0.1:{self.port}/{database}"
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
        """Start the server and wait until it answers. Raises ``PostgresFailed``."""
        given = [word for one in self._settings.items() for word in ("-c", "=".join(one))]
        with (self._root / "server.log").open("ab") as log:
            self.process = self._popen(
                "postgres",
                *("-D", str(self.directory), "-p", str(self.port)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                *given,
                stderr=log,
            )
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.execute("SELECT 1")
            except (sa.exc.SQLAlchemyError, OSError):
                if time.monotonic() > until or self.process.poll() is not None:
                    said = (self._root / "server.log").read_text()[-2000:]
                    raise PostgresFailed(f"PostgreSQL does not start: {said}") from None
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
        if self.process is None:
            raise PostgresFailed("PostgreSQL does not run")
        pids = [self.process.pid, *descendants(self.process.pid)]
        try:
            _send(pids, signal.SIGSTOP)
            yield
        finally:
            _send(pids, signal.SIGCONT)

    def _prepare(self) -> None:
        """Make the files of a new server."""
        self._own(self._root, self.password_file)
        self._run(
            "initdb",
            *("-D", str(self.directory), "-U", _ACCOUNT, "--auth=scram-sha-256"),
            *("--pwfile", str(self.password_file), "--no-sync", "-E", "UTF8", "--locale=C"),
        )

    def _own(self, *paths: Path) -> None:
        if self._owner is not None:
            for path in paths:
                shutil.chown(path, self._owner)

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of its programs to the end. Raises ``PostgresFailed``."""
        log = self._root / f"{program}.log"
        with log.open("wb") as out:
            process = self._popen(program, *arguments, stdout=out, stderr=out)
        if process.wait(PATIENCE_SECONDS):
            raise PostgresFailed(f"{program}: {log.read_text()[-2000:]}")

    def _end(self, sent: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(sent)
            process.wait(PATIENCE_SECONDS)

    def _popen(self, program: str, *arguments: str, **more: Any) -> "subprocess.Popen[bytes]":
        """Start one of PostgreSQL's programs, which refuse to run as root."""
        account: dict[str, Any] = {}
        if self._owner is not None:
            group = pwd.getpwnam(self._owner).pw_gid
            account = {"user": self._owner, "group": group, "extra_groups": []}
        command: Sequence[str] = [str(self.programs / program), *arguments]
        return subprocess.Popen(  # noqa: S603  programs of an installed package
            command,
            cwd=self._root,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **account,
            **more,
        )


class Standby(PostgresServer):
    """A server that follows another one, and takes over at its own port when it is promoted."""

    NAME: Final = "standby"
    """By which the first one knows it, as in ``synchronous_standby_names``."""

    def __init__(self, primary: PostgresServer, port: int, *, below: str | None = None) -> None:
        super().__init__(primary.programs, port, below=below)
        self._primary = primary
        self.password_file.write_bytes(primary.password_file.read_bytes())

    def take_over(self, port: int) -> None:
        """Become the server at the first one's address, which has ended.

        What the first one confirmed is here, if it waited for this one
        (``synchronous_standby_names``).
        """
        self.stop()
        self.port = port
        self.start()
        self.execute("SELECT pg_promote()")

    def _prepare(self) -> None:
        self._own(self._root, self.password_file)
        passed = self._root / "pgpass"
        word = self.password_file.read_text()
        create_secret(passed, f"127.0.0.1:*:*:{_ACCOUNT}:{word}\n".encode())
        self._own(passed)
        at = f"host=127.0.0.1 port={self._primary.port} user={_ACCOUNT} passfile={passed}"
        self._run(
            "pg_basebackup",
            *("-d", f"{at} application_name={self.NAME}", "-D", str(self.directory)),
            *("-R", "-X", "stream", "-c", "fast", "--no-sync"),
        )


def _send(pids: Iterable[int], sent: signal.Signals) -> None:
    """Send a signal to those that are still there: a session may end at any moment."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sent)


def _owner() -> str | None:
    """The account under which the server runs; None is this one."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise PostgresFailed("no account to run PostgreSQL under")
