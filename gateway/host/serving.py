"""Running a server until Ctrl-C or SIGTERM: one way for all, with a line on stdout when ready.

The line is printed when the server answers: a program that reads it can connect at once. The
address is taken first, so that one in use is said before a passphrase is asked for.
Access logs are off: they would keep who asked when. Core dumps are switched off.
"""

import errno
import resource
import socket
from typing import TYPE_CHECKING, Final

from gateway.host.holders import advice_on
from gateway.host.limits import Limits, raise_descriptor_limit
from gateway.host.tls import ServerTls
from gateway.wire.errors import SealmatchError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from gateway.host.announced import AnnouncedServer

BACKLOG = 2048
DEFAULTS: Final = Limits()


class CannotListen(SealmatchError):
    """The address is in use or not ours."""


def bind(host: str, port: int) -> socket.socket:
    """Bind a listening socket.

    Raises:
        CannotListen: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        advice = f"; {advice_on(port)}" if error.errno == errno.EADDRINUSE else ""
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror}{advice}") from None
    return listener


def serve(
    app: "ASGIApp",
    name: str,
    listener: socket.socket,
    tls: ServerTls | None,
    limits: Limits = DEFAULTS,
) -> None:
    """Serve on a listening socket until told to stop; a second signal hastens that.

    Raises:
        CannotListen: the application did not start.
        TlsMisconfigured: certificate or key cannot be used.
        KeyboardInterrupt: Ctrl-C ended it; it has stopped in order.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    server = server_of(app, name, listener, tls, limits)
    if (metrics := getattr(getattr(app, "state", None), "metrics", None)) is not None:
        server.watched_by(metrics)
    server.run()
    if server.interrupted:
        raise KeyboardInterrupt  # while it runs, asyncio keeps it to itself
    if not server.started:
        raise CannotListen(f"the {name} could not start; see its log")


def server_of(
    app: "ASGIApp",
    name: str | None,
    listener: socket.socket,
    tls: ServerTls | None,
    limits: Limits,
) -> "AnnouncedServer":
    """The server that ``serve`` runs; without a name, one that says nothing.

    Raises:
        TlsMisconfigured: certificate or key cannot be used.
    """
    import uvicorn  # noqa: PLC0415  operator commands start without a web server

    from gateway.host.announced import AnnouncedServer  # noqa: PLC0415  likewise

    descriptors = raise_descriptor_limit()
    context = None if tls is None else tls.context()
    return AnnouncedServer(
        uvicorn.Config(
            app,
            access_log=False,
            log_config=None,
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=limits.grace_seconds,
            timeout_keep_alive=limits.keep_alive_seconds,
            proxy_headers=bool(limits.proxies),
            forwarded_allow_ips=[str(one) for one in limits.proxies],
            http="httptools",
            # uvloop reads into one buffer that lives as long as the process: what it read last,
            # a sealed template, would stay in memory after its session.
            loop="asyncio",
            ws="none",
            ssl_context_factory=None if context is None else lambda *_: context,
        ),
        name,
        listener,
        limits,
        descriptors,
    )
