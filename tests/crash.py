"""``python -m tests.crash``: kill the servers hundreds of times, and check what is left.

Every labelled crash point of gateway, authority, auditor, sequencer and witness ``--each`` times,
then ``--kills`` SIGKILLs at random moments, with registrations in flight and one evaluation in two
audited, on SQLite and on PostgreSQL (Debian's package ``postgresql``). Then, ``--restores`` times,
the gateway's database is backed up, lost and restored, with a kill at each labelled point of both.
The tests run a short version: ``tests/e2e/test_log_crashes.py``.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path

from gateway.lab.deployment.postgres import installed_programs
from tests.support.campaign import Campaign, labelled
from tests.support.guardian import guarded
from tests.support.postgres import PostgresServer


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="default 200")
    parser.add_argument("--each", type=int, default=5, metavar="N", help="default 5")
    parser.add_argument("--restores", type=int, default=2, metavar="N", help="default 2")
    parser.add_argument("--only", default="", metavar="PREFIX", help="of the labelled points")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with guarded():
        _run_all(options)
    return 0


def _run_all(options: argparse.Namespace) -> None:
    both = ("sqlite", "postgresql")
    for database in both if options.database == "both" else (options.database,):
        _run(database, options)


def _run(database: str, options: argparse.Namespace) -> None:
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(tempfile.TemporaryDirectory(prefix="sealmatch-crash-"))
        url = files = server = None
        if database == "postgresql":
            programs = installed_programs()
            if programs is None:
                sys.exit("PostgreSQL is not installed (apt-get install postgresql)")
            server = stack.enter_context(PostgresServer(programs))
            url, files = server.new_database(), server.directory
        campaign = stack.enter_context(
            Campaign(Path(root), url, options.seed, database_files=files)
        )
        campaign.registered()
        for point in [p for p in labelled() if p.startswith(options.only)] * bool(options.each):
            for _ in range(options.each):
                campaign.kill_at(point)
            campaign.registered()
            _tell(database, f"{point} x {options.each}", campaign)
        for number in range(1, options.kills + 1):
            campaign.registered()
            killed = campaign.kill_at_random()
            _tell(database, f"kill {number}/{options.kills} ({killed})", campaign)
        for number in range(1, options.restores + 1):
            campaign.back_up_and_restore(server.new_database() if server is not None else None)
            _tell(database, f"backup and restore {number}/{options.restores}", campaign)
        found = campaign.check()
    shown = ", ".join(f"{count} {name}" for name, count in found.items())
    print(f"{database}: all whole after {time.monotonic() - start:.0f} s: {shown}", flush=True)


def _tell(database: str, what: str, campaign: Campaign) -> None:
    print(f"{database}: {what}; {len(campaign.receipts)} receipts so far", flush=True)


if __name__ == "__main__":
    sys.exit(main())
