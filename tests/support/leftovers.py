"""What servers must not have written down, whatever they were sent."""

import base64
from pathlib import Path

from gateway.lab.deployment.local import LocalDeployment
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
    """It would be an error of our own, and its last line may repeat a value. The log leaves such
    lines out, and says where."""
    found = ("Traceback", " was left out (", "INTERNAL")
    starts = [i for i, line in enumerate(lines) if any(one in line for one in found)]
    assert not starts, "\n".join(lines[starts[0] - 3 : starts[0] + 1])


def forms(text: str) -> set[bytes]:
    """A text as it is, and as somebody might have encoded it."""
    raw = text.encode()
    padded = [base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)]
    return {
        raw,
        raw.lower(),
        raw.hex().encode(),
        raw.hex().upper().encode(),
        text.encode("utf-16-le"),
        *(part for part in padded if len(part) >= 6),
    }


def assert_no_file_holds(deployment: LocalDeployment, *texts: str) -> None:
    """Databases, write-ahead logs, logs, trust lists: every file, at any size.

    What the authority keeps is too small for a ciphertext.
    """
    searched = {f for text in texts for f in forms(text)}
    files = []
    for directory in (deployment.directories.gateway, deployment.directories.authority):
        files += [path for path in sorted(directory.rglob("*")) if path.is_file()]
    names = {path.name for path in files}
    assert {"gateway.sqlite3", "gateway.sqlite3-wal", "server.log", "trust.json"} <= names
    for path in files:
        content = path.read_bytes()
        for one in searched:
            assert one not in content, f"{path.name} holds {one!r}"
    authority = [p for p in files if deployment.directories.authority in p.parents]
    assert sum(p.stat().st_size for p in authority) < 64 * 1024
    counters = {f"{name}.sqlite3{end}" for name in ("caps", "audits") for end in ("", "-journal")}
    own = {"keystore.sealed", "trust.json", "server.log", "process.lock", "caps.mark", *counters}
    assert {p.name for p in authority} <= own
