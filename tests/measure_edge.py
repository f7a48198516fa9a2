"""CPU of the servers' HTTP edge: a signed POST of 700,000 bytes, on httptools or on h11.

``python -m tests.measure_edge [--requests N] [--rounds N]``. Both run in this process, in turns, so
the ratio holds on a busy machine. The sender is a process of its own and sends prepared bytes.
Printed: milliseconds of the server's CPU per request, medians of the rounds.

``before`` is how the first release served, uvicorn on h11 and asyncio; ``after`` is this release.
The application behind both is the same: it verifies the signature and hashes the body.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pickle
import resource
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import uvicorn

from gateway.host.limits import Limits
from gateway.host.serving import bind
from tests.support.processes import PATIENCE
from tests.support.served import Routes, Served, application, served

BODY = bytes(range(250)) * 2800


def cpu() -> float:
    """Seconds of this process, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class _Before(uvicorn.Server):
    """As the first release configured it."""


@contextmanager
def first_release() -> Iterator[Served]:
    routes, listener = Routes(), bind("127.0.0.1", 0)
    config = uvicorn.Config(
        application(routes),
        access_log=False,
        log_config=None,
        lifespan="on",
        server_header=False,
        http="h11",
        loop="asyncio",
        ws="none",
        h11_max_incomplete_event_size=16 * 1024,
    )
    server = _Before(config)
    address = listener.getsockname()[:2]
    factory = config.get_loop_factory()

    def run() -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(server.serve([listener]))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Served(server, routes, address)  # type: ignore[arg-type]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


_SENDER = """
import pickle, socket, sys
address, heads, body = pickle.load(sys.stdin.buffer)
connection = socket.create_connection(address)
for number, head in enumerate(heads):
    if number == 3:
        print("warm", flush=True)
        sys.stdin.buffer.readline()
    connection.sendall(head)
    connection.sendall(body)
    answer = b""
    while not answer.endswith(b"}"):
        answer += connection.recv(65536)
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(repr(answer[:100]))
print("done", flush=True)
sys.stdin.buffer.readline()
"""


def measured(start: Callable[[], AbstractContextManager[Served]], count: int) -> float:
    """CPU seconds of this process, in which the server alone runs, for so many requests."""
    with (
        start() as one,
        subprocess.Popen(
            [sys.executable, "-c", _SENDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as sender,
    ):
        heads = [one.head("/signed", BODY) for _ in range(count + 3)]
        stdin, stdout = sender.stdin, sender.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the sender has no pipes")
        pickle.dump((one.address, heads, BODY), stdin)
        stdin.flush()
        if stdout.readline() != b"warm\n":
            raise RuntimeError("the sender failed")
        began = cpu()
        stdin.write(b"\n")
        stdin.flush()
        if stdout.readline() != b"done\n":
            raise RuntimeError("the sender failed")
        used = cpu() - began
        stdin.write(b"\n")
        stdin.flush()
        return used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    count = options.requests
    found: dict[str, list[float]] = {"before": [], "after": []}
    for _ in range(options.rounds):
        found["before"].append(measured(first_release, count))
        found["after"].append(measured(lambda: served(Limits()), count))
    medians = {name: statistics.median(one) / count for name, one in found.items()}
    print(json.dumps({name: round(1000 * one, 2) for name, one in medians.items()}))


if __name__ == "__main__":
    main()
