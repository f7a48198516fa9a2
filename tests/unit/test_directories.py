"""A party's directory: its owner's alone, and one process's at a time."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.auditor import custody as auditor
from gateway.auditor.config import AuditorSettings
from gateway.host import keyfile, serving
from gateway.host.cli import run_server
from gateway.host.directories import (
    LOCK_FILE,
    InUse,
    UnusableDirectory,
    await_unoccupied,
    existing_directory,
    new_directory,
    occupied,
    private_file,
)
from gateway.host.keyfile import KeyFileError, create_secret
from gateway.host.ledger import Ledger
from gateway.host.serving import CannotListen, bind
from gateway.server import custody as gateway_custody
from gateway.server.config import GatewaySettings
from gateway.store.connecting import make_engine
from gateway.wire.errors import Unavailable
from gateway.witness import custody as witness
from gateway.witness.config import WitnessSettings
from keys import ceremony
from keys.config import AuthoritySettings
from keys.vault import AuthorityKeys, SealedVault
from tests.support.sealed import no_settings, passphrase_file

HOLD = """
import sys, time
from pathlib import Path
from gateway.host.directories import occupied
with occupied(Path(sys.argv[1]), "gateway"):
    print("held", flush=True)
    time.sleep(10_000)
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    """The modes must not depend on the umask."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize("bits", [0o755, 0o750, 0o710, 0o701, 0o777])
def test_a_directory_open_to_others_is_refused_with_what_mends_it(
    tmp_path: Path, bits: int
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "something").touch()
    (tmp_path / "data").chmod(bits)
    with pytest.raises(UnusableDirectory, match=f"chmod 700 {tmp_path}/data$"):
        existing_directory(tmp_path / "data")
    assert mode(tmp_path / "data") == bits, "nobody's mode is changed behind his back"
    (tmp_path / "data").chmod(0o700)
    existing_directory(tmp_path / "data")


def test_an_empty_directory_becomes_private_and_a_shared_one_does_not(tmp_path: Path) -> None:
    for name, bits in (("mine", 0o755), ("temporary", 0o1777)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(bits)
    assert mode(existing_directory(tmp_path / "mine")) == 0o700
    assert mode(existing_directory(tmp_path / "new")) == 0o700
    with pytest.raises(UnusableDirectory):
        existing_directory(tmp_path / "temporary")
    assert mode(tmp_path / "temporary") == 0o1777


def test_what_libraries_write_is_private(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """From the first moment on, and mended where an earlier version left it open."""
    old = tmp_path / "old.sqlite3"
    for path in (old, Path(f"{old}-wal")):
        path.touch(mode=0o644)
    for path in (old, tmp_path / "new.sqlite3"):
        engine = make_engine(f"sqlite:///{path}")
        with engine.connect() as connection:
            connection.execute(sa.text("CREATE TABLE t (x)"))
            beside = sorted(tmp_path.glob(f"{path.name}*"))
            assert len(beside) == 3, "the file, its log and its index"
            assert {mode(one) for one in beside} == {0o600}
        engine.dispose()
    assert "old.sqlite3 was open to other accounts" in caplog.text
    assert "new.sqlite3" not in caplog.text
    Ledger.create(tmp_path / "ledger.sqlite3", "CREATE TABLE t (x)", "a ledger").close()
    assert mode(tmp_path / "ledger.sqlite3") == 0o600


def test_a_file_in_use_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing a descriptor would drop the locks that SQLite holds on it in this process."""
    private_file(tmp_path / "file")
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened"))
    private_file(tmp_path / "file")


def test_one_process_works_in_a_directory(tmp_path: Path) -> None:
    """The next one is told whose it is. The lock goes with its process, even by SIGKILL."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            told = f"in use by process {holder.pid} \\(gateway\\).*kill {holder.pid}$"
            with pytest.raises(InUse, match=told), occupied(tmp_path, "another"):
                pytest.fail("two at once")
            with pytest.raises(InUse, match=told):
                await_unoccupied(tmp_path, 0)
        finally:
            holder.kill()
    await_unoccupied(tmp_path, 0)
    with occupied(tmp_path, "another"):
        assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()} another\n"
        assert mode(tmp_path / LOCK_FILE) == 0o600
    await_unoccupied(tmp_path / "missing", 0)


def test_a_lock_whose_file_says_nonsense_is_a_lock(tmp_path: Path) -> None:
    with occupied(tmp_path, "x"):
        (tmp_path / LOCK_FILE).write_bytes(b"\x1b[2J\xff" * 50)
        with pytest.raises(InUse, match="by another process") as caught, occupied(tmp_path, "y"):
            pytest.fail("two at once")
    assert str(caught.value).isprintable()


class Settings(AuthoritySettings):
    """Of a server that must not come so far as to open a key."""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    no_settings(monkeypatch)
    existing_directory(tmp_path / "data")
    monkeypatch.setattr("gateway.host.cli.memory.protect", lambda *_, **__: None)
    return Settings(data_dir=tmp_path / "data", port=0)


def test_a_server_is_refused_before_its_keys_are_opened(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its directory in use or open to others, its port in use; and the control."""
    made: list[str] = []

    def serve(*, shared: bool = False, port: int = 0) -> None:
        chosen = settings.model_copy(update={"port": port})
        create = lambda _: made.append("opened")  # noqa: E731
        run_server("authority", create, chosen, settings.data_dir, shared=shared)  # type: ignore[arg-type]

    monkeypatch.setattr("gateway.host.cli.serve", lambda *_: None)
    with occupied(settings.data_dir, "first"):
        with pytest.raises(InUse, match=f"process {os.getpid()} "):
            serve()
        assert made == []
        serve(shared=True)
        assert made == ["opened"]
    with bind("127.0.0.1", 0) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(CannotListen, match=f":{port}: .* process {os.getpid()} .*kill"):
            serve(port=port)
    settings.data_dir.chmod(0o755)
    with pytest.raises(UnusableDirectory):
        serve()
    settings.data_dir.chmod(0o700)
    assert made == ["opened"]
    serve()
    assert made == ["opened"] * 2


def test_who_hides_is_to_be_found_by_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.host.holders._open_files", lambda _: set())
    with bind("127.0.0.1", 0) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(CannotListen, match=f"as root: ss -ltnp sport = :{port}"):
            serving.bind("127.0.0.1", port)


def ceremonies(data: Path, passphrase: Path) -> dict[str, Callable[[], object]]:
    """The four servers' ``keys init``."""
    given = {"data_dir": data, "passphrase_file": passphrase}
    gateway = GatewaySettings(
        **given,  # type: ignore[arg-type]
        authority_public_key="00" * 32,
        model_id="none",
        model_digest="00" * 32,
    )
    return {
        "authority": lambda: ceremony.initialise(AuthoritySettings(**given), 0),  # type: ignore[arg-type]
        "gateway": lambda: gateway_custody.initialise(gateway, 0),
        "auditor": lambda: auditor.initialise(AuditorSettings(**given), 0),  # type: ignore[arg-type]
        "witness": lambda: witness.initialise(
            WitnessSettings(**given),  # type: ignore[arg-type]
            "witness.example/w1",
            0,
        ),
    }


def full_disk(_: int) -> None:
    raise OSError(28, "No space left on device")


def interrupt(_: int) -> None:
    signal.raise_signal(signal.SIGINT)


def left(data: Path) -> list[Path]:
    return list(data.iterdir()) if data.exists() else []


@pytest.mark.parametrize("who", ["authority", "gateway", "auditor", "witness"])
def test_keys_that_cannot_be_made_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """A full disk, Ctrl-C, no passphrase; whether the directory was there before or not."""
    no_settings(monkeypatch)
    passphrase, data = passphrase_file(tmp_path), tmp_path / "deep" / "data"
    init, without = ceremonies(data, passphrase)[who], ceremonies(data, tmp_path / "none")[who]
    for _ in range(2):
        for error, faults in (
            ((OSError, Unavailable), [full_disk]),  # while the file is written
            ((OSError, Unavailable), [os.fsync, full_disk]),  # when it has its name
            (KeyboardInterrupt, [interrupt]),
        ):
            coming = iter(faults)
            with monkeypatch.context() as faulty:
                faulty.setattr(keyfile.os, "fsync", lambda d, coming=coming: next(coming)(d))  # type: ignore[attr-defined]
                with pytest.raises(error):
                    init()
            assert left(data) == []
        with pytest.raises(KeyFileError):
            without()
        assert left(data) == []
        existing_directory(data)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "passphrase"]
    data.rmdir()
    init()
    made = sorted(data.iterdir())
    assert made
    with pytest.raises(KeyFileError, match="exists already"):
        init()
    assert sorted(data.iterdir()) == made


def test_only_what_was_made_is_removed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_directory(tmp_path / "a" / "b"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    create_secret(tmp_path / "a" / "kept", b"x")
    with pytest.raises(ZeroDivisionError), new_directory(tmp_path / "a" / "b"):
        raise ZeroDivisionError
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["kept"]
    with pytest.raises(ZeroDivisionError), new_directory(tmp_path / "a"):
        raise ZeroDivisionError
    assert (tmp_path / "a" / "kept").exists()


def test_a_vault_forgets_what_no_record_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a token it would stay for ever. Once there is a record, all of it stays."""
    no_settings(monkeypatch)
    forgotten: list[bytes] = []
    monkeypatch.setattr(SealedVault, "forget", lambda _, held: forgotten.append(held))
    settings = AuthoritySettings(
        data_dir=tmp_path / "data", passphrase_file=passphrase_file(tmp_path)
    )
    drawn: list[bytes] = []
    create = SealedVault.create

    def interrupted_after(vault: SealedVault, keys: AuthorityKeys) -> None:
        drawn.extend(keys.all_held())
        create(vault, keys)
        raise KeyboardInterrupt

    with monkeypatch.context() as failing:
        failing.setattr(
            SealedVault, "create", lambda _, keys: drawn.extend(keys.all_held()) or 1 / 0
        )
        with pytest.raises(ZeroDivisionError):
            ceremony.initialise(settings, 0)
    assert sorted(forgotten) == sorted(drawn)
    assert len(drawn) == 3
    monkeypatch.setattr(SealedVault, "create", interrupted_after)
    with pytest.raises(KeyboardInterrupt):
        ceremony.initialise(settings, 0)
    assert len(forgotten) == 3
    assert ceremony.read_keys(settings).all_held() == set(drawn[3:])
