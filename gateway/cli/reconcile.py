"""``sealmatch reconcile``: activations without a valid receipt, receipts without an activation.

Runs at the gateway's operator: it reads the gateway's records. Exit status: 0 nothing found,
1 deviations (or a failure), 2 usage.
"""

import argparse
import json
from pathlib import Path

from gateway.inspection.reconcile import Deviation, read_activations, reconcile
from gateway.proofs.trust import TrustFile
from gateway.store.database import Database
from gateway.store.records import all_records


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--activations",
        type=Path,
        required=True,
        metavar="FILE",
        help="CSV with the columns record_id, activation_reference, activation_salt",
    )
    parser.add_argument(
        "--trust", type=Path, default=Path("trust.json"), metavar="FILE", help="default trust.json"
    )
    parser.add_argument(
        "--database",
        metavar="URL",
        help="the database, as in its settings; default: that of `sealmatch up` beside FILE",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare and report."""
    trust = TrustFile.read(options.trust)
    with options.activations.open(encoding="utf-8", newline="") as file:
        activations = read_activations(file)
    beside = options.trust.resolve().parent / "gateway" / "gateway.sqlite3"
    database = Database(options.database or f"sqlite:///{beside}")
    try:
        with database.transaction() as connection:
            records = all_records(connection)
    finally:
        database.close()
    found = reconcile(
        activations,
        [record.statement for record in records if record.kind == "decision"],
        [gateway.verify_key for gateway in trust.gateways],
        [authority.verify_key for authority in trust.authorities],
    )
    if options.json:
        print(json.dumps({"deviations": [_as_json(one) for one in found]}))
    else:
        for one in found:
            where = "" if one.line is None else f" (line {one.line})"
            print(f"{one.finding}: record {one.record_id.hex()}{where}")
        print(f"{len(activations)} activations, {len(records)} records, {len(found)} deviations")
    return 1 if found else 0


def _as_json(one: Deviation) -> dict[str, object]:
    return {"finding": one.finding.name, "record": one.record_id.hex(), "line": one.line}
