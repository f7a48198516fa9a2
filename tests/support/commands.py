"""The real command: run, and what it says looked at."""

import itertools
import json
import os
import string
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.lab.deployment.local import LocalDeployment
from gateway.proofs.trust import TrustFile
from tests.support.processes import PATIENCE

SEALMATCH = Path(sys.executable).with_name("sealmatch")
NUMBER, PLAIN = "l01x-00 t", "L01X00T"
"""How every document number begins here, as given and normalised; each run has its own."""

ONES_OWN = f"{NUMBER}47"
_numbers = map("".join, itertools.product(string.ascii_uppercase, repeat=2))
"""Their ends: a passport's number has nine characters at most."""
ORDER = "order 5550123-77"
MATCH, FAILURE, USAGE, NO_MATCH, INCONCLUSIVE, REFUSED = 0, 1, 2, 3, 4, 5


@dataclass
class Photographs:
    """Files for the command: one person's portrait and live picture, and another person's."""

    portrait: Path
    live: Path
    stranger: Path


def sealmatch(
    *arguments: str | Path, stdin: str | None = None, limits: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SEALMATCH, *map(str, arguments)],
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        preexec_fn=limits,
    )


def register(
    deployment: LocalDeployment,
    portrait: Path,
    live: Path,
    receipt: Path,
    *more: str | Path,
    trust: Path | None = None,
    number: tuple[str, str] = ("--id-number-file", "-"),
    stdin: str | None = None,
    limits: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    return sealmatch(
        "register",
        *("--trust", trust or deployment.directories.trust),
        *("--id-type", "passport", *number),
        *("--id-portrait", portrait, "--live", live, "--receipt", receipt, "--consent-shown"),
        *more,
        stdin=stdin or f"{NUMBER}{next(_numbers)}",
        limits=limits,
    )


def report(done: subprocess.CompletedProcess[str], status: int, outcome: str) -> dict[str, Any]:
    """The one JSON object of ``--json``, after a look at status and outcome."""
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    assert done.stdout.count("\n") == 1
    parsed: dict[str, Any] = json.loads(done.stdout)
    assert parsed["outcome"] == outcome
    other_way = parsed.get("withoutFace", {}).get("command", "")
    assert other_way.startswith("sealmatch fallback ") == (outcome != "MATCH"), "named, or needless"
    assert "Traceback" not in done.stderr
    for text in (done.stdout, done.stderr):
        assert PLAIN not in text
        assert NUMBER not in text
    return parsed


def changed_trust(deployment: LocalDeployment, name: str, **changes: Any) -> Path:
    """A trust file beside the real one (its key files are relative to it)."""
    path = deployment.directories.root / name
    TrustFile.read(deployment.directories.trust).model_copy(update=changes).write(path)
    return path
