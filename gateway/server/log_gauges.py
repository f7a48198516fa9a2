"""What the metrics say of the gateway's log: how much is published, and whether anything waits."""

import time
from collections.abc import Callable
from typing import Final

from gateway.host.metrics import Metrics
from gateway.store import log as stored_log
from gateway.store.database import Database

_SECONDS: Final = 5.0
"""From one look at the database to the next."""


class LogGauges:
    """Looks at the log when metrics are read."""

    def __init__(
        self,
        metrics: Metrics,
        database: Database,
        check: Callable[[], object],
        clock: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``check``: raises if the log is halted."""
        self._metrics = metrics
        self._database = database
        self._check = check
        self._clock = clock
        self._monotonic = monotonic
        self._looked_at: float | None = None
        self._published = -1
        self._moved_at = 0.0
        """When the published log was last seen to grow, or nothing to wait."""

    def look(self) -> None:
        """Set the gauges. Raises ``Unavailable`` if the storage does not answer."""
        now = self._monotonic()
        self._metrics.set("log_halted", self._is_halted())
        if self._looked_at is not None and now - self._looked_at < _SECONDS:
            return
        self._looked_at = now
        with self._database.transaction() as connection:
            fixed = stored_log.head(connection).size
            newest = stored_log.newest_published(connection)
            waiting = stored_log.count_pending(connection)
        published = 0 if newest is None else newest.size
        unpublished = waiting + fixed - published
        if published != self._published:
            self._metrics.set("log_checkpoint_time_seconds", self._clock())
        if published != self._published or not unpublished:
            self._moved_at = now
        self._published = published
        self._metrics.set("log_entries", published)
        self._metrics.set("log_unpublished_entries", unpublished)
        self._metrics.set("log_waiting_seconds", now - self._moved_at)

    def _is_halted(self) -> bool:
        try:
            self._check()
        except Exception:  # noqa: BLE001  whatever it is, nothing grows
            return True
        return False
