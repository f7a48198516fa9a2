"""The inspector's canary: found wherever it lies, and no line passes without its control."""

import gzip
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.cli.canary import Keeping
from gateway.client.liveness.capture import Captured
from gateway.client.registration import Occasion
from gateway.host.keyfile import KeyFileError
from gateway.inspection import canary, canary_file
from gateway.inspection.canary_file import NoCanary, Planted
from gateway.inspection.checks import canary as check
from gateway.inspection.leaks.search import LeakSearch
from gateway.inspection.lines import Line, Verdict
from gateway.main import main
from gateway.wire.subject import Subject
from tests.support.inspected import Inspected, own_database, violated
from tests.support.parties import NOW, fixed_bytes, unit_vectors
from tests.support.postgres import PostgresServer

FACE, LIVE = unit_vectors(0.7)
NUMBER = "QZ-482913 112233"
RECORD = fixed_bytes("inspected/record/0", 16)
PLANTED = Planted(NOW).with_registration(
    [("portrait", FACE)], [("passport", NUMBER)], ["order-7f31c0a2"], RECORD
)


@cache
def searching(encoded: bytes) -> canary.CanarySearch:
    """Made once: the forms of a vector take seconds."""
    return canary.CanarySearch(Planted.decode(encoded))


def search_of(planted: Planted) -> canary.CanarySearch:
    """The search for these vectors and numbers, whatever records are said to hold them."""
    search = searching(replace(planted, records=()).encode())
    search.planted = planted
    return search


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Inspected:
    deployment = Inspected(tmp_path_factory.mktemp("template"))
    deployment.register(2)
    deployment.publish()
    return deployment


@pytest.fixture
def deployment(template: Inspected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inspected:
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setattr(check, "SHARED_MEMORY", shared)
    monkeypatch.setattr(check, "CanarySearch", search_of)
    place = tmp_path / "deployment"
    place.mkdir()
    deployment = Inspected.copied(template, place)
    canary_file.write(deployment.gateway / "canary.json", PLANTED)
    return deployment


@contextmanager
def server(content: bytes = b"") -> Iterator[int]:
    """A process that stands for a server; it holds this in its memory."""
    program = "import sys; held = sys.stdin.buffer.readline(); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-S", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(content + b"\n")
        process.stdin.flush()
        assert process.stdout.readline()
        yield process.pid
        process.kill()


def lines_of(deployment: Inspected, **given: Any) -> tuple[Line, ...]:
    given = {"canary_given": deployment.gateway / "canary.json"} | given
    return deployment.inspect(check.CHECKS, **given)


def found(deployment: Inspected, **given: Any) -> tuple[str, ...]:
    return violated(lines_of(deployment, **given)).get("canary.absent", ())


def test_what_is_nowhere_is_not_found(deployment: Inspected) -> None:
    """The inspector's own file lies among the files, and is left out."""
    with server() as pid:
        (deployment.gateway / "process.lock").write_text(f"{pid} gateway\n")
        lines = lines_of(deployment)
    assert [line.verdict for line in lines] == [Verdict.PASSED] * 3, lines
    assert all(line.count for line in lines)


def test_it_is_found_in_files_names_and_shared_memory(deployment: Inspected) -> None:
    vector = FACE.astype("<f4").tobytes()
    shared = deployment.directory.parent / "shared"
    planted = {
        deployment.gateway / "plain": vector,
        deployment.gateway / "old.log.gz": gzip.compress(b"line\n" + repr(FACE.tolist()).encode()),
        deployment.authority / f"scan {NUMBER}": b"x",
        deployment.authority / "inside": b"text " + gzip.compress(NUMBER.encode() * 5) + b" text",
        shared / "segment": vector,
    }
    for path, content in planted.items():
        path.write_bytes(content)
    told = found(deployment)
    for place in ("plain", "old.log.gz", "file name below authority", "inside (gzip)", "segment"):
        assert any(place in one for one in told), (place, told)
    assert NUMBER not in json.dumps(told)
    assert str(deployment.directory) not in json.dumps(told)


def test_it_is_found_in_cells(deployment: Inspected) -> None:
    deployment.execute(
        "UPDATE consent_texts SET text = :value", value=f"{NUMBER} {FACE.tolist()}"[:4000]
    )
    told = [one for one in found(deployment) if "cells of consent_texts.text" in one]
    assert any("number" in one for one in told)
    assert any("face" in one for one in told)


def test_it_is_found_in_cells_of_postgresql(
    deployment: Inspected, postgresql: PostgresServer
) -> None:
    other = deployment.directory / "other"
    other.mkdir()
    there = Inspected(other, own_database(postgresql))
    there.register(1)
    file = deployment.gateway / "canary.json"
    assert found(there, canary_given=file) == ()
    there.execute("UPDATE consent_texts SET text = :value", value=NUMBER)
    assert any("cells of consent_texts.text" in one for one in found(there, canary_given=file))


def test_it_is_found_in_the_memory_of_a_server(deployment: Inspected) -> None:
    with server(NUMBER.encode() * 3) as pid:
        told = found(deployment, servers_given=(pid,))
    assert any("server 1 memory" in one for one in told)


def test_nothing_is_said_where_no_server_was_searched(deployment: Inspected) -> None:
    *_, memory = lines_of(deployment)
    assert memory.verdict is Verdict.NOTHING


def test_nothing_is_said_where_the_control_fails(
    deployment: Inspected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search that finds nothing, in files or in memory, finds its own control neither."""
    empty = LeakSearch([])
    for broken in ("file", "process"):
        with monkeypatch.context() as patch:
            patch.setattr(LeakSearch, broken, getattr(empty, broken))
            if broken == "file":
                patch.setattr(LeakSearch, "data", empty.data)
            [line] = lines_of(deployment)
        assert line.verdict is Verdict.NOTHING
        assert "control failed" in line.found[0]


def test_nothing_is_said_where_the_canary_was_never_registered(deployment: Inspected) -> None:
    file = deployment.directory / "other.json"
    for record in (b"", fixed_bytes("another", 16)):
        canary_file.write(file, replace(PLANTED, records=(record,) if record else ()))
        [line] = lines_of(deployment, canary_given=file)
        assert line.verdict is Verdict.NOTHING
        assert "no record here" in line.found[0]


def test_without_a_canary_there_is_no_access(deployment: Inspected) -> None:
    [line] = lines_of(deployment, canary_given=None)
    assert line.verdict is Verdict.NO_ACCESS


# The file


def test_the_file_is_private_and_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "canary.json"
    canary_file.write(path, PLANTED)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "BIOMETRIC" in path.read_text().upper()
    read = canary_file.read(path)
    assert np.array_equal(read.vectors[0][1], FACE)
    assert (read.numbers, read.records) == (PLANTED.numbers, PLANTED.records)
    assert NUMBER not in repr(read)
    path.chmod(0o644)
    with pytest.raises(KeyFileError):
        canary_file.read(path)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"vectors": [{"of": "x", "values": [1.0, 1.0]}]},
        {"numbers": [{"type": "library", "number": "1"}]},
        {"records": ["xyz"]},
        {"vectors": [], "numbers": []},
        {"references": None},
    ],
)
def test_other_files_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "canary.json"
    path.write_text(json.dumps(json.loads(PLANTED.encode()) | change))
    path.chmod(0o600)
    with pytest.raises(NoCanary):
        canary_file.read(path)


def test_it_is_destroyed_and_nothing_else_is(tmp_path: Path) -> None:
    path, other, link = tmp_path / "canary.json", tmp_path / "other", tmp_path / "link"
    canary_file.write(path, PLANTED)
    os.link(path, link)
    assert main(["inspect", "canary", "destroy", str(path)]) == 0
    assert not path.exists()
    assert FORMAT_MARK not in link.read_bytes()  # overwritten, under every name
    other.write_bytes(b"{}")
    other.chmod(0o600)
    assert main(["inspect", "canary", "destroy", str(other)]) == 1
    assert other.exists()


FORMAT_MARK = b"sealmatch-canary"


def test_it_is_made_of_a_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    number, path = tmp_path / "number", tmp_path / "canary.json"
    number.write_text(NUMBER)
    command = ["inspect", "canary", "make", "--out", str(path), "--id-type", "other"]
    assert main([*command, "--id-number-file", str(number)]) == 0
    assert "biometric" in capsys.readouterr().err
    assert canary_file.read(path).numbers[0][0] == "other"
    assert main([*command, "--id-number-file", str(number)]) == 1  # nothing is replaced


def test_a_registration_keeps_it_only_where_it_is_told_to(tmp_path: Path) -> None:
    path = tmp_path / "canary.json"
    keeping = Keeping.at(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    keeping.portrait(FACE)
    live = keeping.watching(lambda _challenge: Captured(LIVE, FACE[::-1].copy()))
    live(None)

    class Result:
        record_id = RECORD

    keeping.registered(Occasion(Subject.of("passport", NUMBER), "order-7f31c0a2"), Result())
    kept = canary_file.read(path)
    assert [name for name, _ in kept.vectors] == ["portrait", "live", "action"]
    assert kept.records == (RECORD,)
    again = Keeping.at(path)
    again.registered(Occasion(Subject.of("passport", NUMBER), "order-7f31c0a2"), Result())
    assert canary_file.read(path).encode() == kept.encode()
