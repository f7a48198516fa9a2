"""Health tells the truth about what the next request needs, to all alike, and costs nothing."""

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from gateway.auditor import app as auditor_app
from gateway.auditor import custody as auditor_keys
from gateway.auditor.config import AuditorSettings
from gateway.auditor.repetition import repeat_here
from gateway.host import health, keystore
from gateway.host.health import Health
from gateway.host.isolation import WorkerLimits, WorkerPool
from gateway.host.measures import ROUTES
from gateway.sequencing.guard import LogHalted
from gateway.sequencing.publication import SequencerThread
from gateway.sequencing.witnesses import WitnessClient
from gateway.server import app as server_app
from gateway.server.composition import Transports, compose
from gateway.server.config import GatewaySettings
from gateway.store import connecting, sessions
from gateway.store.database import Database
from gateway.wire.errors import Refused, Unavailable
from gateway.wire.sealing import SealingPrivateKey
from gateway.witness.app import create_app as witness_app
from keys.app import create_app as authority_app
from tests.support.disk import full_disk
from tests.support.parties import Clock, LocalSecrets
from tests.support.postgres import PostgresServer
from tests.support.processes import PATIENCE
from tests.support.samples import MODEL
from tests.support.sealed import CHEAP, passphrase_file, sealed_authority, sealed_gateway
from tests.support.witnesses import Web, sealed_witness
from tests.unit.test_witness import body as witnessed

LOG = logging.getLogger("sealmatch.test")


def gateway_settings(directory: Path, **settings: Any) -> GatewaySettings:
    return sealed_gateway(
        directory,
        authority_url="http://127.0.0.1:9",
        authority_public_key="ab" * 32,
        model_id=MODEL.model_id,
        model_digest=MODEL.digest.hex(),
        **settings,
    )


def gateway(directory: Path, **settings: Any) -> FastAPI:
    return server_app.create_app(gateway_settings(directory, **settings))


def authority(directory: Path) -> FastAPI:
    return authority_app(sealed_authority(directory, "authority"), Clock(), LocalSecrets())


def auditor(directory: Path) -> FastAPI:
    settings = AuditorSettings(data_dir=directory, passphrase_file=passphrase_file(directory))
    auditor_keys.initialise(settings, 0)
    return auditor_app.create_app(settings, Clock(), repeat_here)


def witness(directory: Path, clock: Callable[[], int] | None = None) -> FastAPI:
    return witness_app(sealed_witness(directory), clock or Clock())


SERVERS = {
    "gateway": (gateway, "/health"),
    "authority": (authority, "/v1/health"),
    "auditor": (auditor, "/v1/health"),
    "witness": (witness, "/health"),
}


class Asked:
    """A server whose health is looked at afresh at every question."""

    def __init__(self, app: FastAPI, path: str) -> None:
        self._app, self._path = app, path

    def __call__(self) -> int:
        answer = asyncio.run(self._ask())
        if answer.status_code == 200:
            assert answer.json()["status"] == "ok"
            assert answer.json().keys() <= {"status", "audits"}
        else:  # whatever is wrong, and with whomever: these words
            told = {"code": "UNAVAILABLE", "message": "the server cannot do its work now"}
            assert answer.json() == {"status": answer.status_code, **told}
        return answer.status_code

    async def _ask(self) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.get(self._path)


@pytest.fixture(autouse=True)
def afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FRESH_SECONDS", 0)
    monkeypatch.setattr(health, "PATIENCE_SECONDS", PATIENCE)
    monkeypatch.setattr(keystore, "DEFAULT_COST", CHEAP)


@pytest.fixture(params=SERVERS)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def asked(name: str, directory: Path) -> Asked:
    make, path = SERVERS[name]
    return Asked(make(directory), path)  # type: ignore[operator]


def test_a_full_disk_is_told_while_it_is_full(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The auditor alone writes nothing, and goes on."""
    ask = asked(name, tmp_path)
    assert ask() == 200
    with full_disk():
        assert [ask() for _ in range(3)] == [200 if name == "auditor" else 503] * 3
    assert ask() == 200
    told = [one.getMessage() for one in caplog.records if "health" in one.getMessage()]
    assert len(set(told)) == len(told), "once for each change"
    assert told[-1:] == ([] if name == "auditor" else ["healthy again"])


@pytest.mark.parametrize("name", ["gateway", "authority", "witness"], indirect=True)
def test_a_disk_that_is_nearly_full_is_told(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLite may still write over an old journal, and the next registration has no room."""
    ask = asked(name, tmp_path)
    assert ask() == 200
    before = [one.name for one in tmp_path.iterdir()]
    monkeypatch.setattr(health, "MIN_FREE_BYTES", 2**62)
    assert ask() == 503
    assert "not healthy: disk: the data directory takes no file of" in caplog.text
    assert [one.name for one in tmp_path.iterdir()] == before


def test_a_gateway_on_postgresql_needs_a_database_that_can_be_written(
    postgresql: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql.new_database()
    ask = Asked(gateway(tmp_path, database_url=url), "/health")
    monkeypatch.setattr(
        health, "MIN_FREE_BYTES", 2**62
    )  # of another machine's disk nothing is known
    assert ask() == 200
    name = url.partition("?")[0].rpartition("/")[2]
    postgresql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    postgresql.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    )
    assert ask() == 503
    postgresql.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    postgresql.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    )
    assert ask() == 200


def test_a_connection_that_was_reset_is_replaced() -> None:
    """pg8000 lets the reset's own error through; others are the driver's, and stay errors. One
    that was used a moment ago is not asked."""
    raised: list[Exception] = [ConnectionResetError(), RuntimeError()]

    def ping(_: object) -> bool:
        raise raised.pop(0)

    dialect: Any = SimpleNamespace(do_ping=ping)
    connecting._notice_resets(dialect)
    old, fresh = SimpleNamespace(is_fresh=lambda: False), SimpleNamespace(is_fresh=lambda: True)
    assert dialect.do_ping(old) is False
    assert dialect.do_ping(fresh) is True
    with pytest.raises(RuntimeError):
        dialect.do_ping(old)


def test_looking_leaves_nothing_in_the_database(database: Database) -> None:
    database.check()
    with database.transaction() as connection:
        assert sessions.remove_expired_sessions(connection, 2**40) == []


def test_a_gateway_whose_log_is_halted_opens_no_session_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Asked(gateway(tmp_path), "/health")
    assert ask() == 200

    def halted(_: SequencerThread) -> None:
        raise LogHalted("an old database?")

    monkeypatch.setattr(SequencerThread, "check", halted)
    assert ask() == 503


@pytest.mark.parametrize(
    ("name", "file"),
    [("authority", "trust.json"), ("auditor", "parties.json"), ("witness", "logs.policy")],
    indirect=["name"],
)
def test_a_list_that_cannot_be_read_is_told(
    name: str, file: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is trusted then, and every request fails."""
    ask = asked(name, tmp_path)
    assert ask() == 200
    (tmp_path / file).write_text("damaged")
    assert ask() == 503
    assert str(tmp_path) not in caplog.text


def test_a_witness_whose_clock_went_back_is_told(tmp_path: Path) -> None:
    clock = Clock()
    app = witness(tmp_path, clock)
    ask = Asked(app, "/health")
    with Web(app) as web:
        assert web.post("/add-checkpoint", content=witnessed(0, 20)).status_code == 200
        clock.now -= 301
        assert web.post("/add-checkpoint", content=witnessed(20, 30)).status_code == 503
        assert ask() == 503
        clock.now += 1
        assert ask() == 200


# Three questions


def get(app: FastAPI, path: str) -> int:
    return Asked(app, path)()


def test_a_gateway_without_its_authority_lives_and_is_well_and_is_not_ready(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """So nobody restarts it, its clients can ask for outcomes, and an alarm is raised."""
    app = gateway(tmp_path, metrics_port=0)
    assert [get(app, one) for one in ("/health/live", "/health", "/health/ready")] == [
        200,
        200,
        503,
    ]
    assert "not healthy: authority: it does not answer (" in caplog.text


@pytest.mark.parametrize(
    ("demanded", "auditor", "status"), [(False, False, 200), (True, False, 503), (True, True, 200)]
)
def test_ready_asks_peers_for_their_own_health_and_few_times(
    demanded: bool, auditor: bool, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An auditor is missed where the authority demands audits, and not otherwise."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json={"status": "ok", "audits": demanded})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    known = {
        "auditor_url": "http://127.0.0.1:8",
        "auditor_public_key": "cd" * 32,
        "auditor_sealing_key": SealingPrivateKey.generate().public.raw.hex(),
    }
    settings = gateway_settings(tmp_path, **(known if auditor else {}))
    made = compose(settings, transports=Transports(client, client, client))
    app = server_app.application(made, 0)
    monkeypatch.setattr(health, "PEERS_FRESH_SECONDS", 15.0)
    assert [get(app, "/health/ready") for _ in range(5)] == [status] * 5
    asked = ["http://127.0.0.1:9/v1/health", *(["http://127.0.0.1:8/v1/health"] * auditor)]
    assert seen == asked if demanded else seen == asked[:1]


def test_a_witness_that_is_missed_is_missed_where_a_checkpoint_was_not_cosigned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def short(_: WitnessClient) -> None:
        looked.append("witnesses")
        raise Unavailable("too few witnesses cosign: nothing is published")

    monkeypatch.setattr(WitnessClient, "check", short)
    assert get(gateway(tmp_path), "/health/ready") == 503
    assert looked == ["witnesses"]


def test_workers_that_died_at_rest_are_replaced_or_missed() -> None:
    """A server that gets no work because it is not well would never replace them."""
    pool: Any = WorkerPool("nothing:nothing", 3, WorkerLimits(2**30, 1))
    pool.check()  # it was not started
    replaced: list[int] = []

    def dead(number: int) -> Any:
        def replace() -> None:
            replaced.append(number)
            worker.lives = number != 2
            if not worker.lives:
                raise Unavailable("a worker process does not start")

        worker = SimpleNamespace(lives=False, replace=replace)
        return worker

    pool.workers = [SimpleNamespace(lives=True), dead(1), dead(2)]
    with pytest.raises(Unavailable, match="does not start"):
        pool.check()
    assert replaced == [1, 2]
    with pool.on(2):  # a call runs in it, and will see for itself
        pool.check()
    assert replaced == [1, 2]


@pytest.mark.parametrize("make", [gateway, authority, auditor, witness])
def test_every_route_has_a_label_and_no_other_path_has(
    make: Callable[[Path], FastAPI], tmp_path: Path
) -> None:
    paths = {one.path for one in make(tmp_path).routes if hasattr(one, "path")}
    assert {"/health/live", "/health/ready"} <= paths
    assert paths <= ROUTES.keys()


# However often it is asked


class Looks:
    """A check that counts, and that waits where a test wants it to."""

    def __init__(self) -> None:
        self.count = 0
        self.fault: Exception | None = None
        self.go = threading.Event()
        self.go.set()

    def __call__(self) -> None:
        self.count += 1
        assert self.go.wait(PATIENCE)
        if self.fault is not None:
            raise self.fault


def test_one_look_serves_all_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FRESH_SECONDS", 5)
    look, now = Looks(), [0.0]
    well = Health({"storage": look}, LOG, lambda: now[0])

    async def ask() -> list[bool]:
        return await asyncio.gather(*(well.is_well() for _ in range(100)))

    assert asyncio.run(ask()) == [True] * 100
    assert look.count == 1
    now[0] = 4.9
    look.fault = Unavailable("x")
    assert asyncio.run(ask()) == [True] * 100
    assert look.count == 1
    now[0] = 5.0
    assert asyncio.run(ask()) == [False] * 100
    assert look.count == 2


def test_a_look_that_does_not_end_is_a_no_and_stays_one_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.01)
    look = Looks()
    look.go.clear()
    well = Health({"storage": look}, LOG)

    async def ask() -> None:
        assert [await well.is_well() for _ in range(5)] == [False] * 5
        assert look.count == 1
        look.go.set()
        monkeypatch.setattr(health, "PATIENCE_SECONDS", PATIENCE)
        assert await well.is_well()

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Unavailable("the storage does not answer"), "the storage does not answer"),
        (Refused("an action was altered"), "an action was altered"),
        (ValueError("canary 4711"), "ValueError"),
    ],
)
def test_the_reason_is_the_operator_s_and_repeats_no_value(
    fault: Exception, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    look = Looks()
    look.fault = fault
    well = Health({"fine": lambda: None, "storage": look}, LOG)
    assert not asyncio.run(well.is_well())
    assert caplog.messages == [f"not healthy: storage: {told}"]
