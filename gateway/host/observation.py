"""What an operator may watch a server by, as the settings say, and what runs for it."""

from collections.abc import Callable
from pathlib import Path

from gateway.host.measures import Server
from gateway.host.metrics import Metrics
from gateway.host.metrics_listener import MetricsListener
from gateway.host.process import watch_process
from gateway.host.server_settings import ObservedSettings
from gateway.host.tls import server_tls


class Observation:
    """One server's metrics, and where they are read; a part of it (``Lifetime``)."""

    def __init__(self, settings: ObservedSettings, server: Server, directory: Path) -> None:
        """``directory``: the server's data directory.

        Raises:
            TlsMisconfigured: plain HTTP off loopback.
        """
        self.metrics = Metrics(server, on=settings.metrics_port is not None)
        self._before_reading: Callable[[], object] = lambda: None
        self.listener: MetricsListener | None = None
        if settings.metrics_port is not None:
            tls = server_tls(
                settings.metrics_host,
                settings.tls_certificate,
                settings.tls_key,
                settings.tls_client_ca,
            )
            self.listener = MetricsListener(
                settings.metrics_host, settings.metrics_port, tls, self._read
            )
            watch_process(self.metrics, directory, settings.tls_certificate)

    def looking(self, look: Callable[[], object]) -> None:
        """Do this before metrics are read, so that they say what is so now."""
        self._before_reading = look

    def start(self) -> None:
        """Raises as ``MetricsListener.start``."""
        if self.listener is not None:
            self.listener.start()

    def stop(self) -> None:
        if self.listener is not None:
            self.listener.stop()

    def _read(self) -> bytes:
        self._before_reading()
        return self.metrics.text()
