"""A log is never forked: an older database is noticed, and goes on only when nothing newer was
signed."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.host import keystore
from gateway.inspection.log_reader import Seen
from gateway.sequencing.guard import MARK_FILE, LogHalted, Mark
from gateway.sequencing.publication import SequencerThread
from gateway.sequencing.reading import PublishedLog
from gateway.sequencing.witnesses import WitnessClient
from gateway.server import backup, custody, settling
from gateway.server.custody import GatewayKeys
from gateway.store import halts, parties
from gateway.store import log as stored_log
from gateway.store.database import Database
from gateway.store.halts import InDoubt
from gateway.store.log import OtherLog
from gateway.store.schema import log_halts
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.cosignature import sign_checkpoint
from gateway.translog.policy import TrustedWitness, TrustPolicy
from gateway.translog.proof import LogProof
from gateway.translog.tree import Frontier, leaf_hash
from gateway.translog.verification import verify_log_proof
from gateway.wire.admin import verify_chain
from gateway.wire.errors import CallerMisuse, Unavailable
from gateway.wire.ids import digest_of
from gateway.wire.proof import Receipt
from gateway.witness.app import create_app as create_witness
from tests.support.parties import NOW
from tests.support.postgres import PostgresServer
from tests.support.processes import PATIENCE, until
from tests.support.sealed import CHEAP
from tests.support.sequencing import SIGNER, Scripted
from tests.support.site import Site, killed_at
from tests.support.witnesses import Web, public_keys, sealed_witness


@pytest.fixture
def renew(request: pytest.FixtureRequest) -> Callable[[str], str | None]:
    def make(kind: str) -> str | None:
        server: PostgresServer = request.getfixturevalue("postgresql")
        return server.new_database() if kind == "postgresql" else None

    return make


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keystore, "DEFAULT_COST", CHEAP)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("model") / "site")
    site.record(3)
    return site


@pytest.fixture
def site(model: Site, tmp_path: Path) -> Site:
    """On SQLite, with three records in its log."""
    return model.copied(tmp_path / "site")


def made(site: Site, out: Path) -> Path:
    with site.database() as database:
        backup.make(database, out, site.now)
    return out


def put_back(site: Site, file: Path, url: str | None = None, *, known: bool = True) -> Site:
    """An older database under the gateway, with its directory as it is now.

    Args:
        known: by ``restore``; otherwise as a copy of the database's own files or dump would be.
    """
    other = site.on(url)
    if url is None:
        for name in ("gateway.sqlite3", "gateway.sqlite3-wal", "gateway.sqlite3-shm"):
            (site.settings.data_dir / name).unlink(missing_ok=True)
    with closing(Database(other.settings.database)) as database:
        backup.restore(database, file, None, other.keys, other.now)
        if not known:
            with database.transaction() as connection:
                connection.execute(log_halts.delete())
                connection.exec_driver_sql("DELETE FROM log_pending")
                connection.exec_driver_sql("DELETE FROM admin_actions")
    return other


# Noticed


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_older_database_is_noticed_at_the_start_and_halts_every_gateway(
    kind: str, tmp_path: Path, renew: Callable[[str], str | None]
) -> None:
    site = Site(tmp_path / "site", renew(kind))
    site.record(3)
    file = made(site, tmp_path / "backup")
    site.record(2)
    older = put_back(site, file, renew(kind), known=False)
    with older.database() as database:
        queued(database, older, "new")
        with pytest.raises(
            InDoubt, match=r"log\.mark has a signed checkpoint of 5 entries.*resume"
        ):
            older.sequencer(database).step()
        # Another gateway, which remembers nothing, is halted as well: by what stands in there.
        forgetful = older.on(older.settings.database_url)
        (older.settings.data_dir / MARK_FILE).rename(tmp_path / "mark")
        with pytest.raises(InDoubt, match="older than what was signed"):
            forgetful.sequencer(database).step()
        assert newest_size(database) == 3
        # The control: with neither, a second history would be signed.
        with database.transaction() as connection:
            connection.execute(log_halts.delete())
        forgetful.sequencer(database).step()
        assert newest_size(database) == 4


def queued(database: Database, site: Site, what: str) -> None:
    with database.transaction() as connection:
        stored_log.append(connection, "admin", digest_of(what.encode()))


def newest_size(database: Database) -> int:
    with database.transaction() as connection:
        found = stored_log.newest(connection)
    return 0 if found is None else found.size


def test_an_empty_database_under_a_gateway_that_has_signed_is_noticed(
    site: Site, tmp_path: Path
) -> None:
    for path in site.settings.data_dir.glob("gateway.sqlite3*"):
        path.unlink()
    with site.database() as database:
        queued(database, site, "new")
        with pytest.raises(InDoubt, match="does not lead"):
            site.sequencer(database).step()


def test_a_database_that_goes_back_under_a_running_gateway_is_noticed(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a gateway that is not elected, and only looks."""
    monkeypatch.setattr("gateway.sequencing.guard._LOOK_SECONDS", 0)
    with site.database() as database:
        running = site.sequencer(database)
        running.step()
        with database.transaction() as connection:
            connection.exec_driver_sql("DELETE FROM log_checkpoints")
        running._election = type("Lost", (), {"won": lambda _: False})()
        with pytest.raises(InDoubt):
            running.step()


def test_each_of_several_gateways_remembers_what_others_signed(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.sequencing.guard._LOOK_SECONDS", 0)
    own = tmp_path / "second"
    own.mkdir(mode=0o700)
    with site.database() as database:
        second = site.sequencer(database)
        second._guard._mark = Mark(own)  # type: ignore[attr-defined]
        second._election = type("Lost", (), {"won": lambda _: False})()  # type: ignore[assignment]
        second.step()
        assert bytes(Mark(own).read() or b"") == bytes(site.newest())
        site.record(1)
        second.step()
        assert bytes(Mark(own).read() or b"") == bytes(site.newest())


def test_the_mark_is_on_disk_before_the_signature_is_committed(site: Site) -> None:
    """Killed in between, nothing is lost and nothing doubted: the same root is signed again."""
    site.record(1, sequenced=False)

    def step() -> None:
        with site.database() as database:
            site.sequencer(database).step()

    assert killed_at("sequencer-mark-written", step)
    mark = Mark(site.settings.data_dir).read()
    assert mark is not None
    assert mark.checkpoint.size == 4
    assert site.newest().checkpoint.size == 3
    step()
    assert site.newest().checkpoint == mark.checkpoint


def test_a_mark_that_cannot_be_written_stops_the_signature(site: Site) -> None:
    site.record(1, sequenced=False)
    with site.database() as database:
        one = site.sequencer(database)
        guard: Any = one._guard
        guard._mark = Mark(site.settings.data_dir / "missing")
        with pytest.raises(Unavailable):
            one.step()
        assert newest_size(database) == 3


def test_a_smaller_mark_never_takes_the_place_of_a_larger_one(site: Site) -> None:
    before = site.newest()
    site.record(1)
    Mark(site.settings.data_dir).raise_to(before)
    assert bytes(Mark(site.settings.data_dir).read() or b"") == bytes(site.newest())
    (site.settings.data_dir / MARK_FILE).write_bytes(b"damaged")
    with pytest.raises(LogHalted, match="damaged"):
        Mark(site.settings.data_dir).read()


class Remembering(Scripted):
    """Witnesses that say what they cosigned last."""

    def __init__(self, *remembered: SignedCheckpoint) -> None:
        super().__init__()
        self.answers = True
        self.remembered = remembered

    def latest(self) -> list[tuple[str, SignedCheckpoint]]:
        return [(f"w{n}", one) for n, one in enumerate(self.remembered)]


def test_a_witness_shows_that_the_database_is_older_and_cannot_invent_it(
    site: Site, tmp_path: Path
) -> None:
    file = made(site, tmp_path / "backup")
    site.record(2)
    newer = site.newest()
    older = put_back(site, file, known=False)
    (older.settings.data_dir / MARK_FILE).unlink()
    invented = SignedCheckpoint.make(
        newer.checkpoint, sign_checkpoint(newer.checkpoint, SIGNER, NOW)
    )
    with older.database() as database:
        queued(database, older, "new")
        older.sequencer(database, Remembering(invented)).step()
        assert newest_size(database) == 4, "a checkpoint that this log did not sign"
    older = put_back(site, file, known=False)
    (older.settings.data_dir / MARK_FILE).unlink()
    with older.database() as database:
        queued(database, older, "new")
        with pytest.raises(InDoubt, match="witness w0 has a signed checkpoint of 5 entries"):
            older.sequencer(database, Remembering(newer)).step()
        assert newest_size(database) == 3


def test_a_keystore_of_another_log_signs_nothing_here(site: Site, tmp_path: Path) -> None:
    stranger = Site(tmp_path / "stranger")
    stranger.settings = stranger.settings.model_copy(
        update={"database_url": site.settings.database}
    )
    with stranger.database() as database, pytest.raises(LogHalted, match="another key"):
        stranger.sequencer(database).step()


def test_a_halted_server_opens_no_session_and_goes_on_when_it_is_settled(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    older = put_back(site, made(site, tmp_path / "backup"))
    with older.database() as database:
        thread = SequencerThread(older.sequencer(database), 0.01, 0.01)
        thread.start()
        try:
            until(lambda: "no session is opened" in caplog.text)
            with pytest.raises(LogHalted):
                thread.check()
            seen(older, tmp_path / "seen.json")
            settling.resume(older.settings, [tmp_path / "seen.json"], NOW, word=True)
            until(lambda: "the log goes on" in caplog.text)
            thread.check()
            until(lambda: newest_size(database) == 5)
        finally:
            thread.stop()
    assert caplog.text.count("no session is opened") == 1


# Resumed


def seen(site: Site, out: Path) -> Path:
    """What a reader remembers who has read the log now."""
    with site.database() as database, database.transaction() as connection:
        entries = stored_log.entries(connection, 0, 1000)
    newest = site.newest()
    tree, _ = Frontier().extend(leaf_hash(one) for one in entries[: newest.checkpoint.size])
    out.write_bytes(bytes(Seen(bytes(newest), tree)))
    return out


def test_without_witnesses_a_reader_shows_it_and_the_operator_answers_for_the_rest(
    site: Site, tmp_path: Path
) -> None:
    file = made(site, tmp_path / "backup")
    state = seen(site, tmp_path / "seen.json")
    older = put_back(site, file)
    settings = older.settings
    with pytest.raises(CallerMisuse, match="nobody shows"):
        settling.resume(settings, [], NOW, word=True)
    with pytest.raises(CallerMisuse, match="nothing-signed-since"):
        settling.resume(settings, [state], NOW, word=False)
    assert settling.resume(settings, [state], NOW, word=True).checkpoint.size == 3
    with pytest.raises(CallerMisuse, match="not halted"):
        settling.resume(settings, [state], NOW, word=True)
    older.record(1)
    assert older.newest().checkpoint.size == 6
    with older.database() as database, database.transaction() as connection:
        (halt,) = halts.halts(connection)
    assert (halt.settled, halt.settled_at) == ("resumed", NOW)


def test_a_single_newer_checkpoint_closes_the_way_back(site: Site, tmp_path: Path) -> None:
    file = made(site, tmp_path / "backup")
    before = seen(site, tmp_path / "before.json")
    site.record(1)
    after = seen(site, tmp_path / "after.json")
    note = tmp_path / "note"
    note.write_bytes(bytes(site.newest()))
    older = put_back(site, file)
    for shown in ([before], [before, after], [before, note]):
        with pytest.raises(CallerMisuse, match="shows 4 entries signed"):
            settling.resume(older.settings, shown, NOW, word=True)
        (older.settings.data_dir / MARK_FILE).unlink(missing_ok=True)
    # Without its mark, the gateway has to be told. What it never signed tells it nothing.
    forged = SignedCheckpoint.make(
        site.newest().checkpoint, sign_checkpoint(site.newest().checkpoint, SIGNER, NOW)
    )
    note.write_bytes(bytes(forged))
    with pytest.raises(CallerMisuse, match="not a checkpoint that the log"):
        settling.resume(older.settings, [before, note], NOW, word=True)


class Cosigning:
    """Real witnesses of a site's log, behind a transport that a test may cut."""

    def __init__(self, root: Path, site: Site, count: int, quorum: int) -> None:
        self.webs: dict[str, Web] = {}
        self.cut: set[str] = set()
        trusted = []
        for n in range(count):
            directory = root / f"witness-{n}"
            directory.mkdir(mode=0o700)
            settings = sealed_witness(directory, f"w{n}.example", [site.log.key])
            self.webs[f"w{n}"] = Web(create_witness(settings))
            trusted.append(TrustedWitness(f"w{n}", public_keys(settings)[0], f"http://w{n}"))
        self.policy = TrustPolicy.simple([site.log], trusted, quorum)
        path = root / "witnesses"
        path.write_bytes(bytes(self.policy))
        site.settings = site.settings.model_copy(update={"log_witnesses": path})

    @contextmanager
    def client(self, site: Site) -> Iterator[Any]:
        with site.database() as database, self.transport() as transport:
            prove = PublishedLog(database).consistency
            asking = WitnessClient(self.policy, transport, prove, PATIENCE)
            yield asking
            asking.close()

    def transport(self) -> httpx.Client:
        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.host in self.cut:
                raise httpx.ConnectError("cut")
            web = self.webs[request.url.host]
            if request.method == "GET":
                found = web.get(request.url.path)
            else:
                found = web.post(request.url.path, request.read())
            return httpx.Response(found.status_code, content=found.content)

        return httpx.Client(transport=httpx.MockTransport(answer))

    def record(self, site: Site, count: int) -> None:
        site.record(count, sequenced=False)
        with self.client(site) as asking, site.database() as database:
            site.sequencer(database, asking).step()


def test_witnesses_vouch_that_nothing_newer_was_published(tmp_path: Path) -> None:
    """As many must that the others are no quorum: those could have cosigned something newer."""
    site = Site(tmp_path / "site")
    witnesses = Cosigning(tmp_path, site, 3, 2)
    witnesses.record(site, 3)
    file = made(site, tmp_path / "backup")
    older = put_back(site, file)

    def resume() -> SignedCheckpoint:
        transport = witnesses.transport()
        return settling.resume(older.settings, [], NOW, word=False, transport=transport)

    witnesses.cut = {"w0", "w1"}
    with pytest.raises(CallerMisuse, match="did not vouch, and are a quorum: w0, w1"):
        resume()
    witnesses.cut = {"w0"}
    assert resume().checkpoint.size == 3
    witnesses.cut = set()
    witnesses.record(older, 1)
    assert older.newest().checkpoint.size == 6, "with what restore and resume say of themselves"


def test_what_one_witness_of_many_cosigned_later_closes_the_way_back(tmp_path: Path) -> None:
    """Also where it never was published, and its gateway remembers nothing."""
    site = Site(tmp_path / "site")
    witnesses = Cosigning(tmp_path, site, 3, 2)
    witnesses.record(site, 3)
    file = made(site, tmp_path / "backup")
    witnesses.cut = {"w0", "w1"}
    with pytest.raises(Unavailable):
        witnesses.record(site, 1)
    witnesses.cut = set()
    older = put_back(site, file)
    (older.settings.data_dir / MARK_FILE).unlink()
    with pytest.raises(CallerMisuse, match="witness w2 shows 4 entries signed"):
        settling.resume(older.settings, [], NOW, word=True, transport=witnesses.transport())


# Closed, and another one begun


def begun(site: Site, *, word: bool = True, **given: Any) -> Site:
    """``log begin``, and the settings changed as it says."""
    settling.begin(site.settings, "gateway.example/log2", [], NOW, word=word, **given)
    return site.on(site.settings.database_url, log_origin="gateway.example/log2")


def keys_of(*sites: Site) -> TrustPolicy:
    """A verifier's policy that pins the logs of all."""
    return TrustPolicy.simple([one.log for one in sites], [], 0)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_log_that_was_closed_is_followed_by_another_with_the_same_entries(
    kind: str, tmp_path: Path, renew: Callable[[str], str | None]
) -> None:
    site = Site(tmp_path / "site", renew(kind))
    kept, *_ = site.record(2)
    (waiting,) = site.record(1, sequenced=False)
    file = made(site, tmp_path / "backup")
    with site.database() as database:
        site.sequencer(database).step()
    (lost,) = site.record(1)
    old_log = site.log
    before = {row.record_id: site.receipt(row.record_id) for row in (kept, waiting, lost)}
    last = site.newest()
    older = put_back(site, file, renew(kind))
    with pytest.raises(CallerMisuse, match="erasures are known up to 2"):
        begun(older, word=False)
    new = begun(older)
    new.enrol("after")
    policy = TrustPolicy.simple([old_log, new.log], [], 0)

    def origin_of(statement: bytes, receipt: Receipt) -> str:
        assert receipt.log_proof is not None
        leaf = digest_of(statement)
        verify_log_proof(receipt.log_proof, leaf, policy)
        return LogProof.parse(receipt.log_proof).signed.checkpoint.origin

    for row in (kept, waiting, lost):  # of the closed log: they verify as before
        assert origin_of(row.statement, before[row.record_id]) == "gateway.example/log"
    assert new.receipt(kept.record_id) == before[kept.record_id], "always the same bytes"
    # What the old log had not published yet, as far as this database knows, the new one publishes.
    assert origin_of(waiting.statement, new.receipt(waiting.record_id)) == "gateway.example/log2"
    content = new.content()
    assert lost.record_id not in {row[0] for row in content["records"]}
    ((origin, size, _keys, checkpoint, _at),) = content["closed_logs"]
    assert (origin, size, checkpoint) == ("gateway.example/log", 2, bytes(last))
    # The signed history says which checkpoint was the last.
    with new.database() as database, database.transaction() as connection:
        actions = verify_chain(parties.list_admin_actions(connection), new.keys.chain_keys).actions
    done = [(one.verb, one.kind, one.key_id) for one in actions[:2]]
    assert done[0][:2] == ("restore", "log")
    assert done[1] == ("begin", "log", digest_of(bytes(last)))
    # And the closed one is closed: its key is gone, and its gateways sign nothing.
    assert {key.public for key in (old_log.key,)}.isdisjoint({new.log.key.public})
    with older.database() as database, pytest.raises((OtherLog, LogHalted)):
        older.sequencer(database).step()


@pytest.mark.parametrize("point", ["log-begin-written", "log-begun"])
def test_a_begin_that_is_killed_is_ended_by_giving_it_again(
    point: str, site: Site, tmp_path: Path
) -> None:
    file = made(site, tmp_path / "backup")
    site.record(1)
    older = put_back(site, file)
    old = older.log.key.public
    assert killed_at(point, lambda: begun(older))
    if point == "log-begun":
        other = older.on(None, log_origin="gateway.example/log2")
        assert other.log.key.public == old
        with other.database() as database, pytest.raises(LogHalted, match="still holds its key"):
            other.sequencer(database).step()
    new = begun(older)
    assert new.log.key.public != old
    new.enrol("after")
    assert new.newest().checkpoint.origin == "gateway.example/log2"
    with pytest.raises(CallerMisuse, match="the present one already"):
        begun(older)


def test_nobody_closes_a_log_that_is_not_in_doubt(site: Site) -> None:
    with pytest.raises(CallerMisuse, match="nothing newer"):
        begun(site)
    with pytest.raises(CallerMisuse, match="no name of a log"):
        settling.begin(site.settings, "a name", [], NOW, word=True)


def test_a_name_serves_once(site: Site, tmp_path: Path) -> None:
    file = made(site, tmp_path / "backup")
    older = put_back(site, file)
    with pytest.raises(CallerMisuse, match="the present one already"):
        settling.begin(older.settings, "gateway.example/log", [], NOW, word=True)
    new = begun(older)
    with new.database() as database, database.writing() as connection:
        halts.halt(connection, NOW)
    with pytest.raises(CallerMisuse, match="a name of its own"):
        settling.begin(new.settings, "gateway.example/log", [], NOW, word=True)


def test_a_backup_from_before_a_log_was_closed_is_not_resumed(site: Site, tmp_path: Path) -> None:
    """Its log is closed; only the gateway's mark of the successor says so."""
    file = made(site, tmp_path / "backup")
    state = seen(site, tmp_path / "seen.json")
    keystore = (site.settings.data_dir / "keystore.sealed").read_bytes()
    new = begun(put_back(site, file))
    new.enrol("after")
    (site.settings.data_dir / "keystore.sealed").write_bytes(keystore)
    older = put_back(site, file)
    with pytest.raises(CallerMisuse, match=r"has signed the log gateway\.example/log2"):
        settling.resume(older.settings, [state], NOW, word=True)
    with older.database() as database:
        with database.writing() as connection:
            halts.settle(connection, "resumed", NOW)
        with pytest.raises(LogHalted, match="never held"):
            older.sequencer(database).step()


def test_new_keys_for_another_log_are_of_the_same_kinds(site: Site) -> None:
    custody.add_log_key(site.settings, "ml-dsa-44", NOW)

    def kinds(keys: GatewayKeys) -> list[str]:
        return [one.algorithm for one in keys.log]

    before = site.keys
    after = custody.replace_log_keys(site.settings, NOW)
    assert kinds(after) == kinds(before) == ["ed25519", "ml-dsa-44"]
    assert {one.seed for one in after.log}.isdisjoint({one.seed for one in before.log})
    assert after.signing == before.signing
