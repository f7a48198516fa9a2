"""What an operator may watch a server by, as the settings say, and what runs for it."""

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.host.measures import Server
from gateway.host.metrics import Metrics
from gateway.host.metrics_listener import MetricsListener
from gateway.host.operator_log import counting
from gateway.host.process import watch_process
from gateway.host.server_settings import ObservedSettings
from gateway.host.tracing import Tracing

LOOK_SECONDS: Final = 3.0
"""A scraper waits ten."""
FRESH_SECONDS: Final = 5.0
"""For which one text serves everybody who reads. Whoever read gauges of the moment every few
milliseconds, such as how many workers are busy, would see how far one request came."""


class Observation:
    """One server's metrics, and where they are read; a part of it (``Lifetime``)."""

    def __init__(self, settings: ObservedSettings, server: Server, directory: Path) -> None:
        """``directory``: the server's data directory.

        Raises:
            TlsMisconfigured: plain HTTP off loopback.
            BadConfiguration: traces cannot be had.
        """
        self.metrics = Metrics(server, on=settings.metrics_port is not None)
        if settings.otlp_endpoint:
            self.metrics.tracing = Tracing(server, settings.otlp_endpoint)
        self._looks: list[Callable[[], object]] = []
        self._looking: threading.Thread | None = None
        self._text, self._read_at = b"", -math.inf
        self._one = threading.Lock()
        self.listener: MetricsListener | None = None
        if settings.metrics_port is not None:
            self.listener = MetricsListener(
                settings.metrics_host, settings.metrics_port, settings.metrics_tls, self._read
            )
            watch_process(self.metrics, directory, settings.tls_certificate)

    def looking(self, look: Callable[[], object]) -> None:
        """Do this before metrics are read, so that they say what is so now.

        Args:
            look: one that does not end keeps back the later ones, and no answer.
        """
        self._looks.append(look)

    def start(self) -> None:
        """Raises as ``MetricsListener.start``."""
        counting(self.metrics)
        if self.listener is not None:
            self.listener.start()

    def stop(self) -> None:
        if self.listener is not None:
            self.listener.stop()
        if self.metrics.tracing is not None:
            self.metrics.tracing.stop()

    def _read(self) -> bytes:
        """Everything, as of some seconds ago at most."""
        with self._one:
            if time.monotonic() - self._read_at >= FRESH_SECONDS:
                self._text, self._read_at = self._made(), time.monotonic()
            return self._text

    def _made(self) -> bytes:
        if self._looking is None or not self._looking.is_alive():
            self._looking = threading.Thread(target=self._look, name="looking", daemon=True)
            self._looking.start()
        self._looking.join(LOOK_SECONDS)
        return self.metrics.text()

    def _look(self) -> None:
        for look in self._looks:
            with suppress(Exception):  # what is missing is told by ``health``
                look()
