"""A gateway and three witnesses as processes: a receipt needs two of them, and shows it.

One deployment serves the whole module.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx
import pytest
from proofbundle import cli as proofbundle

from gateway.client import gateway_client
from gateway.client.gateway_client import ReceiptPending
from gateway.client.pending import PendingReceipt
from gateway.inspection.log_reader import Seen
from gateway.lab.deployment.local import LocalDeployment
from gateway.main import main
from gateway.proofs.trust import TrustFile
from gateway.proofs.verify import ReceiptInvalid, verify_receipt
from gateway.translog.checkpoint import SignedCheckpoint
from gateway.translog.note import Kind
from gateway.translog.policy import TrustedLog, TrustedWitness, TrustPolicy
from gateway.translog.tree import Frontier
from gateway.wire.ids import digest_of
from gateway.wire.proof import Opening, Receipt
from gateway.witness.logs import KnownLogs
from tests.support.counter import Counter
from tests.support.processes import PATIENCE
from tests.support.samples import MODEL, occasion, pair
from tests.support.translog import signer, witness
from tests.support.witnesses import public_keys, running_witness, sealed_witness

pytestmark = [pytest.mark.processes, pytest.mark.slow]

QUORUM = 2
KINDS = (Kind.COSIGNATURE_ED25519, Kind.COSIGNATURE_ML_DSA_44, Kind.COSIGNATURE_ED25519)


@dataclass
class Site:
    """The deployment, its counter, and the witnesses by name."""

    deployment: LocalDeployment
    counter: Counter
    witnesses: dict[str, BaseProcess]
    trust: TrustFile

    def receipt(self) -> bytes:
        """One registration."""
        return self.counter.register(*pair(0.7)).receipt

    @contextmanager
    def silent(self, *names: str) -> Iterator[None]:
        """These witnesses accept connections and answer nothing."""
        pids = [self.witnesses[name].pid or 0 for name in names]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("witnessed")
    with ExitStack() as stack:
        processes, trusted, known = {}, [], []
        for number, kind in enumerate(KINDS):
            settings = sealed_witness(root / f"witness{number}", f"w{number}.example", ())
            url, process = stack.enter_context(running_witness(settings))
            [key] = [key for key in public_keys(settings) if key.kind is kind]
            processes[f"w{number}"] = process
            trusted.append(TrustedWitness(f"w{number}", key, url))
            known.append(KnownLogs(settings.logs_file))
        file = root / "witnesses.policy"
        file.write_bytes(bytes(TrustPolicy.simple([], trusted, QUORUM)))
        deployment = stack.enter_context(
            LocalDeployment(
                root / "servers",
                MODEL,
                log_witnesses=str(file),
                log_wait_seconds="1",
                witness_seconds="2",
            )
        )
        counter = Counter(deployment)
        stack.callback(counter.close)
        trust = TrustFile.read(deployment.directories.trust)
        assert trust.log is not None
        for logs in known:
            for log in trust.log.logs:
                logs.add(log.key)
        yield Site(deployment, counter, processes, trust)


def trusting(site: Site, policy: TrustPolicy) -> TrustFile:
    return site.trust.model_copy(update={"log_policy": bytes(policy).decode().splitlines()})


@contextmanager
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A counter that asks twice for a receipt; otherwise it asks until it comes."""
    with monkeypatch.context() as patch:
        patch.setattr(gateway_client, "RECEIPT_ATTEMPTS", 2)
        yield


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_client, "RECEIPT_ATTEMPTS", 1000)


def policy_of(site: Site) -> TrustPolicy:
    assert site.trust.log is not None
    return site.trust.log


def test_a_receipt_carries_the_cosignatures_of_the_quorum(site: Site) -> None:
    receipt = site.receipt()
    verify_receipt(receipt, site.trust)
    policy = policy_of(site)
    strangers = [
        replace(one, key=witness(n, one.key.kind).key) for n, one in enumerate(policy.witnesses)
    ]
    for wrong in (
        replace(policy, witnesses=tuple(strangers)),
        replace(policy, logs=(TrustedLog(signer(policy.logs[0].key.name).key),)),
    ):
        with pytest.raises(ReceiptInvalid) as invalid:
            verify_receipt(receipt, trusting(site, wrong))
        assert invalid.value.step in {7, 8}


def test_somebody_elses_tool_accepts_the_receipt(site: Site, tmp_path: Path) -> None:
    receipt = Receipt.decode(site.receipt())
    policy = policy_of(site)
    (tmp_path / "proof").write_bytes(receipt.log_proof or b"")
    (tmp_path / "entry").write_bytes(digest_of(receipt.statement))
    command = [
        *("verify-proof", str(tmp_path / "proof"), "--payload-file", str(tmp_path / "entry")),
        *("--log-vkey", str(policy.logs[0].key), "--expected-origin", policy.logs[0].key.name),
        *("--threshold", str(QUORUM)),
    ]
    for one in policy.witnesses:
        command += ["--witness-vkey", str(one.key)]
    assert proofbundle.main(command) == 0
    (tmp_path / "entry").write_bytes(bytes(32))
    assert proofbundle.main(command) != 0


def test_one_witness_may_be_silent_and_two_may_not(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site.silent("w1"):
        receipt = site.receipt()
    verify_receipt(receipt, site.trust)
    group = policy_of(site).groups[0]
    all_three = replace(policy_of(site), groups=(replace(group, threshold=3),))
    with pytest.raises(ReceiptInvalid) as invalid:
        verify_receipt(receipt, trusting(site, all_three))
    assert invalid.value.step == 8
    pending = pytest.raises(ReceiptPending, match="receipt is not there yet")
    with site.silent("w0", "w1"), impatient(monkeypatch), pending:
        site.receipt()
    verify_receipt(site.receipt(), site.trust)


def test_a_receipt_that_came_late_is_fetched_by_its_own_counter(
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    receipt, kept = tmp_path / "receipt", tmp_path / "receipt.pending"
    fetch = ["receipt", "fetch", "--trust", str(site.deployment.directories.trust)]
    fetch += ["--receipt", str(receipt)]
    client, pending = site.counter.client, list[PendingReceipt]()
    with site.silent("w0", "w1"), impatient(monkeypatch):
        with pytest.raises(ReceiptPending):
            client.register(*pair(0.7), occasion(), before_sending=pending.append)
        kept.write_bytes(pending[0].encode())
        assert main(fetch) == 1
        assert "receipt is not there yet" in capsys.readouterr().err
        assert {path.name for path in tmp_path.iterdir()} == {kept.name}
    other = client.register(*pair(0.1), occasion(), before_sending=pending.append)
    opening = Opening.decode(pending[0].opening)
    wrong_salt = opening.model_copy(update={"activation_salt": bytes(32)})
    asked_later = pending[0].expected.model_copy(update={"session": pending[1].session})
    for change in (
        {"opening": wrong_salt.encode()},
        {"expected": pending[1].expected.model_copy(update={"session": pending[0].session})},
        {"expected": asked_later},
    ):
        kept.write_bytes(pending[0].model_copy(update=change).encode())
        assert main(fetch) == 5
        assert not receipt.exists()
    nobodys = pending[0].expected.model_copy(update={"session": bytes(16)})
    kept.write_bytes(pending[0].model_copy(update={"expected": nobodys}).encode())
    assert main(fetch) == 1
    kept.write_bytes(pending[0].encode())
    capsys.readouterr()
    assert main(fetch) == 0
    assert capsys.readouterr().out == "MATCH\n"
    assert Path(f"{receipt}.opening").read_bytes() == pending[0].opening
    stated = verify_receipt(receipt.read_bytes(), site.trust).statement.message
    carriers = Path(f"{receipt}.activation").read_bytes()
    assert carriers == opening.of_activation(stated.record_id).encode()
    assert not kept.exists()
    kept.write_bytes(pending[1].encode())
    assert main(fetch) == 3
    assert receipt.read_bytes() == other.receipt


def test_witnesses_keep_the_same_history(site: Site) -> None:
    site.receipt()
    origin = policy_of(site).logs[0].key.name
    path = f"{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"
    kept = []
    for one in policy_of(site).witnesses:
        answer = httpx.get(f"{one.url}/{path}", trust_env=False, timeout=PATIENCE)
        kept.append(SignedCheckpoint.parse(answer.content).checkpoint)
    assert {one.origin for one in kept} == {origin}
    sizes = sorted(one.size for one in kept)
    assert sizes[1] == sizes[2], "the latest checkpoint has its quorum"


def test_an_enrolled_reader_follows_the_log(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By command. A stranger is refused, and a tree that is not the one seen before is noticed."""
    state, stranger = tmp_path / "seen.json", tmp_path / "stranger.key"
    (tmp_path / "receipt").write_bytes(site.receipt())
    check = ["log", "check", "--trust", str(site.deployment.directories.trust), "--json"]
    check += ["--state", str(state), "--receipt", str(tmp_path / "receipt"), "--key"]
    own = str(site.deployment.directories.reader_key)

    def agreed() -> dict[str, Any]:
        assert main([*check, own]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert found["agrees"]
        assert found["receipts"] == 1
        assert len(found["cosigned"]) >= QUORUM
        return found

    assert main(["log", "new-key", "--out", str(stranger)]) == 0
    assert len(capsys.readouterr().out.strip()) == 64
    assert main([*check, str(stranger)]) == 5
    assert "enrolled readers" in capsys.readouterr().err
    assert not state.exists()
    first = agreed()
    assert first["before"] is None
    site.receipt()
    assert agreed()["before"] == first["entries"] > 0

    seen = SignedCheckpoint.parse(Seen.parse(state.read_bytes()).note)
    grown = Frontier().extend([bytes(32)] * seen.checkpoint.size)[0]
    another = replace(seen.checkpoint, root=grown.root)
    note = SignedCheckpoint.make(another, *seen.note.signatures)
    state.write_bytes(bytes(Seen(bytes(note), grown)))
    for _ in range(2):  # the second reading finds its evidence kept
        assert main([*check, own]) == 3
        failed = json.loads(capsys.readouterr().out)
        assert failed["step"] == 2
        shown = Path(failed["evidence"]).read_bytes()
        assert SignedCheckpoint.parse(shown).checkpoint == seen.checkpoint
    with Path(f"{state}.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main([*check, own]) == 1
    assert "another reading" in capsys.readouterr().err
    assert main([*check, own, "--url", "http://[::1"]) == 1
    bare = tmp_path / "no-witnesses.json"
    trusting(site, replace(policy_of(site), quorum="none")).write(bare)
    check[check.index("--trust") + 1] = str(bare)
    assert main([*check, own, "--max-age", "60"]) == 1
    assert "needs witnesses" in capsys.readouterr().err
