"""The sealed keystore: one file, one error, nothing half written, no work for a hostile file."""

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from gateway.host import keyfile, keystore, passphrase
from gateway.host.keyfile import KeyFileError, create_secret, replace_secret
from gateway.host.keystore import (
    MAX_MEMORY_KIB,
    KeystoreClosed,
    KeystoreHeader,
    create_keystore,
    open_keystore,
    replace_keystore,
    seal,
    unseal,
)
from gateway.wire import cbor
from gateway.wire.message import Message
from gateway.wire.secret import wipe
from tests.support.sealed import CHEAP, PASSPHRASE, passphrase_file

SECRET = b"the only secret, of 32 bytes ...."[:32]
CLOSED = "wrong passphrase, or the file was altered"


class Content(Message):
    secret: Annotated[bytes, Field(repr=False)]


class Other(Message):
    another: bytes


CONTENT = Content(secret=SECRET)


def word(text: str = PASSPHRASE) -> bytearray:
    return bytearray(text.encode())


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    """Modes must not depend on the umask."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return seal(CONTENT, word(), CHEAP)


def test_opens_with_its_passphrase_alone(sealed: bytes) -> None:
    assert unseal(sealed, Content, word()) == CONTENT
    assert SECRET not in sealed
    for other in (
        "",
        PASSPHRASE + " ",
        PASSPHRASE[:-1],
        PASSPHRASE.upper(),
        "\0" + PASSPHRASE,
    ):
        with pytest.raises(KeystoreClosed, match=CLOSED):
            unseal(sealed, Content, word(other))


def test_salt_and_nonce_are_fresh_at_every_write() -> None:
    first, second = (cbor.decode(seal(CONTENT, word(), CHEAP)) for _ in range(2))
    headers = [KeystoreHeader.decode(one[0]) for one in (first, second)]
    assert headers[0].salt != headers[1].salt
    assert headers[0].nonce != headers[1].nonce
    assert first[1] != second[1]


def test_the_default_cost_is_the_documented_one() -> None:
    cost = keystore.DEFAULT_COST
    assert (cost.memory_kib, cost.iterations, cost.lanes) == (256 * 1024, 3, 4)
    whole = seal(CONTENT, word())
    header = KeystoreHeader.decode(cbor.decode(whole)[0])
    stated = (header.memory_kib, header.iterations, header.lanes)
    assert stated == (cost.memory_kib, cost.iterations, cost.lanes), "what a guess costs"
    assert unseal(whole, Content, word()) == CONTENT


def test_every_altered_byte_is_refused(sealed: bytes) -> None:
    for at in range(len(sealed)):
        for flip in (0x01, 0x80):
            altered = bytearray(sealed)
            altered[at] ^= flip
            with pytest.raises(KeystoreClosed, match=CLOSED):
                unseal(bytes(altered), Content, word())


def test_truncated_and_extended_files_are_refused(sealed: bytes) -> None:
    for cut in range(len(sealed)):
        with pytest.raises(KeystoreClosed, match=CLOSED):
            unseal(sealed[:cut], Content, word())
    for more in (b"\0", b"\n", sealed):
        with pytest.raises(KeystoreClosed, match=CLOSED):
            unseal(sealed + more, Content, word())


def test_another_kind_of_content_is_refused(sealed: bytes) -> None:
    with pytest.raises(KeystoreClosed):
        unseal(sealed, Other, word())


def hostile(sealed: bytes, **changes: Any) -> bytes:
    encoded, content = cbor.decode(sealed)
    return cbor.encode([cbor.encode(cbor.decode(encoded) | changes), content])


@pytest.mark.parametrize(
    "changes",
    [
        {"memoryKib": 100 * 1024 * 1024},
        {"memoryKib": MAX_MEMORY_KIB + 1},
        {"memoryKib": 2**63},
        {"memoryKib": 1},
        {"memoryKib": 0},
        {"iterations": 11},
        {"iterations": 2**32},
        {"iterations": 0},
        {"lanes": 17},
        {"lanes": 0},
        {"salt": b""},
        {"salt": b"s" * 17},
        {"nonce": b"n" * 11},
        {"kdf": "scrypt"},
        {"format": "other"},
        {"version": 2},
        {"extra": 1},
    ],
)
def test_hostile_parameters_are_refused_before_any_work(
    sealed: bytes, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("derived a key for a hostile header")

    monkeypatch.setattr(keystore, "Argon2id", never)
    with pytest.raises(KeystoreClosed, match=CLOSED):
        unseal(hostile(sealed, **changes), Content, word())


def test_the_header_is_authenticated(sealed: bytes) -> None:
    """Valid values, but not those it was sealed with."""
    for changes in ({"iterations": 2}, {"memoryKib": 9 * 1024}, {"lanes": 2}, {"salt": b"s" * 16}):
        with pytest.raises(KeystoreClosed):
            unseal(hostile(sealed, **changes), Content, word())


@pytest.mark.parametrize("data", [b"", b"\xa0", b"\x80", b"\x82\x40\x40", b"\x81\x40", b"x" * 300])
def test_what_is_no_keystore_is_refused_alike(data: bytes) -> None:
    with pytest.raises(KeystoreClosed, match=CLOSED):
        unseal(data, Content, word())


# Files


def test_a_new_file_is_the_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "data" / "keystore.sealed"
    create_keystore(path, CONTENT, word(), CHEAP)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_keystore(path, Content, word()) == CONTENT
    with pytest.raises(KeyFileError, match="exists already"):
        create_keystore(path, Content(secret=b"another"), word(), CHEAP)
    assert open_keystore(path, Content, word()) == CONTENT
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_replacing_is_atomic_and_keeps_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "keystore.sealed"
    with pytest.raises(KeyFileError, match="does not exist"):
        replace_keystore(path, CONTENT, word(), CHEAP)
    create_keystore(path, CONTENT, word(), CHEAP)
    inode = path.stat().st_ino
    replace_keystore(path, Content(secret=b"next"), word("another passphrase"), CHEAP)
    assert path.stat().st_ino != inode, "a new file took the old one's place"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_keystore(path, Content, word("another passphrase")).secret == b"next"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keystore.sealed"
    create_keystore(path, CONTENT, word(), CHEAP)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="open to others"):
        open_keystore(path, Content, word())


def test_missing_and_endless_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        open_keystore(tmp_path / "nothing", Content, word())
    create_secret(tmp_path / "huge", b"\0" * 10_000_000)
    with pytest.raises(KeyFileError, match="too long"):
        open_keystore(tmp_path / "huge", Content, word())


FILL = """
import resource, signal, sys
from pathlib import Path
from gateway.host.keyfile import create_secret, replace_secret
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
write = {"create": create_secret, "replace": replace_secret}[sys.argv[1]]
try:
    write(Path(sys.argv[2]), b"n" * 4000)
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.parametrize("verb", ["create", "replace"])
def test_a_file_that_cannot_be_written_whole_leaves_the_old_one(tmp_path: Path, verb: str) -> None:
    path = tmp_path / "keystore.sealed"
    if verb == "replace":
        create_secret(path, b"old")
    done = subprocess.run(
        [sys.executable, "-c", FILL, verb, str(path)], capture_output=True, text=True, check=True
    )
    assert "File too large" in done.stdout
    left = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert left == ({path.name: b"old"} if verb == "replace" else {})


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_crash_while_replacing_leaves_the_old_one(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "keystore.sealed"
    create_keystore(path, CONTENT, word(), CHEAP)
    if call == "fsync":
        monkeypatch.setattr(keyfile.os, "fsync", fails)  # type: ignore[attr-defined]
    else:
        monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="No space"):
        replace_secret(path, b"new")
    monkeypatch.undo()
    assert open_keystore(path, Content, word()) == CONTENT
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_content_is_on_the_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File, name, directory: in this order, or a power failure leaves an empty keystore."""
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        order.append("directory" if directory else "file")
        fsync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        order.append("name")
        return replace(self, target)

    create_secret(tmp_path / "a", b"old")
    monkeypatch.setattr(keyfile.os, "fsync", synced)  # type: ignore[attr-defined]
    monkeypatch.setattr(Path, "replace", renamed)
    replace_secret(tmp_path / "a", b"new")
    assert order == ["file", "name", "directory"]


# Passphrases


def obtain(file: Path | None = None, *, new: bool = False, **environment: str) -> bytearray:
    return passphrase.obtain(
        file, "sealmatch-passphrase", "passphrase of x", new=new, environment=environment
    )


def test_a_passphrase_file_without_its_last_newline(tmp_path: Path) -> None:
    assert obtain(passphrase_file(tmp_path)) == PASSPHRASE.encode()
    create_secret(tmp_path / "spaces", b" two  words \r\n")
    assert obtain(tmp_path / "spaces") == b" two  words "


def test_a_passphrase_file_open_to_others_is_refused(tmp_path: Path) -> None:
    path = passphrase_file(tmp_path)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="passphrase is open to others"):
        obtain(path)


def test_a_systemd_credential(tmp_path: Path) -> None:
    """The service manager protects the directory; access lists show there as group bits."""
    path = passphrase_file(tmp_path, name="sealmatch-passphrase")
    path.chmod(0o440)
    assert obtain(CREDENTIALS_DIRECTORY=str(tmp_path)) == PASSPHRASE.encode()
    other = passphrase_file(tmp_path, "from the file itself", "other")
    assert obtain(other, CREDENTIALS_DIRECTORY=str(tmp_path)) == b"from the file itself"
    other.chmod(0o440)
    assert obtain(other, CREDENTIALS_DIRECTORY=str(tmp_path)) == b"from the file itself"
    with pytest.raises(KeyFileError, match="other is open to others"):
        obtain(other, CREDENTIALS_DIRECTORY=str(tmp_path / "elsewhere"))


def test_no_passphrase_says_where_one_could_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(KeyFileError, match="no passphrase of x: name a file"):
        obtain(SEALMATCH_PASSPHRASE="never read", CREDENTIALS_DIRECTORY="/nowhere")


@pytest.mark.parametrize(("text", "new"), [("", False), ("", True), ("short", True)])
def test_empty_and_short_passphrases_are_refused(tmp_path: Path, text: str, new: bool) -> None:
    with pytest.raises(KeyFileError, match="must have at least") as caught:
        obtain(passphrase_file(tmp_path, text), new=new)
    assert "short" not in str(caught.value)


class Terminal:
    def isatty(self) -> bool:
        return True


def typed(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    asked: list[str] = []

    def getpass(prompt: str) -> str:
        asked.append(prompt)
        return answers[len(asked) - 1]

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", getpass)
    return asked


def test_typed_once_to_open_and_twice_to_make(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = typed(monkeypatch, "grün und blau", "grün und blau")
    assert obtain() == "grün und blau".encode()
    assert asked == ["passphrase of x: "]
    asked = typed(monkeypatch, "grün und blau", "grün und blau")
    assert obtain(new=True) == "grün und blau".encode()
    assert len(asked) == 2


def test_two_different_ones_make_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "grün und blau", "grün und gelb")
    with pytest.raises(KeyFileError, match="not the same") as caught:
        obtain(new=True)
    assert "grün" not in str(caught.value)


# Memory


def test_wiping_is_in_place() -> None:
    buffer = word()
    view = memoryview(buffer)
    wipe(buffer)
    assert bytes(view) == bytes(len(PASSPHRASE))


def test_derived_key_and_opened_content_are_wiped(
    sealed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiped: list[tuple[bytearray, bytes]] = []

    def watched(buffer: bytearray) -> None:
        before = bytes(buffer)
        wipe(buffer)
        wiped.append((buffer, before))

    monkeypatch.setattr(keystore, "wipe", watched)
    unseal(sealed, Content, word())
    with pytest.raises(KeystoreClosed):
        unseal(sealed, Content, word("another"))
    assert [len(before) for _, before in wiped] == [32, len(CONTENT.encode())] * 2
    assert wiped[1][1] == CONTENT.encode()
    assert not any(any(buffer) for buffer, _ in wiped)


PROTECT = """
import ctypes, resource, sys
sys.path.insert(0, {root!r})
from gateway.host import memory
memory.protect({lock!r}, inspectable={inspectable})
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
status = open("/proc/self/status").read()
print(next(l.split()[1] for l in status.splitlines() if l.startswith("VmLck")))
"""


def protected(
    lock: str, *, inspectable: bool = False, may_lock: bool = True
) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).resolve().parents[2])
    script = PROTECT.format(root=root, lock=lock, inspectable=inspectable)
    if not may_lock:
        script = script.replace(
            "memory.protect", "memory._may_lock = lambda: False\nmemory.protect"
        )
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("inspectable", "dumpable"), [(False, "0"), (True, "1")])
def test_no_core_and_not_dumpable(inspectable: bool, dumpable: str) -> None:
    done = protected("off", inspectable=inspectable)
    assert done.stdout.splitlines() == [f"(0, 0) {dumpable}", "0"], done.stderr


def test_without_the_right_to_lock_a_warning_or_an_end() -> None:
    done = protected("try", may_lock=False)
    assert done.returncode == 0
    assert "memory is not locked" in done.stderr
    assert "LimitMEMLOCK=infinity" in done.stderr
    required = protected("require", may_lock=False)
    assert required.returncode != 0
    assert "MemoryUnprotected" in required.stderr


def test_memory_is_locked_where_the_system_allows() -> None:
    from gateway.host.memory import _may_lock

    if not _may_lock():
        unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY
        assert not unlimited
        pytest.skip("this account may not lock memory without limit")
    done = protected("require")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 1000
    assert done.stderr == ""
