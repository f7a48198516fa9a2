"""What a person asks of a process that runs: Enter in its terminal, or SIGUSR1.

Nobody else can ask: a terminal is its user's, and a signal comes from the same account or root.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

_RETRY_SECONDS: Final = 1.0
_LINE_BYTES: Final = 4096


def when_asked(then: Callable[[], None]) -> None:
    """From now on call ``then``, in a thread, for each line that is typed and each SIGUSR1.

    Standard input that is no terminal is left alone: it may be somebody else's file.
    """
    signal.signal(signal.SIGUSR1, lambda *_: _start(then))
    if sys.stdin is not None and sys.stdin.isatty():
        # In the background, reading from the terminal would stop the process. So it fails.
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)
        _start(lambda: _listen(sys.stdin.fileno(), then))


def _listen(terminal: int, then: Callable[[], None]) -> None:
    """Read lines until the process ends. ``sys.stdin`` would lock its buffer at the end."""
    while True:
        try:
            line = os.read(terminal, _LINE_BYTES)
        except OSError:
            line = b""
        if line:
            then()
        else:  # in the background, Ctrl-D, or the terminal is gone
            time.sleep(_RETRY_SECONDS)


def _start(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()
