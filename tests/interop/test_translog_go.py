"""Go's ``sumdb/note`` and ``sumdb/tlog`` against our log, in both directions.

Debian's packages ``golang-go`` and ``golang-golang-x-mod-dev``; the driver is ``go/main.go``, built
without a network.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.translog import tree
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.cosignature import check_signed
from gateway.translog.note import Kind, NoteSigner, SignedNote
from gateway.translog.tiles import tiles_of
from gateway.wire.errors import Refused
from tests.support.processes import PATIENCE
from tests.support.tampering import Offered, honest, tampered
from tests.support.translog import ORIGIN, MemoryLog, grown, signer, witness

GOPATH = Path("/usr/share/gocode")
DRIVER = Path(__file__).parent / "go" / "main.go"
SIZES = [1, 2, 3, 7, 64, 255, 256, 257, 300, 600]

Task = dict[str, Any]
Peer = Callable[[list[Task]], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Peer:
    """Sends tasks to a process of the driver; in the answers, bytes are base64."""
    if shutil.which("go") is None or not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").exists():
        reason = "Go is not installed (apt-get install golang-go golang-golang-x-mod-dev)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    scratch = tmp_path_factory.mktemp("go")
    program = scratch / "peer"
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": str(GOPATH),
        "GOCACHE": str(scratch / "cache"),
        "GOFLAGS": "",
        "GOPROXY": "off",
        "CGO_ENABLED": "0",
    }
    build = ["go", "build", "-o", str(program), str(DRIVER)]
    done = subprocess.run(build, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    def ask(tasks: list[Task]) -> list[dict[str, Any]]:
        given = json.dumps(tasks, default=lambda raw: base64.b64encode(raw).decode())
        answered = subprocess.run(
            [program], input=given, capture_output=True, text=True, check=True, timeout=PATIENCE
        )
        answers = json.loads(answered.stdout)
        assert len(answers) == len(tasks)
        return answers

    return ask


def _raw(values: list[str] | None) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(value) for value in values or [])


def _proof_task(offered: Offered) -> Task:
    return {
        "op": "proof",
        "text": bytes(offered.proof).decode(),
        "entry": offered.entry,
        "vkeys": [str(offered.log.key)],
        "witnesses": [str(one.key) for one in offered.witnesses],
        "quorum": offered.quorum,
        "origin": offered.origin,
    }


def test_go_accepts_our_proofs_and_refuses_tampered_ones(peer: Peer) -> None:
    offered = {"honest": honest(), "without witnesses": honest(None), **tampered()}
    answers = peer([_proof_task(one) for one in offered.values()])
    errors = {name: answer["error"] for name, answer in zip(offered, answers, strict=True)}
    accepted = {name for name, error in errors.items() if not error}
    assert accepted == {"honest", "without witnesses"}, errors


def test_go_opens_our_notes(peer: Peer) -> None:
    witnesses = [witness(n) for n in range(16)]
    signed = grown(40).signed(witnesses=witnesses)
    keys = [signer(), *witnesses]
    unknown = str(signer(label="another").key)
    text = bytes(signed).decode()
    opened, refused, altered = peer(
        [
            {"op": "open", "text": text, "vkeys": [str(one.key) for one in keys]},
            {"op": "open", "text": text, "vkeys": [unknown]},
            {"op": "open", "text": text.replace("\n40\n", "\n41\n"), "vkeys": [str(keys[0].key)]},
        ]
    )
    assert opened["text"] == signed.checkpoint.text
    assert opened["names"] == [one.key.name for one in keys]
    assert refused["error"]
    assert altered["error"]


def test_we_open_the_notes_of_go(peer: Peer) -> None:
    seed = bytes(range(32))
    key = NoteSigner.from_seed(ORIGIN, Kind.ED25519, seed)
    material = base64.b64encode(b"\x01" + seed).decode()
    skey = f"PRIVATE+KEY+{ORIGIN}+{key.key.key_id.hex()}+{material}"
    checkpoint = grown(40).checkpoint()
    [answer] = peer([{"op": "sign", "text": checkpoint.text, "skey": skey}])
    signed = SignedCheckpoint.parse(answer["text"].encode())
    assert signed.checkpoint == checkpoint
    assert check_signed(signed, key.key) == [None]
    assert signed.note == SignedNote(checkpoint.text, (key.line(checkpoint.text.encode()),))
    altered = SignedCheckpoint.parse(answer["text"].replace("\n40\n", "\n41\n").encode())
    with pytest.raises(Refused):
        check_signed(altered, key.key)


@pytest.fixture(scope="module")
def logs() -> list[MemoryLog]:
    return [grown(size) for size in SIZES]


def _places(size: int) -> list[int]:
    return sorted({0, size // 3, size - 1})


def test_go_grows_the_same_tree_and_makes_the_same_proofs(
    peer: Peer, logs: list[MemoryLog]
) -> None:
    cases = [(log, place) for log in logs for place in _places(len(log.entries))]
    answers = peer(
        [
            {"op": "tree", "entries": log.entries, "index": place, "old": place + 1}
            for log, place in cases
        ]
    )
    for (log, place), answer in zip(cases, answers, strict=True):
        size = len(log.entries)
        assert answer["error"] == ""
        assert base64.b64decode(answer["root"]) == log.checkpoint().root
        assert _raw(answer.get("path")) == tree.prove_inclusion(place, size, log.hashes)
        assert _raw(answer.get("hashes")) == log.consistency(place + 1)


def test_go_reads_our_tiles(peer: Peer, logs: list[MemoryLog]) -> None:
    cases = [(log, place) for log in logs for place in _places(len(log.entries))]
    tasks = [
        {
            "op": "tiles",
            "size": len(log.entries),
            "root": log.checkpoint().root,
            "index": place,
            "old": place + 1,
            "tiles": {tile.path: log.tile(tile) for tile in tiles_of(len(log.entries))},
        }
        for log, place in cases
    ]
    for (log, place), answer in zip(cases, peer(tasks), strict=True):
        size = len(log.entries)
        assert answer["error"] == ""
        assert _raw(answer.get("path")) == tree.prove_inclusion(place, size, log.hashes)
        assert _raw(answer.get("hashes")) == log.consistency(place + 1)
    # Altered tiles do not lead to the root. (Of full ones, this version of tlog checks not all.)
    served = {tile.path: logs[-1].tile(tile) for tile in tiles_of(SIZES[-1])}
    for path in ("tile/0/002.p/88", "tile/1/000.p/2"):
        altered = {**served, path: bytes(32) + served[path][32:]}
        assert peer([{**tasks[-1], "tiles": altered}])[0]["error"]


def test_go_and_we_agree_on_proofs_of_inclusion_and_consistency(peer: Peer) -> None:
    log = grown(70)
    tasks: list[Task] = []
    expected: list[bool] = []
    for size in range(1, 71, 3):
        root = log.checkpoint(size).root
        for place in range(0, size, 5):
            path = tree.prove_inclusion(place, size, log.hashes)
            inclusion = {"op": "inclusion", "size": size, "root": root, "index": place}
            tasks.append({**inclusion, "path": path, "entry": log.entries[place]})
            tasks.append({**inclusion, "path": path, "entry": b"another"})
            tasks.append({**inclusion, "path": (*path, bytes(32)), "entry": log.entries[place]})
            old = place + 1
            both = {"op": "consistency", "old": old, "size": size, "root": root}
            proof = log.consistency(old, size)
            tasks.append({**both, "oldRoot": log.checkpoint(old).root, "path": proof})
            tasks.append({**both, "oldRoot": bytes(32), "path": proof})
            tasks.append({**both, "oldRoot": log.checkpoint(old).root, "path": (*proof, bytes(32))})
            expected += [True, False, False] * 2
    assert [not answer["error"] for answer in peer(tasks)] == expected
