"""Running a server: who reads the line that says it is ready can connect."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest

from tests.support.processes import PATIENCE

SLOW_TO_START = """
import asyncio
from contextlib import asynccontextmanager
from fastapi import FastAPI
from gateway.host.serving import bind, serve

@asynccontextmanager
async def lifespan(_):
    await asyncio.sleep(1)
    yield

app = FastAPI(lifespan=lifespan)

@app.get("/")
def root():
    return "here"

serve(app, "slow", bind("127.0.0.1", 0), None)
"""


@pytest.mark.processes
def test_a_server_that_says_it_is_ready_accepts_connections() -> None:
    """At once, however long the application took to start."""
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_TO_START], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        try:
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline())
            with socket.create_connection(
                (ready["host"], ready["port"]), timeout=PATIENCE
            ) as client:
                client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                assert client.recv(64).startswith(b"HTTP/1.1 200")
        finally:
            server.terminate()
