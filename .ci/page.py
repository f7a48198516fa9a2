"""Compare the counter's page, as it was just built, with ``release.json``; or write that file.

``make page`` builds and compares: the same sources and the same lock file give the same bytes, on
every machine. ``make page-release`` builds and writes, for whoever changed the page's sources; the
file is then committed with them.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gateway.kiosk.release import (  # noqa: E402
    RELEASE,
    Release,
    built_files,
    differences,
    found_files,
    read_release,
)
from gateway.wire.errors import SealmatchError  # noqa: E402

PLACE = ROOT / "gateway" / "kiosk"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make page", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write release.json")
    options = parser.parse_args()
    try:
        contents = built_files(PLACE)
        if options.write:
            (PLACE / RELEASE).write_bytes(Release.of(contents).encode())
        faults = differences(read_release(PLACE), found_files(PLACE))
    except SealmatchError as error:
        sys.exit(f"make page: {error}")
    for fault in faults:
        print(f"{RELEASE}: {fault}")
    if faults:
        print("the page is not the one that release.json pins; if it is meant: make page-release")
        return 1
    total = sum(map(len, contents.values()))
    print(f"the counter's page: {len(contents)} files, {total / 2**20:.1f} MiB, as pinned")
    return 0


if __name__ == "__main__":
    sys.exit(main())
