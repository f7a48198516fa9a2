"""Server processes on this machine: where each keeps what, how it starts and how it ends."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gateway.wire.errors import SealmatchError

TRUST_FILE = "trust.json"


_STOP_SECONDS = 10


class DeploymentFailed(SealmatchError):
    """A server did not start, or an operator command failed; the text holds its last line."""


@dataclass(frozen=True)
class Directories:
    """Where each party keeps its files. In real use the first three are on hosts of their own."""

    root: Path

    @property
    def gateway(self) -> Path:
        return self.root / "gateway"

    @property
    def authority(self) -> Path:
        return self.root / "authority"

    @property
    def auditor(self) -> Path:
        return self.root / "auditor"

    @property
    def counter(self) -> Path:
        return self.root / "counter"

    @property
    def reader_key(self) -> Path:
        """Key of a party that may read the log, for ``sealmatch log check --key``."""
        return self.root / "reader" / "reader.key"

    @property
    def operator(self) -> Path:
        return self.root / "operator"

    @property
    def tls(self) -> Path:
        return self.root / "tls"

    @property
    def trust(self) -> Path:
        return self.root / TRUST_FILE


class Server:
    """One server process. Its log goes to a file in its own directory.

    It ends when this process does, however this process ends: it waits for the end of its standard
    input.
    """

    def __init__(self, command: Sequence[str], directory: Path, **settings: str) -> None:
        """``command``: Python, ``-m``, a module, and its arguments."""
        python, option, *module_and_arguments = command
        self._log_path = directory / "server.log"
        self._log: IO[bytes] = self._log_path.open("ab")
        self.process = subprocess.Popen(  # noqa: S603  our own modules
            [python, option, "gateway.lab.deployment.attached", *module_and_arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **settings},
            start_new_session=True,  # Ctrl-C reaches only the parent, which stops them in order
        )

    def wait_ready(self) -> int:
        """Return the port once the server listens.

        Raises:
            DeploymentFailed: it ended instead.
        """
        stream = self.process.stdout
        line = stream.readline() if stream is not None else b""
        if not line:
            self.stop()
            raise DeploymentFailed(f"a server did not start: {self._last_words()}")
        return int(json.loads(line)["port"])

    def stop(self) -> None:
        """End the process with SIGTERM and, if it does not end, with SIGKILL."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self._log.close()

    def _last_words(self) -> str:
        lines = self._log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it left no message"


@contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """Within the block SIGTERM acts like Ctrl-C, so that all servers are stopped."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_command(command: Sequence[str], environment: dict[str, str]) -> str:
    done = subprocess.run(  # noqa: S603  our own modules
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise DeploymentFailed(lines[-1] if lines else "an operator command failed")
    return done.stdout
