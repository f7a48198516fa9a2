"""The leak search finds what a leaky build writes, wherever and however, and nothing else.

Positive controls: ``tests/support/leaky.py`` writes each kind of value in each encoding to each
channel. The same through real servers is in ``tests/e2e/test_leak_search.py``.
"""

import io
import json
import os
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cbor2
import numpy as np
import pytest
from PIL import Image

from gateway.he.frame import probe_signs, template_values
from gateway.inspection.leaks import canaries
from gateway.inspection.leaks.canaries import Canary
from gateway.inspection.leaks.findings import Allowed, Finding, LeakFound
from gateway.inspection.leaks.processes import CannotSearch, swap_devices
from gateway.inspection.leaks.search import LeakSearch
from gateway.wire.errors import CallerMisuse
from gateway.wire.polynomials import Ciphertext
from gateway.wire.profile import DATA_PRIMES, KEY_PRIMES, N, T
from gateway.wire.subject import Subject
from tests.support.leaks import of_other_tests
from tests.support.leaky import CHANNELS, ENCODERS, Leak, Value, let_go, mark, raw
from tests.support.samples import pair

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(20240611)
BY_CHANCE = 6
"""Bytes by which a piece may seem longer than it is: its neighbours agree with those that stood
there. Seven do so with 2^-56."""
NUMBER, REFERENCE = "QX-7391 0054", "order-canary-88"
FILE_NAME = "portrait of Åsa Lindqvist.jpg"


def photograph(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, size=(64, 64, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise).save(written, "JPEG")
    return written.getvalue()


PORTRAIT, LIVE = photograph(1), photograph(2)
VECTOR = pair(0.5, seed=77)[0]
SIGNS, TEMPLATE = probe_signs(VECTOR), template_values(VECTOR)
MASKED = 100_000_007, 99_887_766
PADS = 3**70, 11**32 - 7  # no power of five: programs that read decimals have tables of them
CIPHERTEXT = Ciphertext(RNG.integers(0, DATA_PRIMES[-1], size=(2, 3, N), dtype=np.uint64))
KEY_WORDS = RNG.integers(0, KEY_PRIMES[0], size=(4, N), dtype=np.uint64)
SECRETS = {name: secrets.token_bytes(32) for name in ("seed", "signing key", "pepper", "site salt")}

PLANTED: list[Canary] = [
    *canaries.document_number("number", "passport", NUMBER),
    canaries.text("activation reference", REFERENCE),
    canaries.text("file name", FILE_NAME),
    canaries.image("portrait", PORTRAIT),
    canaries.image("live", LIVE),
    canaries.embedding("embedding", VECTOR),
    canaries.integers("signs", SIGNS),
    canaries.integers("template", TEMPLATE),
    canaries.numbers("masked values", *MASKED),
    canaries.numbers("pads", *PADS),
    *canaries.polynomials("ciphertext", CIPHERTEXT),
    canaries.words("secret key", KEY_WORDS),
    *(canaries.secret(name, value) for name, value in SECRETS.items()),
]

VALUES: dict[str, Value] = {
    "number": NUMBER,
    "number, normalised": Subject.of("passport", NUMBER).number,
    "number, encoded subject": Subject.of("passport", NUMBER).encode(),
    "activation reference": REFERENCE,
    "file name": FILE_NAME,
    "portrait": PORTRAIT,
    "live": LIVE,
    "embedding": VECTOR,
    "embedding as float32": VECTOR.astype(np.float32),
    **{
        f"{name} as {form}": made
        for name, values in (("signs", SIGNS), ("template", TEMPLATE))
        for form, made in {
            "int8": values.astype(np.int8),
            "int16": values.astype(np.int16),
            "int32": values.astype(np.int32),
            "int64": values,
            "float32": values.astype(np.float32),
            "float64": values.astype(np.float64),
            "slots": np.mod(values, T).astype(np.uint64),
        }.items()
    },
    "signs as bits": np.packbits(SIGNS > 0).tobytes(),
    "signs as bits, lowest first": np.packbits(SIGNS > 0, bitorder="little").tobytes(),
    "ciphertext, canonical": CIPHERTEXT.encoded,
    "ciphertext, words": CIPHERTEXT.words,
    "secret key": KEY_WORDS,
    **SECRETS,
}
"""What leaks, by the kind of canary that must be found; " as ..." is another machine form."""


def kind_of(value: str) -> str:
    return value.partition(" as ")[0]


def applies(value: str, encoding: str) -> bool:
    """Left out: UTF-16 and mistaken character sets of what is not text, JSON escapes of long
    values, slots in decimal. Nothing of ours writes those."""
    short = len(raw(VALUES[value])) < 100
    match encoding:
        case "UTF-16":
            return isinstance(VALUES[value], str)
        case "UTF-8 of Latin-1":
            return isinstance(VALUES[value], bytes)
        case "JSON string":
            return short and value != "file name"
        case "JSON" | "compact JSON":
            return not value.endswith(("slots", "float32", "float64")) or "embedding" in value
    return True


@pytest.fixture(scope="module")
def search() -> LeakSearch:
    return LeakSearch(PLANTED)


@pytest.mark.parametrize(
    ("value", "encoding"), [(v, e) for v in VALUES for e in ENCODERS if applies(v, e)]
)
def test_each_kind_is_found_in_each_encoding(search: LeakSearch, value: str, encoding: str) -> None:
    written = ENCODERS[encoding](VALUES[value])
    report = search.data(os.urandom(1001) + written + os.urandom(1001), "place")
    assert kind_of(value) in report.kinds
    found = min(report.findings, key=lambda f: (f.kind != kind_of(value), f.offset))
    assert 1000 <= found.offset < 1001 + len(written)


@pytest.mark.parametrize("channel", [name for name in CHANNELS if name not in ("log", "memory")])
def test_each_channel_is_searched(search: LeakSearch, tmp_path: Path, channel: str) -> None:
    """Logs and memory: of real servers, in ``tests/e2e``."""
    start = time.time() - 1
    leaked = {"number": "raw", "embedding": "base64", "portrait": "hex", "seed": "JSON"}
    for value, encoding in {**leaked, "secret key": "raw"}.items():
        Leak(value, encoding, channel).write(tmp_path, VALUES[value])
    if channel in ("temporary file", "shared memory"):
        report = search.temporary_files(start, of_other_tests(tmp_path))
        for root in (Path("/dev/shm"), Path(tempfile.gettempdir())):
            for left in root.glob(f"{mark()}*"):
                left.unlink()
    else:
        report = search.directories([tmp_path]) + search.descriptors(os.getpid(), "test")
    let_go()
    assert report.kinds >= {*leaked, "secret key"}


@pytest.mark.parametrize("size", [24, 32, 33, 100])
def test_every_window_of_a_long_value_is_found(size: int) -> None:
    """The shortest piece that counts, at any place of the value and any address."""
    value = os.urandom(5000)
    search = LeakSearch([canaries.body("body", value, size)])
    for _ in range(300):
        begin, before = (int(RNG.integers(0, top)) for top in (len(value) - size, 64))
        data = os.urandom(before) + value[begin : begin + size] + os.urandom(40)
        report = search.data(data, "place")
        assert [f.kind for f in report.findings] == ["body"]
        assert abs(report.findings[0].offset - before) <= BY_CHANCE
        assert size <= report.findings[0].length <= size + BY_CHANCE


def test_large_values_are_found_in_any_window_too(search: LeakSearch) -> None:
    for body in (CIPHERTEXT.encoded, CIPHERTEXT.words.tobytes(), KEY_WORDS.tobytes()):
        for _ in range(30):
            begin = int(RNG.integers(0, len(body) - 40))
            assert search.data(os.urandom(7) + body[begin : begin + 33], "place").findings


def test_a_piece_that_is_too_short_does_not_count() -> None:
    value = os.urandom(5000)
    search = LeakSearch([canaries.body("body", value, 32)])
    for begin in range(0, 4900, 53):
        piece = b"\xaa" * 9 + value[begin : begin + 24] + b"\xaa" * 9
        assert not search.data(piece, "place").findings


def test_six_floats_anywhere_are_a_leak(search: LeakSearch) -> None:
    for dtype in ("<f4", "<f8", ">f4", ">f8"):
        for begin in range(0, 500, 7):
            data = b"\x01" * begin + VECTOR[begin : begin + 6].astype(dtype).tobytes()
            assert search.data(data, "place").kinds == {"embedding"}


@pytest.mark.parametrize("dtype", ["<i1", "<i2", "<i4", "<i8", "<f4", "<f8"])
@pytest.mark.parametrize("kind", ["signs", "template"])
def test_sixty_four_small_values_are_a_leak(search: LeakSearch, kind: str, dtype: str) -> None:
    """Anywhere of the vector, at any address."""
    values = SIGNS if kind == "signs" else TEMPLATE
    for begin in range(0, 4000, 61):
        piece = values[begin : begin + 64].astype(dtype).tobytes()
        report = search.data(os.urandom(begin % 53) + piece + os.urandom(20), "place")
        assert report.kinds == {kind}
        assert abs(report.findings[0].length - len(piece)) < 16


def test_numbers_are_found_as_they_are_written(search: LeakSearch) -> None:
    for written in (cbor2.dumps({"masked": list(MASKED)}), json.dumps({"m": MASKED}).encode()):
        assert search.data(b"x" * 7 + written, "place").kinds == {"masked values"}
    packed = np.array(MASKED, dtype=np.uint64).tobytes()
    assert search.data(b"x" * 7 + packed, "place").kinds == {"masked values"}
    little = PADS[1].to_bytes(14, "little")
    assert search.data(b"x" * 7 + little, "place").kinds == {"pads"}


def test_a_python_integer_is_found_in_memory() -> None:
    """As the interpreter itself lays it out."""
    number = secrets.randbits(112) | 1 << 111
    search = LeakSearch([canaries.numbers("pads", number)])
    report = search.memory(os.getpid(), "own")
    assert ("pads", "Python integer") in {(f.kind, f.encoding) for f in report.findings}


def test_nothing_is_found_where_nothing_is(search: LeakSearch) -> None:
    other = pair(0.5, seed=78)[0]
    harmless = {
        "random": os.urandom(2_000_000),
        "zeros": bytes(1_000_000),
        "another photograph": photograph(3),
        "another vector": other.tobytes() + other.astype(np.float32).tobytes(),
        "another vector's signs and template": b"".join(
            values.astype(d).tobytes()
            for values in (probe_signs(other), template_values(other))
            for d in ("<i1", "<i2", "<i4", "<i8", "<f8")
        ),
        "ones": np.ones(10_000, dtype=np.int64).tobytes() + b"\xff" * 100_000,
        "another key": np.roll(KEY_WORDS, 1, axis=0)[:, ::-1].tobytes(),
        "labels": b"sealmatch/subject/1\0\0\x08passport\0\x0aQX73910055",
    }
    for name, data in harmless.items():
        assert not search.data(data, name).findings, name
    packages = [one for one in (Path(__file__).parents[2] / "gateway").iterdir() if one.is_dir()]
    # Without the tools that build the counter's page, some hundred megabytes.
    assert not search.directories([one for one in packages if one.name != "kiosk"]).findings


def test_findings_across_block_borders(search: LeakSearch, tmp_path: Path) -> None:
    for shift in (-40, -9, -8, -5, -1, 0, 1, 30):
        at = (1 << 22) + shift
        path = tmp_path / "large"
        path.write_bytes(os.urandom(at) + SECRETS["seed"] + CIPHERTEXT.encoded + os.urandom(100))
        findings = search.directories([tmp_path]).findings
        by_kind = {f.kind: f for f in findings}
        assert len(findings) == len(by_kind) == 2
        assert (by_kind["seed"].offset, by_kind["seed"].length) == (at, 32)
        body = by_kind["ciphertext, canonical"]
        assert abs(body.offset - at - 32) <= BY_CHANCE
        assert abs(body.length - len(CIPHERTEXT.encoded)) <= 4


def test_a_report_never_holds_the_value(search: LeakSearch, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(PORTRAIT + NUMBER.encode())
    (tmp_path / f"scan-{NUMBER}.txt").write_bytes(b"nothing")
    report = search.directories([tmp_path])
    assert report.kinds == {"file name", "portrait", "number"}
    shown = repr(report) + "".join(str(f) for f in report.findings) + repr(PLANTED)
    for value in (NUMBER, FILE_NAME, "Lindqvist"):
        assert value not in shown
    with pytest.raises(LeakFound) as caught:
        report.require_nothing()
    assert NUMBER not in str(caught.value)
    assert FILE_NAME not in str(caught.value)


def test_what_is_allowed_where_is_said_explicitly(search: LeakSearch) -> None:
    report = search.data(SECRETS["signing key"], "gateway/signing.key")
    report += search.data(SECRETS["signing key"], "gateway/server.log")
    allowed = [Allowed("signing key", "*/signing.key", "section 2")]
    assert [f.place for f in report.beyond(allowed)] == ["gateway/server.log"]
    with pytest.raises(LeakFound, match=r"signing key \(raw\), 32 bytes at 0"):
        report.require_nothing(but=allowed)
    report.require_nothing(but=[*allowed, Allowed("signing *", "*", "all")])


class TestDatabases:
    def test_values_split_over_pages_and_not_yet_checkpointed(
        self, search: LeakSearch, tmp_path: Path
    ) -> None:
        path = tmp_path / "some.sqlite3"
        with sqlite3.connect(path, isolation_level=None) as connection:
            connection.execute("pragma journal_mode=wal")
            connection.execute('create table "odd ""name" (note text, data blob)')
            for filler in range(4060, 4100, 3):
                note = "x" * filler + NUMBER + "y" * 5000
                connection.execute('insert into "odd ""name" values (?, ?)', (note, b""))
            report = search.directories([tmp_path])
        assert not report.skipped
        values = [f for f in report.findings if f.place.endswith('some.sqlite3, odd "name.note')]
        assert len([f for f in values if f.kind == "number"]) == 14
        assert any(f.place.endswith("-wal") for f in report.findings)
        connection.close()

    def test_deleted_rows_stay_in_pages_unless_overwritten(
        self, search: LeakSearch, tmp_path: Path
    ) -> None:
        """The reason for ``secure_delete``: the product's own setting is tested end to end."""
        for setting, expected in (("off", {"number"}), ("on", set())):
            path = tmp_path / setting / "rows.sqlite3"
            path.parent.mkdir()
            connection = sqlite3.connect(path, isolation_level=None)
            connection.execute(f"pragma secure_delete={setting}")
            connection.execute("create table t (v)")
            connection.execute("insert into t values (?)", (NUMBER,))
            connection.execute("delete from t")
            connection.close()
            assert search.directories([path.parent]).kinds == expected

    def test_a_file_that_only_begins_like_a_database(
        self, search: LeakSearch, tmp_path: Path
    ) -> None:
        (tmp_path / "torn").write_bytes(b"SQLite format 3\0" + b"\xff" * 50 + NUMBER.encode())
        report = search.directories([tmp_path])
        assert "number" in report.kinds
        assert len(report.skipped) == 1


KEEPER = """
import os, sys
data = bytearray(sys.stdin.buffer.read())
print("ready", flush=True)
os.read(int(sys.argv[1]), 1)
for i in range(len(data)): data[i] = 0
print("gone", flush=True)
os.read(int(sys.argv[1]), 1)
"""


class TestProcesses:
    def test_memory_is_searched_and_overwriting_shows(self, search: LeakSearch) -> None:
        end, control = os.pipe()
        with subprocess.Popen(
            [sys.executable, "-c", KEEPER, str(end)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[end],
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(os.urandom(300_000) + SECRETS["seed"] + NUMBER.encode() + PORTRAIT)
            child.stdin.close()
            assert child.stdout.readline() == b"ready\n"
            before = search.memory(child.pid, "child")
            os.write(control, b".")
            assert child.stdout.readline() == b"gone\n"
            os.write(control, b".")
        os.close(end)
        os.close(control)
        assert before.kinds >= {"seed", "number", "portrait"}
        assert before.bytes_searched > 1_000_000
        assert all(f.place.startswith("child memory") for f in before.findings)

    def test_arguments_and_environment(self, search: LeakSearch) -> None:
        program = "print(flush=True); input()"
        command = [sys.executable, "-c", program, "--id-number", NUMBER]
        environment = {**os.environ, "LIVE": SECRETS["seed"].hex()}
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdout.readline()
            found = {(f.kind, f.place) for f in search.process(child.pid, "child").findings}
            child.stdin.write(b"\n")
        assert {("number", "child cmdline"), ("seed", "child environ")} <= found

    def test_a_process_that_is_gone(self, search: LeakSearch) -> None:
        child = subprocess.Popen([sys.executable, "-c", ""])
        child.wait()
        with pytest.raises(CannotSearch, match="there is no process"):
            search.process(child.pid, "child")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
    def test_a_process_of_somebody_else(self, tmp_path: Path) -> None:
        program = (
            "import os, sys; from gateway.inspection.leaks.search import *; os.setuid(65534)\n"
            "try: LeakSearch([]).memory(int(sys.argv[1]), 'other')\n"
            "except CannotSearch as error: print(error)"
        )
        command = [sys.executable, "-c", program, str(os.getpid())]
        root = Path(__file__).parents[2]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
        assert "may not be looked into" in done.stdout
        assert "ptrace" in done.stdout


def test_unreadable_and_vanishing_files_are_said_or_passed_over(
    search: LeakSearch, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "fifo")
    assert search.directories([tmp_path, tmp_path / "missing"]).searched == ()


def test_files_from_before_the_start_are_left_out(search: LeakSearch, tmp_path: Path) -> None:
    (tmp_path / "old").write_text(NUMBER)
    assert search.directories([tmp_path], newer_than=time.time() + 60).searched == ()
    assert search.directories([tmp_path], newer_than=time.time() - 60).findings
    assert search.directories([tmp_path], without=[]).findings
    (tmp_path / "counter").mkdir()
    (tmp_path / "old").rename(tmp_path / "counter" / "old")
    assert search.directories([tmp_path], without=[tmp_path / "counter"]).searched == ()


def test_short_canaries_are_refused() -> None:
    for make in (
        lambda: canaries.text("kind", "12345678"),
        lambda: canaries.secret("kind", b"short"),
        lambda: canaries.body("kind", b"x" * 100, 8),
        lambda: canaries.image("kind", b"not an image at all"),
    ):
        with pytest.raises(CallerMisuse):
            make()


SWAPS = """Filename\t\t\t\tType\t\tSize\tUsed\tPriority
/dev/zram0                              partition\t4194300\t0\t100
/var/swap                               file\t\t1048572\t512\t-2
"""


def test_swap_devices_are_those_of_the_kernels_table(tmp_path: Path) -> None:
    table = tmp_path / "swaps"
    table.write_text(SWAPS)
    assert swap_devices(table) == ["/dev/zram0", "/var/swap"]
    table.write_text(SWAPS.splitlines()[0])
    assert swap_devices(table) == []
    assert len(swap_devices()) == len(Path("/proc/swaps").read_text().splitlines()) - 1


@pytest.mark.parametrize("devices", [[], ["/dev/zram0", "/var/swap"]])
def test_a_search_of_memory_says_that_swap_was_not_searched(
    search: LeakSearch, monkeypatch: pytest.MonkeyPatch, devices: list[str]
) -> None:
    """Nothing can be claimed of pages on a swap device."""
    monkeypatch.setattr("gateway.inspection.leaks.search.swap_devices", lambda: devices)
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            report = search.process(child.pid, "server")
        finally:
            child.kill()
    assert report.bytes_searched
    assert report.skipped == tuple(f"server pages on {one}" for one in devices)


def test_findings_sort_and_show() -> None:
    finding = Finding("seed", "hex", "gateway/server.log", 17, 64)
    assert str(finding) == "seed (hex), 64 bytes at 17 of gateway/server.log"
