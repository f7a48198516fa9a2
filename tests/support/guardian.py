"""Ends what a test run started, however the run ends.

``guarded`` starts a small process beside the run. It waits for the end of a pipe that the run alone
holds open, and nobody can prevent that end: Ctrl-C, twice, or SIGKILL. Then it kills every process
whose environment names this run, for all that a run starts inherit that, and removes the run's
directory of temporary files. It sits in a session of its own, where no Ctrl-C of a terminal
reaches it; no other run's name is in its environment, whose guardian would end it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RUN = "SEALMATCH_TEST_RUN"
"""The environment variable that names the run: its directory."""

PASSES = 600
"""A process that was just being started is found in the next pass; one that was killed has ended
some passes later, on a busy machine."""


@contextlib.contextmanager
def guarded() -> Iterator[Path]:
    """What is started within the block ends with this process. Yields the run's directory."""
    directory = Path(tempfile.mkdtemp(prefix="sealmatch-tests-"))
    directory.chmod(0o755)  # PostgreSQL runs under another account
    before = os.environ.get(RUN)
    guardian = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name != RUN},
    )
    os.environ[RUN] = str(directory)
    try:
        yield directory
    finally:
        if before is None:
            del os.environ[RUN]
        else:
            os.environ[RUN] = before
        guardian.communicate()


def temporary_directory() -> str | None:
    """Where processes of a guarded run may keep files, which are removed with it."""
    return os.environ.get(RUN)


def survivors(directory: str) -> list[int]:
    """Processes whose environment names the run with this directory."""
    named, found = f"{RUN}={directory}".encode(), []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if named in Path(entry.path, "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def main(directory: str) -> None:
    """Wait for the run's end, then clear up."""
    while os.read(0, 1):
        pass
    for _ in range(PASSES):
        left = survivors(directory)
        if not left:
            break
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
