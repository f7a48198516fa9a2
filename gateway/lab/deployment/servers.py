"""Server processes on this machine: where each keeps what, how it starts and how it ends."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from gateway.host.directories import private_file
from gateway.lab.deployment.interrupts import undisturbed
from gateway.wire.errors import SealmatchError

TRUST_FILE = "trust.json"


_STOP_SECONDS = 10
_POLL_SECONDS = 0.05


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
    def supervisor_key(self) -> Path:
        """Key of the person who approves registrations without a face (``sealmatch fallback``)."""
        return self.root / "supervisor" / "supervisor.key"

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
        """``command``: Python, its options, ``-m``, a module, and the module's arguments."""
        at = command.index("-m") + 1
        self._log_path = directory / "server.log"
        private_file(self._log_path)
        self._log: IO[bytes] = self._log_path.open("ab")
        self.process = subprocess.Popen(  # noqa: S603  our own modules
            [*command[:at], "gateway.lab.deployment.attached", *command[at:]],
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
        """End the process with SIGTERM and, if it does not end or somebody hastens it, SIGKILL."""
        _end(self.process, signal.SIGTERM)
        self._log.close()

    def _last_words(self) -> str:
        lines = self._log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it left no message"


def run_command(command: Sequence[str], environment: dict[str, str]) -> str:
    """Run an operator command and return what it prints.

    It sits in a session of its own, which Ctrl-C of a terminal does not reach. If this process is
    interrupted, so is the command, which clears away what is half made.

    Raises:
        DeploymentFailed: it failed; the text is its last line.
    """
    process = None
    try:
        with undisturbed():
            process = subprocess.Popen(  # noqa: S603  our own modules
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        printed, said = process.communicate()
    except BaseException:
        if process is not None:
            _end(process, signal.SIGINT)
        raise
    if process.returncode:
        lines = said.strip().splitlines()
        raise DeploymentFailed(lines[-1] if lines else "an operator command failed")
    return printed


def _end(process: subprocess.Popen[Any], how: signal.Signals) -> None:
    """Send a signal, and SIGKILL if the process does not end or somebody hastens it."""
    with undisturbed() as interrupts:
        process.send_signal(how)
        until = time.monotonic() + _STOP_SECONDS
        while process.poll() is None:
            if interrupts.hasty or time.monotonic() > until:
                process.kill()
            time.sleep(_POLL_SECONDS)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
