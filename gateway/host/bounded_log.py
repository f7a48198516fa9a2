"""Lines that strangers can cause, at a bounded rate: a log is not a place to fill.

Each text may come some times in a while. What comes more often is counted, and the next line that
is let through says how many were left out before it. Texts are the code's own, without values, so
what is remembered is bounded too. Method: a fixed window for each text.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

LINES: Final = 10
"""Of one text in one window."""
WINDOW_SECONDS: Final = 60.0


class BoundedLog:
    """The operator's log for what repeats."""

    def __init__(
        self,
        log: logging.Logger,
        left_out: Callable[[], object] = lambda: None,
        lines: int = LINES,
        seconds: float = WINDOW_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``left_out``: called for each line that is left out, to count it."""
        self._log = log
        self._left_out = left_out
        self._lines = lines
        self._seconds = seconds
        self._monotonic = monotonic
        self._windows: dict[str, tuple[float, int]] = {}
        """By text: when its window began, and how often it came in it."""
        self._lock = threading.Lock()

    def line(self, level: int, text: str, *values: object) -> None:
        """Write a line, if its text has not come too often.

        Args:
            text: a constant with places for ``values``, as ``logging`` takes it.
        """
        now = self._monotonic()
        with self._lock:
            began, before = self._windows.get(text, (now, 0))
            missed = 0
            if now - began >= self._seconds:
                missed = max(0, before - self._lines)
                began, before = now, 0
            self._windows[text] = (began, before + 1)
            written = before < self._lines
        if missed:
            self._log.warning("%d lines like the next were left out", missed)
        if written:
            self._log.log(level, text, *values)
        else:
            self._left_out()
