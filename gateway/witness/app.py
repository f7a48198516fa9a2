"""The witness over HTTP (C2SP ``tlog-witness``). Both prefixes of the specification are the root.

    POST /add-checkpoint               a log's request -> cosignatures
    GET  /{origin hash}/checkpoint     the latest checkpoint cosigned, for monitors
    GET  /health

Only the log's signature on its checkpoint authenticates a request.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from gateway.host.application import add_health, new_application
from gateway.host.clock import unix_time
from gateway.host.health import Health, require_room_on_disk
from gateway.host.http import bounded_body, work_on
from gateway.host.observation import Observation
from gateway.translog.witnessing import MAX_REQUEST_BYTES, SizeConflict
from gateway.witness.config import WitnessSettings
from gateway.witness.custody import read_keys
from gateway.witness.logs import KnownLogs
from gateway.witness.memory import WitnessMemory
from gateway.witness.rate import RateLimit
from gateway.witness.service import Witness

log = logging.getLogger("sealmatch.witness")

TEXT: Final = "text/plain; charset=utf-8"
SIZE: Final = "text/x.tlog.size"


def create_app(settings: WitnessSettings, clock: Callable[[], int] = unix_time) -> FastAPI:
    """Build the service from its data directory.

    Raises:
        KeyFileError: the keys are missing, damaged or open to others.
        Unavailable: the memory is missing.
    """
    observed = Observation(settings, "witness", settings.data_dir)
    logs = KnownLogs(settings.logs_file)
    memory = WitnessMemory(settings.memory_file)
    witness = Witness(read_keys(settings).signers, logs, memory, clock)
    health = Health(
        {
            "memory": memory.check,
            "trust": logs.policy,
            "clock": witness.check_clock,
            "disk": partial(require_room_on_disk, settings.data_dir),
        },
        log,
        metrics=observed.metrics,
    )
    observed.looking(health.look)
    rate = RateLimit(settings.requests_per_second, settings.burst)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        log.info("%d log keys are known", len(logs.policy().logs))
        try:
            observed.start()
            yield
        finally:
            observed.stop()
            memory.close()

    app = new_application("Sealmatch witness", "1", log, lifespan, metrics=observed.metrics)

    @app.exception_handler(SizeConflict)
    async def conflict(_: Request, error: SizeConflict) -> Response:
        # Set by hand: starlette adds a charset to text types, and the specification has none.
        return Response(f"{error.size}\n", 409, {"content-type": SIZE})

    def admit(request: Request) -> None:
        sender = request.client.host if request.client is not None else ""
        rate.admit(sender, time.monotonic())

    @app.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        admit(request)
        body = await bounded_body(request, None, MAX_REQUEST_BYTES)
        cosigned = await work_on(request, "checkpoint", partial(witness.add_checkpoint, body))
        return Response(cosigned, media_type=TEXT)

    @app.get("/{origin_hash}/checkpoint")
    async def checkpoint(request: Request, origin_hash: str) -> Response:
        admit(request)
        latest = await work_on(request, "latest", partial(witness.latest, origin_hash))
        return Response(latest, media_type=TEXT)

    add_health(app, "/health", health)
    return app
