"""An orderly end: the first signal ends the work, and every further one only hastens that.

SIGINT (Ctrl-C), SIGTERM and SIGHUP. Python raises ``KeyboardInterrupt`` wherever it happens to be:
also between the start of a server and the moment when somebody knows its process, or in the middle
of stopping one. So within ``orderly_end`` it is raised once, and not within ``undisturbed``. What
this process was started to ignore, as in a shell's background jobs, stays ignored.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """The signals of one orderly end.

    Attributes:
        first: the signal that ended the work; None: there was none.
        hasty: whether there was another one.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        self.hasty = False
        self._undisturbed = 0

    def take(self, number: int, _frame: FrameType | None = None) -> None:
        """Handle a signal. Raises ``KeyboardInterrupt`` at the first one, if it may."""
        if self.first is not None:
            self.hasty = True
            return
        self.first = number
        if not self._undisturbed:
            raise KeyboardInterrupt

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Nothing is raised within the block. A signal that came meanwhile is raised after it."""
        before = self.first
        self._undisturbed += 1
        try:
            yield
        finally:
            self._undisturbed -= 1
        if before is None and not self._undisturbed:
            self.check()

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` if a signal came. What it raised then may have been lost."""
        if self.first is not None:
            raise KeyboardInterrupt


_current: Interrupts | None = None


@contextmanager
def orderly_end() -> Iterator[Interrupts]:
    """Within the block signals act as the module's docstring says."""
    global _current  # noqa: PLW0603  signals are the whole process's, so this is too
    before, interrupts = _current, Interrupts()
    handlers = {}
    _current = interrupts
    try:
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                handlers[number] = signal.signal(number, interrupts.take)
        yield interrupts
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        _current = before


@contextmanager
def undisturbed() -> Iterator[Interrupts]:
    """Nothing is raised within the block, whether the program has an orderly end or not.

    Yields what tells whether somebody is in a hurry.
    """
    if _current is not None and threading.current_thread() is threading.main_thread():
        with _current.undisturbed():
            yield _current
    elif threading.current_thread() is threading.main_thread():
        with orderly_end() as interrupts, interrupts.undisturbed():
            yield interrupts
    else:
        yield Interrupts()
