"""Code of ours killed at a crash point, in a process that is forked for it."""

import os
import signal
from collections.abc import Callable

from gateway.host import crash


def killed_at(point: str, act: Callable[[], object]) -> None:
    """Run ``act`` in a child that is killed (SIGKILL) at ``point``. It needs connections of its
    own."""
    child = os.fork()
    if child == 0:
        try:
            crash.install(lambda reached: _die(reached == point))
            act()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"{point} was not reached"
    assert os.WTERMSIG(status) == signal.SIGKILL


def _die(now: bool) -> None:
    if now:
        os.kill(os.getpid(), signal.SIGKILL)
