"""A web server that says when it answers. It is apart from ``serving`` because it loads uvicorn."""

import json
import signal
import socket
from types import FrameType

import uvicorn


class AnnouncedServer(uvicorn.Server):
    """Prints a line once it is ready: listening, and its workers started."""

    def __init__(self, config: uvicorn.Config, announce: tuple[str, str, int]) -> None:
        """``announce``: name, host and port of the line on stdout."""
        super().__init__(config)
        self._announce = announce
        self.interrupted = False
        """Whether it was Ctrl-C that ended it."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal ends the server in order; any further one hastens that."""
        self.interrupted |= sig == signal.SIGINT
        self.force_exit = self.should_exit
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """In haste nobody's requests are waited for. What is open is closed all the same."""
        await super().shutdown(sockets)
        if self.force_exit:
            await self.lifespan.shutdown()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            name, host, port = self._announce
            print(json.dumps({"ready": name, "host": host, "port": port}), flush=True)
