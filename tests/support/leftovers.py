"""What servers must not have written down, whatever they were sent."""

import base64
from pathlib import Path

from gateway.cli.local import LocalDeployment
from tests.support.observation import (
    server_logs,
)
from tests.support.samples import (
    NUMBER,
    PLAIN_NUMBER,
    REFERENCE,
)

SECRETS = (NUMBER, PLAIN_NUMBER, REFERENCE, "canary")


def assert_nothing_kept(deployment: LocalDeployment) -> None:
    """After hostile inputs: the logs hold reasons but no input, the files nothing of it."""
    logs = server_logs(deployment)
    assert "PERMISSION_DENIED" in logs
    for secret in SECRETS:
        for form in (secret, secret.encode().hex(), base64.b64encode(secret.encode()).decode()):
            assert form not in logs
    _assert_no_stack_trace(logs.splitlines())
    for directory in (deployment.directories.gateway, deployment.directories.authority):
        for path in sorted(Path(directory).rglob("*")):
            if path.is_file():
                content = path.read_bytes()
                for secret in (NUMBER, PLAIN_NUMBER, REFERENCE):
                    assert secret.encode() not in content, path.name


def _assert_no_stack_trace(lines: list[str]) -> None:
    """It would be an error of our own, and its last line may repeat a value."""
    starts = [i for i, line in enumerate(lines) if line.startswith("Traceback")]
    assert not starts, "\n".join(lines[starts[0] - 3 : starts[0]])
