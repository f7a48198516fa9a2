"""The transparency log over HTTP (C2SP ``tlog-tiles``). The prefix is ``/log``.

    GET /log/checkpoint
    GET /log/tile/<level>/<index>[.p/<width>]
    GET /log/tile/entries/<index>[.p/<width>]

By default only enrolled witnesses and auditors may read, and they sign their requests. Otherwise
the times at which leaves appear would tell everyone how much a shop sells (protocol, section 10).
Like all of this server's answers, these say ``no-store``, although tiles never change: a cache
would answer anyone. The routes are not in ``/openapi.json``: C2SP describes them, and OpenAPI has
no path with a variable number of parts.
"""

from collections.abc import Callable
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from gateway.host.http import problem_response, work_on
from gateway.sequencing.reading import PublishedLog
from gateway.translog.tiles import Tile
from gateway.wire.errors import NOT_FOUND, MalformedMessage

PREFIX: Final = "/log"
CHECKPOINT: Final = "text/plain; charset=utf-8"
TILE: Final = "application/octet-stream"


def add_log_routes(
    app: FastAPI, published: PublishedLog, check_reader: Callable[[Request], None]
) -> None:
    """Add the routes of a log.

    Args:
        check_reader: raises ``Refused`` unless the request's sender may read.
    """

    @app.get(f"{PREFIX}/checkpoint", include_in_schema=False)
    async def checkpoint(request: Request) -> Response:
        def work() -> bytes | None:
            check_reader(request)
            return published.checkpoint()

        return _answer(await work_on(request, "log", work), CHECKPOINT)

    @app.get(f"{PREFIX}/{{path:path}}", include_in_schema=False)
    async def tile(request: Request, path: str) -> Response:
        def work() -> bytes | None:
            check_reader(request)
            try:
                return published.tile(Tile.parse(path))
            except MalformedMessage:
                return None

        return _answer(await work_on(request, "log", work), TILE)


def _answer(content: bytes | None, media_type: str) -> Response:
    if content is None:
        return problem_response(NOT_FOUND)
    return Response(content, media_type=media_type)
