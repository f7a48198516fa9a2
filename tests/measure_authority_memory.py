"""The key authority's memory over many sessions: what it keeps is bounded, and does not grow.

    python -m tests.measure_authority_memory [--sessions 20000] [--per-second 20] [--json]

Every message passes the authority's own service, counters on disk included, in this process. Only
the key pairs are not drawn: b is random bytes of the right length, which is what memory is about.
One session in ten is abandoned after its key was given out. Prints resident memory every tenth.
"""

import argparse
import gc
import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from gateway.he.session_key import UniformHalf
from gateway.wire.dealing import Dealing
from gateway.wire.polynomials import PaddedProduct, SessionKeyHalf
from gateway.wire.profile import KEY_PRIMES, N
from keys.workers import Secret
from tests.support.asking import ask_attempt, ask_decision, ask_values
from tests.support.parties import Clock, InProcessAuthority


class _NoSecret:
    """In the place of a key in a worker process."""

    def answer(self, *_: PaddedProduct | int | Dealing) -> tuple[int, int]:
        return secrets.randbelow(1000), secrets.randbelow(1000)

    def destroy(self) -> None: ...


def _make(_: UniformHalf) -> tuple[Secret, SessionKeyHalf]:
    drawn = np.random.default_rng().integers(1, min(KEY_PRIMES), (1, len(KEY_PRIMES), N))
    return _NoSecret(), SessionKeyHalf(drawn.astype(np.uint64))


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run(sessions: int, per_second: int) -> list[dict[str, Any]]:
    """Take so many sessions; what there was at every tenth of the way."""
    clock, points = Clock(), []
    with tempfile.TemporaryDirectory() as directory:
        authority = InProcessAuthority(Path(directory), clock, max_sessions=2000)
        authority.service._make_secret = _make
        for number in range(1, sessions + 1):
            opened = authority.open(session=number.to_bytes(16, "big"))
            if number % 10:
                ask_attempt(opened)
                ask_values(opened)
                ask_decision(opened)
            if number % per_second == 0:
                clock.now += 1
                authority.table.expire()
            if number % max(1, sessions // 10) == 0:
                gc.collect()
                table = authority.table
                points.append(
                    {
                        "sessions": number,
                        "open": len(table._open),
                        "ended": len(table._ended),
                        "memoryMb": round(resident() / 1e6, 1),
                    }
                )
    return points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=20_000)
    parser.add_argument("--per-second", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    points = run(options.sessions, options.per_second)
    if options.json:
        print(json.dumps(points))
        return
    for point in points:
        print("  ".join(f"{name} {value}" for name, value in point.items()))


if __name__ == "__main__":
    main()
