"""Running a server: who reads the line that says it is ready can connect."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys

import pytest

from tests.support.processes import PATIENCE

SLOW_TO_START = """
import asyncio
from contextlib import asynccontextmanager
from fastapi import FastAPI
from gateway.host.limits import Limits
from gateway.host.ending import terminated_as_interrupted
from gateway.host.serving import bind, serve

PATIENT = Limits(grace_seconds=10**6)  # in which open requests may end

@asynccontextmanager
async def lifespan(_):
    await asyncio.sleep(1)
    yield
    print("closed")

app = FastAPI(lifespan=lifespan)

@app.get("/")
def root():
    return "here"

@app.get("/never")
async def never():
    print("asked", flush=True)
    await asyncio.sleep(10**6)

try:
    with terminated_as_interrupted():
        serve(app, "slow", bind("127.0.0.1", 0), None, PATIENT)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.processes
def test_a_server_that_says_it_is_ready_accepts_connections() -> None:
    """At once, however long the application took to start.

    Its end waits for a request that is answered, until a second signal. What is open is closed
    even so.
    """
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_TO_START],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline())
            with socket.create_connection(
                (ready["host"], ready["port"]), timeout=PATIENCE
            ) as client:
                client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                assert client.recv(64).startswith(b"HTTP/1.1 200")
                client.sendall(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n")
                assert server.stdout.readline() == "asked\n"
                for one in (signal.SIGINT, signal.SIGTERM):
                    server.send_signal(one)
                said, _ = server.communicate(timeout=PATIENCE)
            assert said == "closed\ninterrupted\n"
        finally:
            server.kill()
