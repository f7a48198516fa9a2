"""``sealmatch register`` refuses or fails: wrong trust, wrong places, wrong usage."""

import json
import os
import resource
from pathlib import Path

import pytest

from gateway.host.clock import unix_time
from gateway.host.keyfile import create_signing_key
from gateway.lab.deployment.local import LocalDeployment
from gateway.main import main
from gateway.wire.cose import SigningKey
from gateway.wire.ids import SessionId
from tests.support import expected
from tests.support.commands import (
    FAILURE,
    INCONCLUSIVE,
    MATCH,
    NUMBER,
    ORDER,
    PLAIN,
    REFUSED,
    USAGE,
    Photographs,
    changed_trust,
    register,
    report,
)
from tests.support.counter import Counter
from tests.support.leftovers import assert_no_file_holds
from tests.support.observation import record_count, session_states

pytestmark = [pytest.mark.processes, pytest.mark.pack, pytest.mark.slow]


def test_another_authoritys_key_in_the_trust_file_is_status_5(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    """The client refuses the session key: no submission ever arrives, or it would stand there."""
    pinned = deployment.trust.authorities[0]
    stranger = SigningKey.generate("x").public.raw.hex()
    trust = changed_trust(
        deployment,
        "other-authority.json",
        authorities=[pinned.model_copy(update={"public_key": stranger})],
    )
    records, states = record_count(deployment), session_states(deployment)
    done = register(
        deployment, photographs.portrait, photographs.live, tmp_path / "r", "--json", trust=trust
    )
    report(done, REFUSED, "REFUSED")
    assert record_count(deployment) == records
    assert session_states(deployment) == states
    assert not (tmp_path / "r").exists()


def test_a_policy_that_is_not_pinned_is_status_5(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    trust = changed_trust(deployment, "other-policy.json", policies=["00" * 32])
    states = session_states(deployment)
    done = register(
        deployment, photographs.portrait, photographs.live, tmp_path / "r", "--json", trust=trust
    )
    report(done, REFUSED, "REFUSED")
    assert session_states(deployment) == states


def test_a_device_that_is_not_enrolled_is_status_5(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    key = deployment.directories.counter / "stranger.key"
    create_signing_key(key, "demo-device")
    counter = deployment.trust.counter
    assert counter is not None
    trust = changed_trust(
        deployment,
        "stranger.json",
        counter=counter.model_copy(update={"device_key_file": "counter/stranger.key"}),
    )
    states = session_states(deployment)
    done = register(
        deployment, photographs.portrait, photographs.live, tmp_path / "r", "--json", trust=trust
    )
    reference = report(done, REFUSED, "REFUSED")["reference"]
    assert session_states(deployment) == states
    logged = (deployment.directories.gateway / "server.log").read_text()
    assert f"{reference} PERMISSION_DENIED" in logged, "the operator finds what the counter shows"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9", "http://127.0.0.1:99999", "ftp://127.0.0.1", "nonsense", "http://["],
)
def test_a_gateway_that_cannot_be_reached_is_status_1(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path, url: str
) -> None:
    gateways = [deployment.trust.gateways[0].model_copy(update={"url": url})]
    trust = changed_trust(deployment, "elsewhere.json", gateways=gateways)
    done = register(
        deployment, photographs.portrait, photographs.live, tmp_path / "r", "--json", trust=trust
    )
    assert report(done, FAILURE, "FAILED")["reason"]


@pytest.mark.parametrize("which", ["trust", "portrait", "live", "number"])
def test_a_missing_file_is_status_1(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path, which: str
) -> None:
    states = session_states(deployment)
    missing = tmp_path / "missing-file"
    done = register(
        deployment,
        missing if which == "portrait" else photographs.portrait,
        missing if which == "live" else photographs.live,
        tmp_path / "r",
        "--json",
        trust=missing if which == "trust" else None,
        number=("--id-number-file", str(missing) if which == "number" else "-"),
    )
    assert "missing-file" in report(done, FAILURE, "FAILED")["reason"]
    assert session_states(deployment) == states


def test_a_number_that_is_none_is_status_1_and_not_repeated(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    done = register(
        deployment,
        photographs.portrait,
        photographs.live,
        tmp_path / "r",
        "--json",
        number=("--id-number", "Ω!?canary"),
    )
    assert "canary" not in done.stdout + done.stderr
    report(done, FAILURE, "FAILED")


def test_a_missing_model_pack_is_a_failure_and_not_inconclusive(
    deployment: LocalDeployment,
    photographs: Photographs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Status 4 tells the shop to take another photograph, which would not help."""
    monkeypatch.setenv("SEALMATCH_MODELS", str(tmp_path / "no-models"))
    done = register(deployment, photographs.portrait, photographs.live, tmp_path / "r", "--json")
    report(done, FAILURE, "FAILED")


@pytest.mark.parametrize("target", ["no/such/directory/r", "a-directory", "a-pipe"])
def test_a_receipt_that_cannot_be_written_is_said_before_anything_is_sent(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path, target: str
) -> None:
    """A decision whose proof is lost helps nobody: the subscriber would have to start again.

    A pipe stands for /dev/full and /dev/stdout: what is no file must never be replaced by one.
    """
    (tmp_path / "a-directory").mkdir()
    os.mkfifo(tmp_path / "a-pipe")
    before = session_states(deployment), record_count(deployment)
    opening = tmp_path / "opening"
    done = register(
        deployment,
        photographs.portrait,
        photographs.live,
        tmp_path / target,
        "--json",
        *("--opening", opening),
    )
    assert (tmp_path / "a-directory").is_dir()
    assert (tmp_path / "a-pipe").is_fifo()
    assert report(done, FAILURE, "FAILED")["reason"]
    assert (session_states(deployment), record_count(deployment)) == before
    assert not opening.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_disk_without_room_for_the_receipt_is_said_before_anything_is_sent(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    before = session_states(deployment), record_count(deployment)
    done = register(
        deployment,
        photographs.portrait,
        photographs.live,
        tmp_path / "r",
        "--json",
        limits=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert report(done, FAILURE, "FAILED")["reason"]
    assert (session_states(deployment), record_count(deployment)) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failed", [True, False], ids=["ended", "unknown"])
def test_an_earlier_registration_that_is_not_settled_is_not_replaced(
    deployment: LocalDeployment,
    counter: Counter,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    failed: bool,
) -> None:
    """What it left, with the subscriber's opening, goes if the gateway knows that it failed."""
    opened = counter.open()
    if failed:
        bad = counter.honest_submission(opened, made={"captured_at": unix_time() - 3600})
        assert counter.submit(opened, bad).status_code == 403
    session = opened.session if failed else SessionId(bytes(16))
    left = expected.pending(unix_time(), session=session)
    pending, missing = tmp_path / "r.pending", tmp_path / "missing-file"
    pending.write_bytes(left.encode())
    states = session_states(deployment)
    command = ["register", "--trust", str(deployment.directories.trust), "--json"]
    command += ["--id-type", "passport", "--id-number", "L01X00T99", "--consent-shown"]
    command += ["--id-portrait", str(missing), "--live", str(missing)]
    assert main([*command, "--receipt", str(tmp_path / "r")]) == FAILURE
    reason = json.loads(capsys.readouterr().out)["reason"]
    assert ("missing-file" if failed else "receipt fetch") in reason
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([] if failed else [left.encode()])
    assert session_states(deployment) == states


def test_an_earlier_receipt_is_replaced_only_by_a_new_one(
    deployment: LocalDeployment, photographs: Photographs, tmp_path: Path
) -> None:
    receipt, broken = tmp_path / "r", tmp_path / "broken.jpg"
    receipt.write_bytes(b"an earlier one")
    broken.write_bytes(b"")
    done = register(deployment, photographs.portrait, broken, receipt, "--json")
    report(done, INCONCLUSIVE, "INCONCLUSIVE")
    assert receipt.read_bytes() == b"an earlier one"
    done = register(deployment, photographs.portrait, photographs.live, receipt, "--json")
    report(done, MATCH, "MATCH")
    assert receipt.stat().st_size > 1000


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["register"],
        ["register", "--trust", "x", "--id-type", "library-card"],
        [
            "register",
            "--trust",
            "x",
            "--id-type",
            "passport",
            "--id-number",
            "1",
            "--id-number-file",
            "-",
        ],
        ["receipt"],
        ["receipt", "verify"],
        ["receipt", "verify", "x"],
        ["receipt", "verify", "x", "--trust", "y", "--opening", "z"],
        ["receipt", "verify", "x", "--trust", "y", "--id-type", "passport", "--id-number", "AB123"],
        ["up"],
        ["nonsense"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == USAGE


def test_no_file_of_either_server_holds_a_number_or_a_ciphertext(
    deployment: LocalDeployment,
) -> None:
    """Comes last: the servers have by now seen everything above."""
    assert_no_file_holds(deployment, NUMBER, PLAIN, ORDER)
