"""Starts servers again that ended, on their ports, as systemd does with ``Restart=always``."""

import threading
import time
from types import TracebackType
from typing import Final, Self

from gateway.lab.bench.load.deployment import LoadDeployment
from gateway.lab.deployment.servers import DeploymentFailed

_LOOK_SECONDS: Final = 0.1
_PAUSE_SECONDS: Final = 1.0
"""Between an end and a new start (``RestartSec`` of the deployment's units)."""


class Supervisor:
    """Watches a deployment within the ``with`` block.

    Attributes:
        restarts: how often a server was started again.
    """

    def __init__(self, deployment: LoadDeployment) -> None:
        self._deployment = deployment
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.restarts = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            for party in self._deployment.supervised:
                if party.server is None or party.server.process.poll() is None:
                    continue
                time.sleep(_PAUSE_SECONDS)
                party.stop()
                party.launch()
                self.restarts += 1
                try:
                    party.ready()
                except DeploymentFailed:
                    continue  # a database that is down, say: again
