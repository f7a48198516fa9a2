"""The witness: its HTTP answers, its memory, its clock, its keys and commands."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.host import keystore
from gateway.host.keyfile import KeyFileError
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.cosignature import check_signed
from gateway.translog.note import Kind, NoteKey
from gateway.translog.witnessing import AddCheckpoint, cosignatures
from gateway.wire.errors import MalformedMessage, TooManyRequests, Unavailable
from gateway.witness import cli, rate
from gateway.witness.app import create_app
from gateway.witness.config import WitnessSettings
from gateway.witness.custody import initialise, read_keys
from gateway.witness.logs import KnownLogs
from gateway.witness.rate import RateLimit
from tests.support.parties import NOW, Clock
from tests.support.sealed import CHEAP, passphrase_file
from tests.support.translog import ORIGIN, MemoryLog, grown, signer
from tests.support.witnesses import NAME, Web, public_keys, sealed_witness

LOG = grown(60)
FORK = MemoryLog()
FORK.append(b"another history", *LOG.entries[1:])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(tmp_path: Path) -> WitnessSettings:
    return sealed_witness(tmp_path)


@pytest.fixture
def web(settings: WitnessSettings, clock: Clock) -> Iterator[Web]:
    with Web(create_app(settings, clock)) as client:
        yield client


def body(old: int, size: int, log: MemoryLog = LOG) -> bytes:
    return bytes(AddCheckpoint(old, log.consistency(old, size), log.signed(size)))


def times(web: Web, settings: WitnessSettings, old: int, size: int) -> list[int]:
    """Ask for cosignatures, check them, and return their times."""
    answer = web.post("/add-checkpoint", content=body(old, size))
    assert answer.status_code == 200, answer.text
    found = cosignatures(answer.content, LOG.checkpoint(size), public_keys(settings))
    return [time for _, time in found]


def test_a_growing_log_is_cosigned_by_both_keys(
    web: Web, settings: WitnessSettings, clock: Clock
) -> None:
    assert times(web, settings, 0, 20) == [NOW, NOW]
    clock.now += 7
    assert times(web, settings, 20, 20) == [NOW + 7, NOW + 7]
    assert times(web, settings, 20, 60) == [NOW + 7, NOW + 7]


def test_answers_and_their_types(web: Web, settings: WitnessSettings) -> None:
    answer = web.post("/add-checkpoint", content=body(0, 20))
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert [line.split()[1] for line in answer.text.splitlines()] == [NAME, NAME]
    conflict = web.post("/add-checkpoint", content=body(0, 30))
    assert (conflict.status_code, conflict.text) == (409, "20\n")
    assert conflict.headers["content-type"] == "text/x.tlog.size"
    another = grown(5, signers=[signer("other.example", label="other")], origin="other.example")
    unsigned = body(20, 30).replace(b"\n30\n", b"\n31\n")
    statuses = {
        400: b"old 1\n\nnonsense\n",
        403: unsigned,
        404: body(0, 5, another),
        413: b"a" * 200_000,
        422: body(20, 60, FORK),
    }
    for status, content in statuses.items():
        refused = web.post("/add-checkpoint", content=content)
        assert refused.status_code == status
        assert refused.json()["status"] == status
    shrunk = body(0, 30).replace(b"old 0", b"old 31")
    assert web.post("/add-checkpoint", content=shrunk).status_code == 400
    assert web.get("/add-checkpoint").status_code == 405
    assert web.get("/health").json() == {"status": "ok"}
    assert times(web, settings, 20, 60)


def test_a_fork_is_never_cosigned(web: Web, settings: WitnessSettings) -> None:
    times(web, settings, 0, 20)
    for old, size in ((20, 20), (20, 21), (20, 60)):
        assert web.post("/add-checkpoint", content=body(old, size, FORK)).status_code == 422
    assert web.post("/add-checkpoint", content=body(0, 60, FORK)).status_code == 409


def test_monitors_read_what_was_cosigned_last(web: Web, settings: WitnessSettings) -> None:
    path = f"/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    assert web.get(path).status_code == 404
    times(web, settings, 0, 20)
    times(web, settings, 20, 33)
    signed = SignedCheckpoint.parse(web.get(path).content)
    assert signed.checkpoint == LOG.checkpoint(33)
    for key in (signer().key, *public_keys(settings)):
        assert len(check_signed(signed, key)) == 1
    assert web.get("/" + "0" * 64 + "/checkpoint").status_code == 404


def test_signatures_of_strangers_are_neither_checked_nor_kept(
    web: Web, settings: WitnessSettings
) -> None:
    stranger = signer(label="stranger")
    made = grown(20, signers=[signer(), stranger])
    answer = web.post("/add-checkpoint", content=body(0, 20, made))
    assert answer.status_code == 200
    path = f"/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    kept = SignedCheckpoint.parse(web.get(path).content)
    assert not kept.note.signed_by(stranger.key)


def test_what_was_cosigned_survives_a_restart(settings: WitnessSettings) -> None:
    with Web(create_app(settings)) as web:
        times(web, settings, 0, 20)
    with Web(create_app(settings)) as web:
        assert web.post("/add-checkpoint", content=body(0, 20, FORK)).status_code == 409
        assert web.post("/add-checkpoint", content=body(20, 60, FORK)).status_code == 422
        times(web, settings, 20, 60)


@pytest.mark.usefixtures("patient")
def test_of_two_histories_at_once_one_is_cosigned(settings: WitnessSettings) -> None:
    """Two processes on one directory; the check and the write are one step."""
    start = threading.Barrier(8)

    def ask(web: Web, log: MemoryLog) -> int:
        start.wait()
        return web.post("/add-checkpoint", content=body(0, 60, log)).status_code

    with (
        Web(create_app(settings)) as one,
        Web(create_app(settings)) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        asked = [
            (log, pool.submit(ask, web, log)) for web in (one, other) for log in (LOG, FORK) * 2
        ]
        found = [(log, future.result()) for log, future in asked]
    assert sorted({status for _, status in found}) == [200, 409]
    assert sum(status == 200 for _, status in found) == 1


def test_times_never_go_back(web: Web, settings: WitnessSettings, clock: Clock) -> None:
    times(web, settings, 0, 20)
    clock.now = NOW - 10
    assert times(web, settings, 20, 30) == [NOW, NOW]
    clock.now = NOW - 301
    assert web.post("/add-checkpoint", content=body(30, 40)).status_code == 503
    clock.now = NOW + 1
    assert times(web, settings, 30, 40) == [NOW + 1, NOW + 1]


def test_without_memory_nothing_is_cosigned(settings: WitnessSettings, web: Web) -> None:
    times(web, settings, 0, 20)
    settings.memory_file.rename(settings.data_dir / "lost")
    with pytest.raises(Unavailable):
        create_app(settings)
    assert not settings.memory_file.exists()


def test_storage_that_fails_lets_no_cosignature_out(settings: WitnessSettings) -> None:
    with Web(create_app(settings)) as web:
        times(web, settings, 0, 20)
        blocker = sqlite3.connect(settings.memory_file, isolation_level=None)
        blocker.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON cosigned BEGIN SELECT RAISE(FAIL, 'full'); END"
        )
        refused = web.post("/add-checkpoint", content=body(20, 60))
        assert refused.status_code == 503
        assert NAME not in refused.text
        blocker.execute("DROP TRIGGER full")
        blocker.close()
        assert web.post("/add-checkpoint", content=body(60, 60)).text == "20\n"


def test_logs_are_added_while_it_runs(web: Web, settings: WitnessSettings) -> None:
    other = grown(5, signers=[signer("other.example", label="other")], origin="other.example")
    assert web.post("/add-checkpoint", content=body(0, 5, other)).status_code == 404
    logs = KnownLogs(settings.logs_file)
    logs.add(other.signers[0].key)
    assert web.post("/add-checkpoint", content=body(0, 5, other)).status_code == 200
    with pytest.raises(MalformedMessage):
        logs.add(other.signers[0].key)
    settings.logs_file.write_text("log nonsense\n")
    assert web.post("/add-checkpoint", content=body(5, 5, other)).status_code == 503
    settings.logs_file.unlink()
    assert web.post("/add-checkpoint", content=body(5, 5, other)).status_code == 404


def test_one_sender_cannot_occupy_the_witness(tmp_path: Path) -> None:
    made = sealed_witness(tmp_path)
    slow = made.model_copy(update={"requests_per_second": 0.001, "burst": 2})
    with Web(create_app(slow)) as web:
        statuses = [web.post("/add-checkpoint", content=b"").status_code for _ in range(4)]
    assert statuses == [400, 400, 429, 429]


def test_buckets_fill_with_time_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "MAX_SENDERS", 3)
    limit = RateLimit(per_second=2, burst=2)
    limit.admit("a", 0)
    limit.admit("a", 0)
    with pytest.raises(TooManyRequests):
        limit.admit("a", 0.4)
    limit.admit("a", 0.5)
    with pytest.raises(TooManyRequests):
        limit.admit("a", 0.6)
    for sender in "bcd":
        limit.admit(sender, 0.6)
    assert len(limit._buckets) == 3


# --- keys and commands -----------------------------------------------------------------------


Command = Callable[..., int]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setattr(keystore, "DEFAULT_COST", CHEAP)
    monkeypatch.setenv("SEALMATCH_WITNESS_INSPECTABLE", "true")
    passphrase = passphrase_file(tmp_path)
    common = ["--data-dir", str(tmp_path / "data"), "--passphrase-file", str(passphrase)]

    def run(verb: str, *more: str) -> int:
        return cli.main([verb, *common, *more])

    return run


def test_the_ceremony(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("init", "--name", NAME) == 0
    made = json.loads(capsys.readouterr().out)
    keys = [NoteKey.parse(vkey) for vkey in made["vkeys"].values()]
    assert {key.kind for key in keys} == {Kind.COSIGNATURE_ED25519, Kind.COSIGNATURE_ML_DSA_44}
    assert {key.name for key in keys} == {NAME}
    assert command("show") == 0
    assert json.loads(capsys.readouterr().out) == made
    assert command("init", "--name", NAME) == 1
    assert "not overwritten" in capsys.readouterr().err
    assert command("add-log", str(signer().key)) == 0
    assert command("add-log", str(signer().key)) == 1
    assert command("add-log", "nonsense") == 1
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
    assert modes == {0o600}
    held = WitnessSettings(data_dir=tmp_path / "data", passphrase_file=tmp_path / "passphrase")
    with Web(create_app(held)) as web:
        assert web.post("/add-checkpoint", content=body(0, 20)).status_code == 200


def test_names_that_no_note_can_carry_are_refused(command: Command, tmp_path: Path) -> None:
    for name in ("", "a b", "a+b", "a" * 256):
        assert command("init", "--name", name) == 1
    assert not (tmp_path / "data" / "keystore.sealed").exists()


def test_keys_never_show(settings: WitnessSettings) -> None:
    held = read_keys(settings)
    for secret in (held.ed25519, held.ml_dsa_44):
        assert secret.hex() not in repr(held)
        assert repr(secret) not in repr(held)
        assert repr(secret) not in repr(held.signers)
    assert settings.passphrase_file is not None
    settings.passphrase_file.write_text("another passphrase\n")
    with pytest.raises(KeyFileError):
        read_keys(settings)


def test_no_keys_without_a_passphrase(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError):
        initialise(WitnessSettings(data_dir=tmp_path / "data"), NAME, NOW)
