"""Retention while a gateway serves: a thread that runs the reaper, and removes bytes once a day.

Beside other gateways on one database, one of them reaps. A fault is told to the operator's log and
tried again; registrations go on.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from gateway.host.metrics import Metrics
from gateway.retention.erasure import DAY
from gateway.retention.reaper import Reaper
from gateway.retention.schedule import BadSchedule
from gateway.retention.scrub import truncate_log
from gateway.store.database import Database
from gateway.wire.errors import SealmatchError, Unavailable

log = logging.getLogger("sealmatch.retention")

FIRST_SECONDS: Final = 30
"""After the start: a server that starts again and again still reaps."""


class ReaperThread:
    """Runs a reaper now and then."""

    def __init__(
        self,
        reaper: Reaper,
        database: Database,
        seconds: float,
        clock: Callable[[], int],
        scrub_hour: int | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Prepare.

        Args:
            seconds: from one run to the next.
            scrub_hour: hour of the day (UTC) from which the bytes of deleted rows are removed, once
                a day; None: an operator does it.
        """
        self._reaper = reaper
        self._database = database
        self._seconds = seconds
        self._clock = clock
        self._scrub_hour = scrub_hour
        self._scrubbed_on: int | None = None
        self._metrics = metrics or Metrics("gateway", on=False)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reaper", daemon=True)

    def start(self) -> None:
        self._metrics.set("reaper_period_seconds", self._seconds)
        self._metrics.set("reaper_last_run_time_seconds", self._clock())
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch that runs, then let others reap."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._reaper.resign()

    def _run(self) -> None:
        rest = min(self._seconds, FIRST_SECONDS)
        while not self._stopping.wait(rest):
            rest, result = self._seconds, "failed"
            try:
                self.step()
                result = "done"
                self._metrics.set("reaper_last_run_time_seconds", self._clock())
            except (Unavailable, BadSchedule) as error:
                log.warning("retention: %s", error)
            except SealmatchError as error:
                log.error("retention: %s", error)
            except Exception as error:  # noqa: BLE001  one fault must not end all removal
                log.error("retention: %s", type(error).__name__)
            self._metrics.count("reaper_runs_total", result=result)

    def step(self) -> None:
        """One run, and the day's removal of bytes if it is time. Raises as ``Reaper.run``."""
        report = self._reaper.run(going=lambda: not self._stopping.is_set())
        if report is not None:
            rows = sum(line.removed for line in report.message.lines)
            log.info("retention: run %d removed %d rows", report.message.number, rows)
            truncate_log(self._database)
        if self._scrub_is_due() and self._reaper.elected():
            self._scrubbed_on = self._clock() // DAY
            for left in self._reaper.scrub().left:
                log.warning("retention: %s", left)

    def _scrub_is_due(self) -> bool:
        today, second = divmod(self._clock(), DAY)
        if self._scrub_hour is None or self._scrubbed_on == today:
            return False
        return second >= self._scrub_hour * 3600
