"""What the servers' HTTP applications have in common: one error table, no framework pages.

Routes parse, call one service, encode. Errors are raised and translated here, once: each becomes
the answer of ``gateway.wire.errors.problem_for``, and what a refusal hides goes to the operator's
log under its correlation id. Refusals wait for a common moment, so that their time hides it too.
"""

import asyncio
import inspect
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Final, Literal, get_type_hints

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.host.bounded_log import BoundedLog
from gateway.host.health import Health
from gateway.host.http import EdgeHeaders, json_response, problem_response
from gateway.host.metrics import Metrics
from gateway.host.observing import Observed
from gateway.host.traffic import Place
from gateway.wire import errors

_NOT_WELL = errors.problem_for(errors.Unavailable("the server cannot do its work now"))

LIVE: Final = "/health/live"
READY: Final = "/health/ready"

STRANGERS_LINES: Final = 20
STRANGERS_SECONDS: Final = 10.0
"""So many lines in so long about requests that nobody whom the server knows has signed."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def new_application(
    title: str,
    version: str,
    log: logging.Logger,
    lifespan: Lifespan,
    refusal_ms: int = 0,
    metrics: Metrics | None = None,
) -> FastAPI:
    """A FastAPI application with the product's error handling and edge headers.

    Args:
        refusal_ms: refusals are answered a multiple of this after their request came; 0: at once.
        metrics: where requests are booked.
    """
    app = _Application(
        title=title,
        version=version,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_told(lifespan, log),
        redirect_slashes=False,
    )
    app.router.route_class = PlainRoute
    app.add_middleware(OwnFaults, log=log)
    if metrics is not None and metrics.on:
        app.add_middleware(Observed, metrics=metrics)
    app.add_middleware(EdgeHeaders)
    app.state.metrics = metrics

    def left_out() -> None:
        if metrics is not None:
            metrics.count("log_lines_left_out_total")

    strangers = BoundedLog(log, left_out, STRANGERS_LINES, STRANGERS_SECONDS)

    @app.exception_handler(errors.SealmatchError)
    async def known(request: Request, error: errors.SealmatchError) -> Response:
        problem = errors.problem_for(error)
        request.state.problem = problem.code
        detail = error.detail if isinstance(error, errors.Refused) else str(error)
        level = logging.ERROR if problem.status >= errors.INTERNAL.status else logging.INFO
        place: Place = request.state.place
        write = log.log if place.known else strangers.line
        write(level, "%s %s: %s", _correlator(request), problem.code, detail)
        if isinstance(error, errors.Refused) and refusal_ms:
            place.reads_no_more()
            error.__traceback__ = None  # lets go of the request's body, while it waits
            await asyncio.sleep(_until_next(request.state.arrived, refusal_ms / 1000))
        return problem_response(problem)

    @app.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> Response:
        problem = {404: errors.NOT_FOUND, 405: errors.METHOD_NOT_ALLOWED}.get(
            error.status_code, errors.INVALID
        )
        request.state.problem = problem.code
        answer = problem_response(problem)
        if allow := (error.headers or {}).get("Allow"):
            answer.headers["allow"] = allow
        return answer

    return app


def _told(lifespan: Lifespan, log: logging.Logger) -> Lifespan:
    """The same, and the operator's log says why the server does not start."""

    @asynccontextmanager
    async def telling(app: FastAPI) -> AsyncIterator[None]:
        served = False
        try:
            async with lifespan(app):
                served = True
                yield
        except Exception as error:
            if not served:
                known = isinstance(error, errors.SealmatchError)
                log.critical("not started: %s", error if known else type(error).__name__)
            raise

    return telling


class PlainRoute(APIRoute):
    """A route whose function reads the request itself, and is called with nothing between.

    FastAPI describes it as any other; ``_Routes`` calls it. What FastAPI would prepare for a
    function that leaves reading to it, half a millisecond a request, is left out. A function takes
    the request, then what stands in the path, as text.
    """

    @property
    def plain(self) -> bool:
        """Whether the function is of this kind."""
        hints = get_type_hints(self.endpoint)
        read = [hints.get(name) for name in inspect.signature(self.endpoint).parameters]
        return read == [Request, *(str for _ in self.param_convertors)]

    async def answer(self, request: Request) -> Response:
        """Call the function of a plain route."""
        answered: Response = await self.endpoint(request, *request.path_params.values())
        return answered


class _Application(FastAPI):
    """FastAPI with our edge alone around the routes.

    What it would put around them besides (its own error page, limit and traces) is done here by
    ``OwnFaults``, ``read_body`` and ``Observed``.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        scope["app"] = self
        await self.middleware_stack(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        app: ASGIApp = ExceptionMiddleware(_Routes(self), handlers=self.exception_handlers)
        for middleware in reversed(self.user_middleware):
            app = middleware.cls(app, *middleware.args, **middleware.kwargs)
        return app


class _Routes:
    """Calls plain routes itself, and leaves all others to FastAPI's router."""

    def __init__(self, app: FastAPI) -> None:
        self._others = AsyncExitStackMiddleware(app.router)
        plain = [one for one in app.routes if isinstance(one, PlainRoute) and one.plain]
        every = [(method, one) for one in plain for method in one.methods or ()]
        self._exact = {(m, one.path): one for m, one in every if not one.param_convertors}
        self._patterns = [(m, one) for m, one in every if one.param_convertors]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._find(scope) if scope["type"] == "http" else None
        if route is None:
            await self._others(scope, receive, send)
            return
        scope["route"] = route
        request = Request(scope, receive, send)
        response = await route.answer(request)
        await response(scope, receive, send)

    def _find(self, scope: Scope) -> PlainRoute | None:
        method, path = scope["method"], scope["path"]
        if (exact := self._exact.get((method, path))) is not None:
            scope["path_params"] = {}
            return exact
        for served, route in self._patterns:
            if served == method and (found := route.path_regex.match(path)):
                scope["path_params"] = found.groupdict()
                return route
        return None


class HealthAnswer(BaseModel):
    """The server can do its work."""

    status: Literal["ok"] = Field(description="Always the same.")


def add_health(
    app: FastAPI,
    path: str,
    health: Health,
    told: Mapping[str, bool] | None = None,
    described: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Let a supervisor ask whether the server lives, is well, and is ready (``health``).

    Args:
        path: where it is asked whether the server is well, the oldest of the three.
        told: what a well server says besides; nothing in it is secret.
        described: what FastAPI is told of the routes, by their paths.
    """
    routes = described or {}

    def answered(well: bool) -> Response:
        if well:
            return json_response({**HealthAnswer(status="ok").model_dump(), **(told or {})})
        # Not raised: the operator's log has the reason once, and no line for every question.
        return problem_response(_NOT_WELL)

    @app.get(path, **routes.get(path, {}))
    async def well() -> Response:
        return answered(await health.is_well())

    @app.get(LIVE, **routes.get(LIVE, {}))
    async def live() -> Response:
        return answered(True)

    @app.get(READY, **routes.get(READY, {}))
    async def ready() -> Response:
        return answered(await health.is_ready())


@asynccontextmanager
async def swept(sweep: Callable[[], object], seconds: float) -> AsyncIterator[None]:
    """Within the block, ``sweep`` runs in a thread, at once and then at this interval.

    If the storage fails, the next turn tries again.
    """

    async def turn() -> None:
        while True:
            with suppress(errors.Unavailable):
                await run_in_threadpool(sweep)
            await asyncio.sleep(seconds)

    sweeper = asyncio.create_task(turn())
    try:
        yield
    finally:
        sweeper.cancel()
        with suppress(asyncio.CancelledError):
            await sweeper


class OwnFaults:
    """ASGI middleware: an error of ours is a plain 500, and its type alone reaches the log.

    Left to the server, a traceback would be logged with the values in its message.
    """

    def __init__(self, app: ASGIApp, log: logging.Logger) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, note_start)
        except Exception as error:  # noqa: BLE001  the last line of defence
            state = scope.setdefault("state", {})
            state["problem"] = errors.INTERNAL.code
            correlator = state.get("correlator", "-")
            self._log.error("%s INTERNAL: %s", correlator, type(error).__name__)
            if not started:
                await problem_response(errors.INTERNAL)(scope, receive, send)


def _until_next(arrived: float, period: float) -> float:
    """Seconds until the next multiple of ``period`` after ``arrived``."""
    passed = time.monotonic() - arrived
    return math.ceil(passed / period) * period - passed


def _correlator(request: Request) -> str:
    return str(getattr(request.state, "correlator", "-"))
