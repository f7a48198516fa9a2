"""What is planted in a deployment's cells, files, logs and names is found, by the line for it.

The control is the same deployment without it: those lines pass.
"""

import base64
import gzip
import json
import os
import shutil
import sqlite3
import struct
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from gateway.documents import check_digits
from gateway.inspection.checks import contents
from gateway.inspection.contents.leftovers import Machine
from gateway.inspection.lines import Line, Verdict
from tests.support.inspected import Inspected, own_database, violated
from tests.support.postgres import PostgresServer
from tests.unit.test_contents_detectors import (
    BGR,
    SIGNS,
    SINGLE,
    TEMPLATE,
    VECTOR,
    core_file,
    encoded,
    npy,
    with_check,
)

NUMBER = with_check("11010119900307453")
HONEST_LOG = "".join(
    f"2026-11-27 06:{n:02d}:21,118 INFO sealmatch.gateway 0f3c7b1d-44ae-4b6e-9d55-{n:012x} "
    f"refused: step {n % 15} of party reader-{n}\n"
    for n in range(60)
).encode()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Inspected:
    deployment = Inspected(tmp_path_factory.mktemp("template"))
    deployment.register(6)
    deployment.publish()
    (deployment.gateway / "server.log").write_bytes(HONEST_LOG)
    (deployment.gateway / "server.log.1.gz").write_bytes(gzip.compress(HONEST_LOG * 40))
    return deployment


@pytest.fixture
def deployment(template: Inspected, tmp_path: Path) -> Inspected:
    return Inspected.copied(template, tmp_path)


@pytest.fixture(scope="module")
def on_postgresql(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgresServer
) -> Inspected:
    deployment = Inspected(tmp_path_factory.mktemp("postgresql"), own_database(postgresql))
    deployment.register(6)
    deployment.publish()
    return deployment


def lines_of(deployment: Inspected, *ids: str, **given: Any) -> tuple[Line, ...]:
    """Lines of these checks, or of all."""
    chosen = [one for one in contents.CHECKS if not ids or one.id in ids]
    return deployment.inspect(chosen, **given)


def clean(lines: tuple[Line, ...]) -> bool:
    return violated(lines) == {} and all(line.verdict is Verdict.PASSED for line in lines)


def test_an_honest_deployment_is_clean(deployment: Inspected) -> None:
    lines = lines_of(deployment)
    assert clean(lines), violated(lines)
    counted = {(line.check, line.examined.partition(",")[0]): line.count for line in lines}
    assert counted["contents.database", "cells of gateway"] > 100
    assert counted["contents.logs", "files of logs"] == 2


Plant = Callable[[Inspected], Any]


def file(name: str, content: bytes, place: str = "gateway") -> Plant:
    def plant(one: Inspected) -> None:
        path = getattr(one, place) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return plant


def logged(line: bytes) -> Plant:
    return file("server.log", HONEST_LOG + b"2026-11-27 07:00:00,000 DEBUG " + line + b"\n")


def cell(statement: str, **values: Any) -> Plant:
    return lambda one: one.execute(statement, **values)


def deleted_row(one: Inspected) -> None:
    """Deleted by somebody whose SQLite does not overwrite: the page still has it."""
    with closing(sqlite3.connect(one.gateway / "gateway.sqlite3")) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        value = SINGLE * 2
        connection.execute("INSERT INTO retention_schedules VALUES (99, ?, 0)", (value,))
        connection.commit()
        connection.execute("DELETE FROM retention_schedules WHERE number = 99")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def in_the_journal(one: Inspected) -> None:
    """The row is gone from the table, and still in the write-ahead log: a copy of a live pair."""
    live = one.gateway / "live.sqlite3"
    with closing(sqlite3.connect(live)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE erasures (erasure BLOB)")
        connection.execute("INSERT INTO erasures VALUES (?)", (SINGLE * 2,))
        connection.commit()
        connection.execute("DELETE FROM erasures")
        connection.commit()
        for ending in ("", "-wal"):
            shutil.copy(f"{live}{ending}", one.gateway / f"copied{ending}")
    for ending in ("", "-wal", "-shm"):
        Path(f"{live}{ending}").unlink(missing_ok=True)
    (one.gateway / "copied").unlink()


def second_database(one: Inspected) -> None:
    with closing(sqlite3.connect(one.gateway / "cache")) as connection:
        connection.execute("CREATE TABLE faces (x BLOB)")
        connection.execute("INSERT INTO faces VALUES (?)", (zlib.compress(TEMPLATE.tobytes()),))
        connection.commit()


def in_an_attribute(one: Inspected) -> None:
    path = one.gateway / "plain"
    path.write_bytes(b"nothing")
    try:
        os.setxattr(path, "user.x", SINGLE)
    except OSError:
        pytest.skip("this file system has no extended attributes of users")


def in_the_name_of_an_attribute(one: Inspected) -> None:
    try:
        os.setxattr(one.gateway, f"user.of_{NUMBER}", b"x")
    except OSError:
        pytest.skip("this file system has no extended attributes of users")


DATABASE, FILES, LOGS = "contents.database", "contents.files", "contents.logs"
NAMES, LEFTOVERS = "contents.names", "contents.leftovers"

_JSON = json.dumps({"embedding": VECTOR.tolist(), "idNumber": "QZ-482913 112233"}).encode()
_TEXT = "UPDATE consent_texts SET text = :value"
_HALT = "INSERT INTO log_halts (number, found_at, backup) VALUES (:number, 1, :value)"
_STATE = "UPDATE parties SET state = :value WHERE kind = 'agent'"
_STATEMENT = (
    "UPDATE records SET statement = :value WHERE log_index = (SELECT max(log_index) FROM records)"
)

PLANTED: dict[str, tuple[str, str, Plant]] = {
    "a JPEG in a text column": (
        DATABASE,
        "picture (Latin-1 as UTF-8, JPEG)",
        cell(_TEXT, value=encoded(".jpg").decode("latin-1")),
    ),
    "a JPEG, as it is, in a text column": (
        DATABASE,
        "picture (JPEG)",
        cell("UPDATE consent_texts SET text = CAST(:value AS TEXT)", value=encoded(".jpg")),
    ),
    "a PNG in a blob": (DATABASE, "picture (PNG)", cell(_STATEMENT, value=encoded(".png"))),
    "base64 of a picture in a text": (
        DATABASE,
        "picture (base64, JPEG)",
        cell(_TEXT, value="See: " + base64.b64encode(encoded(".jpg")).decode()),
    ),
    "a vector as JSON in a text": (
        DATABASE,
        "vector of floats (decimals)",
        cell(_TEXT, value=_JSON.decode()[:3900]),
    ),
    "a vector in hexadecimal in a state": (
        DATABASE,
        "vector of floats (hex, float32)",
        cell(_STATE, value=SINGLE.hex()),
    ),
    "a compressed vector in a blob": (
        DATABASE,
        "vector of floats (zlib, float32)",
        cell(_STATEMENT, value=zlib.compress(SINGLE)),
    ),
    "a ciphertext in a blob": (
        DATABASE,
        "bytes that look random",
        cell(_STATEMENT, value=np.random.default_rng(1).bytes(344_066)),
    ),
    "another object in the place of a statement": (
        DATABASE,
        "not of its column's form",
        cell(_STATEMENT, value=b"\xa1aaab"),
    ),
    "a number in a party's name": (
        DATABASE,
        "number of a document",
        cell("UPDATE parties SET party = :value WHERE kind = 'agent'", value=NUMBER),
    ),
    "signs in a table that nobody listed": (
        DATABASE,
        "signs of a vector",
        lambda one: [
            one.execute("CREATE TABLE extra (x BLOB)"),
            one.execute(
                "INSERT INTO extra VALUES (:value)", value=np.packbits(SIGNS[:512] > 0).tobytes()
            ),
        ],
    ),
    "a vector in the place of digests": (
        DATABASE,
        "vector of floats (float32)",
        lambda one: [
            one.execute(_HALT, number=at // 32, value=SINGLE[at : at + 32])
            for at in range(0, 512, 32)
        ],
    ),
    "a float array in a log": (
        LOGS,
        "vector of floats (decimals)",
        logged(repr(VECTOR.tolist()).encode()),
    ),
    "base64 in a log": (
        LOGS,
        "vector of floats (base64, float32)",
        logged(base64.b64encode(SINGLE)),
    ),
    "a dump of a request in a log": (
        LOGS,
        "message of the protocol",
        logged(b"body={'sealedProbe': b'\\x01\\x02', 'session': 1}"),
    ),
    "a dump in base64 in a log": (
        LOGS,
        "message of the protocol",
        logged(
            base64.b64encode(b"\xa2mclientNonceX application/vnd.sealmatch.submission+cbor" * 2)
        ),
    ),
    "a score in a log": (LOGS, "score of a comparison", logged(b"lane 0 cosine=0.7312 decided")),
    "a score in percent in a log": (LOGS, "score of a comparison", logged(b"similarity=83.12%")),
    "a handle in a log": (LOGS, "message of the protocol", logged(b"subject_handle=0a1b2c")),
    "a vector in a log, a value to a line": (
        LOGS,
        "vector of floats (decimals)",
        file(
            "server.log",
            b"".join(
                b"2026-11-27 07:00:00,000 DEBUG sealmatch.gateway value %d is %.6f\n" % pair
                for pair in enumerate(VECTOR)
            ),
        ),
    ),
    "a vector in a log, twice": (
        LOGS,
        "vector of floats (decimals)",
        logged(2 * repr(VECTOR.tolist()).encode()),
    ),
    "a number in percent signs in a log": (
        LOGS,
        "number of a document (escaped text",
        logged(b"GET /?id=" + b"".join(b"%%%02x" % byte for byte in NUMBER.encode())),
    ),
    "a number in base64 in a log": (
        LOGS,
        "number of a document (base64",
        logged(b"Authorization: Basic " + base64.b64encode(f"id:{NUMBER}".encode())),
    ),
    "a number in the name of an attribute": (FILES, "attribute", in_the_name_of_an_attribute),
    "a small request in a file": (
        FILES,
        "message of the protocol",
        file("trace.bin", b"\xa3mclientNonceX \x01\x02"),
    ),
    "a vector in an attribute of a file": (FILES, "attribute", in_an_attribute),
    "a number in a line of a log": (
        LOGS,
        "server.log, line 61",
        logged(f"person {NUMBER} refused".encode()),
    ),
    "a number in a rotated log": (
        LOGS,
        "number of a document",
        file("server.log.2.gz", gzip.compress(HONEST_LOG + NUMBER.encode())),
    ),
    "a number in the name of a file": (
        NAMES,
        "number of a document",
        file(f"scan_{NUMBER}.txt", b"x"),
    ),
    "a passport's number in a name": (NAMES, "letters and digits", file("X1234567.txt", b"x")),
    "a picture by its name": (NAMES, "name of a picture", file("face.JPG", b"nothing")),
    "a template in a temporary file": (
        FILES,
        "vector of small integers",
        file("tmp/tmpq3v8x1ab", TEMPLATE.astype("<i8").tobytes()),
    ),
    "a vector in an array's file": (FILES, "stored array (NumPy)", file("cache", npy())),
    "sound with another name": (
        FILES,
        "sound (WAV)",
        file("notes.txt", b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(90)),
    ),
    "a vector in hexadecimal": (
        FILES,
        "vector of floats (hex, float32)",
        file("dump.txt", SINGLE.hex().encode()),
    ),
    "a picture in the authority's directory": (
        FILES,
        "picture",
        file("a", encoded(".png"), "authority"),
    ),
    "a deleted row on a free page": (FILES, "vector of floats (float32)", deleted_row),
    "a deleted row in a write-ahead log": (FILES, "vector of floats (float32)", in_the_journal),
    "a second database, with compressed templates": (
        FILES,
        "vector of small integers (zlib",
        second_database,
    ),
    "the same second database": (LEFTOVERS, "another database", second_database),
    "a core file": (LEFTOVERS, "core file", file("worker.dump", core_file())),
    "a core file by its name": (LEFTOVERS, "core file", file("core.1234", b"x")),
    "a core file's content": (
        FILES,
        "memory of a process",
        file("worker.dump", core_file() + SINGLE),
    ),
    "a swap file": (LEFTOVERS, "swap file", file("extra", bytes(4086) + b"SWAPSPACE2" + bytes(90))),
    "a copy of an editor": (LEFTOVERS, "copy of an editor", file(".gateway.toml.swp", b"x")),
    "a recording of the network": (
        LEFTOVERS,
        "recording",
        file("x", struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)),
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found(name: str, deployment: Inspected) -> None:
    check, says, plant = PLANTED[name]
    plant(deployment)
    found = violated(lines_of(deployment, check))
    assert any(says in one for one in found.get(check, ())), found
    told = json.dumps(found)
    assert NUMBER not in told
    assert "X1234567" not in told


SMALL = cv2.imencode(".jpg", BGR[:8, :8], [cv2.IMWRITE_JPEG_QUALITY, 40])[1].tobytes()
ON_POSTGRESQL = {
    "a picture": ("picture (base64, JPEG)", _TEXT, base64.b64encode(SMALL).decode()),
    "a vector": ("vector of floats (float32)", _STATEMENT, SINGLE),
    "base64": ("vector of floats (base64, float32)", _TEXT, base64.b64encode(SINGLE).decode()),
    "a ciphertext": (
        "bytes that look random",
        _STATEMENT,
        np.random.default_rng(1).bytes(2_344_066),
    ),
}


def test_cells_of_postgresql(on_postgresql: Inspected) -> None:
    lines = lines_of(on_postgresql)
    assert violated(lines) == {}
    for says, statement, value in ON_POSTGRESQL.values():
        on_postgresql.execute(statement, value=value)
        found = violated(lines_of(on_postgresql, DATABASE))
        assert any(says in one for one in found["contents.database"]), (says, found)


def test_tables_that_postgresql_alone_has(on_postgresql: Inspected) -> None:
    on_postgresql.execute(
        "CREATE SCHEMA hidden",
        "CREATE TABLE hidden.faces (x real[], y text)",
        f"COMMENT ON TABLE hidden.faces IS 'of {NUMBER}'",
    )
    on_postgresql.execute(
        "INSERT INTO hidden.faces VALUES (CAST(:value AS real[]), 'x')", value=VECTOR.tolist()
    )
    found = violated(lines_of(on_postgresql, DATABASE))["contents.database"]
    assert any("hidden.faces.x" in one for one in found)
    assert any("definitions.comment" in one for one in found)


def test_what_cannot_be_read_is_no_pass(deployment: Inspected) -> None:
    missing = deployment.directory / "nowhere"
    lines = lines_of(deployment, FILES, paths=(missing,))
    assert {one.verdict for one in lines} == {Verdict.PASSED, Verdict.NO_ACCESS}
    (deployment.gateway / "server.log").unlink()
    (deployment.gateway / "server.log.1.gz").unlink()
    [logs] = lines_of(deployment, LOGS)
    assert logs.verdict is Verdict.NOTHING


def test_what_expands_beyond_the_bound_is_no_pass(deployment: Inspected) -> None:
    bomb = gzip.compress(gzip.compress(bytes(66 << 20)))
    file("bomb", bomb)(deployment)
    verdicts = {one.verdict for one in lines_of(deployment, FILES)}
    assert verdicts == {Verdict.PASSED, Verdict.NO_ACCESS}


def test_links_are_not_followed(deployment: Inspected, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "face").write_bytes(encoded(".png"))
    (deployment.gateway / "link").symlink_to(outside)
    (deployment.gateway / "link2").symlink_to(outside / "face")
    assert violated(lines_of(deployment)) == {}


def test_swap_and_core_files_of_the_machine_are_told(tmp_path: Path) -> None:
    told = " ".join(Machine(("/dev/sda2",), "|/usr/lib/handler %p").notes((tmp_path,)))
    assert "not read" in told
    assert "hands core files to a program" in told
    assert "/dev/shm" in told
    assert "no swap" in " ".join(Machine((), "core").notes((Path("/"),)))


def test_a_check_digit_that_fits_is_what_is_found() -> None:
    assert check_digits.curp("HEGG560427MVZRRL0") == "4"
    assert check_digits.dni("12345678") == "Z"
    assert check_digits.dni("X1234567") == "L"
