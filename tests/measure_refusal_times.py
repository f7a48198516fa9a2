"""Whether a real clock tells refusals apart: ``python -m tests.measure_refusal_times``.

Takes some minutes. Both servers in memory, through the whole application, with and without the
waiting. Only an idle machine says something: what else runs there blurs all differences.
"""

import sys
import tempfile
from pathlib import Path

from tests.simulation.test_refusal_times import (
    AUTHORITY_MS,
    GATEWAY_MS,
    AuthoritySite,
    GatewaySite,
)
from tests.support import timing


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for name in ("a", "b", "c", "d"):
            (root / name).mkdir()
        authority, at_once = AuthoritySite(root / "a", AUTHORITY_MS), AuthoritySite(root / "b", 0)
        period = AUTHORITY_MS / 1000
        told = timing.indistinguishable(authority.app, authority.causes(), 14, period)
        _say("authority", told, timing.distinguishable(at_once.app, at_once.causes(), 14))
        with GatewaySite(root / "c", GATEWAY_MS) as waiting, GatewaySite(root / "d", 0) as plain:
            period = GATEWAY_MS / 1000
            found = timing.indistinguishable(waiting.app, waiting.causes(), 7, period)
            _say("gateway", found, timing.distinguishable(plain.app, plain.causes(), 5))
    return 1 if told or found else 0


def _say(server: str, waiting: list[str], at_once: list[str]) -> None:
    print(f"{server}: {len(waiting)} pairs told apart, {len(at_once)} without waiting")
    for line in waiting:
        print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
