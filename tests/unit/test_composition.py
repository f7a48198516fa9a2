"""How the servers are put together: what starts, what stops, and in which order."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from gateway.auditor import composition as auditor_parts
from gateway.auditor import custody as auditor_keys
from gateway.auditor.config import AuditorSettings
from gateway.host import isolation, keystore
from gateway.host.isolation import WorkerLimits, WorkerPool
from gateway.host.settings import BadConfiguration
from gateway.sequencing.publication import SequencerThread
from gateway.sequencing.sequencer import Alone, NoWitnesses, Sequencer
from gateway.server import composition
from gateway.server.app import application, create_app
from gateway.server.composition import Transports, compose
from gateway.server.config import GatewaySettings
from gateway.server.running_log import RunningLog
from gateway.store.database import Database
from gateway.wire.errors import Unavailable
from keys import composition as authority_parts
from keys.sessions import SessionTable
from tests.support.samples import MODEL
from tests.support.sealed import CHEAP, passphrase_file, sealed_authority, sealed_gateway
from tests.support.translog import signer


def settings_in(directory: Path, **changes: Any) -> GatewaySettings:
    return sealed_gateway(
        directory,
        authority_url="http://authority.example",
        authority_public_key="ab" * 32,
        model_id=MODEL.model_id,
        model_digest=MODEL.digest.hex(),
        **changes,
    )


class Workers:
    """No processes; writes down when they would start and stop."""

    told: list[str]

    def __init__(self, *_: object) -> None:
        self.pool = WorkerPool("none:none", 1, WorkerLimits(1, 1))
        self.told.append("made")

    def start(self) -> None:
        self.told.append("start workers")

    def begin(self, *_: object) -> Any:
        raise Unavailable("no workers")

    def repeat(self, *_: object) -> Any:
        raise Unavailable("no workers")

    def make(self, *_: object) -> Any:
        raise Unavailable("no workers")

    def stop(self) -> None:
        self.told.append("stop workers")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the gateway's parts do, in order."""
    told: list[str] = []

    def noted(owner: type, name: str, text: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def noting(*given: Any) -> Any:
            told.append(text)
            return real(*given)

        monkeypatch.setattr(owner, name, noting)

    monkeypatch.setattr(Workers, "told", told, raising=False)
    monkeypatch.setattr(composition, "EvaluationWorkers", Workers)
    noted(RunningLog, "start", "start log")
    noted(RunningLog, "stop", "stop log")
    noted(Transports, "close", "close transports")
    noted(Database, "close", "close database")
    return told


def serve(app: FastAPI) -> None:
    """Start up and shut down, as the server's process does."""

    async def lifespan() -> None:
        async with app.router.lifespan_context(app):
            pass

    asyncio.run(lifespan())


def test_the_gateway_stops_what_it_started_and_its_database_last(
    tmp_path: Path, told: list[str]
) -> None:
    app = create_app(settings_in(tmp_path))
    assert told == ["made"]
    serve(app)
    assert told[1:] == [
        *["start workers", "start log", "stop log", "stop workers"],
        *["close transports", "close database"],
    ]


def test_a_gateway_whose_log_does_not_start_leaves_no_workers_behind(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("can't start new thread")

    app = create_app(settings_in(tmp_path))
    monkeypatch.setattr(SequencerThread, "start", broken)
    with pytest.raises(RuntimeError, match="new thread"):
        serve(app)
    assert told[-4:] == ["stop log", "stop workers", "close transports", "close database"]


@pytest.mark.parametrize(
    "changes", [{"auditor_url": "http://auditor.example"}, {"log_witnesses": Path("/nowhere")}]
)
def test_a_gateway_that_cannot_be_built_closes_what_it_opened(
    tmp_path: Path, told: list[str], changes: dict[str, Any]
) -> None:
    with pytest.raises(BadConfiguration):
        compose(settings_in(tmp_path, **changes))
    assert told[-2:] == ["close transports", "close database"]
    assert not [one for one in told if "start" in one or "stop" in one]


def test_a_sequencer_that_was_never_started_can_be_stopped(sqlite: Database) -> None:
    sequencer = Sequencer(sqlite, Alone(), [signer()], NoWitnesses(), lambda: 5)
    SequencerThread(sequencer, 0.1).stop()


class OneThenNone:
    """A worker process of which the second does not start."""

    running: list["OneThenNone"]

    def __init__(self, *_: object) -> None:
        if self.running:
            raise Unavailable("a worker process does not start")
        self.running.append(self)

    def stop(self) -> None:
        self.running.remove(self)


def test_workers_that_did_start_end_when_another_does_not(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pool(Workers):
        """The real pool, over workers of which one starts."""

        def __init__(self, count: int, limits: WorkerLimits, *_: object) -> None:
            self.pool = pool = WorkerPool("none:none", count, limits)
            monkeypatch.setattr(self, "start", pool.start, raising=False)
            monkeypatch.setattr(self, "stop", pool.stop, raising=False)

    running: list[OneThenNone] = []
    monkeypatch.setattr(OneThenNone, "running", running, raising=False)
    monkeypatch.setattr(isolation, "Worker", OneThenNone)
    monkeypatch.setattr(composition, "EvaluationWorkers", Pool)
    with pytest.raises(Unavailable, match="does not start"):
        serve(create_app(settings_in(tmp_path, workers=3)))
    assert running == []
    assert told == ["close transports", "close database"], "the log never started"


def test_the_gateway_asks_over_the_transports_that_it_is_given(
    tmp_path: Path, told: list[str]
) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(403)

    own = httpx.Client(transport=httpx.MockTransport(answer))
    gateway = compose(settings_in(tmp_path), transports=Transports(own, own, own))
    with pytest.raises(Exception, match="refused"):
        gateway.service._authority.session_key(Fixed())  # type: ignore[arg-type]
    assert asked == ["http://authority.example/v1/session-keys"]


class Fixed:
    """Any request."""

    def encode(self) -> bytes:
        return b"request"


def test_routes_serve_the_service_that_they_are_given(tmp_path: Path, told: list[str]) -> None:
    class Busy:
        def sweep(self) -> None: ...

        def status(self, *_: object) -> Any:
            raise Unavailable("busy")

    class Anybody:
        def sender(self, *_: object) -> None: ...

    gateway = compose(settings_in(tmp_path))
    app = application(replace(gateway, service=Busy(), devices=Anybody()), 0)  # type: ignore[arg-type]

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://g") as client:
            return await client.get(f"/face-verification/v0.1/sessions/{'0' * 32}")

    assert asyncio.run(ask()).json()["message"] == "busy"


def test_the_authority_destroys_its_keys_before_their_workers_end(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clear = SessionTable.clear

    def noting(self: SessionTable) -> None:
        told.append("destroy keys")
        clear(self)

    monkeypatch.setattr(SessionTable, "clear", noting)
    authority = authority_parts.compose(sealed_authority(tmp_path, "authority"), secrets=Workers())
    with authority.lifetime.running():
        assert told == ["made", "start workers"]
    assert told[2:] == ["destroy keys", "stop workers"]


def test_an_auditor_that_repeats_elsewhere_starts_no_workers(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditor_parts, "RepetitionWorkers", Workers)
    monkeypatch.setattr(keystore, "DEFAULT_COST", CHEAP)
    settings = AuditorSettings(data_dir=tmp_path, passphrase_file=passphrase_file(tmp_path))
    auditor_keys.initialise(settings, 0)
    with auditor_parts.compose(settings, repeat=lambda *_: b"").lifetime.running():  # type: ignore
        assert told == []
    with auditor_parts.compose(settings).lifetime.running():
        assert told == ["made", "start workers"]
    assert told[2:] == ["stop workers"]
