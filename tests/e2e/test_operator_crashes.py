"""An operator's commands killed at their writes: the keys are the old or the new ones."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import PATIENCE
from tests.support.sealed import sealed_authority
from tests.support.steps import Steps

pytestmark = [pytest.mark.processes, pytest.mark.slow]


def test_an_operator_s_commands_killed(tmp_path: Path) -> None:
    """The server opens what is there as before, and the command can be given again."""
    steps = Steps(tmp_path / "steps")
    data = tmp_path / "data"
    settings = sealed_authority(data, "authority")
    environment = {
        "SEALMATCH_AUTHORITY_DATA_DIR": str(data),
        "SEALMATCH_AUTHORITY_PASSPHRASE_FILE": str(settings.passphrase_file),
    }

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "keys.cli", *arguments],
            env={**os.environ, **steps.environment(), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def killed(*arguments: str, nth: int = 1) -> None:
        steps.arm("secret-file-written", nth=nth)
        try:
            assert run(*arguments)[0] == -9
        finally:
            steps.disarm()

    activate = ("keys", "rotate", "signing", "--activate")
    enrol = ("enrol", "device", "new-device", "ab" * 32)
    assert run("enrol", "gateway", "a-gateway", "cd" * 32)[0] == 0
    before = json.loads(run(*activate[:3])[1])
    killed(*activate)  # the trust list's history has not passed to the new key
    killed(*activate, nth=2)  # it has; the keystore is the old one
    assert json.loads(run("keys", "show")[1]) == before
    assert json.loads(run(*activate)[1])["publicKey"] == before["nextPublicKey"]
    killed(*enrol)
    assert run("list")[1].split("\t")[:2] == ["gateway", "a-gateway"]
    assert run(*enrol)[0] == 0
    assert "new-device" in run("list")[1]
