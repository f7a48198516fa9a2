"""Witnesses for tests: keys in a keystore that is cheap to open, an application, a process."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self
from unittest import mock

import httpx
from fastapi import FastAPI

from gateway.host import keystore
from gateway.translog.note import NoteKey
from gateway.witness import cli, custody
from gateway.witness.config import WitnessSettings
from gateway.witness.logs import KnownLogs
from tests.support.crashing import die_at
from tests.support.parties import NOW
from tests.support.sealed import CHEAP, passphrase_file
from tests.support.translog import signer
from tests.support.warm import FORKSERVER

NAME = "witness.example/w1"


def sealed_witness(
    directory: Path, name: str = NAME, logs: Sequence[NoteKey] = (signer().key,)
) -> WitnessSettings:
    """A new witness; unless told otherwise, it knows the tests' log."""
    found = WitnessSettings(
        data_dir=directory,
        passphrase_file=passphrase_file(directory),
        requests_per_second=1000,
        burst=10_000,
    )
    with mock.patch.object(keystore, "DEFAULT_COST", CHEAP):
        custody.initialise(found, name, NOW)
    for log in logs:
        KnownLogs(found.logs_file).add(log)
    return found


def public_keys(settings: WitnessSettings) -> list[NoteKey]:
    return [one.key for one in custody.read_keys(settings).signers]


class Web:
    """Requests to an application without a network, from any thread."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        async def live() -> None:
            async with self._app.router.lifespan_context(self._app):
                pass

        asyncio.run(live())

    def get(self, path: str) -> httpx.Response:
        return self._ask("GET", path, b"")

    def post(self, path: str, content: bytes) -> httpx.Response:
        return self._ask("POST", path, content)

    def _ask(self, method: str, path: str, content: bytes) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self._transport, base_url="http://witness"
            ) as client:
                return await client.request(method, path, content=content)

        return asyncio.run(send())


@contextmanager
def running_witness(
    settings: WitnessSettings, crash_at: str | None = None
) -> Iterator[tuple[str, BaseProcess]]:
    """``sealmatch-witness serve`` as a process of its own, and its address.

    Processes are forked from one that has imported everything: a start takes no second.
    """
    reading, writing = multiprocessing.Pipe(duplex=False)
    process = FORKSERVER.Process(target=_serve, args=(writing, settings, crash_at))
    process.start()
    writing.close()
    try:
        with reading, os.fdopen(os.dup(reading.fileno())) as output:
            ready = json.loads(output.readline())
            yield f"http://{ready['host']}:{ready['port']}", process
    finally:
        process.kill()
        process.join()
        process.close()


def _serve(output: Connection, settings: WitnessSettings, crash_at: str | None) -> None:
    os.dup2(output.fileno(), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if crash_at is not None:
        die_at(crash_at)
    command = ["serve", "--data-dir", str(settings.data_dir), "--port", "0"]
    limits = {"REQUESTS_PER_SECOND": "1000", "BURST": "10000", "INSPECTABLE": "true"}
    os.environ.update({f"SEALMATCH_WITNESS_{name}": value for name, value in limits.items()})
    cli.main([*command, "--passphrase-file", str(settings.passphrase_file)])
