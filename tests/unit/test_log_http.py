"""The log's edge: who may read it and what they get, and how witnesses are asked."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from gateway.host.clock import unix_time
from gateway.sequencing.reading import PublishedLog
from gateway.sequencing.sequencer import Alone, NoWitnesses, Sequencer
from gateway.sequencing.witnesses import WitnessClient
from gateway.server import app as server_app
from gateway.store import log as store
from gateway.store import parties
from gateway.store.database import Database
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.cosignature import check_signed
from gateway.translog.note import NoteKey
from gateway.translog.policy import TrustedLog, TrustedWitness, TrustPolicy
from gateway.translog.tiles import Tile, bundles_of, hashes_from_tiles, parse_bundle, tiles_of
from gateway.translog.tree import leaf_hash, prove_inclusion, root, verify_inclusion
from gateway.wire.admin import PartyKind
from gateway.wire.cose import SigningKey
from gateway.wire.errors import Unavailable
from gateway.wire.ids import Digest, digest_of
from gateway.wire.requests import sign_request
from gateway.witness.app import create_app as create_witness
from tests.support.observation import assert_problem
from tests.support.parties import fixed_key
from tests.support.processes import PATIENCE, until
from tests.support.samples import MODEL
from tests.support.sealed import sealed_gateway
from tests.support.translog import signer
from tests.support.witnesses import Web, public_keys, sealed_witness

SIZE = 300
LOG = signer()


def entry(number: int) -> Digest:
    return digest_of(f"entry {number}".encode())


def grow(database: Database, first: int, count: int) -> SignedCheckpoint:
    """Further entries, and the checkpoint over them."""
    with database.transaction() as connection:
        for number in range(first, first + count):
            store.append(connection, "admin", entry(number))
    Sequencer(database, Alone(), [LOG], NoWitnesses(), lambda: 5).step()
    return SignedCheckpoint.parse(PublishedLog(database).checkpoint() or b"")


@pytest.fixture
def database(sqlite: Database) -> Database:
    return sqlite


# Reading


def served(directory: Path, **settings: str) -> Callable[..., httpx.Response]:
    """A gateway over ``directory``; GET a path, signed by a key or by nobody."""
    app = server_app.create_app(
        sealed_gateway(
            directory,
            authority_url="http://127.0.0.1:9",
            authority_public_key="ab" * 32,
            model_id=MODEL.model_id,
            model_digest=MODEL.digest.hex(),
            **settings,
        )
    )

    def get(path: str, key: SigningKey | None = None, headers: object = None) -> httpx.Response:
        if key is not None:
            headers = sign_request("GET", "g", path, b"", key, unix_time())

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://g") as client:
                return await client.get(path, headers=headers)

        return asyncio.run(send())

    return get


def enrol(database: Database, kind: PartyKind, key: SigningKey) -> None:
    with database.transaction() as connection:
        parties.enrol_party(connection, kind, key.party, key.public.raw)


PATHS = ("/log/checkpoint", "/log/tile/0/000", "/log/tile/entries/000", "/log/tile/9/000")


def test_only_enrolled_witnesses_and_auditors_read(database: Database, tmp_path: Path) -> None:
    grow(database, 0, SIZE)
    get = served(tmp_path)
    device, auditor, witness = (fixed_key(name) for name in ("d", "auditor-1", "witness-1"))
    enrol(database, "device", device)
    enrol(database, "auditor", auditor)
    enrol(database, "witness", witness)
    for path in PATHS:
        refused = [get(path), get(path, device), get(path, fixed_key("stranger"))]
        for answer in refused:
            assert_problem(answer, 403)
        assert len({answer.content for answer in refused}) == 1
        assert get(path, auditor).status_code == get(path, witness).status_code
    assert get(PATHS[0], auditor).status_code == 200
    once = sign_request("GET", "g", PATHS[0], b"", auditor, unix_time())
    assert get(PATHS[0], headers=once).status_code == 200
    assert_problem(get(PATHS[0], headers=once), 403)
    assert_problem(get(PATHS[1], headers=sign_request("GET", "g", PATHS[0], b"", auditor, 5)), 403)
    with database.transaction() as connection:
        parties.suspend_party(connection, "auditor", auditor.party)
    assert_problem(get(PATHS[0], auditor), 403)


def test_a_reader_can_compute_the_whole_tree(database: Database, tmp_path: Path) -> None:
    """With nothing but the served paths, as C2SP tlog-tiles has them."""
    get = served(tmp_path, log_read="public")
    assert_problem(get("/log/checkpoint"), 404)
    grow(database, 0, 7)
    grow(database, 7, SIZE - 7)
    answer = get("/log/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    signed = SignedCheckpoint.parse(answer.content)
    assert check_signed(signed, LOG.key)
    checkpoint = signed.checkpoint

    def fetch(tile: Tile) -> bytes:
        answer = get(f"/log/{tile.path}")
        assert answer.headers["content-type"] == "application/octet-stream"
        return answer.content

    source = hashes_from_tiles(SIZE, fetch)
    assert root(SIZE, source) == checkpoint.root
    entries = [e for t in bundles_of(SIZE) for e in parse_bundle(fetch(t), t.width)]
    assert entries == [entry(n) for n in range(SIZE)]
    for index in (0, 6, 255, 256, 299):
        path = prove_inclusion(index, SIZE, source)
        verify_inclusion(leaf_hash(entries[index]), index, SIZE, checkpoint.root, path)
    for tile in tiles_of(7):  # of the checkpoint before
        assert len(fetch(tile)) == 7 * 32


@pytest.mark.parametrize(
    "path",
    ["", "tile/0/001", "tile/0/001.p/45", "tile/1/000.p/2", "tile/0/0", "tile/00/000",
     "tile/64/000", "tile/0/000.p/0", "tile/0/000.p/256", "tile/entries/001", "tile/0/x001/000",
     "checkpoint/", "tile/0/000/", "tile/0/%30%30%30x"],
)  # fmt: skip
def test_what_is_not_published_is_not_there(database: Database, tmp_path: Path, path: str) -> None:
    grow(database, 0, SIZE)
    assert_problem(served(tmp_path, log_read="public")(f"/log/{path}"), 404)


# Witnesses


class Witness:
    """A real witness behind an in-memory transport that a test may disturb."""

    def __init__(self, directory: Path, number: int) -> None:
        directory.mkdir(mode=0o700)
        self.settings = sealed_witness(directory)
        self.web = Web(create_witness(self.settings))
        self.trusted = TrustedWitness(
            f"w{number}", public_keys(self.settings)[0], f"http://w{number}/prefix"
        )
        self.asked: list[bytes] = []
        self.disturb: Callable[[], httpx.Response] | None = None

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/prefix/add-checkpoint"
        self.asked.append(request.read())
        if self.disturb is not None:
            return self.disturb()
        answer = self.web.post("/add-checkpoint", request.content)
        return httpx.Response(answer.status_code, content=answer.content)


@pytest.fixture
def witnesses(tmp_path: Path) -> list[Witness]:
    return [Witness(tmp_path / f"witness-{n}", n) for n in (1, 2)]


def client(
    database: Database, witnesses: list[Witness], quorum: int = 1, seconds: float = PATIENCE
) -> WitnessClient:
    by_host = {f"w{n}": one for n, one in enumerate(witnesses, 1)}
    transport = httpx.MockTransport(lambda request: by_host[request.url.host].answer(request))
    policy = TrustPolicy.simple([TrustedLog(LOG.key)], [w.trusted for w in witnesses], quorum)
    prove = PublishedLog(database).consistency
    return WitnessClient(policy, httpx.Client(transport=transport), prove, seconds)


def cosigners(signed: SignedCheckpoint, witnesses: list[Witness]) -> list[int]:
    keys: list[NoteKey] = [one.trusted.key for one in witnesses]
    return [n for n, key in enumerate(keys, 1) if check_signed(signed, key)]


def test_witnesses_cosign_what_grows(database: Database, witnesses: list[Witness]) -> None:
    asking = client(database, witnesses, quorum=2)
    assert asking.needed
    for first, count in ((0, 3), (3, 1), (4, 300)):
        signed = asking.cosign(grow(database, first, count))
        assert cosigners(signed, witnesses) == [1, 2]
    olds = [body.split(b"\n")[0] for body in witnesses[0].asked]
    assert olds == [b"old 0", b"old 3", b"old 4"]
    again = asking.cosign(signed)
    assert cosigners(again, witnesses) == [1, 2], "and what they have cosigned already"


def test_a_log_that_forgot_asks_once_more(database: Database, witnesses: list[Witness]) -> None:
    client(database, witnesses[:1]).cosign(grow(database, 0, 3))
    client(database, witnesses[:1]).cosign(grow(database, 3, 2))
    olds = [body.split(b"\n")[0] for body in witnesses[0].asked]
    assert olds == [b"old 0", b"old 0", b"old 3"]


def test_a_restored_database_gets_no_cosignature(
    database: Database, witnesses: list[Witness], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = grow(database, 0, 3)
    client(database, witnesses[:1]).cosign(grow(database, 3, 1))
    with pytest.raises(Unavailable):
        client(database, witnesses[:1]).cosign(before)
    assert "an old database was restored" in caplog.text
    other = Database(f"sqlite:///{tmp_path / 'other.sqlite3'}")
    other.migrate()
    with pytest.raises(Unavailable):
        client(other, witnesses[:1]).cosign(grow(other, 50, 9))
    other.close()


BROKEN = {
    "down": lambda: (_ for _ in ()).throw(httpx.ConnectError("down")),
    "fault": lambda: httpx.Response(500),
    "redirection": lambda: httpx.Response(307, headers={"location": "http://w2/x"}),
    "empty": lambda: httpx.Response(200),
    "garbage": lambda: httpx.Response(200, content=b"\xff\n"),
    "endless": lambda: httpx.Response(200, content=b"\xe2\x80\x94" * 100_000),
    "another conflict": lambda: httpx.Response(409, content=b"1\n"),
    "no size": lambda: httpx.Response(409, content=b"-1\n"),
    "larger": lambda: httpx.Response(409, content=b"99999\n"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_witness_that_does_not_cosign_is_missed_where_it_is_needed(
    database: Database, witnesses: list[Witness], how: str
) -> None:
    signed = grow(database, 0, 3)
    witnesses[0].disturb = BROKEN[how]
    assert cosigners(client(database, witnesses, quorum=1).cosign(signed), witnesses) == [2]
    with pytest.raises(Unavailable):
        client(database, witnesses, quorum=2).cosign(signed)
    witnesses[0].disturb = None
    assert client(database, witnesses, quorum=2).cosign(signed)


def test_another_witness_signature_does_not_count(
    database: Database, witnesses: list[Witness]
) -> None:
    signed = grow(database, 0, 3)
    body = b"old 0\n\n" + bytes(signed)
    others = witnesses[1].web.post("/add-checkpoint", body).content
    witnesses[0].disturb = lambda: httpx.Response(200, content=others)
    with pytest.raises(Unavailable):
        client(database, witnesses[:1]).cosign(signed)


def test_nobody_waits_for_the_slowest(database: Database, witnesses: list[Witness]) -> None:
    release = threading.Event()
    signed = grow(database, 0, 3)

    def slow() -> httpx.Response:
        release.wait(PATIENCE)
        return httpx.Response(500)

    witnesses[0].disturb = slow
    asking = client(database, witnesses, quorum=1)
    try:
        assert cosigners(asking.cosign(signed), witnesses) == [2]
        with pytest.raises(Unavailable):
            client(database, witnesses, quorum=2, seconds=0.3).cosign(signed)
        until(lambda: len(witnesses[0].asked) == 2)
        assert asking.cosign(grow(database, 3, 1))
        assert len(witnesses[0].asked) == 2, "not asked again while it thinks"
    finally:
        release.set()
