"""``sealmatch reconcile``: activations without a valid receipt, receipts without an activation.

Runs at the gateway's operator: it reads the gateway's records. The list is CSV. Its first line is
record_id,activation_reference,activation_opening, where the third column names the activation
opening that came with the receipt, relative to the list; or it is
record_id,activation_reference,activation_salt, with the opening's salt in hexadecimal. Activations
whose receipt is of a registration without a face are in order, and counted apart.

Exit status: 0 nothing found, 3 deviations, 1 a file cannot be read, or another failure, 2 usage.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.cli import NO_MATCH
from gateway.cli.outputs import UnusableFile, about, to_a_reader
from gateway.inspection.activations import opener
from gateway.inspection.reconcile import Activation, Deviation, read_activations, reconcile
from gateway.proofs.fallback import is_fallback
from gateway.proofs.trust import TrustFile
from gateway.store.database import Database
from gateway.store.records import all_records
from gateway.wire.errors import Unavailable
from gateway.wire.ids import RecordId

DEVIATIONS: Final = NO_MATCH
_SQLITE: Final = "sqlite:///"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--activations", type=Path, required=True, metavar="FILE", help="the carrier's list, CSV"
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
    activations = _activations(options.activations)
    records = _records(options.database or _beside(options.trust))
    found = reconcile(activations, records.items(), trust)
    fallbacks = {record for record, statement in records.items() if is_fallback(statement)}
    without_face = sum(one.record_id in fallbacks for one in activations)
    with to_a_reader():
        if options.json:
            told = [_as_json(one) for one in found]
            print(json.dumps({"deviations": told, "withoutFace": without_face}))
        else:
            _report(found)
            counts = f"{len(activations)} activations ({without_face} without a face)"
            print(f"{counts}, {len(records)} records, {len(found)} deviations")
    return DEVIATIONS if found else 0


def _activations(path: Path) -> list[Activation]:
    """Raises ``UnusableFile``, ``OSError``."""
    with about(path), path.open(encoding="utf-8-sig", newline="") as file:
        return read_activations(file, opener(path.parent))


def _beside(trust: Path) -> str:
    return f"{_SQLITE}{trust.resolve().parent / 'gateway' / 'gateway.sqlite3'}"


def _records(url: str) -> Mapping[RecordId, bytes]:
    """Every record's statement. Raises ``UnusableFile``; a database is never made."""
    file = Path(url.removeprefix(_SQLITE).partition("?")[0]) if url.startswith(_SQLITE) else None
    if file is not None and not file.is_file():
        raise UnusableFile(f"{file}: there is no such database; name it with --database")
    database = Database(url)
    try:
        with database.transaction() as connection:
            records = all_records(connection)
    except Unavailable:
        shown = file or "the database"
        raise UnusableFile(f"{shown}: cannot be read as a gateway's database") from None
    finally:
        database.close()
    return {one.record_id: one.statement for one in records}


def _report(found: list[Deviation]) -> None:
    for one in found:
        where = "" if one.line is None else f" (line {one.line})"
        why = "" if one.detail is None else f": {one.detail}"
        print(f"{one.finding}: record {one.record_id.hex()}{where}{why}")


def _as_json(one: Deviation) -> dict[str, object]:
    told = {"finding": one.finding.name, "record": one.record_id.hex(), "line": one.line}
    return {**told, "detail": one.detail}
