"""How a command ends when it is told to: Ctrl-C, and SIGTERM from a supervisor.

Either way what is half made is cleared away first. Ctrl-C gives exit status 130. After SIGTERM the
process ends by that signal, as its supervisor expects of any program.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

INTERRUPTED: Final = 130
"""Exit status after Ctrl-C, as shells have it."""


class Terminated(KeyboardInterrupt):
    """SIGTERM; whoever clears away after Ctrl-C does so after this too."""


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Within the block SIGTERM raises ``Terminated``, in the thread that gets signals."""
    if not _gets_signals():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def interrupted_at_once() -> Iterator[None]:
    """Within the block Ctrl-C ends the process without a word: nothing is there to clear away.

    While modules load, an exception from nowhere could also be reported and then forgotten. A
    Ctrl-C that is ignored, as in a shell's background jobs, stays so.
    """
    before = signal.getsignal(signal.SIGINT)
    if not _gets_signals() or before is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def ignore_interrupts() -> None:
    """From now on Ctrl-C does nothing: the process is ending already, with nothing to tell."""
    if _gets_signals():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _gets_signals() -> bool:
    return threading.current_thread() is threading.main_thread()


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated
