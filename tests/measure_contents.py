"""How often the inspection's detectors alarm on what is lawful, and how fast they are.

    python -m tests.measure_contents [MEGABYTES]

Random bytes, and text as servers, people and programs write it: logs with ids and times, metrics,
tables of measurements, digests in hexadecimal and base64, JSON, addresses, source code, a database
with records. Every alarm is a false one. The seed is fixed.
"""

import argparse
import base64
import json
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from gateway.inspection.contents.cells import cells
from gateway.inspection.contents.database import CellSearch
from gateway.inspection.contents.files import Opened, look
from gateway.inspection.contents.scanner import ALWAYS, Scanner
from gateway.inspection.evidence import opened
from tests.support.inspected import Inspected

RANDOM = np.random.default_rng(20261127)
_PART = 1 << 20


def random_bytes(size: int) -> Iterator[bytes]:
    for _ in range(0, size, _PART):
        yield RANDOM.bytes(_PART)


def _lines(make: Callable[[int], str]) -> Callable[[int], Iterator[bytes]]:
    def parts(size: int) -> Iterator[bytes]:
        done, number = 0, 0
        while done < size:
            lines = [make(number + n) for n in range(4000)]
            number += 4000
            part = "\n".join(lines).encode() + b"\n"
            done += len(part)
            yield part

    return parts


def _when(n: int) -> str:
    return f"2026-11-{1 + n % 28:02d} {n % 24:02d}:{n % 60:02d}:{n * 7 % 60:02d},{n % 1000:03d}"


def _id() -> uuid.UUID:
    return uuid.UUID(bytes=RANDOM.bytes(16), version=4)


def log_line(n: int) -> str:
    return (
        f"{_when(n)} INFO sealmatch.gateway {_id()} refused: step {n % 15} of party "
        f"reader-{n % 900}; 10.{n % 256}.{n % 199}.{n % 250} port {1024 + n % 60000}, "
        f"{RANDOM.random() * 9:.6f} s, {RANDOM.integers(10**9)} bytes"
    )


def metric(n: int) -> str:
    name = f'sealmatch_seconds_bucket{{le="{n % 90 / 10}"}}'
    return f"{name} {RANDOM.normal():.9f} {1_764_225_641_000 + n}"


def measurements(n: int) -> str:
    return (
        f"{n},{1_764_225_641 + n}.{n % 10**6:06d},{RANDOM.random():.12f},{RANDOM.integers(10**12)}"
    )


def digests(n: int) -> str:
    digest = RANDOM.bytes(32)
    return f"{digest.hex()}  {digest[:20].hex().upper()}  {base64.b64encode(digest).decode()} {n}"


def documents(n: int) -> str:
    record = {
        "id": str(_id()), "number": int(RANDOM.integers(10**15)), "phone": f"+86138{n:08d}",
        "signature": base64.urlsafe_b64encode(RANDOM.bytes(64)).decode(), "at": _when(n),
        "key": RANDOM.bytes(64).hex(), "hash": RANDOM.bytes(32).hex(), "serial": f"A{n:09d}",
    }  # fmt: skip
    return json.dumps(record)


TEXTS = {
    "log": _lines(log_line),
    "metrics": _lines(metric),
    "measurements": _lines(measurements),
    "digests": _lines(digests),
    "JSON": _lines(documents),
}


def source_code(size: int) -> Iterator[bytes]:
    """The standard library's own."""
    done = 0
    for path in sorted(Path(json.__file__).parents[1].rglob("*.py")):
        if done >= size or "site-packages" in path.parts or "test" in path.parts:
            continue
        content = path.read_bytes()
        done += len(content)
        yield content


def measure(name: str, parts: Iterator[bytes], scanner: Scanner) -> int:
    listed = list(parts)
    start = time.process_time()
    scan = scanner.stream(listed, name)
    seconds = time.process_time() - start
    tell(name, scan.size, seconds, Counter((one.kind, one.encoding) for one in scan.findings))
    return len(scan.findings)


def tell(name: str, size: int, seconds: float, found: Counter[tuple[str, str]]) -> None:
    alarms = "; ".join(f"{kind} ({how}) {count}" for (kind, how), count in found.most_common(5))
    print(
        f"{name:16} {size / 1e6:7.1f} MB {size / seconds / 1e6:6.0f} MB/s "
        f"{sum(found.values()):4} alarms  {alarms}",
        flush=True,
    )


def database(records: int) -> int:
    with tempfile.TemporaryDirectory() as directory:
        deployment = Inspected(Path(directory))
        deployment.register(records)
        deployment.publish()
        with opened(deployment.url) as found:
            search, start = CellSearch("gateway"), time.process_time()
            scan = search.run(cells(found))
            seconds = time.process_time() - start
        print(f"{records:,} records, {search.count:,} cells in {seconds:.1f} s of one core")
        kinds = Counter((one.kind, one.encoding) for one in scan.findings)
        tell("cells", scan.size, seconds, kinds)
        path = deployment.gateway / "gateway.sqlite3"
        start = time.process_time()
        raw = look(Opened(path.parent, path))
        kinds = Counter((one.kind, one.encoding) for one in raw.findings)
        tell("SQLite, raw", raw.size, time.process_time() - start, kinds)
        return len(scan.findings) + len(raw.findings)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("megabytes", nargs="?", type=int, default=160)
    parser.add_argument("--records", type=int, default=3000)
    options = parser.parse_args()
    size = options.megabytes * 10**6
    total = measure("random bytes", random_bytes(size // 2), Scanner(ALWAYS))
    for name, parts in TEXTS.items():
        total += measure(name, parts(size // (2 * len(TEXTS))), Scanner())
    total += measure("source code", source_code(size // 10), Scanner())
    total += database(options.records)
    print(f"{total} false alarms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
