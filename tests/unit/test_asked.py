"""A running process is asked by Enter in its terminal, or by a signal of its own account."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.processes import PATIENCE

PROGRAM = """
import time
from gateway.host.asked import when_asked
when_asked(lambda: print("asked", flush=True))
print("ready", flush=True)
while True:
    time.sleep(60)
"""


@contextmanager
def running(stdin: int) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=stdin, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert said(process) == b"ready\n"
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def test_enter_in_the_terminal_asks_once_for_each_line() -> None:
    person, terminal = pty.openpty()
    try:
        with running(terminal) as process:
            for _ in range(2):
                os.write(person, b"\n")
                assert said(process) == b"asked\n"
            process.terminate()
            assert process.wait(PATIENCE) == -signal.SIGTERM, "a thread that waits keeps nothing up"
    finally:
        os.close(person)
        os.close(terminal)


def test_a_signal_asks_and_what_is_no_terminal_is_left_alone() -> None:
    theirs, ours = os.pipe()
    try:
        os.write(ours, b"a line of somebody's file\n")
        with running(theirs) as process:
            process.send_signal(signal.SIGUSR1)
            assert said(process) == b"asked\n"
        assert os.read(theirs, 100) == b"a line of somebody's file\n"
    finally:
        os.close(theirs)
        os.close(ours)
