"""ASGI middleware around a server's application: every request is counted, and may be traced.

A route's label is what the application declared, never the path that was asked for.
"""

import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.host.measures import NO_ROUTE, NO_STATUS, ROUTES
from gateway.host.metrics import Metrics, Tally

_SUCCEEDED_BELOW: Final = 400


class Observed:
    """Books requests, and what was booked while they were answered."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._running = 0
        metrics.watch("requests_running", lambda: self._running)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._metrics.on:
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        tally = Tally(self._metrics)

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._running += 1
        try:
            with tally.here():
                await self._app(scope, receive, noting)
        finally:
            self._running -= 1
        route = route_of(scope)
        if (tracing := self._metrics.tracing) is not None:
            tracing.request(route, status, began, tally.stages)
        self._metrics.count("requests_total", route=route, status=str(status or NO_STATUS))
        if 0 < status < _SUCCEEDED_BELOW:
            self._metrics.observe("request_seconds", time.perf_counter() - began, route=route)
            tally.book()
        elif code := scope.get("state", {}).get("problem"):
            self._metrics.count("refusals_total", code=code)


def route_of(scope: Scope) -> str:
    """The label of the route that answered."""
    path = getattr(scope.get("route"), "path", None)
    return NO_ROUTE if path is None else ROUTES.get(path, NO_ROUTE)
