"""Looks at database and bundle now and then, for everybody who asks.

A look opens the database for reading, and closes it again: a snapshot that stood would keep SQLite
from shortening its log, and PostgreSQL from removing what was deleted.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from gateway.console.config import ConsoleSettings
from gateway.console.figures import Figures, OtherForm, Stocks, read_figures
from gateway.console.signed import Pinned
from gateway.console.visit import LastVisit, Unreadable, Visit
from gateway.store.reading import ReadingDatabase
from gateway.wire.errors import SealmatchError, Unavailable

log = logging.getLogger("sealmatch.console")

_TIMES: Final = 3
"""A file that nobody used when it was opened may have been begun to be used meanwhile."""

Fault = Literal["away", "other-form"]


@dataclass(frozen=True)
class Look:
    """What there is to show."""

    at: int
    figures: Figures | None
    """None: see ``fault``."""
    fault: Fault | None
    visit: Visit | Unreadable | None
    pinned: Pinned | None


class Watch:
    """Thread-safe: one looks, and the others wait for what comes of it."""

    def __init__(
        self,
        settings: ConsoleSettings,
        clock: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare. Raises ``UnusableTrustFile``."""
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._pinned = Pinned.read(settings.trust_file)
        self._visit = LastVisit(settings.inspection_bundle, settings.inspector_key)
        self._lock = threading.Lock()
        self._looked: tuple[float, Look] | None = None
        self._stocks: Stocks | None = None

    def look(self) -> Look:
        """As of some seconds ago at most."""
        with self._lock:
            now = self._monotonic()
            if self._looked is None or now - self._looked[0] >= self._settings.fresh_seconds:
                self._looked = now, self._look()
            return self._looked[1]

    def check(self) -> None:
        """For ``Health``: raise ``Unavailable`` if the database cannot be read."""
        if self.look().fault is not None:
            raise Unavailable("the gateway's database cannot be read")

    def _look(self) -> Look:
        now, figures = self._clock(), None
        fault: Fault | None = None
        try:
            figures = self._read(now)
        except OtherForm as error:
            fault = "other-form"
            log.error("database: %s", error)
        except (SealmatchError, OSError) as error:
            fault = "away"
            log.error("database: %s", error)
        return Look(now, figures, fault, self._visit.read(), self._pinned)

    def _read(self, now: int) -> Figures:
        for _ in range(_TIMES):
            with ReadingDatabase(self._settings.database_url) as database:
                figures = read_figures(
                    database, now, self._settings.retention_days, self._pinned, self._stocks
                )
                if database.unchanged():
                    self._stocks = figures.stocks
                    return figures
        raise Unavailable("the database changed each time while it was read")
